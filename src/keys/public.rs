//! Public keys, their ids and verification (RFC 5280 SPKI; FIPS 186-5; RFC 8032; RFC 8017; docs/key-format.md).

use std::fmt;

use p256::ecdsa::signature::hazmat::PrehashVerifier;
use p256::elliptic_curve::sec1::{ModulusSize, ToSec1Point};
use p256::elliptic_curve::{Curve, FieldBytesSize};
use spki::der::asn1::{AnyRef, BitStringRef, IntRef};
use spki::der::{Decode as _, Header, Reader as _, SliceReader, Tag};
use spki::{EncodePublicKey as _, ObjectIdentifier, SubjectPublicKeyInfo};

use super::pem;
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};

/// What kind of key it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// ECDSA on NIST P-256, SHA-256.
    P256,
    /// ECDSA on NIST P-384, SHA-256.
    P384,
    /// ECDSA on NIST P-521, SHA-256.
    P521,
    /// Pure Ed25519.
    Ed25519,
    /// RSASSA-PKCS1-v1_5, SHA-256.
    Rsa {
        /// Bits of the modulus: 2048, 3072 or 4096.
        bits: usize,
    },
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::P256 => f.write_str("P-256"),
            Self::P384 => f.write_str("P-384"),
            Self::P521 => f.write_str("P-521"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Rsa { bits } => write!(f, "RSA-{bits}"),
        }
    }
}

/// A hash that a signature of a file is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Hash {
    /// Its name before hex digits, as in `sha256:...`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// Its size in bytes.
    #[must_use]
    pub fn size(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// The hash of bytes.
    #[must_use]
    pub fn of(self, bytes: &[u8]) -> Vec<u8> {
        use sha2::Digest as _;
        match self {
            Self::Sha256 => sha2::Sha256::digest(bytes).to_vec(),
            Self::Sha384 => sha2::Sha384::digest(bytes).to_vec(),
            Self::Sha512 => sha2::Sha512::digest(bytes).to_vec(),
        }
    }
}

/// A signature by an Ed25519 key, verified while its message goes by ([`PublicKey::verify_stream`]).
#[cfg(feature = "connected")]
pub struct StreamVerifier(ed25519_dalek::StreamVerifier);

#[cfg(feature = "connected")]
impl StreamVerifier {
    /// The next bytes of the message.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Whether the signature is good for what went by.
    #[must_use]
    pub fn is_good(self) -> bool {
        self.0.finalize_and_verify().is_ok()
    }
}

/// A public key in its one encoding; everything that verification needs is computed once.
#[derive(Clone)]
pub struct PublicKey {
    algorithm: Algorithm,
    spki: Vec<u8>,
    id: Digest,
}

impl PublicKey {
    /// Reads exactly one PEM block `PUBLIC KEY`, white space around it allowed, then as [`PublicKey::from_der`].
    ///
    /// Refuses other files with KEY-FORMAT.
    pub fn from_pem(text: &[u8]) -> Result<Self> {
        let block = check_key_format(text)?;
        Self::from_der(block.bytes.expose())
    }

    /// Reads the DER of a `SubjectPublicKeyInfo`, which must be the one that we write for this key: named curve,
    /// uncompressed point, minimal lengths, nothing behind.
    ///
    /// Refuses with KEY-TYPE a type or size that we do not verify, with KEY-ENCODING any other encoding and a point
    /// off its curve.
    pub fn from_der(spki: &[u8]) -> Result<Self> {
        let info = Info::from_der(spki).map_err(|error| {
            Error::new(Check::KeyEncoding, "").detail("not a SubjectPublicKeyInfo").caused_by(error)
        })?;
        let algorithm = check_key_type(&info)?;
        check_key_encoding(&algorithm, spki)?;
        Ok(Self { algorithm, spki: spki.to_vec(), id: Digest::of(spki) })
    }

