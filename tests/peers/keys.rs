//! Types of keys: what both cosigns and skopeo say of signatures by P-384 and Ed25519 keys of ours, what cosign does with
//! such keys when they leave, and the public key of every file that cosign reads.

use crate::registries::{SINGLE, import, pulled, push};
use crate::support::{Sandbox, fixture};
use crate::tools::{COSIGNS, Kind, Registry, all_there, cosign_verify, tool};
use crate::written::{UNLOCK, approve, export, key_of_type};

/// The files of `fixtures/keys` that cosign opens, and their passphrase.
const FILES: [(&str, &str); 12] = [
    ("by-cosign-2.5.0.key", "pass"),
    ("by-cosign-3.1.1.key", "pass"),
    ("cosign32.key", "pass"),
    ("sigstore65.key", "pass"),
    ("n131072r8p1.key", "pass"),
    ("empty-pass.key", ""),
    ("imported-by-cosign-3.1.1-ec.key", "pass"),
    ("imported-by-cosign-3.1.1-sec384.key", "pass"),
    ("imported-by-cosign-3.1.1-ed8.key", "pass"),
    ("imported-by-cosign-3.1.1-rsa1.key", "pass"),
    ("ed25519.key", "pass"),
    ("rsa2048.key", "pass"),
];

#[test]
fn public_keys_are_those_that_cosign_prints() {
    if !all_there(COSIGNS) {
        return;
    }
    let sandbox = Sandbox::new();
    for (file, pass) in FILES {
        let path = fixture(format!("keys/{file}"));
        let arguments = ["public-key", "--key", path.to_str().expect("the checkout's path is text")];
        let ours = sandbox.coldsign().args(arguments).env("COSIGN_PASSWORD", pass).expect(0);
        for cosign in COSIGNS {
            let theirs = tool(&sandbox, cosign).args(arguments).env("COSIGN_PASSWORD", pass).expect(0);
            assert_eq!(ours.stdout_text(), theirs.stdout_text(), "{file}, {cosign}");
        }
    }
}

#[test]
fn p384_is_verified_and_leaves() {
    trip("p384", "over SHA-384");
}

#[test]
fn ed25519_is_verified_and_leaves() {
    trip("ed25519", "Ed25519ph");
}

/// Both forms verify with both cosigns without a flag, `.sig` with skopeo too. Exported, both cosigns open the key; what
/// they sign with it, they do not verify: what `key export` warns of.
fn trip(kind: &str, warning: &str) {
    if !all_there(&["olareg", "skopeo", "oras", "crane", "cosign2", "cosign3"]) {
        return;
    }
    let sandbox = Sandbox::new();
    let registry = Registry::serve(&sandbox, Kind::Olareg);
    key_of_type(&sandbox, "other", "p256");
    key_of_type(&sandbox, "release", kind);
    for form in ["sig", "bundle"] {
        let name = format!("{}/team/{form}", registry.address());
        push(&sandbox, "single", &name);
        let digest = export(&sandbox, &[&format!("{name}:1.4")]);
        let response = format!("{form}.tar");
        approve(&sandbox, &digest, "release", &response, &[]);
        std::fs::remove_file(sandbox.path("request.tar")).expect("it was exported");
        import(&sandbox, &[&response, "--attach", form]);
        for cosign in COSIGNS {
            cosign_verify(&sandbox, cosign, "release.pub").arg(format!("{name}:1.4")).expect(0);
            let other = cosign_verify(&sandbox, cosign, "other.pub").arg(format!("{name}:1.4")).run();
            assert_ne!(other.code(), Some(0), "{other}");
        }
        if form == "sig" {
            pulled(&sandbox, &format!("{name}:1.4"), &[], "release.pub", "matchRepoDigestOrExact", true);
            pulled(&sandbox, &format!("{name}:1.4"), &[], "other.pub", "matchRepoDigestOrExact", false);
        }
    }

    sandbox.write("new", "pass\n");
    sandbox
        .signer()
        .args(["key", "export", "release", "--format", "cosign", "-o", "cosign.key"])
        .args(UNLOCK)
        .args(["--new-passphrase-file", "new"])
        .expect(0)
        .stderr_line(&format!("warning: with this type of key cosign 2.6 and 3.1 sign {warning}[..]"));
    for cosign in COSIGNS {
        let public = tool(&sandbox, cosign).args(["public-key", "--key", "cosign.key"]).expect(0);
        assert_eq!(public.stdout_bytes(), sandbox.read("release.pub"), "{cosign}");
        let name = format!("{}/team/{cosign}", registry.address());
        push(&sandbox, "single", &name);
        tool(&sandbox, cosign)
            .args(["sign", "--key", "cosign.key", "--use-signing-config=false", "--tlog-upload=false", "-y"])
            .args(["--new-bundle-format=false", &format!("{name}@sha256:{SINGLE}")])
            .expect(0);
        let refused = cosign_verify(&sandbox, cosign, "release.pub").arg(format!("{name}:1.4")).run();
        assert_ne!(refused.code(), Some(0), "{refused}");
    }
}
