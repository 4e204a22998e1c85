//! Signing what was reviewed: both forms from one approval, on all cores, each signature verified before it counts.

use rayon::prelude::*;

use crate::check::Check;
use crate::error::{Error, Result, in_order};
use crate::keys::public::PublicKey;
use crate::keys::signing::Signer;
use crate::response::{PayloadPlace, Response};
use crate::review::ReviewedRequest;
use crate::verify::VerifiedSignature;

/// Which forms to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forms {
    /// Layers of `.sig` manifests.
    Sig,
    /// Bundles.
    Bundle,
    /// Both.
    Both,
}

impl Forms {
    /// Whether `.sig` is among them.
    #[must_use]
    pub fn sig(self) -> bool {
        self != Self::Bundle
    }

    /// Whether bundles are among them.
    #[must_use]
    pub fn bundle(self) -> bool {
        self != Self::Sig
    }

    /// As it stands on the screen.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sig => "form .sig",
            Self::Bundle => "form bundle",
            Self::Both => "both forms",
        }
    }
}

/// What one key signed just now; every signature is verified. [`Response::extend`] adds it.
#[derive(Debug)]
pub struct NewSignatures {
    key: PublicKey,
    payloads: Vec<(PayloadPlace, VerifiedSignature)>,
    statements: Vec<(usize, VerifiedSignature)>,
}

impl NewSignatures {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.payloads.len() + self.statements.len()
    }
}

/// Signs every item of a reviewed request that `key` has not signed yet in these forms. `response` holds the reviewed
/// request and what was signed before. SIGN-VERIFY where a fresh signature does not verify by the importer's path.
pub fn sign(
    reviewed: &ReviewedRequest<'_>,
    response: &Response,
    key: &dyn Signer,
    forms: Forms,
) -> Result<NewSignatures> {
    let request = reviewed.request();
    if request.digest() != response.request().digest() {
        return Err(Error::new(Check::ApprovalOther, ""));
    }
    let public = key.public_key();
    let before = response.signer(&public.id());
    let payloads: Vec<PayloadPlace> = request
        .sigs()
        .iter()
        .enumerate()
        .flat_map(|(group, sig)| (0..sig.payloads.len()).map(move |unit| (group, unit)))
        .filter(|place| forms.sig() && before.is_none_or(|signer| !signer.payloads().contains_key(place)))
        .collect();
    let statements: Vec<usize> = (0..request.statements().len())
        .filter(|place| {
            forms.bundle() && before.is_none_or(|signer| !signer.statements().contains_key(place))
        })
        .collect();
    let payloads = payloads.into_par_iter().map(|place| {
        let message = response.payload_message(place).ok_or_else(|| Error::new(Check::ItemPayload, ""))?;
        Ok((place, check_sign_verify(key, message)?))
    });
    let statements = statements.into_par_iter().map(|place| {
        let message =
            response.statement_message(place).ok_or_else(|| Error::new(Check::ItemStatement, ""))?;
        Ok((place, check_sign_verify(key, &message)?))
    });
    Ok(NewSignatures {
        key: public.clone(),
        payloads: in_order(payloads)?,
        statements: in_order(statements)?,
    })
}

impl Response {
    /// Adds what was signed. COMBINE-KEYS where the file would have more than 8 keys.
    pub fn extend(&mut self, new: NewSignatures) -> Result<()> {
        self.add(&new.key, new.payloads, new.statements)
    }
}

/// SIGN-VERIFY: a fresh signature verifies by the path that the importer takes.
fn check_sign_verify(key: &dyn Signer, message: &[u8]) -> Result<VerifiedSignature> {
    let signature = key.sign(message)?;
    VerifiedSignature::check(key.public_key(), message, &signature)
        .ok_or_else(|| Error::new(Check::SignVerify, key.public_key().id()).detail("nothing was written"))
}
