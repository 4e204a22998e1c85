//! A request: complete, self-consistent, every payload and statement rendered again (docs/format.md 3, 7).
//!
//! Exporter and signer share one derivation: from an image's top manifest and its evidence follow its items. The
//! exporter writes what it derives, the reader derives again and demands the same.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;

use bytes::Bytes;
use rayon::prelude::*;

use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result, in_order};
use crate::format::archive::{self, Blobs};
use crate::format::attestation::{Predicate, PredicateType};
use crate::format::beside::Beside;
use crate::format::document::{self, BlobItem, Content, Item, RequestDocument, Signed, annotations_value};
use crate::format::evidence::{
    Config, Descriptor, ImageManifest, Manifest, OCI_MANIFEST, check_evidence_platform, check_evidence_size,
};
use crate::format::json::canonical;
use crate::format::layout::IndexBuilder;
use crate::format::reference::{Destination, Identity, Repository, Target};
use crate::format::{attestation, bundle, custom, payload, signature, statement};
use crate::keys::sealed::Use;
use crate::limits;

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

/// The items whose signatures stand beside one manifest: one destination repository and one digest. They share a `.sig`
/// manifest, and an `.att` manifest.
#[derive(Clone, Debug)]
pub struct SubjectGroup {
    /// The repository.
    pub repository: Repository,
    /// The manifest.
    pub subject: Descriptor,
    /// Its payloads, by lowest item number.
    pub payloads: Vec<PayloadUnit>,
    /// Its attestations, by lowest item number: indexes in [`Request::statements`].
    pub attestations: Vec<usize>,
}

/// The items of a group that share a payload, hence a layer for each key.
#[derive(Clone, Debug)]
pub struct PayloadUnit {
    /// The payload.
    pub payload: Descriptor,
    /// The lowest number of its items, signed or not.
    pub lowest: u64,
    /// Indexes of its items.
    pub items: Vec<usize>,
    /// Whether another tool made it, so that nothing is known of what it says.
    pub custom: bool,
}

/// The items that share a statement, hence a bundle for each key.
#[derive(Clone, Debug)]
pub struct StatementUnit {
    /// The statement.
    pub statement: Descriptor,
    /// The manifest that it is about.
    pub subject: Descriptor,
    /// What its predicate is; `None` for the statement of an image signature.
    pub attested: Option<PredicateType>,
    /// The lowest number of its items.
    pub lowest: u64,
    /// Indexes of its items.
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

/// Evidence as it is parsed: every manifest once, however often it is named.
#[derive(Debug, Default)]
struct Evidence {
    manifests: HashMap<Digest, Node>,
    /// Configs, each once for every media type it is called by (OCI's or Docker's).
    configs: HashMap<Digest, Vec<(String, Config)>>,
    /// Tops whose trees hold no two descriptors of one digest: a tree is looked through once, whatever it is called.
    agreed: HashSet<Digest>,
    /// Manifests that were parsed ahead on all cores, and not visited yet.
    ahead: HashMap<(Digest, String), Manifest>,
}

#[derive(Debug)]
struct Node {
    manifest: Manifest,
    media_type: String,
    /// Itself, the carried manifests below it and their configs.
    evidence: BTreeSet<Digest>,
    /// Itself and the carried manifests below it, depth first, each at its first visit.
    order: Vec<Descriptor>,
    /// Children that are not carried.
    unseen: BTreeSet<Digest>,
    /// Every manifest below it, carried or not.
    below: BTreeSet<Digest>,
    /// 1 for an image, 1 more than the highest carried child for an index.
    height: usize,
}

impl Evidence {
    /// Parses `subjects` and their configs ahead, on all cores. What cannot be parsed is left for the visit to refuse, in
    /// its order.
    fn parsed<'a>(subjects: impl Iterator<Item = &'a Descriptor>, blobs: &Blobs) -> Self {
        let subjects: HashMap<Digest, &Descriptor> =
            subjects.map(|subject| (subject.digest, subject)).collect();
        let parse = |(digest, subject): (Digest, &Descriptor)| {
            let manifest = Manifest::parse(blobs.get(&digest)?, subject).ok()?;
            Some(((digest, subject.media_type.clone()), manifest))
        };
        let ahead: HashMap<_, _> = subjects.into_par_iter().filter_map(parse).collect();
        // A config is parsed once, however many manifests name it.
        let images = ahead.values().filter_map(|manifest| match manifest {
            Manifest::Image(image) if image.has_image_config() => Some((image.config.digest, image)),
            _ => None,
        });
        let images: HashMap<Digest, &ImageManifest> = images.collect();
        let parse = |(digest, image): (Digest, &ImageManifest)| {
            let config = Config::parse(blobs.get(&digest)?, image).ok()?;
            Some((digest, vec![(image.config.media_type.clone(), config)]))
        };
        let configs = images.into_par_iter().filter_map(parse).collect();
        Self { configs, ahead, ..Self::default() }
    }

