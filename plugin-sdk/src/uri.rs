//! URI templates of level 1 (RFC 6570): matching a URI against one, and making a URI from one.

/// The values of the placeholders of a template, decoded, in the order of the template.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables(Vec<(String, String)>);

impl Variables {
    /// The value of one placeholder; empty when the template has none of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }
}

/// The values of a URI's placeholders; none when it does not match. A placeholder takes one or more characters up to the
/// next `/`, `?` or `#`, or up to the text that follows it in the template.
#[must_use]
pub fn matches(template: &str, uri: &str) -> Option<Variables> {
    let mut variables = Variables::default();
    let (mut template, mut uri) = (template, uri);
    while let Some((literal, rest)) = template.split_once('{') {
        uri = uri.strip_prefix(literal)?;
        let (name, after) = rest.split_once('}')?;
        let stop = after.chars().next();
        let end = uri.find(|character| matches!(character, '/' | '?' | '#') || Some(character) == stop).unwrap_or(uri.len());
        let (value, remaining) = uri.split_at(end);
        if value.is_empty() {
            return None;
        }
        variables.0.push((name.to_owned(), decode(value)?));
        (template, uri) = (after, remaining);
    }
    (template == uri).then_some(variables)
}

/// Percent-encodes everything but unreserved characters, so that the text can be one part of a URI.
#[must_use]
pub fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded += &format!("%{byte:02X}");
        }
    }
    encoded
}

/// Undoes percent-encoding; none when a `%` is not followed by two hexadecimal digits or the bytes are not UTF-8.
#[must_use]
pub fn decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = char::from(bytes.next()?).to_digit(16)?;
            let low = char::from(bytes.next()?).to_digit(16)?;
            decoded.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "tidegate://{database}/{schema}/{table}";

    #[test]
    fn a_uri_gives_its_placeholders_decoded() {
        let variables = matches(TABLE, "tidegate://main/public/Order%20Details").expect("it matches");
        assert_eq!(variables.get("database"), "main");
        assert_eq!(variables.get("schema"), "public");
        assert_eq!(variables.get("table"), "Order Details");
        assert_eq!(variables.get("nothing"), "");
        assert_eq!(matches("test://template/{id}/data", "test://template/123/data").expect("it matches").get("id"), "123");
    }

    #[test]
    fn a_uri_of_another_shape_does_not_match() {
        for uri in
            ["tidegate://main/public", "tidegate://main/public/", "tidegate://main/public/a/b", "tidegate:///public/a", "other://a/b/c", ""]
        {
            assert_eq!(matches(TABLE, uri), None, "{uri}");
        }
    }

    #[test]
    fn bad_encoding_does_not_match() {
        for uri in ["tidegate://a/b/%", "tidegate://a/b/%zz", "tidegate://a/b/%2", "tidegate://a/b/%FF", "tidegate://a/b/%é1"] {
            assert_eq!(matches(TABLE, uri), None, "{uri}");
        }
    }

    #[test]
    fn encoding_and_decoding_undo_each_other() {
        for text in ["", "a", "a/b", "a b%", "größe", "日本", "a?b#c&d"] {
            assert_eq!(decode(&encode(text)).as_deref(), Some(text));
            assert!(!encode(text).contains('/'));
        }
    }
}
