//! Reads typed values out of one table of a TOML file and notes everything that is wrong with it, by line and key.
//!
//! A problem never shows a value: it may be a password.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use bytesize::ByteSize;
use toml::Spanned;
use toml::de::DeTable;
use toml::de::DeValue;

/// One thing that is wrong, with the place where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, or what stands in its place: an option or a variable.
    pub place: String,
    /// The line in the file, counted from 1; none when it is no file or the whole of it.
    pub line: Option<usize>,
    /// The key with all its tables, for example `databases.main.url`; empty for the whole file.
    pub key: String,
    /// What is wrong and what would be right.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": `{}`", self.key)?;
        }
        write!(f, ": {}", self.message)
    }
}

/// A file while it is read: its text, its environment, and what was wrong so far.
pub(super) struct Document<'a> {
    /// As the operator named it.
    place: String,
    /// What relative paths start from.
    pub folder: PathBuf,
    text: &'a str,
    find_variable: &'a dyn Fn(&str) -> Option<String>,
    problems: RefCell<Vec<Problem>>,
}

impl<'a> Document<'a> {
    /// A file with this text at `path`.
    pub(super) fn new(path: &Path, text: &'a str, find_variable: &'a dyn Fn(&str) -> Option<String>) -> Self {
        let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        Self { place: path.display().to_string(), folder, text, find_variable, problems: RefCell::default() }
    }

    /// Notes a problem with `key`, whose text begins at byte `at`.
    pub(super) fn note(&self, at: Option<usize>, key: String, message: impl Into<String>) {
        let line = at.map(|at| 1 + self.text.as_bytes()[..at.min(self.text.len())].iter().filter(|byte| **byte == b'\n').count());
        self.problems.borrow_mut().push(Problem { place: self.place.clone(), line, key, message: message.into() });
    }

    /// All that was wrong, in the order of the file.
    pub(super) fn into_problems(self) -> Vec<Problem> {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|problem| problem.line);
        problems
    }
}

/// One table. Every reader takes its key out; what is left at [`finish`](Self::finish) is unknown.
pub(super) struct Section<'a> {
    document: &'a Document<'a>,
    path: String,
    at: usize,
    entries: BTreeMap<String, Entry<'a>>,
    /// The keys that were asked for, and where they stand when they are there.
    known: BTreeMap<&'static str, Option<usize>>,
}

/// A value with the place of its key.
struct Entry<'a> {
    at: usize,
    value: DeValue<'a>,
}

impl<'a> Section<'a> {
    /// The table `table` at `path`; `at` is the byte where it begins.
    pub(super) fn new(document: &'a Document<'a>, path: String, at: usize, table: DeTable<'a>) -> Self {
        let entry = |(key, value): (Spanned<Cow<'a, str>>, Spanned<DeValue<'a>>)| {
            let at = key.span().start;
            (key.into_inner().into_owned(), Entry { at, value: value.into_inner() })
        };
        Self { document, path, at, entries: table.into_iter().map(entry).collect(), known: BTreeMap::new() }
    }

    /// Notes a problem with one of its keys, or with the table when `key` is empty.
    pub(super) fn note(&self, key: &str, message: impl Into<String>) {
        let at = self.known.get(key).copied().flatten().unwrap_or(self.at);
        self.document.note(Some(at), self.path_of(key), message);
    }

    /// Whether a problem with this key has been noted.
    pub(super) fn is_wrong(&self, key: &str) -> bool {
        let path = self.path_of(key);
        self.document.problems.borrow().iter().any(|problem| problem.key == path)
    }

    /// The full path of a key.
    fn path_of(&self, key: &str) -> String {
        match (self.path.is_empty(), key.is_empty()) {
            (true, _) => key.to_owned(),
            (false, true) => self.path.clone(),
            (false, false) => format!("{}.{key}", self.path),
        }
    }

    /// Takes a value out.
    fn take(&mut self, key: &'static str) -> Option<Entry<'a>> {
        let entry = self.entries.remove(key);
        self.known.insert(key, entry.as_ref().map(|entry| entry.at));
        entry
    }

    /// Takes a value out and converts it; notes a problem when `convert` cannot.
    fn read<T>(&mut self, key: &'static str, convert: impl FnOnce(&Self, DeValue<'a>) -> Result<T, String>) -> Option<T> {
        let Entry { at, value } = self.take(key)?;
        match convert(self, value) {
            Ok(value) => Some(value),
            Err(message) => {
                self.document.note(Some(at), self.path_of(key), message);
                None
            }
        }
    }

    /// A string, its `${NAME}`s replaced.
    pub(super) fn string(&mut self, key: &'static str) -> Option<String> {
        self.read(key, |section, value| section.text(value))
    }

    /// A string that `parse` accepts; else `expected` says what it should be.
    pub(super) fn parsed<T>(&mut self, key: &'static str, expected: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        self.read(key, |section, value| parse(&section.text(value)?).ok_or_else(|| format!("expected {expected}")))
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, key: &'static str) -> Option<bool> {
        self.read(key, |_, value| match value {
            DeValue::Boolean(value) => Ok(value),
            other => Err(format!("expected `true` or `false`, not {}", article(&other))),
        })
    }

