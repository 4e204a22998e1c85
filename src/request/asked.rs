//! What an exporter asks for, and the order and sameness that follow from it (docs/format.md 3).

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use super::checks::attested;
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::archive::Blobs;
use crate::format::attestation::{Predicate, PredicateType};
use crate::format::document::{BlobItem, Content, Item, Signed, annotations_value};
use crate::format::evidence::Descriptor;
use crate::format::json::canonical;
use crate::format::reference::{Destination, Identity};
use crate::format::{payload, statement};

/// What an exporter asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    /// Images, each under one name.
    pub images: Vec<ImageSpec>,
    /// Files, each with what it is called.
    pub files: Vec<(String, Content)>,
    /// What the requester says.
    pub note: Option<String>,
}

/// What is asked for of one image under one name.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageSpec {
    /// Where the signature of the top manifest goes.
    pub destination: Destination,
    /// The top manifest.
    pub subject: Descriptor,
    /// What is to be signed.
    pub what: What,
}

/// What is to be signed of an image.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// Itself and its carried children.
    Image {
        /// What payloads call it, its children too.
        identity: Identity,
        /// What payloads and statements say of it, its children too.
        annotations: BTreeMap<String, String>,
    },
    /// A payload that another tool made, put beside its top manifest.
    CustomPayload {
        /// The payload.
        payload: Descriptor,
    },
    /// A statement about its top manifest.
    Attestation {
        /// What the predicate is.
        predicate_type: PredicateType,
        /// The predicate.
        predicate: Descriptor,
    },
}

impl ImageSpec {
    /// An image to sign.
    #[must_use]
    pub fn image(
        destination: Destination,
        identity: Identity,
        annotations: BTreeMap<String, String>,
        subject: Descriptor,
    ) -> Self {
        Self { destination, subject, what: What::Image { identity, annotations } }
    }

    /// What an item asks for, as the top of what a person named.
    pub(super) fn of(top: &Item) -> Self {
        let what = match &top.signed {
            Signed::Image { identity, annotations, .. } => {
                What::Image { identity: identity.clone(), annotations: annotations.clone() }
            }
            Signed::CustomPayload { payload } => What::CustomPayload { payload: payload.clone() },
            Signed::Attestation { predicate_type, predicate, .. } => {
                What::Attestation { predicate_type: predicate_type.clone(), predicate: predicate.clone() }
            }
        };
        Self { destination: top.destination.clone(), subject: top.subject.clone(), what }
    }

    /// What is signed of one of its manifests; what has to be in the file for that goes to `rendered`.
    pub(super) fn render(
        &self,
        subject: &Descriptor,
        blobs: &Blobs,
        rendered: &mut Vec<(Digest, Vec<u8>)>,
    ) -> Result<Signed> {
        let mut put = |media_type: &str, bytes: Vec<u8>| {
            let descriptor = Descriptor::of(media_type, &bytes);
            rendered.push((descriptor.digest, bytes));
            descriptor
        };
        Ok(match &self.what {
            What::Image { identity, annotations } => Signed::Image {
                identity: identity.clone(),
                annotations: annotations.clone(),
                payload: put(payload::MEDIA_TYPE, payload::render(identity, &subject.digest, annotations)),
                statement: put(statement::MEDIA_TYPE, statement::render(&subject.digest, annotations)),
            },
            What::CustomPayload { payload } => Signed::CustomPayload { payload: payload.clone() },
            What::Attestation { predicate_type, predicate } => {
                let bytes = blobs.get(&predicate.digest);
                let bytes = bytes.ok_or_else(|| Error::new(Check::BlobMissing, predicate.digest))?;
                let bytes = Predicate::parse(bytes.clone())?;
                let statement = attested(&self.destination, subject, predicate_type, &bytes);
                Signed::Attestation {
                    predicate_type: predicate_type.clone(),
                    predicate: predicate.clone(),
                    statement: put(statement::MEDIA_TYPE, statement),
                }
            }
        })
    }

