//! Changes statements in ways that an engine does not mind and a check of the text might, with the database as the judge.

use super::Case;
use super::Target;
use super::random::Random;
use super::run;
use crate::config::EngineKind;
use crate::database::statement::StatementKind;

/// A piece of a statement.
#[derive(Clone, Debug)]
enum Piece {
    /// Letters, digits and underscores.
    Word(String),
    /// A literal or a name in quotes.
    Quoted(String),
    /// One other character.
    Symbol(char),
}

/// What may stand between two tokens. The last ones hold what would end a string or a statement elsewhere.
const GAPS: &[&str] =
    &[" ", "\t", "\n", "\r\n", " \n\t ", "/**/", "/* x */", " -- x\n", "/*\n*/", "/* ' */", " -- ;\n", "/* \" ; */", "/* -- */"];

/// What a statement may be put into.
const AROUND: &[&str] = &[
    "({})",
    "(({}))",
    "EXPLAIN {}",
    "EXPLAIN ANALYZE {}",
    "WITH w AS ({}) SELECT * FROM w",
    "WITH RECURSIVE w AS (SELECT 1), x AS ({}) SELECT * FROM x",
    "WITH w AS (SELECT 1) {}",
    "WITH w (a) AS (VALUES (1)) {}",
    "SELECT * FROM ({}) AS w",
    "SELECT * FROM ({}) w(a)",
    "SELECT ({})",
    "SELECT 1 WHERE EXISTS ({})",
    "SELECT 1 IN ({})",
    "SELECT 1 UNION {}",
    "SELECT 1 UNION ALL ({})",
    "{} UNION SELECT 1",
    "SELECT 1; {}",
    "{}; SELECT 1",
    "; {} ;;",
    "/* x */ {}",
    "-- x\n{}",
    "{} -- x",
    "{} /* x */",
    "VALUES (({}))",
    "SELECT CASE WHEN true THEN ({}) END",
    "SELECT 1 AS a, ({}) AS b ORDER BY 2",
    "SELECT '{}'",
    "SELECT 1 LIMIT ({})",
];

const AROUND_POSTGRES: &[&str] = &[
    "EXPLAIN (ANALYZE) {}",
    "EXPLAIN (ANALYZE, VERBOSE false) {}",
    "EXPLAIN (ANALYZE false, FORMAT json) {}",
    "EXPLAIN (FORMAT yaml, ANALYZE 'true') {}",
    "EXPLAIN VERBOSE {}",
    "WITH w AS NOT MATERIALIZED ({}) TABLE w",
    "SELECT ARRAY({})",
    "SELECT * FROM items, LATERAL ({}) AS w",
    "SELECT $q${}$q$",
    "/* /* */ {} */ {}",
    "SELECT DISTINCT ON (({})) 1",
    "SELECT row_number() OVER (ORDER BY ({}))",
    "DO $q${}$q$",
    "PREPARE p AS {}",
    "COPY ({}) TO STDOUT",
    "CREATE TEMP TABLE w AS {}",
];

const AROUND_MYSQL: &[&str] = &[
    "ANALYZE {}",
    "ANALYZE FORMAT=JSON {}",
    "EXPLAIN FORMAT=JSON {}",
    "EXPLAIN EXTENDED {}",
    "DESC {}",
    "/*! {} */",
    "/*!50000 {} */",
    "/*M! {} */",
    "SELECT /*! 1 */ 1 -- \n{}",
    "# x\n{}",
    "{} # x",
    "--\t{}\n{}",
    "SET STATEMENT max_statement_time = 1 FOR {}",
    "EXECUTE IMMEDIATE '{}'",
    "BEGIN NOT ATOMIC {}; END",
    "SELECT \"{}\"",
    "SHOW TABLES WHERE ({})",
    "DO ({})",
];

