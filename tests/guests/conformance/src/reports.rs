//! Tools that report while they run: progress and log lines.

use std::thread;
use std::time::Duration;

use tidegate_plugin::Content;
use tidegate_plugin::log;
use tidegate_plugin::progress;

use crate::tools;

/// Time between two reports, so that a client can receive them one by one.
const PAUSE: Duration = Duration::from_millis(50);

tools! {
    WithProgress "test_tool_with_progress" "Reports progress in three steps." |_| {
        for done in [0.0, 50.0, 100.0] {
            if done > 0.0 {
                thread::sleep(PAUSE);
            }
            progress::report(done, Some(100.0), None);
        }
        Ok(Content::text("Tool with progress executed successfully").into())
    }

    WithLogging "test_tool_with_logging" "Writes three log lines." |_| {
        log::info("Tool execution started");
        thread::sleep(PAUSE);
        log::info("Tool processing data");
        thread::sleep(PAUSE);
        log::info("Tool execution completed");
        Ok(Content::text("Tool with logging executed successfully").into())
    }

    LoggingTool "test_logging_tool" "Writes a log line." |_| {
        log::info("This tool logs");
        Ok(Content::text("Logged").into())
    }
}
