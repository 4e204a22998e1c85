//! `index.json` of a layout as others write it: its entries, and which of them a name picks (OCI image-spec,
//! image-layout.md). Everything in it that is not ours is kept as it was written, text for text.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use oci_spec::image::{ANNOTATION_REF_NAME, ImageIndex};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::evidence::Descriptor;
use crate::format::json::{Names, Value, push_plain_string};
use crate::format::reference::Reference;
use crate::limits;

/// The entries of an `index.json`, with the text of each.
#[derive(Clone, Debug)]
pub struct Entries {
    members: RawObject,
    list: Vec<Entry>,
    by_name: HashMap<String, Vec<usize>>,
    by_tag: HashMap<String, Vec<usize>>,
    by_digest: HashMap<Digest, Vec<usize>>,
}

/// One entry of an `index.json`.
#[derive(Clone, Debug)]
pub struct Entry {
    raw: RawObject,
    descriptor: Option<Descriptor>,
    artifact_type: Option<String>,
    annotations: BTreeMap<String, String>,
}

/// The image that a name picked, and the entries that it stands in.
#[derive(Clone, Debug)]
pub struct Picked {
    /// The image's descriptor.
    pub descriptor: Descriptor,
    /// The full names that its entries give it, each once.
    pub names: Vec<Reference>,
}

/// What cosign calls an entry (annotation `kind`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An image manifest.
    Image,
    /// An image index.
    ImageIndex,
    /// A `.sig` manifest.
    Sigs,
    /// An `.att` manifest.
    Atts,
}

