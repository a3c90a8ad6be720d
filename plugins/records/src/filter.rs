//! Filters: JSON into a condition. Every name is a column of the catalog, every value is bound.
//!
//! ```json
//! {"city": "Ulm", "age": {"gte": 18, "lt": 65}, "or": [{"name": {"ilike": "a%"}}, {"tags": {"contains": ["vip"]}}], "not": {"left": {"null": true}}}
//! ```

use tidegate_plugin::ToolError;
use tidegate_plugin::Value;
use tidegate_plugin::catalog::Engine;

use crate::family::Family;
use crate::json::Fields;
use crate::json::Json;
use crate::json::Shape;
use crate::sql::Sql;
use crate::table::Columns;
use crate::table::Named;

/// How deep `and`, `or` and `not` may lie within each other.
const DEPTH: usize = 6;

/// Conditions of one filter.
const CONDITIONS: usize = 100;

/// Values of one list.
const VALUES: usize = 1_000;

const OPERATORS: &str = "eq, ne, gt, gte, lt, lte, in, not_in, between, like, ilike, null, contains, match, path";

/// Adds the condition of a filter; nothing for one that is empty. Whether there was one.
///
/// # Errors
///
/// What is wrong in it, named by its place.
pub(crate) fn write(sql: &mut Sql, columns: &impl Columns, filter: &Fields) -> Result<bool, ToolError> {
    if filter.0.is_empty() {
        return Ok(false);
    }
    Writer { sql, columns, conditions: 0 }.all(filter, "filter", 0)?;
    Ok(true)
}

struct Writer<'a, C> {
    sql: &'a mut Sql,
    columns: &'a C,
    conditions: usize,
}

fn wrong(at: &str, what: &str) -> ToolError {
    ToolError::InvalidArguments(format!("`{at}` {what}"))
}

