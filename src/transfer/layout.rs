//! An OCI layout to read, whatever holds its files: what a name picks, and where its signatures are.

use std::collections::HashMap;
use std::io::Read;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oci_spec::image::OciLayout;
use serde::Deserialize;

use super::entries::{Entries, Entry, Kind, Picked};
use super::layers::Layers;
use super::store::{Beside, Place, Store};
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::evidence::{Descriptor, OCI_INDEX, OCI_MANIFEST};
use crate::format::reference::Target;
use crate::limits;

/// The blobs of a layout, wherever they are.
pub trait Blobs: Send + Sync {
    /// The bytes of a blob as they are, not hashed yet. `None`: not there. BLOB-SIZE beyond
    /// [`limits::MANIFEST`].
    fn read(&self, digest: &Digest) -> Result<Option<Vec<u8>>>;

    /// Opens a blob of any size. `None`: not there.
    fn open(&self, digest: &Digest) -> Result<Option<Box<dyn Read + Send>>>;

    /// The names of all blobs of at most [`limits::MANIFEST`] bytes, in any order.
    fn small(&self) -> Result<Vec<Digest>>;
}

/// An OCI layout.
pub struct Layout {
    place: String,
    blobs: Box<dyn Blobs>,
    entries: RwLock<Entries>,
    attached: RwLock<Option<Attached>>,
    warnings: Vec<String>,
}

/// Manifests that belong to others, found by what they say and not by their entry.
#[derive(Default)]
struct Attached {
    /// By `subject`.
    referrers: HashMap<Digest, Vec<Descriptor>>,
    /// `.sig` and `.att` manifests without a name, by the digest that a layer of theirs is about.
    beside: HashMap<(Beside, Digest), Vec<Descriptor>>,
}

impl Layout {
    /// The layout at `place` (for messages) with these `oci-layout` and `index.json`.
    ///
    /// Errors: SOURCE-MALFORMED for another layout version or a broken index, JSON-* for an index with two meanings.
    pub fn new(place: &str, oci_layout: &[u8], index: &[u8], blobs: Box<dyn Blobs>) -> Result<Self> {
        check_source_version(oci_layout).map_err(|error| error.within(place))?;
        let entries = Entries::parse(index).map_err(|error| error.within(place))?;
        Ok(Self {
            place: place.to_owned(),
            blobs,
            entries: RwLock::new(entries),
            attached: RwLock::new(None),
            warnings: Vec::new(),
        })
    }

    /// The same with one more thing that a person should know about it.
    #[must_use]
    pub fn with_warning(mut self, warning: impl Into<String>) -> Self {
        self.warnings.push(warning.into());
        self
    }

    /// The same, called `place` in messages.
    #[must_use]
    pub(super) fn at_place(mut self, place: &str) -> Self {
        place.clone_into(&mut self.place);
        self
    }

    /// Every image in it, each digest once, in the order of `index.json`.
    #[must_use]
    pub fn images(&self) -> Vec<Picked> {
        let entries = self.entries();
        let mut images: Vec<Picked> = Vec::new();
        for entry in entries.images() {
            let Some(descriptor) = entry.descriptor() else { continue };
            let name = entry.full_name();
            match images.iter_mut().find(|image| image.descriptor.digest == descriptor.digest) {
                Some(image) => image.names.extend(name.filter(|name| !image.names.contains(name))),
                None => {
                    images.push(Picked { descriptor: descriptor.clone(), names: name.into_iter().collect() });
                }
            }
        }
        images
    }

    /// The entries of its `index.json`.
    pub(super) fn entries(&self) -> RwLockReadGuard<'_, Entries> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The entries, to change them.
    pub(super) fn entries_mut(&self) -> RwLockWriteGuard<'_, Entries> {
        self.entries.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a manifest that was written just now known as a referrer.
    pub(super) fn note_referrer(&self, subject: &Digest, descriptor: &Descriptor) {
        let mut attached = self.attached.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(attached) = attached.as_mut() {
            insert(attached.referrers.entry(*subject).or_default(), descriptor);
        }
    }

