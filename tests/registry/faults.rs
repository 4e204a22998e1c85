//! What registries do wrong, one thing a scenario: which check says so, and that nothing is lost by it. A neighbour to
//! each refusal shows what is still borne.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde_json::{Value, json};

use crate::registry::{
    Asked, Fault, Held, Location, Manners, OCI_INDEX, OCI_MANIFEST, Registry, Reply, is_like, signature_tag,
};
use crate::support::Outcome;
use crate::trip::{Trip, release, second, together};

/// Always.
const ALWAYS: RangeInclusive<usize> = 1..=usize::MAX;
const ONCE: RangeInclusive<usize> = 1..=1;
const TWICE: RangeInclusive<usize> = 1..=2;

/// A run with a fault, and how it ends: exit code and `error[ID]`; 0 and an empty id where it succeeds.
#[derive(Clone)]
struct Scenario {
    name: &'static str,
    method: &'static str,
    pattern: &'static str,
    times: RangeInclusive<usize>,
    fault: Fault,
    arguments: &'static [&'static str],
    exit: i32,
    check: &'static str,
}

impl std::fmt::Debug for Scenario {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} {} -> {} {}", self.name, self.method, self.pattern, self.exit, self.check)
    }
}

impl Scenario {
    fn with(mut self, arguments: &'static [&'static str]) -> Self {
        self.arguments = arguments;
        self
    }

    /// The pattern, in this repository instead of `app0`.
    fn pattern(&self, repository: usize) -> String {
        self.pattern.replace("app0", &format!("app{repository}"))
    }

    fn inject(&self, registry: &Registry, repository: usize) {
        registry.on(self.method, &self.pattern(repository), self.times.clone(), self.fault.clone());
    }

    #[track_caller]
    fn ends(&self, outcome: &Outcome) {
        assert_eq!(outcome.code(), Some(self.exit), "{self:?}\n{outcome}");
        if self.check.is_empty() {
            assert!(!outcome.stderr_text().contains("error["), "{self:?}\n{outcome}");
        } else {
            outcome.error(self.check);
        }
        outcome.never("panicked");
    }
}

