//! Over the engine that needs no server: handles, leases, caps, endings, and what is asked about.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;

use super::*;
use crate::call::Brought;
use crate::config::ConfirmConfig;
use crate::config::DatabaseConfig;
use crate::config::Mode;
use crate::config::PoolConfig;
use crate::database::rows::RowLimits;

const READ_ONLY: BeginOptions = BeginOptions { isolation: None, access: Access::ReadOnly, deferrable: false };
const READ_WRITE: BeginOptions = BeginOptions { isolation: None, access: Access::ReadWrite, deferrable: false };
/// Locks at the first write only, so that several can be open.
const DEFERRED: BeginOptions = BeginOptions { deferrable: true, ..READ_WRITE };

/// A table of five rows in memory.
async fn shop(change: impl FnOnce(&mut DatabaseConfig)) -> Database {
    let mut config = DatabaseConfig::new(DatabaseName::parse("shop").unwrap(), "sqlite::memory:").unwrap();
    config.mode = Mode::ReadWrite;
    change(&mut config);
    let database = Database::new(config).unwrap();
    administer(&database, "create table t (n integer primary key, v text)").await.unwrap();
    write(&database, "insert into t values (1, 'a'), (2, 'b'), (3, 'c')").await.unwrap();
    write(&database, "insert into t values (4, 'd'), (5, 'e')").await.unwrap();
    database
}

fn call_of(caller: &str) -> Call {
    Call::new(Caller::named(caller), Duration::from_secs(30))
}

fn call() -> Call {
    call_of("ann")
}

/// A later round, whose client brings `token` back.
fn bringing(token: &str) -> Call {
    Call { brought: Arc::new(Brought::new(format!("{{\"confirm\":\"{token}\"}}"), false)), ..call() }
}

fn options() -> RunOptions {
    RunOptions::new(Duration::from_secs(10), RowLimits { rows: 100, bytes: 1 << 16 })
}

async fn administer(database: &Database, sql: &str) -> Result<Execution, DatabaseError> {
    database.administer(&call(), database.judge(sql)?, Vec::new(), None, &options()).await
}

async fn write(database: &Database, sql: &str) -> Result<u64, DatabaseError> {
    confirmed(database, &call(), None, sql, None).await
}

/// Runs a write alone or in a transaction, with a token or without.
async fn confirmed(
    database: &Database,
    call: &Call,
    transaction: Option<&Transaction>,
    sql: &str,
    token: Option<&str>,
) -> Result<u64, DatabaseError> {
    let statements = vec![(database.judge(sql)?, Vec::new())];
    let done = match transaction {
        None => database.write(call, statements, token, &options()).await,
        Some(transaction) => database.write_in(call, transaction, statements, token, &options()).await,
    };
    Ok(done.map_err(|failed| failed.error)?[0].affected)
}

async fn write_in(database: &Database, transaction: &Transaction, sql: &str) -> Result<u64, DatabaseError> {
    confirmed(database, &call(), Some(transaction), sql, None).await
}

fn number(rows: &RowSet) -> i64 {
    match rows.values(0).unwrap().remove(0) {
        Value::Integer(number) => number,
        other => panic!("{other:?}"),
    }
}

async fn count(database: &Database) -> i64 {
    let statement = database.judge("select count(*) from t").unwrap();
    number(&database.read(&call(), &statement, &[], &options()).await.unwrap())
}

async fn count_in(database: &Database, transaction: &Transaction) -> Result<i64, DatabaseError> {
    let statement = database.judge("select count(*) from t").unwrap();
    database.read_in(&call(), transaction, &statement, &[], &options()).await.map(|rows| number(&rows))
}

/// The token and the count of an error that asks.
fn asked(error: &DatabaseError) -> (String, Option<u64>) {
    assert_eq!(error.kind, ErrorKind::ConfirmationRequired, "{error:?}");
    let confirmation = error.confirmation.as_ref().unwrap();
    (confirmation.token.clone(), confirmation.affected)
}

