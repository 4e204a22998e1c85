//! Log entries, checked with the keys of logs that a person trusts (docs/verification.md, "Logs"). Entries of Rekor v1
//! give a promise, a proof or both; those of Rekor v2 a proof alone.
//!
//! One path for every source of trust and for both forms. All steps hold, or the entry is invalid.

use super::binding::{check_body, check_log_index, check_log_kind, check_log_leaf, check_log_promise};
use crate::check::Check;
use crate::error::{Error, Result};
use crate::format::log::body::Body;
use crate::format::log::note::Checkpoint;
use crate::format::log::{Entry, Kind};
use crate::keys::public::KeyKind;
use crate::trust::{Log, Time, Trust};

pub use super::binding::{
    Content, Of, Told, check_log_inclusion, check_log_proof, check_log_root, leaf_of, spelled, told,
};

/// An entry that holds.
#[derive(Clone, Debug)]
pub struct Entered<'t> {
    /// The log that has it.
    pub log: &'t Log,
    /// The time that the log signed.
    pub time: Option<Time>,
    /// Whether it was proved to be in the log's tree.
    pub proved: bool,
}

/// What became of an entry that is not invalid.
#[derive(Clone, Debug)]
pub enum Checked<'t> {
    /// It holds.
    Entered(Entered<'t>),
    /// No log that is trusted made it, or none that can be checked; why.
    Unchecked(String),
}

