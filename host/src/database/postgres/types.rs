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
use std::time::Duration;
use std::time::Instant;

use sqlx::Row;
use sqlx::postgres::PgConnection;
use sqlx::postgres::types::Oid;

pub(super) use decode::Cell;
pub(super) use decode::Decoder;
pub(super) use numeric::encode as encode_numeric;
pub(super) use temporal::encode_date;
pub(super) use temporal::encode_timestamp;

use crate::database::rows::Kind;

/// How long what the server told about a type is believed; the system's own never change.
const BELIEVED: Duration = Duration::from_mins(5);

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
    system: HashMap<u32, Arc<Type>>,
    /// What the server told about others, and when.
    told: RwLock<HashMap<u32, (Arc<Type>, Instant)>>,
    money_digits: AtomicU8,
}

impl Types {
    /// The system's types.
    pub(super) fn new() -> Self {
        Self { system: builtin::types(), told: RwLock::default(), money_digits: AtomicU8::new(2) }
    }

    /// The type of this number, when it is known.
    pub(super) fn find(&self, oid: u32) -> Option<Arc<Type>> {
        self.find_at(oid, Instant::now())
    }

    fn find_at(&self, oid: u32, now: Instant) -> Option<Arc<Type>> {
        if let Some(of) = self.system.get(&oid) {
            return Some(of.clone());
        }
        let told = self.told.read().unwrap_or_else(PoisonError::into_inner);
        told.get(&oid).filter(|(_, since)| now.saturating_duration_since(*since) < BELIEVED).map(|(of, _)| of.clone())
    }

    /// Forgets what the server told: a statement may have changed it.
    pub(super) fn forget(&self) {
        self.told.write().unwrap_or_else(PoisonError::into_inner).clear();
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
        let now = Instant::now();
        let mut found: HashMap<u32, Found> = HashMap::new();
        let mut wanted: Vec<Oid> = oids.iter().filter(|oid| self.find_at(**oid, now).is_none()).map(|oid| Oid(*oid)).collect();
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
            let missing = next.filter(|oid| *oid != 0 && !found.contains_key(oid) && self.find_at(*oid, now).is_none());
            let mut missing: Vec<u32> = missing.collect();
            missing.sort_unstable();
            missing.dedup();
            wanted = missing.into_iter().map(Oid).collect();
        }
        for oid in oids {
            self.build(*oid, &found, now, 0);
        }
        Ok(())
    }

    /// The type of this number, made of what the server told. One that is not there any more is remembered as opaque, or the
    /// same question would be asked for ever.
    fn build(&self, oid: u32, found: &HashMap<u32, Found>, now: Instant, depth: usize) -> Arc<Type> {
        if let Some(known) = self.find_at(oid, now) {
            return known;
        }
        let told = found.get(&oid).filter(|_| depth < DEEPEST);
        let built =
            told.map_or_else(|| Type::named("unknown", Codec::Opaque), |told| told.build(|part| self.build(part, found, now, depth + 1)));
        self.told.write().unwrap_or_else(PoisonError::into_inner).insert(oid, (built.clone(), now));
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

    /// The type, given how to build those it is made of.
    fn build(&self, part: impl Fn(u32) -> Arc<Type>) -> Arc<Type> {
        let codec = match self.class.as_str() {
            "d" => part(self.base).codec.clone(),
            "e" => Codec::Text,
            "r" => Codec::Range(part(self.subtype)),
            "m" => Codec::Multirange(part(self.subtype)),
            "c" => Codec::Composite(self.fields.iter().map(|(name, oid)| (name.clone(), part(*oid))).collect()),
            _ if self.is_array => {
                let element = part(self.element);
                return Type::named(&format!("{}[]", element.name), Codec::Array(element));
            }
            _ => builtin::extension(&self.name),
        };
        Type::named(&self.name, codec)
    }
}
