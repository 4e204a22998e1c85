//! `index.json`, `oci-layout` and the manifests of our own (docs/format.md 2; OCI image-spec, image-layout.md).

use std::borrow::Cow;
use std::collections::HashSet;

use serde::Deserialize;

use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::beside::Beside;
use crate::format::bundle;
use crate::format::document::{self, descriptor_value, object};
use crate::format::evidence::{Descriptor, OCI_INDEX, OCI_MANIFEST};
use crate::format::json::{Value, push_plain_string};
use crate::format::reference::{Destination, Repository};

/// The bytes of `oci-layout`.
pub const OCI_LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
/// The annotation with an entry's short name.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The annotation with an entry's full name.
pub const IMAGE_NAME: &str = "io.containerd.image.name";
/// cosign's annotation that tells images and signatures apart in a layout.
pub const KIND: &str = "kind";
/// [`KIND`] of an image.
pub const KIND_IMAGE: &str = "dev.cosignproject.cosign/image";
/// [`KIND`] of an index.
pub const KIND_INDEX: &str = "dev.cosignproject.cosign/imageIndex";
/// [`KIND`] of a `.sig` manifest.
pub const KIND_SIGS: &str = "dev.cosignproject.cosign/sigs";

/// [`KIND`] of an `.att` manifest.
pub const KIND_ATTS: &str = "dev.cosignproject.cosign/atts";

/// `index.json` as it grows, entry by entry; short names are unique by construction. It is written at once in its RFC
/// 8785 spelling: members in the order of their names, and nothing in it needs an escape that RFC 8785 and
/// [`push_plain_string`] would spell differently.
#[derive(Debug, Default)]
pub struct IndexBuilder {
    entries: Vec<u8>,
    taken: HashSet<String>,
}

impl IndexBuilder {
    /// The request manifest.
    pub fn request(&mut self, manifest: &Descriptor) {
        let name = self.name("request".to_owned(), 1);
        self.push(manifest, Some(document::REQUEST), &Annotations { name, ..Annotations::default() });
    }

    /// An item: named by its tag, else `item-<n>`; item 1 carries cosign's kind.
    pub fn item(&mut self, number: u64, destination: &Destination, subject: &Descriptor) {
        let free = destination.tag().filter(|tag| !self.taken.contains(*tag)).map(str::to_owned);
        let name = self.name(free.unwrap_or_else(|| format!("item-{number}")), number);
        let kind = (number == 1).then_some(if subject.is_index() { KIND_INDEX } else { KIND_IMAGE });
        self.push(subject, None, &Annotations { name, image: Some(destination.to_string()), kind });
    }

    /// A `.sig` or `.att` manifest; `first` for the one that belongs to item 1.
    pub fn beside(
        &mut self,
        manifest: &Descriptor,
        place: (&Repository, &Digest),
        kind: Beside,
        number: u64,
        first: bool,
    ) {
        let (repository, digest) = place;
        let tag = kind.tag(digest);
        let image = Some(format!("{repository}:{tag}"));
        let mark = if kind == Beside::Attestations { KIND_ATTS } else { KIND_SIGS };
        let annotations = Annotations { name: self.name(tag, number), image, kind: first.then_some(mark) };
        self.push(manifest, None, &annotations);
    }

    /// The manifest of a bundle: of one that refers to `subject`, or of the bundle of a file with that digest.
    pub fn referrer(&mut self, manifest: &Descriptor, subject: &Digest, key_id: &Digest, number: u64) {
        let name = self.name(format!("sha256-{}.{}", subject.hex(), key_id.short()), number);
        self.push(manifest, Some(bundle::MEDIA_TYPE), &Annotations { name, ..Annotations::default() });
    }

    /// A response manifest; `place` among the responses counts from 1.
    pub fn response(&mut self, manifest: &Descriptor, key_id: &Digest, place: u64) {
        let name = self.name(format!("response-{}", key_id.short()), place);
        self.push(manifest, Some(document::RESPONSE), &Annotations { name, ..Annotations::default() });
    }

    /// How many bytes the entries take so far.
    #[must_use]
    pub fn size(&self) -> usize {
        self.entries.len()
    }

    /// The bytes of `index.json`: RFC 8785.
    #[must_use]
    pub fn render(self) -> Vec<u8> {
        let tail = format!("],\"mediaType\":\"{OCI_INDEX}\",\"schemaVersion\":2}}");
        let mut out = Vec::with_capacity(self.entries.len() + tail.len() + 16);
        out.extend_from_slice(b"{\"manifests\":[");
        out.extend_from_slice(&self.entries);
        out.extend_from_slice(tail.as_bytes());
        out
    }

    /// The wanted name, with `.<number>` behind it, again and again, until nobody has it.
    fn name(&mut self, wanted: String, number: u64) -> String {
        let mut name = wanted;
        while !self.taken.insert(name.clone()) {
            name = format!("{name}.{number}");
        }
        name
    }

