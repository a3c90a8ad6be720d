//! Asks before destruction: what needs a yes, and the tokens that stand for one.
//!
//! It is decided here and not in a plugin. A token is good for one run of exactly the statements and values it was given
//! out for, by the same caller, in the same database or transaction, within five minutes. And it has to have come back from
//! the client ([`Brought`](crate::call::Brought)): a plugin that is told a token cannot use it by itself.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::Digest;
use sha2::Sha256;

use super::BatchError;
use super::Database;
use super::Execution;
use super::RunOptions;
use super::error::Confirmation;
use super::error::DatabaseError;
use super::error::ErrorKind;
use super::statement::Statement;
use super::statement::StatementKind;
use super::transaction::Transaction;
use super::value::Value;
use crate::call::Call;

/// How long a token is good for.
const KEPT: Duration = Duration::from_mins(5);

/// Tokens of one database at most; the oldest go first.
const MOST: usize = 1_000;

/// How many destructive statements of a batch are named.
const NAMED: usize = 10;

/// What of a write goes through without a yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guard {
    /// All of it: there is one, or nothing is asked about.
    Free,
    /// As long as it changes no more rows than this.
    Rows(u64),
    /// Nothing: it runs to be counted and is taken back.
    Count,
}

impl Guard {
    /// Lets a write that is done but not committed pass, or fails with `ConfirmationRequired`, after which it must be taken back.
    ///
    /// # Errors
    ///
    /// See above; the token is still missing.
    pub(super) fn check(self, affected: u64) -> Result<(), DatabaseError> {
        match self {
            Self::Free => Ok(()),
            Self::Rows(most) if affected <= most => Ok(()),
            Self::Rows(_) | Self::Count => Err(counted(Some(affected))),
        }
    }
}

/// The error of a write that was taken back, without what only the database can add to it.
pub(super) fn counted(affected: Option<u64>) -> DatabaseError {
    let confirmation = Confirmation { affected, token: String::new(), expires_in_seconds: 0 };
    let error = DatabaseError::new(ErrorKind::ConfirmationRequired, "the statement needs a yes");
    DatabaseError { confirmation: Some(Box::new(confirmation)), ..error }
}

/// What a token is for: everything that may not differ, as one digest.
#[derive(Clone, PartialEq, Eq)]
struct Subject([u8; 32]);

impl Subject {
    fn new(call: &Call, database: &str, transaction: Option<&Transaction>, statements: &[(Statement, Vec<Value>)]) -> Self {
        let mut digest = Sha256::new();
        feed(&mut digest, call.caller.as_str().as_bytes());
        feed(&mut digest, database.as_bytes());
        feed(&mut digest, transaction.map_or("", Transaction::handle).as_bytes());
        for (statement, values) in statements {
            feed(&mut digest, statement.text.as_bytes());
            digest.update((values.len() as u64).to_be_bytes());
            for value in values {
                feed_value(&mut digest, value);
            }
        }
        Self(digest.finalize().into())
    }
}

/// Feeds one part with its length, so that parts cannot run into each other.
fn feed(digest: &mut Sha256, part: &[u8]) {
    digest.update((part.len() as u64).to_be_bytes());
    digest.update(part);
}

fn feed_value(digest: &mut Sha256, value: &Value) {
    match value {
        Value::Null => feed(digest, b"n"),
        Value::Boolean(value) => feed(digest, &[b'b', u8::from(*value)]),
        Value::Integer(value) => feed(digest, format!("i{value}").as_bytes()),
        Value::Real(value) => feed(digest, format!("r{:016x}", value.to_bits()).as_bytes()),
        Value::Decimal(text) => feed(digest, format!("d{text}").as_bytes()),
        Value::Text(text) => feed(digest, format!("t{text}").as_bytes()),
        Value::Json(text) => feed(digest, format!("j{text}").as_bytes()),
        Value::Blob(bytes) => {
            digest.update(b"x");
            feed(digest, bytes);
        }
    }
}

struct Issued {
    token: String,
    subject: Subject,
    /// The round of a call that was told it.
    round: u64,
    until: Instant,
}

/// The tokens of one database that are not used yet.
#[derive(Default)]
pub(super) struct Confirmations {
    issued: Mutex<VecDeque<Issued>>,
}

impl Confirmations {
    /// Gives out a token; `None` when the system has no randomness, so that nothing can be confirmed.
    fn issue(&self, call: &Call, subject: Subject, now: Instant) -> Option<String> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).ok()?;
        let token = format!("k_{}", URL_SAFE_NO_PAD.encode(random));
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        issued.retain(|issued| issued.until > now);
        while issued.len() >= MOST {
            issued.pop_front();
        }
        issued.push_back(Issued { token: token.clone(), subject, round: call.brought.round(), until: now + KEPT });
        Some(token)
    }

    /// Uses a token up, when it is one for this. One step: of two that come at once one gets nothing.
    fn use_up(&self, call: &Call, subject: &Subject, token: &str, now: Instant) -> bool {
        if !call.brought.vouches_for(token) {
            return false;
        }
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |issued: &Issued| {
            issued.token == token && issued.subject == *subject && issued.round != call.brought.round() && issued.until > now
        };
        match issued.iter().position(fits) {
            Some(place) => issued.remove(place).is_some(),
            None => false,
        }
    }
}

