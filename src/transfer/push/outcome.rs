//! What became of a push: a row an image, why some failed, and the exit code of it all.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Begun, Event, Group, Map, Mode, Stage, name};
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::request::Image;
use crate::transfer::import::Plan;
use crate::transfer::merge::Crashing;

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
    /// How many `.att` manifests hold attestations of it.
    pub atts: usize,
    /// How many bundles hold its signatures and attestations.
    pub bundles: usize,
    /// How many of the `.sig` manifests were changed, or would be.
    pub new_sigs: usize,
    /// How many of the `.att` manifests were changed, or would be.
    pub new_atts: usize,
    /// How many of the bundles were put, or would be.
    pub new_bundles: usize,
    /// How many layers that are not ours stand beside ours.
    pub foreign_layers: usize,
    /// How many layers and bundles stand beside ours; of bundles, as far as the image was read back.
    pub foreign: usize,
    /// Whether a bundle of anybody's stands beside it: then stock cosign looks at bundles.
    pub bundled: bool,
    /// Whether a bundle that is no signature of it keeps stock cosign from looking at its `.sig` (BUNDLE-HIDES-SIG).
    pub hidden: bool,
    /// What was asked for.
    pub sought: Sought,
    /// What the tag that was signed for names.
    pub tag: Tag,
    /// Layers on which cosign 2 panics, by `repository@digest`.
    pub crashing: Vec<(String, Crashing)>,
    /// What could not be found out and stops nothing.
    pub notes: Vec<String>,
    /// What went wrong, if anything did, first: the check, and all of it in one line.
    pub error: Option<(Check, String)>,
}

/// What was asked for of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sought {
    /// Its signature, and perhaps more.
    Image,
    /// Attestations of it, or payloads of other tools, alone.
    Beside,
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
    /// A person wanted an end before it was begun.
    NotBegun,
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
    pub(super) plan: &'p Plan,
    pub(super) map: Arc<Map>,
    pub(super) mode: Mode,
    pub(super) groups: Vec<Group>,
    pub(super) tags: Vec<Tag>,
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
            Self::NotBegun => "not begun",
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
    /// Whether what others signed stands in `.sig` alone, and a bundle of ours beside it: stock cosign looks at bundles
    /// alone where there are any.
    #[must_use]
    pub fn overlooks_others(&self) -> bool {
        self.foreign_layers > 0 && self.foreign == self.foreign_layers && self.bundles > 0
    }

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
                Status::Failed | Status::NotBegun => "nothing more was done for the digest that was signed",
            };
            let bare = if moved.bare { "; the new image has no signature" } else { "" };
            warnings.push(warning.detail(format!("{done}{bare}")));
        }
        warnings.extend(
            self.crashing.iter().filter_map(|(place, layers)| check_sig_crashes_cosign(place, layers).err()),
        );
        if self.hidden {
            let hint = match self.sought {
                Sought::Image => "--attach both",
                Sought::Beside => "import the image's own signatures with --attach both",
            };
            warnings.push(Error::new(Check::BundleHidesSig, &self.image).hint(hint));
        }
        warnings
    }
}

