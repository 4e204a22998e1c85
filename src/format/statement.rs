//! in-toto statements: those of image signatures, which a DSSE bundle signs (cosign 3 `signDigestBundle`; in-toto v1),
//! and what others wrote, read for its claims.

use std::collections::BTreeMap;

use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::attestation;
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
    out.extend_from_slice(b"{\"_type\":");
    push_plain_string(&mut out, V1);
    out.extend_from_slice(b",\"subject\":[{\"digest\":{\"sha256\":\"");
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
    is_v1: bool,
    subjects: Vec<Subject>,
    predicate_type: String,
}

#[derive(Clone, Debug)]
struct Subject {
    digest: Option<Digest>,
    annotations: Vec<(String, Value)>,
}

impl Statement {
    /// Reads a statement (BUNDLE-SYNTAX). One of an image signature is v1: nobody writes the signing predicate into a
    /// v0.1 statement, which is what cosign's attestations are.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let statement = Self::read(bytes, limits::DEPTH_EVIDENCE, Check::BundleSyntax)?;
        if statement.is_v1 || statement.predicate_type != PREDICATE_TYPE {
            return Ok(statement);
        }
        Err(Error::new(Check::BundleSyntax, "statement").detail("_type is no in-toto v1 statement's"))
    }

    /// Reads the statement of an attestation, v1 or v0.1, which cosign writes (ATT-STATEMENT).
    pub fn parse_attestation(bytes: &[u8]) -> Result<Self> {
        Self::read(bytes, limits::DEPTH_PREDICATE + 1, Check::AttStatement)
    }

    fn read(bytes: &[u8], depth: usize, check: Check) -> Result<Self> {
        let refuse = |why: &str| Error::new(check, "statement").detail(why);
        let value = Value::parse(bytes, depth, Names::Exact)
            .map_err(|error| refuse("not strict JSON").caused_by(error))?;
        check_members(&value, &["_type", "subject", "predicateType", "predicate"])
            .ok_or_else(|| refuse("unknown member"))?;
        let is_v1 = match value.get("_type").and_then(Value::as_str) {
            Some(V1) => true,
            Some(attestation::STATEMENT_TYPE) => false,
            _ => return Err(refuse("_type is no in-toto statement's, v1 or v0.1")),
        };
        let predicate_type = value.get("predicateType").and_then(Value::as_str);
        let predicate_type = predicate_type.ok_or_else(|| refuse("predicateType is missing"))?.to_owned();
        let subjects = value.get("subject").and_then(Value::as_array).unwrap_or_default();
        if subjects.is_empty() || subjects.len() > SUBJECTS {
            return Err(refuse("it has 1 to 1,024 subjects"));
        }
        let subjects = subjects
            .iter()
            .map(|subject| Subject::read(subject).ok_or_else(|| refuse("a subject has a digest")));
        Ok(Self { is_v1, subjects: subjects.collect::<Result<_>>()?, predicate_type })
    }

    /// `predicateType`.
    #[must_use]
    pub fn predicate_type(&self) -> &str {
        &self.predicate_type
    }

    /// The SHA-256 digests of its subjects; one without is left out.
    pub fn subjects(&self) -> impl Iterator<Item = Digest> {
        self.subjects.iter().filter_map(|subject| subject.digest)
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
        check_members(
            value,
            &["name", "uri", "digest", "content", "downloadLocation", "mediaType", "annotations"],
        )?;
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

/// No member but these, as readers of the protobuf form have it (in-toto attestation, `statement.proto`).
fn check_members(value: &Value, names: &[&str]) -> Option<()> {
    value.as_object()?.iter().all(|(name, _)| names.contains(&name.as_str())).then_some(())
}

/// `_type` of a statement v1.
const V1: &str = "https://in-toto.io/Statement/v1";
/// sigstore-go's bound on subjects.
const SUBJECTS: usize = 1024;
