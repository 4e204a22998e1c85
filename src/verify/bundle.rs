//! Signatures and attestations in Sigstore bundles.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use super::attestation::check_attestation;
use super::sig::check_payload_annotations;
use super::{Claims, Demand, Form, LogStatus, Purpose, Signed, Verdict, Verifier};
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::json::{Names, Value};
use crate::format::statement::{self, Statement};
use crate::format::{bundle, envelope};
use crate::limits;

impl Verifier {
    /// Judges one bundle over `subject`; `media_type` is that of the layer that holds it.
    #[must_use]
    pub fn judge_bundle(&self, bytes: &[u8], media_type: &str, subject: &Digest, demand: &Demand) -> Verdict {
        self.bundle(bytes, media_type, subject, demand)
            .unwrap_or_else(|error| Verdict::failed(Form::Bundle, error))
    }

    fn bundle(&self, bytes: &[u8], media_type: &str, subject: &Digest, demand: &Demand) -> Result<Verdict> {
        let Bundle { statement, signature, logged } = Bundle::read(bytes, media_type)?;
        check_bundle_log(logged)?;
        let message = envelope::pae(statement::MEDIA_TYPE, &statement);
        let key = self.check_sig_key(&demand.keys, &message, &signature)?;
        let claims = match &demand.purpose {
            Purpose::Signature => check_statement(&statement, subject, demand),
            // Its subject is compared whatever is said of claims, as cosign does in this form.
            Purpose::Attestation(kind) => check_attestation(&statement, kind.as_ref(), Some(subject)),
        };
        let signed = Signed { key_id: key.id(), log: LogStatus::Absent };
        let claims = claims.map(|()| Claims::Statement(statement.into()));
        Ok(Verdict::of(Form::Bundle, signed, &signature, claims))
    }
}

/// What a statement that was signed claims. Whose digest it is, and that it is no attestation, is part of what a bundle
/// means: without the claims only annotations go unchecked, as in cosign.
fn check_statement(bytes: &[u8], subject: &Digest, demand: &Demand) -> Result<()> {
    let statement = Statement::parse(bytes)?;
    let annotations = check_bundle_subject(&statement, subject)?;
    check_bundle_predicate(&statement)?;
    if demand.claims { check_payload_annotations(annotations, &demand.annotations) } else { Ok(()) }
}

/// BUNDLE-LOG: log entries and timestamps count only when they are checked.
pub(super) fn check_bundle_log(logged: bool) -> Result<()> {
    if logged { Err(Error::new(Check::BundleLog, "")) } else { Ok(()) }
}

/// BUNDLE-SUBJECT: a subject of the statement has this digest. Returns its annotations.
pub(super) fn check_bundle_subject<'a>(
    statement: &'a Statement,
    subject: &Digest,
) -> Result<&'a [(String, Value)]> {
    statement.annotations_of(subject).ok_or_else(|| Error::new(Check::BundleSubject, ""))
}

/// BUNDLE-PREDICATE: an attestation is no signature.
fn check_bundle_predicate(statement: &Statement) -> Result<()> {
    if statement.predicate_type() == statement::PREDICATE_TYPE {
        return Ok(());
    }
    Err(Error::new(Check::BundlePredicate, statement.predicate_type()))
}

/// What a bundle by a key holds.
pub(super) struct Bundle {
    pub(super) statement: Vec<u8>,
    signature: Vec<u8>,
    logged: bool,
}

impl Bundle {
    /// BUNDLE-SYNTAX: v0.3, a public key, a DSSE envelope of an in-toto statement with one signature and no key id.
    pub(super) fn read(bytes: &[u8], media_type: &str) -> Result<Self> {
        if !is_v03(media_type) {
            return Err(refuse("the layer's media type is not a bundle v0.3"));
        }
        let (value, logged) = read_frame(bytes, "dsseEnvelope")?;
        let envelope = value.get("dsseEnvelope").ok_or_else(|| refuse("no dsseEnvelope"))?;
        let Envelope { statement, signatures } = Envelope::read(envelope).map_err(refuse)?;
        let [only] = <[_; 1]>::try_from(signatures).map_err(|_| refuse("one signature is wanted"))?;
        if !only.key_id.is_empty() {
            return Err(refuse("the signature has a keyid"));
        }
        Ok(Self { statement, signature: only.signature, logged })
    }
}

