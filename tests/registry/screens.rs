//! What import says: who may push, what was pushed, which command stock cosign is to be given, how a report ends.

use serde_json::{Value, json};

use crate::login::log_in;
use crate::registry::{Auth, Fault, Manners, PASSWORD, Registry, USER};
use crate::support::Outcome;
use crate::trip::{Trip, release, second};

/// Everything from the line on that begins with `stock cosign`.
fn cosign_is_told(outcome: &Outcome) -> String {
    let said = outcome.stderr_text();
    said.find("\nstock cosign").map(|at| said[at + 1..].to_owned()).unwrap_or_default()
}

fn report(trip: &Trip, name: &str) -> Value {
    serde_json::from_slice(&trip.station.read(name)).unwrap()
}

/// A stranger's bundle beside `appN`.
fn strangers_bundle(trip: &Trip, image: usize) {
    let (request, response) = (format!("one{image}.tar"), format!("stranger{image}.tar"));
    trip.export_one(image, &request).expect(0);
    trip.sign_file(&request, &[&second()], &response);
    let import = ["import", &response, "--key", "second.pub", "--attach", "bundle"];
    trip.station.coldsign().args(import).expect(0);
}

#[test]
fn a_login_is_named_where_there_was_one() {
    let trip = Trip::with(Manners::default(), 3);
    let host = trip.registry.host();
    trip.import(&[])
        .expect(0)
        .stderr_line(&format!("{host}: no login needed, push allowed on 3 repositories"));
    for auth in [Auth::Basic, Auth::Bearer(None)] {
        let trip = Trip::unsigned(Registry::with(Manners { auth, ..Manners::default() }), 1);
        log_in(&trip, USER, PASSWORD);
        trip.export("request.tar").expect(0);
        trip.sign(&release(), "response.tar");
        let host = trip.registry.host();
        trip.import(&[]).expect(0).stderr_line(&format!("{host}: login ok, push allowed on 1 repository"));
    }
}

#[test]
fn the_command_for_cosign_names_an_image_that_it_will_take() {
    let trip = Trip::with(Manners::default(), 3);
    let command = |image: &str| {
        format!(
            "  coldsign trusted-root create -o tr0.json\n  cosign verify --key release.pub \
             --insecure-ignore-tlog=true \\\n    --trusted-root tr0.json {image}\n"
        )
    };
    let others = "    # and so for the others\n";
    let both = "bundles are in the response too: --attach both pushes them as well\n";
    let told = cosign_is_told(&trip.import(&[]).expect(0));
    let wanted =
        format!("stock cosign looks at .sig for all 3 images:\n{}{others}{both}", command(&trip.name(0)));
    assert_eq!(told, wanted);
    // The first one is hidden: the command is for another.
    strangers_bundle(&trip, 0);
    let refused = "a stranger's bundle hides .sig;\n  import again with --attach both\n";
    let wanted = format!(
        "stock cosign will refuse 1 image: {refused}stock cosign looks at .sig for the other 2 images:\n{}{others}{both}",
        command(&trip.name(1))
    );
    assert_eq!(cosign_is_told(&trip.import(&[]).expect(0)), wanted);
    // All are: no command at all.
    (1..3).for_each(|image| strangers_bundle(&trip, image));
    let wanted = format!("stock cosign will refuse 3 images: {refused}");
    assert_eq!(cosign_is_told(&trip.import(&[]).expect(0)), wanted);
    // As the screen says: bundles beside the strangers', and nothing is left to be pushed.
    let told = trip.import(&["--attach", "both"]).expect(0);
    let line = format!("pushed     {:<42} 1 bundle; 1 .sig unchanged", trip.name(0));
    told.stderr_line(&line);
    let wanted =
        format!("stock cosign looks at bundles for all 3 images:\n{}{others}", command(&trip.name(0)));
    assert_eq!(cosign_is_told(&told), wanted);
    assert_eq!(cosign_is_told(&trip.import(&[]).expect(0)), wanted);
    // A tag that names another image by now is none that the command could verify.
    trip.registry.image("app0", "1", "another image");
    let by_digest = format!("\\\n    {}@{}", trip.registry.at("app0"), trip.images[0]);
    let wanted = format!("stock cosign looks at bundles for all 3 images:\n{}{others}", command(&by_digest));
    assert_eq!(cosign_is_told(&trip.import(&[]).expect(0)), wanted);
}

#[test]
fn the_command_for_cosign_is_whole() {
    let trip = Trip::new();
    let elsewhere = trip.registry.at("sigs/all");
    let host = trip.registry.host();
    // An authority that is of no use to plain HTTP, in a file that a shell would take for two.
    let made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let made = trip.station.program("openssl").args(made);
    made.args(["-keyout", "ca.key", "-out", "my ca.pem", "-subj", "/CN=ca"]).expect(0);
    let outcome = trip
        .import(&["--signature-repository", &elsewhere, "--registry-ca", "my ca.pem", "--plain-http", &host])
        .expect(0);
    let wanted = format!(
        "stock cosign looks at .sig:\n  coldsign trusted-root create -o tr0.json\n  \
         COSIGN_REPOSITORY={elsewhere} cosign verify --key release.pub \\\n    --insecure-ignore-tlog=true \
         --trusted-root tr0.json \\\n    --registry-cacert 'my ca.pem' {}\n\
         bundles are in the response too: --attach both pushes them as well\n",
        trip.name(0)
    );
    assert_eq!(cosign_is_told(&outcome), wanted);
}

