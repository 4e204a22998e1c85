//! `tree`, `copy` and `clean` at a registry that goes wrong on demand.

use serde_json::{Value, json};

use crate::registry::{Asked, Deletes, Fault, Manners, OCI_INDEX, OCI_MANIFEST, Registry, signature_tag};
use crate::support::{Outcome, Run};
use crate::trip::{Trip, release, second, together};

/// The image `app0:1` with its one layer, signed in both forms.
fn whole(manners: Manners, attach: &str) -> Trip {
    let trip = Trip::with(manners, 1);
    trip.registry.blob("app0", b"image 0");
    trip.import(&["--attach", attach]).expect(0);
    trip.registry.asked();
    trip
}

fn copy<'a>(trip: &'a Trip, to: &str) -> Run<'a> {
    trip.station.coldsign().args(["copy", &trip.name(0), to])
}

fn verify(trip: &Trip, image: &str, code: i32) -> Outcome {
    trip.station.coldsign().args(["verify", "--key", "release.pub", image]).expect(code)
}

fn writes(asked: &[Asked]) -> Vec<String> {
    asked.iter().filter(|asked| asked.writes()).map(|asked| asked.path().to_owned()).collect()
}

fn without_referrers() -> Manners {
    Manners { referrers: 404, ..Manners::default() }
}

#[test]
fn everything_arrives_byte_for_byte_and_the_name_last() {
    for manners in [Manners::default(), without_referrers(), Manners { mounts: false, ..Manners::default() }]
    {
        let mounts = manners.mounts;
        let trip = whole(manners, "both");
        let to = trip.registry.at("mirror/app:2");
        let outcome = copy(&trip, &to).expect(0);
        outcome.stdout(&format!("{}\n", trip.images[0]));
        let asked = trip.registry.asked_of("mirror/app");
        assert_eq!(writes(&asked).last().map(String::as_str), Some("/v2/mirror/app/manifests/2"));
        let (from, mut copied) = (trip.registry.held("app0"), trip.registry.held("mirror/app"));
        assert_eq!(copied.tags.remove("2"), from.tags.get("1").cloned());
        copied.tags.insert("1".to_owned(), from.tags["1"].clone());
        assert_eq!(copied, from);
        let sent =
            asked.iter().filter(|asked| asked.method == "PUT" && asked.path().contains("/uploads/")).count();
        assert_eq!(sent == 0, mounts, "{asked:#?}");
        verify(&trip, &to, 0);
        // Again: nothing is written.
        let again = copy(&trip, &to).expect(0);
        again.stderr_line("done: blobs: 0 sent, 6 there; manifests: 0 put, 3 there");
        assert_eq!(writes(&trip.registry.asked()), [""; 0]);
    }
}

#[test]
fn of_an_index_everything_below_it_and_beside_that() {
    let trip = Trip::new();
    let (index, children) = trip.platforms("multi", 2);
    for n in 0..2 {
        trip.registry.blob("multi", format!("platform {n}").as_bytes());
    }
    let name = trip.registry.at("multi:1");
    trip.station.coldsign().args(["export", "-o", "multi.tar", &name]).expect(0);
    trip.sign_file("multi.tar", &[&release()], "signed.tar");
    trip.station.coldsign().args(["import", "signed.tar", "--key", "release.pub"]).expect(0);
    let to = trip.registry.at("mirror:1");
    trip.station.coldsign().args(["copy", &name, &to]).expect(0).stdout(&format!("{index}\n"));
    let held = trip.registry.held("mirror");
    for digest in [&index, &children[0], &children[1]] {
        assert!(
            held.manifests.contains_key(digest) && held.tags.contains_key(&signature_tag(digest)),
            "{held:?}"
        );
    }
    trip.station.coldsign().args(["verify", "--recursive", "--key", "release.pub", &to]).expect(0);
    let tree = trip.station.coldsign().args(["tree", &to]).expect(0);
    assert_eq!(tree.stdout_text().matches("- signatures (.sig), 1 layer").count(), 3, "{tree}");
    let alone = trip.station.coldsign().args(["tree", "--no-recursive", &to]).expect(0);
    assert_eq!(alone.stdout_text().matches("- signatures (.sig), 1 layer").count(), 1, "{alone}");
    // A child that an index names and that is not there is found before anything is written.
    trip.registry.change("multi", |held| drop(held.manifests.remove(&children[1])));
    let other = trip.registry.at("other:1");
    trip.registry.asked();
    let run = trip.station.coldsign().args(["copy", &name, &other]).expect(20);
    run.error("SOURCE-ABSENT").says(&children[1]).stdout("");
    assert_eq!(writes(&trip.registry.asked()), [""; 0]);
    trip.station.coldsign().args(["tree", &name]).expect(0).stdout_line("  not there");
    let platform = ["--platform", "plan9/mips"];
    trip.station.coldsign().args(["copy", &name, &other]).args(platform).expect(11).error("PLATFORM-ABSENT");
}

