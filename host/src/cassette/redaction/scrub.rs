//! Values that are taken out of whatever text they are in.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Map;
use serde_json::Value as Json;

use super::MARK;

/// Bytes from which on a value is taken out of the middle of words too.
const LONG: usize = 4;

/// Values, each in the forms in which it may be written.
#[derive(Default)]
pub(super) struct Scrub {
    long: BTreeSet<String>,
    short: BTreeSet<String>,
}

impl Scrub {
    /// A secret, also in the encodings in which it may be sent.
    pub(super) fn add_secret(&mut self, secret: &str) {
        self.add(secret);
        let percent = secret.bytes().fold(String::new(), |mut text, byte| {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => text.push(char::from(byte)),
                byte => {
                    let _ = write!(text, "%{byte:02X}");
                }
            }
            text
        });
        let encoded = [STANDARD.encode(secret), URL_SAFE_NO_PAD.encode(secret), hexadecimal(secret.as_bytes()), percent];
        self.long.extend(encoded.into_iter().filter(|text| text.len() >= LONG));
    }

    /// A text.
    pub(super) fn add(&mut self, value: &str) {
        if value.is_empty() || MARK.contains(value) {
            return;
        }
        let escaped = Json::from(value).to_string();
        for form in [value, escaped.trim_matches('"')] {
            let kind = if form.len() >= LONG && !form.bytes().all(|byte| byte.is_ascii_digit()) { &mut self.long } else { &mut self.short };
            kind.insert(form.to_owned());
        }
    }

    /// A cell, as SQL values are written.
    pub(super) fn add_cell(&mut self, cell: &Json) {
        match cell {
            Json::String(text) => self.add(text),
            Json::Number(number) => self.add(&number.to_string()),
            Json::Object(object) => {
                for (kind, payload) in object {
                    match (kind.as_str(), payload) {
                        ("blob", payload) => self.add_bytes(payload["base64"].as_str().unwrap_or_default()),
                        ("json", Json::String(document)) => {
                            self.add(document);
                            serde_json::from_str::<Json>(document).iter().for_each(|document| self.add_leaves(document));
                        }
                        (_, payload) => self.add_leaves(payload),
                    }
                }
            }
            // A truth value is in everything; what came of it is taken out as a whole.
            Json::Null | Json::Bool(_) | Json::Array(_) => {}
        }
    }

    fn add_bytes(&mut self, encoded: &str) {
        self.add(encoded);
        let bytes = STANDARD.decode(encoded).unwrap_or_default();
        self.add(&hexadecimal(&bytes));
        if let Ok(text) = String::from_utf8(bytes) {
            self.add(&text);
        }
    }

    fn add_leaves(&mut self, json: &Json) {
        match json {
            Json::String(text) => self.add(text),
            Json::Number(number) => self.add(&number.to_string()),
            Json::Array(values) => values.iter().for_each(|value| self.add_leaves(value)),
            Json::Object(object) => object.values().for_each(|value| self.add_leaves(value)),
            Json::Null | Json::Bool(_) => {}
        }
    }

    /// Takes them out of what nobody reads by its type: numbers too, and short values where they stand alone.
    pub(super) fn whole(&self, json: &mut Json) {
        match json {
            Json::String(text) => self.both(text),
            Json::Number(number) if self.short.contains(&number.to_string()) || self.long.contains(&number.to_string()) => {
                *json = MARK.into()
            }
            Json::Array(values) => values.iter_mut().for_each(|value| self.whole(value)),
            Json::Object(object) => {
                self.base64(object);
                object.values_mut().for_each(|value| self.whole(value));
            }
            Json::Number(_) | Json::Bool(_) | Json::Null => {}
        }
    }

    /// Takes the long ones out of the texts of an answer, which a guest reads by its type. Names of columns stay.
    pub(super) fn texts(&self, json: &mut Json) {
        match json {
            Json::String(text) => self.text(text),
            Json::Array(values) => values.iter_mut().for_each(|value| self.texts(value)),
            Json::Object(object) => {
                self.base64(object);
                object
                    .iter_mut()
                    .filter(|(key, _)| !["columns", "base64"].contains(&key.as_str()))
                    .for_each(|(_, value)| self.texts(value));
            }
            Json::Number(_) | Json::Bool(_) | Json::Null => {}
        }
    }

    /// Takes the long ones out of a text.
    pub(super) fn text(&self, text: &mut String) {
        // The longest first: one may be part of another.
        let mut found: Vec<&String> = self.long.iter().filter(|value| text.contains(value.as_str())).collect();
        found.sort_by_key(|value| std::cmp::Reverse(value.len()));
        for value in found {
            *text = text.replace(value.as_str(), MARK);
        }
    }

    fn both(&self, text: &mut String) {
        self.text(text);
        for value in &self.short {
            replace_alone(text, value);
        }
    }

    /// Takes them out of bytes that are text.
    fn base64(&self, object: &mut Map<String, Json>) {
        let Some(Json::String(encoded)) = object.get_mut("base64") else { return };
        let Some(mut text) = STANDARD.decode(encoded.as_bytes()).ok().and_then(|bytes| String::from_utf8(bytes).ok()) else { return };
        let before = text.clone();
        self.text(&mut text);
        if text != before {
            *encoded = STANDARD.encode(text);
        }
    }
}

/// Replaces a value where no letter, digit or point is beside it.
fn replace_alone(text: &mut String, value: &str) {
    let part_of_word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    let mut from = 0;
    while let Some(at) = text[from..].find(value).map(|at| at + from) {
        let end = at + value.len();
        let alone = !text[..at].ends_with(part_of_word) && !text[end..].starts_with(part_of_word);
        if alone {
            text.replace_range(at..end, MARK);
        }
        from = if alone { at + MARK.len() } else { end };
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
