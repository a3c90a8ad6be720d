//! Masks columns by their names. It is shown names and never a value: the host itself puts the mask in their place.

use tidegate_plugin::QueryHooks;
use tidegate_plugin::hook::AfterQuery;
use tidegate_plugin::hook::Asked;
use tidegate_plugin::hook::Mask;
use tidegate_plugin::hook::QueryOutcome;
use tidegate_plugin::hook::Statement;
use tidegate_plugin::settings;

/// The hooks of this plugin.
pub struct MaskColumns;

impl QueryHooks for MaskColumns {
    fn after_query(_: Asked, _: &Statement, outcome: QueryOutcome) -> AfterQuery {
        match masks(&outcome) {
            Ok(masks) if masks.is_empty() => AfterQuery::Pass,
            Ok(masks) => AfterQuery::Mask(masks),
            // Without its list it cannot know what to mask.
            Err(reason) => AfterQuery::Refuse(reason),
        }
    }
}

/// A mask for every column whose name is like one of the list.
fn masks(outcome: &QueryOutcome) -> Result<Vec<Mask>, String> {
    let patterns: Vec<String> = settings::get("columns")?.ok_or("the setting `columns` is missing")?;
    let replacement: String = settings::get("replacement")?.unwrap_or_else(|| "***".to_owned());
    let masked = |name: &str| patterns.iter().any(|pattern| is_like(&pattern.to_lowercase(), &name.to_lowercase()));
    let columns = outcome.columns.iter().enumerate().filter(|(_, column)| masked(&column.name));
    Ok(columns.map(|(at, _)| Mask::new(at, replacement.as_str())).collect())
}

/// Whether a name is like a pattern, in which `*` stands for any characters.
fn is_like(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => {
            let Some(name) = name.strip_prefix(start) else { return false };
            (0..=name.len()).filter(|at| name.is_char_boundary(*at)).any(|at| is_like(rest, &name[at..]))
        }
    }
}

tidegate_plugin::export!(query_hooks: MaskColumns);

#[cfg(test)]
mod tests {
    use tidegate_plugin::hook::Kind;
    use tidegate_plugin::test::Host;
    use tidegate_plugin::test::ResultRows;
    use tidegate_plugin::test::statement;

    use super::*;

    fn ask(host: &Host, columns: &[&str]) -> AfterQuery {
        host.after_query::<MaskColumns>(Kind::Mutate, &statement("select * from people"), &ResultRows::new(columns, Vec::new()))
    }

    #[test]
    fn columns_on_the_list_are_masked_whatever_their_case() {
        let host = Host::new().setting("columns", r#"["ssn", "*Mail*"]"#).setting("replacement", r#""hidden""#);
        let AfterQuery::Mask(masks) = ask(&host, &["id", "SSN", "e_mail", "mailbox", "ssn_set"]) else { panic!("masks") };
        assert_eq!(masks.iter().map(|mask| mask.column).collect::<Vec<_>>(), [1, 2, 3]);
        assert!(masks.iter().all(|mask| mask.replacement == "hidden".into()));
    }

    #[test]
    fn rows_without_such_a_column_pass() {
        let host = Host::new().setting("columns", r#"["ssn"]"#);
        assert!(matches!(ask(&host, &["id", "name"]), AfterQuery::Pass));
    }

    #[test]
    fn nothing_goes_out_without_a_list() {
        assert!(matches!(ask(&Host::new(), &["id"]), AfterQuery::Refuse(_)));
        assert!(matches!(ask(&Host::new().setting("columns", r#""ssn""#), &["id"]), AfterQuery::Refuse(_)));
    }

    #[test]
    fn stars_stand_for_any_characters() {
        for (pattern, name, expected) in
            [("*", "", true), ("a*c", "abbc", true), ("a*c", "abcd", false), ("*é*", "caféx", true), ("a**", "a", true)]
        {
            assert_eq!(is_like(pattern, name), expected, "{pattern} {name}");
        }
    }
}
