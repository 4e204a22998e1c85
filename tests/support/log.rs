//! Transparency logs of one leaf a tree, written from the specifications (rekor, rekor-tiles, C2SP notes) by other code
//! than ours: what a log would give for a signature, with a place for every mistake.
#![allow(dead_code, clippy::unwrap_used, clippy::indexing_slicing, clippy::format_push_string)] // every test crate uses a part of it

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use p256::ecdsa::signature::Signer as _;
use p256::pkcs8::EncodePublicKey as _;
use sha2::{Digest as _, Sha256};

/// A log and its key.
pub(crate) enum Log {
    /// Rekor v1: P-256.
    V1(p256::ecdsa::SigningKey),
    /// Rekor v2: Ed25519.
    V2(ed25519_dalek::SigningKey),
}

/// What a log entry is made of.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) index: u64,
    pub(crate) id: Vec<u8>,
    pub(crate) kind: &'static str,
    pub(crate) version: &'static str,
    pub(crate) time: u64,
    pub(crate) promise: Option<Vec<u8>>,
    pub(crate) proof: Option<Proof>,
    pub(crate) body: String,
}

/// A proof of inclusion; empty members are left out.
#[derive(Clone, Debug)]
pub(crate) struct Proof {
    pub(crate) index: u64,
    pub(crate) root: Vec<u8>,
    pub(crate) size: u64,
    pub(crate) hashes: Vec<Vec<u8>>,
    pub(crate) note: String,
}

impl Log {
    /// A log of Rekor v1; each number is another one.
    pub(crate) fn v1(number: u8) -> Self {
        let mut scalar = [0; 32];
        scalar[30] = 1;
        scalar[31] = number;
        Self::V1(p256::ecdsa::SigningKey::from_slice(&scalar).unwrap())
    }

    /// A log of Rekor v2.
    pub(crate) fn v2(number: u8) -> Self {
        Self::V2(ed25519_dalek::SigningKey::from_bytes(&[number; 32]))
    }

    pub(crate) fn spki(&self) -> Vec<u8> {
        let der = match self {
            Self::V1(key) => key.verifying_key().to_public_key_der(),
            Self::V2(key) => key.verifying_key().to_public_key_der(),
        };
        der.unwrap().as_bytes().to_vec()
    }

