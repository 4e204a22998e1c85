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
        let proxy = ureq::Proxy::new(value).map_err(|_| refuse("not the URL of a proxy"))?;
        match proxy.protocol() {
            ureq::ProxyProtocol::Http | ureq::ProxyProtocol::Https => Ok(Some(proxy)),
            _ => Err(refuse("a kind of proxy that is not supported: expected http:// or https://")),
        }
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