fn scenario(
    name: &'static str,
    at: (&'static str, &'static str),
    times: RangeInclusive<usize>,
    fault: Fault,
    (exit, check): (i32, &'static str),
) -> Scenario {
    Scenario { name, method: at.0, pattern: at.1, times, fault, arguments: &[], exit, check }
}

/// What reading bytes may meet: the same for a tag, a manifest, a config, a payload, a referrer.
fn of_reading(at: (&'static str, &'static str)) -> Vec<Scenario> {
    let s = |name, times, fault, ends| scenario(name, at, times, fault, ends);
    vec![
        s("401", ALWAYS, Fault::status(401), (50, "REGISTRY-LOGIN")),
        s("403", ALWAYS, Fault::status(403), (50, "REGISTRY-DENIED")),
        s("400", ALWAYS, Fault::status(400), (50, "REGISTRY-ANSWER")),
        s("418", ALWAYS, Fault::status(418), (50, "REGISTRY-ANSWER")),
        s("500", ALWAYS, Fault::status(500), (50, "REGISTRY-ANSWER")),
        s("503 twice", TWICE, Fault::status(503), (0, "")),
        s("429 once", ONCE, Fault::with(429, "Retry-After", "1"), (0, "")),
        s(
            "429, come back tomorrow",
            ALWAYS,
            Fault::with(429, "Retry-After", "86400"),
            (50, "REGISTRY-ANSWER"),
        ),
        s("truncated", ALWAYS, Fault::Truncated, (50, "REGISTRY-REACH")),
        s("truncated once", ONCE, Fault::Truncated, (0, "")),
        s("altered", ALWAYS, Fault::Altered, (52, "REGISTRY-DIGEST")),
        s("endless", ALWAYS, Fault::Endless, (50, "REGISTRY-LIMIT")),
        s("dripping", ALWAYS, Fault::Dripping, (50, "REGISTRY-TIMEOUT")).with(&["--request-timeout", "2"]),
        s("hang", ALWAYS, Fault::Hang, (50, "REGISTRY-TIMEOUT")).with(&["--request-timeout", "2"]),
        s("dropped", ALWAYS, Fault::DroppedBefore, (50, "REGISTRY-REACH")),
        s("dropped once", ONCE, Fault::DroppedBefore, (0, "")),
        s("redirect in a loop", ALWAYS, to("/v2/loop"), (50, "REGISTRY-REDIRECT")),
        s("redirect to nowhere", ALWAYS, Fault::status(307), (50, "REGISTRY-REDIRECT")),
        s("redirect to a file", ALWAYS, to("file:///etc/passwd"), (50, "REGISTRY-REDIRECT")),
        s("large error", ALWAYS, large_error(), (50, "REGISTRY-ANSWER")),
        s("no error in words", ALWAYS, Fault::Answer(Reply::new(404 + 6)), (50, "REGISTRY-ANSWER")),
    ]
}

fn to(location: &str) -> Fault {
    Fault::with(307, "Location", location)
}

fn large_error() -> Fault {
    Fault::Answer(Reply::error(500, "UNKNOWN", &"\u{1b}[31mx".repeat(1 << 20)))
}

fn kind(media_type: &str) -> Fault {
    Fault::Header("Content-Type", Some(media_type.to_owned()))
}

/// The rule of a redirect in a loop.
fn looping(registry: &Registry) {
    registry.on("GET", "/v2/loop", ALWAYS, to("/v2/loop"));
}

#[test]
fn export_of_a_registry_that_goes_wrong() {
    let tag = ("GET", "/v2/app0/manifests/1");
    let config = ("GET", "/v2/app0/blobs/*");
    let s = scenario;
    let mut scenarios = of_reading(tag);
    scenarios.extend(of_reading(config));
    let digest = Fault::Header("Docker-Content-Digest", Some(format!("sha256:{}", "0".repeat(64))));
    scenarios.extend([
        s("no such tag", tag, ALWAYS, Fault::status(404), (11, "IMAGE-ABSENT")),
        s("no such blob", config, ALWAYS, Fault::status(404), (20, "SOURCE-ABSENT")),
        s("another digest in the header", tag, ALWAYS, digest.clone(), (52, "REGISTRY-DIGEST")),
        s("another digest in the header", config, ALWAYS, digest, (52, "REGISTRY-DIGEST")),
        s(
            "no digest in the header",
            ("*", "*"),
            ALWAYS,
            Fault::Header("Docker-Content-Digest", None),
            (0, ""),
        ),
    ]);
    let trip = Trip::unsigned(Registry::start(), scenarios.len());
    looping(&trip.registry);
    together(scenarios.into_iter().enumerate(), |(n, scenario)| {
        let (repository, first, second) =
            (format!("app{n}"), format!("first{n}.tar"), format!("second{n}.tar"));
        scenario.inject(&trip.registry, *n);
        let outcome = trip.export_one(*n, &first).args(scenario.arguments).run();
        scenario.ends(&outcome);
        never_again(scenario, *n, &trip.registry.asked_of(&repository));
        trip.registry.well_in(&repository);
        let again = trip.export_one(*n, &second).expect(0);
        if scenario.exit == 0 {
            let said = again.stderr_text().replace(&second, &first);
            assert_eq!(said, outcome.stderr_text(), "what was tried again is not worth a word");
        } else {
            trip.station.no_file(&first);
        }
    });
}

/// A request that timed out is not sent again in this run.
fn never_again(scenario: &Scenario, repository: usize, asked: &[Asked]) {
    if scenario.check == "REGISTRY-TIMEOUT" {
        let fits = |asked: &&Asked| {
            asked.method == scenario.method && is_like(&scenario.pattern(repository), asked.path())
        };
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        asked.iter().filter(fits).for_each(|asked| *seen.entry(&asked.target).or_default() += 1);
        assert!(!seen.is_empty() && seen.values().all(|times| *times == 1), "{scenario:?}: {seen:?}");
    }
}

/// TAG-CHANGED: the tag names another image when export is about to write.
#[test]
fn a_tag_that_moves_during_the_export() {
    let trip = Trip::unsigned(Registry::start(), 1);
    trip.registry.image("app0", "other", "another image");
    let (change, other) = (trip.registry.changer(), trip.registry.held("app0").tags["other"].clone());
    let moves = Fault::meanwhile(move || {
        change("app0", &|held: &mut Held| drop(held.tags.insert("1".to_owned(), other.clone())));
    });
    // When its config is read, the tag has been resolved.
    trip.registry.on("GET", "/v2/app0/blobs/*", ONCE, moves);
    trip.export("request.tar").expect(52).error("TAG-CHANGED").says(&trip.name(0));
    trip.station.no_file("request.tar");
    trip.export("request.tar").expect(0);
}

/// The `.sig` that stands there is another key's; whatever goes wrong, it stays, and then ours stands beside it.
#[test]
fn import_into_a_registry_that_goes_wrong() {
    let s = scenario;
    let probe = ("POST", "/v2/app0/blobs/uploads/");
    let sig = ("GET", "/v2/app0/manifests/*.sig");
    let put_sig = ("PUT", "/v2/app0/manifests/*.sig");
    let upload = ("*", "/v2/app0/blobs/uploads/*");
    let mut scenarios = of_reading(sig);
    let wrong = Fault::Header("Docker-Content-Digest", Some(format!("sha256:{}", "0".repeat(64))));
    scenarios.extend([
        s("push denied", probe, ALWAYS, Fault::status(403), (50, "REGISTRY-DENIED")),
        s("login refused", probe, ALWAYS, Fault::status(401), (50, "REGISTRY-LOGIN")),
        s("probe 405", probe, ONCE, Fault::status(405), (0, "")),
        s("probe 404", probe, ONCE, Fault::status(404), (0, "")),
        s("probe without Location", probe, ONCE, Fault::Header("Location", None), (0, "")),
        s(
            "no upload without Location",
            probe,
            2..=usize::MAX,
            Fault::Answer(Reply::new(202)),
            (51, "REGISTRY-ANSWER"),
        ),
        s("uploads fail", upload, 3..=usize::MAX, Fault::status(500), (51, "REGISTRY-ANSWER")),
        s("uploads dropped once", upload, 3..=3, Fault::DroppedAfter, (0, "")),
        s("another digest in the header", sig, ALWAYS, wrong.clone(), (52, "REGISTRY-DIGEST")),
        s("put: 400", put_sig, ALWAYS, Fault::status(400), (51, "REGISTRY-ANSWER")),
        s("put: 403", put_sig, ALWAYS, Fault::status(403), (51, "REGISTRY-DENIED")),
        s("put: 405", put_sig, ALWAYS, Fault::status(405), (51, "REGISTRY-DENIED")),
        s("put: 500 twice", put_sig, TWICE, Fault::status(500), (0, "")),
        s("put: 500", put_sig, ALWAYS, Fault::status(500), (51, "REGISTRY-ANSWER")),
        s("put: redirect", put_sig, ALWAYS, to("/v2/loop"), (51, "REGISTRY-REDIRECT")),
        s("put: dropped before", put_sig, ONCE, Fault::DroppedBefore, (0, "")),
        s("put: dropped after", put_sig, ONCE, Fault::DroppedAfter, (0, "")),
        s("put: lost", put_sig, ONCE, Fault::Lost, (0, "")),
        s("put: lost seven times", put_sig, 1..=7, Fault::Lost, (0, "")),
        s("put: lost always", put_sig, ALWAYS, Fault::Lost, (51, "PUSH-LOST")),
        s("put: no Location", put_sig, ALWAYS, Fault::Header("Location", None), (0, "")),
        s("put: another digest", put_sig, ALWAYS, wrong, (52, "REGISTRY-DIGEST")),
        s("put: hang", put_sig, ALWAYS, Fault::Hang, (51, "REGISTRY-TIMEOUT"))
            .with(&["--request-timeout", "2"]),
    ]);
    together(scenarios, |scenario| {
        let trip = Trip::new();
        looping(&trip.registry);
        trip.sign(&second(), "second.tar");
        trip.station.coldsign().args(["import", "second.tar", "--key", "second.pub"]).expect(0);
        let before = trip.registry.held("app0");
        trip.registry.asked();
        scenario.inject(&trip.registry, 0);
        let outcome = trip.import(scenario.arguments).run();
        scenario.ends(&outcome);
        let asked = trip.registry.asked();
        never_again(scenario, 0, &asked);
        if scenario.exit == 50 {
            outcome.says("nothing was pushed");
        }
        if scenario.exit != 0 {
            let stays = trip.registry.held("app0").tags == before.tags;
            assert!(stays || scenario.check == "REGISTRY-DIGEST", "{scenario:?}\n{outcome}");
            trip.registry.well();
            trip.import(&[]).expect(0);
        }
        if scenario.check == "PUSH-LOST" {
            let puts = asked.iter().filter(|asked| asked.method == "PUT" && is_like("*.sig", asked.path()));
            assert_eq!(puts.count(), 8, "one a round");
        }
        assert_eq!(trip.sigs(0), 2);
        for key in ["release.pub", "second.pub"] {
            trip.station.coldsign().args(["verify", "--key", key, &trip.name(0)]).expect(0);
        }
    });
}

/// The same for bundles, by the API and by the tag that stands in for it.
#[test]
fn import_of_bundles_into_a_registry_that_goes_wrong() {
    let s = scenario;
    let api = ("GET", "/v2/app0/referrers/*");
    let tag = ("GET", "/v2/app0/manifests/sha256-*");
    let put = ("PUT", "/v2/app0/manifests/sha256:*");
    let put_tag = ("PUT", "/v2/app0/manifests/sha256-*");
    let not_json = Fault::Answer(Reply::new(200).body("text/html", "<html>"));
    let no_index = Fault::Answer(Reply::new(200).body("application/json", "{}"));
    let with_api = [
        s("401", api, ALWAYS, Fault::status(401), (50, "REGISTRY-LOGIN")),
        s("403", api, ALWAYS, Fault::status(403), (50, "REGISTRY-DENIED")),
        s("400", api, ALWAYS, Fault::status(400), (50, "REGISTRY-ANSWER")),
        s("500", api, ALWAYS, Fault::status(500), (50, "REGISTRY-ANSWER")),
        s("503 twice", api, TWICE, Fault::status(503), (0, "")),
        s("a page of HTML", api, ALWAYS, not_json, (50, "REGISTRY-ANSWER")),
        s("JSON of another kind", api, ALWAYS, no_index, (50, "REGISTRY-ANSWER")),
        s("truncated", api, ALWAYS, Fault::Truncated, (50, "REGISTRY-REACH")),
        s("endless", api, ALWAYS, Fault::Endless, (50, "REGISTRY-LIMIT")),
        s("hang", api, ALWAYS, Fault::Hang, (50, "REGISTRY-TIMEOUT")).with(&["--request-timeout", "2"]),
        s("put: 500", put, ALWAYS, Fault::status(500), (51, "REGISTRY-ANSWER")),
        s("put: dropped after", put, ONCE, Fault::DroppedAfter, (0, "")),
        s("put: lost", put, ONCE, Fault::Lost, (0, "")),
        s("put: lost always", put, ALWAYS, Fault::Lost, (51, "PUSH-LOST")),
    ];
    let with_tag = [
        s("500", tag, ALWAYS, Fault::status(500), (50, "REGISTRY-ANSWER")),
        s("503 twice", tag, TWICE, Fault::status(503), (0, "")),
        s("403", tag, ALWAYS, Fault::status(403), (50, "REGISTRY-DENIED")),
        s("hang", tag, ALWAYS, Fault::Hang, (50, "REGISTRY-TIMEOUT")).with(&["--request-timeout", "2"]),
        s("put: lost", put_tag, ONCE, Fault::Lost, (0, "")),
        s("put: lost always", put_tag, ALWAYS, Fault::Lost, (51, "PUSH-LOST")),
        s("put: dropped after", put_tag, ONCE, Fault::DroppedAfter, (0, "")),
    ];
    let scenarios = with_api.map(|scenario| (200, scenario)).into_iter();
    together(scenarios.chain(with_tag.map(|scenario| (404, scenario))), |(referrers, scenario)| {
        let trip = Trip::with(Manners { referrers: *referrers, ..Manners::default() }, 1);
        scenario.inject(&trip.registry, 0);
        let outcome = trip.import(&["--attach", "bundle"]).args(scenario.arguments).run();
        scenario.ends(&outcome);
        never_again(scenario, 0, &trip.registry.asked());
        trip.registry.well();
        if scenario.exit != 0 {
            assert_eq!(trip.bundles(0), 0);
            trip.import(&["--attach", "bundle"]).expect(0);
        }
        assert_eq!(trip.bundles(0), 1);
        trip.verify(&[]).expect(0);
    });
}

/// Only a 404 for the `.sig` means that there is none; whatever else went wrong where a signature was needed from is
/// the verdict, never 10.
#[test]
fn verify_at_a_registry_that_goes_wrong() {
    let s = scenario;
    let tag = ("GET", "/v2/app0/manifests/1");
    let sig = ("GET", "/v2/app0/manifests/*.sig");
    let payload = ("GET", "/v2/app0/blobs/*");
    let digest = Fault::Header("Docker-Content-Digest", Some(format!("sha256:{}", "0".repeat(64))));
    let mut scenarios: Vec<Scenario> = [tag, sig, payload].into_iter().flat_map(of_reading).collect();
    scenarios.extend([
        s("no such tag", tag, ALWAYS, Fault::status(404), (11, "SIG-TAG")),
        s("a page for people", tag, ALWAYS, Fault::Answer(Reply::new(200)), (50, "REGISTRY-ANSWER")),
        s("an error that says 200", tag, ALWAYS, Fault::status(200), (50, "REGISTRY-ANSWER")),
        s("no such .sig", sig, ALWAYS, Fault::status(404), (10, "SIG-ABSENT")),
        s("405", sig, ALWAYS, Fault::status(405), (50, "REGISTRY-DENIED")),
        s("no such payload", payload, ALWAYS, Fault::status(404), (12, "SIG-LAYER-SIZE")),
        s("a .sig of another type", sig, ALWAYS, kind("text/html"), (12, "SIG-MANIFEST-KIND")),
        s("a .sig of no type", sig, ALWAYS, Fault::Header("Content-Type", None), (0, "")),
        s("an image of another type", tag, ALWAYS, kind("text/html"), (0, "")),
        s("a type with parameters", sig, ALWAYS, kind(&format!("{OCI_MANIFEST}; charset=utf-8")), (0, "")),
        s("another digest in the header", sig, ALWAYS, digest.clone(), (52, "REGISTRY-DIGEST")),
        s("another digest in the header", payload, ALWAYS, digest, (52, "REGISTRY-DIGEST")),
    ]);
    let trip = Trip::imported("sig");
    (1..scenarios.len()).for_each(|n| trip.copy(n));
    looping(&trip.registry);
    together(scenarios.into_iter().enumerate(), |(n, scenario)| {
        let repository = format!("app{n}");
        scenario.inject(&trip.registry, *n);
        let outcome = trip.verify_one(*n, scenario.arguments).run();
        scenario.ends(&outcome);
        assert_eq!(outcome.stdout_bytes().is_empty(), scenario.exit != 0, "{scenario:?}\n{outcome}");
        never_again(scenario, *n, &trip.registry.asked_of(&repository));
        trip.registry.well_in(&repository);
        trip.verify_one(*n, &[]).expect(0);
    });
}

/// What a neighbour cuts off never unmakes a good `.sig`, and is the error where only a bundle could have counted.
#[test]
fn a_neighbour_that_goes_wrong_unmakes_nothing() {
    let s = scenario;
    let list = ("GET", "/v2/app0/referrers/*");
    let bundle = ("GET", "/v2/app0/blobs/*");
    let link = |target: &str| Fault::Header("Link", Some(format!("<{target}>; rel=\"next\"")));
    let scenarios = [
        s("500", list, ALWAYS, Fault::status(500), (50, "REGISTRY-ANSWER")),
        s("403", list, ALWAYS, Fault::status(403), (50, "REGISTRY-DENIED")),
        s("truncated", list, ALWAYS, Fault::Truncated, (50, "REGISTRY-REACH")),
        s("endless", list, ALWAYS, Fault::Endless, (50, "REGISTRY-LIMIT")),
        s("hang", list, ALWAYS, Fault::Hang, (50, "REGISTRY-TIMEOUT")).with(&["--request-timeout", "2"]),
        s("drip", list, ALWAYS, Fault::Dripping, (50, "REGISTRY-TIMEOUT")).with(&["--request-timeout", "2"]),
        s("pages elsewhere", list, ALWAYS, link("http://127.0.0.2:9/more"), (50, "REGISTRY-REDIRECT")),
        s("pages without end", list, ALWAYS, link("?more"), (50, "REGISTRY-LIMIT")),
        s("bundle altered", bundle, ALWAYS, Fault::Altered, (52, "REGISTRY-DIGEST")),
        s("bundle 500", bundle, ALWAYS, Fault::status(500), (50, "REGISTRY-ANSWER")),
        s("bundle hangs", bundle, ALWAYS, Fault::Hang, (50, "REGISTRY-TIMEOUT"))
            .with(&["--request-timeout", "2"]),
    ];
    together(scenarios, |scenario| {
        let trip = Trip::imported("bundle");
        scenario.inject(&trip.registry, 0);
        scenario.ends(&trip.verify(scenario.arguments).run());
        trip.registry.well();
        trip.verify(&[]).expect(0);
        if scenario.pattern.contains("blobs") {
            return; // the payload of a `.sig` is a blob as well
        }
        trip.import(&["--attach", "sig"]).expect(0);
        scenario.inject(&trip.registry, 0);
        trip.verify(scenario.arguments).expect(0);
    });
}

/// A bundle on a later page is found.
#[test]
fn referrers_in_pages_are_all_looked_at() {
    for page in [1, 2, 3] {
        let registry = Registry::with(Manners { page, ..Manners::default() });
        let trip = Trip::unsigned(registry, 1);
        trip.export("request.tar").expect(0);
        trip.sign(&release(), "response.tar");
        for n in 0..4 {
            let other = json!({
                "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": "application/x-other",
                "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": "sha256:0", "size": 2},
                "layers": [], "annotations": {"n": n.to_string()}, "subject": {"digest": trip.images[0]},
            });
            trip.registry.manifest("app0", "", OCI_MANIFEST, other.to_string().as_bytes());
        }
        trip.import(&["--attach", "bundle"]).expect(0);
        assert_eq!(trip.bundles(0), 5);
        trip.verify(&[]).expect(0);
        trip.import(&["--attach", "bundle"]).expect(0).says("done: 0 images pushed, 1 unchanged");
    }
}

