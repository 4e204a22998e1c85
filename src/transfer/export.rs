//! From what a person names to the images of a request: every manifest and config below them, read and hashed.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::entries::Picked;
use super::flow::Flow;
use super::source::Source;
use super::store::{Place, Places};
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::files;
use crate::format::attestation::PredicateType;
use crate::format::document::{self, Content};
use crate::format::evidence::{Child, Config, Descriptor, ImageManifest, Index, Manifest};
use crate::format::payload;
use crate::format::reference::{Destination, Identity, Reference, Target};
use crate::limits;
use crate::request::{Asked, Built, ImageSpec, Request, What};

/// An image that a person named.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// Where it comes from.
    pub source: Source,
    /// What it is called (`--as`), if that was said.
    pub name: Option<Reference>,
    /// What payloads call it (`--identity`), if that was said.
    pub identity: Option<Identity>,
    /// What payloads and statements say of it.
    pub annotations: BTreeMap<String, String>,
    /// What is to be signed.
    pub ask: Ask,
    /// Where that was said, for messages: `images.txt:3`.
    pub place: Option<String>,
}

/// What a person wants signed of an image that they named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Ask {
    /// Itself.
    #[default]
    Image,
    /// The bytes of a file, put beside it (`--payload`).
    CustomPayload(PathBuf),
    /// What the predicate in a file states about it (`--attest`).
    Attestation(PredicateType, PathBuf),
}

/// Which children of an index are carried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Children {
    /// All.
    All,
    /// None (`--no-recursive`).
    None,
    /// Those for one of these platforms, and the indexes that lead to them (`--platform`).
    Platforms(Vec<Platform>),
}

/// A platform that a person named: `os/architecture` or `os/architecture/variant`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Platform {
    os: String,
    architecture: String,
    variant: Option<String>,
}

/// Images with all their evidence.
#[derive(Debug, Default)]
pub struct Collected {
    images: Vec<ImageSpec>,
    files: Vec<(String, Content)>,
    blobs: BTreeMap<Digest, Vec<u8>>,
    rows: Vec<Row>,
    warnings: Vec<String>,
}

/// A file to sign.
#[derive(Clone, Debug)]
pub enum SignedFile {
    /// Its bytes travel in the request.
    Content(Vec<u8>),
    /// Its SHA-256 alone does.
    Hash(Digest),
}

/// One image as the exporter's table shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Where its signature goes.
    pub destination: Destination,
    /// The digest of its top manifest.
    pub digest: Digest,
    /// Whether it is an index.
    pub is_index: bool,
    /// The platforms that are carried, in order: `amd64`, `arm/v7`, `windows/amd64`.
    pub platforms: Vec<String>,
    /// How many children are not carried.
    pub unseen: usize,
    /// What is signed, where it is not the image itself: `attestation spdxjson`.
    pub what: Option<String>,
}

/// Reads every image of `wanted` from its place, several at once; `each` is called when one more was read.
///
/// Errors: those of sources and registries; LIST-EMPTY, REFERENCE-*, IMAGE-*, PLATFORM-ABSENT, TAG-CHANGED, SOURCE-BLOB,
/// SOURCE-ABSENT, EVIDENCE-*. Where several images are at fault, the error of the first one.
pub fn collect(
    wanted: &[Wanted],
    children: &Children,
    places: &dyn Places,
    flow: Flow<'_>,
    mut each: impl FnMut(),
) -> Result<Collected> {
    let blobs = Blobs::default();
    let failed = AtomicBool::new(false);
    let read = |image: &Wanted| {
        if failed.load(Ordering::Relaxed) {
            return Ok(None); // an image before this one is at fault, or will be named first
        }
        let tree = Tree::read(image, children, places, &blobs).map_err(|error| match &image.place {
            Some(place) => error.within(place),
            None => error,
        });
        failed.fetch_or(tree.is_err(), Ordering::Relaxed);
        tree.map(Some)
    };
    let mut collected = Collected::default();
    let mut fault = None;
    let mut warned = BTreeSet::new();
    flow.run(wanted, read, |_, tree| match tree {
        Ok(Some(tree)) => {
            collected.warnings.extend(tree.warnings.into_iter().filter(|text| warned.insert(text.clone())));
            collected.rows.push(tree.row);
            collected.images.push(tree.spec);
            each();
        }
        Ok(None) => {}
        Err(error) => {
            fault.get_or_insert(error);
        }
    });
    collected.blobs = blobs.0.into_inner().unwrap_or_else(PoisonError::into_inner);
    fault.map_or(Ok(collected), Err)
}

