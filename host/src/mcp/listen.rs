//! Tells clients of changes: on the stream they opened (`subscriptions/listen`), or unasked if they are older.

use std::collections::BTreeSet;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::future::join_all;
use rmcp::ErrorData;
use rmcp::RoleServer;
use rmcp::model::ResourceUpdatedNotificationParam;
use rmcp::model::SubscriptionFilter;
use rmcp::service::Peer;
use rmcp::service::ServiceError;
use rmcp::service::SubscriptionContext;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::JoinHandle;

use super::server::Server;
use crate::call::LogLevel;
use crate::dispatch::Change;

/// Resources that one stream or session may watch.
const RESOURCES: usize = 256;

/// Streams of news that are open at once, in the process.
const STREAMS: usize = 1024;

/// Older clients that are told of changes, in the process.
const PEERS: usize = 1024;

/// Receivers opened for streams that have not begun.
const EARLY: usize = 32;

/// How long one client may take to read one piece of news before it gets no more.
const PATIENCE: Duration = Duration::from_secs(5);

/// What one session of an older client has set, and what a request for a stream leaves for that stream.
pub(super) struct Session {
    level: Mutex<LogLevel>,
    watched: Mutex<BTreeSet<String>>,
    /// Opened before a stream is acknowledged, so that nothing between that and its begin is lost.
    early: Mutex<VecDeque<broadcast::Receiver<Change>>>,
}

impl Default for Session {
    fn default() -> Self {
        Self { level: Mutex::new(LogLevel::Info), watched: Mutex::default(), early: Mutex::default() }
    }
}

impl Session {
    /// The least level of log lines that go to the client; `Info` until it says otherwise.
    pub(super) fn level(&self) -> LogLevel {
        *lock(&self.level)
    }

    /// Sets the least level.
    pub(super) fn set_level(&self, level: LogLevel) {
        *lock(&self.level) = level;
    }

    /// Watches a resource.
    ///
    /// # Errors
    ///
    /// `-32602` when the session watches as many as it may.
    pub(super) fn subscribe(&self, uri: String) -> Result<(), ErrorData> {
        let mut watched = lock(&self.watched);
        if watched.len() >= RESOURCES && !watched.contains(&uri) {
            return Err(ErrorData::invalid_params(format!("a session may watch {RESOURCES} resources; unsubscribe from one first"), None));
        }
        watched.insert(uri);
        Ok(())
    }

    /// Watches a resource no more.
    pub(super) fn unsubscribe(&self, uri: &str) {
        lock(&self.watched).remove(uri);
    }

    fn watches(&self, uri: &str) -> bool {
        lock(&self.watched).contains(uri)
    }

    fn watched(&self) -> Vec<String> {
        lock(&self.watched).iter().cloned().collect()
    }
}

/// A panic while one of these was held cannot leave it half changed, so a poisoned lock is taken all the same.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// What of `requested` a stream will tell: all kinds of news, and as many resources as a stream may watch.
pub(super) fn accept(server: &Server, requested: &SubscriptionFilter) -> SubscriptionFilter {
    let mut early = lock(&server.session.early);
    if early.len() == EARLY {
        early.pop_front();
    }
    early.push_back(server.dispatcher().changes());

    let mut accepted = requested.clone();
    if let Some(resources) = &mut accepted.resource_subscriptions {
        resources.truncate(RESOURCES);
    }
    accepted
}

/// Runs one stream of news until the client or the process ends it, or the client does not read.
pub(super) async fn listen(server: &Server, context: SubscriptionContext) -> Result<(), ErrorData> {
    // The oldest receiver: it saw all that this stream must tell.
    let early = lock(&server.session.early).pop_front();
    let mut changes = early.unwrap_or_else(|| server.dispatcher().changes());
    let _open = OpenStream::begin(&server.shared.streams)?;
    loop {
        let change = tokio::select! {
            () = context.cancelled() => return Ok(()),
            () = server.shared.closing.cancelled() => return Ok(()),
            change = changes.recv() => change,
        };
        let news = match change {
            Ok(change) => vec![change],
            Err(RecvError::Lagged(_)) => everything(context.accepted().resource_subscriptions.clone().unwrap_or_default()),
            Err(RecvError::Closed) => return Ok(()),
        };
        for change in news {
            match tokio::time::timeout(PATIENCE, tell_stream(&context, change)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return Ok(()),
            }
        }
    }
}

/// Counts a stream while it is open.
struct OpenStream(Arc<AtomicUsize>);

