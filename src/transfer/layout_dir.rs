//! OCI layout directories: read as others write them, and written as cosign, skopeo and oras read them.
//!
//! Blobs get their name when they are whole; `index.json` is replaced in one step when everything that it names is on
//! the medium. A run that is cut off leaves blobs that nothing names yet, and the same run again completes it.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};

use walkdir::WalkDir;

use super::attached::Attached;
use super::clean::Removal;
use super::entries::{Entries, Entry, Kind};
use super::flow::Flow;
use super::layers::{Checked, Content, LayerSink, Put};
use super::layout::{Blobs, Layout, blob_name, check_blob_size};
use super::store::{Beside, Destinations, ManifestToPut, Sink, Store};
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::files;
use crate::format::evidence::Descriptor;
use crate::format::layout::OCI_LAYOUT;
use crate::format::reference::{Repository, Target};
use crate::limits;

/// Opens the layout in the directory `path` to read it.
///
/// Errors: FILE-READ, SOURCE-KIND where there is no `oci-layout`, and those of [`Layout::new`].
pub fn open(path: &Path) -> Result<Layout> {
    read(path).map(|(layout, _)| layout)
}

/// A layout directory that takes signatures.
pub struct LayoutDir {
    layout: Layout,
    folder: PathBuf,
    /// `index.json` as it was read: nobody else may have changed it when it is replaced.
    index: Vec<u8>,
    /// How many entries it had.
    entries_read: usize,
    /// Held while a blob is written, by the first byte of its digest: one blob is written by one thread.
    writing: [Mutex<()>; 16],
    changes: Mutex<Changes>,
}

#[derive(Default)]
struct Changes {
    /// `index.json` is to be replaced.
    index: bool,
    /// The subjects of manifests that were put, by the manifest's digest, and what it is beside them; `None` for a
    /// referrer.
    put: HashMap<Digest, (Descriptor, Option<Beside>)>,
    /// Blobs that were written and may not be on the medium yet.
    blobs: Vec<PathBuf>,
    /// How many of the entries that were read are gone.
    removed: usize,
    /// Manifests that are to go when nothing names them any more.
    gone: Vec<PathBuf>,
}

struct DirBlobs {
    folder: PathBuf,
}

fn read(path: &Path) -> Result<(Layout, Vec<u8>)> {
    let place = path.display().to_string();
    let metadata =
        fs::metadata(path).map_err(|error| Error::new(Check::FileRead, &place).caused_by(error))?;
    if !metadata.is_dir() {
        let error =
            Error::new(Check::SourceKind, &place).detail("a file, where a layout directory was expected");
        return Err(error.hint(format!("say oci-archive:{place}")));
    }
    let marker = path.join("oci-layout");
    if matches!(fs::metadata(&marker), Err(error) if error.kind() == io::ErrorKind::NotFound) {
        return Err(no_layout(path));
    }
    let document = u64::try_from(limits::DOCUMENT).unwrap_or(u64::MAX);
    let oci_layout = files::read(&marker, limits::KEY_FILE)?;
    let index = files::read(&path.join("index.json"), document)?;
    let layout = Layout::new(&place, &oci_layout, &index, Box::new(DirBlobs { folder: path.to_owned() }))?;
    Ok((layout, index))
}

/// SOURCE-KIND for a directory without `oci-layout`; says where one was found below it.
fn no_layout(path: &Path) -> Error {
    let error = Error::new(Check::SourceKind, path.display()).detail("no oci-layout in it");
    let below =
        WalkDir::new(path).min_depth(2).max_depth(3).into_iter().take(LOOKED_AT).filter_map(Result::ok);
    let below = below.into_iter().find(|entry| entry.file_name() == "oci-layout");
    match below.as_ref().and_then(|entry| entry.path().parent()) {
        Some(folder) => error.hint(format!("a layout is in {}", folder.display())),
        None => error,
    }
}

