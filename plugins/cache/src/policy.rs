//! What the operator set: for how long rows are kept, where, and for which tables otherwise.
//!
//! ```toml
//! [plugins.cache.settings]
//! ttl = "30s"                            # for every table; "0s" keeps nothing
//! tiers = ["memory", "disk", "shared"]
//! probe = true                           # ask the database for writes past the host before each answer
//! clears = { orders = ["*report*"] }     # statements that go when a table is written
//!
//! [plugins.cache.settings.tables]
//! "*audit*" = { ttl = "0s" }
//! prices = { ttl = "5m", probe = true }
//! ```

use std::collections::BTreeMap;

use serde::Deserialize;
use tidegate_plugin::hook::Policy;
use tidegate_plugin::hook::Tiers;
use tidegate_plugin::settings;

/// How long rows are kept where nothing is said, in milliseconds.
const TTL_MS: u32 = 10_000;

/// What is said about some tables.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TableRule {
    ttl: Option<String>,
    probe: Option<bool>,
}

/// How the rows of a statement on these tables are kept; none when they are not. Of several tables the strictest counts.
///
/// # Errors
///
/// A sentence that names a setting that makes no sense.
pub(crate) fn of(engine: &str, tables: &[String]) -> Result<Option<Policy>, String> {
    let rules: BTreeMap<String, TableRule> = settings::get("tables")?.unwrap_or_default();
    let everywhere = settings::get::<String>("ttl")?.map_or(Ok(TTL_MS), |text| milliseconds("ttl", &text))?;
    // SQLite tells every write to its file at once and for next to nothing.
    let mut probe = settings::get("probe")?.unwrap_or(engine == "sqlite");
    let mut ttl_ms = None;
    for table in tables {
        let rule = rules.iter().find(|(pattern, _)| is_table_like(pattern, table)).map(|(_, rule)| rule);
        let own = match rule.and_then(|rule| rule.ttl.as_deref()) {
            Some(text) => milliseconds("tables", text)?,
            None => everywhere,
        };
        ttl_ms = Some(ttl_ms.map_or(own, |least: u32| least.min(own)));
        probe |= rule.and_then(|rule| rule.probe).unwrap_or(false);
    }
    let ttl_ms = ttl_ms.unwrap_or(everywhere);
    Ok((ttl_ms > 0).then_some(Policy { ttl_ms, tiers: tiers()?, probe }))
}

/// The patterns of statements that go when one of these tables is written.
///
/// # Errors
///
/// As [`of`].
pub(crate) fn cleared_by(tables: &[String]) -> Result<Vec<String>, String> {
    let clears: BTreeMap<String, Vec<String>> = settings::get("clears")?.unwrap_or_default();
    let touched = clears.into_iter().filter(|(pattern, _)| tables.is_empty() || tables.iter().any(|table| is_table_like(pattern, table)));
    Ok(touched.flat_map(|(_, patterns)| patterns).collect())
}

fn tiers() -> Result<Tiers, String> {
    let Some(names) = settings::get::<Vec<String>>("tiers")? else { return Ok(Tiers::all()) };
    names.iter().try_fold(Tiers::empty(), |all, name| match name.as_str() {
        "memory" => Ok(all | Tiers::MEMORY),
        "disk" => Ok(all | Tiers::DISK),
        "shared" => Ok(all | Tiers::SHARED),
        other => Err(format!("setting `tiers` has `{other}`; there are memory, disk, shared")),
    })
}

/// Milliseconds of a duration such as `500ms`, `30s`, `5m` or `1h`, at most a day.
fn milliseconds(setting: &str, text: &str) -> Result<u32, String> {
    let wrong = || format!("setting `{setting}` has `{text}`; write a duration such as `500ms`, `30s`, `5m` or `1h`");
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let unit: u64 = match text[digits..].trim() {
        "ms" => 1,
        "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wrong()),
    };
    u32::try_from(number.saturating_mul(unit).min(86_400_000)).map_err(|_| wrong())
}

/// Whether a table is like a pattern with `*`, with its schema or without.
fn is_table_like(pattern: &str, table: &str) -> bool {
    is_like(pattern, table) || table.rsplit_once('.').is_some_and(|(_, name)| is_like(pattern, name))
}

fn is_like(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.to_lowercase(), name.to_lowercase());
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use tidegate_plugin::test::Host;

    use super::*;

    fn named(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn of(engine: &str, tables: &[&str]) -> Option<Policy> {
        super::of(engine, &named(tables)).expect("the settings make sense")
    }

    #[test]
    fn the_strictest_rule_of_several_tables_counts() {
        let rules = r#"{"*audit*": {"ttl": "0s"}, "prices": {"ttl": "5m", "probe": true}, "stock": {"ttl": "2s"}}"#;
        let host = Host::new().setting("ttl", "\"1m\"").setting("tables", rules);
        host.run(|| {
            assert_eq!(of("postgres", &["people"]).map(|policy| (policy.ttl_ms, policy.probe)), Some((60_000, false)));
            assert!(of("postgres", &["people", "public.audit_log"]).is_none());
            assert_eq!(of("postgres", &["stock", "people"]).map(|policy| policy.ttl_ms), Some(2_000));
            assert_eq!(of("postgres", &["shop.prices"]).map(|policy| (policy.ttl_ms, policy.probe)), Some((300_000, true)));
            assert_eq!(of("postgres", &["prices", "people"]).map(|policy| policy.ttl_ms), Some(60_000));
        });
    }

    #[test]
    fn where_nothing_is_said_rows_are_kept_for_a_short_while_and_sqlite_is_asked() {
        Host::new().run(|| {
            assert_eq!(of("sqlite", &[]).map(|policy| (policy.ttl_ms, policy.probe, policy.tiers)), Some((TTL_MS, true, Tiers::all())));
            assert!(of("mysql", &[]).is_some_and(|policy| !policy.probe));
        });
        Host::new().setting("ttl", "\"0s\"").run(|| assert!(of("sqlite", &[]).is_none()));
        Host::new().setting("tiers", "[\"memory\"]").run(|| assert!(of("sqlite", &[]).is_some_and(|policy| policy.tiers == Tiers::MEMORY)));
    }

    #[test]
    fn a_setting_that_makes_no_sense_is_named() {
        let cases = [
            ("ttl", "\"soon\"", "`ttl`"),
            ("ttl", "5", "`ttl`"),
            ("tiers", "[\"tape\"]", "`tape`"),
            ("tables", r#"{"a": {"tll": "1s"}}"#, "`tables`"),
        ];
        for (key, value, expected) in cases {
            let error = Host::new().setting(key, value).run(|| super::of("sqlite", &[])).expect_err(key);
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn patterns_and_durations_are_read() {
        assert!(is_like("*or*er*", "big_ORDERS") && is_like("orders", "orders") && !is_like("orders", "orders2") && is_like("*", ""));
        assert!(!is_like("a*b", "a") && is_like("a*b", "ab") && !is_like("ab*ba", "aba"));
        let read = |text| milliseconds("ttl", text).ok();
        assert_eq!([read("500ms"), read("2 h"), read("9d"), read("soon")], [Some(500), Some(7_200_000), Some(86_400_000), None]);
    }
}
