//! Full text search: documents and queries in PostgreSQL's text form.

use std::fmt::Write;

use super::decode::Reader;

/// Operators nested deeper than this are not shown; the server's own parser has a stack limit near it.
const DEEPEST: usize = 2_000;

/// A `tsvector`: `'fox':3A 'jump':4,9`
pub(super) fn vector(reader: &mut Reader<'_>) -> Option<String> {
    let count = reader.u32()?;
    let mut text = String::new();
    for index in 0..count {
        if index > 0 {
            text.push(' ');
        }
        put_quoted(&mut text, reader.c_string()?);
        let positions = reader.i16()?;
        for index in 0..positions {
            let position = reader.i16()?.cast_unsigned();
            let weight = ["", "C", "B", "A"][usize::from(position >> 14)];
            let mark = if index == 0 { ':' } else { ',' };
            // Writing to a `String` cannot fail.
            let _ = write!(text, "{mark}{}{weight}", position & 0x3fff);
        }
    }
    Some(text)
}

/// A `tsquery`: `'fox' & ( 'jump' | !'lazy':*A )`
pub(super) fn query(reader: &mut Reader<'_>) -> Option<String> {
    if reader.u32()? == 0 {
        return Some(String::new());
    }
    let mut text = String::new();
    put_node(&mut text, &node(reader, 0)?, 0, false);
    Some(text)
}

enum Node {
    Word(String),
    Not(Box<Node>),
    Both { operator: String, priority: u8, left: Box<Node>, right: Box<Node> },
}

/// Priorities as the server has them: phrase binds closer than and, not closest.
const OR: u8 = 1;
const AND: u8 = 2;
const PHRASE: u8 = 3;
const NOT: u8 = 4;

/// Reads one node: an operator stands before its operands, the right one first.
fn node(reader: &mut Reader<'_>, depth: usize) -> Option<Node> {
    if depth > DEEPEST {
        return None;
    }
    if reader.u8()? == 1 {
        let weights = reader.u8()?;
        let prefix = reader.u8()? != 0;
        let mut word = String::new();
        put_quoted(&mut word, reader.c_string()?);
        if prefix || weights != 0 {
            word.push(':');
        }
        if prefix {
            word.push('*');
        }
        word.extend([(8, 'A'), (4, 'B'), (2, 'C'), (1, 'D')].iter().filter(|(bit, _)| weights & bit != 0).map(|(_, letter)| *letter));
        return Some(Node::Word(word));
    }
    let (operator, priority) = match reader.u8()? {
        1 => return Some(Node::Not(Box::new(node(reader, depth + 1)?))),
        2 => ("&".to_owned(), AND),
        3 => ("|".to_owned(), OR),
        4 => match reader.i16()? {
            1 => ("<->".to_owned(), PHRASE),
            distance => (format!("<{distance}>"), PHRASE),
        },
        _ => return None,
    };
    let right = Box::new(node(reader, depth + 1)?);
    let left = Box::new(node(reader, depth + 1)?);
    Some(Node::Both { operator, priority, left, right })
}

fn put_node(text: &mut String, node: &Node, around: u8, right_of_phrase: bool) {
    match node {
        Node::Word(word) => text.push_str(word),
        Node::Not(inner) => {
            let bracket = NOT < around;
            text.push_str(if bracket { "( !" } else { "!" });
            put_node(text, inner, NOT, false);
            text.push_str(if bracket { " )" } else { "" });
        }
        Node::Both { operator, priority, left, right } => {
            let bracket = *priority < around || (*priority == PHRASE && right_of_phrase);
            text.push_str(if bracket { "( " } else { "" });
            put_node(text, left, *priority, false);
            let _ = write!(text, " {operator} ");
            put_node(text, right, *priority, *priority == PHRASE);
            text.push_str(if bracket { " )" } else { "" });
        }
    }
}

fn put_quoted(text: &mut String, word: &str) {
    text.push('\'');
    for letter in word.chars() {
        if letter == '\'' || letter == '\\' {
            text.push(letter);
        }
        text.push(letter);
    }
    text.push('\'');
}
