//! Attaching what was made elsewhere: one signature of another tool, checked, merged in, and seen to stay.
//!
//! It goes the way that an import goes ([`super::push`]): nothing is put that was not checked, what stands there stays,
//! and what was put is read back after a settle time and verified, in rounds, until it stays.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::flow::Flow;
use super::gather::{self, Patience};
use super::layout_dir::LayoutDir;
use super::merge::{Crashing, merge};
use super::push::{
    check_push_lost, check_sig_crashes_cosign, is_no_timeout, no_signature, put_merged, read_back, standing,
};
use super::store::{Beside, Destinations, Sink};
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::format::evidence::{Descriptor, OCI_MANIFEST};
use crate::format::json::{Names, Value};
use crate::format::log::{Entry, Material, read_token_annotation};
use crate::format::payload::{self, Payload};
use crate::format::reference::Repository;
use crate::format::signature::{self, Layer};
use crate::keys::public::{Hash, PublicKey};
use crate::limits;
use crate::verify::binding::{self, Content, Of};
use crate::verify::timestamp::Token;
use crate::verify::{
    Claims, Demand, Evidence, Form, Found, Purpose, Valid, Verifier, check_payload_digest, conclude,
};

/// Something that stands beside an image once it was put.
pub trait Attachment {
    /// The image.
    fn subject(&self) -> &Descriptor;

    /// Puts it, unless it stands there. `again`: it did not come back, so that nothing of it is believed to be there.
    /// What becomes of it is noted before the first write.
    fn put(&self, store: &dyn Sink, again: bool, put: &mut Put) -> Result<()>;

    /// Reads it back and verifies it. An error where it is not known whether it is there.
    fn look(&self, store: &dyn Sink) -> Result<Look>;

    /// What is said where it is not there: `no valid signature by KEY`.
    fn missing(&self) -> String;
}

/// What became of a put.
#[derive(Debug, Default)]
pub struct Put {
    /// Something was absent and was put, or an attempt was made.
    pub changed: bool,
    /// How many layers stand there besides.
    pub foreign: usize,
    /// Those of them on which cosign 2 panics.
    pub crashing: Crashing,
}

/// What was seen.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// It is there, and verifies as far as it was verified before.
    pub stands: bool,
    /// A bundle stands beside the image, and none by the key given.
    pub hidden: bool,
}

/// A signature over a payload about an image, checked.
#[derive(Debug)]
pub struct Signature {
    subject: Descriptor,
    payload: Vec<u8>,
    layer: Layer,
    by: Option<PublicKey>,
    claims: bool,
    /// It was given in another spelling than the one that is put.
    respelled: bool,
}

impl Signature {
    /// A signature that verifies by a key: SIG-KEY otherwise. ECDSA as `r || s` becomes DER.
    ///
    /// With `claims` the payload is a simple signing payload about the image (PAYLOAD-SYNTAX, PAYLOAD-TYPE,
    /// PAYLOAD-DIGEST); without, it can be anything, and verifies only where claims are not compared.
    pub fn check(
        subject: Descriptor,
        payload: Vec<u8>,
        signature: &[u8],
        key: PublicKey,
        claims: bool,
    ) -> Result<Self> {
        let spelled = check_sig_key(&key, &payload, signature)?;
        let respelled = spelled != signature;
        let layer = Layer::dark(Descriptor::of(payload::MEDIA_TYPE, &payload), spelled);
        let checked = Self { subject, payload, layer, by: Some(key), claims, respelled };
        checked.verify()?;
        Ok(checked)
    }

    /// A signature that nobody verified; the payload is checked as [`Signature::check`] does.
    pub fn unverified(subject: Descriptor, payload: Vec<u8>, signature: &[u8], claims: bool) -> Result<Self> {
        if claims {
            check_payload_digest(&Payload::parse(&payload)?, &subject.digest)?;
        }
        let layer = Layer::dark(Descriptor::of(payload::MEDIA_TYPE, &payload), signature.to_vec());
        Ok(Self { subject, payload, layer, by: None, claims, respelled: false })
    }

