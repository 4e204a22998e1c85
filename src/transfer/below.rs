//! What an index names, and what those name: as far down as `sign -r` signs.

use std::collections::HashSet;

use super::export::check_evidence_depth;
use super::store::Store;
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::evidence::{Descriptor, Manifest};
use crate::limits;

/// Adds every manifest below `top` to `found`, each once, depth first; `top` itself is not among them. `top` is read, and
/// below it indexes are, images are not. After an error `found` holds what was seen before it.
///
/// Errors: those of the store; SOURCE-ABSENT for an index that is not there, EVIDENCE-* for one that cannot be read or
/// leads too deep or too wide.
pub fn manifests_below(store: &dyn Store, top: &Descriptor, found: &mut Vec<Digest>) -> Result<()> {
    let mut seen = HashSet::from([top.digest]);
    // That `top` is an index or an image is a header's word, which nobody signed: it is read to see. What an index says
    // of its children is signed with it.
    check_evidence_depth(limits::INDEX_DEPTH, 0, top)?;
    children(store, top, limits::INDEX_DEPTH, &mut seen, found)
}

/// Adds what an index names, and what is below that; an image names nothing.
fn children(
    store: &dyn Store,
    descriptor: &Descriptor,
    depth: usize,
    seen: &mut HashSet<Digest>,
    found: &mut Vec<Digest>,
) -> Result<()> {
    let bytes = store
        .manifest(&descriptor.digest)?
        .ok_or_else(|| Error::new(Check::SourceAbsent, descriptor.digest))?;
    let Manifest::Index(index) = Manifest::parse(&bytes, descriptor)? else { return Ok(()) };
    for child in &index.manifests {
        let child = &child.descriptor;
        if seen.insert(child.digest) {
            found.push(child.digest);
            let depth = depth.saturating_sub(1);
            check_evidence_depth(depth, seen.len() - 1, child)?;
            if child.is_index() {
                children(store, child, depth, seen, found)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::format::evidence::{OCI_CONFIG, OCI_INDEX, OCI_MANIFEST};
    use crate::format::reference::Target;

    /// Manifests by digest.
    #[derive(Default)]
    struct Shelf(HashMap<Digest, Vec<u8>>);

    impl Shelf {
        fn index(&mut self, children: &[Descriptor]) -> Descriptor {
            let children: Vec<String> = children
                .iter()
                .map(|child| {
                    format!(
                        "{{\"mediaType\":\"{}\",\"digest\":\"{}\",\"size\":{}}}",
                        child.media_type, child.digest, child.size
                    )
                })
                .collect();
            let index = format!("{{\"schemaVersion\":2,\"manifests\":[{}]}}", children.join(","));
            let descriptor = Descriptor::of(OCI_INDEX, index.as_bytes());
            self.0.insert(descriptor.digest, index.into_bytes());
            descriptor
        }
    }

    impl Store for Shelf {
        fn resolve(&self, _: &Target) -> Result<Option<Descriptor>> {
            Ok(None)
        }

        fn manifest(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
            Ok(self.0.get(digest).cloned())
        }

        fn blob(&self, _: &Digest) -> Result<Option<Vec<u8>>> {
            Ok(None)
        }

        fn referrers(&self, _: &Digest) -> Result<Vec<Descriptor>> {
            Ok(Vec::new())
        }
    }

    fn image(name: usize) -> Descriptor {
        Descriptor::of(OCI_MANIFEST, name.to_string().as_bytes())
    }

    fn below(shelf: &Shelf, top: &Descriptor) -> (Vec<Digest>, Result<(), Check>) {
        let mut found = Vec::new();
        let outcome = manifests_below(shelf, top, &mut found).map_err(|error| error.check());
        (found, outcome)
    }

    #[test]
    fn each_once_depth_first_and_bounded() {
        let mut shelf = Shelf::default();
        let (one, two, three) = (image(1), image(2), image(3));
        let inner = shelf.index(&[two.clone(), one.clone()]);
        let top = shelf.index(&[one.clone(), inner.clone(), three.clone(), inner.clone()]);
        let wanted = vec![one.digest, inner.digest, two.digest, three.digest];
        assert_eq!(below(&shelf, &top), (wanted, Ok(())));
        // An image has nothing below it, if it is one.
        let config =
            format!("{{\"mediaType\":\"{OCI_CONFIG}\",\"digest\":\"{}\",\"size\":2}}", Digest::of(b"{}"));
        let text = format!("{{\"schemaVersion\":2,\"config\":{config},\"layers\":[]}}");
        let alone = Descriptor::of(OCI_MANIFEST, text.as_bytes());
        shelf.0.insert(alone.digest, text.into_bytes());
        assert_eq!(below(&shelf, &alone), (vec![], Ok(())));
        let disguised = Descriptor { media_type: OCI_MANIFEST.to_owned(), ..top.clone() };
        assert_eq!(below(&shelf, &disguised), (vec![], Err(Check::EvidenceMember)));
        // What was seen before something that cannot be read stays.
        let absent = Descriptor::of(OCI_INDEX, b"gone");
        let top = shelf.index(&[one.clone(), absent.clone(), two]);
        assert_eq!(below(&shelf, &top), (vec![one.digest, absent.digest], Err(Check::SourceAbsent)));
        // Four indexes in one another are read, a fifth is not.
        let mut nest = shelf.index(&[one]);
        for _ in 1..limits::INDEX_DEPTH {
            nest = shelf.index(&[nest]);
        }
        assert_eq!(below(&shelf, &nest).1, Ok(()));
        nest = shelf.index(&[nest]);
        assert_eq!(below(&shelf, &nest).1, Err(Check::EvidenceDepth));
        let wide: Vec<Descriptor> = (0..=limits::MANIFESTS_BELOW).map(image).collect();
        let top = shelf.index(&wide[..limits::MANIFESTS_BELOW]);
        assert_eq!(below(&shelf, &top).0.len(), limits::MANIFESTS_BELOW);
        let top = shelf.index(&wide);
        assert_eq!(below(&shelf, &top).1, Err(Check::EvidenceDepth));
    }
}
