//! Log entries, checked with the keys of logs that a person trusts (docs/verification.md, "Logs"). Entries of Rekor v1
//! give a promise, a proof or both; those of Rekor v2 a proof alone.
//!
//! One path for every source of trust and for both forms. All steps hold, or the entry is invalid.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::log::body::{self, Body, Signed};
use crate::format::log::merkle;
use crate::format::log::note::Checkpoint;
use crate::format::log::{Entry, Kind, Proof};
use crate::keys::public::{Hash, KeyKind, PublicKey};
use crate::trust::{Log, Time, Trust};

/// The signature that material stands beside.
#[derive(Clone, Copy, Debug)]
pub struct Of<'a> {
    /// The key that it was verified with.
    pub key: &'a PublicKey,
    /// The raw signature.
    pub signature: &'a [u8],
    /// The base64 of the signature, as it is spelled where it stands; of a bundle's, as we spell it.
    pub text: &'a str,
    /// What was signed.
    pub content: Content<'a>,
}

/// What was signed.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// Bytes, by their hash: a payload or a file.
    Hash(Hash, &'a [u8]),
    /// A DSSE envelope, in a bundle: what it holds, and the SHA-256 of its PAE.
    Envelope(&'a [u8], Digest),
    /// A DSSE envelope as a layer of an `.att`: its text, and what it holds.
    Layer(&'a [u8], &'a [u8]),
}

impl Of<'_> {
    /// What a timestamp is of: the raw signature; in an `.att` the envelope.
    #[must_use]
    pub fn stamped(&self) -> &[u8] {
        match self.content {
            Content::Layer(envelope, _) => envelope,
            Content::Hash(..) | Content::Envelope(..) => self.signature,
        }
    }
}

/// An entry that holds.
#[derive(Clone, Debug)]
pub struct Entered<'t> {
    /// The log that has it.
    pub log: &'t Log,
    /// The time that the log signed.
    pub time: Option<Time>,
    /// Whether it was proved to be in the log's tree.
    pub proved: bool,
}

/// What became of an entry that is not invalid.
#[derive(Clone, Debug)]
pub enum Checked<'t> {
    /// It holds.
    Entered(Entered<'t>),
    /// No log that is trusted made it, or none that can be checked; why.
    Unchecked(String),
}

