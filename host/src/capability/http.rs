//! `wasi:http`, outgoing only: every request of a guest passes one gate, whatever its library made of it.
//!
//! The gate takes the request apart (`target`), asks the grants, resolves the name once, refuses it when any of its addresses is
//! one that plugins must not reach (`address`), and connects to exactly the addresses that were looked at (`connect`). A
//! redirect is an answer like any other: a guest that follows it comes through the gate again. What grants nothing says
//! nothing: to the guest, a host that it may not ask and a path that it may not ask look the same.

mod address;
mod body;
mod client;
mod connect;
mod target;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use http::HeaderName;
use http::Request;
use http::Response;
use wasmtime::component::Linker;
use wasmtime_wasi_http::DEFAULT_FORBIDDEN_HEADERS;
use wasmtime_wasi_http::Error;
use wasmtime_wasi_http::ForbiddenHeaderFilter;
use wasmtime_wasi_http::RequestOptions;
use wasmtime_wasi_http::WasiBody;
use wasmtime_wasi_http::WasiHttpCtx;
use wasmtime_wasi_http::WasiHttpCtxView;
use wasmtime_wasi_http::WasiHttpHooks;
use wasmtime_wasi_http::WasiHttpView;

use crate::call::Call;
use crate::call::CallId;
use crate::capability::Guest;
use crate::capability::Services;
use crate::capability::State;
use crate::capability::call_reads::CallReads;

pub use client::HttpClient;
pub use connect::Resolve;
pub use connect::Resolving;

/// Interfaces that [`add_to_linker`] links, as import names begin.
pub const INTERFACES: [&str; 2] = ["wasi:http/types@0.2.", "wasi:http/outgoing-handler@0.2."];

/// Requests of one call.
const REQUESTS: u32 = 64;

/// The longest that one request takes, its answer included.
const LONGEST: Duration = Duration::from_secs(30);

/// Bytes that the headers of one request or answer may take in memory.
const FIELD_BYTES: usize = 64 << 10;

/// Links `wasi:http`.
///
/// # Errors
///
/// None that a plugin can cause.
pub fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)
}

/// What one instance has of `wasi:http`.
pub struct HttpState {
    context: WasiHttpCtx,
    gate: Gate,
}

impl HttpState {
    /// The state of a new call.
    pub fn new(call: &Call, guest: &Arc<Guest>, services: &Services) -> Self {
        let mut context = WasiHttpCtx::new();
        context.set_field_size_limit(FIELD_BYTES);
        let gate = Gate {
            guest: guest.clone(),
            client: services.http.clone(),
            reads: services.reads.clone(),
            call: call.id,
            deadline: call.deadline,
            requests: 0,
        };
        Self { context, gate }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        self.has_asked_host = true;
        WasiHttpCtxView { hooks: &mut self.http.gate, table: &mut self.table, ctx: &mut self.http.context }
    }
}

/// What requests of one call pass.
struct Gate {
    guest: Arc<Guest>,
    client: Arc<HttpClient>,
    reads: Option<Arc<CallReads>>,
    call: CallId,
    deadline: Instant,
    requests: u32,
}

/// What sending gives: the answer, and what has to run while its body is read.
type Sent = (Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>);

impl WasiHttpHooks for Gate {
    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        Arc::new(is_forbidden)
    }

    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Result<Sent, Error>> + Send> {
        if let Some(reads) = &self.reads {
            reads.spoil();
        }
        self.requests += 1;
        if self.requests > REQUESTS {
            let id = &self.guest.id;
            tracing::warn!(plugin.id = %id, call.id = %self.call, "Plugin `{id}` may send {REQUESTS} requests in one call, and wants to send more");
            return Box::new(async { Err(Error::HttpRequestDenied) });
        }
        let until = self.deadline.min(Instant::now() + LONGEST);
        let (client, guest, call) = (self.client.clone(), self.guest.clone(), self.call);
        Box::new(async move { client.send(&guest, call, request, options, until).await })
    }
}

/// Headers that are the host's own: those of the connection, and those that speak to whoever stands between.
fn is_forbidden(name: &HeaderName) -> bool {
    DEFAULT_FORBIDDEN_HEADERS.contains(name) || name.as_str().starts_with("proxy-") || matches!(name.as_str(), "te" | "trailer" | "expect")
}
