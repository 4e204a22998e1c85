//! `docs/from-cosign.md`: every command of its tables, top to bottom, each cosign's and ours. Names of places are replaced,
//! and what a person would type or hold is given to `coldsign-signer`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::documented::blocks;
use crate::registries::{SINGLE, push};
use crate::support::{Outcome, Sandbox, repository};
use crate::tools::{COSIGNS, Kind, Registry, all_there, find, tool};

const PAGE: &str = "docs/from-cosign.md";

/// The heading of a table of commands.
const HEADING: &str = "| flow | cosign | runs on | coldsign | what differs |";

/// A row of a table of commands.
struct Row {
    flow: String,
    cosign: Vec<String>,
    /// The cosigns that take the command; both others refuse it.
    runs_on: String,
    coldsign: Vec<String>,
}

#[test]
fn every_command_with_cosign_2() {
    walk("cosign2", "2.6");
}

#[test]
fn every_command_with_cosign_3() {
    walk("cosign3", "3.1");
}

fn walk(cosign: &str, version: &str) {
    if !all_there(&["crane", "skopeo", "olareg"]) || !all_there(COSIGNS) {
        return;
    }
    let sandbox = Sandbox::new();
    let registry = Registry::serve(&sandbox, Kind::Olareg);
    push(&sandbox, "single", &format!("{}/app", registry.address()));
    programs(&sandbox, cosign);
    let [block] = &*blocks(PAGE, "sh") else { panic!("the page has one block") };
    run(&sandbox, &registry, "", block).unwrap_or_else(|outcome| panic!("{outcome}"));
    // The variables of the block are there for every command.
    let settings: Vec<&str> = block.lines().take_while(|line| line.contains("=\"")).collect();
    assert_eq!(settings.len(), 2, "{block}");
    let settings = settings.join("\n");

    let rows = rows();
    assert!(rows.len() >= 30, "{} rows", rows.len());
    let mut wrong = Vec::new();
    for row in rows {
        let named = row.runs_on.split(", ").any(|named| named == version);
        assert!(named || matches!(&*row.runs_on, "" | "none" | "2.6" | "3.1"), "{}", row.runs_on);
        assert_eq!(row.cosign.is_empty(), row.runs_on.is_empty(), "{}", row.flow);
        for command in &row.cosign {
            match run(&sandbox, &registry, &settings, command) {
                Err(outcome) if named => wrong.push(format!("{}: {command}\n{outcome}", row.flow)),
                Ok(outcome) if !named => {
                    wrong.push(format!("{}: it is not refused: {command}\n{outcome}", row.flow));
                }
                _ => {}
            }
        }
        for command in &row.coldsign {
            if let Err(outcome) = run(&sandbox, &registry, &settings, command) {
                wrong.push(format!("{}: {command}\n{outcome}", row.flow));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A command as the page has it, by a shell.
fn run(sandbox: &Sandbox, registry: &Registry, settings: &str, command: &str) -> Result<Outcome, Outcome> {
    let command = command
        .replace("registry.example", registry.address())
        .replace("sha256:DIGEST", &format!("sha256:{SINGLE}"));
    let path = format!("{}:{}", sandbox.path("bin").display(), std::env::var("PATH").unwrap_or_default());
    let outcome = tool(sandbox, "sh")
        .args(["-c", &format!("set -eu\n{settings}\n{command}")])
        .env("PATH", path)
        .env("COSIGN_PASSWORD", PASSPHRASE)
        .run();
    if outcome.code() == Some(0) { Ok(outcome) } else { Err(outcome) }
}

/// The programs that the page names. `coldsign-signer` gets what somebody at the sealed machine would give it.
fn programs(sandbox: &Sandbox, cosign: &str) {
    sandbox.write("pass", format!("{PASSPHRASE}\n"));
    let script = |name: &str, text: String| {
        let name = format!("bin/{name}");
        sandbox.write(&name, format!("#!/bin/sh\n{text}\n"));
        fs::set_permissions(sandbox.path(&name), fs::Permissions::from_mode(0o755)).expect("it is ours");
    };
    let installed = |name: &str| find(name).expect("it was asked whether it is there").display().to_string();
    script("cosign", format!("exec '{}' \"$@\"", installed(cosign)));
    script("crane", format!("exec '{}' \"$@\"", installed("crane")));
    script("coldsign", format!("exec '{}' \"$@\"", env!("CARGO_BIN_EXE_coldsign")));
    let signer = env!("CARGO_BIN_EXE_coldsign-signer");
    let given = r#"case "$1 ${2:-}" in
init*) set -- "$@" ;;
sign*) set -- "$@" --approve "$(coldsign inspect --digest "$2")" --allow-swap --passphrase-file pass ;;
"key import" | "key export")
    set -- "$@" --allow-swap --passphrase-file pass --new-passphrase-file pass ;;
*) set -- "$@" --allow-swap --passphrase-file pass ;;
esac"#;
    script("coldsign-signer", format!("{given}\nCOLDSIGN_HOME=home exec '{signer}' \"$@\""));
}

const PASSPHRASE: &str = "a passphrase for the test";

/// Every row of every table of commands, in the page's order.
fn rows() -> Vec<Row> {
    let page = fs::read_to_string(repository().join(PAGE)).expect("the page is there");
    let mut rows = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if line != HEADING {
            continue;
        }
        for line in lines.by_ref().skip(1).take_while(|line| line.starts_with('|')) {
            // A bar in a command is escaped, as everywhere in a table.
            let line = line.replace("\\|", "\0");
            let cells: Vec<String> = line.split('|').map(|cell| cell.trim().replace('\0', "|")).collect();
            let [_, flow, cosign, runs_on, coldsign, _differs, _] = &*cells else {
                panic!("a row has five cells: {line}")
            };
            rows.push(Row {
                flow: flow.clone(),
                cosign: commands(cosign),
                runs_on: runs_on.clone(),
                coldsign: commands(coldsign),
            });
        }
    }
    rows
}

/// A cell holds nothing but commands.
fn commands(cell: &str) -> Vec<String> {
    let commands = cell.split("<br>").filter(|command| !command.is_empty());
    let bare = |command: &str| {
        let inner = command.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
        inner.unwrap_or_else(|| panic!("not a command: {command}")).to_owned()
    };
    commands.map(bare).collect()
}
