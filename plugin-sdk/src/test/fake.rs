//! A fake of every import, with the names and types of the generated ones.

pub(crate) mod cache_bytes;
pub(crate) mod http;
pub(crate) mod metric;
pub(crate) mod plugins;
pub(crate) mod secret;
pub(crate) mod storage;
pub(crate) mod transaction;
pub(crate) mod vault;

use crate::database_read::StatementKind;
use crate::test::Answer;
use crate::test::Event;
use crate::test::Ran;
use crate::test::ResultRows;
use crate::test::State;
use crate::test::state;
use crate::types::Confirmation;
use crate::types::DatabaseError;
use crate::types::Failure;
use crate::types::Value;

/// The database of this name, or the only one when the name is empty.
fn find(state: &State, database: &str) -> Result<String, DatabaseError> {
    let found = match state.databases.as_slice() {
        [only] if database.is_empty() => Some(only),
        databases => databases.iter().find(|known| known.name == database),
    };
    found.map(|known| known.name.clone()).ok_or_else(|| DatabaseError::UnknownDatabase(Failure::new(format!("no database `{database}`"))))
}

fn ran(state: &State, database: &str, sql: &str, parameters: &[Value], timeout_ms: Option<u32>) -> Result<Ran, DatabaseError> {
    Ok(Ran { database: find(state, database)?, sql: sql.to_owned(), parameters: parameters.to_vec(), timeout_ms, transaction: None })
}

fn ran_in(
    state: &State,
    transaction: &transaction::Transaction,
    sql: &str,
    parameters: &[Value],
    timeout_ms: Option<u32>,
) -> Result<Ran, DatabaseError> {
    let database = transaction::open(state, &transaction.handle)?.database.clone();
    let handle = Some(transaction.handle.clone());
    Ok(Ran { transaction: handle, ..ran(state, &database, sql, parameters, timeout_ms)? })
}

/// Asks about a statement that was announced as one to ask about, unless `confirmation` is its token, which is used up.
fn confirm(state: &mut State, sql: &str, confirmation: Option<&str>) -> Result<(), DatabaseError> {
    let Some(affected) = state.asked.get(sql).copied() else { return Ok(()) };
    let issued = confirmation.and_then(|token| state.tokens.remove(token));
    if issued.is_some_and(|text| text == sql) {
        return Ok(());
    }
    state.issued += 1;
    let token = format!("token-{}", state.issued);
    state.tokens.insert(token.clone(), sql.to_owned());
    let failure = Failure::new("it destroys much");
    Err(DatabaseError::ConfirmationRequired(Confirmation { failure, affected, token, expires_in_seconds: 300 }))
}

fn answer(state: &State, sql: &str) -> Result<Answer, DatabaseError> {
    match state.answers.get(sql) {
        Some(Answer::Fails(error)) => Err(error.clone()),
        Some(answer) => Ok(answer.clone()),
        None => Err(DatabaseError::Failed(Failure::new(format!("the test host has no answer to `{sql}`")))),
    }
}

/// Judges a statement by its first word: enough for a fake.
fn judge(state: &State, sql: &str) -> (StatementKind, String) {
    let verb = sql.split_whitespace().next().unwrap_or("").to_uppercase();
    let kind = match verb.as_str() {
        "SELECT" | "VALUES" | "TABLE" | "WITH" | "SHOW" | "EXPLAIN" => StatementKind::Read,
        "INSERT" | "UPDATE" | "DELETE" | "MERGE" | "REPLACE" | "CALL" => StatementKind::Write,
        "CREATE" | "ALTER" | "DROP" | "TRUNCATE" | "GRANT" | "REVOKE" => StatementKind::Admin,
        "BEGIN" | "START" | "COMMIT" | "ROLLBACK" | "SAVEPOINT" => StatementKind::Transaction,
        _ => StatementKind::Forbidden,
    };
    (state.kinds.get(sql).copied().unwrap_or(kind), verb)
}

/// The fake of `rows`.
pub(crate) mod rows {
    use std::cell::Cell;

    use crate::test::ResultRows;
    use crate::types::Column;
    use crate::types::Value;

    /// Rows as a guest holds them.
    #[derive(Debug)]
    pub(crate) struct Rows {
        pub(super) result: ResultRows,
        pub(super) truncated: bool,
        pub(super) cursor: Option<String>,
        pub(super) taken: Cell<usize>,
    }

