//! What is behind a name: which tables a relation shows, and which others a write to it writes.
//!
//! Engines tell [`Facts`] from their catalogs, in files of this name; [`graph`] makes them answer for statements. The
//! picture is kept for a while and forgotten at once when the host changes the schema. A reader loads it when it is
//! missing; a write never does: without a picture it touches everything, and nobody has read anything to keep.

#[cfg(test)]
pub(super) mod coherence;
pub(super) mod graph;

use std::collections::HashMap;
use std::hash::DefaultHasher;
use std::hash::Hash;
use std::hash::Hasher;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use super::Database;

use super::error::DatabaseError;
use super::statement::Statement;
use super::statement::StatementKind;
use super::versions::Versions;
use super::versions::touched::Touched;
use crate::call::Call;
use crate::call::Caller;
use graph::Graph;

/// How long a picture is good: a change of the schema past the host is noticed after this time, and then counts for everything.
const KEPT_FOR: Duration = Duration::from_secs(30);

/// When a reader loads a new one, while the others go on with the old one.
const RENEWED_AFTER: Duration = Duration::from_secs(20);

/// The longest that loading may take.
const LOAD_LIMIT: Duration = Duration::from_secs(5);

/// How long a reader without a picture waits for another one to load it.
const PATIENCE: Duration = Duration::from_secs(1);

/// After loading has failed, nobody tries again for so long.
const PAUSE: Duration = Duration::from_secs(1);

/// What an engine's catalog says.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Tables, views and what else can stand in a `FROM`.
    pub(super) relations: Vec<Relation>,
    /// How they hang together, by their places in `relations`.
    pub(super) links: Vec<Link>,
    /// Functions that are not built in, by name in lower case.
    pub(super) functions: HashMap<String, Function>,
    /// What operators, casts and types do that no text shows.
    pub(super) hidden: Hidden,
}

/// What runs without its name in a text.
#[derive(Clone, Copy, Debug, Default, Hash)]
pub(super) struct Hidden {
    /// Something whose result may depend on more than its arguments.
    pub(super) varies: bool,
    /// Something that may write.
    pub(super) writes: bool,
}

/// One relation.
#[derive(Debug, Hash)]
pub(super) struct Relation {
    /// Its schema.
    pub(super) schema: String,
    /// Its name.
    pub(super) name: String,
    /// What reading it reads.
    pub(super) kind: RelationKind,
    /// Whether a name without a schema can mean it.
    pub(super) unqualified: bool,
    /// Whether writing it may write anything, because code runs that cannot be looked into.
    pub(super) writes_anything: bool,
    /// The texts of its triggers, where they can be looked into.
    pub(super) triggers: Vec<String>,
}

/// What reading a relation reads.
#[derive(Debug, Hash)]
pub(super) enum RelationKind {
    /// Rows of its own, and those that it is linked to.
    Table,
    /// What its definition says.
    View {
        /// The query; none when the role may not see it.
        definition: Option<String>,
        /// Whether its tables are among the links. If not, they are told from the definition.
        linked: bool,
        /// Whether it runs functions or operators that are not built in.
        calls: bool,
    },
    /// What the host cannot follow.
    Other {
        /// What it is.
        why: &'static str,
        /// Whether reading it may run code that writes.
        acts: bool,
    },
}

/// That one relation takes another along.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    /// The one that is named.
    pub(super) from: usize,
    /// The one that is taken along.
    pub(super) to: usize,
    /// Whether reading it does.
    pub(super) reads: bool,
    /// Whether writing it does.
    pub(super) writes: bool,
}

/// A function that is not built in.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) struct Function {
    /// Whether it may write.
    pub(super) writes: bool,
    /// Whether it can be called like a column: `row.function`.
    pub(super) like_column: bool,
}

impl Facts {
    /// A number that is another one when something is told differently, whatever the order.
    fn fingerprint(&self) -> u64 {
        let name = |place: usize| (&self.relations[place].schema, &self.relations[place].name);
        let relations = self.relations.iter().map(hash_of);
        let links = self.links.iter().map(|link| hash_of(&(name(link.from), name(link.to), link.reads, link.writes)));
        let functions = self.functions.iter().map(|function| hash_of(&function));
        relations.chain(links).chain(functions).fold(hash_of(&self.hidden), u64::wrapping_add)
    }
}

fn hash_of(part: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    part.hash(&mut hasher);
    hasher.finish()
}

