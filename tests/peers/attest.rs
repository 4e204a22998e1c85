//! Attestations and signatures of files, in both directions: stock cosign makes them and we verify, we make them and
//! stock cosign verifies.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;

use coldsign::digest::Digest;
use coldsign::format::attestation::{self, PredicateType};
use coldsign::format::{bundle, envelope, statement};
use coldsign::keys::foreign::ForeignKey;
use coldsign::keys::signing::{Signer, SigningKey};
use serde_json::Value;

use crate::support::{Run, Sandbox, fixture};
use crate::tools::{COSIGNS, Kind, Registry, all_there, tool};

pub(crate) const OWN: &str = "https://example.org/own/v1";
const ROOT: &str = r#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#;

/// A registry with the referrers API, and a folder with a key in every form that somebody wants.
struct Scene {
    registry: Registry,
    sandbox: Sandbox,
}

impl Scene {
    fn new() -> Self {
        let sandbox = Sandbox::new();
        sandbox.fixture("format/one.pem", "one.pem").fixture("format/one.pub", "one.pub");
        sandbox.fixture("format/two.pub", "two.pub").fixture("format/single", "layout");
        sandbox.write("tr0.json", ROOT).write("predicate.json", "{\"zeta\":1,\"alpha\":[\"<&>\"]}\n");
        sandbox.write("text.txt", "any <text> & \"quoted\"\n");
        tool(&sandbox, "cosign3").args(["import-key-pair", "--key", "one.pem", "-o", "one", "-y"]).expect(0);
        let registry = Registry::serve(&sandbox, Kind::Olareg);
        Self { registry, sandbox }
    }

    /// The image in a repository of its own: `HOST/NAME@DIGEST`.
    fn image(&self, name: &str) -> String {
        let name = format!("{}/{name}", self.registry.address());
        tool(&self.sandbox, "crane").args(["push", "layout", &format!("{name}:1")]).expect(0);
        let digest = tool(&self.sandbox, "crane").args(["digest", &format!("{name}:1")]).expect(0);
        format!("{name}@{}", digest.stdout_text().trim())
    }

    fn cosign<'a>(&'a self, cosign: &str, command: &str) -> Run<'a> {
        tool(&self.sandbox, cosign).args([command, "--key", "one.key"])
    }

    fn attest<'a>(&'a self, cosign: &str, [kind, predicate]: [&str; 2], form: &str, image: &str) -> Run<'a> {
        let run = self.cosign(cosign, "attest").args(["--type", kind, "--predicate", predicate]);
        let run = run.args(["--tlog-upload=false", "-y", image]);
        match (cosign, form) {
            ("cosign2", ".att") => run,
            ("cosign2", _) => run.arg("--new-bundle-format"),
            (_, ".att") => run.args(["--new-bundle-format=false", "--use-signing-config=false"]),
            (_, _) => run.arg("--use-signing-config=false"),
        }
    }

    /// Stock `verify-attestation` without a log.
    fn judged<'a>(&'a self, cosign: &str, key: &str, kind: &str, image: &str) -> Run<'a> {
        tool(&self.sandbox, cosign)
            .args(["verify-attestation", "--key", key, "--type", kind, "--insecure-ignore-tlog=true"])
            .args(["--trusted-root", "tr0.json", image])
    }

    fn ours<'a>(&'a self, key: &str, kind: &str, image: &str) -> Run<'a> {
        self.sandbox.coldsign().args(["verify-attestation", "--key", key, "--type", kind, image])
    }
}

/// JSON lines as a set; the empty key id that cosign 2 writes says nothing.
fn lines(text: &str) -> BTreeSet<String> {
    let line = |line: &str| {
        let mut value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for signature in value.pointer_mut("/signatures").and_then(Value::as_array_mut).into_iter().flatten()
        {
            if signature["keyid"] == "" {
                drop(signature.as_object_mut().and_then(|members| members.remove("keyid")));
            }
        }
        value.to_string()
    };
    text.lines().map(line).collect()
}

/// The key of `one.pub`.
fn key() -> SigningKey {
    ForeignKey::from_pem(&fs::read(fixture("format/one.pem")).unwrap()).unwrap().open(None).unwrap()
}

