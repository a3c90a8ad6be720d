//! What the engine's layer holds alone, as an account that may do everything; the state is looked at afterwards.

use super::Fixture;
use super::claimed;
use super::json;
use super::read;
use super::read_traceless;
use crate::database::error::ErrorKind;
use crate::database::statement::StatementKind;

const SETUP: &[&str] = &[
    "CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20)) ENGINE=InnoDB",
    "INSERT INTO t VALUES (1, 'one'), (2, 'two')",
    "CREATE SEQUENCE s",
    "CREATE PROCEDURE p() MODIFIES SQL DATA INSERT INTO t VALUES (99, 'procedure')",
    "CREATE FUNCTION f() RETURNS INT MODIFIES SQL DATA BEGIN INSERT INTO t VALUES (98, 'function'); RETURN 1; END",
    "CREATE FUNCTION leave_traces() RETURNS INT BEGIN SET @left = 7; RETURN GET_LOCK('tg_left', 0); END",
];

/// Everything that an attack could change here, in one line.
async fn state(fixture: &mut Fixture) -> String {
    let rows = fixture.ask("SELECT GROUP_CONCAT(id, name ORDER BY id) FROM t").await;
    let tables =
        fixture.ask("SELECT GROUP_CONCAT(TABLE_NAME ORDER BY 1) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()").await;
    let columns = fixture.ask("SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = DATABASE()").await;
    let sequence = fixture.ask("SELECT next_not_cached_value FROM s").await;
    let users = fixture.ask("SELECT COUNT(*) FROM mysql.user WHERE User = 'tg_attacker'").await;
    let setting = fixture.ask("SELECT CONCAT(@@GLOBAL.max_statement_time, @@GLOBAL.tx_read_only)").await;
    format!("{rows}/{tables}/{columns}/{sequence}/{users}/{setting}")
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_writes_gets_through_a_reading_run() {
    let mut fixture = Fixture::new(SETUP).await;
    let name = fixture.name.clone();
    let engine = fixture.engine(|_| {});
    let before = state(&mut fixture).await;
    let attacks = [
        "CREATE TABLE u (id INT)",
        "CREATE TABLE u AS SELECT 1",
        "CREATE TEMPORARY TABLE u (id INT)",
        "ALTER TABLE t ADD COLUMN x INT",
        "DROP TABLE t",
        "TRUNCATE t",
        "TRUNCATE TABLE t",
        "RENAME TABLE t TO u",
        "INSERT INTO t VALUES (3, 'three')",
        "INSERT INTO t VALUES (3, 'three') RETURNING id",
        "REPLACE INTO t VALUES (1, 'replaced') RETURNING id",
        "UPDATE t SET name = 'x'",
        "DELETE FROM t",
        "DELETE FROM t RETURNING id",
        "WITH q AS (SELECT 1) DELETE FROM t",
        "CALL p()",
        "SELECT f()",
        "SELECT NEXTVAL(s)",
        "SELECT NEXT VALUE FOR s",
        "SELECT SETVAL(s, 500)",
        "DO f()",
        "SELECT 1; DROP TABLE t",
        "SELECT 1; COMMIT; DELETE FROM t",
        "COMMIT",
        "COMMIT AND CHAIN",
        "BEGIN",
        "SET SESSION TRANSACTION READ WRITE",
        "SET SESSION tx_read_only = 0",
        "SET GLOBAL max_statement_time = 1",
        "SET GLOBAL tx_read_only = 1",
        "SET STATEMENT tx_read_only = 0 FOR INSERT INTO t VALUES (4, 'four')",
        "SET STATEMENT tx_read_only = 0 FOR INSERT INTO t VALUES (4, 'four') RETURNING id",
        "SET STATEMENT tx_read_only = 0 FOR DELETE FROM t RETURNING id",
        "SET STATEMENT tx_read_only = 0, autocommit = 1 FOR SELECT f()",
        "SET STATEMENT max_statement_time = 0 FOR DROP TABLE t",
        "/*!50000 DROP TABLE t */",
        "/*M! DELETE FROM t */",
        "/*!50000 DELETE FROM t RETURNING id */",
        "CREATE USER tg_attacker",
        "GRANT ALL ON *.* TO tg_attacker IDENTIFIED BY 'x'",
        "FLUSH TABLES",
        "FLUSH TABLES WITH READ LOCK",
        "LOCK TABLES t WRITE",
        "HANDLER t OPEN",
        "HANDLER t READ FIRST",
        "PREPARE q FROM 'DROP TABLE t'",
        "EXECUTE IMMEDIATE 'DROP TABLE t'",
        "EXECUTE IMMEDIATE CONCAT('DELETE FROM ', 't')",
        "BEGIN NOT ATOMIC DELETE FROM t; END",
        "IF 1 THEN DELETE FROM t; END IF",
        "EXPLAIN FORMAT=JSON DELETE FROM t",
        "ANALYZE DELETE FROM t",
        "ANALYZE FORMAT=JSON DELETE FROM t",
        "ANALYZE UPDATE t SET name = 'analyzed'",
        "LOAD DATA INFILE '/etc/hostname' INTO TABLE t",
        "LOAD DATA LOCAL INFILE '/etc/hostname' INTO TABLE t",
        "KILL 1",
        "SHUTDOWN",
        "RESET QUERY CACHE",
        "INSTALL SONAME 'ha_example'",
        "SELECT id INTO @x FROM t LIMIT 1",
        "XA START 'x'",
        "SAVEPOINT a",
        "USE mysql",
        "BACKUP STAGE START",
        "OPTIMIZE TABLE t",
        "REPAIR TABLE t",
    ];
    for attack in attacks {
        let result = read(&engine, attack).await;
        assert_eq!(state(&mut fixture).await, before, "{attack} changed something: {result:?}");
        if !attack.starts_with("EXPLAIN") {
            assert!(result.is_err(), "{attack} ran: {}", json(&result.unwrap()));
        }
    }
    // Nor with a judge that calls everything harmless.
    for attack in attacks {
        let result = read_traceless(&engine, attack).await;
        assert_eq!(state(&mut fixture).await, before, "{attack} changed something without a trace: {result:?}");
    }
    let rows = read(&engine, "SELECT name FROM t ORDER BY id").await.unwrap();
    assert_eq!(json(&rows), "[\"one\"]\n[\"two\"]");
    assert_eq!(fixture.ask("SELECT DATABASE()").await, name);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_file_is_written() {
    let mut fixture = Fixture::new(SETUP).await;
    let engine = fixture.engine(|_| {});
    let folder = fixture.ask("SELECT @@datadir").await;
    for (index, way) in ["OUTFILE", "DUMPFILE"].iter().enumerate() {
        let file = format!("{folder}{}_{index}.txt", fixture.name);
        let error = read(&engine, &format!("SELECT id FROM t LIMIT 1 INTO {way} '{file}'")).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::ReadOnly, "{error:?}");
        // The server looks, not this process: it may live elsewhere.
        assert_eq!(fixture.ask(&format!("SELECT LOAD_FILE('{file}') IS NULL")).await, "1");
        let error = read(&engine, &format!("SELECT id INTO {way} '{file}' FROM t LIMIT 1")).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::ReadOnly, "{error:?}");
        assert_eq!(fixture.ask(&format!("SELECT LOAD_FILE('{file}') IS NULL")).await, "1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_leaves_nothing_for_the_next() {
    let mut fixture = Fixture::new(SETUP).await;
    let engine = fixture.engine(|config| config.pool.max = 1);
    let left = "SELECT COALESCE(@left, @x, 'nothing'), IS_USED_LOCK('tg_left') IS NULL, @@SESSION.tx_read_only, @@SESSION.autocommit, \
                @@SESSION.max_statement_time, DATABASE(), @@in_transaction";
    let clean = json(&read_traceless(&engine, left).await.unwrap());
    for trace in [
        "SELECT GET_LOCK('tg_left', 0)",
        "SELECT @x := 5",
        "SELECT leave_traces()",
        "SET @x = 1",
        "SET SESSION max_statement_time = 0",
        "SET autocommit = 0",
        "SET STATEMENT max_statement_time = 0 FOR SELECT 1",
        "USE mysql",
        "SELECT * FROM t FOR UPDATE",
        "LOCK TABLES t WRITE",
        "CREATE TEMPORARY TABLE secret_rows AS SELECT * FROM t",
        "SELECT LAST_INSERT_ID(77)",
    ] {
        let result = read(&engine, trace).await;
        assert_eq!(json(&read_traceless(&engine, left).await.unwrap()), clean, "{trace}: {result:?}");
        assert!(read_traceless(&engine, "SELECT * FROM secret_rows").await.is_err());
        assert_eq!(json(&read_traceless(&engine, "SELECT LAST_INSERT_ID()").await.unwrap()), "[0]");
        // No row or table lock outlives it either.
        fixture.run("SET STATEMENT innodb_lock_wait_timeout = 2, lock_wait_timeout = 2 FOR UPDATE t SET name = name").await;
    }
    engine.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_is_read_only_before_and_after_each_statement() {
    let fixture = Fixture::new(SETUP).await;
    let engine = fixture.engine(|config| config.pool.max = 1);
    let ids = "SELECT CONNECTION_ID()";
    let first = json(&read_traceless(&engine, ids).await.unwrap());
    assert_eq!(json(&read_traceless(&engine, "SELECT @@SESSION.tx_read_only").await.unwrap()), "[1]");
    assert_eq!(json(&read_traceless(&engine, ids).await.unwrap()), first, "a clean session is used again");
    read(&engine, "SELECT 1").await.unwrap();
    assert_ne!(json(&read_traceless(&engine, ids).await.unwrap()), first, "a session that may have kept a trace is not");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lexer_settings_of_the_server_do_not_reach_a_session() {
    let mut fixture = Fixture::new(SETUP).await;
    let engine = fixture.engine(|_| {});
    let modes = fixture.ask("SELECT @@GLOBAL.sql_mode").await;
    fixture.run("SET GLOBAL sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,STRICT_TRANS_TABLES'").await;
    let result = read(&engine, "SELECT @@SESSION.sql_mode, \"text\", 'it\\'s', @@character_set_client").await;
    fixture.run(&format!("SET GLOBAL sql_mode = '{modes}'")).await;
    assert_eq!(json(&result.unwrap()), r#"["STRICT_TRANS_TABLES","text","it's","utf8mb4"]"#);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_reads_is_not_refused() {
    let fixture = Fixture::new(SETUP).await;
    let engine = fixture.engine(|_| {});
    for harmless in [
        "SELECT 1",
        "(SELECT 1)",
        "  SELECT 1 /* a comment */ -- another",
        "SELECT 'INSERT INTO t; DROP TABLE t'",
        "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT * FROM n",
        "SELECT id, ROW_NUMBER() OVER (ORDER BY id) FROM t",
        "VALUES (1, 2), (3, 4)",
        "SHOW TABLES",
        "SHOW TABLES LIKE 't'",
        "SHOW TABLES LIKE 'nothing;here'",
        "SHOW DATABASES",
        "SHOW CREATE TABLE t",
        "SHOW COLUMNS FROM t",
        "SHOW INDEX FROM t",
        "SHOW VARIABLES LIKE 'version%'",
        "SHOW GLOBAL STATUS LIKE 'Uptime'",
        "SHOW PROCESSLIST",
        "SHOW GRANTS",
        "SHOW ENGINE INNODB STATUS",
        "SHOW ENGINES",
        "SHOW WARNINGS",
        "SHOW CREATE PROCEDURE p",
        "SHOW TRIGGERS",
        "SHOW TABLE STATUS",
        "SHOW COLLATION LIKE 'utf8mb4_bin'",
        "DESCRIBE t",
        "DESC t",
        "EXPLAIN SELECT * FROM t",
        "EXPLAIN FORMAT=JSON SELECT * FROM t WHERE id = 1",
        "EXPLAIN EXTENDED SELECT * FROM t",
        "ANALYZE SELECT * FROM t",
        "ANALYZE FORMAT=JSON SELECT * FROM t",
        "CHECKSUM TABLE t",
        "SELECT * FROM t LIMIT 0",
        "SELECT NULL",
        "SELECT * FROM t LOCK IN SHARE MODE",
        "HELP 'SELECT'",
        "TABLE_NAME",
    ] {
        let result = read(&engine, harmless).await;
        if harmless == "TABLE_NAME" {
            assert_eq!(result.unwrap_err().kind, ErrorKind::Syntax);
        } else {
            assert!(result.is_ok(), "{harmless}: {result:?}");
            // Its columns are not announced, and it has no row to tell them.
            assert!(harmless == "SHOW WARNINGS" || !result.unwrap().columns().is_empty(), "{harmless} has no columns");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_read_only_has_no_writing_run() {
    let mut fixture = Fixture::new(SETUP).await;
    let engine = fixture.engine(|_| {});
    let before = state(&mut fixture).await;
    let statements = vec![(claimed("DELETE FROM t", StatementKind::Write, false), Vec::new())];
    let failed = engine.write(&super::call(), statements, &super::options()).await.unwrap_err();
    assert_eq!(failed.error.kind, ErrorKind::ReadOnly);
    assert_eq!(state(&mut fixture).await, before);
}
