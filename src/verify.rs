//! What stands at a destination, by the keys a person gave (cosign `verify --key`; docs/verification.md).
//!
//! Every signature is judged alone: what is wrong with one never unmakes another. Nothing here reads files or networks;
//! [`crate::transfer`] brings the bytes.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use bytes::Bytes;

use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::evidence::{
    DOCKER_MANIFEST, Descriptor, OCI_MANIFEST, check_manifest_names, read_descriptor,
};
use crate::format::json::{Names, Value};
use crate::format::payload::{self, Payload};
use crate::format::statement::{self, Statement};
use crate::format::{bundle, envelope, signature};
use crate::keys::public::PublicKey;
use crate::limits;

/// A signature that was verified: holding one is the proof. The raw signature bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VerifiedSignature {
    bytes: Box<[u8]>,
}

impl VerifiedSignature {
    /// Verifies a signature as it stands in our files: strict DER, SHA-256 or pure Ed25519.
    #[must_use]
    pub fn check(key: &PublicKey, message: &[u8], signature: &[u8]) -> Option<Self> {
        key.verify_strict(message, signature).then(|| Self { bytes: signature.into() })
    }

    /// The raw signature.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// What a person demands of an image.
#[derive(Clone, Debug)]
pub struct Demand {
    /// Keys that count.
    pub keys: Vec<PublicKey>,
    /// Annotations that must be there, as strings.
    pub annotations: BTreeMap<String, String>,
    /// Whether payloads are read at all; signatures always are.
    pub claims: bool,
    /// How many distinct keys must have signed, at least 1.
    pub threshold: usize,
}

/// Which form a signature has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// A layer of a `.sig` manifest.
    Sig,
    /// A Sigstore bundle.
    Bundle,
}

impl Form {
    /// As it stands on the screen.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sig => ".sig",
            Self::Bundle => "bundle",
        }
    }
}

/// What is known of a signature's log entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogStatus {
    /// There is none.
    Absent,
    /// There is one, and no log key to check it with.
    Unchecked,
}

impl LogStatus {
    /// As it stands on the screen.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Unchecked => "unchecked",
        }
    }
}

/// A signature that passed everything demanded of it alone.
#[derive(Clone, Debug)]
pub struct Valid {
    form: Form,
    key_id: Digest,
    log: LogStatus,
    claims: Claims,
}

/// What a valid signature signs.
#[derive(Clone, Debug)]
pub enum Claims {
    /// A payload, as received.
    Payload(Bytes),
    /// A statement, as received.
    Statement(Bytes),
}

impl Valid {
    /// Its form.
    #[must_use]
    pub fn form(&self) -> Form {
        self.form
    }

    /// The id of the key that verifies it.
    #[must_use]
    pub fn key_id(&self) -> Digest {
        self.key_id
    }

    /// What is known of its log entry.
    #[must_use]
    pub fn log(&self) -> LogStatus {
        self.log
    }

    /// What it signs.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.claims
    }
}

/// One signature and what became of it.
#[derive(Debug)]
pub struct Verdict {
    /// Its form.
    pub form: Form,
    /// Which key given made it, whatever else is wrong with it; `None` where none is known to have.
    pub signed: Option<Signed>,
    /// Valid, or the first check that it failed.
    pub outcome: Result<Valid>,
}

/// A signature that a key given verifies.
#[derive(Clone, Copy, Debug)]
pub struct Signed {
    /// The id of the key.
    pub key_id: Digest,
    /// What is known of its log entry.
    pub log: LogStatus,
}

impl Verdict {
    /// What failed before a key was known to have made it.
    #[must_use]
    pub fn failed(form: Form, error: Error) -> Self {
        Self { form, signed: None, outcome: Err(error) }
    }

