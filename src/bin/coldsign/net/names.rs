//! Host names: asked for once a minute, not once a request, and `localhost` is this machine whatever a server says.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// The names of a run. The library asks before every request, also where a connection is open already.
#[derive(Debug, Default)]
pub(super) struct Names {
    system: DefaultResolver,
    known: Mutex<Known>,
}

/// A name that the system could not look up: an I/O error without a kind of its own.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(super) struct Unresolved(pub(super) io::Error);

/// Host and port, since when, and what was found.
type Known = HashMap<(String, u16), (Instant, Vec<SocketAddr>)>;

impl Resolver for Names {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let (Some(host), Some(port)) = (uri.host(), port(uri)) else {
            return self.system.resolve(uri, config, timeout);
        };
        if let Ok(address) = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
            return Ok(self.addresses([SocketAddr::new(address, port)]));
        }
        if host.eq_ignore_ascii_case("localhost") {
            // RFC 6761, 6.3: name resolution APIs SHOULD always return the loopback address. Plain HTTP is spoken to it.
            let both = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
            return Ok(self.addresses(both.map(|address| SocketAddr::new(address, port))));
        }
        let key = (host.to_ascii_lowercase(), port);
        if let Some((since, addresses)) = self.known().get(&key)
            && since.elapsed() < KEPT
        {
            return Ok(self.addresses(addresses.iter().copied()));
        }
        let found = self.system.resolve(uri, config, timeout).map_err(|error| match error {
            ureq::Error::Io(error) => ureq::Error::Other(Box::new(Unresolved(error))),
            other => other,
        })?;
        self.known().insert(key, (Instant::now(), found.iter().copied().collect()));
        Ok(found)
    }
}

impl Names {
    fn addresses(&self, addresses: impl IntoIterator<Item = SocketAddr>) -> ResolvedSocketAddrs {
        let mut all = self.empty();
        addresses.into_iter().for_each(|address| all.push(address));
        all
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn port(uri: &Uri) -> Option<u16> {
    uri.port_u16().or_else(|| match uri.scheme_str() {
        Some("http") => Some(80),
        Some("https") => Some(443),
        _ => None,
    })
}

/// How long an answer is used: short enough to follow a registry that moves.
const KEPT: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use ureq::Agent;

    use super::*;

    #[test]
    fn loopback_is_never_asked_for() {
        let names = Names::default();
        let config = Agent::config_builder().build();
        for (uri, addresses) in [
            ("http://127.0.0.1:5000/", &["127.0.0.1:5000"][..]),
            ("https://10.0.0.1/", &["10.0.0.1:443"]),
            ("http://[::1]/", &["[::1]:80"]),
            ("http://localhost:5000/", &["127.0.0.1:5000", "[::1]:5000"]),
            ("https://LocalHost/", &["127.0.0.1:443", "[::1]:443"]),
        ] {
            let found = names.resolve(&uri.parse().unwrap(), &config, NextTimeout::default()).unwrap();
            assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), addresses, "{uri}");
        }
        assert!(names.known().is_empty(), "nothing was looked up");
    }

    #[test]
    fn what_was_found_is_used_for_a_minute() {
        let names = Names::default();
        let config = Agent::config_builder().build();
        let uri: Uri = "https://Registry.example/".parse().unwrap();
        let known = vec!["192.0.2.1:443".parse().unwrap()];
        let Some(now) = Instant::now().checked_sub(KEPT / 2) else { return };
        names.known().insert(("registry.example".to_owned(), 443), (now, known.clone()));
        let found = names.resolve(&uri, &config, NextTimeout::default()).unwrap();
        assert_eq!(found[..], known);
    }
}
