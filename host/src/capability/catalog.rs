//! `catalog`: what databases there are and what is in them.

use crate::bindings::tidegate::plugin::catalog;
use crate::bindings::tidegate::plugin::types;
use crate::capability::State;
use crate::capability::error;
use crate::config::EngineKind;
use crate::config::Mode;
use crate::config::Right;
use crate::database::catalog as ours;
use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;

/// Entries of one page.
const PAGE: u32 = 500;

/// What a catalog function gives a guest.
type ToGuest<T> = wasmtime::Result<Result<T, types::DatabaseError>>;

impl catalog::Host for State {
    async fn list_databases(&mut self) -> wasmtime::Result<Vec<catalog::Database>> {
        self.enter()?;
        if self.hook.is_some() {
            // Hooks cause no hooks: while it is asked, a plugin has no database.
            return Ok(Vec::new());
        }
        let visible = self.guest.grants.visible(&self.services.databases);
        Ok(visible.map(|(database, _)| entry(database.config())).collect())
    }

    async fn describe_database(&mut self, database: String) -> ToGuest<catalog::DatabaseDetails> {
        self.enter()?;
        let (call, database) = (self.call.clone(), self.database("catalog", &database, Right::Read));
        let catalog = self.services.catalog.clone();
        let details = async { catalog.details(&call, &*database?).await };
        Ok(details.await.map(details_to_guest).map_err(error::to_guest))
    }

    async fn list_schemas(&mut self, database: String) -> ToGuest<Vec<catalog::Schema>> {
        self.enter()?;
        let (call, database) = (self.call.clone(), self.database("catalog", &database, Right::Read));
        let catalog = self.services.catalog.clone();
        let schemas = async { catalog.schemas(&call, &*database?).await };
        Ok(schemas.await.map(|schemas| schemas.into_iter().map(schema).collect()).map_err(error::to_guest))
    }

    async fn list_tables(&mut self, database: String, filter: catalog::TableFilter) -> ToGuest<catalog::TablePage> {
        self.enter()?;
        let limit = filter.limit.clamp(1, PAGE);
        let catalog = self.services.catalog.clone();
        let (call, database) = (self.call.clone(), self.database("catalog", &database, Right::Read));
        let listed = async {
            let database = database?;
            let filter = ours::TableFilter {
                schema: filter.schema,
                kinds: filter.kinds.into_iter().map(table_kind_from_guest).collect(),
                pattern: filter.pattern,
                after: filter.after.as_deref().map(decode_place::<(String, String)>).transpose()?,
                limit: limit + 1,
            };
            catalog.tables(&call, &database, &filter).await
        };
        Ok(listed.await.map(|tables| table_page(tables, limit as usize)).map_err(error::to_guest))
    }

    async fn describe_table(&mut self, database: String, schema: Option<String>, table: String) -> ToGuest<catalog::Table> {
        self.enter()?;
        let (call, database) = (self.call.clone(), self.database("catalog", &database, Right::Read));
        let catalog = self.services.catalog.clone();
        let described = async { catalog.table(&call, &*database?, schema.as_deref(), &table).await };
        Ok(described.await.map(table_to_guest).map_err(error::to_guest))
    }

    async fn list_routines(
        &mut self,
        database: String,
        schema: Option<String>,
        pattern: Option<String>,
        after: Option<String>,
        limit: u32,
    ) -> ToGuest<catalog::RoutinePage> {
        self.enter()?;
        let limit = limit.clamp(1, PAGE);
        let catalog = self.services.catalog.clone();
        let (call, database) = (self.call.clone(), self.database("catalog", &database, Right::Read));
        let listed = async {
            let database = database?;
            let after = after.as_deref().map(decode_place::<(String, String, String)>).transpose()?;
            let filter = ours::RoutineFilter { schema, pattern, after, limit: limit + 1 };
            catalog.routines(&call, &database, &filter).await
        };
        Ok(listed.await.map(|routines| routine_page(routines, limit as usize)).map_err(error::to_guest))
    }
}

/// The place after an entry, as the text that a guest hands back.
fn encode_place<T: serde::Serialize>(place: &T) -> Option<String> {
    serde_json::to_string(place).ok()
}

fn decode_place<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, DatabaseError> {
    serde_json::from_str(text).map_err(|_| {
        DatabaseError::new(ErrorKind::InvalidParameters, "`after` is not the `next` of an earlier page").hint("leave it out to start over")
    })
}

fn entry(config: &crate::config::DatabaseConfig) -> catalog::Database {
    let engine = match config.engine {
        EngineKind::Sqlite => catalog::Engine::Sqlite,
        EngineKind::Postgres => catalog::Engine::Postgres,
        EngineKind::MySql => catalog::Engine::Mysql,
    };
    let mode = match config.mode {
        Mode::ReadOnly => catalog::Mode::ReadOnly,
        Mode::ReadWrite => catalog::Mode::ReadWrite,
    };
    catalog::Database { name: config.name.to_string(), engine, mode }
}

