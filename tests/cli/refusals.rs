//! "When it goes wrong": each row with its exact first line, its exit code, and the disk as it was.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::station::Station;

/// `sign` of `request.tar` with approval, by `key`.
fn sign<'a>(station: &'a Station, key: &str) -> crate::support::Run<'a> {
    station
        .signing("request.tar", &["--key", key], "response.tar")
        .args(["--approve", &station.digest("request.tar")])
}

#[test]
fn a_docker_archive_without_a_manifest() {
    let station = Station::new();
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(2);
    archive.append_data(&mut header, "manifest.json", &b"[]"[..]).unwrap();
    station.write("app.tar", archive.into_inner().unwrap());
    let export =
        station.coldsign().args(["export", "-o", "r.tar", "oci-archive:app.tar", "--as", "r.example/app:1"]);
    station.refused(export, 22).stderr(
        "error[ARCHIVE-DOCKER]: docker-archive holds no manifest: app.tar\n  nothing was written\n\
         hint: skopeo copy docker-archive:app.tar oci-archive:app-oci.tar\n",
    );
}

/// One image, two full names in its layout: which one is meant is for the person to say.
#[test]
fn an_image_of_two_names() {
    let station = Station::new();
    let index = String::from_utf8(station.read("single/index.json")).unwrap();
    let mut index: serde_json::Value = serde_json::from_str(&index).unwrap();
    let mut twin = index["manifests"][0].clone();
    index["manifests"][0]["annotations"]["io.containerd.image.name"] = "registry.example/app:1".into();
    twin["annotations"]["io.containerd.image.name"] = "registry.example/app:2".into();
    index["manifests"].as_array_mut().unwrap().push(twin);
    station.write("single/index.json", index.to_string());
    let export =
        |more: &[&str]| station.coldsign().args(["export", "-o", "r.tar", "oci:single:v1"]).args(more);
    let refused = station.refused(export(&[]), 2);
    refused.stderr_line("error[REFERENCE-AMBIGUOUS]: image has more than one name: say --as: oci:single:v1");
    refused.stderr_line("  it has registry.example/app:1").stderr_line("  nothing was written");
    export(&["--as", "registry.example/app:2"]).expect(0);
}

#[test]
fn the_wrong_stick_as_home() {
    let station = Station::with_request();
    fs::create_dir(station.path("stick")).unwrap();
    for home in ["stick", "nowhere"] {
        let run = sign(&station, "release").env("COLDSIGN_HOME", home);
        station.refused(run, 1).stderr_line(&format!("error[HOME-ABSENT]: not a coldsign home: {home}"));
    }
    station
        .refused(sign(&station, "release").env("COLDSIGN_HOME", ""), 2)
        .stderr("error[HOME-UNSET]: no home given: --home DIR or COLDSIGN_HOME\n");
}

#[test]
fn an_unknown_key_name() {
    let station = Station::with_request();
    let refused = station.refused(sign(&station, "relaese"), 40);
    refused.stderr_line("error[KEY-ABSENT]: no such key: relaese in vault; it has: release, second");
    refused.never("approve").never("1 image");
}

#[test]
fn the_output_exists() {
    let station = Station::with_request();
    station.write("response.tar", "mine");
    let refused = station.refused(sign(&station, "release"), 1);
    refused.stderr_line("error[OUT-EXISTS]: output is there already: response.tar");
    refused.stderr_line("  nothing was written").never("1 image");
    for arguments in [
        &["export", "-o", "response.tar", "oci:layout", "--as", "registry.example/app:1"][..],
        &["combine", "request.tar", "-o", "response.tar"],
        &["trusted-root", "create", "-o", "response.tar"],
    ] {
        station
            .refused(station.coldsign().args(arguments), 1)
            .stderr_line("error[OUT-EXISTS]: output is there already: response.tar");
    }
}

#[test]
fn a_request_given_to_import() {
    let station = Station::with_request();
    let refused = station.refused(station.importing(&["request.tar", "--key", "release.pub"]), 22);
    refused.stderr(
        "error[RESPONSE-ABSENT]: a request that nobody signed yet: request.tar\n  nothing was pushed\n",
    );
}

