//! The file format under attack: each file of `fixtures/hostile` has exactly one defect, its stem is the check that must
//! refuse it, and the same file without the defect is accepted (docs/format.md, docs/verification.md).
//!
//! The files are written by `forge`, which shares no code with `coldsign`; `COLDSIGN_BLESS=1` writes them again,
//! otherwise they must be what it writes, byte for byte.

mod accepted;
mod cases;
mod forge;
mod kinds;
mod large;
#[path = "../support/log.rs"]
mod log;
mod logged;
mod plans;
mod properties;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use bytes::Bytes;
use coldsign::check::Check;
use coldsign::error::Result;
use coldsign::response::Response;

/// The verdict over a file as a reader of responses has it.
fn judge(bytes: &[u8], wanted: Check) -> Result<Response> {
    let response = Response::read(&Bytes::copy_from_slice(bytes))?;
    if wanted == Check::ResponseAbsent {
        response.check_response_absent()?;
    }
    Ok(response)
}

/// `item-list.child-order.tar` is ITEM-LIST's.
fn check_of(stem: &str) -> Check {
    let id = stem.split('.').next().unwrap_or_default().to_uppercase();
    *Check::ALL.iter().find(|check| check.id() == id).unwrap_or_else(|| panic!("no check {id}: {stem}"))
}

fn fixtures(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

fn blessing() -> bool {
    std::env::var_os("COLDSIGN_BLESS").is_some_and(|value| value == "1")
}

/// Writes the files of a folder when blessing; then demands that they are these and no others.
fn hold(folder: &str, files: &BTreeMap<String, Vec<u8>>) {
    let folder = fixtures(folder);
    if blessing() {
        std::fs::create_dir_all(&folder).expect("the checkout is writable");
        for (name, bytes) in files {
            std::fs::write(folder.join(name), bytes).expect("the checkout is writable");
        }
    }
    let found: BTreeSet<String> = std::fs::read_dir(&folder)
        .expect("the fixtures are there")
        .map(|entry| entry.expect("they can be read").file_name().to_string_lossy().into_owned())
        .collect();
    let wanted: BTreeSet<String> = files.keys().cloned().collect();
    let differ: Vec<&String> = found.symmetric_difference(&wanted).collect();
    assert!(
        differ.is_empty(),
        "files without a case, or cases without a file (COLDSIGN_BLESS=1): {differ:?}"
    );
    for (name, bytes) in files {
        let there = std::fs::read(folder.join(name)).expect("it can be read");
        assert!(there == *bytes, "{name} is not what the forge writes (COLDSIGN_BLESS=1 writes it again)");
    }
}

#[test]
fn each_is_refused_by_its_check_and_its_neighbour_is_accepted() {
    let mut files = BTreeMap::new();
    let mut accepted = BTreeSet::new();
    let mut wrong = Vec::new();
    for case in cases::all() {
        let wanted = check_of(&case.stem);
        let neighbour = case.neighbour.write();
        if accepted.insert(neighbour.clone()) {
            let neighbour_wanted = if wanted == Check::ResponseAbsent { wanted } else { Check::FileKind };
            if let Err(error) = judge(&neighbour, neighbour_wanted) {
                wrong.push(format!(
                    "{}: the neighbour is refused: {error} {:?}",
                    case.stem,
                    error.details().collect::<Vec<_>>()
                ));
            }
        }
        let hostile = case.hostile.write();
        assert!(hostile != neighbour, "{}: no defect", case.stem);
        match judge(&hostile, wanted) {
            Err(error) if error.check() == wanted && error.exit() == wanted.exit() => {}
            Err(error) => {
                wrong.push(format!("{}: {error} {:?}", case.stem, error.details().collect::<Vec<_>>()));
            }
            Ok(_) => wrong.push(format!("{}: accepted", case.stem)),
        }
        assert!(files.insert(format!("{}.tar", case.stem), hostile).is_none(), "{} twice", case.stem);
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), files.len(), wrong.join("\n"));
    hold("hostile", &files);
}

/// Checks whose hostile files are too large to keep: `large` makes them in memory.
const LARGE: [Check; 7] = [
    Check::FileSize,
    Check::ArchiveBlobs,
    Check::BlobSize,
    Check::JsonSize,
    Check::RequestSize,
    Check::ResponseKeys,
    Check::PredicateSize,
];

#[test]
fn each_check_of_a_file_has_a_fixture() {
    let hops = ["archive", "json", "self-consistency", "evidence", "signatures"];
    let with: BTreeSet<Check> = cases::all().iter().map(|case| check_of(&case.stem)).collect();
    for check in Check::ALL.iter().filter(|check| hops.contains(&check.hop())) {
        assert!(
            with.contains(check) != LARGE.contains(check),
            "{check}: a fixture, or a reason why there is none"
        );
    }
}
