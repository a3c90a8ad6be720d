//! Who one is on a registry, as `docker login` wrote it down: `config.json`, and the programs it names that keep passwords.
//!
//! Ours because a program that keeps passwords may hang, and what it prints must reach no error message.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::GeneralPurpose;
use base64::engine::GeneralPurposeConfig;
use serde::Deserialize;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::config::Secret;
use crate::config::environment;

/// Bytes of the configuration, and of what a program answers.
const CONFIG_BYTES: u64 = 1 << 20;

/// How long a program may take: it may have to ask the person for a password of its own.
const HELPER_TIMEOUT: Duration = Duration::from_secs(60);

/// The file in the folder of the configuration.
const CONFIG_FILE: &str = "config.json";

/// What the registry of Docker is called in configurations.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// Base64 as docker writes it, and as people do.
const BASE64: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// What shows a registry who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credentials {
    /// A user's password.
    Password {
        /// The user.
        user: String,
        /// The password, or a token in its place.
        password: Secret,
    },
    /// A token that is good for getting others.
    Identity(Secret),
}

/// Why the credentials of the docker configuration cannot be had. Never holds any of them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// The file.
    #[error("cannot read the docker configuration `{}`: {reason}", path.display())]
    Config {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// An entry.
    #[error("the credentials for `{registry}` in the docker configuration make no sense; log in again with `docker login {registry}`")]
    Entry {
        /// For which registry.
        registry: String,
    },
    /// A program that keeps passwords.
    #[error("`{program}`, which the docker configuration names for `{registry}`, {problem}")]
    Helper {
        /// Which.
        program: String,
        /// For which registry.
        registry: String,
        /// What it did.
        problem: String,
    },
}

/// A docker configuration, read each time it is asked.
#[derive(Clone, Debug, Default)]
pub struct DockerConfig {
    folder: Option<PathBuf>,
    /// Where programs are looked for; `None`: on the path.
    programs: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
    creds_store: Option<String>,
}

#[derive(Default, Deserialize)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
}

/// What a program answers.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Kept {
    username: String,
    secret: String,
}

impl DockerConfig {
    /// The user's: the folder of `DOCKER_CONFIG`, else `.docker` in the home folder.
    pub fn of_user() -> Self {
        Self { folder: environment::docker_config(), programs: None }
    }

    /// The one in a folder.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self { folder: Some(folder.into()), programs: None }
    }

    /// The credentials for a registry; `None` when there are none, which is no error: much can be read without.
    ///
    /// # Errors
    ///
    /// A configuration that is there and cannot be used.
    pub async fn find(&self, registry: &str) -> Result<Option<Credentials>, CredentialError> {
        let Some(file) = self.read()? else { return Ok(None) };
        let keys = keys(registry);
        let find = |map: &BTreeMap<String, String>| keys.iter().find_map(|key| map.get(key).map(|name| (key.clone(), name.clone())));
        if let Some((key, helper)) = find(&file.cred_helpers) {
            return self.ask(&helper, &key).await;
        }
        let entry = keys.iter().find_map(|key| file.auths.get(key));
        if let Some(found) = entry.map(|entry| entry.credentials(registry)).transpose()?.flatten() {
            return Ok(Some(found));
        }
        // Which of its names a store knows a registry by shows in the entry that `docker login` left empty.
        let key = keys.iter().find(|key| file.auths.contains_key(*key)).unwrap_or(&keys[0]);
        match &file.creds_store {
            Some(store) => self.ask(store, key).await,
            None => Ok(None),
        }
    }

    fn read(&self) -> Result<Option<File>, CredentialError> {
        let Some(path) = self.folder.as_ref().map(|folder| folder.join(CONFIG_FILE)) else { return Ok(None) };
        let wrong = |reason: String| CredentialError::Config { path: path.clone(), reason };
        match std::fs::metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(wrong(error.to_string())),
            Ok(facts) if facts.len() > CONFIG_BYTES => return Err(wrong(format!("it has more than {CONFIG_BYTES} bytes"))),
            Ok(_) => {}
        }
        let text = std::fs::read(&path).map_err(|error| wrong(error.to_string()))?;
        // The place and not the text: an error of the parser quotes what it read.
        let file = serde_json::from_slice(&text).map_err(|error| wrong(format!("line {} is not as docker writes it", error.line())))?;
        Ok(Some(file))
    }

    /// Asks a program that keeps passwords.
    async fn ask(&self, helper: &str, key: &str) -> Result<Option<Credentials>, CredentialError> {
        let program = format!("docker-credential-{helper}");
        let wrong = |problem: String| CredentialError::Helper { program: program.clone(), registry: key.to_owned(), problem };
        if !helper.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')) || helper.is_empty() {
            return Err(wrong("is not the name of a program".into()));
        }
        let path = self.programs.as_ref().map_or_else(|| PathBuf::from(&program), |folder| folder.join(&program));
        match tokio::time::timeout(HELPER_TIMEOUT, run(&path, key)).await {
            Err(_) => Err(wrong(format!("did not answer within {HELPER_TIMEOUT:?}"))),
            Ok(Err(error)) => Err(wrong(format!("cannot be run: {error}"))),
            Ok(Ok((true, answer))) => {
                let kept: Kept =
                    serde_json::from_slice(&answer).map_err(|_| wrong("answered with something else than credentials".into()))?;
                let secret = Secret::new(kept.secret);
                Ok(Some(if kept.username == "<token>" {
                    Credentials::Identity(secret)
                } else {
                    Credentials::Password { user: kept.username, password: secret }
                }))
            }
            // The protocol's own words for having none.
            Ok(Ok((false, answer))) if String::from_utf8_lossy(&answer).contains("credentials not found") => Ok(None),
            Ok(Ok((false, _))) => Err(wrong("failed; try it by hand".into())),
        }
    }
}

