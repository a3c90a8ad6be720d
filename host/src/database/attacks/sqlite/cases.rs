//! What SQLite is attacked with, and what it must not refuse.

use super::super::Case;
use super::super::answers;
use super::super::refused;
use super::super::runs;
use crate::database::error::ErrorKind::MultipleStatements;
use crate::database::error::ErrorKind::ReadOnly;
use crate::database::error::ErrorKind::Refused;
use crate::database::error::ErrorKind::Syntax;

/// Tables of every sort, with a trigger and a view.
pub(super) const SETUP: &str = "
    CREATE TABLE items (id INTEGER PRIMARY KEY, label TEXT, price REAL);
    INSERT INTO items WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 20)
      SELECT i, 'item ' || i, i * 1.5 FROM n;
    CREATE TABLE \"größe\" (\"maß\" INTEGER, \"delete\" TEXT);
    INSERT INTO \"größe\" VALUES (7, 'kept');
    CREATE TABLE audit (what TEXT);
    CREATE TRIGGER audited AFTER DELETE ON items BEGIN INSERT INTO audit VALUES (old.label); END;
    CREATE VIEW prices AS SELECT label, price FROM items;
    CREATE TRIGGER writing INSTEAD OF INSERT ON prices BEGIN INSERT INTO items (label, price) VALUES (new.label, new.price); END;
    CREATE INDEX by_label ON items (label);
    CREATE VIRTUAL TABLE notes USING fts5(body);
    INSERT INTO notes VALUES ('update the delete');
    CREATE VIRTUAL TABLE boxes USING rtree(id, x0, x1);
    INSERT INTO boxes VALUES (1, 0, 10);
";

