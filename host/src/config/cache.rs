//! Reads the table `[cache]`.

use std::time::Duration;

use super::CacheConfig;
use super::CacheScope;
use super::DiskCacheConfig;
use super::SharedCacheConfig;
use super::section::Section;

/// The schemes that the server's library knows.
const SCHEMES: [&str; 4] = ["redis", "rediss", "valkey", "valkeys"];

const EXPECTED_URL: &str = "a URL that begins with `redis:`, `rediss:`, `valkey:` or `valkeys:`";

/// Bytes on disk when the table does not say how many.
const DISK_BYTES: usize = 256 << 20;

/// The cache that the table describes.
pub(super) fn read(mut section: Section<'_>) -> CacheConfig {
    let defaults = CacheConfig::default();
    let memory_bytes = section.size("memory", 0, 64 << 30).unwrap_or(defaults.memory_bytes);
    let disk = section.optional_table("disk").and_then(read_disk);
    let shared = section.optional_table("shared").and_then(read_shared);
    let scope = section.parsed("scope", "`\"caller\"` or `\"everyone\"`", |text| match text {
        "caller" => Some(CacheScope::Caller),
        "everyone" => Some(CacheScope::Everyone),
        _ => None,
    });
    section.finish();
    CacheConfig { memory_bytes, disk, shared, scope: scope.unwrap_or_default() }
}

fn read_disk(mut section: Section<'_>) -> Option<DiskCacheConfig> {
    let path = section.path("path");
    if path.is_none() && !section.is_wrong("path") {
        section.note("path", "is missing; name the folder that holds the results");
    }
    let max_bytes = section.size("max", 1 << 20, 1 << 40).unwrap_or(DISK_BYTES);
    section.finish();
    Some(DiskCacheConfig { path: path?, max_bytes: max_bytes as u64 })
}

fn read_shared(mut section: Section<'_>) -> Option<SharedCacheConfig> {
    let url = section.parsed("url", EXPECTED_URL, |text| {
        let scheme = text.split_once("://")?.0;
        SCHEMES.contains(&scheme).then(|| text.to_owned())
    });
    if url.is_none() && !section.is_wrong("url") {
        section.note("url", "is missing; name the Redis or Valkey server");
    }
    let timeout = section.duration("timeout", Duration::from_millis(1), Duration::from_secs(10));
    let prefix = section.parsed("prefix", "1 to 64 letters, digits, `_`, `-`, `.` or `:`", |text| {
        // Nothing that means something in a pattern of keys.
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
        ((1..=64).contains(&text.len()) && text.chars().all(allowed)).then(|| text.to_owned())
    });
    section.finish();
    let defaults = SharedCacheConfig::new(url?);
    Some(SharedCacheConfig { timeout: timeout.unwrap_or(defaults.timeout), prefix: prefix.unwrap_or(defaults.prefix.clone()), ..defaults })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use toml::de::DeTable;

    use super::*;
    use crate::config::section::Document;

    fn read_text(text: &str) -> Result<CacheConfig, Vec<String>> {
        let variable = |name: &str| (name == "REDIS_URL").then(|| "redis://:p@h:6379/1".to_owned());
        let document = Document::new(Path::new("/etc/tidegate.toml"), text, &variable);
        let table = DeTable::parse(text).unwrap().into_inner();
        let config = read(Section::new(&document, "cache".into(), 0, table));
        let problems: Vec<String> = document.into_problems().iter().map(ToString::to_string).collect();
        if problems.is_empty() { Ok(config) } else { Err(problems) }
    }

    #[test]
    fn every_key_of_the_cache_is_read_and_what_is_left_out_has_its_default() {
        let text = "memory = '0 B'\nscope = 'everyone'\ndisk = { path = 'results', max = '1 GiB' }\n\
                    shared = { url = '${REDIS_URL}', timeout = '20ms', prefix = 'crm:1' }\n";
        let SharedCacheConfig { url, .. } = SharedCacheConfig::new("redis://:p@h:6379/1");
        assert_eq!(
            read_text(text).unwrap(),
            CacheConfig {
                memory_bytes: 0,
                disk: Some(DiskCacheConfig { path: "/etc/results".into(), max_bytes: 1 << 30 }),
                shared: Some(SharedCacheConfig { url, timeout: Duration::from_millis(20), prefix: "crm:1".into() }),
                scope: CacheScope::Everyone,
            }
        );
        assert_eq!(read_text("").unwrap(), CacheConfig::default());
        let tiers = read_text("disk = { path = '/r' }\nshared = { url = 'valkeys://h' }\n").unwrap();
        assert_eq!(tiers.memory_bytes, 64 << 20);
        assert_eq!(tiers.disk.unwrap().max_bytes, 256 << 20);
        assert_eq!(tiers.shared.unwrap(), SharedCacheConfig::new("valkeys://h"));
    }

    #[test]
    fn what_is_wrong_with_the_cache_is_named() {
        let problems = read_text("memory = 5\ndisk = { max = '1 GiB' }\nshared = { url = 'http://h', prefix = 'a*' }\n").unwrap_err();
        assert_eq!(
            problems,
            [
                "/etc/tidegate.toml:1: `cache.memory`: expected a size with its unit, for example `\"96 KiB\"`",
                "/etc/tidegate.toml:2: `cache.disk.path`: is missing; name the folder that holds the results",
                "/etc/tidegate.toml:3: `cache.shared.url`: expected a URL that begins with `redis:`, `rediss:`, `valkey:` or `valkeys:`",
                "/etc/tidegate.toml:3: `cache.shared.prefix`: expected 1 to 64 letters, digits, `_`, `-`, `.` or `:`",
            ]
        );
    }
}
