//! Private keys that other tools wrote: cosign's, PKCS#8 plain and PBES2 (RFC 5958, RFC 8018), SEC1 (RFC 5915), PKCS#1
//! (RFC 8017).

use pkcs8::pkcs5;
use spki::AlgorithmIdentifierRef;
use spki::der::asn1::OctetStringRef;
use spki::der::{Decode as _, Reader as _, SliceReader};

use super::pem::{Block, Fault};
#[cfg(feature = "connected")]
use super::public::PublicKey;
use super::signing::{self, SigningKey};
#[cfg(feature = "connected")]
use super::verifying;
use super::{cosign, derive, sealed};
use crate::check::Check;
use crate::error::{Error, Result};
use crate::limits;
use crate::secret::{Passphrase, SecretBytes};

/// Opens a key file of another tool, whatever its format. `passphrase` is not used for a plain one.
///
/// Refuses as [`ForeignKey::from_pem`] and [`ForeignKey::open`] do.
pub fn open_foreign(file: &[u8], passphrase: Option<&Passphrase>) -> Result<SigningKey> {
    ForeignKey::from_pem(file)?.open(passphrase)
}

/// What a PEM label says a key file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForeignFormat {
    /// cosign's encrypted key.
    Cosign,
    /// PKCS#8 without encryption.
    Pkcs8,
    /// PKCS#8, encrypted.
    EncryptedPkcs8,
    /// SEC1 without encryption.
    Sec1,
    /// An RSA key in PKCS#1 without encryption, which verifies and does not sign.
    Pkcs1,
}

impl ForeignFormat {
    /// Whether a passphrase is needed to open it.
    #[must_use]
    pub fn needs_passphrase(self) -> bool {
        matches!(self, Self::Cosign | Self::EncryptedPkcs8)
    }
}

/// A key file of another tool, not opened yet.
pub struct ForeignKey {
    format: ForeignFormat,
    bytes: SecretBytes,
}

impl ForeignKey {
    /// Reads the PEM block of a key file and says by its label what it is.
    ///
    /// Refuses with KEY-FORMAT an unknown label, several blocks or text around the block, with KEY-TYPE the label of DSA,
    /// with KEY-DAMAGED a known label around a broken block.
    pub fn from_pem(file: &[u8]) -> Result<Self> {
        let block = Block::parse(file).map_err(|fault| refuse_block(file, fault))?;
        Ok(Self { format: check_key_format(block.label)?, bytes: block.bytes })
    }

    /// What the label says.
    #[must_use]
    pub fn format(&self) -> ForeignFormat {
        self.format
    }

    /// Opens the key. `passphrase` may be empty, and is not used where [`ForeignFormat::needs_passphrase`] says no.
    ///
    /// Refuses with KEY-PASSPHRASE-DAMAGED what does not open, with KEY-PARAMETERS an encryption that is unknown, given
    /// up or over a limit, with KEY-TYPE, KEY-DAMAGED, KEY-FORMAT and KEY-MISMATCH what is inside
    /// ([`SigningKey::from_pkcs8_der`]), with PASSPHRASE-SOURCE a missing passphrase.
    pub fn open(&self, passphrase: Option<&Passphrase>) -> Result<SigningKey> {
        let plain = self.decrypt(passphrase)?;
        match self.format {
            ForeignFormat::Cosign | ForeignFormat::Pkcs8 | ForeignFormat::EncryptedPkcs8 => {
                SigningKey::from_pkcs8_der(plain.expose())
            }
            ForeignFormat::Sec1 => SigningKey::from_sec1_der(plain.expose()),
            ForeignFormat::Pkcs1 => Err(signing::refuse_type("RSA")),
        }
    }

    /// The public key of the private one, of every type that verifies. Refuses as [`ForeignKey::open`], types that do
    /// not verify instead of those that do not sign.
    #[cfg(feature = "connected")]
    pub fn public_key(&self, passphrase: Option<&Passphrase>) -> Result<PublicKey> {
        let plain = self.decrypt(passphrase)?;
        match self.format {
            ForeignFormat::Cosign | ForeignFormat::Pkcs8 | ForeignFormat::EncryptedPkcs8 => {
                verifying::of_pkcs8(plain.expose())
            }
            ForeignFormat::Sec1 => verifying::of_sec1(plain.expose()),
            ForeignFormat::Pkcs1 => verifying::of_pkcs1(plain.expose()),
        }
    }

    /// What is inside the encryption, in the format's own encoding.
    fn decrypt(&self, passphrase: Option<&Passphrase>) -> Result<SecretBytes> {
        let needed = || {
            passphrase
                .ok_or_else(|| Error::new(Check::PassphraseSource, "").detail("the key file is encrypted"))
        };
        match self.format {
            ForeignFormat::Cosign => cosign::open(self.bytes.expose(), needed()?),
            ForeignFormat::EncryptedPkcs8 => open_pkcs8(self.bytes.expose(), needed()?),
            ForeignFormat::Pkcs8 | ForeignFormat::Sec1 | ForeignFormat::Pkcs1 => {
                Ok(SecretBytes::new(self.bytes.expose().to_vec()))
            }
        }
    }
}

