//! Starts the built program the way people and clients do, and talks to it with a client of its protocol.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use rmcp::ClientHandler;
use rmcp::ClientLifecycleMode;
use rmcp::ClientServiceExt;
use rmcp::ErrorData;
use rmcp::RoleClient;
use rmcp::ServiceExt;
use rmcp::model::CallToolRequestParams;
use rmcp::model::CallToolResult;
use rmcp::model::ClientConfig;
use rmcp::model::ElicitRequestParams;
use rmcp::model::ElicitResult;
use rmcp::model::ElicitationAction;
use rmcp::model::ProtocolVersion;
use rmcp::service::RequestContext;
use rmcp::service::RunningService;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::TokioChildProcess;
use serde_json::Value;
use tokio::io::AsyncBufReadExt;
use tokio::io::BufReader;
use tokio::process::Child;
use tokio::process::Command;

use crate::Guest;
use crate::folder::Folder;

/// How long the program may take to be ready, on a machine that is busy with everything else.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a client opens its conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Era {
    /// 2026-07-28: no session, everything in each request.
    Modern,
    /// 2025-11-25 and older: `initialize`, and a session over HTTP.
    Legacy,
}

/// A client, with the person behind it if there is one.
#[derive(Clone, Default)]
pub(crate) struct Visitor {
    person: Option<Person>,
}

/// Somebody who answers every form in the same way.
#[derive(Clone)]
pub(crate) struct Person {
    answer: ElicitResult,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Person {
    /// One who accepts with this content.
    pub(crate) fn accepts(content: Value) -> Self {
        Self { answer: ElicitResult::new(ElicitationAction::Accept).with_content(content), asked: Arc::default() }
    }

    /// One who says no.
    pub(crate) fn declines() -> Self {
        Self { answer: ElicitResult::new(ElicitationAction::Decline), asked: Arc::default() }
    }

    /// What was asked so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl ClientHandler for Visitor {
    fn get_info(&self) -> ClientConfig {
        let mut info = ClientConfig::default();
        if self.person.is_some() {
            info.capabilities = serde_json::from_value(serde_json::json!({ "elicitation": { "form": {} } })).expect("it is one");
        }
        info
    }

    async fn create_elicitation(&self, request: ElicitRequestParams, _: RequestContext<RoleClient>) -> Result<ElicitResult, ErrorData> {
        let person = self.person.as_ref().expect("only a client that says so is asked");
        if let ElicitRequestParams::FormElicitationParams { message, .. } = request {
            person.asked.lock().unwrap().push(message);
        }
        Ok(person.answer.clone())
    }
}

/// A connected client.
pub(crate) struct Client {
    service: RunningService<RoleClient, Visitor>,
}

/// The program's configuration, as it is built up.
#[derive(Default)]
pub(crate) struct Host {
    configuration: String,
    /// Manifests of a test's own; read when the host starts.
    manifests: Vec<Folder>,
}

impl Host {
    /// A host with no databases and the bundled plugins.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Uses this folder of installed plugins. To be said before any table.
    pub(crate) fn plugins(mut self, folder: &Path) -> Self {
        writeln!(self.configuration, "plugins_folder = {folder:?}").expect("a string takes everything");
        self
    }

    /// Adds a database; `keys` are further lines of its table.
    pub(crate) fn database(mut self, name: &str, url: &str, keys: &str) -> Self {
        writeln!(self.configuration, "[databases.{name}]\nurl = {url:?}\n{keys}").expect("a string takes everything");
        self
    }

    /// Adds a guest as a plugin; `keys` are further lines of its table.
    pub(crate) fn guest(mut self, guest: Guest, keys: &str) -> Self {
        let Guest { name, folder, component } = guest;
        writeln!(self.configuration, "[plugins.{name}]\npath = {folder:?}\ncomponent = {component:?}\n{keys}")
            .expect("a string takes everything");
        self
    }

