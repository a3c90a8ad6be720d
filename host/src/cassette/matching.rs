//! Whether what is asked now is what was asked then. What was taken out of a recording matches whatever stands in its place.

use serde_json::Value as Json;

use super::redaction::MARK;

/// Whether `now` is what `recorded` says.
pub fn matches(recorded: &Json, now: &Json) -> bool {
    match (recorded, now) {
        (Json::String(recorded), now) if recorded == MARK => !now.is_null(),
        (Json::String(recorded), Json::String(now)) => matches_text(recorded, now),
        (Json::Number(one), Json::Number(other)) if one.is_f64() || other.is_f64() => one.as_f64() == other.as_f64(),
        (Json::Array(one), Json::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(recorded, now)| matches(recorded, now))
        }
        // Bytes that are none have no type to be seen by.
        (Json::Object(bytes), Json::Array(list)) => list.is_empty() && bytes.get("base64").is_some_and(|text| text == ""),
        (Json::Object(one), Json::Object(other)) => {
            one.len() == other.len() && one.iter().all(|(key, value)| other.get(key).is_some_and(|now| matches(value, now)))
        }
        (recorded, now) => recorded == now,
    }
}

/// The pieces between what was taken out have to be there, in their order.
fn matches_text(recorded: &str, now: &str) -> bool {
    let mut pieces = recorded.split(MARK);
    let Some(mut rest) = pieces.next().and_then(|first| now.strip_prefix(first)) else { return false };
    let pieces: Vec<&str> = pieces.collect();
    let Some((last, between)) = pieces.split_last() else { return rest.is_empty() };
    for piece in between {
        let Some(at) = rest.find(piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    rest.ends_with(last)
}
