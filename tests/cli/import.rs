//! `import` and `combine`: what they take, what they refuse, what stands in the layout afterwards.

use std::fs;

use serde_json::{Value, json};

use crate::station::{INDEX, SINGLE, Station};
use crate::support::fixture;

fn index(station: &Station) -> Value {
    serde_json::from_slice(&station.read("layout/index.json")).unwrap()
}

fn blob(digest: &str) -> String {
    format!("layout/blobs/{}", digest.replace(':', "/"))
}

/// The one `.sig` entry of a digest in `layout`, and its manifest.
fn sig(station: &Station, digest: &str) -> (Value, Value) {
    let name = format!("{}.sig", digest.replace(':', "-"));
    let index = index(station);
    let entries = index["manifests"].as_array().unwrap().iter();
    let named: Vec<&Value> = entries
        .filter(|entry| entry["annotations"]["org.opencontainers.image.ref.name"] == name.as_str())
        .collect();
    assert_eq!(named.len(), 1, "{name} in {index:#}");
    let manifest = station.read(blob(named[0]["digest"].as_str().unwrap()));
    (named[0].clone(), serde_json::from_slice(&manifest).unwrap())
}

#[test]
fn which_request_it_answers() {
    let station = Station::with_response();
    let other = format!("sha256:{}", "0".repeat(64));
    station.export("other.tar", &["oci:single", "--as", "registry.example/team/app:1.4"]);
    let key = ["response.tar", "--key", "release.pub"];
    for wrong in [["--request", "other.tar"], ["--request-digest", &other]] {
        let refused = station.refused(station.importing(&key).args(wrong), 36);
        refused.stderr_line("error[IMPORT-REQUEST]: response answers another request[..]");
        refused.stderr_line("  nothing was pushed");
    }
    station
        .refused(station.importing(&key).args(["--request", "response.tar", "--request-digest", &other]), 2);
    station.refused(station.importing(&key).args(["--request-digest", "sha256:00"]), 2);
    let digest = station.digest("request.tar");
    station
        .unchanged(station.importing(&key).args(["--request-digest", &digest, "--dry-run"]), 0)
        .stderr_line("checked: answers the request of --request-digest; 4 items, 8 signatures,");
    station
        .unchanged(station.importing(&key).args(["--request", "request.tar", "--dry-run"]), 0)
        .stderr_line("checked: answers request.tar; 4 items, 8 signatures, all by release.pub");
    station.importing(&key).expect(0).stderr_line("checked: request: not compared; 4 items, [..]");
}

#[test]
fn a_destination_that_is_not_the_identity_needs_the_request() {
    let station = Station::new();
    station.export(
        "request.tar",
        &["oci:layout", "--as", "mirror.example/team/app:1.4", "--identity", "registry.example/team/app:1.4"],
    );
    station.sign("request.tar", &["--key", "release"], "response.tar");
    let key = ["response.tar", "--key", "release.pub"];
    let refused = station.refused(station.importing(&key), 30);
    refused.stderr_line(
        "error[IMPORT-DESTINATION]: destination is not the identity's repository: mirror.example/team/app:1.4",
    );
    refused.stderr_line("  nothing was pushed").stderr_line("hint: say --request or --request-digest, [..]");
    station.importing(&key).args(["--request", "request.tar"]).expect(0);
}

