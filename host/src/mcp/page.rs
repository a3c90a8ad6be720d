//! Pages of lists that are sorted by a key: the cursor is the last key shown, made opaque.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rmcp::ErrorData;
use rmcp::model::PaginatedRequestParams;

/// One page and, when more follows, the cursor of the next.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page<'a, T> {
    /// What to show.
    pub items: &'a [T],
    /// Continues after them.
    pub next: Option<String>,
}

/// Cuts the page that `request` asks for out of `items`, which are sorted by `key`.
///
/// A cursor stays good when its item goes away: the page begins after where it stood.
///
/// # Errors
///
/// `-32602` for a cursor that was not given out for the list called `list`.
pub(super) fn page<'a, T>(
    list: &str,
    items: &'a [T],
    key: impl Fn(&T) -> &str,
    request: Option<PaginatedRequestParams>,
    size: usize,
) -> Result<Page<'a, T>, ErrorData> {
    let from = match request.and_then(|request| request.cursor) {
        None => 0,
        Some(cursor) => {
            let last = decode(list, &cursor).ok_or_else(|| ErrorData::invalid_params("invalid cursor: list again from the start", None))?;
            items.partition_point(|item| key(item) <= last.as_str())
        }
    };
    let to = (from + size.max(1)).min(items.len());
    let items_of_page = &items[from..to];
    let next = items_of_page.last().filter(|_| to < items.len()).map(|last| encode(list, key(last)));
    Ok(Page { items: items_of_page, next })
}

fn encode(list: &str, key: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{list}:{key}"))
}

fn decode(list: &str, cursor: &str) -> Option<String> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    Some(text.strip_prefix(list)?.strip_prefix(':')?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(cursor: &str) -> Option<PaginatedRequestParams> {
        Some(PaginatedRequestParams::default().with_cursor(Some(cursor.to_owned())))
    }

    #[test]
    fn pages_cover_every_item_once() {
        let items = ["a", "b", "c", "d", "e"];
        let mut seen = Vec::new();
        let mut request = None;
        loop {
            let page = page("tools", &items, |item| item, request, 2).unwrap();
            seen.extend_from_slice(page.items);
            match page.next {
                Some(next) => request = at(&next),
                None => break,
            }
        }
        assert_eq!(seen, items);
    }

    #[test]
    fn a_cursor_survives_the_loss_of_its_item() {
        let first = page("tools", &["a", "b", "c"], |item| item, None, 2).unwrap().next.unwrap();
        assert_eq!(page("tools", &["a", "c"], |item| item, at(&first), 2).unwrap().items, ["c"]);
    }

    #[test]
    fn a_cursor_of_another_list_is_invalid() {
        let cursor = page("prompts", &["a", "b"], |item| item, None, 1).unwrap().next.unwrap();
        for bad in [cursor.as_str(), "", "nonsense", "!!"] {
            assert!(page("tools", &["a", "b"], |item| item, at(bad), 1).is_err(), "{bad}");
        }
    }
}
