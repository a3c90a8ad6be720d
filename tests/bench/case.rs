//! What is measured: statements and protocol requests, and the requests that carry them.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use serde_json::Value;
use serde_json::json;

/// The revision of the protocol that the requests are written in.
pub(crate) const REVISION: &str = "2026-07-28";

/// The first id. All ids have as many digits, so that one can be written over another.
pub(crate) const FIRST_ID: u64 = 1_000_000_000;

/// Ids that the messages of one connection have for themselves, so that what is to be new each time is new on all of them.
const IDS_OF_ONE: u64 = 1_000_000;

/// Messages made so far.
static MESSAGES: AtomicU64 = AtomicU64::new(0);

/// One thing to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Case {
    /// `select 1`.
    One,
    /// So many rows of eight columns; one of [`ROWS`].
    Rows(usize),
    /// `select $1` with another value each time: nothing that was kept answers it.
    Fresh,
    /// One number that takes the database tens of milliseconds.
    Costly,
    /// `tools/list`.
    Tools,
    /// `server/discover`.
    Discover,
}

/// The statements, smallest first.
pub(crate) const STATEMENTS: [Case; 4] = [Case::One, Case::Rows(100), Case::Rows(1_000), Case::Rows(10_000)];

impl Case {
    /// Its name in tables.
    pub(crate) fn name(self) -> String {
        match self {
            Self::One => "select 1".to_owned(),
            Self::Rows(count) => format!("{count} rows"),
            Self::Fresh => "select $1, new each time".to_owned(),
            Self::Costly => "a costly count".to_owned(),
            Self::Tools => "tools/list".to_owned(),
            Self::Discover => "server/discover".to_owned(),
        }
    }

    /// The case of a name, where it is a statement.
    pub(crate) fn statement(name: &str) -> Option<Self> {
        STATEMENTS.into_iter().find(|case| case.name() == name)
    }

    /// Its SQL; nothing for what is no statement.
    pub(crate) fn sql(self) -> Option<&'static str> {
        match self {
            Self::One => Some("select 1"),
            Self::Rows(100) => {
                Some("select id, customer, price, name, city, active, note, stock from bench_items where id <= 100 order by id")
            }
            Self::Rows(1_000) => {
                Some("select id, customer, price, name, city, active, note, stock from bench_items where id <= 1000 order by id")
            }
            Self::Rows(10_000) => {
                Some("select id, customer, price, name, city, active, note, stock from bench_items where id <= 10000 order by id")
            }
            Self::Fresh => Some("select $1::int8 as n"),
            Self::Costly => Some("select count(*) from bench_items a join bench_items b on a.stock < b.stock where a.id <= 100"),
            Self::Rows(_) | Self::Tools | Self::Discover => None,
        }
    }

    /// How many rows it answers with.
    pub(crate) fn rows(self) -> usize {
        match self {
            Self::One | Self::Fresh | Self::Costly => 1,
            Self::Rows(count) => count,
            Self::Tools | Self::Discover => 0,
        }
    }

    /// Its method, and the name that the `Mcp-Name` header repeats.
    pub(crate) fn method(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::One | Self::Rows(_) | Self::Fresh | Self::Costly => ("tools/call", Some("execute_select")),
            Self::Tools => ("tools/list", None),
            Self::Discover => ("server/discover", None),
        }
    }

    /// The JSON-RPC request with [`FIRST_ID`].
    pub(crate) fn message(self) -> Message {
        let (method, name) = self.method();
        let mut params = json!({});
        if let (Some(name), Some(sql)) = (name, self.sql()) {
            params = json!({ "name": name, "arguments": { "sql": sql } });
        }
        if self == Self::Fresh {
            // Written over together with the request's own id.
            params["arguments"]["params"] = json!([FIRST_ID]);
        }
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": REVISION,
            "io.modelcontextprotocol/clientInfo": { "name": "tidegate-bench", "version": env!("CARGO_PKG_VERSION") },
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        Message::new(&json!({ "jsonrpc": "2.0", "id": FIRST_ID, "method": method, "params": params }))
    }
}

/// A request, as the bytes that go out, whose id is written over each time.
#[derive(Clone)]
pub(crate) struct Message {
    bytes: Vec<u8>,
    /// Where its id stands: as such, and as a parameter where that is to be another each time.
    ids_at: Vec<usize>,
    next_id: u64,
}

impl Message {
    fn new(request: &Value) -> Self {
        let bytes = request.to_string().into_bytes();
        let id = FIRST_ID.to_string();
        let ids_at = (0..bytes.len().saturating_sub(id.len())).filter(|at| bytes[*at..].starts_with(id.as_bytes())).collect();
        let next_id = FIRST_ID + MESSAGES.fetch_add(1, Ordering::Relaxed) * IDS_OF_ONE;
        Self { bytes, ids_at, next_id }
    }

    /// With bytes before and after it.
    pub(crate) fn framed(self, before: &str, after: &str) -> Self {
        let bytes = [before.as_bytes(), &self.bytes, after.as_bytes()].concat();
        let ids_at = self.ids_at.iter().map(|at| at + before.len()).collect();
        Self { bytes, ids_at, next_id: self.next_id }
    }

    /// How many bytes it has.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes with a new id, and that id.
    pub(crate) fn next(&mut self) -> (u64, &[u8]) {
        let id = self.next_id;
        self.next_id += 1;
        let digits = id.to_string();
        for at in &self.ids_at {
            self.bytes[*at..at + digits.len()].copy_from_slice(digits.as_bytes());
        }
        (id, &self.bytes)
    }
}

/// Where `needle` first is in `bytes`.
pub(crate) fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|window| window == needle)
}
