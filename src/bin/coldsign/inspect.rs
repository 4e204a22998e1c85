//! `inspect`: what a request, a response or a public key holds.

use std::fmt::Write as _;

use coldsign::error::Result;
use coldsign::format::document::Item;
use coldsign::keys::public::PublicKey;
use coldsign::response::Response;
use coldsign::review::{Review, signed_by};
use coldsign::terminal::Console;
use coldsign::{files, limits, words};
use serde_json::{Value, json};

use crate::cli::{Format, Inspect};

/// Prints on stdout what the file holds.
pub(crate) fn run(args: &Inspect, console: &mut dyn Console) -> Result<()> {
    let bytes = files::read(&args.file, limits::FILE)?;
    if bytes.trim_ascii_start().starts_with(b"-----BEGIN ") {
        let key = PublicKey::from_pem(&bytes).map_err(|error| error.within(args.file.display()))?;
        return show_key(&key, args, console);
    }
    let response = Response::read(&bytes.into()).map_err(|error| error.within(args.file.display()))?;
    if args.digest {
        return console.show(&response.request().digest().to_string());
    }
    match args.format {
        Format::Json => console.show(&ascii(&file_value(&response))),
        Format::Text => show_file(&response, console),
    }
}

/// One line of JSON in ASCII, `<`, `>` and `&` escaped as Go does: text from files never reaches a terminal as it is.
pub(crate) fn ascii(value: &Value) -> String {
    escaped(&value.to_string())
}

/// JSON without blanks, made as [`ascii`] makes it.
pub(crate) fn escaped(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for character in json.chars() {
        if matches!(character, ' '..='~') && !matches!(character, '<' | '>' | '&') {
            out.push(character);
        } else {
            // Inside strings only: JSON's own characters are none of these.
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

fn show_key(key: &PublicKey, args: &Inspect, console: &mut dyn Console) -> Result<()> {
    if args.digest {
        return console.show(&key.id().to_string());
    }
    match args.format {
        Format::Json => console.show(&ascii(&json!({
            "kind": "publicKey",
            "keyId": key.id().to_string(),
            "type": key.kind().to_string(),
        }))),
        Format::Text => {
            console.show(&format!("public key, {}, key id", key.kind()))?;
            console.show(&format!("  {}", key.id().grouped()))
        }
    }
}

fn show_file(response: &Response, console: &mut dyn Console) -> Result<()> {
    let request = response.request();
    console.show(if response.signers().len() == 0 { "request" } else { "response to request" })?;
    console.show(&format!("  {}", request.digest().grouped()))?;
    let review = Review::of(request);
    let words = words::table(&request.digest());
    let lines = words.iter().cloned().chain(review.summary()).chain(signed_by(response)).chain(review.rows());
    for line in lines {
        console.show(&line)?;
    }
    Ok(())
}

fn file_value(response: &Response) -> Value {
    let request = response.request();
    let signers: Vec<Value> = response
        .signers()
        .map(|signer| {
            json!({
                "keyId": signer.key().id().to_string(),
                "type": signer.key().kind().to_string(),
                "sig": signer.items_with_payload(request).len(),
                "bundle": signer.items_with_statement(request).len(),
            })
        })
        .collect();
    json!({
        "kind": if signers.is_empty() { "request" } else { "response" },
        "request": request.digest().to_string(),
        "words": words::words(&request.digest()),
        "note": request.note(),
        "images": request.images().len(),
        "items": request.items().iter().map(item_value).collect::<Vec<_>>(),
        "signers": signers,
    })
}

fn item_value(item: &Item) -> Value {
    let unseen: Vec<String> = item.unseen.iter().map(ToString::to_string).collect();
    json!({
        "number": item.number,
        "destination": item.destination.to_string(),
        "identity": item.identity.to_string(),
        "digest": item.subject.digest.to_string(),
        "mediaType": item.subject.media_type,
        "annotations": item.annotations,
        "unseen": unseen,
    })
}
