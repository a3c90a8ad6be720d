//! Finds the placeholders `{{name}}` of a statement, and refuses what could make one mean something else.
//!
//! A placeholder stands where an expression or a name stands. Within quotes, comments and dollar quotes it would not be one,
//! so it is refused there, as are the engine's own placeholders, whose numbers are given out here.

use tidegate_plugin::catalog::Engine;

use crate::parameter::is_name;

/// A piece of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Text as it is.
    Text(String),
    /// What a parameter becomes.
    Parameter {
        /// Its name.
        name: String,
        /// Which text of a table is meant, bound as a value; none for the parameter itself.
        facet: Option<Facet>,
    },
}

/// A text of a table, for statements that look into the engine's own catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Facet {
    /// Its name.
    Name,
    /// Its schema.
    Schema,
}

/// Cuts a statement at its placeholders.
pub(crate) fn parts(text: &str, engine: Engine) -> Result<Vec<Part>, String> {
    if text.trim().is_empty() {
        return Err("the statement is empty".to_owned());
    }
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if let Some(inner) = rest.strip_prefix("{{") {
            let (name, after) = inner.split_once("}}").ok_or("a placeholder `{{` has no `}}`")?;
            parts.push(Part::Text(std::mem::take(&mut plain)));
            parts.push(parameter(name.trim())?);
            rest = after;
            continue;
        }
        let length = match opaque(rest, engine)? {
            Some(length) => {
                if rest[..length].contains("{{") {
                    return Err("a placeholder stands inside quotes or a comment, where it is not one; take the quotes away".to_owned());
                }
                length
            }
            None => {
                refuse_own_placeholder(rest, &plain, engine)?;
                first.len_utf8()
            }
        };
        plain.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    parts.push(Part::Text(plain));
    Ok(parts)
}

fn parameter(text: &str) -> Result<Part, String> {
    let (name, facet) = match text.split_once('.') {
        None => (text, None),
        Some((name, "name")) => (name, Some(Facet::Name)),
        Some((name, "schema")) => (name, Some(Facet::Schema)),
        Some((_, facet)) => return Err(format!("a table has `name` and `schema`, not `{facet}`")),
    };
    if !is_name(name) {
        return Err(format!("`{{{{{text}}}}}` names no parameter"));
    }
    Ok(Part::Parameter { name: name.to_owned(), facet })
}

fn refuse_own_placeholder(rest: &str, before: &str, engine: Engine) -> Result<(), String> {
    let mut characters = rest.chars();
    let (first, second) = (characters.next(), characters.next());
    // PostgreSQL has operators with `?`, and `$` may stand inside a name.
    let follows_name = before.chars().next_back().is_some_and(|last| last.is_alphanumeric() || last == '_');
    let is_own = match engine {
        Engine::Postgres => first == Some('$') && second.is_some_and(|second| second.is_ascii_digit()) && !follows_name,
        Engine::Mysql => first == Some('?'),
        Engine::Sqlite => {
            let begins_name = second.is_some_and(|second| second.is_alphanumeric() || second == '_');
            first == Some('?') || (matches!(first, Some(':' | '@' | '$')) && begins_name && !follows_name)
        }
    };
    if is_own { Err("a parameter is written `{{name}}`, not as a placeholder of the engine".to_owned()) } else { Ok(()) }
}

/// How long the quoted text or comment is that begins here; none when none does.
fn opaque(text: &str, engine: Engine) -> Result<Option<usize>, String> {
    let unclosed = |what: &str| format!("{what} is not closed");
    let mysql = engine == Engine::Mysql;
    if text.starts_with("--") || (mysql && text.starts_with('#')) {
        return Ok(Some(text.find('\n').unwrap_or(text.len())));
    }
    if text.starts_with("/*") {
        return text.find("*/").map(|end| Some(end + 2)).ok_or_else(|| unclosed("a comment"));
    }
    let escapes = |quote: char| quote != '`' && mysql;
    if let Some(body) = text.strip_prefix(['e', 'E']).filter(|body| engine == Engine::Postgres && body.starts_with('\'')) {
        return quoted(body, '\'', true).map(|length| Some(length + 1)).ok_or_else(|| unclosed("a text"));
    }
    for quote in ['\'', '"', '`'] {
        if text.starts_with(quote) && (quote != '`' || engine != Engine::Postgres) {
            return quoted(text, quote, escapes(quote)).map(Some).ok_or_else(|| unclosed("a quote"));
        }
    }
    if engine == Engine::Sqlite && text.starts_with('[') {
        return text.find(']').map(|end| Some(end + 1)).ok_or_else(|| unclosed("a name in brackets"));
    }
    if engine == Engine::Postgres
        && let Some(tag) = dollar_tag(text)
    {
        let end = text[tag.len()..].find(tag).ok_or_else(|| unclosed("a dollar quote"))?;
        return Ok(Some(end + 2 * tag.len()));
    }
    Ok(None)
}

