//! Where a comment ends, and which comments MySQL runs as code.

use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;
use crate::config::EngineKind;

/// Optimizer hints that lift a limit of the session or change its settings for one statement.
const REFUSED_HINTS: [&str; 4] = ["SET_VAR", "MAX_EXECUTION_TIME", "RESOURCE_GROUP", "MEMORY_QUOTA"];

/// Whether `--` at `position` begins a comment. In MySQL it needs white space after it, else it is two minus signs.
pub(super) fn is_line(bytes: &[u8], position: usize, engine: EngineKind) -> bool {
    if bytes.get(position + 1) != Some(&b'-') {
        return false;
    }
    match engine {
        EngineKind::Postgres | EngineKind::Sqlite => true,
        EngineKind::MySql => bytes.get(position + 2).is_none_or(|byte| byte.is_ascii_whitespace() || byte.is_ascii_control()),
    }
}

/// Where a comment to the end of the line ends. A carriage return ends it in PostgreSQL only.
pub(super) fn line_end(bytes: &[u8], position: usize, engine: EngineKind) -> usize {
    let ends = |byte: &u8| *byte == b'\n' || (*byte == b'\r' && engine == EngineKind::Postgres);
    bytes[position..].iter().position(ends).map_or(bytes.len(), |length| position + length)
}

/// Where the comment that `/*` at `position` begins ends. It nests in PostgreSQL only.
///
/// # Errors
///
/// `Syntax` when it does not end; `Refused` when MySQL, MariaDB or TiDB would run what is in it.
pub(super) fn block_end(text: &str, position: usize, engine: EngineKind) -> Result<usize, DatabaseError> {
    let bytes = text.as_bytes();
    let mut depth = 1_u32;
    let mut end = position + 2;
    while depth > 0 {
        match (bytes.get(end), bytes.get(end + 1)) {
            (Some(b'*'), Some(b'/')) => {
                depth -= 1;
                end += 2;
            }
            (Some(b'/'), Some(b'*')) if engine == EngineKind::Postgres => {
                depth += 1;
                end += 2;
            }
            (Some(_), _) => end += 1,
            (None, _) => {
                let line = text[..position].matches('\n').count() + 1;
                return Err(DatabaseError::new(ErrorKind::Syntax, format!("a comment that begins in line {line} is never closed")));
            }
        }
    }
    if engine == EngineKind::MySql {
        refuse_running_comment(&text[position + 2..end - 2])?;
    }
    Ok(end)
}

fn refuse_running_comment(inner: &str) -> Result<(), DatabaseError> {
    let refused = |what: String| Err(DatabaseError::new(ErrorKind::Refused, what).hint("leave the comment out"));
    let version_prefix = inner.trim_start_matches(['m', 'M', 't', 'T']);
    if inner.len() - version_prefix.len() <= 1 && version_prefix.starts_with('!') {
        return refused("a comment that begins with `/*!` is run as code".into());
    }
    let Some(hints) = inner.strip_prefix('+').map(str::to_ascii_uppercase) else { return Ok(()) };
    match REFUSED_HINTS.iter().find(|hint| hints.contains(*hint)) {
        Some(hint) => refused(format!("the optimizer hint `{hint}` changes a limit or a setting of the session")),
        None => Ok(()),
    }
}
