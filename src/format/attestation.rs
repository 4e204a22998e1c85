//! Attestations: what a person may attest, the in-toto statement that is signed, the DSSE envelope that holds it and
//! the `.att` manifest (cosign `attest`; in-toto Statement v0.1; docs/format.md 6).
//!
//! One statement serves both forms: one signature over its DSSE PAE stands in the envelope of an `.att` layer and in a
//! bundle ([`super::bundle::render`]).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::evidence::Descriptor;
use crate::format::json::{Names, Value, push_plain_string};
use crate::format::log::{Entry, Material};
use crate::format::signature::{self, SigManifest, check_signature_encoding, read_layer_descriptors};
use crate::format::statement;
use crate::limits;

/// The media type of an envelope, and of the layer of an `.att` manifest that holds it.
pub const ENVELOPE_MEDIA_TYPE: &str = "application/vnd.dsse.envelope.v1+json";
/// The layer annotation that says what an attestation is about.
pub const PREDICATE_ANNOTATION: &str = "predicateType";
/// `_type` of the statements that cosign writes for attestations, in both forms.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v0.1";

/// What an attestation says of its subject: a URI.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PredicateType {
    uri: String,
}

impl PredicateType {
    /// Reads one of cosign's names or a URI. PREDICATE-TYPE.
    pub fn parse(text: &str) -> Result<Self> {
        let named = NAMES.iter().find(|(name, _)| *name == text);
        Self::of_uri(named.map_or(text, |(_, uri)| uri))
    }

    /// Reads a URI: names are refused. PREDICATE-TYPE.
    pub fn of_uri(uri: &str) -> Result<Self> {
        check_predicate_type(uri)?;
        Ok(Self { uri: uri.to_owned() })
    }

    /// The URI, as it stands in statements and annotations.
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// cosign's name for it; `None` where it has none.
    #[must_use]
    pub fn name(&self) -> Option<&'static str> {
        NAMES.iter().find(|(_, uri)| *uri == self.uri).map(|(name, _)| *name)
    }

    /// cosign's names, the one that is shown for a URI before others of it.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(name, _)| *name)
    }

    /// The predicate that a file is for this type, as cosign makes it: of `custom` any text, wrapped; of every other type
    /// a JSON object, as given. PREDICATE-SYNTAX, PREDICATE-SIZE.
    pub fn predicate_of(&self, file: impl Into<Bytes>) -> Result<Predicate> {
        let file = file.into();
        if self.uri != CUSTOM {
            return Predicate::parse(file);
        }
        let text = std::str::from_utf8(&file).map_err(|error| {
            Error::new(Check::PredicateSyntax, "").detail("custom wraps text in UTF-8").caused_by(error)
        })?;
        Predicate::parse(render_custom_predicate(text))
    }
}

/// The URI.
impl fmt::Display for PredicateType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.uri)
    }
}

/// What is said of the subject: a JSON object that means one thing to every reader, in the bytes that were given.
#[derive(Clone, Debug, PartialEq)]
pub struct Predicate {
    bytes: Bytes,
    value: Value,
}

impl Predicate {
    /// Reads a JSON object, blanks around it allowed. PREDICATE-SYNTAX, PREDICATE-SIZE.
    pub fn parse(bytes: impl Into<Bytes>) -> Result<Self> {
        let bytes = bytes.into();
        let value = check_predicate(&bytes)?;
        Ok(Self { bytes, value })
    }

    /// The bytes as given.
    #[must_use]
    pub fn as_bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The top-level members in the order of the text, at least none.
    #[must_use]
    pub fn members(&self) -> &[(String, Value)] {
        self.value.as_object().unwrap_or_default()
    }
}

/// `{"Data":"<text>","Timestamp":"0001-01-01T00:00:00Z"}`: cosign's predicate of type `custom`. Nothing here knows the
/// time: the timestamp is the one that a `.sig` config is created at, which every reader of times takes.
#[must_use]
pub fn render_custom_predicate(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 64);
    out.extend_from_slice(b"{\"Data\":");
    push_plain_string(&mut out, text);
    out.extend_from_slice(b",\"Timestamp\":\"0001-01-01T00:00:00Z\"}");
    out
}