impl Collected {
    /// One row an image, in the order in which they were named.
    #[must_use]
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// What a person should know about the sources.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Adds a file that is signed as it is, or, without `content`, its SHA-256 alone.
    pub fn add_file(&mut self, name: &str, file: SignedFile) {
        let content = match file {
            SignedFile::Content(bytes) => {
                let content = Descriptor::of(document::BLOB_MEDIA_TYPE, &bytes);
                self.blobs.insert(content.digest, bytes);
                Content::Carried(content)
            }
            SignedFile::Hash(digest) => Content::Hash(digest),
        };
        self.files.push((name.to_owned(), content));
    }

    /// The request for all of it. LIST-EMPTY where it is nothing.
    pub fn build(self, note: Option<String>) -> Result<Built> {
        if self.images.is_empty() && self.files.is_empty() {
            return Err(Error::new(Check::ListEmpty, ""));
        }
        Request::build(Asked { images: self.images, files: self.files, note }, self.blobs)
    }
}

/// One image, read.
struct Tree {
    spec: ImageSpec,
    row: Row,
    warnings: Vec<String>,
}

impl Tree {
    fn read(image: &Wanted, children: &Children, places: &dyn Places, blobs: &Blobs) -> Result<Self> {
        let place = places.open(image.source.location())?;
        let picked = place.pick(image.source.name())?;
        let (destination, identity) = names(image, &picked)?;
        let mut walk = Walk {
            place: &*place,
            children,
            blobs,
            carried: HashMap::new(),
            platforms: Vec::new(),
            found: Vec::new(),
            unseen: HashSet::new(),
        };
        walk.top(&picked.descriptor)?;
        let Walk { platforms, unseen, .. } = walk;
        place.check_tag_changed(image.source.name(), &picked)?;
        let subject = picked.descriptor;
        let (what, said) = image.ask.read(identity, image.annotations.clone(), blobs)?;
        let row = Row {
            what: said,
            destination: destination.clone(),
            digest: subject.digest,
            is_index: subject.is_index(),
            platforms,
            unseen: unseen.len(),
        };
        let warnings = place.warnings();
        let warnings = warnings.iter().map(|warning| format!("{}: {warning}", place.place())).collect();
        Ok(Self { spec: ImageSpec { destination, subject, what }, row, warnings })
    }
}

impl Ask {
    /// What is asked for of an image, with what its files hold, and how the exporter's table says it.
    fn read(
        &self,
        identity: Identity,
        annotations: BTreeMap<String, String>,
        blobs: &Blobs,
    ) -> Result<(What, Option<String>)> {
        let most = u64::try_from(limits::MANIFEST).unwrap_or(u64::MAX);
        match self {
            Self::Image => Ok((What::Image { identity, annotations }, None)),
            Self::CustomPayload(path) => {
                let bytes = files::read(path, most)?;
                let payload = Descriptor::of(payload::MEDIA_TYPE, &bytes);
                blobs.insert(payload.digest, bytes);
                Ok((What::CustomPayload { payload }, Some("payload of another tool".to_owned())))
            }
            Self::Attestation(kind, path) => {
                let predicate = kind.predicate_of(files::read(path, most)?);
                let bytes = predicate.map_err(|error| error.within(path.display()))?.as_bytes().to_vec();
                let predicate = Descriptor::of(document::PREDICATE_MEDIA_TYPE, &bytes);
                blobs.insert(predicate.digest, bytes);
                let said = format!("attestation {}", kind.name().unwrap_or_else(|| kind.uri()));
                Ok((What::Attestation { predicate_type: kind.clone(), predicate }, Some(said)))
            }
        }
    }
}

/// Manifests and configs that were read and are carried, for all images, and what else is to be signed.
#[derive(Default)]
struct Blobs(Mutex<BTreeMap<Digest, Vec<u8>>>);

impl Blobs {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Digest, Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn insert(&self, digest: Digest, bytes: Vec<u8>) {
        self.lock().insert(digest, bytes);
    }

    /// The bytes of `digest`: those read before, or those that `read` brings.
    fn get_or(
        &self,
        digest: &Digest,
        read: impl FnOnce() -> Result<Option<Vec<u8>>>,
    ) -> Result<Option<Vec<u8>>> {
        let known = self.lock().get(digest).cloned();
        known.map_or_else(read, |bytes| Ok(Some(bytes)))
    }
}

