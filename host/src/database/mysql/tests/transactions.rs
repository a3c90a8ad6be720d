//! Transactions over several calls, as the server and a second client see them.

use super::*;
use crate::call::Brought;
use crate::database::Database;
use crate::database::error::ErrorKind;
use crate::database::transaction::Access;
use crate::database::transaction::Act;
use crate::database::transaction::BeginOptions;
use crate::database::transaction::Isolation;
use crate::database::transaction::Transaction;

const SHOP: [&str; 5] = [
    "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(40)) ENGINE = InnoDB",
    "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')",
    "CREATE TABLE plain (id INT) ENGINE = MyISAM",
    "CREATE FUNCTION sneaky() RETURNS INT MODIFIES SQL DATA BEGIN INSERT INTO t VALUES (99, 'sneaky'); RETURN 1; END",
    "CREATE VIEW peeks AS SELECT sneaky() AS n",
];

const READ_ONLY: BeginOptions = BeginOptions { isolation: None, access: Access::ReadOnly, deferrable: false };
const READ_WRITE: BeginOptions = BeginOptions { isolation: None, access: Access::ReadWrite, deferrable: false };

fn database(fixture: &Fixture, change: impl FnOnce(&mut DatabaseConfig)) -> Database {
    let mut config = DatabaseConfig::new(DatabaseName::parse("main").unwrap(), &fixture.url).unwrap();
    config.mode = Mode::ReadWrite;
    change(&mut config);
    Database::new(config).unwrap()
}

async fn read(db: &Database, transaction: &Transaction, sql: &str) -> Result<String, DatabaseError> {
    let rows = db.read_in(&call(), transaction, &db.judge(sql)?, &[], &options()).await?;
    Ok(rows.rows_json().map(|row| String::from_utf8_lossy(row).into_owned()).collect())
}

