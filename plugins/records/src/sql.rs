//! A statement while it is put together. Names are quoted and values bound; nothing else of a client's gets into the text.

use tidegate_plugin::Value;
use tidegate_plugin::catalog::Engine;
use tidegate_plugin::database_write::Statement;

/// A statement and its values.
#[derive(Clone, Debug)]
pub(crate) struct Sql {
    /// For which dialect.
    pub(crate) engine: Engine,
    text: String,
    values: Vec<Value>,
}

impl Sql {
    /// Begins one.
    pub(crate) fn new(engine: Engine, text: &str) -> Self {
        Self { engine, text: text.to_owned(), values: Vec::new() }
    }

    /// Adds text of the program's own.
    pub(crate) fn push(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    /// Adds a name, quoted.
    pub(crate) fn name(&mut self, name: &str) -> &mut Self {
        let quoted = quoted(self.engine, name);
        self.push(&quoted)
    }

    /// Adds a place for a value, and the value.
    pub(crate) fn bind(&mut self, value: Value) -> &mut Self {
        self.values.push(value);
        match self.engine {
            Engine::Postgres => self.text += &format!("${}", self.values.len()),
            Engine::Sqlite => self.text += &format!("?{}", self.values.len()),
            Engine::Mysql => self.text.push('?'),
        }
        self
    }

    /// Adds items with a separator between them.
    pub(crate) fn list<T>(&mut self, items: &[T], separator: &str, mut add: impl FnMut(&mut Self, &T)) -> &mut Self {
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.push(separator);
            }
            add(self, item);
        }
        self
    }

    /// The text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The values.
    pub(crate) fn values(&self) -> &[Value] {
        &self.values
    }

    /// As a part of a batch.
    pub(crate) fn into_statement(self) -> Statement {
        Statement { sql: self.text, parameters: self.values }
    }
}

/// A name as the dialect quotes it.
pub(crate) fn quoted(engine: Engine, name: &str) -> String {
    let quote = if engine == Engine::Mysql { '`' } else { '"' };
    let mut text = String::with_capacity(name.len() + 2);
    text.push(quote);
    for c in name.chars() {
        if c == quote {
            text.push(quote);
        }
        text.push(c);
    }
    text.push(quote);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_and_values_have_a_place() {
        let build = |engine| {
            let mut sql = Sql::new(engine, "select ");
            sql.name("a\"b`c").push(" = ").bind(1.into()).push(" or ").bind("x".into());
            sql.text().to_owned()
        };
        assert_eq!(build(Engine::Postgres), "select \"a\"\"b`c\" = $1 or $2");
        assert_eq!(build(Engine::Sqlite), "select \"a\"\"b`c\" = ?1 or ?2");
        assert_eq!(build(Engine::Mysql), "select `a\"b``c` = ? or ?");
    }
}
