//! What is done when a database fails: trying again, leaving it alone, reading elsewhere.

use std::time::Duration;

use super::EngineKind;
use super::Secret;
use super::section::Section;

/// How often something that failed for a passing reason is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryConfig {
    /// Tries in all, the first included; default 3. One means that nothing is tried again.
    pub attempts: u32,
    /// The pause before the second try, doubled for each one after it; default 50 ms. A part of it is left to chance, so that
    /// many callers do not come back together.
    pub base: Duration,
    /// The longest pause; default 1 s.
    pub max: Duration,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self { attempts: 3, base: Duration::from_millis(50), max: Duration::from_secs(1) }
    }
}

/// When a database is left alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakerConfig {
    /// Failures of the connection in a row that open it; default 5.
    pub failures: u32,
    /// How long it stays open before one call is let through, unless the database answers the host's own checks sooner;
    /// default 30 s.
    pub open_for: Duration,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        Self { failures: 5, open_for: Duration::from_secs(30) }
    }
}

/// Servers that follow the one of the database, for plain reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaConfig {
    /// Where they are, with credentials; default none.
    pub urls: Vec<Secret>,
    /// How far one may be behind and still be read; default 10 s.
    pub max_lag: Duration,
}

impl Default for ReplicaConfig {
    fn default() -> Self {
        Self { urls: Vec::new(), max_lag: Duration::from_secs(10) }
    }
}

/// Reads `retry`.
pub(super) fn read_retry(mut section: Section<'_>) -> RetryConfig {
    let defaults = RetryConfig::default();
    let retry = RetryConfig {
        attempts: section.number("attempts", 1, 10).unwrap_or(defaults.attempts),
        base: section.duration("base", Duration::from_millis(1), Duration::from_secs(10)).unwrap_or(defaults.base),
        max: section.duration("max", Duration::from_millis(1), Duration::from_mins(1)).unwrap_or(defaults.max),
    };
    section.finish();
    retry
}

/// Reads `breaker`.
pub(super) fn read_breaker(mut section: Section<'_>) -> BreakerConfig {
    let defaults = BreakerConfig::default();
    let breaker = BreakerConfig {
        failures: section.number("failures", 1, 1_000).unwrap_or(defaults.failures),
        open_for: section.duration("open_for", Duration::from_millis(100), Duration::from_hours(1)).unwrap_or(defaults.open_for),
    };
    section.finish();
    breaker
}

/// Reads `replicas` and `max_replica_lag` of a database of `engine`.
pub(super) fn read_replicas(section: &mut Section<'_>, engine: Option<EngineKind>) -> ReplicaConfig {
    let defaults = ReplicaConfig::default();
    let urls = section.strings("replicas").unwrap_or_default();
    let max_lag = section.duration("max_replica_lag", Duration::from_millis(500), Duration::from_hours(1)).unwrap_or(defaults.max_lag);
    if let (Some(engine), false) = (engine, urls.is_empty()) {
        if engine == EngineKind::Sqlite {
            section.note("replicas", "SQLite has none: a file is read where it lies; leave this out");
        } else if urls.iter().any(|url| EngineKind::of_url(url) != Some(engine)) {
            section.note("replicas", "every URL has to begin as the database's own does: a replica is a server of the same kind");
        }
    }
    ReplicaConfig { urls: urls.into_iter().map(Secret::new).collect(), max_lag }
}
