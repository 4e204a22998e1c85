//! Log entries: what a transparency log gave for a signature, as it stands in a bundle (protobuf-specs
//! `sigstore_rekor.proto`) or in an annotation of a signature layer (cosign `pkg/cosign/bundle`).
//!
//! Only the shape is read here; that an entry is what it says, and whose, is for the verifier to find out.

pub mod body;
mod material;
pub mod merkle;
pub mod note;
#[cfg(feature = "connected")]
mod reply;
#[cfg(feature = "connected")]
pub mod tiles;

use std::fmt::{self, Write as _};

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};

use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::json::{Names, Value, quoted_plain};
use crate::limits;

/// What stands beside a signature to show when it was made, or that the world was told of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Material {
    /// Log entries: at most one in a `.sig` or `.att` layer.
    pub entries: Vec<Entry>,
    /// RFC 3161 timestamps, DER: at most one in a `.sig` or `.att` layer.
    pub tokens: Vec<Vec<u8>>,
}

impl Material {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.tokens.is_empty()
    }
}

/// A log entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its index: in Rekor v1 over all of the log's trees.
    pub index: u64,
    /// The id of the log's key.
    pub log_id: Digest,
    /// What kind its body is said to be; `None` in an annotation.
    pub kind: Option<Kind>,
    /// When the log says that it took it, in seconds since 1970; 0 where it does not say.
    pub time: u64,
    /// The log's signature over body, time, id and index: the SET. Empty where the promise has none.
    pub promise: Option<Vec<u8>>,
    /// That it is in the log's tree.
    pub proof: Option<Proof>,
    /// Its body, the leaf of the tree.
    pub body: Vec<u8>,
}

/// What kind a body is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Such as `hashedrekord`.
    pub kind: String,
    /// Such as `0.0.1`.
    pub version: String,
}

impl Kind {
    /// Whether it is the one that Rekor v2 logs: no promise, no time, one index.
    #[must_use]
    pub fn is_v2(&self) -> bool {
        self.version == "0.0.2" && self.kind == "hashedrekord"
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.version)
    }
}

/// A proof of inclusion, with copies of what its checkpoint says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The leaf's index in its tree.
    pub index: u64,
    /// The root of the tree.
    pub root: Digest,
    /// How many leaves the tree has.
    pub size: u64,
    /// From the leaf's sibling upwards.
    pub hashes: Vec<Digest>,
    /// The signed note that names root and size.
    pub checkpoint: Option<String>,
}

impl Entry {
    /// Reads the entries of a bundle's `tlogEntries`; absent and `null` are none. LOG-SYNTAX, LOG-LIMIT.
    pub fn read_all(entries: Option<&Value>) -> Result<Vec<Self>> {
        let Some(entries) = present(entries) else { return Ok(Vec::new()) };
        let entries = entries.as_array().ok_or_else(|| refuse("tlogEntries is no list"))?;
        if entries.len() > limits::LOG_ENTRIES {
            return Err(Error::new(Check::LogLimit, format!("{} entries", entries.len())));
        }
        entries.iter().map(check_log_syntax).collect()
    }

    /// Reads the annotation of a signature layer. SIG-LOG where it is not the one object that cosign writes, LOG-LIMIT.
    pub fn read_annotation(text: &str) -> Result<Self> {
        let refuse = |why: &str| Error::new(Check::SigLog, "").detail(why);
        if text.len() > limits::LOG_ANNOTATION {
            return Err(Error::new(Check::LogLimit, format!("annotation of {} bytes", text.len())));
        }
        let value = Value::parse(text.as_bytes(), limits::DEPTH_EVIDENCE, Names::Exact)
            .map_err(|error| refuse("not strict JSON").caused_by(error))?;
        Self::read_promised(&value)
    }

