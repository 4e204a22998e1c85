//! Pushing to a registry beside other writers, on a registry that is simulated: what another writer took away is put
//! again, what does not stay is named, what stands there is left alone.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

use coldsign::check::Check;
use coldsign::digest::Digest;
use coldsign::error::{Error, Result};
use coldsign::exit::Exit;
use coldsign::format::evidence::{Descriptor, OCI_MANIFEST};
use coldsign::format::reference::{Identity, Reference, Repository, Target};
use coldsign::format::signature::{Layer, read_layers};
use coldsign::format::{bundle, payload, signature};
use coldsign::keys::public::PublicKey;
use coldsign::keys::signing::{Signer as _, SigningKey, SigningKind};
use coldsign::request::{Asked, ImageSpec, Request};
use coldsign::response::Response;
use coldsign::review::Review;
use coldsign::secret::OsRandom;
use coldsign::sign::{Forms, sign};
use coldsign::terminal::Script;
use coldsign::transfer::attach::{self, Attached, Failed};
use coldsign::transfer::flow::Flow;
use coldsign::transfer::import::{Plan, Wanted};
use coldsign::transfer::merge::merge;
use coldsign::transfer::push::{Event, Mode, Outcome, Status, Tag};
use coldsign::transfer::store::{Beside, Destinations, ManifestToPut, Sink, Store};
use serde_json::json;

/// Nobody presses Ctrl-C.
static NEVER: AtomicBool = AtomicBool::new(false);

// --- what is pushed

/// Unsigned images, one for each of these names.
struct Images {
    specs: Vec<ImageSpec>,
    blobs: BTreeMap<Digest, Vec<u8>>,
}

impl Images {
    fn new(names: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let mut images = Self { specs: Vec::new(), blobs: BTreeMap::new() };
        for name in names {
            let name = name.as_ref();
            let config = json!({"architecture": "amd64", "os": "linux",
                "config": {"Labels": {"org.opencontainers.image.title": name}},
                "rootfs": {"type": "layers", "diff_ids": [Digest::of(b"layer").to_string()]}});
            let config = config.to_string().into_bytes();
            let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST,
                "config": {"mediaType": "application/vnd.oci.image.config.v1+json",
                    "digest": Digest::of(&config).to_string(), "size": config.len()},
                "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar",
                    "digest": Digest::of(b"layer").to_string(), "size": 5}]});
            let manifest = manifest.to_string().into_bytes();
            let reference = Reference::parse(name).unwrap();
            images.specs.push(ImageSpec::image(
                reference.destination().unwrap(),
                reference.identity(),
                BTreeMap::new(),
                Descriptor::of(OCI_MANIFEST, &manifest),
            ));
            images.blobs.extend([config, manifest].map(|bytes| (Digest::of(&bytes), bytes)));
        }
        images
    }

    fn one() -> Self {
        Self::new([APP])
    }

    /// The response of a key that is made now, ready to be pushed.
    fn plan(&self, attach: Forms) -> Plan {
        let key = SigningKey::generate(SigningKind::P256, &mut OsRandom).unwrap();
        let request =
            Request::build(Asked { images: self.specs.clone(), ..Asked::default() }, self.blobs.clone())
                .unwrap()
                .request;
        let mut response = Response::unsigned(request);
        let new = {
            let digest = response.request().digest();
            let review = Review::of(response.request());
            let console = &mut Script::without_terminal();
            let reviewed = review.approve(Some(&digest), "a test", console, &mut OsRandom).unwrap();
            sign(&reviewed, &response, &key, Forms::Both).unwrap()
        };
        response.extend(new).unwrap();
        let keys: Vec<PublicKey> = vec![key.public_key().clone()];
        Plan::check(
            response,
            Wanted {
                keys,
                threshold: 1,
                attach,
                request: None,
                evidence: coldsign::verify::Evidence::none(),
            },
        )
        .unwrap()
    }

    /// A signature by a key that is made now over the payload of the first one, as another tool brings it.
    fn brought(&self) -> attach::Signature {
        let key = SigningKey::generate(SigningKind::P256, &mut OsRandom).unwrap();
        let subject = self.specs[0].subject.clone();
        let identity = Identity::parse(REPOSITORY).unwrap();
        let payload = payload::render(&identity, &subject.digest, &BTreeMap::new());
        let signature = key.sign(&payload).unwrap();
        attach::Signature::check(subject, payload, &signature, key.public_key().clone(), true).unwrap()
    }

    /// A registry that has these images under their names.
    fn registry(&self) -> Simulated {
        let registry = Simulated::default();
        for spec in &self.specs {
            let repository = spec.destination.repository().to_string();
            let bytes = self.blobs[&spec.subject.digest].clone();
            registry.world().tag(&repository, spec.destination.tag().unwrap(), OCI_MANIFEST, bytes);
        }
        registry
    }

    fn digest(&self, number: usize) -> Digest {
        self.specs[number].subject.digest
    }
}