/// What goes wrong with a layer, the check that says so, and whether it is tried again.
#[test]
fn a_layer_that_is_not_what_it_should_be_is_never_seen() {
    let answers = |status| Fault::status(status);
    let faults = [
        ("GET", Fault::Altered, 23, "LAYER-DIGEST"),
        ("GET", answers(404), 20, "LAYER-ABSENT"),
        ("GET", answers(403), 50, "REGISTRY-DENIED"),
        ("GET", Fault::Truncated, 50, "REGISTRY-REACH"),
        ("GET", Fault::DroppedBefore, 50, "REGISTRY-REACH"),
        ("PUT", answers(403), 50, "REGISTRY-DENIED"),
        ("PUT", answers(500), 50, "REGISTRY-ANSWER"),
        ("PUT", Fault::DroppedBefore, 50, "REGISTRY-REACH"),
        ("POST", answers(403), 50, "REGISTRY-DENIED"),
    ];
    together(faults.iter().map(|(method, _, code, check)| (*method, *code, *check)).zip(0..), |(case, n)| {
        let (method, code, check) = *case;
        let trip = whole(Manners { mounts: false, ..Manners::default() }, "both");
        let layer = format!("sha256:{}", coldsign::digest::Digest::of(b"image 0").hex());
        let path = match method {
            "GET" => format!("/v2/app0/blobs/{layer}"),
            _ => "/v2/mirror/app/blobs/uploads/*".to_owned(),
        };
        trip.registry.on(method, &path, 1.., faults[usize::try_from(*n).unwrap()].1.clone());
        let to = trip.registry.at("mirror/app:1");
        let before = trip.registry.contents();
        let outcome = copy(&trip, &to).expect(code);
        outcome.error(check).stdout("").says("no manifest was put");
        let held = trip.registry.held("mirror/app");
        assert!(held.manifests.is_empty() && held.tags.is_empty(), "{held:?}");
        assert!(!held.blobs.contains_key(&layer), "a wrong layer has its name");
        assert_eq!(trip.registry.held("app0"), before["app0"]);
        // When all is well again, the same command ends what it began.
        trip.registry.well();
        copy(&trip, &to).expect(0);
        verify(&trip, &to, 0);
    });
}

#[test]
fn a_connection_that_is_lost_once_costs_a_try() {
    for (method, path, fault) in [
        ("GET", "/v2/app0/blobs/*", Fault::Truncated),
        ("PUT", "/v2/mirror/app/blobs/uploads/*", Fault::DroppedBefore),
        ("PUT", "/v2/mirror/app/blobs/uploads/*", Fault::DroppedAfter),
        ("PUT", "/v2/mirror/app/blobs/uploads/*", Fault::with(429, "Retry-After", "1")),
        ("PUT", "/v2/mirror/app/blobs/uploads/*", Fault::status(503)),
    ] {
        let trip = whole(Manners { mounts: false, ..Manners::default() }, "both");
        trip.registry.on(method, path, 1..=1, fault);
        let to = trip.registry.at("mirror/app:1");
        copy(&trip, &to).expect(0);
        verify(&trip, &to, 0);
    }
}

