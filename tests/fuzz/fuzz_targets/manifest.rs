//! Runs the check `manifest` of `checks.rs` on whatever bytes come.
//!
//! ```sh
//! cd tests/fuzz && mkdir -p corpus/manifest && cargo +nightly fuzz run manifest corpus/manifest seeds/manifest --fuzz-dir . -- -timeout=2 -max_len=16384
//! ```

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    tidegate_fuzz::manifest(bytes);
});
