//! `verify`: cosign's output and exit codes, both forms, every image, lists; the auditor's commands.

use serde_json::Value;

use crate::station::{INDEX, SINGLE, Station};
use crate::support::{Outcome, Sandbox};

fn signed() -> Station {
    let station = Station::new();
    station.export("request.tar", &["oci:layout", "--as", "registry.example/team/app:1.4", "-a", "env=prod"]);
    station.sign("request.tar", &["--key", "release"], "response.tar");
    station.importing(&["response.tar", "--key", "release.pub", "--attach", "both"]).expect(0);
    station
}

#[track_caller]
fn verify(station: &Station, arguments: &[&str], code: i32) -> Outcome {
    station.unchanged(station.coldsign().arg("verify").args(arguments), code)
}

#[test]
fn names_digests_and_every_image() {
    let station = signed();
    let by_digest = format!("oci:layout@{INDEX}");
    let name = format!("oci:layout:{INDEX}");
    for image in ["oci:layout", "oci:layout:v1", &by_digest, &name] {
        let outcome = verify(&station, &["--key", "release.pub", image], 0);
        outcome.stderr_line(&format!("Verification for {image} --"));
        outcome.stderr_line("form: .sig, 1 of 1 valid; bundle, 1 of 1 valid; log: absent");
        let shown: Value = serde_json::from_slice(outcome.stdout_bytes()).unwrap();
        assert_eq!(shown[0]["critical"]["image"]["docker-manifest-digest"], INDEX);
        assert_eq!(shown[0]["critical"]["type"], "cosign container image signature");
        assert_eq!(shown[1]["critical"]["type"], "https://sigstore.dev/cosign/sign/v1");
    }
    // One line of text a signature; the empty line before JSON is cosign's.
    let text = verify(&station, &["--key", "release.pub", "-o", "text", "oci:layout:v1"], 0);
    assert_eq!(text.stdout_text().lines().count(), 2);
    let json = verify(&station, &["--key", "release.pub", "oci:layout:v1"], 0);
    assert!(json.stdout_text().starts_with("\n[{") && json.stdout_text().ends_with("}]\n"), "{json}");
}

#[test]
fn the_auditor_needs_the_response_alone() {
    let station = signed();
    let audit = verify(&station, &["--key", "release.pub", "oci-archive:response.tar"], 0);
    audit.stdout("ok    registry.example/team/app:1.4 [..] 4 digests, .sig and bundle, log absent\n1 image, 4 digests: 4 ok\n");
    audit.stderr("");
    let from = verify(&station, &["--key", "release.pub", "--from", "response.tar", "oci:layout"], 0);
    assert_eq!(from.stdout_text(), audit.stdout_text());
    let from = verify(&station, &["--key", "release.pub", "--from", "request.tar", "oci:layout"], 0);
    assert_eq!(from.stdout_text(), audit.stdout_text());
    // A request holds no signatures; a failed row is a row, and the exit code is cosign's.
    let unsigned = verify(&station, &["--key", "release.pub", "oci-archive:request.tar"], 10);
    unsigned
        .stdout_line("FAIL  registry.example/team/app:1.4 [..]")
        .stdout_line("1 image, 4 digests: 0 ok, 4 failed");
    let other = verify(&station, &["--key", "second.pub", "oci-archive:response.tar"], 12);
    other.stdout_line("1 image, 4 digests: 0 ok, 4 failed");
    // A tag that moves changes nothing: digests are looked for, not tags.
    let index = String::from_utf8(station.read("layout/index.json")).unwrap();
    station.write("layout/index.json", index.replace("\"v1\"", "\"v0\""));
    verify(&station, &["--key", "release.pub", "--from", "response.tar", "oci:layout"], 0);
}

