//! Tells the tables of a statement from its tokens, for when no parser can.

use std::collections::BTreeSet;

use super::lexer::Token;

/// Keywords after which a table is named.
const BEFORE_A_TABLE: &[&str] = &["FROM", "JOIN", "INTO", "UPDATE", "TABLE", "STRAIGHT_JOIN"];

/// Functions whose arguments have a `FROM` of their own.
const WITH_FROM: &[&str] = &["EXTRACT", "SUBSTRING", "SUBSTR", "TRIM", "OVERLAY", "MID"];

/// Words that may stand between such a keyword and the table.
const BETWEEN: &[&str] = &["ONLY", "IF", "NOT", "EXISTS", "LOW_PRIORITY", "IGNORE"];

/// Keywords that are no table where one could stand.
const NO_TABLE: &[&str] = &["SELECT", "VALUES", "LATERAL", "UNNEST", "SET", "DUAL", "OUTFILE", "DUMPFILE", "OR", "UPDATE", "SHARE", "ROWS"];

/// The tables that `tokens` name, without quotes and with their schema, sorted; common table expressions are none.
pub(super) fn tables(tokens: &[Token<'_>]) -> Vec<String> {
    let mut tables = BTreeSet::new();
    let mut function_depths = Vec::new();
    let mut lists: Vec<usize> = Vec::new();
    let mut depth = 0_usize;
    for (index, token) in tokens.iter().enumerate() {
        if token.is_symbol('(') {
            depth += 1;
            if index.checked_sub(1).is_some_and(|before| tokens[before].is_any(WITH_FROM)) {
                function_depths.push(depth);
            }
        } else if token.is_symbol(')') {
            function_depths.pop_if(|function| *function >= depth);
            lists.pop_if(|list| *list >= depth);
            depth = depth.saturating_sub(1);
        } else if token.is_any(BEFORE_A_TABLE) && is_clause(tokens, index, function_depths.last() == Some(&depth)) {
            tables.extend(name_at(tokens, index + 1));
            if token.is("FROM") && lists.last() != Some(&depth) {
                lists.push(depth);
            }
        } else if token.is_symbol(',') && lists.last() == Some(&depth) {
            tables.extend(name_at(tokens, index + 1));
        } else if lists.last() == Some(&depth)
            && token.is_any(&["WHERE", "GROUP", "ORDER", "HAVING", "LIMIT", "WINDOW", "UNION", "SELECT", "USING", "ON"])
        {
            lists.pop();
        }
    }
    let common = common_names(tokens);
    tables.retain(|table| !common.contains(&table.to_lowercase()));
    tables.into_iter().collect()
}

fn is_clause(tokens: &[Token<'_>], index: usize, in_function: bool) -> bool {
    let before = index.checked_sub(1).map(|before| &tokens[before]);
    let is_comparison = before.is_some_and(|before| before.is("DISTINCT")) && index >= 2 && tokens[index - 2].is_any(&["IS", "NOT"]);
    let is_lock = tokens[index].is("UPDATE") && before.is_some_and(|before| before.is_any(&["FOR", "KEY", "DO", "ON", "OR"]));
    !in_function && !is_comparison && !is_lock
}

/// The table named at `index`; none when a subquery or a function stands there.
fn name_at(tokens: &[Token<'_>], index: usize) -> Option<String> {
    let first = (index..tokens.len()).find(|at| !tokens[*at].is_any(BETWEEN))?;
    if !tokens[first].is_name() || tokens[first].is_any(NO_TABLE) {
        return None;
    }
    let mut name = tokens[first].text.to_string();
    let mut last = first;
    while tokens.get(last + 1).is_some_and(|dot| dot.is_symbol('.')) && tokens.get(last + 2).is_some_and(Token::is_name) {
        last += 2;
        name.push('.');
        name.push_str(&tokens[last].text);
    }
    let is_call = tokens.get(last + 1).is_some_and(|next| next.is_symbol('(')) && !tokens[index - 1].is_any(&["INTO", "TABLE"]);
    (!is_call).then_some(name)
}

/// The names of common table expressions, in lower case.
fn common_names(tokens: &[Token<'_>]) -> BTreeSet<String> {
    let is_body = |index: usize| {
        let mut rest = tokens[index..].iter().take(4).skip_while(|token| token.is_any(&["NOT", "MATERIALIZED"]));
        rest.next().is_some_and(|token| token.is_symbol('('))
    };
    let mut names = BTreeSet::new();
    for (index, token) in tokens.iter().enumerate() {
        let begins = token.is_symbol(',') || token.is_any(&["WITH", "RECURSIVE"]);
        let Some(name) = tokens.get(index + 1).filter(|name| begins && name.is_name()) else { continue };
        let mut after = index + 2;
        if tokens.get(after).is_some_and(|token| token.is_symbol('(')) {
            let closing = tokens[after..].iter().take(256).position(|token| token.is_symbol(')'));
            after += closing.map_or(0, |closing| closing + 1);
        }
        if tokens.get(after).is_some_and(|token| token.is("AS")) && is_body(after + 1) {
            names.insert(name.text.to_lowercase());
        }
    }
    names
}
