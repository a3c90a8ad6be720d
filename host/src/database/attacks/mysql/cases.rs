//! What MariaDB is attacked with, and what it must not refuse.

use super::super::Case;
use super::super::answers;
use super::super::contained;
use super::super::refused;
use super::super::runs;
use crate::database::error::ErrorKind::MultipleStatements;
use crate::database::error::ErrorKind::ReadOnly;
use crate::database::error::ErrorKind::Refused;
use crate::database::error::ErrorKind::Syntax;

/// Tables, and routines and views that do more than the text of a query shows.
pub(super) const SETUP: &[&str] = &[
    "CREATE TABLE items (id INT PRIMARY KEY, label VARCHAR(40), price DECIMAL(10, 2)) ENGINE=InnoDB",
    "INSERT INTO items SELECT seq, CONCAT('item ', seq), seq * 1.5 FROM seq_1_to_20",
    "CREATE TABLE `größe` (`maß` INT, `delete` VARCHAR(20))",
    "INSERT INTO `größe` VALUES (7, 'kept')",
    "CREATE SEQUENCE numbers",
    "CREATE FUNCTION double_it(n INT) RETURNS INT DETERMINISTIC NO SQL RETURN n * 2",
    "CREATE FUNCTION take(n INT) RETURNS INT MODIFIES SQL DATA BEGIN INSERT INTO items VALUES (n, 'taken', 0); RETURN n; END",
    "CREATE FUNCTION `Take It`() RETURNS INT MODIFIES SQL DATA BEGIN DELETE FROM items; RETURN 1; END",
    "CREATE FUNCTION mark(n INT) RETURNS INT NO SQL BEGIN SET @mark = n; RETURN GET_LOCK('{db}', 0); END",
    "CREATE FUNCTION first(n INT) RETURNS INT NO SQL BEGIN SET @mark = n; RETURN GET_LOCK('{db}', 0); END",
    "CREATE FUNCTION any_value(n INT) RETURNS INT NO SQL BEGIN SET @mark = n; RETURN n; END",
    "CREATE PROCEDURE empty_all() DELETE FROM items",
    "CREATE VIEW prices AS SELECT label, price FROM items",
    "CREATE VIEW marking AS SELECT mark(id) AS n FROM items WHERE id < 3",
    "CREATE VIEW over_marking AS SELECT n FROM marking",
    "CREATE VIEW taking AS SELECT take(99) AS n",
];

/// Name and query of everything that an attack could change.
pub(super) const FACTS: &[(&str, &str)] = &[
    ("data", "CHECKSUM TABLE {db}.items, {db}.`größe` EXTENDED"),
    ("sequence", "SELECT * FROM {db}.numbers"),
    (
        "schema",
        "SELECT 'table', TABLE_NAME, TABLE_TYPE, ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{db}' \
         UNION ALL SELECT 'column', TABLE_NAME, COLUMN_NAME, COLUMN_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = '{db}' \
         UNION ALL SELECT 'routine', ROUTINE_NAME, MD5(ROUTINE_DEFINITION), LAST_ALTERED FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = '{db}' \
         UNION ALL SELECT 'trigger', TRIGGER_NAME, EVENT_OBJECT_TABLE, MD5(ACTION_STATEMENT) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = '{db}' \
         UNION ALL SELECT 'event', EVENT_NAME, STATUS, MD5(EVENT_DEFINITION) FROM information_schema.EVENTS WHERE EVENT_SCHEMA = '{db}' \
         UNION ALL SELECT 'view', TABLE_NAME, MD5(VIEW_DEFINITION), DEFINER FROM information_schema.VIEWS WHERE TABLE_SCHEMA = '{db}'",
    ),
    ("databases", "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME LIKE '{db}\\_%' OR SCHEMA_NAME = '{db}'"),
    (
        "users",
        "SELECT User, Host, Priv FROM mysql.global_priv WHERE User LIKE '{db}\\_%' \
         UNION ALL SELECT User, Db, CONCAT(Select_priv, Insert_priv, Delete_priv) FROM mysql.db WHERE Db = '{db}'",
    ),
    ("locks", "SELECT IS_USED_LOCK('{db}') IS NOT NULL"),
    (
        "open transactions",
        "SELECT COUNT(*) FROM information_schema.INNODB_TRX x JOIN information_schema.PROCESSLIST p ON p.ID = x.trx_mysql_thread_id \
         WHERE p.DB = '{db}' AND p.ID <> CONNECTION_ID()",
    ),
    ("file", "SELECT LOAD_FILE('{file}') IS NULL"),
    ("server", "SELECT @@GLOBAL.init_connect, @@GLOBAL.event_scheduler, @@GLOBAL.general_log, @@GLOBAL.read_only, @@GLOBAL.secure_auth"),
];

