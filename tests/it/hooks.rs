//! Hooks around statements and calls, over the real wire: who is asked, what is obeyed, and what a hook can never do.

mod calls;
mod faults;
mod statements;

use crate::database::Engine;
use crate::database::Library;
use crate::host::Client;
use crate::host::Era;
use crate::host::Host;
use crate::host::HttpHost;

/// A declaration of one hook; `keys` are further lines. It may take as long as any, because the machine may be busy.
fn hook(event: &str, kind: &str, keys: &str) -> String {
    let timeout = if keys.contains("timeout") { "" } else { "timeout = \"2s\"\n" };
    format!("[[hooks]]\nevent = {event:?}\nkind = {kind:?}\nreason = \"Tests.\"\n{timeout}{keys}\n")
}

/// The keys of a plugin with these settings whose hooks have this grant.
fn keys(settings: &str, grant: &str) -> String {
    format!("settings = {{ {settings} }}\nhooks = {{ EACH = {{ {grant} }} }}\n")
}

/// The keys of a plugin that is obeyed.
fn enforced(settings: &str) -> String {
    keys(settings, "mode = \"enforce\"")
}

/// A library with a host before it that has further plugins; `database` is further lines of the database's table.
async fn open(engine: Engine, database: &str, plugins: impl FnOnce(Host) -> Host) -> (Library, HttpHost, Client) {
    let library = Library::new(engine).await;
    let host = plugins(Host::new().database("main", &library.url, database)).start().await;
    let client = host.connect(Era::Modern).await;
    (library, host, client)
}
