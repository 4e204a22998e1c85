//! The trees of images in a request's evidence: every manifest once, however often it is named.

use std::collections::{BTreeSet, HashMap, HashSet};

use rayon::prelude::*;

use super::asked::{ImageSpec, What, destination_of};
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::archive::Blobs;
use crate::format::document::{Item, Signed};
use crate::format::evidence::{
    Child, Config, Descriptor, ImageManifest, Manifest, check_evidence_platform, check_evidence_size,
};
use crate::limits;

/// Evidence as it is parsed: every manifest once, however often it is named.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    pub(super) manifests: HashMap<Digest, Node>,
    /// Configs, each once for every media type it is called by (OCI's or Docker's).
    configs: HashMap<Digest, Vec<(String, Config)>>,
    /// Tops whose trees hold no two descriptors of one digest: a tree is looked through once, whatever it is called.
    agreed: HashSet<Digest>,
    /// Manifests that were parsed ahead on all cores, and not visited yet.
    ahead: HashMap<(Digest, String), Manifest>,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) manifest: Manifest,
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
    pub(super) fn parsed<'a>(subjects: impl Iterator<Item = &'a Descriptor>, blobs: &Blobs) -> Self {
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
    pub(super) fn derive(&mut self, image: &ImageSpec, blobs: &Blobs) -> Result<Vec<Descriptor>> {
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
    pub(super) fn item(&self, image: &ImageSpec, subject: Descriptor, signed: Signed) -> Result<Item> {
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

    pub(super) fn config(&self, digest: &Digest) -> Option<&Config> {
        // Whatever it is called, the same bytes say the same.
        self.configs.get(digest)?.first().map(|(_, config)| config)
    }

    fn check_platform(&self, child: &Child) -> Result<()> {
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
