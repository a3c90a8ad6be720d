//! `plugins`: which plugins there are and what a person has to do about them. It tells, and changes nothing.

use std::sync::PoisonError;
use std::sync::RwLock;

use crate::bindings::tidegate::plugin::plugins;
use crate::capability::State;

/// How a plugin fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PluginState {
    /// It is loaded.
    Running,
    /// Nothing is granted to it, so it is not loaded.
    NotApproved,
    /// The configuration leaves it out.
    Off,
}

/// One plugin, as clients may know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginStatus {
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: String,
    /// How it fares.
    pub state: PluginState,
    /// A version that waits for a person.
    pub waiting: Option<String>,
    /// The command that a person runs about it.
    pub advice: Option<String>,
}

/// Where the host writes down how plugins fare.
#[derive(Debug, Default)]
pub struct PluginBoard(RwLock<Vec<PluginStatus>>);

impl PluginBoard {
    /// Writes it down anew.
    pub fn set(&self, statuses: Vec<PluginStatus>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = statuses;
    }

    /// What is written down.
    pub fn now(&self) -> Vec<PluginStatus> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl plugins::Host for State {
    async fn list_plugins(&mut self) -> wasmtime::Result<Vec<plugins::Plugin>> {
        self.enter()?;
        if !self.guest.grants.allows("plugins") {
            return Ok(Vec::new());
        }
        Ok(self.services.plugins.now().into_iter().map(to_guest).collect())
    }
}

fn to_guest(status: PluginStatus) -> plugins::Plugin {
    let PluginStatus { id, version, state, waiting, advice } = status;
    let state = match state {
        PluginState::Running => plugins::State::Running,
        PluginState::NotApproved => plugins::State::NotApproved,
        PluginState::Off => plugins::State::Off,
    };
    plugins::Plugin { id, version, state, waiting, advice }
}
