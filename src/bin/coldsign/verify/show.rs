//! What a person sees: cosign's block for one image, a row for one of many.

use std::collections::BTreeSet;
use std::error::Error as _;
use std::fmt::Write as _;

use coldsign::digest::Digest;
use coldsign::error::{Error, Result};
use coldsign::format::attestation::PredicateType;
use coldsign::format::json;
use coldsign::format::payload::{self, Payload};
use coldsign::format::statement::Statement;
use coldsign::terminal::{Console, counted, shown};
use coldsign::verify::material::{SeenEntry, SeenToken};
use coldsign::verify::{Claims, Form, Standing, State, Valid};
use serde_json::{Value, json};

use super::images::{Image, Judged};
use crate::cli::{Format, Verify};
use crate::inspect::ascii;
use crate::row;

/// `ok    registry.example/team/app:1.4          3 digests, .sig, log absent`
pub(super) fn row(image: &Image, judged: &Judged) -> String {
    let forms: BTreeSet<Form> = judged.valid().map(Valid::form).collect();
    let forms: Vec<&str> = forms.into_iter().map(Form::name).collect();
    let digests = counted(judged.digests.len(), "digest", "digests");
    let states: BTreeSet<State> = judged.valid().map(|valid| valid.standing().log()).collect();
    let log = match states.into_iter().collect::<Vec<_>>().as_slice() {
        [one] => one.name(),
        _ => "mixed", // the reports say which
    };
    let notes: String = notes(judged).into_iter().flat_map(|note| ["; ", note]).collect();
    row::line("ok", &image.name, &format!("{digests}, {}, log {log}", forms.join(", "))) + &notes
}

/// `FAIL  registry.example/team/app:1.4          [SIG-ABSENT] no signatures found`
pub(super) fn failed_row(image: &Image, error: &Error) -> String {
    row::line("FAIL", &image.name, &format!("[{}] {}", error.check(), error.check().message()))
}

/// Whether there is more to say than a failed row does.
pub(super) fn says_more(error: &Error) -> bool {
    let lines = error.details().next().or_else(|| error.hints().next());
    !error.at().is_empty() || lines.is_some() || error.source().is_some()
}

/// The first line of an error whose message stands in a row.
pub(super) fn without_message(error: &Error) -> String {
    format!("error[{}]: {}", error.check(), shown(error.at()))
}

/// As cosign shows it, and lines of ours before what was signed.
pub(super) fn block(image: &Image, judged: &Judged, asked: &Verify, console: &mut dyn Console) -> Result<()> {
    let checked = Checked {
        annotations: !asked.annotations.is_empty(),
        claims: asked.check_claims,
        recursive: asked.recursive,
        kind: None,
    };
    header(image, judged, &checked, console)?;
    let signed = judged.digests.iter().flat_map(|one| {
        let valid = one.outcome.iter().flat_map(|verified| &verified.valid);
        valid.map(|valid| signed_value(valid, &one.digest, &image.name))
    });
    match asked.output {
        Format::Json => {
            console.show("")?;
            console.show(&ascii(&Value::Array(signed.collect())))
        }
        Format::Text => signed.map(|value| ascii(&value)).try_for_each(|line| console.show(&line)),
    }
}

/// What was asked for besides a signature by a key.
pub(super) struct Checked<'a> {
    pub(super) annotations: bool,
    pub(super) claims: bool,
    pub(super) recursive: bool,
    /// The type of attestations that was asked for.
    pub(super) kind: Option<&'a PredicateType>,
}

/// What was checked of an image, in cosign's words, and what was found; last, as cosign's page has it, that claims were
/// not.
pub(super) fn header(
    image: &Image,
    judged: &Judged,
    checked: &Checked<'_>,
    console: &mut dyn Console,
) -> Result<()> {
    console.say("")?;
    console.say(&format!("Verification for {} --", shown(&image.name)))?;
    console.say("The following checks were performed on each of these signatures:")?;
    if checked.annotations {
        console.say("  - The specified annotations were verified.")?;
    }
    if checked.claims {
        console.say("  - The cosign claims were validated")?;
    }
    if !checked.claims && judged.valid().any(|valid| valid.form() == Form::Bundle) {
        console.say("  - The digests that the bundles are about were compared")?;
    }
    console.say("  - The signatures were verified against the specified public key")?;
    let forms = judged.found.iter().map(|(form, found)| {
        let valid = judged.valid().filter(|valid| valid.form() == *form).count();
        let (all, form) = (found.all, form.name());
        match found.by_others {
            0 => format!("{form}, {valid} of {all} valid"),
            others if valid + others == all => format!("{form}, {valid} of {all} by the keys given"),
            others => format!("{form}, {valid} of {all} valid, {others} not by the keys given"),
        }
    });
    let digests = if checked.recursive {
        format!("; {}", counted(judged.digests.len(), "digest", "digests"))
    } else {
        String::new()
    };
    let forms = forms.collect::<Vec<_>>().join("; ");
    let standings: Vec<&Standing> = judged.valid().map(Valid::standing).collect();
    console.say(&format!("form: {forms}{digests}"))?;
    console.say(&format!("signature: verified; {}", states(&standings)))?;
    judged.valid().try_for_each(|valid| standing(valid.standing(), console))?;
    checked.kind.map_or(Ok(()), |kind| console.say(&format!("type: {kind}")))?;
    notes(judged).into_iter().try_for_each(|note| console.say(note))?;
    if checked.claims {
        return Ok(());
    }
    console.say("")?;
    console.say(UNCLAIMED)
}

