//! What the commands that open keys share: the home, the swap check, unlocking.

use std::path::{Path, PathBuf};

use coldsign::check::Check;
use coldsign::error::{Error, Result};
use coldsign::home::{Home, KeyName};
use coldsign::keys::public::PublicKey;
use coldsign::keys::sealed::SealedKey;
use coldsign::keys::signing::SigningKey;
use coldsign::secret::{Passphrase, Swap};
use coldsign::terminal::{self, Console, shown};

use crate::passphrase;

/// The home that the command line or the environment names, not opened yet.
pub(crate) struct Place(PathBuf);

impl Place {
    /// HOME-UNSET: there is no default.
    pub(crate) fn check_home_unset(flag: Option<PathBuf>) -> Result<Self> {
        let path = flag.or_else(|| std::env::var_os("COLDSIGN_HOME").map(PathBuf::from));
        path.filter(|path| !path.as_os_str().is_empty())
            .map(Self)
            .ok_or_else(|| Error::new(Check::HomeUnset, ""))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Makes it a home.
    pub(crate) fn init(&self, console: &mut dyn Console) -> Result<()> {
        let home = Home::init(&self.0)?;
        name_missing_modes(&home, console)?;
        console.say(&format!("home {} is ready", shown(&home.path().display().to_string())))?;
        console.say("next: coldsign-signer key generate NAME")
    }

    /// Opens it; nobody else uses it until it is dropped.
    pub(crate) fn open(&self, console: &mut dyn Console) -> Result<Home> {
        let home = Home::open(&self.0)?;
        name_missing_modes(&home, console)?;
        Ok(home)
    }
}

fn name_missing_modes(home: &Home, console: &mut dyn Console) -> Result<()> {
    if home.has_modes() {
        return Ok(());
    }
    console.say(&format!("note: the file system of {} has no modes;", home.path().display()))?;
    console.say("      whoever holds the medium can copy the key files, which are sealed")
}

/// SWAP-ACTIVE: before a key is opened or made. Where it is allowed it is named all the same.
pub(crate) fn check_swap(allowed: bool, console: &mut dyn Console) -> Result<()> {
    let swap = Swap::of_this_system();
    swap.check_swap_active(allowed)?;
    if let Swap::Active(areas) = swap {
        let warning = Error::new(Check::SwapActive, areas.join(", ")).detail("allowed by --allow-swap");
        terminal::warning(&warning).lines().try_for_each(|line| console.say(line))?;
    }
    Ok(())
}

/// Opens a sealed key of the home.
pub(crate) fn unlock(
    console: &mut dyn Console,
    given: Option<&Passphrase>,
    name: &KeyName,
    key: &SealedKey,
) -> Result<(SigningKey, Option<Passphrase>)> {
    passphrase::unlock(console, given, name.as_str(), |passphrase| key.unlock(passphrase))
        .map_err(|error| error.within(name).detail("the key was not opened, nothing was written"))
}

/// A key for a person who compares: its name, type and whole id.
pub(crate) fn say_key(console: &mut dyn Console, name: &KeyName, key: &PublicKey) -> Result<()> {
    console.say(&format!("{name}, {}, key id", key.kind()))?;
    console.say(&format!("  {}", key.id().grouped()))
}
