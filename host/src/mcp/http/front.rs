//! Answers one HTTP request: refuses what may not pass, serves health, and hands the rest to rmcp.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use http_body_util::Full;
use hyper::HeaderMap;
use hyper::Method;
use hyper::Request;
use hyper::Response;
use hyper::StatusCode;
use hyper::body::Incoming;
use hyper::header::ALLOW;
use hyper::header::CONNECTION;
use hyper::header::CONTENT_TYPE;
use hyper::header::HeaderName;
use hyper::header::HeaderValue;
use hyper::header::ORIGIN;
use hyper::header::RETRY_AFTER;
use hyper::header::WWW_AUTHENTICATE;
use rmcp::transport::StreamableHttpServerConfig;
use rmcp::transport::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::session::local::SessionConfig;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tower_http::cors::AllowHeaders;
use tower_http::cors::AllowOrigin;
use tower_http::cors::Cors;
use tower_http::cors::CorsLayer;
use tracing::warn;

use super::HttpOptions;
use super::Malformed;
use super::Readiness;
use super::Ready;
use super::access::Access;
use super::access::Refusal;
use super::body;
use super::body::AnswerBody;
use super::body::BodyError;
use crate::mcp::server::Server;

/// JSON-RPC: the text is no JSON.
const PARSE_ERROR: i32 = -32700;

/// JSON-RPC: the JSON is no request.
const INVALID_REQUEST: i32 = -32600;

/// How long a browser may keep a preflight's answer.
const PREFLIGHT_AGE: Duration = Duration::from_hours(1);

/// What answers requests.
pub(super) struct Front {
    access: Access,
    path: String,
    max_body_bytes: usize,
    body_timeout: Duration,
    max_sessions: usize,
    ready: Ready,
    mcp: StreamableHttpService<Server, LocalSessionManager>,
    sessions: Arc<LocalSessionManager>,
    /// Ends rmcp's sessions and streams.
    cut: CancellationToken,
    draining: AtomicBool,
    /// Each call holds one until its answer is written.
    in_progress: mpsc::WeakSender<()>,
}

impl Front {
    /// What answers for `server`; every call holds a sender of `in_progress` until its answer is written.
    pub(super) fn new(options: &HttpOptions, access: Access, server: &Server, in_progress: mpsc::WeakSender<()>) -> Self {
        let cut = CancellationToken::new();
        let mut session_config = SessionConfig::default();
        session_config.keep_alive = Some(options.session_idle);
        let mut sessions = LocalSessionManager::default();
        sessions.session_config = session_config;
        let sessions = Arc::new(sessions);
        let config = StreamableHttpServerConfig::default()
            .with_json_response(true)
            // Both are checked here, with better answers.
            .disable_allowed_hosts()
            .disable_allowed_origins()
            .with_max_request_body_bytes(options.max_body_bytes)
            .with_cancellation_token(cut.clone());
        let server = server.clone();
        Self {
            access,
            path: options.path.clone(),
            max_body_bytes: options.max_body_bytes,
            body_timeout: options.body_timeout,
            max_sessions: options.max_sessions,
            ready: options.ready.clone(),
            mcp: StreamableHttpService::new(move || Ok(server.for_session()), sessions.clone(), config),
            sessions,
            cut,
            draining: AtomicBool::new(false),
            in_progress,
        }
    }

    /// From now on new requests get 503, and `/health/ready` too.
    pub(super) fn start_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Ends all sessions, streams and calls.
    pub(super) fn cut(&self) {
        self.cut.cancel();
    }

    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Answers `request`, which came in at the address `local`.
    pub(super) async fn answer(self: Arc<Self>, request: Request<Incoming>, local: SocketAddr) -> Response<AnswerBody> {
        if let Err(refusal) = self.access.check_source(request.headers(), local) {
            return refuse(&refusal);
        }
        if !request.headers().contains_key(ORIGIN) {
            return self.route(request).await;
        }
        let route = tower::service_fn(move |request| {
            let front = self.clone();
            async move { Ok::<_, Infallible>(front.route(request).await) }
        });
        match cors(route).oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    }

