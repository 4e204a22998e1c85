//! Private keys that sign (FIPS 186-5, RFC 6979; docs/key-format.md).

use p256::ecdsa::signature::Signer as _;
use p256::elliptic_curve::sec1::ToSec1Point as _;
use pkcs8::{EncodePrivateKey as _, PrivateKeyInfoRef};
use sec1::{EcParameters, EcPrivateKey};
use spki::ObjectIdentifier;
use spki::der::Decode as _;

use super::public::{self, PublicKey};
use crate::check::Check;
use crate::error::{Error, Result};
use crate::secret::{Random, SecretBytes};

/// Something that signs: a key in memory, later a token.
pub trait Signer: Sync {
    /// The key that verifies what [`Signer::sign`] returns.
    fn public_key(&self) -> &PublicKey;

    /// Signs `message` (hashing it as the kind of key demands): ECDSA in strict DER.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>>;
}

/// A P-256 private key; wiped when dropped.
///
/// Signatures are deterministic (RFC 6979 with SHA-256), in strict DER, S as it comes out.
pub struct SigningKey {
    secret: p256::ecdsa::SigningKey,
    public: PublicKey,
}

impl SigningKey {
    /// A new key from `random`, uniform below the group's order (FIPS 186-5, A.2.2).
    pub fn generate(random: &mut dyn Random) -> Result<Self> {
        let mut candidate = SecretBytes::new(vec![0; 32]);
        // One in 2^32 is out of range; a source that gives ten of them is broken.
        for _ in 0..10 {
            random.fill(candidate.expose_mut())?;
            if let Ok(secret) = p256::ecdsa::SigningKey::from_slice(candidate.expose()) {
                return Ok(Self::new(secret));
            }
        }
        Err(Error::new(Check::RandomSource, "").detail("the random source repeats impossible values"))
    }

    /// Reads a PKCS#8 `PrivateKeyInfo` (RFC 5208, RFC 5958).
    ///
    /// Refuses with KEY-FORMAT what is none (SEC1 by name), with KEY-TYPE another type than P-256, with KEY-DAMAGED a
    /// scalar out of range, with KEY-MISMATCH a public key inside that is not the private one's.
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self> {
        let info = check_key_format(der)?;
        check_key_type(&info)?;
        let inner = EcPrivateKey::from_der(info.private_key.as_bytes()).map_err(|error| {
            Error::new(Check::KeyDamaged, "")
                .detail("the private key inside PKCS#8 is broken")
                .caused_by(error)
        })?;
        if inner.parameters.and_then(EcParameters::named_curve).is_some_and(|curve| curve != P256) {
            return Err(Error::new(Check::KeyDamaged, "").detail("two curves are named"));
        }
        let key = Self::from_ec(&inner)?;
        if let Some(point) = info.public_key {
            key.check_key_mismatch(point.raw_bytes())?;
        }
        Ok(key)
    }

    /// Reads a SEC1 `ECPrivateKey` with a named curve (RFC 5915). Refuses as [`SigningKey::from_pkcs8_der`].
    pub fn from_sec1_der(der: &[u8]) -> Result<Self> {
        let key = EcPrivateKey::from_der(der).map_err(|error| {
            Error::new(Check::KeyDamaged, "").detail("not an ECPrivateKey (RFC 5915)").caused_by(error)
        })?;
        match key.parameters.and_then(EcParameters::named_curve) {
            Some(P256) => Self::from_ec(&key),
            Some(curve) => Err(refuse_type(&public::name_of_type(curve))),
            None => Err(Error::new(Check::KeyFormat, "").detail("the curve is not given by its name")),
        }
    }

    /// The PKCS#8 DER: version 0, named curve, the public key inside, as OpenSSL and Go write it.
    pub fn to_pkcs8_der(&self) -> Result<SecretBytes> {
        let document =
            self.secret.to_pkcs8_der().map_err(|error| Error::new(Check::KeyFormat, "").caused_by(error))?;
        Ok(SecretBytes::new(document.as_bytes().to_vec()))
    }

    fn new(secret: p256::ecdsa::SigningKey) -> Self {
        let public = PublicKey::from_p256(*secret.verifying_key());
        Self { secret, public }
    }

    fn from_ec(key: &EcPrivateKey<'_>) -> Result<Self> {
        let damaged = |_| Error::new(Check::KeyDamaged, "").detail("the private number is out of range");
        let secret = p256::ecdsa::SigningKey::from_slice(key.private_key).map_err(damaged)?;
        let signing = Self::new(secret);
        if let Some(point) = key.public_key {
            signing.check_key_mismatch(point)?;
        }
        Ok(signing)
    }

    /// KEY-MISMATCH: a public key that stands beside the private one is the derived one.
    fn check_key_mismatch(&self, point: &[u8]) -> Result<()> {
        let derived = self.secret.verifying_key().as_affine();
        if [false, true].into_iter().any(|compress| derived.to_sec1_point(compress).as_bytes() == point) {
            return Ok(());
        }
        Err(Error::new(Check::KeyMismatch, ""))
    }
}

