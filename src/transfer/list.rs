//! Lists of images (`--from`): one image a line, reviewed like code.
//!
//! `IMAGE [--as REF] [--identity REF] [-a key=value]…`; words are separated by blanks, a word with blanks is a JSON
//! string, a word that begins with `#` begins a comment. Paths are relative to the list's folder.

use std::path::Path;

use super::annotations;
use super::export::{Ask, Wanted};
use super::source::Source;
use crate::check::Check;
use crate::error::{Error, Result};
use crate::files;
use crate::format::attestation::PredicateType;
use crate::format::reference::{Identity, Reference};
use crate::limits;

/// Reads the list in the file at `path`.
///
/// Errors name the file and the line: LIST-SYNTAX, LIST-EMPTY, and those of references, sources and annotations.
pub fn read(path: &Path) -> Result<Vec<Wanted>> {
    let bytes = files::read(path, limits::LIST_FILE)?;
    parse(&bytes, &path.display().to_string(), path.parent().unwrap_or(Path::new("")))
}

/// Reads a list; `place` names it in messages, relative paths are those of `base`.
pub fn parse(bytes: &[u8], place: &str, base: &Path) -> Result<Vec<Wanted>> {
    let text =
        std::str::from_utf8(bytes).map_err(|error| Error::new(Check::ListSyntax, place).caused_by(error))?;
    let mut images = Vec::new();
    for (line, number) in text.lines().zip(1_usize..) {
        let place = format!("{place}:{number}");
        if let Some(image) = line_of(line, &place, base).map_err(|error| error.within(&place))? {
            images.push(image);
        }
    }
    check_list_empty(&images, place)?;
    Ok(images)
}

/// LIST-EMPTY: a list names at least one image.
fn check_list_empty(images: &[Wanted], place: &str) -> Result<()> {
    if images.is_empty() { Err(Error::new(Check::ListEmpty, place)) } else { Ok(()) }
}

fn line_of(line: &str, place: &str, base: &Path) -> Result<Option<Wanted>> {
    let mut words = words(line)?.into_iter();
    let Some(image) = words.next() else { return Ok(None) };
    if image.starts_with('-') {
        return Err(Error::new(Check::ListSyntax, image).detail("the image comes first"));
    }
    let source = Source::parse(&image, base)?;
    let (mut name, mut identity, mut given) = (None, None, Vec::new());
    let (mut payload, mut kind, mut predicate) = (None, None, None);
    while let Some(word) = words.next() {
        let (flag, value) = match word.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => (flag.to_owned(), Some(value.to_owned())),
            _ => (word, None),
        };
        if flag == "--attest" && value.is_none() {
            continue; // --type and --predicate say it
        }
        if !FLAGS.contains(&flag.as_str()) {
            let known = FLAGS.join(", ");
            return Err(Error::new(Check::ListSyntax, flag).detail(format!("after the image come {known}")));
        }
        let Some(value) = value.or_else(|| words.next()) else {
            return Err(Error::new(Check::ListSyntax, flag).detail("its value is missing"));
        };
        match flag.as_str() {
            "--as" if name.is_none() => name = Some(Reference::parse(&value)?),
            "--identity" if identity.is_none() => identity = Some(Identity::parse(&value)?),
            "--payload" if payload.is_none() => payload = Some(base.join(value)),
            "--type" if kind.is_none() => kind = Some(PredicateType::parse(&value)?),
            "--predicate" if predicate.is_none() => predicate = Some(base.join(value)),
            "-a" | "--annotation" => given.push(value),
            _ => return Err(Error::new(Check::ListSyntax, flag).detail("given twice")),
        }
    }
    let ask = match (payload, kind, predicate) {
        (None, None, None) => Ask::Image,
        (Some(payload), None, None) => Ask::CustomPayload(payload),
        (None, Some(kind), Some(predicate)) => Ask::Attestation(kind, predicate),
        _ => {
            let error = Error::new(Check::ListSyntax, image);
            return Err(error.detail("an attestation is --type and --predicate, without --payload"));
        }
    };
    if ask != Ask::Image && (identity.is_some() || !given.is_empty()) {
        let error = Error::new(Check::ListSyntax, image);
        return Err(error.detail("--identity and -a go with signatures of the image alone"));
    }
    let annotations = annotations::parse(given.iter().map(String::as_str))?;
    annotations::check_annotation_reserved(&annotations)?;
    Ok(Some(Wanted { source, name, identity, annotations, ask, place: Some(place.to_owned()) }))
}

