//! The tables, the JSON line, and which figures are absurd.

use std::fmt::Write as _;
use std::io::Write as _;

use serde_json::Value;
use serde_json::json;

use crate::Result;
use crate::case::Case;
use crate::options::Options;
use crate::scenario::CacheFigures;
use crate::scenario::Found;
use crate::scenario::HookFigures;
use crate::scenario::Measured;
use crate::scenario::MemoryFigures;
use crate::scenario::Over;
use crate::scenario::StartFigures;

/// Server CPU of one call over HTTP that no machine and no load explains, in µs.
const ABSURD_CPU_US: [(Case, f64); 4] =
    [(Case::One, 2_000.0), (Case::Rows(100), 5_000.0), (Case::Rows(1_000), 25_000.0), (Case::Rows(10_000), 250_000.0)];

/// Fewest calls per second of `select 1` on 32 connections.
const ABSURD_CALLS_PER_S: f64 = 100.0;

/// Resident memory under load, in KiB.
const ABSURD_KIB: u64 = 512 << 10;

/// A start with compiled code and one without, in ms.
const ABSURD_START_MS: [f64; 2] = [5_000.0, 60_000.0];

/// Server CPU that one hook which does nothing adds to a statement, in µs.
const ABSURD_HOOK_US: f64 = 500.0;

/// Everything that was measured.
pub(crate) struct Report {
    quick: bool,
    /// One call at a time.
    pub(crate) latency: Vec<Measured>,
    /// On several connections.
    pub(crate) throughput: Vec<Measured>,
    /// Without a database.
    pub(crate) floor: Vec<Measured>,
    /// With hooks that do nothing.
    pub(crate) hooks: Vec<HookFigures>,
    /// With and without kept rows.
    pub(crate) cache: Vec<CacheFigures>,
    /// Memory.
    pub(crate) memory: Option<MemoryFigures>,
    /// Starts.
    pub(crate) start: Option<StartFigures>,
}

impl Report {
    /// Nothing measured yet.
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            quick: options.quick,
            latency: Vec::new(),
            throughput: Vec::new(),
            floor: Vec::new(),
            hooks: Vec::new(),
            cache: Vec::new(),
            memory: None,
            start: None,
        }
    }

    /// Prints the tables and the JSON line.
    pub(crate) fn print(&self) -> Result<()> {
        let mut output = std::io::stdout().lock();
        for (title, lines) in
            [("One call at a time", &self.latency), ("On several connections", &self.throughput), ("Without a database", &self.floor)]
        {
            if !lines.is_empty() {
                writeln!(output, "\n{title}\n{}", table(lines)?)?;
            }
        }
        if !self.hooks.is_empty() {
            writeln!(output, "\nHooks that do nothing, `select 1` over HTTP\n{}", hook_table(&self.hooks)?)?;
        }
        if !self.cache.is_empty() {
            writeln!(output, "\nKept rows, over HTTP\n{}", cache_table(&self.cache)?)?;
        }
        if let Some(memory) = &self.memory {
            writeln!(output, "\nResident memory, MiB (64 connections)")?;
            for (name, kib) in [
                ("idle", memory.idle_kib),
                ("under load, 100 rows each", memory.load_100_kib),
                ("under load, 1000 rows each", memory.load_1000_kib),
                ("after the load", memory.after_kib),
                ("highest", memory.peak_kib),
            ] {
                writeln!(output, "  {name:<28}{:>8.1}", kib as f64 / 1024.0)?;
            }
        }
        if let Some(start) = &self.start {
            writeln!(output, "\nFrom start to the first tools/list, ms\n  {:<28}{:>8}{:>8}", "", "HTTP", "stdio")?;
            writeln!(output, "  {:<28}{:>8.0}{:>8.0}", "compiled code cached", start.http_cached_ms, start.stdio_cached_ms)?;
            writeln!(output, "  {:<28}{:>8.0}{:>8.0}", "nothing cached", start.http_fresh_ms, start.stdio_fresh_ms)?;
        }
        writeln!(output, "\n{}", self.to_json())?;
        Ok(())
    }

    /// The figures that show that something is broken, in words.
    pub(crate) fn absurd(&self) -> Vec<String> {
        let mut absurd = Vec::new();
        for line in self.latency.iter().filter(|line| line.over == Over::Http || line.over == Over::Stdio) {
            let limit = ABSURD_CPU_US.iter().find(|(case, _)| *case == line.case);
            if let Some((case, limit)) = limit.filter(|(_, limit)| line.figures.cpu_us > *limit) {
                let name = case.name();
                absurd.push(format!(
                    "`{name}` over {} takes {:.0} µs of server CPU, over {limit} µs",
                    line.over.name(),
                    line.figures.cpu_us
                ));
            }
        }
        for line in self.throughput.iter().filter(|line| line.over == Over::Http && line.case == Case::One && line.connections > 1) {
            if line.figures.calls_per_s < ABSURD_CALLS_PER_S {
                absurd.push(format!("{:.0} calls per second of `select 1` on {} connections", line.figures.calls_per_s, line.connections));
            }
        }
        for line in &self.hooks {
            if let Some(each) = each_hook_us(line, &self.hooks).filter(|each| *each > ABSURD_HOOK_US) {
                absurd.push(format!("a hook that does nothing takes {each:.0} µs of server CPU, over {ABSURD_HOOK_US} µs"));
            }
        }
        if let Some(memory) = self.memory.filter(|memory| memory.peak_kib > ABSURD_KIB) {
            absurd.push(format!("{} MiB resident", memory.peak_kib >> 10));
        }
        if let Some(start) = self.start {
            let most = [start.http_cached_ms.max(start.stdio_cached_ms), start.http_fresh_ms.max(start.stdio_fresh_ms)];
            for (ms, limit) in most.into_iter().zip(ABSURD_START_MS) {
                if ms > limit {
                    absurd.push(format!("a start of {ms:.0} ms, over {limit} ms"));
                }
            }
        }
        absurd
    }

    fn to_json(&self) -> Value {
        let lines = |lines: &[Measured]| lines.iter().map(|line| line_json(line, bare_of(line, lines))).collect::<Vec<_>>();
        json!({
            "benchmark": "wire",
            "quick": self.quick,
            "cpus": std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
            "latency": lines(&self.latency),
            "throughput": lines(&self.throughput),
            "floor": lines(&self.floor),
            "hooks": self.hooks.iter().map(|line| hook_json(line, &self.hooks)).collect::<Vec<_>>(),
            "cache": self.cache.iter().map(|line| cache_json(&self.cache, line)).collect::<Vec<_>>(),
            "memory_kib": self.memory.map(|memory| json!({
                "idle": memory.idle_kib,
                "load_100_rows": memory.load_100_kib,
                "load_1000_rows": memory.load_1000_kib,
                "after": memory.after_kib,
                "highest": memory.peak_kib,
            })),
            "start_ms": self.start.map(|start| json!({
                "http_cached": round(start.http_cached_ms),
                "http_fresh": round(start.http_fresh_ms),
                "stdio_cached": round(start.stdio_cached_ms),
                "stdio_fresh": round(start.stdio_fresh_ms),
            })),
        })
    }
}