impl<C: Columns> Writer<'_, C> {
    /// All fields of an object at once.
    fn all(&mut self, filter: &Fields, at: &str, depth: usize) -> Result<(), ToolError> {
        if depth > DEPTH {
            return Err(wrong(at, &format!("lies more than {DEPTH} deep")));
        }
        if filter.0.is_empty() {
            return Err(wrong(at, "is empty"));
        }
        self.sql.push("(");
        for (index, (name, value)) in filter.0.iter().enumerate() {
            if index > 0 {
                self.sql.push(" and ");
            }
            let here = format!("{at}.{name}");
            match name.as_str() {
                "and" | "or" => self.each(name, value, &here, depth)?,
                "not" => {
                    let Shape::Object(inner) = value.shape() else { return Err(wrong(&here, "is to be a filter")) };
                    // Of what is neither true nor false, the contrary is true as well: rows are found by one of the two.
                    self.sql.push("not coalesce(");
                    self.all(&Fields(inner), &here, depth + 1)?;
                    self.sql.push(", false)");
                }
                _ => self.column(name, value, &here)?,
            }
        }
        self.sql.push(")");
        Ok(())
    }

    fn each(&mut self, word: &str, value: &Json, at: &str, depth: usize) -> Result<(), ToolError> {
        let Shape::List(items) = value.shape() else { return Err(wrong(at, "is to be a list of filters")) };
        if items.is_empty() {
            return Err(wrong(at, "is empty"));
        }
        self.sql.push("(");
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.sql.push(if word == "and" { " and " } else { " or " });
            }
            let here = format!("{at}[{index}]");
            let Shape::Object(inner) = item.shape() else { return Err(wrong(&here, "is to be a filter")) };
            self.all(&Fields(inner), &here, depth + 1)?;
        }
        self.sql.push(")");
        Ok(())
    }

    fn column(&mut self, name: &str, value: &Json, at: &str) -> Result<(), ToolError> {
        let column = self.columns.find(name)?;
        let Shape::Object(operators) = value.shape() else { return self.condition(&column, "eq", value, at) };
        if operators.is_empty() {
            return Err(wrong(at, &format!("is empty; there are {OPERATORS}")));
        }
        let path = operators.iter().find(|(name, _)| name == "path").map(|(_, path)| path.clone());
        let column = match path {
            None => column,
            Some(path) => self.within(&column, &path, &operators, &format!("{at}.path"))?,
        };
        let operators: Vec<_> = operators.into_iter().filter(|(name, _)| name != "path").collect();
        if operators.is_empty() {
            return Err(wrong(at, "has a `path` and nothing to compare it with"));
        }
        for (index, (operator, value)) in operators.iter().enumerate() {
            if index > 0 {
                self.sql.push(" and ");
            }
            self.condition(&column, operator, value, &format!("{at}.{operator}"))?;
        }
        Ok(())
    }

    /// A value within a JSON document, as a column of its own: a number where it is compared with one, else text. Its path
    /// has plain names and numbers only, so it may stand in the text.
    fn within(&mut self, column: &Named, path: &Json, operators: &[(String, Json)], at: &str) -> Result<Named, ToolError> {
        let Value::Text(path) = path.value() else { return Err(wrong(at, "is to be text such as \"address.city\" or \"items[0].id\"")) };
        let steps = steps(&path).ok_or_else(|| wrong(at, "is to be names with dots between them and indexes such as [0]"))?;
        if !matches!(column.family, Family::Json | Family::Any | Family::Text(_) | Family::LongText) {
            return Err(wrong(at, &format!("is for JSON, and the column is `{}`", column.type_name)));
        }
        let is_number = operators.iter().filter(|(name, _)| name != "path").all(|(_, value)| match value.shape() {
            Shape::Scalar(Value::Integer(_) | Value::Real(_) | Value::Decimal(_)) => true,
            Shape::List(items) => items.iter().all(|item| matches!(item.value(), Value::Integer(_) | Value::Real(_) | Value::Decimal(_))),
            _ => false,
        });
        let engine = self.columns.engine();
        // The text is built apart, so that its parameters come where it is used: once for each operator.
        let literal = |text: &str| format!("'{}'", text.replace('\'', "''"));
        let dotted: String = steps.iter().fold("$".to_owned(), |path, step| match step {
            Step::Name(name) => format!("{path}.\"{name}\""),
            Step::Index(index) => format!("{path}[{index}]"),
        });
        let text = match engine {
            Engine::Postgres => {
                let steps: Vec<String> = steps.iter().map(|step| literal(&step.text())).collect();
                format!("jsonb_extract_path_text({}::jsonb, {})", column.written, steps.join(", "))
            }
            Engine::Mysql => format!("json_unquote(json_extract({}, {}))", column.written, literal(&dotted)),
            Engine::Sqlite => format!("json_extract({}, {})", column.written, literal(&dotted)),
        };
        let written = match (engine, is_number) {
            (Engine::Postgres, true) => format!("({text})::numeric"),
            (Engine::Mysql, true) => format!("cast({text} as decimal(65, 20))"),
            _ => text,
        };
        let family = if is_number { Family::Decimal(None) } else { Family::Text(None) };
        let family = if engine == Engine::Sqlite { Family::Any } else { family };
        Ok(Named { written, family, nullable: true, ..column.clone() })
    }

    fn condition(&mut self, column: &Named, operator: &str, value: &Json, at: &str) -> Result<(), ToolError> {
        self.conditions += 1;
        if self.conditions > CONDITIONS {
            return Err(ToolError::InvalidArguments(format!("the filter has more than {CONDITIONS} conditions")));
        }
        let written = column.written.as_str();
        match operator {
            "eq" | "ne" | "gt" | "gte" | "lt" | "lte" => {
                let fitting = self.fit(column, value, at)?;
                match (operator, fitting) {
                    ("eq", Value::Null) => {
                        self.sql.push(written).push(" is null");
                    }
                    ("ne", Value::Null) => {
                        self.sql.push(written).push(" is not null");
                    }
                    (_, Value::Null) => return Err(wrong(at, "compares with null, which is neither more nor less than anything")),
                    // What is null is not equal either.
                    ("ne", fitting) => {
                        self.sql.push("(").push(written).push(" <> ").bind(fitting).push(" or ").push(written).push(" is null)");
                    }
                    (_, fitting) => {
                        let sign = [("eq", " = "), ("gt", " > "), ("gte", " >= "), ("lt", " < "), ("lte", " <= ")];
                        let sign = sign.iter().find(|(name, _)| *name == operator).map_or(" = ", |(_, sign)| sign);
                        self.sql.push(written).push(sign).bind(fitting);
                    }
                }
            }
            "in" | "not_in" => {
                let Shape::List(items) = value.shape() else { return Err(wrong(at, "is to be a list")) };
                if items.is_empty() || items.len() > VALUES {
                    return Err(wrong(at, &format!("is to have 1 to {VALUES} values, and has {}", items.len())));
                }
                let values: Vec<Value> = items.iter().map(|item| self.fit(column, item, at)).collect::<Result<_, _>>()?;
                if values.contains(&Value::Null) {
                    return Err(wrong(at, "has null in it; use {\"null\": true}"));
                }
                let not = operator == "not_in";
                self.sql.push(if not { "(" } else { "" }).push(written).push(if not { " not in (" } else { " in (" });
                self.sql.list(&values, ", ", |sql, value| {
                    sql.bind(value.clone());
                });
                self.sql.push(")");
                if not {
                    self.sql.push(" or ").push(written).push(" is null)");
                }
            }
            "between" => {
                let Shape::List(items) = value.shape() else { return Err(wrong(at, "is to be a list of two values")) };
                let [least, most] = items.as_slice() else { return Err(wrong(at, "is to be a list of two values")) };
                let (least, most) = (self.fit(column, least, at)?, self.fit(column, most, at)?);
                self.sql.push(written).push(" between ").bind(least).push(" and ").bind(most);
            }
            "like" | "ilike" => {
                let Value::Text(pattern) = value.value() else { return Err(wrong(at, "is to be text with % and _")) };
                if !column.family.is_text() {
                    return Err(wrong(at, &format!("is for text, and the column is `{}`", column.type_name)));
                }
                self.like(written, pattern, operator == "ilike");
            }
            "null" => {
                let Value::Boolean(is_null) = value.value() else { return Err(wrong(at, "is to be true or false")) };
                self.sql.push(written).push(if is_null { " is null" } else { " is not null" });
            }
            "contains" => self.contains(column, value, at)?,
            "match" => {
                let Value::Text(words) = value.value() else { return Err(wrong(at, "is to be text")) };
                self.words(column, words, at)?;
            }
            other => {
                return Err(ToolError::InvalidArguments(format!("`{at}`: there is no `{other}`; there are {OPERATORS}, and, or, not")));
            }
        }
        Ok(())
    }

    fn fit(&self, column: &Named, value: &Json, at: &str) -> Result<Value, ToolError> {
        column.family.fit(value).map_err(|problem| wrong(at, &problem))
    }

    /// `%` and `_` stand for any characters and for any one; `\` before one of them takes that away. With regard to case or without, on
    /// every engine.
    fn like(&mut self, written: &str, pattern: String, any_case: bool) {
        match (self.columns.engine(), any_case) {
            (Engine::Postgres, true) => {
                self.sql.push(written).push("::text ilike ").bind(pattern.into());
            }
            (Engine::Postgres, false) => {
                self.sql.push(written).push("::text like ").bind(pattern.into());
            }
            (Engine::Mysql, true) => {
                self.sql.push("lower(").push(written).push(") like lower(").bind(pattern.into()).push(")");
            }
            (Engine::Mysql, false) => {
                self.sql.push("convert(").push(written).push(" using utf8mb4) collate utf8mb4_bin like ").bind(pattern.into());
            }
            (Engine::Sqlite, true) => {
                self.sql.push("lower(").push(written).push(") like lower(").bind(pattern.into()).push(") escape '\\'");
            }
            // `LIKE` of SQLite knows no case; `GLOB` does, and is written otherwise.
            (Engine::Sqlite, false) => {
                self.sql.push(written).push(" glob ").bind(glob(&pattern).into());
            }
        }
    }

    /// A list or document that has these parts in it.
    fn contains(&mut self, column: &Named, value: &Json, at: &str) -> Result<(), ToolError> {
        let written = column.written.as_str();
        let document = Value::Json(value.text().to_owned());
        match (self.columns.engine(), &column.family) {
            (Engine::Postgres, Family::Array) => {
                let list = if value.text().starts_with('[') { value.text().to_owned() } else { format!("[{}]", value.text()) };
                self.sql.push(written).push(" @> ").bind(Value::Json(list));
            }
            (Engine::Postgres, Family::Json) => {
                self.sql.push(written).push("::jsonb @> ").bind(document).push("::jsonb");
            }
            (Engine::Mysql, Family::Json | Family::Text(_) | Family::LongText | Family::Any) => {
                self.sql.push("json_contains(").push(written).push(", ").bind(value.text().into()).push(")");
            }
            (Engine::Sqlite, Family::Json | Family::Text(_) | Family::Any) => {
                let items = match value.shape() {
                    Shape::List(items) => items,
                    Shape::Scalar(_) => vec![value.clone()],
                    Shape::Object(_) => return Err(wrong(at, "is to be a value or a list of values; SQLite looks for no objects")),
                };
                let valid = format!("case when json_valid({written}) then {written} end");
                self.sql.push("(true");
                for item in items {
                    self.sql.push(" and exists (select 1 from json_each(").push(&valid).push(") as part where part.value = ");
                    self.sql.bind(item.value()).push(")");
                }
                self.sql.push(")");
            }
            _ => return Err(wrong(at, &format!("is for lists and JSON, and the column is `{}`", column.type_name))),
        }
        Ok(())
    }

    /// Words in a text, by the engine's own search.
    fn words(&mut self, column: &Named, words: String, at: &str) -> Result<(), ToolError> {
        let written = column.written.as_str();
        if !column.family.is_text() {
            return Err(wrong(at, &format!("is for text, and the column is `{}`", column.type_name)));
        }
        match self.columns.engine() {
            Engine::Postgres => {
                self.sql.push("to_tsvector('simple', ").push(written).push("::text) @@ websearch_to_tsquery('simple', ");
                self.sql.bind(words.into()).push(")");
            }
            Engine::Mysql => {
                self.sql.push("match(").push(written).push(") against (").bind(words.into()).push(" in natural language mode)");
            }
            Engine::Sqlite if column.is_virtual => {
                // Words in quotes are words, whatever is in them; else they would be a language of their own.
                let quoted: Vec<String> = words.split_whitespace().map(|word| format!("\"{}\"", word.replace('"', "\"\""))).collect();
                self.sql.push(written).push(" match ").bind(quoted.join(" ").into());
            }
            Engine::Sqlite => {
                let no = ToolError::failed("NOT_SUPPORTED", format!("`{at}`: this table has no index of words"));
                return Err(no.with_hint("use `ilike`, or a table made with `using fts5`"));
            }
        }
        Ok(())
    }
}

