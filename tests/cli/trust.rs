//! Whom a person trusts besides keys: files of logs and authorities, flags and the variable, and what they demand.

use serde_json::{Value, json};

use crate::support::{Outcome, Run, Sandbox, fixture};

/// The bundle of a file with a Rekor v1 entry, its key, its log's key and trusted root.
fn folder() -> Sandbox {
    let sandbox = Sandbox::new();
    for name in
        ["b/base.json", "key.pub", "rekor.pub", "rekor2.pub", "trusted_root.json", "a.txt", "other.pub"]
    {
        sandbox.fixture(format!("bundle/{name}"), name.trim_start_matches("b/"));
    }
    sandbox
}

fn verify<'a>(sandbox: &'a Sandbox, flags: &[&str]) -> Run<'a> {
    let bundle = ["verify-blob", "--key", "key.pub", "--bundle", "base.json", "a.txt"];
    sandbox.coldsign().args(bundle).args(flags)
}

#[track_caller]
fn refused(run: Run<'_>, code: i32, id: &str) -> Outcome {
    let outcome = run.expect(code);
    outcome.stdout("");
    assert!(outcome.stderr_text().starts_with(&format!("error[{id}]: ")), "{outcome}");
    outcome
}

/// By whom it is verified stands in the verdict, with the file or the variable that names the log.
#[test]
fn the_verdict_names_its_source() {
    let sandbox = folder();
    let entry = |source: &str, host: &str| {
        format!("  log entry 1000005: verified, {host} ({source}), 2026-01-02T03:04:05Z")
    };
    let root = verify(&sandbox, &["--trusted-root", "trusted_root.json"]).expect(0);
    root.stderr_line("signature: verified; log: verified; proof: verified; timestamp: absent");
    root.stderr_line(&entry("trusted_root.json", "rekor.fixture.invalid"));
    root.stderr_line("  signed no later than 2026-01-02T03:04:05Z, by rekor.fixture.invalid");
    let key = verify(&sandbox, &["--rekor-key", "rekor2.pub", "--rekor-key", "rekor.pub"]).expect(0);
    key.stderr_line(&entry("rekor.pub", "[..]"));
    let variable = verify(&sandbox, &[]).env("SIGSTORE_REKOR_PUBLIC_KEY", "rekor.pub").expect(0);
    variable.stderr_line("log key: rekor.pub (SIGSTORE_REKOR_PUBLIC_KEY)");
    variable.stderr_line(&entry("rekor.pub (SIGSTORE_REKOR_PUBLIC_KEY)", "[..]"));
    // A flag takes the variable's place, and never adds to it.
    let other =
        verify(&sandbox, &["--rekor-key", "rekor2.pub"]).env("SIGSTORE_REKOR_PUBLIC_KEY", "rekor.pub");
    refused(other, 61, "LOG-REQUIRED").stderr_line("  log entry 1000005: of no log that was given");
    let none = verify(&sandbox, &["--insecure-ignore-tlog"]).env("SIGSTORE_REKOR_PUBLIC_KEY", "absent");
    none.expect(0).stderr_line("  log entry 1000005: unchecked").stderr_line("    not looked at, as asked");
    refused(verify(&sandbox, &[]).env("SIGSTORE_REKOR_PUBLIC_KEY", "absent"), 1, "FILE-READ");
}

