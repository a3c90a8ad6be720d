//! One text for statements that differ in blank space only, to be a key by; and one for those that differ in values, to be counted by.

use super::Statement;
use super::lexer;
use super::lexer::Token;
use super::lexer::TokenKind;

/// The two texts of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Normalised {
    /// Its text with every run of blank space folded into one space, without comments before and after it. Keywords, names, literals
    /// and other comments stay as they are written.
    ///
    /// The name that SQLite and the MySQL family give to a column without an alias is its text; statements that become the same here may
    /// differ in the blank space of such a name, and in nothing else.
    pub text: String,
    /// The same with `?` for every literal and without comments: what it has in common with statements that ask for other values.
    pub shape: String,
}

/// Folds a statement.
pub fn normalised(statement: &Statement) -> Normalised {
    let text = &*statement.text;
    // The text of a judged statement can be split; if not, it is its own key.
    let Ok(tokens) = lexer::tokens(text, statement.engine) else { return Normalised { text: text.to_owned(), shape: text.to_owned() } };
    let mut folded = String::with_capacity(text.len());
    let mut shape = String::with_capacity(text.len());
    let mut before: Option<&Token<'_>> = None;
    for token in &tokens {
        if let Some(before) = before {
            let gap = &text[before.end..token.start];
            let strings = before.kind == TokenKind::Text && token.kind == TokenKind::Text;
            match gap {
                "" => {}
                // A comment within what gives a column its name is a part of the name; and what a line break in one means is the engine's
                // to say.
                gap if !gap.trim().is_empty() => folded.push_str(gap),
                // Strings on two lines are one in PostgreSQL, on one line they are an error.
                gap if strings && gap.contains(['\n', '\r']) => folded.push('\n'),
                _ => folded.push(' '),
            }
            if !gap.is_empty() {
                shape.push(' ');
            }
        }
        let written = &text[token.start..token.end];
        folded.push_str(written);
        shape.push_str(if matches!(token.kind, TokenKind::Text | TokenKind::Number) { "?" } else { written });
        before = Some(token);
    }
    Normalised { text: folded, shape }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::EngineKind;

    #[track_caller]
    fn check(engine: EngineKind, text: &str, wanted: &str) {
        assert_eq!(normalised(&Statement::parse(text, engine).unwrap()).text, wanted);
    }

    #[test]
    fn blank_space_and_comments_fold_and_literals_do_not() {
        check(EngineKind::Postgres, "-- one\nselect  1 \n , 'a  /* b */'\t; -- two", "select 1 , 'a  /* b */'");
        check(EngineKind::Postgres, "SELECT/* a /* b */ */x.\"A  b\",  $$ c\n  d $$", "SELECT/* a /* b */ */x.\"A  b\", $$ c\n  d $$");
        check(EngineKind::Postgres, "select a - -1", "select a - -1");
        check(EngineKind::Postgres, "select 'a'\n\n  'b'", "select 'a'\n'b'");
        check(EngineKind::MySql, "SELECT `a  b`\nFROM\n\nt", "SELECT `a  b` FROM t");
        check(EngineKind::Sqlite, "SELECT [a  b] FROM t WHERE x = :y", "SELECT [a  b] FROM t WHERE x = :y");
        check(EngineKind::Postgres, "select U&\"d!0061t\" uescape '!'  from t", "select U&\"d!0061t\" uescape '!' from t");
    }

    #[test]
    fn statements_with_other_tokens_stay_apart() {
        let of = |text: &str| normalised(&Statement::parse(text, EngineKind::Postgres).unwrap()).text;
        for (one, other) in [
            ("select 1, 2", "select 1 ,2"),
            ("select 'a'", "select 'A'"),
            ("select a", "SELECT a"),
            ("select 1 /* a */ + 1", "select 1 + 1"),
            ("select 1 2", "select 12"),
        ] {
            assert_ne!(of(one), of(other), "{one} and {other}");
        }
    }

    #[test]
    fn statements_that_ask_for_other_values_have_one_shape() {
        let of = |text: &str| normalised(&Statement::parse(text, EngineKind::Postgres).unwrap()).shape;
        let shape = of("select name from people where id = 17 and city = 'Ulm' /* b */ limit $1");
        assert_eq!(shape, "select name from people where id = ? and city = ? limit $1");
        assert_eq!(shape, of("select  name from people where id = 4 and city = $$x$$ limit $1"));
        assert_ne!(shape, of("select nick from people where id = 17 and city = 'Ulm' limit $1"));
    }
}
