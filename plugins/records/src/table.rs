//! The tables that a call is about, as the catalog has them, and the columns that it names.

use tidegate_plugin::ToolError;
use tidegate_plugin::catalog;
use tidegate_plugin::catalog::Engine;
use tidegate_plugin::catalog::Table;
use tidegate_plugin::catalog::TableColumn;
use tidegate_plugin::place::Place;

use crate::family::Family;
use crate::sql::Sql;
use crate::sql::quoted;

/// A table in a statement.
pub(crate) struct Source {
    /// Its dialect.
    pub(crate) engine: Engine,
    /// What the catalog says of it.
    pub(crate) table: Table,
    /// The name under which its columns are meant, where there are several tables.
    pub(crate) alias: Option<String>,
}

impl Source {
    /// The table that the arguments name.
    ///
    /// # Errors
    ///
    /// There is none, or no right to see it; the hint names what is near.
    pub(crate) fn find(place: &Place, schema: Option<&str>, table: &str) -> Result<Self, ToolError> {
        let database = place.database();
        let engine = engine_of(database)?;
        let schema = schema.filter(|schema| !schema.is_empty());
        Ok(Self { engine, table: catalog::describe_table(database, schema, table)?, alias: None })
    }

    /// A column.
    ///
    /// # Errors
    ///
    /// `UNKNOWN_COLUMN`, with those that there are.
    pub(crate) fn column(&self, name: &str) -> Result<&TableColumn, ToolError> {
        let exact = self.table.columns.iter().find(|column| column.name == name);
        let loose = || self.table.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name));
        exact.or_else(loose).ok_or_else(|| {
            let names: Vec<&str> = self.table.columns.iter().take(40).map(|column| column.name.as_str()).collect();
            ToolError::failed("UNKNOWN_COLUMN", format!("table `{}` has no column `{name}`", self.table.summary.name))
                .with_hint(format!("its columns are {}", names.join(", ")))
        })
    }

    /// The family of a column.
    pub(crate) fn family(&self, column: &TableColumn) -> Family {
        Family::of(self.engine, column)
    }

    /// Adds the table's name.
    pub(crate) fn write_name(&self, sql: &mut Sql) {
        let summary = &self.table.summary;
        if !summary.schema.is_empty() {
            sql.name(&summary.schema).push(".");
        }
        sql.name(&summary.name);
        if let Some(alias) = &self.alias {
            sql.push(" as ").name(alias);
        }
    }

    /// A column as the statement names it.
    pub(crate) fn written(&self, column: &TableColumn) -> String {
        let name = quoted(self.engine, &column.name);
        match &self.alias {
            Some(alias) => format!("{}.{name}", quoted(self.engine, alias)),
            None => name,
        }
    }
}

/// A column that a call named.
#[derive(Clone)]
pub(crate) struct Named {
    /// As the statement names it.
    pub(crate) written: String,
    /// What it takes.
    pub(crate) family: Family,
    /// Whether it may be null.
    pub(crate) nullable: bool,
    /// Its type, as the engine writes it.
    pub(crate) type_name: String,
    /// Whether its table is kept by another program: an index of full text in SQLite.
    pub(crate) is_virtual: bool,
}

/// The columns that names may mean.
pub(crate) trait Columns {
    /// The dialect.
    fn engine(&self) -> Engine;

    /// The column of a name.
    ///
    /// # Errors
    ///
    /// There is none, or more than one.
    fn find(&self, name: &str) -> Result<Named, ToolError>;
}

impl Columns for Source {
    fn engine(&self) -> Engine {
        self.engine
    }

    fn find(&self, name: &str) -> Result<Named, ToolError> {
        let column = self.column(name)?;
        Ok(Named {
            written: self.written(column),
            family: self.family(column),
            nullable: column.nullable,
            type_name: column.type_name.clone(),
            is_virtual: self.table.summary.kind == catalog::TableKind::ForeignTable,
        })
    }
}

/// The engine of a database; of the only one there is when it has no name.
fn engine_of(database: &str) -> Result<Engine, ToolError> {
    let all = catalog::list_databases();
    let found = match (database, all.as_slice()) {
        ("", [only]) => Some(only),
        ("", _) => None,
        (name, all) => all.iter().find(|database| database.name == name),
    };
    found.map(|database| database.engine).ok_or_else(|| {
        let names: Vec<&str> = all.iter().map(|database| database.name.as_str()).collect();
        match database {
            "" => ToolError::InvalidArguments(format!("`database` is missing; there are {}", names.join(", "))),
            name => ToolError::failed("UNKNOWN_DATABASE", format!("there is no database `{name}`"))
                .with_hint(format!("there are {}", names.join(", "))),
        }
    })
}
