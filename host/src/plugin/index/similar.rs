//! Names that a person takes for another's: a new plugin that is called almost as one of somebody else is looked at twice.

use super::namespace::namespace_of;
use crate::config::PluginName;

/// Letters from which on two changes are still near.
const LONG: usize = 9;

/// The plugin of somebody else that people would take `id` for, if there is one.
pub(super) fn find_similar<'a>(id: &PluginName, existing: impl Iterator<Item = &'a PluginName>) -> Option<&'a PluginName> {
    existing.filter(|other| *other != id).find(|other| are_similar(id, other))
}

fn are_similar(one: &PluginName, other: &PluginName) -> bool {
    let (namespace, other_namespace) = (namespace_of(one), namespace_of(other));
    // What one calls one's own plugins is one's own affair.
    if namespace == other_namespace {
        return false;
    }
    // Another's name as it is or nearly, or a namespace that is nearly another's.
    are_near(&folded(one.short()), &folded(other.short())) || are_near_namespaces(namespace, other_namespace)
}

/// What namespaces have in common is left out: two people at one host are not alike for that.
fn are_near_namespaces(one: &str, other: &str) -> bool {
    let mut labels = one.split('.').peekable();
    let mut other_labels = other.split('.').peekable();
    while labels.peek().is_some() && labels.peek() == other_labels.peek() {
        labels.next();
        other_labels.next();
    }
    let (rest, other_rest): (String, String) = (labels.collect(), other_labels.collect());
    !rest.is_empty() && !other_rest.is_empty() && are_near(&folded(&rest), &folded(&other_rest))
}

fn are_near(one: &str, other: &str) -> bool {
    let shorter = one.chars().count().min(other.chars().count());
    let most = match shorter {
        0..4 => 0,
        4..LONG => 1,
        _ => 2,
    };
    strsim::osa_distance(one, other) <= most
}

/// A name as the eye takes it: without separators, and with characters that look alike as one.
fn folded(name: &str) -> String {
    let mut folded = String::new();
    for c in name.chars() {
        match c {
            '-' | '.' => {}
            '0' => folded.push('o'),
            '1' | 'i' => folded.push('l'),
            '5' => folded.push('s'),
            _ => folded.push(c),
        }
    }
    folded.replace("rn", "m").replace("vv", "w")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_taken_for_others_are_found() {
        for (one, other, similar) in [
            ("evil.example/pg-advisor", "acme.dev/pg-advisor", true),
            ("evil.example/pg-adviser", "acme.dev/pg-advisor", true),
            ("evil.example/pgadvisor", "acme.dev/pg-advisor", true),
            ("evil.example/pg-adv1sor", "acme.dev/pg-advisor", true),
            ("acme-dev/anything", "acme.dev/pg-advisor", true),
            ("acrne.dev/anything", "acme.dev/pg-advisor", true),
            ("io.github.acne/anything", "io.github.acme/pg-advisor", true),
            ("io.github.bo/anything", "io.github.al/pg-advisor", false),
            ("io.github.acme.tools/anything", "io.github.acme/pg-advisor", false),
            ("acme.dev/pg-advisors", "acme.dev/pg-advisor", false),
            ("evil.example/charts", "acme.dev/pg-advisor", false),
            ("evil.example/tab", "acme.dev/tap", false),
            ("evil.example/backup", "acme.dev/lookup", false),
        ] {
            let (one, other) = (PluginName::parse(one).unwrap(), PluginName::parse(other).unwrap());
            assert_eq!(find_similar(&one, [&one, &other].into_iter()).is_some(), similar, "{one} and {other}");
            assert_eq!(are_similar(&one, &other), are_similar(&other, &one));
        }
    }
}