    /// Reads the object of such an annotation, which older bundles of files hold as well. SIG-LOG.
    pub fn read_promised(value: &Value) -> Result<Self> {
        let refuse = |why: &str| Error::new(Check::SigLog, "").detail(why);
        value.only(&["Payload", "SignedEntryTimestamp"]).map_err(refuse)?;
        let set = value.get("SignedEntryTimestamp").and_then(Value::as_str);
        let set = set.and_then(strict_base64).filter(|set| !set.is_empty());
        let set = set.ok_or_else(|| refuse("no SignedEntryTimestamp"))?;
        let payload = value.get("Payload").ok_or_else(|| refuse("no Payload"))?;
        payload.only(&["body", "integratedTime", "logID", "logIndex"]).map_err(refuse)?;
        let body = payload.get("body").and_then(Value::as_str).and_then(strict_base64);
        let id = payload.get("logID").and_then(Value::as_str).and_then(|hex| Digest::parse_hex(hex).ok());
        let integer = |name: &str| {
            let number = payload.get(name).and_then(Value::as_integer);
            number.ok_or_else(|| refuse("an integer from 0 to 2^53-1 is wanted").detail(name))
        };
        Ok(Self {
            index: integer("logIndex")?,
            log_id: id.ok_or_else(|| refuse("logID is no lower-case hex of 32 bytes"))?,
            kind: None,
            time: integer("integratedTime")?,
            promise: Some(set),
            proof: None,
            body: body.ok_or_else(|| refuse("body is not padded base64"))?,
        })
    }

    /// Whether it stands in an annotation, which has no place for a kind or a proof.
    #[must_use]
    pub fn is_annotation(&self) -> bool {
        self.kind.is_none()
    }

    /// The bytes that a promise signs: RFC 8785, the body in base64.
    #[must_use]
    pub fn promised(&self) -> Vec<u8> {
        format!(
            "{{\"body\":\"{}\",\"integratedTime\":{},\"logID\":\"{}\",\"logIndex\":{}}}",
            STANDARD.encode(&self.body),
            self.time,
            self.log_id.hex(),
            self.index,
        )
        .into_bytes()
    }

    /// The annotation of a signature layer, members in cosign's order; `None` for an entry without a promise, which has
    /// no place there.
    #[must_use]
    pub fn annotation(&self) -> Option<String> {
        let promise = self.promise.as_ref().filter(|promise| !promise.is_empty())?;
        Some(format!(
            "{{\"SignedEntryTimestamp\":\"{}\",\"Payload\":{{\"body\":\"{}\",\"integratedTime\":{},\"logIndex\":{},\
             \"logID\":\"{}\"}}}}",
            STANDARD.encode(promise),
            STANDARD.encode(&self.body),
            self.time,
            self.index,
            self.log_id.hex(),
        ))
    }

    /// Appends the entry as a bundle holds it: members in cosign's order, without those that are null, zero or empty.
    pub fn push(&self, out: &mut String) {
        out.push('{');
        if self.index > 0 {
            let _ = write!(out, "\"logIndex\":\"{}\",", self.index);
        }
        let _ = write!(out, "\"logId\":{{\"keyId\":\"{}\"}},", STANDARD.encode(self.log_id.as_bytes()));
        if let Some(kind) = &self.kind {
            let _ = write!(
                out,
                "\"kindVersion\":{{\"kind\":{},\"version\":{}}},",
                quoted_plain(&kind.kind),
                quoted_plain(&kind.version)
            );
        }
        if self.time > 0 {
            let _ = write!(out, "\"integratedTime\":\"{}\",", self.time);
        }
        if let Some(promise) = &self.promise {
            let _ = write!(
                out,
                "\"inclusionPromise\":{{\"signedEntryTimestamp\":\"{}\"}},",
                STANDARD.encode(promise)
            );
        }
        if let Some(proof) = &self.proof {
            proof.push(out);
        }
        let _ = write!(out, "\"canonicalizedBody\":\"{}\"}}", STANDARD.encode(&self.body));
    }
}

impl Proof {
    fn push(&self, out: &mut String) {
        out.push_str("\"inclusionProof\":{");
        if self.index > 0 {
            let _ = write!(out, "\"logIndex\":\"{}\",", self.index);
        }
        let _ = write!(
            out,
            "\"rootHash\":\"{}\",\"treeSize\":\"{}\"",
            STANDARD.encode(self.root.as_bytes()),
            self.size
        );
        if !self.hashes.is_empty() {
            let hashes: Vec<String> =
                self.hashes.iter().map(|hash| format!("\"{}\"", STANDARD.encode(hash.as_bytes()))).collect();
            let _ = write!(out, ",\"hashes\":[{}]", hashes.join(","));
        }
        if let Some(checkpoint) = &self.checkpoint {
            let _ = write!(out, ",\"checkpoint\":{{\"envelope\":{}}}", quoted_plain(checkpoint));
        }
        out.push_str("},");
    }
}

