//! `download`: what stands beside an image, as JSON lines.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coldsign::check::Check;
use coldsign::error::{Error, Result};
use coldsign::exit::Exit;
use coldsign::terminal::{self, Console, counted};
use coldsign::transfer::download::{self, Found, FoundLayer};
use coldsign::transfer::source::Source;
use coldsign::transfer::store::Places as _;
use serde_json::json;

use crate::cli::DownloadSignature;
use crate::image;
use crate::inspect::escaped;
use crate::station::{self, Station};

/// Prints every signature. What cannot be read is said, and decides the exit code: what is missing is never silent.
pub(crate) fn signature(args: &DownloadSignature, console: &mut dyn Console) -> Result<Exit> {
    let source = Source::parse(&args.image, Path::new(""))?;
    let signatures = station::signature_repository(args.signature_repository.as_ref())?;
    let station = Station::open(&args.network, signatures.clone())?;
    let digest = image::digest(&source, station.registries())?;
    let place = station.registries().open(source.location())?;
    let (mut printed, mut attestations) = (0, 0);
    let mut failed: Vec<Error> = Vec::new();
    let mut told = Ok(());
    download::signatures(&*place, &digest, |found| match found {
        Ok(Found::Attestation) => attestations += 1,
        Ok(_) | Err(_) if told.is_err() => {}
        Ok(Found::Layer(layer)) => (printed, told) = (printed + 1, console.show(&layer_line(&layer))),
        Ok(Found::Bundle(bundle)) => {
            (printed, told) = (printed + 1, console.show(&escaped(&compact(&bundle))));
        }
        Err(error) => failed.push(error),
    });
    told?;
    if attestations > 0 {
        let these = counted(attestations, "bundle is an attestation", "bundles are attestations");
        console.say(&format!("{these}, not printed"))?;
    }
    let name = image::by_digest(source.location(), &digest);
    if let Some(exit) = failed.first().map(Error::exit) {
        let more = failed.len().saturating_sub(WHOLE);
        for error in failed.into_iter().take(WHOLE) {
            let error = error.within(&name);
            terminal::report(&error).lines().try_for_each(|line| console.say(line))?;
        }
        if more > 0 {
            console.say(&format!("{more} more like these"))?;
        }
        return Ok(exit);
    }
    if printed == 0 {
        let error = Error::new(Check::SigAbsent, name);
        return Err(match signatures {
            Some(elsewhere) => error.detail(format!("looked in {elsewhere}")),
            None => error,
        });
    }
    Ok(Exit::Done)
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
