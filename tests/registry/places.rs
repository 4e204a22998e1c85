//! `verify` at a registry that does nothing wrong: what it asks for, and where.

use serde_json::{Value, json};

use crate::registry::{Asked, Fault, OCI_MANIFEST, Registry, Reply, signature_tag};
use crate::trip::{Trip, release, second};

/// Methods and paths.
fn paths(asked: &[Asked]) -> Vec<String> {
    asked.iter().map(|asked| format!("{} {}", asked.method, asked.path())).collect()
}

/// The tag, the `.sig`, its payload, the referrers: nothing is asked for twice, and a digest needs no image.
#[test]
fn an_image_costs_four_requests_and_a_digest_three() {
    let trip = Trip::new();
    let digest = trip.images[0].clone();
    trip.sign_file("request.tar", &[&release(), &second()], "both.tar");
    let import = ["import", "both.tar", "--key", "release.pub", "--key", "second.pub"];
    trip.station.coldsign().args(import).expect(0);
    trip.registry.asked();
    // Two keys signed one payload.
    let threshold = ["--key", "second.pub", "--threshold", "2"];
    trip.verify(&threshold).expect(0).says("form: .sig, 2 of 2 valid");
    let asked = paths(&trip.registry.asked());
    let sig = format!("GET /v2/app0/manifests/{}", signature_tag(&digest));
    let referrers = format!("GET /v2/app0/referrers/{digest}");
    let [tag, first, payload, last] = asked.as_slice() else { panic!("{asked:#?}") };
    assert_eq!((tag.as_str(), first, last), ("GET /v2/app0/manifests/1", &sig, &referrers), "{asked:#?}");
    assert!(payload.starts_with("GET /v2/app0/blobs/sha256:"), "{asked:#?}");

    let by_digest = trip.registry.at(&format!("app0@{digest}"));
    let verify = ["verify", "--key", "release.pub", &by_digest];
    trip.station.coldsign().args(verify).expect(0);
    assert_eq!(paths(&trip.registry.asked()), asked[1..]);
    // As for cosign the signature of an image that is not there is one; a response asks for the image as well.
    trip.registry.change("app0", |held| drop(held.manifests.remove(&digest)));
    trip.station.coldsign().args(verify).expect(0);
    trip.station.coldsign().args(verify).arg("--recursive").expect(11).error("SIG-TAG");
    let from = ["verify", "--key", "release.pub", "--from", "both.tar"];
    trip.station.coldsign().args(from).expect(11).error("SIG-TAG");
}

/// A 404 of the referrers API is about its own repository: a neighbour's bundle is found all the same.
#[test]
fn a_repository_without_referrers_says_nothing_of_the_next() {
    let trip = Trip::unsigned(Registry::start(), 0);
    let [a, b] = ["team/a", "team/b"].map(|repository| trip.registry.image(repository, "1", repository));
    let [name_a, name_b] = ["team/a:1", "team/b:1"].map(|name| trip.registry.at(name));
    trip.station.coldsign().args(["export", "-o", "request.tar", &name_a, &name_b]).expect(0);
    trip.sign(&release(), "response.tar");
    trip.import(&["--attach", "bundle"]).expect(0);
    let verify = ["verify", "--key", "release.pub", "--max-workers", "1", &name_a, &name_b];
    for status in [404, 405] {
        trip.registry.on("GET", "/v2/team/a/referrers/*", 1.., Fault::Answer(Reply::new(status)));
        trip.registry.asked();
        let outcome = trip.station.coldsign().args(verify).expect(10);
        outcome.says(&a).error("SIG-ABSENT").stderr_line("form: bundle, 1 of 1 valid");
        assert!(outcome.stdout_text().contains(&b), "{outcome}");
        let asked = paths(&trip.registry.asked());
        assert!(asked.contains(&format!("GET /v2/team/b/referrers/{b}")), "{asked:#?}");
        trip.registry.well();
    }
    trip.station.coldsign().args(verify).expect(0);
}

