//! From rows to what a chart shows: which columns, which kind, and the numbers in them.

use std::collections::BTreeMap;

use tidegate_plugin::Column;
use tidegate_plugin::Value;

use super::Chart;
use super::Kind;
use super::scale::Scale;

/// Series that one chart can tell apart; what is beyond them is left out, and the legend says so.
pub(super) const SERIES: usize = 8;

/// What a chart shows.
#[derive(Debug)]
pub(super) struct Data {
    /// How.
    pub(super) kind: Kind,
    /// The name of what is along the bottom.
    pub(super) x_name: String,
    /// The name of what is measured, with its unit.
    pub(super) y_name: String,
    /// The places along the bottom, in words.
    pub(super) labels: Vec<String>,
    /// Where they are, when they are numbers.
    pub(super) xs: Option<Vec<f64>>,
    /// Name and numbers of each series, as many as there are places.
    pub(super) series: Vec<(String, Vec<Option<f64>>)>,
    /// How many series were left out.
    pub(super) left_out: usize,
}

impl Data {
    /// What these rows show; none when there is no number in them.
    pub(super) fn new(columns: &[Column], rows: &[Vec<Value>], preferred: Option<&Chart>, wanted: Option<Kind>) -> Option<Self> {
        if rows.is_empty() {
            return None;
        }
        let find = |name: &String| columns.iter().position(|column| column.name.eq_ignore_ascii_case(name));
        let is_number: Vec<bool> = (0..columns.len()).map(|column| is_number_column(rows, column)).collect();
        let preferred_kind = preferred.map(|chart| chart.kind);
        let x = preferred.and_then(|chart| chart.x.as_ref()).and_then(find);
        let series = preferred.and_then(|chart| chart.series.as_ref()).and_then(find);
        let mut ys: Vec<usize> =
            preferred.map(|chart| chart.y.iter().filter_map(find).filter(|y| is_number[*y]).collect()).unwrap_or_default();
        let first_other = (0..columns.len()).find(|column| !is_number[*column]);
        let x = x.or(first_other).or_else(|| (columns.len() > 1).then_some(0));
        if ys.is_empty() {
            ys = (0..columns.len()).filter(|column| is_number[*column] && Some(*column) != x && Some(*column) != series).collect();
        }
        if ys.is_empty() && x.is_some_and(|x| is_number[x]) {
            ys = x.into_iter().collect();
        }
        if ys.is_empty() {
            return None;
        }
        let kind = wanted
            .or(preferred_kind)
            .unwrap_or_else(|| suggest(rows, x, is_number.get(x.unwrap_or(0)).copied().unwrap_or(false), ys.len()));
        let unit = preferred.and_then(|chart| chart.unit.as_deref()).unwrap_or("");
        let name = |column: usize| columns[column].name.clone();
        let measured = if ys.len() == 1 { name(ys[0]) } else { String::new() };
        let y_name = match (measured.as_str(), unit) {
            ("", unit) => unit.to_owned(),
            (_, "") => measured,
            (measured, unit) => format!("{measured} ({unit})"),
        };
        let mut data =
            Self { kind, x_name: x.map(name).unwrap_or_default(), y_name, labels: Vec::new(), xs: None, series: Vec::new(), left_out: 0 };
        match kind {
            Kind::Histogram => data.fill_buckets(rows, ys[0], &columns[ys[0]].name),
            _ if series.is_some() => data.fill_by_series(rows, x, ys[0], series?, kind),
            _ => data.fill(columns, rows, x, &ys),
        }
        if matches!(kind, Kind::Line | Kind::Scatter) {
            data.find_xs(rows, x, series);
        }
        data.cut();
        Some(data)
    }

    /// A series for each measured column.
    fn fill(&mut self, columns: &[Column], rows: &[Vec<Value>], x: Option<usize>, ys: &[usize]) {
        self.labels = rows.iter().enumerate().map(|(index, row)| x.map_or_else(|| (index + 1).to_string(), |x| label(&row[x]))).collect();
        self.series = ys.iter().map(|y| (columns[*y].name.clone(), rows.iter().map(|row| number(&row[*y])).collect())).collect();
    }

