//! Compares what was expected with what came, and says where they part.

use serde_json::Value as Json;

/// Where `actual` is not what is expected; `None` when it is. Numbers are equal when their values are.
pub(super) fn difference(what: &str, expected: &Json, actual: &Json) -> Option<String> {
    differs(expected, actual, false).then(|| told(what, expected, actual))
}

/// As [`difference`], where objects may have more than is expected of them.
pub(super) fn missing(what: &str, expected: &Json, actual: &Json) -> Option<String> {
    differs(expected, actual, true).then(|| told(what, expected, actual))
}

fn told(what: &str, expected: &Json, actual: &Json) -> String {
    format!("{what}\n    expected {expected}\n         got {actual}")
}

fn differs(expected: &Json, actual: &Json, more_is_fine: bool) -> bool {
    match (expected, actual) {
        (Json::Number(one), Json::Number(other)) => match (one.as_i64(), other.as_i64()) {
            (Some(one), Some(other)) => one != other,
            _ => one.as_f64() != other.as_f64(),
        },
        (Json::Array(one), Json::Array(other)) => {
            one.len() != other.len() || one.iter().zip(other).any(|(one, other)| differs(one, other, more_is_fine))
        }
        (Json::Object(one), Json::Object(other)) => {
            let same = |(name, value): (&String, &Json)| other.get(name).is_some_and(|other| !differs(value, other, more_is_fine));
            // A TOML file has no null: `{ null = true }` stands for it.
            (!more_is_fine && one.len() != other.len()) || !one.iter().all(same)
        }
        (Json::Object(one), Json::Null) => one.get("null") != Some(&Json::Bool(true)) || one.len() != 1,
        _ => expected != actual,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_compared_by_value_and_null_is_written() {
        assert_eq!(difference("", &json!([1, 2.0, { "null": true }]), &json!([1.0, 2, null])), None);
        assert!(difference("", &json!([1]), &json!([2])).is_some());
        assert!(difference("", &json!({ "null": true }), &json!(0)).is_some());
        assert!(difference("", &json!(9_007_199_254_740_993_i64), &json!(9_007_199_254_740_992_i64)).is_some());
    }

    #[test]
    fn more_than_expected_is_told_where_it_matters() {
        let (expected, actual) = (json!({ "a": { "b": 1 } }), json!({ "a": { "b": 1, "c": 2 }, "d": 3 }));
        assert!(difference("it", &expected, &actual).is_some());
        assert_eq!(missing("it", &expected, &actual), None);
        assert!(missing("it", &actual, &expected).is_some());
    }
}
