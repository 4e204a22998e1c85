//! PEM as key files use it (RFC 7468): exactly one block, white space around it and nothing else.

use der::pem::{self, LineEnding};

use crate::secret::SecretBytes;

/// One block: what its label says it is, and its bytes.
pub(super) struct Block<'a> {
    pub(super) label: &'a str,
    pub(super) bytes: SecretBytes,
}

/// Why bytes are not one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault<'a> {
    /// No PEM, or text around it.
    NotPem,
    /// More than one block.
    Several,
    /// Headers between the label and the base64, as old OpenSSL writes them for encrypted keys.
    Headers,
    /// The block begins with this label, but its base64 or its end is broken.
    Broken { label: &'a str },
}

impl Fault<'_> {
    /// The fault as a line for people.
    pub(super) fn line(self) -> &'static str {
        match self {
            Self::NotPem => "no PEM block, or text before or after it",
            Self::Several => "more than one PEM block",
            Self::Headers => "headers inside the PEM block: an encryption that OpenSSL has given up",
            Self::Broken { .. } => "the PEM block is cut off or its base64 is broken",
        }
    }
}

impl<'a> Block<'a> {
    /// Reads exactly one block.
    pub(super) fn parse(text: &'a [u8]) -> Result<Self, Fault<'a>> {
        let text = text.trim_ascii();
        let label = text
            .strip_prefix(BEGIN)
            .and_then(|rest| rest.split(|byte| matches!(byte, b'\r' | b'\n')).next())
            .and_then(|line| line.strip_suffix(DASHES))
            .and_then(|label| str::from_utf8(label).ok())
            .ok_or(Fault::NotPem)?;
        if text.windows(BEGIN.len()).filter(|window| *window == BEGIN).count() > 1 {
            return Err(Fault::Several);
        }
        let mut bytes = SecretBytes::new(Vec::new());
        match pem::Decoder::new_detect_wrap(text).and_then(|mut decoder| {
            decoder.decode_to_end(bytes.expose_mut())?;
            Ok(decoder.type_label())
        }) {
            Ok(label) => Ok(Self { label, bytes }),
            Err(_) if text.windows(HEADER.len()).any(|window| window == HEADER) => Err(Fault::Headers),
            // What follows the end is not part of the block: text around it, not damage.
            Err(_) if ends_early(text, label) => Err(Fault::NotPem),
            Err(_) => Err(Fault::Broken { label }),
        }
    }
}

/// Writes one block: 64 columns, LF, a final newline.
pub(super) fn encode(label: &'static str, bytes: &[u8]) -> String {
    let mut text =
        pem::encode_string(label, LineEnding::LF, bytes).expect("a constant label and bytes far below 4 GiB");
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

fn ends_early(text: &[u8], label: &str) -> bool {
    let end = format!("-----END {label}-----");
    text.windows(end.len())
        .position(|window| window == end.as_bytes())
        .is_some_and(|at| at + end.len() < text.len())
}

const BEGIN: &[u8] = b"-----BEGIN ";
const DASHES: &[u8] = b"-----";
/// RFC 1421, 4.6.1.1: the header that stands first.
const HEADER: &[u8] = b"\nProc-Type:";

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> Fault<'_> {
        Block::parse(text.as_bytes()).err().unwrap()
    }

    #[test]
    fn one_block_and_nothing_else() {
        let text = encode("PUBLIC KEY", &[7; 100]);
        for good in [
            text.clone(),
            format!("\n \t{text}\r\n\n"),
            text.replace('\n', "\r\n"),
            text.trim_end().to_owned(),
        ] {
            let block = Block::parse(good.as_bytes()).ok().unwrap();
            assert_eq!((block.label, block.bytes.expose()), ("PUBLIC KEY", &[7; 100][..]));
        }
        let one_line =
            format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", "BwcH".repeat(40));
        assert_eq!(Block::parse(one_line.as_bytes()).ok().unwrap().bytes.expose(), [7; 120]);

        assert_eq!(fault(""), Fault::NotPem);
        assert_eq!(fault("-----BEGIN PUBLIC KEY"), Fault::NotPem);
        assert_eq!(fault(&format!("subject=x\n{text}")), Fault::NotPem);
        assert_eq!(fault(&format!("{text}trailing")), Fault::NotPem);
        assert_eq!(fault(&format!("{text}{text}")), Fault::Several);
        let broken = Fault::Broken { label: "PUBLIC KEY" };
        assert_eq!(fault(&text[..60]), broken);
        assert_eq!(fault(&text.replacen("Bw", "B!", 1)), broken);
        assert_eq!(fault(&text.replace("END PUBLIC", "END PRIVATE")), broken);
        let headers = text.replacen('\n', "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n", 1);
        assert_eq!(fault(&headers), Fault::Headers);
    }
}
