//! The connected stations: export, inspect, import, verify.

mod cli;
mod combine;
mod export;
mod files;
mod import;
mod inspect;
mod trusted_root;
mod verify;

use std::process::ExitCode;

use coldsign::error::Result;
use coldsign::exit::Exit;
use coldsign::terminal::{self, Console, Terminal};

use cli::{Cli, Command, TrustedRoot};

fn main() -> ExitCode {
    let cli = match Cli::read() {
        Ok(cli) => cli,
        Err(shown) => {
            // Help that nobody reads any more is no failure.
            let _ = shown.print();
            return if shown.use_stderr() { Exit::Usage } else { Exit::Done }.into();
        }
    };
    let mut console = Terminal;
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
        Command::Combine(args) => combine::run(args, console)?,
        Command::TrustedRoot(TrustedRoot::Create { output }) => trusted_root::create(output, console)?,
    }
    Ok(Exit::Done)
}
