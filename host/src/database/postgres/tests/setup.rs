//! Sessions that begin as a hook says, and serve nobody who wants them otherwise.

use super::*;
use crate::config::EngineKind;
use crate::database::error::ErrorKind;
use crate::database::setup::Setup;

/// Rows of two tenants behind a policy, and a role that it holds for.
const SCHEMA: &str = "
    create table orders (id integer primary key, tenant text not null);
    insert into orders values (1, 'acme'), (2, 'globex'), (3, 'acme');
    alter table orders enable row level security;
    create policy own on orders using (tenant = current_setting('app.tenant', true));
    do $$ begin create role tidegate_tenant_reader nologin; exception when duplicate_object or unique_violation then null; end $$;
    grant select, insert, update on orders to tidegate_tenant_reader;
";

fn tenant(name: &str) -> RunOptions {
    let statements = ["SET ROLE tidegate_tenant_reader".to_owned(), format!("SET app.tenant = '{name}'")];
    RunOptions { setup: Setup::default().and(&statements, EngineKind::Postgres).unwrap(), ..options() }
}

impl Fixture {
    async fn ids(&self, options: &RunOptions, traceless: bool) -> Vec<Value> {
        let statement = reading("select id from orders order by id", traceless);
        let rows = self.postgres.read(&call(), &statement, &[], options).await.unwrap();
        (0..rows.len()).map(|row| rows.values(row).unwrap().remove(0)).collect()
    }
}

#[tokio::test]
async fn each_tenant_sees_its_own_rows_on_every_path_however_they_take_turns() {
    on_configured(
        SCHEMA,
        |config| config.pool.max = 2,
        async |db| {
            let (acme, globex) = (tenant("acme"), tenant("globex"));
            for round in 0..6 {
                let traceless = round % 2 == 0;
                assert_eq!(db.ids(&acme, traceless).await, [Value::Integer(1), Value::Integer(3)]);
                assert_eq!(db.ids(&globex, traceless).await, [Value::Integer(2)]);
                assert_eq!(db.ids(&options(), traceless).await.len(), 3, "the host's own sessions are as they were");
            }
            let calls = (0..40).map(|at| {
                let (db, options, expected) = if at % 2 == 0 { (&db, &acme, 2) } else { (&db, &globex, 1) };
                async move { assert_eq!(db.ids(options, at % 4 < 2).await.len(), expected) }
            });
            futures_util::future::join_all(calls).await;
        },
    )
    .await;
}

#[tokio::test]
async fn what_a_statement_changes_in_such_a_session_is_put_back_to_the_tenant() {
    on_configured(
        SCHEMA,
        |config| config.pool.max = 1,
        async |db| {
            let acme = tenant("acme");
            // What the gate would refuse, to see that the session is put back all the same.
            let steal = reading("select set_config('app.tenant', 'globex', false)", false);
            db.postgres.read(&call(), &steal, &[], &acme).await.unwrap();
            assert_eq!(db.ids(&acme, true).await, [Value::Integer(1), Value::Integer(3)]);
            assert_eq!(db.ids(&acme, false).await, [Value::Integer(1), Value::Integer(3)]);
        },
    )
    .await;
}

#[tokio::test]
async fn writes_and_transactions_are_the_tenants_too() {
    on_database(SCHEMA, async |db| {
        let acme = tenant("acme");
        let update = writing("update orders set id = id + 10", StatementKind::Write);
        let done = db.postgres.write(&call(), vec![(update, Vec::new())], &acme).await.unwrap();
        assert_eq!(done[0].affected, 2);
        let foreign = writing("insert into orders values (50, 'globex')", StatementKind::Write);
        let refused = db.postgres.write(&call(), vec![(foreign, Vec::new())], &acme).await.unwrap_err();
        assert_eq!(refused.error.sqlstate.as_deref(), Some("42501"), "{:?}", refused.error);

        let database = db.database(|_| {});
        let begin = crate::database::transaction::BeginOptions {
            isolation: None,
            access: crate::database::transaction::Access::ReadWrite,
            deferrable: false,
        };
        let transaction = database.begin_with(&call(), begin, &tenant("globex").setup).await.unwrap();
        let statement = database.judge("select id from orders").unwrap();
        let rows = database.read_in(&call(), &transaction, &statement, &[], &options()).await.unwrap();
        assert_eq!((rows.len(), rows.values(0).unwrap()), (1, vec![Value::Integer(2)]));
        database.rollback(&transaction).await.unwrap();
        database.close().await;
    })
    .await;
}

#[tokio::test]
async fn a_setting_that_the_server_refuses_is_told_as_the_hooks() {
    on_database("", async |db| {
        let setup = Setup::default().and(&["SET ROLE nobody_of_this_name".to_owned()], EngineKind::Postgres).unwrap();
        let error = db.postgres.read(&call(), &reading("select 1", true), &[], &RunOptions { setup, ..options() }).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::HookRefused, "{error:?}");
    })
    .await;
}
