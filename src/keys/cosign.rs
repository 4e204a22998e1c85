//! cosign's encrypted key files: scrypt and NaCl's secretbox around PKCS#8 (`docs/key-format.md`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use poly1305::Poly1305;
use poly1305::universal_hash::KeyInit as _;
use salsa20::XSalsa20;
use salsa20::cipher::{KeyIvInit as _, StreamCipher as _};
use subtle::ConstantTimeEq as _;

use super::derive;
use super::pem;
use super::signing::SigningKey;
use crate::check::Check;
use crate::error::{Error, Result};
use crate::format::json::{Names, Value};
use crate::limits;
use crate::secret::{Passphrase, Random, SecretBytes};

/// The labels that cosign reads; it writes the second one.
pub(super) const LABELS: [&str; 2] = ["ENCRYPTED COSIGN PRIVATE KEY", LABEL];

/// Writes `key` in cosign's format, as cosign itself does today: scrypt N=65536, r=8, p=1.
///
/// The format has no uses: whoever holds the file signs anything. Refuses with PASSPHRASE-EMPTY an empty passphrase.
pub fn to_pem(key: &SigningKey, passphrase: &Passphrase, random: &mut dyn Random) -> Result<SecretBytes> {
    passphrase.check_passphrase_empty()?;
    let (mut salt, mut nonce) = ([0; 32], [0; 24]);
    random.fill(&mut salt)?;
    random.fill(&mut nonce)?;
    let derived = derive::scrypt_key(passphrase, &salt, WRITTEN_LOG_N)?;
    let sealed = secretbox_seal(&derived, &nonce, key.to_pkcs8_der()?.expose());
    let envelope = format!(
        "{{\"kdf\":{{\"name\":\"scrypt\",\"params\":{{\"N\":{},\"r\":8,\"p\":1}},\"salt\":\"{}\"}},\
         \"cipher\":{{\"name\":\"nacl/secretbox\",\"nonce\":\"{}\"}},\"ciphertext\":\"{}\"}}",
        1_u64 << WRITTEN_LOG_N,
        BASE64.encode(salt),
        BASE64.encode(nonce),
        BASE64.encode(sealed),
    );
    Ok(SecretBytes::new(pem::encode(LABEL, envelope.as_bytes()).into_bytes()))
}

/// Opens the envelope inside the PEM block: what is inside should be PKCS#8.
///
/// Refuses with KEY-DAMAGED what is no such envelope, with KEY-PARAMETERS other names or scrypt parameters than
/// cosign's three (before any work), with KEY-PASSPHRASE-DAMAGED what does not open.
pub(super) fn open(envelope: &[u8], passphrase: &Passphrase) -> Result<SecretBytes> {
    let broken = || Error::new(Check::KeyDamaged, "").detail("not cosign's encrypted envelope");
    let value = Value::parse(envelope, limits::DEPTH_EVIDENCE, Names::Exact)
        .map_err(|error| broken().caused_by(error))?;
    let kdf = value.get("kdf").ok_or_else(broken)?;
    let cipher = value.get("cipher").ok_or_else(broken)?;
    let log_n = check_key_parameters(kdf, cipher)?;
    let bytes =
        |value: Option<&Value>| value.and_then(Value::as_str).and_then(|text| BASE64.decode(text).ok());
    let salt = bytes(kdf.get("salt")).ok_or_else(broken)?;
    let nonce =
        bytes(cipher.get("nonce")).and_then(|nonce| <[u8; 24]>::try_from(nonce).ok()).ok_or_else(broken)?;
    let ciphertext = bytes(value.get("ciphertext")).ok_or_else(broken)?;
    let derived = derive::scrypt_key(passphrase, &salt, log_n)?;
    secretbox_open(&derived, &nonce, &ciphertext).ok_or_else(|| Error::new(Check::KeyPassphraseDamaged, ""))
}

/// NaCl's `crypto_secretbox`: a 16-byte tag, then the ciphertext.
pub(crate) fn secretbox_seal(key: &[u8; 32], nonce: &[u8; 24], message: &[u8]) -> Vec<u8> {
    let (mut stream, tagger) = secretbox(key, nonce);
    let mut sealed = vec![0; TAG];
    sealed.extend_from_slice(message);
    let (tag, body) = sealed.split_at_mut(TAG);
    stream.apply_keystream(body);
    tag.copy_from_slice(&tagger.compute_unpadded(body));
    sealed
}

/// NaCl's `crypto_secretbox_open`; the tag is compared in constant time.
pub(crate) fn secretbox_open(key: &[u8; 32], nonce: &[u8; 24], sealed: &[u8]) -> Option<SecretBytes> {
    let (tag, body) = sealed.split_at_checked(TAG)?;
    let (mut stream, tagger) = secretbox(key, nonce);
    if !bool::from(tagger.compute_unpadded(body).as_slice().ct_eq(tag)) {
        return None;
    }
    let mut plain = SecretBytes::new(body.to_vec());
    stream.apply_keystream(plain.expose_mut());
    Some(plain)
}

/// The stream behind its first 32 bytes, which key the tag.
fn secretbox(key: &[u8; 32], nonce: &[u8; 24]) -> (XSalsa20, Poly1305) {
    let mut stream = XSalsa20::new(key.into(), nonce.into());
    let mut tag_key = zeroize::Zeroizing::new([0; 32]);
    stream.apply_keystream(tag_key.as_mut_slice());
    (stream, Poly1305::new((&*tag_key).into()))
}

/// KEY-PARAMETERS: exactly cosign's names and its three scrypt settings; returns log2 N.
fn check_key_parameters(kdf: &Value, cipher: &Value) -> Result<u8> {
    let refuse = |what: String| Err(Error::new(Check::KeyParameters, what));
    let number = |name| kdf.get("params").and_then(|params| params.get(name)).and_then(Value::as_integer);
    match (kdf.get("name").and_then(Value::as_str), cipher.get("name").and_then(Value::as_str)) {
        (Some("scrypt"), Some("nacl/secretbox")) => {}
        (Some("scrypt"), other) => return refuse(format!("cipher {}", other.unwrap_or("without a name"))),
        (other, _) => return refuse(format!("key derivation {}", other.unwrap_or("without a name"))),
    }
    match (number("N"), number("r"), number("p")) {
        (Some(32_768), Some(8), Some(1)) => Ok(15),
        (Some(65_536), Some(8), Some(1)) => Ok(16),
        (Some(131_072), Some(8), Some(1)) => Ok(17),
        _ => refuse("scrypt parameters other than cosign's: N 32768, 65536 or 131072, r 8, p 1".to_owned()),
    }
}

const LABEL: &str = "ENCRYPTED SIGSTORE PRIVATE KEY";
const WRITTEN_LOG_N: u8 = 16;
const TAG: usize = 16;
