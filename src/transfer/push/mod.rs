//! Pushing a plan: merge what is absent into the destinations, read everything back, verify it, and see that it stays.
//!
//! Two halves: first every image's signatures are put, many at once; then what was put is read back after a settle time,
//! and put again where another writer took it away (docs/registries.md, "Two writers"). What stands at the destination
//! is the only journal: the same plan again puts what is absent, and nothing else.

mod outcome;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use super::flow::Flow;
use super::gather::{self, Patience, Patient, read_bundle};
use super::import::{Plan, Pushed};
use super::merge::{Crashing, LayerBeside, Merged, merge};
use super::store::{Beside, Destinations, ManifestToPut, Sink};
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::evidence::{Descriptor, OCI_MANIFEST};
use crate::format::reference::{Identity, Repository, Target};
use crate::format::{attestation, bundle};
use crate::limits;
use crate::request::{Image, SubjectGroup};
use crate::verify::{Bundle, Claims, Demand, Form, Purpose, Standing, Valid, Verifier};

use outcome::Shown;
pub(super) use outcome::check_sig_crashes_cosign;
pub use outcome::{Failures, Moved, Outcome, Row, Sought, Status, Tag};

/// Whether anything is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Push, read back, verify.
    Push,
    /// Read what stands there and say what would be pushed.
    DryRun,
}

/// What a person may want to see while a plan is pushed.
#[derive(Debug)]
pub enum Event {
    /// Every destination takes what will be pushed, as far as it lets anybody ask.
    Writable,
    /// An image is done, in the order of the request. It comes once more if reading it back changes its status.
    Row(Box<Row>),
    /// What was put is about to be read back: how many digests.
    ReadingBack(usize),
}

impl Plan {
    /// Pushes what is absent, reads everything back and verifies it. One image's failure does not stop the others.
    /// After a stop of `flow` nothing more is begun; what was put is still read back.
    ///
    /// An error of its own where nothing could be begun: nothing was written.
    pub fn push(
        &self,
        destinations: &dyn Destinations,
        mode: Mode,
        flow: Flow<'_>,
        mut each: impl FnMut(Event),
    ) -> Result<Outcome<'_>> {
        if mode == Mode::Push {
            destinations.check_writable(&self.repositories(), flow)?;
            each(Event::Writable);
        }
        let map = Arc::new(Map::of(self));
        let run = Run::new(self, destinations, mode, map.clone());
        let groups = self.request().groups().iter().map(|_| Group::default()).collect();
        let tags = vec![Tag::default(); self.images().len()];
        let mut outcome = Outcome { plan: self, map, mode, groups, tags };
        let mut shown = Shown::default();
        let turns = turns(self, 0..self.request().groups().len());
        let last = outcome.last_turns(&turns);
        flow.run(
            &turns,
            |turn| Ok(turn.iter().map(|place| run.begin(*place)).collect::<Vec<_>>()),
            |number, done: Result<Vec<Begun>>| {
                let places = turns.get(number).map(Vec::as_slice).unwrap_or_default();
                match done {
                    Ok(begun) => begun.into_iter().for_each(|begun| outcome.take(begun)),
                    Err(error) => outcome.interrupted(places, &error),
                }
                // In a layout nothing is there before it is finished: rows come in the end.
                if run.live {
                    shown.upto(number, &last, &outcome, &mut each);
                }
            },
        );
        if mode == Mode::Push {
            destinations.finish()?;
            run.read_back(&mut outcome.groups, flow.workers, &mut each)?;
        }
        shown.rest(&outcome, &mut each);
        Ok(outcome)
    }
}

/// Which groups belong to which images.
#[derive(Debug, Default)]
struct Map {
    /// The group of an item, by the item's index.
    group_of: Vec<usize>,
    /// The images whose top item is in a group.
    tops: HashMap<usize, Vec<usize>>,
    /// The images that a group belongs to, by group.
    images_of: Vec<Vec<usize>>,
}

