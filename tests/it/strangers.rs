//! What strangers try with what they offer and with what they are called, through `plugin install`: nothing of it comes in.

use std::time::Duration;

use serde_json::Value;
use serde_json::json;
use tidegate::call::Call;
use tidegate::call::Caller;
use tidegate::capability::Services;
use tidegate::config::file;
use tidegate::config::file::Sources;
use tidegate::dispatch::DispatchOptions;
use tidegate::dispatch::Dispatcher;
use tidegate::dispatch::ToolRequest;
use tidegate::plugin::source;
use tidegate::runtime::answer::Content;
use tidegate::runtime::answer::Outcome;
use tidegate::runtime::answer::Round;
use tidegate::storage::Storage;

use crate::folder::Folder;
use crate::guests;
use crate::host::Era;
use crate::host::Host;
use crate::package::Author;
use crate::package::Edition;
use crate::package::ID;
use crate::plugins_install::Machine;

/// The component of `deceives` with some bytes of it in the place of others, as many.
fn edited(changes: &[(&str, &str)]) -> Vec<u8> {
    let mut component = std::fs::read(guests::DECEIVES.component).unwrap();
    for (from, to) in changes {
        assert_eq!(from.len(), to.len(), "{from} {to}");
        let places: Vec<usize> = (0..component.len() - from.len()).filter(|at| component[*at..].starts_with(from.as_bytes())).collect();
        assert!(!places.is_empty(), "`{from}` is in the component");
        for at in places {
            component[at..at + to.len()].copy_from_slice(to.as_bytes());
        }
    }
    component
}

/// What `plugin install` says to a component under an id.
async fn install(machine: &Machine, author: &Author, id: &str, component: &[u8], tools: &[&str]) -> (Option<i32>, String) {
    let signed = author.publish_stranger(id, component, tools).await;
    assert_eq!(signed.code, Some(0), "{}", signed.stderr);
    let source = author.published();
    let ended = machine.plugin(&["install", source.to_str().unwrap(), "--publisher-key", &author.key, "--yes"]).await;
    (ended.code, ended.stdout + &ended.stderr)
}

#[tokio::test]
async fn schemas_that_are_bombs_or_hide_something_are_not_installed() {
    let (author, machine) = (Author::new().await, Machine::new());
    for (which, part) in [
        ("01", "nests deeper"),
        ("02", "bytes, and"),
        ("03", "not valid JSON Schema"),
        ("04", "not valid JSON Schema"),
        ("05", "refers to itself without end"),
        ("06", "in several ways"),
        ("07", "applies more than"),
        ("08", "invisible or control characters"),
        ("09", "invisible or control characters"),
        ("10", "invisible or control characters"),
        ("11", "another document"),
        ("12", "bytes, and"),
    ] {
        let component = edited(&[("deceit:00", &format!("deceit:{which}"))]);
        let (code, text) = install(&machine, &author, "example.org/deceives", &component, &["select"]).await;
        assert!(code == Some(1) && text.contains(part), "{which}: {code:?} {text}");
        assert!(!text.chars().any(|c| matches!(c, '\u{200b}' | '\u{202e}' | '\u{e0041}')), "{text}");
    }
    assert!(machine.files().is_empty(), "{:?}", machine.files());
    let (code, text) = install(&machine, &author, "example.org/deceives", &edited(&[]), &["select"]).await;
    assert_eq!(code, Some(0), "the same without any of it is installed: {text}");
}

