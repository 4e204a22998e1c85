//! Copying images with what stands beside them, byte for byte.
//!
//! First everything small is read, so that what is named and not there is found before anything is written; then the
//! layers are streamed, many at once; then manifests, each after what it names; the name comes last. What is there is
//! left as it is: the same copy again completes one that was cut off.

mod archive;
mod plan;
mod push;

use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering};

use super::attached::How;
use super::layers::Layers;
use crate::check::Check;
use crate::error::{Error, Result};
use crate::format::evidence::Descriptor;
use crate::format::reference::Repository;
use crate::transfer::export::Platform;

pub use push::check_destination_taken;

/// What is carried.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The image itself, with all that it names.
    pub image: bool,
    /// What stands beside it, and beside all that it names.
    pub beside: Vec<How>,
    /// Of an index the image for this platform alone, which is then what is copied.
    pub platform: Option<Platform>,
}

/// A copy that was read as far as it is small: everything in it is there, but for layers.
#[derive(Debug)]
pub struct Plan {
    /// What is copied.
    pub top: Descriptor,
    /// Whether the image itself is carried.
    image: bool,
    /// The manifests, each after those that it names.
    manifests: Vec<Planned>,
    /// Configs and layers, each once, ascending by digest.
    blobs: Vec<Descriptor>,
    /// Layers that stay where their `urls` lead.
    elsewhere: usize,
}

/// A manifest on its way.
#[derive(Debug)]
struct Planned {
    descriptor: Descriptor,
    bytes: Vec<u8>,
    artifact_type: Option<String>,
    role: Role,
}

/// How a manifest stands at the destination.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Role {
    /// By its digest.
    Part,
    /// Beside this one.
    Beside(How, Descriptor),
}

/// The other ways of a copy.
#[derive(Clone, Copy, Debug)]
pub struct Ways<'a> {
    /// The name at the destination.
    pub name: Option<&'a str>,
    /// Whether a name may be taken from what has it.
    pub force: bool,
    /// Another repository of the destination's registry, where the layers are.
    pub mount: Option<&'a Repository>,
}

/// How far a copy came.
#[derive(Debug, Default)]
pub struct Tally {
    /// Bytes that were sent.
    pub bytes: AtomicU64,
    /// Blobs that were sent.
    pub sent: AtomicU64,
    /// Blobs that the registry took from another of its repositories.
    pub mounted: AtomicU64,
    /// Blobs that were there.
    pub there: AtomicU64,
}

/// What was done besides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Manifests that were put.
    pub put: usize,
    /// Manifests that were there.
    pub there: usize,
    /// Of those put, the ones that were merged into what stood there.
    pub merged: usize,
}

impl Plan {
    /// How many blobs are carried, and their bytes.
    #[must_use]
    pub fn blobs(&self) -> (usize, u64) {
        (self.blobs.len(), self.blobs.iter().map(|blob| blob.size).fold(0, u64::saturating_add))
    }

    /// How many manifests are carried: of the image and below it, and beside them.
    #[must_use]
    pub fn manifests(&self) -> (usize, usize) {
        let parts = self.manifests.iter().filter(|manifest| manifest.role == Role::Part).count();
        (parts, self.manifests.len() - parts)
    }

    /// How many layers stay where their `urls` lead.
    #[must_use]
    pub fn elsewhere(&self) -> usize {
        self.elsewhere
    }
}

impl Tally {
    fn add_bytes(&self, count: u64) {
        self.bytes.fetch_add(count, Ordering::Relaxed);
    }

    fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// `12 of 14 blobs are at the destination`
    fn of(&self, all: usize) -> String {
        let done = [&self.sent, &self.mounted, &self.there].map(|count| count.load(Ordering::Relaxed));
        format!("{} of {all} blobs are at the destination", done.iter().sum::<u64>())
    }
}

/// What is read of a source is told by its name.
fn at(source: &dyn Layers, error: Error) -> Error {
    let place = source.place();
    if error.at().contains(place) { error } else { error.within(place) }
}

/// A blob of a source, opened for each try.
fn open<'a>(source: &'a dyn Layers, layer: &Descriptor) -> Result<Box<dyn Read + Send + 'a>> {
    source
        .layer(layer)
        .and_then(|opened| check_layer_absent(opened, layer))
        .map_err(|error| at(source, error))
}

/// LAYER-ABSENT: a blob that a manifest names is there.
fn check_layer_absent<T>(opened: Option<T>, layer: &Descriptor) -> Result<T> {
    let absent = || {
        let error = Error::new(Check::LayerAbsent, layer.digest);
        error.detail(format!("{} bytes, {}", layer.size, layer.media_type))
    };
    opened.ok_or_else(absent)
}
