//! `generate` and `attach`: signatures that another tool makes.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coldsign::check::Check;
use coldsign::digest::Digest;
use coldsign::error::{Error, Result};
use coldsign::exit::Exit;
use coldsign::format::evidence::Descriptor;
use coldsign::format::payload;
use coldsign::format::reference::{Identity, Repository};
use coldsign::terminal::{self, Console, counted, shown};
use coldsign::transfer::annotations;
use coldsign::transfer::attach::{self, Attached, Destination, Signature};
use coldsign::transfer::layout_dir::LayoutDir;
use coldsign::transfer::source::{Location, Source};
use coldsign::transfer::store::{Place as _, Places as _};
use coldsign::{files, limits};

use crate::cli::{AttachSignature, Generate};
use crate::files::{NamedKey, read_keys};
use crate::image;
use crate::station::{self, Station};

/// Prints a payload, and nothing behind it.
pub(crate) fn generate(args: &Generate, console: &mut dyn Console) -> Result<()> {
    let annotations = annotations::parse(args.annotations.iter().map(String::as_str))?;
    annotations::check_annotation_reserved(&annotations)?;
    let source = Source::parse(&args.image, Path::new(""))?;
    let identity = match (&args.identity, source.location()) {
        (Some(identity), _) => identity.clone(),
        (None, Location::Registry(repository)) => Identity::of(repository.clone()),
        (None, layout) => {
            let error = Error::new(Check::Usage, layout).detail("an image in a layout has no repository");
            return Err(error.hint("say --identity registry/repository"));
        }
    };
    let station = Station::open(&args.network, None)?;
    let digest = image::digest(&source, station.registries())?;
    if !args.image.ends_with(&digest.to_string()) {
        console.say(&format!("{} is {digest}", shown(&source.to_string())))?;
    }
    console.emit(&payload::render(&identity, &digest, &annotations))
}

/// Checks a signature, puts it, reads it back.
pub(crate) fn signature(args: &AttachSignature, console: &mut dyn Console) -> Result<Exit> {
    let source = Source::parse(&args.image, Path::new(""))?;
    let given = Given::parse(&args.signature)?;
    let key = match &args.key {
        Some(key) => read_keys(std::slice::from_ref(key))?.pop(),
        None => None,
    };
    let payload = args.payload.as_ref().map(|path| read_payload(path)).transpose()?;
    let signature = given.read()?;
    let elsewhere = match source.location() {
        Location::Registry(_) => station::signature_repository(args.signature_repository.as_ref())?,
        _ => None,
    };
    let station = Station::open(&args.network, elsewhere.clone())?;
    let layout = match source.location() {
        Location::Registry(_) => None,
        Location::Directory(path) => Some(LayoutDir::open(path)?),
        Location::Archive(_) => {
            let error = Error::new(Check::Usage, &args.image).detail("nothing is put into an archive");
            return Err(error.hint("unpack it, and say oci:DIR"));
        }
    };
    let subject = match &layout {
        Some(layout) => layout.layout().pick(source.name()),
        None => station.registries().open(source.location())?.pick(source.name()),
    };
    let subject = subject.map_err(nothing_pushed)?.descriptor;
    let payload = match payload {
        Some(payload) => payload,
        None => implied(&source, &subject.digest, console)?,
    };
    let asked = Asked { args, given: &given, key: key.as_ref(), subject: &subject };
    let checked = asked.check(payload, &signature, console).map_err(nothing_pushed)?;
    let to = match (&layout, source.location()) {
        (Some(layout), _) => Destination::Layout(layout),
        (None, Location::Registry(repository)) => Destination::Repository(station.registries(), repository),
        (None, _) => unreachable!("every other location is a layout"),
    };
    let name = image::by_digest(source.location(), &subject.digest);
    match attach::attach(&checked, &to, &name, station.flow()) {
        Ok(attached) => {
            say_attached(&attached, &name, elsewhere.as_ref(), key.is_some(), console)?;
            Ok(Exit::Done)
        }
        Err(failed) => {
            terminal::report(&failed.error).lines().try_for_each(|line| console.say(line))?;
            Ok(failed.exit)
        }
    }
}

/// What was asked for, with what it names.
struct Asked<'a> {
    args: &'a AttachSignature,
    given: &'a Given,
    key: Option<&'a NamedKey>,
    subject: &'a Descriptor,
}

