//! Sigstore bundles v0.3 with a DSSE envelope and a public key, and the referrer manifests that hold them
//! (protobuf-specs `sigstore_bundle.proto`; cosign `BUNDLE_SPEC.md`; docs/format.md 6).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::evidence::{Descriptor, OCI_EMPTY, OCI_MANIFEST};
use crate::format::json::{Names, Value, push_go_string};
use crate::format::signature::{check_signature_encoding, push_descriptor};
use crate::format::statement;
use crate::limits;

/// The media type of a bundle that we write, and the artifact type of its referrer.
pub const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// The annotation of a referrer that says what its bundle signs.
pub const PREDICATE_ANNOTATION: &str = "dev.sigstore.bundle.predicateType";
/// The annotation of a referrer that says what its bundle holds.
pub const CONTENT_ANNOTATION: &str = "dev.sigstore.bundle.content";
/// The bytes of the empty config.
pub const EMPTY: &[u8] = b"{}";

/// Renders a bundle: members in cosign's order, no blanks, no key id beside the signature, no empty lists.
#[must_use]
pub fn render(statement: &[u8], key_id: &Digest, signature: &[u8]) -> Bytes {
    format!(
        "{{\"mediaType\":\"{MEDIA_TYPE}\",\"verificationMaterial\":{{\"publicKey\":{{\"hint\":\"{}\"}}}},\
         \"dsseEnvelope\":{{\"payload\":\"{}\",\"payloadType\":\"{}\",\"signatures\":[{{\"sig\":\"{}\"}}]}}}}",
        STANDARD.encode(key_id.as_bytes()),
        STANDARD.encode(statement),
        statement::MEDIA_TYPE,
        STANDARD.encode(signature),
    )
    .into()
}

/// Renders a bundle over bytes of which only the digest is in it, as `cosign verify-blob --bundle` takes it.
#[must_use]
pub fn render_message(message: &Digest, key_id: &Digest, signature: &[u8]) -> Bytes {
    format!(
        "{{\"mediaType\":\"{MEDIA_TYPE}\",\"verificationMaterial\":{{\"publicKey\":{{\"hint\":\"{}\"}}}},\
         \"messageSignature\":{{\"messageDigest\":{{\"algorithm\":\"SHA2_256\",\"digest\":\"{}\"}},\"signature\":\"{}\"}}}}",
        STANDARD.encode(key_id.as_bytes()),
        STANDARD.encode(message.as_bytes()),
        STANDARD.encode(signature),
    )
    .into()
}

/// Renders the manifest that attaches a bundle to its subject, without a creation time.
#[must_use]
pub fn render_referrer(bundle: &Descriptor, subject: &Descriptor) -> Bytes {
    let mut out = Vec::with_capacity(900);
    out.extend_from_slice(b"{\"schemaVersion\":2,\"mediaType\":");
    push_go_string(&mut out, OCI_MANIFEST);
    out.extend_from_slice(b",\"config\":{");
    push_descriptor(&mut out, &empty_descriptor());
    out.extend_from_slice(b",\"artifactType\":");
    push_go_string(&mut out, MEDIA_TYPE);
    out.extend_from_slice(b"},\"layers\":[{");
    push_descriptor(&mut out, bundle);
    out.extend_from_slice(b"}],\"annotations\":{");
    push_go_string(&mut out, CONTENT_ANNOTATION);
    out.extend_from_slice(b":\"dsse-envelope\",");
    push_go_string(&mut out, PREDICATE_ANNOTATION);
    out.push(b':');
    push_go_string(&mut out, statement::PREDICATE_TYPE);
    out.extend_from_slice(b"},\"subject\":{");
    push_descriptor(&mut out, subject);
    out.extend_from_slice(b"},\"artifactType\":");
    push_go_string(&mut out, MEDIA_TYPE);
    out.push(b'}');
    out.into()
}

/// The descriptor of the empty config `{}` (image-spec, manifest.md "Guidance for an Empty Descriptor").
#[must_use]
pub fn empty_descriptor() -> Descriptor {
    Descriptor::of(OCI_EMPTY, EMPTY)
}

/// The bundle's digest that a referrer manifest of ours names. What else stands in it is found by rendering it again.
pub fn read_referrer(manifest: &[u8]) -> Result<Digest> {
    let refuse = || Error::new(Check::ReferrerManifest, "");
    let value = Value::parse(manifest, limits::DEPTH_EVIDENCE, Names::Exact)
        .map_err(|error| refuse().caused_by(error))?;
    let layer =
        value.get("layers").and_then(Value::as_array).and_then(<[Value]>::first).ok_or_else(refuse)?;
    let digest = layer.get("digest").and_then(Value::as_str).ok_or_else(refuse)?;
    Digest::parse(digest).map_err(|_| refuse())
}

/// What a bundle of ours holds: the statement's digest, the key's id and the signature. What else stands in it is found
/// by rendering it again (REFERRER-MANIFEST).
pub fn read(bundle: &[u8]) -> Result<(Digest, Digest, Vec<u8>)> {
    let refuse = || Error::new(Check::ReferrerManifest, "bundle");
    let value = Value::parse(bundle, limits::DEPTH_EVIDENCE, Names::Exact)
        .map_err(|error| refuse().caused_by(error))?;
    let path = |names: &[&str]| names.iter().try_fold(&value, |value, name| value.get(name));
    let text = |names: &[&str]| path(names).and_then(Value::as_str).ok_or_else(refuse);
    let statement = STANDARD.decode(text(&["dsseEnvelope", "payload"])?).map_err(|_| refuse())?;
    let hint =
        STANDARD.decode(text(&["verificationMaterial", "publicKey", "hint"])?).map_err(|_| refuse())?;
    let key_id: [u8; 32] = hint.try_into().map_err(|_| refuse())?;
    let signatures = path(&["dsseEnvelope", "signatures"]).and_then(Value::as_array).ok_or_else(refuse)?;
    let signature = signatures.first().and_then(|signature| signature.get("sig")).and_then(Value::as_str);
    let signature = check_signature_encoding(signature.ok_or_else(refuse)?)?;
    Ok((Digest::of(&statement), Digest::from_bytes(key_id), signature))
}
