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
    ] {
        let taken = import(&station, file, 0);
        taken.stdout("").stderr_line("taken, P-256, key id").stderr_line("note: [..] still holds the key");
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
