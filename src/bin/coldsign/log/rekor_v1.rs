//! Rekor v1 (rekor `openapi.yaml`): an entry is proposed, and comes back with a promise and a proof.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coldsign::check::Check;
use coldsign::digest::{Digest, hex};
use coldsign::error::{Error, Result};
use coldsign::format::attestation::render_envelope;
use coldsign::format::json::{Names, Value, push_plain_string};
use coldsign::format::log::note::Checkpoint;
use coldsign::format::log::{Entry, body, merkle};
use coldsign::keys::public::{Hash, KeyKind};
use coldsign::limits;
use coldsign::verify::log::{Content, Of};

use super::service::Service;
use crate::net::{Answer, Method, described};

/// What is proposed, and the body that the log makes of it: it spells what it is given anew, so nothing else is taken
/// back.
pub(super) struct Proposed {
    request: Vec<u8>,
    body: Vec<u8>,
}

impl Proposed {
    /// `hashedrekord` 0.0.1 for payloads and files, `dsse` 0.0.1 for envelopes; never the former over a PAE, which some
    /// verifiers do not take. LOG-REFUSED: a log takes such keys and hashes.
    pub(super) fn new(of: &Of<'_>) -> Result<Self> {
        let pem = of.key.to_pem();
        match of.content {
            Content::Hash(hash, bytes) => {
                let body = body::hashed_rekord_body(check_hash(of, hash)?, &hex(bytes), of.signature, &pem);
                Ok(Self { request: body.clone(), body })
            }
            Content::Envelope(payload, _) => {
                Ok(Self::dsse(&render_envelope(payload, of.signature), payload, of, &pem))
            }
            Content::Layer(text, payload) => {
                check_one_signature(text)?;
                Ok(Self::dsse(text, payload, of, &pem))
            }
        }
    }

    fn dsse(envelope: &[u8], payload: &[u8], of: &Of<'_>, pem: &str) -> Self {
        let mut request =
            br#"{"apiVersion":"0.0.1","kind":"dsse","spec":{"proposedContent":{"envelope":"#.to_vec();
        push_plain_string(&mut request, &String::from_utf8_lossy(envelope));
        let verifier = STANDARD.encode(pem);
        request.extend_from_slice(format!(",\"verifiers\":[\"{verifier}\"]}}}}}}").as_bytes());
        let body = body::dsse_body(&Digest::of(envelope), &Digest::of(payload), of.signature, pem);
        Self { request, body }
    }

    /// The body that the log makes of it.
    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }
}

