//! Sealed keys: coldsign's own key file (`docs/key-format.md`).
//!
//! A PEM block around one RFC 8785 document. Its checksum tells damage from a wrong passphrase before any work; its
//! header (all but the ciphertext and the checksum) is authenticated with the key.

use std::collections::BTreeSet;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use super::derive;
use super::pem;
use super::public::PublicKey;
use super::signing::{Signer as _, SigningKey};
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::json::Value;
use crate::limits;
use crate::secret::{Passphrase, Random, SecretBytes};

/// What a key may sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// In-toto attestations.
    Attestation,
    /// Single files, by their content; by their hash alone where this is the only use.
    Blob,
    /// Simple signing payloads that somebody else wrote.
    CustomPayload,
    /// Images: payloads and statements that coldsign rendered itself.
    Image,
}

impl Use {
    /// Every use, in the order of the document: bytewise by name.
    pub const ALL: [Self; 4] = [Self::Attestation, Self::Blob, Self::CustomPayload, Self::Image];

    /// The name in the document and on the screen.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Attestation => "attestation",
            Self::Blob => "blob",
            Self::CustomPayload => "custom-payload",
            Self::Image => "image",
        }
    }
}

/// What a key may sign: at least one use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uses(BTreeSet<Use>);

impl Uses {
    /// The uses given; `None` when there are none.
    pub fn new(uses: impl IntoIterator<Item = Use>) -> Option<Self> {
        let uses: BTreeSet<Use> = uses.into_iter().collect();
        (!uses.is_empty()).then_some(Self(uses))
    }

    /// The uses in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = Use> {
        self.0.iter().copied()
    }

    /// Whether `wanted` is among them.
    #[must_use]
    pub fn has(&self, wanted: Use) -> bool {
        self.0.contains(&wanted)
    }

    /// These uses, some added and some taken away; `None` when none is left.
    #[must_use]
    pub fn changed(&self, add: &[Use], remove: &[Use]) -> Option<Self> {
        Self::new(self.iter().chain(add.iter().copied()).filter(|one| !remove.contains(one)))
    }

    /// KEY-USES: a key signs nothing outside its uses. `key` names the key.
    pub fn check_key_uses(&self, wanted: Use, key: &str) -> Result<()> {
        if self.has(wanted) {
            return Ok(());
        }
        Err(Error::new(Check::KeyUses, key)
            .detail(format!("wanted {}, the key has {self}; nothing was signed", wanted.name())))
    }

    fn to_value(&self) -> Value {
        Value::Array(self.iter().map(|one| text(one.name())).collect())
    }

    fn from_value(value: &Value) -> Option<Self> {
        let names: Vec<&str> = value.as_array()?.iter().map(Value::as_str).collect::<Option<_>>()?;
        let find = |name: &str| Use::ALL.into_iter().find(|one| one.name() == name);
        let uses = Self::new(names.iter().map(|name| find(name)).collect::<Option<Vec<_>>>()?)?;
        // One spelling: sorted, each once.
        uses.iter().map(Use::name).eq(names).then_some(uses)
    }
}

impl Default for Uses {
    fn default() -> Self {
        Self(BTreeSet::from([Use::Image]))
    }
}

impl fmt::Display for Uses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.iter().map(Use::name).collect();
        f.write_str(&names.join(", "))
    }
}

/// scrypt's N: a power of two from 2^15 to 2^20.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cost {
    log_n: u8,
}

impl Cost {
    /// 2^17: 128 MiB, half a second.
    pub const DEFAULT: Self = Self { log_n: 17 };

    /// KEY-PARAMETERS: N is a power of two from 2^15 to 2^20.
    pub fn new(n: u64) -> Result<Self> {
        let log_n = (15_u8..=20).find(|log_n| 1 << log_n == n);
        log_n.map(|log_n| Self { log_n }).ok_or_else(|| {
            Error::new(Check::KeyParameters, format!("scrypt N={n}"))
                .detail("allowed: powers of two from 32768 to 1048576")
        })
    }

    /// N itself.
    #[must_use]
    pub fn n(self) -> u64 {
        1 << self.log_n
    }
}

