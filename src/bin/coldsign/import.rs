//! `import`: check a response, merge its signatures into registries or a layout, read back, verify.

mod report;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use coldsign::check::Check;
use coldsign::digest::Digest;
use coldsign::error::{Error, Result};
use coldsign::exit::Exit;
use coldsign::format::reference::{Reference, Repository};
use coldsign::response::Response;
use coldsign::sign;
use coldsign::terminal::{self, Console, counted, shown};
use coldsign::transfer::adopt::adopt;
use coldsign::transfer::import::{Plan, Wanted};
use coldsign::transfer::layout_dir::LayoutDir;
use coldsign::transfer::push::{Event, Failures, Mode, Outcome, Row, Sought, Status, Tag};
use coldsign::transfer::store::Destinations;
use coldsign::verify::{Evidence, Want};

use report::Report;

use crate::cli::{Attach, Import, Services};
use crate::files::{self, NamedKey};
use crate::log::submit::{Publisher, publish_all};
use crate::station::{self, Station};
use crate::trust;

pub(crate) fn run(asked: &Import, console: &mut dyn Console) -> Result<Exit> {
    files::check_threshold(asked.threshold, asked.keys.len())?;
    let place = asked.to.as_deref().map(files::directory).transpose()?;
    let signatures = match &place {
        Some(_) => None,
        None => station::signature_repository(asked.signature_repository.as_ref())?,
    };
    let to = To { place: place.as_deref(), signatures: signatures.as_ref() };
    let mut report = Report::open(asked, &to, console)?;
    let ended = import(asked, &to, &mut report, console);
    if let Err(error) = &ended {
        // What ended the run is what the person is told, whatever becomes of its report.
        let _ = report.write_early(error);
    }
    ended
}

/// The report is written where the plan could be pushed, before anything of it is shown.
fn import(asked: &Import, to: &To<'_>, report: &mut Report, console: &mut dyn Console) -> Result<Exit> {
    let keys = files::read_keys(&asked.keys).map_err(nothing_pushed)?;
    let request = match &asked.request {
        Some(path) => Some(read_request(path).map_err(nothing_pushed)?),
        None => asked.request_digest,
    };
    let mut response = read_responses(asked).map_err(nothing_pushed)?;
    report.knows(&response, &keys, request);
    let wanted = Wanted {
        keys: keys.iter().map(|key| key.key.clone()).collect(),
        threshold: asked.threshold,
        attach: forms(asked.attach),
        request,
        evidence: trust::evidence(&asked.trust, console).map_err(nothing_pushed)?,
    };
    let station = Station::open(&asked.network, to.signatures.cloned()).map_err(nothing_pushed)?;
    let layout = to.place.map(LayoutDir::open).transpose()?;
    let destinations: &dyn Destinations = match &layout {
        Some(layout) => layout,
        None => station.registries(),
    };
    publish(&mut response, asked, &wanted, destinations, &station, console).map_err(nothing_pushed)?;
    let missing = missing(&response, &keys);
    let plan = Plan::check(response, wanted).map_err(|error| match error.check() {
        Check::ThresholdKeys => missing.into_iter().fold(error, Error::detail),
        _ => error,
    })?;
    say_checked(&plan, asked, request, &keys, console)?;
    let (outcome, said) = push(&plan, asked, destinations, &station, console)?;
    report.write(&plan, &outcome)?;
    // A screen that cannot be written to ends nothing that was begun.
    said?;
    say_warnings(&outcome, console)?;
    say_done(&plan, &outcome, asked, &keys, to, console)?;
    say_errors(&outcome, to, console)?;
    Ok(outcome.exit())
}

