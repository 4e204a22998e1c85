//! Logs and timestamp authorities that a person trusts, and what is demanded of them.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use coldsign::verify::Want;

use super::{at_least_one, parser};

/// Logs and timestamp authorities that are trusted
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Logs and timestamps")]
pub(crate) struct TrustFiles {
    /// Trust the logs and timestamp authorities of this trusted root
    #[arg(long, value_name = "FILE")]
    pub(crate) trusted_root: Option<PathBuf>,
    #[arg(
        help = "Trust the Rekor v1 log with this public key; may be repeated; else the file named by SIGSTORE_REKOR_PUBLIC_KEY",
        long = "rekor-key",
        value_name = "FILE"
    )]
    pub(crate) rekor_keys: Vec<PathBuf>,
    /// Trust the timestamp authority with this chain (PEM, its own certificate
    /// first); may be repeated
    #[arg(long = "timestamp-certificate-chain", value_name = "FILE")]
    pub(crate) chains: Vec<PathBuf>,
}

/// Logs and timestamps
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Logs and timestamps")]
pub(crate) struct TrustArgs {
    #[command(flatten)]
    pub(crate) files: TrustFiles,
    /// Log entries: `require` (where a log is trusted), `if-present` (else) or
    /// `ignore`; what is there and does not hold voids its signature
    #[arg(long, value_name = "WANT", hide_possible_values = true)]
    pub(crate) log: Option<Wanted>,
    /// How many distinct logs must have a signature
    #[arg(long, value_name = "N", default_value = "1", value_parser = parser(at_least_one))]
    pub(crate) log_threshold: usize,
    /// Timestamps, in the same words
    #[arg(long, value_name = "WANT", default_value = "if-present", hide_possible_values = true)]
    pub(crate) tsa: Wanted,
    /// As cosign calls it: true is --log ignore, false --log require
    #[arg(
        long, hide = true, value_name = "BOOL", default_missing_value = "true",
        num_args = 0..=1, require_equals = true, action = clap::ArgAction::Set
    )]
    pub(crate) insecure_ignore_tlog: Option<bool>,
    /// As cosign calls it: nothing is ever asked of a log anyway
    #[arg(long, hide = true)]
    pub(crate) offline: bool,
    /// As cosign calls it: --tsa require
    #[arg(long, hide = true)]
    pub(crate) use_signed_timestamps: bool,
}

/// A log that is asked
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Logs and timestamps")]
pub(crate) struct LookupArgs {
    /// Look entries up in this Rekor v1 log that do not stand beside their
    /// signature; what it answers is checked like them
    #[arg(long, value_name = "URL")]
    pub(crate) rekor_url: Option<String>,
}

/// What is wanted of log entries or timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Wanted {
    /// One that holds
    Require,
    /// What is there must hold where it can be checked
    IfPresent,
    /// None is looked at
    Ignore,
}

impl From<Wanted> for Want {
    fn from(wanted: Wanted) -> Self {
        match wanted {
            Wanted::Require => Self::Require,
            Wanted::IfPresent => Self::IfPresent,
            Wanted::Ignore => Self::Ignore,
        }
    }
}
