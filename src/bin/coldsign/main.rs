//! The connected stations: export, inspect, import, verify.

mod cli;
mod combine;
mod export;
mod files;
mod import;
mod inspect;
mod net;
mod registry;
mod report;
mod row;
mod station;
mod trusted_root;
mod verify;

use std::process::ExitCode;

use coldsign::error::Result;
use coldsign::exit::Exit;
use coldsign::terminal::{self, Console, Terminal};

use cli::{Cli, Command, Report, TrustedRoot};

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
        Command::Report(Report::Merge(args)) => return report::merge(&args.files, &args.reports, console),
        Command::Combine(args) => combine::run(args, console)?,
        Command::TrustedRoot(TrustedRoot::Create { output }) => trusted_root::create(output, console)?,
    }
    Ok(Exit::Done)
}
