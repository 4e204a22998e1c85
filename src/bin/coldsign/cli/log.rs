//! Telling transparency logs and timestamp authorities of signatures.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Network, TrustFiles};

#[derive(Debug, Subcommand)]
pub(crate) enum Log {
    /// Tell a log of the signatures in a response
    #[command(after_help = "\
What a log is told is public for ever: the SHA-256 of what was signed, the
signature, the public key. It shows how much that is and asks first. Payloads
are not sent; of a statement a Rekor v1 log is sent the envelope, and keeps its
hashes. A timestamp authority is told the SHA-256 of each signature.
  coldsign log submit response.tar --rekor-url https://rekor.example \\
      --trusted-root root.json -o response-logged.tar

What comes back is checked by the trusted root before it is attached. A .sig
has no place for an entry of Rekor v2, which goes into bundles alone; it has no
time either, so a timestamp is asked for as well (--tsa-url).

A run that was killed leaves OUTPUT.journal; the same command goes on from there.")]
    Submit(LogSubmit),
    /// Attach what a log or a timestamp authority gave, from a file
    #[command(after_help = "\
An entry is what Rekor answered (v1: the object by UUID; v2: the entry), the log
annotation of a .sig, or a timestamp (TimeStampResp). It is attached to the one
signature in the response that it is of, once it was checked:
  coldsign log add response.tar --entry reply.json --trusted-root root.json \\
      -o response-logged.tar")]
    Add(LogAdd),
}

#[derive(Args, Debug)]
pub(crate) struct LogSubmit {
    /// A response
    #[arg(value_name = "RESPONSE")]
    pub(crate) response: PathBuf,
    #[command(flatten)]
    pub(crate) services: Services,
    /// Only signatures by this public key; may be repeated
    #[arg(long = "key", value_name = "FILE")]
    pub(crate) keys: Vec<PathBuf>,
    /// The file to write; it must not be there yet
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) trust: TrustFiles,
    #[command(flatten)]
    pub(crate) network: Network,
}

/// Logs and timestamp authorities that are told
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Publishing")]
pub(crate) struct Services {
    /// Publish signatures in the log at this address (Rekor v1 or v2)
    #[arg(long, value_name = "URL")]
    pub(crate) rekor_url: Option<String>,
    /// Where a Rekor v2 log's checkpoint and tiles are, if not below its address
    #[arg(long, value_name = "URL", requires = "rekor_url")]
    pub(crate) rekor_tiles_url: Option<String>,
    /// Ask this authority for timestamps (RFC 3161)
    #[arg(long, visible_alias = "timestamp-server-url", value_name = "URL")]
    pub(crate) tsa_url: Option<String>,
    /// Take entries of Rekor v2 without a timestamp: they have no time then
    #[arg(long, conflicts_with = "tsa_url")]
    pub(crate) no_timestamp: bool,
    /// Publish without being asked
    #[arg(short, long)]
    pub(crate) yes: bool,
}

#[derive(Args, Debug)]
pub(crate) struct LogAdd {
    /// A response
    #[arg(value_name = "RESPONSE")]
    pub(crate) response: PathBuf,
    /// What a log or an authority gave; may be repeated
    #[arg(long = "entry", value_name = "FILE", required = true)]
    pub(crate) entries: Vec<PathBuf>,
    /// The file to write; it must not be there yet
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) trust: TrustFiles,
}
