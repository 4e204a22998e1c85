//! `.sig` manifests and their config (cosign `pkg/oci/{empty,mutate,static}`; docs/format.md 6).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::evidence::{Descriptor, OCI_CONFIG, OCI_MANIFEST};
use crate::format::json::{Names, Value, push_go_string};
use crate::format::log::{Entry, Material, read_token_annotation, token_annotation};
use crate::format::payload;
use crate::limits;

/// The layer annotation that holds the signature.
pub const ANNOTATION: &str = "dev.cosignproject.cosign/signature";
/// The layer annotation that holds a log entry.
pub const LOG_ANNOTATION: &str = "dev.sigstore.cosign/bundle";
/// The layer annotation that holds a certificate.
pub const CERTIFICATE_ANNOTATION: &str = "dev.sigstore.cosign/certificate";

/// The layer annotation that holds a certificate chain.
pub const CHAIN_ANNOTATION: &str = "dev.sigstore.cosign/chain";
/// The layer annotation that holds a timestamp token.
pub const TIMESTAMP_ANNOTATION: &str = "dev.sigstore.cosign/rfc3161timestamp";

/// One layer as it is written: a payload and a signature over it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The payload.
    pub payload: Descriptor,
    /// The raw signature.
    pub signature: Vec<u8>,
    /// What stands beside it: at most one log entry with a promise, and at most one timestamp.
    pub material: Material,
}

impl Layer {
    /// A layer with nothing beside the signature.
    #[must_use]
    pub fn dark(payload: Descriptor, signature: Vec<u8>) -> Self {
        Self { payload, signature, material: Material::default() }
    }
}

/// A `.sig` or `.att` manifest of ours and its config.
#[derive(Clone, Debug)]
pub struct SigManifest {
    /// Bytes of the manifest.
    pub manifest: Bytes,
    /// Bytes of the config.
    pub config: Bytes,
}

/// The tag of the `.sig` of an image: `sha256-<hex>.sig`.
#[must_use]
pub fn tag(digest: &Digest) -> String {
    format!("sha256-{}.sig", digest.hex())
}

/// Renders a `.sig` manifest and its config in cosign's order of members, without blanks.
#[must_use]
pub fn render(layers: &[Layer]) -> SigManifest {
    let annotations = |layer: &Layer| {
        let mut annotations = vec![(ANNOTATION, STANDARD.encode(&layer.signature))];
        annotations.extend(material_annotations(&layer.material));
        annotations
    };
    render_layers(layers.iter().map(|layer| (&layer.payload, annotations(layer))))
}

/// The annotations of a log entry and of a timestamp, in their order.
pub(super) fn material_annotations(
    material: &Material,
) -> impl Iterator<Item = (&'static str, String)> + use<> {
    let entry = material.entries.first().and_then(Entry::annotation).map(|text| (LOG_ANNOTATION, text));
    let token = material.tokens.first().map(|token| (TIMESTAMP_ANNOTATION, token_annotation(token)));
    entry.into_iter().chain(token)
}

/// Renders a manifest of layers with annotations, which are sorted, and its config: what cosign puts beside an image.
pub(super) fn render_layers<'a>(
    layers: impl ExactSizeIterator<Item = (&'a Descriptor, Vec<(&'static str, String)>)> + Clone,
) -> SigManifest {
    let config = render_config(layers.clone().map(|(layer, _)| layer.digest));
    let mut out = Vec::with_capacity(320 + layers.len() * 400);
    out.extend_from_slice(b"{\"schemaVersion\":2,\"mediaType\":");
    push_go_string(&mut out, OCI_MANIFEST);
    out.extend_from_slice(b",\"config\":{");
    push_descriptor(&mut out, &Descriptor::of(OCI_CONFIG, &config));
    out.extend_from_slice(b"},\"layers\":[");
    for (number, (layer, annotations)) in layers.enumerate() {
        out.extend_from_slice(if number == 0 { b"{" } else { b",{" });
        push_descriptor(&mut out, layer);
        out.extend_from_slice(b",\"annotations\":{");
        for (number, (name, value)) in annotations.iter().enumerate() {
            if number > 0 {
                out.push(b',');
            }
            push_go_string(&mut out, name);
            out.push(b':');
            push_go_string(&mut out, value);
        }
        out.extend_from_slice(b"}}");
    }
    out.extend_from_slice(b"]}");
    SigManifest { manifest: out.into(), config: config.into() }
}

