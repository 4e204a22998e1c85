//! What stands at a destination, by the keys a person gave (cosign `verify --key`; docs/verification.md).
//!
//! Every signature is judged alone: what is wrong with one never unmakes another. Nothing here reads files or networks;
//! [`crate::transfer`] brings the bytes. The sealed side knows of this what it needs to check its own signatures.

#[cfg(feature = "connected")]
mod attestation;
pub mod binding;
#[cfg(feature = "connected")]
mod blob;
#[cfg(feature = "connected")]
mod blob_attestation;
#[cfg(feature = "connected")]
mod bundle;
#[cfg(feature = "connected")]
pub mod examine;
#[cfg(feature = "connected")]
pub mod log;
#[cfg(feature = "connected")]
pub mod material;
#[cfg(feature = "connected")]
mod sig;
#[cfg(feature = "connected")]
pub mod timestamp;
#[cfg(feature = "connected")]
mod verdict;

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::digest::Digest;
use crate::keys::public::PublicKey;

#[cfg(feature = "connected")]
pub(crate) use attestation::{
    attested_in_bundle, attested_in_envelope, check_att_layer_type, check_att_manifest_kind,
};
#[cfg(feature = "connected")]
pub use blob::{BlobSignature, BlobVerdict, BlobVerifier, verify_digest as verify_blob_digest};
#[cfg(feature = "connected")]
pub use blob_attestation::BlobAttestation;
#[cfg(feature = "connected")]
pub(crate) use bundle::Bundle;
#[cfg(feature = "connected")]
pub use material::{Evidence, Lookup, Standing, State, Want};
#[cfg(feature = "connected")]
pub(crate) use sig::{SigLayer, check_layer_material, check_payload_digest, check_sig_manifest_kind};
#[cfg(feature = "connected")]
pub use verdict::{Claims, Demand, Found, Purpose, Signed, Valid, Verdict, Verifier, conclude};

/// A signature that was verified: holding one is the proof. The raw signature bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VerifiedSignature {
    bytes: Box<[u8]>,
}

/// What is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Bytes.
    Bytes(Bytes),
    /// The SHA-256 of bytes that nobody showed. Ed25519 signs none.
    Hash(Digest),
}

impl Message {
    /// Whether a signature verifies in any encoding that cosign takes.
    #[must_use]
    pub fn verifies(&self, key: &PublicKey, signature: &[u8]) -> bool {
        match self {
            Self::Bytes(bytes) => key.verify(bytes, signature),
            Self::Hash(digest) => key.verify_digest(digest, signature),
        }
    }
}

impl VerifiedSignature {
    /// Verifies a signature as it stands in our files: strict DER, SHA-256 or pure Ed25519.
    #[must_use]
    pub fn check(key: &PublicKey, message: &Message, signature: &[u8]) -> Option<Self> {
        let verifies = match message {
            Message::Bytes(bytes) => key.verify_strict(bytes, signature),
            Message::Hash(digest) => key.verify_digest_strict(digest, signature),
        };
        verifies.then(|| Self { bytes: signature.into() })
    }

    /// The raw signature.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Which form a signature has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// A layer of a `.sig` manifest.
    Sig,
    /// A layer of an `.att` manifest.
    Att,
    /// A Sigstore bundle.
    Bundle,
}

impl Form {
    /// As it stands on the screen.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sig => ".sig",
            Self::Att => ".att",
            Self::Bundle => "bundle",
        }
    }
}

/// Signatures that are known to be good: key id, digest of the message, raw signature. An importer verifies a response
/// once and what the destination gives back against that.
pub type Known = BTreeSet<(Digest, Digest, Box<[u8]>)>;