#[test]
fn what_is_demanded() {
    let sandbox = folder();
    verify(&sandbox, &[])
        .expect(0)
        .stderr_line("signature: verified; log: unchecked; proof: unchecked; timestamp: absent");
    verify(&sandbox, &["--log", "ignore", "--trusted-root", "trusted_root.json"]).expect(0);
    refused(verify(&sandbox, &["--log", "require"]), 2, "TRUST-NONE");
    refused(verify(&sandbox, &["--tsa", "require"]), 2, "TRUST-NONE");
    let root = ["--trusted-root", "trusted_root.json"];
    refused(verify(&sandbox, &[&root[..], &["--tsa", "require"]].concat()), 62, "TOKEN-REQUIRED");
    refused(verify(&sandbox, &[&root[..], &["--log-threshold", "2"]].concat()), 61, "LOG-REQUIRED");
    refused(verify(&sandbox, &[&root[..], &["--log-threshold", "3"]].concat()), 2, "USAGE");
    refused(verify(&sandbox, &["--rekor-key", "rekor.pub", "--insecure-ignore-tlog"]), 2, "USAGE");
    verify(&sandbox, &[&root[..], &["--offline"]].concat()).expect(0);
    // A bare signature has nothing beside it.
    let bundle: Value = serde_json::from_slice(&sandbox.read("base.json")).unwrap();
    sandbox.write("a.sig", bundle["messageSignature"]["signature"].as_str().unwrap());
    let bare = |flags: &[&str]| {
        let line = ["verify-blob", "--key", "key.pub", "--signature", "a.sig", "a.txt"];
        sandbox.coldsign().args(line).args(flags)
    };
    bare(&[]).expect(0).stderr_line("signature: verified; log: absent; proof: absent; timestamp: absent");
    refused(bare(&root), 61, "LOG-REQUIRED").stderr_line("  it has no log entry");
}

#[test]
fn files_that_are_no_trust() {
    let sandbox = folder();
    let root: Value = serde_json::from_slice(&sandbox.read("trusted_root.json")).unwrap();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut root = root.clone();
        change(&mut root);
        sandbox.write("changed.json", root.to_string());
        verify(&sandbox, &["--trusted-root", "changed.json"])
    };
    changed(&|_| {}).expect(0);
    changed(&|root| root["tlogs"][0]["operator"] = json!("somebody")).expect(0);
    refused(changed(&|root| root["mediaType"] = json!("application/json")), 22, "TRUST-KIND");
    refused(changed(&|root| root["more"] = json!(1)), 21, "TRUST-MEMBER");
    let key = |name: &'static str, value: Value| {
        move |root: &mut Value| root["tlogs"][0]["publicKey"][name] = value.clone()
    };
    refused(changed(&key("validFor", Value::Null)), 21, "TRUST-MEMBER");
    refused(changed(&key("validFor", json!({"start": "yesterday"}))), 21, "TRUST-MEMBER");
    refused(changed(&key("validFor", json!({"end": "2026-01-01T00:00:00Z"}))), 21, "TRUST-MEMBER");
    let backwards = json!({"start": "2026-01-02T00:00:00Z", "end": "2026-01-01T00:00:00Z"});
    refused(changed(&key("validFor", backwards)), 21, "TRUST-MEMBER");
    // A start is never earlier than it says; an end in the middle of a second is not after that second.
    let at = |start: &str, end: &str| changed(&key("validFor", json!({"start": start, "end": end})));
    at("2026-01-02T03:04:05Z", "2026-01-02T03:04:05Z").expect(0);
    at("2026-01-02T03:04:04.5Z", "2026-01-02T03:04:05.9Z").expect(0);
    refused(at("2026-01-02T03:04:05.5Z", "2026-01-03T00:00:00Z"), 61, "LOG-TIME");
    refused(at("2026-01-01T00:00:00Z", "2026-01-02T03:04:04.9Z"), 61, "LOG-TIME");
    // One key with two windows, in either order.
    for order in [[0, 1], [1, 0]] {
        let twice = |root: &mut Value| {
            let mut ended = root["tlogs"][0].clone();
            ended["publicKey"]["validFor"] =
                json!({"start": "2020-01-01T00:00:00Z", "end": "2021-01-01T00:00:00Z"});
            let both = [root["tlogs"][0].clone(), ended];
            root["tlogs"] = order.map(|place: usize| both[place].clone()).to_vec().into();
        };
        changed(&twice).expect(0);
    }
    // An address in another spelling than one pins nothing that every reader finds.
    let address = |url: &'static str| move |root: &mut Value| root["tlogs"][0]["baseUrl"] = json!(url);
    changed(&address("https://rekor.fixture.invalid:8443/log")).expect(0);
    changed(&address("rekor.fixture.invalid")).expect(0);
    refused(changed(&address("https://other.invalid")), 61, "LOG-ORIGIN");
    refused(changed(&address("other.invalid")), 61, "LOG-ORIGIN");
    for url in [
        "https://REKOR.fixture.invalid",
        "https://u@rekor.fixture.invalid",
        "https://[::1]",
        "file:///x",
        "https://",
    ] {
        refused(changed(&address(url)), 21, "TRUST-MEMBER");
    }
    refused(changed(&key("rawBytes", json!("AAAA"))), 43, "TRUST-KEY");
    refused(changed(&key("keyDetails", json!("PKIX_ED25519"))), 43, "TRUST-KEY");
    refused(changed(&|root| root["tlogs"][0]["logId"] = Value::Null), 21, "TRUST-MEMBER");
    let chain = |certificates: Value| {
        move |root: &mut Value| {
            root["timestampAuthorities"] = json!([{"certChain": {"certificates": certificates.clone()}}]);
        }
    };
    refused(changed(&chain(json!([{"rawBytes": "AAAA"}]))), 42, "TRUST-CHAIN");
    refused(changed(&chain(json!([]))), 42, "TRUST-CHAIN");
    sandbox
        .write("text", "text")
        .write("two.pub", [sandbox.read("rekor.pub"), sandbox.read("rekor2.pub")].concat());
    refused(verify(&sandbox, &["--trusted-root", "text"]), 21, "JSON-SYNTAX");
    refused(verify(&sandbox, &["--trusted-root", "absent"]), 1, "FILE-READ");
    refused(verify(&sandbox, &["--rekor-key", "text"]), 43, "KEY-FORMAT");
    // cosign silently takes the first of several.
    refused(verify(&sandbox, &["--rekor-key", "two.pub"]), 43, "KEY-FORMAT")
        .stderr_line("  it holds several keys");
    refused(verify(&sandbox, &["--timestamp-certificate-chain", "text"]), 42, "TRUST-CHAIN");
    sandbox.fixture(fixture("log/keys/log-ed25519.pub"), "ed.pub");
    refused(verify(&sandbox, &["--rekor-key", "ed.pub"]), 43, "TRUST-KEY");
}

