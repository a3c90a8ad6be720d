//! Judges a statement by its tokens alone, so that no gap in a parser's grammar decides.
//!
//! The first keyword gives the kind; then every token is looked at once for what makes a reading statement more than
//! that: `INTO`, locking clauses, data-modifying common table expressions, and calls of functions with side effects.

mod explain;

use super::StatementKind;
use super::builtin;
use super::builtin::Known;
use super::calls;
use super::destructive;
use super::functions;
use super::lexer::Token;
use super::lexer::TokenKind;
use super::pragma;
use super::settings;
use super::verbs;
use super::verbs::Role;
use super::verdict::Verdict;
use crate::config::EngineKind;
use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;

/// Parentheses that may be open at once.
const MAXIMUM_DEPTH: usize = 3_000;

/// Tokens that the target of an `UPDATE` may have before its `SET`; a column may be called `update`, too.
const LONGEST_TARGET: usize = 24;

/// Keywords that begin a query.
const QUERY: &[&str] = &["SELECT", "VALUES", "TABLE", "WITH"];

/// Keywords that begin a statement which changes rows.
const CHANGE: &[&str] = &["INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE"];

/// What the tokens say.
#[derive(Debug)]
pub(super) struct Judgement {
    /// What the statement does.
    pub(super) verdict: Verdict,
    /// Its leading keyword in upper case.
    pub(super) verb: String,
    /// Functions that are not built in.
    pub(super) functions: Vec<String>,
    /// Whether it is a query that calls only functions known to leave nothing behind.
    pub(super) calls_only_pure: bool,
    /// Why it has to be asked about, were it to run.
    pub(super) destructive: Option<String>,
}