    /// What a key signs, and what was demanded of it.
    fn of(form: Form, signed: Signed, claims: Result<Claims>) -> Self {
        let Signed { key_id, log } = signed;
        Self { form, signed: Some(signed), outcome: claims.map(|claims| Valid { form, key_id, log, claims }) }
    }

    /// How many checks it passed, for comparing it with others: that of an annotation comes after that of a key. `None`
    /// where it is valid or could not be read.
    #[must_use]
    pub fn came(&self) -> Option<usize> {
        self.outcome.as_ref().err().and_then(|error| rank(error.check()))
    }

    /// Why it, or what may hold it, could not be read: nothing is said then of what it signs.
    #[must_use]
    pub fn unread(&self) -> Option<&Error> {
        self.outcome.as_ref().err().filter(|error| rank(error.check()).is_none())
    }
}

/// A `.sig` manifest as it was found.
pub struct FoundSig<'a> {
    /// The media type it was served with.
    pub media_type: &'a str,
    /// Its bytes.
    pub manifest: &'a [u8],
    /// Brings the bytes of a payload; they are hashed here.
    pub payload: &'a dyn Fn(&Descriptor) -> Result<Bytes>,
}

/// Signatures that are known to be good: key id, digest of the message, raw signature. An importer verifies a response
/// once and what the destination gives back against that.
pub type Known = BTreeSet<(Digest, Digest, Box<[u8]>)>;

/// The signature step, with what is known already.
#[derive(Debug, Default)]
pub struct Verifier {
    known: Known,
}

impl Verifier {
    /// A verifier that need not verify these again.
    #[must_use]
    pub fn knowing(known: Known) -> Self {
        Self { known }
    }

    fn key_of<'k>(&self, keys: &'k [PublicKey], message: &[u8], signature: &[u8]) -> Option<&'k PublicKey> {
        let known = |key: &&PublicKey| {
            !self.known.is_empty() && self.known.contains(&(key.id(), Digest::of(message), signature.into()))
        };
        keys.iter().find(known).or_else(|| keys.iter().find(|key| key.verify(message, signature)))
    }

    /// Judges every layer of a `.sig` manifest over `subject`. An error where the manifest itself cannot be read.
    pub fn judge_sig(&self, found: &FoundSig<'_>, subject: &Digest, demand: &Demand) -> Result<Vec<Verdict>> {
        let layers = check_sig_manifest_kind(found.media_type, found.manifest)?;
        if layers.is_empty() {
            return Err(Error::new(Check::SigAbsent, ""));
        }
        Ok(layers
            .iter()
            .map(|layer| {
                self.judge_layer(layer, found, subject, demand)
                    .unwrap_or_else(|error| Verdict::failed(Form::Sig, error))
            })
            .collect())
    }

    /// Judges one bundle over `subject`; `media_type` is that of the layer that holds it.
    #[must_use]
    pub fn judge_bundle(&self, bytes: &[u8], media_type: &str, subject: &Digest, demand: &Demand) -> Verdict {
        self.bundle(bytes, media_type, subject, demand)
            .unwrap_or_else(|error| Verdict::failed(Form::Bundle, error))
    }

    fn judge_layer(
        &self,
        layer: &Value,
        found: &FoundSig<'_>,
        subject: &Digest,
        demand: &Demand,
    ) -> Result<Verdict> {
        let SigLayer { descriptor, signature, log } = SigLayer::read(layer)?;
        // Asked for last: what cannot count costs no request, and nothing is missed where it cannot be read.
        let bytes = (found.payload)(&descriptor)?;
        check_sig_layer_size(&bytes, &descriptor)?;
        let key = self.check_sig_key(&demand.keys, &bytes, &signature)?;
        let claims = if demand.claims { check_payload(&bytes, subject, demand) } else { Ok(()) };
        let signed = Signed { key_id: key.id(), log };
        Ok(Verdict::of(Form::Sig, signed, claims.map(|()| Claims::Payload(bytes))))
    }

    /// SIG-KEY: the signature verifies with a key given.
    fn check_sig_key<'k>(
        &self,
        keys: &'k [PublicKey],
        message: &[u8],
        signature: &[u8],
    ) -> Result<&'k PublicKey> {
        self.key_of(keys, message, signature).ok_or_else(|| Error::new(Check::SigKey, ""))
    }

    fn bundle(&self, bytes: &[u8], media_type: &str, subject: &Digest, demand: &Demand) -> Result<Verdict> {
        let bundle = Envelope::read(bytes, media_type)?;
        check_bundle_log(&bundle)?;
        let message = envelope::pae(statement::MEDIA_TYPE, &bundle.statement);
        let key = self.check_sig_key(&demand.keys, &message, &bundle.signature)?;
        let claims = check_statement(&bundle.statement, subject, demand);
        let signed = Signed { key_id: key.id(), log: LogStatus::Absent };
        Ok(Verdict::of(Form::Bundle, signed, claims.map(|()| Claims::Statement(bundle.statement.into()))))
    }
}

