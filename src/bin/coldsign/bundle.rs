//! `bundle inspect`: what a bundle signs, which log has it, which time counts and why.

use std::path::Path;

use coldsign::check::Check;
use coldsign::digest::hex;
use coldsign::error::{Error, Result};
use coldsign::exit::Exit;
use coldsign::format::log::{Entry, Material};
use coldsign::format::statement::Statement;
use coldsign::keys::public::{Hash, PublicKey};
use coldsign::limits;
use coldsign::terminal::{self, Console, counted, shown};
use coldsign::transfer::gather::{self, Patience};
use coldsign::transfer::source::Source;
use coldsign::transfer::store::Places as _;
use coldsign::trust::{Time, Trust};
use coldsign::verify::examine::{Examined, Judged, Signs};
use coldsign::verify::material::{SeenEntry, SeenToken};
use coldsign::verify::timestamp::Token;
use coldsign::verify::{Demand, Evidence, Form, Purpose, Standing, Verdict, Verifier, Want};
use serde_json::{Value, json};

use crate::cli::{BundleInspect, Format};
use crate::files::{NamedKey, read_keys};
use crate::inspect::ascii;
use crate::station::{self, Station};
use crate::verify::show::{lines, states};
use crate::{image, trust};

/// Shows a bundle of a file, or everything that stands beside an image.
pub(crate) fn inspect(asked: &BundleInspect, console: &mut dyn Console) -> Result<Exit> {
    let keys = read_keys(&asked.keys)?;
    let mut evidence = trust::evidence(&asked.trust, console)?;
    // Looking demands nothing unless asked to.
    let said = asked.trust.log.is_some() || asked.trust.insecure_ignore_tlog.is_some();
    if !said && asked.trust.log_threshold <= 1 {
        evidence.log = Want::IfPresent;
    }
    if keys.is_empty() && [evidence.log, evidence.tsa].contains(&Want::Require) {
        return Err(Error::new(Check::Usage, "--key")
            .detail("what is demanded beside a signature wants the key that made it"));
    }
    let path = Path::new(&asked.what);
    if path.is_file() {
        let bytes = coldsign::files::read(path, u64::try_from(limits::MANIFEST).unwrap_or(u64::MAX))?;
        let bundle = Examined::read(&bytes).map_err(|error| error.within(&asked.what))?;
        return File { asked, keys: &keys, evidence: &evidence, bundle: &bundle }.show(console);
    }
    of_image(asked, &keys, &evidence, console)
}

/// A bundle in a file.
struct File<'a> {
    asked: &'a BundleInspect,
    keys: &'a [NamedKey],
    evidence: &'a Evidence,
    bundle: &'a Examined,
}

impl File<'_> {
    fn show(&self, console: &mut dyn Console) -> Result<Exit> {
        let keys: Vec<PublicKey> = self.keys.iter().map(|key| key.key.clone()).collect();
        let judged = (!keys.is_empty()).then(|| self.bundle.judge(&keys, self.evidence));
        // Whose it is cannot be said where a bundle names no file.
        let judged = judged.filter(|_| !self.is_nameless());
        let (judged, failed) = match judged {
            Some(Ok(Judged { key, standing, demanded })) => (Some((key, standing)), demanded.err()),
            Some(Err(error)) => (None, Some(error)),
            None => (None, None),
        };
        match self.asked.format {
            Format::Json => console.show(&ascii(&self.value(judged.as_ref(), failed.as_ref())))?,
            Format::Text => self.lines(judged.as_ref(), console)?,
        }
        match failed {
            None => Ok(Exit::Done),
            Some(error) => Err(error.within(&self.asked.what)),
        }
    }

    /// Whether it signs a file and does not say which.
    fn is_nameless(&self) -> bool {
        matches!(self.bundle.signed, Signs::File(None))
    }

    fn lines(&self, judged: Option<&(&PublicKey, Standing)>, console: &mut dyn Console) -> Result<()> {
        let bundle = self.bundle;
        let kind = if bundle.media_type.is_empty() {
            "bundle of cosign before 3"
        } else {
            bundle.media_type.as_str()
        };
        console.show(&shown(kind))?;
        signs(&bundle.signed).iter().try_for_each(|line| console.show(&format!("  {line}")))?;
        if let Some((key, standing)) = judged {
            let by = crate::files::names(self.keys.iter().filter(|named| named.key == **key));
            console.show(&format!("  by {by}"))?;
            console.show(&format!("  signature: verified; {}", states(&[standing])))?;
            return standing_lines(standing).iter().try_for_each(|line| console.show(&format!("  {line}")));
        }
        let why = match (self.keys.is_empty(), self.is_nameless()) {
            (true, _) => "unchecked, no --key given",
            (false, true) => "unchecked, it names no file; coldsign verify-blob has it",
            (false, false) => "invalid",
        };
        console.show(&format!("  signature: {why}"))?;
        let claimed = claimed_lines(&bundle.material, &self.evidence.trust);
        claimed.iter().try_for_each(|line| console.show(&format!("  {line}")))
    }

    fn value(&self, judged: Option<&(&PublicKey, Standing)>, failed: Option<&Error>) -> Value {
        let (subject, hash) = match &self.bundle.signed {
            Signs::File(hash) => (Value::Null, hash.as_ref().map(|(hash, bytes)| named_hash(*hash, bytes))),
            Signs::Statement(statement) => (
                Statement::parse_attestation(statement)
                    .map_or(Value::Null, |statement| Value::String(statement.predicate_type().to_owned())),
                None,
            ),
        };
        json!({
            "check": failed.map(|error| error.check().id()),
            "entries": judged.map_or_else(
                || self.bundle.material.entries.iter().map(claimed_entry).collect::<Vec<_>>(),
                |(_, standing)| standing.entries.iter().map(entry_value).collect(),
            ),
            "file": hash,
            "keyId": judged.map(|(key, _)| key.id().to_string()),
            "kind": "bundle",
            "mediaType": self.bundle.media_type,
            "predicateType": subject,
            "signature": match (judged, self.keys.is_empty() || self.is_nameless()) {
                (Some(_), _) => "verified",
                (None, true) => "unchecked",
                (None, false) => "invalid",
            },
            "time": judged.and_then(|(_, standing)| standing.time()).map(|(time, _)| time.to_string()),
            "timestamps": judged.map_or_else(
                || self.bundle.material.tokens.iter().map(|token| claimed_token(token)).collect::<Vec<_>>(),
                |(_, standing)| standing.tokens.iter().map(token_value).collect(),
            ),
        })
    }
}

