//! Signatures of files: a bare one, or one in a bundle (cosign `verify-blob --key`). The file is read once, as it goes
//! by: it may be of any size.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use super::bundle::{bytes_of, read_frame};
use super::log::{Content, Of, spelled};
use super::material::{self, Evidence, Standing};
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::bundle;
use crate::format::json::{Names, Value};
use crate::format::log::{Entry, Material, present};
use crate::keys::public::{Hash, PublicKey, StreamVerifier};
use crate::limits;

/// A signature of a file, and what is said of the file beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobSignature {
    signature: Vec<u8>,
    /// Its base64, as log entries spell it.
    text: String,
    /// The hash of the file, in a bundle.
    message_digest: Option<(Hash, Vec<u8>)>,
    /// What stands beside the signature, in a bundle.
    material: Material,
}

/// Whose signature of a file it is, and what is known of what stands beside it.
#[derive(Debug)]
pub struct BlobVerdict<'k> {
    /// The key that verifies it.
    pub key: &'k PublicKey,
    /// Its log entries and timestamps.
    pub standing: Standing,
}

impl BlobSignature {
    /// A signature alone: base64, line breaks skipped, or the raw bytes. SIG-BASE64 where there is nothing.
    pub fn bare(bytes: &[u8]) -> Result<Self> {
        let text = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect::<Vec<u8>>();
        let signature = STANDARD.decode(&text).unwrap_or_else(|_| bytes.to_vec());
        if signature.is_empty() {
            return Err(Error::new(Check::SigBase64, "").detail("it is empty"));
        }
        Ok(Self::of(signature, None, Material::default()))
    }

    /// The signature in a bundle, of a published version or as cosign before 3 wrote it. BLOB-BUNDLE, SIG-LOG, SIG-CERTIFICATE,
    /// LOG-SYNTAX, LOG-LIMIT.
    pub fn of_bundle(bytes: &[u8]) -> Result<Self> {
        check_blob_bundle(bytes)
    }

    fn of(signature: Vec<u8>, message_digest: Option<(Hash, Vec<u8>)>, material: Material) -> Self {
        let text = spelled(&signature);
        Self { signature, text, message_digest, material }
    }

    /// The hash of the file, as a bundle names it.
    pub(super) fn message_digest(&self) -> Option<(Hash, &[u8])> {
        self.message_digest.as_ref().map(|(hash, bytes)| (*hash, &bytes[..]))
    }

    /// What stands beside the signature.
    pub(super) fn material(&self) -> &Material {
        &self.material
    }

    /// The raw signature.
    pub(super) fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// What must hold beside it: log entries and timestamps, for a signature by `key` over a file with this hash.
    fn check_beside<'k>(
        &self,
        key: &'k PublicKey,
        (hash, bytes): (Hash, &[u8]),
        evidence: &Evidence,
    ) -> Result<BlobVerdict<'k>> {
        let content = Content::Hash(hash, bytes);
        let of = Of { key, signature: &self.signature, text: &self.text, content };
        let (standing, demanded) = material::judge(&self.material, &of, evidence);
        demanded.map(|()| BlobVerdict { key, standing })
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
        // An entry names a hash also where the key signs none.
        let logged = !signature.material.entries.is_empty();
        let needed = |hash: Hash| match stated {
            Some(stated) => stated == hash,
            None => (logged && hash == Hash::Sha256) || keys.iter().any(|key| key.hashes().contains(&hash)),
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

    /// The key whose signature it is. MESSAGE-DIGEST where a bundle says that it is another file's; SIG-KEY; the checks of
    /// log entries and timestamps, where there are any or some are demanded.
    pub fn finish(self, evidence: &Evidence) -> Result<BlobVerdict<'k>> {
        let Self { keys, signature, hashers, streams } = self;
        let hashes: Vec<(Hash, Vec<u8>)> = hashers.into_iter().map(Hasher::finish).collect();
        check_message_digest(signature, &hashes)?;
        let streamed = streams.into_iter().find_map(|(key, stream)| stream.is_good().then_some(key));
        let (key, hash) = match streamed {
            Some(key) => {
                (key, hashes.first().map_or((Hash::Sha256, &[][..]), |(hash, bytes)| (*hash, bytes)))
            }
            None => check_sig_key(keys, signature, &hashes)?,
        };
        signature.check_beside(key, hash, evidence)
    }
}

/// The verdict on a file of which only the SHA-256 is known. Usage where that is not enough: Ed25519 signs the file
/// itself, and a bundle may name another hash.
pub fn verify_digest<'k>(
    keys: &'k [PublicKey],
    signature: &BlobSignature,
    sha256: &Digest,
    evidence: &Evidence,
) -> Result<BlobVerdict<'k>> {
    let refuse = |why: &str| Error::new(Check::Usage, sha256).detail(why).hint("give the file itself");
    if keys.iter().all(|key| key.hashes().is_empty()) {
        return Err(refuse("an Ed25519 key signs a file, not its hash"));
    }
    if signature.message_digest.as_ref().is_some_and(|(hash, _)| *hash != Hash::Sha256) {
        return Err(refuse("the bundle's signature is over another hash than SHA-256"));
    }
    let hashes = [(Hash::Sha256, sha256.as_bytes().to_vec())];
    check_message_digest(signature, &hashes)?;
    let (key, hash) = check_sig_key(keys, signature, &hashes)?;
    signature.check_beside(key, hash, evidence)
}

