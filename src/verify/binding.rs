//! Whose a log entry is: what its body and its proof say against the signature that it stands beside, with nobody's
//! trust. Both sides ask this of what stands in a file; whether a log that a person trusts made the entry is asked in
//! [`super::log`] on the connected side.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::check::Check;
use crate::digest::{Digest, hex};
use crate::error::{Error, Result};
use crate::format::log::body::{self, Body, Signed};
use crate::format::log::merkle;
use crate::format::log::note::Checkpoint;
use crate::format::log::{Entry, Kind, Proof};
use crate::keys::public::{Hash, KeyKind, PublicKey};

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

/// Checks all of an entry that needs no log's key: the body is this signature's, in its one place, and in a bundle the
/// proof leads from it to the root that its checkpoint names. An error where it is another's, or none that a verifier
/// could accept.
///
/// LOG-BODY, LOG-KIND, LOG-SIGNATURE, LOG-KEY, LOG-HASH; LOG-PROMISE, LOG-LEAF, LOG-INDEX of Rekor v2; in a bundle
/// LOG-PROOF, LOG-CHECKPOINT, LOG-ROOT, LOG-INCLUSION; LOG-LIMIT.
pub fn check(entry: &Entry, of: &Of<'_>) -> Result<()> {
    let is_v2 = entry.kind.as_ref().is_some_and(Kind::is_v2);
    let checked = if is_v2 { check_v2(entry, of) } else { check_v1(entry, of) };
    checked.map_err(|error| error.within(format!("log entry {}", entry.index)))
}

fn check_v1(entry: &Entry, of: &Of<'_>) -> Result<()> {
    let (kind, body) = Body::parse(&entry.body)?;
    check_log_kind(&kind, entry, of)?;
    check_body(&body, of)?;
    if entry.is_annotation() {
        return Ok(());
    }
    let (proof, checkpoint) = check_log_proof(entry)?;
    check_log_root(proof, &checkpoint)?;
    check_log_inclusion(proof.index, entry, proof, &checkpoint)
}

fn check_v2(entry: &Entry, of: &Of<'_>) -> Result<()> {
    check_log_promise(entry)?;
    check_log_leaf(entry, of)?;
    let (proof, checkpoint) = check_log_proof(entry)?;
    check_log_root(proof, &checkpoint)?;
    check_log_index(entry, proof)?;
    check_log_inclusion(entry.index, entry, proof, &checkpoint)
}

/// LOG-KIND: the body is of the kind that the entry says, and of one that is made for what was signed.
pub(super) fn check_log_kind(kind: &Kind, entry: &Entry, of: &Of<'_>) -> Result<()> {
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
pub(super) fn check_body(body: &Body, of: &Of<'_>) -> Result<()> {
    match body {
        Body::HashedRekord { algorithm, hash, signed } => {
            check_signed(std::slice::from_ref(signed), of)?;
            let Content::Hash(by, bytes) = of.content else { return Err(Error::new(Check::LogHash, "")) };
            check_log_hash(algorithm, hash, by.name(), bytes)
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
pub(super) fn check_log_leaf(entry: &Entry, of: &Of<'_>) -> Result<()> {
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
pub(super) fn check_log_promise(entry: &Entry) -> Result<()> {
    if entry.promise.is_none() { Ok(()) } else { Err(Error::new(Check::LogPromise, "")) }
}

/// LOG-PROOF: there is a proof, and it has a checkpoint. LOG-CHECKPOINT where that cannot be read.
pub fn check_log_proof(entry: &Entry) -> Result<(&Proof, Checkpoint)> {
    let proof = entry.proof.as_ref().ok_or_else(|| Error::new(Check::LogProof, ""))?;
    let note = proof.checkpoint.as_deref();
    let note = note.ok_or_else(|| Error::new(Check::LogProof, "").detail("the proof has no checkpoint"))?;
    Ok((proof, Checkpoint::parse(note)?))
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
pub(super) fn check_log_index(entry: &Entry, proof: &Proof) -> Result<()> {
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

/// The base64 of a bundle's signature, as entries spell it.
#[must_use]
pub fn spelled(signature: &[u8]) -> String {
    STANDARD.encode(signature)
}
