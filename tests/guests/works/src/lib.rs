//! A guest with jobs: one that counts its runs, and some that come to no good.

use schemars::JsonSchema;
use serde::Deserialize;
use tidegate_plugin::Annotations;
use tidegate_plugin::Content;
use tidegate_plugin::Needs;
use tidegate_plugin::Round;
use tidegate_plugin::Tool;
use tidegate_plugin::ToolResult;
use tidegate_plugin::job::JobError;
use tidegate_plugin::job::Run;
use tidegate_plugin::storage;
use tidegate_plugin::storage::Scope;

/// The arguments of `seen`.
#[derive(Deserialize, JsonSchema)]
pub struct Seen {}

impl Tool for Seen {
    const NAME: &'static str = "seen";
    const DESCRIPTION: &'static str = "Tells what this caller finds of the job's runs.";
    const ANNOTATIONS: Annotations = Annotations::READ_ONLY;
    const NEEDS: Needs = Needs::Nothing;

    fn call(self, _: &Round) -> ToolResult {
        let value = |scope| storage::get(scope, "runs").map(|entry| entry.map_or(0, |entry| entry.value.len()));
        Ok(Content::text(format!("{} own, {} shared", value(Scope::Caller)?, value(Scope::Shared)?)).into())
    }
}

/// Runs a job.
///
/// # Errors
///
/// Storage that fails, and jobs that are meant to.
pub fn run_job(run: &Run) -> Result<String, JobError> {
    match run.name.as_str() {
        "tick" => {
            let mut runs = 0;
            for scope in [Scope::Caller, Scope::Shared] {
                let failed = |error| JobError::Failed(format!("{error:?}"));
                let mut value = storage::get(scope, "runs").map_err(failed)?.map_or_else(Vec::new, |entry| entry.value);
                value.push(1);
                runs = value.len();
                storage::set(scope, "runs", &value).map_err(failed)?;
            }
            Ok(format!("run {runs}, {} missed", run.missed))
        }
        "fail" => Err(JobError::Failed("there is\nno way".to_owned())),
        "hang" => loop {
            std::thread::sleep(std::time::Duration::from_secs(60));
        },
        _ => Err(JobError::UnknownJob),
    }
}

tidegate_plugin::export!(tools: [Seen], jobs: run_job);