#[test]
fn keys_come_from_the_person() {
    let station = Station::with_response();
    // Another key than the one that signed.
    let other = station.refused(station.importing(&["response.tar", "--key", "second.pub"]), 12);
    other.stderr_line("error[IMPORT-KEYS]: no signature by the keys given");
    other.stderr_line("  signed by sha256:a3256919[..]").stderr_line("  nothing was pushed");
    // No key, one key twice, no key at all in the file.
    station.refused(station.importing(&["response.tar"]), 2);
    station.refused(station.importing(&["response.tar", "--key", "release.pub", "--key", "release.pub"]), 2);
    station
        .refused(station.importing(&["response.tar", "--key", "pass"]), 43)
        .stderr_line("error[KEY-FORMAT]: [..]: pass[..]");
    station.refused(station.importing(&["response.tar", "--key", "absent.pub"]), 1);

    // A stranger beside: reported, not pushed.
    station.sign("response.tar", &["--key", "second"], "both.tar");
    let outcome = station.importing(&["both.tar", "--key", "release.pub", "--attach", "both"]).expect(0);
    outcome.stderr_line("checked: request: not compared; 4 items, 8 signatures, by release.pub");
    outcome.stderr_line("also signed, by a key that was not given, and not pushed:");
    outcome.stderr_line("  41aaf2c0 2ef4e6cd [..]");
    let (_, manifest) = sig(&station, INDEX);
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 1);
    station.coldsign().args(["verify", "--key", "release.pub", "oci:layout"]).expect(0);
    station.coldsign().args(["verify", "--key", "second.pub", "oci:layout"]).expect(12);

    // Then the second key: beside the first one, whose layer stays where it was.
    let outcome = station.importing(&["both.tar", "--key", "second.pub"]).expect(0);
    outcome.stderr_line("pushed     registry.example/team/app:1.4[..]4 .sig, beside another key's");
    let (_, both) = sig(&station, INDEX);
    assert_eq!(both["layers"][0], manifest["layers"][0]);
    assert_eq!(both["layers"].as_array().unwrap().len(), 2);
}

#[test]
fn thresholds() {
    let station = Station::with_response();
    station.sign("request.tar", &["--key", "second"], "b.tar");
    let keys = ["--key", "release.pub", "--key", "second.pub", "--threshold"];
    let import = |files: &[&str], threshold: &str| station.importing(files).args(keys).arg(threshold);
    for (file, missing) in [("response.tar", "second.pub"), ("b.tar", "release.pub")] {
        station.refused(import(&[file], "2"), 38).stderr(&format!(
            "error[THRESHOLD-KEYS]: too few distinct keys: 1 of 2 keys, 4 items\n  nothing was pushed\n  \
             no signature by {missing}\n",
        ));
    }
    station.refused(import(&["response.tar"], "0"), 2);
    station
        .refused(import(&["response.tar", "b.tar"], "3"), 2)
        .stderr("error[USAGE]: command line cannot be followed: --threshold 3\n  2 keys given\n");
    station
        .refused(station.importing(&["response.tar", "--key", "release.pub", "--threshold", "2"]), 2)
        .stderr_line("  1 key given");
    // A key that signed nothing is named as one that did not.
    import(&["response.tar"], "1")
        .arg("--dry-run")
        .expect(0)
        .stderr_line("checked: request: not compared; 4 items, 8 signatures, all by release.pub,")
        .stderr_line("         none by second.pub");
    import(&["response.tar", "b.tar"], "2").expect(0);
    // One signs the payloads, the other the statements: two keys all the same.
    station.sign("request.tar", &["--key", "release", "--form", "sig"], "sig.tar");
    station.sign("request.tar", &["--key", "second", "--form", "bundle"], "bundle.tar");
    let halves = Station::new();
    for name in ["sig.tar", "bundle.tar"] {
        halves.write(name, station.read(name));
    }
    halves.importing(&["sig.tar", "bundle.tar"]).args(keys).args(["2", "--attach", "both"]).expect(0);
    let verify = ["verify", "--key", "release.pub", "--key", "second.pub", "--threshold", "2", "oci:layout"];
    halves.coldsign().args(verify).expect(0).stderr_line("form: .sig, 1 of 1 valid; bundle, 1 of 1 valid");
}

