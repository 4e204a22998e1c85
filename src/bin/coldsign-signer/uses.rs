//! `key uses`: what a key may sign, and what to know of it.

use coldsign::check::Check;
use coldsign::error::{Error, Result};
use coldsign::home::{Home, KeyName};
use coldsign::keys::public::KeyKind;
use coldsign::keys::sealed::{Cost, SealedKey, Use, Uses};
use coldsign::keys::signing::Signer as _;
use coldsign::secret::{OsRandom, Passphrase};
use coldsign::terminal::Console;

use crate::cli::{Purpose, Purposes};
use crate::station::unlock;

/// What is to be added and taken away.
pub(crate) struct Change {
    add: Vec<Use>,
    remove: Vec<Use>,
}

impl Change {
    /// USAGE: nothing is added and taken away at once.
    pub(crate) fn check_usage(add: &[Purpose], remove: &[Purpose]) -> Result<Self> {
        let uses = |given: &[Purpose]| given.iter().copied().map(Use::from).collect::<Vec<_>>();
        let change = Self { add: uses(add), remove: uses(remove) };
        match change.add.iter().find(|one| change.remove.contains(one)) {
            Some(both) => {
                let name = both.name();
                Err(Error::new(Check::Usage, format!("--add {name} and --remove {name}")))
            }
            None => Ok(change),
        }
    }

    pub(crate) fn is_none(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty()
    }
}

/// Shows the uses on stdout: what the header says, or what was proven by opening the key.
pub(crate) fn show(
    console: &mut dyn Console,
    home: &Home,
    name: &KeyName,
    given: Option<&Passphrase>,
) -> Result<()> {
    let sealed = home.load(name)?;
    if given.is_none() {
        return console.show(&format!("{name}, use {}, not proven", sealed.uses()));
    }
    unlock(console, given, name, &sealed)?;
    console.show(&format!("{name}, use {}", sealed.uses()))
}

/// Opens the key and seals it again with other uses; everything else stays.
pub(crate) fn change(
    console: &mut dyn Console,
    home: &Home,
    name: &KeyName,
    change: &Change,
    given: Option<Passphrase>,
) -> Result<()> {
    let sealed = home.load(name)?;
    let uses = sealed.uses().changed(&change.add, &change.remove).ok_or_else(|| {
        Error::new(Check::Usage, format!("{name} would have no use"))
            .detail("nothing was written")
            .hint("say what it may sign instead: --add USE")
    })?;
    if &uses == sealed.uses() {
        return console.say(&format!("{name} has these uses already: {uses}; nothing was written"));
    }
    let (key, typed) = unlock(console, given.as_ref(), name, &sealed)?;
    let passphrase = typed.or(given).ok_or_else(|| Error::new(Check::PassphraseSource, name))?;
    let sealed = SealedKey::seal(&key, uses, sealed.comment(), &passphrase, Cost::DEFAULT, &mut OsRandom)?;
    let path = home.replace(name, &sealed)?;
    console.say(&format!("wrote {}, use {}", path.display(), sealed.uses()))?;
    console.say("      copies that were made before keep the uses they had")?;
    say_uses(console, sealed.uses(), key.public_key().kind())
}

/// What to know of a key with these uses.
pub(crate) fn say_uses(console: &mut dyn Console, uses: &Uses, kind: KeyKind) -> Result<()> {
    if uses.has(Use::Image) && uses.has(Use::Attestation) {
        console.say("warning: stock cosign counts an attestation by this key as a signature of")?;
        console.say("         the image; two keys are better, one of them for attestations alone")?;
    }
    if !uses.has(Use::Blob) {
        return Ok(());
    }
    if uses.iter().count() > 1 {
        console.say("note: with another use beside blob the key signs files only with their")?;
        console.say("      content in the request, never by a hash alone")
    } else if kind == KeyKind::Ed25519 {
        console.say("note: Ed25519 signs files only with their content in the request, never")?;
        console.say("      by a hash alone")
    } else {
        Ok(())
    }
}

/// Which verifiers do not take what this kind of key signs (docs/verifiers.md).
pub(crate) fn say_verifiers(console: &mut dyn Console, kind: KeyKind) -> Result<()> {
    let (signs, refuse) = match kind {
        KeyKind::P384 => ("P-384 over SHA-256", "that take the hash from the curve"),
        KeyKind::Ed25519 => ("pure Ed25519", "that want Ed25519ph"),
        KeyKind::P256 | KeyKind::P521 | KeyKind::Rsa { .. } => return Ok(()),
    };
    console.say(&format!("note: it signs {signs}, as cosign 2.6 and 3.1 verify it; verifiers"))?;
    console.say(&format!("      {refuse}, and transparency logs, refuse it:"))?;
    console.say("      docs/verifiers.md, \"Types of keys\"")
}

impl From<Purpose> for Use {
    fn from(purpose: Purpose) -> Self {
        match purpose {
            Purpose::Image => Self::Image,
            Purpose::Attestation => Self::Attestation,
            Purpose::Blob => Self::Blob,
            Purpose::CustomPayload => Self::CustomPayload,
        }
    }
}

impl Purposes {
    /// The uses, at least one.
    pub(crate) fn uses(&self) -> Uses {
        Uses::new(self.uses.iter().copied().map(Use::from)).unwrap_or_default()
    }
}
