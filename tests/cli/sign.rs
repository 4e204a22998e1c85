//! `sign`: forms, keys one after the other, rotation, how much is taken, what is named on the screen.

use std::fmt::Write as _;

use crate::station::{PASS, RELEASE, SECOND, Station};

/// The forms, at once or one after the other, in any order, are the same file.
#[test]
fn forms() {
    let station = Station::with_request();
    let sign = |from: &str, form: &str, to: &str| {
        station
            .sign(from, &["--key", "release", "--form", form], to)
            .stderr_line("signed 4 items, [..]")
            .code()
    };
    let _ = (sign("request.tar", "both", "both.tar"), sign("request.tar", "sig", "sig.tar"));
    let _ = (sign("sig.tar", "bundle", "sig-bundle.tar"), sign("request.tar", "bundle", "bundle.tar"));
    sign("bundle.tar", "sig", "bundle-sig.tar");
    station.same("sig-bundle.tar", "both.tar");
    station.same("bundle-sig.tar", "both.tar");
    for (file, line) in [
        ("sig.tar", ".sig 4 of 4, bundle 0 of 4"),
        ("bundle.tar", ".sig 0 of 4, bundle 4 of 4"),
        ("both.tar", ".sig 4 of 4, bundle 4 of 4"),
    ] {
        let line = format!("signed by {RELEASE}, P-256: {line}");
        station.coldsign().args(["inspect", file]).expect(0).stdout_line(&line);
        station.signer().args(["inspect", file]).expect(0).stdout_line(&line);
    }
    station.refused(station.signing("request.tar", &["--key", "release", "--form", "none"], "x.tar"), 2);
}

/// Years later: the archived response, a new key, nothing exported again; the old signatures stay.
#[test]
fn rotation() {
    let station = Station::with_response();
    let run = station.sign("response.tar", &["--key", "second"], "rotated.tar");
    run.stderr_line(&format!("signed already: {RELEASE}, every signature verified"));
    let both = station.sign("response.tar", &["--key", "release", "--key", "second"], "overlap.tar");
    both.stderr_line("already signed by release: 4 of 4 items");
    both.stderr_line(&format!("1 image, 4 items, both forms, key second (P-256, {SECOND})"));
    station.same("overlap.tar", "rotated.tar");
    station.importing(&["rotated.tar", "--key", "second.pub", "--request", "request.tar"]).expect(0);
    station.coldsign().args(["verify", "--key", "second.pub", "oci:layout"]).expect(0);
    // Re-signing keeps the request: one digest names it in all of them.
    assert_eq!(station.digest("rotated.tar"), station.digest("request.tar"));
}

/// Nobody reviews more than 1,000 items by accident.
#[test]
fn more_items_than_anybody_reviews() {
    let station = Station::new();
    let mut list = String::new();
    for number in 0..251 {
        writeln!(list, "oci:layout --as registry.example/app-{number}:1").unwrap();
    }
    station.write("images.txt", &list);
    station.export("many.tar", &["--from", "images.txt"]);
    let digest = station.digest("many.tar");
    let sign = |more: &[&str]| {
        station.signing("many.tar", &["--key", "release"], "out.tar").args(["--approve", &digest]).args(more)
    };
    for more in [&[][..], &["--max-items", "1003"]] {
        let refused = station.refused(sign(more), 24);
        refused.stderr_line(
            "error[ITEMS-MANY]: more items than anybody reviews by accident: 1004, at most 100[..]",
        );
        refused.stderr_line("hint: --max-items 1004, if you mean to review them all");
    }
    sign(&["--max-items", "1004", "--form", "bundle"])
        .expect(0)
        .stderr_line("signed 1004 items, 4 signatures, [..]");
}

/// A `.sig` holds at most 1,000 layers: what eight keys could not all sign is refused before it is exported.
#[test]
fn a_request_that_could_not_be_answered() {
    let station = Station::new();
    for (tags, code) in [(126, 24), (125, 0)] {
        let list: String = (0..tags).fold(String::new(), |mut list, number| {
            writeln!(list, "oci:single --as registry.example/app:{number}").unwrap();
            list
        });
        station.write("images.txt", list);
        let export = station.coldsign().args(["export", "-o", "r.tar", "--from", "images.txt"]);
        if code == 0 {
            export.expect(0);
            continue;
        }
        let refused = station.refused(export, code);
        refused.stderr_line("error[REQUEST-SIZE]: the response to this request would be over a limit");
        refused.stderr_line("  layers of one .sig: 1008 with 8 keys and both forms, at most 1000");
    }
}