impl Map {
    fn of(plan: &Plan) -> Self {
        let request = plan.request();
        let mut group_of = vec![usize::MAX; request.items().len()];
        for (place, group) in request.groups().iter().enumerate() {
            let attested = group.attestations.iter().filter_map(|place| request.statements().get(*place));
            let items = group.payloads.iter().map(|unit| &unit.items).chain(attested.map(|unit| &unit.items));
            for item in items.flatten() {
                if let Some(group_of) = group_of.get_mut(*item) {
                    *group_of = place;
                }
            }
        }
        let images_of = vec![Vec::new(); request.groups().len()];
        let mut map = Self { group_of, tops: HashMap::new(), images_of };
        for (number, image) in plan.images().iter().enumerate() {
            for place in map.groups(image) {
                if let Some(images) = map.images_of.get_mut(place) {
                    images.push(number);
                }
            }
            if let Some(place) = map.group_of.get(image.first) {
                map.tops.entry(*place).or_default().push(number);
            }
        }
        map
    }

    fn groups(&self, image: &Image) -> BTreeSet<usize> {
        image.items.iter().filter_map(|item| self.group_of.get(*item)).copied().collect()
    }
}

/// What is known of one repository and digest.
#[derive(Debug, Default)]
struct Group {
    done: Done,
    /// Layers on which cosign 2 panics.
    crashing: Crashing,
    note: Option<Box<str>>,
    error: Option<Error>,
    /// The error came while it was put: what of it stands there is yet to be read back.
    halfway: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Done {
    stage: Stage,
    /// Something was absent.
    changed: bool,
    sigs: usize,
    atts: usize,
    bundles: usize,
    /// Of these, those that were not there at first.
    new_sigs: usize,
    new_atts: usize,
    new_bundles: usize,
    foreign_layers: usize,
    foreign_bundles: usize,
    bundled: bool,
    hidden: bool,
}

/// How far a group is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// Nothing was put.
    #[default]
    Read,
    /// Something was put, or an attempt was made.
    Put,
    /// Everything of ours came back and verified; what was put, after it settled.
    Verified,
}

/// A group that was begun, and the tags of the images whose top it is.
struct Begun {
    place: usize,
    group: Group,
    tags: Vec<(usize, Tag)>,
}

/// What was read back of a group.
struct Seen {
    /// How many signatures of ours there are to be.
    wanted: usize,
    /// The keys whose signatures are not there.
    missing: Vec<Digest>,
    foreign_bundles: usize,
    bundled: bool,
    hidden: bool,
    /// Why it is not known which bundles there are.
    note: Option<Box<str>>,
}

/// One push, for all its workers.
struct Run<'a> {
    plan: &'a Plan,
    destinations: &'a dyn Destinations,
    map: Arc<Map>,
    mode: Mode,
    live: bool,
    verifier: Verifier,
    demand: Demand,
    waits: Vec<Wait>,
}

/// How long one image was waited for.
#[derive(Default)]
struct Wait {
    /// A request for it took too long that was needed: nothing more is begun for it.
    ended: AtomicBool,
    patience: Patience,
}

impl<'a> Run<'a> {
    fn new(plan: &'a Plan, destinations: &'a dyn Destinations, mode: Mode, map: Arc<Map>) -> Self {
        let demand = Demand {
            keys: plan.wanted().keys.clone(),
            purpose: Purpose::Signature,
            annotations: BTreeMap::new(),
            claims: true,
            threshold: 1,
            evidence: plan.wanted().evidence.clone(),
        };
        let verifier = match mode {
            Mode::Push => Verifier::knowing(plan.response().known()),
            Mode::DryRun => Verifier::default(),
        };
        let waits = plan.images().iter().map(|_| Wait::default()).collect();
        Self { plan, destinations, map, mode, live: destinations.is_live(), verifier, demand, waits }
    }

    fn waits(&self, place: usize) -> impl Iterator<Item = &Wait> {
        let images = self.map.images_of.get(place).into_iter().flatten();
        images.filter_map(|image| self.waits.get(*image))
    }

    /// Works on a group, unless a request for each of its images took too long by now: a time-out ends its image.
    fn unless_ended<T>(&self, place: usize, work: impl FnOnce() -> Result<T>) -> Result<T> {
        self.check_registry_timeout(place)?;
        let outcome = work();
        if matches!(&outcome, Err(error) if error.check() == Check::RegistryTimeout) {
            self.waits(place).for_each(|wait| wait.ended.store(true, Ordering::Relaxed));
        }
        outcome
    }

    /// REGISTRY-TIMEOUT, without a request, where every image that the group belongs to has ended so.
    fn check_registry_timeout(&self, place: usize) -> Result<()> {
        let mut waits = self.waits(place).peekable();
        if waits.peek().is_none() || waits.any(|wait| !wait.ended.load(Ordering::Relaxed)) {
            return Ok(());
        }
        let error = Error::new(Check::RegistryTimeout, name(self.group(place)?));
        Err(error.detail("not asked for: a request for this image took too long"))
    }

