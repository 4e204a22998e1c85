//! The signer's directory: a marker, and the sealed keys below it.
//!
//! ```text
//! HOME/               0700
//!   coldsign-home     0600  "coldsign home 1"; what makes a directory a home, and what is locked
//!   keys/             0700
//!     NAME.key        0600  a sealed key
//! ```

use std::fmt;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::check::Check;
use crate::error::{Error, Result};
use crate::files::{self, Output};
use crate::keys::sealed::SealedKey;
use crate::limits;

/// The name of a key: `[a-z0-9][a-z0-9._-]{0,63}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyName(String);

impl KeyName {
    /// KEY-NAME: reads a name in its one spelling.
    pub fn parse(name: &str) -> Result<Self> {
        check_key_name(name)?;
        Ok(Self(name.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A home that is open: this process alone uses it until the value is dropped, and everything in it is a directory or
/// a regular file that nobody else may read.
pub struct Home {
    path: PathBuf,
    has_modes: bool,
    /// The marker, locked.
    _lock: File,
}

impl Home {
    /// Makes `path` a home: a directory that is created (its parent must be there), or one that exists and is either
    /// empty or closed to others. Interrupted, it can be run again.
    ///
    /// Refuses with HOME-EXISTS a home, with HOME-MODE a directory with content that others may read, with FILE-WRITE
    /// what cannot be created.
    pub fn init(path: &Path) -> Result<Self> {
        let refuse = |error: io::Error| Error::new(Check::FileWrite, path.display()).caused_by(error);
        check_home_exists(path)?;
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => {
                if fs::read_dir(path).map_err(refuse)?.next().is_none() {
                    // A file system without modes refuses or ignores this; check_home_mode tells.
                    let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o700));
                }
            }
            other => other.map_err(refuse)?,
        }
        check_home_mode(path, has_modes(path)?)?;
        let keys = path.join(KEYS);
        match DirBuilder::new().mode(0o700).create(&keys) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && keys.is_dir() => {}
            other => other.map_err(refuse)?,
        }
        // Last: before it the directory is no home.
        files::create(&path.join(MARKER), 0o600, MARK)?;
        Self::open(path)
    }

    /// Opens the home at `path`, which may itself be reached through a link.
    ///
    /// Refuses with HOME-ABSENT what is no home, with HOME-LOCKED one that another program uses, with HOME-ENTRY one
    /// with links, devices or pipes below it, with HOME-MODE one that others may read, where the file system has modes.
    pub fn open(path: &Path) -> Result<Self> {
        check_home_absent(path)?;
        let has_modes = has_modes(path)?;
        check_home_entry(path)?;
        for folder in [path.to_owned(), path.join(KEYS)] {
            check_home_mode(&folder, has_modes)?;
        }
        check_home_mode(&path.join(MARKER), has_modes)?;
        let lock = check_home_locked(path)?;
        let home = Self { path: path.to_owned(), has_modes, _lock: lock };
        for name in home.keys()? {
            check_home_mode(&home.key_path(&name), has_modes)?;
        }
        Ok(home)
    }

    /// Where it is, as given.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the file system has modes. One without is named once on the screen: anybody who holds the medium reads
    /// the files, and only the seal protects them.
    #[must_use]
    pub fn has_modes(&self) -> bool {
        self.has_modes
    }

    /// The file of the key `name`, there or not.
    #[must_use]
    pub fn key_path(&self, name: &KeyName) -> PathBuf {
        self.path.join(KEYS).join(format!("{name}{EXTENSION}"))
    }

    /// The names of the keys, sorted. Other files beside them are left alone.
    pub fn keys(&self) -> Result<Vec<KeyName>> {
        let folder = self.path.join(KEYS);
        let mut names: Vec<KeyName> = entries(&folder)?
            .into_iter()
            .filter_map(|entry| KeyName::parse(entry.file_name()?.to_str()?.strip_suffix(EXTENSION)?).ok())
            .collect();
        names.sort();
        Ok(names)
    }

