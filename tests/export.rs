//! `coldsign export`: from layouts as real tools write them to the one request.

mod support;

use std::collections::BTreeMap;
use std::fs;

use support::Sandbox;

const SINGLE: &str = "sha256:0ddc6a526a1f2d5ec63347b09278ed811746664a153f695517f1a1635640c6d9";

/// A sandbox with the layouts of an independent program: `single`, one image, and `index`, three platforms.
fn layouts() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.fixture("format/single", "single").fixture("format/index", "index").fixture("tars", "tars");
    sandbox
}

/// Fails unless the command is refused with this code and check, and leaves everything as it was.
#[track_caller]
fn refused(sandbox: &Sandbox, arguments: &[&str], code: i32, check: &str) -> support::Outcome {
    let before = sandbox.everything();
    let outcome = sandbox.coldsign().args(["export", "-o", "refused.tar"]).args(arguments).expect(code);
    outcome.stdout("").stderr_line(&format!("error[{check}]: [..]"));
    assert!(sandbox.everything() == before, "files changed\n{outcome}");
    outcome
}

/// What the request in `file` asks for, from `inspect --format json`.
fn inspected(sandbox: &Sandbox, file: &str) -> serde_json::Value {
    let outcome = sandbox.coldsign().args(["inspect", "--format", "json", file]).expect(0);
    serde_json::from_slice(outcome.stdout_bytes()).expect("inspect writes JSON")
}

fn blob(sandbox: &Sandbox, layout: &str, hex: &str) -> std::path::PathBuf {
    sandbox.path(layout).join("blobs/sha256").join(hex)
}

#[test]
fn the_bytes_of_an_independent_program() {
    let sandbox = layouts();
    let single =
        ["export", "-o", "single.tar", "oci:single:v1", "--as", "registry.example/app:1.4", "-a", "env=prod"];
    let outcome = sandbox.coldsign().args(single).args(["--note", "REL-412"]).expect(0);
    outcome.stdout(&format!("{SINGLE}\n")).snapshot("export-single");
    sandbox.expect_file("single.tar", fs::read(support::fixture("format/single.request.tar")).unwrap());

    let index = ["export", "-o", "index.tar", "oci:index:v1", "--as", "registry.example/team/multi:2"];
    let outcome = sandbox.coldsign().args(index).expect(0);
    outcome.stderr_line("registry.example/team/multi:2  sha256:b6d68273372c  index: amd64 arm64 riscv64");
    sandbox.expect_file("index.tar", fs::read(support::fixture("format/index.request.tar")).unwrap());
}

/// One image, a payload of another tool, an attestation, a file and a hash alone.
#[test]
fn every_kind_as_an_independent_program_writes_it() {
    let sandbox = layouts();
    for name in ["images.txt", "payload.bin", "predicate.json", "release.txt"] {
        let bytes = fs::read(support::fixture(format!("format/kinds/{name}"))).unwrap();
        sandbox.write(format!("kinds/{name}"), bytes);
    }
    let disk = coldsign::digest::Digest::of(b"a disk that nobody carries\n");
    let export = ["export", "-o", "kinds.tar", "--from", "kinds/images.txt", "--note", "REL-413"];
    let files = ["--blob", "kinds/release.txt", "--blob-digest", &format!("disk.img={disk}")];
    sandbox.coldsign().args(export).args(files).expect(0);
    sandbox.expect_file("kinds.tar", fs::read(support::fixture("format/kinds.request.tar")).unwrap());
}

#[test]
fn an_output_is_never_overwritten() {
    let sandbox = layouts();
    let export = ["export", "-o", "single.tar", "oci:single", "--as", "registry.example/app:1.4"];
    sandbox.write("single.tar", "mine");
    sandbox.coldsign().args(export).expect(1).stderr_line("error[OUT-EXISTS]: [..]").stdout("");
    sandbox.expect_file("single.tar", "mine");
}

