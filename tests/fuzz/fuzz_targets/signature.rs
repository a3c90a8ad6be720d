//! Runs the check `signature` of `checks.rs` on whatever bytes come.
//!
//! ```sh
//! cd tests/fuzz && mkdir -p corpus/signature && cargo +nightly fuzz run signature corpus/signature seeds/signature --fuzz-dir . -- -timeout=2 -max_len=16384
//! ```

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    tidegate_fuzz::signature(bytes);
});