    fn group(&self, place: usize) -> Result<&'a SubjectGroup> {
        self.plan.request().groups().get(place).ok_or_else(|| Error::new(Check::SubjectAbsent, place))
    }

    /// Puts what is absent of a group. What was there already is verified at once.
    fn begin(&self, place: usize) -> Begun {
        let mut begun = Begun { place, group: Group::default(), tags: Vec::new() };
        begun.group.error = self.unless_ended(place, || self.try_begin(&mut begun)).err();
        begun.group.halfway =
            begun.group.done.stage == Stage::Put && begun.group.error.as_ref().is_some_and(is_no_timeout);
        begun
    }

    fn try_begin(&self, begun: &mut Begun) -> Result<()> {
        let group = self.group(begun.place)?;
        let store = self.destinations.repository(&group.repository)?;
        if self.live {
            for image in self.map.tops.get(&begun.place).into_iter().flatten() {
                begun.tags.push((*image, self.check_tag_moved(store.as_ref(), group, *image)?));
            }
        }
        // A tag that names the digest was read just now, and the image with it.
        if !begun.tags.iter().any(|(_, tag)| *tag == Tag::Same) {
            check_subject_absent(store.as_ref(), group)?;
        }
        self.put(store.as_ref(), begun.place, group, &mut begun.group, false)?;
        if self.mode == Mode::DryRun || begun.group.done.stage != Stage::Read {
            return Ok(());
        }
        let seen = self.look(store.as_ref(), begun.place, group)?;
        if self.live {
            begun.group.take(seen);
        } else if !seen.missing.is_empty() {
            // What stands there for it does not hold, by what is beside it: a layout is written once.
            begun.group = Group::default();
            self.put(store.as_ref(), begun.place, group, &mut begun.group, true)?;
        }
        Ok(())
    }

    /// TAG-MOVED: the tag of the identity, else of the destination, names the digest that was signed. What cannot be
    /// found out stops nothing, unless it takes too long: REGISTRY-TIMEOUT.
    fn check_tag_moved(&self, store: &dyn Sink, group: &SubjectGroup, image: usize) -> Result<Tag> {
        let request = self.plan.request();
        let item = self.plan.images().get(image).and_then(|image| request.items().get(image.first));
        let Some(item) = item else { return Ok(Tag::NotNamed) };
        let identity = item.identity().filter(|identity| *identity.repository() == group.repository);
        let of_identity = identity.and_then(Identity::tag);
        let Some(tag) = of_identity.or(item.destination.tag()) else { return Ok(Tag::NotNamed) };
        let now = match store.resolve(&Target::Tag(tag.to_owned())) {
            Ok(Some(now)) => now.digest,
            Ok(None) => return Ok(Tag::Absent),
            Err(error) if is_no_timeout(&error) => {
                return Ok(Tag::Unread(format!("{}:{tag}: {error}", group.repository).into()));
            }
            Err(error) => return Err(error),
        };
        if now == group.subject.digest {
            return Ok(Tag::Same);
        }
        let name = format!("{}:{tag}", group.repository);
        let bare = self.is_bare(store, &group.repository, &now)?;
        Ok(Tag::Moved(Box::new(Moved { name, now, bare })))
    }

    /// Whether a digest is known to have no signature: none there, and none on its way with this plan.
    fn is_bare(&self, store: &dyn Sink, repository: &Repository, digest: &Digest) -> Result<bool> {
        let is = |group: &SubjectGroup| group.repository == *repository && group.subject.digest == *digest;
        if self.plan.request().groups().iter().any(is) {
            return Ok(false);
        }
        let found = store
            .beside(Beside::Signatures, digest)
            .and_then(|found| Ok(found.is_empty() && store.referrers(digest)?.is_empty()));
        found.or_else(|error| if is_no_timeout(&error) { Ok(false) } else { Err(error) })
    }

    /// Puts what is absent. `again`: it did not come back, so that nothing that was put is believed to be there.
    fn put(
        &self,
        store: &dyn Sink,
        place: usize,
        group: &SubjectGroup,
        known: &mut Group,
        again: bool,
    ) -> Result<()> {
        // Everything is read before anything is put: where the referrers cannot be read the `.sig` stays as it is.
        let there = if self.plan.wanted().attach.bundle() && !again {
            store.referrers(&group.subject.digest)?
        } else {
            Vec::new()
        };
        let layers = self.plan.layers(place, group);
        let payloads = layers.iter().map(|layer| layer.payload.digest).collect::<BTreeSet<_>>();
        let payloads = payloads.iter().filter_map(|digest| self.plan.request().blob(digest).cloned());
        let payloads: Vec<Bytes> = payloads.collect();
        let all = |place, group: &SubjectGroup| self.plan.layers(place, group);
        let put = self.put_layers(store, group, (&layers, &payloads), all, known, again)?;
        (known.done.sigs, known.done.new_sigs) = put;
        let (envelopes, layers): (Vec<Bytes>, Vec<attestation::Layer>) =
            self.plan.attestations(group).into_iter().unzip();
        let all = |_, group: &SubjectGroup| {
            self.plan.attestations(group).into_iter().map(|(_, layer)| layer).collect()
        };
        let put = self.put_layers(store, group, (&layers, &envelopes), all, known, again)?;
        (known.done.atts, known.done.new_atts) = put;
        let done = &mut known.done;
        let mut bundles = 0;
        let mut others = None;
        for (bundle, referrer) in self.plan.bundles(group) {
            bundles += 1;
            let digest = Digest::of(&referrer);
            if there.iter().any(|there| there.digest == digest) {
                continue;
            }
            let others = others.get_or_insert_with(|| read_bundles(store, &there));
            if others.iter().any(|other| has_all(other, &bundle)) {
                continue;
            }
            done.changed = true;
            done.new_bundles += 1;
            if self.mode == Mode::Push {
                done.stage = Stage::Put;
                store.put_blob(bundle::EMPTY)?;
                store.put_blob(&bundle)?;
                let manifest = ManifestToPut {
                    bytes: &referrer,
                    media_type: OCI_MANIFEST,
                    artifact_type: Some(bundle::MEDIA_TYPE),
                };
                store.put_referrer(&group.subject, &manifest)?;
            }
        }
        done.bundles = bundles;
        Ok(())
    }

    /// Merges layers into what stands beside a group, and puts it with their contents. `all` gives the layers of another
    /// group: those of one digest share a tag in a layout and in a repository that all signatures go to. Returns how many
    /// manifests hold them, and how many of these were changed.
    fn put_layers<L: LayerBeside>(
        &self,
        store: &dyn Sink,
        group: &SubjectGroup,
        (layers, contents): (&[L], &[Bytes]),
        all: impl Fn(usize, &SubjectGroup) -> Vec<L>,
        known: &mut Group,
        again: bool,
    ) -> Result<(usize, usize)> {
        if layers.is_empty() {
            return Ok((0, 0));
        }
        let standing = standing(store, L::KIND, &group.subject.digest)?;
        let standing =
            standing.as_ref().map(|(standing, bytes)| (standing.media_type.as_str(), bytes.as_slice()));
        let merge = merge(standing, layers, again).map_err(|error| error.within(name(group)))?;
        if merge.foreign > 0 {
            let groups = self.plan.request().groups().iter().enumerate();
            let siblings = groups.filter(|(_, other)| other.subject.digest == group.subject.digest);
            let all: Vec<L> = siblings.flat_map(|(place, other)| all(place, other)).collect();
            known.done.foreign_layers +=
                self::merge(standing, &all, false).map_or(merge.foreign, |merge| merge.foreign);
        }
        known.crashing.add(merge.crashing);
        if merge.change.is_none() && !again {
            return Ok((1, 0));
        }
        known.done.changed = true;
        if self.mode == Mode::Push {
            known.done.stage = Stage::Put;
            contents.iter().try_for_each(|content| store.put_blob(content))?;
            // What does not stand there by now was lost, and is put as it stands.
            if let Some(merged) = &merge.change {
                put_merged(store, L::KIND, &group.subject, merged)?;
            }
        }
        Ok((1, 1))
    }

    /// Reads a group back and verifies it. An error where something of ours is missing whose form could not be read, or
    /// where reading took too long: then it is not known to be missing, or its image has ended.
    fn look(&self, store: &dyn Sink, place: usize, group: &SubjectGroup) -> Result<Seen> {
        let mut found: Vec<Valid> = Vec::new();
        let (mut bundles, mut good) = (0, 0);
        let mut unread = Vec::new();
        let own = Patience::default();
        let patience = self.waits(place).next().map_or(&own, |wait| &wait.patience);
        let judge =
            |demand: &Demand| gather::judge(store, &group.subject.digest, &self.verifier, demand, patience);
        let custom = group.payloads.iter().any(|unit| unit.custom);
        // What another tool's payload says is not known; ours were rendered again, and are known by their digests.
        let mut verdicts = judge(&Demand { claims: !custom, ..self.demand.clone() });
        let attested = if group.attestations.is_empty() {
            Vec::new()
        } else {
            judge(&Demand { purpose: Purpose::Attestation(None), ..self.demand.clone() })
        };
        let mut good_attestations = 0;
        for verdict in attested {
            let is_bundle = verdict.form == Form::Bundle;
            let is_unread = verdict.unread().is_some();
            match verdict.outcome {
                Ok(valid) => {
                    good_attestations += usize::from(is_bundle);
                    found.push(valid);
                }
                // Bundles are read for signatures as well: each failure is told once.
                Err(error) if is_unread && !is_bundle => unread.push((verdict.form, error)),
                Err(_) => {}
            }
        }
        let is_signed = verdicts.iter().any(|verdict| verdict.form == Form::Sig);
        for verdict in verdicts.drain(..) {
            let is_bundle = usize::from(verdict.form == Form::Bundle);
            let is_unread = verdict.unread().is_some();
            match verdict.outcome {
                Ok(valid) => {
                    (bundles, good) = (bundles + is_bundle, good + is_bundle);
                    found.push(valid);
                }
                Err(error) if is_unread => unread.push((verdict.form, error)),
                Err(_) => bundles += is_bundle,
            }
        }
        let mut standing: HashMap<(Form, Digest, Digest), Vec<&Standing>> = HashMap::new();
        for valid in &found {
            standing.entry(signed(valid)).or_default().push(valid.standing());
        }
        let wanted: Vec<Pushed> = self.plan.pushed(place, group).collect();
        let stands = |wanted: &&Pushed| {
            let found = standing.get(&(wanted.form, wanted.key_id, wanted.over));
            found.is_some_and(|found| found.iter().any(|found| found.has(&wanted.material)))
        };
        let missing: Vec<&Pushed> = wanted.iter().filter(|wanted| !stands(wanted)).collect();
        let needed = |(form, error): &(Form, Error)| {
            missing.iter().any(|missing| missing.form == *form)
                || !missing.is_empty() && !is_no_timeout(error)
        };
        if let Some(at) = unread.iter().position(needed) {
            return Err(unread.swap_remove(at).1);
        }
        // A `.sig` of ours that others' bundles hide, or anybody's that ours do, which are attestations.
        let hides =
            wanted.iter().any(|wanted| wanted.form == Form::Sig) || is_signed && bundles == good_attestations;
        Ok(Seen {
            wanted: wanted.len(),
            missing: missing.into_iter().map(|missing| missing.key_id).collect(),
            foreign_bundles: bundles - good - good_attestations,
            bundled: bundles > 0,
            hidden: bundles > 0 && good == 0 && hides,
            note: unread
                .iter()
                .find(|(form, _)| *form == Form::Bundle)
                .map(|(_, error)| format!("{}: {error}", name(group)).into()),
        })
    }

    /// Reads back what was put, in rounds, until all of it stays. A stop does not end this: what was put is verified.
    fn read_back(&self, groups: &mut [Group], workers: usize, each: &mut impl FnMut(Event)) -> Result<()> {
        let never = AtomicBool::new(false);
        let flow = Flow { workers, stop: &never };
        // What was put before a request for its image took too long is read back nevertheless, until the next one.
        self.waits.iter().for_each(|wait| wait.ended.store(false, Ordering::Relaxed));
        for round in 1..=limits::SETTLE_ROUNDS {
            let open = |group: &Group| {
                if group.error.is_some() { group.halfway } else { group.done.stage != Stage::Verified }
            };
            let places = groups.iter().enumerate().filter(|(_, group)| open(group)).map(|(place, _)| place);
            let turns = turns(self.plan, places);
            if turns.is_empty() {
                return Ok(());
            }
            let halfway: HashSet<usize> =
                (0..).zip(&*groups).filter(|(_, group)| group.halfway).map(|(place, _)| place).collect();
            each(Event::ReadingBack(turns.iter().map(Vec::len).sum()));
            let settles = self.destinations.settle()?;
            flow.run(
                &turns,
                |turn| {
                    let round = |place: &usize| {
                        let number = (!halfway.contains(place)).then_some(round);
                        self.round(*place, settles, number)
                    };
                    Ok(turn.iter().map(round).collect::<Vec<_>>())
                },
                |number, rounds: Result<Vec<Round>>| {
                    let places = turns.get(number).into_iter().flatten();
                    for (place, round) in places.zip(rounds.into_iter().flatten()) {
                        if let Some(group) = groups.get_mut(*place) {
                            group.update(round);
                        }
                    }
                },
            );
        }
        Ok(())
    }

    /// Looks at a group with fresh eyes, and puts what is missing; without a number it only looks.
    fn round(&self, place: usize, settles: bool, number: Option<usize>) -> Round {
        let mut round = Round::default();
        round.error = self.unless_ended(place, || self.try_round(place, settles, number, &mut round)).err();
        round
    }

    fn try_round(&self, place: usize, settles: bool, number: Option<usize>, round: &mut Round) -> Result<()> {
        let group = self.group(place)?;
        let store = self.destinations.repository(&group.repository)?;
        let seen = self.look(store.as_ref(), place, group)?;
        if let (Some(number), Some(key)) = (number, seen.missing.first()) {
            if !settles {
                return Err(read_back(&group.subject.digest, &no_signature(key)));
            }
            check_push_lost(&name(group), &no_signature(key), number)?;
            // What was read before is not to be merged into: somebody may have written since.
            let store = self.destinations.repository(&group.repository)?;
            let mut known = Group::default();
            let put = self.put(store.as_ref(), place, group, &mut known, true);
            round.put = Some(known);
            return put;
        }
        round.seen = Some(seen);
        Ok(())
    }
}

