//! What a log answers: an entry as Rekor v1 (`LogEntry` of its openapi.yaml) or Rekor v2 (`TransparencyLogEntry`) gives it.

use super::body::Body;
use super::{Entry, Proof, check_log_syntax, merkle, strict_base64};
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::json::{Names, Value};
use crate::limits;

impl Entry {
    /// Reads one entry out of a log's answer, of either kind. That it is what it says is for the verifier to find out.
    ///
    /// LOG-LIMIT; LOG-SYNTAX, also where the id under which Rekor v1 gives it is not the hash of its body; LOG-BODY,
    /// LOG-KIND.
    pub fn read_reply(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > limits::LOG_REPLY {
            return Err(Error::new(Check::LogLimit, format!("answer of {} bytes", bytes.len())));
        }
        let value = Value::parse(bytes, limits::DEPTH_EVIDENCE, Names::Exact)
            .map_err(|error| refuse("the answer is not strict JSON").caused_by(error))?;
        match value.as_object() {
            Some([(id, entry)]) if is_id(id) => read_v1(id, entry),
            Some(members) if members.iter().any(|(id, _)| is_id(id)) => Err(refuse("several entries")),
            _ => check_log_syntax(&value),
        }
    }
}

/// 16 digits of the tree and 64 of the leaf, in lower-case hex.
fn is_id(name: &str) -> bool {
    let is_digit = |digit: u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit);
    name.len() == TREE + LEAF && name.bytes().all(is_digit)
}

/// An entry of Rekor v1: hex is bytes there, and integers are numbers.
fn read_v1(id: &str, entry: &Value) -> Result<Entry> {
    entry.only(&["body", "integratedTime", "logID", "logIndex", "verification"]).map_err(refuse)?;
    let body = text(entry, "body").and_then(strict_base64).ok_or_else(|| refuse("body is not base64"))?;
    if Some(merkle::leaf_hash(&body).hex().as_str()) != id.get(TREE..) {
        return Err(refuse("its id is not the hash of its body"));
    }
    let (kind, _) = Body::parse(&body)?;
    let log_id = hash(entry.get("logID")).ok_or_else(|| refuse("logID is no lower-case hex of 32 bytes"))?;
    let verification = entry.get("verification").ok_or_else(|| refuse("no verification"))?;
    verification.only(&["inclusionProof", "signedEntryTimestamp"]).map_err(refuse)?;
    let promise = text(verification, "signedEntryTimestamp").and_then(strict_base64);
    let proof = verification.get("inclusionProof").ok_or_else(|| refuse("no inclusionProof"))?;
    Ok(Entry {
        index: integer(entry, "logIndex")?,
        log_id,
        kind: Some(kind),
        time: integer(entry, "integratedTime")?,
        promise: Some(promise.ok_or_else(|| refuse("no signedEntryTimestamp"))?),
        proof: Some(read_proof(proof)?),
        body,
    })
}

fn read_proof(proof: &Value) -> Result<Proof> {
    proof.only(&["checkpoint", "hashes", "logIndex", "rootHash", "treeSize"]).map_err(refuse)?;
    let hashes = proof.get("hashes").and_then(Value::as_array).ok_or_else(|| refuse("hashes is no list"))?;
    if hashes.len() > limits::LOG_HASHES {
        return Err(Error::new(Check::LogLimit, format!("proof of {} hashes", hashes.len())));
    }
    let hashes =
        hashes.iter().map(|value| hash(Some(value)).ok_or_else(|| refuse("hashes holds what is no hash")));
    Ok(Proof {
        index: integer(proof, "logIndex")?,
        root: hash(proof.get("rootHash")).ok_or_else(|| refuse("rootHash is no hash"))?,
        size: integer(proof, "treeSize")?,
        hashes: hashes.collect::<Result<_>>()?,
        checkpoint: Some(text(proof, "checkpoint").ok_or_else(|| refuse("no checkpoint"))?.to_owned()),
    })
}

fn refuse(why: &str) -> Error {
    Error::new(Check::LogSyntax, "").detail(why)
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

fn integer(value: &Value, name: &str) -> Result<u64> {
    let number = value.get(name).and_then(Value::as_integer);
    number.ok_or_else(|| refuse("an integer from 0 to 2^53-1 is wanted").detail(name))
}

fn hash(value: Option<&Value>) -> Option<Digest> {
    Digest::parse_hex(value?.as_str()?).ok()
}

/// Hex digits of a tree's number and of a leaf's hash in an entry's id.
const TREE: usize = 16;
const LEAF: usize = 64;