/// Waits until the handle is over, and answers what it is told then.
async fn over(database: &Database, transaction: &Transaction) -> DatabaseError {
    let started = Instant::now();
    loop {
        match database.find_transaction(&transaction.caller, transaction.handle()) {
            Err(error) => return error,
            Ok(_) => assert!(started.elapsed() < Duration::from_secs(10), "it goes on and on"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn what_a_transaction_does_is_seen_by_others_when_it_is_committed() {
    let database = shop(|_| {}).await;
    let transaction = database.begin(&call(), READ_WRITE).await.unwrap();
    assert_eq!(write_in(&database, &transaction, "delete from t where n = 1").await.unwrap(), 1);
    let found = database.find_transaction(&Caller::named("ann"), transaction.handle()).unwrap();
    assert_eq!(count_in(&database, &found).await.unwrap(), 4);
    database.commit(&call(), &found).await.unwrap();
    assert_eq!(count(&database).await, 4);
    let error = over(&database, &transaction).await;
    assert_eq!(error.kind, ErrorKind::TransactionNotFound);
    assert!(error.message.contains("was committed"), "{error}");
    assert_eq!(count_in(&database, &transaction).await.unwrap_err().kind, ErrorKind::TransactionNotFound);
}

#[tokio::test]
async fn a_handle_is_useless_to_another_caller() {
    let database = shop(|_| {}).await;
    let transaction = database.begin(&call(), READ_WRITE).await.unwrap();
    let never = database.find_transaction(&Caller::named("bob"), "t_AAAAAAAAAAAAAAAAAAAAAA").unwrap_err();
    assert_eq!(database.find_transaction(&Caller::named("bob"), transaction.handle()).unwrap_err(), never);
    database.rollback(&transaction).await.unwrap();
    // Not even how it ended.
    assert_eq!(database.find_transaction(&Caller::named("bob"), transaction.handle()).unwrap_err(), never);
    assert!(over(&database, &transaction).await.message.contains("was rolled back"));
}

#[tokio::test]
async fn a_caller_has_so_many_and_all_have_half_of_the_pool() {
    let database = shop(|config| {
        config.transactions.max_per_caller = 2;
        config.pool = PoolConfig { max: 6, ..PoolConfig::default() };
    })
    .await;
    let first = database.begin(&call(), DEFERRED).await.unwrap();
    let _second = database.begin(&call(), DEFERRED).await.unwrap();
    let refused = database.begin(&call(), DEFERRED).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::PoolExhausted);
    assert!(refused.message.contains("this caller has 2"), "{refused}");
    let _third = database.begin(&call_of("bob"), READ_ONLY).await.unwrap();
    let refused = database.begin(&call_of("cyd"), READ_ONLY).await.unwrap_err();
    assert!(refused.message.contains("half of its pool"), "{refused}");
    // A refusal and an end each leave nothing behind.
    database.rollback(&first).await.unwrap();
    let again = database.begin(&call(), DEFERRED).await.unwrap();
    database.commit(&call(), &again).await.unwrap();
    database.begin(&call(), DEFERRED).await.unwrap();
}

#[tokio::test]
async fn what_nobody_uses_is_rolled_back_and_the_next_use_says_so() {
    let database = shop(|config| config.transactions.lease = Duration::from_millis(300)).await;
    let transaction = database.begin(&call(), READ_WRITE).await.unwrap();
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(150)).await;
        // Each use begins the lease anew.
        write_in(&database, &transaction, "update t set v = 'x' where n = 1").await.unwrap();
    }
    let error = over(&database, &transaction).await;
    assert!(error.message.contains("not used for 300ms"), "{error}");
    // The lock is free, and nothing was written.
    assert_eq!(write(&database, "update t set v = 'y' where v = 'x'").await.unwrap(), 0);
}

#[tokio::test]
async fn no_use_carries_one_beyond_its_longest_duration() {
    let database = shop(|config| config.transactions.max_duration = Duration::from_millis(500)).await;
    let transaction = database.begin(&call(), READ_WRITE).await.unwrap();
    let slow = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000000000) select count(*) from n";
    let statement = database.judge(slow).unwrap();
    let started = Instant::now();
    let stopped = database.read_in(&call(), &transaction, &statement, &[], &options()).await.unwrap_err();
    assert_eq!(stopped.kind, ErrorKind::Timeout, "{stopped:?}");
    assert!(started.elapsed() < Duration::from_secs(5));
    let error = over(&database, &transaction).await;
    assert!(error.message.contains("the longest that one may"), "{error}");
}

