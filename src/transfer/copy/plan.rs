//! What a copy carries: everything that is named, found before anything is written.

use std::collections::{BTreeMap, HashSet};

use super::{Plan, Planned, Role, Wanted, at};
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::evidence::Descriptor;
use crate::limits;
use crate::transfer::attached::{Attached, How};
use crate::transfer::export::{Platform, check_evidence_depth};
use crate::transfer::flow::Flow;
use crate::transfer::layers::Layers;
use crate::transfer::parts::{Part, Parts};

impl Plan {
    /// Reads what is wanted of `top`.
    ///
    /// Errors: those of the source; SOURCE-ABSENT for a manifest that is named and not there, PLATFORM-ABSENT,
    /// EVIDENCE-* for one that cannot be read or leads too deep or too wide.
    pub fn read(source: &dyn Layers, top: &Descriptor, wanted: &Wanted, flow: Flow<'_>) -> Result<Self> {
        Self::gather(source, top, wanted, flow).map_err(|error| at(source, error))
    }

    fn gather(source: &dyn Layers, top: &Descriptor, wanted: &Wanted, flow: Flow<'_>) -> Result<Self> {
        let top = match &wanted.platform {
            Some(platform) => for_platform(source, top, platform)?,
            None => top.clone(),
        };
        let mut tree = Tree { may_lack: !wanted.image, ..Tree::new(source) };
        check_evidence_depth(limits::INDEX_DEPTH, 0, &top)?;
        tree.walk(&top, limits::INDEX_DEPTH, &Role::Part)?;
        let mut order: Vec<usize> = (0..tree.found.len()).collect();
        // What stands beside the top comes first, then what stands beside its children, in their order.
        order.rotate_right(1);
        let subjects: Vec<Descriptor> = order
            .iter()
            .filter_map(|place| tree.found.get(*place))
            .map(|found| found.descriptor.clone())
            .chain(std::mem::take(&mut tree.lacking))
            .collect();
        let mut beside = Vec::new();
        let mut fault = None;
        flow.run(
            &subjects,
            |subject| find(source, subject, &wanted.beside),
            |_, found| match found {
                Ok(found) => beside.extend(found),
                Err(error) => drop(fault.get_or_insert(error)),
            },
        );
        if let Some(error) = fault {
            return Err(error);
        }
        if !wanted.image {
            tree = Tree::new(source);
        }
        for (attached, subject) in beside {
            tree.attach(attached, &subject, limits::INDEX_DEPTH)?;
        }
        let blobs = tree.blobs.into_values().collect();
        Ok(Self { top, image: wanted.image, manifests: tree.found, blobs, elsewhere: tree.elsewhere })
    }
}

/// The child of an index for a platform; an image is its own.
fn for_platform(source: &dyn Layers, top: &Descriptor, platform: &Platform) -> Result<Descriptor> {
    let bytes = source.manifest(&top.digest)?.ok_or_else(|| absent(top))?;
    let parts = Parts::read(&bytes, top)?;
    let fits = |part: &&Part| {
        part.platform.as_ref().is_some_and(|[os, architecture, variant]| {
            platform.fits(os, architecture, Some(variant.as_str()).filter(|variant| !variant.is_empty()))
        })
    };
    let found = parts.manifests.iter().find(fits).map(|part| part.descriptor.clone());
    found.ok_or_else(|| Error::new(Check::PlatformAbsent, platform).within(top.digest))
}

fn find(source: &dyn Layers, subject: &Descriptor, ways: &[How]) -> Result<Vec<(Attached, Descriptor)>> {
    let mut all = Vec::new();
    for how in ways {
        for found in Attached::find(source, *how, &subject.digest)? {
            all.push((found?, subject.clone()));
        }
    }
    Ok(all)
}

/// What was found so far.
struct Tree<'a> {
    source: &'a dyn Layers,
    seen: HashSet<Digest>,
    found: Vec<Planned>,
    blobs: BTreeMap<Digest, Descriptor>,
    elsewhere: usize,
    size: u64,
    /// Whether what an index names may be absent: where the image itself is not carried.
    may_lack: bool,
    lacking: Vec<Descriptor>,
}

