//! `generate` and `attach`: signatures and attestations that another tool makes.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coldsign::check::Check;
use coldsign::digest::Digest;
use coldsign::error::{Error, Result};
use coldsign::exit::Exit;
use coldsign::format::evidence::Descriptor;
use coldsign::format::log::Material;
use coldsign::format::payload;
use coldsign::format::reference::{Identity, Reference, Repository};
use coldsign::keys::public::PublicKey;
use coldsign::terminal::{self, Console, counted, shown};
use coldsign::transfer::annotations;
use coldsign::transfer::attach::{self, Attached, Attachment, Destination, Signature};
use coldsign::transfer::attest::{Attestations, Made};
use coldsign::transfer::layout_dir::LayoutDir;
use coldsign::transfer::source::{Location, Source};
use coldsign::transfer::store::{Place as _, Places as _};
use coldsign::{files, limits};

use crate::cli::{AttachAttestation, AttachSignature, Generate, Network};
use crate::files::{NamedKey, read_keys};
use crate::given::Given;
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
    let signature = match &given {
        Given::Literal(signature) => signature.clone(),
        _ => check_sig_base64(&given.read()?).map_err(|error| error.within(given.to_string()))?,
    };
    let target = Target::open(source, &args.network, args.signature_repository.as_ref())?;
    let subject = target.subject()?;
    let payload = match payload {
        Some(payload) => payload,
        None => implied(&target.source, &subject.digest, console)?,
    };
    let asked = Asked { args, given: &given, key: key.as_ref(), subject: &subject };
    let checked = asked.check(payload, &signature, console).map_err(nothing_pushed)?;
    target.attach(&checked, SIGNATURE, key.is_some(), console)
}

/// Checks attestations, puts them, reads them back.
pub(crate) fn attestations(args: &AttachAttestation, console: &mut dyn Console) -> Result<Exit> {
    let source = Source::parse(&args.image, Path::new(""))?;
    let keys: Vec<PublicKey> = read_keys(&args.keys)?.into_iter().map(|key| key.key).collect();
    let is_verified = !keys.is_empty();
    let files = args.attestations.iter().map(|path| {
        let bytes = files::read(path, limits::ATTESTATION_FILE)?;
        let made = Made::read_all(&bytes).map_err(|error| error.within(path.display()))?;
        Ok((path, made))
    });
    let files = files.collect::<Result<Vec<_>>>().map_err(nothing_pushed)?;
    let target = Target::open(source, &args.network, args.signature_repository.as_ref())?;
    let mut attestations = Attestations::about(target.subject()?, keys);
    for (path, made) in &files {
        for (number, one) in (1..).zip(made) {
            let place = match made.len() {
                1 => path.display().to_string(),
                _ => format!("{}: object {number}", path.display()),
            };
            let kind = attestations.add(one).map_err(|error| nothing_pushed(error.within(&place)))?;
            let form = match one {
                Made::Envelope(_) => "envelope",
                Made::Bundle(_) => "bundle",
            };
            console.say(&format!("{}: {form}, {kind}", shown(&place)))?;
        }
    }
    let form = match attestations.counts() {
        (_, 0) => ".att",
        (0, _) => "bundles",
        _ => ".att and bundles",
    };
    let kind = Kind { form, others: ["other attestation", "other attestations"] };
    target.attach(&attestations, kind, is_verified, console)
}

/// An image beside which something is put.
struct Target {
    source: Source,
    elsewhere: Option<Repository>,
    station: Station,
    layout: Option<LayoutDir>,
}

impl Target {
    /// Opens a layout, and no connection yet. Usage for an archive.
    fn open(source: Source, network: &Network, elsewhere: Option<&Reference>) -> Result<Self> {
        let elsewhere = match source.location() {
            Location::Registry(_) => station::signature_repository(elsewhere)?,
            _ => None,
        };
        let station = Station::open(network, elsewhere.clone())?;
        let layout = match source.location() {
            Location::Registry(_) => None,
            Location::Directory(path) => Some(LayoutDir::open(path)?),
            Location::Archive(_) => {
                let error = Error::new(Check::Usage, &source).detail("nothing is put into an archive");
                return Err(error.hint("unpack it, and say oci:DIR"));
            }
        };
        Ok(Self { source, elsewhere, station, layout })
    }

    /// The image, which must be there.
    fn subject(&self) -> Result<Descriptor> {
        let picked = match &self.layout {
            Some(layout) => layout.layout().pick(self.source.name()),
            None => self.station.registries().open(self.source.location())?.pick(self.source.name()),
        };
        Ok(picked.map_err(nothing_pushed)?.descriptor)
    }