    /// What is signed of an image, depth first. The items follow one by one ([`Evidence::item`]): a reader stops at the
    /// first one that the document does not have, and never holds more than the document says.
    fn derive(&mut self, image: &ImageSpec, blobs: &Blobs) -> Result<Vec<Descriptor>> {
        self.visit(&image.subject, blobs, limits::INDEX_DEPTH)?;
        let order = self.node(&image.subject.digest)?.order.clone();
        let of_top = !matches!(image.what, What::Image { .. });
        if !self.agreed.contains(&image.subject.digest) {
            self.check_evidence_descriptor(&order)?;
            self.agreed.insert(image.subject.digest);
        }
        Ok(if of_top { vec![image.subject.clone()] } else { order })
    }

    /// The item of a manifest of an image, its number left at 0; payload and statement are somebody else's to check.
    fn item(&self, image: &ImageSpec, subject: Descriptor, signed: Signed) -> Result<Item> {
        let node = self.node(&subject.digest)?;
        Ok(Item {
            number: 0,
            destination: destination_of(image, &subject),
            evidence: node.evidence.iter().copied().collect(),
            unseen: node.unseen.iter().copied().collect(),
            subject,
            signed,
        })
    }

    fn node(&self, digest: &Digest) -> Result<&Node> {
        self.manifests.get(digest).ok_or_else(|| Error::new(Check::EvidenceAbsent, digest))
    }

    /// Reads a carried manifest and what is below it, each once.
    fn visit(&mut self, descriptor: &Descriptor, blobs: &Blobs, depth: usize) -> Result<()> {
        if let Some(node) = self.manifests.get(&descriptor.digest) {
            if node.media_type != descriptor.media_type {
                return Err(two_descriptors(&descriptor.digest));
            }
            return check_evidence_depth(node.height <= depth, descriptor);
        }
        let bytes = blobs
            .get(&descriptor.digest)
            .ok_or_else(|| Error::new(Check::EvidenceAbsent, descriptor.digest))?;
        let ahead = self.ahead.remove(&(descriptor.digest, descriptor.media_type.clone()));
        let size = u64::try_from(bytes.len()).ok();
        let manifest = match ahead.filter(|_| size == Some(descriptor.size)) {
            Some(parsed) => parsed,
            None => Manifest::parse(bytes, descriptor)?,
        };
        let mut node = Node {
            manifest,
            media_type: descriptor.media_type.clone(),
            evidence: BTreeSet::from([descriptor.digest]),
            order: vec![descriptor.clone()],
            unseen: BTreeSet::new(),
            below: BTreeSet::new(),
            height: 1,
        };
        match &node.manifest {
            Manifest::Image(image) => {
                let digest = image.config.digest;
                let bytes = blobs.get(&digest).ok_or_else(|| Error::new(Check::EvidenceAbsent, digest))?;
                node.evidence.insert(digest);
                if image.has_image_config() {
                    let parsed = self.configs.entry(digest).or_default();
                    let same = parsed.iter().find(|(media_type, _)| *media_type == image.config.media_type);
                    if let Some((_, config)) = same {
                        config.check_fits(bytes, image)?;
                    } else {
                        let config = Config::parse(bytes, image)?;
                        parsed.push((image.config.media_type.clone(), config));
                    }
                } else {
                    check_evidence_size(bytes, &image.config).map_err(|error| error.within(digest))?;
                }
            }
            Manifest::Index(index) => {
                let depth = depth.checked_sub(1);
                check_evidence_depth(depth.is_some(), descriptor)?;
                let mut visited = HashSet::new();
                let mut first_visit = HashSet::from([descriptor.digest]);
                for child in &index.manifests {
                    let digest = child.descriptor.digest;
                    if visited.insert(digest) {
                        node.below.insert(digest);
                        check_evidence_depth(visited.len() <= limits::MANIFESTS_BELOW, descriptor)?;
                        if !blobs.contains_key(&digest) {
                            node.unseen.insert(digest);
                            continue;
                        }
                        let levels = if child.descriptor.is_index() {
                            depth.unwrap_or(0)
                        } else {
                            limits::INDEX_DEPTH
                        };
                        self.visit(&child.descriptor, blobs, levels)?;
                        let below = self.node(&digest)?;
                        node.evidence.extend(&below.evidence);
                        node.below.extend(&below.below);
                        check_evidence_depth(node.below.len() <= limits::MANIFESTS_BELOW, descriptor)?;
                        let height = if child.descriptor.is_index() { below.height + 1 } else { 1 };
                        node.height = node.height.max(height);
                        node.order.extend(
                            below.order.iter().filter(|next| first_visit.insert(next.digest)).cloned(),
                        );
                    }
                    self.check_platform(child)?;
                }
            }
        }
        self.manifests.insert(descriptor.digest, node);
        Ok(())
    }

