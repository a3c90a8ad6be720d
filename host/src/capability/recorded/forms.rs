//! Values of the contract as JSON, as [`scripted`](crate) capabilities read them: records without what is none, cases by name.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Map;
use serde_json::Value as Json;
use serde_json::json;
use wasmtime::component::Resource;

use crate::bindings::tidegate::plugin::cache;
use crate::bindings::tidegate::plugin::catalog;
use crate::bindings::tidegate::plugin::database_read;
use crate::bindings::tidegate::plugin::database_write;
use crate::bindings::tidegate::plugin::hook;
use crate::bindings::tidegate::plugin::metric;
use crate::bindings::tidegate::plugin::plugins;
use crate::bindings::tidegate::plugin::storage;
use crate::bindings::tidegate::plugin::transaction;
use crate::bindings::tidegate::plugin::types;
use crate::capability::State;
use crate::capability::row_json;
use crate::capability::rows::GuestRows;
use crate::capability::secret::GuestSecret;
use crate::capability::transaction::GuestTransaction;
use crate::capability::value;
use crate::cassette::Answer;

/// What has a form in a cassette.
pub(super) trait Form {
    /// Its form; `None` for an option that is none.
    fn form(&self, state: &State) -> Option<Json>;

    /// It as what a function answered.
    fn answer(&self, state: &State) -> Answer {
        Answer::Ok(self.form(state).unwrap_or_default())
    }
}

macro_rules! plain {
    ($($ty:ty),*) => { $(impl Form for $ty {
        fn form(&self, _: &State) -> Option<Json> {
            Some(self.clone().into())
        }
    })* };
}

/// Enums, and the cases of variants that hold nothing or one value.
macro_rules! cases {
    ($ty:path { $($case:ident $(($payload:ident))?),* }) => {
        impl Form for $ty {
            fn form(&self, _state: &State) -> Option<Json> {
                Some(match self {
                    $(Self::$case $(($payload))? => cases!(@ _state, $case $($payload)?),)*
                })
            }
        }
    };
    (@ $state:ident, $case:ident) => { kebab(stringify!($case)).into() };
    (@ $state:ident, $case:ident $payload:ident) => { named(&kebab(stringify!($case)), $payload.form($state).unwrap_or_default()) };
}

macro_rules! record {
    ($ty:path { $($field:ident),* }) => {
        impl Form for $ty {
            fn form(&self, state: &State) -> Option<Json> {
                let mut object = Map::new();
                $(if let Some(json) = self.$field.form(state) {
                    object.insert(stringify!($field).replace('_', "-"), json);
                })*
                Some(Json::Object(object))
            }
        }
    };
}

plain!(bool, u32, u64, String);

impl Form for () {
    fn form(&self, _: &State) -> Option<Json> {
        None
    }
}

impl Form for f64 {
    fn form(&self, _: &State) -> Option<Json> {
        // JSON has no others.
        Some(if self.is_finite() { json!(self) } else { self.to_string().into() })
    }
}

impl<T: Form> Form for Option<T> {
    fn form(&self, state: &State) -> Option<Json> {
        self.as_ref()?.form(state)
    }
}

impl<T: Form> Form for Vec<T> {
    fn form(&self, state: &State) -> Option<Json> {
        Some(self.iter().map(|one| one.form(state).unwrap_or_default()).collect())
    }
}

impl Form for Vec<u8> {
    fn form(&self, _: &State) -> Option<Json> {
        Some(json!({ "base64": STANDARD.encode(self) }))
    }
}

impl<T: Form, E: Form> Form for Result<T, E> {
    fn form(&self, state: &State) -> Option<Json> {
        match self {
            Ok(value) => value.form(state),
            Err(error) => error.form(state),
        }
    }

    fn answer(&self, state: &State) -> Answer {
        match self {
            Ok(value) => value.answer(state),
            Err(error) => Answer::Error(error.form(state).unwrap_or_default()),
        }
    }
}

impl Form for Resource<GuestRows> {
    fn form(&self, state: &State) -> Option<Json> {
        let held = state.table.get(self).ok()?;
        let mut rows = row_json::rows(&held.rows);
        if let Some(cursor) = &held.cursor {
            rows["cursor"] = cursor.as_str().into();
        }
        Some(rows)
    }
}

impl Form for Resource<GuestTransaction> {
    fn form(&self, _: &State) -> Option<Json> {
        Some(self.rep().into())
    }
}

impl Form for Resource<GuestSecret> {
    fn form(&self, _: &State) -> Option<Json> {
        Some(self.rep().into())
    }
}