/// What one round found out about a group.
#[derive(Default)]
struct Round {
    seen: Option<Seen>,
    put: Option<Group>,
    error: Option<Error>,
}

impl Round {
    /// What stands there of a group whose put failed.
    fn came_back(&self) -> String {
        match (&self.seen, &self.error) {
            (Some(seen), _) => {
                let good = seen.wanted - seen.missing.len();
                format!("of {} signatures {good} came back and verify", seen.wanted)
            }
            (None, Some(error)) => format!("what stands there could not be read back: {error}"),
            (None, None) => "what stands there was not read back".to_owned(),
        }
    }
}

impl Group {
    fn take(&mut self, seen: Seen) {
        self.done.foreign_bundles = seen.foreign_bundles;
        self.done.bundled = seen.bundled;
        self.done.hidden = seen.hidden;
        if seen.missing.is_empty() {
            self.done.stage = Stage::Verified;
        }
        self.note = seen.note;
    }

    fn update(&mut self, round: Round) {
        if let Some(error) = self.error.take() {
            // It has failed, whatever stands there by now.
            self.error = Some(error.detail(round.came_back()));
            self.halfway = false;
            return;
        }
        self.halfway = round.put.is_some() && round.error.as_ref().is_some_and(is_no_timeout);
        if let Some(put) = round.put {
            let stage = if put.done.stage == Stage::Read { self.done.stage } else { put.done.stage };
            self.done = Done {
                stage,
                changed: self.done.changed || put.done.changed,
                new_sigs: self.done.new_sigs,
                new_atts: self.done.new_atts,
                new_bundles: self.done.new_bundles,
                ..put.done
            };
            self.crashing = put.crashing;
        }
        if let Some(seen) = round.seen {
            self.take(seen);
        }
        self.error = round.error;
    }