impl Blobs for DirBlobs {
    fn read(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        let path = self.folder.join(blob_name(digest));
        match fs::metadata(&path) {
            Ok(metadata) => check_blob_size(digest, metadata.len())?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::new(Check::FileRead, blob_name(digest)).caused_by(error)),
        }
        files::read(&path, u64::try_from(limits::MANIFEST).unwrap_or(u64::MAX)).map(Some)
    }

    fn open(&self, digest: &Digest) -> Result<Option<Box<dyn Read + Send>>> {
        let path = self.folder.join(blob_name(digest));
        match files::open_regular(&path) {
            Ok(file) => Ok(Some(Box::new(file))),
            Err(_) if matches!(fs::metadata(&path), Err(error) if error.kind() == io::ErrorKind::NotFound) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn small(&self) -> Result<Vec<Digest>> {
        let mut small = Vec::new();
        let folder = self.folder.join("blobs").join("sha256");
        for entry in WalkDir::new(folder).min_depth(1).max_depth(1).follow_links(true) {
            // What cannot be looked at is found broken when it is asked for by name.
            let Ok(entry) = entry else { continue };
            let digest = entry.file_name().to_str().and_then(|name| Digest::parse_hex(name).ok());
            let size = entry.metadata().ok().filter(fs::Metadata::is_file).map(|metadata| metadata.len());
            if let (Some(digest), Some(size)) = (digest, size)
                && check_blob_size(&digest, size).is_ok()
            {
                small.push(digest);
            }
        }
        Ok(small)
    }
}

impl LayoutDir {
    /// Opens the layout in the directory `path` to put signatures into it. Nothing is written yet.
    pub fn open(path: &Path) -> Result<Self> {
        let (layout, index) = read(path)?;
        let entries_read = layout.entries().count();
        Ok(Self {
            layout,
            folder: path.to_owned(),
            index,
            entries_read,
            writing: Default::default(),
            changes: Mutex::default(),
        })
    }

    /// As [`LayoutDir::open`]; where nothing is, or an empty directory, an empty layout is made first.
    pub fn open_or_create(path: &Path) -> Result<Self> {
        let refuse = |error: io::Error| {
            Error::new(Check::FileWrite, path.display()).detail("nothing was written").caused_by(error)
        };
        let is_empty = match fs::read_dir(path) {
            Ok(mut entries) => entries.next().is_none(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(_) => false, // what it is instead, reading it says
        };
        if is_empty {
            fs::create_dir_all(path.join("blobs").join("sha256")).map_err(refuse)?;
            files::create(&path.join("index.json"), 0o644, EMPTY_INDEX)?;
            // Last: without it nobody takes the directory for a layout.
            files::create(&path.join("oci-layout"), 0o644, OCI_LAYOUT)?;
        }
        Self::open(path)
    }

    /// The layout, to read it.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    fn changes(&self) -> MutexGuard<'_, Changes> {
        self.changes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, digest: &Digest, bytes: &[u8]) -> Result<()> {
        let path = self.folder.join(blob_name(digest));
        let [first, ..] = digest.as_bytes();
        let stripe = self.writing.get(usize::from(first % 16)).map(Mutex::lock);
        let _held = stripe.map(|lock| lock.unwrap_or_else(PoisonError::into_inner));
        // A blob that power loss left empty is no blob: only the right bytes count as there.
        if fs::metadata(&path).is_ok_and(|metadata| u64::try_from(bytes.len()) == Ok(metadata.len()))
            && fs::read(&path).is_ok_and(|there| there == bytes)
        {
            return Ok(());
        }
        let broken = |error: io::Error| {
            Error::new(Check::FileWrite, path.display())
                .detail("index.json is as it was: nothing names what was written so far")
                .caused_by(error)
        };
        let partial = self.folder.join(format!(".coldsign-{}.partial", digest.hex()));
        let written = File::create(&partial).and_then(|mut file| file.write_all(bytes));
        if let Err(error) = written.and_then(|()| fs::rename(&partial, &path)) {
            // On a full disk what stays would be in the way of the next run.
            let _ = fs::remove_file(&partial);
            return Err(broken(error));
        }
        self.changes().blobs.push(path);
        Ok(())
    }

    /// Puts what was added in an order that does not depend on who came first: by the place of its subject, `.sig` and
    /// `.att` before referrers.
    fn settle(&self, entries: &mut Entries, changes: &Changes) {
        let places: HashMap<Digest, usize> = changes
            .put
            .values()
            .filter_map(|(subject, _)| Some((subject.digest, entries.place(&subject.digest)?)))
            .collect();
        let place = |subject: &Digest| places.get(subject).copied().unwrap_or(usize::MAX);
        entries.sort_from(self.entries_read.saturating_sub(changes.removed), |entry| {
            let digest = entry.descriptor().map(|descriptor| descriptor.digest);
            let put = digest.and_then(|digest| changes.put.get(&digest));
            put.map(|(subject, kind)| (place(&subject.digest), subject.digest, kind.is_none(), *kind, digest))
        });
        let mut signed: Vec<(&Descriptor, Option<&Digest>)> = changes
            .put
            .iter()
            .map(|(manifest, (subject, kind))| {
                (subject, (*kind == Some(Beside::Signatures)).then_some(manifest))
            })
            .collect();
        signed.sort_by_key(|(subject, sig)| {
            (place(&subject.digest), subject.digest, sig.is_none(), sig.copied())
        });
        mark(entries, &signed);
        mark_attestations(entries, &changes.put);
    }
}

impl LayerSink for LayoutDir {
    /// By its bytes: a name that power loss left on other ones is no blob.
    fn has_layer(&self, layer: &Descriptor) -> Result<bool> {
        let path = self.folder.join(blob_name(&layer.digest));
        if !fs::metadata(&path).is_ok_and(|metadata| metadata.is_file() && metadata.len() == layer.size) {
            return Ok(false);
        }
        let file = files::open_regular(&path)?;
        let (on, untold) = (AtomicBool::new(false), |_| {});
        let Ok(mut checked) = Checked::new(file, layer, &on, &untold) else { return Ok(false) };
        Ok(io::copy(&mut checked, &mut io::sink()).is_ok())
    }

    fn put_layer(&self, layer: &Descriptor, content: &dyn Content, _: Option<&Repository>) -> Result<Put> {
        let path = self.folder.join(blob_name(&layer.digest));
        let partial = self.folder.join(format!(".coldsign-{}.partial", layer.digest.hex()));
        let broken = |error: io::Error| match error.downcast::<Error>() {
            Ok(own) => own,
            Err(error) => Error::new(Check::FileWrite, path.display())
                .detail("index.json is as it was: nothing names what was written so far")
                .caused_by(error),
        };
        let mut content = content.open()?;
        let mut file =
            File::options().write(true).create(true).truncate(false).open(&partial).map_err(broken)?;
        if matches!(file.try_lock(), Err(fs::TryLockError::WouldBlock)) {
            return Err(Error::new(Check::FileWrite, partial.display())
                .detail("another program is writing it at this moment"));
        }
        let written = file
            .set_len(0)
            .and_then(|()| io::copy(&mut content, &mut file))
            .and_then(|_| fs::rename(&partial, &path));
        if let Err(error) = written {
            let _ = fs::remove_file(&partial);
            return Err(broken(error));
        }
        self.changes().blobs.push(path.clone());
        Ok(Put::Sent)
    }

    fn put_manifest(&self, manifest: &ManifestToPut<'_>) -> Result<()> {
        self.put(&manifest.descriptor().digest, manifest.bytes)
    }

    /// The entry that has the name goes, where it is of another image. cosign's `kind` is set where no other image has it.
    fn put_name(&self, manifest: &ManifestToPut<'_>, name: Option<&str>) -> Result<()> {
        let descriptor = manifest.descriptor();
        let mut changes = self.changes();
        let mut entries = self.layout.entries_mut();
        let digest = descriptor.digest;
        let is = |entry: &Entry| entry.descriptor().is_some_and(|known| known.digest == digest);
        let is_named = |entry: &Entry| name.is_none() || entry.ref_name() == name;
        if let Some(name) = name {
            let gone = entries.remove(|entry| !is(entry) && entry.ref_name() == Some(name));
            changes.index |= gone > 0;
            changes.removed += gone;
        }
        if !entries.of_digest(&digest).any(is_named) {
            entries.push(&descriptor, None, name);
            changes.index = true;
        }
        if !entries.has_kind_beside(&[Kind::Image, Kind::ImageIndex], &digest) {
            let kind = if descriptor.is_index() { Kind::ImageIndex } else { Kind::Image };
            changes.index |= entries.set_kind(&digest, kind);
        }
        Ok(())
    }

    fn finish_copy(&self) -> Result<()> {
        self.finish().map(drop)
    }

    fn settle_copy(&self) -> Result<bool> {
        Ok(false)
    }
}

impl Removal for LayoutDir {
    fn remove(&self, attached: &Attached, _: &Digest) -> Result<()> {
        let digest = attached.descriptor.digest;
        let mut changes = self.changes();
        let is = |entry: &Entry| entry.descriptor().is_some_and(|known| known.digest == digest);
        let gone = self.layout.entries_mut().remove(is);
        changes.removed += gone;
        changes.index |= gone > 0;
        changes.gone.push(self.folder.join(blob_name(&digest)));
        Ok(())
    }

    /// First nothing names them any more, then they go: payloads, bundles and configs stay, which others may name.
    fn finish_removal(&self) -> Result<()> {
        let gone = std::mem::take(&mut self.changes().gone);
        self.finish()?;
        for path in &gone {
            match fs::remove_file(path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::new(Check::FileWrite, path.display()).caused_by(error));
                }
                _ => {}
            }
        }
        self.layout.forget_attached();
        Ok(())
    }
}

