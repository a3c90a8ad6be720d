//! The hooks: an answer in place of the database, and what goes when a table is written.

use tidegate_plugin::CallHooks;
use tidegate_plugin::QueryHooks;
use tidegate_plugin::cache;
use tidegate_plugin::cache::Selection;
use tidegate_plugin::hook::AfterQuery;
use tidegate_plugin::hook::Asked;
use tidegate_plugin::hook::BeforeCall;
use tidegate_plugin::hook::BeforeQuery;
use tidegate_plugin::hook::Call;
use tidegate_plugin::hook::QueryOutcome;
use tidegate_plugin::hook::Statement;
use tidegate_plugin::log;

use crate::policy;

/// The hooks of this plugin.
pub(crate) struct Hooks;

impl QueryHooks for Hooks {
    fn before_query(_: Asked, statement: &Statement) -> BeforeQuery {
        let Some(key) = &statement.cache_key else { return BeforeQuery::Pass };
        let policy = match policy::of(&statement.engine, &statement.tables) {
            Ok(Some(policy)) => policy,
            Ok(None) => return BeforeQuery::Pass,
            Err(problem) => {
                log::warn(&format!("nothing is kept: {problem}"));
                return BeforeQuery::Pass;
            }
        };
        match cache::find(key, policy) {
            Some(rows) => BeforeQuery::Answer(rows),
            None => BeforeQuery::Keep(policy),
        }
    }

    fn after_query(_: Asked, statement: &Statement, _: QueryOutcome) -> AfterQuery {
        match policy::cleared_by(&statement.tables) {
            Ok(patterns) => patterns.into_iter().for_each(|pattern| {
                cache::clear(&Selection::Pattern(pattern));
            }),
            Err(problem) => log::warn(&format!("nothing is cleared: {problem}")),
        }
        AfterQuery::Pass
    }
}

impl CallHooks for Hooks {
    fn before_call(_: Asked, call: &Call) -> BeforeCall {
        if call.may_be_kept { BeforeCall::Keep } else { BeforeCall::Pass }
    }
}

#[cfg(test)]
mod tests {
    use tidegate_plugin::hook::Kind;
    use tidegate_plugin::test;
    use tidegate_plugin::test::Event;
    use tidegate_plugin::test::Host;
    use tidegate_plugin::test::ResultRows;

    use super::*;

    fn keyed(sql: &str) -> Statement {
        Statement { cache_key: Some("k".to_owned()), ..test::statement(sql) }
    }

    #[test]
    fn kept_rows_are_the_answer_and_others_are_kept() {
        let rows = ResultRows::new(&["n"], vec![vec![1.into()]]);
        let host = Host::new().cached("k", rows);
        let answer = host.before_query::<Hooks>(Kind::Provide, &keyed("select 1"));
        assert!(matches!(answer, BeforeQuery::Answer(rows) if rows.next(5) == [[1.into()]]));
        assert!(matches!(Host::new().before_query::<Hooks>(Kind::Provide, &keyed("select 1")), BeforeQuery::Keep(_)));
    }

    #[test]
    fn what_may_not_be_kept_passes() {
        let host = Host::new().setting("tables", r#"{"secrets": {"ttl": "0s"}}"#);
        let verdict = host.before_query::<Hooks>(Kind::Provide, &test::statement("select now()"));
        assert!(matches!(verdict, BeforeQuery::Pass));
        let secret = Statement { tables: vec!["secrets".to_owned()], ..keyed("select * from secrets") };
        assert!(matches!(host.before_query::<Hooks>(Kind::Provide, &secret), BeforeQuery::Pass));
        assert_eq!(host.events(), []);
    }

    #[test]
    fn a_write_clears_what_the_operator_said_depends_on_it() {
        let host = Host::new().setting("clears", r#"{"orders": ["*report*"], "people": ["*staff*"]}"#);
        let write = Statement { tables: vec!["orders".to_owned()], ..test::statement("update orders set a = 1") };
        host.after_query::<Hooks>(Kind::Observe, &write, &ResultRows::default());
        assert_eq!(host.events(), [Event::CacheClear(Selection::Pattern("*report*".to_owned()))]);
    }
}
