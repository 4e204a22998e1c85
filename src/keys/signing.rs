//! Private keys that sign (FIPS 186-5, RFC 6979; docs/key-format.md).

use ecdsa::hazmat::sign_prehashed_rfc6979;
use p256::NistP256;
use p384::NistP384;
use pkcs8::{EncodePrivateKey as _, PrivateKeyInfoRef};
use sec1::{EcParameters, EcPrivateKey};
use sha2::Sha256;
use spki::der::asn1::OctetStringRef;
use spki::der::{Decode as _, SecretDocument};
use spki::{AlgorithmIdentifierRef, ObjectIdentifier};

use super::public::{self, PublicKey};
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::secret::{Random, SecretBytes};

/// Something that signs: a key in memory, later a token.
pub trait Signer: Sync {
    /// The key that verifies what [`Signer::sign`] returns.
    fn public_key(&self) -> &PublicKey;

    /// Signs `message` (hashing it as the kind of key demands): ECDSA over its SHA-256 in strict DER, pure Ed25519.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>>;

    /// Signs the message whose SHA-256 is `sha256`, as [`Signer::sign`] would: the bytes are the same.
    ///
    /// Refuses with KEY-TYPE where the kind of key signs no hash: pure Ed25519 reads the message twice.
    fn sign_digest(&self, sha256: &Digest) -> Result<Vec<u8>>;
}

/// The kinds of key that sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SigningKind {
    /// ECDSA on NIST P-256: what every verifier takes.
    #[default]
    P256,
    /// ECDSA on NIST P-384, with SHA-256 too.
    P384,
    /// Pure Ed25519.
    Ed25519,
}

/// A private key; wiped when dropped.
///
/// Signatures are deterministic: ECDSA by RFC 6979 with SHA-256 whatever the curve, in strict DER, S as it comes out;
/// pure Ed25519 (RFC 8032).
pub struct SigningKey {
    secret: Secret,
    public: PublicKey,
}

/// Each of the three wipes itself.
enum Secret {
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    Ed25519(ed25519_dalek::SigningKey),
}

impl SigningKey {
    /// A new key from `random`: on a curve uniform below the group's order (FIPS 186-5, A.2.2), for Ed25519 any 32
    /// bytes (RFC 8032, 5.1.5).
    pub fn generate(kind: SigningKind, random: &mut dyn Random) -> Result<Self> {
        let mut candidate = SecretBytes::new(vec![0; kind.length()]);
        // One in 2^32 is out of range; a source that gives ten of them is broken.
        for _ in 0..10 {
            random.fill(candidate.expose_mut())?;
            if let Some(key) = Self::from_number(kind, candidate.expose()) {
                return Ok(key);
            }
        }
        Err(Error::new(Check::RandomSource, "").detail("the random source repeats impossible values"))
    }

    /// The key of a private number, big-endian, or of a seed; `None` where it is out of range or of another length.
    pub(crate) fn from_number(kind: SigningKind, number: &[u8]) -> Option<Self> {
        Secret::from_number(kind, number).map(Self::new)
    }

