//! Patterns of names: what a model writes, as the catalog takes it.

/// A pattern without `%` is a part of a name: models give words, and names have `_` in them.
pub(crate) fn of(text: Option<String>) -> Option<String> {
    let text = text.filter(|text| !text.is_empty())?;
    Some(if text.contains('%') { text } else { format!("%{text}%") })
}

/// A filter that a client left empty is one that it left out.
pub(crate) fn given(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty())
}