/// What a payload that was signed claims: this image, and the annotations demanded.
fn check_payload(bytes: &[u8], subject: &Digest, demand: &Demand) -> Result<()> {
    let payload = Payload::parse(bytes)?;
    check_payload_digest(&payload, subject)?;
    check_payload_annotations(payload.optional(), &demand.annotations)
}

/// What a statement that was signed claims. Whose digest it is, and that it is no attestation, is part of what a bundle
/// means: without the claims only annotations go unchecked, as in cosign.
fn check_statement(bytes: &[u8], subject: &Digest, demand: &Demand) -> Result<()> {
    let statement = Statement::parse(bytes)?;
    let annotations =
        statement.annotations_of(subject).ok_or_else(|| Error::new(Check::BundleSubject, ""))?;
    check_bundle_predicate(&statement)?;
    if demand.claims { check_payload_annotations(annotations, &demand.annotations) } else { Ok(()) }
}

/// The valid signatures of an image. An error says why there are none (SIG-ABSENT, or the most telling failure), or
/// that they are by too few distinct keys (VERIFY-THRESHOLD). Where something could not be read that might have counted,
/// that is the error: what was not seen is not absent. A signature that is valid stays so whatever stands beside it.
pub fn conclude(verdicts: Vec<Verdict>, demand: &Demand) -> Result<Vec<Valid>> {
    let (mut valid, mut failed, mut unread) = (Vec::new(), Vec::new(), Vec::new());
    for verdict in verdicts {
        match verdict.outcome {
            Ok(signature) => valid.push(signature),
            Err(error) if rank(error.check()).is_none() => unread.push(error),
            Err(error) => failed.push(error),
        }
    }
    let concluded = if valid.is_empty() {
        // The failure that came furthest says most: a wrong annotation more than a stranger's key.
        failed.sort_by_key(|error| rank(error.check()));
        Err(failed.pop().unwrap_or_else(|| Error::new(Check::SigAbsent, "")))
    } else {
        check_verify_threshold(&valid, demand).map(|()| valid)
    };
    match (concluded, unread.into_iter().next()) {
        (Err(_), Some(unread)) => Err(unread),
        (concluded, _) => concluded,
    }
}

/// VERIFY-THRESHOLD: distinct keys count once over both forms.
fn check_verify_threshold(valid: &[Valid], demand: &Demand) -> Result<()> {
    let keys: BTreeSet<Digest> = valid.iter().map(Valid::key_id).collect();
    if keys.len() >= demand.threshold {
        return Ok(());
    }
    Err(Error::new(Check::VerifyThreshold, "").detail(format!("{} of {} keys", keys.len(), demand.threshold)))
}

