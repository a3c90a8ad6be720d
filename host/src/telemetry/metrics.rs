//! Figures of plugins, kept in memory with every number bounded; [`Metrics::snapshot`] gives them to whoever publishes them.
//!
//! Plugins choose names and labels, so both are hostile: what does not fit is dropped and counted, and no plugin can take
//! another one's place.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

/// Names of one plugin.
const NAMES: usize = 64;

/// Combinations of a name and its labels of one plugin.
const SERIES: usize = 200;

/// Labels of one series.
const LABELS: usize = 4;

/// Bytes of a name.
const NAME_BYTES: usize = 64;

/// Bytes of a label's value; longer ones are cut.
const VALUE_BYTES: usize = 64;

/// Upper bounds of a distribution's buckets, in seconds or whatever is measured; what is above the last counts in the sum alone.
pub const BUCKETS: [f64; 12] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// What is noted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measurement {
    /// Adds to a count.
    Count(u64),
    /// Goes into a distribution.
    Observation(f64),
    /// Is the value from now on.
    Gauge(f64),
}

/// What became of a series.
#[derive(Clone, Debug, PartialEq)]
pub enum Figure {
    /// A count.
    Count(u64),
    /// A distribution.
    Distribution {
        /// How many were at most each of [`BUCKETS`], one after another.
        buckets: [u64; BUCKETS.len()],
        /// How many there were.
        count: u64,
        /// All of them together.
        sum: f64,
    },
    /// A value.
    Gauge(f64),
}

impl Figure {
    fn new(measurement: Measurement) -> Self {
        match measurement {
            Measurement::Count(_) => Self::Count(0),
            Measurement::Observation(_) => Self::Distribution { buckets: [0; BUCKETS.len()], count: 0, sum: 0.0 },
            Measurement::Gauge(_) => Self::Gauge(0.0),
        }
    }

    /// Takes a measurement in; whether it is of this kind.
    fn take(&mut self, measurement: Measurement) -> bool {
        match (self, measurement) {
            (Self::Count(count), Measurement::Count(by)) => *count = count.saturating_add(by),
            (Self::Distribution { buckets, count, sum }, Measurement::Observation(value)) => {
                for (bucket, bound) in buckets.iter_mut().zip(BUCKETS) {
                    *bucket += u64::from(value <= bound);
                }
                *count += 1;
                *sum += value;
            }
            (Self::Gauge(value), Measurement::Gauge(set)) => *value = set,
            _ => return false,
        }
        true
    }

    fn is_like(&self, measurement: Measurement) -> bool {
        matches!(
            (self, measurement),
            (Self::Count(_), Measurement::Count(_))
                | (Self::Distribution { .. }, Measurement::Observation(_))
                | (Self::Gauge(_), Measurement::Gauge(_))
        )
    }
}

/// A label's name and value.
pub type Label = (String, String);

/// One series as it was when it was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Whose; empty for the host's own.
    pub plugin: String,
    /// Its name in the plugin.
    pub name: String,
    /// Its labels, by name.
    pub labels: Vec<Label>,
    /// What became of it.
    pub figure: Figure,
}

/// Everything that is kept at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// By plugin, name and labels.
    pub series: Vec<Series>,
    /// Measurements that were dropped, by plugin.
    pub dropped: BTreeMap<String, u64>,
}

/// The series of one plugin, by name and labels.
#[derive(Debug, Default)]
struct OfPlugin {
    names: BTreeMap<String, BTreeMap<Vec<Label>, Figure>>,
    series: usize,
    dropped: u64,
}

/// The figures of all plugins.
#[derive(Debug, Default)]
pub struct Metrics(Mutex<BTreeMap<String, OfPlugin>>);

impl Metrics {
    /// Notes a measurement of a plugin. One that does not fit the limits is dropped and counted; whether it was the first of
    /// the plugin's to be dropped is what it gives.
    pub fn note(&self, plugin: &str, name: &str, measurement: Measurement, labels: Vec<Label>) -> bool {
        let labels = checked(name, measurement, labels);
        let mut all = self.lock();
        if !all.contains_key(plugin) {
            all.insert(plugin.to_owned(), OfPlugin::default());
        }
        let Some(of_plugin) = all.get_mut(plugin) else { return false };
        if labels.is_some_and(|labels| of_plugin.take(name, measurement, labels)) {
            return false;
        }
        of_plugin.dropped += 1;
        of_plugin.dropped == 1
    }