    /// A series for each value of a column.
    fn fill_by_series(&mut self, rows: &[Vec<Value>], x: Option<usize>, y: usize, series: usize, kind: Kind) {
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        let mut numbered: BTreeMap<String, usize> = BTreeMap::new();
        let mut keys: Vec<(Option<f64>, String)> =
            rows.iter().map(|row| x.map_or((None, String::new()), |x| (number(&row[x]), label(&row[x])))).collect();
        if kind == Kind::Heatmap && keys.iter().all(|(number, _)| number.is_some()) {
            keys.sort_by(|one, other| one.0.partial_cmp(&other.0).unwrap_or(std::cmp::Ordering::Equal));
        }
        for (_, key) in keys {
            let next = places.len();
            if let std::collections::btree_map::Entry::Vacant(entry) = places.entry(key.clone()) {
                entry.insert(next);
                self.labels.push(key);
            }
        }
        for row in rows {
            let next = numbered.len();
            let name = label(&row[series]);
            let index = *numbered.entry(name.clone()).or_insert(next);
            if index == self.series.len() {
                self.series.push((name, vec![None; self.labels.len()]));
            }
            let place = x.and_then(|x| places.get(&label(&row[x])).copied()).unwrap_or(0);
            self.series[index].1[place] = number(&row[y]);
        }
    }

    /// Counts numbers in buckets of equal width.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a bucket is one of few")]
    fn fill_buckets(&mut self, rows: &[Vec<Value>], column: usize, name: &str) {
        let numbers: Vec<f64> = rows.iter().filter_map(|row| number(&row[column])).collect();
        let (low, high) = bounds(numbers.iter().copied());
        let wanted = ((numbers.len() as f64).sqrt().ceil() as u32).clamp(3, 25);
        // Buckets begin where an axis has its ticks.
        let scale = Scale::new(low, high, wanted);
        let buckets = scale.ticks.len().saturating_sub(1).max(1);
        let mut counts = vec![0.0; buckets];
        for number in numbers {
            counts[((scale.place(number) * buckets as f64) as usize).min(buckets - 1)] += 1.0;
        }
        self.labels = scale.ticks.iter().take(buckets).map(|tick| scale.label(*tick)).collect();
        self.series = vec![("rows".to_owned(), counts.into_iter().map(Some).collect())];
        self.x_name = name.to_owned();
        self.y_name = "rows".to_owned();
    }

    /// Where places are, when all of them are numbers or moments.
    fn find_xs(&mut self, rows: &[Vec<Value>], x: Option<usize>, series: Option<usize>) {
        let Some(x) = x.filter(|_| series.is_none()) else { return };
        self.xs = rows.iter().map(|row| number(&row[x])).collect();
    }

    /// Leaves out series that could not be told apart. Rows of a heat map and columns of a table are told apart by their place.
    fn cut(&mut self) {
        let most = match self.kind {
            Kind::Heatmap | Kind::Table => 40,
            _ => SERIES,
        };
        self.left_out = self.series.len().saturating_sub(most);
        self.series.truncate(most);
    }
}

/// The least and the greatest; 0 and 0 when there is none.
pub(super) fn bounds(numbers: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), number| (low.min(number), high.max(number)));
    if low <= high { (low, high) } else { (0.0, 0.0) }
}

/// The chart that types suggest.
fn suggest(rows: &[Vec<Value>], x: Option<usize>, x_is_number: bool, measured: usize) -> Kind {
    let Some(x) = x else { return Kind::Histogram };
    if measured == 0 {
        return Kind::Histogram;
    }
    if rows.iter().all(|row| is_moment(&row[x])) {
        return Kind::Line;
    }
    if x_is_number {
        return Kind::Scatter;
    }
    if rows.len() > 40 { Kind::Table } else { Kind::Bar }
}

fn is_moment(value: &Value) -> bool {
    let Value::Text(text) = value else { return false };
    let bytes = text.as_bytes();
    bytes.len() >= 7 && bytes[..4].iter().all(u8::is_ascii_digit) && bytes[4] == b'-' && bytes[5..7].iter().all(u8::is_ascii_digit)
}

fn is_number_column(rows: &[Vec<Value>], column: usize) -> bool {
    let mut some = false;
    for value in rows.iter().filter_map(|row| row.get(column)) {
        match (value, number(value)) {
            (Value::Null, _) => {}
            (_, Some(_)) => some = true,
            (_, None) => return false,
        }
    }
    some
}