/// The length of a quoted text with its quotes. A doubled quote ends it and begins another, which comes to the same.
fn quoted(text: &str, quote: char, escapes: bool) -> Option<usize> {
    let mut characters = text.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        if escapes && character == '\\' {
            characters.next();
        } else if character == quote {
            return Some(at + quote.len_utf8());
        }
    }
    None
}

fn dollar_tag(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('$')?;
    let end = inner.find('$')?;
    let tag = &inner[..end];
    let fits = tag.chars().all(|character| character.is_alphanumeric() || character == '_');
    (fits && !tag.starts_with(|first: char| first.is_ascii_digit())).then(|| &text[..end + 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENGINES: [Engine; 3] = [Engine::Postgres, Engine::Mysql, Engine::Sqlite];

    #[test]
    fn a_statement_is_cut_at_its_placeholders() {
        let text = |text: &str| Part::Text(text.to_owned());
        let parameter = |facet| Part::Parameter { name: "t".to_owned(), facet };
        for engine in ENGINES {
            let found = parts("select '}}', {{t.name}} from {{ t }} -- end", engine);
            let wanted = [text("select '}}', "), parameter(Some(Facet::Name)), text(" from "), parameter(None), text(" -- end")];
            assert_eq!(found, Ok(wanted.to_vec()));
        }
    }

    #[test]
    fn a_placeholder_in_quotes_or_comments_is_refused() {
        let everywhere = ["select '{{a}}'", "select \"{{a}}\"", "select 1 -- {{a}}", "select /* {{a}} */ 1", "select 'it''s {{a}}'"];
        for (engine, text) in ENGINES.into_iter().flat_map(|engine| everywhere.map(|text| (engine, text))) {
            assert!(parts(text, engine).is_err_and(|error| error.contains("inside quotes")), "{engine:?} {text}");
        }
        for (engine, text) in [
            (Engine::Postgres, "select $$ {{a}} $$"),
            (Engine::Postgres, "select $x$ {{a}} $x$"),
            (Engine::Postgres, "select e'\\' {{a}}'"),
            (Engine::Mysql, "select 'a\\' {{a}}'"),
            (Engine::Mysql, "select 1 # {{a}}"),
            (Engine::Mysql, "select `{{a}}`"),
            (Engine::Sqlite, "select [{{a}}]"),
        ] {
            assert!(parts(text, engine).is_err_and(|error| error.contains("inside quotes")), "{engine:?} {text}");
        }
    }

    #[test]
    fn what_is_not_closed_and_what_is_no_name_is_refused() {
        for text in ["", "  ", "select {{a", "select 'a", "select /* a", "select {{a b}}", "select {{}}", "select {{a.b}}", "select {{1}}"]
        {
            for engine in ENGINES {
                assert!(parts(text, engine).is_err(), "{engine:?} {text}");
            }
        }
    }

    #[test]
    fn placeholders_of_the_engine_are_refused() {
        for (engine, text) in [
            (Engine::Postgres, "select $1"),
            (Engine::Mysql, "select ?"),
            (Engine::Sqlite, "select ?1"),
            (Engine::Sqlite, "select :a"),
            (Engine::Sqlite, "select @a"),
        ] {
            assert!(parts(text, engine).is_err(), "{engine:?} {text}");
        }
        assert!(parts("select a ? 'b', a::int, a$1 from t", Engine::Postgres).is_ok());
        assert!(parts("select '?', @@version", Engine::Mysql).is_ok());
    }
}
