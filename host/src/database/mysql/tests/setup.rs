//! Sessions that begin as a hook says, and serve nobody who wants them otherwise.

use super::*;
use crate::config::EngineKind;
use crate::database::setup::Setup;

fn tenant(name: &str) -> RunOptions {
    RunOptions { setup: Setup::default().and(&[format!("SET @tenant = '{name}'")], EngineKind::MySql).unwrap(), ..options() }
}

#[tokio::test]
async fn each_tenant_has_its_own_variable_however_they_take_turns() {
    let fixture = Fixture::new(&[]).await;
    let engine = fixture.engine(|config| config.pool.max = 2);
    let ask = async |options: &RunOptions| {
        let statement = Statement::parse("select cast(@tenant as char)", EngineKind::MySql).unwrap();
        let rows = engine.read(&call(), &statement, &[], options).await.unwrap();
        rows.values(0).unwrap().remove(0)
    };
    for _ in 0..4 {
        assert_eq!(ask(&tenant("acme")).await, Value::Text("acme".into()));
        assert_eq!(ask(&tenant("glo''bex")).await, Value::Text("glo'bex".into()));
        assert_eq!(ask(&options()).await, Value::Null);
    }
}