    /// Reads the key `name`.
    ///
    /// Refuses with KEY-ABSENT when there is none (and says which there are), with what [`SealedKey::from_pem`] refuses.
    pub fn load(&self, name: &KeyName) -> Result<SealedKey> {
        self.check_key_absent(name)?;
        let place = Path::new(KEYS).join(format!("{name}{EXTENSION}"));
        let file = files::read_no_link(&self.key_path(name), limits::KEY_FILE)?;
        SealedKey::from_pem(&file).map_err(|error| error.within(place.display()))
    }

    /// Reserves the file of a new key before it is made, so that nobody types a passphrase for nothing; write the key
    /// with [`Output::write`].
    ///
    /// Refuses with KEY-EXISTS when the name is taken.
    pub fn reserve(&self, name: &KeyName) -> Result<Output> {
        self.check_key_exists(name)?;
        Output::create(&self.key_path(name), 0o600)
    }

    /// Stores a new key; returns its file. Refuses with KEY-EXISTS when the name is taken.
    pub fn store(&self, name: &KeyName, key: &SealedKey) -> Result<PathBuf> {
        self.reserve(name)?.write(std::iter::once(key.to_pem()))?;
        Ok(self.key_path(name))
    }

    /// Puts `key` in the place of the one there is, in one step; returns its file. Refuses with KEY-ABSENT when there
    /// is none.
    pub fn replace(&self, name: &KeyName, key: &SealedKey) -> Result<PathBuf> {
        self.check_key_absent(name)?;
        let path = self.key_path(name);
        files::replace(&path, key.to_pem().as_bytes())?;
        Ok(path)
    }

    /// KEY-ABSENT: the home has the key.
    fn check_key_absent(&self, name: &KeyName) -> Result<()> {
        let names = self.keys()?;
        if names.contains(name) {
            return Ok(());
        }
        let has = match names.as_slice() {
            [] => "it has none".to_owned(),
            names => format!("it has: {}", names.iter().map(KeyName::as_str).collect::<Vec<_>>().join(", ")),
        };
        Err(Error::new(Check::KeyAbsent, format!("{name} in {}; {has}", self.path.display())))
    }

    /// KEY-EXISTS: no key file is written over.
    fn check_key_exists(&self, name: &KeyName) -> Result<()> {
        let path = self.key_path(name);
        if fs::symlink_metadata(&path).is_ok() {
            return Err(Error::new(Check::KeyExists, path.display()).detail("nothing was written"));
        }
        Ok(())
    }
}

/// KEY-NAME: `[a-z0-9][a-z0-9._-]{0,63}`.
fn check_key_name(name: &str) -> Result<()> {
    let first = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let good = match name.as_bytes() {
        [head, rest @ ..] if rest.len() < 64 => {
            first(*head) && rest.iter().all(|byte| first(*byte) || matches!(byte, b'.' | b'_' | b'-'))
        }
        _ => false,
    };
    if good {
        return Ok(());
    }
    Err(Error::new(Check::KeyName, name).detail("allowed: a-z, 0-9 and, not as the first, . _ -; at most 64"))
}

/// HOME-EXISTS: init changes no home.
fn check_home_exists(path: &Path) -> Result<()> {
    if fs::symlink_metadata(path.join(MARKER)).is_ok() {
        return Err(Error::new(Check::HomeExists, path.display()).detail("nothing was changed"));
    }
    Ok(())
}

/// HOME-ABSENT: the directory has the marker of a home of this version.
fn check_home_absent(path: &Path) -> Result<()> {
    let refuse = || Error::new(Check::HomeAbsent, path.display());
    let marker = path.join(MARKER);
    if fs::symlink_metadata(&marker).is_err() {
        let hint =
            format!("another stick? to make a new home: coldsign-signer init --home {}", path.display());
        return Err(refuse().hint(hint));
    }
    match files::read_no_link(&marker, 64) {
        Ok(mark) if mark == MARK => Ok(()),
        Ok(mark) if mark.starts_with(MARK_OF_ANY_VERSION) => {
            Err(refuse().detail("a home of another version"))
        }
        Ok(_) => Err(refuse().detail(format!("{MARKER} is not what init writes"))),
        Err(error) if error.check() == Check::FileNotRegular => {
            Err(Error::new(Check::HomeEntry, marker.display()))
        }
        Err(error) => Err(error),
    }
}

