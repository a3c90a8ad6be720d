//! Bodies that end at their limits.

use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::time::Instant;

use bytes::Bytes;
use hyper::body::Body;
use hyper::body::Frame;
use hyper::body::SizeHint;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;
use wasmtime_wasi_http::Error;

/// A body that fails when it is too large or too late.
pub(super) struct Bounded<B> {
    inner: Pin<Box<B>>,
    left: u64,
    limit: u64,
    /// What it is told when it is too large.
    too_large: fn(Option<u64>) -> Error,
    late: Pin<Box<Sleep>>,
    /// The place among the plugin's requests, kept for as long as the body is read.
    _place: Option<OwnedSemaphorePermit>,
}

impl<B> Bounded<B> {
    /// `inner` with at most `limit` bytes, until `until`.
    pub(super) fn new(inner: B, limit: u64, too_large: fn(Option<u64>) -> Error, until: Instant) -> Self {
        let late = Box::pin(tokio::time::sleep_until(until.into()));
        Self { inner: Box::pin(inner), left: limit, limit, too_large, late, _place: None }
    }

    /// The same, keeping a place until it is dropped.
    pub(super) fn keeping(self, place: OwnedSemaphorePermit) -> Self {
        Self { _place: Some(place), ..self }
    }
}

impl<B> Body for Bounded<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Error>,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.late.as_mut().poll(context).is_ready() {
            return Poll::Ready(Some(Err(Error::HttpResponseTimeout)));
        }
        let frame = match std::task::ready!(self.inner.as_mut().poll_frame(context)) {
            None => return Poll::Ready(None),
            Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
            Some(Ok(frame)) => frame,
        };
        let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
        match self.left.checked_sub(bytes) {
            Some(left) => self.left = left,
            None => return Poll::Ready(Some(Err((self.too_large)(Some(self.limit))))),
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