const APP: &str = "registry.example/app:1.4";
const REPOSITORY: &str = "registry.example/app";

// --- the registry

/// What a registry holds. It takes what it is given.
#[derive(Default)]
struct World {
    tags: HashMap<(String, String), Digest>,
    manifests: HashMap<Digest, (String, Vec<u8>)>,
    blobs: HashMap<Digest, Vec<u8>>,
    referrers: HashMap<Digest, BTreeMap<Digest, Descriptor>>,
}

impl World {
    fn tag(&mut self, repository: &str, tag: &str, media_type: &str, bytes: Vec<u8>) {
        let digest = Digest::of(&bytes);
        self.tags.insert((repository.to_owned(), tag.to_owned()), digest);
        self.manifests.insert(digest, (media_type.to_owned(), bytes));
    }

    fn sig(&self, subject: &Digest) -> Option<&(String, Vec<u8>)> {
        let digest = self.tags.get(&(REPOSITORY.to_owned(), Beside::Signatures.tag(subject)))?;
        self.manifests.get(digest)
    }

    fn layers(&self, subject: &Digest) -> Vec<Layer> {
        self.sig(subject).map(|(_, bytes)| read_layers(bytes).unwrap()).unwrap_or_default()
    }

    /// Another writer's layer, merged into what stands there, or over it.
    fn stranger(&mut self, subject: &Digest, over: bool) {
        let payload = b"a stranger's".to_vec();
        let layer = Layer::dark(Descriptor::of(coldsign::format::payload::MEDIA_TYPE, &payload), vec![1]);
        let standing = self.sig(subject).cloned().filter(|_| !over);
        let standing = standing.as_ref().map(|(kind, bytes)| (kind.as_str(), bytes.as_slice()));
        let Some(merged) = merge(standing, &[layer], false).unwrap().change else { return };
        self.blobs.extend([payload, merged.config].map(|bytes| (Digest::of(&bytes), bytes)));
        self.tag(REPOSITORY, &Beside::Signatures.tag(subject), OCI_MANIFEST, merged.manifest);
    }
}

/// When something happens beside the run that is tested.
#[derive(Clone, Debug, PartialEq, Eq)]
enum At {
    /// The settle time passes, for the n-th time, from 1.
    Settle(usize),
    Resolve(Digest),
    Referrers,
    PutSignatures,
    PutReferrer,
    PutBlob,
}

type Happens = Box<dyn Fn(&mut World, &At) -> Result<bool> + Send + Sync>;

/// A registry of one program; several may share a [`World`].
#[derive(Default)]
struct Simulated {
    world: Arc<Mutex<World>>,
    puts: AtomicUsize,
    settled: AtomicUsize,
    /// What happens; `false` loses the write.
    happens: Option<Happens>,
    /// Others that go in step with this one.
    gate: Option<Arc<Gate>>,
}

impl Simulated {
    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap()
    }

    fn when(mut self, happens: impl Fn(&mut World, &At) -> Result<bool> + Send + Sync + 'static) -> Self {
        self.happens = Some(Box::new(happens));
        self
    }

    fn happens(&self, at: &At) -> Result<bool> {
        self.happens.as_ref().map_or(Ok(true), |happens| happens(&mut self.world(), at))
    }

    fn puts(&self) -> usize {
        self.puts.load(Ordering::SeqCst)
    }

    fn settled(&self) -> usize {
        self.settled.load(Ordering::SeqCst)
    }

    fn in_step(&self) {
        if let Some(gate) = &self.gate {
            gate.arrive();
        }
    }
}

impl Destinations for Simulated {
    fn repository<'a>(&'a self, repository: &Repository) -> Result<Box<dyn Sink + 'a>> {
        Ok(Box::new(Handle { registry: self, repository: repository.to_string() }))
    }

    fn check_writable(&self, _: &[&Repository], _: Flow<'_>) -> Result<()> {
        Ok(())
    }

    fn finish(&self) -> Result<bool> {
        Ok(true)
    }

    fn settle(&self) -> Result<bool> {
        let count = self.settled.fetch_add(1, Ordering::SeqCst) + 1;
        self.in_step();
        self.happens(&At::Settle(count))
    }
}

struct Handle<'a> {
    registry: &'a Simulated,
    repository: String,
}

impl Store for Handle<'_> {
    fn resolve(&self, target: &Target) -> Result<Option<Descriptor>> {
        let world = self.registry.world();
        let digest = match target {
            Target::Tag(tag) => world.tags.get(&(self.repository.clone(), tag.clone())).copied(),
            Target::Digest(digest) => Some(*digest),
        };
        let found = digest.and_then(|digest| world.manifests.get(&digest));
        let found = found.map(|(media_type, bytes)| Descriptor::of(media_type, bytes));
        drop(world);
        if let Some(found) = &found {
            self.registry.happens(&At::Resolve(found.digest))?;
        }
        Ok(found)
    }

    fn manifest(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        Ok(self.registry.world().manifests.get(digest).map(|(_, bytes)| bytes.clone()))
    }

    fn blob(&self, digest: &Digest) -> Result<Option<Vec<u8>>> {
        Ok(self.registry.world().blobs.get(digest).cloned())
    }

    fn referrers(&self, subject: &Digest) -> Result<Vec<Descriptor>> {
        self.registry.happens(&At::Referrers)?;
        let world = self.registry.world();
        Ok(world.referrers.get(subject).into_iter().flat_map(BTreeMap::values).cloned().collect())
    }
}