/// Uploads as registries have them: in one request or two, at relative and absolute addresses.
#[test]
fn every_kind_of_upload() {
    let locations = [Location::Relative, Location::RelativeWithQuery, Location::AbsoluteWithQuery];
    let kinds = locations.into_iter().flat_map(|location| [true, false].map(|one| (location, one)));
    let kinds = kinds.map(|(location, one_request)| Manners { location, one_request, ..Manners::default() });
    for manners in kinds {
        let trip = Trip::with(manners, 2);
        trip.import(&["--attach", "both"]).expect(0);
        assert_eq!((trip.sigs(1), trip.bundles(1)), (1, 1));
    }
}

/// The address of an upload is on the registry itself: whoever is named instead gets nothing.
#[test]
fn an_upload_that_leads_elsewhere_is_not_followed() {
    let trip = Trip::with(Manners { one_request: false, ..Manners::default() }, 1);
    let other = Registry::start();
    let elsewhere = Fault::Header("Location", Some(other.url("/v2/app0/blobs/uploads/1")));
    trip.registry.on("POST", "*", 2..=usize::MAX, elsewhere.clone());
    trip.import(&[]).expect(51).error("REGISTRY-REDIRECT");
    // The probe's own upload is not cancelled there either.
    trip.registry.well().on("POST", "*", ALWAYS, elsewhere);
    trip.import(&[]).run().error("REGISTRY-REDIRECT");
    assert!(other.asked().is_empty());
    trip.registry.well();
    trip.import(&[]).expect(0);
}

