//! From a plugin's lists of tools, resources, prompts and completion to the exports of its component.

use crate::completion::CompletionRequest;
use crate::completion::Completions;
use crate::job::JobError;
use crate::job::Run;
use crate::prompt::PromptEntry;
use crate::resource::ResourceEntry;
use crate::tool::ToolDefinition;
use crate::tool::ToolEntry;
use crate::tool::ToolResult;
use crate::types::Round;

/// The tools of a plugin; [`export!`](crate::export!) implements it.
pub trait Tools {
    /// The tools, in the order in which they are listed.
    const TOOLS: &'static [ToolEntry];

    /// Tools that are known only when the plugin runs, listed after the others.
    #[must_use]
    fn more() -> Vec<ToolDefinition> {
        Vec::new()
    }

    /// Calls one of those; none when there is none of this name. `arguments` is a JSON object as text.
    #[must_use]
    fn call_more(_name: &str, _arguments: &str, _round: &Round) -> Option<ToolResult> {
        None
    }
}

/// Tools that are known only when the plugin runs, because they come from its settings or its storage.
///
/// The host lists them for all callers alike, when the plugin is loaded and after
/// [`changes::tools_changed`](crate::changes::tools_changed). While they are listed, storage of a caller's own is empty.
pub trait MoreTools {
    /// What they are.
    fn list() -> Vec<ToolDefinition>;

    /// Calls one; none when there is none of this name. `arguments` is a JSON object as text, which the tool's schema accepts.
    fn call(name: &str, arguments: &str, round: &Round) -> Option<ToolResult>;
}

/// The resources and templates of a plugin; [`export!`](crate::export!) implements it.
pub trait Resources {
    /// The resources and templates, in the order in which they are listed.
    const RESOURCES: &'static [ResourceEntry];
}

/// The prompts of a plugin; [`export!`](crate::export!) implements it.
pub trait Prompts {
    /// The prompts, in the order in which they are listed.
    const PROMPTS: &'static [PromptEntry];
}

/// The completion of a plugin; [`export!`](crate::export!) implements it.
pub trait Completes {
    /// Completes one argument.
    fn complete(request: &CompletionRequest) -> Completions;
}

/// The jobs of a plugin; [`export!`](crate::export!) implements it.
pub trait Jobs {
    /// Does the work of one job.
    ///
    /// # Errors
    ///
    /// Why it was not done.
    fn run_job(run: &Run) -> Result<String, JobError>;
}

