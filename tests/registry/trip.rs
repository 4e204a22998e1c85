//! Images in a registry, a station beside it, and the response that is to be imported.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::{fs, thread};

use coldsign::error::Result;
use coldsign::format::evidence::{OCI_INDEX, OCI_MANIFEST};
use coldsign::keys::foreign::ForeignKey;
use coldsign::keys::signing::SigningKey;
use coldsign::response::Response;
use coldsign::review::Review;
use coldsign::secret::{OsRandom, Passphrase};
use coldsign::sign::{Forms, sign};
use coldsign::terminal::Console;
use serde_json::json;

use crate::registry::{Manners, Registry};
use crate::support::{Outcome, Run, Sandbox, fixture};

/// A registry with images `app0:1`, `app1:1`…, and a folder with `request.tar` and `response.tar` for all of them,
/// signed by `release` in both forms; `release.pub`, `second.pub`.
pub(crate) struct Trip {
    pub(crate) registry: Registry,
    pub(crate) station: Sandbox,
    /// Their digests.
    pub(crate) images: Vec<String>,
}

impl Trip {
    /// One image, a registry with the referrers API.
    pub(crate) fn new() -> Self {
        Self::with(Manners::default(), 1)
    }

    pub(crate) fn with(manners: Manners, images: usize) -> Self {
        let trip = Self::unsigned(Registry::with(manners), images);
        trip.export("request.tar").expect(0);
        trip.sign(&release(), "response.tar");
        trip.registry.asked();
        trip
    }

    pub(crate) fn unsigned(registry: Registry, images: usize) -> Self {
        let images = (0..images).map(|n| registry.image(&format!("app{n}"), "1", &format!("image {n}")));
        let images = images.collect();
        let station = Sandbox::new();
        station.fixture("format/one.pub", "release.pub").fixture("format/two.pub", "second.pub");
        Self { registry, station, images }
    }

    /// Signs the request in both forms: by the library that `coldsign-signer` is made of, for these tests do it hundreds
    /// of times, and would wait for its passphrase most of the time.
    pub(crate) fn sign(&self, key: &SigningKey, output: &str) {
        self.sign_file("request.tar", &[key], output);
    }

    /// The same with any request, and several keys.
    pub(crate) fn sign_file(&self, request: &str, keys: &[&SigningKey], output: &str) {
        let mut response = Response::read(&self.station.read(request).into()).unwrap();
        for key in keys {
            let (request, digest) = (response.request(), response.request().digest());
            let reviewed =
                Review::of(request).approve(Some(&digest), "", &mut Nobody, &mut OsRandom).unwrap();
            let signed = sign(&reviewed, &response, *key, Forms::Both).unwrap();
            response.extend(signed).unwrap();
        }
        self.station.write(output, response.render().to_bytes());
    }

    /// The same images in the registry, `appN` as `app0`.
    pub(crate) fn copy(&self, n: usize) {
        let held = self.registry.held("app0");
        self.registry.change(&format!("app{n}"), |copy| copy.clone_from(&held));
    }

    /// What signs the image is put beside it.
    pub(crate) fn imported(attach: &str) -> Self {
        let trip = Self::new();
        trip.import(&["--attach", attach]).expect(0);
        trip.registry.asked();
        trip
    }

