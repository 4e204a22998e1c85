//! Files of a station: one bounded read, one whole write.
//!
//! Written files appear whole or not at all: the bytes go to `.NAME.partial` beside the output, are synced, and take
//! the name by a rename that replaces nothing.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use crate::check::Check;
use crate::error::{Error, Result};

/// Reads a regular file of at most `limit` bytes: one open that waits for nothing, one look at what was opened, one
/// buffer of exactly its size.
///
/// Refuses with FILE-NOT-REGULAR a directory, device, pipe or socket, with FILE-SIZE a larger file (before reading),
/// with FILE-READ what cannot be read or changes while it is read.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    read_with(path, limit, OFlags::empty())
}

/// As [`read`], but a symbolic link is FILE-NOT-REGULAR too.
pub fn read_no_link(path: &Path, limit: u64) -> Result<Vec<u8>> {
    read_with(path, limit, OFlags::NOFOLLOW)
}

/// Opens a regular file of any size, to be read once as it goes by. FILE-READ, FILE-NOT-REGULAR.
pub fn open_regular(path: &Path) -> Result<File> {
    Ok(open_with(path, OFlags::empty())?.0)
}

/// A file that will be written whole or not at all.
///
/// Its name is reserved by an empty `.NAME.partial` beside it, which is locked, and removed when this is dropped
/// unwritten.
pub struct Output {
    partial: Partial,
    path: PathBuf,
    /// A file that has the name is replaced.
    replaces: bool,
}

impl Output {
    /// Reserves `path`; the file will have the permissions `mode`, less the process's mask.
    ///
    /// Refuses with OUT-EXISTS when anything has that name (a dangling link too) or another program is writing it,
    /// with FILE-WRITE when it could not be created.
    pub fn create(path: &Path, mode: u32) -> Result<Self> {
        check_out_exists(path)?;
        Ok(Self { partial: Partial::create(path, mode)?, path: path.to_owned(), replaces: false })
    }

    /// Reserves `path` for a file that takes the place of the one that has the name, in one step: whoever opens it sees
    /// the old bytes or the new ones, whole, whatever happens. The permissions stay; a file that is absent is created
    /// with `mode` less the mask.
    ///
    /// Refuses with FILE-NOT-REGULAR what is no regular file (a link is none), with OUT-EXISTS while another program
    /// replaces it, with FILE-WRITE what cannot be written.
    pub fn replacing(path: &Path, mode: u32) -> Result<Self> {
        let stands = match fs::symlink_metadata(path) {
            Ok(found) if found.is_file() => Some(found.permissions().mode() & 0o7777),
            Ok(_) => {
                return Err(Error::new(Check::FileNotRegular, path.display()).detail("nothing was written"));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                return Err(Error::new(Check::FileWrite, path.display())
                    .detail("nothing was written")
                    .caused_by(error));
            }
        };
        let partial = Partial::create(path, stands.unwrap_or(mode))?;
        if let Some(mode) = stands {
            // The mask may have taken bits that the old file has. A file system without modes has nothing to keep.
            let _ = partial.file.set_permissions(fs::Permissions::from_mode(mode));
        }
        Ok(Self { partial, path: path.to_owned(), replaces: true })
    }

    /// The left-over `.NAME.partial` of an earlier run that this one replaced, to be named on the screen.
    #[must_use]
    pub fn replaced(&self) -> Option<&Path> {
        self.partial.replaced.then_some(&self.partial.path)
    }

    /// Bytes that this process may still write to the medium.
    pub fn available(&self) -> Result<u64> {
        let room = rustix::fs::fstatvfs(&self.partial.file)
            .map_err(|error| Error::new(Check::FileWrite, self.path.display()).caused_by(error))?;
        Ok(room.f_bavail.saturating_mul(room.f_frsize))
    }

    /// OUT-SPACE: the medium has room for `bytes`, before a person is asked anything.
    pub fn reserve(&self, bytes: u64) -> Result<()> {
        check_out_space(bytes, self.available()?, &self.partial.folder)
    }