    impl Rows {
        pub(crate) fn build(columns: &[Column], rows: &[Vec<Value>]) -> Option<Self> {
            let fits = rows.iter().all(|row| row.len() == columns.len());
            let result = ResultRows { columns: columns.to_vec(), rows: rows.to_vec() };
            fits.then_some(Self { result, truncated: false, cursor: None, taken: Cell::new(0) })
        }

        pub(crate) fn columns(&self) -> Vec<Column> {
            self.result.columns.clone()
        }

        pub(crate) fn next(&self, max: u32) -> Vec<Vec<Value>> {
            let max = usize::try_from(max.min(1000)).unwrap_or(1000);
            let rows: Vec<Vec<Value>> = self.result.rows.iter().skip(self.taken.get()).take(max).cloned().collect();
            self.taken.set(self.taken.get() + rows.len());
            rows
        }

        pub(crate) fn count(&self) -> u64 {
            self.result.rows.len() as u64
        }

        pub(crate) fn truncated(&self) -> bool {
            self.truncated
        }

        pub(crate) fn cursor(&self) -> Option<String> {
            self.cursor.clone()
        }
    }
}

/// Cuts rows as the host does; keeps the rest under a new cursor when that is asked for.
fn cut(state: &mut State, mut result: ResultRows, max_rows: Option<u32>, keep_rest: bool) -> rows::Rows {
    let max = max_rows.and_then(|max| usize::try_from(max).ok()).unwrap_or(usize::MAX);
    let rest = if result.rows.len() > max { result.rows.split_off(max) } else { Vec::new() };
    let truncated = !rest.is_empty();
    let cursor = (truncated && keep_rest).then(|| {
        let cursor = format!("cursor-{}", state.kept.len() + 1);
        state.kept.insert(cursor.clone(), ResultRows { columns: result.columns.clone(), rows: rest });
        cursor
    });
    rows::Rows { result, truncated, cursor, taken: 0.into() }
}

/// The fake of `database-read`.
pub(crate) mod database_read {
    use super::rows::Rows;
    use super::transaction::Transaction;
    use super::*;
    use crate::database_read::Inspection;
    use crate::database_read::Options;

    pub(crate) fn inspect(database: &str, sql: &str) -> Result<Inspection, DatabaseError> {
        let state = state();
        let state = state.borrow();
        find(&state, database)?;
        let (kind, verb) = judge(&state, sql);
        Ok(Inspection { kind, verb, tables: Vec::new() })
    }

    pub(crate) fn query(database: &str, sql: &str, parameters: &[Value], options: Options) -> Result<Rows, DatabaseError> {
        let state = state();
        let mut state = state.borrow_mut();
        let ran = ran(&state, database, sql, parameters, options.timeout_ms)?;
        state.events.push(Event::Query(ran));
        if judge(&state, sql).0 != StatementKind::Read {
            return Err(DatabaseError::ReadOnly(Failure::new("the statement would write")));
        }
        read(&mut state, sql, options)
    }

    pub(crate) fn explain(database: &str, sql: &str, parameters: &[Value], analyze: bool, options: Options) -> Result<Rows, DatabaseError> {
        let state = state();
        let mut state = state.borrow_mut();
        let ran = ran(&state, database, sql, parameters, options.timeout_ms)?;
        state.events.push(Event::Explain(ran, analyze));
        read(&mut state, sql, options)
    }

    pub(crate) fn query_in(transaction: &Transaction, sql: &str, parameters: &[Value], options: Options) -> Result<Rows, DatabaseError> {
        let state = state();
        let mut state = state.borrow_mut();
        let ran = ran_in(&state, transaction, sql, parameters, options.timeout_ms)?;
        state.events.push(Event::Query(ran));
        if judge(&state, sql).0 != StatementKind::Read {
            return Err(DatabaseError::ReadOnly(Failure::new("the statement would write")));
        }
        read(&mut state, sql, options)
    }

    pub(crate) fn explain_in(
        transaction: &Transaction,
        sql: &str,
        parameters: &[Value],
        analyze: bool,
        options: Options,
    ) -> Result<Rows, DatabaseError> {
        let state = state();
        let mut state = state.borrow_mut();
        let ran = ran_in(&state, transaction, sql, parameters, options.timeout_ms)?;
        state.events.push(Event::Explain(ran, analyze));
        read(&mut state, sql, options)
    }