    /// An index `REPOSITORY:1` of so many images; its digest and theirs.
    pub(crate) fn platforms(&self, repository: &str, count: usize) -> (String, Vec<String>) {
        let images = (0..count).map(|n| self.registry.image(repository, "", &format!("platform {n}")));
        let images: Vec<String> = images.collect();
        let entry = |digest: &String| {
            let size = self.registry.read(repository, digest).unwrap().len();
            json!({"mediaType": OCI_MANIFEST, "digest": digest, "size": size})
        };
        let entries: Vec<_> = images.iter().map(entry).collect();
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).to_string();
        (self.registry.manifest(repository, "1", OCI_INDEX, index.as_bytes()), images)
    }

    /// `HOST/appN:1`.
    pub(crate) fn name(&self, image: usize) -> String {
        self.registry.at(&format!("app{image}:1"))
    }

    /// `export` of all images.
    pub(crate) fn export(&self, output: &str) -> Run<'_> {
        let names = (0..self.images.len()).map(|image| self.name(image));
        self.station.coldsign().args(["export", "-o", output]).args(names)
    }

    /// `export` of one of them.
    pub(crate) fn export_one(&self, image: usize, output: &str) -> Run<'_> {
        self.station.coldsign().args(["export", "-o", output, &self.name(image)])
    }

    /// `import` to where the request says.
    pub(crate) fn import(&self, more: &[&str]) -> Run<'_> {
        self.station.coldsign().args(["import", "response.tar", "--key", "release.pub"]).args(more)
    }

    /// `verify` of the first image.
    pub(crate) fn verify(&self, more: &[&str]) -> Run<'_> {
        self.verify_one(0, more)
    }

    /// `verify` of `appN:1`.
    pub(crate) fn verify_one(&self, image: usize, more: &[&str]) -> Run<'_> {
        self.station.coldsign().args(["verify", "--key", "release.pub", &self.name(image)]).args(more)
    }

    /// The `.sig` layers of an image.
    pub(crate) fn sigs(&self, image: usize) -> usize {
        self.registry.sigs(&format!("app{image}"), &self.images[image])
    }

    /// The referrers of an image.
    pub(crate) fn bundles(&self, image: usize) -> usize {
        self.registry.referrers(&format!("app{image}"), &self.images[image]).len()
    }
}

impl Outcome {
    /// Fails unless `error[ID]` stands on the screen.
    #[track_caller]
    pub(crate) fn error(&self, id: &str) -> &Self {
        self.says(&format!("error[{id}]: "))
    }

    /// Fails unless `warning[ID]` stands on the screen.
    #[track_caller]
    pub(crate) fn warning(&self, id: &str) -> &Self {
        self.says(&format!("warning[{id}]: "))
    }

    /// Fails unless a text stands on the screen.
    #[track_caller]
    pub(crate) fn says(&self, text: &str) -> &Self {
        assert!(self.stderr_text().contains(text), "stderr with this wanted: {text}\n{self}");
        self
    }
}

/// Runs the scenarios, several at once, for most of their time goes into waiting; names those that failed.
pub(crate) fn together<S: Send + std::fmt::Debug>(
    scenarios: impl IntoIterator<Item = S>,
    run: impl Fn(&S) + Sync,
) {
    const AT_ONCE: usize = 8;
    let waiting = Mutex::new(scenarios.into_iter().collect::<Vec<_>>().into_iter());
    let failed = Mutex::new(Vec::new());
    let next = || waiting.lock().unwrap().next();
    let work = || {
        while let Some(scenario) = next() {
            let result = catch_unwind(AssertUnwindSafe(|| run(&scenario)));
            if result.is_err() {
                failed.lock().unwrap().push(format!("{scenario:?}"));
            }
        }
    };
    thread::scope(|scope| (0..AT_ONCE).for_each(|_| drop(scope.spawn(work))));
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "failed: {failed:#?}");
}

/// The key of `release.pub`.
pub(crate) fn release() -> SigningKey {
    key("one.pem")
}

/// The key of `second.pub`.
pub(crate) fn second() -> SigningKey {
    key("two.pem")
}

fn key(name: &str) -> SigningKey {
    let pem = fs::read(fixture("format").join(name)).unwrap();
    ForeignKey::from_pem(&pem).unwrap().open(None).unwrap()
}

/// Who looks at no screen and is asked nothing.
struct Nobody;

impl Console for Nobody {
    fn is_terminal(&self) -> bool {
        false
    }

    fn height(&self) -> usize {
        24
    }

    fn say(&mut self, _: &str) -> Result<()> {
        Ok(())
    }

    fn show(&mut self, _: &str) -> Result<()> {
        Ok(())
    }

    fn emit(&mut self, _: &[u8]) -> Result<()> {
        Ok(())
    }

    fn ask(&mut self, prompt: &str) -> Result<String> {
        panic!("{prompt}")
    }

    fn ask_secret(&mut self, prompt: &str) -> Result<Passphrase> {
        panic!("{prompt}")
    }

    fn drop_typed_ahead(&mut self) -> Result<()> {
        Ok(())
    }
}
