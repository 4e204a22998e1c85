//! What a person may say about the network.

use std::path::PathBuf;
use std::time::Duration;

use coldsign::check::Check;
use coldsign::error::{Error, Result};
use url::{Host, Url};

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
    ///
    /// Plain HTTP is for hosts of `--plain-http` and, without `--registry-ca`, for loopback addresses. REGISTRY-REACH:
    /// the name is one that a host can have (`256.1.1.1` is not).
    pub(crate) fn origin(&self, registry: &str) -> Result<Url> {
        let refuse =
            || Error::new(Check::RegistryReach, registry).detail("not a host name with an optional port");
        let secure = Url::parse(&format!("https://{registry}/")).map_err(|_| refuse())?;
        if secure.path() != "/"
            || secure.query().is_some()
            || secure.fragment().is_some()
            || names_a_user(&secure)
        {
            return Err(refuse());
        }
        if self.is_plain(registry) || (self.ca.is_none() && is_loopback(&secure)) {
            return Url::parse(&format!("http://{registry}/")).map_err(|_| refuse());
        }
        Ok(secure)
    }

    /// USAGE: what `--plain-http` names are hosts, not addresses with a scheme or a path.
    pub(super) fn check_usage(&self) -> Result<()> {
        let bad = |host: &&String| host.is_empty() || host.contains(['/', '@', '?', '#', ' ']);
        match self.plain_http.iter().find(bad) {
            None => Ok(()),
            Some(host) => Err(Error::new(Check::Usage, format!("--plain-http {host}"))
                .detail("expected HOST or HOST:PORT, as in the name of an image")),
        }
    }

    /// Whether `--plain-http` names this registry: with a port that port, without one every port of the host.
    fn is_plain(&self, registry: &str) -> bool {
        let host = match registry.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => registry,
        };
        self.plain_http
            .iter()
            .any(|plain| plain.eq_ignore_ascii_case(registry) || plain.eq_ignore_ascii_case(host))
    }
}

/// Whether a URL leads to this machine: 127.0.0.0/8, `::1`, `localhost` (RFC 6761, 6.3; [`super::names`] holds to it).
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whether a URL holds a user or a password: secrets that would be shown, and that nobody asked us to send.
pub(super) fn names_a_user(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}