/// Gives an image and its `.sig`, if one was put, cosign's `kind`, where no other entry of the directory has one: stock
/// `--local-image` takes the first image and the first signatures that it finds, so they must belong together.
fn mark(entries: &mut Entries, signed: &[(&Descriptor, Option<&Digest>)]) {
    let is_image = |kind| matches!(kind, Some(Kind::Image | Kind::ImageIndex));
    let marked = |(subject, _): &&(&Descriptor, Option<&Digest>)| {
        entries.of_digest(&subject.digest).any(|entry| is_image(entry.kind()))
    };
    let Some((subject, sig)) = signed.iter().find(marked).or(signed.first()) else { return };
    let others = entries.has_kind_beside(&[Kind::Image, Kind::ImageIndex], &subject.digest)
        || sig.is_some_and(|sig| entries.has_kind_beside(&[Kind::Sigs], sig));
    if others || entries.place(&subject.digest).is_none() {
        return;
    }
    entries.set_kind(&subject.digest, if subject.is_index() { Kind::ImageIndex } else { Kind::Image });
    if let Some(sig) = sig {
        entries.set_kind(sig, Kind::Sigs);
    }
}

/// The same for the attestations of the image that has cosign's `kind`.
fn mark_attestations(entries: &mut Entries, put: &HashMap<Digest, (Descriptor, Option<Beside>)>) {
    let is_image = |kind| matches!(kind, Some(Kind::Image | Kind::ImageIndex));
    let of_marked = put.iter().find(|(_, (subject, kind))| {
        *kind == Some(Beside::Attestations)
            && entries.of_digest(&subject.digest).any(|entry| is_image(entry.kind()))
    });
    let Some(manifest) = of_marked.map(|(manifest, _)| *manifest) else { return };
    if !entries.has_kind_beside(&[Kind::Atts], &manifest) {
        entries.set_kind(&manifest, Kind::Atts);
    }
}

