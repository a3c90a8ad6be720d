//! The chain against a small reference model.

mod chain;
mod model;
mod questions;
