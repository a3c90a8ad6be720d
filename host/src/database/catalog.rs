//! What is in a database: the types of the `catalog` interface as engines fill them in.

/// Facts about one database, asked of the server now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DatabaseDetails {
    /// The product, for example `PostgreSQL`.
    pub product: String,
    /// Its version, for example `15.18`.
    pub version: String,
    /// The name the server knows it by; for SQLite the file name without its folder.
    pub server_name: String,
    /// The role that the host is logged in as; none for SQLite.
    pub user: Option<String>,
    /// The schema that unqualified names mean.
    pub default_schema: String,
    /// Size on disk in bytes, where the role may know it.
    pub size_bytes: Option<u64>,
    /// Base tables outside the system schemas.
    pub table_count: u64,
    /// Character encoding.
    pub encoding: String,
    /// Time zone of the session, where there is one.
    pub time_zone: Option<String>,
    /// Whether nothing in the database limits the role: PostgreSQL's superuser, in the MySQL family `SUPER` or all privileges.
    pub superuser: bool,
    /// What is risky about the role, a sentence each.
    pub warnings: Vec<String>,
}

/// One schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// Its name.
    pub name: String,
    /// Whether unqualified names mean this one.
    pub is_default: bool,
    /// Tables and views in it.
    pub table_count: u64,
    /// Its comment.
    pub comment: Option<String>,
}

/// What a relation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableKind {
    /// A base table.
    Table,
    /// A view.
    View,
    /// A materialised view.
    MaterializedView,
    /// A foreign or virtual table.
    ForeignTable,
}

/// Which tables to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableFilter {
    /// Only this schema; none means all but the system's.
    pub schema: Option<String>,
    /// Only these kinds; empty means all.
    pub kinds: Vec<TableKind>,
    /// `LIKE` pattern on the name, case folded.
    pub pattern: Option<String>,
    /// Schema and name of the last table of the page before.
    pub after: Option<(String, String)>,
    /// At most this many.
    pub limit: u32,
}

/// A table in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableSummary {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: TableKind,
    /// The engine's estimate of its rows.
    pub row_estimate: Option<u64>,
    /// Its comment.
    pub comment: Option<String>,
}

/// One column of a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableColumn {
    /// Its name.
    pub name: String,
    /// Its type as the engine writes it.
    pub type_name: String,
    /// Whether it may be null.
    pub nullable: bool,
    /// Its default as an SQL expression.
    pub default_value: Option<String>,
    /// `identity`, `generated`, `auto_increment` or none.
    pub generated: Option<String>,
    /// Allowed values of an enum type.
    pub choices: Vec<String>,
    /// Its comment.
    pub comment: Option<String>,
}

/// A foreign key, seen from either side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignKey {
    /// Its name.
    pub name: String,
    /// The referring columns.
    pub columns: Vec<String>,
    /// The schema referred to (in `referenced_by`: referring).
    pub schema: String,
    /// The table referred to (or referring).
    pub table: String,
    /// The columns referred to.
    pub references: Vec<String>,
    /// `NO ACTION`, `CASCADE`, `SET NULL`, `SET DEFAULT` or `RESTRICT`.
    pub on_delete: String,
    /// As `on_delete`.
    pub on_update: String,
}

/// An index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// Columns or expressions, in order.
    pub columns: Vec<String>,
    /// Whether it keeps them unique.
    pub unique: bool,
    /// Whether it serves the primary key.
    pub primary: bool,
    /// The access method; empty where there is one only.
    pub method: String,
    /// The condition of a partial index.
    pub condition: Option<String>,
}

/// A constraint that is not a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    /// Its name.
    pub name: String,
    /// Its definition in SQL.
    pub definition: String,
}

/// A trigger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// Its name.
    pub name: String,
    /// When and on what.
    pub event: String,
    /// Its body or what it calls.
    pub definition: String,
}

/// Everything about one table or view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Name, schema, kind, estimate and comment.
    pub summary: TableSummary,
    /// Its columns, in order.
    pub columns: Vec<TableColumn>,
    /// The columns of its primary key, in order.
    pub primary_key: Vec<String>,
    /// The foreign keys it has.
    pub foreign_keys: Vec<ForeignKey>,
    /// The foreign keys of others that point to it.
    pub referenced_by: Vec<ForeignKey>,
    /// Its indexes.
    pub indexes: Vec<Index>,
    /// Its other constraints.
    pub constraints: Vec<Constraint>,
    /// Its triggers.
    pub triggers: Vec<Trigger>,
    /// The statement behind a view.
    pub definition: Option<String>,
}

/// What a routine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoutineKind {
    /// Returns a value or rows.
    Function,
    /// Is called by `CALL`.
    Procedure,
    /// An aggregate function.
    Aggregate,
}

/// Which routines to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoutineFilter {
    /// Only this schema; none means all but the system's.
    pub schema: Option<String>,
    /// `LIKE` pattern on the name, case folded.
    pub pattern: Option<String>,
    /// Schema, name and arguments of the last routine of the page before.
    pub after: Option<(String, String, String)>,
    /// At most this many.
    pub limit: u32,
}

/// A stored function or procedure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routine {
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: RoutineKind,
    /// Its parameters as written.
    pub arguments: String,
    /// What it returns; none for a procedure.
    pub returns: Option<String>,
    /// Its language.
    pub language: String,
    /// Its comment.
    pub comment: Option<String>,
}
