//! wasmtime, narrowed to what we use: one engine, one linker, one store per call.
//!
//! A component is compiled once and instantiated for each call in a store of its own ([`component`] says why). Nothing
//! above this layer and `capability` sees a wasmtime type.

pub mod answer;
pub mod around;
mod begun;
mod cache;
pub mod component;
pub mod engine;
mod exports;
pub mod hook;
pub(crate) mod hook_answer;
pub mod kept_instances;
pub mod scripted;
mod share;
mod standing;
mod trap;
