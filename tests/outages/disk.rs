//! SQLite on a disk that is full.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use sqlx::Connection;
use sqlx::SqliteConnection;

use crate::eventually;
use crate::folder::Folder;
use crate::host::Era;
use crate::load::call;
use crate::tell;
use crate::turn;
use crate::uncached_host;

/// A disk of 2 MiB in memory. Unmounted when it is dropped.
struct SmallDisk {
    path: PathBuf,
    _folder: Folder,
}

impl SmallDisk {
    fn new() -> Self {
        let folder = Folder::new();
        let path = folder.path().to_owned();
        let mounted = as_root("mount").args(["-t", "tmpfs", "-o", "size=2m,mode=1777", "tmpfs"]).arg(&path).status();
        let mounted = mounted.is_ok_and(|status| status.success());
        assert!(mounted, "a small disk can only be mounted by root: run the tests as root, or let `sudo --non-interactive mount` work");
        Self { path, _folder: folder }
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = as_root("umount").arg("--lazy").arg(&self.path).status();
    }
}

/// A program that root runs.
fn as_root(program: &str) -> Command {
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.arg("--non-interactive").arg(program);
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_writes_and_nothing_else() {
    let _turn = turn().await;
    let disk = SmallDisk::new();
    let file = disk.path().join("shop.sqlite");
    let host = uncached_host().database("main", &format!("sqlite:{}?mode=rwc", file.display()), "mode = \"read-write\"").start().await;
    let client = host.connect(Era::Modern).await;
    let execute = async |sql: String| call(&client, "execute_query", json!({ "sql": sql })).await.unwrap();
    let count = async || {
        let called = call(&client, "execute_select", json!({ "sql": "select count(*) from entries" })).await.unwrap();
        assert!(called.error.is_none(), "{}", called.text);
        called.text
    };
    assert!(execute("create table entries (id integer primary key, filling text not null)".to_owned()).await.error.is_none());

    let mut acknowledged = 0;
    let refused = loop {
        let called = execute(format!("insert into entries values ({}, '{}')", acknowledged + 1, "x".repeat(20_000))).await;
        match called.error {
            None => acknowledged += 1,
            Some(_) => break called,
        }
        assert!(acknowledged < 500, "the disk is not full");
    };
    assert!(refused.text.contains("no space left"), "{}", refused.text);
    for _ in 0..20 {
        // More than the breaker's number of them, and reads go on.
        assert_eq!(execute(format!("insert into entries values (1000, '{}')", "x".repeat(100_000))).await.code(), "DATABASE_UNAVAILABLE");
        assert!(count().await.contains(&format!("[[{acknowledged}]]")));
    }

    // More space, without a word to the host.
    assert!(as_root("mount").args(["-o", "remount,size=16m"]).arg(disk.path()).status().unwrap().success());
    let back = eventually(Duration::from_secs(2), "writes go through again", async || {
        execute(format!("insert into entries values ({}, 'y')", acknowledged + 1)).await.error.is_none()
    })
    .await;
    assert_eq!(host.terminate().await, Some(0));
    let mut connection = SqliteConnection::connect(&format!("sqlite:{}", file.display())).await.unwrap();
    let whole: String = sqlx::query_scalar("pragma integrity_check").fetch_one(&mut connection).await.unwrap();
    let rows: i64 = sqlx::query_scalar("select count(*) from entries").fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    assert_eq!((whole.as_str(), rows), ("ok", acknowledged + 1));
    tell(&format!("SQLite on a full disk: {acknowledged} acknowledged, 0 lost, written again after {} ms", back.as_millis()));
}