impl<'a> Tree<'a> {
    fn new(source: &'a dyn Layers) -> Self {
        let (seen, found, blobs) = (HashSet::new(), Vec::new(), BTreeMap::new());
        let (may_lack, lacking) = (false, Vec::new());
        Self { source, seen, found, blobs, elsewhere: 0, size: 0, may_lack, lacking }
    }

    /// A manifest after what is below it, once.
    fn walk(&mut self, descriptor: &Descriptor, depth: usize, role: &Role) -> Result<()> {
        if !self.seen.insert(descriptor.digest) {
            return Ok(());
        }
        check_evidence_depth(depth, self.seen.len() - 1, descriptor)?;
        let bytes = match self.source.manifest(&descriptor.digest)? {
            Some(bytes) => bytes,
            None if self.may_lack && depth < limits::INDEX_DEPTH => {
                self.lacking.push(descriptor.clone());
                return Ok(());
            }
            None => return Err(absent(descriptor)),
        };
        let parts = Parts::read(&bytes, descriptor)?;
        for child in &parts.manifests {
            self.walk(&child.descriptor, depth.saturating_sub(1), &Role::Part)?;
        }
        self.take(descriptor, bytes, &parts, role)
    }

    /// What stands beside a manifest, what is below it, and what refers to it in turn.
    fn attach(&mut self, found: Attached, subject: &Descriptor, depth: usize) -> Result<()> {
        let Attached { how, descriptor, bytes, parts } = found;
        let role = Role::Beside(how, subject.clone());
        if self.found.iter().any(|known| known.descriptor == descriptor && known.role == role) {
            return Ok(());
        }
        check_source_manifests(self.found.len() + 1)?;
        for child in &parts.manifests {
            self.walk(&child.descriptor, depth.saturating_sub(1), &Role::Part)?;
        }
        self.take(&descriptor, bytes, &parts, &role)?;
        if how == How::Referrer && depth > 1 {
            for next in Attached::find(self.source, How::Referrer, &descriptor.digest)? {
                self.attach(next?, &descriptor, depth - 1)?;
            }
        }
        Ok(())
    }

    fn take(&mut self, descriptor: &Descriptor, bytes: Vec<u8>, parts: &Parts, role: &Role) -> Result<()> {
        self.size += descriptor.size;
        if self.size > limits::FILE {
            let error = Error::new(Check::SourceSize, descriptor.digest);
            return Err(error.detail("manifests of more than 512 MiB in all"));
        }
        for part in parts.blobs() {
            let blob = &part.descriptor;
            if part.is_elsewhere {
                self.elsewhere += 1;
                continue;
            }
            let known = self.blobs.entry(blob.digest).or_insert_with(|| blob.clone());
            check_evidence_descriptor(known, blob)?;
        }
        let artifact_type = parts.kind().map(str::to_owned).filter(|_| parts.subject.is_some());
        let (descriptor, role) = (descriptor.clone(), role.clone());
        self.found.push(Planned { descriptor, bytes, artifact_type, role });
        Ok(())
    }
}

/// SOURCE-SIZE: at most 10,000 manifests are carried at once.
fn check_source_manifests(count: usize) -> Result<()> {
    if count <= limits::COPIED {
        return Ok(());
    }
    let error = Error::new(Check::SourceSize, "");
    Err(error.detail(format!("more than {} manifests beside one image", limits::COPIED)))
}

/// EVIDENCE-DESCRIPTOR: one blob has one size. Its media type is a matter of who names it.
fn check_evidence_descriptor(known: &Descriptor, other: &Descriptor) -> Result<()> {
    if known.size == other.size {
        return Ok(());
    }
    let sizes = format!("{} and {} bytes", known.size, other.size);
    Err(Error::new(Check::EvidenceDescriptor, known.digest).detail(sizes))
}

fn absent(descriptor: &Descriptor) -> Error {
    Error::new(Check::SourceAbsent, descriptor.digest).detail(&descriptor.media_type)
}