#[test]
fn forms_that_the_response_lacks() {
    let station = Station::with_request();
    station.sign("request.tar", &["--key", "release", "--form", "bundle"], "bundle.tar");
    let refused = station.refused(station.importing(&["bundle.tar", "--key", "release.pub"]), 12);
    refused.stderr_line(
        "error[IMPORT-ITEMS]: items without a signature by the keys given: no .sig for items 1, 2, 3, 4",
    );
    refused.stderr_line("  nothing was pushed");
    let outcome = station.importing(&["bundle.tar", "--key", "release.pub", "--attach", "bundle"]).expect(0);
    outcome.stderr_line("pushed     registry.example/team/app:1.4[..]4 bundles");
    outcome.never(".sig").never("--attach both");
    // The other form later: both stand side by side.
    station.sign("bundle.tar", &["--key", "release", "--form", "sig"], "both.tar");
    station.sign("request.tar", &["--key", "release"], "at-once.tar");
    station.same("both.tar", "at-once.tar");
    // Bundles of this key are there: nobody is told to push them.
    station
        .importing(&["both.tar", "--key", "release.pub", "--attach", "both", "--dry-run"])
        .expect(0)
        .stderr_line("would push registry.example/team/app:1.4              4 .sig; 4 bundles unchanged");
    station.importing(&["both.tar", "--key", "release.pub"]).expect(0).never("--attach both");
    let before = station.everything();
    station.importing(&["both.tar", "--key", "release.pub", "--attach", "both"]).expect(0);
    assert!(before == station.everything());
}

#[test]
fn files_that_are_no_responses() {
    let station = Station::with_response();
    let import = |file: &str| station.importing(&[file, "--key", "release.pub"]);
    station.refused(import("request.tar"), 22).stderr(
        "error[RESPONSE-ABSENT]: a request that nobody signed yet: request.tar\n  nothing was pushed\n",
    );
    station.write("cut.tar", &station.read("response.tar")[..20_000]);
    station.write("flipped.tar", {
        let mut bytes = station.read("response.tar");
        let at = bytes.windows(16).position(|window| window == b"cosign/signature").unwrap() + 30;
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        bytes
    });
    station.write("twice.tar", [station.read("response.tar"), station.read("response.tar")].concat());
    for (file, code, check) in [
        ("cut.tar", 20, "ARCHIVE-"),
        ("flipped.tar", 20, "BLOB-DIGEST"),
        ("twice.tar", 20, "ARCHIVE-"),
        ("release.pub", 22, "FILE-KIND"),
        ("layout", 1, "FILE-NOT-REGULAR"),
        ("absent.tar", 1, "FILE-READ"),
    ] {
        let refused = station.refused(import(file), code);
        refused.stderr_line(&format!("error[{check}[..]]: [..]{file}[..]"));
    }
    // Of several files each must be good.
    station
        .refused(station.importing(&["response.tar", "request.tar", "--key", "release.pub", "--dry-run"]), 0);
    station.refused(station.importing(&["response.tar", "flipped.tar", "--key", "release.pub"]), 20);
    station.export("other.tar", &["oci:single", "--as", "registry.example/team/app:1.4"]);
    station.sign("other.tar", &["--key", "release"], "other-response.tar");
    let refused = station
        .refused(station.importing(&["response.tar", "other-response.tar", "--key", "release.pub"]), 23);
    refused.stderr_line("error[COMBINE-REQUEST]: files answer different requests: other-response.tar");
}

