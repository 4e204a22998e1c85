//! Bundles of files with Rekor v1 entries (`fixtures/bundle`), judged by `verify-blob` with the log demanded. `expected` is
//! the rule; for each refusal the check that fires is named. `COLDSIGN_CASES` may name a folder with more of them.

use std::fs;
use std::path::{Path, PathBuf};

use coldsign::check::Check;
use serde_json::Value;

use crate::support::{Sandbox, fixture};

fn folders(kind: &str) -> Vec<PathBuf> {
    let more = std::env::var_os("COLDSIGN_CASES").map(|folder| Path::new(&folder).join(kind));
    [fixture(kind)].into_iter().chain(more).collect()
}

fn judge(kind: &str, refusals: &[(&str, Check)]) {
    for folder in folders(kind) {
        let cases: Value = serde_json::from_slice(&fs::read(folder.join("cases.json")).unwrap()).unwrap();
        let sandbox = Sandbox::new();
        let (mut wrong, mut refused) = (Vec::new(), 0);
        for case in cases["cases"].as_array().unwrap() {
            let at = |member: &str| {
                let path = case[member].as_str().unwrap_or_else(|| panic!("{member} of {case}"));
                folder.join(path).display().to_string()
            };
            let (name, expected) = (case["name"].as_str().unwrap(), case["expected"].as_str().unwrap());
            let outcome = sandbox
                .coldsign()
                .args(["verify-blob", "--key", &at("key"), "--trusted-root", &at("trusted_root")])
                .args(["--log", "require", "--bundle", &at("bundle"), &at("artifact")])
                .run();
            let check = refusals.iter().find(|(case, _)| *case == name).map(|(_, check)| *check);
            let is = match (expected, check) {
                ("accept", None) => outcome.code() == Some(0),
                ("reject", Some(check)) => {
                    refused += 1;
                    let verdict = matches!(outcome.code(), Some(12 | 60..=62));
                    let code = outcome.code() == Some(i32::from(check.exit().code()));
                    verdict && code && outcome.stderr_text().starts_with(&format!("error[{check}]: "))
                }
                _ => false,
            };
            if !is {
                wrong.push(format!("{name}: {expected}, {check:?} wanted\n{outcome}"));
            }
        }
        assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
        assert_eq!(refused, refusals.len(), "a stale row in the table of refusals");
    }
}

#[test]
fn bundles_of_files() {
    judge("bundle", BUNDLE_REFUSALS);
}

#[test]
fn every_version_of_a_bundle() {
    judge("bundle/versions", VERSION_REFUSALS);
}

const BUNDLE_REFUSALS: &[(&str, Check)] = &[
    ("sig-flipped", Check::SigKey),
    ("messagedigest-missing", Check::BlobBundle),
    ("messagedigest-alg-mismatch", Check::BlobBundle),
    ("publickey-missing", Check::BlobBundle),
    ("mediatype-v04", Check::BlobBundle),
    ("mediatype-v031", Check::BlobBundle),
    ("mediatype-json", Check::BlobBundle),
    ("mediatype-space", Check::BlobBundle),
    ("mediatype-missing", Check::BlobBundle),
    ("set-flipped", Check::LogSet),
    ("integratedtime-plus1", Check::LogSet),
    ("logindex-negative", Check::LogSyntax),
    ("logid-unknown", Check::LogRequired),
    ("proof-removed", Check::LogProof),
    ("proof-hash-flipped", Check::LogInclusion),
    ("proof-hash-extra", Check::LogInclusion),
    ("proof-treesize-plus1", Check::LogRoot),
    ("proof-treesize-zero", Check::LogRoot),
    ("proof-roothash-flipped", Check::LogRoot),
    ("checkpoint-removed", Check::LogProof),
    ("checkpoint-sig-flipped", Check::LogNote),
    ("checkpoint-signame-changed", Check::LogOrigin),
    ("checkpoint-unknown-cosig-added", Check::LogNote),
    ("checkpoint-trailing-text", Check::LogCheckpoint),
    ("checkpoint-hyphen-not-emdash", Check::LogCheckpoint),
    ("checkpoint-crlf", Check::LogCheckpoint),
    ("body-space-appended", Check::LogSet),
    ("entry-of-other-artifact", Check::LogSignature),
    ("kind-dsse", Check::LogKind),
    ("kindversion-missing", Check::LogSyntax),
    ("tlog-empty", Check::LogRequired),
    ("tlog-duplicate-entry", Check::LogRepeated),
    ("unknown-top-field", Check::BlobBundle),
    ("dup-json-key", Check::BlobBundle),
    ("snake-case-fields", Check::LogSyntax),
    ("both-contents", Check::BlobBundle),
    ("garbage-timestamp", Check::TokenSyntax),
    ("trailing-garbage", Check::BlobBundle),
    ("empty-file", Check::BlobBundle),
    ("json-array", Check::BlobBundle),
    ("json-null", Check::BlobBundle),
    ("wrong-artifact", Check::MessageDigest),
    ("wrong-key", Check::SigKey),
    ("trusted-root-empty-tlogs", Check::LogRequired),
    ("trusted-root-log-expired", Check::LogTime),
];

const VERSION_REFUSALS: &[(&str, Check)] = &[
    ("v0.1-set-only", Check::LogProof),
    ("v0.2-set-only", Check::LogProof),
    ("v0.3-set-only", Check::LogProof),
    ("v0.3-no-tlog", Check::LogRequired),
    ("v0.3-bad-set", Check::LogSet),
    ("v0.3-bad-othersig", Check::LogSignature),
];
