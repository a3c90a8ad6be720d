//! Runs the check `values` of `checks.rs` on whatever bytes come.
//!
//! ```sh
//! cd tests/fuzz && cargo +nightly fuzz run values --fuzz-dir . -- -timeout=2 -max_len=16384
//! ```

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    tidegate_fuzz::values(bytes);
});