#[test]
fn archives_of_real_tools_and_hostile_ones() {
    let sandbox = layouts();
    let cases: serde_json::Value = serde_json::from_slice(&sandbox.read("tars/cases.json")).unwrap();
    let refusals = BTreeMap::from([
        ("img-nested", (22, "SOURCE-KIND")),
        ("img-slip", (20, "SOURCE-MALFORMED")),
        ("img-dupindex", (20, "SOURCE-MALFORMED")),
        ("img-badver", (20, "SOURCE-MALFORMED")),
        ("img-badmanifest", (23, "SOURCE-BLOB")),
    ]);
    for case in cases["cases"].as_array().unwrap() {
        let text = |name: &str| case[name].as_str().unwrap_or_default();
        let colon = if text("ref").is_empty() { "" } else { ":" };
        let source = format!("oci-archive:tars/{}{colon}{}", text("file"), text("ref"));
        if text("expected") == "reject" {
            let (code, check) = refusals[text("name")];
            refused(&sandbox, &[&source, "--as", "registry.example/app:1"], code, check);
            continue;
        }
        let output = format!("{}.request", text("name"));
        let export = ["export", "-o", &output, &source, "--as", "registry.example/app:1"];
        sandbox.coldsign().args(export).expect(0);
        assert_eq!(inspected(&sandbox, &output)["items"][0]["digest"], case["digest"], "{source}");
        // Every dialect gives the same bytes.
        sandbox.expect_file(&output, sandbox.read("img-plain.request"));
    }
}

#[test]
fn from_a_pipe() {
    let sandbox = layouts();
    for archive in ["img-plain.tar", "img-gz.tar"] {
        let bytes = fs::read(support::fixture("tars").join(archive)).unwrap();
        let export = ["export", "-o", archive, "oci-archive:/dev/stdin:v1", "--as", "registry.example/app:1"];
        sandbox.coldsign().args(export).stdin(&bytes).expect(0);
        let cut = &bytes[..bytes.len() / 2];
        let export = ["export", "-o", "cut", "oci-archive:/dev/stdin:v1", "--as", "registry.example/app:1"];
        sandbox.coldsign().args(export).stdin(cut).expect(20).stderr_line("error[SOURCE-MALFORMED]: [..]");
        sandbox.no_file("cut");
    }
    assert_eq!(sandbox.read("img-plain.tar"), sandbox.read("img-gz.tar"));
}

#[test]
fn what_docker_saved() {
    let sandbox = layouts();
    let archive = |with_layout: bool| {
        let mut archive = tar::Builder::new(Vec::new());
        let mut add = |name: &str, bytes: &[u8]| {
            let mut header = tar::Header::new_ustar();
            header.set_size(u64::try_from(bytes.len()).unwrap());
            header.set_mode(0o644);
            archive.append_data(&mut header, name, bytes).unwrap();
        };
        add("manifest.json", b"[]");
        for (path, bytes) in sandbox.everything() {
            if let Ok(name) = path.strip_prefix("single")
                && with_layout
            {
                let index = br#"{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:19c23ffc203483d654c30a57ffe3f82d0b0edb44cf57f14ea790ec8b73b15aa2","size":418,"annotations":{"io.containerd.image.name":"docker.io/team/app:1.4","org.opencontainers.image.ref.name":"1.4"}}]}"#;
                let bytes = if name.ends_with("index.json") { &index[..] } else { &bytes };
                add(name.to_str().unwrap(), bytes);
            }
        }
        archive.into_inner().unwrap()
    };
    sandbox.write("app.tar", archive(true)).write("old.tar", archive(false));
    let outcome =
        sandbox.coldsign().args(["export", "-o", "app.request", "oci-archive:app.tar:1.4"]).expect(0);
    outcome.stderr_line("warning: app.tar: written by docker save: [..]");
    assert_eq!(inspected(&sandbox, "app.request")["items"][0]["destination"], "index.docker.io/team/app:1.4");
    refused(&sandbox, &["oci-archive:old.tar"], 22, "ARCHIVE-DOCKER").stderr(
        "error[ARCHIVE-DOCKER]: docker-archive holds no manifest: old.tar\n  nothing was written\n\
         hint: skopeo copy docker-archive:old.tar oci-archive:old-oci.tar\n",
    );
}

