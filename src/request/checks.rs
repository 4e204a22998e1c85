//! What a reader demands of a request document and its blobs (docs/format.md 3, 5).

use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;

use super::Image;
use super::asked::{Called, ImageSpec, Sameness, SortKey, What};
use super::tree::Evidence;
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::archive::Blobs;
use crate::format::attestation::{Predicate, PredicateType};
use crate::format::document::{BlobItem, Content, Item, RequestDocument, Signed};
use crate::format::evidence::Descriptor;
use crate::format::reference::{Destination, Target};
use crate::format::{attestation, custom, payload, statement};
use crate::limits;

/// BLOB-MISSING: what the documents name is in the file, except what `unseen` names.
pub(super) fn check_blob_missing(document: &RequestDocument, blobs: &Blobs) -> Result<()> {
    let of_items =
        document.items.iter().flat_map(|item| item.blobs().map(move |digest| (item.number, *digest)));
    let of_files = document.blobs.iter().filter_map(|blob| Some((blob.number, carried(blob)?.digest)));
    match of_items.chain(of_files).find(|(_, digest)| !blobs.contains_key(digest)) {
        Some((number, digest)) => {
            Err(Error::new(Check::BlobMissing, digest).detail(format!("item {number} names it")))
        }
        None => Ok(()),
    }
}

/// ITEM-LIST, ITEM-UNSEEN, ITEM-EVIDENCE: the items are those that follow from the images, in order; an item that the
/// images before it do not produce is the top of the next image.
pub(super) fn check_item_list(
    document: &RequestDocument,
    blobs: &Blobs,
    evidence: &mut Evidence,
) -> Result<Vec<Image>> {
    let mut places: HashMap<Sameness, usize> = HashMap::new();
    let mut images: Vec<Image> = Vec::new();
    let mut previous = None;
    let mut next = 0;
    while let Some(top) = document.items.get(next) {
        let wrong = |item: &Item| Error::new(Check::ItemList, format!("item {}", item.number));
        let image = ImageSpec::of(top);
        let key = SortKey::of(&image);
        if previous.as_ref().is_some_and(|previous| *previous >= key) {
            return Err(wrong(top).detail(match image.what {
                What::Image { .. } => "images ascend by destination, identity, annotations, before all else",
                What::CustomPayload { .. } => "payloads ascend by destination and digest, after images",
                What::Attestation { .. } => {
                    "attestations ascend by destination, type and digest of the predicate, after payloads"
                }
            }));
        }
        let mut entry = Image { first: next, items: Vec::new() };
        let called = Called::of(&image);
        for subject in evidence.derive(&image, blobs)? {
            let sameness = Sameness::of(&image, called, &subject);
            if let Some(place) = places.get(&sameness) {
                entry.items.push(*place);
                continue;
            }
            let number = u64::try_from(next + 1).unwrap_or(u64::MAX);
            let Some(item) = document.items.get(next) else {
                let missing = Error::new(Check::ItemList, format!("item {number}"));
                return Err(missing.detail("it follows from the image, and is not in the document"));
            };
            let signed = image.signed_as(&item.signed);
            let derived = Item { number, ..evidence.item(&image, subject, signed)? };
            check_item_unseen(item, &derived)?;
            check_item_evidence(item, &derived)?;
            if *item != derived {
                return Err(wrong(item).detail("it is not the one that follows from the image"));
            }
            places.insert(sameness, next);
            entry.items.push(next);
            next += 1;
        }
        images.push(entry);
        previous = Some(key);
    }
    Ok(images)
}

/// ITEM-UNSEEN: a child is unseen exactly when its blob is absent.
fn check_item_unseen(item: &Item, derived: &Item) -> Result<()> {
    if item.subject.digest != derived.subject.digest || item.unseen == derived.unseen {
        return Ok(());
    }
    Err(Error::new(Check::ItemUnseen, format!("item {}", item.number)).detail(format!(
        "{} named unseen, {} absent",
        item.unseen.len(),
        derived.unseen.len()
    )))
}