#[tokio::test]
async fn a_host_that_stops_rolls_back_and_begins_no_more() {
    let database = shop(|_| {}).await;
    let transaction = database.begin(&call(), READ_WRITE).await.unwrap();
    write_in(&database, &transaction, "delete from t where n = 1").await.unwrap();
    database.end_transactions().await;
    assert!(over(&database, &transaction).await.message.contains("the host was stopped"));
    assert_eq!(database.begin(&call(), READ_ONLY).await.unwrap_err().kind, ErrorKind::Unavailable);
    assert_eq!(count(&database).await, 5);
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing_open() {
    let database = shop(|_| {}).await;
    let gone = database.begin(&Call { client: Some(7), ..call() }, DEFERRED).await.unwrap();
    let stays = database.begin(&Call { client: Some(8), ..call() }, DEFERRED).await.unwrap();
    database.end_client(7).await;
    assert!(over(&database, &gone).await.message.contains("the session of its client ended"));
    database.commit(&call(), &stays).await.unwrap();
}

#[tokio::test]
async fn effects_are_settled_once_however_it_ends() {
    let database = shop(|config| config.transactions.lease = Duration::from_millis(200)).await;
    type Told = (Vec<String>, bool, Ending);
    let told: Arc<Mutex<Vec<Told>>> = Arc::default();
    let hook = told.clone();
    database.on_settled(Box::new(move |written, ending| {
        hook.lock().unwrap().push((written.tables.iter().cloned().collect(), written.unknown, ending.clone()));
    }));
    let committed = database.begin(&call(), READ_WRITE).await.unwrap();
    write_in(&database, &committed, "delete from t where n = 1").await.unwrap();
    database.commit(&call(), &committed).await.unwrap();
    assert_eq!(database.commit(&call(), &committed).await.unwrap_err().kind, ErrorKind::TransactionNotFound);

    let back = database.begin(&call(), READ_WRITE).await.unwrap();
    let sql = "create table u (a integer)";
    database.administer_in(&call(), &back, database.judge(sql).unwrap(), Vec::new(), None, &options()).await.unwrap();
    database.rollback(&back).await.unwrap();

    let lost = database.begin(&call(), READ_WRITE).await.unwrap();
    over(&database, &lost).await;
    database.end_transactions().await;
    let told = told.lock().unwrap();
    assert_eq!(
        *told,
        [
            (vec!["t".to_owned()], false, Ending::Committed),
            (vec!["u".to_owned()], true, Ending::RolledBack),
            (Vec::new(), false, Ending::Lease(Duration::from_millis(200))),
        ]
    );
}

#[tokio::test]
async fn statements_of_one_transaction_run_one_after_another() {
    let database = Arc::new(shop(|_| {}).await);
    let transaction = database.begin(&call(), READ_WRITE).await.unwrap();
    let tasks = (0..8).map(|_| {
        let (database, transaction) = (database.clone(), transaction.clone());
        tokio::spawn(async move { write_in(&database, &transaction, "update t set n = n + 100 where n = (select max(n) from t)").await })
    });
    for task in tasks.collect::<Vec<_>>() {
        assert_eq!(task.await.unwrap().unwrap(), 1);
    }
    let statement = database.judge("select max(n) from t").unwrap();
    let rows = database.read_in(&call(), &transaction, &statement, &[], &options()).await.unwrap();
    assert_eq!(number(&rows), 805);
}

#[tokio::test]
async fn a_call_that_waits_for_its_turn_can_be_taken_back() {
    let database = Arc::new(shop(|_| {}).await);
    let transaction = database.begin(&call(), READ_ONLY).await.unwrap();
    let slow = "with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000000000) select count(*) from n";
    let first = call();
    let running = {
        let (database, transaction, call) = (database.clone(), transaction.clone(), first.clone());
        tokio::spawn(async move {
            let statement = database.judge(slow).unwrap();
            database.read_in(&call, &transaction, &statement, &[], &options()).await
        })
    };
    while transaction.state().users == 0 {
        tokio::task::yield_now().await;
    }
    let waiting = Call::new(Caller::named("ann"), Duration::from_millis(200));
    let statement = database.judge("select count(*) from t").unwrap();
    let late = database.read_in(&waiting, &transaction, &statement, &[], &options()).await.unwrap_err();
    assert!(late.kind == ErrorKind::Timeout && late.message.contains("another statement"), "{late}");
    first.cancellation.cancel();
    assert_eq!(running.await.unwrap().unwrap_err().kind, ErrorKind::Cancelled);
    // A cancelled read leaves the transaction as it was.
    assert_eq!(count_in(&database, &transaction).await.unwrap(), 5);
}

#[tokio::test]
async fn a_read_only_transaction_sees_one_state_and_writes_nothing() {
    let folder = crate::database::sqlite::tests::Folder::new();
    let mut config = DatabaseConfig::new(DatabaseName::parse("shop").unwrap(), &folder.url("?mode=rwc")).unwrap();
    config.mode = Mode::ReadWrite;
    let database = Database::new(config).unwrap();
    administer(&database, "create table t (n integer primary key, v text)").await.unwrap();
    let transaction = database.begin(&call(), READ_ONLY).await.unwrap();
    write(&database, "insert into t values (1, 'a')").await.unwrap();
    assert_eq!((count_in(&database, &transaction).await.unwrap(), count(&database).await), (0, 1));
    assert_eq!(write_in(&database, &transaction, "delete from t where n = 1").await.unwrap_err().kind, ErrorKind::ReadOnly);
    database.commit(&call(), &transaction).await.unwrap();
    let refused = database.begin(&call(), BeginOptions { isolation: Some(Isolation::ReadCommitted), ..READ_ONLY }).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::NotSupported);
    database.close().await;
}

