//! What stands at a place, brought to the verifier: the `.sig` and every bundle of one digest.

use bytes::Bytes;

use super::store::Store;
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::evidence::{BUNDLE_PREFIX, Descriptor};
use crate::format::json::{Names, Value};
use crate::limits;
use crate::verify::{Demand, Form, FoundSig, Verdict, Verifier};

/// Judges everything that stands at `store` for `subject`. What cannot be read is a verdict of its own: it is an error
/// for whatever needed it and never unmakes another signature.
#[must_use]
pub fn judge(store: &dyn Store, subject: &Digest, verifier: &Verifier, demand: &Demand) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    let failed = |form, error| vec![Verdict { form, outcome: Err(error) }];
    match store.signatures(subject) {
        Ok(found) => {
            for descriptor in found {
                verdicts.extend(
                    judge_sig(store, &descriptor, subject, verifier, demand)
                        .unwrap_or_else(|error| failed(Form::Sig, error)),
                );
            }
        }
        Err(error) => verdicts.extend(failed(Form::Sig, error)),
    }
    match store.referrers(subject) {
        Ok(found) => {
            for descriptor in found {
                match judge_referrer(store, &descriptor, subject, verifier, demand) {
                    Ok(verdict) => verdicts.extend(verdict),
                    Err(error) => verdicts.extend(failed(Form::Bundle, error)),
                }
            }
        }
        Err(error) => verdicts.extend(failed(Form::Bundle, error)),
    }
    verdicts
}

fn judge_sig(
    store: &dyn Store,
    descriptor: &Descriptor,
    subject: &Digest,
    verifier: &Verifier,
    demand: &Demand,
) -> Result<Vec<Verdict>> {
    let manifest = store
        .manifest(&descriptor.digest)?
        .ok_or_else(|| Error::new(Check::SourceAbsent, descriptor.digest))?;
    let payload = |payload: &Descriptor| {
        let bytes =
            store.blob(&payload.digest)?.ok_or_else(|| Error::new(Check::SourceAbsent, payload.digest))?;
        Ok(Bytes::from(bytes))
    };
    let found = FoundSig { media_type: &descriptor.media_type, manifest: &manifest, payload: &payload };
    match verifier.judge_sig(&found, subject, demand) {
        // A manifest without layers is one without signatures, not a bad one.
        Err(error) if error.check() == Check::SigAbsent => Ok(Vec::new()),
        verdicts => verdicts,
    }
}

/// The verdict on a referrer that holds a bundle; `None` where it holds none: referrers of other kinds never disturb.
fn judge_referrer(
    store: &dyn Store,
    descriptor: &Descriptor,
    subject: &Digest,
    verifier: &Verifier,
    demand: &Demand,
) -> Result<Option<Verdict>> {
    let Some(manifest) = store.manifest(&descriptor.digest)? else { return Ok(None) };
    let Some((digest, media_type)) = bundle_layer(&manifest) else { return Ok(None) };
    let bytes = store.blob(&digest)?.ok_or_else(|| Error::new(Check::SourceAbsent, digest))?;
    Ok(Some(verifier.judge_bundle(&bytes, &media_type, subject, demand)))
}

/// Exactly one layer, of a bundle's media type (cosign `GetBundles`).
fn bundle_layer(manifest: &[u8]) -> Option<(Digest, String)> {
    let value = Value::parse(manifest, limits::DEPTH_EVIDENCE, Names::Exact).ok()?;
    let [layer] = value.get("layers")?.as_array()? else { return None };
    let media_type = layer.get("mediaType")?.as_str().filter(|kind| kind.starts_with(BUNDLE_PREFIX))?;
    Some((Digest::parse(layer.get("digest")?.as_str()?).ok()?, media_type.to_owned()))
}