/// Every signature and attestation beside an image, judged by the keys that were given.
fn of_image(
    asked: &BundleInspect,
    keys: &[NamedKey],
    evidence: &Evidence,
    console: &mut dyn Console,
) -> Result<Exit> {
    let source = Source::parse(&asked.what, Path::new(""))?;
    let elsewhere = station::signature_repository(asked.beside.signature_repository.as_ref())?;
    let station = Station::open(&asked.network, elsewhere)?;
    let digest = image::digest(&source, station.registries())?;
    let place = station.registries().open(source.location())?;
    let name = image::by_digest(source.location(), &digest);
    if keys.is_empty() {
        return Err(Error::new(Check::Usage, &asked.what)
            .detail("what stands beside an image is told apart by whose it is")
            .hint("give --key; coldsign download signature prints everything as it is"));
    }
    let mut verdicts = Vec::new();
    for purpose in [Purpose::Signature, Purpose::Attestation(None)] {
        let demand = Demand {
            keys: keys.iter().map(|key| key.key.clone()).collect(),
            purpose,
            annotations: std::collections::BTreeMap::new(),
            claims: true,
            threshold: 1,
            evidence: evidence.clone(),
        };
        let found = gather::judge(&*place, &digest, &Verifier::default(), &demand, &Patience::default());
        verdicts.extend(found.into_iter().filter(|verdict| concerns(verdict, &demand.purpose)));
    }
    show_verdicts(asked, keys, &name, &verdicts, console)
}

/// Whether a verdict is shown: bundles are judged as signatures and as attestations, and each is one of them. What is of
/// neither, or by a stranger, is shown once.
fn concerns(verdict: &Verdict, purpose: &Purpose) -> bool {
    let check = verdict.outcome.as_ref().err().map(Error::check);
    match purpose {
        Purpose::Signature => check != Some(Check::BundlePredicate),
        Purpose::Attestation(_) => {
            verdict.form == Form::Att || (verdict.signed.is_some() && check != Some(Check::AttPredicate))
        }
    }
}

fn show_verdicts(
    asked: &BundleInspect,
    keys: &[NamedKey],
    name: &str,
    verdicts: &[Verdict],
    console: &mut dyn Console,
) -> Result<Exit> {
    if asked.format == Format::Json {
        let values: Vec<Value> = verdicts.iter().map(verdict_value).collect();
        console.show(&ascii(&json!({"image": name, "kind": "imageSignatures", "signatures": values})))?;
    } else {
        console.show(&shown(name))?;
        console.show(&format!("  {}", counted(verdicts.len(), "signature", "signatures")))?;
    }
    let mut exit = if verdicts.is_empty() { Exit::NoSignatures } else { Exit::Done };
    for verdict in verdicts {
        let failed = verdict.outcome.as_ref().err();
        if let (Exit::Done, Some(error)) = (exit, failed) {
            exit = crate::verify::exit(error);
        }
        if asked.format == Format::Json {
            continue;
        }
        let by = verdict.signed.as_ref().map(|signed| {
            let named = keys.iter().filter(|named| named.key.id() == signed.key_id);
            format!("by {}", crate::files::names(named))
        });
        let state = match (failed, &by) {
            (None, Some(by)) => format!("verified, {by}"),
            (Some(_), Some(by)) => format!("does not count, {by}"),
            (_, None) => "by no key given, or not to be read".to_owned(),
        };
        console.show(&format!("{}: {state}", verdict.form.name()))?;
        if let Some(signed) = &verdict.signed {
            console.show(&format!("  signature: verified; {}", states(&[&signed.standing])))?;
            standing_lines(&signed.standing)
                .iter()
                .try_for_each(|line| console.show(&format!("  {line}")))?;
        }
        if let Some(error) = failed {
            terminal::report(error).lines().try_for_each(|line| console.show(&format!("  {line}")))?;
        }
    }
    Ok(exit)
}

