//! Reports of verify: what they hold, that their readers take them, and that shards make one whole.

use std::collections::BTreeMap;

use boon::{Compiler, Schemas};
use coldsign::digest::Digest;
use coldsign::keys::public::PublicKey;
use serde_json::{Value, json};

use crate::junit::elements;
use crate::station::{INDEX, SINGLE, Station};
use crate::support::{Outcome, fixture};

const HOSTILE: &str = "oci:a]]>&amp;<b>\"'\u{1b}\u{202e}[[ATTACHMENT|x]](http://evil){0}/x:1";

#[track_caller]
fn verify(station: &Station, arguments: &[&str], code: i32) -> Outcome {
    station.coldsign().args(["verify", "--key", "release.pub"]).args(arguments).expect(code)
}

#[track_caller]
fn merge(station: &Station, arguments: &[&str], code: i32) -> Outcome {
    station.coldsign().args(["report", "merge"]).args(arguments).expect(code)
}

#[track_caller]
fn read(station: &Station, name: &str) -> Value {
    let bytes = station.read(name);
    assert!(bytes.iter().all(|byte| *byte == b'\n' || (b' '..=b'~').contains(byte)), "{name} is not ASCII");
    serde_json::from_slice(&bytes).unwrap()
}

/// Seven images of which four fail, by name, by digest, and by what stands there.
fn list(station: &Station) {
    let hostile = serde_json::to_string(HOSTILE).unwrap();
    let lines = ["oci:layout:v1", "oci:single:v1 # unsigned", &hostile, "", "oci:layout:v9", "oci:layout"];
    station
        .write("images.txt", lines.join("\n") + "\noci:layout:v1 -a env=test\noci:layout:v1 -a env=prod\n");
}

fn id(station: &Station, key: &str) -> String {
    PublicKey::from_pem(&station.read(key)).unwrap().id().to_string()
}

#[test]
fn json_exactly() {
    let station = Station::signed();
    station.write("images.txt", "oci:layout:v1\n\noci:single:v1\noci:layout:v9\n");
    verify(&station, &["--from", "images.txt", "--report", "json:a.json"], 10);
    let id = id(&station, "release.pub");
    let row = |form: &str, state: &str, annotations: &str, found: usize, identities: &[&str]| {
        json!({
            "annotations": annotations, "check": null, "claims": state, "details": [], "form": form,
            "found": found, "identities": identities, "key": "release.pub", "keyId": id,
            "log": "absent", "message": null, "proof": "absent", "signature": state, "time": null,
            "timestamp": "absent", "valid": found,
        })
    };
    // What the list's digest is, by another implementation of RFC 8785.
    let entries = json!([{"image": "oci:layout:v1"}, {"image": "oci:single:v1"}, {"image": "oci:layout:v9"}]);
    let digest = Digest::of(serde_json_canonicalizer::to_string(&entries).unwrap().as_bytes());
    let wanted = json!({
        "demand": {
            "annotations": {}, "checkClaims": true, "keys": [{"file": "release.pub", "id": id}],
            "log": "if-present", "logThreshold": 1, "logs": [], "recursive": false, "signatureRepository": null,
            "threshold": 1, "timestamp": "if-present", "timestampAuthorities": [],
        },
        "exit": 10,
        "kind": "verifyReport",
        "list": {"digest": digest.to_string(), "entries": 3, "file": "images.txt"},
        "request": null,
        "results": [
            {
                "check": null, "details": [], "digest": INDEX, "entry": 1, "image": "oci:layout:v1", "keys": 1,
                "line": 1, "message": null, "notes": [], "place": "oci:layout",
                "rows": [
                    row(".sig", "verified", "unchecked", 1, &["registry.example/team/app:1.4"]),
                    row("bundle", "verified", "unchecked", 1, &[]),
                ],
                "status": "ok", "threshold": "verified",
            },
            {
                "check": "SIG-ABSENT", "details": [], "digest": SINGLE, "entry": 2, "image": "oci:single:v1",
                "keys": 0, "line": 3, "message": "no signatures found", "notes": [], "place": "oci:single",
                "rows": [row(".sig", "absent", "absent", 0, &[]), row("bundle", "absent", "absent", 0, &[])],
                "status": "failed", "threshold": "absent",
            },
            {
                "check": "SIG-TAG", "details": [format!("it has v1 {INDEX}")], "digest": null, "entry": 3,
                "image": "oci:layout:v9", "keys": 0, "line": 4, "message": "image tag not found", "notes": [],
                "place": "oci:layout", "rows": [], "status": "failed", "threshold": "unchecked",
            },
        ],
        "shard": null,
        "totals": {"failed": 2, "images": 3, "noVerdict": 0, "ok": 1, "results": 3, "rows": 4},
        "version": 1,
    });
    assert_eq!(read(&station, "a.json"), wanted);
    // Members ascend, a result is a line: what is written is what another writer of RFC 8785 writes, but for newlines.
    let text = String::from_utf8(station.read("a.json")).unwrap();
    assert_eq!(text.replace('\n', ""), serde_json_canonicalizer::to_string(&wanted).unwrap());
    assert_eq!(text.lines().count(), 5);

    // A response: its request, and each of its digests. Several reports at once, and of one image as well.
    let from = ["--from", "response.tar", "oci:layout", "--report", "junit:a.xml", "--report", "json:a.json"];
    verify(&station, &from, 0);
    let report = read(&station, "a.json");
    assert_eq!(report["request"], station.digest("response.tar"));
    assert_eq!(
        report["totals"],
        json!({"failed": 0, "images": 1, "noVerdict": 0, "ok": 4, "results": 4, "rows": 8})
    );
    verify(&station, &["oci:layout:v1", "--report", "json:one.json"], 0)
        .stderr_line("Verification for oci:layout:v1 --");
    assert_eq!(read(&station, "one.json")["results"][0]["line"], Value::Null);
}

