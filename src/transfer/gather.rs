//! What stands at a place, brought to the verifier: the `.sig` or `.att` and every bundle of one digest.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::store::{Beside, Store};
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::evidence::{BUNDLE_PREFIX, Descriptor, check_manifest_names, read_descriptor};
use crate::format::json::{Names, Value};
use crate::limits;
use crate::verify::{Demand, Form, Found, Purpose, Verdict, Verifier};

/// How often a place took too long while one image was judged, whichever of its digests it was.
#[derive(Debug, Default)]
pub struct Patience(AtomicUsize);

/// Judges everything that stands at `store` for `subject` and may be what is demanded. What cannot be read is a verdict of its own: it is an error
/// for whatever needed it and never unmakes another signature.
///
/// A place that takes too long again and again is not asked any more: for bundles of the whole image, for `.sig` of this
/// digest, so that what is slow beside one never hides the `.sig` of the next.
#[must_use]
pub fn judge(
    store: &dyn Store,
    subject: &Digest,
    verifier: &Verifier,
    demand: &Demand,
    patience: &Patience,
) -> Vec<Verdict> {
    let (beside, form) = match demand.purpose {
        Purpose::Signature => (Beside::Signatures, Form::Sig),
        Purpose::Attestation(_) => (Beside::Attestations, Form::Att),
    };
    let of_image = patience;
    let patience = Patience::default();
    let store = &Patient::new(store, &patience);
    // One statement that stands a thousand times, spelled anew by whoever may push, is held once.
    let (mut verdicts, mut seen) = (Vec::new(), HashMap::new());
    let mut add = |verdict: Verdict| verdicts.push(verdict.sharing(&mut seen));
    let failed = Verdict::failed;
    match store.ask(|store| store.beside(beside, subject)) {
        Ok(found) => {
            for descriptor in found {
                match judge_layers(store, &descriptor, subject, verifier, demand) {
                    Ok(found) => found.into_iter().for_each(&mut add),
                    Err(error) => add(failed(form, error)),
                }
            }
        }
        Err(error) => add(failed(form, error)),
    }
    of_image.0.fetch_add(patience.0.load(Ordering::Relaxed), Ordering::Relaxed);
    let store = &Patient::new(store.store, of_image);
    match store.ask(|store| store.referrers(subject)) {
        Ok(found) => {
            for descriptor in found {
                match judge_referrer(store, &descriptor, subject, verifier, demand) {
                    Ok(verdict) => verdict.into_iter().for_each(&mut add),
                    Err(error) => add(failed(Form::Bundle, error)),
                }
            }
        }
        Err(error) => add(failed(Form::Bundle, error)),
    }
    verdicts
}

fn judge_layers(
    store: &Patient<'_>,
    descriptor: &Descriptor,
    subject: &Digest,
    verifier: &Verifier,
    demand: &Demand,
) -> Result<Vec<Verdict>> {
    let manifest = store
        .ask(|store| store.manifest(&descriptor.digest))?
        .ok_or_else(|| Error::new(Check::SourceAbsent, descriptor.digest))?;
    let absent = match demand.purpose {
        Purpose::Signature => Check::SigLayerSize,
        Purpose::Attestation(_) => Check::AttLayerSize,
    };
    // Several keys sign one payload: it is read once.
    let contents = RefCell::new(HashMap::<Digest, Bytes>::new());
    let content = |content: &Descriptor| {
        if let Some(bytes) = contents.borrow().get(&content.digest) {
            return Ok(bytes.clone());
        }
        let bytes = store
            .ask(|store| store.blob(&content.digest))?
            .ok_or_else(|| Error::new(absent, content.digest).detail("it is not there"))?;
        let bytes = Bytes::from(bytes);
        if bytes.len() <= REMEMBERED {
            contents.borrow_mut().insert(content.digest, bytes.clone());
        }
        Ok(bytes)
    };
    let found = Found { media_type: &descriptor.media_type, manifest: &manifest, content: &content };
    let judged = match demand.purpose {
        Purpose::Signature => verifier.judge_sig(&found, subject, demand),
        Purpose::Attestation(_) => verifier.judge_att(&found, subject, demand),
    };
    match judged {
        // A manifest without layers is one without signatures, not a bad one.
        Err(error) if matches!(error.check(), Check::SigAbsent | Check::AttAbsent) => Ok(Vec::new()),
        verdicts => verdicts,
    }
}