/// A sealed key: its checksum is right and its parameters are within bounds. What the header says is **not proven**
/// before [`SealedKey::unlock`].
pub struct SealedKey {
    public: PublicKey,
    uses: Uses,
    comment: String,
    cost: Cost,
    salt: [u8; 32],
    nonce: [u8; 24],
    ciphertext: Vec<u8>,
}

impl SealedKey {
    /// Reads a key file.
    ///
    /// Refuses with KEY-FORMAT another kind or version of file, with KEY-DAMAGED one whose checksum or structure is
    /// broken, with KEY-PARAMETERS another key derivation or cipher or a cost out of bounds, with KEY-MISMATCH a key
    /// id that is not the public key's.
    pub fn from_pem(file: &[u8]) -> Result<Self> {
        let document = check_key_format(file)?;
        let document = check_key_damaged(document.expose())?;
        check_version(&document)?;
        let read = || {
            let kdf = document.get("kdf")?;
            let cipher = document.get("cipher")?;
            has_members(&document, &MEMBERS).then_some(())?;
            has_members(kdf, &["N", "name", "p", "r", "salt"]).then_some(())?;
            has_members(cipher, &["name", "nonce"]).then_some(())?;
            let comment = document.get("comment")?.as_str().filter(|comment| is_comment(comment))?;
            Some(Parts {
                comment: comment.to_owned(),
                uses: Uses::from_value(document.get("uses")?)?,
                kdf: (kdf.get("name")?.as_str()?, kdf.get("N")?.as_integer()?),
                block: (kdf.get("r")?.as_integer()?, kdf.get("p")?.as_integer()?),
                cipher: cipher.get("name")?.as_str()?,
                salt: decode(kdf.get("salt")?)?.try_into().ok()?,
                nonce: decode(cipher.get("nonce")?)?.try_into().ok()?,
                ciphertext: decode(document.get("ciphertext")?)?,
                public: decode(document.get("publicKey")?)?,
                id: Digest::parse(document.get("keyId")?.as_str()?).ok()?,
            })
        };
        let parts = read().ok_or_else(|| damaged("a member is missing, unknown or of the wrong form"))?;
        let cost = check_key_parameters(&parts)?;
        let public = PublicKey::from_der(&parts.public)?;
        if public.id() != parts.id {
            return Err(Error::new(Check::KeyMismatch, "").detail("keyId is not the digest of publicKey"));
        }
        let Parts { comment, uses, salt, nonce, ciphertext, .. } = parts;
        Ok(Self { public, uses, comment, cost, salt, nonce, ciphertext })
    }

