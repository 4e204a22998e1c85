//! Import: check a response, and say what of it goes where.
//!
//! Two types keep the order: a [`Plan`] exists only when file and keys passed every check, and only a plan can be
//! pushed ([`super::push`]). Nothing is pushed that is not signed by a key that the person gave.

use std::collections::{BTreeSet, HashMap, HashSet};

use bytes::Bytes;

use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::attestation;
use crate::format::document::{Item, Signed};
use crate::format::log::Material;
use crate::format::reference::{Destination, Repository};
use crate::format::signature::Layer;
use crate::keys::public::PublicKey;
use crate::request::{Image, Request, SubjectGroup};
use crate::response::{Place, Response, Signer};
use crate::sign::Forms;
use crate::verify::material::judge;
use crate::verify::{Evidence, Form, Want};

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
    /// What must stand beside each signature.
    pub evidence: Evidence,
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
    images: Vec<Image>,
}

/// A signature that is pushed.
#[derive(Clone, Debug)]
pub(super) struct Pushed {
    pub(super) form: Form,
    place: Place,
    /// The id of its key.
    pub(super) key_id: Digest,
    /// The digest of the payload or statement.
    pub(super) over: Digest,
    /// What stands beside it in this form.
    pub(super) material: Material,
}

impl Plan {
    /// Checks file and keys. RESPONSE-ABSENT, IMPORT-REQUEST, IMPORT-DESTINATION, IMPORT-KEYS, IMPORT-ITEMS,
    /// THRESHOLD-KEYS; LOG-* and TOKEN-* where what stands beside a signature is not what is demanded, or does not hold.
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
        let images = images_of(response.request());
        let plan = Self { response, wanted, signers, strangers, about, images };
        plan.check_import_keys()?;
        plan.check_threshold_keys()?;
        plan.check_import_items()?;
        plan.check_import_material()?;
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
        self.counted().map(|signer| signer.signatures().len()).sum()
    }

    /// Whether there are bundles by the keys given in the file.
    #[must_use]
    pub fn has_bundles(&self) -> bool {
        let is_statement = |place: &Place| matches!(place, Place::Statement(_));
        self.counted().any(|signer| signer.signatures().keys().any(is_statement))
    }

    /// What is pushed for, in the order of the request.
    #[must_use]
    pub fn images(&self) -> &[Image] {
        &self.images
    }

    /// How many files are signed by the keys given: nothing of them is pushed anywhere.
    #[must_use]
    pub fn signed_files(&self) -> usize {
        let places = self.counted().flat_map(|signer| signer.signatures().keys());
        places.filter(|place| matches!(place, Place::File(_))).collect::<BTreeSet<_>>().len()
    }

    /// Every repository that is pushed to, once.
    pub(super) fn repositories(&self) -> Vec<&Repository> {
        let repositories: BTreeSet<&Repository> =
            self.request().groups().iter().map(|group| &group.repository).collect();
        repositories.into_iter().collect()
    }

    /// Whether a log must have every signature that is pushed.
    #[must_use]
    pub fn demands_log(&self) -> bool {
        self.wanted.evidence.log == Want::Require
    }

    /// What the person asked for.
    pub(super) fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    pub(super) fn request(&self) -> &Request {
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
        let mut counts = vec![0_usize; self.request().item_count()];
        for signer in self.counted() {
            for item in signer.items(self.request(), |_| true) {
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

    /// IMPORT-ITEMS: each item has a signature by a key given, images in each form that is to be pushed.
    fn check_import_items(&self) -> Result<()> {
        let request = self.request();
        // A place that has one form only is needed whatever is pushed.
        for form in [Some(Form::Sig), Some(Form::Bundle), None] {
            let counts = |place: Place| place.form(request) == form && self.is_wanted(place);
            let every: BTreeSet<usize> = Place::all(request)
                .filter(|place| counts(*place))
                .flat_map(|place| place.items(request))
                .collect();
            let signed: BTreeSet<usize> =
                self.counted().flat_map(|signer| signer.items(request, counts)).collect();
            let lacking: Vec<String> = every.difference(&signed).map(|item| (item + 1).to_string()).collect();
            if lacking.is_empty() {
                continue;
            }
            let shown = lacking.iter().take(20).cloned().collect::<Vec<_>>().join(", ");
            let more = match lacking.len().checked_sub(20) {
                Some(more) if more > 0 => format!(" and {more} more"),
                _ => String::new(),
            };
            let what = form.map_or("signature", Form::name);
            let error = Error::new(Check::ImportItems, format!("no {what} for items {shown}{more}"));
            return Err(error.detail("nothing was pushed"));
        }
        Ok(())
    }

    /// Whether a signature in this place has to be there: images in the forms that are pushed, everything else.
    fn is_wanted(&self, place: Place) -> bool {
        match place.form(self.request()) {
            Some(Form::Sig) => self.wanted.attach.sig(),
            Some(_) => self.wanted.attach.bundle(),
            None => true,
        }
    }

    /// The layers of a group's `.sig` by the keys given: its payloads, of other tools whatever forms are pushed.
    pub(super) fn layers(&self, group: usize, of: &SubjectGroup) -> Vec<Layer> {
        let layers = of.payloads.iter().enumerate().flat_map(|(unit, payload)| {
            let place = Place::Payload(group, unit);
            let signers = self.counted().filter(move |_| self.is_wanted(place));
            signers.filter_map(move |signer| {
                let signature = signer.signature(place)?.as_bytes().to_vec();
                let material = signer.logged(place).cloned().unwrap_or_default();
                Some(Layer { payload: payload.payload.clone(), signature, material })
            })
        });
        layers.collect()
    }

    /// The layers of a group's `.att` by the keys given, each with its envelope.
    pub(super) fn attestations(&self, of: &SubjectGroup) -> Vec<(Bytes, attestation::Layer)> {
        if !self.wanted.attach.sig() {
            return Vec::new();
        }
        let layers = of.attestations.iter().flat_map(|place| {
            self.signers.iter().filter_map(move |key_id| self.response.attestation(*place, key_id))
        });
        layers.collect()
    }

    /// The statements that have an item in a group and are pushed as bundles, by index.
    fn statements<'a>(&'a self, group: &'a SubjectGroup) -> impl Iterator<Item = usize> + 'a {
        let items: HashSet<usize> =
            group.payloads.iter().flat_map(|unit| unit.items.iter().copied()).collect();
        let about = self.about.get(&group.subject.digest).filter(|_| self.wanted.attach.bundle());
        about.into_iter().flatten().copied().filter(move |place| {
            let unit = self.request().statements().get(*place);
            group.attestations.contains(place)
                || unit.is_some_and(|unit| unit.items.iter().any(|item| items.contains(item)))
        })
    }

    /// The bundles of a group by the keys given, each with its referrer manifest.
    pub(super) fn bundles<'a>(
        &'a self,
        group: &'a SubjectGroup,
    ) -> impl Iterator<Item = (Bytes, Bytes)> + 'a {
        self.statements(group).flat_map(move |statement| {
            self.signers.iter().filter_map(move |key_id| self.response.bundle(statement, key_id))
        })
    }

    /// What stands beside each signature that is pushed, checked as whoever reads it will: what is refused there is not
    /// pushed.
    fn check_import_material(&self) -> Result<()> {
        let demand = &self.wanted.evidence;
        let demanded = [demand.log, demand.tsa].contains(&Want::Require);
        for (place, group) in self.request().groups().iter().enumerate() {
            for pushed in self.pushed(place, group) {
                if demanded || !pushed.material.is_empty() {
                    let checked = self.check_pushed(&pushed);
                    checked.map_err(|error| {
                        let form = pushed.form.name();
                        error
                            .within(format!("{form} of {}@{}", group.repository, group.subject.digest))
                            .detail(format!("signed by {}", pushed.key_id))
                            .detail("nothing was pushed")
                    })?;
                }
            }
        }
        Ok(())
    }

    fn check_pushed(&self, pushed: &Pushed) -> Result<()> {
        let absent = || Error::new(Check::ImportItems, pushed.over);
        let signed = self.response.of(pushed.place, &pushed.key_id).ok_or_else(absent)?;
        let envelope = signed.envelope().filter(|_| pushed.form == Form::Att);
        let of = match &envelope {
            Some(envelope) => signed.of_layer(envelope).ok_or_else(absent)?,
            None => signed.of(),
        };
        judge(&pushed.material, &of, &self.wanted.evidence).1
    }

    /// What is to come back of a group.
    pub(super) fn pushed<'a>(
        &'a self,
        group: usize,
        of: &'a SubjectGroup,
    ) -> impl Iterator<Item = Pushed> + 'a {
        let payloads = of.payloads.iter().enumerate().flat_map(move |(unit, payload)| {
            let place = Place::Payload(group, unit);
            let signers = self
                .counted()
                .filter(move |signer| self.is_wanted(place) && signer.signature(place).is_some());
            let over = payload.payload.digest;
            signers.map(move |signer| Pushed {
                form: Form::Sig,
                place,
                key_id: signer.key().id(),
                over,
                material: signer.logged(place).cloned().unwrap_or_default(),
            })
        });
        let attestations = of.attestations.iter().filter(|_| self.wanted.attach.sig()).copied();
        let statements = attestations
            .map(|statement| (Form::Att, statement))
            .chain(self.statements(of).map(|statement| (Form::Bundle, statement)));
        let statements = statements.flat_map(move |(form, statement)| {
            let place = Place::Statement(statement);
            let signers = self.counted().filter(move |signer| signer.signature(place).is_some());
            let digest = self.request().statements().get(statement).map(|unit| unit.statement.digest);
            signers.filter_map(move |signer| {
                let key_id = signer.key().id();
                let material = match (form, signer.logged(place)) {
                    (_, None) => Material::default(),
                    (Form::Att, Some(_)) => self.response.attestation(statement, &key_id)?.1.material,
                    (_, Some(material)) => material.clone(),
                };
                Some(Pushed { form, place, key_id, over: digest?, material })
            })
        });
        payloads.chain(statements)
    }
}