    fn config(&self, digest: &Digest) -> Option<&Config> {
        // Whatever it is called, the same bytes say the same.
        self.configs.get(digest)?.first().map(|(_, config)| config)
    }

    fn check_platform(&self, child: &crate::format::evidence::Child) -> Result<()> {
        let Some(Node { manifest: Manifest::Image(image), .. }) =
            self.manifests.get(&child.descriptor.digest)
        else {
            return Ok(());
        };
        match self.config(&image.config.digest).filter(|_| image.has_image_config()) {
            Some(config) => check_evidence_platform(child, config),
            None => Ok(()),
        }
    }

    /// EVIDENCE-DESCRIPTOR: in the tree of an image one digest has one media type and one size.
    fn check_evidence_descriptor(&self, order: &[Descriptor]) -> Result<()> {
        let mut known: HashMap<Digest, &Descriptor> = order.iter().map(|top| (top.digest, top)).collect();
        for manifest in order {
            for descriptor in self.node(&manifest.digest)?.manifest.descriptors() {
                if *known.entry(descriptor.digest).or_insert(descriptor) != descriptor {
                    return Err(two_descriptors(&descriptor.digest));
                }
            }
        }
        Ok(())
    }
}

fn two_descriptors(digest: &Digest) -> Error {
    Error::new(Check::EvidenceDescriptor, digest)
}

