//! Signatures and attestations in Sigstore bundles.

use super::Form;
use super::attestation::check_attestation;
use super::log::{self, Content, Of};
use super::sig::check_payload_annotations;
use super::verdict::{Claims, Demand, Purpose, Verdict, Verifier};
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::json::{Names, Value};
use crate::format::log::{Entry, Material, present, protobuf_base64, read_tokens};
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
        let Bundle { statement, signature, material } = Bundle::read(bytes, media_type)?;
        let message = envelope::pae(statement::MEDIA_TYPE, &statement);
        let key = self.check_sig_key(&demand.keys, &message, &signature)?;
        let claims = match &demand.purpose {
            Purpose::Signature => check_statement(&statement, subject, demand),
            // Its subject is compared whatever is said of claims, as cosign does in this form.
            Purpose::Attestation(kind) => check_attestation(&statement, kind.as_ref(), Some(subject)),
        };
        let text = log::spelled(&signature);
        let content = Content::Envelope(&statement, Digest::of(&message));
        let of = Of { key, signature: &signature, text: &text, content };
        let claims = claims.map(|()| Claims::Statement(statement.clone().into()));
        Ok(Verdict::of(Form::Bundle, &of, &material, claims, demand))
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
pub(crate) struct Bundle {
    pub(crate) statement: Vec<u8>,
    pub(crate) signature: Vec<u8>,
    pub(crate) material: Material,
}

impl Bundle {
    /// BUNDLE-SYNTAX: v0.3, a public key, a DSSE envelope of an in-toto statement with one signature and no key id.
    pub(crate) fn read(bytes: &[u8], media_type: &str) -> Result<Self> {
        if !V03.contains(&media_type) {
            return Err(refuse("the layer's media type is not a bundle v0.3"));
        }
        Self::read_of(bytes, &V03)
    }

    /// The same, of these media types.
    pub(super) fn read_of(bytes: &[u8], media_types: &[&str]) -> Result<Self> {
        let (value, material) = read_frame(bytes, "dsseEnvelope", media_types)?;
        let envelope = value.get("dsseEnvelope").ok_or_else(|| refuse("no dsseEnvelope"))?;
        let Envelope { statement, signatures } = Envelope::read(envelope).map_err(refuse)?;
        let [only] = <[_; 1]>::try_from(signatures).map_err(|_| refuse("one signature is wanted"))?;
        if !only.key_id.is_empty() {
            return Err(refuse("the signature has a keyid"));
        }
        Ok(Self { statement, signature: only.signature, material })
    }
}

/// BUNDLE-SYNTAX: what a bundle by a public key has whatever `content` it holds. Its media type is one of these. Returns the
/// bundle, and what stands beside its signature.
pub(super) fn read_frame(bytes: &[u8], content: &str, media_types: &[&str]) -> Result<(Value, Material)> {
    if bytes.len() > limits::MANIFEST {
        return Err(refuse("larger than 4 MiB"));
    }
    let value = Value::parse(bytes, limits::DEPTH_EVIDENCE, Names::Exact)
        .map_err(|error| refuse("not strict JSON").caused_by(error))?;
    value.only(&["mediaType", "verificationMaterial", content]).map_err(refuse)?;
    let media_type = value.get("mediaType").and_then(Value::as_str).unwrap_or_default();
    if !media_types.contains(&media_type) {
        return Err(refuse("its mediaType is not that of a bundle taken here").detail(media_type));
    }
    let material = value.get("verificationMaterial").ok_or_else(|| refuse("no verificationMaterial"))?;
    check_sig_certificate(material)?;
    material.only(&["publicKey", "tlogEntries", "timestampVerificationData"]).map_err(refuse)?;
    let key = present(material.get("publicKey")).ok_or_else(|| refuse("no publicKey"))?;
    key.only(&["hint"]).map_err(refuse)?;
    let entries = Entry::read_all(material.get("tlogEntries"))?;
    let tokens = read_tokens(material.get("timestampVerificationData"))?;
    Ok((value, Material { entries, tokens }))
}

/// SIG-CERTIFICATE: a signature by a certificate is a keyless one.
fn check_sig_certificate(material: &Value) -> Result<()> {
    let by = |name: &str| present(material.get(name)).is_some();
    if by("certificate") || by("x509CertificateChain") {
        return Err(Error::new(Check::SigCertificate, "")
            .detail("signatures with a certificate are not supported yet"));
    }
    Ok(())
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
        envelope.only(&["payload", "payloadType", "signatures"])?;
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
        value.only(&["sig", "keyid"])?;
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

/// The two spellings of v0.3: image signatures are in no other version, as for cosign.
const V03: [&str; 2] = [bundle::MEDIA_TYPE, "application/vnd.dev.sigstore.bundle+json;version=0.3"];

/// Protobuf JSON and DSSE readers take both alphabets (dsse, envelope.md).
pub(super) fn bytes_of(value: Option<&Value>) -> Option<Vec<u8>> {
    protobuf_base64(value?.as_str()?).filter(|bytes| !bytes.is_empty())
}
