//! The read-only gate under attack: statements against real databases, and what these look like afterwards.
//!
//! Each engine has a table of cases, a third of them harmless. A case goes the way that a guest's statement goes,
//! `Database::judge` and `Database::read`, and then every fact that [`state`] knows is compared: data, schema, files,
//! locks, and what the next statement finds in the session. What a case would do without the gate is shown too, so
//! that a fact which sees nothing is found out. [`mutate`] changes the refused statements in ways that keep their
//! meaning, and [`generate`] writes texts of its own.

mod generate;
mod mutate;
mod mysql;
mod postgres;
mod random;
mod sqlite;
mod state;

use std::time::Duration;

use super::Database;
use super::RunOptions;
use super::error::DatabaseError;
use super::error::ErrorKind;
use super::rows::RowLimits;
use super::rows::RowSet;
use super::statement::Statement;
use super::value::Value;
use crate::call::Call;
use crate::call::Caller;
use state::Facts;

/// What becomes of a case.
#[derive(Clone, Copy, Debug)]
enum Outcome {
    /// It runs.
    Runs,
    /// It runs and answers these rows.
    Answers(&'static [&'static str]),
    /// It is refused with this kind of error.
    Refused(ErrorKind),
    /// It may run or not: what it does is not in its text. Nothing of it may stay.
    Contained,
}

/// One statement and what must become of it.
#[derive(Clone, Copy, Debug)]
struct Case {
    name: &'static str,
    /// `{db}` stands for the name of the database, `{file}` for a file that is not there, `{url}` for the database's URL.
    sql: &'static str,
    parameters: &'static [&'static str],
    outcome: Outcome,
    /// The fact that changes when it runs without the gate.
    harms: Option<&'static str>,
}

impl Case {
    const fn new(name: &'static str, sql: &'static str, outcome: Outcome) -> Self {
        Self { name, sql, parameters: &[], outcome, harms: None }
    }

    const fn with(self, parameters: &'static [&'static str]) -> Self {
        Self { parameters, ..self }
    }

    const fn harms(self, fact: &'static str) -> Self {
        Self { harms: Some(fact), ..self }
    }

    const fn is_harmless(&self) -> bool {
        matches!(self.outcome, Outcome::Runs | Outcome::Answers(_))
    }
}

const fn refused(name: &'static str, sql: &'static str, kind: ErrorKind) -> Case {
    Case::new(name, sql, Outcome::Refused(kind))
}

const fn contained(name: &'static str, sql: &'static str) -> Case {
    Case::new(name, sql, Outcome::Contained)
}

const fn runs(name: &'static str, sql: &'static str) -> Case {
    Case::new(name, sql, Outcome::Runs)
}

const fn answers(name: &'static str, sql: &'static str, rows: &'static [&'static str]) -> Case {
    Case::new(name, sql, Outcome::Answers(rows))
}

/// With which rights a case is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Account {
    /// Everything.
    Superuser,
    /// To read some tables, and nothing else.
    Reader,
}

/// A database under attack.
trait Target {
    /// The database as the host has it, with one connection for reading.
    fn database(&self) -> &Database;

    /// Everything that an attack could have changed, asked past the gate, and what the next statement finds in the session.
    async fn facts(&mut self) -> Facts;

    /// The text of a case for this database.
    fn fill(&self, sql: &str) -> String;
}

fn call() -> Call {
    Call::new(Caller::local(), Duration::from_secs(60))
}

fn options() -> RunOptions {
    RunOptions::new(Duration::from_secs(20), RowLimits { rows: 1000, bytes: 1 << 20 })
}

/// Runs a text as a guest's reading statement is run.
async fn read(database: &Database, sql: &str, parameters: &[&str]) -> Result<RowSet, DatabaseError> {
    let statement = database.judge(sql)?;
    run(database, &statement, parameters).await
}

async fn run(database: &Database, statement: &Statement, parameters: &[&str]) -> Result<RowSet, DatabaseError> {
    let values: Vec<Value> = parameters.iter().map(|value| Value::Text((*value).into())).collect();
    database.read(&call(), statement, &values, &options()).await
}

/// The rows as a client reads them.
fn json(rows: &RowSet) -> Vec<String> {
    rows.rows_json().map(|row| String::from_utf8_lossy(row).into_owned()).collect()
}

/// Tries every case and fails with a list of those that ended otherwise or left something behind.
async fn check(target: &mut impl Target, cases: &[Case], account: Account) {
    let mut before = target.facts().await;
    let mut wrong = Vec::new();
    for case in cases {
        let sql = target.fill(case.sql);
        let result = read(target.database(), &sql, case.parameters).await;
        if let Some(what) = unexpected(case, account, &result) {
            wrong.push(format!("{}: {sql}\n    {what}", case.name));
        }
        let after = target.facts().await;
        let differences = before.differences(&after);
        if !differences.is_empty() {
            wrong.push(format!("{}: {sql}\n    left behind: {}", case.name, differences.join("; ")));
            before = after;
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases as {account:?}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// What is wrong with the end that a case came to, if anything.
fn unexpected(case: &Case, account: Account, result: &Result<RowSet, DatabaseError>) -> Option<String> {
    match (case.outcome, result) {
        (Outcome::Contained, _) | (Outcome::Runs, Ok(_)) => None,
        (Outcome::Answers(wanted), Ok(rows)) => {
            let rows = json(rows);
            (rows != wanted).then(|| format!("answers {rows:?}"))
        }
        (Outcome::Refused(wanted), Err(error)) if error.kind == wanted => None,
        // The server may know first that the account has no right to it.
        (Outcome::Refused(_), Err(error)) if error.kind == ErrorKind::AccessDenied && account == Account::Reader => None,
        (Outcome::Refused(wanted), Err(error)) => {
            Some(format!("is refused, but as {:?} and not as {wanted:?}: {}", error.kind, error.message))
        }
        (Outcome::Refused(_), Ok(rows)) => Some(format!("runs: {:?}", json(rows))),
        (Outcome::Runs | Outcome::Answers(_), Err(error)) => Some(format!("is refused as {:?}: {}", error.kind, error.message)),
    }
}

/// Asserts that a table of cases is large, that a third of it is harmless and that no two cases have the same name.
fn check_table(cases: &[Case], least: usize) {
    let harmless = cases.iter().filter(|case| case.is_harmless()).count();
    assert!(cases.len() >= least && harmless * 3 >= cases.len(), "{harmless} of {} cases are harmless", cases.len());
    let names: std::collections::BTreeSet<_> = cases.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), cases.len(), "two cases have the same name");
}
