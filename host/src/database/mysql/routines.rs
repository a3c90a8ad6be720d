//! Stored functions and procedures with their parameters.

use std::collections::BTreeMap;

use sqlx::mysql::MySqlRow;

use crate::database::catalog::Routine;
use crate::database::catalog::RoutineFilter;
use crate::database::catalog::RoutineKind;
use crate::database::error::DatabaseError;
use crate::database::value::Value;
use super::MySql;
use super::catalog::SYSTEM_SCHEMAS;
use super::catalog::filled;
use super::catalog::optional;
use super::catalog::rows;
use super::catalog::text;
use super::connect::Session;
use crate::call::Call;

/// Schema, name and kind of a routine; a function and a procedure may share a name.
type Key = (String, String, String);

impl MySql {
    /// See [`super::super::Database::routines`].
    pub(super) async fn list_routines(&self, call: &Call, filter: &RoutineFilter) -> Result<Vec<Routine>, DatabaseError> {
        let filter = filter.clone();
        self.ask(call, move |session| Box::pin(routines(session, filter.clone()))).await
    }
}

async fn routines(session: &mut Session, filter: RoutineFilter) -> Result<Vec<Routine>, sqlx::Error> {
    // The last routine of the page before may share its name with one more, so that name is asked for again.
    let (conditions, parameters) = conditions(&filter, "ROUTINE_SCHEMA", "ROUTINE_NAME");
    let question = format!(
        "SELECT ROUTINE_SCHEMA, ROUTINE_NAME, ROUTINE_TYPE, DTD_IDENTIFIER, ROUTINE_COMMENT, ROUTINE_BODY \
         FROM information_schema.ROUTINES WHERE {conditions} \
         ORDER BY CAST(ROUTINE_SCHEMA AS BINARY), CAST(ROUTINE_NAME AS BINARY) LIMIT ?"
    );
    let limit = Value::Integer(i64::from(filter.limit) + 2);
    let found = rows(session, question, &[parameters.as_slice(), &[limit]].concat()).await?;
    let mut arguments = arguments(session, &filter, &found).await?;
    let mut routines: Vec<Routine> = found
        .iter()
        .map(|row| {
            let key: Key = (text(row, 0), text(row, 1), text(row, 2));
            let is_function = key.2 == "FUNCTION";
            let arguments = arguments.remove(&key).unwrap_or_default().join(", ");
            Routine {
                schema: key.0,
                name: key.1,
                kind: if is_function { RoutineKind::Function } else { RoutineKind::Procedure },
                arguments,
                returns: filled(row, 3).filter(|_| is_function),
                language: text(row, 5),
                comment: filled(row, 4),
            }
        })
        .collect();
    let place = |routine: &Routine| (routine.schema.clone(), routine.name.clone(), routine.arguments.clone());
    routines.sort_by_key(place);
    if let Some(after) = &filter.after {
        routines.retain(|routine| place(routine) > *after);
    }
    routines.truncate(filter.limit as usize);
    Ok(routines)
}

/// The parameters of the routines in `found`, as written.
async fn arguments(session: &mut Session, filter: &RoutineFilter, found: &[MySqlRow]) -> Result<BTreeMap<Key, Vec<String>>, sqlx::Error> {
    let mut arguments: BTreeMap<Key, Vec<String>> = BTreeMap::new();
    let Some(last) = found.last() else { return Ok(arguments) };
    let (conditions, mut parameters) = conditions(filter, "SPECIFIC_SCHEMA", "SPECIFIC_NAME");
    parameters.extend([Value::Text(text(last, 0)), Value::Text(text(last, 1))]);
    let question = format!(
        "SELECT SPECIFIC_SCHEMA, SPECIFIC_NAME, ROUTINE_TYPE, PARAMETER_MODE, PARAMETER_NAME, DTD_IDENTIFIER \
         FROM information_schema.PARAMETERS WHERE ORDINAL_POSITION > 0 AND {conditions} \
         AND (CAST(SPECIFIC_SCHEMA AS BINARY), CAST(SPECIFIC_NAME AS BINARY)) <= (CAST(? AS BINARY), CAST(? AS BINARY)) \
         ORDER BY SPECIFIC_SCHEMA, SPECIFIC_NAME, ROUTINE_TYPE, ORDINAL_POSITION"
    );
    for row in &rows(session, question, &parameters).await? {
        let key: Key = (text(row, 0), text(row, 1), text(row, 2));
        // Only parameters of procedures have a direction that is written.
        let mode = optional(row, 3).filter(|_| key.2 == "PROCEDURE").map(|mode| mode + " ").unwrap_or_default();
        arguments.entry(key).or_default().push(format!("{mode}{} {}", text(row, 4), text(row, 5)));
    }
    Ok(arguments)
}

/// What the filter asks of a schema and a name, and the parameters of that.
fn conditions(filter: &RoutineFilter, schema: &str, name: &str) -> (String, Vec<Value>) {
    let mut text = String::new();
    let mut parameters = Vec::new();
    match &filter.schema {
        Some(wanted) => {
            text.push_str(&format!("{schema} = ?"));
            parameters.push(Value::Text(wanted.clone()));
        }
        None => text.push_str(&format!("LOWER({schema}) NOT IN {SYSTEM_SCHEMAS}")),
    }
    if let Some(pattern) = &filter.pattern {
        text.push_str(&format!(" AND LOWER({name}) LIKE LOWER(?)"));
        parameters.push(Value::Text(pattern.clone()));
    }
    if let Some((after_schema, after_name, _)) = &filter.after {
        text.push_str(&format!(" AND (CAST({schema} AS BINARY), CAST({name} AS BINARY)) >= (CAST(? AS BINARY), CAST(? AS BINARY))"));
        parameters.extend([Value::Text(after_schema.clone()), Value::Text(after_name.clone())]);
    }
    (text, parameters)
}