/// Reads the annotation of a signature layer that holds a timestamp. SIG-LOG where it is not the one object that cosign
/// writes, TOKEN-LIMIT.
pub fn read_token_annotation(text: &str) -> Result<Vec<u8>> {
    let refuse = |why: &str| Error::new(Check::SigLog, "").detail("the timestamp annotation").detail(why);
    if text.len() > 2 * limits::TOKEN {
        return Err(Error::new(Check::TokenLimit, format!("annotation of {} bytes", text.len())));
    }
    let value = Value::parse(text.as_bytes(), limits::DEPTH_EVIDENCE, Names::Exact)
        .map_err(|error| refuse("not strict JSON").caused_by(error))?;
    value.only(&["SignedRFC3161Timestamp"]).map_err(refuse)?;
    let token = value.get("SignedRFC3161Timestamp").and_then(Value::as_str).and_then(strict_base64);
    token.ok_or_else(|| refuse("no SignedRFC3161Timestamp in padded base64"))
}

/// The annotation of a signature layer that holds a timestamp, as cosign writes it.
#[must_use]
pub fn token_annotation(token: &[u8]) -> String {
    format!("{{\"SignedRFC3161Timestamp\":\"{}\"}}", STANDARD.encode(token))
}

/// Reads a bundle's `timestampVerificationData`; absent and `null` hold none. LOG-SYNTAX, TOKEN-LIMIT.
pub fn read_tokens(data: Option<&Value>) -> Result<Vec<Vec<u8>>> {
    let Some(data) = present(data) else { return Ok(Vec::new()) };
    let refuse = |why: &str| refuse(why).detail("timestampVerificationData");
    data.only(&["rfc3161Timestamps"]).map_err(refuse)?;
    let Some(tokens) = present(data.get("rfc3161Timestamps")) else { return Ok(Vec::new()) };
    let tokens = tokens.as_array().ok_or_else(|| refuse("rfc3161Timestamps is no list"))?;
    if tokens.len() > limits::TOKENS {
        return Err(Error::new(Check::TokenLimit, format!("{} timestamps", tokens.len())));
    }
    let tokens = tokens.iter().map(|token| {
        token.only(&["signedTimestamp"]).map_err(refuse)?;
        let der = token.get("signedTimestamp").and_then(Value::as_str).and_then(protobuf_base64);
        der.filter(|der| !der.is_empty()).ok_or_else(|| refuse("signedTimestamp is not base64"))
    });
    tokens.collect()
}

/// LOG-SYNTAX: a `TransparencyLogEntry` in protobuf JSON, its members in their one spelling.
fn check_log_syntax(entry: &Value) -> Result<Entry> {
    entry.only(&MEMBERS).map_err(refuse)?;
    let id = object(entry, "logId", &["keyId"])?.ok_or_else(|| refuse("no logId"))?;
    let kind = object(entry, "kindVersion", &["kind", "version"])?.ok_or_else(|| refuse("no kindVersion"))?;
    let word = |name| kind.get(name).and_then(Value::as_str).map(str::to_owned);
    let promise = object(entry, "inclusionPromise", &["signedEntryTimestamp"])?;
    let promise = promise.map(|promise| optional_bytes(promise, "signedEntryTimestamp"));
    let body = optional_bytes(entry, "canonicalizedBody")?;
    if body.is_empty() {
        return Err(refuse("no canonicalizedBody"));
    }
    // Also of entries that nobody will check: they are held.
    if body.len() > limits::LOG_BODY {
        return Err(Error::new(Check::LogLimit, format!("body of {} bytes", body.len())));
    }
    Ok(Entry {
        index: integer(entry, "logIndex")?,
        log_id: hash(id.get("keyId")).ok_or_else(|| refuse("logId is no hash"))?,
        kind: Some(Kind {
            kind: word("kind").ok_or_else(|| refuse("kindVersion has no kind"))?,
            version: word("version").ok_or_else(|| refuse("kindVersion has no version"))?,
        }),
        time: integer(entry, "integratedTime")?,
        promise: promise.transpose()?,
        proof: object(entry, "inclusionProof", &PROOF_MEMBERS)?.map(read_proof).transpose()?,
        body,
    })
}

