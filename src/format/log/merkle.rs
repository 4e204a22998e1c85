//! Proofs of inclusion in a Merkle tree (RFC 6962 2.1.1).

use sha2::{Digest as _, Sha256};

use crate::digest::Digest;

/// The hash of a leaf: SHA-256 of a zero byte and the entry's body.
#[must_use]
pub fn leaf_hash(body: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::new_with_prefix([0]).chain_update(body).finalize().into())
}

/// The hash of a node above two others: SHA-256 of a byte 1, the left one and the right one.
#[must_use]
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    let hash = Sha256::new_with_prefix([1]).chain_update(left.as_bytes()).chain_update(right.as_bytes());
    Digest::from_bytes(hash.finalize().into())
}

/// The root of the tree with `size` leaves to which `hashes` lead from the leaf at `index`, lowest first. `None` where there are
/// too many or too few of them, or the tree has no such leaf.
#[must_use]
pub fn root(index: u64, size: u64, leaf: Digest, hashes: &[Digest]) -> Option<Digest> {
    let last = size.checked_sub(1).filter(|last| index <= *last)?;
    // Below the bit where the paths to this leaf and to the last one part, each level has a sibling on one side or the
    // other; above it only where the path goes right.
    let inner = usize::try_from(u64::BITS - (index ^ last).leading_zeros()).ok()?;
    let border = usize::try_from(index.checked_shr(inner.try_into().ok()?).unwrap_or(0).count_ones()).ok()?;
    let (below, above) = hashes.split_at_checked(inner).filter(|(_, above)| above.len() == border)?;
    let hash = below.iter().enumerate().fold(leaf, |hash, (level, sibling)| {
        if index >> level & 1 == 0 { node_hash(&hash, sibling) } else { node_hash(sibling, &hash) }
    });
    Some(above.iter().fold(hash, |hash, sibling| node_hash(sibling, &hash)))
}
