//! `index.json`, `oci-layout` and the manifests of our own (docs/format.md 2; OCI image-spec, image-layout.md).

use std::collections::HashSet;

use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::bundle;
use crate::format::document::{self, descriptor_value, object};
use crate::format::evidence::{Descriptor, OCI_INDEX, OCI_MANIFEST};
use crate::format::json::Value;
use crate::format::reference::{Destination, Repository};
use crate::format::signature;

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

/// `index.json` as it grows, entry by entry; short names are unique by construction.
#[derive(Debug, Default)]
pub struct IndexBuilder {
    entries: Vec<Value>,
    taken: HashSet<String>,
}

impl IndexBuilder {
    /// The request manifest.
    pub fn request(&mut self, manifest: &Descriptor) {
        let name = self.name("request".to_owned(), 1);
        self.push(manifest, Some(document::REQUEST), vec![(REF_NAME, name)]);
    }

    /// An item: named by its tag, else `item-<n>`; item 1 carries cosign's kind.
    pub fn item(&mut self, number: u64, destination: &Destination, subject: &Descriptor) {
        let free = destination.tag().filter(|tag| !self.taken.contains(*tag)).map(str::to_owned);
        let name = self.name(free.unwrap_or_else(|| format!("item-{number}")), number);
        let mut annotations = vec![(IMAGE_NAME, destination.to_string()), (REF_NAME, name)];
        if number == 1 {
            annotations.push((KIND, if subject.is_index() { KIND_INDEX } else { KIND_IMAGE }.to_owned()));
        }
        self.push(subject, None, annotations);
    }

    /// A `.sig` manifest; `first` for the one that belongs to item 1.
    pub fn sig(&mut self, manifest: &Descriptor, place: (&Repository, &Digest), number: u64, first: bool) {
        let (repository, digest) = place;
        let tag = signature::tag(digest);
        let mut annotations = vec![(IMAGE_NAME, format!("{repository}:{tag}"))];
        annotations.push((REF_NAME, self.name(tag, number)));
        if first {
            annotations.push((KIND, KIND_SIGS.to_owned()));
        }
        self.push(manifest, None, annotations);
    }

    /// A bundle's referrer manifest.
    pub fn referrer(&mut self, manifest: &Descriptor, subject: &Digest, key_id: &Digest, number: u64) {
        let name = self.name(format!("sha256-{}.{}", subject.hex(), key_id.short()), number);
        self.push(manifest, Some(bundle::MEDIA_TYPE), vec![(REF_NAME, name)]);
    }

    /// A response manifest; `place` among the responses counts from 1.
    pub fn response(&mut self, manifest: &Descriptor, key_id: &Digest, place: u64) {
        let name = self.name(format!("response-{}", key_id.short()), place);
        self.push(manifest, Some(document::RESPONSE), vec![(REF_NAME, name)]);
    }

    /// The bytes of `index.json`: RFC 8785.
    #[must_use]
    pub fn render(self) -> Vec<u8> {
        object([
            ("manifests", Value::Array(self.entries)),
            ("mediaType", Value::String(OCI_INDEX.to_owned())),
            ("schemaVersion", Value::Integer(2)),
        ])
        .to_canonical()
    }

    /// The wanted name, with `.<number>` behind it, again and again, until nobody has it.
    fn name(&mut self, wanted: String, number: u64) -> String {
        let mut name = wanted;
        while !self.taken.insert(name.clone()) {
            name = format!("{name}.{number}");
        }
        name
    }

    fn push(
        &mut self,
        descriptor: &Descriptor,
        artifact_type: Option<&str>,
        annotations: Vec<(&str, String)>,
    ) {
        let Value::Object(mut members) = descriptor_value(descriptor) else { return };
        let annotations = annotations.into_iter().map(|(name, text)| (name, Value::String(text)));
        members.push(("annotations".to_owned(), object(annotations)));
        if let Some(artifact_type) = artifact_type {
            members.push(("artifactType".to_owned(), Value::String(artifact_type.to_owned())));
        }
        self.entries.push(Value::Object(members));
    }
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

/// The entries of an `index.json` of ours, in order. FILE-KIND where the first is no request.
pub fn read_index(index: &[u8]) -> Result<Vec<Entry>> {
    let value = Value::parse_document(index).map_err(|error| error.within("index.json"))?;
    let entries = value.get("manifests").and_then(Value::as_array).unwrap_or_default();
    if !matches!(entries.first().and_then(read_entry), Some(Entry::Request(_))) {
        return Err(Error::new(Check::FileKind, "").detail("index.json does not begin with a request"));
    }
    let broken = || Error::new(Check::LayoutIndex, "index.json").detail("an entry has no digest");
    entries.iter().map(|entry| read_entry(entry).ok_or_else(broken)).collect()
}

fn read_entry(entry: &Value) -> Option<Entry> {
    let digest = Digest::parse(entry.get("digest")?.as_str()?).ok()?;
    let name = || Some(entry.get("annotations")?.get(IMAGE_NAME)?.as_str()?.to_owned());
    match entry.get("artifactType") {
        None => Some(Entry::Plain(digest, name())),
        Some(kind) => match kind.as_str()? {
            document::REQUEST => Some(Entry::Request(digest)),
            document::RESPONSE => Some(Entry::Response(digest)),
            bundle::MEDIA_TYPE => Some(Entry::Referrer(digest)),
            _ => Some(Entry::Plain(digest, None)),
        },
    }
}
