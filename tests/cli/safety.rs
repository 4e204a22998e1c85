//! Foreign text never reaches a terminal raw: an image whose labels, annotations and names are made to fool a screen,
//! taken through every command. Whatever is printed is printable ASCII and line ends.

use coldsign::digest::Digest;
use serde_json::{Value, json};

use crate::station::Station;
use crate::support::{Outcome, Run};

/// What fools screens: escape sequences, C1 controls, overrides of direction, tags, look-alikes, wide and invisible
/// characters, line ends.
const FOUL: &[&str] = &[
    "\u{1b}[2J\u{1b}[1;1Hok: paper and stick agree",
    "\u{1b}]0;title\u{7}\u{1b}]52;c;ZXZpbA==\u{7}",
    "\u{9b}31m\u{9d}8;;http://evil.example\u{9c}",
    "\u{202e}gnp.exe\u{2066}\u{2069}\u{200f}\u{61c}",
    "\u{e0001}\u{e0041}\u{e007f}",
    "p\u{430}yp\u{430}l \u{ff21}\u{6f22}\u{1f600} e\u{301}\u{200b}\u{feff}",
    "one\r\n\nerror[OPERATOR-REFUSED]: refused by the operator\u{85}\u{2028}\u{2029}two",
    "tab\tnul\u{0}del\u{7f}\u{8}\u{8}\u{8}back\u{c}",
    "Words 1, 2, 3, 4, 5 and 6 of the request (q refuses):",
    "                                                                                             far right",
];

#[track_caller]
fn clean(outcome: &Outcome) {
    for (name, text) in [("stdout", outcome.stdout_text()), ("stderr", outcome.stderr_text())] {
        let foul = text.chars().find(|character| !matches!(character, ' '..='~' | '\n'));
        assert!(foul.is_none(), "{foul:?} on {name}\n{outcome}");
    }
}

#[track_caller]
fn runs(run: Run<'_>, code: i32) -> Outcome {
    let outcome = run.expect(code);
    clean(&outcome);
    outcome
}

/// Writes a blob of the layout; its descriptor.
fn blob(station: &Station, media_type: &str, value: &Value) -> Value {
    let bytes = serde_json::to_vec(value).unwrap();
    let digest = Digest::of(&bytes);
    station.write(format!("foul/blobs/sha256/{}", digest.hex()), &bytes);
    json!({"mediaType": media_type, "digest": digest.to_string(), "size": bytes.len()})
}

fn free_map() -> Value {
    let names = [
        "org.opencontainers.image.version",
        "org.opencontainers.image.revision",
        "org.opencontainers.image.source",
    ];
    let known = names.iter().zip(FOUL).map(|(name, text)| ((*name).to_owned(), json!(text)));
    let own = FOUL.iter().map(|text| (format!("com.example.{text}"), json!(text)));
    Value::Object(known.chain(own).collect())
}

/// An index with an image and an artifact, all of whose free text is foul.
fn station() -> Station {
    let station = Station::new();
    let layer = json!({"mediaType": "application/vnd.oci.image.layer.v1.tar", "size": 7,
        "digest": format!("sha256:{}", "7".repeat(64))});
    let config = json!({"architecture": "amd64", "os": "linux", "variant": FOUL[0], "os.version": FOUL[3], "created": FOUL[1],
        "config": {"Labels": free_map()},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", "8".repeat(64))]}});
    let config = blob(&station, "application/vnd.oci.image.config.v1+json", &config);
    let image = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config,
        "layers": [layer], "annotations": free_map()});
    let mut image = blob(&station, "application/vnd.oci.image.manifest.v1+json", &image);
    image["platform"] =
        json!({"architecture": "amd64", "os": "linux", "variant": FOUL[0], "os.version": FOUL[3]});
    image["annotations"] = free_map();
    let config = blob(&station, "application/x-foul", &json!({"text": FOUL}));
    let artifact = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config,
        "artifactType": "application/x-foul", "layers": [], "annotations": free_map()});
    let artifact = blob(&station, "application/vnd.oci.image.manifest.v1+json", &artifact);
    let index = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [image, artifact], "annotations": free_map()});
    let mut index = blob(&station, "application/vnd.oci.image.index.v1+json", &index);
    index["annotations"] = json!({"org.opencontainers.image.ref.name": FOUL[0], "com.example": FOUL[6]});
    station.write("foul/oci-layout", r#"{"imageLayoutVersion":"1.0.0"}"#);
    station.write(
        "foul/index.json",
        json!({"schemaVersion": 2, "manifests": [index], "annotations": free_map()}).to_string(),
    );
    station
}