    /// The key that belongs to a private key.
    pub(super) fn new(algorithm: Algorithm) -> Self {
        let spki = algorithm.encode().expect("a point that was computed has an encoding");
        let id = Digest::of(&spki);
        Self { algorithm, spki, id }
    }

    /// The key id: SHA-256 of the SPKI DER.
    #[must_use]
    pub fn id(&self) -> Digest {
        self.id
    }

    /// The SPKI DER.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The key as PEM: 64 columns, LF, a final newline.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem::encode(LABEL, &self.spki)
    }

    /// What kind of key it is.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        match &self.algorithm {
            Algorithm::P256(_) => KeyKind::P256,
            Algorithm::P384(_) => KeyKind::P384,
            Algorithm::Ed25519(_) => KeyKind::Ed25519,
            #[cfg(feature = "connected")]
            Algorithm::P521(_) => KeyKind::P521,
            #[cfg(feature = "connected")]
            Algorithm::Rsa(key, _) => KeyKind::Rsa { bits: rsa_bits(key) },
        }
    }

    /// Whether coldsign signs with this kind of key, so that it may stand in a response document.
    #[must_use]
    pub fn may_sign_files(&self) -> bool {
        matches!(self.kind(), KeyKind::P256 | KeyKind::P384 | KeyKind::Ed25519)
    }

    /// KEY-MISMATCH: `beside`, the public key in a file of the private one, is this key: a point, compressed or not, or
    /// the bytes of Ed25519.
    pub(super) fn check_key_mismatch(&self, beside: &[u8]) -> Result<()> {
        let same = match &self.algorithm {
            Algorithm::P256(key) => is_point(key.as_affine(), beside),
            Algorithm::P384(key) => is_point(key.as_affine(), beside),
            Algorithm::Ed25519(key) => key.as_bytes() == beside,
            #[cfg(feature = "connected")]
            Algorithm::P521(key) => is_point(key.as_affine(), beside),
            #[cfg(feature = "connected")]
            Algorithm::Rsa(..) => false,
        };
        if same { Ok(()) } else { Err(Error::new(Check::KeyMismatch, "")) }
    }

    /// Whether `signature` over `message` is good and spelled as in our own files: ECDSA in strict DER only
    /// (docs/format.md 6).
    #[must_use]
    pub fn verify_strict(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.algorithm {
            Algorithm::Ed25519(key) => ed25519(key, message, signature),
            _ => self.verify_digest_strict(&Digest::of(message), signature),
        }
    }

    /// As [`PublicKey::verify_strict`], over the message whose SHA-256 is `sha256`; never for Ed25519, which signs no
    /// hash.
    #[must_use]
    pub fn verify_digest_strict(&self, sha256: &Digest, signature: &[u8]) -> bool {
        match &self.algorithm {
            Algorithm::P256(key) => {
                let parsed = p256::ecdsa::Signature::from_der(signature).ok();
                let spelled = parsed.filter(|parsed| parsed.to_der().as_bytes() == signature);
                ecdsa(key, sha256.as_bytes(), spelled)
            }
            Algorithm::P384(key) => {
                let parsed = p384::ecdsa::Signature::from_der(signature).ok();
                let spelled = parsed.filter(|parsed| parsed.to_der().as_bytes() == signature);
                ecdsa(key, sha256.as_bytes(), spelled)
            }
            Algorithm::Ed25519(_) => false,
            #[cfg(feature = "connected")]
            Algorithm::P521(key) => {
                let parsed = p521::ecdsa::Signature::from_der(signature).ok();
                let spelled = parsed.filter(|parsed| parsed.to_der().as_bytes() == signature);
                ecdsa(key, sha256.as_bytes(), spelled)
            }
            #[cfg(feature = "connected")]
            Algorithm::Rsa(key, padding) => key.verify(padding.clone(), sha256.as_bytes(), signature).is_ok(),
        }
    }

    /// Whether `signature` over `message` is good for `cosign verify --key` without a hash flag (`docs/verification.md`):
    /// SHA-256 whatever the curve, DER or `r || s` (IEEE P1363), S high or low; pure Ed25519; RSA PKCS#1 v1.5 with
    /// SHA-256.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.algorithm {
            Algorithm::Ed25519(key) => ed25519(key, message, signature),
            _ => self.verify_digest(&Digest::of(message), signature),
        }
    }

    /// As [`PublicKey::verify`], over the message whose SHA-256 is `sha256`; never for Ed25519, which signs no hash.
    #[must_use]
    pub fn verify_digest(&self, sha256: &Digest, signature: &[u8]) -> bool {
        self.verify_prehash(sha256.as_bytes(), signature)
    }

    /// The hashes that a signature of a file by this key may be over: SHA-256, and the one of the larger curves, which
    /// cosign 2.6 and 3 take for files. None for Ed25519.
    #[cfg(feature = "connected")]
    #[must_use]
    pub fn hashes(&self) -> &'static [Hash] {
        match self.kind() {
            KeyKind::P256 | KeyKind::Rsa { .. } => &[Hash::Sha256],
            KeyKind::P384 => &[Hash::Sha256, Hash::Sha384],
            KeyKind::P521 => &[Hash::Sha256, Hash::Sha512],
            KeyKind::Ed25519 => &[],
        }
    }

    /// As [`PublicKey::verify_digest`], over a message by one of [`PublicKey::hashes`].
    #[cfg(feature = "connected")]
    #[must_use]
    pub fn verify_hash(&self, hash: Hash, bytes: &[u8], signature: &[u8]) -> bool {
        self.hashes().contains(&hash) && bytes.len() == hash.size() && self.verify_prehash(bytes, signature)
    }

    /// Whether `signature` over `message` is good as certificates and CMS have it, where the hash is named beside the
    /// signature whatever the key (RFC 5754, 5758): ECDSA in strict DER, RSA PKCS#1 v1.5. Never for Ed25519.
    #[cfg(feature = "connected")]
    #[must_use]
    pub fn verify_named(&self, hash: Hash, message: &[u8], signature: &[u8]) -> bool {
        let digest = hash.of(message);
        match &self.algorithm {
            Algorithm::P256(key) => ecdsa(key, &digest, p256::ecdsa::Signature::from_der(signature).ok()),
            Algorithm::P384(key) => ecdsa(key, &digest, p384::ecdsa::Signature::from_der(signature).ok()),
            Algorithm::P521(key) => ecdsa(key, &digest, p521::ecdsa::Signature::from_der(signature).ok()),
            Algorithm::Rsa(key, _) => {
                let padding = match hash {
                    Hash::Sha256 => rsa::Pkcs1v15Sign::new::<sha2::Sha256>(),
                    Hash::Sha384 => rsa::Pkcs1v15Sign::new::<sha2::Sha384>(),
                    Hash::Sha512 => rsa::Pkcs1v15Sign::new::<sha2::Sha512>(),
                };
                key.verify(padding, &digest, signature).is_ok()
            }
            Algorithm::Ed25519(_) => false,
        }
    }

    /// What verifies a message bit by bit: for Ed25519, which signs no hash. `None` for other keys, and where it is
    /// certain that the signature is bad.
    #[cfg(feature = "connected")]
    #[must_use]
    pub fn verify_stream(&self, signature: &[u8]) -> Option<StreamVerifier> {
        let Algorithm::Ed25519(key) = &self.algorithm else { return None };
        let signature = ed25519_dalek::Signature::from_slice(signature).ok()?;
        // As `verify_strict` has it: R is a point, not of small order.
        let point = ed25519_dalek::VerifyingKey::from_bytes(signature.r_bytes()).ok()?;
        (!point.is_weak()).then(|| key.verify_stream(&signature).ok()).flatten().map(StreamVerifier)
    }

    fn verify_prehash(&self, hash: &[u8], signature: &[u8]) -> bool {
        match &self.algorithm {
            Algorithm::P256(key) => {
                let parsed = p256::ecdsa::Signature::from_der(signature).ok();
                let either = parsed.or_else(|| p256::ecdsa::Signature::from_slice(raw(signature)?).ok());
                ecdsa(key, hash, either)
            }
            Algorithm::P384(key) => {
                let parsed = p384::ecdsa::Signature::from_der(signature).ok();
                let either = parsed.or_else(|| p384::ecdsa::Signature::from_slice(raw(signature)?).ok());
                ecdsa(key, hash, either)
            }
            #[cfg(feature = "connected")]
            Algorithm::P521(key) => {
                let parsed = p521::ecdsa::Signature::from_der(signature).ok();
                let either = parsed.or_else(|| p521::ecdsa::Signature::from_slice(raw(signature)?).ok());
                ecdsa(key, hash, either)
            }
            Algorithm::Ed25519(_) => false,
            #[cfg(feature = "connected")]
            Algorithm::Rsa(key, padding) => key.verify(padding.clone(), hash, signature).is_ok(),
        }
    }
}

