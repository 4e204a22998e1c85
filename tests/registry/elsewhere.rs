//! A signature that came from elsewhere, at a registry: how often it is asked, and what becomes of it when that fails.

use crate::registry::{Asked, Fault, Registry, Reply};
use crate::support::Run;
use crate::trip::Trip;

/// A trip whose response was extracted: its payload and signature by `release`.
struct Extracted {
    trip: Trip,
    payload: String,
    signature: String,
}

fn extracted() -> Extracted {
    let trip = Trip::new();
    trip.station.coldsign().args(["extract", "response.tar", "--output-dir", "out"]).expect(0);
    let named = |ending: &str| {
        let all = trip.station.everything().into_keys().map(|name| name.display().to_string());
        let mut found = all.filter(|name| name.starts_with("out/") && name.ends_with(ending));
        found.next().unwrap()
    };
    Extracted { payload: named(".payload"), signature: named(".b64"), trip }
}

impl Extracted {
    fn attach(&self) -> Run<'_> {
        let command = ["attach", "signature", "--payload", &self.payload, "--signature", &self.signature];
        self.trip.station.coldsign().args(command).args(["--key", "release.pub", &self.trip.name(0)])
    }
}

fn manifests(asked: &[Asked]) -> usize {
    asked.iter().filter(|asked| asked.path().contains("/manifests/")).count()
}

#[test]
fn it_is_put_once_and_read_back() {
    let it = extracted();
    it.attach().expect(0).stderr_line("           .sig; read back and verified");
    assert_eq!(it.trip.sigs(0), 1);
    it.trip.verify(&[]).expect(0);
    // An import of the same puts nothing more, and neither does the same again.
    it.trip.import(&[]).expect(0);
    let before = it.trip.registry.contents();
    it.trip.registry.asked();
    it.attach().expect(0).stderr_line("unchanged  [..]");
    assert!(!it.trip.registry.asked().iter().any(Asked::writes));
    assert_eq!(it.trip.registry.contents(), before);
}

#[test]
fn how_far_it_came_is_the_exit_code() {
    let it = extracted();
    let (before, image) = (it.trip.registry.contents(), it.trip.images[0].clone());
    let sig = format!("/v2/app0/manifests/{}", crate::registry::signature_tag(&image));
    let refused = || Fault::Answer(Reply::error(403, "DENIED", "no"));
    for (method, pattern, code, id) in [
        ("POST", "/v2/app0/blobs/uploads/", 50, "REGISTRY-DENIED"),
        ("GET", sig.as_str(), 50, "REGISTRY-DENIED"),
        ("PUT", &sig, 51, "REGISTRY-DENIED"),
        ("GET", "/v2/app0/manifests/1", 50, "REGISTRY-DENIED"),
    ] {
        it.trip.registry.put_back(&before);
        it.trip.registry.well().on(method, pattern, 1.., refused());
        it.attach().expect(code).stdout("").error(id);
        assert_eq!(it.trip.sigs(0), 0);
    }
    it.trip.registry.put_back(&before);
    it.trip.registry.well();
    it.attach().expect(0);
    it.trip.registry.change("app0", |held| held.tags.clear());
    it.attach().expect(11).error("IMAGE-ABSENT").stderr_line("  nothing was pushed");
}

#[test]
fn a_tag_is_resolved_once_and_a_digest_not_at_all() {
    let trip = Trip::unsigned(Registry::start(), 1);
    let (tag, digest) = (trip.name(0), trip.registry.at(&format!("app0@{}", trip.images[0])));
    for command in ["generate", "triangulate"] {
        trip.registry.asked();
        let by_tag = trip.station.coldsign().args([command, &tag]).expect(0);
        let asked = trip.registry.asked();
        assert_eq!((manifests(&asked), asked.iter().filter(|one| one.method == "HEAD").count()), (1, 0));
        let by_digest = trip.station.coldsign().args([command, &digest]).expect(0);
        assert_eq!(trip.registry.asked().len(), 0, "{command} {digest}");
        assert_eq!(by_tag.stdout_text(), by_digest.stdout_text());
    }
    let absent = trip.registry.at("app0:none");
    trip.station.coldsign().args(["generate", &absent]).expect(11).stdout("").error("IMAGE-ABSENT");
}

/// What cannot be read is no nothing, and hides nothing.
#[test]
fn a_download_says_what_it_could_not_read() {
    let trip = Trip::imported("both");
    let download = || trip.station.coldsign().args(["download", "signature", &trip.name(0)]);
    let lines = |run: Run<'_>, code| run.expect(code).stdout_text().lines().count();
    assert_eq!(lines(download(), 0), 2);
    for (pattern, printed) in [("/v2/app0/referrers/*", 1), ("/v2/app0/manifests/sha256-*", 1)] {
        trip.registry.well().on("GET", pattern, 1.., Fault::Answer(Reply::error(403, "DENIED", "no")));
        assert_eq!(lines(download(), 50), printed, "{pattern}");
    }
}
