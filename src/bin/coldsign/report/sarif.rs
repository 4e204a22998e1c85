//! SARIF 2.1.0, as code scanning reads it: a result for each digest that failed.
//!
//! What passed is no result: GitHub makes an alert of every result, whatever its `kind`. How many passed is among the
//! run's properties.

use std::fmt::Write as _;

use coldsign::check::Check;
use coldsign::digest::Digest;
use coldsign::terminal::shown;
use serde_json::{Value, json};

use super::record::{Outcome, Verdict};
use super::{Whole, line};

/// The document, piece by piece: one object, each result is a line.
pub(super) fn document(whole: &Whole<'_>) -> impl Iterator<Item = String> {
    let file = whole.head.list.file.as_deref();
    let failed = whole.results().filter(|outcome| outcome.status == Verdict::Failed).enumerate();
    let results = failed.map(move |(place, outcome)| {
        format!("{}{}", if place == 0 { "\n" } else { ",\n" }, line(&result(&outcome, file)))
    });
    let begin = format!("{{\"$schema\":\"{SCHEMA}\",\"runs\":[{{\"results\":[");
    std::iter::once(begin).chain(results).chain(std::iter::once(tail(whole)))
}

/// What stands behind the results.
fn tail(whole: &Whole<'_>) -> String {
    let mut checks: Vec<Check> = whole.results().filter_map(|outcome| outcome.check).collect();
    checks.sort_unstable();
    checks.dedup();
    let rules: Vec<Value> = checks.into_iter().map(rule).collect();
    let head = whole.head;
    let mut run = json!({
        "invocations": [{
            "executionSuccessful": whole.totals.no_verdict == 0,
            "exitCode": whole.exit.code(),
            "exitCodeDescription": whole.exit.meaning(),
        }],
        "properties": {
            "demand": head.demand,
            "list": head.list,
            "request": head.request,
            "shard": head.shard,
            "totals": whole.totals,
        },
        "tool": {"driver": {
            "informationUri": env!("CARGO_PKG_REPOSITORY"),
            "name": "coldsign",
            "rules": rules,
            "semanticVersion": env!("CARGO_PKG_VERSION"),
        }},
    });
    if let (Some(shard), Some(run)) = (head.shard, run.as_object_mut()) {
        // Code scanning takes two runs of one category for two versions of one.
        let id = format!("coldsign-verify/shard-{}-of-{}/", shard.number, shard.of);
        run.insert("automationDetails".to_owned(), json!({"id": id}));
    }
    let run = line(&run);
    format!("\n],{}],\"version\":\"2.1.0\"}}\n", run.strip_prefix('{').unwrap_or(&run))
}

fn rule(check: Check) -> Value {
    json!({
        "defaultConfiguration": {"level": "error"},
        "fullDescription": {"text": literal(check.rule())},
        "help": {"text": literal(check.rule())},
        "id": check.id(),
        "name": check.id(),
        "shortDescription": {"text": literal(check.message())},
    })
}

fn result(outcome: &Outcome, file: Option<&str>) -> Value {
    let check = outcome.check.map_or("", Check::id);
    let digest = outcome.digest.as_deref();
    let name = match digest {
        Some(digest) if !outcome.image.ends_with(digest) => format!("{}: {digest}", literal(&outcome.image)),
        _ => literal(&outcome.image),
    };
    // The same image fails by the same check: one alert, run after run.
    let same = [check, &outcome.image, digest.unwrap_or_default()].join("\n");
    json!({
        "kind": "fail",
        "level": "error",
        "locations": [location(outcome, file)],
        "message": {"text": format!("{}: {name}", literal(outcome.message.as_deref().unwrap_or_default()))},
        "partialFingerprints": {"imageDigestCheck/v1": Digest::of(same.as_bytes()).hex()},
        "properties": outcome,
        "ruleId": check,
    })
}

/// Where the alert is shown: the line of the list, or the image as if it were a file; code scanning wants one.
fn location(outcome: &Outcome, file: Option<&str>) -> Value {
    let uri = file.map_or_else(|| path_uri(&outcome.image), file_uri);
    json!({
        "logicalLocations": [{"fullyQualifiedName": outcome.image, "kind": "image"}],
        "physicalLocation": {
            "artifactLocation": {"uri": uri},
            "region": {"startLine": outcome.line.unwrap_or(1)},
        },
    })
}

/// A relative path stays one, relative to wherever the reader is.
fn file_uri(path: &str) -> String {
    if path.starts_with('/') { format!("file://{}", path_uri(path)) } else { path_uri(path) }
}

/// A path as a reference to a resource (RFC 3986): nothing in it is a scheme, a query or a fragment.
fn path_uri(path: &str) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(char::from(byte));
            }
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    // Two slashes at the beginning would name a host.
    match out.strip_prefix("//") {
        Some(rest) => format!("/%2F{rest}"),
        None => out,
    }
}

/// Text in a message (SARIF 3.11.5, 3.11.6): no placeholder, and no link.
fn literal(text: &str) -> String {
    shown(text).replace('{', "(").replace('}', ")").replace("](", "] (")
}

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_references_to_resources() {
        for (path, uri) in [
            ("lists/images.txt", "lists/images.txt"),
            ("/a b/ü.txt", "file:///a%20b/%C3%BC.txt"),
            ("javascript:alert(1)", "javascript%3Aalert%281%29"),
            ("a?b#c%41", "a%3Fb%23c%2541"),
        ] {
            assert_eq!(file_uri(path), uri);
        }
        assert_eq!(path_uri("//host/x"), "/%2Fhost/x");
        assert_eq!(path_uri("registry.example:5000/app:1"), "registry.example%3A5000/app%3A1");
    }

    #[test]
    fn messages_are_literal() {
        assert_eq!(literal("[x](http://evil) {0} \u{1b}"), "[x] (http://evil) (0) \\u(1b)");
    }
}
