//! Signatures in `.sig` manifests: a layer is a payload, its annotations hold the signature.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Form;
use super::log::{Content, Of};
use super::verdict::{Claims, Demand, Found, Verdict, Verifier, check_layers};
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::evidence::{Descriptor, read_descriptor};
use crate::format::json::Value;
use crate::format::log::{self, Entry, Material};
use crate::format::payload::{self, Payload};
use crate::format::signature;
use crate::keys::public::Hash;
use crate::limits;

impl Verifier {
    /// Judges every layer of a `.sig` manifest over `subject`. An error where the manifest itself cannot be read.
    pub fn judge_sig(&self, found: &Found<'_>, subject: &Digest, demand: &Demand) -> Result<Vec<Verdict>> {
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

    fn judge_layer(
        &self,
        layer: &Value,
        found: &Found<'_>,
        subject: &Digest,
        demand: &Demand,
    ) -> Result<Verdict> {
        let SigLayer { descriptor, signature, text, material } = SigLayer::read(layer)?;
        // Asked for last: what cannot count costs no request, and nothing is missed where it cannot be read.
        let bytes = (found.content)(&descriptor)?;
        check_sig_layer_size(&bytes, &descriptor)?;
        let key = self.check_sig_key(&demand.keys, &bytes, &signature)?;
        let claims = if demand.claims { check_payload(&bytes, subject, demand) } else { Ok(()) };
        let hash = Digest::of(&bytes);
        let content = Content::Hash(Hash::Sha256, hash.as_bytes());
        let of = Of { key, signature: &signature, text: &text, content };
        Ok(Verdict::of(Form::Sig, &of, &material, claims.map(|()| Claims::Payload(bytes)), demand))
    }
}

/// What a payload that was signed claims: this image, and the annotations demanded.
fn check_payload(bytes: &[u8], subject: &Digest, demand: &Demand) -> Result<()> {
    let payload = Payload::parse(bytes)?;
    check_payload_digest(&payload, subject)?;
    check_payload_annotations(payload.optional(), &demand.annotations)
}

/// A layer that may hold a signature: everything that is asked of it before its payload is read.
pub(crate) struct SigLayer {
    /// What it says of its payload.
    pub(crate) descriptor: Descriptor,
    /// The raw signature.
    pub(crate) signature: Vec<u8>,
    /// Its text, as the annotation has it.
    text: String,
    /// What stands beside it.
    pub(crate) material: Material,
}

impl SigLayer {
    /// Reads a layer of a `.sig` manifest. SIG-LAYER-TYPE, SIG-ANNOTATION, SIG-BASE64, SIG-CERTIFICATE, SIG-LOG.
    pub(crate) fn read(layer: &Value) -> Result<Self> {
        let descriptor = check_sig_layer_type(layer)?;
        let text = check_sig_annotation(annotation(layer, signature::ANNOTATION))?;
        let signature = check_sig_base64(text)?;
        let material = check_layer_material(layer)?;
        Ok(Self { descriptor, signature, text: text.to_owned(), material })
    }
}

/// SIG-MANIFEST-KIND: an OCI or Docker image manifest with at most 1,000 layers. Returns the layers.
pub(crate) fn check_sig_manifest_kind(media_type: &str, manifest: &[u8]) -> Result<Vec<Value>> {
    check_layers(Check::SigManifestKind, media_type, manifest)
}

/// SIG-CERTIFICATE, SIG-LOG: what stands beside a signature in its layer's annotations.
pub(crate) fn check_layer_material(layer: &Value) -> Result<Material> {
    check_sig_certificate(annotation(layer, signature::CERTIFICATE_ANNOTATION))?;
    check_sig_certificate(annotation(layer, signature::CHAIN_ANNOTATION))?;
    // The empty string is absent, as for cosign; anything else that is not the object is invalid.
    let present = |name| annotation(layer, name).filter(|text| !text.is_empty());
    let entry = present(signature::LOG_ANNOTATION).map(Entry::read_annotation).transpose()?;
    let token = present(signature::TIMESTAMP_ANNOTATION).map(log::read_token_annotation).transpose()?;
    Ok(Material { entries: entry.into_iter().collect(), tokens: token.into_iter().collect() })
}

fn annotation<'a>(layer: &'a Value, name: &str) -> Option<&'a str> {
    layer.get("annotations")?.get(name)?.as_str()
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

/// PAYLOAD-DIGEST: the payload is about this image.
pub(crate) fn check_payload_digest(payload: &Payload, subject: &Digest) -> Result<()> {
    if payload.digest() == *subject {
        return Ok(());
    }
    Err(Error::new(Check::PayloadDigest, payload.digest()))
}

/// PAYLOAD-ANNOTATIONS: each one asked for is there, as a string, and equal; others may be there as well. The message
/// names every pair that is not.
pub(super) fn check_payload_annotations(
    found: &[(String, Value)],
    wanted: &BTreeMap<String, String>,
) -> Result<()> {
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
