//! Bodies of log entries: the leaves, RFC 8785 bytes (rekor `pkg/types`, rekor-tiles `pkg/types/hashedrekord`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Kind;
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::json::{Names, Value};
use crate::limits;

/// What a body says was logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// `hashedrekord` 0.0.1: the signature of a hash.
    HashedRekord {
        /// The hash's name, such as `sha256`.
        algorithm: String,
        /// The hash, as it is spelled.
        hash: String,
        /// The signature.
        signed: Signed,
    },
    /// `dsse` 0.0.1: an envelope's signatures.
    Dsse {
        /// SHA-256 of the envelope's text as it was submitted; nothing signs that text.
        envelope: Hash,
        /// SHA-256 of what the envelope holds.
        payload: Hash,
        /// Its signatures.
        signed: Vec<Signed>,
    },
    /// `intoto` 0.0.1: the whole envelope, and one key.
    Intoto001 {
        /// SHA-256 of the envelope's text.
        envelope: Hash,
        /// The key, as [`Signed::key`].
        key: Vec<u8>,
    },
    /// `intoto` 0.0.2: an envelope without its content.
    Intoto002 {
        /// SHA-256 of the envelope's text.
        envelope: Hash,
        /// SHA-256 of what the envelope holds.
        payload: Hash,
        /// Its signatures.
        signed: Vec<Signed>,
    },
    /// `hashedrekord` 0.0.2, the leaf of a Rekor v2 log: compared whole, see [`leaf`].
    Leaf,
}

/// A hash as it is spelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hash {
    /// Its name, such as `sha256`.
    pub algorithm: String,
    /// Its value, such as lower-case hex.
    pub value: String,
}

/// A signature in a body, and whose it says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// Padded base64, as it is spelled.
    pub signature: String,
    /// The text of a PEM file.
    pub key: Vec<u8>,
}

impl Body {
    /// Reads a body: its kind, and what it says where the kind is one that coldsign checks. LOG-BODY, LOG-KIND.
    pub fn parse(bytes: &[u8]) -> Result<(Kind, Self)> {
        let value = check_log_body(bytes)?;
        let text = |name| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let kind = Kind {
            kind: text("kind").ok_or_else(|| refuse("no kind"))?,
            version: text("apiVersion").ok_or_else(|| refuse("no apiVersion"))?,
        };
        members(&value, &["apiVersion", "kind", "spec"])?;
        let spec = value.get("spec").ok_or_else(|| refuse("no spec"))?;
        let body = match (kind.kind.as_str(), kind.version.as_str()) {
            ("hashedrekord", "0.0.1") => hashed_rekord(spec)?,
            ("hashedrekord", "0.0.2") => Self::Leaf,
            ("dsse", "0.0.1") => dsse(spec)?,
            ("intoto", "0.0.1") => intoto_001(spec)?,
            ("intoto", "0.0.2") => intoto_002(spec)?,
            _ => return Err(Error::new(Check::LogKind, &kind)),
        };
        Ok((kind, body))
    }
}

/// LOG-BODY: strict JSON, and its own RFC 8785 bytes: one entry has one spelling.
fn check_log_body(bytes: &[u8]) -> Result<Value> {
    if bytes.len() > limits::LOG_BODY {
        return Err(Error::new(Check::LogLimit, format!("body of {} bytes", bytes.len())));
    }
    let value = Value::parse(bytes, limits::DEPTH_EVIDENCE, Names::Exact)
        .map_err(|error| refuse("not strict JSON").caused_by(error))?;
    if value.to_canonical() == bytes {
        return Ok(value);
    }
    Err(refuse("it is not spelled as RFC 8785 spells it"))
}

fn hashed_rekord(spec: &Value) -> Result<Body> {
    members(spec, &["data", "signature"])?;
    let data = object(spec, "data", &["hash"])?;
    let Hash { algorithm, value } = hash(data, "hash")?;
    let signature = object(spec, "signature", &["content", "publicKey"])?;
    let key = object(signature, "publicKey", &["content"])?;
    let signed = Signed { signature: text(signature, "content")?.to_owned(), key: pem(key, "content")? };
    Ok(Body::HashedRekord { algorithm, hash: value, signed })
}

fn dsse(spec: &Value) -> Result<Body> {
    members(spec, &["envelopeHash", "payloadHash", "signatures"])?;
    let signed = elements(spec, "signatures")?.iter().map(|signature| {
        members(signature, &["signature", "verifier"])?;
        Ok(Signed { signature: text(signature, "signature")?.to_owned(), key: pem(signature, "verifier")? })
    });
    Ok(Body::Dsse {
        envelope: hash(spec, "envelopeHash")?,
        payload: hash(spec, "payloadHash")?,
        signed: signed.collect::<Result<_>>()?,
    })
}

fn intoto_001(spec: &Value) -> Result<Body> {
    members(spec, &["content", "publicKey"])?;
    let content = object(spec, "content", &["hash", "payloadHash"])?;
    Ok(Body::Intoto001 { envelope: hash(content, "hash")?, key: pem(spec, "publicKey")? })
}