/// Absent, unchecked, verified, invalid: by key and form, with why.
#[test]
fn words_of_a_row() {
    let station = Station::signed();
    let rows = |arguments: &[&str], code: i32| -> BTreeMap<String, String> {
        let run = [arguments, &["--report", "json:w.json"]].concat();
        station.coldsign().arg("verify").args(&run).expect(code);
        let report = read(&station, "w.json");
        let result = &report["results"][0];
        let word = |row: &Value, name: &str| row[name].as_str().unwrap_or("-").to_owned();
        let mut rows: BTreeMap<String, String> = result["rows"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| {
                let words =
                    ["signature", "claims", "annotations", "log", "check"].map(|name| word(row, name));
                (format!("{} {}", word(row, "key"), word(row, "form")), words.join(" "))
            })
            .collect();
        let keys = &result["keys"];
        rows.insert("threshold".to_owned(), format!("{} {keys}", word(result, "threshold")));
        rows
    };
    let wanted = |lines: &[(&str, &str)]| -> BTreeMap<String, String> {
        lines.iter().map(|(name, words)| ((*name).to_owned(), (*words).to_owned())).collect()
    };
    let (release, both) =
        (["--key", "release.pub", "oci:layout"], ["--key", "release.pub", "--key", "second.pub"]);
    let with = |more: &[&'static str]| [&release[..], more].concat();
    let good = "verified verified unchecked absent -";
    assert_eq!(
        rows(&release, 0),
        wanted(&[("release.pub .sig", good), ("release.pub bundle", good), ("threshold", "verified 1")])
    );
    let annotated = "verified verified verified absent -";
    assert_eq!(
        rows(&with(&["-a", "env=prod"]), 0),
        wanted(&[
            ("release.pub .sig", annotated),
            ("release.pub bundle", annotated),
            ("threshold", "verified 1")
        ])
    );
    let different = "verified verified invalid absent PAYLOAD-ANNOTATIONS";
    assert_eq!(
        rows(&with(&["-a", "env=test"]), 12),
        wanted(&[
            ("release.pub .sig", different),
            ("release.pub bundle", different),
            ("threshold", "invalid 0")
        ])
    );
    // Whose digest a bundle is about is compared whatever is asked for.
    let unclaimed = "verified unchecked unchecked absent -";
    assert_eq!(
        rows(&with(&["--check-claims=false"]), 0),
        wanted(&[("release.pub .sig", unclaimed), ("release.pub bundle", good), ("threshold", "verified 1")])
    );
    // Somebody's, and nobody's that was given: it may be a broken one of this key.
    let strange = "invalid unchecked unchecked unchecked SIG-KEY";
    assert_eq!(
        rows(&["--key", "second.pub", "oci:layout"], 12),
        wanted(&[("second.pub .sig", strange), ("second.pub bundle", strange), ("threshold", "invalid 0")])
    );
    // All that is there is another key's that was given: nothing is wrong, it is only not there.
    let absent = "absent absent absent absent -";
    let two = |threshold: &str| {
        wanted(&[
            ("release.pub .sig", good),
            ("release.pub bundle", good),
            ("second.pub .sig", absent),
            ("second.pub bundle", absent),
            ("threshold", threshold),
        ])
    };
    assert_eq!(rows(&[&both[..], &["oci:layout"]].concat(), 0), two("verified 1"));
    assert_eq!(rows(&[&both[..], &["oci:layout", "--threshold", "2"]].concat(), 38), two("invalid 1"));
    assert_eq!(
        rows(&["--key", "release.pub", "oci:single"], 10),
        wanted(&[("release.pub .sig", absent), ("release.pub bundle", absent), ("threshold", "absent 0")])
    );
    // What could not be read is not absent.
    let unread = "unchecked unchecked unchecked unchecked REGISTRY-REACH";
    assert_eq!(
        rows(&["--key", "release.pub", &format!("127.0.0.1:1/team/app@{INDEX}")], 50),
        wanted(&[("release.pub .sig", unread), ("release.pub bundle", unread), ("threshold", "unchecked 0")])
    );
}

/// A log entry that is not checked is not absent; one that is broken voids its signature.
#[test]
fn words_of_a_log() {
    let station = Station::signed();
    let manifest = |layout: &str, log: &str| {
        let tag = format!("{}.sig", INDEX.replace(':', "-"));
        let mut index: Value = serde_json::from_slice(&station.read(format!("{layout}/index.json"))).unwrap();
        let entry = index["manifests"]
            .as_array_mut()
            .unwrap()
            .iter_mut()
            .find(|entry| entry["annotations"]["org.opencontainers.image.ref.name"] == tag);
        let entry = entry.unwrap();
        let blob = |digest: &str| format!("{layout}/blobs/{}", digest.replace(':', "/"));
        let bytes = station.read(blob(entry["digest"].as_str().unwrap()));
        let mut sig: Value = serde_json::from_slice(&bytes).unwrap();
        sig["layers"][0]["annotations"]["dev.sigstore.cosign/bundle"] = log.into();
        let bytes = serde_json::to_vec(&sig).unwrap();
        entry["digest"] = Digest::of(&bytes).to_string().into();
        entry["size"] = bytes.len().into();
        station.write(blob(&Digest::of(&bytes).to_string()), bytes);
        station.write(format!("{layout}/index.json"), serde_json::to_vec(&index).unwrap());
    };
    let log = |code: i32| {
        verify(&station, &["oci:layout", "--report", "json:l.json"], code);
        let row = read(&station, "l.json")["results"][0]["rows"][0].clone();
        ["signature", "log", "proof", "timestamp", "check"]
            .map(|name| row[name].as_str().unwrap_or("-").to_owned())
    };
    assert_eq!(log(0), ["verified", "absent", "absent", "absent", "-"]);
    let entry = json!({
        "SignedEntryTimestamp": "AAAA",
        "Payload": {"body": "", "integratedTime": 1, "logIndex": 1, "logID": "00".repeat(32)},
    });
    manifest("layout", &entry.to_string());
    assert_eq!(log(0), ["verified", "unchecked", "absent", "absent", "-"]);
    // The bundle beside it is still good.
    manifest("layout", "{}");
    assert_eq!(log(0), ["unchecked", "invalid", "unchecked", "unchecked", "SIG-LOG"]);
}

/// What a CI system reads: well-formed whatever the names are, one test case for each image and digest.
#[test]
fn junit() {
    let station = Station::signed();
    list(&station);
    verify(&station, &["--from", "images.txt", "--report", "junit:v.xml"], 10);
    let xml = String::from_utf8(station.read("v.xml")).unwrap();
    let found = elements(&xml);
    let count = |name: &str| found.iter().filter(|element| element.name == name).count();
    assert_eq!((count("testsuites"), count("testsuite"), count("testcase")), (1, 1, 7), "{xml}");
    assert_eq!((count("failure"), count("error"), count("system-out")), (4, 0, 3), "{xml}");
    let of = |name: &str, attribute: &str| -> Vec<&str> {
        let all = found.iter().filter(|element| element.name == name);
        all.filter_map(|element| element.attributes.get(attribute).map(String::as_str)).collect()
    };
    assert_eq!(of("failure", "type"), ["SIG-ABSENT", "FILE-READ", "SIG-TAG", "PAYLOAD-ANNOTATIONS"]);
    assert_eq!(of("failure", "message")[0], "no signatures found");
    let escaped =
        "oci:a]]&gt;&amp;amp;&lt;b&gt;&quot;'\\u{1b}\\u{202e}[\\u{5b}ATTACHMENT|x]](http://evil){0}/x";
    assert_eq!(
        of("testcase", "name"),
        [
            "oci:layout:v1@sha256:b6d68273372c",
            "oci:single:v1@sha256:19c23ffc2034",
            &format!("{escaped}:1"),
            "oci:layout:v9",
            "oci:layout@sha256:b6d68273372c",
            "oci:layout:v1@sha256:b6d68273372c (2)",
            "oci:layout:v1@sha256:b6d68273372c (3)",
        ]
    );
    // What a name of a layout begins behind: the path alone.
    let path = escaped.split_once("://").unwrap().0;
    assert_eq!(
        of("testcase", "classname"),
        ["oci:layout", "oci:single", path, "oci:layout", "oci:layout", "oci:layout", "oci:layout"]
    );
    let text = |place: usize| {
        let case = found.iter().filter(|element| element.within == "testcase").nth(place).unwrap();
        case.text.as_str()
    };
    let id = id(&station, "release.pub");
    let row = |form: &str| {
        format!(
            "{form} by release.pub {id}: signature verified, claims verified, annotations unchecked, log absent, \
             proof absent, timestamp absent"
        )
    };
    let signed = row(".sig") + "; signed for registry.example/team/app:1.4";
    assert_eq!(text(0), format!("{INDEX}\n{signed}\n{}\n", row("bundle")));
    let different = text(5);
    for line in [
        "[PAYLOAD-ANNOTATIONS] missing or different annotation",
        "  wanted env=test",
        "  signed env=prod",
        &format!(
            ".sig by release.pub {id}: signature verified, claims verified, annotations invalid, log absent, \
             proof absent, timestamp absent; \
             [PAYLOAD-ANNOTATIONS] missing or different annotation"
        ),
    ] {
        assert!(different.lines().any(|found| found == line), "{line}\n{different}");
    }

    verify(&station, &["--from", "response.tar", "oci:layout", "--report", "junit:r.xml"], 0);
    let xml = String::from_utf8(station.read("r.xml")).unwrap();
    let request = format!("<property name=\"request\" value=\"{}\"/>", station.digest("response.tar"));
    assert!(xml.contains(&request) && !xml.contains("<failure"), "{xml}");
    assert_eq!(elements(&xml).iter().filter(|element| element.name == "testcase").count(), 4);
}

/// Against the schema of SARIF 2.1.0, and what GitHub's code scanning wants besides: a place in a file for each result.
#[test]
fn sarif() {
    let station = Station::signed();
    list(&station);
    verify(&station, &["--from", "images.txt", "--report", "sarif:v.sarif"], 10);
    let report = read(&station, "v.sarif");
    check_sarif(&report).unwrap();
    let run = &report["runs"][0];
    let results = run["results"].as_array().unwrap();
    let of = |path: &str| -> Vec<Value> {
        results.iter().map(|result| result.pointer(path).cloned().unwrap_or_default()).collect()
    };
    assert_eq!(of("/ruleId"), ["SIG-ABSENT", "FILE-READ", "SIG-TAG", "PAYLOAD-ANNOTATIONS"]);
    let place = "/locations/0/physicalLocation";
    assert_eq!(of(&format!("{place}/artifactLocation/uri")), ["images.txt"; 4]);
    assert_eq!(of(&format!("{place}/region/startLine")), [2, 3, 5, 7]);
    assert_eq!(of("/level"), ["error"; 4]);
    assert_eq!(results[0]["message"]["text"], format!("no signatures found: oci:single:v1: {SINGLE}"));
    // No link and no placeholder in what is shown; the name as it is among the properties.
    let text = results[1]["message"]["text"].as_str().unwrap();
    assert!(!text.contains("](") && !text.contains(['{', '}', '\u{1b}', '\u{202e}']), "{text}");
    assert_eq!(results[1]["properties"]["image"], HOSTILE);
    assert_eq!(results[3]["properties"]["rows"][0]["annotations"], "invalid");
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let mut rules: Vec<&str> = rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    rules.sort_unstable();
    assert_eq!(rules, ["FILE-READ", "PAYLOAD-ANNOTATIONS", "SIG-ABSENT", "SIG-TAG"]);
    assert_eq!(
        (&run["invocations"][0]["exitCode"], &run["properties"]["totals"]["ok"]),
        (&json!(10), &json!(3))
    );
    let fingerprints: std::collections::BTreeSet<String> =
        of("/partialFingerprints").iter().map(ToString::to_string).collect();
    assert_eq!(fingerprints.len(), 4);

    // Nothing failed: no result. Of images that no file names: each is its own place, never a scheme.
    verify(&station, &["oci:layout", "--report", "sarif:ok.sarif"], 0);
    let ok = read(&station, "ok.sarif");
    check_sarif(&ok).unwrap();
    assert_eq!(
        (&ok["runs"][0]["results"], &ok["runs"][0]["invocations"][0]["exitCode"]),
        (&json!([]), &json!(0))
    );
    verify(&station, &["127.0.0.1:1/team/app:1.4", HOSTILE, "--report", "sarif:c.sarif"], 50);
    let failed = read(&station, "c.sarif");
    check_sarif(&failed).unwrap();
    let uri = |place: usize| {
        let result = &failed["runs"][0]["results"][place];
        result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].clone()
    };
    assert_eq!(uri(0), "127.0.0.1%3A1/team/app%3A1.4");
    assert!(!uri(1).as_str().unwrap().contains([':', '<', '"', '{']), "{failed}");
    assert_eq!(failed["runs"][0]["invocations"][0]["executionSuccessful"], false);
    // Of one shard: a category of its own.
    verify(&station, &["--from", "images.txt", "--shard", "2/3", "--report", "sarif:s.sarif"], 1);
    let shard = read(&station, "s.sarif");
    check_sarif(&shard).unwrap();
    assert_eq!(shard["runs"][0]["automationDetails"]["id"], "coldsign-verify/shard-2-of-3/");

    // The schema is one that refuses.
    for (path, value) in [
        ("/version", json!("2.0.0")),
        ("/runs/0/results/0/level", json!("bad")),
        ("/runs/0/results/0/message", json!({})),
        ("/runs/0/results/0/locations/0/physicalLocation/region/startLine", json!(0)),
        ("/runs/0/results/0/locations/0/physicalLocation/artifactLocation/uri", json!("a b<")),
        ("/runs/0/tool", json!({"driver": {}})),
    ] {
        let mut broken = report.clone();
        *broken.pointer_mut(path).unwrap() = value;
        check_sarif(&broken).unwrap_err();
    }
}