#[test]
fn places_that_are_no_layouts() {
    let station = Station::with_response();
    station.write("file", "x").write("empty/keep", "");
    for (place, code, check) in [
        ("oci:absent", 1, "FILE-READ"),
        ("oci:file", 22, "SOURCE-KIND"),
        ("oci:empty", 22, "SOURCE-KIND"),
        ("oci:layout:v1", 2, "USAGE"),
        ("oci-archive:response.tar", 2, "USAGE"),
        ("layout", 2, "REFERENCE-BARE"),
        ("./layout", 2, "SOURCE-SYNTAX"),
    ] {
        let import =
            station.coldsign().args(["import", "response.tar", "--key", "release.pub", "--to", place]);
        station.refused(import, code).stderr_line(&format!("error[{check}]: [..]"));
    }
    // A place for signatures is a layout or a repository, never both, and a repository has no tag.
    let import = || station.coldsign().args(["import", "response.tar", "--key", "release.pub"]);
    let elsewhere = ["--signature-repository", "registry.example/sigs"];
    station.refused(import().args(elsewhere).args(["--to", "oci:layout"]), 2);
    for (run, said) in [
        (import().args(["--signature-repository", "registry.example/sigs:1"]), "USAGE"),
        (import().env("COSIGN_REPOSITORY", "registry.example/sigs@sha256:00"), "REFERENCE-SYNTAX"),
    ] {
        station.refused(run, 2).stderr_line(&format!("error[{said}]: [..]"));
    }
}

#[test]
fn images_that_are_gone() {
    let station = Station::new();
    station.write(
        "images.txt",
        "oci:layout --as registry.example/team/app:1.4\noci:single --as registry.example/infra/proxy:7\n",
    );
    station.export("request.tar", &["--from", "images.txt"]);
    station.sign("request.tar", &["--key", "release"], "response.tar");
    let import = |place: &str| {
        let to = format!("oci:{place}");
        let import =
            ["import", "response.tar", "--key", "release.pub", "--report", "json:report.json", "--to"];
        station.coldsign().args(import).arg(to)
    };
    // One of two.
    let outcome = import("layout").expect(51);
    outcome
        .stderr_line(&format!("error[SUBJECT-ABSENT]: image is gone: registry.example/infra/proxy@{SINGLE}"));
    outcome.stderr_line("done: 1 image pushed, 0 unchanged, 1 failed; read back and verified");
    let report: Value = serde_json::from_slice(&station.read("report.json")).unwrap();
    assert_eq!(report["request"], station.digest("request.tar"));
    let rows: Vec<(&str, &str)> = report["images"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["image"].as_str().unwrap(), row["status"].as_str().unwrap()))
        .collect();
    assert_eq!(
        rows,
        [("registry.example/infra/proxy:7", "failed"), ("registry.example/team/app:1.4", "pushed")]
    );
    assert!(report["images"][0]["error"].as_str().unwrap().contains("SUBJECT-ABSENT"));
    assert_eq!(report["images"][0]["check"], "SUBJECT-ABSENT");
    // The same command again: its report takes the place of the first one.
    import("layout").expect(51);
    let report: Value = serde_json::from_slice(&station.read("report.json")).unwrap();
    assert_eq!(report["images"][1]["status"], "unchanged");
    // All gone: an empty layout.
    station.fixture("format/single/oci-layout", "bare/oci-layout").write("bare/blobs/sha256/x", "");
    station.write("bare/index.json", r#"{"schemaVersion":2,"manifests":[]}"#);
    let before = station.below("bare");
    let outcome = import("bare").expect(50);
    outcome.stderr_line("nothing was pushed");
    assert!(before == station.below("bare"));
}

/// A platform is gone, the rest is there: what can be pushed is, and the person is told what was not.
#[test]
fn a_platform_that_is_gone() {
    let station = Station::with_response();
    let manifest: Value = serde_json::from_slice(&station.read(blob(INDEX))).unwrap();
    let gone = manifest["manifests"][1]["digest"].as_str().unwrap();
    fs::remove_file(station.path(blob(gone))).unwrap();
    let outcome = station.importing(&["response.tar", "--key", "release.pub"]).expect(51);
    outcome.stderr_line(&format!("error[SUBJECT-ABSENT]: image is gone: registry.example/team/app@{gone}"));
    outcome.stderr_line("failed     registry.example/team/app:1.4[..]3 .sig");
    outcome.stderr_line("done: 0 images pushed, 0 unchanged, 1 failed; read back and verified");
    sig(&station, INDEX);
}

