//! Functions that SQLite and libSQL have built in.

/// Compute from their arguments, the data and the settings, and leave nothing behind.
#[rustfmt::skip]
pub(super) const PURE: &[&str] = &[
    "abs", "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "avg", "bm25", "cast", "ceil", "ceiling", "char", "coalesce",
    "concat", "concat_ws", "cos", "cosh", "count", "cume_dist", "current_date", "current_time", "current_timestamp", "date", "datetime",
    "decimal", "degrees", "dense_rank", "exp", "first_value", "floor", "format", "fts5_source_id", "generate_series", "geopoly_area",
    "geopoly_blob", "geopoly_contains_point", "geopoly_json", "geopoly_overlap", "geopoly_within", "glob", "group_concat", "hex",
    "highlight", "ieee754", "if", "ifnull", "iif", "instr", "json", "json_array", "json_array_insert", "json_array_length", "json_each",
    "json_error_position", "json_extract", "json_group_array", "json_group_object", "json_insert", "json_object", "json_patch",
    "json_pretty", "json_quote", "json_remove", "json_replace", "json_set", "json_tree", "json_type", "json_valid", "jsonb", "jsonb_array",
    "jsonb_each", "jsonb_extract", "jsonb_group_array", "jsonb_group_object", "jsonb_insert", "jsonb_object", "jsonb_patch", "jsonb_remove",
    "jsonb_replace", "jsonb_set", "jsonb_tree", "julianday", "lag", "last_value", "lead", "length", "like", "likelihood", "likely", "ln",
    "log", "log10", "log2", "lower", "ltrim", "match", "matchinfo", "max", "median", "min", "mod", "nth_value", "ntile", "nullif",
    "numeric", "octet_length", "offsets", "percent_rank", "percentile", "percentile_cont", "percentile_disc", "pi", "pow", "power",
    "pragma_collation_list", "pragma_compile_options", "pragma_database_list", "pragma_foreign_key_check", "pragma_foreign_key_list",
    "pragma_function_list", "pragma_index_info", "pragma_index_list", "pragma_index_xinfo", "pragma_module_list", "pragma_pragma_list",
    "pragma_table_info", "pragma_table_list", "pragma_table_xinfo", "printf", "quote", "radians", "raise", "rank", "real", "regexp",
    "replace", "round", "row_number", "rtreecheck", "rtreedepth", "rtreenode", "rtrim", "sign", "sin", "sinh", "snippet", "soundex",
    "sqlite_compileoption_get", "sqlite_compileoption_used", "sqlite_offset", "sqlite_source_id", "sqlite_version", "sqrt", "strftime",
    "string_agg", "substr", "substring", "subtype", "sum", "tan", "tanh", "text", "time", "timediff", "total", "trim", "trunc", "typeof",
    "unhex", "unicode", "unistr", "unistr_quote", "unixepoch", "unlikely", "upper", "varchar", "vector", "vector16", "vector1bit",
    "vector32", "vector64", "vector8", "vector_distance_cos", "vector_distance_l2", "vector_extract", "vector_top_k", "zeroblob",
];

/// Harmless, but they change from call to call or look at the session.
#[rustfmt::skip]
pub(super) const OTHER: &[&str] = &[
    "changes", "last_insert_rowid", "pragma_integrity_check", "pragma_quick_check", "random", "randomblob", "total_changes",
];
