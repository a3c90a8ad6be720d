//! Builds every first-party plugin to a component, with a cargo of its own, and writes the list that `lib.rs` includes.
//!
//! The nested build has a target folder of its own (`<target>/guests`), shared by all profiles and commands: cargo holds a
//! lock on the outer one. Whatever the outer command (`build`, `clippy`, `doc`, `test`) tells rustc through the environment
//! is taken away, so that all of them use the same components and none builds them twice.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

/// What components are built for.
const TARGET: &str = "wasm32-wasip2";

/// Variables of the outer build that would change the inner one.
const FOREIGN: [&str; 13] = [
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_ENCODED_RUSTDOCFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_INCREMENTAL",
    "CARGO_TARGET_DIR",
    "CLIPPY_ARGS",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTDOCFLAGS",
    "RUSTFLAGS",
    "__CARGO_DEFAULT_LIB_METADATA",
];

/// A folder under `plugins/` that holds a plugin.
struct Plugin {
    /// The folder's name, which is the plugin's id.
    id: String,
    /// The folder.
    folder: PathBuf,
}

impl Plugin {
    /// By rule, the package is called after the folder.
    fn package(&self) -> String {
        format!("tidegate-{}", self.id)
    }

    fn component(&self) -> String {
        format!("tidegate_{}.wasm", self.id.replace('-', "_"))
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let here = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let plugins_folder = here.parent().ok_or("the bundle is not in a folder of plugins")?;
    let root = plugins_folder.parent().ok_or("the folder of plugins is not in a workspace")?;

    for watched in ["wit", "plugin-sdk", "plugins", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", root.join(watched).display());
    }

    let plugins = find_plugins(plugins_folder)?;
    ensure_target(root)?;
    let built = build(root, &guests_folder(&out), &plugins)?;
    fs::write(out.join("plugins.rs"), list(&out, &built, &plugins)?)?;
    Ok(())
}

/// The plugins, by name: every folder with a manifest.
fn find_plugins(folder: &Path) -> Result<Vec<Plugin>, Box<dyn Error>> {
    let mut plugins = Vec::new();
    for entry in fs::read_dir(folder)? {
        let folder = entry?.path();
        if folder.join("plugin.toml").is_file()
            && let Some(id) = folder.file_name().and_then(|name| name.to_str())
        {
            plugins.push(Plugin { id: id.to_owned(), folder });
        }
    }
    plugins.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(plugins)
}

/// A folder beside the outer build's, so that it goes away with it.
fn guests_folder(out: &Path) -> PathBuf {
    // Cargo marks the root of a target folder with this file.
    let target = out.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file()).unwrap_or(out);
    target.join("guests")
}

/// Adds the standard library of the guest target when it is missing.
fn ensure_target(root: &Path) -> Result<(), Box<dyn Error>> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(&rustc).args(["--print", "target-libdir", "--target", TARGET]).current_dir(root).output()?;
    let folder = PathBuf::from(String::from_utf8(output.stdout)?.trim());
    let has_library = |folder: &Path| folder.read_dir().is_ok_and(|mut files| files.next().is_some());
    if has_library(&folder) {
        return Ok(());
    }
    println!("cargo::warning=adding the Rust target {TARGET}");
    let added = Command::new("rustup").args(["target", "add", TARGET]).current_dir(root).output();
    if added.is_ok_and(|output| output.status.success()) && has_library(&folder) {
        return Ok(());
    }
    Err(format!("plugins are built for the Rust target `{TARGET}`, which is not installed; run: rustup target add {TARGET}").into())
}

/// Builds the components and returns the folder that they are in.
fn build(root: &Path, target_folder: &Path, plugins: &[Plugin]) -> Result<PathBuf, Box<dyn Error>> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root).args(["build", "--locked", "--profile", "guest", "--target", TARGET]);
    command.arg("--target-dir").arg(target_folder);
    // A build folder that the user's configuration names would be the outer one, and locked.
    command.env("CARGO_BUILD_BUILD_DIR", target_folder);
    for plugin in plugins {
        command.args(["--package", &plugin.package()]);
    }
    for name in FOREIGN {
        command.env_remove(name);
    }
    let output = command.output()?;
    if !output.status.success() {
        return Err(format!("the plugins do not build:\n{}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(target_folder.join(TARGET).join("guest"))
}

/// The Rust text of the list of plugins. Components are copied, because another build may replace the originals.
fn list(out: &Path, built: &Path, plugins: &[Plugin]) -> Result<String, Box<dyn Error>> {
    let mut text = String::from("&[\n");
    for plugin in plugins {
        let component = out.join(plugin.component());
        fs::copy(built.join(plugin.component()), &component)?;
        let manifest = plugin.folder.join("plugin.toml");
        let id = &plugin.id;
        writeln!(text, "    Plugin {{ id: {id:?}, manifest: include_str!({manifest:?}), component: include_bytes!({component:?}) }},")?;
    }
    text.push(']');
    Ok(text)
}
