//! The lines of a cassette, and the file that they are in.
//!
//! Each line ends with a sum over itself and the sum before it, so that a line that was changed, moved or taken out is found
//! and named. It guards against accidents and edits, not against somebody who computes sums.

use std::fmt::Write as _;
use std::fs;
use std::fs::File;
use std::io;
use std::path::Path;
use std::path::PathBuf;

use serde::Deserialize;
use serde::Serialize;
use serde_json::Value as Json;
use sha2::Digest;
use sha2::Sha256;

/// The format that is written, and the newest that is read.
pub(super) const FORMAT: u32 = 1;

/// Bytes of a file that is read.
const FILE_BYTES: u64 = 256 << 20;

/// Bytes of a sum that are written, as hexadecimal digits twice as many.
const SUM_BYTES: usize = 8;

/// The first line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// The format.
    pub cassette: u32,
    /// The version of the program that recorded it.
    pub tidegate: String,
    /// The plugins that were loaded.
    pub plugins: Vec<PluginNote>,
    /// What the random numbers of its calls are made from.
    pub seed: String,
    /// Columns whose values were taken out: `COLUMN` or `TABLE.COLUMN`.
    pub redacted: Vec<String>,
}

/// A plugin that was loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginNote {
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: String,
    /// The digest of its component.
    pub component: String,
}

/// What a capability answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// This.
    Ok(Json),
    /// It failed with this.
    Error(Json),
    /// The guest went over a limit, and its call ended there.
    Trap(String),
    /// Nothing: the call was cut off while it waited.
    Unanswered,
}

/// One line after the first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "kebab-case")]
pub enum Line {
    /// A call of a guest began.
    Call {
        /// Its number in this file.
        call: u64,
        /// The plugin.
        plugin: String,
        /// The export.
        export: String,
        /// What it was called with.
        arguments: Json,
    },
    /// It asked something of the host.
    Capability {
        /// The call.
        call: u64,
        /// Which question of the call it is, from 1.
        seq: u64,
        /// The function, for example `database-read.query`.
        function: String,
        /// Its arguments by name.
        request: Json,
        /// What came back.
        answer: Answer,
    },
    /// A test of a plugin ended.
    Test {
        /// Its name.
        test: String,
        /// What came of it.
        came: Json,
    },
    /// The last line.
    End {
        /// How many lines there are, the first and this one included.
        lines: usize,
    },
}

/// A whole cassette.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cassette {
    /// Its first line.
    pub header: Header,
    /// The others, but the last. The line at index 0 has the number 2 in the file.
    pub lines: Vec<Line>,
}

/// Why there is no cassette.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CassetteError {
    /// The file cannot be read.
    #[error("cannot read `{path}`: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write `{path}`: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is something else.
    #[error("line 1: this is no cassette: {0}")]
    Other(String),
    /// A later program wrote it.
    #[error(
        "line 1: the cassette has the format {found}, and this program reads {FORMAT}; use the version that recorded it, or a later one"
    )]
    Newer {
        /// Its format.
        found: u64,
    },
    /// A line is not what was written.
    #[error("line {line}: it is not as it was recorded: {reason}")]
    Altered {
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// The file is shorter than it was.
    #[error("line {line}: the file ends here and should go on: it was cut")]
    Cut {
        /// The last line that is there.
        line: usize,
    },
    /// A secret that is found in everything.
    #[error(
        "the secret `{0}` of a plugin has fewer than 4 bytes, so it cannot be told from other text; give it a longer value or record without it"
    )]
    ShortSecret(String),
}

impl Cassette {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// A file that cannot be read, is none, was changed or cut, or has a later format; with the number of the line.
    pub fn read(path: &Path) -> Result<Self, CassetteError> {
        let failed = |source: io::Error| CassetteError::Read { path: path.to_owned(), source };
        let bytes = fs::metadata(path).map_err(failed)?.len();
        if bytes > FILE_BYTES {
            return Err(failed(io::Error::other(format!("it has more than {} MiB", FILE_BYTES >> 20))));
        }
        Self::parse(&fs::read(path).map_err(failed)?)
    }

