//! Takes out of a cassette what must not be in it: secrets, and the values of columns that the operator marked.
//!
//! A statement that names a marked column may give its values under any name, so then every cell of its rows goes. So does
//! every cell where `*` meets something that gives columns new names. What a view or a function gives under another name is
//! not known for what it is: mark that name too. What was taken out once is taken out of every other text as well.

mod scrub;
mod sql;

use std::collections::BTreeSet;

use serde_json::Value as Json;
use serde_json::json;

use super::line::Answer;
use super::line::Cassette;
use super::line::CassetteError;
use super::line::Line;
use scrub::Scrub;

/// What stands where something was taken out.
pub(super) const MARK: &str = "[redacted]";

/// Bytes that a secret has at least: shorter ones are in everything.
const SECRET_BYTES: usize = 4;

/// What is taken out.
#[derive(Clone, Debug, Default)]
pub struct Redaction {
    secrets: Vec<String>,
    marks: Vec<Mark>,
}

/// A marked column, in lower case.
#[derive(Clone, Debug)]
struct Mark {
    table: Option<String>,
    column: String,
}

/// What is known while the lines are gone through.
#[derive(Default)]
struct Seen {
    values: Scrub,
    /// Cursors whose rows lose every cell.
    cursors: BTreeSet<String>,
    /// Whether cells were taken out since the last test.
    hidden: bool,
}

/// How much of a statement's rows goes.
#[derive(Clone, Copy, PartialEq)]
enum Extent {
    Named,
    Everything,
}

impl Redaction {
    /// Takes out `secrets`, by their names, and `columns`, each `COLUMN` or `TABLE.COLUMN`.
    ///
    /// # Errors
    ///
    /// A secret of fewer than four bytes.
    pub fn new<'a>(secrets: impl IntoIterator<Item = (&'a str, &'a str)>, columns: &[String]) -> Result<Self, CassetteError> {
        let mut known = Vec::new();
        for (name, secret) in secrets {
            if secret.len() < SECRET_BYTES {
                return Err(CassetteError::ShortSecret(name.to_owned()));
            }
            known.push(secret.to_owned());
        }
        let mark = |text: &String| match text.to_lowercase().rsplit_once('.') {
            Some((table, column)) => Mark { table: table.rsplit('.').next().map(str::to_owned), column: column.to_owned() },
            None => Mark { table: None, column: text.to_lowercase() },
        };
        Ok(Self { secrets: known, marks: columns.iter().map(mark).collect() })
    }

    /// The marked columns.
    pub(super) fn columns(&self) -> Vec<String> {
        let told = |mark: &Mark| mark.table.as_ref().map_or(mark.column.clone(), |table| format!("{table}.{}", mark.column));
        self.marks.iter().map(told).collect()
    }

    /// Takes everything out of a cassette.
    pub(super) fn redact(&self, cassette: &mut Cassette) {
        let mut seen = Seen::default();
        for secret in &self.secrets {
            seen.values.add_secret(secret);
        }
        for line in &mut cassette.lines {
            match line {
                Line::Capability { function, request, answer, .. } => self.capability(function, request, answer, &mut seen),
                // What came of cells that are gone cannot come of what is left.
                Line::Test { came, .. } if std::mem::take(&mut seen.hidden) => *came = MARK.into(),
                Line::Call { .. } | Line::Test { .. } | Line::End { .. } => {}
            }
        }
        for line in &mut cassette.lines {
            match line {
                Line::Capability { request, answer, .. } => {
                    seen.values.whole(request);
                    match answer {
                        Answer::Ok(json) | Answer::Error(json) => seen.values.texts(json),
                        Answer::Trap(text) => seen.values.text(text),
                        Answer::Unanswered => {}
                    }
                }
                Line::Call { arguments, .. } => seen.values.whole(arguments),
                Line::Test { came, .. } => seen.values.whole(came),
                Line::End { .. } => {}
            }
        }
    }

    /// One question of a guest.
    fn capability(&self, function: &str, request: &mut Json, answer: &mut Answer, seen: &mut Seen) {
        if function == "secret-reveal.reveal" {
            *answer = Answer::Ok(MARK.into());
        }
        let runs = ["database-", "cache.", "transaction."].iter().any(|interface| function.starts_with(interface));
        if self.marks.is_empty() || !runs {
            return;
        }
        let mut statements: Vec<String> = request["sql"].as_str().map(str::to_owned).into_iter().collect();
        statements.extend(request["statements"].as_array().into_iter().flatten().filter_map(|one| Some(one["sql"].as_str()?.to_owned())));
        let words: BTreeSet<String> = statements.iter().flat_map(|sql| sql::words(sql)).collect();
        let in_play = |mark: &&Mark| statements.is_empty() || mark.table.as_ref().is_none_or(|table| words.contains(table));
        let marks: Vec<&Mark> = self.marks.iter().filter(in_play).collect();
        let named = marks.iter().any(|mark| words.contains(&mark.column));
        let renames = !marks.is_empty() && statements.iter().any(|sql| sql::may_rename(sql));
        let of_hidden = request["cursor"].as_str().is_some_and(|cursor| seen.cursors.contains(cursor));
        let writes = function.starts_with("database-write.") || function.starts_with("database-admin.");
        if named || writes {
            hide_request(request, seen);
        }
        let extent = if named || renames || of_hidden { Extent::Everything } else { Extent::Named };
        match answer {
            Answer::Ok(json) => hide_rows(json, &marks, extent, seen),
            // Databases say which value they did not like.
            Answer::Error(json) => hide_texts(json, seen),
            Answer::Trap(_) | Answer::Unanswered => {}
        }
    }
}