/// The cases.
#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    // Rows.
    refused("an insert by names", "INSERT items SET id = 99, label = 'x'", ReadOnly).harms("data"),
    refused("an insert from a query", "INSERT IGNORE INTO items SELECT id + 100, label, price FROM items", ReadOnly).harms("data"),
    refused("a replacement", "REPLACE DELAYED items VALUES (1, 'x', 0)", ReadOnly),
    refused("a replacement that returns", "REPLACE items VALUES (1, 'x', 0) RETURNING label", ReadOnly).harms("data"),
    refused("an update of two tables", "UPDATE LOW_PRIORITY items, `größe` SET price = 0, `maß` = 8", ReadOnly).harms("data"),
    refused("a delete with a sign", "DELETE QUICK FROM items WHERE id > 3 ORDER BY id LIMIT 2", ReadOnly).harms("data"),
    refused("a delete behind comments of each kind", "-- SELECT\n# SELECT\n/* SELECT */ DELETE FROM items", ReadOnly).harms("data"),
    refused("a delete that is measured", "ANALYZE FORMAT=JSON DELETE FROM items WHERE id = 1", ReadOnly).harms("data"),
    refused("a truncate", "TRUNCATE TABLE items", ReadOnly).harms("data"),
    refused("a procedure", "CALL empty_all", ReadOnly).harms("data"),
    refused("a function that inserts", "SELECT take(99)", ReadOnly).harms("data"),
    refused("a function with a quoted name that deletes", "SELECT `Take It`()", ReadOnly).harms("data"),
    refused("a function that inserts, to sort by", "SELECT label FROM items WHERE id = 1 ORDER BY take(98)", ReadOnly),
    refused("a view that inserts", "SELECT n FROM taking", ReadOnly).harms("data"),
    refused("a block", "BEGIN NOT ATOMIC DELETE FROM items; END", MultipleStatements).harms("data"),
    refused("a statement as text", "EXECUTE IMMEDIATE 'DELETE FROM items'", Refused).harms("data"),
    refused("an expression that is only done", "DO take(97)", Refused).harms("data"),
    refused("settings for a delete", "SET STATEMENT max_statement_time = 1 FOR DELETE FROM items", Refused).harms("data"),
    // Sequences.
    refused("the next value, in the words of the standard", "SELECT NEXT  VALUE/**/FOR numbers", ReadOnly).harms("sequence"),
    refused("the next value among values", "VALUES (NEXTVAL(numbers)), (1)", ReadOnly).harms("sequence"),
    refused("a value set", "SELECT 1 + SETVAL(numbers, 500)", ReadOnly).harms("sequence"),
    // The session.
    refused("a variable by assignment", "SELECT @mark := id FROM items LIMIT 1", ReadOnly).harms("session"),
    refused("a variable by assignment, further in", "SELECT 1 FROM (SELECT (@mark:=3)) AS q", ReadOnly).harms("session"),
    refused("a variable by into", "SELECT label INTO @mark FROM items LIMIT 1", ReadOnly).harms("session"),
    refused("a variable by into, without space", "SELECT 1.5INTO @mark", ReadOnly),
    refused("a variable by set", "SET @mark = 1, @other := 2", ReadOnly).harms("session"),
    refused("a mode of the lexer", "SET @@SESSION.sql_mode := 'ANSI_QUOTES'", Refused).harms("session"),
    refused("a mode of the lexer, among others", "SET @x = 1, sql_mode = CONCAT(@@sql_mode, ',NO_BACKSLASH_ESCAPES')", Refused).harms("session"),
    refused("the session's right to write", "SET tx_read_only = OFF", Refused),
    refused("a limit", "SET SESSION max_statement_time = 0", Refused),
    refused("a time zone", "SET time_zone = '+05:00'", ReadOnly).harms("session"),
    refused("a character set", "SET NAMES latin1 COLLATE latin1_bin", Refused).harms("session"),
    refused("a hint that sets", "SELECT /*+ SET_VAR(sql_mode='ANSI_QUOTES') */ 1", Refused),
    refused("an identity that is set", "SELECT LAST_INSERT_ID(5)", ReadOnly).harms("session"),
    refused("another database", "USE mysql", Refused),
    refused("a prepared statement", "PREPARE taken FROM 'SELECT 1'", Refused),
    contained("a function that marks the session", "SELECT mark(1)").harms("session"),
    contained("a function called as a keyword that marks the session", "SELECT first(1)").harms("session"),
    contained("a function called as one of another server", "SELECT any_value(4)").harms("session"),
    contained("a view that marks the session", "SELECT n FROM marking").harms("session"),
    contained("a view over a view that takes a lock", "SELECT * FROM over_marking").harms("locks"),
    contained("an explanation of a delete", "EXPLAIN DELETE FROM items WHERE id = 1"),
    // Locks and transactions.
    refused("a lock by name", "SELECT IF(1, GET_LOCK('{db}', 0), 2)", Refused).harms("locks"),
    refused("a lock in a list", "SELECT id FROM items WHERE id IN (SELECT GET_LOCK('{db}', 0))", Refused).harms("locks"),
    refused("all locks", "SELECT RELEASE_ALL_LOCKS()", Refused),
    refused("row locks", "SELECT id FROM items WHERE id = 1 FOR UPDATE NOWAIT", ReadOnly),
    refused("row locks in another way", "(SELECT id FROM items LIMIT 1) LOCK IN SHARE MODE", ReadOnly),
    refused("table locks", "LOCK TABLE items READ LOCAL", Refused),
    refused("a table opened past the parser", "HANDLER items OPEN AS h", Refused),
    refused("everything locked", "FLUSH NO_WRITE_TO_BINLOG TABLES items WITH READ LOCK", Refused),
    refused("a transaction", "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ WRITE", Refused),
    refused("a distributed transaction", "XA BEGIN 'taken'", Refused),
    refused("an end that goes on", "COMMIT WORK AND CHAIN NO RELEASE", Refused),
    // Schema and rights.
    refused("a table put in the place of another", "CREATE OR REPLACE TABLE `größe` (a INT) AS SELECT 1 AS a", ReadOnly).harms("schema"),
    refused("a table of the session", "CREATE TEMPORARY TABLE taken SELECT * FROM items", ReadOnly),
    refused("a column", "ALTER TABLE items ADD COLUMN taken INT", ReadOnly).harms("schema"),
    refused("a trigger", "CREATE TRIGGER taken BEFORE INSERT ON items FOR EACH ROW SET NEW.price = 0", ReadOnly).harms("schema"),
    refused("an event", "CREATE EVENT taken ON SCHEDULE EVERY 1 HOUR DO DELETE FROM items", ReadOnly).harms("schema"),
    refused("a new name", "RENAME TABLE items TO taken", ReadOnly).harms("schema"),
    refused("a user", "CREATE USER {db}_evil IDENTIFIED BY 'x'", ReadOnly).harms("users"),
    refused("a right", "GRANT SELECT ON {db}.* TO {db}_evil IDENTIFIED BY 'x'", ReadOnly).harms("users"),
    refused("a table repaired", "REPAIR NO_WRITE_TO_BINLOG TABLE items QUICK", ReadOnly),
    refused("a procedure of the optimizer", "SELECT * FROM items PROCEDURE ANALYSE(1, 1)", ReadOnly),
    // Files and the server.
    refused("rows to a file", "SELECT label FROM items INTO OUTFILE '{file}' FIELDS TERMINATED BY ','", Refused).harms("file"),
    refused("a row to a file, beside a comment", "SELECT label INTO/**/DUMPFILE '{file}' FROM items LIMIT 1", Refused).harms("file"),
    refused("rows of a union to a file", "(SELECT 1) UNION (SELECT 2) INTO OUTFILE '{file}'", Refused).harms("file"),
    refused("a file in a common table expression", "WITH f AS (SELECT LOAD_FILE('/etc/hostname') AS c) SELECT c FROM f", Refused),
    refused("rows from a file", "LOAD DATA LOCAL INFILE '/etc/hostname' REPLACE INTO TABLE items", Refused),
    refused("the end of another session", "KILL HARD QUERY 1", Refused),
    refused("the end", "SHUTDOWN WAIT FOR ALL SLAVES", Refused),
    refused("a library", "INSTALL PLUGIN taken SONAME 'ha_example.so'", Refused),
    refused("a setting of the server", "SET GLOBAL init_connect = ''", ReadOnly),
    // Comments that run, and more than one statement.
    refused("a comment that runs", "SELECT 1 /*!99999 , 2 */", Refused),
    refused("a comment that runs here only", "SELECT /*M!50000 1, */ 2", Refused),
    refused("a comment that writes a file", "SELECT label /*!INTO OUTFILE '{file}'*/ FROM items", Refused),
    refused("a second statement", "SELECT 1; DELETE FROM items", MultipleStatements).harms("data"),
    refused("a second statement behind two backslashes", "SELECT 'a\\\\'; DELETE FROM items; -- '", MultipleStatements).harms("data"),
    refused("a second statement behind a doubled quote", "SELECT \"a\"\"\"; DELETE FROM items; -- \"", MultipleStatements).harms("data"),
    refused("a second statement behind a quoted name", "SELECT 1 AS `'`; DELETE FROM items; -- '", MultipleStatements).harms("data"),
    refused("a second statement behind what is no comment", "SELECT 5--1; DELETE FROM items", MultipleStatements).harms("data"),
    refused("a second statement behind a comment in a comment", "SELECT /* /* */ 1; DELETE FROM items", MultipleStatements).harms("data"),
    refused("a zero byte", "SELECT 1\0, 2", Refused),
    refused("a space that is none", "DELETE\u{a0}FROM items", Syntax),

    // Nothing of this may be refused.
    answers("keywords in strings", "SELECT 'DELETE; DROP', \"UPDATE; --\"", &[r#"["DELETE; DROP","UPDATE; --"]"#]),
    answers("quotes behind backslashes", "SELECT 'it\\'s; INSERT', \"a\\\"b\"", &[r#"["it's; INSERT","a\"b"]"#]),
    answers("a comment that runs, in a string", "SELECT '/*! DELETE */', '/*+ SET_VAR(x) */'", &[r#"["/*! DELETE */","/*+ SET_VAR(x) */"]"#]),
    answers("keywords in comments", "SELECT /* DELETE; */ 1 -- ; DROP\n # ; TRUNCATE", &["[1]"]),
    answers("names that are keywords", "SELECT `delete`, g.`delete` AS `insert` FROM `größe` AS g", &[r#"["kept","kept"]"#]),
    answers("names in another script", "SELECT maß AS 大きさ FROM größe", &["[7]"]),
    answers("minus a minus", "SELECT 5--1, 5 - -1", &["[6,6]"]),
    answers("a query with a name", "WITH q AS (SELECT 1 AS a), r(b) AS (SELECT a + 1 FROM q) SELECT b FROM r", &["[2]"]),
    answers("a recursive query", "WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 4) SELECT MAX(i) FROM n", &["[4]"]),
    answers("a window", "SELECT id, ROW_NUMBER() OVER (ORDER BY id DESC) FROM items ORDER BY id LIMIT 1", &["[1,20]"]),
    answers("functions called as statements", "SELECT REPLACE('DROP it', 'DROP', 'keep'), INSERT('abc', 1, 1, 'x'), TRUNCATE(1.55, 1)", &[r#"["keep it","xbc","1.5"]"#]),
    answers("values", "VALUES (1, 'a'), (2, 'b')", &[r#"[1,"a"]"#, r#"[2,"b"]"#]),
    answers("semicolons at the end", ";SELECT 1 ; ; # done", &["[1]"]),
    answers("parentheses at the start", "((SELECT 1) UNION ALL (SELECT 2)) ORDER BY 1 DESC", &["[2]", "[1]"]),
    answers("a write as a value", "SELECT CONCAT(?, '')", &[r#"["'; DROP TABLE items; -- "]"#]).with(&["'; DROP TABLE items; -- "]),
    answers("lists in order", "SELECT GROUP_CONCAT(id ORDER BY id DESC SEPARATOR ';') FROM items WHERE id < 4", &[r#"["3;2;1"]"#]),
    answers("the last value of a sequence", "SELECT LASTVAL(numbers), PREVIOUS VALUE FOR numbers", &["[null,null]"]),
    answers("the state of a sequence", "SELECT next_not_cached_value FROM numbers", &["[1]"]),
    answers("a function of a user", "SELECT double_it(4), {db}.double_it(5)", &["[8,10]"]),
    answers("a view", "SELECT COUNT(*) FROM prices", &["[20]"]),
    answers("variables that are only read", "SELECT @mark IS NULL, @@SESSION.tx_read_only, @@tx_isolation = 'x'", &["[1,1,0]"]),
    runs("tables", "SHOW FULL TABLES WHERE Table_type <> 'DROP'"),
    runs("how a table was made", "SHOW CREATE TABLE items"),
    runs("settings", "SHOW SESSION VARIABLES LIKE 'sql\\_%'"),
    runs("the columns of a table", "DESCRIBE items label"),
    runs("an explanation", "EXPLAIN FORMAT=JSON SELECT * FROM items"),
    runs("an explanation by columns", "EXPLAIN EXTENDED SELECT label FROM items WHERE id IN (SELECT 1)"),
    runs("a measured query", "ANALYZE SELECT COUNT(*) FROM items"),
    runs("a digest of a table", "CHECKSUM TABLE items"),
    runs("json as a table", "SELECT * FROM JSON_TABLE('[1, 2]', '$[*]' COLUMNS (a INT PATH '$')) AS j"),
    runs("dates", "SELECT DATE_ADD(NOW(), INTERVAL 1 DAY), EXTRACT(YEAR FROM CURDATE()), UNIX_TIMESTAMP()"),
    runs("an index to use", "SELECT * FROM items USE INDEX FOR ORDER BY (PRIMARY) ORDER BY id"),
    runs("the standard's catalog", "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_COMMENT <> 'update'"),
    runs("a case by case", "SELECT CASE id WHEN 1 THEN 'insert' ELSE NULL END AS `end` FROM items GROUP BY id WITH ROLLUP"),
    answers("introducers", "SELECT _utf8mb4'x' COLLATE utf8mb4_bin = 'x', 0x41 = 'A', N'y'", &[r#"[1,1,"y"]"#]),
    answers("lists of lists", "SELECT (1, 2) IN ((1, 2)), EXISTS (SELECT 1 FROM items), 3 <=> NULL", &["[1,1,0]"]),
    answers("in upper and lower case", "sElEcT 1 fRoM dUaL", &["[1]"]),
    runs("a hint for the plan", "SELECT /*+ NO_INDEX_MERGE(items) */ STRAIGHT_JOIN SQL_NO_CACHE id FROM items"),
    answers("text joined", "SELECT CONCAT_WS(';', 'set', NULL, 'lock')", &[r#"["set;lock"]"#]),
    answers("a union in parentheses", "(SELECT 1 LIMIT 1) UNION (SELECT 2) ORDER BY 1 LIMIT 1", &["[1]"]),
    answers("a natural join", "SELECT COUNT(*) FROM items AS a NATURAL JOIN items AS b", &["[20]"]),
    runs("rows without a table", "SELECT SQL_CALC_FOUND_ROWS id FROM items LIMIT 1"),
];
