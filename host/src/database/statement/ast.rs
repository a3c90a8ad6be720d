//! What the parser says about a statement: its tables, and a second opinion on its kind.

mod scope;

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use sqlparser::ast::ArrayElemTypeDef;
use sqlparser::ast::BinaryOperator;
use sqlparser::ast::DataType;
use sqlparser::ast::Expr;
use sqlparser::ast::FromTable;
use sqlparser::ast::ObjectName;
use sqlparser::ast::Query;
use sqlparser::ast::Select;
use sqlparser::ast::SelectFlavor;
use sqlparser::ast::SetExpr;
use sqlparser::ast::Statement as Parsed;
use sqlparser::ast::Table;
use sqlparser::ast::TableFactor;
use sqlparser::ast::TableObject;
use sqlparser::ast::TableWithJoins;
use sqlparser::ast::Visit;
use sqlparser::ast::Visitor;
use sqlparser::dialect::Dialect;
use sqlparser::dialect::MySqlDialect;
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::dialect::SQLiteDialect;
use sqlparser::parser::Parser;

use super::StatementKind;
use super::builtin;
use super::builtin::Known;
use super::calls;
use super::functions;
use super::parser::Sight;
use super::verdict::Verdict;
use crate::config::EngineKind;
use scope::Scopes;

/// How deep the parser may recurse; deeper texts are left to their tokens.
const RECURSION_LIMIT: usize = 200;

/// What the parser takes for functions and no engine lets anybody define.
const CONSTRUCTORS: [&str; 9] = ["ALL", "ANY", "ARRAY", "CAST", "EXISTS", "GROUPING", "ROW", "SOME", "VALUES"];

/// What the parser saw in one statement.
#[derive(Debug)]
pub(super) struct Seen {
    /// What the statement does, as far as the parser knows.
    pub(super) verdict: Verdict,
    /// The tables it names, without quotes, sorted.
    pub(super) tables: Vec<String>,
    /// Whether it is a query without locks, targets, or types and operators that users make.
    pub(super) plain_query: bool,
    /// Functions it calls that are not built in, as [`super::Statement::functions`] has them.
    pub(super) functions: BTreeSet<String>,
}

/// Parses, walks and drops `text`. Needs a large stack.
pub(super) fn look_at(text: &str, engine: EngineKind) -> Sight {
    let dialect: &dyn Dialect = match engine {
        EngineKind::Postgres => &PostgreSqlDialect {},
        EngineKind::MySql => &MySqlDialect {},
        EngineKind::Sqlite => &SQLiteDialect {},
    };
    let parsed =
        Parser::new(dialect).with_recursion_limit(RECURSION_LIMIT).try_with_sql(text).and_then(|mut parser| parser.parse_statements());
    let Ok(statements) = parsed else { return Sight::Nothing };
    match statements.as_slice() {
        [] => Sight::Nothing,
        [statement] => Sight::Parsed(walk(statement, engine)),
        _ => Sight::Several,
    }
}

fn walk(statement: &Parsed, engine: EngineKind) -> Seen {
    let mut look = Look {
        engine,
        verdict: Verdict::READ,
        tables: BTreeSet::new(),
        scopes: Scopes::new(engine),
        function: None,
        functions: BTreeSet::new(),
        plain: matches!(statement, Parsed::Query(_)),
    };
    let _ = statement.visit(&mut look);
    let kind = kind_of(statement);
    look.verdict.raise(kind, "the parser takes it for another statement than one that reads");
    // The tokens have judged what an `EXPLAIN` runs, its options included; only what never passes is added to that.
    if matches!(statement, Parsed::Explain { .. }) && look.verdict.kind != StatementKind::Forbidden {
        look.verdict = Verdict::READ;
    }
    Seen { verdict: look.verdict, tables: look.tables.into_iter().collect(), plain_query: look.plain, functions: look.functions }
}