/// Runs a program with `key` on its input; whether it succeeded, and what it printed.
async fn run(program: &Path, key: &str) -> std::io::Result<(bool, Vec<u8>)> {
    let mut child =
        Command::new(program).arg("get").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true).spawn()?;
    if let Some(mut input) = child.stdin.take() {
        // A program that does not read its input has hung up by now; what it answers says enough.
        let _ = input.write_all(key.as_bytes()).await;
    }
    let mut answer = Vec::new();
    if let Some(output) = child.stdout.take() {
        output.take(CONFIG_BYTES).read_to_end(&mut answer).await?;
    }
    Ok((child.wait().await?.success(), answer))
}

impl Entry {
    fn credentials(&self, registry: &str) -> Result<Option<Credentials>, CredentialError> {
        let wrong = || CredentialError::Entry { registry: registry.to_owned() };
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if let Some(token) = given(&self.identitytoken) {
            return Ok(Some(Credentials::Identity(Secret::new(token))));
        }
        if let Some(auth) = given(&self.auth) {
            let decoded = BASE64.decode(auth.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(wrong)?;
            let (user, password) = decoded.split_once(':').ok_or_else(wrong)?;
            return Ok(Some(Credentials::Password { user: user.to_owned(), password: Secret::new(password.trim_end_matches('\0')) }));
        }
        Ok(given(&self.username)
            .zip(given(&self.password))
            .map(|(user, password)| Credentials::Password { user, password: Secret::new(password) }))
    }
}

/// The names that a registry may have in a configuration, the likeliest first. Docker has written it with and without a scheme and a path.
fn keys(registry: &str) -> Vec<String> {
    if matches!(registry, "docker.io" | "registry-1.docker.io" | "index.docker.io") {
        return [DOCKER_HUB, "docker.io", "index.docker.io", "https://index.docker.io/v1"].map(str::to_owned).to_vec();
    }
    let mut keys = vec![registry.to_owned()];
    for scheme in ["https", "http"] {
        for path in ["", "/", "/v1/", "/v2/"] {
            keys.push(format!("{scheme}://{registry}{path}"));
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn folder(name: &str, config: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("tidegate-docker-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(CONFIG_FILE), config).unwrap();
        folder
    }

    fn password(user: &str, password: &str) -> Option<Credentials> {
        Some(Credentials::Password { user: user.into(), password: Secret::new(password) })
    }

    #[tokio::test]
    async fn credentials_are_found_however_docker_wrote_them() {
        // `ann:pass:word`
        let folder = folder(
            "forms",
            r#"{"auths": {
                "a.example": {"auth": "YW5uOnBhc3M6d29yZA=="}, "https://b.example/v1/": {"auth": "YW5uOnBhc3M6d29yZA"},
                "https://index.docker.io/v1/": {"username": "ann", "password": "hub"}, "c.example": {"identitytoken": "token"},
                "d.example": {}, "e.example": {"auth": "!!"}}, "HttpHeaders": {"x": "y"}}"#,
        );
        let config = DockerConfig::in_folder(&folder);
        assert_eq!(config.find("a.example").await.unwrap(), password("ann", "pass:word"));
        assert_eq!(config.find("b.example").await.unwrap(), password("ann", "pass:word"));
        assert_eq!(config.find("docker.io").await.unwrap(), password("ann", "hub"));
        assert_eq!(config.find("c.example").await.unwrap(), Some(Credentials::Identity(Secret::new("token"))));
        assert_eq!(config.find("d.example").await.unwrap(), None);
        assert_eq!(config.find("a.example:5000").await.unwrap(), None);
        let error = config.find("e.example").await.unwrap_err().to_string();
        assert!(error.contains("docker login e.example"), "{error}");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test]
    async fn a_missing_configuration_is_no_error_and_a_broken_one_is_without_its_secrets() {
        assert_eq!(DockerConfig::in_folder("/nowhere").find("a.example").await.unwrap(), None);
        assert_eq!(DockerConfig::default().find("a.example").await.unwrap(), None);
        let folder = folder("broken", "{\"auths\": {\"a.example\": {\"auth\": [\"secret\"]}}}");
        let error = DockerConfig::in_folder(&folder).find("a.example").await.unwrap_err().to_string();
        assert!(error.contains("config.json") && !error.contains("secret"), "{error}");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn programs_that_keep_passwords_are_asked_for_the_registry() {
        let folder = folder(
            "helpers",
            r#"{"auths": {"https://b.example/v1/": {}}, "credsStore": "store",
                "credHelpers": {"a.example": "one", "c.example": "fails", "d.example": "absent", "e.example": "../x", "f.example": "talks"}}"#,
        );
        let program = |name: &str, text: &str| {
            let path = folder.join(format!("docker-credential-{name}"));
            // Written by another process: a child that another test starts meanwhile would inherit the open file, and it would be busy.
            let mut shell = std::process::Command::new("sh");
            shell.args(["-c", r#"printf '#!/bin/sh\nread -r key\n%s\n' "$1" > "$0" && chmod 755 "$0""#]).arg(&path).arg(text);
            assert!(shell.status().unwrap().success());
        };
        program("one", r#"[ "$1" = get ] && echo "{\"Username\": \"ann\", \"Secret\": \"for $key\"}""#);
        program(
            "store",
            r#"case $key in *b.example*) echo "{\"Username\": \"<token>\", \"Secret\": \"for $key\"}" ;; *) echo 'credentials not found in native keychain'; exit 1 ;; esac"#,
        );
        program("fails", "echo secret; exit 1");
        program("talks", "echo secret");
        let config = DockerConfig { programs: Some(folder.clone()), ..DockerConfig::in_folder(&folder) };
        assert_eq!(config.find("a.example").await.unwrap(), password("ann", "for a.example"));
        assert_eq!(config.find("b.example").await.unwrap(), Some(Credentials::Identity(Secret::new("for https://b.example/v1/"))));
        assert_eq!(config.find("z.example").await.unwrap(), None);
        for (registry, expected) in
            [("c.example", "failed"), ("d.example", "cannot be run"), ("e.example", "not the name"), ("f.example", "something else")]
        {
            let error = config.find(registry).await.unwrap_err().to_string();
            assert!(error.contains(expected) && !error.contains("secret"), "{registry}: {error}");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }

    proptest! {
        #[test]
        fn no_configuration_makes_it_panic(text in r#"[{}\[\]":,a-z0-9 ]{0,80}"#) {
            if let Ok(file) = serde_json::from_str::<File>(&text) {
                for entry in file.auths.values() {
                    let _ = entry.credentials("a.example");
                }
            }
        }
    }
}
