//! scrypt (RFC 7914) within bounds: nothing is allocated or computed before the parameters were checked.

use zeroize::Zeroizing;

use crate::check::Check;
use crate::error::{Error, Result};
use crate::secret::Passphrase;

/// A 256-bit key from a passphrase with `N = 2^log_n`, r = 8, p = 1.
///
/// `log_n` is at most 20, checked by the caller: 1 GiB and a few seconds.
pub(super) fn scrypt_key(passphrase: &Passphrase, salt: &[u8], log_n: u8) -> Result<Zeroizing<[u8; 32]>> {
    check_memory(1_u64 << log_n, 8)?;
    let refuse = || Error::new(Check::KeyParameters, format!("scrypt N=2^{log_n}"));
    let parameters = scrypt::Params::new(log_n, 8, 1).map_err(|_| refuse())?;
    let mut key = Zeroizing::new([0; 32]);
    scrypt::scrypt(passphrase.expose(), salt, &parameters, key.as_mut_slice()).map_err(|_| refuse())?;
    Ok(key)
}

/// Refuses with KEY-PARAMETERS what this machine has no memory for: scrypt itself would end the process.
pub(super) fn check_memory(n: u64, r: u64) -> Result<()> {
    let needs = n.saturating_mul(r).saturating_mul(128);
    let mut probe: Vec<u8> = Vec::new();
    probe.try_reserve_exact(usize::try_from(needs).unwrap_or(usize::MAX)).map_err(|error| {
        let line = format!("scrypt needs {} MiB of memory, which this machine does not give", needs >> 20);
        Error::new(Check::KeyParameters, "").detail(line).caused_by(error)
    })
}
