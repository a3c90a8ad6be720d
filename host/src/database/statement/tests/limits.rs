//! Long, deep and broken texts: each ends soon, with an answer.

use std::time::Duration;
use std::time::Instant;

use crate::database::statement::MAXIMUM_TEXT_BYTES;
use crate::database::statement::StatementKind;
use super::Statement;
use crate::config::EngineKind;
use crate::database::error::ErrorKind;

const ENGINES: [EngineKind; 3] = [EngineKind::Postgres, EngineKind::MySql, EngineKind::Sqlite];

/// As many repetitions of `part` as fit between `head` and `tail`.
fn filled(head: &str, part: &str, tail: &str) -> String {
    let times = (MAXIMUM_TEXT_BYTES - head.len() - tail.len()) / part.len();
    format!("{head}{}{tail}", part.repeat(times))
}

fn check_ends_soon(text: &str) {
    for engine in ENGINES {
        let begin = Instant::now();
        let result = Statement::parse(text, engine);
        let took = begin.elapsed();
        let start: String = text.chars().take(30).collect();
        assert!(took < Duration::from_secs(2), "{start}… took {took:?} as {engine:?}: {:?}", result.map(|statement| statement.kind));
    }
}

#[test]
fn a_text_over_the_limit_is_too_large() {
    let text = format!("SELECT '{}'", "x".repeat(MAXIMUM_TEXT_BYTES));
    for engine in ENGINES {
        assert_eq!(Statement::parse(&text, engine).unwrap_err().kind, ErrorKind::TooLarge);
    }
    let text = format!("SELECT '{}'", "x".repeat(MAXIMUM_TEXT_BYTES - 9));
    for engine in ENGINES {
        assert_eq!(Statement::parse(&text, engine).unwrap().kind, StatementKind::Read);
    }
}

#[test]
fn deep_nesting_is_refused_or_judged_by_its_tokens() {
    for engine in ENGINES {
        let nested = |depth: usize| format!("SELECT {}1{}", "(".repeat(depth), ")".repeat(depth));
        assert_eq!(Statement::parse(&nested(3_001), engine).unwrap_err().kind, ErrorKind::TooLarge);
        assert_eq!(Statement::parse(&nested(2_900), engine).unwrap().kind, StatementKind::Read);
        assert_eq!(Statement::parse(&nested(100), engine).unwrap().kind, StatementKind::Read);
    }
}

#[test]
fn long_chains_neither_overflow_a_stack_nor_take_long() {
    for text in [
        filled("SELECT 1", "+1", ""),
        filled("SELECT 1", " UNION SELECT 1", ""),
        filled("SELECT 1 WHERE 1", " AND 1", ""),
        filled("SELECT ", "-", "1"),
        filled("SELECT ", "- ", "1"),
        filled("SELECT ", "NOT ", "1"),
        filled("SELECT ", "~", "1"),
        filled("SELECT 1", "::int", ""),
        filled("SELECT a", "[1]", ""),
        filled("SELECT a", ".a", ""),
        filled("SELECT 1 IN (1", ",1", ")"),
        filled("SELECT ", "CASE WHEN ", "1"),
        filled("SELECT ", "CASE ", "1"),
        filled("SELECT a", "->a", ""),
        filled("SELECT 'a'", "||'a'", ""),
        filled("SELECT ", "f(", ""),
        filled("SELECT ", "[", ""),
        filled("SELECT ", "ARRAY[", ""),
        filled("SELECT ", "{", ""),
        filled("SELECT 1", " a(b)", ""),
        filled("SELECT 1", ", a(b) NOT", ""),
        filled("SELECT * FROM a", " JOIN a ON 1", ""),
        filled("SELECT * FROM a", ", a", ""),
        filled("SELECT * FROM ", "a JOIN ", "a"),
        filled("", "EXPLAIN ", "SELECT 1"),
        filled("WITH a AS (SELECT 1)", ", a AS (SELECT 1)", " SELECT 1"),
        filled("VALUES (1)", ",(1)", ""),
        filled("INSERT INTO t VALUES (1)", ",(1)", ""),
        filled("SELECT 1 ", "/* */", ""),
        filled("SELECT 1 ", "/*", ""),
        filled("SELECT 1 ", "--\n", ""),
        filled("SELECT ", "''", ""),
        filled("SELECT ", "U&\"a\" UESCAPE '!',", "1"),
        filled("SELECT ", "$$$$", ""),
        filled("SELECT ", "$a$", ""),
        filled("SELECT ", "(UPDATE a ", "1"),
        filled("SELECT a ", "COLLATE a ", ""),
        filled("SELECT a ", "IS NULL ", ""),
        filled("SELECT a ", "BETWEEN a AND ", "1"),
        filled("SELECT ", "INTERVAL ", "1"),
        filled("SELECT ", "DATE ", "1"),
        filled("SELECT a ", "AT TIME ZONE ", "1"),
        filled("", ";", "SELECT 1"),
        filled("SELECT 1", ";", ""),
        filled("CREATE TRIGGER a BEFORE INSERT ON t BEGIN ", "SELECT 1;", " END"),
        filled("CREATE PROCEDURE a() ", "BEGIN ", "SELECT 1;"),
    ] {
        check_ends_soon(&text);
    }
}

