//! Where passphrases come from: a file, an open descriptor, or the person at the terminal. Never an argument, never
//! the environment.

use std::fs::File;
use std::path::{Path, PathBuf};

use coldsign::check::Check;
use coldsign::error::{Error, Result};
use coldsign::passphrase::{self, TRIES};
use coldsign::secret::Passphrase;
use coldsign::terminal::{Console, counted};

use crate::cli;

/// Reads the passphrase that the command line names; `None` where it names none.
pub(crate) fn given(file: Option<&Path>, descriptor: Option<u32>) -> Result<Option<Passphrase>> {
    match (file, descriptor) {
        (Some(file), _) => Passphrase::read_file(file).map(Some),
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

fn from_descriptor(descriptor: u32) -> Result<Passphrase> {
    let at = format!("--passphrase-fd {descriptor}");
    let path = PathBuf::from(format!("/dev/fd/{descriptor}"));
    let file = File::open(path).map_err(|cause| Error::new(Check::FileRead, &at).caused_by(cause))?;
    Passphrase::read(file, &at)
}

/// Opens something with the passphrase given, else with one that the person types, three times at most. Returns what
/// was opened, and the passphrase that was typed.
pub(crate) fn unlock<T>(
    console: &mut dyn Console,
    given: Option<&Passphrase>,
    name: &str,
    open: impl FnMut(&Passphrase) -> Result<T>,
) -> Result<(T, Option<Passphrase>)> {
    passphrase::unlock(console, given, name, WAYS, open)
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
    passphrase::check_passphrase_source(console, WAYS)
}

fn tries(number: usize) -> String {
    counted(number, "try", "tries")
}

const WAYS: &str = "--passphrase-file FILE or --passphrase-fd N";