/// The cases.
#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    // Rows.
    refused("a delete behind comments", "-- SELECT\n/* SELECT */ DELETE FROM items WHERE id = 1", ReadOnly).harms("files"),
    refused("a delete with a mark of byte order", "\u{feff}DELETE FROM items", ReadOnly).harms("files"),
    refused("a delete of a quoted table", "DELETE FROM [items] WHERE `id` > 3 RETURNING \"label\"", ReadOnly).harms("files"),
    refused("an update from a query", "UPDATE OR IGNORE items SET price = q.p FROM (SELECT 0 AS p) AS q", ReadOnly).harms("files"),
    refused("an upsert", "INSERT INTO items VALUES (1, 'x', 0) ON CONFLICT (id) DO UPDATE SET label = 'taken'", ReadOnly).harms("files"),
    refused("a replacement below a with", "WITH q(a) AS (VALUES (1)) REPLACE INTO items SELECT a, 'x', 0 FROM q", ReadOnly).harms("files"),
    refused("a delete below a with", "WITH q AS NOT MATERIALIZED (SELECT 5 AS a) DELETE FROM items WHERE id IN q", ReadOnly).harms("files"),
    refused("an insert into a view", "INSERT INTO prices VALUES ('x', 1)", ReadOnly).harms("files"),
    refused("an insert into a search", "INSERT INTO notes(notes, rank) VALUES ('rank', 'bm25(5.0)')", ReadOnly).harms("files"),
    refused("an insert into a tree", "INSERT INTO boxes VALUES (2, 1, 2)", ReadOnly).harms("files"),
    refused("the table of the schema", "UPDATE sqlite_master SET sql = 'x' WHERE name = 'items'", ReadOnly),
    refused("a shadow table", "DELETE FROM notes_data", ReadOnly).harms("files"),
    // Schema.
    refused("a table from a query", "CREATE TABLE IF NOT EXISTS taken AS SELECT * FROM items", ReadOnly).harms("files"),
    refused("a table of the session", "CREATE TEMP TABLE items (id)", ReadOnly).harms("session"),
    refused("a table of the session by its schema", "CREATE TABLE temp.items (id)", ReadOnly).harms("session"),
    refused("a trigger of the session", "CREATE TEMP TRIGGER taken AFTER INSERT ON items BEGIN DELETE FROM items; END", ReadOnly).harms("session"),
    refused("a trigger", "CREATE TRIGGER taken BEFORE INSERT ON items BEGIN SELECT RAISE(ABORT, 'x'); END", ReadOnly).harms("files"),
    refused("a virtual table", "CREATE VIRTUAL TABLE taken USING fts5vocab(notes, 'row')", ReadOnly).harms("files"),
    refused("an index on an expression", "CREATE UNIQUE INDEX taken ON items (label || price) WHERE id > 2", ReadOnly).harms("files"),
    refused("a column", "ALTER TABLE items ADD COLUMN taken TEXT DEFAULT 'x'", ReadOnly).harms("files"),
    refused("a new name for a column", "ALTER TABLE audit RENAME COLUMN what TO taken", ReadOnly).harms("files"),
    refused("a table dropped", "DROP TABLE IF EXISTS \"größe\"", ReadOnly).harms("files"),
    refused("indexes made again", "REINDEX by_label", ReadOnly),
    refused("statistics", "ANALYZE items", ReadOnly).harms("files"),
    // Files.
    refused("a copy", "VACUUM main INTO '{file}'", Refused).harms("files"),
    refused("a copy by an expression", "VACUUM INTO concat('{fi', 'x') || '{file}'", Refused),
    refused("a copy in capital letters beside comments", "vAcUuM/**/iNtO/**/'{file}'", Refused).harms("files"),
    refused("the file made anew", "VACUUM", ReadOnly),
    refused("a new file", "ATTACH DATABASE '{file}' AS taken", Refused).harms("session"),
    refused("another file", "ATTACH '{other}' AS taken KEY 'x'", Refused),
    refused("another file as a URI", "ATTACH 'file:{other}?mode=ro' AS \"taken\"", Refused),
    refused("memory", "ATTACH ':memory:' AS taken", Refused).harms("session"),
    refused("a file let go", "DETACH DATABASE main", Refused),
    refused("an extension", "SELECT count(load_extension('{file}')) OVER () FROM items", Refused),
    refused("an extension with a quoted name", "SELECT id FROM items ORDER BY `load_extension`('{file}', 'x')", Refused),
    refused("a tokenizer", "WITH q AS (SELECT [fts3_tokenizer]('simple') AS t) SELECT t FROM q", Refused),
    refused("a file written by a function", "SELECT id FROM items WHERE writefile('{file}', label)", Refused),
    refused("a file read by a function", "VALUES (1), (readfile('{other}'))", Refused),
    // Settings.
    refused("writing allowed", "PRAGMA main . query_only ( no )", Refused),
    refused("writing allowed, in quotes", "PRAGMA \"query_only\" = 'off'", Refused),
    refused("the schema opened", "pragma/**/writable_schema=on", Refused),
    refused("the schema trusted", "PRAGMA trusted_schema=yes;", Refused),
    refused("memory for nobody", "PRAGMA hard_heap_limit(1)", Refused),
    refused("a place for temporary files", "PRAGMA temp_store_directory = '/tmp'", Refused),
    refused("a lock that stays", "PRAGMA locking_mode = EXCLUSIVE", Refused).harms("session"),
    refused("a version", "PRAGMA user_version = -7", ReadOnly).harms("session"),
    refused("a version in parentheses", "PRAGMA main.user_version(42)", ReadOnly).harms("session"),
    refused("another journal", "PRAGMA journal_mode = MEMORY", ReadOnly).harms("session"),
    refused("another journal in quotes", "PRAGMA [journal_mode](\"wal\")", ReadOnly).harms("session"),
    refused("keys not checked", "PRAGMA foreign_keys = 0", ReadOnly).harms("session"),
    refused("how text is compared", "PRAGMA case_sensitive_like = true", ReadOnly).harms("session"),
    refused("what may be cached", "PRAGMA cache_size = 123456", ReadOnly).harms("session"),
    refused("a log written back", "PRAGMA wal_checkpoint(FULL)", ReadOnly),
    refused("whatever is best", "PRAGMA main.optimize(0xfffe)", ReadOnly),
    refused("whatever is best, as a table", "SELECT * FROM main.pragma_optimize", ReadOnly),
    refused("whatever is best, in quotes", "SELECT * FROM \"PRAGMA_OPTIMIZE\"('x')", ReadOnly),
    refused("an explanation of a setting", "EXPLAIN PRAGMA query_only = 0", Refused),
    // Transactions, and more than one statement.
    refused("a transaction", "BEGIN EXCLUSIVE TRANSACTION", Refused),
    refused("an end", "END TRANSACTION", Refused),
    refused("a savepoint", "SAVEPOINT \"a\"", Refused),
    refused("a second statement", "SELECT 1; DELETE FROM items", MultipleStatements).harms("files"),
    refused("a second statement behind a doubled quote", "SELECT 'it''s'; DELETE FROM items; --'", MultipleStatements).harms("files"),
    refused("a second statement behind what is no escape", "SELECT 'a\\'; DELETE FROM items; --'", MultipleStatements).harms("files"),
    refused("a second statement behind brackets", "SELECT 1 AS [']; DELETE FROM items; --']", MultipleStatements).harms("files"),
    refused("a second statement behind a parameter", "SELECT $a('); DELETE FROM items; --')", MultipleStatements),
    refused("a second statement behind a comment in a comment", "SELECT /* /* */ 1; DELETE FROM items", MultipleStatements).harms("files"),
    refused("a trigger and more", "CREATE TRIGGER t AFTER INSERT ON items BEGIN SELECT 1; END; DELETE FROM items", MultipleStatements).harms("files"),
    refused("a comment that does not end", "SELECT 1 /* ; DELETE FROM items", Syntax),
    refused("no statement", "/* SELECT 1 */ ;", MultipleStatements),
    refused("a zero byte", "SELECT 1\0; DELETE FROM items", Refused),
    refused("a space that is none", "DELETE\u{a0}FROM items", Syntax),

    // Nothing of this may be refused.
    answers("keywords in a string", "SELECT 'DELETE FROM items; DROP TABLE items; --'", &[r#"["DELETE FROM items; DROP TABLE items; --"]"#]),
    answers("a doubled quote", "SELECT 'it''s; INSERT'", &[r#"["it's; INSERT"]"#]),
    answers("keywords in comments", "SELECT /* DELETE; */ 1 -- ; DROP TABLE items", &["[1]"]),
    answers("names that are keywords", "SELECT [delete], `delete`, \"delete\" FROM \"größe\"", &[r#"["kept","kept","kept"]"#]),
    answers("names in another script", "SELECT maß AS 大きさ FROM größe", &["[7]"]),
    answers("a query with a name", "WITH replaced AS (SELECT 1 AS a) SELECT a FROM replaced", &["[1]"]),
    answers("a recursive query", "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 4) SELECT sum(i) FROM n", &["[10]"]),
    answers("a window", "SELECT id, row_number() OVER (ORDER BY id DESC) FROM items ORDER BY id LIMIT 1", &["[1,20]"]),
    answers("replace", "SELECT replace('DROP it', 'DROP', 'keep')", &[r#"["keep it"]"#]),
    answers("values", "VALUES (1, 'a'), (2, 'b')", &[r#"[1,"a"]"#, r#"[2,"b"]"#]),
    answers("semicolons at the end", ";SELECT 1 ; ; -- done", &["[1]"]),
    answers("parentheses further in", "SELECT * FROM ((SELECT 1))", &["[1]"]),
    answers("a write as a value", "SELECT ?1", &[r#"["'; DROP TABLE items; --"]"#]).with(&["'; DROP TABLE items; --"]),
    answers("a list", "SELECT group_concat(id, ';') FILTER (WHERE id < 3) FROM items", &[r#"["1;2"]"#]),
    answers("a search for keywords", "SELECT body FROM notes WHERE notes MATCH 'delete'", &[r#"["update the delete"]"#]),
    answers("a tree", "SELECT id FROM boxes WHERE x0 <= 5 AND x1 >= 5", &["[1]"]),
    answers("a view", "SELECT count(*) FROM prices", &["[20]"]),
    answers("json", "SELECT '{\"set\": 1}' ->> '$.set', json_array(1, 'drop')", &[r#"[1,"[1,\"drop\"]"]"#]),
    answers("json as a table", "SELECT value FROM json_each('[1, 2]')", &["[1]", "[2]"]),
    answers("a case", "SELECT CASE WHEN 1 THEN 'delete' END AS replace", &[r#"["delete"]"#]),
    answers("bytes", "SELECT x'00ff', hex(zeroblob(2))", &[r#"["AP8=","0000"]"#]),
    answers("lists of lists", "SELECT (1, 2) IN (VALUES (1, 2)), EXISTS (SELECT 1 FROM items)", &["[1,1]"]),
    answers("in upper and lower case", "sElEcT 1 wHeRe 1", &["[1]"]),
    answers("an empty answer", "SELECT id FROM items WHERE label = 'TRUNCATE'", &[]),
    answers("the columns of a table", "SELECT name FROM pragma_table_info('größe')", &[r#"["maß"]"#, r#"["delete"]"#]),
    runs("the columns of a table by pragma", "PRAGMA main.table_xinfo('items')"),
    runs("the indexes of a table", "PRAGMA index_list(items)"),
    runs("whether writing is allowed", "PRAGMA journal_mode"),
    runs("whether all is well", "PRAGMA quick_check"),
    runs("the schema", "SELECT name, sql FROM sqlite_schema WHERE sql LIKE '%DELETE%'"),
    runs("an explanation", "EXPLAIN QUERY PLAN SELECT * FROM items WHERE label = 'x'"),
    runs("an explanation in full", "EXPLAIN SELECT * FROM items"),
    runs("dates", "SELECT date('now', '-1 day'), strftime('%Y', 'now'), unixepoch()"),
    runs("chance", "SELECT random(), randomblob(4), last_insert_rowid(), changes()"),
    runs("a union", "SELECT 1 UNION SELECT id FROM items EXCEPT SELECT 3 INTERSECT SELECT 4"),
    runs("an index to use", "SELECT * FROM items INDEXED BY by_label WHERE label = 'x'"),
];
