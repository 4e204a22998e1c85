//! Bundles and trusted roots.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::trip::Format;
use super::{Beside, Network, TrustArgs};

#[derive(Debug, Subcommand)]
pub(crate) enum Bundle {
    /// Show what a bundle signs, and what logs and timestamps say of it
    #[command(after_help = "\
Without --key nothing is verified and the output says so; with a key, a trusted
root or a log key each log entry and each timestamp is judged as `coldsign
verify` does it, and it says which time counts and why.
  coldsign bundle inspect app.bundle
  coldsign bundle inspect --key release.pub --trusted-root root.json \\
      registry.example/app:1.4

Of an image every signature is shown: the layers of its .sig and .att, and its
bundles. Nothing is demanded beside a signature unless --log, --log-threshold or
--tsa say so; it ends with 0 where all that was shown holds.")]
    Inspect(BundleInspect),
}

#[derive(Args, Debug)]
pub(crate) struct BundleInspect {
    /// A bundle's file, or an image as for `coldsign verify`
    #[arg(value_name = "FILE|IMAGE")]
    pub(crate) what: String,
    /// A public key to judge by; may be repeated
    #[arg(long = "key", value_name = "FILE")]
    pub(crate) keys: Vec<PathBuf>,
    /// How it is printed
    #[arg(long, default_value = "text")]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) beside: Beside,
    #[command(flatten)]
    pub(crate) trust: TrustArgs,
    #[command(flatten)]
    pub(crate) network: Network,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TrustedRoot {
    /// Write a trusted root: the logs and timestamp authorities of a deployment
    #[command(after_help = "\
Without a service it names nobody: what `cosign verify --key` without a log asks
for, so that it asks no network.
  coldsign trusted-root create -o tr0.json
  cosign verify --key release.pub --insecure-ignore-tlog=true \\
      --trusted-root tr0.json IMAGE

With services it is what cosign, coldsign and other verifiers check entries and
timestamps with. A service is a list of NAME=VALUE:
  --rekor url=https://rekor.example,public-key=rekor.pub
  --rekor url=https://log1.rekor.example,public-key=log1.pub,\\
      start-time=2026-01-01T00:00:00Z,end-time=2026-12-31T23:59:59Z
  --tsa url=https://tsa.example/api/v1/timestamp,certificate-chain=tsa.pem

The host of a log's url is the origin of its checkpoints; origin=HOST says it
again. Without a start-time a key holds from 1970 on. A chain begins with the
authority's own certificate.")]
    Create(TrustedRootCreate),
    /// Show whom a trusted root names
    #[command(after_help = "\
  coldsign trusted-root inspect trusted_root.json")]
    Inspect(TrustedRootInspect),
}

#[derive(Args, Debug)]
pub(crate) struct TrustedRootCreate {
    /// A transparency log; may be repeated
    #[arg(long = "rekor", value_name = "url=URL,public-key=FILE[,...]")]
    pub(crate) logs: Vec<String>,
    /// A timestamp authority; may be repeated
    #[arg(long = "tsa", value_name = "url=URL,certificate-chain=FILE[,...]")]
    pub(crate) authorities: Vec<String>,
    /// The file to write; it must not be there yet
    #[arg(short, long, visible_alias = "out", value_name = "FILE")]
    pub(crate) output: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct TrustedRootInspect {
    /// A trusted root
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// How it is printed
    #[arg(long, default_value = "text")]
    pub(crate) format: Format,
}