/// What others left in the layout stays: foreign layers and their order, foreign entries, annotations, members.
#[test]
fn merges_beside_what_is_there() {
    let station = Station::with_response();
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 2,
            "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},
        "layers": [{"mediaType": "application/vnd.dev.cosign.simplesigning.v1+json", "size": 3,
            "digest": "sha256:ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356",
            "annotations": {"dev.cosignproject.cosign/signature": "AAAA", "com.example/note": "a stranger's"}}],
        "annotations": {"com.example/kept": "yes"}
    });
    let bytes = serde_json::to_vec_pretty(&manifest).unwrap();
    let digest = coldsign::digest::Digest::of(&bytes).to_string();
    station.write(blob(&digest), &bytes);
    station
        .write("layout/blobs/sha256/44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", "{}");
    station.write(
        "layout/blobs/sha256/ca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356",
        "{}\n",
    );
    let mut index = index(&station);
    let first = index["manifests"][0].clone();
    let foreign = json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "size": bytes.len(), "digest": digest,
        "annotations": {"org.opencontainers.image.ref.name": format!("{}.sig", INDEX.replace(':', "-")), "com.example/entry": "kept"}});
    index["manifests"].as_array_mut().unwrap().push(foreign);
    index["annotations"] = json!({"com.example/index": "kept"});
    station.write("layout/index.json", serde_json::to_vec_pretty(&index).unwrap());

    let import = || station.importing(&["response.tar", "--key", "release.pub"]).expect(0);
    import().stderr_line("pushed     registry.example/team/app:1.4[..]4 .sig, beside another key's");
    let (_, merged) = sig(&station, INDEX);
    assert_eq!(merged["layers"][0], manifest["layers"][0]);
    assert_eq!(merged["layers"].as_array().unwrap().len(), 2);
    assert_eq!(merged["annotations"], manifest["annotations"]);
    let after = serde_json::from_slice::<Value>(&station.read("layout/index.json")).unwrap();
    assert_eq!(after["annotations"], index["annotations"]);
    assert_eq!(after["manifests"][0]["digest"], first["digest"]);
    assert_eq!(after["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"], "v1");
    // A stranger's layer hides nothing.
    let verified = station.coldsign().args(["verify", "--key", "release.pub", "oci:layout:v1"]).expect(0);
    verified.stderr_line("form: .sig, 1 of 2 by the keys given");
    let before = station.everything();
    import().stderr_line("done: 0 images pushed, 1 unchanged; read back and verified");
    assert!(before == station.everything(), "a second run changed something");
}

/// What stands there cannot be read: nothing is written over it.
#[test]
fn broken_destinations() {
    let station = Station::with_response();
    let good = station.read("layout/index.json");
    let with = |digest: &str, size: usize| {
        let mut index: Value = serde_json::from_slice(&good).unwrap();
        index["manifests"].as_array_mut().unwrap().push(json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json", "size": size, "digest": digest,
            "annotations": {"org.opencontainers.image.ref.name": format!("{}.sig", INDEX.replace(':', "-"))}}));
        serde_json::to_vec(&index).unwrap()
    };
    let bytes = b"{\"layers\":7}";
    let digest = coldsign::digest::Digest::of(bytes).to_string();
    station.write(blob(&digest), bytes);
    station.write("layout/index.json", with(&digest, bytes.len()));
    let outcome = station.importing(&["response.tar", "--key", "release.pub"]).expect(51);
    outcome.stderr_line(&format!(
        "error[DESTINATION-BROKEN]: what stands at the destination cannot be read: registry.example/team/app@{INDEX}"
    ));
    station
        .unchanged(station.coldsign().args(["verify", "--key", "release.pub", "oci:layout:v1"]), 12)
        .stderr_line(
            "error[SIG-MANIFEST-KIND]: .sig manifest is not a manifest of signatures: oci:layout:v1: [..]",
        );
    assert_eq!(station.read(blob(&digest)), bytes);
    for broken in [&b"{"[..], b"[]", b"{\"manifests\":7}", b"{\"manifests\":[],\"manifests\":[]}"] {
        station.write("layout/index.json", broken);
        let import = station.importing(&["response.tar", "--key", "release.pub"]);
        assert_eq!(
            station
                .unchanged(import, if broken == b"{\"manifests\":7}" || broken == b"[]" { 20 } else { 21 })
                .stdout_bytes(),
            b""
        );
    }
}