impl Asked<'_> {
    /// Checks payload and signature as far as it was not asked to leave them unchecked, and says what was.
    fn check(&self, payload: Vec<u8>, signature: &[u8], console: &mut dyn Console) -> Result<Signature> {
        let claims = self.args.check_claims;
        let size = payload.len();
        let (subject, given) = (self.subject.clone(), self.given);
        let checked = match self.key {
            Some(key) => Signature::check(subject, payload, signature, key.key.clone(), claims),
            None => Signature::unverified(subject, payload, signature, claims),
        };
        let checked = checked.map_err(|error| self.placed(error))?;
        let bytes = |size: usize| counted(size, "byte", "bytes");
        let payload = self.payload_name();
        let about = if claims { "about this image" } else { "not read (--check-claims=false)" };
        let pieces = [format!("{payload},"), format!("{},", bytes(size)), about.to_owned()];
        console.say_all(&terminal::filled("payload: ", &pieces, " "))?;
        let by = self.key.map_or_else(
            || "not verified (--allow-unverified)".to_owned(),
            |key| format!("by {}, {}", shown(&key.file.display().to_string()), key.key.kind()),
        );
        let pieces = [format!("{given},"), format!("{},", bytes(signature.len())), by];
        console.say_all(&terminal::filled("signature: ", &pieces, " "))?;
        if checked.respelled() {
            console.say("it came as r || s (IEEE P1363) and is put as DER, which every verifier takes")?;
        }
        if !claims {
            console.say("warning: it verifies only with --check-claims=false")?;
        }
        Ok(checked)
    }

    /// A refusal, with the file at fault and what to do.
    fn placed(&self, error: Error) -> Error {
        if error.check() == Check::SigKey {
            return error.within(self.given.to_string());
        }
        let error = match error.check() {
            Check::PayloadDigest => error.detail(format!("the image is {}", self.subject.digest)),
            _ => error,
        };
        let error = error.within(self.payload_name());
        error.hint("any payload is put with --check-claims=false, and verifies only so")
    }

    fn payload_name(&self) -> String {
        self.args
            .payload
            .as_ref()
            .map_or_else(|| "implied".to_owned(), |path| shown(&path.display().to_string()))
    }
}

/// How a signature was given.
#[derive(Debug, PartialEq, Eq)]
enum Given {
    Stdin,
    File(PathBuf),
    /// The signature itself, decoded.
    Literal(Vec<u8>),
}

impl Given {
    /// Tells a signature from a file's name. Usage where it is empty or can be both; FILE-READ where it is neither.
    fn parse(text: &str) -> Result<Self> {
        let path = Path::new(text);
        match (text, literal(text), path.symlink_metadata().is_ok()) {
            ("-", ..) => Ok(Self::Stdin),
            ("", ..) => Err(Error::new(Check::Usage, "--signature").detail("it is empty")),
            (_, Some(_), true) => Err(Error::new(Check::Usage, "--signature")
                .detail("a file has this name, and it is the base64 of a signature as well")
                .hint(format!("for the file say ./{text}"))
                .hint("for the signature itself say - and give it on standard input")),
            (_, Some(signature), false) => Ok(Self::Literal(signature)),
            (_, None, true) => Ok(Self::File(path.to_owned())),
            (_, None, false) => Err(Error::new(Check::FileRead, text)
                .detail("there is no such file, and it is no signature in padded base64 either")),
        }
    }

    /// The raw signature. SIG-BASE64.
    fn read(&self) -> Result<Vec<u8>> {
        let bytes = match self {
            Self::Literal(signature) => return Ok(signature.clone()),
            Self::File(path) => files::read(path, limits::SIGNATURE_FILE)?,
            Self::Stdin => {
                let mut bytes = Vec::new();
                let stdin = std::io::stdin().lock().take(limits::SIGNATURE_FILE + 1);
                let mut stdin = stdin;
                stdin
                    .read_to_end(&mut bytes)
                    .map_err(|error| Error::new(Check::FileRead, "standard input").caused_by(error))?;
                check_file_size(&bytes)?;
                bytes
            }
        };
        check_sig_base64(&bytes).map_err(|error| error.within(self.to_string()))
    }
}

impl std::fmt::Display for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stdin => f.write_str("standard input"),
            Self::File(path) => f.write_str(&shown(&path.display().to_string())),
            Self::Literal(_) => f.write_str("as typed"),
        }
    }
}

/// A signature in padded base64, long enough to be none but one: line breaks in it are the shell's.
fn literal(text: &str) -> Option<Vec<u8>> {
    decode(text.trim_matches(is_break)).filter(|signature| signature.len() >= SHORTEST)
}

