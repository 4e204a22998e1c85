//! The command line of the sealed station: definitions only. Man pages and completions come from here too.

use std::path::PathBuf;

use clap::builder::styling::Styles;
use clap::{Args, Parser, Subcommand, ValueEnum};
use coldsign::digest::Digest;

/// Review and sign container images on a machine without a network
#[derive(Debug, Parser)]
#[command(name = "coldsign-signer", version, term_width = 80, styles = Styles::plain(), subcommand_required = true)]
#[command(after_help = "\
The way through:
  coldsign-signer --home /media/vault init
  export COLDSIGN_HOME=/media/vault
  coldsign-signer key generate release
  coldsign-signer sign request.tar --key release -o response.tar

There is no default home: nobody signs from the wrong stick. Nothing here
uses a network. Exit codes: docs/exit-codes.md.")]
pub(crate) struct Cli {
    #[arg(
        help = "Where the keys are; else the environment's COLDSIGN_HOME",
        long,
        global = true,
        value_name = "DIR"
    )]
    pub(crate) home: Option<PathBuf>,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make an empty home
    Init,
    /// Check every primitive against known answers; say version and own SHA-256
    SelfTest,
    /// Make, take in, test and hand out keys
    #[command(subcommand, subcommand_required = true)]
    Key(Key),
    /// Show what a request or response asks for, as `sign` would
    #[command(after_help = "\
Neither the words nor the digest of the request is shown: they come from the
paper that was printed on the connected side.

Example:
  coldsign-signer inspect request.tar | less")]
    Inspect {
        /// A request or a response
        file: PathBuf,
    },
    /// Review a request, approve it, sign it
    Sign(Sign),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Key {
    /// Make a key, sealed with a passphrase
    #[command(after_help = "\
p256 is what every verifier takes. p384 and ed25519 sign as cosign 2.6 and 3.1,
skopeo and podman verify them: over SHA-256, and pure. Not every verifier does:
those that take the hash from the curve, or want Ed25519ph, refuse them, and
transparency logs do not take them (docs/verifiers.md).

A key signs nothing outside its uses. A key with the single use blob signs
files by their hash alone. Stock cosign counts an attestation as a signature of
the image: give attestations a key of their own.

Example:
  coldsign-signer key generate release
  coldsign-signer key generate provenance --use attestation
  cp /media/vault/keys/release.key /media/backup/
  coldsign-signer key check /media/backup/release.key")]
    Generate {
        /// Its name: a letter or digit (a-z, 0-9), then letters, digits, `.`, `_`, `-`
        name: String,
        /// Its type: p256, p384, ed25519
        #[arg(long = "type", value_name = "TYPE", default_value = "p256", hide_possible_values = true)]
        kind: KeyType,
        #[command(flatten)]
        purposes: Purposes,
        #[command(flatten)]
        passphrase: PassphraseSource,
        #[command(flatten)]
        memory: Memory,
    },
    /// Take in a key file: cosign's, PKCS#8 (plain or encrypted), SEC1
    #[command(after_help = "\
Keys that sign are P-256, P-384 and Ed25519; the page of `key generate` says
which verifiers do not take the last two.

The key is sealed with a new passphrase. Without a terminal and without a new
one it is sealed with the passphrase that opened it.

Example:
  coldsign-signer key import cosign.key release")]
    Import {
        /// The key file
        file: PathBuf,
        /// Its name; else the file's name without its last extension
        name: Option<String>,
        #[command(flatten)]
        purposes: Purposes,
        #[command(flatten)]
        passphrase: PassphraseSource,
        #[command(flatten)]
        new: NewPassphraseSource,
        #[command(flatten)]
        memory: Memory,
    },
    /// List the keys by what their files say of themselves, which proves nothing
    List,
    /// Unlock a key and print its public key
    #[command(after_help = "\
It asks for the passphrase: the file's header alone proves nothing.

Example:
  coldsign-signer key public release > release.pub")]
    Public {
        /// The key's name
        name: String,
        #[command(flatten)]
        passphrase: PassphraseSource,
        #[command(flatten)]
        memory: Memory,
    },
    /// Test a backup: does it open, sign, verify, and is it the key of the home
    #[command(after_help = "\
What has a slash is a file; a name is looked for in the home first.

Example:
  coldsign-signer key check /media/backup/release.key")]
    Check {
        /// A sealed key file, or a key's name
        #[arg(value_name = "FILE|NAME")]
        key: PathBuf,
        #[command(flatten)]
        passphrase: PassphraseSource,
        #[command(flatten)]
        memory: Memory,
    },
    /// Change a key's passphrase
    Passphrase {
        /// The key's name
        name: String,
        #[command(flatten)]
        passphrase: PassphraseSource,
        #[command(flatten)]
        new: NewPassphraseSource,
        #[command(flatten)]
        memory: Memory,
    },
    /// Show or change what a key may sign
    #[command(
        override_usage = "coldsign-signer key uses [OPTIONS] NAME [--add USE]... [--remove USE]...",
        after_help = "\
A change opens the key and seals it again. Copies that were made before keep
the uses they had. Without a change it shows what the key's file says of
itself; with a passphrase, what was proven.

Example:
  coldsign-signer key uses release --add custom-payload
  coldsign-signer key uses release --remove custom-payload"
    )]
    Uses {
        /// The key's name
        name: String,
        /// Let it sign these too: image, attestation, blob, custom-payload
        #[arg(long, value_name = "USE", hide_possible_values = true, display_order = 0)]
        add: Vec<Purpose>,
        /// Let it sign these no more
        #[arg(long, value_name = "USE", hide_possible_values = true, display_order = 0)]
        remove: Vec<Purpose>,
        #[command(flatten)]
        passphrase: PassphraseSource,
        #[command(flatten)]
        memory: Memory,
    },
    /// Write a key in another program's format
    #[command(
        override_usage = "coldsign-signer key export [OPTIONS] --format cosign -o FILE NAME",
        after_help = "\
cosign's format has no uses: whoever holds the file and its passphrase can sign
anything with it. The passphrase of the file is one of its own. What cosign 2.6
and 3.1 sign with a P-384 or Ed25519 key, their own verify refuses: they take
another hash.