/// The picture of one database, and how it is renewed.
pub(super) struct Keeper {
    versions: Arc<Versions>,
    current: Mutex<Option<Arc<Graph>>>,
    /// Of the facts that were told last.
    fingerprint: Mutex<Option<u64>>,
    /// Held by the one who loads; when that last failed.
    loading: tokio::sync::Mutex<Option<Instant>>,
}

impl Keeper {
    /// No picture yet.
    pub(super) fn new(versions: Arc<Versions>) -> Self {
        Self { versions, current: Mutex::default(), fingerprint: Mutex::default(), loading: tokio::sync::Mutex::default() }
    }

    /// The picture, when it is not older than this and the host has not changed the schema since.
    fn find(&self, age: Duration) -> Option<Arc<Graph>> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        current.filter(|graph| graph.loaded().elapsed() <= age && self.versions.schema() == Some(graph.schema()))
    }

    /// Lets the picture be too old.
    #[cfg(test)]
    pub(super) fn forget(&self) {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn keep(&self, graph: Arc<Graph>) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(graph);
    }
}

impl Database {
    /// What these statements, in one transaction, may change. Never waits.
    pub fn touched<'s>(&self, statements: impl IntoIterator<Item = &'s Statement>) -> Touched {
        let mut touched = Touched::nothing();
        let graph = self.keeper.find(KEPT_FOR);
        for statement in statements {
            touched.merge(match (statement.kind, &graph) {
                (StatementKind::Read | StatementKind::Write, Some(graph)) => graph.touched(statement),
                // A query is a write too when what it calls writes.
                (StatementKind::Read | StatementKind::Write, None) => Touched::everything(),
                (StatementKind::Admin | StatementKind::Transaction | StatementKind::Forbidden, _) => Touched::schema(),
            });
        }
        touched
    }

    /// The picture of the schema; none while it cannot be had.
    pub(super) async fn graph(&self, call: &Call) -> Option<Arc<Graph>> {
        if let Some(graph) = self.keeper.find(RENEWED_AFTER) {
            return Some(graph);
        }
        let patience = PATIENCE.min(call.remaining());
        let mut failed = match (self.keeper.loading.try_lock(), self.keeper.find(KEPT_FOR)) {
            (Ok(failed), _) => failed,
            (Err(_), Some(older)) => return Some(older),
            (Err(_), None) => tokio::time::timeout(patience, self.keeper.loading.lock()).await.ok()?,
        };
        if let Some(graph) = self.keeper.find(RENEWED_AFTER) {
            return Some(graph);
        }
        if failed.is_some_and(|failed| failed.elapsed() < PAUSE) {
            return self.keeper.find(KEPT_FOR);
        }
        match self.load_graph().await {
            Ok(loaded) => {
                *failed = None;
                if let Some(graph) = loaded {
                    self.keeper.keep(graph);
                }
            }
            Err(error) => {
                *failed = Some(Instant::now());
                tracing::warn!(%error, "The schema of database `{}` cannot be read, so nothing that is read from it is kept", self.config.name);
            }
        }
        self.keeper.find(KEPT_FOR)
    }

    /// Asks the engine; none while the host is changing the schema.
    async fn load_graph(&self) -> Result<Option<Arc<Graph>>, DatabaseError> {
        let Some(schema) = self.versions.schema() else { return Ok(None) };
        let loaded = Instant::now();
        // Of the host itself: what one caller takes back is of use to the others.
        let call = Call::new(Caller::local(), LOAD_LIMIT);
        let facts = self.facts(&call).await?;
        let (versions, engine) = (self.versions.clone(), self.config.engine);
        // Definitions of views are parsed, which takes a while when there are many.
        let built = tokio::task::spawn_blocking(move || {
            let fingerprint = facts.fingerprint();
            Some((Graph::new(facts, engine, schema, loaded, &versions)?, fingerprint))
        });
        let Some((mut graph, fingerprint)) = built.await.ok().flatten() else { return Ok(None) };
        let before = self.keeper.fingerprint.lock().unwrap_or_else(PoisonError::into_inner).replace(fingerprint);
        if before.is_some_and(|before| before != fingerprint) {
            match self.versions.changed_outside(schema) {
                Some(schema) => graph.set_schema(schema),
                None => return Ok(None),
            }
        }
        Ok(Some(Arc::new(graph)))
    }
}