    /// Seals `key` under `passphrase`, with a new salt and nonce from `random`; nothing is taken from an older file.
    ///
    /// Refuses with PASSPHRASE-EMPTY an empty passphrase, with DOCUMENT-STRING a comment with control characters or
    /// more than 4 KiB.
    pub fn seal(
        key: &SigningKey,
        uses: Uses,
        comment: &str,
        passphrase: &Passphrase,
        cost: Cost,
        random: &mut dyn Random,
    ) -> Result<Self> {
        passphrase.check_passphrase_empty()?;
        if !is_comment(comment) {
            return Err(Error::new(Check::DocumentString, "comment"));
        }
        let (mut salt, mut nonce) = ([0; 32], [0; 24]);
        random.fill(&mut salt)?;
        random.fill(&mut nonce)?;
        let public = key.public_key().clone();
        let mut sealed =
            Self { public, uses, comment: comment.to_owned(), cost, salt, nonce, ciphertext: Vec::new() };
        let plain = key.to_pkcs8_der()?;
        let payload = Payload { msg: plain.expose(), aad: &sealed.associated_data() };
        sealed.ciphertext = sealed
            .cipher(passphrase)?
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| Error::new(Check::KeyFormat, "").detail("the key cannot be encrypted"))?;
        Ok(sealed)
    }

    /// Opens the key, and demands that it is the one of the header.
    ///
    /// Refuses with KEY-PASSPHRASE a wrong passphrase (or a header that was exchanged together with its checksum),
    /// with KEY-MISMATCH a header that names another public key, with KEY-TYPE a type this version does not sign with.
    pub fn unlock(&self, passphrase: &Passphrase) -> Result<SigningKey> {
        let payload = Payload { msg: &self.ciphertext, aad: &self.associated_data() };
        let plain = self
            .cipher(passphrase)?
            .decrypt(&XNonce::from(self.nonce), payload)
            .map_err(|_| Error::new(Check::KeyPassphrase, ""))?;
        let plain = SecretBytes::new(plain);
        let key = SigningKey::from_pkcs8_der(plain.expose())?;
        if key.public_key() != &self.public {
            return Err(Error::new(Check::KeyMismatch, "").detail("the header names another public key"));
        }
        Ok(key)
    }

    /// The key file: 64 columns, a final newline.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let mut members = self.header();
        members.push(("ciphertext", text(BASE64.encode(&self.ciphertext))));
        let checksum = Digest::of(&document(members.clone()));
        members.push(("checksum", text(checksum)));
        pem::encode(LABEL, &document(members))
    }

    /// The public key that the header names; proven by [`SealedKey::unlock`] only.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// What the key may sign; proven by [`SealedKey::unlock`] only.
    #[must_use]
    pub fn uses(&self) -> &Uses {
        &self.uses
    }

    /// The person's note; foreign text, proven by [`SealedKey::unlock`] only.
    #[must_use]
    pub fn comment(&self) -> &str {
        &self.comment
    }

    /// The cost of one try of a passphrase.
    #[must_use]
    pub fn cost(&self) -> Cost {
        self.cost
    }

    fn cipher(&self, passphrase: &Passphrase) -> Result<XChaCha20Poly1305> {
        let key = derive::scrypt_key(passphrase, &self.salt, self.cost.log_n)?;
        Ok(XChaCha20Poly1305::new((&*key).into()))
    }

    fn associated_data(&self) -> Vec<u8> {
        document(self.header())
    }

    fn header(&self) -> Vec<(&'static str, Value)> {
        let kdf = [
            ("name", text(SCRYPT)),
            ("N", Value::Integer(self.cost.n())),
            ("r", Value::Integer(R)),
            ("p", Value::Integer(P)),
            ("salt", text(BASE64.encode(self.salt))),
        ];
        let cipher = [("name", text(CIPHER)), ("nonce", text(BASE64.encode(self.nonce)))];
        vec![
            ("version", Value::Integer(VERSION)),
            ("publicKey", text(BASE64.encode(self.public.spki()))),
            ("keyId", text(self.public.id())),
            ("uses", self.uses.to_value()),
            ("comment", text(&self.comment)),
            ("kdf", object(kdf)),
            ("cipher", object(cipher)),
        ]
    }
}

/// Whether a file says of itself, by its label, that it is a sealed key.
#[must_use]
pub fn is_sealed(file: &[u8]) -> bool {
    file.trim_ascii_start().starts_with(b"-----BEGIN COLDSIGN SEALED PRIVATE KEY-----")
}

struct Parts<'a> {
    comment: String,
    uses: Uses,
    kdf: (&'a str, u64),
    block: (u64, u64),
    cipher: &'a str,
    salt: [u8; 32],
    nonce: [u8; 24],
    ciphertext: Vec<u8>,
    public: Vec<u8>,
    id: Digest,
}

/// KEY-FORMAT: exactly one PEM block with our label.
fn check_key_format(file: &[u8]) -> Result<SecretBytes> {
    let refuse = |line: String| Error::new(Check::KeyFormat, "").detail(line);
    match pem::Block::parse(file) {
        Ok(block) if block.label == LABEL => Ok(block.bytes),
        Ok(block) => Err(refuse(format!("PEM block {}, not {LABEL}", block.label))),
        Err(pem::Fault::Broken { label: LABEL }) => {
            Err(damaged("the PEM block is cut off or its base64 is broken"))
        }
        Err(fault) => Err(refuse(fault.line().to_owned())),
    }
}

/// KEY-DAMAGED: the bytes are an RFC 8785 document whose checksum is the SHA-256 of the rest. This holds for every
/// version.
fn check_key_damaged(bytes: &[u8]) -> Result<Value> {
    let value = Value::parse_document(bytes)
        .map_err(|error| damaged("not the document of a sealed key").caused_by(error))?;
    let Value::Object(members) = &value else { return Err(damaged("not the document of a sealed key")) };
    let rest: Vec<_> = members.iter().filter(|(name, _)| name != "checksum").cloned().collect();
    let found = Digest::of(&Value::Object(rest).to_canonical());
    if value.get("checksum").and_then(Value::as_str) != Some(found.to_string().as_str()) {
        return Err(damaged("the checksum is wrong"));
    }
    Ok(value)
}

