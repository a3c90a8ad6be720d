//! `cache`: rows that the host keeps. Not yet.

use wasmtime::component::Resource;

use crate::bindings::tidegate::plugin::cache;
use crate::capability::State;
use crate::capability::rows::GuestRows;

impl cache::Host for State {
    async fn find(&mut self, _key: String, _policy: cache::Policy) -> wasmtime::Result<Option<Resource<GuestRows>>> {
        self.enter()?;
        Ok(None)
    }

    async fn clear(&mut self, _what: cache::Selection) -> wasmtime::Result<u64> {
        self.enter()?;
        Ok(0)
    }

    async fn read_figures(&mut self) -> wasmtime::Result<cache::Figures> {
        self.enter()?;
        Ok(cache::Figures { tiers: Vec::new(), hits: 0, misses: 0, kept: 0, stale: 0, collapsed: 0, too_large: 0 })
    }
}
