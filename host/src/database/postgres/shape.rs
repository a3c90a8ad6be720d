//! Results that the driver cannot describe, or whose values the server gives as text only.
//!
//! The driver looks up every type of a result before it runs the statement, and fails on those of kinds it does not know
//! (multiranges). It also asks for binary values, which some types do not have (`aclitem`), and for some the binary value is
//! a number that only the server can name (`regclass`). Such a statement is put into a subquery whose columns are cast, and
//! runs with a description that is ours.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use serde::de::IgnoredAny;
use sqlx::AssertSqlSafe;
use sqlx::Executor;
use sqlx::Row;
use sqlx::SqlSafeStr;
use sqlx::SqlStr;
use sqlx::Statement;
use sqlx::error::BoxDynError;
use sqlx::postgres::PgArguments;
use sqlx::postgres::PgConnection;
use sqlx::postgres::PgStatement;
use sqlx::postgres::Postgres;
use sqlx::postgres::types::Oid;

use super::parameters::nulls;
use super::types::Cast;
use super::types::Type;
use super::types::Types;
use crate::database::rows::Column;
use crate::database::rows::Kind;

/// Columns of a result at most, as in the server.
const MOST_COLUMNS: usize = 1664;

/// A statement as it is sent: with the driver's own description or with one that only counts columns.
pub(super) struct Sent {
    text: SqlStr,
    description: Option<PgStatement>,
    arguments: Option<PgArguments>,
    keep: bool,
}

impl Sent {
    /// `text` with these arguments; `keep` tells whether it stays prepared.
    pub(super) fn new(text: &str, arguments: PgArguments, keep: bool) -> Self {
        Self { text: AssertSqlSafe(text.to_owned()).into_sql_str(), description: None, arguments: Some(arguments), keep }
    }

    /// Has the driver look up no types; `blank` must have as many columns as the result.
    #[must_use]
    pub(super) fn described_by(mut self, blank: PgStatement) -> Self {
        self.description = Some(blank);
        self
    }
}

impl sqlx::Execute<'_, Postgres> for Sent {
    fn sql(self) -> SqlStr {
        self.text
    }

    fn statement(&self) -> Option<&PgStatement> {
        self.description.as_ref()
    }

    fn take_arguments(&mut self) -> Result<Option<PgArguments>, BoxDynError> {
        // Always some: without arguments the driver would take the simple protocol, which runs several statements.
        Ok(Some(self.arguments.take().unwrap_or_default()))
    }

    fn persistent(&self) -> bool {
        self.keep
    }
}

/// Descriptions that only count columns.
#[derive(Default)]
pub(super) struct Blanks {
    by_count: Mutex<HashMap<usize, PgStatement>>,
}

impl Blanks {
    /// The one for this many columns.
    ///
    /// # Errors
    ///
    /// What the driver says.
    pub(super) async fn of(&self, connection: &mut PgConnection, count: usize) -> Result<PgStatement, sqlx::Error> {
        let found = self.by_count.lock().unwrap_or_else(PoisonError::into_inner).get(&count).cloned();
        if let Some(blank) = found {
            return Ok(blank);
        }
        let count = count.min(MOST_COLUMNS);
        let text = format!("SELECT {}", vec!["NULL"; count].join(","));
        let blank = connection.prepare(AssertSqlSafe(text).into_sql_str()).await?;
        self.by_count.lock().unwrap_or_else(PoisonError::into_inner).insert(count, blank.clone());
        Ok(blank)
    }
}

/// A statement whose columns are cast where they must be.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    /// The statement in a subquery.
    pub(super) text: String,
    /// The columns as the statement itself has them.
    pub(super) columns: Vec<Column>,
    /// How each is read.
    pub(super) types: Vec<Arc<Type>>,
    /// The types of its parameters.
    pub(super) parameters: Vec<u32>,
}

impl Shape {
    /// Casts what must be cast of a statement with these columns.
    pub(super) fn new(text: &str, names: &[String], types: &[Arc<Type>], parameters: Vec<u32>) -> Self {
        let alias = |index: usize| format!("c{index}");
        let mut list = Vec::with_capacity(names.len());
        let mut columns = Vec::with_capacity(names.len());
        let mut read_as = Vec::with_capacity(names.len());
        for (index, (name, of)) in names.iter().zip(types).enumerate() {
            let column = alias(index);
            let (put, codec, kind) = match of.cast() {
                None => (column, of.clone(), of.kind()),
                Some(Cast::Text) => (format!("{column}::pg_catalog.text"), as_text(&of.name), Kind::Text),
                Some(Cast::Json) => (format!("pg_catalog.to_json({column})::pg_catalog.text"), as_json(&of.name), Kind::Json),
            };
            list.push(put);
            columns.push(Column { name: name.clone(), type_name: of.name.clone(), kind });
            read_as.push(codec);
        }
        let aliases: Vec<String> = (0..names.len()).map(alias).collect();
        // The line break ends a comment that the text may end with.
        let text = format!("SELECT {} FROM (\n{text}\n) AS q({})", list.join(","), aliases.join(","));
        Self { text, columns, types: read_as, parameters }
    }