/// One more than is allowed.
#[test]
fn limits_of_what_stands_beside() {
    let sandbox = folder();
    let bundle: Value = serde_json::from_slice(&sandbox.read("base.json")).unwrap();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut bundle = bundle.clone();
        change(&mut bundle["verificationMaterial"]);
        sandbox.write("base.json", bundle.to_string());
        verify(&sandbox, &["--trusted-root", "trusted_root.json"])
    };
    let entries = |count: usize| {
        move |material: &mut Value| {
            let entry = material["tlogEntries"][0].clone();
            material["tlogEntries"] = vec![entry; count].into();
        }
    };
    changed(&entries(1)).expect(0);
    refused(changed(&entries(32)), 61, "LOG-REPEATED");
    refused(changed(&entries(33)), 61, "LOG-LIMIT");
    let proof = |name: &'static str, value: Value| {
        move |material: &mut Value| material["tlogEntries"][0]["inclusionProof"][name] = value.clone()
    };
    let hash = json!("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    refused(changed(&proof("hashes", vec![hash.clone(); 64].into())), 61, "LOG-INCLUSION");
    refused(changed(&proof("hashes", vec![hash; 65].into())), 61, "LOG-LIMIT");
    let note = |size: usize| json!({"envelope": "x".repeat(size)});
    refused(changed(&proof("checkpoint", note(128 * 1024))), 61, "LOG-CHECKPOINT");
    refused(changed(&proof("checkpoint", note(128 * 1024 + 1))), 61, "LOG-LIMIT");
    let tokens = |count: usize| {
        move |material: &mut Value| {
            let token = json!({"signedTimestamp": "AAAA"});
            material["timestampVerificationData"] = json!({"rfc3161Timestamps": vec![token; count]});
        }
    };
    refused(changed(&tokens(32)), 62, "TOKEN-REPEATED");
    refused(changed(&tokens(33)), 62, "TOKEN-LIMIT");
    let token = |size: usize| {
        move |material: &mut Value| {
            let token = json!({"signedTimestamp": "A".repeat(size)});
            material["timestampVerificationData"] = json!({"rfc3161Timestamps": [token]});
        }
    };
    refused(changed(&token(1024)), 62, "TOKEN-SYNTAX");
    refused(changed(&token(100 * 1024)), 62, "TOKEN-LIMIT");
}