/// A mirror holds what was signed for another repository: that is said, and no reason to fail.
#[test]
fn a_mirror_is_said_to_be_one() {
    let trip = Trip::imported("both");
    let note = format!("signed for {}, identity not compared", trip.name(0));
    trip.verify(&[]).expect(0).never("identity not compared");
    let held = trip.registry.held("app0");
    trip.registry.change("mirror/app", |mirror| *mirror = held);
    let mirror = trip.registry.at("mirror/app:1");
    let verify = ["verify", "--key", "release.pub"];
    trip.station.coldsign().args(verify).arg(&mirror).expect(0).stderr_line(&note);
    trip.station.write("images.txt", format!("{mirror}\n{}\n", trip.name(0)));
    let list = ["--from", "images.txt", "--report", "json:report.json"];
    let outcome = trip.station.coldsign().args(verify).args(list).expect(0);
    outcome.stdout_line(&format!("ok    {mirror} [..] 1 digest, .sig, bundle, log absent; {note}"));
    let report: Value = serde_json::from_slice(&trip.station.read("report.json")).unwrap();
    assert_eq!(report["results"][0]["notes"], json!([note]));
    assert_eq!(report["results"][1]["notes"], json!([]));
    // Not where a signature for the repository that was asked stands beside it.
    trip.station.coldsign().args(["export", "-o", "own.tar", &mirror]).expect(0);
    trip.sign_file("own.tar", &[&release()], "own-signed.tar");
    trip.station.coldsign().args(["import", "own-signed.tar", "--key", "release.pub"]).expect(0);
    let outcome = trip.station.coldsign().args(verify).arg(&mirror).expect(0);
    outcome.stderr_line("form: .sig, 2 of 2 valid; bundle, 1 of 1 valid");
    outcome.never("identity not compared");
}

/// A signature by another key is no broken one.
#[test]
fn what_others_signed_is_counted_apart() {
    let trip = Trip::new();
    trip.sign_file("request.tar", &[&release(), &second()], "both.tar");
    let import = ["import", "both.tar", "--key", "release.pub", "--key", "second.pub"];
    trip.station.coldsign().args(import).expect(0);
    trip.verify(&[]).expect(0).stderr_line("form: .sig, 1 of 2 by the keys given");
    let tag = signature_tag(&trip.images[0]);
    let mut manifest: Value = serde_json::from_slice(&trip.registry.read("app0", &tag).unwrap()).unwrap();
    let mut broken = manifest["layers"][0].clone();
    broken["annotations"]["dev.cosignproject.cosign/signature"] = json!("?");
    manifest["layers"].as_array_mut().unwrap().push(broken);
    trip.registry.manifest("app0", &tag, OCI_MANIFEST, manifest.to_string().as_bytes());
    let line = "form: .sig, 1 of 3 valid, 1 not by the keys given";
    trip.verify(&[]).expect(0).stderr_line(line);
    let both = ["--key", "second.pub"];
    trip.verify(&both).expect(0).stderr_line("form: .sig, 2 of 3 valid");
}

/// What nobody needed is named, so that it is known not to have been looked at.
#[test]
fn what_was_not_read_beside_a_good_signature_is_said() {
    let trip = Trip::imported("sig");
    trip.registry.on("GET", "/v2/app0/referrers/*", 1.., Fault::status(403));
    let outcome = trip.verify(&["--report", "json:report.json"]).expect(0);
    outcome.stderr_line("form: .sig, 1 of 1 valid");
    outcome.stderr_line("not read, and not needed: [REGISTRY-DENIED]: [..]");
    let report: Value = serde_json::from_slice(&trip.station.read("report.json")).unwrap();
    let result = &report["results"][0];
    assert_eq!(result["notes"].as_array().unwrap().len(), 1, "{report}");
    // The row of what was not read says so: unchecked is not absent.
    let bundle = &result["rows"][1];
    assert_eq!((&bundle["signature"], &bundle["check"]), (&json!("unchecked"), &json!("REGISTRY-DENIED")));
    // Another key might have signed what could not be read.
    let more = ["--key", "second.pub", "--threshold", "2"];
    trip.verify(&more).expect(50).error("REGISTRY-DENIED");
    trip.registry.well();
    trip.verify(&more).expect(38).error("VERIFY-THRESHOLD");
}

