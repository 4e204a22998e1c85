//! Import: check a response, merge its signatures into the destinations, read back and verify.
//!
//! Two types keep the order: a [`Plan`] exists only when file and keys passed every check, and only a plan can be
//! pushed. Nothing is pushed that is not signed by a key that the person gave.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use rayon::prelude::*;

use super::gather;
use super::merge::{Merged, merge};
use super::store::{Destinations, ManifestToPut, Sink};
use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::bundle;
use crate::format::evidence::OCI_MANIFEST;
use crate::format::reference::{Repository, Target};
use crate::format::signature::Layer;
use crate::keys::public::PublicKey;
use crate::request::{Image, Request, SigGroup};
use crate::response::{Response, Signer};
use crate::sign::Forms;
use crate::verify::{Claims, Demand, Form, Verifier};

/// What the person at the importing station asks for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Keys that count; signatures by others are reported and not pushed.
    pub keys: Vec<PublicKey>,
    /// How many distinct keys each item needs, at least 1.
    pub threshold: usize,
    /// Which forms are pushed.
    pub attach: Forms,
    /// The request that was sent, if the person says it.
    pub request: Option<Digest>,
}

/// A response that passed every check of file and keys; nothing was written yet.
#[derive(Debug)]
pub struct Plan {
    response: Response,
    wanted: Wanted,
    signers: Vec<Digest>,
    strangers: Vec<Digest>,
    /// Indexes of the statements about a digest.
    about: HashMap<Digest, Vec<usize>>,
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
    /// Whether other signatures stand beside ours.
    pub beside: bool,
    /// Whether a bundle of somebody else's keeps stock cosign from looking at our `.sig` (BUNDLE-HIDES-SIG).
    pub hidden: bool,
    /// What went wrong, if anything did.
    pub error: Option<String>,
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
    /// Nothing stands there for this image.
    Failed,
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

/// What became of all images.
#[derive(Debug)]
pub struct Outcome {
    /// One row an image, in the order of the request.
    pub rows: Vec<Row>,
    /// Why some failed, one error a reason.
    pub errors: Vec<Error>,
}

/// Whether anything is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Push, read back, verify.
    Push,
    /// Read what stands there and say what would be pushed.
    DryRun,
}

impl Plan {
    /// Checks file and keys. RESPONSE-ABSENT, IMPORT-REQUEST, IMPORT-DESTINATION, IMPORT-KEYS, IMPORT-ITEMS,
    /// THRESHOLD-KEYS.
    pub fn check(response: Response, wanted: Wanted) -> Result<Self> {
        response.check_response_absent()?;
        check_import_request(&response, wanted.request)?;
        let ids: HashSet<Digest> = wanted.keys.iter().map(PublicKey::id).collect();
        let (signers, strangers): (Vec<_>, Vec<_>) =
            response.signers().map(|signer| signer.key().id()).partition(|id| ids.contains(id));
        let mut about: HashMap<Digest, Vec<usize>> = HashMap::new();
        for (place, unit) in response.request().statements().iter().enumerate() {
            about.entry(unit.subject.digest).or_default().push(place);
        }
        let plan = Self { response, wanted, signers, strangers, about };
        plan.check_import_keys()?;
        plan.check_threshold_keys()?;
        plan.check_import_items()?;
        Ok(plan)
    }

    /// The response.
    #[must_use]
    pub fn response(&self) -> &Response {
        &self.response
    }

    /// Ids of keys that signed and were not given: reported, not pushed.
    #[must_use]
    pub fn strangers(&self) -> &[Digest] {
        &self.strangers
    }

    /// How many signatures by the keys given are in the file.
    #[must_use]
    pub fn signature_count(&self) -> usize {
        self.counted().map(|signer| signer.payloads().len() + signer.statements().len()).sum()
    }