impl Store for LayoutDir {
    fn resolve(&self, target: &Target) -> Result<Option<Descriptor>> {
        self.layout.resolve(target)
    }

    fn manifest(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        self.layout.manifest(digest)
    }

    fn blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        self.layout.blob(digest)
    }

    fn beside(&self, kind: Beside, subject: &Digest) -> Result<Vec<Descriptor>> {
        self.layout.beside(kind, subject)
    }

    /// Those that an entry names: what a run left in `blobs/` before it was cut off is still to be named.
    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>> {
        let mut found = self.layout.referrers(subject)?;
        let entries = self.layout.entries();
        found.retain(|referrer| entries.place(&referrer.digest).is_some());
        Ok(found)
    }
}

impl Sink for LayoutDir {
    fn put_blob(&self, bytes: &[u8]) -> Result<()> {
        self.put(&Digest::of(bytes), bytes)
    }

    fn put_beside(&self, kind: Beside, subject: &Descriptor, manifest: &ManifestToPut<'_>) -> Result<()> {
        let descriptor = manifest.descriptor();
        self.put(&descriptor.digest, manifest.bytes)?;
        let tag = kind.tag(&subject.digest);
        let there = self.beside(kind, &subject.digest)?.into_iter().next();
        if there.as_ref().is_some_and(|there| there.digest == descriptor.digest) {
            return Ok(());
        }
        let mut changes = self.changes();
        let mut entries = self.layout.entries_mut();
        match there {
            Some(there) => {
                changes.put.remove(&there.digest);
                entries.replace(&there.digest, &descriptor, &tag);
            }
            None => entries.push(&descriptor, None, Some(&tag)),
        }
        changes.put.insert(descriptor.digest, (subject.clone(), Some(kind)));
        changes.index = true;
        Ok(())
    }

