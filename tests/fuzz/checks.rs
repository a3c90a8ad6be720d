//! What has to hold whatever bytes come, for each reader of what strangers wrote. The targets of `cargo fuzz` and the bounded run in the
//! suite check the same.
//!
//! Each check answers whether the bytes were taken, so that a run can tell that it did not only look at refusals.

use tidegate::config::PluginName;
use tidegate::database::rows::Column;
use tidegate::database::rows::Flow;
use tidegate::database::rows::Kind;
use tidegate::database::rows::RowLimits;
use tidegate::database::rows::RowWriter;
use tidegate::database::rows::codec;
use tidegate::database::value::Value;
use tidegate::plugin::asked::Asked;
use tidegate::plugin::header;
use tidegate::plugin::header::Header;
use tidegate::plugin::index::line::Line;
use tidegate::plugin::lock::Lock;
use tidegate::plugin::manifest::Manifest;
use tidegate::plugin::trust::PublicKey;
use tidegate::plugin::trust::verify;

/// The key, and the comment, of the one signature over `test` that there is: from the documentation of `minisign-verify`.
const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
const COMMENT: &str = "timestamp:1556193335\tfile:test";

/// What is taken as a manifest names one file in its own folder, and what it asks for can be pinned and shown.
pub fn manifest(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(manifest) = Manifest::parse(text) else { return false };
    assert!(PluginName::parse(&manifest.plugin.id).is_some());
    let file = std::path::Path::new(&manifest.component.file);
    assert!(file.components().count() == 1 && file.file_name() == Some(file.as_os_str()), "{file:?}");
    let asked = Asked::of(text).expect("what is a manifest can be asked about");
    assert_eq!(Asked::of(text).map(|asked| asked.digest()), Some(asked.digest()));
    // A line for a person shows all that it says.
    for line in asked.lines() {
        assert!(!line.contains('\n'), "{line:?}");
    }
    let _ = (manifest.storage_request(), manifest.http_requests());
    true
}

/// What is taken as a lock is written as it was read, and names plugins only.
pub fn lock(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(lock) = Lock::parse(text) else { return false };
    assert!(lock.entries().all(|entry| PluginName::parse(&entry.id).is_some()));
    let written = lock.to_text().expect("what was read can be written");
    assert_eq!(Lock::parse(&written).as_ref(), Ok(&lock), "{written}");
    true
}

/// What is taken as a line of an index is written as it was read, in one line.
pub fn index_line(bytes: &[u8]) -> bool {
    let Ok(line) = Line::parse(bytes) else { return false };
    let written = line.to_text();
    assert!(!written.contains('\n'), "{written:?}");
    assert_eq!(Line::parse(written.as_bytes()).as_ref(), Ok(&line), "{written}");
    true
}

/// Nothing is taken as a signature by a key but what that key signed, with the comment that it signed.
pub fn signature(bytes: &[u8]) -> bool {
    let key = PublicKey::parse(KEY).expect("it is a key");
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = PublicKey::parse(text);
    }
    // Over other bytes none holds.
    assert!(verify(&key, b"Test", bytes).is_err());
    let Ok(comment) = verify(&key, b"test", bytes) else { return false };
    assert_eq!(comment, COMMENT);
    true
}

/// A component in which a header can be put has that header then and no other, and putting it in once more changes nothing.
pub fn component_header(bytes: &[u8]) -> bool {
    let read = header::read(bytes);
    let ours = Header {
        id: "example.org/one".into(),
        version: "1.2.3".parse().expect("it is a version"),
        host_api: "^0.1".parse().expect("it is a range"),
    };
    let Ok(embedded) = header::embed(bytes, &ours) else {
        assert!(read.is_err(), "what can be read can be written");
        return false;
    };
    assert_eq!(header::read(&embedded).expect("it was put in"), Some(ours.clone()));
    assert_eq!(header::embed(&embedded, &ours).expect("it was put in"), embedded);
    read.is_ok()
}

/// The bytes say which values go into rows: these come back as they went in, also through the form that stores keep, and are JSON. And
/// the bytes as they are, taken for that form, are refused or sound.
pub fn values(bytes: &[u8]) -> bool {
    if let Ok(rows) = codec::decode(bytes) {
        for index in 0..rows.len() {
            assert_eq!(rows.values(index).map(|values| values.len()), Some(rows.columns().len()));
        }
        assert!(rows.rows_json().all(is_json));
    }
    let values = read_values(bytes);
    let column = Column { name: "v".into(), type_name: "any".into(), kind: Kind::Any };
    let limits = RowLimits { rows: 1, bytes: 16 << 20 };
    let mut writer = RowWriter::new(vec![column; values.len()], limits);
    writer.start_row();
    values.iter().for_each(|value| write(&mut writer, value));
    assert_eq!(writer.end_row(), Flow::More);
    let rows = writer.finish(true).expect("it is within the limits");
    let again = codec::decode(&codec::encode(&rows)).expect("what was encoded is decoded");
    for rows in [rows, again] {
        let found = rows.values(0).expect("there is a row");
        assert!(found.len() == values.len() && found.iter().zip(&values).all(|(one, other)| is_same(one, other)), "{found:?} {values:?}");
        assert!(rows.rows_json().all(is_json));
    }
    !values.is_empty()
}

/// Whether it is JSON by its grammar (RFC 8259), which allows numbers and halves of surrogate pairs that not every reader can hold.
fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<&serde_json::value::RawValue>(bytes).is_ok()
}

/// Values as bytes say: what kind, then what it is.
fn read_values(mut bytes: &[u8]) -> Vec<Value> {
    let mut values = Vec::new();
    while let Some((kind, rest)) = bytes.split_first() {
        bytes = rest;
        let mut eight = [0; 8];
        let length = bytes.len().min(8);
        eight[..length].copy_from_slice(&bytes[..length]);
        let part = &bytes[..bytes.len().min(usize::from(*kind) / 8)];
        let text = || String::from_utf8_lossy(part).into_owned();
        let (value, taken) = match kind % 8 {
            0 => (Value::Null, 0),
            1 => (Value::Boolean(kind & 8 == 0), 0),
            2 => (Value::Integer(i64::from_le_bytes(eight)), length),
            3 => (Value::Real(f64::from_le_bytes(eight)), length),
            4 => (Value::Decimal(text()), part.len()),
            5 => (Value::Text(text()), part.len()),
            6 => (Value::Blob(part.to_vec()), part.len()),
            _ => (Value::Json(text()), part.len()),
        };
        values.push(value);
        bytes = &bytes[taken..];
    }
    values
}

fn write(writer: &mut RowWriter, value: &Value) {
    match value {
        Value::Null => writer.null(),
        Value::Boolean(value) => writer.boolean(*value),
        Value::Integer(value) => writer.integer(*value),
        Value::Real(value) => writer.real(*value),
        Value::Decimal(value) => writer.decimal(value),
        Value::Text(value) => writer.text(value),
        Value::Blob(value) => writer.blob(value),
        Value::Json(value) => writer.json(value),
    }
}

/// Whether a value came back: a document that is none comes back as text, white space around one is nothing, and one NaN is as good as another.
fn is_same(found: &Value, written: &Value) -> bool {
    match (found, written) {
        (Value::Real(found), Value::Real(written)) => found.to_bits() == written.to_bits() || (found.is_nan() && written.is_nan()),
        (Value::Text(found), Value::Json(written)) => found == written && !is_json(written.as_bytes()),
        (Value::Json(found), Value::Json(written)) => found == written.trim_matches([' ', '\t', '\r', '\n']),
        (found, written) => found == written,
    }
}
