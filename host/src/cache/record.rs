//! An entry as bytes, for the tiers outside this process, and back.
//!
//! A record may be torn anywhere, have any bit flipped, or lie under another's name. Each of these is found before anything
//! of it is used: the digest and a SHA-256 over everything else have to be right.
//!
//! All numbers are little-endian:
//!
//! ```text
//!   0  magic "TGRC" · version u16 · zero u16
//!   8  digest, 32 bytes
//!  40  kept, ms since 1970 u64 · ttl, ms u64
//!  56  length of the description u32 · length of the rows u64
//!  68  SHA-256 of everything before and after it, 32 bytes
//! 100  description: local stamp · shared stamp · database · label · tables, each with its length
//!      rows, as `database/rows/codec.rs` writes them
//! ```
//!
//! The description comes first, so that a clear by table or pattern reads the beginning of a record only.

use std::sync::Arc;
use std::time::Duration;
use std::time::UNIX_EPOCH;

use sha2::Digest as _;
use sha2::Sha256;

use crate::config::DatabaseName;
use crate::database::rows::codec;

use super::digest::Digest;
use super::entry::Entry;
use super::entry::Stamp;

const MAGIC: [u8; 4] = *b"TGRC";
const VERSION: u16 = 1;

/// Where the checksum begins, and where it ends and the description begins.
const CHECKSUM: usize = 68;
const HEADER_BYTES: usize = 100;

/// Bytes of a label and of a description; an entry with more to say about itself is kept in memory only.
const DESCRIPTION_BYTES: usize = 64 << 10;

/// The first bytes of a record that hold its description, whatever it is.
pub(super) const HEAD_BYTES: usize = HEADER_BYTES + DESCRIPTION_BYTES;

/// Why bytes are no record of an entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RecordError {
    /// Not of this format, or of another version of it.
    #[error("no record of this version")]
    Format,
    /// Torn, changed or of another entry.
    #[error("a damaged record")]
    Damaged,
    /// The rows in it do not hold together although the checksum is right: another program wrote it.
    #[error("a record with {0}")]
    Rows(#[from] codec::DecodeError),
}

/// What a record says about itself, for a clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Description {
    pub(super) stamp: Stamp,
    pub(super) database: DatabaseName,
    pub(super) label: Arc<str>,
    pub(super) tables: Arc<[String]>,
}

impl Description {
    /// What the record of an entry would say.
    pub(super) fn of(entry: &Entry) -> Self {
        Self { stamp: entry.stamp.clone(), database: entry.database.clone(), label: entry.label.clone(), tables: entry.tables.clone() }
    }
}

/// The record of an entry; `None` for one whose description is too long.
pub(super) fn encode(digest: &Digest, entry: &Entry) -> Option<Vec<u8>> {
    let rows = codec::encode(&entry.rows);
    let mut record = Vec::with_capacity(HEADER_BYTES + 512 + entry.label.len() + rows.len());
    record.extend_from_slice(&MAGIC);
    record.extend_from_slice(&VERSION.to_le_bytes());
    record.extend_from_slice(&[0; 2]);
    record.extend_from_slice(digest.as_bytes());
    record.extend_from_slice(&to_ms(entry.kept.duration_since(UNIX_EPOCH).ok()?).to_le_bytes());
    record.extend_from_slice(&to_ms(entry.ttl).to_le_bytes());
    record.extend_from_slice(&[0; HEADER_BYTES - 56]);
    put_part(&mut record, &entry.stamp.local);
    put_part(&mut record, entry.stamp.shared.as_ref().map_or(&[], |shared| shared.as_slice()));
    put_part(&mut record, entry.database.as_str().as_bytes());
    put_part(&mut record, entry.label.as_bytes());
    for table in entry.tables.iter() {
        put_part(&mut record, table.as_bytes());
    }
    let description = record.len() - HEADER_BYTES;
    if description > DESCRIPTION_BYTES {
        return None;
    }
    record[56..60].copy_from_slice(&u32::try_from(description).ok()?.to_le_bytes());
    record[60..CHECKSUM].copy_from_slice(&(rows.len() as u64).to_le_bytes());
    record.extend_from_slice(&rows);
    let checksum = checksum(&record);
    record[CHECKSUM..HEADER_BYTES].copy_from_slice(&checksum);
    Some(record)
}

