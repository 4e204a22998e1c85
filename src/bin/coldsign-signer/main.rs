//! The sealed station: review and sign. It has no network code and never will.

mod cli;
mod inspect;
mod passphrase;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser as _;
use coldsign::check::Check;
use coldsign::error::{Error, Result};
use coldsign::exit::Exit;
use coldsign::terminal::{self, Console, Terminal};

use cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(shown) => {
            // Help that nobody reads any more is no failure.
            let _ = shown.print();
            return if shown.use_stderr() { Exit::Usage } else { Exit::Done }.into();
        }
    };
    let mut console = Terminal;
    let result = run(cli, &mut console);
    terminal::conclude(result, &mut console).into()
}

fn run(cli: Cli, console: &mut dyn Console) -> Result<()> {
    match cli.command {
        Command::Inspect { file } => inspect::run(console, &file),
        _ => Ok(()),
    }
}