async fn write(db: &Database, transaction: &Transaction, sql: &str) -> Result<u64, DatabaseError> {
    let statements = vec![(db.judge(sql)?, Vec::new())];
    let done = db.write_in(&call(), transaction, statements, None, &options()).await;
    Ok(done.map_err(|failed| failed.error)?[0].affected)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_client_sees_nothing_before_the_commit() {
    let mut fixture = Fixture::new(&SHOP).await;
    let db = database(&fixture, |_| {});
    let transaction = db.begin(&call(), READ_WRITE).await.unwrap();
    assert_eq!(write(&db, &transaction, "INSERT INTO t VALUES (4, 'd')").await.unwrap(), 1);
    assert_eq!(read(&db, &transaction, "SELECT COUNT(*) FROM t").await.unwrap(), "[4]");
    assert_eq!(fixture.ask("SELECT COUNT(*) FROM t").await, "3");
    db.savepoint(&call(), &transaction, Act::Set, "a").await.unwrap();
    write(&db, &transaction, "DELETE FROM t WHERE id = 4").await.unwrap();
    db.savepoint(&call(), &transaction, Act::RollbackTo, "a").await.unwrap();
    db.commit(&call(), &transaction).await.unwrap();
    assert_eq!(fixture.ask("SELECT COUNT(*) FROM t").await, "4");
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn levels_mean_what_they_say() {
    let mut fixture = Fixture::new(&SHOP).await;
    let db = database(&fixture, |_| {});
    let snapshot = db.begin(&call(), READ_ONLY).await.unwrap();
    let committed = BeginOptions { isolation: Some(Isolation::ReadCommitted), ..READ_ONLY };
    let current = db.begin(&call(), committed).await.unwrap();
    fixture.run("DELETE FROM t WHERE id = 1").await;
    assert_eq!(read(&db, &snapshot, "SELECT COUNT(*) FROM t").await.unwrap(), "[3]");
    assert_eq!(read(&db, &current, "SELECT COUNT(*) FROM t").await.unwrap(), "[2]");
    // A function that writes fails in a transaction that the server keeps read only.
    let hidden = db.read_in(&call(), &snapshot, &claimed("SELECT * FROM peeks", StatementKind::Read, false), &[], &options()).await;
    assert_eq!(hidden.unwrap_err().kind, ErrorKind::ReadOnly);
    assert_eq!(db.begin(&call(), BeginOptions { deferrable: true, ..READ_ONLY }).await.unwrap_err().kind, ErrorKind::NotSupported);
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_statement_of_a_writing_transaction_leaves_nothing_written() {
    let mut fixture = Fixture::new(&SHOP).await;
    let db = database(&fixture, |_| {});
    let transaction = db.begin(&call(), READ_WRITE).await.unwrap();
    write(&db, &transaction, "INSERT INTO t VALUES (4, 'd')").await.unwrap();
    assert_eq!(read(&db, &transaction, "SELECT sneaky()").await.unwrap_err().kind, ErrorKind::ReadOnly);
    // A view hides the function; what it wrote is rolled back to the savepoint.
    db.read_in(&call(), &transaction, &claimed("SELECT * FROM peeks", StatementKind::Read, false), &[], &options()).await.unwrap();
    for sql in ["DELETE FROM t WHERE id = 1", "SET @a = 1", "DO sneaky()", "COMMIT"] {
        db.read_in(&call(), &transaction, &claimed(sql, StatementKind::Read, false), &[], &options()).await.unwrap_err();
    }
    db.commit(&call(), &transaction).await.unwrap();
    assert_eq!(fixture.ask("SELECT GROUP_CONCAT(id ORDER BY id) FROM t").await, "1,2,3,4");
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_commits_by_itself_is_refused() {
    let mut fixture = Fixture::new(&SHOP).await;
    fixture.run("CREATE PROCEDURE commits() BEGIN INSERT INTO t VALUES (50, 'p'); COMMIT; END").await;
    let db = database(&fixture, |_| {});
    let transaction = db.begin(&call(), READ_WRITE).await.unwrap();
    write(&db, &transaction, "INSERT INTO t VALUES (4, 'd')").await.unwrap();
    let create = db.judge("CREATE TABLE u (a INT)").unwrap();
    let refused = db.administer_in(&call(), &transaction, create, Vec::new(), None, &options()).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::NotSupported);
    assert_eq!(write(&db, &transaction, "CALL commits()").await.unwrap_err().kind, ErrorKind::NotSupported);
    // Should one get through all the same, the transaction is over and that is said.
    let mut slips = claimed("CALL commits()", StatementKind::Write, false);
    slips.verb = "UPDATE".into();
    let slipped = db.write_in(&call(), &transaction, vec![(slips, Vec::new())], None, &options()).await.unwrap_err();
    assert!(slipped.error.message.contains("the transaction is over"), "{slipped:?}");
    assert_eq!(write(&db, &transaction, "DELETE FROM t WHERE id = 1").await.unwrap_err().kind, ErrorKind::TransactionNotFound);
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_is_taken_back_and_a_deadlock_ends_it() {
    let mut fixture = Fixture::new(&SHOP).await;
    let db = database(&fixture, |_| {});
    let transaction = db.begin(&call(), READ_WRITE).await.unwrap();
    write(&db, &transaction, "INSERT INTO t VALUES (4, 'd')").await.unwrap();
    assert_eq!(write(&db, &transaction, "INSERT INTO t VALUES (1, 'again')").await.unwrap_err().kind, ErrorKind::Constraint);
    let batch = ["INSERT INTO t VALUES (5, 'e')", "INSERT INTO t VALUES (1, 'taken')"];
    let statements = batch.iter().map(|sql| (db.judge(sql).unwrap(), Vec::new())).collect();
    let failed = db.write_in(&call(), &transaction, statements, None, &options()).await.unwrap_err();
    assert_eq!(failed.index, 1);
    assert_eq!(read(&db, &transaction, "SELECT COUNT(*) FROM t").await.unwrap(), "[4]");
    db.commit(&call(), &transaction).await.unwrap();

    let (first, second) = (db.begin(&call(), READ_WRITE).await.unwrap(), db.begin(&call(), READ_WRITE).await.unwrap());
    write(&db, &first, "UPDATE t SET v = 'x' WHERE id = 1").await.unwrap();
    write(&db, &second, "UPDATE t SET v = 'x' WHERE id = 2").await.unwrap();
    let (one, other) =
        tokio::join!(write(&db, &first, "UPDATE t SET v = 'y' WHERE id = 2"), write(&db, &second, "UPDATE t SET v = 'y' WHERE id = 1"));
    let (victim, error, winner) = match (one, other) {
        (Err(error), Ok(_)) => (&first, error, &second),
        (Ok(_), Err(error)) => (&second, error, &first),
        both => panic!("{both:?}"),
    };
    assert!(error.message.contains("the transaction is over and was rolled back"), "{error:?}");
    let over = db.find_transaction(&Caller::local(), victim.handle()).unwrap_err();
    assert!(over.message.contains("the database rolled it back"), "{over}");
    db.commit(&call(), winner).await.unwrap();
    assert_eq!(fixture.ask("SELECT COUNT(*) FROM t WHERE v = 'y'").await, "1");
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_statement_takes_back_itself_and_nothing_else() {
    let mut fixture = Fixture::new(&SHOP).await;
    let db = database(&fixture, |_| {});
    let transaction = db.begin(&call(), READ_WRITE).await.unwrap();
    write(&db, &transaction, "INSERT INTO t VALUES (4, 'd')").await.unwrap();
    let short = RunOptions { timeout: Duration::from_millis(300), ..options() };
    for sql in ["SELECT SLEEP(30)", "UPDATE t SET v = SLEEP(30) WHERE id = 2"] {
        let stopped = match db.judge(sql).unwrap() {
            read if read.kind == StatementKind::Read => db.read_in(&call(), &transaction, &read, &[], &short).await.map(drop),
            write => {
                db.write_in(&call(), &transaction, vec![(write, Vec::new())], None, &short).await.map(drop).map_err(|failed| failed.error)
            }
        };
        assert_eq!(stopped.unwrap_err().kind, ErrorKind::Timeout, "{sql}");
        fixture.wait_for_statements("SLEEP(30)", 0).await;
    }
    assert_eq!(read(&db, &transaction, "SELECT COUNT(*) FROM t").await.unwrap(), "[4]");
    db.commit(&call(), &transaction).await.unwrap();
    assert_eq!(fixture.ask("SELECT GROUP_CONCAT(v ORDER BY id) FROM t").await, "a,b,c,d");
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_lease_is_a_rollback_on_the_server() {
    let mut fixture = Fixture::new(&SHOP).await;
    let db = database(&fixture, |config| config.transactions.lease = Duration::from_millis(300));
    let transaction = db.begin(&call(), READ_WRITE).await.unwrap();
    write(&db, &transaction, "UPDATE t SET v = 'x' WHERE id = 1").await.unwrap();
    // Waits for the row lock until the host lets go of it.
    fixture.run("UPDATE t SET v = CONCAT(v, '!') WHERE id = 1").await;
    assert_eq!(fixture.ask("SELECT v FROM t WHERE id = 1").await, "a!");
    let error = write(&db, &transaction, "UPDATE t SET v = 'y' WHERE id = 1").await.unwrap_err();
    assert!(error.kind == ErrorKind::TransactionNotFound && error.message.contains("was not used for 300ms"), "{error}");
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_taken_back_is_asked_about_before_it_runs() {
    let mut fixture = Fixture::new(&SHOP).await;
    fixture.run("INSERT INTO plain VALUES (1), (2)").await;
    let db = database(&fixture, |_| {});
    let statements = |sql: &str| vec![(db.judge(sql).unwrap(), Vec::new())];
    let counted = db.write(&call(), statements("DELETE FROM t"), None, &options()).await.unwrap_err().error;
    assert_eq!(counted.confirmation.unwrap().affected, Some(3));
    for sql in ["DELETE FROM plain", "DELETE FROM plain WHERE id = 1"] {
        let asked = db.write(&call(), statements(sql), None, &options()).await.unwrap_err().error;
        assert_eq!((asked.kind, asked.confirmation.as_ref().unwrap().affected), (ErrorKind::ConfirmationRequired, None), "{sql}");
        assert_eq!(fixture.ask("SELECT COUNT(*) FROM plain").await, "2");
    }
    let asked = db.write(&call(), statements("DELETE FROM plain"), None, &options()).await.unwrap_err().error;
    let token = asked.confirmation.unwrap().token;
    let brought = Call { brought: std::sync::Arc::new(Brought::new(token.clone(), false)), ..call() };
    db.write(&brought, statements("DELETE FROM plain"), Some(&token), &options()).await.unwrap();
    assert_eq!(fixture.ask("SELECT COUNT(*) FROM plain").await, "0");
    db.write(&call(), statements("INSERT INTO plain VALUES (3)"), None, &options()).await.unwrap();
    db.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_connection_is_told_at_the_next_use() {
    let mut fixture = Fixture::new(&SHOP).await;
    let db = database(&fixture, |_| {});
    let transaction = db.begin(&call(), READ_WRITE).await.unwrap();
    write(&db, &transaction, "INSERT INTO t VALUES (4, 'd')").await.unwrap();
    let id = read(&db, &transaction, "SELECT CONNECTION_ID()").await.unwrap();
    fixture.run(&format!("KILL {}", id.trim_matches(['[', ']', '"']))).await;
    let lost = write(&db, &transaction, "INSERT INTO t VALUES (5, 'e')").await.unwrap_err();
    assert!(lost.message.contains("the transaction is over"), "{lost:?}");
    let over = db.find_transaction(&Caller::local(), transaction.handle()).unwrap_err();
    assert!(over.message.contains("connection was lost"), "{over}");
    assert_eq!(fixture.ask("SELECT COUNT(*) FROM t").await, "3");
    db.close().await;
}

/// Stands between host and server, passes a `COMMIT` on and lets nobody hear the answer.
async fn deaf_to_commits(place: String) -> u16 {
    use tokio::io::AsyncReadExt;
    use tokio::io::AsyncWriteExt;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let place = place.clone();
            tokio::spawn(async move {
                let mut server = tokio::net::TcpStream::connect(place.as_str()).await.unwrap();
                let (mut down, mut up) = (vec![0; 1 << 16], vec![0; 1 << 16]);
                loop {
                    tokio::select! {
                        Ok(length) = client.read(&mut up) => {
                            if length == 0 || server.write_all(&up[..length]).await.is_err() {
                                return;
                            }
                            if up[..length].ends_with(b"\x03COMMIT") {
                                let _ = server.read(&mut down).await;
                                return;
                            }
                        }
                        Ok(length) = server.read(&mut down) => {
                            if length == 0 || client.write_all(&down[..length]).await.is_err() {
                                return;
                            }
                        }
                        else => return,
                    }
                }
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_told_as_unknown() {
    let mut fixture = Fixture::new(&SHOP).await;
    let (before, rest) = fixture.url.rsplit_once('@').unwrap();
    let (place, name) = rest.split_once('/').unwrap();
    let port = deaf_to_commits(place.to_owned()).await;
    let url = format!("{before}@127.0.0.1:{port}/{name}?ssl-mode=DISABLED");
    let mut config = DatabaseConfig::new(DatabaseName::parse("main").unwrap(), &url).unwrap();
    config.mode = Mode::ReadWrite;
    let db = Database::new(config).unwrap();
    let transaction = db.begin(&call(), READ_WRITE).await.unwrap();
    write(&db, &transaction, "INSERT INTO t VALUES (4, 'd')").await.unwrap();
    let unknown = db.commit(&call(), &transaction).await.unwrap_err();
    assert_eq!(unknown.kind, ErrorKind::Failed, "not one to try again: {unknown:?}");
    assert!(unknown.message.contains("is not known"), "{unknown}");
    let over = db.find_transaction(&Caller::local(), transaction.handle()).unwrap_err();
    assert!(over.message.contains("is not known"), "{over}");
    assert_eq!(fixture.ask("SELECT COUNT(*) FROM t").await, "4");
    db.close().await;
}
