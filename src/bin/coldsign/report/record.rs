//! What a JSON report holds (docs/reports.md). Members stand in ascending order; a reader refuses others.

use std::collections::BTreeMap;

use coldsign::check::Check;
use coldsign::transfer::shard::Shard;
use coldsign::verify::State;
use serde::{Deserialize, Serialize};

/// What `kind` says.
pub(super) const KIND: &str = "verifyReport";
/// The version of this description.
pub(super) const VERSION: u64 = 1;

/// A whole report, as it is read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Document {
    pub(super) demand: Demand,
    pub(super) exit: u8,
    #[serde(rename = "kind")]
    _kind: String,
    pub(super) list: List,
    pub(super) request: Option<String>,
    pub(super) results: Vec<Outcome>,
    pub(super) shard: Option<Shard>,
    pub(super) totals: Totals,
    #[serde(rename = "version")]
    _version: u64,
}

/// What was demanded of each image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Demand {
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) check_claims: bool,
    pub(crate) keys: Vec<Key>,
    /// What is wanted of log entries: `require`, `if-present`, `ignore`.
    pub(crate) log: String,
    pub(crate) log_threshold: usize,
    /// Ids of the keys of logs that are trusted.
    pub(crate) logs: Vec<String>,
    pub(crate) recursive: bool,
    pub(crate) signature_repository: Option<String>,
    pub(crate) threshold: usize,
    /// What is wanted of timestamps, in the words of `log`.
    pub(crate) timestamp: String,
    /// Timestamp authorities that are trusted: the SHA-256 of their own certificates.
    pub(crate) timestamp_authorities: Vec<String>,
}

/// A key that counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Key {
    pub(crate) file: String,
    pub(crate) id: String,
}

/// The whole list, of which a shard is a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct List {
    pub(crate) digest: String,
    pub(crate) entries: usize,
    pub(crate) file: Option<String>,
}

/// How it went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Totals {
    pub(crate) failed: usize,
    pub(crate) images: usize,
    /// Of those that failed, the ones that nothing is known of.
    pub(crate) no_verdict: usize,
    pub(crate) ok: usize,
    pub(crate) results: usize,
    pub(crate) rows: usize,
}

/// What became of one digest of an image, or of an image of which no digest is known.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Outcome {
    #[serde(with = "ids")]
    pub(crate) check: Option<Check>,
    pub(crate) details: Vec<String>,
    pub(crate) digest: Option<String>,
    /// Its place in the whole list, from 1.
    pub(crate) entry: usize,
    pub(crate) image: String,
    /// Distinct keys that signed it validly.
    pub(crate) keys: usize,
    /// Where in the list's file it stands, from 1.
    pub(crate) line: Option<usize>,
    pub(crate) message: Option<String>,
    pub(crate) notes: Vec<String>,
    /// The repository or layout.
    pub(crate) place: String,
    pub(crate) rows: Vec<Row>,
    pub(crate) status: Verdict,
    pub(crate) threshold: State,
}

/// Whether a digest passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Verdict {
    Ok,
    Failed,
}

/// What one key and one form say of a digest.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Row {
    pub(crate) annotations: State,
    #[serde(with = "ids")]
    pub(crate) check: Option<Check>,
    pub(crate) claims: State,
    pub(crate) details: Vec<String>,
    pub(crate) form: String,
    /// Signatures that this row is about.
    pub(crate) found: usize,
    pub(crate) identities: Vec<String>,
    pub(crate) key: String,
    pub(crate) key_id: String,
    pub(crate) log: State,
    pub(crate) message: Option<String>,
    pub(crate) proof: State,
    pub(crate) signature: State,
    /// By when a log or a timestamp authority shows that it was signed.
    pub(crate) time: Option<String>,
    pub(crate) timestamp: State,
    /// Of these the valid ones.
    pub(crate) valid: usize,
}

impl Outcome {
    /// Whether a registry, or whoever interrupted it, kept it from a verdict.
    pub(super) fn says_nothing(&self) -> bool {
        self.check.is_some_and(|check| check == Check::Interrupted || check.id().starts_with("REGISTRY-"))
    }
}

impl Totals {
    /// One more result; `new` if it is the first one of its image.
    pub(super) fn add(&mut self, outcome: &Outcome, new: bool) {
        self.images += usize::from(new);
        self.results += 1;
        self.rows += outcome.rows.len();
        self.no_verdict += usize::from(outcome.says_nothing());
        match outcome.status {
            Verdict::Ok => self.ok += 1,
            Verdict::Failed => self.failed += 1,
        }
    }
}

/// A check by its id, or `null`.
mod ids {
    use coldsign::check::Check;
    use serde::de::{Deserialize as _, Deserializer, Error as _};
    use serde::{Serialize as _, Serializer};

    #[expect(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
    pub(super) fn serialize<S: Serializer>(check: &Option<Check>, into: S) -> Result<S::Ok, S::Error> {
        check.map(Check::id).serialize(into)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Check>, D::Error> {
        let Some(id) = Option::<String>::deserialize(from)? else { return Ok(None) };
        let known = Check::ALL.iter().copied().find(|check| check.id() == id);
        known.map(Some).ok_or_else(|| D::Error::custom("a check that this version does not know"))
    }
}