    /// Reads a PKCS#8 `PrivateKeyInfo` (RFC 5208, RFC 5958, RFC 8410).
    ///
    /// Refuses with KEY-FORMAT what is none (SEC1 by name), with KEY-TYPE a type that does not sign, with KEY-DAMAGED a
    /// number out of range, with KEY-MISMATCH a public key inside that is not the private one's.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self> {
        let info = check_key_format(der)?;
        let key = match check_key_type(&info)? {
            SigningKind::Ed25519 => Self::from_ed25519(&info)?,
            kind => {
                let inner = EcPrivateKey::from_der(info.private_key.as_bytes())
                    .map_err(|error| damaged("the private key inside PKCS#8 is broken").caused_by(error))?;
                let named = inner.parameters.and_then(EcParameters::named_curve);
                if named.is_some_and(|curve| SigningKind::on_curve(curve) != Some(kind)) {
                    return Err(damaged("two curves are named"));
                }
                Self::from_ec(kind, &inner)?
            }
        };
        if let Some(public) = info.public_key {
            key.public.check_key_mismatch(public.raw_bytes())?;
        }
        Ok(key)
    }

    /// Reads a SEC1 `ECPrivateKey` with a named curve (RFC 5915). Refuses as [`SigningKey::from_pkcs8_der`].
    pub fn from_sec1_der(der: &[u8]) -> Result<Self> {
        let key = EcPrivateKey::from_der(der)
            .map_err(|error| damaged("not an ECPrivateKey (RFC 5915)").caused_by(error))?;
        let curve = key
            .parameters
            .and_then(EcParameters::named_curve)
            .ok_or_else(|| Error::new(Check::KeyFormat, "").detail("the curve is not given by its name"))?;
        let kind = SigningKind::on_curve(curve).ok_or_else(|| refuse_type(&public::name_of_type(curve)))?;
        Self::from_ec(kind, &key)
    }

    /// The PKCS#8 DER as OpenSSL and Go write it: version 0; on a curve with its name and the public key inside.
    pub fn to_pkcs8_der(&self) -> Result<SecretBytes> {
        let document = match &self.secret {
            Secret::P256(key) => key.to_pkcs8_der(),
            Secret::P384(key) => key.to_pkcs8_der(),
            Secret::Ed25519(key) => ed25519_pkcs8(key),
        };
        let document = document.map_err(|error| Error::new(Check::KeyFormat, "").caused_by(error))?;
        Ok(SecretBytes::new(document.as_bytes().to_vec()))
    }

    fn new(secret: Secret) -> Self {
        let public = PublicKey::new(match &secret {
            Secret::P256(key) => public::Algorithm::P256(*key.verifying_key()),
            Secret::P384(key) => public::Algorithm::P384(*key.verifying_key()),
            Secret::Ed25519(key) => public::Algorithm::Ed25519(key.verifying_key()),
        });
        Self { secret, public }
    }

    fn from_ec(kind: SigningKind, key: &EcPrivateKey<'_>) -> Result<Self> {
        let signing = Self::from_number(kind, key.private_key)
            .ok_or_else(|| damaged("the private number is out of range"))?;
        if let Some(point) = key.public_key {
            signing.public.check_key_mismatch(point)?;
        }
        Ok(signing)
    }

    /// The seed stands in an OCTET STRING of its own (RFC 8410, 7), and the algorithm has no parameters (3).
    fn from_ed25519(info: &PrivateKeyInfoRef<'_>) -> Result<Self> {
        if info.algorithm.parameters.is_some() {
            return Err(damaged("Ed25519 with parameters"));
        }
        let seed = <&OctetStringRef>::from_der(info.private_key.as_bytes()).ok();
        seed.and_then(|seed| Self::from_number(SigningKind::Ed25519, seed.as_bytes()))
            .ok_or_else(|| damaged("the private key inside PKCS#8 is broken"))
    }
}

impl Signer for SigningKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        match &self.secret {
            Secret::Ed25519(key) => {
                use ed25519_dalek::Signer as _;
                let signature = key.try_sign(message).map_err(|_| Error::new(Check::SignVerify, ""))?;
                Ok(signature.to_vec())
            }
            Secret::P256(_) | Secret::P384(_) => self.sign_digest(&Digest::of(message)),
        }
    }

    fn sign_digest(&self, sha256: &Digest) -> Result<Vec<u8>> {
        let hash = sha256.as_bytes();
        // The generators of both curves are keyed with SHA-256, the hash of the message (RFC 6979, 3.2): the library's
        // own signer would take the hash of the curve's size.
        match &self.secret {
            Secret::P256(key) => {
                let secret = key.as_nonzero_scalar();
                let (signature, _) = sign_prehashed_rfc6979::<NistP256, Sha256>(secret, hash, &[]);
                Ok(signature.to_der().as_bytes().to_vec())
            }
            Secret::P384(key) => {
                let secret = key.as_nonzero_scalar();
                let (signature, _) = sign_prehashed_rfc6979::<NistP384, Sha256>(secret, hash, &[]);
                Ok(signature.to_der().as_bytes().to_vec())
            }
            Secret::Ed25519(_) => Err(Error::new(Check::KeyType, self.public.kind())
                .detail("pure Ed25519 signs the whole content, it cannot sign a hash alone")
                .hint("use a P-256 key, or let the content travel in the request")),
        }
    }
}

impl SigningKind {
    /// Bytes of the private number or seed.
    fn length(self) -> usize {
        match self {
            Self::P256 | Self::Ed25519 => 32,
            Self::P384 => 48,
        }
    }

    pub(super) fn on_curve(curve: ObjectIdentifier) -> Option<Self> {
        match curve {
            public::P256 => Some(Self::P256),
            public::P384 => Some(Self::P384),
            _ => None,
        }
    }
}

