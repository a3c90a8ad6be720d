//! Reads the body of a request within its limits and sees that it is JSON, before rmcp does.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::LengthLimitError;
use http_body_util::Limited;
use hyper::body::Body;
use serde::de::IgnoredAny;

/// Levels of arrays and objects in each other.
const DEPTH: usize = 64;

/// Why a body is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BodyError {
    /// Larger than allowed.
    TooLarge,
    /// Did not arrive in time.
    TooSlow,
    /// Broke off.
    Broken,
    /// Not JSON; where it stops to be.
    NotJson(String),
    /// Too many levels.
    TooDeep,
    /// JSON, and no object: MCP has no batches.
    NoObject,
}

/// Reads a body: at most `limit_bytes`, within `timeout`.
pub(super) async fn read<B>(body: B, limit_bytes: usize, timeout: Duration) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // What is announced too large need not be read.
    if body.size_hint().lower() > limit_bytes as u64 {
        return Err(BodyError::TooLarge);
    }
    match tokio::time::timeout(timeout, Limited::new(body, limit_bytes).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge),
        Ok(Err(_)) => Err(BodyError::Broken),
        Err(_) => Err(BodyError::TooSlow),
    }
}

/// Sees that `body` is one JSON object of bearable depth.
pub(super) fn check(body: &[u8]) -> Result<(), BodyError> {
    // First, because a parser may follow the depth on its stack.
    if is_too_deep(body) {
        return Err(BodyError::TooDeep);
    }
    serde_json::from_slice::<IgnoredAny>(body).map_err(|error| BodyError::NotJson(error.to_string()))?;
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') => Ok(()),
        _ => Err(BodyError::NoObject),
    }
}

/// Whether brackets outside of strings nest deeper than allowed.
fn is_too_deep(body: &[u8]) -> bool {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for byte in body {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => {
                depth += 1;
                if depth > DEPTH {
                    return true;
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use http_body_util::Full;

    use super::*;

    #[test]
    fn depth_counts_brackets_outside_of_strings() {
        let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(check(nested(DEPTH - 1).as_bytes()), Ok(()));
        assert_eq!(check(nested(DEPTH).as_bytes()), Err(BodyError::TooDeep));
        assert_eq!(check(nested(1_000_000).as_bytes()), Err(BodyError::TooDeep));
        assert_eq!(check(format!("{{\"a\":\"\\\"{}\"}}", "[".repeat(1000)).as_bytes()), Ok(()));
    }

    #[test]
    fn only_an_object_is_a_message() {
        assert_eq!(check(b" {} "), Ok(()));
        assert_eq!(check(b"[{}]"), Err(BodyError::NoObject));
        for bad in ["", "{", "{}{}", "nonsense", "{\"a\":}", "{\"a\":1,}"] {
            assert!(matches!(check(bad.as_bytes()), Err(BodyError::NotJson(_))), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_body_over_its_limit_is_refused() {
        let read = |size: usize| read(Full::new(Bytes::from(vec![b'x'; size])), 10, Duration::from_secs(1));
        assert_eq!(read(10).await.unwrap().len(), 10);
        assert_eq!(read(11).await, Err(BodyError::TooLarge));
    }
}
