//! `verify-attestation`: what is attested of images, by the keys a person gave.

use std::collections::{BTreeMap, HashSet};

use coldsign::check::Check;
use coldsign::error::{Error, Result};
use coldsign::exit::Exit;
use coldsign::format::attestation;
use coldsign::terminal::{self, Console, counted};
use coldsign::verify::{Claims, Demand, Purpose, Valid, Verifier};

use super::images::{Images, Judge, Judged};
use super::show::{self, Checked};
use super::{Elsewhere, exit as exit_of};
use crate::cli::VerifyAttestation;
use crate::files;
use crate::station::{self, Station};
use crate::trust;

/// Verifies the attestations of every image, also after one failed. The exit code is that of the first that fails.
pub(crate) fn run(asked: &VerifyAttestation, console: &mut dyn Console) -> Result<Exit> {
    let keys = files::read_keys(&asked.keys)?;
    files::check_threshold(asked.threshold, keys.len())?;
    if !asked.check_claims && asked.threshold > 1 {
        return Err(
            Error::new(Check::Usage, "--check-claims=false").detail("it does not go with --threshold")
        );
    }
    let demand = Demand {
        keys: keys.iter().map(|key| key.key.clone()).collect(),
        purpose: Purpose::Attestation(Some(asked.kind.clone())),
        annotations: BTreeMap::new(),
        claims: asked.check_claims,
        threshold: asked.threshold,
        evidence: trust::evidence_of(&asked.trust, &asked.lookup, Some(&asked.network), console)?,
    };
    let elsewhere = Elsewhere::of(asked.beside.signature_repository.as_ref())?;
    let station = Station::open(&asked.network, elsewhere.repository())?;
    let registries = station.registries();
    let mut images = Images::of_sources(&asked.images, registries)?;
    elsewhere.say("attestations", &images, console)?;
    let judge = Judge {
        registries,
        verifier: Verifier::knowing(std::mem::take(&mut images.known)),
        demand: &demand,
        recursive: asked.recursive,
        keys: &keys,
        elsewhere: elsewhere.name(),
    };
    let bar = station::progress("verifying", images.list.len());
    let (mut exit, mut told, mut interrupted) = (None, Ok(()), 0_usize);
    station.flow().run(
        &images.list,
        |image| judge.judge(image),
        |place, judged| {
            let Some(image) = images.list.get(place) else { return };
            bar.inc(1);
            let failed = match judged.and_then(Judged::whole) {
                Ok(judged) => {
                    // Whoever read the lines may have gone: the verdict is still wanted.
                    if told.is_ok() {
                        told = bar.suspend(|| {
                            let checked = Checked {
                                annotations: false,
                                claims: asked.check_claims,
                                recursive: asked.recursive,
                                kind: Some(&asked.kind),
                            };
                            show::header(image, &judged, &checked, console)?;
                            show_attestations(&judged, console)
                        });
                    }
                    return;
                }
                Err(error) => error,
            };
            exit.get_or_insert(exit_of(&failed));
            if failed.check() == Check::Interrupted {
                interrupted += 1;
                return;
            }
            let error = failed.within(&image.name);
            let said =
                bar.suspend(|| terminal::report(&error).lines().try_for_each(|line| console.say(line)));
            told = std::mem::replace(&mut told, Ok(())).and(said);
        },
    );
    bar.finish_and_clear();
    if interrupted > 0 {
        let images = counted(interrupted, "image", "images");
        let error = Error::new(Check::Interrupted, format!("{images} not verified"));
        terminal::report(&error).lines().try_for_each(|line| console.say(line))?;
    }
    match exit {
        Some(exit) => Ok(exit),
        None => told.map(|()| Exit::Done),
    }
}

/// An envelope a line; an attestation that stands in both forms once.
fn show_attestations(judged: &Judged, console: &mut dyn Console) -> Result<()> {
    let mut shown = HashSet::new();
    for valid in judged.valid() {
        let Some(line) = envelope(valid) else { continue };
        if shown.insert(line.clone()) {
            console.show(&line)?;
        }
    }
    Ok(())
}

/// What was verified, as an envelope: letters, digits and marks of ASCII whatever it holds.
fn envelope(valid: &Valid) -> Option<String> {
    let Claims::Statement(statement) = valid.claims() else { return None };
    String::from_utf8(attestation::render_envelope(statement, valid.signature()).to_vec()).ok()
}
