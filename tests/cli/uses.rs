//! What a key may sign, and what a person sees of what is no image: payloads of other tools, attestations, files.

use coldsign::keys::sealed::Use;
use coldsign::keys::signing::SigningKind;

use crate::station::Station;

const IMAGE: [&str; 3] = ["oci:single", "--as", "registry.example/app:1.4"];
/// What a terminal would obey: clear the screen, a C1 control, text that runs from right to left.
const HOSTILE: &str = "\u{1b}[2J\u{9b}31m\r\n\u{202e}exe.gpj\u{7}\0 {\"critical\"";

/// A station with `image.tar`, `payload.tar`, `attestation.tar`, `file.tar`, `hash.tar`.
fn station() -> Station {
    let station = Station::new();
    station.write("payload.bin", format!("{HOSTILE}{}", "x".repeat(200)));
    let members: Vec<String> = (0..40).map(|number| format!("\"member-{number:02}\": {number}")).collect();
    let text = "v".repeat(100);
    let predicate = format!(
        "{{\"\\u001b[2J\": \"\\u009b31m\\u202e\", \"long\": \"{text}\", \"list\": [1, 2], \"none\": null, {}}}",
        members.join(", ")
    );
    station.write("predicate.json", predicate).write("release.txt", HOSTILE);
    let with = |output: &str, more: &[&str]| station.export(output, &[&IMAGE, more].concat());
    with("image.tar", &[]);
    with("payload.tar", &["--payload", "payload.bin"]);
    with("attestation.tar", &["--attest", "--type", "spdxjson", "--predicate", "predicate.json"]);
    station.export("file.tar", &["--blob", "release.txt"]);
    station.export("hash.tar", &["--blob-digest", &format!("disk.img=sha256:{}", "4".repeat(64))]);
    station
}

/// A key without the use is refused before anything of the request is shown; with it, it signs.
#[test]
fn a_key_signs_what_it_may() {
    let station = station();
    let uses = [
        ("image", Use::Image),
        ("payload", Use::CustomPayload),
        ("attestation", Use::Attestation),
        ("file", Use::Blob),
    ];
    for (name, its) in uses {
        station.add_key_for(name, SigningKind::P256, &[its]);
        let others: Vec<Use> = uses.iter().map(|(_, other)| *other).filter(|other| *other != its).collect();
        station.add_key_for(&format!("no-{name}"), SigningKind::P256, &others);
    }
    for (request, _) in uses {
        let (file, digest) = (format!("{request}.tar"), station.digest(&format!("{request}.tar")));
        let sign = |key: &str| {
            station
                .signing(&file, &["--key", key], &format!("{key}-{request}.out"))
                .args(["--approve", &digest])
        };
        for key in ["image", "payload", "attestation", "file"] {
            if key == request {
                sign(key).expect(0);
            } else {
                let refused = station.refused(sign(key), 30);
                refused.stderr_line(&format!("error[KEY-USES]: key may not be used for this: {key}"));
                refused.stderr_line("  nothing was signed or written").never("registry.example");
            }
        }
        station.refused(sign(&format!("no-{request}")), 30).never("registry.example");
    }
}

/// A hash can be of anything: of an image's payload too.
#[test]
fn a_hash_is_signed_by_a_key_for_files_alone() {
    let station = station();
    station.add_key_for("files", SigningKind::P256, &[Use::Blob]);
    station.add_key_for("p384", SigningKind::P384, &[Use::Blob]);
    station.add_key_for("both", SigningKind::P256, &[Use::Blob, Use::Image]);
    station.add_key_for("other", SigningKind::P256, &[Use::Blob, Use::CustomPayload]);
    station.add_key_for("edwards", SigningKind::Ed25519, &[Use::Blob]);
    let digest = station.digest("hash.tar");
    let sign = |key: &str| {
        station.signing("hash.tar", &["--key", key], &format!("{key}.out")).args(["--approve", &digest])
    };
    for key in ["both", "other"] {
        let refused = station.refused(sign(key), 30);
        refused.stderr_line(&format!("error[KEY-USES]: key may not be used for this: {key}"));
        refused.stderr_line("  item 1 is a hash alone, which can be of anything");
        refused.stderr_line("hint: a hash is signed by a key whose single use is blob");
        refused.never("disk.img");
    }
    let refused = station.refused(sign("edwards"), 43);
    refused.stderr_line("  item 1 is a hash alone, and Ed25519 signs whole files").never("disk.img");
    sign("files").expect(0);
    sign("p384").expect(0);
    // A file that is carried is signed by every key for files.
    let digest = station.digest("file.tar");
    for key in ["both", "other", "edwards", "files"] {
        let output = format!("{key}.file");
        station.signing("file.tar", &["--key", key], &output).args(["--approve", &digest]).expect(0);
    }
}

#[test]
fn an_attestation_beside_images_is_noted() {
    let station = station();
    station.add_key_for("attests", SigningKind::P256, &[Use::Attestation]);
    station.add_key_for("both", SigningKind::P256, &[Use::Attestation, Use::Image]);
    let note = "note: stock cosign counts an attestation by this key as a signature of the image;";
    let sign = |request: &str, key: &str, output: &str| station.sign(request, &["--key", key], output);
    assert!(sign("attestation.tar", "both", "a.tar").to_string().contains(note));
    sign("attestation.tar", "attests", "b.tar").never(note);
    sign("image.tar", "both", "c.tar").never(note);
}

/// Nothing of a request obeys a terminal, nothing is wider than one.
#[test]
fn what_is_shown_of_each_kind() {
    let station = station();
    for kind in ["payload", "attestation", "file", "hash"] {
        let shown = station.unchanged(station.signer().args(["inspect", &format!("{kind}.tar")]), 0);
        for line in shown.stdout_text().lines() {
            assert!(line.len() <= 80, "{kind}: {line}");
            assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{kind}: {line:?}");
        }
        shown.snapshot(&format!("kind-{kind}"));
    }
    station.signer().args(["inspect", "payload.tar"]).expect(0).stdout_line("[..]NOT UNDERSTOOD[..]");
    station.signer().args(["inspect", "hash.tar"]).expect(0).stdout_line("[..]hash alone, NOT SEEN");
}
