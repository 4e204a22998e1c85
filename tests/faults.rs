//! Checks that only fire when something beneath us lies: a key that signs wrongly, a destination that loses writes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use coldsign::check::Check;
use coldsign::digest::Digest;
use coldsign::error::Result;
use coldsign::exit::Exit;
use coldsign::format::evidence::Descriptor;
use coldsign::format::reference::{Repository, Target};
use coldsign::keys::public::PublicKey;
use coldsign::keys::signing::Signer;
use coldsign::response::{Place, Response};
use coldsign::review::{Review, ReviewedRequest};
use coldsign::secret::OsRandom;
use coldsign::sign::{Forms, sign};
use coldsign::terminal::Script;
use coldsign::transfer::flow::Flow;
use coldsign::transfer::import::{Plan, Wanted};
use coldsign::transfer::layout_dir::LayoutDir;
use coldsign::transfer::push::{Mode, Status};
use coldsign::transfer::store::{Beside, Destinations, ManifestToPut, Sink, Store};

fn fixture(name: &str) -> Bytes {
    std::fs::read(format!("{}/fixtures/format/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap().into()
}

fn key() -> PublicKey {
    PublicKey::from_pem(&fixture("one.pub")).unwrap()
}

fn approved(response: &Response) -> ReviewedRequest<'_> {
    let digest = response.request().digest();
    let review = Review::of(response.request());
    review.approve(Some(&digest), "a test", &mut Script::without_terminal(), &mut OsRandom).unwrap()
}

/// Signs every message with the signature of another one.
struct WrongKey {
    public: PublicKey,
    signature: Vec<u8>,
}

impl Signer for WrongKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign(&self, _: &[u8]) -> Result<Vec<u8>> {
        Ok(self.signature.clone())
    }

    fn sign_digest(&self, _: &Digest) -> Result<Vec<u8>> {
        Ok(self.signature.clone())
    }
}

#[test]
fn sign_verify_catches_a_key_that_signs_wrongly() {
    let signed = Response::read(&fixture("single.response.tar")).unwrap();
    let public = key();
    let statement =
        signed.signer(&public.id()).unwrap().signature(Place::Statement(0)).unwrap().as_bytes().to_vec();
    let request = Response::read(&fixture("single.request.tar")).unwrap();
    let reviewed = approved(&request);
    let wrong = WrongKey { public, signature: statement };
    assert_eq!(sign(&reviewed, &request, &wrong, Forms::Sig).unwrap_err().check(), Check::SignVerify);
    // The neighbour: the same signature over what it was made for.
    assert_eq!(sign(&reviewed, &request, &wrong, Forms::Bundle).unwrap().count(), 1);
}

/// A layout directory that says yes to every `.sig` and keeps none.
struct Forgetful<'a>(&'a LayoutDir);

impl Store for Forgetful<'_> {
    fn resolve(&self, target: &Target) -> Result<Option<Descriptor>> {
        self.0.resolve(target)
    }

    fn manifest(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        self.0.manifest(digest)
    }

    fn blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        self.0.blob(digest)
    }

    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>> {
        self.0.referrers(subject)
    }
}

impl Sink for Forgetful<'_> {
    fn put_blob(&self, bytes: &[u8]) -> Result<()> {
        self.0.put_blob(bytes)
    }

    fn put_beside(&self, _: Beside, _: &Descriptor, _: &ManifestToPut<'_>) -> Result<()> {
        Ok(())
    }

    fn put_referrer(&self, subject: &Descriptor, manifest: &ManifestToPut<'_>) -> Result<()> {
        self.0.put_referrer(subject, manifest)
    }
}

impl Destinations for Forgetful<'_> {
    fn repository<'a>(&'a self, _: &Repository) -> Result<Box<dyn Sink + 'a>> {
        Ok(Box::new(self))
    }

    fn check_writable(&self, repositories: &[&Repository], flow: Flow<'_>) -> Result<()> {
        self.0.check_writable(repositories, flow)
    }

    fn is_live(&self) -> bool {
        self.0.is_live()
    }

    fn finish(&self) -> Result<bool> {
        self.0.finish()
    }

    fn settle(&self) -> Result<bool> {
        self.0.settle()
    }
}

#[test]
fn read_back_catches_a_destination_that_loses_writes() {
    let folder = tempfile::tempdir().unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/format/single"), folder.path());
    let plan = |attach| {
        let response = Response::read(&fixture("single.response.tar")).unwrap();
        Plan::check(
            response,
            Wanted {
                keys: vec![key()],
                threshold: 1,
                attach,
                request: None,
                evidence: coldsign::verify::Evidence::none(),
            },
        )
        .unwrap()
    };
    let flow = || Flow { workers: 2, stop: &STOP };
    let layout = LayoutDir::open(folder.path()).unwrap();
    let sig = plan(Forms::Sig);
    let outcome = sig.push(&Forgetful(&layout), Mode::Push, flow(), |_| ()).unwrap();
    assert_eq!((outcome.count(Status::Failed), outcome.exit()), (1, Exit::Changed));
    let checks: Vec<Check> = outcome.rows().filter_map(|row| row.error).map(|(check, _)| check).collect();
    assert_eq!(checks, [Check::ReadBack]);
    // The neighbours: what it keeps comes back, and so does everything from a layout that keeps all.
    let bundles = plan(Forms::Bundle);
    let outcome = bundles.push(&Forgetful(&layout), Mode::Push, flow(), |_| ()).unwrap();
    assert_eq!((outcome.count(Status::Failed), outcome.exit()), (0, Exit::Done));
    let layout = LayoutDir::open(folder.path()).unwrap();
    let outcome = sig.push(&layout, Mode::Push, flow(), |_| ()).unwrap();
    assert_eq!((outcome.count(Status::Failed), outcome.exit()), (0, Exit::Done));
}

/// Nobody presses Ctrl-C.
static STOP: AtomicBool = AtomicBool::new(false);

fn copy(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.unwrap();
        let target = to.join(entry.path().strip_prefix(from).unwrap());
        if entry.file_type().is_dir() {
            std::fs::create_dir_all(target).unwrap();
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