/// A statement about `REPOSITORY@DIGEST`, its predicate with blanks of its own.
fn statement(image: &str, kind: &str) -> Vec<u8> {
    let (name, digest) = image.split_once('@').unwrap();
    let kind = PredicateType::parse(kind).unwrap();
    let predicate = kind.predicate_of(" {\"a\": [ 1.50, \"<&>\" ]}\n").unwrap();
    attestation::render_statement(name, &Digest::parse(digest).unwrap(), &kind, &predicate)
}

fn sign(statement: &[u8]) -> Vec<u8> {
    key().sign(&envelope::pae(statement::MEDIA_TYPE, statement)).unwrap()
}

/// An attestation of ours, as a DSSE envelope.
pub(crate) fn envelope(image: &str, kind: &str) -> Vec<u8> {
    let statement = statement(image, kind);
    attestation::render_envelope(&statement, &sign(&statement)).to_vec()
}

/// The bundle of a file, and the bare signature.
pub(crate) fn of_file(file: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (key, signature) = (key(), key().sign(file).unwrap());
    let bundle = bundle::render_message(&Digest::of(file), &key.public_key().id(), &signature);
    (bundle.to_vec(), signature)
}

#[test]
fn what_cosign_attests() {
    if !all_there(&["cosign2", "cosign3", "crane", "olareg"]) {
        return;
    }
    let scene = Scene::new();
    let (custom, own) = (["custom", "text.txt"], [OWN, "predicate.json"]);
    for cosign in COSIGNS {
        for form in [".att", "bundle"] {
            let image = scene.image(&format!("{cosign}/{}", form.trim_start_matches('.')));
            scene.ours("one.pub", "custom", &image).expect(10);
            scene.attest(cosign, custom, form, &image).expect(0);
            scene.attest(cosign, own, form, &image).expect(0);
            for [kind, _] in [custom, own] {
                let ours = scene.ours("one.pub", kind, &image).expect(0);
                let line = format!("form: {form}, 1 of 2 valid");
                ours.stderr_line(&line);
                for judge in COSIGNS {
                    let theirs = scene.judged(judge, "one.pub", kind, &image).expect(0);
                    assert_eq!(lines(ours.stdout_text()), lines(theirs.stdout_text()), "{kind}, {cosign}");
                }
                scene.ours("two.pub", kind, &image).expect(12).stdout("");
            }
            scene.ours("one.pub", "spdx", &image).expect(12).stdout("");
            // It is no signature of the image, although stock cosign takes the bundle for one.
            let verify = scene.sandbox.coldsign().args(["verify", "--key", "one.pub", &image]).run();
            assert_eq!(verify.code(), Some(if form == ".att" { 10 } else { 12 }), "{verify}");

            let ours = scene.sandbox.coldsign().args(["download", "attestation", &image]).expect(0);
            if form == ".att" || *cosign == "cosign3" {
                let theirs =
                    tool(&scene.sandbox, "cosign3").args(["download", "attestation", &image]).expect(0);
                assert_eq!(lines(ours.stdout_text()), lines(theirs.stdout_text()), "{ours}\n{theirs}");
            }
            let one =
                scene.sandbox.coldsign().args(["download", "attestation", "--predicate-type", OWN, &image]);
            assert_eq!(one.expect(0).stdout_text().lines().count(), 1);

            // What is downloaded is put beside another copy, every one of it.
            scene.sandbox.write("all.jsonl", ours.stdout_bytes());
            let other = scene.image(&format!("copy/{cosign}/{}", form.trim_start_matches('.')));
            let attach = || {
                let line =
                    ["attach", "attestation", "--attestation", "all.jsonl", "--key", "one.pub", &other];
                scene.sandbox.coldsign().args(line).expect(0)
            };
            assert!(attach().stderr_text().contains("\npushed "));
            assert!(attach().stderr_text().contains("\nunchanged "));
            for judge in COSIGNS {
                for [kind, _] in [custom, own] {
                    scene.judged(judge, "one.pub", kind, &other).expect(0);
                }
            }
        }
    }
}