#[test]
fn reports() {
    let station = Station::with_response();
    let import = ["response.tar", "--key", "release.pub"];
    for report in ["report.json", "xml:report.xml", "json:"] {
        station.refused(station.importing(&import).args(["--report", report]), 2);
    }
    station.refused(station.importing(&import).args(["--report", "json:absent/report.json"]), 1);
    // Only a report is written over, and that is found before anything is pushed.
    for other in ["request.tar", "release.pub", "pass"] {
        let refused =
            station.refused(station.importing(&import).args(["--report", &format!("json:{other}")]), 1);
        refused.stderr_line(&format!("error[OUT-EXISTS]: output is there already: {other}"));
        refused.stderr_line("  it is no report; nothing was written");
    }
    station
        .refused(station.importing(&import).args(["--report", "json:layout"]), 1)
        .stderr_line("error[FILE-NOT-REGULAR]: [..]: layout");
    // A refusal is reported as well, with what was known until then.
    station
        .importing(&["request.tar", "--key", "release.pub", "--report", "json:early.json"])
        .expect(22)
        .stderr(
            "error[RESPONSE-ABSENT]: a request that nobody signed yet: request.tar\n  nothing was pushed\n",
        );
    let expected = json!({
        "check": "RESPONSE-ABSENT", "details": ["nothing was pushed"], "dryRun": false,
        "error": "[RESPONSE-ABSENT]: a request that nobody signed yet: request.tar", "exit": 22, "images": [],
        "keys": [], "layout": "layout", "request": null, "requestCompared": false, "signatureRepository": null,
        "strangers": [], "summary": null,
        "totals": {"failed": 0, "notBegun": 0, "pushed": 0, "unchanged": 0, "wouldPush": 0}
    });
    assert_eq!(serde_json::from_slice::<Value>(&station.read("early.json")).unwrap(), expected);
    station.importing(&import).args(["--dry-run", "--report", "json:dry.json"]).expect(0);
    station.importing(&import).args(["--report", "json:done.json"]).expect(0);
    let status = |name: &str| {
        let report: Value = serde_json::from_slice(&station.read(name)).unwrap();
        report["images"][0]["status"].as_str().unwrap().to_owned()
    };
    assert_eq!((status("dry.json"), status("done.json")), ("would push".to_owned(), "pushed".to_owned()));
    let release = "sha256:a325691964b3a3e97f28362d14ac7de4dbcc1ef25f714fde10fb963bd5b785e6";
    let expected = json!({
        "check": null, "details": [], "dryRun": false, "error": null, "exit": 0,
        "images": [{"atts": 0, "bundles": 0, "check": null, "digest": INDEX, "error": null, "foreign": 0, "hidden": false,
            "image": "registry.example/team/app:1.4", "sigs": 4, "status": "pushed", "tag": "not compared",
            "warnings": []}],
        "keys": [{"file": "release.pub", "id": release, "signed": true}], "layout": "layout",
        "request": station.digest("request.tar"), "requestCompared": false, "signatureRepository": null,
        "strangers": [], "summary": "1 image, 4 items",
        "totals": {"failed": 0, "notBegun": 0, "pushed": 1, "unchanged": 0, "wouldPush": 0}
    });
    assert_eq!(serde_json::from_slice::<Value>(&station.read("done.json")).unwrap(), expected);
}

