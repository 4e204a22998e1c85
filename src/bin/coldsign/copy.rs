//! `copy`: an image with what stands beside it, from anywhere to anywhere.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use coldsign::check::Check;
use coldsign::digest::Digest;
use coldsign::error::{Error, Result};
use coldsign::format::evidence::Descriptor;
use coldsign::format::reference::{Repository, Target};
use coldsign::terminal::{self, Console, counted, shown, size};
use coldsign::transfer::attached::How;
use coldsign::transfer::copy::{Done, Plan, Tally, Wanted, Ways, check_destination_taken};
use coldsign::transfer::export::Platform;
use coldsign::transfer::layers::{LayerSink, Layers};
use coldsign::transfer::layout_dir::LayoutDir;
use coldsign::transfer::source::{Location, Source};
use coldsign::transfer::store::Beside;

use crate::cli::{Copy, Part};
use crate::files;
use crate::registry::Remote;
use crate::station::{self, Station};

/// Copies; the digest alone goes to stdout.
pub(crate) fn run(args: &Copy, console: &mut dyn Console) -> Result<()> {
    let (from, to) = (Source::parse(&args.from, Path::new(""))?, Source::parse(&args.to, Path::new(""))?);
    let wanted = wanted(args)?;
    let name = name(&to)?;
    let signatures = station::signature_repository(args.signature_repository.as_ref())?;
    let elsewhere = signatures.clone().filter(|_| from.reference().is_some());
    let station = Station::open(&args.network, signatures)?;
    // Before the first request: a file that is there already is the person's to see to.
    let output = match to.location() {
        Location::Archive(path) => Some(files::create(path, console)?),
        _ => None,
    };
    if let Some(elsewhere) = elsewhere {
        console.say(&format!("copying signatures from {}", shown(&elsewhere.to_string())))?;
    }
    let source = station.registries().source(from.location()).map_err(nothing_written)?;
    for warning in source.warnings() {
        console.say(&format!("warning: {}", shown(&warning)))?;
    }
    let picked = source.pick(from.name()).map_err(nothing_written)?;
    let bar = station::progress("reading", 1);
    bar.tick();
    let plan = Plan::read(&*source, &picked.descriptor, &wanted, station.flow());
    bar.finish_and_clear();
    let plan = plan.map_err(nothing_written)?;
    check_reference_digest(&to, &plan.top).map_err(nothing_written)?;
    say_plan(&plan, console)?;
    let ways = Ways { name: name.as_deref(), force: args.force, mount: mount(&from, &to) };
    let tally = Tally::default();
    let done = watched(&plan, &tally, || match (to.location(), output) {
        (Location::Archive(_), Some(output)) => {
            plan.write(&*source, output, ways.name, station.flow(), &tally)
        }
        (Location::Directory(path), _) => {
            let layout = LayoutDir::open_or_create(path)?;
            push(&plan, &*source, &layout, &ways, &wanted, &station, &tally)
        }
        (Location::Registry(repository), _) => {
            let remote = Remote::itself(station.registries(), repository)?;
            push(&plan, &*source, &remote, &ways, &wanted, &station, &tally)
        }
        (Location::Archive(_), None) => unreachable!("an archive has its output"),
    });
    let done = done.map_err(|error| if error.at().is_empty() { error.within(&to) } else { error })?;
    say_done(&to, &plan, done, &tally, console)?;
    console.show(&plan.top.digest.to_string())
}

fn push(
    plan: &Plan,
    source: &dyn Layers,
    to: &dyn LayerSink,
    ways: &Ways<'_>,
    wanted: &Wanted,
    station: &Station,
    tally: &Tally,
) -> Result<Done> {
    if wanted.image {
        check_destination_taken(to, &plan.top, ways).map_err(nothing_written)?;
    }
    plan.push(source, to, ways, station.flow(), tally)
}

