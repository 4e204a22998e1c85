//! The public key of a private one, of every type that verifies: for the connected side, which never signs.

use sec1::{EcParameters, EcPrivateKey};
use spki::der::Decode as _;
use spki::{EncodePublicKey as _, ObjectIdentifier};

use super::public::{self, PublicKey};
use super::signing::{self, Signer as _, SigningKey, SigningKind};
use crate::check::Check;
use crate::error::{Error, Result};

/// Of a PKCS#8 `PrivateKeyInfo`. Refuses as [`SigningKey::from_pkcs8_der`], other types with KEY-TYPE.
pub(super) fn of_pkcs8(der: &[u8]) -> Result<PublicKey> {
    let info = signing::check_key_format(der)?;
    let inner = info.private_key.as_bytes();
    match signing::kind_of(&info) {
        Ok(_) => SigningKey::from_pkcs8_der(der).map(|key| key.public_key().clone()),
        Err(public::P521) => {
            let key = p521(&EcPrivateKey::from_der(inner).map_err(|error| {
                signing::damaged("the private key inside PKCS#8 is broken").caused_by(error)
            })?)?;
            info.public_key.map_or(Ok(()), |point| key.check_key_mismatch(point.raw_bytes()))?;
            Ok(key)
        }
        Err(public::RSA) => of_pkcs1(inner),
        Err(other) => Err(refuse_type(other)),
    }
}

/// Of a SEC1 `ECPrivateKey` with a named curve. Refuses as [`SigningKey::from_sec1_der`], other curves with KEY-TYPE.
pub(super) fn of_sec1(der: &[u8]) -> Result<PublicKey> {
    let key = EcPrivateKey::from_der(der)
        .map_err(|error| signing::damaged("not an ECPrivateKey (RFC 5915)").caused_by(error))?;
    match key.parameters.and_then(EcParameters::named_curve) {
        Some(public::P521) => p521(&key),
        Some(curve) if SigningKind::on_curve(curve).is_none() => Err(refuse_type(curve)),
        _ => SigningKey::from_sec1_der(der).map(|key| key.public_key().clone()),
    }
}

/// Of a PKCS#1 `RSAPrivateKey` (RFC 8017, A.1.2) of two primes.
///
/// Refuses with KEY-TYPE a size that does not verify, with KEY-DAMAGED what is broken, with KEY-MISMATCH numbers that do
/// not belong together.
pub(super) fn of_pkcs1(der: &[u8]) -> Result<PublicKey> {
    let key = rsa::pkcs1::RsaPrivateKeyRef::from_der(der)
        .map_err(|error| signing::damaged("not an RSAPrivateKey (RFC 8017)").caused_by(error))?;
    let public = PublicKey::new(public::check_rsa(key.public_key())?);
    rsa::RsaPrivateKey::try_from(key).map_err(|error| Error::new(Check::KeyMismatch, "").caused_by(error))?;
    Ok(public)
}

fn p521(key: &EcPrivateKey<'_>) -> Result<PublicKey> {
    let damaged = |_| signing::damaged("the private number is out of range");
    let secret = p521::SecretKey::from_slice(key.private_key).map_err(damaged)?;
    let spki = secret
        .public_key()
        .to_public_key_der()
        .map_err(|error| Error::new(Check::KeyEncoding, "").caused_by(error))?;
    let public = PublicKey::from_der(spki.as_bytes())?;
    key.public_key.map_or(Ok(()), |point| public.check_key_mismatch(point))?;
    Ok(public)
}

fn refuse_type(other: ObjectIdentifier) -> Error {
    Error::new(Check::KeyType, public::name_of_type(other))
        .detail("keys that verify are P-256, P-384, P-521, Ed25519 and RSA")
}
