//! The documentation says what the code does: tables are rendered from it, ids and test names exist, links lead
//! somewhere, and each check that is promised is enforced and has a test that sees it refuse.
//!
//! `COLDSIGN_BLESS=1 cargo test --test docs` writes the rendered parts again.

#[path = "support/mod.rs"]
mod support;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use coldsign::check::Check;
use coldsign::exit::Exit;

use support::{blessing, repository};

/// The rendered part of a page stands between these lines.
const BEGIN: &str = "<!-- rendered from the code: COLDSIGN_BLESS=1 cargo test --test docs -->";
const END: &str = "<!-- end of the rendered part -->";

/// Checks that are not enforced yet or that no test sees refusing, each with the reason.
const EXCEPTIONS: &str = "tests/docs/exceptions.txt";

/// Names of tests that the threat model may cite have at least so many words.
const WORDS_OF_A_TEST: usize = 4;

#[test]
fn exit_codes_are_those_of_the_code() {
    let mut table = String::from("| code | meaning | checks |\n| ---: | --- | --- |\n");
    for exit in Exit::ALL {
        let checks: Vec<_> = Check::ALL
            .iter()
            .filter(|check| check.exit() == *exit)
            .map(|check| format!("`{check}`"))
            .collect();
        writeln!(table, "| {} | {} | {} |", exit.code(), cell(exit.meaning()), checks.join(" "))
            .expect("writing to a string");
    }
    rendered("docs/exit-codes.md", &table);
}

#[test]
fn verification_page_is_the_table_of_checks() {
    let mut page = String::new();
    let mut hop = "";
    for check in Check::ALL {
        if check.hop() != hop {
            hop = check.hop();
            writeln!(page, "\n## {hop}\n\n| check | exit | what must hold |\n| --- | ---: | --- |")
                .expect("writing to a string");
        }
        writeln!(page, "| `{check}` | {} | {} |", check.exit().code(), cell(check.rule()))
            .expect("writing to a string");
    }
    rendered("docs/verification.md", page.trim_start());
}

#[test]
fn every_check_is_enforced_and_tested() {
    let sources = Sources::read();
    let mut problems = BTreeSet::new();
    for check in Check::ALL {
        if !sources.program.names(*check) {
            problems.insert(format!("unenforced {check}"));
        }
        if !sources.tests.names(*check) {
            problems.insert(format!("untested {check}"));
        }
    }
    let path = repository().join(EXCEPTIONS);
    let text = fs::read_to_string(&path).expect("the exceptions are there");
    let is_stale = |line: &str| {
        let problem = line.splitn(3, ' ').take(2).collect::<Vec<_>>().join(" ");
        !line.starts_with('#') && !line.is_empty() && !problems.contains(&problem)
    };
    if blessing() {
        // Only forgets what is no longer true; a new exception is written by a person, with its reason.
        let kept: String =
            text.lines().filter(|line| !is_stale(line)).flat_map(|line| [line, "\n"]).collect();
        fs::write(&path, kept).expect("the checkout is writable");
        return;
    }
    let stale: Vec<_> = text.lines().filter(|line| is_stale(line)).collect();
    let excepted: BTreeSet<_> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let mut words = line.splitn(3, ' ');
            let (problem, id, reason) = (words.next()?, words.next()?, words.next()?);
            (!reason.trim().is_empty()).then(|| format!("{problem} {id}"))
        })
        .collect();
    let missing: Vec<_> = problems.difference(&excepted).collect();
    assert!(
        missing.is_empty() && stale.is_empty(),
        "without exception: {missing:#?}\nstale exceptions: {stale:#?}"
    );
}

