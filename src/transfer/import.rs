//! Import: check a response, and say what of it goes where.
//!
//! Two types keep the order: a [`Plan`] exists only when file and keys passed every check, and only a plan can be
//! pushed ([`super::push`]). Nothing is pushed that is not signed by a key that the person gave.

use std::collections::{BTreeSet, HashMap, HashSet};

use bytes::Bytes;

use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::format::reference::Repository;
use crate::format::signature::Layer;
use crate::keys::public::PublicKey;
use crate::request::{Request, SigGroup};
use crate::response::{Response, Signer};
use crate::sign::Forms;
use crate::verify::Form;

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

    /// Whether there are bundles by the keys given in the file.
    #[must_use]
    pub fn has_bundles(&self) -> bool {
        self.counted().any(|signer| !signer.statements().is_empty())
    }

    /// Every repository that is pushed to, once.
    pub(super) fn repositories(&self) -> Vec<&Repository> {
        let repositories: BTreeSet<&Repository> =
            self.request().sigs().iter().map(|group| &group.repository).collect();
        repositories.into_iter().collect()
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
                    Form::Att | Form::Bundle => signer.items_with_statement(self.request()),
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
    pub(super) fn layers(&self, place: usize, group: &SigGroup) -> Vec<Layer> {
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

    /// The bundles of a group by the keys given, each with its referrer manifest.
    pub(super) fn bundles<'a>(&'a self, group: &'a SigGroup) -> impl Iterator<Item = (Bytes, Bytes)> + 'a {
        self.statements(group).flat_map(move |statement| {
            self.signers.iter().filter_map(move |key_id| self.response.bundle(statement, key_id))
        })
    }

    /// What is to come back of a group: id of the key, digest of the payload or statement.
    pub(super) fn pushed<'a>(
        &'a self,
        place: usize,
        group: &'a SigGroup,
    ) -> impl Iterator<Item = (Form, Digest, Digest)> + 'a {
        let payloads = self.counted().filter(|_| self.wanted.attach.sig()).flat_map(move |signer| {
            let units = signer.payloads().range((place, 0)..=(place, usize::MAX)).map(|((_, unit), _)| *unit);
            units.filter_map(|unit| {
                Some((Form::Sig, signer.key().id(), group.payloads.get(unit)?.payload.digest))
            })
        });
        let statements = self.statements(group).flat_map(|statement| {
            let signers = self.counted().filter(move |signer| signer.statements().contains_key(&statement));
            let digest = self.request().statements().get(statement).map(|unit| unit.statement.digest);
            signers.filter_map(move |signer| Some((Form::Bundle, signer.key().id(), digest?)))
        });
        payloads.chain(statements)
    }
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
