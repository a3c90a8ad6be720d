//! `changes`: news that clients may have subscribed to. Noted here, acted on when the call is over. Without a grant they are not
//! noted: a plugin that may not announce goes on as before.

use crate::bindings::tidegate::plugin::changes;
use crate::capability::LimitExceeded;
use crate::capability::State;

/// Resources that one call may announce.
const UPDATES: usize = 100;

/// Bytes of a URI.
const URI_BYTES: usize = 2 << 10;

impl changes::Host for State {
    async fn tools_changed(&mut self) -> wasmtime::Result<()> {
        self.enter()?;
        self.announced.tools |= self.guest.grants.allows("changes");
        Ok(())
    }

    async fn resources_changed(&mut self) -> wasmtime::Result<()> {
        self.enter()?;
        self.announced.resources |= self.guest.grants.allows("changes");
        Ok(())
    }

    async fn prompts_changed(&mut self) -> wasmtime::Result<()> {
        self.enter()?;
        self.announced.prompts |= self.guest.grants.allows("changes");
        Ok(())
    }

    async fn resource_updated(&mut self, uri: String) -> wasmtime::Result<()> {
        self.enter()?;
        if uri.len() > URI_BYTES || self.announced.updated.len() >= UPDATES {
            return Err(LimitExceeded(format!("{UPDATES} updated resources of {URI_BYTES} bytes in one call")).into());
        }
        if self.guest.grants.allows("changes") && !self.announced.updated.contains(&uri) {
            self.announced.updated.push(uri);
        }
        Ok(())
    }
}