    /// All figures now.
    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for (plugin, of_plugin) in &*self.lock() {
            for (name, series) in &of_plugin.names {
                snapshot.series.extend(series.iter().map(|(labels, figure)| Series {
                    plugin: plugin.clone(),
                    name: name.clone(),
                    labels: labels.clone(),
                    figure: figure.clone(),
                }));
            }
            if of_plugin.dropped > 0 {
                snapshot.dropped.insert(plugin.clone(), of_plugin.dropped);
            }
        }
        snapshot
    }

    /// Forgets the figures of a plugin that is gone.
    pub fn forget(&self, plugin: &str) {
        self.lock().remove(plugin);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, OfPlugin>> {
        // A figure that was half taken in is still a figure.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OfPlugin {
    /// Takes a measurement in, when there is room for it and its name is of this kind.
    fn take(&mut self, name: &str, measurement: Measurement, labels: Vec<Label>) -> bool {
        if let Some(series) = self.names.get_mut(name) {
            if let Some(figure) = series.get_mut(&labels) {
                return figure.take(measurement);
            }
            if self.series >= SERIES || !series.values().all(|figure| figure.is_like(measurement)) {
                return false;
            }
        } else if self.names.len() >= NAMES || self.series >= SERIES {
            return false;
        }
        let mut figure = Figure::new(measurement);
        figure.take(measurement);
        self.names.entry(name.to_owned()).or_default().insert(labels, figure);
        self.series += 1;
        true
    }
}

/// The labels in their order, when they and everything else can be taken.
fn checked(name: &str, measurement: Measurement, mut labels: Vec<Label>) -> Option<Vec<Label>> {
    let finite = match measurement {
        Measurement::Count(_) => true,
        Measurement::Observation(value) | Measurement::Gauge(value) => value.is_finite(),
    };
    if !finite || !is_name(name) || labels.len() > LABELS || !labels.iter().all(|(name, _)| is_name(name)) {
        return None;
    }
    for (_, value) in &mut labels {
        *value = cut(value);
    }
    labels.sort();
    let named_twice = labels.windows(2).any(|pair| pair[0].0 == pair[1].0);
    (!named_twice).then_some(labels)
}

fn is_name(name: &str) -> bool {
    (1..=NAME_BYTES).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// A label's value without what could forge lines or hide text, and not longer than it may be.
fn cut(value: &str) -> String {
    let mut end = value.len().min(VALUE_BYTES);
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    value[..end].chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(name: &str, value: &str) -> Vec<Label> {
        vec![(name.to_owned(), value.to_owned())]
    }

    #[test]
    fn figures_add_up_by_plugin_name_and_labels() {
        let metrics = Metrics::default();
        metrics.note("a", "runs", Measurement::Count(2), label("kind", "x"));
        metrics.note("a", "runs", Measurement::Count(3), label("kind", "x"));
        metrics.note("a", "runs", Measurement::Count(1), label("kind", "y"));
        metrics.note("b", "runs", Measurement::Gauge(1.5), Vec::new());
        metrics.note("a", "seconds", Measurement::Observation(0.02), Vec::new());
        metrics.note("a", "seconds", Measurement::Observation(100.0), Vec::new());
        let snapshot = metrics.snapshot();
        let figures: Vec<_> = snapshot.series.iter().map(|series| (series.plugin.as_str(), series.name.as_str(), &series.figure)).collect();
        let buckets = [0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1];
        assert_eq!(
            figures,
            [
                ("a", "runs", &Figure::Count(5)),
                ("a", "runs", &Figure::Count(1)),
                ("a", "seconds", &Figure::Distribution { buckets, count: 2, sum: 100.02 }),
                ("b", "runs", &Figure::Gauge(1.5)),
            ]
        );
        assert!(snapshot.dropped.is_empty());
        metrics.forget("a");
        assert_eq!(metrics.snapshot().series.len(), 1);
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_counted() {
        let metrics = Metrics::default();
        assert!(metrics.note("a", "Not a name", Measurement::Count(1), Vec::new()), "the first one is told");
        assert!(!metrics.note("a", "", Measurement::Count(1), Vec::new()));
        metrics.note("a", &"n".repeat(65), Measurement::Count(1), Vec::new());
        metrics.note("a", "good", Measurement::Gauge(f64::NAN), Vec::new());
        metrics.note("a", "good", Measurement::Count(1), [label("a", "1"), label("a", "2")].concat());
        metrics.note("a", "good", Measurement::Count(1), (0..5).flat_map(|n| label(&format!("l{n}"), "v")).collect());
        metrics.note("a", "good", Measurement::Count(1), label("L", "v"));
        metrics.note("a", "good", Measurement::Count(1), Vec::new());
        metrics.note("a", "good", Measurement::Gauge(1.0), Vec::new());
        metrics.note("a", "good", Measurement::Gauge(1.0), label("l", "v"));
        let snapshot = metrics.snapshot();
        assert_eq!((snapshot.series.len(), snapshot.dropped["a"]), (1, 9));
    }

    #[test]
    fn a_flood_of_names_and_labels_is_bounded_and_leaves_others_room() {
        let metrics = Metrics::default();
        for n in 0..10_000 {
            metrics.note("a", &format!("name_{n}"), Measurement::Count(1), Vec::new());
            metrics.note("a", "name_0", Measurement::Count(1), label("l", &n.to_string()));
        }
        metrics.note("b", "runs", Measurement::Count(1), Vec::new());
        let snapshot = metrics.snapshot();
        let of = |plugin: &str| snapshot.series.iter().filter(|series| series.plugin == plugin).count();
        assert_eq!((of("a"), of("b")), (SERIES, 1));
        assert_eq!(snapshot.dropped["a"], 20_000 - SERIES as u64);
    }

    #[test]
    fn the_value_of_a_label_is_cut_and_has_no_lines() {
        let metrics = Metrics::default();
        metrics.note("a", "runs", Measurement::Count(1), label("l", &format!("one\n{}", "é".repeat(100))));
        let labels = metrics.snapshot().series[0].labels.clone();
        assert!(labels[0].1.len() <= VALUE_BYTES && labels[0].1.starts_with("one "), "{labels:?}");
    }
}