impl Secret {
    /// A private number or seed; `None` where it is out of range or of another length.
    fn from_number(kind: SigningKind, number: &[u8]) -> Option<Self> {
        match kind {
            SigningKind::P256 => p256::ecdsa::SigningKey::from_slice(number).ok().map(Self::P256),
            SigningKind::P384 => p384::ecdsa::SigningKey::from_slice(number).ok().map(Self::P384),
            SigningKind::Ed25519 => {
                number.try_into().ok().map(|seed| Self::Ed25519(ed25519_dalek::SigningKey::from_bytes(seed)))
            }
        }
    }
}

/// KEY-FORMAT: PKCS#8, not SEC1 or anything else in its place (cosign refuses SEC1 there too).
pub(super) fn check_key_format(der: &[u8]) -> Result<PrivateKeyInfoRef<'_>> {
    PrivateKeyInfoRef::from_der(der).map_err(|error| {
        let what = if EcPrivateKey::from_der(der).is_ok() {
            "SEC1 stands where PKCS#8 must stand"
        } else {
            "not PKCS#8"
        };
        Error::new(Check::KeyFormat, "").detail(what).caused_by(error)
    })
}

/// KEY-TYPE: P-256, P-384 and Ed25519 sign.
fn check_key_type(info: &PrivateKeyInfoRef<'_>) -> Result<SigningKind> {
    kind_of(info).map_err(|other| refuse_type(&public::name_of_type(other)))
}

/// The kind of a private key that signs; of another one its curve, or its algorithm.
pub(super) fn kind_of(info: &PrivateKeyInfoRef<'_>) -> Result<SigningKind, ObjectIdentifier> {
    let algorithm = info.algorithm;
    match algorithm.parameters_oid() {
        Ok(curve) if algorithm.oid == public::EC => SigningKind::on_curve(curve).ok_or(curve),
        _ if algorithm.oid == public::ED25519 => Ok(SigningKind::Ed25519),
        _ => Err(algorithm.oid),
    }
}

/// The PKCS#8 of an Ed25519 key without its public key, as OpenSSL and Go write it (RFC 8410, 7).
fn ed25519_pkcs8(key: &ed25519_dalek::SigningKey) -> pkcs8::Result<SecretDocument> {
    let mut inner = SecretBytes::new(Vec::with_capacity(34));
    inner.expose_mut().extend([0x04, 0x20]);
    inner.expose_mut().extend(key.as_bytes());
    let algorithm = AlgorithmIdentifierRef { oid: public::ED25519, parameters: None };
    let info = PrivateKeyInfoRef::new(algorithm, OctetStringRef::new(inner.expose())?);
    Ok(SecretDocument::encode_msg(&info)?)
}

pub(super) fn damaged(line: &str) -> Error {
    Error::new(Check::KeyDamaged, "").detail(line)
}

