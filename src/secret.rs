//! Memory that holds secrets, and a process that does not leak them (docs/key-format.md).
//!
//! Nothing here has `Debug`, `Display` or `Clone`. Buffers we own are wiped when they are dropped; copies that
//! libraries make inside themselves end with the process.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

use crate::check::Check;
use crate::error::{Error, Result};
use crate::files;
use crate::limits;

/// Bytes that nobody may see; wiped when dropped.
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes over `bytes`, without a copy.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, for the function that needs them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, to be changed in place.
    pub(crate) fn expose_mut(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }
}

/// A passphrase: bytes, unchanged as the person gave them; wiped when dropped.
pub struct Passphrase(SecretBytes);

impl Passphrase {
    /// A passphrase as typed: every byte counts.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(SecretBytes::new(bytes))
    }

    /// The content of a passphrase file: exactly one final LF or CRLF is taken off, nothing else is changed.
    #[must_use]
    pub fn from_file(bytes: Vec<u8>) -> Self {
        let mut secret = SecretBytes::new(bytes);
        let length =
            secret.expose().strip_suffix(b"\n").map(|rest| rest.strip_suffix(b"\r").unwrap_or(rest).len());
        if let Some(length) = length {
            let bytes = secret.expose_mut();
            if let Some(end) = bytes.get_mut(length..) {
                end.zeroize();
            }
            bytes.truncate(length);
        }
        Self(secret)
    }

    /// Reads a passphrase to the end of `source`, by the rule of [`Passphrase::from_file`]. `at` names the source.
    ///
    /// Refuses with FILE-SIZE more than [`limits::PASSPHRASE_FILE`] bytes, with FILE-READ what cannot be read.
    pub fn read(source: impl Read, at: &str) -> Result<Self> {
        let most = usize::try_from(limits::PASSPHRASE_FILE).unwrap_or(usize::MAX / 2);
        // Room for all that is ever read: a buffer that grows would leave copies behind.
        let mut secret = SecretBytes::new(Vec::with_capacity(most + 64));
        source
            .take(limits::PASSPHRASE_FILE + 1)
            .read_to_end(secret.expose_mut())
            .map_err(|error| Error::new(Check::FileRead, at).caused_by(error))?;
        if secret.expose().len() > most {
            return Err(
                Error::new(Check::FileSize, at).detail(format!("a passphrase has at most {most} bytes"))
            );
        }
        Ok(Self::from_file(std::mem::take(secret.expose_mut())))
    }

    /// Reads a passphrase from the file at `path`, by the rule of [`Passphrase::from_file`].
    ///
    /// Refuses as [`files::read`] does: no pipe, at most [`limits::PASSPHRASE_FILE`] bytes.
    pub fn read_file(path: &Path) -> Result<Self> {
        files::read(path, limits::PASSPHRASE_FILE).map(Self::from_file)
    }

    /// Reads a passphrase from the open file descriptor `fd` to its end, by the rule of [`Passphrase::from_file`].
    ///
    /// Refuses as [`Passphrase::read`] does.
    pub fn read_fd(fd: u32) -> Result<Self> {
        let path = format!("/dev/fd/{fd}");
        let file = File::open(&path).map_err(|error| Error::new(Check::FileRead, &path).caused_by(error))?;
        Self::read(file, &path)
    }

    /// The bytes, for a key derivation function.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }

    /// PASSPHRASE-EMPTY: what seals a key has at least one byte (docs/key-format.md).
    pub fn check_passphrase_empty(&self) -> Result<()> {
        if self.expose().is_empty() {
            return Err(Error::new(Check::PassphraseEmpty, "").detail("nothing was sealed or written"));
        }
        Ok(())
    }

    /// PASSPHRASE-TWICE: a new passphrase that is typed is typed twice.
    pub fn check_passphrase_twice(&self, again: &Self) -> Result<()> {
        if !bool::from(self.expose().ct_eq(again.expose())) {
            return Err(Error::new(Check::PassphraseTwice, "").detail("nothing was sealed or written"));
        }
        Ok(())
    }
}

/// A source of random bytes: a parameter everywhere, so that tests can hold a fixed one.
pub trait Random {
    /// Fills `buffer`, whole, or fails with RANDOM-SOURCE.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<()>;
}

/// The operating system's source (`getrandom(2)`, blocking until it is seeded).
#[derive(Clone, Copy, Debug, Default)]
pub struct OsRandom;

impl Random for OsRandom {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
        getrandom::fill(buffer).map_err(|error| Error::new(Check::RandomSource, "").caused_by(error))
    }
}

/// Turns core dumps off and, on Linux, makes the process one that other processes of the same user can neither dump
/// nor trace. To be called first in `main`.
///
/// The error is the operating system's: no secret is in memory yet, so the program may say so and end.
pub fn harden_process() -> std::io::Result<()> {
    use rustix::process::{Resource, Rlimit, setrlimit};
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    Ok(())
}

/// Where memory may be written to a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swap {
    /// This system does not say (no `/proc/swaps`).
    Unknown,
    /// There is none.
    Off,
    /// The active areas, as the system names them.
    Active(Vec<String>),
}