/// How far a signature came that was read and failed this check; `None` for what says that it could not be read.
fn rank(check: Check) -> Option<usize> {
    const ASCENDING: [Check; 18] = [
        Check::SigAbsent,
        Check::SigManifestKind,
        Check::SigLayerType,
        Check::BundleSyntax,
        Check::SigAnnotation,
        Check::SigLayerSize,
        Check::SigBase64,
        Check::SigKey,
        Check::SigCertificate,
        Check::SigLog,
        Check::BundleLog,
        Check::PayloadSyntax,
        Check::PayloadType,
        Check::BundlePredicate,
        Check::PayloadDigest,
        Check::BundleSubject,
        Check::PayloadAnnotations,
        Check::VerifyThreshold,
    ];
    ASCENDING.iter().position(|known| *known == check)
}

/// A layer that may hold a signature: everything that is asked of it before its payload is read.
pub(crate) struct SigLayer {
    /// What it says of its payload.
    pub(crate) descriptor: Descriptor,
    /// The raw signature.
    pub(crate) signature: Vec<u8>,
    log: LogStatus,
}

impl SigLayer {
    /// Reads a layer of a `.sig` manifest. SIG-LAYER-TYPE, SIG-ANNOTATION, SIG-BASE64, SIG-CERTIFICATE, SIG-LOG.
    pub(crate) fn read(layer: &Value) -> Result<Self> {
        let descriptor = check_sig_layer_type(layer)?;
        let annotation = |name: &str| {
            layer.get("annotations").and_then(|annotations| annotations.get(name)).and_then(Value::as_str)
        };
        let signature = check_sig_base64(check_sig_annotation(annotation(signature::ANNOTATION))?)?;
        check_sig_certificate(annotation(signature::CERTIFICATE_ANNOTATION))?;
        check_sig_certificate(annotation(signature::CHAIN_ANNOTATION))?;
        check_sig_log_timestamp(annotation(signature::TIMESTAMP_ANNOTATION))?;
        let log = check_sig_log(annotation(signature::LOG_ANNOTATION))?;
        Ok(Self { descriptor, signature, log })
    }
}

/// SIG-MANIFEST-KIND: an OCI or Docker image manifest with at most 1,000 layers. Returns the layers.
pub(crate) fn check_sig_manifest_kind(media_type: &str, manifest: &[u8]) -> Result<Vec<Value>> {
    let refuse = |why: &str| Error::new(Check::SigManifestKind, "").detail(why);
    if !matches!(media_type, OCI_MANIFEST | DOCKER_MANIFEST) {
        return Err(refuse(media_type));
    }
    if manifest.len() > limits::MANIFEST {
        return Err(refuse("larger than 4 MiB"));
    }
    let value = Value::parse(manifest, limits::DEPTH_EVIDENCE, Names::Exact)
        .map_err(|error| refuse("not strict JSON").caused_by(error))?;
    check_manifest_names(&value)
        .map_err(|error| refuse("two readers could read two manifests").caused_by(error))?;
    if value.get("mediaType").is_some_and(|kind| kind.as_str() != Some(media_type)) {
        return Err(refuse("its mediaType is another"));
    }
    if value.get("manifests").is_some() {
        return Err(refuse("an index at the same time"));
    }
    match value.get("layers").and_then(Value::as_array) {
        Some(layers) if layers.len() <= limits::SIG_LAYERS => Ok(layers.to_vec()),
        Some(_) => Err(refuse("more than 1,000 layers")),
        None => Err(refuse("no layers")),
    }
}

/// SIG-LAYER-TYPE: only simple signing layers hold signatures.
fn check_sig_layer_type(layer: &Value) -> Result<Descriptor> {
    let media_type = layer.get("mediaType").and_then(Value::as_str).unwrap_or_default();
    let refuse = || Error::new(Check::SigLayerType, media_type);
    let descriptor = read_descriptor(layer).map_err(|error| refuse().caused_by(error))?;
    if descriptor.media_type == payload::MEDIA_TYPE { Ok(descriptor) } else { Err(refuse()) }
}