    /// Forgets what was found beside images by what it says.
    pub(super) fn forget_attached(&self) {
        *self.attached.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn read(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        let bytes = self.blobs.read(digest).map_err(|error| error.within(&self.place))?;
        if let Some(bytes) = &bytes {
            check_source_blob(digest, bytes).map_err(|error| error.within(&self.place))?;
        }
        Ok(bytes)
    }

    fn with_attached<T>(&self, look: impl Fn(&Attached) -> T) -> Result<T> {
        if let Some(attached) = self.attached.read().unwrap_or_else(PoisonError::into_inner).as_ref() {
            return Ok(look(attached));
        }
        // Held while scanning, so that many readers at once scan once.
        let mut attached = self.attached.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(attached) = attached.as_ref() {
            return Ok(look(attached));
        }
        let scanned = self.scan()?;
        Ok(look(attached.insert(scanned)))
    }

    /// Reads every small blob once. What is broken here is not what anybody asked for: it is passed over.
    fn scan(&self) -> Result<Attached> {
        let mut attached = Attached::default();
        for digest in self.blobs.small()? {
            let Ok(Some(bytes)) = self.blobs.read(&digest) else { continue };
            let Some(manifest) = Attachment::parse(&bytes) else { continue };
            let subject = manifest.subject.and_then(|subject| Digest::parse(&subject.digest).ok());
            if let Some(subject) = subject
                && Digest::of(&bytes) == digest
            {
                let media_type = manifest.media_type.unwrap_or_else(|| OCI_MANIFEST.to_owned());
                let descriptor = Descriptor::of(&media_type, &bytes);
                insert(attached.referrers.entry(subject).or_default(), &descriptor);
            }
        }
        for (kind, beside) in [(Kind::Sigs, Beside::Signatures), (Kind::Atts, Beside::Attestations)] {
            self.scan_unnamed(kind, beside, &mut attached);
        }
        Ok(attached)
    }

    /// The manifests of a kind that have no name: `cosign save` gives them none.
    fn scan_unnamed(&self, kind: Kind, beside: Beside, attached: &mut Attached) {
        let entries = self.entries();
        let unnamed = entries.all().filter(|entry| {
            entry.kind() == Some(kind) && entry.ref_name().is_none() && entry.image_name().is_none()
        });
        let unnamed: Vec<&Descriptor> = unnamed.filter_map(Entry::descriptor).collect();
        let images: Vec<&Descriptor> = entries.images().filter_map(Entry::descriptor).collect();
        for manifest in &unnamed {
            let mut subjects = self.subjects_of(manifest);
            // cosign takes the one `.sig` of a layout for its one image, whatever its payloads say.
            if subjects.is_empty()
                && unnamed.len() == 1
                && let [image] = images.as_slice()
            {
                subjects.push(image.digest);
            }
            for subject in subjects {
                insert(attached.beside.entry((beside, subject)).or_default(), manifest);
            }
        }
    }

    /// The digests that the layers of a `.sig` or `.att` manifest are about.
    fn subjects_of(&self, manifest: &Descriptor) -> Vec<Digest> {
        let bytes = self.blobs.read(&manifest.digest).ok().flatten().unwrap_or_default();
        let layers = Attachment::parse(&bytes).map(|manifest| manifest.layers).unwrap_or_default();
        let mut subjects: Vec<Digest> = layers
            .iter()
            .take(limits::SIG_LAYERS)
            .filter_map(|layer| self.blobs.read(&Digest::parse(&layer.digest).ok()?).ok()?)
            .flat_map(|layer| {
                payload_digest(&layer).map_or_else(|| statement_digests(&layer), |digest| vec![digest])
            })
            .collect();
        subjects.sort_unstable();
        subjects.dedup();
        subjects
    }
}

impl Place for Layout {
    /// [`Entries::pick`]; by its digest also one that only an index names.
    fn pick(&self, name: Option<&str>) -> Result<Picked> {
        let picked = self.entries().pick(name);
        let absent = matches!(&picked, Err(error) if error.check() == Check::ImageAbsent);
        if let Some(digest) = name.and_then(|name| Digest::parse(name).ok()).filter(|_| absent)
            && let Some(descriptor) = self.resolve(&Target::Digest(digest))?
        {
            return Ok(Picked { descriptor, names: Vec::new() });
        }
        picked.map_err(|error| error.within(&self.place))
    }

    fn place(&self) -> &str {
        &self.place
    }

    fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }

    fn check_tag_changed(&self, _: Option<&str>, _: &Picked) -> Result<()> {
        Ok(())
    }
}

impl Store for Layout {
    fn resolve(&self, target: &Target) -> Result<Option<Descriptor>> {
        let digest = match target {
            Target::Tag(tag) => {
                let entries = self.entries();
                let named = entries.named(tag);
                return match named.as_slice() {
                    [] => Ok(None),
                    [one] => Ok(Some((*one).clone())),
                    _ => Err(Error::new(Check::ImageAmbiguous, tag).within(&self.place)),
                };
            }
            Target::Digest(digest) => digest,
        };
        if let Some(descriptor) = self.entries().of_digest(digest).find_map(|entry| entry.descriptor()) {
            return Ok(Some(descriptor.clone()));
        }
        // A child of an index has no entry of its own: it says itself what it is.
        let Some(bytes) = self.read(digest)? else { return Ok(None) };
        let Some(manifest) = Attachment::parse(&bytes) else { return Ok(None) };
        let default = if manifest.manifests.is_some() { OCI_INDEX } else { OCI_MANIFEST };
        let media_type = manifest.media_type.unwrap_or_else(|| default.to_owned());
        Ok(Some(Descriptor::of(&media_type, &bytes)))
    }

