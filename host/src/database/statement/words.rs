//! What the words of a text name and call, and whether its answer depends on nothing but rows.
//!
//! Works on tokens, for statements and as well for the definitions of views and the bodies of triggers, which no parser
//! may know. It never misses a name: it takes more of them for a table than there are.

use std::collections::BTreeSet;

use super::builtin;
use super::builtin::Known;
use super::calls;
use super::gate;
use super::lexer;
use super::lexer::Token;
use super::lexer::TokenKind;
use super::varying;
use super::varying::Varies;
use crate::config::EngineKind;
use crate::database::error::DatabaseError;

/// What is in a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::database) struct Words {
    /// Every name and keyword in lower case.
    pub(in crate::database) names: BTreeSet<String>,
    /// Of them, those after a dot.
    pub(in crate::database) attributes: BTreeSet<String>,
    /// Functions that it calls, in lower case and without a schema.
    pub(in crate::database) calls: BTreeSet<String>,
    /// Whether one of them is not built in.
    pub(in crate::database) calls_unknown: bool,
    /// Whether it calls a procedure.
    pub(in crate::database) calls_procedure: bool,
    /// Names of its common table expressions, in lower case.
    pub(in crate::database) common: BTreeSet<String>,
    /// Why its answer may differ while no row does; none when it cannot.
    pub(in crate::database) varies: Option<String>,
    /// The one table that it writes by itself, with its schema when that is written, when it is a simple statement that changes rows.
    pub(in crate::database) target: Option<String>,
}

/// The words of `text`.
///
/// # Errors
///
/// As of a statement that cannot be split into tokens, or nests too deeply.
pub(in crate::database) fn words(text: &str, engine: EngineKind) -> Result<Words, DatabaseError> {
    let tokens = lexer::tokens(text, engine)?;
    let partners = gate::partners(&tokens)?;
    let mut words = Words { target: target(&tokens, engine), ..Words::default() };
    for (index, token) in tokens.iter().enumerate() {
        if token.is_name() || token.kind == TokenKind::Number {
            let name = token.text.to_lowercase();
            if token.after_dot {
                words.attributes.insert(name.clone());
            }
            words.names.insert(name);
        }
        words.calls_procedure |= token.is("CALL");
        let before = index.checked_sub(1).map(|before| &tokens[before]);
        if begins_common(before) && token.is_name() && is_defined(&tokens, &partners, index) {
            words.common.insert(token.text.to_lowercase());
        }
        let varies = varying::of_token(engine, token, before).or_else(|| {
            let call = calls::call_at(&tokens, &partners, index)?;
            words.call(engine, &call, arguments(&tokens, &partners, index))
        });
        if words.varies.is_none() {
            words.varies = varies.or_else(|| varying::of_computed_moment(engine, &tokens, &partners, index));
        }
    }
    Ok(words)
}

impl Words {
    /// Takes note of a call with so many arguments; why its result may vary.
    fn call(&mut self, engine: EngineKind, call: &calls::Call<'_, '_>, arguments: usize) -> Option<String> {
        let name = call.name();
        let in_own_schema = match call.parts.as_slice() {
            [_] => true,
            [schema, _] => engine == EngineKind::Postgres && schema.text.eq_ignore_ascii_case("pg_catalog"),
            _ => false,
        };
        let known = if in_own_schema { builtin::known(engine, &name) } else { Known::Unknown };
        let varies = match known {
            Known::Pure => match varying::of_call(engine, &name, arguments) {
                Varies::Never => None,
                Varies::Maybe => Some(format!("`{name}` depends on more than rows")),
            },
            Known::Harmless => Some(format!("`{name}` depends on the session or the moment")),
            Known::Unknown if call.may_be_alias => None,
            Known::Unknown => {
                self.calls_unknown = true;
                Some(format!("`{name}` is not built in"))
            }
        };
        self.calls.insert(name);
        varies
    }
}

