//! Transparency logs (Rekor v1 and v2) and timestamp authorities: what is told to them, and what comes back.
//!
//! Nothing that they say is believed: an entry or a timestamp leaves this module checked against what a person trusts, by
//! the same code as `verify`. Whoever submits asks a person first: what a log was told is public for ever.

pub(crate) mod add;
mod journal;
pub(crate) mod lookup;
mod rekor_v1;
mod rekor_v2;
mod service;
pub(crate) mod submit;
mod timestamp;

#[cfg(test)]
mod tests;

use coldsign::check::Check;
use coldsign::digest::{Digest, hex};
use coldsign::error::{Error, Result};
use coldsign::format::log::Entry;
use coldsign::trust::{Time, Trust};
use coldsign::verify::log::{self, Checked, Content, Of};

use crate::net::Http;
use service::{Service, Whose};

use timestamp::TimestampAuthority;

/// How a log is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// Rekor v1: entries with a promise and a proof, found by what they hold.
    V1,
    /// Rekor v2: entries with a proof alone, after the log's next checkpoint; found by their index.
    V2,
}

/// A log that is asked. Several workers may ask it at once.
pub(crate) struct Rekor<'a> {
    version: Version,
    log: Service<'a>,
    /// Where a Rekor v2 log's checkpoint and tiles are.
    tiles: Service<'a>,
}

/// An entry that a log has and that was checked: holding one is the proof.
#[derive(Clone, Debug)]
pub(crate) struct Logged {
    entry: Entry,
    time: Option<Time>,
    stood: bool,
}

impl<'a> Rekor<'a> {
    /// A log by its address, as `--rekor-url` has it. A Rekor v2 log's tiles are below it (`api/v2/`), unless `tiles` says
    /// where: the address that `checkpoint` and `tile/` are appended to. Opens no connection. USAGE.
    pub(crate) fn new(http: &'a Http, version: Version, url: &str, tiles: Option<&str>) -> Result<Self> {
        let log = Service::new(http, Whose::Log, url)?;
        let tiles = match tiles {
            Some(tiles) => Service::new(http, Whose::Log, tiles)?,
            None => log.below("api/v2/"),
        };
        Ok(Self { version, log, tiles })
    }

    /// The same, where the server is asked which of the two it is; nothing is published by that.
    ///
    /// LOG-REACH, LOG-TIMEOUT, LOG-REDIRECT; LOG-ANSWER where it is neither.
    pub(crate) fn ask(http: &'a Http, url: &str, tiles: Option<&str>) -> Result<Self> {
        let log = Service::new(http, Whose::Log, url)?;
        let version = if rekor_v1::is_spoken(&log)? {
            Version::V1
        } else {
            rekor_v2::check_spoken(&log)?;
            Version::V2
        };
        Self::new(http, version, url, tiles)
    }

    /// How it is spoken to.
    pub(crate) fn version(&self) -> Version {
        self.version
    }

    /// LOG-REQUIRED: the log is one that is trusted, by the checkpoint that it serves: one that is not, or that
    /// serves none, is told nothing.
    pub(crate) fn check_log_required(&self, trust: &Trust) -> Result<()> {
        let checkpoint = match self.version {
            Version::V1 => rekor_v1::checkpoint(&self.log)?,
            Version::V2 => rekor_v2::checkpoint(&self.tiles)?,
        };
        let Some(checkpoint) = checkpoint else {
            return Err(Error::new(Check::LogRequired, self.log.place())
                .detail("it serves no checkpoint here, so nobody knows whose log it is")
                .hint("--rekor-tiles-url says where a Rekor v2 log's checkpoint and tiles are"));
        };
        if log::signer_of(&checkpoint, self.version == Version::V2, trust).is_some() {
            return Ok(());
        }
        Err(Error::new(Check::LogRequired, self.log.place())
            .detail(format!("its checkpoint is of {}, no log that was given", checkpoint.origin()))
            .hint("--trusted-root names the logs that are trusted"))
    }

    /// LOG-REFUSED: a log of its kind takes such a signature. Asks nobody: what is refused here is never published.
    pub(crate) fn check_log_refused(&self, of: &Of<'_>) -> Result<()> {
        match self.version {
            Version::V1 => rekor_v1::Proposed::new(of).map(drop),
            Version::V2 => rekor_v2::Proposed::new(of).map(drop),
        }
    }

    /// Whether the log is sent more than it publishes: Rekor v1 verifies an envelope, and so is sent its statement.
    pub(crate) fn is_sent_envelope(&self, of: &Of<'_>) -> bool {
        self.version == Version::V1 && !matches!(of.content, Content::Hash(..))
    }

