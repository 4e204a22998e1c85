//! The connections of a run: one pool for each way to a registry, made when it is first needed.

use std::sync::OnceLock;
use std::time::Duration;

use coldsign::error::Result;
use coldsign::limits;
use ureq::Agent;
use ureq::unversioned::transport::DefaultConnector;
use url::Url;

use super::Settings;
use super::names::Names;
use super::proxy::Proxies;
use super::tls::{self, Authorities};

/// Pools of connections, by scheme and by whether a proxy stands between.
pub(super) struct Agents {
    authorities: Option<Authorities>,
    proxies: Proxies,
    http: Lane,
    https: Lane,
}

#[derive(Default)]
struct Lane {
    direct: OnceLock<Agent>,
    proxied: OnceLock<Agent>,
}

impl Agents {
    /// Reads the file of authorities and the environment, no certificate store. Errors: those of [`Authorities::read`].
    pub(super) fn new(settings: &Settings, variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        Ok(Self {
            authorities: settings.ca.as_deref().map(Authorities::read).transpose()?,
            proxies: Proxies::read(variable),
            http: Lane::default(),
            https: Lane::default(),
        })
    }

    /// Who is asked for a connection to a URL: its host, or a proxy, by the variable that names it.
    pub(super) fn peer(&self, url: &Url) -> String {
        match self.proxies.variable(url) {
            Some(variable) => format!("the proxy of {variable}"),
            None => url.host_str().unwrap_or_default().to_owned(),
        }
    }

    /// The pool for a URL. REGISTRY-REACH: its proxy is named in a way that can be read.
    pub(super) fn get(&self, url: &Url, settings: &Settings) -> Result<&Agent> {
        let lane = if url.scheme() == "https" { &self.https } else { &self.http };
        let proxied = self.proxies.apply(url);
        let cell = if proxied { &lane.proxied } else { &lane.direct };
        if let Some(agent) = cell.get() {
            return Ok(agent);
        }
        let proxy = if proxied { self.proxies.proxy(url.scheme())? } else { None };
        Ok(cell.get_or_init(|| {
            // Plain HTTP without a proxy trusts nobody: no certificate is loaded for it.
            let trusted = if url.scheme() == "https" || proxied { self.authorities.as_ref() } else { None };
            self::agent(settings, trusted, proxy)
        }))
    }
}

/// A pool with every bound that the library enforces.
fn agent(settings: &Settings, authorities: Option<&Authorities>, proxy: Option<ureq::Proxy>) -> Agent {
    let most = |bound: Duration| Some(bound.min(settings.request));
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("coldsign/", env!("CARGO_PKG_VERSION")))
        .accept("")
        .accept_encoding("identity")
        .proxy(proxy)
        .tls_config(tls::trust(authorities))
        .timeout_global(Some(settings.request))
        .timeout_resolve(most(CONNECT))
        .timeout_connect(most(CONNECT))
        .timeout_per_read(most(IDLE))
        .timeout_per_write(most(IDLE))
        .max_response_header_size(limits::HTTP_HEADER)
        .input_buffer_size(BUFFER)
        .output_buffer_size(BUFFER)
        .max_idle_connections_per_host(settings.connections)
        .max_idle_connections(settings.connections.saturating_mul(HOSTS))
        .build();
    Agent::with_parts(config, DefaultConnector::default(), Names::default())
}

/// The most that a connection takes to be made, and its name to be looked up.
pub(super) const CONNECT: Duration = Duration::from_secs(10);
/// The most that a connection is silent while something is expected of it.
pub(super) const IDLE: Duration = Duration::from_secs(30);
/// Bytes of each of the two buffers of a connection: above a header, below what a busy station would notice.
const BUFFER: usize = 64 * 1024;
/// Hosts that connections are kept open to: registry, token service, storage.
const HOSTS: usize = 4;
