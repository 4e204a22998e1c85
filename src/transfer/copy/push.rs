//! Putting a copy where manifests and blobs are put one by one: a registry's repository, a layout directory.

use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::{Done, Plan, Planned, Role, Tally, Ways, open};
use crate::check::Check;
use crate::error::{Error, Result};
use crate::format::evidence::Descriptor;
use crate::format::reference::{Repository, Target};
use crate::limits;
use crate::transfer::attached::How;
use crate::transfer::flow::Flow;
use crate::transfer::layers::{Checked, Content, LayerSink, Layers, Put, broken};
use crate::transfer::merge::{United, unite};
use crate::transfer::store::{Beside, ManifestToPut};

/// DESTINATION-TAKEN: the name at the destination is free, or names the image already, unless it may be taken.
pub fn check_destination_taken(to: &dyn LayerSink, top: &Descriptor, ways: &Ways<'_>) -> Result<()> {
    let Some(name) = ways.name.filter(|_| !ways.force) else { return Ok(()) };
    match to.resolve(&Target::Tag(name.to_owned()))? {
        Some(there) if there.digest != top.digest => Err(Error::new(Check::DestinationTaken, name)
            .detail(format!("it is {}", there.digest))
            .detail(format!("not {}", top.digest))
            .hint("--force lets it name the copy")),
        _ => Ok(()),
    }
}

impl Plan {
    /// Puts everything, the name last. One blob's failure does not stop the others, and no manifest is put after it.
    pub fn push(
        &self,
        source: &dyn Layers,
        to: &dyn LayerSink,
        ways: &Ways<'_>,
        flow: Flow<'_>,
        tally: &Tally,
    ) -> Result<Done> {
        self.push_blobs(source, to, ways, flow, tally)?;
        let mut done = Done::default();
        for manifest in self.manifests.iter().filter(|manifest| manifest.role == Role::Part) {
            flow.check_interrupted().map_err(|error| error.detail(tally.of(self.blobs.len())))?;
            if to.resolve(&Target::Digest(manifest.descriptor.digest))?.is_some() {
                done.there += 1;
            } else {
                to.put_manifest(&manifest.to_put())?;
                done.put += 1;
            }
        }
        self.push_beside(to, ways, flow, &mut done)?;
        if let Some(top) =
            self.manifests.iter().rfind(|manifest| manifest.descriptor.digest == self.top.digest)
            && self.image
        {
            flow.check_interrupted().map_err(|error| error.detail("everything was put but the name"))?;
            to.put_name(&top.to_put(), ways.name)?;
        }
        to.finish_copy()?;
        Ok(done)
    }

    fn push_blobs(
        &self,
        source: &dyn Layers,
        to: &dyn LayerSink,
        ways: &Ways<'_>,
        flow: Flow<'_>,
        tally: &Tally,
    ) -> Result<()> {
        let work = |blob: &Descriptor| {
            let progress = |count| tally.add_bytes(count);
            let blob = Blob { source, descriptor: blob, stop: flow.stop, progress: &progress };
            blob.put(to, ways.mount, tally)
        };
        let mut failed: Vec<Error> = Vec::new();
        flow.run(&self.blobs, work, |_, result| failed.extend(result.err()));
        // What was interrupted says less than what went wrong.
        failed.sort_by_key(|error| error.check() == Check::Interrupted);
        let count = failed.len();
        let mut failed = failed.into_iter();
        let Some(first) = failed.next() else { return Ok(()) };
        let mut error = first.detail(format!("{}; no manifest was put", tally.of(self.blobs.len())));
        for other in failed.filter(|other| other.check() != Check::Interrupted).take(NAMED) {
            error = error.detail(format!("also {other}"));
        }
        if count > NAMED + 1 {
            error = error.detail(format!("{count} blobs are not there"));
        }
        Err(error.hint("the same command again goes on from here"))
    }

    /// Puts what stands beside the image, until a look shows that all of it stays (docs/registries.md, "Two writers").
    fn push_beside(
        &self,
        to: &dyn LayerSink,
        ways: &Ways<'_>,
        flow: Flow<'_>,
        done: &mut Done,
    ) -> Result<()> {
        for round in 0..=limits::SETTLE_ROUNDS {
            let mut changed = Vec::new();
            for manifest in &self.manifests {
                let Role::Beside(how, subject) = &manifest.role else { continue };
                if round == 0 {
                    flow.check_interrupted()
                        .map_err(|error| error.detail("the image was put, without its name"))?;
                }
                let merged = match how {
                    How::Tag(kind) => put_beside(to, *kind, subject, manifest, ways.force),
                    How::Referrer => put_referrer(to, subject, manifest),
                };
                let merged = merged.map_err(|error| match how.tag(&subject.digest) {
                    Some(tag) => error.within(tag),
                    None => error,
                })?;
                match merged {
                    Stands::Already if round == 0 => done.there += 1,
                    Stands::Already => {}
                    other => {
                        changed.push(manifest.descriptor.digest);
                        if round == 0 {
                            done.put += 1;
                            done.merged += usize::from(other == Stands::Merged);
                        }
                    }
                }
            }
            if changed.is_empty() || !to.settle_copy()? {
                return Ok(());
            }
            if round == limits::SETTLE_ROUNDS {
                let error = Error::new(Check::PushLost, "");
                return Err(changed.iter().take(NAMED).fold(error, Error::detail));
            }
        }
        Ok(())
    }
}

