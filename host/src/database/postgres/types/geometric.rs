//! Points, lines and shapes, in PostgreSQL's text form.

use super::decode::Reader;
use super::numeric::float_text;

/// `(x,y)`
pub(super) fn point(reader: &mut Reader<'_>) -> Option<String> {
    Some(format!("({},{})", number(reader)?, number(reader)?))
}

/// `{A,B,C}`
pub(super) fn line(reader: &mut Reader<'_>) -> Option<String> {
    Some(format!("{{{},{},{}}}", number(reader)?, number(reader)?, number(reader)?))
}

/// `[(x1,y1),(x2,y2)]`
pub(super) fn segment(reader: &mut Reader<'_>) -> Option<String> {
    Some(format!("[{},{}]", point(reader)?, point(reader)?))
}

/// `(x1,y1),(x2,y2)`, the upper right corner first.
pub(super) fn rectangle(reader: &mut Reader<'_>) -> Option<String> {
    Some(format!("{},{}", point(reader)?, point(reader)?))
}

/// `((x1,y1),…)` when closed, `[(x1,y1),…]` when open.
pub(super) fn path(reader: &mut Reader<'_>) -> Option<String> {
    let closed = reader.u8()? != 0;
    let points = points(reader)?;
    Some(if closed { format!("({points})") } else { format!("[{points}]") })
}

/// `((x1,y1),…)`
pub(super) fn polygon(reader: &mut Reader<'_>) -> Option<String> {
    Some(format!("({})", points(reader)?))
}

/// `<(x,y),r>`
pub(super) fn circle(reader: &mut Reader<'_>) -> Option<String> {
    Some(format!("<{},{}>", point(reader)?, number(reader)?))
}

fn points(reader: &mut Reader<'_>) -> Option<String> {
    let count = reader.i32()?;
    let points: Option<Vec<String>> = (0..count).map(|_| point(reader)).collect();
    Some(points?.join(","))
}

fn number(reader: &mut Reader<'_>) -> Option<String> {
    reader.f64().map(float_text)
}