    /// The same with a log entry and a timestamp beside it, each of this signature: `binding::check`, TOKEN-SYNTAX,
    /// TOKEN-IMPRINT, LOG-LIMIT, TOKEN-LIMIT. Who made them is for the verifier to ask. Usage without a key, since an entry
    /// names one.
    pub fn with_material(mut self, material: Material) -> Result<Self> {
        let refuse = || Error::new(Check::Usage, "a log entry beside a signature that nobody verified");
        let key = self.by.as_ref().ok_or_else(refuse)?;
        material.check_limits()?;
        let text = binding::spelled(&self.layer.signature);
        let content = Content::Hash(Hash::Sha256, self.layer.payload.digest.as_bytes());
        let of = Of { key, signature: &self.layer.signature, text: &text, content };
        material.entries.iter().try_for_each(|entry| binding::check(entry, &of))?;
        for token in &material.tokens {
            Token::parse(token)?.check_imprint(of.stamped())?;
        }
        self.layer.material = material;
        self.verify()?;
        Ok(self)
    }

    /// Whether it was given as `r || s`, or in loose DER, and is put as strict DER.
    #[must_use]
    pub fn respelled(&self) -> bool {
        self.respelled
    }

    /// What is demanded of it when it is read.
    fn demand(&self) -> Demand {
        let keys = self.by.iter().cloned().collect();
        Demand {
            purpose: Purpose::Signature,
            keys,
            annotations: BTreeMap::new(),
            claims: self.claims,
            threshold: 1,
            evidence: Evidence::none(),
        }
    }

    /// Verifies the layer that will be put, as whoever reads it will.
    fn verify(&self) -> Result<()> {
        let rendered = signature::render(std::slice::from_ref(&self.layer));
        let payload = |_: &Descriptor| Ok(Bytes::copy_from_slice(&self.payload));
        let found = Found { media_type: OCI_MANIFEST, manifest: &rendered.manifest, content: &payload };
        let demand = self.demand();
        let verdicts = Verifier::default().judge_sig(&found, &self.subject.digest, &demand)?;
        conclude(verdicts, &demand).map(drop)
    }

    /// Whether the layer stands there as it was put; by a key, whether it verifies is the verifier's to say.
    fn is_merged(&self, store: &dyn Sink) -> Result<bool> {
        let standing = standing(store, Beside::Signatures, &self.subject.digest)?;
        let standing = standing.as_ref().map(|(there, bytes)| (there.media_type.as_str(), bytes.as_slice()));
        Ok(merge(standing, std::slice::from_ref(&self.layer), false)?.change.is_none())
    }

    /// Whether a verdict is that of this signature's key on this payload.
    fn is_ours(&self, valid: &Valid) -> bool {
        let Claims::Payload(bytes) = valid.claims() else { return false };
        let by = self.by.as_ref().map(PublicKey::id);
        valid.form() == Form::Sig
            && Some(valid.key_id()) == by
            && Digest::of(bytes) == self.layer.payload.digest
    }
}

/// The log entry in a file that cosign takes as `--rekor-response`: what it writes as `--bundle`, a signature with the
/// annotation of its entry, or that annotation alone. SIG-LOG, LOG-LIMIT.
pub fn read_rekor_response(file: &[u8]) -> Result<Entry> {
    let refuse = |why: &str| Error::new(Check::SigLog, "").detail(why);
    let text = std::str::from_utf8(file).map_err(|error| refuse("not UTF-8").caused_by(error))?;
    let value = Value::parse(file, limits::DEPTH_EVIDENCE, Names::Exact)
        .map_err(|error| refuse("not strict JSON").caused_by(error))?;
    if value.get("verification").is_some() || value.as_object().is_some_and(is_reply) {
        let error = refuse("a log's reply as it came, not as cosign keeps it");
        return Err(error.hint("coldsign log add puts a reply into a response"));
    }
    let members: BTreeMap<&str, &RawValue> =
        serde_json::from_str(text).map_err(|error| refuse("not an object").caused_by(error))?;
    match members.get("rekorBundle") {
        Some(entry) => Entry::read_annotation(entry.get()),
        None if members.contains_key("base64Signature") => Err(refuse("no rekorBundle in it")),
        None => Entry::read_annotation(text),
    }
}

