//! Request and response documents (docs/format.md 3 and 4): RFC 8785 bytes, integers only, nothing unknown in
//! `critical`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::evidence::Descriptor;
use crate::format::json::Value;
use crate::format::reference::{Destination, Identity};
use crate::format::{payload, statement};
use crate::limits;

/// Media type of a request document, and artifact type of its manifest.
pub const REQUEST: &str = "application/vnd.coldsign.request.v1+json";
/// Media type of a response document, and artifact type of its manifest.
pub const RESPONSE: &str = "application/vnd.coldsign.response.v1+json";

/// One digest to sign under one identity.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Counts from 1 in the request.
    pub number: u64,
    /// Where its signature goes.
    pub destination: Destination,
    /// What its payload calls it.
    pub identity: Identity,
    /// What its payload and statement say of it.
    pub annotations: BTreeMap<String, String>,
    /// The manifest or index to sign.
    pub subject: Descriptor,
    /// Its manifest, the carried manifests below it and their configs, sorted.
    pub evidence: Vec<Digest>,
    /// Children of this index that are not carried, sorted.
    pub unseen: Vec<Digest>,
    /// Its payload.
    pub payload: Descriptor,
    /// Its statement.
    pub statement: Descriptor,
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestDocument {
    /// The items, by number.
    pub items: Vec<Item>,
    /// What the requester says.
    pub note: Option<String>,
    /// Names of unknown members of `optional`: named and ignored.
    pub unknown: Vec<String>,
}

/// Which key answers which request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseDocument {
    /// The key's id as it stands.
    pub key_id: Digest,
    /// SPKI DER as it stands.
    pub public_key: Vec<u8>,
    /// The request document.
    pub request: Digest,
}

impl RequestDocument {
    /// Reads a request document. Everything that can be said without evidence is checked.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let value = Value::parse_document(bytes)?;
        let top = Members::of(&value, "", &["critical", "optional"])?;
        let critical = Members::of(top.value("critical")?, "critical", &["items", "version"])?;
        check_document_version(critical.value("version")?)?;
        let items = critical.array("items")?;
        check_document_items(items.len(), limits::ITEMS, "items")?;
        let mut unknown = Vec::new();
        let items: Vec<Item> =
            items.iter().map(|item| read_item(item, &mut unknown)).collect::<Result<_>>()?;
        let optional = top.value("optional")?;
        let members = optional.as_object().ok_or_else(|| member("optional"))?;
        let mut note = None;
        for (name, value) in members {
            if name == "note" {
                let text = value.as_str().ok_or_else(|| member("optional.note"))?;
                check_document_empty(text.is_empty(), "optional.note")?;
                note = Some(check_document_string(text, "optional.note")?);
            } else {
                unknown.push(format!("optional.{name}"));
            }
        }
        Ok(Self { items, note, unknown })
    }

    /// The document's bytes: RFC 8785. Unknown members of `optional` are not written.
    #[must_use]
    pub fn render(&self) -> Vec<u8> {
        let items = self.items.iter().map(render_item).collect();
        let critical = object([("items", Value::Array(items)), ("version", Value::Integer(VERSION))]);
        let note = self.note.iter().map(|note| ("note", Value::String(note.clone())));
        object([("critical", critical), ("optional", object(note))]).to_canonical()
    }
}

impl ResponseDocument {
    /// Reads a response document; whether key and id belong together is RESPONSE-KEY's to say.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let value = Value::parse_document(bytes)?;
        let top = Members::of(&value, "", &["critical", "optional"])?;
        let critical = Members::of(top.value("critical")?, "critical", &["key", "request", "version"])?;
        check_document_version(critical.value("version")?)?;
        if top.value("optional")?.as_object().is_none_or(|members| !members.is_empty()) {
            return Err(member("optional"));
        }
        let key = Members::of(critical.value("key")?, "critical.key", &["id", "publicKey"])?;
        let public_key = key.text("publicKey")?;
        let decoded = STANDARD.decode(public_key).ok().filter(|bytes| STANDARD.encode(bytes) == public_key);
        Ok(Self {
            key_id: key.digest("id")?,
            public_key: decoded.ok_or_else(|| member("critical.key.publicKey"))?,
            request: critical.digest("request")?,
        })
    }

    /// The document's bytes: RFC 8785.
    #[must_use]
    pub fn render(&self) -> Vec<u8> {
        let key = object([
            ("id", Value::String(self.key_id.to_string())),
            ("publicKey", Value::String(STANDARD.encode(&self.public_key))),
        ]);
        let request = Value::String(self.request.to_string());
        let critical = object([("key", key), ("request", request), ("version", Value::Integer(VERSION))]);
        object([("critical", critical), ("optional", object([]))]).to_canonical()
    }
}