#[cfg(feature = "connected")]
impl PublicKey {
    /// A signature that [`PublicKey::verify`] takes, in the spelling that every verifier takes: ECDSA in strict DER. `None`
    /// where it is not good.
    #[must_use]
    pub fn spell(&self, message: &[u8], signature: &[u8]) -> Option<Vec<u8>> {
        if !self.verify(message, signature) {
            return None;
        }
        let der = match &self.algorithm {
            Algorithm::P256(_) => {
                let parsed = p256::ecdsa::Signature::from_der(signature);
                parsed
                    .or_else(|_| p256::ecdsa::Signature::from_slice(signature))
                    .ok()?
                    .to_der()
                    .as_bytes()
                    .to_vec()
            }
            Algorithm::P384(_) => {
                let parsed = p384::ecdsa::Signature::from_der(signature);
                parsed
                    .or_else(|_| p384::ecdsa::Signature::from_slice(signature))
                    .ok()?
                    .to_der()
                    .as_bytes()
                    .to_vec()
            }
            Algorithm::P521(_) => {
                let parsed = p521::ecdsa::Signature::from_der(signature);
                parsed
                    .or_else(|_| p521::ecdsa::Signature::from_slice(signature))
                    .ok()?
                    .to_der()
                    .as_bytes()
                    .to_vec()
            }
            Algorithm::Ed25519(_) | Algorithm::Rsa(..) => signature.to_vec(),
        };
        Some(der).filter(|der| self.verify_strict(message, der))
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.spki == other.spki
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({}, {})", self.kind(), self.id)
    }
}