impl Sink for Handle<'_> {
    fn put_blob(&self, bytes: &[u8]) -> Result<()> {
        self.registry.puts.fetch_add(1, Ordering::SeqCst);
        if self.registry.happens(&At::PutBlob)? {
            self.registry.world().blobs.insert(Digest::of(bytes), bytes.to_vec());
        }
        Ok(())
    }

    fn put_beside(&self, kind: Beside, subject: &Descriptor, manifest: &ManifestToPut<'_>) -> Result<()> {
        self.registry.in_step();
        self.registry.puts.fetch_add(1, Ordering::SeqCst);
        if self.registry.happens(&At::PutSignatures)? {
            let tag = kind.tag(&subject.digest);
            self.registry.world().tag(&self.repository, &tag, manifest.media_type, manifest.bytes.to_vec());
        }
        Ok(())
    }

    fn put_referrer(&self, subject: &Descriptor, manifest: &ManifestToPut<'_>) -> Result<()> {
        self.registry.puts.fetch_add(1, Ordering::SeqCst);
        if !self.registry.happens(&At::PutReferrer)? {
            return Ok(());
        }
        let mut world = self.registry.world();
        let descriptor = manifest.descriptor();
        world.manifests.insert(descriptor.digest, (manifest.media_type.to_owned(), manifest.bytes.to_vec()));
        world.referrers.entry(subject.digest).or_default().insert(descriptor.digest, descriptor);
        Ok(())
    }
}

/// Programs that go in step: whoever arrives goes on when all others that are not done have arrived.
#[derive(Default)]
struct Gate {
    /// Those that are not done, those that wait, and how often all went on.
    state: Mutex<(usize, usize, usize)>,
    open: Condvar,
}

impl Gate {
    fn arrive(&self) {
        let mut state = self.state.lock().unwrap();
        state.1 += 1;
        let turn = state.2;
        self.open_if_all(&mut state);
        while state.2 == turn {
            state = self.open.wait(state).unwrap();
        }
    }

    fn leave(&self) {
        let mut state = self.state.lock().unwrap();
        state.0 -= 1;
        self.open_if_all(&mut state);
    }

    fn open_if_all(&self, state: &mut (usize, usize, usize)) {
        if state.0 == state.1 {
            *state = (state.0, 0, state.2 + 1);
            self.open.notify_all();
        }
    }
}

fn push<'p>(plan: &'p Plan, registry: &Simulated) -> Outcome<'p> {
    plan.push(registry, Mode::Push, Flow { workers: 4, stop: &NEVER }, |_| ()).unwrap()
}

/// The checks that failed, by image, and the exit code.
fn failed(outcome: &Outcome<'_>) -> (Vec<Check>, Exit) {
    (outcome.rows().filter_map(|row| row.error).map(|(check, _)| check).collect(), outcome.exit())
}

const GOOD: (Vec<Check>, Exit) = (Vec::new(), Exit::Done);

// --- what holds

#[test]
fn a_lost_update_is_repaired_in_the_next_round() {
    let images = Images::one();
    let (plan, subject) = (images.plan(Forms::Sig), images.digest(0));
    // A writer who had read before our PUT writes after it.
    let registry = images.registry().when(move |world, at| {
        if *at == At::Settle(1) {
            world.stranger(&subject, true);
        }
        Ok(true)
    });
    let outcome = push(&plan, &registry);
    assert_eq!(failed(&outcome), GOOD);
    let layers = registry.world().layers(&subject);
    assert_eq!((layers.len(), &layers[0].signature, registry.settled()), (2, &vec![1], 2));
    // Nothing happens to it: one settle time is enough, and there was none to wait for the second time.
    let alone = images.registry();
    assert_eq!(failed(&push(&plan, &alone)), GOOD);
    assert_eq!(alone.settled(), 1);
}

