//! wasmtime, narrowed to what we use: engine, linker, one store per call, limits, traps.

pub mod answer;
