//! What must not run as a reading statement of SQLite.

use super::StatementKind::Admin;
use super::StatementKind::Forbidden;
use super::StatementKind::Transaction;
use super::StatementKind::Write;
use super::all_are;
use super::none_pass;
use crate::config::EngineKind::Sqlite;

#[test]
fn statements_that_change_rows_write() {
    all_are(
        Sqlite,
        Write,
        &[
            "INSERT INTO t VALUES (1)",
            "INSERT OR REPLACE INTO t VALUES (1)",
            "REPLACE INTO t VALUES (1)",
            "UPDATE t SET a = 1",
            "DELETE FROM t",
            "\u{feff}DELETE FROM t",
            "WITH a AS (SELECT 1) DELETE FROM t",
            "WITH a AS (SELECT 1) INSERT OR IGNORE INTO t SELECT * FROM a",
            "WITH a AS (SELECT 1) REPLACE INTO t SELECT * FROM a",
            "WITH a(x) AS NOT MATERIALIZED (SELECT 1) UPDATE t SET x = 1",
            "INSERT INTO t VALUES (1) ON CONFLICT DO UPDATE SET a = 2 RETURNING a",
            "SELECT optimize(t) FROM t",
        ],
    );
}

#[test]
fn statements_that_change_schema_or_settings_are_for_administration() {
    all_are(
        Sqlite,
        Admin,
        &[
            "CREATE TABLE t (a)",
            "CREATE TEMP TABLE t AS SELECT 1",
            "CREATE VIRTUAL TABLE t USING fts5(a)",
            "DROP TABLE t",
            "ALTER TABLE t RENAME TO u",
            "VACUUM",
            "VACUUM main",
            "REINDEX",
            "ANALYZE",
            "PRAGMA journal_mode = DELETE",
            "PRAGMA main.user_version = 5",
            "PRAGMA user_version(5)",
            "PRAGMA wal_checkpoint",
            "PRAGMA optimize",
            "PRAGMA foreign_keys = off",
            "SELECT * FROM pragma_optimize",
            "EXPLAIN DROP TABLE t",
            "CREATE TRIGGER r AFTER INSERT ON t BEGIN UPDATE t SET a = 1; DELETE FROM s; END",
            "CREATE TEMP TRIGGER r AFTER INSERT ON t WHEN NEW.a > 1 BEGIN SELECT CASE WHEN 1 THEN 2 END; END;",
        ],
    );
}

#[test]
fn transactions_are_not_begun_or_ended_by_statements() {
    all_are(
        Sqlite,
        Transaction,
        &["BEGIN", "BEGIN IMMEDIATE", "COMMIT", "END TRANSACTION", "ROLLBACK", "SAVEPOINT a", "RELEASE a", "ROLLBACK TO a"],
    );
}

#[test]
fn what_reaches_past_the_session_is_forbidden() {
    all_are(
        Sqlite,
        Forbidden,
        &[
            "ATTACH 'x.db' AS x",
            "ATTACH DATABASE 'file:x?mode=rwc' AS x",
            "DETACH x",
            "VACUUM INTO '/tmp/x'",
            "VACUUM main INTO '/tmp/x'",
            "vacuum/**/into '/tmp/x'",
            "PRAGMA query_only = 0",
            "PRAGMA query_only(0)",
            "PRAGMA \"query_only\" = 0",
            "PRAGMA 'query_only' = 0",
            "PRAGMA [query_only] = 0",
            "PRAGMA main.query_only = 0",
            "PRAGMA writable_schema = 1",
            "PRAGMA trusted_schema = 1",
            "PRAGMA hard_heap_limit = 1024",
            "PRAGMA temp_store_directory = '/x'",
            "EXPLAIN PRAGMA query_only = 0",
            "SELECT load_extension('x')",
            "SELECT \"load_extension\"('x')",
            "SELECT [load_extension]('x')",
            "SELECT LOAD_EXTENSION /**/ ('x')",
            "SELECT fts3_tokenizer('a', x'00')",
            "SELECT writefile('x', 'y')",
            "SELECT readfile('x')",
            "SELECT edit('x')",
            "SELECT * FROM pragma_hard_heap_limit",
            "INSERT INTO t SELECT readfile('x')",
            "VALUES (load_extension('x'))",
        ],
    );
}

#[test]
fn what_is_not_one_statement_does_not_pass() {
    none_pass(
        Sqlite,
        &[
            "",
            ";",
            "-- only a comment",
            "/* only a comment */",
            "/* open",
            "SELECT 1; DELETE FROM t",
            "SELECT 1 /* open ; DELETE FROM t",
            "SELECT ';'; DELETE FROM t",
            "SELECT 'a\\'; DELETE FROM t --'",
            "SELECT [;]; DELETE FROM t",
            "SELECT `;`; DELETE FROM t",
            "SELECT 1 --\r; x\n; DELETE FROM t",
            "SELECT /* /* */ 1; DELETE FROM t",
            "SELECT $a('); DELETE FROM t; --')",
            "SELECT $a::b('); DELETE FROM t; --')",
            "SELECT @a(\"); DELETE FROM t; --\")",
            "SELECT :a(; DELETE FROM t; --)",
            "SELECT 1\0; DELETE FROM t",
            "SELECT 1\0",
            "SELECT 'open",
            "SELECT [open",
            "SHOW TABLES",
            "DESCRIBE t",
            "CREATE TRIGGER r AFTER INSERT ON t BEGIN DELETE FROM s; END; DROP TABLE t",
            "CREATE TRIGGER r AFTER INSERT ON t BEGIN UPDATE t SET begin = 1; END; DROP TABLE t; SELECT 1; END",
            "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT end; END; DROP TABLE t",
            "CREATE TRIGGER r AFTER INSERT ON t BEGIN DELETE FROM s; DELETE FROM s; ",
            "CREATE TABLE begin (a); DROP TABLE t; END",
        ],
    );
}
