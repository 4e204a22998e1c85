//! `verify`: images by a key, with cosign's output and exit codes.

use std::collections::BTreeSet;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coldsign::check::Check;
use coldsign::digest::Digest;
use coldsign::error::{Error, Result};
use coldsign::exit::Exit;
use coldsign::format::document::object;
use coldsign::format::json::{Names, Value};
use coldsign::format::statement::{self, Statement};
use coldsign::limits;
use coldsign::request::Request;
use coldsign::response::Response;
use coldsign::terminal::{self, Console, counted, shown};
use coldsign::transfer::source::{Location, Source};
use coldsign::transfer::store::Store;
use coldsign::transfer::{annotations, gather, list};
use coldsign::verify::{Claims, Demand, Form, LogStatus, Valid, Verifier, conclude};

use crate::cli::{Format, Verify};
use crate::files;

pub(crate) fn run(asked: &Verify, console: &mut dyn Console) -> Result<Exit> {
    let demand = demand(asked)?;
    match &asked.from {
        Some(from) => verify_from(from, asked, &demand, console),
        None if asked.images.is_empty() => Err(Error::new(Check::ListEmpty, "")),
        None => {
            let sources = asked.images.iter().map(|image| Source::parse(image, Path::new("")));
            let sources = sources.collect::<Result<Vec<_>>>()?;
            verify_sources(&sources, asked, &demand, console)
        }
    }
}

/// What was asked for contradicts itself where claims are not read, and something about them is demanded.
fn demand(asked: &Verify) -> Result<Demand> {
    if !asked.check_claims && (!asked.annotations.is_empty() || asked.threshold > 1) {
        return Err(Error::new(Check::Usage, "--check-claims=false")
            .detail("it goes with neither -a nor --threshold"));
    }
    let keys = files::read_keys(&asked.keys)?.into_iter().map(|key| key.key).collect::<Vec<_>>();
    let threshold = asked.threshold;
    if threshold > keys.len() {
        let error = Error::new(Check::Usage, format!("--threshold {threshold}"));
        return Err(error.detail(format!("{} given", counted(keys.len(), "key", "keys"))));
    }
    let annotations = annotations::parse(asked.annotations.iter().map(String::as_str))?;
    Ok(Demand { keys, annotations, claims: asked.check_claims, threshold })
}

/// One image as cosign shows it, several with a line each.
fn verify_sources(
    sources: &[Source],
    asked: &Verify,
    demand: &Demand,
    console: &mut dyn Console,
) -> Result<Exit> {
    let mut exit = Exit::Done;
    for source in sources {
        let result = match source.name() {
            Some(_) => verify_one(source, asked, demand, console).map(|()| Exit::Done),
            None => verify_every(source, asked, demand, console),
        };
        let next = match result {
            Ok(next) => next,
            Err(error) => terminal::conclude(Err(error.within(source)), console),
        };
        exit = if exit == Exit::Done { next } else { exit };
    }
    Ok(exit)
}

fn verify_one(source: &Source, asked: &Verify, demand: &Demand, console: &mut dyn Console) -> Result<()> {
    let layout = source.location().open()?;
    let image = layout.pick(source.name())?;
    let valid = judge(&layout, &image.descriptor.digest, demand)?;
    say_verified(&source.to_string(), &valid, demand, console)?;
    show_claims(&source.to_string(), &image.descriptor.digest, &valid.signatures, asked.output, console)
}

/// Every image of a layout: of a response those of its request, else those of its entries.
fn verify_every(source: &Source, asked: &Verify, demand: &Demand, console: &mut dyn Console) -> Result<Exit> {
    if let Location::Archive(path) = source.location()
        && let Some(response) = strict(path)?
    {
        response.check_response_absent()?;
        return verify_request(response.request(), &source.location().open()?, demand, console);
    }
    let layout = source.location().open()?;
    let images = layout.images();
    if let [image] = images.as_slice() {
        let valid = judge(&layout, &image.descriptor.digest, demand)?;
        say_verified(&source.to_string(), &valid, demand, console)?;
        show_claims(&source.to_string(), &image.descriptor.digest, &valid.signatures, asked.output, console)?;
        return Ok(Exit::Done);
    }
    if images.is_empty() {
        return Err(Error::new(Check::ImageAbsent, "no images in it"));
    }
    let rows =
        images.iter().map(|image| (image.descriptor.digest.to_string(), vec![image.descriptor.digest]));
    verify_rows(rows.collect(), &layout, demand, console)
}

