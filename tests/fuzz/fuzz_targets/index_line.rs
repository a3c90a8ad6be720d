//! Runs the check `index_line` of `checks.rs` on whatever bytes come.
//!
//! ```sh
//! cd tests/fuzz && mkdir -p corpus/index_line && cargo +nightly fuzz run index_line corpus/index_line seeds/index_line --fuzz-dir . -- -timeout=2 -max_len=16384
//! ```

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    tidegate_fuzz::index_line(bytes);
});
