//! Blobs of any size, as streams: an image's layers are copied without ever being held, and hashed on their way.

use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::{Digest as _, Sha256};

use super::store::{ManifestToPut, Place, Sink};
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::evidence::Descriptor;
use crate::format::reference::Repository;

/// A [`Place`] whose blobs can be read as streams.
pub trait Layers: Place {
    /// Opens a blob to be read from its start. `None`: not there. Nothing of it is hashed yet ([`Checked`] does that),
    /// and an error of ours may be inside the I/O error of a read ([`broken`]).
    fn layer(&self, layer: &Descriptor) -> Result<Option<Box<dyn Read + Send + '_>>>;
}

/// A [`Sink`] that takes whole images.
pub trait LayerSink: Sink {
    /// Whether a blob is there.
    fn has_layer(&self, layer: &Descriptor) -> Result<bool>;

    /// Puts a blob, which may be had from `mount`, another repository of the same registry. Nothing has its name before it
    /// is whole.
    fn put_layer(&self, layer: &Descriptor, content: &dyn Content, mount: Option<&Repository>)
    -> Result<Put>;

    /// Puts a manifest by its digest. Everything that it names was put before.
    fn put_manifest(&self, manifest: &ManifestToPut<'_>) -> Result<()>;

    /// Lets a tag, or the name of an entry, name a manifest that was put; `None` gives it an entry without a name where
    /// there are entries.
    fn put_name(&self, manifest: &ManifestToPut<'_>, name: Option<&str>) -> Result<()>;

    /// Makes what was put durable, and visible where it was not.
    fn finish_copy(&self) -> Result<()>;

    /// Waits until another writer's change would show; false where there can be none.
    fn settle_copy(&self) -> Result<bool>;
}

/// How a blob came to its destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// Its bytes were sent.
    Sent,
    /// The registry took it from another of its repositories.
    Mounted,
}

/// The bytes of a blob, to be read as often as it has to be sent.
pub trait Content: Sync {
    /// Opens it. What comes out has the size and the digest of its descriptor, or ends in an error before its last byte.
    fn open(&self) -> Result<Box<dyn Read + '_>>;
}

/// A stream that gives exactly the bytes of a descriptor: its last bytes are held back until all of them hash to the
/// digest. Whoever reads to the end has the blob; whoever does not has an error, and never a blob of a wrong digest.
pub struct Checked<'a, R> {
    inner: R,
    layer: &'a Descriptor,
    left: u64,
    hash: Option<Sha256>,
    stop: &'a AtomicBool,
    progress: &'a (dyn Fn(u64) + Sync),
}

impl<'a, R: Read> Checked<'a, R> {
    /// Reads `inner` as `layer`, tells `progress` how many bytes came, and ends early after `stop`. LAYER-DIGEST for an
    /// empty one that is not.
    pub fn new(
        inner: R,
        layer: &'a Descriptor,
        stop: &'a AtomicBool,
        progress: &'a (dyn Fn(u64) + Sync),
    ) -> Result<Self> {
        let hash = Some(Sha256::new());
        let mut checked = Self { inner, layer, left: layer.size, hash, stop, progress };
        if layer.size == 0 {
            checked.check_layer_digest().map_err(broken)?;
        }
        Ok(checked)
    }

    /// LAYER-DIGEST: a blob has the size and the digest of its descriptor.
    fn check_layer_digest(&mut self) -> io::Result<()> {
        let refuse = |found: String| {
            let error = Error::new(Check::LayerDigest, self.layer.digest).detail(found);
            io::Error::other(error.detail("nothing has its name at the destination"))
        };
        if self.left > 0 {
            return Err(refuse(format!(
                "ends after {} of {} bytes",
                self.layer.size - self.left,
                self.layer.size
            )));
        }
        if read_some(&mut self.inner, &mut [0])? > 0 {
            return Err(refuse(format!("more than the {} bytes of its descriptor", self.layer.size)));
        }
        let found = Digest::from_bytes(self.hash.take().unwrap_or_default().finalize().into());
        if found == self.layer.digest { Ok(()) } else { Err(refuse(format!("found {found}"))) }
    }
}

impl<R: Read> Read for Checked<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 || buffer.is_empty() {
            return Ok(0);
        }
        if self.stop.load(Ordering::Relaxed) {
            return Err(io::Error::other(Error::new(Check::Interrupted, self.layer.digest)));
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let buffer = buffer.get_mut(..most).unwrap_or_default();
        let count = read_some(&mut self.inner, buffer)?;
        if let (Some(hash), Some(bytes)) = (&mut self.hash, buffer.get(..count)) {
            hash.update(bytes);
        }
        let read = u64::try_from(count).unwrap_or(u64::MAX);
        self.left = self.left.saturating_sub(read);
        if self.left == 0 || count == 0 {
            self.check_layer_digest()?;
        }
        (self.progress)(read);
        Ok(count)
    }
}

/// What broke a stream: the error of ours that is inside, else FILE-READ.
#[must_use]
pub fn broken(error: io::Error) -> Error {
    error.downcast().unwrap_or_else(|error| Error::new(Check::FileRead, "").caused_by(error))
}

fn read_some(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match from.read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    /// What comes out, and the check that ended it.
    fn read(bytes: &[u8], layer: &Descriptor, stop: bool) -> (Vec<u8>, Option<Check>) {
        let (stop, seen) = (AtomicBool::new(stop), AtomicU64::new(0));
        let progress = |count| {
            seen.fetch_add(count, Ordering::Relaxed);
        };
        let mut out = Vec::new();
        let mut checked = match Checked::new(bytes, layer, &stop, &progress) {
            Ok(checked) => checked,
            Err(error) => return (out, Some(error.check())),
        };
        let ended = checked.read_to_end(&mut out).map_err(|error| broken(error).check()).err();
        assert_eq!(usize::try_from(seen.into_inner()), Ok(out.len()));
        (out, ended)
    }

    #[test]
    fn the_last_bytes_come_when_all_are_right() {
        let bytes: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let layer = Descriptor::of("x", &bytes);
        assert_eq!(read(&bytes, &layer, false), (bytes.clone(), None));
        let mut altered = bytes.clone();
        altered[7] ^= 1;
        let longer = [bytes.as_slice(), b"x"].concat();
        for wrong in [altered.as_slice(), &bytes[..bytes.len() - 1], &longer, b""] {
            let (out, ended) = read(wrong, &layer, false);
            assert_eq!(ended, Some(Check::LayerDigest));
            assert!(out.len() < bytes.len(), "a blob of a wrong digest can be finished");
        }
        assert_eq!(read(&bytes, &layer, true), (Vec::new(), Some(Check::Interrupted)));
    }

    #[test]
    fn nothing_is_a_blob_too() {
        let empty = Descriptor::of("x", b"");
        assert_eq!(read(b"", &empty, false), (Vec::new(), None));
        assert_eq!(read(b"x", &empty, false).1, Some(Check::LayerDigest));
        let lie = Descriptor { digest: Digest::of(b"x"), ..empty };
        assert_eq!(read(b"", &lie, false).1, Some(Check::LayerDigest));
    }
}