impl OpenStream {
    fn begin(open: &Arc<AtomicUsize>) -> Result<Self, ErrorData> {
        let stream = Self(open.clone());
        if open.fetch_add(1, Ordering::Relaxed) >= STREAMS {
            return Err(ErrorData::internal_error(format!("the host has {STREAMS} streams open, its limit; try again later"), None));
        }
        Ok(stream)
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a receiver that missed some news has to assume.
fn everything(resources: Vec<String>) -> Vec<Change> {
    let lists = [Change::Tools, Change::Resources, Change::Prompts];
    lists.into_iter().chain(resources.into_iter().map(Change::Resource)).collect()
}

/// Tells a stream of `change`, if its client asked for that kind.
async fn tell_stream(context: &SubscriptionContext, change: Change) -> Result<(), rmcp::service::SubscriptionSendError> {
    let (accepted, sink) = (context.accepted(), context.sink());
    match change {
        Change::Tools if accepted.tools_list_changed == Some(true) => sink.notify_tool_list_changed().await,
        Change::Resources if accepted.resources_list_changed == Some(true) => sink.notify_resource_list_changed().await,
        Change::Prompts if accepted.prompts_list_changed == Some(true) => sink.notify_prompt_list_changed().await,
        Change::Resource(uri) if accepted.resource_subscriptions.as_ref().is_some_and(|uris| uris.contains(&uri)) => {
            sink.notify_resource_updated(uri).await
        }
        Change::Tools | Change::Resources | Change::Prompts | Change::Resource(_) => Ok(()),
    }
}

/// An older client.
#[derive(Clone)]
struct LegacyPeer {
    peer: Peer<RoleServer>,
    session: Arc<Session>,
}

/// The older clients, and the task that tells them of changes.
pub(super) struct LegacyPeers {
    peers: Arc<Mutex<Vec<LegacyPeer>>>,
    task: JoinHandle<()>,
}

impl LegacyPeers {
    /// Begins to tell of `changes`, until dropped.
    pub(super) fn announce(mut changes: broadcast::Receiver<Change>) -> Self {
        let peers: Arc<Mutex<Vec<LegacyPeer>>> = Arc::default();
        let told = peers.clone();
        let task = tokio::spawn(async move {
            loop {
                match changes.recv().await {
                    Ok(change) => tell_all(&told, Some(change)).await,
                    Err(RecvError::Lagged(_)) => tell_all(&told, None).await,
                    Err(RecvError::Closed) => return,
                }
            }
        });
        Self { peers, task }
    }

    /// Adds a client whose session has begun. The oldest makes room when there are too many.
    pub(super) fn add(&self, peer: Peer<RoleServer>, session: Arc<Session>) {
        let mut peers = lock(&self.peers);
        peers.retain(|known| !known.peer.is_transport_closed() && !Arc::ptr_eq(&known.session, &session));
        if peers.len() == PEERS {
            peers.remove(0);
        }
        peers.push(LegacyPeer { peer, session });
    }

    /// How many clients are told.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        lock(&self.peers).len()
    }
}

impl Drop for LegacyPeers {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Tells every older client of `change`, or of everything; those that are gone or do not read are dropped.
async fn tell_all(peers: &Mutex<Vec<LegacyPeer>>, change: Option<Change>) {
    let known = lock(peers).clone();
    let told = known.iter().map(|peer| async {
        let telling = async {
            let news = change.clone().map_or_else(|| everything(peer.session.watched()), |change| vec![change]);
            for change in news {
                tell_peer(peer, change).await?;
            }
            Ok::<(), ServiceError>(())
        };
        let reached = matches!(tokio::time::timeout(PATIENCE, telling).await, Ok(Ok(())));
        (!reached).then(|| peer.session.clone())
    });
    let lost: Vec<_> = join_all(told).await.into_iter().flatten().collect();
    if !lost.is_empty() {
        lock(peers).retain(|peer| !lost.iter().any(|session| Arc::ptr_eq(session, &peer.session)));
    }
}

async fn tell_peer(LegacyPeer { peer, session }: &LegacyPeer, change: Change) -> Result<(), ServiceError> {
    match change {
        Change::Tools => peer.notify_tool_list_changed().await,
        Change::Resources => peer.notify_resource_list_changed().await,
        Change::Prompts => peer.notify_prompt_list_changed().await,
        Change::Resource(uri) if session.watches(&uri) => peer.notify_resource_updated(ResourceUpdatedNotificationParam::new(uri)).await,
        Change::Resource(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_watches_a_bounded_number_of_resources() {
        let session = Session::default();
        for number in 0..RESOURCES {
            session.subscribe(format!("x://{number}")).unwrap();
        }
        assert!(session.subscribe("x://one-more".into()).is_err());
        session.subscribe("x://0".into()).unwrap();
        session.unsubscribe("x://0");
        session.subscribe("x://one-more".into()).unwrap();
        assert!(session.watches("x://one-more") && !session.watches("x://0"));
    }

    #[test]
    fn a_stream_that_is_closed_makes_room() {
        let open = Arc::new(AtomicUsize::new(STREAMS - 1));
        let last = OpenStream::begin(&open).ok().unwrap();
        assert!(OpenStream::begin(&open).is_err());
        drop(last);
        assert!(OpenStream::begin(&open).is_ok());
    }
}
