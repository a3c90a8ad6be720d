//! Splits a statement into tokens exactly where the engine of its dialect does.
//!
//! What a text check and an engine read differently is a way around the check, so every rule here is the engine's own:
//! <https://www.postgresql.org/docs/current/sql-syntax-lexical.html>, <https://dev.mysql.com/doc/refman/8.4/en/language-structure.html>
//! and SQLite's `tokenize.c`. The host fixes the settings that would change them: `standard_conforming_strings`,
//! `sql_mode`, the character set of the connection.

use std::borrow::Cow;

use crate::database::error::DatabaseError;
use crate::database::error::ErrorKind;
use super::comment;
use crate::config::EngineKind;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A keyword or a name without quotes.
    Word,
    /// A name in quotes.
    Quoted,
    /// A string, or another literal in quotes.
    Text,
    /// A number.
    Number,
    /// A place for a parameter.
    Parameter,
    /// A variable of MySQL, `@name` or `@@name`.
    Variable,
    /// One character of an operator or of punctuation.
    Symbol,
}

/// One token. Comments and white space are none.
#[derive(Clone, Debug)]
pub(super) struct Token<'a> {
    /// What it is.
    pub(super) kind: TokenKind,
    /// Whether a `.` stands before it, so that it is a name whatever it spells.
    pub(super) after_dot: bool,
    /// A name decoded, without its quotes; what is between the quotes of a string; anything else as written.
    pub(super) text: Cow<'a, str>,
    /// Where it begins in the text, in bytes.
    pub(super) start: usize,
    /// Where it ends.
    pub(super) end: usize,
}

impl Token<'_> {
    /// Whether it is this keyword, given in upper case.
    pub(super) fn is(&self, keyword: &str) -> bool {
        self.kind == TokenKind::Word && !self.after_dot && self.text.eq_ignore_ascii_case(keyword)
    }

    /// Whether it is one of these keywords, given in upper case.
    pub(super) fn is_any(&self, keywords: &[&str]) -> bool {
        keywords.iter().any(|keyword| self.is(keyword))
    }

    /// Whether it is this character.
    pub(super) fn is_symbol(&self, symbol: char) -> bool {
        self.kind == TokenKind::Symbol && self.text.starts_with(symbol)
    }

    /// Whether it can be a name or a part of one.
    pub(super) fn is_name(&self) -> bool {
        matches!(self.kind, TokenKind::Word | TokenKind::Quoted)
    }
}

/// Splits `text` into tokens.
///
/// # Errors
///
/// `Refused` for control characters and for comments that MySQL runs, `Syntax` for what is never closed.
pub(super) fn tokens(text: &str, engine: EngineKind) -> Result<Vec<Token<'_>>, DatabaseError> {
    refuse_control_characters(text)?;
    let mut lexer = Lexer { text, bytes: text.as_bytes(), position: 0, engine, tokens: Vec::with_capacity(64), unicode_names: Vec::new() };
    while lexer.position < text.len() {
        lexer.step()?;
    }
    lexer.finish()
}

/// A NUL makes one driver spin and another cut the text; the others have no place in a statement outside of parameters.
fn refuse_control_characters(text: &str) -> Result<(), DatabaseError> {
    let Some(found) = text.bytes().find(|byte| *byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r')) else { return Ok(()) };
    Err(DatabaseError::new(ErrorKind::Refused, format!("the statement contains the control character U+{found:04X}"))
        .hint("pass such a value as a parameter"))
}

/// Whether a byte may stand inside a name, the same in all three dialects.
pub(super) fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || byte >= 0x80
}

struct Lexer<'a> {
    text: &'a str,
    bytes: &'a [u8],
    position: usize,
    engine: EngineKind,
    tokens: Vec<Token<'a>>,
    /// Names written `U&"…"`, by their place among the tokens: their escape character may come after them.
    unicode_names: Vec<usize>,
}