/// The bare query of the same statement on as many connections.
fn bare_of<'a>(line: &Measured, lines: &'a [Measured]) -> Option<&'a Measured> {
    lines.iter().find(|other| other.over == Over::Bare && other.case == line.case && other.connections == line.connections)
}

fn table(lines: &[Measured]) -> Result<String> {
    let mut text = format!(
        "  {:<16}{:<20}{:>4}{:>11}{:>8}{:>10}{:>10}{:>10}{:>8}{:>10}{:>8}{:>10}",
        "", "", "×", "CPU µs", "× bare", "p50 µs", "p95 µs", "p99 µs", "× bare", "calls/s", "× bare", "bytes"
    );
    for line in lines {
        let figures = line.figures;
        let bare = bare_of(line, lines).map(|bare| bare.figures);
        let ratio = |own: f64, other: Option<f64>| other.map_or_else(String::new, |other| format!("{:.2}", own / other));
        write!(
            text,
            "\n  {:<16}{:<20}{:>4}{:>11.1}{:>8}{:>10.0}{:>10.0}{:>10.0}{:>8}{:>10.0}{:>8}{:>10}",
            line.case.name(),
            line.over.name(),
            line.connections,
            figures.cpu_us,
            ratio(figures.cpu_us, bare.map(|bare| bare.cpu_us)),
            figures.p50_us,
            figures.p95_us,
            figures.p99_us,
            ratio(figures.p50_us, bare.map(|bare| bare.p50_us)),
            figures.calls_per_s,
            ratio(figures.calls_per_s, bare.map(|bare| bare.calls_per_s)),
            if figures.bytes == 0 { String::new() } else { figures.bytes.to_string() },
        )?;
    }
    Ok(text)
}

/// What each of a server's hooks adds to a call, in µs of its CPU, beside the server without any.
fn each_hook_us(line: &HookFigures, lines: &[HookFigures]) -> Option<f64> {
    let none = lines.iter().find(|other| other.hooks.count == 0 && other.connections == line.connections)?;
    (line.hooks.count > 0).then(|| (line.figures.cpu_us - none.figures.cpu_us) / line.hooks.count as f64)
}

/// What its hooks make of a server's CPU time per call.
fn hook_ratio(line: &HookFigures, lines: &[HookFigures]) -> Option<f64> {
    let none = lines.iter().find(|other| other.hooks.count == 0 && other.connections == line.connections)?;
    Some(line.figures.cpu_us / none.figures.cpu_us)
}

