//! "Did you mean": the nearest names for a table or column that is not there.

use super::Database;
use super::catalog::TableFilter;
use super::error::DatabaseError;
use super::error::ErrorKind;
use super::statement::Statement;
use crate::call::Call;

/// Tables looked at for a suggestion; more would cost more than the hint is worth.
const TABLES_LOOKED_AT: u32 = 2_000;

/// Names offered at most.
const OFFERED: usize = 3;

/// Adds the nearest names to an error about an unknown table or column; returns any other error as it is.
pub(super) async fn nearest_names(database: &Database, call: &Call, statement: Option<&Statement>, error: DatabaseError) -> DatabaseError {
    if error.hint.is_some() {
        return error;
    }
    let Some(wrong) = quoted_name(&error.message).map(str::to_owned) else { return error };
    match error.kind {
        ErrorKind::UnknownTable => {
            let (schema, name) = split_name(&wrong);
            let hint = table_hint(database, call, schema, name).await;
            error.hint(hint)
        }
        ErrorKind::UnknownColumn => {
            let (_, name) = split_name(&wrong);
            match column_hint(database, call, statement, name).await {
                Some(hint) => error.hint(hint),
                None => error.hint("call `describe_table` for the columns of a table"),
            }
        }
        _ => error,
    }
}

/// The error for a table that is not there, with the nearest names.
pub(super) async fn unknown_table(database: &Database, call: &Call, schema: Option<&str>, name: &str) -> DatabaseError {
    let full = schema.map_or_else(|| name.to_owned(), |schema| format!("{schema}.{name}"));
    let hint = table_hint(database, call, schema, name).await;
    DatabaseError::new(ErrorKind::UnknownTable, format!("there is no table `{full}`")).hint(hint)
}

async fn table_hint(database: &Database, call: &Call, schema: Option<&str>, name: &str) -> String {
    let filter = TableFilter { limit: TABLES_LOOKED_AT, ..TableFilter::default() };
    let tables = database.tables(call, &filter).await.unwrap_or_default();
    let several = tables.iter().any(|table| table.schema != tables[0].schema);
    let names = tables.iter().map(|table| match several {
        true => format!("{}.{}", table.schema, table.name),
        false => table.name.clone(),
    });
    let wanted = match (several, schema) {
        (true, Some(schema)) => format!("{schema}.{name}"),
        _ => name.to_owned(),
    };
    match offer(&wanted, names) {
        Some(offer) => offer,
        None => "call `list_tables` for the names there are".into(),
    }
}

async fn column_hint(database: &Database, call: &Call, statement: Option<&Statement>, name: &str) -> Option<String> {
    let mut names = Vec::new();
    for table in statement?.tables.iter().take(8) {
        let (schema, table) = split_name(table);
        if let Ok(table) = Box::pin(database.table(call, schema, table)).await {
            names.extend(table.columns.into_iter().map(|column| column.name));
        }
    }
    offer(name, names.into_iter())
}

/// The sentence that offers the names nearest to `wrong`; none when nothing is near.
fn offer(wrong: &str, names: impl Iterator<Item = String>) -> Option<String> {
    let wrong_folded = wrong.to_lowercase();
    let last_part = wrong_folded.rsplit('.').next().unwrap_or(&wrong_folded).to_owned();
    let mut scored: Vec<(f64, String)> = names
        .map(|name| {
            let folded = name.to_lowercase();
            let own = folded.rsplit('.').next().unwrap_or(&folded);
            let score = strsim::jaro_winkler(&wrong_folded, &folded).max(strsim::jaro_winkler(&last_part, own));
            let plural = own.strip_prefix(&last_part).is_some() || last_part.strip_prefix(own).is_some();
            (if plural { score + 0.1 } else { score }, name)
        })
        .filter(|(score, _)| *score >= 0.8)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    scored.dedup_by(|a, b| a.1 == b.1);
    let offered: Vec<String> = scored.into_iter().take(OFFERED).map(|(_, name)| format!("`{name}`")).collect();
    (!offered.is_empty()).then(|| format!("did you mean {}?", offered.join(" or ")))
}

/// The first name between backticks: engines put the unknown name there.
fn quoted_name(message: &str) -> Option<&str> {
    let mut parts = message.split('`');
    parts.next()?;
    parts.next().filter(|name| !name.is_empty())
}

fn split_name(name: &str) -> (Option<&str>, &str) {
    match name.rsplit_once('.') {
        Some((schema, name)) => (Some(schema), name),
        None => (None, name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_names_are_offered_and_far_ones_are_not() {
        let names = || ["orders", "order_items", "customers"].map(str::to_owned).into_iter();
        assert_eq!(offer("ordrs", names()).unwrap(), "did you mean `orders` or `order_items`?");
        assert_eq!(offer("customer", names()).unwrap(), "did you mean `customers`?");
        assert_eq!(offer("zzz", names()), None);
    }
}