/// Destination and identity: from `--as` and `--identity`, else from the reference that was typed, which may have a tag
/// beside the digest that picks, else from the place.
fn names(image: &Wanted, picked: &Picked) -> Result<(Destination, Identity)> {
    let name = image.name.as_ref().or(image.source.reference());
    let name = match (name, picked.names.as_slice()) {
        (Some(name), _) | (None, [name]) => name,
        (None, []) => {
            let error = Error::new(Check::ReferenceAbsent, &image.source);
            return Err(
                error.detail("neither io.containerd.image.name nor a full ref.name stands in index.json")
            );
        }
        (None, several) => {
            let error = Error::new(Check::ReferenceAmbiguous, &image.source);
            return Err(several
                .iter()
                .take(LISTED)
                .fold(error, |error, name| error.detail(format!("it has {name}"))));
        }
    };
    let destination = name.destination()?;
    check_reference_digest(&destination, &picked.descriptor.digest)?;
    let identity = image.identity.clone().unwrap_or_else(|| name.identity());
    Ok((destination, identity))
}

/// REFERENCE-DIGEST: a digest in a name is the digest of the image (docs/format.md 3).
fn check_reference_digest(destination: &Destination, digest: &Digest) -> Result<()> {
    match destination.target() {
        Target::Digest(named) if named != digest => {
            Err(Error::new(Check::ReferenceDigest, destination).detail(format!("the image is {digest}")))
        }
        _ => Ok(()),
    }
}

/// One image's tree.
struct Walk<'a> {
    place: &'a dyn Place,
    children: &'a Children,
    blobs: &'a Blobs,
    /// Every manifest that was looked at, and whether it is carried: each is visited once.
    carried: HashMap<Digest, bool>,
    platforms: Vec<String>,
    /// Platforms asked for that were found, by their place.
    found: Vec<usize>,
    unseen: HashSet<Digest>,
}

impl Walk<'_> {
    fn top(&mut self, subject: &Descriptor) -> Result<()> {
        let carried = self.visit(subject, None, limits::INDEX_DEPTH)?;
        check_platform_absent(self.children, &self.found, carried)
            .map_err(|error| error.within(self.place.place()))
    }

    /// Takes a manifest and what is below it, if it is wanted; says whether it is.
    fn visit(&mut self, descriptor: &Descriptor, child: Option<&Child>, depth: usize) -> Result<bool> {
        if let Some(carried) = self.carried.get(&descriptor.digest) {
            return Ok(*carried);
        }
        check_evidence_depth(depth, self.carried.len(), descriptor)?;
        // Set before its children are read: a manifest that names itself is not visited again.
        self.carried.insert(descriptor.digest, false);
        let bytes = self
            .blobs
            .get_or(&descriptor.digest, || self.place.manifest(&descriptor.digest))?
            .ok_or_else(|| self.absent(descriptor, child))?;
        let manifest =
            Manifest::parse(&bytes, descriptor).map_err(|error| error.within(self.place.place()))?;
        let carried = match &manifest {
            Manifest::Image(image) => self.image(image, child)?,
            Manifest::Index(index) => self.index(index, child.is_none(), depth)?,
        };
        if carried {
            self.blobs.insert(descriptor.digest, bytes);
            self.carried.insert(descriptor.digest, true);
        }
        Ok(carried)
    }

    fn image(&mut self, image: &ImageManifest, child: Option<&Child>) -> Result<bool> {
        let said = child.and_then(|child| child.platform.as_ref());
        let said = said
            .map(|platform| (platform.os.clone(), platform.architecture.clone(), platform.variant.clone()));
        let config = self.blobs.get_or(&image.config.digest, || self.place.blob(&image.config.digest))?;
        let config = match config {
            Some(bytes) => bytes,
            None if image.config.digest == Digest::of(EMPTY) => EMPTY.to_vec(),
            None => return Err(self.absent(&image.config, child)),
        };
        let platform = match said {
            None if image.has_image_config() => {
                let config =
                    Config::parse(&config, image).map_err(|error| error.within(self.place.place()))?;
                Some((config.os, config.architecture, config.variant))
            }
            said => said,
        };
        let (os, architecture, variant) = platform.unwrap_or_default();
        if !self.fits(&os, &architecture, variant.as_deref()) {
            return Ok(false);
        }
        self.blobs.insert(image.config.digest, config);
        if !architecture.is_empty() && architecture != "unknown" {
            let os = if os == "linux" { String::new() } else { format!("{os}/") };
            let variant = variant.map(|variant| format!("/{variant}")).unwrap_or_default();
            self.platforms.push(format!("{os}{architecture}{variant}"));
        }
        Ok(true)
    }

    fn index(&mut self, index: &Index, top: bool, depth: usize) -> Result<bool> {
        let mut any = false;
        for child in &index.manifests {
            let carried =
                self.may_fit(child) && self.visit(&child.descriptor, Some(child), depth.saturating_sub(1))?;
            any |= carried;
            if !carried {
                self.unseen.insert(child.descriptor.digest);
            }
        }
        Ok(any || (top && !matches!(self.children, Children::Platforms(_))))
    }

    /// Whether a child is to be looked at: one for another platform need not be in the layout.
    fn may_fit(&mut self, child: &Child) -> bool {
        match (self.children, &child.platform) {
            (Children::None, _) => false,
            (Children::Platforms(_), Some(platform)) if !child.descriptor.is_index() => {
                self.fits(&platform.os, &platform.architecture, platform.variant.as_deref())
            }
            _ => true,
        }
    }

    /// Whether an image for this platform is wanted; remembers which wish it fulfils.
    fn fits(&mut self, os: &str, architecture: &str, variant: Option<&str>) -> bool {
        let Children::Platforms(wanted) = self.children else { return true };
        let before = self.found.len();
        let fitting = wanted.iter().enumerate().filter(|(_, wanted)| wanted.fits(os, architecture, variant));
        self.found.extend(fitting.map(|(place, _)| place));
        self.found.len() > before
    }

    /// SOURCE-ABSENT, with what a person can do about a child that the layout does not hold.
    fn absent(&self, descriptor: &Descriptor, child: Option<&Child>) -> Error {
        let error = Error::new(Check::SourceAbsent, descriptor.digest).within(self.place.place());
        let Some(child) = child else { return error };
        let error = match &child.platform {
            Some(platform) => {
                error.detail(format!("an index names it for {}/{}", platform.os, platform.architecture))
            }
            None => error.detail("an index names it"),
        };
        error.hint(
            "--platform os/architecture takes the platforms that are there, --no-recursive the index alone",
        )
    }
}