/// Uploads of the permission probe that cannot be cancelled in time are left to the registry: it is waited once.
#[test]
fn a_probe_that_cannot_be_cancelled_is_waited_for_once() {
    let trip = Trip::with(Manners::default(), 3);
    trip.registry.on("DELETE", "*", ALWAYS, Fault::Hang);
    trip.import(&["--max-workers", "1", "--request-timeout", "1"]).expect(0);
    let asked = trip.registry.asked();
    assert_eq!(asked.iter().filter(|asked| asked.method == "DELETE").count(), 1, "{asked:#?}");
    assert_eq!([0, 1, 2].map(|image| trip.sigs(image)), [1, 1, 1]);
}

/// SUBJECT-ABSENT: one image is gone, the others are signed, and it says which.
#[test]
fn an_image_that_is_gone_does_not_stop_the_others() {
    let trip = Trip::with(Manners::default(), 3);
    let image = trip.registry.held("app1").manifests[&trip.images[1]].clone();
    trip.registry.change("app1", |held| drop(held.manifests.remove(&trip.images[1])));
    trip.import(&[]).expect(51).error("SUBJECT-ABSENT").says("app1:1");
    assert_eq!([0, 1, 2].map(|image| trip.sigs(image)), [1, 0, 1]);
    trip.registry.change("app1", |held| drop(held.manifests.insert(trip.images[1].clone(), image)));
    trip.import(&[]).expect(0).says("done: 1 image pushed, 2 unchanged");
}

