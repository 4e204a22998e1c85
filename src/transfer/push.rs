//! Pushing a plan: merge what is absent into the destinations, read everything back, verify it, and see that it stays.
//!
//! Two halves: first every image's signatures are put, many at once; then what was put is read back after a settle time,
//! and put again where another writer took it away (docs/registries.md, "Two writers"). What stands at the destination
//! is the only journal: the same plan again puts what is absent, and nothing else.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::flow::Flow;
use super::gather;
use super::import::Plan;
use super::merge::{Merged, merge};
use super::store::{Destinations, ManifestToPut, Sink};
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::format::bundle;
use crate::format::evidence::{Descriptor, OCI_MANIFEST};
use crate::format::reference::{Repository, Target};
use crate::format::signature::Layer;
use crate::limits;
use crate::request::{Image, SigGroup};
use crate::verify::{Claims, Demand, Form, Verifier};

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
    Row(Row),
    /// What was put is about to be read back: how many digests.
    ReadingBack(usize),
}

/// What became of one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its destination as the request spells it.
    pub image: String,
    /// Its top digest.
    pub digest: Digest,
    /// What was done.
    pub status: Status,
    /// How many `.sig` manifests hold its signatures.
    pub sigs: usize,
    /// How many bundles hold its signatures.
    pub bundles: usize,
    /// Whether other layers stand beside ours.
    pub beside: bool,
    /// How many layers and bundles stand beside ours; of bundles, as far as the image was read back.
    pub foreign: usize,
    /// Whether a bundle of anybody's stands beside it: then stock cosign looks at bundles.
    pub bundled: bool,
    /// Whether a bundle of somebody else's keeps stock cosign from looking at our `.sig` (BUNDLE-HIDES-SIG).
    pub hidden: bool,
    /// What the tag that was signed for names.
    pub tag: Tag,
    /// Layers on which cosign 2 panics, by `repository@digest`: number (from 1) and payload.
    pub crashing: Vec<(String, Vec<(usize, Digest)>)>,
    /// What could not be found out and stops nothing.
    pub notes: Vec<String>,
    /// What went wrong, if anything did, first: the check, and all of it in one line.
    pub error: Option<(Check, String)>,
}

/// What was done for an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Something was written, read back and verified.
    Pushed,
    /// Everything was there already; it was read and verified.
    Unchanged,
    /// Nothing was written because only a trial was asked for.
    WouldPush,
    /// Not everything stands there for this image.
    Failed,
}

/// What the tag of an image's identity, or of its destination, names at the destination.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Tag {
    /// It was not looked at: a layout's tags are its own, and nothing was begun after Ctrl-C.
    #[default]
    NotCompared,
    /// There is no tag, or it is not one of the destination's repository.
    NotNamed,
    /// The digest that was signed.
    Same,
    /// Nothing.
    Absent,
    /// Another digest (TAG-MOVED).
    Moved(Box<Moved>),
    /// It could not be read, and why.
    Unread(Box<str>),
}

/// A tag that names another image than the one that was signed for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// `repository:tag`.
    pub name: String,
    /// What it names now.
    pub now: Digest,
    /// That image is known to have no signature.
    pub bare: bool,
}

/// What became of all images.
#[derive(Debug)]
pub struct Outcome<'p> {
    plan: &'p Plan,
    map: Arc<Map>,
    mode: Mode,
    groups: Vec<Group>,
    tags: Vec<Tag>,
}

/// Errors of one check and one registry.
#[derive(Debug)]
pub struct Failures<'o> {
    /// How many images failed by it.
    pub images: usize,
    /// The errors, in the order of the request: of an image the first, and none that several share twice.
    pub errors: Vec<&'o Error>,
}

impl Status {
    /// As it stands on the screen and in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pushed => "pushed",
            Self::Unchanged => "unchanged",
            Self::WouldPush => "would push",
            Self::Failed => "failed",
        }
    }
}

impl Tag {
    /// As it stands in reports.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::NotCompared | Self::Unread(_) => "not compared",
            Self::NotNamed => "not named",
            Self::Same => "same",
            Self::Absent => "absent",
            Self::Moved(_) => "moved",
        }
    }
}