impl Form for types::Value {
    fn form(&self, _: &State) -> Option<Json> {
        Some(row_json::cell(&value::from_guest(self.clone())))
    }
}

impl Form for hook::Tiers {
    fn form(&self, _: &State) -> Option<Json> {
        let names = [(Self::MEMORY, "memory"), (Self::DISK, "disk"), (Self::SHARED, "shared")];
        Some(names.iter().filter(|(tier, _)| self.contains(*tier)).map(|(_, name)| Json::from(*name)).collect())
    }
}

cases!(types::StatementKind { Read, Write, Admin, Transaction, Forbidden });
cases!(types::DatabaseError {
    UnknownDatabase(it), AccessDenied(it), ReadOnly(it), MultipleStatements(it), Refused(it), HookRefused(it), Syntax(it), UnknownTable(it),
    UnknownColumn(it), Constraint(it), InvalidParameters(it), Timeout(it), Cancelled(it), PoolExhausted(it), Unavailable(it), TooLarge(it),
    NotSupported(it), UnknownCursor(it), TransactionNotFound(it), ConfirmationRequired(it), Failed(it)
});
record!(types::Failure { message, hint, sqlstate, retry_after_ms, effect_unknown });
record!(types::Confirmation { failure, affected, token, expires_in_seconds });

record!(database_read::Options { timeout_ms, max_rows, keep_rest });
record!(database_read::Inspection { kind, verb, tables });
record!(database_write::Execution { affected, returned });
record!(database_write::Statement { sql, parameters });
record!(database_write::BatchError { index, error });

cases!(transaction::Isolation { ReadUncommitted, ReadCommitted, RepeatableRead, Serializable });
cases!(transaction::Access { ReadOnly, ReadWrite });
record!(transaction::Options { isolation, access, deferrable });
record!(transaction::Description { database, isolation, access, savepoints });
record!(transaction::Detached { handle, expires_in_seconds, ends_in_seconds });

cases!(catalog::Engine { Sqlite, Postgres, Mysql });
cases!(catalog::Mode { ReadOnly, ReadWrite });
cases!(catalog::TableKind { Table, View, MaterializedView, ForeignTable });
cases!(catalog::RoutineKind { Function, Procedure, Aggregate });
record!(catalog::Database { name, engine, mode });
record!(catalog::DatabaseDetails {
    product,
    version,
    server_name,
    user,
    default_schema,
    size_bytes,
    table_count,
    encoding,
    time_zone,
    warnings
});
record!(catalog::Schema { name, is_default, table_count, comment });
record!(catalog::TableFilter { schema, kinds, pattern, after, limit });
record!(catalog::TableSummary { schema, name, kind, row_estimate, comment });
record!(catalog::TablePage { tables, next });
record!(catalog::TableColumn { name, type_name, nullable, default_value, generated, choices, comment });
record!(catalog::ForeignKey { name, columns, schema, table, references, on_delete, on_update });
record!(catalog::Index { name, columns, unique, primary, method, condition });
record!(catalog::Constraint { name, definition });
record!(catalog::Trigger { name, event, definition });
record!(catalog::Table { summary, columns, primary_key, foreign_keys, referenced_by, indexes, constraints, triggers, definition });
record!(catalog::Routine { schema, name, kind, arguments, returns, language, comment });
record!(catalog::RoutinePage { routines, next });

cases!(storage::Scope { Caller, Shared });
cases!(storage::Expected { Anything, Absent, Version(it) });
cases!(storage::Error { Denied, InvalidKey, TooLarge(it), OverQuota(it), Conflict(it), Unavailable });
record!(storage::Entry { value, version });
record!(storage::Listed { key, version, bytes });
record!(storage::Usage { keys, bytes, max_keys, max_bytes });

cases!(cache::Selection { All, Table(it), Pattern(it) });
record!(cache::Table { database, name });
record!(cache::Policy { ttl_ms, tiers, probe });
record!(cache::TierFigures { tier, hits, misses, entries, bytes, max_bytes, evictions, errors });
record!(cache::Figures { tiers, hits, misses, kept, stale, collapsed, too_large });

record!(metric::Label { name, value });
cases!(plugins::State { Running, NotApproved, Off });
record!(plugins::Plugin { id, version, state, waiting, advice });

fn named(name: &str, payload: Json) -> Json {
    let mut object = Map::new();
    object.insert(name.to_owned(), payload);
    Json::Object(object)
}

/// A case's name as the contract writes it.
fn kebab(name: &str) -> String {
    let mut text = String::new();
    for (at, c) in name.chars().enumerate() {
        if c.is_uppercase() && at > 0 {
            text.push('-');
        }
        text.extend(c.to_lowercase());
    }
    text
}