    /// Puts something beside the image, and says what became of it.
    fn attach(
        &self,
        what: &dyn Attachment,
        kind: Kind,
        is_verified: bool,
        console: &mut dyn Console,
    ) -> Result<Exit> {
        let to = match (&self.layout, self.source.location()) {
            (Some(layout), _) => Destination::Layout(layout),
            (None, Location::Registry(repository)) => {
                Destination::Repository(self.station.registries(), repository)
            }
            (None, _) => unreachable!("every other location is a layout"),
        };
        let name = image::by_digest(self.source.location(), &what.subject().digest);
        match attach::attach(what, &to, &name, self.station.flow()) {
            Ok(attached) => {
                let said = Said { kind, name: &name, elsewhere: self.elsewhere.as_ref(), is_verified };
                said.attached(&attached, console)?;
                Ok(Exit::Done)
            }
            Err(failed) => {
                terminal::report(&failed.error).lines().try_for_each(|line| console.say(line))?;
                Ok(failed.exit)
            }
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
        let material = self.material()?;
        let checked = if material.is_empty() { checked } else { self.with_material(checked, &material)? };
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
        for entry in &material.entries {
            let log = entry.log_id.grouped();
            let pieces =
                [format!("index {},", entry.index), format!("log {},", short(&log)), NOT_ASKED.to_owned()];
            console.say_all(&terminal::filled("log entry: ", &pieces, " "))?;
        }
        for token in &material.tokens {
            let pieces = [format!("{},", bytes(token.len())), NOT_ASKED.to_owned()];
            console.say_all(&terminal::filled("timestamp: ", &pieces, " "))?;
        }
        if checked.respelled() {
            console.say("it came as r || s (IEEE P1363) and is put as DER, which every verifier takes")?;
        }
        if !claims {
            console.say("warning: it verifies only with --check-claims=false")?;
        }
        Ok(checked)
    }

    /// What was given to stand beside the signature.
    fn material(&self) -> Result<Material> {
        let read = |path: &Path| files::read(path, limits::LOG_FILE);
        let mut material = Material::default();
        if let Some(path) = &self.args.rekor_response {
            let entry = attach::read_rekor_response(&read(path)?);
            material.entries.push(entry.map_err(|error| error.within(path.display()))?);
        }
        if let Some(path) = &self.args.tsr {
            let token = attach::read_timestamp(&read(path)?);
            material.tokens.push(token.map_err(|error| error.within(path.display()))?);
        }
        Ok(material)
    }

    /// The signature with that beside it; a refusal names the file.
    fn with_material(&self, signature: Signature, material: &Material) -> Result<Signature> {
        signature.with_material(material.clone()).map_err(|error| {
            let is_token = error.check().hop() == "timestamp";
            let file = if is_token { &self.args.tsr } else { &self.args.rekor_response };
            match file {
                Some(path) => error.within(path.display()),
                None => error,
            }
        })
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

/// The first two groups of an id.
fn short(grouped: &str) -> &str {
    grouped.get(..17).unwrap_or(grouped)
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

/// What something that is attached is called, and what stands beside it.
#[derive(Clone, Copy)]
struct Kind {
    form: &'static str,
    others: [&'static str; 2],
}

const NOT_ASKED: &str = "of this signature; who made it is not checked here";
const SIGNATURE: Kind = Kind { form: ".sig", others: ["other signature", "other signatures"] };

/// What is said of something that was attached.
struct Said<'a> {
    kind: Kind,
    name: &'a str,
    elsewhere: Option<&'a Repository>,
    is_verified: bool,
}

impl Said<'_> {
    fn attached(&self, attached: &Attached, console: &mut dyn Console) -> Result<()> {
        for warning in &attached.warnings {
            terminal::warning(warning).lines().try_for_each(|line| console.say(line))?;
        }
        let status = if attached.changed { "pushed" } else { "unchanged" };
        let Kind { form, others: [one, many] } = self.kind;
        let beside = match attached.foreign {
            0 => String::new(),
            others => format!(", beside {}", counted(others, one, many)),
        };
        let place = self.elsewhere.map(|repository| format!(" in {}", shown(&repository.to_string())));
        let place = place.unwrap_or_default();
        let verified = if self.is_verified { "read back and verified" } else { "read back, not verified" };
        console.say(&format!("{status:<10} {}", shown(self.name)))?;
        console.say(&format!("{:<10} {form}{place}{beside}; {verified}", ""))
    }
}

fn nothing_pushed(error: Error) -> Error {
    error.detail("nothing was pushed")
}