impl Outcome<'_> {
    /// One row an image, in the order of the request.
    pub fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        self.plan.images().iter().enumerate().map(|(number, image)| self.row(number, image))
    }

    /// How many images have this status.
    #[must_use]
    pub fn count(&self, status: Status) -> usize {
        self.plan.images().iter().filter(|image| self.status(image) == status).count()
    }

    /// Why images failed, by check and registry, in the order of the request.
    #[must_use]
    pub fn failures(&self) -> Vec<Failures<'_>> {
        let mut kinds: Vec<(Check, &str)> = Vec::new();
        let mut failures: Vec<Failures<'_>> = Vec::new();
        let mut listed = HashSet::new();
        for image in self.plan.images() {
            let mut counted = HashSet::new();
            for place in self.map.groups(image) {
                let Some(error) = self.groups.get(place).and_then(|group| group.error.as_ref()) else {
                    continue;
                };
                let group = self.plan.request().groups().get(place);
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
        // What would be pushed does not stand there.
        let stands = |group: &Group| group.stands() && (self.mode == Mode::Push || !group.done.changed);
        self.groups.iter().any(|group| group.done.stage == Stage::Put || stands(group))
    }

    /// 0; 52 where something came back other than it was; 51 where some of it stands there; 50 where nothing does, and
    /// nothing was put; that of INTERRUPTED where nothing was begun. A trial that failed leaves nothing in part: it ends
    /// with the code of its first failure, 50 where an image is gone.
    #[must_use]
    pub fn exit(&self) -> Exit {
        let errors = || self.groups.iter().filter_map(|group| group.error.as_ref());
        if errors().next().is_none() {
            Exit::Done
        } else if errors().any(|error| error.exit() == Exit::Changed) {
            Exit::Changed
        } else if self.mode == Mode::DryRun {
            let first = errors().map(Error::exit).find(|exit| *exit != Exit::Partial);
            first.unwrap_or(Exit::NothingPushed)
        } else if self.touched() {
            Exit::Partial
        } else if errors().all(|error| error.check() == Check::Interrupted) {
            Check::Interrupted.exit()
        } else {
            Exit::NothingPushed
        }
    }

    pub(super) fn take(&mut self, begun: Begun) {
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
    pub(super) fn interrupted(&mut self, places: &[usize], error: &Error) {
        for place in places {
            if let Some(group) = self.groups.get_mut(*place) {
                group.error = Some(Error::new(error.check(), error.at()));
            }
        }
    }

    /// The last turn that has a group of an image, by image.
    pub(super) fn last_turns(&self, turns: &[Vec<usize>]) -> Vec<usize> {
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
        self.plan.images().iter().map(last).collect()
    }

    fn of(&self, image: &Image) -> impl Iterator<Item = (usize, &Group)> {
        self.map.groups(image).into_iter().filter_map(|place| Some((place, self.groups.get(place)?)))
    }

    fn status(&self, image: &Image) -> Status {
        let begun = |(_, group): (usize, &Group)| {
            group.error.as_ref().is_none_or(|error| error.check() != Check::Interrupted)
        };
        if !self.of(image).any(begun) {
            return Status::NotBegun;
        }
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
            atts: 0,
            bundles: 0,
            new_sigs: 0,
            new_atts: 0,
            new_bundles: 0,
            foreign_layers: 0,
            foreign: 0,
            bundled: false,
            hidden: false,
            sought: Sought::Beside,
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
                    row.atts += group.done.atts;
                    row.new_atts += group.done.new_atts;
                    row.bundles += group.done.bundles;
                    row.new_sigs += group.done.new_sigs;
                    row.new_bundles += group.done.new_bundles;
                }
            }
            row.foreign_layers += group.done.foreign_layers;
            row.foreign += group.done.foreign_layers + group.done.foreign_bundles;
            row.hidden |= group.done.hidden;
            let payloads = self.plan.request().groups().get(place).map_or(&[][..], |group| &group.payloads);
            if payloads.iter().any(|unit| !unit.custom) {
                row.sought = Sought::Image;
            }
            row.bundled |= group.done.bundled && self.map.group_of.get(image.first) == Some(&place);
            let group_name = || self.plan.request().groups().get(place).map(name).unwrap_or_default();
            if group.crashing.count > 0 {
                row.crashing.push((group_name(), group.crashing.clone()));
            }
            row.notes.extend(group.note.iter().map(|why| format!("bundles beside it are not known: {why}")));
        }
        row
    }
}

/// Rows that were handed over, with the status that they had.
#[derive(Default)]
pub(super) struct Shown(Vec<Status>);

impl Shown {
    /// Hands over the images whose groups are in the turns up to this one.
    pub(super) fn upto(
        &mut self,
        turn: usize,
        last: &[usize],
        outcome: &Outcome<'_>,
        each: &mut impl FnMut(Event),
    ) {
        while last.get(self.0.len()).is_some_and(|last| *last <= turn) {
            let number = self.0.len();
            let Some(image) = outcome.plan.images().get(number) else { return };
            let row = outcome.row(number, image);
            self.0.push(row.status);
            each(Event::Row(Box::new(row)));
        }
    }

    /// Hands over the others, and again those whose status changed.
    pub(super) fn rest(&self, outcome: &Outcome<'_>, each: &mut impl FnMut(Event)) {
        for (number, image) in outcome.plan.images().iter().enumerate() {
            if self.0.get(number) != Some(&outcome.status(image)) {
                each(Event::Row(Box::new(outcome.row(number, image))));
            }
        }
    }
}

/// SIG-CRASHES-COSIGN: no layer beside ours has a log annotation on which cosign 2 panics.
pub(in crate::transfer) fn check_sig_crashes_cosign(place: &str, layers: &Crashing) -> Result<()> {
    if layers.count == 0 {
        return Ok(());
    }
    let mut warning = Error::new(Check::SigCrashesCosign, place);
    for (number, payload) in &layers.named {
        warning = warning.detail(format!("layer {number}, payload {payload}"));
    }
    if layers.count > layers.named.len() {
        warning = warning.detail(format!("and {} more", layers.count - layers.named.len()));
    }
    Err(warning.hint("whoever put them there has to take them out of the .sig"))
}