impl Entries {
    /// Reads an `index.json`. A member that stands twice is refused (JSON-DUPLICATE): two readers would read two
    /// indexes.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > limits::DOCUMENT {
            return Err(Error::new(Check::BlobSize, format!("index.json of {} bytes", bytes.len())));
        }
        Value::parse(bytes, limits::DEPTH_EVIDENCE, Names::Folded)
            .map_err(|error| error.within("index.json"))?;
        let broken = |why: String| Error::new(Check::SourceMalformed, "index.json").detail(why);
        let view = ImageIndex::from_reader(bytes).map_err(|error| broken(error.to_string()))?;
        let members: RawObject = serde_json::from_slice(bytes).map_err(|error| broken(error.to_string()))?;
        let raw: Vec<RawObject> = match members.get("manifests").map(serde_json::from_str) {
            Some(Ok(raw)) => raw,
            Some(Err(error)) => return Err(broken(error.to_string())),
            None => Vec::new(),
        };
        let entries = raw.into_iter().zip(view.manifests()).map(|(raw, view)| {
            let descriptor = Digest::parse(view.digest().as_ref()).ok().map(|digest| Descriptor {
                media_type: view.media_type().to_string(),
                digest,
                size: view.size(),
            });
            let annotations = view.annotations().iter().flatten();
            Entry {
                raw,
                descriptor,
                artifact_type: view.artifact_type().as_ref().map(ToString::to_string),
                annotations: annotations.map(|(key, value)| (key.clone(), value.clone())).collect(),
            }
        });
        let mut all = Self {
            members,
            list: Vec::new(),
            by_name: HashMap::new(),
            by_tag: HashMap::new(),
            by_digest: HashMap::new(),
        };
        for entry in entries {
            all.append(entry);
        }
        Ok(all)
    }

    /// The bytes of the `index.json`: what was read, with our changes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut manifests = String::from("[");
        for (number, entry) in self.list.iter().enumerate() {
            if number > 0 {
                manifests.push(',');
            }
            manifests.push_str(&entry.raw.to_text());
        }
        manifests.push(']');
        let mut members = self.members.clone();
        members.set("manifests", manifests);
        members.to_text().into_bytes()
    }

    /// The entries in their order.
    pub fn all(&self) -> impl Iterator<Item = &Entry> {
        self.list.iter()
    }

    /// The entries of a digest.
    pub fn of_digest(&self, digest: &Digest) -> impl Iterator<Item = &Entry> {
        self.at(self.by_digest.get(digest))
    }

    /// The descriptors whose entry is named exactly `name`, then those whose full name has the tag `name` or is
    /// `name`; each digest once.
    #[must_use]
    pub fn named(&self, name: &str) -> Vec<&Descriptor> {
        let mut found: Vec<&Descriptor> = Vec::new();
        for entry in self.at(self.by_name.get(name)).chain(self.at(self.by_tag.get(name))) {
            if let Some(descriptor) = &entry.descriptor
                && !found.iter().any(|known| known.digest == descriptor.digest)
            {
                found.push(descriptor);
            }
        }
        found
    }

    /// The image that `name` picks: an exact `ref.name`, a full name or its tag, or `sha256:…`. Without a name, the
    /// only image, or the only one that cosign's `kind` marks among images without names.
    ///
    /// Errors: IMAGE-ABSENT, IMAGE-AMBIGUOUS; EVIDENCE-ALGORITHM where the entry's digest is not SHA-256.
    pub fn pick(&self, name: Option<&str>) -> Result<Picked> {
        let entries: Vec<&Entry> = match name {
            None => self.pick_unnamed(),
            Some(name) => match Digest::parse(name) {
                Ok(digest) => self.of_digest(&digest).collect(),
                Err(_) if self.by_name.get(name).is_some_and(|places| !places.is_empty()) => {
                    self.at(self.by_name.get(name)).collect()
                }
                Err(_) => self.at(self.by_tag.get(name)).collect(),
            },
        };
        let Some(first) = entries.first() else {
            let error = Error::new(Check::ImageAbsent, name.unwrap_or("index.json names no image"));
            return Err(self.list_images(error));
        };
        let Some(descriptor) = first.descriptor.clone() else {
            return Err(Error::new(Check::EvidenceAlgorithm, name.unwrap_or("index.json")));
        };
        if entries
            .iter()
            .any(|entry| entry.descriptor.as_ref().is_none_or(|other| other.digest != descriptor.digest))
        {
            return Err(self.list_images(Error::new(Check::ImageAmbiguous, name.unwrap_or("no name given"))));
        }
        let mut names = Vec::new();
        for name in entries.iter().filter_map(|entry| entry.full_name()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        Ok(Picked { descriptor, names })
    }

    /// The entries that are images: no signatures, attestations, bundles or documents of ours.
    pub fn images(&self) -> impl Iterator<Item = &Entry> {
        self.list.iter().filter(|entry| entry.is_image())
    }

    /// Whether an entry of a digest other than `digest` is of one of these kinds.
    #[must_use]
    pub fn has_kind_beside(&self, kinds: &[Kind], digest: &Digest) -> bool {
        self.list.iter().any(|entry| {
            entry.kind().is_some_and(|kind| kinds.contains(&kind))
                && entry.descriptor.as_ref().is_none_or(|other| other.digest != *digest)
        })
    }

    /// Gives the first entry of `digest` cosign's `kind`, unless an entry of it has that kind already. Says whether
    /// anything changed.
    pub fn set_kind(&mut self, digest: &Digest, kind: Kind) -> bool {
        if self.of_digest(digest).any(|entry| entry.kind() == Some(kind)) {
            return false;
        }
        let first = self.by_digest.get(digest).and_then(|places| places.first().copied());
        match first.and_then(|place| self.list.get_mut(place)) {
            Some(entry) => {
                entry.annotate(KIND, kind.text());
                true
            }
            None => false,
        }
    }

    /// Adds an entry.
    pub fn push(&mut self, descriptor: &Descriptor, artifact_type: Option<&str>, name: Option<&str>) {
        let mut raw = RawObject(Vec::new());
        raw.set_descriptor(descriptor);
        if let Some(artifact_type) = artifact_type {
            raw.set("artifactType", quoted(artifact_type));
        }
        let mut entry = Entry {
            raw,
            descriptor: Some(descriptor.clone()),
            artifact_type: artifact_type.map(str::to_owned),
            annotations: BTreeMap::new(),
        };
        if let Some(name) = name {
            entry.annotate(ANNOTATION_REF_NAME, name);
        }
        self.append(entry);
    }

    /// Puts `new` in place of `old` in every entry of it, and names those `name` that have no name.
    pub fn replace(&mut self, old: &Digest, new: &Descriptor, name: &str) {
        let places = self.by_digest.remove(old).unwrap_or_default();
        for place in &places {
            let Some(entry) = self.list.get_mut(*place) else { continue };
            entry.raw.set_descriptor(new);
            entry.raw.remove("data");
            entry.descriptor = Some(new.clone());
            if entry.ref_name().is_none() {
                entry.annotate(ANNOTATION_REF_NAME, name);
                self.by_name.entry(name.to_owned()).or_default().push(*place);
            }
        }
        self.by_digest.entry(new.digest).or_default().extend(places);
    }

    /// Takes away the entries that `is_gone` says; says how many these were.
    pub fn remove(&mut self, is_gone: impl Fn(&Entry) -> bool) -> usize {
        let before = std::mem::take(&mut self.list);
        let count = before.len();
        for places in [&mut self.by_name, &mut self.by_tag] {
            places.clear();
        }
        self.by_digest.clear();
        for entry in before.into_iter().filter(|entry| !is_gone(entry)) {
            self.append(entry);
        }
        count - self.list.len()
    }

    /// How many entries there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.list.len()
    }

    /// Where the first entry of a digest stands.
    #[must_use]
    pub fn place(&self, digest: &Digest) -> Option<usize> {
        self.by_digest.get(digest)?.first().copied()
    }

    /// Sorts the entries from the place `from` on.
    pub fn sort_from<K: Ord>(&mut self, from: usize, key: impl FnMut(&Entry) -> K) {
        let mut tail = self.list.split_off(from.min(self.list.len()));
        tail.sort_by_cached_key(key);
        for places in [&mut self.by_name, &mut self.by_tag].into_iter().flat_map(HashMap::values_mut) {
            places.retain(|place| *place < from);
        }
        for places in self.by_digest.values_mut() {
            places.retain(|place| *place < from);
        }
        for entry in tail {
            self.append(entry);
        }
    }

    fn append(&mut self, entry: Entry) {
        let place = self.list.len();
        if let Some(name) = entry.ref_name() {
            self.by_name.entry(name.to_owned()).or_default().push(place);
        }
        if let Some(name) = entry.full_name() {
            for text in
                [Some(name.to_string()), name.tag().map(str::to_owned), entry.image_name().map(str::to_owned)]
            {
                let places = text.map(|text| self.by_tag.entry(text).or_default());
                if let Some(places) = places.filter(|places| places.last() != Some(&place)) {
                    places.push(place);
                }
            }
        }
        if let Some(descriptor) = &entry.descriptor {
            self.by_digest.entry(descriptor.digest).or_default().push(place);
        }
        self.list.push(entry);
    }

    fn at<'a>(&'a self, places: Option<&'a Vec<usize>>) -> impl Iterator<Item = &'a Entry> {
        places.into_iter().flatten().filter_map(|place| self.list.get(*place))
    }

    fn pick_unnamed(&self) -> Vec<&Entry> {
        let images: Vec<&Entry> = self.images().collect();
        let marked = |entry: &&&Entry| matches!(entry.kind(), Some(Kind::Image | Kind::ImageIndex));
        let named = |entry: &&&Entry| entry.ref_name().is_some() || entry.image_name().is_some();
        // cosign marks the image among the parts that it saved with it; a name says that an entry is more than a part.
        if images.iter().any(|entry| marked(&entry))
            && !images.iter().any(|entry| named(&entry) && !marked(&entry))
        {
            return images.iter().filter(marked).copied().collect();
        }
        images
    }

    fn list_images(&self, error: Error) -> Error {
        let mut error = error;
        for entry in self.images().take(LISTED) {
            let digest = entry.descriptor.as_ref().map(|descriptor| descriptor.digest.to_string());
            let name = entry.image_name().or(entry.ref_name()).unwrap_or("no name");
            error = error.detail(format!("it has {name} {}", digest.unwrap_or_default()));
        }
        match self.images().count().checked_sub(LISTED) {
            Some(more) if more > 0 => error.detail(format!("and {more} more")),
            _ => error,
        }
    }
}