#[derive(Clone)]
pub(super) enum Algorithm {
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    Ed25519(ed25519_dalek::VerifyingKey),
    #[cfg(feature = "connected")]
    P521(p521::ecdsa::VerifyingKey),
    /// The key, and the padding with the DER prefix of SHA-256.
    #[cfg(feature = "connected")]
    Rsa(Box<rsa::RsaPublicKey>, rsa::Pkcs1v15Sign),
}

impl Algorithm {
    fn encode(&self) -> Option<Vec<u8>> {
        let document = match self {
            Self::P256(key) => key.to_public_key_der(),
            Self::P384(key) => key.to_public_key_der(),
            Self::Ed25519(key) => {
                // A key is the encoding of its point: two spellings of one point would be two ids of one key.
                if key.to_edwards().compress().as_bytes() != key.as_bytes() {
                    return None;
                }
                key.to_public_key_der()
            }
            #[cfg(feature = "connected")]
            Self::P521(key) => key.to_public_key_der(),
            #[cfg(feature = "connected")]
            Self::Rsa(key, _) => key.to_public_key_der(),
        };
        document.ok().map(|der| der.as_bytes().to_vec())
    }
}

type Info<'a> = SubjectPublicKeyInfo<AnyRef<'a>, BitStringRef<'a>>;

