//! Bytes that another program made and this one does not understand: payloads of other tools, content of files.

use crate::check::Check;
use crate::error::{Error, Result};

/// CUSTOM-PAYLOAD: nothing that cosign would take for a signature's payload or for the encoding of an envelope: a
/// signature over it would be one of an image, whatever the person meant.
///
/// An envelope's encoding begins with `DSSEv1 `. A payload is a JSON object with a member `critical`, whose name Go reads
/// in any letter case and with any escapes; so this looks at the names of the outermost object alone and takes more for
/// JSON than any reader does: what is broken behind the name, not UTF-8, or nested too deep is refused as well.
pub fn check_custom_payload(bytes: &[u8]) -> Result<()> {
    let refuse = |why: &str| Err(Error::new(Check::CustomPayload, "").detail(why));
    if bytes.starts_with(b"DSSEv1 ") {
        return refuse("it begins as what is signed of a DSSE envelope");
    }
    let mut names = Names::of(bytes);
    if names.any(|name| name.eq_ignore_ascii_case("critical")) {
        return refuse("it is JSON with a member critical, as payloads of image signatures are");
    }
    Ok(())
}

/// The names of the members of the outermost object, as far as the bytes look like one.
struct Names<'a> {
    rest: &'a [u8],
    depth: usize,
}

impl<'a> Names<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        let rest = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        let rest = if skip_blanks(rest).starts_with(b"{") { rest } else { &[] };
        Self { rest, depth: 0 }
    }

    /// The text between quotes, escapes resolved as far as ASCII needs it, and what follows the closing one.
    fn string(bytes: &[u8]) -> (String, &[u8]) {
        let mut text = String::new();
        let mut rest = bytes;
        while let Some((byte, after)) = rest.split_first() {
            rest = after;
            match byte {
                b'"' => break,
                b'\\' => {
                    let (escape, after) =
                        rest.split_first().map_or((b'\\', rest), |(escape, after)| (*escape, after));
                    rest = after;
                    if escape == b'u' {
                        let digits = rest.get(..4).and_then(|digits| std::str::from_utf8(digits).ok());
                        let unit = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
                        text.push(unit.and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER));
                        rest = rest.get(4..).unwrap_or_default();
                    } else {
                        text.push(char::from(escape));
                    }
                }
                byte => text.push(char::from(*byte)),
            }
        }
        (text, rest)
    }
}

impl Iterator for Names<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        while let Some((byte, after)) = self.rest.split_first() {
            self.rest = after;
            match byte {
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                b'"' => {
                    let (text, after) = Self::string(after);
                    self.rest = after;
                    if self.depth == 1 && skip_blanks(after).starts_with(b":") {
                        return Some(text);
                    }
                }
                _ => {}
            }
        }
        None
    }
}

fn skip_blanks(bytes: &[u8]) -> &[u8] {
    let blanks = bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')).count();
    bytes.get(blanks..).unwrap_or_default()
}

/// U+FEFF in UTF-8: some readers skip it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn what_other_tools_would_take_for_a_signature() {
        for bytes in [
            &b"DSSEv1 28 application/vnd.in-toto+json 2 {}"[..],
            b"DSSEv1 ",
            br#"{"critical":{},"optional":null}"#,
            br#"{"Critical":{}}"#,
            br#"{"CRITICAL" : 1}"#,
            b" \r\n\t{\n\"critical\"\t:\n1}",
            br#"{"\u0063ritical":1}"#,
            br#"{"\u0043RITIC\u0041L":1}"#,
            br#"{"a":{"b":["}",{}]},"critical":1}"#,
            br#"{"a":"\"","critical":1}"#,
            br#"{"a":1,"critical":1"#,          // cut off
            b"{\"a\":\"\xff\",\"critical\":1}", // Go reads it
            b"\xef\xbb\xbf{\"critical\":1}",
            br#"{"critical":1} and more"#,
        ] {
            let error = check_custom_payload(bytes).unwrap_err();
            assert_eq!(error.check(), Check::CustomPayload, "{}", String::from_utf8_lossy(bytes));
        }
        let deep = format!("{{\"a\":{}{},\"critical\":1}}", "[".repeat(20_000), "]".repeat(20_000));
        let error = check_custom_payload(deep.as_bytes()).unwrap_err();
        assert_eq!((error.check(), error.check().exit()), (Check::CustomPayload, Exit::NotAllowed));
    }

    #[test]
    fn what_nobody_takes_for_one() {
        for bytes in [
            &b""[..],
            b"# README\n\nSee \"critical\": below.\n",
            b"DSSEv1",
            b"dssev1 28 x",
            b" DSSEv1 28 x",
            br#"["critical"]"#,
            br#"[{"critical":1}]"#,
            br#""critical""#,
            br#"{"severity":"critical"}"#,
            br#"{"counts":{"critical":3}}"#,
            br#"{"critical issues":3,"uncritical":1}"#,
            br#"{"a":"\\","b":["critical"]}"#,
            b"{",
            b"{\"critical\"",
            b"\x7fELF\x02{\"critical\":1}",
        ] {
            assert!(check_custom_payload(bytes).is_ok(), "{}", String::from_utf8_lossy(bytes));
        }
    }
}
