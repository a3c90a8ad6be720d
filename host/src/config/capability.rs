//! What the operator lets one plugin use beside databases: `storage`, `http`, `secrets`, `jobs` and `vaults` of `[plugins.NAME]`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::Secret;
use super::http_rule::EXPECTED_RULE;
use super::http_rule::HttpRule;
use super::schedule::Schedule;
use super::section::Section;
use super::vault;
use super::vault::VaultRight;

/// The least and the most that a plugin can be let store.
const STORAGE: (u64, u64) = (1 << 10, 1 << 30);

/// Bytes of a file that holds a secret.
const SECRET_BYTES: u64 = 64 << 10;

/// What one plugin may store, as it is requested and as it is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StorageQuota {
    /// Bytes of keys and values.
    pub bytes: u64,
    /// Whether it may store what one caller of it can then show another.
    pub shared: bool,
}

/// Where one plugin may send requests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpGrant {
    /// To public addresses.
    pub allow: Vec<HttpRule>,
    /// To private and loopback addresses too.
    pub private: Vec<HttpRule>,
}

/// A job of a plugin that the operator has switched on; none leaves it to the manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobGrant {
    /// When it runs, in place of what the manifest says.
    pub when: Option<JobTime>,
    /// How long one run may take.
    pub deadline: Option<Duration>,
}

/// When a job runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobTime {
    /// At the moments of a cron pattern, in UTC.
    Schedule(String),
    /// Over and over, this long after the last one was due.
    Every(Duration),
}

/// What the operator says about all of it; none leaves it to the default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PluginCapabilities {
    /// What it may store. None means the default: 4 MiB, shared too, for a plugin that is part of the program, nothing for others;
    /// zero bytes mean nothing.
    pub storage: Option<StorageQuota>,
    /// Where it may send requests; default nowhere.
    pub http: HttpGrant,
    /// Its secrets, by name; default none.
    pub secrets: BTreeMap<String, Secret>,
    /// Its jobs that are switched on, by name; default none.
    pub jobs: BTreeMap<String, JobGrant>,
    /// The vaults that it may use, by name. None means the default: all of them for a plugin that is part of the program, none for others.
    pub vaults: Option<BTreeMap<String, VaultRight>>,
}

/// Takes what belongs to this file out of `[plugins.NAME]`.
pub(super) fn read(section: &mut Section<'_>) -> PluginCapabilities {
    PluginCapabilities {
        storage: read_storage(section),
        http: read_http(section),
        secrets: section.optional_table("secrets").map(read_secrets).unwrap_or_default(),
        jobs: section.optional_table("jobs").map(read_jobs).unwrap_or_default(),
        vaults: vault::read_rights(section),
    }
}

/// `storage = "1 MiB"`, or a table that says more.
fn read_storage(section: &mut Section<'_>) -> Option<StorageQuota> {
    if !section.holds_table("storage") {
        let bytes = section.size("storage", 0, STORAGE.1)?;
        return Some(StorageQuota { bytes: bytes as u64, shared: false });
    }
    let mut table = section.optional_table("storage")?;
    let bytes = table.size("quota", STORAGE.0, STORAGE.1);
    if bytes.is_none() && !table.is_wrong("quota") {
        table.note("quota", "is missing; say how many bytes the plugin may keep");
    }
    let shared = table.boolean("shared").unwrap_or_default();
    table.finish();
    Some(StorageQuota { bytes: bytes? as u64, shared })
}

/// `http = ["GET https://…"]`, or a table that says more.
fn read_http(section: &mut Section<'_>) -> HttpGrant {
    if !section.holds_table("http") {
        return HttpGrant { allow: section.parsed_list("http", EXPECTED_RULE, HttpRule::parse).unwrap_or_default(), private: Vec::new() };
    }
    let Some(mut table) = section.optional_table("http") else { return HttpGrant::default() };
    let grant = HttpGrant {
        allow: table.parsed_list("allow", EXPECTED_RULE, HttpRule::parse).unwrap_or_default(),
        private: table.parsed_list("private", EXPECTED_RULE, HttpRule::parse).unwrap_or_default(),
    };
    table.finish();
    grant
}

/// Whether a text can name a secret or a job: 1 to 64 lower-case letters, digits, `-` or `_`.
pub fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    (1..=64).contains(&name.len()) && name.chars().all(allowed)
}

const EXPECTED_NAME: &str = "a name has 1 to 64 lower-case letters, digits, `-` or `_`";

/// `name = "${VARIABLE}"`, or `name = { file = "path" }`.
fn read_secrets(section: Section<'_>) -> BTreeMap<String, Secret> {
    let mut secrets = BTreeMap::new();
    for (name, text, table) in section.into_strings_and_tables(is_name, EXPECTED_NAME) {
        let from_file = |mut table: Section<'_>| {
            let file = table.path("file");
            if file.is_none() && !table.is_wrong("file") {
                table.note("file", "is missing; name the file that holds the secret");
            }
            let text = file.and_then(|file| read_file(&table, &file));
            table.finish();
            text
        };
        if let Some(text) = text.or_else(|| table.and_then(from_file)) {
            secrets.insert(name, Secret::new(text));
        }
    }
    secrets
}

