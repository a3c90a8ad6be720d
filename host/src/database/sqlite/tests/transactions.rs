//! Transactions over several calls on a file, as a second connection sees them.

use super::*;
use crate::database::Database;
use crate::database::error::ErrorKind;
use crate::database::transaction::Access;
use crate::database::transaction::BeginOptions;
use crate::database::transaction::Transaction;

const READ_WRITE: BeginOptions = BeginOptions { isolation: None, access: Access::ReadWrite, deferrable: false };

/// A database on a file of orders, and another host's connections to the same file.
async fn two() -> (Folder, Database, Sqlite) {
    let (folder, sqlite) = shop(SHOP).await;
    let database = Database::new(config(&folder.url(""), Mode::ReadWrite)).unwrap();
    (folder, database, sqlite)
}

async fn write_in(db: &Database, transaction: &Transaction, statement: Statement, limit: Duration) -> Result<u64, DatabaseError> {
    let options = RunOptions { timeout: limit, ..options() };
    let done = db.write_in(&call(), transaction, vec![(statement, Vec::new())], None, &options).await;
    Ok(done.map_err(|failed| failed.error)?[0].affected)
}

const LONG: Duration = Duration::from_secs(20);

fn judged(db: &Database, sql: &str) -> Statement {
    db.judge(sql).unwrap()
}

#[tokio::test]
async fn a_second_connection_sees_nothing_before_the_commit() {
    let (_folder, db, other) = two().await;
    let transaction = db.begin(&call(), READ_WRITE).await.unwrap();
    write_in(&db, &transaction, judged(&db, "delete from orders where id = 1"), LONG).await.unwrap();
    assert_eq!(one(&other, "select count(*) from orders").await, Value::Integer(3));
    db.commit(&call(), &transaction).await.unwrap();
    assert_eq!(one(&other, "select count(*) from orders").await, Value::Integer(2));
}

#[tokio::test]
async fn what_claims_to_read_writes_nothing() {
    let (_folder, db, other) = two().await;
    let transaction = db.begin(&call(), READ_WRITE).await.unwrap();
    for sql in
        ["delete from orders", "drop table orders", "commit", "pragma query_only = off", "attach 'x' as y", "pragma user_version = 7"]
    {
        db.read_in(&call(), &transaction, &claimed(sql, StatementKind::Read), &[], &options()).await.unwrap_err();
    }
    // It writes what says that it does, afterwards too.
    write_in(&db, &transaction, judged(&db, "delete from orders where id = 1"), LONG).await.unwrap();
    db.commit(&call(), &transaction).await.unwrap();
    assert_eq!(one(&other, "select count(*) from orders").await, Value::Integer(2));
    assert_eq!(one(&other, "pragma user_version").await, Value::Integer(0));
}

#[tokio::test]
async fn a_write_that_is_stopped_ends_the_transaction_and_says_so() {
    let (_folder, db, other) = two().await;
    let transaction = db.begin(&call(), READ_WRITE).await.unwrap();
    write_in(&db, &transaction, judged(&db, "delete from orders where id = 1"), LONG).await.unwrap();
    let endless = "insert into orders (customer) with recursive n(i) as (select 1 union all select i + 1 from n) select 'x' from n";
    let stopped = write_in(&db, &transaction, judged(&db, endless), Duration::from_millis(200)).await.unwrap_err();
    assert_eq!(stopped.kind, ErrorKind::Timeout);
    assert!(stopped.message.contains("the transaction is over and was rolled back"), "{stopped}");
    let over = db.find_transaction(&Caller::local(), transaction.handle()).unwrap_err();
    assert_eq!(over.kind, ErrorKind::TransactionNotFound);
    assert_eq!(one(&other, "select count(*) from orders").await, Value::Integer(3));
    // The lock is gone with it.
    write(&other, "delete from orders where id = 2", &[]).await.unwrap();
}

