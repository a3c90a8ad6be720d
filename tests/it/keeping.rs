//! What plugins store, count and hold: within its limits, in the right hands, and gone when it is taken away.

use serde_json::json;

use crate::folder::Folder;
use crate::guests;
use crate::host::Client;
use crate::host::Era;
use crate::host::Host;
use crate::host::HttpHost;

/// A host with the guest `keeps`, whose state is in `folder`.
async fn start(folder: &Folder, keys: &str) -> (HttpHost, Client) {
    let state = format!("state_dir = {:?}", folder.path().join("state"));
    let host = Host::new().database("main", "sqlite::memory:", "").server(&state).guest(guests::KEEPS, keys).start().await;
    let client = host.connect(Era::Modern).await;
    (host, client)
}

const GRANT: &str = "storage = { quota = \"64 KiB\", shared = true }";

#[tokio::test]
async fn what_is_stored_outlives_the_host_also_one_that_is_killed() {
    let folder = Folder::new();
    let (host, client) = start(&folder, GRANT).await;
    for (key, shared) in [("a", false), ("b", true)] {
        client.call("keeps_put", json!({ "key": key, "value": format!("value of {key}"), "shared": shared })).await.text();
    }
    // Dropped, it is killed.
    drop((client, host));
    let (_host, client) = start(&folder, GRANT).await;
    for (key, shared, found) in [("a", false, "value of a"), ("b", true, "value of b"), ("a", true, "nothing"), ("b", false, "nothing")] {
        assert_eq!(client.call("keeps_get", json!({ "key": key, "shared": shared })).await.text(), found, "{key} {shared}");
    }
    assert_eq!(client.call("keeps_keys", json!({})).await.text(), "a");
}

#[tokio::test]
async fn without_a_grant_nothing_is_stored_and_what_is_shared_takes_one_of_its_own() {
    let folder = Folder::new();
    let (_host, client) = start(&folder, "").await;
    for tool in ["keeps_get", "keeps_put"] {
        assert_eq!(client.call(tool, json!({ "key": "k" })).await.code(), "ACCESS_DENIED");
    }
    assert!(!folder.path().join("state").exists(), "what stores nothing makes no file");
    let (_host, client) = start(&folder, "storage = \"1 MiB\"").await;
    assert_eq!(client.call("keeps_put", json!({ "key": "k", "shared": true })).await.code(), "ACCESS_DENIED");
    assert!(!client.call("keeps_put", json!({ "key": "k" })).await.failed());
}

#[tokio::test]
async fn a_flood_of_values_ends_at_the_lesser_of_request_and_grant() {
    let folder = Folder::new();
    // The manifest requests 64 KiB.
    for (granted, most) in [("8 KiB", 8 << 10), ("1 GiB", 64 << 10)] {
        let (_host, client) = start(&folder, &format!("storage = {granted:?}")).await;
        let text = client.call("keeps_flood_storage", json!({ "bytes": 1000 })).await.text();
        assert!(text.ends_with(&format!(" of {most} bytes")), "{text}");
        assert_eq!(client.call("keeps_put", json!({ "key": "one more", "bytes": 1001 })).await.code(), "TOO_LARGE");
        let rows = client.call("execute_select", json!({ "sql": "select 1" })).await.rows();
        assert_eq!(rows, json!([[1]]));
    }
}

#[tokio::test]
async fn keys_and_values_have_limits() {
    let folder = Folder::new();
    let (_host, client) = start(&folder, GRANT).await;
    for key in ["", "two\nlines", &"k".repeat(513)] {
        assert_eq!(client.call("keeps_put", json!({ "key": key, "value": "v" })).await.code(), "INVALID_ARGUMENTS", "{key:?}");
    }
    assert_eq!(client.call("keeps_put", json!({ "key": "k", "bytes": (1 << 20) + 1 })).await.code(), "TOO_LARGE");
    assert!(!client.call("keeps_put", json!({ "key": "é".repeat(256), "value": "v" })).await.failed());
}