/// LOG-REFUSED: pairs that Rekor lets in. Ed25519 signs a message, and a log that has a hash alone cannot verify that.
fn check_hash(of: &Of<'_>, hash: Hash) -> Result<&'static str> {
    match (of.key.kind(), hash) {
        (KeyKind::P256 | KeyKind::Rsa { .. }, Hash::Sha256) => Ok("sha256"),
        (KeyKind::P384, Hash::Sha384) => Ok("sha384"),
        (KeyKind::P521, Hash::Sha512) => Ok("sha512"),
        (kind, _) => Err(Error::new(Check::LogRefused, kind)
            .detail("no Rekor v1 log takes a key of this type with this hash")
            .hint("sign with a P-256 key what is to be logged")),
    }
}

/// LOG-REFUSED: an envelope with one signature. Of several the log would have to be told every key.
fn check_one_signature(envelope: &[u8]) -> Result<()> {
    let value = Value::parse(envelope, limits::DEPTH_EVIDENCE, Names::Exact)?;
    match value.get("signatures").and_then(Value::as_array) {
        Some([_]) => Ok(()),
        several => Err(Error::new(Check::LogRefused, "envelope")
            .detail(format!("{} signatures, expected one", several.map_or(0, <[_]>::len)))),
    }
}

/// Proposes an entry. Returns it, and whether the log had it already.
pub(super) fn submit(log: &Service<'_>, proposed: &Proposed) -> Result<(Entry, bool)> {
    let answer = log.post(ENTRIES, JSON, &proposed.request, limits::LOG_REPLY)?;
    match answer.status {
        201 => Ok((read(log, &answer, Method::Post, &proposed.body)?, false)),
        409 => {
            let id = check_log_redirect(log, &answer, &merkle::leaf_hash(&proposed.body))?;
            let answer = log.get(&format!("{ENTRIES}/{id}"), limits::LOG_REPLY)?;
            match answer.status {
                200 => Ok((read(log, &answer, Method::Get, &proposed.body)?, true)),
                _ => Err(log
                    .refused(&answer, Method::Get)
                    .by(Check::LogAnswer)
                    .detail("the log says that it has the entry, and does not give it")),
            }
        }
        _ => Err(log.refused(&answer, Method::Post)),
    }
}

/// Looks an entry up by the hash of its leaf: that needs no search index, which many servers do not have.
pub(super) fn find(log: &Service<'_>, body: &[u8]) -> Result<Option<Entry>> {
    let leaf = merkle::leaf_hash(body).hex();
    let answer = log.get(&format!("{ENTRIES}/{leaf}"), limits::LOG_REPLY)?;
    match answer.status {
        200 => read(log, &answer, Method::Get, body).map(Some),
        // A server without such a path says so in words.
        404 if answer.body.is_empty() || says_not_found(&answer) => Ok(None),
        _ => Err(log.refused(&answer, Method::Get)),
    }
}

fn says_not_found(answer: &Answer) -> bool {
    let value = Value::parse(&answer.body, limits::DEPTH_EVIDENCE, Names::Exact).ok();
    let code = value.as_ref().and_then(|value| value.get("code")).and_then(Value::as_integer);
    let message = value.as_ref().and_then(|value| value.get("message")).and_then(Value::as_str);
    code == Some(404) && message.is_some_and(|message| !message.starts_with("path "))
}

/// Whether a server speaks Rekor v1.
pub(super) fn is_spoken(log: &Service<'_>) -> Result<bool> {
    let answer = log.get("api/v1/log", limits::LOG_REPLY)?;
    let value = Value::parse(&answer.body, limits::DEPTH_EVIDENCE, Names::Exact).ok();
    let names_tree = value.as_ref().and_then(|value| value.get("treeID")).is_some();
    match answer.status {
        200 => Ok(names_tree),
        404 | 405 | 501 => Ok(false),
        _ => Err(log.refused(&answer, Method::Get)),
    }
}

/// The checkpoint that the log serves; `None` where it serves none.
pub(super) fn checkpoint(log: &Service<'_>) -> Result<Option<Checkpoint>> {
    let answer = log.get("api/v1/log", limits::LOG_REPLY)?;
    let value = Value::parse(&answer.body, limits::DEPTH_EVIDENCE, Names::Exact).ok();
    let note = value.as_ref().and_then(|value| value.get("signedTreeHead")?.as_str());
    let checkpoint = note.filter(|_| answer.status == 200).map(Checkpoint::parse).transpose();
    checkpoint.map_err(|error| error.within(described(Method::Get, &answer.url)))
}

/// LOG-ANSWER: the entry that a log gives is the one that was asked for, byte for byte.
fn read(log: &Service<'_>, answer: &Answer, method: Method, body: &[u8]) -> Result<Entry> {
    let entry =
        Entry::read_reply(&answer.body).map_err(|error| error.within(described(method, &answer.url)))?;
    if entry.body == body {
        return Ok(entry);
    }
    Err(log.no_use(answer, method, "the entry is another one than was asked for"))
}

/// LOG-REDIRECT: the entry that is there already is on this log. LOG-ANSWER: it is the one that was proposed. Returns its
/// id, which holds nothing that was not looked at.
fn check_log_redirect(log: &Service<'_>, answer: &Answer, leaf: &Digest) -> Result<String> {
    let at = || described(Method::Post, &answer.url);
    let location = answer.header("location");
    let location =
        location.ok_or_else(|| log.no_use(answer, Method::Post, "409 without a Location of the entry"))?;
    let refuse = |why: &str| {
        Error::new(Check::LogRedirect, at()).detail(format!("409: the entry is said to be {why}"))
    };
    let url = answer.url.join(location).map_err(|_| refuse("at what is no address"))?;
    if url.origin() != answer.url.origin() {
        return Err(refuse(&format!("at {}", url.origin().ascii_serialization())));
    }
    let id = url.path_segments().and_then(|mut segments| segments.next_back()).unwrap_or_default();
    let hash = id.get(id.len().saturating_sub(LEAF)..).unwrap_or_default();
    let is_hex = id.bytes().all(|digit| digit.is_ascii_hexdigit());
    if hash == leaf.hex() && is_hex && id.len() <= TREE + LEAF {
        return Ok(id.to_owned());
    }
    Err(log.no_use(answer, Method::Post, "409: the entry is said to be another one than was proposed"))
}

const ENTRIES: &str = "api/v1/log/entries";
const JSON: &str = "application/json";
/// Hex digits of a tree's number and of a leaf's hash in an entry's id.
const TREE: usize = 16;
const LEAF: usize = 64;