#[test]
fn lists() {
    let station = signed();
    station.write("images.txt", "oci:layout:v1\noci:single:v1 # not signed\noci:layout:v9\noci:layout\n");
    let outcome = verify(&station, &["--key", "release.pub", "--from", "images.txt"], 10);
    let rows: Vec<&str> =
        outcome.stdout_text().lines().map(|line| line.split("  ").next().unwrap()).collect();
    assert_eq!(
        rows,
        ["ok", "FAIL", "FAIL", "ok", "4 images, 3 digests: 2 ok, 1 failed, 1 without a digest"],
        "{outcome}"
    );
    station.write("one.txt", "oci:layout:v1\n");
    verify(&station, &["--key", "release.pub", "--from", "one.txt"], 0)
        .stdout_line("1 image, 1 digest: 1 ok");
    // What a line says was signed must have been; it overrides the command line's.
    station.write("env.txt", "oci:layout:v1 -a env=prod\n");
    verify(&station, &["--key", "release.pub", "--from", "env.txt", "-a", "env=test"], 0);
    station.write("env.txt", "oci:layout:v1 -a env=test\n");
    verify(&station, &["--key", "release.pub", "--from", "env.txt"], 12);
    station.write("none.txt", "# nothing\n");
    verify(&station, &["--key", "release.pub", "--from", "none.txt"], 2);
    verify(&station, &["--key", "release.pub", "--from", "one.txt", "oci:layout"], 2);
    verify(&station, &["--key", "release.pub", "--from", "absent.txt"], 1);
    verify(&station, &["--key", "release.pub"], 2);
    // Several on the command line: all are checked, the code is the first failing one's.
    let outcome =
        verify(&station, &["--key", "release.pub", "oci:layout:v9", "oci:single", "oci:layout"], 11);
    outcome.stderr_line("error[SIG-TAG]: image tag not found: oci:layout:v9");
    outcome.stderr_line("error[SIG-ABSENT]: no signatures found: oci:single[..]");
    outcome.stderr_line("Verification for oci:layout --");
    verify(&station, &["--key", "release.pub", "oci:single", "oci:layout:v9", "oci:layout"], 10);
}

/// The exit codes of cosign, each with its first line.
#[test]
fn exit_codes() {
    let station = signed();
    let key = ["--key", "release.pub"];
    for (arguments, code, line) in [
        (
            &["oci:single:v1"][..],
            10,
            format!("error[SIG-ABSENT]: no signatures found: oci:single:v1: {SINGLE}"),
        ),
        (&["oci:layout:v9"], 11, "error[SIG-TAG]: image tag not found: oci:layout:v9".into()),
        (&["oci:layout", "-a", "env=test"], 12, "error[PAYLOAD-ANNOTATIONS]: [..]".into()),
        (&["oci:layout", "-a", "other=prod"], 12, "error[PAYLOAD-ANNOTATIONS]: [..]".into()),
        (&["oci:layout", "--threshold", "2"], 2, "error[USAGE]: [..]--threshold 2".into()),
        (&["oci:layout", "--threshold", "0"], 2, "error: [..]".into()),
        (&["oci:layout", "--check-claims=false", "-a", "env=prod"], 2, "error[USAGE]: [..]".into()),
        (&["oci:layout", "-a", "env"], 2, "error[ANNOTATION-SYNTAX]: [..]".into()),
        (&["oci:layout", "-a", "env=prod", "-a", "env=prod"], 2, "error[ANNOTATION-REPEATED]: [..]".into()),
        (&["oci:absent"], 1, "error[FILE-READ]: [..]".into()),
        (&["layout"], 2, "error[REFERENCE-BARE]: [..]".into()),
        (&["./layout"], 2, "error[SOURCE-SYNTAX]: [..]".into()),
        (&["oci:layout", "-o", "yaml"], 2, "error: [..]".into()),
    ] {
        let outcome = verify(&station, &[&key, arguments].concat(), code);
        outcome.stdout("").stderr_line(&line);
    }
    let other = verify(&station, &["--key", "second.pub", "oci:layout"], 12);
    other.stderr_line("error[SIG-KEY]: not signed by the key: oci:layout: [..]");
    let both = ["--key", "release.pub", "--key", "second.pub", "--threshold", "2", "--check-claims=false"];
    verify(&station, &[&both[..], &["oci:layout"]].concat(), 2);
    let too_few = verify(&station, &[&both[..6], &["oci:layout"]].concat(), 38);
    too_few.stderr_line("error[VERIFY-THRESHOLD]: too few distinct keys: [..]");
    verify(&station, &["--key", "release.pub", "--key", "release.pub", "oci:layout"], 2);
    verify(&station, &["oci:layout"], 2);
    verify(&station, &["--key", "pass", "oci:layout"], 43);
}