    pub(crate) fn fetch(cursor: &str, max_rows: Option<u32>) -> Result<Rows, DatabaseError> {
        let state = state();
        let mut state = state.borrow_mut();
        state.events.push(Event::Fetch(cursor.to_owned()));
        match state.kept.remove(cursor) {
            Some(rows) => Ok(cut(&mut state, rows, max_rows, true)),
            None => Err(DatabaseError::UnknownCursor(Failure::new("no such cursor"))),
        }
    }

    fn read(state: &mut State, sql: &str, options: Options) -> Result<Rows, DatabaseError> {
        let rows = match answer(state, sql)? {
            Answer::Rows(rows) => rows,
            Answer::Affected(_, returned) => returned.unwrap_or_default(),
            Answer::Fails(error) => return Err(error),
        };
        Ok(cut(state, rows, options.max_rows, options.keep_rest))
    }
}

/// The fake of `database-write`.
pub(crate) mod database_write {
    use super::rows::Rows;
    use super::transaction::Transaction;
    use super::*;
    use crate::database_write::Statement;

    pub(crate) struct Execution {
        pub(crate) affected: u64,
        pub(crate) returned: Option<Rows>,
    }

    pub(crate) struct BatchError {
        pub(crate) index: u32,
        pub(crate) error: DatabaseError,
    }

    pub(crate) fn execute(
        database: &str,
        sql: &str,
        parameters: &[Value],
        timeout_ms: Option<u32>,
        confirmation: Option<&str>,
    ) -> Result<Execution, DatabaseError> {
        let state = state();
        let mut state = state.borrow_mut();
        let ran = ran(&state, database, sql, parameters, timeout_ms)?;
        executed(&mut state, ran, confirmation)
    }

    pub(crate) fn execute_in(
        transaction: &Transaction,
        sql: &str,
        parameters: &[Value],
        timeout_ms: Option<u32>,
        confirmation: Option<&str>,
    ) -> Result<Execution, DatabaseError> {
        let state = state();
        let mut state = state.borrow_mut();
        let ran = ran_in(&state, transaction, sql, parameters, timeout_ms)?;
        executed(&mut state, ran, confirmation)
    }

    fn executed(state: &mut State, ran: Ran, confirmation: Option<&str>) -> Result<Execution, DatabaseError> {
        writable(state, &ran.database)?;
        let sql = ran.sql.clone();
        state.events.push(Event::Execute(ran));
        confirm(state, &sql, confirmation)?;
        run(state, &sql)
    }

    pub(crate) fn batch(
        database: &str,
        statements: &[Statement],
        timeout_ms: Option<u32>,
        confirmation: Option<&str>,
    ) -> Result<Vec<Execution>, BatchError> {
        let state = state();
        let mut state = state.borrow_mut();
        let ran = statements.iter().map(|step| ran(&state, database, &step.sql, &step.parameters, timeout_ms)).collect();
        batched(&mut state, ran, confirmation)
    }

    pub(crate) fn batch_in(
        transaction: &Transaction,
        statements: &[Statement],
        timeout_ms: Option<u32>,
        confirmation: Option<&str>,
    ) -> Result<Vec<Execution>, BatchError> {
        let state = state();
        let mut state = state.borrow_mut();
        let ran = statements.iter().map(|step| ran_in(&state, transaction, &step.sql, &step.parameters, timeout_ms)).collect();
        batched(&mut state, ran, confirmation)
    }

    fn batched(
        state: &mut State,
        statements: Result<Vec<Ran>, DatabaseError>,
        confirmation: Option<&str>,
    ) -> Result<Vec<Execution>, BatchError> {
        let first = |error| BatchError { index: 0, error };
        let statements = statements.map_err(first)?;
        if let Some(statement) = statements.first() {
            writable(state, &statement.database).map_err(first)?;
        }
        state.events.push(Event::Batch(statements.clone()));
        let run = statements.iter().zip(0..).map(|(statement, index)| {
            let done = confirm(state, &statement.sql, confirmation).and_then(|()| run(state, &statement.sql));
            done.map_err(|error| BatchError { index, error })
        });
        run.collect()
    }

