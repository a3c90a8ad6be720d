//! How a session begins when a hook says so: settings with fixed values, and nothing else.
//!
//! The text that reaches the server is written by the host from what was understood of the hook's, so a hook can set what
//! is listed here and do nothing besides. What the host itself relies on (read only, time limits, quoting, encodings) is
//! not in the lists.

use std::fmt::Write as _;
use std::sync::Arc;

use crate::config::EngineKind;

/// Statements of one setup.
const STATEMENTS: usize = 32;

/// Bytes of one value.
const VALUE_BYTES: usize = 4 << 10;

/// Settings of PostgreSQL that may be set, beside those with a dot in their name, which mean nothing to the server.
const POSTGRES: [&str; 5] = ["application_name", "role", "search_path", "timezone", "work_mem"];

/// Settings of the MySQL family that may be set, beside user variables.
const MYSQL: [&str; 4] = ["group_concat_max_len", "max_join_size", "sql_select_limit", "time_zone"];

/// The settings of a session, as host text. Equal ones make equal sessions. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Setup {
    statements: Arc<[String]>,
}

impl Setup {
    /// Whether the session is as the host opens it.
    pub fn is_empty(&self) -> bool {
        self.statements.is_empty()
    }

    /// The statements, in order, without semicolons. Host text.
    pub fn statements(&self) -> &[String] {
        &self.statements
    }

    /// This setup with further statements.
    ///
    /// # Errors
    ///
    /// Why a statement is not one that sets an allowed setting.
    pub fn and(&self, statements: &[String], engine: EngineKind) -> Result<Self, String> {
        if self.statements.len() + statements.len() > STATEMENTS {
            return Err(format!("more than {STATEMENTS} statements set up one session"));
        }
        let further = statements.iter().map(|text| setting(text, engine)).collect::<Result<Vec<String>, String>>()?;
        Ok(Self { statements: self.statements.iter().cloned().chain(further).collect() })
    }
}

/// What a setting is given.
#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Number(String),
    Sign(char),
}

/// The host's own text of a statement that sets one setting.
fn setting(text: &str, engine: EngineKind) -> Result<String, String> {
    let shown: String = text.chars().filter(|c| !c.is_control()).take(80).collect();
    let wrong = |what: &str| format!("`{shown}` does not set up a session: {what}");
    if engine == EngineKind::Sqlite {
        return Err(wrong("SQLite sessions have no settings"));
    }
    let tokens = tokens(text).map_err(|what| wrong(&what))?;
    let mut tokens = tokens.into_iter().peekable();
    if !matches!(tokens.next(), Some(Token::Word(word)) if word.eq_ignore_ascii_case("set")) {
        return Err(wrong("it must be `SET name = value`"));
    }
    if matches!(tokens.peek(), Some(Token::Word(word)) if word.eq_ignore_ascii_case("session")) {
        tokens.next();
    }
    let variable = engine == EngineKind::MySql && tokens.next_if_eq(&Token::Sign('@')).is_some();
    let Some(Token::Word(mut name)) = tokens.next() else { return Err(wrong("it names no setting")) };
    while tokens.next_if_eq(&Token::Sign('.')).is_some() {
        let Some(Token::Word(part)) = tokens.next() else { return Err(wrong("it names no setting")) };
        name = format!("{name}.{part}");
    }
    let name = if variable { name } else { name.to_ascii_lowercase() };
    let is_role = name == "role";
    let assigned = tokens.next_if_eq(&Token::Sign('=')).is_some()
        || tokens
            .next_if(|token| matches!(token, Token::Word(word) if engine == EngineKind::Postgres && word.eq_ignore_ascii_case("to")))
            .is_some();
    if !assigned && !is_role {
        return Err(wrong("it must be `SET name = value`"));
    }
    let mut values = Vec::new();
    loop {
        values.push(tokens.next().ok_or_else(|| wrong("it gives no value"))?);
        if tokens.next_if_eq(&Token::Sign(',')).is_none() {
            break;
        }
    }
    if tokens.next().is_some() || (values.len() > 1 && name != "search_path") {
        return Err(wrong("it must set one setting to fixed values and end there"));
    }
    match engine {
        EngineKind::Postgres => postgres(&name, &values).map_err(|what| wrong(&what)),
        EngineKind::MySql => mysql(&name, variable, &values).map_err(|what| wrong(&what)),
        EngineKind::Sqlite => Err(wrong("SQLite sessions have no settings")),
    }
}

fn postgres(name: &str, values: &[Token]) -> Result<String, String> {
    if !name.contains('.') && !POSTGRES.contains(&name) {
        return Err(format!("`{name}` may not be set; there are {}, and names with a dot such as `app.tenant`", POSTGRES.join(", ")));
    }
    let mut statement = String::from("SET SESSION ");
    for (at, part) in name.split('.').enumerate() {
        // Writing to a `String` cannot fail.
        let _ = write!(statement, "{}\"{part}\"", if at == 0 { "" } else { "." });
    }
    statement.push_str(" TO ");
    for (at, value) in values.iter().enumerate() {
        let _ = write!(statement, "{}{}", if at == 0 { "" } else { ", " }, literal(value)?);
    }
    Ok(statement)
}

fn mysql(name: &str, variable: bool, values: &[Token]) -> Result<String, String> {
    let value = values.first().map(literal).transpose()?.unwrap_or_default();
    match name {
        _ if variable => Ok(format!("SET @`{name}` = {value}")),
        "role" => Ok(format!("SET ROLE {value}")),
        _ if MYSQL.contains(&name) => Ok(format!("SET SESSION {name} = {value}")),
        _ => Err(format!("`{name}` may not be set; there are {}, `role`, and variables such as `@tenant`", MYSQL.join(", "))),
    }
}