impl Entry {
    /// The descriptor; `None` when its digest is not SHA-256.
    #[must_use]
    pub fn descriptor(&self) -> Option<&Descriptor> {
        self.descriptor.as_ref()
    }

    /// The entry's `artifactType`.
    #[must_use]
    pub fn artifact_type(&self) -> Option<&str> {
        self.artifact_type.as_deref()
    }

    /// `org.opencontainers.image.ref.name`.
    #[must_use]
    pub fn ref_name(&self) -> Option<&str> {
        self.annotations.get(ANNOTATION_REF_NAME).map(String::as_str)
    }

    /// `io.containerd.image.name`.
    #[must_use]
    pub fn image_name(&self) -> Option<&str> {
        self.annotations.get(IMAGE_NAME).map(String::as_str)
    }

    /// cosign's `kind`.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        let text = self.annotations.get(KIND)?;
        [Kind::Image, Kind::ImageIndex, Kind::Sigs, Kind::Atts].into_iter().find(|kind| kind.text() == text)
    }

    /// The reference that the entry gives the image: containerd's name, or a `ref.name` that has a repository.
    #[must_use]
    pub fn full_name(&self) -> Option<Reference> {
        let name = self.image_name().or_else(|| self.ref_name().filter(|name| name.contains('/')))?;
        Reference::parse(name).ok()
    }

    /// Whether it is an image: no signatures, attestations, bundle or document of ours.
    #[must_use]
    pub fn is_image(&self) -> bool {
        let attached = |name: &str| {
            let name = name.rsplit_once(':').map_or(name, |(_, tag)| tag);
            let rest = name.strip_prefix("sha256-").unwrap_or_default();
            rest.split_at_checked(64).is_some_and(|(hex, end)| {
                Digest::parse_hex(hex).is_ok() && (end.is_empty() || end.starts_with('.'))
            })
        };
        let foreign = ["application/vnd.coldsign.", "application/vnd.dev.sigstore.bundle"];
        !matches!(self.kind(), Some(Kind::Sigs | Kind::Atts))
            && !self.ref_name().is_some_and(attached)
            && !self.image_name().is_some_and(attached)
            && !self.artifact_type().is_some_and(|text| foreign.iter().any(|prefix| text.starts_with(prefix)))
    }

    fn annotate(&mut self, key: &str, value: &str) {
        self.annotations.insert(key.to_owned(), value.to_owned());
        let kept = self.raw.get("annotations").and_then(|text| serde_json::from_str(text).ok());
        let mut annotations: RawObject = kept.unwrap_or_else(|| RawObject(Vec::new()));
        annotations.set(key, quoted(value));
        self.raw.set("annotations", annotations.to_text());
    }
}