/// Ctrl-C ends a layer that is under way, and nothing names what was sent.
#[test]
fn interrupted_in_a_layer() {
    let trip = Trip::unsigned(Registry::with(Manners { mounts: false, ..Manners::default() }), 0);
    let seed = "a layer ".repeat(300);
    let image = trip.registry.image("slow", "1", &seed);
    let layer = trip.registry.blob("slow", seed.as_bytes());
    let (from, to) = (trip.registry.at("slow:1"), trip.registry.at("mirror/app:1"));
    let layer = format!("/v2/slow/blobs/{layer}");
    trip.registry.on("GET", &layer, 1.., Fault::Dripping);
    let running = trip.station.coldsign().args(["copy", &from, &to]).start();
    while !trip.registry.asked().iter().any(|asked| asked.path() == layer) {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    rustix::process::kill_process(running.pid(), rustix::process::Signal::INT).unwrap();
    let outcome = running.finish();
    assert_eq!(outcome.code(), Some(1), "{outcome}");
    outcome.error("INTERRUPTED").says("no manifest was put").stdout("");
    let held = trip.registry.held("mirror/app");
    assert!(held.manifests.is_empty() && held.tags.is_empty(), "{held:?}");
    trip.registry.well();
    trip.station.coldsign().args(["copy", &from, &to]).expect(0).stdout(&format!("{image}\n"));
}

/// A registry that stores whatever it is sent gets no whole upload of a wrong digest.
#[test]
fn a_lax_registry_gets_no_wrong_bytes() {
    let trip = whole(Manners { mounts: false, lax: true, ..Manners::default() }, "sig");
    let layer = coldsign::digest::Digest::of(b"image 0").to_string();
    trip.registry.change("app0", |held| drop(held.blobs.insert(layer.clone(), b"image 1".to_vec())));
    copy(&trip, &trip.registry.at("mirror/app:1")).expect(23).error("LAYER-DIGEST");
    let asked = trip.registry.asked_of("mirror/app");
    let whole = |asked: &&Asked| asked.method == "PUT" && asked.target.contains(&layer[7..]);
    assert_eq!(asked.iter().filter(whole).count(), 0, "{asked:#?}");
}

#[test]
fn a_name_that_is_taken_stays() {
    let trip = whole(Manners::default(), "sig");
    let to = trip.registry.at("mirror/app:1");
    let other = trip.registry.image("mirror/app", "1", "other");
    trip.registry.asked();
    copy(&trip, &to).expect(30).error("DESTINATION-TAKEN").says(&other).says("nothing was written");
    assert_eq!(writes(&trip.registry.asked()), [""; 0]);
    copy(&trip, &to).arg("--force").expect(0);
    assert_eq!(trip.registry.held("mirror/app").tags["1"], trip.images[0]);
    // No image gets a name that signatures or referrers are found by.
    for suffix in ["", ".sig", ".att"] {
        let tag = format!("mirror/app:{}{suffix}", trip.images[0].replace(':', "-"));
        copy(&trip, &trip.registry.at(&tag)).expect(2).error("DESTINATION-NAME");
    }
    let digest = trip.registry.at(&format!("mirror/app@{other}"));
    copy(&trip, &digest).expect(23).error("REFERENCE-DIGEST");
    trip.station
        .coldsign()
        .args(["copy", &trip.registry.at("nothing:1"), &to])
        .expect(11)
        .error("IMAGE-ABSENT");
}

/// Signatures that stand at the destination stay, text for text.
#[test]
fn signatures_are_merged_where_others_stand() {
    let trip = whole(Manners::default(), "sig");
    let digest = trip.images[0].clone();
    let to = trip.registry.at("mirror/app:1");
    copy(&trip, &to).args(["--only", "image"]).expect(0);
    assert_eq!(trip.registry.sigs("mirror/app", &digest), 0);
    let odd = json!({
        "mediaType": "application/vnd.dev.cosign.simplesigning.v1+json", "size": 2,
        "digest": coldsign::digest::Digest::of(b"{}").to_string(), "x-kept": [1.50],
        "annotations": {"dev.cosignproject.cosign/signature": "MEUC"},
    });
    trip.registry.blob("mirror/app", b"{}");
    let config = trip.registry.blob("mirror/app", b"config");
    let standing = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "x-own": "kept",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 6},
        "layers": [odd],
    });
    trip.registry.manifest(
        "mirror/app",
        &signature_tag(&digest),
        OCI_MANIFEST,
        standing.to_string().as_bytes(),
    );
    let outcome = copy(&trip, &to).args(["--only", "sig"]).expect(0);
    outcome.says("(1 merged into what stood there)");
    let merged = trip.registry.read("mirror/app", &signature_tag(&digest)).unwrap();
    let merged: Value = serde_json::from_slice(&merged).unwrap();
    assert_eq!((&merged["layers"][0], &merged["x-own"]), (&standing["layers"][0], &standing["x-own"]));
    assert_eq!(merged["layers"].as_array().unwrap().len(), 2);
    verify(&trip, &to, 0);
    // Again, and the other way round: nothing is new there.
    copy(&trip, &to)
        .args(["--only", "sig"])
        .expect(0)
        .stderr_line("done: blobs: 0 sent, 2 there; manifests: 0 put, 1 there");
    // Where all that stands there comes along, the digest is kept.
    trip.sign_file("request.tar", &[&release(), &second()], "both.tar");
    let import = ["import", "both.tar", "--key", "release.pub", "--key", "second.pub"];
    let plain = trip.registry.at("plain/app:1");
    copy(&trip, &plain).expect(0);
    trip.station.coldsign().args(import).expect(0);
    copy(&trip, &plain).expect(0);
    let tag = signature_tag(&digest);
    assert_eq!(trip.registry.read("plain/app", &tag), trip.registry.read("app0", &tag));
}