#[test]
fn signatures_in_another_repository() {
    let trip = Trip::new();
    let elsewhere = trip.registry.at("sigs/all");
    trip.import(&["--attach", "both", "--signature-repository", &elsewhere]).expect(0);
    trip.registry.asked();
    trip.verify(&[]).expect(10).error("SIG-ABSENT");
    let flag = ["--signature-repository", elsewhere.as_str()];
    trip.registry.asked();
    let line = "form: .sig, 1 of 1 valid; bundle, 1 of 1 valid";
    trip.verify(&flag).expect(0).stderr_line(line).never("identity not compared");
    let asked = paths(&trip.registry.asked());
    let (own, other): (Vec<_>, Vec<_>) = asked.iter().partition(|path| path.contains("/v2/app0/"));
    assert_eq!(own, ["GET /v2/app0/manifests/1"], "{asked:#?}");
    assert!(other.iter().all(|path| path.starts_with("GET /v2/sigs/all/")), "{asked:#?}");
    trip.verify(&[]).env("COSIGN_REPOSITORY", &elsewhere).expect(0).stderr_line(line);
    // The flag wins.
    trip.verify(&flag).env("COSIGN_REPOSITORY", trip.registry.at("nothing/here")).expect(0);
    let nothing = trip.registry.at("nothing/here");
    let outcome = trip.verify(&[]).env("COSIGN_REPOSITORY", &nothing).expect(10);
    outcome.error("SIG-ABSENT").stderr_line(&format!("  looked in {nothing} (COSIGN_REPOSITORY)"));
    // What decides and was not typed is said first, also where signatures are found.
    let said = format!("looking for signatures in {nothing} (COSIGN_REPOSITORY)");
    assert_eq!(outcome.stderr_text().lines().next(), Some(said.as_str()));
    let outcome = trip.verify(&["--signature-repository", &nothing]).expect(10);
    outcome.stderr_line(&format!("  looked in {nothing} (--signature-repository)")).never("looking for");
    let found = trip.verify(&[]).env("COSIGN_REPOSITORY", &elsewhere).expect(0);
    found.stderr_line(&format!("looking for signatures in {elsewhere} (COSIGN_REPOSITORY)"));
}

#[test]
fn below_an_index_in_a_registry() {
    let trip = Trip::new();
    let (index, children) = trip.platforms("multi", 2);
    let name = trip.registry.at("multi:1");
    trip.station.coldsign().args(["export", "-o", "multi.tar", &name]).expect(0);
    trip.sign_file("multi.tar", &[&release()], "signed.tar");
    trip.station.coldsign().args(["import", "signed.tar", "--key", "release.pub"]).expect(0);
    let by_digest = trip.registry.at(&format!("multi@{index}"));
    let verify = |arguments: &[&str], code| {
        trip.station.coldsign().args(["verify", "--key", "release.pub"]).args(arguments).expect(code)
    };
    for image in [&name, &by_digest] {
        verify(&["--recursive", image], 0).stderr_line("form: .sig, 3 of 3 valid; 3 digests");
    }
    let child = children[1].as_str();
    trip.registry.change("multi", |held| drop(held.tags.remove(&signature_tag(child))));
    verify(&[&name], 0);
    verify(&["--recursive", &name], 10).says(child).error("SIG-ABSENT");
    // An index that is served as an image hides nothing: nobody signed what a header says.
    let disguise = Fault::Header("Content-Type", Some(OCI_MANIFEST.to_owned()));
    trip.registry.on("*", "/v2/multi/manifests/*", 1..=6, disguise);
    for image in [&name, &by_digest] {
        verify(&["--recursive", image], 23).error("EVIDENCE-MEDIA-TYPE");
    }
    // The index cannot be read: what it names is not known, so nothing is said to be signed.
    trip.registry.on("GET", &format!("/v2/multi/manifests/{index}"), 1.., Fault::status(500));
    verify(&[&by_digest], 0);
    verify(&["--recursive", &by_digest], 50).error("REGISTRY-ANSWER");
}