    /// Whether something of ours stands there, as far as it is known. What a dry run would push does not.
    fn stands(&self) -> bool {
        let would_be = self.done.changed && self.done.stage == Stage::Read;
        self.error.is_none() && !would_be && self.done.sigs + self.done.atts + self.done.bundles > 0
    }
}

/// Two groups may have one `.sig`, as in a layout, where one digest has one for every repository: those of one digest
/// take turns.
fn turns(plan: &Plan, places: impl Iterator<Item = usize>) -> Vec<Vec<usize>> {
    let mut turns: Vec<Vec<usize>> = Vec::new();
    let mut of_digest: HashMap<Digest, usize> = HashMap::new();
    for place in places {
        let Some(group) = plan.request().groups().get(place) else { continue };
        let turn = *of_digest.entry(group.subject.digest).or_insert_with(|| {
            turns.push(Vec::new());
            turns.len() - 1
        });
        if let Some(turn) = turns.get_mut(turn) {
            turn.push(place);
        }
    }
    turns
}

/// What a valid signature is known by: its form, its key, and the digest of the payload or statement.
fn signed(valid: &Valid) -> (Form, Digest, Digest) {
    let (Claims::Payload(bytes) | Claims::Statement(bytes)) = valid.claims();
    (valid.form(), valid.key_id(), Digest::of(bytes))
}

