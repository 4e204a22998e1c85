//! Rekor v2 (rekor-tiles `rekor_service.proto`): an entry is proposed, and comes back when a checkpoint is over it. What is
//! there already is put together from the log's checkpoint and tiles.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coldsign::check::Check;
use coldsign::error::{Error, Result};
use coldsign::format::log::note::Checkpoint;
use coldsign::format::log::tiles::{Inclusion, Tile};
use coldsign::format::log::{Entry, Kind, Proof};
use coldsign::keys::public::KeyKind;
use coldsign::limits;
use coldsign::trust::{Log, Trust};
use coldsign::verify::log::{Content, Of, Told, leaf_of, told};

use super::service::{NOT_A_LOG, Service};
use crate::net::{Answer, Method, described};

/// What is proposed, and the leaf that the log makes of it.
pub(super) struct Proposed {
    request: Vec<u8>,
    leaf: Vec<u8>,
}

impl Proposed {
    /// `hashedrekord` 0.0.2: of the file, or of the envelope's PAE. LOG-REFUSED: a log takes such keys and hashes; a plain
    /// Ed25519 key, of which it has a name and for which it fails, is not shown to it.
    pub(super) fn new(of: &Of<'_>) -> Result<Self> {
        let (Some(Told { digest, details, .. }), Some(leaf)) = (told(of), leaf_of(of)) else {
            return Err(check_log_refused(of));
        };
        let request = format!(
            "{{\"hashedRekordRequestV002\":{{\"digest\":\"{}\",\"signature\":{{\"content\":\"{}\",\"verifier\":{{\
             \"publicKey\":{{\"rawBytes\":\"{}\"}},\"keyDetails\":\"{details}\"}}}}}}}}",
            STANDARD.encode(digest),
            STANDARD.encode(of.signature),
            STANDARD.encode(of.key.spki()),
        );
        Ok(Self { request: request.into_bytes(), leaf })
    }
}

/// LOG-REFUSED: why a Rekor v2 log takes no entry of it.
fn check_log_refused(of: &Of<'_>) -> Error {
    let refuse = |at: KeyKind| Error::new(Check::LogRefused, at);
    match of.content {
        Content::Layer(..) => Error::new(Check::LogRefused, ".att")
            .detail("an .att has no place for an entry of Rekor v2; a bundle has"),
        _ => refuse(of.key.kind())
            .detail("no Rekor v2 log takes a key of this type with this hash")
            .hint("sign with a P-256 key what is to be logged"),
    }
}

/// Proposes an entry. Returns it, and whether the log had it already.
pub(super) fn submit(
    log: &Service<'_>,
    tiles: &Service<'_>,
    proposed: &Proposed,
    trust: &Trust,
) -> Result<(Entry, bool)> {
    let answer = log.post(ENTRIES, JSON, &proposed.request, limits::LOG_REPLY)?;
    match answer.status {
        201 => Ok((read(log, &answer, proposed)?, false)),
        409 => {
            let index = index(log, &answer)?;
            let entry = rebuilt(tiles, &proposed.leaf, index, trust, true)?;
            let entry = entry.ok_or_else(|| {
                log.no_use(&answer, Method::Post, "409: the entry at that index is another one")
            })?;
            Ok((entry, true))
        }
        _ => Err(log.refused(&answer, Method::Post)),
    }
}

/// Looks an entry up where it is said to be.
pub(super) fn find(tiles: &Service<'_>, leaf: &[u8], index: u64, trust: &Trust) -> Result<Option<Entry>> {
    rebuilt(tiles, leaf, index, trust, false)
}

/// LOG-ANSWER: a server speaks Rekor v2: it has a checkpoint, or says that somebody else serves it.
pub(super) fn check_spoken(log: &Service<'_>) -> Result<()> {
    let answer = log.get("api/v2/checkpoint", limits::LOG_NOTE)?;
    match answer.status {
        200 | 501 => Ok(()),
        404 => Err(log.no_use(&answer, Method::Get, "neither Rekor v1 nor Rekor v2").hint(NOT_A_LOG)),
        _ => Err(log.refused(&answer, Method::Get)),
    }
}

/// LOG-ANSWER: the entry that a log gives is the one that was proposed, byte for byte.
fn read(log: &Service<'_>, answer: &Answer, proposed: &Proposed) -> Result<Entry> {
    let entry = Entry::read_reply(&answer.body)
        .map_err(|error| error.within(described(Method::Post, &answer.url)))?;
    if entry.body == proposed.leaf {
        return Ok(entry);
    }
    Err(log.no_use(answer, Method::Post, "the entry is another one than was asked for"))
}

/// Where the entry is that is there already.
fn index(log: &Service<'_>, answer: &Answer) -> Result<u64> {
    let said = answer.header("x-log-index").filter(|said| said.bytes().all(|digit| digit.is_ascii_digit()));
    let index = said.and_then(|said| said.parse().ok()).filter(|index| *index <= limits::INTEGER);
    index.ok_or_else(|| log.no_use(answer, Method::Post, "409 without a header X-Log-Index"))
}