#[test]
fn the_longest_chains_that_are_parsed_fit_the_stack() {
    for (head, part, tokens_each) in [
        ("SELECT 1", "+1", 2),
        ("SELECT 1", " UNION SELECT 1", 3),
        ("SELECT 1 WHERE 1", " AND 1", 2),
        ("SELECT 1", "::int", 3),
        ("SELECT a", "[1]", 3),
        ("SELECT a", " IS NULL", 2),
        ("SELECT a", " COLLATE a", 2),
        ("SELECT a", " AT TIME ZONE a", 4),
        ("SELECT a", "->a", 3),
        ("SELECT 'a'", "||'a'", 3),
        ("SELECT a", " BETWEEN a AND a", 4),
        ("SELECT a", " LIKE a", 2),
        ("SELECT a", " NOTNULL", 1),
        ("SELECT a", "!", 1),
        ("SELECT * FROM a", " JOIN a ON 1", 4),
        ("SELECT * FROM a", " PIVOT (a(b) FOR c IN (d))", 13),
    ] {
        check_ends_soon(&format!("{head}{}", part.repeat(9_900 / tokens_each)));
    }
    // Whatever was given up on has been dropped by now, or the process would be gone.
    assert_eq!(Statement::parse("SELECT 'after all of it'", EngineKind::Postgres).unwrap().kind, StatementKind::Read);
}

#[test]
fn nested_pieces_do_not_take_long_at_any_depth() {
    for depth in [20, 50, 200, 2_900] {
        for (open, inner, close) in [
            ("(", "1", ")"),
            ("(SELECT ", "1", ")"),
            ("(SELECT * FROM ", "a", ")"),
            ("f(", "1", ")"),
            ("(f(", "1", "))"),
            ("((a,", "1", "))"),
            ("CASE WHEN (", "1", ") THEN 1 END"),
            ("NOT (", "1", ")"),
            ("ARRAY[(", "1", ")]"),
            ("CAST((", "1", ") AS int)"),
            ("(1 IN (", "1", "))"),
            ("EXISTS (SELECT ", "1", ")"),
            ("a(b, (", "1", "))"),
            ("(", "", ""),
            ("(a.", "b", ""),
        ] {
            let body = format!("{}{inner}{}", open.repeat(depth), close.repeat(depth));
            check_ends_soon(&format!("SELECT {body}"));
            check_ends_soon(&format!("SELECT * FROM {body}"));
            check_ends_soon(&format!("SELECT * FROM a WHERE {body}"));
            check_ends_soon(&body);
        }
        check_ends_soon(&format!("{}SELECT 1{}", "(".repeat(depth), ")".repeat(depth)));
        check_ends_soon(&format!("{}SELECT 1{}", "WITH a AS (".repeat(depth), ") SELECT 1".repeat(depth)));
        check_ends_soon(&format!("SELECT * FROM {}a{}", "(".repeat(depth), " JOIN a ON 1)".repeat(depth)));
    }
}

