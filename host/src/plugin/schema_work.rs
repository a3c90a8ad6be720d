//! How much work a plugin's schema can make of arguments: bounded before it is compiled.
//!
//! References let a short schema apply many others to one value. Followed in full, a schema may reach so many places and no more. One that
//! comes back to itself must have gone deeper into the value by then, and in one way only: then its work is bounded by the size of
//! the value, and else it may double with each level of it.

use serde_json::Map;
use serde_json::Value as Json;

/// Schemas that are reached when every reference is followed once around.
const REACHED: usize = 10_000;

/// Ways on which a schema comes back to one that it is part of.
const RETURNS: usize = 64;

/// References that are followed one inside the other.
const NESTED: usize = 64;

/// Keywords whose value is a schema for the same value.
const SAME_VALUE: [&str; 4] = ["not", "if", "then", "else"];

/// Keywords whose value is a list of schemas for the same value.
const SAME_VALUE_LISTS: [&str; 3] = ["allOf", "anyOf", "oneOf"];

/// Keywords whose value is a schema for parts of the value that are not named.
const ANY_PART: [&str; 7] =
    ["additionalProperties", "unevaluatedProperties", "additionalItems", "unevaluatedItems", "contains", "items", "propertyNames"];

/// Keywords that refer by what is known only while a value is checked, or that change what other references mean. An `$anchor` is only a
/// name, and a reference by it is one to what is not in the schema.
const NOT_FOLLOWED: [&str; 4] = ["$dynamicRef", "$recursiveRef", "$dynamicAnchor", "$recursiveAnchor"];

/// One step into a value.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Named(String),
    Any,
}

/// Checks that the work of a schema is bounded.
///
/// # Errors
///
/// What makes it unbounded, as a sentence about "a schema of it".
pub(super) fn check(schema: &Json) -> Result<(), String> {
    let mut walk = Walk { root: schema, reached: 0, place: Vec::new(), followed: Vec::new(), returns: Vec::new() };
    walk.schema(schema)?;
    for (number, one) in walk.returns.iter().enumerate() {
        if walk.returns[number + 1..].iter().any(|other| overlap(one, other)) {
            return Err("a schema of it comes back to itself in several ways at one place, and its work would grow without bound".into());
        }
    }
    Ok(())
}

/// Whether the shorter of two places may be on the way to the longer one.
fn overlap(one: &[Step], other: &[Step]) -> bool {
    one.iter().zip(other).all(|(one, other)| one == other || *one == Step::Any || *other == Step::Any)
}

struct Walk<'a> {
    root: &'a Json,
    reached: usize,
    /// Where in the value the schema applies.
    place: Vec<Step>,
    /// The references that are being followed, each with the depth in the value at which that began.
    followed: Vec<(String, usize)>,
    /// Where in the value a schema comes back to itself.
    returns: Vec<Vec<Step>>,
}

impl<'a> Walk<'a> {
    fn schema(&mut self, schema: &'a Json) -> Result<(), String> {
        self.reached += 1;
        if self.reached > REACHED {
            return Err(format!("a schema of it applies more than {REACHED} others when its references are followed"));
        }
        let Json::Object(members) = schema else { return Ok(()) };
        if let Some(keyword) = NOT_FOLLOWED.iter().find(|keyword| members.contains_key(**keyword)) {
            return Err(format!("a schema of it has `{keyword}`; only `$ref` with `#` or `#/…` is followed"));
        }
        if members.contains_key("$id") && !std::ptr::eq(schema, self.root) {
            return Err("a schema of it has `$id` inside, and references would mean something else there".into());
        }
        if let Some(target) = members.get("$ref").and_then(Json::as_str) {
            self.follow(target)?;
        }
        for keyword in SAME_VALUE {
            if let Some(schema) = members.get(keyword) {
                self.schema(schema)?;
            }
        }
        for keyword in SAME_VALUE_LISTS {
            self.list(members, keyword)?;
        }
        for keyword in ["dependentSchemas", "dependencies"] {
            for schema in members.get(keyword).and_then(Json::as_object).into_iter().flat_map(Map::values) {
                self.schema(schema)?;
            }
        }
        self.parts(members)
    }

    fn list(&mut self, members: &'a Map<String, Json>, keyword: &str) -> Result<(), String> {
        members.get(keyword).and_then(Json::as_array).into_iter().flatten().try_for_each(|schema| self.schema(schema))
    }

    /// What applies to parts of the value.
    fn parts(&mut self, members: &'a Map<String, Json>) -> Result<(), String> {
        for (name, schema) in members.get("properties").and_then(Json::as_object).into_iter().flatten() {
            self.inside(Step::Named(name.clone()), schema)?;
        }
        for schema in members.get("patternProperties").and_then(Json::as_object).into_iter().flat_map(Map::values) {
            self.inside(Step::Any, schema)?;
        }
        for keyword in ANY_PART {
            match members.get(keyword) {
                Some(Json::Array(schemas)) => schemas.iter().try_for_each(|schema| self.inside(Step::Any, schema))?,
                Some(schema) => self.inside(Step::Any, schema)?,
                None => {}
            }
        }
        for (number, schema) in members.get("prefixItems").and_then(Json::as_array).into_iter().flatten().enumerate() {
            self.inside(Step::Named(number.to_string()), schema)?;
        }
        Ok(())
    }

