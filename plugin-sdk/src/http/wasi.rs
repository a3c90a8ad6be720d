//! `wasi:http`, as much of it as one request takes.

use wasip2::http::outgoing_handler;
use wasip2::http::types::ErrorCode;
use wasip2::http::types::Fields;
use wasip2::http::types::IncomingBody;
use wasip2::http::types::IncomingResponse;
use wasip2::http::types::Method;
use wasip2::http::types::OutgoingBody;
use wasip2::http::types::OutgoingRequest;
use wasip2::http::types::Scheme;
use wasip2::io::streams::StreamError;

use super::Error;
use super::Request;
use super::Response;

/// Bytes that `blocking-write-and-flush` takes at once.
const CHUNK: usize = 4096;

/// Bytes that are read at once.
const READ: u64 = 64 << 10;

pub(super) fn send(request: Request) -> Result<Response, Error> {
    let Request { method, url, headers, body } = request;
    let fields = Fields::from_list(&headers).map_err(|_| Error::InvalidHeader)?;
    let outgoing = OutgoingRequest::new(fields);
    address(&outgoing, &method, &url).ok_or(Error::InvalidUrl)?;
    let outgoing_body = outgoing.body().map_err(|()| failed("the request has no body"))?;
    let future = outgoing_handler::handle(outgoing, None).map_err(error)?;
    write(outgoing_body, &body)?;
    future.subscribe().block();
    let response = future.get().and_then(Result::ok).ok_or_else(|| failed("the answer is not there"))?.map_err(error)?;
    read(&response)
}

/// Sets method and target; none when they are not what they should be.
fn address(outgoing: &OutgoingRequest, method: &str, url: &str) -> Option<()> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = match scheme {
        "https" => Scheme::Https,
        "http" => Scheme::Http,
        _ => return None,
    };
    let rest = rest.split('#').next().unwrap_or(rest);
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    outgoing.set_method(&method_of(method)).ok()?;
    outgoing.set_scheme(Some(&scheme)).ok()?;
    outgoing.set_authority(Some(authority)).ok()?;
    outgoing.set_path_with_query(Some(&path)).ok()
}

fn method_of(method: &str) -> Method {
    match method {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

fn write(body: OutgoingBody, bytes: &[u8]) -> Result<(), Error> {
    if !bytes.is_empty() {
        let stream = body.write().map_err(|()| failed("the request cannot be written"))?;
        for chunk in bytes.chunks(CHUNK) {
            // What ends a request before all of it is written is told by its answer.
            if stream.blocking_write_and_flush(chunk).is_err() {
                break;
            }
        }
    }
    // An error here is one of the request, and so of its answer.
    let _ = OutgoingBody::finish(body, None);
    Ok(())
}

fn read(response: &IncomingResponse) -> Result<Response, Error> {
    let headers = response.headers().entries();
    let incoming = response.consume().map_err(|()| failed("the answer has no body"))?;
    let body = read_body(&incoming)?;
    Ok(Response { status: response.status(), headers, body })
}

fn read_body(incoming: &IncomingBody) -> Result<Vec<u8>, Error> {
    let stream = incoming.stream().map_err(|()| failed("the answer cannot be read"))?;
    let mut body = Vec::new();
    loop {
        match stream.blocking_read(READ) {
            Ok(bytes) => body.extend_from_slice(&bytes),
            Err(StreamError::Closed) => return Ok(body),
            Err(StreamError::LastOperationFailed(cause)) => {
                let code = wasip2::http::types::http_error_code(&cause);
                return Err(code.map_or_else(|| error_in(&cause.to_debug_string()), error));
            }
        }
    }
}

fn failed(text: &str) -> Error {
    Error::Failed(text.to_owned())
}

/// What a host says that gives an error of the body no code, as wasmtime 48 does.
fn error_in(words: &str) -> Error {
    let words = words.to_lowercase();
    if words.contains("body size exceeds") {
        Error::TooLarge
    } else if words.contains("timeout") {
        Error::TimedOut
    } else {
        failed("the answer ended before its time")
    }
}

fn error(code: ErrorCode) -> Error {
    match code {
        ErrorCode::HttpRequestUriInvalid | ErrorCode::HttpRequestUriTooLong | ErrorCode::HttpRequestMethodInvalid => Error::InvalidUrl,
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => Error::Denied,
        ErrorCode::ConfigurationError => Error::Unconfigured,
        ErrorCode::DnsError(_)
        | ErrorCode::DnsTimeout
        | ErrorCode::DestinationNotFound
        | ErrorCode::DestinationUnavailable
        | ErrorCode::ConnectionRefused
        | ErrorCode::ConnectionTerminated
        | ErrorCode::ConnectionLimitReached => Error::Unreachable,
        ErrorCode::ConnectionTimeout | ErrorCode::ConnectionReadTimeout | ErrorCode::HttpResponseTimeout => Error::TimedOut,
        ErrorCode::HttpRequestBodySize(_)
        | ErrorCode::HttpRequestHeaderSectionSize(_)
        | ErrorCode::HttpResponseBodySize(_)
        | ErrorCode::HttpResponseHeaderSectionSize(_) => Error::TooLarge,
        other => Error::Failed(format!("{other:?}")),
    }
}
