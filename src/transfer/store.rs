//! Where images and their signatures live: a layout, or one repository of a registry.
//!
//! Three answers are kept apart everywhere: what was asked for, `None` where it is absent, and an error where it is
//! broken or cannot be reached. Whoever asked for a thing decides whether its absence is an error.

use std::sync::Arc;

use super::entries::Picked;
use super::flow::Flow;
use super::source::Location;
use crate::digest::Digest;
use crate::error::Result;
use crate::format::evidence::Descriptor;
use crate::format::reference::{Repository, Target};

/// What cosign keeps beside an image under a tag that is made of the image's digest (cosign, `SIGNATURE_SPEC`,
/// "Discovery").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Beside {
    /// Signatures: `sha256-<hex>.sig`.
    Signatures,
    /// Attestations: `sha256-<hex>.att`.
    Attestations,
    /// Software bills of materials, unsigned: `sha256-<hex>.sbom`.
    Sboms,
}

impl Beside {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Signatures, Self::Attestations, Self::Sboms];

    /// What the tag ends with, as it stands on the screen: `.sig`, `.att`, `.sbom`.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Signatures => ".sig",
            Self::Attestations => ".att",
            Self::Sboms => ".sbom",
        }
    }

    /// The tag of this kind of a digest: `sha256-<hex>.sig` and so on.
    #[must_use]
    pub fn tag(self, subject: &Digest) -> String {
        format!("sha256-{}{}", subject.hex(), self.suffix())
    }
}

/// A layout, or one repository of a registry, to be read.
///
/// Every byte that comes back was hashed on this read and has the digest that was asked for; manifests and blobs are
/// at most [`crate::limits::MANIFEST`] bytes (BLOB-SIZE beyond). Image layers are never asked for.
pub trait Store: Send + Sync {
    /// What a tag names, or the descriptor of a manifest named by digest. `None`: no such tag or manifest.
    fn resolve(&self, target: &Target) -> Result<Option<Descriptor>>;

    /// The bytes of a manifest.
    fn manifest(&self, digest: &Digest) -> Result<Option<Vec<u8>>>;

    /// The bytes of a config, payload or bundle.
    fn blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>>;

    /// The manifests that stand beside `subject` under its tag of this kind, the one that a new layer is merged into
    /// first. A registry has one at most; a layout may hold one for each of several repositories.
    fn beside(&self, kind: Beside, subject: &Digest) -> Result<Vec<Descriptor>> {
        Ok(self.resolve(&Target::Tag(kind.tag(subject)))?.into_iter().collect())
    }

    /// The manifests whose `subject` is this digest (OCI distribution-spec, "Listing Referrers"), ascending by digest.
    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>>;
}

/// A [`Store`] that images are picked from: a layout, or one repository of a registry.
pub trait Place: Store {
    /// The image that `name` picks: in a layout a name, tag or digest, in a repository a tag or digest. `None`: the
    /// only one there is.
    ///
    /// Errors: IMAGE-ABSENT, IMAGE-AMBIGUOUS, REFERENCE-BARE for a repository without a name.
    fn pick(&self, name: Option<&str>) -> Result<Picked>;

    /// What it is called in messages.
    fn place(&self) -> &str;

    /// What a person should know about it.
    fn warnings(&self) -> Vec<String>;

    /// TAG-CHANGED: `name` still picks this image. A layout is not changed while it is read.
    fn check_tag_changed(&self, name: Option<&str>, picked: &Picked) -> Result<()>;
}

/// Everything that images can be read from.
pub trait Places: Send + Sync {
    /// Opens a place. A layout is opened once; a repository remembers what was read of it as long as it is held.
    fn open(&self, location: &Location) -> Result<Arc<dyn Place + '_>>;
}

/// A [`Store`] that takes signatures. Writes are idempotent: what stands there already is left as it is.
pub trait Sink: Store {
    /// Puts a config, payload or bundle.
    fn put_blob(&self, bytes: &[u8]) -> Result<()>;

    /// Puts a manifest beside `subject` under its tag of this kind, in place of the one that stood there. The blobs that
    /// it names were put before.
    fn put_beside(&self, kind: Beside, subject: &Descriptor, manifest: &ManifestToPut<'_>) -> Result<()>;

    /// Puts a manifest whose `subject` is `subject`, so that [`Store::referrers`] finds it. The blobs that it names
    /// were put before.
    fn put_referrer(&self, subject: &Descriptor, manifest: &ManifestToPut<'_>) -> Result<()>;
}

/// Everything that a response can be imported into: a registry's repositories, or one layout that stands for all.
pub trait Destinations: Send + Sync {
    /// The place of one repository.
    fn repository<'a>(&'a self, repository: &Repository) -> Result<Box<dyn Sink + 'a>>;

    /// Whether anything may be written there, found out before the first write. INTERRUPTED after a stop of `flow`.
    fn check_writable(&self, repositories: &[&Repository], flow: Flow<'_>) -> Result<()>;

    /// Whether what is put is seen by everybody at once, and tags are those of the repository: so it is in a registry.
    /// A layout stands for every repository, and shows what was put into it after [`Destinations::finish`].
    fn is_live(&self) -> bool {
        true
    }

    /// Makes durable and visible what was put; says whether anything changed. Nothing may be reported as done before.
    fn finish(&self) -> Result<bool>;

    /// Waits until a writer who read before our last PUT has written as well (docs/registries.md, "Two writers"), so
    /// that reading again shows what stays. False, at once, where nobody else can write: what is read then is final.
    fn settle(&self) -> Result<bool>;
}

/// A manifest on its way to a [`Sink`].
#[derive(Clone, Copy)]
pub struct ManifestToPut<'a> {
    /// The manifest's bytes, put as they are.
    pub bytes: &'a [u8],
    /// Its media type.
    pub media_type: &'a str,
    /// Its `artifactType`, if it has one.
    pub artifact_type: Option<&'a str>,
}

impl ManifestToPut<'_> {
    /// Its descriptor.
    #[must_use]
    pub fn descriptor(&self) -> Descriptor {
        Descriptor::of(self.media_type, self.bytes)
    }
}

impl<S: Store + ?Sized> Store for &S {
    fn resolve(&self, target: &Target) -> Result<Option<Descriptor>> {
        (**self).resolve(target)
    }

    fn manifest(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        (**self).manifest(digest)
    }

    fn blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        (**self).blob(digest)
    }

    fn beside(&self, kind: Beside, subject: &Digest) -> Result<Vec<Descriptor>> {
        (**self).beside(kind, subject)
    }

    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>> {
        (**self).referrers(subject)
    }
}

impl<S: Sink + ?Sized> Sink for &S {
    fn put_blob(&self, bytes: &[u8]) -> Result<()> {
        (**self).put_blob(bytes)
    }

    fn put_beside(&self, kind: Beside, subject: &Descriptor, manifest: &ManifestToPut<'_>) -> Result<()> {
        (**self).put_beside(kind, subject, manifest)
    }

    fn put_referrer(&self, subject: &Descriptor, manifest: &ManifestToPut<'_>) -> Result<()> {
        (**self).put_referrer(subject, manifest)
    }
}