    /// Asks the server about a statement that the driver cannot describe, without running it.
    ///
    /// # Errors
    ///
    /// What the driver says; among it a syntax error when the statement cannot stand in a subquery.
    pub(super) async fn describe(
        connection: &mut PgConnection,
        types: &Types,
        blanks: &Blanks,
        text: &str,
        parameters: usize,
    ) -> Result<Self, sqlx::Error> {
        // One row whatever the statement returns: the planner sees that the join never matches. The numbers of the types
        // are in the binary form of the first column, the names are the keys of the second.
        let probe = format!(
            "SELECT ROW(q.*), pg_catalog.row_to_json(x)::pg_catalog.text \
             FROM (SELECT 1) AS one LEFT JOIN (\n{text}\n) AS q ON false CROSS JOIN LATERAL (SELECT q.*) AS x"
        );
        let blank = blanks.of(connection, 2).await?;
        let row = connection.fetch_one(Sent::new(&probe, nulls(parameters), true).described_by(blank)).await?;
        let record = row.try_get_raw(0)?;
        let oids = record.as_bytes().ok().and_then(field_types).ok_or(sqlx::Error::RowNotFound)?;
        let names = row.try_get_raw(1)?.as_str().map(keys).map_err(sqlx::Error::Decode)?;
        let parameters = parameters_of(connection, &probe).await?;
        types.load(connection, &oids).await?;
        let found: Vec<Arc<Type>> = oids.iter().filter_map(|oid| types.find(*oid)).collect();
        Ok(Self::new(text, &names, &found, parameters))
    }
}

/// The types of the parameters of a prepared statement of this session.
const PARAMETERS: &str = "\
SELECT t.oid::pg_catalog.oid FROM (SELECT parameter_types FROM pg_catalog.pg_prepared_statements \
WHERE statement = $1 LIMIT 1) AS p, pg_catalog.unnest(p.parameter_types) WITH ORDINALITY AS t(oid, place) ORDER BY t.place";

/// The types of the parameters of a statement that is prepared in this session.
///
/// # Errors
///
/// What the driver says.
pub(super) async fn parameters_of(connection: &mut PgConnection, text: &str) -> Result<Vec<u32>, sqlx::Error> {
    let rows = sqlx::query(PARAMETERS).bind(text).fetch_all(connection).await?;
    rows.iter().map(|row| row.try_get::<Oid, _>(0).map(|oid| oid.0)).collect()
}

/// Names and types of a statement that the driver has described.
pub(super) fn described(statement: &PgStatement) -> (Vec<String>, Vec<u32>) {
    use sqlx::Column as _;
    let columns = statement.columns().iter();
    columns.map(|column| (column.name().to_owned(), column.type_info().oid().map_or(0, |oid| oid.0))).unzip()
}

fn as_text(name: &str) -> Arc<Type> {
    Arc::new(Type { name: name.into(), codec: super::types::Codec::Text })
}

fn as_json(name: &str) -> Arc<Type> {
    Arc::new(Type { name: name.into(), codec: super::types::Codec::Json })
}

/// The type numbers of the fields of a record in binary form.
fn field_types(bytes: &[u8]) -> Option<Vec<u32>> {
    let word = |at: usize| Some(i32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let count = word(0)?;
    let mut at = 4;
    let mut oids = Vec::new();
    for _ in 0..count {
        oids.push(word(at)?.cast_unsigned());
        at += 8 + usize::try_from(word(at + 4)?).unwrap_or(0);
    }
    Some(oids)
}

/// The keys of a JSON object in order, repeated ones too.
fn keys(object: &str) -> Vec<String> {
    struct Keys(Vec<String>);
    impl<'de> serde::Deserialize<'de> for Keys {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Visitor;
            impl<'de> serde::de::Visitor<'de> for Visitor {
                type Value = Keys;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("an object")
                }
                fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                    let mut keys = Vec::new();
                    while let Some((key, IgnoredAny)) = map.next_entry()? {
                        keys.push(key);
                    }
                    Ok(Keys(keys))
                }
            }
            deserializer.deserialize_map(Visitor)
        }
    }
    serde_json::from_str(object).map_or_else(|_| Vec::new(), |Keys(keys)| keys)
}

/// Whether the driver failed on the description of a statement, not the server on the statement.
pub(super) fn is_undescribed(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => true,
        sqlx::Error::Protocol(message) => message.contains("resolve type"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_an_object_keep_order_and_repetition() {
        assert_eq!(keys(r#"{"b":null,"a":null,"b":null}"#), ["b", "a", "b"]);
    }
}
