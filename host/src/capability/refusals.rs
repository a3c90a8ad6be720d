//! Every function of the contract that gives a right, called by a plugin whose grants are gone: each of them is refused.
//!
//! The functions are read from the text of the contract, so one that is added there without a case here fails.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use hmac::Hmac;
use hmac::KeyInit;
use hmac::Mac;
use sha2::Sha256;
use wasmtime::component::Resource;

use crate::bindings::tidegate::plugin::cache;
use crate::bindings::tidegate::plugin::cache_bytes;
use crate::bindings::tidegate::plugin::catalog;
use crate::bindings::tidegate::plugin::changes;
use crate::bindings::tidegate::plugin::database_admin;
use crate::bindings::tidegate::plugin::database_read;
use crate::bindings::tidegate::plugin::database_write;
use crate::bindings::tidegate::plugin::hook;
use crate::bindings::tidegate::plugin::metric;
use crate::bindings::tidegate::plugin::plugins;
use crate::bindings::tidegate::plugin::rows;
use crate::bindings::tidegate::plugin::secret;
use crate::bindings::tidegate::plugin::secret_reveal;
use crate::bindings::tidegate::plugin::storage;
use crate::bindings::tidegate::plugin::transaction;
use crate::bindings::tidegate::plugin::transaction::HostTransaction;
use crate::bindings::tidegate::plugin::types::DatabaseError;
use crate::bindings::tidegate::plugin::vault;
use crate::cache::Cache;
use crate::call::Call;
use crate::call::Caller;
use crate::capability::Announced;
use crate::capability::Guest;
use crate::capability::GuestLimits;
use crate::capability::HookQuestion;
use crate::capability::Services;
use crate::capability::State;
use crate::capability::grants::Grants;
use crate::capability::grants::LiveGrants;
use crate::capability::grants::storage::StorageRights;
use crate::capability::plugins::PluginBoard;
use crate::capability::plugins::PluginState;
use crate::capability::plugins::PluginStatus;
use crate::capability::transaction::GuestTransaction;
use crate::config::CacheConfig;
use crate::config::DatabaseConfig;
use crate::config::DatabaseName;
use crate::config::Mode;
use crate::config::Right;
use crate::config::Secret;
use crate::config::capability::StorageQuota;
use crate::config::vault::VaultConfig;
use crate::config::vault::VaultRight;
use crate::database::Databases;
use crate::storage::Storage;
use crate::vault::Vaults;

/// Interfaces without a right; `plugin::manifest` holds that every other one is a right.
const FREE: [&str; 8] = ["content", "hook", "input", "log", "progress", "rows", "settings", "types"];

/// What gives nothing away and changes nothing: giving a transaction up, and what a plugin is told about a thing when it gets it.
const ALWAYS: [&str; 3] = ["secret.name", "transaction.rollback", "vault.describe"];

/// The contract, file by file.
const CONTRACT: [(&str, &str); 14] = [
    ("cache", include_str!("../../../wit/cache.wit")),
    ("cache-bytes", include_str!("../../../wit/cache-bytes.wit")),
    ("catalog", include_str!("../../../wit/catalog.wit")),
    ("changes", include_str!("../../../wit/changes.wit")),
    ("database-admin", include_str!("../../../wit/database-admin.wit")),
    ("database-read", include_str!("../../../wit/database-read.wit")),
    ("database-write", include_str!("../../../wit/database-write.wit")),
    ("metric", include_str!("../../../wit/metric.wit")),
    ("plugins", include_str!("../../../wit/plugins.wit")),
    ("secret", include_str!("../../../wit/secret.wit")),
    ("secret-reveal", include_str!("../../../wit/secret-reveal.wit")),
    ("storage", include_str!("../../../wit/storage.wit")),
    ("transaction", include_str!("../../../wit/transaction.wit")),
    ("vault", include_str!("../../../wit/vault.wit")),
];

