//! Request and response documents (docs/format.md 3 and 4): RFC 8785 bytes, integers only, nothing unknown in
//! `critical`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::attestation::PredicateType;
use crate::format::evidence::Descriptor;
use crate::format::json::Value;
use crate::format::reference::{Destination, Identity};
use crate::format::{payload, statement};
use crate::limits;

/// Media type of a request document, and artifact type of its manifest.
pub const REQUEST: &str = "application/vnd.coldsign.request.v1+json";
/// Media type of a response document, and artifact type of its manifest.
pub const RESPONSE: &str = "application/vnd.coldsign.response.v1+json";
/// Media type of a predicate.
pub const PREDICATE_MEDIA_TYPE: &str = "application/json";
/// Media type of a file to sign.
pub const BLOB_MEDIA_TYPE: &str = "application/octet-stream";

/// One signature to make, or two in two forms, that goes beside a manifest.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// Counts from 1 in the request.
    pub number: u64,
    /// Where its signature goes.
    pub destination: Destination,
    /// The manifest or index that it goes beside.
    pub subject: Descriptor,
    /// Its manifest, the carried manifests below it and their configs, sorted.
    pub evidence: Vec<Digest>,
    /// Children of this index that are not carried, sorted.
    pub unseen: Vec<Digest>,
    /// What is signed.
    pub signed: Signed,
}

/// What is signed of an item: its kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Signed {
    /// `image`: the manifest, under an identity.
    Image {
        /// What its payload calls it.
        identity: Identity,
        /// What its payload and statement say of it.
        annotations: BTreeMap<String, String>,
        /// Its payload.
        payload: Descriptor,
        /// Its statement.
        statement: Descriptor,
    },
    /// `custom-payload`: bytes that another tool made and this one does not understand.
    CustomPayload {
        /// The bytes.
        payload: Descriptor,
    },
    /// `attestation`: a statement about the manifest.
    Attestation {
        /// What the predicate is.
        predicate_type: PredicateType,
        /// The predicate, a JSON object.
        predicate: Descriptor,
        /// The statement that follows from it.
        statement: Descriptor,
    },
}

/// A file to sign.
#[derive(Clone, Debug, PartialEq)]
pub struct BlobItem {
    /// Counts on from the items.
    pub number: u64,
    /// What the requester calls it; it is shown, not signed.
    pub name: String,
    /// What is signed.
    pub content: Content,
}

/// What is signed of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Its bytes, which the request carries.
    Carried(Descriptor),
    /// A SHA-256 alone: nobody at the sealed station sees what of.
    Hash(Digest),
}

impl Item {
    /// What its payload calls it, where it is an image.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        match &self.signed {
            Signed::Image { identity, .. } => Some(identity),
            _ => None,
        }
    }

    /// What its payload and statement say of it, where it is an image.
    #[must_use]
    pub fn annotations(&self) -> Option<&BTreeMap<String, String>> {
        match &self.signed {
            Signed::Image { annotations, .. } => Some(annotations),
            _ => None,
        }
    }

    /// What is signed for a `.sig`.
    #[must_use]
    pub fn payload(&self) -> Option<&Descriptor> {
        match &self.signed {
            Signed::Image { payload, .. } | Signed::CustomPayload { payload } => Some(payload),
            Signed::Attestation { .. } => None,
        }
    }

    /// The statement that is signed.
    #[must_use]
    pub fn statement(&self) -> Option<&Descriptor> {
        match &self.signed {
            Signed::Image { statement, .. } | Signed::Attestation { statement, .. } => Some(statement),
            Signed::CustomPayload { .. } => None,
        }
    }

    /// Every blob of the file that it names: evidence, predicate, payload, statement.
    pub fn blobs(&self) -> impl Iterator<Item = &Digest> {
        let predicate = match &self.signed {
            Signed::Attestation { predicate, .. } => Some(predicate),
            _ => None,
        };
        let named = [predicate, self.payload(), self.statement()].into_iter().flatten();
        self.evidence.iter().chain(named.map(|named| &named.digest))
    }
}

impl Signed {
    /// Its kind, as documents spell it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Image { .. } => IMAGE,
            Self::CustomPayload { .. } => CUSTOM_PAYLOAD,
            Self::Attestation { .. } => ATTESTATION,
        }
    }
}

