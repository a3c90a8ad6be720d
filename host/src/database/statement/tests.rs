//! Tables of statements per dialect, each with the kind that it must have.

mod harmless;
mod limits;
mod mysql;
mod postgres;
mod sqlite;
mod told;

use super::Statement;
use super::StatementKind;
use crate::config::EngineKind;

/// Asserts that each text is one statement of this kind, and lists all that are not.
fn all_are(engine: EngineKind, kind: StatementKind, texts: &[&str]) {
    let wrong: Vec<String> = texts
        .iter()
        .filter_map(|text| match Statement::parse(text, engine) {
            Ok(statement) if statement.kind == kind => None,
            Ok(statement) => Some(format!("{text}\n    is {:?}: {:?}", statement.kind, statement.reason)),
            Err(error) => Some(format!("{text}\n    is refused: {error}")),
        })
        .collect();
    assert!(wrong.is_empty(), "not {kind:?} for {engine:?}:\n{}", wrong.join("\n"));
}

/// Asserts that no text is taken for a statement at all.
fn none_pass(engine: EngineKind, texts: &[&str]) {
    for text in texts {
        if let Ok(statement) = Statement::parse(text, engine) {
            panic!("{text:?} passes as {:?} for {engine:?}", statement.kind);
        }
    }
}
