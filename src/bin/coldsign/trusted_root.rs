//! `trusted-root`: making and reading the file that names logs and timestamp authorities.

use std::path::Path;

use coldsign::check::Check;
use coldsign::error::{Error, Result};
use coldsign::files::read;
use coldsign::keys::public::PublicKey;
use coldsign::limits;
use coldsign::terminal::{Console, counted, shown};
use coldsign::trust::{Authority, Log, Time, Trust, TrustedRoot, Window, render_root};
use serde_json::{Value, json};

use crate::cli::{Format, TrustedRootCreate, TrustedRootInspect};
use crate::files;
use crate::inspect::ascii;

/// Writes a trusted root; without services the empty one, byte for byte what `cosign trusted-root create` writes then.
pub(crate) fn create(asked: &TrustedRootCreate, console: &mut dyn Console) -> Result<()> {
    let logs = asked.logs.iter().map(|text| log(text)).collect::<Result<Vec<_>>>()?;
    let authorities = asked.authorities.iter().map(|text| authority(text)).collect::<Result<Vec<_>>>()?;
    let text = if logs.is_empty() && authorities.is_empty() {
        EMPTY.to_owned()
    } else {
        render_root(&logs, &authorities)
    };
    files::create(&asked.output, console)?.write(std::iter::once(text.as_bytes()))?;
    console.say(&format!("wrote {}", shown(&asked.output.display().to_string())))?;
    logs.iter().flat_map(log_lines).try_for_each(|line| console.say(&line))?;
    authorities.iter().flat_map(authority_lines).try_for_each(|line| console.say(&line))
}

/// Shows whom a trusted root names.
pub(crate) fn inspect(asked: &TrustedRootInspect, console: &mut dyn Console) -> Result<()> {
    let name = asked.file.display().to_string();
    let bytes = read(&asked.file, limits::TRUSTED_ROOT)?;
    let others = TrustedRoot::parse(&bytes).map_err(|error| error.within(&name))?.others();
    let mut trust = Trust::default();
    trust.add_root(&bytes, &name)?;
    if asked.format == Format::Json {
        return console.show(&ascii(&json!({
            "kind": "trustedRoot",
            "logs": trust.logs().iter().map(log_value).collect::<Vec<_>>(),
            "others": others,
            "timestampAuthorities": trust.authorities().iter().map(authority_value).collect::<Vec<_>>(),
        })));
    }
    let count = (trust.logs().len(), trust.authorities().len());
    console.show(&format!(
        "trusted root: {}, {}",
        counted(count.0, "log", "logs"),
        counted(count.1, "timestamp authority", "timestamp authorities")
    ))?;
    trust.logs().iter().flat_map(log_lines).try_for_each(|line| console.show(&line))?;
    trust.authorities().iter().flat_map(authority_lines).try_for_each(|line| console.show(&line))?;
    if others > 0 {
        console.show(&format!(
            "{others} certificate authorities and certificate logs, for keyless signatures: not used"
        ))?;
    }
    Ok(())
}

fn log_lines(log: &Log) -> Vec<String> {
    let place = log.base_url().map_or_else(|| "no address: Rekor v1 entries only".to_owned(), shown);
    vec![
        format!("log {}, {}, {}", shown(&log.name()), log.key().kind(), window(log.window())),
        format!("  {place}"),
        format!("  id {}", log.id().hex()),
    ]
}

fn authority_lines(authority: &Authority) -> Vec<String> {
    let mut lines = vec![
        format!("timestamp authority {}, {}", shown(authority.name()), window(authority.window())),
        format!(
            "  {}, {}",
            authority.uri().map_or_else(|| "no address".to_owned(), shown),
            counted(authority.chain().len(), "certificate", "certificates")
        ),
    ];
    if !authority.has_leaf() {
        lines.push("  its own certificate is not in the chain: its timestamps cannot be checked".to_owned());
    }
    lines
}

