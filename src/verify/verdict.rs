//! Verdicts: what was demanded, what became of each signature, and what follows for the image.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;

use super::log::Of;
use super::material::{self, Evidence, Standing};
use super::{Form, Known};
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::attestation::PredicateType;
use crate::format::evidence::{DOCKER_MANIFEST, Descriptor, OCI_MANIFEST, check_manifest_names};
use crate::format::json::{Names, Value};
use crate::format::log::Material;
use crate::keys::public::PublicKey;
use crate::limits;

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
    /// What must stand beside each signature.
    pub evidence: Evidence,
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

/// A signature that passed everything demanded of it alone.
#[derive(Clone, Debug)]
pub struct Valid {
    form: Form,
    key_id: Digest,
    signature: Box<[u8]>,
    standing: Standing,
    material: Material,
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

    /// What is known of its log entries and timestamps.
    #[must_use]
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// What stands beside it, as it was found, where it was to be kept.
    #[must_use]
    pub fn material(&self) -> &Material {
        &self.material
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
#[derive(Clone, Debug)]
pub struct Signed {
    /// The id of the key.
    pub key_id: Digest,
    /// What is known of its log entries and timestamps.
    pub standing: Standing,
}

impl Verdict {
    /// What failed before a key was known to have made it.
    #[must_use]
    pub fn failed(form: Form, error: Error) -> Self {
        Self { form, signed: None, outcome: Err(error) }
    }

    /// What a key signed, and what stands beside it: claims come first, they say whose signature it is.
    pub(super) fn of(
        form: Form,
        of: &Of<'_>,
        material: &Material,
        claims: Result<Claims>,
        demand: &Demand,
    ) -> Self {
        let (standing, demanded) = material::judge(material, of, &demand.evidence);
        let key_id = of.key.id();
        let outcome = claims.and_then(|claims| {
            demanded?;
            let standing = standing.clone();
            let material = if demand.evidence.keep { material.clone() } else { Material::default() };
            Ok(Valid { form, key_id, signature: of.signature.into(), standing, material, claims })
        });
        Self { form, signed: Some(Signed { key_id, standing }), outcome }
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
    pub(crate) fn sharing(mut self, seen: &mut HashMap<Digest, Bytes>) -> Self {
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
    pub(super) fn check_sig_key<'k>(
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
pub(super) fn check_layers(check: Check, media_type: &str, manifest: &[u8]) -> Result<Vec<Value>> {
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
    const ASCENDING: [Check; 54] = [
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
        Check::LogSyntax,
        Check::LogLimit,
        Check::PayloadSyntax,
        Check::PayloadType,
        Check::AttStatement,
        Check::BundlePredicate,
        Check::AttPredicate,
        Check::PayloadDigest,
        Check::BundleSubject,
        Check::PayloadAnnotations,
        Check::TokenLimit,
        Check::TokenRepeated,
        Check::TokenSyntax,
        Check::TokenImprint,
        Check::TokenSignature,
        Check::TokenUsage,
        Check::TokenChain,
        Check::TokenWindow,
        Check::LogRepeated,
        Check::LogPromise,
        Check::LogSet,
        Check::LogTime,
        Check::LogKind,
        Check::LogBody,
        Check::LogSignature,
        Check::LogKey,
        Check::LogHash,
        Check::LogLeaf,
        Check::LogProof,
        Check::LogCheckpoint,
        Check::LogOrigin,
        Check::LogNote,
        Check::LogRoot,
        Check::LogIndex,
        Check::LogInclusion,
        Check::LogEnded,
        Check::LogRequired,
        Check::TokenRequired,
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
            evidence: Evidence::none(),
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
                standing: Standing::default(),
                material: Material::default(),
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