/// SIG-BASE64: padded base64, in lines or on one.
fn check_sig_base64(bytes: &[u8]) -> Result<Vec<u8>> {
    let refuse = |why: &str| Error::new(Check::SigBase64, "").detail(why);
    let text = str::from_utf8(bytes).map(|text| text.trim_matches(is_break));
    let text = text.map_err(|_| {
        refuse("bytes, where base64 is wanted")
            .hint("base64 FILE | coldsign attach signature --signature - ...")
    })?;
    if text.is_empty() {
        return Err(refuse("it is empty"));
    }
    decode(text).ok_or_else(|| refuse("padded base64 of the standard alphabet is wanted"))
}

fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text.replace(is_break, "")).ok()
}

fn is_break(character: char) -> bool {
    matches!(character, '\r' | '\n')
}

/// FILE-SIZE: what comes from standard input is bounded as a file is.
fn check_file_size(bytes: &[u8]) -> Result<()> {
    if u64::try_from(bytes.len()).is_ok_and(|size| size <= limits::SIGNATURE_FILE) {
        return Ok(());
    }
    Err(Error::new(Check::FileSize, "standard input").detail("a signature has at most 16 KiB"))
}

fn read_payload(path: &Path) -> Result<Vec<u8>> {
    files::read(path, u64::try_from(limits::MANIFEST).unwrap_or(u64::MAX))
}

/// The payload that cosign implies where none is given: its own, without annotations. It is named.
fn implied(source: &Source, digest: &Digest, console: &mut dyn Console) -> Result<Vec<u8>> {
    let Location::Registry(repository) = source.location() else {
        let error = Error::new(Check::Usage, source).detail("an image in a layout has no repository");
        return Err(error.hint("say what was signed: --payload FILE"));
    };
    let identity = Identity::of(repository.clone());
    console.say("no payload given; implied is, as by cosign, the one of")?;
    console.say(&format!("  coldsign generate {identity}@{digest}"))?;
    Ok(payload::render(&identity, digest, &BTreeMap::new()))
}

fn say_attached(
    attached: &Attached,
    name: &str,
    elsewhere: Option<&Repository>,
    is_verified: bool,
    console: &mut dyn Console,
) -> Result<()> {
    for warning in &attached.warnings {
        terminal::warning(warning).lines().try_for_each(|line| console.say(line))?;
    }
    let status = if attached.changed { "pushed" } else { "unchanged" };
    let beside = match attached.foreign {
        0 => String::new(),
        others => format!(", beside {}", counted(others, "other signature", "other signatures")),
    };
    let place = elsewhere.map_or_else(String::new, |repository| format!(" in {repository}"));
    let verified = if is_verified { "read back and verified" } else { "read back, not verified" };
    console.say(&format!("{status:<10} {}", shown(name)))?;
    console.say(&format!("{:<10} .sig{}{beside}; {verified}", "", shown(&place)))
}

fn nothing_pushed(error: Error) -> Error {
    error.detail("nothing was pushed")
}

/// Bytes of a signature that is taken for one where it is typed: what is shorter may be a file's name. One of P-256
/// that is shorter comes up less than once in 2^40.
const SHORTEST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_no_name_and_a_name_no_signature() {
        let signature = vec![0x30; 70];
        let text = STANDARD.encode(&signature);
        assert_eq!(Given::parse(&text).unwrap(), Given::Literal(signature.clone()));
        // In the lines that base64 makes of it, as a shell hands them over.
        let lines = format!("{}\n{}\n", &text[..76], &text[76..]);
        assert_eq!(Given::parse(&lines).unwrap(), Given::Literal(signature));
        assert_eq!(Given::parse("-").unwrap(), Given::Stdin);
        assert_eq!(Given::parse("Cargo.toml").unwrap(), Given::File("Cargo.toml".into()));
        // Base64 too, and too short to be a signature.
        assert_eq!(Given::parse("docs").unwrap(), Given::File("docs".into()));
        for (neither, check) in [
            ("", Check::Usage),
            ("sigs", Check::FileRead),
            (text.trim_end_matches('='), Check::FileRead),
            (&text.replace('M', "-"), Check::FileRead),
            (&STANDARD.encode([1; 63]), Check::FileRead),
        ] {
            assert_eq!(Given::parse(neither).unwrap_err().check(), check, "{neither}");
        }
    }
}