const AROUND_SQLITE: &[&str] = &[
    "EXPLAIN QUERY PLAN {}",
    "WITH w AS MATERIALIZED ({}) SELECT * FROM w",
    "SELECT * FROM items WHERE id IN ({})",
    "\u{feff}{}",
    "SELECT 1 /* {}",
    "CREATE TEMP TRIGGER w AFTER INSERT ON items BEGIN {}; END",
    "SELECT [{}]",
    "REPLACE INTO items SELECT * FROM ({})",
];

fn around(engine: EngineKind) -> &'static [&'static str] {
    match engine {
        EngineKind::Postgres => AROUND_POSTGRES,
        EngineKind::MySql => AROUND_MYSQL,
        EngineKind::Sqlite => AROUND_SQLITE,
    }
}

/// Tries so many mutants of the cases that are not harmless, and fails when one of them changes a fact. Returns how many
/// were taken for reading, so that they came to the engine.
pub(super) async fn check(target: &mut impl Target, cases: &[Case], engine: EngineKind, mutants: usize) -> usize {
    let harmful: Vec<String> = cases.iter().filter(|case| !case.is_harmless()).map(|case| target.fill(case.sql)).collect();
    let before = target.facts().await;
    let mut random = Random::new(0xA77A_C4ED);
    let mut ran = 0;
    for at in 0..mutants {
        let seed = &harmful[at % harmful.len()];
        let mutant = mutant(&mut random, seed, &harmful, engine);
        // What is not taken for reading does not leave the process.
        let Ok(statement) = target.database().judge(&mutant) else { continue };
        if statement.kind != StatementKind::Read {
            continue;
        }
        ran += 1;
        let result = run(target.database(), &statement, &[]).await;
        let differences = before.differences(&target.facts().await);
        assert!(differences.is_empty(), "{mutant}\n    a mutant of: {seed}\n    left behind: {differences:?}\n    answered: {result:?}");
    }
    assert_eq!(before.differences(&target.facts().await), [""; 0]);
    ran
}

/// One mutant of `seed`.
pub(super) fn mutant(random: &mut Random, seed: &str, others: &[String], engine: EngineKind) -> String {
    let mut pieces = pieces(seed, engine);
    if random.once_in(4) {
        quote_names(random, &mut pieces, engine);
    }
    if random.once_in(8) {
        disturb(random, &mut pieces);
    }
    let change_case = random.once_in(2);
    let change_gaps = random.once_in(2);
    let mut text = write(random, &pieces, engine, change_case, change_gaps);
    for _ in 0..random.below(4) {
        let frame = if random.once_in(2) { random.pick(AROUND) } else { random.pick(around(engine)) };
        text = frame.replace("{}", &text);
    }
    if random.once_in(10) {
        let other = &others[random.below(others.len())];
        let joint = random.pick(&[" UNION ALL ", "; ", " /* */ ;", "\n", ", "]);
        text = format!("{text}{joint}{other}");
    }
    text
}

/// The pieces of a text, comments and white space left out.
fn pieces(text: &str, engine: EngineKind) -> Vec<Piece> {
    let letters: Vec<char> = text.chars().collect();
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut pieces = Vec::new();
    let mut at = 0;
    while at < letters.len() {
        let letter = letters[at];
        let next = letters.get(at + 1).copied().unwrap_or(' ');
        let closing = match (letter, next) {
            ('[', _) if engine == EngineKind::Sqlite => Some("]"),
            ('\'', _) => Some("'"),
            ('"', _) => Some("\""),
            ('`', _) if engine != EngineKind::Postgres => Some("`"),
            ('/', '*') => Some("*/"),
            ('-', '-') => Some("\n"),
            _ => None,
        };
        let start = at;
        if let Some(closing) = closing {
            let closing: Vec<char> = closing.chars().collect();
            at += closing.len();
            while at < letters.len() && !letters[at..].starts_with(&closing) {
                at += 1;
            }
            at = (at + closing.len()).min(letters.len());
            if !matches!(letter, '/' | '-') {
                pieces.push(Piece::Quoted(letters[start..at].iter().collect()));
            }
        } else if is_word(letter) {
            while at < letters.len() && is_word(letters[at]) {
                at += 1;
            }
            pieces.push(Piece::Word(letters[start..at].iter().collect()));
        } else {
            at += 1;
            if !letter.is_whitespace() {
                pieces.push(Piece::Symbol(letter));
            }
        }
    }
    pieces
}

