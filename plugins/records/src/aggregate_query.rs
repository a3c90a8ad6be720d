//! `aggregate_query`: counts, sums and the like, by group and by time.

use schemars::JsonSchema;
use serde::Deserialize;
use tidegate_plugin::Annotations;
use tidegate_plugin::Needs;
use tidegate_plugin::Round;
use tidegate_plugin::RowFormat;
use tidegate_plugin::Tool;
use tidegate_plugin::ToolError;
use tidegate_plugin::ToolResult;
use tidegate_plugin::catalog::Engine;
use tidegate_plugin::place::Place;

use crate::family::Family;
use crate::filter;
use crate::json::Fields;
use crate::page;
use crate::sql::Sql;
use crate::table::Columns;
use crate::table::Named;
use crate::table::Source;

/// Groups and measures of one call.
const COLUMNS: usize = 32;

/// What is computed over the rows of a group.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Function {
    Count,
    CountDistinct,
    Sum,
    Avg,
    Min,
    Max,
}

/// A part of time that moments are put together by.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Bucket {
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

/// What rows are put together by.
#[derive(Deserialize, JsonSchema)]
struct Group {
    column: String,
    /// For dates: named by its first day.
    bucket: Option<Bucket>,
}

/// What is computed.
#[derive(Deserialize, JsonSchema)]
struct Measure {
    function: Function,
    /// Not needed to count rows.
    column: Option<String>,
    /// Its name; default: function_column.
    name: Option<String>,
}

/// Arguments of `aggregate_query`.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct AggregateQuery {
    table: String,
    measures: Vec<Measure>,
    group_by: Option<Vec<Group>>,
    filter: Option<Fields>,
    /// A filter on names of measures.
    having: Option<Fields>,
    /// Names of groups and measures; "-" turns one round.
    order_by: Option<Vec<String>>,
    limit: Option<u32>,
    schema: Option<String>,
    #[serde(default)]
    database: String,
    format: Option<RowFormat>,
    transaction: Option<String>,
}

impl Tool for AggregateQuery {
    const NAME: &'static str = "aggregate_query";
    const TITLE: Option<&'static str> = Some("Aggregate rows");
    const DESCRIPTION: &'static str =
        "Counts, sums, averages over rows of a table, by group and by time bucket. Filters as in filtered_search.";
    const ANNOTATIONS: Annotations = Annotations::READ_ONLY;
    const NEEDS: Needs = Needs::Read;

    fn call(self, _: &Round) -> ToolResult {
        let place = Place::find(self.database, self.transaction.as_deref())?;
        let source = Source::find(&place, self.schema.as_deref(), &self.table)?;
        let groups = self.group_by.unwrap_or_default();
        if self.measures.is_empty() || self.measures.len() + groups.len() > COLUMNS {
            return Err(ToolError::InvalidArguments(format!(
                "`measures` and `group_by` are to have 1 to {COLUMNS} entries, one measure at least"
            )));
        }
        let groups: Vec<Output> = groups.iter().map(|group| grouped(&source, group)).collect::<Result<_, _>>()?;
        let measures: Vec<Output> = self.measures.iter().map(|measure| measured(&source, measure)).collect::<Result<_, _>>()?;
        let outputs = Outputs { engine: source.engine, all: groups.iter().chain(&measures).cloned().collect() };
        outputs.check_names()?;

        let mut sql = Sql::new(source.engine, "select ");
        sql.list(&outputs.all, ", ", |sql, output| {
            sql.push(&output.column.written).push(" as ").name(&output.name);
        });
        sql.push(" from ");
        source.write_name(&mut sql);
        if let Some(filter) = self.filter.filter(|filter| !filter.0.is_empty()) {
            sql.push(" where ");
            filter::write(&mut sql, &source, &filter)?;
        }
        if !groups.is_empty() {
            sql.push(" group by ");
            sql.list(&groups, ", ", |sql, group| {
                sql.push(&group.column.written);
            });
        }
        if let Some(having) = self.having.filter(|having| !having.0.is_empty()) {
            sql.push(" having ");
            filter::write(&mut sql, &Outputs { all: measures.clone(), ..outputs }, &having)?;
        }
        let order: Vec<(String, bool)> = match self.order_by.unwrap_or_default() {
            names if names.is_empty() => groups.iter().map(|group| (group.column.written.clone(), false)).collect(),
            names => names.iter().map(|name| ordered(&groups, &measures, name)).collect::<Result<_, _>>()?,
        };
        page::write_order_by(&mut sql, &order);
        page::first(&place, &mut sql, page::size(self.limit), self.format.unwrap_or_default())
    }
}

