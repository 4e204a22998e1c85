//! Registries (OCI distribution-spec 1.1): images read from them, signatures put into them.

mod auth;
mod credentials;
mod endpoints;
mod links;
mod referrers;
mod remote;
mod settle;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use coldsign::check::Check;
use coldsign::digest::Digest;
use coldsign::error::{Error, Result};
use coldsign::format::reference::Repository;
use coldsign::terminal::counted;
use coldsign::transfer::flow::Flow;
use coldsign::transfer::layers::Layers;
use coldsign::transfer::places::Layouts;
use coldsign::transfer::source::Location;
use coldsign::transfer::store::{Destinations, Place, Places, Sink};

use crate::net::{Http, Method};
use auth::Session;
use endpoints::{Endpoints, refused};
use settle::Settling;

pub(crate) use remote::Remote;

/// Every registry that a run talks to, and every layout that it reads.
pub(crate) struct Registries {
    session: Session,
    settling: Settling,
    layouts: Layouts,
    /// Where signatures are instead of beside their image (`--signature-repository`, `COSIGN_REPOSITORY`).
    signatures: Option<Repository>,
    /// Whether a registry takes a blob in one request, by namespace: for speed alone.
    whole_uploads: Mutex<HashMap<String, bool>>,
    /// Whether a repository has the referrers API. One that answers 404 says nothing about its neighbours: each may be
    /// in another registry behind the same name.
    referrers: Mutex<HashMap<Repository, bool>>,
    /// Blobs that were put in this run.
    blobs: Mutex<HashSet<(Repository, Digest)>>,
    /// How many repositories of a registry may be written, as it said itself.
    writable: Mutex<BTreeMap<String, usize>>,
    /// Whether an upload could not be cancelled in time: then no other one is, registries forget them by themselves.
    uncancelled: AtomicBool,
}

impl Registries {
    pub(crate) fn new(http: Http, signatures: Option<Repository>) -> Self {
        Self {
            session: Session::new(http),
            settling: Settling::default(),
            layouts: Layouts::default(),
            signatures,
            whole_uploads: Mutex::default(),
            referrers: Mutex::default(),
            blobs: Mutex::default(),
            writable: Mutex::default(),
            uncancelled: AtomicBool::new(false),
        }
    }

    /// What speaks to servers.
    pub(crate) fn http(&self) -> &Http {
        self.session.http()
    }

    /// Layouts alone, each opened once.
    pub(crate) fn layouts(&self) -> &Layouts {
        &self.layouts
    }

    /// `registry.example: login ok, push allowed on 23 repositories`: what [`Destinations::check_writable`] found, one
    /// line a registry; none for one that only the push itself can ask. `no login needed` where none was sent.
    pub(crate) fn allowed(&self) -> Vec<String> {
        let line = |(registry, count): (&String, &usize)| {
            let repositories = counted(*count, "repository", "repositories");
            let login = if self.session.logged_in(registry) { "login ok" } else { "no login needed" };
            format!("{registry}: {login}, push allowed on {repositories}")
        };
        lock(&self.writable).iter().map(line).collect()
    }

    fn takes_whole_uploads(&self, endpoints: &Endpoints<'_>) -> Option<bool> {
        lock(&self.whole_uploads).get(&endpoints.namespace()).copied()
    }

    fn learn_whole_uploads(&self, endpoints: &Endpoints<'_>, takes: bool) {
        lock(&self.whole_uploads).insert(endpoints.namespace(), takes);
    }

    fn has_referrers(&self, endpoints: &Endpoints<'_>) -> Option<bool> {
        lock(&self.referrers).get(endpoints.repository()).copied()
    }

    /// A repository that once listed referrers has the API, whatever it says later.
    fn learn_referrers(&self, endpoints: &Endpoints<'_>, has: bool) {
        *lock(&self.referrers).entry(endpoints.repository().clone()).or_insert(has) |= has;
    }

    fn has_blob(&self, endpoints: &Endpoints<'_>, digest: &Digest) -> bool {
        lock(&self.blobs).contains(&(endpoints.repository().clone(), *digest))
    }

    fn note_blob(&self, endpoints: &Endpoints<'_>, digest: &Digest) {
        let mut blobs = lock(&self.blobs);
        if blobs.len() >= BLOBS {
            blobs.clear();
        }
        blobs.insert((endpoints.repository().clone(), *digest));
    }

    fn forget_blobs(&self, endpoints: &Endpoints<'_>) {
        lock(&self.blobs).retain(|(repository, _)| repository != endpoints.repository());
    }

