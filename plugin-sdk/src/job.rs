//! Jobs: work on a schedule that the manifest names and the operator switches on.
//!
//! ```
//! use tidegate_plugin::job::{JobError, Run};
//!
//! pub fn run_job(run: &Run) -> Result<String, JobError> {
//!     match run.name.as_str() {
//!         "nightly" => Ok("nothing was left to do".into()),
//!         _ => Err(JobError::UnknownJob),
//!     }
//! }
//!
//! tidegate_plugin::export!(jobs: run_job);
//! # fn main() {}
//! ```

pub use crate::bindings::jobs::exports::tidegate::plugin::jobs::Error as JobError;
pub use crate::bindings::jobs::exports::tidegate::plugin::jobs::Run;
use crate::types::DatabaseError;

impl From<DatabaseError> for JobError {
    fn from(error: DatabaseError) -> Self {
        Self::Database(error)
    }
}