impl Swap {
    /// Asks the system.
    #[must_use]
    pub fn of_this_system() -> Self {
        Self::parse(std::fs::read_to_string("/proc/swaps").ok().as_deref())
    }

    /// Reads the text of `/proc/swaps`: a heading, then a line for each area. `None` where there is no such file.
    #[must_use]
    pub fn parse(text: Option<&str>) -> Self {
        let Some(text) = text else { return Self::Unknown };
        let areas = text.lines().skip(1).filter_map(|line| line.split_whitespace().next());
        match areas.map(str::to_owned).collect::<Vec<_>>() {
            areas if areas.is_empty() => Self::Off,
            areas => Self::Active(areas),
        }
    }

    /// SWAP-ACTIVE: no key is unlocked while memory may be written to swap, unless the person allows it.
    pub fn check_swap_active(&self, allowed: bool) -> Result<()> {
        match self {
            Self::Active(areas) if !allowed => Err(Error::new(Check::SwapActive, areas.join(", "))
                .detail("no key was opened")
                .hint("turn it off: swapoff -a; or say --allow-swap if it is encrypted with a key that is lost at power-off")),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_final_line_ending() {
        for (file, passphrase) in [
            (&b"pass"[..], &b"pass"[..]),
            (b"pass\n", b"pass"),
            (b"pass\r\n", b"pass"),
            (b"pass\n\n", b"pass\n"),
            (b"pass\r\n\r\n", b"pass\r\n"),
            (b"pass\r", b"pass\r"),
            (b" pass \n", b" pass "),
            (b"\n", b""),
            (b"", b""),
            (b"\xff\0\xc3\x9f\n", b"\xff\0\xc3\x9f"),
        ] {
            assert_eq!(Passphrase::from_file(file.to_vec()).expose(), passphrase);
            assert_eq!(Passphrase::read(file, "file").ok().unwrap().expose(), passphrase);
        }
        assert_eq!(Passphrase::new(b"pass\n".to_vec()).expose(), b"pass\n");
    }

    #[test]
    fn sources_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pass");
        for (length, good) in [(4096, true), (4097, false), (100_000, false)] {
            let bytes = vec![b'x'; length];
            std::fs::write(&path, &bytes).unwrap();
            for result in [Passphrase::read(&bytes[..], "fd"), Passphrase::read_file(&path)] {
                assert_eq!(
                    result.err().map(|error| error.check()),
                    (!good).then_some(Check::FileSize),
                    "{length}"
                );
            }
        }
        assert_eq!(Passphrase::read_file(folder.path()).err().unwrap().check(), Check::FileNotRegular);
    }

    #[test]
    fn descriptors_are_read_to_their_end() {
        use std::os::fd::AsRawFd as _;
        let (reader, mut writer) = std::io::pipe().unwrap();
        std::io::Write::write_all(&mut writer, b"pass\n").unwrap();
        drop(writer);
        let fd = u32::try_from(reader.as_raw_fd()).unwrap();
        assert_eq!(Passphrase::read_fd(fd).ok().unwrap().expose(), b"pass");
        assert_eq!(Passphrase::read_fd(9999).err().unwrap().check(), Check::FileRead);
    }

    #[test]
    fn new_passphrases() {
        let one = Passphrase::new(b"one".to_vec());
        assert!(one.check_passphrase_twice(&Passphrase::new(b"one".to_vec())).is_ok());
        for other in [&b"on"[..], b"onE", b""] {
            let error = one.check_passphrase_twice(&Passphrase::new(other.to_vec())).unwrap_err();
            assert_eq!(error.check(), Check::PassphraseTwice);
        }
        assert_eq!(
            Passphrase::new(Vec::new()).check_passphrase_empty().unwrap_err().check(),
            Check::PassphraseEmpty
        );
        assert!(one.check_passphrase_empty().is_ok());
    }

    #[test]
    fn swap_is_named() {
        const HEADING: &str = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";
        let active = format!("{HEADING}/dev/sda2    partition\t1\t0\t-2\n/swap\\040file    file\t1\t0\t-3\n");
        let swap = Swap::parse(Some(&active));
        assert_eq!(swap, Swap::Active(vec!["/dev/sda2".to_owned(), "/swap\\040file".to_owned()]));
        let error = swap.check_swap_active(false).unwrap_err();
        assert_eq!((error.check(), error.at()), (Check::SwapActive, "/dev/sda2, /swap\\040file"));
        assert!(swap.check_swap_active(true).is_ok());
        for (text, state) in [(Some(HEADING), Swap::Off), (Some(""), Swap::Off), (None, Swap::Unknown)] {
            assert_eq!(Swap::parse(text), state);
            assert!(state.check_swap_active(false).is_ok());
        }
    }

    #[test]
    fn randomness_is_not_constant() {
        let (mut one, mut two) = ([0; 32], [0; 32]);
        OsRandom.fill(&mut one).unwrap();
        OsRandom.fill(&mut two).unwrap();
        assert_ne!(one, two);
    }
}