/// Judges the tokens of one statement.
///
/// # Errors
///
/// `Syntax` when no statement of the dialect begins so, `TooLarge` when it nests too deeply.
pub(super) fn judge(tokens: &[Token<'_>], engine: EngineKind) -> Result<Judgement, DatabaseError> {
    let partners = partners(tokens)?;
    let mut gate = Gate {
        engine,
        tokens,
        partners,
        acts: Verdict::READ,
        calls: Verdict::READ,
        changes: Vec::new(),
        functions: Vec::new(),
        calls_only_pure: true,
    };
    gate.statement(0, 0)?;
    let verb = tokens.iter().find(|token| !token.is_symbol('(')).map(|token| token.text.to_ascii_uppercase()).unwrap_or_default();
    let mut verdict = gate.acts;
    verdict.merge(gate.calls);
    gate.functions.sort_unstable();
    gate.functions.dedup();
    let destructive = destructive::reason(engine, &verb, tokens, &gate.partners, &gate.changes);
    Ok(Judgement { verdict, verb, functions: gate.functions, calls_only_pure: gate.calls_only_pure, destructive })
}

/// The other parenthesis of each one; past the end when there is none.
///
/// # Errors
///
/// `TooLarge` when too many are open at once.
pub(super) fn partners(tokens: &[Token<'_>]) -> Result<Vec<usize>, DatabaseError> {
    let mut partners = vec![tokens.len(); tokens.len()];
    let mut open = Vec::new();
    for (index, token) in tokens.iter().enumerate() {
        if token.is_symbol('(') {
            open.push(index);
            if open.len() > MAXIMUM_DEPTH {
                return Err(DatabaseError::new(ErrorKind::TooLarge, format!("more than {MAXIMUM_DEPTH} parentheses are open at once"))
                    .hint("write the statement with less nesting"));
            }
        } else if token.is_symbol(')')
            && let Some(opened) = open.pop()
        {
            partners[opened] = index;
            partners[index] = opened;
        }
    }
    Ok(partners)
}

struct Gate<'t, 'a> {
    engine: EngineKind,
    tokens: &'t [Token<'a>],
    partners: Vec<usize>,
    /// What the statement itself does when it runs.
    acts: Verdict,
    /// What the functions and assignments in it do.
    calls: Verdict,
    /// Where the keywords of its data-modifying common table expressions stand, the one after `WITH`, and `UPDATE` or
    /// `DELETE` when the statement itself is one.
    changes: Vec<usize>,
    functions: Vec<String>,
    calls_only_pure: bool,
}

impl<'t, 'a> Gate<'t, 'a> {
    fn at(&self, index: usize) -> Option<&'t Token<'a>> {
        self.tokens.get(index)
    }

    fn is(&self, index: usize, keyword: &str) -> bool {
        self.at(index).is_some_and(|token| token.is(keyword))
    }

    fn is_any(&self, index: usize, keywords: &[&str]) -> bool {
        self.at(index).is_some_and(|token| token.is_any(keywords))
    }

    fn is_symbol(&self, index: usize, symbol: char) -> bool {
        self.at(index).is_some_and(|token| token.is_symbol(symbol))
    }

    /// Judges the statement whose first token is at `start`, `explained` statements deep.
    fn statement(&mut self, start: usize, explained: u8) -> Result<(), DatabaseError> {
        let first = (start..self.tokens.len()).find(|index| !self.is_symbol(*index, '(')).unwrap_or(self.tokens.len());
        let Some(token) = self.at(first).filter(|token| token.kind == TokenKind::Word && !token.after_dot) else {
            let found = self.at(first).or(self.tokens.last()).map_or("", |token| &token.text);
            return Err(verbs::unknown(self.engine, found));
        };
        let verb = token.text.to_ascii_uppercase();
        let role = verbs::role(self.engine, &verb)?;
        if first > start && role != Role::Query {
            return Err(verbs::unknown(self.engine, &format!("({verb}")));
        }
        match role {
            Role::Query => self.query(first, &verb),
            Role::Show => self.scan(first),
            Role::Explain => return self.explain(first + 1, false, explained),
            Role::Measured => return self.explain(first + 1, true, explained),
            Role::Pragma => self.acts.merge(pragma::judge(&self.tokens[first..])),
            Role::Always(kind, does) => return self.act(first, &verb, kind, does, explained),
        }
        Ok(())
    }

    fn query(&mut self, first: usize, verb: &str) {
        if verb == "WITH" {
            self.main_verb(first);
        }
        self.scan(first);
        for index in first..self.tokens.len() {
            if self.is(index, "INTO") && !self.is_label(index) {
                self.into(index);
            }
        }
    }

    /// Whether `AS` makes the keyword at `index` the name of a column, as PostgreSQL allows; the name may be `as`, too.
    fn is_label(&self, index: usize) -> bool {
        self.is(index.wrapping_sub(1), "AS") && !self.is(index.wrapping_sub(2), "AS")
    }

    /// `SELECT … INTO`: a table, variables or a file, by dialect.
    fn into(&mut self, index: usize) {
        if self.changes.contains(&index.wrapping_sub(1)) {
            return;
        }
        match self.engine {
            EngineKind::Postgres => self.acts.raise(StatementKind::Admin, "`SELECT … INTO` creates a table"),
            EngineKind::MySql => self.acts.raise(StatementKind::Write, "`SELECT … INTO` sets variables"),
            EngineKind::Sqlite => self.acts.raise(StatementKind::Write, "`SELECT … INTO`"),
        }
    }

    /// A statement whose first keyword says that it does more than reading; some change their kind by what follows.
    fn act(&mut self, first: usize, verb: &str, kind: StatementKind, does: &str, explained: u8) -> Result<(), DatabaseError> {
        use StatementKind::Forbidden;
        use StatementKind::Transaction;
        let next = first + 1;
        if matches!(verb, "UPDATE" | "DELETE") {
            self.changes.push(first);
        }
        let reason = format!("`{verb}` {does}");
        match (verb, self.engine) {
            ("SET" | "RESET", EngineKind::Postgres | EngineKind::MySql) => {
                self.acts.merge(settings::judge(&self.tokens[first..], self.engine))
            }
            ("PREPARE", EngineKind::Postgres) if self.is(next, "TRANSACTION") => {
                self.acts.raise(Transaction, "`PREPARE TRANSACTION` ends a transaction");
            }
            ("START" | "STOP", EngineKind::MySql) if !self.is(next, "TRANSACTION") => {
                self.acts.raise(Forbidden, format!("`{verb}` acts on the server"));
            }
            ("BEGIN", EngineKind::MySql) if self.is(next, "NOT") => self.acts.raise(Forbidden, "`BEGIN NOT ATOMIC` runs a block of code"),
            ("ANALYZE", EngineKind::MySql) if !self.is_any(next, &["TABLE", "LOCAL", "NO_WRITE_TO_BINLOG"]) => {
                return self.explain(next, true, explained);
            }
            ("ALTER", EngineKind::Postgres) if self.is(next, "SYSTEM") => {
                self.acts.raise(Forbidden, "`ALTER SYSTEM` changes the server's configuration");
            }
            ("ALTER", EngineKind::MySql) if self.is(next, "INSTANCE") => self.acts.raise(Forbidden, "`ALTER INSTANCE` acts on the server"),
            ("DROP", EngineKind::MySql) if self.is(next, "PREPARE") => self.acts.raise(Forbidden, reason),
            ("FLUSH", EngineKind::MySql) if self.tokens[next..].iter().any(|token| token.is_any(&["LOCK", "EXPORT"])) => {
                self.acts.raise(Forbidden, "`FLUSH … LOCK` takes locks");
            }
            ("VACUUM", EngineKind::Sqlite) if self.tokens[next..].iter().any(|token| token.is("INTO")) => {
                self.acts.raise(Forbidden, "`VACUUM INTO` writes a file");
            }
            _ => self.acts.raise(kind, reason),
        }
        if !matches!(verb, "GRANT" | "REVOKE" | "COMMENT" | "DROP" | "SECURITY") {
            self.scan(first);
        }
        Ok(())
    }

    /// Finds what a `WITH` that begins at `with` is for; more than reading is noted.
    fn main_verb(&mut self, with: usize) {
        const BEFORE_A_NAME: &[&str] = &["WITH", "RECURSIVE", "BY", "SET", "TO", "DEFAULT", "USING", "CYCLE"];
        let mut index = with + 1;
        while index < self.tokens.len() && !self.is_symbol(index, ')') {
            let previous = index - 1;
            let is_named = self.is_symbol(previous, ',') || self.is_any(previous, BEFORE_A_NAME);
            if (self.is_any(index, CHANGE) && !is_named) || self.changes_rows(index) {
                let verb = self.tokens[index].text.to_ascii_uppercase();
                self.acts.raise(StatementKind::Write, format!("`{verb}` after `WITH` changes rows"));
                self.changes.push(index);
                return;
            }
            if self.is_any(index, QUERY) && !is_named {
                return;
            }
            if self.is_symbol(index, '(') {
                if self.is_symbol(previous, ')') {
                    return;
                }
                index = self.partners[index];
            }
            index += 1;
        }
    }

    /// Looks at every token from `first` on for what does more than reading, wherever it stands.
    fn scan(&mut self, first: usize) {
        for index in first..self.tokens.len() {
            let token = &self.tokens[index];
            match token.kind {
                TokenKind::Symbol => self.scan_symbol(index),
                TokenKind::Word if !token.after_dot => self.scan_word(index),
                _ => {}
            }
            if self.engine == EngineKind::Sqlite
                && token.is_name()
                && let Some((kind, reason)) = pragma::judge_table(&token.text)
            {
                self.calls.raise(kind, reason);
            }
        }
    }

    fn scan_symbol(&mut self, index: usize) {
        if self.is_symbol(index, ':') && self.engine == EngineKind::MySql && self.is_symbol(index + 1, '=') {
            self.calls.raise(StatementKind::Write, "`:=` sets a variable");
        }
        if !self.is_symbol(index, '(') {
            return;
        }
        match index + 1 {
            inner if self.is(inner, "WITH") => self.main_verb(inner),
            inner if self.changes_rows(inner) => {
                let verb = self.tokens[inner].text.to_ascii_uppercase();
                self.acts.raise(StatementKind::Write, format!("`{verb}` in a common table expression changes rows"));
                self.changes.push(inner);
            }
            _ => {}
        }
        self.scan_call(index);
    }

    /// Whether a statement that changes rows begins at `index`; a column may have such a name.
    fn changes_rows(&self, index: usize) -> bool {
        let next = index + 1;
        match () {
            () if self.is_any(index, &["INSERT", "MERGE", "REPLACE"]) => self.is(next, "INTO"),
            () if self.is(index, "DELETE") => self.is(next, "FROM"),
            () if self.is_any(next, &["AS", "IS"]) || self.is_symbol(next, '(') => false,
            () if self.is(index, "UPDATE") => (next + 1..next + LONGEST_TARGET).any(|index| self.is(index, "SET")),
            () => false,
        }
    }

    fn scan_word(&mut self, index: usize) {
        use StatementKind::Forbidden;
        use StatementKind::Write;
        let next = index + 1;
        if self.is(index, "FOR") {
            let is_lock = self.is_any(next, &["UPDATE", "SHARE"])
                || (self.is(next, "KEY") && self.is(next + 1, "SHARE"))
                || (self.is(next, "NO") && self.is(next + 1, "KEY") && self.is(next + 2, "UPDATE"));
            if is_lock && self.engine != EngineKind::Sqlite {
                let what = self.tokens[next].text.to_ascii_uppercase();
                self.acts.raise(Write, format!("`FOR {what}` takes row locks"));
            }
        }
        if self.engine != EngineKind::MySql {
            return;
        }
        if self.is(index, "INTO") && self.is_any(next, &["OUTFILE", "DUMPFILE"]) {
            let what = self.tokens[next].text.to_ascii_uppercase();
            self.acts.raise(Forbidden, format!("`INTO {what}` writes a file"));
        } else if self.is(index, "LOCK") && self.is(next, "IN") && self.is(next + 1, "SHARE") {
            self.acts.raise(Write, "`LOCK IN SHARE MODE` takes row locks");
        } else if self.is(index, "PROCEDURE") && self.is_any(next, &["ANALYSE", "ANALYZE"]) {
            self.acts.raise(Write, "`PROCEDURE ANALYSE`");
        } else if self.is(index, "NEXT") && self.is(next, "VALUE") && self.is(next + 1, "FOR") {
            self.calls.raise(Write, "`NEXT VALUE FOR` changes a sequence");
        } else if self.is(index, "SQL_CALC_FOUND_ROWS") {
            self.calls_only_pure = false;
        }
    }

    /// Judges the call whose `(` is at `open`, if it is one.
    fn scan_call(&mut self, open: usize) {
        let Some(call) = calls::call_at(self.tokens, &self.partners, open) else { return };
        let name = call.name();
        let takes_argument = !self.is_symbol(open + 1, ')');
        if let Some((kind, does)) = functions::judge(self.engine, &name) {
            self.calls.raise(kind, format!("the function `{name}` {does}"));
            self.calls_only_pure = false;
        } else if name == "last_insert_id" && takes_argument && self.engine == EngineKind::MySql {
            self.calls.raise(StatementKind::Write, "`last_insert_id` with a value sets it for the session");
        }
        let is_builtin_schema = call.parts.len() == 1 || (call.parts.len() == 2 && self.is_pg_catalog(call.parts[0]));
        let known = if is_builtin_schema { builtin::known(self.engine, &name) } else { Known::Unknown };
        self.calls_only_pure &= known == Known::Pure || call.may_be_alias;
        if known == Known::Unknown && !call.may_be_alias {
            self.functions.push(call.full_name(self.engine));
        }
    }

    fn is_pg_catalog(&self, schema: &Token<'_>) -> bool {
        self.engine == EngineKind::Postgres && schema.text.eq_ignore_ascii_case("pg_catalog")
    }
}
