//! Attestations that were made elsewhere, on their way beside an image: envelopes into its `.att`, bundles as referrers
//! ([`super::attach`] puts them).

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use serde_json::Deserializer;
use serde_json::value::RawValue;

use super::attach::{Attachment, Look, Put};
use super::gather::{self, Patience, Patient, read_bundle};
use super::merge::{Crashing, Merge, merge};
use super::push::{put_merged, standing};
use super::store::{ManifestToPut, Sink};
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::attestation::{self, Layer, PredicateType};
use crate::format::beside::Beside;
use crate::format::bundle;
use crate::format::evidence::{Descriptor, OCI_MANIFEST};
use crate::format::json::{Names, Value};
use crate::keys::public::PublicKey;
use crate::limits;
use crate::verify::{
    Claims, Demand, Evidence, Form, Found, Purpose, Valid, Verifier, attested_in_bundle,
    attested_in_envelope, conclude,
};

/// One attestation as it was made: its bytes are put as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// A DSSE envelope.
    Envelope(Bytes),
    /// A bundle.
    Bundle(Bytes),
}

impl Made {
    /// The attestations in a text of one or more JSON objects, whatever stands between them: one, or one a line. ATT-FILE
    /// where something else stands there too.
    pub fn read_all(text: &[u8]) -> Result<Vec<Self>> {
        let mut made = Vec::new();
        for (number, value) in (1..).zip(Deserializer::from_slice(text).into_iter::<&RawValue>()) {
            let refuse = |why: &str| Error::new(Check::AttFile, format!("object {number}")).detail(why);
            let raw = value.map_err(|error| refuse("not JSON").caused_by(error))?.get().as_bytes();
            if raw.len() > limits::MANIFEST || number > limits::SIG_LAYERS {
                return Err(refuse("at most 1,000 of 4 MiB each"));
            }
            made.push(check_att_file(raw).map_err(|error| error.within(format!("object {number}")))?);
        }
        if made.is_empty() {
            return Err(Error::new(Check::AttFile, "").detail("it is empty"));
        }
        Ok(made)
    }
}

/// ATT-FILE: a DSSE envelope, or a bundle.
fn check_att_file(raw: &[u8]) -> Result<Made> {
    let refuse = |why: &str| Error::new(Check::AttFile, "").detail(why);
    let value = Value::parse(raw, limits::DEPTH_EVIDENCE, Names::Exact)
        .map_err(|error| refuse("not strict JSON").caused_by(error))?;
    let bytes = Bytes::copy_from_slice(raw);
    if value.get("payloadType").is_some() {
        Ok(Made::Envelope(bytes))
    } else if value.get("dsseEnvelope").is_some() {
        Ok(Made::Bundle(bytes))
    } else if value.get("messageSignature").is_some() {
        Err(refuse("the bundle of a file's signature is no attestation"))
    } else if value.get("predicateType").is_some() {
        Err(refuse("a statement alone is not signed"))
    } else {
        Err(refuse("neither a DSSE envelope nor a bundle"))
    }
}

/// Attestations about an image, checked.
#[derive(Debug)]
pub struct Attestations {
    subject: Descriptor,
    /// The envelopes, each with its layer.
    envelopes: Vec<(Layer, Bytes)>,
    /// The bundles, each with its referrer manifest.
    bundles: Vec<(Bytes, Bytes)>,
    /// What verifies of them, as it must come back; nothing of those that nobody verified.
    verified: HashSet<Verified>,
    keys: Vec<PublicKey>,
}

/// Form, key, digest of the statement.
type Verified = (Form, Digest, Digest);

impl Attestations {
    /// None yet. Without keys nothing is verified.
    #[must_use]
    pub fn about(subject: Descriptor, keys: Vec<PublicKey>) -> Self {
        Self { subject, envelopes: Vec::new(), bundles: Vec::new(), verified: HashSet::new(), keys }
    }

