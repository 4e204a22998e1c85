//! `export`: a request for what a person named.

use std::path::Path;

use coldsign::check::Check;
use coldsign::digest::Digest;
use coldsign::error::{Error, Result};
use coldsign::response::Response;
use coldsign::review::Review;
use coldsign::terminal::{Console, filled, shown, size};
use coldsign::transfer::annotations;
use coldsign::transfer::export::{Ask, Children, Collected, Platform, Row, SignedFile, Wanted, collect};
use coldsign::transfer::list;
use coldsign::transfer::source::Source;
use coldsign::{limits, words};

use crate::cli::Export;
use crate::files;
use crate::station::{self, Station};

/// Writes the request, last and whole; its digest alone goes to stdout.
pub(crate) fn run(args: &Export, console: &mut dyn Console) -> Result<()> {
    let wanted = wanted(args)?;
    let children = children(args)?;
    let station = Station::open(&args.network, None)?;
    let output = files::create(&args.output, console)?;
    let bar = station::progress("reading", wanted.len());
    let collected = collect(&wanted, &children, station.registries(), station.flow(), || bar.inc(1));
    bar.finish_and_clear();
    let mut collected = collected.map_err(nothing_written)?;
    let files = add_files(args, &mut collected)?;
    for warning in collected.warnings() {
        console.say(&format!("warning: {}", shown(warning)))?;
    }
    console.say_all(&table(collected.rows()))?;
    console.say_all(&files)?;
    let built = collected.build(args.note.clone()).map_err(nothing_written)?;
    for item in &built.left_out {
        console.say(&format!("left out, equal to an earlier item: {}", shown(item)))?;
    }
    let counts = Review::of(&built.request).counts();
    let digest = built.request.digest();
    let file = Response::unsigned(built.request).render();
    output.reserve(file.size())?;
    output.write(file.chunks())?;
    let wrote = format!("wrote {}: ", shown(&args.output.display().to_string()));
    let pieces = counts.split(", ").map(|piece| format!("{piece},"));
    let pieces: Vec<String> =
        pieces.chain([format!("{};", size(file.size())), "request".to_owned()]).collect();
    console.say_all(&filled(&wrote, &pieces, " "))?;
    console.say(&format!("  {}", digest.grouped()))?;
    console.say_all(&words::table(&digest))?;
    console.show(&digest.to_string())
}

/// Every image of the command line and the list, with the command's annotations where its own do not say otherwise.
fn wanted(args: &Export) -> Result<Vec<Wanted>> {
    let annotations = annotations::parse(args.annotations.iter().map(String::as_str))?;
    annotations::check_annotation_reserved(&annotations)?;
    let mut wanted = Vec::new();
    for image in &args.images {
        let source = Source::parse(image, Path::new(""))?;
        let (name, identity) = (args.name.clone(), args.identity.clone());
        let (annotations, ask) = (annotations.clone(), ask(args));
        wanted.push(Wanted { source, name, identity, annotations, ask, place: None });
    }
    if let Some(from) = &args.from {
        for mut image in list::read(from)? {
            let own = std::mem::replace(&mut image.annotations, annotations.clone());
            image.annotations.extend(own);
            wanted.push(image);
        }
    }
    if (args.name.is_some() || args.identity.is_some()) && (args.images.len() != 1 || args.from.is_some()) {
        let error = Error::new(Check::Usage, "--as and --identity go with one image");
        return Err(error.hint("give each image its own in a list: --from FILE"));
    }
    Ok(wanted)
}

/// What is to be signed of the images of the command line.
fn ask(args: &Export) -> Ask {
    match (&args.payload, &args.kind, &args.predicate) {
        (Some(payload), ..) => Ask::CustomPayload(payload.clone()),
        (None, Some(kind), Some(predicate)) => Ask::Attestation(kind.clone(), predicate.clone()),
        _ => Ask::Image,
    }
}

/// Adds the files to sign; returns a line for each.
fn add_files(args: &Export, collected: &mut Collected) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for path in &args.blobs {
        let bytes = coldsign::files::read(path, limits::FILE).map_err(nothing_written)?;
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let bytes_size = size(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        lines.push(format!("{}  sha256:{}  file, {bytes_size}", shown(&name), Digest::of(&bytes).short()));
        collected.add_file(&name, SignedFile::Content(bytes));
    }
    for (name, digest) in &args.blob_digests {
        lines.push(format!("{}  sha256:{}  hash alone", shown(name), digest.short()));
        collected.add_file(name, SignedFile::Hash(*digest));
    }
    Ok(lines)
}

fn children(args: &Export) -> Result<Children> {
    if args.no_recursive {
        return Ok(Children::None);
    }
    if args.platforms.is_empty() {
        return Ok(Children::All);
    }
    args.platforms.iter().map(|text| Platform::parse(text)).collect::<Result<_>>().map(Children::Platforms)
}

/// `registry.example/team/app:1.4          sha256:4f777cb0c28b  index: amd64 arm64`
fn table(rows: &[Row]) -> Vec<String> {
    let names: Vec<String> = rows.iter().map(|row| row.destination.to_string()).collect();
    let width = names.iter().map(String::len).filter(|length| *length <= NAME_WIDTH).max().unwrap_or(0);
    let line = |(row, name): (&Row, &String)| {
        format!("{name:<width$}  sha256:{}  {}", row.digest.short(), shown(&row.to_string()))
    };
    rows.iter().zip(&names).map(line).collect()
}

fn nothing_written(error: Error) -> Error {
    error.detail("nothing was written")
}

/// Names up to here make a column; longer ones push their line to the right.
const NAME_WIDTH: usize = 38;