/// The bytes that are signed, in the members and order of cosign's statements, without blanks; the predicate as given.
/// `subject_name` is the repository, without tag and digest.
#[must_use]
pub fn render_statement(
    subject_name: &str,
    subject: &Digest,
    kind: &PredicateType,
    predicate: &Predicate,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(predicate.bytes.len() + subject_name.len() + 320);
    out.extend_from_slice(b"{\"_type\":");
    push_plain_string(&mut out, STATEMENT_TYPE);
    out.extend_from_slice(b",\"subject\":[{\"name\":");
    push_plain_string(&mut out, subject_name);
    out.extend_from_slice(format!(",\"digest\":{{\"sha256\":\"{}\"}}}}]", subject.hex()).as_bytes());
    out.extend_from_slice(b",\"predicateType\":");
    push_plain_string(&mut out, kind.uri());
    out.extend_from_slice(b",\"predicate\":");
    out.extend_from_slice(&predicate.bytes);
    out.push(b'}');
    out
}

/// The blob of an `.att` layer: cosign 3's members and order, no key id.
#[must_use]
pub fn render_envelope(statement: &[u8], signature: &[u8]) -> Bytes {
    format!(
        "{{\"payload\":\"{}\",\"payloadType\":\"{}\",\"signatures\":[{{\"sig\":\"{}\"}}]}}",
        STANDARD.encode(statement),
        statement::MEDIA_TYPE,
        STANDARD.encode(signature),
    )
    .into()
}

/// What an envelope of ours holds: the statement and the signature. What else stands in it is found by rendering it
/// again (ATT-MANIFEST).
pub fn read_envelope(envelope: &[u8]) -> Result<(Vec<u8>, Vec<u8>)> {
    let refuse = || Error::new(Check::AttManifest, "envelope");
    let value = Value::parse(envelope, limits::DEPTH_EVIDENCE, Names::Exact)
        .map_err(|error| refuse().caused_by(error))?;
    let payload = value.get("payload").and_then(Value::as_str).ok_or_else(refuse)?;
    let statement = STANDARD.decode(payload).map_err(|error| refuse().caused_by(error))?;
    let signatures = value.get("signatures").and_then(Value::as_array).ok_or_else(refuse)?;
    let signature = signatures.first().and_then(|signature| signature.get("sig")).and_then(Value::as_str);
    Ok((statement, check_signature_encoding(signature.ok_or_else(refuse)?)?))
}

/// The tag of the `.att` of an image: `sha256-<hex>.att`.
#[must_use]
pub fn tag(digest: &Digest) -> String {
    format!("sha256-{}.att", digest.hex())
}

/// One layer as it is written: an envelope and what its statement is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The envelope.
    pub envelope: Descriptor,
    /// The predicate type of its statement.
    pub kind: PredicateType,
    /// What stands beside it: at most one log entry with a promise, and at most one timestamp, of the envelope.
    pub material: Material,
}

impl Layer {
    /// The layer for an envelope.
    #[must_use]
    pub fn of(envelope: &[u8], kind: PredicateType) -> Self {
        let envelope = Descriptor::of(ENVELOPE_MEDIA_TYPE, envelope);
        Self { envelope, kind, material: Material::default() }
    }

    /// The same layer with a log entry beside the envelope.
    #[must_use]
    pub fn logged(self, entry: Option<Entry>) -> Self {
        Self { material: Material { entries: entry.into_iter().collect(), tokens: Vec::new() }, ..self }
    }

    /// The layer's annotations, as cosign writes and sorts them.
    fn annotations(&self) -> Vec<(&'static str, String)> {
        let mut annotations = vec![(signature::ANNOTATION, String::new())];
        annotations.extend(signature::material_annotations(&self.material));
        annotations.push((PREDICATE_ANNOTATION, self.kind.uri.clone()));
        annotations
    }
}