/// ITEM-EVIDENCE: `evidence` is the manifest, the carried manifests below it and their configs.
fn check_item_evidence(item: &Item, derived: &Item) -> Result<()> {
    if item.subject.digest != derived.subject.digest || item.evidence == derived.evidence {
        return Ok(());
    }
    Err(Error::new(Check::ItemEvidence, format!("item {}", item.number)))
}

/// ITEM-LIST: files follow the items, by name and digest, and no digest stands twice.
pub(super) fn check_blob_list(document: &RequestDocument) -> Result<()> {
    let mut previous = None;
    let mut digests = HashSet::new();
    for (blob, number) in document.blobs.iter().zip(document.items.len() + 1..) {
        let wrong = || Error::new(Check::ItemList, format!("item {}", blob.number));
        if u64::try_from(number) != Ok(blob.number) {
            return Err(wrong().detail("numbers count from 1 without a gap"));
        }
        let key = (&blob.name, blob.content.digest());
        if previous.replace(key).is_some_and(|previous| previous >= key) {
            return Err(wrong().detail("files ascend by name and digest"));
        }
        if !digests.insert(key.1) {
            return Err(wrong().detail("an item before it is of the same file"));
        }
    }
    Ok(())
}

/// ITEM-DESTINATION: a destination by digest names the subject's, one by tag is named by one digest only.
pub(super) fn check_item_destination(document: &RequestDocument) -> Result<()> {
    let mut tagged: HashMap<(String, &String), Digest> = HashMap::new();
    for item in &document.items {
        let named = match item.destination.target() {
            Target::Digest(digest) => *digest,
            Target::Tag(tag) => {
                let place = (item.destination.repository().place(), tag);
                *tagged.entry(place).or_insert(item.subject.digest)
            }
        };
        if named != item.subject.digest {
            return Err(Error::new(Check::ItemDestination, &item.destination)
                .detail(format!("names {named}"))
                .detail(format!("item {} is {}", item.number, item.subject.digest)));
        }
    }
    Ok(())
}

/// ITEM-IDENTITY: all items that share an identity with a tag lie in the tree of one of them.
pub(super) fn check_item_identity(document: &RequestDocument, images: &[Image]) -> Result<()> {
    let digest = |place: &usize| document.items.get(*place).map(|item| item.subject.digest);
    let mut trees: BTreeMap<(String, &str), Vec<HashSet<Digest>>> = BTreeMap::new();
    for image in images {
        let Some(identity) = document.items.get(image.first).and_then(Item::identity) else { continue };
        if let Some(tag) = identity.tag() {
            let tree = image.items.iter().filter_map(digest).collect();
            trees.entry((identity.repository().place(), tag)).or_default().push(tree);
        }
    }
    for ((place, tag), trees) in trees {
        let all: HashSet<&Digest> = trees.iter().flatten().collect();
        if !trees.iter().any(|tree| tree.len() == all.len()) {
            return Err(Error::new(Check::ItemIdentity, format!("{place}:{tag}"))
                .detail("images that are not parts of one another would all be called by this tag"));
        }
    }
    Ok(())
}

/// ITEM-DESTINATION before items are derived: two images that are to have one name.
pub(super) fn check_two_for_one_name(images: &[ImageSpec]) -> Result<()> {
    let mut tagged: HashMap<&Destination, &Digest> = HashMap::new();
    for image in images.iter().filter(|image| image.destination.tag().is_some()) {
        let digest = *tagged.entry(&image.destination).or_insert(&image.subject.digest);
        if *digest != image.subject.digest {
            return Err(Error::new(Check::ItemDestination, &image.destination)
                .detail("two images are given this name")
                .detail(digest)
                .detail(image.subject.digest));
        }
    }
    Ok(())
}

