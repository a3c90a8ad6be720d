//! Which names are common table expressions at a place of a query, and so no tables.

use std::collections::HashMap;

use sqlparser::ast::Query;

use crate::config::EngineKind;

/// The expressions that one query's `WITH` defines.
struct Scope {
    names: Vec<String>,
    /// How many of them, from the first, can be seen where the walk is.
    visible: usize,
}

/// The scopes around the place where the walk is, the innermost last.
pub(super) struct Scopes {
    engine: EngineKind,
    open: Vec<Scope>,
    /// For the body of an expression, by its address: its scope, and how many expressions of that can be seen in it.
    bodies: HashMap<usize, (usize, usize)>,
    /// What was visible in the scope of an expression whose body is being walked.
    outside: Vec<Option<(usize, usize)>>,
}

impl Scopes {
    /// No scope at all.
    pub(super) fn new(engine: EngineKind) -> Self {
        Self { engine, open: Vec::new(), bodies: HashMap::new(), outside: Vec::new() }
    }

    /// Takes note that the walk enters `query`.
    pub(super) fn enter(&mut self, query: &Query) {
        let body = self.bodies.remove(&std::ptr::from_ref(query).addr());
        self.outside.push(body.map(|(scope, visible)| (scope, std::mem::replace(&mut self.open[scope].visible, visible))));
        let mut names = Vec::new();
        if let Some(with) = &query.with {
            let all = with.cte_tables.len();
            for (index, expression) in with.cte_tables.iter().enumerate() {
                let visible = match self.engine {
                    EngineKind::Sqlite => all,
                    EngineKind::Postgres if with.recursive => all,
                    EngineKind::MySql if with.recursive => index + 1,
                    EngineKind::Postgres | EngineKind::MySql => index,
                };
                self.bodies.insert(std::ptr::from_ref(&*expression.query).addr(), (self.open.len(), visible));
                let name = &expression.alias.name;
                names.push(self.folded(&name.value, name.quote_style.is_some()));
            }
        }
        self.open.push(Scope { visible: names.len(), names });
    }

    /// Takes note that the walk leaves the query that it entered last.
    pub(super) fn leave(&mut self, _query: &Query) {
        self.open.pop();
        if let Some((scope, visible)) = self.outside.pop().flatten() {
            self.open[scope].visible = visible;
        }
    }

    /// Whether a name without a schema means a common table expression here.
    pub(super) fn hides(&self, name: &str, quoted: bool) -> bool {
        let name = self.folded(name, quoted);
        self.open.iter().any(|scope| scope.names[..scope.visible].contains(&name))
    }

    fn folded(&self, name: &str, quoted: bool) -> String {
        if quoted && self.engine == EngineKind::Postgres { name.to_owned() } else { name.to_lowercase() }
    }
}