/// The verdict on a referrer that holds a bundle; `None` where it holds none.
fn judge_referrer(
    store: &Patient<'_>,
    descriptor: &Descriptor,
    subject: &Digest,
    verifier: &Verifier,
    demand: &Demand,
) -> Result<Option<Verdict>> {
    let bundle = read_bundle(store, descriptor)?;
    Ok(bundle.map(|(layer, bytes)| verifier.judge_bundle(&bytes, &layer.media_type, subject, demand)))
}

/// The bundle that a referrer holds, with its descriptor; `None` where it holds none: referrers of other kinds never
/// disturb.
pub(super) fn read_bundle(
    store: &Patient<'_>,
    referrer: &Descriptor,
) -> Result<Option<(Descriptor, Vec<u8>)>> {
    // Somebody lists it: that it is gone is not that there is none.
    let manifest = store
        .ask(|store| store.manifest(&referrer.digest))?
        .ok_or_else(|| Error::new(Check::BundleSyntax, referrer.digest).detail("listed, and not there"))?;
    let Some(layer) = bundle_layer(&manifest) else { return Ok(None) };
    let bytes = store
        .ask(|store| store.blob(&layer.digest))?
        .ok_or_else(|| Error::new(Check::BundleSyntax, layer.digest).detail("it is not there"))?;
    if Descriptor::of(&layer.media_type, &bytes) != layer {
        return Err(
            Error::new(Check::BundleSyntax, layer.digest).detail("it is not of the size its descriptor says")
        );
    }
    Ok(Some((layer, bytes)))
}

/// Exactly one layer, of a bundle's media type (cosign `GetBundles`).
fn bundle_layer(manifest: &[u8]) -> Option<Descriptor> {
    let value = Value::parse(manifest, limits::DEPTH_EVIDENCE, Names::Exact).ok()?;
    check_manifest_names(&value).ok()?;
    let [layer] = value.get("layers")?.as_array()? else { return None };
    read_descriptor(layer).ok().filter(|layer| layer.media_type.starts_with(BUNDLE_PREFIX))
}

/// A place that is asked until it took too long too often.
pub(super) struct Patient<'a> {
    store: &'a dyn Store,
    patience: &'a Patience,
}

impl<'a> Patient<'a> {
    pub(super) fn new(store: &'a dyn Store, patience: &'a Patience) -> Self {
        Self { store, patience }
    }

    /// REGISTRY-TIMEOUT, without a request, after [`SLOW`] that took too long: a thousand of them would take days.
    pub(super) fn ask<T>(&self, read: impl FnOnce(&dyn Store) -> Result<T>) -> Result<T> {
        let slow = &self.patience.0;
        if slow.load(Ordering::Relaxed) >= SLOW {
            let error = Error::new(Check::RegistryTimeout, "");
            return Err(error.detail(format!("not asked for: {SLOW} requests for this image took too long")));
        }
        let outcome = read(self.store);
        if matches!(&outcome, Err(error) if error.check() == Check::RegistryTimeout) {
            slow.fetch_add(1, Ordering::Relaxed);
        }
        outcome
    }
}

