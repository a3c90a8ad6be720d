//! Orders and pages. A page begins after the values that the last row of the page before had in the columns of the order, so it
//! costs the same however far it is, and rows that come and go meanwhile neither repeat others nor hide them.

use tidegate_plugin::Content;
use tidegate_plugin::Outcome;
use tidegate_plugin::RowFormat;
use tidegate_plugin::Rows;
use tidegate_plugin::ToolError;
use tidegate_plugin::ToolResult;
use tidegate_plugin::Value;
use tidegate_plugin::database_read::Options;
use tidegate_plugin::place::Place;

use crate::json::Json;
use crate::sql::Sql;
use crate::table::Columns;
use crate::table::Named;
use crate::table::Source;

/// Rows of a page, where nobody says how many.
const PAGE: u32 = 50;

/// Rows of a page at most.
const LARGEST_PAGE: u32 = 1_000;

/// How many rows are wanted.
pub(crate) fn size(limit: Option<u32>) -> u32 {
    limit.unwrap_or(PAGE).clamp(1, LARGEST_PAGE)
}

/// One column of an order.
#[derive(Clone)]
pub(crate) struct Key {
    column: Named,
    name: String,
    descending: bool,
}

/// The order of `names`; `-` before one turns it round. Nulls come last, on every engine. Ties are broken by the primary key.
///
/// # Errors
///
/// A column that is not there.
pub(crate) fn order(source: &Source, names: &[String]) -> Result<Vec<Key>, ToolError> {
    let mut keys: Vec<Key> = Vec::new();
    let ties = source.table.primary_key.iter().cloned();
    for name in names.iter().cloned().chain(ties) {
        let (name, descending) = name.strip_prefix('-').map_or((name.as_str(), false), |name| (name, true));
        let name = source.column(name)?.name.clone();
        if !keys.iter().any(|key| key.name == name) {
            keys.push(Key { column: source.find(&name)?, name, descending });
        }
    }
    Ok(keys)
}

/// Adds `order by`.
pub(crate) fn write_order(sql: &mut Sql, keys: &[Key]) {
    if keys.is_empty() {
        return;
    }
    sql.push(" order by ");
    sql.list(keys, ", ", |sql, key| {
        let written = &key.column.written;
        if key.column.nullable {
            sql.push("(").push(written).push(" is null), ");
        }
        sql.push(written).push(if key.descending { " desc" } else { "" });
    });
}

/// Adds `order by` these expressions, nulls last; nothing when there are none. True turns one round.
pub(crate) fn write_order_by(sql: &mut Sql, order: &[(String, bool)]) {
    if order.is_empty() {
        return;
    }
    sql.push(" order by ").list(order, ", ", |sql, (written, descending)| {
        sql.push("(").push(written).push(" is null), ").push(written).push(if *descending { " desc" } else { "" });
    });
}

/// Runs a statement that has no pages: its first rows, cut where there are more.
///
/// # Errors
///
/// What the database says.
pub(crate) fn first(place: &Place, sql: &mut Sql, size: u32, format: RowFormat) -> ToolResult {
    write_limit(sql, size);
    let options = Options { timeout_ms: None, max_rows: Some(size), keep_rest: false };
    let rows = place.query(sql.text(), sql.values(), options)?;
    Ok(Outcome::Complete(vec![Content::rows(rows, format, None)]))
}

/// Adds the condition that a row comes after the one with these values.
///
/// # Errors
///
/// Values that are not those of this order.
pub(crate) fn write_after(sql: &mut Sql, keys: &[Key], after: &[Json]) -> Result<(), ToolError> {
    if after.len() != keys.len() {
        let names: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
        return Err(ToolError::InvalidArguments(format!(
            "`after` is to be the `next` of the page before, in the same order: values of {}",
            names.join(", ")
        )));
    }
    let values: Vec<Value> = keys
        .iter()
        .zip(after)
        .map(|(key, value)| {
            key.column.family.fit(value).map_err(|problem| ToolError::InvalidArguments(format!("`after`: `{}` {problem}", key.name)))
        })
        .collect::<Result<_, _>>()?;
    // (a > x) or (a = x and b > y) or …; a null is after everything and equal to itself.
    sql.push("(");
    for index in 0..keys.len() {
        if index > 0 {
            sql.push(" or ");
        }
        sql.push("(");
        for (key, value) in keys.iter().zip(&values).take(index) {
            match value {
                Value::Null => sql.push(&key.column.written).push(" is null and "),
                value => sql.push(&key.column.written).push(" = ").bind(value.clone()).push(" and "),
            };
        }
        let key = &keys[index];
        let written = &key.column.written;
        match &values[index] {
            Value::Null => sql.push("false"),
            value => {
                let sign = if key.descending { " < " } else { " > " };
                sql.push("(").push(written).push(sign).bind(value.clone());
                if key.column.nullable {
                    sql.push(" or ").push(written).push(" is null");
                }
                sql.push(")")
            }
        };
        sql.push(")");
    }
    sql.push(")");
    Ok(())
}