fn check_sarif(report: &Value) -> Result<(), String> {
    let path = fixture("reports/sarif-schema-2.1.0.json");
    let schema = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.enable_format_assertions();
    compiler.add_resource("sarif.json", schema).unwrap();
    let schema = compiler.compile("sarif.json", &mut schemas).unwrap();
    schemas.validate(report, schema).map_err(|error| error.to_string())
}

/// What shards write together is what one run writes, however many they are.
#[test]
fn shards_make_one_whole() {
    let station = Station::signed();
    list(&station);
    let reports = |name: &str| ["json", "junit", "sarif"].map(|kind| format!("{kind}:{name}.{kind}"));
    let whole = reports("whole");
    let from = ["--from", "images.txt"];
    let flags = |reports: &[String]| -> Vec<String> {
        reports.iter().flat_map(|report| ["--report".to_owned(), report.clone()]).collect()
    };
    let run = |arguments: &[&str], reports: &[String]| {
        let run = station.coldsign().args(["verify", "--key", "release.pub"]).args(arguments);
        run.args(flags(reports)).run()
    };
    assert_eq!(run(&from, &whole).code(), Some(10));
    for (of, failing) in [(1, 1), (2, 2), (3, 3), (7, 4), (16, 4)] {
        let mut codes = Vec::new();
        let mut parts = Vec::new();
        for number in 1..=of {
            let shard = format!("{number}/{of}");
            let part = format!("part-{number}-{of}.json");
            let outcome = run(&[&from[..], &["--shard", &shard]].concat(), &[format!("json:{part}")]);
            codes.push(outcome.code());
            let report = read(&station, &part);
            assert_eq!(report["shard"], json!({"number": number, "of": of}));
            assert_eq!(report["list"], read(&station, "whole.json")["list"]);
            if report["results"].as_array().unwrap().is_empty() {
                outcome.stdout("0 images, 0 digests: 0 ok\n");
                outcome.stderr(&format!("shard {shard} of 7 images is empty: nothing to verify\n"));
                assert_eq!(outcome.code(), Some(0));
            }
            parts.push(part);
        }
        parts.reverse();
        let run = station.coldsign().args(["report", "merge"]).args(&parts).args(flags(&reports("merged")));
        let outcome = run.expect(10);
        outcome.stderr("").stdout(
            "FAIL  oci:single:v1                          [SIG-ABSENT] no signatures found\n\
             FAIL  oci:a]]>&amp;<b>\"'\\u{1b}\\u{202e}[[ATTACHMENT|x]](http://evil){0}/x:1 [FILE-READ] cannot read\n\
             FAIL  oci:layout:v9                          [SIG-TAG] image tag not found\n\
             FAIL  oci:layout:v1        [PAYLOAD-ANNOTATIONS] missing or different annotation\n\
             7 images, 7 results: 3 ok, 4 failed\n",
        );
        for kind in ["json", "junit", "sarif"] {
            station.same(&format!("merged.{kind}"), &format!("whole.{kind}"));
        }
        // Sixteen jobs and seven images: nine have nothing to do, and do not fail.
        assert_eq!(codes.iter().filter(|code| **code != Some(0)).count(), failing);
    }
    // One report is a whole as well: it is written as another kind.
    merge(&station, &["whole.json", "--report", "sarif:again.sarif"], 10);
    station.same("again.sarif", "whole.sarif");
    // All is well: 0, and nothing but the count.
    verify(&station, &["oci:layout", "oci:layout:v1", "--report", "json:ok.json"], 0);
    merge(&station, &["ok.json"], 0).stdout("2 images, 2 results: 2 ok\n").stderr("");
}

