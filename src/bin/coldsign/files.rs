//! The files that several commands take: responses, keys, places.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use coldsign::check::Check;
use coldsign::combine::combine;
use coldsign::digest::Digest;
use coldsign::error::{Error, Result};
use coldsign::files::Output;
use coldsign::keys::public::PublicKey;
use coldsign::response::Response;
use coldsign::terminal::{Console, counted, shown};
use coldsign::transfer::source::{Location, Source};
use coldsign::{files, limits};

/// A public key and the file it came from.
pub(crate) struct NamedKey {
    pub(crate) file: PathBuf,
    pub(crate) key: PublicKey,
}

/// Reads a request or a response.
pub(crate) fn read(path: &Path) -> Result<Response> {
    let bytes = files::read(path, limits::FILE)?;
    Response::read(&bytes.into()).map_err(|error| error.within(path.display()))
}

/// The request digest of a request or a response, and whether it is a response.
pub(crate) fn read_digest(path: &Path) -> Result<(Digest, bool)> {
    let bytes = files::read(path, limits::FILE)?;
    Response::read_digest(&bytes.into()).map_err(|error| error.within(path.display()))
}

/// Reads responses to one request and unites them.
pub(crate) fn read_all(paths: &[PathBuf]) -> Result<Response> {
    let mut union: Option<Response> = None;
    for path in paths {
        let next = read(path)?;
        union = Some(match union {
            None => next,
            Some(union) => combine(union, [next]).map_err(|error| error.within(path.display()))?,
        });
    }
    union.ok_or_else(|| Error::new(Check::Usage, "no response"))
}

/// Reads public keys. Usage where one is given twice: a threshold would not count it twice.
pub(crate) fn read_keys(paths: &[PathBuf]) -> Result<Vec<NamedKey>> {
    let mut keys: Vec<NamedKey> = Vec::new();
    for path in paths {
        let bytes = files::read(path, limits::KEY_FILE)?;
        let key = PublicKey::from_pem(&bytes).map_err(|error| error.within(path.display()))?;
        if let Some(twin) = keys.iter().find(|other| other.key == key) {
            let error = Error::new(Check::Usage, path.display());
            return Err(error.detail(format!("the same key as {}", twin.file.display())));
        }
        keys.push(NamedKey { file: path.clone(), key });
    }
    Ok(keys)
}

/// Reserves an output file, and names what an interrupted run left there.
pub(crate) fn create(path: &Path, console: &mut dyn Console) -> Result<Output> {
    let output = Output::create(path, 0o644)?;
    say_left_over(&output, console)?;
    Ok(output)
}

/// Reserves the file of a report; it takes the place of an earlier one, so that the same command can be run again.
/// OUT-EXISTS where the file that has the name is no report: a mistyped name costs no request and no key.
pub(crate) fn create_report(path: &Path, console: &mut dyn Console) -> Result<Output> {
    let output = Output::replacing(path, 0o644)?;
    check_is_report(path)?;
    say_left_over(&output, console)?;
    Ok(output)
}

/// OUT-EXISTS: a file that a report takes the place of is empty, or begins as our JSON and XML do.
fn check_is_report(path: &Path) -> Result<()> {
    let read = |error| Error::new(Check::FileRead, path.display()).caused_by(error);
    let mut first = [0];
    let count = match File::open(path) {
        Ok(mut file) => file.read(&mut first).map_err(read)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(read(error)),
    };
    if count == 0 || matches!(first, [b'{' | b'<']) {
        return Ok(());
    }
    Err(Error::new(Check::OutExists, path.display())
        .detail("it is no report; nothing was written")
        .hint("name another file, or move that one away"))
}

fn say_left_over(output: &Output, console: &mut dyn Console) -> Result<()> {
    let Some(left) = output.replaced() else { return Ok(()) };
    let left = shown(&left.display().to_string());
    console.say(&format!("replacing {left}, left over from an earlier run"))
}

/// Usage where more keys are demanded than were given.
pub(crate) fn check_threshold(threshold: usize, keys: usize) -> Result<()> {
    if threshold <= keys {
        return Ok(());
    }
    let error = Error::new(Check::Usage, format!("--threshold {threshold}"));
    Err(error.detail(format!("{} given", counted(keys, "key", "keys"))))
}

/// Files as they were typed, for a message.
pub(crate) fn joined(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// The files of keys, as they were typed.
pub(crate) fn names<'a>(keys: impl IntoIterator<Item = &'a NamedKey>) -> String {
    keys.into_iter().map(|key| shown(&key.file.display().to_string())).collect::<Vec<_>>().join(", ")
}

/// The directory of `oci:DIR`, where images are put or looked for.
pub(crate) fn directory(text: &str) -> Result<PathBuf> {
    let source = Source::parse(text, Path::new(""))?;
    match (source.location(), source.name()) {
        (Location::Directory(path), None) => Ok(path.clone()),
        _ => Err(Error::new(Check::Usage, text).detail("a place is oci:DIR, without a name")),
    }
}
