//! Published vectors: Merkle proofs of transparency-dev (RFC 6962), canonical JSON of the author of RFC 8785.
//!
//! `COLDSIGN_CASES` names the folder with the second ones (`jcs/testdata`); without it their test says that it was skipped.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coldsign::digest::Digest;
use coldsign::format::json::{Names, Value};
use coldsign::format::log::merkle;

/// Every vector of a proof of inclusion, by its own verdict.
#[test]
fn merkle_proofs() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/merkle/inclusion.json");
    let vectors: serde_json::Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let hash = |value: &serde_json::Value| -> Option<Digest> {
        let bytes = STANDARD.decode(value.as_str().unwrap()).unwrap();
        bytes.try_into().ok().map(Digest::from_bytes)
    };
    let (mut accepted, mut refused) = (0, 0);
    for vector in vectors.as_array().unwrap() {
        let hashes: Option<Vec<Digest>> =
            vector["proof"].as_array().into_iter().flatten().map(hash).collect();
        let (index, size) = (vector["leafIdx"].as_u64().unwrap(), vector["treeSize"].as_u64().unwrap());
        // What has no size of a hash does not come this far: no entry with such a proof can be read.
        let holds = || {
            let found = merkle::root(index, size, hash(&vector["leafHash"])?, &hashes?)?;
            Some(found == hash(&vector["root"])?)
        };
        let holds = holds().unwrap_or(false);
        assert_eq!(holds, vector["wantErr"] == false, "{vector}");
        *(if holds { &mut accepted } else { &mut refused }) += 1;
    }
    assert_eq!((accepted, refused), (6, 92));
}

/// Every leaf of every tree up to 66 leaves by the definitions of RFC 6962 2.1, which are no way to do it but plain. Neither
/// another index or size, nor one hash more, fewer or other leads to the root.
#[test]
fn merkle_proofs_by_definition() {
    let leaves: Vec<Digest> = (0_u8..66).map(|leaf| merkle::leaf_hash(&[leaf; 3])).collect();
    for size in 1..=leaves.len() {
        let tree = &leaves[..size];
        let root = tree_hash(tree);
        for index in 0..size {
            let path = audit_path(index, tree);
            let by = |index: usize, size: usize, path: &[Digest]| {
                merkle::root(index.try_into().unwrap(), size.try_into().unwrap(), tree[index], path)
            };
            assert_eq!(by(index, size, &path), Some(root), "leaf {index} of {size}");
            let longer = [&path[..], &[root]].concat();
            assert_eq!(by(index, size, &longer), None, "leaf {index} of {size}, one hash more");
            if let Some((_, shorter)) = path.split_last() {
                assert_eq!(by(index, size, shorter), None, "leaf {index} of {size}, one hash fewer");
            }
            for place in 0..path.len() {
                let mut other = path.clone();
                other[place] = merkle::leaf_hash(b"another");
                assert_ne!(by(index, size, &other), Some(root), "leaf {index} of {size}, hash {place}");
            }
            for other in (0..size).filter(|other| *other != index) {
                let found =
                    merkle::root(other.try_into().unwrap(), size.try_into().unwrap(), tree[index], &path);
                assert_ne!(found, Some(root), "leaf {index} of {size} as {other}");
            }
        }
        assert_eq!(merkle::root(size.try_into().unwrap(), size.try_into().unwrap(), root, &[]), None);
    }
    assert_eq!(merkle::root(0, 0, leaves[0], &[]), None);
    assert_eq!(merkle::root(u64::MAX, u64::MAX, leaves[0], &[]), None);
}

/// RFC 6962 2.1: MTH.
fn tree_hash(leaves: &[Digest]) -> Digest {
    if let [only] = leaves {
        return *only;
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    merkle::node_hash(&tree_hash(left), &tree_hash(right))
}

/// RFC 6962 2.1.1: PATH.
fn audit_path(index: usize, leaves: &[Digest]) -> Vec<Digest> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut path, sibling) = if index < left.len() {
        (audit_path(index, left), right)
    } else {
        (audit_path(index - left.len(), right), left)
    };
    path.push(tree_hash(sibling));
    path
}

/// The largest power of two below `size`.
fn split(size: usize) -> usize {
    size.next_power_of_two() / 2
}

/// What stands in `input` is written as it stands in `output`; what stands there is written as it is.
#[test]
fn canonical_json() {
    let Some(cases) = std::env::var_os("COLDSIGN_CASES") else {
        println!("skipped: COLDSIGN_CASES is not set; it names the folder that holds jcs/testdata");
        return;
    };
    let folder = Path::new(&cases).join("jcs/testdata");
    let mut names: Vec<String> = fs::read_dir(folder.join("input"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let wanted = ["arrays", "french", "structures", "unicode", "values", "weird"];
    assert_eq!(names, wanted.map(|name| format!("{name}.json")));
    for name in names {
        let read = |kind: &str| fs::read(folder.join(kind).join(&name)).unwrap();
        let output = read("output");
        let hex = fs::read_to_string(folder.join("outhex").join(&name).with_extension("txt")).unwrap();
        let hex: Vec<u8> =
            hex.split_ascii_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
        assert!(hex == output, "{name}: the vector's two forms");
        for text in [read("input"), output.clone()] {
            let value = Value::parse(&text, 16, Names::Exact).unwrap();
            assert_eq!(
                String::from_utf8(value.to_canonical()).unwrap(),
                String::from_utf8(output.clone()).unwrap(),
                "{name}"
            );
        }
    }
}