/// What cosign before 3 wrote for a file: a signature and a promise, which its bundle of today has as well.
#[test]
fn bundles_of_cosign_before_3() {
    let sandbox = folder();
    let bundle: Value = serde_json::from_slice(&sandbox.read("base.json")).unwrap();
    let entry = &bundle["verificationMaterial"]["tlogEntries"][0];
    let number = |value: &Value| value.as_str().unwrap().parse::<u64>().unwrap();
    let hex = |base64: &Value| {
        use base64::Engine as _;
        let bytes = base64::engine::general_purpose::STANDARD.decode(base64.as_str().unwrap()).unwrap();
        coldsign::digest::hex(&bytes)
    };
    let local = json!({
        "base64Signature": bundle["messageSignature"]["signature"],
        "rekorBundle": {
            "SignedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
            "Payload": {
                "body": entry["canonicalizedBody"], "integratedTime": number(&entry["integratedTime"]),
                "logIndex": number(&entry["logIndex"]), "logID": hex(&entry["logId"]["keyId"]),
            },
        },
    });
    let put = |value: &Value| {
        sandbox.write("base.json", value.to_string());
        verify(&sandbox, &["--rekor-key", "rekor.pub"])
    };
    put(&local);
    let shown = sandbox.coldsign().args(["bundle", "inspect", "base.json", "--key", "key.pub"]).expect(0);
    shown.stdout_line("  signature: unchecked, it names no file; coldsign verify-blob has it");
    let verified = put(&local).expect(0);
    verified.stderr_line("signature: verified; log: verified; proof: absent; timestamp: absent");
    let mut later = local.clone();
    later["rekorBundle"]["Payload"]["integratedTime"] = json!(1);
    refused(put(&later), 61, "LOG-SET");
    let mut none = local.clone();
    none["rekorBundle"] = Value::Null;
    refused(put(&none), 61, "LOG-REQUIRED");
    sandbox.write("a.txt", "another file");
    refused(put(&local), 12, "SIG-KEY");
}

/// What is written is what is read: cosign and others read it in tests/peers.
#[test]
fn trusted_roots_are_made_and_shown() {
    let sandbox = folder();
    sandbox
        .fixture(fixture("log/keys/log-ed25519.pub"), "ed.pub")
        .fixture(fixture("log/keys/log-p256.pub"), "p.pub");
    let create = |services: &[&str]| {
        let _ = std::fs::remove_file(sandbox.path("made.json"));
        sandbox.coldsign().args(["trusted-root", "create", "-o", "made.json"]).args(services)
    };
    let log = "url=https://rekor.fixture.invalid:8443/x,public-key=rekor.pub,start-time=2026-01-01T00:00:00Z";
    create(&["--rekor", log]).expect(0).stdout("");
    verify(&sandbox, &["--trusted-root", "made.json"]).expect(0);
    let ended = format!("{log},end-time=2026-01-02T03:04:05Z");
    create(&["--rekor", &ended]).expect(0);
    verify(&sandbox, &["--trusted-root", "made.json"]).expect(0);
    create(&["--rekor", &ended.replace("04:05Z", "04:04Z")]).expect(0);
    refused(verify(&sandbox, &["--trusted-root", "made.json"]), 61, "LOG-TIME");
    // The ids of Rekor v2 logs as cosign writes them when it is told the origin.
    create(&["--rekor", "url=http://localhost:1,public-key=ed.pub,origin=localhost"]).expect(0);
    let root: Value = serde_json::from_slice(&sandbox.read("made.json")).unwrap();
    let cosigns: Value =
        serde_json::from_slice(&std::fs::read(fixture("log/roots/tr-ed.json")).unwrap()).unwrap();
    assert_eq!(root["tlogs"][0]["logId"], cosigns["tlogs"][0]["logId"]);
    assert_eq!(root["tlogs"][0]["publicKey"]["rawBytes"], cosigns["tlogs"][0]["publicKey"]["rawBytes"]);
    let shown = sandbox.coldsign().args(["trusted-root", "inspect", "made.json"]).expect(0);
    shown.stdout_line("trusted root: 1 log, 0 timestamp authorities");
    shown.stdout_line("log localhost, Ed25519, from 1970-01-01T00:00:00Z");
    for (services, line) in [
        (&["--rekor", "url=https://x"][..], "  public-key= is wanted"),
        (&["--rekor", "public-key=p.pub"], "  url= is wanted"),
        (&["--rekor", "url=x,public-key=p.pub"], "  an address with scheme and host is wanted"),
        (&["--rekor", "url=https://x,public-key=p.pub,origin=y"], "  the host of its address is x"),
        (&["--rekor", "url=https://x,url=https://y,public-key=p.pub"], "  given twice: url"),
        (&["--rekor", "url=https://x,public-key=p.pub,more=1"], "  not one of its names: more"),
        (&["--rekor", "url=https://x,public-key=p.pub,start-time=now"], "  start-time is no time as [..]"),
        (&["--tsa", "url=https://x"], "  certificate-chain= is wanted"),
    ] {
        create(services).expect(2).stdout("").stderr_line(line);
        assert!(!sandbox.path("made.json").exists(), "{services:?}");
    }
    refused(sandbox.coldsign().args(["trusted-root", "inspect", "a.txt"]), 21, "JSON-SYNTAX");
}

