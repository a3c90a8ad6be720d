//! A plugin as its author publishes it: a folder with a manifest that pins the component, signed by the program itself.

use std::path::Path;
use std::path::PathBuf;

use tidegate::plugin::PluginError;
use tidegate::plugin::contract::ContractError;
use tidegate::plugin::digest::Digest;
use tidegate::plugin::header;
use tidegate::plugin::header::Header;
use tidegate::plugin::inspection;
use tidegate::plugin::inspection::Expected;
use tidegate::plugin::install::proof;
use tidegate::plugin::install::proof::ProofError;
use tidegate::plugin::install::source::read_folder;

use crate::folder::Folder;
use crate::guests;
use crate::host::Ended;
use crate::host::program;
use crate::host::run;

/// The id of the plugin.
pub(crate) const ID: &str = "example.org/installs";

/// An author: a key, and a folder to publish in.
pub(crate) struct Author {
    folder: Folder,
    /// The public key.
    pub(crate) key: String,
}

/// What one version of the plugin is.
#[derive(Clone, Copy)]
pub(crate) struct Edition<'a> {
    /// Its version.
    pub(crate) version: &'a str,
    /// The letter in its tool's description.
    pub(crate) letter: char,
    /// Further lines of its manifest.
    pub(crate) more: &'a str,
}

impl Author {
    /// One with a new key.
    pub(crate) async fn new() -> Self {
        let folder = Folder::new();
        let mut command = program();
        command.args(["plugin", "keygen", "--no-password", "--json"]).arg(folder.path().join("author"));
        let ended = run(command).await;
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let made: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
        Self { key: made["public_key"].as_str().unwrap().to_owned(), folder }
    }

    /// Where the published plugin is.
    pub(crate) fn published(&self) -> PathBuf {
        self.folder.path().join("published")
    }

    /// The author's secret key.
    pub(crate) fn secret(&self) -> PathBuf {
        self.folder.path().join("author.key")
    }

    /// Publishes an edition in the place of the one before.
    pub(crate) async fn publish(&self, edition: Edition<'_>) -> Ended {
        let place = self.published();
        std::fs::create_dir_all(&place).unwrap();
        let header = Header { id: ID.into(), version: edition.version.parse().unwrap(), host_api: "^0.1".parse().unwrap() };
        let mut component = header::embed(&std::fs::read(guests::INSTALLS.component).unwrap(), &header).unwrap();
        let text = b"Edition A.";
        let places: Vec<usize> = (0..component.len() - text.len()).filter(|at| component[*at..].starts_with(text)).collect();
        assert!(!places.is_empty(), "the description is in the component");
        for at in places {
            component[at + text.len() - 2] = edition.letter as u8;
        }
        std::fs::write(place.join("installs.wasm"), &component).unwrap();
        let placeholder = Digest::of(b"not known yet");
        self.write_manifest(&place, &edition, &component, placeholder);
        let contract = contract_of(&place).await;
        self.write_manifest(&place, &edition, &component, contract);
        let mut command = program();
        command.args(["plugin", "sign", "--key"]).arg(self.secret()).arg(&place);
        run(command).await
    }

    /// Publishes this component as `id`, with a manifest that says of it what is so; `tools` are those that it lists.
    pub(crate) async fn publish_stranger(&self, id: &str, component: &[u8], tools: &[&str]) -> Ended {
        let place = self.published();
        std::fs::create_dir_all(&place).unwrap();
        let header = Header { id: id.into(), version: "1.0.0".parse().unwrap(), host_api: "^0.1".parse().unwrap() };
        let component = header::embed(component, &header).unwrap();
        std::fs::write(place.join("stranger.wasm"), &component).unwrap();
        let write = |contract: Digest| {
            let _ = std::fs::remove_file(place.join("plugin.toml.minisig"));
            let manifest = format!(
                "schema = 1\n[plugin]\nid = {id:?}\nversion = \"1.0.0\"\ntitle = \"A stranger\"\ndescription = \"Is a stranger.\"\n\
                 host-api = \"^0.1\"\n[component]\nfile = \"stranger.wasm\"\nsha256 = \"{}\"\n[provides]\ntools = {tools:?}\n\
                 contract-sha256 = \"{contract}\"\n",
                Digest::of(&component)
            );
            std::fs::write(place.join("plugin.toml"), manifest).unwrap();
        };
        write(Digest::of(b"not known yet"));
        write(contract_of(&place).await);
        let mut command = program();
        command.args(["plugin", "sign", "--key"]).arg(self.secret()).arg(&place);
        run(command).await
    }

    fn write_manifest(&self, place: &Path, edition: &Edition<'_>, component: &[u8], contract: Digest) {
        let Edition { version, more, .. } = edition;
        let _ = std::fs::remove_file(place.join("plugin.toml.minisig"));
        let manifest = format!(
            "schema = 1\n[plugin]\nid = \"{ID}\"\nversion = \"{version}\"\ntitle = \"Installs\"\ndescription = \"Reads and changes.\"\n\
             host-api = \"^0.1\"\n[component]\nfile = \"installs.wasm\"\nsha256 = \"{}\"\n[provides]\n\
             tools = [\"announce\", \"ask\", \"change\"]\ncontract-sha256 = \"{contract}\"\n[capabilities]\n\
             database-read = {{ reason = \"Reads.\" }}\ndatabase-write = {{ reason = \"Changes.\" }}\nchanges = {{ reason = \"Announces.\" }}\n{more}",
            Digest::of(component)
        );
        std::fs::write(place.join("plugin.toml"), manifest).unwrap();
    }
}

/// The digest of what the component in a folder offers.
async fn contract_of(place: &Path) -> Digest {
    let files = read_folder(place).unwrap().files;
    let inspected = inspection::inspect(files, &Expected { key: None, may_be_unsigned: true }).unwrap();
    match proof::prove(&inspected, Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("cache"))).await {
        Err(ProofError::Plugin(PluginError::Contract(ContractError::Digest { offered, .. }))) => offered,
        other => panic!("{other:?}"),
    }
}
