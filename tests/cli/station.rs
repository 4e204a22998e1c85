//! A folder with everything that both stations need: a home with two keys, their public keys, passphrases, images.

use std::fs;
use std::ops::Deref;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::OnceLock;

use coldsign::keys::foreign::ForeignKey;
use coldsign::keys::sealed::{Cost, SealedKey, Use, Uses};
use coldsign::keys::signing::{SigningKey, SigningKind};
use coldsign::response::Response;
use coldsign::secret::{OsRandom, Passphrase};

use crate::support::{Outcome, Run, Sandbox, fixture};

/// What opens `release`; the file `pass` holds it.
pub(crate) const PASS: &str = "correct horse battery";
/// What opens `second`; the file `pass2` holds it.
pub(crate) const PASS2: &str = "paper and stick";

/// Id of `release`, the key of `fixtures/format/one.pem`.
pub(crate) const RELEASE: &str = "a3256919 64b3a3e9";
/// Id of `second`, the key of `fixtures/format/two.pem`.
pub(crate) const SECOND: &str = "41aaf2c0 2ef4e6cd";

/// Digest of the index in `layout`, of the image in `single`.
pub(crate) const INDEX: &str = "sha256:b6d68273372cc03937c89e66cfefad48d5426ca122bf595e8669c15c8cd1831f";
pub(crate) const SINGLE: &str = "sha256:19c23ffc203483d654c30a57ffe3f82d0b0edb44cf57f14ea790ec8b73b15aa2";

/// A folder of its own: home `vault` with the keys `release` and `second`, `release.pub`, `second.pub`, `pass`,
/// `pass2`, and two layouts: `layout` with an index for three platforms, `single` with one image, both named `v1`.
pub(crate) struct Station(Sandbox);

impl Station {
    pub(crate) fn new() -> Self {
        let sandbox = Sandbox::new();
        sandbox.fixture("format/index", "layout").fixture("format/single", "single");
        sandbox.fixture("format/one.pub", "release.pub").fixture("format/two.pub", "second.pub");
        sandbox.write("pass", format!("{PASS}\n")).write("pass2", format!("{PASS2}\n"));
        // By the program: a lock of ours would live on in every child that another test starts meanwhile.
        sandbox.signer().args(["--home", "vault", "init"]).expect(0);
        for (name, pem) in sealed() {
            put_key(&sandbox, name, pem);
        }
        Self(sandbox)
    }

    /// One more key in the home, a fresh one that `pass` opens.
    pub(crate) fn add_key(&self, name: &str) {
        self.add_key_for(name, SigningKind::P256, &[Use::Image]);
    }

    /// The same of a type, for some uses.
    pub(crate) fn add_key_for(&self, name: &str, kind: SigningKind, uses: &[Use]) {
        let key = SigningKey::generate(kind, &mut OsRandom).unwrap();
        put_key(&self.0, name, &seal(&key, uses, PASS));
    }

    /// With `request.tar` for the index in `layout`.
    pub(crate) fn with_request() -> Self {
        let station = Self::new();
        station.export("request.tar", &["oci:layout", "--as", "registry.example/team/app:1.4"]);
        station
    }

    /// `layout` is signed by `release` in both forms, with `env=prod`; `single` by nobody.
    pub(crate) fn signed() -> Self {
        let station = Self::new();
        station.export(
            "request.tar",
            &["oci:layout", "--as", "registry.example/team/app:1.4", "-a", "env=prod"],
        );
        station.sign("request.tar", &["--key", "release"], "response.tar");
        station.importing(&["response.tar", "--key", "release.pub", "--attach", "both"]).expect(0);
        station
    }

    /// With `request.tar`, and `response.tar` signed by `release` in both forms.
    pub(crate) fn with_response() -> Self {
        let station = Self::with_request();
        station.sign("request.tar", &["--key", "release"], "response.tar");
        station
    }

