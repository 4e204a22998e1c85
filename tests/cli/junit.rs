//! What readers of `JUnit` XML demand, as rules: GitLab's and Jenkins' test tabs, GitHub's actions for it.
//!
//! There is no one schema. The rules are those of the schema that Jenkins' xunit plugin has (`junit-10.xsd`: which
//! elements stand where, which attributes they have), and what the readers' own code relies on besides: GitLab knows a
//! case by its class and name and takes two alike for one; all of them take `failure`, `error` and `skipped` for what
//! did not pass, and the suite's counts are those of its cases.

use std::collections::{BTreeMap, BTreeSet};

/// An element: its name, that of the one around it, its attributes as they are written, the text before its first child.
#[derive(Debug)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) within: String,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) text: String,
}

/// Name, the elements that it may stand in, attributes it must have, attributes it may have.
type Rule = (&'static str, &'static [&'static str], &'static [&'static str], &'static [&'static str]);

const RULES: [Rule; 8] = [
    ("testsuites", &[""], &[], &["name", "time", "tests", "failures", "errors"]),
    ("testsuite", &["testsuites"], &["name", "tests"], &["failures", "errors", "skipped", "time"]),
    ("properties", &["testsuite"], &[], &[]),
    ("property", &["properties"], &["name", "value"], &[]),
    ("testcase", &["testsuite"], &["name", "classname"], &["time"]),
    ("failure", &["testcase"], &["message", "type"], &[]),
    ("error", &["testcase"], &["message", "type"], &[]),
    ("system-out", &["testcase"], &[], &[]),
];

/// The elements of a document in their order. Fails unless a CI system would show every case of it.
#[track_caller]
pub(crate) fn elements(xml: &str) -> Vec<Element> {
    let elements = parse(xml);
    for element in &elements {
        let rule = RULES.iter().find(|(name, ..)| *name == element.name);
        let (_, within, must, may) = rule.unwrap_or_else(|| panic!("no reader knows {}", element.name));
        assert!(within.contains(&element.within.as_str()), "{element:?}");
        let has: BTreeSet<&str> = element.attributes.keys().map(String::as_str).collect();
        assert!(must.iter().all(|name| has.contains(name)), "{element:?}");
        assert!(has.iter().all(|name| must.contains(name) || may.contains(name)), "{element:?}");
        if let Some(time) = element.attributes.get("time") {
            assert!(time.parse::<f64>().is_ok(), "{element:?}");
        }
        assert!(!element.text.contains("[[") && !format!("{:?}", element.attributes).contains("[["));
    }
    let count = |name: &str| elements.iter().filter(|element| element.name == name).count().to_string();
    for suite in elements.iter().filter(|element| element.name.starts_with("testsuite")) {
        for (counter, name) in [("tests", "testcase"), ("failures", "failure"), ("errors", "error")] {
            assert_eq!(suite.attributes[counter], count(name), "{suite:?}");
        }
    }
    let cases = elements.iter().filter(|element| element.name == "testcase");
    let mut seen = BTreeSet::new();
    for case in cases {
        let (class, name) = (&case.attributes["classname"], &case.attributes["name"]);
        assert!(!class.is_empty() && !name.is_empty(), "{case:?}");
        assert!(seen.insert((class, name)), "two cases are one to GitLab: {case:?}");
    }
    elements
}

/// Fails unless it is well-formed: one root, every element ended in its turn, no attribute twice, only entities that XML
/// knows, nothing but printable ASCII.
#[track_caller]
fn parse(xml: &str) -> Vec<Element> {
    assert!(xml.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte)), "{xml}");
    let mut rest = xml.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n").expect("a declaration");
    let text = |text: &str| {
        assert!(!text.contains(['<', '>']), "{text}");
        for reference in text.split('&').skip(1) {
            let entity = reference.split_once(';').map(|(entity, _)| entity);
            assert!(matches!(entity, Some("amp" | "lt" | "gt" | "quot")), "{text}");
        }
    };
    let (mut found, mut open) = (Vec::<Element>::new(), Vec::<String>::new());
    while let Some((before, tag)) = rest.split_once('<') {
        text(before);
        assert!(!open.is_empty() || before.trim().is_empty(), "text outside: {before}");
        let (tag, after) = tag.split_once('>').expect("a tag is closed");
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "{xml}");
            continue;
        }
        assert!(!open.is_empty() || found.is_empty(), "a second root: {tag}");
        let (tag, empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let (name, mut attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        let mut values = BTreeMap::new();
        while let Some((attribute, after)) = attributes.split_once("=\"") {
            let (value, after) = after.split_once('"').expect("a value is closed");
            text(value);
            assert!(values.insert(attribute.to_owned(), value.to_owned()).is_none(), "{attribute} twice");
            attributes = after.trim_start();
        }
        assert!(attributes.is_empty(), "{tag}");
        found.push(Element {
            name: name.to_owned(),
            within: open.last().cloned().unwrap_or_default(),
            attributes: values,
            text: rest.split('<').next().unwrap_or_default().to_owned(),
        });
        if !empty {
            open.push(name.to_owned());
        }
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{open:?} {rest}");
    found
}
