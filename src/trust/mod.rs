//! What a person trusts besides signing keys: logs and timestamp authorities. It comes from files that the person gives,
//! never from a server and never from what is checked.

mod authority;
mod chain;
mod log;
mod root;
mod window;

pub use authority::Authority;
pub(crate) use authority::Link;
pub(crate) use chain::{check_token_chain, check_token_usage};
pub use log::Log;
pub use root::{TrustedRoot, create as render_root};
pub use window::{Time, Window};

use std::sync::Arc;

use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::limits;

/// Logs and timestamp authorities, of all files that were given.
#[derive(Debug, Default)]
pub struct Trust {
    logs: Vec<Log>,
    authorities: Vec<Authority>,
    rooted: bool,
}

impl Trust {
    /// Adds what a trusted root names; `source` is what the root is called on the screen. TRUST-KIND, TRUST-MEMBER,
    /// TRUST-KEY, TRUST-CHAIN.
    pub fn add_root(&mut self, bytes: &[u8], source: &str) -> Result<()> {
        let root = TrustedRoot::parse(bytes).map_err(|error| error.within(source))?;
        let (logs, authorities) = root.into_trust(&Arc::from(source));
        if let Some(log) = logs.iter().find(|log| !log.has_readable_address()) {
            return Err(Error::new(Check::TrustMember, source).detail(format!(
                "baseUrl is no address with a host in lower case: {}",
                log.base_url().unwrap_or_default()
            )));
        }
        self.rooted = true;
        self.logs.extend(logs);
        self.authorities.extend(authorities);
        self.check_trusted(source)
    }

    /// Adds a Rekor v1 log by its bare key, PEM. KEY-FORMAT also where the file holds several, TRUST-KEY where it is not
    /// P-256.
    pub fn add_log_key(&mut self, pem: &[u8], source: &str) -> Result<()> {
        self.logs.push(Log::of_key(pem, &Arc::from(source)).map_err(|error| error.within(source))?);
        self.check_trusted(source)
    }

    /// Adds a timestamp authority by its certificates, PEM. TRUST-CHAIN.
    pub fn add_authority(&mut self, pem: &[u8], source: &str) -> Result<()> {
        self.authorities.push(Authority::from_pem(pem).map_err(|error| error.within(source))?);
        self.check_trusted(source)
    }

    fn check_trusted(&self, source: &str) -> Result<()> {
        if self.logs.len() + self.authorities.len() <= limits::TRUSTED {
            return Ok(());
        }
        Err(Error::new(Check::TrustMember, source).detail("more than 256 logs and authorities"))
    }

    /// Whether nobody is trusted, not even a trusted root that names nobody was given.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.rooted && self.logs.is_empty() && self.authorities.is_empty()
    }

    /// Every log.
    #[must_use]
    pub fn logs(&self) -> &[Log] {
        &self.logs
    }

    /// The logs with this id: one, unless two files name it or its key has several windows.
    pub fn logs_of(&self, id: Digest) -> impl Iterator<Item = &Log> {
        self.logs.iter().filter(move |log| log.id() == id)
    }

    /// Every timestamp authority.
    #[must_use]
    pub fn authorities(&self) -> &[Authority] {
        &self.authorities
    }
}
