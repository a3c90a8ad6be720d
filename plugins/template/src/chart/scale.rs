//! Scales: round ticks over a range, and numbers as a chart writes them.

/// A range with round ticks.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scale {
    /// Where it begins.
    pub(super) low: f64,
    /// Where it ends.
    pub(super) high: f64,
    /// The values that are written at it.
    pub(super) ticks: Vec<f64>,
    step: f64,
}

impl Scale {
    /// A scale that holds these bounds, with about `wanted` ticks at 1, 2 or 5 times a power of ten.
    pub(super) fn new(low: f64, high: f64, wanted: u32) -> Self {
        let (low, high) = if low < high { (low, high) } else { (low - low.abs().max(1.0) * 0.5, low + low.abs().max(1.0) * 0.5) };
        let rough = (high - low) / f64::from(wanted.max(1));
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0].into_iter().map(|factor| factor * power).find(|step| *step >= rough * 0.999).unwrap_or(10.0 * power);
        let (first, last) = ((low / step).floor(), (high / step).ceil());
        let mut ticks = Vec::new();
        let mut at = first;
        while at <= last && ticks.len() < 50 {
            ticks.push(at * step);
            at += 1.0;
        }
        Self { low: first * step, high: last * step, ticks, step }
    }

    /// Where a value lies: 0 at the beginning, 1 at the end.
    pub(super) fn place(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    /// How a tick is written.
    pub(super) fn label(&self, value: f64) -> String {
        let (factor, suffix) = unit_of(self.low.abs().max(self.high.abs()));
        let decimals = decimals_of(self.step / factor);
        let text = format!("{:.decimals$}", value / factor);
        if value == 0.0 { "0".to_owned() } else { format!("{text}{suffix}") }
    }
}

/// A number in few characters.
pub(super) fn short(value: f64) -> String {
    let (factor, suffix) = unit_of(value.abs());
    let scaled = value / factor;
    let text = if scaled.fract().abs() < 1e-9 && factor <= 1.0 {
        format!("{scaled:.0}")
    } else {
        format!("{scaled:.prec$}", prec = if scaled.abs() < 1.0 { 3 } else { 1 })
    };
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text };
    format!("{text}{suffix}")
}

fn unit_of(greatest: f64) -> (f64, &'static str) {
    match greatest {
        greatest if greatest >= 1e12 => (1e12, "T"),
        greatest if greatest >= 1e9 => (1e9, "G"),
        greatest if greatest >= 1e6 => (1e6, "M"),
        greatest if greatest >= 1e4 => (1e3, "k"),
        _ => (1.0, ""),
    }
}

fn decimals_of(step: f64) -> usize {
    (0..9)
        .find(|decimals| (step * 10_f64.powi(*decimals)).fract().min(1.0 - (step * 10_f64.powi(*decimals)).fract()) < 1e-6)
        .map_or(9, |decimals| usize::try_from(decimals).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(low: f64, high: f64) -> Vec<String> {
        let scale = Scale::new(low, high, 5);
        scale.ticks.iter().map(|tick| scale.label(*tick)).collect()
    }

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(labels(0.0, 97.0), ["0", "20", "40", "60", "80", "100"]);
        assert_eq!(labels(0.0, 3.0), ["0", "1", "2", "3"]);
        assert_eq!(labels(0.0, 0.0123), ["0", "0.005", "0.010", "0.015"]);
        assert_eq!(labels(0.0, 2_400_000.0), ["0", "0.5M", "1.0M", "1.5M", "2.0M", "2.5M"]);
        assert_eq!(labels(-30.0, 30.0), ["-40", "-20", "0", "20", "40"]);
        for (low, high) in [(5.0, 5.0), (0.0, 0.0), (-1e300, 1e300), (1e-12, 2e-12)] {
            let scale = Scale::new(low, high, 5);
            assert!((2..=12).contains(&scale.ticks.len()), "{low} {high}: {scale:?}");
            assert!(scale.low <= low && scale.high >= high);
        }
    }

    #[test]
    fn numbers_are_short() {
        let short: Vec<String> = [3.0, 0.25, 1234.0, 12_345.0, 2.5e6, -7.25e9].into_iter().map(short).collect();
        assert_eq!(short, ["3", "0.25", "1234", "12.3k", "2.5M", "-7.2G"]);
    }
}
