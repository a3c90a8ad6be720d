//! Builds every guest of `tests/guests` and every example of the SDK to a component and writes the constants that name them.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

/// The target of components.
const TARGET: &str = "wasm32-wasip2";

/// The profile that builds guests quickly.
const PROFILE: &str = "guest-test";

fn main() -> Result<(), Box<dyn Error>> {
    let tests = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?);
    let repository = tests.parent().ok_or("tests/ is in the repository")?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    // <target>/<profile>/build/<package>/out; shared with the first-party plugins, whose dependencies are the same.
    let target = out.ancestors().nth(4).ok_or("OUT_DIR is in a target folder")?.join("guests");

    for input in ["tests/guests", "plugin-sdk/src", "plugin-sdk/examples", "plugin-sdk/Cargo.toml", "wit", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", repository.join(input).display());
    }
    let guests = packages(&tests.join("guests"), "guest-")?;
    let examples = packages(&repository.join("plugin-sdk/examples"), "")?;
    build(repository, &target, guests.iter().chain(&examples))?;
    fs::write(out.join("guests.rs"), constants(&target, &guests)?)?;
    fs::write(out.join("examples.rs"), constants(&target, &examples)?)?;
    Ok(())
}

/// A package that is built to a component.
struct Package {
    /// Its folder's name, which is the plugin's id.
    id: String,
    /// Its folder.
    folder: PathBuf,
    /// What cargo calls it.
    name: String,
}

/// The packages in the folders of a folder, by id; each is called `prefix` and its id.
fn packages(folder: &Path, prefix: &str) -> Result<Vec<Package>, Box<dyn Error>> {
    let mut packages = Vec::new();
    for entry in fs::read_dir(folder)? {
        let folder = entry?.path();
        if folder.join("Cargo.toml").exists()
            && let Some(id) = folder.file_name().and_then(|name| name.to_str())
        {
            packages.push(Package { id: id.to_owned(), name: format!("{prefix}{id}"), folder });
        }
    }
    packages.sort_by(|one, other| one.id.cmp(&other.id));
    Ok(packages)
}

/// Builds all of them with one cargo, in a target folder of their own: this build holds the lock of the other.
fn build<'a>(repository: &Path, target: &Path, packages: impl Iterator<Item = &'a Package>) -> Result<(), Box<dyn Error>> {
    let mut cargo = Command::new(env::var("CARGO")?);
    cargo.current_dir(repository).args(["build", "--locked", "--target", TARGET, "--profile", PROFILE]);
    cargo.arg("--target-dir").arg(target);
    // A build folder that the user's configuration names would be the outer one, and locked.
    cargo.env("CARGO_BUILD_BUILD_DIR", target);
    for package in packages {
        cargo.args(["--package", &package.name]);
    }
    // What the outer cargo, clippy and rustdoc set for this build is not meant for that one.
    for (name, _) in env::vars() {
        let outer =
            name.contains("RUSTFLAGS") || name.contains("RUSTDOC") || name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_CFG_");
        if outer
            || ["RUSTC", "RUSTC_WRAPPER", "RUSTC_WORKSPACE_WRAPPER", "CARGO_BUILD_TARGET", "CLIPPY_ARGS", "TARGET"].contains(&name.as_str())
        {
            cargo.env_remove(name);
        }
    }
    if !cargo.status()?.success() {
        return Err(format!("the guests were not built; if the target is missing, add it with `rustup target add {TARGET}`").into());
    }
    Ok(())
}

/// A constant for each of them, called as its folder.
fn constants(target: &Path, packages: &[Package]) -> Result<String, Box<dyn Error>> {
    let mut text = String::new();
    let constant = |package: &Package| package.id.replace('-', "_").to_uppercase();
    for package in packages {
        let Package { id, folder, name } = package;
        let component = target.join(TARGET).join(PROFILE).join(format!("{}.wasm", name.replace('-', "_")));
        writeln!(text, "/// The plugin `{id}`.")?;
        writeln!(
            text,
            "pub(crate) const {}: Guest = Guest {{ name: {id:?}, folder: {folder:?}, component: {component:?} }};",
            constant(package)
        )?;
    }
    let all: Vec<String> = packages.iter().map(constant).collect();
    writeln!(text, "/// All of them.\npub(crate) const ALL: [Guest; {}] = [{}];", all.len(), all.join(", "))?;
    Ok(text)
}
