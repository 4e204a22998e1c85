//! Attestations of files: a statement about the SHA-256 of a file, in a bundle or a DSSE envelope (cosign
//! `verify-blob-attestation --key`).

use super::attestation::{check_att_envelope, check_attestation};
use super::blob::{BlobVerdict, Local, MEDIA_TYPES, read_local};
use super::bundle::{Bundle, Envelope};
use super::log::{Content, Of, spelled};
use super::material::{self, Evidence};
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::attestation::PredicateType;
use crate::format::log::Material;
use crate::format::{envelope, statement};
use crate::keys::public::PublicKey;

/// An attestation that may be of a file.
#[derive(Debug)]
pub struct BlobAttestation {
    statement: Vec<u8>,
    signatures: Vec<Vec<u8>>,
    material: Material,
    /// The text of the envelope, where its entry is of that.
    envelope: Option<Vec<u8>>,
}

impl BlobAttestation {
    /// The attestation in a bundle of any published version, or as cosign before 3 wrote it: an envelope with the promise of
    /// a Rekor v1 log. BUNDLE-SYNTAX, BLOB-BUNDLE, ATT-ENVELOPE, SIG-CERTIFICATE, SIG-LOG, LOG-SYNTAX, LOG-LIMIT.
    pub fn of_bundle(bytes: &[u8]) -> Result<Self> {
        if let Some(Local { signature, material, .. }) = read_local(bytes)? {
            let attestation = Self::of_envelope(&signature)?;
            return Ok(Self { material, envelope: Some(signature), ..attestation });
        }
        let Bundle { statement, signature, material } = Bundle::read_of(bytes, &MEDIA_TYPES)?;
        Ok(Self { statement, signatures: vec![signature], material, envelope: None })
    }

    /// The attestation in a DSSE envelope, beside which nothing stands. ATT-ENVELOPE.
    pub fn of_envelope(bytes: &[u8]) -> Result<Self> {
        let Envelope { statement, signatures } = check_att_envelope(bytes)?;
        let signatures = signatures.into_iter().map(|signature| signature.signature).collect();
        Ok(Self { statement, signatures, material: Material::default(), envelope: None })
    }

    /// Whose attestation it is, of this type, and, where `file` is given, about the file with that SHA-256. SIG-KEY,
    /// ATT-STATEMENT, ATT-PREDICATE, BUNDLE-SUBJECT, and the checks of what stands beside it.
    pub fn verify<'k>(
        &self,
        keys: &'k [PublicKey],
        kind: &PredicateType,
        file: Option<&Digest>,
        evidence: &Evidence,
    ) -> Result<BlobVerdict<'k>> {
        let message = envelope::pae(statement::MEDIA_TYPE, &self.statement);
        let by = |signature: &'_ Vec<u8>| {
            let key = keys.iter().find(|key| key.verify(&message, signature))?;
            Some((key, signature.clone()))
        };
        let signed = self.signatures.iter().find_map(by);
        let (key, signature) = signed.ok_or_else(|| Error::new(Check::SigKey, ""))?;
        check_attestation(&self.statement, Some(kind), file)?;
        let text = spelled(&signature);
        let content = match &self.envelope {
            Some(envelope) => Content::Layer(envelope, &self.statement),
            None => Content::Envelope(&self.statement, Digest::of(&message)),
        };
        let of = Of { key, signature: &signature, text: &text, content };
        let (standing, demanded) = material::judge(&self.material, &of, evidence);
        demanded.map(|()| BlobVerdict { key, standing })
    }
}