/// Takes parameters and literals out of what a guest asked.
fn hide_request(request: &mut Json, seen: &mut Seen) {
    let Some(object) = request.as_object_mut() else { return };
    if let Some(statements) = object.get_mut("statements").and_then(Json::as_array_mut) {
        statements.iter_mut().for_each(|statement| hide_request(statement, seen));
        return;
    }
    if let Some(sql) = object.get_mut("sql").and_then(|sql| if let Json::String(sql) = sql { Some(sql) } else { None }) {
        if sql::has_foreign_quotes(sql) {
            seen.values.add(sql);
            MARK.clone_into(sql);
        } else {
            let (text, literals) = sql::without_literals(sql, MARK);
            literals.iter().for_each(|literal| seen.values.add(literal));
            *sql = text;
        }
    }
    let parameters = object.get_mut("parameters").and_then(Json::as_array_mut);
    for parameter in parameters.into_iter().flatten().filter(|parameter| !parameter.is_null()) {
        seen.values.add_cell(parameter);
        *parameter = MARK.into();
    }
}

/// Takes cells out of every row set in an answer.
fn hide_rows(json: &mut Json, marks: &[&Mark], extent: Extent, seen: &mut Seen) {
    match json {
        Json::Object(object) if object.contains_key("columns") && object.contains_key("rows") => {
            let name = |column: &Json| column["name"].as_str().unwrap_or_default().to_lowercase();
            let names: Vec<String> = object["columns"].as_array().into_iter().flatten().map(name).collect();
            let goes =
                |at: usize| extent == Extent::Everything || names.get(at).is_some_and(|name| marks.iter().any(|mark| mark.column == *name));
            if extent == Extent::Everything
                && let Some(cursor) = object.get("cursor").and_then(Json::as_str)
            {
                seen.cursors.insert(cursor.to_owned());
            }
            for row in object.get_mut("rows").and_then(Json::as_array_mut).into_iter().flatten() {
                for (at, cell) in row.as_array_mut().into_iter().flatten().enumerate() {
                    if goes(at) && !cell.is_null() {
                        seen.hidden = true;
                        seen.values.add_cell(cell);
                        *cell = blank(cell);
                    }
                }
            }
        }
        Json::Object(object) => object.values_mut().for_each(|value| hide_rows(value, marks, extent, seen)),
        Json::Array(values) => values.iter_mut().for_each(|value| hide_rows(value, marks, extent, seen)),
        _ => {}
    }
}

/// Takes every text out of a failure; the names of its cases stay.
fn hide_texts(json: &mut Json, seen: &mut Seen) {
    match json {
        Json::Object(object) => {
            for (key, value) in object.iter_mut() {
                match value {
                    Json::String(text) if key == "message" || key == "hint" => {
                        seen.values.add(text);
                        seen.hidden = true;
                        MARK.clone_into(text);
                    }
                    value => hide_texts(value, seen),
                }
            }
        }
        Json::Array(values) => values.iter_mut().for_each(|value| hide_texts(value, seen)),
        _ => {}
    }
}

/// What stands in the place of a cell: nothing, of its own type, so that a guest reads it as before.
fn blank(cell: &Json) -> Json {
    match cell {
        Json::Bool(_) => false.into(),
        Json::Number(number) if number.is_f64() => json!(0.0),
        Json::Number(_) => 0.into(),
        Json::Object(object) if object.contains_key("decimal") => json!({ "decimal": "0" }),
        Json::Object(object) if object.contains_key("blob") => json!({ "blob": { "base64": "" } }),
        Json::Object(object) if object.contains_key("json") => json!({ "json": format!("\"{MARK}\"") }),
        Json::Object(object) if object.contains_key("real") => json!(0.0),
        _ => MARK.into(),
    }
}