fn verdict_value(verdict: &Verdict) -> Value {
    let standing = verdict.signed.as_ref().map(|signed| &signed.standing);
    json!({
        "check": verdict.outcome.as_ref().err().map(|error| error.check().id()),
        "entries": standing.map(|standing| standing.entries.iter().map(entry_value).collect::<Vec<_>>()),
        "form": verdict.form.name(),
        "keyId": verdict.signed.as_ref().map(|signed| signed.key_id.to_string()),
        "time": standing.and_then(Standing::time).map(|(time, _)| time.to_string()),
        "timestamps": standing.map(|standing| standing.tokens.iter().map(token_value).collect::<Vec<_>>()),
    })
}

/// What is signed, a line each.
fn signs(signed: &Signs) -> Vec<String> {
    match signed {
        Signs::File(Some((hash, bytes))) => vec![format!("signs a file: {}", named_hash(*hash, bytes))],
        Signs::File(None) => vec!["signs a file; which one it does not say".to_owned()],
        Signs::Statement(statement) => match Statement::parse_attestation(statement) {
            Ok(parsed) => {
                let subjects = parsed.subjects().map(|digest| format!("  of {digest}"));
                let kind = format!("signs a statement: {}", shown(parsed.predicate_type()));
                std::iter::once(kind).chain(subjects.take(SUBJECTS)).collect()
            }
            Err(_) => vec!["signs an envelope that holds no statement".to_owned()],
        },
    }
}

fn standing_lines(standing: &Standing) -> Vec<String> {
    let mut lines = lines(standing);
    let time = match standing.time() {
        Some((time, by)) => format!("time: signed no later than {time}, by {}", shown(by)),
        None => "time: none; a promise (SET) that holds or a timestamp that holds would be one".to_owned(),
    };
    lines.push(time);
    lines
}

/// What entries and tokens say of themselves where nothing can be bound to a signature.
fn claimed_lines(material: &Material, trust: &Trust) -> Vec<String> {
    let entries = material.entries.iter().map(|entry| {
        let log =
            trust.logs_of(entry.log_id).next().map_or_else(|| entry.log_id.hex(), |log| shown(&log.name()));
        let kind = entry.kind.as_ref().map_or_else(|| "promised".to_owned(), |kind| shown(&kind.to_string()));
        let time = if entry.time > 0 { format!(", says {}", Time(entry.time)) } else { String::new() };
        format!("log entry {}: unchecked, {kind}, of log {log}{time}", entry.index)
    });
    let tokens = material.tokens.iter().map(|token| match Token::parse(token) {
        Ok(token) => format!("timestamp: unchecked, says {}", token.time()),
        Err(error) => format!("timestamp: invalid, {}", shown(&error.to_string())),
    });
    entries.chain(tokens).collect()
}

fn entry_value(entry: &SeenEntry) -> Value {
    json!({
        "index": entry.index,
        "kind": entry.kind,
        "log": entry.log.as_ref().map(|(name, _)| name),
        "logId": entry.log_id.hex(),
        "proof": entry.proof,
        "reason": reason_value(&entry.reason),
        "source": entry.log.as_ref().map(|(_, source)| source),
        "state": entry.state,
        "time": entry.time.map(|time| time.to_string()),
    })
}

fn token_value(token: &SeenToken) -> Value {
    json!({
        "authority": token.authority,
        "reason": reason_value(&token.reason),
        "state": token.state,
        "time": token.time.map(|time| time.to_string()),
    })
}

fn reason_value(reason: &[String]) -> Option<String> {
    (!reason.is_empty()).then(|| reason.join(": "))
}

/// The same members as [`entry_value`], of an entry that nothing was there to judge by: its time is nobody's word.
fn claimed_entry(entry: &Entry) -> Value {
    json!({
        "index": entry.index,
        "kind": entry.kind.as_ref().map(ToString::to_string),
        "log": null,
        "logId": entry.log_id.hex(),
        "proof": if entry.proof.is_some() { "unchecked" } else { "absent" },
        "reason": "no key given",
        "source": null,
        "state": "unchecked",
        "time": null,
    })
}

fn claimed_token(token: &[u8]) -> Value {
    let state = if Token::parse(token).is_ok() { "unchecked" } else { "invalid" };
    json!({"authority": null, "reason": "no key given", "state": state, "time": null})
}

fn named_hash(hash: Hash, bytes: &[u8]) -> String {
    format!("{}:{}", hash.name(), hex(bytes))
}

/// Subjects that are shown of one statement.
const SUBJECTS: usize = 16;