    /// Writes all `chunks`, syncs, and gives the file its name; unless it replaces, OUT-EXISTS if something took the
    /// name meanwhile. Refused or failed, the folder is as it was.
    pub fn write(self, chunks: impl Iterator<Item = impl AsRef<[u8]>>) -> Result<()> {
        let path = self.partial.path.clone();
        self.write_with(|out| {
            for chunk in chunks {
                out.write_all(chunk.as_ref()).map_err(|error| not_created(&path, error))?;
            }
            Ok(())
        })
    }

    /// The same for what cannot be had at once: `fill` writes it piece by piece, and its refusal leaves no file.
    pub fn write_with(mut self, fill: impl FnOnce(&mut dyn io::Write) -> Result<()>) -> Result<()> {
        self.partial.fill(fill)?;
        if self.replaces {
            self.partial.publish_over(&self.path)
        } else {
            self.partial.publish_new(&self.path)
        }
    }
}

/// Writes `bytes` to a new file at `path` as [`Output`] does.
pub fn create(path: &Path, mode: u32, bytes: &[u8]) -> Result<()> {
    Output::create(path, mode)?.write(std::iter::once(bytes))
}

/// Replaces the content of the file at `path` by `bytes` as [`Output::replacing`] does; `0644` where it is absent.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    Output::replacing(path, 0o644)?.write(std::iter::once(bytes))
}

/// `.NAME.partial`, open and locked.
struct Partial {
    file: File,
    path: PathBuf,
    folder: PathBuf,
    replaced: bool,
    published: bool,
}

impl Partial {
    fn create(target: &Path, mode: u32) -> Result<Self> {
        let refuse = |error| {
            Error::new(Check::FileWrite, target.display()).detail("nothing was written").caused_by(error)
        };
        let name = target.file_name().ok_or_else(|| refuse(io::ErrorKind::InvalidFilename.into()))?;
        let mut partial_name = OsString::from(".");
        partial_name.push(name);
        partial_name.push(".partial");
        let path = target.with_file_name(partial_name);
        let folder = match target.parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            _ => PathBuf::from("."),
        };

