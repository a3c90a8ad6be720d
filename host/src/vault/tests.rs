//! Tests of vaults, in real folders.

use super::*;

fn vault(name: &str, max_bytes: u64) -> Arc<Vault> {
    let path = std::env::temp_dir().join(format!("tidegate-vault-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&path);
    let vaults = Vaults::new(&[("v".to_owned(), VaultConfig { path, max_bytes })].into());
    vaults.find("v").unwrap().clone()
}

async fn put(vault: &Arc<Vault>, name: &str, bytes: &[u8], replace: bool) -> Result<Blob, VaultError> {
    let mut writer = vault.put(name, replace).await?;
    for chunk in bytes.chunks(3) {
        writer.write(chunk).await?;
    }
    writer.finish().await
}

async fn get(vault: &Vault, name: &str) -> Result<Vec<u8>, VaultError> {
    let mut reader = vault.get(name).await?;
    let mut all = Vec::new();
    loop {
        let bytes = reader.read(2).await?;
        if bytes.is_empty() {
            return Ok(all);
        }
        all.extend(bytes);
    }
}

fn files(vault: &Vault) -> usize {
    std::fs::read_dir(&vault.path).map_or(0, Iterator::count)
}

#[tokio::test]
async fn what_is_finished_is_there_and_what_is_not_was_never_there() {
    let vault = vault("finish", 1000);
    assert_eq!(put(&vault, "a.sql", b"hello world", false).await.unwrap().bytes, 11);
    assert_eq!(get(&vault, "a.sql").await.unwrap(), b"hello world");
    let mut half = vault.put("b.sql", false).await.unwrap();
    half.write(b"half").await.unwrap();
    assert!(matches!(vault.get("b.sql").await, Err(VaultError::NotFound)));
    drop(half);
    assert_eq!(files(&vault), 1);
    assert!(matches!(put(&vault, "a.sql", b"x", false).await, Err(VaultError::Exists)));
    put(&vault, "a.sql", b"new", true).await.unwrap();
    assert_eq!(get(&vault, "a.sql").await.unwrap(), b"new");
    // Two that begin at once: the first to finish has the name.
    let (mut one, other) = (vault.put("c", false).await.unwrap(), vault.put("c", false).await.unwrap());
    one.write(b"one").await.unwrap();
    one.finish().await.unwrap();
    assert!(matches!(other.finish().await, Err(VaultError::Exists)));
    assert_eq!((get(&vault, "c").await.unwrap(), files(&vault)), (b"one".to_vec(), 2));
    assert!(vault.delete("c").await.unwrap());
    assert!(!vault.delete("c").await.unwrap());
    std::fs::remove_dir_all(&vault.path).unwrap();
}

#[tokio::test]
async fn a_vault_holds_no_more_than_it_may_also_when_several_write() {
    let vault = vault("full", 20);
    put(&vault, "a", &[0; 10], false).await.unwrap();
    let (mut one, mut other) = (vault.put("b", false).await.unwrap(), vault.put("c", false).await.unwrap());
    one.write(&[0; 6]).await.unwrap();
    assert!(matches!(other.write(&[0; 6]).await, Err(VaultError::Full { limit: 20 })));
    drop(one);
    other.write(&[0; 6]).await.unwrap();
    other.finish().await.unwrap();
    assert!(matches!(put(&vault, "d", &[0; 5], false).await, Err(VaultError::Full { .. })));
    assert_eq!(vault.pending.load(Ordering::Relaxed), 0);
    assert_eq!(files(&vault), 2);
    std::fs::remove_dir_all(&vault.path).unwrap();
}

#[tokio::test]
async fn a_name_is_no_path_and_a_link_is_no_blob() {
    let vault = vault("names", 1000);
    for name in [
        "",
        ".",
        "..",
        "../a",
        "a/b",
        "a\\b",
        "/etc/passwd",
        ".hidden",
        ".aside-1",
        "A",
        "a ",
        "a\n",
        "a\0",
        "c:a",
        "é",
        "a.",
        &"a".repeat(129),
    ] {
        assert!(matches!(vault.put(name, true).await, Err(VaultError::Name)), "{name:?}");
        assert!(matches!(vault.get(name).await, Err(VaultError::Name)), "{name:?}");
        assert!(matches!(vault.delete(name).await, Err(VaultError::Name)), "{name:?}");
    }
    put(&vault, "a", b"a", false).await.unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("/etc/passwd", vault.path.join("link")).unwrap();
        assert!(matches!(vault.get("link").await, Err(VaultError::NotFound)));
    }
    let names: Vec<String> = vault.list("", None, 10).await.unwrap().into_iter().map(|blob| blob.name).collect();
    assert_eq!(names, ["a"]);
    std::fs::remove_dir_all(&vault.path).unwrap();
}

#[tokio::test]
async fn blobs_are_listed_by_prefix_in_pages_and_an_empty_vault_is_no_error() {
    let vault = vault("list", 1000);
    assert!(vault.list("", None, 10).await.unwrap().is_empty());
    for name in ["main-2", "main-1", "other"] {
        put(&vault, name, b"x", false).await.unwrap();
    }
    let list =
        async |prefix, after, limit| vault.list(prefix, after, limit).await.unwrap().into_iter().map(|blob| blob.name).collect::<Vec<_>>();
    assert_eq!(list("main-", None, 10).await, ["main-1", "main-2"]);
    assert_eq!(list("", Some("main-1"), 1).await, ["main-2"]);
    std::fs::remove_dir_all(&vault.path).unwrap();
}
