//! What stands beside a signature, judged as a whole: which log entries and timestamps hold, which time counts, and
//! whether that is what was demanded.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::log::{self, Checked, Content, Of};
use super::timestamp::{Token, check_token_count, check_token_repeated};
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::log::{Entry, Material};
use crate::trust::{Time, Trust};

/// What is demanded of log entries or timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// One that holds.
    Require,
    /// None; what is there and can be checked must hold.
    IfPresent,
    /// None, and nothing is checked.
    Ignore,
}

impl Want {
    /// As it is typed.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Require => "require",
            Self::IfPresent => "if-present",
            Self::Ignore => "ignore",
        }
    }
}

/// What is demanded beside a signature, and whom a person trusts.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// Logs and timestamp authorities.
    pub trust: Arc<Trust>,
    /// Of log entries.
    pub log: Want,
    /// How many distinct logs must have it where entries are demanded, at least 1.
    pub logs: usize,
    /// Of timestamps.
    pub tsa: Want,
    /// Where entries are looked up that do not stand beside their signature.
    pub lookup: Option<Arc<dyn Lookup>>,
    /// Whether what stands beside a valid signature is kept with it: for whoever puts it elsewhere.
    pub keep: bool,
}

/// A log that is asked for entries. What it answers is checked like every other entry: a server is never believed.
pub trait Lookup: Debug + Send + Sync {
    /// The entry of a signature, checked with what is trusted; `None` where the log does not have it.
    fn find(&self, of: &Of<'_>, trust: &Trust) -> Result<Option<Entry>>;

    /// What it is called on the screen.
    fn name(&self) -> String;
}

impl Evidence {
    /// Nothing is demanded and nobody is trusted: what is there is unchecked.
    #[must_use]
    pub fn none() -> Self {
        Self {
            trust: Arc::default(),
            log: Want::IfPresent,
            logs: 1,
            tsa: Want::IfPresent,
            lookup: None,
            keep: false,
        }
    }

    /// The same, and what is there is not looked at.
    #[must_use]
    pub fn ignored() -> Self {
        Self { log: Want::Ignore, tsa: Want::Ignore, ..Self::none() }
    }
}

/// What is known of a part: four words that are never mixed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// There is none.
    Absent,
    /// There is one that nothing was there to check with.
    Unchecked,
    /// It holds.
    Verified,
    /// It does not hold.
    Invalid,
}

impl State {
    /// As it stands on the screen.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Unchecked => "unchecked",
            Self::Verified => "verified",
            Self::Invalid => "invalid",
        }
    }
}

/// What is known of what stands beside a signature.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// Each log entry.
    pub entries: Vec<SeenEntry>,
    /// Each timestamp.
    pub tokens: Vec<SeenToken>,
    /// What a log that was asked said, where that was no entry.
    pub lookup: Option<NoEntry>,
}

/// Why a log that was asked gave no entry.
#[derive(Clone, Debug)]
pub enum NoEntry {
    /// The log does not have it; which log.
    Absent(String),
    /// The log gave no answer, or one that does not hold.
    Failed(String),
}

impl NoEntry {
    /// As it stands on the screen.
    #[must_use]
    pub fn said(&self) -> String {
        match self {
            Self::Absent(log) => format!("{log} does not have it"),
            Self::Failed(why) => why.clone(),
        }
    }
}

/// A log entry, and what is known of it.
#[derive(Clone, Debug)]
pub struct SeenEntry {
    /// The id of the log's key that it names.
    pub log_id: Digest,
    /// The log that has it, and the file that names that log; `None` where no log is known to have it.
    pub log: Option<(String, String)>,
    /// Its index.
    pub index: u64,
    /// What kind it says it is; in an annotation nothing.
    pub kind: Option<String>,
    /// Of the entry.
    pub state: State,
    /// Of its proof of inclusion.
    pub proof: State,
    /// The time that the log signed.
    pub time: Option<Time>,
    /// Why it is unchecked or invalid: a line each, none where it holds. Text of others.
    pub reason: Vec<String>,
    /// Whether it stood nowhere beside the signature, and a log was asked for it.
    pub looked_up: bool,
}