/// The text of a file without the end of its line.
fn read_file(table: &Section<'_>, file: &Path) -> Option<String> {
    let read = match fs::metadata(file) {
        Ok(facts) if facts.len() > SECRET_BYTES => Err(format!("is larger than {SECRET_BYTES} bytes")),
        Ok(_) => fs::read_to_string(file).map_err(|error| format!("`{}` cannot be read: {error}", file.display())),
        Err(error) => Err(format!("`{}` cannot be read: {error}", file.display())),
    };
    match read {
        Ok(text) => Some(text.trim_end_matches(['\r', '\n']).to_owned()),
        Err(message) => {
            table.note("file", message);
            None
        }
    }
}

/// `name = {}` runs a job as its manifest says; `schedule`, `every` and `deadline` say otherwise.
fn read_jobs(section: Section<'_>) -> BTreeMap<String, JobGrant> {
    let mut jobs = BTreeMap::new();
    for (name, mut table) in section.into_tables() {
        let schedule = table
            .parsed("schedule", "five fields of cron, for example `\"0 3 * * *\"`", |text| Schedule::parse(text).map(|_| text.to_owned()));
        let every = table.duration("every", Duration::from_secs(1), Duration::from_hours(24 * 366));
        let deadline = table.duration("deadline", Duration::from_millis(100), Duration::from_hours(24));
        if schedule.is_some() && every.is_some() {
            table.note("every", "goes not together with `schedule`; keep one of them");
        }
        table.finish();
        let when = schedule.map(JobTime::Schedule).or(every.map(JobTime::Every));
        jobs.insert(name, JobGrant { when, deadline });
    }
    jobs
}

#[cfg(test)]
mod tests {
    use toml::de::DeTable;

    use super::*;
    use crate::config::section::Document;

    fn read_text(text: &str) -> Result<PluginCapabilities, Vec<String>> {
        let variable = |name: &str| (name == "KEY").then(|| "s3cret".to_owned());
        let document = Document::new(Path::new("/etc/tidegate.toml"), text, &variable);
        let table = DeTable::parse(text).unwrap().into_inner();
        let mut section = Section::new(&document, "plugins.x".into(), 0, table);
        let read = read(&mut section);
        section.finish();
        let problems: Vec<String> = document.into_problems().iter().map(ToString::to_string).collect();
        if problems.is_empty() { Ok(read) } else { Err(problems) }
    }

    #[test]
    fn every_key_is_read_in_its_short_and_its_long_form() {
        let file = std::env::temp_dir().join(format!("tidegate-secret-{}", std::process::id()));
        fs::write(&file, "from a file\n").unwrap();
        let text = format!(
            "storage = {{ quota = '2 MiB', shared = true }}\nhttp = {{ allow = ['GET https://a.dev/v1/*'], private = ['GET http://10.0.0.1'] }}\n\
             [secrets]\nkey = '${{KEY}}'\nother = {{ file = '{}' }}\n[jobs]\nnightly = {{ schedule = '0 3 * * *', deadline = '1m' }}\nas-it-is = {{}}\n",
            file.display()
        );
        let read = read_text(&text).unwrap();
        assert_eq!(read.storage, Some(StorageQuota { bytes: 2 << 20, shared: true }));
        assert_eq!((read.http.allow.len(), read.http.private.len()), (1, 1));
        assert_eq!((read.secrets["key"].reveal(), read.secrets["other"].reveal()), ("s3cret", "from a file"));
        assert!(!format!("{read:?}").contains("s3cret"));
        assert_eq!(read.jobs["nightly"].when, Some(JobTime::Schedule("0 3 * * *".into())));
        assert_eq!(read.jobs["as-it-is"], JobGrant::default());
        let short = read_text("storage = '1 MiB'\nhttp = ['GET https://a.dev']\n").unwrap();
        assert_eq!(short.storage, Some(StorageQuota { bytes: 1 << 20, shared: false }));
        assert_eq!(short.http.allow.len(), 1);
        assert_eq!(read_text("").unwrap(), PluginCapabilities::default());
        fs::remove_file(&file).unwrap();
    }

    #[test]
    fn what_is_wrong_is_named_and_no_secret_with_it() {
        let problems = read_text(
            "storage = 5\nhttp = ['https://*', 'GET ftp://a']\nsecrets = { A = 'hush', b = '${NOT_SET}', c = { file = '/nowhere/at/all' } }\n\
             jobs = { a = { schedule = 'hush hush' }, b = { every = '1h', schedule = '* * * * *' } }\n",
        )
        .unwrap_err();
        let all = problems.join("\n");
        for part in [
            "`plugins.x.storage`",
            "`plugins.x.http`",
            "`plugins.x.secrets.A`",
            "`NOT_SET`",
            "/nowhere/at/all",
            "jobs.a.schedule",
            "jobs.b.every",
        ] {
            assert!(all.contains(part), "{part}: {all}");
        }
        assert!(!all.contains("hush"), "{all}");
    }
}
