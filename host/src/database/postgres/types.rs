//! The types of values: how each is named, shown and decoded.
//!
//! Decoding is from the binary form of the wire protocol, which keeps every digit and does not depend on settings.

mod builtin;
mod container;
mod decode;
mod geometric;
mod network;
mod numeric;
mod search;
mod temporal;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering;

use sqlx::Row;
use sqlx::postgres::PgConnection;
use sqlx::postgres::types::Oid;

pub(super) use decode::Cell;
pub(super) use decode::Decoder;
pub(super) use numeric::encode as encode_numeric;
pub(super) use temporal::encode_date;
pub(super) use temporal::encode_timestamp;

use crate::database::rows::Kind;

/// Types that lead to others at most: an array of a composite with a domain over a range is five deep.
const DEEPEST: usize = 16;

/// One type of the database.
#[derive(Debug)]
pub(super) struct Type {
    /// Its name as PostgreSQL has it, arrays with `[]`.
    pub(super) name: String,
    /// How its values are read.
    pub(super) codec: Codec,
}

/// How the values of a type are read.
#[derive(Clone, Debug)]
pub(super) enum Codec {
    Bool,
    Int2,
    Int4,
    Int8,
    /// 32 bits without sign: `oid`, `xid`, `cid`.
    Unsigned32,
    /// 64 bits without sign: `xid8`.
    Unsigned64,
    Float4,
    Float8,
    Numeric,
    Money,
    /// The bytes are the text.
    Text,
    /// A version byte, then the text: `jsonpath`, `ltree`.
    Versioned,
    /// One byte: `"char"`.
    Char,
    Bytea,
    Date,
    Time,
    TimeTz,
    Timestamp,
    TimestampTz,
    Interval,
    Uuid,
    Json,
    Jsonb,
    Bit,
    Network,
    MacAddress,
    Point,
    Line,
    Segment,
    Box,
    Path,
    Polygon,
    Circle,
    TsVector,
    TsQuery,
    Lsn,
    Tid,
    Snapshot,
    Hstore,
    Vector,
    Void,
    /// A row without a named type.
    Record,
    Array(Arc<Type>),
    /// An array that tells its element type itself.
    AnyArray,
    Composite(Vec<(String, Arc<Type>)>),
    Range(Arc<Type>),
    Multirange(Arc<Type>),
    /// An object's number whose name only the server can tell: `regclass` and its kin.
    Registered,
    /// Only the server can make text of it.
    Opaque,
}

/// How the server has to put a column so that it can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cast {
    /// As text.
    Text,
    /// As JSON: something inside of it needs to be text.
    Json,
}

impl Type {
    /// A type that only its name is known of.
    fn named(name: &str, codec: Codec) -> Arc<Self> {
        Arc::new(Self { name: name.into(), codec })
    }

    /// What a column of it holds.
    pub(super) fn kind(&self) -> Kind {
        match &self.codec {
            Codec::Bool => Kind::Boolean,
            Codec::Int2 | Codec::Int4 | Codec::Int8 | Codec::Unsigned32 | Codec::Unsigned64 => Kind::Integer,
            Codec::Float4 | Codec::Float8 => Kind::Real,
            Codec::Numeric | Codec::Money => Kind::Decimal,
            Codec::Date | Codec::Time | Codec::TimeTz | Codec::Timestamp | Codec::TimestampTz | Codec::Interval => Kind::Temporal,
            Codec::Bytea => Kind::Blob,
            Codec::Json
            | Codec::Jsonb
            | Codec::Hstore
            | Codec::Vector
            | Codec::Record
            | Codec::Array(_)
            | Codec::AnyArray
            | Codec::Composite(_) => Kind::Json,
            _ => Kind::Text,
        }
    }

    /// How the server must put values of it for us to read them; none when we can as they are.
    pub(super) fn cast(&self) -> Option<Cast> {
        match &self.codec {
            Codec::Registered | Codec::Opaque => Some(Cast::Text),
            Codec::Array(element) => element.cast().map(|_| Cast::Json),
            Codec::Composite(fields) => fields.iter().any(|(_, field)| field.cast().is_some()).then_some(Cast::Json),
            Codec::Range(bound) | Codec::Multirange(bound) => bound.cast().map(|_| Cast::Text),
            _ => None,
        }
    }
}

/// The types of one database, those of the system known from the start.
pub(super) struct Types {
    known: RwLock<HashMap<u32, Arc<Type>>>,
    money_digits: AtomicU8,
}

impl Types {
    /// The system's types.
    pub(super) fn new() -> Self {
        Self { known: RwLock::new(builtin::types()), money_digits: AtomicU8::new(2) }
    }