    /// Pushes what is absent, reads everything back and verifies it. One image's failure does not stop the others.
    /// An error of its own where nothing could be begun: nothing was written.
    pub fn push(&self, destinations: &dyn Destinations, mode: Mode) -> Result<Outcome> {
        let repositories: BTreeSet<&Repository> =
            self.request().sigs().iter().map(|group| &group.repository).collect();
        let repositories: Vec<&Repository> = repositories.into_iter().collect();
        if mode == Mode::Push {
            destinations.check_writable(&repositories)?;
        }
        let groups: Vec<usize> = (0..self.request().sigs().len()).collect();
        // Two repositories may be one place, as in a layout, where one digest has one `.sig`: its groups take turns.
        let mut turns: BTreeMap<Digest, Vec<usize>> = BTreeMap::new();
        for (place, group) in self.request().sigs().iter().enumerate() {
            turns.entry(group.subject.digest).or_default().push(place);
        }
        let push = |place: usize| (place, self.push_group(destinations, place, mode));
        let done: Vec<_> =
            turns.into_par_iter().flat_map_iter(|(_, places)| places.into_iter().map(push)).collect();
        let done: BTreeMap<usize, Result<Done>> = done.into_iter().collect();
        let mut done: Vec<Result<Done>> = done.into_values().collect();
        if mode == Mode::Push {
            destinations.finish()?;
            let verifier = Verifier::knowing(self.response.known());
            done = done
                .into_par_iter()
                .zip(groups)
                .map(|(done, group)| {
                    let hidden = self.check_read_back(destinations, group, &verifier);
                    done.and_then(|done| hidden.map(|hidden| Done { hidden, ..done }))
                })
                .collect();
        }
        Ok(self.outcome(done, mode))
    }

    fn request(&self) -> &Request {
        self.response.request()
    }

    fn counted(&self) -> impl Iterator<Item = &Signer> {
        self.signers.iter().filter_map(|id| self.response.signer(id))
    }

    /// IMPORT-KEYS: somebody whose key was given signed.
    fn check_import_keys(&self) -> Result<()> {
        if !self.signers.is_empty() {
            return Ok(());
        }
        let error = self
            .strangers
            .iter()
            .fold(Error::new(Check::ImportKeys, ""), |error, id| error.detail(format!("signed by {id}")));
        Err(error.detail("nothing was pushed"))
    }

    /// THRESHOLD-KEYS: each item has signatures of as many distinct keys as asked for, over both forms.
    fn check_threshold_keys(&self) -> Result<()> {
        if self.wanted.threshold <= 1 {
            return Ok(());
        }
        let mut counts = vec![0_usize; self.request().items().len()];
        for signer in self.counted() {
            let items = signer
                .items_with_payload(self.request())
                .into_iter()
                .chain(signer.items_with_statement(self.request()));
            for item in items.collect::<BTreeSet<_>>() {
                if let Some(count) = counts.get_mut(item) {
                    *count += 1;
                }
            }
        }
        let least = counts.iter().copied().min().unwrap_or(0);
        let lacking = counts.iter().filter(|count| **count < self.wanted.threshold).count();
        if lacking == 0 {
            return Ok(());
        }
        Err(Error::new(
            Check::ThresholdKeys,
            format!("{least} of {} keys, {lacking} items", self.wanted.threshold),
        )
        .detail("nothing was pushed"))
    }

    /// IMPORT-ITEMS: each item has a signature by a key given, in each form that is to be pushed.
    fn check_import_items(&self) -> Result<()> {
        let every: BTreeSet<usize> = (0..self.request().items().len()).collect();
        let forms = [(self.wanted.attach.sig(), Form::Sig), (self.wanted.attach.bundle(), Form::Bundle)];
        for (_, form) in forms.into_iter().filter(|(wanted, _)| *wanted) {
            let signed: BTreeSet<usize> = self
                .counted()
                .flat_map(|signer| match form {
                    Form::Sig => signer.items_with_payload(self.request()),
                    Form::Bundle => signer.items_with_statement(self.request()),
                })
                .collect();
            let lacking: Vec<String> = every.difference(&signed).map(|item| (item + 1).to_string()).collect();
            if !lacking.is_empty() {
                let shown = lacking.iter().take(20).cloned().collect::<Vec<_>>().join(", ");
                let more = if lacking.len() > 20 {
                    format!(" and {} more", lacking.len() - 20)
                } else {
                    String::new()
                };
                return Err(Error::new(
                    Check::ImportItems,
                    format!("no {} for items {shown}{more}", form.name()),
                )
                .detail("nothing was pushed"));
            }
        }
        Ok(())
    }

    /// The layers of a group by the keys given.
    fn layers(&self, place: usize, group: &SigGroup) -> Vec<Layer> {
        if !self.wanted.attach.sig() {
            return Vec::new();
        }
        let layers = group.payloads.iter().enumerate().flat_map(|(unit, payload)| {
            let signatures = self.counted().filter_map(move |signer| signer.payloads().get(&(place, unit)));
            signatures.map(|signature| Layer {
                payload: payload.payload.clone(),
                signature: signature.as_bytes().to_vec(),
            })
        });
        layers.collect()
    }