/// A step into a document.
enum Step {
    Name(String),
    Index(u32),
}

impl Step {
    fn text(&self) -> String {
        match self {
            Self::Name(name) => name.clone(),
            Self::Index(index) => index.to_string(),
        }
    }
}

/// The steps of a path such as `items[0].id`; none when it is no such path. Names have letters, digits, `_`, `-` and blanks.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    for part in path.split('.') {
        let (name, indexes) = part.split_once('[').map_or((part, ""), |(name, rest)| (name, rest));
        if !name.is_empty() {
            let plain = name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | ' '));
            steps.push(plain.then(|| Step::Name(name.to_owned()))?);
        } else if indexes.is_empty() {
            return None;
        }
        if !indexes.is_empty() {
            for index in indexes.strip_suffix(']')?.split("][") {
                steps.push(Step::Index(index.parse().ok()?));
            }
        }
    }
    (steps.len() <= 16).then_some(steps)
}

/// A pattern of `LIKE` as one of `GLOB`.
fn glob(pattern: &str) -> String {
    let mut glob = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        let (c, escaped) = if c == '\\' { (chars.next().unwrap_or('\\'), true) } else { (c, false) };
        match c {
            '%' if !escaped => glob.push('*'),
            '_' if !escaped => glob.push('?'),
            '*' | '?' | '[' => glob.extend(['[', c, ']']),
            c => glob.push(c),
        }
    }
    glob
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::sample;

    fn written(engine: Engine, filter: &str) -> Result<(String, Vec<Value>), String> {
        let source = sample::source(engine);
        let mut sql = Sql::new(engine, "");
        let fields: Fields = serde_json::from_str(filter).map_err(|error| error.to_string())?;
        write(&mut sql, &source, &fields).map_err(|error| format!("{error:?}"))?;
        Ok((sql.text().to_owned(), sql.values().to_vec()))
    }

    #[test]
    fn a_filter_is_a_condition_with_every_value_bound() {
        let (text, values) = written(Engine::Postgres, r#"{"city": "Ulm", "age": {"gte": 18, "lt": 65}}"#).unwrap();
        assert_eq!(text, r#"("city" = $1 and "age" >= $2 and "age" < $3)"#);
        assert_eq!(values, ["Ulm".into(), 18.into(), 65.into()]);
        let (text, _) = written(Engine::Mysql, r#"{"or": [{"city": null}, {"not": {"id": {"in": [1, 2]}}}]}"#).unwrap();
        assert_eq!(text, "(((`city` is null) or (not coalesce((`id` in (?, ?)), false))))");
        let (text, values) = written(Engine::Sqlite, r#"{"city": {"like": "a%_\\%[*"}}"#).unwrap();
        assert_eq!((text.as_str(), values), (r#"("city" glob ?1)"#, vec!["a*?%[[][*]".into()]));
    }

    #[test]
    fn nothing_of_a_client_gets_into_the_text() {
        for attack in ["' or 1=1 --", "\"; drop table people; --", "`", "\\'", "x') or ('1'='1"] {
            let json = serde_json::Value::from(attack);
            for engine in [Engine::Postgres, Engine::Mysql, Engine::Sqlite] {
                for filter in [
                    format!(r#"{{"city": {json}}}"#),
                    format!(r#"{{"city": {{"ilike": {json}}}}}"#),
                    format!(r#"{{"city": {{"in": [{json}]}}}}"#),
                    format!(r#"{{"data": {{"contains": [{json}]}}}}"#),
                ] {
                    let (text, values) = written(engine, &filter).unwrap();
                    assert!(!text.contains("drop") && !text.contains("1=1") && !text.contains("'1'"), "{text}");
                    assert!(!values.is_empty(), "{filter}");
                }
                assert!(written(engine, &format!(r#"{{{json}: 1}}"#)).unwrap_err().contains("UNKNOWN_COLUMN"));
                let path = format!(r#"{{"data": {{"path": {json}, "eq": 1}}}}"#);
                assert!(written(engine, &path).is_err(), "{path}");
            }
        }
    }

    #[test]
    fn what_is_wrong_is_named_by_its_place() {
        for (filter, expected) in [
            (r#"{"age": "x"}"#, "`filter.age` is to be a whole number"),
            (r#"{"age": {"near": 1}}"#, "there is no `near`"),
            (r#"{"or": [{"age": {"gt": null}}]}"#, "`filter.or[0].age.gt` compares with null"),
            (r#"{"age": {"like": "1%"}}"#, "is for text"),
            (r#"{"age": {"contains": 1}}"#, "is for lists and JSON"),
            (r#"{"or": []}"#, "is empty"),
            (r#"{"age": {"in": []}}"#, "1 to 1000 values"),
            (r#"{"not": 1}"#, "is to be a filter"),
            (r#"{"data": {"path": "a"}}"#, "nothing to compare"),
            (r#"{"not":{"not":{"not":{"not":{"not":{"not":{"not":{"not":{"id":1}}}}}}}}}"#, "deep"),
        ] {
            let error = written(Engine::Postgres, filter).expect_err(filter);
            assert!(error.contains(expected), "{filter}: {error}");
        }
    }

    #[test]
    fn documents_are_looked_into() {
        let (text, values) = written(Engine::Postgres, r#"{"data": {"path": "a.b[0]", "gt": 1.5}}"#).unwrap();
        assert_eq!(text, r#"((jsonb_extract_path_text("data"::jsonb, 'a', 'b', '0'))::numeric > $1)"#);
        assert_eq!(values, [Value::Decimal("1.5".into())]);
        let (text, _) = written(Engine::Mysql, r#"{"data": {"path": "a.b[0]", "eq": "x"}}"#).unwrap();
        assert_eq!(text, "(json_unquote(json_extract(`data`, '$.\"a\".\"b\"[0]')) = ?)");
    }
}
