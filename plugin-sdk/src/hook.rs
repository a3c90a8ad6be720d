//! Hooks: standing in the way of every statement, or of every call of a tool, of whatever plugin.
//!
//! A hook is a function here and a declaration in `plugin.toml`; without the declaration it is never asked. One that does
//! not override a function lets everything pass.

use crate::content::Content;
use crate::rows::Rows;
use crate::types::Column;
use crate::types::DatabaseError;
use crate::types::Value;

pub use crate::bindings::call_hooks::exports::tidegate::plugin::call_hooks::Call;
pub use crate::bindings::query_hooks::exports::tidegate::plugin::query_hooks::Advice;
pub use crate::bindings::query_hooks::exports::tidegate::plugin::query_hooks::ConnectVerdict;
pub use crate::bindings::query_hooks::exports::tidegate::plugin::query_hooks::Connection;
pub use crate::bindings::query_hooks::exports::tidegate::plugin::query_hooks::Mask;
pub use crate::bindings::query_hooks::exports::tidegate::plugin::query_hooks::Rewriting;
pub use crate::bindings::query_hooks::exports::tidegate::plugin::query_hooks::Statement;
pub use crate::bindings::shared::tidegate::plugin::hook::Asked;
pub use crate::bindings::shared::tidegate::plugin::hook::Kind;
pub use crate::bindings::shared::tidegate::plugin::hook::Policy;
pub use crate::bindings::shared::tidegate::plugin::hook::Stage;
pub use crate::bindings::shared::tidegate::plugin::hook::Tiers;

/// What is to become of a statement.
#[derive(Debug)]
pub enum BeforeQuery {
    /// Nothing in particular.
    Pass,
    /// It does not run; tells the person why, in a sentence. Kinds `validate` and `mutate`.
    Refuse(String),
    /// It runs like this; the host judges it anew. Kind `mutate`.
    Rewrite(Rewriting),
    /// These rows are its answer. Kind `provide`.
    Answer(Rows),
    /// It runs, and the host keeps its rows under its `cache_key`. Kind `provide`.
    Keep(Policy),
}

/// What a statement did.
#[derive(Debug)]
pub struct QueryOutcome {
    /// Rows inserted, changed or deleted.
    pub affected: u64,
    /// The columns of what it returned; empty unless the hook reads `columns` or `rows`.
    pub columns: Vec<Column>,
    /// What it returned; none unless the hook reads `rows`.
    pub rows: Option<Rows>,
    /// How many rows it returned.
    pub row_count: u64,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// The plugin that answered in place of the database.
    pub provided_by: Option<String>,
}

/// What is to become of rows.
#[derive(Debug)]
pub enum AfterQuery {
    /// Nothing in particular.
    Pass,
    /// They do not go out; tells the person why, in a sentence. Kinds `validate` and `mutate`.
    Refuse(String),
    /// The values of these columns do not go out. Kind `mutate`.
    Mask(Vec<Mask>),
    /// These go out in their place. Kind `mutate`.
    Replace(Rows),
}

/// Hooks around statements.
pub trait QueryHooks {
    /// Asked before a statement runs.
    fn before_query(asked: Asked, statement: &Statement) -> BeforeQuery {
        let _ = (asked, statement);
        BeforeQuery::Pass
    }

    /// Asked when a statement has run.
    fn after_query(asked: Asked, statement: &Statement, outcome: QueryOutcome) -> AfterQuery {
        let _ = (asked, statement, outcome);
        AfterQuery::Pass
    }

    /// Asked when a statement has failed.
    fn on_error(asked: Asked, statement: &Statement, error: &DatabaseError) -> Advice {
        let _ = (asked, statement, error);
        Advice::none()
    }

    /// Asked before a session is lent to a caller for the first time.
    fn on_connect(connection: &Connection) -> ConnectVerdict {
        let _ = connection;
        ConnectVerdict::Setup(Vec::new())
    }
}

/// What is to become of a call.
#[derive(Debug)]
pub enum BeforeCall {
    /// Nothing in particular.
    Pass,
    /// It does not run; tells the person why, in a sentence. Kinds `validate` and `mutate`.
    Refuse(String),
    /// It runs with these arguments, a JSON object as text. Kind `mutate`.
    Rewrite(String),
    /// This is its answer. Kind `provide`.
    Answer(Vec<Content>),
}

/// How a call ended.
#[derive(Debug)]
pub struct CallOutcome {
    /// The code of its failure; none when it succeeded or asks the person something.
    pub failed: Option<String>,
    /// What it answered; empty unless the hook reads `content`.
    pub content: Vec<Content>,
    /// How long it took, in microseconds.
    pub duration_us: u64,
    /// The plugin that answered in place of the tool.
    pub provided_by: Option<String>,
}

/// What is to become of an answer.
#[derive(Debug)]
pub enum AfterCall {
    /// Nothing in particular.
    Pass,
    /// It does not go out; tells the person why, in a sentence. Kinds `validate` and `mutate`.
    Refuse(String),
    /// This goes out in its place. Kind `mutate`.
    Replace(Vec<Content>),
}

/// Hooks around calls of tools.
pub trait CallHooks {
    /// Asked before a call.
    fn before_call(asked: Asked, call: &Call) -> BeforeCall {
        let _ = (asked, call);
        BeforeCall::Pass
    }

    /// Asked after a call.
    fn after_call(asked: Asked, call: &Call, outcome: CallOutcome) -> AfterCall {
        let _ = (asked, call, outcome);
        AfterCall::Pass
    }
}

impl Advice {
    /// Nothing to say.
    #[must_use]
    pub const fn none() -> Self {
        Self { suggestions: Vec::new(), try_again: false }
    }

    /// One thing to try next.
    pub fn suggest(text: impl Into<String>) -> Self {
        Self { suggestions: vec![text.into()], try_again: false }
    }
}

impl Mask {
    /// Puts `replacement` in place of every value of this column that is not null.
    pub fn new(column: usize, replacement: impl Into<Value>) -> Self {
        Self { column: u32::try_from(column).unwrap_or(u32::MAX), replacement: replacement.into() }
    }
}

impl Rewriting {
    /// Another text with the same parameters.
    pub fn of(sql: impl Into<String>) -> Self {
        Self { sql: sql.into(), parameters: None }
    }
}
