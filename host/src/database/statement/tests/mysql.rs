//! What must not run as a reading statement of MySQL, MariaDB or TiDB.

use super::StatementKind::Admin;
use super::StatementKind::Forbidden;
use super::StatementKind::Transaction;
use super::StatementKind::Write;
use super::all_are;
use super::none_pass;
use crate::config::EngineKind::MySql;

#[test]
fn statements_that_change_rows_or_variables_write() {
    all_are(
        MySql,
        Write,
        &[
            "INSERT INTO t VALUES (1)",
            "REPLACE INTO t VALUES (1)",
            "UPDATE t SET a = 1",
            "DELETE t FROM t JOIN s ON t.id = s.id",
            "CALL p()",
            "# SELECT\nDELETE FROM t",
            "-- SELECT\nDELETE FROM t",
            "WITH a AS (SELECT 1) DELETE FROM t",
            "WITH a AS (SELECT 1) UPDATE t SET x = 1",
            "SELECT 1 INTO @x",
            "SELECT 1 FROM t INTO @a, @b",
            "SELECT 1.INTO @x",
            "SELECT \\NINTO @x",
            "(SELECT 1) LIMIT 1 INTO @x",
            "SELECT @x := 1",
            "SELECT 1 --1 INTO @x",
            "SELECT * FROM t FOR UPDATE",
            "SELECT * FROM t FOR SHARE OF t SKIP LOCKED",
            "SELECT * FROM t LOCK IN SHARE MODE",
            "SELECT * FROM t PROCEDURE ANALYSE()",
            "SELECT NEXTVAL(s)",
            "SELECT NEXT VALUE FOR s",
            "SELECT NEXT/**/VALUE/**/FOR s",
            "SELECT SETVAL(s, 5)",
            "SELECT last_insert_id(42)",
            "EXPLAIN SELECT @x := 1",
            "EXPLAIN ANALYZE DELETE FROM t",
            "EXPLAIN ANALYZE FORMAT=TREE UPDATE t SET a = 1",
            "ANALYZE DELETE FROM t",
            "ANALYZE FORMAT=JSON UPDATE t SET a = 1",
            "DESC ANALYZE DELETE FROM t",
            "TRACE DELETE FROM t",
        ],
    );
}

#[test]
fn statements_that_change_schema_rights_or_settings_are_for_administration() {
    all_are(
        MySql,
        Admin,
        &[
            "CREATE TABLE t (a int)",
            "CREATE TABLE t SELECT 1",
            "ALTER TABLE t ADD b int",
            "DROP DATABASE d",
            "TRUNCATE t",
            "RENAME TABLE a TO b",
            "GRANT ALL ON *.* TO root@localhost",
            "REVOKE ALL ON *.* FROM x",
            "CREATE USER x IDENTIFIED BY 'y'",
            "SET GLOBAL max_connections = 1",
            "SET @x = 1",
            "SET PASSWORD = 'x'",
            "ANALYZE TABLE t",
            "OPTIMIZE TABLE t",
            "FLUSH PRIVILEGES",
            "CREATE TRIGGER r BEFORE INSERT ON t FOR EACH ROW BEGIN IF NEW.a THEN SET NEW.b = 1; END IF; END",
            "CREATE PROCEDURE p() lbl: BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN END; SELECT CASE WHEN 1 THEN 2 END; END lbl",
            "CREATE PROCEDURE p() BEGIN WHILE 1 DO BEGIN SELECT 1; END; END WHILE; CASE a WHEN 1 THEN SELECT 1; END CASE; END",
        ],
    );
}

#[test]
fn transactions_are_not_begun_or_ended_by_statements() {
    all_are(
        MySql,
        Transaction,
        &[
            "BEGIN",
            "START TRANSACTION",
            "COMMIT",
            "ROLLBACK",
            "SAVEPOINT a",
            "RELEASE SAVEPOINT a",
            "XA START 'x'",
            "SET TRANSACTION READ WRITE",
            "SET SESSION TRANSACTION READ WRITE",
        ],
    );
}