    pub(crate) fn id(&self) -> Vec<u8> {
        match self {
            Self::V1(_) => Sha256::digest(self.spki()).to_vec(),
            Self::V2(key) => {
                let named = [HOST.as_bytes(), b"\n\x01", key.verifying_key().as_bytes()].concat();
                Sha256::digest(named).to_vec()
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::V1(key) => {
                let signature: p256::ecdsa::Signature = key.sign(message);
                signature.to_der().as_bytes().to_vec()
            }
            Self::V2(key) => key.sign(message).to_bytes().to_vec(),
        }
    }

    /// An entry with everything that this log gives, in a tree of its own. The index is that over all trees.
    pub(crate) fn enter(&self, kind: &'static str, index: u64, body: &str) -> Entry {
        let (version, index) = match self {
            Self::V1(_) => ("0.0.1", index),
            Self::V2(_) => ("0.0.2", 0),
        };
        let mut entry = Entry {
            index,
            id: self.id(),
            kind,
            version,
            time: 0,
            promise: None,
            proof: None,
            body: body.to_owned(),
        };
        if matches!(self, Self::V1(_)) {
            entry.time = TIME;
            entry.promise = Some(self.sign(entry.promised().as_bytes()));
        }
        entry.proof = Some(self.prove(&entry));
        entry
    }

    /// The proof that an entry is the one leaf of a tree.
    pub(crate) fn prove(&self, entry: &Entry) -> Proof {
        let root = Sha256::digest([&[0], entry.body.as_bytes()].concat()).to_vec();
        Proof { index: 0, note: self.note(&root, 1), root, size: 1, hashes: Vec::new() }
    }

    /// A checkpoint.
    pub(crate) fn note(&self, root: &[u8], size: u64) -> String {
        let tree = if matches!(self, Self::V1(_)) { " - 1234567890" } else { "" };
        let text = format!("{HOST}{tree}\n{size}\n{}\n", STANDARD.encode(root));
        let line = [&self.id()[..4], &self.sign(text.as_bytes())].concat();
        format!("{text}\n\u{2014} {HOST} {}\n", STANDARD.encode(line))
    }

    /// As a trusted root names it.
    fn in_root(&self) -> String {
        let (key, details) = match self {
            Self::V1(_) => (self.spki(), "PKIX_ECDSA_P256_SHA_256"),
            Self::V2(_) => (self.spki(), "PKIX_ED25519"),
        };
        format!(
            "{{\"baseUrl\":\"https://{HOST}\",\"hashAlgorithm\":\"SHA2_256\",\"publicKey\":{{\"rawBytes\":\"{}\",\
             \"keyDetails\":\"{details}\",\"validFor\":{{\"start\":\"2020-01-01T00:00:00Z\"}}}},\
             \"logId\":{{\"keyId\":\"{}\"}}}}",
            STANDARD.encode(key),
            STANDARD.encode(self.id()),
        )
    }
}

/// A trusted root of logs and no authorities.
pub(crate) fn trusted_root(logs: &[&Log]) -> String {
    let logs: Vec<String> = logs.iter().map(|log| log.in_root()).collect();
    format!(
        "{{\"mediaType\":\"application/vnd.dev.sigstore.trustedroot+json;version=0.1\",\"tlogs\":[{}],\
         \"certificateAuthorities\":[],\"ctlogs\":[],\"timestampAuthorities\":[]}}",
        logs.join(",")
    )
}

impl Entry {
    fn promised(&self) -> String {
        format!(
            "{{\"body\":\"{}\",\"integratedTime\":{},\"logID\":\"{}\",\"logIndex\":{}}}",
            STANDARD.encode(&self.body),
            self.time,
            hex(&self.id),
            self.index
        )
    }

    /// As it stands in a layer's annotation.
    pub(crate) fn annotation(&self) -> String {
        format!(
            "{{\"SignedEntryTimestamp\":\"{}\",\"Payload\":{{\"body\":\"{}\",\"integratedTime\":{},\"logIndex\":{},\"logID\":\"{}\"}}}}",
            STANDARD.encode(self.promise.as_deref().unwrap_or_default()),
            STANDARD.encode(&self.body),
            self.time,
            self.index,
            hex(&self.id),
        )
    }

