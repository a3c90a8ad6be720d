//! `[limits]` of a manifest: what a plugin asks to be allowed of memory and time. It gets the least of that, of what the operator
//! grants and of what the host has.

use std::time::Duration;

use serde::Deserialize;
use serde::Deserializer;
use serde::de::Error as _;

use crate::capability::GuestLimits;

/// The limits that a manifest asks for; one that is left out is the host's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LimitRequest {
    /// Memory of one call, for example `32 MiB`.
    #[serde(default, deserialize_with = "bytes")]
    pub memory: Option<usize>,
    /// Time in its own code, for example `500ms`.
    #[serde(default, deserialize_with = "duration")]
    pub cpu_time: Option<Duration>,
    /// Time in all, what it waits for included.
    #[serde(default, deserialize_with = "duration")]
    pub wall_time: Option<Duration>,
    /// Calls that run at once.
    #[serde(default, deserialize_with = "number")]
    pub concurrency: Option<usize>,
}

impl LimitRequest {
    /// `limits`, lowered to what is asked for where that is less.
    pub fn lower(&self, limits: GuestLimits) -> GuestLimits {
        GuestLimits {
            memory_bytes: self.memory.map_or(limits.memory_bytes, |asked| asked.min(limits.memory_bytes)),
            cpu_time: self.cpu_time.map_or(limits.cpu_time, |asked| asked.min(limits.cpu_time)),
            wall_time: match (self.wall_time, limits.wall_time) {
                (Some(asked), Some(granted)) => Some(asked.min(granted)),
                (asked, granted) => asked.or(granted),
            },
            concurrency: match (self.concurrency, limits.concurrency) {
                (Some(asked), Some(granted)) => Some(asked.min(granted)),
                (asked, granted) => asked.or(granted),
            },
            ..limits
        }
    }
}

fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let size: Option<usize> = text.parse::<bytesize::ByteSize>().ok().and_then(|size| usize::try_from(size.as_u64()).ok());
    match size.filter(|size| (1 << 20..=4 << 30).contains(size)) {
        Some(size) => Ok(Some(size)),
        None => Err(D::Error::custom(format!("`{text}` is no size from `1 MiB` to `4 GiB`"))),
    }
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let fits = |duration: &Duration| (Duration::from_millis(10)..=Duration::from_hours(24)).contains(duration);
    match humantime::parse_duration(&text).ok().filter(fits) {
        Some(duration) => Ok(Some(duration)),
        None => Err(D::Error::custom(format!("`{text}` is no duration from `10ms` to `24h`"))),
    }
}

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<usize>, D::Error> {
    match usize::deserialize(deserializer)? {
        number @ 1..=10_000 => Ok(Some(number)),
        other => Err(D::Error::custom(format!("`{other}` is no number from 1 to 10000"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_lowers_and_never_raises() {
        let host = GuestLimits::default();
        let asked: LimitRequest = toml::from_str("memory = \"8 MiB\"\ncpu-time = \"1h\"\nwall-time = \"5s\"").unwrap();
        let limits = asked.lower(host);
        assert_eq!((limits.memory_bytes, limits.cpu_time), (8 << 20, host.cpu_time));
        assert_eq!(limits.wall_time, Some(Duration::from_secs(5)));
        let granted = GuestLimits { wall_time: Some(Duration::from_secs(1)), ..host };
        assert_eq!(asked.lower(granted).wall_time, Some(Duration::from_secs(1)));
        for (asked, granted, most) in [(4, Some(16), 4), (64, Some(16), 16), (4, None, 4)] {
            let asked: LimitRequest = toml::from_str(&format!("concurrency = {asked}")).unwrap();
            assert_eq!(asked.lower(GuestLimits { concurrency: granted, ..host }).concurrency, Some(most));
        }
        for wrong in ["memory = \"1 KiB\"", "memory = 5", "cpu-time = \"1ms\"", "concurrency = 0", "calls = 4"] {
            assert!(toml::from_str::<LimitRequest>(wrong).is_err(), "{wrong}");
        }
    }
}