    fn push(&mut self, descriptor: &Descriptor, artifact_type: Option<&str>, annotations: &Annotations) {
        let out = &mut self.entries;
        out.extend_from_slice(if out.is_empty() { b"{" } else { b",{" });
        out.extend_from_slice(b"\"annotations\":{");
        if let Some(image) = &annotations.image {
            push_member(out, IMAGE_NAME, image);
            out.push(b',');
        }
        if let Some(kind) = annotations.kind {
            push_member(out, KIND, kind);
            out.push(b',');
        }
        push_member(out, REF_NAME, &annotations.name);
        out.extend_from_slice(b"},");
        if let Some(artifact_type) = artifact_type {
            push_member(out, "artifactType", artifact_type);
            out.push(b',');
        }
        push_member(out, "digest", &descriptor.digest.to_string());
        out.push(b',');
        push_member(out, "mediaType", &descriptor.media_type);
        out.extend_from_slice(format!(",\"size\":{}}}", descriptor.size).as_bytes());
    }
}

#[derive(Default)]
struct Annotations {
    name: String,
    image: Option<String>,
    kind: Option<&'static str>,
}

fn push_member(out: &mut Vec<u8>, name: &str, text: &str) {
    push_plain_string(out, name);
    out.push(b':');
    push_plain_string(out, text);
}

/// The manifest of a request or response document: RFC 8785.
#[must_use]
pub fn render_manifest(document: &Descriptor) -> Vec<u8> {
    object([
        ("artifactType", Value::String(document.media_type.clone())),
        ("config", descriptor_value(&bundle::empty_descriptor())),
        ("layers", Value::Array(vec![descriptor_value(document)])),
        ("mediaType", Value::String(OCI_MANIFEST.to_owned())),
        ("schemaVersion", Value::Integer(2)),
    ])
    .to_canonical()
}

/// The digest of the document that a manifest of ours names, if it can be read as one. What else stands in it is found
/// by rendering it again.
#[must_use]
pub fn read_manifest(manifest: &[u8]) -> Option<Digest> {
    let value = Value::parse_document(manifest).ok()?;
    let layer = value.get("layers")?.as_array()?.first()?;
    Digest::parse(layer.get("digest")?.as_str()?).ok()
}

/// What an entry of `index.json` is, by its artifact type. What else stands in it is found by rendering it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A request manifest.
    Request(Digest),
    /// A response manifest.
    Response(Digest),
    /// A bundle's referrer manifest.
    Referrer(Digest),
    /// An item or a `.sig` manifest, with its full name if it has one.
    Plain(Digest, Option<String>),
}

/// The entries of an `index.json` of ours, in order. FILE-KIND where the first is no request. What is not read here is
/// found by rendering the whole index again (LAYOUT-INDEX).
pub fn read_index(index: &[u8]) -> Result<Vec<Entry>> {
    let broken = || Error::new(Check::LayoutIndex, "index.json");
    let parsed: RawIndex<'_> = match serde_json::from_slice(index) {
        Ok(parsed) => parsed,
        Err(cause) => {
            let value = Value::parse_document(index).map_err(|error| error.within("index.json"))?;
            let kind = value.get("manifests").and_then(Value::as_array).is_none();
            return Err(if kind { no_request() } else { broken().caused_by(cause) });
        }
    };
    let first = parsed.manifests.first().and_then(|entry| entry.artifact_type.as_deref());
    if first != Some(document::REQUEST) {
        return Err(no_request());
    }
    let read = |entry: RawEntry<'_>| {
        let digest = Digest::parse(&entry.digest).map_err(|error| broken().caused_by(error))?;
        Ok(match entry.artifact_type.as_deref() {
            Some(document::REQUEST) => Entry::Request(digest),
            Some(document::RESPONSE) => Entry::Response(digest),
            Some(bundle::MEDIA_TYPE) => Entry::Referrer(digest),
            _ => Entry::Plain(
                digest,
                entry.annotations.and_then(|annotations| annotations.image).map(Cow::into_owned),
            ),
        })
    };
    parsed.manifests.into_iter().map(read).collect()
}

/// LAYOUT-INDEX: the index is the one that follows from the documents. Where it is not even in its one spelling, that is
/// said.
pub fn check_layout_index(found: &[u8], rendered: &[u8]) -> Result<()> {
    if found == rendered {
        return Ok(());
    }
    Value::parse_document(found).map_err(|error| error.within("index.json"))?;
    Err(Error::new(Check::LayoutIndex, "index.json"))
}

fn no_request() -> Error {
    Error::new(Check::FileKind, "").detail("index.json does not begin with a request")
}

#[derive(Deserialize)]
struct RawIndex<'a> {
    #[serde(borrow)]
    manifests: Vec<RawEntry<'a>>,
}

#[derive(Deserialize)]
struct RawEntry<'a> {
    #[serde(borrow)]
    digest: Cow<'a, str>,
    #[serde(borrow, rename = "artifactType")]
    artifact_type: Option<Cow<'a, str>>,
    #[serde(borrow)]
    annotations: Option<RawAnnotations<'a>>,
}

#[derive(Deserialize)]
struct RawAnnotations<'a> {
    #[serde(borrow, rename = "io.containerd.image.name")]
    image: Option<Cow<'a, str>>,
}
