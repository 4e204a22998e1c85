//! `generate`, `attach signature`, `extract`: signatures that go to other tools and come from them. openssl and cosign
//! themselves are asked in `tests/peers/elsewhere.rs`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coldsign::keys::public::PublicKey;
use serde_json::Value;

use crate::station::{RELEASE, SECOND, SINGLE, Station};
use crate::support::{Outcome, Run};

/// What cosign 2.6.5 and 3.1.3 print for this digest and these annotations (`tests/peers/elsewhere.rs` compares).
const PAYLOAD: &str = concat!(
    r#"{"critical":{"identity":{"docker-reference":"registry.invalid/team/app"},"image":{"docker-manifest-digest":""#,
    "sha256:19c23ffc203483d654c30a57ffe3f82d0b0edb44cf57f14ea790ec8b73b15aa2",
    r#""},"type":"cosign container image signature"},"optional":"#,
);

/// With `out/`, the signatures of `release` and `second` over `single` as `registry.example/team/app:1.4`.
fn extracted() -> Station {
    let station = Station::new();
    station.export("request.tar", &["oci:single", "--as", "registry.example/team/app:1.4"]);
    station.sign("request.tar", &["--key", "release", "--key", "second"], "response.tar");
    station.coldsign().args(["extract", "response.tar", "--output-dir", "out"]).expect(0);
    station
}

/// The name of an extracted file of a key.
fn file(station: &Station, key: &str, kind: &str) -> String {
    let key = PublicKey::from_pem(&station.read(format!("{key}.pub"))).unwrap().id();
    format!("out/1-{}-{}.{kind}", &SINGLE[7..19], key.hex())
}

fn payload() -> String {
    format!("out/1-{}.payload", &SINGLE[7..19])
}

/// `attach signature` to `single`, up to what differs.
fn attaching<'a>(station: &'a Station, signature: &str) -> Run<'a> {
    let command = ["attach", "signature", "oci:single", "--payload", &payload(), "--signature", signature];
    station.coldsign().args(command)
}

fn verify(station: &Station, key: &str, more: &[&str], code: i32) -> Outcome {
    station.coldsign().args(["verify", "--key", key, "oci:single"]).args(more).expect(code)
}

