//! `tree`: what stands beside an image.

use std::path::Path;

use coldsign::check::Check;
use coldsign::error::{Error, Result};
use coldsign::exit::Exit;
use coldsign::terminal::{Console, counted, shown, size};
use coldsign::transfer::attached::{Attached, How};
use coldsign::transfer::source::Source;
use coldsign::transfer::store::{Beside, Places as _};
use coldsign::transfer::tree::{Node, tree};
use serde_json::{Value, json};

use crate::cli::{Format, Tree};
use crate::inspect::ascii;
use crate::station::{self, Station};

/// Prints it on stdout. The exit code is that of the first thing that could not be read.
pub(crate) fn run(args: &Tree, console: &mut dyn Console) -> Result<Exit> {
    let source = Source::parse(&args.image, Path::new(""))?;
    let signatures = station::signature_repository(args.beside.signature_repository.as_ref())?;
    let elsewhere = signatures.as_ref().map(ToString::to_string);
    let station = Station::open(&args.network, signatures)?;
    let place = station.registries().open(source.location())?;
    let picked = place.pick(source.name())?;
    let nodes = tree(&*place, &picked.descriptor, !args.no_recursive, station.flow())
        .map_err(|error| error.within(&source))?;
    if let Some(elsewhere) = elsewhere.filter(|_| source.reference().is_some()) {
        console.say(&format!("looking for signatures in {}", shown(&elsewhere)))?;
    }
    match args.output {
        Format::Json => console.show(&ascii(&image_value(&source, &nodes)))?,
        Format::Text => show(&source, &nodes, console)?,
    }
    let mut exit = Exit::Done;
    for error in nodes.iter().flat_map(|node| node.beside.iter().filter_map(|found| found.as_ref().err())) {
        if exit == Exit::Done {
            exit = error.exit();
        }
    }
    Ok(exit)
}

fn show(source: &Source, nodes: &[Node], console: &mut dyn Console) -> Result<()> {
    console.show(&shown(&source.to_string()))?;
    for node in nodes {
        let indent = "  ".repeat(node.depth);
        console.show(&format!("{indent}{}", head(node)))?;
        console.show(&format!("{indent}{}", node.descriptor.digest))?;
        for found in &node.beside {
            match found {
                Ok(attached) => attached_lines(attached)
                    .iter()
                    .try_for_each(|line| console.show(&format!("{indent}  {line}")))?,
                Err(error) => {
                    console.show(&format!("{indent}  - cannot be read {}", shown(&error.to_string())))?;
                }
            }
        }
        if node.beside.is_empty() {
            console.show(&format!("{indent}  nothing beside it"))?;
        }
    }
    Ok(())
}

/// `linux/amd64: image, 3 layers`
fn head(node: &Node) -> String {
    let what = match &node.parts {
        None => "not there".to_owned(),
        Some(parts) if node.descriptor.is_index() => {
            format!("index of {}", counted(parts.manifests.len(), "manifest", "manifests"))
        }
        Some(parts) => format!("image, {}", counted(parts.layers.len(), "layer", "layers")),
    };
    let platform = node.platform.as_ref().map(platform_text);
    platform.map_or(what.clone(), |platform| format!("{platform}: {what}"))
}

fn platform_text(platform: &[String; 3]) -> String {
    let parts: Vec<&str> = platform.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    shown(&parts.join("/"))
}

/// What a person needs to know of one: kind, how many layers, what it says it is; its digest on a line of its own.
fn attached_lines(attached: &Attached) -> Vec<String> {
    let layers = counted(attached.parts.layers.len(), "layer", "layers");
    let what = match attached.how {
        How::Tag(kind) => format!("- {} ({}), {layers}", word(kind), kind.suffix()),
        How::Referrer => format!("- referrer: {}, {layers}", attached.nature().word()),
    };
    let mut lines = vec![what, format!("  {}", attached.descriptor.digest)];
    if let (How::Referrer, Some(kind)) = (attached.how, attached.parts.kind()) {
        lines.push(format!("  artifact type {}", shown(kind)));
    }
    let mut types: Vec<&str> = attached.predicate_types().collect();
    types.sort_unstable();
    types.dedup();
    lines.extend(types.iter().take(SHOWN).map(|kind| format!("  predicate type {}", shown(kind))));
    if types.len() > SHOWN {
        lines.push(format!("  and {} more predicate types", types.len() - SHOWN));
    }
    if attached.how == How::Tag(Beside::Sboms) {
        let kinds = attached.parts.layers.iter().take(SHOWN).map(|layer| &layer.descriptor);
        lines.extend(kinds.map(|layer| format!("  {}, {}", shown(&layer.media_type), size(layer.size))));
    }
    lines
}

fn word(kind: Beside) -> &'static str {
    match kind {
        Beside::Signatures => "signatures",
        Beside::Attestations => "attestations",
        Beside::Sboms => "SBOM",
    }
}

fn image_value(source: &Source, nodes: &[Node]) -> Value {
    json!({
        "image": source.to_string(),
        "manifests": nodes.iter().map(node_value).collect::<Vec<_>>(),
    })
}

fn node_value(node: &Node) -> Value {
    let platform = node.platform.as_ref().map(
        |[os, architecture, variant]| json!({"os": os, "architecture": architecture, "variant": variant}),
    );
    json!({
        "digest": node.descriptor.digest.to_string(),
        "mediaType": node.descriptor.media_type,
        "size": node.descriptor.size,
        "depth": node.depth,
        "there": node.parts.is_some(),
        "beside": node.beside.iter().map(|found| found_value(found, node)).collect::<Vec<_>>(),
        "platform": platform,
    })
}

fn found_value(found: &Result<Attached>, node: &Node) -> Value {
    let attached = match found {
        Ok(attached) => attached,
        Err(error) => return error_value(error),
    };
    let kind = match attached.how {
        How::Tag(Beside::Signatures) => "signature",
        How::Tag(Beside::Attestations) => "attestation",
        How::Tag(Beside::Sboms) => "sbom",
        How::Referrer => "referrer",
    };
    let layers: Vec<Value> = attached
        .parts
        .layers
        .iter()
        .map(|layer| {
            let layer = &layer.descriptor;
            json!({"digest": layer.digest.to_string(), "mediaType": layer.media_type, "size": layer.size})
        })
        .collect();
    json!({
        "kind": kind,
        "tag": attached.how.tag(&node.descriptor.digest),
        "digest": attached.descriptor.digest.to_string(),
        "mediaType": attached.descriptor.media_type,
        "size": attached.descriptor.size,
        "artifactType": attached.parts.kind(),
        "nature": attached.nature().word(),
        "predicateTypes": attached.predicate_types().collect::<Vec<_>>(),
        "layers": layers,
    })
}

fn error_value(error: &Error) -> Value {
    let check: Check = error.check();
    json!({"kind": "unread", "check": check.id(), "error": error.to_string()})
}

/// Types of one manifest that are shown to people.
const SHOWN: usize = 5;
