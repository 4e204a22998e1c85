//! `JUnit` XML, as CI systems show it: a test case for each image and digest.
//!
//! A case is not a row: with a threshold of one, a second key that signed nothing fails nothing, and a tab full of red
//! rows of good images is one that nobody reads. What each key and form says stands inside the case.

use std::collections::HashMap;

use coldsign::terminal::shown;

use super::Whole;
use super::record::{Outcome, Row, Verdict};

/// The document, piece by piece.
pub(super) fn document(whole: &Whole<'_>) -> impl Iterator<Item = String> {
    let mut names = HashMap::new();
    let cases = whole.results().map(move |outcome| case(&outcome, &mut names));
    std::iter::once(head(whole)).chain(cases).chain(std::iter::once(TAIL.to_owned()))
}

fn head(whole: &Whole<'_>) -> String {
    let totals = whole.totals;
    let counts = format!(
        "tests=\"{}\" failures=\"{}\" errors=\"{}\"",
        totals.results,
        totals.failed - totals.no_verdict,
        totals.no_verdict
    );
    let property = |name: &str, value: &str| {
        format!("      <property name=\"{name}\" value=\"{}\"/>\n", xml(&plain(value)))
    };
    let head = whole.head;
    let properties: String = [
        Some(property("list", &head.list.digest)),
        head.request.as_deref().map(|request| property("request", request)),
        head.shard.map(|shard| property("shard", &shard.to_string())),
    ]
    .into_iter()
    .flatten()
    .collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuites name=\"coldsign verify\" {counts} time=\"0\">\n  \
         <testsuite name=\"coldsign verify\" {counts} skipped=\"0\" time=\"0\">\n    \
         <properties>\n{properties}    </properties>\n"
    )
}

const TAIL: &str = "  </testsuite>\n</testsuites>\n";

/// One test case: its class is the place, its name the image and the beginning of its digest. Names that stand already
/// get a number: readers take two cases of one name for one.
fn case(outcome: &Outcome, names: &mut HashMap<String, usize>) -> String {
    let class = xml(&plain(&outcome.place));
    let name = name(outcome);
    let seen = names.entry(format!("{class} {name}")).and_modify(|seen| *seen += 1).or_insert(1);
    let name = if *seen > 1 { format!("{name} ({seen})") } else { name };
    let what: String = lines(outcome).map(|line| line + "\n").collect();
    let what = xml(&what);
    let element = if outcome.says_nothing() { "error" } else { "failure" };
    let inner = match (outcome.status, outcome.check) {
        (Verdict::Ok, _) | (_, None) => format!("<system-out>{what}</system-out>"),
        (Verdict::Failed, Some(check)) => format!(
            "<{element} message=\"{}\" type=\"{check}\">{what}</{element}>",
            xml(&plain(outcome.message.as_deref().unwrap_or_default()))
        ),
    };
    format!(
        "    <testcase classname=\"{class}\" name=\"{}\" time=\"0\">\n      {inner}\n    </testcase>\n",
        xml(&name)
    )
}

fn name(outcome: &Outcome) -> String {
    let image = outcome.image.split_once("@sha256:").map_or(outcome.image.as_str(), |(image, _)| image);
    let begins = outcome.digest.as_deref().map(|digest| digest.chars().take(BEGINNING).collect::<String>());
    match begins {
        Some(begins) => format!("{}@{begins}", plain(image)),
        None => plain(&outcome.image),
    }
}

/// The digest, what failed, and what each key and form says.
fn lines(outcome: &Outcome) -> impl Iterator<Item = String> {
    let failed = outcome.check.map(|check| format!("[{check}] {}", check.message()));
    let details = outcome.details.iter().map(|detail| format!("  {}", plain(detail)));
    let digest = outcome.digest.as_deref().map(plain);
    let notes = outcome.notes.iter().map(|note| plain(note));
    digest.into_iter().chain(failed).chain(details).chain(outcome.rows.iter().map(row)).chain(notes)
}

/// `.sig by release.pub sha256:a325…: signature verified, claims verified, annotations unchecked, log absent`
fn row(row: &Row) -> String {
    let words = [
        ("signature", row.signature),
        ("claims", row.claims),
        ("annotations", row.annotations),
        ("log", row.log),
        ("proof", row.proof),
        ("timestamp", row.timestamp),
    ];
    let words: Vec<String> = words.iter().map(|(what, state)| format!("{what} {}", state.name())).collect();
    let names: Vec<String> = row.identities.iter().map(|name| plain(name)).collect();
    let signed = if names.is_empty() { String::new() } else { format!("; signed for {}", names.join(", ")) };
    let why = row.check.map(|check| format!("; [{check}] {}", check.message())).unwrap_or_default();
    let (form, key, id) = (plain(&row.form), plain(&row.key), plain(&row.key_id));
    format!("{form} by {key} {id}: {}{signed}{why}", words.join(", "))
}

/// Foreign text on one line of printable ASCII. Two opening brackets begin a command to GitLab and to Jenkins, which
/// attach the file named behind them: they are never left side by side.
fn plain(text: &str) -> String {
    shown(text).replace("[[", "[\\u{5b}")
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

/// Characters of a digest in a name: `sha256:` and twelve of its hex digits.
const BEGINNING: usize = 19;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_makes_no_marks() {
        assert_eq!(xml("a<b>&\"c]]>\u{1b}\0\u{202e}\n"), "a&lt;b&gt;&amp;&quot;c]]&gt;???\n");
    }

    #[test]
    fn foreign_text_attaches_no_file() {
        for text in ["[[ATTACHMENT|/etc/passwd]]", "[[[ATTACHMENT|x]]", "[[[[", "[\u{0}[[a"] {
            assert!(!plain(text).contains("[["), "{text}");
        }
        assert_eq!(plain("a[1][2]"), "a[1][2]");
    }
}
