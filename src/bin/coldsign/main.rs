//! The connected stations: export, inspect, import, verify; what other tools make, and what stands beside images.

mod attach;
mod bundle;
mod clean;
mod cli;
mod combine;
mod copy;
mod download;
mod export;
mod extract;
mod files;
mod given;
mod image;
mod import;
mod inspect;
#[cfg_attr(not(test), expect(dead_code, reason = "the commands that use it are next"))]
mod log;
mod net;
mod public_key;
mod registry;
mod report;
mod row;
mod station;
mod tree;
mod trust;
mod trusted_root;
mod verify;

use std::process::ExitCode;

use coldsign::error::Result;
use coldsign::exit::Exit;
use coldsign::terminal::{self, Console, Terminal};

use cli::{AttachWhat, Bundle, Cli, Command, DownloadWhat, Log, Report, TrustedRoot};

fn main() -> ExitCode {
    let mut console = Terminal;
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(shown) => {
            let text = shown.render().to_string();
            return terminal::conclude_usage(&text, shown.use_stderr(), &mut console).into();
        }
    };
    match run(&cli.command, &mut console) {
        Ok(exit) => exit.into(),
        Err(error) => terminal::conclude(Err(error), &mut console).into(),
    }
}

fn run(command: &Command, console: &mut dyn Console) -> Result<Exit> {
    match command {
        Command::Export(args) => export::run(args, console)?,
        Command::Inspect(args) => inspect::run(args, console)?,
        Command::Import(args) => return import::run(args, console),
        Command::Verify(args) => return verify::run(args, console),
        Command::VerifyAttestation(args) => return verify::attestation::run(args, console),
        Command::VerifyBlob(args) => verify::blob::run(args, console)?,
        Command::VerifyBlobAttestation(args) => verify::blob::attestation(args, console)?,
        Command::Report(Report::Merge(args)) => return report::merge(&args.files, &args.reports, console),
        Command::Combine(args) => combine::run(args, console)?,
        Command::Generate(args) => attach::generate(args, console)?,
        Command::Attach(AttachWhat::Signature(args)) => return attach::signature(args, console),
        Command::Attach(AttachWhat::Attestation(args)) => return attach::attestations(args, console),
        Command::Extract(args) => extract::run(args, console)?,
        Command::Triangulate(args) => image::triangulate(args, console)?,
        Command::Download(DownloadWhat::Signature(args)) => return download::signature(args, console),
        Command::Download(DownloadWhat::Attestation(args)) => return download::attestation(args, console),
        Command::PublicKey(args) => public_key::run(args, console)?,
        Command::Tree(args) => return tree::run(args, console),
        Command::Copy(args) => copy::run(args, console)?,
        Command::Clean(args) => return clean::run(args, console),
        Command::Log(Log::Submit(args)) => log::submit::run(args, console)?,
        Command::Log(Log::Add(args)) => log::add::run(args, console)?,
        Command::Bundle(Bundle::Inspect(args)) => return bundle::inspect(args, console),
        Command::TrustedRoot(TrustedRoot::Create(args)) => trusted_root::create(args, console)?,
        Command::TrustedRoot(TrustedRoot::Inspect(args)) => trusted_root::inspect(args, console)?,
    }
    Ok(Exit::Done)
}
