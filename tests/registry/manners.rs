//! What a registry is asked when all is well: no more than is needed, over few connections, and never for a layer.

use crate::registry::{Asked, Auth, Manners, Registry, is_like, signature_tag};
use crate::trip::{Trip, release};

fn lines(asked: &[Asked]) -> Vec<String> {
    asked.iter().map(|asked| format!("{} {}", asked.method, asked.target)).collect()
}

#[test]
fn verify_asks_four_times_for_a_tag_and_three_times_for_a_digest() {
    let trip = Trip::imported("sig");
    let subject = &trip.images[0];
    let payload = trip.registry.held("app0").blobs.iter().find_map(|(digest, bytes)| {
        String::from_utf8_lossy(bytes).contains("docker-manifest-digest").then(|| digest.clone())
    });
    let three = [
        format!("GET /v2/app0/manifests/{}", signature_tag(subject)),
        format!("GET /v2/app0/blobs/{}", payload.unwrap()),
        format!("GET /v2/app0/referrers/{subject}"),
    ];
    trip.verify(&[]).expect(0);
    let mut found = lines(&trip.registry.asked());
    assert_eq!(found.remove(0), "GET /v2/app0/manifests/1");
    found.sort();
    let mut wanted = three.to_vec();
    wanted.sort();
    assert_eq!(found, wanted);
    let digest = trip.registry.at(&format!("app0@{subject}"));
    trip.station.coldsign().args(["verify", "--key", "release.pub", &digest]).expect(0);
    let mut found = lines(&trip.registry.asked());
    found.sort();
    assert_eq!(found, wanted);
}

/// A payload that two layers share is fetched once; so is an image that two names have.
#[test]
fn layers_are_never_fetched_and_connections_are_kept() {
    const IMAGES: usize = 40;
    let trip = Trip::unsigned(Registry::start(), IMAGES);
    trip.export("request.tar").expect(0);
    let asked = trip.registry.asked();
    // A layer is no blob of this registry: asking for one would have been a 404.
    assert!(asked.iter().all(|asked| asked.method == "GET" || asked.method == "HEAD"));
    let held: Vec<String> =
        trip.registry.contents().values().flat_map(|held| held.blobs.keys().cloned()).collect();
    for asked in asked.iter().filter(|asked| asked.path().contains("/blobs/")) {
        assert!(held.iter().any(|digest| asked.path().ends_with(digest.as_str())), "{}", asked.target);
    }
    trip.sign(&release(), "response.tar");
    for (workers, most) in [("1", 2), ("4", 5)] {
        let before = trip.registry.connections();
        trip.import(&["--max-workers", workers]).expect(0);
        let made = trip.registry.connections() - before;
        assert!(made <= most, "{made} connections for {workers} workers");
    }
}

/// Ten workers fetch one token for one repository, not ten.
#[test]
fn workers_share_a_token() {
    let registry = Registry::with(Manners { auth: Auth::Bearer(None), ..Manners::default() });
    let names: Vec<String> = (0..30)
        .map(|n| {
            registry.image("many", &format!("t{n}"), &format!("image {n}"));
            registry.at(&format!("many:t{n}"))
        })
        .collect();
    let trip = Trip::unsigned(registry, 0);
    crate::login::log_in(&trip, crate::registry::USER, crate::registry::PASSWORD);
    trip.station.coldsign().args(["verify", "--key", "release.pub"]).args(&names).expect(10);
    let tokens = trip.registry.asked().iter().filter(|asked| asked.path() == "/token").count();
    assert_eq!(tokens, 1);
}

/// The signatures of an image in another repository than its own.
#[test]
fn signatures_in_another_repository() {
    let trip = Trip::new();
    let before = trip.registry.held("app0");
    let elsewhere = trip.registry.at("signatures");
    trip.import(&["--attach", "both", "--signature-repository", &elsewhere]).expect(0);
    assert_eq!(trip.registry.held("app0"), before);
    assert_eq!(trip.registry.sigs("signatures", &trip.images[0]), 1);
    assert_eq!(trip.registry.referrers("signatures", &trip.images[0]).len(), 1);
    trip.verify(&[]).expect(10).error("SIG-ABSENT");
    trip.verify(&["--signature-repository", &elsewhere]).expect(0);
    trip.verify(&[]).env("COSIGN_REPOSITORY", &elsewhere).expect(0);
    let flag_wins = trip.verify(&["--signature-repository", &trip.registry.at("app0")]);
    flag_wins.env("COSIGN_REPOSITORY", &elsewhere).expect(10).error("SIG-ABSENT");
}

/// An index, its platforms, and each of them alone; and a mirror of it all, where the name in the payload is another.
#[test]
fn an_index_its_platforms_and_a_mirror() {
    let registry = Registry::start();
    let index = registry.index("app0", "1", "index");
    let mut trip = Trip::unsigned(registry, 0);
    trip.images.push(index);
    trip.export("request.tar").expect(0);
    trip.sign(&release(), "response.tar");
    trip.import(&[]).expect(0).says("3 .sig");
    trip.verify(&["--recursive"]).expect(0);
    trip.copy(1);
    trip.verify_one(1, &["--recursive"]).expect(0).says("identity not compared");
    trip.verify_one(0, &[]).expect(0).never("identity not compared");
    let top = signature_tag(&trip.images[0]);
    let mut tags = trip.registry.held("app1").tags.into_keys();
    let child = tags.find(|tag| is_like("*.sig", tag) && *tag != top).unwrap();
    trip.registry.change("app1", |held| drop(held.tags.remove(&child)));
    trip.verify_one(1, &[]).expect(0);
    trip.verify_one(1, &["--recursive"]).expect(10).error("SIG-ABSENT");
}