fn details_to_guest(details: ours::DatabaseDetails) -> catalog::DatabaseDetails {
    let ours::DatabaseDetails {
        product,
        version,
        server_name,
        user,
        default_schema,
        size_bytes,
        table_count,
        encoding,
        time_zone,
        warnings,
        superuser: _,
    } = details;
    catalog::DatabaseDetails { product, version, server_name, user, default_schema, size_bytes, table_count, encoding, time_zone, warnings }
}

fn schema(schema: ours::Schema) -> catalog::Schema {
    let ours::Schema { name, is_default, table_count, comment } = schema;
    catalog::Schema { name, is_default, table_count, comment }
}

fn table_kind(kind: ours::TableKind) -> catalog::TableKind {
    match kind {
        ours::TableKind::Table => catalog::TableKind::Table,
        ours::TableKind::View => catalog::TableKind::View,
        ours::TableKind::MaterializedView => catalog::TableKind::MaterializedView,
        ours::TableKind::ForeignTable => catalog::TableKind::ForeignTable,
    }
}

fn table_kind_from_guest(kind: catalog::TableKind) -> ours::TableKind {
    match kind {
        catalog::TableKind::Table => ours::TableKind::Table,
        catalog::TableKind::View => ours::TableKind::View,
        catalog::TableKind::MaterializedView => ours::TableKind::MaterializedView,
        catalog::TableKind::ForeignTable => ours::TableKind::ForeignTable,
    }
}

fn summary(table: ours::TableSummary) -> catalog::TableSummary {
    let ours::TableSummary { schema, name, kind, row_estimate, comment } = table;
    catalog::TableSummary { schema, name, kind: table_kind(kind), row_estimate, comment }
}

/// A page of at most `limit` tables out of a list that may have one more.
fn table_page(mut tables: Vec<ours::TableSummary>, limit: usize) -> catalog::TablePage {
    let more = tables.len() > limit;
    tables.truncate(limit);
    let last = tables.last().filter(|_| more);
    let next = last.and_then(|last| encode_place(&(&last.schema, &last.name)));
    catalog::TablePage { tables: tables.into_iter().map(summary).collect(), next }
}

fn table_to_guest(table: ours::Table) -> catalog::Table {
    let ours::Table { summary: head, columns, primary_key, foreign_keys, referenced_by, indexes, constraints, triggers, definition } =
        table;
    catalog::Table {
        summary: summary(head),
        columns: columns.into_iter().map(column).collect(),
        primary_key,
        foreign_keys: foreign_keys.into_iter().map(foreign_key).collect(),
        referenced_by: referenced_by.into_iter().map(foreign_key).collect(),
        indexes: indexes.into_iter().map(index).collect(),
        constraints: constraints.into_iter().map(|it| catalog::Constraint { name: it.name, definition: it.definition }).collect(),
        triggers: triggers.into_iter().map(|it| catalog::Trigger { name: it.name, event: it.event, definition: it.definition }).collect(),
        definition,
    }
}

fn column(column: ours::TableColumn) -> catalog::TableColumn {
    let ours::TableColumn { name, type_name, nullable, default_value, generated, choices, comment } = column;
    catalog::TableColumn { name, type_name, nullable, default_value, generated, choices, comment }
}

fn foreign_key(key: ours::ForeignKey) -> catalog::ForeignKey {
    let ours::ForeignKey { name, columns, schema, table, references, on_delete, on_update } = key;
    catalog::ForeignKey { name, columns, schema, table, references, on_delete, on_update }
}

fn index(index: ours::Index) -> catalog::Index {
    let ours::Index { name, columns, unique, primary, method, condition } = index;
    catalog::Index { name, columns, unique, primary, method, condition }
}

fn routine(routine: ours::Routine) -> catalog::Routine {
    let ours::Routine { schema, name, kind, arguments, returns, language, comment } = routine;
    let kind = match kind {
        ours::RoutineKind::Function => catalog::RoutineKind::Function,
        ours::RoutineKind::Procedure => catalog::RoutineKind::Procedure,
        ours::RoutineKind::Aggregate => catalog::RoutineKind::Aggregate,
    };
    catalog::Routine { schema, name, kind, arguments, returns, language, comment }
}

/// A page of at most `limit` routines out of a list that may have one more.
fn routine_page(mut routines: Vec<ours::Routine>, limit: usize) -> catalog::RoutinePage {
    let more = routines.len() > limit;
    routines.truncate(limit);
    let last = routines.last().filter(|_| more);
    let next = last.and_then(|last| encode_place(&(&last.schema, &last.name, &last.arguments)));
    catalog::RoutinePage { routines: routines.into_iter().map(routine).collect(), next }
}