    /// Adds any table; `keys` are its lines.
    pub(crate) fn table(mut self, name: &str, keys: &str) -> Self {
        writeln!(self.configuration, "[{name}]\n{keys}").expect("a string takes everything");
        self
    }

    /// Adds a guest under the id `id`, with a manifest of its own that declares `hooks`; `keys` are further lines of its table,
    /// where `EACH` stands for each event of those.
    pub(crate) fn hooks(mut self, guest: Guest, id: &str, hooks: &str, keys: &str) -> Self {
        let manifest = format!(
            "schema = 1\n[plugin]\nid = {id:?}\nversion = \"0.1.0\"\ntitle = \"A test\"\ndescription = \"Hooks of a test.\"\nhost-api = \"^0.1\"\n\
             [component]\nfile = \"guest.wasm\"\n\
             [capabilities]\ncatalog = {{ reason = \"Tries.\" }}\ndatabase-read = {{ reason = \"Tries.\" }}\n{hooks}"
        );
        let folder = Folder::new();
        std::fs::write(folder.path().join("plugin.toml"), manifest).expect("the folder is ours");
        let mut keys = keys.to_owned();
        if let Some((before, (grant, after))) = keys.split_once("EACH = ").and_then(|(before, rest)| Some((before, rest.split_once('}')?)))
        {
            let events: BTreeSet<&str> = hooks.lines().filter_map(|line| line.strip_prefix("event = ")).collect();
            let grants: Vec<String> = events.iter().map(|event| format!("{} = {grant}}}", event.trim_matches('"'))).collect();
            keys = format!("{before}{}{after}", grants.join(", "));
        }
        writeln!(self.configuration, "[plugins.{id}]\npath = {:?}\ncomponent = {:?}\n{keys}", folder.path(), guest.component)
            .expect("a string takes everything");
        self.manifests.push(folder);
        self
    }

    /// Adds a guest under its own id, with a manifest that requests `capabilities`; `keys` are further lines of its table.
    pub(crate) fn requesting(mut self, guest: Guest, capabilities: &str, keys: &str) -> Self {
        let Guest { name, component, .. } = guest;
        let manifest = format!(
            "schema = 1\n[plugin]\nid = {name:?}\nversion = \"0.1.0\"\ntitle = \"A test\"\ndescription = \"Asks for what a test says.\"\n\
             host-api = \"^0.1\"\n[component]\nfile = \"guest.wasm\"\n{capabilities}"
        );
        let folder = Folder::new();
        std::fs::write(folder.path().join("plugin.toml"), manifest).expect("the folder is ours");
        writeln!(self.configuration, "[plugins.{name}]\npath = {:?}\ncomponent = {component:?}\n{keys}", folder.path())
            .expect("a string takes everything");
        self.manifests.push(folder);
        self
    }

    /// Adds the `[server]` table.
    pub(crate) fn server(mut self, keys: &str) -> Self {
        writeln!(self.configuration, "[server]\n{keys}").expect("a string takes everything");
        self
    }

    /// Starts it over HTTP on a free port.
    pub(crate) async fn start(&self) -> HttpHost {
        let folder = Folder::new();
        let file = self.write(&folder);
        HttpHost::spawn(folder, |command| {
            command.args(["serve", "--http", "127.0.0.1:0", "--config"]).arg(file);
        })
        .await
    }

    /// Starts it for one client, over standard input and output.
    pub(crate) async fn connect_stdio(&self, era: Era) -> (Client, Folder) {
        let folder = Folder::new();
        let mut command = program();
        command.args(["serve", "--stdio", "--config"]).arg(self.write(&folder));
        let (transport, _) = TokioChildProcess::builder(command).stderr(Stdio::null()).spawn().expect("the program starts");
        let service = match era {
            Era::Modern => Visitor::default().serve_with_lifecycle(transport, modern()).await.expect("the client connects"),
            Era::Legacy => Visitor::default().serve(transport).await.expect("the client connects"),
        };
        (Client { service }, folder)
    }

    /// Runs another command on the same configuration and waits for its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Ended {
        let folder = Folder::new();
        let mut command = program();
        command.args(arguments).arg("--config").arg(self.write(&folder));
        run(command).await
    }

