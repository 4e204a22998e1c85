//! Sigstore bundles v0.3 by a public key: with a DSSE envelope, and the referrer manifests that hold them, or with the
//! signature of a blob
//! (protobuf-specs `sigstore_bundle.proto`; cosign `BUNDLE_SPEC.md`; docs/format.md 6).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::evidence::{Descriptor, OCI_EMPTY, OCI_MANIFEST};
use crate::format::json::{Names, Value, push_go_string};
use crate::format::log::{Entry, Material, read_tokens};
use crate::format::signature::{check_signature_encoding, push_descriptor, within_limits};
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
    render_with(statement, key_id, signature, &Material::default())
}

/// The same with what stands beside the signature.
#[must_use]
pub fn render_with(statement: &[u8], key_id: &Digest, signature: &[u8], material: &Material) -> Bytes {
    format!(
        "{{\"mediaType\":\"{MEDIA_TYPE}\",\"verificationMaterial\":{{\"publicKey\":{{\"hint\":\"{}\"}}{}}},\
         \"dsseEnvelope\":{{\"payload\":\"{}\",\"payloadType\":\"{}\",\"signatures\":[{{\"sig\":\"{}\"}}]}}}}",
        STANDARD.encode(key_id.as_bytes()),
        beside(material),
        STANDARD.encode(statement),
        statement::MEDIA_TYPE,
        STANDARD.encode(signature),
    )
    .into()
}

/// Renders the bundle of a blob's signature, as [`render`]; `digest` is the blob's.
#[must_use]
pub fn render_message(digest: &Digest, key_id: &Digest, signature: &[u8]) -> Bytes {
    render_message_with(digest, key_id, signature, &Material::default())
}

/// The same with what stands beside the signature.
#[must_use]
pub fn render_message_with(digest: &Digest, key_id: &Digest, signature: &[u8], material: &Material) -> Bytes {
    format!(
        "{{\"mediaType\":\"{MEDIA_TYPE}\",\"verificationMaterial\":{{\"publicKey\":{{\"hint\":\"{}\"}}{}}},\
         \"messageSignature\":{{\"messageDigest\":{{\"algorithm\":\"SHA2_256\",\"digest\":\"{}\"}},\"signature\":\"{}\"}}}}",
        STANDARD.encode(key_id.as_bytes()),
        beside(material),
        STANDARD.encode(digest.as_bytes()),
        STANDARD.encode(signature),
    )
    .into()
}

/// The members behind `publicKey`, those that are empty left out.
fn beside(material: &Material) -> String {
    let mut out = String::new();
    for (number, entry) in material.entries.iter().enumerate() {
        out.push_str(if number == 0 { ",\"tlogEntries\":[" } else { "," });
        entry.push(&mut out);
    }
    if !material.entries.is_empty() {
        out.push(']');
    }
    let token = |token: &Vec<u8>| format!("{{\"signedTimestamp\":\"{}\"}}", STANDARD.encode(token));
    let tokens: Vec<String> = material.tokens.iter().map(token).collect();
    if !tokens.is_empty() {
        let tokens = tokens.join(",");
        out.push_str(",\"timestampVerificationData\":{\"rfc3161Timestamps\":[");
        out.push_str(&tokens);
        out.push_str("]}");
    }
    out
}

/// Renders the manifest that attaches a bundle to its subject, without a creation time. `predicate_type` is that of the
/// bundle's statement.
#[must_use]
pub fn render_referrer(bundle: &Descriptor, subject: &Descriptor, predicate_type: &str) -> Bytes {
    let mut out = Vec::with_capacity(900);
    push_head(&mut out, bundle);
    out.extend_from_slice(b":\"dsse-envelope\",");
    push_go_string(&mut out, PREDICATE_ANNOTATION);
    out.push(b':');
    push_go_string(&mut out, predicate_type);
    out.extend_from_slice(b"},\"subject\":{");
    push_descriptor(&mut out, subject);
    out.extend_from_slice(b"},\"artifactType\":");
    push_go_string(&mut out, MEDIA_TYPE);
    out.push(b'}');
    out.into()
}

/// A manifest with one bundle, up to the annotation that says what the bundle holds.
fn push_head(out: &mut Vec<u8>, bundle: &Descriptor) {
    out.extend_from_slice(b"{\"schemaVersion\":2,\"mediaType\":");
    push_go_string(out, OCI_MANIFEST);
    out.extend_from_slice(b",\"config\":{");
    push_descriptor(out, &empty_descriptor());
    out.extend_from_slice(b",\"artifactType\":");
    push_go_string(out, MEDIA_TYPE);
    out.extend_from_slice(b"},\"layers\":[{");
    push_descriptor(out, bundle);
    out.extend_from_slice(b"}],\"annotations\":{");
    push_go_string(out, CONTENT_ANNOTATION);
}