/// Works while a bar shows how many bytes went.
fn watched<T: Send>(plan: &Plan, tally: &Tally, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let (_, bytes) = plan.blobs();
    let bar = station::progress_bytes("copying", bytes);
    let (ended, end) = mpsc::channel::<()>();
    let done = thread::scope(|scope| {
        let working = scope.spawn(move || {
            let done = work();
            drop(ended);
            done
        });
        while end.recv_timeout(REFRESH) == Err(RecvTimeoutError::Timeout) {
            bar.set_position(tally.bytes.load(Ordering::Relaxed));
        }
        working.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    bar.finish_and_clear();
    done
}

fn wanted(args: &Copy) -> Result<Wanted> {
    let has = |part: Part| args.only.is_empty() || args.only.contains(&part);
    let ways = [
        (Part::Sig, How::Tag(Beside::Signatures)),
        (Part::Att, How::Tag(Beside::Attestations)),
        (Part::Sbom, How::Tag(Beside::Sboms)),
        (Part::Referrer, How::Referrer),
    ];
    Ok(Wanted {
        image: has(Part::Image),
        beside: ways.into_iter().filter(|(part, _)| has(*part)).map(|(_, how)| how).collect(),
        platform: args.platform.as_deref().map(Platform::parse).transpose()?,
    })
}

/// What the copy is called at its destination, if it gets a name there.
fn name(to: &Source) -> Result<Option<String>> {
    let name = match to.reference() {
        Some(reference) => match reference.destination()?.target() {
            Target::Tag(tag) => Some(tag.clone()),
            Target::Digest(_) => reference.tag().map(str::to_owned),
        },
        None => to.name().filter(|name| Digest::parse(name).is_err()).map(str::to_owned),
    };
    if let Some(name) = &name {
        check_destination_name(name)?;
    }
    Ok(name)
}

/// DESTINATION-NAME: signatures and referrers are looked for under such tags; an image there would be taken for them.
fn check_destination_name(name: &str) -> Result<()> {
    let rest = name.strip_prefix("sha256-").and_then(|rest| rest.split_at_checked(64));
    match rest {
        Some((hex, end)) if Digest::parse_hex(hex).is_ok() && (end.is_empty() || end.starts_with('.')) => {
            Err(Error::new(Check::DestinationName, name).detail("nothing was written"))
        }
        _ => Ok(()),
    }
}

/// REFERENCE-DIGEST: a digest at the destination is the one that is copied.
fn check_reference_digest(to: &Source, top: &Descriptor) -> Result<()> {
    let named = match to.reference() {
        Some(reference) => reference.digest(),
        None => to.name().and_then(|name| Digest::parse(name).ok()),
    };
    match named {
        Some(named) if named != top.digest => {
            Err(Error::new(Check::ReferenceDigest, to).detail(format!("the image is {}", top.digest)))
        }
        _ => Ok(()),
    }
}

/// Where a registry can take layers from: another repository of its own.
fn mount<'a>(from: &'a Source, to: &Source) -> Option<&'a Repository> {
    match (from.location(), to.location()) {
        (Location::Registry(from), Location::Registry(to)) => {
            (from.registry() == to.registry() && from.path() != to.path()).then_some(from)
        }
        _ => None,
    }
}

fn say_plan(plan: &Plan, console: &mut dyn Console) -> Result<()> {
    let ((blobs, bytes), (manifests, beside)) = (plan.blobs(), plan.manifests());
    let pieces = [
        format!("{},", counted(manifests, "manifest", "manifests")),
        format!("{beside} beside,"),
        format!("{} of {}", counted(blobs, "blob", "blobs"), size(bytes)),
    ];
    console.say_all(&terminal::filled("copying: ", &pieces, " "))?;
    match plan.elsewhere() {
        0 => Ok(()),
        count => console.say(&format!(
            "not carried: {} that may not be; they stay where their urls lead",
            counted(count, "layer", "layers")
        )),
    }
}

fn say_done(to: &Source, plan: &Plan, done: Done, tally: &Tally, console: &mut dyn Console) -> Result<()> {
    let [sent, mounted, there] =
        [&tally.sent, &tally.mounted, &tally.there].map(|count| count.load(Ordering::Relaxed));
    let (_, beside) = plan.manifests();
    let mut pieces = vec![format!("blobs: {sent} sent,")];
    if mounted > 0 {
        pieces.push(format!("{mounted} mounted,"));
    }
    pieces.push(format!("{there} there;"));
    pieces.push(format!("manifests: {} put, {} there", done.put, done.there));
    if done.merged > 0 {
        pieces.push(format!("({} merged into what stood there)", done.merged));
    }
    console.say_all(&terminal::filled("done: ", &pieces, " "))?;
    if beside == 0 {
        console.say("nothing stands beside it")?;
    }
    console.say(&format!("copied to {}", shown(&to.to_string())))
}

fn nothing_written(error: Error) -> Error {
    error.detail("nothing was written")
}

/// How often the bar is drawn.
const REFRESH: Duration = Duration::from_millis(50);
