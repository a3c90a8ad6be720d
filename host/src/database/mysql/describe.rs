//! Everything about one table: columns, keys, indexes, constraints, triggers, the statement behind a view.

use sqlx::mysql::MySqlRow;

use crate::database::catalog::Constraint;
use crate::database::catalog::ForeignKey;
use crate::database::catalog::Index;
use crate::database::catalog::Table;
use crate::database::catalog::TableColumn;
use crate::database::catalog::TableKind;
use crate::database::catalog::TableSummary;
use crate::database::catalog::Trigger;
use crate::database::error::DatabaseError;
use crate::database::value::Value;
use super::MySql;
use super::catalog::KIND_LETTER;
use super::catalog::SYSTEM_SCHEMAS;
use super::catalog::TABLE_TYPES;
use super::catalog::filled;
use super::catalog::number;
use super::catalog::optional;
use super::catalog::rows;
use super::catalog::summary;
use super::catalog::text;
use super::connect::Product;
use super::connect::Session;
use super::error;
use crate::call::Call;

impl MySql {
    /// See [`super::super::Database::table`].
    pub(super) async fn describe_table(&self, call: &Call, schema: Option<&str>, name: &str) -> Result<Option<Table>, DatabaseError> {
        let schema = schema.map(str::to_owned);
        let name = name.to_owned();
        self.ask(call, move |session| Box::pin(describe(session, schema.clone(), name.clone()))).await
    }
}

async fn describe(session: &mut Session, schema: Option<String>, name: String) -> Result<Option<Table>, sqlx::Error> {
    let Some(summary) = resolve(session, schema, &name).await? else { return Ok(None) };
    let place = [Value::Text(summary.schema.clone()), Value::Text(summary.name.clone())];
    let columns = columns(session, &place).await?;
    let indexes = indexes(session, &place).await?;
    let primary_key = primary_key(session, &place).await?;
    let foreign_keys = foreign_keys(session, &place, Side::Referring).await?;
    let referenced_by = foreign_keys_to(session, &summary, &place).await?;
    let constraints = constraints(session, &place).await?;
    let triggers = triggers(session, &place).await?;
    let definition = match summary.kind {
        TableKind::View => {
            let question = "SELECT VIEW_DEFINITION FROM information_schema.VIEWS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?";
            rows(session, question.into(), &place).await?.first().and_then(|row| filled(row, 0))
        }
        _ => None,
    };
    Ok(Some(Table { summary, columns, primary_key, foreign_keys, referenced_by, indexes, constraints, triggers, definition }))
}

/// Finds the table that is meant: in the schema that is named; else in the default one; else the only one of this name.
async fn resolve(session: &mut Session, schema: Option<String>, name: &str) -> Result<Option<TableSummary>, sqlx::Error> {
    let mut parameters = vec![Value::Text(name.to_owned())];
    let place = match schema {
        Some(schema) => {
            parameters.push(Value::Text(schema));
            "TABLE_SCHEMA = ?".to_owned()
        }
        None => format!("(TABLE_SCHEMA = DATABASE() OR LOWER(TABLE_SCHEMA) NOT IN {SYSTEM_SCHEMAS})"),
    };
    let question = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, {KIND_LETTER}, CAST(TABLE_ROWS AS UNSIGNED), TABLE_COMMENT, \
         CAST(COALESCE(TABLE_SCHEMA = DATABASE(), 0) AS UNSIGNED) \
         FROM information_schema.TABLES WHERE TABLE_TYPE IN {TABLE_TYPES} AND TABLE_NAME = ? AND {place}"
    );
    let mut found = rows(session, question, &parameters).await?;
    // The comparison folds case; where names that differ in it are two tables, the one as written is meant.
    if found.iter().any(|row| text(row, 1) == name) {
        found.retain(|row| text(row, 1) == name);
    }
    let in_default = found.iter().find(|row| number(row, 5) == Some(1));
    Ok(match (in_default, found.as_slice()) {
        (Some(row), _) | (None, [row]) => Some(summary(row)),
        _ => None,
    })
}

async fn columns(session: &mut Session, place: &[Value]) -> Result<Vec<TableColumn>, sqlx::Error> {
    let question = "SELECT COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, EXTRA, GENERATION_EXPRESSION, COLUMN_COMMENT, DATA_TYPE \
                    FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION";
    let product = session.product;
    let found = rows(session, question.into(), place).await?;
    Ok(found.iter().map(|row| column(row, product)).collect())
}

