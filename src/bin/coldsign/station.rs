//! What the commands share that read or write registries: the client, how many requests are in flight, the end that
//! Ctrl-C asks for, and how far it got.

use std::env;
use std::io::{self, IsTerminal as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use coldsign::check::Check;
use coldsign::error::{Error, Result};
use coldsign::format::reference::{Reference, Repository};
use coldsign::transfer::flow::Flow;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use signal_hook::consts::SIGINT;
use signal_hook::flag;

use crate::cli::Network;
use crate::net::{Http, Settings};
use crate::registry::Registries;

/// A connected station at work.
pub(crate) struct Station {
    registries: Registries,
    workers: usize,
    stop: Arc<AtomicBool>,
}

impl Station {
    /// Opens no connection yet. `signatures` is where signatures are instead of beside their image.
    pub(crate) fn open(network: &Network, signatures: Option<Repository>) -> Result<Self> {
        let http = Http::new(settings(network))?;
        let stop = Arc::new(AtomicBool::new(false));
        // The first Ctrl-C lets what is begun be finished, the second ends at once.
        flag::register_conditional_shutdown(SIGINT, INTERRUPTED_TWICE, stop.clone())
            .and_then(|_| flag::register(SIGINT, stop.clone()))
            .map_err(|error| Error::new(Check::TerminalFailed, "Ctrl-C").caused_by(error))?;
        Ok(Self { registries: Registries::new(http, signatures), workers: network.max_workers, stop })
    }

    /// Every registry, and every layout that is read.
    pub(crate) fn registries(&self) -> &Registries {
        &self.registries
    }

    /// What speaks to servers.
    pub(crate) fn http(&self) -> &Http {
        self.registries.http()
    }

    /// Whether a person pressed Ctrl-C.
    pub(crate) fn stops(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// How many things are in work at once.
    pub(crate) fn flow(&self) -> Flow<'_> {
        Flow { workers: self.workers, stop: &self.stop }
    }
}

/// How servers are spoken to, as asked.
pub(crate) fn settings(network: &Network) -> Settings {
    Settings {
        plain_http: network.plain_http.clone(),
        ca: network.registry_ca.clone(),
        request: Duration::from_secs(network.request_timeout),
        connections: network.max_workers,
    }
}

/// The repository of `--signature-repository`, or cosign's `COSIGN_REPOSITORY`: where signatures are instead of beside
/// their image. Usage where it has a tag or a digest.
pub(crate) fn signature_repository(flag: Option<&Reference>) -> Result<Option<Repository>> {
    let reference = match (flag, env::var(COSIGN_REPOSITORY)) {
        (Some(reference), _) => reference.clone(),
        (None, Ok(text)) if !text.is_empty() => {
            Reference::parse(&text).map_err(|error| error.within(COSIGN_REPOSITORY))?
        }
        (None, Err(env::VarError::NotUnicode(_))) => {
            return Err(Error::new(Check::ReferenceSyntax, COSIGN_REPOSITORY));
        }
        (None, _) => return Ok(None),
    };
    if reference.tag().is_some() || reference.digest().is_some() {
        return Err(Error::new(Check::Usage, reference)
            .detail("signatures are in a repository: it has neither tag nor digest"));
    }
    Ok(Some(reference.repository().clone()))
}

/// A bar for `length` things at a terminal, nothing elsewhere.
pub(crate) fn progress(what: &str, length: usize) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(u64::try_from(length).ok(), ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{msg} {pos} of {len} [{bar:40}]")
        .map(|style| style.progress_chars("#> "));
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(what.to_owned());
    bar
}

/// A bar for so many bytes at a terminal, nothing elsewhere.
pub(crate) fn progress_bytes(what: &str, bytes: u64) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr());
    let style =
        ProgressStyle::with_template("{msg} {decimal_bytes} of {decimal_total_bytes} [{bar:30}] {eta}")
            .map(|style| style.progress_chars("#> "));
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(what.to_owned());
    bar
}

/// The exit code of a program that a signal ended, as shells say it: 128 and the signal.
const INTERRUPTED_TWICE: i32 = 128 + SIGINT;
/// cosign's variable for [`signature_repository`].
const COSIGN_REPOSITORY: &str = "COSIGN_REPOSITORY";
