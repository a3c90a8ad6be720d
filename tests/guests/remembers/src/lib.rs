//! A guest that leaves marks in its memory and looks for those of an earlier call.

use std::sync::Mutex;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

use schemars::JsonSchema;
use serde::Deserialize;
use tidegate_plugin::Annotations;
use tidegate_plugin::Content;
use tidegate_plugin::Needs;
use tidegate_plugin::Round;
use tidegate_plugin::Tool;
use tidegate_plugin::ToolResult;

/// 1 MiB that begins as zeros: more than the host puts back in place, the rest it gives back to the system.
static BLANK: [AtomicU32; 1 << 18] = [const { AtomicU32::new(0) }; 1 << 18];

/// 64 KiB that begin as they stand in the component.
static SET: [AtomicU32; 1 << 14] = [const { AtomicU32::new(7) }; 1 << 14];

/// The arguments of `run`.
#[derive(Deserialize, JsonSchema)]
pub struct Run {
    /// What to leave behind.
    mark: u32,
    /// A mark at every so many words.
    every: usize,
    /// Whether to trap when it is done.
    #[serde(default)]
    traps: bool,
    /// MiB to take and keep.
    #[serde(default)]
    grows: usize,
}

/// What it took.
static HELD: Mutex<Vec<u8>> = Mutex::new(Vec::new());

impl Tool for Run {
    const NAME: &'static str = "run";
    const DESCRIPTION: &'static str = "Looks for what an earlier call left.";
    const ANNOTATIONS: Annotations = Annotations::READ_ONLY;
    const NEEDS: Needs = Needs::Nothing;

    fn call(self, _: &Round) -> ToolResult {
        let changed = |words: &[AtomicU32], first: u32| words.iter().filter(|word| word.load(Ordering::Relaxed) != first).count();
        let found = changed(&BLANK, 0) + changed(&SET, 7);
        for word in BLANK.iter().chain(&SET).step_by(self.every.max(1)) {
            word.store(self.mark, Ordering::Relaxed);
        }
        if self.grows > 0 {
            HELD.lock().expect("nobody panics while holding it").resize(self.grows << 20, 1);
        }
        if self.traps {
            panic!("it was told to");
        }
        Ok(Content::text(format!("{found} marks")).into())
    }
}

tidegate_plugin::export!(tools: [Run]);