#[test]
fn layouts_and_archives() {
    let trip = whole(Manners::default(), "both");
    copy(&trip, "oci:layout:1.4").expect(0).stdout(&format!("{}\n", trip.images[0]));
    copy(&trip, "oci-archive:a.tar:1.4").expect(0);
    copy(&trip, "oci-archive:b.tar:1.4").expect(0);
    trip.station.expect_file("b.tar", trip.station.read("a.tar"));
    copy(&trip, "oci-archive:a.tar:1.4").expect(1).error("OUT-EXISTS");
    for place in ["oci:layout:1.4", "oci-archive:a.tar:1.4"] {
        verify(&trip, place, 0).stderr_line("form: .sig, 1 of 1 valid; bundle, 1 of 1 valid");
        let back = trip.registry.at(&format!("back/{}:1", &place[4..7].replace(':', "x").replace('-', "y")));
        trip.station.coldsign().args(["copy", place, &back]).expect(0);
        verify(&trip, &back, 0);
        trip.station.coldsign().args(["tree", place]).expect(0).stdout_line("  - referrer: bundle, 1 layer");
    }
    // A layout is completed, an archive is whole or not there.
    let before = trip.station.everything();
    copy(&trip, "oci:layout:1.4")
        .expect(0)
        .stderr_line("done: blobs: 0 sent, 6 there; manifests: 0 put, 3 there");
    assert_eq!(trip.station.everything(), before);
    let layer = coldsign::digest::Digest::of(b"image 0");
    trip.registry.change("app0", |held| drop(held.blobs.insert(layer.to_string(), b"image 1".to_vec())));
    copy(&trip, "oci-archive:c.tar").expect(23).error("LAYER-DIGEST");
    trip.station.no_file("c.tar").no_file(".c.tar.partial");
    let blob = format!("other/blobs/sha256/{}", layer.hex());
    copy(&trip, "oci:other").expect(23).error("LAYER-DIGEST");
    trip.station.no_file(&blob).no_file(format!("other/.coldsign-{}.partial", layer.hex()));
    let index: Value = serde_json::from_slice(&trip.station.read("other/index.json")).unwrap();
    assert_eq!(index["manifests"], json!([]));
    // A layer that lies there under its name and is something else is put again.
    trip.registry.blob("app0", b"image 0");
    trip.station.write(&blob, b"image 2");
    copy(&trip, "oci:other").expect(0);
    trip.station.expect_file(&blob, b"image 0");
}