/// A column of the answer.
#[derive(Clone)]
struct Output {
    name: String,
    column: Named,
}

/// Columns of the answer, to be filtered by.
struct Outputs {
    engine: Engine,
    all: Vec<Output>,
}

impl Outputs {
    fn check_names(&self) -> Result<(), ToolError> {
        for (index, output) in self.all.iter().enumerate() {
            if output.name.is_empty() || output.name.len() > 63 || output.name.starts_with('-') {
                return Err(ToolError::InvalidArguments(format!("`{}` is no name: 1 to 63 characters, no - first", output.name)));
            }
            if self.all[..index].iter().any(|other| other.name == output.name) {
                return Err(ToolError::InvalidArguments(format!(
                    "two columns of the answer are called `{}`; give one a `name`",
                    output.name
                )));
            }
        }
        Ok(())
    }
}

impl Columns for Outputs {
    fn engine(&self) -> Engine {
        self.engine
    }

    fn find(&self, name: &str) -> Result<Named, ToolError> {
        self.all.iter().find(|output| output.name == name).map(|output| output.column.clone()).ok_or_else(|| unknown(&self.all, name))
    }
}

fn unknown(outputs: &[Output], name: &str) -> ToolError {
    let names: Vec<&str> = outputs.iter().map(|output| output.name.as_str()).collect();
    ToolError::failed("UNKNOWN_COLUMN", format!("the answer has no column `{name}`")).with_hint(format!("there are {}", names.join(", ")))
}

fn ordered(groups: &[Output], measures: &[Output], name: &str) -> Result<(String, bool), ToolError> {
    let (bare, descending) = name.strip_prefix('-').map_or((name, false), |bare| (bare, true));
    let all: Vec<Output> = groups.iter().chain(measures).cloned().collect();
    let found = all.iter().find(|output| output.name == bare).ok_or_else(|| unknown(&all, bare))?;
    Ok((found.column.written.clone(), descending))
}

fn grouped(source: &Source, group: &Group) -> Result<Output, ToolError> {
    let column = source.find(&group.column)?;
    let name = source.column(&group.column)?.name.clone();
    let Some(bucket) = group.bucket else { return Ok(Output { name, column }) };
    if !column.family.is_time(source.engine) {
        return Err(ToolError::InvalidArguments(format!("`bucket` is for dates, and `{name}` is `{}`", column.type_name)));
    }
    let written = bucketed(source.engine, &column.written, bucket);
    Ok(Output { name, column: Named { written, family: Family::Text(None), nullable: true, ..column } })
}

/// The first day of the bucket, or its hour, as text: the same on every engine. Weeks begin on Monday.
fn bucketed(engine: Engine, column: &str, bucket: Bucket) -> String {
    match engine {
        Engine::Postgres => {
            let (unit, form) = match bucket {
                Bucket::Hour => ("hour", "YYYY-MM-DD HH24:00"),
                Bucket::Day => ("day", "YYYY-MM-DD"),
                Bucket::Week => ("week", "YYYY-MM-DD"),
                Bucket::Month => ("month", "YYYY-MM-DD"),
                Bucket::Quarter => ("quarter", "YYYY-MM-DD"),
                Bucket::Year => ("year", "YYYY-MM-DD"),
            };
            format!("to_char(date_trunc('{unit}', {column}), '{form}')")
        }
        Engine::Mysql => match bucket {
            Bucket::Hour => format!("date_format({column}, '%Y-%m-%d %H:00')"),
            Bucket::Day => format!("date_format({column}, '%Y-%m-%d')"),
            Bucket::Week => format!("date_format(date_sub({column}, interval weekday({column}) day), '%Y-%m-%d')"),
            Bucket::Month => format!("date_format({column}, '%Y-%m-01')"),
            Bucket::Quarter => format!("concat(year({column}), '-', lpad(quarter({column}) * 3 - 2, 2, '0'), '-01')"),
            Bucket::Year => format!("date_format({column}, '%Y-01-01')"),
        },
        Engine::Sqlite => match bucket {
            Bucket::Hour => format!("strftime('%Y-%m-%d %H:00', {column})"),
            Bucket::Day => format!("strftime('%Y-%m-%d', {column})"),
            Bucket::Week => format!("date({column}, 'weekday 0', '-6 days')"),
            Bucket::Month => format!("strftime('%Y-%m-01', {column})"),
            Bucket::Quarter => {
                format!("strftime('%Y-', {column}) || printf('%02d-01', (cast(strftime('%m', {column}) as integer) - 1) / 3 * 3 + 1)")
            }
            Bucket::Year => format!("strftime('%Y-01-01', {column})"),
        },
    }
}