/// Publishes what is to be pushed and has no entry or timestamp yet, where services were named. What stands logged at the
/// destination is taken from there: a log's promise is another one each time it is asked. Usage where what is demanded of
/// what is pushed cannot be had.
fn publish(
    response: &mut Response,
    asked: &Import,
    wanted: &Wanted,
    destinations: &dyn Destinations,
    station: &Station,
    console: &mut dyn Console,
) -> Result<()> {
    let services = &asked.services;
    if services.rekor_url.is_none() && services.tsa_url.is_none() {
        return Ok(());
    }
    let flag = if services.rekor_url.is_some() { "--rekor-url" } else { "--tsa-url" };
    if asked.dry_run {
        return Err(Error::new(Check::Usage, flag).detail("with --dry-run nothing is published"));
    }
    let publisher = Publisher::open(services, station.http(), &wanted.evidence.trust)?;
    if publisher.is_v2() && wanted.attach.sig() && wanted.evidence.log == Want::Require {
        return Err(Error::new(Check::Usage, flag)
            .detail("a .sig has no place for an entry of Rekor v2, and entries are demanded")
            .hint("push bundles with --attach bundle, or demand none with --log if-present"));
    }
    adopt(response, wanted, destinations)?;
    // Checked before anything is published, with all that is demanded but what will come of it: a response that is refused
    // is no reason to tell the world.
    Plan::check(response.clone(), Wanted { evidence: before(&wanted.evidence, services), ..wanted.clone() })?;
    publish_all(response, &wanted.keys, &publisher, services, station, console)
}

/// What must stand beside signatures before these services are told of them.
fn before(demanded: &Evidence, services: &Services) -> Evidence {
    let mut evidence = demanded.clone();
    if services.rekor_url.is_some() && evidence.log == Want::Require {
        if evidence.logs > 1 {
            evidence.logs -= 1;
        } else {
            evidence.log = Want::IfPresent;
        }
    }
    if services.tsa_url.is_some() && evidence.tsa == Want::Require {
        evidence.tsa = Want::IfPresent;
    }
    evidence
}

