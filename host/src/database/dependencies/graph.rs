//! Follows names through views, triggers, foreign keys and partitions to tables.
//!
//! Where it errs, it errs to the safe side: a name without a schema means every relation of that name, upper and lower
//! case are the same, a name that it does not know is no answer.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Instant;

use super::Facts;
use super::Function;
use super::Hidden;
use super::Relation;
use super::RelationKind;
use crate::config::EngineKind;
use crate::database::cacheable::Cacheability;
use crate::database::statement::Statement;
use crate::database::statement::StatementKind;
use crate::database::statement::words::Words;
use crate::database::statement::words::words;
use crate::database::versions::Versions;
use crate::database::versions::touched::Touched;

/// Statements whose answer is remembered, and the longest text of one, in bytes.
const REMEMBERED: usize = 2_000;
const LONGEST: usize = 4 * 1024;

/// A schema as it was at one moment.
pub(in crate::database) struct Graph {
    engine: EngineKind,
    schema: u64,
    loaded: Instant,
    versions: Arc<Versions>,
    nodes: Vec<Node>,
    /// Places in `nodes` by name in lower case, with the schema and, where that is enough, without.
    by_name: HashMap<String, Vec<usize>>,
    /// The same by the name alone, for words that may be one part of a name.
    by_word: HashMap<String, Vec<usize>>,
    functions: HashMap<String, Function>,
    hidden: Hidden,
    answers: Mutex<HashMap<Box<str>, Cacheability>>,
}

struct Node {
    /// Its schema in lower case.
    schema: String,
    /// Whether a name without a schema can mean it.
    unqualified: bool,
    /// The number of its version.
    id: u32,
    reading: Reading,
    reads: Vec<usize>,
    writes: Vec<usize>,
    writes_anything: bool,
}

enum Reading {
    /// It has rows of its own.
    Rows,
    /// It shows rows of others.
    Through,
    /// What it shows may change while no table does.
    Never { why: Cow<'static, str>, acts: bool },
}

impl Graph {
    /// Takes the facts of a catalog; none when there are too many tables to tell apart.
    pub(super) fn new(facts: Facts, engine: EngineKind, schema: u64, loaded: Instant, versions: &Arc<Versions>) -> Option<Self> {
        let Facts { relations, links, functions, hidden } = facts;
        let names: Vec<String> = relations.iter().map(|relation| format!("{}.{}", relation.schema, relation.name)).collect();
        let ids = versions.intern(names.iter().map(String::as_str))?;
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        let mut by_word: HashMap<String, Vec<usize>> = HashMap::new();
        for (place, relation) in relations.iter().enumerate() {
            by_name.entry(names[place].to_lowercase()).or_default().push(place);
            by_word.entry(relation.name.to_lowercase()).or_default().push(place);
            if relation.unqualified {
                by_name.entry(relation.name.to_lowercase()).or_default().push(place);
            }
        }
        let nodes = ids.into_iter().zip(&relations).map(|(id, relation)| Node {
            schema: relation.schema.to_lowercase(),
            unqualified: relation.unqualified,
            id,
            reading: Reading::Rows,
            reads: Vec::new(),
            writes: Vec::new(),
            writes_anything: false,
        });
        let mut graph = Self {
            engine,
            schema,
            loaded,
            versions: versions.clone(),
            nodes: nodes.collect(),
            by_name,
            by_word,
            functions,
            hidden,
            answers: Mutex::default(),
        };
        for link in links {
            let node = &mut graph.nodes[link.from];
            node.reads.extend(link.reads.then_some(link.to));
            node.writes.extend(link.writes.then_some(link.to));
        }
        for (place, relation) in relations.iter().enumerate() {
            graph.look_into(place, relation);
        }
        Some(graph)
    }

    /// The generation of the schema that it shows.
    pub(in crate::database) fn schema(&self) -> u64 {
        self.schema
    }

    /// Takes the generation for another one, in which it is as true.
    pub(super) fn set_schema(&mut self, schema: u64) {
        self.schema = schema;
    }

    /// When the engine was asked.
    pub(in crate::database) fn loaded(&self) -> Instant {
        self.loaded
    }

    /// Whether the answer of a statement may be kept, and what it depends on. Remembered by text.
    pub(in crate::database) fn cacheability(&self, statement: &Statement) -> Cacheability {
        if let Some(known) = self.answers().get(&*statement.text) {
            return known.clone();
        }
        let answer = match self.judge(statement) {
            Ok(tables) => Cacheability::Yes(self.versions.dependencies(self.schema, &tables)),
            Err(why) => Cacheability::No(why.into()),
        };
        if statement.text.len() <= LONGEST {
            let mut answers = self.answers();
            if answers.len() >= REMEMBERED {
                answers.clear();
            }
            answers.insert(statement.text.as_str().into(), answer.clone());
        }
        answer
    }