/// Where statements run.
#[derive(Clone, Copy)]
pub(super) enum Scope<'t> {
    /// In a transaction of their own.
    Alone,
    /// In this one.
    In(&'t Transaction),
}

impl<'t> Scope<'t> {
    /// Whether there is still something to run in.
    fn goes_on(self) -> bool {
        self.transaction().is_none_or(|transaction| transaction.find_ending().is_none())
    }

    fn transaction(self) -> Option<&'t Transaction> {
        match self {
            Self::Alone => None,
            Self::In(transaction) => Some(transaction),
        }
    }
}

/// What the statements would destroy, each of them named: a yes is to all.
fn what_destroys(statements: &[(Statement, Vec<Value>)]) -> String {
    let each = statements.iter().enumerate().filter_map(|(index, (statement, _))| Some((index, statement.destructive.as_ref()?)));
    match statements.len() {
        1 => each.map(|(_, why)| why.to_string()).collect(),
        _ => {
            let each: Vec<String> = each.map(|(index, why)| format!("statement {}: {why}", index + 1)).collect();
            let more = each.len().saturating_sub(NAMED);
            let named = each[..each.len() - more].join("; ");
            if more > 0 { format!("{named}; and {more} more like these") } else { named }
        }
    }
}

impl Database {
    /// Runs statements that change something, unless they need a yes that is not there.
    pub(super) async fn run_confirmed(
        &self,
        call: &Call,
        scope: Scope<'_>,
        statements: Vec<(Statement, Vec<Value>)>,
        confirmation: Option<&str>,
        options: &RunOptions,
    ) -> Result<Vec<Execution>, BatchError> {
        let subject = Subject::new(call, self.config.name.as_str(), scope.transaction(), &statements);
        if let Some(token) = confirmation
            && self.confirmations.use_up(call, &subject, token, Instant::now())
        {
            return self.run_guarded(call, scope, statements, Guard::Free, options).await;
        }
        let first = statements.iter().position(|(statement, _)| statement.destructive.is_some());
        let Some(index) = first.filter(|_| self.config.confirm.destructive) else {
            let guard = self.config.confirm.rows.map_or(Guard::Free, Guard::Rows);
            let result = self.run_guarded(call, scope, statements, guard, options).await;
            return result.map_err(|BatchError { index, error }| {
                let why = self.config.confirm.rows.map(|most| format!("it would change more than {most} rows")).unwrap_or_default();
                BatchError { index, error: self.ask(call, subject, error, &why, confirmation) }
            });
        };
        let why = what_destroys(&statements);
        let countable = statements.iter().all(|(statement, _)| statement.kind != StatementKind::Admin);
        let preview = match countable {
            true => self.run_guarded(call, scope, statements, Guard::Count, options).await.err(),
            // What changes the schema is not tried out: engines commit it, lock tables for it or rewrite them.
            false => None,
        };
        let (index, error) = match preview {
            None => (index, counted(None)),
            Some(BatchError { index: _, error }) if error.kind == ErrorKind::ConfirmationRequired => (index, error),
            // Too many rows to count in time is a reason to ask and not to refuse, unless the transaction went with the count.
            Some(BatchError { index: _, error }) if error.kind == ErrorKind::Timeout && scope.goes_on() => (index, counted(None)),
            Some(failed) => return Err(failed),
        };
        Err(BatchError { index, error: self.ask(call, subject, error, &why, confirmation) })
    }

    async fn run_guarded(
        &self,
        call: &Call,
        scope: Scope<'_>,
        statements: Vec<(Statement, Vec<Value>)>,
        guard: Guard,
        options: &RunOptions,
    ) -> Result<Vec<Execution>, BatchError> {
        match scope {
            Scope::Alone => self.run_alone(call, statements, guard, options).await,
            Scope::In(transaction) => self.run_in(call, transaction, statements, guard, options).await,
        }
    }