/// HOME-ENTRY: in the home and its directory of keys are directories and regular files only.
fn check_home_entry(path: &Path) -> Result<()> {
    let keys = path.join(KEYS);
    for entry in entries(path)?.into_iter().chain(entries(&keys)?) {
        let kind = fs::symlink_metadata(&entry).map_err(|error| unreadable(&entry, error))?.file_type();
        let directory_of_keys = entry == keys;
        if !(kind.is_dir() || kind.is_file()) || (directory_of_keys && !kind.is_dir()) {
            return Err(Error::new(Check::HomeEntry, entry.display()));
        }
    }
    Ok(())
}

/// HOME-MODE: nobody but the owner has any right to `path`, where the file system has modes.
fn check_home_mode(path: &Path, has_modes: bool) -> Result<()> {
    let found = fs::symlink_metadata(path).map_err(|error| unreadable(path, error))?;
    // The home itself may be reached through a link; what it leads to is what counts.
    let found =
        if found.is_symlink() { fs::metadata(path).map_err(|error| unreadable(path, error))? } else { found };
    let mode = found.permissions().mode() & 0o777;
    let rights_of_others = mode & 0o077;
    if !has_modes || rights_of_others == 0 {
        return Ok(());
    }
    let wanted = if found.is_dir() { "700" } else { "600" };
    Err(Error::new(Check::HomeMode, path.display())
        .detail(format!("mode {mode:03o}, expected {wanted}"))
        .hint(format!("chmod {wanted} {}", path.display())))
}

/// HOME-LOCKED: one program at a time; the lock ends with the process.
fn check_home_locked(path: &Path) -> Result<File> {
    let marker = path.join(MARKER);
    let file = File::open(&marker).map_err(|error| unreadable(&marker, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::new(Check::HomeLocked, path.display())),
        Err(TryLockError::Error(error)) => Err(Error::new(Check::HomeLocked, path.display())
            .detail("this file system has no locks")
            .caused_by(error)),
    }
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let read =
        || fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>();
    read().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            Error::new(Check::HomeEntry, folder.display()).caused_by(error)
        }
        _ => unreadable(folder, error),
    })
}

fn unreadable(path: &Path, error: io::Error) -> Error {
    Error::new(Check::FileRead, path.display()).caused_by(error)
}

/// Whether the file system that holds `path` keeps permissions.
fn has_modes(path: &Path) -> Result<bool> {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let found = rustix::fs::statfs(path).map_err(|error| unreadable(path, error.into()))?;
        // The type of the field differs between architectures; every magic number has 32 bits.
        let magic = u64::try_from(found.f_type).unwrap_or(0) & 0xffff_ffff;
        Ok(!WITHOUT_MODES.contains(&magic))
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = path;
        Ok(true)
    }
}

