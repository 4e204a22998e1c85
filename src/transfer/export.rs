//! From what a person names to the images of a request: every manifest and config below them, read and hashed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use super::entries::Picked;
use super::layout::{Layout, blob_name};
use super::source::{Location, Source};
use super::store::Store as _;
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::evidence::{Child, Config, Descriptor, ImageManifest, Index, Manifest};
use crate::format::reference::{Destination, Identity, Reference, Target};
use crate::limits;
use crate::request::{Built, ImageSpec, Request};

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
    /// Where that was said, for messages: `images.txt:3`.
    pub place: Option<String>,
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
    blobs: BTreeMap<Digest, Vec<u8>>,
    rows: Vec<Row>,
    warnings: Vec<String>,
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
}

/// Reads every image of `wanted` from its layout; each layout is opened once.
///
/// Errors: those of sources; LIST-EMPTY, REFERENCE-*, IMAGE-*, PLATFORM-ABSENT, SOURCE-BLOB, SOURCE-ABSENT, EVIDENCE-*.
pub fn collect(wanted: &[Wanted], children: &Children) -> Result<Collected> {
    if wanted.is_empty() {
        return Err(Error::new(Check::ListEmpty, ""));
    }
    let mut collected = Collected::default();
    let mut layouts: HashMap<&Location, Layout> = HashMap::new();
    for image in wanted {
        let located = |error: Error| match &image.place {
            Some(place) => error.within(place),
            None => error,
        };
        let layout = match layouts.entry(image.source.location()) {
            std::collections::hash_map::Entry::Occupied(open) => open.into_mut(),
            std::collections::hash_map::Entry::Vacant(vacant) => {
                let layout = image.source.location().open().map_err(located)?;
                let warnings = layout.warnings().map(|warning| format!("{}: {warning}", layout.place()));
                collected.warnings.extend(warnings);
                vacant.insert(layout)
            }
        };
        collected.take(image, layout, children).map_err(located)?;
    }
    Ok(collected)
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

    /// The request for these images.
    pub fn build(self, note: Option<String>) -> Result<Built> {
        Request::build(self.images, self.blobs, note)
    }

    fn take(&mut self, image: &Wanted, layout: &Layout, children: &Children) -> Result<()> {
        let picked = layout.pick(image.source.name())?;
        let (destination, identity) = names(image, &picked)?;
        let subject = picked.descriptor;
        let mut walk = Walk {
            layout,
            children,
            blobs: &mut self.blobs,
            carried: HashMap::new(),
            platforms: Vec::new(),
            found: Vec::new(),
            unseen: HashSet::new(),
        };
        walk.top(&subject)?;
        let Walk { platforms, unseen, .. } = walk;
        let (digest, is_index) = (subject.digest, subject.is_index());
        let unseen = unseen.len();
        self.rows.push(Row { destination: destination.clone(), digest, is_index, platforms, unseen });
        self.images.push(ImageSpec {
            destination,
            identity,
            annotations: image.annotations.clone(),
            subject,
        });
        Ok(())
    }
}

/// Destination and identity: from `--as` and `--identity`, else from the layout.
fn names(image: &Wanted, picked: &Picked) -> Result<(Destination, Identity)> {
    let name = match (&image.name, picked.names.as_slice()) {
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
    layout: &'a Layout,
    children: &'a Children,
    blobs: &'a mut BTreeMap<Digest, Vec<u8>>,
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
            .map_err(|error| error.within(self.layout.place()))
    }

    /// Takes a manifest and what is below it, if it is wanted; says whether it is.
    fn visit(&mut self, descriptor: &Descriptor, child: Option<&Child>, depth: usize) -> Result<bool> {
        if let Some(carried) = self.carried.get(&descriptor.digest) {
            return Ok(*carried);
        }
        check_evidence_depth(depth, self.carried.len(), descriptor)?;
        // Set before its children are read: a manifest that names itself is not visited again.
        self.carried.insert(descriptor.digest, false);
        let bytes = self.read(&descriptor.digest)?.ok_or_else(|| self.absent(descriptor, child))?;
        let manifest =
            Manifest::parse(&bytes, descriptor).map_err(|error| error.within(self.layout.place()))?;
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
        let config = match self.read(&image.config.digest)? {
            Some(bytes) => bytes,
            None if image.config.digest == Digest::of(EMPTY) => EMPTY.to_vec(),
            None => return Err(self.absent(&image.config, child)),
        };
        let platform = match said {
            None if image.has_image_config() => {
                let config =
                    Config::parse(&config, image).map_err(|error| error.within(self.layout.place()))?;
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

    fn read(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        match self.blobs.get(digest) {
            Some(bytes) => Ok(Some(bytes.clone())),
            None => self.layout.blob(digest),
        }
    }

    /// SOURCE-ABSENT, with what a person can do about a child that the layout does not hold.
    fn absent(&self, descriptor: &Descriptor, child: Option<&Child>) -> Error {
        let error =
            Error::new(Check::SourceAbsent, blob_name(&descriptor.digest)).within(self.layout.place());
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
fn check_evidence_depth(depth: usize, visited: usize, descriptor: &Descriptor) -> Result<()> {
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
    fn fits(&self, os: &str, architecture: &str, variant: Option<&str>) -> bool {
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
    /// `index: amd64 arm64, 1 not carried`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
