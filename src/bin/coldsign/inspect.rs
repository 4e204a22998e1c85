//! `inspect`: what a request, a response or a public key holds.

use std::fmt::Write as _;

use coldsign::error::Result;
use coldsign::format::document::{BlobItem, Content, Item, Signed};
use coldsign::format::evidence::Descriptor;
use coldsign::format::log::body::Body;
use coldsign::format::log::{Entry, Material};
use coldsign::keys::public::PublicKey;
use coldsign::response::{Place, Response, Signer};
use coldsign::review::{Review, signed_by};
use coldsign::terminal::{Console, counted, filled};
use coldsign::trust::Time;
use coldsign::verify::timestamp::Token;
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
    let lines = words
        .iter()
        .cloned()
        .chain(review.summary())
        .chain(signed_by(response))
        .chain(beside(response))
        .chain(review.rows());
    for line in lines {
        console.show(&line)?;
    }
    Ok(())
}

/// What stands beside the signatures, a line or two each.
fn beside(response: &Response) -> Vec<String> {
    let mut lines = Vec::new();
    for signer in response.signers() {
        let id = signer.key().id().grouped();
        let by = id.get(..17).unwrap_or(&id);
        for (place, material) in signer.material() {
            let numbers: Vec<String> = numbers(response, *place).iter().map(ToString::to_string).collect();
            let first = format!("{} {} by {by}: ", form(*place), numbers.join(", "));
            for entry in &material.entries {
                let log = entry.log_id.grouped();
                let mut pieces = vec![format!("{},", kind(entry)), format!("index {},", entry.index)];
                pieces.push(format!("log {},", log.get(..17).unwrap_or(&log)));
                pieces.extend(claimed(entry).map(|time| format!("claims {},", Time(time))));
                pieces.push("not checked here".to_owned());
                lines.extend(filled(&first, &pieces, " "));
            }
            for token in &material.tokens {
                let mut pieces = vec![format!("timestamp, {},", counted(token.len(), "byte", "bytes"))];
                pieces.extend(stamped(token).map(|time| format!("claims {time},")));
                pieces.push("not checked here".to_owned());
                lines.extend(filled(&first, &pieces, " "));
            }
        }
    }
    lines
}

/// The numbers of the items that a signature is of.
fn numbers(response: &Response, place: Place) -> Vec<usize> {
    place.items(response.request()).into_iter().map(|item| item + 1).collect()
}

fn form(place: Place) -> &'static str {
    match place {
        Place::Payload(..) => ".sig",
        Place::Statement(_) => "bundle",
        Place::File(_) => "file",
    }
}

/// What kind of entry it is, by its own body.
fn kind(entry: &Entry) -> String {
    Body::parse(&entry.body).map_or_else(|_| "unknown kind".to_owned(), |(kind, _)| kind.to_string())
}

/// When the log says that it took it: in Rekor v2 it does not, and without a promise nobody does.
fn claimed(entry: &Entry) -> Option<u64> {
    entry.promise.as_ref().map(|_| entry.time).filter(|time| *time > 0)
}

/// When a timestamp says that it was made; `None` where it cannot be read.
fn stamped(token: &[u8]) -> Option<Time> {
    Token::parse(token).ok().map(|token| token.time())
}

fn entries_value(response: &Response, signer: &Signer) -> Vec<Value> {
    let of_place = |(place, material): (&Place, &Material)| {
        let (form, items) = (form(*place), numbers(response, *place));
        let value = move |entry: &Entry| {
            json!({
                "form": form,
                "items": items,
                "kind": kind(entry),
                "logId": entry.log_id.hex(),
                "logIndex": entry.index,
                "integratedTime": claimed(entry),
                "promise": entry.promise.is_some(),
                "proof": entry.proof.is_some(),
                "state": "unchecked",
            })
        };
        material.entries.iter().map(value).collect::<Vec<_>>()
    };
    signer.material().iter().flat_map(of_place).collect()
}

fn timestamps_value(response: &Response, signer: &Signer) -> Vec<Value> {
    let of_place = |(place, material): (&Place, &Material)| {
        let (form, items) = (form(*place), numbers(response, *place));
        let value = move |token: &Vec<u8>| {
            json!({
                "form": form,
                "items": items,
                "size": token.len(),
                "time": stamped(token).map(|time| time.to_string()),
                "state": "unchecked",
            })
        };
        material.tokens.iter().map(value).collect::<Vec<_>>()
    };
    signer.material().iter().flat_map(of_place).collect()
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
                "logEntries": entries_value(response, signer),
                "timestamps": timestamps_value(response, signer),
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
