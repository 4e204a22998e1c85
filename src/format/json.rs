//! JSON that means one thing to every reader (RFC 8259, RFC 8785, docs/format.md 7).
//!
//! `serde_json` reads the text; this module refuses what it would let pass: members that stand twice, names that Go
//! folds into one, depth, integers that not every reader holds. Values keep the order of their members.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::check::Check;
use crate::error::{Error, Result};
use crate::limits;

/// A JSON value without duplicate members.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// An integer without sign, point or exponent.
    Integer(u64),
    /// Any other number: negative, with a point or an exponent.
    Number(f64),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Value>),
    /// An object, its members in the order of the text.
    Object(Vec<(String, Value)>),
}

/// Which names are refused besides those that stand twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// Names that Go's reader folds into one, or that are not ASCII, are refused outside free maps
    /// (`annotations`, `Labels`, `Volumes`, `ExposedPorts`: one level).
    Folded,
    /// Any distinct names.
    Exact,
}

impl Value {
    /// Reads one value. `depth` is the deepest nesting allowed; the outermost object or array counts 1.
    pub fn parse(bytes: &[u8], depth: usize, names: Names) -> Result<Self> {
        let fault = Fault::default();
        let mut reader = serde_json::Deserializer::from_slice(bytes);
        // Depth is ours to bound (`limits`); serde_json's own bound of 128 is larger and stays as a net.
        let value = Strict { depth, names, free: false, fault: &fault }.deserialize(&mut reader);
        let value = value.and_then(|value| reader.end().map(|()| value));
        value.map_err(|error| match fault.refused.take() {
            Some((check, at)) => Error::new(check, at),
            None => Error::new(Check::JsonSyntax, place(&error)),
        })
    }

    /// Reads one of our own documents: RFC 8785 bytes, integers only (docs/format.md 3).
    pub fn parse_document(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > limits::DOCUMENT {
            return Err(Error::new(Check::BlobSize, format!("document of {} bytes", bytes.len())));
        }
        let value = Self::parse(bytes, limits::DEPTH_DOCUMENT, Names::Exact)?;
        check_document_number(&value)?;
        check_json_canonical(&value, bytes)?;
        Ok(value)
    }

    /// The RFC 8785 bytes of the value.
    #[must_use]
    pub fn to_canonical(&self) -> Vec<u8> {
        canonical(self)
    }

    /// The member `name` of an object; `None` for another value or an absent member.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Object(members) => {
                members.iter().find(|(member, _)| member == name).map(|(_, value)| value)
            }
            _ => None,
        }
    }

    /// The string, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The integer from 0 to 2^53-1, if it is one.
    #[must_use]
    pub fn as_integer(&self) -> Option<u64> {
        match self {
            Self::Integer(number) if *number <= limits::INTEGER => Some(*number),
            _ => None,
        }
    }

    /// The elements, if it is an array.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Self]> {
        match self {
            Self::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// The members in the order of the text, if it is an object.
    #[must_use]
    pub fn as_object(&self) -> Option<&[(String, Self)]> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    /// Whether it is an object with no members but these; the error says why not.
    pub(crate) fn only(&self, names: &[&str]) -> Result<(), &'static str> {
        let members = self.as_object().ok_or("an object is wanted")?;
        let known = members.iter().all(|(name, _)| names.contains(&name.as_str()));
        if known { Ok(()) } else { Err("unknown member") }
    }

    /// What kind of value it is, for messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Integer(_) | Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "an array",
            Self::Object(_) => "an object",
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Integer(value) => serializer.serialize_u64(*value),
            Self::Number(value) => serializer.serialize_f64(*value),
            Self::String(value) => serializer.serialize_str(value),
            Self::Array(elements) => {
                let mut sequence = serializer.serialize_seq(Some(elements.len()))?;
                for element in elements {
                    sequence.serialize_element(element)?;
                }
                sequence.end()
            }
            Self::Object(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (name, value) in members {
                    map.serialize_entry(name, value)?;
                }
                map.end()
            }
        }
    }
}

/// The RFC 8785 bytes of a document of ours. Documents hold strings, integers up to 2^53-1, objects and arrays only,
/// so that no number is rounded and nothing can fail to serialise.
///
/// # Panics
///
/// Never for such documents.
pub fn canonical(document: &impl Serialize) -> Vec<u8> {
    serde_jcs::to_vec(document).expect("documents have string keys and no infinite numbers")
}

/// Appends `text` as Go's `encoding/json` writes it: the bytes of cosign's payloads, manifests and configs
/// (reference: cosign payloads are Go JSON, not RFC 8785).
pub fn push_go_string(out: &mut Vec<u8>, text: &str) {
    push_string(out, text, true);
}

/// Appends `text` as protojson writes it: `<`, `>`, `&`, U+2028 and U+2029 stay as they are.
pub fn push_plain_string(out: &mut Vec<u8>, text: &str) {
    push_string(out, text, false);
}