#[test]
fn what_stands_there_is_verified_and_not_put_again() {
    let images = Images::new([APP, "registry.example/web:7"]);
    for attach in [Forms::Sig, Forms::Bundle, Forms::Both] {
        let (plan, registry) = (images.plan(attach), images.registry());
        assert_eq!(push(&plan, &registry).count(Status::Pushed), 2);
        let (puts, settled) = (registry.puts(), registry.settled());
        let again = push(&plan, &registry);
        assert_eq!((again.count(Status::Unchanged), failed(&again)), (2, GOOD));
        assert_eq!((registry.puts(), registry.settled()), (puts, settled), "{attach:?}");
        // A dry run puts nothing either, whatever is absent.
        let (bare, flow) = (images.registry(), Flow { workers: 4, stop: &NEVER });
        let dry = plan.push(&bare, Mode::DryRun, flow, |_| ()).unwrap();
        assert_eq!((dry.count(Status::WouldPush), failed(&dry)), (2, GOOD));
        assert_eq!((bare.puts(), bare.settled()), (0, 0));
    }
}

#[test]
fn what_never_stays_is_lost_after_eight_rounds() {
    let images = Images::one();
    let (plan, subject) = (images.plan(Forms::Sig), images.digest(0));
    let registry = images.registry().when(move |world, at| {
        if matches!(at, At::Settle(_)) {
            world.stranger(&subject, true);
        }
        Ok(true)
    });
    let outcome = push(&plan, &registry);
    assert_eq!(failed(&outcome), (vec![Check::PushLost], Exit::Partial));
    assert_eq!(registry.settled(), 8);
    assert_eq!(registry.world().layers(&subject).len(), 1);
    // A registry that says yes and keeps nothing.
    let forgetful = images.registry().when(|_, at| Ok(*at != At::PutSignatures));
    assert_eq!(failed(&push(&plan, &forgetful)), (vec![Check::PushLost], Exit::Partial));
    // Seven times is not eight.
    let registry = images.registry().when(move |world, at| {
        if matches!(at, At::Settle(..=7)) {
            world.stranger(&subject, true);
        }
        Ok(true)
    });
    assert_eq!(failed(&push(&plan, &registry)), GOOD);
}

#[test]
fn what_the_registry_lost_behind_a_manifest_is_put_again() {
    let images = Images::one();
    for attach in [Forms::Sig, Forms::Bundle] {
        let plan = images.plan(attach);
        let lost = AtomicUsize::new(0);
        let registry = images
            .registry()
            .when(move |_, at| Ok(*at != At::PutBlob || lost.fetch_add(1, Ordering::SeqCst) >= 2));
        let outcome = push(&plan, &registry);
        assert_eq!((failed(&outcome), registry.settled()), (GOOD, 2), "{attach:?}");
        // And when an earlier run left it like that.
        let config = registry.world().blobs.remove(&Digest::of(bundle::EMPTY));
        registry.world().blobs.clear();
        registry.world().blobs.extend(config.map(|config| (Digest::of(&config), config)));
        let outcome = push(&plan, &registry);
        assert_eq!((outcome.count(Status::Pushed), failed(&outcome)), (1, GOOD), "{attach:?}");
    }
}

/// Every round all that lost read the same `.sig`, and then all write: one of them wins.
#[test]
fn six_writers_in_step_leave_six_layers() {
    let images = Images::one();
    let world = images.registry().world;
    let gate = Arc::new(Gate::default());
    gate.state.lock().unwrap().0 = 6;
    let plans: Vec<Plan> = (0..6).map(|_| images.plan(Forms::Both)).collect();
    thread::scope(|scope| {
        for plan in &plans {
            let (world, gate) = (world.clone(), gate.clone());
            scope.spawn(move || {
                let registry = Simulated { world, gate: Some(gate.clone()), ..Simulated::default() };
                assert_eq!(failed(&push(plan, &registry)), GOOD);
                gate.leave();
            });
        }
    });
    let world = world.lock().unwrap();
    let layers = world.layers(&images.digest(0));
    let distinct: BTreeSet<&[u8]> = layers.iter().map(|layer| layer.signature.as_slice()).collect();
    assert_eq!((layers.len(), distinct.len()), (6, 6));
    assert_eq!(world.referrers[&images.digest(0)].len(), 6);
}

