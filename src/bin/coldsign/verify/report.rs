//! Reports for machines: one row for each image and digest, as JSON or as `JUnit` XML.

use std::fmt::Write as _;
use std::path::PathBuf;

use coldsign::check::Check;
use coldsign::digest::Digest;
use coldsign::error::{Error, Result};
use coldsign::files::Output;
use coldsign::terminal::{self, Console, shown};
use coldsign::verify::Valid;
use serde_json::{Value, json};

use super::images::{Image, Verified, identity};
use crate::files::{self, NamedKey};
use crate::inspect::ascii;

/// A report that is asked for: `json:FILE` or `junit:FILE`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ReportFile {
    kind: Kind,
    path: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Json,
    Junit,
}

impl ReportFile {
    /// Reads `json:FILE` or `junit:FILE`. Usage for anything else.
    fn parse(text: &str) -> Result<Self> {
        let (kind, path) = match text.split_once(':') {
            Some(("json", path)) => (Kind::Json, path),
            Some(("junit", path)) => (Kind::Junit, path),
            _ => (Kind::Json, ""),
        };
        if path.is_empty() {
            return Err(Error::new(Check::Usage, text).detail("a report is json:FILE or junit:FILE"));
        }
        Ok(Self { kind, path: path.into() })
    }
}

/// The reports of a run. Rows are kept as the text they will be.
pub(super) struct Reports<'a> {
    files: Vec<(Kind, Output)>,
    keys: &'a [NamedKey],
    json: String,
    junit: String,
    images: usize,
    ok: usize,
    failed: usize,
    /// Of those that failed, the ones that say nothing of a signature.
    errors: usize,
}

impl<'a> Reports<'a> {
    /// Reserves the files of `json:FILE` and `junit:FILE`. Usage for anything else, and where one is named twice.
    pub(super) fn open(asked: &[String], keys: &'a [NamedKey], console: &mut dyn Console) -> Result<Self> {
        let asked: Vec<ReportFile> =
            asked.iter().map(|text| ReportFile::parse(text)).collect::<Result<_>>()?;
        for (place, report) in asked.iter().enumerate() {
            if asked.iter().take(place).any(|other| other.path == report.path) {
                let error = Error::new(Check::Usage, report.path.display());
                return Err(error.detail("one file for two reports"));
            }
        }
        let mut create = |report: ReportFile| Ok((report.kind, files::create_report(&report.path, console)?));
        let files = asked.into_iter().map(&mut create).collect::<Result<_>>()?;
        let (json, junit) = (String::new(), String::new());
        Ok(Self { files, keys, json, junit, images: 0, ok: 0, failed: 0, errors: 0 })
    }

    /// One more image; its rows follow.
    pub(super) fn image(&mut self) {
        self.images += 1;
    }

    /// One more row; without a digest where none is known.
    pub(super) fn row(&mut self, image: &Image, digest: Option<&Digest>, outcome: Result<&Verified, &Error>) {
        *(if outcome.is_ok() { &mut self.ok } else { &mut self.failed }) += 1;
        self.errors += usize::from(outcome.is_err_and(says_nothing));
        if self.wants(Kind::Json) {
            let row = ascii(&self.json_row(image, digest, outcome));
            self.json.push_str(if self.json.is_empty() { "\n" } else { ",\n" });
            self.json.push_str(&row);
        }
        if self.wants(Kind::Junit) {
            let case = self.junit_case(image, digest, outcome);
            self.junit.push_str(&case);
        }
    }

    /// Writes them. `request` is the digest of the request whose digests these are.
    pub(super) fn write(mut self, request: Option<&Digest>) -> Result<()> {
        let (json, junit) = (self.json_text(request), self.junit_text(request));
        self.files.into_iter().try_for_each(|(kind, output)| {
            let pieces = match kind {
                Kind::Json => &json,
                Kind::Junit => &junit,
            };
            output.write(pieces.iter())
        })
    }

    fn wants(&self, kind: Kind) -> bool {
        self.files.iter().any(|(wanted, _)| *wanted == kind)
    }

    fn json_row(&self, image: &Image, digest: Option<&Digest>, outcome: Result<&Verified, &Error>) -> Value {
        let signatures = outcome.ok().into_iter().flat_map(|verified| &verified.valid).map(|valid| {
            json!({
                "form": valid.form().name(),
                "identity": identity(valid),
                "key": self.key(valid),
                "keyId": valid.key_id().to_string(),
                "log": valid.log().name(),
            })
        });
        let error = outcome.err();
        json!({
            "check": error.map(|error| error.check().id()),
            "details": error.map(|error| error.details().collect::<Vec<_>>()).unwrap_or_default(),
            "digest": digest.map(ToString::to_string),
            "message": error.map(message),
            "name": image.name,
            "notes": outcome.map(|verified| verified.notes.as_slice()).unwrap_or_default(),
            "outcome": if outcome.is_ok() { "ok" } else { "failed" },
            "signatures": signatures.collect::<Vec<_>>(),
        })
    }