/// The entry at an index, with a proof from the log's checkpoint and tiles; `None` where the log has another one there, or
/// none. With `wait` a checkpoint over it is waited for.
fn rebuilt(tiles: &Service<'_>, leaf: &[u8], index: u64, trust: &Trust, wait: bool) -> Result<Option<Entry>> {
    let Some((note, checkpoint)) = over(tiles, index, wait)? else { return Ok(None) };
    let log = named(&checkpoint, trust).ok_or_else(|| {
        Error::new(Check::LogRequired, tiles.url(CHECKPOINT))
            .detail(format!("its checkpoint is of {}, no log that was given", checkpoint.origin()))
            .hint("--trusted-root names the logs that are trusted")
    })?;
    let (Some(inclusion), Some(bundle)) =
        (Inclusion::of(index, checkpoint.size()), Tile::with_entry(index, checkpoint.size()))
    else {
        return Ok(None);
    };
    let body = fetched(tiles, bundle)?;
    let body = bundle.body(index, &body).map_err(|error| error.within(tiles.place()))?;
    if body != leaf {
        return Ok(None);
    }
    let mut read = BTreeMap::new();
    for tile in inclusion.tiles() {
        read.insert(tile, fetched(tiles, tile)?);
    }
    let hashes = inclusion.hashes(&read).map_err(|error| error.within(tiles.place()))?;
    Ok(Some(Entry {
        index,
        log_id: log.id(),
        kind: Some(Kind { kind: "hashedrekord".to_owned(), version: "0.0.2".to_owned() }),
        time: 0,
        promise: None,
        proof: Some(Proof {
            index,
            root: checkpoint.root(),
            size: checkpoint.size(),
            hashes,
            checkpoint: Some(note),
        }),
        body: body.to_vec(),
    }))
}

/// The checkpoint that the log serves; `None` where it serves none here: its entries come with one all the same.
pub(super) fn checkpoint(tiles: &Service<'_>) -> Result<Option<Checkpoint>> {
    let answer = tiles.get(CHECKPOINT, limits::LOG_NOTE)?;
    if answer.status != 200 {
        return Ok(None);
    }
    let note = String::from_utf8_lossy(&answer.body);
    Checkpoint::parse(&note).map(Some).map_err(|error| error.within(described(Method::Get, &answer.url)))
}

/// The log's checkpoint with the entry at `index` below it; `None` where there is none and nobody waits.
fn over(tiles: &Service<'_>, index: u64, wait: bool) -> Result<Option<(String, Checkpoint)>> {
    let (mut pause, most) = tiles.patience();
    let mut waited = Duration::ZERO;
    loop {
        let answer = tiles.get(CHECKPOINT, limits::LOG_NOTE)?;
        if answer.status != 200 {
            let error = tiles.refused(&answer, Method::Get).by(Check::LogTile);
            return Err(error.hint("--rekor-tiles-url says where a log's checkpoint and tiles are"));
        }
        let at = described(Method::Get, &answer.url);
        let note = String::from_utf8(answer.body)
            .map_err(|error| Error::new(Check::LogCheckpoint, &at).caused_by(error))?;
        let checkpoint = Checkpoint::parse(&note).map_err(|error| error.within(&at))?;
        if checkpoint.size() > index {
            return Ok(Some((note, checkpoint)));
        }
        if !wait {
            return Ok(None);
        }
        if waited + pause > most {
            return Err(Error::new(Check::LogAnswer, at)
                .detail(format!("the log says that it has entry {index}"))
                .detail(format!("its checkpoint is over {} entries, and stays so", checkpoint.size()))
                .hint("run the same command again later"));
        }
        thread::sleep(pause);
        waited += pause;
        pause *= 2;
    }
}

/// The log that a checkpoint is of, by origin and key: its whole id stands in no note.
fn named<'t>(checkpoint: &Checkpoint, trust: &'t Trust) -> Option<&'t Log> {
    let origin = checkpoint.origin();
    trust.logs().iter().filter(|log| log.host() == Some(origin)).find(|log| {
        let id = log.note_id(origin);
        let lines = checkpoint.lines().iter();
        log.id() == id && lines.into_iter().any(|line| id.as_bytes().starts_with(&line.id))
    })
}

/// A tile, out of the whole one where a log that has grown keeps no other. LOG-TILE.
fn fetched(tiles: &Service<'_>, tile: Tile) -> Result<Vec<u8>> {
    let answer = tiles.get(&tile.path(), tile.limit())?;
    let refuse = |answer: &Answer| {
        tiles.refused(answer, Method::Get).by(match answer.status {
            400..=499 => Check::LogTile,
            _ => Check::LogAnswer,
        })
    };
    match (answer.status, tile.whole()) {
        (200, _) => Ok(answer.body),
        (404, Some(whole)) => {
            let later = tiles.get(&whole.path(), whole.limit())?;
            if later.status != 200 {
                return Err(refuse(&answer));
            }
            tile.beginning(&later.body).map(<[u8]>::to_vec)
        }
        _ => Err(refuse(&answer)),
    }
}

const ENTRIES: &str = "api/v2/log/entries";
const JSON: &str = "application/json";
const CHECKPOINT: &str = "checkpoint";