#[test]
fn claims() {
    let station = signed();
    let key = ["--key", "release.pub", "oci:layout"];
    for given in [&["-a", "env=prod"][..], &["--annotations", "env=prod"], &["--annotation", "env=prod"]] {
        let outcome = verify(&station, &[&key, given].concat(), 0);
        outcome.stderr_line("  - The specified annotations were verified.");
    }
    for on in [&["--check-claims"][..], &["--check-claims=true"]] {
        verify(&station, &[&key, on].concat(), 0).stderr_line("  - The cosign claims were validated");
    }
    let off = verify(&station, &[&key[..], &["--check-claims=false"]].concat(), 0);
    off.never("claims were validated");
    off.stderr_line("warning: what the signatures claim was not checked (--check-claims=false)");

    // A good signature of another image: only without the claims.
    let other = Station::new();
    other.fixture("format/index", "other");
    other.export("request.tar", &["oci:single", "--as", "registry.example/team/app:1.4"]);
    other.sign("request.tar", &["--key", "release", "--form", "sig"], "response.tar");
    other.coldsign().args(["import", "response.tar", "--key", "release.pub", "--to", "oci:single"]).expect(0);
    let index = String::from_utf8(other.read("single/index.json")).unwrap();
    let (from, to) = (SINGLE.replace(':', "-"), INDEX.replace(':', "-"));
    let mut moved: Value = serde_json::from_str(&index.replace(&from, &to)).unwrap();
    let plain: Value = serde_json::from_slice(&other.read("layout/index.json")).unwrap();
    moved["manifests"][0] = plain["manifests"][0].clone();
    for (name, bytes) in other.below("layout/blobs") {
        other.write(name.replace("layout", "single"), bytes);
    }
    other.write("single/index.json", serde_json::to_vec(&moved).unwrap());
    let refused = verify(&other, &["--key", "release.pub", "oci:single:v1"], 12);
    refused.stderr_line("error[PAYLOAD-DIGEST]: payload names another digest: oci:single:v1: [..]");
    verify(&other, &["--key", "release.pub", "--check-claims=false", "oci:single:v1"], 0);
}

/// What cosign saved, and what an independent program wrote from the description of the format.
#[test]
fn layouts_of_others() {
    let sandbox = Sandbox::new();
    for (name, key, valid) in [
        ("cosign-2.5.0", "openssl.pub", ".sig, 2 of 2 valid"),
        ("cosign-3.1.1", "signer.pub", ".sig, 0 of 1 valid; bundle, 1 of 1 valid"),
    ] {
        sandbox.fixture(format!("peers/{name}"), name);
        let (key, place) = (format!("{name}/{key}"), format!("oci:{name}/save"));
        let outcome = sandbox.coldsign().args(["verify", "--key", &key, &place]).expect(0);
        outcome.stderr_line(&format!("form: {valid}; log: absent"));
        let other = sandbox.path("other.pub");
        sandbox.fixture("format/one.pub", "other.pub");
        sandbox.coldsign().args(["verify", "--key", other.to_str().unwrap(), &place]).expect(12).stdout("");
    }
    for (name, items) in [("single", 1), ("index", 4)] {
        let file = format!("{name}.response.tar");
        sandbox.fixture(format!("format/{file}"), &file);
        sandbox.fixture("format/one.pub", "one.pub").fixture("format/two.pub", "two.pub");
        let verify = ["verify", "--key", "one.pub", "--key", "two.pub", "--threshold", "2"];
        let outcome = sandbox.coldsign().args(verify).arg(format!("oci-archive:{file}")).expect(0);
        outcome.stdout_line(&format!("1 image, {items} digest[..]: {items} ok"));
    }
}

/// The reader of stdout went away: that is no failure, whatever is written.
#[test]
fn closed_stdout() {
    let station = signed();
    let path = format!(
        "{}:{}",
        std::path::Path::new(env!("CARGO_BIN_EXE_coldsign")).parent().unwrap().display(),
        std::env::var("PATH").unwrap()
    );
    for line in [
        "coldsign verify --key release.pub oci:layout",
        "coldsign verify --key release.pub oci-archive:response.tar",
        "coldsign inspect response.tar",
        "coldsign inspect --format json response.tar",
        "coldsign export --help",
        "coldsign-signer inspect response.tar",
        "coldsign-signer self-test",
    ] {
        // Without a pipe's reader the first write fails; `exec` leaves the program alone with it.
        let script = format!("trap '' PIPE; ({line}; echo $? >code) | exec true; sleep 0.2; cat code");
        let plain = format!("({line}; echo $? >code) | exec true; cat code");
        for script in [script, plain] {
            let run = station.program("bash").args(["-c", &script]).env("PATH", &path);
            let outcome = run.expect(0);
            assert_eq!(outcome.stdout_text(), "0\n", "{outcome}");
            outcome.never("panic").never("error");
        }
    }
}