/// Checks an entry with the logs that it may be of; an error where it is invalid.
pub fn check<'t>(entry: &Entry, of: &Of<'_>, trust: &'t Trust) -> Result<Checked<'t>> {
    let mut refused = None;
    let mut unnamed = None;
    for log in trust.logs_of(entry.log_id) {
        let is_v2 = entry.kind.as_ref().is_some_and(Kind::is_v2);
        let checked = match (is_v2, log.host()) {
            (true, None) => {
                unnamed = Some(format!("{} pins no origin, which a Rekor v2 entry needs", log.source()));
                continue;
            }
            (true, Some(host)) => check_v2(entry, of, log, host),
            (false, _) => check_v1(entry, of, log),
        };
        match checked {
            Ok(entered) => return Ok(Checked::Entered(entered)),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    match refused {
        Some(error) => Err(error.within(format!("log entry {}", entry.index))),
        None => Ok(Checked::Unchecked(unnamed.unwrap_or_else(|| UNKNOWN.to_owned()))),
    }
}

/// An entry of Rekor v1.
fn check_v1<'t>(entry: &Entry, of: &Of<'_>, log: &'t Log) -> Result<Entered<'t>> {
    if let Some(promise) = &entry.promise {
        check_log_set(entry, promise, log)?;
        check_log_time(entry, log)?;
    }
    let (kind, body) = Body::parse(&entry.body)?;
    check_log_kind(&kind, entry, of)?;
    check_body(&body, of)?;
    // An annotation has no place for a proof; an entry in a bundle has one, whatever the bundle's media type.
    let proved = !entry.is_annotation();
    if proved {
        let (proof, checkpoint) = check_log_proof(entry)?;
        let (origin, id) = check_v1_origin(&checkpoint, log)?;
        check_v1_note(&checkpoint, log, &origin, id)?;
        check_log_root(proof, &checkpoint)?;
        check_log_inclusion(proof.index, entry, proof, &checkpoint)?;
    }
    // Nobody signed the time of an entry without a promise; 0 is none.
    let time = entry.promise.as_ref().map(|_| Time(entry.time)).filter(|time| time.0 > 0);
    Ok(Entered { log, time, proved })
}

/// An entry of Rekor v2: its time is nobody's word and ignored.
fn check_v2<'t>(entry: &Entry, of: &Of<'_>, log: &'t Log, host: &str) -> Result<Entered<'t>> {
    check_log_promise(entry)?;
    check_log_leaf(entry, of)?;
    let (proof, checkpoint) = check_log_proof(entry)?;
    check_v2_origin(&checkpoint, entry, log, host)?;
    check_v2_note(&checkpoint, log, host)?;
    check_log_root(proof, &checkpoint)?;
    check_log_index(entry, proof)?;
    check_log_inclusion(entry.index, entry, proof, &checkpoint)?;
    Ok(Entered { log, time: None, proved: true })
}

/// LOG-SET: the promise is the log's, over the values that were read, put together anew.
pub fn check_log_set(entry: &Entry, promise: &[u8], log: &Log) -> Result<()> {
    if log.key().kind() != KeyKind::P256 {
        return Err(Error::new(Check::LogSet, "")
            .detail(format!("the log's key is {}, which promises nothing", log.key().kind())));
    }
    if log.key().verify(&entry.promised(), promise) { Ok(()) } else { Err(Error::new(Check::LogSet, "")) }
}

/// LOG-TIME: the time that was promised is in the window of the log's key, its ends included; a bare key has none.
fn check_log_time(entry: &Entry, log: &Log) -> Result<()> {
    let time = Time(entry.time);
    match log.window() {
        Some(window) if !window.contains(time) => {
            let end = window.end.map_or_else(String::new, |end| format!(" to {end}"));
            Err(Error::new(Check::LogTime, time).detail(format!(
                "{} holds from {}{end}",
                log.name(),
                window.start
            )))
        }
        _ => Ok(()),
    }
}

/// LOG-KIND: the body is of the kind that the entry says, and of one that is made for what was signed.
fn check_log_kind(kind: &Kind, entry: &Entry, of: &Of<'_>) -> Result<()> {
    let refuse = || Error::new(Check::LogKind, kind);
    if let Some(said) = entry.kind.as_ref().filter(|said| *said != kind) {
        return Err(refuse().detail(format!("kindVersion says {said}")));
    }
    let fits = match of.content {
        Content::Hash(..) => matches!((kind.kind.as_str(), kind.version.as_str()), ("hashedrekord", "0.0.1")),
        Content::Envelope(..) => {
            matches!((kind.kind.as_str(), kind.version.as_str()), ("dsse", "0.0.1") | ("intoto", "0.0.2"))
        }
        Content::Layer(..) => matches!(
            (kind.kind.as_str(), kind.version.as_str()),
            ("dsse", "0.0.1") | ("intoto", "0.0.1" | "0.0.2")
        ),
    };
    if fits { Ok(()) } else { Err(refuse().detail("it is not made for what was signed")) }
}

/// LOG-SIGNATURE, LOG-KEY, LOG-HASH: what the body says is this signature, this key and what was signed. Each alone can be
/// another's.
fn check_body(body: &Body, of: &Of<'_>) -> Result<()> {
    match body {
        Body::HashedRekord { algorithm, hash, signed } => {
            check_signed(std::slice::from_ref(signed), of)?;
            let Content::Hash(by, bytes) = of.content else { return Err(Error::new(Check::LogHash, "")) };
            check_log_hash(algorithm, hash, name(by), bytes)
        }
        Body::Dsse { envelope, payload, signed } | Body::Intoto002 { envelope, payload, signed } => match of
            .content
        {
            Content::Envelope(statement, _) => {
                check_signed(signed, of)?;
                check_log_hash(&payload.algorithm, &payload.value, "sha256", Digest::of(statement).as_bytes())
            }
            Content::Layer(text, statement) => {
                check_signed_of_layer(signed, of)?;
                check_log_hash(
                    &payload.algorithm,
                    &payload.value,
                    "sha256",
                    Digest::of(statement).as_bytes(),
                )?;
                check_log_hash(&envelope.algorithm, &envelope.value, "sha256", Digest::of(text).as_bytes())
            }
            Content::Hash(..) => Err(Error::new(Check::LogHash, "")),
        },
        Body::Intoto001 { envelope, key } => match of.content {
            Content::Layer(text, _) => {
                check_log_key(key, of)?;
                check_log_hash(&envelope.algorithm, &envelope.value, "sha256", Digest::of(text).as_bytes())
            }
            _ => Err(Error::new(Check::LogHash, "")),
        },
        Body::Leaf => Err(Error::new(Check::LogKind, "hashedrekord 0.0.2")),
    }
}

/// One signature: this one, by this key.
fn check_signed(signed: &[Signed], of: &Of<'_>) -> Result<()> {
    let [only] = signed else {
        return Err(Error::new(Check::LogSignature, "").detail(format!("it holds {}", signed.len())));
    };
    check_log_signature(only, of)?;
    check_log_key(&only.key, of)
}

/// An envelope of an `.att` may have several signatures, which its entry then has as well: this one is among them, by this
/// key.
fn check_signed_of_layer(signed: &[Signed], of: &Of<'_>) -> Result<()> {
    let ours = signed.iter().find(|signed| signed.signature == of.text);
    check_log_key(&ours.ok_or_else(|| Error::new(Check::LogSignature, ""))?.key, of)
}

/// LOG-SIGNATURE: the text of the signature is the one beside which the entry stands, byte for byte.
fn check_log_signature(signed: &Signed, of: &Of<'_>) -> Result<()> {
    if signed.signature == of.text { Ok(()) } else { Err(Error::new(Check::LogSignature, "")) }
}

/// LOG-KEY: the key is the one that the signature was verified with. LOG-BODY where it is no PEM block.
fn check_log_key(pem: &[u8], of: &Of<'_>) -> Result<()> {
    if pem.starts_with(b"-----BEGIN CERTIFICATE-----") {
        return Err(Error::new(Check::LogKey, "").detail("it names a certificate"));
    }
    let key = one_block(pem)
        .then(|| PublicKey::from_pem(pem))
        .ok_or_else(|| {
            Error::new(Check::LogBody, "").detail("the key is not one PEM block and nothing else")
        })?
        .map_err(|error| Error::new(Check::LogBody, "").detail("the key cannot be read").caused_by(error))?;
    if key == *of.key { Ok(()) } else { Err(Error::new(Check::LogKey, key.id())) }
}

/// Whether a PEM text begins with its block, and ends with it but for one line end.
fn one_block(pem: &[u8]) -> bool {
    let end = pem.strip_suffix(b"\n").unwrap_or(pem);
    let end = end.strip_suffix(b"\r").unwrap_or(end);
    pem.starts_with(b"-----BEGIN ") && end.ends_with(b"-----")
}

/// LOG-HASH: the hash is that of what was signed, in lower-case hex.
fn check_log_hash(algorithm: &str, value: &str, wanted: &str, bytes: &[u8]) -> Result<()> {
    let refuse = || Error::new(Check::LogHash, value);
    if algorithm != wanted {
        return Err(refuse().detail(format!("by {algorithm}, not {wanted}")));
    }
    if value == hex(bytes) { Ok(()) } else { Err(refuse()) }
}

/// LOG-LEAF: what the log has is, byte for byte, the leaf that digest, signature and key make.
fn check_log_leaf(entry: &Entry, of: &Of<'_>) -> Result<()> {
    let leaf = leaf_of(of).ok_or_else(|| {
        Error::new(Check::LogLeaf, "")
            .detail(format!("no Rekor v2 log takes {} with this hash", of.key.kind()))
    })?;
    if leaf == entry.body { Ok(()) } else { Err(Error::new(Check::LogLeaf, "")) }
}

/// The leaf of a signature in a Rekor v2 log; `None` where such a log takes none.
#[must_use]
pub fn leaf_of(of: &Of<'_>) -> Option<Vec<u8>> {
    let Told { hash, digest, details } = told(of)?;
    let algorithm = match hash {
        Hash::Sha256 => "SHA2_256",
        Hash::Sha384 => "SHA2_384",
        Hash::Sha512 => "SHA2_512",
    };
    Some(body::leaf(algorithm, digest, of.signature, details, of.key.spki()))
}

/// What a Rekor v2 log is told of a signature, besides signature and key.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// Which hash.
    pub hash: Hash,
    /// Of what was signed; of an envelope, of its PAE.
    pub digest: &'a [u8],
    /// The key's kind and hash, by the name of protobuf-specs.
    pub details: &'static str,
}

/// What a Rekor v2 log is told of a signature; `None` where such a log takes none.
#[must_use]
pub fn told<'a>(of: &'a Of<'_>) -> Option<Told<'a>> {
    let (hash, digest) = match &of.content {
        Content::Hash(hash, bytes) => (*hash, *bytes),
        Content::Envelope(_, pae) => (Hash::Sha256, &pae.as_bytes()[..]),
        Content::Layer(..) => return None,
    };
    let details = match (of.key.kind(), hash) {
        (KeyKind::P256, Hash::Sha256) => "PKIX_ECDSA_P256_SHA_256",
        (KeyKind::P384, Hash::Sha384) => "PKIX_ECDSA_P384_SHA_384",
        (KeyKind::P521, Hash::Sha512) => "PKIX_ECDSA_P521_SHA_512",
        (KeyKind::Rsa { bits: 2048 }, Hash::Sha256) => "PKIX_RSA_PKCS1V15_2048_SHA256",
        (KeyKind::Rsa { bits: 3072 }, Hash::Sha256) => "PKIX_RSA_PKCS1V15_3072_SHA256",
        (KeyKind::Rsa { bits: 4096 }, Hash::Sha256) => "PKIX_RSA_PKCS1V15_4096_SHA256",
        _ => return None,
    };
    Some(Told { hash, digest, details })
}

/// LOG-PROMISE: Rekor v2 makes no promises, and nothing takes one for a time.
fn check_log_promise(entry: &Entry) -> Result<()> {
    if entry.promise.is_none() { Ok(()) } else { Err(Error::new(Check::LogPromise, "")) }
}

/// LOG-PROOF: there is a proof, and it has a checkpoint. LOG-CHECKPOINT where that cannot be read.
pub fn check_log_proof(entry: &Entry) -> Result<(&Proof, Checkpoint)> {
    let proof = entry.proof.as_ref().ok_or_else(|| Error::new(Check::LogProof, ""))?;
    let note = proof.checkpoint.as_deref();
    let note = note.ok_or_else(|| Error::new(Check::LogProof, "").detail("the proof has no checkpoint"))?;
    Ok((proof, Checkpoint::parse(note)?))
}

/// LOG-ORIGIN in Rekor v1: the origin is a name, ` - ` and the tree's number; the name is the log's host, with or without
/// its port, and the signer's. Returns the name and the key's id in notes.
fn check_v1_origin(checkpoint: &Checkpoint, log: &Log) -> Result<(String, [u8; 4])> {
    let origin = checkpoint.origin();
    let refuse = |why: &str| Error::new(Check::LogOrigin, origin).detail(why);
    let (name, tree) = origin.rsplit_once(" - ").ok_or_else(|| refuse("no number of a tree in it"))?;
    if tree.is_empty() || !tree.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(refuse("no number of a tree in it"));
    }
    if !log.is_named(name) {
        return Err(refuse(&format!("the log is {}", log.name())));
    }
    if checkpoint.lines().iter().all(|line| line.name != name) {
        return Err(refuse("it is signed by another name"));
    }
    let [a, b, c, d, ..] = *log.key().id().as_bytes();
    Ok((name.to_owned(), [a, b, c, d]))
}