/// TAG-MOVED: said, and signed by digest nevertheless.
#[test]
fn a_tag_that_moved_is_a_warning() {
    let trip = Trip::new();
    let now = trip.registry.image("app0", "1", "another image");
    let outcome = trip.import(&["--report", "json:report.json"]).expect(0);
    outcome.warning("TAG-MOVED").says(&format!("signed {}", trip.images[0])).says(&format!("now {now}"));
    assert_eq!(trip.sigs(0), 1);
    let report: Value = serde_json::from_slice(&trip.station.read("report.json")).unwrap();
    assert_eq!(report["images"][0]["tag"], "moved");
    // By tag it is the new image that nobody signed, by the response the one that was signed.
    trip.verify(&[]).expect(10);
    let from = ["verify", "--key", "release.pub", "--from", "response.tar"];
    trip.station.coldsign().args(from).expect(0);
}

/// An image that nobody signed, or that is gone, is a failed row, never a missing one.
#[test]
fn what_is_gone_a_month_later_is_a_failed_row() {
    let trip = Trip::with(Manners::default(), 3);
    trip.import(&[]).expect(0);
    let sig = signature_tag(&trip.images[1]);
    trip.registry.change("app1", |held| drop(held.tags.remove(&sig)));
    trip.registry.change("app2", |held| drop(held.manifests.remove(&trip.images[2])));
    let from = ["verify", "--key", "release.pub", "--from", "response.tar", "--report", "json:report.json"];
    let outcome = trip.station.coldsign().args(from).run();
    assert_ne!(outcome.code(), Some(0), "{outcome}");
    outcome.says("app1:1").says("app2:1");
    let report: Value = serde_json::from_slice(&trip.station.read("report.json")).unwrap();
    let text = report.to_string();
    for id in ["SIG-ABSENT", "SIG-TAG"] {
        assert!(text.contains(id), "{id} in {text}");
    }
}

