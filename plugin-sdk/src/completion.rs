//! Completion of arguments while a person types.

pub use crate::bindings::completion::exports::tidegate::plugin::completion::Completions;
pub use crate::bindings::completion::exports::tidegate::plugin::completion::Request as CompletionRequest;
pub use crate::bindings::completion::exports::tidegate::plugin::completion::Target;

/// The host passes on at most this many values.
const SHOWN: usize = 100;

impl CompletionRequest {
    /// The value of another argument that was filled in before; none when it was not or is empty.
    #[must_use]
    pub fn given(&self, name: &str) -> Option<&str> {
        self.context.iter().find(|(known, value)| known == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// Of these candidates, what the typed text may become: names that begin with it, then names that contain it, case
    /// not counting.
    pub fn choose(&self, candidates: impl IntoIterator<Item = String>) -> Completions {
        let typed = self.value.to_lowercase();
        let (mut beginning, mut containing) = (Vec::new(), Vec::new());
        for candidate in candidates {
            match candidate.to_lowercase().find(&typed) {
                Some(0) => beginning.push(candidate),
                Some(_) => containing.push(candidate),
                None => {}
            }
        }
        beginning.append(&mut containing);
        let total = u32::try_from(beginning.len()).ok();
        beginning.truncate(SHOWN);
        Completions { values: beginning, total }
    }
}

impl Completions {
    /// Nothing to offer: the argument is not known, or what it depends on is not.
    #[must_use]
    pub const fn none() -> Self {
        Self { values: Vec::new(), total: Some(0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(value: &str) -> CompletionRequest {
        CompletionRequest {
            target: Target::Prompt("p".into()),
            argument: "table".into(),
            value: value.into(),
            context: vec![("schema".into(), String::new())],
        }
    }

    #[test]
    fn names_that_begin_with_the_text_come_before_names_that_contain_it() {
        let names = ["PlaylistTrack", "Album", "Track", "track_log"].map(str::to_owned);
        assert_eq!(request("tra").choose(names.clone()).values, ["Track", "track_log", "PlaylistTrack"]);
        assert_eq!(request("").choose(names.clone()).values.len(), 4);
        assert_eq!(request("x").choose(names).values.len(), 0);
    }

    #[test]
    fn a_long_list_is_cut_and_says_how_long_it_was() {
        let completions = request("").choose((0..250).map(|number| number.to_string()));
        assert_eq!((completions.values.len(), completions.total), (100, Some(250)));
    }

    #[test]
    fn an_empty_argument_counts_as_not_given() {
        assert_eq!(request("").given("schema"), None);
    }
}