fn instances(line: &HookFigures) -> &'static str {
    match line.hooks.count {
        0 => "",
        _ if line.hooks.kept => "kept for the caller",
        _ => "new for each question",
    }
}

fn hook_table(lines: &[HookFigures]) -> Result<String> {
    let mut text = format!(
        "  {:>4}  {:<8}{:<24}{:>11}{:>8}{:>10}{:>10}{:>10}",
        "×", "hooks", "instances", "CPU µs", "× none", "µs each", "p50 µs", "p99 µs"
    );
    for line in lines {
        let (ratio, each) = (hook_ratio(line, lines), each_hook_us(line, lines));
        write!(
            text,
            "\n  {:>4}  {:<8}{:<24}{:>11.1}{:>8}{:>10}{:>10.0}{:>10.0}",
            line.connections,
            line.hooks.count,
            instances(line),
            line.figures.cpu_us,
            ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}")),
            each.map_or_else(String::new, |each| format!("{each:.1}")),
            line.figures.p50_us,
            line.figures.p99_us,
        )?;
    }
    Ok(text)
}

fn hook_json(line: &HookFigures, lines: &[HookFigures]) -> Value {
    json!({
        "connections": line.connections,
        "hooks": line.hooks.count,
        "kept": line.hooks.kept,
        "calls": line.figures.calls,
        "cpu_us": round(line.figures.cpu_us),
        "cpu_ratio": hook_ratio(line, lines).map(round),
        "each_us": each_hook_us(line, lines).map(round),
        "p50_us": round(line.figures.p50_us),
        "p99_us": round(line.figures.p99_us),
    })
}

fn cache_table(lines: &[CacheFigures]) -> Result<String> {
    let mut text = format!(
        "  {:>4}  {:<28}{:<6}{:>11}{:>11}{:>8}{:>8}{:>11}{:>11}{:>8}",
        "×", "statement", "", "off CPU µs", "on CPU µs", "ratio", "beyond", "off p50 µs", "on p50 µs", "ratio"
    );
    for line in lines {
        let found = match line.found {
            Found::Always => "hit",
            Found::Never => "miss",
            Found::Nothing => "none",
        };
        let beyond = beyond_request(lines, line).map_or(String::new(), |ratio| format!("{ratio:.2}"));
        write!(
            text,
            "\n  {:>4}  {:<28}{found:<6}{:>11.1}{:>11.1}{:>8.2}{beyond:>8}{:>11.0}{:>11.0}{:>8.2}",
            line.connections,
            line.case.name(),
            line.off.cpu_us,
            line.on.cpu_us,
            line.on.cpu_us / line.off.cpu_us,
            line.off.p50_us,
            line.on.p50_us,
            line.on.p50_us / line.off.p50_us,
        )?;
    }
    write!(text, "\n  beyond: the ratio of what each takes beyond a request that does nothing")?;
    Ok(text)
}

/// What the call takes with kept rows over what it takes without, both beyond a request that does nothing.
fn beyond_request(lines: &[CacheFigures], line: &CacheFigures) -> Option<f64> {
    let request = lines.iter().find(|other| other.found == Found::Nothing && other.connections == line.connections)?;
    let (on, off) = (line.on.cpu_us - request.on.cpu_us, line.off.cpu_us - request.off.cpu_us);
    (line.found != Found::Nothing && off > 0.0).then(|| on / off)
}

fn cache_json(lines: &[CacheFigures], line: &CacheFigures) -> Value {
    json!({
        "connections": line.connections,
        "case": line.case.name(),
        "hit": line.found == Found::Always,
        "beyond_request": beyond_request(lines, line).map(round),
        "off_cpu_us": round(line.off.cpu_us),
        "on_cpu_us": round(line.on.cpu_us),
        "cpu_ratio": round(line.on.cpu_us / line.off.cpu_us),
        "off_p50_us": round(line.off.p50_us),
        "on_p50_us": round(line.on.p50_us),
        "p50_ratio": round(line.on.p50_us / line.off.p50_us),
    })
}

fn line_json(line: &Measured, bare: Option<&Measured>) -> Value {
    let figures = line.figures;
    let mut value = json!({
        "case": line.case.name(),
        "over": line.over.name(),
        "connections": line.connections,
        "calls": figures.calls,
        "bytes": figures.bytes,
        "cpu_us": round(figures.cpu_us),
        "p50_us": round(figures.p50_us),
        "p95_us": round(figures.p95_us),
        "p99_us": round(figures.p99_us),
        "calls_per_s": round(figures.calls_per_s),
    });
    if let Some(Measured { figures: bare, .. }) = bare {
        value["cpu_ratio"] = round(figures.cpu_us / bare.cpu_us).into();
        value["p50_ratio"] = round(figures.p50_us / bare.p50_us).into();
        value["calls_per_s_ratio"] = round(figures.calls_per_s / bare.calls_per_s).into();
    }
    value
}

/// To two digits behind the point.
fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}
