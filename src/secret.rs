//! Memory that holds secrets, and a process that does not leak them (design 4).
//!
//! Nothing here has `Debug`, `Display` or `Clone`. Buffers we own are wiped when they are dropped; copies that
//! libraries make inside themselves end with the process.

use std::io::Read;

use subtle::ConstantTimeEq as _;
use zeroize::{Zeroize as _, Zeroizing};

use crate::check::Check;
use crate::error::{Error, Result};
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

    /// The bytes, for a key derivation function.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }

    /// PASSPHRASE-EMPTY: what seals a key has at least one byte (design 4).
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