    /// As it stands in a bundle.
    pub(crate) fn in_bundle(&self) -> String {
        let number = |name: &str, value: u64| match value {
            0 => String::new(),
            value => format!("\"{name}\":\"{value}\","),
        };
        let promise = self.promise.as_ref().map_or_else(String::new, |promise| {
            let promise = STANDARD.encode(promise);
            format!("\"inclusionPromise\":{{\"signedEntryTimestamp\":\"{promise}\"}},")
        });
        let proof = self.proof.as_ref().map_or_else(String::new, |proof| {
            let hashes: Vec<String> =
                proof.hashes.iter().map(|hash| format!("\"{}\"", STANDARD.encode(hash))).collect();
            let hashes = match hashes.len() {
                0 => String::new(),
                _ => format!(",\"hashes\":[{}]", hashes.join(",")),
            };
            format!(
                "\"inclusionProof\":{{{}\"rootHash\":\"{}\",\"treeSize\":\"{}\"{hashes},\"checkpoint\":{{\"envelope\":\"{}\"}}}},",
                number("logIndex", proof.index),
                STANDARD.encode(&proof.root),
                proof.size,
                proof.note.replace('\n', "\\n"),
            )
        });
        format!(
            "{{{}\"logId\":{{\"keyId\":\"{}\"}},\"kindVersion\":{{\"kind\":\"{}\",\"version\":\"{}\"}},{}{promise}{proof}\
             \"canonicalizedBody\":\"{}\"}}",
            number("logIndex", self.index),
            STANDARD.encode(&self.id),
            self.kind,
            self.version,
            number("integratedTime", self.time),
            STANDARD.encode(&self.body),
        )
    }
}

/// What stands behind `publicKey` in a bundle.
pub(crate) fn beside(entries: &[String], tokens: &[&[u8]]) -> String {
    let mut out = String::new();
    if !entries.is_empty() {
        out.push_str(&format!(",\"tlogEntries\":[{}]", entries.join(",")));
    }
    let tokens: Vec<String> = tokens
        .iter()
        .map(|token| format!("{{\"signedTimestamp\":\"{}\"}}", STANDARD.encode(token)))
        .collect();
    if !tokens.is_empty() {
        let tokens = tokens.join(",");
        out.push_str(&format!(",\"timestampVerificationData\":{{\"rfc3161Timestamps\":[{tokens}]}}"));
    }
    out
}

/// The annotation of a timestamp.
pub(crate) fn token_annotation(token: &[u8]) -> String {
    format!("{{\"SignedRFC3161Timestamp\":\"{}\"}}", STANDARD.encode(token))
}

/// A body of `hashedrekord` 0.0.1; `hash` is SHA-256 in hex, `signature` base64.
pub(crate) fn hashed_rekord(hash: &str, signature: &str, spki: &[u8]) -> String {
    format!(
        "{{\"apiVersion\":\"0.0.1\",\"kind\":\"hashedrekord\",\"spec\":{{\"data\":{{\"hash\":{{\"algorithm\":\"sha256\",\
         \"value\":\"{hash}\"}}}},\"signature\":{{\"content\":\"{signature}\",\"publicKey\":{{\"content\":\"{}\"}}}}}}}}",
        STANDARD.encode(pem(spki))
    )
}

/// A body of `dsse` 0.0.1.
pub(crate) fn dsse(envelope: &[u8], payload: &[u8], signature: &str, spki: &[u8]) -> String {
    format!(
        "{{\"apiVersion\":\"0.0.1\",\"kind\":\"dsse\",\"spec\":{{\"envelopeHash\":{{\"algorithm\":\"sha256\",\"value\":\"{}\"}},\
         \"payloadHash\":{{\"algorithm\":\"sha256\",\"value\":\"{}\"}},\"signatures\":[{{\"signature\":\"{signature}\",\
         \"verifier\":\"{}\"}}]}}}}",
        hex(&Sha256::digest(envelope)),
        hex(&Sha256::digest(payload)),
        STANDARD.encode(pem(spki)),
    )
}

/// The leaf of a signature by a P-256 key in Rekor v2; `message` is what was signed.
pub(crate) fn leaf(message: &[u8], signature: &str, spki: &[u8]) -> String {
    format!(
        "{{\"apiVersion\":\"0.0.2\",\"kind\":\"hashedrekord\",\"spec\":{{\"hashedRekordV002\":{{\"data\":{{\
         \"algorithm\":\"SHA2_256\",\"digest\":\"{}\"}},\"signature\":{{\"content\":\"{signature}\",\"verifier\":{{\
         \"keyDetails\":\"PKIX_ECDSA_P256_SHA_256\",\"publicKey\":{{\"rawBytes\":\"{}\"}}}}}}}}}}}}",
        STANDARD.encode(Sha256::digest(message)),
        STANDARD.encode(spki),
    )
}

/// The PEM text of a key, as Rekor writes it.
pub(crate) fn pem(spki: &[u8]) -> String {
    let text = STANDARD.encode(spki);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Where every log is.
const HOST: &str = "log.example";
/// When every entry was taken: in June 2025.
pub(crate) const TIME: u64 = 1_750_000_000;