/// `no signature by second.pub`, of the keys that did not sign every item.
fn missing(response: &Response, keys: &[NamedKey]) -> Vec<String> {
    let request = response.request();
    let lacks = |key: &NamedKey| {
        let signed = response.signer(&key.key.id()).map_or(0, |signer| signer.items(request, |_| true).len());
        let name = key.file.display();
        match request.item_count() - signed {
            0 => None,
            _ if signed == 0 => Some(format!("no signature by {name}")),
            lacking => Some(format!("no signature by {name} for {}", counted(lacking, "item", "items"))),
        }
    };
    keys.iter().filter_map(lacks).collect()
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
    let images = plan.images().len();
    let rights = mode == Mode::Push && asked.to.is_none();
    let bar = station::progress(if rights { "asking for push rights;" } else { "images" }, images);
    // Drawn before the first answer is there.
    bar.tick();
    let mut stopping = false;
    let mut said = Ok(());
    let outcome = plan.push(destinations, mode, station.flow(), |event| {
        if said.is_err() {
            return;
        }
        said = bar.suspend(|| {
            if !stopping && station.stops() {
                stopping = true;
                console.say(STOPPING)?;
            }
            match &event {
                Event::Writable => {
                    station.registries().allowed().iter().try_for_each(|line| console.say(&shown(line)))
                }
                // They are counted in the end.
                Event::Row(row) if row.status == Status::NotBegun => Ok(()),
                Event::Row(row) => say_row(row, console),
                Event::ReadingBack(_) => Ok(()),
            }
        });
        match event {
            Event::Row(row) if row.status == Status::NotBegun => {}
            Event::Row(_) => bar.inc(1),
            Event::ReadingBack(_) => bar.set_message("reading back;"),
            Event::Writable => bar.set_message("images"),
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
    const NOTHING: &str = "nothing was pushed";
    if error.details().any(|line| line == NOTHING) { error } else { error.detail(NOTHING) }
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
    let items = counted(plan.response().request().item_count(), "item", "items");
    let signatures = counted(plan.signature_count(), "signature", "signatures");
    let all = if plan.strangers().is_empty() { "all by" } else { "by" };
    let (signed, idle): (Vec<&NamedKey>, Vec<&NamedKey>) =
        keys.iter().partition(|key| plan.response().signer(&key.key.id()).is_some());
    let by = format!("{all} {}", files::names(signed));
    let mut pieces = vec![format!("{answers};"), format!("{items}, {signatures},")];
    if idle.is_empty() {
        pieces.push(by);
    } else {
        pieces.extend([format!("{by},"), format!("none by {}", files::names(idle))]);
    }
    console.say_all(&terminal::filled("checked: ", &pieces, " "))?;
    for stranger in plan.strangers() {
        console.say("also signed, by a key that was not given, and not pushed:")?;
        console.say(&format!("  {}", stranger.grouped()))?;
    }
    Ok(())
}

fn say_row(row: &Row, console: &mut dyn Console) -> Result<()> {
    let forms = [
        (row.sigs, row.new_sigs, format!("{} .sig", row.sigs)),
        (row.atts, row.new_atts, format!("{} .att", row.atts)),
        (row.bundles, row.new_bundles, counted(row.bundles, "bundle", "bundles")),
    ];
    let forms = || forms.iter().filter(|(count, ..)| *count > 0);
    let put = matches!(row.status, Status::Pushed | Status::WouldPush);
    let form = |wanted: bool| {
        let these = forms().filter(|(_, new, _)| (!put || *new > 0) == wanted);
        these.map(|(.., text)| text.as_str()).collect::<Vec<_>>().join(", ")
    };
    let (mut what, stood) = (form(true), form(false));
    if !stood.is_empty() {
        let _ = write!(what, "; {stood} unchanged");
    }
    if row.foreign_layers > 0 {
        what.push_str(", beside another key's");
    }
    let line = format!("{:<10} {:<42} {what}", row.status.name(), shown(&row.image));
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
    let overlooked = outcome.rows().filter(Row::overlooks_others).count();
    if overlooked > 0 {
        let images = counted(overlooked, "image has", "images have");
        console.say(&format!(
            "note: {images} signatures by other keys in .sig alone: stock cosign looks only at"
        ))?;
        console.say("      bundles where there are any; ask these signers for bundles as well")?;
    }
    for (check, count) in counts.into_iter().filter(|(_, count)| *count > SHOWN_WHOLE) {
        let more = count - SHOWN_WHOLE;
        console.say(&format!("warning[{check}]: {more} more like these; --report json:FILE names all"))?;
    }
    Ok(())
}

fn say_done(
    plan: &Plan,
    outcome: &Outcome<'_>,
    asked: &Import,
    keys: &[NamedKey],
    to: &To<'_>,
    console: &mut dyn Console,
) -> Result<()> {
    let count = |status| outcome.count(status);
    let (pushed, unchanged, failed, not_begun) =
        (count(Status::Pushed), count(Status::Unchanged), count(Status::Failed), count(Status::NotBegun));
    let mut rest = String::new();
    for (count, what) in
        [(failed, "failed"), (not_begun, "not begun")].into_iter().filter(|(count, _)| *count > 0)
    {
        let _ = write!(rest, ", {count} {what}");
    }
    if asked.dry_run {
        let would = counted(count(Status::WouldPush), "image", "images");
        let line =
            format!("dry run: {would} would be pushed, {unchanged} unchanged{rest}; nothing was written");
        console.say(&line)?;
        return if to.place.is_none() { console.say("push rights were not asked for") } else { Ok(()) };
    }
    if plan.images().is_empty() {
        return say_files(plan, asked, console);
    }
    if !outcome.touched() {
        return console.say("nothing was pushed");
    }
    let stands = outcome.rows().any(|row| row.sigs + row.atts + row.bundles > 0);
    let verified = if stands { "; read back and verified" } else { "" };
    let pushed = counted(pushed, "image", "images");
    console.say(&format!("done: {pushed} pushed, {unchanged} unchanged{rest}{verified}"))?;
    if let (Some(into), _) | (None, Some(into)) = (&asked.to, &to.signatures.map(ToString::to_string)) {
        console.say(&format!("  into {}", shown(into)))?;
    }
    if failed + not_begun > 0 {
        return Ok(());
    }
    say_files(plan, asked, console)?;
    say_command(plan, outcome, asked, keys, to, console)?;
    // Where a bundle is there, one is ours, or it was said that a stranger's hides .sig.
    let lack = outcome.rows().any(|row| !row.hidden && !row.bundled);
    if asked.attach == Attach::Sig && lack && plan.has_bundles() {
        console.say("bundles are in the response too: --attach both pushes them as well")?;
    }
    Ok(())
}

/// Where the signatures of files are: no registry has a place for them.
fn say_files(plan: &Plan, asked: &Import, console: &mut dyn Console) -> Result<()> {
    let files = plan.signed_files();
    if files == 0 {
        return Ok(());
    }
    let (files, verb) = (counted(files, "file", "files"), if files == 1 { "is" } else { "are" });
    console
        .say(&format!("{files} {verb} signed, and nothing of that is pushed; take the signatures out:"))?;
    let response = match asked.responses.as_slice() {
        [one] => word(&one.display().to_string()),
        _ => "RESPONSE".to_owned(),
    };
    console.say(&format!("  coldsign extract {response} --output-dir signatures"))
}

/// What stock cosign will look at, and the commands that make it.
fn say_command(
    plan: &Plan,
    outcome: &Outcome<'_>,
    asked: &Import,
    keys: &[NamedKey],
    to: &To<'_>,
    console: &mut dyn Console,
) -> Result<()> {
    let mut looked = Looked::default();
    outcome.rows().for_each(|row| looked.take(&row));
    if looked.hidden > 0 {
        let images = counted(looked.hidden, "image", "images");
        console.say(&format!("stock cosign will refuse {images}: a stranger's bundle hides .sig;"))?;
        console.say("  import again with --attach both")?;
    }
    let Some(first) = looked.first.as_deref() else { return Ok(()) };
    let images = looked.sigs + looked.bundles;
    let (form, image, more) = match (to.place, asked.attach) {
        // A layout shows stock cosign one image, and never the bundle of an index: bundles are for a registry.
        (Some(_), Attach::Sig) if looked.hidden > 0 => return Ok(()),
        (Some(place), Attach::Sig) => {
            let more = "    # it sees the first image of a layout; coldsign verify sees all";
            (".sig".to_owned(), format!("--local-image {}", word(&place.display().to_string())), more)
        }
        (Some(_), _) => ("bundles, once they are in a registry".to_owned(), word(first), SO_FOR_THE_OTHERS),
        (None, _) => (looked.at(), word(first), SO_FOR_THE_OTHERS),
    };
    console.say(&format!("stock cosign looks at {form}:"))?;
    let root = asked.trust.files.trusted_root.as_ref().filter(|_| plan.demands_log());
    if root.is_none() {
        console.say("  coldsign trusted-root create -o tr0.json")?;
    }
    let signed = keys.iter().find(|key| plan.response().signer(&key.key.id()).is_some());
    let key = signed.map(|key| word(&key.file.display().to_string())).unwrap_or_default();
    let signatures = to.signatures.map(|to| format!("COSIGN_REPOSITORY={}", word(&to.to_string())));
    let authority = asked.network.registry_ca.as_ref().filter(|_| to.place.is_none());
    let authority = authority.map(|file| format!("--registry-cacert {}", word(&file.display().to_string())));
    let cosign = match root {
        // What was pushed has entries that cosign finds with the same trusted root.
        Some(root) => [
            format!("cosign verify --key {key}"),
            "--offline".to_owned(),
            format!("--trusted-root {}", word(&root.display().to_string())),
        ],
        None => [
            format!("cosign verify --key {key}"),
            "--insecure-ignore-tlog=true".to_owned(),
            TRUSTED_ROOT.to_owned(),
        ],
    };
    let pieces: Vec<String> = signatures.into_iter().chain(cosign).chain(authority).chain([image]).collect();
    broken_lines(&pieces).iter().try_for_each(|line| console.say(line))?;
    if images > 1 { console.say(more) } else { Ok(()) }
}

/// What stock cosign will look at, by image; failed ones are not counted.
#[derive(Default)]
struct Looked {
    sigs: usize,
    bundles: usize,
    /// Images that it refuses.
    hidden: usize,
    /// The first that it does not refuse: as it is called, or by its digest where its tag names another image.
    first: Option<String>,
}

impl Looked {
    fn take(&mut self, row: &Row) {
        // `cosign verify` has nothing to say of attestations and of what other tools signed.
        if row.sought == Sought::Beside {
            return;
        }
        if row.hidden {
            self.hidden += 1;
            return;
        }
        // One bundle beside an image, whoever's it is, and cosign looks at bundles.
        *(if row.bundled { &mut self.bundles } else { &mut self.sigs }) += 1;
        self.first.get_or_insert_with(|| match &row.tag {
            Tag::Moved(_) | Tag::Absent => {
                let name = Reference::parse(&row.image).map(|name| name.repository().to_string());
                format!("{}@{}", name.unwrap_or_default(), row.digest)
            }
            _ => row.image.clone(),
        });
    }

    /// `.sig for all 40 images`.
    fn at(&self) -> String {
        let all = if self.hidden == 0 { "all" } else { "the other" };
        match (self.sigs, self.bundles) {
            (1, 0) if self.hidden == 0 => ".sig".to_owned(),
            (0, 1) if self.hidden == 0 => "bundles".to_owned(),
            (1, 0) => ".sig for the other image".to_owned(),
            (0, 1) => "bundles for the other image".to_owned(),
            (sigs, 0) => format!(".sig for {all} {sigs} images"),
            (0, bundles) => format!("bundles for {all} {bundles} images"),
            (sigs, bundles) => {
                format!(".sig for {}, at bundles for {bundles}", counted(sigs, "image", "images"))
            }
        }
    }
}

/// A command in lines of at most 80 columns, as far as its words are short enough, to be copied into a shell.
fn broken_lines(pieces: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::from(" ");
    for piece in pieces {
        if line.len() > INDENT && line.len() + 1 + piece.len() + " \\".len() > terminal::COLUMNS {
            lines.push(format!("{line} \\"));
            line = " ".repeat(INDENT - 1);
        }
        line.push(' ');
        line.push_str(piece);
    }
    lines.push(line);
    lines
}

/// A word of a command, quoted where a shell would read it in another way.
fn word(text: &str) -> String {
    let text = shown(text);
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/.:@_-+=,%".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// What failed, last, so that it is what stands on the screen: of each kind a few whole, the others counted.
fn say_errors(outcome: &Outcome<'_>, to: &To<'_>, console: &mut dyn Console) -> Result<()> {
    let failures = outcome.failures();
    let mut say = |error: &Error| terminal::report(error).lines().try_for_each(|line| console.say(line));
    let none =
        outcome.rows().all(|row| row.status == Status::Failed && row.sigs + row.atts + row.bundles == 0);
    if let Some(error) = none_there(&failures, to).filter(|_| none && !outcome.touched()) {
        return say(&error);
    }
    for failure in &failures {
        let Some(first) = failure.errors.first() else { continue };
        if first.check() == Check::Interrupted {
            let not_begun = outcome.count(Status::NotBegun);
            let mut at = format!("{} not begun", counted(not_begun, "image", "images"));
            if failure.images > not_begun {
                let _ = write!(at, ", {} not finished", failure.images - not_begun);
            }
            let error = Error::new(Check::Interrupted, at);
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

/// Blanks before the further lines of a command.
const INDENT: usize = 4;
/// What the first Ctrl-C does.
const STOPPING: &str = "stopping: what is begun is being finished; Ctrl-C again ends at once";
const SO_FOR_THE_OTHERS: &str = "    # and so for the others";
const TRUSTED_ROOT: &str = "--trusted-root tr0.json";
/// Errors and warnings of one kind that are shown whole.
const SHOWN_WHOLE: usize = 5;
