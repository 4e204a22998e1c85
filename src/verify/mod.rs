//! What stands at a destination, by the keys a person gave (cosign `verify --key`; docs/verification.md).
//!
//! Every signature is judged alone: what is wrong with one never unmakes another. Nothing here reads files or networks;
//! [`crate::transfer`] brings the bytes.

mod attestation;
#[cfg(feature = "connected")]
mod blob;
mod bundle;
mod sig;
#[cfg(feature = "connected")]
pub mod timestamp;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::attestation::PredicateType;
use crate::format::evidence::{DOCKER_MANIFEST, Descriptor, OCI_MANIFEST, check_manifest_names};
use crate::format::json::{Names, Value};
use crate::keys::public::PublicKey;
use crate::limits;

#[cfg(feature = "connected")]
pub(crate) use attestation::{
    attested_in_bundle, attested_in_envelope, check_att_layer_type, check_att_manifest_kind,
};
#[cfg(feature = "connected")]
pub use blob::{BlobSignature, BlobVerifier, verify_digest as verify_blob_digest};
#[cfg(feature = "connected")]
pub(crate) use sig::{SigLayer, check_payload_digest, check_sig_manifest_kind};

/// A signature that was verified: holding one is the proof. The raw signature bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VerifiedSignature {
    bytes: Box<[u8]>,
}

/// What is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Bytes.
    Bytes(Bytes),
    /// The SHA-256 of bytes that nobody showed. Ed25519 signs none.
    Hash(Digest),
}

impl Message {
    /// Whether a signature verifies in any encoding that cosign takes.
    #[must_use]
    pub fn verifies(&self, key: &PublicKey, signature: &[u8]) -> bool {
        match self {
            Self::Bytes(bytes) => key.verify(bytes, signature),
            Self::Hash(digest) => key.verify_digest(digest, signature),
        }
    }
}

impl VerifiedSignature {
    /// Verifies a signature as it stands in our files: strict DER, SHA-256 or pure Ed25519.
    #[must_use]
    pub fn check(key: &PublicKey, message: &Message, signature: &[u8]) -> Option<Self> {
        let verifies = match message {
            Message::Bytes(bytes) => key.verify_strict(bytes, signature),
            Message::Hash(digest) => key.verify_digest_strict(digest, signature),
        };
        verifies.then(|| Self { bytes: signature.into() })
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
    /// What is to be signed.
    pub purpose: Purpose,
    /// Annotations that must be there, as strings.
    pub annotations: BTreeMap<String, String>,
    /// Whether payloads are read at all; signatures always are.
    pub claims: bool,
    /// How many distinct keys must have signed, at least 1.
    pub threshold: usize,
}

impl Demand {
    /// What is said where nothing was found.
    fn absent(&self) -> Check {
        match self.purpose {
            Purpose::Signature => Check::SigAbsent,
            Purpose::Attestation(_) => Check::AttAbsent,
        }
    }
}

/// What a signature is wanted for: one made for another purpose never counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// The image itself.
    Signature,
    /// An attestation of this type about the image; `None`: of any type.
    Attestation(Option<PredicateType>),
}

/// Which form a signature has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// A layer of a `.sig` manifest.
    Sig,
    /// A layer of an `.att` manifest.
    Att,
    /// A Sigstore bundle.
    Bundle,
}

impl Form {
    /// As it stands on the screen.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sig => ".sig",
            Self::Att => ".att",
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
    signature: Box<[u8]>,
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

    /// The raw signature.
    #[must_use]
    pub fn signature(&self) -> &[u8] {
        &self.signature
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
    fn of(form: Form, signed: Signed, signature: &[u8], claims: Result<Claims>) -> Self {
        let Signed { key_id, log } = signed;
        let outcome = claims.map(|claims| Valid { form, key_id, signature: signature.into(), log, claims });
        Self { form, signed: Some(signed), outcome }
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

    /// The same verdict, what was signed held once with that of equal verdicts in `seen`.
    #[cfg(feature = "connected")]
    pub(crate) fn sharing(mut self, seen: &mut std::collections::HashMap<Digest, Bytes>) -> Self {
        if let Ok(Valid { claims: Claims::Payload(bytes) | Claims::Statement(bytes), .. }) = &mut self.outcome
        {
            *bytes = seen.entry(Digest::of(bytes)).or_insert_with(|| bytes.clone()).clone();
        }
        self
    }
}

/// A `.sig` or `.att` manifest as it was found.
pub struct Found<'a> {
    /// The media type it was served with.
    pub media_type: &'a str,
    /// Its bytes.
    pub manifest: &'a [u8],
    /// Brings the bytes of a payload or envelope; they are hashed here.
    pub content: &'a dyn Fn(&Descriptor) -> Result<Bytes>,
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

    /// SIG-KEY: the signature verifies with a key given.
    fn check_sig_key<'k>(
        &self,
        keys: &'k [PublicKey],
        message: &[u8],
        signature: &[u8],
    ) -> Result<&'k PublicKey> {
        self.key_of(keys, message, signature).ok_or_else(|| Error::new(Check::SigKey, ""))
    }
}

/// The valid signatures of an image. An error says why there are none (SIG-ABSENT or ATT-ABSENT, or the most telling failure), or
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
        Err(failed.pop().unwrap_or_else(|| Error::new(demand.absent(), "")))
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

/// The layers of an OCI or Docker image manifest with at most 1,000 of them; `check` where it is none.
fn check_layers(check: Check, media_type: &str, manifest: &[u8]) -> Result<Vec<Value>> {
    let refuse = |why: &str| Error::new(check, "").detail(why);
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

/// How far a signature came that was read and failed this check; `None` for what says that it could not be read.
fn rank(check: Check) -> Option<usize> {
    const ASCENDING: [Check; 25] = [
        Check::SigAbsent,
        Check::AttAbsent,
        Check::SigManifestKind,
        Check::AttManifestKind,
        Check::SigLayerType,
        Check::AttLayerType,
        Check::BundleSyntax,
        Check::SigAnnotation,
        Check::SigLayerSize,
        Check::AttLayerSize,
        Check::AttEnvelope,
        Check::SigBase64,
        Check::SigKey,
        Check::SigCertificate,
        Check::SigLog,
        Check::BundleLog,
        Check::PayloadSyntax,
        Check::PayloadType,
        Check::AttStatement,
        Check::BundlePredicate,
        Check::AttPredicate,
        Check::PayloadDigest,
        Check::BundleSubject,
        Check::PayloadAnnotations,
        Check::VerifyThreshold,
    ];
    ASCENDING.iter().position(|known| *known == check)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(threshold: usize) -> Demand {
        Demand {
            keys: Vec::new(),
            purpose: Purpose::Signature,
            annotations: BTreeMap::new(),
            claims: true,
            threshold,
        }
    }

    /// `Ok` is a valid signature by the key with this number, `Err` a failure.
    fn outcome(verdicts: &[Result<u8, Check>], threshold: usize) -> Result<usize, Check> {
        let verdict = |verdict: &Result<u8, Check>| Verdict {
            form: Form::Sig,
            signed: None,
            outcome: verdict.map_err(|check| Error::new(check, "")).map(|key| Valid {
                form: Form::Sig,
                key_id: Digest::of(&[key]),
                signature: Box::new([]),
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