#[test]
fn a_tag_that_moved_is_named_and_the_digest_is_signed() {
    let images = Images::one();
    let (plan, signed) = (images.plan(Forms::Sig), images.digest(0));
    let registry = images.registry();
    let row = |outcome: &Outcome<'_>| outcome.rows().next().unwrap();
    let same = row(&push(&plan, &registry));
    assert_eq!((same.tag.name(), same.warnings().len()), ("same", 0));

    let registry = images.registry();
    registry.world().tag(REPOSITORY, "1.4", OCI_MANIFEST, b"{\"another\":1}".to_vec());
    let now = Digest::of(b"{\"another\":1}");
    let outcome = push(&plan, &registry);
    assert_eq!((outcome.count(Status::Pushed), failed(&outcome)), (1, GOOD));
    let moved = row(&outcome);
    let [warning] = moved.warnings().try_into().unwrap();
    assert_eq!((moved.tag.name(), warning.check(), warning.at()), ("moved", Check::TagMoved, APP));
    assert_eq!(
        warning.details().collect::<Vec<_>>(),
        [
            format!("signed {signed}"),
            format!("now {now}"),
            "pushed for the digest that was signed; the new image has no signature".to_owned()
        ]
    );
    assert_eq!(registry.world().layers(&signed).len(), 1);
    // What is not known is not said.
    registry.world().stranger(&now, true);
    let [warning] = row(&push(&plan, &registry)).warnings().try_into().unwrap();
    assert_eq!(warning.details().last(), Some("the digest that was signed has its signatures"));

    // No tag; a tag that cannot be read stops nothing; the image is gone, whatever its tag names.
    let registry = images.registry();
    registry.world().tags.clear();
    assert_eq!(row(&push(&plan, &registry)).tag, Tag::Absent);
    let registry = images.registry().when(move |_, at| match at {
        At::Resolve(digest) if *digest == signed => Err(Error::new(Check::RegistryAnswer, "GET")),
        _ => Ok(true),
    });
    registry.world().tags.insert((REPOSITORY.to_owned(), "1.4".to_owned()), signed);
    let outcome = push(&plan, &registry);
    let unread = row(&outcome);
    assert_eq!(unread.tag.name(), "not compared");
    assert!(unread.notes[0].starts_with("tag not compared: registry.example/app:1.4: [REGISTRY-ANSWER]"));
    let registry = images.registry();
    registry.world().manifests.clear();
    registry.world().tag(REPOSITORY, "1.4", OCI_MANIFEST, b"{\"another\":1}".to_vec());
    let outcome = push(&plan, &registry);
    assert_eq!(failed(&outcome), (vec![Check::SubjectAbsent], Exit::NothingPushed));
    assert_eq!(row(&outcome).tag.name(), "moved");
}

#[test]
fn layers_that_crash_cosign_are_named() {
    let images = Images::one();
    let (plan, subject) = (images.plan(Forms::Sig), images.digest(0));
    let registry = images.registry();
    let layer = |payload: &[u8], log: &str| {
        json!({"mediaType": coldsign::format::payload::MEDIA_TYPE, "digest": Digest::of(payload).to_string(),
            "size": payload.len(), "annotations": {signature::ANNOTATION: "AQ==", signature::LOG_ANNOTATION: log}})
    };
    let standing = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": {},
        "layers": [layer(b"one", "{}"), layer(b"two", "{\"SignedEntryTimestamp\":\"\"}"), layer(b"three", " null\n")]});
    let standing = standing.to_string().into_bytes();
    registry.world().tag(REPOSITORY, &Beside::Signatures.tag(&subject), OCI_MANIFEST, standing);
    for (status, put) in [(Status::Pushed, true), (Status::Unchanged, false)] {
        let before = registry.puts();
        let outcome = push(&plan, &registry);
        assert_eq!((outcome.count(status), failed(&outcome), registry.puts() > before), (1, GOOD, put));
        let row = outcome.rows().next().unwrap();
        let [warning] = row.warnings().try_into().unwrap();
        assert_eq!(warning.check(), Check::SigCrashesCosign);
        assert_eq!(warning.at(), format!("{REPOSITORY}@{subject}"));
        let named = [("1", b"one".as_slice()), ("3", b"three")]
            .map(|(number, payload)| format!("layer {number}, payload {}", Digest::of(payload)));
        assert_eq!(warning.details().collect::<Vec<_>>(), named);
        assert_eq!((row.foreign, row.foreign_layers > 0), (3, true));
    }
}

#[test]
fn a_neighbour_that_cannot_be_read_unmakes_nothing() {
    let images = Images::one();
    let slow = |_: &mut World, at: &At| match at {
        At::Referrers => Err(Error::new(Check::RegistryTimeout, "GET")),
        _ => Ok(true),
    };
    let outcome = |attach| {
        let (plan, registry) = (images.plan(attach), images.registry().when(slow));
        let outcome = push(&plan, &registry);
        assert_eq!(registry.puts() > 0, attach == Forms::Sig);
        (failed(&outcome), outcome.rows().next().unwrap())
    };
    let (good, row) = outcome(Forms::Sig);
    assert_eq!((good, row.hidden, row.bundled), (GOOD, false, false));
    assert!(row.notes[0].starts_with("bundles beside it are not known: "), "{:?}", row.notes);
    // Where bundles were to be put it is what went wrong, and no `.sig` is put before it is known.
    assert_eq!(outcome(Forms::Bundle).0, (vec![Check::RegistryTimeout], Exit::NothingPushed));
    assert_eq!(outcome(Forms::Both).0, (vec![Check::RegistryTimeout], Exit::NothingPushed));
}

