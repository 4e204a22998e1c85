//! Checkpoints: signed notes that name a log's size and root (C2SP signed-note.md, tlog-checkpoint.md).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::check::Check;
use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::limits;

/// A checkpoint, as it was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    text: String,
    origin: String,
    size: u64,
    root: Digest,
    lines: Vec<Line>,
}

/// A signature line of a note.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The name of the key.
    pub name: String,
    /// The first four bytes of the key's id.
    pub id: [u8; 4],
    /// The signature over the note's text.
    pub signature: Vec<u8>,
}

impl Checkpoint {
    /// LOG-CHECKPOINT: origin, size, root, any further lines, an empty line, and signature lines to the end; no control
    /// character but LF.
    pub fn parse(note: &str) -> Result<Self> {
        let refuse = |why: &str| Error::new(Check::LogCheckpoint, "").detail(why);
        if note.len() > limits::LOG_NOTE {
            return Err(Error::new(Check::LogLimit, format!("checkpoint of {} bytes", note.len())));
        }
        if note.chars().any(|character| character.is_control() && character != '\n') {
            return Err(refuse("it has a control character"));
        }
        let (text, lines) = note.rsplit_once("\n\n").ok_or_else(|| refuse("no empty line"))?;
        let mut head = text.split('\n');
        let origin = head.next().filter(|origin| !origin.is_empty()).ok_or_else(|| refuse("no origin"))?;
        let size = head.next().and_then(decimal).ok_or_else(|| refuse("the second line is no size"))?;
        let root = head.next().and_then(hash).ok_or_else(|| refuse("the third line is no root hash"))?;
        if head.any(str::is_empty) {
            return Err(refuse("an empty line in its text"));
        }
        let lines = lines.strip_suffix('\n').ok_or_else(|| refuse("its last line does not end"))?;
        let lines: Option<Vec<Line>> = lines.split('\n').map(Line::parse).collect();
        let lines = lines.ok_or_else(|| refuse("what follows the empty line is no signature"))?;
        if lines.len() > limits::LOG_NOTE_LINES {
            return Err(Error::new(Check::LogLimit, format!("checkpoint of {} signatures", lines.len())));
        }
        Ok(Self { text: format!("{text}\n"), origin: origin.to_owned(), size, root, lines })
    }

    /// What its signatures are over: the text, up to and with the line end before the empty line.
    #[must_use]
    pub fn text(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// Its first line: which log.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// How many leaves the log had.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The root of its tree.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.root
    }

    /// Its signatures, at least one.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }
}

impl Line {
    /// `— NAME BASE64`
    fn parse(line: &str) -> Option<Self> {
        let (name, bytes) = line.strip_prefix("\u{2014} ")?.split_once(' ')?;
        let bytes = STANDARD.decode(bytes).ok()?;
        let (id, signature) = bytes.split_first_chunk().filter(|(_, signature)| !signature.is_empty())?;
        let named = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c == '+');
        named.then(|| Self { name: name.to_owned(), id: *id, signature: signature.to_vec() })
    }
}

/// A decimal without sign and without leading zeros.
fn decimal(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|size| plain && *size <= limits::INTEGER)
}

fn hash(text: &str) -> Option<Digest> {
    STANDARD.decode(text).ok()?.try_into().ok().map(Digest::from_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// rekor-tiles 2.3.0 with an Ed25519 log key.
    const SERVED: &str = "ed.log.test\n5\nVkS0mZNJukH5O79v5brEwXiYmEP0479WLHQ/mXN/kaU=\n\n\
        \u{2014} ed.log.test vjbiJNWNN9oFO3/3cDxhe6YBy5vxpYiojmk8XOeBNAlNzEUjpNUMXbEaus80gllY1omLEiJb0kH6FCMobFagRQjoLAA=\n";

    #[test]
    fn what_a_log_serves_is_read() {
        let checkpoint = Checkpoint::parse(SERVED).unwrap();
        assert_eq!((checkpoint.origin(), checkpoint.size()), ("ed.log.test", 5));
        assert!(SERVED.as_bytes().starts_with(checkpoint.text()) && checkpoint.text().ends_with(b"kaU=\n"));
        let [line] = checkpoint.lines() else { panic!("one line") };
        assert_eq!(
            (line.name.as_str(), line.id, line.signature.len()),
            ("ed.log.test", [0xbe, 0x36, 0xe2, 0x24], 64)
        );
    }

    #[test]
    fn every_other_spelling_is_refused() {
        for (from, to) in [
            ("\n5\n", "\n05\n"),
            ("\n5\n", "\n+5\n"),
            ("\n5\n", "\n9007199254740992\n"),
            ("ed.log.test\n5", "\n5"),
            ("kaU=\n", "kaU\n"),
            ("kaU=\n\n", "kaU=\n"),
            ("kaU=\n\n", "kaU=\n\n\n"),
            ("\u{2014} ", "- "),
            ("LAA=\n", "LAA="),
            ("LAA=\n", "LAA=\nmore"),
            ("LAA=\n", "LAA=\n\n"),
            ("\n", "\r\n"),
            ("\u{2014} ed.log.test", "\u{2014} ed+log"),
            ("\u{2014} ed.log.test ", "\u{2014} "),
        ] {
            let note = SERVED.replacen(from, to, 1);
            assert_ne!(note, SERVED, "{from:?}");
            let refused = Checkpoint::parse(&note).map_err(|error| error.check());
            assert_eq!(refused, Err(Check::LogCheckpoint), "{from:?} -> {to:?}");
        }
        let extended = SERVED.replacen("kaU=\n", "kaU=\nTimestamp: 1\n", 1);
        assert!(Checkpoint::parse(&extended).is_ok(), "text after the root is signed and ignored");
    }
}