#[test]
fn what_reaches_past_the_session_is_forbidden() {
    all_are(
        MySql,
        Forbidden,
        &[
            "SELECT * FROM t INTO OUTFILE '/tmp/x'",
            "SELECT 1 INTO DUMPFILE '/tmp/x'",
            "SELECT 1 INTO/**/OUTFILE '/tmp/x'",
            "SELECT 1 INTO # x\n OUTFILE '/tmp/x'",
            "(SELECT 1 INTO OUTFILE '/tmp/x')",
            "TABLE t INTO OUTFILE '/tmp/x'",
            "SELECT \"a\" INTO OUTFILE '/tmp/x'",
            "SELECT 1 UNION SELECT 2 INTO OUTFILE '/tmp/x'",
            "SELECT LOAD_FILE('/etc/passwd')",
            "SELECT `load_file` ('/etc/passwd')",
            "SELECT GET_LOCK('a', 1)",
            "SELECT RELEASE_LOCK('a')",
            "SELECT RELEASE_ALL_LOCKS()",
            "EXPLAIN SELECT * FROM (SELECT GET_LOCK('a', 1)) x",
            "SELECT MASTER_POS_WAIT('a', 1)",
            "SELECT WAIT_FOR_EXECUTED_GTID_SET('a')",
            "SELECT sys_exec('sh')",
            "SHOW TABLES WHERE sys_eval('id')",
            "LOAD DATA INFILE '/x' INTO TABLE t",
            "LOAD DATA LOCAL INFILE '/x' INTO TABLE t",
            "LOAD XML INFILE '/x' INTO TABLE t",
            "HANDLER t OPEN",
            "HANDLER t READ FIRST",
            "DO SLEEP(1)",
            "DO RELEASE_LOCK('a')",
            "PREPARE s FROM 'DELETE FROM t'",
            "EXECUTE s",
            "EXECUTE IMMEDIATE 'DELETE FROM t'",
            "DEALLOCATE PREPARE s",
            "DROP PREPARE s",
            "SET STATEMENT max_statement_time = 0 FOR SELECT 1",
            "SET sql_mode = 'NO_BACKSLASH_ESCAPES'",
            "SET @@session.sql_mode = 'ANSI_QUOTES'",
            "SET @a = 1, sql_mode = ''",
            "SET NAMES gbk",
            "SET CHARACTER SET gbk",
            "SET autocommit = 0",
            "SET ROLE admin",
            "KILL 1",
            "SHUTDOWN",
            "INSTALL PLUGIN x SONAME 'y'",
            "UNINSTALL PLUGIN x",
            "USE mysql",
            "LOCK TABLES t WRITE",
            "UNLOCK TABLES",
            "FLUSH TABLES WITH READ LOCK",
            "BEGIN NOT ATOMIC DELETE FROM t",
            "DELIMITER //",
            "START SLAVE",
            "STOP REPLICA",
            "CHANGE MASTER TO MASTER_HOST = 'x'",
            "RESET MASTER",
            "PURGE BINARY LOGS TO 'x'",
            "BINLOG 'x'",
            "CLONE LOCAL DATA DIRECTORY '/x'",
            "BACKUP DATABASE * TO 'local:///x'",
            "SIGNAL SQLSTATE '45000'",
        ],
    );
}

#[test]
fn what_is_not_one_statement_or_runs_in_a_comment_does_not_pass() {
    none_pass(
        MySql,
        &[
            "",
            "# only a comment",
            "-- only a comment",
            "SELECT 1; DELETE FROM t",
            "SELECT 'a\\''; DELETE FROM t",
            "SELECT \"a\\\"\"; DELETE FROM t",
            "SELECT `;`; DELETE FROM t",
            "SELECT 1--; DELETE FROM t",
            "SELECT 1 --\t; x\n; DELETE FROM t",
            "SELECT 1 # ; x\n; DELETE FROM t",
            "SELECT 1 # x\r\n; DELETE FROM t",
            "SELECT /* /* */ ; DELETE FROM t",
            "SELECT 1 /*! INTO OUTFILE '/x' */",
            "/*!50000 DELETE FROM t */",
            "/*M! DELETE FROM t */",
            "/*M!100000 DELETE FROM t */",
            "/*T! DELETE FROM t */",
            "/*T![x] DELETE FROM t */",
            "SELECT /*+ SET_VAR(sql_mode = '') */ 1",
            "SELECT /*+ MAX_EXECUTION_TIME(0) */ 1",
            "SELECT 1\0",
            "SELECT 'open",
            "SELECT 'open\\'",
            "SELECT \"open",
            "SELECT `open",
            "SELECT 1 /* open",
            "SELEC 1",
            "PRAGMA table_info(t)",
            "CREATE PROCEDURE p() BEGIN SELECT 1; END; DROP TABLE t",
            "CREATE PROCEDURE p() BEGIN SELECT 1; END x; DROP TABLE t",
            "CREATE PROCEDURE p() BEGIN SELECT begin; END; DROP TABLE t; END",
            "CREATE PROCEDURE p() IF 1 THEN SELECT 1; END IF",
        ],
    );
}
