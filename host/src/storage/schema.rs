//! The tables of the file, and every statement that is run on it.

/// Makes the tables where they are not there. `usage` is kept beside the entries, so that a quota costs no count; it stays
/// when the last key goes, because versions must not come again.
pub(super) const TABLES: [&str; 2] = [
    "create table if not exists entry (\
        plugin text not null, scope text not null, key blob not null, version integer not null, value blob not null, \
        unique (plugin, scope, key)) strict",
    "create table if not exists usage (\
        plugin text primary key, keys integer not null, bytes integer not null, version integer not null) strict",
];

pub(super) const FIND: &str = "select version, value from entry where plugin = ? and scope = ? and key = ?";

pub(super) const FIND_FACTS: &str = "select version, length(value) from entry where plugin = ? and scope = ? and key = ?";

pub(super) const FIND_USAGE: &str = "select keys, bytes, version from usage where plugin = ?";

pub(super) const SET: &str = "insert into entry (plugin, scope, key, version, value) values (?, ?, ?, ?, ?) \
    on conflict (plugin, scope, key) do update set version = excluded.version, value = excluded.value";

pub(super) const SET_USAGE: &str = "insert into usage (plugin, keys, bytes, version) values (?, ?, ?, ?) \
    on conflict (plugin) do update set keys = excluded.keys, bytes = excluded.bytes, version = excluded.version";

pub(super) const DELETE: &str = "delete from entry where plugin = ? and scope = ? and key = ?";

/// A prefix ends before `?5`; none means that nothing comes after all keys with it.
pub(super) const LIST: &str = "select key, version, length(value) from entry \
    where plugin = ?1 and scope = ?2 and key >= ?3 and (?4 is null or key > ?4) and (?5 is null or key < ?5) order by key limit ?6";

pub(super) const FORGET_ENTRIES: &str = "delete from entry where plugin = ?";

pub(super) const FORGET_USAGE: &str = "update usage set keys = 0, bytes = 0 where plugin = ?";