/// Two images of one digest have one `.sig` where all signatures go: each is beside the other, and both are ours.
#[test]
fn layers_of_the_same_response_are_no_strangers() {
    let mut trip = Trip::unsigned(Registry::start(), 1);
    trip.copy(1);
    trip.images.push(trip.images[0].clone());
    trip.export("request.tar").expect(0);
    trip.sign(&release(), "response.tar");
    let elsewhere = trip.registry.at("sigs/all");
    for status in ["pushed", "unchanged"] {
        let import = trip.import(&["--signature-repository", &elsewhere, "--report", "json:r.json"]);
        let outcome = import.expect(0);
        outcome.stderr_line(&format!("{status:<10} {:<42} 1 .sig", trip.name(1)));
        outcome.never("beside another key's");
        let rows = report(&trip, "r.json");
        assert_eq!((&rows["images"][0]["foreign"], &rows["images"][1]["foreign"]), (&json!(0), &json!(0)));
    }
    assert_eq!(trip.registry.sigs("sigs/all", &trip.images[0]), 2);
    // A stranger's is one.
    trip.sign(&second(), "second.tar");
    let import = ["import", "second.tar", "--key", "second.pub", "--signature-repository", &elsewhere];
    let outcome = trip.station.coldsign().args(import).expect(0);
    outcome.stderr_line(&format!("pushed     {:<42} 1 .sig, beside another key's", trip.name(1)));
}

/// Stock cosign looks at bundles alone where there are any: a bundle of ours takes others' `.sig` out of its sight.
#[test]
fn signatures_that_stock_cosign_overlooks_are_counted() {
    let trip = Trip::with(Manners::default(), 1);
    trip.sign(&second(), "second.tar");
    let note = "note: 1 image has signatures by other keys in .sig alone: stock cosign looks only at";
    let import = |response: &str, key: &str, attach: &str| {
        trip.station.coldsign().args(["import", response, "--key", key, "--attach", attach]).expect(0)
    };
    import("second.tar", "second.pub", "sig").never("note: ");
    import("response.tar", "release.pub", "sig").never("note: ");
    import("response.tar", "release.pub", "both").stderr_line(note);
    // With a bundle each nothing is overlooked.
    import("second.tar", "second.pub", "both").never("note: ");
    import("response.tar", "release.pub", "both").never("note: ");
}

#[test]
fn a_trial_asks_for_no_rights_and_leaves_nothing_in_part() {
    let trip = Trip::with(Manners::default(), 2);
    let dry = ["--dry-run", "--report", "json:r.json"];
    let unasked = "push rights were not asked for";
    let outcome = trip.import(&dry).expect(0);
    outcome.stderr_line("dry run: 2 images would be pushed, 0 unchanged; nothing was written");
    outcome.stderr_line(unasked);
    assert!(!trip.registry.asked().iter().any(|asked| asked.method != "GET" && asked.method != "HEAD"));
    // One is gone: nothing stands there in part, for nothing was put.
    trip.registry.change("app1", |held| held.manifests.clear());
    let outcome = trip.import(&dry).expect(50);
    outcome.stderr_line("dry run: 1 image would be pushed, 0 unchanged, 1 failed; nothing was written");
    outcome.stderr_line(unasked).error("SUBJECT-ABSENT");
    let totals = json!({"failed": 1, "notBegun": 0, "pushed": 0, "unchanged": 0, "wouldPush": 1});
    let found = report(&trip, "r.json");
    assert_eq!((&found["totals"], &found["exit"], &found["dryRun"]), (&totals, &json!(50), &json!(true)));
    trip.import(&[])
        .expect(51)
        .stderr_line("done: 1 image pushed, 0 unchanged, 1 failed; read back and verified");
    trip.import(&dry)
        .expect(50)
        .stderr_line("dry run: 0 images would be pushed, 1 unchanged, 1 failed; [..]");
}

#[test]
fn a_refused_login_is_in_the_report() {
    let trip = Trip::new();
    trip.registry.on("POST", "*", 1..=usize::MAX, Fault::status(401));
    let outcome = trip.import(&["--report", "json:r.json", "--request", "request.tar"]).expect(50);
    outcome.error("REGISTRY-LOGIN");
    let found = report(&trip, "r.json");
    assert_eq!(
        (&found["check"], &found["exit"], &found["images"]),
        (&json!("REGISTRY-LOGIN"), &json!(50), &json!([]))
    );
    assert_eq!((&found["requestCompared"], &found["keys"][0]["signed"]), (&json!(true), &json!(true)));
    assert!(found["details"].as_array().unwrap().contains(&json!("nothing was pushed")), "{found:#}");
}
