//! C: bindings of the world, generated here; zig's compiler; and the module made a component, here too.

use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use wasi_preview1_component_adapter_provider::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME;
use wasi_preview1_component_adapter_provider::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER;
use wit_bindgen_c::Opts;
use wit_bindgen_core::Files;
use wit_component::ComponentEncoder;
use wit_parser::Resolve;

use super::super::project::Project;
use super::super::project::WORLD;
use super::super::toolchain;
use crate::cli::failure::Exit;
use crate::cli::failure::Failure;

/// Compiles the project's sources. The object file that the bindings come with tells what the module's functions mean.
pub(super) fn build(project: &Project, wit: &Path, out: &Path, arguments: &[String]) -> Result<Vec<u8>, Failure> {
    let zig = toolchain::find_program(&project.folder, &["zig", "python-zig"]).ok_or_else(|| {
        let how = "run `python3 -m venv .venv && .venv/bin/pip install -r requirements.txt` in the folder of the project";
        toolchain::missing("zig", how)
    })?;
    let bindings = out.join("bindings");
    write_bindings(wit, &bindings)?;
    let module = out.join("module.wasm");
    let mut command = Command::new(zig);
    command.current_dir(&project.folder).args([
        "cc",
        "-target",
        "wasm32-wasi",
        "-mexec-model=reactor",
        "-std=c17",
        "-Os",
        "-s",
        "-Wall",
        "-Wextra",
    ]);
    command.arg("-I").arg(&bindings).arg("-o").arg(&module).args(sources(&project.folder)?);
    command.arg(bindings.join("plugin.c")).arg(bindings.join("plugin_component_type.o")).args(arguments);
    // Beside the project and not in the home of whoever builds.
    command.env("ZIG_LOCAL_CACHE_DIR", out.join(".zig-cache"));
    toolchain::run(&mut command)?;
    let bytes = fs::read(&module).map_err(|error| Failure::new(Exit::Failed, format!("cannot read `{}`: {error}", module.display())))?;
    let _ = fs::remove_file(&module);
    encode(&bytes).map_err(|reason| Failure::new(Exit::Failed, format!("the module does not fit its world: {reason}")))
}

/// Writes `plugin.h`, `plugin.c` and the object file of the world.
fn write_bindings(wit: &Path, folder: &Path) -> Result<(), Failure> {
    let failed = |what: &str, error: &dyn std::fmt::Display| Failure::new(Exit::Configuration, format!("{what}: {error}"));
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(wit).map_err(|error| failed("`wit/` is not what it should be", &format!("{error:#}")))?;
    let world = resolve.select_world(&[package], Some(WORLD)).map_err(|error| failed("`wit/` has no such world", &format!("{error:#}")))?;
    let mut files = Files::default();
    let mut generator = Opts::default().build();
    generator.generate(&mut resolve, world, &mut files).map_err(|error| failed("no bindings could be made", &format!("{error:#}")))?;
    fs::create_dir_all(folder).map_err(|error| failed("no bindings could be written", &error))?;
    for (name, text) in files.iter() {
        fs::write(folder.join(name), text).map_err(|error| failed("no bindings could be written", &error))?;
    }
    Ok(())
}

/// The C files of the project's folder, sorted.
fn sources(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries =
        fs::read_dir(folder).map_err(|error| Failure::new(Exit::Failed, format!("cannot read `{}`: {error}", folder.display())))?;
    let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "c"));
    files.sort();
    Ok(files)
}

/// Makes a module a component. What it calls of the older WASI goes through the adapter, whose parts that are not needed fall away.
fn encode(module: &[u8]) -> Result<Vec<u8>, String> {
    let mut encoder = ComponentEncoder::default();
    encoder.module(module).map_err(|error| format!("{error:#}"))?;
    let adapter = encoder.adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER);
    adapter.map_err(|error| format!("{error:#}"))?;
    encoder.encode().map_err(|error| format!("{error:#}"))
}
