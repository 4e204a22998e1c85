//! Opening something with a passphrase: the one given, or one that a person types.

use crate::check::Check;
use crate::error::{Error, Result};
use crate::secret::Passphrase;
use crate::terminal::{Console, counted};

/// Tries that a person has.
pub const TRIES: usize = 3;

/// Opens something with the passphrase given, else with one that the person types: a wrong one is asked again, three
/// times in all. Returns what was opened, and the passphrase that was typed. `name` is what is opened, `ways` what to
/// do where nobody can be asked.
///
/// Refuses as `open` does, and with PASSPHRASE-SOURCE where there is neither a passphrase nor a person.
pub fn unlock<T>(
    console: &mut dyn Console,
    given: Option<&Passphrase>,
    name: &str,
    ways: &str,
    mut open: impl FnMut(&Passphrase) -> Result<T>,
) -> Result<(T, Option<Passphrase>)> {
    if let Some(passphrase) = given {
        return Ok((open(passphrase)?, None));
    }
    check_passphrase_source(console, ways)?;
    let mut tries_left = TRIES;
    loop {
        let passphrase = console.ask_secret(&format!("Passphrase for {name}: "))?;
        tries_left -= 1;
        match open(&passphrase) {
            Err(error) if tries_left > 0 && is_wrong(&error) => {
                let left = counted(tries_left, "try", "tries");
                console.say(&format!("wrong passphrase, {left} left"))?;
            }
            opened => return Ok((opened?, Some(passphrase))),
        }
    }
}

/// PASSPHRASE-SOURCE: there is a person to ask; `ways` is what to do where there is none.
pub fn check_passphrase_source(console: &dyn Console, ways: &str) -> Result<()> {
    if console.is_terminal() {
        return Ok(());
    }
    Err(Error::new(Check::PassphraseSource, "").hint(ways))
}

/// Whether another passphrase might open it.
#[must_use]
pub fn is_wrong(error: &Error) -> bool {
    matches!(error.check(), Check::KeyPassphrase | Check::KeyPassphraseDamaged)
}
