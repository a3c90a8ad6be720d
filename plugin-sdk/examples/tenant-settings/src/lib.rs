//! Confines each caller to a tenant: sets `app.tenant` (PostgreSQL) or `@tenant` (MySQL, MariaDB) in the caller's sessions,
//! for the database's own policies and views to read.
//!
//! It fails closed: a caller without a tenant, a missing map and an engine without session settings get no session at all.

use std::collections::BTreeMap;

use tidegate_plugin::QueryHooks;
use tidegate_plugin::hook::ConnectVerdict;
use tidegate_plugin::hook::Connection;
use tidegate_plugin::settings;

/// The hooks of this plugin.
pub struct TenantSettings;

impl QueryHooks for TenantSettings {
    fn on_connect(connection: &Connection) -> ConnectVerdict {
        match setup(connection) {
            Ok(statement) => ConnectVerdict::Setup(vec![statement]),
            Err(reason) => ConnectVerdict::Refuse(reason),
        }
    }
}

/// The statement that sets the tenant, or why there is none.
fn setup(connection: &Connection) -> Result<String, String> {
    let tenants: BTreeMap<String, String> = settings::get("tenants")?.ok_or("the setting `tenants` is missing")?;
    let caller = connection.caller.as_deref().unwrap_or_default();
    let tenant = tenants.get(caller).ok_or_else(|| format!("`{caller}` belongs to no tenant"))?;
    let value = tenant.replace('\'', "''");
    match connection.engine.as_str() {
        "postgres" => Ok(format!("SET app.tenant = '{value}'")),
        "mysql" => Ok(format!("SET @tenant = '{value}'")),
        engine => Err(format!("sessions of {engine} have no settings, so `{}` cannot keep tenants apart", connection.database)),
    }
}

tidegate_plugin::export!(query_hooks: TenantSettings);

#[cfg(test)]
mod tests {
    use tidegate_plugin::test::Host;

    use super::*;

    fn host() -> Host {
        Host::new().setting("tenants", r#"{ "ada": "acme", "bob": "o'neill" }"#)
    }

    fn check(host: &Host, engine: &str, caller: Option<&str>, expected: Result<&str, &str>) {
        match (host.on_connect::<TenantSettings>("main", engine, caller), expected) {
            (ConnectVerdict::Setup(statements), Ok(expected)) => assert_eq!(statements, [expected]),
            (ConnectVerdict::Refuse(reason), Err(expected)) => assert!(reason.contains(expected), "{reason}"),
            (verdict, expected) => panic!("{verdict:?}, and not {expected:?}"),
        }
    }

    #[test]
    fn each_caller_gets_the_setting_of_its_tenant() {
        check(&host(), "postgres", Some("ada"), Ok("SET app.tenant = 'acme'"));
        check(&host(), "mysql", Some("ada"), Ok("SET @tenant = 'acme'"));
        check(&host(), "postgres", Some("bob"), Ok("SET app.tenant = 'o''neill'"));
    }

    #[test]
    fn whoever_has_no_tenant_gets_no_session() {
        check(&host(), "postgres", Some("eve"), Err("`eve` belongs to no tenant"));
        check(&host(), "postgres", None, Err("belongs to no tenant"));
        check(&host(), "sqlite", Some("ada"), Err("have no settings"));
        check(&Host::new(), "postgres", Some("ada"), Err("`tenants` is missing"));
        check(&Host::new().setting("tenants", "7"), "postgres", Some("ada"), Err("`tenants` is not usable"));
    }
}