Example:
  coldsign-signer key export release --format cosign -o cosign.key"
    )]
    Export {
        /// The key's name
        name: String,
        /// The format
        #[arg(long)]
        format: KeyFormat,
        /// The file to write; it must not be there yet
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
        #[command(flatten)]
        passphrase: PassphraseSource,
        #[command(flatten)]
        new: NewPassphraseSource,
        #[command(flatten)]
        memory: Memory,
    },
}

/// What a new key may sign.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Purposes {
    /// What it may sign: image, attestation, blob, custom-payload; may be repeated
    #[arg(long = "use", value_name = "USE", default_value = "image", hide_possible_values = true)]
    pub(crate) uses: Vec<Purpose>,
}

/// Where the passphrase that opens a key comes from, when it is not typed.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct PassphraseSource {
    /// Read the passphrase from a file; one final line end is not part of it
    #[arg(long = "passphrase-file", value_name = "FILE", conflicts_with = "passphrase_fd")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Read the passphrase from an open file descriptor
    #[arg(long = "passphrase-fd", value_name = "N")]
    pub(crate) passphrase_fd: Option<u32>,
}

/// Where the passphrase that seals a key comes from, when it is not typed.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct NewPassphraseSource {
    /// Read the new passphrase from a file
    #[arg(long = "new-passphrase-file", value_name = "FILE", conflicts_with = "new_passphrase_fd")]
    pub(crate) new_passphrase_file: Option<PathBuf>,
    /// Read the new passphrase from an open file descriptor
    #[arg(long = "new-passphrase-fd", value_name = "N")]
    pub(crate) new_passphrase_fd: Option<u32>,
}

/// What is allowed while keys lie open in memory.
#[derive(Args, Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// Unlock keys although memory may be written to swap
    #[arg(long)]
    pub(crate) allow_swap: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyType {
    /// ECDSA on P-256: what every verifier takes
    P256,
    /// ECDSA on P-384, over SHA-256
    P384,
    /// Pure Ed25519
    Ed25519,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Purpose {
    /// Images: what coldsign rendered itself
    Image,
    /// In-toto attestations
    Attestation,
    /// Files
    Blob,
    /// Payloads that somebody else wrote
    CustomPayload,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyFormat {
    /// ENCRYPTED SIGSTORE PRIVATE KEY
    Cosign,
}

/// Review a request, approve it, sign it
#[derive(Args, Debug)]
#[command(after_help = "\
At a terminal the approval is six of the 32 words that stand on the exporting
side's paper. Without one it is --approve with the digest that export printed:

  coldsign-signer sign request.tar --key release -o response.tar
  coldsign-signer sign response.tar --key second -o response2.tar
  coldsign-signer sign request.tar --key release -o response.tar \\
      --passphrase-file pass --approve sha256:... </dev/null

What another key signed before stays, and the same key again writes the same
bytes. One --passphrase-file serves every key, or give one for each in order.")]
pub(crate) struct Sign {
    /// A request, or a response to add signatures to
    pub(crate) file: PathBuf,
    /// The key to sign with; may be repeated
    #[arg(long = "key", value_name = "NAME", required = true)]
    pub(crate) keys: Vec<String>,
    /// The response to write; it must not be there yet
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// The digest of the request that is approved, where nobody can be asked
    #[arg(long, value_name = "sha256:DIGEST", value_parser = Digest::parse)]
    pub(crate) approve: Option<Digest>,
    /// Which signatures to make
    #[arg(long, default_value = "both")]
    pub(crate) form: Form,
    /// Take more than 1,000 items
    #[arg(long, value_name = "N")]
    pub(crate) max_items: Option<usize>,
    /// Read the passphrase from a file; one for all keys, or one for each
    #[arg(long = "passphrase-file", value_name = "FILE", conflicts_with = "passphrase_fds")]
    pub(crate) passphrase_files: Vec<PathBuf>,
    /// Read the passphrase from an open file descriptor; one for all keys, or one for each
    #[arg(long = "passphrase-fd", value_name = "N")]
    pub(crate) passphrase_fds: Vec<u32>,
    #[command(flatten)]
    pub(crate) memory: Memory,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// `.sig` manifests: what stock cosign looks at unless a bundle is there
    Sig,
    /// Sigstore bundles as referrers
    Bundle,
    /// Both, from one approval
    Both,
}
