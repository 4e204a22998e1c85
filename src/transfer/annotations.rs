//! `-a key=value`, as a person gives it.

use std::collections::BTreeMap;

use crate::check::Check;
use crate::error::{Error, Result};

/// Annotations by key. A comma is part of the value: only the first `=` splits.
///
/// Errors: ANNOTATION-SYNTAX, ANNOTATION-REPEATED.
pub fn parse<'a>(given: impl IntoIterator<Item = &'a str>) -> Result<BTreeMap<String, String>> {
    let mut annotations = BTreeMap::new();
    for text in given {
        let (key, value) = check_annotation_syntax(text)?;
        check_annotation_repeated(&annotations, key)?;
        annotations.insert(key.to_owned(), value.to_owned());
    }
    Ok(annotations)
}

/// ANNOTATION-RESERVED: what other tools read as a verified fact or as a number is not set by hand. cosign copies
/// `Issuer` and `Subject` of a certificate, and `Bundle` and `RFC3161Timestamp` of a log, beside a payload's
/// annotations; containers/image reads `creator` and `timestamp` (a number) of a payload.
pub fn check_annotation_reserved(annotations: &BTreeMap<String, String>) -> Result<()> {
    match annotations.keys().find(|key| RESERVED.contains(&key.as_str())) {
        Some(key) => Err(Error::new(Check::AnnotationReserved, key)),
        None => Ok(()),
    }
}

/// ANNOTATION-SYNTAX: `key=value`, the key not empty.
fn check_annotation_syntax(text: &str) -> Result<(&str, &str)> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key, value)),
        _ => Err(Error::new(Check::AnnotationSyntax, text)),
    }
}

/// ANNOTATION-REPEATED: each key once; the last one does not win in silence.
fn check_annotation_repeated(annotations: &BTreeMap<String, String>, key: &str) -> Result<()> {
    if annotations.contains_key(key) {
        return Err(Error::new(Check::AnnotationRepeated, key));
    }
    Ok(())
}

const RESERVED: [&str; 6] = ["creator", "timestamp", "Issuer", "Subject", "Bundle", "RFC3161Timestamp"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_value_a_key() {
        let parsed = parse(["env=prod", "list=a,b=c", "empty="]).unwrap();
        let pairs: Vec<_> = parsed.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("empty", ""), ("env", "prod"), ("list", "a,b=c")]);
        for (given, check) in [
            (&["env"][..], Check::AnnotationSyntax),
            (&["=prod"], Check::AnnotationSyntax),
            (&["env=a", "env=a"], Check::AnnotationRepeated),
        ] {
            assert_eq!(parse(given.iter().copied()).unwrap_err().check(), check);
        }
        for key in RESERVED {
            let parsed = parse([format!("{key}=1").as_str()]).unwrap();
            assert_eq!(check_annotation_reserved(&parsed).unwrap_err().check(), Check::AnnotationReserved);
            let parsed = parse([format!("{}=1", key.to_uppercase()).as_str()]).unwrap();
            check_annotation_reserved(&parsed).unwrap();
        }
    }
}
