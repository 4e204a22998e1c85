//! `key`: make, take in, test and hand out keys.

use std::path::Path;

use coldsign::check::Check;
use coldsign::error::{Error, Result};
use coldsign::files::{self, Output};
use coldsign::home::{Home, KeyName};
use coldsign::keys::cosign;
use coldsign::keys::foreign::ForeignKey;
use coldsign::keys::public::KeyKind;
use coldsign::keys::sealed::{Cost, SealedKey, Uses};
use coldsign::keys::signing::{Signer as _, SigningKey, SigningKind};
use coldsign::limits;
use coldsign::secret::{OsRandom, Passphrase, SecretBytes};
use coldsign::terminal::{Console, quoted, report, shown};

use crate::cli::{Key, KeyFormat, KeyType};
use crate::station::{Place, check_swap, say_key, unlock};
use crate::uses::{Change, say_uses, say_verifiers};
use crate::{passphrase, uses};

pub(crate) fn run(console: &mut dyn Console, place: &Place, command: Key) -> Result<()> {
    match command {
        Key::Generate { name, kind, purposes, passphrase, memory } => {
            check_swap(memory.allow_swap, console)?;
            let (home, name) = (place.open(console)?, KeyName::parse(&name)?);
            let output = home.reserve(&name)?;
            let passphrase = passphrase::choose(console, passphrase.read()?, name.as_str())?;
            let key = SigningKey::generate(kind.into(), &mut OsRandom)?;
            store(console, &home, &name, output, &key, purposes.uses(), &passphrase)?;
            say_next(console, &name)
        }
        Key::Import { file, name, purposes, passphrase, new, memory } => {
            check_swap(memory.allow_swap, console)?;
            let (home, name) = (place.open(console)?, name_of(name, &file)?);
            let output = home.reserve(&name)?;
            let (key, passphrase) = open_foreign(console, &file, passphrase.read()?, new.read()?, &name)?;
            store(console, &home, &name, output, &key, purposes.uses(), &passphrase)?;
            console.say(&format!("note: {} still holds the key", file.display()))?;
            say_next(console, &name)
        }
        Key::List => {
            let home = place.open(console)?;
            list(console, &home)
        }
        Key::Public { name, passphrase, memory } => {
            check_swap(memory.allow_swap, console)?;
            let (home, name) = (place.open(console)?, KeyName::parse(&name)?);
            let sealed = home.load(&name)?;
            let (key, _) = unlock(console, passphrase.read()?.as_ref(), &name, &sealed)?;
            console.emit(key.public_key().to_pem().as_bytes())
        }
        Key::Check { key, passphrase, memory } => {
            check_swap(memory.allow_swap, console)?;
            let home = place.open(console)?;
            check(console, &home, &key, passphrase.read()?.as_ref())
        }
        Key::Passphrase { name, passphrase, new, memory } => {
            check_swap(memory.allow_swap, console)?;
            let (home, name) = (place.open(console)?, KeyName::parse(&name)?);
            let sealed = home.load(&name)?;
            let (given, new) = (passphrase.read()?, new.read()?);
            let (key, typed) = unlock(console, given.as_ref(), &name, &sealed)?;
            let passphrase = choose_or_same(console, new, typed.or(given), name.as_str())?;
            let (uses, comment) = (sealed.uses().clone(), sealed.comment());
            let sealed = SealedKey::seal(&key, uses, comment, &passphrase, Cost::DEFAULT, &mut OsRandom)?;
            let path = home.replace(&name, &sealed)?;
            console.say(&format!("wrote {}, sealed with the new passphrase", path.display()))?;
            console.say("      copies that were made before still open with the old one")
        }
        Key::Uses { name, add, remove, passphrase, memory } => {
            let change = Change::check_usage(&add, &remove)?;
            let given = passphrase.read()?;
            if !change.is_none() || given.is_some() {
                check_swap(memory.allow_swap, console)?;
            }
            let (home, name) = (place.open(console)?, KeyName::parse(&name)?);
            if change.is_none() {
                uses::show(console, &home, &name, given.as_ref())
            } else {
                uses::change(console, &home, &name, &change, given)
            }
        }
        Key::Export { name, format: KeyFormat::Cosign, output, passphrase, new, memory } => {
            check_swap(memory.allow_swap, console)?;
            let (home, name) = (place.open(console)?, KeyName::parse(&name)?);
            let sealed = home.load(&name)?;
            let file = create(console, &output)?;
            console.say("warning: cosign's format has no uses: whoever holds the file and its")?;
            console.say("         passphrase can sign anything with the key")?;
            let (given, new) = (passphrase.read()?, new.read()?);
            let (key, typed) = unlock(console, given.as_ref(), &name, &sealed)?;
            let shown = output.display().to_string();
            let passphrase = choose_or_same(console, new, typed.or(given), &shown)?;
            say_cosign(console, key.public_key().kind())?;
            let pem = cosign::to_pem(&key, &passphrase, &mut OsRandom)?;
            file.write(std::iter::once(pem.expose()))?;
            console.say(&format!("wrote {shown} in cosign's format"))
        }
    }
}

