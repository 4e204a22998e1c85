//! Every signature of `fixtures/sig` and `fixtures/referrer` in a registry, judged by the program. `expected` is the
//! rule; for each refusal the check that fires is named. `COLDSIGN_CASES` may name a folder with more of them.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coldsign::check::Check;
use serde_json::Value;

use crate::refusals::{REFERRER_REFUSALS, SIG_REFUSALS};
use crate::registry::{Manners, OCI_INDEX, OCI_MANIFEST, Registry, signature_tag};
use crate::support::{Sandbox, fixture};

/// With the referrers API: an entry is what names its subject, and this one does not.
const ONLY_BY_TAG: &str = "manifest-no-subject";

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} of {value}"))
}

/// The folders with cases of a kind: ours, and the one that somebody named.
fn folders(kind: &str) -> Vec<PathBuf> {
    let more = std::env::var_os("COLDSIGN_CASES").map(|folder| Path::new(&folder).join(kind));
    [fixture(kind)].into_iter().chain(more).collect()
}

/// Puts each case of a kind into a repository of its own, judges it, and compares.
fn judge(
    kind: &str,
    registry: &Registry,
    refusals: &[(&str, Check)],
    except: &str,
    put: impl Fn(&Value, &str, &str),
) {
    for folder in folders(kind) {
        let cases: Value = serde_json::from_slice(&fs::read(folder.join("cases.json")).unwrap()).unwrap();
        let sandbox = Sandbox::new();
        sandbox.write("k.pub", fs::read(folder.join("k.pub")).unwrap());
        let (mut wrong, mut refused, mut judged) = (Vec::new(), 0, 0);
        for case in cases["cases"].as_array().unwrap() {
            if case["rekor_key_required"] == true {
                continue; // logs.rs
            }
            let (name, expected) = (text(case, "name"), text(case, "expected"));
            let (repository, tag) = text(case, "image_ref").split_once(':').unwrap();
            let image = text(&cases, "image_manifest_raw").as_bytes();
            let subject = registry.manifest(repository, tag, OCI_MANIFEST, image);
            assert_eq!(subject, text(&cases, "image_digest"));
            put(case, repository, &subject);
            let arguments = case["verify_args"].as_array().unwrap();
            let outcome = sandbox
                .coldsign()
                .args(["verify", "--key", "k.pub", &registry.at(text(case, "image_ref"))])
                .args(arguments.iter().map(|argument| argument.as_str().unwrap()))
                .run();
            let check = refusals.iter().find(|(case, _)| *case == name).map(|(_, check)| *check);
            let check = if name == except { Some(Check::SigAbsent) } else { check };
            let expected = if name == except { "reject" } else { expected };
            let is = match (expected, check) {
                ("accept", None) => outcome.code() == Some(0) && !outcome.stdout_bytes().is_empty(),
                ("reject", Some(check)) => {
                    refused += 1;
                    let fired = outcome.stderr_text().contains(&format!("error[{check}]: "));
                    fired
                        && outcome.code() == Some(i32::from(check.exit().code()))
                        && matches!(outcome.code(), Some(10 | 12))
                        && outcome.stdout_bytes().is_empty()
                }
                _ => false,
            };
            judged += 1;
            if !is {
                wrong.push(format!("{name}: {expected}, {check:?} wanted\n{outcome}"));
            }
        }
        assert!(wrong.is_empty(), "{} of {judged} wrong\n{}", wrong.len(), wrong.join("\n"));
        assert_eq!(
            refused,
            refusals.len() + usize::from(!except.is_empty()),
            "a stale row in the table of refusals"
        );
    }
}

#[test]
fn signatures_beside_an_image() {
    let registry = Registry::start();
    judge("sig", &registry, SIG_REFUSALS, "", |case, repository, subject| {
        registry.blob(repository, text(case, "config_raw").as_bytes());
        for layer in case["layers"].as_array().unwrap() {
            let payload = STANDARD.decode(text(layer, "payload_b64")).unwrap();
            registry.blob(repository, &payload);
        }
        let (kind, manifest) = (text(case, "manifest_content_type"), text(case, "manifest_raw"));
        registry.manifest(repository, &signature_tag(subject), kind, manifest.as_bytes());
    });
}

fn put_referrers(registry: &Registry, case: &Value, repository: &str) {
    registry.blob(repository, b"{}");
    for referrer in case["referrers"].as_array().unwrap() {
        registry.blob(repository, text(referrer, "bundle_raw").as_bytes());
        registry.manifest(repository, "", OCI_MANIFEST, text(referrer, "manifest_raw").as_bytes());
    }
}

#[test]
fn bundles_by_the_referrers_api() {
    let registry = Registry::start();
    judge("referrer", &registry, REFERRER_REFUSALS, ONLY_BY_TAG, |case, repository, _| {
        put_referrers(&registry, case, repository);
    });
}

#[test]
fn bundles_by_the_fallback_tag() {
    for status in [404, 405] {
        let registry = Registry::with(Manners { referrers: status, ..Manners::default() });
        judge("referrer", &registry, REFERRER_REFUSALS, "", |case, repository, subject| {
            put_referrers(&registry, case, repository);
            let index = text(case, "referrers_tag_index_raw").as_bytes();
            registry.manifest(repository, &subject.replace(':', "-"), OCI_INDEX, index);
        });
    }
}