impl Kind {
    /// The annotation's value.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Image => "dev.cosignproject.cosign/image",
            Self::ImageIndex => "dev.cosignproject.cosign/imageIndex",
            Self::Sigs => "dev.cosignproject.cosign/sigs",
            Self::Atts => "dev.cosignproject.cosign/atts",
        }
    }
}

/// An object whose members keep their order and the text of their values.
#[derive(Clone, Debug)]
struct RawObject(Vec<(String, Box<RawValue>)>);

impl RawObject {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(member, _)| member == name).map(|(_, value)| value.get())
    }

    fn set(&mut self, name: &str, text: String) {
        let value = RawValue::from_string(text).expect("text that this module wrote is JSON");
        match self.0.iter_mut().find(|(member, _)| member == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    fn set_descriptor(&mut self, descriptor: &Descriptor) {
        self.set("mediaType", quoted(&descriptor.media_type));
        self.set("digest", quoted(&descriptor.digest.to_string()));
        self.set("size", descriptor.size.to_string());
    }

    fn remove(&mut self, name: &str) {
        self.0.retain(|(member, _)| member != name);
    }

    fn to_text(&self) -> String {
        let mut text = String::from("{");
        for (number, (name, value)) in self.0.iter().enumerate() {
            if number > 0 {
                text.push(',');
            }
            text.push_str(&quoted(name));
            text.push(':');
            text.push_str(value.get());
        }
        text.push('}');
        text
    }
}

impl<'de> Deserialize<'de> for RawObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = RawObject;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawObject, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(RawObject(members))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

fn quoted(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    push_plain_string(&mut out, text);
    String::from_utf8(out).expect("a quoted string stays UTF-8")
}

/// containerd's annotation for the full name of an image.
const IMAGE_NAME: &str = "io.containerd.image.name";
/// cosign's annotation for what an entry is.
const KIND: &str = "kind";
/// Images named in an error message.
const LISTED: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "sha256:77a2a96a684ef906070011cb9741c8e4fae80ca4033afb41aa728329f996a52e";
    const B: &str = "sha256:c90de83bf721d5a7c8341283192c4ceb24635a46daa52d27627ebe77ade84640";

    fn index(entries: &[(&str, &[(&str, &str)])]) -> Entries {
        let entries: Vec<String> = entries
            .iter()
            .map(|(digest, annotations)| {
                let annotations: Vec<String> = annotations.iter().map(|(key, value)| format!("{key:?}:{value:?}")).collect();
                format!(
                    "{{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"size\":1,\"digest\":\"{digest}\",\
                     \"annotations\":{{{}}}}}",
                    annotations.join(",")
                )
            })
            .collect();
        Entries::parse(format!("{{\"schemaVersion\":2,\"manifests\":[{}]}}", entries.join(",")).as_bytes())
            .unwrap()
    }

    fn picked(entries: &Entries, name: Option<&str>) -> Result<String, Check> {
        entries.pick(name).map(|picked| picked.descriptor.digest.to_string()).map_err(|error| error.check())
    }

    #[test]
    fn a_name_picks_one() {
        let ref_name = ANNOTATION_REF_NAME;
        let entries = index(&[
            (A, &[(ref_name, "1.4"), (IMAGE_NAME, "docker.io/library/app:1.4")]),
            (B, &[(ref_name, "registry.example/web:2")]),
        ]);
        for (name, digest) in [
            ("1.4", A),
            ("docker.io/library/app:1.4", A),
            ("index.docker.io/library/app:1.4", A),
            (A, A),
            ("registry.example/web:2", B),
            ("2", B),
            (B, B),
        ] {
            assert_eq!(picked(&entries, Some(name)), Ok(digest.to_owned()), "{name}");
        }
        assert_eq!(picked(&entries, Some("3")), Err(Check::ImageAbsent));
        assert_eq!(picked(&entries, None), Err(Check::ImageAmbiguous));
        assert_eq!(entries.pick(Some("1.4")).unwrap().names, [Reference::parse("app:1.4").unwrap()]);
        assert_eq!(picked(&index(&[]), None), Err(Check::ImageAbsent));
        let twins = index(&[(A, &[(ref_name, "x")]), (B, &[(ref_name, "x")])]);
        assert_eq!(picked(&twins, Some("x")), Err(Check::ImageAmbiguous));
        let tags = index(&[(A, &[(ref_name, "x")]), (A, &[(ref_name, "y")])]);
        assert_eq!(picked(&tags, None), Ok(A.to_owned()));
    }

    #[test]
    fn kind_marks_the_image() {
        let saved = index(&[(A, &[("kind", Kind::Image.text())]), (B, &[("kind", Kind::Sigs.text())])]);
        assert_eq!(picked(&saved, None), Ok(A.to_owned()));
        let parts = index(&[(A, &[("kind", Kind::ImageIndex.text())]), (B, &[])]);
        assert_eq!(picked(&parts, None), Ok(A.to_owned()));
        let several = index(&[(A, &[("kind", Kind::Image.text())]), (B, &[(ANNOTATION_REF_NAME, "2")])]);
        assert_eq!(picked(&several, None), Err(Check::ImageAmbiguous));
        let sig = format!("sha256-{}.sig", &A[7..]);
        let named = index(&[(A, &[(ANNOTATION_REF_NAME, "1")]), (B, &[(ANNOTATION_REF_NAME, &sig)])]);
        assert_eq!(picked(&named, None), Ok(A.to_owned()));
    }

    #[test]
    fn all_else_stays_as_it_was_written() {
        let text = format!(
            "{{ \"schemaVersion\" :2,\"x\":[1.0, 1e999 ,\"\\u0041\"],\"manifests\":[{{\"size\":1,\"y\":12345678901234567890123,\
             \"digest\":\"{A}\",\"mediaType\":\"m/t\",\"annotations\":{{\"z\":\"<\"}}}}],\"annotations\":{{}}}}"
        );
        // A number beyond every reader's range is refused by the strict reader: nothing is lost in silence.
        assert_eq!(Entries::parse(text.as_bytes()).unwrap_err().check(), Check::JsonSyntax);
        let text = text.replace("1e999", "1e9");
        let mut entries = Entries::parse(text.as_bytes()).unwrap();
        assert!(entries.set_kind(&Digest::parse(A).unwrap(), Kind::Image));
        assert!(!entries.set_kind(&Digest::parse(A).unwrap(), Kind::Image));
        let descriptor = Descriptor { media_type: "m/s".into(), digest: Digest::parse(B).unwrap(), size: 3 };
        entries.push(&descriptor, Some("a/t"), Some("n"));
        assert_eq!(
            String::from_utf8(entries.to_bytes()).unwrap(),
            format!(
                "{{\"schemaVersion\":2,\"x\":[1.0, 1e9 ,\"\\u0041\"],\"manifests\":[{{\"size\":1,\"y\":12345678901234567890123,\
                 \"digest\":\"{A}\",\"mediaType\":\"m/t\",\"annotations\":{{\"z\":\"<\",\"kind\":\"dev.cosignproject.cosign/image\"}}}},\
                 {{\"mediaType\":\"m/s\",\"digest\":\"{B}\",\"size\":3,\"artifactType\":\"a/t\",\
                 \"annotations\":{{\"org.opencontainers.image.ref.name\":\"n\"}}}}],\"annotations\":{{}}}}"
            )
        );
    }

    #[test]
    fn two_indexes_in_one_are_refused() {
        let text = br#"{"schemaVersion":2,"manifests":[],"manifests":[]}"#;
        assert_eq!(Entries::parse(text).unwrap_err().check(), Check::JsonDuplicate);
        assert_eq!(Entries::parse(b"{}").unwrap_err().check(), Check::SourceMalformed);
    }
}