        let mut replaced = false;
        let file = match create_new(&path, mode) {
            Err(Errno::EXIST) => {
                check_left_over(&path, target)?;
                fs::remove_file(&path).map_err(refuse)?;
                replaced = true;
                create_new(&path, mode)
            }
            other => other,
        };
        let file = file.map_err(|error| refuse(error.into()))?;
        let partial = Self { file, path, folder, replaced, published: false };
        // A file system without locks leaves two writers to the check before the rename.
        if matches!(partial.file.try_lock(), Err(fs::TryLockError::WouldBlock)) {
            return Err(in_use(target));
        }
        partial.check_still_ours(target)?;
        Ok(partial)
    }

    fn fill(&mut self, fill: impl FnOnce(&mut dyn io::Write) -> Result<()>) -> Result<()> {
        let mut writer = BufWriter::with_capacity(BUFFER, &self.file);
        fill(&mut writer)?;
        let mut run = || -> io::Result<()> {
            writer.flush()?;
            self.file.sync_all()?;
            // Whoever reads it back is to get it from the medium, not from memory; advice that is not taken does no harm.
            #[cfg(target_os = "linux")]
            let _ = rustix::fs::fadvise(&self.file, 0, None, rustix::fs::Advice::DontNeed);
            Ok(())
        };
        run().map_err(|error| not_created(&self.path, error))
    }

    /// Gives the partial its name without ever replacing a file.
    fn publish_new(&mut self, target: &Path) -> Result<()> {
        self.check_still_ours(target)?;
        let refuse = |error: io::Error| match error.kind() {
            io::ErrorKind::AlreadyExists => out_exists(target),
            _ => Error::new(Check::FileWrite, target.display())
                .detail("the output was not created")
                .caused_by(error),
        };
        match rename_no_replace(&self.path, target) {
            // Flags or the call are unknown here.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => rename_by_link(&self.path, target)?,
            other => other.map_err(|error| refuse(error.into()))?,
        }
        self.published = true;
        sync_folder(&self.folder).map_err(refuse)
    }

    /// Gives the partial its name, in place of whatever file has it.
    fn publish_over(&mut self, target: &Path) -> Result<()> {
        self.check_still_ours(target)?;
        let write = |error| Error::new(Check::FileWrite, target.display()).caused_by(error);
        fs::rename(&self.path, target).map_err(write)?;
        self.published = true;
        sync_folder(&self.folder).map_err(write)
    }

    /// The name of the partial still leads to the file that is open: nobody took it for a left-over.
    fn check_still_ours(&self, target: &Path) -> Result<()> {
        let ours = self.file.metadata().map(|ours| (ours.dev(), ours.ino()));
        let named = fs::symlink_metadata(&self.path).map(|named| (named.dev(), named.ino()));
        match (ours, named) {
            (Ok(ours), Ok(named)) if ours == named => Ok(()),
            _ => Err(in_use(target)),
        }
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.published && self.check_still_ours(Path::new("")).is_ok() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// OUT-EXISTS: nothing has the output's name, not even a link that leads nowhere.
fn check_out_exists(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(_) => Err(out_exists(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => {
            Err(Error::new(Check::FileWrite, path.display()).detail("nothing was written").caused_by(error))
        }
    }
}

/// OUT-SPACE: there is room for the output.
fn check_out_space(needs: u64, free: u64, folder: &Path) -> Result<()> {
    if needs <= free {
        return Ok(());
    }
    Err(Error::new(Check::OutSpace, folder.display()).detail(format!(
        "needs {}, {} free; nothing was written",
        megabytes_up(needs),
        megabytes(free)
    )))
}

/// A partial that stands already is one that a killed run left: a regular file that nobody holds.
fn check_left_over(path: &Path, target: &Path) -> Result<()> {
    let refuse = |error: Errno| {
        Error::new(Check::FileWrite, path.display()).detail("nothing was written").caused_by(error)
    };
    let file = match open(path, OFlags::NOFOLLOW) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(()),
        Err(Errno::LOOP) => {
            return Err(Error::new(Check::FileNotRegular, path.display()).detail("nothing was written"));
        }
        Err(error) => return Err(refuse(error)),
    };
    let kind = rustix::fs::fstat(&file).map_err(refuse)?;
    if FileType::from_raw_mode(kind.st_mode) != FileType::RegularFile {
        return Err(Error::new(Check::FileNotRegular, path.display()).detail("nothing was written"));
    }
    match file.try_lock() {
        Err(fs::TryLockError::WouldBlock) => Err(in_use(target)),
        _ => Ok(()),
    }
}

fn not_created(path: &Path, error: io::Error) -> Error {
    Error::new(Check::FileWrite, path.display()).detail("the output was not created").caused_by(error)
}

fn out_exists(path: &Path) -> Error {
    Error::new(Check::OutExists, path.display())
        .detail("nothing was written")
        .hint("name another file, or move that one away")
}

fn in_use(path: &Path) -> Error {
    Error::new(Check::OutExists, path.display())
        .detail("another program is writing it at this moment; nothing was written")
}

fn read_with(path: &Path, limit: u64, flags: OFlags) -> Result<Vec<u8>> {
    let refuse = |error: io::Error| Error::new(Check::FileRead, path.display()).caused_by(error);
    let (mut file, size) = open_with(path, flags)?;
    check_file_size(size, limit, path)?;
    let changed = || Error::new(Check::FileRead, path.display()).detail("the file changed while it was read");
    let capacity = usize::try_from(size).map_err(|_| changed())?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(capacity).map_err(|error| refuse(io::Error::other(error)))?;
    (&mut file).take(size).read_to_end(&mut bytes).map_err(refuse)?;
    let more = file.read(&mut [0]).map_err(refuse)?;
    if bytes.len() != capacity || more != 0 {
        return Err(changed());
    }
    Ok(bytes)
}

/// Opens a regular file; returns its size as well.
fn open_with(path: &Path, flags: OFlags) -> Result<(File, u64)> {
    let file = match open(path, flags) {
        Ok(file) => file,
        // A socket cannot be opened at all; a link is refused where it must not be followed.
        Err(Errno::NXIO | Errno::LOOP) => return Err(Error::new(Check::FileNotRegular, path.display())),
        Err(error) => {
            return Err(Error::new(Check::FileRead, path.display()).caused_by(io::Error::from(error)));
        }
    };
    let size = check_file_not_regular(&file, path)?;
    Ok((file, size))
}

/// FILE-NOT-REGULAR: what was opened is a regular file; returns its size in bytes.
fn check_file_not_regular(file: &File, path: &Path) -> Result<u64> {
    let found =
        file.metadata().map_err(|error| Error::new(Check::FileRead, path.display()).caused_by(error))?;
    if !found.is_file() {
        return Err(Error::new(Check::FileNotRegular, path.display()));
    }
    Ok(found.len())
}

/// FILE-SIZE: a file has at most the bytes its kind may have.
fn check_file_size(size: u64, limit: u64, path: &Path) -> Result<()> {
    if size <= limit {
        return Ok(());
    }
    Err(Error::new(Check::FileSize, path.display())
        .detail(format!("{size} bytes, at most {limit}; nothing was read")))
}

/// Opens to read; never waits, whatever the name leads to.
fn open(path: &Path, flags: OFlags) -> Result<File, Errno> {
    let flags = flags | OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).map(File::from)
}