/// Checks an entry with the logs that it may be of; an error where it is invalid.
pub fn check<'t>(entry: &Entry, of: &Of<'_>, trust: &'t Trust) -> Result<Checked<'t>> {
    let (mut refused, mut unnamed) = (None, None);
    let mut entered = None::<Entered<'t>>;
    for log in trust.logs_of(entry.log_id) {
        let is_v2 = entry.kind.as_ref().is_some_and(Kind::is_v2);
        let checked = match (is_v2, log.host()) {
            (true, None) => {
                unnamed = Some(format!("{} pins no origin, which a Rekor v2 entry needs", log.source()));
                continue;
            }
            (true, Some(host)) => check_v2(entry, of, log, host),
            (false, _) => check_v1(entry, of, log),
        };
        match checked {
            Ok(found) if entered.as_ref().is_none_or(|other| lasts_longer(found.log, other.log)) => {
                entered = Some(found);
            }
            Ok(_) => {}
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    if let Some(entered) = entered {
        return Ok(Checked::Entered(entered));
    }
    match refused {
        Some(error) => Err(error.within(format!("log entry {}", entry.index))),
        None => Ok(Checked::Unchecked(unnamed.unwrap_or_else(|| UNKNOWN.to_owned()))),
    }
}

/// Whether one window of a key ends after another: a trusted root may name a key twice, in any order.
fn lasts_longer(log: &Log, other: &Log) -> bool {
    match (log.end(), other.end()) {
        (end, Some(other)) => end.is_none_or(|end| end > other),
        (_, None) => false,
    }
}

/// An entry of Rekor v1.
fn check_v1<'t>(entry: &Entry, of: &Of<'_>, log: &'t Log) -> Result<Entered<'t>> {
    if let Some(promise) = &entry.promise {
        check_log_set(entry, promise, log)?;
        check_log_time(entry, log)?;
    }
    let (kind, body) = Body::parse(&entry.body)?;
    check_log_kind(&kind, entry, of)?;
    check_body(&body, of)?;
    // An annotation has no place for a proof; an entry in a bundle has one, whatever the bundle's media type.
    let proved = !entry.is_annotation();
    if proved {
        let (proof, checkpoint) = check_log_proof(entry)?;
        let (origin, id) = check_v1_origin(&checkpoint, log)?;
        check_v1_note(&checkpoint, log, &origin, id)?;
        check_log_root(proof, &checkpoint)?;
        check_log_inclusion(proof.index, entry, proof, &checkpoint)?;
    }
    // Nobody signed the time of an entry without a promise; 0 is none.
    let time = entry.promise.as_ref().map(|_| Time(entry.time)).filter(|time| time.0 > 0);
    Ok(Entered { log, time, proved })
}

/// An entry of Rekor v2: its time is nobody's word and ignored.
fn check_v2<'t>(entry: &Entry, of: &Of<'_>, log: &'t Log, host: &str) -> Result<Entered<'t>> {
    check_log_promise(entry)?;
    check_log_leaf(entry, of)?;
    let (proof, checkpoint) = check_log_proof(entry)?;
    check_v2_origin(&checkpoint, entry, log, host)?;
    check_v2_note(&checkpoint, log, host)?;
    check_log_root(proof, &checkpoint)?;
    check_log_index(entry, proof)?;
    check_log_inclusion(entry.index, entry, proof, &checkpoint)?;
    Ok(Entered { log, time: None, proved: true })
}

/// LOG-SET: the promise is the log's, over the values that were read, put together anew.
pub fn check_log_set(entry: &Entry, promise: &[u8], log: &Log) -> Result<()> {
    if log.key().kind() != KeyKind::P256 {
        return Err(Error::new(Check::LogSet, "")
            .detail(format!("the log's key is {}, which promises nothing", log.key().kind())));
    }
    if log.key().verify(&entry.promised(), promise) { Ok(()) } else { Err(Error::new(Check::LogSet, "")) }
}

/// LOG-TIME: the time that was promised is in the window of the log's key, its ends included; a bare key has none.
fn check_log_time(entry: &Entry, log: &Log) -> Result<()> {
    let time = Time(entry.time);
    match log.window() {
        Some(window) if !window.contains(time) => {
            let end = window.end.map_or_else(String::new, |end| format!(" to {end}"));
            Err(Error::new(Check::LogTime, time).detail(format!(
                "{} holds from {}{end}",
                log.name(),
                window.start
            )))
        }
        _ => Ok(()),
    }
}

/// LOG-ORIGIN in Rekor v1: the origin is a name, ` - ` and the tree's number; the name is the log's host, with or without
/// its port, and the signer's. Returns the name and the key's id in notes.
fn check_v1_origin(checkpoint: &Checkpoint, log: &Log) -> Result<(String, [u8; 4])> {
    let origin = checkpoint.origin();
    let refuse = |why: &str| Error::new(Check::LogOrigin, origin).detail(why);
    let (name, tree) = origin.rsplit_once(" - ").ok_or_else(|| refuse("no number of a tree in it"))?;
    if tree.is_empty() || !tree.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(refuse("no number of a tree in it"));
    }
    if !log.is_named(name) {
        return Err(refuse(&format!("the log is {}", log.name())));
    }
    if checkpoint.lines().iter().all(|line| line.name != name) {
        return Err(refuse("it is signed by another name"));
    }
    let [a, b, c, d, ..] = *log.key().id().as_bytes();
    Ok((name.to_owned(), [a, b, c, d]))
}

/// LOG-NOTE in Rekor v1: every line is this key's.
fn check_v1_note(checkpoint: &Checkpoint, log: &Log, name: &str, id: [u8; 4]) -> Result<()> {
    let ours = |line: &crate::format::log::note::Line| {
        line.id == id && line.name == name && log.verifies_note(checkpoint.text(), &line.signature)
    };
    if checkpoint.lines().iter().all(ours) { Ok(()) } else { Err(Error::new(Check::LogNote, "")) }
}

/// LOG-ORIGIN in Rekor v2: the origin is the log's host, whole, and the entry names the log by the full id of its key
/// under that name.
fn check_v2_origin(checkpoint: &Checkpoint, entry: &Entry, log: &Log, host: &str) -> Result<()> {
    let refuse = |why: &str| Error::new(Check::LogOrigin, checkpoint.origin()).detail(why);
    if checkpoint.origin() != host {
        return Err(refuse(&format!("the log is {host}")));
    }
    if entry.log_id != log.note_id(host) {
        return Err(refuse("logId is not that of the log's key under this origin"));
    }
    Ok(())
}

/// LOG-NOTE in Rekor v2: a line is this key's; others may be anybody's.
fn check_v2_note(checkpoint: &Checkpoint, log: &Log, host: &str) -> Result<()> {
    let [a, b, c, d, ..] = *log.note_id(host).as_bytes();
    let ours = checkpoint.lines().iter().filter(|line| line.name == host && line.id == [a, b, c, d]);
    let mut verified = ours.filter(|line| log.verifies_note(checkpoint.text(), &line.signature));
    verified.next().map(|_| ()).ok_or_else(|| Error::new(Check::LogNote, ""))
}

/// Whether a checkpoint is signed by a log, as entries of either kind want it. LOG-ORIGIN, LOG-NOTE.
pub fn check_checkpoint(checkpoint: &Checkpoint, entry: &Entry, log: &Log) -> Result<()> {
    match (entry.kind.as_ref().is_some_and(Kind::is_v2), log.host()) {
        (true, Some(host)) => {
            check_v2_origin(checkpoint, entry, log, host)?;
            check_v2_note(checkpoint, log, host)
        }
        (true, None) => Err(Error::new(Check::LogOrigin, checkpoint.origin()).detail("no origin is pinned")),
        (false, _) => {
            let (name, id) = check_v1_origin(checkpoint, log)?;
            check_v1_note(checkpoint, log, &name, id)
        }
    }
}

/// The log that signed a checkpoint, of Rekor v2 or of Rekor v1; `None` where none that is trusted did.
#[must_use]
pub fn signer_of<'t>(checkpoint: &Checkpoint, is_v2: bool, trust: &'t Trust) -> Option<&'t Log> {
    let signed = |log: &&Log| match (is_v2, log.host()) {
        (true, Some(host)) => checkpoint.origin() == host && check_v2_note(checkpoint, log, host).is_ok(),
        (true, None) => false,
        (false, _) => {
            let origin = check_v1_origin(checkpoint, log);
            origin.and_then(|(name, id)| check_v1_note(checkpoint, log, &name, id)).is_ok()
        }
    };
    trust.logs().iter().find(signed)
}

const UNKNOWN: &str = "of no log that was given";