    /// Adds one, unless it is there already: about the image, of any type but that of image signatures (ATT-ENVELOPE,
    /// BUNDLE-SYNTAX, ATT-STATEMENT, ATT-PREDICATE, BUNDLE-SUBJECT), and by one of the keys (SIG-KEY and what else the
    /// verifier asks). Returns what it is about.
    pub fn add(&mut self, made: &Made) -> Result<PredicateType> {
        let subject = &self.subject.digest;
        let kind = match made {
            Made::Envelope(bytes) => attested_in_envelope(bytes, subject)?,
            Made::Bundle(bytes) => attested_in_bundle(bytes, bundle::MEDIA_TYPE, subject)?,
        };
        let kind = PredicateType::of_uri(&kind)
            .map_err(|error| Error::new(Check::AttStatement, "").caused_by(error))?;
        if !self.keys.is_empty() {
            self.verified.extend(self.verify(made, &kind)?.iter().filter_map(verified));
        }
        match made {
            Made::Envelope(bytes) => {
                let layer = Layer::of(bytes, kind.clone());
                if !self.envelopes.iter().any(|(there, _)| *there == layer) {
                    self.envelopes.push((layer, bytes.clone()));
                }
            }
            Made::Bundle(bytes) => {
                let descriptor = Descriptor::of(bundle::MEDIA_TYPE, bytes);
                let referrer = bundle::render_referrer(&descriptor, &self.subject, kind.uri());
                if !self.bundles.iter().any(|(there, _)| there == bytes) {
                    self.bundles.push((bytes.clone(), referrer));
                }
            }
        }
        Ok(kind)
    }

    /// How many envelopes and bundles there are.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        (self.envelopes.len(), self.bundles.len())
    }

    fn demand(&self) -> Demand {
        Demand {
            purpose: Purpose::Attestation(None),
            keys: self.keys.clone(),
            annotations: BTreeMap::new(),
            claims: true,
            threshold: 1,
            evidence: Evidence::none(),
        }
    }

    /// Verifies one as it will be put, as whoever reads it will.
    fn verify(&self, made: &Made, kind: &PredicateType) -> Result<Vec<Valid>> {
        let (demand, subject) = (self.demand(), &self.subject.digest);
        let verdicts = match made {
            Made::Envelope(bytes) => {
                let rendered = attestation::render(&[Layer::of(bytes, kind.clone())]);
                let content = |_: &Descriptor| Ok(bytes.clone());
                let found =
                    Found { media_type: OCI_MANIFEST, manifest: &rendered.manifest, content: &content };
                Verifier::default().judge_att(&found, subject, &demand)?
            }
            Made::Bundle(bytes) => {
                vec![Verifier::default().judge_bundle(bytes, bundle::MEDIA_TYPE, subject, &demand)]
            }
        };
        conclude(verdicts, &demand)
    }

    /// What the `.att` that stands there becomes; `None` where there is nothing to be put into one.
    fn merge(&self, store: &dyn Sink, again: bool) -> Result<Option<Merge>> {
        if self.envelopes.is_empty() {
            return Ok(None);
        }
        let layers: Vec<Layer> = self.envelopes.iter().map(|(layer, _)| layer.clone()).collect();
        let standing = standing(store, Beside::Attestations, &self.subject.digest)?;
        let standing = standing.as_ref().map(|(there, bytes)| (there.media_type.as_str(), bytes.as_slice()));
        merge(standing, &layers, again).map(Some)
    }

    /// The bundles that no referrer holds. One that a referrer of another writer holds, with a date say, is there.
    fn absent<'a>(&'a self, store: &dyn Sink) -> Result<Vec<&'a (Bytes, Bytes)>> {
        if self.bundles.is_empty() {
            return Ok(Vec::new());
        }
        let (patience, mut there) = (Patience::default(), HashSet::new());
        let patient = Patient::new(&store, &patience);
        for referrer in patient.ask(|store| store.referrers(&self.subject.digest))? {
            // What cannot be read is somebody else's, or is put again.
            if let Ok(Some((layer, _))) = read_bundle(&patient, &referrer) {
                there.insert(layer.digest);
            }
        }
        Ok(self.bundles.iter().filter(|(bundle, _)| !there.contains(&Digest::of(bundle))).collect())
    }
}

