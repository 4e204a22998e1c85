//! No key byte and no passphrase in any file or output: the whole trip with secrets that are known, and then a search.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use coldsign::keys::foreign::ForeignKey;

use crate::station::{PASS, PASS2, Station};
use crate::support::{Run, fixture};

/// A secret in one of the spellings in which it could get away.
struct Spelling {
    what: String,
    bytes: Vec<u8>,
}

/// As it is, in hex, and in base64 at each of the three places where it may begin in a group.
fn spellings(name: &str, secret: &[u8]) -> Vec<Spelling> {
    let hex = secret.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    });
    let mut found = vec![
        ("raw".to_owned(), secret.to_vec()),
        ("reversed".to_owned(), secret.iter().rev().copied().collect()),
        ("hex".to_owned(), hex.to_uppercase().into_bytes()),
        ("hex".to_owned(), hex.into_bytes()),
    ];
    for skipped in 0..3 {
        for (alphabet, engine) in [("base64", STANDARD), ("base64url", URL_SAFE)] {
            let padded = [vec![0; skipped], secret.to_vec()].concat();
            let text = engine.encode(&padded);
            // Only the characters that are made of the secret alone.
            let first = (skipped * 8).div_ceil(6);
            let last = padded.len() * 8 / 6;
            found.push((format!("{alphabet} at {skipped}"), text.as_bytes()[first..last].to_vec()));
        }
    }
    found.into_iter().map(|(how, bytes)| Spelling { what: format!("{name}, {how}"), bytes }).collect()
}

fn is_in(spelling: &Spelling, text: &[u8]) -> bool {
    text.windows(spelling.bytes.len()).any(|window| window == spelling.bytes)
}

#[test]
fn nothing_secret_is_written_or_shown() {
    let pem = std::fs::read(fixture("format/one.pem")).unwrap();
    let key = ForeignKey::from_pem(&pem).unwrap().open(None).unwrap();
    let der = key.to_pkcs8_der().unwrap();
    let der = der.expose();
    // RFC 5915 in RFC 5208: the scalar stands behind an octet string's header of 32 bytes.
    let at = der.windows(2).position(|header| header == [0x04, 0x20]).unwrap() + 2;
    let scalar = &der[at..at + 32];
    let mut secrets = spellings("scalar", scalar);
    // Half of it is as bad.
    secrets.extend(spellings("first half of the scalar", &scalar[..16]));
    secrets.extend(spellings("second half of the scalar", &scalar[16..]));
    secrets.extend(spellings("PKCS#8", &der[..at + 32]));
    secrets.extend(spellings("passphrase", PASS.as_bytes()));
    secrets.extend(spellings("passphrase of the second key", PASS2.as_bytes()));

    // The controls: the search finds what it looks for.
    assert!(secrets.iter().any(|secret| is_in(secret, &STANDARD.decode(body(&pem)).unwrap())));
    assert!(secrets.iter().filter(|secret| is_in(secret, body(&pem).as_bytes())).count() > 2);
    assert!(secrets.iter().any(|secret| is_in(secret, format!("x{PASS}\n").as_bytes())));

    let station = Station::new();
    let one = fixture("format/one.pem");
    let one = one.to_str().unwrap();
    let mut told: Vec<(String, Vec<u8>)> = Vec::new();
    let mut step = |run: Run<'_>, code: i32| {
        let outcome = run.expect(code);
        let everything = outcome.to_string();
        told.push((everything.clone(), [outcome.stdout_bytes(), everything.as_bytes()].concat()));
        outcome.stdout_text().trim_end().to_owned()
    };
    let key = |arguments: &[&str]| station.signer().arg("key").args(arguments).arg("--allow-swap");
    step(key(&["import", one, "taken", "--passphrase-file", "pass"]), 0);
    step(key(&["passphrase", "taken", "--passphrase-file", "pass", "--new-passphrase-file", "pass2"]), 0);
    step(key(&["passphrase", "taken", "--passphrase-file", "pass", "--new-passphrase-file", "pass2"]), 41);
    step(key(&["generate", "fresh", "--passphrase-file", "pass"]), 0);
    step(key(&["check", "taken", "--passphrase-file", "pass2"]), 0);
    step(key(&["check", "taken", "--passphrase-file", "pass"]), 41);
    step(key(&["public", "taken", "--passphrase-file", "pass2"]), 0);
    step(key(&["import", "pass", "wrong", "--passphrase-file", "pass2"]), 43);
    step(
        key(&["export", "taken", "--format", "cosign", "-o", "cosign.key", "--passphrase-file", "pass2"])
            .args(["--new-passphrase-file", "pass"]),
        0,
    );
    step(station.signer().args(["key", "list"]), 0);
    let export = ["export", "-o", "request.tar", "oci:layout", "--as", "registry.example/team/app:1.4"];
    let digest = step(station.coldsign().args(export), 0);
    let approve = ["--approve", &digest];
    let both = ["--key", "release", "--key", "second"];
    step(station.signing("request.tar", &both, "response.tar").args(approve), 0);
    step(station.signing("request.tar", &["--key", "second"], "b.tar").args(approve), 0);
    step(
        station
            .signing("request.tar", &["--key", "second", "--passphrase-file", "pass"], "c.tar")
            .args(approve),
        41,
    );
    step(
        station
            .signer()
            .args(["sign", "request.tar", "--key", "release", "-o", "d.tar", "--passphrase-file"])
            .arg("pass")
            .args(["--passphrase-fd", "0"])
            .args(approve)
            .stdin(PASS),
        2,
    );
    step(station.signer().args(["inspect", "response.tar"]), 0);
    step(station.coldsign().args(["combine", "response.tar", "b.tar", "-o", "e.tar"]), 0);
    step(
        station.importing(&["e.tar", "--key", "release.pub", "--attach", "both", "--report", "json:r.json"]),
        0,
    );
    step(station.coldsign().args(["verify", "--key", "release.pub", "oci:layout"]), 0);
    step(station.coldsign().args(["inspect", "pass"]), 22);
    step(station.coldsign().args(["inspect", one]), 43);
    step(station.importing(&["e.tar", "--key", one]), 43);

    let own = ["pass", "pass2"];
    for (name, bytes) in station.everything() {
        let name = name.display().to_string();
        if !own.contains(&name.as_str()) {
            told.push((name, bytes));
        }
    }
    assert!(told.len() > 40, "{}", told.len());
    for (place, bytes) in &told {
        let found: Vec<&str> =
            secrets.iter().filter(|secret| is_in(secret, bytes)).map(|secret| secret.what.as_str()).collect();
        assert!(found.is_empty(), "{found:?} in {place}");
        // What is in base64 inside a PEM is looked at as it is, too.
        if let Ok(inner) = STANDARD.decode(body(bytes)) {
            assert!(!secrets.iter().any(|secret| is_in(secret, &inner)), "inside {place}");
        }
    }
}

/// The lines between those of a PEM file, joined.
fn body(pem: &[u8]) -> String {
    let text = String::from_utf8_lossy(pem);
    text.lines().filter(|line| !line.starts_with('-')).collect()
}