/// `log: verified; proof: verified; timestamp: absent`: what is known of what stands beside valid signatures. Of several
/// signatures each word is said once.
pub(crate) fn states(standings: &[&Standing]) -> String {
    let of = |part: fn(&Standing) -> State| {
        let states: BTreeSet<State> = standings.iter().map(|standing| part(standing)).collect();
        states.into_iter().map(State::name).collect::<Vec<_>>().join(" and ")
    };
    let (log, proof, token) = (of(Standing::log), of(Standing::proof), of(Standing::token));
    format!("log: {log}; proof: {proof}; timestamp: {token}")
}

/// Says each log entry and each timestamp of a signature, and which time counts.
pub(super) fn standing(standing: &Standing, console: &mut dyn Console) -> Result<()> {
    lines(standing).iter().try_for_each(|line| console.say(&format!("  {line}")))?;
    if let Some(said) = &standing.lookup {
        console.say(&format!("  no log entry: {}", shown(&said.said())))?;
    }
    match standing.time() {
        Some((time, by)) => console.say(&format!("  signed no later than {time}, by {}", shown(by))),
        None => Ok(()),
    }
}

/// A line for each log entry and each timestamp, and lines for why it is not verified.
pub(crate) fn lines(standing: &Standing) -> Vec<String> {
    let entries = standing
        .entries
        .iter()
        .map(|entry| (format!("log entry {}: {}", entry.index, shown(&of_entry(entry))), &entry.reason));
    let tokens = standing
        .tokens
        .iter()
        .map(|token| (format!("timestamp: {}", shown(&of_token(token))), &token.reason));
    let mut lines = Vec::new();
    for (line, reason) in entries.chain(tokens) {
        lines.push(line);
        lines.extend(reason.iter().map(|line| format!("  {}", shown(line))));
    }
    lines
}

/// `verified, rekor.example (root.json), 2026-11-22T21:03:47Z`
fn of_entry(entry: &SeenEntry) -> String {
    let mut text = entry.state.name().to_owned();
    if let Some((log, source)) = &entry.log {
        let _ = write!(text, ", {log} ({source})");
    }
    if let Some(time) = entry.time {
        let _ = write!(text, ", {time}");
    }
    if entry.looked_up {
        text.push_str(", looked up");
    }
    if entry.state == State::Verified && entry.proof == State::Absent {
        text.push_str(", promised, not proved");
    }
    text
}

/// `verified, Test TSA, 2026-11-22T21:03:47Z`
fn of_token(token: &SeenToken) -> String {
    let mut text = token.state.name().to_owned();
    if let Some(authority) = &token.authority {
        let _ = write!(text, ", {authority}");
    }
    if let Some(time) = token.time {
        let _ = write!(text, ", {time}");
    }
    text
}

/// The notes on its digests, each once.
fn notes(judged: &Judged) -> Vec<&str> {
    let mut notes: Vec<&str> = Vec::new();
    for note in judged.verified().flat_map(|verified| &verified.notes) {
        if !notes.contains(&note.as_str()) {
            notes.push(note);
        }
    }
    notes
}

/// What was signed, as cosign prints it: a payload in today's spelling, a statement as a payload of its type.
fn signed_value(valid: &Valid, digest: &Digest, name: &str) -> Value {
    let value = |reference: &str, digest: &Digest, kind: &str, optional: Value| {
        json!({
            "critical": {
                "identity": {"docker-reference": reference},
                "image": {"docker-manifest-digest": digest.to_string()},
                "type": kind,
            },
            "optional": optional,
        })
    };
    // Without --check-claims what was signed may be anything.
    let anything = |bytes: &[u8]| Value::String(String::from_utf8_lossy(bytes).into_owned());
    match valid.claims() {
        Claims::Payload(bytes) => Payload::parse(bytes).map_or_else(
            |_| anything(bytes),
            |signed| {
                let optional =
                    if signed.optional().is_empty() { Value::Null } else { members(signed.optional()) };
                value(signed.reference(), &signed.digest(), payload::TYPE, optional)
            },
        ),
        Claims::Statement(bytes) => Statement::parse(bytes).map_or_else(
            |_| anything(bytes),
            |statement| {
                let optional = members(statement.annotations_of(digest).unwrap_or_default());
                value(name, digest, statement.predicate_type(), optional)
            },
        ),
    }
}

fn members(members: &[(String, json::Value)]) -> Value {
    let value = |value: &json::Value| serde_json::to_value(value).unwrap_or(Value::Null);
    Value::Object(members.iter().map(|(name, member)| (name.clone(), value(member))).collect())
}

/// As cosign's documentation has it: what is printed below was signed, and is not known to be true.
const UNCLAIMED: &str = "Warning: the following claims have not been verified:";
