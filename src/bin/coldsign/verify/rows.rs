//! What each key and each form says of a digest: what was checked, what was not, and why.

use coldsign::check::Check;
use coldsign::error::Error;
use coldsign::exit::Exit;
use coldsign::verify::{Demand, Form, Signed, Standing, State, Valid, Verdict};

use super::images::identity;
use super::report::{cut, details, message};
use crate::files::NamedKey;
use crate::report::Row;

/// A row for each key and form.
pub(super) fn of(verdicts: &[Verdict], keys: &[NamedKey], demand: &Demand) -> Vec<Row> {
    let row = |key, form| Row::of(&Seen::of(verdicts, key, form), key, form, demand);
    keys.iter().flat_map(|key| [row(key, Form::Sig), row(key, Form::Bundle)]).collect()
}

/// What there is of one form that concerns one key.
enum Seen<'a> {
    /// Nothing, or signatures of other keys that were given.
    Nothing,
    /// Signatures by no key that was given, or what could not be read: how many, and what says most.
    Strange(usize, &'a Error),
    /// Signatures by this key: how many, and the valid ones.
    Valid(usize, Vec<&'a Valid>),
    /// Signatures by this key that are not what was demanded: how many, and the one that came furthest.
    Refused(usize, &'a Signed, &'a Error),
}

impl<'a> Seen<'a> {
    fn of(verdicts: &'a [Verdict], key: &NamedKey, form: Form) -> Self {
        let of_form: Vec<&Verdict> = verdicts.iter().filter(|verdict| verdict.form == form).collect();
        let id = key.key.id();
        let by_key = |verdict: &&&Verdict| verdict.signed.as_ref().is_some_and(|signed| signed.key_id == id);
        let ours: Vec<&Verdict> = of_form.iter().filter(by_key).copied().collect();
        let valid: Vec<&Valid> = ours.iter().filter_map(|verdict| verdict.outcome.as_ref().ok()).collect();
        if !valid.is_empty() {
            return Self::Valid(ours.len(), valid);
        }
        let furthest = ours.iter().max_by_key(|verdict| verdict.came());
        if let Some((signed, error)) =
            furthest.and_then(|one| Some((one.signed.as_ref()?, one.outcome.as_ref().err()?)))
        {
            return Self::Refused(ours.len(), signed, error);
        }
        let strange: Vec<&Verdict> =
            of_form.iter().filter(|verdict| verdict.signed.is_none()).copied().collect();
        // What was not seen may be the signature that is looked for.
        let unread = strange.iter().find_map(|verdict| verdict.unread());
        let furthest = strange.iter().max_by_key(|verdict| verdict.came());
        match unread.or_else(|| furthest.and_then(|one| one.outcome.as_ref().err())) {
            Some(error) => Self::Strange(strange.len(), error),
            None => Self::Nothing,
        }
    }
}

impl Row {
    fn of(seen: &Seen<'_>, key: &NamedKey, form: Form, demand: &Demand) -> Self {
        let row = Self {
            annotations: State::Unchecked,
            check: None,
            claims: State::Unchecked,
            details: Vec::new(),
            form: form.name().to_owned(),
            found: 0,
            identities: Vec::new(),
            key: key.file.display().to_string(),
            key_id: key.key.id().to_string(),
            log: State::Unchecked,
            message: None,
            proof: State::Unchecked,
            signature: State::Unchecked,
            time: None,
            timestamp: State::Unchecked,
            valid: 0,
        };
        match seen {
            Seen::Nothing => Self {
                annotations: State::Absent,
                claims: State::Absent,
                log: State::Absent,
                proof: State::Absent,
                signature: State::Absent,
                timestamp: State::Absent,
                ..row
            },
            Seen::Valid(found, valid) => {
                let demanded = demand.claims && !demand.annotations.is_empty();
                // Whose digest a bundle is about is compared whether claims are or not.
                let claimed = demand.claims || form == Form::Bundle;
                Self {
                    annotations: if demanded { State::Verified } else { State::Unchecked },
                    claims: if claimed { State::Verified } else { State::Unchecked },
                    found: *found,
                    identities: identities(valid),
                    signature: State::Verified,
                    valid: valid.len(),
                    ..row.beside(best(valid))
                }
            }
            Seen::Refused(found, signed, error) => {
                let annotations = error.check() == Check::PayloadAnnotations;
                // What stands beside a signature is judged when its claims hold.
                let beside = matches!(error.exit(), Exit::Log | Exit::Token);
                let demanded = demand.claims && !demand.annotations.is_empty();
                Self {
                    annotations: match (annotations, beside && demanded) {
                        (true, _) => State::Invalid,
                        (false, true) => State::Verified,
                        (false, false) => State::Unchecked,
                    },
                    claims: match (annotations || beside, demand.claims || form == Form::Bundle) {
                        (true, true) => State::Verified,
                        (true, false) => State::Unchecked,
                        (false, _) => State::Invalid,
                    },
                    found: *found,
                    signature: State::Verified,
                    ..row.refused(error).beside(Some(&signed.standing))
                }
            }
            Seen::Strange(found, error) => {
                let (signature, log) = strange(error.check());
                Self { found: *found, log, signature, ..row.refused(error) }
            }
        }
    }

    /// What is known of what stands beside the signature.
    fn beside(self, standing: Option<&Standing>) -> Self {
        let Some(standing) = standing else { return self };
        Self {
            log: standing.log(),
            proof: standing.proof(),
            time: standing.time().map(|(time, _)| time.to_string()),
            timestamp: standing.token(),
            ..self
        }
    }

    fn refused(self, error: &Error) -> Self {
        Self { check: Some(error.check()), details: details(error), message: Some(message(error)), ..self }
    }
}

/// What is known of a signature and its log entry, by the check that it failed before any key was known to have made it.
fn strange(check: Check) -> (State, State) {
    match check {
        Check::SigLog | Check::LogSyntax | Check::LogLimit => (State::Unchecked, State::Invalid),
        Check::SigKey
        | Check::SigManifestKind
        | Check::SigLayerType
        | Check::SigLayerSize
        | Check::SigAnnotation
        | Check::SigBase64
        | Check::BundleSyntax => (State::Invalid, State::Unchecked),
        // A certificate's key is none of those given; a bundle with log entries counts when they are checked; the rest
        // could not be read.
        _ => (State::Unchecked, State::Unchecked),
    }
}

/// What stands beside the valid signature that says most.
fn best<'a>(valid: &[&'a Valid]) -> Option<&'a Standing> {
    let most = |standing: &&Standing| (standing.log(), standing.proof(), standing.token());
    valid.iter().map(|valid| valid.standing()).max_by_key(most)
}

/// What its payloads call the image, each once.
fn identities(valid: &[&Valid]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in valid.iter().filter_map(|valid| identity(valid)).map(|name| cut(&name)) {
        if names.len() < IDENTITIES && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// Identities that a row names: tags of one image are a few.
const IDENTITIES: usize = 16;
