//! Signatures that other programs and hands made, with the verdicts of real verifiers (`fixtures/{sig,referrer,peers}`).
//! `expected` is the rule; for each refusal the check that fires is named here.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "support/refusals.rs"]
mod refusals;

use std::collections::BTreeMap;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use coldsign::check::Check;
use coldsign::digest::Digest;
use coldsign::error::{Error, Result};
use coldsign::exit::Exit;
use coldsign::format::evidence::{Descriptor, OCI_MANIFEST};
use coldsign::format::statement::{self, Statement};
use coldsign::keys::public::PublicKey;
use coldsign::verify::{Demand, Evidence, Found, Purpose, State, Valid, Verdict, Verifier, conclude};
use serde_json::Value;

use refusals::{REFERRER_REFUSALS, SIG_REFUSALS};

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn cases(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(folder(name).join("cases.json")).unwrap()).unwrap()
}

fn demand(key: &PathBuf, arguments: &Value) -> Demand {
    let arguments: Vec<&str> =
        arguments.as_array().into_iter().flatten().map(|text| text.as_str().unwrap()).collect();
    let annotations: BTreeMap<String, String> = arguments
        .chunks(2)
        .map(|pair| {
            assert_eq!(pair[0], "-a");
            let (key, value) = pair[1].split_once('=').unwrap();
            (key.to_owned(), value.to_owned())
        })
        .collect();
    Demand {
        keys: vec![PublicKey::from_pem(&std::fs::read(key).unwrap()).unwrap()],
        purpose: Purpose::Signature,
        annotations,
        claims: true,
        threshold: 1,
        evidence: Evidence::none(),
    }
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} of {value}"))
}

fn subject(cases: &Value) -> Digest {
    Digest::parse(text(cases, "image_digest")).unwrap()
}

fn judge(
    media_type: &str,
    manifest: &[u8],
    payloads: &BTreeMap<Digest, Bytes>,
    subject: &Digest,
    demand: &Demand,
) -> Result<Vec<Valid>> {
    let payload = |descriptor: &Descriptor| {
        payloads
            .get(&descriptor.digest)
            .cloned()
            .ok_or_else(|| Error::new(Check::SigLayerSize, descriptor.digest))
    };
    let found = Found { media_type, manifest, content: &payload };
    conclude(Verifier::default().judge_sig(&found, subject, demand)?, demand)
}

fn compare(
    name: &str,
    expected: &str,
    outcome: Result<Vec<Valid>>,
    refusals: &[(&str, Check)],
    named: &mut Vec<String>,
) {
    let known = refusals.iter().find(|(case, _)| *case == name).map(|(_, check)| *check);
    match (expected, outcome) {
        ("accept", Ok(valid)) => assert!(!valid.is_empty() && known.is_none(), "{name}"),
        ("reject", Err(error)) => {
            assert!(matches!(error.exit(), Exit::NoSignatures | Exit::NoneMatched), "{name}: {error:?}");
            assert_eq!(Some(error.check()), known, "{name}: {error:?}");
            named.push(name.to_owned());
        }
        (expected, outcome) => panic!("{name}: expected {expected}, {outcome:?}"),
    }
}

#[test]
fn sig_cases() {
    let cases = cases("sig");
    let subject = subject(&cases);
    let mut named = Vec::new();
    for case in cases["cases"].as_array().unwrap() {
        if case["rekor_key_required"] == true {
            continue; // tests/registry/logs.rs
        }
        let layers = case["layers"].as_array().unwrap().iter();
        let payloads = layers.map(|layer| {
            let bytes = Bytes::from(STANDARD.decode(text(layer, "payload_b64")).unwrap());
            (Digest::of(&bytes), bytes)
        });
        let demand = demand(&folder("sig/k.pub"), &case["verify_args"]);
        let manifest = text(case, "manifest_raw").as_bytes();
        let outcome =
            judge(text(case, "manifest_content_type"), manifest, &payloads.collect(), &subject, &demand);
        compare(text(case, "name"), text(case, "expected"), outcome, SIG_REFUSALS, &mut named);
    }
    assert_eq!(named.len(), SIG_REFUSALS.len(), "a stale row in the table of refusals");
}

#[test]
fn referrer_cases() {
    let cases = cases("referrer");
    let subject = subject(&cases);
    let mut named = Vec::new();
    for case in cases["cases"].as_array().unwrap() {
        let demand = demand(&folder("referrer/k.pub"), &case["verify_args"]);
        let mut verdicts: Vec<Verdict> = Vec::new();
        for referrer in case["referrers"].as_array().unwrap() {
            let manifest: Value = serde_json::from_str(text(referrer, "manifest_raw")).unwrap();
            let media_type = text(&manifest["layers"][0], "mediaType");
            if media_type.starts_with("application/vnd.dev.sigstore.bundle") {
                verdicts.push(Verifier::default().judge_bundle(
                    text(referrer, "bundle_raw").as_bytes(),
                    media_type,
                    &subject,
                    &demand,
                ));
            }
        }
        let outcome = conclude(verdicts, &demand);
        compare(text(case, "name"), text(case, "expected"), outcome, REFERRER_REFUSALS, &mut named);
    }
    assert_eq!(named.len(), REFERRER_REFUSALS.len(), "a stale row in the table of refusals");
}

