//! Network addresses.

use std::net::Ipv4Addr;
use std::net::Ipv6Addr;

use super::decode::Reader;

/// An `inet` or `cidr`; the width of the net is left out of an `inet` that is one host.
pub(super) fn address(reader: &mut Reader<'_>) -> Option<String> {
    let _family = reader.u8()?;
    let width = reader.u8()?;
    let is_cidr = reader.u8()? != 0;
    let length = usize::from(reader.u8()?);
    let bytes = reader.take(length)?;
    let (text, full) = match length {
        4 => (Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).to_string(), 32),
        16 => (Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_string(), 128),
        _ => return None,
    };
    Some(if width == full && !is_cidr { text } else { format!("{text}/{width}") })
}

/// A `macaddr` or `macaddr8`.
pub(super) fn mac(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(":")
}