#[test]
fn clean_takes_signatures_and_nothing_else() {
    for manners in [
        Manners::default(),
        without_referrers(),
        Manners { deletes: Deletes::DigestsOnly, ..Manners::default() },
        Manners { deletes: Deletes::DigestsOnly, ..without_referrers() },
    ] {
        let trip = whole(manners, "both");
        let image = trip.registry.held("app0").tags["1"].clone();
        let clean = |more: &[&str]| trip.station.coldsign().args(["clean", &trip.name(0)]).args(more);
        let before = trip.registry.contents();
        clean(&[]).expect(2).error("USAGE").says("--force");
        assert_eq!(trip.registry.contents(), before);
        clean(&["--force", "--type", "attestation"]).expect(0).says("nothing to delete");
        clean(&["--force", "--type", "signature"]).expect(0).stderr_line("done: 1 manifest deleted");
        verify(&trip, &trip.name(0), 0).stderr_line("form: bundle, 1 of 1 valid");
        clean(&["--force"]).expect(0).stderr_line("done: 1 manifest deleted");
        verify(&trip, &trip.name(0), 10);
        let held = trip.registry.held("app0");
        assert_eq!(held.tags.into_iter().collect::<Vec<_>>(), [("1".to_owned(), image)]);
        clean(&["--force"]).expect(0).says("nothing to delete");
        trip.station.coldsign().args(["clean", "--force", &trip.registry.at("app0:2")]).expect(11);
    }
}

#[test]
fn what_only_lies_there_stays() {
    let trip = whole(Manners { deletes: Deletes::DigestsOnly, ..without_referrers() }, "sig");
    let digest = trip.images[0].clone();
    let clean = || trip.station.coldsign().args(["clean", "--force", &trip.name(0)]);
    // Another tag names the signatures.
    let tag = signature_tag(&digest);
    trip.registry.change("app0", |held| drop(held.tags.insert("kept".into(), held.tags[&tag].clone())));
    clean().expect(30).error("CLEAN-TAGS").says("app0:kept");
    trip.registry.change("app0", |held| drop(held.tags.remove("kept")));
    // An image under the tags of signatures and of referrers.
    trip.registry.change("app0", |held| {
        held.tags.insert(tag.clone(), digest.clone());
        held.tags.insert(digest.replace(':', "-"), digest.clone());
    });
    let before = trip.registry.contents();
    clean().expect(30).error("CLEAN-KIND").says(&tag);
    assert_eq!(trip.registry.contents(), before);
}

/// Whoever may push a tag writes the index of referrers: what it names and what is about another image is not deleted.
#[test]
fn a_referrer_of_another_image_stays() {
    let trip = whole(without_referrers(), "bundle");
    let tag = |number: usize| trip.images[number].replace(':', "-");
    let index = |number: usize| trip.registry.read("app0", &tag(number)).unwrap();
    let mut ours: Value = serde_json::from_slice(&index(0)).unwrap();
    let bundle = ours["manifests"][0]["digest"].as_str().unwrap().to_owned();
    // Another image, whose index names the bundle of the first.
    let other = trip.registry.image("app0", "other", "another image");
    ours["manifests"].as_array_mut().unwrap().truncate(1);
    trip.registry.manifest("app0", &other.replace(':', "-"), OCI_INDEX, ours.to_string().as_bytes());
    let before = trip.registry.contents();
    let clean = |name: &str| trip.station.coldsign().args(["clean", "--force", &trip.registry.at(name)]);
    clean("app0:other").expect(30).error("CLEAN-KIND").says(&trip.images[0]).says(&bundle);
    assert_eq!(trip.registry.contents(), before);
    verify(&trip, &trip.name(0), 0);
    // A bundle that another tag names is refused while it is still listed.
    trip.registry.change("app0", |held| drop(held.tags.insert("kept".into(), bundle.clone())));
    let before = trip.registry.contents();
    clean("app0:1").expect(30).error("CLEAN-TAGS").says("app0:kept");
    assert_eq!(trip.registry.contents(), before);
    verify(&trip, &trip.name(0), 0);
}

