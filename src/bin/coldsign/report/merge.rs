//! `report merge`: the reports of the shards of a list, made one.

use std::path::{Path, PathBuf};

use coldsign::check::Check;
use coldsign::error::{Error, Result};
use coldsign::exit::Exit;
use coldsign::terminal::{Console, counted};
use coldsign::transfer::shard::Shard;
use coldsign::{files, limits};
use serde::Deserialize;

use super::record::{Document, KIND, Totals, VERSION, Verdict};
use super::{Files, Head, Outcome, Report};
use crate::row;

/// Unites the reports and writes what is asked for. The exit code is that of the first result that failed.
pub(crate) fn run(files: &[PathBuf], reports: &[String], console: &mut dyn Console) -> Result<Exit> {
    let outputs = Files::open(reports, console)?;
    let mut parts = Vec::new();
    for path in files {
        let bytes = files::read(path, limits::REPORT_FILE)?;
        let part = Part::of(path, &bytes).map_err(|error| error.within(path.display()))?;
        if let Some(first) = parts.first() {
            part.check_same(first).map_err(|error| error.within(path.display()))?;
        }
        parts.push(part);
    }
    let parts = check_report_shards(parts)?;
    let Some(first) = parts.first() else { return Err(Error::new(Check::Usage, "no report")) };
    let head = Head { shard: None, ..first.head() };
    let mut report = Report::new(outputs, head);
    let mut totals = Totals::default();
    let mut told = Ok(());
    for part in parts {
        let mut shown = 0;
        for outcome in part.document.results {
            totals.add(&outcome, outcome.entry != report.entry);
            // An image has one line, as verify shows it.
            if outcome.status == Verdict::Failed && outcome.entry != shown && told.is_ok() {
                shown = outcome.entry;
                told = show(&outcome, console);
            }
            report.add(&outcome);
        }
    }
    let told = told.and_then(|()| console.show(&summary(totals)));
    match report.write()? {
        Exit::Done => told.map(|()| Exit::Done),
        exit => Ok(exit),
    }
}

/// `FAIL  registry.example/team/app:1.4          [SIG-ABSENT] no signatures found`
fn show(outcome: &Outcome, console: &mut dyn Console) -> Result<()> {
    let Some(check) = outcome.check else { return Ok(()) };
    console.show(&row::line("FAIL", &outcome.image, &format!("[{check}] {}", check.message())))
}

/// `40 images, 112 results: 110 ok, 2 failed`
fn summary(totals: Totals) -> String {
    let (images, results) =
        (counted(totals.images, "image", "images"), counted(totals.results, "result", "results"));
    let failed = if totals.failed == 0 { String::new() } else { format!(", {} failed", totals.failed) };
    format!("{images}, {results}: {} ok{failed}", totals.ok)
}

/// A report that was read, and the file it came from.
struct Part {
    path: PathBuf,
    document: Document,
}

impl Part {
    /// REPORT-KIND, JSON-SYNTAX, DOCUMENT-VERSION, REPORT-MEMBER, REPORT-ENTRIES.
    fn of(path: &Path, bytes: &[u8]) -> Result<Self> {
        check_report_kind(bytes)?;
        let part = Self { path: path.to_owned(), document: check_report_member(bytes)? };
        part.check_report_entries()?;
        Ok(part)
    }

    /// Which shard it is; a run without shards is a whole.
    fn shard(&self) -> Shard {
        self.document.shard.unwrap_or(Shard::WHOLE)
    }

    fn head(&self) -> Head {
        let Document { demand, list, request, shard, .. } = &self.document;
        Head { demand: demand.clone(), list: list.clone(), request: request.clone(), shard: *shard }
    }

    /// REPORT-ENTRIES: results for each entry of the shard, in order, for no other, and as many as it counts.
    fn check_report_entries(&self) -> Result<()> {
        let refuse = |why: String| Err(Error::new(Check::ReportEntries, "").detail(why));
        let Document { list, results, totals, exit, .. } = &self.document;
        if !self.shard().is_one() {
            return refuse(format!("there is no shard {}", self.shard()));
        }
        let range = self.shard().range(list.entries);
        let mut counted = Totals::default();
        let mut last = range.start;
        for outcome in results {
            let new = outcome.entry == last + 1;
            let more = outcome.entry == last && last != range.start;
            if !(new || more) {
                return refuse(format!("entry {} stands behind entry {last}", outcome.entry));
            }
            if (outcome.status == Verdict::Failed) != outcome.check.is_some() {
                return refuse(format!("entry {} has a check or failed, not both", outcome.entry));
            }
            last = outcome.entry;
            counted.add(outcome, new);
        }
        if last != range.end {
            return refuse(format!("its last entry is {last}, not {}", range.end));
        }
        let first = results.iter().find_map(|outcome| outcome.check).map_or(Exit::Done, Check::exit);
        if counted != *totals || first.code() != *exit {
            return refuse("its totals or its exit code are not those of its results".to_owned());
        }
        Ok(())
    }

