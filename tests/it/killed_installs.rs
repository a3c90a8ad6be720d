//! `plugin install` that is killed at any moment: what was installed before is whole, or what came new is.

use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;

use crate::host::Host;
use crate::host::program;
use crate::package::Author;
use crate::package::Edition;
use crate::package::ID;
use crate::plugins_install::Machine;

#[tokio::test]
async fn an_installation_that_is_killed_did_not_happen_or_is_whole() {
    let kills = if std::env::var("TIDEGATE_TEST_QUICK").is_ok_and(|quick| quick == "1") { 10 } else { 20 };
    let (author, machine) = (Author::new().await, Machine::new());
    let edition = |version| Edition { version, letter: 'A', more: "" };
    author.publish(edition("1.0.0")).await;
    machine.install(&author).await;
    author.publish(edition("1.1.0")).await;
    let source = author.published();
    let command = || {
        let mut command = program();
        command.args(["plugin", "install"]).arg(&source).arg("--plugins-dir").arg(machine.plugins());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    // How long one takes when nobody kills it, compiled already.
    let began = Instant::now();
    assert!(command().status().await.unwrap().success());
    let whole = began.elapsed();
    machine.done(&["rollback", ID]).await;
    let host = Host::new().plugins(&machine.plugins()).database("main", "sqlite::memory:", "");
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..kills {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let mut running = command().spawn().unwrap();
        tokio::time::sleep(whole.mul_f64((random % 1000) as f64 / 900.0)).await;
        // It may have ended by itself.
        let _ = running.start_kill();
        running.wait().await.unwrap();
        let list: Value = serde_json::from_str(&machine.done(&["list", "--json"]).await).unwrap();
        let running = list[0]["running"]["version"].as_str();
        assert!(matches!(running, Some("1.0.0" | "1.1.0")), "{running:?}: {list}");
        machine.done(&["verify"]).await;
        machine.done(&["sync", "--check"]).await;
        let ended = host.run(&["tools"]).await;
        assert!(ended.code == Some(0) && ended.stdout.contains("installs_ask"), "{}{}", ended.stdout, ended.stderr);
        if running == Some("1.1.0") {
            machine.done(&["rollback", ID]).await;
        }
    }
    // Whoever comes next is not stopped by what was left, and leaves nothing of it.
    let began = Instant::now();
    assert!(command().status().await.unwrap().success());
    assert!(began.elapsed() < Duration::from_secs(60));
    assert!(!machine.files().iter().any(|name| name.starts_with(".new-")), "{:?}", machine.files());
}