#[expect(clippy::cast_precision_loss, reason = "a chart has fewer pixels than a double has digits")]
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(integer) => Some(*integer as f64),
        Value::Real(real) => real.is_finite().then_some(*real),
        Value::Decimal(text) => text.parse().ok().filter(|number: &f64| number.is_finite()),
        _ => None,
    }
}

fn label(value: &Value) -> String {
    match value {
        Value::Null => "(null)".to_owned(),
        Value::Text(text) => text.split_whitespace().collect::<Vec<_>>().join(" "),
        other => match other.to_json() {
            serde_json::Value::String(text) => text,
            json => json.to_string(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(columns: &[&str], rows: &[Vec<Value>], preferred: Option<&Chart>, wanted: Option<Kind>) -> Option<Data> {
        let column = |name: &&str| Column { name: (*name).to_owned(), type_name: String::new(), kind: tidegate_plugin::Kind::Any };
        Data::new(&columns.iter().map(column).collect::<Vec<_>>(), rows, preferred, wanted)
    }

    fn chosen(columns: &[&str], rows: &[Vec<Value>]) -> Option<Kind> {
        data(columns, rows, None, None).map(|data| data.kind)
    }

    #[test]
    fn types_suggest_the_chart() {
        assert_eq!(chosen(&["day", "n"], &[vec!["2026-01-01".into(), 1.into()], vec!["2026-01-02".into(), 2.into()]]), Some(Kind::Line));
        assert_eq!(chosen(&["name", "n"], &[vec!["a".into(), 1.into()]]), Some(Kind::Bar));
        assert_eq!(chosen(&["a", "b"], &[vec![0.5.into(), 1.into()], vec![2.into(), 3.into()]]), Some(Kind::Scatter));
        assert_eq!(chosen(&["n"], &[vec![1.into()], vec![2.into()]]), Some(Kind::Histogram));
        let many: Vec<Vec<Value>> = (0..41_i64).map(|n| vec![format!("name {n}").into(), n.into()]).collect();
        assert_eq!(chosen(&["name", "n"], &many), Some(Kind::Table));
        assert_eq!(chosen(&["name"], &[vec!["a".into()]]), None);
        assert_eq!(chosen(&["name", "n"], &[vec!["a".into(), Value::Null]]), None);
        assert_eq!(chosen(&["name", "n"], &[]), None);
        // A decimal is a number, however the engine writes it.
        assert_eq!(chosen(&["name", "n"], &[vec!["a".into(), Value::Decimal("12.50".into())]]), Some(Kind::Bar));
    }

    #[test]
    fn a_heat_map_has_its_columns_in_order_and_gaps_where_nothing_is() {
        let chart = Chart {
            kind: Kind::Heatmap,
            x: Some("hour".into()),
            y: vec!["n".into()],
            series: Some("day".into()),
            unit: Some("rows".into()),
        };
        let rows = [vec![0.into(), 9.into(), 1.into()], vec![0.into(), 10.into(), 2.into()], vec![1.into(), 2.into(), 3.into()]];
        let data = data(&["day", "hour", "n"], &rows, Some(&chart), None).expect("there are numbers");
        assert_eq!(data.labels, ["2", "9", "10"]);
        assert_eq!(data.series[0], ("0".into(), vec![None, Some(1.0), Some(2.0)]));
        assert_eq!(data.series[1], ("1".into(), vec![Some(3.0), None, None]));
        assert_eq!(data.y_name, "n (rows)");
    }

    #[test]
    fn a_histogram_counts_every_row_in_round_buckets() {
        let rows: Vec<Vec<Value>> = (0..100_i64).map(|n| vec![n.into()]).collect();
        let data = data(&["n"], &rows, None, None).expect("there are numbers");
        assert_eq!(data.labels, ["0", "10", "20", "30", "40", "50", "60", "70", "80", "90"]);
        assert!(data.series[0].1.iter().all(|count| *count == Some(10.0)), "{:?}", data.series);
    }

    #[test]
    fn series_that_cannot_be_told_apart_are_left_out_and_counted() {
        let rows = [(0..12_i64).map(Value::from).collect::<Vec<_>>()];
        let columns = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
        let data = data(&columns, &rows, None, Some(Kind::Bar)).expect("there are numbers");
        assert_eq!((data.series.len(), data.left_out), (SERIES, 3));
    }
}