    /// Begins an upload and cancels it. False: the registry lets nobody find out like this.
    fn may_write(&self, repository: &Repository) -> Result<bool> {
        let endpoints = Endpoints::new(&self.session, repository.clone())?;
        let answer = endpoints.begin_upload(None)?;
        if answer.status == 429 || answer.status >= 500 {
            return Err(refused(&answer, Method::Post, &endpoints.uploads()));
        }
        // Where an upload would go on is looked at when there is one.
        if let Ok(Some(location)) = endpoints.begun(&answer)
            && !self.uncancelled.load(Ordering::Relaxed)
            && let Err(error) = endpoints.cancel_upload(location)
        {
            self.uncancelled.fetch_or(error.check() == Check::RegistryTimeout, Ordering::Relaxed);
        }
        Ok(answer.status == 202)
    }
}

impl Registries {
    /// A place whose images can be copied.
    pub(crate) fn source(&self, location: &Location) -> Result<Arc<dyn Layers + '_>> {
        match (self.layouts.open(location), location) {
            (Some(layout), _) => Ok(layout?),
            (None, Location::Registry(repository)) => Ok(Arc::new(Remote::new(self, repository)?)),
            (None, _) => unreachable!("every other location is a layout"),
        }
    }
}

impl Places for Registries {
    fn open(&self, location: &Location) -> Result<Arc<dyn Place + '_>> {
        match (self.layouts.open(location), location) {
            (Some(layout), _) => Ok(layout?),
            (None, Location::Registry(repository)) => Ok(Arc::new(Remote::new(self, repository)?)),
            (None, _) => unreachable!("every other location is a layout"),
        }
    }
}

impl Destinations for Registries {
    fn repository<'a>(&'a self, repository: &Repository) -> Result<Box<dyn Sink + 'a>> {
        Ok(Box::new(Remote::new(self, repository)?))
    }

    /// Errors: those of the first repository that may not be written or cannot be reached; INTERRUPTED.
    fn check_writable(&self, repositories: &[&Repository], flow: Flow<'_>) -> Result<()> {
        let mut distinct: BTreeMap<String, &Repository> = BTreeMap::new();
        for repository in repositories {
            let repository = self.signatures.as_ref().unwrap_or(repository);
            distinct.entry(repository.place()).or_insert(repository);
        }
        let distinct: Vec<&Repository> = distinct.into_values().collect();
        let is_over = AtomicBool::new(false);
        let until = Flow { stop: &is_over, ..flow };
        let ask = |repository: &&Repository| {
            let may_write = flow.check_interrupted().and_then(|()| self.may_write(repository));
            is_over.fetch_or(may_write.is_err(), Ordering::Relaxed);
            may_write
        };
        let mut writable = BTreeMap::new();
        let mut fault = None;
        until.run(&distinct, ask, |place, result| match (result, distinct.get(place)) {
            (Ok(true), Some(repository)) => {
                *writable.entry(repository.registry().to_owned()).or_insert(0) += 1;
            }
            (Err(error), Some(repository)) if error.check() != Check::Interrupted => {
                fault.get_or_insert((error, repository.registry()));
            }
            _ => {}
        });
        if let Some((error, registry)) = fault {
            let count = distinct.iter().filter(|repository| repository.registry() == registry).count();
            return Err(asked(error, count));
        }
        flow.check_interrupted()
            .map_err(|error| error.detail("nothing was pushed").hint("run the same command again"))?;
        *lock(&self.writable) = writable;
        Ok(())
    }

    fn finish(&self) -> Result<bool> {
        Ok(true) // a registry shows what was put at once
    }

    fn settle(&self) -> Result<bool> {
        self.settling.wait();
        // What has to be put again after this was lost, whatever was answered to it.
        lock(&self.blobs).clear();
        Ok(true)
    }
}

/// A refusal before the first push, with what was asked where it does not say so itself.
fn asked(error: Error, count: usize) -> Error {
    if error.check() == Check::RegistryDenied {
        return error.detail("nothing was pushed"); // it names its one repository and what was asked of it
    }
    let repositories = counted(count, "repository", "repositories");
    let says = error.details().any(|line| line.starts_with("asked: "));
    let error = if says { error } else { error.detail(format!("asked: pull and push, {repositories}")) };
    error.detail("nothing was pushed")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Blobs that are remembered as put: those that many images share are put again and again.
const BLOBS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_was_asked_once() {
        for (error, expected) in [
            (
                Error::new(Check::RegistryLogin, "r"),
                ["asked: pull and push, 2 repositories", "nothing was pushed"],
            ),
            (
                Error::new(Check::RegistryDenied, "r/a").detail("asked: pull and push"),
                ["asked: pull and push", "nothing was pushed"],
            ),
        ] {
            assert_eq!(asked(error, 2).details().collect::<Vec<_>>(), expected);
        }
    }
}