    fn json_text(&mut self, request: Option<&Digest>) -> [String; 3] {
        let totals = json!({
            "failed": self.failed,
            "images": self.images,
            "ok": self.ok,
            "rows": self.ok + self.failed,
        });
        let request = json!(request.map(ToString::to_string));
        [
            format!("{{\"request\":{request},\"rows\":["),
            std::mem::take(&mut self.json),
            format!("\n],\"totals\":{totals}}}\n"),
        ]
    }

    /// One test case: its class is the repository, its name the image and the beginning of its digest.
    fn junit_case(
        &self,
        image: &Image,
        digest: Option<&Digest>,
        outcome: Result<&Verified, &Error>,
    ) -> String {
        let class = image.repository().map_or_else(|| image.place.to_string(), ToString::to_string);
        let name = image.name.split_once("@sha256:").map_or(image.name.as_str(), |(name, _)| name);
        let name = match digest {
            Some(digest) => format!("{}@sha256:{}", shown(name), digest.short()),
            None => shown(&image.name),
        };
        let mut out =
            format!("    <testcase classname=\"{}\" name=\"{}\">\n", xml(&shown(&class)), xml(&name));
        let digest = digest.map(ToString::to_string).unwrap_or_default();
        // Writing to a string cannot fail.
        let _ = match outcome {
            Ok(verified) => {
                let signatures = verified.valid.iter().map(|valid| {
                    let identity = identity(valid).map(|name| format!(", signed for {}", shown(&name)));
                    format!(
                        "{} by {} {}, log {}{}\n",
                        valid.form().name(),
                        shown(&self.key(valid)),
                        valid.key_id(),
                        valid.log().name(),
                        identity.unwrap_or_default()
                    )
                });
                let notes = verified.notes.iter().map(|note| format!("{note}\n"));
                let lines: String = signatures.chain(notes).collect();
                writeln!(out, "      <system-out>{digest}\n{}</system-out>", xml(&lines))
            }
            Err(error) => {
                let element = if says_nothing(error) { "error" } else { "failure" };
                writeln!(
                    out,
                    "      <{element} message=\"{}\" type=\"{}\">{digest}\n{}</{element}>",
                    xml(&shown(&message(error))),
                    error.check(),
                    xml(&terminal::report(error))
                )
            }
        };
        out.push_str("    </testcase>\n");
        out
    }

    fn junit_text(&mut self, request: Option<&Digest>) -> [String; 3] {
        let counts = format!(
            "tests=\"{}\" failures=\"{}\" errors=\"{}\"",
            self.ok + self.failed,
            self.failed - self.errors,
            self.errors
        );
        let request = request.map(|digest| {
            format!(
                "    <properties>\n      <property name=\"request\" value=\"{digest}\"/>\n    </properties>\n"
            )
        });
        [
            format!(
                "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"coldsign verify\" {counts}>\n  \
                 <testsuite name=\"coldsign verify\" {counts} skipped=\"0\">\n{}",
                request.unwrap_or_default()
            ),
            std::mem::take(&mut self.junit),
            "  </testsuite>\n</testsuites>\n".to_owned(),
        ]
    }

    /// The file of the key that verifies it.
    fn key(&self, valid: &Valid) -> String {
        let key = self.keys.iter().find(|key| key.key.id() == valid.key_id());
        key.map(|key| key.file.display().to_string()).unwrap_or_default()
    }
}

/// Whether a registry, or whoever interrupted it, kept a row from a verdict: an error in `JUnit`'s words, no failure.
fn says_nothing(error: &Error) -> bool {
    error.check() == Check::Interrupted || error.check().id().starts_with("REGISTRY-")
}

/// `no signatures found: …`
fn message(error: &Error) -> String {
    let what = error.check().message();
    if error.at().is_empty() { what.to_owned() } else { format!("{what}: {}", error.at()) }
}

/// Text in an element or an attribute (XML 1.0, 2.4): printable ASCII and newlines, what marks are made of as
/// entities. Nothing else comes here unescaped.
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            ' '..='~' | '\n' => out.push(character),
            _ => out.push('?'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_a_kind_and_a_file() {
        let file = |kind, path: &str| ReportFile { kind, path: path.into() };
        assert_eq!(ReportFile::parse("json:a").unwrap(), file(Kind::Json, "a"));
        assert_eq!(ReportFile::parse("junit:C:x").unwrap(), file(Kind::Junit, "C:x"));
        for text in ["", "a.xml", "xml:a", "json:", "junit:"] {
            assert_eq!(ReportFile::parse(text).unwrap_err().check(), Check::Usage, "{text}");
        }
    }

    #[test]
    fn foreign_text_makes_no_marks() {
        assert_eq!(xml("a<b>&\"c]]>\u{1b}\0\u{202e}\n"), "a&lt;b&gt;&amp;&quot;c]]&gt;???\n");
    }
}
