//! Which transactions are open, whose they are, when their time is over, and how those of late ended.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::sync::Weak;
use std::time::Duration;
use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Ending;
use super::MySqlPinned;
use super::Pins;
use super::PostgresPinned;
use super::SqlitePinned;
use super::Transaction;
use super::Written;
use super::each_pinned;
use super::slot::Held;
use super::slot::turn;
use super::slot::unknown;
use crate::call::Call;
use crate::call::Caller;
use crate::config::DatabaseConfig;
use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;

/// How long it is remembered how a transaction ended.
const REMEMBERED: Duration = Duration::from_mins(10);

/// Endings remembered at most; the oldest go first.
const MOST_REMEMBERED: usize = 1_000;

/// How long an end waits for the statement that runs then. It is limited itself, and stopped when its call is.
const LAST_STATEMENT: Duration = Duration::from_secs(5);

/// A new handle: 128 random bits.
///
/// # Errors
///
/// The system has no randomness to give.
pub(super) fn random_handle() -> Result<String, DatabaseError> {
    let mut random = [0; 16];
    getrandom::fill(&mut random).map_err(|_| DatabaseError::new(ErrorKind::Unavailable, "the system has no randomness for a handle"))?;
    Ok(format!("t_{}", URL_SAFE_NO_PAD.encode(random)))
}

/// Told what a transaction wrote and how it ended.
pub type SettleHook = Box<dyn Fn(&Written, &Ending) + Send + Sync>;

/// The transactions of one database.
pub(in crate::database) struct Transactions {
    shared: Arc<Shared>,
}

struct Shared {
    database: String,
    per_caller: usize,
    in_all: usize,
    known: Mutex<Known>,
    hook: OnceLock<SettleHook>,
}

#[derive(Default)]
struct Known {
    open: HashMap<String, Arc<Transaction>>,
    /// Those being begun count too.
    places: HashMap<Caller, usize>,
    past: VecDeque<Past>,
    closed: bool,
}

/// One that has ended.
struct Past {
    handle: String,
    caller: Caller,
    ending: Ending,
    since: Instant,
}

/// A place among the transactions that may be open; free again when it is dropped.
pub(super) struct Place {
    shared: Weak<Shared>,
    caller: Caller,
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(shared) = self.shared.upgrade() else { return };
        let mut known = shared.known();
        if let Some(places) = known.places.get_mut(&self.caller) {
            *places = places.saturating_sub(1);
            if *places == 0 {
                known.places.remove(&self.caller);
            }
        }
    }
}

impl Shared {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> Vec<Arc<Transaction>> {
        self.known().open.values().cloned().collect()
    }

    /// Notes the end of a transaction. `true` the first time: then, and only then, its effects are to be settled.
    fn settle(&self, transaction: &Transaction, ending: &Ending) -> bool {
        let place = transaction.state().place.take();
        let first = place.is_some();
        // Before the lock below, which it takes too.
        drop(place);
        if first {
            let mut known = self.known();
            known.open.remove(&transaction.handle);
            let (handle, caller) = (transaction.handle.clone(), transaction.caller.clone());
            known.past.push_back(Past { handle, caller, ending: ending.clone(), since: Instant::now() });
            while known.past.len() > MOST_REMEMBERED || known.past.front().is_some_and(|past| past.since.elapsed() > REMEMBERED) {
                known.past.pop_front();
            }
            drop(known);
            if let Some(hook) = self.hook.get() {
                hook(&transaction.written(), ending);
            }
            transaction.changed.notify_one();
            tracing::debug!(database.name = %self.database, ?ending, "A transaction on `{}` ended", self.database);
        }
        first
    }

