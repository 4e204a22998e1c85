//! `import`: check a response, merge its signatures into registries or a layout, read back, verify.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;

use coldsign::check::Check;
use coldsign::digest::Digest;
use coldsign::error::{Error, Result};
use coldsign::exit::Exit;
use coldsign::files::Output;
use coldsign::format::document::object;
use coldsign::format::json::Value;
use coldsign::format::reference::Repository;
use coldsign::response::Response;
use coldsign::review::Review;
use coldsign::sign;
use coldsign::terminal::{self, Console, counted, shown};
use coldsign::transfer::import::{Plan, Wanted};
use coldsign::transfer::layout_dir::LayoutDir;
use coldsign::transfer::push::{Event, Failures, Mode, Outcome, Row, Status};
use coldsign::transfer::store::Destinations;

use crate::cli::{Attach, Import};
use crate::files::{self, NamedKey};
use crate::station::{self, Station};

pub(crate) fn run(asked: &Import, console: &mut dyn Console) -> Result<Exit> {
    let place = asked.to.as_deref().map(files::directory).transpose()?;
    let signatures = match &place {
        Some(_) => None,
        None => station::signature_repository(asked.signature_repository.as_ref())?,
    };
    let report = asked.report.as_deref().map(|report| open_report(report, console)).transpose()?;
    let keys = files::read_keys(&asked.keys).map_err(nothing_pushed)?;
    let request = match &asked.request {
        Some(path) => Some(read_request(path).map_err(nothing_pushed)?),
        None => asked.request_digest,
    };
    let response = read_responses(asked).map_err(nothing_pushed)?;
    let wanted = Wanted {
        keys: keys.iter().map(|key| key.key.clone()).collect(),
        threshold: asked.threshold,
        attach: forms(asked.attach),
        request,
    };
    let plan = Plan::check(response, wanted)?;
    say_checked(&plan, asked, request, &keys, console)?;
    let station = Station::open(&asked.network, signatures.clone()).map_err(nothing_pushed)?;
    let layout = place.as_deref().map(LayoutDir::open).transpose()?;
    let destinations: &dyn Destinations = match &layout {
        Some(layout) => layout,
        None => station.registries(),
    };
    let to = To { place: place.as_deref(), signatures: signatures.as_ref() };
    let (outcome, said) = push(&plan, asked, destinations, &station, console)?;
    if let Some(report) = report {
        report.write(report_chunks(&plan, &outcome))?;
    }
    // A screen that cannot be written to ends nothing that was begun.
    said?;
    say_warnings(&outcome, console)?;
    say_done(&outcome, asked, &keys, &to, console)?;
    say_errors(&outcome, &to, console)?;
    Ok(outcome.exit())
}

/// Where signatures go: a layout, or where the request says, or one repository for all.
struct To<'a> {
    place: Option<&'a Path>,
    signatures: Option<&'a Repository>,
}

/// Pushes, one line an image as it goes; the second result says whether all lines could be shown.
fn push<'p>(
    plan: &'p Plan,
    asked: &Import,
    destinations: &dyn Destinations,
    station: &Station,
    console: &mut dyn Console,
) -> Result<(Outcome<'p>, Result<()>)> {
    let mode = if asked.dry_run { Mode::DryRun } else { Mode::Push };
    let images = plan.response().request().images().len();
    let bar = station::progress("images", images);
    let mut said = Ok(());
    let outcome = plan.push(destinations, mode, station.flow(), |event| {
        if said.is_err() {
            return;
        }
        said = bar.suspend(|| match &event {
            Event::Writable => {
                station.registries().allowed().iter().try_for_each(|line| console.say(&shown(line)))
            }
            Event::Row(row) => say_row(row, console),
            Event::ReadingBack(_) => Ok(()),
        });
        match event {
            Event::Row(_) => bar.inc(1),
            Event::ReadingBack(_) => bar.set_message("reading back;"),
            Event::Writable => {}
        }
    });
    bar.finish_and_clear();
    Ok((outcome?, said))
}