/// Requests for one image that may take too long: a stranger's that hangs does not hide what stands behind it.
const SLOW: usize = 3;
/// Bytes of a payload that is remembered for further layers: a thousand of them are a few megabytes.
const REMEMBERED: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::evidence::OCI_MANIFEST;
    use crate::format::reference::Target;
    use crate::format::{payload, signature};
    use crate::verify::Evidence;
    use std::collections::BTreeMap;

    /// A `.sig` of these layers; payloads that are in none are slow. Counts what it is asked for.
    struct Beside {
        manifest: Vec<u8>,
        payloads: Vec<Vec<u8>>,
        asked: AtomicUsize,
    }

    impl Beside {
        /// One layer for each payload, in turn.
        fn new(layers: &[&[u8]], payloads: &[&[u8]]) -> Self {
            let layer = |payload: &&[u8]| {
                format!(
                    "{{\"mediaType\":\"{}\",\"digest\":\"{}\",\"size\":{},\"annotations\":{{\"{}\":\"AAAA\"}}}}",
                    payload::MEDIA_TYPE,
                    Digest::of(payload),
                    payload.len(),
                    signature::ANNOTATION
                )
            };
            let layers: Vec<String> = layers.iter().map(layer).collect();
            Self {
                manifest: format!("{{\"schemaVersion\":2,\"layers\":[{}]}}", layers.join(",")).into_bytes(),
                payloads: payloads.iter().map(|payload| payload.to_vec()).collect(),
                asked: AtomicUsize::new(0),
            }
        }

        fn checks(&self, patience: &Patience) -> (Vec<Check>, usize) {
            let demand = Demand {
                keys: Vec::new(),
                purpose: Purpose::Signature,
                annotations: BTreeMap::new(),
                claims: true,
                threshold: 1,
                evidence: Evidence::none(),
            };
            let verdicts = judge(self, &Digest::of(b"image"), &Verifier::default(), &demand, patience);
            let checks = verdicts.into_iter().map(|verdict| verdict.outcome.unwrap_err().check());
            (checks.collect(), self.asked.load(Ordering::Relaxed))
        }
    }

    impl Store for Beside {
        fn resolve(&self, _: &Target) -> Result<Option<Descriptor>> {
            Ok(Some(Descriptor::of(OCI_MANIFEST, &self.manifest)))
        }

        fn manifest(&self, _: &Digest) -> Result<Option<Vec<u8>>> {
            Ok(Some(self.manifest.clone()))
        }

        fn blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let payload = self.payloads.iter().find(|payload| Digest::of(payload) == *digest);
            payload.cloned().map(Some).ok_or_else(|| Error::new(Check::RegistryTimeout, digest))
        }

        fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            Err(Error::new(Check::RegistryTimeout, subject))
        }
    }

    #[test]
    fn one_payload_of_several_keys_is_read_once() {
        let (checks, asked) =
            Beside::new(&[b"one", b"two", b"one", b"one"], &[b"one", b"two"]).checks(&Patience::default());
        let wanted = [[Check::SigKey; 4].as_slice(), &[Check::RegistryTimeout]].concat();
        assert_eq!((checks, asked), (wanted, 3));
    }

    #[test]
    fn a_place_that_is_slow_is_not_asked_for_ever() {
        let layers: Vec<Vec<u8>> = (0..100_u8).map(|place| vec![place]).collect();
        let layers: Vec<&[u8]> = layers.iter().map(Vec::as_slice).collect();
        // Two slow ones do not hide the third; after three nothing is asked for.
        let (checks, asked) = Beside::new(&layers, &[&[2]]).checks(&Patience::default());
        assert_eq!((checks.len(), checks[2], asked), (101, Check::SigKey, 4));
        let slow = checks.iter().filter(|check| **check == Check::RegistryTimeout).count();
        assert_eq!(slow, 100);
    }

    #[test]
    fn slow_referrers_are_not_asked_for_ever_and_hide_no_sig() {
        let patience = Patience::default();
        let asked = (0..8).map(|_| {
            let (checks, asked) = Beside::new(&[b"one"], &[b"one"]).checks(&patience);
            assert_eq!(checks, [Check::SigKey, Check::RegistryTimeout]);
            asked
        });
        // The payload always, the referrers three times.
        assert_eq!(asked.collect::<Vec<_>>(), [2, 2, 2, 1, 1, 1, 1, 1]);
        // A .sig that hangs beside them is asked for as often as if they did not.
        let (_, asked) = Beside::new(&[b"one", b"two", b"three", b"four"], &[]).checks(&patience);
        assert_eq!(asked, 3);
    }
}
