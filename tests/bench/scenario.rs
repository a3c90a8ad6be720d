//! The parts of the benchmark, in the order in which they run, and what all of them share.

mod cache;
mod calls;
mod hooks;
mod memory;
mod start;

pub(crate) use cache::CacheFigures;
pub(crate) use cache::Found;
pub(crate) use calls::Measured;
pub(crate) use calls::Over;
pub(crate) use hooks::HookFigures;
pub(crate) use memory::MemoryFigures;
pub(crate) use start::StartFigures;

use std::process::ExitCode;

use crate::Result;
use crate::database::Sample;
use crate::options::Options;
use crate::report::Report;
use crate::server::Installation;

/// The folder of compiled code that all but `start` share.
const WARM_CACHE: &str = "cache";

/// Runs the parts that are wanted and prints what they found. A failure when a check is wanted and a figure is absurd.
pub(crate) async fn run_all(options: &Options) -> Result<ExitCode> {
    let sample = Sample::create(&options.database).await?;
    let result = measure(options, &sample).await;
    // After a failed run its error is the one to tell.
    let removed = sample.remove().await;
    let report = result?;
    removed?;
    if options.load.is_none() {
        report.print()?;
    }
    let absurd = if options.check { report.absurd() } else { Vec::new() };
    for figure in &absurd {
        crate::note(&format!("wire: absurd: {figure}"));
    }
    Ok(if absurd.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn measure(options: &Options, sample: &Sample) -> Result<Report> {
    let installation = Installation::new(&options.server, &sample.url)?;
    let mut report = Report::new(options);
    if let Some(case) = options.load {
        calls::load(&installation, case).await?;
        return Ok(report);
    }
    if options.wants("latency") || options.wants("throughput") || options.wants("floor") {
        let mut targets = calls::Targets::start(&installation, &sample.url).await?;
        if options.wants("latency") {
            crate::note("one call at a time …");
            report.latency = calls::latency(&mut targets, options).await?;
        }
        if options.wants("throughput") {
            crate::note("many connections …");
            report.throughput = calls::throughput(&mut targets, options).await?;
        }
        if options.wants("floor") {
            crate::note("without a database …");
            report.floor = calls::floor(&mut targets, options).await?;
        }
    }
    if options.wants("hooks") {
        crate::note("hooks …");
        report.hooks = hooks::measure(&installation, &options.hook()?, options).await?;
    }
    if options.wants("cache") {
        crate::note("kept rows …");
        report.cache = cache::measure(&installation, options).await?;
    }
    if options.wants("memory") {
        crate::note("memory …");
        report.memory = Some(memory::measure(&installation, options).await?);
    }
    if options.wants("start") {
        crate::note("cold start …");
        report.start = Some(start::measure(&installation, options).await?);
    }
    Ok(report)
}