    /// The statements that have an item in a group, by index.
    fn statements<'a>(&'a self, group: &'a SigGroup) -> impl Iterator<Item = usize> + 'a {
        let items: HashSet<usize> =
            group.payloads.iter().flat_map(|unit| unit.items.iter().copied()).collect();
        let about = self.about.get(&group.subject.digest).filter(|_| self.wanted.attach.bundle());
        about.into_iter().flatten().copied().filter(move |place| {
            let unit = self.request().statements().get(*place);
            unit.is_some_and(|unit| unit.items.iter().any(|item| items.contains(item)))
        })
    }

    fn push_group(&self, destinations: &dyn Destinations, place: usize, mode: Mode) -> Result<Done> {
        let group = self.request().sigs().get(place).ok_or_else(|| Error::new(Check::SubjectAbsent, ""))?;
        let store = destinations.repository(&group.repository)?;
        check_subject_absent(store.as_ref(), group)?;
        let mut done = Done::default();
        let layers = self.layers(place, group);
        if !layers.is_empty() {
            done.sigs = 1;
            let standing = store.signatures(&group.subject.digest)?.into_iter().next();
            let bytes = match &standing {
                Some(standing) => Some(
                    store
                        .manifest(&standing.digest)?
                        .ok_or_else(|| Error::new(Check::DestinationBroken, standing.digest))?,
                ),
                None => None,
            };
            let standing = standing
                .as_ref()
                .zip(bytes.as_deref())
                .map(|(standing, bytes)| (standing.media_type.as_str(), bytes));
            let place = || format!("{}@{}", group.repository, group.subject.digest);
            if let Some(merged) = merge(standing, &layers).map_err(|error| error.within(place()))? {
                done.changed = true;
                done.beside = merged.foreign > 0;
                if mode == Mode::Push {
                    self.put_sig(store.as_ref(), group, &layers, &merged)?;
                }
            }
        }
        let there: HashSet<Digest> = if self.wanted.attach.bundle() {
            store.referrers(&group.subject.digest)?.into_iter().map(|referrer| referrer.digest).collect()
        } else {
            HashSet::new()
        };
        for statement in self.statements(group) {
            for key_id in &self.signers {
                let Some((bundle, referrer)) = self.response.bundle(statement, key_id) else { continue };
                done.bundles += 1;
                if there.contains(&Digest::of(&referrer)) {
                    continue;
                }
                done.changed = true;
                if mode == Mode::Push {
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
        }
        Ok(done)
    }

    fn put_sig(&self, store: &dyn Sink, group: &SigGroup, layers: &[Layer], merged: &Merged) -> Result<()> {
        for digest in layers.iter().map(|layer| layer.payload.digest).collect::<BTreeSet<_>>() {
            if let Some(payload) = self.request().blob(&digest) {
                store.put_blob(payload)?;
            }
        }
        store.put_blob(&merged.config)?;
        let manifest =
            ManifestToPut { bytes: &merged.manifest, media_type: &merged.media_type, artifact_type: None };
        store.put_signatures(&group.subject, &manifest)
    }

    /// READ-BACK: every signature that was pushed comes back and verifies. Returns whether there are bundles, and none
    /// by a key given.
    fn check_read_back(
        &self,
        destinations: &dyn Destinations,
        place: usize,
        verifier: &Verifier,
    ) -> Result<bool> {
        let Some(group) = self.request().sigs().get(place) else { return Ok(false) };
        let store = destinations.repository(&group.repository)?;
        let demand = Demand {
            keys: self.wanted.keys.clone(),
            annotations: BTreeMap::new(),
            claims: true,
            threshold: 1,
        };
        let mut found = HashSet::new();
        let (mut bundles, mut good) = (0, 0);
        for verdict in gather::judge(store.as_ref(), &group.subject.digest, verifier, &demand) {
            bundles += usize::from(verdict.form == Form::Bundle);
            let Ok(valid) = verdict.outcome else { continue };
            good += usize::from(valid.form() == Form::Bundle);
            let (Claims::Payload(bytes) | Claims::Statement(bytes)) = valid.claims();
            found.insert((valid.key_id(), Digest::of(bytes)));
        }
        let payloads = self.counted().filter(|_| self.wanted.attach.sig()).flat_map(|signer| {
            let units = signer.payloads().range((place, 0)..=(place, usize::MAX)).map(|((_, unit), _)| *unit);
            units.filter_map(|unit| Some((signer.key().id(), group.payloads.get(unit)?.payload.digest)))
        });
        let statements = self.statements(group).flat_map(|statement| {
            let signers = self.counted().filter(move |signer| signer.statements().contains_key(&statement));
            let digest = self.request().statements().get(statement).map(|unit| unit.statement.digest);
            signers.filter_map(move |signer| Some((signer.key().id(), digest?)))
        });
        match payloads.chain(statements).find(|wanted| !found.contains(wanted)) {
            None => Ok(bundles > 0 && good == 0),
            Some((key, _)) => Err(Error::new(Check::ReadBack, group.subject.digest)
                .detail(format!("no valid signature by {key} came back"))),
        }
    }

    fn outcome(&self, done: Vec<Result<Done>>, mode: Mode) -> Outcome {
        let mut places = BTreeMap::new();
        for (place, group) in self.request().sigs().iter().enumerate() {
            for item in group.payloads.iter().flat_map(|unit| &unit.items) {
                places.insert(*item, place);
            }
        }
        let rows =
            self.request().images().iter().map(|image| self.row(image, &places, &done, mode)).collect();
        Outcome { rows, errors: done.into_iter().filter_map(Result::err).collect() }
    }

    fn row(&self, image: &Image, places: &BTreeMap<usize, usize>, done: &[Result<Done>], mode: Mode) -> Row {
        let top = self.request().items().get(image.first);
        let mut row = Row {
            image: top.map(|item| item.destination.to_string()).unwrap_or_default(),
            digest: top.map_or(self.request().digest(), |item| item.subject.digest),
            status: Status::Unchanged,
            sigs: 0,
            bundles: 0,
            beside: false,
            hidden: false,
            error: None,
        };
        let groups: BTreeSet<usize> =
            image.items.iter().filter_map(|item| places.get(item)).copied().collect();
        for outcome in groups.iter().filter_map(|group| done.get(*group)) {
            match outcome {
                Ok(done) => {
                    row.sigs += done.sigs;
                    row.bundles += done.bundles;
                    row.beside |= done.beside;
                    row.hidden |= done.hidden;
                    if done.changed && row.status == Status::Unchanged {
                        row.status = if mode == Mode::Push { Status::Pushed } else { Status::WouldPush };
                    }
                }
                Err(error) => {
                    row.status = Status::Failed;
                    row.error = Some(error.to_string());
                }
            }
        }
        row
    }
}

impl Outcome {
    /// How many images have this status.
    #[must_use]
    pub fn count(&self, status: Status) -> usize {
        self.rows.iter().filter(|row| row.status == status).count()
    }
}

/// What was done for one repository and digest.
#[derive(Clone, Copy, Debug, Default)]
struct Done {
    changed: bool,
    beside: bool,
    hidden: bool,
    sigs: usize,
    bundles: usize,
}

/// IMPORT-REQUEST, IMPORT-DESTINATION: the response answers the request that was sent; where nobody says which, each
/// destination is its identity's repository.
fn check_import_request(response: &Response, request: Option<Digest>) -> Result<()> {
    match request {
        Some(request) if request == response.request().digest() => Ok(()),
        Some(request) => Err(Error::new(Check::ImportRequest, "")
            .detail(format!("sent {request}"))
            .detail(format!("answered {}", response.request().digest()))
            .detail("nothing was pushed")),
        None => check_import_destination(response.request()),
    }
}

/// IMPORT-DESTINATION: see [`check_import_request`].
fn check_import_destination(request: &Request) -> Result<()> {
    let other =
        request.items().iter().find(|item| item.destination.repository() != item.identity.repository());
    other.map_or(Ok(()), |item| {
        Err(Error::new(Check::ImportDestination, &item.destination)
            .detail(format!("item {} is called {}", item.number, item.identity))
            .detail("nothing was pushed")
            .hint("say --request or --request-digest, so that it is known that you asked for this"))
    })
}

/// SUBJECT-ABSENT: the signed manifest is at the destination.
fn check_subject_absent(store: &dyn Sink, group: &SigGroup) -> Result<()> {
    match store.resolve(&Target::Digest(group.subject.digest))? {
        Some(_) => Ok(()),
        None => {
            Err(Error::new(Check::SubjectAbsent, format!("{}@{}", group.repository, group.subject.digest))
                .detail("nothing was pushed for it")
                .hint("push that image again and run the same command; what is done stays done"))
        }
    }
}
