//! Pages of a list: what a `Link` header names as the next one (RFC 8288).

/// The target of `rel="next"` in a `Link` header (RFC 8288 3).
pub(super) fn next_link(header: &str) -> Option<String> {
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let (target, after) = rest.strip_prefix('<')?.split_once('>')?;
        let (is_next, after) = relation(after);
        if is_next {
            return Some(target.to_owned());
        }
        rest = after;
    }
}

/// Reads the parameters of one link: whether its first `rel` holds `next`, and what follows the link.
fn relation(parameters: &str) -> (bool, &str) {
    let mut rest = parameters;
    let mut relation = None;
    loop {
        rest = rest.trim_start_matches([' ', '\t']);
        let Some(after) = rest.strip_prefix(';') else { return (relation.unwrap_or(false), rest) };
        let end = after.find(['=', ';', ',']).unwrap_or(after.len());
        let (name, after) = after.split_at(end);
        let (value, after) = match after.strip_prefix('=') {
            Some(after) => value(after),
            None => (String::new(), after),
        };
        if name.trim().eq_ignore_ascii_case("rel") && relation.is_none() {
            relation = Some(value.split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case("next")));
        }
        rest = after;
    }
}

/// The value of a parameter, a token or a quoted string (RFC 9110 5.6), and what follows it.
fn value(text: &str) -> (String, &str) {
    let text = text.trim_start_matches([' ', '\t']);
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ',']).unwrap_or(text.len());
        let (token, after) = text.split_at(end);
        return (token.trim().to_owned(), after);
    };
    let mut value = String::new();
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => break,
            '\\' => value.extend(characters.next()),
            _ => value.push(character),
        }
    }
    (value, characters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_of_a_link_header() {
        for (header, expected) in [
            ("</v2/a/referrers/x?n=2>; rel=\"next\"", Some("/v2/a/referrers/x?n=2")),
            ("<x>;rel=next", Some("x")),
            ("<x> ; title=\"a, \\\"b\\\"; <y>\" ; REL = \"prev Next\"", Some("x")),
            ("<a>; rel=\"first\", <b,c;d>; rel=\"next\"", Some("b,c;d")),
            ("<a>, <b>; rel=next", Some("b")),
            ("<a>; rel=prev; rel=next", None),
            ("<a>; rel", None),
            ("<a>; rel=\"next", Some("a")),
            ("<a>; rel=\"nextpage\"", None),
            ("<a>; xrel=next", None),
            ("", None),
            (",,,", None),
            ("a; rel=next", None),
            ("<a; rel=next", None),
            ("<a> rel=next", None),
            ("<a>; rel=\"\\", None),
            ("<>; rel=next", Some("")),
        ] {
            assert_eq!(next_link(header).as_deref(), expected, "{header}");
        }
    }
}