/// Whether the one member of an object is named by an entry's UUID, as in the replies of Rekor v1.
fn is_reply(members: &[(String, Value)]) -> bool {
    matches!(members, [(name, _)] if matches!(name.len(), 64 | 80) && name.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The timestamp in a file: DER as an authority answers, or the annotation that cosign makes of it. SIG-LOG, TOKEN-LIMIT.
pub fn read_timestamp(file: &[u8]) -> Result<Vec<u8>> {
    if !file.trim_ascii_start().starts_with(b"{") {
        return Ok(file.to_vec());
    }
    let refuse = |error| Error::new(Check::SigLog, "").detail("not UTF-8").caused_by(error);
    read_token_annotation(std::str::from_utf8(file).map_err(refuse)?)
}

/// SIG-KEY: the signature verifies with the key given. Returns it in strict DER, where it is ECDSA.
fn check_sig_key(key: &PublicKey, payload: &[u8], signature: &[u8]) -> Result<Vec<u8>> {
    key.spell(payload, signature).ok_or_else(|| {
        Error::new(Check::SigKey, "")
            .detail(format!("key {}", key.id()))
            .hint("sign the bytes of the payload's file, no newline added, with SHA-256,")
            .hint("as openssl dgst -sha256 -sign KEY payload.json; by Ed25519")
            .hint("as openssl pkeyutl -sign -rawin -inkey KEY -in payload.json")
    })
}

impl Attachment for Signature {
    fn subject(&self) -> &Descriptor {
        &self.subject
    }

    fn put(&self, store: &dyn Sink, again: bool, put: &mut Put) -> Result<()> {
        let standing = standing(store, Beside::Signatures, &self.subject.digest)?;
        let standing = standing.as_ref().map(|(there, bytes)| (there.media_type.as_str(), bytes.as_slice()));
        let merge = merge(standing, std::slice::from_ref(&self.layer), again)?;
        let changed = merge.change.is_some() || again;
        *put = Put { changed, foreign: merge.foreign, crashing: merge.crashing };
        if changed {
            store.put_blob(&self.payload)?;
        }
        merge.change.map_or(Ok(()), |merged| put_merged(store, Beside::Signatures, &self.subject, &merged))
    }

    fn look(&self, store: &dyn Sink) -> Result<Look> {
        let verdicts = gather::judge(
            store,
            &self.subject.digest,
            &Verifier::default(),
            &self.demand(),
            &Patience::default(),
        );
        let (mut bundles, mut good, mut verified) = (0, 0, false);
        let mut unread = None;
        for verdict in verdicts {
            let is_bundle = verdict.form == Form::Bundle;
            let is_unread = verdict.unread().is_some();
            match verdict.outcome {
                Ok(valid) if self.is_ours(&valid) => verified = true,
                Ok(_) if is_bundle => (bundles, good) = (bundles + 1, good + 1),
                Err(error) if is_unread && !is_bundle => unread = unread.or(Some(error)),
                Err(_) if is_bundle && !is_unread => bundles += 1,
                _ => {}
            }
        }
        let stands = match (&self.by, unread) {
            (Some(_), Some(error)) if !verified => return Err(error),
            (Some(_), _) => verified && self.is_merged(store)?,
            (None, _) => self.is_merged(store)? && store.blob(&self.layer.payload.digest)?.is_some(),
        };
        Ok(Look { stands, hidden: bundles > 0 && good == 0 })
    }

    fn missing(&self) -> String {
        self.by
            .as_ref()
            .map_or_else(|| "the signature, unverified, did not".to_owned(), |key| no_signature(&key.id()))
    }
}

/// Where something is attached.
pub enum Destination<'a> {
    /// A layout.
    Layout(&'a LayoutDir),
    /// A repository of a registry.
    Repository(&'a dyn Destinations, &'a Repository),
}

/// What became of an attachment that stands.
#[derive(Debug)]
pub struct Attached {
    /// Something was put; otherwise everything was there already.
    pub changed: bool,
    /// How many layers of others stand beside it.
    pub foreign: usize,
    /// What a person should know and what stops nothing: SIG-CRASHES-COSIGN, BUNDLE-HIDES-SIG.
    pub warnings: Vec<Error>,
}

/// Why something is not attached, or not known to stay.
#[derive(Debug)]
pub struct Failed {
    /// What went wrong.
    pub error: Error,
    /// As for an import: 52 where something came back other than it was, 51 where it was put or an attempt was made, 50
    /// where nothing was; that of the error where nothing was begun.
    pub exit: Exit,
}

impl<'a> Destination<'a> {
    /// What of its kind all attachments go to.
    #[must_use]
    pub fn destinations(&self) -> &'a dyn Destinations {
        match self {
            Self::Layout(layout) => *layout,
            Self::Repository(destinations, _) => *destinations,
        }
    }

    /// The place, with nothing remembered of what was read there.
    pub fn open(&self) -> Result<Box<dyn Sink + 'a>> {
        match self {
            Self::Layout(layout) => Ok(Box::new(*layout)),
            Self::Repository(destinations, repository) => destinations.repository(repository),
        }
    }

    fn repositories(&self) -> Vec<&Repository> {
        match self {
            Self::Layout(_) => Vec::new(),
            Self::Repository(_, repository) => vec![repository],
        }
    }
}