/// A timestamp, and what is known of it.
#[derive(Clone, Debug)]
pub struct SeenToken {
    /// The SHA-256 of its bytes.
    pub digest: Digest,
    /// The authority that made it; `None` where none that is trusted did.
    pub authority: Option<String>,
    /// What time it says; `None` where it cannot be read.
    pub time: Option<Time>,
    /// Of the timestamp.
    pub state: State,
    /// As [`SeenEntry::reason`].
    pub reason: Vec<String>,
}

impl Standing {
    /// Of all log entries together: what is worst, but a verified one beside unchecked ones is verified.
    #[must_use]
    pub fn log(&self) -> State {
        together(self.entries.iter().map(|entry| entry.state))
    }

    /// Of all proofs together.
    #[must_use]
    pub fn proof(&self) -> State {
        together(self.entries.iter().map(|entry| entry.proof))
    }

    /// Of all timestamps together.
    #[must_use]
    pub fn token(&self) -> State {
        together(self.tokens.iter().map(|token| token.state))
    }

    /// Whether an entry and a timestamp for each of `material` was seen: entries by log and index, timestamps by their
    /// bytes.
    #[must_use]
    pub fn has(&self, material: &Material) -> bool {
        let has_entry = |entry: &Entry| {
            self.entries.iter().any(|seen| (seen.log_id, seen.index) == (entry.log_id, entry.index))
        };
        let has_token = |token: &Vec<u8>| self.tokens.iter().any(|seen| seen.digest == Digest::of(token));
        material.entries.iter().all(has_entry) && material.tokens.iter().all(has_token)
    }

    /// The earliest time at which the signature is known to have been there, and who says so.
    #[must_use]
    pub fn time(&self) -> Option<(Time, &str)> {
        let logged = self.entries.iter().filter(|entry| entry.state == State::Verified);
        let logged = logged.filter_map(|entry| Some((entry.time?, entry.log.as_ref()?.0.as_str())));
        let stamped = self.tokens.iter().filter(|token| token.state == State::Verified);
        let stamped = stamped.filter_map(|token| Some((token.time?, token.authority.as_deref()?)));
        logged.chain(stamped).min()
    }
}

fn together(states: impl Iterator<Item = State>) -> State {
    states.max().unwrap_or(State::Absent)
}

/// What of a material holds by itself: entries of logs and timestamps of authorities that are trusted.
#[must_use]
pub fn verified(material: &Material, of: &Of<'_>, trust: &Trust) -> Material {
    let holds = |entry: &&Entry| matches!(log::check(entry, of, trust), Ok(Checked::Entered(_)));
    let stamped = |der: &&Vec<u8>| {
        let check = |token: Token| token.check(of.stamped(), trust.authorities());
        matches!(Token::parse(der).and_then(check), Ok(Some(_)))
    };
    Material {
        entries: material.entries.iter().filter(holds).cloned().collect(),
        tokens: material.tokens.iter().filter(stamped).cloned().collect(),
    }
}

/// Judges what stands beside a signature. The second value is an error where something is invalid, or what is demanded is
/// not there: then the signature does not count.
pub fn judge(material: &Material, of: &Of<'_>, demand: &Evidence) -> (Standing, Result<()>) {
    let mut refused = None;
    let mut refuse = |error: Error| {
        let reason = said(&error);
        refused.get_or_insert(error);
        reason
    };
    let mut standing = Standing::default();
    let stamps = judge_tokens(material, of, demand, &mut standing, &mut refuse);
    let mut logs = judge_entries(&material.entries, of, demand, &stamps, &mut standing, &mut refuse);
    if let Some(found) = look_up(of, demand, &mut standing, &logs) {
        logs.extend(judge_entries(&[found], of, demand, &stamps, &mut standing, &mut refuse));
        if let Some(entry) = standing.entries.last_mut() {
            entry.looked_up = true;
        }
    }
    let demanded = refused.map_or(Ok(()), Err).and_then(|()| {
        check_log_required(&logs, demand, &standing)?;
        check_token_required(&stamps, demand, &standing)
    });
    (standing, demanded)
}