/// Renders the manifest that holds the bundle of a file, as [`render_referrer`], without a subject.
#[must_use]
pub fn render_artifact(bundle: &Descriptor) -> Bytes {
    let mut out = Vec::with_capacity(700);
    push_head(&mut out, bundle);
    out.extend_from_slice(b":\"message-signature\"},\"artifactType\":");
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

/// What a bundle of ours holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The digest of what is signed: of the statement, or of the file.
    pub over: Digest,
    /// The id of the key.
    pub key_id: Digest,
    /// The raw signature.
    pub signature: Vec<u8>,
    /// What stands beside it.
    pub material: Material,
}

/// What a bundle of ours with a statement holds. What else stands in it is found by rendering it again
/// (REFERRER-MANIFEST).
pub fn read(bundle: &[u8]) -> Result<Held> {
    let bundle = Members::parse(bundle)?;
    let statement = bundle.bytes(&["dsseEnvelope", "payload"])?;
    let signatures = bundle.at(&["dsseEnvelope", "signatures"])?.as_array().unwrap_or_default();
    let signature = signatures.first().and_then(|signature| signature.get("sig")).and_then(Value::as_str);
    let signature = check_signature_encoding(signature.ok_or_else(Members::refuse)?)?;
    bundle.held(Digest::of(&statement), signature)
}

/// What the bundle of a blob of ours holds. What else stands in it is found by rendering it again (REFERRER-MANIFEST).
pub fn read_message(bundle: &[u8]) -> Result<Held> {
    let bundle = Members::parse(bundle)?;
    let digest = bundle.hash(&["messageSignature", "messageDigest", "digest"])?;
    let signature = check_signature_encoding(bundle.text(&["messageSignature", "signature"])?)?;
    bundle.held(digest, signature)
}

/// Whether a bundle is one of a file.
#[must_use]
pub fn is_message(bundle: &[u8]) -> bool {
    Members::parse(bundle).is_ok_and(|bundle| bundle.at(&["messageSignature"]).is_ok())
}

/// The members of a bundle of ours by their paths.
struct Members(Value);

impl Members {
    fn refuse() -> Error {
        Error::new(Check::ReferrerManifest, "bundle")
    }

    fn parse(bundle: &[u8]) -> Result<Self> {
        let value = Value::parse(bundle, limits::DEPTH_EVIDENCE, Names::Exact);
        value.map(Self).map_err(|error| Self::refuse().caused_by(error))
    }

    fn at(&self, names: &[&str]) -> Result<&Value> {
        names.iter().try_fold(&self.0, |value, name| value.get(name)).ok_or_else(Self::refuse)
    }

    fn text(&self, names: &[&str]) -> Result<&str> {
        self.at(names)?.as_str().ok_or_else(Self::refuse)
    }

    fn bytes(&self, names: &[&str]) -> Result<Vec<u8>> {
        STANDARD.decode(self.text(names)?).map_err(|_| Self::refuse())
    }

    fn hash(&self, names: &[&str]) -> Result<Digest> {
        self.bytes(names)?.try_into().map(Digest::from_bytes).map_err(|_| Self::refuse())
    }

    fn held(&self, over: Digest, signature: Vec<u8>) -> Result<Held> {
        let key_id = self.hash(&["verificationMaterial", "publicKey", "hint"])?;
        let beside = self.at(&["verificationMaterial"])?;
        let read = || {
            let entries = Entry::read_all(beside.get("tlogEntries"))?;
            Ok(Material { entries, tokens: read_tokens(beside.get("timestampVerificationData"))? })
        };
        let material = read().map_err(|error| within_limits(Self::refuse(), error))?;
        Ok(Held { over, key_id, signature, material })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundle_of_a_blob_is_read_again() {
        let (digest, key) = (Digest::of(b"blob"), Digest::of(b"key"));
        let written = render_message(&digest, &key, b"signature");
        let material = Material::default();
        let held = Held { over: digest, key_id: key, signature: b"signature".to_vec(), material };
        assert_eq!(read_message(&written).unwrap(), held);
        assert_eq!(read(&written).unwrap_err().check(), Check::ReferrerManifest);
        let other = render(b"statement", &key, b"signature");
        assert_eq!(read_message(&other).unwrap_err().check(), Check::ReferrerManifest);
    }
}