const MARKER: &str = "coldsign-home";
const MARK: &[u8] = b"coldsign home 1\n";
const MARK_OF_ANY_VERSION: &[u8] = b"coldsign home ";
const KEYS: &str = "keys";
const EXTENSION: &str = ".key";
/// Linux magic numbers of FAT, exFAT, NTFS (three drivers), ISO 9660 and UDF (statfs(2)).
#[cfg(any(target_os = "linux", target_os = "android"))]
const WITHOUT_MODES: [u64; 7] =
    [0x4d44, 0x2011_bab0, 0x5346_544e, 0x7366_746e, 0x6573_5546, 0x9660, 0x1501_3346];

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::keys::sealed::{Cost, Uses};
    use crate::keys::signing::{Signer as _, SigningKey, SigningKind};
    use crate::secret::{OsRandom, Passphrase};

    fn check<T>(result: Result<T>) -> Option<Check> {
        result.err().map(|error| error.check())
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn sealed() -> SealedKey {
        let key = SigningKey::generate(SigningKind::P256, &mut OsRandom).ok().unwrap();
        let passphrase = Passphrase::new(b"pass".to_vec());
        SealedKey::seal(&key, Uses::default(), "", &passphrase, Cost::new(1 << 15).unwrap(), &mut OsRandom)
            .ok()
            .unwrap()
    }

    fn name(name: &str) -> KeyName {
        KeyName::parse(name).unwrap()
    }

    #[test]
    fn names_have_one_spelling() {
        for good in ["a", "0", "release", "release-2027", "a.b_c-d", &"a".repeat(64)] {
            assert_eq!(KeyName::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            ".",
            "..",
            ".a",
            "-a",
            "_a",
            "A",
            "rElease",
            "a/b",
            "a b",
            "a\0",
            "ä",
            "a\n",
            &"a".repeat(65),
        ] {
            assert_eq!(check(KeyName::parse(bad)), Some(Check::KeyName), "{bad:?}");
        }
    }

    #[test]
    fn init_makes_a_closed_home_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault");
        assert_eq!(check(Home::open(&path)), Some(Check::HomeAbsent));
        assert_eq!(check(Home::open(folder.path())), Some(Check::HomeAbsent));
        let home = Home::init(&path).ok().unwrap();
        assert!(home.has_modes());
        assert_eq!(home.path(), path);
        assert!(home.keys().unwrap().is_empty());
        assert_eq!(
            (mode(&path), mode(&path.join("keys")), mode(&path.join("coldsign-home"))),
            (0o700, 0o700, 0o600)
        );
        assert_eq!(check(Home::init(&path)), Some(Check::HomeExists));
        assert_eq!(check(Home::init(&folder.path().join("absent/vault"))), Some(Check::FileWrite));
        let file = folder.path().join("file");
        fs::write(&file, b"").unwrap();
        assert_eq!(check(Home::init(&file)), Some(Check::FileWrite));
    }

    #[test]
    fn init_takes_a_directory_that_is_empty_or_closed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stick");
        fs::create_dir(&path).unwrap();
        chmod(&path, 0o755);
        fs::write(path.join("coldsign-signer"), b"").unwrap();
        assert_eq!(check(Home::init(&path)), Some(Check::HomeMode));
        assert!(!path.join("keys").exists());
        chmod(&path, 0o700);
        assert!(Home::init(&path).is_ok());

        let empty = folder.path().join("empty");
        fs::create_dir(&empty).unwrap();
        chmod(&empty, 0o755);
        assert!(Home::init(&empty).is_ok());
        assert_eq!(mode(&empty), 0o700);

        // Power was lost before the marker was there.
        let half = folder.path().join("half");
        fs::create_dir_all(half.join("keys")).unwrap();
        chmod(&half, 0o700);
        chmod(&half.join("keys"), 0o700);
        assert_eq!(check(Home::open(&half)), Some(Check::HomeAbsent));
        assert!(Home::init(&half).is_ok());
    }

    #[test]
    fn others_may_not_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault");
        let home = Home::init(&path).ok().unwrap();
        let key = home.store(&name("release"), &sealed()).unwrap();
        assert_eq!(mode(&key), 0o600);
        drop(home);
        for (entry, good) in
            [(path.clone(), 0o700), (path.join("keys"), 0o700), (path.join(MARKER), 0o600), (key, 0o600)]
        {
            for bad in [good | 0o040, good | 0o004, good | 0o010, good | 0o020] {
                chmod(&entry, bad);
                assert_eq!(check(Home::open(&path)), Some(Check::HomeMode), "{}", entry.display());
            }
            chmod(&entry, good);
            assert!(Home::open(&path).is_ok());
        }
        chmod(&path, 0o755);
        assert!(check_home_mode(&path, false).is_ok());
    }

    #[test]
    fn no_links_pipes_or_other_markers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault");
        drop(Home::init(&path));
        let elsewhere = folder.path().join("elsewhere");
        fs::write(&elsewhere, MARK).unwrap();
        for entry in ["keys/release.key", "keys/other", "link"] {
            let entry = path.join(entry);
            symlink(&elsewhere, &entry).unwrap();
            assert_eq!(check(Home::open(&path)), Some(Check::HomeEntry), "{}", entry.display());
            fs::remove_file(&entry).unwrap();
            rustix::fs::mknodat(
                rustix::fs::CWD,
                &entry,
                rustix::fs::FileType::Fifo,
                rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
                0,
            )
            .unwrap();
            assert_eq!(check(Home::open(&path)), Some(Check::HomeEntry), "{}", entry.display());
            fs::remove_file(&entry).unwrap();
        }
        assert!(Home::open(&path).is_ok());
        // The home itself may be reached through a link.
        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        assert!(Home::open(&link).is_ok());

        let marker = path.join(MARKER);
        fs::write(&marker, b"coldsign home 2\n").unwrap();
        assert_eq!(check(Home::open(&path)), Some(Check::HomeAbsent));
        fs::write(&marker, b"").unwrap();
        assert_eq!(check(Home::open(&path)), Some(Check::HomeAbsent));
        fs::remove_file(&marker).unwrap();
        symlink(&elsewhere, &marker).unwrap();
        assert_eq!(check(Home::open(&path)), Some(Check::HomeEntry));
        fs::remove_file(&marker).unwrap();
        files::create(&marker, 0o600, MARK).unwrap();
        fs::remove_dir(path.join("keys")).unwrap();
        assert_eq!(check(Home::open(&path)), Some(Check::HomeEntry));
        symlink(folder.path(), path.join("keys")).unwrap();
        assert_eq!(check(Home::open(&path)), Some(Check::HomeEntry));
    }

    #[test]
    fn one_program_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault");
        let home = Home::init(&path).ok().unwrap();
        assert_eq!(check(Home::open(&path)), Some(Check::HomeLocked));
        drop(home);
        assert!(Home::open(&path).is_ok());
    }

    #[test]
    fn keys_are_stored_once_and_replaced_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault");
        let home = Home::init(&path).ok().unwrap();
        let (one, two) = (sealed(), sealed());
        let release = name("release");
        let error = home.load(&release).err().unwrap();
        assert_eq!(error.at(), format!("release in {}; it has none", path.display()));
        assert_eq!(check(home.replace(&release, &one)), Some(Check::KeyAbsent));
        let file = home.store(&release, &one).unwrap();
        assert_eq!(file, path.join("keys/release.key"));
        assert_eq!(fs::read_to_string(&file).unwrap(), one.to_pem());
        assert_eq!(check(home.store(&release, &two)), Some(Check::KeyExists));
        assert_eq!(check(home.reserve(&release)), Some(Check::KeyExists));
        assert_eq!(home.load(&release).ok().unwrap().public_key(), one.public_key());
        home.replace(&release, &two).unwrap();
        assert_eq!(home.load(&release).ok().unwrap().public_key(), two.public_key());
        assert_eq!(mode(&file), 0o600);

        home.store(&name("a"), &one).unwrap();
        fs::write(path.join("keys/.half.key.partial"), b"x").unwrap();
        fs::write(path.join("keys/README"), b"x").unwrap();
        fs::write(path.join("keys/Upper.key"), b"x").unwrap();
        assert_eq!(home.keys().unwrap(), [name("a"), name("release")]);
        let error = home.load(&name("staging")).err().unwrap();
        assert_eq!((error.check(), error.exit().code()), (Check::KeyAbsent, 40));
        assert_eq!(error.at(), format!("staging in {}; it has: a, release", path.display()));

        fs::write(&file, two.to_pem().replace("eyJj", "eyJk")).unwrap();
        let error = home.load(&release).err().unwrap();
        assert_eq!(
            (error.check(), error.at(), error.exit().code()),
            (Check::KeyDamaged, "keys/release.key", 42)
        );
        fs::write(&file, vec![b'x'; 64 * 1024 + 1]).unwrap();
        assert_eq!(check(home.load(&release)), Some(Check::FileSize));
        assert_eq!(
            one.unlock(&Passphrase::new(b"pass".to_vec())).ok().unwrap().public_key(),
            one.public_key()
        );
    }
}
