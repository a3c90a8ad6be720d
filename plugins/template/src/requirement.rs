//! Whether a server has what a template requires.

use tidegate_plugin::DatabaseError;
use tidegate_plugin::ToolError;
use tidegate_plugin::Value;
use tidegate_plugin::catalog;
use tidegate_plugin::catalog::Database;
use tidegate_plugin::database_read;
use tidegate_plugin::database_read::Options;

use crate::template::Requirement;
use crate::template::Template;

/// Checks all that a template requires of a database.
///
/// # Errors
///
/// `REQUIREMENT_MISSING`, with what is missing and how to get it.
pub(crate) fn check(template: &Template, database: &Database) -> Result<(), ToolError> {
    let holds = |requirement: &&Requirement| requirement.engine.is_none_or(|engine| engine.engine() == database.engine);
    let mut details = None;
    for requirement in template.requires.iter().filter(holds) {
        if requirement.product.is_some() || requirement.version.is_some() {
            let details = match &details {
                Some(details) => details,
                None => details.insert(catalog::describe_database(&database.name)?),
            };
            if let Some(product) = &requirement.product
                && !details.product.eq_ignore_ascii_case(product)
            {
                return Err(missing(template, requirement, &format!("{product}, and this is {}", details.product)));
            }
            if let Some(version) = &requirement.version
                && numbers(&details.version) < numbers(version)
            {
                return Err(missing(template, requirement, &format!("{} {version}, and this is {}", details.product, details.version)));
            }
        }
        if let Some(extension) = &requirement.extension {
            let sql = "select 1 from pg_extension where extname = $1";
            if query(database, sql, &[extension.as_str().into()])?.is_empty() {
                return Err(missing(template, requirement, &format!("the extension `{extension}`")));
            }
        }
        if let Some(variable) = &requirement.variable {
            // The name was checked when the template was taken; a variable cannot be bound.
            let value = query(database, &format!("select @@{variable}"), &[])?;
            let is_on = matches!(value.first().and_then(|row| row.first()), Some(Value::Integer(1) | Value::Boolean(true)))
                || matches!(value.first().and_then(|row| row.first()), Some(Value::Text(text)) if text == "1" || text.eq_ignore_ascii_case("on"));
            if !is_on {
                return Err(missing(template, requirement, &format!("the variable `{variable}` to be on")));
            }
        }
    }
    Ok(())
}

fn query(database: &Database, sql: &str, parameters: &[Value]) -> Result<Vec<Vec<Value>>, DatabaseError> {
    Ok(database_read::query(&database.name, sql, parameters, Options { max_rows: Some(1), ..Options::default() })?.next(1))
}

fn missing(template: &Template, requirement: &Requirement, what: &str) -> ToolError {
    ToolError::failed("REQUIREMENT_MISSING", format!("template `{}` needs {what}", template.name)).with_hint(requirement.how.clone())
}

/// The leading numbers of a version, for example 10 and 11 of `10.11-MariaDB`.
fn numbers(version: &str) -> Vec<u32> {
    let end = version.find(|character: char| !character.is_ascii_digit() && character != '.').unwrap_or(version.len());
    version[..end].split('.').map_while(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use tidegate_plugin::catalog::DatabaseDetails;
    use tidegate_plugin::catalog::Engine;
    use tidegate_plugin::catalog::Mode;
    use tidegate_plugin::test::Host;
    use tidegate_plugin::test::ResultRows;

    use super::*;

    fn checked(requires: &str, version: &str, extension: bool) -> Result<(), ToolError> {
        let text = format!("name = \"a\"\ndescription = \"b\"\nstatements = {{ any = \"select 1\" }}\nrequires = [{requires}]");
        let template = Template::parse(&text).expect("it is well formed");
        let details = DatabaseDetails {
            product: "PostgreSQL".into(),
            version: version.into(),
            server_name: "s".into(),
            user: None,
            default_schema: "public".into(),
            size_bytes: None,
            table_count: 0,
            encoding: "UTF8".into(),
            time_zone: None,
            warnings: Vec::new(),
        };
        let rows = if extension { vec![vec![1.into()]] } else { Vec::new() };
        let host = Host::new()
            .database("main", Engine::Postgres, Mode::ReadOnly)
            .details("main", details)
            .answers("select 1 from pg_extension where extname = $1", ResultRows::new(&["1"], rows));
        let database = Database { name: "main".into(), engine: Engine::Postgres, mode: Mode::ReadOnly };
        host.run(|| check(&template, &database))
    }

    #[test]
    fn what_is_missing_is_said_with_how_to_get_it() {
        let version = "{ engine = \"postgres\", version = \"13.2\", how = \"Update it.\" }";
        assert_eq!(numbers("10.11-MariaDB"), [10, 11]);
        assert!(checked(version, "13.10", false).is_ok());
        assert!(checked(version, "14beta1", false).is_ok());
        let error = checked(version, "9.6.24", false).expect_err("it is too old");
        assert!(
            matches!(error, ToolError::Failed(failure) if failure.code == "REQUIREMENT_MISSING" && failure.hint.as_deref() == Some("Update it."))
        );
        let extension = "{ engine = \"postgres\", extension = \"e\", how = \"Install it.\" }";
        assert!(checked(extension, "15.1", true).is_ok());
        assert!(checked(extension, "15.1", false).is_err());
        assert!(checked("{ engine = \"mysql\", version = \"99\", how = \"Update it.\" }", "15.1", false).is_ok());
    }
}
