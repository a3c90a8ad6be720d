//! Bindings generated from `wit/`, and nothing else.
//!
//! The types that several worlds share are generated once, in [`shared`]; each exporting world refers to them, so that an
//! author sees one `Value` and one `DatabaseError`. Every world has its own export macro: a component exports only the
//! interfaces whose macro its crate expands.
#![doc(hidden)]

/// All imports, and the types that exports share with them.
pub mod shared {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "
            package tidegate:sdk;
            world shared {
                include tidegate:plugin/imports@0.1.0;
                import tidegate:plugin/content@0.1.0;
                import tidegate:plugin/input@0.1.0;
            }
        ",
        generate_all,
        generate_unused_types: true,
        additional_type_attributes: {
            "tidegate:plugin/types@0.1.0/value": [#[derive(PartialEq)]],
            "tidegate:plugin/types@0.1.0/column": [#[derive(PartialEq)]],
            "tidegate:plugin/types@0.1.0/failure": [#[derive(PartialEq)]],
            "tidegate:plugin/types@0.1.0/confirmation": [#[derive(PartialEq)]],
            "tidegate:plugin/types@0.1.0/database-error": [#[derive(PartialEq)]],
            "tidegate:plugin/hook@0.1.0/policy": [#[derive(PartialEq)]],
            "tidegate:plugin/cache@0.1.0/table": [#[derive(PartialEq)]],
            "tidegate:plugin/cache@0.1.0/selection": [#[derive(PartialEq)]],
            "tidegate:plugin/transaction@0.1.0/options": [#[derive(PartialEq)]],
            "tidegate:plugin/vault@0.1.0/blob": [#[derive(PartialEq)]],
            "tidegate:plugin/vault@0.1.0/error": [#[derive(PartialEq)]],
            "tidegate:plugin/storage@0.1.0/entry": [#[derive(PartialEq)]],
            "tidegate:plugin/storage@0.1.0/expected": [#[derive(PartialEq)]],
            "tidegate:plugin/storage@0.1.0/listed": [#[derive(PartialEq)]],
            "tidegate:plugin/storage@0.1.0/usage": [#[derive(PartialEq)]],
            "tidegate:plugin/storage@0.1.0/error": [#[derive(PartialEq)]],
        },
    });
}

/// The export of `tools`.
pub mod tools {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "package tidegate:sdk; world tools-only { export tidegate:plugin/tools@0.1.0; }",
        world: "tools-only",
        with: {
            "tidegate:plugin/types@0.1.0": super::shared::tidegate::plugin::types,
            "tidegate:plugin/rows@0.1.0": super::shared::tidegate::plugin::rows,
            "tidegate:plugin/content@0.1.0": super::shared::tidegate::plugin::content,
            "tidegate:plugin/input@0.1.0": super::shared::tidegate::plugin::input,
        },
        generate_all,
        generate_unused_types: true,
        pub_export_macro: true,
        export_macro_name: "export_tools",
    });
}

/// The export of `resources`.
pub mod resources {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "package tidegate:sdk; world resources-only { export tidegate:plugin/resources@0.1.0; }",
        world: "resources-only",
        with: {
            "tidegate:plugin/types@0.1.0": super::shared::tidegate::plugin::types,
            "tidegate:plugin/rows@0.1.0": super::shared::tidegate::plugin::rows,
            "tidegate:plugin/content@0.1.0": super::shared::tidegate::plugin::content,
            "tidegate:plugin/input@0.1.0": super::shared::tidegate::plugin::input,
        },
        generate_all,
        generate_unused_types: true,
        pub_export_macro: true,
        export_macro_name: "export_resources",
    });
}

/// The export of `prompts`.
pub mod prompts {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "package tidegate:sdk; world prompts-only { export tidegate:plugin/prompts@0.1.0; }",
        world: "prompts-only",
        with: {
            "tidegate:plugin/types@0.1.0": super::shared::tidegate::plugin::types,
            "tidegate:plugin/rows@0.1.0": super::shared::tidegate::plugin::rows,
            "tidegate:plugin/content@0.1.0": super::shared::tidegate::plugin::content,
            "tidegate:plugin/input@0.1.0": super::shared::tidegate::plugin::input,
        },
        generate_all,
        generate_unused_types: true,
        pub_export_macro: true,
        export_macro_name: "export_prompts",
    });
}

/// The export of `completion`.
pub mod completion {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "package tidegate:sdk; world completion-only { export tidegate:plugin/completion@0.1.0; }",
        world: "completion-only",
        generate_all,
        generate_unused_types: true,
        pub_export_macro: true,
        export_macro_name: "export_completion",
    });
}

/// The export of `query-hooks`.
pub mod query_hooks {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "package tidegate:sdk; world query-hooks-only { export tidegate:plugin/query-hooks@0.1.0; }",
        world: "query-hooks-only",
        with: {
            "tidegate:plugin/types@0.1.0": super::shared::tidegate::plugin::types,
            "tidegate:plugin/rows@0.1.0": super::shared::tidegate::plugin::rows,
            "tidegate:plugin/hook@0.1.0": super::shared::tidegate::plugin::hook,
        },
        generate_all,
        generate_unused_types: true,
        pub_export_macro: true,
        export_macro_name: "export_query_hooks",
    });
}

/// The export of `call-hooks`.
pub mod call_hooks {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "package tidegate:sdk; world call-hooks-only { export tidegate:plugin/call-hooks@0.1.0; }",
        world: "call-hooks-only",
        with: {
            "tidegate:plugin/types@0.1.0": super::shared::tidegate::plugin::types,
            "tidegate:plugin/rows@0.1.0": super::shared::tidegate::plugin::rows,
            "tidegate:plugin/content@0.1.0": super::shared::tidegate::plugin::content,
            "tidegate:plugin/hook@0.1.0": super::shared::tidegate::plugin::hook,
        },
        generate_all,
        generate_unused_types: true,
        pub_export_macro: true,
        export_macro_name: "export_call_hooks",
    });
}

/// The export of `jobs`.
pub mod jobs {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "package tidegate:sdk; world jobs-only { export tidegate:plugin/jobs@0.1.0; }",
        world: "jobs-only",
        with: { "tidegate:plugin/types@0.1.0": super::shared::tidegate::plugin::types },
        generate_all,
        generate_unused_types: true,
        pub_export_macro: true,
        export_macro_name: "export_jobs",
    });
}