/// KEY-FORMAT: version 1; a later one is not damage.
fn check_version(document: &Value) -> Result<()> {
    match document.get("version").and_then(Value::as_integer) {
        Some(VERSION) => Ok(()),
        Some(other) => {
            Err(Error::new(Check::KeyFormat, "")
                .detail(format!("sealed key of version {other}, not {VERSION}")))
        }
        None => Err(damaged("a member is missing, unknown or of the wrong form")),
    }
}

/// KEY-PARAMETERS: scrypt with N from 2^15 to 2^20, r 8, p 1, and XChaCha20-Poly1305; before any work (docs/key-format.md).
fn check_key_parameters(parts: &Parts<'_>) -> Result<Cost> {
    let refuse = |what: String| Err(Error::new(Check::KeyParameters, what));
    match (parts.kdf, parts.block, parts.cipher) {
        ((SCRYPT, n), (R, P), CIPHER) => Cost::new(n),
        ((SCRYPT, _), (R, P), cipher) => refuse(format!("cipher {cipher}")),
        ((SCRYPT, n), (r, p), _) => refuse(format!("scrypt N={n} r={r} p={p}")),
        ((kdf, _), _, _) => refuse(format!("key derivation {kdf}")),
    }
}

fn damaged(line: &str) -> Error {
    Error::new(Check::KeyDamaged, "").detail(line).hint("restore the file from the backup")
}

fn is_comment(comment: &str) -> bool {
    comment.len() <= limits::STRING && !comment.chars().any(|one| one.is_ascii_control())
}

fn has_members(value: &Value, names: &[&str]) -> bool {
    // The document is canonical, so the names are sorted and stand once.
    value
        .as_object()
        .is_some_and(|members| members.iter().map(|(name, _)| name.as_str()).eq(names.iter().copied()))
}

fn decode(value: &Value) -> Option<Vec<u8>> {
    BASE64.decode(value.as_str()?).ok()
}

fn text(value: impl fmt::Display) -> Value {
    Value::String(value.to_string())
}

fn object<'a>(members: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

fn document(members: Vec<(&str, Value)>) -> Vec<u8> {
    object(members).to_canonical()
}

