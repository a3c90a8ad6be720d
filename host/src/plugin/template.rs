//! URI templates of level 1 (RFC 6570 §1.2): `{name}` stands for one or more characters without a slash.

/// Whether `uri` is one that `template` describes.
pub(super) fn matches(template: &str, uri: &str) -> bool {
    match template.split_once('{') {
        None => template == uri,
        Some((before, rest)) => {
            let Some(uri) = uri.strip_prefix(before) else { return false };
            let Some((_, after)) = rest.split_once('}') else { return false };
            let longest = uri.find('/').unwrap_or(uri.len());
            // From the longest value down, so that what follows the placeholder decides.
            (1..=longest).rev().filter(|end| uri.is_char_boundary(*end)).any(|end| matches(after, &uri[end..]))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_takes_one_segment() {
        assert!(matches("test://template/{id}/data", "test://template/12/data"));
        assert!(!matches("test://template/{id}/data", "test://template/1/2/data"));
        assert!(!matches("test://template/{id}/data", "test://template//data"));
        assert!(matches("a://{x}.{y}", "a://b.c"));
        assert!(matches("a://fixed", "a://fixed"));
        assert!(!matches("a://{broken", "a://b"));
    }
}
