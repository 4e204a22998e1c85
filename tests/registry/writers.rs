//! Six imports of six keys for one image, started together: registries have no compare-and-swap, and nothing is lost.

use std::sync::{Arc, Barrier};

use coldsign::keys::signing::{Signer as _, SigningKey, SigningKind};
use coldsign::secret::OsRandom;

use crate::registry::{Fault, Manners, signature_tag};
use crate::support::Running;
use crate::trip::{Trip, second, together};

const WRITERS: usize = 6;

/// A trip with `r0.tar`… signed by six keys, `k0.pub`…
fn six(manners: Manners) -> Trip {
    let trip = Trip::with(manners, 1);
    for n in 0..WRITERS {
        let key = SigningKey::generate(SigningKind::P256, &mut OsRandom).unwrap();
        trip.station.write(format!("k{n}.pub"), key.public_key().to_pem());
        trip.sign(&key, &format!("r{n}.tar"));
    }
    trip
}

#[test]
fn six_imports_of_six_keys_leave_six_signatures() {
    together([200, 404], |status| {
        let trip = six(Manners { referrers: *status, ..Manners::default() });
        let before = trip.registry.contents();
        for _ in 0..3 {
            trip.registry.put_back(&before);
            // Nobody writes before everybody has read: each would overwrite all others.
            let read = Arc::new(Barrier::new(WRITERS));
            let sig = format!("/v2/app0/manifests/{}", signature_tag(&trip.images[0]));
            trip.registry.well().on("GET", &sig, 1..=WRITERS, Fault::meanwhile(move || _ = read.wait()));
            let started: Vec<Running<'_>> = (0..WRITERS)
                .map(|n| {
                    let (response, key) = (format!("r{n}.tar"), format!("k{n}.pub"));
                    let import = ["import", &response, "--key", &key, "--attach", "both"];
                    trip.station.coldsign().args(import).start()
                })
                .collect();
            for running in started {
                let outcome = running.finish();
                assert_eq!(outcome.code(), Some(0), "{outcome}");
            }
            assert_eq!((trip.sigs(0), trip.bundles(0)), (WRITERS, WRITERS));
        }
        for n in 0..WRITERS {
            let key = format!("k{n}.pub");
            trip.station.coldsign().args(["verify", "--key", &key, &trip.name(0)]).expect(0);
        }
    });
}

/// A PUT that has to be sent again, or waits for what comes before it, while another writer merges, puts, sees that it
/// stays and ends: what was merged before that is not put over it.
#[test]
fn a_put_that_is_held_up_takes_nothing_away() {
    let busy = |seconds: &str| Fault::with(429, "Retry-After", seconds);
    let put = ("PUT", "manifests/sha256-*");
    let faults = [
        ("busy", put, busy("1")),
        ("busy, for no time", put, busy("0")),
        ("failing", put, Fault::status(503)),
        ("stored, without an answer", put, Fault::DroppedAfter),
        ("busy with a blob", ("POST", "blobs/uploads/"), busy("1")),
    ];
    let scenarios = faults.into_iter().flat_map(|(name, at, fault)| {
        ["sig", "bundle"].map(|attach| (name, at, Wrong(fault.clone()), attach))
    });
    together(scenarios, |(name, (method, path), fault, attach)| {
        let trip = Trip::with(Manners { referrers: 404, ..Manners::default() }, 1);
        trip.sign(&second(), "second.tar");
        // One before: the permission probe.
        let nth = if *method == "POST" { 2 } else { 1 };
        let (arrived, over) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
        let other = {
            let (arrived, over) = (arrived.clone(), over.clone());
            move || {
                arrived.wait();
                over.wait();
            }
        };
        trip.registry.on(method, &format!("/v2/app0/{path}"), nth..=nth, fault.0.clone().after(other));
        let first = trip.import(&["--attach", attach]).start();
        arrived.wait();
        let import = ["import", "second.tar", "--key", "second.pub", "--attach", attach];
        let outcome = trip.station.coldsign().args(import).run();
        over.wait();
        assert_eq!(outcome.code(), Some(0), "{name}\n{outcome}");
        let outcome = first.finish();
        assert_eq!(outcome.code(), Some(0), "{name}\n{outcome}");
        let (sigs, bundles) = if *attach == "sig" { (2, 0) } else { (0, 2) };
        assert_eq!((trip.sigs(0), trip.bundles(0)), (sigs, bundles), "{name}");
        for key in ["release.pub", "second.pub"] {
            trip.station.coldsign().args(["verify", "--key", key, &trip.name(0)]).expect(0);
        }
    });
}

struct Wrong(Fault);

impl std::fmt::Debug for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("fault")
    }
}
