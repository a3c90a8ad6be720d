//! `EXPLAIN`, `DESCRIBE` and their like: what they explain, and whether they run it.

use super::CHANGE;
use super::Gate;
use super::QUERY;
use crate::config::EngineKind;
use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;
use crate::database::statement::StatementKind;
use crate::database::statement::lexer::Token;
use crate::database::statement::lexer::TokenKind;

/// How many statements may explain one another.
const MAXIMUM_EXPLAINED: u8 = 4;

impl Gate<'_, '_> {
    /// `EXPLAIN` and its like, from the token after the keyword: without running, only the functions count.
    pub(super) fn explain(&mut self, from: usize, runs: bool, explained: u8) -> Result<(), DatabaseError> {
        if explained >= MAXIMUM_EXPLAINED {
            return Err(DatabaseError::new(ErrorKind::Syntax, "`EXPLAIN` of `EXPLAIN` explains nothing"));
        }
        self.calls_only_pure = false;
        let (inner, runs) = match self.engine {
            EngineKind::Postgres => self.postgres_explain_options(from, runs),
            EngineKind::MySql => self.mysql_explain_options(from, runs),
            EngineKind::Sqlite if self.is(from, "QUERY") && self.is(from + 1, "PLAN") => (from + 2, false),
            EngineKind::Sqlite => (from, false),
        };
        if self.describes_table(inner) {
            return Ok(());
        }
        let before = (self.acts.clone(), self.calls.clone());
        self.statement(inner, explained + 1)?;
        if !runs {
            if self.acts.kind == StatementKind::Write {
                self.acts = before.0;
            }
            if self.engine == EngineKind::Postgres && self.calls.kind == StatementKind::Write {
                self.calls = before.1;
            }
        }
        Ok(())
    }

    /// Past `ANALYZE VERBOSE` or `(option value, …)`, and whether the statement is run.
    fn postgres_explain_options(&self, from: usize, runs: bool) -> (usize, bool) {
        let mut index = from;
        let mut runs = runs;
        let has_list = self.is_symbol(from, '(') && self.at(from + 1).is_some_and(Token::is_name) && !self.is_any(from + 1, QUERY);
        if !has_list {
            while self.is_any(index, &["ANALYZE", "ANALYSE", "VERBOSE"]) {
                runs |= !self.is(index, "VERBOSE");
                index += 1;
            }
            return (index, runs);
        }
        let close = self.partners[from];
        for option in from + 1..close.min(self.tokens.len()) {
            let begins = self.is_symbol(option - 1, '(') || self.is_symbol(option - 1, ',');
            let name = &self.tokens[option].text;
            if begins && (name.eq_ignore_ascii_case("analyze") || name.eq_ignore_ascii_case("analyse")) {
                let value = self.at(option + 1).map_or("", |token| &token.text);
                runs |= !["false", "off", "0"].iter().any(|off| value.eq_ignore_ascii_case(off));
            }
        }
        (close + 1, runs)
    }

    /// Past `ANALYZE`, `FORMAT = …`, `EXTENDED` and their like, and whether the statement is run.
    fn mysql_explain_options(&self, from: usize, runs: bool) -> (usize, bool) {
        let mut index = from;
        let mut runs = runs;
        loop {
            if self.is(index, "ANALYZE") {
                runs = true;
                index += 1;
            } else if self.is_any(index, &["EXTENDED", "PARTITIONS", "PLAN", "EXPLORE"]) && index + 1 < self.tokens.len() {
                index += 1;
            } else if self.is(index, "FORMAT") && self.is_symbol(index + 1, '=') {
                index += 3;
            } else if self.is(index, "INTO") && self.at(index + 1).is_some_and(|token| token.kind == TokenKind::Variable) {
                index += 2;
            } else if self.is(index, "FOR") && self.is_any(index + 1, &["SCHEMA", "DATABASE"]) {
                index += 3;
            } else {
                return (index, runs);
            }
        }
    }

    /// Whether what follows `EXPLAIN` of MySQL is a table, or the number of a connection, instead of a statement.
    fn describes_table(&self, from: usize) -> bool {
        if self.engine != EngineKind::MySql {
            return false;
        }
        if self.is(from, "FOR") && self.is(from + 1, "CONNECTION") {
            return true;
        }
        let mut index = from;
        if !self.at(index).is_some_and(Token::is_name) || self.is_any(index, &["SELECT", "TABLE", "VALUES", "WITH"]) {
            return false;
        }
        while self.is_symbol(index + 1, '.') && self.at(index + 2).is_some_and(Token::is_name) {
            index += 2;
        }
        let is_column = |token: &Token<'_>| token.is_name() || token.kind == TokenKind::Text;
        match self.tokens.len() - index {
            1 => true,
            2 => !self.is_any(from, CHANGE) && is_column(&self.tokens[index + 1]),
            _ => false,
        }
    }
}