#[test]
fn shards_of_requests_and_of_images_by_name() {
    let station = Station::signed();
    // A request and a response to it are one list; where their images are is part of it.
    let from = |file: &str, place: &str, shard: &str, report: &str| {
        let report = format!("json:{report}");
        let arguments = ["--from", file, place, "--shard", shard, "--report", &report];
        let end = station.coldsign().args(["verify", "--key", "release.pub"]).args(arguments).run();
        assert!(matches!(end.code(), Some(0 | 11)), "{end}");
    };
    from("response.tar", "oci:layout", "1/2", "a.json");
    from("request.tar", "oci:layout", "2/2", "b.json");
    merge(&station, &["a.json", "b.json"], 0).stdout("1 image, 4 results: 4 ok\n");
    from("request.tar", "oci:single", "1/2", "c.json");
    merge(&station, &["c.json", "b.json"], 23)
        .stderr_line("error[REPORT-LIST]: report of another list: b.json");
    for (number, image) in [("1/2", "oci:layout"), ("2/2", "oci:layout:v1")] {
        let report = format!("json:{}.json", &number[..1]);
        let images = ["oci:layout", "oci:layout:v1", "--shard", number, "--report", &report];
        verify(&station, &images, 0).stdout(&format!(
            "ok    {image:<38} 1 digest, .sig, bundle, log absent\n1 image, 1 digest: 1 ok\n"
        ));
    }
    merge(&station, &["1.json", "2.json"], 0);
    // The folder that a list lies in is no part of it: jobs check out where they like.
    station.write("images.txt", "oci:../layout\noci:../layout:v1\n");
    for (folder, number) in [("here", "1"), ("there", "2")] {
        station.write(format!("{folder}/images.txt"), "oci:../layout\noci:../layout:v1\n");
        let (list, shard) = (format!("{folder}/images.txt"), format!("{number}/2"));
        let report = format!("json:folder-{number}.json");
        verify(&station, &["--from", &list, "--shard", &shard, "--report", &report], 0);
    }
    merge(&station, &["folder-1.json", "folder-2.json"], 0);
    for shard in ["0/2", "3/2", "1", "1/0", "1/1001", "a/b"] {
        verify(&station, &["oci:layout", "--shard", shard], 2).stderr_line(
            "error: invalid value '[..]' for '--shard <K/N>': a shard is K/N, K from 1 to N, N at most 1000",
        );
    }
    // Zero inputs stay zero inputs, whichever shard is asked for.
    station.write("none.txt", "# nothing\n");
    verify(&station, &["--from", "none.txt", "--shard", "1/2"], 2).stderr_line("error[LIST-EMPTY]: [..]");
}

