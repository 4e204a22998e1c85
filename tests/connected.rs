//! The connected commands after the export: inspect, combine, import, verify, trusted-root.

mod support;

use support::Sandbox;

/// Both layouts of an independent program, its responses with two keys, and the keys.
fn trip() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.fixture("format", "format").fixture("format/single", "single").fixture("format/index", "index");
    sandbox
}

const ONE: [&str; 2] = ["--key", "format/one.pub"];
const BOTH: [&str; 4] = ["--key", "format/one.pub", "--key", "format/two.pub"];

#[test]
fn import_puts_signatures_once() {
    let sandbox = trip();
    let import = [
        "import",
        "format/single.response.tar",
        "--to",
        "oci:single",
        "--request",
        "format/single.request.tar",
    ];
    let before = sandbox.everything();
    sandbox.coldsign().args(import).args(ONE).arg("--dry-run").expect(0).stdout("");
    assert!(sandbox.everything() == before);
    let outcome = sandbox.coldsign().args(import).args(ONE).args(["--report", "json:report.json"]).expect(0);
    outcome.stdout("").snapshot("import-single");
    let report: serde_json::Value = serde_json::from_slice(&sandbox.read("report.json")).unwrap();
    assert_eq!(report["images"][0]["status"], "pushed");
    let after = sandbox.everything();
    sandbox
        .coldsign()
        .args(import)
        .args(ONE)
        .expect(0)
        .stderr_line("done: 0 images pushed, 1 unchanged; [..]");
    assert!(sandbox.everything() == after, "a second run changes nothing");
    // Another key's signature goes beside.
    let two = ["--key", "format/two.pub"];
    sandbox
        .coldsign()
        .args(import)
        .args(two)
        .expect(0)
        .stderr_line("pushed [..] 1 .sig, beside another key's");
    let verify = ["verify", "oci:single:v1", "--threshold", "2"];
    sandbox.coldsign().args(verify).args(BOTH).expect(0);
}

#[test]
fn import_refuses_before_it_writes() {
    let sandbox = trip();
    let before = sandbox.everything();
    for (arguments, code, check) in [
        (&["format/single.request.tar", "--to", "oci:single"][..], 22, "RESPONSE-ABSENT"),
        (
            &["format/single.response.tar", "--to", "oci:single", "--request", "format/index.request.tar"],
            36,
            "IMPORT-REQUEST",
        ),
        (
            &["format/single.response.tar", "format/index.response.tar", "--to", "oci:single"],
            23,
            "COMBINE-REQUEST",
        ),
        (&["format/single.response.tar", "--to", "oci-archive:single"], 2, "USAGE"),
        (&["format/single.response.tar", "--to", "oci:nowhere"], 1, "FILE-READ"),
        (&["format/single.response.tar", "--to", "oci:single", "--report", "report"], 2, "USAGE"),
        (&["format/one.pub", "--to", "oci:single"], 22, "FILE-KIND"),
    ] {
        let outcome = sandbox.coldsign().arg("import").args(arguments).args(ONE).run();
        outcome.stderr_line(&format!("error[{check}]: [..]"));
        assert_eq!(outcome.code(), Some(code), "{outcome}");
    }
    // The image is not there: nothing is pushed, and the row says so.
    let import = ["import", "format/single.response.tar", "--to", "oci:index"];
    sandbox.coldsign().args(import).args(ONE).expect(50).stderr_line("error[SUBJECT-ABSENT]: [..]");
    assert!(sandbox.everything() == before);
}