#[test]
fn an_index_of_referrers_keeps_what_is_not_ours() {
    let trip = whole(without_referrers(), "bundle");
    let digest = trip.images[0].clone();
    let tag = digest.replace(':', "-");
    let mut index: Value = serde_json::from_slice(&trip.registry.read("app0", &tag).unwrap()).unwrap();
    let config = trip.registry.blob("app0", b"{}");
    let config = json!({"mediaType": "application/vnd.oci.empty.v1+json", "digest": config, "size": 2});
    let helm = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": "application/vnd.example", "config": config,
        "layers": [config], "subject": {"mediaType": OCI_MANIFEST, "digest": digest, "size": 401},
    })
    .to_string();
    let other = trip.registry.manifest("app0", "", OCI_MANIFEST, helm.as_bytes());
    let entry = json!({"mediaType": OCI_MANIFEST, "digest": other, "size": helm.len(), "x-kept": 1});
    index["manifests"].as_array_mut().unwrap().push(entry.clone());
    trip.registry.manifest("app0", &tag, OCI_INDEX, index.to_string().as_bytes());
    let outcome = trip.station.coldsign().args(["clean", "--force", &trip.name(0)]).expect(0);
    outcome.says("stays, no signature or the like").says(&other).stderr_line("done: 1 manifest deleted");
    let left: Value = serde_json::from_slice(&trip.registry.read("app0", &tag).unwrap()).unwrap();
    assert_eq!(left["manifests"], json!([entry]));
    assert!(trip.registry.held("app0").manifests.contains_key(&other));
}

#[test]
fn a_registry_that_does_not_delete_says_so() {
    for (fault, code, check) in [
        (Fault::status(405), 50, "REGISTRY-DENIED"),
        (Fault::status(403), 50, "REGISTRY-DENIED"),
        (Fault::Lost, 51, "CLEAN-LEFT"),
        (Fault::with(429, "Retry-After", "61"), 50, "REGISTRY-ANSWER"),
    ] {
        let trip = whole(Manners::default(), "sig");
        trip.registry.on("DELETE", "/v2/app0/manifests/*", 1.., fault);
        let clean = || trip.station.coldsign().args(["clean", "--force", &trip.name(0)]);
        let outcome = clean().expect(code);
        outcome.error(check);
        assert!(outcome.stderr_text().lines().all(|line| line.len() <= 200), "{outcome}");
        verify(&trip, &trip.name(0), 0);
        // A registry that is busy for a while is waited for.
        trip.registry.well().on(
            "DELETE",
            "/v2/app0/manifests/*",
            1..=2,
            Fault::with(429, "Retry-After", "0"),
        );
        clean().expect(0);
        verify(&trip, &trip.name(0), 10);
    }
}