    fn inside(&mut self, step: Step, schema: &'a Json) -> Result<(), String> {
        self.place.push(step);
        let result = self.schema(schema);
        self.place.pop();
        result
    }

    fn follow(&mut self, target: &str) -> Result<(), String> {
        let root: &'a Json = self.root;
        // A percent sign would make one target have two names.
        let pointer = target.strip_prefix('#').filter(|pointer| !pointer.contains('%')).map(str::to_owned);
        let Some((pointer, schema)) = pointer.and_then(|pointer| root.pointer(&pointer).map(|schema| (pointer, schema))) else {
            return Err(format!("a schema of it refers to `{}`, which is not in it", target.chars().take(80).collect::<String>()));
        };
        if let Some((_, depth)) = self.followed.iter().find(|(followed, _)| *followed == pointer) {
            return if *depth < self.place.len() { self.come_back() } else { Err("a schema of it refers to itself without end".into()) };
        }
        // The whole schema is being followed from the start, at the top of the value.
        if pointer.is_empty() {
            return if self.place.is_empty() { Err("a schema of it refers to itself without end".into()) } else { self.come_back() };
        }
        if self.followed.len() >= NESTED {
            return Err(format!("a schema of it has more than {NESTED} references one inside the other"));
        }
        self.followed.push((pointer, self.place.len()));
        let result = self.schema(schema);
        self.followed.pop();
        result
    }

    fn come_back(&mut self) -> Result<(), String> {
        self.returns.push(self.place.clone());
        if self.returns.len() > RETURNS {
            return Err(format!("a schema of it comes back to itself on more than {RETURNS} ways"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_people_write_passes() {
        let filter = json!({ "type": "object", "properties": { "where": { "$ref": "#/$defs/Filter" } }, "$defs": { "Filter": { "anyOf": [
            { "properties": { "and": { "type": "array", "items": { "$ref": "#/$defs/Filter" } } } },
            { "properties": { "or": { "type": "array", "items": { "$ref": "#/$defs/Filter" } } } },
            { "properties": { "not": { "$ref": "#/$defs/Filter" } } },
            { "properties": { "column": { "type": "string" } }, "additionalProperties": false },
        ] } } });
        let tree = json!({ "type": "object", "properties": { "left": { "$ref": "#" }, "right": { "$ref": "#" } } });
        let shared = json!({ "type": "object", "properties": { "a": { "$ref": "#/$defs/T" }, "b": { "$ref": "#/$defs/T" } },
            "$defs": { "T": { "type": "string" } } });
        let named = json!({ "properties": { "a": { "$ref": "#/$defs/a" } }, "$defs": { "a": { "$anchor": "A", "type": "string" } } });
        for schema in [filter, tree, shared, named, json!({}), json!({ "properties": { "$id": { "type": "string" } } })] {
            assert_eq!(check(&schema), Ok(()), "{schema}");
        }
    }

    #[test]
    fn work_without_bound_is_refused() {
        let chain = |links: usize, link: fn(usize) -> Json| {
            let defs: Map<String, Json> = (0..links).map(|number| (format!("a{number}"), link(number + 1))).collect();
            let last = format!("a{links}");
            let mut schema = json!({ "$ref": "#/$defs/a0", "$defs": defs });
            schema["$defs"][last] = json!({ "type": "object" });
            schema
        };
        let twice = |number: usize| {
            let next = json!({ "$ref": format!("#/$defs/a{number}") });
            json!({ "allOf": [next, next] })
        };
        let twice_inside = |number: usize| {
            let next = json!({ "$ref": format!("#/$defs/a{number}") });
            json!({ "properties": { "x": { "allOf": [next, next] } } })
        };
        let once = |number: usize| json!({ "$ref": format!("#/$defs/a{number}") });
        let here = json!({ "$ref": "#" });
        let cases = [
            (json!({ "$ref": "#" }), "without end"),
            (json!({ "allOf": [here] }), "without end"),
            (
                json!({ "$ref": "#/$defs/a", "$defs": { "a": { "$ref": "#/$defs/b" }, "b": { "not": { "$ref": "#/$defs/a" } } } }),
                "without end",
            ),
            (chain(30, twice), "applies more than"),
            (chain(30, twice_inside), "applies more than"),
            (chain(100, once), "one inside the other"),
            (json!({ "allOf": [{ "properties": { "x": here } }, { "properties": { "x": here } }] }), "in several ways"),
            (json!({ "properties": { "x": { "allOf": [here, { "properties": { "x": here } }] } } }), "in several ways"),
            (json!({ "properties": { "x": here }, "patternProperties": { "x": here } }), "in several ways"),
            (json!({ "items": here, "contains": here }), "in several ways"),
            (json!({ "$ref": "#/nowhere" }), "not in it"),
            (json!({ "$ref": "#A", "$defs": { "a": { "$anchor": "A", "$ref": "#A" } } }), "not in it"),
            (json!({ "$ref": "#/%24defs/a", "$defs": { "a": {} } }), "not in it"),
            (json!({ "properties": { "x": { "$dynamicRef": "#m" } } }), "$dynamicRef"),
            (json!({ "properties": { "x": { "$id": "urn:x", "$ref": "#" } } }), "`$id`"),
        ];
        for (schema, part) in cases {
            let error = check(&schema).expect_err("it is refused");
            assert!(error.contains(part), "{schema}: {error}");
        }
    }
}