/// Puts the names of functions, and sometimes other words, into quotes, with escapes where there are some.
fn quote_names(random: &mut Random, pieces: &mut [Piece], engine: EngineKind) {
    for at in 0..pieces.len() {
        let is_call = matches!(pieces.get(at + 1), Some(Piece::Symbol('(')));
        let Piece::Word(word) = &pieces[at] else { continue };
        if !is_call && !random.once_in(12) {
            continue;
        }
        let lower = word.to_lowercase();
        let quoted = match engine {
            EngineKind::Postgres if random.once_in(2) => escaped(random, &lower),
            EngineKind::Postgres => format!("\"{lower}\""),
            EngineKind::MySql => format!("`{word}`"),
            EngineKind::Sqlite => match random.below(3) {
                0 => format!("[{word}]"),
                1 => format!("`{word}`"),
                _ => format!("\"{word}\""),
            },
        };
        pieces[at] = Piece::Quoted(quoted);
    }
}

/// `U&"…"` with some letters written as escapes.
fn escaped(random: &mut Random, name: &str) -> String {
    let (escape, end) = if random.once_in(3) { ('!', " UESCAPE '!'") } else { ('\\', "") };
    let mut text = String::from("U&\"");
    for letter in name.chars() {
        match random.below(3) {
            0 => text.push_str(&format!("{escape}{:04x}", u32::from(letter))),
            1 => text.push_str(&format!("{escape}+{:06X}", u32::from(letter))),
            _ => text.push(letter),
        }
    }
    text.push('"');
    text.push_str(end);
    text
}

/// Leaves a piece out, doubles one or swaps two.
fn disturb(random: &mut Random, pieces: &mut Vec<Piece>) {
    if pieces.len() < 2 {
        return;
    }
    let (one, two) = (random.below(pieces.len()), random.below(pieces.len()));
    match random.below(3) {
        0 => drop(pieces.remove(one)),
        1 => pieces.insert(two, pieces[one].clone()),
        _ => pieces.swap(one, two),
    }
}

/// The text of the pieces. Where nothing changes there is one space between words, and none elsewhere.
fn write(random: &mut Random, pieces: &[Piece], engine: EngineKind, change_case: bool, change_gaps: bool) -> String {
    let mut text = String::new();
    for (at, piece) in pieces.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| &pieces[before]);
        let touches =
            matches!((before, piece), (Some(Piece::Word(_)), Piece::Word(_) | Piece::Quoted(_)) | (Some(Piece::Quoted(_)), Piece::Word(_)));
        // `E'…'`, `U&"…"` and `@x` are one token each.
        let joined = matches!(before, Some(Piece::Word(word)) if word.len() == 1 && matches!(piece, Piece::Quoted(_)))
            || matches!(before, Some(Piece::Symbol('&' | '@' | ':' | '$' | '.' | '<' | '>' | '=' | '-' | '|')))
            || matches!((before, piece), (Some(_), Piece::Symbol('&' | '$' | ':' | '=' | '>' | '|' | '.')));
        match () {
            () if before.is_none() || joined => {}
            () if change_gaps && (touches || random.once_in(2)) => match random.below(12) {
                0 if engine == EngineKind::Postgres => text.push_str("/* /* ' */ */"),
                0 if engine == EngineKind::MySql => text.push_str(" # x'\n"),
                _ => text.push_str(random.pick(GAPS)),
            },
            () if touches => text.push(' '),
            () => {}
        }
        match piece {
            Piece::Word(word) if change_case => {
                text.extend(
                    word.chars().map(|letter| if random.once_in(2) { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() }),
                );
            }
            Piece::Word(word) => text.push_str(word),
            Piece::Quoted(quoted) => text.push_str(quoted),
            Piece::Symbol(symbol) => text.push(*symbol),
        }
    }
    text
}
