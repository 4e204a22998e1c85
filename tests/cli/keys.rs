//! `key`: every format that is taken in, and every one that is not, by its name; leaving; backups.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::station::Station;
use crate::support::{Outcome, Run};

fn key<'a>(station: &'a Station, arguments: &[&str]) -> Run<'a> {
    station.signer().arg("key").args(arguments).arg("--allow-swap")
}

#[track_caller]
fn import(station: &Station, file: &str, code: i32) -> Outcome {
    let path = crate::support::fixture(file);
    let run = key(station, &["import", path.to_str().unwrap(), "taken", "--passphrase-file", "pass.txt"]);
    if code == 0 { run.args(["--new-passphrase-file", "pass"]).expect(0) } else { station.refused(run, code) }
}

#[test]
fn formats_that_are_taken() {
    let station = Station::new();
    station.write("pass.txt", "pass\n");
    for (file, public) in [
        ("keys/by-cosign-2.5.0.key", "keys/by-cosign-2.5.0.pub"),
        ("keys/by-cosign-3.1.1.key", "keys/by-cosign-3.1.1.pub"),
        ("keys/plain-pkcs8.key", "keys/plain-pkcs8.pub"),
        ("keys-openssl/p256-pbkdf2.pem", "keys-openssl/p256.pub"),
        ("keys-openssl/p256-sec1.pem", "keys-openssl/p256.pub"),
        ("keys/p384.key", "keys/p384.pub"),
        ("keys/imported-by-cosign-3.1.1-sec384.key", "keys/imported-by-cosign-3.1.1-sec384.pub"),
        ("keys-openssl/p384-sec1.pem", "keys-openssl/p384.pub"),
        ("keys/ed25519.key", "keys/ed25519.pub"),
        ("keys-openssl/ed25519.pem", "keys-openssl/ed25519.pub"),
    ] {
        let taken = import(&station, file, 0);
        taken.stdout("").stderr_line("note: [..] still holds the key");
        match file {
            _ if file.contains("384") => taken
                .stderr_line("taken, P-384, key id")
                .stderr_line("note: it signs P-384 over SHA-256, as cosign 2.6 and 3.1 verify it; verifiers"),
            _ if file.contains("ed25519") => taken
                .stderr_line("taken, Ed25519, key id")
                .stderr_line("note: it signs pure Ed25519, as cosign 2.6 and 3.1 verify it; verifiers"),
            _ => taken.stderr_line("taken, P-256, key id").never("docs/verifiers.md"),
        };
        let found = key(&station, &["public", "taken", "--passphrase-file", "pass"]).expect(0);
        assert_eq!(found.stdout_bytes(), fs::read(crate::support::fixture(public)).unwrap(), "{file}");
        let mode = fs::metadata(station.path("vault/keys/taken.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o600);
        fs::remove_file(station.path("vault/keys/taken.key")).unwrap();
    }
}

#[test]
fn formats_that_are_not_taken() {
    let station = Station::new();
    station.write("pass.txt", "pass\n");
    for (file, code, line) in [
        ("keys-openssl/p521.pem", 43, "error[KEY-TYPE]: [..]P-521[..]"),
        ("keys/rsa2048.key", 43, "error[KEY-TYPE]: [..]RSA[..]"),
        ("keys/kdf-argon2.key", 43, "error[KEY-[..]]: [..]"),
        ("keys/nhuge.key", 43, "error[KEY-PARAMETERS]: [..]"),
        ("keys/ct-flip.key", 41, "error[KEY-PASSPHRASE-DAMAGED]: [..]"),
        ("keys-openssl/p256-pbes1.pem", 43, "error[KEY-[..]]: [..]"),
        ("keys-openssl/p256-sec1-encrypted.pem", 43, "error[KEY-FORMAT]: [..]"),
        ("keys-openssl/p256.pub", 43, "error[KEY-FORMAT]: [..]"),
        ("keys-sealed/vector.key", 43, "error[KEY-FORMAT]: [..]"),
    ] {
        import(&station, file, code).stderr_line(line).stderr_line("  nothing was written");
    }
}

/// `key export` writes what cosign opens: 0600, never over a file, with a warning that this format has no uses.
#[test]
fn leaving() {
    let station = Station::new();
    let export = |more: &[&str]| {
        let export =
            ["export", "release", "--format", "cosign", "-o", "cosign.key", "--passphrase-file", "pass"];
        key(&station, &export).args(more)
    };
    let left = export(&["--new-passphrase-file", "pass2"]).expect(0);
    left.stdout("").stderr(
        "warning: cosign's format has no uses: whoever holds the file and its\n         \
         passphrase can sign anything with the key\nwrote cosign.key in cosign's format\n",
    );
    let pem = String::from_utf8(station.read("cosign.key")).unwrap();
    assert!(pem.starts_with("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n"), "{pem}");
    let mode = fs::metadata(station.path("cosign.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    station.refused(export(&[]), 1).stderr_line("error[OUT-EXISTS]: output is there already: cosign.key");
    // It comes back as the same key, under the new passphrase only.
    let back = |pass: &str| key(&station, &["import", "cosign.key", "back", "--passphrase-file", pass]);
    station.refused(back("pass"), 41);
    back("pass2").expect(0);
    let public = key(&station, &["public", "back", "--passphrase-file", "pass2"]).expect(0);
    assert_eq!(public.stdout_bytes(), station.read("release.pub"));
    // A terminal is no file: nothing secret goes to stdout.
    let to_stdout = key(&station, &["export", "release", "--format", "cosign", "--passphrase-file", "pass"]);
    station.refused(to_stdout, 2);
}

#[test]
fn backups() {
    let station = Station::new();
    let mut backup = station.read("vault/keys/release.key");
    station.write("backup/release.key", &backup);
    let check = |file: &str, pass: &str| key(&station, &["check", file, "--passphrase-file", pass]);
    station
        .unchanged(check("backup/release.key", "pass"), 0)
        .stderr("ok: opens, signs, verifies; the same key as release in vault\n");
    station.unchanged(check("release", "pass"), 0).stderr("ok: opens, signs, verifies: release in vault\n");
    station
        .refused(check("backup/release.key", "pass2"), 41)
        .stderr_line("error[KEY-PASSPHRASE]: wrong passphrase: backup/release.key");
    let at = backup.len() / 2;
    backup[at] ^= 1;
    station.write("backup/damaged.key", &backup);
    station
        .refused(check("backup/damaged.key", "pass"), 42)
        .stderr_line("error[KEY-DAMAGED]: [..]backup/damaged.key[..]");
    fs::remove_file(station.path("vault/keys/release.key")).unwrap();
    station
        .refused(check("backup/release.key", "pass"), 23)
        .stderr_line("error[KEY-BACKUP]: not the key of that name in the home: backup/release.key");
    station.refused(check("backup/absent.key", "pass"), 1);
    // Restoring is copying.
    station.write("vault/keys/release.key", station.read("backup/release.key"));
    let closed = fs::Permissions::from_mode(0o600);
    fs::set_permissions(station.path("vault/keys/release.key"), closed).unwrap();
    check("release", "pass").expect(0);
}

#[test]
fn listed_and_not_proven() {
    let station = Station::new();
    let list = || station.signer().args(["key", "list"]);
    station.unchanged(list(), 0).stderr("").stdout(
        "release, P-256, use image, not proven\n  a3256919 64b3a3e9 7f28362d 14ac7de4 dbcc1ef2 5f714fde 10fb963b d5b785e6\n\
         second, P-256, use image, not proven\n  41aaf2c0 2ef4e6cd 1b8ec9bb 793e1320 fdd66105 a53a17b2 f6620636 08911731\n",
    );
    for name in ["release", "second"] {
        fs::remove_file(station.path(format!("vault/keys/{name}.key"))).unwrap();
    }
    station.unchanged(list(), 0).stdout("").stderr("no keys in vault\n");
}

/// Each type is made, listed, tested, signs, and its response verifies with its public key.
#[test]
fn types_that_sign() {
    let station = Station::with_request();
    for (kind, name) in [("p256", "P-256"), ("p384", "P-384"), ("ed25519", "Ed25519")] {
        let made = key(&station, &["generate", kind, "--type", kind, "--passphrase-file", "pass"]).expect(0);
        made.stdout("").stderr_line(&format!("{kind}, {name}, key id"));
        station.unchanged(key(&station, &["check", kind, "--passphrase-file", "pass"]), 0);
        let public = key(&station, &["public", kind, "--passphrase-file", "pass"]).expect(0);
        station.write(format!("{kind}.pub"), public.stdout_bytes());
        let response = format!("{kind}.tar");
        station
            .sign("request.tar", &["--key", kind, "--passphrase-file", "pass"], &response)
            .stderr_line(&format!("ok  key {kind}: {name}, use image; all but the signatures rendered"));
        // The same bytes again: nothing random is in a signature.
        station.sign("request.tar", &["--key", kind, "--passphrase-file", "pass"], "again.tar");
        station.same("again.tar", &response);
        fs::remove_file(station.path("again.tar")).unwrap();
        for form in ["sig", "bundle"] {
            let layout = format!("{kind}-{form}");
            station.fixture("format/index", &layout);
            let to = format!("oci:{layout}");
            let import =
                ["import", &response, "--key", &format!("{kind}.pub"), "--to", &to, "--attach", form];
            station.coldsign().args(import).expect(0);
            let verify = ["verify", "--key", &format!("{kind}.pub"), &format!("{to}:v1")];
            station.coldsign().args(verify).expect(0);
            let other = ["verify", "--key", "release.pub", &format!("{to}:v1")];
            station.coldsign().args(other).expect(12);
        }
    }
    let list = station.signer().args(["key", "list"]).expect(0);
    list.stdout_line("ed25519, Ed25519, use image, not proven")
        .stdout_line("p384, P-384, use image, not proven");
    let other = key(&station, &["generate", "p521", "--type", "p521", "--passphrase-file", "pass"]);
    station.refused(other, 2);
}

/// What a key may sign: chosen when it is made, shown, changed by opening and sealing again.
#[test]
fn uses_change() {
    let station = Station::new();
    let uses = |more: &[&str]| key(&station, &["uses", "release"]).args(more);
    let proven = || station.unchanged(uses(&["--passphrase-file", "pass"]), 0).stdout_text().to_owned();
    station.unchanged(uses(&[]), 0).stdout("release, use image, not proven\n").stderr("");
    assert_eq!(proven(), "release, use image\n");
    let before = station.read("vault/keys/release.key");
    let change = |more: &[&str], pass: &str| uses(more).args(["--passphrase-file", pass]);

    change(&["--add", "custom-payload", "--add", "attestation"], "pass").expect(0).stdout("").stderr(
        "wrote vault/keys/release.key, use attestation, custom-payload, image\n      \
         copies that were made before keep the uses they had\n\
         warning: stock cosign counts an attestation by this key as a signature of\n         \
         the image; two keys are better, one of them for attestations alone\n",
    );
    assert_eq!(proven(), "release, use attestation, custom-payload, image\n");
    let mode = fs::metadata(station.path("vault/keys/release.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    let check = key(&station, &["check", "release", "--passphrase-file", "pass"]);
    station.unchanged(check, 0);
    let public = key(&station, &["public", "release", "--passphrase-file", "pass"]).expect(0);
    assert_eq!(public.stdout_bytes(), station.read("release.pub"));
    // Salt and nonce are new: no member but the key's own is the old file's.
    let after = station.read("vault/keys/release.key");
    let member = |file: &[u8], path: &[&str]| {
        let (_, body) = der::pem::decode_vec(file).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&body).unwrap();
        path.iter().fold(value, |value, name| value[name].clone())
    };
    for path in [&["kdf", "salt"][..], &["cipher", "nonce"], &["ciphertext"]] {
        assert_ne!(member(&before, path), member(&after, path), "{path:?}");
    }
    assert_eq!(member(&before, &["comment"]), member(&after, &["comment"]));

    // What changes nothing writes nothing and asks for nothing.
    station
        .unchanged(uses(&["--add", "image", "--remove", "blob"]), 0)
        .stdout("")
        .stderr("release has these uses already: attestation, custom-payload, image; nothing was written\n");
    station
        .refused(change(&["--remove", "image"], "pass2"), 41)
        .stderr_line("error[KEY-PASSPHRASE]: wrong passphrase: release");
    station
        .refused(change(&["--add", "blob", "--remove", "blob"], "pass"), 2)
        .stderr_line("error[USAGE]: command line cannot be followed: --add blob and --remove blob");
    let all = ["--remove", "image", "--remove", "attestation", "--remove", "custom-payload"];
    station
        .refused(change(&all, "pass"), 2)
        .stderr_line("error[USAGE]: command line cannot be followed: release would have no use")
        .stderr_line("  nothing was written");
    station.refused(uses(&["--add", "blob"]), 2).stderr_line("error[PASSPHRASE-SOURCE]: [..]");
    station.refused(uses(&["--add", "everything"]), 2);
    station.refused(key(&station, &["uses", "nobody", "--add", "blob"]), 40);

    change(
        &["--remove", "image", "--remove", "attestation", "--remove", "custom-payload", "--add", "blob"],
        "pass",
    )
    .expect(0)
    .stderr(
        "wrote vault/keys/release.key, use blob\n      copies that were made before keep the uses they had\n",
    );
    assert_eq!(proven(), "release, use blob\n");
    // Without the use image it signs no image, and nothing is asked.
    station.export("request.tar", &["oci:layout", "--as", "registry.example/team/app:1.4"]);
    let sign = station.signing("request.tar", &["--key", "release"], "response.tar");
    let sign = sign.args(["--approve", &station.digest("request.tar")]);
    station.refused(sign, 30).stderr_line("error[KEY-USES]: key may not be used for this: release");
}

#[test]
fn uses_of_new_keys() {
    let station = Station::new();
    let generate = |name: &str, more: &[&str]| {
        key(&station, &["generate", name, "--passphrase-file", "pass"]).args(more).expect(0)
    };
    generate("plain", &[]).never("warning").never("note: ");
    generate("blobs", &["--use", "blob"]).never("warning").never("note: ");
    generate("both", &["--use", "image", "--use", "attestation"])
        .stderr_line("warning: stock cosign counts an attestation by this key as a signature of");
    generate("mixed", &["--use", "blob", "--use", "image"])
        .stderr_line("note: with another use beside blob the key signs files only with their");
    generate("ed", &["--use", "blob", "--type", "ed25519"])
        .stderr_line("note: Ed25519 signs files only with their content in the request, never");
    let file = crate::support::fixture("keys-openssl/p256.pem");
    let import =
        ["import", file.to_str().unwrap(), "taken", "--use", "attestation", "--passphrase-file", "pass"];
    key(&station, &import).expect(0).never("warning");
    let list = station.signer().args(["key", "list"]).expect(0);
    for line in [
        "plain, P-256, use image, not proven",
        "blobs, P-256, use blob, not proven",
        "both, P-256, use attestation, image, not proven",
        "mixed, P-256, use blob, image, not proven",
        "ed, Ed25519, use blob, not proven",
        "taken, P-256, use attestation, not proven",
    ] {
        list.stdout_line(line);
    }
}

/// `coldsign public-key`: what cosign prints, for every file that cosign reads, and for those of openssl.
#[test]
fn public_keys() {
    let station = Station::new();
    station.write("pass.txt", "pass\n");
    let public = |file: &str| {
        let path = crate::support::fixture(file);
        station.coldsign().args(["public-key", "--key", path.to_str().unwrap()])
    };
    let cases = fs::read(crate::support::fixture("keys/cases.json")).unwrap();
    let cases: serde_json::Value = serde_json::from_slice(&cases).unwrap();
    let mut taken = 0;
    for case in cases["cases"].as_array().unwrap() {
        let file = format!("keys/{}", case["file"].as_str().unwrap());
        let pass = case["passphrase"].as_str().unwrap();
        let run = public(&file).env("COSIGN_PASSWORD", pass);
        if let Some(expected) = case["public_key"].as_str() {
            let expected = fs::read_to_string(crate::support::fixture(format!("keys/{expected}"))).unwrap();
            station.unchanged(run, 0).stdout(&expected).stderr("");
            taken += 1;
        } else {
            let outcome = run.run();
            assert!(matches!(outcome.code(), Some(41..=43)), "{file}\n{outcome}");
            outcome.stdout("");
        }
    }
    assert_eq!(taken, 15);
    for (file, expected) in [
        ("p256-sec1.pem", "p256.pub"),
        ("p384-pbkdf2.pem", "p384.pub"),
        ("p521.pem", "p521.pub"),
        ("ed25519.pem", "ed25519.pub"),
        ("rsa2048-pkcs1.pem", "rsa2048.pub"),
        ("rsa2048-pbkdf2.pem", "rsa2048.pub"),
        // A public key is checked and comes back.
        ("p521.pub", "p521.pub"),
        ("rsa2048.pub", "rsa2048.pub"),
    ] {
        let expected =
            fs::read_to_string(crate::support::fixture(format!("keys-openssl/{expected}"))).unwrap();
        let run = public(&format!("keys-openssl/{file}")).args(["--passphrase-file", "pass.txt"]);
        station.unchanged(run, 0).stdout(&expected).stderr("");
    }
}

#[test]
fn public_keys_that_are_not_printed() {
    let station = Station::new();
    station.write("pass.txt", "pass\n");
    station.fixture("keys/by-cosign-3.1.1.key", "cosign.key");
    let public = |file: &str| station.coldsign().args(["public-key", "--key", file]);
    station.refused(public("vault/keys/release.key"), 43).stderr(
        "error[KEY-FORMAT]: key file in a format that is not supported: vault/keys/release.key\n  \
         a sealed key of coldsign: only the sealed machine opens it\n\
         hint: there: coldsign-signer key public NAME\n",
    );
    station.refused(public("cosign.key"), 2).stderr(
        "error[PASSPHRASE-SOURCE]: no terminal to ask for a passphrase: cosign.key\n\
         hint: --passphrase-file FILE, or set COSIGN_PASSWORD\n",
    );
    station
        .refused(public("cosign.key").env("COSIGN_PASSWORD", "wrong-hunter2"), 41)
        .stderr_line("error[KEY-PASSPHRASE-DAMAGED]: [..]: cosign.key")
        .stderr_line("  the passphrase is that of COSIGN_PASSWORD")
        .never("hunter2");
    // What is set and empty is a passphrase, as for cosign; the flag comes before it.
    station.refused(public("cosign.key").env("COSIGN_PASSWORD", ""), 41);
    let both = public("cosign.key").env("COSIGN_PASSWORD", "wrong").args(["--passphrase-file", "pass.txt"]);
    station.unchanged(both, 0);
    for (file, code, line) in [
        ("rsa1024.pem", 43, "error[KEY-TYPE]: [..]: RSA with 1024 bits"),
        ("secp256k1.pem", 43, "error[KEY-TYPE]: [..]: secp256k1"),
        ("p256-compressed.pub", 43, "error[KEY-ENCODING]: [..]"),
        ("p256-pbes1.pem", 43, "error[KEY-PARAMETERS]: [..]"),
        ("p256.sig", 43, "error[KEY-FORMAT]: [..]"),
    ] {
        let path = crate::support::fixture(format!("keys-openssl/{file}"));
        let run = public(path.to_str().unwrap()).args(["--passphrase-file", "pass.txt"]);
        station.refused(run, code).stderr_line(line);
    }
    station.refused(public("absent.key"), 1).stderr_line("error[FILE-READ]: cannot read: absent.key");
}

/// What is new stands only under the new passphrase; a wrong old one changes nothing.
#[test]
fn passphrases_change() {
    let station = Station::new();
    let change = |old: &str| {
        key(&station, &["passphrase", "release", "--passphrase-file", old, "--new-passphrase-file", "pass2"])
    };
    station.refused(change("pass2"), 41);
    station.write("empty", "\n");
    let emptied = key(
        &station,
        &["passphrase", "release", "--passphrase-file", "pass", "--new-passphrase-file", "empty"],
    );
    station.refused(emptied, 2).stderr_line("error[PASSPHRASE-EMPTY]: [..]");
    change("pass").expect(0).stderr(
        "wrote vault/keys/release.key, sealed with the new passphrase\n      \
         copies that were made before still open with the old one\n",
    );
    let check = |pass: &str| key(&station, &["check", "release", "--passphrase-file", pass]);
    station.refused(check("pass"), 41);
    check("pass2").expect(0);
}