/// The config of such a manifest: one history entry and one diff id a layer, `created` in the year 1.
#[must_use]
pub fn render_config(payloads: impl ExactSizeIterator<Item = Digest>) -> Vec<u8> {
    const CREATED: &str = "\"created\":\"0001-01-01T00:00:00Z\"";
    let history = vec![format!("{{{CREATED}}}"); payloads.len()].join(",");
    let diff_ids: Vec<String> = payloads.map(|digest| format!("\"{digest}\"")).collect();
    let diff_ids = diff_ids.join(",");
    format!(
        "{{\"architecture\":\"\",{CREATED},\"history\":[{history}],\"os\":\"\",\
         \"rootfs\":{{\"type\":\"layers\",\"diff_ids\":[{diff_ids}]}},\"config\":{{}}}}"
    )
    .into_bytes()
}

/// Reads the layers of a `.sig` manifest of ours: payload descriptor, signature and what stands beside it. What else stands
/// in it is found by rendering it again (SIG-MANIFEST).
pub fn read_layers(manifest: &[u8]) -> Result<Vec<Layer>> {
    let refuse = || Error::new(Check::SigManifest, "");
    read_layer_descriptors(manifest, payload::MEDIA_TYPE, refuse)?
        .into_iter()
        .map(|(payload, layer)| {
            let annotation = |name| layer.get("annotations")?.get(name)?.as_str();
            let signature = check_signature_encoding(annotation(ANNOTATION).ok_or_else(refuse)?)?;
            Ok(Layer { payload, signature, material: read_material(&layer, refuse)? })
        })
        .collect()
}

/// The layers of a manifest of ours, each with its descriptor, taken to be of `media_type`.
pub(super) fn read_layer_descriptors(
    manifest: &[u8],
    media_type: &str,
    refuse: impl Fn() -> Error,
) -> Result<Vec<(Descriptor, Value)>> {
    let value = Value::parse(manifest, limits::DEPTH_EVIDENCE, Names::Exact)
        .map_err(|error| refuse().caused_by(error))?;
    let layers = value.get("layers").and_then(Value::as_array).ok_or_else(&refuse)?;
    if layers.len() > limits::SIG_LAYERS {
        return Err(Error::new(Check::RequestSize, format!("a manifest of {} layers", layers.len())));
    }
    let descriptor = |layer: &Value| {
        let digest = Digest::parse(layer.get("digest")?.as_str()?).ok()?;
        Some(Descriptor { media_type: media_type.to_owned(), digest, size: layer.get("size")?.as_integer()? })
    };
    let read = |layer: &Value| Ok((descriptor(layer).ok_or_else(&refuse)?, layer.clone()));
    layers.iter().map(read).collect()
}

/// What stands beside a signature of ours in its layer's annotations.
pub(super) fn read_material(layer: &Value, refuse: impl Fn() -> Error) -> Result<Material> {
    let annotation = |name| layer.get("annotations")?.get(name)?.as_str();
    let read = || {
        let entry = annotation(LOG_ANNOTATION).map(Entry::read_annotation).transpose()?;
        let token = annotation(TIMESTAMP_ANNOTATION).map(read_token_annotation).transpose()?;
        Ok(Material { entries: entry.into_iter().collect(), tokens: token.into_iter().collect() })
    };
    read().map_err(|error| within_limits(refuse(), error))
}

/// Material that cannot be read is not what we write: `refused`. That there is too much of it is said as it is.
pub(super) fn within_limits(refused: Error, error: Error) -> Error {
    if matches!(error.check(), Check::LogLimit | Check::TokenLimit) {
        error
    } else {
        refused.caused_by(error)
    }
}

/// SIGNATURE-ENCODING: padded base64 on one line that encodes back to itself (the DER inside is the key's to judge).
pub fn check_signature_encoding(text: &str) -> Result<Vec<u8>> {
    let refuse = || Error::new(Check::SignatureEncoding, "");
    let signature = STANDARD.decode(text).map_err(|error| refuse().caused_by(error))?;
    if signature.is_empty() || STANDARD.encode(&signature) != text {
        return Err(refuse());
    }
    Ok(signature)
}

/// `"mediaType":…,"size":…,"digest":…`: cosign's order.
pub(super) fn push_descriptor(out: &mut Vec<u8>, descriptor: &Descriptor) {
    out.extend_from_slice(b"\"mediaType\":");
    push_go_string(out, &descriptor.media_type);
    out.extend_from_slice(
        format!(",\"size\":{},\"digest\":\"{}\"", descriptor.size, descriptor.digest).as_bytes(),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The config of the two-layer `.sig` on cosign's Detailed Usage page of 2022 has this digest and 342 bytes.
    #[test]
    fn config_is_cosigns_since_2022() {
        let one = render_config([Digest::of(b"x")].into_iter());
        let two = render_config([Digest::of(b"x"), Digest::of(b"x")].into_iter());
        assert_eq!((one.len(), two.len()), (233, 342));
    }
}