#[test]
fn generate_prints_cosigns_bytes_and_asks_nobody() {
    let station = Station::new();
    // A name that nobody can reach: for a digest nobody is asked.
    let image = format!("registry.invalid/team/app@{SINGLE}");
    let tagged = format!("registry.invalid/team/app:1.4@{SINGLE}");
    for image in [&image, &tagged] {
        station.coldsign().args(["generate", image]).expect(0).stdout(&format!("{PAYLOAD}null}}")).stderr("");
    }
    let annotations = ["-a", "foo=bar", "-a", "a=<&>,\u{2028}\"=\u{1}\u{e9}"];
    let escaped = r#"{"a":"\u003c\u0026\u003e,\u2028\"=\u0001é","foo":"bar"}"#;
    let run = station.coldsign().args(["generate", &image]).args(annotations);
    run.expect(0).stdout(&format!("{PAYLOAD}{escaped}}}"));
    let named = station.coldsign().args(["generate", &image, "--identity", "mirror.example/app:1"]).expect(0);
    assert!(named.stdout_text().contains(r#""docker-reference":"mirror.example/app:1""#), "{named}");
    // A layout has no repository; with a name it is as good.
    station.refused(station.coldsign().args(["generate", "oci:single"]), 2);
    let of_layout = ["generate", "oci:single", "--identity", "registry.invalid/team/app"];
    let of_layout = station.coldsign().args(of_layout).expect(0);
    of_layout.stdout(&format!("{PAYLOAD}null}}")).stderr(&format!("oci:single is {SINGLE}\n"));
    for (wrong, code) in [
        (&["registry.invalid/team/app:1.4"][..], 50),
        (&["registry.invalid/team/app"], 2),
        (&[&image, "-a", "timestamp=1"], 2),
        (&[&image, "-a", "foo"], 2),
        (&[&image, "-a", "foo=1", "-a", "foo=2"], 2),
    ] {
        station.refused(station.coldsign().arg("generate").args(wrong), code);
    }
}

#[test]
fn a_signature_comes_back_and_verifies() {
    let station = extracted();
    verify(&station, "release.pub", &[], 10);
    let release = file(&station, "release", "b64");
    let attached = attaching(&station, &release).args(["--key", "release.pub"]).expect(0);
    attached.stdout("").stderr_line("           [..] bytes, by release.pub, P-256");
    attached.stderr_line(&format!("pushed     oci:single@{SINGLE}"));
    attached.stderr_line("           .sig; read back and verified");
    verify(&station, "release.pub", &[], 0);
    // The same again adds nothing, however it is given.
    let text = String::from_utf8(station.read(&release)).unwrap();
    let lines = format!("{}\n{}\n", &text[..76], &text[76..]);
    let again = |run: Run<'_>| {
        let again = station.unchanged(run.args(["--key", "release.pub"]), 0);
        again.stderr_line(&format!("unchanged  oci:single@{SINGLE}"));
    };
    again(attaching(&station, &release));
    again(attaching(&station, &text));
    again(attaching(&station, &lines));
    again(attaching(&station, "-").stdin(&text));
    again(attaching(&station, "-").stdin(&lines));
    // A second one stands beside it, as an import would have left them.
    let second = attaching(&station, &file(&station, "second", "b64")).args(["--key", "second.pub"]);
    second.expect(0).stderr_line("           .sig, beside 1 other signature; read back and verified");
    verify(&station, "release.pub", &["--key", "second.pub", "--threshold", "2"], 0);
    let import =
        ["import", "response.tar", "--key", "release.pub", "--key", "second.pub", "--to", "oci:single"];
    station.unchanged(station.coldsign().args(import), 0);
}

#[test]
fn nothing_is_put_that_does_not_verify() {
    let station = extracted();
    let signature = file(&station, "release", "b64");
    let other = station.refused(attaching(&station, &signature).args(["--key", "second.pub"]), 12);
    other.stderr_line(&format!("error[SIG-KEY]: not signed by the key: {signature}"));
    other.stderr_line("  nothing was pushed");
    // A payload with a newline behind it is another one.
    let mut longer = station.read(payload());
    longer.push(b'\n');
    station.write("longer.json", longer);
    let longer = ["attach", "signature", "oci:single", "--payload", "longer.json", "--signature", &signature];
    station.refused(station.coldsign().args(longer).args(["--key", "release.pub"]), 12);
    // Without a key, and without a word about it; with both; without a signature; into an archive.
    station.refused(attaching(&station, &signature), 2);
    station.refused(attaching(&station, &signature).args(["--key", "release.pub", "--allow-unverified"]), 2);
    station
        .refused(station.coldsign().args(["attach", "signature", "oci:single", "--key", "release.pub"]), 2);
    let archive = ["attach", "signature", "oci-archive:response.tar", "--signature", &signature];
    station.refused(station.coldsign().args(archive).args(["--key", "release.pub"]), 2);
    // What a payload is called in a layout nobody knows.
    let implied = ["attach", "signature", "oci:single", "--signature", &signature, "--key", "release.pub"];
    station.refused(station.coldsign().args(implied), 2);
    let absent =
        ["attach", "signature", "oci:single:none", "--payload", &payload(), "--signature", &signature];
    station.refused(station.coldsign().args(absent).args(["--key", "release.pub"]), 11);
}

#[test]
fn a_name_is_never_taken_for_a_signature() {
    let station = extracted();
    let signature = file(&station, "release", "b64");
    let text = String::from_utf8(station.read(&signature)).unwrap();
    // A slash in it would make it a name in a directory.
    let name = STANDARD.encode([0x30; 70]);
    station.write(&name, &text);
    let both = station.refused(attaching(&station, &name).args(["--key", "release.pub"]), 2);
    both.stderr_line("  a file has this name, and it is the base64 of a signature as well");
    both.stderr_line(&format!("hint: for the file say ./{name}"));
    attaching(&station, &format!("./{name}")).args(["--key", "release.pub"]).expect(0);
    station.write("raw", STANDARD.decode(&text).unwrap()).write("empty", "").write("words", "no base64");
    for (given, code, id) in [
        ("", 2, "USAGE"),
        ("absent", 1, "FILE-READ"),
        ("out", 1, "FILE-NOT-REGULAR"),
        ("empty", 12, "SIG-BASE64"),
        ("words", 12, "SIG-BASE64"),
        ("raw", 12, "SIG-BASE64"),
    ] {
        let refused = station.refused(attaching(&station, given).args(["--key", "release.pub"]), code);
        refused.stderr_line(&format!("error[{id}]: [..]"));
    }
    let long = attaching(&station, "-").stdin("A".repeat(16 * 1024 + 1)).args(["--key", "release.pub"]);
    station.refused(long, 24);
}

#[test]
fn a_payload_about_another_image_takes_a_word() {
    let station = extracted();
    let signature = file(&station, "release", "b64");
    let to_layout = |more: &[&str]| {
        let command =
            ["attach", "signature", "oci:layout", "--payload", &payload(), "--signature", &signature];
        station.coldsign().args(command).args(more.iter().copied())
    };
    for by in [&["--key", "release.pub"][..], &["--allow-unverified"]] {
        let refused = station.refused(to_layout(by), 12);
        refused.stderr_line(&format!(
            "error[PAYLOAD-DIGEST]: payload names another digest: {}: [..]",
            payload()
        ));
        refused.stderr_line(
            "  the image is sha256:b6d68273372cc03937c89e66cfefad48d5426ca122bf595e8669c15c8cd1831f",
        );
    }
    let put = to_layout(&["--key", "release.pub", "--check-claims=false"]).expect(0);
    put.stderr_line("warning: it verifies only with --check-claims=false");
    let verify = ["verify", "--key", "release.pub", "oci:layout"];
    station.coldsign().args(verify).expect(12).stderr_line("error[PAYLOAD-DIGEST]: [..]");
    station.coldsign().args(verify).arg("--check-claims=false").expect(0);
}

#[test]
fn what_nobody_verified_says_so() {
    let station = extracted();
    let junk = STANDARD.encode([7; 70]);
    let put = attaching(&station, &junk).arg("--allow-unverified").expect(0);
    put.stderr_line("signature: as typed, 70 bytes, not verified (--allow-unverified)");
    put.stderr_line("           .sig; read back, not verified");
    verify(&station, "release.pub", &[], 12).stderr_line("error[SIG-KEY]: [..]");
    station.unchanged(attaching(&station, &junk).arg("--allow-unverified"), 0);
}

#[test]
fn r_and_s_are_put_as_der() {
    let station = extracted();
    let der = STANDARD.decode(station.read(file(&station, "release", "b64"))).unwrap();
    let raw = p256::ecdsa::Signature::from_der(&der).unwrap().to_bytes();
    let put = attaching(&station, &STANDARD.encode(raw)).args(["--key", "release.pub"]).expect(0);
    put.stderr_line("it came as r || s (IEEE P1363) and is put as DER, which every verifier takes");
    let der = attaching(&station, &STANDARD.encode(&der)).args(["--key", "release.pub"]);
    station.unchanged(der, 0);
}

#[test]
fn extract_prints_a_line_a_signature() {
    let station = extracted();
    let printed = station.coldsign().args(["extract", "response.tar"]).expect(0);
    let printed = printed.stdout_text();
    let rows: Vec<Vec<&str>> = printed.lines().map(|line| line.split(' ').collect()).collect();
    let id = |key: &str| key.replace(' ', "");
    let shape: Vec<(&str, &str, &str)> = rows.iter().map(|row| (row[0], &row[1][7..23], row[3])).collect();
    let (release, second) = (id(RELEASE), id(SECOND));
    let wanted = [
        ("1", second.as_str(), "sig"),
        ("1", &release, "sig"),
        ("1", &second, "bundle"),
        ("1", &release, "bundle"),
    ];
    assert_eq!(shape, wanted, "{printed}");
    assert_eq!(rows[1][2].as_bytes(), station.read(file(&station, "release", "b64")));
    let raw = STANDARD.decode(rows[1][2]).unwrap();
    station.expect_file(file(&station, "release", "sig"), &raw);
    let key = PublicKey::from_pem(&station.read("release.pub")).unwrap();
    assert!(key.verify(&station.read(payload()), &raw));
    let bundle: Value = serde_json::from_slice(&station.read(file(&station, "second", "bundle"))).unwrap();
    assert_eq!(bundle["dsseEnvelope"]["signatures"][0]["sig"], rows[2][2]);
    let blob: Value = serde_json::from_slice(&station.read(file(&station, "second", "blob.bundle"))).unwrap();
    assert_eq!(blob["messageSignature"]["signature"], rows[0][2]);
    assert_eq!(station.below("out").len(), 9);
}

#[test]
fn extract_writes_over_nothing() {
    let station = extracted();
    let extract = |to: &str| station.coldsign().args(["extract", "response.tar", "--output-dir", to]);
    std::fs::create_dir(station.path("empty")).unwrap();
    std::os::unix::fs::symlink("empty", station.path("link")).unwrap();
    station.write("file", "").write(".left.partial/x", "");
    for (to, code, id) in [
        ("out", 1, "OUT-EXISTS"),
        ("file", 1, "OUT-EXISTS"),
        ("link", 1, "OUT-EXISTS"),
        ("left", 1, "OUT-EXISTS"),
        ("absent/out", 1, "FILE-WRITE"),
        ("..", 1, "OUT-EXISTS"),
    ] {
        station.refused(extract(to), code).stderr_line(&format!("error[{id}]: [..]"));
    }
    extract("empty").expect(0);
    let names = |folder: &str| -> Vec<(String, Vec<u8>)> {
        let below = station.below(folder).into_iter();
        below.map(|(name, bytes)| (name.trim_start_matches(folder).to_owned(), bytes)).collect()
    };
    assert_eq!(names("empty"), names("out"));
    // Nobody signed a request.
    station.refused(station.coldsign().args(["extract", "request.tar"]), 22);
    station.refused(station.coldsign().args(["extract", "request.tar", "--output-dir", "new"]), 22);
}