impl From<KeyType> for SigningKind {
    fn from(kind: KeyType) -> Self {
        match kind {
            KeyType::P256 => Self::P256,
            KeyType::P384 => Self::P384,
            KeyType::Ed25519 => Self::Ed25519,
        }
    }
}

/// Seals a key and writes it.
fn store(
    console: &mut dyn Console,
    home: &Home,
    name: &KeyName,
    output: Output,
    key: &SigningKey,
    uses: Uses,
    passphrase: &Passphrase,
) -> Result<()> {
    let sealed = SealedKey::seal(key, uses, "", passphrase, Cost::DEFAULT, &mut OsRandom)?;
    output.write(std::iter::once(sealed.to_pem()))?;
    say_key(console, name, key.public_key())?;
    let kind = key.public_key().kind();
    console.say(&format!("wrote {}, sealed with the passphrase", home.key_path(name).display()))?;
    say_verifiers(console, kind)?;
    say_uses(console, sealed.uses(), kind)
}

fn say_next(console: &mut dyn Console, name: &KeyName) -> Result<()> {
    console.say("next: copy it to a second medium and try that: coldsign-signer key check FILE")?;
    console
        .say(&format!("      carry out the public key: coldsign-signer key public {name} > {name}.pub"))?;
    console.say("      (it asks for the passphrase: a header alone proves nothing)")
}

/// What cosign does with a key of this kind, where that is of no use to cosign.
fn say_cosign(console: &mut dyn Console, kind: KeyKind) -> Result<()> {
    let (signs, refuses) = match kind {
        KeyKind::P384 => ("over SHA-384, which", "without a flag"),
        KeyKind::Ed25519 => ("Ed25519ph, which", "whatever the flags"),
        KeyKind::P256 | KeyKind::P521 | KeyKind::Rsa { .. } => return Ok(()),
    };
    console.say(&format!("warning: with this type of key cosign 2.6 and 3.1 sign {signs}"))?;
    console.say(&format!("         their own verify refuses {refuses}"))
}

/// The name given, else the file's name without its last extension.
fn name_of(name: Option<String>, file: &Path) -> Result<KeyName> {
    let from_file = || file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    KeyName::parse(&name.unwrap_or_else(from_file))
        .map_err(|error| error.hint("say the name: key import FILE NAME"))
}

/// Opens another tool's key file; returns the key and the passphrase to seal it with.
fn open_foreign(
    console: &mut dyn Console,
    file: &Path,
    given: Option<Passphrase>,
    new: Option<Passphrase>,
    name: &KeyName,
) -> Result<(SigningKey, Passphrase)> {
    let place = file.display().to_string();
    let within = |error: Error| error.within(&place).detail("nothing was written");
    let bytes = SecretBytes::new(files::read(file, limits::KEY_FILE)?);
    let foreign = ForeignKey::from_pem(bytes.expose()).map_err(within)?;
    if !foreign.format().needs_passphrase() {
        let key = foreign.open(None).map_err(within)?;
        return Ok((key, passphrase::choose(console, new.or(given), name.as_str())?));
    }
    let opened = passphrase::unlock(console, given.as_ref(), &place, |typed| foreign.open(Some(typed)));
    let (key, typed) = opened.map_err(within)?;
    Ok((key, choose_or_same(console, new, typed.or(given), name.as_str())?))
}

