//! What stands beside one digest: under its `.sig`, `.att` and `.sbom` tags, and what refers to it.

use super::parts::Parts;
use super::store::{Beside, Store};
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::evidence::{BUNDLE_PREFIX, Descriptor};
use crate::format::signature::ANNOTATION;
use crate::format::{bundle, payload};

/// How a manifest is attached to its subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum How {
    /// By a tag that is made of the subject's digest.
    Tag(Beside),
    /// By its own `subject`.
    Referrer,
}

/// A manifest that stands beside another one.
#[derive(Clone, Debug)]
pub struct Attached {
    /// How it is attached.
    pub how: How,
    /// Its descriptor.
    pub descriptor: Descriptor,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What it names.
    pub parts: Parts,
}

/// What a manifest is by its own types, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// Signatures.
    Signature,
    /// Attestations.
    Attestation,
    /// A bill of materials.
    Sbom,
    /// Sigstore bundles.
    Bundle,
    /// Anything else.
    Other,
}

impl How {
    /// Every way, in the order in which things are shown.
    pub const ALL: [Self; 4] = [
        Self::Tag(Beside::Signatures),
        Self::Tag(Beside::Attestations),
        Self::Tag(Beside::Sboms),
        Self::Referrer,
    ];

    /// The tag that it stands under.
    #[must_use]
    pub fn tag(self, subject: &Digest) -> Option<String> {
        match self {
            Self::Tag(kind) => Some(kind.tag(subject)),
            Self::Referrer => None,
        }
    }
}

impl Nature {
    /// The word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Attestation => "attestation",
            Self::Sbom => "SBOM",
            Self::Bundle => "bundle",
            Self::Other => "artifact",
        }
    }
}

impl Attached {
    /// What stands beside `subject` in one way; an error for each that is listed and not there (SOURCE-ABSENT), or that
    /// cannot be read.
    pub fn find(store: &dyn Store, how: How, subject: &Digest) -> Result<Vec<Result<Self>>> {
        let found = match how {
            How::Tag(kind) => store.beside(kind, subject)?,
            How::Referrer => store.referrers(subject)?,
        };
        let read = |descriptor: Descriptor| {
            let bytes = store.manifest(&descriptor.digest)?;
            let bytes = bytes.ok_or_else(|| absent(&descriptor, how, subject))?;
            let parts = Parts::read(&bytes, &descriptor)?;
            Ok(Self { how, descriptor, bytes, parts })
        };
        Ok(found.into_iter().map(read).collect())
    }

    /// What it is by its own types: all its layers are of one kind, and its artifact type does not say otherwise.
    #[must_use]
    pub fn nature(&self) -> Nature {
        let mut natures = self.parts.layers.iter().map(|layer| {
            let is_signature = layer.annotation(ANNOTATION).is_some();
            if is_signature && layer.descriptor.media_type != DSSE {
                Nature::Signature
            } else {
                of(&layer.descriptor.media_type)
            }
        });
        let Some(first) = natures.next().filter(|_| self.parts.manifests.is_empty()) else {
            return Nature::Other;
        };
        if natures.all(|nature| nature == first) { first } else { Nature::Other }
    }

    /// The predicate types that it says it has: a bundle in its own annotation, attestations each in its layer's.
    pub fn predicate_types(&self) -> impl Iterator<Item = &str> {
        let own = self.parts.annotation(bundle::PREDICATE_ANNOTATION);
        let of_layers = self.parts.layers.iter().filter_map(|layer| {
            layer.annotation("predicateType").or_else(|| layer.annotation(bundle::PREDICATE_ANNOTATION))
        });
        own.into_iter().chain(of_layers)
    }
}

fn absent(descriptor: &Descriptor, how: How, subject: &Digest) -> Error {
    let named = match how.tag(subject) {
        Some(tag) => format!("named by {tag}"),
        None => format!("listed as a referrer of {subject}"),
    };
    Error::new(Check::SourceAbsent, descriptor.digest).detail(named)
}

/// What a layer of this media type is.
fn of(media_type: &str) -> Nature {
    let kind = media_type.split(';').next().unwrap_or_default().trim();
    match kind {
        payload::MEDIA_TYPE => Nature::Signature,
        DSSE => Nature::Attestation,
        _ if kind.starts_with(BUNDLE_PREFIX) => Nature::Bundle,
        _ if SBOMS.iter().any(|known| kind.starts_with(known)) => Nature::Sbom,
        _ => Nature::Other,
    }
}

/// An envelope with an in-toto statement, as `cosign attest` stores it.
const DSSE: &str = "application/vnd.dsse.envelope.v1+json";
/// What the media types of bills of materials begin with, as cosign and syft write them.
const SBOMS: [&str; 5] = [
    "text/spdx",
    "application/spdx",
    "application/vnd.cyclonedx",
    "application/vnd.syft",
    "application/vnd.spdx",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::evidence::OCI_MANIFEST;

    fn nature(layers: &[(&str, &str)]) -> Nature {
        let entry = |kind: &str, more: &str| {
            format!(
                "{{\"mediaType\":\"{kind}\",\"digest\":\"{}\",\"size\":2{more}}}",
                Digest::of(kind.as_bytes())
            )
        };
        let layers: Vec<String> = layers.iter().map(|(kind, more)| entry(kind, more)).collect();
        let text = format!("{{\"config\":{},\"layers\":[{}]}}", entry("c", ""), layers.join(","));
        let descriptor = Descriptor::of(OCI_MANIFEST, text.as_bytes());
        let parts = Parts::read(text.as_bytes(), &descriptor).unwrap();
        Attached { how: How::Referrer, descriptor, bytes: text.into_bytes(), parts }.nature()
    }

    #[test]
    fn a_manifest_is_what_its_layers_are() {
        let signed = ",\"annotations\":{\"dev.cosignproject.cosign/signature\":\"MEUC\"}";
        let unsigned = ",\"annotations\":{\"dev.cosignproject.cosign/signature\":\"\"}";
        for (layers, expected) in [
            (&[(payload::MEDIA_TYPE, signed)][..], Nature::Signature),
            (&[(payload::MEDIA_TYPE, ""), ("application/json", signed)], Nature::Signature),
            (&[(DSSE, unsigned), (DSSE, "")], Nature::Attestation),
            (&[("application/vnd.dev.sigstore.bundle.v0.3+json", "")], Nature::Bundle),
            (&[("text/spdx+json", "")], Nature::Sbom),
            (&[("application/vnd.cyclonedx+json", "")], Nature::Sbom),
            // An image that somebody tagged so, and one with a signature hidden in it.
            (&[("application/vnd.oci.image.layer.v1.tar+gzip", "")], Nature::Other),
            (
                &[(payload::MEDIA_TYPE, signed), ("application/vnd.oci.image.layer.v1.tar+gzip", "")],
                Nature::Other,
            ),
            (&[], Nature::Other),
        ] {
            assert_eq!(nature(layers), expected, "{layers:?}");
        }
    }
}