#[tokio::test]
async fn savepoints_go_back_and_stay() {
    let database = shop(|_| {}).await;
    let transaction = database.begin(&call(), READ_WRITE).await.unwrap();
    database.savepoint(&call(), &transaction, Act::Set, "a").await.unwrap();
    write_in(&database, &transaction, "delete from t where n = 1").await.unwrap();
    database.savepoint(&call(), &transaction, Act::Set, "b").await.unwrap();
    write_in(&database, &transaction, "delete from t where n = 2").await.unwrap();
    database.savepoint(&call(), &transaction, Act::RollbackTo, "b").await.unwrap();
    assert_eq!(count_in(&database, &transaction).await.unwrap(), 4);
    database.savepoint(&call(), &transaction, Act::RollbackTo, "a").await.unwrap();
    assert_eq!(count_in(&database, &transaction).await.unwrap(), 5);
    assert_eq!(database.savepoints(&call(), &transaction).await.unwrap(), ["a"]);
    let gone = database.savepoint(&call(), &transaction, Act::RollbackTo, "b").await.unwrap_err();
    assert_eq!(gone.kind, ErrorKind::InvalidParameters);
    database.savepoint(&call(), &transaction, Act::Release, "a").await.unwrap();
    write_in(&database, &transaction, "delete from t where n = 3").await.unwrap();
    database.commit(&call(), &transaction).await.unwrap();
    assert_eq!(count(&database).await, 4);
}

#[tokio::test]
async fn a_failed_statement_takes_back_itself_and_nothing_else() {
    let database = shop(|_| {}).await;
    let transaction = database.begin(&call(), READ_WRITE).await.unwrap();
    write_in(&database, &transaction, "insert into t values (6, 'f')").await.unwrap();
    let batch = ["insert into t values (7, 'g')", "insert into t values (1, 'again')"];
    let statements = batch.iter().map(|sql| (database.judge(sql).unwrap(), Vec::new())).collect();
    let failed = database.write_in(&call(), &transaction, statements, None, &options()).await.unwrap_err();
    assert_eq!((failed.index, failed.error.kind), (1, ErrorKind::Constraint));
    assert_eq!(count_in(&database, &transaction).await.unwrap(), 6);
    for sql in ["begin", "commit", "rollback", "savepoint x"] {
        let refused = write_in(&database, &transaction, sql).await.unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Refused, "{sql}");
    }
    database.commit(&call(), &transaction).await.unwrap();
    assert_eq!(count(&database).await, 6);
}

#[tokio::test]
async fn every_row_is_counted_asked_about_and_then_changed() {
    let database = shop(|_| {}).await;
    let (token, affected) = asked(&write(&database, "delete from t").await.unwrap_err());
    assert_eq!((affected, count(&database).await), (Some(5), 5));
    // Told in one round, used in another, once.
    assert_eq!(confirmed(&database, &bringing(&token), None, "delete from t", Some(&token)).await.unwrap(), 5);
    write(&database, "insert into t values (1, 'a')").await.unwrap();
    let (second, _) = asked(&confirmed(&database, &bringing(&token), None, "delete from t", Some(&token)).await.unwrap_err());
    assert_ne!(token, second);
    assert_eq!(count(&database).await, 1);
}

