//! Starts the built program and the child processes of the benchmark; each is killed when it is dropped.

use std::fs;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::TcpListener;
use std::path::Path;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use tokio::process::Child;
use tokio::process::Command;

use crate::Result;
use crate::case::Case;
use crate::http::Connection;
use crate::stdio::Pipes;

/// A server that takes longer is not starting.
const LONGEST_START: Duration = Duration::from_secs(60);

/// Between two attempts to reach a server that starts.
const ATTEMPT_EVERY: Duration = Duration::from_millis(1);

/// The configuration: limits lifted, so that 10,000 rows come in one answer.
const CONFIGURATION: &str = "[databases.main]
url = \"${DATABASE_URL}\"
max_rows = 20000
max_bytes = \"16 MiB\"

[plugins.cache]
enabled = false
";

/// The manifest of the hooks that are measured, without them.
const HOOK_MANIFEST: &str = "schema = 1

[plugin]
id = \"hook-passes\"
version = \"0.1.0\"
title = \"Hooks that pass\"
description = \"Shows what a hook costs.\"
host-api = \"^0.1\"

[component]
file = \"guest_hook_passes.wasm\"
";

/// One hook of it.
const HOOK: &str = "
[[hooks]]
event = \"before-query\"
kind = \"validate\"
reason = \"Shows what a hook costs\"
";

/// Hooks of a server that do nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hooks {
    /// How many.
    pub(crate) count: usize,
    /// Whether their instances are kept for their caller.
    pub(crate) kept: bool,
}

/// What a server is started from: program, configuration, and a folder for compiled code.
pub(crate) struct Installation {
    program: PathBuf,
    url: String,
    /// Removed at the end.
    folder: PathBuf,
}

impl Installation {
    /// Writes the configuration into a new folder.
    pub(crate) fn new(program: &Path, url: &str) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("tidegate-bench-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("tidegate.toml"), CONFIGURATION)?;
        Ok(Self { program: program.to_owned(), url: url.to_owned(), folder })
    }

    /// The same with hooks that are asked about every statement and do nothing.
    pub(crate) fn with_hooks(&self, component: &Path, hooks: Hooks) -> Result<Self> {
        let instances = if hooks.kept { "per-caller" } else { "fresh" };
        let folder = self.folder.join(format!("hooks-{}-{instances}", hooks.count));
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("plugin.toml"), format!("{HOOK_MANIFEST}{}", HOOK.repeat(hooks.count)))?;
        let plugin = format!(
            "[plugins.hook-passes]\nenabled = {}\npath = {folder:?}\ncomponent = {component:?}\n\
             hooks = {{ before-query = {{ mode = \"enforce\", timeout = \"2s\", instances = {instances:?} }} }}\n",
            hooks.count > 0
        );
        fs::write(folder.join("tidegate.toml"), format!("{CONFIGURATION}\n{plugin}"))?;
        Ok(Self { program: self.program.clone(), url: self.url.clone(), folder })
    }

    /// The same with rows kept for ten minutes.
    pub(crate) fn with_cache(&self) -> Result<Self> {
        let folder = self.folder.join("cache-on");
        fs::create_dir_all(&folder)?;
        let configuration = CONFIGURATION.replace("enabled = false", "settings = { ttl = \"10m\" }");
        fs::write(folder.join("tidegate.toml"), configuration)?;
        Ok(Self { program: self.program.clone(), url: self.url.clone(), folder })
    }

    /// A folder for compiled code, as yet empty.
    pub(crate) fn cache(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn command(&self, cache: &Path, log: &str) -> Result<Command> {
        let mut command = Command::new(&self.program);
        command.arg("serve").arg("--config").arg(self.folder.join("tidegate.toml"));
        command.current_dir(&self.folder);
        command.env("DATABASE_URL", &self.url).env("XDG_CACHE_HOME", cache).env_remove("TIDEGATE_CACHE").env_remove("TIDEGATE_TOKEN");
        command.stderr(fs::File::create(self.folder.join(log))?);
        Ok(command)
    }

    /// Starts it on HTTP and waits until it has answered `tools/list`.
    pub(crate) async fn start_http(&self, cache: &Path) -> Result<Http> {
        let address = free_address()?;
        let log = "http.log";
        let mut command = self.command(cache, log)?;
        command.arg("--http").arg(address.to_string()).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        let start = Instant::now();
        let mut child = command.spawn().map_err(|error| format!("`{}` did not start: {error}", self.program.display()))?;
        loop {
            let attempt = async { Connection::open(address, Case::Tools).await?.call().await };
            match attempt.await {
                Ok(()) => return Ok(Http { child, address, start: start.elapsed() }),
                Err(error) if start.elapsed() > LONGEST_START => return Err(self.failure(log, &error.to_string())),
                Err(_) => {}
            }
            if let Some(status) = child.try_wait()? {
                return Err(self.failure(log, &status.to_string()));
            }
            tokio::time::sleep(ATTEMPT_EVERY).await;
        }
    }

    /// Starts it on its pipes and waits until it has answered `tools/list`.
    pub(crate) async fn start_stdio(&self, cache: &Path) -> Result<Piped> {
        let log = "stdio.log";
        let mut command = self.command(cache, log)?;
        command.arg("--stdio");
        let start = Instant::now();
        let mut child = spawn_piped(&mut command)?;
        let mut pipes = Pipes::new(child.stdin.take().ok_or("its input is piped")?, child.stdout.take().ok_or("its output is piped")?);
        let first = tokio::time::timeout(LONGEST_START, async { pipes.client(Case::Tools).call().await }).await;
        match first.map_err(|_| "no answer".into()).flatten() {
            Ok(()) => Ok(Piped { child, pipes, start: start.elapsed() }),
            Err(error) => Err(self.failure(log, &error.to_string())),
        }
    }

    fn failure(&self, log: &str, reason: &str) -> Box<dyn std::error::Error + Send + Sync> {
        let log = fs::read_to_string(self.folder.join(log)).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let end = lines[lines.len().saturating_sub(20)..].join("\n");
        format!("`tidegate serve` did not answer: {reason}\n{end}").into()
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        // What is left of a temporary folder harms nobody.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A server on HTTP.
pub(crate) struct Http {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// From its start to the first answer.
    pub(crate) start: Duration,
}

impl Http {
    /// Its process.
    pub(crate) fn pid(&self) -> Result<u32> {
        self.child.id().ok_or_else(|| "the server has ended".into())
    }
}

/// A server on its pipes.
pub(crate) struct Piped {
    child: Child,
    /// The pipes.
    pub(crate) pipes: Pipes,
    /// From its start to the first answer.
    pub(crate) start: Duration,
}

impl Piped {
    /// Its process.
    pub(crate) fn pid(&self) -> Result<u32> {
        self.child.id().ok_or_else(|| "the server has ended".into())
    }
}

/// Starts a child whose input and output are pipes.
pub(crate) fn spawn_piped(command: &mut Command) -> Result<Child> {
    Ok(command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?)
}

/// An address of this machine where nobody listens.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
