//! A request: complete, self-consistent, every payload and statement rendered again (docs/format.md 3, 7).
//!
//! Exporter and signer share one derivation: from an image's top manifest and its evidence follow its items. The
//! exporter writes what it derives, the reader derives again and demands the same.

mod asked;
mod checks;
mod groups;
mod size;
mod tree;

use std::collections::{BTreeMap, HashSet};

use bytes::Bytes;
use rayon::prelude::*;

use crate::digest::Digest;
use crate::error::{Result, in_order};
use crate::format::archive::Blobs;
use crate::format::document::{self, BlobItem, Item, RequestDocument, Signed};
use crate::format::evidence::{Config, Manifest};
use crate::keys::sealed::Use;
use crate::limits;
use asked::{Called, Sameness, SortKey, number_files};
use checks::{
    carried, check_blob_content, check_blob_list, check_blob_missing, check_item_destination,
    check_item_identity, check_item_list, check_item_payload, check_item_statement, check_two_for_one_name,
};
use groups::{group_by_subject, group_statements};
use size::check_request_size;
use tree::Evidence;

pub use asked::{Asked, ImageSpec, What};
pub use groups::{PayloadUnit, StatementUnit, SubjectGroup};

/// A request and what was left out of it.
#[derive(Debug)]
pub struct Built {
    /// The request.
    pub request: Request,
    /// Items that equal an earlier one, in words: `DESTINATION as IDENTITY`.
    pub left_out: Vec<String>,
}

/// A complete, self-consistent request. Holding one is the proof: every item follows from evidence, every payload and
/// statement was rendered again and is equal to what the file holds.
#[derive(Debug)]
pub struct Request {
    document: RequestDocument,
    bytes: Bytes,
    digest: Digest,
    images: Vec<Image>,
    evidence: Evidence,
    blobs: Blobs,
    groups: Vec<SubjectGroup>,
    statements: Vec<StatementUnit>,
}

/// What a person named: an image to sign, to put a payload beside or to state something about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Index of its top item in [`Request::items`].
    pub first: usize,
    /// Indexes of every item of its tree, shared ones too, depth first; the top alone where not the image is signed.
    pub items: Vec<usize>,
}

impl Request {
    /// Builds a request. `blobs` holds every carried manifest and config; a child whose manifest is not among them is
    /// unseen. It holds payloads, predicates and the content of files as well. Blobs that nothing reaches are left out.
    pub fn build(asked: Asked, blobs: BTreeMap<Digest, Vec<u8>>) -> Result<Built> {
        let mut blobs: Blobs =
            blobs.into_iter().map(|(digest, bytes)| (digest, Bytes::from(bytes))).collect();
        let Asked { mut images, files, note } = asked;
        if let Some(note) = &note {
            document::check_document_string(note, "note")?;
        }
        images.sort_by_key(SortKey::of);
        check_two_for_one_name(&images)?;
        let mut evidence = Evidence::parsed(images.iter().map(|image| &image.subject), &blobs);
        let mut items: Vec<Item> = Vec::new();
        let mut seen = HashSet::new();
        let mut left_out = Vec::new();
        let mut rendered = Vec::new();
        for image in &images {
            if let What::Image { annotations, .. } = &image.what {
                document::check_annotations(annotations, &image.destination.to_string())?;
            }
            let called = Called::of(image);
            for subject in evidence.derive(image, &blobs)? {
                let sameness = Sameness::of(image, called, &subject);
                if seen.contains(&sameness) {
                    left_out.push(format!("{} as {}", sameness.destination, image.what));
                    continue;
                }
                let number = u64::try_from(items.len() + 1).unwrap_or(u64::MAX);
                let signed = image.render(&subject, &blobs, &mut rendered)?;
                items.push(Item { number, ..evidence.item(image, subject, signed)? });
                document::check_document_items(items.len(), limits::ITEMS, "items")?;
                seen.insert(sameness);
            }
        }
        let blob_items = number_files(files, items.len(), &mut left_out);
        document::check_document_items(items.len() + blob_items.len(), limits::ITEMS, "items")?;
        for blob in &blob_items {
            document::check_blob_name(&blob.name, "name of a file")?;
        }
        blobs.extend(rendered.into_iter().map(|(digest, bytes)| (digest, Bytes::from(bytes))));
        let document = RequestDocument { items, blobs: blob_items, note, unknown: Vec::new() };
        let bytes = Bytes::from(document.render());
        let request = Self::of_document(document, bytes, blobs)?;
        Ok(Built { request, left_out })
    }

    /// Reads a request from its document and the blobs of its file. Blobs that do not belong to the request stay out.
    pub fn read(document: Bytes, blobs: Blobs) -> Result<Self> {
        let parsed = RequestDocument::parse(&document).map_err(|error| error.within("request document"))?;
        Self::of_document(parsed, document, blobs)
    }

