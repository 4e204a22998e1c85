//! `clean`: what stands beside an image goes, once a person said so.

use std::path::Path;

use coldsign::check::Check;
use coldsign::digest::Digest;
use coldsign::error::{Error, Result};
use coldsign::exit::Exit;
use coldsign::format::reference::Reference;
use coldsign::terminal::{self, Console, counted, shown};
use coldsign::transfer::attached::{Attached, How};
use coldsign::transfer::clean::{Cleaned, Found, Removal};
use coldsign::transfer::layout_dir::LayoutDir;
use coldsign::transfer::source::{Location, Source};
use coldsign::transfer::store::{Beside, Place};

use crate::cli::{Clean, CleanKind};
use crate::registry::Remote;
use crate::station::{self, Station};

/// The exit code is that of the first thing that did not go, after all others went.
pub(crate) fn run(args: &Clean, console: &mut dyn Console) -> Result<Exit> {
    let source = Source::parse(&args.image, Path::new(""))?;
    let signatures = station::signature_repository(args.beside.signature_repository.as_ref())?;
    let elsewhere = signatures.as_ref().map(ToString::to_string).filter(|_| source.reference().is_some());
    if !args.force && !console.is_terminal() {
        return Err(Error::new(Check::Usage, "no terminal to ask at")
            .detail("nothing was deleted")
            .hint("say --force to delete without being asked"));
    }
    let station = Station::open(&args.network, signatures)?;
    if let Some(elsewhere) = elsewhere {
        console.say(&format!("looking for signatures in {}", shown(&elsewhere)))?;
    }
    match source.location() {
        Location::Registry(repository) => {
            let remote = Remote::new(station.registries(), repository)?;
            let subject = match source.reference().and_then(Reference::digest) {
                Some(digest) => digest,
                None => picked(&remote, &source)?,
            };
            clean(args, &remote, &source, &subject, console)
        }
        Location::Directory(path) => {
            let layout = LayoutDir::open(path)?;
            let subject = picked(layout.layout(), &source)?;
            clean(args, &layout, &source, &subject, console)
        }
        Location::Archive(_) => Err(Error::new(Check::Usage, &source)
            .detail("an archive is written once, and nothing is taken out of it")
            .hint("copy it without: coldsign copy --only image")),
    }
}

fn picked(place: &dyn Place, source: &Source) -> Result<Digest> {
    place.pick(source.name()).map(|picked| picked.descriptor.digest)
}

fn clean(
    args: &Clean,
    store: &dyn Removal,
    source: &Source,
    subject: &Digest,
    console: &mut dyn Console,
) -> Result<Exit> {
    let found = Found::beside(store, subject, &ways(args.kind)).map_err(nothing_deleted)?;
    for other in &found.others {
        let kind = shown(other.parts.kind().unwrap_or_default());
        console.say(&format!("stays, no signature or the like: referrer {kind}"))?;
        console.say(&format!("  {}", other.descriptor.digest))?;
    }
    if found.going.is_empty() {
        if found.refused.is_empty() {
            console.say(&format!("nothing to delete beside {}", shown(&source.to_string())))?;
        }
        return conclude(&Cleaned::default(), &found.refused, console);
    }
    for attached in &found.going {
        named(attached, subject).iter().try_for_each(|line| console.say(line))?;
    }
    if !args.force {
        let count = counted(found.going.len(), "manifest", "manifests");
        let answer = console.ask(&format!("delete {count} beside {}? [y/N] ", shown(&source.to_string())))?;
        if !matches!(answer.trim(), "y" | "Y" | "yes") {
            return Err(Error::new(Check::OperatorRefused, "").detail("nothing was deleted"));
        }
    }
    let cleaned = found.remove(store, subject)?;
    conclude(&cleaned, &found.refused, console)
}

fn conclude(cleaned: &Cleaned, refused: &[Error], console: &mut dyn Console) -> Result<Exit> {
    let mut exit = Exit::Done;
    for error in cleaned.failed.iter().chain(refused) {
        terminal::report(error).lines().try_for_each(|line| console.say(line))?;
        if exit == Exit::Done {
            exit = error.exit();
        }
    }
    // Some went: the code says so, whatever kept the others.
    if cleaned.gone > 0 && !cleaned.failed.is_empty() {
        exit = Exit::Partial;
    }
    if cleaned.gone > 0 || !cleaned.failed.is_empty() {
        let left = cleaned.failed.len() + refused.len();
        let gone = counted(cleaned.gone, "manifest", "manifests");
        let left = if left > 0 { format!(", {left} not") } else { String::new() };
        console.say(&format!("done: {gone} deleted{left}"))?;
    }
    Ok(exit)
}

/// What would go, in two lines.
fn named(attached: &Attached, subject: &Digest) -> [String; 2] {
    let layers = counted(attached.parts.layers.len(), "layer", "layers");
    let what = match attached.how {
        How::Tag(kind) => format!("{}, {layers}, tag", kind.suffix()),
        How::Referrer => format!("referrer: {}, {layers}", attached.nature().word()),
    };
    let name = attached.how.tag(subject).unwrap_or_else(|| attached.descriptor.digest.to_string());
    [format!("would go: {what}"), format!("  {name}")]
}

fn ways(kind: CleanKind) -> Vec<How> {
    match kind {
        CleanKind::Signature => vec![How::Tag(Beside::Signatures)],
        CleanKind::Attestation => vec![How::Tag(Beside::Attestations)],
        CleanKind::Sbom => vec![How::Tag(Beside::Sboms)],
        CleanKind::Referrer => vec![How::Referrer],
        CleanKind::All => How::ALL.to_vec(),
    }
}

fn nothing_deleted(error: Error) -> Error {
    error.detail("nothing was deleted")
}
