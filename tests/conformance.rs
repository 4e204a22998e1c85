//! sigstore-conformance's data, read in place: `COLDSIGN_CASES` names the folder that holds `conformance`; without it these
//! tests say that they were skipped.
//!
//! 1. Bundles by a key pass as a whole, by the suite's own protocol (`tests/peers/conformance`) and by exit codes.
//! 2. Of every bundle, by a key or by a certificate, each promise, proof, root and checkpoint is what
//!    `component-oracle.json` says, which was computed by another program.
//!
//! Where we say otherwise a row says why; a row that is not needed fails.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use coldsign::check::Check;
use coldsign::error::Error;
use coldsign::format::json::{Names, Value};
use coldsign::format::log::body::Body;
use coldsign::format::log::note::Checkpoint;
use coldsign::format::log::{Entry, Kind, merkle};
use coldsign::limits;
use coldsign::trust::{Log, Trust};
use coldsign::verify::log;

#[path = "support/mod.rs"]
mod support;

use support::{Outcome, Sandbox, fixture, repository};

/// The suite's data.
struct Suite {
    folder: PathBuf,
}

impl Suite {
    fn given() -> Option<Self> {
        let Some(cases) = std::env::var_os("COLDSIGN_CASES") else {
            println!("skipped: COLDSIGN_CASES is not set; it names the folder that holds conformance");
            return None;
        };
        Some(Self { folder: Path::new(&cases).join("conformance") })
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.join("assets/bundle-verify").join(path)
    }

    /// The public instance's trusted root: what a case without one is judged by.
    fn production(&self) -> PathBuf {
        self.folder.join("production_trusted_root.json")
    }

