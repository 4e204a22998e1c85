//! Proxies, as the environment names them: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`.

use std::net::IpAddr;

use coldsign::check::Check;
use coldsign::error::{Error, Result};
use url::{Host, Url};

use super::settings::is_loopback;

/// The proxies of a run. What a variable holds is parsed when it is needed, and never shown: it may have a password.
pub(super) struct Proxies {
    https: Option<Named>,
    http: Option<Named>,
    except: Vec<Exception>,
}

/// A variable and its value.
struct Named {
    variable: &'static str,
    value: String,
}

impl Proxies {
    /// Reads the environment: a variable in upper case before the one in lower case, empty ones as if absent.
    pub(super) fn read(variable: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: &[&'static str]| {
            names.iter().find_map(|name| {
                let value =
                    variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
                value.map(|value| Named { variable: name, value })
            })
        };
        let except = first(&["NO_PROXY", "no_proxy"]).map(|named| named.value).unwrap_or_default();
        Self {
            https: first(&["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]),
            http: first(&["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]),
            except: except.split(',').filter_map(Exception::parse).collect(),
        }
    }

    /// Whether a URL is reached through a proxy. Loopback addresses never are: a proxy's loopback is another machine.
    pub(super) fn apply(&self, url: &Url) -> bool {
        self.named(url.scheme()).is_some()
            && !is_loopback(url)
            && !self.except.iter().any(|exception| exception.matches(url))
    }

    /// The proxy for a scheme. REGISTRY-REACH: the variable holds the URL of an HTTP proxy.
    pub(super) fn proxy(&self, scheme: &str) -> Result<Option<ureq::Proxy>> {
        let Some(Named { variable, value }) = self.named(scheme) else { return Ok(None) };
        let refuse = |why| {
            Error::new(Check::RegistryReach, *variable)
                .detail(why)
                .hint(format!("unset {variable}, or set it to http://HOST:PORT"))
        };
        // The library takes much for an address, an empty host too.
        let url =
            if value.contains("://") { Url::parse(value) } else { Url::parse(&format!("http://{value}")) };
        let (Ok(url), Ok(proxy)) = (url, ureq::Proxy::new(value)) else {
            return Err(refuse("not the URL of a proxy"));
        };
        if !matches!(url.scheme(), "http" | "https") {
            return Err(refuse("a kind of proxy that is not supported: expected http:// or https://"));
        }
        Ok(Some(proxy))
    }

    /// The variable that names the proxy between us and a URL.
    pub(super) fn variable(&self, url: &Url) -> Option<&'static str> {
        self.named(url.scheme()).filter(|_| self.apply(url)).map(|named| named.variable)
    }

    fn named(&self, scheme: &str) -> Option<&Named> {
        if scheme == "https" { self.https.as_ref() } else { self.http.as_ref() }
    }
}

/// An entry of `NO_PROXY`, read as Go's programs read it.
#[derive(Debug, PartialEq, Eq)]
struct Exception {
    host: Hosts,
    port: Option<u16>,
}

#[derive(Debug, PartialEq, Eq)]
enum Hosts {
    All,
    /// Addresses that begin with this many bits of this one.
    Network(IpAddr, u32),
    /// A domain and everything below it.
    Domain(String),
    /// Everything below a domain; begins with a dot.
    Below(String),
}

impl Exception {
    fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        if text.is_empty() {
            return None;
        }
        if let Some(host) = Hosts::address(&text) {
            return Some(Self { host, port: None });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok()?)),
            None => (text.as_str(), None),
        };
        let host = Hosts::address(host).unwrap_or_else(|| match host.strip_prefix('*').unwrap_or(host) {
            "" => Hosts::All,
            below if below.starts_with('.') => Hosts::Below(below.to_owned()),
            domain => Hosts::Domain(domain.to_owned()),
        });
        Some(Self { host, port })
    }