#[test]
fn ids_and_tests_that_pages_name_exist() {
    let sources = Sources::read();
    let ids: BTreeSet<_> = Check::ALL.iter().map(|check| check.id()).collect();
    let mut wrong = String::new();
    for page in pages() {
        for word in quoted(&read(&page)) {
            let is_id = word.contains('-')
                && word.starts_with(|first: char| first.is_ascii_uppercase())
                && word
                    .bytes()
                    .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'-');
            if is_id && !ids.contains(word.as_str()) {
                writeln!(wrong, "{}: no such check: {word}", page.display()).expect("writing to a string");
            }
            let is_name =
                word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
            let is_test =
                is_name && word.split('_').count() >= WORDS_OF_A_TEST && page.ends_with("threat-model.md");
            if is_test && !sources.tests.text.contains(&format!("fn {word}(")) {
                writeln!(wrong, "{}: no such test: {word}", page.display()).expect("writing to a string");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// `FILE::NAME` in a page is a function of `tests/FILE.rs`.
#[test]
fn tests_that_pages_name_by_their_file_exist() {
    let mut named = 0;
    let mut wrong = String::new();
    for page in pages() {
        for word in quoted(&read(&page)) {
            let Some((file, name)) = word.split_once("::") else { continue };
            let is_word = |text: &str| {
                !text.is_empty()
                    && text.bytes().all(|byte| {
                        byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_/".contains(&byte)
                    })
            };
            if !is_word(file) || !is_word(name) {
                continue;
            }
            named += 1;
            let text = fs::read_to_string(repository().join("tests").join(format!("{file}.rs")));
            if !text.is_ok_and(|text| text.contains(&format!("fn {name}("))) {
                writeln!(wrong, "{}: no such test: {word}", page.display()).expect("writing to a string");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(named >= 40, "the control: {named}");
}

#[test]
fn links_lead_to_files() {
    let mut wrong = String::new();
    for page in pages() {
        let folder = page.parent().expect("a page is in a folder");
        let text = read(&page);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = target.split('#').next().unwrap_or_default();
            let outside = target.contains("://") || file.is_empty();
            if !outside && !folder.join(file).exists() {
                writeln!(wrong, "{}: {target}", page.display()).expect("writing to a string");
            }
        }
    }
    assert!(wrong.is_empty(), "links that lead nowhere:\n{wrong}");
}

#[test]
fn every_page_is_in_the_reading_order() {
    let order = read(&repository().join("docs/README.md"));
    for page in pages() {
        let name = page.file_name().expect("a page has a name").to_string_lossy().into_owned();
        let listed = name == "README.md" || order.contains(&format!("({name})"));
        assert!(listed, "docs/README.md does not list {name}");
    }
}

#[test]
fn readme_has_one_command_for_each_of_its_promises() {
    let readme = read(&repository().join("README.md"));
    for heading in ["## Quick start", "## Tests"] {
        let section =
            readme.split(&format!("\n{heading}\n")).nth(1).unwrap_or_else(|| panic!("no {heading}"));
        let block = section.split("```").nth(1).unwrap_or_else(|| panic!("{heading} has no block"));
        let commands: Vec<_> = block.lines().skip(1).filter(|line| !line.trim().is_empty()).collect();
        assert_eq!(commands.len(), 1, "{heading}: {commands:?}");
    }
}

#[test]
fn minimum_rust_is_stated_and_enough_for_every_dependency() {
    let stated = version(env!("CARGO_PKG_RUST_VERSION"));
    let readme = read(&repository().join("README.md"));
    assert!(
        readme.contains(&format!("Rust {}", env!("CARGO_PKG_RUST_VERSION"))),
        "README states another minimum"
    );
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--locked",
            "--offline",
            "--format-version",
            "1",
            "--filter-platform",
            "x86_64-unknown-linux-gnu",
        ])
        .current_dir(repository())
        .output()
        .expect("cargo runs");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let packages =
        metadata.pointer("/packages").and_then(serde_json::Value::as_array).expect("it lists packages");
    assert!(packages.len() > 50, "the control: dependencies are listed");
    for package in packages {
        let member = |name: &str| package.get(name).and_then(serde_json::Value::as_str).unwrap_or_default();
        let needs = member("rust_version");
        assert!(version(needs) <= stated, "{} {} needs Rust {needs}", member("name"), member("version"));
    }
}

/// Compares the rendered part of a page, or writes it.
fn rendered(page: &str, expected: &str) {
    let path = repository().join(page);
    let text = read(&path);
    let (before, rest) =
        text.split_once(BEGIN).unwrap_or_else(|| panic!("{page} has no place for the rendered part"));
    let (found, after) =
        rest.split_once(END).unwrap_or_else(|| panic!("{page} has no end of the rendered part"));
    let expected = format!("\n\n{}\n\n", expected.trim_end());
    if blessing() {
        fs::write(&path, format!("{before}{BEGIN}{expected}{END}{after}")).expect("the checkout is writable");
    } else if found != expected {
        let (found, expected): (BTreeSet<_>, BTreeSet<_>) =
            (found.lines().collect(), expected.lines().collect());
        let new: Vec<_> = expected.difference(&found).collect();
        let old: Vec<_> = found.difference(&expected).collect();
        panic!(
            "{page}: COLDSIGN_BLESS=1 cargo test --test docs\nthe code says {new:#?}\nthe page says {old:#?}"
        );
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}

fn version(text: &str) -> Vec<u64> {
    let mut parts: Vec<u64> = text.split('.').map(|part| part.parse().unwrap_or(0)).collect();
    parts.resize(3, 0);
    parts
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// README.md and the pages of docs/.
fn pages() -> Vec<PathBuf> {
    let mut pages = Vec::new();
    files(&repository().join("docs"), &mut pages);
    pages.retain(|page| page.extension().is_some_and(|extension| extension == "md"));
    pages.push(repository().join("README.md"));
    pages
}

/// What stands between single backticks.
fn quoted(text: &str) -> Vec<String> {
    let outside_blocks: Vec<_> = text.split("```").step_by(2).collect();
    outside_blocks.iter().flat_map(|part| part.split('`').skip(1).step_by(2)).map(str::to_owned).collect()
}

/// The text of programs and of tests, apart.
struct Sources {
    program: Corpus,
    tests: Corpus,
}

struct Corpus {
    text: String,
}

impl Sources {
    fn read() -> Self {
        let (mut program, mut tests) = (String::new(), String::new());
        let mut found = Vec::new();
        for folder in ["src", "tests", "fixtures"] {
            files(&repository().join(folder), &mut found);
        }
        for path in found {
            let below = path.strip_prefix(repository()).expect("it was found there").to_owned();
            let is = |extension: &str| below.extension().is_some_and(|found| found == extension);
            if below.starts_with("fixtures") {
                let stem = below.file_stem().unwrap_or_default().to_string_lossy().to_uppercase();
                writeln!(tests, " {} ", stem.split('.').next().unwrap_or_default())
                    .expect("writing to a string");
                if is("json") || is("txt") {
                    tests.push_str(&read(&path));
                }
            } else if below.starts_with("tests")
                || below.ends_with("tests.rs")
                || below.parent().is_some_and(|folder| folder.ends_with("tests"))
            {
                let counts = is("rs") && !below.ends_with("docs.rs");
                tests.push_str(&if counts { read(&path) } else { String::new() });
            } else if is("rs") && !below.ends_with("check.rs") {
                let text = read(&path);
                let (code, unit_tests) = text.split_once("#[cfg(test)]").unwrap_or((&text, ""));
                program.push_str(code);
                tests.push_str(unit_tests);
            }
        }
        Self { program: Corpus { text: program }, tests: Corpus { text: tests } }
    }
}

impl Corpus {
    /// Whether the check stands here, as its variant or by its id.
    fn names(&self, check: Check) -> bool {
        self.has(&format!("Check::{check:?}")) || self.has(check.id())
    }

    fn has(&self, word: &str) -> bool {
        let part_of_a_word = |next: Option<char>| {
            next.is_some_and(|next| next.is_ascii_alphanumeric() || next == '-' || next == '_')
        };
        self.text.match_indices(word).any(|(at, _)| {
            let before = self.text.get(..at).and_then(|text| text.chars().next_back());
            let after = self.text.get(at + word.len()..).and_then(|text| text.chars().next());
            !part_of_a_word(before) && !part_of_a_word(after)
        })
    }
}

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("the checkout can be read").path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}
