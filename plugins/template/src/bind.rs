//! From a template and arguments to a statement and its parameters.
//!
//! A value is bound, never written into the text. What is written into it is the name of a table or a column as the catalog
//! spells it, quoted as the engine quotes, or one of the words `asc` and `desc`.

use std::collections::BTreeMap;

use serde_json::Map;
use serde_json::Value as Json;
use tidegate_plugin::DatabaseError;
use tidegate_plugin::ToolError;
use tidegate_plugin::Value;
use tidegate_plugin::catalog;
use tidegate_plugin::catalog::Engine;
use tidegate_plugin::catalog::Table;

use crate::parameter::Kind;
use crate::parameter::Parameter;
use crate::placeholder;
use crate::placeholder::Facet;
use crate::placeholder::Part;
use crate::template::EngineName;
use crate::template::Template;

/// A statement that can be run.
#[derive(Debug, PartialEq)]
pub(crate) struct Bound {
    /// Its text, with placeholders of the engine.
    pub(crate) sql: String,
    /// Their values.
    pub(crate) parameters: Vec<Value>,
}

/// What a parameter is in one call.
enum Given {
    Values(Vec<Value>),
    Table(Box<Table>),
    /// Text that is safe in the statement.
    Written(String),
}

/// Binds arguments for a database.
pub(crate) fn bind(template: &Template, arguments: &Map<String, Json>, database: &str, engine: Engine) -> Result<Bound, ToolError> {
    let sql = template.statements.find(engine).ok_or_else(|| {
        let text = format!("template `{}` has no statement for {}", template.name, EngineName::of(engine));
        ToolError::failed("NOT_SUPPORTED", text).with_hint(format!("it is for {}", template.statements.engines().join(", ")))
    })?;
    if let Some(name) = arguments.keys().find(|name| template.find_parameter(name).is_none()) {
        let names: Vec<String> = template.parameters.iter().map(|parameter| format!("`{}`", parameter.name)).collect();
        let known = if names.is_empty() { "it takes none".to_owned() } else { format!("it takes {}", names.join(", ")) };
        return Err(ToolError::InvalidArguments(format!("template `{}` has no parameter `{name}`; {known}", template.name)));
    }
    let parts = placeholder::parts(sql, engine).map_err(ToolError::InvalidArguments)?;
    let given = given(template, arguments, database, engine)?;
    Ok(write(&parts, &given, engine))
}

fn given<'a>(
    template: &'a Template,
    arguments: &Map<String, Json>,
    database: &str,
    engine: Engine,
) -> Result<BTreeMap<&'a str, Given>, ToolError> {
    let mut given: BTreeMap<&str, Given> = BTreeMap::new();
    // Tables first: columns are looked for in them.
    let (columns, others): (Vec<&Parameter>, Vec<&Parameter>) =
        template.parameters.iter().partition(|parameter| parameter.kind == Kind::Column);
    for parameter in others.into_iter().chain(columns) {
        let values = parameter.values(arguments.get(&parameter.name)).map_err(ToolError::InvalidArguments)?;
        let one = match (parameter.kind, &parameter.of) {
            (Kind::Table, _) => Given::Table(Box::new(find_table(database, text(&values))?)),
            (Kind::Order, _) => Given::Written(text(&values).to_owned()),
            (Kind::Column, Some(of)) => {
                let Some(Given::Table(table)) = given.get(of.as_str()) else {
                    return Err(ToolError::InvalidArguments(format!("`{}` is a column of no table", parameter.name)));
                };
                let names = values.iter().map(|value| find_column(table, &parameter.name, text(std::slice::from_ref(value)), engine));
                Given::Written(names.collect::<Result<Vec<_>, _>>()?.join(", "))
            }
            _ => Given::Values(values),
        };
        given.insert(&parameter.name, one);
    }
    Ok(given)
}