/// REFERRERS-TAG: `cosign copy` leaves the image itself under the tag of the referrers; that is never written over.
#[test]
fn a_tag_of_the_referrers_that_holds_something_else_is_left_alone() {
    for lie in ["the image", "no index"] {
        let trip = Trip::with(Manners { referrers: 404, ..Manners::default() }, 1);
        let tag = trip.images[0].replace(':', "-");
        trip.registry.change("app0", |held| {
            held.tags.insert(tag.clone(), trip.images[0].clone());
        });
        if lie == "no index" {
            trip.registry.manifest("app0", &tag, OCI_MANIFEST, b"{\"schemaVersion\":2,\"layers\":[]}");
        }
        let before = trip.registry.held("app0").tags[&tag].clone();
        trip.import(&["--attach", "bundle"]).expect(51).error("REFERRERS-TAG");
        assert_eq!(trip.registry.held("app0").tags[&tag], before, "{lie}");
        trip.import(&["--attach", "sig"]).expect(0);
        trip.verify(&[]).expect(0);
        assert_eq!(trip.registry.held("app0").tags[&tag], before, "{lie}");
    }
}

/// DESTINATION-BROKEN: what the verifier refuses as a whole is not written into: nothing of ours could count there.
#[test]
fn a_sig_that_can_never_be_verified_is_left_alone() {
    for lie in ["text/html", OCI_INDEX, "Layers"] {
        let trip = Trip::new();
        trip.sign(&second(), "second.tar");
        trip.station.coldsign().args(["import", "second.tar", "--key", "second.pub"]).expect(0);
        let tag = signature_tag(&trip.images[0]);
        let (held, bytes) = (trip.registry.held("app0"), trip.registry.read("app0", &tag).unwrap());
        if lie == "Layers" {
            let two = [&bytes[..bytes.len() - 1], b",\"Layers\":[]}"].concat();
            trip.registry.manifest("app0", &tag, OCI_MANIFEST, &two);
        } else {
            trip.registry.on("GET", &format!("/v2/app0/manifests/{tag}"), ALWAYS, kind(lie));
        }
        let before = trip.registry.held("app0").tags;
        trip.registry.asked();
        trip.import(&[]).expect(50).error("DESTINATION-BROKEN").says("nothing was pushed");
        assert_eq!(trip.registry.held("app0").tags, before, "{lie}");
        assert!(trip.registry.asked().iter().all(|asked| asked.method != "PUT"), "{lie}");
        trip.registry.well().change("app0", |now| *now = held);
        trip.import(&[]).expect(0);
        assert_eq!(trip.sigs(0), 2);
    }
}

