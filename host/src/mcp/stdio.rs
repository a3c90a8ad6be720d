//! Serves one client on standard input and output: the process ends when its input ends.

use std::io;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::time::Duration;

use rmcp::ServiceExt;
use rmcp::service::QuitReason;
use rmcp::service::ServerInitializeError;
use rmcp::transport::async_rw::AsyncRwTransport;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use tokio_util::sync::CancellationToken;

use super::server::Server;

/// The longest line that is read, in bytes; a longer one is dropped and logged.
const LINE: usize = 4 << 20;

/// How long calls that run when the input ends may still take, so that `printf … | tidegate serve` gets its answers.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Why serving on standard input and output ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StdioError {
    /// The client did not open the conversation as MCP says.
    #[error("the client does not speak MCP")]
    Open(#[source] Box<ServerInitializeError>),
    /// The task that serves panicked.
    #[error("serving on standard input and output broke off")]
    Broken(#[source] tokio::task::JoinError),
}

/// Serves on standard input and output until the input ends or `shutdown` is cancelled. Nothing else may write to
/// standard output. Calls that are still running then are cancelled a second later.
///
/// # Errors
///
/// The client does not speak MCP.
pub async fn serve(server: Server, shutdown: CancellationToken) -> Result<(), StdioError> {
    let (input, output) = rmcp::transport::stdio_pipes();
    serve_on(server, input, output, shutdown).await
}

/// As [`serve`], on any pair of streams.
pub(super) async fn serve_on<R, W>(server: Server, input: R, output: W, shutdown: CancellationToken) -> Result<(), StdioError>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    let ended = CancellationToken::new();
    // Of its own, because a conversation that ends cancels it.
    let stop = CancellationToken::new();
    let input = UntilEnd { input, ended: ended.clone() };
    let transport = AsyncRwTransport::new_server(input, output).with_max_line_length(LINE);

    let conversation = async {
        let running = server.clone().serve_with_ct(transport, stop.clone()).await;
        match running {
            Ok(running) => match running.waiting().await {
                Ok(QuitReason::JoinError(error)) | Err(error) => Err(StdioError::Broken(error)),
                Ok(_) => Ok(()),
            },
            Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => Ok(()),
            Err(_) if ended.is_cancelled() => Ok(()),
            Err(error) => Err(StdioError::Open(Box::new(error))),
        }
    };
    let stopper = async {
        tokio::select! {
            () = ended.cancelled() => {
                server.close();
                tokio::time::sleep(LAST_ANSWERS).await;
            }
            () = shutdown.cancelled() => server.close(),
        }
        stop.cancel();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        result = conversation => result,
        () = stopper => Ok(()),
    }
}

/// Reads from `input` and tells when it has ended.
struct UntilEnd<R> {
    input: R,
    ended: CancellationToken,
}

impl<R: AsyncRead + Unpin> AsyncRead for UntilEnd<R> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.input).poll_read(context, buffer);
        match &read {
            Poll::Ready(Ok(())) if buffer.filled().len() > before || buffer.remaining() == 0 => {}
            Poll::Ready(_) => self.ended.cancel(),
            Poll::Pending => {}
        }
        read
    }
}