    /// A whole number from `least` to `most`.
    pub(super) fn number(&mut self, key: &'static str, least: u32, most: u32) -> Option<u32> {
        self.read(key, |_, value| {
            let expected = || format!("expected a whole number from {least} to {most}");
            let DeValue::Integer(number) = value else { return Err(expected()) };
            let number = u32::from_str_radix(number.as_str(), number.radix()).map_err(|_| expected())?;
            (least..=most).contains(&number).then_some(number).ok_or_else(expected)
        })
    }

    /// A duration such as `"30s"`, from `least` to `most`.
    pub(super) fn duration(&mut self, key: &'static str, least: Duration, most: Duration) -> Option<Duration> {
        self.read(key, |section, value| {
            let expected = "expected a duration with its unit, for example `\"30s\"` or `\"10m\"`";
            if !value.is_str() {
                return Err(expected.to_owned());
            }
            let text = section.text(value)?;
            let duration = humantime::parse_duration(&text).map_err(|_| expected)?;
            (least..=most)
                .contains(&duration)
                .then_some(duration)
                .ok_or_else(|| format!("expected from {} to {}", humantime::format_duration(least), humantime::format_duration(most)))
        })
    }

    /// A number of bytes such as `"96 KiB"`, from `least` to `most`.
    pub(super) fn size(&mut self, key: &'static str, least: u64, most: u64) -> Option<usize> {
        self.read(key, |section, value| {
            let expected = "expected a size with its unit, for example `\"96 KiB\"`";
            if !value.is_str() {
                return Err(expected.to_owned());
            }
            let text = section.text(value)?;
            let size: ByteSize = text.parse().map_err(|_| expected)?;
            let fits = (least..=most).contains(&size.as_u64()).then_some(size.as_u64());
            fits.and_then(|size| usize::try_from(size).ok())
                .ok_or_else(|| format!("expected from {} to {}", ByteSize(least).display().iec(), ByteSize(most).display().iec()))
        })
    }

    /// A path; a relative one starts at the file's folder.
    pub(super) fn path(&mut self, key: &'static str) -> Option<PathBuf> {
        self.read(key, |section, value| Ok(section.document.folder.join(section.text(value)?)))
    }

    /// A list of strings.
    pub(super) fn strings(&mut self, key: &'static str) -> Option<Vec<String>> {
        self.read(key, |section, value| match value {
            DeValue::Array(items) => items.into_iter().map(|item| section.text(item.into_inner())).collect(),
            other => Err(format!("expected a list of strings, not {}", article(&other))),
        })
    }

    /// A list of strings that `parse` accepts, each of them; else `expected` says what one should be.
    pub(super) fn parsed_list<T>(&mut self, key: &'static str, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Vec<T>> {
        self.read(key, |section, value| match value {
            DeValue::Array(items) => {
                let parsed = |item| parse(&section.text(item)?).ok_or_else(|| format!("expected {expected}"));
                items.into_iter().map(|item| parsed(item.into_inner())).collect()
            }
            other => Err(format!("expected a list of strings, not {}", article(&other))),
        })
    }

    /// Whether this key is there and holds a table.
    pub(super) fn holds_table(&self, key: &str) -> bool {
        self.entries.get(key).is_some_and(|entry| entry.value.is_table())
    }