/// LOG-NOTE in Rekor v1: every line is this key's.
fn check_v1_note(checkpoint: &Checkpoint, log: &Log, name: &str, id: [u8; 4]) -> Result<()> {
    let ours = |line: &crate::format::log::note::Line| {
        line.id == id && line.name == name && log.verifies_note(checkpoint.text(), &line.signature)
    };
    if checkpoint.lines().iter().all(ours) { Ok(()) } else { Err(Error::new(Check::LogNote, "")) }
}

/// LOG-ORIGIN in Rekor v2: the origin is the log's host, whole, and the entry names the log by the full id of its key
/// under that name.
fn check_v2_origin(checkpoint: &Checkpoint, entry: &Entry, log: &Log, host: &str) -> Result<()> {
    let refuse = |why: &str| Error::new(Check::LogOrigin, checkpoint.origin()).detail(why);
    if checkpoint.origin() != host {
        return Err(refuse(&format!("the log is {host}")));
    }
    if entry.log_id != log.note_id(host) {
        return Err(refuse("logId is not that of the log's key under this origin"));
    }
    Ok(())
}

/// LOG-NOTE in Rekor v2: a line is this key's; others may be anybody's.
fn check_v2_note(checkpoint: &Checkpoint, log: &Log, host: &str) -> Result<()> {
    let [a, b, c, d, ..] = *log.note_id(host).as_bytes();
    let ours = checkpoint.lines().iter().filter(|line| line.name == host && line.id == [a, b, c, d]);
    let mut verified = ours.filter(|line| log.verifies_note(checkpoint.text(), &line.signature));
    verified.next().map(|_| ()).ok_or_else(|| Error::new(Check::LogNote, ""))
}