#[tokio::test]
async fn calls_that_change_one_value_at_once_lose_nothing() {
    let folder = Folder::new();
    // Two hosts, one file.
    let (_one, first) = start(&folder, GRANT).await;
    let (_other, second) = start(&folder, GRANT).await;
    let increase = json!({ "times": 20 });
    let (a, b, c) = tokio::join!(
        first.call("keeps_increase", increase.clone()),
        first.call("keeps_increase", increase.clone()),
        second.call("keeps_increase", increase.clone()),
    );
    assert_eq!([a.text(), b.text(), c.text()], ["done", "done", "done"]);
    assert_eq!(second.call("keeps_get", json!({ "key": "number" })).await.text(), "60");
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_the_operators_to_see() {
    let folder = Folder::new();
    std::fs::write(folder.path().join("state"), "a file where a folder should be").unwrap();
    let (host, client) = start(&folder, GRANT).await;
    assert_eq!(client.call("keeps_get", json!({ "key": "k" })).await.code(), "UNAVAILABLE");
    host.logs("can keep nothing now").await;
}

#[tokio::test]
async fn a_flood_of_host_calls_is_stopped_at_its_limit() {
    let folder = Folder::new();
    let (_host, client) = start(&folder, GRANT).await;
    let answer = client.call("keeps_flood_calls", json!({})).await;
    assert_eq!(answer.code(), "PLUGIN_LIMIT", "{}", answer.text());
    assert!(answer.text().contains("calls of host functions"), "{}", answer.text());
}

#[tokio::test]
async fn a_flood_of_names_and_labels_is_dropped_and_told_once() {
    let folder = Folder::new();
    let (host, client) = start(&folder, "").await;
    assert_eq!(client.call("keeps_flood_metrics", json!({ "many": 2000 })).await.text(), "done");
    host.logs("figures that are not kept").await;
    assert_eq!(host.log().matches("figures that are not kept").count(), 1, "{}", host.log());
}

#[tokio::test]
async fn bytes_are_kept_between_calls_and_not_between_hosts() {
    let folder = Folder::new();
    let (host, client) = start(&folder, "").await;
    assert_eq!(client.call("keeps_remember", json!({ "key": "k", "value": "v" })).await.text(), "nothing");
    assert_eq!(client.call("keeps_remember", json!({ "key": "k" })).await.text(), "v");
    drop((client, host));
    let (_host, client) = start(&folder, "").await;
    assert_eq!(client.call("keeps_remember", json!({ "key": "k" })).await.text(), "nothing");
}

#[tokio::test]
async fn a_secret_is_held_without_being_seen_and_is_in_no_log() {
    let folder = Folder::new();
    let file = folder.path().join("key");
    std::fs::write(&file, "key\n").unwrap();
    let keys = format!("secrets = {{ plain = \"hush-hush\", filed = {{ file = {file:?} }} }}");
    let (host, client) = start(&folder, &keys).await;
    // The value is that of `printf message | openssl dgst -sha256 -hmac key`.
    let signed = client.call("keeps_hold", json!({ "name": "filed" })).await.text();
    assert_eq!(signed, "filed 6e9ef29b75fffc5b7abae527d58fdadb2fe42e7219011976917343065f58ed4a");
    assert_eq!(client.call("keeps_hold", json!({ "name": "other" })).await.text(), "no such secret");
    assert_eq!(client.call("keeps_hold", json!({ "name": "plain", "reveal": true })).await.text(), "hush-hush");
    assert!(!host.log().contains("hush-hush"), "{}", host.log());
}

#[tokio::test]
async fn to_see_a_secret_is_a_right_of_its_own() {
    let capabilities = "[capabilities]\nstorage = { reason = \"R.\" }\nmetric = { reason = \"R.\" }\nsecret = { reason = \"R.\" }\nvault = { reason = \"R.\" }\ncache-bytes = { reason = \"R.\" }\n";
    let ended = Host::new().requesting(guests::KEEPS, capabilities, "").run(&["check"]).await;
    assert_eq!(ended.code, Some(3), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stderr.contains("it imports `secret-reveal`"), "{}", ended.stderr);
}

/// A host with the guest `keeps` and two vaults in `folder`.
async fn start_with_vaults(folder: &Folder, keys: &str) -> (HttpHost, Client) {
    let vault = |name: &str, max: &str| format!("path = {:?}\nmax = {max:?}", folder.path().join(name));
    let host = Host::new()
        .database("main", "sqlite::memory:", "")
        .table("vaults.small", &vault("small", "1 MiB"))
        .table("vaults.large", &vault("large", "100 MiB"))
        .guest(guests::KEEPS, keys)
        .start()
        .await;
    let client = host.connect(Era::Modern).await;
    (host, client)
}

#[tokio::test]
async fn a_vault_takes_what_is_large_and_holds_no_more_than_it_may() {
    let folder = Folder::new();
    let (_host, client) = start_with_vaults(&folder, "vaults = { small = \"write\", large = \"write\" }").await;
    let put =
        async |vault: &str, bytes: usize| client.call("keeps_deposit", json!({ "vault": vault, "name": "a.sql", "bytes": bytes })).await;
    assert_eq!(put("large", 5_000_000).await.text(), "5000000 bytes");
    assert_eq!(put("large", 1).await.code(), "EXISTS");
    let found = client.call("keeps_withdraw", json!({ "vault": "large", "name": "a.sql" })).await.text();
    assert_eq!(found, "5000000 of 5000000 bytes");
    assert_eq!(put("small", 5_000_000).await.code(), "TOO_LARGE");
    let half = json!({ "vault": "small", "name": "half", "bytes": 1000, "panic": true });
    assert_eq!(client.call("keeps_deposit", half).await.code(), "PLUGIN_FAILED");
    assert_eq!(client.call("keeps_blobs", json!({ "vault": "small" })).await.text(), "");
    assert_eq!(std::fs::read_dir(folder.path().join("small")).unwrap().count(), 0, "nothing half written is left");
}

#[tokio::test]
async fn a_vault_takes_a_grant_and_writing_one_of_its_own() {
    let folder = Folder::new();
    let (_host, client) = start_with_vaults(&folder, "vaults = { small = \"read\" }").await;
    for vault in ["small", "large", "other", "../small"] {
        let put = client.call("keeps_deposit", json!({ "vault": vault, "name": "a", "bytes": 1 })).await;
        assert_eq!(put.code(), "ACCESS_DENIED", "{vault}");
        let list = client.call("keeps_blobs", json!({ "vault": vault })).await;
        assert_eq!(list.failed(), vault != "small", "{vault}");
    }
    for name in ["../../secret", "/etc/passwd", ".aside-1", "a/b"] {
        let got = client.call("keeps_withdraw", json!({ "vault": "small", "name": name })).await;
        assert_eq!(got.code(), "INVALID_ARGUMENTS", "{name}");
    }
    assert_eq!(client.call("keeps_withdraw", json!({ "vault": "small", "name": "a" })).await.code(), "NOT_FOUND");
}
