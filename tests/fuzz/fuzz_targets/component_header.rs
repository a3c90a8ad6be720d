//! Runs the check `component_header` of `checks.rs` on whatever bytes come.
//!
//! ```sh
//! cd tests/fuzz && cargo +nightly fuzz run component_header --fuzz-dir . -- -timeout=2 -max_len=16384
//! ```

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    tidegate_fuzz::component_header(bytes);
});
