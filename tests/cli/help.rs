//! Every help page: as it stands, in 80 columns of ASCII, exit 0, nothing on stderr.

use crate::support::Sandbox;

const COLDSIGN: &[&[&str]] = &[
    &[],
    &["export"],
    &["inspect"],
    &["import"],
    &["verify"],
    &["verify-attestation"],
    &["verify-blob"],
    &["verify-blob-attestation"],
    &["report"],
    &["report", "merge"],
    &["combine"],
    &["generate"],
    &["attach"],
    &["attach", "signature"],
    &["attach", "attestation"],
    &["extract"],
    &["triangulate"],
    &["download"],
    &["download", "signature"],
    &["download", "attestation"],
    &["public-key"],
    &["tree"],
    &["copy"],
    &["clean"],
    &["log"],
    &["log", "submit"],
    &["log", "add"],
    &["bundle"],
    &["bundle", "inspect"],
    &["trusted-root"],
    &["trusted-root", "create"],
    &["trusted-root", "inspect"],
];

const SIGNER: &[&[&str]] = &[
    &[],
    &["init"],
    &["self-test"],
    &["inspect"],
    &["sign"],
    &["key"],
    &["key", "generate"],
    &["key", "import"],
    &["key", "list"],
    &["key", "public"],
    &["key", "check"],
    &["key", "passphrase"],
    &["key", "uses"],
    &["key", "export"],
];

#[test]
fn every_page() {
    let sandbox = Sandbox::new();
    for (program, pages) in [("coldsign", COLDSIGN), ("coldsign-signer", SIGNER)] {
        for page in pages {
            let run = || if program == "coldsign" { sandbox.coldsign() } else { sandbox.signer() };
            let help = run().args(*page).arg("--help").expect(0);
            help.stderr("");
            for line in help.stdout_text().lines() {
                assert!(line.len() <= 80, "{} columns: {line}\n{help}", line.len());
                assert!(line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "not ASCII: {line:?}");
            }
            help.snapshot(&["help", program].iter().chain(*page).copied().collect::<Vec<_>>().join("-"));
            assert!(help.stdout_text().lines().all(|line| !line.ends_with(' ')), "blanks at the end\n{help}");
            // `help PAGE` is the same page. Pages stand in 80 columns whatever the terminal says.
            let same = run().arg("help").args(*page).env("COLUMNS", "200").expect(0);
            assert_eq!(same.stdout_text(), help.stdout_text());
        }
        // Every command of every level is among the pages above.
        for page in pages {
            let help = if program == "coldsign" { sandbox.coldsign() } else { sandbox.signer() };
            let help = help.args(*page).arg("--help").expect(0);
            let commands: Vec<&str> = help
                .stdout_text()
                .lines()
                .skip_while(|line| !line.starts_with("Commands:") && !line.starts_with("From images"))
                .take_while(|line| !line.starts_with("Options:"))
                .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
                .filter(|word| !word.is_empty() && *word != "help")
                .collect();
            for command in commands {
                let below: Vec<&str> = page.iter().copied().chain([command]).collect();
                assert!(pages.contains(&below.as_slice()), "{program} {below:?} has no snapshot");
            }
        }
    }
}

#[test]
fn nothing_and_nonsense_are_usage() {
    let sandbox = Sandbox::new();
    sandbox.coldsign().expect(2).stdout("");
    sandbox.signer().expect(2).stdout("");
    sandbox.coldsign().arg("\u{202e}x").expect(2).stderr_line("error: unrecognized subcommand '\\u{202e}x'");
    sandbox.coldsign().arg("exprot").expect(2).stdout("").snapshot("usage-unknown-command");
    sandbox.coldsign().arg("export").expect(2).stdout("").snapshot("usage-missing");
    let secret = sandbox.signer().args(["sign", "r.tar", "--passphrase", "hunter2hunter2"]).expect(2);
    secret.stdout("").never("hunter2hunter2");
}