/// A generator of the xorshift family: the same texts in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }
}

#[test]
fn mutated_texts_never_panic_and_what_passes_is_one_statement() {
    const SEEDS: &[&str] = &[
        "SELECT a, U&\"d\\0061ta\" UESCAPE '!' FROM t WHERE b = $1 AND c IN (SELECT 'x''y' FROM s)",
        "WITH a (x) AS (DELETE FROM t RETURNING *) SELECT E'a\\'b', $tag$ ; $tag$ FROM a FOR UPDATE",
        "EXPLAIN (ANALYZE, FORMAT json) SELECT * FROM f(1) AS g(a, b) -- end",
        "SELECT /* /* x */ */ `a`, [b], \"c\" FROM t # x\n INTO OUTFILE 'y'",
        "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT CASE WHEN 1 THEN 2 END; DELETE FROM s; END",
        "SELECT @a := 1, @@b.c, \\N, 1.5e10, 0x1F, $a::b(c), ?1, :d, größe, 名前",
        "SET SESSION sql_mode = 'x', @@global.y = 1",
        "PRAGMA main.table_info('t')",
    ];
    const PIECES: &[&str] = &[
        "'",
        "\"",
        "`",
        "[",
        "]",
        "(",
        ")",
        ";",
        "\\",
        "$$",
        "$a$",
        "/*",
        "*/",
        "--",
        "-- ",
        "#",
        "\n",
        "\r",
        "\0",
        "E'",
        "U&\"",
        "UESCAPE",
        "é",
        "名",
        "\u{feff}",
        "@",
        "@@",
        ":",
        "::",
        ":=",
        ".",
        "..",
        "1",
        "1e",
        "INTO",
        "BEGIN",
        "END",
        "CASE",
        "WITH",
        "AS",
        "EXPLAIN",
        "ANALYZE",
        "FOR UPDATE",
        "SELECT",
        "DELETE FROM",
        "set_config(",
        " ",
        "/*!",
        ",",
    ];
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for round in 0..6_000 {
        let mut text: Vec<char> = SEEDS[random.below(SEEDS.len())].chars().collect();
        for _ in 0..=random.below(6) {
            let at = random.below(text.len() + 1);
            match random.below(3) {
                0 => {
                    let piece = PIECES[random.below(PIECES.len())];
                    text.splice(at..at, piece.chars());
                }
                1 => drop(text.drain(at..(at + random.below(5)).min(text.len()))),
                _ => {
                    let from = random.below(text.len() + 1);
                    let part: Vec<char> = text[from..(from + random.below(20)).min(text.len())].to_vec();
                    text.splice(at..at, part);
                }
            }
        }
        let text: String = text.into_iter().collect();
        let engine = ENGINES[round % 3];
        if let Ok(statement) = Statement::parse(&text, engine) {
            let again =
                Statement::parse(&statement.text, engine).unwrap_or_else(|error| panic!("{text:?} then {:?}: {error}", statement.text));
            assert_eq!((again.kind, &again.text), (statement.kind, &statement.text), "{text:?}");
        }
    }
}

#[test]
fn a_statement_seen_before_is_judged_the_same() {
    for engine in ENGINES {
        let first = Statement::parse("SELECT a FROM t -- cached", engine).unwrap();
        let second = Statement::parse("SELECT a FROM t -- cached", engine).unwrap();
        assert_eq!(format!("{first:?}"), format!("{second:?}"));
        assert_eq!(second.engine, engine);
    }
}
