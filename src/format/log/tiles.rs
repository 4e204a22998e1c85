//! Tiles: a log as files that never change (C2SP tlog-tiles.md). A tile holds up to 256 hashes of one row; each of them
//! is the root of 256 in the row below, and those of row 0 are leaves. A bundle holds the entries of a tile of row 0.
//!
//! Which of them a proof of inclusion needs, and the proof that they make; nothing here reads files or networks.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::merkle::node_hash;
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::limits;

/// A tile, or a bundle of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tile {
    row: Row,
    index: u64,
    width: u64,
}

/// What a tile holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Row {
    /// The bodies of entries.
    Entries,
    /// Hashes, each over 256 to the power of this number of leaves.
    Hashes(u32),
}

impl Tile {
    /// The bundle with the entry at `index` of a log with `size` entries; `None` where there is no such entry.
    #[must_use]
    pub fn with_entry(index: u64, size: u64) -> Option<Self> {
        (index < size).then(|| Self::of(Row::Entries, index, size))
    }

    /// The tile of a row with `at`, in a log with `size` entries that has it.
    fn of(row: Row, at: u64, size: u64) -> Self {
        let whole = match row {
            Row::Entries => size,
            Row::Hashes(level) => size >> (level * WIDTH_BITS),
        };
        let index = at >> WIDTH_BITS;
        let width = (whole - (index << WIDTH_BITS)).min(WIDTH);
        Self { row, index, width }
    }

    /// Its path below the log's address: `tile/1/x001/067.p/5`, where a whole one has no `.p/5`.
    #[must_use]
    pub fn path(&self) -> String {
        self.to_string()
    }

    /// The whole one of which this is the beginning: a log may have no other one left.
    #[must_use]
    pub fn whole(&self) -> Option<Self> {
        (self.width < WIDTH).then_some(Self { width: WIDTH, ..*self })
    }

    /// The most bytes that it has.
    #[must_use]
    pub fn limit(&self) -> usize {
        match self.row {
            Row::Entries => limits::LOG_BUNDLE,
            Row::Hashes(_) => limits::LOG_TILE,
        }
    }