fn kind_of(statement: &Parsed) -> StatementKind {
    match statement {
        Parsed::Query(_)
        | Parsed::Explain { .. }
        | Parsed::ExplainTable { .. }
        | Parsed::Pragma { .. }
        | Parsed::ShowFunctions { .. }
        | Parsed::ShowVariable { .. }
        | Parsed::ShowStatus { .. }
        | Parsed::ShowVariables { .. }
        | Parsed::ShowCreate { .. }
        | Parsed::ShowColumns { .. }
        | Parsed::ShowCatalogs { .. }
        | Parsed::ShowDatabases { .. }
        | Parsed::ShowProcessList { .. }
        | Parsed::ShowSchemas { .. }
        | Parsed::ShowCharset(_)
        | Parsed::ShowObjects(_)
        | Parsed::ShowTables { .. }
        | Parsed::ShowViews { .. }
        | Parsed::ShowCollation { .. } => StatementKind::Read,
        Parsed::Insert(_) | Parsed::Update(_) | Parsed::Delete(_) | Parsed::Merge(_) | Parsed::Call(_) => StatementKind::Write,
        Parsed::StartTransaction { .. }
        | Parsed::Commit { .. }
        | Parsed::Rollback { .. }
        | Parsed::Savepoint { .. }
        | Parsed::ReleaseSavepoint { .. } => StatementKind::Transaction,
        _ => StatementKind::Admin,
    }
}

/// Walks a statement and takes notes.
struct Look {
    engine: EngineKind,
    verdict: Verdict,
    tables: BTreeSet<String>,
    scopes: Scopes,
    /// The name of the table function just entered, by its address: it is no table.
    function: Option<usize>,
    functions: BTreeSet<String>,
    plain: bool,
}

impl Look {
    fn call(&mut self, callee: &ObjectName) {
        let Some(last) = callee.0.last().and_then(|part| part.as_ident()) else { return };
        let name = last.value.to_ascii_lowercase();
        if let Some((kind, does)) = functions::judge(self.engine, &name) {
            self.verdict.raise(kind, format!("the function `{name}` {does}"));
        }
        self.add_function(callee);
    }

    /// The tokens know most calls; a function that is called as a keyword is, or that stands where a table could get another
    /// name, only the grammar tells.
    fn add_function(&mut self, callee: &ObjectName) {
        let parts: Vec<(&str, bool)> =
            callee.0.iter().filter_map(|part| part.as_ident()).map(|part| (part.value.as_str(), part.quote_style.is_some())).collect();
        let Some((last, quoted)) = parts.last() else { return };
        if !quoted && CONSTRUCTORS.iter().any(|constructor| constructor.eq_ignore_ascii_case(last)) {
            return;
        }
        let is_builtin_schema = match parts.as_slice() {
            [_] => true,
            [(schema, _), _] => self.engine == EngineKind::Postgres && schema.eq_ignore_ascii_case("pg_catalog"),
            _ => false,
        };
        let known = if is_builtin_schema { builtin::known(self.engine, &last.to_ascii_lowercase()) } else { Known::Unknown };
        self.plain &= known == Known::Pure;
        if known == Known::Unknown {
            self.functions.insert(calls::full_name(&parts, self.engine));
        }
    }

    fn add_table(&mut self, name: &ObjectName) {
        let parts: Vec<&str> = name.0.iter().filter_map(|part| part.as_ident()).map(|part| part.value.as_str()).collect();
        self.tables.insert(parts.join("."));
    }

    /// The targets of a change are tables even where a common table expression has the same name.
    fn add_targets(&mut self, statement: &Parsed) {
        match statement {
            Parsed::Insert(insert) => {
                if let TableObject::TableName(name) = &insert.table {
                    self.add_table(name);
                }
            }
            Parsed::Update(update) => self.add_first(std::slice::from_ref(&update.table)),
            Parsed::Delete(delete) => match &delete.from {
                FromTable::WithFromKeyword(tables) | FromTable::WithoutKeyword(tables) => self.add_first(tables),
            },
            Parsed::Merge(merge) => {
                if let TableFactor::Table { name, .. } = &merge.table {
                    self.add_table(name);
                }
            }
            _ => {}
        }
    }