    fn of_document(document: RequestDocument, bytes: Bytes, mut blobs: Blobs) -> Result<Self> {
        check_blob_missing(&document, &blobs)?;
        let mut evidence = Evidence::parsed(document.items.iter().map(|item| &item.subject), &blobs);
        let images = check_item_list(&document, &blobs, &mut evidence)?;
        check_blob_list(&document)?;
        check_item_destination(&document)?;
        check_item_identity(&document, &images)?;
        in_order(document.items.par_iter().map(|item| {
            check_item_payload(item, &blobs)?;
            check_item_statement(item, &blobs)
        }))?;
        in_order(document.blobs.par_iter().map(|blob| check_blob_content(blob, &blobs)))?;
        let mut wanted: HashSet<Digest> = HashSet::new();
        wanted.extend(document.items.iter().flat_map(Item::blobs));
        wanted.extend(document.blobs.iter().filter_map(carried).map(|content| content.digest));
        blobs.retain(|digest, _| wanted.contains(digest));
        let digest = Digest::of(&bytes);
        let statements = group_statements(&document.items);
        let groups = group_by_subject(&document.items, &statements);
        let request = Self { document, bytes, digest, images, evidence, blobs, groups, statements };
        check_request_size(&request)?;
        Ok(request)
    }

    /// The SHA-256 of the request document: the request's name.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The bytes of the request document, as received.
    #[must_use]
    pub fn document(&self) -> &Bytes {
        &self.bytes
    }

    /// What the requester says.
    #[must_use]
    pub fn note(&self) -> Option<&str> {
        self.document.note.as_deref()
    }

    /// Names of unknown members of `optional`: named and ignored.
    #[must_use]
    pub fn unknown_optional(&self) -> &[String] {
        &self.document.unknown
    }

    /// What goes beside manifests, by number.
    #[must_use]
    pub fn items(&self) -> &[Item] {
        &self.document.items
    }

    /// The files to sign, by number; their indexes count on from those of the items.
    #[must_use]
    pub fn files(&self) -> &[BlobItem] {
        &self.document.blobs
    }

    /// How many items there are, files too.
    #[must_use]
    pub fn item_count(&self) -> usize {
        self.document.items.len() + self.document.blobs.len()
    }

    /// How many items a key signs only with each use; those that no item needs are absent.
    #[must_use]
    pub fn uses(&self) -> BTreeMap<Use, usize> {
        let kinds = self.document.items.iter().map(|item| match item.signed {
            Signed::Image { .. } => Use::Image,
            Signed::CustomPayload { .. } => Use::CustomPayload,
            Signed::Attestation { .. } => Use::Attestation,
        });
        let mut uses = BTreeMap::new();
        for kind in kinds.chain(self.document.blobs.iter().map(|_| Use::Blob)) {
            *uses.entry(kind).or_default() += 1;
        }
        uses
    }

    /// What is named to be signed, put beside or stated about, in order: images first.
    #[must_use]
    pub fn images(&self) -> &[Image] {
        &self.images
    }

    /// What stands beside one manifest each, by lowest item number.
    #[must_use]
    pub fn groups(&self) -> &[SubjectGroup] {
        &self.groups
    }

    /// The groups that have a `.sig`, by lowest item number with a payload, each with its index in
    /// [`Request::groups`].
    pub fn with_payloads(&self) -> impl Iterator<Item = (usize, &SubjectGroup)> {
        // Items with payloads come before all others, so that the groups stand in this order.
        self.groups.iter().enumerate().filter(|(_, group)| !group.payloads.is_empty())
    }

    /// The groups that have an `.att`, by lowest number of an attestation, each with its index in [`Request::groups`].
    #[must_use]
    pub fn with_attestations(&self) -> Vec<(usize, &SubjectGroup)> {
        let groups = self.groups.iter().enumerate();
        let mut groups: Vec<_> = groups.filter(|(_, group)| !group.attestations.is_empty()).collect();
        groups.sort_by_key(|(_, group)| group.lowest_attestation(self));
        groups
    }

    /// What share a bundle for each key, by lowest item number.
    #[must_use]
    pub fn statements(&self) -> &[StatementUnit] {
        &self.statements
    }

    /// A carried manifest, parsed.
    #[must_use]
    pub fn manifest(&self, digest: &Digest) -> Option<&Manifest> {
        self.evidence.manifests.get(digest).map(|node| &node.manifest)
    }

    /// A carried image config, parsed; `None` where it is no image config.
    #[must_use]
    pub fn config(&self, digest: &Digest) -> Option<&Config> {
        self.evidence.config(digest)
    }

    /// Evidence, a payload, predicate, statement or file, as received.
    #[must_use]
    pub fn blob(&self, digest: &Digest) -> Option<&Bytes> {
        self.blobs.get(digest)
    }

    /// Evidence, payloads, predicates, statements and files, by digest.
    #[must_use]
    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }
}