#[tokio::test]
async fn what_a_person_does_not_see_is_in_no_text_of_an_installed_plugin() {
    let (author, machine) = (Author::new().await, Machine::new());
    // Zero width, direction, tag, byte order, bell and escape.
    for hidden in ["\u{200b}", "\u{202e}", "\u{e0041}", "\u{feff}", "\u{7}", "\u{1b}"] {
        let text = format!("Shows every{hidden}{}", &"thing there is."[hidden.len()..]);
        let component = edited(&[("Shows everything there is.", &text)]);
        let (code, text) = install(&machine, &author, "example.org/deceives", &component, &["select"]).await;
        assert!(code == Some(1) && text.contains("invisible or control characters"), "{hidden:?}: {code:?} {text}");
    }
    assert!(machine.files().is_empty(), "{:?}", machine.files());

    // In the manifest it is refused before it is signed, and after it was signed by somebody who left that out.
    let (author, source) = (Author::new().await, author.published());
    for (what, hidden) in
        [("Reads and changes.", "Reads\u{200b} and changes."), ("Installs", "Inst\u{202e}alls"), ("Reads.", "Reads.\u{e0041}")]
    {
        author.publish(Edition { version: "1.0.0", letter: 'A', more: "" }).await;
        let manifest = author.published().join("plugin.toml");
        let text = std::fs::read_to_string(&manifest).unwrap();
        std::fs::write(&manifest, text.replacen(what, hidden, 1)).unwrap();
        let mut command = crate::host::program();
        command.args(["plugin", "sign", "--key"]).arg(author.secret()).arg(author.published());
        let signed = crate::host::run(command).await;
        assert_ne!(signed.code, Some(0), "{what}");
        let refused = machine.refused(&["install", author.published().to_str().unwrap(), "--allow-unsigned", "--yes"]).await;
        assert!(!refused.contains(['\u{200b}', '\u{202e}', '\u{e0041}']), "{refused:?}");
    }
    drop(source);
    assert!(machine.files().is_empty(), "{:?}", machine.files());
}

#[tokio::test]
async fn nobody_takes_the_name_of_another_tool_or_plugin() {
    let (author, machine) = (Author::new().await, Machine::new());
    // Called so that its tool would be `execute_select`, which is one of the program's.
    let (code, text) = install(&machine, &author, "example.org/execute", &edited(&[]), &["select"]).await;
    let host = Host::new().plugins(&machine.plugins()).database("main", "sqlite::memory:", "");
    if code == Some(0) {
        let ended = host.run(&["tools"]).await;
        assert!(
            ended.code == Some(3) && ended.stderr.contains("`execute_select` is already offered by plugin `query`"),
            "{}",
            ended.stderr
        );
        machine.done(&["remove", "example.org/execute"]).await;
    } else {
        assert!(text.contains("execute_select"), "{text}");
    }
    for id in ["query", "schema", "cache"] {
        let (code, text) = install(&machine, &author, id, &edited(&[]), &["select"]).await;
        assert!(code != Some(0) && text.contains("plugin of this program"), "{id}: {text}");
    }
    // Another namespace, the same name.
    let (code, text) = install(&machine, &author, "example.org/look", &edited(&[]), &["select"]).await;
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = install(&machine, &author, "example.net/look", &edited(&[]), &["select"]).await;
    assert!(code != Some(0) && text.contains("tools begin with the same name"), "{text}");
    let host = host.start().await;
    let tools = host.connect(Era::Modern).await.tools().await;
    assert!(tools.contains(&"look_select".to_owned()) && tools.iter().filter(|name| *name == "execute_select").count() == 1, "{tools:?}");
}

#[tokio::test]
async fn names_that_climb_out_of_their_folder_are_no_names() {
    let (author, machine) = (Author::new().await, Machine::new());
    author.publish(Edition { version: "1.0.0", letter: 'A', more: "" }).await;
    let published = author.published();
    let good = std::fs::read_to_string(published.join("plugin.toml")).unwrap();
    std::fs::copy(published.join("installs.wasm"), published.parent().unwrap().join("outside.wasm")).unwrap();
    for name in ["../outside.wasm", "/etc/passwd", "a/../../outside.wasm", "..", "..\\\\outside.wasm", "a\\u0000.wasm", ""] {
        std::fs::write(published.join("plugin.toml"), good.replacen("installs.wasm", name, 1)).unwrap();
        let text = machine.refused(&["install", published.to_str().unwrap(), "--allow-unsigned", "--yes", "--deny", "databases"]).await;
        assert!(text.contains("component.file"), "{name}: {text}");
    }
    for id in [
        "../../evil",
        "example.org/../evil",
        "/evil",
        "example.org/",
        "example.org/a/b",
        "Example.org/evil",
        "example.org/e\u{131}vil",
        ".",
    ] {
        std::fs::write(published.join("plugin.toml"), good.replacen(ID, id, 1)).unwrap();
        let text = machine.refused(&["install", published.to_str().unwrap(), "--allow-unsigned", "--yes", "--deny", "databases"]).await;
        assert!(text.contains("id"), "{id}: {text}");
        for command in ["remove", "rollback", "approve"] {
            assert!(!machine.refused(&[command, id]).await.is_empty());
        }
    }
    assert!(machine.files().iter().all(|name| name == ".claim"), "{:?}", machine.files());
}