fn words(line: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut rest = line.trim_start_matches(BLANKS);
    while !rest.is_empty() && !rest.starts_with('#') {
        let (word, after) = if rest.starts_with('"') {
            let mut json = serde_json::Deserializer::from_str(rest).into_iter::<String>();
            let word = json.next().and_then(Result::ok);
            let word = word.ok_or_else(|| Error::new(Check::ListSyntax, rest).detail("not a JSON string"))?;
            (word, rest.get(json.byte_offset()..).unwrap_or_default())
        } else {
            let (word, after) = rest.split_at(rest.find(BLANKS).unwrap_or(rest.len()));
            (word.to_owned(), after)
        };
        if !after.is_empty() && !after.starts_with(BLANKS) {
            return Err(Error::new(Check::ListSyntax, after).detail("a blank is missing after a JSON string"));
        }
        words.push(word);
        rest = after.trim_start_matches(BLANKS);
    }
    Ok(words)
}

/// What may stand behind an image, besides `--attest`, which `--type` and `--predicate` imply.
const FLAGS: [&str; 7] = ["--as", "--identity", "-a", "--annotation", "--payload", "--type", "--predicate"];
const BLANKS: [char; 2] = [' ', '\t'];

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Wanted>, (Check, String)> {
        parse(text.as_bytes(), "images.txt", Path::new("lists"))
            .map_err(|error| (error.check(), error.at().to_owned()))
    }

    #[test]
    fn one_image_a_line() {
        let text = "# release\n\n  oci:app:1.4\t--as registry.example/app:1.4 -a env=prod -a \"who=A B\\u0021\"  # the app\r\n\
                    oci-archive:/x/web.tar --as=registry.example/web:2 --identity registry.example/team/web:2\n\"oci:with blank:1\"#x";
        let (check, at) = read(text).unwrap_err();
        assert_eq!((check, at.as_str()), (Check::ListSyntax, "images.txt:5: #x"));
        let images = read(&text.replace("#x", " #x")).unwrap();
        let shown: Vec<String> = images.iter().map(|image| image.source.to_string()).collect();
        assert_eq!(shown, ["oci:lists/app:1.4", "oci-archive:/x/web.tar", "oci:lists/with blank:1"]);
        let [app, web, blank] = images.as_slice() else { panic!() };
        assert_eq!(app.name.as_ref().unwrap().to_string(), "registry.example/app:1.4");
        let annotations: Vec<_> =
            app.annotations.iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(annotations, ["env=prod", "who=A B!"]);
        assert_eq!(web.identity.as_ref().unwrap().to_string(), "registry.example/team/web:2");
        assert_eq!((web.name.is_some(), &web.place), (true, &Some("images.txt:4".to_owned())));
        assert_eq!((&blank.name, &blank.identity, blank.annotations.len()), (&None, &None, 0));
    }

    #[test]
    fn faults_name_the_line() {
        for (text, check) in [
            ("", Check::ListEmpty),
            ("# nothing\n \t\n", Check::ListEmpty),
            ("--as r.example/a:1 oci:a", Check::ListSyntax),
            ("oci:a b", Check::ListSyntax),
            ("oci:a --as", Check::ListSyntax),
            ("oci:a --as r.example/ab:1 --as r.example/ab:1", Check::ListSyntax),
            ("oci:a -a \"x=\\ud800\"", Check::ListSyntax),
            ("oci:a -a \"x=1", Check::ListSyntax),
            ("oci:a --as NO", Check::ReferenceSyntax),
            ("oci:a --identity r.example/ab@sha256:00", Check::ReferenceSyntax),
            ("oci:a -a x", Check::AnnotationSyntax),
            ("oci:a -a x=1 -a x=1", Check::AnnotationRepeated),
            ("oci:a -a Issuer=1", Check::AnnotationReserved),
            ("registry.example/app", Check::ReferenceBare),
            ("./app:1", Check::SourceSyntax),
        ] {
            let (found, at) = read(text).unwrap_err();
            assert_eq!(found, check, "{text}");
            assert!(
                at.starts_with(if check == Check::ListEmpty { "images.txt" } else { "images.txt:1: " }),
                "{at}"
            );
        }
        let error = parse(b"oci:\xff", "l", Path::new("")).unwrap_err();
        assert_eq!(error.check(), Check::ListSyntax);
    }
}
