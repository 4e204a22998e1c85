//! A request: complete, self-consistent, every payload and statement rendered again (docs/format.md 3, 7).
//!
//! Exporter and signer share one derivation: from an image's top manifest and its evidence follow its items. The
//! exporter writes what it derives, the reader derives again and demands the same.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use bytes::Bytes;
use rayon::prelude::*;

use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result, in_order};
use crate::format::archive::{self, Blobs};
use crate::format::document::{self, Item, RequestDocument, annotations_value};
use crate::format::evidence::{
    Config, Descriptor, ImageManifest, Manifest, OCI_MANIFEST, check_evidence_platform, check_evidence_size,
};
use crate::format::json::canonical;
use crate::format::layout::IndexBuilder;
use crate::format::reference::{Destination, Identity, Repository, Target};
use crate::format::{bundle, payload, signature, statement};
use crate::limits;

/// What an exporter asks for: one image under one name.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageSpec {
    /// Where the signature of the top manifest goes.
    pub destination: Destination,
    /// What payloads call it, its children too.
    pub identity: Identity,
    /// What payloads and statements say of it, its children too.
    pub annotations: BTreeMap<String, String>,
    /// The top manifest.
    pub subject: Descriptor,
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
    sigs: Vec<SigGroup>,
    statements: Vec<StatementUnit>,
}

/// One image of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Index of its top item in [`Request::items`].
    pub first: usize,
    /// Indexes of every item of its tree, shared ones too, depth first.
    pub items: Vec<usize>,
}

/// The items whose signatures share a `.sig` manifest: one destination repository and one digest.
#[derive(Clone, Debug)]
pub struct SigGroup {
    /// The repository.
    pub repository: Repository,
    /// The signed manifest.
    pub subject: Descriptor,
    /// The lowest number of its items, signed or not.
    pub lowest: u64,
    /// Its payloads, by lowest item number.
    pub payloads: Vec<PayloadUnit>,
}

/// The items of a group that share a payload, hence a layer for each key.
#[derive(Clone, Debug)]
pub struct PayloadUnit {
    /// The payload.
    pub payload: Descriptor,
    /// The lowest number of its items.
    pub lowest: u64,
    /// Indexes of its items.
    pub items: Vec<usize>,
}

/// The items that share a statement, hence a bundle for each key.
#[derive(Clone, Debug)]
pub struct StatementUnit {
    /// The statement.
    pub statement: Descriptor,
    /// The signed manifest.
    pub subject: Descriptor,
    /// The lowest number of its items.
    pub lowest: u64,
    /// Indexes of its items.
    pub items: Vec<usize>,
}

