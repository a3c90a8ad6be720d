//! The templates that come with the plugin, a file each.

use crate::template::Template;

/// Their names and texts, by name.
const TEXTS: &[(&str, &str)] = &[
    ("active_users", include_str!("builtin/active_users.toml")),
    ("activity_by_hour", include_str!("builtin/activity_by_hour.toml")),
    ("bloat", include_str!("builtin/bloat.toml")),
    ("blocked", include_str!("builtin/blocked.toml")),
    ("cache_hit_ratio", include_str!("builtin/cache_hit_ratio.toml")),
    ("cohort_retention", include_str!("builtin/cohort_retention.toml")),
    ("column_profile", include_str!("builtin/column_profile.toml")),
    ("connections", include_str!("builtin/connections.toml")),
    ("duplicate_indexes", include_str!("builtin/duplicate_indexes.toml")),
    ("duplicate_rows", include_str!("builtin/duplicate_rows.toml")),
    ("growth", include_str!("builtin/growth.toml")),
    ("histogram", include_str!("builtin/histogram.toml")),
    ("index_usage", include_str!("builtin/index_usage.toml")),
    ("locks", include_str!("builtin/locks.toml")),
    ("long_running", include_str!("builtin/long_running.toml")),
    ("missing_foreign_key_indexes", include_str!("builtin/missing_foreign_key_indexes.toml")),
    ("referential_check", include_str!("builtin/referential_check.toml")),
    ("row_count", include_str!("builtin/row_count.toml")),
    ("row_counts", include_str!("builtin/row_counts.toml")),
    ("sequence_gaps", include_str!("builtin/sequence_gaps.toml")),
    ("slow_statements", include_str!("builtin/slow_statements.toml")),
    ("table_sizes", include_str!("builtin/table_sizes.toml")),
    ("top_per_group", include_str!("builtin/top_per_group.toml")),
    ("top_values", include_str!("builtin/top_values.toml")),
    ("unused_indexes", include_str!("builtin/unused_indexes.toml")),
];

/// Their names.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    TEXTS.iter().map(|(name, _)| *name)
}

/// One of them. Only its own text is read: an instance lives for one call.
pub(crate) fn find(name: &str) -> Option<Template> {
    let (_, text) = TEXTS.iter().find(|(known, _)| *known == name)?;
    Some(Template::parse(text).expect("a template that comes with the plugin is well formed, and a test says so"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_well_formed_and_has_the_name_of_its_file() {
        assert!(TEXTS.is_sorted() && TEXTS.len() >= 20);
        for (name, text) in TEXTS {
            let template = Template::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(template.name, *name);
        }
    }
}
