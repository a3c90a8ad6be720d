//! The text of the contract, carried in the program, and laid out for a plugin's own world.
//!
//! A project has a `wit/` folder with its world alone: what it imports and exports. The contract comes from the program that
//! builds it, so no project carries a copy that grows old.

use std::fs;
use std::io;
use std::path::Path;

/// The files of `wit/`, by name.
const FILES: &[(&str, &str)] = &[
    ("cache.wit", include_str!("../../../../wit/cache.wit")),
    ("call-hooks.wit", include_str!("../../../../wit/call-hooks.wit")),
    ("catalog.wit", include_str!("../../../../wit/catalog.wit")),
    ("changes.wit", include_str!("../../../../wit/changes.wit")),
    ("completion.wit", include_str!("../../../../wit/completion.wit")),
    ("content.wit", include_str!("../../../../wit/content.wit")),
    ("database-admin.wit", include_str!("../../../../wit/database-admin.wit")),
    ("database-read.wit", include_str!("../../../../wit/database-read.wit")),
    ("database-write.wit", include_str!("../../../../wit/database-write.wit")),
    ("hook.wit", include_str!("../../../../wit/hook.wit")),
    ("input.wit", include_str!("../../../../wit/input.wit")),
    ("log.wit", include_str!("../../../../wit/log.wit")),
    ("progress.wit", include_str!("../../../../wit/progress.wit")),
    ("prompts.wit", include_str!("../../../../wit/prompts.wit")),
    ("query-hooks.wit", include_str!("../../../../wit/query-hooks.wit")),
    ("resources.wit", include_str!("../../../../wit/resources.wit")),
    ("rows.wit", include_str!("../../../../wit/rows.wit")),
    ("settings.wit", include_str!("../../../../wit/settings.wit")),
    ("tools.wit", include_str!("../../../../wit/tools.wit")),
    ("transaction.wit", include_str!("../../../../wit/transaction.wit")),
    ("types.wit", include_str!("../../../../wit/types.wit")),
    ("world.wit", include_str!("../../../../wit/world.wit")),
];

/// Interfaces that are a right of their own and that others take a resource from: `transaction` is handed to `database-read`.
/// Toolchains that import whatever their world has would import them unasked; see [`without`].
const LENDERS: [(&str, &str); 1] = [("transaction", "transaction")];

/// Writes the contract into `folder`, for a world whose text is `world`.
///
/// # Errors
///
/// A folder that cannot be written.
pub(super) fn write(folder: &Path, world: &str) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for (name, text) in FILES {
        fs::write(folder.join(name), for_world(text, world))?;
    }
    Ok(())
}

/// A file of the contract without the functions that take what `world` does not import.
fn for_world(text: &str, world: &str) -> String {
    let mut text = text.to_owned();
    for (interface, resource) in LENDERS {
        let imports = world.contains(&format!("tidegate:plugin/{interface}@")) || world.contains("include tidegate:plugin/");
        if !imports {
            text = without(&text, interface, resource);
        }
    }
    text
}

/// A file without what it takes from `interface`: each function with its `resource`, and the line that names it.
fn without(text: &str, interface: &str, resource: &str) -> String {
    let borrows = format!("borrow<{resource}>");
    let uses = format!("use {interface}.{{");
    let mut kept = String::with_capacity(text.len());
    // A function with its documentation and gate is what stands between two statements' ends.
    for piece in text.split_inclusive(";\n") {
        let statement = piece.lines().filter(|line| !line.trim_start().starts_with("///")).collect::<Vec<_>>().join("\n");
        if !statement.contains(&borrows) && !statement.contains(&uses) {
            kept.push_str(piece);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use wit_parser::Resolve;
    use wit_parser::UnresolvedPackageGroup;

    use super::*;

    /// A resolved contract and a world of `text`.
    fn resolve(text: &str) -> Resolve {
        let mut resolve = Resolve::default();
        let files: Vec<String> = FILES.iter().map(|(_, file)| for_world(file, text)).collect();
        let mut map = wit_parser::SourceMap::new();
        for ((name, _), file) in FILES.iter().zip(&files) {
            map.push(Path::new(name), file);
        }
        resolve.push_group(map.parse().map_err(|(_, error)| error).unwrap()).unwrap();
        resolve.push_group(UnresolvedPackageGroup::parse("plugin.wit", text).map_err(|(_, error)| error).unwrap()).unwrap();
        resolve
    }

    /// What the world `plugin` of a resolved contract imports.
    fn imports(resolve: &Resolve) -> BTreeSet<String> {
        let (_, world) = resolve
            .worlds
            .iter()
            .find(|(_, world)| world.name == "plugin" && world.package != resolve.package_names.values().next().copied())
            .unwrap();
        world.imports.keys().map(|key| resolve.name_world_key(key)).collect()
    }

    #[test]
    fn every_file_of_the_contract_is_carried() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
        let mut there: Vec<String> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        there.retain(|name| name.ends_with(".wit"));
        there.sort();
        assert_eq!(there, FILES.iter().map(|(name, _)| *name).collect::<Vec<_>>());
    }

    #[test]
    fn a_world_that_only_reads_imports_no_transactions() {
        let world = |imports: &str| {
            format!(
                "package my:plugin;\nworld plugin {{\n{imports}\nimport tidegate:plugin/database-write@0.1.0;\nexport tidegate:plugin/tools@0.1.0;\n}}\n"
            )
        };
        let reads = imports(&resolve(&world("import tidegate:plugin/database-read@0.1.0;")));
        assert!(reads.contains("tidegate:plugin/database-read@0.1.0") && !reads.contains("tidegate:plugin/transaction@0.1.0"), "{reads:?}");
        let both = imports(&resolve(&world("import tidegate:plugin/transaction@0.1.0;")));
        assert!(both.contains("tidegate:plugin/transaction@0.1.0"));
    }
}