/// The refusal of a private key by the name of its type.
pub(super) fn refuse_type(name: &str) -> Error {
    Error::new(Check::KeyType, name)
        .detail("keys that sign are P-256, P-384 and Ed25519; nothing was imported")
        .hint("generate a key for signing: coldsign-signer key generate NAME")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::OsRandom;

    fn hex(bytes: &[u8]) -> String {
        use std::fmt::Write as _;
        bytes.iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        })
    }

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    fn key(kind: SigningKind, number: &str) -> SigningKey {
        SigningKey::from_number(kind, &bytes(number)).unwrap()
    }

    const ALL: [SigningKind; 3] = [SigningKind::P256, SigningKind::P384, SigningKind::Ed25519];

    /// RFC 6979, A.2.5 and A.2.6 with SHA-256; r and s are wrapped in DER by hand.
    #[test]
    fn rfc_6979_bytes() {
        let p256 = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";
        let p384 = "6b9d3dad2e1b8c1c05b19875b6659f4de23c3b667bf297ba9aa47740787137d896d5724e4c70a825f872c9ea60d2edf5";
        for (kind, number, message, expected) in [
            (
                SigningKind::P256,
                p256,
                "sample",
                [
                    "3046022100efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716",
                    "022100f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
                ],
            ),
            (
                SigningKind::P256,
                p256,
                "test",
                [
                    "3045022100f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367",
                    "0220019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083",
                ],
            ),
            (
                SigningKind::P384,
                p384,
                "sample",
                [
                    "3065023021b13d1e013c7fa1392d03c5f99af8b30c570c6f98d4ea8e354b63a21d3daa33bde1e888e63355d92fa2b3c36d8fb2cd",
                    "023100f3aa443fb107745bf4bd77cb3891674632068a10ca67e3d45db2266fa7d1feebefdc63eccd1ac42ec0cb8668a4fa0ab0",
                ],
            ),
            (
                SigningKind::P384,
                p384,
                "test",
                [
                    "306402306d6defac9ab64dabafe36c6bf510352a4cc27001263638e5b16d9bb51d451559f918eedaf2293be5b475cc8f0188636b",
                    "02302d46f3becbcc523d5f1a1256bf0c9b024d879ba9e838144c8ba6baeb4b53b47d51ab373f9845c0514eefb14024787265",
                ],
            ),
        ] {
            let key = key(kind, number);
            let signature = key.sign(message.as_bytes()).unwrap();
            assert_eq!(hex(&signature), expected.concat(), "{kind:?} {message}");
            assert_eq!(key.sign_digest(&Digest::of(message.as_bytes())).unwrap(), signature);
            assert!(key.public_key().verify_strict(message.as_bytes(), &signature));
        }
    }

    /// RFC 8032, 7.1, tests 1 to 3.
    #[test]
    fn rfc_8032_bytes() {
        for (seed, public, message, expected) in [
            (
                "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                "",
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
            ),
            (
                "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
                "72",
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
            ),
            (
                "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
                "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
                "af82",
                "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
            ),
        ] {
            let (key, message) = (key(SigningKind::Ed25519, seed), bytes(message));
            assert!(hex(key.public_key().spki()).ends_with(public));
            let signature = key.sign(&message).unwrap();
            assert_eq!(hex(&signature), expected);
            assert!(key.public_key().verify_strict(&message, &signature));
        }
    }

    /// A hash alone: what both curves sign of it, the message verifies, and no other; Ed25519 neither signs nor takes it.
    #[test]
    fn digests_are_signed_as_their_messages() {
        let digest = Digest::of(b"a blob");
        for kind in [SigningKind::P256, SigningKind::P384] {
            let key = SigningKey::generate(kind, &mut OsRandom).unwrap();
            let signature = key.sign_digest(&digest).unwrap();
            let public = key.public_key();
            assert!(public.verify_strict(b"a blob", &signature) && public.verify(b"a blob", &signature));
            assert!(public.verify_digest(&digest, &signature));
            assert!(public.verify_digest_strict(&digest, &signature));
            let other = Digest::of(b"another");
            assert!(!public.verify_digest(&other, &signature));
            assert!(!public.verify_digest_strict(&other, &signature));
        }
        let key = SigningKey::generate(SigningKind::Ed25519, &mut OsRandom).unwrap();
        let error = key.sign_digest(&digest).unwrap_err();
        assert_eq!((error.check(), error.at(), error.exit().code()), (Check::KeyType, "Ed25519", 43));
        // Not even a signature over the 32 bytes of the hash, which is another message.
        let signature = key.sign(digest.as_bytes()).unwrap();
        assert!(key.public_key().verify(digest.as_bytes(), &signature));
        assert!(!key.public_key().verify_digest(&digest, &signature));
        assert!(!key.public_key().verify_digest_strict(&digest, &signature));
    }

    #[test]
    fn generated_keys_survive_their_encoding() {
        for (kind, length) in ALL.into_iter().zip([138, 185, 48]) {
            let key = SigningKey::generate(kind, &mut OsRandom).unwrap();
            let der = key.to_pkcs8_der().unwrap();
            assert_eq!(der.expose().len(), length);
            let again = SigningKey::from_pkcs8_der(der.expose()).ok().unwrap();
            assert_eq!(again.public_key(), key.public_key());
            assert_eq!(again.sign(b"x").unwrap(), key.sign(b"x").unwrap());
        }
    }

    struct Constant(u8);

    impl Random for Constant {
        fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
            buffer.fill(self.0);
            Ok(())
        }
    }

    #[test]
    fn a_broken_source_ends() {
        for kind in [SigningKind::P256, SigningKind::P384] {
            for constant in [0, 0xff] {
                let refused = SigningKey::generate(kind, &mut Constant(constant)).err().unwrap();
                assert_eq!(refused.check(), Check::RandomSource);
            }
            assert!(SigningKey::generate(kind, &mut Constant(1)).is_ok());
        }
    }

    macro_rules! openssl {
        ($file:literal) => {
            super::super::pem::Block::parse(include_bytes!(concat!("../../fixtures/keys-openssl/", $file)))
                .ok()
                .unwrap()
                .bytes
        };
    }

    fn check(der: &[u8]) -> Option<Check> {
        SigningKey::from_pkcs8_der(der).err().map(|error| error.check())
    }

    /// What OpenSSL wrote is read, and written again byte for byte.
    #[test]
    fn pkcs8_of_openssl() {
        for (private, public) in [
            (openssl!("p256.pem"), openssl!("p256.pub")),
            (openssl!("p384.pem"), openssl!("p384.pub")),
            (openssl!("ed25519.pem"), openssl!("ed25519.pub")),
        ] {
            let key = SigningKey::from_pkcs8_der(private.expose()).ok().unwrap();
            assert_eq!(key.public_key().spki(), public.expose());
            assert!(key.to_pkcs8_der().unwrap().expose() == private.expose());
        }
    }

    #[test]
    fn pkcs8_by_type_and_state() {
        let good = openssl!("p256.pem");
        let rsa = SigningKey::from_pkcs8_der(openssl!("rsa2048.pem").expose()).err().unwrap();
        assert_eq!((rsa.check(), rsa.at()), (Check::KeyType, "RSA"));
        assert_eq!(check(openssl!("p256-sec1.pem").expose()), Some(Check::KeyFormat));
        assert_eq!(check(b""), Some(Check::KeyFormat));
        assert_eq!(check(&good.expose()[..100]), Some(Check::KeyFormat));

        let mut other_point = good.expose().to_vec();
        other_point[137] ^= 1;
        assert_eq!(check(&other_point), Some(Check::KeyMismatch));
        let mut zero = good.expose().to_vec();
        zero[36..68].fill(0);
        assert_eq!(check(&zero), Some(Check::KeyDamaged));
        let mut inner = good.expose().to_vec();
        inner[29] = 0x31;
        assert_eq!(check(&inner), Some(Check::KeyDamaged));

        let p384 = openssl!("p384.pem");
        let mut other_point = p384.expose().to_vec();
        other_point[184] ^= 1;
        assert_eq!(check(&other_point), Some(Check::KeyMismatch));
        // Another curve around the number: P-521 is refused by its name, P-256 has no number of 48 bytes.
        let at = p384.expose().windows(5).position(|oid| oid == [0x2b, 0x81, 0x04, 0x00, 0x22]).unwrap();
        let mut p521 = p384.expose().to_vec();
        p521[at + 4] = 0x23;
        let error = SigningKey::from_pkcs8_der(&p521).err().unwrap();
        assert_eq!((error.check(), error.at()), (Check::KeyType, "P-521"));
    }

    /// RFC 8410: no parameters, the seed wrapped once; a public key beside it (RFC 5958) is its own.
    #[test]
    fn pkcs8_of_ed25519() {
        let good = openssl!("ed25519.pem");
        let public = openssl!("ed25519.pub");
        let beside = |key: &[u8]| {
            // Version 1 and [1] IMPLICIT BIT STRING.
            let mut der = good.expose().to_vec();
            der[1] += 35;
            der[4] = 1;
            der.extend([0x81, 0x21, 0x00]);
            der.extend(key);
            check(&der)
        };
        let mut other = public.expose()[12..].to_vec();
        assert_eq!(beside(&other), None);
        other[0] ^= 1;
        assert_eq!(beside(&other), Some(Check::KeyMismatch));
        assert_eq!(beside(&[0; 32]), Some(Check::KeyMismatch));
        let mut parameters = good.expose().to_vec();
        parameters.splice(12..12, [5, 0]);
        (parameters[1], parameters[6]) = (parameters[1] + 2, parameters[6] + 2);
        assert_eq!(check(&parameters), Some(Check::KeyDamaged));
        let mut short = good.expose().to_vec();
        (short[1], short[13], short[15]) = (short[1] - 1, short[13] - 1, short[15] - 1);
        short.pop();
        assert_eq!(check(&short), Some(Check::KeyDamaged));
        let mut bare = good.expose().to_vec();
        bare[14] = 0x03;
        assert_eq!(check(&bare), Some(Check::KeyDamaged));
        assert_eq!(check(good.expose()), None);
    }
}