fn create_new(path: &Path, mode: u32) -> Result<File, Errno> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::from_raw_mode(mode)).map(File::from)
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn rename_no_replace(from: &Path, to: &Path) -> Result<(), Errno> {
    rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn rename_no_replace(_from: &Path, _to: &Path) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}

/// Gives `from` the name `to` where no rename refuses to replace: a second name replaces nothing either, and where
/// there are no second names, what is left is to look first.
fn rename_by_link(from: &Path, to: &Path) -> Result<()> {
    let refuse = |error| {
        Error::new(Check::FileWrite, to.display()).detail("the output was not created").caused_by(error)
    };
    match fs::hard_link(from, to) {
        Ok(()) => fs::remove_file(from).map_err(refuse),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(out_exists(to)),
        Err(_) => {
            check_out_exists(to)?;
            fs::rename(from, to).map_err(refuse)
        }
    }
}

/// Makes the folder's entries durable, where the file system knows that for folders.
fn sync_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        Err(error) if matches!(Errno::from_io_error(&error), Some(Errno::INVAL | Errno::OPNOTSUPP)) => Ok(()),
        other => other,
    }
}

/// Megabytes with one digit, rounded down.
fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000)
}

/// Megabytes with one digit, rounded up.
fn megabytes_up(bytes: u64) -> String {
    megabytes(bytes.div_ceil(100_000).saturating_mul(100_000))
}

