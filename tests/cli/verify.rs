//! `verify`: cosign's output and exit codes, both forms, every image, lists; the auditor's commands.

use serde_json::Value;

use crate::junit::elements;
use crate::station::{INDEX, SINGLE, Station};
use crate::support::{Outcome, Sandbox};

#[track_caller]
fn verify(station: &Station, arguments: &[&str], code: i32) -> Outcome {
    station.unchanged(station.coldsign().arg("verify").args(arguments), code)
}

#[test]
fn names_digests_and_every_image() {
    let station = Station::signed();
    let by_digest = format!("oci:layout@{INDEX}");
    let name = format!("oci:layout:{INDEX}");
    for image in ["oci:layout", "oci:layout:v1", &by_digest, &name] {
        let outcome = verify(&station, &["--key", "release.pub", image], 0);
        outcome.stderr_line(&format!("Verification for {image} --"));
        outcome.stderr_line("form: .sig, 1 of 1 valid; bundle, 1 of 1 valid");
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
    let station = Station::signed();
    let audit = verify(&station, &["--key", "release.pub", "oci-archive:response.tar"], 0);
    audit.stdout("ok    registry.example/team/app:1.4 [..] 4 digests, .sig, bundle, log absent\n1 image, 4 digests: 4 ok\n");
    audit.stderr("");
    let from = verify(&station, &["--key", "release.pub", "--from", "response.tar", "oci:layout"], 0);
    assert_eq!(from.stdout_text(), audit.stdout_text());
    let from = verify(&station, &["--key", "release.pub", "--from", "request.tar", "oci:layout"], 0);
    assert_eq!(from.stdout_text(), audit.stdout_text());
    // A request holds no signatures; a failed row is a row, and the exit code is cosign's.
    let unsigned = verify(&station, &["--key", "release.pub", "oci-archive:request.tar"], 10);
    unsigned
        .stdout_line("FAIL  registry.example/team/app:1.4          [SIG-ABSENT] no signatures found")
        .stderr(&format!("error[SIG-ABSENT]: registry.example/team/app:1.4: {INDEX}\n"))
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
    let station = Station::signed();
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
    verify(&station, &["--key", "release.pub", "--from", "env.txt"], 12)
        .stderr_line("error[PAYLOAD-ANNOTATIONS]: oci:layout:v1: [..]: env")
        .stderr_line("  wanted env=test")
        .stderr_line("  signed env=prod");
    station.write("none.txt", "# nothing\n");
    verify(&station, &["--key", "release.pub", "--from", "none.txt"], 2);
    verify(&station, &["--key", "release.pub", "--from", "one.txt", "oci:layout"], 2);
    verify(&station, &["--key", "release.pub", "--from", "absent.txt"], 1);
    verify(&station, &["--key", "release.pub"], 2).stderr_line("  <IMAGE|--from <FILE>>");
    // Several on the command line: all are checked, the code is the first failing one's.
    let outcome =
        verify(&station, &["--key", "release.pub", "oci:layout:v9", "oci:single", "oci:layout"], 11);
    outcome.stderr_line("error[SIG-TAG]: image tag not found: oci:layout:v9");
    outcome.stderr_line("error[SIG-ABSENT]: no signatures found: oci:single[..]");
    outcome.stderr_line("Verification for oci:layout --");
    verify(&station, &["--key", "release.pub", "oci:single", "oci:layout:v9", "oci:layout"], 10);
}

#[test]
fn what_an_index_names_as_well() {
    let station = Station::signed();
    let key = ["--key", "release.pub"];
    for image in ["oci:layout", "oci:layout:v1", &format!("oci:layout@{INDEX}")] {
        let all = verify(&station, &[&key[..], &["--recursive", image]].concat(), 0);
        all.stderr_line("form: .sig, 4 of 4 valid; bundle, 4 of 4 valid; 4 digests");
        let shown: Value = serde_json::from_slice(all.stdout_bytes()).unwrap();
        assert_eq!(shown.as_array().unwrap().len(), 8, "{all}");
    }
    station.write("images.txt", "oci:layout:v1\n");
    verify(&station, &[&key[..], &["-r", "--from", "images.txt"]].concat(), 0)
        .stdout("ok    oci:layout:v1 [..] 4 digests, .sig, bundle, log absent\n1 image, 4 digests: 4 ok\n");
    // The index alone is signed: enough as cosign has it, and not where the children are asked for.
    let alone = Station::new();
    alone.export("request.tar", &["oci:layout", "--as", "registry.example/team/app:1.4", "--no-recursive"]);
    alone.sign("request.tar", &["--key", "release"], "response.tar");
    alone.importing(&["response.tar", "--key", "release.pub"]).expect(0);
    verify(&alone, &[&key[..], &["oci:layout:v1"]].concat(), 0);
    let refused = verify(&alone, &[&key[..], &["-r", "oci:layout:v1"]].concat(), 10);
    refused.stdout("").stderr_line("error[SIG-ABSENT]: no signatures found: oci:layout:v1: sha256:[..]");
    let from = ["--from", "response.tar", "oci:layout"];
    verify(&alone, &[&key[..], &from].concat(), 0).stdout_line("1 image, 1 digest: 1 ok");
    verify(&alone, &[&key[..], &["-r"], &from].concat(), 10)
        .stdout_line("1 image, 4 digests: 1 ok, 3 failed");
}

/// Nothing listens there: every digest that the request names is a failed row, in the registry that it names.
#[test]
fn digests_where_the_request_says() {
    let station = Station::new();
    station.export("request.tar", &["oci:layout", "--as", "127.0.0.1:1/team/app:1.4"]);
    station.sign("request.tar", &["--key", "release"], "response.tar");
    for file in ["response.tar", "request.tar"] {
        let run = station.coldsign().args(["verify", "--key", "release.pub", "--from", file]);
        let outcome = run.args(["--report", &format!("json:{file}.json")]).expect(50);
        outcome.stdout_line("FAIL  127.0.0.1:1/team/app:1.4 [..][REGISTRY-REACH] registry cannot be reached");
        outcome.stdout_line("1 image, 4 digests: 0 ok, 4 failed");
        let report: Value = serde_json::from_slice(&station.read(format!("{file}.json"))).unwrap();
        assert_eq!(report["request"], station.digest(file));
        let results = report["results"].as_array().unwrap();
        let unreached = |result: &Value| result["check"] == "REGISTRY-REACH";
        assert!(results.len() == 4 && results.iter().all(unreached), "{report}");
    }
    // An image that is gone is a failed row, whatever stands beside its name.
    verify(&station, &["--key", "release.pub", "--from", "response.tar", "oci:single"], 11)
        .stdout_line("FAIL  127.0.0.1:1/team/app:1.4 [..][SIG-TAG] image tag not found");
    let absent = verify(&station, &["--key", "release.pub", "127.0.0.1:1/team/app:1.4"], 50);
    absent
        .stderr_line("error[REGISTRY-REACH]: [..]: 127.0.0.1:1/team/app:1.4: GET http://127.0.0.1:1/v2/[..]");
}

/// One cause of many failures is told three times; every image has its row or its line.
#[test]
fn one_cause_is_not_told_for_every_image() {
    let station = Station::new();
    let names: Vec<String> = (1..=5).map(|n| format!("127.0.0.1:1/team/app:{n}")).collect();
    station.write("images.txt", format!("{}\noci:single\n", names.join("\n")));
    let key = ["verify", "--key", "release.pub"];
    let run = station.coldsign().args(key).args(["--from", "images.txt", "--report", "junit:v.xml"]);
    let outcome = run.expect(50);
    let errors = |outcome: &Outcome| -> Vec<String> {
        let lines = outcome.stderr_text().lines().filter(|line| line.starts_with("error"));
        lines.map(str::to_owned).collect()
    };
    let rows: Vec<&str> = outcome.stdout_text().lines().collect();
    for (row, name) in rows.iter().zip(&names) {
        assert_eq!(*row, format!("FAIL  {name:<30} [REGISTRY-REACH] registry cannot be reached"));
    }
    let told = errors(&outcome);
    assert_eq!(told.len(), 5, "{outcome}");
    for (line, name) in told.iter().zip(names.iter().take(3)) {
        assert!(line.starts_with(&format!("error[REGISTRY-REACH]: {name}: GET http")), "{line}");
    }
    assert!(told[3].starts_with("error[SIG-ABSENT]: oci:single: sha256:"), "{outcome}");
    assert_eq!(told[4], "error[REGISTRY-REACH]: 2 more images like these: 127.0.0.1:1");
    // Neither a missing signature nor a bad one: an error, as CI systems call it.
    let xml = String::from_utf8(station.read("v.xml")).unwrap();
    assert!(xml.contains("tests=\"6\" failures=\"1\" errors=\"5\""), "{xml}");
    let elements = elements(&xml);
    let count = |name: &str| elements.iter().filter(|element| element.name == name).count();
    assert_eq!((count("error"), count("failure")), (5, 1), "{xml}");
    // Without rows each image is named by its error, and the last ones have no details.
    let outcome = station.coldsign().args(key).args(&names).expect(50);
    let told = errors(&outcome);
    for (line, name) in told.iter().zip(&names) {
        let start = format!("error[REGISTRY-REACH]: registry cannot be reached: {name}: GET http");
        assert!(line.starts_with(&start), "{line}");
    }
    let details = outcome.stderr_text().lines().filter(|line| line.starts_with("  ")).count();
    assert_eq!((told.len(), details % 3), (5, 0), "{outcome}");
}

/// Rows have 80 columns where the name leaves them.
#[test]
fn rows_fit_the_screen() {
    let station = Station::new();
    let name = "registry.example/team/application:1.40";
    assert_eq!(name.len(), 38);
    station.export("request.tar", &["oci:layout", "--as", name]);
    station.sign("request.tar", &["--key", "release"], "response.tar");
    let row = |form: &str| {
        station.importing(&["response.tar", "--key", "release.pub", "--attach", form]).expect(0);
        let from = ["--key", "release.pub", "--from", "response.tar", "oci:layout"];
        let outcome = verify(&station, &from, 0);
        outcome.stdout_text().lines().next().unwrap().to_owned()
    };
    assert_eq!(row("sig"), format!("ok    {name} 4 digests, .sig, log absent"));
    let both = row("both");
    assert_eq!(
        (both.as_str(), both.len()),
        (&*format!("ok    {name} 4 digests, .sig, bundle, log absent"), 80)
    );
}

#[test]
fn flags_that_are_typed_for_cosign() {
    let station = Station::signed();
    let key = ["--key", "release.pub", "oci:layout"];
    for given in [
        &["--insecure-ignore-tlog"][..],
        &["--insecure-ignore-tlog=true", "--output", "json", "--max-workers", "3"],
        &["--signature-repository", "registry.example/sigs", "--max-workers", "256", "--check-claims=true"],
    ] {
        verify(&station, &[&key[..], given].concat(), 0);
    }
    for (given, line) in [
        (&["--insecure-ignore-tlog=false"][..], "error[TRUST-NONE]: [..]: --log require"),
        (&["--insecure-ignore-tlog", "--log", "require"], "error[USAGE]: [..]--insecure-ignore-tlog"),
        (&["--use-signed-timestamps"], "error[TRUST-NONE]: [..]: --tsa require"),
        (&["--use-signed-timestamps", "--tsa", "ignore"], "error[USAGE]: [..]--use-signed-timestamps"),
        (&["--log-threshold", "2"], "error[USAGE]: [..]--log-threshold"),
        (&["--signature-repository", "registry.example/sigs:1"], "error[USAGE]: [..]"),
        (&["--signature-repository", "SIGS"], "error: [..]"),
        (&["--max-workers", "0"], "error: invalid value '0' for '--max-workers <N>': a number from 1 to 256"),
        (
            &["--max-workers", "257"],
            "error: invalid value '257' for '--max-workers <N>': a number from 1 to 256",
        ),
        (&["--allow-http-registry"], "error: [..]"),
        (&["--allow-insecure-registry"], "error: [..]"),
    ] {
        verify(&station, &[&key[..], given].concat(), 2).stdout("").stderr_line(line);
    }
    let run = || station.coldsign().arg("verify").args(key);
    run().env("COSIGN_REPOSITORY", "registry.example/sigs").expect(0);
    run().env("COSIGN_REPOSITORY", "registry.example/sigs:1").expect(2).stderr_line("error[USAGE]: [..]");
    run().env("COSIGN_REPOSITORY", "SIGS").expect(2).stderr_line("error[REFERENCE-SYNTAX]: [..]");
}

#[test]
fn report_files_are_written_whole_and_over_reports_alone() {
    let station = Station::signed();
    station.write("there.xml", "mine").write("old.xml", "<testsuites/>");
    let again = ["verify", "--key", "release.pub", "oci:layout", "--report", "junit:old.xml"];
    station.coldsign().args(again).expect(0);
    assert_ne!(station.read("old.xml"), b"<testsuites/>");
    for (arguments, code, line) in [
        (&["--report", "junit:there.xml"][..], 1, "error[OUT-EXISTS]: [..]"),
        (&["--report", "json:a", "--report", "junit:there.xml"], 1, "error[OUT-EXISTS]: [..]"),
        (&["--report", "json:a", "--report", "junit:a"], 2, "error[USAGE]: [..]: a"),
        (&["--report", "a.xml"], 2, "error[USAGE]: [..]: a.xml"),
        (&["--report", "xml:a.xml"], 2, "error[USAGE]: [..]"),
        (&["--report", "junit:"], 2, "error[USAGE]: [..]"),
    ] {
        let run = station.coldsign().args(["verify", "--key", "release.pub", "oci:layout"]).args(arguments);
        station.refused(run, code).stderr_line(line);
    }
    // Whoever reads the rows may go: the reports are whole, and the exit code tells what failed.
    station.write("images.txt", "oci:layout:v1\noci:single:v1\n");
    let folder = std::path::Path::new(env!("CARGO_BIN_EXE_coldsign")).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let line = "coldsign verify --key release.pub --from images.txt --report json:gone.json";
    let script = format!("trap '' PIPE; ({line}; echo $? >code) | exec true; sleep 0.2; cat code");
    station.program("bash").args(["-c", &script]).env("PATH", &path).expect(0).stdout("10\n");
    let report: Value = serde_json::from_slice(&station.read("gone.json")).unwrap();
    assert_eq!(report["totals"]["results"], 2);
}

/// The exit codes of cosign, each with its first line.
#[test]
fn exit_codes() {
    let station = Station::signed();
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

/// What cosign saved, and what an independent program wrote from the description of the format.
#[test]
fn layouts_of_others() {
    let sandbox = Sandbox::new();
    for (name, key, valid) in [
        ("cosign-2.5.0", "openssl.pub", ".sig, 2 of 2 valid"),
        ("cosign-3.1.1", "signer.pub", ".sig, 0 of 1 by the keys given; bundle, 1 of 1 valid"),
    ] {
        sandbox.fixture(format!("peers/{name}"), name);
        let (key, place) = (format!("{name}/{key}"), format!("oci:{name}/save"));
        let outcome = sandbox.coldsign().args(["verify", "--key", &key, &place]).expect(0);
        outcome.stderr_line(&format!("form: {valid}"));
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
    let station = Station::signed();
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
