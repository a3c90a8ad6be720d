//! `tidegate plugin sign`: signs the manifest of a plugin, which pins its component.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::ask;
use crate::cli::failure::Exit;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::config::environment;
use crate::plugin::files::MANIFEST_FILE;
use crate::plugin::files::SIGNATURE_FILE;
use crate::plugin::inspection;
use crate::plugin::inspection::Expected;
use crate::plugin::install::source::read_folder;
use crate::plugin::manifest::Manifest;
use crate::plugin::trust::SigningKey;

/// Options of `plugin sign`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// The folder of the plugin's plugin.toml
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// The secret key
    #[arg(long, value_name = "FILE", default_value = "tidegate.key")]
    key: PathBuf,
    /// Print what was signed as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Signs a plugin that could be installed, and nothing else.
pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let failed = |error: &dyn std::error::Error| Failure::new(Exit::Failed, format!("`{}`: {error}", options.folder.display()));
    let fetched = read_folder(&options.folder).map_err(|error| failed(&error))?;
    let expected = Expected { key: None, may_be_unsigned: true };
    let mut files = fetched.files;
    files.signature = None;
    let key = open_key(&options.key)?;
    let manifest = Manifest::parse(&String::from_utf8_lossy(&files.manifest)).map_err(|error| failed(&error))?;
    match &manifest.plugin.publisher {
        Some(named) if named != key.public() => {
            return Err(Failure::new(
                Exit::Failed,
                format!("`plugin.publisher` of the manifest is {named}, and the key is {}", key.public()),
            )
            .next("sign with the other key, or write this one into the manifest"));
        }
        Some(_) => {}
        None => {
            let text = with_publisher(&String::from_utf8_lossy(&files.manifest), &key.public().to_string());
            files.manifest = text.ok_or_else(|| Failure::new(Exit::Failed, "the manifest has no line `[plugin]`"))?.into_bytes();
            let path = options.folder.join(MANIFEST_FILE);
            fs::write(&path, &files.manifest).map_err(|error| Failure::new(Exit::Failed, format!("`{}`: {error}", path.display())))?;
        }
    }
    let inspected = inspection::inspect(files, &expected).map_err(|error| failed(&error))?;
    let about = &inspected.manifest.plugin;
    let comment = format!("{} {}", about.id, about.version);
    let signature = crate::plugin::trust::sign(&key, &inspected.files.manifest, &comment).map_err(|error| failed(&error))?;
    let path = options.folder.join(SIGNATURE_FILE);
    fs::write(&path, signature).map_err(|error| Failure::new(Exit::Failed, format!("`{}`: {error}", path.display())))?;
    if options.json {
        output::json(&json!({ "id": about.id, "version": about.version, "publisher": key.public(), "signature": path }));
    } else {
        output::line(format!("signed `{}` {} as {}: {}", about.id, about.version, key.public(), path.display()));
    }
    Ok(())
}

/// The manifest with the key of its publisher written under `[plugin]`.
fn with_publisher(manifest: &str, key: &str) -> Option<String> {
    let mut text = String::with_capacity(manifest.len() + 80);
    let mut written = false;
    for line in manifest.split_inclusive('\n') {
        text.push_str(line);
        if !written && line.trim() == "[plugin]" {
            if !line.ends_with('\n') {
                text.push('\n');
            }
            text.push_str(&format!("publisher = \"{key}\"\n"));
            written = true;
        }
    }
    written.then_some(text)
}

/// Opens a secret key; its password comes from the environment or is asked for.
pub(super) fn open_key(path: &Path) -> Result<SigningKey, Failure> {
    let unreadable = |error| {
        Failure::new(Exit::Failed, format!("the secret key `{}` cannot be read: {error}", path.display()))
            .next("`tidegate plugin keygen` makes one")
    };
    let text = fs::read_to_string(path).map_err(unreadable)?;
    let password = if !SigningKey::is_encrypted(&text) {
        None
    } else if let Some(password) = environment::find(environment::KEY_PASSWORD) {
        Some(password)
    } else if ask::is_somebody_there() {
        Some(ask_password(&format!("Password of {}:", path.display()))?)
    } else {
        return Err(Failure::new(
            Exit::Usage,
            format!("`{}` is encrypted, and there is no terminal to ask for its password at", path.display()),
        )
        .next(format!("set {}", environment::KEY_PASSWORD)));
    };
    SigningKey::open(&text, password.as_deref()).map_err(|error| Failure::new(Exit::Failed, format!("`{}`: {error}", path.display())))
}

/// Asks for a password without showing it.
pub(super) fn ask_password(question: &str) -> Result<String, Failure> {
    output::error_part(format!("{question} "));
    rpassword::read_password().map_err(|error| Failure::new(Exit::Failed, format!("no password could be read: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_written_under_the_plugin() {
        let text = with_publisher("schema = 1\n[plugin]\nid = \"a\"\n", "RWx").unwrap();
        assert_eq!(text, "schema = 1\n[plugin]\npublisher = \"RWx\"\nid = \"a\"\n");
        assert_eq!(with_publisher("schema = 1\n", "RWx"), None);
    }
}