#[test]
fn peers_sigs_and_referrers() {
    let cases = cases("peers");
    let subject = subject(&cases);
    let mut judged = 0;
    for case in cases["cases"].as_array().unwrap() {
        let name = text(case, "name");
        let read = |member: &str| std::fs::read(folder("peers").join(text(case, member))).unwrap();
        let demand = demand(&folder("peers").join(text(case, "key")), &case["verify_args"]);
        let valid = match text(case, "kind") {
            "sig" => {
                let payload = Bytes::from(read("payload"));
                judge(
                    OCI_MANIFEST,
                    &read("manifest"),
                    &BTreeMap::from([(Digest::of(&payload), payload)]),
                    &subject,
                    &demand,
                )
            }
            "referrer" => {
                let manifest: Value = serde_json::from_slice(&read("manifest")).unwrap();
                let media_type = text(&manifest["layers"][0], "mediaType");
                conclude(
                    vec![Verifier::default().judge_bundle(&read("bundle"), media_type, &subject, &demand)],
                    &demand,
                )
            }
            // These are verified by the program: tests/cli.
            "layout" | "bundle" => continue,
            kind => panic!("{kind}"),
        };
        valid.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        judged += 1;
    }
    assert!(judged >= 9, "{judged}");
}

/// Entries and timestamps that nobody can check never count and never unmake a signature; what cannot be read does.
#[test]
fn what_stands_beside_a_bundle_is_read_strictly() {
    let cases = cases("referrer");
    let base = cases["cases"].as_array().unwrap().iter().find(|case| case["name"] == "base").unwrap();
    let bundle = text(&base["referrers"][0], "bundle_raw");
    let demand = demand(&folder("referrer/k.pub"), &Value::Null);
    let judge = |text: &str| {
        let media_type = "application/vnd.dev.sigstore.bundle.v0.3+json";
        Verifier::default().judge_bundle(text.as_bytes(), media_type, &subject(&cases), &demand).outcome
    };
    let with = |member: &str| bundle.replace("\"publicKey\":", &format!("{member},\"publicKey\":"));
    for empty in ["\"tlogEntries\":[]", "\"tlogEntries\":null", "\"timestampVerificationData\":{}"] {
        let valid = judge(&with(empty)).unwrap();
        assert_eq!(
            (valid.standing().log(), valid.standing().token()),
            (State::Absent, State::Absent),
            "{empty}"
        );
    }
    for (bad, check) in [
        ("\"tlogEntries\":[{}]", Check::LogSyntax),
        ("\"tlogEntries\":{}", Check::LogSyntax),
        ("\"timestampVerificationData\":{\"rfc3161Timestamps\":[{}]}", Check::LogSyntax),
        (
            "\"timestampVerificationData\":{\"rfc3161Timestamps\":[{\"signedTimestamp\":\"AAAA\"}]}",
            Check::TokenSyntax,
        ),
    ] {
        assert_eq!(judge(&with(bad)).unwrap_err().check(), check, "{bad}");
    }
}

/// What two readers could read in two ways does not count: what cosign 2.6.5 and 3.1.3 refused when they were asked
/// (`Layers` beside `layers`, false `data`, a timestamp that is no JSON, unknown members of a statement), and its like.
#[test]
fn lax_manifests_do_not_count() {
    let cases = cases("sig");
    let base = cases["cases"].as_array().unwrap().iter().find(|case| case["name"] == "base-name-only-ref");
    let base = base.unwrap();
    let manifest = text(base, "manifest_raw");
    let bytes = Bytes::from(STANDARD.decode(text(&base["layers"][0], "payload_b64")).unwrap());
    let payloads = BTreeMap::from([(Digest::of(&bytes), bytes.clone())]);
    let demand = demand(&folder("sig/k.pub"), &Value::Null);
    let judged = |manifest: &str| {
        assert!(serde_json::from_str::<Value>(manifest).is_ok(), "{manifest}");
        judge(OCI_MANIFEST, manifest.as_bytes(), &payloads, &subject(&cases), &demand)
    };
    let in_layer =
        |member: &str| manifest.replace("\"annotations\":{", &format!("{member},\"annotations\":{{"));
    let annotated = |name: &str, value: &str| {
        let pair = format!("\"annotations\":{{\"{name}\":{}", Value::from(value));
        manifest.replace("\"annotations\":{", &format!("{pair},"))
    };
    let good = format!("\"data\":\"{}\"", STANDARD.encode(&bytes));
    let timestamp = "dev.sigstore.cosign/rfc3161timestamp";
    for good in [
        manifest.to_owned(),
        in_layer(&good),
        annotated(timestamp, ""),
        annotated("dev.sigstore.cosign/chain", ""),
    ] {
        judged(&good).unwrap_or_else(|error| panic!("{good}: {error:?}"));
    }
    for (bad, check) in [
        (manifest.replacen('{', "{\"Layers\":[],", 1), Check::SigManifestKind),
        (in_layer("\"data\":\"AAAA\""), Check::SigLayerType),
        (in_layer("\"Digest\":\"x\""), Check::SigLayerType),
        (annotated(timestamp, "x"), Check::SigLog),
        (annotated(timestamp, "{}"), Check::SigLog),
        (annotated(timestamp, "{\"SignedRFC3161Timestamp\":\"AAAA\"}"), Check::TokenSyntax),
        (annotated("dev.sigstore.cosign/chain", "x"), Check::SigCertificate),
    ] {
        assert!(bad != manifest);
        assert_eq!(judged(&bad).unwrap_err().check(), check, "{bad}");
    }
    let statement = String::from_utf8(statement::render(&subject(&cases), &BTreeMap::new())).unwrap();
    Statement::parse(statement.as_bytes()).unwrap();
    for bad in [
        statement.replacen('{', "{\"more\":1,", 1),
        statement.replacen("{\"digest\"", "{\"more\":1,\"digest\"", 1),
    ] {
        assert_eq!(Statement::parse(bad.as_bytes()).unwrap_err().check(), Check::BundleSyntax, "{bad}");
    }
}