/// SIG-LAYER-SIZE: the payload is the one that its descriptor names.
fn check_sig_layer_size(bytes: &[u8], descriptor: &Descriptor) -> Result<()> {
    if Descriptor::of(&descriptor.media_type, bytes) == *descriptor {
        return Ok(());
    }
    Err(Error::new(Check::SigLayerSize, descriptor.digest))
}

/// SIG-ANNOTATION: there is a signature, and it is not empty.
fn check_sig_annotation(annotation: Option<&str>) -> Result<&str> {
    annotation.filter(|text| !text.is_empty()).ok_or_else(|| Error::new(Check::SigAnnotation, ""))
}

/// SIG-BASE64: padded standard base64; line breaks are skipped, as Go's decoder does.
fn check_sig_base64(text: &str) -> Result<Vec<u8>> {
    let text: String = text.chars().filter(|character| !matches!(character, '\r' | '\n')).collect();
    STANDARD.decode(text).map_err(|error| Error::new(Check::SigBase64, "").caused_by(error))
}

/// SIG-CERTIFICATE: absent or empty; signatures with a certificate are keyless ones, which are not counted.
fn check_sig_certificate(annotation: Option<&str>) -> Result<()> {
    match annotation {
        None | Some("") => Ok(()),
        Some(_) => Err(Error::new(Check::SigCertificate, "")
            .detail("signatures with a certificate are not supported yet")),
    }
}

/// SIG-LOG: absent, empty, or a log bundle with its four members; it is not checked without a log key.
fn check_sig_log(annotation: Option<&str>) -> Result<LogStatus> {
    let Some(text) = annotation.filter(|text| !text.is_empty()) else { return Ok(LogStatus::Absent) };
    let refuse = || Error::new(Check::SigLog, "");
    let value = Value::parse(text.as_bytes(), limits::DEPTH_EVIDENCE, Names::Exact)
        .map_err(|error| refuse().caused_by(error))?;
    let payload = value.get("Payload").ok_or_else(refuse)?;
    let whole = value
        .get("SignedEntryTimestamp")
        .and_then(Value::as_str)
        .is_some_and(|set| STANDARD.decode(set).is_ok())
        && ["body", "logID"].iter().all(|name| payload.get(name).and_then(Value::as_str).is_some())
        && ["integratedTime", "logIndex"]
            .iter()
            .all(|name| payload.get(name).and_then(Value::as_integer).is_some());
    if whole { Ok(LogStatus::Unchecked) } else { Err(refuse()) }
}

/// SIG-LOG for a timestamp annotation: absent, empty, or a token's one member; it is not checked.
fn check_sig_log_timestamp(annotation: Option<&str>) -> Result<()> {
    let Some(text) = annotation.filter(|text| !text.is_empty()) else { return Ok(()) };
    let refuse = || Error::new(Check::SigLog, "").detail("the timestamp annotation");
    let value = Value::parse(text.as_bytes(), limits::DEPTH_EVIDENCE, Names::Exact)
        .map_err(|error| refuse().caused_by(error))?;
    let token = value.get("SignedRFC3161Timestamp").and_then(Value::as_str);
    if token.is_some_and(|token| STANDARD.decode(token).is_ok()) { Ok(()) } else { Err(refuse()) }
}

/// PAYLOAD-DIGEST: the payload is about this image.
fn check_payload_digest(payload: &Payload, subject: &Digest) -> Result<()> {
    if payload.digest() == *subject {
        return Ok(());
    }
    Err(Error::new(Check::PayloadDigest, payload.digest()))
}