/// Exports a plugin: once in its crate, with the parts that it has, in any order.
///
/// ```
/// # mod parts {
/// # use tidegate_plugin::*;
/// # #[derive(serde::Deserialize, schemars::JsonSchema)]
/// # pub struct Greet {}
/// # impl Tool for Greet {
/// #     const NAME: &'static str = "greet";
/// #     const DESCRIPTION: &'static str = "Greets.";
/// #     const ANNOTATIONS: Annotations = Annotations::READ_ONLY;
/// #     const NEEDS: Needs = Needs::Nothing;
/// #     fn call(self, _: &Round) -> ToolResult { Ok(Content::text("hello").into()) }
/// # }
/// # pub fn complete(_: &CompletionRequest) -> Completions { Completions::none() }
/// # }
/// # use parts::*;
/// tidegate_plugin::export! {
///     tools: [Greet],
///     completion: complete,
/// }
/// # fn main() {}
/// ```
///
/// `tools` takes types that implement [`Tool`](crate::Tool), and after `and` one that implements [`MoreTools`], `resources` [`Resource`](crate::Resource), `prompts`
/// [`Prompt`](crate::Prompt), `completion` a function from `&CompletionRequest` to `Completions`, `query_hooks` a type that
/// implements [`QueryHooks`](crate::QueryHooks), `call_hooks` one that implements [`CallHooks`](crate::CallHooks),
/// `jobs` a function from [`&job::Run`](crate::job::Run) to `Result<String, JobError>`. The component exports only the interfaces that are named.
#[macro_export]
macro_rules! export {
    (@part) => {};
    (@part tools: [$($tool:ty),* $(,)?] $(, $($rest:tt)*)?) => {
        impl $crate::Tools for Plugin {
            const TOOLS: &'static [$crate::ToolEntry] = &[$($crate::ToolEntry::of::<$tool>()),*];
        }
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::tools::export_tools!(Plugin with_types_in $crate::bindings::tools);
        $crate::export!(@part $($($rest)*)?);
    };
    (@part tools: [$($tool:ty),* $(,)?] and $more:ty $(, $($rest:tt)*)?) => {
        impl $crate::Tools for Plugin {
            const TOOLS: &'static [$crate::ToolEntry] = &[$($crate::ToolEntry::of::<$tool>()),*];

            fn more() -> ::std::vec::Vec<$crate::ToolDefinition> {
                <$more as $crate::MoreTools>::list()
            }

            fn call_more(name: &str, arguments: &str, round: &$crate::Round) -> ::core::option::Option<$crate::ToolResult> {
                <$more as $crate::MoreTools>::call(name, arguments, round)
            }
        }
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::tools::export_tools!(Plugin with_types_in $crate::bindings::tools);
        $crate::export!(@part $($($rest)*)?);
    };
    (@part resources: [$($resource:ty),* $(,)?] $(, $($rest:tt)*)?) => {
        impl $crate::Resources for Plugin {
            const RESOURCES: &'static [$crate::ResourceEntry] = &[$($crate::ResourceEntry::of::<$resource>()),*];
        }
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::resources::export_resources!(Plugin with_types_in $crate::bindings::resources);
        $crate::export!(@part $($($rest)*)?);
    };
    (@part prompts: [$($prompt:ty),* $(,)?] $(, $($rest:tt)*)?) => {
        impl $crate::Prompts for Plugin {
            const PROMPTS: &'static [$crate::PromptEntry] = &[$($crate::PromptEntry::of::<$prompt>()),*];
        }
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::prompts::export_prompts!(Plugin with_types_in $crate::bindings::prompts);
        $crate::export!(@part $($($rest)*)?);
    };
    (@part completion: $complete:path $(, $($rest:tt)*)?) => {
        impl $crate::Completes for Plugin {
            fn complete(request: &$crate::CompletionRequest) -> $crate::Completions {
                $complete(request)
            }
        }
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::completion::export_completion!(Plugin with_types_in $crate::bindings::completion);
        $crate::export!(@part $($($rest)*)?);
    };
    (@part query_hooks: $hooks:ty $(, $($rest:tt)*)?) => {
        impl $crate::QueryHooks for Plugin {
            fn before_query(asked: $crate::hook::Asked, statement: &$crate::hook::Statement) -> $crate::hook::BeforeQuery {
                <$hooks as $crate::QueryHooks>::before_query(asked, statement)
            }
            fn after_query(
                asked: $crate::hook::Asked,
                statement: &$crate::hook::Statement,
                outcome: $crate::hook::QueryOutcome,
            ) -> $crate::hook::AfterQuery {
                <$hooks as $crate::QueryHooks>::after_query(asked, statement, outcome)
            }
            fn on_error(
                asked: $crate::hook::Asked,
                statement: &$crate::hook::Statement,
                error: &$crate::DatabaseError,
            ) -> $crate::hook::Advice {
                <$hooks as $crate::QueryHooks>::on_error(asked, statement, error)
            }
            fn on_connect(connection: &$crate::hook::Connection) -> $crate::hook::ConnectVerdict {
                <$hooks as $crate::QueryHooks>::on_connect(connection)
            }
        }
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::query_hooks::export_query_hooks!(Plugin with_types_in $crate::bindings::query_hooks);
        $crate::export!(@part $($($rest)*)?);
    };
    (@part call_hooks: $hooks:ty $(, $($rest:tt)*)?) => {
        impl $crate::CallHooks for Plugin {
            fn before_call(asked: $crate::hook::Asked, call: &$crate::hook::Call) -> $crate::hook::BeforeCall {
                <$hooks as $crate::CallHooks>::before_call(asked, call)
            }
            fn after_call(
                asked: $crate::hook::Asked,
                call: &$crate::hook::Call,
                outcome: $crate::hook::CallOutcome,
            ) -> $crate::hook::AfterCall {
                <$hooks as $crate::CallHooks>::after_call(asked, call, outcome)
            }
        }
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::call_hooks::export_call_hooks!(Plugin with_types_in $crate::bindings::call_hooks);
        $crate::export!(@part $($($rest)*)?);
    };
    (@part jobs: $run:path $(, $($rest:tt)*)?) => {
        impl $crate::Jobs for Plugin {
            fn run_job(run: &$crate::job::Run) -> ::core::result::Result<::std::string::String, $crate::job::JobError> {
                $run(run)
            }
        }
        #[cfg(target_arch = "wasm32")]
        $crate::bindings::jobs::export_jobs!(Plugin with_types_in $crate::bindings::jobs);
        $crate::export!(@part $($($rest)*)?);
    };
    (@part $($unknown:tt)*) => {
        ::core::compile_error!("`export!` takes `tools: [..]`, `resources: [..]`, `prompts: [..]`, `completion: function`, `query_hooks: Type`, `call_hooks: Type`, `jobs: function`");
    };
    ($($parts:tt)*) => {
        /// This plugin: what its component exports.
        pub struct Plugin;
        $crate::export!(@part $($parts)*);
    };
}