/// The functions of the contract that give a right, as `interface.function`.
fn functions() -> BTreeSet<String> {
    let world = include_str!("../../../wit/world.wit");
    let imports = world.lines().filter_map(|line| line.trim().strip_prefix("import ")?.strip_suffix(';'));
    let rights = imports.filter(|import| !FREE.contains(import));
    let mut found = BTreeSet::new();
    for interface in rights {
        let text = CONTRACT.iter().find(|(name, _)| *name == interface).map(|(_, text)| text);
        let text = text.unwrap_or_else(|| panic!("`{interface}` is imported by the world and not in the list above"));
        for line in text.lines() {
            let line = line.trim();
            if line.contains("constructor(") {
                found.insert(format!("{interface}.constructor"));
            }
            if let Some((name, rest)) = line.split_once(": ")
                && (rest.starts_with("func(") || rest.starts_with("static func(") || rest.starts_with("async func("))
            {
                found.insert(format!("{interface}.{name}"));
            }
        }
    }
    found.into_iter().filter(|name| !ALWAYS.contains(&name.as_str())).collect()
}

/// What a function did.
#[derive(Debug, PartialEq)]
enum Did {
    /// It said no.
    Refused,
    /// It did nothing and told nothing.
    Nothing,
    /// It did or told something.
    Something,
}

fn did<T>(result: wasmtime::Result<Result<T, DatabaseError>>) -> Did {
    match result {
        Ok(Err(DatabaseError::UnknownDatabase(_) | DatabaseError::AccessDenied(_) | DatabaseError::TransactionNotFound(_))) => Did::Refused,
        Ok(Err(_)) | Ok(Ok(_)) => Did::Something,
        Err(_) => Did::Refused,
    }
}

fn nothing(is_nothing: bool) -> Did {
    if is_nothing { Did::Nothing } else { Did::Something }
}

fn kept<T>(result: wasmtime::Result<Result<T, storage::Error>>) -> Did {
    match result.unwrap() {
        Err(storage::Error::Denied) => Did::Refused,
        Err(_) | Ok(_) => Did::Something,
    }
}

fn put<T>(result: wasmtime::Result<Result<T, vault::Error>>) -> Did {
    match result.unwrap() {
        Err(vault::Error::Denied) => Did::Refused,
        Err(_) | Ok(_) => Did::Something,
    }
}

/// What the manifest of the plugin asks for, which is everything.
fn requested(grants: Grants) -> Grants {
    let mut grants = Grants { requested: Some(Right::Admin), ..grants };
    grants.storage.requested = Some(StorageQuota { bytes: 1 << 20, shared: true });
    grants.vaults.requested = true;
    grants
}

fn everything() -> Grants {
    let mut grants = requested(Grants { elsewhere: Some(Right::Admin), ..Grants::default() });
    grants.storage.granted = Some(StorageRights::FIRST_PARTY);
    grants.vaults.elsewhere = Some(VaultRight::Write);
    grants
}

fn none() -> Grants {
    requested(Grants { interfaces: Some(BTreeSet::new()), ..Grants::default() })
}

/// Everything but the interfaces themselves: one lookup is enough to refuse them.
fn no_interfaces() -> Grants {
    Grants { elsewhere: None, interfaces: Some(BTreeSet::new()), ..everything() }
}

/// A database in a file of its own, whose folder goes when it is dropped.
struct Place(std::path::PathBuf);

