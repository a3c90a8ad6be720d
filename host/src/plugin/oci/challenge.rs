//! What a registry says when it wants to know who asks: the header `WWW-Authenticate`.
//!
//! <https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1>, and for tokens <https://distribution.github.io/distribution/spec/auth/token/>.

/// How a registry wants to be shown who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User and password with each request.
    Basic,
    /// A token, which `realm` gives.
    Bearer {
        /// The URL that gives tokens.
        realm: String,
        /// For which service.
        service: Option<String>,
    },
}

impl Challenge {
    /// The best of the challenges in some headers: a token rather than a password.
    pub(super) fn choose<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Self> {
        let challenges: Vec<Self> = headers.flat_map(parse).collect();
        let bearer = challenges.iter().find(|challenge| matches!(challenge, Self::Bearer { .. }));
        bearer.or(challenges.first()).cloned()
    }
}

/// The challenges of one header that are understood.
fn parse(header: &str) -> Vec<Challenge> {
    let mut found = Vec::new();
    let mut rest = header.trim_start();
    while let Some((word, after)) = token(rest) {
        let scheme = word.to_ascii_lowercase();
        let (parameters, after) = parameters(after.trim_start());
        let find = |name: &str| parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        match (scheme.as_str(), find("realm")) {
            ("basic", _) => found.push(Challenge::Basic),
            ("bearer", Some(realm)) => found.push(Challenge::Bearer { realm, service: find("service") }),
            _ => {}
        }
        let next = after.trim_start_matches([',', ' ', '\t']);
        // Something that is neither a parameter nor a scheme: what follows cannot be made out.
        if next.len() == rest.len() {
            break;
        }
        rest = next;
    }
    found
}

/// `name=value` pairs up to the next scheme, and what follows them.
fn parameters(mut rest: &str) -> (Vec<(String, String)>, &str) {
    let mut found = Vec::new();
    loop {
        let begin = rest.trim_start_matches([',', ' ', '\t']);
        let Some((name, after)) = token(begin) else { return (found, rest) };
        let Some(after) = after.trim_start().strip_prefix('=') else { return (found, rest) };
        let Some((value, after)) =
            quoted(after.trim_start()).or_else(|| token(after.trim_start()).map(|(word, after)| (word.to_owned(), after)))
        else {
            return (found, after);
        };
        found.push((name.to_ascii_lowercase(), value));
        rest = after;
    }
}

/// The word that a text begins with.
fn token(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:/".contains(c))).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// The quoted text that a text begins with.
fn quoted(text: &str) -> Option<(String, &str)> {
    let inside = text.strip_prefix('"')?;
    let mut value = String::new();
    let mut characters = inside.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Some((value, &inside[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            _ => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bearer(realm: &str, service: Option<&str>) -> Option<Challenge> {
        Some(Challenge::Bearer { realm: realm.into(), service: service.map(str::to_owned) })
    }

    #[test]
    fn challenges_are_understood_in_every_form_they_come_in() {
        let choose = |headers: &[&str]| Challenge::choose(headers.iter().copied());
        let ghcr = r#"Bearer realm="https://ghcr.io/token",service="ghcr.io",scope="repository:a/b:pull""#;
        assert_eq!(choose(&[ghcr]), bearer("https://ghcr.io/token", Some("ghcr.io")));
        assert_eq!(choose(&[r#"Basic realm="Registry""#]), Some(Challenge::Basic));
        assert_eq!(choose(&["basic"]), Some(Challenge::Basic));
        assert_eq!(choose(&["Basic realm=\"a, b\"", r#"bearer REALM = "https://a" , service=s"#]), bearer("https://a", Some("s")));
        assert_eq!(choose(&[r#"Basic realm="x\"y", Bearer realm="https://a""#]), bearer("https://a", None));
        assert_eq!(choose(&["Negotiate", "NTLM abc=="]), None);
        assert_eq!(choose(&["Bearer", ""]), None);
        assert_eq!(choose(&[r#"Bearer realm="https://a"#]), None);
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic_or_run_on(text in "(Bearer |Basic )?[ -~é]{0,100}") {
            let _ = Challenge::choose([text.as_str()].into_iter());
        }
    }
}