/// A strict request or response; `None` where the file is an archive of another kind, an error where it is a broken one
/// of ours.
fn strict(path: &Path) -> Result<Option<Response>> {
    match coldsign::files::read(path, limits::FILE).and_then(|bytes| Response::read(&bytes.into())) {
        Ok(response) => Ok(Some(response)),
        Err(error) if matches!(error.check(), Check::FileKind | Check::FileSize | Check::FileNotRegular) => {
            Ok(None)
        }
        Err(error)
            if matches!(error.check(), Check::ArchiveName | Check::ArchiveHeader | Check::ArchiveOrder) =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn verify_from(from: &Path, asked: &Verify, demand: &Demand, console: &mut dyn Console) -> Result<Exit> {
    if let Some(response) = strict(from).unwrap_or(None) {
        let [place] = asked.images.as_slice() else {
            let error = Error::new(Check::Usage, "--from").detail("one place where its images are is wanted");
            return Err(error.hint(format!("coldsign verify ... --from {} oci:DIR", from.display())));
        };
        let source = Source::parse(place, Path::new(""))?;
        if source.name().is_some() {
            return Err(Error::new(Check::Usage, place)
                .detail("with --from a request or response a place has no name"));
        }
        return verify_request(response.request(), &source.location().open()?, demand, console);
    }
    if !asked.images.is_empty() {
        return Err(
            Error::new(Check::Usage, "--from").detail("images stand in the list or on the command line")
        );
    }
    let mut exit = Exit::Done;
    let (mut verified, mut failed) = (0, 0);
    for wanted in list::read(from)? {
        let name = wanted.source.to_string();
        let judged = wanted.source.location().open().and_then(|layout| {
            let image = layout.pick(wanted.source.name())?;
            judge(&layout, &image.descriptor.digest, demand)
        });
        exit = first(exit, show_row(&name, &[judged], console)?);
        if exit == Exit::Done { verified += 1 } else { failed += 1 }
    }
    console.show(&format!("{}: {verified} ok", counted(verified + failed, "image", "images")))?;
    Ok(exit)
}

fn verify_request(
    request: &Request,
    store: &dyn Store,
    demand: &Demand,
    console: &mut dyn Console,
) -> Result<Exit> {
    let digest = |item: &usize| request.items().get(*item).map(|item| item.subject.digest);
    let rows = request.images().iter().map(|image| {
        let name = request.items().get(image.first).map(|item| item.destination.to_string());
        (name.unwrap_or_default(), image.items.iter().filter_map(digest).collect())
    });
    verify_rows(rows.collect(), store, demand, console)
}

/// One line an image; all are checked, the exit code is the first failing one's.
fn verify_rows(
    rows: Vec<(String, Vec<Digest>)>,
    store: &dyn Store,
    demand: &Demand,
    console: &mut dyn Console,
) -> Result<Exit> {
    let mut exit = Exit::Done;
    let (mut digests, mut good) = (0, 0);
    let images = rows.len();
    for (name, subjects) in rows {
        let judged: Vec<Result<Judged>> =
            subjects.iter().map(|subject| judge(store, subject, demand)).collect();
        digests += judged.len();
        good += judged.iter().filter(|judged| judged.is_ok()).count();
        exit = first(exit, show_row(&name, &judged, console)?);
    }
    let (images, counted_digests) =
        (counted(images, "image", "images"), counted(digests, "digest", "digests"));
    console.show(&format!("{images}, {counted_digests}: {good} ok"))?;
    Ok(exit)
}

fn show_row(name: &str, judged: &[Result<Judged>], console: &mut dyn Console) -> Result<Exit> {
    if let Some(Err(error)) = judged.iter().find(|judged| judged.is_err()) {
        let failed = judged.iter().filter(|judged| judged.is_err()).count();
        let count = if judged.len() > 1 { format!("{failed} of {}: ", judged.len()) } else { String::new() };
        console.show(&format!("FAIL  {:<42} {count}{}", shown(name), shown(&error.to_string())))?;
        return Ok(error.exit());
    }
    let valid: Vec<&Valid> = judged.iter().flatten().flat_map(|judged| &judged.signatures).collect();
    let forms: BTreeSet<&str> = valid.iter().map(|valid| valid.form().name()).collect();
    let forms = forms.into_iter().collect::<Vec<_>>().join(" and ");
    let count = counted(judged.len(), "digest", "digests");
    console.show(&format!("ok    {:<42} {count}, {forms}, log {}", shown(name), log(&valid).name()))?;
    Ok(Exit::Done)
}

fn first(exit: Exit, next: Exit) -> Exit {
    if exit == Exit::Done { next } else { exit }
}

struct Judged {
    signatures: Vec<Valid>,
    /// How many of each form were found, valid or not.
    sigs: usize,
    bundles: usize,
}

fn judge(store: &dyn Store, subject: &Digest, demand: &Demand) -> Result<Judged> {
    let verdicts = gather::judge(store, subject, &Verifier::default(), demand);
    let count = |form| verdicts.iter().filter(|verdict| verdict.form == form).count();
    let (sigs, bundles) = (count(Form::Sig), count(Form::Bundle));
    Ok(Judged { signatures: conclude(verdicts, demand)?, sigs, bundles })
}

fn log(valid: &[&Valid]) -> LogStatus {
    let unchecked = valid.iter().any(|valid| valid.log() == LogStatus::Unchecked);
    if unchecked { LogStatus::Unchecked } else { LogStatus::Absent }
}

/// cosign's own lines, then one of ours: which form, how many, what is known of the log.
fn say_verified(name: &str, judged: &Judged, demand: &Demand, console: &mut dyn Console) -> Result<()> {
    console.say("")?;
    console.say(&format!("Verification for {} --", shown(name)))?;
    console.say("The following checks were performed on each of these signatures:")?;
    if !demand.annotations.is_empty() {
        console.say("  - The specified annotations were verified.")?;
    }
    if demand.claims {
        console.say("  - The cosign claims were validated")?;
    }
    console.say("  - The signatures were verified against the specified public key")?;
    if !demand.claims {
        console.say("warning: what the signatures claim was not checked (--check-claims=false)")?;
    }
    let forms = [(Form::Sig, judged.sigs), (Form::Bundle, judged.bundles)];
    let forms = forms.iter().filter(|(_, found)| *found > 0).map(|(form, found)| {
        let valid = judged.signatures.iter().filter(|valid| valid.form() == *form).count();
        format!("{}, {valid} of {found} valid", form.name())
    });
    let forms = forms.collect::<Vec<_>>().join("; ");
    let log = log(&judged.signatures.iter().collect::<Vec<_>>()).name();
    console.say(&format!("form: {forms}; log: {log}"))
}

/// cosign's result: an array of payloads, or one a line. A statement is shown as the payload it stands for.
fn show_claims(
    name: &str,
    subject: &Digest,
    valid: &[Valid],
    output: Format,
    console: &mut dyn Console,
) -> Result<()> {
    let values: Vec<Value> = valid.iter().map(|valid| claim_value(name, subject, valid)).collect();
    let mut out = Vec::new();
    match output {
        Format::Json => {
            out.push(b'\n');
            out.extend(serde_json::to_vec(&values).unwrap_or_default());
            out.push(b'\n');
        }
        Format::Text => {
            for (valid, value) in valid.iter().zip(&values) {
                match valid.claims() {
                    Claims::Payload(bytes) => out.extend_from_slice(bytes),
                    Claims::Statement(_) => out.extend(serde_json::to_vec(value).unwrap_or_default()),
                }
                out.push(b'\n');
            }
        }
    }
    console.emit(&out)
}

fn claim_value(name: &str, subject: &Digest, valid: &Valid) -> Value {
    match valid.claims() {
        Claims::Payload(bytes) => Value::parse(bytes, limits::DEPTH_EVIDENCE, Names::Exact)
            .unwrap_or_else(|_| Value::String(STANDARD.encode(bytes))),
        Claims::Statement(bytes) => {
            let statement = Statement::parse(bytes).ok();
            let annotations = statement.as_ref().and_then(|statement| statement.annotations_of(subject));
            let text = |text: &str| Value::String(text.to_owned());
            let critical = object([
                ("identity", object([("docker-reference", text(name))])),
                ("image", object([("docker-manifest-digest", text(&subject.to_string()))])),
                ("type", text(statement::PREDICATE_TYPE)),
            ]);
            object([
                ("critical", critical),
                ("optional", Value::Object(annotations.unwrap_or_default().to_vec())),
            ])
        }
    }
}
