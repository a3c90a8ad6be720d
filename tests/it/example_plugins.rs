//! The examples of the SDK, over the real wire.

use serde_json::json;

use crate::database::Engine;
use crate::database::Library;
use crate::examples;
use crate::host::Era;
use crate::host::Host;

#[tokio::test]
async fn mask_columns_masks_by_name_and_leaves_null_as_it_is() {
    for engine in [Engine::Sqlite, Engine::Postgres, Engine::MySql] {
        let library = Library::new(engine).await;
        let keys = "settings = { columns = [\"name\", \"not*\"] }\nhooks = { after-query = { mode = \"enforce\", timeout = \"2s\" } }";
        let host = Host::new().database("main", &library.url, "").guest(examples::MASK_COLUMNS, keys).start().await;
        let client = host.connect(Era::Modern).await;
        let rows = async |sql: &str| client.call("execute_select", json!({ "sql": sql })).await.rows();
        assert_eq!(rows("select id, name from authors where id < 3 order by id").await, json!([[1, "***"], [2, "***"]]), "{engine:?}");
        let notes = rows("select id, note from loans where id in (6, 7) order by id").await;
        assert_eq!(notes, json!([[6, null], [7, "***"]]), "{engine:?}");
        assert_eq!(rows("select id, title from books where id = 1").await, json!([[1, "Book 1"]]), "{engine:?}");
        library.close().await;
    }
}

#[tokio::test]
async fn tenant_settings_gives_no_session_to_whoever_has_no_tenant() {
    let keys = |tenants: &str| {
        format!("settings = {{ tenants = {{ {tenants} }} }}\nhooks = {{ on-connect = {{ mode = \"enforce\", timeout = \"2s\" }} }}")
    };
    for (engine, tenants, refused) in [
        (Engine::Postgres, "ada = \"acme\"", Some("`local` belongs to no tenant")),
        (Engine::Postgres, "local = \"acme\"", None),
        (Engine::MySql, "local = \"acme\"", None),
        (Engine::Sqlite, "local = \"acme\"", Some("sessions of sqlite have no settings")),
    ] {
        let library = Library::new(engine).await;
        let host = Host::new().database("main", &library.url, "").guest(examples::TENANT_SETTINGS, &keys(tenants)).start().await;
        let client = host.connect(Era::Modern).await;
        let answer = client.call("execute_select", json!({ "sql": "select 1" })).await;
        match refused {
            Some(reason) => {
                assert_eq!(answer.code(), "HOOK_REFUSED", "{engine:?}: {}", answer.text());
                assert!(
                    answer.text().contains("plugin `tenant-settings` refused the session") && answer.text().contains(reason),
                    "{}",
                    answer.text()
                );
            }
            None => assert_eq!(answer.rows(), json!([[1]]), "{engine:?}"),
        }
        library.close().await;
    }
}

#[tokio::test]
async fn tenant_settings_confines_a_caller_by_the_databases_own_policy() {
    let library = Library::new(Engine::Postgres).await;
    let role = library.url.rsplit('/').next().expect("the URL names the database").to_owned();
    library
        .run(&format!(
            "create table orders (id integer primary key, tenant text not null);
             insert into orders values (1, 'acme'), (2, 'globex'), (3, 'acme');
             alter table orders enable row level security;
             create role {role} login password 'own';
             grant select on orders to {role};
             create policy tenant on orders to {role} using (tenant = current_setting('app.tenant', true));"
        ))
        .await;
    let (scheme, rest) = library.url.split_once("://").expect("it is a URL");
    let url = format!("{scheme}://{role}:own@{}", rest.rsplit('@').next().expect("it has a place"));
    let keys = "settings = { tenants = { local = \"acme\" } }\nhooks = { on-connect = { mode = \"enforce\", timeout = \"2s\" } }";
    let host = Host::new().database("main", &url, "").guest(examples::TENANT_SETTINGS, keys).start().await;
    let client = host.connect(Era::Modern).await;
    for _ in 0..3 {
        let rows = client.call("execute_select", json!({ "sql": "select id from orders order by id" })).await.rows();
        assert_eq!(rows, json!([[1], [3]]));
    }
    // Neither in words nor by a function does the client become another tenant.
    for sql in ["set app.tenant = 'globex'", "select set_config('app.tenant', 'globex', false)"] {
        assert!(client.call("execute_select", json!({ "sql": sql })).await.failed(), "{sql}");
    }
    let rows = client.call("execute_select", json!({ "sql": "select id from orders order by id" })).await.rows();
    assert_eq!(rows, json!([[1], [3]]));
    drop(client);
    drop(host);
    library.run(&format!("drop owned by {role}; drop role {role}")).await;
    library.close().await;
}