/// `text` as [`push_plain_string`] writes it.
#[must_use]
pub fn quoted_plain(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    push_plain_string(&mut out, text);
    String::from_utf8_lossy(&out).into_owned()
}

/// Appends an object of strings; `push` writes the strings.
pub fn push_strings(out: &mut Vec<u8>, members: &BTreeMap<String, String>, push: fn(&mut Vec<u8>, &str)) {
    out.push(b'{');
    for (number, (name, value)) in members.iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        push(out, name);
        out.push(b':');
        push(out, value);
    }
    out.push(b'}');
}

fn push_string(out: &mut Vec<u8>, text: &str, html: bool) {
    out.push(b'"');
    let mut rest = text;
    while let Some(place) = rest.find(|character| is_escaped(character, html)) {
        let (plain, from) = rest.split_at(place);
        out.extend_from_slice(plain.as_bytes());
        let mut characters = from.chars();
        if let Some(character) = characters.next() {
            push_escape(out, character);
        }
        rest = characters.as_str();
    }
    out.extend_from_slice(rest.as_bytes());
    out.push(b'"');
}

fn is_escaped(character: char, html: bool) -> bool {
    matches!(character, '"' | '\\' | '\0'..='\x1f')
        || html && matches!(character, '<' | '>' | '&' | '\u{2028}' | '\u{2029}')
}

fn push_escape(out: &mut Vec<u8>, character: char) {
    match character {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\u{8}' => out.extend_from_slice(b"\\b"),
        '\u{c}' => out.extend_from_slice(b"\\f"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        _ => out.extend_from_slice(format!("\\u{:04x}", u32::from(character)).as_bytes()),
    }
}

/// DOCUMENT-NUMBER: integers from 0 to 2^53-1 (docs/format.md 3).
fn check_document_number(value: &Value) -> Result<()> {
    match value {
        Value::Integer(number) if *number > limits::INTEGER => Err(Error::new(Check::DocumentNumber, number)),
        Value::Number(number) => Err(Error::new(Check::DocumentNumber, number)),
        Value::Array(elements) => elements.iter().try_for_each(check_document_number),
        Value::Object(members) => members.iter().try_for_each(|(_, value)| check_document_number(value)),
        _ => Ok(()),
    }
}

/// JSON-CANONICAL: the bytes are the RFC 8785 form of what they say (docs/format.md 2).
fn check_json_canonical(value: &Value, bytes: &[u8]) -> Result<()> {
    if value.to_canonical() == bytes {
        return Ok(());
    }
    Err(Error::new(Check::JsonCanonical, ""))
}

fn place(error: &serde_json::Error) -> String {
    if error.line() == 0 {
        String::new()
    } else {
        format!("line {}, column {}", error.line(), error.column())
    }
}

/// What a visitor refused; serde's errors are text, so the check travels beside them.
#[derive(Default)]
struct Fault {
    refused: RefCell<Option<(Check, String)>>,
    /// How many values were read so far.
    values: Cell<usize>,
}

impl Fault {
    fn refuse<E: serde::de::Error>(&self, check: Check, at: impl Into<String>) -> E {
        self.refused.replace(Some((check, at.into())));
        E::custom(check.message())
    }

    /// JSON-SIZE: one more value.
    fn check_json_size<E: serde::de::Error>(&self) -> Result<(), E> {
        let values = self.values.get() + 1;
        self.values.set(values);
        if values <= limits::VALUES { Ok(()) } else { Err(self.refuse(Check::JsonSize, "")) }
    }
}

#[derive(Clone, Copy)]
struct Strict<'a> {
    depth: usize,
    names: Names,
    /// The value is that of a free map's name: its members may have any distinct names.
    free: bool,
    fault: &'a Fault,
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.fault.check_json_size()?;
        deserializer.deserialize_any(self)
    }
}

