//! `log add`: attaching what a log or a timestamp authority gave, and somebody brought as a file.

use std::path::Path;

use coldsign::check::Check;
use coldsign::digest::Digest;
use coldsign::error::{Error, Result};
use coldsign::format::log::{Entry, Material, read_token_annotation};
use coldsign::limits;
use coldsign::response::{Place, Response};
use coldsign::terminal::{Console, counted, shown, size};
use coldsign::trust::Trust;
use coldsign::verify::timestamp::Token;

use super::Logged;
use super::submit::put;
use crate::cli::LogAdd;
use crate::files::{self, create};
use crate::trust;

/// Writes the response with the entries and timestamps of these files.
pub(crate) fn run(args: &LogAdd, console: &mut dyn Console) -> Result<()> {
    let nothing = |error: Error| error.detail("nothing was written");
    let trust = trust::read(&args.trust, false, console)?;
    if trust.is_empty() {
        return Err(Error::new(Check::TrustNone, "--entry")
            .detail("what a log gave is checked before it is attached")
            .hint("give --trusted-root, --rekor-key or --timestamp-certificate-chain"));
    }
    let mut response = files::read(&args.response)?;
    response.check_response_absent().map_err(|error| error.within(args.response.display()))?;
    let output = create(&args.output, console)?;
    let mut changed = 0;
    for path in &args.entries {
        let given = Given::read(path).map_err(nothing)?;
        let (key, place) =
            given.owner(&response, &trust).map_err(|error| nothing(error.within(path.display())))?;
        let material = given.into_material();
        changed += usize::from(put(&mut response, &key, place, material, &trust).map_err(nothing)?);
    }
    let file = response.render();
    file.check_limits().map_err(nothing)?;
    output.reserve(file.size())?;
    output.write(file.chunks())?;
    let files = counted(args.entries.len(), "file", "files");
    console.say(&format!("{files}: {changed} attached, {} there already", args.entries.len() - changed))?;
    let name = shown(&args.output.display().to_string());
    console.say(&format!("wrote {name}, {}", size(file.size())))
}

/// What one file holds.
enum Given {
    Entry(Box<Entry>),
    Token(Vec<u8>),
}

impl Given {
    /// Reads a log's answer, a log annotation, or a timestamp. LOG-SYNTAX where it is none of them.
    fn read(path: &Path) -> Result<Self> {
        let limit = u64::try_from(limits::LOG_REPLY).unwrap_or(u64::MAX);
        let bytes = coldsign::files::read(path, limit)?;
        // DER begins with the tag of a sequence, JSON never does.
        if bytes.first() == Some(&0x30) {
            Token::parse(&bytes).map_err(|error| error.within(path.display()))?;
            return Ok(Self::Token(bytes));
        }
        let text = String::from_utf8_lossy(&bytes);
        if let Ok(token) = read_token_annotation(text.trim()) {
            return Ok(Self::Token(token));
        }
        let entry = Entry::read_reply(&bytes)
            .or_else(|refused| Entry::read_annotation(text.trim()).map_err(|_| refused));
        entry.map(Box::new).map(Self::Entry).map_err(|error| error.within(path.display()))
    }

    /// The signature that it is of, and that it holds for. The error is that of the signature for which it came furthest.
    fn owner(&self, response: &Response, trust: &Trust) -> Result<(Digest, Place)> {
        let mut furthest: Option<Error> = None;
        for signer in response.signers() {
            let id = signer.key().id();
            for place in signer.signatures().keys() {
                let Some(signed) = response.of(*place, &id) else { continue };
                let of = signed.of();
                let checked = match self {
                    Self::Entry(entry) => Logged::checked((**entry).clone(), &of, trust).map(drop),
                    Self::Token(der) => Token::parse(der)
                        .and_then(|token| token.check(of.stamped(), trust.authorities()))
                        .and_then(|stamp| {
                            stamp.map(drop).ok_or_else(|| Error::new(Check::TokenRequired, ""))
                        }),
                };
                match checked {
                    Ok(()) => return Ok((id, *place)),
                    // Another signature's, which most are; what else is wrong is more telling.
                    Err(error) => {
                        let others = matches!(
                            error.check(),
                            Check::LogSignature | Check::LogLeaf | Check::LogKind | Check::TokenImprint
                        );
                        if !others {
                            furthest.get_or_insert(error);
                        }
                    }
                }
            }
        }
        let check = if matches!(self, Self::Entry(_)) { Check::LogSignature } else { Check::TokenImprint };
        Err(furthest.unwrap_or_else(|| {
            Error::new(check, "").detail("no signature in the response is the one that it is of")
        }))
    }

    fn into_material(self) -> Material {
        match self {
            Self::Entry(entry) => Material { entries: vec![*entry], tokens: Vec::new() },
            Self::Token(token) => Material { entries: Vec::new(), tokens: vec![token] },
        }
    }
}