/// What a person named, each manifest under each name once, whatever is signed of it.
fn images_of(request: &Request) -> Vec<Image> {
    let mut images: Vec<Image> = Vec::new();
    let mut places: HashMap<(&Destination, Digest), usize> = HashMap::new();
    for image in request.images() {
        let Some(top) = request.items().get(image.first) else { continue };
        // One manifest under two identities is two images; what is put beside it or stated about it belongs to the first.
        let is_image = top.identity().is_some();
        let known = places.get(&(&top.destination, top.subject.digest)).filter(|_| !is_image);
        if let Some(known) = known.and_then(|place| images.get_mut(*place)) {
            known.items.extend(&image.items);
            continue;
        }
        places.entry((&top.destination, top.subject.digest)).or_insert(images.len());
        images.push(image.clone());
    }
    images
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

/// IMPORT-DESTINATION: see [`check_import_request`]. Nothing that is signed says beside which image a payload of another
/// tool belongs.
fn check_import_destination(request: &Request) -> Result<()> {
    let refuse = |item: &Item, why: String| {
        Err(Error::new(Check::ImportDestination, &item.destination)
            .detail(why)
            .detail("nothing was pushed")
            .hint("say --request or --request-digest, so that it is known that you asked for this"))
    };
    for item in request.items() {
        match &item.signed {
            Signed::Image { identity, .. } if identity.repository() != item.destination.repository() => {
                return refuse(item, format!("item {} is called {identity}", item.number));
            }
            Signed::CustomPayload { .. } => {
                return refuse(item, format!("item {} is a payload that names no image", item.number));
            }
            Signed::Image { .. } | Signed::Attestation { .. } => {}
        }
    }
    Ok(())
}