/// The PEM label of a sealed key.
pub(super) const LABEL: &str = "COLDSIGN SEALED PRIVATE KEY";
const VERSION: u64 = 1;
const SCRYPT: &str = "scrypt";
const CIPHER: &str = "xchacha20-poly1305";
const R: u64 = 8;
const P: u64 = 1;
/// The members of the document in RFC 8785's order.
const MEMBERS: [&str; 9] =
    ["checksum", "cipher", "ciphertext", "comment", "kdf", "keyId", "publicKey", "uses", "version"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::signing::SigningKind;
    use crate::secret::OsRandom;

    const LOW: Cost = Cost { log_n: 15 };

    fn passphrase() -> Passphrase {
        Passphrase::new(b"paper and stick".to_vec())
    }

    /// 0, 1, 2, …
    struct Counting(u8);

    impl Random for Counting {
        fn fill(&mut self, buffer: &mut [u8]) -> Result<()> {
            for byte in buffer {
                *byte = self.0;
                self.0 += 1;
            }
            Ok(())
        }
    }

    #[test]
    fn the_vector_of_the_page() {
        let vector = include_str!("../../fixtures/keys-sealed/vector.key");
        let page = include_str!("../../docs/key-format.md");
        assert!(page.contains(vector));
        let sealed = SealedKey::from_pem(vector.as_bytes()).ok().unwrap();
        assert!(page.contains(&sealed.public_key().id().to_string()));
        assert_eq!(sealed.comment(), "test vector: trust it nowhere");
        assert_eq!(sealed.uses(), &Uses::default());
        assert_eq!(sealed.cost(), LOW);
        assert_eq!(sealed.to_pem(), vector);
        let key = sealed.unlock(&passphrase()).ok().unwrap();
        let again =
            SealedKey::seal(&key, Uses::default(), sealed.comment(), &passphrase(), LOW, &mut Counting(0))
                .ok()
                .unwrap();
        assert_eq!(again.to_pem(), vector);
    }

    #[test]
    fn a_seal_repeats_nothing() {
        let key = SigningKey::generate(SigningKind::P256, &mut OsRandom).ok().unwrap();
        let seal =
            || SealedKey::seal(&key, Uses::default(), "", &passphrase(), LOW, &mut OsRandom).ok().unwrap();
        let (one, two) = (seal(), seal());
        assert_ne!(one.salt, two.salt);
        assert_ne!(one.nonce, two.nonce);
        assert_ne!(one.ciphertext, two.ciphertext);
        assert_eq!(one.ciphertext.len(), 138 + 16);
        for sealed in [one, two] {
            assert_eq!(sealed.unlock(&passphrase()).ok().unwrap().public_key(), key.public_key());
        }
    }

    #[test]
    fn what_is_not_sealed() {
        let key = SigningKey::generate(SigningKind::P256, &mut OsRandom).ok().unwrap();
        let seal = |comment: &str, passphrase: &[u8]| {
            let passphrase = Passphrase::new(passphrase.to_vec());
            SealedKey::seal(&key, Uses::default(), comment, &passphrase, LOW, &mut OsRandom)
                .err()
                .map(|error| error.check())
        };
        assert_eq!(seal("", b""), Some(Check::PassphraseEmpty));
        assert_eq!(seal("", b"\n"), None);
        assert_eq!(seal("two\nlines", b"x"), Some(Check::DocumentString));
        assert_eq!(seal(&"x".repeat(4097), b"x"), Some(Check::DocumentString));
        assert_eq!(seal(&"x".repeat(4096), b"x"), None);
    }

    /// A file whose seal is good, by somebody who has the passphrase, but whose header names another key.
    #[test]
    fn the_header_names_the_key_inside() {
        let key = SigningKey::generate(SigningKind::P256, &mut OsRandom).ok().unwrap();
        let other = SigningKey::generate(SigningKind::P256, &mut OsRandom).ok().unwrap();
        let mut sealed =
            SealedKey::seal(&key, Uses::default(), "", &passphrase(), LOW, &mut OsRandom).ok().unwrap();
        sealed.public = other.public_key().clone();
        let aad = sealed.associated_data();
        let plain = key.to_pkcs8_der().ok().unwrap();
        let payload = Payload { msg: plain.expose(), aad: &aad };
        let cipher = sealed.cipher(&passphrase()).ok().unwrap();
        sealed.ciphertext = cipher.encrypt(&XNonce::from(sealed.nonce), payload).unwrap();
        let read = SealedKey::from_pem(sealed.to_pem().as_bytes()).ok().unwrap();
        assert_eq!(read.unlock(&passphrase()).err().unwrap().check(), Check::KeyMismatch);
    }

    #[test]
    fn costs() {
        for log_n in 15..=20 {
            assert_eq!(Cost::new(1 << log_n).unwrap().n(), 1 << log_n);
        }
        for bad in [0, 1, 2, 1 << 14, (1 << 15) + 1, 98_304, 1 << 21, 1 << 62, u64::MAX] {
            assert_eq!(Cost::new(bad).unwrap_err().check(), Check::KeyParameters, "{bad}");
        }
        assert_eq!(Cost::DEFAULT.n(), 131_072);
    }

    #[test]
    fn uses_are_all_there_is() {
        let uses = Uses::new([Use::Image, Use::Attestation, Use::Image]).unwrap();
        assert_eq!(uses.to_string(), "attestation, image");
        assert!(uses.check_key_uses(Use::Image, "release").is_ok());
        let error = uses.check_key_uses(Use::Blob, "release").unwrap_err();
        assert_eq!((error.check(), error.at(), error.exit().code()), (Check::KeyUses, "release", 30));
        assert_eq!(Uses::new([]), None);
        let changed = uses.changed(&[Use::Blob], &[Use::Attestation, Use::CustomPayload]).unwrap();
        assert_eq!(changed.to_string(), "blob, image");
        assert_eq!(uses.changed(&[Use::Image], &[]), Some(uses.clone()));
        assert_eq!(uses.changed(&[], &[Use::Image, Use::Attestation]), None);
        assert_eq!(Uses::default().to_string(), "image");
        assert!(Use::ALL.is_sorted_by_key(|one| one.name()));
    }
}