/// DOCUMENT-STRING: at most 4 KiB, no control characters (U+0000 to U+001F, U+007F).
pub fn check_document_string(text: &str, place: &str) -> Result<String> {
    if text.len() <= limits::STRING && !text.chars().any(|character| character < ' ' || character == '\u{7f}')
    {
        return Ok(text.to_owned());
    }
    Err(Error::new(Check::DocumentString, place))
}

/// The rules for annotations of one item: how many, and their strings (DOCUMENT-ITEMS, DOCUMENT-STRING).
pub fn check_annotations(annotations: &BTreeMap<String, String>, place: &str) -> Result<()> {
    check_document_items(annotations.len(), limits::ANNOTATIONS, place)?;
    for (key, value) in annotations {
        if key.is_empty() {
            return Err(Error::new(Check::DocumentString, place).detail("an annotation's key is empty"));
        }
        check_document_string(key, place)?;
        check_document_string(value, place)?;
    }
    Ok(())
}

/// DOCUMENT-ITEMS: at least one, and not more than the limit.
pub fn check_document_items(count: usize, limit: usize, place: &str) -> Result<()> {
    if (1..=limit).contains(&count) || (count == 0 && limit == limits::ANNOTATIONS) {
        return Ok(());
    }
    Err(Error::new(Check::DocumentItems, place).detail(format!("{count}, at most {limit}")))
}

/// DOCUMENT-EMPTY: what is empty is absent.
fn check_document_empty(empty: bool, place: &str) -> Result<()> {
    if empty { Err(Error::new(Check::DocumentEmpty, place)) } else { Ok(()) }
}

/// DOCUMENT-VERSION: this format is version 1.
fn check_document_version(value: &Value) -> Result<()> {
    match value.as_integer() {
        Some(VERSION) => Ok(()),
        Some(version) => Err(Error::new(Check::DocumentVersion, version)),
        None => Err(member("critical.version")),
    }
}

/// DOCUMENT-SORTED: ascending, each once.
fn check_document_sorted(digests: &[Digest], place: &str) -> Result<()> {
    if digests.is_sorted_by(|a, b| a < b) { Ok(()) } else { Err(Error::new(Check::DocumentSorted, place)) }
}

/// DOCUMENT-KIND: `image` is the only kind of this version.
fn check_document_kind(kind: &str, place: &str) -> Result<()> {
    if kind == KIND { Ok(()) } else { Err(Error::new(Check::DocumentKind, place).detail(kind)) }
}

fn read_item(value: &Value, unknown: &mut Vec<String>) -> Result<Item> {
    let top = Members::of(value, "item", &["critical", "optional"])?;
    let critical = Members::with(
        top.value("critical")?,
        "item.critical",
        &["destination", "evidence", "identity", "kind", "number", "payload", "statement", "subject"],
        &["annotations", "unseen"],
    )?;
    let number = critical.value("number")?.as_integer().ok_or_else(|| member("item.critical.number"))?;
    let place = |name: &str| format!("item {number}: {name}");
    for (name, _) in top.value("optional")?.as_object().ok_or_else(|| member(&place("optional")))? {
        unknown.push(place(&format!("optional.{name}")));
    }
    check_document_kind(critical.text("kind")?, &place("kind"))?;
    let evidence = critical.digests("evidence")?;
    check_document_sorted(&evidence, &place("evidence"))?;
    let unseen = match critical.if_any("unseen") {
        None => Vec::new(),
        Some(_) => critical.digests("unseen")?,
    };
    check_document_empty(critical.if_any("unseen").is_some() && unseen.is_empty(), &place("unseen"))?;
    check_document_sorted(&unseen, &place("unseen"))?;
    let mut annotations = BTreeMap::new();
    if let Some(value) = critical.if_any("annotations") {
        let members = value.as_object().ok_or_else(|| member(&place("annotations")))?;
        check_document_empty(members.is_empty(), &place("annotations"))?;
        for (key, value) in members {
            let value = value.as_str().ok_or_else(|| member(&place("annotations")))?;
            annotations.insert(key.clone(), value.to_owned());
        }
    }
    check_annotations(&annotations, &place("annotations"))?;
    let destination = Destination::parse_exact(critical.text("destination")?)
        .map_err(|e| e.within(place("destination")))?;
    let identity =
        Identity::parse_exact(critical.text("identity")?).map_err(|error| error.within(place("identity")))?;
    let payload = critical.descriptor("payload")?;
    let statement = critical.descriptor("statement")?;
    if payload.media_type != payload::MEDIA_TYPE || statement.media_type != statement::MEDIA_TYPE {
        return Err(member(&place("mediaType")));
    }
    let subject = critical.descriptor("subject")?;
    Ok(Item { number, destination, identity, annotations, subject, evidence, unseen, payload, statement })
}