    /// What a statement that reads or writes may change.
    pub(in crate::database) fn touched(&self, statement: &Statement) -> Touched {
        let tables = words(&statement.text, self.engine).ok().and_then(|words| match statement.kind {
            StatementKind::Read => self.leaves_alone(statement, &words).then(BTreeSet::new),
            _ => self.written(statement, &words),
        });
        match tables {
            Some(tables) if tables.is_empty() => Touched::nothing(),
            Some(tables) => Touched::tables(self.schema, tables),
            None => Touched::everything(),
        }
    }

    /// The tables that a reading statement reads, or why its answer may not be kept.
    fn judge(&self, statement: &Statement) -> Result<BTreeSet<u32>, Cow<'static, str>> {
        if statement.kind != StatementKind::Read || !matches!(statement.verb.as_str(), "SELECT" | "VALUES" | "TABLE" | "WITH") {
            return Err(format!("`{}` is no query", statement.verb).into());
        }
        let words = words(&statement.text, self.engine).map_err(|error| error.message)?;
        if let Some(why) = words.varies {
            return Err(why.into());
        }
        if !statement.traceless {
            return Err("it has types, operators or a syntax that the host does not know".into());
        }
        if let Some(name) = self.calls_own(&words).next() {
            return Err(format!("`{name}` may be a function that is not built in").into());
        }
        // What such a function writes, a read does not: its session may not.
        if self.hidden.varies {
            return Err("the database has operators, casts or types whose functions may do anything".into());
        }
        let mut start = Vec::new();
        for table in &statement.tables {
            let found = self.find(table);
            // `dual` is what MySQL calls no table; one of that name would be found.
            if found.is_empty() && !(self.engine == EngineKind::MySql && table.eq_ignore_ascii_case("dual")) {
                return Err(format!("`{table}` is no table or view that the host knows").into());
            }
            start.extend(found);
        }
        // A table that a common table expression hides is read by nobody, but then it does no harm here either.
        start.extend(self.named(&words.common, |node| node.unqualified));
        self.read_tables(start).map_err(|(why, _)| why)
    }

    /// Whether a query in a writing session certainly writes nothing by what it calls.
    fn leaves_alone(&self, statement: &Statement, words: &Words) -> bool {
        let known = |table: &String| !self.find(table).is_empty();
        let relations = statement.tables.iter().flat_map(|table| self.find(table)).collect();
        !self.calls_what_writes(statement, words) && statement.tables.iter().all(known) && !self.acts(relations)
    }

    /// The tables that a statement may write; none when it may be any.
    fn written(&self, statement: &Statement, words: &Words) -> Option<BTreeSet<u32>> {
        if self.calls_what_writes(statement, words) {
            return None;
        }
        let named: Vec<Vec<usize>> = statement.tables.iter().map(|table| self.find(table)).collect();
        if named.iter().any(Vec::is_empty) || self.acts(named.iter().flatten().copied().collect()) {
            return None;
        }
        let targets = match &words.target {
            Some(target) => self.find(target),
            // Any word may be the table.
            None => named.into_iter().flatten().chain(self.named(&words.names, |node| node.unqualified)).collect(),
        };
        if targets.is_empty() {
            return None;
        }
        self.written_tables(targets)
    }

    /// Whether a statement runs code that may write by itself.
    fn calls_what_writes(&self, statement: &Statement, words: &Words) -> bool {
        let bare = |name: &str| name.rsplit('.').next().unwrap_or(name).trim_matches('"').to_lowercase();
        let writes = |name: &str| self.functions.get(name).is_none_or(|function| function.writes);
        self.hidden.writes
            || words.calls_procedure
            || statement.functions.iter().any(|name| writes(&bare(name)))
            || self.calls_own(words).any(|name| writes(name))
    }

