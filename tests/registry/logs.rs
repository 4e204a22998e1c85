//! Entries of real Rekor v1 and v2 logs, tokens of a real timestamp authority, and mutations of them (`fixtures/log`,
//! `fixtures/sig`), in a registry or in a file, judged by the program. `expected` is the rule; for each refusal the check
//! that fires is named. `COLDSIGN_CASES` may name a folder with more of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coldsign::check::Check;
use serde_json::Value;

use crate::log_refusals::{LOG_REFUSALS, SIG_LOG_REFUSALS};
use crate::registry::{Manners, OCI_INDEX, OCI_MANIFEST, Registry, signature_tag};
use crate::support::{Outcome, Sandbox, fixture};

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} of {value}"))
}

/// The folders with cases of a kind: ours, and the one that somebody named.
fn folders(kind: &str) -> Vec<PathBuf> {
    let more = std::env::var_os("COLDSIGN_CASES").map(|folder| Path::new(&folder).join(kind));
    [fixture(kind)].into_iter().chain(more).collect()
}

fn read_cases(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("cases.json")).unwrap()).unwrap()
}

/// Puts a case's image and what stands beside it into a repository.
fn put(registry: &Registry, cases: &Value, case: &Value, by_tag: bool) {
    let (repository, tag) = text(case, "image_ref").split_once(':').unwrap();
    let subject =
        registry.manifest(repository, tag, OCI_MANIFEST, text(cases, "image_manifest_raw").as_bytes());
    if case.get("referrers").is_some() {
        registry.blob(repository, b"{}");
        for referrer in case["referrers"].as_array().unwrap() {
            registry.blob(repository, text(referrer, "bundle_raw").as_bytes());
            registry.manifest(repository, "", OCI_MANIFEST, text(referrer, "manifest_raw").as_bytes());
        }
        if by_tag {
            let index = text(case, "referrers_tag_index_raw").as_bytes();
            registry.manifest(repository, &subject.replace(':', "-"), OCI_INDEX, index);
        }
        return;
    }
    registry.blob(repository, text(case, "config_raw").as_bytes());
    for layer in case["layers"].as_array().unwrap() {
        registry.blob(repository, &STANDARD.decode(text(layer, "payload_b64")).unwrap());
    }
    let (kind, manifest) = (text(case, "manifest_content_type"), text(case, "manifest_raw"));
    registry.manifest(repository, &signature_tag(&subject), kind, manifest.as_bytes());
}

/// Whether the program said what is expected, and by which check. The wrong ones, as text.
#[derive(Default)]
struct Compared {
    wrong: Vec<String>,
    refused: BTreeMap<String, usize>,
    judged: usize,
}

impl Compared {
    fn add(&mut self, name: &str, expected: &str, refusals: &[(&str, Check)], outcome: &Outcome) {
        self.judged += 1;
        let check = refusals.iter().find(|(case, _)| *case == name).map(|(_, check)| *check);
        let is = match (expected, check) {
            ("accept", None) => outcome.code() == Some(0),
            ("reject", Some(check)) => {
                *self.refused.entry(name.to_owned()).or_default() += 1;
                outcome.stderr_text().contains(&format!("error[{check}]: "))
                    && outcome.stdout_bytes().is_empty()
            }
            _ => false,
        };
        // 1, 2 and 101 are never a verdict on what somebody else wrote.
        let verdict = matches!(outcome.code(), Some(0 | 10 | 12 | 21 | 22 | 60..=62));
        if !is || !verdict {
            self.wrong.push(format!("{name}: {expected}, {check:?} wanted\n{outcome}"));
        }
    }

    #[track_caller]
    fn finish(self, refusals: &[(&str, Check)]) {
        let Self { wrong, refused, judged } = self;
        assert!(wrong.is_empty(), "{} of {judged} wrong\n{}", wrong.len(), wrong.join("\n"));
        assert_eq!(refused.len(), refusals.len(), "a stale row in the table of refusals");
    }
}

#[test]
fn entries_and_tokens() {
    for by_tag in [false, true] {
        let manners =
            if by_tag { Manners { referrers: 404, ..Manners::default() } } else { Manners::default() };
        let registry = Registry::with(manners);
        for folder in folders("log") {
            let (cases, sandbox) = (read_cases(&folder), Sandbox::new());
            let mut compared = Compared::default();
            for case in cases["cases"].as_array().unwrap() {
                let name = text(case, "name");
                if text(case, "kind") != "blob" {
                    put(&registry, &cases, case, by_tag);
                }
                let command = case["command"].as_array().unwrap().iter().map(|word| {
                    let word = word.as_str().unwrap().replace("{registry}/", &registry.at(""));
                    let file = folder.join(&word);
                    if file.is_file() { file.display().to_string() } else { word }
                });
                let outcome = sandbox.coldsign().args(command.collect::<Vec<_>>()).run();
                compared.add(name, text(case, "expected"), LOG_REFUSALS, &outcome);
            }
            compared.finish(LOG_REFUSALS);
        }
    }
}

/// The cases that want the key of the log, and those that have log material and do not.
#[test]
fn signatures_with_a_bare_log_key() {
    let registry = Registry::start();
    for folder in folders("sig") {
        let (cases, sandbox) = (read_cases(&folder), Sandbox::new());
        let mut compared = Compared::default();
        for case in
            cases["cases"].as_array().unwrap().iter().filter(|case| case["rekor_key_required"] == true)
        {
            put(&registry, &cases, case, false);
            let at = |name: &str| folder.join(name).display().to_string();
            let outcome = sandbox
                .coldsign()
                .args(["verify", "--key", &at("k.pub"), "--rekor-key", &at("rekor.pub")])
                .arg(registry.at(text(case, "image_ref")))
                .run();
            compared.add(text(case, "name"), text(case, "expected"), SIG_LOG_REFUSALS, &outcome);
        }
        compared.finish(SIG_LOG_REFUSALS);
    }
}