impl Content {
    /// The SHA-256 of the file.
    #[must_use]
    pub fn digest(&self) -> Digest {
        match self {
            Self::Carried(content) => content.digest,
            Self::Hash(digest) => *digest,
        }
    }
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestDocument {
    /// What goes beside manifests, by number.
    pub items: Vec<Item>,
    /// Files, by number.
    pub blobs: Vec<BlobItem>,
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
        let found = critical.array("items")?;
        check_document_items(found.len(), limits::ITEMS, "items")?;
        let (mut items, mut blobs, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
        for item in found {
            match read_item(item, &mut unknown)? {
                Read::Item(item) if blobs.is_empty() => items.push(*item),
                Read::Item(item) => {
                    let error = Error::new(Check::ItemList, format!("item {}", item.number));
                    return Err(error.detail("files come after everything else"));
                }
                Read::Blob(blob) => blobs.push(blob),
            }
        }
        let optional = top.value("optional")?;
        let members = optional.as_object().ok_or_else(|| member("optional"))?;
        let mut note = None;
        for (name, value) in members {
            if name == "note" {
                let text = value.as_str().ok_or_else(|| member("optional.note"))?;
                check_document_empty(text.is_empty(), "optional.note")?;
                note = Some(check_document_string(text, "optional.note")?);
            } else {
                push_unknown(&mut unknown, "optional", name)?;
            }
        }
        Ok(Self { items, blobs, note, unknown })
    }

    /// The document's bytes: RFC 8785. Unknown members of `optional` are not written.
    #[must_use]
    pub fn render(&self) -> Vec<u8> {
        let items = self.items.iter().map(render_item).chain(self.blobs.iter().map(render_blob)).collect();
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
        check_document_reserved(key, place)?;
        check_document_string(key, place)?;
        check_document_string(value, place)?;
    }
    Ok(())
}

/// Notes an unknown member of `optional`: how many, and what a name may hold (DOCUMENT-ITEMS, DOCUMENT-STRING).
fn push_unknown(unknown: &mut Vec<String>, place: &str, name: &str) -> Result<()> {
    check_document_string(name, place)?;
    if unknown.len() >= limits::UNKNOWN {
        let error = Error::new(Check::DocumentItems, place);
        return Err(error.detail(format!("at most {} unknown members", limits::UNKNOWN)));
    }
    unknown.push(format!("{place}.{name}"));
    Ok(())
}

/// DOCUMENT-RESERVED: cosign prints `Issuer` and `Subject` of a certificate, and `Bundle` and `RFC3161Timestamp` of a log,
/// beside a payload's annotations; containers/image reads `creator` and `timestamp` of a payload.
fn check_document_reserved(key: &str, place: &str) -> Result<()> {
    if RESERVED.contains(&key) { Err(Error::new(Check::DocumentReserved, place).detail(key)) } else { Ok(()) }
}

/// Annotations that other tools read as verified facts or as numbers.
pub const RESERVED: [&str; 6] = ["creator", "timestamp", "Issuer", "Subject", "Bundle", "RFC3161Timestamp"];

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

/// DOCUMENT-KIND: one that this version knows. Returns the members that it needs and those that it may have.
fn check_document_kind(kind: &str) -> Result<(&'static [&'static str], &'static [&'static str])> {
    match kind {
        IMAGE => Ok((
            &["destination", "evidence", "identity", "kind", "number", "payload", "statement", "subject"],
            &["annotations", "unseen"],
        )),
        CUSTOM_PAYLOAD => {
            Ok((&["destination", "evidence", "kind", "number", "payload", "subject"], &["unseen"]))
        }
        ATTESTATION => Ok((
            &[
                "destination",
                "evidence",
                "kind",
                "number",
                "predicate",
                "predicateType",
                "statement",
                "subject",
            ],
            &["unseen"],
        )),
        BLOB => Ok((&["kind", "name", "number"], &["content", "digest"])),
        _ => Err(Error::new(Check::DocumentKind, "item").detail(kind)),
    }
}

/// One entry of the list of items.
enum Read {
    Item(Box<Item>),
    Blob(BlobItem),
}

fn read_item(value: &Value, unknown: &mut Vec<String>) -> Result<Read> {
    let top = Members::of(value, "item", &["critical", "optional"])?;
    let critical = top.value("critical")?;
    let kind = critical.get("kind").ok_or_else(|| member("item.critical.kind"))?;
    let kind = kind.as_str().ok_or_else(|| member("item.critical.kind"))?;
    let (needed, allowed) = check_document_kind(kind)?;
    let critical = Members::with(critical, "item.critical", needed, allowed)?;
    let number = critical.value("number")?.as_integer().ok_or_else(|| member("item.critical.number"))?;
    let place = |name: &str| format!("item {number}: {name}");
    for (name, _) in top.value("optional")?.as_object().ok_or_else(|| member(&place("optional")))? {
        push_unknown(unknown, &place("optional"), name)?;
    }
    if kind == BLOB {
        return read_blob(&critical, number, &place("name")).map(Read::Blob);
    }
    let evidence = critical.digests("evidence")?;
    check_document_sorted(&evidence, &place("evidence"))?;
    let unseen = match critical.if_any("unseen") {
        None => Vec::new(),
        Some(_) => critical.digests("unseen")?,
    };
    check_document_empty(critical.if_any("unseen").is_some() && unseen.is_empty(), &place("unseen"))?;
    check_document_sorted(&unseen, &place("unseen"))?;
    let destination = Destination::parse_exact(critical.text("destination")?)
        .map_err(|e| e.within(place("destination")))?;
    let signed = read_signed(kind, &critical, &place)?;
    let subject = critical.descriptor("subject")?;
    Ok(Read::Item(Box::new(Item { number, destination, subject, evidence, unseen, signed })))
}

