//! Logging in: challenges, tokens (RFC 9110 11, RFC 6750, distribution-spec "token" extension), and which of a person's
//! credentials go where.

use coldsign::error::Result;
use coldsign::format::reference::Repository;

use crate::net::{Answer, Http, Request};

/// What a request wants to do in its repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Scope {
    Pull,
    PullPush,
}

/// A client that is logged in where it has to be.
pub(crate) struct Session {
    http: Http,
}

impl Session {
    pub(crate) fn new(http: Http) -> Self {
        Self { http }
    }

    pub(crate) fn http(&self) -> &Http {
        &self.http
    }

    /// Sends a request for a repository, with credentials where the registry asks for them. A 401 after that is
    /// REGISTRY-LOGIN and names the file of credentials, a 403 REGISTRY-DENIED; every other status is handed over.
    ///
    /// Errors: those of [`Http::send`]; REGISTRY-LOGIN, REGISTRY-DENIED, REGISTRY-REALM, REGISTRY-CREDENTIALS.
    pub(crate) fn send(
        &self,
        repository: &Repository,
        scope: Scope,
        request: &Request<'_>,
    ) -> Result<Answer> {
        unimplemented!("{repository} {scope:?} {request:?}")
    }
}
