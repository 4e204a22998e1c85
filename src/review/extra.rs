//! What is signed and is no image: payloads that nobody here understands, statements, files.

use bytes::Bytes;

use super::sentence;
use crate::digest::Digest;
use crate::format::attestation::{Predicate, PredicateType};
use crate::format::document::{BlobItem, Content, Item, Signed};
use crate::format::json::Value;
use crate::request::Request;
use crate::terminal::{COLUMNS, counted, filled, quoted, size};

/// What is signed beside an image.
pub(super) enum Extra {
    /// A payload of another tool.
    CustomPayload { digest: Digest, bytes: Bytes },
    /// A statement about it.
    Attestation { kind: PredicateType, digest: Digest, size: u64, members: Vec<String> },
}

impl Extra {
    /// What is signed of an item that is no image.
    pub(super) fn of(request: &Request, item: &Item) -> Option<Self> {
        match &item.signed {
            Signed::Image { .. } => None,
            Signed::CustomPayload { payload } => {
                let bytes = request.blob(&payload.digest)?.clone();
                Some(Self::CustomPayload { digest: payload.digest, bytes })
            }
            Signed::Attestation { predicate_type, predicate, .. } => {
                let read = Predicate::parse(request.blob(&predicate.digest)?.clone()).ok()?;
                Some(Self::Attestation {
                    kind: predicate_type.clone(),
                    digest: predicate.digest,
                    size: predicate.size,
                    members: read.members().iter().map(member).collect(),
                })
            }
        }
    }

    /// What a person is told of it; of a predicate's members at most this many.
    pub(super) fn lines(&self, indent: &str, most: usize) -> Vec<String> {
        let say = |label: &str, pieces: &[String]| filled(&format!("{indent}{label}  "), pieces, "  ");
        match self {
            Self::CustomPayload { digest, bytes } => {
                let mut lines = sentence(
                    indent,
                    "what is signed is not understood here, and says nothing about this image that coldsign could read:",
                );
                lines.extend(content(indent, "payload", digest, bytes));
                lines
            }
            Self::Attestation { kind, digest, size: bytes, members } => {
                let name = kind.name().map(str::to_owned);
                let mut lines =
                    say("states", &name.into_iter().chain([quoted(kind.uri())]).collect::<Vec<_>>());
                lines.extend(say("predicate", &[size(*bytes), counted(members.len(), "member", "members")]));
                lines.push(format!("{indent}  {}", digest.grouped()));
                let mut told: Vec<String> = members.iter().take(most).cloned().collect();
                if members.len() > told.len() {
                    told.push(format!("and {} more", members.len() - told.len()));
                }
                lines.extend(say(" ", &told));
                lines
            }
        }
    }
}

/// A file as it is shown.
pub(super) struct File<'r> {
    pub(super) number: usize,
    item: &'r BlobItem,
    bytes: Option<&'r Bytes>,
}

impl<'r> File<'r> {
    pub(super) fn of(request: &'r Request, item: &'r BlobItem, number: usize) -> Self {
        let bytes = match &item.content {
            Content::Carried(content) => request.blob(&content.digest),
            Content::Hash(_) => None,
        };
        Self { number, item, bytes }
    }

    /// Whether nobody at this station sees what is signed.
    pub(super) fn is_hash(&self) -> bool {
        self.bytes.is_none()
    }

    pub(super) fn row(&self, width: usize) -> Vec<String> {
        let kind = match self.bytes {
            Some(bytes) => format!("file, {}", size(u64::try_from(bytes.len()).unwrap_or(u64::MAX))),
            None => "hash alone, NOT SEEN".to_owned(),
        };
        let number = format!("{:>width$}  ", self.number);
        let mut lines = filled(&number, &[quoted(&self.item.name)], "");
        match lines.last_mut().filter(|line| line.len() + 2 + kind.len() <= COLUMNS) {
            Some(line) => *line = format!("{line}{kind:>room$}", room = COLUMNS - line.len()),
            None => lines.push(format!("{kind:>COLUMNS$}")),
        }
        let indent = " ".repeat(number.len());
        lines.extend(self.lines(&indent));
        lines
    }

    pub(super) fn everything(&self) -> Vec<String> {
        let mut lines = filled(&format!("item {}  ", self.item.number), &[quoted(&self.item.name)], "");
        lines.extend(self.lines("  "));
        lines
    }

    fn lines(&self, indent: &str) -> Vec<String> {
        let digest = self.item.content.digest();
        match self.bytes {
            Some(bytes) => content(indent, "content", &digest, bytes),
            None => vec![format!("{indent}{}", digest.grouped())],
        }
    }
}

/// Bytes that are signed as they are: SHA-256, size, how they begin.
fn content(indent: &str, what: &str, digest: &Digest, bytes: &Bytes) -> Vec<String> {
    let begin = bytes.get(..PREVIEW).unwrap_or(bytes);
    let begin = quoted(&String::from_utf8_lossy(begin));
    let mut lines = vec![format!("{indent}{}", digest.grouped())];
    let bytes = counted(bytes.len(), "byte", "bytes");
    lines.extend(filled(&format!("{indent}{what}  "), &[format!("{bytes}, begins"), begin], " "));
    lines
}

/// A member of a predicate: its name, and what it is.
fn member((name, value): &(String, Value)) -> String {
    let what = match value {
        Value::String(text) => cut(text),
        Value::Array(values) => format!("[{}]", values.len()),
        Value::Object(members) => format!("{{{}}}", members.len()),
        Value::Integer(number) => number.to_string(),
        other => other.kind().to_owned(),
    };
    format!("{}={what}", quoted(name))
}

/// A text, and how many characters of it are not shown.
fn cut(text: &str) -> String {
    let begin = quoted(&text.chars().take(VALUE).collect::<String>());
    match text.chars().count().saturating_sub(VALUE) {
        0 => begin,
        more => format!("{begin}...(+{more})"),
    }
}

/// Bytes of a payload or file that are shown.
const PREVIEW: usize = 160;
/// Characters of a member's text that are shown.
const VALUE: usize = 48;
