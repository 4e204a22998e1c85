//! What signatures claim: the digest, the annotations, in both forms; and what is left without `--check-claims`.

use serde_json::Value;

use crate::station::{INDEX, SINGLE, Station};
use crate::support::Outcome;

const WARNING: &str = "Warning: the following claims have not been verified:";

fn signed() -> Station {
    signed_as("both")
}

/// Signed with `env=prod` and `stage=4`, and put into the layout in one form or both.
fn signed_as(form: &str) -> Station {
    let station = Station::new();
    let image = ["oci:layout", "--as", "registry.example/team/app:1.4"];
    station.export("request.tar", &[&image[..], &["-a", "env=prod", "-a", "stage=4"]].concat());
    station.sign("request.tar", &["--key", "release"], "response.tar");
    station.importing(&["response.tar", "--key", "release.pub", "--attach", form]).expect(0);
    station
}

#[track_caller]
fn verify(station: &Station, arguments: &[&str], code: i32) -> Outcome {
    station.unchanged(station.coldsign().arg("verify").args(arguments), code)
}

/// Every pair given must match as a string, others may be there; the message names each that is missing or different.
#[test]
fn annotations_in_both_forms() {
    for form in ["sig", "bundle"] {
        let station = signed_as(form);
        let run = |pairs: &[&str], code| {
            let pairs = pairs.iter().flat_map(|pair| ["-a", pair]);
            let arguments: Vec<&str> =
                ["--key", "release.pub", "oci:layout"].into_iter().chain(pairs).collect();
            verify(&station, &arguments, code)
        };
        for pairs in [&[][..], &["env=prod"], &["stage=4"], &["stage=4", "env=prod"]] {
            run(pairs, 0);
        }
        for (pairs, named, lines) in [
            (&["env=test"][..], "env", &["  wanted env=test", "  signed env=prod"][..]),
            (&["env=prod", "stage=04"], "stage", &["  wanted stage=04", "  signed stage=4"]),
            (&["team=a", "env=prod"], "team", &["  wanted team=a", "  signed without team"]),
            (&["Env=prod"], "Env", &["  wanted Env=prod", "  signed without Env"]),
            (
                &["team=a", "env=test", "stage=4"],
                "env, team",
                &["  wanted env=test", "  signed env=prod", "  wanted team=a", "  signed without team"],
            ),
            (&["env="], "env", &["  wanted env=", "  signed env=prod"]),
        ] {
            let wanted = format!(
                "error[PAYLOAD-ANNOTATIONS]: missing or different annotation: oci:layout: {INDEX}: {named}\n{}\n",
                lines.join("\n")
            );
            run(pairs, 12).stdout("").stderr(&wanted);
        }
        // A list of pairs does not push everything else off the screen.
        let many: Vec<String> = (0..20).map(|number| format!("k{number:02}=v")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let refused = run(&many, 12);
        refused.stderr_line("  signed without k07").stderr_line("  and 12 more").never("k08");
    }
}

#[test]
fn claims() {
    let station = signed();
    let key = ["--key", "release.pub", "oci:layout"];
    for given in [&["-a", "env=prod"][..], &["--annotations", "env=prod"], &["--annotation", "env=prod"]] {
        let outcome = verify(&station, &[&key, given].concat(), 0);
        outcome.stderr_line("  - The specified annotations were verified.");
    }
    for on in [&["--check-claims"][..], &["--check-claims=true"]] {
        verify(&station, &[&key, on].concat(), 0).stderr_line("  - The cosign claims were validated");
    }
    let off = verify(&station, &[&key[..], &["--check-claims=false"]].concat(), 0);
    off.never("claims were validated");
    off.stderr_line("  - The digests that the bundles are about were compared");
    // The last line before what was signed, as cosign's page has it.
    assert!(off.stderr_text().ends_with(&format!("\n\n{WARNING}\n")), "{off}");
    // The signature is still checked, in both forms.
    for form in ["sig", "bundle"] {
        let station = signed_as(form);
        let off = ["--check-claims=false", "oci:layout"];
        verify(&station, &[&["--key", "release.pub"], &off[..]].concat(), 0).stderr_line(WARNING);
        let other = verify(&station, &[&["--key", "second.pub"], &off[..]].concat(), 12);
        other.stdout("").never("Warning").stderr_line("error[SIG-KEY]: [..]");
    }
    // Where nothing is printed that was signed, it is said once.
    let rows =
        verify(&station, &["--key", "release.pub", "--check-claims=false", "oci-archive:response.tar"], 0);
    rows.stderr("Warning: claims are not verified (--check-claims=false): digests and annotations\n");

    // A good signature of another image: only without the claims.
    let other = Station::new();
    other.fixture("format/index", "other");
    other.export("request.tar", &["oci:single", "--as", "registry.example/team/app:1.4"]);
    other.sign("request.tar", &["--key", "release", "--form", "sig"], "response.tar");
    other.coldsign().args(["import", "response.tar", "--key", "release.pub", "--to", "oci:single"]).expect(0);
    let index = String::from_utf8(other.read("single/index.json")).unwrap();
    let (from, to) = (SINGLE.replace(':', "-"), INDEX.replace(':', "-"));
    let mut moved: Value = serde_json::from_str(&index.replace(&from, &to)).unwrap();
    let plain: Value = serde_json::from_slice(&other.read("layout/index.json")).unwrap();
    moved["manifests"][0] = plain["manifests"][0].clone();
    for (name, bytes) in other.below("layout/blobs") {
        other.write(name.replace("layout", "single"), bytes);
    }
    other.write("single/index.json", serde_json::to_vec(&moved).unwrap());
    let refused = verify(&other, &["--key", "release.pub", "oci:single:v1"], 12);
    refused.stderr_line("error[PAYLOAD-DIGEST]: payload names another digest: oci:single:v1: [..]");
    verify(&other, &["--key", "release.pub", "--check-claims=false", "oci:single:v1"], 0);
}
