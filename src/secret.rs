//! Secrets in memory, and the source of randomness.

use zeroize::Zeroizing;

use crate::error::Result;

/// A passphrase as bytes; wiped when dropped.
pub struct Passphrase(Zeroizing<Vec<u8>>);

impl Passphrase {
    /// Takes the bytes as they are.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Where random bytes come from.
pub trait Random {
    /// Fills `bytes` (RANDOM-SOURCE when the source fails).
    fn fill(&mut self, bytes: &mut [u8]) -> Result<()>;
}