/// The digest of the request that was sent. Usage where the file is a response: it would be compared with itself.
fn read_request(path: &Path) -> Result<Digest> {
    let (digest, signed) = files::read_digest(path)?;
    if !signed {
        return Ok(digest);
    }
    Err(Error::new(Check::Usage, path.display())
        .detail("a response, where the request that was sent is wanted")
        .hint("say --request REQUEST, or --request-digest with the digest from your paper"))
}

/// The union of the responses. RESPONSE-ABSENT where nobody signed any of them.
fn read_responses(asked: &Import) -> Result<Response> {
    let response = files::read_all(&asked.responses)?;
    response.check_response_absent().map_err(|error| error.within(files::joined(&asked.responses)))?;
    Ok(response)
}

fn nothing_pushed(error: Error) -> Error {
    error.detail("nothing was pushed")
}

fn say_checked(
    plan: &Plan,
    asked: &Import,
    request: Option<Digest>,
    keys: &[NamedKey],
    console: &mut dyn Console,
) -> Result<()> {
    let answers = match (&asked.request, request) {
        (Some(path), _) => format!("answers {}", shown(&path.display().to_string())),
        (None, Some(_)) => "answers the request of --request-digest".to_owned(),
        (None, None) => "request: not compared".to_owned(),
    };
    let items = counted(plan.response().request().items().len(), "item", "items");
    let signatures = counted(plan.signature_count(), "signature", "signatures");
    let all = if plan.strangers().is_empty() { "all by" } else { "by" };
    let pieces =
        [format!("{answers};"), format!("{items}, {signatures},"), format!("{all} {}", files::names(keys))];
    console.say_all(&terminal::filled("checked: ", &pieces, " "))?;
    for stranger in plan.strangers() {
        console.say("also signed, by a key that was not given, and not pushed:")?;
        console.say(&format!("  {}", stranger.grouped()))?;
    }
    for key in keys {
        if plan.response().signer(&key.key.id()).is_none() {
            console.say(&format!("no signature by {}", shown(&key.file.display().to_string())))?;
        }
    }
    Ok(())
}

fn say_row(row: &Row, console: &mut dyn Console) -> Result<()> {
    let mut what = Vec::new();
    if row.sigs > 0 {
        what.push(format!("{} .sig", row.sigs));
    }
    if row.bundles > 0 {
        what.push(counted(row.bundles, "bundle", "bundles"));
    }
    if row.beside {
        what.push("beside another key's".to_owned());
    }
    let line = format!("{:<10} {:<42} {}", row.status.name(), shown(&row.image), what.join(", "));
    console.say(line.trim_end())
}

/// What was seen and stopped nothing. Of each kind a few are shown whole, the others are counted.
fn say_warnings(outcome: &Outcome<'_>, console: &mut dyn Console) -> Result<()> {
    let mut counts: BTreeMap<Check, usize> = BTreeMap::new();
    for row in outcome.rows() {
        for note in &row.notes {
            console.say(&format!("note: {}: {}", shown(&row.image), shown(note)))?;
        }
        for warning in row.warnings() {
            let count = counts.entry(warning.check()).or_default();
            *count += 1;
            if *count <= SHOWN_WHOLE {
                terminal::warning(&warning).lines().try_for_each(|line| console.say(line))?;
            }
        }
    }
    for (check, count) in counts.into_iter().filter(|(_, count)| *count > SHOWN_WHOLE) {
        let more = count - SHOWN_WHOLE;
        console.say(&format!("warning[{check}]: {more} more like these; --report json:FILE names all"))?;
    }
    Ok(())
}

