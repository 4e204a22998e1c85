//! The file of credentials, as docker and podman write it, and the programs that it names.

use std::path::PathBuf;

use coldsign::error::Result;

/// What a person has for a registry.
pub(crate) enum Credential {
    /// User and password, for basic login or to get a token.
    Password { user: String, password: String },
    /// An identity token, to get an access token (OAuth 2 refresh token).
    Identity(String),
}

/// Which file is read: `REGISTRY_AUTH_FILE`, `$DOCKER_CONFIG/config.json`, `~/.docker/config.json`, podman's files.
pub(crate) fn file() -> Option<PathBuf> {
    unimplemented!()
}

/// What that file has for a registry and a repository in it, the most specific entry first.
pub(crate) fn find(registry: &str, path: &str) -> Result<Option<Credential>> {
    unimplemented!("{registry} {path}")
}