fn log_value(log: &Log) -> Value {
    let window = log.window();
    json!({
        "baseUrl": log.base_url(),
        "end": window.and_then(|window| window.end).map(|end| end.to_string()),
        "host": log.host(),
        "id": log.id().hex(),
        "start": window.map(|window| window.start.to_string()),
        "type": log.key().kind().to_string(),
    })
}

fn authority_value(authority: &Authority) -> Value {
    let window = authority.window();
    json!({
        "certificates": authority.chain().len(),
        "end": window.and_then(|window| window.end).map(|end| end.to_string()),
        "name": authority.name(),
        "start": window.map(|window| window.start.to_string()),
        "uri": authority.uri(),
        "usable": authority.has_leaf(),
    })
}

fn window(window: Option<Window>) -> String {
    match window {
        None => "no validity given".to_owned(),
        Some(Window { start, end: None }) => format!("from {start}"),
        Some(Window { start, end: Some(end) }) => format!("from {start} to {end}"),
    }
}

fn log(text: &str) -> Result<Log> {
    let service =
        Service::parse("--rekor", text, &["url", "public-key", "start-time", "end-time", "origin"])?;
    let file = Path::new(service.need("public-key")?);
    let key =
        PublicKey::from_pem(&read(file, limits::KEY_FILE)?).map_err(|error| error.within(file.display()))?;
    Log::of_service(key, service.window()?, service.need("url")?, service.get("origin"))
}

fn authority(text: &str) -> Result<Authority> {
    let service = Service::parse("--tsa", text, &["url", "certificate-chain", "start-time", "end-time"])?;
    let file = Path::new(service.need("certificate-chain")?);
    let url = service.need("url")?.to_owned();
    let pem = read(file, limits::AUTHORITIES_FILE)?;
    let authority = Authority::from_pem(&pem).map_err(|error| error.within(file.display()))?;
    let chain: Vec<Vec<u8>> = authority.chain().map(<[u8]>::to_vec).collect();
    Authority::new(&chain, Some(service.window()?), Some(url))
}

/// `NAME=VALUE,NAME=VALUE`, as cosign takes it.
struct Service<'a> {
    flag: &'static str,
    values: Vec<(&'a str, &'a str)>,
}

impl<'a> Service<'a> {
    fn parse(flag: &'static str, text: &'a str, names: &[&str]) -> Result<Self> {
        let refuse = |why: &str, part: &str| Error::new(Check::Usage, flag).detail(format!("{why}: {part}"));
        let mut values: Vec<(&str, &str)> = Vec::new();
        for part in text.split(',') {
            let (name, value) = part.split_once('=').ok_or_else(|| refuse("NAME=VALUE is wanted", part))?;
            if !names.contains(&name) {
                return Err(refuse("not one of its names", name).detail(names.join(", ")));
            }
            if values.iter().any(|(known, _)| *known == name) {
                return Err(refuse("given twice", name));
            }
            values.push((name, value));
        }
        Ok(Self { flag, values })
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.values.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    fn need(&self, name: &str) -> Result<&'a str> {
        let value = self.get(name).filter(|value| !value.is_empty());
        value.ok_or_else(|| Error::new(Check::Usage, self.flag).detail(format!("{name}= is wanted")))
    }

    fn window(&self) -> Result<Window> {
        let time = |name: &str| {
            let refuse = |value| {
                Error::new(Check::Usage, self.flag)
                    .detail(format!("{name} is no time as 2026-01-01T00:00:00Z: {value}"))
            };
            self.get(name).map(|value| Time::parse(value).ok_or_else(|| refuse(value))).transpose()
        };
        let window = Window { start: time("start-time")?.unwrap_or(Time(0)), end: time("end-time")? };
        match window.end {
            Some(end) if end < window.start => {
                Err(Error::new(Check::Usage, self.flag).detail("end-time is before start-time"))
            }
            _ => Ok(window),
        }
    }
}

const EMPTY: &str = "{\"mediaType\":\"application/vnd.dev.sigstore.trustedroot+json;version=0.1\"}";