/// Judges the timestamps. Returns the times of those that hold.
fn judge_tokens(
    material: &Material,
    of: &Of<'_>,
    demand: &Evidence,
    standing: &mut Standing,
    refuse: &mut impl FnMut(Error) -> Vec<String>,
) -> Vec<Time> {
    let mut stamps = Vec::new();
    let repeated = check_token_count(&material.tokens)
        .and_then(|()| check_token_repeated(&material.tokens))
        .map_err(&mut *refuse)
        .err();
    for der in &material.tokens {
        let mut seen = SeenToken {
            digest: Digest::of(der),
            authority: None,
            time: None,
            state: State::Unchecked,
            reason: repeated.clone().unwrap_or_default(),
        };
        if repeated.is_some() {
            seen.state = State::Invalid;
        } else if demand.tsa == Want::Ignore {
            seen.reason = vec![IGNORED.to_owned()];
        } else {
            let token = Token::parse(der);
            seen.time = token.as_ref().ok().map(Token::time);
            match token.and_then(|token| token.check(of.stamped(), demand.trust.authorities())) {
                Ok(Some(stamp)) => {
                    seen.authority = demand
                        .trust
                        .authorities()
                        .get(stamp.authority())
                        .map(|found| found.name().to_owned());
                    seen.state = State::Verified;
                    seen.time = Some(stamp.latest());
                    stamps.push(stamp.latest());
                }
                Ok(None) => seen.reason = vec!["of no authority that was given".to_owned()],
                Err(error) if error.check() == Check::TokenImprint && is_of_signature(der, of, demand) => {
                    seen.reason =
                        vec!["of the signature, not of the envelope: cosign 3 writes it so".to_owned()];
                }
                Err(error) => {
                    seen.state = State::Invalid;
                    seen.reason = refuse(error);
                }
            }
        }
        standing.tokens.push(seen);
    }
    stamps
}

/// Whether a timestamp of an `.att`, which is one of the envelope, is a good one of the signature instead. cosign 3 writes
/// those, and no verifier takes them: it never counts, and is no forgery either.
fn is_of_signature(der: &[u8], of: &Of<'_>, demand: &Evidence) -> bool {
    let check = |token: Token| token.check(of.signature, demand.trust.authorities());
    matches!(of.content, Content::Layer(..)) && matches!(Token::parse(der).and_then(check), Ok(Some(_)))
}

/// Judges the log entries. Returns the ids of the keys of distinct logs that have the signature.
fn judge_entries(
    entries: &[Entry],
    of: &Of<'_>,
    demand: &Evidence,
    stamps: &[Time],
    standing: &mut Standing,
    refuse: &mut impl FnMut(Error) -> Vec<String>,
) -> BTreeSet<Digest> {
    let mut logs = BTreeSet::new();
    let repeated = check_log_repeated(entries).map_err(&mut *refuse).err();
    for entry in entries {
        let mut seen = SeenEntry {
            log_id: entry.log_id,
            log: None,
            index: entry.index,
            kind: entry.kind.as_ref().map(ToString::to_string),
            state: State::Unchecked,
            proof: if entry.proof.is_some() { State::Unchecked } else { State::Absent },
            time: None,
            reason: repeated.clone().unwrap_or_default(),
            looked_up: false,
        };
        if repeated.is_some() {
            seen.state = State::Invalid;
        } else if demand.log == Want::Ignore {
            seen.reason = vec![IGNORED.to_owned()];
        } else {
            match log::check(entry, of, &demand.trust) {
                Ok(Checked::Entered(entered)) => {
                    seen.log = Some((entered.log.name(), entered.log.source().to_owned()));
                    seen.time = entered.time;
                    if entered.proved {
                        seen.proof = State::Verified;
                    }
                    match check_log_ended(&entered, stamps) {
                        Ok(()) => {
                            seen.state = State::Verified;
                            logs.insert(entered.log.key().id());
                        }
                        Err(error) => seen.reason = said(&error),
                    }
                }
                Ok(Checked::Unchecked(reason)) => seen.reason = vec![reason],
                Err(error) => {
                    seen.state = State::Invalid;
                    if is_of_proof(error.check()) {
                        seen.proof = State::Invalid;
                    }
                    seen.reason = refuse(error);
                }
            }
        }
        standing.entries.push(seen);
    }
    logs
}

