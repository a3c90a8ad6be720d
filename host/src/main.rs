//! The `tidegate` program.

use std::process::ExitCode;

/// A call makes some hundred small allocations on one thread and frees them on another, which the system's allocators pay for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    tidegate::cli::run()
}