fn column(row: &MySqlRow, product: Product) -> TableColumn {
    let type_name = text(row, 1);
    let extra = text(row, 4).to_ascii_uppercase();
    let expression = filled(row, 5);
    let generated = if extra.contains("AUTO_INCREMENT") {
        Some("auto_increment".to_owned())
    } else {
        expression.is_some().then(|| "generated".to_owned())
    };
    let default_value = optional(row, 3).and_then(|default| match product {
        // An expression already; no default is written as one, too.
        Product::MariaDb => (default != "NULL").then_some(default),
        _ if extra.contains("DEFAULT_GENERATED") || is_bare(&default, &text(row, 7)) => Some(default),
        _ => Some(quote(&default)),
    });
    TableColumn {
        name: text(row, 0),
        choices: choices(&type_name),
        type_name,
        nullable: text(row, 2) == "YES",
        default_value: expression.or(default_value),
        generated,
        comment: filled(row, 6),
    }
}

/// Whether MySQL and TiDB show this default as the expression that it is; they show strings without their quotes.
fn is_bare(default: &str, data_type: &str) -> bool {
    let numeric = ["int", "decimal", "float", "double", "bit", "year"].iter().any(|name| data_type.to_ascii_lowercase().contains(name));
    numeric || default.to_ascii_uppercase().starts_with("CURRENT_TIMESTAMP")
}

/// A text as an SQL literal.
fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// The members in `enum('a','b''c')` or `set(…)`; none for any other type.
fn choices(type_name: &str) -> Vec<String> {
    let lower = type_name.to_ascii_lowercase();
    let Some(start) = ["enum(", "set("].iter().find(|start| lower.starts_with(**start)) else { return Vec::new() };
    let mut choices = Vec::new();
    let mut current: Option<String> = None;
    let mut letters = type_name[start.len()..].chars().peekable();
    while let Some(letter) = letters.next() {
        match (letter, &mut current) {
            ('\'', None) => current = Some(String::new()),
            ('\'', Some(text)) if letters.peek() == Some(&'\'') => {
                letters.next();
                text.push('\'');
            }
            ('\'', Some(_)) => choices.extend(current.take()),
            (letter, Some(text)) => text.push(letter),
            (_, None) => {}
        }
    }
    choices
}

async fn primary_key(session: &mut Session, place: &[Value]) -> Result<Vec<String>, sqlx::Error> {
    let question = "SELECT COLUMN_NAME FROM information_schema.KEY_COLUMN_USAGE \
                    WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND CONSTRAINT_NAME = 'PRIMARY' ORDER BY ORDINAL_POSITION";
    Ok(rows(session, question.into(), place).await?.iter().map(|row| text(row, 0)).collect())
}

async fn indexes(session: &mut Session, place: &[Value]) -> Result<Vec<Index>, sqlx::Error> {
    let expression = match session.product {
        Product::MariaDb => "NULL",
        Product::MySql | Product::TiDb => "EXPRESSION",
    };
    let question = format!(
        "SELECT INDEX_NAME, COLUMN_NAME, CAST(SUB_PART AS UNSIGNED), COLLATION, CAST(NON_UNIQUE AS UNSIGNED), INDEX_TYPE, {expression} \
         FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? \
         ORDER BY INDEX_NAME <> 'PRIMARY', INDEX_NAME, SEQ_IN_INDEX"
    );
    let mut indexes: Vec<Index> = Vec::new();
    for row in &rows(session, question, place).await? {
        let name = text(row, 0);
        let mut part = match (filled(row, 6), number(row, 2)) {
            (Some(expression), _) => format!("({expression})"),
            (None, Some(length)) => format!("{}({length})", text(row, 1)),
            (None, None) => text(row, 1),
        };
        if text(row, 3) == "D" {
            part.push_str(" DESC");
        }
        match indexes.last_mut() {
            Some(index) if index.name == name => index.columns.push(part),
            _ => indexes.push(Index {
                primary: name == "PRIMARY",
                name,
                columns: vec![part],
                unique: number(row, 4) == Some(0),
                method: text(row, 5).to_ascii_lowercase(),
                condition: None,
            }),
        }
    }
    Ok(indexes)
}

/// Which table of a foreign key is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    /// The one that has the key.
    Referring,
    /// The one that it points to.
    ReferredTo,
}

