//! What a registry is asked when all is well: no more than is needed, over few connections, and never for a layer.

use crate::login::log_in;
use crate::registry::{Auth, Manners, PASSWORD, Registry, USER};
use crate::trip::{Trip, release};

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
    log_in(&trip, USER, PASSWORD);
    trip.station.coldsign().args(["verify", "--key", "release.pub"]).args(&names).expect(10);
    let tokens = trip.registry.asked().iter().filter(|asked| asked.path() == "/token").count();
    assert_eq!(tokens, 1);
}