    /// Every folder with a bundle.
    fn names(&self) -> Vec<String> {
        let folders = fs::read_dir(self.at("")).unwrap().map(|entry| entry.unwrap());
        let folders = folders.filter(|entry| entry.path().join("bundle.sigstore.json").is_file());
        let mut names: Vec<String> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn trusted_root(&self, name: &str) -> PathBuf {
        let own = self.at(name).join("trusted_root.json");
        if own.is_file() { own } else { self.production() }
    }

    fn artifact(&self, name: &str) -> PathBuf {
        let own = self.at(name).join("artifact");
        if own.is_file() { own } else { self.at("a.txt") }
    }

    /// A run of the harness, with the arguments that the suite gives, in its order.
    fn ask(&self, sandbox: &Sandbox, name: &str, artifact: &str) -> Outcome {
        let mut words = vec!["--bundle".to_owned(), shown(&self.at(name).join("bundle.sigstore.json"))];
        let key = self.at(name).join("key.pub");
        if key.is_file() {
            words.extend(["--key".to_owned(), shown(&key)]);
        } else {
            let identity = ["--certificate-identity", "https://who.example", "--certificate-oidc-issuer"];
            words.extend(identity.map(str::to_owned));
            words.push("https://issuer.example".to_owned());
        }
        let own = self.at(name).join("trusted_root.json");
        if own.is_file() {
            words.extend(["--trusted-root".to_owned(), shown(&own)]);
        }
        words.push(artifact.to_owned());
        harness(sandbox)
            .env("COLDSIGN_PRODUCTION_ROOT", self.production())
            .arg("verify-bundle")
            .args(words)
            .run()
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn harness(sandbox: &Sandbox) -> support::Run<'_> {
    sandbox
        .program(repository().join("tests/peers/conformance"))
        .env("COLDSIGN", env!("CARGO_BIN_EXE_coldsign"))
}

fn sha256(path: &Path) -> String {
    coldsign::digest::Digest::of(&fs::read(path).unwrap()).to_string()
}

/// As the suite runs it: each case by the file and by its digest. 8 of 140 are by a key, one of the four folders to be
/// refused for want of one; what needs a certificate is refused by that name, whatever the suite wants.
#[test]
fn the_suite_by_its_own_protocol() {
    let Some(suite) = Suite::given() else { return };
    let sandbox = Sandbox::new();
    let (mut passed, mut by_certificate, mut wrong) = (0, 0, Vec::new());
    for name in suite.names() {
        let artifact = suite.artifact(&name);
        for artifact in [shown(&artifact), sha256(&artifact)] {
            let outcome = suite.ask(&sandbox, &name, &artifact);
            let accept = !name.ends_with("_fail");
            match outcome.code() {
                Some(0) if accept => passed += 1,
                Some(3) => {
                    outcome.stderr_line("not supported: --certificate-identity; [..]");
                    by_certificate += usize::from(accept);
                    passed += usize::from(!accept);
                }
                Some(10..) if !accept => passed += 1,
                _ => wrong.push(format!("{name}\n{outcome}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!((passed, by_certificate), (102, 38), "of 140");
}

/// The cases by a key, by the check that fires. The suite's wrong key is no point of its curve; a key that is one is ours.
#[test]
fn bundles_by_a_key() {
    let Some(suite) = Suite::given() else { return };
    let stranger = shown(&fixture("log/keys/img2.pub"));
    let happy = shown(&suite.at("managed-key-happy-path/key.pub"));
    for (name, key, refused) in [
        ("managed-key-happy-path", None, None),
        ("managed-key-happy-path", Some(&stranger), Some(Check::SigKey)),
        ("managed-key-and-trusted-root", None, None),
        ("managed-key-and-trusted-root", Some(&stranger), Some(Check::SigKey)),
        ("managed-key-wrong-key_fail", None, Some(Check::KeyFormat)),
        ("managed-key-wrong-key_fail", Some(&happy), None),
        ("managed-key-no-key_fail", Some(&happy), None),
    ] {
        let own = shown(&suite.at(name).join("key.pub"));
        let artifact = suite.artifact(name);
        for artifact in [shown(&artifact), sha256(&artifact)] {
            let sandbox = Sandbox::new();
            let outcome = sandbox
                .coldsign()
                .args(["verify-blob", "--log", "require", "--tsa", "if-present"])
                .args(["--key", key.unwrap_or(&own), "--trusted-root", &shown(&suite.trusted_root(name))])
                .args(["--bundle", &shown(&suite.at(name).join("bundle.sigstore.json")), &artifact])
                .run();
            let wanted = refused.map_or(0, |check: Check| i32::from(check.exit().code()));
            assert_eq!(outcome.code(), Some(wanted), "{name}\n{outcome}");
            if let Some(check) = refused {
                assert!(outcome.stderr_text().starts_with(&format!("error[{check}]: ")), "{name}\n{outcome}");
            }
        }
    }
    let sandbox = Sandbox::new();
    sandbox.coldsign().args(["verify-blob", "--bundle", &happy, "a.txt"]).expect(2);
}

/// The harness without the suite: it takes what is good, in both kinds of bundles, and refuses a stranger's key and what is
/// not its own.
#[test]
fn the_harness() {
    let sandbox = Sandbox::new();
    let at = |name: &str| shown(&fixture("log").join(name));
    let verify = |bundle: &str, key: &str, root: &str, what: &str| {
        let words = ["--bundle", bundle, "--key", key, "--trusted-root", root, what];
        harness(&sandbox).args(["verify-bundle", "--staging"]).args(words).run()
    };
    let (bundle, root) = (at("b/ec-blob-cosign.json"), at("roots/tr-ec.json"));
    let digest = sha256(&fixture("log/artifact.txt"));
    for what in [&at("artifact.txt"), &digest] {
        let good = verify(&bundle, &at("keys/img.pub"), &root, what);
        assert_eq!(good.code(), Some(0), "{good}");
        let by_stranger = verify(&bundle, &at("keys/img2.pub"), &root, what);
        assert_eq!(by_stranger.code(), Some(12), "{by_stranger}");
        by_stranger.stderr_line("error[SIG-KEY]: [..]");
        let of_no_log = verify(&bundle, &at("keys/img.pub"), &at("roots/tr-v1.json"), what);
        of_no_log.stderr_line("error[LOG-REQUIRED]: [..]");
    }
    // An envelope goes to the other command, by the type that it has. No log was asked for this one, which is the last thing
    // that is looked at.
    let golden = |name: &str| shown(&fixture("golden").join(name));
    let statement = fs::read(fixture("golden/attestation/statement.json")).unwrap();
    let statement: serde_json::Value = serde_json::from_slice(&statement).unwrap();
    let subject = format!("sha256:{}", statement["subject"][0]["digest"]["sha256"].as_str().unwrap());
    let envelope = golden("attestation/bundle.json");
    let not_logged = verify(&envelope, &golden("key.pub"), &root, &subject);
    not_logged.stderr_line("error[LOG-REQUIRED]: [..]");
    let by_stranger = verify(&envelope, &at("keys/img2.pub"), &root, &subject);
    by_stranger.stderr_line("error[SIG-KEY]: [..]");
    let of_another = verify(&envelope, &golden("key.pub"), &root, &digest);
    of_another.stderr_line("error[BUNDLE-SUBJECT]: [..]");

    let keyless = ["--certificate-identity", "me", "--certificate-oidc-issuer", "you", "file"];
    let words = ["verify-bundle", "--bundle", &bundle];
    harness(&sandbox).args(words).args(keyless).expect(3).stderr_line("not supported: [..]");
    let words = ["sign-bundle", "--identity-token", "t", "--bundle", "b", "file"];
    harness(&sandbox).args(words).expect(3).stderr_line("not supported: sign-bundle [..]");
    harness(&sandbox).args(["verify-bundle", "--bundle", &bundle, "file"]).expect(2);
}

/// A part of a log entry that stands alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// The bundle, or its trusted root, as something to be read.
    Read,
    /// The entry's body, by the rules of its kind.
    Body,
    /// The promise, by the log's key.
    Set,
    /// The proof and its checkpoint, as something to be read.
    Checkpoint,
    /// The proof, by its own root and size.
    Inclusion,
    /// The proof's root and size, by the checkpoint's.
    Root,
    /// The checkpoint's signatures: in Rekor v1 all are the log's, in v2 one is.
    Note,
}

impl Part {
    /// The checks that may say no.
    fn checks(self) -> &'static [Check] {
        match self {
            Self::Read => &[Check::LogSyntax, Check::JsonSyntax, Check::TrustMember],
            Self::Body => &[Check::LogBody, Check::LogKind],
            Self::Set => &[Check::LogSet],
            Self::Checkpoint => &[Check::LogProof, Check::LogCheckpoint],
            Self::Inclusion => &[Check::LogInclusion],
            Self::Root => &[Check::LogRoot],
            Self::Note => &[Check::LogNote, Check::LogOrigin],
        }
    }
}

/// Where we say no and the oracle yes.
const EXCEPTIONS: &[(&str, Part, Check, &str)] = &[
    (
        "bundle-negative-log-index_fail",
        Part::Read,
        Check::LogSyntax,
        "an index below zero is not read at all",
    ),
    (
        "trust-root-tlog-missing-validity-start_fail",
        Part::Read,
        Check::TrustMember,
        "a log's key without a start is refused with its root; the oracle does not look at windows",
    ),
    ("bundle-empty-certificate-chain_fail", Part::Body, Check::LogBody, SYNTHETIC),
    ("bundle-unknown-version_fail", Part::Body, Check::LogBody, SYNTHETIC),
    ("intoto-expired-certificate_fail", Part::Body, Check::LogBody, PAYLOAD),
    ("intoto-log-entry-mismatch_fail", Part::Body, Check::LogBody, PAYLOAD),
    ("intoto-missing-inclusion-proof_fail", Part::Body, Check::LogBody, PAYLOAD),
    ("intoto-set-outside-signing-cert-validity_fail", Part::Body, Check::LogBody, PAYLOAD),
    ("intoto-tsa-timestamp-outside-cert-validity_fail", Part::Body, Check::LogBody, PAYLOAD),
    ("intoto-with-custom-trust-root", Part::Body, Check::LogBody, PAYLOAD),
    ("rekor2-checkpoint-missing-origin_fail", Part::Checkpoint, Check::LogCheckpoint, LINES),
    ("rekor2-checkpoint-missing-root-hash_fail", Part::Checkpoint, Check::LogCheckpoint, LINES),
    ("rekor2-checkpoint-missing-size_fail", Part::Checkpoint, Check::LogCheckpoint, LINES),
    (
        "checkpoint-bad-keyhint_fail",
        Part::Note,
        Check::LogNote,
        "the signature is good and the line names another key; the oracle does not compare the id",
    ),
];

const SYNTHETIC: &str = "the body has a kind and nothing else; the oracle does not read bodies";
const PAYLOAD: &str = "the envelope has its payload, which Rekor leaves out of what it logs (pkg/types/intoto/v0.0.2, \
                       Canonicalize): one entry, one spelling. Keyless bundles, of a log that was made for the suite";
const LINES: &str =
    "a line is missing; the oracle takes lines by their places, finds another root and no signature";

/// What was compared.
#[derive(Default)]
struct Compared {
    wrong: Vec<String>,
    excepted: BTreeSet<(String, Part)>,
    /// Per part how often both said yes, and how often both no.
    agreed: std::collections::BTreeMap<Part, (usize, usize)>,
}

impl Compared {
    fn part<T>(&mut self, name: &str, part: Part, oracle: bool, ours: &Result<T, Error>) {
        let refused = ours.as_ref().err().map(Error::check);
        if let Some(check) = refused.filter(|check| !part.checks().contains(check)) {
            self.wrong.push(format!("{name}: {part:?} refused by {check}"));
        }
        let row = EXCEPTIONS.iter().find(|row| row.0 == name && row.1 == part);
        match (oracle, refused, row) {
            (true, None, _) => self.agreed.entry(part).or_default().0 += 1,
            (false, Some(_), _) => self.agreed.entry(part).or_default().1 += 1,
            (true, Some(check), Some(row)) if row.2 == check => {
                self.excepted.insert((name.to_owned(), part));
            }
            (_, refused, _) => {
                self.wrong.push(format!("{name}: {part:?}: the oracle says {oracle}, we say {refused:?}"));
            }
        }
    }

    fn entry(&mut self, name: &str, entry: &Entry, trust: &Trust, oracle: &serde_json::Value) {
        let kind = entry.kind.as_ref().unwrap();
        assert_eq!(oracle["kind"], format!("{}/{}", kind.kind, kind.version), "{name}");
        let log = trust.logs_of(entry.log_id).next();
        assert_eq!(oracle["log"] == "known", log.is_some(), "{name}");
        let body = Body::parse(&entry.body)
            .and_then(|(said, _)| if said == *kind { Ok(()) } else { Err(Error::new(Check::LogKind, said)) });
        self.part(name, Part::Body, true, &body);
        if let (Some(promise), Some(log)) = (&entry.promise, log) {
            let oracle = oracle["set"].as_bool().unwrap_or_else(|| panic!("{name} has no promise"));
            self.part(name, Part::Set, oracle, &log::check_log_set(entry, promise, log));
        } else {
            assert!(oracle.get("set").is_none(), "{name} has a promise");
        }
        let Some(proof) = &entry.proof else {
            assert!(oracle.get("proof").is_none(), "{name} has a proof");
            self.part(name, Part::Checkpoint, false, &log::check_log_proof(entry));
            return;
        };
        let leads = merkle::root(proof.index, proof.size, merkle::leaf_hash(&entry.body), &proof.hashes)
            == Some(proof.root);
        let leads = if leads { Ok(()) } else { Err(Error::new(Check::LogInclusion, "")) };
        let proved = oracle["proof"].as_bool().unwrap();
        self.part(name, Part::Inclusion, proved, &leads);
        let read = log::check_log_proof(entry);
        self.part(name, Part::Checkpoint, oracle.get("cp").is_none(), &read);
        let Ok((proof, checkpoint)) = read else { return };
        let same_root = oracle["cp_root"].as_bool().unwrap();
        self.part(name, Part::Root, same_root, &log::check_log_root(proof, &checkpoint));
        let whole = log::check_log_inclusion(proof.index, entry, proof, &checkpoint);
        assert_eq!(whole.is_ok(), proved && same_root, "{name}: by the checkpoint's root");
        if let Some(log) = log {
            self.note(name, entry, &checkpoint, log, oracle);
        }
        if Kind::is_v2(kind) && !name.ends_with("_fail") {
            assert_eq!(entry.index, proof.index, "{name}: its two indexes");
        }
    }

    /// Each line by the log's key, then what the lines are together.
    fn note(
        &mut self,
        name: &str,
        entry: &Entry,
        checkpoint: &Checkpoint,
        log: &Log,
        oracle: &serde_json::Value,
    ) {
        let lines: Vec<_> = checkpoint
            .lines()
            .iter()
            .map(|line| {
                let id = coldsign::digest::hex(&line.id);
                serde_json::json!([line.name, id, log.verifies_note(checkpoint.text(), &line.signature)])
            })
            .collect();
        assert_eq!(oracle["cp_sigs"], serde_json::Value::Array(lines.clone()), "{name}");
        let mut verdicts = lines.iter().map(|line| line[2] == true);
        let signed = if entry.kind.as_ref().unwrap().is_v2() {
            verdicts.any(|good| good)
        } else {
            verdicts.all(|good| good)
        };
        self.part(name, Part::Note, signed, &log::check_checkpoint(checkpoint, entry, log));
    }
}

#[test]
fn every_part_as_the_oracle_says() {
    let Some(suite) = Suite::given() else { return };
    let oracle: serde_json::Value =
        serde_json::from_slice(&fs::read(suite.folder.join("component-oracle.json")).unwrap()).unwrap();
    let mut compared = Compared::default();
    for name in suite.names() {
        let oracle = &oracle[&name];
        let bytes = fs::read(suite.at(&name).join("bundle.sigstore.json")).unwrap();
        let bundle = Value::parse(&bytes, limits::DEPTH_EVIDENCE, Names::Exact);
        let entries = bundle.and_then(|bundle| {
            Entry::read_all(bundle.get("verificationMaterial").and_then(|inner| inner.get("tlogEntries")))
        });
        let mut trust = Trust::default();
        let root = fs::read(suite.trusted_root(&name)).unwrap();
        let read = entries.and_then(|entries| trust.add_root(&root, "root").map(|()| entries));
        compared.part(&name, Part::Read, oracle != "malformed", &read);
        let Ok(entries) = read else { continue };
        let said = oracle.as_array().unwrap();
        assert_eq!(entries.len(), said.len(), "{name}");
        for (entry, said) in entries.iter().zip(said) {
            compared.entry(&name, entry, &trust, said);
        }
    }
    let Compared { wrong, excepted, agreed } = compared;
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.join("\n"));
    let rows: BTreeSet<_> = EXCEPTIONS.iter().map(|row| (row.0.to_owned(), row.1)).collect();
    assert_eq!(excepted, rows, "a stale exception");
    let counts = [
        (Part::Read, (67, 1)),
        (Part::Body, (59, 0)),
        (Part::Set, (33, 5)),
        (Part::Checkpoint, (57, 7)),
        (Part::Inclusion, (59, 5)),
        (Part::Root, (56, 1)),
        (Part::Note, (53, 2)),
    ];
    assert_eq!(
        agreed.into_iter().collect::<Vec<_>>(),
        counts,
        "how often both said yes, and how often both no"
    );
}
