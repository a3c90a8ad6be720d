//! Whether a statement destroys more than one would think: what has to be asked about before it runs.
//!
//! Judged by tokens, like everything that has to hold where the parser has a gap. What is over a number of rows is not seen
//! here but counted when it runs.

use super::lexer::Token;
use super::lexer::TokenKind;
use crate::config::EngineKind;

/// Words of a condition that stand for no column.
const CONSTANTS: &[&str] = &["TRUE", "FALSE", "NOT", "AND", "OR", "NULL", "IS", "IN", "BETWEEN", "LIKE", "EXISTS", "SELECT"];

/// What follows `DROP` in an `ALTER` that loses no data: `DROP NOT NULL`, `DROP DEFAULT` and their like.
const HARMLESS_DROPS: &[&str] = &["NOT", "DEFAULT", "EXPRESSION", "IDENTITY", "CHECK", "SYSTEM"];

/// Why the statement of these tokens has to be asked about, in words; `None` when it has not. `changes` are the places of the
/// keywords that begin a change of rows, wherever in the statement; `partners` the other parenthesis of each one.
pub(super) fn reason(engine: EngineKind, verb: &str, tokens: &[Token<'_>], partners: &[usize], changes: &[usize]) -> Option<String> {
    let scan = Scan { engine, tokens, partners };
    match verb {
        "DROP" => Some(scan.drops()),
        "TRUNCATE" => Some("`TRUNCATE` empties the table".into()),
        "ALTER" => scan.alters(),
        "CREATE" if engine == EngineKind::MySql && scan.is(1, &["OR"]) && scan.replaces_table() => {
            Some("`CREATE OR REPLACE TABLE` drops the table that is there".into())
        }
        "FLASHBACK" => Some("`FLASHBACK` takes back what was done since".into()),
        _ => changes.iter().find_map(|change| scan.changes_all(*change)),
    }
}

struct Scan<'t, 'a> {
    engine: EngineKind,
    tokens: &'t [Token<'a>],
    partners: &'t [usize],
}

impl Scan<'_, '_> {
    fn is(&self, index: usize, keywords: &[&str]) -> bool {
        self.tokens.get(index).is_some_and(|token| token.is_any(keywords))
    }

    fn drops(&self) -> String {
        let what = self.tokens.get(1).map(|token| token.text.to_ascii_uppercase()).unwrap_or_default();
        format!("`DROP {what}` cannot be taken back once it is committed")
    }

    fn replaces_table(&self) -> bool {
        self.is(2, &["REPLACE"]) && (self.is(3, &["TABLE"]) || (self.is(3, &["TEMPORARY"]) && self.is(4, &["TABLE"])))
    }

    fn alters(&self) -> Option<String> {
        for index in 1..self.tokens.len() {
            if self.is(index, &["DROP"]) && !self.is(index + 1, HARMLESS_DROPS) {
                return Some("`ALTER … DROP` loses what it drops".into());
            }
            if self.engine == EngineKind::MySql && (self.is(index, &["TRUNCATE", "DISCARD"])) {
                return Some("it empties a part of the table".into());
            }
        }
        None
    }

    /// Whether the change that begins at `index` is an `UPDATE` or `DELETE` of every row.
    fn changes_all(&self, index: usize) -> Option<String> {
        if !self.is(index, &["UPDATE", "DELETE"]) {
            return None;
        }
        let verb = self.tokens[index].text.to_ascii_uppercase();
        match self.condition(index + 1) {
            None => Some(format!("`{verb}` without `WHERE` means every row")),
            Some(condition) if self.is_constant(condition) => Some(format!("`{verb}` with a `WHERE` that names no column means every row")),
            Some(_) => None,
        }
    }

    /// The place after the `WHERE` of the change whose tokens begin at `from`.
    fn condition(&self, from: usize) -> Option<usize> {
        let mut index = from;
        while index < self.tokens.len() {
            let token = &self.tokens[index];
            if token.is_symbol(')') {
                return None;
            }
            if token.is("WHERE") {
                return Some(index + 1);
            }
            index = if token.is_symbol('(') { self.partners[index] + 1 } else { index + 1 };
        }
        None
    }

