//! `import`: check a response, merge its signatures into a layout, read back, verify.

use std::path::Path;

use coldsign::check::Check;
use coldsign::digest::Digest;
use coldsign::error::{Error, Result};
use coldsign::exit::Exit;
use coldsign::files::Output;
use coldsign::format::document::object;
use coldsign::format::json::Value;
use coldsign::response::Response;
use coldsign::review::Review;
use coldsign::sign;
use coldsign::terminal::{self, Console, counted, shown};
use coldsign::transfer::import::{Mode, Outcome, Plan, Row, Status, Wanted};
use coldsign::transfer::layout_dir::LayoutDir;

use crate::cli::{Attach, Import};
use crate::files::{self, NamedKey};

pub(crate) fn run(asked: &Import, console: &mut dyn Console) -> Result<Exit> {
    let place = files::directory(&asked.to)?;
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
    let layout = LayoutDir::open(&place)?;
    let mode = if asked.dry_run { Mode::DryRun } else { Mode::Push };
    let outcome = plan.push(&layout, mode)?;
    for row in &outcome.rows {
        say_row(row, console)?;
    }
    if let Some(report) = report {
        report.write(std::iter::once(report_value(&plan, &outcome).to_canonical()))?;
    }
    say_done(&outcome, asked, &keys, &place, console)?;
    say_errors(&outcome, &place, console)?;
    Ok(exit(&outcome, mode))
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
    if row.hidden {
        let warning = Error::new(Check::BundleHidesSig, &row.image).hint("--attach both");
        terminal::warning(&warning).lines().try_for_each(|line| console.say(line))?;
    }
    let beside = if row.beside { ", beside another key's" } else { "" };
    let line = format!("{:<10} {:<42} {}{beside}", row.status.name(), shown(&row.image), what.join(", "));
    console.say(line.trim_end())
}

fn say_done(
    outcome: &Outcome,
    asked: &Import,
    keys: &[NamedKey],
    place: &Path,
    console: &mut dyn Console,
) -> Result<()> {
    let count = |status| outcome.count(status);
    let (pushed, unchanged) = (count(Status::Pushed), count(Status::Unchanged));
    if asked.dry_run {
        let would = counted(count(Status::WouldPush), "image", "images");
        return console
            .say(&format!("dry run: {would} would be pushed, {unchanged} unchanged; nothing was written"));
    }
    if pushed + unchanged == 0 && !stands_in_part(outcome) {
        return console.say("nothing was pushed");
    }
    let failed = match count(Status::Failed) {
        0 => String::new(),
        failed => format!(", {failed} failed"),
    };
    let pushed = counted(pushed, "image", "images");
    console.say(&format!("done: {pushed} pushed, {unchanged} unchanged{failed}; read back and verified"))?;
    console.say(&format!("  into {}", shown(&asked.to)))?;
    if outcome.count(Status::Failed) > 0 {
        return Ok(());
    }
    let key = keys.first().map(|key| shown(&key.file.display().to_string())).unwrap_or_default();
    // A layout shows stock cosign one image, and never the bundle of an index: bundles are for a registry.
    let (form, image) = match asked.attach {
        Attach::Sig => (".sig", format!("--local-image {}", shown(&place.display().to_string()))),
        Attach::Bundle | Attach::Both => ("bundles, once they are in a registry", "IMAGE".to_owned()),
    };
    console.say(&format!("stock cosign looks at {form}:"))?;
    console.say(&format!("  cosign verify --key {key} --insecure-ignore-tlog=true \\"))?;
    console.say(&format!("    --trusted-root tr0.json {image}"))?;
    console.say("    # tr0.json: coldsign trusted-root create -o tr0.json")?;
    if asked.attach == Attach::Sig && outcome.rows.len() > 1 {
        console.say("    # it sees the first image of a layout; coldsign verify sees all")?;
    }
    if asked.attach == Attach::Sig {
        console.say("bundles were not pushed: --attach both")?;
    }
    Ok(())
}

/// What failed, last, so that it is what stands on the screen.
fn say_errors(outcome: &Outcome, place: &Path, console: &mut dyn Console) -> Result<()> {
    let absent = outcome.errors.iter().all(|error| error.check() == Check::SubjectAbsent);
    let none = outcome.count(Status::Failed) == outcome.rows.len() && !stands_in_part(outcome);
    if absent && none {
        let images = counted(outcome.rows.len(), "image", "images");
        let error =
            Error::new(Check::SubjectAbsent, format!("oci:{} holds none of them, {images}", place.display()));
        let error =
            error.detail("nothing was pushed").hint("is it the right layout? copy the images there first");
        return terminal::report(&error).lines().try_for_each(|line| console.say(line));
    }
    for error in &outcome.errors {
        terminal::report(error).lines().try_for_each(|line| console.say(line))?;
    }
    Ok(())
}

/// 0, 50 where nothing was pushed, 51 where some images failed; 52 where what came back was other.
fn exit(outcome: &Outcome, mode: Mode) -> Exit {
    let failed = outcome.count(Status::Failed);
    if failed == 0 || mode == Mode::DryRun && outcome.errors.is_empty() {
        return Exit::Done;
    }
    if failed == outcome.rows.len() && !stands_in_part(outcome) { Exit::NothingPushed } else { Exit::Partial }
}

/// Whether something stands there of an image that failed.
fn stands_in_part(outcome: &Outcome) -> bool {
    outcome.rows.iter().any(|row| row.status == Status::Failed && row.sigs + row.bundles > 0)
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

fn report_value(plan: &Plan, outcome: &Outcome) -> Value {
    let text = |text: &dyn std::fmt::Display| Value::String(text.to_string());
    let number = |count: usize| Value::Integer(u64::try_from(count).unwrap_or(u64::MAX));
    let rows = outcome.rows.iter().map(|row| {
        object([
            ("bundles", number(row.bundles)),
            ("digest", text(&row.digest)),
            ("error", row.error.as_ref().map_or(Value::Null, |error| text(error))),
            ("image", text(&row.image)),
            ("sigs", number(row.sigs)),
            ("status", text(&row.status.name())),
        ])
    });
    object([
        ("images", Value::Array(rows.collect())),
        ("request", text(&plan.response().request().digest())),
        ("strangers", Value::Array(plan.strangers().iter().map(|id| text(id)).collect())),
        ("summary", text(&Review::of(plan.response().request()).counts())),
    ])
}