/// The bundles that these referrers hold; what cannot be read is nobody's.
fn read_bundles(store: &dyn Sink, referrers: &[Descriptor]) -> Vec<Bundle> {
    let patience = Patience::default();
    let patient = Patient::new(&store, &patience);
    let read = |referrer: &Descriptor| {
        let (layer, bytes) = read_bundle(&patient, referrer).ok()??;
        Bundle::read(&bytes, &layer.media_type).ok()
    };
    referrers.iter().filter_map(read).collect()
}

/// Whether a bundle is of the same signature as one of ours, and has everything beside it that ours has.
fn has_all(other: &Bundle, ours: &[u8]) -> bool {
    let ours = Bundle::read(ours, bundle::MEDIA_TYPE);
    ours.is_ok_and(|ours| {
        (&other.statement, &other.signature) == (&ours.statement, &ours.signature)
            && other.material.contains(&ours.material)
    })
}

/// Puts a merged `.sig` or `.att`: its config, then the manifest. What its layers hold was put before.
pub(super) fn put_merged(
    store: &dyn Sink,
    kind: Beside,
    subject: &Descriptor,
    merged: &Merged,
) -> Result<()> {
    store.put_blob(&merged.config)?;
    let manifest =
        ManifestToPut { bytes: &merged.manifest, media_type: &merged.media_type, artifact_type: None };
    store.put_beside(kind, subject, &manifest)
}