impl<'a> Lexer<'a> {
    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.position + ahead).copied().unwrap_or(0)
    }

    /// Reads one token, one comment or one piece of white space.
    fn step(&mut self) -> Result<(), DatabaseError> {
        use EngineKind::MySql;
        use EngineKind::Postgres;
        use EngineKind::Sqlite;
        let byte = self.peek(0);
        match (byte, self.engine) {
            (b' ' | b'\t' | b'\n' | b'\r', _) => self.position += 1,
            (b'-', _) if comment::is_line(self.bytes, self.position, self.engine) => self.skip_line(),
            (b'#', MySql) => self.skip_line(),
            (b'/', _) if self.peek(1) == b'*' => self.position = comment::block_end(self.text, self.position, self.engine)?,
            (b'\'', _) => self.string(self.position, self.position, self.engine == MySql)?,
            (b'"', MySql) => self.string(self.position, self.position, true)?,
            (b'"', _) | (b'`', MySql | Sqlite) => self.quoted_name(self.position)?,
            (b'[', Sqlite) => self.bracketed_name()?,
            (b'$', Postgres) => self.dollar()?,
            (b'?', MySql) => self.push(TokenKind::Parameter, self.position + 1),
            (b'?', Sqlite) => self.push(TokenKind::Parameter, self.end_of(self.position + 1, |byte| byte.is_ascii_digit())),
            (b'$' | b'@' | b'#' | b':', Sqlite) => self.sqlite_parameter()?,
            (b'@', MySql) => self.mysql_variable()?,
            (b'\\', MySql) if self.peek(1) == b'N' => self.push(TokenKind::Text, self.position + 2),
            (b'0'..=b'9', _) => self.number(),
            (b'.', _) if self.peek(1).is_ascii_digit() => self.number(),
            (0xEF, Sqlite) if self.bytes[self.position..].starts_with(b"\xEF\xBB\xBF") => self.position += 3,
            (b'$', MySql) => self.word()?,
            (b'a'..=b'z' | b'A'..=b'Z' | b'_' | 0x80.., _) => self.word()?,
            _ => self.push(TokenKind::Symbol, self.position + 1),
        }
        Ok(())
    }

    fn end_of(&self, from: usize, belongs: impl Fn(u8) -> bool) -> usize {
        self.bytes[from..].iter().position(|byte| !belongs(*byte)).map_or(self.bytes.len(), |length| from + length)
    }

    fn push(&mut self, kind: TokenKind, end: usize) {
        self.push_text(kind, self.position, end, Cow::Borrowed(&self.text[self.position..end]));
    }

    fn push_text(&mut self, kind: TokenKind, start: usize, end: usize, text: Cow<'a, str>) {
        let after_dot = self.tokens.last().is_some_and(|token| token.is_symbol('.'));
        self.tokens.push(Token { kind, after_dot, text, start, end });
        self.position = end;
    }

    fn skip_line(&mut self) {
        self.position = comment::line_end(self.bytes, self.position, self.engine);
    }

    fn word(&mut self) -> Result<(), DatabaseError> {
        let end = self.end_of(self.position, is_name_byte);
        if self.engine == EngineKind::Postgres && end == self.position + 1 {
            let start = self.position;
            match (self.peek(0), self.peek(1), self.peek(2)) {
                (b'e' | b'E', b'\'', _) => return self.string(start, start + 1, true),
                (b'b' | b'B' | b'x' | b'X' | b'n' | b'N', b'\'', _) => return self.string(start, start + 1, false),
                (b'u' | b'U', b'&', b'\'') => return self.string(start, start + 2, false),
                (b'u' | b'U', b'&', b'"') => {
                    self.unicode_names.push(self.tokens.len());
                    return self.quoted_name(start + 2);
                }
                _ => {}
            }
        }
        self.push(TokenKind::Word, end);
        Ok(())
    }

    /// Reads a string that begins at `start` and whose quote is at `open`.
    fn string(&mut self, start: usize, open: usize, backslash_escapes: bool) -> Result<(), DatabaseError> {
        let quote = self.bytes[open];
        let mut position = open + 1;
        loop {
            match self.bytes.get(position) {
                None => return Err(self.unclosed("string", open)),
                Some(b'\\') if backslash_escapes => position += 2,
                Some(byte) if *byte == quote && self.bytes.get(position + 1) == Some(&quote) => position += 2,
                Some(byte) if *byte == quote => {
                    let continued = backslash_escapes && self.engine == EngineKind::Postgres;
                    match continued.then(|| self.continuation(position + 1)).flatten() {
                        Some(next) => position = next,
                        None => break,
                    }
                }
                Some(_) => position += 1,
            }
        }
        self.push_text(TokenKind::Text, start, position + 1, Cow::Borrowed(&self.text[open + 1..position]));
        Ok(())
    }

    /// Where an `E'…'` string goes on after its closing quote, with its escapes: past a line break and another quote.
    fn continuation(&self, from: usize) -> Option<usize> {
        let mut position = from;
        let mut line_break = false;
        loop {
            match self.bytes.get(position)? {
                b' ' | b'\t' => position += 1,
                b'\n' | b'\r' => {
                    line_break = true;
                    position += 1;
                }
                b'-' if comment::is_line(self.bytes, position, self.engine) => {
                    position = comment::line_end(self.bytes, position, self.engine);
                }
                b'\'' if line_break => return Some(position + 1),
                _ => return None,
            }
        }
    }

    /// Reads a name in `""` or backticks, its quote at `open`.
    fn quoted_name(&mut self, open: usize) -> Result<(), DatabaseError> {
        let quote = self.bytes[open];
        let mut position = open + 1;
        let mut doubled = false;
        loop {
            match self.bytes.get(position) {
                None => return Err(self.unclosed("quoted name", open)),
                Some(byte) if *byte == quote && self.bytes.get(position + 1) == Some(&quote) => {
                    doubled = true;
                    position += 2;
                }
                Some(byte) if *byte == quote => break,
                Some(_) => position += 1,
            }
        }
        let inner = &self.text[open + 1..position];
        let quote = char::from(quote);
        let name = if doubled { Cow::Owned(inner.replace(&format!("{quote}{quote}"), &quote.to_string())) } else { Cow::Borrowed(inner) };
        self.push_text(TokenKind::Quoted, self.position, position + 1, name);
        Ok(())
    }

    fn bracketed_name(&mut self) -> Result<(), DatabaseError> {
        let open = self.position;
        let Some(length) = self.text[open..].find(']') else { return Err(self.unclosed("quoted name", open)) };
        self.push_text(TokenKind::Quoted, open, open + length + 1, Cow::Borrowed(&self.text[open + 1..open + length]));
        Ok(())
    }

    /// `$1`, or a string between two equal `$tag$`.
    fn dollar(&mut self) -> Result<(), DatabaseError> {
        let open = self.position;
        if self.peek(1).is_ascii_digit() {
            self.push(TokenKind::Parameter, self.end_of(open + 1, |byte| byte.is_ascii_digit()));
            return Ok(());
        }
        let tag_end = self.end_of(open + 1, |byte| is_name_byte(byte) && byte != b'$');
        if self.bytes.get(tag_end) != Some(&b'$') {
            self.push(TokenKind::Symbol, open + 1);
            return Ok(());
        }
        let body = tag_end + 1;
        let delimiter = &self.text[open..body];
        let Some(length) = self.text[body..].find(delimiter) else { return Err(self.unclosed("dollar-quoted string", open)) };
        let inner = Cow::Borrowed(&self.text[body..body + length]);
        self.push_text(TokenKind::Text, open, body + length + delimiter.len(), inner);
        Ok(())
    }

    /// `$name`, `@name`, `:name`, with the suffixes `::name` and `(…)` that SQLite takes from Tcl.
    fn sqlite_parameter(&mut self) -> Result<(), DatabaseError> {
        let open = self.position;
        let mut position = open + 1;
        let mut named = false;
        while let Some(byte) = self.bytes.get(position) {
            match byte {
                byte if is_name_byte(*byte) => {
                    named = true;
                    position += 1;
                }
                b'(' if named => {
                    let end = self.end_of(position + 1, |byte| byte != b')' && !byte.is_ascii_whitespace());
                    if self.bytes.get(end) != Some(&b')') {
                        return Err(self.unclosed("parameter name", open));
                    }
                    position = end + 1;
                    break;
                }
                b':' if self.bytes.get(position + 1) == Some(&b':') => position += 2,
                _ => break,
            }
        }
        self.push(if named { TokenKind::Parameter } else { TokenKind::Symbol }, position);
        Ok(())
    }

    /// `@name`, `@'name'`, `@@scope.name`.
    fn mysql_variable(&mut self) -> Result<(), DatabaseError> {
        let open = self.position;
        let name = if self.peek(1) == b'@' { open + 2 } else { open + 1 };
        match self.bytes.get(name) {
            Some(b'\'' | b'"') => self.string(open, name, true)?,
            Some(b'`') => self.quoted_name(name)?,
            Some(byte) if is_name_byte(*byte) || *byte == b'.' => {
                self.push(TokenKind::Variable, self.end_of(name, |byte| is_name_byte(byte) || byte == b'.'));
                return Ok(());
            }
            _ => {
                self.push(TokenKind::Symbol, open + 1);
                return Ok(());
            }
        }
        if let Some(token) = self.tokens.last_mut() {
            token.kind = TokenKind::Variable;
            token.start = open;
        }
        Ok(())
    }

    /// Reads a number, and no letter more than the engine does: `1into` is two tokens to older PostgreSQL.
    fn number(&mut self) {
        let digits = |from: usize| self.end_of(from, |byte| byte.is_ascii_digit());
        let start = self.position;
        let mut end = digits(start);
        if self.bytes.get(end) == Some(&b'.') {
            end = digits(end + 1);
        } else if self.engine == EngineKind::MySql && self.bytes.get(end).is_some_and(|byte| is_name_byte(*byte)) && !self.exponent(end) {
            self.push(TokenKind::Word, self.end_of(start, is_name_byte));
            return;
        }
        if self.exponent(end) {
            end = digits(end + 2);
        }
        self.push(TokenKind::Number, end);
    }

    /// Whether an exponent with at least one digit stands at `position`.
    fn exponent(&self, position: usize) -> bool {
        let at = |offset: usize| self.bytes.get(position + offset).copied().unwrap_or(0);
        matches!(at(0), b'e' | b'E') && (at(1).is_ascii_digit() || (matches!(at(1), b'+' | b'-') && at(2).is_ascii_digit()))
    }

    /// Decodes the names written `U&"…"`, now that a `UESCAPE` after them has been read.
    fn finish(self) -> Result<Vec<Token<'a>>, DatabaseError> {
        if self.unicode_names.is_empty() {
            return Ok(self.tokens);
        }
        let mut encoded = self.unicode_names.into_iter().peekable();
        let mut decoded = Vec::with_capacity(self.tokens.len());
        let mut tokens = self.tokens.into_iter().enumerate().peekable();
        while let Some((index, mut token)) = tokens.next() {
            if encoded.next_if_eq(&index).is_some() {
                let mut escape = Some('\\');
                if tokens.next_if(|(_, next)| next.is("UESCAPE")).is_some() {
                    let literal = tokens.next_if(|(_, next)| next.kind == TokenKind::Text).map(|(_, literal)| literal);
                    token.end = literal.as_ref().map_or(token.end, |literal| literal.end);
                    escape = literal.and_then(|literal| literal.text.chars().next());
                }
                let name = escape.and_then(|escape| decode_unicode(&token.text, escape));
                let Some(name) = name else {
                    return Err(DatabaseError::new(ErrorKind::Syntax, "a Unicode escape in a name written `U&\"…\"` is not valid"));
                };
                token.text = Cow::Owned(name);
            }
            decoded.push(token);
        }
        Ok(decoded)
    }

    fn unclosed(&self, what: &str, open: usize) -> DatabaseError {
        let line = self.text[..open].matches('\n').count() + 1;
        DatabaseError::new(ErrorKind::Syntax, format!("a {what} that begins in line {line} is never closed"))
    }
}

/// Decodes `\0061` and `\+000061`, with `escape` in place of the backslash.
fn decode_unicode(name: &str, escape: char) -> Option<String> {
    let mut decoded = String::with_capacity(name.len());
    let mut rest = name.chars();
    while let Some(letter) = rest.next() {
        if letter != escape {
            decoded.push(letter);
            continue;
        }
        let (length, digits) = match rest.clone().next()? {
            letter if letter == escape => {
                rest.next();
                decoded.push(escape);
                continue;
            }
            '+' => {
                rest.next();
                (6, rest.as_str())
            }
            _ => (4, rest.as_str()),
        };
        let code = digits.get(..length).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        decoded.push(char::from_u32(u32::from_str_radix(code, 16).ok()?)?);
        rest = digits.get(length..)?.chars();
    }
    Some(decoded)
}