#[tokio::test]
async fn files_that_end_early_or_hold_anything_are_told_and_nothing_of_them_runs() {
    let (author, machine) = (Author::new().await, Machine::new());
    author.publish(Edition { version: "1.0.0", letter: 'A', more: "" }).await;
    let source = author.published();
    let arguments = ["install", source.to_str().unwrap(), "--publisher-key", &author.key, "--yes", "--deny", "databases"];
    for file in ["plugin.toml", "plugin.toml.minisig", "installs.wasm"] {
        let good = std::fs::read(source.join(file)).unwrap();
        let (half, garbage) = (good[..good.len() / 2].to_vec(), vec![0xa5; good.len().min(4096)]);
        for bad in [Vec::new(), good[..1].to_vec(), half, good[..good.len() - 1].to_vec(), garbage, vec![0; good.len()]] {
            // Base64 that lost its last line end is the same signature.
            if bad.len() + 1 == good.len() && good.last() == Some(&b'\n') && file.ends_with("minisig") {
                continue;
            }
            std::fs::write(source.join(file), &bad).unwrap();
            let ended = machine.plugin(&arguments).await;
            assert!(
                ended.code == Some(1) && !ended.stderr.contains("panicked"),
                "{file}, {} bytes: {:?} {}",
                bad.len(),
                ended.code,
                ended.stderr
            );
        }
        std::fs::write(source.join(file), good).unwrap();
    }
    assert!(machine.files().is_empty(), "{:?}", machine.files());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_gets_from_one_caller_to_another_through_what_a_plugin_keeps_counts_or_logs() {
    let folder = Folder::new();
    let host = Host::new().guest(guests::KEEPS, "storage = \"64 KiB\"");
    let config = file::load(&Sources { file: Some(host.write(&folder)), ..Sources::default() }).unwrap();
    let packages = source::packages(&config, &[]).map_err(|(_, error)| error).unwrap();
    let cache = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache");
    let services = Services { storage: std::sync::Arc::new(Storage::new(Some(folder.path().join("state")))), ..Services::default() };
    let dispatcher =
        Dispatcher::start(services, packages, &DispatchOptions { cache: Some(cache), ..DispatchOptions::default() }).await.unwrap();
    let ask = async |caller: &str, tool: &str, arguments: Value| {
        let call = Call::new(Caller::named(caller), Duration::from_secs(60));
        let request = ToolRequest { name: tool.into(), arguments: arguments.as_object().unwrap().clone(), round: Round::default() };
        match dispatcher.call(&call, request).await {
            Ok(Outcome::Complete(content)) => match content.as_slice() {
                [Content::Text(text)] => text.clone(),
                other => panic!("{other:?}"),
            },
            Ok(Outcome::NeedInput(_)) => panic!("it asks nothing"),
            Err(error) => error.code().to_owned(),
        }
    };
    ask("ada", "keeps_put", json!({ "key": "row", "value": "of ada" })).await;
    ask("ada", "keeps_remember", json!({ "key": "row", "value": "of ada" })).await;
    for caller in ["bob", "ada2", "ad", "ada/row", "", "shared"] {
        assert_eq!(ask(caller, "keeps_get", json!({ "key": "row" })).await, "nothing", "{caller}");
        assert_eq!(ask(caller, "keeps_keys", json!({})).await, "", "{caller}");
        assert_eq!(ask(caller, "keeps_remember", json!({ "key": "row" })).await, "nothing", "{caller}");
        // What callers share takes a grant of its own, which this plugin does not have.
        assert_eq!(ask(caller, "keeps_put", json!({ "key": "row", "shared": true })).await, "ACCESS_DENIED", "{caller}");
        assert_eq!(ask(caller, "keeps_get", json!({ "key": "row", "shared": true })).await, "ACCESS_DENIED", "{caller}");
    }
    assert_eq!(ask("ada", "keeps_get", json!({ "key": "row" })).await, "of ada");
    assert_eq!(ask("ada", "keeps_remember", json!({ "key": "row" })).await, "of ada");
    // Figures and the log are written and never read: no import of the contract gives them back.
    let imports = tidegate::plugin::interfaces::Interfaces::read(&std::fs::read(guests::KEEPS.component).unwrap()).unwrap().imports;
    assert!(imports.iter().any(|name| name.starts_with("tidegate:plugin/metric@")), "{imports:?}");
}
