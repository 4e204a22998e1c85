//! A signature on the command line: a file, itself, or standard input.

use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use coldsign::check::Check;
use coldsign::error::{Error, Result};
use coldsign::terminal::shown;
use coldsign::{files, limits};

/// How a signature was given.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Given {
    Stdin,
    File(PathBuf),
    /// The signature itself, decoded.
    Literal(Vec<u8>),
}

impl Given {
    /// Tells a signature from a file's name. Usage where it is empty or can be both; FILE-READ where it is neither.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let path = Path::new(text);
        match (text, literal(text), path.symlink_metadata().is_ok()) {
            ("-", ..) => Ok(Self::Stdin),
            ("", ..) => Err(Error::new(Check::Usage, "--signature").detail("it is empty")),
            (_, Some(_), true) => Err(Error::new(Check::Usage, "--signature")
                .detail("a file has this name, and it is the base64 of a signature as well")
                .hint(format!("for the file say ./{text}"))
                .hint("for the signature itself say - and give it on standard input")),
            (_, Some(signature), false) => Ok(Self::Literal(signature)),
            (_, None, true) => Ok(Self::File(path.to_owned())),
            (_, None, false) => Err(Error::new(Check::FileRead, text)
                .detail("there is no such file, and it is no signature in padded base64 either")),
        }
    }

    /// What the file or standard input holds, the signature itself where it was typed. FILE-SIZE.
    pub(crate) fn read(&self) -> Result<Vec<u8>> {
        match self {
            Self::Literal(signature) => Ok(signature.clone()),
            Self::File(path) => files::read(path, limits::SIGNATURE_FILE),
            Self::Stdin => {
                let mut bytes = Vec::new();
                let mut stdin = std::io::stdin().lock().take(limits::SIGNATURE_FILE + 1);
                stdin
                    .read_to_end(&mut bytes)
                    .map_err(|error| Error::new(Check::FileRead, "standard input").caused_by(error))?;
                check_file_size(&bytes)?;
                Ok(bytes)
            }
        }
    }
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("standard input"),
            Self::File(path) => f.write_str(&shown(&path.display().to_string())),
            Self::Literal(_) => f.write_str("as typed"),
        }
    }
}

/// A signature in padded base64, long enough to be none but one: line breaks in it are the shell's.
fn literal(text: &str) -> Option<Vec<u8>> {
    let text = text.replace(['\r', '\n'], "");
    STANDARD.decode(text).ok().filter(|signature| signature.len() >= SHORTEST)
}

/// FILE-SIZE: what comes from standard input is bounded as a file is.
fn check_file_size(bytes: &[u8]) -> Result<()> {
    if u64::try_from(bytes.len()).is_ok_and(|size| size <= limits::SIGNATURE_FILE) {
        return Ok(());
    }
    Err(Error::new(Check::FileSize, "standard input").detail("a signature has at most 16 KiB"))
}

/// Bytes of a signature that is taken for one where it is typed: what is shorter may be a file's name. One of P-256
/// that is shorter comes up less than once in 2^40.
const SHORTEST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_no_name_and_a_name_no_signature() {
        let signature = vec![0x30; 70];
        let text = STANDARD.encode(&signature);
        assert_eq!(Given::parse(&text).unwrap(), Given::Literal(signature.clone()));
        // In the lines that base64 makes of it, as a shell hands them over.
        let lines = format!("{}\n{}\n", &text[..76], &text[76..]);
        assert_eq!(Given::parse(&lines).unwrap(), Given::Literal(signature));
        assert_eq!(Given::parse("-").unwrap(), Given::Stdin);
        assert_eq!(Given::parse("Cargo.toml").unwrap(), Given::File("Cargo.toml".into()));
        // Base64 too, and too short to be a signature.
        assert_eq!(Given::parse("docs").unwrap(), Given::File("docs".into()));
        for (neither, check) in [
            ("", Check::Usage),
            ("sigs", Check::FileRead),
            (text.trim_end_matches('='), Check::FileRead),
            (&text.replace('M', "-"), Check::FileRead),
            (&STANDARD.encode([1; 63]), Check::FileRead),
        ] {
            assert_eq!(Given::parse(neither).unwrap_err().check(), check, "{neither}");
        }
    }
}