/// KEY-FORMAT: exactly one PEM block `PUBLIC KEY`.
fn check_key_format(text: &[u8]) -> Result<pem::Block<'_>> {
    let refuse = |line: &str| {
        Error::new(Check::KeyFormat, "")
            .detail(line)
            .hint("a public key is one PEM block: -----BEGIN PUBLIC KEY-----")
    };
    let block = pem::Block::parse(text).map_err(|fault| refuse(fault.line()))?;
    if block.label != LABEL {
        return Err(refuse(&format!("PEM block {}, not {LABEL}", block.label)));
    }
    Ok(block)
}

/// KEY-TYPE: P-256, P-384, Ed25519; on the connected side P-521 and RSA with 2048, 3072 or 4096 bits too.
fn check_key_type(info: &Info<'_>) -> Result<Algorithm> {
    let bytes = info.subject_public_key.raw_bytes();
    let refuse = |what: &str| Err(Error::new(Check::KeyType, what));
    match info.algorithm.oid {
        EC => match info.algorithm.parameters.map(AnyRef::decode_as::<ObjectIdentifier>) {
            Some(Ok(P256)) => p256::ecdsa::VerifyingKey::from_sec1_bytes(bytes)
                .map(Algorithm::P256)
                .map_err(|_| off_curve()),
            Some(Ok(P384)) => p384::ecdsa::VerifyingKey::from_sec1_bytes(bytes)
                .map(Algorithm::P384)
                .map_err(|_| off_curve()),
            #[cfg(feature = "connected")]
            Some(Ok(P521)) => p521::ecdsa::VerifyingKey::from_sec1_bytes(bytes)
                .map(Algorithm::P521)
                .map_err(|_| off_curve()),
            Some(Ok(curve)) => refuse(&name_of_type(curve)),
            Some(Err(_)) | None => {
                Err(Error::new(Check::KeyEncoding, "").detail("the curve is not given by its name"))
            }
        },
        ED25519 => {
            let encoding = || Error::new(Check::KeyEncoding, "").detail("not an Ed25519 public key");
            let bytes = bytes.try_into().map_err(|_| encoding())?;
            let key = ed25519_dalek::VerifyingKey::from_bytes(bytes).map_err(|_| encoding())?;
            if key.is_weak() {
                return refuse("Ed25519 of small order: anybody can sign for it");
            }
            Ok(Algorithm::Ed25519(key))
        }
        #[cfg(feature = "connected")]
        RSA => rsa::pkcs1::RsaPublicKeyRef::from_der(bytes).map_err(not_rsa).and_then(check_rsa),
        other => refuse(&name_of_type(other)),
    }
}

/// KEY-TYPE: RSA of a size and with an exponent that we verify; looked at before anything is computed with them.
#[cfg(feature = "connected")]
pub(super) fn check_rsa(key: rsa::pkcs1::RsaPublicKeyRef<'_>) -> Result<Algorithm> {
    let refuse = |what: &str| Err(Error::new(Check::KeyType, what));
    let bits = |number: &[u8]| {
        let zeros = number.first().map_or(0, |first| first.leading_zeros());
        number.len().saturating_mul(8).saturating_sub(usize::try_from(zeros).unwrap_or(0))
    };
    let modulus = bits(key.modulus.as_bytes());
    if !matches!(modulus, 2048 | 3072 | 4096) {
        return refuse(&format!("RSA with {modulus} bits"));
    }
    if bits(key.public_exponent.as_bytes()) > 31 {
        // Go, hence cosign, takes none that is larger.
        return refuse("RSA with an exponent over 2^31-1");
    }
    let key = rsa::RsaPublicKey::try_from(key).map_err(not_rsa)?;
    Ok(Algorithm::Rsa(Box::new(key), rsa::Pkcs1v15Sign::new::<sha2::Sha256>()))
}

#[cfg(feature = "connected")]
fn not_rsa(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(Check::KeyEncoding, "").detail("not an RSA public key").caused_by(error)
}