/// ITEM-PAYLOAD: the payload that is signed is the one that we render. One that another tool made is of its descriptor's
/// size, and nobody would take it for anything else (CUSTOM-PAYLOAD).
pub(super) fn check_item_payload(item: &Item, blobs: &Blobs) -> Result<()> {
    let wrong = || Error::new(Check::ItemPayload, format!("item {}", item.number));
    match &item.signed {
        Signed::Image { identity, annotations, payload, .. } => {
            let rendered = payload::render(identity, &item.subject.digest, annotations);
            check_rendered_size(&rendered, &item.destination)?;
            is_rendered(payload, payload::MEDIA_TYPE, &rendered, blobs).then_some(()).ok_or_else(wrong)
        }
        Signed::CustomPayload { payload } => {
            let bytes = blobs.get(&payload.digest).map(Bytes::as_ref).unwrap_or_default();
            check_rendered_size(bytes, &item.destination)?;
            if !is_rendered(payload, payload::MEDIA_TYPE, bytes, blobs) {
                return Err(wrong().detail("its size is another"));
            }
            custom::check_custom_payload(bytes).map_err(|error| error.within(format!("item {}", item.number)))
        }
        Signed::Attestation { .. } => Ok(()),
    }
}

/// ITEM-STATEMENT: the statement that is signed is the one that we render.
pub(super) fn check_item_statement(item: &Item, blobs: &Blobs) -> Result<()> {
    let (rendered, statement) = match &item.signed {
        Signed::Image { annotations, statement, .. } => {
            (statement::render(&item.subject.digest, annotations), statement)
        }
        Signed::Attestation { predicate_type, predicate, statement } => {
            let within = |error: Error| error.within(format!("item {}", item.number));
            let bytes = blobs.get(&predicate.digest).cloned().unwrap_or_default();
            if Descriptor::of(&predicate.media_type, &bytes) != *predicate {
                return Err(within(
                    Error::new(Check::ItemStatement, "predicate").detail("its size is another"),
                ));
            }
            let bytes = Predicate::parse(bytes.clone()).map_err(within)?;
            (attested(&item.destination, &item.subject, predicate_type, &bytes), statement)
        }
        Signed::CustomPayload { .. } => return Ok(()),
    };
    check_rendered_size(&rendered, &item.destination)?;
    if is_rendered(statement, statement::MEDIA_TYPE, &rendered, blobs) {
        return Ok(());
    }
    Err(Error::new(Check::ItemStatement, format!("item {}", item.number)))
}

/// ITEM-CONTENT: a file that is carried is of its descriptor's size, and nobody would take it for a signature's payload
/// (CUSTOM-PAYLOAD).
pub(super) fn check_blob_content(blob: &BlobItem, blobs: &Blobs) -> Result<()> {
    let Some(content) = carried(blob) else { return Ok(()) };
    let bytes = blobs.get(&content.digest).map(Bytes::as_ref).unwrap_or_default();
    let place = || format!("item {}", blob.number);
    if Descriptor::of(&content.media_type, bytes) != *content {
        return Err(Error::new(Check::ItemContent, place()));
    }
    custom::check_custom_payload(bytes).map_err(|error| error.within(place()))
}

/// The statement of an attestation: its subject is called by its repository, as cosign calls it.
pub(super) fn attested(
    destination: &Destination,
    subject: &Descriptor,
    predicate_type: &PredicateType,
    predicate: &Predicate,
) -> Vec<u8> {
    let name = destination.repository().to_string();
    attestation::render_statement(&name, &subject.digest, predicate_type, predicate)
}

/// The content of a file, where the request carries it.
pub(super) fn carried(blob: &BlobItem) -> Option<&Descriptor> {
    match &blob.content {
        Content::Carried(content) => Some(content),
        Content::Hash(_) => None,
    }
}

/// Whether a descriptor is that of these bytes, and the bytes are those of the file.
fn is_rendered(descriptor: &Descriptor, media_type: &str, rendered: &[u8], blobs: &Blobs) -> bool {
    Descriptor::of(media_type, rendered) == *descriptor
        && blobs.get(&descriptor.digest).is_some_and(|bytes| *bytes == rendered)
}

/// BLOB-SIZE: a payload or statement has at most 4 MiB, escapes counted.
fn check_rendered_size(bytes: &[u8], destination: &Destination) -> Result<()> {
    if bytes.len() <= limits::MANIFEST {
        return Ok(());
    }
    let error = Error::new(Check::BlobSize, destination);
    Err(error.detail(format!(
        "its payload or statement has {} bytes, at most {}",
        bytes.len(),
        limits::MANIFEST
    )))
}
