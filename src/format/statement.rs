//! in-toto statements of image signatures: what a DSSE bundle signs (cosign 3 `signDigestBundle`; in-toto v1).

use std::collections::BTreeMap;

use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::json::{Names, Value, push_plain_string, push_strings};
use crate::limits;

/// The media type of a statement, and the DSSE payload type.
pub const MEDIA_TYPE: &str = "application/vnd.in-toto+json";

/// `predicateType` of an image signature.
pub const PREDICATE_TYPE: &str = "https://sigstore.dev/cosign/sign/v1";

/// The bytes that we sign: cosign 3's members and order, no blanks, `annotations` also when empty.
#[must_use]
pub fn render(digest: &Digest, annotations: &BTreeMap<String, String>) -> Vec<u8> {
    let mut out = Vec::with_capacity(320);
    out.extend_from_slice(
        b"{\"_type\":\"https://in-toto.io/Statement/v1\",\"subject\":[{\"digest\":{\"sha256\":\"",
    );
    out.extend_from_slice(digest.hex().as_bytes());
    out.extend_from_slice(b"\"},\"annotations\":");
    push_strings(&mut out, annotations, push_plain_string);
    out.extend_from_slice(b"}],\"predicateType\":");
    push_plain_string(&mut out, PREDICATE_TYPE);
    out.extend_from_slice(b",\"predicate\":{}}");
    out
}

/// A statement that somebody wrote, read for its claims.
#[derive(Clone, Debug)]
pub struct Statement {
    subjects: Vec<Subject>,
    predicate_type: String,
}

#[derive(Clone, Debug)]
struct Subject {
    digest: Option<Digest>,
    annotations: Vec<(String, Value)>,
}

impl Statement {
    /// Reads a statement v1 (BUNDLE-SYNTAX); nobody writes the signing predicate into a v0.1 statement.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let refuse = |why: &str| Error::new(Check::BundleSyntax, "statement").detail(why);
        let value = Value::parse(bytes, limits::DEPTH_EVIDENCE, Names::Exact)
            .map_err(|error| refuse("not strict JSON").caused_by(error))?;
        if value.get("_type").and_then(Value::as_str) != Some("https://in-toto.io/Statement/v1") {
            return Err(refuse("_type is no in-toto v1 statement's"));
        }
        let predicate_type = value.get("predicateType").and_then(Value::as_str);
        let predicate_type = predicate_type.ok_or_else(|| refuse("predicateType is missing"))?.to_owned();
        let subjects = value.get("subject").and_then(Value::as_array).unwrap_or_default();
        if subjects.is_empty() || subjects.len() > SUBJECTS {
            return Err(refuse("it has 1 to 1,024 subjects"));
        }
        let subjects = subjects
            .iter()
            .map(|subject| Subject::read(subject).ok_or_else(|| refuse("a subject has a digest")));
        Ok(Self { subjects: subjects.collect::<Result<_>>()?, predicate_type })
    }

    /// `predicateType`.
    #[must_use]
    pub fn predicate_type(&self) -> &str {
        &self.predicate_type
    }

    /// The annotations of the first subject with this digest; `None` where no subject has it.
    #[must_use]
    pub fn annotations_of(&self, digest: &Digest) -> Option<&[(String, Value)]> {
        self.subjects
            .iter()
            .find(|subject| subject.digest == Some(*digest))
            .map(|subject| subject.annotations.as_slice())
    }
}

impl Subject {
    fn read(value: &Value) -> Option<Self> {
        let digest = value.get("digest")?;
        digest.as_object()?;
        let annotations = match value.get("annotations") {
            None | Some(Value::Null) => Vec::new(),
            Some(annotations) => annotations.as_object()?.to_vec(),
        };
        let digest = digest.get("sha256").and_then(Value::as_str).and_then(|hex| Digest::parse_hex(hex).ok());
        Some(Self { digest, annotations })
    }
}

/// sigstore-go's bound on subjects.
const SUBJECTS: usize = 1024;
