//! `verify-blob`: what openssl and cosign signed (`fixtures/blob`), bare and in bundles; what is refused.

use std::fs;

use serde_json::{Value, json};

use crate::support::{Outcome, Run, Sandbox, fixture};

/// A folder with the fixtures, and the file that they sign.
fn folder() -> Sandbox {
    let sandbox = Sandbox::new();
    for entry in fs::read_dir(fixture("blob")).unwrap() {
        let name = entry.unwrap().file_name();
        sandbox.fixture(fixture("blob").join(&name), name.to_str().unwrap());
    }
    sandbox
}

fn verify<'a>(sandbox: &'a Sandbox, key: &str, by: [&str; 2], file: &str) -> Run<'a> {
    sandbox.coldsign().args(["verify-blob", "--key", key]).args(by).arg(file)
}

#[track_caller]
fn refused(run: Run<'_>, code: i32, id: &str) -> Outcome {
    let outcome = run.expect(code);
    outcome.stdout("");
    assert!(outcome.stderr_text().starts_with(&format!("error[{id}]: ")), "{outcome}");
    outcome
}

/// The kinds of key, and whether their bundles by cosign are over SHA-256.
const KEYS: [(&str, &str, bool); 5] = [
    ("p256", "P-256", true),
    ("p384", "P-384", false),
    ("p521", "P-521", false),
    ("ed25519", "Ed25519", false),
    ("rsa", "RSA-2048", true),
];

/// What makes a bundle a bad one.
type Change<'a> = &'a dyn Fn(&mut Value);

const DIGEST: &str = "sha256:a0639d03e7e77d7630dffce7bfe26d51813d4c799f13821e5b6786e2736baaed";

#[test]
fn what_cosign_and_openssl_wrote() {
    let sandbox = folder();
    for (name, kind, _) in KEYS {
        let key = format!("{name}.pub");
        for by in [
            ["--bundle", &format!("{name}.cosign3.bundle")],
            ["--signature", &format!("{name}.cosign3.sig")],
            ["--signature", &format!("{name}.openssl.sig")],
        ] {
            let verified = verify(&sandbox, &key, by, "blob").expect(0);
            verified.stdout("").stderr(&format!("Verified OK\nby {key}, {kind}\nsignature: verified; log: absent; proof: absent; timestamp: absent\n"));
            let others = if name == "p256" { "p384.pub" } else { "p256.pub" };
            refused(verify(&sandbox, others, by, "blob"), 12, "SIG-KEY");
            // One of several keys; a file that comes by standard input.
            let blob = sandbox.read("blob");
            verify(&sandbox, others, by, "-").args(["--key", &key]).stdin(&blob).expect(0).says_key(&key);
        }
    }
}

#[test]
fn another_file_and_a_digest() {
    let sandbox = folder();
    sandbox.write("other", "hello blob");
    for (name, _, is_sha256) in KEYS {
        let key = format!("{name}.pub");
        let bundle = ["--bundle", &format!("{name}.cosign3.bundle")];
        let bare = ["--signature", &format!("{name}.openssl.sig")];
        refused(verify(&sandbox, &key, bare, "other"), 12, "SIG-KEY");
        // cosign 3 names no hash beside an Ed25519 signature.
        let check = if name == "ed25519" { "SIG-KEY" } else { "MESSAGE-DIGEST" };
        refused(verify(&sandbox, &key, bundle, "other"), 12, check);
        if name == "ed25519" {
            refused(verify(&sandbox, &key, bare, DIGEST), 2, "USAGE");
        } else {
            verify(&sandbox, &key, bare, DIGEST).expect(0);
            let wrong = DIGEST.replace("a0639d", "a0639e");
            refused(verify(&sandbox, &key, bare, &wrong), 12, "SIG-KEY");
        }
        if is_sha256 {
            verify(&sandbox, &key, bundle, DIGEST).expect(0);
        } else {
            refused(verify(&sandbox, &key, bundle, DIGEST), 2, "USAGE");
        }
    }
}