/// How a manifest came to stand beside an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stands {
    Already,
    Put,
    Merged,
}

fn put_beside(
    to: &dyn LayerSink,
    kind: Beside,
    subject: &Descriptor,
    manifest: &Planned,
    force: bool,
) -> Result<Stands> {
    let there = to.beside(kind, &subject.digest)?;
    let Some(there) = there.first() else {
        to.put_beside(kind, subject, &manifest.to_put())?;
        return Ok(Stands::Put);
    };
    if there.digest == manifest.descriptor.digest {
        return Ok(Stands::Already);
    }
    if kind == Beside::Sboms {
        check_sbom_taken(there, manifest, force)?;
        to.put_beside(kind, subject, &manifest.to_put())?;
        return Ok(Stands::Put);
    }
    let bytes =
        to.manifest(&there.digest)?.ok_or_else(|| Error::new(Check::DestinationBroken, there.digest))?;
    let incoming = (manifest.descriptor.media_type.as_str(), manifest.bytes.as_slice());
    match unite(kind, (&there.media_type, &bytes), incoming)? {
        United::Standing => Ok(Stands::Already),
        United::Incoming => {
            to.put_beside(kind, subject, &manifest.to_put())?;
            Ok(Stands::Put)
        }
        United::Merged(merged) => {
            to.put_blob(&merged.config)?;
            let (bytes, media_type) = (&merged.manifest, &merged.media_type);
            to.put_beside(kind, subject, &ManifestToPut { bytes, media_type, artifact_type: None })?;
            Ok(Stands::Merged)
        }
    }
}

/// DESTINATION-TAKEN: there is one bill of materials; another one is not written over.
fn check_sbom_taken(there: &Descriptor, manifest: &Planned, force: bool) -> Result<()> {
    if force {
        return Ok(());
    }
    Err(Error::new(Check::DestinationTaken, "")
        .detail(format!("it is {}", there.digest))
        .detail(format!("not {}", manifest.descriptor.digest))
        .hint("--force replaces it, --only leaves it out"))
}

fn put_referrer(to: &dyn LayerSink, subject: &Descriptor, manifest: &Planned) -> Result<Stands> {
    let there = to.referrers(&subject.digest)?;
    if there.iter().any(|known| known.digest == manifest.descriptor.digest) {
        return Ok(Stands::Already);
    }
    to.put_referrer(subject, &manifest.to_put())?;
    Ok(Stands::Put)
}

impl Planned {
    fn to_put(&self) -> ManifestToPut<'_> {
        ManifestToPut {
            bytes: &self.bytes,
            media_type: &self.descriptor.media_type,
            artifact_type: self.artifact_type.as_deref(),
        }
    }
}

/// A blob on its way.
struct Blob<'a> {
    source: &'a dyn Layers,
    descriptor: &'a Descriptor,
    stop: &'a AtomicBool,
    progress: &'a (dyn Fn(u64) + Sync),
}

impl Content for Blob<'_> {
    fn open(&self) -> Result<Box<dyn Read + '_>> {
        let inner = open(self.source, self.descriptor)?;
        Ok(Box::new(Checked::new(inner, self.descriptor, self.stop, self.progress)?))
    }
}

impl Blob<'_> {
    /// Puts it, again from its start where a connection was lost on the way.
    fn put(&self, to: &dyn LayerSink, mount: Option<&Repository>, tally: &Tally) -> Result<()> {
        let mut tries = 0;
        loop {
            // Also after a try: its answer may be all that was lost.
            if to.has_layer(self.descriptor)? {
                Tally::add(if tries == 0 { &tally.there } else { &tally.sent });
                return Ok(());
            }
            let error = match to.put_layer(self.descriptor, self, mount) {
                Ok(Put::Sent) => {
                    Tally::add(&tally.sent);
                    return Ok(());
                }
                Ok(Put::Mounted) => {
                    Tally::add(&tally.mounted);
                    return Ok(());
                }
                Err(error) => error,
            };
            tries += 1;
            let most = match error.check() {
                Check::RegistryReach => TRIES,
                Check::RegistryAnswer => 2,
                _ => 1,
            };
            if tries >= most || self.stop.load(Ordering::Relaxed) {
                return Err(if tries > 1 { error.detail(format!("tried {tries} times")) } else { error });
            }
            thread::sleep(PAUSE * (1 << tries));
        }
    }
}

/// Reads a blob to its end into `out`, as LAYER-DIGEST demands.
pub(super) fn pour(
    source: &dyn Layers,
    blob: &Descriptor,
    stop: &AtomicBool,
    tally: &Tally,
    out: &mut dyn std::io::Write,
) -> Result<()> {
    let progress = |count| tally.add_bytes(count);
    let blob = Blob { source, descriptor: blob, stop, progress: &progress };
    let mut content = blob.open()?;
    let mut buffer = vec![0; BUFFER];
    loop {
        let count = content.read(&mut buffer).map_err(broken)?;
        let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
        out.write_all(bytes).map_err(|error| Error::new(Check::FileWrite, "").caused_by(error))?;
    }
    Tally::add(&tally.sent);
    Ok(())
}

/// Failures that are named beside the first.
const NAMED: usize = 9;
/// How often a blob is sent that a lost connection cuts off.
const TRIES: u32 = 4;
/// Half the pause before the second try; each further one is twice as long.
const PAUSE: Duration = Duration::from_millis(100);
/// Bytes that are held of a blob.
const BUFFER: usize = 128 * 1024;
