//! The report of an import for machines (docs/reports.md): how it ended, and a row for each image.

use std::fmt::Display;
use std::path::Path;

use coldsign::check::Check;
use coldsign::digest::Digest;
use coldsign::error::{Error, Result};
use coldsign::files::Output;
use coldsign::format::document::object;
use coldsign::format::json::Value;
use coldsign::response::Response;
use coldsign::review::Review;
use coldsign::terminal::Console;
use coldsign::transfer::import::Plan;
use coldsign::transfer::push::{Outcome, Row, Status};

use super::To;
use crate::cli::Import;
use crate::files::{self, NamedKey};
use crate::inspect::escaped;

/// A report that may have been asked for, and what is known of the run so far.
pub(super) struct Report {
    file: Option<Output>,
    dry_run: bool,
    layout: Value,
    signatures: Value,
    request: Value,
    compared: bool,
    keys: Vec<Value>,
    summary: Value,
}

impl Report {
    /// Reserves the file of `json:FILE`. Usage for anything else.
    pub(super) fn open(asked: &Import, to: &To<'_>, console: &mut dyn Console) -> Result<Self> {
        let file = match asked.report.as_deref().map(|report| (report, report.strip_prefix("json:"))) {
            None => None,
            Some((_, Some(path))) if !path.is_empty() => {
                Some(files::create_report(Path::new(path), console)?)
            }
            Some((report, _)) => {
                return Err(Error::new(Check::Usage, report).detail("a report is json:FILE"));
            }
        };
        Ok(Self {
            file,
            dry_run: asked.dry_run,
            layout: to.place.map_or(Value::Null, |place| text(&place.display())),
            signatures: to.signatures.map_or(Value::Null, |repository| text(repository)),
            request: Value::Null,
            compared: false,
            keys: Vec::new(),
            summary: Value::Null,
        })
    }

    /// What was read before anything was checked. `sent` is the request that was sent, if the person says it.
    pub(super) fn knows(&mut self, response: &Response, keys: &[NamedKey], sent: Option<Digest>) {
        self.request = text(&response.request().digest());
        self.compared = sent.is_some();
        self.summary = text(&Review::of(response.request()).counts());
        let key = |key: &NamedKey| {
            let id = key.key.id();
            object([
                ("file", text(&key.file.display())),
                ("id", text(&id)),
                ("signed", Value::Bool(response.signer(&id).is_some())),
            ])
        };
        self.keys = keys.iter().map(key).collect();
    }

    /// Writes it, one image after the other: the whole of it is never in memory.
    pub(super) fn write(&mut self, plan: &Plan, outcome: &Outcome<'_>) -> Result<()> {
        let Some(file) = self.file.take() else { return Ok(()) };
        let head = self.head(None, outcome.exit().code());
        let tail = self.tail(plan.strangers(), |status| outcome.count(status));
        let rows = outcome.rows().enumerate().map(|(number, row)| {
            format!("{}{}", if number == 0 { "" } else { "," }, canonical(&row_value(&row)))
        });
        file.write(std::iter::once(head).chain(rows).chain(std::iter::once(tail)))
    }

    /// Writes what is known where the run ended before there was an outcome.
    pub(super) fn write_early(&mut self, error: &Error) -> Result<()> {
        let Some(file) = self.file.take() else { return Ok(()) };
        file.write([self.head(Some(error), error.exit().code()), self.tail(&[], |_| 0)].iter())
    }

    /// Up to the rows. Members ascend by name.
    fn head(&self, error: Option<&Error>, exit: u8) -> String {
        let details = error.into_iter().flat_map(Error::details).map(|line| text(&line));
        let head = object([
            ("check", error.map_or(Value::Null, |error| text(&error.check()))),
            ("details", Value::Array(details.collect())),
            ("dryRun", Value::Bool(self.dry_run)),
            ("error", error.map_or(Value::Null, |error| text(error))),
            ("exit", Value::Integer(exit.into())),
        ]);
        let head = canonical(&head);
        format!("{},\"images\":[", head.strip_suffix('}').unwrap_or(&head))
    }

    /// From the rows on.
    fn tail(&self, strangers: &[Digest], count: impl Fn(Status) -> usize) -> String {
        let totals = object([
            ("failed", number(count(Status::Failed))),
            ("notBegun", number(count(Status::NotBegun))),
            ("pushed", number(count(Status::Pushed))),
            ("unchanged", number(count(Status::Unchanged))),
            ("wouldPush", number(count(Status::WouldPush))),
        ]);
        let tail = object([
            ("keys", Value::Array(self.keys.clone())),
            ("layout", self.layout.clone()),
            ("request", self.request.clone()),
            ("requestCompared", Value::Bool(self.compared)),
            ("signatureRepository", self.signatures.clone()),
            ("strangers", Value::Array(strangers.iter().map(|id| text(id)).collect())),
            ("summary", self.summary.clone()),
            ("totals", totals),
        ]);
        let tail = canonical(&tail);
        format!("],{}", tail.strip_prefix('{').unwrap_or(&tail))
    }
}

fn row_value(row: &Row) -> Value {
    let error = row.error.as_ref();
    let warnings = row.warnings();
    let warnings =
        warnings.iter().map(|warning| text(warning)).chain(row.notes.iter().map(|note| text(note)));
    object([
        ("atts", number(row.atts)),
        ("bundles", number(row.bundles)),
        ("check", error.map_or(Value::Null, |(check, _)| text(check))),
        ("digest", text(&row.digest)),
        ("error", error.map_or(Value::Null, |(_, error)| text(error))),
        ("foreign", number(row.foreign)),
        ("hidden", Value::Bool(row.hidden)),
        ("image", text(&row.image)),
        ("sigs", number(row.sigs)),
        ("status", text(&row.status.name())),
        ("tag", text(&row.tag.name())),
        ("warnings", Value::Array(warnings.collect())),
    ])
}

fn text(text: &dyn Display) -> Value {
    Value::String(text.to_string())
}

fn number(count: usize) -> Value {
    Value::Integer(u64::try_from(count).unwrap_or(u64::MAX))
}

/// One line of JSON in ASCII, members in ascending order.
fn canonical(value: &Value) -> String {
    escaped(&String::from_utf8_lossy(&value.to_canonical()))
}
