//! What cosign 2.6 and 3.1 log in real logs, coldsign verifies, with what a private deployment hands out: nothing but the
//! registry is asked.

use crate::logs::{Form, How, Log, Logs};
use crate::support::{Run, Sandbox};
use crate::tools::{COSIGNS, Kind, Registry, all_there};

/// What a signature of this way has beside it, in our words.
fn states(how: How) -> String {
    let proof = if how.form == Form::Sig { "absent" } else { "verified" };
    let timestamp = if how.token { "verified" } else { "absent" };
    format!("log: verified; proof: {proof}; timestamp: {timestamp}")
}

/// Judges by each source of trust, and by each that does not know the log.
fn judge<'a>(how: How, verify: impl Fn(&[&str]) -> Run<'a>, wanted: &str) {
    let root = ["--trusted-root", "logs/trusted_root.json"];
    let said = verify(&root).expect(0);
    assert!(said.stderr_text().contains(wanted), "{wanted}\n{said}");
    let token = verify(&[root[0], root[1], "--tsa", "require"]);
    if how.token {
        token.expect(0);
    } else {
        assert!(token.run().stderr_text().contains("error[TOKEN-REQUIRED]"));
    }
    let others =
        if how.log == Log::V1 { "logs/trusted_root-v2-p256.json" } else { "logs/trusted_root-v1.json" };
    let refused = verify(&["--trusted-root", others]).run();
    assert!(refused.stderr_text().contains("error[LOG-REQUIRED]"), "{refused}");
    let unchecked = verify(&[]).expect(0);
    assert!(unchecked.stderr_text().contains("log: unchecked"), "{unchecked}");
    // A bare key is enough for Rekor v1, and pins no origin for Rekor v2.
    let key = verify(&["--rekor-key", &format!("logs/{}.pub", how.log.name())]).run();
    match how.log {
        Log::V1 => assert_eq!(key.code(), Some(0), "{key}"),
        Log::V2P256 => assert!(key.stderr_text().contains("error[LOG-REQUIRED]"), "{key}"),
        Log::V2Ed25519 => assert!(key.stderr_text().contains("error[TRUST-KEY]"), "{key}"),
    }
}

#[test]
fn images_that_cosigns_logged() {
    if !all_there(&["cosign2", "cosign3", "olareg"]) {
        return;
    }
    let Some(logs) = Logs::shared() else { return };
    let sandbox = Sandbox::new();
    let registry = Registry::serve(&sandbox, Kind::Olareg);
    for cosign in COSIGNS {
        for how in How::of(cosign) {
            let image = logs.image_signed_by(&sandbox, &registry, cosign, how);
            let verify = |more: &[&str]| {
                sandbox.coldsign().args(["verify", "--key", "peer.pub"]).args(more).arg(&image)
            };
            judge(how, verify, &states(how));
        }
    }
}

#[test]
fn attestations_that_cosigns_logged() {
    if !all_there(&["cosign2", "cosign3", "olareg"]) {
        return;
    }
    let Some(logs) = Logs::shared() else { return };
    let sandbox = Sandbox::new();
    let registry = Registry::serve(&sandbox, Kind::Olareg);
    sandbox.write("predicate.json", "{\"tested\":true}\n");
    for cosign in COSIGNS {
        for how in How::of(cosign) {
            let image = logs.image_attested_by(&sandbox, &registry, cosign, how);
            let verify = |more: &[&str]| {
                let verify = sandbox.coldsign().args(["verify-attestation", "--key", "peer.pub"]);
                verify.args(["--type", "custom"]).args(more).arg(&image)
            };
            if how.form == Form::Sig && how.token && *cosign == "cosign3" {
                // Its token is of the signature, which nobody takes in an `.att`; nothing else is wrong with it.
                let said = verify(&["--trusted-root", "logs/trusted_root.json"]).expect(0);
                assert!(said.stderr_text().contains("timestamp: unchecked"), "{said}");
                verify(&["--trusted-root", "logs/trusted_root.json", "--tsa", "require"]).expect(12);
            } else {
                judge(how, verify, &states(how));
            }
        }
    }
}

#[test]
fn files_that_cosign_logged() {
    if !all_there(&["cosign2", "cosign3"]) {
        return;
    }
    let Some(logs) = Logs::shared() else { return };
    let sandbox = Sandbox::new();
    for how in How::ALL.into_iter().filter(|how| how.form == Form::Bundle) {
        let file = format!("logged-{}", how.name());
        let bundle = format!("{file}.json");
        sandbox.write(&file, format!("{file}\n"));
        logs.sign(&sandbox, "cosign3", "sign-blob", how).args(["--bundle", &bundle, &file]).expect(0);
        let verify = |more: &[&str]| {
            let verify = sandbox.coldsign().args(["verify-blob", "--key", "peer.pub", "--bundle", &bundle]);
            verify.args(more).arg(&file)
        };
        judge(how, verify, &states(how));
    }
}
