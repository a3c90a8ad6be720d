//! What a build fills into a manifest: the component's digest, and what the plugin offers. Everything else stays as its author
//! wrote it, comments and order too.

use toml_edit::Array;
use toml_edit::DocumentMut;
use toml_edit::Item;
use toml_edit::Table;
use toml_edit::value;

use crate::cli::failure::Exit;
use crate::cli::failure::Failure;
use crate::plugin::contract::Contract;
use crate::plugin::digest::Digest;
use crate::plugin::manifest::Manifest;

/// The key of the component's digest.
const DIGEST: &str = "sha256";

/// The table of what it offers.
const PROVIDES: &str = "provides";

fn parse(text: &str) -> Result<DocumentMut, Failure> {
    text.parse().map_err(|error| Failure::new(Exit::Configuration, format!("the manifest is not TOML: {error}")))
}

/// The manifest without what is filled in.
pub(super) fn without(text: &str) -> Result<String, Failure> {
    let mut document = parse(text)?;
    document.remove(PROVIDES);
    if let Some(component) = document.get_mut("component").and_then(Item::as_table_like_mut) {
        component.remove(DIGEST);
    }
    Ok(document.to_string())
}

/// The manifest with the digest of its component and what that offers.
pub(super) fn with(text: &str, digest: Digest, contract: &Contract, manifest: &Manifest) -> Result<String, Failure> {
    let mut document = parse(text)?;
    document["component"][DIGEST] = value(digest.hex());
    let mut provides = Table::new();
    let mut events: Vec<&str> = manifest.hooks.iter().map(|hook| hook.event.as_str()).collect();
    events.sort_unstable();
    events.dedup();
    for (key, names) in
        [("tools", contract.tools()), ("prompts", contract.prompts()), ("resources", contract.resources()), ("hooks", events)]
    {
        if !names.is_empty() {
            provides[key] = value(names.into_iter().collect::<Array>());
        }
    }
    provides["contract-sha256"] = value(contract.digest().hex());
    document[PROVIDES] = Item::Table(provides);
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "schema = 1 # first\n\n[plugin]\nid = \"a\"\nversion = \"1.0.0\"\ntitle = \"A\"\ndescription = \"A.\"\nhost-api = \"^0.1\"\n\n\
        [component]\nfile = \"a.wasm\" # here\n\n[[hooks]]\nevent = \"before-call\"\nkind = \"validate\"\nreason = \"Looks.\"\n";

    #[test]
    fn what_is_filled_in_is_checked_and_comes_out_again() {
        let manifest = Manifest::parse(TEXT).unwrap();
        let contract = Contract::new(&[], &[], &[]);
        let full = with(TEXT, Digest::of(b"component"), &contract, &manifest).unwrap();
        assert!(full.contains("# first") && full.contains("# here"), "{full}");
        let filled = Manifest::parse(&full).unwrap();
        assert_eq!(filled.component.sha256, Some(Digest::of(b"component")));
        let provides = filled.provides.unwrap();
        assert_eq!(provides.contract_sha256, Some(contract.digest()));
        assert!(provides.hooks.contains("before-call"));
        assert_eq!(without(&full).unwrap().trim_end(), TEXT.trim_end());
        assert_eq!(with(&full, Digest::of(b"component"), &contract, &manifest).unwrap(), full);
    }
}