#[test]
fn trees() {
    let trip = whole(Manners::default(), "both");
    let tree = |more: &[&str]| trip.station.coldsign().arg("tree").args(more);
    let outcome = tree(&[&trip.name(0)]).expect(0);
    outcome.stderr("").stdout(&format!(
        "{}\nimage, 1 layer\n{}\n  - signatures (.sig), 1 layer\n    sha256:[..]\n  - referrer: bundle, 1 layer\n    \
         sha256:[..]\n    artifact type application/vnd.dev.sigstore.bundle.v0.3+json\n    predicate type \
         https://sigstore.dev/cosign/sign/v1\n",
        trip.name(0),
        trip.images[0]
    ));
    let json = tree(&["--output", "json", &trip.name(0)]).expect(0);
    let value: Value = serde_json::from_slice(json.stdout_bytes()).unwrap();
    let beside = &value["manifests"][0]["beside"];
    assert_eq!(beside[0]["kind"], "signature");
    assert_eq!(beside[0]["tag"], signature_tag(&trip.images[0]));
    assert_eq!(beside[1]["predicateTypes"], json!(["https://sigstore.dev/cosign/sign/v1"]));
    tree(&[&trip.registry.at("app0:2")]).expect(11).error("IMAGE-ABSENT");
    tree(&[&trip.registry.at("none:1")]).expect(11).error("IMAGE-ABSENT");
    // In another repository.
    let elsewhere = trip.registry.at("sigs/all");
    let nothing = tree(&[&trip.name(0), "--signature-repository", &elsewhere]).expect(0);
    nothing.stdout_line("  nothing beside it");
    trip.import(&["--signature-repository", &elsewhere]).expect(0);
    tree(&[&trip.name(0)])
        .env("COSIGN_REPOSITORY", &elsewhere)
        .expect(0)
        .stdout_line("  - signatures (.sig), 1 layer");
    // Copied from there, they stand beside the image.
    let to = trip.registry.at("mirror/app:1");
    copy(&trip, &to).args(["--signature-repository", &elsewhere]).expect(0);
    assert_eq!(trip.registry.sigs("mirror/app", &trip.images[0]), 1);
    let clean = ["clean", "--force", "--signature-repository", &elsewhere, &trip.name(0)];
    trip.station.coldsign().args(clean).expect(0).stderr_line("done: 1 manifest deleted");
    assert_eq!((trip.registry.sigs("sigs/all", &trip.images[0]), trip.sigs(0)), (0, 1));
    // Foreign text is shown in ASCII.
    trip.registry.change("app0", |held| {
        let (digest, (_, bytes)) = held
            .manifests
            .iter()
            .find(|(_, (_, bytes))| bytes.windows(7).any(|part| part == b"subject"))
            .unwrap();
        let hostile =
            String::from_utf8(bytes.clone()).unwrap().replace("https://sigstore.dev", "\u{202e}\u{7}");
        let hostile = hostile.replace('\u{7}', "\\u001b[2J");
        let digest = digest.clone();
        held.manifests.remove(&digest);
        let digest = coldsign::digest::Digest::of(hostile.as_bytes()).to_string();
        held.manifests.insert(digest, (OCI_MANIFEST.to_owned(), hostile.into_bytes()));
    });
    let hostile = tree(&[&trip.name(0)]).expect(0);
    hostile.stdout_line("    predicate type \\u{202e}\\u{1b}[2J/cosign/sign/v1");
}

/// A layer that is not to be carried stays where its `urls` lead.
#[test]
fn foreign_layers_stay_where_they_are() {
    let registry = Registry::with(Manners { lax: true, ..Manners::default() });
    let trip = Trip::unsigned(registry, 0);
    let config = trip.registry.blob("win", b"{}");
    let layer = coldsign::digest::Digest::of(b"layer").to_string();
    let image = |kind: &str, urls: &[&str]| {
        json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 2},
            "layers": [{"mediaType": kind, "digest": layer, "size": 5, "urls": urls}],
        })
        .to_string()
    };
    let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    let name = trip.registry.at("win:1");
    let copy = |to: &str| trip.station.coldsign().args(["copy", &name, &trip.registry.at(to)]);
    trip.registry.manifest("win", "1", OCI_MANIFEST, image(foreign, &["https://example.org/l"]).as_bytes());
    copy("to/a:1").expect(0).says("not carried: 1 layer that may not be");
    assert!(!trip.registry.held("to/a").blobs.contains_key(&layer));
    // Any other layer is to be there, whatever else it says.
    for (kind, urls) in
        [(foreign, &[][..]), ("application/vnd.oci.image.layer.v1.tar", &["https://example.org/l"][..])]
    {
        trip.registry.manifest("win", "1", OCI_MANIFEST, image(kind, urls).as_bytes());
        copy("to/b:1").expect(20).error("LAYER-ABSENT").says(&layer);
    }
}