/// Decrypts PBES2.
fn open_pkcs8(der: &[u8], passphrase: &Passphrase) -> Result<SecretBytes> {
    let (algorithm, ciphertext) = encrypted_info(der)?;
    let parameters = check_key_parameters(algorithm)?;
    let mut buffer = SecretBytes::new(ciphertext.to_vec());
    let plain =
        parameters.decrypt_in_place(passphrase.expose(), buffer.expose_mut()).map_err(
            |error| match error {
                pkcs5::Error::DecryptFailed => Error::new(Check::KeyPassphraseDamaged, ""),
                other => refuse_encryption(&other.to_string()),
            },
        )?;
    // CBC has no tag: one wrong passphrase in 256 gives bytes, but not these.
    signing::check_key_format(plain).map_err(|_| Error::new(Check::KeyPassphraseDamaged, ""))?;
    Ok(SecretBytes::new(plain.to_vec()))
}

/// `EncryptedPrivateKeyInfo` (RFC 5958, 3): the algorithm and the ciphertext.
fn encrypted_info(der: &[u8]) -> Result<(AlgorithmIdentifierRef<'_>, &[u8])> {
    let read = || {
        let mut reader = SliceReader::new(der)?;
        let parts = reader.sequence(|inner| {
            Ok::<_, spki::der::Error>((
                AlgorithmIdentifierRef::decode(inner)?,
                <&OctetStringRef>::decode(inner)?.as_bytes(),
            ))
        })?;
        reader.finish()?;
        Ok::<_, spki::der::Error>(parts)
    };
    read().map_err(|error| {
        // The first byte of every DER sequence: without it these bytes are something else, not a broken key.
        let check = if der.first() == Some(&0x30) { Check::KeyDamaged } else { Check::KeyFormat };
        Error::new(check, "").detail("not an encrypted PKCS#8 key").caused_by(error)
    })
}

/// KEY-FORMAT: a label of a private key that coldsign reads.
fn check_key_format(label: &str) -> Result<ForeignFormat> {
    if cosign::LABELS.contains(&label) {
        return Ok(ForeignFormat::Cosign);
    }
    let refuse = |check, what: &str, hint: &str| Err(Error::new(check, "").detail(what).hint(hint));
    match label {
        "PRIVATE KEY" => Ok(ForeignFormat::Pkcs8),
        "ENCRYPTED PRIVATE KEY" => Ok(ForeignFormat::EncryptedPkcs8),
        "EC PRIVATE KEY" => Ok(ForeignFormat::Sec1),
        "RSA PRIVATE KEY" => Ok(ForeignFormat::Pkcs1),
        "DSA PRIVATE KEY" => Err(signing::refuse_type("DSA")),
        "OPENSSH PRIVATE KEY" => {
            refuse(Check::KeyFormat, "an OpenSSH private key", "ssh-keygen -p -m PKCS8 -f COPY-OF-FILE")
        }
        sealed::LABEL => refuse(
            Check::KeyFormat,
            "a sealed key of coldsign: not imported but copied",
            "copy it to keys/NAME.key in the home",
        ),
        other => refuse(
            Check::KeyFormat,
            &format!("PEM block {other}"),
            "private keys are PRIVATE KEY, ENCRYPTED PRIVATE KEY, EC PRIVATE KEY and cosign's encrypted ones",
        ),
    }
}

/// KEY-PARAMETERS: PBES2 with a key derivation within bounds, before any work.
fn check_key_parameters(algorithm: AlgorithmIdentifierRef<'_>) -> Result<pkcs5::pbes2::Parameters> {
    let scheme = pkcs5::EncryptionScheme::try_from(algorithm)
        .map_err(|_| refuse_encryption("an encryption that coldsign does not know"))?;
    let Some(parameters) = scheme.pbes2() else {
        return Err(refuse_encryption("PBES1, an encryption that was given up"));
    };
    match &parameters.kdf {
        pkcs5::pbes2::Kdf::Pbkdf2(pbkdf2) if pbkdf2.iteration_count > limits::PBKDF2_ITERATIONS => {
            Err(refuse_encryption(&format!("PBKDF2 with {} iterations", pbkdf2.iteration_count)))
        }
        pkcs5::pbes2::Kdf::Scrypt(scrypt) => {
            let (n, r, p) =
                (scrypt.cost_parameter, u64::from(scrypt.block_size), u64::from(scrypt.parallelization));
            if n.saturating_mul(r).saturating_mul(p) > limits::SCRYPT_WORK {
                return Err(refuse_encryption(&format!("scrypt with N={n} r={r} p={p}")));
            }
            derive::check_memory(n, r)?;
            Ok(parameters.clone())
        }
        _ => Ok(parameters.clone()),
    }
}

fn refuse_encryption(what: &str) -> Error {
    Error::new(Check::KeyParameters, "")
        .detail(what)
        .hint("encrypt it again: openssl pkcs8 -topk8 -v2 aes-256-cbc -iter 600000 -in OLD -out NEW")
}

fn refuse_block(file: &[u8], fault: Fault<'_>) -> Error {
    match fault {
        Fault::Broken { label } => match check_key_format(label) {
            Ok(_) => Error::new(Check::KeyDamaged, "").detail(fault.line()),
            Err(error) => error,
        },
        Fault::Several if file.trim_ascii_start().starts_with(b"-----BEGIN EC PARAMETERS-----") => {
            Error::new(Check::KeyFormat, "")
                .detail(fault.line())
                .hint("take the parameters off: openssl ec -in OLD -out NEW")
        }
        Fault::Headers => Error::new(Check::KeyFormat, "")
            .detail(fault.line())
            .hint("encrypt it again: openssl pkcs8 -topk8 -v2 aes-256-cbc -iter 600000 -in OLD -out NEW"),
        Fault::NotPem | Fault::Several => Error::new(Check::KeyFormat, "").detail(fault.line()),
    }
}
