//! Writes statements by a loose grammar, so that many of them run, and spoils some of them by noise.

use std::time::Duration;
use std::time::Instant;

use super::random::Random;
use crate::config::EngineKind;
use crate::database::statement::Statement;

/// How deep expressions and queries nest.
const DEPTH: usize = 4;

const COLUMNS: &[&str] = &["id", "label", "price", "i.id", "items.label", "*", "\"id\"", "count", "größe"];
const TABLES: &[&str] =
    &["items", "items AS i", "prices", "größe", "(VALUES (1, 2)) AS v", "items i", "nothing", "main.items", "public.items"];
const LITERALS: &[&str] =
    &["1", "2.5", "1e3", ".5", "'x'", "'it''s; DELETE FROM items'", "NULL", "true", "-1", "''", "0x1F", "'/*'", "'--'", "5.", "1--1\n"];
const OPERATORS: &[&str] = &[
    "+",
    "-",
    "*",
    "/",
    "=",
    "<>",
    "<",
    ">=",
    "||",
    " AND ",
    " OR ",
    " LIKE ",
    " IS NOT ",
    " IN ",
    "%",
    " - -",
    " /* x */ + ",
    "=-",
    " BETWEEN 1 AND ",
];

/// Functions that only compute.
const PLAIN: &[&str] = &["abs", "lower", "count", "coalesce", "replace", "length", "max", "sum", "round", "upper", "nullif", "trim"];

/// Words that may be where they do not belong.
const WORDS: &[&str] = &[
    "INTO",
    "FOR UPDATE",
    "FOR SHARE",
    "AS",
    "FROM",
    "WHERE",
    "SET",
    "DELETE",
    "UPDATE",
    "INSERT",
    "VALUES",
    "WITH",
    "RETURNING",
    "LIMIT 1",
    "ORDER BY 1",
    "GROUP BY 1",
    "UNION",
    "EXCEPT SELECT",
    "OVER ()",
    "WINDOW w AS ()",
    "DISTINCT",
    "ALL",
    "ONLY",
    "LATERAL",
    "TABLE",
    "END",
];

const NOISE: &[&str] = &[
    "'", "\"", "`", "[", "]", "(", ")", ";", "\\", "$$", "$a$", "/*", "*/", "--", "#", "\n", "\u{0}", "é", "名", "@", ":", ".", ",",
    "\u{feff}", "?", "$1", "E'", "U&\"", "/*!",
];

fn own_functions(engine: EngineKind) -> &'static [&'static str] {
    match engine {
        EngineKind::Postgres => &[
            "nextval('numbers')",
            "setval('numbers', 9)",
            "set_config('tidegate.mark', 'x', false)",
            "pg_advisory_lock(1)",
            "lo_create(0)",
            "pg_notify('a', 'b')",
            "take_number()",
            "\"Take Number\"()",
            "first(1)",
            "mark(1)",
            "double_it(1)",
            "txid_current()",
            "now()",
            "gather(id)",
            "query_to_xml('DELETE FROM items', true, true, '')",
            "pg_catalog.nextval('numbers')",
            "array_agg(id)",
            "empty_items()",
            "currval('numbers')",
            "current_setting('search_path')",
            "generate_series(1, 2)",
            "jsonb_build_object('a', 1)",
            "random()",
        ],
        EngineKind::MySql => &[
            "NEXTVAL(numbers)",
            "SETVAL(numbers, 9)",
            "GET_LOCK('x', 0)",
            "LAST_INSERT_ID(7)",
            "LOAD_FILE('/etc/hostname')",
            "NEXT VALUE FOR numbers",
            "@mark := 1",
            "@mark",
            "take(99)",
            "mark(1)",
            "first(2)",
            "double_it(1)",
            "SLEEP(0)",
            "RELEASE_ALL_LOCKS()",
            "LAST_INSERT_ID()",
            "NOW()",
            "GROUP_CONCAT(id SEPARATOR ';')",
            "JSON_EXTRACT('{}', '$.a')",
            "IF(1, 2, 3)",
            "BENCHMARK(1, 1)",
            "UUID()",
            "VALUES(id)",
        ],
        EngineKind::Sqlite => &[
            "load_extension('x')",
            "fts3_tokenizer('simple')",
            "writefile('x', 'y')",
            "optimize(notes)",
            "random()",
            "last_insert_rowid()",
            "json_extract('{}', '$.a')",
            "group_concat(id, ';')",
            "highlight(notes, 0, 'a', 'b')",
            "printf('%d', 1)",
            "iif(1, 2, 3)",
            "hex(x'00')",
            "date('now')",
            "quote(label)",
            "sqlite_version()",
            "unhex('00')",
            "instr('a', 'b')",
            "typeof(id)",
            "likely(1)",
            "char(65)",
        ],
    }
}

