//! Reads the body of a request within its limits and sees that it is JSON, before rmcp does; and the body of an answer.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::LengthLimitError;
use http_body_util::Limited;
use http_body_util::combinators::BoxBody;
use hyper::body::Body;
use hyper::body::Frame;
use hyper::body::SizeHint;
use serde::de::IgnoredAny;
use tokio::sync::mpsc;

use super::patience::InCall;

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

/// The body of an answer, and with it the mark that its call is in progress.
#[derive(Default)]
pub(super) struct AnswerBody {
    body: BoxBody<Bytes, Infallible>,
    /// Goes away with the body, when its last frame was taken or its connection is gone.
    _in_progress: Option<mpsc::Sender<()>>,
    /// Goes away with the body, too: the connection is idle then.
    _call: Option<InCall>,
}

impl AnswerBody {
    /// The body of a call's answer.
    pub(super) fn of_call(body: BoxBody<Bytes, Infallible>, in_progress: mpsc::Sender<()>) -> Self {
        Self { body, _in_progress: Some(in_progress), _call: None }
    }

    /// The body, holding `call` until it is written.
    pub(super) fn until_written(self, call: InCall) -> Self {
        Self { _call: Some(call), ..self }
    }
}

impl From<BoxBody<Bytes, Infallible>> for AnswerBody {
    fn from(body: BoxBody<Bytes, Infallible>) -> Self {
        Self { body, _in_progress: None, _call: None }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    /// Exact for an answer in one piece, so that it goes out with its length and not in chunks.
    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
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