    /// The type of this number, when it is known.
    pub(super) fn find(&self, oid: u32) -> Option<Arc<Type>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(&oid).cloned()
    }

    /// Digits after the decimal point of `money`: the server's locale decides.
    pub(super) fn money_digits(&self) -> u8 {
        self.money_digits.load(Ordering::Relaxed)
    }

    /// Notes what a session told about `money`.
    pub(super) fn set_money_digits(&self, digits: u8) {
        self.money_digits.store(digits, Ordering::Relaxed);
    }

    /// Asks the server about the types that are not known yet, and those they are made of.
    ///
    /// # Errors
    ///
    /// What the driver says.
    pub(super) async fn load(&self, connection: &mut PgConnection, oids: &[u32]) -> Result<(), sqlx::Error> {
        let mut found: HashMap<u32, Found> = HashMap::new();
        let mut wanted: Vec<Oid> = oids.iter().filter(|oid| self.find(**oid).is_none()).map(|oid| Oid(*oid)).collect();
        for _ in 0..DEEPEST {
            if wanted.is_empty() {
                break;
            }
            let rows = sqlx::query(TYPES).bind(&wanted).fetch_all(&mut *connection).await?;
            for row in rows {
                let found_type = Found::read(&row)?;
                found.insert(row.try_get::<Oid, _>("oid")?.0, found_type);
            }
            let next = found.values().flat_map(Found::parts);
            let missing = next.filter(|oid| *oid != 0 && !found.contains_key(oid) && self.find(*oid).is_none());
            let mut missing: Vec<u32> = missing.collect();
            missing.sort_unstable();
            missing.dedup();
            wanted = missing.into_iter().map(Oid).collect();
        }
        // A type that is not there (dropped since) is remembered as opaque, or the same question would be asked for ever.
        for oid in oids {
            self.build(*oid, &found, 0);
        }
        Ok(())
    }

    /// The type of this number, made of what the server told.
    fn build(&self, oid: u32, found: &HashMap<u32, Found>, depth: usize) -> Arc<Type> {
        if let Some(known) = self.find(oid) {
            return known;
        }
        let Some(told) = found.get(&oid).filter(|_| depth < DEEPEST) else {
            let gone = Type::named("unknown", Codec::Opaque);
            self.known.write().unwrap_or_else(PoisonError::into_inner).insert(oid, gone.clone());
            return gone;
        };
        let part = |oid: u32| self.build(oid, found, depth + 1);
        let (name, codec) = match told.class.as_str() {
            "d" => (told.name.clone(), part(told.base).codec.clone()),
            "e" => (told.name.clone(), Codec::Text),
            "r" => (told.name.clone(), Codec::Range(part(told.subtype))),
            "m" => (told.name.clone(), Codec::Multirange(part(told.subtype))),
            "c" => {
                let fields = told.fields.iter().map(|(name, oid)| (name.clone(), part(*oid))).collect();
                (told.name.clone(), Codec::Composite(fields))
            }
            _ if told.is_array => {
                let element = part(told.element);
                (format!("{}[]", element.name), Codec::Array(element))
            }
            _ => (told.name.clone(), builtin::extension(&told.name)),
        };
        let built = Type::named(&name, codec);
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(oid, built.clone());
        built
    }
}

/// What the server tells about types by number. `rngmultitypid` is not there before PostgreSQL 14, hence the detour by JSON.
const TYPES: &str = "\
SELECT t.oid, t.typname::text AS name, t.typtype::text AS class, \
  t.typcategory = 'A' AND t.typelem <> 0 AS is_array, t.typelem AS element, t.typbasetype AS base, \
  coalesce(r.rngsubtype, m.rngsubtype, 0::oid) AS subtype, \
  (SELECT coalesce(json_agg(json_build_array(a.attname, a.atttypid::int8) ORDER BY a.attnum), '[]')::text \
   FROM pg_catalog.pg_attribute a \
   WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) AS fields \
FROM pg_catalog.pg_type t \
LEFT JOIN pg_catalog.pg_range r ON r.rngtypid = t.oid \
LEFT JOIN pg_catalog.pg_range m ON t.typtype = 'm' AND (to_jsonb(m) ->> 'rngmultitypid') = t.oid::text \
WHERE t.oid = ANY($1)";

/// A type as the server told about it.
struct Found {
    name: String,
    class: String,
    is_array: bool,
    element: u32,
    base: u32,
    subtype: u32,
    fields: Vec<(String, u32)>,
}

impl Found {
    fn read(row: &sqlx::postgres::PgRow) -> Result<Self, sqlx::Error> {
        let fields: String = row.try_get("fields")?;
        Ok(Self {
            name: row.try_get("name")?,
            class: row.try_get("class")?,
            is_array: row.try_get("is_array")?,
            element: row.try_get::<Oid, _>("element")?.0,
            base: row.try_get::<Oid, _>("base")?.0,
            subtype: row.try_get::<Oid, _>("subtype")?.0,
            fields: serde_json::from_str(&fields).unwrap_or_default(),
        })
    }

    /// The types it is made of.
    fn parts(&self) -> impl Iterator<Item = u32> {
        let element = if self.is_array { self.element } else { 0 };
        [element, self.base, self.subtype].into_iter().chain(self.fields.iter().map(|(_, oid)| *oid))
    }
}