    pub(super) fn writable(state: &State, database: &str) -> Result<(), DatabaseError> {
        let is_open = |known: &&crate::catalog::Database| known.name == database && known.mode == crate::catalog::Mode::ReadWrite;
        match state.databases.iter().find(is_open) {
            Some(_) => Ok(()),
            None => Err(DatabaseError::ReadOnly(Failure::new(format!("`{database}` is read only")))),
        }
    }

    pub(super) fn run(state: &mut State, sql: &str) -> Result<Execution, DatabaseError> {
        let (affected, returned) = match answer(state, sql)? {
            Answer::Rows(rows) => (0, Some(rows)),
            Answer::Affected(affected, returned) => (affected, returned),
            Answer::Fails(error) => return Err(error),
        };
        Ok(Execution { affected, returned: returned.map(|rows| cut(state, rows, None, false)) })
    }
}

/// The fake of `database-admin`.
pub(crate) mod database_admin {
    use super::database_write::Execution;
    use super::transaction::Transaction;
    use super::*;

    pub(crate) fn execute(
        database: &str,
        sql: &str,
        parameters: &[Value],
        timeout_ms: Option<u32>,
        confirmation: Option<&str>,
    ) -> Result<Execution, DatabaseError> {
        let state = state();
        let mut state = state.borrow_mut();
        let ran = ran(&state, database, sql, parameters, timeout_ms)?;
        executed(&mut state, ran, confirmation)
    }

    pub(crate) fn execute_in(
        transaction: &Transaction,
        sql: &str,
        parameters: &[Value],
        timeout_ms: Option<u32>,
        confirmation: Option<&str>,
    ) -> Result<Execution, DatabaseError> {
        let state = state();
        let mut state = state.borrow_mut();
        let ran = ran_in(&state, transaction, sql, parameters, timeout_ms)?;
        executed(&mut state, ran, confirmation)
    }

    fn executed(state: &mut State, ran: Ran, confirmation: Option<&str>) -> Result<Execution, DatabaseError> {
        database_write::writable(state, &ran.database)?;
        let sql = ran.sql.clone();
        state.events.push(Event::Admin(ran));
        confirm(state, &sql, confirmation)?;
        database_write::run(state, &sql)
    }
}

/// The fake of `catalog`.
pub(crate) mod catalog {
    use super::*;
    use crate::catalog::Database;
    use crate::catalog::DatabaseDetails;
    use crate::catalog::RoutinePage;
    use crate::catalog::Schema;
    use crate::catalog::Table;
    use crate::catalog::TableFilter;
    use crate::catalog::TablePage;

    pub(crate) fn list_databases() -> Vec<Database> {
        state().borrow().databases.clone()
    }

    pub(crate) fn describe_database(database: &str) -> Result<DatabaseDetails, DatabaseError> {
        let state = state();
        let state = state.borrow();
        let name = find(&state, database)?;
        state.details.get(&name).cloned().ok_or_else(|| DatabaseError::Unavailable(Failure::new(format!("`{name}` has no details"))))
    }

    pub(crate) fn list_schemas(database: &str) -> Result<Vec<Schema>, DatabaseError> {
        let state = state();
        let state = state.borrow();
        let name = find(&state, database)?;
        Ok(state.schemas.get(&name).cloned().unwrap_or_default())
    }

    pub(crate) fn list_tables(database: &str, filter: &TableFilter) -> Result<TablePage, DatabaseError> {
        let state = state();
        let state = state.borrow();
        let name = find(&state, database)?;
        let summaries = state.tables.get(&name).into_iter().flatten().map(|table| &table.summary).filter(|summary| {
            filter.schema.as_ref().is_none_or(|schema| *schema == summary.schema)
                && (filter.kinds.is_empty() || filter.kinds.contains(&summary.kind))
                && filter.pattern.as_ref().is_none_or(|pattern| like(pattern, &summary.name))
        });
        let (tables, next) = page(summaries.cloned(), |summary| &summary.name, filter.after.as_deref(), filter.limit);
        Ok(TablePage { tables, next })
    }

    pub(crate) fn describe_table(database: &str, schema: Option<&str>, table: &str) -> Result<Table, DatabaseError> {
        let state = state();
        let state = state.borrow();
        let name = find(&state, database)?;
        let found = state
            .tables
            .get(&name)
            .into_iter()
            .flatten()
            .find(|known| known.summary.name == table && schema.is_none_or(|schema| known.summary.schema == schema));
        found.cloned().ok_or_else(|| DatabaseError::UnknownTable(Failure::new(format!("no table `{table}`"))))
    }