/// BUNDLE-SYNTAX: what a bundle v0.3 by a public key has whatever `content` it holds. Returns the bundle, and whether
/// it has log entries or timestamps.
pub(super) fn read_frame(bytes: &[u8], content: &str) -> Result<(Value, bool)> {
    if bytes.len() > limits::MANIFEST {
        return Err(refuse("larger than 4 MiB"));
    }
    let value = Value::parse(bytes, limits::DEPTH_EVIDENCE, Names::Exact)
        .map_err(|error| refuse("not strict JSON").caused_by(error))?;
    known(&value, &["mediaType", "verificationMaterial", content]).map_err(refuse)?;
    if !value.get("mediaType").and_then(Value::as_str).is_some_and(is_v03) {
        return Err(refuse("mediaType is not a bundle v0.3"));
    }
    let material = value.get("verificationMaterial").ok_or_else(|| refuse("no verificationMaterial"))?;
    known(material, &["publicKey", "tlogEntries", "timestampVerificationData"]).map_err(refuse)?;
    let key = material.get("publicKey").ok_or_else(|| refuse("no publicKey"))?;
    known(key, &["hint"]).map_err(refuse)?;
    let entries = material.get("tlogEntries").is_some_and(|entries| entries.as_array() != Some(&[]));
    let stamps = material.get("timestampVerificationData").is_some_and(|data| {
        data.get("rfc3161Timestamps").is_some_and(|stamps| stamps.as_array() != Some(&[]))
    });
    Ok((value, entries || stamps))
}

/// A DSSE envelope of an in-toto statement.
pub(super) struct Envelope {
    pub(super) statement: Vec<u8>,
    pub(super) signatures: Vec<Signature>,
}

/// A signature of an envelope.
pub(super) struct Signature {
    pub(super) signature: Vec<u8>,
    /// Whose it says it is: nothing that anybody signed.
    key_id: String,
}

impl Envelope {
    /// Reads an envelope; the error says what is wrong with it.
    pub(super) fn read(envelope: &Value) -> Result<Self, &'static str> {
        known(envelope, &["payload", "payloadType", "signatures"])?;
        if envelope.get("payloadType").and_then(Value::as_str) != Some(statement::MEDIA_TYPE) {
            return Err("payloadType is no in-toto statement's");
        }
        let statement = bytes_of(envelope.get("payload")).ok_or("payload is not base64")?;
        let signatures = envelope.get("signatures").and_then(Value::as_array).unwrap_or_default();
        let signatures = signatures.iter().map(Signature::read).collect::<Result<_, _>>()?;
        Ok(Self { statement, signatures })
    }
}

impl Signature {
    fn read(value: &Value) -> Result<Self, &'static str> {
        known(value, &["sig", "keyid"])?;
        let signature = bytes_of(value.get("sig")).ok_or("sig is not base64")?;
        let key_id = match value.get("keyid") {
            None => "",
            Some(id) => id.as_str().ok_or("keyid is no string")?,
        };
        Ok(Self { signature, key_id: key_id.to_owned() })
    }
}

fn refuse(why: &str) -> Error {
    Error::new(Check::BundleSyntax, "").detail(why)
}

fn is_v03(media_type: &str) -> bool {
    matches!(media_type, bundle::MEDIA_TYPE | "application/vnd.dev.sigstore.bundle+json;version=0.3")
}

pub(super) fn known(value: &Value, names: &[&str]) -> Result<(), &'static str> {
    let members = value.as_object().ok_or("an object is wanted")?;
    if members.iter().all(|(name, _)| names.contains(&name.as_str())) {
        Ok(())
    } else {
        Err("unknown member")
    }
}

/// DSSE readers take both alphabets (dsse, envelope.md).
pub(super) fn bytes_of(value: Option<&Value>) -> Option<Vec<u8>> {
    let text = value?.as_str()?;
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok().filter(|bytes| !bytes.is_empty())
}
