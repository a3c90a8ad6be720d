//! From the start of the program to the first answered `tools/list`.

use std::time::Duration;

use crate::Result;
use crate::measure::median;
use crate::options::Options;
use crate::server::Installation;

/// Medians, in ms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StartFigures {
    /// Over HTTP, every component to be compiled.
    pub(crate) http_fresh_ms: f64,
    /// Over HTTP, compiled code in the cache.
    pub(crate) http_cached_ms: f64,
    /// Over its pipes, every component to be compiled.
    pub(crate) stdio_fresh_ms: f64,
    /// Over its pipes, compiled code in the cache.
    pub(crate) stdio_cached_ms: f64,
}

/// Starts servers with empty and with filled folders of compiled code.
pub(super) async fn measure(installation: &Installation, options: &Options) -> Result<StartFigures> {
    let (fresh, cached) = if options.quick { (1, 3) } else { (3, 7) };
    let mut http = [Vec::new(), Vec::new()];
    let mut stdio = [Vec::new(), Vec::new()];
    for round in 0..fresh {
        http[0].push(millis(installation.start_http(&installation.cache(&format!("fresh-http-{round}"))).await?.start));
        stdio[0].push(millis(installation.start_stdio(&installation.cache(&format!("fresh-stdio-{round}"))).await?.start));
    }
    for _ in 0..cached {
        http[1].push(millis(installation.start_http(&installation.cache("fresh-http-0")).await?.start));
        stdio[1].push(millis(installation.start_stdio(&installation.cache("fresh-stdio-0")).await?.start));
    }
    let [http_fresh_ms, http_cached_ms] = http.map(median);
    let [stdio_fresh_ms, stdio_cached_ms] = stdio.map(median);
    Ok(StartFigures { http_fresh_ms, http_cached_ms, stdio_fresh_ms, stdio_cached_ms })
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