    /// The hash of what was signed as the log publishes it: Rekor v1 of what an envelope holds, Rekor v2 of its PAE.
    pub(crate) fn published_hash(&self, of: &Of<'_>) -> String {
        match of.content {
            Content::Hash(hash, bytes) => format!("{}:{}", hash.name(), hex(bytes)),
            Content::Envelope(_, pae) if self.version == Version::V2 => pae.to_string(),
            Content::Envelope(statement, _) | Content::Layer(_, statement) => {
                Digest::of(statement).to_string()
            }
        }
    }

    /// Tells the log of a signature, and checks the entry that it gives. One that the log has already is a success like a
    /// new one: then it is fetched, or put together from its tiles. Killed anywhere, the same call ends the same.
    ///
    /// LOG-REFUSED, before anything is sent where that is known; LOG-REACH, LOG-TIMEOUT, LOG-REDIRECT, LOG-ANSWER,
    /// LOG-TILE; what [`Entry::read_reply`] and [`log::check`] refuse; LOG-REQUIRED where the log is none that is trusted.
    pub(crate) fn submit(&self, of: &Of<'_>, trust: &Trust) -> Result<Logged> {
        let (entry, stood) = match self.version {
            Version::V1 => rekor_v1::submit(&self.log, &rekor_v1::Proposed::new(of)?)?,
            Version::V2 => rekor_v2::submit(&self.log, &self.tiles, &rekor_v2::Proposed::new(of)?, trust)?,
        };
        Logged::checked(entry, of, trust).map(|logged| Logged { stood, ..logged })
    }

    /// Looks an entry up, and checks what the log gives; `None` where the log does not have it. `entry` is the one in hand,
    /// of any kind; without one Rekor v1 is asked for what [`Rekor::submit`] would make of the signature. Rekor v2 has no
    /// search: an entry in hand is looked for at its index.
    ///
    /// As [`Rekor::submit`]; USAGE where a Rekor v2 log is to find what no entry is in hand of.
    pub(crate) fn find(&self, of: &Of<'_>, entry: Option<&Entry>, trust: &Trust) -> Result<Option<Logged>> {
        let found = match (self.version, entry) {
            (Version::V1, Some(entry)) => rekor_v1::find(&self.log, &entry.body)?,
            (Version::V1, None) => rekor_v1::find(&self.log, rekor_v1::Proposed::new(of)?.body())?,
            (Version::V2, Some(entry)) => rekor_v2::find(&self.tiles, &entry.body, entry.index, trust)?,
            (Version::V2, None) => {
                return Err(Error::new(Check::Usage, self.log.place())
                    .detail("a Rekor v2 log has no search: an entry is found by its index alone"));
            }
        };
        let found = found.map(|entry| Logged::checked(entry, of, trust)).transpose()?;
        Ok(found.map(|logged| Logged { stood: true, ..logged }))
    }

    /// Without its own pauses, for tests.
    #[cfg(test)]
    fn hasty(mut self) -> Self {
        self.log = self.log.hasty();
        self.tiles = self.tiles.hasty();
        self
    }
}

impl Logged {
    /// Checks an entry, whoever gave it. The checks of [`log::check`]; LOG-REQUIRED where it is of no log that is trusted.
    pub(crate) fn checked(entry: Entry, of: &Of<'_>, trust: &Trust) -> Result<Self> {
        match log::check(&entry, of, trust)? {
            Checked::Entered(entered) => {
                let time = entered.time;
                Ok(Self { entry, time, stood: false })
            }
            Checked::Unchecked(why) => Err(check_log_required(&entry, &why)),
        }
    }

    /// The entry.
    pub(crate) fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The entry, to be attached.
    pub(crate) fn into_entry(self) -> Entry {
        self.entry
    }

    /// The time that the log signed; Rekor v2 signs none.
    pub(crate) fn time(&self) -> Option<Time> {
        self.time
    }

    /// Whether the log had it before it was submitted.
    pub(crate) fn stood(&self) -> bool {
        self.stood
    }
}

/// LOG-REQUIRED: an entry is of a log that is trusted. The error.
fn check_log_required(entry: &Entry, why: &str) -> Error {
    Error::new(Check::LogRequired, format!("log entry {}", entry.index))
        .detail(why)
        .detail(format!("it names the log {}", entry.log_id.hex()))
        .hint("--trusted-root names the logs that are trusted")
}