#[test]
fn a_lost_update_is_repaired_whatever_cannot_be_read_beside_it() {
    let images = Images::one();
    for (check, failures) in [
        (Check::RegistryDenied, vec![]),
        (Check::EvidenceMember, vec![]),
        // Who took too long is not asked again.
        (Check::RegistryTimeout, vec![Check::RegistryTimeout]),
    ] {
        let (plan, puts) = (images.plan(Forms::Sig), AtomicUsize::new(0));
        let registry = images.registry().when(move |_, at| match at {
            At::Referrers => Err(Error::new(check, "GET")),
            At::PutSignatures => Ok(puts.fetch_add(1, Ordering::SeqCst) > 0),
            _ => Ok(true),
        });
        let outcome = push(&plan, &registry);
        let exit = if failures.is_empty() { Exit::Done } else { Exit::Partial };
        assert_eq!(failed(&outcome), (failures, exit));
        assert_eq!(registry.settled(), if exit == Exit::Done { 2 } else { 1 });
        assert_eq!(registry.world().layers(&images.digest(0)).len(), usize::from(exit == Exit::Done));
    }
}

#[test]
fn what_was_put_before_a_failure_is_read_back_once() {
    let images = Images::one();
    for (check, kept, said) in [
        (Check::RegistryAnswer, true, vec!["of 2 signatures 1 came back and verify"]),
        (Check::RegistryAnswer, false, vec!["of 2 signatures 0 came back and verify"]),
        (Check::RegistryTimeout, true, vec![]),
    ] {
        let plan = images.plan(Forms::Both);
        let registry = images.registry().when(move |_, at| match at {
            At::PutSignatures => Ok(kept),
            At::PutReferrer => Err(Error::new(check, "PUT")),
            _ => Ok(true),
        });
        let outcome = push(&plan, &registry);
        assert_eq!(failed(&outcome), (vec![check], Exit::Partial));
        assert_eq!(registry.settled(), said.len(), "nothing is put again");
        let failures = outcome.failures();
        assert_eq!(failures[0].errors[0].details().collect::<Vec<_>>(), said);
    }
}

#[test]
fn a_tag_that_takes_too_long_ends_its_image() {
    let images = Images::new([APP, "registry.example/web:7"]);
    let (plan, slow, asked) = (images.plan(Forms::Sig), images.digest(0), AtomicUsize::new(0));
    let registry = images.registry().when(move |_, at| match at {
        // The tag is asked for first; the digest would be there.
        At::Resolve(digest) if *digest == slow && asked.fetch_add(1, Ordering::SeqCst) == 0 => {
            Err(Error::new(Check::RegistryTimeout, "GET"))
        }
        _ => Ok(true),
    });
    let outcome = push(&plan, &registry);
    assert_eq!(failed(&outcome), (vec![Check::RegistryTimeout], Exit::Partial));
    assert_eq!((outcome.count(Status::Pushed), registry.world().layers(&slow).len()), (1, 0));
}

#[test]
fn what_a_dry_run_would_push_stands_nowhere() {
    let images = Images::new([APP, "registry.example/web:7"]);
    let plan = images.plan(Forms::Sig);
    let dry = |registry: &Simulated| {
        let flow = Flow { workers: 4, stop: &NEVER };
        failed(&plan.push(registry, Mode::DryRun, flow, |_| ()).unwrap())
    };
    let registry = images.registry();
    registry.world().manifests.remove(&images.digest(1));
    assert_eq!(dry(&registry), (vec![Check::SubjectAbsent], Exit::NothingPushed));
    // A trial pushes nothing in part, whatever is there already.
    let registry = images.registry();
    assert_eq!(failed(&push(&plan, &registry)), GOOD);
    registry.world().manifests.remove(&images.digest(1));
    assert_eq!(dry(&registry), (vec![Check::SubjectAbsent], Exit::NothingPushed));
}

#[test]
fn a_registry_that_fails_while_it_is_read_back_ends_that_image() {
    let images = Images::new([APP, "registry.example/web:7"]);
    let (plan, subject) = (images.plan(Forms::Both), images.digest(0));
    let asked = AtomicUsize::new(0);
    let registry = images.registry().when(move |world, at| {
        // The first two look for what stands there before the push.
        if *at == At::Referrers && asked.fetch_add(1, Ordering::SeqCst) >= 2 {
            return Err(Error::new(Check::RegistryTimeout, "GET"));
        }
        if *at == At::Settle(1) {
            world.stranger(&subject, true);
        }
        Ok(true)
    });
    let outcome = push(&plan, &registry);
    assert_eq!(failed(&outcome), (vec![Check::RegistryTimeout; 2], Exit::Partial));
    assert_eq!(registry.settled(), 1, "it counts as no round");
    let failures = outcome.failures();
    assert_eq!((failures.len(), failures[0].images, failures[0].errors.len()), (1, 2, 2));
}