    /// A table of its own; an empty one when it is not there.
    pub(super) fn table(&mut self, key: &'static str) -> Section<'a> {
        self.optional_table(key).unwrap_or_else(|| Section::new(self.document, self.path_of(key), self.at, DeTable::new()))
    }

    /// A table of its own, when it is there.
    pub(super) fn optional_table(&mut self, key: &'static str) -> Option<Section<'a>> {
        let at = self.entries.get(key).map_or(self.at, |entry| entry.at);
        let table = self.read(key, |_, value| match value {
            DeValue::Table(table) => Ok(table),
            other => Err(format!("expected a table, not {}", article(&other))),
        })?;
        Some(Section::new(self.document, self.path_of(key), at, table))
    }

    /// Everything in this table, each as JSON, `${NAME}`s replaced.
    pub(super) fn into_json(mut self) -> BTreeMap<String, serde_json::Value> {
        let mut values = BTreeMap::new();
        for (key, Entry { at, value }) in std::mem::take(&mut self.entries) {
            match self.json(value) {
                Ok(value) => {
                    values.insert(key, value);
                }
                Err(message) => self.document.note(Some(at), self.path_of(&key), message),
            }
        }
        values
    }

    /// The tables in this one, by their names.
    pub(super) fn into_tables(mut self) -> Vec<(String, Section<'a>)> {
        let mut tables = Vec::new();
        for (key, Entry { at, value }) in std::mem::take(&mut self.entries) {
            let path = self.path_of(&key);
            match value {
                DeValue::Table(table) => tables.push((key, Section::new(self.document, path, at, table))),
                other => self.document.note(Some(at), path, format!("expected a table, not {}", article(&other))),
            }
        }
        tables
    }

    /// The strings in this table, by their names, each as `parse` makes of it.
    pub(super) fn into_parsed<T>(mut self, expected: &str, parse: impl Fn(&str) -> Option<T>) -> Vec<(String, T)> {
        let mut values = Vec::new();
        for (key, Entry { at, value }) in std::mem::take(&mut self.entries) {
            match self.text(value).and_then(|text| parse(&text).ok_or_else(|| format!("expected {expected}"))) {
                Ok(value) => values.push((key, value)),
                Err(message) => self.document.note(Some(at), self.path_of(&key), message),
            }
        }
        values
    }

    /// The strings and the tables in this one, by their names, each the one or the other. A name that `is_name` refuses is noted
    /// and left out; `expected` says what names are like.
    pub(super) fn into_strings_and_tables(
        mut self,
        is_name: impl Fn(&str) -> bool,
        expected: &str,
    ) -> Vec<(String, Option<String>, Option<Section<'a>>)> {
        let mut values = Vec::new();
        for (key, Entry { at, value }) in std::mem::take(&mut self.entries) {
            let path = self.path_of(&key);
            if !is_name(&key) {
                self.document.note(Some(at), path, expected);
                continue;
            }
            if let DeValue::Table(table) = value {
                values.push((key, None, Some(Section::new(self.document, path, at, table))));
                continue;
            }
            match self.text(value) {
                Ok(text) => values.push((key, Some(text), None)),
                Err(message) => self.document.note(Some(at), path, message),
            }
        }
        values
    }

    /// Notes every key that nobody asked for.
    pub(super) fn finish(self) {
        for (key, entry) in &self.entries {
            let distance = |known: &&&str| strsim::damerau_levenshtein(known, key);
            let message = match self.known.keys().min_by_key(distance) {
                Some(near) if distance(&near) <= near.len().max(3) / 3 => format!("unknown key; did you mean `{near}`?"),
                _ if self.known.is_empty() => "unknown key".to_owned(),
                _ => format!("unknown key; there is {}", self.known.keys().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")),
            };
            self.document.note(Some(entry.at), self.path_of(key), message);
        }
    }

    fn text(&self, value: DeValue<'a>) -> Result<String, String> {
        match value {
            DeValue::String(text) => substitute(&text, self.document.find_variable),
            other => Err(format!("expected a string, not {}", article(&other))),
        }
    }

    fn json(&self, value: DeValue<'a>) -> Result<serde_json::Value, String> {
        Ok(match value {
            DeValue::String(text) => substitute(&text, self.document.find_variable)?.into(),
            DeValue::Integer(number) => {
                i64::from_str_radix(number.as_str(), number.radix()).map_err(|_| "expected a number of 64 bits".to_owned())?.into()
            }
            DeValue::Float(number) => number
                .as_str()
                .parse::<f64>()
                .ok()
                .and_then(serde_json::Number::from_f64)
                .ok_or_else(|| "expected a number that JSON can hold".to_owned())?
                .into(),
            DeValue::Boolean(value) => value.into(),
            DeValue::Datetime(moment) => moment.to_string().into(),
            DeValue::Array(items) => items.into_iter().map(|item| self.json(item.into_inner())).collect::<Result<Vec<_>, _>>()?.into(),
            DeValue::Table(table) => table
                .into_iter()
                .map(|(key, value)| Ok((key.into_inner().into_owned(), self.json(value.into_inner())?)))
                .collect::<Result<serde_json::Map<_, _>, String>>()?
                .into(),
        })
    }
}

/// What a value is, with its article.
fn article(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// Replaces each `${NAME}` with the variable's value; `$${` stands for `${`.
fn substitute(text: &str, find_variable: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let before = &rest[..start];
        if let Some(escaped) = before.strip_suffix('$') {
            result.push_str(escaped);
            result.push_str("${");
            rest = &rest[start + 2..];
            continue;
        }
        result.push_str(before);
        let (name, after) = rest[start + 2..].split_once('}').ok_or("a `${` without its `}`; write `$${` for the characters themselves")?;
        result.push_str(&find_variable(name).ok_or_else(|| format!("the environment variable `{name}` is not set"))?);
        rest = after;
    }
    result.push_str(rest);
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(name: &str) -> Option<String> {
        (name == "A").then(|| "1${A}".to_owned())
    }

    #[test]
    fn variables_are_replaced_once_and_escapes_are_kept() {
        assert_eq!(substitute("x${A}y$z", &variable), Ok("x1${A}y$z".to_owned()));
        assert_eq!(substitute("$${A} ${A}", &variable), Ok("${A} 1${A}".to_owned()));
    }

    #[test]
    fn an_unset_variable_is_named() {
        assert_eq!(substitute("${NOT_SET}", &variable), Err("the environment variable `NOT_SET` is not set".to_owned()));
        assert!(substitute("${A", &variable).is_err());
    }
}
