//! Man pages and shell completions of both programs, from the definitions that the programs themselves use:
//! `cargo run --example manpages -- FOLDER`.
//!
//! Writes `FOLDER/man/<program>[-<command>].1` and `FOLDER/completions/` for bash, fish and zsh.
#![allow(dead_code, unused_imports)] // this describes the command lines and reads none

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Command, CommandFactory};
use clap_complete::Shell;

#[path = "../src/bin/coldsign/cli/mod.rs"]
mod coldsign;
#[path = "../src/bin/coldsign-signer/cli.rs"]
mod coldsign_signer;

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: cargo run --example manpages -- FOLDER");
        return ExitCode::from(2);
    };
    for command in [coldsign::Cli::command(), coldsign_signer::Cli::command()] {
        if let Err(error) = write(without_help(command), &folder) {
            eprintln!("manpages: {}: {error}", folder.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// A page for `help` and one for each command below it would say nothing.
fn without_help(command: Command) -> Command {
    command.disable_help_subcommand(true).mut_subcommands(without_help)
}

fn write(mut command: Command, folder: &Path) -> std::io::Result<()> {
    let (man, completions) = (folder.join("man"), folder.join("completions"));
    fs::create_dir_all(&man)?;
    fs::create_dir_all(&completions)?;
    let name = command.get_name().to_owned();
    for shell in [Shell::Bash, Shell::Fish, Shell::Zsh] {
        clap_complete::generate_to(shell, &mut command, &name, &completions)?;
    }
    clap_mangen::generate_to(command, &man)
}