    /// The body of the entry at `index` of the log, in the bytes of the bundle that has it.
    ///
    /// LOG-TILE: a bundle is as many bodies as its width says, each behind its length (two bytes), and nothing else.
    pub fn body<'a>(&self, index: u64, bytes: &'a [u8]) -> Result<&'a [u8]> {
        let mut found = None;
        let mut rest = bytes;
        for number in 0..self.width {
            let (length, after) = rest.split_first_chunk().ok_or_else(|| self.refuse("it is cut off"))?;
            let length = usize::from(u16::from_be_bytes(*length));
            let (body, after) = after.split_at_checked(length).ok_or_else(|| self.refuse("it is cut off"))?;
            if (self.index << WIDTH_BITS) + number == index {
                found = Some(body);
            }
            rest = after;
        }
        if !rest.is_empty() {
            return Err(self.refuse("it goes on behind its last entry"));
        }
        found.ok_or_else(|| self.refuse("the entry is in another one"))
    }

    /// LOG-TILE: a tile has 32 bytes for each of its hashes.
    pub fn check_log_tile(&self, bytes: &[u8]) -> Result<()> {
        let wanted = self.width * HASH;
        if u64::try_from(bytes.len()) == Ok(wanted) {
            return Ok(());
        }
        Err(self.refuse(&format!("{} bytes, expected {wanted}", bytes.len())))
    }

    /// The beginning of the bytes of [`Tile::whole`]: the bytes of this one. LOG-TILE.
    pub fn beginning<'a>(&self, whole: &'a [u8]) -> Result<&'a [u8]> {
        let length = match self.row {
            Row::Hashes(_) => usize::try_from(self.width * HASH).ok(),
            Row::Entries => (0..self.width).try_fold(0_usize, |at, _| {
                let length = whole.get(at..)?.first_chunk()?;
                Some(at + 2 + usize::from(u16::from_be_bytes(*length)))
            }),
        };
        length.and_then(|length| whole.get(..length)).ok_or_else(|| self.refuse("it is cut off"))
    }

    fn refuse(&self, why: &str) -> Error {
        Error::new(Check::LogTile, self).detail(why)
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.row {
            Row::Entries => f.write_str("tile/entries/")?,
            Row::Hashes(level) => write!(f, "tile/{level}/")?,
        }
        let mut groups = vec![self.index % 1000];
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups.push(rest % 1000);
            rest /= 1000;
        }
        for (place, group) in groups.iter().enumerate().rev() {
            if place > 0 {
                write!(f, "x{group:03}/")?;
            } else {
                write!(f, "{group:03}")?;
            }
        }
        if self.width < WIDTH { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

/// Where the hashes of a proof of inclusion are.
#[derive(Clone, Debug)]
pub struct Inclusion {
    size: u64,
    /// Of each hash, lowest first, the perfect trees that it is over.
    siblings: Vec<Vec<Node>>,
}

/// The root of a perfect tree of 2^height leaves, the `index`-th of its height.
#[derive(Clone, Copy, Debug)]
struct Node {
    height: u32,
    index: u64,
}

impl Inclusion {
    /// Of the leaf at `index` in the tree of `size` leaves (RFC 6962 2.1.1); `None` where it has no such leaf.
    #[must_use]
    pub fn of(index: u64, size: u64) -> Option<Self> {
        if index >= size {
            return None;
        }
        let mut siblings = Vec::new();
        let (mut from, mut to) = (0, size);
        while to - from > 1 {
            // The largest power of two below the number of leaves.
            let middle = from + (1 << (to - from - 1).ilog2());
            if index < middle {
                siblings.push(perfect(middle, to));
                to = middle;
            } else {
                siblings.push(perfect(from, middle));
                from = middle;
            }
        }
        siblings.reverse();
        Some(Self { size, siblings })
    }

    /// The tiles that are needed.
    #[must_use]
    pub fn tiles(&self) -> BTreeSet<Tile> {
        self.siblings.iter().flatten().map(|node| node.tile(self.size)).collect()
    }

    /// The hashes of the proof, lowest first, by the bytes of [`Inclusion::tiles`]. LOG-TILE.
    pub fn hashes(&self, tiles: &BTreeMap<Tile, Vec<u8>>) -> Result<Vec<Digest>> {
        self.siblings.iter().map(|nodes| self.hash(nodes, tiles)).collect()
    }

    /// The hash over neighbours that are not all of one height: the smaller ones are on the right, and one below.
    fn hash(&self, nodes: &[Node], tiles: &BTreeMap<Tile, Vec<u8>>) -> Result<Digest> {
        let mut over = None;
        for node in nodes.iter().rev() {
            let left = node.read(self.size, tiles)?;
            over = Some(over.map_or(left, |right| node_hash(&left, &right)));
        }
        Ok(over.expect("a sibling is over one leaf at least"))
    }
}

impl Node {
    fn tile(self, size: u64) -> Tile {
        let level = self.height / WIDTH_BITS;
        Tile::of(Row::Hashes(level), self.index << (self.height % WIDTH_BITS), size)
    }

    /// Its hash: in the tile, or over what is in it.
    fn read(self, size: u64, tiles: &BTreeMap<Tile, Vec<u8>>) -> Result<Digest> {
        let tile = self.tile(size);
        let bytes = tiles.get(&tile).ok_or_else(|| tile.refuse("it is not there"))?;
        tile.check_log_tile(bytes)?;
        let count = 1_u64 << (self.height % WIDTH_BITS);
        let first = (self.index * count) % WIDTH;
        let hashes = bytes.as_chunks().0.iter().map(|hash| Digest::from_bytes(*hash));
        let skipped = usize::try_from(first).unwrap_or(usize::MAX);
        let taken = usize::try_from(count).unwrap_or(usize::MAX);
        let mut row: Vec<Digest> = hashes.skip(skipped).take(taken).collect();
        while row.len() > 1 {
            row = row.as_chunks().0.iter().map(|[left, right]| node_hash(left, right)).collect();
        }
        row.pop().ok_or_else(|| tile.refuse("it is too short"))
    }
}

/// The perfect trees, largest first, that the leaves from `from` to before `to` make; `from` is a multiple of a power of
/// two that is not less than their number.
fn perfect(mut from: u64, to: u64) -> Vec<Node> {
    let mut nodes = Vec::new();
    while from < to {
        let height = from.trailing_zeros().min((to - from).ilog2());
        nodes.push(Node { height, index: from >> height });
        from += 1 << height;
    }
    nodes
}

/// Hashes in a whole tile, entries in a whole bundle.
const WIDTH: u64 = 1 << WIDTH_BITS;
const WIDTH_BITS: u32 = 8;
/// Bytes of a hash.
const HASH: u64 = 32;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::format::log::{Entry, merkle};

    #[test]
    fn paths_are_those_of_the_specification() {
        let tile = |row, index, width| Tile { row, index, width }.path();
        assert_eq!(tile(Row::Hashes(0), 0, 5), "tile/0/000.p/5");
        assert_eq!(tile(Row::Hashes(0), 1_234_067, 256), "tile/0/x001/x234/067");
        assert_eq!(tile(Row::Hashes(1), 1_067, 255), "tile/1/x001/067.p/255");
        assert_eq!(tile(Row::Hashes(5), 1_000_000, 1), "tile/5/x001/x000/000.p/1");
        assert_eq!(tile(Row::Entries, 999, 256), "tile/entries/999");
        assert_eq!(tile(Row::Entries, 1_000, 7), "tile/entries/x001/000.p/7");
    }

    /// The specification's example: a tree of 70,000 leaves has these partial tiles.
    #[test]
    fn partial_tiles_follow_from_the_size() {
        const SIZE: u64 = 70_000;
        assert_eq!(Tile::of(Row::Hashes(0), SIZE - 1, SIZE).path(), "tile/0/273.p/112");
        assert_eq!(Tile::of(Row::Hashes(0), 69_887, SIZE).path(), "tile/0/272");
        assert_eq!(Tile::of(Row::Hashes(1), 272, SIZE).path(), "tile/1/001.p/17");
        assert_eq!(Tile::of(Row::Hashes(1), 255, SIZE).path(), "tile/1/000");
        assert_eq!(Tile::of(Row::Hashes(2), 0, SIZE).path(), "tile/2/000.p/1");
        assert_eq!(Tile::with_entry(SIZE - 1, SIZE).unwrap().path(), "tile/entries/273.p/112");
        assert_eq!(Tile::with_entry(SIZE, SIZE), None);
        assert_eq!(Tile::with_entry(255, 256).unwrap().path(), "tile/entries/000");
        assert_eq!(Tile::with_entry(0, 1).unwrap().whole().unwrap().path(), "tile/entries/000");
        assert_eq!(Tile::with_entry(0, 256).unwrap().whole(), None);
        assert!(Inclusion::of(SIZE, SIZE).is_none() && Inclusion::of(0, 0).is_none());
    }

    /// A file of the log that rekor-tiles kept.
    fn stored(path: &str) -> Vec<u8> {
        let store = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/log/recorded/v2-store/ec.log.test");
        fs::read(store.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// rekor-tiles gave these proofs itself, when the log was as large.
    #[test]
    fn proofs_are_those_that_the_log_gave() {
        let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/log/recorded/v2-http.json");
        let recorded: serde_json::Value = serde_json::from_slice(&fs::read(recorded).unwrap()).unwrap();
        for (name, size) in [("ec-a-artifact", 1), ("ec-b-dsse-pae", 2), ("ec-resigned-same-digest", 3)] {
            let reply = recorded[name]["response"].as_str().unwrap().split_once("\r\n\r\n").unwrap().1;
            let entry = Entry::read_reply(reply.as_bytes()).unwrap();
            let proof = entry.proof.unwrap();
            assert_eq!(proof.size, size);
            let inclusion = Inclusion::of(proof.index, size).unwrap();
            let tiles = inclusion.tiles().into_iter().map(|tile| (tile, stored(&tile.path()))).collect();
            assert_eq!(inclusion.hashes(&tiles).unwrap(), proof.hashes, "{name}");
            let bundle = Tile::with_entry(proof.index, size).unwrap();
            assert_eq!(bundle.body(proof.index, &stored(&bundle.path())).unwrap(), entry.body, "{name}");
        }
    }

    #[test]
    fn every_entry_of_a_real_log_is_in_its_tree() {
        let note = String::from_utf8(stored("checkpoint")).unwrap();
        let checkpoint = super::super::note::Checkpoint::parse(&note).unwrap();
        for index in 0..checkpoint.size() {
            let inclusion = Inclusion::of(index, checkpoint.size()).unwrap();
            let tiles = inclusion.tiles().into_iter().map(|tile| (tile, stored(&tile.path()))).collect();
            let hashes = inclusion.hashes(&tiles).unwrap();
            let bundle = Tile::with_entry(index, checkpoint.size()).unwrap();
            let bytes = stored(&bundle.path());
            let leaf = merkle::leaf_hash(bundle.body(index, &bytes).unwrap());
            assert_eq!(merkle::root(index, checkpoint.size(), leaf, &hashes), Some(checkpoint.root()));
        }
    }

    #[test]
    fn bytes_that_are_no_tile_are_refused() {
        let bundle = Tile::with_entry(2, 4).unwrap();
        let bytes = stored("tile/entries/000.p/4");
        bundle.body(2, &bytes).unwrap();
        let longer = [&bytes[..], &[0]].concat();
        for (index, bytes) in
            [(2, &bytes[..bytes.len() - 1]), (2, &longer), (2, &[]), (4, &bytes), (2, &bytes[..1])]
        {
            let error = bundle.body(index, bytes).unwrap_err();
            assert_eq!(error.check(), Check::LogTile);
            assert_eq!(error.at(), "tile/entries/000.p/4");
        }
        let inclusion = Inclusion::of(0, 4).unwrap();
        let tile = *inclusion.tiles().first().unwrap();
        let good = stored("tile/0/000.p/4");
        inclusion.hashes(&BTreeMap::from([(tile, good.clone())])).unwrap();
        for bad in [&good[..127], &[&good[..], &[0]].concat(), &[]] {
            let refused = inclusion.hashes(&BTreeMap::from([(tile, bad.to_vec())])).unwrap_err();
            assert_eq!(refused.check(), Check::LogTile);
        }
        assert_eq!(inclusion.hashes(&BTreeMap::new()).unwrap_err().check(), Check::LogTile);
    }

    #[test]
    fn a_partial_one_is_the_beginning_of_the_whole() {
        for (part, whole) in
            [("tile/entries/000.p/3", "tile/entries/000.p/4"), ("tile/0/000.p/3", "tile/0/000.p/4")]
        {
            let tile = if part.contains("entries") {
                Tile::with_entry(0, 3).unwrap()
            } else {
                Tile::of(Row::Hashes(0), 0, 3)
            };
            assert_eq!(tile.path(), part);
            assert_eq!(tile.beginning(&stored(whole)).unwrap(), stored(part));
            for short in [&[][..], &[1], &[0xff; 40], &stored(part)[..70]] {
                assert_eq!(tile.beginning(short).unwrap_err().check(), Check::LogTile);
            }
        }
    }

    /// Leaves of a tree, and a tree that is hashed as RFC 6962 2.1 says it, without tiles.
    static LEAVES: LazyLock<Vec<Digest>> =
        LazyLock::new(|| (0..70_500_u32).map(|number| merkle::leaf_hash(&number.to_be_bytes())).collect());

    fn mth(leaves: &[Digest]) -> Digest {
        match leaves {
            [] => Digest::of(b""),
            [only] => *only,
            _ => {
                let (left, right) = leaves.split_at(split(leaves.len()));
                node_hash(&mth(left), &mth(right))
            }
        }
    }

    /// PATH(m, D\[n\]) of RFC 6962 2.1.1.
    fn path(index: usize, leaves: &[Digest]) -> Vec<Digest> {
        if leaves.len() == 1 {
            return Vec::new();
        }
        let (left, right) = leaves.split_at(split(leaves.len()));
        let (mut below, beside) = match index.checked_sub(left.len()) {
            None => (path(index, left), mth(right)),
            Some(index) => (path(index, right), mth(left)),
        };
        below.push(beside);
        below
    }

    fn split(length: usize) -> usize {
        length.next_power_of_two() / 2
    }

    /// The hashes of each row of tiles.
    static ROWS: LazyLock<[Vec<Digest>; 3]> = LazyLock::new(|| {
        let row = |under| LEAVES.chunks_exact(under).map(mth).collect();
        [row(1), row(256), row(65_536)]
    });

    /// The bytes of a tile, by its definition.
    fn bytes(tile: Tile) -> Vec<u8> {
        let Row::Hashes(level) = tile.row else { panic!("a tile of hashes") };
        let first = usize::try_from(tile.index).unwrap() * 256;
        let end = first + usize::try_from(tile.width).unwrap();
        let row = &ROWS[usize::try_from(level).unwrap()];
        row[first..end].iter().flat_map(|hash| *hash.as_bytes()).collect()
    }

    fn check(index: usize, size: usize) {
        let inclusion =
            Inclusion::of(u64::try_from(index).unwrap(), u64::try_from(size).unwrap()).expect("a leaf");
        let tiles = inclusion.tiles().into_iter().map(|tile| (tile, bytes(tile))).collect();
        assert_eq!(inclusion.hashes(&tiles).unwrap(), path(index, &LEAVES[..size]), "{index} of {size}");
    }

    #[test]
    fn small_trees_and_the_edges_of_rows() {
        for size in 1..=20 {
            for index in 0..size {
                check(index, size);
            }
        }
        for size in [255, 256, 257, 511, 512, 513, 768] {
            for index in [0, 254, 255, 256, size / 2, size - 1] {
                if index < size {
                    check(index, size);
                }
            }
        }
        for size in [65_535, 65_536, 65_537, 65_793] {
            check(size / 2, size);
            check(size - 1, size);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn proofs_are_those_of_a_plain_tree((size, index) in (1..70_500_usize).prop_flat_map(|size| (Just(size), 0..size))) {
            check(index, size);
        }

        /// Of trees of any size: as many hashes as the verifier wants, from few tiles.
        #[test]
        fn no_proof_needs_many_tiles((size, index) in (1..=limits::INTEGER).prop_flat_map(|size| (Just(size), 0..size))) {
            let inclusion = Inclusion::of(index, size).unwrap();
            let tiles = inclusion.tiles();
            prop_assert!(tiles.len() <= 2 * 7, "{}", tiles.len());
            let all = tiles.iter().map(|tile| (*tile, vec![0; usize::try_from(tile.width * HASH).unwrap()])).collect();
            let hashes = inclusion.hashes(&all).unwrap();
            prop_assert!(merkle::root(index, size, Digest::of(b""), &hashes).is_some());
        }
    }
}