fn write(parts: &[Part], given: &BTreeMap<&str, Given>, engine: Engine) -> Bound {
    let mut bound = Bound { sql: String::new(), parameters: Vec::new() };
    // PostgreSQL counts placeholders, so that one parameter is bound once and has one type.
    let mut numbers: BTreeMap<(&str, Option<&str>), Vec<usize>> = BTreeMap::new();
    for part in parts {
        let (name, facet) = match part {
            Part::Text(text) => {
                bound.sql.push_str(text);
                continue;
            }
            Part::Parameter { name, facet } => (name.as_str(), *facet),
        };
        let facet_name = facet.map(|facet| if facet == Facet::Name { "name" } else { "schema" });
        let values = match (given.get(name), facet) {
            (Some(Given::Written(text)), _) => {
                bound.sql.push_str(text);
                continue;
            }
            (Some(Given::Table(table)), None) => {
                bound.sql.push_str(&format!("{}.{}", quote(&table.summary.schema, engine), quote(&table.summary.name, engine)));
                continue;
            }
            (Some(Given::Table(table)), Some(Facet::Name)) => vec![table.summary.name.as_str().into()],
            (Some(Given::Table(table)), Some(Facet::Schema)) => vec![table.summary.schema.as_str().into()],
            (Some(Given::Values(values)), _) => values.clone(),
            // A template is checked before it is taken: it names no parameter that it does not have.
            (None, _) => vec![Value::Null],
        };
        let placeholders: Vec<String> = match engine {
            Engine::Postgres => {
                let known = numbers.entry((name, facet_name)).or_insert_with(|| {
                    let first = bound.parameters.len() + 1;
                    bound.parameters.extend(values.iter().cloned());
                    (first..first + values.len()).collect()
                });
                known.iter().map(|number| format!("${number}")).collect()
            }
            Engine::Mysql | Engine::Sqlite => {
                bound.parameters.extend(values.iter().cloned());
                vec!["?".to_owned(); values.len()]
            }
        };
        bound.sql.push_str(&placeholders.join(", "));
    }
    bound
}

fn text(values: &[Value]) -> &str {
    match values.first() {
        Some(Value::Text(text)) => text,
        _ => "",
    }
}

/// The table of a name, which may have its schema before it. A name with a dot in it is looked for as a whole first.
fn find_table(database: &str, name: &str) -> Result<Table, DatabaseError> {
    match (catalog::describe_table(database, None, name), name.split_once('.')) {
        (Err(DatabaseError::UnknownTable(_)), Some((schema, table))) => catalog::describe_table(database, Some(schema), table),
        (found, _) => found,
    }
}

fn find_column(table: &Table, parameter: &str, name: &str, engine: Engine) -> Result<String, ToolError> {
    let exact = table.columns.iter().find(|column| column.name == name);
    let found = exact.or_else(|| table.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name)));
    found.map(|column| quote(&column.name, engine)).ok_or_else(|| {
        let known: Vec<&str> = table.columns.iter().take(50).map(|column| column.name.as_str()).collect();
        let message =
            format!("`{parameter}`: table `{}` has no column `{}`", table.summary.name, name.chars().take(60).collect::<String>());
        ToolError::failed("UNKNOWN_COLUMN", message).with_hint(format!("its columns are {}", known.join(", ")))
    })
}