impl Request {
    /// Builds a request. `blobs` holds every carried manifest and config; a child whose manifest is not among them is
    /// unseen. Blobs that no image reaches are left out.
    pub fn build(
        images: Vec<ImageSpec>,
        blobs: BTreeMap<Digest, Vec<u8>>,
        note: Option<String>,
    ) -> Result<Built> {
        let mut blobs: Blobs =
            blobs.into_iter().map(|(digest, bytes)| (digest, Bytes::from(bytes))).collect();
        if let Some(note) = &note {
            document::check_document_string(note, "note")?;
        }
        let mut images = images;
        images.sort_by_key(sort_key);
        check_two_for_one_name(&images)?;
        let mut evidence = Evidence::parsed(images.iter().map(|image| &image.subject), &blobs);
        let mut items: Vec<Item> = Vec::new();
        let mut seen = HashSet::new();
        let mut left_out = Vec::new();
        let mut rendered = Vec::new();
        for image in &images {
            document::check_annotations(&image.annotations, &image.destination.to_string())?;
            let called = Called::of(image);
            for subject in evidence.derive(image, &blobs)? {
                let sameness = Sameness::of(image, called, &subject);
                if seen.contains(&sameness) {
                    left_out.push(format!("{} as {}", sameness.destination, image.identity));
                    continue;
                }
                let number = u64::try_from(items.len() + 1).unwrap_or(u64::MAX);
                let payload = payload::render(&image.identity, &subject.digest, &image.annotations);
                let statement = statement::render(&subject.digest, &image.annotations);
                let signed = (
                    Descriptor::of(payload::MEDIA_TYPE, &payload),
                    Descriptor::of(statement::MEDIA_TYPE, &statement),
                );
                rendered.extend([(signed.0.digest, payload), (signed.1.digest, statement)]);
                items.push(Item { number, ..evidence.item(image, subject, signed)? });
                document::check_document_items(items.len(), limits::ITEMS, "items")?;
                seen.insert(sameness);
            }
        }
        document::check_document_items(items.len(), limits::ITEMS, "items")?;
        blobs.extend(rendered.into_iter().map(|(digest, bytes)| (digest, Bytes::from(bytes))));
        let document = RequestDocument { items, note, unknown: Vec::new() };
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
        check_item_destination(&document)?;
        check_item_identity(&document, &images)?;
        in_order(document.items.par_iter().map(|item| {
            check_item_payload(item, &blobs)?;
            check_item_statement(item, &blobs)
        }))?;
        let mut wanted: HashSet<Digest> = HashSet::new();
        for item in &document.items {
            wanted.extend(item.evidence.iter().chain([&item.payload.digest, &item.statement.digest]));
        }
        blobs.retain(|digest, _| wanted.contains(digest));
        let digest = Digest::of(&bytes);
        let sigs = group_payloads(&document.items);
        let statements = group_statements(&document.items);
        let request = Self { document, bytes, digest, images, evidence, blobs, sigs, statements };
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

    /// The items, by number.
    #[must_use]
    pub fn items(&self) -> &[Item] {
        &self.document.items
    }

    /// The images, in order.
    #[must_use]
    pub fn images(&self) -> &[Image] {
        &self.images
    }

    /// What share a `.sig` manifest, by lowest item number.
    #[must_use]
    pub fn sigs(&self) -> &[SigGroup] {
        &self.sigs
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

    /// Evidence, a payload or a statement, as received.
    #[must_use]
    pub fn blob(&self, digest: &Digest) -> Option<&Bytes> {
        self.blobs.get(digest)
    }

    /// Evidence, payloads and statements, by digest.
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
        if !self.agreed.contains(&image.subject.digest) {
            self.check_evidence_descriptor(&order)?;
            self.agreed.insert(image.subject.digest);
        }
        Ok(order)
    }

    /// The item of a manifest of an image, its number left at 0; payload and statement are somebody else's to check.
    fn item(&self, image: &ImageSpec, subject: Descriptor, signed: (Descriptor, Descriptor)) -> Result<Item> {
        let node = self.node(&subject.digest)?;
        let (payload, statement) = signed;
        Ok(Item {
            number: 0,
            destination: destination_of(image, &subject),
            identity: image.identity.clone(),
            annotations: image.annotations.clone(),
            evidence: node.evidence.iter().copied().collect(),
            unseen: node.unseen.iter().copied().collect(),
            payload,
            statement,
            subject,
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
    for item in &document.items {
        let named = item.evidence.iter().chain([&item.payload.digest, &item.statement.digest]);
        if let Some(digest) = named.into_iter().find(|digest| !blobs.contains_key(digest)) {
            return Err(
                Error::new(Check::BlobMissing, digest).detail(format!("item {} names it", item.number))
            );
        }
    }
    Ok(())
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
        let image = ImageSpec {
            destination: top.destination.clone(),
            identity: top.identity.clone(),
            annotations: top.annotations.clone(),
            subject: top.subject.clone(),
        };
        let key = sort_key(&image);
        if previous.as_ref().is_some_and(|previous| *previous >= key) {
            return Err(wrong(top).detail("images ascend by destination, identity, annotations"));
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
            let signed = (item.payload.clone(), item.statement.clone());
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

/// ITEM-PAYLOAD: the payload that is signed is the one that we render.
fn check_item_payload(item: &Item, blobs: &Blobs) -> Result<()> {
    let rendered = payload::render(&item.identity, &item.subject.digest, &item.annotations);
    check_rendered_size(&rendered, &item.destination)?;
    if is_rendered(&item.payload, payload::MEDIA_TYPE, &rendered, blobs) {
        return Ok(());
    }
    Err(Error::new(Check::ItemPayload, format!("item {}", item.number)))
}

/// ITEM-STATEMENT: the statement that is signed is the one that we render.
fn check_item_statement(item: &Item, blobs: &Blobs) -> Result<()> {
    let rendered = statement::render(&item.subject.digest, &item.annotations);
    check_rendered_size(&rendered, &item.destination)?;
    if is_rendered(&item.statement, statement::MEDIA_TYPE, &rendered, blobs) {
        return Ok(());
    }
    Err(Error::new(Check::ItemStatement, format!("item {}", item.number)))
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
        let Some(identity) = document.items.get(image.first).map(|top| &top.identity) else { continue };
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
    if let Some(group) =
        request.sigs.iter().find(|group| group.payloads.len() * limits::KEYS > limits::SIG_LAYERS)
    {
        return refuse("layers of one .sig", group.payloads.len() * limits::KEYS, 1000);
    }
    let rendered = request.sigs.par_iter().map(|group| {
        let layer = |unit: &PayloadUnit| signature::Layer {
            payload: unit.payload.clone(),
            signature: largest.clone(),
        };
        let once = signature::render(&group.payloads.iter().map(layer).collect::<Vec<_>>());
        // Each key adds the same layers again; the head counted with them is room to spare.
        let size = member(once.manifest.len() * limits::KEYS) + member(once.config.len() * limits::KEYS);
        (size, Descriptor { size: limits::INTEGER, ..Descriptor::of(OCI_MANIFEST, &once.manifest) })
    });
    for (group, (size, manifest)) in request.sigs.iter().zip(rendered.collect::<Vec<_>>()) {
        total += size;
        blobs += 2;
        index.sig(&manifest, (&group.repository, &group.subject.digest), group.lowest, group.lowest == 1);
    }
    let once = index.size();
    let rendered = request.statements.par_iter().map(|unit| {
        let statement = request.blobs.get(&unit.statement.digest).map(Bytes::as_ref).unwrap_or_default();
        let bundle = bundle::render(statement, &request.digest, &largest);
        let referrer = bundle::render_referrer(
            &Descriptor::of(bundle::MEDIA_TYPE, &bundle),
            &unit.subject,
            statement::PREDICATE_TYPE,
        );
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

fn group_payloads(items: &[Item]) -> Vec<SigGroup> {
    let mut groups: Vec<SigGroup> = Vec::new();
    let mut places: HashMap<(Repository, Digest), usize> = HashMap::new();
    let mut units: HashMap<(usize, Digest), usize> = HashMap::new();
    for (index, item) in items.iter().enumerate() {
        let repository = item.destination.repository();
        let place = *places.entry((repository.clone(), item.subject.digest)).or_insert_with(|| {
            let (repository, subject) = (repository.clone(), item.subject.clone());
            groups.push(SigGroup { repository, subject, lowest: item.number, payloads: Vec::new() });
            groups.len() - 1
        });
        let Some(group) = groups.get_mut(place) else { continue };
        let unit = *units.entry((place, item.payload.digest)).or_insert_with(|| {
            group.payloads.push(PayloadUnit {
                payload: item.payload.clone(),
                lowest: item.number,
                items: Vec::new(),
            });
            group.payloads.len() - 1
        });
        if let Some(unit) = group.payloads.get_mut(unit) {
            unit.items.push(index);
        }
    }
    groups
}

fn group_statements(items: &[Item]) -> Vec<StatementUnit> {
    let mut units: Vec<StatementUnit> = Vec::new();
    let mut places: HashMap<Digest, usize> = HashMap::new();
    for (index, item) in items.iter().enumerate() {
        let place = *places.entry(item.statement.digest).or_insert_with(|| {
            let (statement, subject) = (item.statement.clone(), item.subject.clone());
            units.push(StatementUnit { statement, subject, lowest: item.number, items: Vec::new() });
            units.len() - 1
        });
        if let Some(unit) = units.get_mut(place) {
            unit.items.push(index);
        }
    }
    units
}

/// Destination, identity, annotations: what images are ordered by, bytewise.
fn sort_key(image: &ImageSpec) -> (String, String, Vec<u8>) {
    (
        image.destination.to_string(),
        image.identity.to_string(),
        canonical(&annotations_value(&image.annotations)),
    )
}

/// Where a manifest of an image goes: the image's own destination, or a digest beside it.
fn destination_of(image: &ImageSpec, subject: &Descriptor) -> Destination {
    if subject.digest == image.subject.digest {
        return image.destination.clone();
    }
    Destination::by_digest(image.destination.repository().clone(), subject.digest)
}

/// What an image and its children are called: a digest of identity and annotations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Called(Digest);

impl Called {
    fn of(image: &ImageSpec) -> Self {
        let (_, identity, annotations) = sort_key(image);
        // No identity holds a line feed.
        Self(Digest::of(&[identity.as_bytes(), b"\n", annotations.as_slice()].concat()))
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