fn read_proof(proof: &Value) -> Result<Proof> {
    let hashes = match present(proof.get("hashes")) {
        None => &[][..],
        Some(hashes) => hashes.as_array().ok_or_else(|| refuse("hashes is no list"))?,
    };
    if hashes.len() > limits::LOG_HASHES {
        return Err(Error::new(Check::LogLimit, format!("proof of {} hashes", hashes.len())));
    }
    let hashes =
        hashes.iter().map(|value| hash(Some(value)).ok_or_else(|| refuse("hashes holds what is no hash")));
    let checkpoint =
        object(proof, "checkpoint", &["envelope"])?.and_then(|note| present(note.get("envelope")));
    let checkpoint = checkpoint.map(|note| note.as_str().ok_or_else(|| refuse("envelope is no string")));
    if let Some(Ok(note)) =
        checkpoint.as_ref().filter(|note| note.as_ref().is_ok_and(|note| note.len() > limits::LOG_NOTE))
    {
        return Err(Error::new(Check::LogLimit, format!("checkpoint of {} bytes", note.len())));
    }
    Ok(Proof {
        index: integer(proof, "logIndex")?,
        root: hash(proof.get("rootHash")).ok_or_else(|| refuse("rootHash is no hash"))?,
        size: integer(proof, "treeSize")?,
        hashes: hashes.collect::<Result<_>>()?,
        checkpoint: checkpoint.transpose()?.filter(|note| !note.is_empty()).map(str::to_owned),
    })
}

fn refuse(why: &str) -> Error {
    Error::new(Check::LogSyntax, "").detail(why)
}

/// Protobuf JSON writes what is absent as `null`, too.
pub(crate) fn present(value: Option<&Value>) -> Option<&Value> {
    value.filter(|value| **value != Value::Null)
}

fn object<'a>(value: &'a Value, name: &str, names: &[&str]) -> Result<Option<&'a Value>> {
    let Some(inner) = present(value.get(name)) else { return Ok(None) };
    inner.only(names).map_err(|why| refuse(why).detail(name))?;
    Ok(Some(inner))
}

/// An `int64` of protobuf JSON, from 0 to 2^53-1: a string or a number; absent is 0.
fn integer(value: &Value, name: &str) -> Result<u64> {
    let number = match present(value.get(name)) {
        None => Some(0),
        Some(Value::String(text)) => plain_decimal(text),
        Some(value) => value.as_integer(),
    };
    number.ok_or_else(|| refuse("an integer from 0 to 2^53-1 is wanted").detail(name))
}

fn plain_decimal(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|number| plain && *number <= limits::INTEGER)
}

fn hash(value: Option<&Value>) -> Option<Digest> {
    protobuf_base64(value?.as_str()?)?.try_into().ok().map(Digest::from_bytes)
}

/// Absent is empty.
fn optional_bytes(value: &Value, name: &str) -> Result<Vec<u8>> {
    match present(value.get(name)) {
        None => Ok(Vec::new()),
        Some(value) => {
            let bytes = value.as_str().and_then(protobuf_base64);
            bytes.ok_or_else(|| refuse("not base64").detail(name))
        }
    }
}

/// Base64 as protobuf JSON allows it: either alphabet, padded or not, on one line.
pub(crate) fn protobuf_base64(text: &str) -> Option<Vec<u8>> {
    const CONFIG: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const EITHER: [GeneralPurpose; 2] =
        [GeneralPurpose::new(&alphabet::STANDARD, CONFIG), GeneralPurpose::new(&alphabet::URL_SAFE, CONFIG)];
    EITHER.iter().find_map(|alphabet| alphabet.decode(text).ok())
}

fn strict_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

const MEMBERS: [&str; 7] = [
    "logIndex",
    "logId",
    "kindVersion",
    "integratedTime",
    "inclusionPromise",
    "inclusionProof",
    "canonicalizedBody",
];
const PROOF_MEMBERS: [&str; 5] = ["logIndex", "rootHash", "treeSize", "hashes", "checkpoint"];
