//! Remembers the judgement of the statements seen lately; a judgement depends on nothing but text and dialect.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::Mutex;
use std::sync::PoisonError;

use super::Statement;
use crate::config::EngineKind;

/// Statements kept in each of the two generations.
const KEPT: usize = 256;

/// Longest text that is kept, in bytes. Longer ones are seldom sent twice.
const LONGEST: usize = 4 * 1024;

static SEEN: LazyLock<Mutex<Seen>> = LazyLock::new(Mutex::default);

/// Two generations: when the young one is full it becomes the old one, and what is asked for again moves back.
///
/// Bounded by `2 × KEPT × LONGEST` bytes of text, 2 MiB.
#[derive(Default)]
struct Seen {
    young: Generation,
    old: Generation,
}

/// Judgements by text, one for each dialect.
type Generation = HashMap<Box<str>, [Option<Arc<Statement>>; 3]>;

fn place(engine: EngineKind) -> usize {
    match engine {
        EngineKind::Sqlite => 0,
        EngineKind::Postgres => 1,
        EngineKind::MySql => 2,
    }
}

impl Seen {
    fn find(&mut self, text: &str, engine: EngineKind) -> Option<Arc<Statement>> {
        let at = |seen: &Generation| seen.get(text).and_then(|by_engine| by_engine[place(engine)].clone());
        if let Some(found) = at(&self.young) {
            return Some(found);
        }
        let found = at(&self.old)?;
        self.keep(text, Arc::clone(&found));
        Some(found)
    }

    fn keep(&mut self, text: &str, statement: Arc<Statement>) {
        if self.young.len() >= KEPT {
            self.old = std::mem::take(&mut self.young);
        }
        let place = place(statement.engine);
        self.young.entry(text.into()).or_default()[place] = Some(statement);
    }
}

/// The judgement of this text in this dialect, when it was made lately.
pub(super) fn find(text: &str, engine: EngineKind) -> Option<Statement> {
    if text.len() > LONGEST {
        return None;
    }
    let found = SEEN.lock().unwrap_or_else(PoisonError::into_inner).find(text, engine);
    found.map(|statement| Statement::clone(&statement))
}

/// Remembers a judgement, unless its text is long.
pub(super) fn keep(text: &str, statement: &Statement) {
    if text.len() <= LONGEST {
        let statement = Arc::new(statement.clone());
        SEEN.lock().unwrap_or_else(PoisonError::into_inner).keep(text, statement);
    }
}
