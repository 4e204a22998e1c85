//! Simple signing payloads: what a `.sig` layer signs (cosign `pkg/signature/payload`; docs/format.md 5).

use std::collections::BTreeMap;

use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::json::{Names, Value, push_go_string, push_strings};
use crate::format::reference::Identity;
use crate::limits;

/// The media type of a payload, and of the layer that holds it.
pub const MEDIA_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// `critical.type` of every payload that cosign writes.
pub const TYPE: &str = "cosign container image signature";

/// The bytes that cosign writes: compact Go JSON, fixed order, `optional` null when empty, no newline.
#[must_use]
pub fn render(identity: &Identity, digest: &Digest, annotations: &BTreeMap<String, String>) -> Vec<u8> {
    let mut out = Vec::with_capacity(320);
    out.extend_from_slice(b"{\"critical\":{\"identity\":{\"docker-reference\":");
    push_go_string(&mut out, &identity.to_string());
    out.extend_from_slice(b"},\"image\":{\"docker-manifest-digest\":");
    push_go_string(&mut out, &digest.to_string());
    out.extend_from_slice(b"},\"type\":");
    push_go_string(&mut out, TYPE);
    out.extend_from_slice(b"},\"optional\":");
    if annotations.is_empty() {
        out.extend_from_slice(b"null");
    } else {
        push_strings(&mut out, annotations, push_go_string);
    }
    out.push(b'}');
    out
}

/// A payload that somebody wrote, read for its claims.
#[derive(Clone, Debug)]
pub struct Payload {
    reference: String,
    digest: Digest,
    optional: Vec<(String, Value)>,
}

impl Payload {
    /// Reads a payload (PAYLOAD-SYNTAX, PAYLOAD-TYPE). Two spellings are known, today's and the capitalised one of
    /// cosign's first year, never a mixture; `critical` and `optional` are there, nothing else is.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let refuse = |why: &str| Error::new(Check::PayloadSyntax, "").detail(why);
        if bytes.len() > limits::MANIFEST {
            return Err(refuse("larger than 4 MiB"));
        }
        let value = Value::parse(bytes, limits::DEPTH_EVIDENCE, Names::Exact)
            .map_err(|error| refuse("not strict JSON").caused_by(error))?;
        let names = if value.get("Critical").is_some() { &CAPITALISED } else { &LOWER };
        let [critical, optional] = members(&value, [names.critical, names.optional])
            .ok_or_else(|| refuse("it has exactly critical and optional"))?;
        let [identity, image, kind] = members(critical, [names.identity, names.image, names.kind])
            .ok_or_else(|| refuse("critical has exactly identity, image and type"))?;
        let reference = members(identity, [names.reference]).and_then(|[reference]| reference.as_str());
        let reference = reference.ok_or_else(|| refuse("identity has exactly docker-reference, a string"))?;
        let digest = members(image, [names.digest]).and_then(|[digest]| digest.as_str());
        let digest = digest.ok_or_else(|| refuse("image has exactly docker-manifest-digest, a string"))?;
        let digest =
            Digest::parse(digest).map_err(|error| refuse("docker-manifest-digest").caused_by(error))?;
        let kind = kind.as_str().ok_or_else(|| refuse("type is a string"))?;
        check_payload_type(kind)?;
        let optional = match optional {
            Value::Null => Vec::new(),
            Value::Object(members) => members.clone(),
            _ => return Err(refuse("optional is null or an object")),
        };
        check_optional(&optional).map_err(refuse)?;
        Ok(Self { reference: reference.to_owned(), digest, optional })
    }

    /// `docker-reference`, as it stands.
    #[must_use]
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// `docker-manifest-digest`.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The members of `optional`, in their order.
    #[must_use]
    pub fn optional(&self) -> &[(String, Value)] {
        &self.optional
    }
}

/// PAYLOAD-TYPE: a payload made for another purpose does not count.
fn check_payload_type(kind: &str) -> Result<()> {
    if kind == TYPE { Ok(()) } else { Err(Error::new(Check::PayloadType, kind)) }
}

/// `creator` is a string; `timestamp` a whole number (skopeo) or a string (cosign -a timestamp=…).
fn check_optional(optional: &[(String, Value)]) -> Result<(), &'static str> {
    for (name, value) in optional {
        match (name.as_str(), value) {
            ("creator", Value::String(_)) | ("timestamp", Value::String(_) | Value::Integer(_)) => {}
            ("timestamp", Value::Number(number)) if number.fract() == 0.0 => {}
            ("creator", _) => return Err("creator is a string"),
            ("timestamp", _) => return Err("timestamp is a whole number"),
            _ => {}
        }
    }
    Ok(())
}

struct Spelling {
    critical: &'static str,
    optional: &'static str,
    identity: &'static str,
    image: &'static str,
    kind: &'static str,
    reference: &'static str,
    digest: &'static str,
}

const LOWER: Spelling = Spelling {
    critical: "critical",
    optional: "optional",
    identity: "identity",
    image: "image",
    kind: "type",
    reference: "docker-reference",
    digest: "docker-manifest-digest",
};

/// cosign's first year: `docker-reference` was lower case even then.
const CAPITALISED: Spelling = Spelling {
    critical: "Critical",
    optional: "Optional",
    identity: "Identity",
    image: "Image",
    kind: "Type",
    reference: "docker-reference",
    digest: "Docker-manifest-digest",
};

/// The values of exactly these members, in this order; `None` where one is missing or another is there.
fn members<'a, const N: usize>(value: &'a Value, names: [&str; N]) -> Option<[&'a Value; N]> {
    if value.as_object()?.len() != N {
        return None;
    }
    let found: Vec<&Value> = names.iter().map_while(|name| value.get(name)).collect();
    found.try_into().ok()
}
