//! Taking away what stands beside an image: signatures, attestations, SBOMs and bundles, and nothing that only lies where
//! these would.

use std::collections::HashSet;

use super::attached::{Attached, How, Nature};
use super::store::Store;
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};

/// A [`Store`] that things can be taken away from.
pub trait Removal: Store {
    /// Takes away what stands beside `subject`; that it is not there any more is no error.
    fn remove(&self, attached: &Attached, subject: &Digest) -> Result<()>;

    /// Makes it durable.
    fn finish_removal(&self) -> Result<()>;
}

/// What stands beside an image, and what of it may go.
#[derive(Debug, Default)]
pub struct Found {
    /// What may go.
    pub going: Vec<Attached>,
    /// Referrers that are something else: nobody asked for them to go.
    pub others: Vec<Attached>,
    /// What lies under a tag of signatures and is something else, or cannot be read: CLEAN-KIND, and what the place said.
    pub refused: Vec<Error>,
}

/// What became of it.
#[derive(Debug, Default)]
pub struct Cleaned {
    /// How many went.
    pub gone: usize,
    /// Why others did not.
    pub failed: Vec<Error>,
}

impl Found {
    /// Looks for what stands beside `subject` in these ways. An error where the place cannot be asked.
    pub fn beside(store: &dyn Store, subject: &Digest, ways: &[How]) -> Result<Self> {
        let mut found = Self::default();
        for how in ways {
            for attached in Attached::find(store, *how, subject)? {
                let attached = match attached {
                    Ok(attached) => attached,
                    Err(error) => {
                        found.refused.push(error);
                        continue;
                    }
                };
                match check_clean_kind(&attached, subject) {
                    Ok(()) => found.going.push(attached),
                    Err(_) if attached.nature() == Nature::Other && attached.how == How::Referrer => {
                        found.others.push(attached);
                    }
                    Err(error) => found.refused.push(error),
                }
            }
        }
        Ok(found)
    }

    /// Takes away what may go, each on its own, and sees that it is gone.
    pub fn remove(&self, store: &dyn Removal, subject: &Digest) -> Result<Cleaned> {
        let mut cleaned = Cleaned::default();
        let mut done: Vec<&Attached> = Vec::new();
        for attached in &self.going {
            match store.remove(attached, subject) {
                Ok(()) => done.push(attached),
                Err(error) => cleaned.failed.push(error),
            }
        }
        store.finish_removal()?;
        let ways: HashSet<How> = done.iter().map(|attached| attached.how).collect();
        let mut left = HashSet::new();
        for how in ways {
            let still = match how {
                How::Tag(kind) => store.beside(kind, subject)?,
                How::Referrer => store.referrers(subject)?,
            };
            left.extend(still.iter().map(|descriptor| (how, descriptor.digest)));
        }
        for attached in done {
            match check_clean_left(attached, subject, &left) {
                Ok(()) => cleaned.gone += 1,
                Err(error) => cleaned.failed.push(error),
            }
        }
        Ok(cleaned)
    }
}

/// CLEAN-KIND: it is what the place it lies in is for, by its own types, and a referrer by its own subject. After `cosign
/// copy` an image lies under a tag of referrers, and anybody who may push a tag writes the index there.
fn check_clean_kind(attached: &Attached, subject: &Digest) -> Result<()> {
    let name = attached.how.tag(subject).unwrap_or_else(|| attached.descriptor.digest.to_string());
    let error = Error::new(Check::CleanKind, name).detail(attached.descriptor.digest);
    if attached.nature() == Nature::Other || attached.descriptor.digest == *subject {
        let kind = attached.parts.layers.first().map(|layer| layer.descriptor.media_type.as_str());
        let kind = kind.or(attached.parts.kind()).unwrap_or(&attached.descriptor.media_type);
        return Err(error.detail(format!("it is {kind}")));
    }
    let own = attached.parts.subject.as_ref().map(|own| own.digest);
    if attached.how == How::Referrer && own != Some(*subject) {
        let own = own.map_or_else(|| "nothing".to_owned(), |own| own.to_string());
        return Err(error
            .detail(format!("listed as a referrer of {subject}, and its own subject is {own}"))
            .hint("the index of referrers is wrong: take that entry out of it, or clean the image it belongs to"));
    }
    Ok(())
}

/// CLEAN-LEFT: what was deleted is gone.
fn check_clean_left(attached: &Attached, subject: &Digest, left: &HashSet<(How, Digest)>) -> Result<()> {
    if !left.contains(&(attached.how, attached.descriptor.digest)) {
        return Ok(());
    }
    let name = attached.how.tag(subject).unwrap_or_else(|| format!("referrer of {subject}"));
    Err(Error::new(Check::CleanLeft, name)
        .detail(attached.descriptor.digest)
        .hint("somebody may have put it again; run the same command once more"))
}