/// PAYLOAD-ANNOTATIONS: each one asked for is there, as a string, and equal; others may be there as well. The message
/// names every pair that is not.
fn check_payload_annotations(found: &[(String, Value)], wanted: &BTreeMap<String, String>) -> Result<()> {
    let mut failing = wanted.iter().filter_map(|(key, value)| {
        let there = found.iter().find(|(name, _)| name == key).map(|(_, value)| value);
        match there {
            Some(Value::String(text)) if text == value => None,
            other => Some((key, value, other)),
        }
    });
    let first: Vec<_> = failing.by_ref().take(ANNOTATIONS_TOLD).collect();
    if first.is_empty() {
        return Ok(());
    }
    let keys: Vec<&str> = first.iter().map(|(key, ..)| key.as_str()).collect();
    let error = Error::new(Check::PayloadAnnotations, keys.join(", "));
    let error = first.iter().fold(error, |error, (key, value, there)| {
        let signed = match there {
            // As much as a screen takes of it: reports hold every row.
            Some(Value::String(text)) => {
                format!("{key}={}", text.chars().take(2 * limits::SHOWN).collect::<String>())
            }
            Some(_) => format!("{key}, which is no string"),
            None => format!("without {key}"),
        };
        error.detail(format!("wanted {key}={value}")).detail(format!("signed {signed}"))
    });
    Err(match failing.count() {
        0 => error,
        more => error.detail(format!("and {more} more")),
    })
}

/// Pairs that a message names one by one.
const ANNOTATIONS_TOLD: usize = 8;

/// BUNDLE-LOG: log entries and timestamps count only when they are checked.
fn check_bundle_log(bundle: &Envelope) -> Result<()> {
    if bundle.logged { Err(Error::new(Check::BundleLog, "")) } else { Ok(()) }
}

/// BUNDLE-PREDICATE: an attestation is no signature.
fn check_bundle_predicate(statement: &Statement) -> Result<()> {
    if statement.predicate_type() == statement::PREDICATE_TYPE {
        return Ok(());
    }
    Err(Error::new(Check::BundlePredicate, statement.predicate_type()))
}

/// What a bundle by a key holds.
struct Envelope {
    statement: Vec<u8>,
    signature: Vec<u8>,
    logged: bool,
}

impl Envelope {
    /// BUNDLE-SYNTAX: v0.3, a public key, a DSSE envelope of an in-toto statement with one signature and no key id.
    fn read(bytes: &[u8], media_type: &str) -> Result<Self> {
        let refuse = |why: &str| Error::new(Check::BundleSyntax, "").detail(why);
        if bytes.len() > limits::MANIFEST {
            return Err(refuse("larger than 4 MiB"));
        }
        if !is_v03(media_type) {
            return Err(refuse("the layer's media type is not a bundle v0.3"));
        }
        let value = Value::parse(bytes, limits::DEPTH_EVIDENCE, Names::Exact)
            .map_err(|error| refuse("not strict JSON").caused_by(error))?;
        known(&value, &["mediaType", "verificationMaterial", "dsseEnvelope"]).map_err(refuse)?;
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
        let envelope = value.get("dsseEnvelope").ok_or_else(|| refuse("no dsseEnvelope"))?;
        known(envelope, &["payload", "payloadType", "signatures"]).map_err(refuse)?;
        if envelope.get("payloadType").and_then(Value::as_str) != Some(statement::MEDIA_TYPE) {
            return Err(refuse("payloadType is no in-toto statement's"));
        }
        let [only] = envelope.get("signatures").and_then(Value::as_array).unwrap_or_default() else {
            return Err(refuse("one signature is wanted"));
        };
        known(only, &["sig", "keyid"]).map_err(refuse)?;
        if only.get("keyid").is_some_and(|id| id.as_str() != Some("")) {
            return Err(refuse("the signature has a keyid"));
        }
        Ok(Self {
            statement: bytes_of(envelope.get("payload")).ok_or_else(|| refuse("payload is not base64"))?,
            signature: bytes_of(only.get("sig")).ok_or_else(|| refuse("sig is not base64"))?,
            logged: entries || stamps,
        })
    }
}

fn is_v03(media_type: &str) -> bool {
    matches!(media_type, bundle::MEDIA_TYPE | "application/vnd.dev.sigstore.bundle+json;version=0.3")
}

