//! Clients that write and read without pause, and the journal of what they were told.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use rmcp::model::CallToolRequestParams;
use serde_json::Value;
use serde_json::json;
use tokio::task::JoinSet;

use crate::eventually;
use crate::host::Era;
use crate::host::HttpHost;
use crate::server::Kind;
use crate::server::Server;

/// The time limit of each statement.
pub(crate) const LIMIT: Duration = Duration::from_secs(3);

/// How much later than its limit a call may end: a statement that is stopped has 0.8 s to stop, and the machine is busy.
const GRACE: Duration = Duration::from_millis(1_800);

/// What the client of a write was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// It is done.
    Done,
    /// It is not.
    Failed,
    /// It may be.
    Unknown,
}

/// What was told of every write, and when calls succeeded.
#[derive(Default)]
pub(crate) struct Journal {
    writes: Mutex<Vec<(Vec<String>, Told)>>,
    successes: Mutex<Vec<Instant>>,
    /// Writes that went through, and reads.
    last_write: Mutex<Option<Instant>>,
    longest: Mutex<Duration>,
    failures: Mutex<HashMap<String, u32>>,
}

/// Clients at work.
pub(crate) struct Load {
    pub(crate) journal: Arc<Journal>,
    stop: Arc<AtomicBool>,
    clients: JoinSet<()>,
}

/// What is called over and over.
#[derive(Clone, Copy)]
enum Work {
    /// One row in a statement of its own.
    Insert,
    /// Two rows in one transaction, with a pause between them.
    Batch,
    /// A read with a pause in it.
    Read,
}

/// What one call brought.
pub(crate) struct Called {
    pub(crate) text: String,
    /// `structuredContent.error`, when it failed.
    pub(crate) error: Option<Value>,
    pub(crate) took: Duration,
}

impl Called {
    /// The code of its error; empty when it did not fail.
    pub(crate) fn code(&self) -> &str {
        self.error.as_ref().and_then(|error| error["code"].as_str()).unwrap_or_default()
    }
}

/// Calls a tool; `None` when no answer came, because the host itself is gone.
pub(crate) async fn call(client: &crate::host::Client, tool: &'static str, arguments: Value) -> Option<Called> {
    let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
    let started = Instant::now();
    let request = CallToolRequestParams::new(tool).with_arguments(arguments);
    let result = tokio::time::timeout(Duration::from_secs(60), client.service().call_tool(request)).await.expect("no call hangs").ok()?;
    let text = result.content.iter().filter_map(|block| block.as_text()).map(|text| text.text.as_str()).collect::<Vec<_>>().join("\n");
    let failed = result.is_error == Some(true);
    let error = failed.then(|| result.structured_content.map(|content| content["error"].clone()).unwrap_or_default());
    Some(Called { text, error, took: started.elapsed() })
}

impl Load {
    /// Begins: three clients insert, three write in transactions, two read.
    pub(crate) async fn begin(host: &HttpHost, kind: Kind) -> Self {
        Self::continue_with(host, kind, Arc::default()).await
    }

    /// The same with the journal of an earlier load.
    pub(crate) async fn continue_with(host: &HttpHost, kind: Kind, journal: Arc<Journal>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut clients = JoinSet::new();
        for work in [Work::Insert, Work::Insert, Work::Insert, Work::Batch, Work::Batch, Work::Batch, Work::Read, Work::Read] {
            let client = host.connect(Era::Modern).await;
            let (journal, stop) = (journal.clone(), stop.clone());
            clients.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let goes_on = match work {
                        Work::Insert => journal.write(&client, kind, false).await,
                        Work::Batch => journal.write(&client, kind, true).await,
                        Work::Read => journal.read(&client, kind).await,
                    };
                    if !goes_on {
                        return;
                    }
                    // A failing database answers at once; a client that comes back as fast would be all that runs.
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
            });
        }
        Self { journal, stop, clients }
    }

    /// Ends when every call is answered.
    pub(crate) async fn end(mut self) -> Arc<Journal> {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.clients.join_next().await {
            ended.unwrap();
        }
        self.journal
    }
}

