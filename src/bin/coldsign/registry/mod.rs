//! Registries (OCI distribution-spec 1.1): images read from them, signatures put into them.

mod auth;
mod credentials;
mod referrers;
mod remote;
mod settle;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use coldsign::error::Result;
use coldsign::format::reference::Repository;
use coldsign::transfer::places::Layouts;
use coldsign::transfer::source::Location;
use coldsign::transfer::store::{Destinations, Place, Places, Sink};

use crate::net::Http;
use auth::Session;
use settle::Settling;

pub(crate) use remote::Remote;

/// Every registry that a run talks to, and every layout that it reads.
pub(crate) struct Registries {
    session: Session,
    settling: Settling,
    layouts: Layouts,
    /// Where signatures are instead of beside their image (`--signature-repository`, `COSIGN_REPOSITORY`).
    signatures: Option<Repository>,
    /// What is known of registries, by origin: whether they have the referrers API.
    known: Mutex<HashMap<String, bool>>,
}

impl Registries {
    pub(crate) fn new(http: Http, signatures: Option<Repository>) -> Result<Self> {
        Ok(Self {
            session: Session::new(http),
            settling: Settling::default(),
            layouts: Layouts::default(),
            signatures,
            known: Mutex::default(),
        })
    }

    /// Layouts alone, each opened once.
    pub(crate) fn layouts(&self) -> &Layouts {
        &self.layouts
    }
}

impl Places for Registries {
    fn open(&self, location: &Location) -> Result<Arc<dyn Place + '_>> {
        match (self.layouts.open(location), location) {
            (Some(layout), _) => Ok(layout?),
            (None, Location::Registry(repository)) => Ok(Arc::new(Remote::new(self, repository))),
            (None, _) => unreachable!("every other location is a layout"),
        }
    }
}

impl Destinations for Registries {
    fn repository<'a>(&'a self, repository: &Repository) -> Result<Box<dyn Sink + 'a>> {
        Ok(Box::new(Remote::new(self, repository)))
    }

    fn check_writable(&self, repositories: &[&Repository]) -> Result<()> {
        unimplemented!("{repositories:?}")
    }

    fn finish(&self) -> Result<bool> {
        Ok(true) // a registry shows what was put at once
    }

    fn settle(&self) -> Result<bool> {
        self.settling.wait();
        Ok(true)
    }
}
