//! The interfaces that a component imports and exports, read from its bytes without compiling them.

use std::collections::BTreeSet;

use wasmparser::ComponentExternalKind;
use wasmparser::Parser;
use wasmparser::Payload;

use super::header::HeaderError;

/// The package of the contract, as names of its interfaces begin.
const CONTRACT: &str = "tidegate:plugin/";

/// Names of imports and exports of one component that are read.
const NAMES: usize = 512;

/// What a component imports and exports, by full names such as `tidegate:plugin/catalog@0.1.0`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Interfaces {
    /// What it needs.
    pub imports: BTreeSet<String>,
    /// What it has.
    pub exports: BTreeSet<String>,
}

impl Interfaces {
    /// Those on the outermost level of a component.
    ///
    /// # Errors
    ///
    /// Bytes that are no component.
    pub fn read(component: &[u8]) -> Result<Self, HeaderError> {
        let wrong = |error: wasmparser::BinaryReaderError| HeaderError::NotAComponent(error.message().into());
        let mut found = Self::default();
        let mut depth = 0;
        for payload in Parser::new(0).parse_all(component) {
            match payload.map_err(wrong)? {
                Payload::Version { .. } => depth += 1,
                Payload::End(_) => depth -= 1,
                Payload::ComponentImportSection(section) if depth == 1 => {
                    for import in section {
                        found.imports.insert(import.map_err(wrong)?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 1 => {
                    for export in section {
                        let export = export.map_err(wrong)?;
                        if export.kind == ComponentExternalKind::Instance {
                            found.exports.insert(export.name.name.to_owned());
                        }
                    }
                }
                _ => {}
            }
            if found.imports.len() + found.exports.len() > NAMES {
                return Err(HeaderError::NotAComponent(format!("it imports and exports more than {NAMES} interfaces")));
            }
        }
        Ok(found)
    }

    /// What it imports of the contract, by names without package and version.
    pub fn contract_imports(&self) -> BTreeSet<&str> {
        of_contract(&self.imports)
    }

    /// What it exports of the contract, by names without package and version.
    pub fn contract_exports(&self) -> BTreeSet<&str> {
        of_contract(&self.exports)
    }

    /// Whether it imports any interface of this package, for example `wasi:http`.
    pub fn imports_package(&self, package: &str) -> bool {
        self.imports.iter().any(|name| name.strip_prefix(package).is_some_and(|rest| rest.starts_with('/')))
    }
}

fn of_contract(names: &BTreeSet<String>) -> BTreeSet<&str> {
    names.iter().filter_map(|name| name.strip_prefix(CONTRACT)?.split('@').next()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_tells_what_it_imports() {
        let schema = tidegate_bundle::PLUGINS.iter().find(|plugin| plugin.id == "schema").unwrap();
        let interfaces = Interfaces::read(schema.component).unwrap();
        assert!(interfaces.contract_imports().contains("catalog"));
        assert!(!interfaces.contract_imports().contains("database-write"));
        assert!(interfaces.contract_exports().contains("tools"));
        assert!(!interfaces.imports_package("wasi:http") && !interfaces.imports_package("tidegate:plug"));
        assert!(Interfaces::read(b"nonsense").is_err());
    }
}
