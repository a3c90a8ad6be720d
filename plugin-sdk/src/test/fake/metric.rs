//! The fake of `metric`.

use crate::bindings::shared::tidegate::plugin::metric::Label;
use crate::metric::Measured;
use crate::test::Event;
use crate::test::state;

pub(crate) fn count(name: &str, by: u64, labels: &[Label]) {
    note(name, Measured::Count(by), labels);
}

pub(crate) fn observe(name: &str, value: f64, labels: &[Label]) {
    note(name, Measured::Observation(value), labels);
}

pub(crate) fn gauge(name: &str, value: f64, labels: &[Label]) {
    note(name, Measured::Gauge(value), labels);
}

fn note(name: &str, measured: Measured, labels: &[Label]) {
    let labels = labels.iter().map(|label| (label.name.clone(), label.value.clone())).collect();
    state().borrow_mut().events.push(Event::Metric(name.to_owned(), measured, labels));
}
