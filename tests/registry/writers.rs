//! Six imports of six keys for one image, started together: registries have no compare-and-swap, and nothing is lost.

use std::sync::{Arc, Barrier};

use coldsign::keys::signing::{Signer as _, SigningKey};
use coldsign::secret::OsRandom;

use crate::registry::{Fault, Manners, signature_tag};
use crate::support::Running;
use crate::trip::{Trip, together};

const WRITERS: usize = 6;

/// A trip with `r0.tar`… signed by six keys, `k0.pub`…
fn six(manners: Manners) -> Trip {
    let trip = Trip::with(manners, 1);
    for n in 0..WRITERS {
        let key = SigningKey::generate(&mut OsRandom).unwrap();
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
