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