    fn add_first(&mut self, tables: &[TableWithJoins]) {
        for table in tables {
            if let TableFactor::Table { name, args: None, .. } = &table.relation {
                self.add_table(name);
            }
        }
    }

    /// `TABLE t` is not visited as a relation.
    fn add_table_command(&mut self, table: &Table) {
        let Some(name) = &table.table_name else { return };
        match &table.schema_name {
            Some(schema) => drop(self.tables.insert(format!("{schema}.{name}"))),
            None if self.scopes.hides(name, false) => {}
            None => drop(self.tables.insert(name.clone())),
        }
    }

    fn is_users_type(&self, data_type: &DataType) -> bool {
        match data_type {
            DataType::Custom(name, _) => {
                let name = name.0.last().and_then(|part| part.as_ident()).map(|part| part.value.to_ascii_lowercase());
                name.is_none_or(|name| builtin::known(self.engine, &name) != Known::Pure)
            }
            DataType::Array(
                ArrayElemTypeDef::AngleBracket(inner)
                | ArrayElemTypeDef::SquareBracket(inner, _)
                | ArrayElemTypeDef::Parenthesis(inner)
                | ArrayElemTypeDef::Qualified(inner, _),
            ) => self.is_users_type(inner),
            _ => false,
        }
    }
}

impl Visitor for Look {
    type Break = ();

    fn pre_visit_statement(&mut self, statement: &Parsed) -> ControlFlow<()> {
        let kind = kind_of(statement);
        if kind == StatementKind::Write {
            self.plain = false;
            self.verdict.raise(kind, "a part of it changes rows");
            self.add_targets(statement);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.scopes.enter(query);
        let mut bodies = vec![&*query.body];
        while let Some(body) = bodies.pop() {
            match body {
                SetExpr::SetOperation { left, right, .. } => bodies.extend([&**left, &**right]),
                SetExpr::Table(table) => self.add_table_command(table),
                _ => {}
            }
        }
        if !query.locks.is_empty() {
            self.verdict.raise(StatementKind::Write, "a locking clause takes row locks");
        }
        self.plain &= query.locks.is_empty()
            && query.for_clause.is_none()
            && query.settings.is_none()
            && query.format_clause.is_none()
            && query.pipe_operators.is_empty();
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.scopes.leave(query);
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        if select.into.is_some() {
            let kind = if self.engine == EngineKind::Postgres { StatementKind::Admin } else { StatementKind::Write };
            self.verdict.raise(kind, "`SELECT … INTO`");
        }
        self.plain &= select.into.is_none() && select.lateral_views.is_empty() && matches!(select.flavor, SelectFlavor::Standard);
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        match factor {
            TableFactor::Table { name, args: Some(_), .. } => {
                self.function = Some(std::ptr::from_ref(name).addr());
                self.call(name);
            }
            TableFactor::Function { name, .. } => self.call(name),
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
        if self.function == Some(std::ptr::from_ref(name).addr()) {
            self.function = None;
            return ControlFlow::Continue(());
        }
        let is_hidden = match name.0.as_slice() {
            [part] => part.as_ident().is_some_and(|part| self.scopes.hides(&part.value, part.quote_style.is_some())),
            _ => false,
        };
        if !is_hidden {
            self.add_table(name);
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(function) => self.call(&function.name),
            Expr::Cast { data_type, .. } | Expr::Convert { data_type: Some(data_type), .. } => self.plain &= !self.is_users_type(data_type),
            Expr::TypedString(string) => self.plain &= !self.is_users_type(&string.data_type),
            Expr::BinaryOp { op, .. } | Expr::AnyOp { compare_op: op, .. } | Expr::AllOp { compare_op: op, .. } => {
                self.plain &= !matches!(op, BinaryOperator::Custom(_) | BinaryOperator::PGCustomBinaryOperator(_));
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