/// EVIDENCE-DEPTH: the same bounds as the signer's, before anything is read.
pub(super) fn check_evidence_depth(depth: usize, visited: usize, descriptor: &Descriptor) -> Result<()> {
    if (depth == 0 && descriptor.is_index()) || visited > limits::MANIFESTS_BELOW {
        return Err(Error::new(Check::EvidenceDepth, descriptor.digest));
    }
    Ok(())
}

/// PLATFORM-ABSENT: each platform asked for was found.
fn check_platform_absent(children: &Children, found: &[usize], carried: bool) -> Result<()> {
    let Children::Platforms(wanted) = children else { return Ok(()) };
    match wanted.iter().enumerate().find(|(place, _)| !carried || !found.contains(place)) {
        Some((_, platform)) => Err(Error::new(Check::PlatformAbsent, platform)),
        None => Ok(()),
    }
}

impl Platform {
    /// Reads `os/architecture` or `os/architecture/variant` (PLATFORM-SYNTAX).
    pub fn parse(text: &str) -> Result<Self> {
        let mut parts = text.split('/').map(str::to_owned);
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(os), Some(architecture), variant, None)
                if !os.is_empty() && !architecture.is_empty() && variant.as_deref() != Some("") =>
            {
                Ok(Self { os, architecture, variant })
            }
            _ => Err(Error::new(Check::PlatformSyntax, text)),
        }
    }

    /// Without a variant it means any. `arm64` has one variant, which many leave unsaid.
    pub(super) fn fits(&self, os: &str, architecture: &str, variant: Option<&str>) -> bool {
        let variant = variant.or((architecture == "arm64").then_some("v8"));
        self.os == os
            && self.architecture == architecture
            && (self.variant.is_none() || self.variant.as_deref() == variant)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

impl fmt::Display for Row {
    /// `index: amd64 arm64, 1 not carried`, or `attestation spdxjson, index: amd64 arm64`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(what) = &self.what {
            write!(f, "{what}, ")?;
        }
        f.write_str(if self.is_index { "index:" } else { "image:" })?;
        for platform in &self.platforms {
            write!(f, " {platform}")?;
        }
        match (self.platforms.is_empty(), self.unseen) {
            (true, 0) => f.write_str(" no platform"),
            (_, 0) => Ok(()),
            (true, unseen) => write!(f, " {unseen} not carried"),
            (false, unseen) => write!(f, ", {unseen} not carried"),
        }
    }
}

/// The blob of the empty descriptor (image-spec, manifest.md "Guidance for an Empty Descriptor").
const EMPTY: &[u8] = b"{}";
/// Names listed in an error message.
const LISTED: usize = 10;