impl Place {
    fn new() -> Self {
        static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("tidegate-refusals-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A plugin in the middle of a call: it holds an open transaction that has written, its handle, and the cursor of rows.
struct Busy {
    state: State,
    held: Resource<GuestTransaction>,
    handle: String,
    cursor: String,
    secret: u32,
    writer: u32,
    reader: u32,
}

async fn busy(place: &Place) -> Busy {
    let url = format!("sqlite:{}?mode=rwc", place.0.join("main.sqlite").display());
    let config = DatabaseConfig::new(DatabaseName::parse("main").unwrap(), &url).unwrap();
    let databases = Databases::new(vec![DatabaseConfig { mode: Mode::ReadWrite, ..config }]).map_err(|(_, error)| error).unwrap();
    let board = PluginBoard::default();
    board.set(vec![PluginStatus { id: "one".into(), version: "1.0.0".into(), state: PluginState::Running, waiting: None, advice: None }]);
    let services = Services {
        databases,
        cache: Some(Arc::new(Cache::new(&CacheConfig::default()).unwrap())),
        plugins: Arc::new(board),
        storage: Arc::new(Storage::new(Some(place.0.join("state")))),
        vaults: Vaults::new(&[("exports".to_owned(), VaultConfig { path: place.0.join("exports"), max_bytes: 1 << 20 })].into()),
        ..Services::default()
    };
    let guest = Guest {
        id: "one".into(),
        grants: LiveGrants::new(everything()),
        settings: [].into(),
        secrets: [("key".to_owned(), Secret::new("s3cret"))].into(),
        limits: GuestLimits::default(),
    };
    let mut state = State::new(Call::new(Caller::local(), Duration::from_secs(60)), Arc::new(guest), services);
    let made = database_admin::Host::execute(&mut state, String::new(), "create table t (i integer)".into(), vec![], None, None).await;
    made.unwrap().unwrap();
    let options = transaction::Options { isolation: None, access: transaction::Access::ReadWrite, deferrable: false };
    let begun = HostTransaction::begin(&mut state, String::new(), options).await.unwrap().unwrap();
    let borrowed = Resource::new_borrow(begun.rep());
    let wrote = database_write::Host::execute_in(&mut state, borrowed, "insert into t values (1)".into(), vec![], None, None).await;
    wrote.unwrap().unwrap();
    let handle = HostTransaction::detach(&mut state, Resource::new_borrow(begun.rep())).await.unwrap().unwrap().handle;
    let one = database_read::Options { timeout_ms: None, max_rows: Some(1), keep_rest: true };
    let rows = database_read::Host::query(&mut state, String::new(), "values (1), (2)".into(), vec![], one).await.unwrap().unwrap();
    let cursor = rows::HostRows::cursor(&mut state, rows).await.unwrap().unwrap();
    state.announced = Announced::default();
    let secret = secret::Host::find(&mut state, "key".into()).await.unwrap().unwrap();
    let first = vault::Host::put(&mut state, "exports".into(), "first".into(), false).await.unwrap().unwrap();
    let borrowed = Resource::new_borrow(first.rep());
    vault::HostWriter::write(&mut state, borrowed, b"first".to_vec()).await.unwrap().unwrap();
    vault::HostWriter::finish(&mut state, Resource::new_borrow(first.rep())).await.unwrap().unwrap();
    let writer = vault::Host::put(&mut state, "exports".into(), "second".into(), false).await.unwrap().unwrap();
    let reader = vault::Host::get(&mut state, "exports".into(), "first".into()).await.unwrap().unwrap();
    let set = storage::Host::set(&mut state, storage::Scope::Caller, "k".into(), b"v".to_vec(), storage::Expected::Anything).await;
    set.unwrap().unwrap();
    assert!(cache_bytes::Host::put(&mut state, "k".into(), b"v".to_vec(), 60_000).await.unwrap());
    Busy { state, held: begun, handle, cursor, secret: secret.rep(), writer: writer.rep(), reader: reader.rep() }
}

/// Calls one function as a plugin that would succeed with it if it had its grants.
async fn call(function: &str, busy: &mut Busy) -> Option<Did> {
    let Busy { state, held, handle, cursor, secret, writer, reader } = busy;
    let mine = storage::Scope::Caller;
    let database = || "main".to_owned();
    let read = || "select i from t".to_owned();
    let write = || "insert into t values (2)".to_owned();
    let transaction = || Resource::<GuestTransaction>::new_borrow(held.rep());
    let reading = || database_read::Options { timeout_ms: None, max_rows: None, keep_rest: false };
    let filter = catalog::TableFilter { schema: None, kinds: vec![], pattern: None, after: None, limit: 10 };
    let batch = || vec![database_write::Statement { sql: write(), parameters: vec![] }];
    let in_batch = |result: wasmtime::Result<Result<Vec<database_write::Execution>, database_write::BatchError>>| {
        did(result.map(|done| done.map_err(|failed| failed.error)))
    };
    Some(match function {
        "catalog.list-databases" => nothing(catalog::Host::list_databases(state).await.unwrap().is_empty()),
        "catalog.describe-database" => did(catalog::Host::describe_database(state, database()).await),
        "catalog.list-schemas" => did(catalog::Host::list_schemas(state, database()).await),
        "catalog.list-tables" => did(catalog::Host::list_tables(state, database(), filter).await),
        "catalog.describe-table" => did(catalog::Host::describe_table(state, database(), None, "t".into()).await),
        "catalog.list-routines" => did(catalog::Host::list_routines(state, database(), None, None, None, 10).await),
        "database-read.inspect" => did(database_read::Host::inspect(state, database(), read()).await),
        "database-read.query" => did(database_read::Host::query(state, database(), read(), vec![], reading()).await),
        "database-read.explain" => did(database_read::Host::explain(state, database(), read(), vec![], false, reading()).await),
        "database-read.query-in" => did(database_read::Host::query_in(state, transaction(), read(), vec![], reading()).await),
        "database-read.explain-in" => did(database_read::Host::explain_in(state, transaction(), read(), vec![], false, reading()).await),
        "database-read.fetch" => did(database_read::Host::fetch(state, cursor.clone(), None).await),
        "database-write.execute" => did(database_write::Host::execute(state, database(), write(), vec![], None, None).await),
        "database-write.batch" => in_batch(database_write::Host::batch(state, database(), batch(), None, None).await),
        "database-write.execute-in" => did(database_write::Host::execute_in(state, transaction(), write(), vec![], None, None).await),
        "database-write.batch-in" => in_batch(database_write::Host::batch_in(state, transaction(), batch(), None, None).await),
        "database-admin.execute" => {
            did(database_admin::Host::execute(state, database(), "create table u (i integer)".into(), vec![], None, None).await)
        }
        "database-admin.execute-in" => {
            did(database_admin::Host::execute_in(state, transaction(), "create table u (i integer)".into(), vec![], None, None).await)
        }
        "transaction.begin" => {
            let options = transaction::Options { isolation: None, access: transaction::Access::ReadOnly, deferrable: false };
            did(HostTransaction::begin(state, database(), options).await)
        }
        "transaction.attach" => did(HostTransaction::attach(state, handle.clone()).await),
        "transaction.detach" => did(HostTransaction::detach(state, transaction()).await),
        "transaction.describe" => did(HostTransaction::describe(state, transaction()).await),
        "transaction.savepoint" => did(HostTransaction::savepoint(state, transaction(), "s".into()).await),
        "transaction.rollback-to" => did(HostTransaction::rollback_to(state, transaction(), "s".into()).await),
        "transaction.release" => did(HostTransaction::release(state, transaction(), "s".into()).await),
        "transaction.commit" => did(HostTransaction::commit(state, transaction()).await),
        "cache.find" => {
            state.hook = Some(HookQuestion::default());
            let policy = hook::Policy { ttl_ms: 1_000, tiers: hook::Tiers::MEMORY, probe: false };
            nothing(cache::Host::find(state, String::new(), policy).await.unwrap().is_none())
        }
        "cache.clear" => nothing(cache::Host::clear(state, cache::Selection::All).await.unwrap() == 0),
        "cache.read-figures" => nothing(cache::Host::read_figures(state).await.unwrap().tiers.is_empty()),
        "changes.tools-changed" => {
            changes::Host::tools_changed(state).await.unwrap();
            nothing(state.announced == Announced::default())
        }
        "changes.resources-changed" => {
            changes::Host::resources_changed(state).await.unwrap();
            nothing(state.announced == Announced::default())
        }
        "changes.prompts-changed" => {
            changes::Host::prompts_changed(state).await.unwrap();
            nothing(state.announced == Announced::default())
        }
        "changes.resource-updated" => {
            changes::Host::resource_updated(state, "a:b".into()).await.unwrap();
            nothing(state.announced == Announced::default())
        }
        "cache-bytes.get" => nothing(cache_bytes::Host::get(state, "k".into()).await.unwrap().is_none()),
        "cache-bytes.put" => nothing(!cache_bytes::Host::put(state, "l".into(), b"v".to_vec(), 60_000).await.unwrap()),
        "cache-bytes.remove" => {
            cache_bytes::Host::remove(state, "k".into()).await.unwrap();
            nothing(state.services.bytes.get("one", &state.call.caller, "k").is_some())
        }
        "metric.count" => {
            metric::Host::count(state, "n".into(), 1, vec![]).await.unwrap();
            nothing(state.services.metrics.snapshot().series.is_empty())
        }
        "metric.observe" => {
            metric::Host::observe(state, "n".into(), 1.0, vec![]).await.unwrap();
            nothing(state.services.metrics.snapshot().series.is_empty())
        }
        "metric.gauge" => {
            metric::Host::gauge(state, "n".into(), 1.0, vec![]).await.unwrap();
            nothing(state.services.metrics.snapshot().series.is_empty())
        }
        "secret.find" => nothing(secret::Host::find(state, "key".into()).await.unwrap().is_none()),
        "secret.sign" => {
            let signed = secret::HostSecret::sign(state, Resource::new_borrow(*secret), b"m".to_vec()).await.unwrap();
            // With a key that is empty it proves nothing.
            let mut empty = Hmac::<Sha256>::new_from_slice(b"").unwrap();
            empty.update(b"m");
            nothing(signed == empty.finalize().into_bytes().to_vec())
        }
        "secret-reveal.reveal" => nothing(secret_reveal::Host::reveal(state, Resource::new_borrow(*secret)).await.unwrap().is_empty()),
        "storage.get" => kept(storage::Host::get(state, mine, "k".into()).await),
        "storage.set" => kept(storage::Host::set(state, mine, "l".into(), b"v".to_vec(), storage::Expected::Anything).await),
        "storage.delete" => kept(storage::Host::delete(state, mine, "k".into(), storage::Expected::Anything).await),
        "storage.list-keys" => kept(storage::Host::list_keys(state, mine, String::new(), None, 10).await),
        "storage.read-usage" => kept(storage::Host::read_usage(state).await),
        "vault.put" => put(vault::Host::put(state, "exports".into(), "third".into(), false).await),
        "vault.get" => put(vault::Host::get(state, "exports".into(), "first".into()).await),
        "vault.list-blobs" => put(vault::Host::list_blobs(state, "exports".into(), String::new(), None, 10).await),
        "vault.delete" => put(vault::Host::delete(state, "exports".into(), "first".into()).await),
        "vault.write" => put(vault::HostWriter::write(state, Resource::new_borrow(*writer), b"more".to_vec()).await),
        "vault.finish" => put(vault::HostWriter::finish(state, Resource::new_borrow(*writer)).await),
        "vault.read" => put(vault::HostReader::read(state, Resource::new_borrow(*reader), 10).await),
        "plugins.list-plugins" => nothing(plugins::Host::list_plugins(state).await.unwrap().is_empty()),
        _ => return None,
    })
}

/// Functions that tell a plugin with every grant nothing here either: nothing is kept under a key that was never made.
const TELLS_NOTHING: [&str; 2] = ["cache.find", "cache.clear"];

#[tokio::test]
async fn every_function_is_refused_without_its_grant() {
    for (function, grants) in functions().into_iter().flat_map(|function| [(function.clone(), none()), (function, no_interfaces())]) {
        let place = Place::new();
        let mut busy = busy(&place).await;
        busy.state.guest.grants.set(grants);
        let done = call(&function, &mut busy).await;
        let done = done.unwrap_or_else(|| panic!("`{function}` has no case; add one to `call`"));
        assert_ne!(done, Did::Something, "`{function}` works without a grant");
        // What was begun before can be given up, and changes nothing.
        HostTransaction::rollback(&mut busy.state, busy.held).await.unwrap().unwrap();
        busy.state.services.storage.close().await;
        busy.state.services.databases.close().await;
    }
}

#[tokio::test]
async fn the_same_calls_do_something_with_the_grants() {
    for function in functions().into_iter().filter(|function| !TELLS_NOTHING.contains(&function.as_str())) {
        let place = Place::new();
        let mut busy = busy(&place).await;
        // A statement that is not in the transaction waits for it.
        let alone = ["database-write.execute", "database-write.batch", "database-admin.execute"].contains(&function.as_str());
        if alone {
            HostTransaction::rollback(&mut busy.state, Resource::new_borrow(busy.held.rep())).await.unwrap().unwrap();
        }
        let done = call(&function, &mut busy).await;
        assert_eq!(done, Some(Did::Something), "`{function}`");
        busy.state.services.storage.close().await;
        busy.state.services.databases.close().await;
    }
}