#[test]
fn a_signature_in_any_spelling() {
    let sandbox = folder();
    let text = String::from_utf8(sandbox.read("p256.openssl.sig")).unwrap();
    let text = text.trim_end();
    let (first, rest) = text.split_at(40);
    sandbox.write("lines.sig", format!("{first}\r\n{rest}\n"));
    for by in [["--signature", text], ["--signature", "lines.sig"], ["--signature", "p256.raw.sig"]] {
        verify(&sandbox, "p256.pub", by, "blob").expect(0);
    }
    verify(&sandbox, "p256.pub", ["--signature", "-"], "blob").stdin(text).expect(0);
    refused(verify(&sandbox, "p256.pub", ["--signature", "-"], "-"), 2, "USAGE");
    refused(verify(&sandbox, "p256.pub", ["--signature", "absent"], "blob"), 1, "FILE-READ");
    refused(verify(&sandbox, "p256.pub", ["--signature", "p256.openssl.sig"], "absent"), 1, "FILE-READ");
    refused(verify(&sandbox, "p256.pub", ["--signature", "p256.openssl.sig"], "."), 1, "FILE-NOT-REGULAR");
    sandbox.write("empty", "").write("large", vec![b'A'; 17 * 1024]);
    refused(verify(&sandbox, "p256.pub", ["--signature", "empty"], "blob"), 12, "SIG-BASE64");
    refused(verify(&sandbox, "p256.pub", ["--signature", "large"], "blob"), 24, "FILE-SIZE");
    // What is not base64 is a signature as it is, and a bad one.
    refused(verify(&sandbox, "p256.pub", ["--signature", "p256.pub"], "blob"), 12, "SIG-KEY");
    let line = ["--insecure-ignore-tlog=false", "--signature", "p256.openssl.sig"];
    sandbox.coldsign().args(["verify-blob", "--key", "p256.pub", "blob"]).args(line).expect(2);
}

#[test]
fn bundles_with_one_defect() {
    let sandbox = folder();
    let good: Value = serde_json::from_slice(&sandbox.read("p256.cosign3.bundle")).unwrap();
    let message = |name: &'static str, value: Value| {
        move |bundle: &mut Value| bundle["messageSignature"][name] = value.clone()
    };
    let changes: [(Change<'_>, i32, &str); 15] = [
        (&|bundle| bundle["mediaType"] = json!("application/json"), 60, "BLOB-BUNDLE"),
        (&|bundle| bundle["more"] = json!(1), 60, "BLOB-BUNDLE"),
        (&|bundle| bundle["verificationMaterial"] = json!({}), 60, "BLOB-BUNDLE"),
        (
            &|bundle| bundle["verificationMaterial"] = json!({"x509CertificateChain": {}}),
            12,
            "SIG-CERTIFICATE",
        ),
        (&|bundle| bundle["verificationMaterial"] = json!({"certificate": {}}), 12, "SIG-CERTIFICATE"),
        (&|bundle| drop(bundle.as_object_mut().unwrap().remove("messageSignature")), 60, "BLOB-BUNDLE"),
        (&message("messageDigest", Value::Null), 60, "BLOB-BUNDLE"),
        (&message("messageDigest", json!({"algorithm": "MD5", "digest": "AAAA"})), 60, "BLOB-BUNDLE"),
        (&message("messageDigest", json!({"algorithm": "SHA2_256", "digest": "AAAA"})), 60, "BLOB-BUNDLE"),
        (&message("signature", json!("")), 60, "BLOB-BUNDLE"),
        (&|bundle| *bundle = json!({"base64Signature": "AAAA", "rekorBundle": {}}), 12, "SIG-LOG"),
        (&|bundle| *bundle = json!({"base64Signature": "AAAA", "more": {}}), 60, "BLOB-BUNDLE"),
        (&|bundle| *bundle = json!({"base64Signature": "AAAA", "cert": "x"}), 12, "SIG-CERTIFICATE"),
        (&|bundle| bundle["verificationMaterial"]["tlogEntries"] = json!([{}]), 61, "LOG-SYNTAX"),
        (&message("signature", json!("AAAA")), 12, "SIG-KEY"),
    ];
    for (change, code, check) in changes {
        let mut bundle = good.clone();
        change(&mut bundle);
        sandbox.write("changed", bundle.to_string());
        refused(verify(&sandbox, "p256.pub", ["--bundle", "changed"], "blob"), code, check);
    }
    // The bundle of an image says so; what is no JSON is none.
    sandbox.fixture("golden/bundle.json", "image.bundle");
    let image = verify(&sandbox, "p256.pub", ["--bundle", "image.bundle"], "blob");
    refused(image, 60, "BLOB-BUNDLE")
        .stderr_line("  it holds an attestation or an image's signature, not a file's");
    refused(verify(&sandbox, "p256.pub", ["--bundle", "blob"], "blob"), 60, "BLOB-BUNDLE");
    // Neighbours: blanks, no log entries, no hash of the file.
    let neighbours: [Change<'_>; 3] = [
        &|_| {},
        &|bundle| bundle["verificationMaterial"]["tlogEntries"] = json!([]),
        &message("messageDigest", json!({})),
    ];
    for change in neighbours {
        let mut bundle = good.clone();
        change(&mut bundle);
        sandbox.write("changed", format!(" {bundle:#}\n"));
        verify(&sandbox, "p256.pub", ["--bundle", "changed"], "blob").expect(0);
    }
}

impl Outcome {
    fn says_key(&self, key: &str) {
        assert!(self.stderr_text().contains(&format!("by {key}, ")), "{self}");
    }
}