impl Row {
    /// What a person should know and what stops nothing: TAG-MOVED, SIG-CRASHES-COSIGN, BUNDLE-HIDES-SIG.
    #[must_use]
    pub fn warnings(&self) -> Vec<Error> {
        let mut warnings = Vec::new();
        if let Tag::Moved(moved) = &self.tag {
            let warning = Error::new(Check::TagMoved, &moved.name)
                .detail(format!("signed {}", self.digest))
                .detail(format!("now {}", moved.now));
            let done = match self.status {
                Status::Pushed => "pushed for the digest that was signed",
                Status::Unchanged => "the digest that was signed has its signatures",
                Status::WouldPush => "would be pushed for the digest that was signed",
                Status::Failed => "nothing more was done for the digest that was signed",
            };
            let bare = if moved.bare { "; the new image has no signature" } else { "" };
            warnings.push(warning.detail(format!("{done}{bare}")));
        }
        warnings.extend(
            self.crashing.iter().filter_map(|(place, layers)| check_sig_crashes_cosign(place, layers).err()),
        );
        if self.hidden {
            warnings.push(Error::new(Check::BundleHidesSig, &self.image).hint("--attach both"));
        }
        warnings
    }
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
            destinations.check_writable(&self.repositories())?;
            each(Event::Writable);
        }
        let map = Arc::new(Map::of(self));
        let run = Run::new(self, destinations, mode, map.clone());
        let groups = self.request().sigs().iter().map(|_| Group::default()).collect();
        let tags = vec![Tag::default(); self.request().images().len()];
        let mut outcome = Outcome { plan: self, map, mode, groups, tags };
        let mut shown = Shown::default();
        let turns = turns(self, 0..self.request().sigs().len());
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
}