/// A name as the engine quotes it, with quotes in it doubled.
pub(crate) fn quote(name: &str, engine: Engine) -> String {
    match engine {
        Engine::Mysql => format!("`{}`", name.replace('`', "``")),
        Engine::Postgres | Engine::Sqlite => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tidegate_plugin::catalog::Mode;
    use tidegate_plugin::catalog::TableColumn;
    use tidegate_plugin::catalog::TableKind;
    use tidegate_plugin::catalog::TableSummary;
    use tidegate_plugin::test::Host;

    use super::*;

    const ENGINES: [Engine; 3] = [Engine::Postgres, Engine::Mysql, Engine::Sqlite];

    fn column(name: &str) -> TableColumn {
        TableColumn {
            name: name.into(),
            type_name: "text".into(),
            nullable: true,
            default_value: None,
            generated: None,
            choices: Vec::new(),
            comment: None,
        }
    }

    fn host(engine: Engine) -> Host {
        let table = |name: &str, columns: &[&str]| Table {
            summary: TableSummary { schema: "public".into(), name: name.into(), kind: TableKind::Table, row_estimate: None, comment: None },
            columns: columns.iter().map(|name| column(name)).collect(),
            primary_key: Vec::new(),
            foreign_keys: Vec::new(),
            referenced_by: Vec::new(),
            indexes: Vec::new(),
            constraints: Vec::new(),
            triggers: Vec::new(),
            definition: None,
        };
        Host::new()
            .database("main", engine, Mode::ReadOnly)
            .table("main", table("orders", &["id", "customer"]))
            .table("main", table("we\"ird`; drop table orders; --", &["a\"b`c", "id"]))
    }

    fn template() -> Template {
        Template::from_json(json!({
            "name": "t", "description": "d",
            "statements": { "any": "select {{columns}} from {{table}} where customer in ({{who}}) and {{n}} < {{n}} order by {{column}} {{order}}" },
            "parameters": [
                { "name": "table", "type": "table" },
                { "name": "column", "type": "column", "of": "table", "default": "id" },
                { "name": "columns", "type": "column", "of": "table", "list": true, "default": "id" },
                { "name": "order", "type": "order", "default": "asc" },
                { "name": "who", "type": "text", "list": true, "default": ["x"] },
                { "name": "n", "type": "integer", "default": 1 },
            ],
        }))
        .expect("it is well formed")
    }

    fn bound(engine: Engine, arguments: Json) -> Result<Bound, ToolError> {
        let arguments = arguments.as_object().expect("it is an object").clone();
        host(engine).run(|| bind(&template(), &arguments, "main", engine))
    }

    #[test]
    fn values_are_bound_lists_expanded_and_names_quoted() {
        let arguments = json!({ "table": "public.orders", "columns": ["id", "CUSTOMER"], "who": ["a", "b"], "n": 7, "order": "DESC" });
        let on = |engine| bound(engine, arguments.clone()).expect("it binds");
        assert_eq!(
            on(Engine::Postgres),
            Bound {
                sql: "select \"id\", \"customer\" from \"public\".\"orders\" where customer in ($1, $2) and $3 < $3 order by \"id\" desc"
                    .into(),
                parameters: vec!["a".into(), "b".into(), 7.into()],
            }
        );
        assert_eq!(
            on(Engine::Mysql),
            Bound {
                sql: "select `id`, `customer` from `public`.`orders` where customer in (?, ?) and ? < ? order by `id` desc".into(),
                parameters: vec!["a".into(), "b".into(), 7.into(), 7.into()],
            }
        );
    }

    #[test]
    fn an_injection_stays_a_value_or_is_refused() {
        for engine in ENGINES {
            let plain = bound(engine, json!({ "table": "orders" })).expect("it binds").sql;
            for attack in [
                "' OR '1'='1",
                "x'; DROP TABLE orders; --",
                "\\'; DROP TABLE orders; #",
                "\" OR \"\"=\"",
                "$1",
                "{{table}}",
                "?",
                "/* */ UNION SELECT 1",
                "ʼ OR 1=1 --",
                "\u{bf}' OR 1=1 --",
                "COMMIT; DROP SCHEMA public CASCADE;",
            ] {
                // As a value it changes nothing but the value.
                let as_value = bound(engine, json!({ "table": "orders", "who": [attack] })).expect("a text is a text");
                assert_eq!((as_value.sql.as_str(), &as_value.parameters[0]), (plain.as_str(), &attack.into()));
                // Anywhere else it is refused.
                for arguments in [
                    json!({ "table": attack }),
                    json!({ "table": format!("orders {attack}") }),
                    json!({ "table": format!("public.orders{attack}") }),
                    json!({ "table": "orders", "column": attack }),
                    json!({ "table": "orders", "column": format!("id {attack}") }),
                    json!({ "table": "orders", "columns": ["id", attack] }),
                    json!({ "table": "orders", "order": format!("asc {attack}") }),
                    json!({ "table": "orders", "n": attack }),
                    json!({ "table": "orders", attack: 1 }),
                ] {
                    assert!(bound(engine, arguments.clone()).is_err(), "{engine:?} {arguments}");
                }
            }
        }
    }

    #[test]
    fn a_hostile_name_of_the_catalog_is_quoted() {
        let arguments = json!({ "table": "we\"ird`; drop table orders; --", "column": "a\"b`c" });
        let postgres = bound(Engine::Postgres, arguments.clone()).expect("it is there").sql;
        assert!(postgres.contains("from \"public\".\"we\"\"ird`; drop table orders; --\" where"), "{postgres}");
        let mysql = bound(Engine::Mysql, arguments).expect("it is there").sql;
        assert!(mysql.contains("order by `a\"b``c` asc"), "{mysql}");
    }

    #[test]
    fn an_engine_without_a_statement_is_named() {
        let template = Template::parse("name = \"a\"\ndescription = \"b\"\nstatements = { sqlite = \"select 1\" }").expect("it parses");
        let error = host(Engine::Mysql).run(|| bind(&template, &Map::new(), "main", Engine::Mysql)).expect_err("there is none");
        assert!(format!("{error:?}").contains("it is for sqlite"), "{error:?}");
    }
}