fn verified(valid: &Valid) -> Option<Verified> {
    let Claims::Statement(statement) = valid.claims() else { return None };
    Some((valid.form(), valid.key_id(), Digest::of(statement)))
}

impl Attachment for Attestations {
    fn subject(&self) -> &Descriptor {
        &self.subject
    }

    fn put(&self, store: &dyn Sink, again: bool, put: &mut Put) -> Result<()> {
        let merge = self.merge(store, again)?;
        let bundles = if again { self.bundles.iter().collect() } else { self.absent(store)? };
        let (foreign, change) = merge.map_or((0, None), |merge| (merge.foreign, merge.change));
        let changed = change.is_some() || !bundles.is_empty() || again;
        *put = Put { changed, foreign, crashing: Crashing::default() };
        if change.is_some() || again {
            self.envelopes.iter().try_for_each(|(_, envelope)| store.put_blob(envelope))?;
        }
        if let Some(merged) = change {
            put_merged(store, Beside::Attestations, &self.subject, &merged)?;
        }
        if !bundles.is_empty() {
            store.put_blob(bundle::EMPTY)?;
        }
        for (bundle, referrer) in bundles {
            store.put_blob(bundle)?;
            let artifact_type = Some(bundle::MEDIA_TYPE);
            let manifest = ManifestToPut { bytes: referrer, media_type: OCI_MANIFEST, artifact_type };
            store.put_referrer(&self.subject, &manifest)?;
        }
        Ok(())
    }

    fn look(&self, store: &dyn Sink) -> Result<Look> {
        let merged = self.merge(store, false)?.is_none_or(|merge| merge.change.is_none());
        let mut stands = merged && self.absent(store)?.is_empty();
        for (layer, _) in &self.envelopes {
            stands = stands && store.blob(&layer.envelope.digest)?.is_some();
        }
        if stands && !self.verified.is_empty() {
            let (demand, patience) = (self.demand(), Patience::default());
            let mut missing = self.verified.clone();
            let mut unread = None;
            for verdict in
                gather::judge(store, &self.subject.digest, &Verifier::default(), &demand, &patience)
            {
                let is_unread = verdict.unread().is_some();
                match verdict.outcome {
                    Ok(valid) => drop(verified(&valid).map(|valid| missing.remove(&valid))),
                    Err(error) if is_unread => unread = unread.or(Some(error)),
                    Err(_) => {}
                }
            }
            match unread {
                Some(error) if !missing.is_empty() => return Err(error),
                _ => stands = missing.is_empty(),
            }
        }
        let signed = || Ok(!store.beside(Beside::Signatures, &self.subject.digest)?.is_empty());
        Ok(Look { stands, hidden: !self.bundles.is_empty() && signed()? })
    }

    fn missing(&self) -> String {
        "not every attestation".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks(text: &str) -> Check {
        Made::read_all(text.as_bytes()).unwrap_err().check()
    }

    #[test]
    fn one_or_one_a_line() {
        let envelope = "{\"payloadType\": \"x\"}";
        let bundle = "{\"dsseEnvelope\":{}}";
        let made = |text: &str| Made::read_all(text.as_bytes()).unwrap();
        let envelope_made = Made::Envelope(Bytes::from(envelope));
        let bundle_made = Made::Bundle(Bytes::from(bundle));
        assert_eq!(made(envelope), std::slice::from_ref(&envelope_made));
        let lines = format!("{bundle}\n{envelope}\n\n{envelope}");
        assert_eq!(made(&lines), [bundle_made, envelope_made.clone(), envelope_made]);
    }

    #[test]
    fn nothing_else() {
        for text in [
            "",
            "\n",
            "[]",
            "{}",
            "null",
            "not JSON",
            "{\"payloadType\":1} {",
            "{\"payloadType\":1,\"payloadType\":2}",
            "{\"messageSignature\":{}}",
            "{\"predicateType\":\"x\"}",
        ] {
            assert_eq!(checks(text), Check::AttFile, "{text}");
        }
        let many = "{\"payloadType\":1}\n".repeat(limits::SIG_LAYERS + 1);
        assert_eq!(checks(&many), Check::AttFile);
    }
}
