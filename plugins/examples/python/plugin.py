"""Describes the numbers in a column, and tells what a function of another SQL dialect is called in this one."""

import json
import re
import statistics
from decimal import Decimal

import wit_world
from componentize_py_types import Err
from wit_world.exports import query_hooks
from wit_world.exports import tools
from wit_world.imports import content
from wit_world.imports import database_read
from wit_world.imports import types

# Names that need no quotes in any engine, with their schema or without.
NAME = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?$"

ARGUMENTS = {
    "type": "object",
    "properties": {
        "database": {"type": "string", "description": "The database; may be left out when there is one."},
        "table": {"type": "string", "pattern": NAME, "description": "The table."},
        "column": {"type": "string", "pattern": NAME, "description": "A column of numbers."},
        "where": {"type": "string", "description": "A condition in SQL, without the word."},
    },
    "required": ["table", "column"],
    "additionalProperties": False,
}

# Rows that are asked for at once; the host says when it cut them.
PAGE = 1_000


def numbers(rows):
    """The numbers of a column, without nulls."""
    found = []
    while page := rows.next(PAGE):
        for (value,) in page:
            match value:
                case types.Value_Null():
                    continue
                case types.Value_Integer(number) | types.Value_Real(number):
                    found.append(float(number))
                case types.Value_Decimal(text) if Decimal(text).is_finite():
                    found.append(float(Decimal(text)))
                case _:
                    raise Err(tools.Error_InvalidArguments("`column` holds something that is not a number"))
    return found


def described(values, truncated):
    """What the figures of these values are, each rounded to what a reader takes in."""
    figures = {"count": len(values), "complete": not truncated}
    if values:
        ordered = sorted(values)
        figures |= {"min": ordered[0], "max": ordered[-1], "mean": statistics.fmean(values), "median": statistics.median(values)}
    if len(values) > 1:
        low, _, high = statistics.quantiles(values, n=4, method="inclusive")
        spread = 1.5 * (high - low)
        figures |= {"quartiles": [low, high], "deviation": statistics.stdev(values)}
        figures["outliers"] = [value for value in ordered if value < low - spread or value > high + spread][:20]
    rounded = lambda value: round(value, 6) if isinstance(value, float) else value
    return {name: [rounded(one) for one in value] if isinstance(value, list) else rounded(value) for name, value in figures.items()}


class Tools:
    def list_tools(self):
        return [
            tools.Definition(
                name="describe_numbers",
                title="Describe numbers",
                description="Describes the numbers in a column: how many, least, greatest, mean, median, quartiles, deviation and outliers.",
                input_schema=json.dumps(ARGUMENTS),
                output_schema=None,
                annotations=tools.Annotations(read_only=True, destructive=False, idempotent=True, open_world=False),
                needs=tools.Needs.READ,
                meta=None,
            )
        ]

    def call_tool(self, call):
        arguments = json.loads(call.arguments)
        sql = f"select {arguments['column']} from {arguments['table']}"
        if "where" in arguments:
            sql += f" where {arguments['where']}"
        try:
            rows = database_read.query(arguments.get("database", ""), sql, [], database_read.Options(None, None, False))
        except Err as failure:
            # A failure of the database goes on unchanged: the host gives it its code and hint.
            raise Err(tools.Error_Database(failure.value)) from failure
        with rows:
            figures = described(numbers(rows), rows.truncated())
        return tools.Outcome_Complete([content.Content_Json(json.dumps(figures))])


# What is written in one dialect, how it is said in each engine, and what to look for in the statement.
DIALECTS = [
    (r"\bgetdate\s*\(|\bsysdate\b|\bnow\s*\(", {"sqlite": "datetime('now')", "postgres": "now()", "mysql": "now()"}),
    (r"\bselect\s+top\s+\d+", {"sqlite": "`limit` at the end", "postgres": "`limit` at the end", "mysql": "`limit` at the end"}),
    (r"\bifnull\s*\(|\bnvl\s*\(|\bisnull\s*\(", {"sqlite": "coalesce(a, b)", "postgres": "coalesce(a, b)", "mysql": "coalesce(a, b)"}),
    (r"\bdate_format\s*\(|\bto_char\s*\(", {"sqlite": "strftime(format, date)", "postgres": "to_char(date, format)", "mysql": "date_format(date, format)"}),
    (r"\bgroup_concat\s*\(|\bstring_agg\s*\(|\blistagg\s*\(", {"sqlite": "group_concat(a, ',')", "postgres": "string_agg(a, ',')", "mysql": "group_concat(a)"}),
    (r"\bilike\b", {"sqlite": "`like`, which ignores case", "postgres": "ilike", "mysql": "`like`, which ignores case"}),
    (r"\byear\s*\(|\bextract\s*\(\s*year\b", {"sqlite": "strftime('%Y', date)", "postgres": "extract(year from date)", "mysql": "year(date)"}),
]


def without_literals(sql):
    """The statement without what stands in quotes, where words mean nothing."""
    return re.sub(r"'(?:[^']|'')*'", "''", sql)


class QueryHooks:
    def on_error(self, asked, statement, error):
        sql = without_literals(statement.sql)
        suggestions = []
        for pattern, names in DIALECTS:
            found = re.search(pattern, sql, re.IGNORECASE)
            here = names.get(statement.engine)
            if not found or here is None:
                continue
            written = found[0].rstrip("( ")
            if written.lower() not in here:
                suggestions.append(f"in {statement.engine}, `{written}` is {here}")
        return query_hooks.Advice(suggestions, False)

    # The interface has them; the manifest declares no hook on these events, so nobody asks.
    def before_query(self, asked, statement):
        return query_hooks.BeforeVerdict_Pass()

    def after_query(self, asked, statement, outcome):
        return query_hooks.AfterVerdict_Pass()

    def on_connect(self, connection):
        return query_hooks.ConnectVerdict_Setup([])