fn say_done(
    outcome: &Outcome<'_>,
    asked: &Import,
    keys: &[NamedKey],
    to: &To<'_>,
    console: &mut dyn Console,
) -> Result<()> {
    let count = |status| outcome.count(status);
    let (pushed, unchanged, failed) =
        (count(Status::Pushed), count(Status::Unchanged), count(Status::Failed));
    if asked.dry_run {
        let would = counted(count(Status::WouldPush), "image", "images");
        return console
            .say(&format!("dry run: {would} would be pushed, {unchanged} unchanged; nothing was written"));
    }
    if !outcome.touched() {
        return console.say("nothing was pushed");
    }
    let failures = if failed == 0 { String::new() } else { format!(", {failed} failed") };
    let stands = outcome.rows().any(|row| row.sigs + row.bundles > 0);
    let verified = if stands { "; read back and verified" } else { "" };
    let pushed = counted(pushed, "image", "images");
    console.say(&format!("done: {pushed} pushed, {unchanged} unchanged{failures}{verified}"))?;
    if let (Some(into), _) | (None, Some(into)) = (&asked.to, &to.signatures.map(ToString::to_string)) {
        console.say(&format!("  into {}", shown(into)))?;
    }
    if failed > 0 {
        return Ok(());
    }
    say_command(outcome, asked, keys, to, console)?;
    if asked.attach == Attach::Sig {
        console.say("bundles were not pushed: --attach both")?;
    }
    Ok(())
}

/// What stock cosign will look at, and the command that makes it.
fn say_command(
    outcome: &Outcome<'_>,
    asked: &Import,
    keys: &[NamedKey],
    to: &To<'_>,
    console: &mut dyn Console,
) -> Result<()> {
    let images = outcome.rows().count();
    let (form, image) = match (to.place, asked.attach) {
        // A layout shows stock cosign one image, and never the bundle of an index: bundles are for a registry.
        (Some(place), Attach::Sig) => {
            (".sig".to_owned(), format!("--local-image {}", shown(&place.display().to_string())))
        }
        (Some(_), _) => ("bundles, once they are in a registry".to_owned(), "IMAGE".to_owned()),
        (None, _) => {
            let only = outcome.rows().next().filter(|_| images == 1);
            let bundled = outcome.rows().filter(|row| row.bundled).count();
            (looked_at(images, bundled), only.map_or("IMAGE".to_owned(), |row| shown(&row.image)))
        }
    };
    let key = keys.first().map(|key| shown(&key.file.display().to_string())).unwrap_or_default();
    console.say(&format!("stock cosign looks at {form}:"))?;
    if let Some(signatures) = to.signatures {
        console.say(&format!("  COSIGN_REPOSITORY={} \\", shown(&signatures.to_string())))?;
    }
    console.say(&format!("  cosign verify --key {key} --insecure-ignore-tlog=true \\"))?;
    console.say(&format!("    --trusted-root tr0.json {image}"))?;
    console.say("    # tr0.json: coldsign trusted-root create -o tr0.json")?;
    if to.place.is_some() && asked.attach == Attach::Sig && images > 1 {
        console.say("    # it sees the first image of a layout; coldsign verify sees all")?;
    }
    Ok(())
}

/// `.sig for all 40 images`; one bundle beside an image, whoever's it is, and cosign looks at bundles.
fn looked_at(images: usize, bundled: usize) -> String {
    match (images, images - bundled) {
        (1, 1) => ".sig".to_owned(),
        (1, _) => "bundles".to_owned(),
        (_, 0) => format!("bundles for all {images} images"),
        (_, sigs) if sigs == images => format!(".sig for all {images} images"),
        (_, sigs) => format!(".sig for {}, at bundles for {bundled}", counted(sigs, "image", "images")),
    }
}

/// What failed, last, so that it is what stands on the screen: of each kind a few whole, the others counted.
fn say_errors(outcome: &Outcome<'_>, to: &To<'_>, console: &mut dyn Console) -> Result<()> {
    let failures = outcome.failures();
    let mut say = |error: &Error| terminal::report(error).lines().try_for_each(|line| console.say(line));
    let others = outcome.touched() || outcome.count(Status::WouldPush) > 0;
    if let Some(error) = none_there(&failures, to).filter(|_| !others) {
        return say(&error);
    }
    for failure in &failures {
        let Some(first) = failure.errors.first() else { continue };
        if first.check() == Check::Interrupted {
            let images = counted(failure.images, "image", "images");
            let error = Error::new(Check::Interrupted, format!("{images} not begun"));
            say(&error.hint("run the same command again; what is done stays done"))?;
            continue;
        }
        let whole = if failure.errors.len() > SHOWN_WHOLE { 1 } else { SHOWN_WHOLE };
        failure.errors.iter().take(whole).try_for_each(|error| say(error))?;
        if failure.errors.len() > whole {
            let error = Error::new(
                first.check(),
                format!("{} failed by it", counted(failure.images, "image", "images")),
            );
            say(&error.hint("--report json:FILE names each"))?;
        }
    }
    Ok(())
}