/// Renders an `.att` manifest and its config: as a `.sig`, with an envelope for each payload.
#[must_use]
pub fn render(layers: &[Layer]) -> SigManifest {
    signature::render_layers(layers.iter().map(|layer| (&layer.envelope, layer.annotations())))
}

/// Reads the layers of an `.att` manifest of ours. What else stands in it is found by rendering it again
/// (ATT-MANIFEST).
pub fn read_layers(manifest: &[u8]) -> Result<Vec<Layer>> {
    let refuse = || Error::new(Check::AttManifest, "");
    read_layer_descriptors(manifest, ENVELOPE_MEDIA_TYPE, refuse)?
        .into_iter()
        .map(|(envelope, layer)| {
            let annotation = layer.get("annotations").and_then(|found| found.get(PREDICATE_ANNOTATION));
            let uri = annotation.and_then(Value::as_str).ok_or_else(refuse)?;
            let kind = PredicateType::of_uri(uri).map_err(|error| refuse().caused_by(error))?;
            Ok(Layer { envelope, kind, material: signature::read_material(&layer, refuse)? })
        })
        .collect()
}

/// PREDICATE-TYPE: an absolute URI of at most 512 bytes that is not the one of image signatures: by it a verifier tells
/// a signature from an attestation.
fn check_predicate_type(uri: &str) -> Result<()> {
    let refuse = |why: &str| Error::new(Check::PredicateType, uri).detail(why);
    if uri == statement::PREDICATE_TYPE {
        return Err(refuse("this one is of image signatures, which are no attestations"));
    }
    let scheme = uri.split_once(':').map_or("", |(scheme, _)| scheme);
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let is_uri = uri.bytes().all(|byte| byte.is_ascii_alphanumeric() || MARKS.contains(&byte));
    if is_scheme && is_uri && uri.len() > scheme.len() + 1 && uri.len() <= limits::PREDICATE_TYPE {
        return Ok(());
    }
    let names: Vec<&str> = PredicateType::names().collect();
    Err(refuse("a URI, or one of cosign's names").detail(names.join(" ")))
}

/// PREDICATE-SYNTAX: a JSON object without members that stand twice, at most 64 deep. PREDICATE-SIZE: so large that its
/// bundle has at most 4 MiB.
fn check_predicate(bytes: &[u8]) -> Result<Value> {
    if bytes.len() > limits::PREDICATE {
        return Err(Error::new(Check::PredicateSize, format!("{} bytes", bytes.len())));
    }
    let refuse = || Error::new(Check::PredicateSyntax, "");
    let value = Value::parse(bytes, limits::DEPTH_PREDICATE, Names::Exact)
        .map_err(|error| refuse().caused_by(error))?;
    if value.as_object().is_none() {
        return Err(refuse().detail(format!("found {}", value.kind())));
    }
    Ok(value)
}

