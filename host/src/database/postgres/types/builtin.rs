//! The types that every database has under the same number, and those of well-known extensions by name.
//!
//! Numbers: <https://github.com/postgres/postgres/blob/master/src/include/catalog/pg_type.dat>

use std::collections::HashMap;
use std::sync::Arc;

use super::Codec;
use super::Type;

/// Number, number of the array of it (0: none), name, codec.
const SCALARS: &[(u32, u32, &str, Codec)] = &[
    (16, 1000, "bool", Codec::Bool),
    (17, 1001, "bytea", Codec::Bytea),
    (18, 1002, "char", Codec::Char),
    (19, 1003, "name", Codec::Text),
    (20, 1016, "int8", Codec::Int8),
    (21, 1005, "int2", Codec::Int2),
    (23, 1007, "int4", Codec::Int4),
    (24, 1008, "regproc", Codec::Registered),
    (25, 1009, "text", Codec::Text),
    (26, 1028, "oid", Codec::Unsigned32),
    (27, 1010, "tid", Codec::Tid),
    (28, 1011, "xid", Codec::Unsigned32),
    (29, 1012, "cid", Codec::Unsigned32),
    (114, 199, "json", Codec::Json),
    (142, 143, "xml", Codec::Text),
    (194, 0, "pg_node_tree", Codec::Text),
    (600, 1017, "point", Codec::Point),
    (601, 1018, "lseg", Codec::Segment),
    (602, 1019, "path", Codec::Path),
    (603, 1020, "box", Codec::Box),
    (604, 1027, "polygon", Codec::Polygon),
    (628, 629, "line", Codec::Line),
    (650, 651, "cidr", Codec::Network),
    (700, 1021, "float4", Codec::Float4),
    (701, 1022, "float8", Codec::Float8),
    (705, 0, "unknown", Codec::Text),
    (718, 719, "circle", Codec::Circle),
    (774, 775, "macaddr8", Codec::MacAddress),
    (790, 791, "money", Codec::Money),
    (829, 1040, "macaddr", Codec::MacAddress),
    (869, 1041, "inet", Codec::Network),
    (1033, 1034, "aclitem", Codec::Opaque),
    (1042, 1014, "bpchar", Codec::Text),
    (1043, 1015, "varchar", Codec::Text),
    (1082, 1182, "date", Codec::Date),
    (1083, 1183, "time", Codec::Time),
    (1114, 1115, "timestamp", Codec::Timestamp),
    (1184, 1185, "timestamptz", Codec::TimestampTz),
    (1186, 1187, "interval", Codec::Interval),
    (1266, 1270, "timetz", Codec::TimeTz),
    (1560, 1561, "bit", Codec::Bit),
    (1562, 1563, "varbit", Codec::Bit),
    (1700, 1231, "numeric", Codec::Numeric),
    (1790, 2201, "refcursor", Codec::Text),
    (2202, 2207, "regprocedure", Codec::Registered),
    (2203, 2208, "regoper", Codec::Registered),
    (2204, 2209, "regoperator", Codec::Registered),
    (2205, 2210, "regclass", Codec::Registered),
    (2206, 2211, "regtype", Codec::Registered),
    (2249, 2287, "record", Codec::Record),
    (2275, 1263, "cstring", Codec::Text),
    (2277, 0, "anyarray", Codec::AnyArray),
    (2278, 0, "void", Codec::Void),
    (2950, 2951, "uuid", Codec::Uuid),
    (2970, 2949, "txid_snapshot", Codec::Snapshot),
    (3220, 3221, "pg_lsn", Codec::Lsn),
    (3614, 3643, "tsvector", Codec::TsVector),
    (3615, 3645, "tsquery", Codec::TsQuery),
    (3642, 3644, "gtsvector", Codec::Opaque),
    (3734, 3735, "regconfig", Codec::Registered),
    (3769, 3770, "regdictionary", Codec::Registered),
    (3802, 3807, "jsonb", Codec::Jsonb),
    (4072, 4073, "jsonpath", Codec::Versioned),
    (4089, 4090, "regnamespace", Codec::Registered),
    (4096, 4097, "regrole", Codec::Registered),
    (4191, 4192, "regcollation", Codec::Registered),
    (5038, 5039, "pg_snapshot", Codec::Snapshot),
    (5069, 271, "xid8", Codec::Unsigned64),
    // Arrays in all but name.
    (22, 1006, "int2vector", Codec::AnyArray),
    (30, 1013, "oidvector", Codec::AnyArray),
];

/// Range, array of it, multirange, array of that, type of its bounds, name of the range, name of the multirange.
const RANGES: &[(u32, u32, u32, u32, u32, &str, &str)] = &[
    (3904, 3905, 4451, 6150, 23, "int4range", "int4multirange"),
    (3906, 3907, 4532, 6151, 1700, "numrange", "nummultirange"),
    (3908, 3909, 4533, 6152, 1114, "tsrange", "tsmultirange"),
    (3910, 3911, 4534, 6153, 1184, "tstzrange", "tstzmultirange"),
    (3912, 3913, 4535, 6155, 1082, "daterange", "datemultirange"),
    (3926, 3927, 4536, 6157, 20, "int8range", "int8multirange"),
];

/// Every type of the system, by number.
pub(super) fn types() -> HashMap<u32, Arc<Type>> {
    let mut types = HashMap::new();
    let mut add = |oid: u32, array: u32, name: &str, codec: Codec| {
        let scalar = Type::named(name, codec);
        if array != 0 {
            types.insert(array, Type::named(&format!("{name}[]"), Codec::Array(scalar.clone())));
        }
        types.insert(oid, scalar);
    };
    for (oid, array, name, codec) in SCALARS {
        add(*oid, *array, name, codec.clone());
    }
    for (range, ranges, multirange, multiranges, bound, range_name, multirange_name) in RANGES {
        let codec = SCALARS.iter().find(|scalar| scalar.0 == *bound).map_or(Codec::Opaque, |scalar| scalar.3.clone());
        let bound = Type::named(range_name.trim_end_matches("range"), codec);
        add(*range, *ranges, range_name, Codec::Range(bound.clone()));
        add(*multirange, *multiranges, multirange_name, Codec::Multirange(bound));
    }
    types
}

/// How values of an extension's base type of this name are read.
pub(super) fn extension(name: &str) -> Codec {
    match name {
        "citext" => Codec::Text,
        "ltree" | "lquery" | "ltxtquery" => Codec::Versioned,
        "hstore" => Codec::Hstore,
        "vector" => Codec::Vector,
        _ => Codec::Opaque,
    }
}