impl Map {
    fn of(plan: &Plan) -> Self {
        let request = plan.request();
        let mut group_of = vec![usize::MAX; request.items().len()];
        for (place, group) in request.sigs().iter().enumerate() {
            for item in group.payloads.iter().flat_map(|unit| &unit.items) {
                if let Some(group_of) = group_of.get_mut(*item) {
                    *group_of = place;
                }
            }
        }
        let mut map = Self { group_of, tops: HashMap::new() };
        for (number, image) in request.images().iter().enumerate() {
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
    crashing: Vec<(usize, Digest)>,
    note: Option<Box<str>>,
    error: Option<Error>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Done {
    stage: Stage,
    /// Something was absent.
    changed: bool,
    sigs: usize,
    bundles: usize,
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
    /// The key whose signature is not there.
    missing: Option<Digest>,
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
}

impl<'a> Run<'a> {
    fn new(plan: &'a Plan, destinations: &'a dyn Destinations, mode: Mode, map: Arc<Map>) -> Self {
        let demand = Demand {
            keys: plan.wanted().keys.clone(),
            annotations: BTreeMap::new(),
            claims: true,
            threshold: 1,
        };
        let verifier = match mode {
            Mode::Push => Verifier::knowing(plan.response().known()),
            Mode::DryRun => Verifier::default(),
        };
        Self { plan, destinations, map, mode, live: destinations.is_live(), verifier, demand }
    }

    fn group(&self, place: usize) -> Result<&'a SigGroup> {
        self.plan.request().sigs().get(place).ok_or_else(|| Error::new(Check::SubjectAbsent, place))
    }

    /// Puts what is absent of a group. What was there already is verified at once.
    fn begin(&self, place: usize) -> Begun {
        let mut begun = Begun { place, group: Group::default(), tags: Vec::new() };
        begun.group.error = self.try_begin(&mut begun).err();
        begun
    }

    fn try_begin(&self, begun: &mut Begun) -> Result<()> {
        let group = self.group(begun.place)?;
        let store = self.destinations.repository(&group.repository)?;
        if self.live {
            for image in self.map.tops.get(&begun.place).into_iter().flatten() {
                begun.tags.push((*image, self.check_tag_moved(store.as_ref(), group, *image)));
            }
        }
        // A tag that names the digest was read just now, and the image with it.
        if !begun.tags.iter().any(|(_, tag)| *tag == Tag::Same) {
            check_subject_absent(store.as_ref(), group)?;
        }
        self.put(store.as_ref(), begun.place, group, &mut begun.group, false)?;
        if self.mode == Mode::Push && self.live && begun.group.done.stage == Stage::Read {
            let seen = self.look(store.as_ref(), begun.place, group)?;
            begun.group.take(seen);
        }
        Ok(())
    }

    /// TAG-MOVED: the tag of the identity, else of the destination, names the digest that was signed.
    fn check_tag_moved(&self, store: &dyn Sink, group: &SigGroup, image: usize) -> Tag {
        let request = self.plan.request();
        let item = request.images().get(image).and_then(|image| request.items().get(image.first));
        let Some(item) = item else { return Tag::NotNamed };
        let of_identity = item.identity.tag().filter(|_| *item.identity.repository() == group.repository);
        let Some(tag) = of_identity.or(item.destination.tag()) else { return Tag::NotNamed };
        let now = match store.resolve(&Target::Tag(tag.to_owned())) {
            Ok(Some(now)) => now.digest,
            Ok(None) => return Tag::Absent,
            Err(error) => return Tag::Unread(format!("{}:{tag}: {error}", group.repository).into()),
        };
        if now == group.subject.digest {
            return Tag::Same;
        }
        let name = format!("{}:{tag}", group.repository);
        Tag::Moved(Box::new(Moved { name, now, bare: self.is_bare(store, &group.repository, &now) }))
    }

    /// Whether a digest is known to have no signature: none there, and none on its way with this plan.
    fn is_bare(&self, store: &dyn Sink, repository: &Repository, digest: &Digest) -> bool {
        let is = |group: &SigGroup| group.repository == *repository && group.subject.digest == *digest;
        !self.plan.request().sigs().iter().any(is)
            && store.signatures(digest).is_ok_and(|found| found.is_empty())
            && store.referrers(digest).is_ok_and(|found| found.is_empty())
    }

    /// Puts what is absent. `again`: it did not come back, so that nothing that was put is believed to be there.
    fn put(
        &self,
        store: &dyn Sink,
        place: usize,
        group: &SigGroup,
        known: &mut Group,
        again: bool,
    ) -> Result<()> {
        let done = &mut known.done;
        let layers = self.plan.layers(place, group);
        if !layers.is_empty() {
            done.sigs = 1;
            let standing = standing(store, &group.subject.digest)?;
            let standing =
                standing.as_ref().map(|(standing, bytes)| (standing.media_type.as_str(), bytes.as_slice()));
            let merge = merge(standing, &layers).map_err(|error| error.within(name(group)))?;
            done.foreign_layers = merge.foreign;
            known.crashing = merge.crashing;
            if merge.change.is_some() || again {
                done.changed = true;
                if self.mode == Mode::Push {
                    done.stage = Stage::Put;
                    self.put_sig(store, group, &layers, merge.change.as_ref())?;
                }
            }
        }
        let there: HashSet<Digest> = if self.plan.wanted().attach.bundle() && !again {
            store.referrers(&group.subject.digest)?.into_iter().map(|referrer| referrer.digest).collect()
        } else {
            HashSet::new()
        };
        let mut bundles = 0;
        for (bundle, referrer) in self.plan.bundles(group) {
            bundles += 1;
            if there.contains(&Digest::of(&referrer)) {
                continue;
            }
            done.changed = true;
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

    /// Payloads, config, then the manifest that names them, if it is not the one that stands there.
    fn put_sig(
        &self,
        store: &dyn Sink,
        group: &SigGroup,
        layers: &[Layer],
        merged: Option<&Merged>,
    ) -> Result<()> {
        for digest in layers.iter().map(|layer| layer.payload.digest).collect::<BTreeSet<_>>() {
            if let Some(payload) = self.plan.request().blob(&digest) {
                store.put_blob(payload)?;
            }
        }
        let Some(merged) = merged else { return Ok(()) };
        store.put_blob(&merged.config)?;
        let manifest =
            ManifestToPut { bytes: &merged.manifest, media_type: &merged.media_type, artifact_type: None };
        store.put_signatures(&group.subject, &manifest)
    }

    /// Reads a group back and verifies it. An error where something of ours is missing and could not be read.
    fn look(&self, store: &dyn Sink, place: usize, group: &SigGroup) -> Result<Seen> {
        let mut found = HashSet::new();
        let (mut bundles, mut good) = (0, 0);
        let mut unread = None;
        for verdict in gather::judge(store, &group.subject.digest, &self.verifier, &self.demand) {
            let is_bundle = usize::from(verdict.form == Form::Bundle);
            match verdict.outcome {
                Ok(valid) => {
                    (bundles, good) = (bundles + is_bundle, good + is_bundle);
                    let (Claims::Payload(bytes) | Claims::Statement(bytes)) = valid.claims();
                    found.insert((valid.form(), valid.key_id(), Digest::of(bytes)));
                }
                Err(error) if error.check().hop() == NETWORK => {
                    unread.get_or_insert((verdict.form, error));
                }
                Err(_) => bundles += is_bundle,
            }
        }
        let missing = self.plan.pushed(place, group).find(|wanted| !found.contains(wanted));
        match (missing, unread) {
            (Some(_), Some((_, error))) => Err(error),
            (missing, unread) => Ok(Seen {
                missing: missing.map(|(_, key, _)| key),
                foreign_bundles: bundles - good,
                bundled: bundles > 0,
                hidden: bundles > 0 && good == 0,
                note: unread.map(|(_, error)| format!("{}: {error}", name(group)).into()),
            }),
        }
    }

    /// Reads back what was put, in rounds, until all of it stays. A stop does not end this: what was put is verified.
    fn read_back(&self, groups: &mut [Group], workers: usize, each: &mut impl FnMut(Event)) -> Result<()> {
        let never = AtomicBool::new(false);
        let flow = Flow { workers, stop: &never };
        for round in 1..=limits::SETTLE_ROUNDS {
            let open = |group: &Group| group.error.is_none() && group.done.stage != Stage::Verified;
            let places = groups.iter().enumerate().filter(|(_, group)| open(group)).map(|(place, _)| place);
            let turns = turns(self.plan, places);
            if turns.is_empty() {
                return Ok(());
            }
            each(Event::ReadingBack(turns.iter().map(Vec::len).sum()));
            let settles = self.destinations.settle()?;
            flow.run(
                &turns,
                |turn| Ok(turn.iter().map(|place| self.round(*place, settles, round)).collect::<Vec<_>>()),
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

    /// Looks at a group with fresh eyes, and puts what is missing.
    fn round(&self, place: usize, settles: bool, number: usize) -> Round {
        let mut round = Round::default();
        round.error = self.try_round(place, settles, number, &mut round).err();
        round
    }

    fn try_round(&self, place: usize, settles: bool, number: usize, round: &mut Round) -> Result<()> {
        let group = self.group(place)?;
        let store = self.destinations.repository(&group.repository)?;
        let seen = self.look(store.as_ref(), place, group)?;
        if let Some(key) = &seen.missing {
            if !settles {
                return check_read_back(group, key);
            }
            check_push_lost(group, key, number)?;
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

impl Group {
    fn take(&mut self, seen: Seen) {
        self.done.foreign_bundles = seen.foreign_bundles;
        self.done.bundled = seen.bundled;
        self.done.hidden = seen.hidden;
        if seen.missing.is_none() {
            self.done.stage = Stage::Verified;
        }
        self.note = seen.note;
    }

    fn update(&mut self, round: Round) {
        if let Some(put) = round.put {
            let stage = if put.done.stage == Stage::Read { self.done.stage } else { put.done.stage };
            self.done = Done { stage, changed: self.done.changed || put.done.changed, ..put.done };
            self.crashing = put.crashing;
        }
        if let Some(seen) = round.seen {
            self.take(seen);
        }
        self.error = round.error;
    }

    /// Whether something of ours stands there, as far as it is known.
    fn stands(&self) -> bool {
        self.error.is_none() && self.done.sigs + self.done.bundles > 0
    }
}

impl Outcome<'_> {
    /// One row an image, in the order of the request.
    pub fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        self.plan.request().images().iter().enumerate().map(|(number, image)| self.row(number, image))
    }

    /// How many images have this status.
    #[must_use]
    pub fn count(&self, status: Status) -> usize {
        self.plan.request().images().iter().filter(|image| self.status(image) == status).count()
    }

    /// Why images failed, by check and registry, in the order of the request.
    #[must_use]
    pub fn failures(&self) -> Vec<Failures<'_>> {
        let mut kinds: Vec<(Check, &str)> = Vec::new();
        let mut failures: Vec<Failures<'_>> = Vec::new();
        let mut listed = HashSet::new();
        for image in self.plan.request().images() {
            let mut counted = HashSet::new();
            for place in self.map.groups(image) {
                let Some(error) = self.groups.get(place).and_then(|group| group.error.as_ref()) else {
                    continue;
                };
                let group = self.plan.request().sigs().get(place);
                let kind =
                    (error.check(), group.map(|group| group.repository.registry()).unwrap_or_default());
                let at = kinds.iter().position(|known| *known == kind).unwrap_or_else(|| {
                    kinds.push(kind);
                    failures.push(Failures { images: 0, errors: Vec::new() });
                    kinds.len() - 1
                });
                let Some(failures) = failures.get_mut(at).filter(|_| counted.insert(at)) else { continue };
                failures.images += 1;
                if listed.insert(place) {
                    failures.errors.push(error);
                }
            }
        }
        failures
    }

    /// Whether anything of ours stands at the destination, or an attempt was made to put it there.
    #[must_use]
    pub fn touched(&self) -> bool {
        self.groups.iter().any(|group| group.done.stage == Stage::Put || group.stands())
    }

    /// 0; 52 where something came back other than it was; 51 where some of it stands there; 50 where nothing does, and
    /// nothing was put; that of INTERRUPTED where nothing was begun.
    #[must_use]
    pub fn exit(&self) -> Exit {
        let errors = || self.groups.iter().filter_map(|group| group.error.as_ref());
        if errors().next().is_none() {
            Exit::Done
        } else if errors().any(|error| error.exit() == Exit::Changed) {
            Exit::Changed
        } else if self.touched() {
            Exit::Partial
        } else if errors().all(|error| error.check() == Check::Interrupted) {
            Check::Interrupted.exit()
        } else {
            Exit::NothingPushed
        }
    }

    fn take(&mut self, begun: Begun) {
        if let Some(group) = self.groups.get_mut(begun.place) {
            *group = begun.group;
        }
        for (image, tag) in begun.tags {
            if let Some(known) = self.tags.get_mut(image) {
                *known = tag;
            }
        }
    }

    /// INTERRUPTED: groups that nobody began.
    fn interrupted(&mut self, places: &[usize], error: &Error) {
        for place in places {
            if let Some(group) = self.groups.get_mut(*place) {
                group.error = Some(Error::new(error.check(), error.at()));
            }
        }
    }

    /// The last turn that has a group of an image, by image.
    fn last_turns(&self, turns: &[Vec<usize>]) -> Vec<usize> {
        let mut turn_of = vec![0; self.groups.len()];
        for (number, turn) in turns.iter().enumerate() {
            for place in turn {
                if let Some(turn_of) = turn_of.get_mut(*place) {
                    *turn_of = number;
                }
            }
        }
        let last = |image: &Image| {
            self.map.groups(image).iter().filter_map(|place| turn_of.get(*place)).max().copied().unwrap_or(0)
        };
        self.plan.request().images().iter().map(last).collect()
    }

    fn of(&self, image: &Image) -> impl Iterator<Item = (usize, &Group)> {
        self.map.groups(image).into_iter().filter_map(|place| Some((place, self.groups.get(place)?)))
    }

    fn status(&self, image: &Image) -> Status {
        let mut status = Status::Unchanged;
        for (_, group) in self.of(image) {
            if group.error.is_some() {
                return Status::Failed;
            }
            if group.done.changed {
                status = if self.mode == Mode::Push { Status::Pushed } else { Status::WouldPush };
            }
        }
        status
    }

    fn row(&self, number: usize, image: &Image) -> Row {
        let top = self.plan.request().items().get(image.first);
        let mut row = Row {
            image: top.map(|item| item.destination.to_string()).unwrap_or_default(),
            digest: top.map_or(self.plan.request().digest(), |item| item.subject.digest),
            status: self.status(image),
            sigs: 0,
            bundles: 0,
            beside: false,
            foreign: 0,
            bundled: false,
            hidden: false,
            tag: self.tags.get(number).cloned().unwrap_or_default(),
            crashing: Vec::new(),
            notes: Vec::new(),
            error: None,
        };
        if let Tag::Unread(why) = &row.tag {
            row.notes.push(format!("tag not compared: {why}"));
        }
        for (place, group) in self.of(image) {
            match &group.error {
                Some(error) if row.error.is_none() => row.error = Some((error.check(), error.to_string())),
                Some(_) => {}
                None => {
                    row.sigs += group.done.sigs;
                    row.bundles += group.done.bundles;
                }
            }
            row.beside |= group.done.foreign_layers > 0;
            row.foreign += group.done.foreign_layers + group.done.foreign_bundles;
            row.hidden |= group.done.hidden;
            row.bundled |= group.done.bundled && self.map.group_of.get(image.first) == Some(&place);
            let group_name = || self.plan.request().sigs().get(place).map(name).unwrap_or_default();
            if !group.crashing.is_empty() {
                row.crashing.push((group_name(), group.crashing.clone()));
            }
            row.notes.extend(group.note.iter().map(|why| format!("bundles beside it are not known: {why}")));
        }
        row
    }
}

/// Rows that were handed over, with the status that they had.
#[derive(Default)]
struct Shown(Vec<Status>);

impl Shown {
    /// Hands over the images whose groups are in the turns up to this one.
    fn upto(&mut self, turn: usize, last: &[usize], outcome: &Outcome<'_>, each: &mut impl FnMut(Event)) {
        while last.get(self.0.len()).is_some_and(|last| *last <= turn) {
            let number = self.0.len();
            let Some(image) = outcome.plan.request().images().get(number) else { return };
            let row = outcome.row(number, image);
            self.0.push(row.status);
            each(Event::Row(row));
        }
    }

    /// Hands over the others, and again those whose status changed.
    fn rest(&self, outcome: &Outcome<'_>, each: &mut impl FnMut(Event)) {
        for (number, image) in outcome.plan.request().images().iter().enumerate() {
            if self.0.get(number) != Some(&outcome.status(image)) {
                each(Event::Row(outcome.row(number, image)));
            }
        }
    }
}

/// Two groups may have one `.sig`, as in a layout, where one digest has one for every repository: those of one digest
/// take turns.
fn turns(plan: &Plan, places: impl Iterator<Item = usize>) -> Vec<Vec<usize>> {
    let mut turns: Vec<Vec<usize>> = Vec::new();
    let mut of_digest: HashMap<Digest, usize> = HashMap::new();
    for place in places {
        let Some(group) = plan.request().sigs().get(place) else { continue };
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

/// The `.sig` that stands at a digest, to be merged into. DESTINATION-BROKEN where it is named and not there.
fn standing(store: &dyn Sink, subject: &Digest) -> Result<Option<(Descriptor, Vec<u8>)>> {
    let Some(standing) = store.signatures(subject)?.into_iter().next() else { return Ok(None) };
    let bytes = store
        .manifest(&standing.digest)?
        .ok_or_else(|| Error::new(Check::DestinationBroken, standing.digest))?;
    Ok(Some((standing, bytes)))
}

/// `repository@digest`.
fn name(group: &SigGroup) -> String {
    format!("{}@{}", group.repository, group.subject.digest)
}

/// SUBJECT-ABSENT: the signed manifest is at the destination.
fn check_subject_absent(store: &dyn Sink, group: &SigGroup) -> Result<()> {
    match store.resolve(&Target::Digest(group.subject.digest))? {
        Some(_) => Ok(()),
        None => Err(Error::new(Check::SubjectAbsent, name(group))
            .detail("nothing was pushed for it")
            .hint("push that image again and run the same command; what is done stays done")),
    }
}

/// SIG-CRASHES-COSIGN: no layer beside ours has a log annotation on which cosign 2 panics.
fn check_sig_crashes_cosign(place: &str, layers: &[(usize, Digest)]) -> Result<()> {
    if layers.is_empty() {
        return Ok(());
    }
    let mut warning = Error::new(Check::SigCrashesCosign, place);
    for (number, payload) in layers.iter().take(NAMED) {
        warning = warning.detail(format!("layer {number}, payload {payload}"));
    }
    if layers.len() > NAMED {
        warning = warning.detail(format!("and {} more", layers.len() - NAMED));
    }
    Err(warning.hint("whoever put them there has to take them out of the .sig"))
}

/// READ-BACK: every signature that was put comes back and verifies.
fn check_read_back(group: &SigGroup, missing: &Digest) -> Result<()> {
    Err(Error::new(Check::ReadBack, group.subject.digest)
        .detail(format!("no valid signature by {missing} came back")))
}

/// PUSH-LOST: every signature that was put is there after a settle time, in as many rounds as that may take.
fn check_push_lost(group: &SigGroup, missing: &Digest, round: usize) -> Result<()> {
    if round < limits::SETTLE_ROUNDS {
        return Ok(());
    }
    Err(Error::new(Check::PushLost, name(group))
        .detail(format!("no valid signature by {missing} came back, in {round} rounds"))
        .detail("another writer wrote over it each time, or the registry does not keep it")
        .hint("run the same command again when nobody else signs this image"))
}

/// The hop of the checks that say that something could not be read.
const NETWORK: &str = "registry";
/// Layers that are named in one warning; the others are counted.
const NAMED: usize = 10;
