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
    /// For a command that has no flags of the network.
    pub(crate) fn alone() -> Self {
        Self { plain_http: Vec::new(), ca: None, request: Duration::from_secs(300), connections: 1 }
    }

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

    /// The address of a service that a person gave whole: `https://HOST[:PORT][/PATH]`, or `http://…` for loopback and the
    /// hosts of `--plain-http`. USAGE: anything else, and one with a user, a query or a fragment.
    pub(crate) fn service(&self, address: &str) -> Result<Url> {
        let refuse = |why: &str| Error::new(Check::Usage, address).detail(why);
        let url = Url::parse(address).map_err(|_| refuse("not an address: https://HOST[:PORT][/PATH]"))?;
        if names_a_user(&url) {
            // Said without what may be secret.
            return Err(Error::new(Check::Usage, url.host_str().unwrap_or_default())
                .detail("address with a user or password"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(refuse("address with a query or a fragment"));
        }
        let Some(host) = url.host_str() else { return Err(refuse("address without a host")) };
        let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        match url.scheme() {
            "https" => Ok(url),
            "http" if is_loopback(&url) || self.is_plain(&host) => Ok(url),
            "http" => Err(refuse("plain HTTP to another machine")
                .hint(format!("if it speaks plain HTTP and nothing else: --plain-http {host}"))),
            _ => Err(refuse("neither https nor http")),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(plain_http: &[&str], ca: bool) -> Settings {
        Settings {
            plain_http: plain_http.iter().map(ToString::to_string).collect(),
            ca: ca.then(|| PathBuf::from("ca.pem")),
            request: Duration::from_secs(300),
            connections: 10,
        }
    }

    #[test]
    fn schemes_are_chosen_by_name() {
        for (plain_http, ca, registry, origin) in [
            (&[][..], false, "registry.example", "https://registry.example/"),
            (&[], false, "Registry.Example:443", "https://registry.example/"),
            (&[], false, "registry.example:5000", "https://registry.example:5000/"),
            (&[], false, "index.docker.io", "https://index.docker.io/"),
            (&[], false, "10.0.0.1:5000", "https://10.0.0.1:5000/"),
            (&[], false, "128.0.0.1", "https://128.0.0.1/"),
            (&[], false, "registry.localhost", "https://registry.localhost/"),
            (&[], false, "localhost.example", "https://localhost.example/"),
            // Loopback.
            (&[], false, "localhost", "http://localhost/"),
            (&[], false, "LOCALHOST:5000", "http://localhost:5000/"),
            (&[], false, "127.0.0.1:443", "http://127.0.0.1:443/"),
            (&[], false, "127.9.9.9:5000", "http://127.9.9.9:5000/"),
            (&[], false, "[::1]:5000", "http://[::1]:5000/"),
            // The same address, spelled as few do.
            (&[], false, "127.1:5000", "http://127.0.0.1:5000/"),
            // --registry-ca: loopback speaks TLS.
            (&[], true, "localhost:5000", "https://localhost:5000/"),
            (&[], true, "127.0.0.1:5000", "https://127.0.0.1:5000/"),
            (&["127.0.0.1:5000"], true, "127.0.0.1:5000", "http://127.0.0.1:5000/"),
            (&["127.0.0.1:5001"], true, "127.0.0.1:5000", "https://127.0.0.1:5000/"),
            // --plain-http: with a port that one, without one every port.
            (&["registry.example"], false, "registry.example", "http://registry.example/"),
            (&["registry.example"], false, "registry.example:5000", "http://registry.example:5000/"),
            (&["REGISTRY.example"], false, "registry.EXAMPLE:443", "http://registry.example:443/"),
            (&["registry.example"], false, "other.registry.example", "https://other.registry.example/"),
            (&["registry.example:5000"], false, "Registry.example:5000", "http://registry.example:5000/"),
            (&["registry.example:5000"], false, "registry.example", "https://registry.example/"),
            (&["registry.example:5000"], false, "registry.example:5001", "https://registry.example:5001/"),
            (&["a.example", "b.example"], false, "b.example", "http://b.example/"),
        ] {
            let found = settings(plain_http, ca).origin(registry).unwrap();
            assert_eq!(found.as_str(), origin, "{registry} {plain_http:?} {ca}");
        }
    }

    #[test]
    fn addresses_of_services_are_whole() {
        for (plain_http, address, expected) in [
            (&[][..], "https://log.example", "https://log.example/"),
            (&[], "https://log.example:8443/rekor/", "https://log.example:8443/rekor/"),
            (&[], "http://localhost:3000", "http://localhost:3000/"),
            (&[], "http://127.0.0.1:3000/api/v1/timestamp", "http://127.0.0.1:3000/api/v1/timestamp"),
            (&[], "http://[::1]:3000/", "http://[::1]:3000/"),
            (&["log.example"], "http://log.example:3000", "http://log.example:3000/"),
            (&["log.example:3000"], "http://log.example:3000", "http://log.example:3000/"),
        ] {
            assert_eq!(settings(plain_http, false).service(address).unwrap().as_str(), expected);
        }
        for (plain_http, address) in [
            (&[][..], "http://log.example"),
            (&["log.example:3001"], "http://log.example:3000"),
            (&[], "http://localhost.example"),
            (&[], "log.example"),
            (&[], "log.example:443"),
            (&[], "ftp://log.example"),
            (&[], "file:///etc/passwd"),
            (&[], "https://"),
            (&[], ""),
            (&[], "https://log.example/?x=secret"),
            (&[], "https://log.example/#x"),
            (&[], "https://user:secret@log.example"),
        ] {
            let error = settings(plain_http, false).service(address).unwrap_err();
            assert_eq!(error.check(), Check::Usage, "{address}");
        }
        let error = settings(&[], false).service("https://user:secret@log.example").unwrap_err();
        assert!(!coldsign::terminal::report(&error).contains("secret"));
    }

    #[test]
    fn names_that_no_host_has_are_refused() {
        for registry in [
            "256.1.1.1",
            "",
            "a b",
            "registry.example:99999",
            "registry.example/x",
            "user@registry.example",
            "a?b",
            "a#b",
            "xn--a",
        ] {
            let error = settings(&[], false).origin(registry).unwrap_err();
            assert_eq!(error.check(), Check::RegistryReach, "{registry}");
        }
    }

    #[test]
    fn plain_http_is_for_hosts() {
        for good in ["registry.example", "registry.example:5000", "[::1]:5000"] {
            settings(&[good], false).check_usage().unwrap();
        }
        for bad in [
            "http://registry.example",
            "registry.example/",
            "user@registry.example",
            "",
            "a b",
            "registry.example/app",
        ] {
            let error = settings(&["good.example", bad], false).check_usage().unwrap_err();
            assert_eq!(error.check(), Check::Usage, "{bad}");
        }
    }
}