impl Journal {
    async fn write(&self, client: &crate::host::Client, kind: Kind, in_transaction: bool) -> bool {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let (mark, pause) = match kind {
            Kind::Postgres => ("$1", "select pg_sleep(0.02)"),
            Kind::MariaDb => ("?", "select sleep(0.02)"),
        };
        let sql = format!("insert into entries (tag) values ({mark})");
        let tags: Vec<String> =
            (0..if in_transaction { 2 } else { 1 }).map(|_| format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed))).collect();
        let limit = LIMIT.as_millis();
        let called = match &tags[..] {
            [tag] => call(client, "execute_query", json!({ "sql": sql, "params": [tag], "timeout_ms": limit })).await,
            tags => {
                let insert = |tag: &String| json!({ "sql": sql, "params": [tag] });
                let statements = json!([insert(&tags[0]), { "sql": pause }, insert(&tags[1])]);
                call(client, "execute_batch", json!({ "statements": statements, "timeout_ms": limit })).await
            }
        };
        let told = match &called {
            Some(Called { error: None, .. }) => Told::Done,
            Some(called) if called.error.as_ref().is_some_and(|error| error["details"]["effect"] == "unknown") => Told::Unknown,
            Some(_) => Told::Failed,
            None => Told::Unknown,
        };
        if told == Told::Done {
            *self.last_write.lock().unwrap() = Some(Instant::now());
        }
        self.writes.lock().unwrap().push((tags, told));
        self.note(called)
    }

    async fn read(&self, client: &crate::host::Client, kind: Kind) -> bool {
        let sql = match kind {
            Kind::Postgres => "select count(*), pg_sleep(0.03) from entries",
            Kind::MariaDb => "select count(*), sleep(0.03) from entries",
        };
        let called = call(client, "execute_select", json!({ "sql": sql, "timeout_ms": LIMIT.as_millis() })).await;
        self.note(called)
    }

    fn note(&self, called: Option<Called>) -> bool {
        let Some(called) = called else { return false };
        let mut longest = self.longest.lock().unwrap();
        *longest = called.took.max(*longest);
        match called.error {
            None => self.successes.lock().unwrap().push(Instant::now()),
            Some(_) => *self.failures.lock().unwrap().entry(called.text.lines().next().unwrap_or_default().to_owned()).or_default() += 1,
        }
        true
    }

    /// Waits until a write that was not yet answered at `moment` has gone through, and answers how long after it that was.
    pub(crate) async fn served_again_after(&self, moment: Instant) -> Duration {
        let last = || self.last_write.lock().unwrap().filter(|last| *last > moment);
        eventually(Duration::from_secs(20), "a write goes through again", async || last().is_some()).await;
        last().expect("just seen").duration_since(moment)
    }

    /// Writes that were told to be done.
    pub(crate) fn acknowledged(&self) -> usize {
        self.writes.lock().unwrap().iter().filter(|(_, told)| *told == Told::Done).count()
    }

    /// Compares what was told with what is in the table, and answers the figures.
    pub(crate) async fn check(&self, server: &Server) -> String {
        self.check_tags(&server.texts("select tag from entries").await)
    }

    /// The same with the tags that were found.
    pub(crate) fn check_tags(&self, found: &[String]) -> String {
        let mut there: HashMap<&str, u32> = HashMap::new();
        for tag in found {
            *there.entry(tag).or_default() += 1;
        }
        let (mut acknowledged, mut lost, mut twice, mut torn, mut untrue, mut unknown, mut failed) = (0, 0, 0, 0, 0, 0, 0);
        for (tags, told) in self.writes.lock().unwrap().iter() {
            let counts: Vec<u32> = tags.iter().map(|tag| there.get(tag.as_str()).copied().unwrap_or(0)).collect();
            twice += u32::from(counts.iter().any(|count| *count > 1));
            torn += u32::from(counts.iter().any(|count| *count != counts[0]));
            match told {
                Told::Done => {
                    acknowledged += 1;
                    lost += u32::from(counts.contains(&0));
                }
                Told::Failed => {
                    failed += 1;
                    untrue += u32::from(counts.iter().any(|count| *count > 0));
                }
                Told::Unknown => unknown += 1,
            }
        }
        let longest = *self.longest.lock().unwrap();
        let figures = format!(
            "{acknowledged} acknowledged, {lost} lost, {twice} applied twice, {torn} torn, {failed} told failed of which {untrue} had taken effect, \
             {unknown} told unknown; longest call {} ms",
            longest.as_millis()
        );
        let mut failures: Vec<_> = self.failures.lock().unwrap().iter().map(|(text, count)| format!("  {count} x {text}")).collect();
        failures.sort();
        assert_eq!((lost, twice, torn, untrue), (0, 0, 0, 0), "{figures}\n{}", failures.join("\n"));
        assert!(acknowledged > 0 && longest < LIMIT + GRACE, "{figures}\n{}", failures.join("\n"));
        figures
    }
}