#[test]
fn rows_come_in_order_as_soon_as_they_are_there() {
    let names: Vec<String> = (0..40).map(|number| format!("registry.example/{number:02}/app:1")).collect();
    let images = Images::new(&names);
    let (plan, gone) = (images.plan(Forms::Sig), images.digest(7));
    let registry = images.registry().when(|_, at| {
        if matches!(at, At::Resolve(digest) if digest.as_bytes()[0] % 3 == 0) {
            thread::yield_now();
        }
        Ok(true)
    });
    registry.world().manifests.remove(&gone);
    let mut events = Vec::new();
    let flow = Flow { workers: 7, stop: &NEVER };
    let outcome = plan
        .push(&registry, Mode::Push, flow, |event| {
            events.push(match event {
                Event::Writable => "writable".to_owned(),
                Event::Row(row) => format!("{} {}", row.status.name(), row.image),
                Event::ReadingBack(digests) => format!("reading back {digests}"),
            });
        })
        .unwrap();
    let mut wanted = vec!["writable".to_owned()];
    wanted.extend(
        names
            .iter()
            .enumerate()
            .map(|(number, name)| format!("{} {name}", if number == 7 { "failed" } else { "pushed" })),
    );
    wanted.push("reading back 39".to_owned());
    assert_eq!(events, wanted);
    assert_eq!(failed(&outcome), (vec![Check::SubjectAbsent], Exit::Partial));
}

#[test]
fn a_row_that_changes_comes_again() {
    let images = Images::one();
    let (plan, mut rows) = (images.plan(Forms::Sig), Vec::new());
    let registry = images.registry().when(|_, at| Ok(*at != At::PutSignatures));
    let flow = Flow { workers: 2, stop: &NEVER };
    let note = |event| {
        if let Event::Row(row) = event {
            rows.push(row.status);
        }
    };
    plan.push(&registry, Mode::Push, flow, note).unwrap();
    assert_eq!(rows, [Status::Pushed, Status::Failed]);
}

#[test]
fn after_a_stop_what_was_put_is_still_read_back() {
    let names: Vec<String> = (0..200).map(|number| format!("registry.example/{number:03}/app:1")).collect();
    let images = Images::new(&names);
    let (plan, stop) = (images.plan(Forms::Sig), Arc::new(AtomicBool::new(false)));
    let count = AtomicUsize::new(0);
    let pressed = stop.clone();
    let registry = images.registry().when(move |_, at| {
        if *at == At::PutSignatures && count.fetch_add(1, Ordering::SeqCst) == 4 {
            pressed.store(true, Ordering::SeqCst);
        }
        Ok(true)
    });
    let outcome = plan.push(&registry, Mode::Push, Flow { workers: 2, stop: &stop }, |_| ()).unwrap();
    let pushed = outcome.count(Status::Pushed);
    assert!((5..=6).contains(&pushed), "{pushed}");
    assert_eq!((registry.settled(), outcome.exit()), (1, Exit::Partial));
    assert_eq!((outcome.count(Status::NotBegun), outcome.count(Status::Failed)), (200 - pushed, 0));
    let failures = outcome.failures();
    assert_eq!((failures.len(), failures[0].images), (1, 200 - pushed));
    assert_eq!(failures[0].errors[0].check(), Check::Interrupted);
    // Stopped before anything was begun.
    let registry = images.registry();
    let outcome = plan.push(&registry, Mode::Push, Flow { workers: 2, stop: &stop }, |_| ()).unwrap();
    assert_eq!((outcome.touched(), outcome.exit(), registry.settled()), (false, Exit::Environment, 0));
    assert_eq!(outcome.count(Status::NotBegun), 200);
    // The same again, undisturbed, completes.
    assert_eq!(failed(&push(&plan, &registry)), GOOD);
}

#[test]
fn a_put_that_failed_is_no_nothing() {
    let images = Images::one();
    let plan = images.plan(Forms::Sig);
    for (at, exit) in [(At::PutBlob, Exit::Partial), (At::PutSignatures, Exit::Partial)] {
        let registry = images.registry().when(move |_, now| {
            if *now == at { Err(Error::new(Check::RegistryAnswer, "PUT")) } else { Ok(true) }
        });
        assert_eq!(failed(&push(&plan, &registry)), (vec![Check::RegistryAnswer], exit));
    }
    let registry = images.registry();
    registry.world().manifests.clear();
    assert_eq!(failed(&push(&plan, &registry)), (vec![Check::SubjectAbsent], Exit::NothingPushed));
}

#[test]
fn a_strangers_bundle_hides_our_sig_and_ours_beside_it_does_not() {
    let images = Images::one();
    let registry = images.registry();
    assert_eq!(failed(&push(&images.plan(Forms::Bundle), &registry)), GOOD);
    let row = |plan: &Plan| push(plan, &registry).rows().next().unwrap();
    let hidden = row(&images.plan(Forms::Sig));
    assert_eq!((hidden.hidden, hidden.bundled, hidden.foreign), (true, true, 1));
    assert_eq!(hidden.warnings()[0].check(), Check::BundleHidesSig);
    let both = row(&images.plan(Forms::Both));
    assert_eq!((both.hidden, both.bundled, both.bundles), (false, true, 1));
    assert!(both.warnings().is_empty());
}

// --- what another tool signed goes the same way

