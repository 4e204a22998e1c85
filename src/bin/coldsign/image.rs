//! One image that a command is about; `triangulate`: where cosign keeps what stands beside it.

use std::path::Path;

use coldsign::digest::Digest;
use coldsign::error::Result;
use coldsign::format::reference::Reference;
use coldsign::terminal::{Console, shown};
use coldsign::transfer::source::{Location, Source};
use coldsign::transfer::store::{Beside, Places as _};

use crate::cli::{Kind, Triangulate};
use crate::registry::Registries;
use crate::station::{self, Station};

/// The digest of an image that was named. Where the name says it nothing is asked for; a tag is resolved once.
pub(crate) fn digest(source: &Source, registries: &Registries) -> Result<Digest> {
    if let Some(digest) = source.reference().and_then(Reference::digest) {
        return Ok(digest);
    }
    Ok(registries.open(source.location())?.pick(source.name())?.descriptor.digest)
}

/// What an image is called by its digest: `registry/repository@sha256:…`, `oci:DIR@sha256:…`.
pub(crate) fn by_digest(location: &Location, digest: &Digest) -> String {
    format!("{location}@{digest}")
}

/// Prints a name that other tools take.
pub(crate) fn triangulate(args: &Triangulate, console: &mut dyn Console) -> Result<()> {
    let source = Source::parse(&args.image, Path::new(""))?;
    let signatures = station::signature_repository(args.beside.signature_repository.as_ref())?;
    let station = Station::open(&args.network, None)?;
    let digest = digest(&source, station.registries())?;
    let place = match source.location() {
        Location::Registry(repository) => {
            Location::Registry(signatures.unwrap_or_else(|| repository.clone()))
        }
        layout => layout.clone(),
    };
    console.show(&shown(&name(&place, args.kind, &digest)))
}

/// What stands beside an image is named by a tag that is made of its digest.
fn name(place: &Location, kind: Kind, digest: &Digest) -> String {
    let beside = match kind {
        Kind::Signature => Beside::Signatures,
        Kind::Attestation => Beside::Attestations,
        Kind::Sbom => Beside::Sboms,
        Kind::Digest => return by_digest(place, digest),
    };
    format!("{place}:{}", beside.tag(digest))
}