/// Whether a checkpoint is signed by a log, as entries of either kind want it. LOG-ORIGIN, LOG-NOTE.
pub fn check_checkpoint(checkpoint: &Checkpoint, entry: &Entry, log: &Log) -> Result<()> {
    match (entry.kind.as_ref().is_some_and(Kind::is_v2), log.host()) {
        (true, Some(host)) => {
            check_v2_origin(checkpoint, entry, log, host)?;
            check_v2_note(checkpoint, log, host)
        }
        (true, None) => Err(Error::new(Check::LogOrigin, checkpoint.origin()).detail("no origin is pinned")),
        (false, _) => {
            let (name, id) = check_v1_origin(checkpoint, log)?;
            check_v1_note(checkpoint, log, &name, id)
        }
    }
}

/// LOG-ROOT: the proof's copies of root and size are what the checkpoint says, which is what was signed.
pub fn check_log_root(proof: &Proof, checkpoint: &Checkpoint) -> Result<()> {
    if proof.root == checkpoint.root() && proof.size == checkpoint.size() {
        return Ok(());
    }
    let says = |root: Digest, size: u64| format!("{size} leaves, root {}", root.hex());
    Err(Error::new(Check::LogRoot, "")
        .detail(format!("the proof says {}", says(proof.root, proof.size)))
        .detail(format!("the checkpoint {}", says(checkpoint.root(), checkpoint.size()))))
}

/// LOG-INDEX: the entry's index and the proof's are one.
fn check_log_index(entry: &Entry, proof: &Proof) -> Result<()> {
    if entry.index == proof.index {
        return Ok(());
    }
    Err(Error::new(Check::LogIndex, "").detail(format!("entry {}, proof {}", entry.index, proof.index)))
}

/// LOG-INCLUSION: the hashes lead from the body to the root of the checkpoint.
pub fn check_log_inclusion(index: u64, entry: &Entry, proof: &Proof, checkpoint: &Checkpoint) -> Result<()> {
    let leaf = merkle::leaf_hash(&entry.body);
    let root = merkle::root(index, checkpoint.size(), leaf, &proof.hashes);
    if root == Some(checkpoint.root()) { Ok(()) } else { Err(Error::new(Check::LogInclusion, "")) }
}

fn name(hash: Hash) -> &'static str {
    match hash {
        Hash::Sha256 => "sha256",
        Hash::Sha384 => "sha384",
        Hash::Sha512 => "sha512",
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// The base64 of a bundle's signature, as entries spell it.
#[must_use]
pub fn spelled(signature: &[u8]) -> String {
    STANDARD.encode(signature)
}

const UNKNOWN: &str = "of no log that was given";