/// Eight keys sign a file, a ninth is refused before anybody is asked, in `sign` and in `combine`.
#[test]
fn nine_keys() {
    let station = Station::new();
    let names: Vec<String> = (1..=9).map(|number| format!("key{number}")).collect();
    for name in &names {
        station.add_key(name);
    }
    station.export("request.tar", &["oci:single", "--as", "registry.example/app:1"]);
    let keys = |names: &[String]| {
        names.iter().flat_map(|name| ["--key".to_owned(), name.clone()]).collect::<Vec<_>>()
    };
    let digest = station.digest("request.tar");
    let sign = |input: &str, names: &[String], output: &str| {
        let sign =
            ["sign", input, "-o", output, "--allow-swap", "--passphrase-file", "pass", "--form", "bundle"];
        station.signer().args(sign).args(keys(names)).args(["--approve", &digest])
    };
    let line = "error[COMBINE-KEYS]: together too many keys: 9, at most 8";
    station.refused(sign("request.tar", &names, "nine.tar"), 24).stderr_line(line);
    sign("request.tar", &names[..8], "eight.tar").expect(0);
    station.refused(sign("eight.tar", &names[8..], "nine.tar"), 24).stderr_line(line);
    sign("request.tar", &names[8..], "ninth.tar").expect(0);
    let combine = station.coldsign().args(["combine", "eight.tar", "ninth.tar", "-o", "nine.tar"]);
    station.refused(combine, 24).stderr_line("error[COMBINE-KEYS]: together too many keys: [..]");
}

/// What was left out is the first thing that the signing person reads.
#[test]
fn children_that_nobody_saw() {
    let station = Station::new();
    let name = ["oci:layout", "--as", "registry.example/team/app:1.4"];
    for (more, snapshot, line) in [
        (&["--no-recursive"][..], "unseen-all", "NOT SEEN: 3 child manifests, in image 1"),
        (&["--platform", "linux/arm64"], "unseen-two", "NOT SEEN: 2 child manifests, in image 1"),
    ] {
        let request = format!("{snapshot}.tar");
        let export = station.coldsign().args(["export", "-o", &request]).args(name).args(more).expect(0);
        export.snapshot(&format!("{snapshot}-export"));
        let inspected = station.signer().args(["inspect", &request]).expect(0);
        inspected.snapshot(snapshot);
        assert_eq!(inspected.stdout_text().lines().nth(1), Some(line));
        let response = format!("{snapshot}-signed.tar");
        station.sign(&request, &["--key", "release"], &response).stderr_line(line);
    }
    let absent = ["--platform", "windows/amd64"];
    let export = station.coldsign().args(["export", "-o", "x.tar"]).args(name).args(absent);
    station
        .refused(export, 11)
        .stderr_line("error[PLATFORM-ABSENT]: index has no such platform: [..]windows/amd64");
    let both = ["--platform", "linux/arm64", "--no-recursive"];
    station.refused(station.coldsign().args(["export", "-o", "x.tar"]).args(name).args(both), 2);
}

#[test]
fn approval_names_the_request_of_a_response_too() {
    let station = Station::with_response();
    let other = format!("sha256:{}", "1".repeat(64));
    let sign = station.signing("response.tar", &["--key", "second"], "out.tar");
    station.refused(sign.args(["--approve", &other]), 36);
    // Nothing new to sign: a wrong approval is refused all the same.
    let sign = station.signing("response.tar", &["--key", "release"], "out.tar");
    station.refused(sign.args(["--approve", &other]), 36);
}

/// The sealed side has no word for the digest: no flag prints it, no help names one.
#[test]
fn the_sealed_side_tells_no_digest() {
    let station = Station::with_response();
    let digest = station.digest("request.tar");
    let hex = digest.strip_prefix("sha256:").unwrap();
    station.refused(station.signer().args(["inspect", "--digest", "request.tar"]), 2).never(&hex[..8]);
    station.refused(station.signer().args(["inspect", "--format", "json", "request.tar"]), 2);
    for file in ["request.tar", "response.tar"] {
        let inspected = station.unchanged(station.signer().args(["inspect", file]), 0);
        inspected.never(&hex[..8]).never(&hex[56..]).stderr("");
        for word in crate::station::words_of(&digest) {
            inspected.never(word);
        }
    }
}

/// A passphrase is never an argument and never in the environment.
#[test]
fn passphrases_have_two_ways_in() {
    let station = Station::with_request();
    let digest = station.digest("request.tar");
    let sign = |more: &[&str]| {
        let sign = ["sign", "request.tar", "--key", "release", "-o", "out.tar", "--allow-swap", "--approve"];
        station.signer().args(sign).arg(&digest).args(more)
    };
    station.refused(sign(&["--passphrase", PASS]), 2).never(PASS);
    for name in ["COLDSIGN_PASSPHRASE", "COSIGN_PASSWORD", "PASSPHRASE"] {
        station.refused(sign(&[]).env(name, PASS), 2).stderr_line("error[PASSPHRASE-SOURCE]: [..]");
    }
    // Standard input is read only when it is asked for.
    station.refused(sign(&[]).stdin(format!("{PASS}\n")), 2);
    sign(&["--passphrase-fd", "0"]).stdin(format!("{PASS}\r\n")).expect(0);
}
