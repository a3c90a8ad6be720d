//! Patterns over the text of statements: `*` is any text, `?` any one character.

/// A pattern that a whole text is held against. Letters count in either case, as they do in SQL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    characters: Vec<char>,
}

impl Pattern {
    /// The pattern of this text. Every text is one; a text without `*` and `?` stands for itself.
    pub fn new(text: &str) -> Self {
        Self { characters: text.chars().flat_map(char::to_lowercase).collect() }
    }

    /// Whether the whole of `text` fits.
    ///
    /// After a mismatch only the last `*` is tried further on, which is enough for patterns of this kind and keeps a hostile
    /// one from taking more than the product of both lengths.
    pub fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().flat_map(char::to_lowercase).collect();
        let (mut at, mut in_pattern) = (0, 0);
        let mut last_star = None;
        while at < text.len() {
            match self.characters.get(in_pattern) {
                Some('*') => {
                    last_star = Some((in_pattern, at));
                    in_pattern += 1;
                }
                Some(&c) if c == '?' || c == text[at] => {
                    at += 1;
                    in_pattern += 1;
                }
                _ => {
                    let Some((star, covered)) = last_star else { return false };
                    last_star = Some((star, covered + 1));
                    (in_pattern, at) = (star + 1, covered + 1);
                }
            }
        }
        self.characters[in_pattern..].iter().all(|c| *c == '*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_covers_the_whole_text() {
        let fits = |pattern, text| Pattern::new(pattern).matches(text);
        assert!(fits("*", "") && fits("*", "select 1") && fits("", "") && fits("select ?", "SELECT 1"));
        assert!(fits("*from orders*", "select * from orders where a = 1") && fits("*a*b", "xxaxbxab") && fits("é?", "Éa"));
        assert!(!fits("", "a") && !fits("?", "") && !fits("select", "select 1") && !fits("*a*b", "xxaxbxa") && !fits("from*", "a from b"));
    }

    #[test]
    fn a_hostile_pattern_ends_soon() {
        assert!(!Pattern::new(&format!("{}b", "*a".repeat(500))).matches(&"a".repeat(5_000)));
    }
}
