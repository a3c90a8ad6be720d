//! A PostgreSQL or MariaDB server of a test's own, which it may kill and start again.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::fs::chown;
use std::path::Path;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use sqlx::AssertSqlSafe;
use sqlx::Connection;
use sqlx::MySqlConnection;
use sqlx::PgConnection;
use sqlx::Row;
use tokio::process::Child;
use tokio::process::Command;

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whose server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// PostgreSQL.
    Postgres,
    /// MariaDB.
    MariaDb,
}

/// A server with its data in a folder of its own. Dropping it kills it.
pub(crate) struct Server {
    pub(crate) kind: Kind,
    folder: PathBuf,
    port: u16,
    process: Option<Child>,
    /// Further settings, as the command line takes them.
    settings: Vec<String>,
}

impl Server {
    /// Makes one and waits until it answers.
    pub(crate) async fn new(kind: Kind) -> Self {
        Self::with(kind, &[]).await
    }

    /// As [`new`](Self::new), with further settings.
    pub(crate) async fn with(kind: Kind, settings: &[&str]) -> Self {
        let mut server = Self::prepare(kind, settings);
        match kind {
            Kind::Postgres => {
                let mut make = server.command("initdb");
                make.arg("--pgdata").arg(server.data());
                make.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]);
                server.finish(make).await;
            }
            Kind::MariaDb => {
                let init = "CREATE USER IF NOT EXISTS 'root'@'127.0.0.1';\nALTER USER 'root'@'127.0.0.1' IDENTIFIED BY '';\n\
                            GRANT ALL PRIVILEGES ON *.* TO 'root'@'127.0.0.1' WITH GRANT OPTION;\nCREATE DATABASE IF NOT EXISTS outages;\n";
                fs::write(server.folder.join("init.sql"), init).unwrap();
                let mut make = server.command("mariadb-install-db");
                make.args(["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal"]);
                make.arg(format!("--datadir={}", server.data().display()));
                server.finish(make).await;
            }
        }
        server.start().await;
        server
    }

    /// A PostgreSQL server that follows this one.
    pub(crate) async fn follower(&self) -> Self {
        let mut follower = Self::prepare(Kind::Postgres, &[]);
        let mut copy = follower.command("pg_basebackup");
        copy.arg("--pgdata").arg(follower.data()).arg("--dbname").arg(self.url());
        copy.args(["--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync"]);
        follower.finish(copy).await;
        follower.start().await;
        follower
    }

    fn prepare(kind: Kind, settings: &[&str]) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // Not in the target folder: its path may be too long for a socket, and closed to the account of the server.
        let name = format!("tidegate-outages-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        if let Some((user, group)) = server_account() {
            chown(&folder, Some(user), Some(group)).unwrap();
        }
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        Self { kind, folder, port: free_port(), process: None, settings }
    }

    /// Where clients connect.
    pub(crate) fn url(&self) -> String {
        self.url_at(self.port)
    }

    /// The same by another port: a proxy's.
    pub(crate) fn url_at(&self, port: u16) -> String {
        match self.kind {
            Kind::Postgres => format!("postgres://postgres@127.0.0.1:{port}/postgres?sslmode=disable"),
            Kind::MariaDb => format!("mysql://root@127.0.0.1:{port}/outages?ssl-mode=disabled"),
        }
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Starts it and waits until it answers.
    pub(crate) async fn start(&mut self) {
        self.launch();
        let started = Instant::now();
        while self.number("select 1").await.is_err() {
            let ended = self.process.as_mut().and_then(|process| process.try_wait().unwrap());
            assert!(ended.is_none() && started.elapsed() < PATIENCE, "the server did not start:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Starts it without waiting.
    fn launch(&mut self) {
        assert!(self.process.is_none(), "it runs already");
        let data = self.data();
        let mut command = match self.kind {
            Kind::Postgres => {
                let mut command = self.command("postgres");
                command.arg("-D").arg(&data).arg("-p").arg(self.port.to_string()).arg("-k").arg(&self.folder);
                // What the system has taken outlives a killed process, so that nothing needs to reach the disk.
                command.args(["-h", "127.0.0.1", "-c", "fsync=off", "-c", "max_connections=100", "-c", "shared_buffers=32MB"]);
                command.args(self.settings.iter().flat_map(|setting| ["-c", setting.as_str()]));
                command
            }
            Kind::MariaDb => {
                let mut command = self.command("mariadbd");
                command.arg("--no-defaults").arg(format!("--datadir={}", data.display())).arg(format!("--port={}", self.port));
                command.arg(format!("--socket={}", self.folder.join("socket").display()));
                command.arg(format!("--pid-file={}", self.folder.join("pid").display()));
                command.arg(format!("--init-file={}", self.folder.join("init.sql").display()));
                command.args([
                    "--bind-address=127.0.0.1",
                    "--skip-name-resolve",
                    "--innodb-use-native-aio=0",
                    "--innodb-buffer-pool-size=32M",
                ]);
                // The log goes to the system at each commit: that outlives a killed process.
                command.args(["--innodb-flush-log-at-trx-commit=2", "--max-connections=100", "--loose-skip-performance-schema"]);
                command.args(&self.settings);
                command
            }
        };
        let log = fs::File::options().create(true).append(true).open(self.folder.join("log")).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).kill_on_drop(true);
        self.process = Some(command.spawn().unwrap());
    }

    /// Kills all of its processes at once, without a word.
    pub(crate) async fn kill(&mut self) {
        let mut process = self.process.take().expect("it runs");
        let parent = process.id().expect("it runs");
        // Held, so that it has no more children when they are counted.
        signal("STOP", &[parent]).await;
        let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
        let mut all: Vec<u32> = children.split_whitespace().map(|child| child.parse().unwrap()).collect();
        all.push(parent);
        signal("KILL", &all).await;
        process.wait().await.unwrap();
    }

    /// Stops it as its operator would, at once.
    pub(crate) async fn stop(&mut self) {
        let mut process = self.process.take().expect("it runs");
        signal(if self.kind == Kind::Postgres { "INT" } else { "TERM" }, &[process.id().expect("it runs")]).await;
        process.wait().await.unwrap();
    }

    /// Runs statements, past the host.
    pub(crate) async fn run(&self, sql: &str) {
        let script = AssertSqlSafe(sql.to_owned());
        let done = match self.kind {
            Kind::Postgres => sqlx::raw_sql(script).execute(&mut PgConnection::connect(&self.url()).await.unwrap()).await.map(drop),
            Kind::MariaDb => sqlx::raw_sql(script).execute(&mut MySqlConnection::connect(&self.url()).await.unwrap()).await.map(drop),
        };
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// The one number that a query answers, past the host.
    pub(crate) async fn number(&self, sql: &str) -> Result<i64, sqlx::Error> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self.kind {
            Kind::Postgres => {
                let mut connection = PgConnection::connect(&self.url()).await?;
                let row = sqlx::raw_sql(sql).fetch_one(&mut connection).await?;
                connection.close().await?;
                row.try_get_unchecked::<i64, _>(0).or_else(|_| row.try_get_unchecked::<i32, _>(0).map(i64::from))
            }
            Kind::MariaDb => {
                let mut connection = MySqlConnection::connect(&self.url()).await?;
                let row = sqlx::raw_sql(sql).fetch_one(&mut connection).await?;
                connection.close().await?;
                row.try_get_unchecked(0)
            }
        }
    }

    /// The texts in the first column of what a query answers, past the host.
    pub(crate) async fn texts(&self, sql: &str) -> Vec<String> {
        let sql = AssertSqlSafe(sql.to_owned());
        match self.kind {
            Kind::Postgres => sqlx::query_scalar(sql).fetch_all(&mut PgConnection::connect(&self.url()).await.unwrap()).await.unwrap(),
            Kind::MariaDb => sqlx::query_scalar(sql).fetch_all(&mut MySqlConnection::connect(&self.url()).await.unwrap()).await.unwrap(),
        }
    }

    /// Connections of others than the one that asks.
    pub(crate) async fn connections(&self) -> i64 {
        let sql = match self.kind {
            Kind::Postgres => "select count(*) from pg_stat_activity where application_name = 'tidegate'",
            Kind::MariaDb => {
                "select count(*) from information_schema.processlist \
                 where id <> connection_id() and command <> 'Daemon' and user not in ('system user', 'event_scheduler')"
            }
        };
        self.number(sql).await.unwrap()
    }

    /// Makes the table that loads write into.
    pub(crate) async fn make_table(&self) {
        self.run("create table entries (tag varchar(40) not null)").await;
    }

    /// What it has logged.
    fn log(&self) -> String {
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        log.lines().rev().take(30).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// A program of the server, as the account that it runs as.
    fn command(&self, program: &str) -> Command {
        let program = find_program(program);
        let mut command = match server_account() {
            Some((user, group)) => {
                let mut command = Command::new("setpriv");
                command.arg(format!("--reuid={user}")).arg(format!("--regid={group}")).arg("--clear-groups").arg(program);
                command
            }
            None => Command::new(program),
        };
        command.env("HOME", &self.folder).env("TMPDIR", &self.folder).current_dir(&self.folder);
        command
    }

    async fn finish(&self, mut command: Command) {
        let output = command.stdin(Stdio::null()).output().await.unwrap();
        assert!(output.status.success(), "{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            // Its children notice. What is not removed below goes with the system's folder for such things.
            let _ = process.start_kill();
        }
        std::thread::sleep(Duration::from_millis(100));
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Sends a signal to processes of the test's own.
pub(crate) async fn signal(name: &str, processes: &[u32]) {
    let mut command = Command::new("kill");
    command.arg(format!("-{name}")).args(processes.iter().map(u32::to_string)).stderr(Stdio::null());
    // One of them may have ended by itself meanwhile.
    let _ = command.status().await.unwrap();
}

/// Servers refuse to run as root; there they run as `nobody`.
fn server_account() -> Option<(u32, u32)> {
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    let accounts = fs::read_to_string("/etc/passwd").unwrap();
    let nobody = accounts.lines().find(|line| line.starts_with("nobody:")).filter(|_| is_root)?;
    let mut fields = nobody.split(':').skip(2).map(|field| field.parse().unwrap());
    Some((fields.next()?, fields.next()?))
}

/// A program, also where Debian keeps those of servers; the newest PostgreSQL first.
fn find_program(name: &str) -> PathBuf {
    let mut folders: Vec<PathBuf> = fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.map(|version| version.unwrap().path().join("bin")).collect())
        .unwrap_or_default();
    folders.sort_by_key(|folder| std::cmp::Reverse(folder.iter().rev().nth(1).and_then(|version| version.to_str()?.parse::<u32>().ok())));
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    folders.extend(["/usr/sbin", "/usr/local/sbin", "/usr/libexec"].map(PathBuf::from));
    let found = folders.iter().map(|folder| folder.join(name)).find(|program| Path::is_file(program));
    found.unwrap_or_else(|| panic!("`{name}` is missing; `tests/run` installs it or says how"))
}

/// A port that nobody listens on.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