fn intoto_002(spec: &Value) -> Result<Body> {
    members(spec, &["content"])?;
    let content = object(spec, "content", &["envelope", "hash", "payloadHash"])?;
    let envelope = object(content, "envelope", &["payloadType", "signatures"])?;
    let signed = elements(envelope, "signatures")?.iter().map(|signature| {
        members(signature, &["keyid", "publicKey", "sig"])?;
        // The base64 of a base64 text: what the envelope's JSON held.
        let inner = STANDARD.decode(text(signature, "sig")?).ok().and_then(|sig| String::from_utf8(sig).ok());
        let signature_text = inner.ok_or_else(|| refuse("sig is not base64 twice"))?;
        Ok(Signed { signature: signature_text, key: pem(signature, "publicKey")? })
    });
    Ok(Body::Intoto002 {
        envelope: hash(content, "hash")?,
        payload: hash(content, "payloadHash")?,
        signed: signed.collect::<Result<_>>()?,
    })
}

/// The body of a `hashedrekord` 0.0.1 entry: what Rekor v1 logs for a signature of a hash. `hash` is lower-case hex.
#[must_use]
pub fn hashed_rekord_body(algorithm: &str, hash: &str, signature: &[u8], key_pem: &str) -> Vec<u8> {
    format!(
        "{{\"apiVersion\":\"0.0.1\",\"kind\":\"hashedrekord\",\"spec\":{{\"data\":{{\"hash\":{{\"algorithm\":\"{algorithm}\",\
         \"value\":\"{hash}\"}}}},\"signature\":{{\"content\":\"{}\",\"publicKey\":{{\"content\":\"{}\"}}}}}}}}",
        STANDARD.encode(signature),
        STANDARD.encode(key_pem),
    )
    .into_bytes()
}

/// The body of a `dsse` 0.0.1 entry: what Rekor v1 logs for an envelope with one signature.
#[must_use]
pub fn dsse_body(envelope: &Digest, payload: &Digest, signature: &[u8], key_pem: &str) -> Vec<u8> {
    format!(
        "{{\"apiVersion\":\"0.0.1\",\"kind\":\"dsse\",\"spec\":{{\"envelopeHash\":{{\"algorithm\":\"sha256\",\"value\":\"{}\"}},\
         \"payloadHash\":{{\"algorithm\":\"sha256\",\"value\":\"{}\"}},\"signatures\":[{{\"signature\":\"{}\",\
         \"verifier\":\"{}\"}}]}}}}",
        envelope.hex(),
        payload.hex(),
        STANDARD.encode(signature),
        STANDARD.encode(key_pem),
    )
    .into_bytes()
}

/// The leaf that a Rekor v2 log has for a signature (`hashedrekord` 0.0.2): `algorithm` and `details` are the names of
/// protobuf-specs for the hash and the key.
#[must_use]
pub fn leaf(algorithm: &str, digest: &[u8], signature: &[u8], details: &str, spki: &[u8]) -> Vec<u8> {
    format!(
        "{{\"apiVersion\":\"0.0.2\",\"kind\":\"hashedrekord\",\"spec\":{{\"hashedRekordV002\":{{\"data\":{{\
         \"algorithm\":\"{algorithm}\",\"digest\":\"{}\"}},\"signature\":{{\"content\":\"{}\",\"verifier\":{{\
         \"keyDetails\":\"{details}\",\"publicKey\":{{\"rawBytes\":\"{}\"}}}}}}}}}}}}",
        STANDARD.encode(digest),
        STANDARD.encode(signature),
        STANDARD.encode(spki),
    )
    .into_bytes()
}

fn refuse(why: impl std::fmt::Display) -> Error {
    Error::new(Check::LogBody, "").detail(why)
}

fn members(value: &Value, names: &[&str]) -> Result<()> {
    value.only(names).map_err(refuse)
}

fn object<'a>(value: &'a Value, name: &str, names: &[&str]) -> Result<&'a Value> {
    let inner = value.get(name).ok_or_else(|| refuse(format!("no {name}")))?;
    members(inner, names)?;
    Ok(inner)
}

fn elements<'a>(value: &'a Value, name: &str) -> Result<&'a [Value]> {
    let found = value.get(name).and_then(Value::as_array).filter(|found| !found.is_empty());
    found.ok_or_else(|| refuse(format!("no {name}")))
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str> {
    value.get(name).and_then(Value::as_str).ok_or_else(|| refuse(format!("no {name}")))
}

fn hash(value: &Value, name: &str) -> Result<Hash> {
    let hash = object(value, name, &["algorithm", "value"])?;
    Ok(Hash { algorithm: text(hash, "algorithm")?.to_owned(), value: text(hash, "value")?.to_owned() })
}

fn pem(value: &Value, name: &str) -> Result<Vec<u8>> {
    STANDARD
        .decode(text(value, name)?)
        .map_err(|error| refuse(format!("{name} is not base64")).caused_by(error))
}
