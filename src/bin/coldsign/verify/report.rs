//! What a report holds of what was judged.

use std::error::Error as _;

use coldsign::digest::Digest;
use coldsign::error::Error;
use coldsign::format::reference::Repository;
use coldsign::limits;
use coldsign::trust::Authority;
use coldsign::verify::{State, Valid};

use super::images::{Image, Images, JudgedDigest};
use crate::cli::Verify;
use crate::files::NamedKey;
use crate::report::{Demand, Head, Key, List, Outcome, Row, Verdict};

/// What is said once: what was demanded, and of which list. Before a shard is taken of it.
pub(super) fn head(
    asked: &Verify,
    keys: &[NamedKey],
    images: &Images,
    demanded: &coldsign::verify::Demand,
    signatures: Option<&Repository>,
) -> Head {
    let key = |key: &NamedKey| Key { file: key.file.display().to_string(), id: key.key.id().to_string() };
    let evidence = &demanded.evidence;
    let own = |authority: &Authority| authority.chain().next().map(|own| Digest::of(own).to_string());
    let authority = |authority: &Authority| own(authority).unwrap_or_default();
    Head {
        demand: Demand {
            annotations: demanded.annotations.clone(),
            check_claims: demanded.claims,
            keys: keys.iter().map(key).collect(),
            log: evidence.log.name().to_owned(),
            log_threshold: evidence.logs,
            logs: evidence.trust.logs().iter().map(|log| log.id().to_string()).collect(),
            recursive: asked.recursive,
            signature_repository: signatures.map(ToString::to_string),
            threshold: demanded.threshold,
            timestamp: evidence.tsa.name().to_owned(),
            timestamp_authorities: evidence.trust.authorities().iter().map(authority).collect(),
        },
        list: List {
            digest: images.digest().to_string(),
            entries: images.list.len(),
            file: asked.from.as_ref().map(|from| from.display().to_string()),
        },
        request: images.request.map(|request| request.to_string()),
        shard: asked.shard,
    }
}

/// One digest of the image that is `entry` of the whole list, where so many keys are demanded.
pub(super) fn outcome(image: &Image, entry: usize, judged: &JudgedDigest, demanded: usize) -> Outcome {
    let digest = Some(judged.digest.to_string());
    let rows = judged.rows.clone();
    match &judged.outcome {
        Ok(verified) => Outcome {
            digest,
            keys: distinct(&verified.valid),
            notes: verified.notes.iter().map(|note| cut(note)).collect(),
            rows,
            status: Verdict::Ok,
            threshold: State::Verified,
            ..Outcome::of(image, entry)
        },
        Err(error) => Outcome {
            digest,
            keys: rows_signed(&rows),
            threshold: threshold(&rows, demanded),
            rows,
            ..Outcome::of(image, entry).refused(error)
        },
    }
}

/// An image of which no digest is known.
pub(super) fn unresolved(image: &Image, entry: usize, error: &Error) -> Outcome {
    Outcome::of(image, entry).refused(error)
}

impl Outcome {
    fn of(image: &Image, entry: usize) -> Self {
        Self {
            check: None,
            details: Vec::new(),
            digest: None,
            entry,
            image: image.name.clone(),
            keys: 0,
            line: image.line,
            message: None,
            notes: Vec::new(),
            place: image.repository().map_or_else(|| image.place.to_string(), ToString::to_string),
            rows: Vec::new(),
            status: Verdict::Failed,
            threshold: State::Unchecked,
        }
    }

    fn refused(self, error: &Error) -> Self {
        Self { check: Some(error.check()), details: details(error), message: Some(message(error)), ..self }
    }
}

/// What is known of the threshold where a digest failed, for this reason or for another.
fn threshold(rows: &[Row], demanded: usize) -> State {
    let any = |state| rows.iter().any(|row| row.signature == state);
    if rows_signed(rows) >= demanded {
        State::Verified
    } else if rows.is_empty() || any(State::Unchecked) {
        State::Unchecked
    } else if any(State::Verified) || any(State::Invalid) {
        State::Invalid
    } else {
        State::Absent
    }
}

fn distinct(valid: &[Valid]) -> usize {
    let mut ids: Vec<_> = valid.iter().map(Valid::key_id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.len()
}

fn rows_signed(rows: &[Row]) -> usize {
    let mut ids: Vec<&str> = rows.iter().filter(|row| row.valid > 0).map(|row| row.key_id.as_str()).collect();
    ids.dedup();
    ids.len()
}

/// `no signatures found: …`
pub(super) fn message(error: &Error) -> String {
    let what = error.check().message();
    if error.at().is_empty() { what.to_owned() } else { cut(&format!("{what}: {}", error.at())) }
}

/// Its further lines, and what caused it.
pub(super) fn details(error: &Error) -> Vec<String> {
    let mut lines: Vec<String> = error.details().map(cut).collect();
    let mut cause = error.source();
    while let Some(below) = cause {
        lines.push(cut(&format!("cause: {below}")));
        cause = below.source();
    }
    lines
}

/// As much of a text as a report keeps: it holds every row of the run. The rest is counted.
pub(super) fn cut(text: &str) -> String {
    let kept: String = text.chars().take(2 * limits::SHOWN).collect();
    match text.chars().skip(2 * limits::SHOWN).count() {
        0 => kept,
        more => format!("{kept}... [{more} more]"),
    }
}