async fn foreign_keys(session: &mut Session, place: &[Value], side: Side) -> Result<Vec<ForeignKey>, sqlx::Error> {
    let (other, condition) = match side {
        Side::Referring => ("k.REFERENCED_TABLE_SCHEMA, k.REFERENCED_TABLE_NAME", "k.TABLE_SCHEMA = ? AND k.TABLE_NAME = ?"),
        Side::ReferredTo => ("k.TABLE_SCHEMA, k.TABLE_NAME", "k.REFERENCED_TABLE_SCHEMA = ? AND k.REFERENCED_TABLE_NAME = ?"),
    };
    let question = format!(
        "SELECT k.CONSTRAINT_NAME, {other}, k.COLUMN_NAME, k.REFERENCED_COLUMN_NAME, r.DELETE_RULE, r.UPDATE_RULE \
         FROM information_schema.KEY_COLUMN_USAGE k \
         JOIN information_schema.REFERENTIAL_CONSTRAINTS r ON r.CONSTRAINT_SCHEMA = k.CONSTRAINT_SCHEMA \
          AND r.CONSTRAINT_NAME = k.CONSTRAINT_NAME AND r.TABLE_NAME = k.TABLE_NAME \
         WHERE {condition} AND k.REFERENCED_TABLE_NAME IS NOT NULL \
         ORDER BY k.TABLE_SCHEMA, k.TABLE_NAME, k.CONSTRAINT_NAME, k.ORDINAL_POSITION"
    );
    let mut keys: Vec<ForeignKey> = Vec::new();
    for row in &rows(session, question, place).await? {
        let (name, schema, table) = (text(row, 0), text(row, 1), text(row, 2));
        match keys.last_mut() {
            Some(key) if key.name == name && key.schema == schema && key.table == table => {
                key.columns.push(text(row, 3));
                key.references.push(text(row, 4));
            }
            _ => keys.push(ForeignKey {
                name,
                columns: vec![text(row, 3)],
                schema,
                table,
                references: vec![text(row, 4)],
                on_delete: text(row, 5),
                on_update: text(row, 6),
            }),
        }
    }
    Ok(keys)
}

async fn foreign_keys_to(session: &mut Session, summary: &TableSummary, place: &[Value]) -> Result<Vec<ForeignKey>, sqlx::Error> {
    match summary.kind {
        TableKind::Table => foreign_keys(session, place, Side::ReferredTo).await,
        _ => Ok(Vec::new()),
    }
}

async fn constraints(session: &mut Session, place: &[Value]) -> Result<Vec<Constraint>, sqlx::Error> {
    let question = match session.product {
        Product::MariaDb => {
            "SELECT CONSTRAINT_NAME, CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS \
             WHERE CONSTRAINT_SCHEMA = ? AND TABLE_NAME = ? ORDER BY CONSTRAINT_NAME"
        }
        Product::MySql | Product::TiDb => {
            "SELECT c.CONSTRAINT_NAME, c.CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS c \
             JOIN information_schema.TABLE_CONSTRAINTS t ON t.CONSTRAINT_SCHEMA = c.CONSTRAINT_SCHEMA \
              AND t.CONSTRAINT_NAME = c.CONSTRAINT_NAME AND t.CONSTRAINT_TYPE = 'CHECK' \
             WHERE t.TABLE_SCHEMA = ? AND t.TABLE_NAME = ? ORDER BY c.CONSTRAINT_NAME"
        }
    };
    let found = match rows(session, question.into(), place).await {
        // Servers from before checks were kept have no such table.
        Err(error) if matches!(error::number(&error), Some(1109 | 1146)) => Vec::new(),
        found => found?,
    };
    Ok(found.iter().map(|row| Constraint { name: text(row, 0), definition: format!("CHECK ({})", text(row, 1)) }).collect())
}

async fn triggers(session: &mut Session, place: &[Value]) -> Result<Vec<Trigger>, sqlx::Error> {
    let question = "SELECT TRIGGER_NAME, ACTION_TIMING, EVENT_MANIPULATION, ACTION_STATEMENT FROM information_schema.TRIGGERS \
                    WHERE EVENT_OBJECT_SCHEMA = ? AND EVENT_OBJECT_TABLE = ? ORDER BY TRIGGER_NAME";
    let trigger =
        |row: &MySqlRow| Trigger { name: text(row, 0), event: format!("{} {}", text(row, 1), text(row, 2)), definition: text(row, 3) };
    Ok(rows(session, question.into(), place).await?.iter().map(trigger).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_an_enum_are_read_with_their_quotes_and_commas() {
        assert_eq!(choices("enum('a','b''c','d,e','')"), ["a", "b'c", "d,e", ""]);
        assert_eq!(choices("set('x')"), ["x"]);
        assert!(choices("varchar(10)").is_empty());
    }

    #[test]
    fn a_default_that_is_text_is_quoted_where_the_server_shows_it_bare() {
        assert_eq!(quote("it's"), "'it''s'");
        assert!(is_bare("0.00", "decimal") && is_bare("b'1'", "bit") && is_bare("CURRENT_TIMESTAMP(3)", "datetime"));
        assert!(!is_bare("draft", "varchar"));
    }
}