/// Puts an attachment, reads it back and verifies it, in rounds, until it stays. `name` is what its image is called in
/// messages. After a stop of `flow` nothing is begun; what was put is still read back.
pub fn attach(
    attachment: &dyn Attachment,
    to: &Destination<'_>,
    name: &str,
    flow: Flow<'_>,
) -> Result<Attached, Failed> {
    let begun =
        flow.check_interrupted().and_then(|()| to.destinations().check_writable(&to.repositories(), flow));
    begun.map_err(|error| Failed { exit: error.exit(), error: error.within(name) })?;
    let mut run = Run { attachment, to, name, put: Put::default() };
    run.run().map_err(|error| {
        let exit = match error.exit() {
            Exit::Changed => Exit::Changed,
            _ if run.put.changed => Exit::Partial,
            _ => Exit::NothingPushed,
        };
        Failed { error, exit }
    })
}

struct Run<'a> {
    attachment: &'a dyn Attachment,
    to: &'a Destination<'a>,
    name: &'a str,
    put: Put,
}

impl Run<'_> {
    fn run(&mut self) -> Result<Attached> {
        self.put(false).map_err(|error| self.came_back(error))?;
        let destinations = self.to.destinations();
        destinations.finish()?;
        if !self.put.changed {
            // What nobody put just now settles no more.
            let look = self.look()?;
            if look.stands {
                return Ok(self.attached(look));
            }
            // What stands there for it does not hold, by what is beside it.
            self.put(true)?;
            destinations.finish()?;
        }
        for round in 1..=limits::SETTLE_ROUNDS {
            let settles = destinations.settle()?;
            let look = self.look()?;
            if look.stands {
                return Ok(self.attached(look));
            }
            if !settles {
                return Err(read_back(&self.attachment.subject().digest, &self.attachment.missing()));
            }
            check_push_lost(self.name, &self.attachment.missing(), round)?;
            self.put(true)?;
        }
        unreachable!("the last round ends with PUSH-LOST")
    }

    /// Puts it with fresh eyes: what was read before is not to be merged into.
    fn put(&mut self, again: bool) -> Result<()> {
        let store = self.to.open()?;
        let mut put = Put::default();
        let outcome = self.attachment.put(store.as_ref(), again, &mut put);
        let changed = self.put.changed || put.changed;
        self.put = Put { changed, ..put };
        outcome.map_err(|error| self.named(error))
    }

    fn look(&self) -> Result<Look> {
        let store = self.to.open()?;
        self.attachment.look(store.as_ref()).map_err(|error| self.named(error))
    }

    /// The error of a put, with what stands there in spite of it.
    fn came_back(&self, error: Error) -> Error {
        if !self.put.changed || !is_no_timeout(&error) {
            return error;
        }
        let look = self.to.destinations().settle().and_then(|_| self.look());
        error.detail(match look {
            Ok(Look { stands: true, .. }) => "it stands there nevertheless".to_owned(),
            Ok(Look { stands: false, .. }) => "it does not stand there".to_owned(),
            Err(error) => format!("what stands there could not be read back: {error}"),
        })
    }

    fn attached(&self, look: Look) -> Attached {
        let crashing = check_sig_crashes_cosign(self.name, &self.put.crashing).err();
        let hidden = look.hidden.then(|| Error::new(Check::BundleHidesSig, self.name));
        let warnings = crashing.into_iter().chain(hidden).collect();
        Attached { changed: self.put.changed, foreign: self.put.foreign, warnings }
    }

    fn named(&self, error: Error) -> Error {
        if error.at().is_empty() { error.within(self.name) } else { error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A signature by openssl 3.0 over the message beside it (`fixtures/keys-openssl`).
    macro_rules! openssl {
        ($file:literal) => {
            &include_bytes!(concat!("../../fixtures/keys-openssl/", $file))[..]
        };
    }

    fn subject() -> Descriptor {
        Descriptor::of(OCI_MANIFEST, b"image")
    }

    fn key(pem: &[u8]) -> PublicKey {
        PublicKey::from_pem(pem).unwrap()
    }

    #[test]
    fn every_kind_of_key() {
        let message = openssl!("message");
        for (pem, signature) in [
            (openssl!("p256.pub"), openssl!("p256.sig")),
            (openssl!("p384.pub"), openssl!("p384.sig")),
            (openssl!("p521.pub"), openssl!("p521.sig")),
            (openssl!("ed25519.pub"), openssl!("ed25519.sig")),
            (openssl!("rsa2048.pub"), openssl!("rsa2048.sig")),
        ] {
            let check =
                |message: &[u8]| Signature::check(subject(), message.to_vec(), signature, key(pem), false);
            assert!(!check(message).unwrap().respelled());
            assert_eq!(check(b"another").unwrap_err().check(), Check::SigKey);
            // The payload is not one about the image: it takes a word to put it nevertheless.
            let claims = Signature::check(subject(), message.to_vec(), signature, key(pem), true);
            assert_eq!(claims.unwrap_err().check(), Check::PayloadSyntax);
        }
        // SHA-384 is not what cosign takes.
        let sha384 = Signature::check(
            subject(),
            message.to_vec(),
            openssl!("p384-sha384.sig"),
            key(openssl!("p384.pub")),
            false,
        );
        assert_eq!(sha384.unwrap_err().check(), Check::SigKey);
    }

    #[test]
    fn r_and_s_become_der() {
        let der = openssl!("p256.sig");
        let raw = p256::ecdsa::Signature::from_der(der).unwrap().to_bytes();
        let respelled =
            Signature::check(subject(), openssl!("message").to_vec(), &raw, key(openssl!("p256.pub")), false)
                .unwrap();
        assert!(respelled.respelled());
        assert_eq!(respelled.layer.signature, der);
    }

    #[test]
    fn unverified_is_still_about_the_image() {
        let identity = crate::format::reference::Identity::parse("registry.example/app").unwrap();
        let about = |digest: &Digest| payload::render(&identity, digest, &BTreeMap::new());
        let subject = subject();
        let unverified = |payload, claims| Signature::unverified(subject.clone(), payload, b"any", claims);
        unverified(about(&subject.digest), true).unwrap();
        let other = about(&Digest::of(b"other"));
        assert_eq!(unverified(other.clone(), true).unwrap_err().check(), Check::PayloadDigest);
        unverified(other, false).unwrap();
    }
}