    fn put_referrer(&self, subject: &Descriptor, manifest: &ManifestToPut<'_>) -> Result<()> {
        let descriptor = manifest.descriptor();
        self.put(&descriptor.digest, manifest.bytes)?;
        self.layout.note_referrer(&subject.digest, &descriptor);
        let mut changes = self.changes();
        let mut entries = self.layout.entries_mut();
        if entries.place(&descriptor.digest).is_none() {
            entries.push(&descriptor, manifest.artifact_type, None);
            changes.put.insert(descriptor.digest, (subject.clone(), None));
            changes.index = true;
        }
        Ok(())
    }
}

impl Destinations for LayoutDir {
    fn repository<'a>(&'a self, _: &Repository) -> Result<Box<dyn Sink + 'a>> {
        Ok(Box::new(self))
    }

    fn check_writable(&self, _: &[&Repository], _: Flow<'_>) -> Result<()> {
        use rustix::fs::{Access, access};
        let blobs = self.folder.join("blobs").join("sha256");
        for folder in [&self.folder, &blobs] {
            let refused = |error| {
                Error::new(Check::FileWrite, folder.display()).detail("nothing was written").caused_by(error)
            };
            access(folder, Access::WRITE_OK).map_err(refused)?;
        }
        Ok(())
    }

    fn is_live(&self) -> bool {
        false
    }

    fn finish(&self) -> Result<bool> {
        let mut changes = self.changes();
        let unsynced =
            |error: io::Error| Error::new(Check::FileWrite, self.folder.display()).caused_by(error);
        if !changes.blobs.is_empty() {
            sync_blobs(&self.folder, &changes.blobs).map_err(unsynced)?;
        }
        let anything = changes.index || !changes.blobs.is_empty();
        if changes.index {
            let path = self.folder.join("index.json");
            check_destination_changed(&path, &self.index)?;
            let mut entries = self.layout.entries_mut();
            self.settle(&mut entries, &changes);
            let bytes = entries.to_bytes();
            files::replace(&path, &bytes)?;
            check_read_back(&path, &bytes)?;
        }
        *changes = Changes::default();
        Ok(anything)
    }

    fn settle(&self) -> Result<bool> {
        Ok(false)
    }
}

/// DESTINATION-CHANGED: nobody changed `index.json` since it was read.
fn check_destination_changed(path: &Path, read: &[u8]) -> Result<()> {
    let document = u64::try_from(limits::DOCUMENT).unwrap_or(u64::MAX);
    if files::read(path, document)? == read {
        return Ok(());
    }
    let error = Error::new(Check::DestinationChanged, path.display());
    Err(error
        .detail("index.json was left as it is now; nothing names what was written")
        .hint("run the same command again"))
}

/// READ-BACK: the index that stands there now is the one that was written.
fn check_read_back(path: &Path, written: &[u8]) -> Result<()> {
    let document = u64::try_from(limits::DOCUMENT).unwrap_or(u64::MAX);
    if files::read(path, document)? == written {
        return Ok(());
    }
    Err(Error::new(Check::ReadBack, path.display()).hint("run the same command again"))
}

/// Waits until every blob is on the medium: one call for the whole file system where there is one, since ten thousand
/// waits of a millisecond are worse.
#[cfg(target_os = "linux")]
fn sync_blobs(folder: &Path, blobs: &[PathBuf]) -> io::Result<()> {
    if blobs.len() <= ONE_BY_ONE {
        return sync_each(folder, blobs);
    }
    Ok(rustix::fs::syncfs(File::open(folder)?)?)
}

#[cfg(not(target_os = "linux"))]
fn sync_blobs(folder: &Path, blobs: &[PathBuf]) -> io::Result<()> {
    sync_each(folder, blobs)
}

fn sync_each(folder: &Path, blobs: &[PathBuf]) -> io::Result<()> {
    for blob in blobs {
        File::open(blob)?.sync_all()?;
    }
    File::open(folder.join("blobs").join("sha256"))?.sync_all()
}

/// The `index.json` of a layout that holds nothing yet.
pub(super) const EMPTY_INDEX: &[u8] =
    br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