/// A value as the host writes it.
fn literal(value: &Token) -> Result<String, String> {
    match value {
        Token::Text(text) | Token::Word(text) => Ok(format!("'{}'", text.replace('\'', "''"))),
        Token::Number(number) => Ok(number.clone()),
        Token::Sign(sign) => Err(format!("`{sign}` is no value")),
    }
}

/// The tokens of a statement that sets something. Whatever else could stand in one is refused.
fn tokens(text: &str) -> Result<Vec<Token>, String> {
    if text.len() > VALUE_BYTES {
        return Err(format!("it has more than {VALUE_BYTES} bytes"));
    }
    let mut tokens = Vec::new();
    let mut letters = text.trim_end_matches([';', ' ', '\n', '\t']).chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            ' ' | '\n' | '\t' => {}
            '\'' => {
                let mut value = String::new();
                loop {
                    match letters.next() {
                        Some('\'') if letters.next_if_eq(&'\'').is_some() => value.push('\''),
                        Some('\'') => break,
                        // Whether it escapes depends on a setting.
                        Some('\\') => return Err("a value may not contain a backslash".into()),
                        Some(letter) if letter.is_control() => return Err("a value may not contain control characters".into()),
                        Some(letter) => value.push(letter),
                        None => return Err("a value is not closed".into()),
                    }
                }
                tokens.push(Token::Text(value));
            }
            '"' | '`' => {
                let mut name = String::new();
                loop {
                    match letters.next() {
                        Some(end) if end == letter => break,
                        Some(part) if part.is_alphanumeric() || matches!(part, '_' | '-' | '$') => name.push(part),
                        _ => return Err("a quoted name may have letters, digits, `_`, `-` and `$`".into()),
                    }
                }
                tokens.push(Token::Word(name));
            }
            _ if letter.is_ascii_digit() || (letter == '-' && letters.peek().is_some_and(char::is_ascii_digit)) => {
                let mut number = String::from(letter);
                while let Some(digit) = letters.next_if(|next| next.is_ascii_digit() || *next == '.') {
                    number.push(digit);
                }
                tokens.push(Token::Number(number));
            }
            _ if letter.is_ascii_alphabetic() || letter == '_' => {
                let mut word = String::from(letter);
                while let Some(next) = letters.next_if(|next| next.is_ascii_alphanumeric() || *next == '_') {
                    word.push(next);
                }
                tokens.push(Token::Word(word));
            }
            '=' | ',' | '.' | '@' => tokens.push(Token::Sign(letter)),
            ':' if letters.next_if_eq(&'=').is_some() => tokens.push(Token::Sign('=')),
            _ => return Err(format!("`{letter}` has no place in it")),
        }
    }
    Ok(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(engine: EngineKind, text: &str) -> Result<String, String> {
        Setup::default().and(&[text.to_owned()], engine).map(|setup| setup.statements()[0].clone())
    }

    #[test]
    fn settings_are_written_anew_by_the_host() {
        let postgres = |text| of(EngineKind::Postgres, text).unwrap();
        assert_eq!(postgres("set app.tenant = 'it''s'"), "SET SESSION \"app\".\"tenant\" TO 'it''s'");
        assert_eq!(postgres("SET SESSION search_path TO acme, \"public\";"), "SET SESSION \"search_path\" TO 'acme', 'public'");
        assert_eq!(postgres("SET ROLE reader"), "SET SESSION \"role\" TO 'reader'");
        assert_eq!(postgres("SET app.level = -12"), "SET SESSION \"app\".\"level\" TO -12");
        let mysql = |text| of(EngineKind::MySql, text).unwrap();
        assert_eq!(mysql("SET @tenant := 7"), "SET @`tenant` = 7");
        assert_eq!(mysql("SET time_zone = '+00:00'"), "SET SESSION time_zone = '+00:00'");
        assert_eq!(mysql("set role 'reader'"), "SET ROLE 'reader'");
    }

    #[test]
    fn nothing_else_gets_through() {
        let refused = [
            "SET statement_timeout = 0",
            "SET default_transaction_read_only = off",
            "SET transaction_read_only = off",
            "SET SESSION AUTHORIZATION postgres",
            "SET standard_conforming_strings = off",
            "SET session_replication_role = replica",
            "SET app.tenant = (SELECT 1)",
            "SET app.tenant = '1'; DROP TABLE t",
            "SET app.tenant = '1', '2'",
            "SET app.tenant = 'a\\'",
            "SET app.tenant = 'a\u{0}'",
            "SET app.tenant = $$a$$",
            "SET app.tenant = E'a'",
            "SET \"app.tenant; drop\" = 'a'",
            "SET app.tenant",
            "SELECT set_config('a.b', 'c', false)",
            "DELETE FROM t",
            "",
            "SET",
            "SET LOCAL app.tenant = 'a'",
            "SET TRANSACTION READ WRITE",
        ];
        for text in refused {
            assert!(of(EngineKind::Postgres, text).is_err(), "{text}");
        }
        for text in [
            "SET GLOBAL time_zone = 'UTC'",
            "SET @@sql_mode = ''",
            "SET sql_mode = ''",
            "SET @a = @b",
            "SET NAMES utf8",
            "SET @a = 1, @b = 2",
        ] {
            assert!(of(EngineKind::MySql, text).is_err(), "{text}");
        }
        assert!(of(EngineKind::Sqlite, "SET a.b = 1").is_err());
        assert!(Setup::default().and(&vec!["SET a.b = 1".to_owned(); 33], EngineKind::Postgres).is_err());
    }
}