/// Bytes gathered before a write: small chunks are many, large ones go past it.
const BUFFER: usize = 256 * 1024;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn write(path: &Path, bytes: &[u8]) -> Result<()> {
        Output::create(path, 0o640)?.write(bytes.chunks(3))
    }

    #[test]
    fn reads_are_bounded_and_regular() {
        let folder = folder();
        let file = folder.path().join("file");
        fs::write(&file, b"0123456789").unwrap();
        let bytes = read(&file, 10).unwrap();
        assert_eq!((&bytes[..], bytes.capacity()), (&b"0123456789"[..], 10));
        assert_eq!(read(&file, 9).unwrap_err().check(), Check::FileSize);
        let empty = folder.path().join("empty");
        fs::write(&empty, b"").unwrap();
        assert_eq!(read(&empty, 0).unwrap(), b"");

        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        for other in [pipe.as_path(), folder.path(), Path::new("/dev/null"), Path::new("/dev/zero")] {
            assert_eq!(read(other, 10).unwrap_err().check(), Check::FileNotRegular, "{}", other.display());
        }
        assert_eq!(read(&folder.path().join("absent"), 10).unwrap_err().check(), Check::FileRead);
        // /proc says 0 bytes and gives more: no reader may take that for the whole.
        assert_eq!(read(Path::new("/proc/self/status"), 1 << 20).unwrap_err().check(), Check::FileRead);

        let sparse = folder.path().join("sparse");
        File::create(&sparse).unwrap().set_len(10 << 30).unwrap();
        assert_eq!(read(&sparse, 512 << 20).unwrap_err().check(), Check::FileSize);

        let link = folder.path().join("link");
        symlink("file", &link).unwrap();
        assert_eq!(read(&link, 10).unwrap(), b"0123456789");
        assert_eq!(read_no_link(&link, 10).unwrap_err().check(), Check::FileNotRegular);
        assert_eq!(read_no_link(&file, 10).unwrap(), b"0123456789");
    }

    #[test]
    fn outputs_appear_whole_or_not_at_all() {
        let folder = folder();
        let path = folder.path().join("out.tar");
        let output = Output::create(&path, 0o640).unwrap();
        assert_eq!(names(folder.path()), [".out.tar.partial"]);
        drop(output);
        assert!(names(folder.path()).is_empty());
        write(&path, b"whole file").unwrap();
        assert_eq!(names(folder.path()), ["out.tar"]);
        assert_eq!(fs::read(&path).unwrap(), b"whole file");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o137, 0);
    }

    #[test]
    fn outputs_replace_nothing() {
        let folder = folder();
        let path = folder.path().join("out");
        fs::write(&path, b"old").unwrap();
        assert_eq!(write(&path, b"new").unwrap_err().check(), Check::OutExists);
        let dangling = folder.path().join("dangling");
        symlink("nowhere", &dangling).unwrap();
        assert_eq!(write(&dangling, b"new").unwrap_err().check(), Check::OutExists);
        assert_eq!(write(folder.path(), b"new").unwrap_err().check(), Check::OutExists);
        assert_eq!(names(folder.path()), ["dangling", "out"]);

        // The name is taken between the check and the rename.
        let late = folder.path().join("late");
        let output = Output::create(&late, 0o600).unwrap();
        fs::write(&late, b"first").unwrap();
        assert_eq!(output.write([b"second"].into_iter()).unwrap_err().check(), Check::OutExists);
        assert_eq!(fs::read(&late).unwrap(), b"first");
        assert_eq!(names(folder.path()), ["dangling", "late", "out"]);
    }

    #[test]
    fn without_such_a_rename_nothing_is_replaced_either() {
        let folder = folder();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::write(&from, b"new").unwrap();
        fs::write(&to, b"old").unwrap();
        assert_eq!(rename_by_link(&from, &to).unwrap_err().check(), Check::OutExists);
        assert_eq!((fs::read(&from).unwrap(), fs::read(&to).unwrap()), (b"new".to_vec(), b"old".to_vec()));
        fs::remove_file(&to).unwrap();
        rename_by_link(&from, &to).unwrap();
        assert_eq!(names(folder.path()), ["to"]);
        // A directory has no second name: it stands here for a medium that has none.
        let (from, to) = (folder.path().join("a"), folder.path().join("b"));
        fs::create_dir(&from).unwrap();
        rename_by_link(&from, &to).unwrap();
        fs::create_dir(&from).unwrap();
        assert_eq!(rename_by_link(&from, &to).unwrap_err().check(), Check::OutExists);
        assert_eq!(names(folder.path()), ["a", "b", "to"]);
    }

    #[test]
    fn no_folder_no_output() {
        let folder = folder();
        for bad in ["absent/out", "..", "", "/"] {
            let path = folder.path().join(bad);
            let check = write(&path, b"x").unwrap_err().check();
            assert!(matches!(check, Check::FileWrite | Check::OutExists), "{bad}: {check}");
        }
        assert_eq!(write(&folder.path().join("absent/out"), b"x").unwrap_err().check(), Check::FileWrite);
        let long = "n".repeat(250);
        assert_eq!(write(&folder.path().join(long), b"x").unwrap_err().check(), Check::FileWrite);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn left_over_partial_is_named_and_replaced() {
        let folder = folder();
        let path = folder.path().join("out");
        let partial = folder.path().join(".out.partial");
        fs::write(&partial, b"half").unwrap();
        let output = Output::create(&path, 0o600).unwrap();
        assert_eq!(output.replaced(), Some(partial.as_path()));
        output.write([b"whole"].into_iter()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(names(folder.path()), ["out"]);
        assert_eq!(Output::create(&folder.path().join("other"), 0o600).unwrap().replaced(), None);

        // What is no left-over of ours is not touched.
        let kept = folder.path().join(".kept.partial");
        symlink("out", &kept).unwrap();
        assert_eq!(write(&folder.path().join("kept"), b"x").unwrap_err().check(), Check::FileNotRegular);
        fs::create_dir(folder.path().join(".dir.partial")).unwrap();
        assert_eq!(write(&folder.path().join("dir"), b"x").unwrap_err().check(), Check::FileNotRegular);
        assert_eq!(names(folder.path()), [".dir.partial", ".kept.partial", "out"]);
    }

    #[test]
    fn two_writers_one_output() {
        let folder = folder();
        let path = folder.path().join("out");
        let first = Output::create(&path, 0o600).unwrap();
        assert_eq!(Output::create(&path, 0o600).err().unwrap().check(), Check::OutExists);
        first.write([b"first"].into_iter()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"first");

        // A partial that somebody exchanged is neither published nor removed.
        let path = folder.path().join("other");
        let output = Output::create(&path, 0o600).unwrap();
        let partial = folder.path().join(".other.partial");
        fs::remove_file(&partial).unwrap();
        fs::write(&partial, b"another's").unwrap();
        assert_eq!(output.write([b"ours"].into_iter()).unwrap_err().check(), Check::OutExists);
        assert_eq!(fs::read(&partial).unwrap(), b"another's");
        assert!(!path.exists());
    }

    #[test]
    fn room_is_known_before_the_work() {
        let folder = folder();
        let output = Output::create(&folder.path().join("out"), 0o600).unwrap();
        assert!(output.available().unwrap() > 0);
        output.reserve(1).unwrap();
        let error = output.reserve(u64::MAX).unwrap_err();
        assert_eq!(error.check(), Check::OutSpace);
        let error = check_out_space(1_950_001, 499_999, Path::new("/media/stick")).unwrap_err();
        assert_eq!(error.to_string(), "[OUT-SPACE]: no room for the output: /media/stick");
        assert_eq!(error.details().collect::<Vec<_>>(), ["needs 2.0 MB, 0.4 MB free; nothing was written"]);
        assert!(check_out_space(5, 5, Path::new("")).is_ok());
    }

    #[test]
    fn replace_is_one_step_and_keeps_modes() {
        let folder = folder();
        let path = folder.path().join("index.json");
        replace(&path, b"one").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o666);
        let link = folder.path().join("link");
        symlink("index.json", &link).unwrap();
        assert_eq!(replace(&link, b"three").unwrap_err().check(), Check::FileNotRegular);
        assert_eq!(replace(folder.path(), b"three").unwrap_err().check(), Check::FileNotRegular);
        assert_eq!(replace(&folder.path().join("absent/x"), b"three").unwrap_err().check(), Check::FileWrite);
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(names(folder.path()), ["index.json", "link"]);
    }
}