    /// Completes the error of a statement that needs a yes; leaves any other as it is.
    fn ask(&self, call: &Call, subject: Subject, error: DatabaseError, why: &str, given: Option<&str>) -> DatabaseError {
        let Some(confirmation) = error.confirmation.as_ref().filter(|_| error.kind == ErrorKind::ConfirmationRequired) else {
            return error;
        };
        let affected = confirmation.affected;
        let Some(token) = self.confirmations.issue(call, subject, Instant::now()) else {
            return DatabaseError::new(
                ErrorKind::Unavailable,
                "the statement needs a yes, and the system has no randomness to ask for one",
            );
        };
        let not_taken = match given {
            Some(_) => "the confirmation does not fit this statement, was used before or is over its time; ",
            None => "",
        };
        let counted = match affected {
            Some(1) => " (1 row)".to_owned(),
            Some(rows) => format!(" ({rows} rows)"),
            None => String::new(),
        };
        let message = format!("{not_taken}nothing was changed, because this needs a yes: {why}{counted}");
        let confirmation = Confirmation { affected, token, expires_in_seconds: KEPT.as_secs() as u32 };
        let error = DatabaseError::new(ErrorKind::ConfirmationRequired, message)
            .hint("ask the person; after a yes call again with the same arguments and `confirm` set to the token in `details`");
        DatabaseError { confirmation: Some(Box::new(confirmation)), ..error }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::call::Brought;
    use crate::call::Caller;
    use crate::config::EngineKind;

    /// A round of a call whose client brings `arguments`.
    fn round(caller: &str, arguments: &str) -> Call {
        let call = Call::new(Caller::named(caller), Duration::from_secs(1));
        Call { brought: Arc::new(Brought::new(arguments.into(), false)), ..call }
    }

    fn subject(caller: &str, database: &str, sql: &str, value: Value) -> Subject {
        let statement = Statement::parse(sql, EngineKind::Sqlite).unwrap();
        Subject::new(&round(caller, ""), database, None, &[(statement, vec![value])])
    }

    const SQL: &str = "delete from t";

    #[test]
    fn a_token_works_once_and_only_when_the_client_brings_it_back() {
        let (tokens, now) = (Confirmations::default(), Instant::now());
        let ours = || subject("ann", "main", SQL, Value::Null);
        let token = tokens.issue(&round("ann", ""), ours(), now).unwrap();
        let arguments = format!("{{\"confirm\":\"{token}\"}}");
        assert!(!tokens.use_up(&round("ann", "{}"), &ours(), &token, now), "nobody brought it");
        assert!(tokens.use_up(&round("ann", &arguments), &ours(), &token, now));
        assert!(!tokens.use_up(&round("ann", &arguments), &ours(), &token, now), "twice");
    }

    #[test]
    fn a_token_works_for_nothing_else() {
        let (tokens, now) = (Confirmations::default(), Instant::now());
        let token = tokens.issue(&round("ann", ""), subject("ann", "main", SQL, Value::Integer(1)), now).unwrap();
        let others = [
            subject("bob", "main", SQL, Value::Integer(1)),
            subject("ann", "other", SQL, Value::Integer(1)),
            subject("ann", "main", "delete from u", Value::Integer(1)),
            subject("ann", "main", SQL, Value::Integer(2)),
            subject("ann", "main", SQL, Value::Text("1".into())),
        ];
        for other in others {
            assert!(!tokens.use_up(&round("ann", &token), &other, &token, now));
        }
        assert!(tokens.use_up(&round("ann", &token), &subject("ann", "main", SQL, Value::Integer(1)), &token, now));
    }

    #[test]
    fn a_token_is_worth_nothing_late_or_in_the_round_that_issued_it() {
        let (tokens, now) = (Confirmations::default(), Instant::now());
        let ours = || subject("ann", "main", SQL, Value::Null);
        let accepted = Call { brought: Arc::new(Brought::new(String::new(), true)), ..round("ann", "") };
        let token = tokens.issue(&accepted, ours(), now).unwrap();
        assert!(!tokens.use_up(&accepted, &ours(), &token, now), "the yes of this round was to something else");
        assert!(!tokens.use_up(&round("ann", &token), &ours(), &token, now + KEPT));
        let next = Call { brought: Arc::new(Brought::new(String::new(), true)), ..round("ann", "") };
        assert!(tokens.use_up(&next, &ours(), &token, now));
    }

    #[test]
    fn of_many_that_bring_a_token_at_once_one_may_use_it() {
        let tokens = Confirmations::default();
        let now = Instant::now();
        let token = tokens.issue(&round("ann", ""), subject("ann", "main", SQL, Value::Null), now).unwrap();
        let used = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| tokens.use_up(&round("ann", &token), &subject("ann", "main", SQL, Value::Null), &token, now)))
                .collect();
            tries.into_iter().map(|tried| tried.join().unwrap()).filter(|used| *used).count()
        });
        assert_eq!(used, 1);
    }

    #[test]
    fn tokens_without_end_push_out_the_oldest() {
        let (tokens, now) = (Confirmations::default(), Instant::now());
        let ours = || subject("ann", "main", SQL, Value::Null);
        let first = tokens.issue(&round("ann", ""), ours(), now).unwrap();
        for _ in 0..MOST {
            tokens.issue(&round("ann", ""), ours(), now).unwrap();
        }
        assert!(!tokens.use_up(&round("ann", &first), &ours(), &first, now));
        assert_eq!(tokens.issued.lock().unwrap().len(), MOST);
    }
}
