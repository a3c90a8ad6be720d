//! What chart shows rows best, and the chart beside them.

mod data;
mod draw;
mod scale;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::Serialize;
use tidegate_plugin::Content;
use tidegate_plugin::Media;
use tidegate_plugin::RowFormat;
use tidegate_plugin::Rows;
use tidegate_plugin::ToolError;

use crate::template::Template;

/// Rows that a chart is made of.
const ROWS: usize = 10_000;

/// The chart that a template prefers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Chart {
    /// What is drawn.
    #[serde(rename = "type")]
    pub(crate) kind: Kind,
    /// The column along the bottom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) x: Option<String>,
    /// The columns that are measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) y: Vec<String>,
    /// The column that tells series apart; of a heat map, its rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) series: Option<String>,
    /// What the numbers are counted in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) unit: Option<String>,
}

/// What is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// Lines over time or numbers.
    Line,
    /// Bars side by side.
    Bar,
    /// Bars on top of each other.
    Stacked,
    /// Points.
    Scatter,
    /// Rows in buckets.
    Histogram,
    /// Colours in a grid.
    Heatmap,
    /// The numbers, with a bar in each cell.
    Table,
}

/// The chart that a call wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Wanted {
    /// The one of the template, or the one that the columns suggest.
    Auto,
    /// Lines.
    Line,
    /// Bars side by side.
    Bar,
    /// Bars on top of each other.
    Stacked,
    /// Points.
    Scatter,
    /// Rows in buckets.
    Histogram,
    /// Colours in a grid.
    Heatmap,
    /// Numbers with bars.
    Table,
}

impl Wanted {
    const fn kind(self) -> Option<Kind> {
        match self {
            Self::Auto => None,
            Self::Line => Some(Kind::Line),
            Self::Bar => Some(Kind::Bar),
            Self::Stacked => Some(Kind::Stacked),
            Self::Scatter => Some(Kind::Scatter),
            Self::Histogram => Some(Kind::Histogram),
            Self::Heatmap => Some(Kind::Heatmap),
            Self::Table => Some(Kind::Table),
        }
    }
}

/// Rows with their chart. The numbers stay there as rows.
pub(crate) fn beside(rows: Rows, wanted: Wanted, template: &Template, format: RowFormat) -> Result<Vec<Content>, ToolError> {
    let columns = rows.columns();
    let truncated = rows.truncated();
    let mut values = Vec::new();
    loop {
        let more = rows.next(1000);
        if more.is_empty() {
            break;
        }
        values.extend(more);
    }
    let drawn = &values[..values.len().min(ROWS)];
    let mut content = Vec::new();
    match data::Data::new(&columns, drawn, template.chart.as_ref(), wanted.kind()) {
        Some(data) => {
            let png = draw::png(&data, &template.name).map_err(|error| ToolError::failed("INTERNAL", error))?;
            content.push(Content::Image(Media::new("image/png", png)));
        }
        None => content.push(Content::text("No chart: there is nothing in these rows that it could show.")),
    }
    if values.len() > ROWS || truncated {
        content.push(Content::text(format!("The chart shows the first {} rows; the database has more.", drawn.len())));
    }
    // What was read is not handed on, so it is made anew.
    let again = Rows::build(&columns, &values).ok_or_else(|| {
        ToolError::failed("TOO_LARGE", "the rows are too large for a chart").with_hint("leave out `chart`, or lower `limit`")
    })?;
    content.push(Content::rows(again, format, None));
    Ok(content)
}
