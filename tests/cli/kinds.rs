//! What is signed besides images goes the whole way too: payloads of other tools, attestations, files.

use crate::station::Station;

const PAYLOAD: &str = "{\"made\":\"elsewhere\"}\n";
const PREDICATE: &str = "{\"SPDXID\":\"SPDXRef-DOCUMENT\",\"name\":\"app\",\"packages\":[]}";
const IMAGE: &str = "registry.example/team/app:1.4";

/// A home whose key `release` signs everything.
fn station() -> Station {
    let station = Station::new();
    let uses = ["--add", "attestation", "--add", "blob", "--add", "custom-payload"];
    station
        .signer()
        .args(["key", "uses", "release", "--passphrase-file", "pass", "--allow-swap"])
        .args(uses)
        .expect(0);
    station.write("payload", PAYLOAD).write("sbom.json", PREDICATE).write("notes.txt", "notes\n");
    station.write(
        "images.txt",
        format!(
            "oci:layout --as {IMAGE}\noci:layout --as {IMAGE} --type spdxjson --predicate sbom.json\n\
             oci:layout --as {IMAGE} --payload payload\n"
        ),
    );
    station
}

#[test]
fn all_kinds_in_one_request() {
    let station = station();
    station.export("request.tar", &["--from", "images.txt", "--blob", "notes.txt"]);
    station
        .sign("request.tar", &["--key", "release"], "response.tar")
        .stderr_line("signed 7 items, 11 signatures, each verified by a second path");
    // A second time changes nothing.
    station
        .sign("response.tar", &["--key", "release"], "again.tar")
        .stderr_line("already signed by release: 7 of 7 items");
    station.same("response.tar", "again.tar");

    // Nothing that is signed binds a payload of another tool to its image.
    let key = ["response.tar", "--key", "release.pub"];
    let refused = station.refused(station.importing(&key), 30);
    refused.stderr_line("error[IMPORT-DESTINATION]: [..]: registry.example/team/app:1.4");
    refused.stderr_line("  item 5 is a payload that names no image");
    let import = [&key[..], &["--request", "request.tar", "--attach", "both"]].concat();
    let outcome = station.importing(&import).expect(0);
    outcome.stderr_line("pushed     registry.example/team/app:1.4              4 .sig, 1 .att, 5 bundles");
    outcome.stderr_line("1 file is signed, and nothing of that is pushed; take the signatures out:");
    outcome.stderr_line("  coldsign extract response.tar --output-dir signatures");
    station.unchanged(station.importing(&import), 0).stderr_line("unchanged  [..] 4 .sig, 1 .att, 5 bundles");

    let verify = |arguments: &[&str], code| {
        station.coldsign().args(arguments).args(["--key", "release.pub", "oci:layout:v1"]).expect(code)
    };
    verify(&["verify"], 0).stderr_line("form: .sig, 1 of 2 valid; bundle, 1 of 2 valid");
    verify(&["verify", "--check-claims=false"], 0).stderr_line("form: .sig, 2 of 2 valid; [..]");
    let attested = verify(&["verify-attestation", "--type", "spdxjson"], 0);
    attested.stderr_line("form: .att, 1 of 1 valid; bundle, 1 of 2 valid");
    verify(&["verify-attestation", "--type", "slsaprovenance1"], 12)
        .stderr_line("error[ATT-PREDICATE]: [..]");
    let from = ["verify", "--key", "release.pub", "--from", "response.tar", "oci:layout"];
    station.coldsign().args(from).expect(0).stdout_line("1 image, 4 digests: 4 ok");
}

#[test]
fn an_attestation_is_no_signature() {
    let station = station();
    let ask = ["--attest", "--type", "spdxjson", "--predicate", "sbom.json", "oci:single", "--as", IMAGE];
    station.export("request.tar", &ask);
    station.sign("request.tar", &["--key", "release"], "response.tar");
    let import = |attach| {
        let arguments = ["import", "response.tar", "--key", "release.pub", "--to", "oci:single"];
        station.coldsign().args(arguments).args(["--attach", attach]).expect(0)
    };
    let verify =
        |code| station.coldsign().args(["verify", "--key", "release.pub", "oci:single"]).expect(code);
    import("sig").stderr_line("pushed [..] 1 .att");
    verify(10).stderr_line("error[SIG-ABSENT]: [..]");
    import("bundle").stderr_line("pushed [..] 1 bundle");
    verify(12).stderr_line("error[BUNDLE-PREDICATE]: [..]");
    let attested = ["verify-attestation", "--key", "release.pub", "--type", "spdxjson", "oci:single"];
    station.coldsign().args(attested).expect(0).stderr_line("form: .att, 1 of 1 valid; bundle, 1 of 1 valid");
}