#[test]
fn the_whole_way() {
    let station = station();
    // Annotations and the note take no control characters; everything else may be in them.
    let annotation = format!("note={}{}{}{}", FOUL[3], FOUL[4], FOUL[5], FOUL[9]);
    let note = format!("{}{}\u{2028}{}", FOUL[3], FOUL[4], FOUL[9]);
    let export =
        ["export", "-o", "request.tar", "oci:foul", "--as", "registry.example/app:1", "-a", &annotation];
    let digest =
        runs(station.coldsign().args(export).args(["--note", &note]), 0).stdout_text().trim_end().to_owned();
    // The layout's own name for it, as foul as it is.
    let named = format!("oci:foul:{}", FOUL[0]);
    runs(station.coldsign().args(["export", "-o", "named.tar", &named, "--as", "registry.example/app:1"]), 0);
    for control in [FOUL[0], FOUL[1], FOUL[6], FOUL[7]] {
        let refused = ["export", "-o", "r2.tar", "oci:foul", "--as", "registry.example/app:1"];
        let control = control.replace('\0', "");
        runs(station.coldsign().args(refused).args(["--note", &control]), 21);
        runs(station.coldsign().args(refused).args(["-a", &format!("k={control}")]), 21);
    }
    runs(station.coldsign().args(["inspect", "request.tar"]), 0);
    let json = runs(station.coldsign().args(["inspect", "--format", "json", "request.tar"]), 0);
    let json: Value = serde_json::from_slice(json.stdout_bytes()).unwrap();
    assert_eq!(json["note"], note.as_str(), "escaped, and the same value");
    let sealed = runs(station.signer().args(["inspect", "request.tar"]), 0);
    // What is foreign never begins a line, so it cannot pass for a line of ours.
    for line in sealed.stdout_text().lines() {
        for ours in ["ok", "error[", "Words", "hint:"] {
            assert!(!line.starts_with(ours), "{line}\n{sealed}");
        }
        assert!(line.len() <= 80, "{} columns: {line}", line.len());
    }
    let signing = station.signing("request.tar", &["--key", "release"], "response.tar");
    runs(signing.args(["--approve", &digest]), 0);
    runs(station.coldsign().args(["inspect", "response.tar"]), 0);
    let import = ["import", "response.tar", "--key", "release.pub", "--attach", "both", "--to", "oci:foul"];
    runs(station.coldsign().args(import), 0);
    runs(station.coldsign().args(import), 0);
    for output in ["json", "text"] {
        let verify = ["verify", "--key", "release.pub", "-o", output, "oci:foul"];
        let verified = runs(station.coldsign().args(verify), 0);
        let shown: Value = if output == "json" {
            serde_json::from_slice(verified.stdout_bytes()).unwrap()
        } else {
            json!(
                verified
                    .stdout_text()
                    .lines()
                    .map(|line| serde_json::from_str::<Value>(line).unwrap())
                    .collect::<Vec<_>>()
            )
        };
        let value = annotation.strip_prefix("note=").unwrap();
        for signed in shown.as_array().unwrap() {
            assert_eq!(signed["optional"]["note"], value, "escaped, and the same value");
        }
    }
    runs(station.coldsign().args(["verify", "--key", "release.pub", "oci-archive:response.tar"]), 0);
}

/// Names that a person or a shell's `*` gives: in messages they are as harmless.
#[test]
fn names_on_the_command_line() {
    let station = station();
    for name in FOUL.iter().filter(|name| !name.contains('\0') && !name.contains('/')) {
        // In `oci:DIR` a colon has a meaning.
        let name = &name.replace(':', ";");
        runs(station.coldsign().args(["inspect", "--", name]), 1);
        runs(station.coldsign().args(["verify", "--key", "release.pub", &format!("oci:{name}")]), 1);
        runs(station.coldsign().args(["verify", "--key", name, "oci:foul"]), 1);
        runs(station.coldsign().args(["export", "-o", "r.tar", name]), 2);
        runs(
            station
                .coldsign()
                .args([
                    "export",
                    "-o",
                    "r.tar",
                    &format!("oci:foul:{name}"),
                    "--as",
                    "registry.example/app:1",
                ])
                .env("LC_ALL", "C"),
            11,
        );
        runs(
            station.coldsign().args([
                "import",
                "response.tar",
                "--key",
                "release.pub",
                "--report",
                name,
                "--to",
                "oci:foul",
            ]),
            2,
        );
        runs(station.coldsign().args(["combine", name, "-o", "c.tar"]), 1);
        runs(station.signer().args(["inspect", "--", name]), 1);
        runs(
            station.signer().args(["key", "public", "--allow-swap", "--passphrase-file", "pass", "--", name]),
            2,
        );
        runs(
            station.signer().args(["key", "check", "--allow-swap", "--passphrase-file", "pass", "--", name]),
            1,
        );
        runs(station.signer().args(["--home", name, "key", "list"]), 1);
        // What the parser of the command line refuses, it shows.
        runs(station.coldsign().args([name]), 2);
        runs(station.coldsign().args(["export", "-o", "r.tar", "oci:foul", "--as", name]), 2);
        runs(station.coldsign().args(["verify", "--threshold", name, "oci:foul"]), 2);
        runs(station.signer().args(["sign", "r.tar", "--form", name]), 2);
        // Files of that name: said of, written, read.
        station.write(name, "not a request");
        runs(station.coldsign().args(["inspect", "--", name]), 22);
        runs(station.coldsign().args(["trusted-root", "create", "-o", &format!("{name}.json")]), 0);
        station.write("list.txt", format!("{name}\n"));
        runs(station.coldsign().args(["export", "-o", "r.tar", "--from", "list.txt"]), 2);
    }
}

/// Layouts and archives whose own names are foul, and archives that are broken at such a name.
#[test]
fn names_in_archives() {
    let station = station();
    for name in FOUL {
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(2);
        header.set_mode(0o644);
        let short: Vec<u8> = name.bytes().filter(|byte| *byte != 0).take(90).collect();
        header.as_mut_bytes()[..short.len()].copy_from_slice(&short);
        header.set_cksum();
        archive.append(&header, &b"{}"[..]).unwrap();
        station.write("foul.tar", archive.into_inner().unwrap());
        for run in [
            station.coldsign().args(["inspect", "foul.tar"]),
            station.signer().args(["inspect", "foul.tar"]),
            station.coldsign().args([
                "export",
                "-o",
                "r.tar",
                "oci-archive:foul.tar",
                "--as",
                "registry.example/app:1",
            ]),
            station.coldsign().args(["verify", "--key", "release.pub", "oci-archive:foul.tar"]),
        ] {
            let outcome = run.run();
            assert!(matches!(outcome.code(), Some(20..=24)), "{outcome}");
            clean(&outcome);
        }
    }
}