    /// Rolls a transaction back on the server, unless it has ended; answers how it ended. `None` when it goes on: a statement
    /// runs in it, or it was used at the moment at which its lease would have ended.
    async fn end(&self, transaction: &Transaction, ending: Ending) -> Option<Ending> {
        let ended = each_pinned!(&transaction.pins, held, Pinned => {
            let mut slot = tokio::time::timeout(LAST_STATEMENT, held.clone().lock_owned()).await.ok()?;
            if matches!(ending, Ending::Lease(_)) && transaction.is_used() {
                return None;
            }
            match slot.take() {
                Ok(pinned) => {
                    *slot = Held::Ended(ending.clone());
                    Pinned::roll_back(pinned).await;
                    ending
                }
                Err(_) => slot.ending().cloned().unwrap_or(Ending::Lost),
            }
        });
        self.settle(transaction, &ended);
        Some(ended)
    }
}

impl Transactions {
    /// None yet, limited as `config` says.
    pub(in crate::database) fn new(config: &DatabaseConfig) -> Self {
        let shared = Shared {
            database: config.name.to_string(),
            per_caller: config.transactions.max_per_caller as usize,
            in_all: (config.pool.max as usize / 2).max(1),
            known: Mutex::default(),
            hook: OnceLock::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Keeps a place for one more.
    ///
    /// # Errors
    ///
    /// `PoolExhausted` when there is none for this caller, `Unavailable` when the host is stopping.
    pub(super) fn reserve(&self, caller: &Caller) -> Result<Place, DatabaseError> {
        if let Some(place) = self.try_reserve(caller)? {
            return Ok(place);
        }
        // Some may have ended without anybody to notice it.
        for transaction in self.shared.open() {
            if let Some(ending) = transaction.find_ending() {
                self.settle(&transaction, &ending);
            }
        }
        self.try_reserve(caller)?.ok_or_else(|| self.exhausted(caller))
    }

    fn try_reserve(&self, caller: &Caller) -> Result<Option<Place>, DatabaseError> {
        let mut known = self.shared.known();
        if known.closed {
            return Err(DatabaseError::new(ErrorKind::Unavailable, "the host is stopping and begins no transaction"));
        }
        let all: usize = known.places.values().sum();
        let own = known.places.get(caller).copied().unwrap_or(0);
        if own >= self.shared.per_caller || all >= self.shared.in_all {
            return Ok(None);
        }
        *known.places.entry(caller.clone()).or_default() += 1;
        Ok(Some(Place { shared: Arc::downgrade(&self.shared), caller: caller.clone() }))
    }

    fn exhausted(&self, caller: &Caller) -> DatabaseError {
        let Shared { database, per_caller, in_all, .. } = &*self.shared;
        let own = self.shared.known().places.get(caller).copied().unwrap_or(0);
        let message = if own >= *per_caller {
            format!("this caller has {own} transactions open on `{database}`, as many as one may")
        } else {
            format!("{in_all} transactions are open on `{database}`, as many as half of its pool allows")
        };
        DatabaseError::new(ErrorKind::PoolExhausted, message)
            .hint("commit or roll one back first; the operator can raise `transactions.max_per_caller` and `pool.max`")
    }

    /// Takes a transaction in and watches its time from here on.
    ///
    /// # Errors
    ///
    /// `Unavailable` when the host began to stop meanwhile; dropping the transaction rolls it back.
    pub(super) fn add(&self, transaction: Transaction) -> Result<Arc<Transaction>, DatabaseError> {
        let transaction = Arc::new(transaction);
        let mut known = self.shared.known();
        if known.closed {
            drop(known);
            return Err(DatabaseError::new(ErrorKind::Unavailable, "the host is stopping and begins no transaction"));
        }
        known.open.insert(transaction.handle.clone(), transaction.clone());
        drop(known);
        tokio::spawn(watch(Arc::downgrade(&self.shared), Arc::downgrade(&transaction)));
        Ok(transaction)
    }

    /// See `Database::find_transaction`.
    pub(super) fn find(&self, caller: &Caller, handle: &str) -> Result<Arc<Transaction>, DatabaseError> {
        let open = self.shared.known().open.get(handle).filter(|transaction| transaction.caller == *caller).cloned();
        if let Some(transaction) = open {
            match transaction.find_ending() {
                None => return Ok(transaction),
                // Nobody was there any more to notice it.
                Some(ending) => self.settle(&transaction, &ending),
            };
        }
        let known = self.shared.known();
        let past = known.past.iter().rev().find(|past| past.handle == handle && past.caller == *caller);
        Err(past.map_or_else(unknown, |past| past.ending.to_error()))
    }

    /// Notes the end of a transaction; `true` the first time.
    pub(super) fn settle(&self, transaction: &Transaction, ending: &Ending) -> bool {
        self.shared.settle(transaction, ending)
    }

    /// See `Database::on_settled`.
    pub(super) fn on_settled(&self, hook: SettleHook) {
        let _ = self.shared.hook.set(hook);
    }

    /// Commits, in a task of its own so that nobody who goes away leaves its effects unsettled.
    pub(super) async fn commit(&self, call: &Call, transaction: &Arc<Transaction>, limit: Duration) -> Result<(), DatabaseError> {
        let (shared, transaction, call) = (self.shared.clone(), transaction.clone(), call.clone());
        let commit = async move {
            let using = transaction.enter();
            let result = each_pinned!(&transaction.pins, held, Pinned => match turn(held, &call, limit).await {
                Ok(slot) => Pinned::commit(slot, &call, limit).await,
                Err(error) => Err(error),
            });
            drop(using);
            if let Some(ending) = transaction.find_ending() {
                shared.settle(&transaction, &ending);
            }
            result
        };
        let lost = |_| Err(DatabaseError::new(ErrorKind::Failed, "the commit ended without an answer").hint("look at the data"));
        tokio::spawn(commit).await.unwrap_or_else(lost)
    }

    /// Rolls a transaction back, in a task of its own so that nobody who goes away cuts it off; answers how it ended, `None`
    /// when a statement runs in it and does not end.
    pub(super) async fn end(&self, transaction: &Arc<Transaction>, ending: Ending) -> Option<Ending> {
        let (shared, transaction) = (self.shared.clone(), transaction.clone());
        let ended = tokio::spawn(async move { shared.end(&transaction, ending).await });
        ended.await.unwrap_or(Some(Ending::Lost))
    }

    /// Rolls all of them back, and begins none any more.
    pub(super) async fn end_all(&self, ending: Ending) {
        self.shared.known().closed = true;
        let ends = self.shared.open().into_iter().map(|transaction| {
            let ending = ending.clone();
            async move { self.end(&transaction, ending).await }
        });
        futures_util::future::join_all(ends).await;
    }

    /// Rolls back those of one session of an older client.
    pub(super) async fn end_client(&self, client: u64) {
        for transaction in self.shared.open() {
            if transaction.client == Some(client) {
                self.end(&transaction, Ending::ClientGone).await;
            }
        }
    }
}

/// Ends a transaction when its time is over. Ends itself with the transaction.
async fn watch(shared: Weak<Shared>, transaction: Weak<Transaction>) {
    loop {
        let Some(watched) = transaction.upgrade() else { return };
        let last = watched.begun + watched.limits.max_duration;
        let (until, over) = {
            let state = watched.state();
            if state.place.is_none() {
                return;
            }
            (if state.users > 0 { last } else { state.until.min(last) }, state.users == 0)
        };
        let now = Instant::now();
        if now < until {
            // Asleep it does not keep the transaction alive.
            let changed = watched.changed.clone();
            drop(watched);
            tokio::select! {
                () = changed.notified() => {}
                () = tokio::time::sleep(until - now) => {}
            }
            continue;
        }
        let Some(shared) = shared.upgrade() else { return };
        let ending = match over && now < last {
            true => Ending::Lease(watched.limits.lease),
            false => Ending::Duration(watched.limits.max_duration),
        };
        if shared.end(&watched, ending).await.is_some() {
            return;
        }
    }
}