#[test]
fn files_come_back_by_extract() {
    let station = station();
    station.export("request.tar", &["--blob", "notes.txt", "--blob", "payload"]);
    station.sign("request.tar", &["--key", "release"], "response.tar");
    // A second signer's is united with it.
    let uses = ["key", "uses", "second", "--add", "blob", "--passphrase-file", "pass2", "--allow-swap"];
    station.signer().args(uses).expect(0);
    station.sign("request.tar", &["--key", "second"], "other.tar");
    station.coldsign().args(["combine", "other.tar", "response.tar", "-o", "both.tar"]).expect(0);
    let import = ["import", "both.tar", "--key", "release.pub", "--key", "second.pub", "--threshold", "2"];
    let outcome = station.unchanged(station.coldsign().args(import), 0);
    outcome.stderr_line("2 files are signed, and nothing of that is pushed; take the signatures out:");
    station.coldsign().args(["extract", "both.tar", "--output-dir", "out"]).expect(0);
    for (name, _) in station.below("out").into_iter().filter(|(name, _)| name.ends_with(".blob.bundle")) {
        let (file, other) =
            if name.starts_with("out/1-") { ("notes.txt", "payload") } else { ("payload", "notes.txt") };
        let bare = name.replace("blob.bundle", "b64");
        let keys = ["release.pub", "second.pub"].map(|key| {
            let verify = |given: &[&str], file| {
                station.coldsign().args(["verify-blob", "--key", key]).args(given).arg(file).run()
            };
            let (bundle, bare) = (["--bundle", &name], ["--signature", &bare]);
            let codes = [verify(&bundle, file), verify(&bare, file)].map(|outcome| outcome.code());
            assert_eq!(verify(&bundle, other).code(), Some(12), "{name}");
            assert_eq!(codes[0], codes[1], "{name}");
            codes[0]
        });
        assert!(keys == [Some(0), Some(12)] || keys == [Some(12), Some(0)], "{name}: {keys:?}");
    }
}

#[test]
fn a_hash_alone_is_for_a_key_of_files() {
    let station = station();
    let digest = coldsign::digest::Digest::of(b"large").to_string();
    let approve = station.export("request.tar", &["--blob-digest", &format!("large.img={digest}")]);
    let sign = |key: &str| station.signing("request.tar", &["--key", key], "response.tar");
    let refused = station.refused(sign("release").args(["--approve", &approve]), 30);
    refused.stderr_line("error[KEY-USES]: key may not be used for this: release");
    refused.stderr_line("  item 1 is a hash alone, which can be of anything");
    let generate = ["key", "generate", "files", "--use", "blob", "--passphrase-file", "pass", "--allow-swap"];
    station.signer().args(generate).expect(0);
    let outcome = sign("files").args(["--approve", &approve]).expect(0);
    outcome.stderr_line("NOT SEEN: the content of 1 file, by a hash alone, which may be of anything: 1");
    let public =
        station.signer().args(["key", "public", "files", "--passphrase-file", "pass", "--allow-swap"]);
    station.write("files.pub", public.expect(0).stdout_text());
    station.coldsign().args(["extract", "response.tar", "--output-dir", "out"]).expect(0);
    let name = station.below("out").into_iter().find(|(name, _)| name.ends_with(".blob.bundle")).unwrap().0;
    station.write("large", "large");
    let verify = ["verify-blob", "--key", "files.pub", "--bundle", &name];
    station.coldsign().args(verify).arg("large").expect(0);
    station.coldsign().args(verify).arg(&digest).expect(0);
    station.coldsign().args(verify).arg("payload").expect(12);
}

#[test]
fn what_cosign_would_take_for_a_signature_is_not_exported() {
    let station = station();
    for payload in ["DSSEv1 28 application/vnd.in-toto+json 2 {}", "{\"\\u0043ritical\":{}}"] {
        station.write("bad", payload);
        for ask in [&["--payload", "bad", "oci:single", "--as", IMAGE][..], &["--blob", "bad"]] {
            let export = station.coldsign().args(["export", "-o", "request.tar"]).args(ask);
            station.refused(export, 30).stderr_line("error[CUSTOM-PAYLOAD]: [..]: item 1");
        }
    }
}
