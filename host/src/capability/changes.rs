//! `changes`: news that clients may have subscribed to. Noted here, acted on when the call is over.

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
        self.announced.tools = true;
        Ok(())
    }

    async fn resources_changed(&mut self) -> wasmtime::Result<()> {
        self.enter()?;
        self.announced.resources = true;
        Ok(())
    }

    async fn prompts_changed(&mut self) -> wasmtime::Result<()> {
        self.enter()?;
        self.announced.prompts = true;
        Ok(())
    }

    async fn resource_updated(&mut self, uri: String) -> wasmtime::Result<()> {
        self.enter()?;
        if uri.len() > URI_BYTES || self.announced.updated.len() >= UPDATES {
            return Err(LimitExceeded(format!("{UPDATES} updated resources of {URI_BYTES} bytes in one call")).into());
        }
        if !self.announced.updated.contains(&uri) {
            self.announced.updated.push(uri);
        }
        Ok(())
    }
}
