//! Where passphrases come from: a file, an open descriptor, or the person at the terminal. Never an argument, never
//! the environment.

use std::fs::File;
use std::path::{Path, PathBuf};

use coldsign::check::Check;
use coldsign::error::{Error, Result};
use coldsign::secret::Passphrase;
use coldsign::terminal::Console;
use coldsign::{files, limits};

use crate::cli;

/// Tries that a person has.
const TRIES: usize = 3;

/// Reads the passphrase that the command line names; `None` where it names none.
pub(crate) fn given(file: Option<&Path>, descriptor: Option<u32>) -> Result<Option<Passphrase>> {
    match (file, descriptor) {
        (Some(file), _) => from_file(file).map(Some),
        (None, Some(descriptor)) => from_descriptor(descriptor).map(Some),
        (None, None) => Ok(None),
    }
}

impl cli::PassphraseSource {
    /// The passphrase that opens a key, if the command line names it.
    pub(crate) fn read(&self) -> Result<Option<Passphrase>> {
        given(self.passphrase_file.as_deref(), self.passphrase_fd)
    }
}

impl cli::NewPassphraseSource {
    /// The passphrase that seals a key, if the command line names it.
    pub(crate) fn read(&self) -> Result<Option<Passphrase>> {
        given(self.new_passphrase_file.as_deref(), self.new_passphrase_fd)
    }
}

fn from_file(file: &Path) -> Result<Passphrase> {
    files::read(file, limits::PASSPHRASE_FILE).map(Passphrase::from_file)
}

fn from_descriptor(descriptor: u32) -> Result<Passphrase> {
    let at = format!("--passphrase-fd {descriptor}");
    let path = PathBuf::from(format!("/dev/fd/{descriptor}"));
    let file = File::open(path).map_err(|cause| Error::new(Check::FileRead, &at).caused_by(cause))?;
    Passphrase::read(file, &at)
}

/// Opens something with the passphrase given, else with one that the person types: a wrong one is asked again, three
/// times in all. Returns what was opened, and the passphrase that was typed.
pub(crate) fn unlock<T>(
    console: &mut dyn Console,
    given: Option<&Passphrase>,
    name: &str,
    mut open: impl FnMut(&Passphrase) -> Result<T>,
) -> Result<(T, Option<Passphrase>)> {
    if let Some(passphrase) = given {
        return Ok((open(passphrase)?, None));
    }
    check_passphrase_source(console)?;
    let mut tries_left = TRIES;
    loop {
        let passphrase = console.ask_secret(&format!("Passphrase for {name}: "))?;
        tries_left -= 1;
        match open(&passphrase) {
            Err(error) if tries_left > 0 && is_wrong(&error) => {
                console.say(&format!("wrong passphrase, {} left", tries(tries_left)))?;
            }
            opened => return Ok((opened?, Some(passphrase))),
        }
    }
}

/// A new passphrase: the one given, else what the person types twice.
pub(crate) fn choose(console: &mut dyn Console, given: Option<Passphrase>, name: &str) -> Result<Passphrase> {
    if let Some(passphrase) = given {
        passphrase.check_passphrase_empty()?;
        return Ok(passphrase);
    }
    check_passphrase_source(console)?;
    let mut tries_left = TRIES;
    loop {
        let passphrase = console.ask_secret(&format!("New passphrase for {name}: "))?;
        passphrase.check_passphrase_empty()?;
        let again = console.ask_secret("Again: ")?;
        tries_left -= 1;
        match passphrase.check_passphrase_twice(&again) {
            Err(_) if tries_left > 0 => {
                console.say(&format!("the two passphrases differ, {} left", tries(tries_left)))?;
            }
            same => return same.map(|()| passphrase),
        }
    }
}

/// PASSPHRASE-SOURCE: there is a person to ask.
pub(crate) fn check_passphrase_source(console: &dyn Console) -> Result<()> {
    if console.is_terminal() {
        return Ok(());
    }
    Err(Error::new(Check::PassphraseSource, "").hint("--passphrase-file FILE or --passphrase-fd N"))
}

fn is_wrong(error: &Error) -> bool {
    matches!(error.check(), Check::KeyPassphrase | Check::KeyPassphraseDamaged)
}

fn tries(number: usize) -> String {
    coldsign::terminal::counted(number, "try", "tries")
}