/// Last week's request on the stick, where nobody is at a terminal. At one it is `terminal::wrong_words`.
#[test]
fn the_approval_names_another_request() {
    let station = Station::with_request();
    let other = format!("sha256:{}", "ab".repeat(32));
    let signing = station.signing("request.tar", &["--key", "release"], "response.tar");
    let refused = station.refused(signing.args(["--approve", &other]), 36);
    refused.stderr_line(&format!("error[APPROVAL-OTHER]: approval names another request: {other}"));
    refused.stderr_line("  nothing was signed or written, the key was not opened");
    let right = station.digest("request.tar");
    let hex = right.strip_prefix("sha256:").unwrap();
    refused.never(&hex[..8]).never(&hex[56..]).never(&hex[28..36]);
    for word in crate::station::words_of(&right) {
        refused.never(word);
    }
    // There is no blanket yes, no partial digest, no words as an argument.
    for approve in ["yes", "sha256:", "*", &hex[..12], hex, &right.to_uppercase()] {
        let signing = station.signing("request.tar", &["--key", "release"], "response.tar");
        station.refused(signing.args(["--approve", approve]), 2);
    }
    let refused = station.refused(station.signing("request.tar", &["--key", "release"], "response.tar"), 2);
    refused.stderr_line("error[APPROVAL-MISSING]: no terminal: say --approve with the request digest");
    refused.stderr_line("  nothing was signed or written");
}

#[test]
fn a_wrong_passphrase_in_a_file() {
    let station = Station::with_request();
    let run = station
        .signing("request.tar", &["--key", "release", "--passphrase-file", "pass2"], "response.tar")
        .args(["--approve", &station.digest("request.tar")]);
    let refused = station.refused(run, 41);
    refused.stderr_line("error[KEY-PASSPHRASE]: wrong passphrase: release");
    refused.stderr_line("  the key was not opened, nothing was written");
}

#[test]
fn a_damaged_key_file() {
    let station = Station::with_request();
    let mut pem = station.read("vault/keys/release.key");
    let at = pem.len() / 2;
    pem[at] = if pem[at] == b'A' { b'B' } else { b'A' };
    fs::write(station.path("vault/keys/release.key"), pem).unwrap();
    let refused = station.refused(sign(&station, "release"), 42);
    refused.stderr_line("error[KEY-DAMAGED]: key file is damaged: keys/release.key");
    refused.stderr_line("hint: [..]backup[..]");
    // The other key is as good as before.
    sign(&station, "second").args(["--passphrase-file", "pass2"]).run();
}

#[test]
fn the_same_key_again() {
    let station = Station::with_response();
    let again = station.sign("response.tar", &["--key", "release"], "again.tar");
    again.stderr_line("already signed by release: 4 of 4 items");
    station.same("again.tar", "response.tar");
    let again = station.sign("response.tar", &["--key", "release", "--form", "sig"], "sig.tar");
    again.stderr_line("already signed by release: 4 of 4 items");
    station.same("sig.tar", "response.tar");
}

#[test]
fn a_left_over_of_a_run_that_was_cut_off() {
    let station = Station::with_request();
    station.write(".response.tar.partial", "half of it");
    sign(&station, "release")
        .expect(0)
        .stderr_line("replacing .response.tar.partial, left over from an earlier run");
    station.no_file(".response.tar.partial");
    station.write(".r2.tar.partial", "half of it");
    let export = ["export", "-o", "r2.tar", "oci:layout", "--as", "registry.example/team/app:1.4"];
    let export = station.coldsign().args(export).expect(0);
    export.stderr_line("replacing .r2.tar.partial, left over from an earlier run");
    station.same("r2.tar", "request.tar");
    station.no_file(".r2.tar.partial");
}

#[test]
fn no_signature_no_tag_another_key() {
    let station = Station::with_response();
    let verify = |key: &str, image: &str| station.coldsign().args(["verify", "--key", key, image]);
    station
        .refused(verify("release.pub", "oci:layout:v1"), 10)
        .stderr_line("error[SIG-ABSENT]: no signatures found: [..]");
    station
        .refused(verify("release.pub", "oci:layout:v2"), 11)
        .stderr_line("error[SIG-TAG]: image tag not found: oci:layout:v2");
    station.importing(&["response.tar", "--key", "release.pub"]).expect(0);
    station
        .refused(verify("second.pub", "oci:layout:v1"), 12)
        .stderr_line("error[SIG-KEY]: [..]: oci:layout:v1[..]");
}

/// The home is closed to others, and has nothing in it that is no file or folder.
#[test]
fn a_home_that_is_not_closed() {
    let station = Station::with_request();
    for (path, open, closed) in [
        ("vault", 0o755, 0o700),
        ("vault/keys", 0o750, 0o700),
        ("vault/keys/release.key", 0o644, 0o600),
        ("vault/keys/second.key", 0o640, 0o600),
    ] {
        fs::set_permissions(station.path(path), fs::Permissions::from_mode(open)).unwrap();
        let refused = station.refused(sign(&station, "release"), 1);
        refused.stderr_line(&format!("error[HOME-MODE]: others may read the home: {path}[..]"));
        fs::set_permissions(station.path(path), fs::Permissions::from_mode(closed)).unwrap();
    }
    sign(&station, "release").expect(0);
}