/// Asks a log for the entry of a signature that has none which holds. That it has none, or gave no answer, is kept as the
/// reason.
fn look_up(
    of: &Of<'_>,
    demand: &Evidence,
    standing: &mut Standing,
    logs: &BTreeSet<Digest>,
) -> Option<Entry> {
    let lookup = demand.lookup.as_ref().filter(|_| logs.is_empty() && demand.log != Want::Ignore)?;
    match lookup.find(of, &demand.trust) {
        Ok(Some(entry)) => return Some(entry),
        Ok(None) => standing.lookup = Some(NoEntry::Absent(lookup.name())),
        Err(error) => {
            let why = format!("{}: {}", lookup.name(), said(&error).join(": "));
            standing.lookup = Some(NoEntry::Failed(why));
        }
    }
    None
}

/// LOG-REPEATED: a log has one entry at an index; the same evidence twice is none the stronger.
fn check_log_repeated(entries: &[Entry]) -> Result<()> {
    let mut seen = BTreeSet::new();
    match entries.iter().find(|entry| !seen.insert((entry.log_id, entry.index))) {
        Some(twice) => Err(Error::new(Check::LogRepeated, format!("log entry {}", twice.index))),
        None => Ok(()),
    }
}

/// LOG-ENDED: an entry that has no time of its own, of a log key whose validity ends, counts beside a timestamp that is not
/// after that end: it shows that the signature is older.
fn check_log_ended(entered: &log::Entered<'_>, stamps: &[Time]) -> Result<()> {
    match (entered.time, entered.log.end()) {
        (None, Some(end)) if !stamps.iter().any(|stamp| *stamp <= end) => {
            Err(Error::new(Check::LogEnded, entered.log.name()).detail(format!("it held to {end}")))
        }
        _ => Ok(()),
    }
}

/// LOG-REQUIRED: entries that hold, of as many distinct logs as demanded. LOG-ENDED or LOG-ABSENT where that is why there
/// are too few.
fn check_log_required(logs: &BTreeSet<Digest>, demand: &Evidence, standing: &Standing) -> Result<()> {
    if demand.log != Want::Require || logs.len() >= demand.logs {
        return Ok(());
    }
    let found = format!("{} of {} logs", logs.len(), demand.logs);
    let ended = standing
        .entries
        .iter()
        .any(|entry| entry.proof == State::Verified && entry.state == State::Unchecked);
    let check = match standing.lookup {
        _ if ended => Check::LogEnded,
        Some(NoEntry::Absent(_)) => Check::LogAbsent,
        _ => Check::LogRequired,
    };
    let error = Error::new(check, found);
    let error = if standing.entries.is_empty() { error.detail("it has no log entry") } else { error };
    let error = standing.lookup.iter().map(NoEntry::said).fold(error, Error::detail);
    let reasons =
        standing.entries.iter().filter_map(|entry| Some((entry.index, entry.reason.split_first()?)));
    Err(reasons.fold(error, |error, (index, (first, more))| {
        more.iter().fold(error.detail(format!("log entry {index}: {first}")), Error::detail)
    }))
}

/// TOKEN-REQUIRED: a timestamp that holds.
fn check_token_required(stamps: &[Time], demand: &Evidence, standing: &Standing) -> Result<()> {
    if demand.tsa != Want::Require || !stamps.is_empty() {
        return Ok(());
    }
    let error = Error::new(Check::TokenRequired, "");
    let error = if standing.tokens.is_empty() { error.detail("it has no timestamp") } else { error };
    Err(standing.tokens.iter().flat_map(|token| &token.reason).fold(error, Error::detail))
}

/// Whether a check is about the proof of an entry, or about the entry itself.
fn is_of_proof(check: Check) -> bool {
    matches!(
        check,
        Check::LogProof
            | Check::LogCheckpoint
            | Check::LogOrigin
            | Check::LogNote
            | Check::LogRoot
            | Check::LogIndex
            | Check::LogInclusion
    )
}

/// `CHECK: what`, and what it says besides, a line each.
fn said(error: &Error) -> Vec<String> {
    let check = error.check();
    let what = format!("{check}: {}", check.message());
    std::iter::once(what).chain(error.details().map(str::to_owned)).collect()
}

const IGNORED: &str = "not looked at, as asked";
