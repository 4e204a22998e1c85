//! Attestations in `.att` manifests: a layer is a DSSE envelope, its statement says what is attested of what.

use bytes::Bytes;

use super::Form;
use super::bundle::{Bundle, Envelope, Signature, check_bundle_subject};
use super::log::{self, Content, Of};
use super::sig::check_layer_material;
use super::verdict::{Claims, Demand, Found, Purpose, Verdict, Verifier, check_layers};
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::attestation::{ENVELOPE_MEDIA_TYPE, PredicateType};
use crate::format::envelope;
use crate::format::evidence::{Descriptor, read_descriptor};
use crate::format::json::{Names, Value};
use crate::format::log::Material;
use crate::format::statement::{self, Statement};
use crate::limits;

impl Verifier {
    /// Judges every signature of every layer of an `.att` manifest over `subject`. An error where the manifest itself
    /// cannot be read.
    pub fn judge_att(&self, found: &Found<'_>, subject: &Digest, demand: &Demand) -> Result<Vec<Verdict>> {
        let layers = check_att_manifest_kind(found.media_type, found.manifest)?;
        if layers.is_empty() {
            return Err(Error::new(Check::AttAbsent, ""));
        }
        let failed = |error| Verdict::failed(Form::Att, error);
        Ok(layers
            .iter()
            .flat_map(|layer| match read_att_layer(layer, found) {
                Ok((text, envelope, material)) => {
                    let layer = Layer { text: &text, envelope: &envelope, material: &material };
                    let judge = |signature| self.judge_envelope(&layer, signature, subject, demand);
                    let verdicts = envelope.signatures.iter().map(judge);
                    verdicts.map(|verdict| verdict.unwrap_or_else(failed)).collect()
                }
                Err(error) => vec![failed(error)],
            })
            .collect())
    }

    /// One signature of an envelope: each counts alone.
    fn judge_envelope(
        &self,
        layer: &Layer<'_>,
        signature: &Signature,
        subject: &Digest,
        demand: &Demand,
    ) -> Result<Verdict> {
        let Layer { text, envelope, material } = layer;
        let message = envelope::pae(statement::MEDIA_TYPE, &envelope.statement);
        let key = self.check_sig_key(&demand.keys, &message, &signature.signature)?;
        let kind = match &demand.purpose {
            Purpose::Attestation(kind) => kind.as_ref(),
            Purpose::Signature => return Err(Error::new(Check::BundlePredicate, "")),
        };
        let claims = check_attestation(&envelope.statement, kind, demand.claims.then_some(subject));
        let claims = claims.map(|()| Claims::Statement(envelope.statement.clone().into()));
        let spelled = log::spelled(&signature.signature);
        let content = Content::Layer(text, &envelope.statement);
        let of = Of { key, signature: &signature.signature, text: &spelled, content };
        Ok(Verdict::of(Form::Att, &of, material, claims, demand))
    }
}

/// What a signed statement must say: ATT-STATEMENT, ATT-PREDICATE, and, where a subject is given, BUNDLE-SUBJECT.
pub(super) fn check_attestation(
    statement: &[u8],
    kind: Option<&PredicateType>,
    subject: Option<&Digest>,
) -> Result<()> {
    let statement = Statement::parse_attestation(statement)?;
    check_att_predicate(&statement, kind)?;
    subject.map_or(Ok(()), |subject| check_bundle_subject(&statement, subject).map(|_| ()))
}

/// The type of what an envelope attests of a subject; whose signatures it has is not asked.
pub(crate) fn attested_in_envelope(envelope: &[u8], subject: &Digest) -> Result<String> {
    attested(&check_att_envelope(envelope)?.statement, subject)
}

/// The same of a bundle.
pub(crate) fn attested_in_bundle(bundle: &[u8], media_type: &str, subject: &Digest) -> Result<String> {
    attested(&Bundle::read(bundle, media_type)?.statement, subject)
}

fn attested(statement: &[u8], subject: &Digest) -> Result<String> {
    check_attestation(statement, None, Some(subject))?;
    Ok(Statement::parse_attestation(statement)?.predicate_type().to_owned())
}

/// A layer of an `.att` that was read.
struct Layer<'a> {
    text: &'a [u8],
    envelope: &'a Envelope,
    material: &'a Material,
}

fn read_att_layer(layer: &Value, found: &Found<'_>) -> Result<(Bytes, Envelope, Material)> {
    let descriptor = check_att_layer_type(layer)?;
    let material = check_layer_material(layer)?;
    let bytes = (found.content)(&descriptor)?;
    check_att_layer_size(&bytes, &descriptor)?;
    let envelope = check_att_envelope(&bytes)?;
    Ok((bytes, envelope, material))
}

/// ATT-MANIFEST-KIND: an OCI or Docker image manifest with at most 1,000 layers. Returns the layers.
pub(crate) fn check_att_manifest_kind(media_type: &str, manifest: &[u8]) -> Result<Vec<Value>> {
    check_layers(Check::AttManifestKind, media_type, manifest)
}

/// ATT-LAYER-TYPE: only DSSE envelopes are attestations.
pub(crate) fn check_att_layer_type(layer: &Value) -> Result<Descriptor> {
    let media_type = layer.get("mediaType").and_then(Value::as_str).unwrap_or_default();
    let refuse = || Error::new(Check::AttLayerType, media_type);
    let descriptor = read_descriptor(layer).map_err(|error| refuse().caused_by(error))?;
    if descriptor.media_type == ENVELOPE_MEDIA_TYPE { Ok(descriptor) } else { Err(refuse()) }
}

/// ATT-LAYER-SIZE: the envelope is the one that its descriptor names.
fn check_att_layer_size(bytes: &[u8], descriptor: &Descriptor) -> Result<()> {
    if Descriptor::of(&descriptor.media_type, bytes) == *descriptor {
        return Ok(());
    }
    Err(Error::new(Check::AttLayerSize, descriptor.digest))
}

/// ATT-ENVELOPE: a DSSE envelope of an in-toto statement with 1 to 32 signatures. What they say of their keys is not
/// looked at: nobody signed it.
pub(super) fn check_att_envelope(bytes: &[u8]) -> Result<Envelope> {
    let refuse = |why: &str| Error::new(Check::AttEnvelope, "").detail(why);
    if bytes.len() > limits::MANIFEST {
        return Err(refuse("larger than 4 MiB"));
    }
    let value = Value::parse(bytes, limits::DEPTH_EVIDENCE, Names::Exact)
        .map_err(|error| refuse("not strict JSON").caused_by(error))?;
    let envelope = Envelope::read(&value).map_err(refuse)?;
    if (1..=limits::ENVELOPE_SIGNATURES).contains(&envelope.signatures.len()) {
        return Ok(envelope);
    }
    Err(refuse("it has 1 to 32 signatures"))
}

/// ATT-PREDICATE: the statement is of the type asked for; never an image signature's.
fn check_att_predicate(statement: &Statement, kind: Option<&PredicateType>) -> Result<()> {
    let found = statement.predicate_type();
    let refuse = || Error::new(Check::AttPredicate, "").detail(format!("found {found}"));
    match kind {
        Some(kind) if kind.uri() == found => Ok(()),
        Some(kind) => Err(refuse().detail(format!("wanted {kind}"))),
        None if found == statement::PREDICATE_TYPE => Err(refuse().detail("an image signature's")),
        None => Ok(()),
    }
}