#[test]
fn what_we_attest() {
    if !all_there(&["cosign2", "cosign3", "crane", "olareg"]) {
        return;
    }
    let scene = Scene::new();
    for kind in PredicateType::names().chain([OWN]) {
        for form in ["att", "bundle"] {
            let image = scene.image(&format!("ours/{form}/{}", kind.rsplit('/').next().unwrap()));
            let file = if form == "att" {
                envelope(&image, kind)
            } else {
                let statement = statement(&image, kind);
                bundle::render(&statement, &key().public_key().id(), &sign(&statement)).to_vec()
            };
            scene.sandbox.write("made.json", &file);
            let line = ["attach", "attestation", "--attestation", "made.json", "--key", "one.pub", &image];
            scene.sandbox.coldsign().args(line).expect(0);
            for cosign in COSIGNS {
                scene.judged(cosign, "one.pub", kind, &image).expect(0);
                scene.judged(cosign, "two.pub", kind, &image).expect(1);
                let another = if kind == OWN { "custom" } else { OWN };
                scene.judged(cosign, "one.pub", another, &image).expect(1);
            }
        }
    }
}

#[test]
fn files_in_both_directions() {
    if !all_there(COSIGNS) {
        return;
    }
    let sandbox = Sandbox::new();
    sandbox.fixture("format/one.pem", "one.pem").fixture("format/one.pub", "one.pub");
    sandbox.fixture("format/two.pub", "two.pub").write("tr0.json", ROOT).write("blob", "hello blob\n");
    let import = ["import-key-pair", "--key", "one.pem", "-o", "one", "-y"];
    tool(&sandbox, "cosign3").args(import).expect(0);
    let ours = |by: [&str; 2], key: &str| {
        sandbox.coldsign().args(["verify-blob", "--key", key]).args(by).arg("blob")
    };
    for cosign in COSIGNS {
        let (bundle, bare) = (format!("{cosign}.bundle"), format!("{cosign}.sig"));
        let sign =
            || tool(&sandbox, cosign).args(["sign-blob", "--key", "one.key", "--tlog-upload=false", "-y"]);
        let (old, new): (&[&str], &[&str]) = match *cosign {
            "cosign2" => (&[], &["--new-bundle-format"]),
            _ => (
                &["--new-bundle-format=false", "--use-signing-config=false"],
                &["--use-signing-config=false"],
            ),
        };
        sign().args(new).args(["--bundle", &bundle, "blob"]).expect(0);
        let printed = sign().args(old).arg("blob").expect(0);
        sandbox.write(&bare, printed.stdout_bytes());
        sign().args(old).args(["--bundle", "old.bundle", "blob"]).expect(0);
        for by in [["--bundle", &bundle], ["--bundle", "old.bundle"], ["--signature", &bare]] {
            ours(by, "one.pub").expect(0).stdout("").stderr_line("Verified OK");
            ours(by, "two.pub").expect(12);
        }
    }
    let (bundle, bare) = of_file(b"hello blob\n");
    sandbox.write("ours.bundle", bundle).write("ours.raw", bare);
    sandbox.write("other", "hello blob");
    for cosign in COSIGNS {
        let judged = |by: &[&str], key: &str, file: &str| {
            tool(&sandbox, cosign)
                .args(["verify-blob", "--key", key, "--insecure-ignore-tlog=true"])
                .args(by)
                .arg(file)
                .run()
                .code()
        };
        let new: &[&str] = match *cosign {
            "cosign2" => &["--new-bundle-format", "--trusted-root", "tr0.json", "--bundle", "ours.bundle"],
            _ => &["--bundle", "ours.bundle"],
        };
        for by in [new, &["--signature", "ours.raw"]] {
            assert_eq!(judged(by, "one.pub", "blob"), Some(0), "{cosign} {by:?}");
            assert_eq!(judged(by, "two.pub", "blob"), Some(1), "{cosign} {by:?}");
            assert_eq!(judged(by, "one.pub", "other"), Some(1), "{cosign} {by:?}");
        }
    }
}
