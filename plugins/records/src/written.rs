//! What a write did, for the client: how many rows, and the rows as they are now.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value as Json;
use serde_json::json;
use tidegate_plugin::Content;
use tidegate_plugin::DatabaseError;
use tidegate_plugin::Rows;
use tidegate_plugin::ToolResult;
use tidegate_plugin::Value;

use crate::page;

/// The largest whole number that every client keeps, 2^53 - 1 (RFC 8259, section 6).
const LARGEST_WHOLE: i64 = (1 << 53) - 1;

/// What was written so far.
#[derive(Default)]
pub(crate) struct Written {
    affected: u64,
    columns: Vec<String>,
    rows: Vec<Vec<Json>>,
    is_cut: bool,
    errors: Vec<Json>,
}

impl Written {
    /// Adds what a statement did.
    pub(crate) fn add(&mut self, affected: u64, returned: Option<&Rows>) {
        self.affected += affected;
        if let Some(rows) = returned {
            self.columns = rows.columns().into_iter().map(|column| column.name).collect();
            self.rows.extend(page::read(rows).iter().map(|row| row.iter().map(cell).collect()));
            self.is_cut |= rows.truncated();
        }
    }

    /// Adds a record that was not written.
    pub(crate) fn failed(&mut self, index: usize, code: &str, message: &str) {
        self.errors.push(json!({ "index": index, "code": code, "message": message }));
    }

    /// The answer.
    pub(crate) fn answer(self) -> ToolResult {
        let mut answer = json!({ "affected": self.affected });
        if !self.columns.is_empty() {
            answer["columns"] = json!(self.columns);
            answer["rows"] = json!(self.rows);
        }
        if self.is_cut {
            answer["truncated"] = json!(true);
        }
        if !self.errors.is_empty() {
            answer["errors"] = json!(self.errors);
        }
        Ok(Content::json(&answer)?.into())
    }
}

/// A value as every answer of the host has it.
fn cell(value: &Value) -> Json {
    match value {
        Value::Blob(bytes) => STANDARD.encode(bytes).into(),
        Value::Integer(number) if number.unsigned_abs() > LARGEST_WHOLE.unsigned_abs() => number.to_string().into(),
        other => other.to_json(),
    }
}

/// The name of an error, as clients know it.
pub(crate) fn code(error: &DatabaseError) -> &'static str {
    match error {
        DatabaseError::Constraint(_) => "CONSTRAINT_VIOLATION",
        DatabaseError::InvalidParameters(_) => "INVALID_ARGUMENTS",
        DatabaseError::AccessDenied(_) => "ACCESS_DENIED",
        DatabaseError::HookRefused(_) => "HOOK_REFUSED",
        DatabaseError::TooLarge(_) => "TOO_LARGE",
        _ => "DATABASE_ERROR",
    }
}
