//! Everything about one table as compact JSON: what is empty, or usual, is left out.

use serde::Serialize;
use tidegate_plugin::catalog::Constraint;
use tidegate_plugin::catalog::ForeignKey;
use tidegate_plugin::catalog::Index;
use tidegate_plugin::catalog::Table;
use tidegate_plugin::catalog::TableColumn;
use tidegate_plugin::catalog::Trigger;

use crate::list_tables::SummaryFacts;

/// What happens to a referring row when nothing was said about it.
const NO_ACTION: &str = "NO ACTION";
/// The access method that engines use when none is named.
const USUAL_METHOD: &str = "btree";

/// A table.
#[derive(Serialize)]
pub(crate) struct TableFacts {
    #[serde(flatten)]
    summary: SummaryFacts,
    columns: Vec<ColumnFacts>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    primary_key: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    foreign_keys: Vec<KeyFacts>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    referenced_by: Vec<KeyFacts>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    indexes: Vec<IndexFacts>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    constraints: Vec<ConstraintFacts>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    triggers: Vec<TriggerFacts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    definition: Option<String>,
}

/// A column.
#[derive(Serialize)]
struct ColumnFacts {
    name: String,
    #[serde(rename = "type")]
    type_name: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    nullable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    generated: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    choices: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
}

/// A foreign key, from either side: `columns` are the referring ones, `table` is the other table.
#[derive(Serialize)]
struct KeyFacts {
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    columns: Vec<String>,
    /// Left out when it is the table's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<String>,
    table: String,
    references: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    on_delete: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    on_update: Option<String>,
}

#[derive(Serialize)]
struct IndexFacts {
    name: String,
    columns: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    unique: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    primary: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    condition: Option<String>,
}

#[derive(Serialize)]
struct ConstraintFacts {
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    definition: String,
}

#[derive(Serialize)]
struct TriggerFacts {
    name: String,
    event: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    definition: String,
}

/// A column with the keys and indexes that it is part of.
#[derive(Serialize)]
pub(crate) struct ColumnInTable {
    schema: String,
    table: String,
    #[serde(flatten)]
    column: ColumnFacts,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    primary_key: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    foreign_keys: Vec<KeyFacts>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    referenced_by: Vec<KeyFacts>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    indexes: Vec<IndexFacts>,
}

impl From<Table> for TableFacts {
    fn from(table: Table) -> Self {
        let schema = table.summary.schema.clone();
        let keys = |keys: Vec<ForeignKey>| keys.into_iter().map(|key| KeyFacts::new(key, &schema)).collect();
        Self {
            columns: table.columns.into_iter().map(ColumnFacts::from).collect(),
            primary_key: table.primary_key,
            foreign_keys: keys(table.foreign_keys),
            referenced_by: keys(table.referenced_by),
            indexes: table.indexes.into_iter().map(IndexFacts::from).collect(),
            constraints: table.constraints.into_iter().map(ConstraintFacts::from).collect(),
            triggers: table.triggers.into_iter().map(TriggerFacts::from).collect(),
            definition: table.definition,
            summary: table.summary.into(),
        }
    }
}

impl ColumnInTable {
    /// One column of a table; none when the table has none of this name.
    pub(crate) fn find(table: Table, column: &str) -> Option<Self> {
        let has = |columns: &[String]| columns.iter().any(|name| name == column);
        let found = table.columns.into_iter().find(|known| known.name == column)?;
        let schema = table.summary.schema;
        let keys = |keys: Vec<ForeignKey>, is_ours: &dyn Fn(&ForeignKey) -> bool| {
            keys.into_iter().filter(|key| is_ours(key)).map(|key| KeyFacts::new(key, &schema)).collect()
        };
        Some(Self {
            table: table.summary.name,
            column: found.into(),
            primary_key: has(&table.primary_key),
            foreign_keys: keys(table.foreign_keys, &|key| has(&key.columns)),
            referenced_by: keys(table.referenced_by, &|key| has(&key.references)),
            indexes: table.indexes.into_iter().filter(|index| has(&index.columns)).map(IndexFacts::from).collect(),
            schema,
        })
    }
}

impl From<TableColumn> for ColumnFacts {
    fn from(column: TableColumn) -> Self {
        let TableColumn { name, type_name, nullable, default_value, generated, choices, comment } = column;
        Self { name, type_name, nullable, default: default_value, generated, choices, comment }
    }
}

impl KeyFacts {
    fn new(key: ForeignKey, own_schema: &str) -> Self {
        let ForeignKey { name, columns, schema, table, references, on_delete, on_update } = key;
        let action = |action: String| Some(action).filter(|action| action != NO_ACTION && !action.is_empty());
        let schema = Some(schema).filter(|schema| schema != own_schema && !schema.is_empty());
        Self { name, columns, schema, table, references, on_delete: action(on_delete), on_update: action(on_update) }
    }
}

impl From<Index> for IndexFacts {
    fn from(index: Index) -> Self {
        let Index { name, columns, unique, primary, method, condition } = index;
        let method = Some(method).filter(|method| !method.is_empty() && !method.eq_ignore_ascii_case(USUAL_METHOD));
        // A primary key is unique by nature.
        Self { name, columns, unique: unique && !primary, primary, method, condition }
    }
}

impl From<Constraint> for ConstraintFacts {
    fn from(constraint: Constraint) -> Self {
        let Constraint { name, definition } = constraint;
        Self { name, definition }
    }
}

impl From<Trigger> for TriggerFacts {
    fn from(trigger: Trigger) -> Self {
        let Trigger { name, event, definition } = trigger;
        Self { name, event, definition }
    }
}
