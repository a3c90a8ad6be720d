//! The hook: reads of a large table have a condition, a limit, or do not run.

use tidegate_plugin::QueryHooks;
use tidegate_plugin::hook::Asked;
use tidegate_plugin::hook::BeforeQuery;
use tidegate_plugin::hook::Statement;
use tidegate_plugin::settings;

/// The hooks of this plugin.
pub struct LargeTables;

impl QueryHooks for LargeTables {
    fn before_query(_: Asked, statement: &Statement) -> BeforeQuery {
        let large: Vec<String> = match settings::get("large") {
            Ok(large) => large.unwrap_or_default(),
            // Without its list it cannot know what to guard.
            Err(reason) => return BeforeQuery::Refuse(reason),
        };
        let is_large = |table: &&String| large.iter().any(|large| large.eq_ignore_ascii_case(last_part(table)));
        match statement.tables.iter().find(is_large) {
            Some(table) if !is_bounded(&statement.sql) => {
                BeforeQuery::Refuse(format!("`{}` is large: say which rows with `where`, or how many with `limit`", last_part(table)))
            }
            _ => BeforeQuery::Pass,
        }
    }
}

/// A table's name without its schema.
fn last_part(table: &str) -> &str {
    table.rsplit('.').next().unwrap_or(table)
}

/// Whether a statement has one of the words that bound what it reads. Inside quotes they would be taken for them too: this is a
/// reminder for people in good faith, and the limits of the database hold whatever it says.
fn is_bounded(sql: &str) -> bool {
    let words = sql.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.into_iter().any(|word| ["where", "limit", "fetch"].iter().any(|bound| word.eq_ignore_ascii_case(bound)))
}

#[cfg(test)]
mod tests {
    use tidegate_plugin::hook::Kind;
    use tidegate_plugin::test::Host;
    use tidegate_plugin::test::statement;

    use super::*;

    #[test]
    fn only_unbounded_reads_of_large_tables_are_refused() {
        let host = Host::new().setting("large", r#"["events"]"#);
        for (sql, table, passes) in [
            ("select * from events", "public.Events", false),
            ("select * from events LIMIT 5", "events", true),
            ("select * from events where id = 1", "events", true),
            ("select * from authors", "authors", true),
        ] {
            let mut asked = statement(sql);
            asked.tables.push(table.to_owned());
            let verdict = host.before_query::<LargeTables>(Kind::Validate, &asked);
            assert_eq!(matches!(verdict, BeforeQuery::Pass), passes, "{sql}");
        }
    }
}