fn render_item(item: &Item) -> Value {
    let text = |text: &dyn std::fmt::Display| Value::String(text.to_string());
    let digests = |digests: &[Digest]| Value::Array(digests.iter().map(|digest| text(digest)).collect());
    let mut critical = vec![
        ("destination", text(&item.destination)),
        ("evidence", digests(&item.evidence)),
        ("identity", text(&item.identity)),
        ("kind", text(&KIND)),
        ("number", Value::Integer(item.number)),
        ("payload", descriptor_value(&item.payload)),
        ("statement", descriptor_value(&item.statement)),
        ("subject", descriptor_value(&item.subject)),
    ];
    if !item.annotations.is_empty() {
        critical.push(("annotations", annotations_value(&item.annotations)));
    }
    if !item.unseen.is_empty() {
        critical.push(("unseen", digests(&item.unseen)));
    }
    object([("critical", object(critical)), ("optional", object([]))])
}

/// Annotations as a JSON object.
#[must_use]
pub fn annotations_value(annotations: &BTreeMap<String, String>) -> Value {
    object(annotations.iter().map(|(key, value)| (key.as_str(), Value::String(value.clone()))))
}

/// `{digest, mediaType, size}`.
#[must_use]
pub fn descriptor_value(descriptor: &Descriptor) -> Value {
    object([
        ("digest", Value::String(descriptor.digest.to_string())),
        ("mediaType", Value::String(descriptor.media_type.clone())),
        ("size", Value::Integer(descriptor.size)),
    ])
}

/// An object of these members.
pub fn object<'a>(members: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// The members of an object, none unknown, none of the needed ones missing (DOCUMENT-MEMBER).
struct Members<'a> {
    value: &'a Value,
    place: &'a str,
}

impl<'a> Members<'a> {
    fn of(value: &'a Value, place: &'a str, needed: &[&str]) -> Result<Self> {
        Self::with(value, place, needed, &[])
    }

    fn with(value: &'a Value, place: &'a str, needed: &[&str], allowed: &[&str]) -> Result<Self> {
        let members = value.as_object().ok_or_else(|| member(place))?;
        let members_are_known = |(name, _): &&(String, Value)| {
            !needed.contains(&name.as_str()) && !allowed.contains(&name.as_str())
        };
        if let Some((name, _)) = members.iter().find(members_are_known) {
            return Err(member(&format!("{place}.{name}")).detail("this version does not know it"));
        }
        let this = Self { value, place };
        needed.iter().try_for_each(|name| this.value(name).map(|_| ()))?;
        Ok(this)
    }

    fn if_any(&self, name: &str) -> Option<&'a Value> {
        self.value.get(name)
    }

    fn value(&self, name: &str) -> Result<&'a Value> {
        self.if_any(name).ok_or_else(|| self.wrong(name))
    }

    fn text(&self, name: &str) -> Result<&'a str> {
        self.value(name)?.as_str().ok_or_else(|| self.wrong(name))
    }

    fn array(&self, name: &str) -> Result<&'a [Value]> {
        self.value(name)?.as_array().ok_or_else(|| self.wrong(name))
    }

    fn digest(&self, name: &str) -> Result<Digest> {
        Digest::parse(self.text(name)?).map_err(|error| self.wrong(name).caused_by(error))
    }

    fn digests(&self, name: &str) -> Result<Vec<Digest>> {
        let digest = |value: &Value| {
            value.as_str().and_then(|text| Digest::parse(text).ok()).ok_or_else(|| self.wrong(name))
        };
        self.array(name)?.iter().map(digest).collect()
    }

    fn descriptor(&self, name: &str) -> Result<Descriptor> {
        let descriptor = Members::of(self.value(name)?, name, &["digest", "mediaType", "size"])?;
        Ok(Descriptor {
            media_type: descriptor.text("mediaType")?.to_owned(),
            digest: descriptor.digest("digest")?,
            size: descriptor.value("size")?.as_integer().ok_or_else(|| self.wrong(name))?,
        })
    }

    fn wrong(&self, name: &str) -> Error {
        member(&format!("{}.{name}", self.place))
    }
}

fn member(place: &str) -> Error {
    Error::new(Check::DocumentMember, place.trim_start_matches('.'))
}

const VERSION: u64 = 1;
const KIND: &str = "image";
