//! What stands beside an image, and beside everything that an index names.

use std::collections::HashSet;

use super::attached::{Attached, How};
use super::export::check_evidence_depth;
use super::flow::Flow;
use super::parts::Parts;
use super::store::Store;
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::evidence::Descriptor;
use crate::limits;

/// A manifest, and what stands beside it.
#[derive(Debug)]
pub struct Node {
    /// The manifest.
    pub descriptor: Descriptor,
    /// `os/architecture/variant`, as far as an index says so.
    pub platform: Option<[String; 3]>,
    /// What it names; `None`: it is not there.
    pub parts: Option<Parts>,
    /// How many indexes it lies in.
    pub depth: usize,
    /// What stands beside it, in the order of [`How::ALL`]; what cannot be read, as an error in its place.
    pub beside: Vec<Result<Attached>>,
}

/// The image, then, unless it is asked about alone, everything that it names, each once, depth first.
///
/// Errors: those of the store; EVIDENCE-* for an index that cannot be read or leads too deep or too wide.
pub fn tree(store: &dyn Store, top: &Descriptor, recursive: bool, flow: Flow<'_>) -> Result<Vec<Node>> {
    let mut nodes = Vec::new();
    check_evidence_depth(limits::INDEX_DEPTH, 0, top)?;
    walk(store, top, None, 0, recursive, &mut HashSet::new(), &mut nodes)?;
    let subjects: Vec<Digest> = nodes.iter().map(|node| node.descriptor.digest).collect();
    let mut fault = None;
    flow.run(
        &subjects,
        |subject| How::ALL.iter().map(|how| Attached::find(store, *how, subject)).collect::<Result<Vec<_>>>(),
        |place, found| match (found, nodes.get_mut(place)) {
            (Ok(found), Some(node)) => node.beside = found.into_iter().flatten().collect(),
            (Err(error), _) => drop(fault.get_or_insert(error)),
            (Ok(_), None) => {}
        },
    );
    fault.map_or(Ok(nodes), Err)
}

fn walk(
    store: &dyn Store,
    descriptor: &Descriptor,
    platform: Option<[String; 3]>,
    depth: usize,
    recursive: bool,
    seen: &mut HashSet<Digest>,
    nodes: &mut Vec<Node>,
) -> Result<()> {
    if !seen.insert(descriptor.digest) {
        return Ok(());
    }
    check_evidence_depth(limits::INDEX_DEPTH.saturating_sub(depth), seen.len() - 1, descriptor)?;
    let bytes = store.manifest(&descriptor.digest)?;
    if bytes.is_none() && depth == 0 {
        return Err(Error::new(Check::ImageAbsent, descriptor.digest));
    }
    let parts = bytes.map(|bytes| Parts::read(&bytes, descriptor)).transpose()?;
    let children = parts.as_ref().map(|parts| parts.manifests.clone()).unwrap_or_default();
    nodes.push(Node { descriptor: descriptor.clone(), platform, parts, depth, beside: Vec::new() });
    if !recursive {
        return Ok(());
    }
    for child in children {
        walk(store, &child.descriptor, child.platform, depth + 1, recursive, seen, nodes)?;
    }
    Ok(())
}
