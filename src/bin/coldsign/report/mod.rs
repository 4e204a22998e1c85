//! Reports of `verify` for machines: what became of each digest, as JSON, as `JUnit` XML, as SARIF (docs/reports.md).
//!
//! Results are kept as the lines that a JSON report has; the other kinds are made out of them when the run ends. What
//! `report merge` writes for the shards of a list is what one run over all of it writes.

mod junit;
mod merge;
mod record;
mod sarif;

use std::path::PathBuf;

use coldsign::check::Check;
use coldsign::error::{Error, Result};
use coldsign::exit::Exit;
use coldsign::files::Output;
use coldsign::terminal::Console;
use coldsign::transfer::shard::Shard;
use serde::Serialize;

pub(crate) use merge::run as merge;
pub(crate) use record::{Demand, Key, List, Outcome, Row, Verdict};

use crate::files;
use crate::inspect::escaped;
use record::{KIND, Totals, VERSION};

/// A report that is asked for: `json:FILE`, `junit:FILE` or `sarif:FILE`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ReportFile {
    kind: Kind,
    path: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Json,
    Junit,
    Sarif,
}

impl ReportFile {
    /// Reads `KIND:FILE`. Usage for anything else.
    fn parse(text: &str) -> Result<Self> {
        let (kind, path) = match text.split_once(':') {
            Some(("json", path)) => (Kind::Json, path),
            Some(("junit", path)) => (Kind::Junit, path),
            Some(("sarif", path)) => (Kind::Sarif, path),
            _ => (Kind::Json, ""),
        };
        if path.is_empty() {
            return Err(
                Error::new(Check::Usage, text).detail("a report is json:FILE, junit:FILE or sarif:FILE")
            );
        }
        Ok(Self { kind, path: path.into() })
    }
}

/// The files of the reports that are asked for.
pub(crate) struct Files(Vec<(Kind, Output)>);

impl Files {
    /// Reserves them. Usage for what is no report, and where one is named twice.
    pub(crate) fn open(asked: &[String], console: &mut dyn Console) -> Result<Self> {
        let asked: Vec<ReportFile> =
            asked.iter().map(|text| ReportFile::parse(text)).collect::<Result<_>>()?;
        for (place, report) in asked.iter().enumerate() {
            if asked.iter().take(place).any(|other| other.path == report.path) {
                let error = Error::new(Check::Usage, report.path.display());
                return Err(error.detail("one file for two reports"));
            }
        }
        let mut create = |report: ReportFile| Ok((report.kind, files::create_report(&report.path, console)?));
        Ok(Self(asked.into_iter().map(&mut create).collect::<Result<_>>()?))
    }

    fn are_none(&self) -> bool {
        self.0.is_empty()
    }
}

/// What is said once in a report.
pub(crate) struct Head {
    pub(crate) demand: Demand,
    pub(crate) list: List,
    /// The digest of the request whose images the list has.
    pub(crate) request: Option<String>,
    pub(crate) shard: Option<Shard>,
}

/// A report that grows by one result after the other.
pub(crate) struct Report {
    files: Files,
    head: Head,
    /// Each on a line of its own.
    lines: String,
    totals: Totals,
    /// The entry of the last one.
    entry: usize,
    /// The code of the first that failed.
    exit: Option<Exit>,
}

impl Report {
    pub(crate) fn new(files: Files, head: Head) -> Self {
        Self { files, head, lines: String::new(), totals: Totals::default(), entry: 0, exit: None }
    }

    /// One more result; those of one image follow each other.
    pub(crate) fn add(&mut self, outcome: &Outcome) {
        self.totals.add(outcome, outcome.entry != self.entry);
        self.entry = outcome.entry;
        self.exit = self.exit.or(outcome.check.map(Check::exit));
        if !self.files.are_none() {
            self.lines.push_str(&line(outcome));
            self.lines.push('\n');
        }
    }

    /// Writes every file that is asked for. The code of the first that failed, in the order of the list.
    pub(crate) fn write(self) -> Result<Exit> {
        let Self { files, head, lines, totals, exit, .. } = self;
        let exit = exit.unwrap_or(Exit::Done);
        let whole = Whole { head: &head, lines: &lines, totals, exit };
        for (kind, output) in files.0 {
            match kind {
                Kind::Json => output.write(whole.json())?,
                Kind::Junit => output.write(junit::document(&whole))?,
                Kind::Sarif => output.write(sarif::document(&whole))?,
            }
        }
        Ok(exit)
    }
}

/// A report when all is known.
struct Whole<'a> {
    head: &'a Head,
    lines: &'a str,
    totals: Totals,
    exit: Exit,
}

impl Whole<'_> {
    /// The results, one after the other.
    fn results(&self) -> impl Iterator<Item = Outcome> {
        let read = |line| serde_json::from_str(line).expect("a line is written by this program");
        self.lines.lines().map(read)
    }

    /// One object; each result is a line.
    fn json(&self) -> impl Iterator<Item = String> {
        let Head { demand, list, request, shard } = self.head;
        let before = line(&Before { demand, exit: self.exit.code(), kind: KIND, list, request });
        let before = format!("{},\"results\":[", before.strip_suffix('}').unwrap_or(&before));
        let results = self.lines.lines().enumerate();
        let results = results.map(|(place, line)| format!("{}{line}", if place == 0 { "\n" } else { ",\n" }));
        let after = line(&After { shard, totals: self.totals, version: VERSION });
        let after = format!("\n],{}\n", after.strip_prefix('{').unwrap_or(&after));
        std::iter::once(before).chain(results).chain(std::iter::once(after))
    }
}

/// The members before the results.
#[derive(Serialize)]
struct Before<'a> {
    demand: &'a Demand,
    exit: u8,
    kind: &'a str,
    list: &'a List,
    request: &'a Option<String>,
}

/// The members behind them.
#[derive(Serialize)]
struct After<'a> {
    shard: &'a Option<Shard>,
    totals: Totals,
    version: u64,
}

/// One line of JSON in ASCII.
fn line(value: &impl Serialize) -> String {
    escaped(&serde_json::to_string(value).expect("strings, numbers and lists can be written"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_a_kind_and_a_file() {
        let file = |kind, path: &str| ReportFile { kind, path: path.into() };
        assert_eq!(ReportFile::parse("json:a").unwrap(), file(Kind::Json, "a"));
        assert_eq!(ReportFile::parse("junit:C:x").unwrap(), file(Kind::Junit, "C:x"));
        assert_eq!(ReportFile::parse("sarif:a.sarif").unwrap(), file(Kind::Sarif, "a.sarif"));
        for text in ["", "a.xml", "xml:a", "json:", "junit:", "sarif:", "SARIF:a"] {
            assert_eq!(ReportFile::parse(text).unwrap_err().check(), Check::Usage, "{text}");
        }
    }
}
