//! Builds every guest of `tests/guests` to a component and writes the constants that name them.

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

    for input in ["tests/guests", "plugin-sdk/src", "plugin-sdk/Cargo.toml", "wit", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", repository.join(input).display());
    }
    let guests = guests(&tests.join("guests"))?;
    build(repository, &target, &guests)?;
    fs::write(out.join("guests.rs"), constants(&tests, &target, &guests)?)?;
    Ok(())
}

/// The names of the folders that hold a guest.
fn guests(folder: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let mut guests = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.path().join("Cargo.toml").exists() {
            guests.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    guests.sort();
    Ok(guests)
}

/// Builds all of them with one cargo, in a target folder of their own: this build holds the lock of the other.
fn build(repository: &Path, target: &Path, guests: &[String]) -> Result<(), Box<dyn Error>> {
    let mut cargo = Command::new(env::var("CARGO")?);
    cargo.current_dir(repository).args(["build", "--locked", "--target", TARGET, "--profile", PROFILE]);
    cargo.arg("--target-dir").arg(target);
    // A build folder that the user's configuration names would be the outer one, and locked.
    cargo.env("CARGO_BUILD_BUILD_DIR", target);
    for guest in guests {
        cargo.args(["--package", &format!("guest-{guest}")]);
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

/// A constant for each guest, called as its folder.
fn constants(tests: &Path, target: &Path, guests: &[String]) -> Result<String, Box<dyn Error>> {
    let mut text = String::new();
    for guest in guests {
        let name = guest.replace('-', "_");
        let folder = tests.join("guests").join(guest);
        let component = target.join(TARGET).join(PROFILE).join(format!("guest_{name}.wasm"));
        writeln!(text, "/// The guest `{guest}`.")?;
        writeln!(
            text,
            "pub(crate) const {}: Guest = Guest {{ name: {guest:?}, folder: {folder:?}, component: {component:?} }};",
            name.to_uppercase()
        )?;
    }
    let all: Vec<String> = guests.iter().map(|guest| guest.replace('-', "_").to_uppercase()).collect();
    writeln!(text, "/// All of them.\npub(crate) const ALL: [Guest; {}] = [{}];", all.len(), all.join(", "))?;
    Ok(text)
}
