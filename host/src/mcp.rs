//! The edge: the only place that knows MCP types. Transports, access, and the translation to and from our own types.
//!
//! One request comes in through [`stdio`] or [`http`], [`server`] makes a `Call` of it, the file named after the method
//! translates, the dispatcher answers, and `error` alone decides whether a failure is a protocol error or a tool result.

pub mod http;
pub mod server;
pub mod stdio;

mod completion;
mod content;
mod error;
mod input;
mod listen;
mod listener;
mod page;
mod prompts;
mod resources;
mod rows;
pub mod shell;
mod tenure;
mod tools;

#[cfg(test)]
mod tests;
