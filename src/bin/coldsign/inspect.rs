//! `inspect`: what a request, a response or a public key holds.

use std::fmt::Write as _;

use coldsign::error::Result;
use coldsign::format::document::{BlobItem, Content, Item, Signed};
use coldsign::format::evidence::Descriptor;
use coldsign::keys::public::PublicKey;
use coldsign::response::{Place, Response};
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
            let count = |counts: &dyn Fn(Place) -> bool| signer.items(request, counts).len();
            json!({
                "keyId": signer.key().id().to_string(),
                "type": signer.key().kind().to_string(),
                "sig": count(&|place| matches!(place, Place::Payload(..))),
                "bundle": count(&|place| matches!(place, Place::Statement(_))),
                "file": count(&|place| matches!(place, Place::File(_))),
            })
        })
        .collect();
    json!({
        "kind": if signers.is_empty() { "request" } else { "response" },
        "request": request.digest().to_string(),
        "words": words::words(&request.digest()),
        "note": request.note(),
        "images": request.images().len(),
        "items": request.items().iter().map(item_value).chain(request.files().iter().map(file_item)).collect::<Vec<_>>(),
        "signers": signers,
    })
}

fn item_value(item: &Item) -> Value {
    let unseen: Vec<String> = item.unseen.iter().map(ToString::to_string).collect();
    let mut value = json!({
        "number": item.number,
        "kind": item.signed.kind(),
        "destination": item.destination.to_string(),
        "digest": item.subject.digest.to_string(),
        "mediaType": item.subject.media_type,
        "unseen": unseen,
    });
    let signed = match &item.signed {
        Signed::Image { identity, annotations, .. } => {
            vec![("identity", json!(identity.to_string())), ("annotations", json!(annotations))]
        }
        Signed::CustomPayload { payload } => vec![("payload", descriptor_value(payload))],
        Signed::Attestation { predicate_type, predicate, .. } => {
            vec![("predicateType", json!(predicate_type.uri())), ("predicate", descriptor_value(predicate))]
        }
    };
    if let Some(members) = value.as_object_mut() {
        members.extend(signed.into_iter().map(|(name, value)| (name.to_owned(), value)));
    }
    value
}

fn file_item(file: &BlobItem) -> Value {
    let size = match &file.content {
        Content::Carried(content) => Some(content.size),
        Content::Hash(_) => None,
    };
    json!({
        "number": file.number,
        "kind": "blob",
        "name": file.name,
        "digest": file.content.digest().to_string(),
        "size": size,
    })
}

fn descriptor_value(descriptor: &Descriptor) -> Value {
    json!({ "digest": descriptor.digest.to_string(), "size": descriptor.size })
}
