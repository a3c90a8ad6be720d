//! Every environment variable that the host reads, in one place. Values in `tidegate.toml` may name others.

use std::env;
use std::path::PathBuf;

use super::Secret;

/// What is logged, in the syntax of `tracing_subscriber::EnvFilter`; default `info`.
pub const LOG: &str = "TIDEGATE_LOG";

/// The token that HTTP clients must send.
pub const TOKEN: &str = "TIDEGATE_TOKEN";

/// The only database, called `main`, when there is neither a file nor `--database`.
pub const DATABASE_URL: &str = "DATABASE_URL";

/// The folder for what plugins keep; empty means that they can keep nothing.
pub const STATE: &str = "TIDEGATE_STATE";

/// The folder for compiled components; empty switches the cache off.
pub const CACHE: &str = "TIDEGATE_CACHE";

/// The folder of installed plugins; empty means that there is none.
pub const PLUGINS: &str = "TIDEGATE_PLUGINS";

/// The password of the key that plugins are signed with, where nobody can be asked.
pub const KEY_PASSWORD: &str = "TIDEGATE_KEY_PASSWORD";

/// The value of a variable. Unset, empty and not UTF-8 are the same.
pub fn find(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// The token of [`TOKEN`]. One that is set and empty is an empty token and not none: serving refuses it.
pub fn token() -> Option<Secret> {
    env::var_os(TOKEN).map(|token| Secret::new(token.to_string_lossy()))
}

/// The folder for compiled components: [`CACHE`], else `tidegate` in the user's cache folder, else none.
pub fn cache() -> Option<PathBuf> {
    if let Some(folder) = env::var_os(CACHE) {
        return (!folder.is_empty()).then(|| folder.into());
    }
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|folder| folder.is_absolute());
    absolute("XDG_CACHE_HOME")
        .or_else(|| absolute("LOCALAPPDATA"))
        .or_else(|| absolute("HOME").map(|home| home.join(".cache")))
        .map(|folder| folder.join("tidegate"))
}

/// The folder of the docker configuration: `DOCKER_CONFIG`, else `.docker` in the user's home folder.
pub fn docker_config() -> Option<PathBuf> {
    let named = |name: &str| env::var_os(name).filter(|folder| !folder.is_empty()).map(PathBuf::from);
    named("DOCKER_CONFIG").or_else(|| named("HOME").or_else(|| named("USERPROFILE")).map(|home| home.join(".docker")))
}

/// The folder of installed plugins: [`PLUGINS`], else `tidegate/plugins` in the user's data folder, else none.
pub fn plugins() -> Option<PathBuf> {
    if let Some(folder) = env::var_os(PLUGINS) {
        return (!folder.is_empty()).then(|| folder.into());
    }
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|folder| folder.is_absolute());
    absolute("XDG_DATA_HOME")
        .or_else(|| absolute("LOCALAPPDATA"))
        .or_else(|| absolute("HOME").map(|home| home.join(".local").join("share")))
        .map(|folder| folder.join("tidegate").join("plugins"))
}

/// The folder for what plugins keep: [`STATE`], else `tidegate` in the user's folder for state, else none.
pub fn state() -> Option<PathBuf> {
    if let Some(folder) = env::var_os(STATE) {
        return (!folder.is_empty()).then(|| folder.into());
    }
    let absolute = |name: &str| env::var_os(name).map(PathBuf::from).filter(|folder| folder.is_absolute());
    absolute("XDG_STATE_HOME")
        .or_else(|| absolute("LOCALAPPDATA").map(|folder| folder.join("state")))
        .or_else(|| absolute("HOME").map(|home| home.join(".local").join("state")))
        .map(|folder| folder.join("tidegate"))
}
