//! Signing what was reviewed: images in both forms from one approval, on all cores, each signature verified before it counts.

use rayon::prelude::*;

use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result, in_order};
use crate::format::log::Material;
use crate::keys::public::PublicKey;
use crate::keys::signing::Signer;
use crate::request::Request;
use crate::response::{Place, Response};
use crate::review::ReviewedRequest;
use crate::verify::{Form, Message, VerifiedSignature};

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
    signatures: Vec<(Place, VerifiedSignature)>,
}

impl NewSignatures {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.signatures.len()
    }
}

/// What a key has yet to sign of a response's request: of images in these forms, and everything that has one form only.
pub fn due<'a>(
    response: &'a Response,
    key_id: &Digest,
    forms: Forms,
) -> impl Iterator<Item = Place> + use<'a> {
    let before = response.signer(key_id);
    wanted(response.request(), forms)
        .filter(move |place| before.is_none_or(|signer| signer.signature(*place).is_none()))
}

/// What is signed of a request: of images in these forms, and everything that has one form only.
pub fn wanted(request: &Request, forms: Forms) -> impl Iterator<Item = Place> + '_ {
    Place::all(request).filter(move |place| match place.form(request) {
        Some(Form::Sig) => forms.sig(),
        Some(Form::Att | Form::Bundle) => forms.bundle(),
        None => true,
    })
}

/// Signs every item of a reviewed request that `key` has not signed yet, images in these forms. `response` holds the
/// reviewed request and what was signed before. SIGN-VERIFY where a fresh signature does not verify by the importer's
/// path; KEY-TYPE where a key is to sign a hash alone that signs none.
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
    let places: Vec<Place> = due(response, &public.id(), forms).collect();
    let signatures = places.into_par_iter().map(|place| {
        let message = place.message(request).ok_or_else(|| Error::new(Check::BlobMissing, ""))?;
        Ok((place, check_sign_verify(key, &message)?))
    });
    Ok(NewSignatures { key: public.clone(), signatures: in_order(signatures)? })
}

impl Response {
    /// Adds what was signed. COMBINE-KEYS where the file would have more than 8 keys.
    pub fn extend(&mut self, new: NewSignatures) -> Result<()> {
        let signatures = new.signatures.into_iter();
        self.add(&new.key, signatures.map(|(place, signature)| (place, signature, Material::default())))
    }
}

/// SIGN-VERIFY: a fresh signature verifies by the path that the importer takes.
fn check_sign_verify(key: &dyn Signer, message: &Message) -> Result<VerifiedSignature> {
    let signature = match message {
        Message::Bytes(bytes) => key.sign(bytes)?,
        Message::Hash(digest) => key.sign_digest(digest)?,
    };
    VerifiedSignature::check(key.public_key(), message, &signature)
        .ok_or_else(|| Error::new(Check::SignVerify, key.public_key().id()).detail("nothing was written"))
}