fn attach(signature: &attach::Signature, registry: &Simulated) -> Result<Attached, Failed> {
    let repository = Reference::parse(REPOSITORY).unwrap().repository().clone();
    let to = attach::Destination::Repository(registry, &repository);
    attach::attach(signature, &to, REPOSITORY, Flow { workers: 1, stop: &NEVER })
}

/// The check and the exit code.
fn why(outcome: Result<Attached, Failed>) -> (Check, Exit) {
    let failed = outcome.unwrap_err();
    (failed.error.check(), failed.exit)
}

#[test]
fn an_attached_signature_is_put_again_until_it_stays() {
    let images = Images::one();
    let (signature, subject) = (images.brought(), images.digest(0));
    let over = |rounds: usize| {
        images.registry().when(move |world, at| {
            if matches!(at, At::Settle(round) if *round <= rounds) {
                world.stranger(&subject, true);
            }
            Ok(true)
        })
    };
    for rounds in [0, 1, 7] {
        let registry = over(rounds);
        let attached = attach(&signature, &registry).unwrap();
        assert_eq!((attached.changed, registry.settled()), (true, rounds + 1));
        assert_eq!(
            (attached.foreign, registry.world().layers(&subject).len()),
            match rounds {
                0 => (0, 1),
                _ => (1, 2),
            }
        );
        // Again: nothing is put, and there is nothing to wait for.
        let (puts, settled) = (registry.puts(), registry.settled());
        assert!(!attach(&signature, &registry).unwrap().changed);
        assert_eq!((registry.puts(), registry.settled()), (puts, settled));
    }
    assert_eq!(why(attach(&signature, &over(8))), (Check::PushLost, Exit::Partial));
    // A registry that says yes and keeps nothing.
    let forgetful = images.registry().when(|_, at| Ok(*at != At::PutSignatures));
    assert_eq!(why(attach(&signature, &forgetful)), (Check::PushLost, Exit::Partial));
}

#[test]
fn a_payload_that_was_lost_is_put_again() {
    let images = Images::one();
    let signature = images.brought();
    let lost = AtomicUsize::new(0);
    let registry = images
        .registry()
        .when(move |_, at| Ok(*at != At::PutBlob || lost.fetch_add(1, Ordering::SeqCst) >= 2));
    attach(&signature, &registry).unwrap();
    assert_eq!(registry.settled(), 2);
    // And when an earlier run left it like that.
    registry.world().blobs.clear();
    assert!(attach(&signature, &registry).unwrap().changed);
}

#[test]
fn how_far_an_attachment_came_is_in_the_exit_code() {
    let images = Images::one();
    let signature = images.brought();
    let failing = |wanted: At| {
        images.registry().when(move |_, at| match at {
            at if *at == wanted => Err(Error::new(Check::RegistryAnswer, "a test")),
            _ => Ok(true),
        })
    };
    let refused = attach(&signature, &failing(At::PutSignatures)).unwrap_err();
    assert_eq!((refused.error.check(), refused.exit), (Check::RegistryAnswer, Exit::Partial));
    assert_eq!(refused.error.details().collect::<Vec<_>>(), ["it does not stand there"]);
    assert_eq!(why(attach(&signature, &failing(At::Settle(1)))), (Check::RegistryAnswer, Exit::Partial));
    // Nothing was begun, or nothing was put.
    let stopped = AtomicBool::new(true);
    let repository = Reference::parse(REPOSITORY).unwrap().repository().clone();
    let registry = images.registry();
    let to = attach::Destination::Repository(&registry, &repository);
    let outcome = attach::attach(&signature, &to, REPOSITORY, Flow { workers: 1, stop: &stopped });
    assert_eq!((why(outcome), registry.puts()), ((Check::Interrupted, Exit::Environment), 0));
    let broken = images.registry();
    broken.world().tag(REPOSITORY, &Beside::Signatures.tag(&images.digest(0)), OCI_MANIFEST, b"{}".to_vec());
    assert_eq!(why(attach(&signature, &broken)), (Check::DestinationBroken, Exit::NothingPushed));
    assert_eq!(broken.puts(), 0);
}

/// A signature that nobody verified is read back as bytes.
#[test]
fn an_unverified_one_comes_back_too() {
    let images = Images::one();
    let subject = images.specs[0].subject.clone();
    let digest = subject.digest;
    let signature = attach::Signature::unverified(subject, b"any".to_vec(), b"junk", false).unwrap();
    let registry = images.registry().when(move |world, at| {
        if *at == At::Settle(1) {
            world.stranger(&digest, true);
        }
        Ok(true)
    });
    assert!(attach(&signature, &registry).unwrap().changed);
    assert_eq!((registry.settled(), registry.world().layers(&digest).len()), (2, 2));
    registry.world().blobs.clear();
    assert!(attach(&signature, &registry).unwrap().changed);
    assert!(!attach(&signature, &registry).unwrap().changed);
}
