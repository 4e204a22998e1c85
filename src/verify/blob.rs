//! Signatures of files: a bare one, or one in a bundle (cosign `verify-blob --key`). The file is read once, as it goes
//! by: it may be of any size.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use super::bundle::{bytes_of, check_bundle_log, known, read_frame};
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::json::{Names, Value};
use crate::keys::public::{Hash, PublicKey, StreamVerifier};
use crate::limits;

/// A signature of a file, and what is said of the file beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobSignature {
    signature: Vec<u8>,
    /// The hash of the file, in a bundle.
    message_digest: Option<(Hash, Vec<u8>)>,
}

impl BlobSignature {
    /// A signature alone: base64, line breaks skipped, or the raw bytes. SIG-BASE64 where there is nothing.
    pub fn bare(bytes: &[u8]) -> Result<Self> {
        let text = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect::<Vec<u8>>();
        let signature = STANDARD.decode(&text).unwrap_or_else(|_| bytes.to_vec());
        if signature.is_empty() {
            return Err(Error::new(Check::SigBase64, "").detail("it is empty"));
        }
        Ok(Self { signature, message_digest: None })
    }

    /// The signature in a bundle. BLOB-BUNDLE, BUNDLE-LOG.
    pub fn of_bundle(bytes: &[u8]) -> Result<Self> {
        let (message, logged) = check_blob_bundle(bytes)?;
        check_bundle_log(logged)?;
        Ok(message)
    }
}

/// A file that goes by, on its way to a verdict.
pub struct BlobVerifier<'k> {
    keys: &'k [PublicKey],
    signature: &'k BlobSignature,
    hashers: Vec<Hasher>,
    /// Ed25519 signs no hash: one for each such key.
    streams: Vec<(&'k PublicKey, StreamVerifier)>,
}

impl<'k> BlobVerifier<'k> {
    /// Nothing of the file has gone by yet.
    #[must_use]
    pub fn new(keys: &'k [PublicKey], signature: &'k BlobSignature) -> Self {
        let stated = signature.message_digest.as_ref().map(|(hash, _)| *hash);
        let needed = |hash: Hash| {
            stated
                .map_or_else(|| keys.iter().any(|key| key.hashes().contains(&hash)), |stated| stated == hash)
        };
        let hashers = [Hash::Sha256, Hash::Sha384, Hash::Sha512].into_iter().filter(|hash| needed(*hash));
        let stream = |key: &'k PublicKey| Some((key, key.verify_stream(&signature.signature)?));
        Self {
            keys,
            signature,
            hashers: hashers.map(Hasher::new).collect(),
            streams: keys.iter().filter_map(stream).collect(),
        }
    }

    /// The next bytes of the file.
    pub fn update(&mut self, bytes: &[u8]) {
        self.hashers.iter_mut().for_each(|hasher| hasher.update(bytes));
        self.streams.iter_mut().for_each(|(_, stream)| stream.update(bytes));
    }

    /// The key whose signature it is. MESSAGE-DIGEST where a bundle says that it is another file's; SIG-KEY.
    pub fn finish(self) -> Result<&'k PublicKey> {
        let Self { keys, signature, hashers, streams } = self;
        let hashes: Vec<(Hash, Vec<u8>)> = hashers.into_iter().map(Hasher::finish).collect();
        check_message_digest(signature, &hashes)?;
        let streamed = streams.into_iter().find_map(|(key, stream)| stream.is_good().then_some(key));
        streamed.map_or_else(|| check_sig_key(keys, signature, &hashes), Ok)
    }
}

/// The verdict on a file of which only the SHA-256 is known. Usage where that is not enough: Ed25519 signs the file
/// itself, and a bundle may name another hash.
pub fn verify_digest<'k>(
    keys: &'k [PublicKey],
    signature: &BlobSignature,
    sha256: &Digest,
) -> Result<&'k PublicKey> {
    let refuse = |why: &str| Error::new(Check::Usage, sha256).detail(why).hint("give the file itself");
    if keys.iter().all(|key| key.hashes().is_empty()) {
        return Err(refuse("an Ed25519 key signs a file, not its hash"));
    }
    if signature.message_digest.as_ref().is_some_and(|(hash, _)| *hash != Hash::Sha256) {
        return Err(refuse("the bundle's signature is over another hash than SHA-256"));
    }
    let hashes = [(Hash::Sha256, sha256.as_bytes().to_vec())];
    check_message_digest(signature, &hashes)?;
    check_sig_key(keys, signature, &hashes)
}