/// EVIDENCE-DEPTH: indexes nest at most 4 deep, with at most 1,000 distinct manifests below one.
fn check_evidence_depth(holds: bool, descriptor: &Descriptor) -> Result<()> {
    if holds {
        return Ok(());
    }
    Err(Error::new(Check::EvidenceDepth, descriptor.digest).detail(format!(
        "at most {} deep, at most {} manifests below one",
        limits::INDEX_DEPTH,
        limits::MANIFESTS_BELOW
    )))
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

/// BLOB-MISSING: what the documents name is in the file, except what `unseen` names.
fn check_blob_missing(document: &RequestDocument, blobs: &Blobs) -> Result<()> {
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
fn check_item_list(document: &RequestDocument, blobs: &Blobs, evidence: &mut Evidence) -> Result<Vec<Image>> {
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

/// ITEM-PAYLOAD: the payload that is signed is the one that we render. One that another tool made is of its descriptor's
/// size, and nobody would take it for anything else (CUSTOM-PAYLOAD).
fn check_item_payload(item: &Item, blobs: &Blobs) -> Result<()> {
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
fn check_item_statement(item: &Item, blobs: &Blobs) -> Result<()> {
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

/// The statement of an attestation: its subject is called by its repository, as cosign calls it.
fn attested(
    destination: &Destination,
    subject: &Descriptor,
    predicate_type: &PredicateType,
    predicate: &Predicate,
) -> Vec<u8> {
    let name = destination.repository().to_string();
    attestation::render_statement(&name, &subject.digest, predicate_type, predicate)
}

/// ITEM-LIST: files follow the items, by name and digest, and no digest stands twice.
fn check_blob_list(document: &RequestDocument) -> Result<()> {
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

/// ITEM-CONTENT: a file that is carried is of its descriptor's size, and nobody would take it for a signature's payload
/// (CUSTOM-PAYLOAD).
fn check_blob_content(blob: &BlobItem, blobs: &Blobs) -> Result<()> {
    let Some(content) = carried(blob) else { return Ok(()) };
    let bytes = blobs.get(&content.digest).map(Bytes::as_ref).unwrap_or_default();
    let place = || format!("item {}", blob.number);
    if Descriptor::of(&content.media_type, bytes) != *content {
        return Err(Error::new(Check::ItemContent, place()));
    }
    custom::check_custom_payload(bytes).map_err(|error| error.within(place()))
}

/// The content of a file, where the request carries it.
fn carried(blob: &BlobItem) -> Option<&Descriptor> {
    match &blob.content {
        Content::Carried(content) => Some(content),
        Content::Hash(_) => None,
    }
}

/// The files in order, each once, numbered on from the items. Of one that stands more than once a carried one stays,
/// else the one whose name comes first.
fn number_files(files: Vec<(String, Content)>, items: usize, left_out: &mut Vec<String>) -> Vec<BlobItem> {
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

/// Whether a descriptor is that of these bytes, and the bytes are those of the file.
fn is_rendered(descriptor: &Descriptor, media_type: &str, rendered: &[u8], blobs: &Blobs) -> bool {
    Descriptor::of(media_type, rendered) == *descriptor
        && blobs.get(&descriptor.digest).is_some_and(|bytes| *bytes == rendered)
}

/// ITEM-DESTINATION before items are derived: two images that are to have one name.
fn check_two_for_one_name(images: &[ImageSpec]) -> Result<()> {
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

/// ITEM-DESTINATION: a destination by digest names the subject's, one by tag is named by one digest only.
fn check_item_destination(document: &RequestDocument) -> Result<()> {
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
fn check_item_identity(document: &RequestDocument, images: &[Image]) -> Result<()> {
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

/// REQUEST-SIZE: with 8 keys and both forms, each signature as long as this format allows for, the response stays
/// within every limit. Lengths are computed, nothing is rendered more than once: the keys' bundles differ in no length.
fn check_request_size(request: &Request) -> Result<()> {
    let refuse = |what: &str, found: usize, limit: u64| {
        let error = Error::new(Check::RequestSize, "");
        Err(error.detail(format!("{what}: {found} with 8 keys and both forms, at most {limit}")))
    };
    let member = |size: usize| usize::try_from(archive::member_size(size)).unwrap_or(usize::MAX);
    let largest = vec![0_u8; limits::SIGNATURE_BASE64 / 4 * 3];
    let mut index = IndexBuilder::default();
    let mut total = 0;
    let mut blobs = request.blobs.len() + REQUEST_OWN;
    total += request.blobs.values().map(|blob| member(blob.len())).sum::<usize>();
    index.request(&Descriptor::of(document::REQUEST, &request.bytes));
    for item in request.items() {
        index.item(item.number, &item.destination, &item.subject);
    }
    let most = |group: &SubjectGroup| group.payloads.len().max(group.attestations.len()) * limits::KEYS;
    if let Some(most) = request.groups.iter().map(most).find(|most| *most > limits::SIG_LAYERS) {
        return refuse("layers of one .sig or .att", most, 1000);
    }
    let with_payloads: Vec<&SubjectGroup> = request.with_payloads().map(|(_, group)| group).collect();
    let rendered = with_payloads.par_iter().map(|group| {
        let layer = |unit: &PayloadUnit| signature::Layer {
            payload: unit.payload.clone(),
            signature: largest.clone(),
        };
        let once = signature::render(&group.payloads.iter().map(layer).collect::<Vec<_>>());
        // Each key adds the same layers again; the head counted with them is room to spare.
        let size = member(once.manifest.len() * limits::KEYS) + member(once.config.len() * limits::KEYS);
        (size, Descriptor { size: limits::INTEGER, ..Descriptor::of(OCI_MANIFEST, &once.manifest) })
    });
    for (group, (size, manifest)) in with_payloads.iter().zip(rendered.collect::<Vec<_>>()) {
        total += size;
        blobs += 2;
        index.beside(&manifest, group.place(), Beside::Signatures, group.lowest_payload(), false);
    }
    for (_, group) in request.with_attestations() {
        let units = || group.attestations.iter().filter_map(|place| request.statements.get(*place));
        let layers: Vec<attestation::Layer> = units()
            .filter_map(|unit| {
                let statement = request.blobs.get(&unit.statement.digest)?;
                let envelope = attestation::render_envelope(statement, &largest);
                Some(attestation::Layer::of(&envelope, unit.attested.clone()?))
            })
            .collect();
        let sizes = || layers.iter().map(|layer| usize::try_from(layer.envelope.size).unwrap_or(usize::MAX));
        if let Some(most) = sizes().max().filter(|most| *most > limits::MANIFEST) {
            return refuse("bytes of one envelope", most, 4 * limits::MIB);
        }
        let once = attestation::render(&layers);
        total += limits::KEYS * sizes().map(member).sum::<usize>();
        total += member(once.manifest.len() * limits::KEYS) + member(once.config.len() * limits::KEYS);
        blobs += 2 + limits::KEYS * layers.len();
        let manifest = Descriptor { size: limits::INTEGER, ..Descriptor::of(OCI_MANIFEST, &once.manifest) };
        index.beside(
            &manifest,
            group.place(),
            Beside::Attestations,
            group.lowest_attestation(request),
            false,
        );
    }
    let once = index.size();
    for file in request.files() {
        let bundle = bundle::render_message(&file.content.digest(), &request.digest, &largest);
        let manifest = bundle::render_artifact(&Descriptor::of(bundle::MEDIA_TYPE, &bundle));
        total += limits::KEYS * (member(bundle.len()) + member(manifest.len()));
        blobs += limits::KEYS * 2;
        let manifest = Descriptor::of(OCI_MANIFEST, &manifest);
        index.referrer(&manifest, &file.content.digest(), &request.digest, file.number);
    }
    let rendered = request.statements.par_iter().map(|unit| {
        let statement = request.blobs.get(&unit.statement.digest).map(Bytes::as_ref).unwrap_or_default();
        let bundle = bundle::render(statement, &request.digest, &largest);
        let referrer = unit.render_referrer(&bundle);
        (bundle.len(), Descriptor::of(OCI_MANIFEST, &referrer))
    });
    for (unit, (bundle, referrer)) in request.statements.iter().zip(rendered.collect::<Vec<_>>()) {
        if bundle > limits::MANIFEST {
            return refuse("bytes of one bundle", bundle, 4 * limits::MIB);
        }
        total +=
            limits::KEYS * (member(bundle) + member(usize::try_from(referrer.size).unwrap_or(usize::MAX)));
        blobs += limits::KEYS * 2;
        index.referrer(&referrer, &unit.subject.digest, &request.digest, unit.lowest);
    }
    index.response(&Descriptor::of(document::RESPONSE, &request.bytes), &request.digest, 1);
    blobs += limits::KEYS * 2;
    let index = once + (index.size() - once) * limits::KEYS + INDEX_FRAME;
    total += member(index)
        + member(request.bytes.len())
        + limits::KEYS * 2 * member(RESPONSE_DOCUMENT)
        + ARCHIVE_FRAME;
    if index.max(request.bytes.len()) > limits::DOCUMENT {
        return refuse(
            "bytes of index.json or the document",
            index.max(request.bytes.len()),
            64 * limits::MIB,
        );
    }
    if blobs > limits::BLOBS {
        return refuse("blobs", blobs, 250_000);
    }
    if u64::try_from(total).is_ok_and(|total| total <= limits::FILE) {
        return Ok(());
    }
    refuse("bytes of the file", total, limits::FILE)
}

/// Blobs of a request besides evidence, payloads and statements: its document, its manifest, the empty config.
const REQUEST_OWN: usize = 3;
/// Bytes of a response document or its manifest, at most.
const RESPONSE_DOCUMENT: usize = 1024;
/// Bytes of `index.json` around its entries, at most.
const INDEX_FRAME: usize = 256;
/// Bytes of a file besides what is counted: `oci-layout`, empty config, request manifest, the end.
const ARCHIVE_FRAME: usize = 8192;

fn group_by_subject(items: &[Item], statements: &[StatementUnit]) -> Vec<SubjectGroup> {
    let mut groups: Vec<SubjectGroup> = Vec::new();
    let mut places: HashMap<(Repository, Digest), usize> = HashMap::new();
    let mut units: HashMap<(usize, Digest), usize> = HashMap::new();
    let of_statement: HashMap<Digest, usize> =
        statements.iter().enumerate().map(|(place, unit)| (unit.statement.digest, place)).collect();
    for (index, item) in items.iter().enumerate() {
        let repository = item.destination.repository();
        let place = *places.entry((repository.clone(), item.subject.digest)).or_insert_with(|| {
            let (repository, subject) = (repository.clone(), item.subject.clone());
            groups.push(SubjectGroup { repository, subject, payloads: Vec::new(), attestations: Vec::new() });
            groups.len() - 1
        });
        let Some(group) = groups.get_mut(place) else { continue };
        if let Some(payload) = item.payload() {
            let unit = *units.entry((place, payload.digest)).or_insert_with(|| {
                group.payloads.push(PayloadUnit {
                    payload: payload.clone(),
                    lowest: item.number,
                    items: Vec::new(),
                    custom: matches!(item.signed, Signed::CustomPayload { .. }),
                });
                group.payloads.len() - 1
            });
            if let Some(unit) = group.payloads.get_mut(unit) {
                unit.items.push(index);
            }
        }
        if let Signed::Attestation { statement, .. } = &item.signed
            && let Some(place) = of_statement.get(&statement.digest)
            && !group.attestations.contains(place)
        {
            group.attestations.push(*place);
        }
    }
    groups
}

fn group_statements(items: &[Item]) -> Vec<StatementUnit> {
    let mut units: Vec<StatementUnit> = Vec::new();
    let mut places: HashMap<Digest, usize> = HashMap::new();
    for (index, item) in items.iter().enumerate() {
        let Some(statement) = item.statement() else { continue };
        let place = *places.entry(statement.digest).or_insert_with(|| {
            let (statement, subject) = (statement.clone(), item.subject.clone());
            let attested = match &item.signed {
                Signed::Attestation { predicate_type, .. } => Some(predicate_type.clone()),
                _ => None,
            };
            units.push(StatementUnit {
                statement,
                subject,
                attested,
                lowest: item.number,
                items: Vec::new(),
            });
            units.len() - 1
        });
        if let Some(unit) = units.get_mut(place) {
            unit.items.push(index);
        }
    }
    units
}

impl SubjectGroup {
    /// Its repository and digest.
    #[must_use]
    pub fn place(&self) -> (&Repository, &Digest) {
        (&self.repository, &self.subject.digest)
    }

    /// The lowest number of an item with a payload, signed or not; 0 where there is none.
    #[must_use]
    pub fn lowest_payload(&self) -> u64 {
        self.payloads.first().map_or(0, |unit| unit.lowest)
    }

    /// The lowest number of an attestation, signed or not; 0 where there is none.
    #[must_use]
    pub fn lowest_attestation(&self, request: &Request) -> u64 {
        let first = self.attestations.first().and_then(|place| request.statements.get(*place));
        first.map_or(0, |unit| unit.lowest)
    }
}

impl StatementUnit {
    /// The manifest that attaches a bundle of this statement to its subject.
    #[must_use]
    pub fn render_referrer(&self, bundle: &[u8]) -> Bytes {
        let predicate_type = self.attested.as_ref().map_or(statement::PREDICATE_TYPE, PredicateType::uri);
        let bundle = Descriptor::of(bundle::MEDIA_TYPE, bundle);
        bundle::render_referrer(&bundle, &self.subject, predicate_type)
    }
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
    fn of(top: &Item) -> Self {
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
    fn render(
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
    fn signed_as(&self, item: &Signed) -> Signed {
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

/// What images are ordered by, bytewise: kind and destination, then what tells them apart.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct SortKey {
    kind: u8,
    destination: String,
    own: OwnKey,
}

/// What tells images of one kind and destination apart: identity and annotations, the digest of the payload, type and
/// digest of the predicate.
type OwnKey = (String, Vec<u8>);

impl SortKey {
    fn of(image: &ImageSpec) -> Self {
        let destination = image.destination.to_string();
        let kind = match image.what {
            What::Image { .. } => 0,
            What::CustomPayload { .. } => 1,
            What::Attestation { .. } => 2,
        };
        Self { kind, destination, own: own_key(&image.what) }
    }
}

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
fn destination_of(image: &ImageSpec, subject: &Descriptor) -> Destination {
    if subject.digest == image.subject.digest {
        return image.destination.clone();
    }
    Destination::by_digest(image.destination.repository().clone(), subject.digest)
}

/// What an image and its children are called, or what is said of it: a digest of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Called(Digest);

impl Called {
    fn of(image: &ImageSpec) -> Self {
        let SortKey { kind, own: (first, second), .. } = SortKey::of(image);
        // Neither an identity nor a type holds a line feed.
        Self(Digest::of(&[&[kind], first.as_bytes(), b"\n", second.as_slice()].concat()))
    }
}

/// What makes two items the same but for their number: evidence, payload and statement follow from it.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Sameness {
    destination: Destination,
    subject: Digest,
    called: Called,
}

impl Sameness {
    fn of(image: &ImageSpec, called: Called, subject: &Descriptor) -> Self {
        Self { destination: destination_of(image, subject), subject: subject.digest, called }
    }
}