    /// Whether nothing in the condition that begins at `from` can depend on a row.
    fn is_constant(&self, from: usize) -> bool {
        let mut depth = 0_usize;
        for token in &self.tokens[from..] {
            match token.kind {
                TokenKind::Symbol if token.is_symbol('(') => depth += 1,
                TokenKind::Symbol if token.is_symbol(')') => match depth.checked_sub(1) {
                    Some(outer) => depth = outer,
                    None => return true,
                },
                TokenKind::Word if depth == 0 && token.is_any(&["RETURNING", "LIMIT", "ORDER"]) => return true,
                TokenKind::Word if !token.is_any(CONSTANTS) => return false,
                TokenKind::Quoted => return false,
                _ => {}
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use crate::config::EngineKind;
    use crate::config::EngineKind::MySql;
    use crate::config::EngineKind::Postgres;
    use crate::config::EngineKind::Sqlite;
    use crate::database::statement::Statement;

    fn asked(engine: EngineKind, text: &str) -> bool {
        Statement::parse(text, engine).unwrap_or_else(|error| panic!("{text}: {error}")).destructive.is_some()
    }

    #[test]
    fn a_change_of_every_row_is_asked_about_wherever_it_stands() {
        for engine in [Postgres, MySql, Sqlite] {
            for text in [
                "DELETE FROM t",
                "delete from t -- where id = 1",
                "UPDATE t SET a = (SELECT b FROM s WHERE s.id = t.id)",
                "UPDATE t SET a = 'where'",
                "WITH x AS (SELECT 1 WHERE 1 = 1) DELETE FROM t",
                "DELETE FROM t WHERE 1 = 1",
                "DELETE FROM t WHERE true",
                "DELETE FROM t WHERE (NOT (1 = 2))",
            ] {
                assert!(asked(engine, text), "{engine:?}: {text}");
            }
        }
        for text in [
            "WITH gone AS (DELETE FROM t RETURNING *) SELECT * FROM gone WHERE id = 1",
            "WITH done AS (UPDATE t SET a = 1 RETURNING id) INSERT INTO log SELECT id FROM done WHERE id > 1",
            "WITH RECURSIVE x(n) AS (SELECT 1) CYCLE n SET c USING p DELETE FROM t",
            "EXPLAIN ANALYZE DELETE FROM t",
            "DELETE FROM t USING s",
            "DELETE FROM t RETURNING id",
        ] {
            assert!(asked(Postgres, text), "{text}");
        }
        for text in [
            "DELETE a FROM a JOIN b ON a.id = b.id",
            "UPDATE a, b SET a.x = b.x",
            "DELETE FROM t LIMIT 5",
            "UPDATE LOW_PRIORITY t SET a = 1",
        ] {
            assert!(asked(MySql, text), "{text}");
        }
    }

    #[test]
    fn what_drops_or_empties_is_asked_about() {
        for text in [
            "DROP TABLE t",
            "drop schema s cascade",
            "TRUNCATE t",
            "TRUNCATE TABLE t, u CASCADE",
            "ALTER TABLE t DROP COLUMN c",
            "ALTER TABLE t DROP c",
        ] {
            assert!(asked(Postgres, text), "{text}");
        }
        for text in
            ["CREATE OR REPLACE TABLE t (a int)", "ALTER TABLE t TRUNCATE PARTITION p", "ALTER TABLE t DROP COLUMN c", "DROP DATABASE d"]
        {
            assert!(asked(MySql, text), "{text}");
        }
        for text in ["DROP TABLE t", "DROP INDEX i", "ALTER TABLE t DROP COLUMN c"] {
            assert!(asked(Sqlite, text), "{text}");
        }
    }

    #[test]
    fn what_names_its_rows_or_adds_is_not_asked_about() {
        for engine in [Postgres, MySql, Sqlite] {
            for text in [
                "DELETE FROM t WHERE id = 1",
                "UPDATE t SET a = 1 WHERE id IN (SELECT id FROM s)",
                "UPDATE t SET a = 1 WHERE \"id\" = 1",
                "INSERT INTO t VALUES (1)",
                "INSERT INTO t SELECT * FROM s",
                "SELECT * FROM t",
                "CREATE TABLE t (a int)",
                "ALTER TABLE t ADD COLUMN c int",
                "CREATE INDEX i ON t (a)",
                "EXPLAIN DELETE FROM t WHERE id = 1",
            ] {
                if engine == MySql && text.contains('"') {
                    continue;
                }
                assert!(!asked(engine, text), "{engine:?}: {text}");
            }
        }
        for text in [
            "INSERT INTO t VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 1",
            "SELECT * FROM t FOR UPDATE",
            "ALTER TABLE t ALTER COLUMN c DROP NOT NULL",
            "CREATE TABLE t (a int REFERENCES s ON DELETE CASCADE ON UPDATE SET NULL)",
            "WITH gone AS (DELETE FROM t WHERE id = 1 RETURNING *) SELECT * FROM gone",
            "CREATE TRIGGER x AFTER DELETE ON t FOR EACH ROW EXECUTE FUNCTION f()",
            "EXPLAIN DELETE FROM t",
        ] {
            assert!(!asked(Postgres, text), "{text}");
        }
        assert!(!asked(MySql, "INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a = 1"));
        assert!(!asked(Sqlite, "CREATE TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM s; END"));
    }
}