/// MESSAGE-DIGEST: the hash that a bundle names is the file's.
fn check_message_digest(signature: &BlobSignature, hashes: &[(Hash, Vec<u8>)]) -> Result<()> {
    match &signature.message_digest {
        Some(stated) if !hashes.contains(stated) => Err(Error::new(Check::MessageDigest, "")),
        _ => Ok(()),
    }
}

/// SIG-KEY: the signature verifies with a key given, over a hash that such a key signs.
fn check_sig_key<'k>(
    keys: &'k [PublicKey],
    signature: &BlobSignature,
    hashes: &[(Hash, Vec<u8>)],
) -> Result<&'k PublicKey> {
    let signed = |key: &&PublicKey| {
        hashes.iter().any(|(hash, bytes)| key.verify_hash(*hash, bytes, &signature.signature))
    };
    keys.iter().find(signed).ok_or_else(|| Error::new(Check::SigKey, ""))
}

/// BLOB-BUNDLE: a bundle v0.3 by a public key that holds the signature of a file. Returns whether it has log entries.
fn check_blob_bundle(bytes: &[u8]) -> Result<(BlobSignature, bool)> {
    let refuse = |why: &str| Error::new(Check::BlobBundle, "").detail(why);
    if bytes.len() <= limits::MANIFEST
        && let Ok(value) = Value::parse(bytes, limits::DEPTH_EVIDENCE, Names::Exact)
    {
        if value.get("base64Signature").is_some() {
            return Err(refuse("a bundle of cosign before 3, which holds a signature and a log entry")
                .hint("what it holds as base64Signature is taken by --signature"));
        }
        if value.get("dsseEnvelope").is_some() {
            return Err(refuse("it holds an attestation or an image's signature, not a file's"));
        }
    }
    let (value, logged) = read_frame(bytes, "messageSignature").map_err(|error| {
        let refused = error.details().fold(Error::new(Check::BlobBundle, ""), Error::detail);
        refused.caused_by(error)
    })?;
    let message = value.get("messageSignature").ok_or_else(|| refuse("no messageSignature"))?;
    known(message, &["messageDigest", "signature"]).map_err(refuse)?;
    let signature = bytes_of(message.get("signature")).ok_or_else(|| refuse("signature is not base64"))?;
    let digest = message.get("messageDigest").ok_or_else(|| refuse("no messageDigest"))?;
    known(digest, &["algorithm", "digest"]).map_err(refuse)?;
    // cosign 3 leaves it empty where the key is Ed25519; what was signed is the file.
    if digest.as_object() == Some(&[]) {
        return Ok((BlobSignature { signature, message_digest: None }, logged));
    }
    let hash = match digest.get("algorithm").and_then(Value::as_str) {
        Some("SHA2_256") => Hash::Sha256,
        Some("SHA2_384") => Hash::Sha384,
        Some("SHA2_512") => Hash::Sha512,
        _ => return Err(refuse("messageDigest is by SHA2_256, SHA2_384 or SHA2_512")),
    };
    let bytes = bytes_of(digest.get("digest")).filter(|bytes| bytes.len() == hash.size());
    let bytes = bytes.ok_or_else(|| refuse("messageDigest is no hash of that size in base64"))?;
    Ok((BlobSignature { signature, message_digest: Some((hash, bytes)) }, logged))
}

enum Hasher {
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
}

impl Hasher {
    fn new(hash: Hash) -> Self {
        match hash {
            Hash::Sha256 => Self::Sha256(Sha256::new()),
            Hash::Sha384 => Self::Sha384(Sha384::new()),
            Hash::Sha512 => Self::Sha512(Sha512::new()),
        }
    }

    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(bytes),
            Self::Sha384(hasher) => hasher.update(bytes),
            Self::Sha512(hasher) => hasher.update(bytes),
        }
    }

    fn finish(self) -> (Hash, Vec<u8>) {
        match self {
            Self::Sha256(hasher) => (Hash::Sha256, hasher.finalize().to_vec()),
            Self::Sha384(hasher) => (Hash::Sha384, hasher.finalize().to_vec()),
            Self::Sha512(hasher) => (Hash::Sha512, hasher.finalize().to_vec()),
        }
    }
}
