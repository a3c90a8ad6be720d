//! `metric`: figures of a plugin for the operator.

use crate::bindings::tidegate::plugin::metric;
use crate::capability::State;
use crate::telemetry::metrics::Measurement;

impl State {
    fn note(&mut self, name: &str, measurement: Measurement, labels: Vec<metric::Label>) -> wasmtime::Result<()> {
        self.enter()?;
        if !self.guest.grants.allows("metric") {
            return Ok(());
        }
        let labels = labels.into_iter().map(|label| (label.name, label.value)).collect();
        let id = &self.guest.id;
        if self.services.metrics.note(id, name, measurement, labels) {
            tracing::warn!(plugin.id = %id, call.id = %self.call.id, "Plugin `{id}` gives figures that are not kept; they are counted");
        }
        Ok(())
    }
}

impl metric::Host for State {
    async fn count(&mut self, name: String, by: u64, labels: Vec<metric::Label>) -> wasmtime::Result<()> {
        self.note(&name, Measurement::Count(by), labels)
    }

    async fn observe(&mut self, name: String, value: f64, labels: Vec<metric::Label>) -> wasmtime::Result<()> {
        self.note(&name, Measurement::Observation(value), labels)
    }

    async fn gauge(&mut self, name: String, value: f64, labels: Vec<metric::Label>) -> wasmtime::Result<()> {
        self.note(&name, Measurement::Gauge(value), labels)
    }
}
