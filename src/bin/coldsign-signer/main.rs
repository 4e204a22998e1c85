//! The sealed station: review and sign. It has no network code and never will.

mod cli;
mod inspect;
mod key;
mod passphrase;
mod self_test;
mod sign;
mod station;
mod uses;

use std::process::ExitCode;

use clap::Parser as _;
use coldsign::check::Check;
use coldsign::error::{Error, Result};
use coldsign::secret::harden_process;
use coldsign::terminal::{self, Console, Terminal};

use cli::{Cli, Command};
use station::Place;

fn main() -> ExitCode {
    let mut console = Terminal;
    let cli = match harden_process().map(|()| Cli::try_parse()) {
        Ok(Ok(cli)) => cli,
        Ok(Err(shown)) => {
            let text = shown.render().to_string();
            return terminal::conclude_usage(&text, shown.use_stderr(), &mut console).into();
        }
        Err(cause) => {
            let error = Error::new(Check::ProcessOpen, "").caused_by(cause);
            return terminal::conclude(Err(error), &mut console).into();
        }
    };
    let result = run(cli, &mut console);
    terminal::conclude(result, &mut console).into()
}

fn run(cli: Cli, console: &mut dyn Console) -> Result<()> {
    let home = || Place::check_home_unset(cli.home);
    match cli.command {
        Command::Init => home()?.init(console),
        Command::SelfTest => self_test::run(console),
        Command::Key(command) => key::run(console, &home()?, command),
        Command::Inspect { file } => inspect::run(console, &file),
        Command::Sign(command) => sign::run(console, &home()?, &command),
    }
}
