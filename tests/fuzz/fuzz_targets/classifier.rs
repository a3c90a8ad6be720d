//! Judges whatever text comes, in each dialect: no panic, no endless work, and what passes is judged the same again.
//!
//! ```sh
//! cd tests/fuzz && cargo +nightly fuzz run classifier --fuzz-dir . -- -timeout=2 -max_len=4096
//! ```

#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate::config::EngineKind;
use tidegate::database::statement::Statement;

fuzz_target!(|text: &str| {
    for engine in [EngineKind::Postgres, EngineKind::MySql, EngineKind::Sqlite] {
        let Ok(statement) = Statement::parse(text, engine) else { continue };
        // The text that runs is judged as what came was, or a comment or a semicolon was read in two ways.
        let again = Statement::parse(&statement.text, engine).expect("what passed once passes again");
        assert_eq!((again.kind, &again.text), (statement.kind, &statement.text));
    }
});
