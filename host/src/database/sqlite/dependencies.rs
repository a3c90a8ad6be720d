//! What is behind the names of a file, from the texts that SQLite keeps and from its foreign keys.
//!
//! The writing connection has `foreign_keys` on, which is the driver's default, so keys do what they say.

use std::collections::HashMap;

use super::catalog::SCHEMA;
use super::session::Session;
use crate::database::dependencies::Facts;
use crate::database::dependencies::Link;
use crate::database::dependencies::Relation;
use crate::database::dependencies::RelationKind;
use crate::database::error::DatabaseError;

/// Modules whose virtual tables write nothing but tables of their own, which nothing is kept of.
const OWN_TABLES: &[&str] = &["fts3", "fts4", "fts5", "rtree", "rtree_i32", "geopoly"];

/// One line of `sqlite_schema`.
struct Line {
    kind: String,
    name: String,
    table: String,
    sql: String,
}

/// What the file says about itself.
///
/// # Errors
///
/// What SQLite says.
pub(super) fn facts(session: &Session<'_>) -> Result<Facts, DatabaseError> {
    let mut lines = Vec::new();
    let sql = "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE type IN ('table', 'view', 'trigger')";
    session.query(sql, &[], |row| lines.push(Line { kind: row.text(0), name: row.text(1), table: row.text(2), sql: row.text(3) }))?;
    let mut facts = Facts::default();
    let mut places: HashMap<String, usize> = HashMap::new();
    let virtuals: Vec<String> = lines.iter().filter(|line| module(&line.sql).is_some()).map(|line| line.name.to_lowercase()).collect();
    for line in lines.iter().filter(|line| line.kind != "trigger") {
        places.insert(line.name.to_lowercase(), facts.relations.len());
        facts.relations.push(relation(line, &virtuals));
    }
    for line in lines.into_iter().filter(|line| line.kind == "trigger") {
        if let Some(place) = places.get(&line.table.to_lowercase()) {
            facts.relations[*place].triggers.push(line.sql);
        }
    }
    let sql = "SELECT k.\"table\", m.name FROM sqlite_schema m, pragma_foreign_key_list(m.name) k WHERE m.type = 'table' AND m.rootpage > 0 \
        AND (k.on_delete NOT IN ('RESTRICT', 'NO ACTION') OR k.on_update NOT IN ('RESTRICT', 'NO ACTION'))";
    let mut links = Vec::new();
    session.query(sql, &[], |row| {
        if let (Some(parent), Some(child)) = (places.get(&row.text(0).to_lowercase()), places.get(&row.text(1).to_lowercase())) {
            links.push(Link { from: *parent, to: *child, reads: false, writes: true });
        }
    })?;
    facts.links = links;
    Ok(facts)
}

fn relation(line: &Line, virtuals: &[String]) -> Relation {
    let name = line.name.to_lowercase();
    let module = module(&line.sql);
    // A virtual table `t` keeps its rows in tables that are called `t_…`.
    let is_shadow = virtuals.iter().any(|table| name.strip_prefix(table.as_str()).is_some_and(|rest| rest.starts_with('_')));
    let kind = match line.kind.as_str() {
        "view" => RelationKind::View { definition: query_of(&line.sql).map(str::to_owned), linked: false, calls: false },
        _ if name.starts_with("sqlite_") => RelationKind::Other { why: "it is a table of SQLite's own", acts: false },
        _ if module.is_some() => RelationKind::Other { why: "a virtual table may show what is elsewhere", acts: false },
        _ if is_shadow => RelationKind::Other { why: "it belongs to a virtual table", acts: false },
        _ => RelationKind::Table,
    };
    Relation {
        schema: SCHEMA.into(),
        name: line.name.clone(),
        kind,
        unqualified: true,
        writes_anything: module.is_some_and(|module| !OWN_TABLES.contains(&module.as_str())),
        triggers: Vec::new(),
    }
}

/// The module of a virtual table, in lower case; SQLite keeps the text with exactly one space between these keywords.
fn module(sql: &str) -> Option<String> {
    const BEGINNING: &str = "CREATE VIRTUAL TABLE";
    if !sql.get(..BEGINNING.len())?.eq_ignore_ascii_case(BEGINNING) {
        return None;
    }
    let lower = sql.to_lowercase();
    let (_, rest) = lower.split_once(" using ").unwrap_or_default();
    let name = rest.trim_start().trim_start_matches(['"', '[', '`']);
    Some(name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
}

/// The query of `CREATE VIEW name [(columns)] AS query`: what follows the first `AS` outside of quotes, comments and parentheses.
fn query_of(sql: &str) -> Option<&str> {
    let bytes = sql.as_bytes();
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let rest = &bytes[at..];
        match byte {
            b'\'' | b'"' | b'`' => at += 1 + bytes[at + 1..].iter().position(|other| other == byte)?,
            b'[' => at += bytes[at..].iter().position(|other| *other == b']')?,
            b'-' if rest.starts_with(b"--") => at += rest.iter().position(|other| *other == b'\n')?,
            b'/' if rest.starts_with(b"/*") => at += 3 + rest.get(2..)?.windows(2).position(|pair| pair == b"*/")?,
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            byte if byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80 => {
                let length =
                    rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || **byte >= 0x80).count();
                if depth == 0 && rest[..length].eq_ignore_ascii_case(b"as") {
                    return sql.get(at + length..);
                }
                at += length - 1;
            }
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_of_a_view_follows_its_as() {
        for (sql, query) in [
            ("CREATE VIEW v AS SELECT 1", " SELECT 1"),
            ("CREATE VIEW \"as it was\" (a, \"as\") /* as x */ As\nSELECT 1 AS a", "\nSELECT 1 AS a"),
            ("CREATE VIEW [a as b](as_of) -- as\n AS WITH x AS (SELECT 1) SELECT * FROM x", " WITH x AS (SELECT 1) SELECT * FROM x"),
            ("CREATE VIEW 'it''s as' AS VALUES (1)", " VALUES (1)"),
        ] {
            assert_eq!(query_of(sql), Some(query), "{sql}");
        }
        assert_eq!(query_of("CREATE VIEW v"), None);
    }

    #[test]
    fn the_module_of_a_virtual_table_is_told() {
        assert_eq!(module("CREATE VIRTUAL TABLE notes USING fts5(body)").as_deref(), Some("fts5"));
        assert_eq!(module("CREATE VIRTUAL TABLE \"a using b\" USING \"Rtree\"(id, x0, x1)").as_deref(), Some("b"));
        assert_eq!(module("CREATE TABLE t (using_it text)"), None);
    }
}
