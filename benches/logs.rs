//! Bundles with log entries, proofs and timestamps against the raw signature checks that each of them needs, with the same
//! crates on one core; and ten thousand of them by one trusted root, which is read once.
//!
//! Prints ratios; judges nothing. `just bench`, or `cargo bench --bench logs -- [BUNDLES]`.

#![expect(clippy::indexing_slicing, reason = "a bench fails by panicking")]

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coldsign::digest::Digest;
use coldsign::format::envelope;
use coldsign::format::log::Entry;
use coldsign::format::log::note::Checkpoint;
use coldsign::format::{json, statement};
use coldsign::keys::public::PublicKey;
use coldsign::trust::Trust;
use coldsign::verify::{Demand, Evidence, Purpose, Verifier, Want};
use serde_json::Value;

fn main() {
    let bundles = std::env::args().find_map(|text| text.parse().ok()).unwrap_or(10_000_usize);
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/log");
    let cases: Value = read(&folder.join("cases.json"));
    let key = PublicKey::from_pem(&fs::read(folder.join("keys/img.pub")).expect("a key")).expect("a key");
    let subject = Digest::parse(cases["image_digest"].as_str().expect("a digest")).expect("a digest");
    for (case, what) in [
        ("b1-base", "Rekor v1: promise, proof, checkpoint"),
        ("ed-base", "Rekor v2, Ed25519: proof, checkpoint"),
        ("two-v2-logs", "two Rekor v2 logs"),
    ] {
        let found = cases["cases"].as_array().expect("cases").iter().find(|found| found["name"] == case);
        let found = found.expect("the case");
        let bundle = found["referrers"][0]["bundle_raw"].as_str().expect("a bundle").as_bytes();
        let root = fs::read(folder.join(found["trusted_root"].as_str().expect("a root"))).expect("a root");
        let began = Instant::now();
        let mut trust = Trust::default();
        trust.add_root(&root, "root").expect("a trusted root");
        let parsed = began.elapsed();
        let trust = Arc::new(trust);
        let raw = raw(bundle, &key, &trust);
        let evidence = Evidence { trust, log: Want::Require, ..Evidence::none() };
        let demand = Demand {
            keys: vec![key.clone()],
            purpose: Purpose::Signature,
            annotations: BTreeMap::new(),
            claims: true,
            threshold: 1,
            evidence,
        };
        let verifier = Verifier::default();
        let judge = || {
            let media_type = "application/vnd.dev.sigstore.bundle.v0.3+json";
            let verdict = verifier.judge_bundle(black_box(bundle), media_type, &subject, &demand);
            assert!(verdict.outcome.is_ok(), "{:?}", verdict.outcome);
        };
        (0..bundles / 10).for_each(|_| judge());
        let before = peak();
        // In turns, so that what else the machine does falls on both alike.
        let (mut whole, mut checks) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..10 {
            whole += timed(bundles / 10, &judge);
            checks += timed(bundles / 10, &raw);
        }
        let each =
            |time: Duration| time.as_secs_f64() * 1e6 / f64::from(u32::try_from(bundles).unwrap_or(u32::MAX));
        println!("{what}: {bundles} bundles, one trusted root, read once in {parsed:.2?}");
        println!("  {:.0} us each, raw signature checks {:.0} us", each(whole), each(checks));
        println!(
            "  ratio {:.2} (goal 1.30); peak grew by {} KiB",
            whole.as_secs_f64() / checks.as_secs_f64(),
            peak() - before
        );
    }
}

fn timed(count: usize, work: &impl Fn()) -> Duration {
    let began = Instant::now();
    (0..count).for_each(|_| work());
    began.elapsed()
}

/// The signature checks that a bundle needs, and nothing else: of the image, of each promise, of each checkpoint.
fn raw(bundle: &[u8], key: &PublicKey, trust: &Arc<Trust>) -> impl Fn() + use<> {
    let value: Value = serde_json::from_slice(bundle).expect("JSON");
    let bytes = |value: &Value| STANDARD.decode(value.as_str().expect("base64")).expect("base64");
    let payload = bytes(&value["dsseEnvelope"]["payload"]);
    let mut checks: Vec<(PublicKey, Vec<u8>, Vec<u8>)> = vec![(
        key.clone(),
        envelope::pae(statement::MEDIA_TYPE, &payload),
        bytes(&value["dsseEnvelope"]["signatures"][0]["sig"]),
    )];
    let entries = json::Value::parse(bundle, 32, json::Names::Exact).expect("JSON");
    let entries = entries.get("verificationMaterial").and_then(|material| material.get("tlogEntries"));
    for entry in Entry::read_all(entries).expect("entries") {
        let log = trust.logs_of(entry.log_id).next().expect("a log").key().clone();
        if let Some(promise) = &entry.promise {
            checks.push((log.clone(), entry.promised(), promise.clone()));
        }
        let note = entry.proof.and_then(|proof| proof.checkpoint).expect("a checkpoint");
        let note = Checkpoint::parse(&note).expect("a checkpoint");
        let line = note.lines().first().expect("a line");
        checks.push((log, note.text().to_vec(), line.signature.clone()));
    }
    move || {
        for (key, message, signature) in &checks {
            assert!(key.verify(black_box(message), black_box(signature)));
        }
    }
}

fn read(path: &PathBuf) -> Value {
    serde_json::from_slice(&fs::read(path).expect("the fixtures are there")).expect("JSON")
}

/// The most memory that this process ever had, in KiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
