//! Which items share a payload, a statement, or what stands beside one manifest (docs/format.md 2).

use std::collections::HashMap;

use bytes::Bytes;

use super::Request;
use crate::digest::Digest;
use crate::format::attestation::PredicateType;
use crate::format::document::{Item, Signed};
use crate::format::evidence::Descriptor;
use crate::format::reference::Repository;
use crate::format::{bundle, statement};

/// The items whose signatures stand beside one manifest: one destination repository and one digest. They share a `.sig`
/// manifest, and an `.att` manifest.
#[derive(Clone, Debug)]
pub struct SubjectGroup {
    /// The repository.
    pub repository: Repository,
    /// The manifest.
    pub subject: Descriptor,
    /// Its payloads, by lowest item number.
    pub payloads: Vec<PayloadUnit>,
    /// Its attestations, by lowest item number: indexes in [`Request::statements`].
    pub attestations: Vec<usize>,
}

impl SubjectGroup {
    /// Its repository and digest.
    #[must_use]
    pub fn place(&self) -> (&Repository, &Digest) {
        (&self.repository, &self.subject.digest)
    }

    /// The lowest number of an item with a payload, signed or not; 0 where there is none.
    #[must_use]
    pub fn lowest_payload(&self) -> u64 {
        self.payloads.first().map_or(0, |unit| unit.lowest)
    }

    /// The lowest number of an attestation, signed or not; 0 where there is none.
    #[must_use]
    pub fn lowest_attestation(&self, request: &Request) -> u64 {
        let first = self.attestations.first().and_then(|place| request.statements.get(*place));
        first.map_or(0, |unit| unit.lowest)
    }
}

/// The items of a group that share a payload, hence a layer for each key.
#[derive(Clone, Debug)]
pub struct PayloadUnit {
    /// The payload.
    pub payload: Descriptor,
    /// The lowest number of its items, signed or not.
    pub lowest: u64,
    /// Indexes of its items.
    pub items: Vec<usize>,
    /// Whether another tool made it, so that nothing is known of what it says.
    pub custom: bool,
}

/// The items that share a statement, hence a bundle for each key.
#[derive(Clone, Debug)]
pub struct StatementUnit {
    /// The statement.
    pub statement: Descriptor,
    /// The manifest that it is about.
    pub subject: Descriptor,
    /// What its predicate is; `None` for the statement of an image signature.
    pub attested: Option<PredicateType>,
    /// The lowest number of its items.
    pub lowest: u64,
    /// Indexes of its items.
    pub items: Vec<usize>,
}

impl StatementUnit {
    /// The manifest that attaches a bundle of this statement to its subject.
    #[must_use]
    pub fn render_referrer(&self, bundle: &[u8]) -> Bytes {
        let predicate_type = self.attested.as_ref().map_or(statement::PREDICATE_TYPE, PredicateType::uri);
        let bundle = Descriptor::of(bundle::MEDIA_TYPE, bundle);
        bundle::render_referrer(&bundle, &self.subject, predicate_type)
    }
}

pub(super) fn group_by_subject(items: &[Item], statements: &[StatementUnit]) -> Vec<SubjectGroup> {
    let mut groups: Vec<SubjectGroup> = Vec::new();
    let mut places: HashMap<(Repository, Digest), usize> = HashMap::new();
    let mut units: HashMap<(usize, Digest), usize> = HashMap::new();
    let of_statement: HashMap<Digest, usize> =
        statements.iter().enumerate().map(|(place, unit)| (unit.statement.digest, place)).collect();
    for (index, item) in items.iter().enumerate() {
        let repository = item.destination.repository();
        let place = *places.entry((repository.clone(), item.subject.digest)).or_insert_with(|| {
            let (repository, subject) = (repository.clone(), item.subject.clone());
            groups.push(SubjectGroup { repository, subject, payloads: Vec::new(), attestations: Vec::new() });
            groups.len() - 1
        });
        let Some(group) = groups.get_mut(place) else { continue };
        if let Some(payload) = item.payload() {
            let unit = *units.entry((place, payload.digest)).or_insert_with(|| {
                group.payloads.push(PayloadUnit {
                    payload: payload.clone(),
                    lowest: item.number,
                    items: Vec::new(),
                    custom: matches!(item.signed, Signed::CustomPayload { .. }),
                });
                group.payloads.len() - 1
            });
            if let Some(unit) = group.payloads.get_mut(unit) {
                unit.items.push(index);
            }
        }
        if let Signed::Attestation { statement, .. } = &item.signed
            && let Some(place) = of_statement.get(&statement.digest)
            && !group.attestations.contains(place)
        {
            group.attestations.push(*place);
        }
    }
    groups
}

pub(super) fn group_statements(items: &[Item]) -> Vec<StatementUnit> {
    let mut units: Vec<StatementUnit> = Vec::new();
    let mut places: HashMap<Digest, usize> = HashMap::new();
    for (index, item) in items.iter().enumerate() {
        let Some(statement) = item.statement() else { continue };
        let place = *places.entry(statement.digest).or_insert_with(|| {
            let (statement, subject) = (statement.clone(), item.subject.clone());
            let attested = match &item.signed {
                Signed::Attestation { predicate_type, .. } => Some(predicate_type.clone()),
                _ => None,
            };
            units.push(StatementUnit {
                statement,
                subject,
                attested,
                lowest: item.number,
                items: Vec::new(),
            });
            units.len() - 1
        });
        if let Some(unit) = units.get_mut(place) {
            unit.items.push(index);
        }
    }
    units
}