    /// The signer, with its home.
    pub(crate) fn signer(&self) -> Run<'_> {
        self.0.signer().env("COLDSIGN_HOME", "vault")
    }

    /// Exports, and gives the request's digest.
    #[track_caller]
    pub(crate) fn export(&self, output: &str, arguments: &[&str]) -> String {
        let outcome = self.coldsign().args(["export", "-o", output]).args(arguments).expect(0);
        outcome.stdout_text().trim_end().to_owned()
    }

    /// `sign` as it is run without a terminal, up to what differs. Swap is allowed: these keys are in the sources.
    pub(crate) fn signing(&self, input: &str, arguments: &[&str], output: &str) -> Run<'_> {
        let run = self.signer().args(["sign", input]).args(arguments).args(["-o", output, "--allow-swap"]);
        let passes: &[&str] = match arguments.iter().filter(|word| **word == "--key").count() {
            _ if arguments.contains(&"--passphrase-file") => &[],
            2 if arguments[1] == "release" => &["pass", "pass2"],
            2 => &["pass2", "pass"],
            _ if arguments.contains(&"second") => &["pass2"],
            _ => &["pass"],
        };
        passes.iter().fold(run, |run, pass| run.args(["--passphrase-file", pass]))
    }

    /// Signs with approval of whatever is asked for.
    #[track_caller]
    pub(crate) fn sign(&self, input: &str, arguments: &[&str], output: &str) -> Outcome {
        self.signing(input, arguments, output).args(["--approve", &self.digest(input)]).expect(0)
    }

    /// The digest of the request in a file.
    pub(crate) fn digest(&self, name: &str) -> String {
        Response::read(&self.read(name).into()).unwrap().request().digest().to_string()
    }

    /// `import` into `layout`, up to what differs.
    pub(crate) fn importing(&self, arguments: &[&str]) -> Run<'_> {
        self.coldsign().arg("import").args(arguments).args(["--to", "oci:layout"])
    }

    /// Runs what is refused: the exit code is this one, stdout is empty, and the disk is as it was.
    #[track_caller]
    pub(crate) fn refused(&self, run: Run<'_>, code: i32) -> Outcome {
        let outcome = self.unchanged(run, code);
        outcome.stdout("");
        outcome
    }

    /// Runs what changes nothing on the disk.
    #[track_caller]
    pub(crate) fn unchanged(&self, run: Run<'_>, code: i32) -> Outcome {
        let before = self.everything();
        let outcome = run.expect(code);
        let after = self.everything();
        let names = || before.keys().chain(after.keys());
        let differ: Vec<_> = names().filter(|name| before.get(*name) != after.get(*name)).collect();
        assert!(differ.is_empty(), "changed: {differ:?}\n{outcome}");
        outcome
    }

    /// Fails unless two files have the same bytes.
    #[track_caller]
    pub(crate) fn same(&self, one: &str, other: &str) {
        self.expect_file(one, self.read(other));
    }

    /// Everything below a folder of the station, by name.
    pub(crate) fn below(&self, folder: &str) -> Vec<(String, Vec<u8>)> {
        let all = self.everything().into_iter();
        all.filter(|(name, _)| name.starts_with(folder))
            .map(|(name, bytes)| (name.display().to_string(), bytes))
            .collect()
    }
}

impl Deref for Station {
    type Target = Sandbox;

    fn deref(&self) -> &Sandbox {
        &self.0
    }
}

/// The one line of stdout that export prints.
pub(crate) fn words_of(digest: &str) -> [&'static str; 32] {
    coldsign::words::words(&coldsign::digest::Digest::parse(digest).unwrap())
}

fn put_key(sandbox: &Sandbox, name: &str, pem: &str) {
    let path = sandbox.path(format!("vault/keys/{name}.key"));
    fs::write(&path, pem).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// The private keys of the fixtures, sealed once for all tests.
fn sealed() -> &'static [(&'static str, String)] {
    static SEALED: OnceLock<Vec<(&str, String)>> = OnceLock::new();
    SEALED.get_or_init(|| {
        let sealed = |(name, file, pass): (&'static str, &str, &str)| {
            let pem = fs::read(fixture(Path::new("format").join(file))).unwrap();
            (name, seal(&ForeignKey::from_pem(&pem).unwrap().open(None).unwrap(), &[Use::Image], pass))
        };
        [("release", "one.pem", PASS), ("second", "two.pem", PASS2)].map(sealed).to_vec()
    })
}

/// Seals as cheaply as the format allows.
fn seal(key: &SigningKey, uses: &[Use], pass: &str) -> String {
    let (uses, cost) = (Uses::new(uses.iter().copied()).unwrap(), Cost::new(1 << 15).unwrap());
    SealedKey::seal(key, uses, "", &Passphrase::new(pass.into()), cost, &mut OsRandom).unwrap().to_pem()
}
