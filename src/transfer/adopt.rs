//! Log entries and timestamps that stand at a destination beside signatures of a response: taken over, so that pushing
//! them again changes nothing.

use std::collections::{BTreeMap, HashMap};

use super::gather::{self, Patience};
use super::import::Wanted;
use super::store::Destinations;
use crate::digest::Digest;
use crate::error::Result;
use crate::format::reference::Repository;
use crate::response::{Place, Response};
use crate::verify::material::verified;
use crate::verify::{Demand, Evidence, Purpose, Verifier, Want};

/// Adds to a response what stands beside its signatures by the keys given and holds. What cannot be read is left: whoever
/// pushes meets it again.
pub fn adopt(response: &mut Response, wanted: &Wanted, destinations: &dyn Destinations) -> Result<()> {
    let verifier = Verifier::knowing(response.known());
    let mut places: HashMap<(Digest, Vec<u8>), Place> = HashMap::new();
    for signer in response.signers() {
        for (place, signature) in signer.signatures() {
            places.insert((signer.key().id(), signature.as_bytes().to_vec()), *place);
        }
    }
    let groups = response.request().groups().iter();
    let groups: Vec<(Repository, Digest)> =
        groups.map(|group| (group.repository.clone(), group.subject.digest)).collect();
    for (repository, subject) in groups {
        let store = destinations.repository(&repository)?;
        for purpose in [Purpose::Signature, Purpose::Attestation(None)] {
            let demand = Demand {
                keys: wanted.keys.clone(),
                purpose,
                annotations: BTreeMap::new(),
                claims: true,
                threshold: 1,
                evidence: Evidence {
                    log: Want::IfPresent,
                    tsa: Want::IfPresent,
                    keep: true,
                    ..wanted.evidence.clone()
                },
            };
            let found = gather::judge(&*store, &subject, &verifier, &demand, &Patience::default());
            for valid in found.into_iter().filter_map(|verdict| verdict.outcome.ok()) {
                let place = places.get(&(valid.key_id(), valid.signature().to_vec()));
                let Some(place) = place.filter(|_| !valid.material().is_empty()) else { continue };
                let Some(signed) = response.of(*place, &valid.key_id()) else { continue };
                // Whoever may push puts entries of logs of his own there: what holds is taken, and nothing else.
                let holds = verified(valid.material(), &signed.of(), &wanted.evidence.trust);
                let _ = response.add_material(&valid.key_id(), *place, holds);
            }
        }
    }
    Ok(())
}