/// cosign's names (`attest --type`), the one that is shown for a URI before others of it.
const NAMES: [(&str, &str); 10] = [
    ("custom", CUSTOM),
    ("slsaprovenance", "https://slsa.dev/provenance/v0.2"),
    ("slsaprovenance02", "https://slsa.dev/provenance/v0.2"),
    ("slsaprovenance1", "https://slsa.dev/provenance/v1"),
    ("link", "https://in-toto.io/Link/v1"),
    ("spdxjson", "https://spdx.dev/Document"),
    ("spdx", "https://spdx.dev/Document"),
    ("cyclonedx", "https://cyclonedx.org/bom"),
    ("vuln", "https://cosign.sigstore.dev/attestation/vuln/v1"),
    ("openvex", "https://openvex.dev/ns"),
];
/// The type whose predicate wraps any text.
const CUSTOM: &str = "https://cosign.sigstore.dev/attestation/v1";
/// What a URI holds besides letters and digits (RFC 3986, 2).
const MARKS: &[u8] = b"-._~:/?#[]@!$&'()*+,;=%";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::evidence::OCI_MANIFEST;

    #[test]
    fn a_type_is_a_name_or_a_uri() {
        let uri = |text| PredicateType::parse(text).map(|kind| kind.uri);
        for (name, wanted) in NAMES {
            assert_eq!(uri(name).unwrap(), wanted);
            assert_eq!(PredicateType::of_uri(name).unwrap_err().check(), Check::PredicateType, "{name}");
        }
        for whole in ["https://example.org/a?b=c&d", "urn:x", "tag:example.org,2026:a"] {
            assert_eq!(uri(whole).unwrap(), whole);
        }
        let long = format!("urn:{}", "x".repeat(limits::PREDICATE_TYPE));
        for bad in [
            "",
            "x",
            "Custom",
            ":x",
            "urn:",
            "1a:x",
            "https://a b",
            "https://\u{e9}",
            "https://a\"",
            statement::PREDICATE_TYPE,
            &long,
        ] {
            assert_eq!(uri(bad).unwrap_err().check(), Check::PredicateType, "{bad}");
        }
        assert_eq!(PredicateType::parse("spdx").unwrap().name(), Some("spdxjson"));
    }

    #[test]
    fn a_predicate_is_a_strict_object() {
        let deep = |depth: usize| format!("{}1{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        for good in ["{}", " {\"b\":1,\"B\":2.5}\n", &deep(limits::DEPTH_PREDICATE)] {
            assert_eq!(Predicate::parse(good.to_owned()).unwrap().as_bytes(), good.as_bytes());
        }
        for bad in [
            "",
            "[]",
            "\"text\"",
            "null",
            "{} {}",
            "\u{feff}{}",
            "{\"a\":1,\"a\":1}",
            "{\"a\":\"\\ud800\"}",
            &deep(limits::DEPTH_PREDICATE + 1),
        ] {
            let found = Predicate::parse(bad.to_owned()).unwrap_err();
            assert_eq!(found.check(), Check::PredicateSyntax, "{bad}");
        }
        let sized = |size: usize| Predicate::parse(format!("{{\"a\":\"{}\"}}", "x".repeat(size - 8)));
        assert!(sized(limits::PREDICATE).is_ok());
        assert_eq!(sized(limits::PREDICATE + 1).unwrap_err().check(), Check::PredicateSize);
    }

    #[test]
    fn the_largest_predicate_makes_a_bundle_that_registries_take() {
        let kind = PredicateType::parse(&format!("urn:{}", "x".repeat(limits::PREDICATE_TYPE - 4))).unwrap();
        let predicate = format!("{{\"a\":\"{}\"}}", "x".repeat(limits::PREDICATE - 8));
        let predicate = kind.predicate_of(predicate).unwrap();
        let name = "x".repeat(limits::REFERENCE);
        let statement = render_statement(&name, &Digest::of(b""), &kind, &predicate);
        let bundle = super::super::bundle::render(&statement, &Digest::of(b""), &[0; 150]);
        assert!(bundle.len() <= limits::MANIFEST, "{}", bundle.len());
    }

    #[test]
    fn what_is_rendered_is_read_again() {
        let kind = PredicateType::parse("custom").unwrap();
        let predicate = kind.predicate_of("a <b> \"c\"\n").unwrap();
        assert_eq!(
            predicate.as_bytes(),
            "{\"Data\":\"a <b> \\\"c\\\"\\n\",\"Timestamp\":\"0001-01-01T00:00:00Z\"}"
        );
        let statement = render_statement("registry.example/app", &Digest::of(b""), &kind, &predicate);
        let envelope = render_envelope(&statement, b"signature");
        assert_eq!(read_envelope(&envelope).unwrap(), (statement, b"signature".to_vec()));
        let layers = [Layer::of(&envelope, kind.clone()), Layer::of(b"other", kind)];
        let written = render(&layers);
        assert_eq!(read_layers(&written.manifest).unwrap(), layers);
        let named = String::from_utf8(written.manifest.to_vec()).unwrap();
        assert!(named.contains(OCI_MANIFEST));
        let renamed = named.replace(CUSTOM, "custom");
        assert_eq!(read_layers(renamed.as_bytes()).unwrap_err().check(), Check::AttManifest);
    }
}