/// The entry of `digest` that these bytes are the record of.
///
/// # Errors
///
/// Anything but the whole, unchanged record of it.
pub(super) fn decode(digest: &Digest, record: &[u8]) -> Result<Entry, RecordError> {
    let header = Header::read(record)?;
    if header.digest != *digest || record.len() as u64 != header.total_bytes() {
        return Err(RecordError::Damaged);
    }
    if record[CHECKSUM..HEADER_BYTES] != checksum(record) {
        return Err(RecordError::Damaged);
    }
    let (description, rows) = record[HEADER_BYTES..].split_at(header.description_bytes);
    let Description { stamp, database, label, tables } = read_description(description).ok_or(RecordError::Damaged)?;
    let kept = UNIX_EPOCH.checked_add(header.kept).ok_or(RecordError::Damaged)?;
    Ok(Entry { rows: codec::decode(rows)?, stamp, tables, database, label, kept, ttl: header.ttl })
}

/// What the beginning of a record, [`HEAD_BYTES`] or more of it, says. Its checksum is not looked at: what is gained from it is
/// good for a clear and for nothing else.
///
/// # Errors
///
/// Bytes that are no such beginning.
pub(super) fn describe(head: &[u8]) -> Result<Description, RecordError> {
    let header = Header::read(head)?;
    let end = HEADER_BYTES + header.description_bytes;
    head.get(HEADER_BYTES..end).and_then(read_description).ok_or(RecordError::Damaged)
}

struct Header {
    digest: Digest,
    kept: Duration,
    ttl: Duration,
    description_bytes: usize,
    rows_bytes: u64,
}

impl Header {
    fn read(record: &[u8]) -> Result<Self, RecordError> {
        let header = record.first_chunk::<HEADER_BYTES>().ok_or(RecordError::Damaged)?;
        if header[..4] != MAGIC || header[4..8] != [VERSION.to_le_bytes(), [0; 2]].concat() {
            return Err(RecordError::Format);
        }
        let number = |at: usize| u64::from_le_bytes(header[at..at + 8].try_into().expect("eight bytes"));
        let description_bytes = u32::from_le_bytes(header[56..60].try_into().expect("four bytes"));
        let description_bytes = usize::try_from(description_bytes).map_err(|_| RecordError::Damaged)?;
        if description_bytes > DESCRIPTION_BYTES {
            return Err(RecordError::Damaged);
        }
        Ok(Self {
            digest: Digest::of_bytes(header[8..40].try_into().expect("32 bytes")),
            kept: Duration::from_millis(number(40)),
            ttl: Duration::from_millis(number(48)),
            description_bytes,
            rows_bytes: number(60),
        })
    }

    fn total_bytes(&self) -> u64 {
        ((HEADER_BYTES + self.description_bytes) as u64).saturating_add(self.rows_bytes)
    }
}

fn checksum(record: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(&record[..CHECKSUM]);
    hash.update(&record[HEADER_BYTES..]);
    hash.finalize().into()
}

fn read_description(mut bytes: &[u8]) -> Option<Description> {
    let local = take_part(&mut bytes)?;
    let shared = match take_part(&mut bytes)? {
        [] => None,
        shared => Some(shared.try_into().ok()?),
    };
    let database = DatabaseName::parse(str::from_utf8(take_part(&mut bytes)?).ok()?)?;
    let label = str::from_utf8(take_part(&mut bytes)?).ok()?.into();
    let mut tables = Vec::new();
    while !bytes.is_empty() {
        tables.push(str::from_utf8(take_part(&mut bytes)?).ok()?.to_owned());
    }
    Some(Description { stamp: Stamp { local: local.into(), shared, clears: 0 }, database, label, tables: tables.into() })
}

fn put_part(record: &mut Vec<u8>, part: &[u8]) {
    // A part of 4 GiB would be cut here, but the limit of a description refuses it before it is written anywhere.
    record.extend_from_slice(&(part.len() as u32).to_le_bytes());
    record.extend_from_slice(part);
}

fn take_part<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (part, rest) = rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)?;
    *bytes = rest;
    Some(part)
}

/// Milliseconds, as the record has them.
fn to_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
