//! Jobs: what a manifest declares, and which of it the operator has switched on.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use super::PluginError;
use super::definition::is_plain_text;
use super::manifest::Manifest;
use crate::config::capability::JobGrant;
use crate::config::capability::JobTime;
use crate::config::capability::is_name;
use crate::config::schedule::Schedule;
use crate::runtime::component::Component;

/// Jobs of one plugin.
const JOBS: usize = 16;

/// How long one run may take that does not say.
const DEADLINE: Duration = Duration::from_mins(5);

/// The longest that one run may take.
const LONGEST_DEADLINE: Duration = Duration::from_hours(1);

/// The shortest time between two runs.
const SHORTEST: Duration = Duration::from_secs(1);

/// A job, as a manifest declares it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct JobDeclaration {
    /// Its name: 1 to 64 lower-case letters, digits, `-` or `_`.
    pub name: String,
    /// When, as five fields of cron in UTC.
    #[serde(default)]
    pub schedule: Option<String>,
    /// Over and over, with so much time between.
    #[serde(default)]
    pub every: Option<String>,
    /// How long one run may take; 5 minutes by default, at most an hour.
    #[serde(default)]
    pub deadline: Option<String>,
    /// Why, in words for the operator.
    pub reason: String,
}

/// A job that is switched on.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its name.
    pub name: String,
    /// When it runs.
    pub when: When,
    /// How long one run may take.
    pub deadline: Duration,
}

/// When a job runs.
#[derive(Clone, Debug)]
pub enum When {
    /// At the moments of a pattern.
    Schedule(Schedule),
    /// Over and over.
    Every(Duration),
}

impl When {
    /// The first moment after `last_ms` at which it is due; both in milliseconds since 1970.
    pub fn next_after(&self, last_ms: u64) -> Option<u64> {
        match self {
            Self::Schedule(schedule) => schedule.next_after(last_ms),
            Self::Every(period) => last_ms.checked_add(u64::try_from(period.as_millis()).ok()?),
        }
    }
}

impl JobDeclaration {
    fn when(&self) -> Result<When, String> {
        let name = &self.name;
        match (&self.schedule, &self.every) {
            (Some(text), None) => Schedule::parse(text).map(When::Schedule).ok_or_else(|| {
                format!("the `schedule` of `{name}` is not five fields of cron that some moment matches, for example `0 3 * * *`")
            }),
            (None, Some(text)) => humantime::parse_duration(text)
                .ok()
                .filter(|period| *period >= SHORTEST)
                .map(When::Every)
                .ok_or_else(|| format!("`every` of `{name}` is a duration of at least 1 second, for example `10m`")),
            _ => Err(format!("`{name}` has one of `schedule` and `every`")),
        }
    }

    fn limit(&self) -> Result<Duration, String> {
        let Some(text) = &self.deadline else { return Ok(DEADLINE) };
        let fits = |limit: &Duration| (Duration::from_millis(100)..=LONGEST_DEADLINE).contains(limit);
        let limit = humantime::parse_duration(text).ok().filter(fits);
        limit.ok_or_else(|| format!("the `deadline` of `{}` is from 100 ms to 1 hour, for example `5m`", self.name))
    }

    fn problem(&self) -> Option<String> {
        if !is_name(&self.name) {
            return Some("a `name` has 1 to 64 lower-case letters, digits, `-` or `_`".into());
        }
        if !is_plain_text(&self.reason, 512) {
            return Some(format!("the `reason` of `{}` is empty, too long, or has invisible or control characters", self.name));
        }
        self.when().err().or(self.limit().err())
    }
}

/// What is wrong with the jobs of a manifest, if anything.
pub(super) fn jobs_problem(jobs: &[JobDeclaration]) -> Option<String> {
    if jobs.len() > JOBS {
        return Some(format!("{} jobs, and {JOBS} are allowed", jobs.len()));
    }
    let named_twice = jobs.iter().enumerate().find(|(index, job)| jobs[..*index].iter().any(|other| other.name == job.name));
    if let Some((_, job)) = named_twice {
        return Some(format!("two are called `{}`", job.name));
    }
    jobs.iter().find_map(JobDeclaration::problem)
}

/// The jobs of a plugin that the operator has switched on, as the operator wants them.
pub(super) fn switched_on(manifest: &Manifest, component: &Component, on: &BTreeMap<String, JobGrant>) -> Result<Vec<Job>, PluginError> {
    if let Some(job) = manifest.jobs.first().filter(|_| !component.has_jobs()) {
        return Err(PluginError::NoJobs(job.name.clone()));
    }
    let job = |(name, grant): (&String, &JobGrant)| {
        let declared = manifest.jobs.iter().find(|job| job.name == *name).ok_or_else(|| unknown(manifest, name))?;
        let wrong = |problem| super::manifest::ManifestError::Job(problem);
        let when = match &grant.when {
            Some(JobTime::Every(period)) => When::Every(*period),
            Some(JobTime::Schedule(text)) => match Schedule::parse(text) {
                Some(schedule) => When::Schedule(schedule),
                None => declared.when().map_err(wrong)?,
            },
            None => declared.when().map_err(wrong)?,
        };
        let deadline = grant.deadline.map_or_else(|| declared.limit().map_err(wrong), Ok)?;
        Ok(Job { name: name.clone(), when, deadline })
    };
    on.iter().map(job).collect()
}

fn unknown(manifest: &Manifest, name: &str) -> PluginError {
    let declared: Vec<String> = manifest.jobs.iter().map(|job| format!("`{}`", job.name)).collect();
    let has = if declared.is_empty() { String::new() } else { format!("; it has {}", declared.join(", ")) };
    PluginError::UnknownJob { name: name.to_owned(), has }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(jobs: &str) -> Result<Manifest, String> {
        let text = format!(
            "schema = 1\n[plugin]\nid = \"p\"\nversion = \"0.1.0\"\ntitle = \"P\"\ndescription = \"P.\"\nhost-api = \"^0.1\"\n\
             [component]\nfile = \"p.wasm\"\n{jobs}"
        );
        Manifest::parse(&text).map_err(|error| error.to_string())
    }

    #[test]
    fn jobs_are_read_and_what_is_wrong_with_one_is_named() {
        let job = |keys: &str| format!("[[jobs]]\nname = \"tidy\"\nreason = \"Tidies.\"\n{keys}\n");
        let manifest = parse(&job("schedule = \"0 3 * * *\"\ndeadline = \"1m\"")).unwrap();
        assert_eq!(manifest.jobs[0].limit(), Ok(Duration::from_mins(1)));
        for (text, expected) in [
            (job(""), "one of `schedule` and `every`"),
            (job("schedule = \"0 3 * * *\"\nevery = \"1h\""), "one of `schedule` and `every`"),
            (job("schedule = \"0 3 * *\""), "five fields"),
            (job("every = \"10ms\""), "at least 1 second"),
            (job("every = \"1h\"\ndeadline = \"2h\""), "`deadline`"),
            (job("every = \"1h\"\nat = 1"), "unknown field `at`"),
            (job("every = \"1h\"").replace("tidy", "Tidy"), "`name`"),
            ([job("every = \"1h\""), job("every = \"2h\"")].concat(), "two are called `tidy`"),
        ] {
            let error = parse(&text).map(|_| ()).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_period_is_due_again_after_itself() {
        assert_eq!(When::Every(Duration::from_secs(2)).next_after(1_000), Some(3_000));
        assert_eq!(When::Every(Duration::MAX).next_after(1_000), None);
    }
}
