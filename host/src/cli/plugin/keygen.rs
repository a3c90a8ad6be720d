//! `tidegate plugin keygen`: a key to sign plugins with, in minisign's files.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::ask;
use super::sign;
use crate::cli::failure::Exit;
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::config::environment;
use crate::plugin::trust::KeyPair;
use crate::plugin::trust::rotation::ROTATION_FILE;
use crate::plugin::trust::rotation::ROTATION_SIGNATURE_FILE;
use crate::plugin::trust::rotation::Rotation;

/// Options of `plugin keygen`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// The secret key is written to FILE.key, the public one to FILE.pub
    #[arg(default_value = "tidegate", value_name = "FILE")]
    name: PathBuf,
    /// Leave the secret key unencrypted; else it is encrypted with a password, asked for or in TIDEGATE_KEY_PASSWORD
    #[arg(long)]
    no_password: bool,
    /// The secret key that the new one replaces: writes rotate.toml and its signature, to be published beside the plugin
    #[arg(long, value_name = "FILE", requires = "scope")]
    replaces: Option<PathBuf>,
    /// What the key is for: NAMESPACE/* or the id of a plugin without a namespace
    #[arg(long)]
    scope: Option<String>,
    /// Print the public key as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// Makes a key.
pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let with_end = |end: &str| {
        let mut path = options.name.clone().into_os_string();
        path.push(end);
        PathBuf::from(path)
    };
    let (secret, public) = (with_end(".key"), with_end(".pub"));
    for path in [&secret, &public] {
        if path.exists() {
            return Err(Failure::new(Exit::Failed, format!("`{}` is there already, and is not overwritten", path.display())));
        }
    }
    // Before a key is made that would lie about if this failed.
    let old = options.replaces.as_ref().map(|path| sign::open_key(path)).transpose()?;
    let password = if options.no_password { None } else { Some(new_password()?) };
    let pair = KeyPair::generate(password.as_deref()).map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    write_new(&secret, pair.secret_file.as_bytes(), true)?;
    write_new(&public, pair.public_file.as_bytes(), false)?;
    let mut written = vec![secret.clone(), public];
    if let (Some(old), Some(scope)) = (old, &options.scope) {
        let (text, signature) =
            Rotation::write(scope, &old, &pair.public).map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
        let beside = options.name.parent().unwrap_or(Path::new("."));
        for (name, text) in [(ROTATION_FILE, text), (ROTATION_SIGNATURE_FILE, signature)] {
            write_new(&beside.join(name), text.as_bytes(), false)?;
            written.push(beside.join(name));
        }
    }
    if options.json {
        output::json(&json!({ "public_key": pair.public, "files": written }));
        return Ok(());
    }
    for path in &written {
        output::line(format!("wrote {}", path.display()));
    }
    output::line(format!("public key: {}\nKeep {} to yourself; tell people the public key.", pair.public, secret.display()));
    Ok(())
}

/// The password for a new key: from the environment, or asked for twice.
fn new_password() -> Result<String, Failure> {
    if let Some(password) = environment::find(environment::KEY_PASSWORD) {
        return Ok(password);
    }
    if !ask::is_somebody_there() {
        return Err(Failure::new(Exit::Usage, "there is no terminal to ask for a password at")
            .next(format!("set {}, or leave the key unencrypted with `--no-password`", environment::KEY_PASSWORD)));
    }
    let password = sign::ask_password("Password for the new key:")?;
    if password.is_empty() || password != sign::ask_password("Once more:")? {
        return Err(Failure::new(Exit::Usage, "the passwords differ or are empty"));
    }
    Ok(password)
}

/// Writes a file that is not there yet; a secret one can be read by its owner alone.
fn write_new(path: &Path, bytes: &[u8], secret: bool) -> Result<(), Failure> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(if secret { 0o600 } else { 0o644 });
    }
    #[cfg(not(unix))]
    let _ = secret;
    let written = options.open(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(|error| Failure::new(Exit::Failed, format!("`{}` cannot be written: {error}", path.display())))
}