/// REFERRERS-FULL: a list of a thousand takes no more.
#[test]
fn a_full_list_of_referrers_is_left_alone() {
    let trip = Trip::with(Manners { referrers: 404, lax: true, ..Manners::default() }, 1);
    let entry = |n: usize| {
        json!({
            "mediaType": OCI_MANIFEST, "digest": format!("sha256:{n:064x}"), "size": 2,
            "artifactType": "application/x-other",
        })
    };
    let tag = trip.images[0].replace(':', "-");
    // What the index was to name was put before it.
    for (entries, exit) in [(1000, 51), (999, 0)] {
        let entries: Vec<Value> = (0..entries).map(entry).collect();
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries});
        trip.registry.manifest("app0", &tag, OCI_INDEX, index.to_string().as_bytes());
        let before = trip.registry.held("app0").tags[&tag].clone();
        let outcome = trip.import(&["--attach", "bundle"]).expect(exit);
        if exit == 0 {
            assert_eq!(trip.bundles(0), 1000);
        } else {
            outcome.error("REFERRERS-FULL").says("1001 entries");
            assert_eq!(trip.registry.held("app0").tags[&tag], before);
        }
    }
}

/// BUNDLE-HIDES-SIG: a stranger's bundle beside the image keeps stock cosign from looking at our `.sig`.
#[test]
fn a_strangers_bundle_that_hides_ours_is_named() {
    for referrers in [200, 404] {
        let trip = Trip::with(Manners { referrers, ..Manners::default() }, 1);
        trip.import(&[]).expect(0).never("BUNDLE-HIDES-SIG");
        trip.sign(&second(), "second.tar");
        let second = ["import", "second.tar", "--key", "second.pub", "--attach", "bundle"];
        trip.station.coldsign().args(second).expect(0);
        trip.import(&[]).expect(0).warning("BUNDLE-HIDES-SIG").says("--attach both");
        trip.import(&["--attach", "both"]).expect(0).never("BUNDLE-HIDES-SIG");
        trip.verify(&[]).expect(0);
    }
}