    fn manifest(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        self.read(digest)
    }

    fn blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        self.read(digest)
    }

    fn beside(&self, kind: Beside, subject: &Digest) -> Result<Vec<Descriptor>> {
        let mut found: Vec<Descriptor> =
            self.entries().named(&kind.tag(subject)).into_iter().cloned().collect();
        let unnamed = self.with_attached(|attached| attached.beside.get(&(kind, *subject)).cloned())?;
        for descriptor in unnamed.into_iter().flatten() {
            if !found.contains(&descriptor) {
                found.push(descriptor);
            }
        }
        Ok(found)
    }

    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>> {
        self.with_attached(|attached| attached.referrers.get(subject).cloned().unwrap_or_default())
    }
}

impl Layers for Layout {
    fn layer(&self, layer: &Descriptor) -> Result<Option<Box<dyn Read + Send + '_>>> {
        let opened = self.blobs.open(&layer.digest).map_err(|error| error.within(&self.place))?;
        Ok(opened.map(|reader| -> Box<dyn Read + Send + '_> { reader }))
    }
}

/// SOURCE-BLOB: every blob that is read hashes to its digest.
pub(super) fn check_source_blob(digest: &Digest, bytes: &[u8]) -> Result<()> {
    let found = Digest::of(bytes);
    if found == *digest {
        return Ok(());
    }
    Err(Error::new(Check::SourceBlob, blob_name(digest)).detail(format!("found {found}")))
}

/// SOURCE-MALFORMED: `oci-layout` says 1.0.0 (image-spec, image-layout.md "oci-layout file").
fn check_source_version(oci_layout: &[u8]) -> Result<()> {
    let broken = |why: String| Error::new(Check::SourceMalformed, "oci-layout").detail(why);
    let layout = OciLayout::from_reader(oci_layout).map_err(|error| broken(error.to_string()))?;
    if layout.image_layout_version() != "1.0.0" {
        return Err(broken(format!("imageLayoutVersion {:?} is not 1.0.0", layout.image_layout_version())));
    }
    Ok(())
}

/// The name of a blob in a layout.
pub(super) fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// BLOB-SIZE: what is read into memory has at most 4 MiB.
pub(super) fn check_blob_size(digest: &Digest, size: u64) -> Result<()> {
    if usize::try_from(size).is_ok_and(|size| size <= limits::MANIFEST) {
        return Ok(());
    }
    Err(Error::new(Check::BlobSize, blob_name(digest))
        .detail(format!("{size} bytes where a manifest or config was expected")))
}

/// As much of a manifest as tells what it is attached to.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attachment {
    media_type: Option<String>,
    subject: Option<Named>,
    #[serde(default)]
    layers: Vec<Named>,
    manifests: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Named {
    digest: String,
}

impl Attachment {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
        if first != Some(&b'{') {
            return None;
        }
        serde_json::from_slice(bytes).ok()
    }
}

/// `critical.image.docker-manifest-digest` of a payload, in cosign's old spelling with capitals too.
fn payload_digest(payload: &[u8]) -> Option<Digest> {
    let payload: serde_json::Value = serde_json::from_slice(payload).ok()?;
    let member = |value: &serde_json::Value, name: &str| {
        value
            .as_object()?
            .iter()
            .find(|(member, _)| member.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.clone())
    };
    let image = member(&member(&payload, "critical")?, "image")?;
    let text = member(&image, "docker-manifest-digest")?;
    let text = text.as_str()?;
    Digest::parse(text).or_else(|_| Digest::parse_hex(text)).ok()
}

/// The digests of the subjects of the statement in an envelope (DSSE, in-toto), as far as they are SHA-256.
fn statement_digests(envelope: &[u8]) -> Vec<Digest> {
    #[derive(Deserialize)]
    struct Envelope {
        payload: String,
    }
    #[derive(Deserialize)]
    struct Statement {
        subject: Vec<Subject>,
    }
    #[derive(Deserialize)]
    struct Subject {
        digest: HashMap<String, String>,
    }
    let statement = serde_json::from_slice::<Envelope>(envelope).ok().and_then(|envelope| {
        serde_json::from_slice::<Statement>(&STANDARD.decode(envelope.payload).ok()?).ok()
    });
    let subjects = statement.map(|statement| statement.subject).unwrap_or_default();
    let digest = |subject: &Subject| Digest::parse_hex(subject.digest.get("sha256")?).ok();
    subjects.iter().filter_map(digest).collect()
}

fn insert(descriptors: &mut Vec<Descriptor>, descriptor: &Descriptor) {
    if let Err(place) = descriptors.binary_search_by_key(&descriptor.digest, |known| known.digest) {
        descriptors.insert(place, descriptor.clone());
    }
}