    /// Reads the bytes of a file.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn parse(bytes: &[u8]) -> Result<Self, CassetteError> {
        let whole = bytes.ends_with(b"\n");
        let mut lines: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        lines.pop_if(|last| last.is_empty());
        let Some((first, rest)) = lines.split_first() else { return Err(CassetteError::Other("it is empty".into())) };
        let mut sum = [0; SUM_BYTES];
        let header = header(first, &mut sum)?;
        let mut read = Vec::with_capacity(rest.len());
        for (at, bytes) in rest.iter().enumerate() {
            let number = at + 2;
            let is_last = number == lines.len();
            let wrong = |reason: String| match is_last && !whole {
                true => CassetteError::Cut { line: number },
                false => CassetteError::Altered { line: number, reason },
            };
            let text = checked(bytes, &mut sum).map_err(wrong)?;
            let line: Line = serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?;
            match line {
                Line::End { lines: count } if is_last && count == number => return Ok(Self { header, lines: read }),
                Line::End { .. } => return Err(wrong("it is the last line, and more follow".into())),
                line => read.push(line),
            }
        }
        Err(CassetteError::Cut { line: lines.len() })
    }

    /// The bytes of the file.
    pub fn bytes(&self) -> Vec<u8> {
        let mut sum = [0; SUM_BYTES];
        let mut text = String::new();
        let header = Header { cassette: FORMAT, ..self.header.clone() };
        push(&mut text, &header, &mut sum);
        for line in &self.lines {
            push(&mut text, line, &mut sum);
        }
        push(&mut text, &Line::End { lines: self.lines.len() + 2 }, &mut sum);
        text.into_bytes()
    }

    /// Writes the file, which only its owner can read: aside, and then in its place. Ended in between, it leaves what was there.
    ///
    /// # Errors
    ///
    /// A place that cannot be written to.
    pub fn write(&self, path: &Path) -> Result<(), CassetteError> {
        write_private(path, &self.bytes()).map_err(|source| CassetteError::Write { path: path.to_owned(), source })
    }
}

/// Writes a file aside and puts it in its place.
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path.file_name().ok_or_else(|| io::Error::other("it has no name"))?;
    let mut aside = std::ffi::OsString::from(".");
    aside.push(name);
    aside.push(format!(".{}.new", std::process::id()));
    let aside = path.with_file_name(aside);
    let written = create_private(&aside).and_then(|mut file| {
        io::Write::write_all(&mut file, bytes)?;
        file.sync_all()
    });
    let put = written.and_then(|()| fs::rename(&aside, path));
    if put.is_err() {
        // What cannot be removed has no content that anybody else can read.
        let _ = fs::remove_file(&aside);
    }
    put
}

/// A new file that only its owner can read.
fn create_private(path: &Path) -> io::Result<File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}

fn header(bytes: &[u8], sum: &mut [u8; SUM_BYTES]) -> Result<Header, CassetteError> {
    let other = |reason: String| CassetteError::Other(reason);
    let loose: Json = serde_json::from_slice(bytes).map_err(|error| other(error.to_string()))?;
    match loose["cassette"].as_u64() {
        None => return Err(other("its first line has no `cassette`".into())),
        // What a later format has in its first line is not for us to judge.
        Some(found) if found > u64::from(FORMAT) => return Err(CassetteError::Newer { found }),
        Some(_) => {}
    }
    let altered = |reason: String| CassetteError::Altered { line: 1, reason };
    let text = checked(bytes, sum).map_err(altered)?;
    serde_json::from_str(&text).map_err(|error| altered(error.to_string()))
}

/// A line without its sum, when that is right.
fn checked(bytes: &[u8], sum: &mut [u8; SUM_BYTES]) -> Result<String, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is no text")?;
    let (body, rest) = text.rsplit_once(",\"sum\":\"").ok_or("it has no sum")?;
    let found = rest.strip_suffix("\"}").ok_or("it does not end with its sum")?;
    *sum = next(sum, body);
    match hexadecimal(sum) == found {
        true => Ok(format!("{body}}}")),
        false => Err("its sum is another".into()),
    }
}

fn push(text: &mut String, line: &impl Serialize, sum: &mut [u8; SUM_BYTES]) {
    // These types have only keys that are text.
    let mut body = serde_json::to_string(line).unwrap_or_default();
    body.pop();
    *sum = next(sum, &body);
    text.push_str(&body);
    let _ = writeln!(text, ",\"sum\":\"{}\"}}", hexadecimal(sum));
}

fn next(sum: &[u8; SUM_BYTES], body: &str) -> [u8; SUM_BYTES] {
    let digest = Sha256::new().chain_update(sum).chain_update(body).finalize();
    let mut next = [0; SUM_BYTES];
    next.copy_from_slice(&digest[..SUM_BYTES]);
    next
}

fn hexadecimal(sum: &[u8]) -> String {
    sum.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
