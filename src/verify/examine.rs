//! Bundles as they are: what signs what, and what stands beside it. Nothing is believed; with keys it is judged as
//! everywhere.

use super::blob::{BlobSignature, MEDIA_TYPES};
use super::bundle::Bundle;
use super::log::{Content, Of, spelled};
use super::material::{self, Evidence, Standing};
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::json::{Names, Value};
use crate::format::log::Material;
use crate::format::{envelope, statement};
use crate::keys::public::{Hash, PublicKey};
use crate::limits;

/// A bundle that was read.
#[derive(Debug)]
pub struct Examined {
    /// What its media type is said to be; nothing signs it.
    pub media_type: String,
    /// What is signed.
    pub signed: Signs,
    /// What stands beside the signature.
    pub material: Material,
    signature: Vec<u8>,
}

/// What a bundle signs.
#[derive(Debug)]
pub enum Signs {
    /// A file with this hash; none is named where the key signs no hash.
    File(Option<(Hash, Vec<u8>)>),
    /// A statement in an envelope.
    Statement(Vec<u8>),
}

/// Whose signature it is, what is known of what stands beside it, and whether that is what was demanded.
#[derive(Debug)]
pub struct Judged<'k> {
    /// The key that verifies it.
    pub key: &'k PublicKey,
    /// Its log entries and timestamps.
    pub standing: Standing,
    /// The first thing that is wrong with them, or lacking.
    pub demanded: Result<()>,
}

impl Examined {
    /// Reads a bundle of a published version, or one of cosign before 3. BUNDLE-SYNTAX, BLOB-BUNDLE, SIG-CERTIFICATE,
    /// LOG-SYNTAX, LOG-LIMIT.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > limits::MANIFEST {
            return Err(Error::new(Check::BlobBundle, "").detail("larger than 4 MiB"));
        }
        let value = Value::parse(bytes, limits::DEPTH_EVIDENCE, Names::Exact)
            .map_err(|error| Error::new(Check::BlobBundle, "").detail("not strict JSON").caused_by(error))?;
        let media_type = value.get("mediaType").and_then(Value::as_str).unwrap_or_default().to_owned();
        if value.get("dsseEnvelope").is_some() {
            let Bundle { statement, signature, material } = Bundle::read_of(bytes, &MEDIA_TYPES)?;
            return Ok(Self { media_type, signed: Signs::Statement(statement), material, signature });
        }
        let blob = BlobSignature::of_bundle(bytes)?;
        let hash = blob.message_digest().map(|(hash, bytes)| (hash, bytes.to_vec()));
        let signature = blob.signature().to_vec();
        Ok(Self { media_type, signed: Signs::File(hash), material: blob.material().clone(), signature })
    }

    /// Judges it by the keys given. SIG-KEY where it is by none of them; Usage where that cannot be said without the file.
    pub fn judge<'k>(&self, keys: &'k [PublicKey], evidence: &Evidence) -> Result<Judged<'k>> {
        let by = |verifies: &dyn Fn(&PublicKey) -> bool| {
            keys.iter().find(|key| verifies(key)).ok_or_else(|| Error::new(Check::SigKey, ""))
        };
        let text = spelled(&self.signature);
        let beside = |key: &'k PublicKey, content: Content<'_>| {
            let of = Of { key, signature: &self.signature, text: &text, content };
            let (standing, demanded) = material::judge(&self.material, &of, evidence);
            Judged { key, standing, demanded }
        };
        match &self.signed {
            Signs::Statement(statement) => {
                let message = envelope::pae(statement::MEDIA_TYPE, statement);
                let key = by(&|key| key.verify(&message, &self.signature))?;
                Ok(beside(key, Content::Envelope(statement, Digest::of(&message))))
            }
            Signs::File(Some((hash, bytes))) => {
                let key = by(&|key| key.verify_hash(*hash, bytes, &self.signature))?;
                Ok(beside(key, Content::Hash(*hash, bytes)))
            }
            Signs::File(None) => Err(Error::new(Check::Usage, "")
                .detail("the bundle does not say of which file it is")
                .hint("coldsign verify-blob has the file as well")),
        }
    }
}