fn known(value: &Value, names: &[&str]) -> Result<(), &'static str> {
    let members = value.as_object().ok_or("an object is wanted")?;
    if members.iter().all(|(name, _)| names.contains(&name.as_str())) {
        Ok(())
    } else {
        Err("unknown member")
    }
}

/// DSSE readers take both alphabets (dsse, envelope.md).
fn bytes_of(value: Option<&Value>) -> Option<Vec<u8>> {
    let text = value?.as_str()?;
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok().filter(|bytes| !bytes.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(threshold: usize) -> Demand {
        Demand { keys: Vec::new(), annotations: BTreeMap::new(), claims: true, threshold }
    }

    /// `Ok` is a valid signature by the key with this number, `Err` a failure.
    fn outcome(verdicts: &[Result<u8, Check>], threshold: usize) -> Result<usize, Check> {
        let verdict = |verdict: &Result<u8, Check>| Verdict {
            form: Form::Sig,
            signed: None,
            outcome: verdict.map_err(|check| Error::new(check, "")).map(|key| Valid {
                form: Form::Sig,
                key_id: Digest::of(&[key]),
                log: LogStatus::Absent,
                claims: Claims::Payload(Bytes::new()),
            }),
        };
        let concluded = conclude(verdicts.iter().map(verdict).collect(), &demand(threshold));
        concluded.map(|valid| valid.len()).map_err(|error| error.check())
    }

    #[test]
    fn what_was_not_seen_is_not_absent() {
        const SLOW: Result<u8, Check> = Err(Check::RegistryTimeout);
        const GONE: Result<u8, Check> = Err(Check::SourceAbsent);
        const STRANGER: Result<u8, Check> = Err(Check::SigKey);
        const ANNOTATION: Result<u8, Check> = Err(Check::PayloadAnnotations);
        for (verdicts, threshold, wanted) in [
            (&[][..], 1, Err(Check::SigAbsent)),
            (&[STRANGER], 1, Err(Check::SigKey)),
            // The failure that came furthest, wherever it stands.
            (&[ANNOTATION, STRANGER], 1, Err(Check::PayloadAnnotations)),
            (&[STRANGER, ANNOTATION], 1, Err(Check::PayloadAnnotations)),
            // Something was cut off that might have been the signature.
            (&[SLOW], 1, Err(Check::RegistryTimeout)),
            (&[STRANGER, SLOW], 1, Err(Check::RegistryTimeout)),
            (&[SLOW, ANNOTATION], 1, Err(Check::RegistryTimeout)),
            (&[GONE, SLOW], 1, Err(Check::SourceAbsent)),
            // A good one stays good, in whichever order.
            (&[Ok(1), SLOW], 1, Ok(1)),
            (&[SLOW, STRANGER, Ok(1)], 1, Ok(1)),
            (&[Ok(1), Ok(2), GONE], 2, Ok(2)),
            // One key counts once, and the second one may be what was cut off.
            (&[Ok(1), Ok(1)], 2, Err(Check::VerifyThreshold)),
            (&[Ok(1), STRANGER], 2, Err(Check::VerifyThreshold)),
            (&[Ok(1), Ok(1), SLOW], 2, Err(Check::RegistryTimeout)),
        ] {
            assert_eq!(outcome(verdicts, threshold), wanted, "{verdicts:?} {threshold}");
        }
    }

    #[test]
    fn every_refusal_of_the_registry_is_something_unread() {
        for check in Check::ALL {
            let verdict = Verdict::failed(Form::Bundle, Error::new(*check, ""));
            match check.hop() {
                "registry" => assert!(verdict.unread().is_some(), "{check}"),
                "verify" => assert_eq!(verdict.unread().is_some(), *check == Check::SigTag, "{check}"),
                _ => {}
            }
        }
    }
}
