//! Takes connections, a bounded number at a time, and serves HTTP/1.1 on them.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::debug;
use tracing::warn;

use super::HttpOptions;
use super::front::Front;
use super::patience::Limits;
use super::patience::Pace;
use super::patience::Patient;

/// Header lines of one request.
const MAX_HEADERS: usize = 64;

/// Bytes that a request's head may have.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// How long to wait after the system refused to accept, for example for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long connections have at the end to write what they hold.
const LAST_WRITES: Duration = Duration::from_secs(1);

/// The connections of a server.
pub(super) struct Connections {
    listener: TcpListener,
    front: Arc<Front>,
    http: http1::Builder,
    limits: Limits,
    room: Arc<Semaphore>,
    open: JoinSet<()>,
    closing: CancellationToken,
}

impl Connections {
    /// Connections that come in at `listener` and are answered by `front`.
    pub(super) fn new(listener: TcpListener, front: Arc<Front>, options: &HttpOptions) -> Self {
        let mut http = http1::Builder::new();
        http.max_headers(MAX_HEADERS).max_buf_size(MAX_HEAD_BYTES);
        let limits = Limits { idle: options.idle_timeout, head: options.header_timeout, write: options.write_timeout };
        let room = Arc::new(Semaphore::new(options.max_connections));
        Self { listener, front, http, limits, room, open: JoinSet::new(), closing: CancellationToken::new() }
    }

    /// Accepts for ever. May be dropped and called again at any time.
    pub(super) async fn accept(&mut self) {
        loop {
            tokio::select! {
                (stream, permit) = next(&self.listener, &self.room) => self.serve(stream, permit),
                Some(_) = self.open.join_next() => {}
            }
        }
    }

    /// Lets every connection write what it holds, at most for a second, and closes it.
    pub(super) async fn close(mut self) {
        drop(self.listener);
        self.closing.cancel();
        let ended = async { while self.open.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(LAST_WRITES, ended).await;
        self.open.abort_all();
    }

    fn serve(&mut self, stream: TcpStream, permit: OwnedSemaphorePermit) {
        // Without it, an answer of several writes waits for the client's delayed acknowledgment: 40 ms.
        let _ = stream.set_nodelay(true);
        let Ok(local) = stream.local_addr() else { return };
        let front = self.front.clone();
        let closing = self.closing.clone();
        let pace = Arc::new(Pace::default());
        let stream = Patient::new(stream, self.limits, pace.clone());
        let service = service_fn(move |request| {
            let front = front.clone();
            let call = pace.begin_call();
            async move {
                let response = front.answer(request, local).await;
                Ok::<_, Infallible>(response.map(|body| body.until_written(call)))
            }
        });
        let connection = self.http.serve_connection(TokioIo::new(stream), service);
        self.open.spawn(async move {
            let _permit = permit;
            let mut connection = pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = closing.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                debug!(%error, "A connection ended early: {error}");
            }
        });
    }
}

/// The next connection, once there is room for it.
async fn next(listener: &TcpListener, room: &Arc<Semaphore>) -> (TcpStream, OwnedSemaphorePermit) {
    let permit = room.clone().acquire_owned().await.expect("the semaphore is never closed");
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, permit),
            Err(error) => {
                warn!(%error, "Could not accept a connection: {error}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