impl Strict<'_> {
    fn below<E: serde::de::Error>(self, free: bool) -> Result<Self, E> {
        let Some(depth) = self.depth.checked_sub(1) else {
            return Err(self.fault.refuse(Check::JsonDepth, ""));
        };
        Ok(Self { depth, free, ..self })
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Integer(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        // serde_json calls this for negative integers only; none is an integer of ours, so the rounding is harmless.
        #[expect(
            clippy::as_conversions,
            clippy::cast_precision_loss,
            reason = "shown or refused, never computed with"
        )]
        Ok(Value::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let below = self.below(false)?;
        let mut elements = Vec::new();
        while let Some(element) = sequence.next_element_seed(below)? {
            elements.push(element);
        }
        Ok(Value::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let below = self.below(false)?;
        let folded = self.names == Names::Folded && !self.free;
        let mut seen = std::collections::HashSet::new();
        let mut members: Vec<(String, Value)> = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if folded && !name.is_ascii() {
                return Err(self.fault.refuse(Check::JsonFold, name));
            }
            let free = folded && FREE_MAPS.contains(&name.as_str());
            let value = map.next_value_seed(Strict { free, ..below })?;
            if members.len() < 8 {
                if members.iter().any(|(member, _)| *member == name) {
                    return Err(self.fault.refuse(Check::JsonDuplicate, name));
                }
            } else {
                if seen.is_empty() {
                    seen.extend(members.iter().map(|(member, _)| member.clone()));
                }
                if !seen.insert(name.clone()) {
                    return Err(self.fault.refuse(Check::JsonDuplicate, name));
                }
            }
            members.push((name, value));
        }
        if folded {
            let mut lower: Vec<String> = members.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
            lower.sort_unstable();
            if let Some(twin) =
                lower.windows(2).find_map(|pair| (pair.first() == pair.last()).then(|| pair.first()))
            {
                return Err(self.fault.refuse(Check::JsonFold, twin.cloned().unwrap_or_default()));
            }
        }
        Ok(Value::Object(members))
    }
}

/// Members whose value is a map with free names, one level (docs/format.md 7).
const FREE_MAPS: [&str; 4] = ["annotations", "Labels", "Volumes", "ExposedPorts"];

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &[u8], names: Names) -> Check {
        Value::parse(text, 3, names).unwrap_err().check()
    }

    #[test]
    fn one_meaning() {
        let value = Value::parse(b" {\"a\":[1,-1,1.5,\"x\",null,true]} \n", 3, Names::Folded).unwrap();
        assert_eq!(value.get("a").unwrap().as_array().unwrap().len(), 6);
        for (text, check) in [
            (&b"{\"a\":1,\"a\":2}"[..], Check::JsonDuplicate),
            (b"{\"a\":1,\"\\u0061\":2}", Check::JsonDuplicate),
            (b"{\"a\":1,\"A\":2}", Check::JsonFold),
            ("{\"\u{212a}\":1}".as_bytes(), Check::JsonFold),
            (b"{\"Labels\":{\"a\":{\"b\":1,\"B\":1}}}", Check::JsonFold),
            (b"[[[[]]]]", Check::JsonDepth),
            (b"{} {}", Check::JsonSyntax),
            (b"\xef\xbb\xbf{}", Check::JsonSyntax),
            (b"\"\\ud800\"", Check::JsonSyntax),
            (b"\"\xff\"", Check::JsonSyntax),
            (b"NaN", Check::JsonSyntax),
            (b"", Check::JsonSyntax),
        ] {
            assert_eq!(refused(text, Names::Folded), check, "{}", String::from_utf8_lossy(text));
        }
        assert!(
            Value::parse("{\"Labels\":{\"a\":1,\"A\":2,\"\u{212a}\":3}}".as_bytes(), 3, Names::Folded)
                .is_ok()
        );
        assert_eq!(refused(b"{\"Labels\":{\"a\":1,\"a\":2}}", Names::Folded), Check::JsonDuplicate);
        let many: Vec<String> = (0..20).map(|n| format!("\"m{n}\":0")).collect();
        assert_eq!(
            refused(format!("{{{},\"m3\":0}}", many.join(",")).as_bytes(), Names::Exact),
            Check::JsonDuplicate
        );
    }

    #[test]
    fn documents_have_one_spelling() {
        assert!(Value::parse_document(b"{\"a\":9007199254740991,\"b\":[]}").is_ok());
        for (text, check) in [
            (&b"{\"b\":1,\"a\":1}"[..], Check::JsonCanonical),
            (b"{\"a\": 1}", Check::JsonCanonical),
            (b"{\"a\":1}\n", Check::JsonCanonical),
            (b"{\"a\":9007199254740992}", Check::DocumentNumber),
            (b"{\"a\":-1}", Check::DocumentNumber),
            (b"{\"a\":1.0}", Check::DocumentNumber),
            (b"{\"a\":1e2}", Check::DocumentNumber),
            (b"{\"a\":-0}", Check::DocumentNumber),
            (b"{\"a\":\"\\u0041\"}", Check::JsonCanonical),
        ] {
            assert_eq!(
                Value::parse_document(text).unwrap_err().check(),
                check,
                "{}",
                String::from_utf8_lossy(text)
            );
        }
    }

    #[test]
    fn go_escapes_what_protojson_does_not() {
        let mut out = Vec::new();
        push_go_string(&mut out, "<a>&\u{2028}\u{7f}\"\\\n\u{1}");
        assert_eq!(out, b"\"\\u003ca\\u003e\\u0026\\u2028\x7f\\\"\\\\\\n\\u0001\"");
        let mut out = Vec::new();
        push_plain_string(&mut out, "<a>&");
        assert_eq!(out, b"\"<a>&\"");
    }
}
