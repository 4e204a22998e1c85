//! The command line of the connected stations: definitions only. Man pages and completions come from here too.

mod attach;
mod attest;
mod bundle;
mod carry;
mod keys;
mod log;
mod report;
mod trip;
mod trust;

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::builder::styling::Styles;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use coldsign::format::attestation::PredicateType;
use coldsign::format::reference::Reference;

pub(crate) use attach::{
    AttachSignature, AttachWhat, DownloadSignature, DownloadWhat, Extract, Generate, Kind, Triangulate,
};
pub(crate) use attest::{
    AttachAttestation, DownloadAttestation, VerifyAttestation, VerifyBlob, VerifyBlobAttestation,
};
pub(crate) use bundle::{Bundle, BundleInspect, TrustedRoot, TrustedRootCreate, TrustedRootInspect};
pub(crate) use carry::{Clean, CleanKind, Copy, Part, Tree};
pub(crate) use keys::PublicKey;
pub(crate) use log::{Log, LogAdd, LogSubmit, Services};
pub(crate) use report::Report;
pub(crate) use trip::{Attach, Combine, Export, Format, Import, Inspect, Verify};
pub(crate) use trust::{LookupArgs, TrustArgs, TrustFiles};

/// Ask for signatures made without a network, bring them back, verify them
#[derive(Debug, Parser)]
#[command(name = "coldsign", version, term_width = 80, styles = Styles::plain(), subcommand_required = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a request: images, with their manifests and configs
    Export(Export),
    /// Print what a request, a response or a public key holds
    Inspect(Inspect),
    /// Check a response and put its signatures beside the images
    Import(Import),
    /// Verify signatures as `cosign verify --key` does
    Verify(Verify),
    /// Verify attestations, as cosign does
    VerifyAttestation(VerifyAttestation),
    /// Verify the signature of a file, as cosign does
    VerifyBlob(VerifyBlob),
    /// Verify an attestation of a file, as cosign does
    VerifyBlobAttestation(VerifyBlobAttestation),
    /// Unite the reports of several jobs
    #[command(subcommand, subcommand_required = true)]
    Report(Report),
    /// Unite several responses to one request
    Combine(Combine),
    /// Print the payload that another tool signs
    Generate(Generate),
    /// Put what another tool made beside an image
    #[command(subcommand, subcommand_required = true)]
    Attach(AttachWhat),
    /// Take the signatures out of a response
    Extract(Extract),
    /// Print where cosign keeps what stands beside an image
    Triangulate(Triangulate),
    /// Print what stands beside an image
    #[command(subcommand, subcommand_required = true)]
    Download(DownloadWhat),
    /// Print the public key of a key file, as `cosign public-key`
    PublicKey(PublicKey),
    /// Show what stands beside an image: signatures and the like
    Tree(Tree),
    /// Copy an image with what stands beside it, byte for byte
    Copy(Copy),
    /// Delete what stands beside an image
    Clean(Clean),
    /// Tell a log of signatures, later, and keep what it says
    #[command(subcommand, subcommand_required = true)]
    Log(Log),
    /// Look into bundles: signatures, log entries, timestamps
    #[command(subcommand, subcommand_required = true)]
    Bundle(Bundle),
    /// Write and read the file of trusted logs and authorities
    #[command(subcommand, subcommand_required = true)]
    TrustedRoot(TrustedRoot),
}

/// Where to look for what cosign keeps beside an image
#[derive(Args, Clone, Debug)]
pub(crate) struct Beside {
    #[arg(
        help = "Where signatures and attestations are, if not beside their image; also COSIGN_REPOSITORY",
        long, value_name = "REPOSITORY", value_parser = parser(Reference::parse)
    )]
    pub(crate) signature_repository: Option<Reference>,
}

/// How registries are reached
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Registries")]
pub(crate) struct Network {
    /// Images in work at once, at most 256
    #[arg(long, value_name = "N", default_value = "10", value_parser = parser(workers))]
    pub(crate) max_workers: usize,
    /// A registry that speaks plain HTTP; loopback does anyway
    #[arg(long = "plain-http", value_name = "HOST")]
    pub(crate) plain_http: Vec<String>,
    /// Certificate authorities to trust as well (PEM); with it loopback speaks TLS
    #[arg(long, value_name = "FILE")]
    pub(crate) registry_ca: Option<PathBuf>,
    /// The most that one request may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) request_timeout: u64,
}

impl Cli {
    /// The definitions, with the commands in groups: the trip first.
    pub(crate) fn definitions() -> clap::Command {
        let command = Self::command();
        let mut help = String::from("{about}\n\n{usage-heading} {usage}\n");
        for (title, names) in GROUPS {
            let _ = write!(help, "\n{title}:\n");
            for name in names {
                let about = command.find_subcommand(name).and_then(clap::Command::get_about);
                let _ =
                    writeln!(help, "  {name:<18}  {}", about.map(ToString::to_string).unwrap_or_default());
            }
        }
        help.push_str("\nOptions:\n{options}\n\n");
        help.push_str(EXAMPLE);
        command.help_template(help)
    }

    /// Reads the command line; an error holds what is to be shown, help too.
    pub(crate) fn read() -> Result<Self, clap::Error> {
        Self::from_arg_matches(&Self::definitions().try_get_matches()?)
    }
}

const EXAMPLE: &str = "\
Example:
  coldsign export -o request.tar registry.example/app:1.4
  coldsign inspect request.tar | lp
        carry request.tar to coldsign-signer, bring back response.tar
  coldsign import response.tar --key release.pub
  coldsign verify --key release.pub registry.example/app:1.4

Results go to stdout, everything else to stderr. Exit codes: docs/exit-codes.md
";

const GROUPS: [(&str, &[&str]); 8] = [
    ("From images to signatures and back", &["export", "inspect", "import", "verify"]),
    ("Attestations and files", &["verify-attestation", "verify-blob", "verify-blob-attestation"]),
    ("Several signers", &["combine"]),
    ("Several jobs", &["report"]),
    ("Signatures made elsewhere", &["generate", "attach", "extract"]),
    ("What stands beside an image", &["tree", "triangulate", "download", "copy", "clean"]),
    ("Keys", &["public-key"]),
    ("Logs and timestamps", &["log", "bundle", "trusted-root"]),
];

/// A parser for clap out of one of ours: the message is all that is shown.
fn parser<T, E: std::fmt::Display>(
    parse: fn(&str) -> Result<T, E>,
) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |text| parse(text).map_err(|error| error.to_string())
}

/// A predicate type, or the names there are.
fn predicate_type(text: &str) -> Result<PredicateType, String> {
    PredicateType::parse(text).map_err(|error| {
        let details: Vec<&str> = error.details().collect();
        format!("{error}: {}", details.join(": "))
    })
}

fn workers(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=WORKERS).contains(number));
    number.ok_or_else(|| format!("a number from 1 to {WORKERS}"))
}

fn at_least_one(text: &str) -> Result<usize, &'static str> {
    text.parse().ok().filter(|number| *number > 0).ok_or("a number from 1")
}

/// Each is a thread with connections of its own; the usual limit of open files is 1,024.
const WORKERS: usize = 256;
