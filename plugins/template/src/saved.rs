//! Templates that callers saved: in the plugin's storage, for the caller alone or for all, each with its versions.

use serde::Deserialize;
use serde::Serialize;
use tidegate_plugin::ToolError;
use tidegate_plugin::storage;
use tidegate_plugin::storage::Error;
use tidegate_plugin::storage::Expected;
use tidegate_plugin::storage::Scope;

use crate::template::Template;

/// Where the newest version of each is.
const NEWEST: &str = "template/";

/// Where versions that were replaced are.
const REPLACED: &str = "replaced/";

/// Versions of one template that are kept when they are replaced.
const KEPT: u32 = 10;

/// Templates of one scope that are listed.
const LISTED: u32 = 500;

/// A saved template.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Saved {
    /// 1 for the first, and one more each time it is replaced.
    pub(crate) version: u32,
    /// What it says.
    pub(crate) template: Template,
}

/// The newest version of one, and what storage knows it by.
pub(crate) fn find(scope: Scope, name: &str) -> Result<Option<(Saved, u64)>, Error> {
    Ok(storage::get(scope, &newest(name))?.and_then(|entry| Some((parse(&entry.value)?, entry.version))))
}

/// A version that was replaced.
pub(crate) fn find_version(scope: Scope, name: &str, version: u32) -> Result<Option<Saved>, Error> {
    if let Some((saved, _)) = find(scope, name)?.filter(|(saved, _)| saved.version == version) {
        return Ok(Some(saved));
    }
    Ok(storage::get(scope, &replaced(name, version))?.and_then(|entry| parse(&entry.value)))
}

/// The names in a scope. Without the right to it there are none.
pub(crate) fn names(scope: Scope) -> Result<Vec<String>, Error> {
    match storage::list(scope, NEWEST, None, LISTED) {
        Ok(keys) => Ok(keys.into_iter().filter_map(|listed| listed.key.strip_prefix(NEWEST).map(str::to_owned)).collect()),
        Err(Error::Denied) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Saves one and gives its version. `replaces` is the version that the caller has seen; without it, whatever is there is replaced.
pub(crate) fn save(scope: Scope, template: Template, replaces: Option<u32>) -> Result<u32, ToolError> {
    let before = find(scope, &template.name)?;
    let found = before.as_ref().map_or(0, |(saved, _)| saved.version);
    if replaces.is_some_and(|replaces| replaces != found) {
        let text = format!("template `{}` has version {found}, not {}", template.name, replaces.unwrap_or_default());
        return Err(ToolError::failed("CONFLICT", text).with_hint("read it again with list_templates, and save with its version"));
    }
    let saved = Saved { version: found + 1, template };
    let name = &saved.template.name;
    let expected = match &before {
        Some((old, at)) => {
            storage::set(scope, &replaced(name, old.version), &bytes(old)?)?;
            Expected::Version(*at)
        }
        None => Expected::Absent,
    };
    storage::set_if(scope, &newest(name), &bytes(&saved)?, expected)?;
    if let Some(old) = saved.version.checked_sub(KEPT + 1) {
        storage::delete(scope, &replaced(name, old))?;
    }
    Ok(saved.version)
}

/// Removes one with its versions. Gives whether there was one.
pub(crate) fn delete(scope: Scope, name: &str) -> Result<bool, Error> {
    let found = storage::delete(scope, &newest(name))?;
    for listed in storage::list(scope, &format!("{REPLACED}{name}/"), None, LISTED)? {
        storage::delete(scope, &listed.key)?;
    }
    Ok(found)
}

fn newest(name: &str) -> String {
    format!("{NEWEST}{name}")
}

fn replaced(name: &str, version: u32) -> String {
    format!("{REPLACED}{name}/{version:08}")
}

fn parse(bytes: &[u8]) -> Option<Saved> {
    serde_json::from_slice(bytes).ok()
}

fn bytes(saved: &Saved) -> Result<Vec<u8>, ToolError> {
    serde_json::to_vec(saved).map_err(|error| ToolError::failed("INTERNAL", format!("the template has no JSON form: {error}")))
}