/// SUBJECT-ABSENT, once for all, where every image is absent.
fn none_there(failures: &[Failures<'_>], to: &To<'_>) -> Option<Error> {
    let [absent] = failures else { return None };
    absent.errors.first().filter(|error| error.check() == Check::SubjectAbsent)?;
    let images = counted(absent.images, "image", "images");
    if let Some(place) = to.place {
        let at = format!("oci:{} holds none of them, {images}", place.display());
        let error = Error::new(Check::SubjectAbsent, at).detail("nothing was pushed");
        return Some(error.hint("is it the right layout? copy the images there first"));
    }
    let error = Error::new(Check::SubjectAbsent, format!("none is there, {images}"));
    let error = error.detail("nothing was pushed").hint("push the images, then run the same command again");
    Some(error).filter(|_| absent.images > 1)
}

fn forms(asked: Attach) -> sign::Forms {
    match asked {
        Attach::Sig => sign::Forms::Sig,
        Attach::Bundle => sign::Forms::Bundle,
        Attach::Both => sign::Forms::Both,
    }
}

/// Reserves the file of `json:FILE`.
fn open_report(report: &str, console: &mut dyn Console) -> Result<Output> {
    match report.strip_prefix("json:") {
        Some(path) if !path.is_empty() => files::create(Path::new(path), console),
        _ => Err(Error::new(Check::Usage, report).detail("a report is json:FILE")),
    }
}

/// The report, one image after the other: the whole of it is never in memory.
fn report_chunks<'a>(plan: &'a Plan, outcome: &'a Outcome<'_>) -> impl Iterator<Item = String> + 'a {
    let text = |text: &dyn Display| Value::String(text.to_string());
    let rest = object([
        ("request", text(&plan.response().request().digest())),
        ("strangers", Value::Array(plan.strangers().iter().map(|id| text(id)).collect())),
        ("summary", text(&Review::of(plan.response().request()).counts())),
    ]);
    let rest = canonical(&rest);
    // Members ascend by name, and `images` is the first.
    let rest = format!("],{}", rest.strip_prefix('{').unwrap_or(&rest));
    let rows = outcome.rows().enumerate().map(|(number, row)| {
        format!("{}{}", if number == 0 { "" } else { "," }, canonical(&row_value(&row)))
    });
    std::iter::once("{\"images\":[".to_owned()).chain(rows).chain(std::iter::once(rest))
}

fn canonical(value: &Value) -> String {
    String::from_utf8_lossy(&value.to_canonical()).into_owned()
}

fn row_value(row: &Row) -> Value {
    let text = |text: &dyn Display| Value::String(text.to_string());
    let number = |count: usize| Value::Integer(u64::try_from(count).unwrap_or(u64::MAX));
    let error = row.error.as_ref();
    let warnings = row.warnings();
    let warnings =
        warnings.iter().map(|warning| text(warning)).chain(row.notes.iter().map(|note| text(note)));
    object([
        ("bundles", number(row.bundles)),
        ("check", error.map_or(Value::Null, |(check, _)| text(check))),
        ("digest", text(&row.digest)),
        ("error", error.map_or(Value::Null, |(_, error)| text(error))),
        ("foreign", number(row.foreign)),
        ("hidden", Value::Bool(row.hidden)),
        ("image", text(&row.image)),
        ("sigs", number(row.sigs)),
        ("status", text(&row.status.name())),
        ("tag", text(&row.tag.name())),
        ("warnings", Value::Array(warnings.collect())),
    ])
}

/// Errors and warnings of one kind that are shown whole.
const SHOWN_WHOLE: usize = 5;
