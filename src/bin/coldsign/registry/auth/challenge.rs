//! `WWW-Authenticate` (RFC 9110 11.6.1): what a registry asks for when it says 401.

/// One challenge: a scheme and its parameters.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    /// In lower case.
    pub(super) scheme: String,
    /// Names in lower case, values without quotation marks and escapes.
    parameters: Vec<(String, String)>,
}

impl Challenge {
    /// The value of a parameter that stands there exactly once: of two nobody says which one counts.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let mut found = self.parameters.iter().filter(|(known, _)| known == name);
        match (found.next(), found.next()) {
            (Some((_, value)), None) => Some(value),
            _ => None,
        }
    }
}

/// The challenges of one header, in their order; what comes after a syntax error is left out, and so is a challenge
/// whose quoted string has no end. Values without quotation marks may hold any character but blanks and commas: some
/// registries write URLs like that.
pub(super) fn parse(header: &str) -> Vec<Challenge> {
    let mut challenges: Vec<Challenge> = Vec::new();
    let mut text = header;
    loop {
        text = text.trim_start_matches([' ', '\t', ',']);
        let (name, rest) = text.split_at(text.find(|c| !is_token(c)).unwrap_or(text.len()));
        if name.is_empty() {
            return challenges;
        }
        let rest = blanks(rest);
        let Some(start) = rest.strip_prefix('=') else {
            challenges.push(Challenge { scheme: name.to_ascii_lowercase(), parameters: Vec::new() });
            text = after_token68(rest);
            continue;
        };
        let Some(challenge) = challenges.last_mut() else { return challenges };
        let Some((value, rest)) = value(blanks(start)) else {
            challenges.pop();
            return challenges;
        };
        challenge.parameters.push((name.to_ascii_lowercase(), value));
        text = rest;
    }
}

/// A parameter's value and what follows it; `None` for a quoted string without an end.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let (value, rest) = text.split_at(text.find([' ', '\t', ',']).unwrap_or(text.len()));
        return Some((value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.chars();
    loop {
        match characters.next()? {
            '"' => return Some((value, characters.as_str())),
            '\\' => value.push(characters.next()?),
            character => value.push(character),
        }
    }
}

/// What follows the one value without a name that a scheme may have instead of parameters (`Negotiate YII=`).
fn after_token68(text: &str) -> &str {
    let is_token68 = |c: char| c.is_ascii_alphanumeric() || "-._~+/".contains(c);
    let rest = text.trim_start_matches(is_token68);
    let end = blanks(rest.trim_start_matches('='));
    if rest.len() < text.len() && (end.is_empty() || end.starts_with(',')) { end } else { text }
}

fn blanks(text: &str) -> &str {
    text.trim_start_matches([' ', '\t'])
}

/// `tchar` of RFC 9110 5.6.2.
fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn challenge(scheme: &str, parameters: &[(&str, &str)]) -> Challenge {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Challenge { scheme: scheme.to_owned(), parameters: parameters.iter().map(owned).collect() }
    }

    #[test]
    fn challenges_of_real_registries() {
        assert_eq!(
            parse(
                r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull,push""#
            ),
            [challenge(
                "bearer",
                &[
                    ("realm", "https://auth.docker.io/token"),
                    ("service", "registry.docker.io"),
                    ("scope", "repository:a/b:pull,push")
                ]
            )]
        );
        assert_eq!(parse(r#"Basic realm="test""#), [challenge("basic", &[("realm", "test")])]);
        assert_eq!(
            parse("Bearer realm=https://127.0.0.1:5000/token,service=127.0.0.1:5000, scope=x"),
            [challenge(
                "bearer",
                &[("realm", "https://127.0.0.1:5000/token"), ("service", "127.0.0.1:5000"), ("scope", "x")]
            )]
        );
    }

    #[test]
    fn several_challenges_in_one_header() {
        // The example of RFC 9110 11.6.1.
        assert_eq!(
            parse(
                r#"Basic realm="simple", Newauth realm="apps", type=1, title="Login to \"apps\"", Basic realm="simple""#
            ),
            [
                challenge("basic", &[("realm", "simple")]),
                challenge("newauth", &[("realm", "apps"), ("type", "1"), ("title", "Login to \"apps\"")]),
                challenge("basic", &[("realm", "simple")]),
            ]
        );
        assert_eq!(
            parse("NEGOTIATE YII+/a==, Ntlm,, ,\tBaSiC\t REALM = \"a, b=c\" ,charset=UTF-8"),
            [
                challenge("negotiate", &[]),
                challenge("ntlm", &[]),
                challenge("basic", &[("realm", "a, b=c"), ("charset", "UTF-8")]),
            ]
        );
        assert_eq!(parse("Negotiate abcd"), [challenge("negotiate", &[])]);
        assert_eq!(parse("Negotiate, Basic"), [challenge("negotiate", &[]), challenge("basic", &[])]);
    }

    #[test]
    fn hostile_headers() {
        for nothing in ["", " , ,", "=", "realm=\"x\"", "\"Basic\"", "\u{e9}Basic", "(", "\0"] {
            assert_eq!(parse(nothing), [], "{nothing}");
        }
        // No end of a quoted string: that challenge is not used, those before it are.
        for cut in [r#"Basic realm="a", Bearer realm="b"#, r#"Basic realm="a", Bearer realm="b\"#] {
            assert_eq!(parse(cut), [challenge("basic", &[("realm", "a")])]);
        }
        let twice = &parse(r#"Bearer realm="https://a/", Realm="https://b/", service="""#)[0];
        assert_eq!((twice.parameter("realm"), twice.parameter("service")), (None, Some("")));
        assert_eq!(twice.parameter("scope"), None);
        assert_eq!(parse("Bearer realm=\"\u{e9}\\\u{e9}\"")[0].parameter("realm"), Some("\u{e9}\u{e9}"));
        // Time grows with the length only.
        for piece in ["a ", "a,", "a=", "\"", "\\", "a=\"\"", "=,", "a=\"\\\"\","] {
            let long = piece.repeat(100_000);
            parse(&long);
            parse(&format!("Basic {long}"));
        }
    }
}