#[test]
fn verify_ends_as_cosign_does() {
    let sandbox = trip();
    let verify =
        |arguments: &[&str], code: i32| sandbox.coldsign().arg("verify").args(arguments).expect(code);
    verify(&["oci:single:v1", ONE[0], ONE[1]], 10)
        .stdout("")
        .stderr_line("error[SIG-ABSENT]: no signatures found: oci:single:v1[..]");
    let import = ["import", "format/single.response.tar", "--to", "oci:single"];
    sandbox.coldsign().args(import).args(ONE).expect(0);
    verify(&["oci:single:v1", "-a", "env=prod", ONE[0], ONE[1]], 0).snapshot("verify-single");
    verify(&["oci:single:v2", ONE[0], ONE[1]], 11)
        .stderr_line("error[SIG-TAG]: image tag not found: oci:single:v2");
    verify(&["oci:single:v1", "--key", "format/two.pub"], 12).stderr_line("error[SIG-KEY]: [..]");
    verify(&["oci:single:v1", "-a", "env=test", ONE[0], ONE[1]], 12)
        .stderr_line("error[PAYLOAD-ANNOTATIONS]: [..]");
    let both = [BOTH[0], BOTH[1], BOTH[2], BOTH[3]];
    verify(&[&["oci:single:v1", "--threshold", "2"][..], &both].concat(), 38)
        .stderr_line("error[VERIFY-THRESHOLD]: [..]");
    for flags in [
        &["-a", "env=prod", "--check-claims=false"][..],
        &["--threshold", "2", "--check-claims=false"],
        &["--threshold", "2"],
    ] {
        verify(&[&["oci:single:v1", ONE[0], ONE[1]], flags].concat(), 2).stdout("");
    }
    verify(&["oci:single:v1", "--check-claims=false", ONE[0], ONE[1]], 0);
    // The first that fails decides, and all are looked at.
    let outcome = verify(&["oci:index:v1", "oci:single:v2", "oci:single:v1", ONE[0], ONE[1]], 10);
    outcome.stderr_line("error[SIG-TAG]: [..]").stderr_line("Verification for oci:single:v1 --");
}

#[test]
fn verify_what_a_file_names() {
    let sandbox = trip();
    let verify = |arguments: &[&str], code: i32| {
        sandbox.coldsign().arg("verify").args(arguments).args(ONE).expect(code)
    };
    verify(&["oci-archive:format/index.response.tar"], 0).stdout(
        "ok    registry.example/team/multi:2          4 digests, .sig, bundle, log absent\n1 image, 4 digests: 4 ok\n",
    );
    verify(&["oci-archive:format/index.request.tar"], 10).stdout_line("1 image, 4 digests: 0 ok, 4 failed");
    let from = ["--from", "format/index.response.tar", "oci:index"];
    verify(&from, 10).stdout_line("FAIL  registry.example/team/multi:2 [..]");
    let import = ["import", "format/index.response.tar", "--to", "oci:index", "--attach", "both"];
    sandbox.coldsign().args(import).args(ONE).expect(0).stderr_line("pushed [..] 4 .sig, 4 bundles");
    verify(&from, 0).stdout_line("1 image, 4 digests: 4 ok");
    sandbox.write("images.txt", "oci:single:v1 --as registry.example/app:1.4\noci:index:v1\n");
    verify(&["--from", "images.txt"], 10).stdout_line("ok    oci:index:v1 [..]");
    verify(&["--from", "images.txt", "oci:index"], 2).stdout("");
    // One byte of an archived response: it is named as broken, not verified as something else.
    let mut bytes = sandbox.read("format/index.response.tar");
    bytes[520] ^= 1;
    sandbox.write("flipped.tar", bytes);
    verify(&["oci-archive:flipped.tar"], 20).stderr_line("error[BLOB-DIGEST]: [..]");
}

#[test]
fn the_rest() {
    let sandbox = trip();
    let run = |arguments: &[&str], code: i32| sandbox.coldsign().args(arguments).expect(code);
    run(&["combine", "format/single.request.tar", "format/single.response.tar", "-o", "c.tar"], 0).stdout("");
    sandbox.expect_file("c.tar", sandbox.read("format/single.response.tar"));
    run(&["combine", "format/single.request.tar", "-o", "d.tar"], 22)
        .stderr_line("error[RESPONSE-ABSENT]: [..]");
    sandbox.no_file("d.tar");
    run(&["trusted-root", "create", "-o", "tr0.json"], 0).stdout("");
    sandbox.expect_file(
        "tr0.json",
        "{\"mediaType\":\"application/vnd.dev.sigstore.trustedroot+json;version=0.1\"}",
    );
    run(&["trusted-root", "create", "-o", "tr0.json"], 1).stderr_line("error[OUT-EXISTS]: [..]");
    run(&["inspect", "format/index.response.tar"], 0).snapshot("inspect-index");
    run(&["inspect", "format/one.pub"], 0).stdout_line("public key, P-256, key id");
    let digest = run(&["inspect", "--digest", "format/single.response.tar"], 0);
    digest.stdout("sha256:0ddc6a526a1f2d5ec63347b09278ed811746664a153f695517f1a1635640c6d9\n");
    run(&["--help"], 0).snapshot("help-coldsign");
}