fn measured(source: &Source, measure: &Measure) -> Result<Output, ToolError> {
    let (word, needs_number) = match measure.function {
        Function::Count => ("count", false),
        Function::CountDistinct => ("count_distinct", false),
        Function::Sum => ("sum", true),
        Function::Avg => ("avg", true),
        Function::Min => ("min", false),
        Function::Max => ("max", false),
    };
    let count = Family::Integer(0, i64::MAX.into());
    let Some(column) = &measure.column else {
        if !matches!(measure.function, Function::Count) {
            return Err(ToolError::InvalidArguments(format!("`{word}` needs a `column`")));
        }
        let column = Named { written: "count(*)".into(), family: count, nullable: false, type_name: "bigint".into(), is_virtual: false };
        return Ok(Output { name: measure.name.clone().unwrap_or_else(|| "count".into()), column });
    };
    let found = source.find(column)?;
    if needs_number && !found.family.is_number() {
        return Err(ToolError::InvalidArguments(format!("`{word}` is for numbers, and `{column}` is `{}`", found.type_name)));
    }
    let (written, family) = match measure.function {
        Function::Count => (format!("count({})", found.written), count),
        Function::CountDistinct => (format!("count(distinct {})", found.written), count),
        Function::Sum | Function::Avg => (format!("{word}({})", found.written), Family::Real),
        Function::Min | Function::Max => (format!("{word}({})", found.written), found.family.clone()),
    };
    let name = measure.name.clone().unwrap_or_else(|| format!("{word}_{column}"));
    Ok(Output { name, column: Named { written, family, nullable: true, ..found } })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tidegate_plugin::test::ResultRows;

    use super::*;
    use crate::sample;

    #[test]
    fn groups_measures_and_conditions_on_them_are_one_statement() {
        let sql = r#"select "city" as "city", count(*) as "count", avg("age") as "mean" from "public"."people" where ("age" > $1) group by "city" having (avg("age") >= $2) order by (avg("age") is null), avg("age") desc limit 11"#;
        let host = sample::host(Engine::Postgres).answers(sql, ResultRows::new(&["city", "count", "mean"], vec![]));
        let arguments = json!({
            "table": "people", "group_by": [{ "column": "city" }], "filter": { "age": { "gt": 1 } }, "limit": 10,
            "measures": [{ "function": "count" }, { "function": "avg", "column": "age", "name": "mean" }],
            "having": { "mean": { "gte": 18.5 } }, "order_by": ["-mean"],
        });
        assert!(host.call::<AggregateQuery>(arguments).is_ok());
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        let host = sample::host(Engine::Postgres);
        for (arguments, expected) in [
            (json!({ "table": "people", "measures": [] }), "one measure at least"),
            (json!({ "table": "people", "measures": [{ "function": "sum", "column": "name" }] }), "is for numbers"),
            (json!({ "table": "people", "measures": [{ "function": "max" }] }), "needs a `column`"),
            (json!({ "table": "people", "measures": [{ "function": "count" }, { "function": "count" }] }), "are called `count`"),
            (
                json!({ "table": "people", "measures": [{ "function": "count" }], "group_by": [{ "column": "age", "bucket": "day" }] }),
                "is for dates",
            ),
            (json!({ "table": "people", "measures": [{ "function": "count" }], "order_by": ["nope"] }), "no column `nope`"),
        ] {
            let error = format!("{:?}", host.call::<AggregateQuery>(arguments).expect_err(expected));
            assert!(error.contains(expected), "{error}");
        }
    }
}