#[test]
fn combine_refuses() {
    let station = Station::with_response();
    station.export("other.tar", &["oci:single", "--as", "registry.example/team/app:1.4"]);
    let combine = |arguments: &[&str]| station.coldsign().arg("combine").args(arguments);
    for (arguments, code, check) in [
        (&["response.tar", "-o", "request.tar"][..], 1, "OUT-EXISTS"),
        (&["request.tar", "-o", "out.tar"], 22, "RESPONSE-ABSENT"),
        (&["response.tar", "other.tar", "-o", "out.tar"], 23, "COMBINE-REQUEST"),
        (&["response.tar", "pass", "-o", "out.tar"], 22, "FILE-KIND"),
        (&["response.tar", "-o", "absent/out.tar"], 1, "FILE-WRITE"),
    ] {
        station.refused(combine(arguments), code).stderr_line(&format!("error[{check}]: [..]"));
    }
    station.refused(combine(&["-o", "out.tar"]), 2);
    // One file is its own combination, a request beside a response adds nothing.
    combine(&["response.tar", "-o", "one.tar"]).expect(0);
    combine(&["request.tar", "response.tar", "-o", "two.tar"]).expect(0);
    station.same("one.tar", "response.tar");
    station.same("two.tar", "response.tar");
    let golden = fixture("format/index.response.tar");
    let golden = golden.to_str().unwrap();
    combine(&[golden, golden, "-o", "golden.tar"]).expect(0);
    station.expect_file("golden.tar", fs::read(golden).unwrap());
}

#[test]
fn a_strangers_bundle_hides_our_sig_and_is_named() {
    let station = Station::with_response();
    station.sign("request.tar", &["--key", "second", "--form", "bundle"], "bundles.tar");
    station
        .importing(&["bundles.tar", "--key", "second.pub", "--attach", "bundle"])
        .expect(0)
        .never("BUNDLE-HIDES-SIG");
    station
        .importing(&["response.tar", "--key", "release.pub"])
        .expect(0)
        .stderr_line(
            "warning[BUNDLE-HIDES-SIG]: stock cosign will not look at .sig: registry.example/team/app:1.4",
        )
        .stderr_line("hint: --attach both")
        .stderr_line("stock cosign will refuse 1 image: a stranger's bundle hides .sig;")
        .stderr_line("  import again with --attach both")
        .never("cosign verify");
    station
        .importing(&["response.tar", "--key", "release.pub", "--attach", "both"])
        .expect(0)
        .never("BUNDLE-HIDES-SIG");
}

#[test]
fn a_child_verifies_by_its_digest() {
    let station = Station::with_response();
    station.importing(&["response.tar", "--key", "release.pub"]).expect(0);
    let index: Value = serde_json::from_slice(&station.read(blob(INDEX))).unwrap();
    for child in index["manifests"].as_array().unwrap() {
        let child = format!("oci:layout@{}", child["digest"].as_str().unwrap());
        station.coldsign().args(["verify", "--key", "release.pub", &child]).expect(0);
        station.coldsign().args(["verify", "--key", "second.pub", &child]).expect(12);
    }
    let absent = format!("oci:layout@sha256:{}", "0".repeat(64));
    station.coldsign().args(["verify", "--key", "release.pub", &absent]).expect(11);
}

#[test]
fn a_response_is_no_request_that_was_sent() {
    let station = Station::with_response();
    let key = ["response.tar", "--key", "release.pub", "--request", "response.tar"];
    station
        .refused(station.importing(&key), 2)
        .stderr_line("  a response, where the request that was sent is wanted");
}

#[test]
fn the_wrong_layout_is_named_once() {
    let station = Station::with_response();
    let wrong = ["import", "response.tar", "--key", "release.pub", "--to", "oci:single"];
    let outcome = station.unchanged(station.coldsign().args(wrong), 50);
    outcome.stderr_line("error[SUBJECT-ABSENT]: image is gone: oci:single holds none of them, 1 image");
    outcome.stderr_line("hint: is it the right layout? copy the images there first");
}