/// Runs a statement that selects `shown` columns and after them those of `keys`, with room for one row more than the page, and answers with
/// the page. The values of the last row, when there are more, come before it as `{"next": "[…]"}`.
///
/// # Errors
///
/// What the database says.
pub(crate) fn answer(place: &Place, sql: &Sql, shown: usize, keys: &[Key], size: u32, format: RowFormat) -> ToolResult {
    let options = Options { timeout_ms: None, max_rows: Some(size + 1), keep_rest: false };
    let rows = place.query(sql.text(), sql.values(), options)?;
    let columns = rows.columns();
    let mut all = read(&rows);
    let has_more = all.len() > size as usize || rows.truncated();
    all.truncate(size as usize);
    let next = all.last().filter(|_| has_more).map(|last| last[shown..].to_vec());
    for row in &mut all {
        row.truncate(shown);
    }
    let built = Rows::build(&columns[..shown], &all)
        .ok_or_else(|| ToolError::failed("TOO_LARGE", "the page is too large").with_hint("ask for fewer rows or columns"))?;
    let page = Content::rows(built, format, None);
    Ok(match next {
        Some(next) if !keys.is_empty() && next.iter().all(is_plain) => {
            let next: Vec<serde_json::Value> = next.iter().map(Value::to_json).collect();
            vec![Content::text(serde_json::json!({ "next": serde_json::Value::from(next).to_string() }).to_string()), page].into()
        }
        Some(_) => vec![Content::text("there are more rows, and no key to go on from; narrow the filter or raise `limit`"), page].into(),
        None => Outcome::Complete(vec![page]),
    })
}

/// Every row that the host holds.
pub(crate) fn read(rows: &Rows) -> Vec<Vec<Value>> {
    let mut all = Vec::new();
    loop {
        let more = rows.next(1_000);
        if more.is_empty() {
            return all;
        }
        all.extend(more);
    }
}

/// Whether a value comes back from JSON as it went.
fn is_plain(value: &Value) -> bool {
    !matches!(value, Value::Blob(_) | Value::Json(_))
}

/// Adds the columns of an order to a list of columns.
pub(crate) fn write_keys(sql: &mut Sql, keys: &[Key]) {
    for (index, key) in keys.iter().enumerate() {
        sql.push(", ").push(&key.column.written).push(" as ");
        sql.name(&format!("next_{index}"));
    }
}

/// Adds the limit, with room for one more.
pub(crate) fn write_limit(sql: &mut Sql, size: u32) {
    sql.push(&format!(" limit {}", size + 1));
}

#[cfg(test)]
mod tests {
    use tidegate_plugin::catalog::Engine;

    use super::*;
    use crate::sample;

    #[test]
    fn a_page_begins_after_the_last_row_of_the_one_before() {
        let source = sample::source(Engine::Postgres);
        let keys = order(&source, &["-age".to_owned(), "name".to_owned()]).unwrap();
        let mut sql = Sql::new(Engine::Postgres, "");
        write_order(&mut sql, &keys);
        assert_eq!(sql.text(), r#" order by ("age" is null), "age" desc, "name", "id""#);
        let after: Vec<Json> = serde_json::from_str(r#"[null, "Ada", 7]"#).unwrap();
        let mut sql = Sql::new(Engine::Postgres, "");
        write_after(&mut sql, &keys, &after).unwrap();
        assert_eq!(sql.text(), r#"((false) or ("age" is null and ("name" > $1)) or ("age" is null and "name" = $2 and ("id" > $3)))"#);
        assert!(write_after(&mut sql, &keys, &after[..2]).is_err(), "one value is missing");
    }
}