/// What does not belong together is refused, by the check that says why; nothing is written then.
#[test]
fn merge_refuses() {
    let station = Station::signed();
    list(&station);
    station.write("other.txt", "oci:layout:v1\noci:layout\n");
    let part = |name: &str, arguments: &[&str]| {
        let report = format!("json:{name}.json");
        let run = station.coldsign().arg("verify").args(arguments).args(["--report", &report]);
        let end = run.run();
        assert!(matches!(end.code(), Some(0 | 1 | 10..=12 | 38)), "{end}");
    };
    let (key, from) = (["--key", "release.pub"], ["--from", "images.txt"]);
    let with = |more: &[&'static str]| [&key[..], &from, more].concat();
    part("one", &with(&["--shard", "1/2"]));
    part("two", &with(&["--shard", "2/2"]));
    part("third", &with(&["--shard", "2/3"]));
    part("whole", &with(&[]));
    part("other-list", &[&key[..], &["--from", "other.txt", "--shard", "2/2"]].concat());
    for (name, more) in [
        ("--threshold", &["--key", "second.pub", "--threshold", "2"][..]),
        ("--key", &["--key", "second.pub"]),
        ("--annotation", &["-a", "env=prod"]),
        ("--check-claims", &["--check-claims=false"]),
        ("--recursive", &["-r"]),
        ("--signature-repository", &["--signature-repository", "registry.example/sigs"]),
    ] {
        part(name.trim_start_matches('-'), &with(&[&["--shard", "2/2"], more].concat()));
        let refused = station.coldsign().args(["report", "merge", "one.json"]);
        let refused = refused.args([
            format!("{}.json", name.trim_start_matches('-')),
            "--report".into(),
            "json:m".into(),
        ]);
        let outcome = station.refused(refused, 23);
        outcome.stderr_line("error[REPORT-DEMAND]: report of other keys or demands: [..].json");
        let names = if name == "--threshold" { "--key, --threshold" } else { name };
        outcome.stderr_line(&format!("  it differs from one.json in {names}"));
    }
    // The neighbour of all of them.
    merge(&station, &["two.json", "one.json"], 10);

    let text = |name: &str| String::from_utf8(station.read(name)).unwrap();
    let edit = |name: &str, from: &str, to: &str| {
        let (whole, edited) = (text("whole.json"), text("whole.json").replace(from, to));
        assert_ne!(whole, edited, "{name}");
        station.write(name, edited);
    };
    edit("version.json", "\"version\":1}", "\"version\":2}");
    edit("kind.json", "\"verifyReport\"", "\"publicKey\"");
    edit("unknown.json", "\"exit\":10,", "\"exit\":10,\"extra\":1,");
    edit("twice.json", "\"exit\":10,", "\"exit\":10,\"exit\":10,");
    edit("check.json", "\"check\":\"SIG-TAG\"", "\"check\":\"SIG-TGA\"");
    edit("type.json", "\"recursive\":false", "\"recursive\":0");
    edit("gap.json", "\"entry\":3,", "\"entry\":4,");
    edit("first.json", "\"entry\":1,", "\"entry\":0,");
    edit("longer.json", "\"entries\":7", "\"entries\":8");
    edit("shorter.json", "\"entries\":7", "\"entries\":6");
    edit("good.json", "\"failed\":4", "\"failed\":3");
    edit("exit.json", "\"exit\":10", "\"exit\":0");
    edit("hidden.json", "\"status\":\"failed\"", "\"status\":\"ok\"");
    edit("no-shard.json", "\"shard\":null", "\"shard\":{\"number\":2,\"of\":1}");
    station.write("cut.json", &text("whole.json")[..400]).write("empty.json", "").write("list.json", "[]");
    for (files, code, line) in [
        (&["one.json"][..], 23, "error[REPORT-SHARDS]: shards do not make one whole"),
        (
            &["one.json", "two.json", "one.json"],
            23,
            "error[REPORT-SHARDS]: shards do not make one whole: one.json",
        ),
        (&["one.json", "third.json"], 23, "error[REPORT-SHARDS]: shards do not make one whole: third.json"),
        (&["one.json", "whole.json"], 23, "error[REPORT-SHARDS]: shards do not make one whole: whole.json"),
        (&["whole.json", "whole.json"], 23, "error[REPORT-SHARDS]: shards do not make one whole: whole.json"),
        (&["one.json", "other-list.json"], 23, "error[REPORT-LIST]: report of another list: other-list.json"),
        (&["version.json"], 21, "error[DOCUMENT-VERSION]: document of another version: version.json"),
        (&["kind.json"], 22, "error[REPORT-KIND]: not a report of verify: kind.json"),
        (&["release.pub"], 22, "error[REPORT-KIND]: not a report of verify: release.pub"),
        (&["empty.json"], 22, "error[REPORT-KIND]: not a report of verify: empty.json"),
        (&["list.json"], 22, "error[REPORT-KIND]: not a report of verify: list.json"),
        (&["cut.json"], 21, "error[JSON-SYNTAX]: not valid JSON: cut.json"),
        (&["unknown.json"], 21, "error[REPORT-MEMBER]: [..]: unknown.json"),
        (&["twice.json"], 21, "error[REPORT-MEMBER]: [..]: twice.json"),
        (&["check.json"], 21, "error[REPORT-MEMBER]: [..]: check.json"),
        (&["type.json"], 21, "error[REPORT-MEMBER]: [..]: type.json"),
        (&["gap.json"], 23, "error[REPORT-ENTRIES]: report is not whole: gap.json"),
        (&["first.json"], 23, "error[REPORT-ENTRIES]: report is not whole: first.json"),
        (&["longer.json"], 23, "error[REPORT-ENTRIES]: report is not whole: longer.json"),
        (&["shorter.json"], 23, "error[REPORT-ENTRIES]: report is not whole: shorter.json"),
        (&["good.json"], 23, "error[REPORT-ENTRIES]: report is not whole: good.json"),
        (&["exit.json"], 23, "error[REPORT-ENTRIES]: report is not whole: exit.json"),
        (&["hidden.json"], 23, "error[REPORT-ENTRIES]: report is not whole: hidden.json"),
        (&["no-shard.json"], 23, "error[REPORT-ENTRIES]: report is not whole: no-shard.json"),
        (&["absent.json"], 1, "error[FILE-READ]: cannot read: absent.json"),
        (&["layout"], 1, "error[FILE-NOT-REGULAR]: not a regular file: layout"),
        (&["whole.json", "--report", "json:pass"], 1, "error[OUT-EXISTS]: output is there already: pass"),
        (&["whole.json", "--report", "whole.json"], 2, "error[USAGE]: [..]: whole.json"),
    ] {
        let run = station.coldsign().args(["report", "merge"]).args(files).args(["--report", "junit:m.xml"]);
        station.refused(run, code).stderr_line(line);
    }
    merge(&station, &["one.json"], 23).stderr_line("  missing of 2: 2");
    merge(&station, &[], 2).stdout("");
}
