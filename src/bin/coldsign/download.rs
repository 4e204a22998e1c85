//! `download`: what stands beside an image, as JSON lines.

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coldsign::check::Check;
use coldsign::digest::Digest;
use coldsign::error::{Error, Result};
use coldsign::exit::Exit;
use coldsign::format::reference::{Reference, Repository};
use coldsign::terminal::{self, Console, counted};
use coldsign::transfer::download::{self, Attested, Found, FoundLayer};
use coldsign::transfer::source::Source;
use coldsign::transfer::store::{Place, Places as _};
use serde_json::json;

use crate::cli::{DownloadAttestation, DownloadSignature, Network};
use crate::image;
use crate::inspect::escaped;
use crate::station::{self, Station};

/// Prints every signature.
pub(crate) fn signature(args: &DownloadSignature, console: &mut dyn Console) -> Result<Exit> {
    let asked = Asked::open(&args.image, args.beside.signature_repository.as_ref(), &args.network)?;
    let place = asked.place()?;
    let mut printed = Printed::default();
    download::signatures(&*place, &asked.digest, |found| match found {
        Ok(Found::Attestation) => printed.other += 1,
        Ok(Found::Layer(layer)) => printed.line(|| layer_line(&layer), console),
        Ok(Found::Bundle(bundle)) => printed.line(|| escaped(&compact(&bundle)), console),
        Err(error) => printed.failed.push(error),
    });
    if printed.other > 0 && printed.told.is_ok() {
        let these = counted(printed.other, "bundle is an attestation", "bundles are attestations");
        console.say(&format!("{these}, not printed"))?;
    }
    printed.conclude(&asked, Check::SigAbsent, console)
}

/// Prints every attestation, or those of one type.
pub(crate) fn attestation(args: &DownloadAttestation, console: &mut dyn Console) -> Result<Exit> {
    let asked = Asked::open(&args.image, args.beside.signature_repository.as_ref(), &args.network)?;
    let place = asked.place()?;
    let mut printed = Printed::default();
    download::attestations(&*place, &asked.digest, args.predicate_type.as_ref(), |found| match found {
        Ok(Attested::Other) => printed.other += 1,
        Ok(Attested::Envelope(text) | Attested::Bundle(text)) => {
            printed.line(|| escaped(&compact(&text)), console);
        }
        Err(error) => printed.failed.push(error),
    });
    if let (Some(kind), true) = (&args.predicate_type, printed.other > 0 && printed.told.is_ok()) {
        console.say(&format!("{} not of type {kind}, not printed", printed.other))?;
    }
    printed.conclude(&asked, Check::AttAbsent, console)
}

/// The image whose surroundings are printed.
struct Asked {
    source: Source,
    elsewhere: Option<Repository>,
    station: Station,
    digest: Digest,
}

impl Asked {
    /// Finds the image's digest.
    fn open(image: &str, elsewhere: Option<&Reference>, network: &Network) -> Result<Self> {
        let source = Source::parse(image, Path::new(""))?;
        let elsewhere = station::signature_repository(elsewhere)?;
        let station = Station::open(network, elsewhere.clone())?;
        let digest = image::digest(&source, station.registries())?;
        Ok(Self { source, elsewhere, station, digest })
    }

    fn place(&self) -> Result<Arc<dyn Place + '_>> {
        self.station.registries().open(self.source.location())
    }
}

/// How it went so far. What cannot be read is said, and decides the exit code: what is missing is never silent.
struct Printed {
    lines: usize,
    /// What was found and not asked for.
    other: usize,
    failed: Vec<Error>,
    told: Result<()>,
}

impl Default for Printed {
    fn default() -> Self {
        Self { lines: 0, other: 0, failed: Vec::new(), told: Ok(()) }
    }
}

impl Printed {
    /// One more line; none after whoever reads them has gone.
    fn line(&mut self, line: impl FnOnce() -> String, console: &mut dyn Console) {
        if self.told.is_ok() {
            (self.lines, self.told) = (self.lines + 1, console.show(&line()));
        }
    }

    fn conclude(self, asked: &Asked, absent: Check, console: &mut dyn Console) -> Result<Exit> {
        self.told?;
        let name = image::by_digest(asked.source.location(), &asked.digest);
        if let Some(exit) = self.failed.first().map(Error::exit) {
            let more = self.failed.len().saturating_sub(WHOLE);
            for error in self.failed.into_iter().take(WHOLE) {
                let error = error.within(&name);
                terminal::report(&error).lines().try_for_each(|line| console.say(line))?;
            }
            if more > 0 {
                console.say(&format!("{more} more like these"))?;
            }
            return Ok(exit);
        }
        if self.lines > 0 {
            return Ok(Exit::Done);
        }
        let error = Error::new(absent, name);
        Err(match &asked.elsewhere {
            Some(elsewhere) => error.detail(format!("looked in {elsewhere}")),
            None => error,
        })
    }
}

/// The line of a `.sig` layer: cosign's members in cosign's order; of a certificate its DER, `Raw`, alone.
fn layer_line(layer: &FoundLayer) -> String {
    let certificate = |der: &Vec<u8>| json!({ "Raw": STANDARD.encode(der) });
    let text = |json: &Option<String>| json.as_ref().map_or_else(|| "null".to_owned(), |json| compact(json));
    let line = format!(
        "{{\"Base64Signature\":{},\"Payload\":\"{}\",\"Cert\":{},\"Chain\":{},\"Bundle\":{},\"RFC3161Timestamp\":{}}}",
        json!(layer.signature),
        STANDARD.encode(&layer.payload),
        json!(layer.certificate.as_ref().map(certificate)),
        json!(layer.chain.as_ref().map(|chain| chain.iter().map(certificate).collect::<Vec<_>>())),
        text(&layer.log),
        text(&layer.timestamp),
    );
    escaped(&line)
}

/// JSON without the white space between its tokens; everything else stays as it was received.
fn compact(json: &str) -> String {
    let (mut in_string, mut is_escaped) = (false, false);
    let keep = |character: &char| {
        if in_string {
            match character {
                _ if is_escaped => is_escaped = false,
                '\\' => is_escaped = true,
                '"' => in_string = false,
                _ => {}
            }
            return true;
        }
        in_string = *character == '"';
        !matches!(character, ' ' | '\t' | '\r' | '\n')
    };
    json.chars().filter(keep).collect()
}

/// Errors that are told whole.
const WHOLE: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_in_strings_stays() {
        assert_eq!(
            compact("{ \"a b\" :\n[1.0,\t\"\\\" \\\\\" , \"c \"] }\r\n"),
            "{\"a b\":[1.0,\"\\\" \\\\\",\"c \"]}"
        );
    }
}