/// SIG-CRASHES-COSIGN: a foreign layer on which cosign 2 panics is named, and left.
#[test]
fn a_foreign_layer_that_crashes_cosign_is_named() {
    for (log, crashes) in [("{}", true), (" null ", true), ("", false)] {
        let trip = Trip::new();
        trip.sign(&second(), "second.tar");
        trip.station.coldsign().args(["import", "second.tar", "--key", "second.pub"]).expect(0);
        let tag = signature_tag(&trip.images[0]);
        let mut manifest: Value = serde_json::from_slice(&trip.registry.read("app0", &tag).unwrap()).unwrap();
        manifest["layers"][0]["annotations"]["dev.sigstore.cosign/bundle"] = log.into();
        trip.registry.manifest("app0", &tag, OCI_MANIFEST, manifest.to_string().as_bytes());
        let outcome = trip.import(&[]).expect(0);
        if crashes {
            outcome.warning("SIG-CRASHES-COSIGN");
        } else {
            outcome.never("SIG-CRASHES-COSIGN");
        }
        assert_eq!(trip.sigs(0), 2);
    }
}

/// A blob in another place is fetched from there.
#[test]
fn redirects_are_followed_five_times() {
    let trip = Trip::imported("sig");
    let other = Registry::start();
    other.put_back(&trip.registry.contents());
    for (hops, exit) in [(1, 0), (5, 0), (6, 50)] {
        trip.registry.well();
        for blob in trip.registry.held("app0").blobs.keys() {
            let path = format!("/v2/app0/blobs/{blob}");
            let hop = |n: usize| format!("/hop/{n}/{blob}");
            let first = if hops == 1 { other.url(&path) } else { hop(2) };
            trip.registry.on("GET", &path, ALWAYS, to(&first));
            for n in 2..=hops {
                let next = if n == hops { other.url(&path) } else { hop(n + 1) };
                trip.registry.on("GET", &hop(n), ALWAYS, to(&next));
            }
        }
        let outcome = trip.verify(&[]).expect(exit);
        if exit != 0 {
            outcome.error("REGISTRY-REDIRECT");
        }
    }
}

/// A request that took too long ends its image, however many platforms it has: the others of it are not asked for.
#[test]
fn one_time_out_ends_an_image_of_many_platforms() {
    let trip = Trip::unsigned(Registry::start(), 1);
    trip.platforms("multi", 8);
    let (name, timeout) = (trip.registry.at("multi:1"), ["--request-timeout", "2"]);
    trip.station.coldsign().args(["export", "-o", "request.tar", &name, &trip.name(0)]).expect(0);
    trip.sign(&release(), "response.tar");
    let hung = |pattern: &str| {
        let asked = trip.registry.asked_of("multi");
        asked.iter().filter(|asked| asked.method == "GET" && is_like(pattern, asked.path())).count()
    };
    let sig = "/v2/multi/manifests/*.sig";
    trip.registry.on("GET", sig, ALWAYS, Fault::Hang);
    let outcome = trip.import(&["--max-workers", "1"]).args(timeout).expect(51);
    outcome.error("REGISTRY-TIMEOUT").says("done: 1 image pushed, 0 unchanged");
    assert_eq!((hung(sig), trip.sigs(0)), (1, 1));
    trip.registry.well();
    trip.import(&[]).expect(0);

    // Good signatures stay good, whatever hangs beside each of them.
    let referrers = "/v2/multi/referrers/*";
    trip.registry.on("GET", referrers, ALWAYS, Fault::Hang);
    trip.registry.asked();
    let verify = ["verify", "--key", "release.pub", "--recursive", &name];
    trip.station
        .coldsign()
        .args(verify)
        .args(timeout)
        .expect(0)
        .stderr_line("form: .sig, 9 of 9 valid; 9 digests");
    assert_eq!(hung(referrers), 3);
    trip.registry.asked();
    trip.import(&["--max-workers", "1"]).args(timeout).expect(0).says("done: 0 images pushed, 2 unchanged");
    assert_eq!(hung(referrers), 3);
}

/// Nobody listens, and there is no such host.
#[test]
fn a_registry_that_is_not_there() {
    let trip = Trip::imported("sig");
    let name = trip.name(0);
    let station = trip.station;
    drop(trip.registry);
    station.coldsign().args(["verify", "--key", "release.pub", &name]).expect(50).error("REGISTRY-REACH");
    station.coldsign().args(["export", "-o", "again.tar", &name]).expect(50).error("REGISTRY-REACH");
    station.no_file("again.tar");
    let import = ["import", "response.tar", "--key", "release.pub"];
    let outcome = station.coldsign().args(import).expect(50);
    outcome.error("REGISTRY-REACH").says("nothing was pushed");
}
