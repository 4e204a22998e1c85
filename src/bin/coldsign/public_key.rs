//! `public-key`: the public key of a private key file.

use std::env;
use std::os::unix::ffi::OsStringExt as _;

use coldsign::check::Check;
use coldsign::error::{Error, Result};
use coldsign::keys::foreign::ForeignKey;
use coldsign::keys::public::PublicKey;
use coldsign::keys::sealed::is_sealed;
use coldsign::passphrase::{is_wrong, unlock};
use coldsign::secret::{Passphrase, SecretBytes, harden_process};
use coldsign::terminal::{Console, shown};
use coldsign::{files, limits};

use crate::cli;

/// Prints the public key as PEM on stdout.
pub(crate) fn run(args: &cli::PublicKey, console: &mut dyn Console) -> Result<()> {
    harden_process().map_err(|cause| Error::new(Check::ProcessOpen, "").caused_by(cause))?;
    let file = SecretBytes::new(files::read(&args.key, limits::KEY_FILE)?);
    let key = public_key(file.expose(), args, console).map_err(|error| error.within(args.key.display()))?;
    console.emit(key.to_pem().as_bytes())
}

fn public_key(file: &[u8], args: &cli::PublicKey, console: &mut dyn Console) -> Result<PublicKey> {
    if is_sealed(file) {
        return Err(Error::new(Check::KeyFormat, "")
            .detail("a sealed key of coldsign: only the sealed machine opens it")
            .hint("there: coldsign-signer key public NAME"));
    }
    if file.trim_ascii_start().starts_with(b"-----BEGIN PUBLIC KEY-----") {
        return PublicKey::from_pem(file);
    }
    let foreign = ForeignKey::from_pem(file)?;
    if !foreign.format().needs_passphrase() {
        return foreign.public_key(None);
    }
    let from_file = args.passphrase_file.as_deref().map(Passphrase::read_file).transpose()?;
    let from_cosign = from_file.is_none().then(cosign_password).flatten();
    let named = from_cosign.is_some();
    let name = shown(&args.key.display().to_string());
    let opened = unlock(console, from_file.or(from_cosign).as_ref(), &name, WAYS, |passphrase| {
        foreign.public_key(Some(passphrase))
    });
    opened.map(|(key, _)| key).map_err(|error| {
        if named && is_wrong(&error) {
            error.detail(format!("the passphrase is that of {COSIGN_PASSWORD}"))
        } else {
            error
        }
    })
}

/// cosign's variable; set and empty is an empty passphrase, as it is for cosign. Whoever has a key of cosign's on a
/// machine with a network has its passphrase there already; sealed keys are not opened here, and `coldsign-signer` reads
/// no passphrase from its environment.
fn cosign_password() -> Option<Passphrase> {
    env::var_os(COSIGN_PASSWORD).map(|password| Passphrase::new(password.into_vec()))
}

const COSIGN_PASSWORD: &str = "COSIGN_PASSWORD";
const WAYS: &str = "--passphrase-file FILE, or set COSIGN_PASSWORD";