    async fn route(&self, request: Request<Incoming>) -> Response<AnswerBody> {
        let path = request.uri().path();
        match path {
            "/health/live" => health(request.method(), || answer(StatusCode::OK, &json!({ "status": "ok" }))),
            "/health/ready" => health(request.method(), || self.readiness()),
            _ if path.trim_end_matches('/') == self.path => self.mcp(request).await,
            _ => error(StatusCode::NOT_FOUND, "NOT_FOUND", &format!("nothing is here; the MCP endpoint is `{}`", self.path)),
        }
    }

    /// Says how many databases answer; not which, because anybody may ask.
    fn readiness(&self) -> Response<AnswerBody> {
        if self.is_draining() {
            return answer(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "shutting down" }));
        }
        let readiness = (self.ready)();
        let (code, status) = match readiness {
            readiness if !readiness.is_ready() => (StatusCode::SERVICE_UNAVAILABLE, "not ready"),
            Readiness { silent: 0, .. } => (StatusCode::OK, "ok"),
            Readiness { .. } => (StatusCode::OK, "degraded"),
        };
        let Readiness { answering, silent } = readiness;
        answer(code, &json!({ "status": status, "databases": { "answering": answering, "silent": silent } }))
    }

    async fn mcp(&self, request: Request<Incoming>) -> Response<AnswerBody> {
        let caller = match self.access.check_token(request.headers()) {
            Ok(caller) => caller,
            Err(refusal) => return refuse(&refusal),
        };
        // No sender is left to hold once draining has begun.
        let in_progress = self.in_progress.upgrade().filter(|_| !self.is_draining());
        let Some(in_progress) = in_progress else { return unavailable("the server is shutting down") };

        let (mut parts, body) = request.into_parts();
        let malformed = Malformed::default();
        parts.extensions.insert(caller);
        parts.extensions.insert(malformed.clone());
        if parts.method != Method::POST {
            // Streams of older clients: no call, so nothing waits for them at the end.
            return self.mcp.handle(Request::from_parts(parts, Full::new(Bytes::new()))).await.map(AnswerBody::from);
        }
        if !is_json(&parts.headers) {
            return error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", "the `Content-Type` must be `application/json`");
        }
        let body = match body::read(body, self.max_body_bytes, self.body_timeout).await {
            Ok(body) => body,
            Err(error) => return self.refuse_body(&error),
        };
        if let Err(error) = body::check(&body) {
            return self.refuse_body(&error);
        }
        if self.is_one_session_too_many(&parts.headers, &body).await {
            return unavailable("the server has as many sessions as it takes; try again later, or speak 2026-07-28, which has none");
        }
        let mut response = self.mcp.handle(Request::from_parts(parts, Full::new(body.clone()))).await;
        if response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            // What rmcp says of JSON that is no JSON-RPC; the type of the content was fine.
            return json_rpc_error(StatusCode::BAD_REQUEST, INVALID_REQUEST, "the body is no JSON-RPC message", id_of(&body));
        }
        if malformed.is_noted() && response.status() == StatusCode::OK {
            *response.status_mut() = StatusCode::BAD_REQUEST;
        }
        response.map(|body| AnswerBody::of_call(body, in_progress))
    }

    /// Whether the request would open a session beyond the limit.
    async fn is_one_session_too_many(&self, headers: &HeaderMap, body: &[u8]) -> bool {
        #[derive(Deserialize)]
        struct Opening {
            method: Option<String>,
        }

        // Cheap first: a client that has a session, or speaks of methods in headers, opens none.
        if headers.contains_key("mcp-session-id") || headers.contains_key("mcp-method") {
            return false;
        }
        let method = serde_json::from_slice::<Opening>(body).ok().and_then(|opening| opening.method);
        method.as_deref() == Some("initialize") && self.sessions.sessions.read().await.len() >= self.max_sessions
    }

    fn refuse_body(&self, error: &BodyError) -> Response<AnswerBody> {
        let (status, code, message) = match error {
            BodyError::TooLarge => {
                let message = format!("the body is larger than the limit of {} bytes", self.max_body_bytes);
                (StatusCode::PAYLOAD_TOO_LARGE, INVALID_REQUEST, message)
            }
            BodyError::TooSlow => {
                let message = format!("the body did not arrive within {:?}", self.body_timeout);
                (StatusCode::REQUEST_TIMEOUT, INVALID_REQUEST, message)
            }
            BodyError::Broken => (StatusCode::BAD_REQUEST, INVALID_REQUEST, "the body broke off".to_owned()),
            BodyError::NotJson(reason) => (StatusCode::BAD_REQUEST, PARSE_ERROR, format!("the body is no JSON: {reason}")),
            BodyError::TooDeep => (StatusCode::BAD_REQUEST, PARSE_ERROR, "the body nests too deeply; 64 levels are the limit".to_owned()),
            BodyError::NoObject => {
                let message = "the body must be one JSON-RPC object; there are no batches".to_owned();
                (StatusCode::BAD_REQUEST, INVALID_REQUEST, message)
            }
        };
        let mut response = json_rpc_error(status, code, &message, None);
        if matches!(error, BodyError::TooLarge | BodyError::TooSlow | BodyError::Broken) {
            // The rest of the body is still on its way: the connection is good for nothing else.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// Answers a question about health.
fn health(method: &Method, state: impl FnOnce() -> Response<AnswerBody>) -> Response<AnswerBody> {
    if method != Method::GET && method != Method::HEAD {
        let mut response = error(StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED", "health is asked with GET");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    state()
}

/// Answers browsers' questions. The origin was checked before: every one that gets here may read the answer.
fn cors<S>(inner: S) -> Cors<S> {
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::mirror_request())
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        // All that a page asks for: names of `Mcp-Param-*` headers are made of the names of arguments.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([HeaderName::from_static("mcp-session-id"), HeaderName::from_static("mcp-protocol-version"), WWW_AUTHENTICATE])
        .max_age(PREFLIGHT_AGE);
    tower::Layer::layer(&layer, inner)
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// The id of a request that is wrong in another way, so that its client can tell which it was.
fn id_of(body: &[u8]) -> Option<Value> {
    #[derive(Deserialize)]
    struct Identified {
        id: Option<Value>,
    }

    let id = serde_json::from_slice::<Identified>(body).ok()?.id?;
    (id.is_string() || id.is_i64()).then_some(id)
}

fn refuse(refusal: &Refusal) -> Response<AnswerBody> {
    match refusal {
        Refusal::BadHeader(name) => {
            error(StatusCode::BAD_REQUEST, "BAD_HEADER", &format!("the header `{name}` must come once and be readable"))
        }
        Refusal::Host(host) => {
            warn!(host = ?host, "Refused a request to {host:?}; if clients shall reach this server by that name, start it with `--allowed-host {host}`");
            error(
                StatusCode::FORBIDDEN,
                "HOST_NOT_ALLOWED",
                "this server does not go by that name; the operator can add it with `--allowed-host`",
            )
        }
        Refusal::Origin(origin) => {
            warn!(origin = ?origin, "Refused a page of {origin:?}; if it shall reach this server, start it with `--allowed-origin {origin}`");
            error(
                StatusCode::FORBIDDEN,
                "ORIGIN_NOT_ALLOWED",
                "pages of that origin may not call this server; the operator can add it with `--allowed-origin`",
            )
        }
        Refusal::Token => {
            let mut response =
                error(StatusCode::UNAUTHORIZED, "TOKEN_REQUIRED", "send the server's token as `Authorization: Bearer <token>`");
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            response
        }
    }
}

fn unavailable(message: &str) -> Response<AnswerBody> {
    let mut response = error(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", message);
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

fn error(status: StatusCode, code: &str, message: &str) -> Response<AnswerBody> {
    answer(status, &json!({ "error": { "code": code, "message": message } }))
}

/// A JSON-RPC error. MCP leaves the id out where it is not known.
fn json_rpc_error(status: StatusCode, code: i32, message: &str, id: Option<Value>) -> Response<AnswerBody> {
    let mut body = json!({ "jsonrpc": "2.0", "error": { "code": code, "message": message } });
    if let Some(id) = id {
        body["id"] = id;
    }
    answer(status, &body)
}

fn answer(status: StatusCode, body: &Value) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::from(Full::new(Bytes::from(body.to_string())).boxed()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