/// MESSAGE-DIGEST: the hash that a bundle names is the file's.
fn check_message_digest(signature: &BlobSignature, hashes: &[(Hash, Vec<u8>)]) -> Result<()> {
    match &signature.message_digest {
        Some(stated) if !hashes.contains(stated) => Err(Error::new(Check::MessageDigest, "")),
        _ => Ok(()),
    }
}

/// SIG-KEY: the signature verifies with a key given, over a hash that such a key signs. Returns key and hash.
fn check_sig_key<'k, 'h>(
    keys: &'k [PublicKey],
    signature: &BlobSignature,
    hashes: &'h [(Hash, Vec<u8>)],
) -> Result<(&'k PublicKey, (Hash, &'h [u8]))> {
    let signed = |key: &'k PublicKey| {
        let over = hashes.iter().find(|(hash, bytes)| key.verify_hash(*hash, bytes, &signature.signature));
        over.map(|(hash, bytes)| (key, (*hash, &bytes[..])))
    };
    keys.iter().find_map(signed).ok_or_else(|| Error::new(Check::SigKey, ""))
}

/// BLOB-BUNDLE: a bundle of a published version by a public key that holds the signature of a file.
fn check_blob_bundle(bytes: &[u8]) -> Result<BlobSignature> {
    let refuse = |why: &str| Error::new(Check::BlobBundle, "").detail(why);
    if let Some(Local { signature, text, material }) = read_local(bytes)? {
        return Ok(BlobSignature { text, ..BlobSignature::of(signature, None, material) });
    }
    if bytes.len() <= limits::MANIFEST
        && let Ok(value) = Value::parse(bytes, limits::DEPTH_EVIDENCE, Names::Exact)
        && value.get("dsseEnvelope").is_some()
    {
        return Err(refuse("it holds an attestation or an image's signature, not a file's"));
    }
    let (value, material) = read_frame(bytes, "messageSignature", &MEDIA_TYPES).map_err(|error| {
        if error.check() != Check::BundleSyntax {
            return error;
        }
        let refused = error.details().fold(Error::new(Check::BlobBundle, ""), Error::detail);
        refused.caused_by(error)
    })?;
    let message = value.get("messageSignature").ok_or_else(|| refuse("no messageSignature"))?;
    message.only(&["messageDigest", "signature"]).map_err(refuse)?;
    let signature = bytes_of(message.get("signature")).ok_or_else(|| refuse("signature is not base64"))?;
    let digest = message.get("messageDigest").ok_or_else(|| refuse("no messageDigest"))?;
    digest.only(&["algorithm", "digest"]).map_err(refuse)?;
    // cosign 3 leaves it empty where the key is Ed25519; what was signed is the file.
    if digest.as_object() == Some(&[]) {
        return Ok(BlobSignature::of(signature, None, material));
    }
    let hash = match digest.get("algorithm").and_then(Value::as_str) {
        Some("SHA2_256") => Hash::Sha256,
        Some("SHA2_384") => Hash::Sha384,
        Some("SHA2_512") => Hash::Sha512,
        _ => return Err(refuse("messageDigest is by SHA2_256, SHA2_384 or SHA2_512")),
    };
    let bytes = bytes_of(digest.get("digest")).filter(|bytes| bytes.len() == hash.size());
    let bytes = bytes.ok_or_else(|| refuse("messageDigest is no hash of that size in base64"))?;
    Ok(BlobSignature::of(signature, Some((hash, bytes)), material))
}

/// What cosign wrote before 3 for a file (cosign `LocalSignedPayload`): a signature, or the envelope of an attestation, and
/// the promise of a Rekor v1 log. A proof has no place in it.
pub(super) struct Local {
    /// What is in it as base64.
    pub(super) signature: Vec<u8>,
    /// That base64.
    text: String,
    pub(super) material: Material,
}

/// Reads such a file; `None` where it is none. BLOB-BUNDLE, SIG-CERTIFICATE, SIG-LOG.
pub(super) fn read_local(bytes: &[u8]) -> Result<Option<Local>> {
    let refuse = |why: &str| Error::new(Check::BlobBundle, "").detail(why);
    if bytes.len() > limits::MANIFEST {
        return Ok(None);
    }
    let Ok(value) = Value::parse(bytes, limits::DEPTH_EVIDENCE, Names::Exact) else { return Ok(None) };
    let Some(text) = value.get("base64Signature") else { return Ok(None) };
    value.only(&["base64Signature", "cert", "rekorBundle"]).map_err(refuse)?;
    if present(value.get("cert")).is_some_and(|cert| cert.as_str() != Some("")) {
        return Err(Error::new(Check::SigCertificate, ""));
    }
    let text = text.as_str().filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| refuse("base64Signature is empty"))?.to_owned();
    let signature = STANDARD.decode(&text).map_err(|_| refuse("base64Signature is not padded base64"))?;
    let entry = present(value.get("rekorBundle")).map(Entry::read_promised).transpose()?;
    let material = Material { entries: entry.into_iter().collect(), tokens: Vec::new() };
    Ok(Some(Local { signature, text, material }))
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

/// Every published spelling. Nothing signs the media type, and it decides nothing: entries are checked alike in each.
pub(super) const MEDIA_TYPES: [&str; 4] = [
    bundle::MEDIA_TYPE,
    "application/vnd.dev.sigstore.bundle+json;version=0.3",
    "application/vnd.dev.sigstore.bundle+json;version=0.2",
    "application/vnd.dev.sigstore.bundle+json;version=0.1",
];
