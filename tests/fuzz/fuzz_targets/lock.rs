//! Runs the check `lock` of `checks.rs` on whatever bytes come.
//!
//! ```sh
//! cd tests/fuzz && mkdir -p corpus/lock && cargo +nightly fuzz run lock corpus/lock seeds/lock --fuzz-dir . -- -timeout=2 -max_len=16384
//! ```

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    tidegate_fuzz::lock(bytes);
});