    /// Functions of users that a text calls by a name of a built-in one, or like a column.
    fn calls_own<'w>(&self, words: &'w Words) -> impl Iterator<Item = &'w String> {
        let called = words.calls.iter().filter(|name| self.functions.contains_key(*name));
        let like_column = words.attributes.iter().filter(|name| self.functions.get(*name).is_some_and(|function| function.like_column));
        called.chain(like_column)
    }

    /// The relations that a name as written may mean.
    fn find(&self, written: &str) -> Vec<usize> {
        let name = written.to_lowercase();
        let mut found = self.by_name.get(&name).cloned().unwrap_or_default();
        // PostgreSQL takes the name of the database in front.
        if let Some((_, rest)) = name.split_once('.')
            && rest.contains('.')
        {
            found.extend(self.by_name.get(rest).into_iter().flatten());
        }
        found
    }

    /// The relations whose name is one of these words in lower case, and whose schema is another one or may be left out.
    fn named(&self, words: &BTreeSet<String>, may_leave_out: impl Fn(&Node) -> bool) -> impl Iterator<Item = usize> {
        let all = words.iter().filter_map(|word| self.by_word.get(word)).flatten().copied();
        all.filter(move |place| {
            let node = &self.nodes[*place];
            may_leave_out(node) || words.contains(&node.schema)
        })
    }

    /// Whether the text of a view or trigger of `relation` may name another relation without its schema.
    fn is_near(&self, node: &Node, relation: &Relation) -> bool {
        self.engine == EngineKind::Postgres || node.schema == relation.schema.to_lowercase()
    }

    /// The tables behind relations that are read, or why that is no answer, and whether reading may run code that writes.
    fn read_tables(&self, start: Vec<usize>) -> Result<BTreeSet<u32>, (Cow<'static, str>, bool)> {
        let mut tables = BTreeSet::new();
        for place in self.reach(start, |node| &node.reads) {
            let node = &self.nodes[place];
            match &node.reading {
                Reading::Rows => drop(tables.insert(node.id)),
                Reading::Through => {}
                Reading::Never { why, acts } => return Err((why.clone(), *acts)),
            }
        }
        Ok(tables)
    }

    /// Whether reading these relations may run code that writes.
    fn acts(&self, start: Vec<usize>) -> bool {
        self.reach(start, |node| &node.reads)
            .into_iter()
            .any(|place| matches!(&self.nodes[place].reading, Reading::Never { acts: true, .. }))
    }

    /// The tables behind relations that are written; none when it may be any.
    fn written_tables(&self, start: Vec<usize>) -> Option<BTreeSet<u32>> {
        let reached = self.reach(start, |node| &node.writes);
        let node = |place: &usize| &self.nodes[*place];
        if reached.iter().any(|place| node(place).writes_anything) {
            return None;
        }
        Some(reached.iter().map(|place| node(place).id).collect())
    }

    /// All that can be reached by links.
    fn reach(&self, start: Vec<usize>, links: impl Fn(&Node) -> &Vec<usize>) -> BTreeSet<usize> {
        let mut reached = BTreeSet::new();
        let mut open = start;
        while let Some(place) = open.pop() {
            if reached.insert(place) {
                open.extend(links(&self.nodes[place]));
            }
        }
        reached
    }

    /// Fills in what a relation's texts say.
    fn look_into(&mut self, place: usize, relation: &Relation) {
        let mut writes_anything = relation.writes_anything;
        let mut writes = Vec::new();
        for trigger in &relation.triggers {
            match words(trigger, self.engine) {
                // Functions of SQLite write nothing, and there are none of users.
                Ok(words) if self.engine == EngineKind::Sqlite || !(words.calls_unknown || words.calls_procedure) => {
                    writes.extend(self.named(&words.names, |node| self.is_near(node, relation)));
                }
                Ok(_) | Err(_) => writes_anything = true,
            }
        }
        let reading = match &relation.kind {
            RelationKind::Table => Reading::Rows,
            RelationKind::Other { why, acts } => Reading::Never { why: (*why).into(), acts: *acts },
            RelationKind::View { calls: true, .. } => {
                Reading::Never { why: format!("the view `{}` calls functions that are not built in", relation.name).into(), acts: true }
            }
            RelationKind::View { definition: None, .. } => {
                writes_anything = true;
                Reading::Never { why: format!("the definition of the view `{}` cannot be seen", relation.name).into(), acts: true }
            }
            RelationKind::View { definition: Some(definition), linked, .. } => {
                let (reading, tables) = self.view(relation, definition, *linked);
                // Whoever writes a view writes what it shows.
                writes.extend(tables.iter().copied());
                self.nodes[place].reads.extend(tables);
                reading
            }
        };
        let node = &mut self.nodes[place];
        node.reading = reading;
        node.writes.extend(writes);
        node.writes_anything = writes_anything;
    }

    /// How a view with this definition is read, and the relations that it names unless those are known already.
    fn view(&self, view: &Relation, definition: &str, linked: bool) -> (Reading, Vec<usize>) {
        let name = &view.name;
        let near = |node: &Node| self.is_near(node, view);
        let never = |why: String, acts| (Reading::Never { why: format!("the view `{name}`: {why}").into(), acts }, Vec::new());
        let words = match words(definition, self.engine) {
            Ok(words) => words,
            Err(error) => return never(error.message, true),
        };
        let tables = match (linked, Statement::judge(definition, self.engine)) {
            (true, _) => Vec::new(),
            (false, Ok(statement)) if statement.kind == StatementKind::Read && statement.traceless => {
                let found: Vec<Vec<usize>> = statement.tables.iter().map(|table| self.find(table)).collect();
                if found.iter().any(Vec::is_empty) {
                    return never("it shows a table that the host does not know".to_owned(), true);
                }
                found.into_iter().flatten().chain(self.named(&words.common, near)).collect()
            }
            // Where the parser's grammar has a gap, any word may be a table.
            (false, _) => self.named(&words.names, near).collect(),
        };
        match words.varies {
            Some(why) => (Reading::Never { why: format!("the view `{name}`: {why}").into(), acts: words.calls_unknown }, tables),
            None => (Reading::Through, tables),
        }
    }

    fn answers(&self) -> std::sync::MutexGuard<'_, HashMap<Box<str>, Cacheability>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