#[test]
fn names() {
    let sandbox = layouts();
    let wrong = format!("registry.example/app@sha256:{}", "0".repeat(64));
    for (arguments, code, check) in [
        (&["oci:single:v1"][..], 2, "REFERENCE-ABSENT"),
        (&["oci:single:v1", "--as", "registry.example/app"], 2, "REFERENCE-BARE"),
        (&["oci:single:v1", "--as", &wrong], 23, "REFERENCE-DIGEST"),
        (&["oci:single:v2", "--as", "registry.example/app:1"], 11, "IMAGE-ABSENT"),
        (&["oci:absent", "--as", "registry.example/app:1"], 1, "FILE-READ"),
        (&["oci:tars", "--as", "registry.example/app:1"], 22, "SOURCE-KIND"),
        (&["./single:v1", "--as", "registry.example/app:1"], 2, "SOURCE-SYNTAX"),
        (&["127.0.0.1:1/app:1", "--as", "registry.example/app:1"], 50, "REGISTRY-REACH"),
        (&["oci:single", "oci:index", "--as", "registry.example/app:1"], 2, "USAGE"),
        (&["oci:single", "oci:index", "--identity", "registry.example/app:1"], 2, "USAGE"),
        (&[], 2, "LIST-EMPTY"),
        (&["oci:single", "--as", "registry.example/app:1", "-a", "x"], 2, "ANNOTATION-SYNTAX"),
        (
            &["oci:single", "--as", "registry.example/app:1", "-a", "x=1", "-a", "x=1"],
            2,
            "ANNOTATION-REPEATED",
        ),
        (&["oci:single", "--as", "registry.example/app:1", "-a", "Issuer=me"], 2, "ANNOTATION-RESERVED"),
        (&["oci:single", "--as", "registry.example/app:1", "-a", "x=\u{1b}[2J"], 21, "DOCUMENT-STRING"),
        (&["oci:index", "--as", "registry.example/app:1", "--platform", "linux"], 2, "PLATFORM-SYNTAX"),
        (
            &["oci:index", "--as", "registry.example/app:1", "--platform", "linux/s390x"],
            11,
            "PLATFORM-ABSENT",
        ),
    ] {
        refused(&sandbox, arguments, code, check).never("\u{1b}");
    }
    let digest = "sha256:19c23ffc203483d654c30a57ffe3f82d0b0edb44cf57f14ea790ec8b73b15aa2";
    let name = format!("registry.example/app:1.4@{digest}");
    let source = format!("oci:single@{digest}");
    let identity = ["--identity", "registry.example/other:2"];
    sandbox.coldsign().args(["export", "-o", "by-digest.tar", &source, "--as", &name]).expect(0);
    sandbox.coldsign().args(["export", "-o", "called.tar", &source, "--as", &name]).args(identity).expect(0);
    let item = &inspected(&sandbox, "by-digest.tar")["items"][0];
    assert_eq!(item["destination"], format!("registry.example/app@{digest}"));
    assert_eq!(item["identity"], "registry.example/app:1.4");
    assert_eq!(inspected(&sandbox, "called.tar")["items"][0]["identity"], "registry.example/other:2");
}

#[test]
fn children_that_are_left_out_are_named() {
    let sandbox = layouts();
    let export = |output: &str, flags: &[&str]| {
        let export = ["export", "-o", output, "oci:index", "--as", "registry.example/team/multi:2"];
        sandbox.coldsign().args(export).args(flags).expect(0)
    };
    let count = |file: &str| {
        let request = inspected(&sandbox, file);
        let items = request["items"].as_array().unwrap();
        (items.len(), items[0]["unseen"].as_array().unwrap().len())
    };
    export("alone.tar", &["--no-recursive"])
        .stderr_line("registry.example/team/multi:2  [..]  index: 3 not carried");
    assert_eq!(count("alone.tar"), (1, 3));
    let two = ["--platform", "linux/riscv64", "--platform", "linux/arm64/v8"];
    export("two.tar", &two)
        .stderr_line("registry.example/team/multi:2  [..]  index: arm64 riscv64, 1 not carried");
    assert_eq!(count("two.tar"), (3, 1));

    // A layout that holds one platform only, as `docker save` and `skopeo copy` leave them.
    let request = inspected(&sandbox, "alone.tar");
    let hex = request["items"][0]["unseen"][0].as_str().unwrap().strip_prefix("sha256:").unwrap().to_owned();
    fs::remove_file(blob(&sandbox, "index", &hex)).unwrap();
    let outcome =
        refused(&sandbox, &["oci:index", "--as", "registry.example/team/multi:2"], 20, "SOURCE-ABSENT");
    outcome.stderr_line("hint: --platform os/architecture takes the platforms that are there, [..]");
    let kept = ["linux/amd64", "linux/arm64", "linux/riscv64"].map(|platform| {
        let output = format!("{}.tar", platform.replace('/', "-"));
        let export = ["export", "-o", &output, "oci:index", "--as", "registry.example/team/multi:2"];
        sandbox.coldsign().args(export).args(["--platform", platform]).run().code()
    });
    assert_eq!(kept.iter().filter(|code| **code == Some(0)).count(), 2, "{kept:?}");
    assert_eq!(kept.iter().filter(|code| **code == Some(20)).count(), 1, "{kept:?}");
}