fn read_signed(kind: &str, critical: &Members<'_>, place: &dyn Fn(&str) -> String) -> Result<Signed> {
    let typed = |name: &str, media_type: &str| {
        let descriptor = critical.descriptor(name)?;
        if descriptor.media_type == media_type { Ok(descriptor) } else { Err(member(&place("mediaType"))) }
    };
    match kind {
        CUSTOM_PAYLOAD => Ok(Signed::CustomPayload { payload: typed("payload", payload::MEDIA_TYPE)? }),
        ATTESTATION => {
            let predicate_type = PredicateType::of_uri(critical.text("predicateType")?);
            Ok(Signed::Attestation {
                predicate_type: predicate_type
                    .map_err(|error| member(&place("predicateType")).caused_by(error))?,
                predicate: typed("predicate", PREDICATE_MEDIA_TYPE)?,
                statement: typed("statement", statement::MEDIA_TYPE)?,
            })
        }
        _ => {
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
            let identity = Identity::parse_exact(critical.text("identity")?)
                .map_err(|error| error.within(place("identity")))?;
            let payload = typed("payload", payload::MEDIA_TYPE)?;
            let statement = typed("statement", statement::MEDIA_TYPE)?;
            Ok(Signed::Image { identity, annotations, payload, statement })
        }
    }
}

/// A file: by its content, or by its hash alone.
fn read_blob(critical: &Members<'_>, number: u64, place: &str) -> Result<BlobItem> {
    let name = critical.text("name")?;
    check_blob_name(name, place)?;
    let content = match (critical.if_any("content"), critical.if_any("digest")) {
        (Some(_), None) => {
            let content = critical.descriptor("content")?;
            if content.media_type != BLOB_MEDIA_TYPE {
                return Err(member(&format!("item {number}: mediaType")));
            }
            Content::Carried(content)
        }
        (None, Some(_)) => Content::Hash(critical.digest("digest")?),
        _ => return Err(critical.wrong("content").detail("either content or digest")),
    };
    Ok(BlobItem { number, name: name.to_owned(), content })
}

/// DOCUMENT-STRING for what a file is called: not empty.
pub fn check_blob_name(name: &str, place: &str) -> Result<()> {
    if name.is_empty() {
        return Err(Error::new(Check::DocumentString, place).detail("it is empty"));
    }
    check_document_string(name, place).map(|_| ())
}

fn render_item(item: &Item) -> Value {
    let text = |text: &dyn std::fmt::Display| Value::String(text.to_string());
    let digests = |digests: &[Digest]| Value::Array(digests.iter().map(|digest| text(digest)).collect());
    let mut critical = vec![
        ("destination", text(&item.destination)),
        ("evidence", digests(&item.evidence)),
        ("kind", text(&item.signed.kind())),
        ("number", Value::Integer(item.number)),
        ("subject", descriptor_value(&item.subject)),
    ];
    critical.extend(item.payload().map(|payload| ("payload", descriptor_value(payload))));
    critical.extend(item.statement().map(|statement| ("statement", descriptor_value(statement))));
    match &item.signed {
        Signed::Image { identity, annotations, .. } => {
            critical.push(("identity", text(identity)));
            if !annotations.is_empty() {
                critical.push(("annotations", annotations_value(annotations)));
            }
        }
        Signed::CustomPayload { .. } => {}
        Signed::Attestation { predicate_type, predicate, .. } => {
            critical.push(("predicate", descriptor_value(predicate)));
            critical.push(("predicateType", text(predicate_type)));
        }
    }
    if !item.unseen.is_empty() {
        critical.push(("unseen", digests(&item.unseen)));
    }
    object([("critical", object(critical)), ("optional", object([]))])
}

fn render_blob(blob: &BlobItem) -> Value {
    let content = match &blob.content {
        Content::Carried(content) => ("content", descriptor_value(content)),
        Content::Hash(digest) => ("digest", Value::String(digest.to_string())),
    };
    let critical = object([
        content,
        ("kind", Value::String(BLOB.to_owned())),
        ("name", Value::String(blob.name.clone())),
        ("number", Value::Integer(blob.number)),
    ]);
    object([("critical", critical), ("optional", object([]))])
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
/// The kinds of items.
const IMAGE: &str = "image";
const CUSTOM_PAYLOAD: &str = "custom-payload";
const ATTESTATION: &str = "attestation";
const BLOB: &str = "blob";