    fn check_same(&self, first: &Self) -> Result<()> {
        self.check_report_list(first)?;
        self.check_report_demand(first)
    }

    /// REPORT-LIST: one list. Where its file was is no part of it.
    fn check_report_list(&self, first: &Self) -> Result<()> {
        let (ours, theirs) = (&self.document, &first.document);
        if (&ours.list.digest, ours.list.entries, &ours.request)
            == (&theirs.list.digest, theirs.list.entries, &theirs.request)
        {
            return Ok(());
        }
        Err(Error::new(Check::ReportList, "")
            .detail(format!("this one   {}, {} entries", ours.list.digest, ours.list.entries))
            .detail(format!("the others {}, {} entries", theirs.list.digest, theirs.list.entries))
            .hint("verify every shard of the same list, then merge"))
    }

    /// REPORT-DEMAND: one demand. A key is known by its id, whatever its file is called.
    fn check_report_demand(&self, first: &Self) -> Result<()> {
        let (ours, theirs) = (&self.document.demand, &first.document.demand);
        let ids = |demand: &super::Demand| {
            let mut ids: Vec<String> = demand.keys.iter().map(|key| key.id.clone()).collect();
            ids.sort_unstable();
            ids
        };
        let differs = [
            ("--key", ids(ours) != ids(theirs)),
            ("--threshold", ours.threshold != theirs.threshold),
            ("--annotation", ours.annotations != theirs.annotations),
            ("--check-claims", ours.check_claims != theirs.check_claims),
            ("--recursive", ours.recursive != theirs.recursive),
            ("--signature-repository", ours.signature_repository != theirs.signature_repository),
        ];
        let differs: Vec<&str> =
            differs.iter().filter(|(_, differs)| *differs).map(|(name, _)| *name).collect();
        if differs.is_empty() {
            return Ok(());
        }
        Err(Error::new(Check::ReportDemand, "")
            .detail(format!("it differs from {} in {}", first.path.display(), differs.join(", ")))
            .hint("verify every shard with the same flags, then merge"))
    }
}

/// REPORT-KIND: a JSON object that says what it is.
fn check_report_kind(bytes: &[u8]) -> Result<()> {
    #[derive(Deserialize)]
    struct Named {
        kind: String,
        version: u64,
    }
    let refuse =
        || Error::new(Check::ReportKind, "").hint("write one with: coldsign verify ... --report json:FILE");
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(refuse());
    }
    match serde_json::from_slice::<Named>(bytes) {
        Ok(named) if named.kind != KIND => Err(refuse()),
        Ok(named) if named.version == VERSION => Ok(()),
        Ok(named) => Err(Error::new(Check::DocumentVersion, "").detail(format!("version {}", named.version))),
        Err(error) if error.is_data() => Err(refuse()),
        Err(error) => Err(Error::new(Check::JsonSyntax, "").caused_by(error)),
    }
}

/// REPORT-MEMBER: the members of this version, no other, of their types.
fn check_report_member(bytes: &[u8]) -> Result<Document> {
    serde_json::from_slice(bytes).map_err(|error| {
        Error::new(Check::ReportMember, "")
            .caused_by(error)
            .hint("write and merge the reports with one version of coldsign")
    })
}

/// REPORT-SHARDS: shards of one number, each there once. Returns them in order.
fn check_report_shards(mut parts: Vec<Part>) -> Result<Vec<Part>> {
    let refuse = |at: &Path, why: String| Err(Error::new(Check::ReportShards, at.display()).detail(why));
    let of = parts.first().map_or(1, |first| first.shard().of);
    if let Some(other) = parts.iter().find(|part| part.shard().of != of) {
        return refuse(&other.path, format!("it is shard {}, the first file one of {of}", other.shard()));
    }
    parts.sort_by_key(|part| part.shard().number);
    for pair in parts.windows(2) {
        if let [one, two] = pair
            && one.shard() == two.shard()
        {
            return refuse(&two.path, format!("shard {} is {} already", two.shard(), one.path.display()));
        }
    }
    let there = |number: &usize| parts.iter().any(|part| part.shard().number == *number);
    let missing: Vec<String> =
        (1..=of).filter(|number| !there(number)).map(|number| number.to_string()).collect();
    if missing.is_empty() {
        return Ok(parts);
    }
    let more = missing.len().saturating_sub(MISSING);
    let first = missing.iter().take(MISSING).cloned().collect::<Vec<_>>().join(", ");
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Err(Error::new(Check::ReportShards, "").detail(format!("missing of {of}: {first}{more}")))
}

/// Missing shards that a message names.
const MISSING: usize = 16;