    /// What is signed of an item of it: as the item says where that is checked elsewhere (payload, statement), else as
    /// the top says.
    pub(super) fn signed_as(&self, item: &Signed) -> Signed {
        match (&self.what, item) {
            (What::Image { identity, annotations }, Signed::Image { payload, statement, .. }) => {
                Signed::Image {
                    identity: identity.clone(),
                    annotations: annotations.clone(),
                    payload: payload.clone(),
                    statement: statement.clone(),
                }
            }
            _ => item.clone(),
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Image { identity, .. } => identity.fmt(f),
            Self::CustomPayload { .. } => f.write_str("a payload of another tool"),
            Self::Attestation { predicate_type, .. } => predicate_type.fmt(f),
        }
    }
}

/// The files in order, each once, numbered on from the items. Of one that stands more than once a carried one stays,
/// else the one whose name comes first.
pub(super) fn number_files(
    files: Vec<(String, Content)>,
    items: usize,
    left_out: &mut Vec<String>,
) -> Vec<BlobItem> {
    let mut files = files;
    files
        .sort_by_key(|(name, content)| (matches!(content, Content::Hash(_)), name.clone(), content.digest()));
    let mut seen = HashSet::new();
    files.retain(|(name, content)| {
        let new = seen.insert(content.digest());
        if !new {
            left_out.push(name.clone());
        }
        new
    });
    files.sort_by_key(|(name, content)| (name.clone(), content.digest()));
    let numbered = files.into_iter().zip(items + 1..).map(|((name, content), number)| BlobItem {
        number: u64::try_from(number).unwrap_or(u64::MAX),
        name,
        content,
    });
    numbered.collect()
}

/// What images are ordered by, bytewise: kind and destination, then what tells them apart.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SortKey {
    kind: u8,
    destination: String,
    own: OwnKey,
}

impl SortKey {
    pub(super) fn of(image: &ImageSpec) -> Self {
        let destination = image.destination.to_string();
        let kind = match image.what {
            What::Image { .. } => 0,
            What::CustomPayload { .. } => 1,
            What::Attestation { .. } => 2,
        };
        Self { kind, destination, own: own_key(&image.what) }
    }
}

/// What tells images of one kind and destination apart: identity and annotations, the digest of the payload, type and
/// digest of the predicate.
type OwnKey = (String, Vec<u8>);

fn own_key(what: &What) -> OwnKey {
    match what {
        What::Image { identity, annotations } => {
            (identity.to_string(), canonical(&annotations_value(annotations)))
        }
        What::CustomPayload { payload } => (String::new(), payload.digest.hex().into_bytes()),
        What::Attestation { predicate_type, predicate } => {
            (predicate_type.to_string(), predicate.digest.hex().into_bytes())
        }
    }
}

/// Where a manifest of an image goes: the image's own destination, or a digest beside it.
pub(super) fn destination_of(image: &ImageSpec, subject: &Descriptor) -> Destination {
    if subject.digest == image.subject.digest {
        return image.destination.clone();
    }
    Destination::by_digest(image.destination.repository().clone(), subject.digest)
}

/// What an image and its children are called, or what is said of it: a digest of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Called(Digest);

impl Called {
    pub(super) fn of(image: &ImageSpec) -> Self {
        let SortKey { kind, own: (first, second), .. } = SortKey::of(image);
        // Neither an identity nor a type holds a line feed.
        Self(Digest::of(&[&[kind], first.as_bytes(), b"\n", second.as_slice()].concat()))
    }
}

/// What makes two items the same but for their number: evidence, payload and statement follow from it.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Sameness {
    pub(super) destination: Destination,
    subject: Digest,
    called: Called,
}

impl Sameness {
    pub(super) fn of(image: &ImageSpec, called: Called, subject: &Descriptor) -> Self {
        Self { destination: destination_of(image, subject), subject: subject.digest, called }
    }
}
