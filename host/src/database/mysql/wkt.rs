//! Geometries as well-known text.
//!
//! The server sends a 4-byte spatial reference id and then well-known binary (OGC 06-103r4 §8), whose numbers are in the
//! byte order that each part names.

use std::fmt::Write;

/// How deep collections may be nested.
const DEEPEST: usize = 32;

/// Reads a value as the server sends it: `POINT(1 2)`, with `SRID=4326;` before it when it has a reference system.
/// `None` when it is malformed.
pub(super) fn from_server(bytes: &[u8]) -> Option<String> {
    let (srid, mut rest) = bytes.split_first_chunk::<4>()?;
    let srid = u32::from_le_bytes(*srid);
    let mut text = if srid == 0 { String::new() } else { format!("SRID={srid};") };
    geometry(&mut text, &mut rest, 0)?;
    rest.is_empty().then_some(text)
}

/// Reads one geometry with its byte order and type.
fn geometry(text: &mut String, bytes: &mut &[u8], depth: usize) -> Option<()> {
    let (little, kind) = header(bytes)?;
    let name = match kind {
        1 => "POINT",
        2 => "LINESTRING",
        3 => "POLYGON",
        4 => "MULTIPOINT",
        5 => "MULTILINESTRING",
        6 => "MULTIPOLYGON",
        7 => "GEOMETRYCOLLECTION",
        _ => return None,
    };
    text.push_str(name);
    match kind {
        1 => {
            text.push('(');
            point(text, bytes, little)?;
            text.push(')');
            Some(())
        }
        _ if peek_count(bytes, little)? == 0 => {
            count(bytes, little)?;
            text.push_str(" EMPTY");
            Some(())
        }
        2 => points(text, bytes, little),
        3 => rings(text, bytes, little),
        _ if depth >= DEEPEST => None,
        7 => list(text, bytes, little, |text, bytes| geometry(text, bytes, depth + 1)),
        _ => list(text, bytes, little, |text, bytes| {
            let (little, member) = header(bytes)?;
            match (kind, member) {
                (4, 1) => point(text, bytes, little),
                (5, 2) => points(text, bytes, little),
                (6, 3) => rings(text, bytes, little),
                _ => None,
            }
        }),
    }
}

fn rings(text: &mut String, bytes: &mut &[u8], little: bool) -> Option<()> {
    list(text, bytes, little, |text, bytes| points(text, bytes, little))
}

fn points(text: &mut String, bytes: &mut &[u8], little: bool) -> Option<()> {
    list(text, bytes, little, |text, bytes| point(text, bytes, little))
}

/// Reads a count and as many parts, in parentheses with commas between them.
fn list(text: &mut String, bytes: &mut &[u8], little: bool, mut part: impl FnMut(&mut String, &mut &[u8]) -> Option<()>) -> Option<()> {
    let count = count(bytes, little)?;
    text.push('(');
    for index in 0..count {
        if index > 0 {
            text.push(',');
        }
        part(text, bytes)?;
    }
    text.push(')');
    Some(())
}

fn point(text: &mut String, bytes: &mut &[u8], little: bool) -> Option<()> {
    let x = number(bytes, little)?;
    let y = number(bytes, little)?;
    // Writing to a string cannot fail.
    let _ = write!(text, "{x} {y}");
    Some(())
}

fn header(bytes: &mut &[u8]) -> Option<(bool, u32)> {
    let (order, rest) = bytes.split_first()?;
    *bytes = rest;
    let little = *order == 1;
    Some((little, count(bytes, little)?))
}

fn count(bytes: &mut &[u8], little: bool) -> Option<u32> {
    let (number, rest) = bytes.split_first_chunk::<4>()?;
    *bytes = rest;
    Some(if little { u32::from_le_bytes(*number) } else { u32::from_be_bytes(*number) })
}

fn peek_count(bytes: &[u8], little: bool) -> Option<u32> {
    count(&mut &*bytes, little)
}

fn number(bytes: &mut &[u8], little: bool) -> Option<f64> {
    let (number, rest) = bytes.split_first_chunk::<8>()?;
    *bytes = rest;
    Some(if little { f64::from_le_bytes(*number) } else { f64::from_be_bytes(*number) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_geometry_cut_short_is_not_read() {
        let mut point = vec![0, 0, 0, 0, 1, 1, 0, 0, 0];
        point.extend_from_slice(&1.5f64.to_le_bytes());
        point.extend_from_slice(&(-2f64).to_le_bytes());
        assert_eq!(from_server(&point).unwrap(), "POINT(1.5 -2)");
        for end in 0..point.len() {
            assert_eq!(from_server(&point[..end]), None);
        }
        // A count of four thousand million points in a few bytes.
        assert_eq!(from_server(&[0, 0, 0, 0, 1, 2, 0, 0, 0, 255, 255, 255, 255]), None);
    }
}
