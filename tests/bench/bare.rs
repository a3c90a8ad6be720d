//! The bare sqlx query: a child process that runs the same statements on a pool, and the side that tells it what to run.

use std::str::FromStr as _;
use std::time::Duration;
use std::time::Instant;

use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use sqlx::postgres::PgPoolOptions;
use tokio::io::AsyncBufReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::io::BufReader;
use tokio::process::Child;
use tokio::process::ChildStdin;
use tokio::process::ChildStdout;
use tokio::task::JoinSet;

use crate::Result;
use crate::case::Case;
use crate::measure::Clock;
use crate::measure::Figures;
use crate::server;

/// Connections in the pool: the default of the host's configuration.
const POOL: u32 = 10;

/// A row of `bench_items`, every value decoded.
type Item = (i32, i64, f64, String, String, bool, Option<String>, i32);

/// What stands around the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Nothing.
    Plain,
    /// A transaction that only reads.
    ReadOnly,
}

impl Form {
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::ReadOnly => "read-only",
        }
    }
}

/// The child: reads `FORM CONNECTIONS MILLISECONDS CASE` and answers with a line of figures, until its input ends.
pub(crate) async fn serve(url: &str) -> Result<()> {
    // What a pool does beyond the query is left out: no ping before each use.
    let pool = PgPoolOptions::new().max_connections(POOL).test_before_acquire(false);
    let pool = pool.connect_with(PgConnectOptions::from_str(url)?).await?;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut output = tokio::io::stdout();
    while let Some(line) = lines.next_line().await? {
        let figures = run_order(&pool, &line).await?;
        output.write_all(format!("{}\n", figures.to_line()).as_bytes()).await?;
        output.flush().await?;
    }
    Ok(())
}

async fn run_order(pool: &PgPool, order: &str) -> Result<Figures> {
    let mut fields = order.splitn(4, ' ');
    let mut next = || fields.next().ok_or_else(|| format!("cannot follow `{order}`"));
    let form = if next()? == Form::ReadOnly.name() { Form::ReadOnly } else { Form::Plain };
    let connections: usize = next()?.parse()?;
    let window = Duration::from_millis(next()?.parse()?);
    let name = next()?;
    let case = Case::statement(name).ok_or_else(|| format!("no statement `{name}`"))?;

    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        let pool = pool.clone();
        tasks.spawn(async move {
            let mut clock = Clock::new(window);
            while clock.goes_on() {
                query(&pool, case, form).await?;
                clock.called();
            }
            Result::Ok(clock.into_latencies())
        });
    }
    let mut latencies = Vec::new();
    for task in tasks.join_all().await {
        latencies.extend(task?);
    }
    Ok(Figures::new(latencies, start.elapsed()))
}

async fn query(pool: &PgPool, case: Case, form: Form) -> Result<()> {
    let count = match form {
        Form::Plain => fetch(pool, case).await?,
        Form::ReadOnly => {
            let mut transaction = pool.begin_with("BEGIN READ ONLY").await?;
            let count = fetch(&mut *transaction, case).await?;
            transaction.rollback().await?;
            count
        }
    };
    if count == case.rows() { Ok(()) } else { Err(format!("{count} rows for `{}`", case.name()).into()) }
}

/// Runs the statement and gives the number of its rows.
async fn fetch<'a>(on: impl sqlx::PgExecutor<'a>, case: Case) -> Result<usize> {
    let sql = case.sql().ok_or("no statement")?;
    Ok(match case {
        Case::One => sqlx::query_as::<_, (i32,)>(sql).fetch_all(on).await?.len(),
        _ => sqlx::query_as::<_, Item>(sql).fetch_all(on).await?.len(),
    })
}

/// The side of the benchmark.
pub(crate) struct Bare {
    child: Child,
    input: ChildStdin,
    output: tokio::io::Lines<BufReader<ChildStdout>>,
}

impl Bare {
    /// Starts the child.
    pub(crate) fn start(url: &str) -> Result<Self> {
        let mut command = tokio::process::Command::new(std::env::current_exe()?);
        command.args(["--bare", url]);
        let mut child = server::spawn_piped(&mut command)?;
        let input = child.stdin.take().ok_or("its input is piped")?;
        let output = child.stdout.take().ok_or("its output is piped")?;
        Ok(Self { child, input, output: BufReader::new(output).lines() })
    }

    /// Its process.
    pub(crate) fn pid(&self) -> Result<u32> {
        self.child.id().ok_or_else(|| "the bare query has ended".into())
    }

    /// Runs a case on so many tasks.
    pub(crate) async fn run(&mut self, case: Case, form: Form, connections: usize, window: Duration) -> Result<Figures> {
        let order = format!("{} {connections} {} {}\n", form.name(), window.as_millis(), case.name());
        self.input.write_all(order.as_bytes()).await?;
        let line = self.output.next_line().await?.ok_or("the bare query ended early")?;
        Figures::from_line(&line)
    }
}