/// Entries looked at to find a layout below a folder.
const LOOKED_AT: usize = 1_000;
/// Blobs that are synced one by one: a hundred waits are shorter than one for everything else on the file system.
#[cfg(target_os = "linux")]
const ONE_BY_ONE: usize = 100;

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::format::evidence::OCI_MANIFEST;
    use crate::transfer::store::Place as _;

    const IMAGE: &str = "sha256:77a2a96a684ef906070011cb9741c8e4fae80ca4033afb41aa728329f996a52e";
    const OTHER: &str = "sha256:52b2c10d3df2bf90651bf5504b0cf8c1e048b22a9e93e0b79e6b09b4a46b8ec5";

    fn digest(text: &str) -> Digest {
        Digest::parse(text).unwrap()
    }

    fn peer(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/peers").join(name)
    }

    /// A copy of one of the peers' layouts, to be written to.
    fn copy(name: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for entry in WalkDir::new(peer(name)) {
            let entry = entry.unwrap();
            let to = folder.path().join(entry.path().strip_prefix(peer(name)).unwrap());
            if entry.file_type().is_dir() {
                fs::create_dir_all(to).unwrap();
            } else {
                fs::copy(entry.path(), to).unwrap();
            }
        }
        folder
    }

    fn listing(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
        let files = WalkDir::new(folder).sort_by_file_name().into_iter().map(Result::unwrap);
        let files = files.filter(|entry| entry.file_type().is_file());
        files.map(|entry| (entry.path().to_owned(), fs::read(entry.path()).unwrap())).collect()
    }

    fn image() -> Descriptor {
        Descriptor { media_type: OCI_MANIFEST.to_owned(), digest: digest(IMAGE), size: 401 }
    }

    fn to_put(bytes: &[u8]) -> ManifestToPut<'_> {
        ManifestToPut { bytes, media_type: OCI_MANIFEST, artifact_type: None }
    }

    #[test]
    fn what_cosign_saved_is_found() {
        let old = open(&peer("cosign-2.5.0/save")).unwrap();
        assert_eq!(old.pick(None).unwrap().descriptor, image());
        let signatures = old.beside(Beside::Signatures, &digest(IMAGE)).unwrap();
        assert_eq!(signatures.len(), 1);
        assert_eq!(signatures[0].digest.short(), "c90de83bf721");
        assert_eq!(old.referrers(&digest(IMAGE)).unwrap(), []);
        assert_eq!(old.beside(Beside::Signatures, &digest(OTHER)).unwrap(), []);

        // cosign 3 leaves the bundle's manifest in blobs/, and no entry names it.
        let new = open(&peer("cosign-3.1.1/save")).unwrap();
        let referrers = new.referrers(&digest(IMAGE)).unwrap();
        assert_eq!(referrers.len(), 1);
        let manifest = new.manifest(&referrers[0].digest).unwrap().unwrap();
        assert_eq!(u64::try_from(manifest.len()), Ok(referrers[0].size));
        let target = Target::Digest(digest(IMAGE));
        assert_eq!(new.resolve(&target).unwrap(), Some(image()));
        assert_eq!(new.resolve(&Target::Digest(Digest::of(b""))).unwrap(), None);
        assert_eq!(new.resolve(&Target::Tag("v1".into())).unwrap(), None);
        assert_eq!(open(&peer("image")).unwrap().resolve(&Target::Tag("v1".into())).unwrap(), Some(image()));
    }

    #[test]
    fn every_read_is_hashed() {
        let folder = copy("image");
        fs::write(folder.path().join(blob_name(&digest(IMAGE))), b"{}").unwrap();
        let layout = open(folder.path()).unwrap();
        assert_eq!(layout.manifest(&digest(IMAGE)).unwrap_err().check(), Check::SourceBlob);
        fs::File::create(folder.path().join(blob_name(&digest(OTHER)))).unwrap().set_len(5 << 20).unwrap();
        assert_eq!(layout.blob(&digest(OTHER)).unwrap_err().check(), Check::BlobSize);
        fs::remove_file(folder.path().join(blob_name(&digest(OTHER)))).unwrap();
        fs::create_dir(folder.path().join(blob_name(&digest(OTHER)))).unwrap();
        assert_eq!(layout.blob(&digest(OTHER)).unwrap_err().check(), Check::FileNotRegular);
    }

    #[test]
    fn what_is_no_layout_is_named() {
        assert_eq!(open(Path::new("/nonexistent")).err().unwrap().check(), Check::FileRead);
        let error = open(&peer("cosign-2.5.0")).err().unwrap();
        assert_eq!(error.check(), Check::SourceKind);
        assert!(error.hints().next().unwrap().ends_with("cosign-2.5.0/save"));
        assert_eq!(open(&peer("cases.json")).err().unwrap().check(), Check::SourceKind);
    }

    #[test]
    fn signatures_are_put_once_and_nothing_is_lost() {
        let folder = copy("image");
        let extra = br#"{"schemaVersion": 2, "x-other": {"n": 1.50}, "manifests": [{"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": "sha256:77a2a96a684ef906070011cb9741c8e4fae80ca4033afb41aa728329f996a52e", "size": 401, "x": [1e2], "annotations": {"org.opencontainers.image.ref.name": "v1"}}]}"#;
        fs::write(folder.path().join("index.json"), extra).unwrap();
        let put = |bytes: &[u8]| {
            let layout = LayoutDir::open(folder.path()).unwrap();
            layout.check_writable(&[], Flow { workers: 1, stop: &AtomicBool::new(false) }).unwrap();
            let repository =
                crate::format::reference::Reference::parse("r.example/app").unwrap().repository().clone();
            let sink = layout.repository(&repository).unwrap();
            sink.put_blob(b"payload").unwrap();
            sink.put_beside(Beside::Signatures, &image(), &to_put(bytes)).unwrap();
            let found = sink.beside(Beside::Signatures, &image().digest).unwrap();
            assert_eq!(found, [to_put(bytes).descriptor()]);
            drop(sink);
            layout.finish().unwrap()
        };
        assert!(put(b"{\"layers\":[]}"));
        let first = listing(folder.path());
        assert!(!put(b"{\"layers\":[]}"), "a second run changes nothing");
        assert_eq!(listing(folder.path()), first);
        let index = fs::read_to_string(folder.path().join("index.json")).unwrap();
        let sig = to_put(b"{\"layers\":[]}").descriptor();
        assert_eq!(
            index,
            format!(
                "{{\"schemaVersion\":2,\"x-other\":{{\"n\": 1.50}},\"manifests\":[{{\"mediaType\":\"{OCI_MANIFEST}\",\
                 \"digest\":\"{IMAGE}\",\"size\":401,\"x\":[1e2],\"annotations\":{{\"org.opencontainers.image.ref.name\":\"v1\",\
                 \"kind\":\"dev.cosignproject.cosign/image\"}}}},{{\"mediaType\":\"{OCI_MANIFEST}\",\"digest\":\"{}\",\"size\":13,\
                 \"annotations\":{{\"org.opencontainers.image.ref.name\":\"sha256-{}.sig\",\
                 \"kind\":\"dev.cosignproject.cosign/sigs\"}}}}]}}",
                sig.digest,
                &IMAGE[7..]
            )
        );
        assert!(put(b"{\"layers\":[ ]}"), "another manifest takes its place");
        let layout = open(folder.path()).unwrap();
        assert_eq!(layout.entries().all().count(), 2);
        assert_eq!(
            layout.beside(Beside::Signatures, &digest(IMAGE)).unwrap(),
            [to_put(b"{\"layers\":[ ]}").descriptor()]
        );
    }

    #[test]
    fn the_sig_that_cosign_saved_is_the_one_that_grows() {
        let folder = copy("cosign-2.5.0/save");
        let layout = LayoutDir::open(folder.path()).unwrap();
        let before = layout.beside(Beside::Signatures, &digest(IMAGE)).unwrap();
        layout.put_beside(Beside::Signatures, &image(), &to_put(b"{}")).unwrap();
        assert!(layout.finish().unwrap());
        let layout = open(folder.path()).unwrap();
        assert_eq!(layout.entries().all().count(), 2);
        assert_eq!(layout.beside(Beside::Signatures, &digest(IMAGE)).unwrap(), [to_put(b"{}").descriptor()]);
        assert!(layout.manifest(&before[0].digest).unwrap().is_some(), "no blob is deleted");
        // A second image gets no `kind`: cosign would take its signatures for the first image's.
        let layout = LayoutDir::open(folder.path()).unwrap();
        let second = Descriptor { digest: Digest::of(b"second"), ..image() };
        layout.layout().entries_mut().push(&second, None, Some("2"));
        layout.put_beside(Beside::Signatures, &second, &to_put(b"[]")).unwrap();
        layout.finish().unwrap();
        let layout = open(folder.path()).unwrap();
        let kinds: Vec<_> = layout.entries().all().map(Entry::kind).collect();
        assert_eq!(kinds, [Some(Kind::Image), Some(Kind::Sigs), None, None]);
    }

    #[test]
    fn referrers_are_listed_and_found() {
        let folder = copy("image");
        let manifest = format!("{{\"subject\":{{\"digest\":\"{IMAGE}\"}}}}");
        let to_put = ManifestToPut { artifact_type: Some("a/t"), ..to_put(manifest.as_bytes()) };
        let layout = LayoutDir::open(folder.path()).unwrap();
        assert_eq!(layout.referrers(&digest(IMAGE)).unwrap(), []);
        layout.put_referrer(&image(), &to_put).unwrap();
        layout.put_referrer(&image(), &to_put).unwrap();
        assert_eq!(layout.referrers(&digest(IMAGE)).unwrap(), [to_put.descriptor()]);
        assert!(layout.finish().unwrap());
        let layout = LayoutDir::open(folder.path()).unwrap();
        assert_eq!(layout.referrers(&digest(IMAGE)).unwrap(), [to_put.descriptor()]);
        assert_eq!(layout.layout().entries().all().last().unwrap().artifact_type(), Some("a/t"));
        layout.put_referrer(&image(), &to_put).unwrap();
        assert!(!layout.finish().unwrap());
    }

    /// The order in which threads come does not change the bytes; a blob that all of them put is written once.
    #[test]
    fn many_at_once_write_what_one_writes() {
        let index = |threads: usize| {
            let folder = copy("image");
            let layout = LayoutDir::open(folder.path()).unwrap();
            let subjects: Vec<Descriptor> = (0..40_u8)
                .map(|n| Descriptor { digest: Digest::of(&[n]), ..image() })
                .chain([image()])
                .collect();
            std::thread::scope(|scope| {
                for part in subjects.rchunks(subjects.len().div_ceil(threads)) {
                    scope.spawn(|| {
                        for subject in part.iter().rev() {
                            layout.put_blob(b"{}").unwrap();
                            let referrer = format!("{{\"subject\":{{\"digest\":\"{}\"}}}}", subject.digest);
                            layout.put_referrer(subject, &to_put(referrer.as_bytes())).unwrap();
                            layout
                                .put_beside(
                                    Beside::Signatures,
                                    subject,
                                    &to_put(subject.digest.hex().as_bytes()),
                                )
                                .unwrap();
                        }
                    });
                }
            });
            assert!(layout.finish().unwrap());
            let read = open(folder.path()).unwrap();
            let kinds: Vec<Kind> = read.entries().all().filter_map(Entry::kind).collect();
            assert_eq!(kinds, [Kind::Image, Kind::Sigs]);
            assert_eq!(read.beside(Beside::Signatures, &digest(IMAGE)).unwrap().len(), 1);
            fs::read(folder.path().join("index.json")).unwrap()
        };
        assert_eq!(index(1), index(8));
    }

    #[test]
    fn nobody_is_overtaken() {
        let folder = copy("image");
        let layout = LayoutDir::open(folder.path()).unwrap();
        layout.put_beside(Beside::Signatures, &image(), &to_put(b"{}")).unwrap();
        let path = folder.path().join("index.json");
        let mut other = fs::read(&path).unwrap();
        other.push(b' ');
        fs::write(&path, &other).unwrap();
        assert_eq!(layout.finish().unwrap_err().check(), Check::DestinationChanged);
        assert_eq!(fs::read(&path).unwrap(), other);
    }

    #[test]
    fn a_blob_that_power_loss_left_empty_is_written_again() {
        let folder = copy("image");
        let path = folder.path().join(blob_name(&Digest::of(b"payload")));
        fs::write(&path, b"").unwrap();
        fs::write(folder.path().join(format!(".coldsign-{}.partial", Digest::of(b"payload").hex())), b"pay")
            .unwrap();
        let layout = LayoutDir::open(folder.path()).unwrap();
        layout.put_blob(b"payload").unwrap();
        assert!(layout.finish().unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"payload");
        let left = fs::read_dir(folder.path())
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains("partial"));
        assert_eq!(left.count(), 0);
    }
}