#[tokio::test]
async fn a_token_is_for_one_statement_one_caller_and_one_transaction() {
    let database = shop(|_| {}).await;
    let (token, _) = asked(&write(&database, "delete from t").await.unwrap_err());
    let transaction = database.begin(&call(), DEFERRED).await.unwrap();
    let brought = bringing(&token);
    asked(&confirmed(&database, &brought, None, "update t set v = 'x'", Some(&token)).await.unwrap_err());
    let bob = Call { caller: Caller::named("bob"), ..bringing(&token) };
    asked(&confirmed(&database, &bob, None, "delete from t", Some(&token)).await.unwrap_err());
    // A plugin that was told it and whose client has not seen it.
    let alone = Call { brought: Arc::new(Brought::new("{}".into(), false)), ..call() };
    asked(&confirmed(&database, &alone, None, "delete from t", Some(&token)).await.unwrap_err());
    asked(&confirmed(&database, &brought, None, "delete from t", Some("k_AAAAAAAAAAAAAAAAAAAAAA")).await.unwrap_err());
    assert_eq!(count(&database).await, 5);

    // That of outside is none within; and, below, the other way round.
    let (within, affected) = asked(&confirmed(&database, &brought, Some(&transaction), "delete from t", Some(&token)).await.unwrap_err());
    assert_eq!((affected, count_in(&database, &transaction).await.unwrap()), (Some(5), 5));
    assert_eq!(confirmed(&database, &bringing(&within), Some(&transaction), "delete from t", Some(&within)).await.unwrap(), 5);
    let (unused, _) = asked(&confirmed(&database, &call(), Some(&transaction), "delete from t", None).await.unwrap_err());
    database.rollback(&transaction).await.unwrap();
    asked(&confirmed(&database, &bringing(&unused), None, "delete from t", Some(&unused)).await.unwrap_err());
    assert_eq!(confirmed(&database, &brought, None, "delete from t", Some(&token)).await.unwrap(), 5);
}

#[tokio::test]
async fn more_rows_than_configured_are_taken_back_and_asked_about() {
    let database = shop(|config| config.confirm = ConfirmConfig { destructive: true, rows: Some(3) }).await;
    let sql = "update t set v = 'x' where n > 1";
    let error = write(&database, sql).await.unwrap_err();
    assert!(error.message.contains("more than 3 rows"), "{error}");
    let (token, affected) = asked(&error);
    assert_eq!(affected, Some(4));
    let statement = database.judge("select count(*) from t where v = 'x'").unwrap();
    assert_eq!(number(&database.read(&call(), &statement, &[], &options()).await.unwrap()), 0);
    assert_eq!(write(&database, "update t set v = 'x' where n > 2").await.unwrap(), 3);
    assert_eq!(confirmed(&database, &bringing(&token), None, sql, Some(&token)).await.unwrap(), 4);
    // Together they are too many.
    let batch = ["update t set v = 'y' where n < 3", "update t set v = 'y' where n > 3"];
    let statements = batch.iter().map(|sql| (database.judge(sql).unwrap(), Vec::new())).collect();
    let failed = database.write(&call(), statements, None, &options()).await.unwrap_err();
    assert_eq!(asked(&failed.error).1, Some(4));
}

#[tokio::test]
async fn a_drop_is_asked_about_without_being_tried() {
    let database = shop(|_| {}).await;
    let sql = "drop table t";
    let (token, affected) = asked(&administer(&database, sql).await.unwrap_err());
    assert_eq!((affected, count(&database).await), (None, 5));
    let statement = || database.judge(sql).unwrap();
    database.administer(&bringing(&token), statement(), Vec::new(), Some(&token), &options()).await.unwrap();
    assert!(write(&database, "insert into t values (9, 'z')").await.is_err());
}

#[tokio::test]
async fn an_operator_may_switch_asking_off() {
    let database = shop(|config| config.confirm = ConfirmConfig { destructive: false, rows: None }).await;
    assert_eq!(write(&database, "delete from t").await.unwrap(), 5);
    administer(&database, "drop table t").await.unwrap();
}

#[tokio::test]
async fn a_statement_that_would_fail_anyway_is_not_asked_about() {
    let database = shop(|_| {}).await;
    let error = write(&database, "update t set n = 1").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Constraint);
    assert_eq!(write(&database, "delete from missing").await.unwrap_err().kind, ErrorKind::UnknownTable);
}