/// Arguments of the call whose `(` is at `open`.
fn arguments(tokens: &[Token<'_>], partners: &[usize], open: usize) -> usize {
    let close = partners[open].min(tokens.len());
    let mut index = open + 1;
    if index >= close {
        return 0;
    }
    let mut count = 1;
    while index < close {
        if tokens[index].is_symbol('(') {
            index = partners[index].min(close);
        } else if tokens[index].is_symbol(',') {
            count += 1;
        }
        index += 1;
    }
    count
}

fn begins_common(before: Option<&Token<'_>>) -> bool {
    before.is_some_and(|before| before.is_symbol(',') || before.is_any(&["WITH", "RECURSIVE"]))
}

/// Whether `name [(…)] AS [NOT MATERIALIZED] (` stands at `index`.
fn is_defined(tokens: &[Token<'_>], partners: &[usize], index: usize) -> bool {
    let mut after = index + 1;
    if tokens.get(after).is_some_and(|token| token.is_symbol('(')) {
        after = partners[after] + 1;
    }
    let is_as = tokens.get(after).is_some_and(|token| token.is("AS"));
    let mut body = tokens.iter().skip(after + 1).take(3).skip_while(|token| token.is_any(&["NOT", "MATERIALIZED"]));
    is_as && body.next().is_some_and(|token| token.is_symbol('('))
}

/// The table that a statement writes which certainly writes no other by itself.
fn target(tokens: &[Token<'_>], engine: EngineKind) -> Option<String> {
    const MODIFIERS: &[&str] = &["LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "QUICK", "IGNORE", "ONLY"];
    let verb = tokens.first()?;
    // A common table expression may write as well.
    if tokens.iter().any(|token| token.is("WITH")) {
        return None;
    }
    let at = match () {
        () if verb.is_any(&["INSERT", "REPLACE"]) => {
            let into = tokens.iter().take(6).position(|token| token.is("INTO"))?;
            tokens[1..into].iter().all(|token| token.kind == TokenKind::Word).then_some(into + 1)?
        }
        () if verb.is("DELETE") => {
            let from = 1 + tokens[1..].iter().take_while(|token| token.is_any(MODIFIERS)).count();
            tokens.get(from).filter(|token| token.is("FROM"))?;
            from + 1
        }
        () if verb.is("UPDATE") => 1,
        () => return None,
    };
    let at = at + tokens[at.min(tokens.len())..].iter().take_while(|token| token.is_any(MODIFIERS)).count();
    tokens.get(at).filter(|token| token.is_name() && !token.is("OR"))?;
    let mut name = tokens[at].text.to_string();
    let mut last = at;
    while tokens.get(last + 1).is_some_and(|dot| dot.is_symbol('.')) && tokens.get(last + 2).is_some_and(Token::is_name) {
        last += 2;
        name.push('.');
        name.push_str(&tokens[last].text);
    }
    // MySQL changes rows of several tables in one statement, whatever their order.
    let is_one = engine != EngineKind::MySql
        || match () {
            () if verb.is("UPDATE") => tokens.get(last + 1)?.is("SET"),
            () if verb.is("DELETE") => tokens.get(last + 1).is_none_or(|next| next.is_any(&["WHERE", "ORDER", "LIMIT", "RETURNING"])),
            () => true,
        };
    is_one.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, engine: EngineKind) -> Words {
        words(text, engine).unwrap()
    }

    fn varies(text: &str, engine: EngineKind) -> bool {
        of(text, engine).varies.is_some()
    }

    #[test]
    fn what_computes_from_rows_alone_does_not_vary() {
        use EngineKind::MySql;
        use EngineKind::Postgres;
        use EngineKind::Sqlite;
        for text in [
            "SELECT lower(name), count(*) FROM t WHERE a IN (1, 2) GROUP BY 1",
            "WITH a (x) AS (SELECT 1) SELECT coalesce(x, 2) FROM a",
            "SELECT date_trunc('month', at), extract(year FROM at), age(a, b), at::date FROM t",
            "SELECT t.user_id, 'knowledge', \"current_date\" FROM t",
            "SELECT date_trunc('day', at)::date, (coalesce(a, b))::timestamptz, cast(at AS date), max(at)::date FROM t",
            "SELECT a || b, at::date FROM t WHERE at > '2026-01-01'::timestamptz AND note = 'a'",
            "SELECT sum(x) FILTER (WHERE y) OVER (PARTITION BY z ORDER BY w) FROM t f(x, y)",
        ] {
            assert_eq!(of(text, Postgres).varies, None, "{text}");
        }
        for text in ["SELECT date(at), strftime('%Y', at), max(a, b), date(at, '+1 day') FROM t", "SELECT json_extract(a, '$.b') FROM t"] {
            assert_eq!(of(text, Sqlite).varies, None, "{text}");
        }
        for text in ["SELECT `user`, `now` FROM t", "SELECT unix_timestamp(at), date_format(at, '%Y'), if(a, b, c) FROM t"] {
            assert_eq!(of(text, MySql).varies, None, "{text}");
        }
    }

    #[test]
    fn what_depends_on_the_moment_the_session_or_chance_varies() {
        use EngineKind::MySql;
        use EngineKind::Postgres;
        use EngineKind::Sqlite;
        for text in [
            "SELECT now()",
            "SELECT pg_catalog.now()",
            "SELECT CURRENT_DATE",
            "SELECT x FROM t WHERE at > current_timestamp(0)",
            "SELECT user",
            "SELECT session_user",
            "SELECT random()",
            "SELECT 'now'::timestamp",
            "SELECT date 'Today'",
            "SELECT '[yesterday,tomorrow)'::daterange",
            "SELECT E'n\\x6fw'::timestamptz",
            "SELECT U&'\\006eow'::timestamptz",
            "SELECT 'no'\n'w'::timestamptz",
            "SELECT E'no'\n'w'::timestamptz",
            "SELECT ('n' || 'ow')::timestamptz",
            "SELECT replace('xnow', 'x', '')::date",
            "SELECT (chr(110) || 'ow')::pg_catalog.timestamptz",
            "SELECT ('{n' || 'ow}')::timestamptz[]",
            "SELECT cast('n' || 'ow' AS timestamp with time zone)",
            "SELECT cast(convert_from(a, 'utf8') AS date) FROM t",
            "SELECT timestamptz('n' || 'ow')",
            "SELECT ('n' || 'ow')::text::timestamptz",
            "SELECT ('n' || 'ow')::varchar(3)::pg_catalog.text::date",
            "SELECT ('n' || 'ow')::character varying::date",
            "SELECT ($1 || $2)::timestamptz",
            "SELECT * FROM json_to_record('{\"a\":\"n\\u006fw\"}') AS x(a timestamptz)",
            "SELECT age(at) FROM t",
            "SELECT current_setting('app.tenant')",
            "SELECT currval('s')",
            "SELECT pg_backend_pid()",
            "SELECT to_regclass('t')",
            "SELECT has_table_privilege('t', 'select')",
            "SELECT * FROM t TABLESAMPLE system (1)",
            "SELECT mine(x) FROM t",
            "SELECT public.lower(x) FROM t",
            "SELECT gen_random_uuid()",
        ] {
            assert!(varies(text, Postgres), "{text}");
        }
        for text in [
            "SELECT CURRENT_TIMESTAMP",
            "SELECT date('now')",
            "SELECT date(\"now\")",
            "SELECT datetime()",
            "SELECT datetime('n' || 'ow')",
            "SELECT strftime('%f', x'6e6f77')",
            "SELECT date(char(110, 111, 119))",
            "SELECT datetime(json_extract(a, '$')) FROM t",
            "SELECT strftime('%s')",
            "SELECT unixepoch('subsec')",
            "SELECT random()",
            "SELECT changes()",
            "SELECT last_insert_rowid()",
            "SELECT * FROM pragma_table_info('t')",
            "SELECT mine(x) FROM t",
        ] {
            assert!(varies(text, Sqlite), "{text}");
        }
        for text in [
            "SELECT @x",
            "SELECT @@version",
            "SELECT now()",
            "SELECT curdate()",
            "SELECT utc_timestamp",
            "SELECT current_user",
            "SELECT user()",
            "SELECT uuid()",
            "SELECT rand(3)",
            "SELECT found_rows()",
            "SELECT last_insert_id()",
            "SELECT unix_timestamp()",
            "SELECT database()",
            "SELECT sleep(1)",
            "SELECT shop.lower(x) FROM t",
            "SELECT PREVIOUS VALUE FOR s",
            "SELECT SQL_NO_CACHE 1",
        ] {
            assert!(varies(text, MySql), "{text}");
        }
    }

    /// Nobody keeps a thread busy with a long statement.
    #[test]
    fn a_long_chain_of_casts_is_judged_at_once() {
        for piece in ["::date", "::text::date", ", a AS date", ", a[1]::date", ", (a)::date"] {
            let text = format!("SELECT a{}", piece.repeat(20_000));
            let started = std::time::Instant::now();
            of(&text, EngineKind::Postgres);
            assert!(started.elapsed() < std::time::Duration::from_secs(5), "{piece}: {:?}", started.elapsed());
        }
    }

    #[test]
    fn names_are_found_whatever_their_quotes_and_common_ones_apart() {
        let found = of(
            "WITH \"Recent\" AS (SELECT 1), b (x) AS NOT MATERIALIZED (SELECT 2) SELECT * FROM Shop.\"Orders\", b",
            EngineKind::Postgres,
        );
        for name in ["recent", "b", "shop", "orders"] {
            assert!(found.names.contains(name), "{name}");
        }
        assert_eq!(found.common, BTreeSet::from(["recent".to_owned(), "b".to_owned()]));
        assert_eq!(found.attributes, BTreeSet::from(["orders".to_owned()]));
        assert!(of("SELECT * FROM U&\"\\0074\\0065a\"", EngineKind::Postgres).names.contains("tea"));
    }

    #[test]
    fn a_target_is_told_only_when_there_is_certainly_one() {
        use EngineKind::MySql;
        use EngineKind::Postgres;
        use EngineKind::Sqlite;
        let some = |text: &str, engine| of(text, engine).target;
        assert_eq!(some("INSERT INTO shop.Orders (a) SELECT 1 FROM b", Postgres).as_deref(), Some("shop.Orders"));
        assert_eq!(some("UPDATE ONLY orders o SET a = 1 FROM b", Postgres).as_deref(), Some("orders"));
        assert_eq!(some("DELETE FROM \"a.b\" USING c", Postgres).as_deref(), Some("a.b"));
        assert_eq!(some("INSERT OR REPLACE INTO t VALUES (1)", Sqlite).as_deref(), Some("t"));
        assert_eq!(some("REPLACE INTO t VALUES (1)", MySql).as_deref(), Some("t"));
        assert_eq!(some("UPDATE LOW_PRIORITY t SET a = 1", MySql).as_deref(), Some("t"));
        assert_eq!(some("DELETE FROM t WHERE a", MySql).as_deref(), Some("t"));
        assert_eq!(some("UPDATE OR IGNORE t SET a = 1", Sqlite), None);
        assert_eq!(some("UPDATE t, u SET t.a = u.a", MySql), None);
        assert_eq!(some("UPDATE t x JOIN u SET t.a = 1", MySql), None);
        assert_eq!(some("DELETE FROM t USING t JOIN u", MySql), None);
        assert_eq!(some("DELETE t, u FROM t JOIN u", MySql), None);
        assert_eq!(some("INSERT t VALUES (1)", MySql), None);
        assert_eq!(some("INSERT INTO t WITH x AS (DELETE FROM u RETURNING *) SELECT * FROM x", Postgres), None);
        assert_eq!(some("MERGE INTO t USING u ON true WHEN MATCHED THEN DELETE", Postgres), None);
    }
}
