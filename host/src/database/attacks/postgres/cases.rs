//! What PostgreSQL is attacked with, and what it must not refuse.

use super::super::Case;
use super::super::answers;
use super::super::contained;
use super::super::refused;
use super::super::runs;
use crate::database::error::ErrorKind::MultipleStatements;
use crate::database::error::ErrorKind::ReadOnly;
use crate::database::error::ErrorKind::Refused;
use crate::database::error::ErrorKind::Syntax;

/// Tables, and routines and views that do more than the text of a query shows. `{url}` leads a routine back to its database,
/// or, in a copy of the database, to the copy.
pub(super) const SETUP: &str = r#"
CREATE EXTENSION dblink;
CREATE TABLE items (id int PRIMARY KEY, label text, price numeric);
INSERT INTO items SELECT i, 'item ' || i, i * 1.5 FROM generate_series(1, 20) i;
CREATE TABLE "größe" (maß int, "delete" text);
INSERT INTO "größe" VALUES (7, 'kept');
CREATE SCHEMA hidden;
CREATE TABLE hidden.secrets (v text);
INSERT INTO hidden.secrets VALUES ('s');
CREATE SEQUENCE numbers;
SELECT nextval('numbers'), lo_from_bytea(4711, 'large');

CREATE FUNCTION double_it(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n * 2';
CREATE FUNCTION "Double It"(n int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT n * 2';
CREATE FUNCTION take_number() RETURNS bigint LANGUAGE sql AS $$ SELECT nextval('numbers') $$;
CREATE FUNCTION "Take Number"() RETURNS bigint LANGUAGE sql AS $$ SELECT nextval('numbers') $$;
CREATE FUNCTION empty_items() RETURNS bigint LANGUAGE sql AS $$ DELETE FROM items; SELECT 1::bigint $$;
CREATE PROCEDURE empty_all() LANGUAGE sql AS $$ DELETE FROM items $$;
CREATE FUNCTION "Call Home"() RETURNS text LANGUAGE sql AS $$ SELECT dblink_exec(replace('{url}', '{db}', current_database()), 'DELETE FROM items') $$;
CREATE FUNCTION "hidden.Home"() RETURNS text LANGUAGE sql AS $$ SELECT dblink_exec(replace('{url}', '{db}', current_database()), 'DELETE FROM items') $$;

CREATE FUNCTION mark(n int) RETURNS int LANGUAGE plpgsql AS
  $$ BEGIN PERFORM set_config('tidegate.mark', 'set', false), pg_advisory_lock(n); RETURN n; END $$;
CREATE FUNCTION first(n int) RETURNS int LANGUAGE sql AS 'SELECT mark(n)';
CREATE FUNCTION abs(n text) RETURNS int LANGUAGE sql AS 'SELECT mark(1)';
CREATE FUNCTION array_reverse(n text) RETURNS int LANGUAGE sql AS 'SELECT mark(1)';
CREATE FUNCTION stamp(i items) RETURNS int LANGUAGE sql AS 'SELECT mark(i.id)';
CREATE FUNCTION a_function_with_a_name_that_is_as_long_as_names_may_be_in_here_(n int) RETURNS int LANGUAGE sql AS 'SELECT mark(n)';
CREATE FUNCTION mark_step(s int, n int) RETURNS int LANGUAGE sql AS 'SELECT mark(n)';
CREATE AGGREGATE gather(int) (SFUNC = mark_step, STYPE = int, INITCOND = '0');
CREATE FUNCTION mark_both(a int, b text) RETURNS int LANGUAGE sql AS 'SELECT mark(a)';
CREATE OPERATOR + (LEFTARG = int, RIGHTARG = text, FUNCTION = mark_both);

CREATE VIEW prices AS SELECT label, price FROM items;
CREATE VIEW numbering AS SELECT nextval('numbers') AS n;
CREATE VIEW marking AS SELECT mark(id) AS n FROM items WHERE id < 3;
CREATE VIEW over_marking AS SELECT * FROM marking;
CREATE VIEW "Over.Marking" AS SELECT * FROM marking;
CREATE VIEW loosening AS SELECT set_config('default_transaction_read_only', 'off', false) AS s;
CREATE VIEW emptying AS SELECT empty_items() AS n;
CREATE VIEW moving AS SELECT set_config('search_path', 'hidden', false) AS s;

CREATE TABLE guarded (a int);
INSERT INTO guarded VALUES (1);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
ALTER TABLE guarded FORCE ROW LEVEL SECURITY;
CREATE POLICY marks ON guarded USING (mark(a) > 0);

GRANT USAGE ON SCHEMA public TO {db}_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO {db}_reader;
GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO {db}_reader;
"#;

/// Name and lines of everything that an attack could change.
pub(super) const FACTS: &str = r#"
SELECT 'data', string_agg(format('%s.%s %s', n.nspname, c.relname, query_to_xml(
    format('SELECT md5(string_agg(ROW(r.*)::text, chr(10) ORDER BY ROW(r.*)::text)) AS d FROM %I.%I r', n.nspname, c.relname), true, true, '')),
    chr(10) ORDER BY n.nspname, c.relname)
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'S', 'm', 'p') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
UNION ALL
SELECT 'schema', string_agg(l, chr(10) ORDER BY l) FROM (
  SELECT format('relation %s %s %s %s %s', relnamespace, relname, relkind, relpersistence, relacl) FROM pg_class
    WHERE oid >= 16384 AND relpersistence <> 't'
  UNION ALL SELECT format('column %s %s %s', attrelid, attname, atttypid) FROM pg_attribute
    JOIN pg_class ON pg_class.oid = attrelid WHERE attrelid >= 16384 AND attnum > 0 AND relpersistence <> 't'
  UNION ALL SELECT format('function %s %s %s %s', oid, proname, provolatile, md5(coalesce(prosrc, ''))) FROM pg_proc WHERE oid >= 16384
  UNION ALL SELECT format('schema %s %s', nspname, nspacl) FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp'
  UNION ALL SELECT format('rule %s %s', ev_class, md5(ev_action::text)) FROM pg_rewrite WHERE oid >= 16384
  UNION ALL SELECT format('trigger %s %s', tgrelid, tgname) FROM pg_trigger
  UNION ALL SELECT format('extension %s', extname) FROM pg_extension
  UNION ALL SELECT format('policy %s', polname) FROM pg_policy
  UNION ALL SELECT format('publication %s', pubname) FROM pg_publication
  UNION ALL SELECT format('event trigger %s', evtname) FROM pg_event_trigger
  UNION ALL SELECT format('comment %s %s', objoid, description) FROM pg_description WHERE objoid >= 16384
  UNION ALL SELECT format('default right %s', defaclacl) FROM pg_default_acl
  UNION ALL SELECT format('collations %s', count(*)) FROM pg_collation
  UNION ALL SELECT format('statistics %s', count(*)) FROM pg_statistic WHERE starelid >= 16384
  UNION ALL SELECT format('setting %s', setconfig) FROM pg_db_role_setting
    WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
) AS lines(l)
UNION ALL
SELECT 'roles', string_agg(format('%s %s %s %s', rolname, rolsuper, rolcreatedb, rolconfig), chr(10) ORDER BY rolname)
  FROM pg_roles WHERE rolname LIKE '{db}\_%'
UNION ALL
SELECT 'databases', string_agg(datname || datallowconn, chr(10) ORDER BY datname) FROM pg_database WHERE datname LIKE '{db}\_%' OR datname = '{db}'
UNION ALL
SELECT 'large objects', (SELECT count(*)::text FROM pg_largeobject_metadata) || ' ' ||
  (SELECT md5(string_agg(md5(data), '' ORDER BY loid, pageno)) FROM pg_largeobject)
UNION ALL
SELECT 'prepared transactions', count(*)::text FROM pg_prepared_xacts WHERE database = current_database()
UNION ALL
SELECT 'slots', count(*)::text FROM pg_replication_slots WHERE slot_name LIKE '{db}\_%' OR slot_name = '{db}'
UNION ALL
SELECT 'locks', count(*)::text FROM pg_locks
  WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND pid <> pg_backend_pid()
  AND (locktype = 'advisory' OR mode <> 'AccessShareLock')
  AND pid NOT IN (SELECT pid FROM pg_stat_activity WHERE backend_type = 'autovacuum worker')
UNION ALL
SELECT 'open transactions', count(*)::text FROM pg_stat_activity
  WHERE datname = current_database() AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'
UNION ALL
SELECT 'file', coalesce((pg_stat_file('/tmp/{db}.out', true)).size::text, 'none')
"#;

/// The cases.
#[rustfmt::skip]
pub(super) const CASES: &[Case] = &[
    // Rows.
    refused("a delete in the second common table expression",
        "WITH a AS (SELECT 1), b AS (DELETE FROM items WHERE id > 5 RETURNING id) SELECT count(*) FROM b", ReadOnly).harms("data"),
    refused("an insert below a with in a with",
        "WITH a AS (WITH b AS (INSERT INTO items VALUES (99, 'x', 0) RETURNING id) SELECT * FROM b) SELECT * FROM a", ReadOnly),
    refused("a merge", "MERGE INTO items USING (VALUES (1)) AS v(id) ON items.id = v.id WHEN MATCHED THEN DELETE", ReadOnly),
    refused("an upsert", "INSERT INTO items VALUES (1, 'x', 0) ON CONFLICT (id) DO UPDATE SET label = 'taken'", ReadOnly).harms("data"),
    refused("a delete behind a comment in a comment", "/* /* */ SELECT 1 */ DELETE FROM items WHERE id = 1", ReadOnly).harms("data"),
    refused("an update from a query", "UPDATE items AS i SET price = q.p FROM (SELECT 0 AS p) AS q", ReadOnly).harms("data"),
    refused("a delete that uses and returns", "DELETE FROM ONLY items USING \"größe\" RETURNING maß", ReadOnly).harms("data"),
    refused("an insert that explain runs", "EXPLAIN (ANALYZE, TIMING off, SUMMARY off) INSERT INTO items VALUES (99, 'x', 0)", ReadOnly).harms("data"),
    refused("a delete that explain runs by a quoted value", "EXPLAIN (FORMAT 'json', ANALYZE 'on') DELETE FROM items", ReadOnly).harms("data"),
    refused("a delete that explain runs by the number 1", "explain(costs 0,analyze 1)delete from items", ReadOnly).harms("data"),
    refused("an update that explain runs below a with", "EXPLAIN ANALYZE WITH u AS (UPDATE items SET price = 0 RETURNING 1) TABLE u", ReadOnly).harms("data"),
    refused("a procedure", "CALL empty_all()", ReadOnly).harms("data"),
    refused("a truncate", "TRUNCATE ONLY items RESTART IDENTITY", ReadOnly).harms("data"),
    refused("rows from a program", "COPY items FROM PROGRAM 'echo 77,x,1' WITH (FORMAT csv)", Refused).harms("data"),
    refused("a block of code in a plain string", "DO LANGUAGE plpgsql 'BEGIN DELETE FROM items; END'", Refused).harms("data"),
    // Sequences.
    refused("nextval with its schema in quotes", "SELECT \"pg_catalog\".\"nextval\"('numbers')", ReadOnly).harms("data"),
    refused("nextval to sort by", "SELECT id FROM items ORDER BY nextval('numbers')", ReadOnly).harms("data"),
    refused("nextval as a limit", "SELECT id FROM items LIMIT nextval('numbers')", ReadOnly).harms("data"),
    refused("setval written with escapes", "SELECT U&\"s\\0065t\\+000076al\"('numbers', 500)", ReadOnly).harms("data"),
    refused("nextval among rows from", "SELECT * FROM ROWS FROM (nextval('numbers'), generate_series(1, 2)) AS r(a, b)", ReadOnly).harms("data"),
    refused("nextval beside a comment", "SELECT n FROM items, LATERAL nextval/**/--\n('numbers') AS n", ReadOnly).harms("data"),
    refused("nextval among values", "VALUES (1), (nextval('numbers'))", ReadOnly).harms("data"),
    refused("nextval as a default of a window", "SELECT lag(id, 1, nextval('numbers')::int) OVER (ORDER BY id) FROM items", ReadOnly).harms("data"),
    refused("nextval in a filter", "SELECT count(*) FILTER (WHERE nextval('numbers') > 0) FROM items", ReadOnly).harms("data"),
    refused("a view with nextval", "SELECT * FROM numbering", ReadOnly).harms("data"),
    // Functions of users.
    refused("a volatile function", "SELECT take_number()", ReadOnly).harms("data"),
    refused("a volatile function with a quoted name", "SELECT \"Take Number\"()", ReadOnly).harms("data"),
    refused("a volatile function with a quoted name and a schema", "SELECT public.\"Take Number\"()", ReadOnly).harms("data"),
    refused("a function with a quoted name that calls home", "SELECT \"Call Home\"()", ReadOnly).harms("data"),
    refused("a function with a point in its name that calls home", "SELECT \"hidden.Home\"()", ReadOnly).harms("data"),
    refused("a function whose name is a keyword elsewhere", "SELECT first(1)", ReadOnly).harms("session"),
    refused("a function whose name is cut to what names may have",
        "SELECT a_function_with_a_name_that_is_as_long_as_names_may_be_in_here__and_more(1)", ReadOnly).harms("session"),
    refused("an aggregate with a volatile step", "SELECT gather(id) FROM items WHERE id < 3", ReadOnly).harms("session"),
    refused("a function behind a written out operator", "SELECT 1 OPERATOR(pg_catalog.+) mark(id) FROM items WHERE id = 2", ReadOnly).harms("session"),
    contained("a function of a user in the place of a built-in one", "SELECT abs('x'::text)").harms("session"),
    contained("a function of a user named as a later built-in one", "SELECT array_reverse('x'::text)").harms("session"),
    contained("a function written as a column", "SELECT i.stamp FROM items AS i WHERE id = 2").harms("session"),
    contained("a volatile function behind an operator", "SELECT 1 + 'x'::text").harms("session"),
    contained("a view that marks the session", "SELECT * FROM marking").harms("session"),
    contained("a view over a view that marks the session", "TABLE over_marking").harms("session"),
    contained("a view with a point in its name", "SELECT n FROM public.\"Over.Marking\"").harms("session"),
    contained("a view behind a query of its name", "WITH marking AS (SELECT * FROM marking) SELECT n FROM marking").harms("session"),
    contained("a view that takes locks", "SELECT n FROM marking").harms("locks"),
    contained("a view that moves the search path", "SELECT s FROM moving").harms("session"),
    contained("a view that opens the session", "SELECT s FROM loosening"),
    contained("a policy that marks the session", "SELECT a FROM guarded"),
    refused("a view that deletes", "SELECT n FROM emptying", ReadOnly).harms("data"),
    refused("a view that deletes, seen in a list", "SELECT ARRAY(SELECT n FROM emptying)", ReadOnly).harms("data"),
    contained("an explanation of a delete that is not run", "EXPLAIN (COSTS off, ANALYZE off) DELETE FROM items WHERE false"),
    // SQL as text, other connections.
    refused("a second connection", "SELECT * FROM dblink('{url}', 'DELETE FROM items RETURNING id') AS d(id int)", Refused).harms("data"),
    refused("a second connection that stays", "SELECT dblink_connect('kept', '{url}')", Refused),
    refused("a query as text", "SELECT query_to_xml('SELECT nextval(''numbers'')', true, true, '')", Refused).harms("data"),
    refused("a query as text for a search", "SELECT * FROM ts_stat('SELECT to_tsvector(nextval(''numbers'')::text)')", Refused).harms("data"),
    // The session.
    refused("set_config in a common table expression",
        "WITH s AS MATERIALIZED (SELECT pg_catalog.set_config('search_path', 'hidden', false)) SELECT * FROM s", Refused).harms("session"),
    refused("set_config to join by",
        "SELECT 1 FROM items AS a JOIN items AS b ON set_config('work_mem', '64kB', false) IS NOT NULL", Refused).harms("session"),
    refused("set_config by named arguments",
        "SELECT set_config(is_local => false, setting_name => 'DateStyle', new_value => 'German')", Refused),
    refused("a time zone", "SET TIME ZONE 'Asia/Tokyo'", ReadOnly).harms("session"),
    refused("a search path", "SET SESSION search_path TO hidden, public", ReadOnly).harms("session"),
    refused("a setting of its own", "SET tidegate.mark = 'set'", ReadOnly).harms("session"),
    refused("a limit put back", "RESET statement_timeout", Refused),
    refused("another role", "SET LOCAL ROLE pg_monitor", Refused),
    refused("constraints", "SET CONSTRAINTS ALL DEFERRED", Refused),
    refused("a prepared statement", "PREPARE taken (int) AS SELECT $1", Refused).harms("session"),
    refused("a cursor that is held", "DECLARE taken BINARY CURSOR WITH HOLD FOR TABLE items", Refused).harms("session"),
    refused("a channel", "LISTEN \"taken\"", Refused).harms("session"),
    refused("a message", "SELECT pg_notify('taken', label) FROM items", Refused),
    refused("a sequence of the session", "CREATE TEMPORARY SEQUENCE taken", ReadOnly).harms("session"),
    refused("a table of the session", "SELECT id INTO TEMPORARY taken FROM items", ReadOnly).harms("session"),
    refused("a library", "LOAD 'auto_explain'", Refused).harms("session"),
    refused("everything put back", "DISCARD TEMPORARY", Refused),
    // Locks and transactions.
    refused("a lock of the session", "SELECT pg_try_advisory_lock_shared(7)", Refused).harms("locks"),
    refused("a lock for some rows", "SELECT CASE WHEN id = 1 THEN pg_advisory_lock(id::bigint) END FROM items", Refused).harms("locks"),
    refused("row locks", "SELECT id FROM items ORDER BY id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED", ReadOnly),
    refused("row locks further in", "SELECT * FROM (SELECT id FROM items FOR SHARE OF items) AS q", ReadOnly),
    refused("a table lock", "LOCK items IN SHARE ROW EXCLUSIVE MODE NOWAIT", Refused),
    refused("a transaction that is put aside", "PREPARE TRANSACTION '{db}'", Refused),
    refused("an end without a chain", "ROLLBACK AND NO CHAIN", Refused),
    refused("a beginning", "START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ WRITE", Refused).harms("open transactions"),
    // Schema, rights, maintenance.
    refused("a table from a table", "CREATE UNLOGGED TABLE taken AS TABLE items", ReadOnly).harms("schema"),
    refused("a table by explain", "EXPLAIN ANALYZE SELECT id INTO taken FROM items", ReadOnly).harms("schema"),
    refused("a table from a union", "SELECT 1 AS a INTO UNLOGGED taken UNION SELECT 2", ReadOnly).harms("schema"),
    refused("a table behind a label", "SELECT 1 AS \"into\" INTO taken", ReadOnly).harms("schema"),
    refused("a view put in the place of another", "CREATE OR REPLACE VIEW prices AS SELECT label, price FROM items WHERE false", ReadOnly).harms("schema"),
    refused("a function", "CREATE FUNCTION taken() RETURNS int LANGUAGE sql RETURN 1", ReadOnly).harms("schema"),
    refused("a rule", "CREATE RULE taken AS ON DELETE TO items DO INSTEAD NOTHING", ReadOnly).harms("schema"),
    refused("rights for all", "GRANT ALL ON items TO PUBLIC", ReadOnly).harms("schema"),
    refused("a comment", "COMMENT ON TABLE items IS 'taken'", ReadOnly).harms("schema"),
    refused("a role", "CREATE ROLE {db}_evil SUPERUSER", ReadOnly).harms("roles"),
    refused("a setting for the database", "ALTER DATABASE {db} SET default_transaction_read_only = off", ReadOnly).harms("schema"),
    refused("new statistics", "ANALYZE items", ReadOnly).harms("schema"),
    refused("a vacuum", "VACUUM (FULL) items", ReadOnly),
    // Files and the server.
    refused("rows to a file", "COPY (TABLE items) TO '{file}'", Refused).harms("file"),
    refused("rows to a program", "COPY items TO PROGRAM 'cat > {file}'", Refused).harms("file"),
    refused("a large object to a file", "SELECT lo_export(4711, '{file}')", Refused).harms("file"),
    refused("a large object written to", "SELECT lo_put(4711, 0, 'taken')", ReadOnly).harms("large objects"),
    refused("a large object removed", "SELECT * FROM lo_unlink(4711)", ReadOnly).harms("large objects"),
    refused("a file of the server", "SELECT pg_read_file('PG_VERSION')", Refused),
    refused("a folder of the server", "SELECT f FROM pg_ls_dir('.') AS f", Refused),
    refused("the end of other sessions",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()", Refused),
    refused("a replication slot", "SELECT * FROM pg_create_physical_replication_slot('{db}')", Refused),
    refused("a message in the log of changes", "SELECT pg_logical_emit_message(false, 'taken', 'x')", Refused),
    // More than one statement.
    refused("the end of the transaction and more", "COMMIT; DROP SCHEMA hidden CASCADE", MultipleStatements).harms("schema"),
    refused("a second statement behind a dollar quote", "SELECT $q$;$q$; DELETE FROM items", MultipleStatements).harms("data"),
    refused("a second statement behind an escaped quote", "SELECT E'\\''; DELETE FROM items -- '", MultipleStatements).harms("data"),
    refused("a second statement behind what is no escape", "SELECT 'a\\'; DELETE FROM items; --'", MultipleStatements).harms("data"),
    refused("a second statement behind a nested comment", "SELECT 1 /* /* */ ' */; DELETE FROM items --'", MultipleStatements).harms("data"),
    refused("a second statement behind a tag that is none", "SELECT 1 AS a$b$; DELETE FROM items; SELECT 1 AS b$b$", MultipleStatements).harms("data"),
    refused("a second statement in the line after a comment", "SELECT 1 --\r; DELETE FROM items", MultipleStatements).harms("data"),
    refused("no statement", " /* SELECT 1 */ ; ", MultipleStatements),
    // What is no SQL.
    refused("a space that is none", "DELETE\u{a0}FROM items", Syntax),
    refused("letters that are none", "\u{ff24}\u{ff25}LETE FROM items", Syntax),
    refused("a mark of byte order", "\u{feff}DELETE FROM items", Syntax),
    refused("a zero byte", "SELECT 1\0; DELETE FROM items", Refused),
    refused("a vertical tab", "SELECT\u{b}1", Refused),

    // Nothing of this may be refused.
    answers("keywords in a string", "SELECT 'DELETE FROM items; DROP TABLE items; --'", &[r#"["DELETE FROM items; DROP TABLE items; --"]"#]),
    answers("keywords in a dollar quote in a dollar quote", "SELECT $a$ $b$ UPDATE; $b$ $a$", &[r#"[" $b$ UPDATE; $b$ "]"#]),
    answers("a quote behind a backslash", "SELECT E'it\\'s; INSERT'", &[r#"["it's; INSERT"]"#]),
    answers("a string over two lines", "SELECT 'set_config('\n  ')'", &[r#"["set_config()"]"#]),
    answers("escapes in a string", "SELECT U&'\\0064rop'", &[r#"["drop"]"#]),
    answers("keywords in comments", "SELECT /* DELETE; /* DROP */ */ 1 -- ; TRUNCATE items", &["[1]"]),
    answers("a name that is a keyword", "SELECT \"delete\" FROM \"größe\"", &[r#"["kept"]"#]),
    answers("a name in another script", "SELECT maß AS 大きさ FROM größe", &["[7]"]),
    answers("columns called after what they are not", "SELECT q.update, q.insert FROM (SELECT 1 AS update, 2 AS insert) AS q", &["[1,2]"]),
    answers("a label that is a keyword", "SELECT 1 AS into, 2 AS lock", &["[1,2]"]),
    answers("a common table expression called update", "WITH update AS (SELECT 5 AS a) SELECT a FROM update", &["[5]"]),
    answers("a recursive query", "WITH RECURSIVE n(i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 4) SELECT sum(i)::int FROM n", &["[10]"]),
    answers("a window", "SELECT id, row_number() OVER (ORDER BY id DESC)::int FROM items ORDER BY id LIMIT 1", &["[1,20]"]),
    answers("replace", "SELECT replace('DROP it', 'DROP', 'keep')", &[r#"["keep it"]"#]),
    answers("values", "VALUES (1, 'a'), (2, 'b')", &[r#"[1,"a"]"#, r#"[2,"b"]"#]),
    answers("a table by its name", "TABLE \"größe\"", &[r#"[7,"kept"]"#]),
    answers("semicolons at the end", " ; SELECT 1 ;; /* done */ ; ", &["[1]"]),
    answers("parentheses at the start", "((SELECT 1) UNION ALL (SELECT 2)) ORDER BY 1", &["[1]", "[2]"]),
    answers("a write as a value", "SELECT $1::text", &[r#"["'; DROP TABLE items; --"]"#]).with(&["'; DROP TABLE items; --"]),
    answers("a filter", "SELECT (count(*) FILTER (WHERE id > 15))::int FROM items", &["[5]"]),
    answers("grouping sets", "SELECT grouping(id) FROM items WHERE id = 1 GROUP BY ROLLUP (id) ORDER BY 1", &["[0]", "[1]"]),
    answers("a lateral query", "SELECT x.a FROM items AS i, LATERAL (SELECT i.id * 2 AS a) AS x WHERE i.id = 3", &["[6]"]),
    answers("the first of each", "SELECT DISTINCT ON (id % 2) id FROM items ORDER BY id % 2, id", &["[2]", "[1]"]),
    answers("a part of an array", "SELECT (ARRAY[1, 2, 3])[2:3]", &["[[2,3]]"]),
    answers("operators of json", "SELECT '{\"a\": 1}'::jsonb ? 'a', '{\"set\": {\"delete\": 2}}'::jsonb #>> '{set,delete}'", &[r#"[true,"2"]"#]),
    answers("a percentile", "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY id) FROM items", &["[10.5]"]),
    answers("only so many rows", "SELECT id FROM items ORDER BY id FETCH FIRST 2 ROWS ONLY", &["[1]", "[2]"]),
    answers("parts of a text", "SELECT overlay('abc' PLACING 'X' FROM 2), position('c' IN 'abc'), substring('abc' FROM 2)", &[r#"["aXc",3,"bc"]"#]),
    answers("names for the columns of a function", "SELECT g.a FROM generate_series(1, 2) AS g(a)", &["[1]", "[2]"]),
    answers("a case", "SELECT CASE WHEN 1 = 1 THEN 'delete' ELSE 'insert' END AS end", &[r#"["delete"]"#]),
    answers("a function of a user", "SELECT double_it(4)", &["[8]"]),
    answers("a function of a user with a quoted name", "SELECT \"Double It\"(5), public.\"Double It\"(6)", &["[10,12]"]),
    answers("a view", "SELECT count(*)::int FROM prices", &["[20]"]),
    answers("the state of a sequence", "SELECT last_value::int, is_called FROM numbers", &["[1,true]"]),
    answers("the number of a large object", "SELECT oid::int FROM pg_largeobject_metadata WHERE oid = 4711", &["[4711]"]),
    answers("an explanation of reading", "EXPLAIN (COSTS off) SELECT 1", &[r#"["Result"]"#]),
    runs("a measured explanation of reading", "EXPLAIN (ANALYZE, BUFFERS) SELECT count(*) FROM items"),
    answers("a setting", "SHOW default_transaction_read_only", &[r#"["on"]"#]),
    runs("all settings", "SHOW ALL"),
    runs("a sample", "SELECT * FROM items TABLESAMPLE SYSTEM (50) REPEATABLE (1)"),
    runs("the catalog", "SELECT c.relname, pg_get_viewdef(c.oid) FROM pg_class AS c WHERE c.relkind = 'v' AND c.relname = 'prices'"),
    runs("the standard's catalog", "SELECT table_name FROM information_schema.tables WHERE table_type <> 'DELETE'"),
    runs("xml and json", "SELECT xmlelement(name drop, label), json_build_object('insert', id), to_jsonb(items) FROM items"),
    runs("the time", "SELECT now() AT TIME ZONE 'UTC', current_date - interval '1 day', extract(year FROM clock_timestamp())"),
    runs("chance", "SELECT random(), gen_random_uuid(), pg_sleep(0)"),
    runs("a search", "SELECT ts_headline('update the table', to_tsquery('update')), 'lock' SIMILAR TO '(lock|share)'"),
    runs("a row of a row", "SELECT (i).label, ROW(1, 'set'), i IS NOT NULL FROM items AS i"),
    answers("row_to_json of a query", "SELECT row_to_json(q) FROM (SELECT 1 AS delete) AS q", &[r#"[{"delete":1}]"#]),
    answers("lists of lists", "SELECT id IN (SELECT 1), id = ANY (ARRAY[1]), EXISTS (SELECT) FROM items WHERE id = 1", &["[true,true,true]"]),
    answers("sums of sums", "SELECT sum(count(*)) OVER ()::text FROM items", &[r#"["20"]"#]),
    answers("text that looks like a comment", "SELECT '/*' || '*/ -- ;'", &[r#"["/**/ -- ;"]"#]),
    answers("an empty query", "SELECT WHERE false", &[]),
    runs("a union by type", "SELECT 1, NULL::text UNION SELECT id, label FROM items EXCEPT ALL SELECT 3, 'x' INTERSECT SELECT 4, 'y'"),
    runs("a table twice", "SELECT a.id FROM items AS a NATURAL JOIN items AS b(id, label, price)"),
    runs("for reading only", "SELECT id FROM items FOR READ ONLY"),
    runs("rows as they were", "SELECT ctid, xmin, tableoid::regclass FROM items LIMIT 2"),
    answers("a statement in upper and lower case", "sElEcT 1 wHeRe TrUe", &["[1]"]),
    answers("a cast to an enum of the catalog", "SELECT 'items'::regclass::text, 'delete'::name", &[r#"["items","delete"]"#]),
];
