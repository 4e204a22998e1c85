//! Every byte of what stands beside a signature, and of the file that says whom a person trusts, changed one at a time: no
//! change makes anything count that says something else.
//!
//! The cases are from real logs and a real authority (`fixtures/log`), both forms, both kinds of logs.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use coldsign::digest::Digest;
use coldsign::format::bundle;
use coldsign::format::evidence::{Descriptor, OCI_MANIFEST};
use coldsign::keys::public::PublicKey;
use coldsign::trust::Trust;
use coldsign::verify::{Claims, Demand, Evidence, Found, Purpose, Verdict, Verifier, Want};
use serde_json::Value;

fn read(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/log").join(name)).unwrap()
}

/// A case and the image that all are about.
fn case(name: &str) -> (Value, Digest) {
    let cases: Value = serde_json::from_slice(&read("cases.json")).unwrap();
    let case = cases["cases"].as_array().unwrap().iter().find(|case| case["name"] == name).unwrap();
    (case.clone(), Digest::parse(cases["image_digest"].as_str().unwrap()).unwrap())
}

/// Log entries by logs of this root are demanded, and timestamps where there are any.
fn demand(root: &[u8], tsa: Want) -> Option<Demand> {
    let mut trust = Trust::default();
    trust.add_root(root, "root").ok()?;
    Some(Demand {
        keys: vec![PublicKey::from_pem(&read("keys/img.pub")).unwrap()],
        purpose: Purpose::Signature,
        annotations: BTreeMap::new(),
        claims: true,
        threshold: 1,
        evidence: Evidence {
            trust: Arc::new(trust),
            log: Want::Require,
            logs: 1,
            tsa,
            lookup: None,
            keep: false,
        },
    })
}

/// What a verdict says, but for names that nobody signed; `None` where it does not count.
fn meaning(verdict: &Verdict) -> Option<String> {
    let valid = verdict.outcome.as_ref().ok()?;
    let (Claims::Payload(claims) | Claims::Statement(claims)) = valid.claims();
    let standing = valid.standing();
    let entries = standing.entries.iter();
    let entries: Vec<_> =
        entries.map(|entry| (entry.log_id, entry.index, entry.state, entry.proof, entry.time)).collect();
    let tokens: Vec<_> = standing.tokens.iter().map(|token| (token.state, token.time)).collect();
    Some(format!("{claims:?} by {} {:?}: {entries:?} {tokens:?}", valid.key_id(), valid.signature()))
}

fn judge_bundle(bytes: &[u8], subject: &Digest, demand: &Demand) -> Option<String> {
    meaning(&Verifier::default().judge_bundle(bytes, bundle::MEDIA_TYPE, subject, demand))
}

/// Each byte by itself with one bit changed, another bit from byte to byte, and with the next character in its place.
fn flips(good: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> + '_ {
    (0..good.len()).flat_map(|place| {
        [good[place] ^ (1 << (place % 8)), good[place].wrapping_add(1)].map(|byte| {
            let mut bytes = good.to_vec();
            bytes[place] = byte;
            (place, bytes)
        })
    })
}

/// How many of the changes count all the same, with the meaning that they had.
fn unmoved(good: &[u8], judge: impl Fn(&[u8]) -> Option<String>) -> usize {
    let wanted = judge(good);
    assert!(wanted.is_some(), "the case is good");
    let mut unmoved = 0;
    for (place, bytes) in flips(good) {
        if let Some(found) = judge(&bytes) {
            let shown =
                String::from_utf8_lossy(&bytes[place.saturating_sub(20)..(place + 20).min(bytes.len())])
                    .into_owned();
            assert_eq!(Some(found), wanted, "byte {place}: {shown}");
            unmoved += 1;
        }
    }
    unmoved
}

/// Entries of Rekor v1, of Rekor v2 by both types of key, and timestamps, in bundles. What may change is the hint.
#[test]
fn bundles() {
    for (name, root, tsa) in [
        ("b1-base", "roots/tr-v1.json", Want::IfPresent),
        ("ed-base", "roots/tr-ed.json", Want::IfPresent),
        ("ec-promise-null", "roots/tr-ec.json", Want::IfPresent),
        ("tb-v1-base", "roots/tr-v1tsa.json", Want::Require),
    ] {
        let (case, subject) = case(name);
        let bundle = case["referrers"][0]["bundle_raw"].as_str().unwrap();
        let demand = demand(&read(root), tsa).unwrap();
        let unmoved = unmoved(bundle.as_bytes(), |bytes| judge_bundle(bytes, &subject, &demand));
        // The hint is 44 characters of text, which may be any other.
        assert!((40..=2 * 44).contains(&unmoved), "{name}: {unmoved} of {}", 2 * bundle.len());
    }
}

/// Entry and timestamp in the annotations of a layer: nothing of them may change.
#[test]
fn annotations() {
    const LOG: &str = "dev.sigstore.cosign/bundle";
    const TOKEN: &str = "dev.sigstore.cosign/rfc3161timestamp";
    for (name, root, tsa, annotation) in [
        ("ann-base", "roots/tr-v1.json", Want::IfPresent, LOG),
        ("tsa-base", "roots/tr-v1tsa.json", Want::Require, TOKEN),
    ] {
        let (case, subject) = case(name);
        let payload = STANDARD.decode(case["layers"][0]["payload_b64"].as_str().unwrap()).unwrap();
        let manifest: Value = serde_json::from_str(case["manifest_raw"].as_str().unwrap()).unwrap();
        let mut demand = demand(&read(root), tsa).unwrap();
        if annotation == TOKEN {
            // This one was stamped and not logged.
            demand.evidence.log = Want::IfPresent;
        }
        let judge = |text: &[u8]| {
            let mut manifest = manifest.clone();
            manifest["layers"][0]["annotations"][annotation] = std::str::from_utf8(text).ok()?.into();
            let content = |_: &Descriptor| Ok(Bytes::copy_from_slice(&payload));
            let manifest = manifest.to_string();
            let found = Found { media_type: OCI_MANIFEST, manifest: manifest.as_bytes(), content: &content };
            let verdicts = Verifier::default().judge_sig(&found, &subject, &demand).unwrap();
            let [only] = &verdicts[..] else { panic!("one layer") };
            meaning(only)
        };
        let text = manifest["layers"][0]["annotations"][annotation].as_str().unwrap();
        assert_eq!(unmoved(text.as_bytes(), judge), 0, "{name} {annotation}");
    }
}

/// Trusted roots: a root with another byte trusts whom it trusted, or not him. Names, windows that still hold and what is
/// nobody's word may change.
#[test]
fn trusted_roots() {
    for (name, root, tsa) in [
        ("b1-base", "roots/tr-v1.json", Want::IfPresent),
        ("ed-base", "roots/tr-ed.json", Want::IfPresent),
        ("tb-v1-base", "roots/tr-v1tsa.json", Want::Require),
    ] {
        let (case, subject) = case(name);
        let bundle = case["referrers"][0]["bundle_raw"].as_str().unwrap().as_bytes();
        let root = read(root);
        let judge = |root: &[u8]| judge_bundle(bundle, &subject, &demand(root, tsa)?);
        let unmoved = unmoved(&root, judge);
        assert!(unmoved < root.len(), "{name}: {unmoved} of {}", 2 * root.len());
    }
}
