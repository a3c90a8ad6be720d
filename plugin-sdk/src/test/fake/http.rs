//! The fake of outgoing HTTP: answers what the test announced, and denies the rest as a host without a grant does.

use crate::http::Error;
use crate::http::Request;
use crate::http::Response;
use crate::test::Event;
use crate::test::state;

pub(crate) fn send(request: Request) -> Result<Response, Error> {
    let state = state();
    let mut state = state.borrow_mut();
    let answer = state.responses.get(&(request.method.clone(), request.url.clone())).cloned();
    state.events.push(Event::Sent(request));
    answer.unwrap_or(Err(Error::Denied))
}