fn own_statements(engine: EngineKind) -> &'static [&'static str] {
    match engine {
        EngineKind::Postgres => &[
            "DELETE FROM items",
            "UPDATE items SET price = 0 WHERE id = 1",
            "INSERT INTO items VALUES (99, 'x', 0)",
            "CREATE TABLE taken (a int)",
            "CALL empty_all()",
            "TRUNCATE items",
            "SET search_path = hidden",
            "COMMIT",
            "DO $$BEGIN END$$",
            "TABLE items",
            "SHOW search_path",
            "VALUES (1), (2)",
            "LISTEN x",
            "COPY items TO STDOUT",
            "PREPARE a AS SELECT 1",
            "SHOW ALL",
            "SELECT FROM items",
            "LOCK items",
            "CREATE TEMP TABLE t AS SELECT 1",
            "ANALYZE",
        ],
        EngineKind::MySql => &[
            "DELETE FROM items",
            "UPDATE items SET price = 0 WHERE id = 1",
            "INSERT INTO items VALUES (99, 'x', 0)",
            "REPLACE items VALUES (1, 'x', 0)",
            "CALL empty_all()",
            "TRUNCATE items",
            "SET @mark = 1",
            "COMMIT",
            "DO SLEEP(0)",
            "SHOW TABLES",
            "SHOW VARIABLES LIKE 'a%'",
            "VALUES (1), (2)",
            "DESC items",
            "HANDLER items OPEN",
            "LOCK TABLES items WRITE",
            "SELECT 1 INTO @mark",
            "CHECKSUM TABLE items",
            "SELECT label FROM items INTO @a, @b",
            "XA BEGIN 'x'",
            "USE mysql",
            "SHOW WARNINGS",
        ],
        EngineKind::Sqlite => &[
            "DELETE FROM items",
            "UPDATE items SET price = 0 WHERE id = 1",
            "INSERT INTO items VALUES (99, 'x', 0)",
            "REPLACE INTO items VALUES (1, 'x', 0)",
            "CREATE TABLE taken (a)",
            "DROP TABLE items",
            "PRAGMA user_version = 7",
            "PRAGMA table_info(items)",
            "PRAGMA user_version",
            "ATTACH ':memory:' AS m",
            "VACUUM",
            "BEGIN",
            "SAVEPOINT a",
            "ANALYZE",
            "REINDEX",
            "VALUES (1), (2)",
            "CREATE TEMP TABLE t AS SELECT 1",
            "SELECT * FROM pragma_table_list",
            "INSERT INTO notes(notes) VALUES ('optimize')",
            "SELECT * FROM notes WHERE notes MATCH 'x'",
            "PRAGMA foreign_keys",
            "PRAGMA wal_checkpoint",
        ],
    }
}

/// One text.
pub(super) fn text(random: &mut Random, engine: EngineKind) -> String {
    let mut text = match random.below(10) {
        0 => random.pick(own_statements(engine)).to_owned(),
        1 => format!("{} {}", explain(random, engine), random.pick(own_statements(engine))),
        2 => format!("{} {}", explain(random, engine), query(random, engine, DEPTH)),
        _ => query(random, engine, DEPTH),
    };
    if random.once_in(6) {
        spoil(random, &mut text);
    }
    text
}

fn explain(random: &mut Random, engine: EngineKind) -> &'static str {
    let forms: &[&str] = match engine {
        EngineKind::Postgres => &[
            "EXPLAIN",
            "EXPLAIN ANALYZE",
            "EXPLAIN (ANALYZE, COSTS off)",
            "EXPLAIN (ANALYZE off)",
            "EXPLAIN VERBOSE",
            "EXPLAIN (FORMAT json)",
        ],
        EngineKind::MySql => &["EXPLAIN", "EXPLAIN FORMAT=JSON", "ANALYZE", "ANALYZE FORMAT=JSON", "DESC", "EXPLAIN EXTENDED"],
        EngineKind::Sqlite => &["EXPLAIN", "EXPLAIN QUERY PLAN"],
    };
    random.pick(forms)
}

fn query(random: &mut Random, engine: EngineKind, depth: usize) -> String {
    if depth == 0 {
        return format!("SELECT {}", random.pick(LITERALS));
    }
    let inner = depth - 1;
    match random.below(12) {
        0 => format!("WITH q AS ({}) SELECT * FROM q", query(random, engine, inner)),
        1 => format!("WITH q AS ({}) {}", random.pick(own_statements(engine)), query(random, engine, inner)),
        2 => format!("WITH q(a) AS (SELECT 1) {}", random.pick(own_statements(engine))),
        3 => format!("{} UNION ALL {}", query(random, engine, inner), query(random, engine, inner)),
        4 if engine != EngineKind::Sqlite => format!("({})", query(random, engine, inner)),
        5 => format!("VALUES ({}, {})", expression(random, engine, inner), expression(random, engine, inner)),
        _ => select(random, engine, inner),
    }
}