#[test]
fn lists() {
    let sandbox = layouts();
    sandbox.write(
        "lists/images.txt",
        "# release\noci:../index --as registry.example/team/multi:2 -a \"who=A B\" -a env=test\n\
         oci-archive:../tars/img-gz.tar:v1 --as registry.example/app:1 # compressed\n",
    );
    let export =
        ["export", "-o", "r.tar", "--from", "lists/images.txt", "-a", "env=prod", "--note", "REL-412"];
    let outcome = sandbox.coldsign().args(export).expect(0);
    outcome.stderr_line("wrote r.tar: 2 images, 5 items, [..]; request");
    let request = inspected(&sandbox, "r.tar");
    assert_eq!(request["items"][0]["annotations"], serde_json::json!({"env": "prod"}));
    assert_eq!(request["items"][1]["annotations"], serde_json::json!({"env": "test", "who": "A B"}));
    assert_eq!(format!("{}\n", request["request"].as_str().unwrap()), outcome.stdout_text());

    // The order of lines does not change the bytes.
    let lines = String::from_utf8(sandbox.read("lists/images.txt")).unwrap();
    let mut lines: Vec<&str> = lines.lines().collect();
    lines.reverse();
    sandbox.write("lists/reversed.txt", lines.join("\n"));
    let export =
        ["export", "-o", "r2.tar", "--from", "lists/reversed.txt", "-a", "env=prod", "--note", "REL-412"];
    sandbox.coldsign().args(export).expect(0);
    sandbox.expect_file("r2.tar", sandbox.read("r.tar"));

    sandbox
        .write("empty.txt", "# nothing\n")
        .write("bad.txt", "oci:single --as registry.example/app:1\noci:single x\n");
    sandbox
        .write("gone.txt", "oci:single --as registry.example/app:1\noci:gone --as registry.example/gone:1\n");
    refused(&sandbox, &["--from", "empty.txt"], 2, "LIST-EMPTY");
    refused(&sandbox, &["--from", "bad.txt"], 2, "LIST-SYNTAX")
        .stderr_line("error[LIST-SYNTAX]: line of the list cannot be read: bad.txt:2: x");
    refused(&sandbox, &["--from", "gone.txt"], 1, "FILE-READ")
        .stderr_line("error[FILE-READ]: cannot read: gone.txt:2: [..]gone");
    refused(&sandbox, &["--from", "bad.txt", "--as", "registry.example/app:1"], 2, "LIST-SYNTAX");
    refused(&sandbox, &["--from", "lists/images.txt", "--as", "registry.example/app:1"], 2, "USAGE");
}

#[test]
fn the_same_image_twice_is_one_item() {
    let sandbox = layouts();
    sandbox.write(
        "twice.txt",
        "oci:single --as registry.example/app:1\noci:single:v1 --as registry.example/app:1\n",
    );
    let outcome = sandbox.coldsign().args(["export", "-o", "r.tar", "--from", "twice.txt"]).expect(0);
    outcome
        .stderr_line("left out, equal to an earlier item: registry.example/app:1 as registry.example/app:1");
    outcome.stderr_line("wrote r.tar: 1 image, 1 item, [..]; request");
}

#[test]
fn altered_and_missing_blobs() {
    let sandbox = layouts();
    let arguments = ["oci:single", "--as", "registry.example/app:1"];
    sandbox.coldsign().args(["export", "-o", "good.tar"]).args(arguments).expect(0);
    for (path, bytes) in sandbox.everything() {
        let Ok(name) = path.strip_prefix("single/blobs/sha256") else { continue };
        let path = blob(&sandbox, "single", name.to_str().unwrap());
        let mut altered = bytes.clone();
        altered[0] ^= 1;
        fs::write(&path, altered).unwrap();
        if !bytes.starts_with(b"{") {
            // A layer is never read.
            sandbox.coldsign().args(["export", "-o", "layer.tar"]).args(arguments).expect(0);
            sandbox.expect_file("layer.tar", sandbox.read("good.tar"));
            continue;
        }
        refused(&sandbox, &arguments, 23, "SOURCE-BLOB").stderr_line("  nothing was written");
        fs::remove_file(&path).unwrap();
        refused(&sandbox, &arguments, 20, "SOURCE-ABSENT");
        fs::write(&path, bytes).unwrap();
    }
    sandbox.write("single/index.json", r#"{"schemaVersion":2,"manifests":[],"manifests":[]}"#);
    refused(&sandbox, &arguments, 21, "JSON-DUPLICATE");
}