/// What signs what, which log, which time counts and why; without a key nothing is believed.
#[test]
fn bundles_are_shown() {
    let sandbox = folder();
    let inspect = |flags: &[&str]| sandbox.coldsign().args(["bundle", "inspect", "base.json"]).args(flags);
    let plain = inspect(&[]).expect(0);
    plain.stdout_line("  signature: unchecked, no --key given");
    plain.stdout_line(
        "  log entry 1000005: unchecked, hashedrekord 0.0.1, of log [..], says 2026-01-02T03:04:05Z",
    );
    let root = ["--key", "key.pub", "--trusted-root", "trusted_root.json"];
    let judged = inspect(&root).expect(0);
    judged.stdout_line("  signature: verified; log: verified; proof: verified; timestamp: absent");
    judged.stdout_line("  time: signed no later than 2026-01-02T03:04:05Z, by rekor.fixture.invalid");
    let json = inspect(&[&root[..], &["--format", "json"]].concat()).expect(0);
    let value: Value = serde_json::from_str(json.stdout_text()).unwrap();
    assert_eq!(value["entries"][0]["state"], "verified");
    assert_eq!((&value["time"], &value["signature"]), (&json!("2026-01-02T03:04:05Z"), &json!("verified")));
    let stranger = inspect(&["--key", "other.pub"]).expect(12);
    stranger.stdout_line("  signature: invalid");
    inspect(&[&root[..], &["--tsa", "require"]].concat()).expect(62);
    inspect(&[&root[..], &["--log-threshold", "2"]].concat()).expect(61);
    refused(inspect(&["--log", "require", "--trusted-root", "trusted_root.json"]), 2, "USAGE");
    sandbox.coldsign().args(["bundle", "inspect", "a.txt"]).expect(60);
}

/// Text of others is escaped wherever it is shown, its line ends too: no line of ours can be forged with it.
#[test]
fn text_of_others_forges_no_line() {
    let sandbox = folder();
    let mut bundle: Value = serde_json::from_slice(&sandbox.read("base.json")).unwrap();
    bundle["verificationMaterial"]["tlogEntries"][0]["kindVersion"]["kind"] =
        json!("dsse\n\n  log entry 9: verified\u{1b}[2K\u{202e}");
    sandbox.write("base.json", bundle.to_string());
    let forged = "kindVersion says dsse\\u{a}\\u{a} \\u{20}log entry 9: verified\\u{1b}[2K\\u{202e} 0.0.1";
    let root = ["--key", "key.pub", "--trusted-root", "trusted_root.json"];
    let inspected = sandbox.coldsign().args(["bundle", "inspect", "base.json"]).args(root).expect(61);
    inspected.stdout_line(&format!("    {forged}"));
    let demanded = verify(&sandbox, &["--trusted-root", "trusted_root.json", "--log", "require"]).expect(61);
    demanded.stderr_line(&format!("  {forged}"));
    let plain = sandbox.coldsign().args(["bundle", "inspect", "base.json"]).expect(0);
    plain.stdout_line("  log entry 1000005: unchecked, dsse\\u{a}\\u{a}[..]");
}