impl Signer for SigningKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let signature: p256::ecdsa::Signature =
            self.secret.try_sign(message).map_err(|_| Error::new(Check::SignVerify, ""))?;
        Ok(signature.to_der().as_bytes().to_vec())
    }
}

/// KEY-FORMAT: PKCS#8, not SEC1 or anything else in its place (cosign refuses SEC1 there too).
fn check_key_format(der: &[u8]) -> Result<PrivateKeyInfoRef<'_>> {
    PrivateKeyInfoRef::from_der(der).map_err(|error| {
        let what = if EcPrivateKey::from_der(der).is_ok() {
            "SEC1 stands where PKCS#8 must stand"
        } else {
            "not PKCS#8"
        };
        Error::new(Check::KeyFormat, "").detail(what).caused_by(error)
    })
}

/// KEY-TYPE: this version signs with P-256 only.
fn check_key_type(info: &PrivateKeyInfoRef<'_>) -> Result<()> {
    let algorithm = info.algorithm;
    match algorithm.parameters_oid() {
        Ok(P256) if algorithm.oid == EC => Ok(()),
        Ok(curve) if algorithm.oid == EC => Err(refuse_type(&public::name_of_type(curve))),
        _ => Err(refuse_type(&public::name_of_type(algorithm.oid))),
    }
}

/// The refusal of a private key by the name of its type.
pub(super) fn refuse_type(name: &str) -> Error {
    Error::new(Check::KeyType, name)
        .detail("this version signs with P-256 only; nothing was imported")
        .hint("generate a P-256 key for signing: coldsign-signer key generate NAME")
}

const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::OsRandom;

    /// RFC 6979, A.2.5.
    const SCALAR: [u8; 32] = [
        0xc9, 0xaf, 0xa9, 0xd8, 0x45, 0xba, 0x75, 0x16, 0x6b, 0x5c, 0x21, 0x57, 0x67, 0xb1, 0xd6, 0x93, 0x4e,
        0x50, 0xc3, 0xdb, 0x36, 0xe8, 0x9b, 0x12, 0x7b, 0x8a, 0x62, 0x2b, 0x12, 0x0f, 0x67, 0x21,
    ];
    const SAMPLE: &str = "3046022100efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716\
                          022100f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8";

    fn hex(bytes: &[u8]) -> String {
        use std::fmt::Write as _;
        bytes.iter().fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        })
    }

    #[test]
    fn rfc_6979_bytes() {
        let key = SigningKey::new(p256::ecdsa::SigningKey::from_slice(&SCALAR).unwrap());
        let signature = key.sign(b"sample").unwrap();
        assert_eq!(hex(&signature), SAMPLE);
        assert!(key.public_key().verify_strict(b"sample", &signature));
    }

    #[test]
    fn generated_keys_survive_their_encoding() {
        let key = SigningKey::generate(&mut OsRandom).unwrap();
        let der = key.to_pkcs8_der().unwrap();
        assert_eq!(der.expose().len(), 138);
        let again = SigningKey::from_pkcs8_der(der.expose()).ok().unwrap();
        assert_eq!(again.public_key(), key.public_key());
        assert_eq!(again.sign(b"x").unwrap(), key.sign(b"x").unwrap());
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
        for constant in [0, 0xff] {
            assert_eq!(
                SigningKey::generate(&mut Constant(constant)).err().unwrap().check(),
                Check::RandomSource
            );
        }
        assert!(SigningKey::generate(&mut Constant(1)).is_ok());
    }

    #[test]
    fn pkcs8_by_type_and_state() {
        let read = |text: &[u8]| super::super::pem::Block::parse(text).ok().unwrap().bytes;
        let check = |der: &[u8]| SigningKey::from_pkcs8_der(der).err().map(|error| error.check());
        let good = read(include_bytes!("../../fixtures/keys-openssl/p256.pem"));
        assert_eq!(check(good.expose()), None);
        let public = SigningKey::from_pkcs8_der(good.expose()).ok().unwrap().public_key().to_pem();
        assert_eq!(public.as_bytes(), include_bytes!("../../fixtures/keys-openssl/p256.pub"));

        let p384 = read(include_bytes!("../../fixtures/keys-openssl/p384.pem"));
        let error = SigningKey::from_pkcs8_der(p384.expose()).err().unwrap();
        assert_eq!((error.check(), error.at()), (Check::KeyType, "P-384"));
        assert_eq!(
            check(read(include_bytes!("../../fixtures/keys-openssl/ed25519.pem")).expose()),
            Some(Check::KeyType)
        );
        assert_eq!(
            check(read(include_bytes!("../../fixtures/keys-openssl/rsa2048.pem")).expose()),
            Some(Check::KeyType)
        );
        let sec1 = read(include_bytes!("../../fixtures/keys-openssl/p256-sec1.pem"));
        assert_eq!(check(sec1.expose()), Some(Check::KeyFormat));
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
    }
}