fn select(random: &mut Random, engine: EngineKind, depth: usize) -> String {
    let mut text = String::from("SELECT ");
    for at in 0..=random.below(3) {
        if at > 0 {
            text.push_str(", ");
        }
        text.push_str(&expression(random, engine, depth));
        if random.once_in(6) {
            text.push_str(random.pick(&[" AS a", " a", " AS \"delete\"", " AS into", " AS update"]));
        }
    }
    if random.once_in(25) {
        text.push_str(random.pick(&[" INTO taken", " INTO @mark", " INTO OUTFILE '/nowhere/x'", " INTO TEMP taken"]));
    }
    if !random.once_in(4) {
        text.push_str(" FROM ");
        text.push_str(random.pick(TABLES));
        if random.once_in(5) {
            text.push_str(&format!(" JOIN ({}) AS j ON {}", query(random, engine, depth.saturating_sub(1)), expression(random, engine, 1)));
        }
        if random.once_in(3) {
            text.push_str(&format!(" WHERE {}", expression(random, engine, depth)));
        }
        if random.once_in(6) {
            text.push_str(random.pick(&[
                " GROUP BY 1",
                " ORDER BY 1 DESC",
                " LIMIT 2",
                " FOR UPDATE",
                " FOR SHARE",
                " LOCK IN SHARE MODE",
                " FOR READ ONLY",
            ]));
        }
    }
    text
}

fn expression(random: &mut Random, engine: EngineKind, depth: usize) -> String {
    if depth == 0 || random.once_in(4) {
        return if random.once_in(2) { random.pick(COLUMNS) } else { random.pick(LITERALS) }.to_owned();
    }
    let inner = depth - 1;
    match random.below(9) {
        0 => format!("({})", expression(random, engine, inner)),
        1 => format!("({})", query(random, engine, inner)),
        2 => format!("{}({})", random.pick(PLAIN), expression(random, engine, inner)),
        3 if random.once_in(4) => random.pick(own_functions(engine)).to_owned(),
        4 => format!("CASE WHEN {} THEN {} END", expression(random, engine, inner), expression(random, engine, inner)),
        5 => format!("EXISTS ({})", query(random, engine, inner)),
        6 => format!("row_number() OVER (ORDER BY {})", expression(random, engine, inner)),
        _ => format!("{}{}{}", expression(random, engine, inner), random.pick(OPERATORS), expression(random, engine, inner)),
    }
}

/// Puts words, noise or parts of the text itself where they do not belong.
fn spoil(random: &mut Random, text: &mut String) {
    for _ in 0..=random.below(3) {
        let mut at = random.below(text.len() + 1);
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        match random.below(4) {
            0 => text.insert_str(at, random.pick(NOISE)),
            1 => text.insert_str(at, &format!(" {} ", random.pick(WORDS))),
            2 => text.truncate(at),
            _ => {
                let tail = text[at..].to_owned();
                text.push_str(&tail);
            }
        }
    }
}

/// Bytes that are no SQL at all.
fn bytes(random: &mut Random) -> String {
    let letters = (0..random.below(200)).map(|_| match random.below(3) {
        0 => char::from(u8::try_from(random.below(128)).unwrap()),
        1 => random.pick(NOISE).chars().next().unwrap(),
        _ => char::from_u32(u32::try_from(random.below(0x11_0000)).unwrap()).unwrap_or('\u{fffd}'),
    });
    letters.collect()
}

/// Texts for each dialect.
const TEXTS: usize = 6_000;

/// A small stack, so that recursion by the text would show.
const STACK: usize = 512 << 10;

/// Far more than any text takes.
const LONGEST: Duration = Duration::from_secs(2);

#[test]
fn every_text_is_judged_in_time_on_a_small_stack() {
    for engine in [EngineKind::Postgres, EngineKind::MySql, EngineKind::Sqlite] {
        let judge = move || {
            let mut random = Random::new(0xF0_55ED);
            let mut taken = 0;
            for at in 0..TEXTS {
                let text = match at % 4 {
                    0 => bytes(&mut random),
                    1 => text(&mut random, engine).repeat(1 + random.below(40)),
                    _ => text(&mut random, engine),
                };
                let begin = Instant::now();
                taken += usize::from(Statement::parse(&text, engine).is_ok());
                let took = begin.elapsed();
                assert!(took < LONGEST, "{took:?} for {text:?} as {engine:?}");
            }
            taken
        };
        let thread = std::thread::Builder::new().stack_size(STACK).spawn(judge).unwrap();
        let taken = thread.join().expect("no text makes the judge panic");
        assert!(taken > TEXTS / 4, "only {taken} texts are statements of {engine:?}");
    }
}