/// KEY-ENCODING: the DER is the one that we encode from the parsed key, so that one key has one id (docs/key-format.md).
fn check_key_encoding(algorithm: &Algorithm, spki: &[u8]) -> Result<()> {
    if algorithm.encode().as_deref() == Some(spki) {
        return Ok(());
    }
    Err(Error::new(Check::KeyEncoding, "")
        .detail("expected a named curve, an uncompressed point, minimal DER and nothing behind it")
        .hint("openssl pkey -pubin -in OLD -pubout -ec_conv_form uncompressed -ec_param_enc named_curve -out NEW"))
}

/// What a key with this algorithm or curve is called.
pub(super) fn name_of_type(oid: ObjectIdentifier) -> String {
    let name = match oid {
        P224 => "P-224",
        P256 => "P-256",
        P384 => "P-384",
        P521 => "P-521",
        ED25519 => "Ed25519",
        RSA => "RSA",
        RSA_PSS => "RSA-PSS",
        SECP256K1 => "secp256k1",
        ED448 => "Ed448",
        X25519 => "X25519",
        DSA => "DSA",
        EC => "elliptic curve without a name",
        other => return format!("algorithm {other}"),
    };
    name.to_owned()
}

fn off_curve() -> Error {
    Error::new(Check::KeyEncoding, "").detail("not a point on the curve it names")
}

fn ecdsa<S>(key: &impl PrehashVerifier<S>, hash: &[u8], signature: Option<S>) -> bool {
    signature.is_some_and(|signature| key.verify_prehash(hash, &signature).is_ok())
}

/// Whether `bytes` are `point`, uncompressed or compressed.
fn is_point<C: Curve>(point: &impl ToSec1Point<C>, bytes: &[u8]) -> bool
where
    FieldBytesSize<C>: ModulusSize,
{
    [false, true].into_iter().any(|compress| point.to_sec1_point(compress).as_bytes() == bytes)
}

fn ed25519(key: &ed25519_dalek::VerifyingKey, message: &[u8], signature: &[u8]) -> bool {
    ed25519_dalek::Signature::from_slice(signature)
        .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok())
}

#[cfg(feature = "connected")]
fn rsa_bits(key: &rsa::RsaPublicKey) -> usize {
    use rsa::traits::PublicKeyParts as _;
    usize::try_from(key.n().bits()).unwrap_or(usize::MAX)
}

/// `signature`, where it may be `r || s`: cosign takes it so only when it does not begin with two ASN.1 integers in a
/// sequence, however the rest looks (Go's `asn1.Unmarshal` lets data follow).
fn raw(signature: &[u8]) -> Option<&[u8]> {
    let integers = || -> spki::der::Result<()> {
        let mut outer = SliceReader::new(signature)?;
        let header = Header::decode(&mut outer)?;
        header.tag().assert_eq(Tag::Sequence)?;
        let mut inner = SliceReader::new(outer.read_slice(header.length())?)?;
        IntRef::decode(&mut inner)?;
        IntRef::decode(&mut inner)?;
        Ok(())
    };
    integers().is_err().then_some(signature)
}

/// The PEM label of a public key (RFC 7468, 13).
const LABEL: &str = "PUBLIC KEY";