    pub(crate) fn list_routines(
        database: &str,
        schema: Option<&str>,
        pattern: Option<&str>,
        after: Option<&str>,
        limit: u32,
    ) -> Result<RoutinePage, DatabaseError> {
        let state = state();
        let state = state.borrow();
        let name = find(&state, database)?;
        let routines = state.routines.get(&name).into_iter().flatten().filter(|routine| {
            schema.is_none_or(|schema| routine.schema == schema) && pattern.is_none_or(|pattern| like(pattern, &routine.name))
        });
        let (routines, next) = page(routines.cloned(), |routine| &routine.name, after, limit);
        Ok(RoutinePage { routines, next })
    }

    /// One page of items after the one called `after`.
    fn page<T>(items: impl Iterator<Item = T>, name: impl Fn(&T) -> &String, after: Option<&str>, limit: u32) -> (Vec<T>, Option<String>) {
        let mut items: Vec<T> = match after {
            Some(after) => items.skip_while(|item| name(item) != after).skip(1).collect(),
            None => items.collect(),
        };
        let limit = usize::try_from(limit.clamp(1, 500)).unwrap_or(500);
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(|item| name(item).clone());
        (items, next)
    }

    /// Whether a name matches a pattern with `%` and `_`.
    fn like(pattern: &str, name: &str) -> bool {
        fn matches(pattern: &[char], name: &[char]) -> bool {
            match pattern {
                [] => name.is_empty(),
                ['%', rest @ ..] => (0..=name.len()).any(|skipped| matches(rest, &name[skipped..])),
                ['_', rest @ ..] => !name.is_empty() && matches(rest, &name[1..]),
                [first, rest @ ..] => name.first() == Some(first) && matches(rest, &name[1..]),
            }
        }
        let letters = |text: &str| text.to_lowercase().chars().collect::<Vec<char>>();
        matches(&letters(pattern), &letters(name))
    }
}

/// The fake of `cache`: what the test put under a key is there.
pub(crate) mod cache {
    use super::rows::Rows;
    use super::*;
    use crate::cache::Figures;
    use crate::cache::Selection;
    use crate::hook::Policy;

    pub(crate) fn find(key: &str, policy: Policy) -> Option<Rows> {
        let state = state();
        let mut state = state.borrow_mut();
        state.events.push(Event::CacheFind(key.to_owned(), policy));
        let rows = state.cached.get(key)?.clone();
        Some(cut(&mut state, rows, None, false))
    }

    pub(crate) fn clear(what: &Selection) -> u64 {
        let state = state();
        let mut state = state.borrow_mut();
        state.events.push(Event::CacheClear(what.clone()));
        std::mem::take(&mut state.cached).len() as u64
    }

    pub(crate) fn read_figures() -> Figures {
        let entries = state().borrow().cached.len() as u64;
        Figures { tiers: Vec::new(), hits: 0, misses: 0, kept: entries, stale: 0, collapsed: 0, too_large: 0, passed_over: 0 }
    }
}

/// The fake of `settings`.
pub(crate) mod settings {
    use super::state;

    pub(crate) fn get(key: &str) -> Option<String> {
        state().borrow().settings.get(key).cloned()
    }
}

/// The fake of `log`.
pub(crate) mod log {
    use super::Event;
    use super::state;
    use crate::log::Level;

    pub(crate) fn write(level: Level, message: &str) {
        state().borrow_mut().events.push(Event::Log(level, message.to_owned()));
    }
}

/// The fake of `progress`.
pub(crate) mod progress {
    use super::Event;
    use super::state;

    pub(crate) fn report(progress: f64, total: Option<f64>, message: Option<&str>) {
        state().borrow_mut().events.push(Event::Progress(progress, total, message.map(str::to_owned)));
    }
}

/// The fake of `changes`.
pub(crate) mod changes {
    use super::Event;
    use super::state;

    pub(crate) fn tools_changed() {
        changed("tools");
    }

    pub(crate) fn resources_changed() {
        changed("resources");
    }

    pub(crate) fn prompts_changed() {
        changed("prompts");
    }

    pub(crate) fn resource_updated(uri: &str) {
        changed(uri);
    }

    fn changed(what: &str) {
        state().borrow_mut().events.push(Event::Changed(what.to_owned()));
    }
}
