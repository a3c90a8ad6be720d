//! Figures for the operator: counts, distributions and values that go up and down.
//!
//! Names and labels are of lower-case letters, digits and `_`. Values of labels should be few: what a plugin gives beyond 64
//! names and 200 combinations is dropped.

#[cfg(target_arch = "wasm32")]
use crate::bindings::shared::tidegate::plugin::metric as host;
#[cfg(not(target_arch = "wasm32"))]
use crate::test::fake::metric as host;

/// A label's name and value.
pub type Label = (String, String);

/// What was given, as the test kit shows it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measured {
    /// Added to a count.
    Count(u64),
    /// One measurement.
    Observation(f64),
    /// The value from now on.
    Gauge(f64),
}

/// Adds to a count.
pub fn count(name: &str, by: u64, labels: &[(&str, &str)]) {
    host::count(name, by, &to_host(labels));
}

/// Notes one measurement; durations are in seconds.
pub fn observe(name: &str, value: f64, labels: &[(&str, &str)]) {
    host::observe(name, value, &to_host(labels));
}

/// Sets a value that goes up and down.
pub fn gauge(name: &str, value: f64, labels: &[(&str, &str)]) {
    host::gauge(name, value, &to_host(labels));
}

fn to_host(labels: &[(&str, &str)]) -> Vec<crate::bindings::shared::tidegate::plugin::metric::Label> {
    use crate::bindings::shared::tidegate::plugin::metric::Label;
    labels.iter().map(|(name, value)| Label { name: (*name).to_owned(), value: (*value).to_owned() }).collect()
}
