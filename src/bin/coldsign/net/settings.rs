//! What a person may say about the network.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

/// What a person may say about the network.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Registries (`HOST` or `HOST:PORT`) that speak plain HTTP (`--plain-http`).
    pub(crate) plain_http: Vec<String>,
    /// PEM file of further certificate authorities (`--registry-ca`). With it loopback addresses speak TLS too.
    pub(crate) ca: Option<PathBuf>,
    /// The most that one request may take (`--request-timeout`); idle and connect time are at most this as well.
    pub(crate) request: Duration,
    /// Connections that are kept open to one registry (`--max-workers`).
    pub(crate) connections: usize,
}

impl Settings {
    /// The origin of a registry, `https://HOST[:PORT]/` or `http://…`: chosen before the first byte, and kept.
    pub(crate) fn origin(&self, registry: &str) -> Url {
        unimplemented!("{registry}")
    }
}