pub(crate) const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P224: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.33");
pub(crate) const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
pub(crate) const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
pub(crate) const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
pub(super) const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
pub(super) const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const RSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");
const SECP256K1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.10");
const ED448: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.113");
const X25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.110");
const DSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10040.4.1");

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! openssl {
        ($file:literal) => {
            &include_bytes!(concat!("../../fixtures/keys-openssl/", $file))[..]
        };
    }

    fn key(text: &[u8]) -> PublicKey {
        PublicKey::from_pem(text).unwrap()
    }

    fn refused(text: &[u8]) -> Check {
        PublicKey::from_pem(text).unwrap_err().check()
    }

    const MESSAGE: &[u8] = b"coldsign key fixture\n";

    #[cfg(feature = "connected")]
    #[test]
    fn exponents_as_in_go() {
        let with = |exponent: &[u8]| {
            let mut der = key(openssl!("rsa2048.pub")).spki().to_vec();
            // 65537 stands last, in five bytes; a longer one makes four lengths around it grow.
            der.truncate(der.len() - 5);
            der.extend([2, u8::try_from(exponent.len()).unwrap()]);
            der.extend(exponent);
            let grown = u16::try_from(exponent.len() - 3).unwrap();
            for at in [2, 21, 26] {
                let length = u16::from_be_bytes([der[at], der[at + 1]]) + grown;
                der.splice(at..at + 2, length.to_be_bytes());
            }
            PublicKey::from_der(&der).map_err(|error| error.check())
        };
        assert!(with(&[1, 0, 1]).is_ok());
        assert!(with(&[0x7f, 0xff, 0xff, 0xff]).is_ok());
        assert_eq!(with(&[0, 0x80, 0, 0, 1]), Err(Check::KeyType));
        assert_eq!(with(&[0, 1, 0, 1]), Err(Check::KeyEncoding));
    }

    #[test]
    fn one_encoding_one_id() {
        let text = openssl!("p256.pub");
        let key = key(text);
        assert_eq!(key.to_pem().as_bytes(), text);
        assert_eq!(key.id(), Digest::of(key.spki()));
        assert_eq!(PublicKey::from_der(key.spki()).unwrap(), key);
        assert_eq!(format!("{key:?}"), format!("PublicKey(P-256, {})", key.id()));
        for other in
            [openssl!("p256-compressed.pub"), openssl!("p256-hybrid.pub"), openssl!("p256-explicit.pub")]
        {
            assert_eq!(refused(other), Check::KeyEncoding);
        }
        let der = key.spki();
        let mut long = der.to_vec();
        long.splice(1..2, [0x81, 0x59]);
        let mut off = der.to_vec();
        off[90] ^= 1;
        let with_byte = [der, &[0]].concat();
        for bad in [&long[..], &off, &with_byte, &der[..90], &[], b"\x30\x00"] {
            assert_eq!(PublicKey::from_der(bad).unwrap_err().check(), Check::KeyEncoding, "{bad:x?}");
        }
    }

    #[test]
    fn one_block_of_the_right_label() {
        let text = str::from_utf8(openssl!("p256.pub")).unwrap();
        assert!(PublicKey::from_pem(format!("\r\n {text}\n\n").as_bytes()).is_ok());
        let private = openssl!("p256.pem");
        let cut = &text[..100];
        let twice = format!("{text}{text}");
        let after = format!("{text}release key");
        for bad in [&b""[..], b"\xff", private, cut.as_bytes(), twice.as_bytes(), after.as_bytes()] {
            assert_eq!(refused(bad), Check::KeyFormat, "{}", String::from_utf8_lossy(bad));
        }
    }

    #[test]
    fn types_by_name() {
        assert_eq!(key(openssl!("p384.pub")).kind().to_string(), "P-384");
        assert_eq!(key(openssl!("ed25519.pub")).kind().to_string(), "Ed25519");
        for (text, name) in [
            (openssl!("secp256k1.pub"), "secp256k1"),
            (openssl!("ed448.pub"), "Ed448"),
            (openssl!("rsapss.pub"), "RSA-PSS"),
            #[cfg(feature = "connected")]
            (openssl!("rsa1024.pub"), "RSA with 1024 bits"),
            #[cfg(feature = "connected")]
            (openssl!("rsa8192.pub"), "RSA with 8192 bits"),
            #[cfg(not(feature = "connected"))]
            (openssl!("rsa2048.pub"), "RSA"),
            #[cfg(not(feature = "connected"))]
            (openssl!("p521.pub"), "P-521"),
        ] {
            let error = PublicKey::from_pem(text).unwrap_err();
            assert_eq!((error.check(), error.at()), (Check::KeyType, name));
        }
        let mut weak = key(openssl!("ed25519.pub")).spki().to_vec();
        weak[12..].fill(0);
        assert_eq!(PublicKey::from_der(&weak).unwrap_err().check(), Check::KeyType);
        // y = 1 + p: the identity in a second spelling.
        weak[12..].copy_from_slice(&[&[0xee][..], &[0xff; 30], &[0x7f]].concat());
        assert_eq!(PublicKey::from_der(&weak).unwrap_err().check(), Check::KeyType);
        // y = p + 3: a point of the whole group in a second spelling.
        weak[12] = 0xf0;
        assert_eq!(PublicKey::from_der(&weak).unwrap_err().check(), Check::KeyEncoding);
    }

    #[test]
    fn signatures_of_openssl() {
        let rows = [
            (openssl!("p256.pub"), openssl!("p256.sig"), true),
            (openssl!("p384.pub"), openssl!("p384.sig"), true),
            (openssl!("ed25519.pub"), openssl!("ed25519.sig"), true),
            #[cfg(feature = "connected")]
            (openssl!("p521.pub"), openssl!("p521.sig"), true),
            #[cfg(feature = "connected")]
            (openssl!("rsa2048.pub"), openssl!("rsa2048.sig"), true),
            #[cfg(feature = "connected")]
            (openssl!("rsa2048.pub"), openssl!("rsa2048-pss.sig"), false),
            // The hash of the curve's size is what cosign takes with a flag only.
            (openssl!("p384.pub"), openssl!("p384-sha384.sig"), false),
            (openssl!("p256.pub"), openssl!("p384.sig"), false),
        ];
        for (number, (text, signature, good)) in rows.into_iter().enumerate() {
            let key = key(text);
            assert_eq!(key.verify(MESSAGE, signature), good, "row {number}");
            assert_eq!(key.verify_strict(MESSAGE, signature), good, "row {number}");
            assert!(!key.verify(b"another message", signature), "row {number}");
            assert!(!key.verify(MESSAGE, &[signature, &[0]].concat()), "row {number}");
            assert!(!key.verify(MESSAGE, &signature[1..]), "row {number}");
            assert!(!key.verify(MESSAGE, b""), "row {number}");
        }
    }

    #[test]
    fn spellings_of_ecdsa() {
        let key = key(openssl!("p256.pub"));
        let parsed = p256::ecdsa::Signature::from_der(openssl!("p256.sig")).unwrap();
        let other_half = p256::ecdsa::Signature::from_scalars(parsed.r(), -*parsed.s()).unwrap();
        for signature in [parsed, other_half] {
            assert!(key.verify_strict(MESSAGE, signature.to_der().as_bytes()));
            assert!(key.verify(MESSAGE, signature.to_der().as_bytes()));
            // r || s: read as cosign reads it, never in our files.
            assert!(key.verify(MESSAGE, &signature.to_bytes()));
            assert!(!key.verify_strict(MESSAGE, &signature.to_bytes()));
            assert!(!key.verify(MESSAGE, &[&[0], &signature.to_bytes()[..], &[0]].concat()));
        }
        let mut long = openssl!("p256.sig").to_vec();
        long.splice(1..2, [0x81, long[1]]);
        assert!(!key.verify(MESSAGE, &long));
    }

    #[test]
    fn what_go_reads_as_der_is_not_raw() {
        assert_eq!(raw(b"\x30\x06\x02\x01\x01\x02\x01\x01 what follows"), None);
        assert_eq!(raw(b"\x30\x07\x02\x01\x01\x02\x01\x01\x05"), None);
        for good in [
            &b"\x30\x06\x02\x01\x01\x03\x01\x01"[..],
            b"\x31\x06\x02\x01\x01\x02\x01\x01",
            b"\x30\x80",
            b"",
            &[7; 64],
        ] {
            assert_eq!(raw(good), Some(good));
        }
    }
}