/// A new passphrase: the one given, else what a person types, else the one that opened the key.
fn choose_or_same(
    console: &mut dyn Console,
    new: Option<Passphrase>,
    old: Option<Passphrase>,
    name: &str,
) -> Result<Passphrase> {
    let new = if console.is_terminal() { new } else { new.or(old) };
    passphrase::choose(console, new, name)
}

/// One row a key, then the first refusal among them.
fn list(console: &mut dyn Console, home: &Home) -> Result<()> {
    let names = home.keys()?;
    if names.is_empty() {
        return console.say(&format!("no keys in {}", home.path().display()));
    }
    let mut refused = None;
    for name in names {
        match home.load(&name) {
            Ok(key) => {
                let comment = Some(key.comment()).filter(|comment| !comment.is_empty()).map(quoted);
                let comment = comment.map(|comment| format!(", {comment}")).unwrap_or_default();
                let kind = key.public_key().kind();
                console.show(&format!("{name}, {kind}, use {}, not proven{comment}", key.uses()))?;
                console.show(&format!("  {}", key.public_key().id().grouped()))?;
            }
            Err(error) if refused.is_none() => refused = Some(error),
            Err(error) => report(&error).lines().try_for_each(|line| console.say(line))?,
        }
    }
    refused.map_or(Ok(()), Err)
}

/// Tests a key of the home or a backup: opens, signs, verifies, compares.
fn check(console: &mut dyn Console, home: &Home, key: &Path, given: Option<&Passphrase>) -> Result<()> {
    let name = key.to_str().filter(|name| !name.contains('/')).and_then(|name| KeyName::parse(name).ok());
    let names = home.keys()?;
    let (sealed, label) = match name.filter(|name| names.contains(name) || !key.exists()) {
        Some(name) => (home.load(&name)?, name.to_string()),
        None => (read_backup(key)?, shown(&key.display().to_string())),
    };
    let opened = passphrase::unlock(console, given, &label, |passphrase| sealed.unlock(passphrase));
    let (key, _) = opened.map_err(|error| error.within(&label))?;
    check_sign_verify(&key, &label)?;
    let twin = check_key_backup(home, &names, &key, &label)?;
    let home = home.path().display();
    if twin.as_str() == label {
        console.say(&format!("ok: opens, signs, verifies: {label} in {home}"))
    } else {
        console.say(&format!("ok: opens, signs, verifies; the same key as {twin} in {home}"))
    }
}

fn read_backup(path: &Path) -> Result<SealedKey> {
    let bytes = files::read(path, limits::KEY_FILE)?;
    SealedKey::from_pem(&bytes).map_err(|error| error.within(path.display()))
}

/// SIGN-VERIFY: what the key signs verifies with its public key. The signature is thrown away.
fn check_sign_verify(key: &SigningKey, label: &str) -> Result<()> {
    let message = b"coldsign key check";
    if key.public_key().verify_strict(message, &key.sign(message)?) {
        return Ok(());
    }
    Err(Error::new(Check::SignVerify, label))
}

/// KEY-BACKUP: the home holds the same key; returns its name there.
fn check_key_backup(home: &Home, names: &[KeyName], key: &SigningKey, label: &str) -> Result<KeyName> {
    for name in names {
        if home.load(name).is_ok_and(|sealed| sealed.public_key() == key.public_key()) {
            return Ok(name.clone());
        }
    }
    Err(Error::new(Check::KeyBackup, label)
        .detail(format!("its key id is {}", key.public_key().id().hex()))
        .detail(format!("no key in {} has it", home.path().display())))
}

/// Reserves an output file for secrets, and names what an interrupted run left there.
fn create(console: &mut dyn Console, path: &Path) -> Result<Output> {
    let output = Output::create(path, 0o600)?;
    if let Some(left) = output.replaced() {
        console.say(&format!("replacing {}, left over from an earlier run", left.display()))?;
    }
    Ok(output)
}