    /// Writes the configuration into a folder.
    pub(crate) fn write(&self, folder: &Folder) -> PathBuf {
        let file = folder.path().join("tidegate.toml");
        std::fs::write(&file, &self.configuration).expect("the folder is ours");
        file
    }
}

/// A host that runs over HTTP; dropping it ends it.
pub(crate) struct HttpHost {
    /// Where its MCP endpoint is.
    pub(crate) url: String,
    child: Child,
    log: Arc<Mutex<String>>,
    _folder: Folder,
}

impl HttpHost {
    /// Starts the program with other arguments, which have it serve over HTTP.
    pub(crate) async fn start(arguments: impl FnOnce(&mut Command)) -> Self {
        Self::spawn(Folder::new(), arguments).await
    }

    async fn spawn(folder: Folder, arguments: impl FnOnce(&mut Command)) -> Self {
        let mut command = program();
        arguments(&mut command);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let log = Arc::new(Mutex::new(String::new()));
        let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines();
        let ready = async {
            while let Some(line) = lines.next_line().await.expect("the log is text") {
                let url = line.split_whitespace().find(|word| word.starts_with("http://")).map(str::to_owned);
                log.lock().unwrap().push_str(&(line + "\n"));
                if url.is_some() {
                    return url;
                }
            }
            None
        };
        let url = tokio::time::timeout(PATIENCE, ready).await.expect("the host is ready in time");
        let url = url.unwrap_or_else(|| panic!("the host ended:\n{}", log.lock().unwrap()));
        let rest = log.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                rest.lock().unwrap().push_str(&(line + "\n"));
            }
        });
        Self { url, child, log, _folder: folder }
    }

    /// Connects a client.
    pub(crate) async fn connect(&self, era: Era) -> Client {
        self.connect_as(era, Visitor::default()).await
    }

    /// Connects a client behind which a person can be asked.
    pub(crate) async fn connect_with(&self, era: Era, person: &Person) -> Client {
        self.connect_as(era, Visitor { person: Some(person.clone()) }).await
    }

    async fn connect_as(&self, era: Era, visitor: Visitor) -> Client {
        tidegate::plugin::fetch::provider::install();
        let transport = StreamableHttpClientTransport::from_uri(self.url.as_str());
        let service = match era {
            Era::Modern => visitor.serve_with_lifecycle(transport, modern()).await.expect("the client connects"),
            Era::Legacy => visitor.serve(transport).await.expect("the client connects"),
        };
        Client { service }
    }

    /// Waits until it has logged `part`.
    pub(crate) async fn logs(&self, part: &str) {
        let until = std::time::Instant::now() + PATIENCE;
        while !self.log().contains(part) {
            assert!(std::time::Instant::now() < until, "`{part}` is not in the log:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// What it has logged so far.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Its process.
    pub(crate) fn process_id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Asks it to stop with SIGTERM and answers its exit code.
    #[cfg(unix)]
    pub(crate) async fn terminate(mut self) -> Option<i32> {
        let id = self.process_id();
        let sent = Command::new("kill").args(["-TERM", &id.to_string()]).status().await.expect("`kill` is there");
        assert!(sent.success());
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it ends in time");
        ended.expect("it can be waited for").code()
    }
}

impl Client {
    /// The names of the tools it sees.
    pub(crate) async fn tools(&self) -> Vec<String> {
        let tools = self.service.list_all_tools().await.expect("the list is answered");
        tools.into_iter().map(|tool| tool.name.into_owned()).collect()
    }

    /// Calls a tool; `arguments` is an object.
    pub(crate) async fn call(&self, tool: impl Into<Cow<'static, str>>, arguments: Value) -> Answer {
        let tool = tool.into();
        let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
        let request = CallToolRequestParams::new(tool.clone()).with_arguments(arguments);
        let called = tokio::time::timeout(PATIENCE, self.service.call_tool(request)).await.expect("the call is answered in time");
        Answer(called.unwrap_or_else(|error| panic!("`{tool}` was a protocol error: {error}")))
    }

    /// Ends the client's session, as one that says goodbye does.
    pub(crate) async fn leave(self) {
        self.service.cancel().await.expect("it ends");
    }

    /// The service itself, for what the others do not cover.
    pub(crate) fn service(&self) -> &RunningService<RoleClient, Visitor> {
        &self.service
    }
}

/// What a call answered.
pub(crate) struct Answer(CallToolResult);

impl Answer {
    /// All of its text.
    pub(crate) fn text(&self) -> String {
        let text = self.0.content.iter().filter_map(|block| block.as_text()).map(|text| text.text.as_str());
        text.collect::<Vec<_>>().join("\n")
    }

    /// Its texts, one for each piece.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.0.content.iter().filter_map(|block| block.as_text()).map(|text| text.text.clone()).collect()
    }

    /// The types of its pictures.
    pub(crate) fn images(&self) -> Vec<String> {
        self.0.content.iter().filter_map(|block| block.as_image()).map(|image| image.mime_type.clone()).collect()
    }

    /// What its text is as JSON; a failed call fails the test.
    pub(crate) fn json(&self) -> Value {
        assert_ne!(self.0.is_error, Some(true), "the call failed: {}", self.text());
        serde_json::from_str(&self.text()).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The rows of it.
    pub(crate) fn rows(&self) -> Value {
        self.json()["rows"].clone()
    }

    /// Its error; a call that did not fail fails the test.
    pub(crate) fn error(&self) -> Value {
        assert_eq!(self.0.is_error, Some(true), "the call did not fail: {}", self.text());
        self.0.structured_content.clone().expect("an error has structured content")["error"].clone()
    }

    /// The code of its error; a call that did not fail fails the test.
    pub(crate) fn code(&self) -> String {
        assert_eq!(self.0.is_error, Some(true), "the call did not fail: {}", self.text());
        let content = self.0.structured_content.clone().expect("an error has structured content");
        content["error"]["code"].as_str().expect("an error has a code").to_owned()
    }

    /// Whether it failed.
    pub(crate) fn failed(&self) -> bool {
        self.0.is_error == Some(true)
    }
}

/// A command that has ended.
pub(crate) struct Ended {
    /// Its exit code.
    pub(crate) code: Option<i32>,
    /// What it wrote to standard output.
    pub(crate) stdout: String,
    /// What it wrote to standard error.
    pub(crate) stderr: String,
}

/// Runs a command to its end, without input.
pub(crate) async fn run(mut command: Command) -> Ended {
    let output = command.stdin(Stdio::null()).output();
    let output = tokio::time::timeout(PATIENCE, output).await.expect("the command ends in time").expect("the program starts");
    Ended {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).expect("it writes text"),
        stderr: String::from_utf8(output.stderr).expect("it writes text"),
    }
}

/// The built program, away from the environment of whoever runs the tests.
pub(crate) fn program() -> Command {
    let test = std::env::current_exe().expect("the system tells");
    // <target>/<profile>/deps/it-…
    let built = test.ancestors().nth(2).expect("a test lies three deep").join(format!("tidegate{}", std::env::consts::EXE_SUFFIX));
    assert!(built.exists(), "{} is not built; run `cargo build` or `tests/run`", built.display());
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let mut command = Command::new(built);
    command.kill_on_drop(true).current_dir(temporary);
    for name in ["DATABASE_URL", "TIDEGATE_TOKEN", "TIDEGATE_LOG"] {
        command.env_remove(name);
    }
    // A test that keeps something names a folder of its own.
    command.env("TIDEGATE_STATE", "");
    // Shared, so that a component is compiled once for all tests.
    command.env("TIDEGATE_CACHE", temporary.join("cache"));
    // What is installed on this machine is not the tests'.
    command.env("TIDEGATE_PLUGINS", "");
    command
}

fn modern() -> ClientLifecycleMode {
    ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] }
}
