//! Keys as files.

use std::path::PathBuf;

use clap::Args;

/// Print the public key of a key file, as `cosign public-key`
#[derive(Args, Debug)]
#[command(after_help = "\
The file is one of cosign's, PKCS#8 (plain or encrypted), SEC1 or PKCS#1, of
every type that verifies; or a public key, which is checked and printed. A
passphrase comes from --passphrase-file, else from cosign's COSIGN_PASSWORD,
else from the terminal. A sealed key of coldsign stays where it is sealed:
coldsign-signer key public NAME.

Example:
  coldsign public-key --key cosign.key > cosign.pub")]
pub(crate) struct PublicKey {
    /// The key file
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// Read the passphrase from a file; one final line end is not part of it
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
}