#[tokio::test]
async fn a_read_that_is_stopped_leaves_a_transaction_that_still_writes() {
    let (_folder, db, other) = two().await;
    let transaction = db.begin(&call(), READ_WRITE).await.unwrap();
    let endless = judged(&db, "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n");
    let short = RunOptions { timeout: Duration::from_millis(200), ..options() };
    assert_eq!(db.read_in(&call(), &transaction, &endless, &[], &short).await.unwrap_err().kind, ErrorKind::Timeout);
    write_in(&db, &transaction, judged(&db, "delete from orders where id = 1"), LONG).await.unwrap();
    db.commit(&call(), &transaction).await.unwrap();
    assert_eq!(one(&other, "select count(*) from orders").await, Value::Integer(2));
}

#[tokio::test]
async fn a_count_that_takes_the_transaction_with_it_is_no_question() {
    let (_folder, db, _other) = two().await;
    let transaction = db.begin(&call(), READ_WRITE).await.unwrap();
    let endless = "update orders set total = (with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n)";
    let stopped = write_in(&db, &transaction, judged(&db, endless), Duration::from_millis(200)).await.unwrap_err();
    assert_eq!(stopped.kind, ErrorKind::Timeout, "{stopped:?}");
    assert!(stopped.message.contains("the transaction is over and was rolled back"), "{stopped}");
}

#[tokio::test]
async fn a_conflict_clause_that_rolls_back_ends_it_and_says_so() {
    let (_folder, db, other) = two().await;
    let transaction = db.begin(&call(), READ_WRITE).await.unwrap();
    write_in(&db, &transaction, judged(&db, "delete from orders where id = 1"), LONG).await.unwrap();
    let failed = write_in(&db, &transaction, judged(&db, "insert or rollback into orders values (2, 'x', 1)"), LONG).await.unwrap_err();
    assert_eq!(failed.kind, ErrorKind::Constraint);
    assert!(failed.message.contains("the transaction is over"), "{failed}");
    assert_eq!(one(&other, "select count(*) from orders").await, Value::Integer(3));
}

#[tokio::test]
async fn what_runs_alone_only_is_refused_and_the_schema_may_change() {
    let (_folder, db, other) = two().await;
    let transaction = db.begin(&call(), READ_WRITE).await.unwrap();
    let admin = |sql: &'static str| {
        let (db, transaction) = (&db, &transaction);
        async move { db.administer_in(&call(), transaction, judged(db, sql), Vec::new(), None, &options()).await }
    };
    for sql in ["vacuum", "pragma user_version = 3"] {
        assert_eq!(admin(sql).await.unwrap_err().kind, ErrorKind::NotSupported, "{sql}");
    }
    admin("create table made (a integer)").await.unwrap();
    db.rollback(&transaction).await.unwrap();
    assert_eq!(one(&other, "select count(*) from sqlite_schema where name = 'made'").await, Value::Integer(0));
}

#[tokio::test]
async fn a_deferred_one_is_in_nobodys_way_until_it_writes() {
    let (_folder, db, other) = two().await;
    let transaction = db.begin(&call(), BeginOptions { deferrable: true, ..READ_WRITE }).await.unwrap();
    write(&other, "delete from orders where id = 1", &[]).await.unwrap();
    write_in(&db, &transaction, judged(&db, "delete from orders where id = 2"), LONG).await.unwrap();
    db.commit(&call(), &transaction).await.unwrap();
    assert_eq!(one(&other, "select count(*) from orders").await, Value::Integer(1));
}

#[tokio::test]
async fn a_forgotten_one_is_rolled_back_with_its_connection() {
    let (_folder, db, other) = two().await;
    let transaction = db.begin(&call(), READ_WRITE).await.unwrap();
    write_in(&db, &transaction, judged(&db, "delete from orders where id = 1"), LONG).await.unwrap();
    drop(transaction);
    drop(db);
    // Waits for the lock as long as it is held.
    write(&other, "delete from orders where id = 2", &[]).await.unwrap();
    assert_eq!(one(&other, "select count(*) from orders").await, Value::Integer(2));
}
