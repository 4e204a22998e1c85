//! Bundles as files, as attestations and in referrers, judged with a key, two kinds of logs and an authority. What counts
//! is what was signed and logged.
#![no_main]

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coldsign::digest::Digest;
use coldsign::format::bundle;
use coldsign::format::json::{Names, Value};
use coldsign::format::log::{Entry, read_tokens};
use coldsign::keys::public::PublicKey;
use coldsign::limits;
use coldsign::trust::Trust;
use coldsign::verify::examine::Examined;
use coldsign::verify::{BlobSignature, Demand, Evidence, Purpose, State, Verifier, Want, verify_blob_digest};
use libfuzzer_sys::fuzz_target;

static KEYS: LazyLock<Vec<PublicKey>> = LazyLock::new(|| {
    vec![PublicKey::from_pem(include_bytes!("../../fixtures/log/keys/img.pub")).expect("a key")]
});

/// A log and an authority are demanded: nothing that a fuzzer makes has what they have not signed.
static EVIDENCE: LazyLock<Evidence> = LazyLock::new(|| {
    let mut trust = Trust::default();
    for root in [
        &include_bytes!("../../fixtures/log/roots/tr-both.json")[..],
        include_bytes!("../../fixtures/log/roots/tr-v1tsa.json"),
        include_bytes!("../../fixtures/log/roots/tr-edtsa.json"),
    ] {
        trust.add_root(root, "a root").expect("a root");
    }
    Evidence { trust: Arc::new(trust), log: Want::Require, ..Evidence::none() }
});

const ARTIFACT: &[u8] = include_bytes!("../../fixtures/log/artifact.txt");

/// What was never signed.
const STRANGER: &[u8] = b"nobody signed this";

fuzz_target!(|data: &[u8]| {
    entries(data);
    if let Ok(examined) = Examined::read(data) {
        assert!(data.len() <= limits::MANIFEST);
        if let Ok(judged) = examined.judge(&KEYS, &EVIDENCE)
            && judged.demanded.is_ok()
        {
            assert_eq!(judged.standing.log(), State::Verified);
            assert_ne!(judged.standing.token(), State::Invalid);
        }
    }
    if let Ok(signature) = BlobSignature::of_bundle(data) {
        let judge = |file: &[u8]| verify_blob_digest(&KEYS, &signature, &Digest::of(file), &EVIDENCE);
        if let Ok(verdict) = judge(ARTIFACT) {
            assert_eq!(verdict.standing.log(), State::Verified);
        }
        assert!(judge(STRANGER).is_err(), "forged");
    }
    let mut demand = Demand {
        keys: KEYS.clone(),
        purpose: Purpose::Signature,
        annotations: BTreeMap::new(),
        claims: true,
        threshold: 1,
        evidence: EVIDENCE.clone(),
    };
    for purpose in [Purpose::Signature, Purpose::Attestation(None)] {
        demand.purpose = purpose;
        let verdict =
            Verifier::default().judge_bundle(data, bundle::MEDIA_TYPE, &Digest::of(STRANGER), &demand);
        assert!(verdict.outcome.is_err(), "forged");
    }
});

/// Entries that are read are written so that they are read again, and every cap holds.
fn entries(data: &[u8]) {
    let Ok(value) = Value::parse(data, limits::DEPTH_EVIDENCE, Names::Exact) else { return };
    let Some(material) = value.get("verificationMaterial") else { return };
    if let Ok(tokens) = read_tokens(material.get("timestampVerificationData")) {
        assert!(tokens.len() <= limits::TOKENS && tokens.iter().all(|token| !token.is_empty()));
    }
    let Ok(entries) = Entry::read_all(material.get("tlogEntries")) else { return };
    assert!(entries.len() <= limits::LOG_ENTRIES);
    for entry in entries {
        let mut written = String::new();
        entry.push(&mut written);
        let value = Value::parse(format!("[{written}]").as_bytes(), limits::DEPTH_EVIDENCE, Names::Exact);
        let again = Entry::read_all(Some(&value.expect("ours"))).expect("ours");
        assert_eq!(again, std::slice::from_ref(&entry));
        assert!(entry.proof.is_none_or(|proof| proof.hashes.len() <= limits::LOG_HASHES));
        assert!(STANDARD.encode(&entry.body).len() < data.len());
    }
}