/// The `.sig` or `.att` that stands at a digest, to be merged into. DESTINATION-BROKEN where it is named and not there.
pub(super) fn standing(
    store: &dyn Sink,
    kind: Beside,
    subject: &Digest,
) -> Result<Option<(Descriptor, Vec<u8>)>> {
    let Some(standing) = store.beside(kind, subject)?.into_iter().next() else {
        return Ok(None);
    };
    let bytes = store
        .manifest(&standing.digest)?
        .ok_or_else(|| Error::new(Check::DestinationBroken, standing.digest))?;
    Ok(Some((standing, bytes)))
}

/// `repository@digest`.
fn name(group: &SubjectGroup) -> String {
    format!("{}@{}", group.repository, group.subject.digest)
}

/// SUBJECT-ABSENT: the signed manifest is at the destination.
fn check_subject_absent(store: &dyn Sink, group: &SubjectGroup) -> Result<()> {
    match store.resolve(&Target::Digest(group.subject.digest))? {
        Some(_) => Ok(()),
        None => Err(Error::new(Check::SubjectAbsent, name(group))
            .detail("nothing was pushed for it")
            .hint("push that image again and run the same command; what is done stays done")),
    }
}

/// `no valid signature by KEY`: what is missing.
pub(super) fn no_signature(key: &Digest) -> String {
    format!("no valid signature by {key}")
}

/// READ-BACK: everything that was put comes back and verifies; what is missing does not.
pub(super) fn read_back(subject: &Digest, missing: &str) -> Error {
    Error::new(Check::ReadBack, subject).detail(format!("{missing} came back"))
}

/// PUSH-LOST: everything that was put is there after a settle time, in as many rounds as that may take.
pub(super) fn check_push_lost(name: &str, missing: &str, round: usize) -> Result<()> {
    if round < limits::SETTLE_ROUNDS {
        return Ok(());
    }
    Err(Error::new(Check::PushLost, name)
        .detail(format!("{missing} came back, in {round} rounds"))
        .detail("another writer wrote over it each time, or the registry does not keep it")
        .hint("run the same command again when nobody else signs this image"))
}

/// Whether an error lets its image go on: one that says that a request took too long ends it.
pub(super) fn is_no_timeout(error: &Error) -> bool {
    error.check() != Check::RegistryTimeout
}