    fn matches(&self, url: &Url) -> bool {
        let port = self.port.is_none_or(|port| url.port_or_known_default() == Some(port));
        port && match (&self.host, url.host()) {
            (Hosts::All, _) => true,
            (Hosts::Network(network, bits), Some(Host::Ipv4(address))) => {
                within(address.into(), *network, *bits)
            }
            (Hosts::Network(network, bits), Some(Host::Ipv6(address))) => {
                within(address.into(), *network, *bits)
            }
            (Hosts::Domain(domain), Some(Host::Domain(name))) => {
                name.strip_suffix(domain.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            (Hosts::Below(below), Some(Host::Domain(name))) => name.ends_with(below),
            _ => false,
        }
    }
}

impl Hosts {
    /// `ADDRESS`, `[ADDRESS]` or `ADDRESS/BITS`.
    fn address(text: &str) -> Option<Self> {
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let bare = address.strip_prefix('[').and_then(|address| address.strip_suffix(']')).unwrap_or(address);
        let address: IpAddr = bare.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(most), |bits| bits.parse().ok().filter(|bits| *bits <= most))?;
        Some(Self::Network(address, bits))
    }
}

/// Whether two addresses of one kind begin with the same bits.
fn within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            (address.to_bits() ^ network.to_bits()).leading_zeros() >= bits
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            (address.to_bits() ^ network.to_bits()).leading_zeros() >= bits
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(variables: &[(&str, &str)]) -> Proxies {
        Proxies::read(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn host(proxies: &Proxies, scheme: &str) -> Option<String> {
        proxies.proxy(scheme).unwrap().map(|proxy| format!("{}:{}", proxy.host(), proxy.port()))
    }

    #[test]
    fn each_scheme_has_its_variable() {
        for (variables, https, http) in [
            (&[][..], None, None),
            (&[("HTTPS_PROXY", "http://p:1")], Some("p:1"), None),
            (&[("http_proxy", "http://p:2")], None, Some("p:2")),
            (&[("HTTPS_PROXY", "http://p:1"), ("HTTP_PROXY", "http://p:2")], Some("p:1"), Some("p:2")),
            (&[("HTTPS_PROXY", "http://p:1"), ("https_proxy", "http://p:3")], Some("p:1"), None),
            (&[("HTTPS_PROXY", " "), ("https_proxy", "http://p:3")], Some("p:3"), None),
            (&[("ALL_PROXY", "http://p:4"), ("http_proxy", "http://p:2")], Some("p:4"), Some("p:2")),
            (&[("https_proxy", "p:8080")], Some("p:8080"), None),
            (&[("https_proxy", "https://u:s@p:8443")], Some("p:8443"), None),
        ] {
            let proxies = proxies(variables);
            assert_eq!(host(&proxies, "https").as_deref(), https, "{variables:?}");
            assert_eq!(host(&proxies, "http").as_deref(), http, "{variables:?}");
        }
    }

    #[test]
    fn exceptions_are_read_as_go_reads_them() {
        let applies = |except: &str, url: &str| {
            proxies(&[("ALL_PROXY", "http://proxy.example:3128"), ("NO_PROXY", except)])
                .apply(&Url::parse(url).unwrap())
        };
        for (except, through, around) in [
            (
                "",
                &["https://a.example/", "http://10.0.0.1/"][..],
                &["http://localhost/", "https://127.3.2.1/", "https://[::1]:5000/"][..],
            ),
            ("*", &[], &["https://a.example/", "http://10.0.0.1/"]),
            (
                "a.example",
                &["https://b.example/", "https://ba.example/"],
                &["https://a.example/", "https://x.y.A.example:5000/"],
            ),
            (".a.example", &["https://a.example/"], &["https://x.a.example/"]),
            ("*.a.example", &["https://a.example/"], &["https://x.a.example/"]),
            (
                " b.example , a.example ",
                &["https://c.example/"],
                &["https://a.example/", "https://b.example/"],
            ),
            ("a.example:5000", &["https://a.example/"], &["https://a.example:5000/"]),
            ("a.example:443", &["http://a.example/"], &["https://a.example/"]),
            ("10.0.0.1", &["https://10.0.0.2/", "https://10.0.0.1.example/"], &["https://10.0.0.1:5000/"]),
            ("10.0.0.1:5000", &["https://10.0.0.1/"], &["https://10.0.0.1:5000/"]),
            ("10.1.0.0/16", &["https://10.2.0.1/", "https://[::1:1]/"], &["https://10.1.2.3/"]),
            ("0.0.0.0/0", &["https://a.example/"], &["https://10.1.2.3/"]),
            ("fd00::/8", &["https://[fe00::1]/"], &["https://[fd12::1]:5000/"]),
            ("[fd00::1]:5000", &["https://[fd00::1]/"], &["https://[fd00::1]:5000/"]),
            ("10.0.0.0/33,a.example:x,,", &["https://10.0.0.1/", "https://a.example/"], &[]),
        ] {
            for url in through {
                assert!(applies(except, url), "{except}: {url}");
            }
            for url in around {
                assert!(!applies(except, url), "{except}: {url}");
            }
        }
    }
}
