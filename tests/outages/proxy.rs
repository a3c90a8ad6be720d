//! A TCP proxy that cuts, stalls and delays what goes through it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What happens to connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weather {
    /// All goes through.
    Fair,
    /// All goes through this much later, in both directions.
    Slow(Duration),
    /// Nothing goes through, and nobody is told: as behind a firewall that drops packets.
    Frozen,
    /// Connections are cut, and new ones too.
    Cut,
    /// A connection is cut when a `COMMIT` has gone through and before its answer has.
    SwallowsCommits,
}

/// The proxy. Dropping it cuts everything.
pub(crate) struct Proxy {
    port: u16,
    weather: Arc<watch::Sender<Weather>>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free port and hands on to `port`.
    pub(crate) async fn new(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let weather = Arc::new(watch::Sender::new(Weather::Fair));
        let sender = weather.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, SocketAddr::from(([127, 0, 0, 1], port)), sender.subscribe()));
            }
        });
        Self { port: own, weather, accepting }
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Changes what happens from now on.
    pub(crate) fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.weather.send_replace(Weather::Cut);
    }
}

async fn carry(client: TcpStream, server: SocketAddr, mut weather: watch::Receiver<Weather>) {
    if until_moving(&mut weather).await.is_none() {
        return;
    }
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let cut = async {
        let mut weather = weather.clone();
        let _ = weather.wait_for(|weather| *weather == Weather::Cut).await;
    };
    let swallowing = AtomicBool::new(false);
    tokio::select! {
        () = cut => {}
        () = copy(from_client, to_server, weather.clone(), &swallowing, true) => {}
        () = copy(from_server, to_client, weather.clone(), &swallowing, false) => {}
    }
}

/// Hands on one direction, until either end closes.
async fn copy(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut weather: watch::Receiver<Weather>,
    swallowing: &AtomicBool,
    to_server: bool,
) {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let Ok(read) = from.read(&mut buffer).await else { return };
        let Some(delay) = until_moving(&mut weather).await else { return };
        tokio::time::sleep(delay).await;
        let commits =
            to_server && *weather.borrow() == Weather::SwallowsCommits && buffer[..read].windows(6).any(|bytes| bytes == b"COMMIT");
        swallowing.fetch_or(commits, Ordering::SeqCst);
        if !to_server && swallowing.load(Ordering::SeqCst) {
            continue;
        }
        if read == 0 || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
        if commits {
            // The server has time to do it.
            tokio::time::sleep(Duration::from_millis(200)).await;
            return;
        }
    }
}

/// Waits while everything is frozen; the delay of what comes next, or none when it is cut.
async fn until_moving(weather: &mut watch::Receiver<Weather>) -> Option<Duration> {
    let now = *weather.wait_for(|weather| *weather != Weather::Frozen).await.ok()?;
    match now {
        Weather::Fair | Weather::Frozen | Weather::SwallowsCommits => Some(Duration::ZERO),
        Weather::Slow(delay) => Some(delay),
        Weather::Cut => None,
    }
}
