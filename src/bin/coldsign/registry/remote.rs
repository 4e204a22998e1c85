//! One repository of a registry.

use coldsign::digest::Digest;
use coldsign::error::Result;
use coldsign::format::evidence::Descriptor;
use coldsign::format::reference::{Repository, Target};
use coldsign::transfer::entries::Picked;
use coldsign::transfer::store::{ManifestToPut, Place, Sink, Store};

use super::Registries;

/// One repository, for as long as one image of it is looked at: what was read is not asked for again.
pub(crate) struct Remote<'a> {
    registries: &'a Registries,
    repository: Repository,
}

impl<'a> Remote<'a> {
    pub(crate) fn new(registries: &'a Registries, repository: &Repository) -> Self {
        Self { registries, repository: repository.clone() }
    }
}

impl Store for Remote<'_> {
    fn resolve(&self, target: &Target) -> Result<Option<Descriptor>> {
        unimplemented!("{target:?}")
    }

    fn manifest(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        unimplemented!("{digest}")
    }

    fn blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        unimplemented!("{digest}")
    }

    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>> {
        unimplemented!("{subject}")
    }
}

impl Sink for Remote<'_> {
    fn put_blob(&self, bytes: &[u8]) -> Result<()> {
        unimplemented!("{}", bytes.len())
    }

    fn put_signatures(&self, subject: &Descriptor, manifest: &ManifestToPut<'_>) -> Result<()> {
        unimplemented!("{subject:?} {}", manifest.media_type)
    }

    fn put_referrer(&self, subject: &Descriptor, manifest: &ManifestToPut<'_>) -> Result<()> {
        unimplemented!("{subject:?} {}", manifest.media_type)
    }
}

impl Place for Remote<'_> {
    fn pick(&self, name: Option<&str>) -> Result<Picked> {
        unimplemented!("{name:?}")
    }

    fn place(&self) -> &str {
        unimplemented!("{} {:p}", self.repository, self.registries)
    }

    fn warnings(&self) -> Vec<String> {
        Vec::new()
    }

    fn check_tag_changed(&self, name: Option<&str>, picked: &Picked) -> Result<()> {
        unimplemented!("{name:?} {picked:?}")
    }
}
