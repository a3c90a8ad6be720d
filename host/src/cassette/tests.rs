//! The format, what matches, what is taken out, and who answers whom.

use std::sync::Arc;

use serde_json::json;

use super::*;

fn recorder(columns: &[&str]) -> Arc<Recorder> {
    let columns: Vec<String> = columns.iter().map(|column| (*column).to_owned()).collect();
    let redaction = Redaction::new([("key", "hush\"hush")], &columns).unwrap();
    Arc::new(Recorder::new(Header { seed: "seed".into(), ..Header::default() }, redaction))
}

fn begun(tool: &str) -> Begun {
    Begun { plugin: "notes".into(), export: "call_tool".into(), arguments: json!([{ "tool": tool }]) }
}

fn asked(run: &Run, sql: &str, answer: Json) {
    run.ask("database-read.query", json!({ "sql": sql, "parameters": ["Ada Lovelace"] })).unwrap().answer(Answer::Ok(answer));
}

#[test]
fn a_cassette_is_read_as_it_was_written() {
    let recorder = recorder(&[]);
    let run = Tape::Recording(recorder.clone()).begin(begun("read"));
    asked(&run, "select 1", json!({ "columns": [{ "name": "a" }], "rows": [[1.5], [null]] }));
    run.ask("storage.get", json!({}));
    let written = recorder.finish(Vec::new());
    let read = Cassette::parse(&written.bytes()).unwrap();
    assert_eq!(read.lines, written.lines);
    assert!(matches!(&read.lines[2], Line::Capability { answer: Answer::Unanswered, seq: 2, .. }));
}

#[test]
fn every_line_that_is_changed_moved_or_missing_is_named() {
    let recorder = recorder(&[]);
    let tape = Tape::Recording(recorder.clone());
    for tool in ["one", "two", "six"] {
        tape.begin(begun(tool));
    }
    let text = String::from_utf8(recorder.finish(Vec::new()).bytes()).unwrap();
    let said = |text: &str| Cassette::parse(text.as_bytes()).unwrap_err().to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert!(said(&text.replace("\"two\"", "\"ten\"")).starts_with("line 3: "));
    assert!(said(&[lines[0], lines[2], lines[1], lines[3], lines[4], ""].join("\n")).starts_with("line 2: "));
    assert!(said(&[lines[0], lines[1], lines[3], lines[4], ""].join("\n")).starts_with("line 3: "));
    assert!(said(&text[..text.len() - 10]).contains("line 5: the file ends here"));
    assert!(said(&text.replacen("\"cassette\":1", "\"cassette\":7", 1)).contains("format 7"));
    assert!(said("").contains("it is empty"));
}

#[test]
fn calls_are_answered_each_from_its_own_questions() {
    let recorder = recorder(&[]);
    let tape = Tape::Recording(recorder.clone());
    let (one, two) = (tape.begin(begun("one")), tape.begin(begun("two")));
    asked(&one, "select 1", json!(1));
    asked(&two, "select 2", json!(2));
    asked(&one, "select 3", json!(3));
    let player = Arc::new(Player::new(&recorder.finish(Vec::new())));
    let tape = Tape::Playing(player.clone());
    let (two, one) = (tape.begin(begun("two")), tape.begin(begun("one")));
    let request = |sql: &str| json!({ "sql": sql, "parameters": ["Ada Lovelace"] });
    assert_eq!(one.play("database-read.query", &request("select 1")), Ok(Answer::Ok(json!(1))));
    assert_eq!(two.play("database-read.query", &request("select 2")), Ok(Answer::Ok(json!(2))));
    assert_eq!(player.diverged().unwrap().line, 6, "a question was left out");
    assert!(one.play("database-read.query", &request("select 4")).is_err());
    let diverged = player.diverged().unwrap();
    assert!(diverged.line == 6 && diverged.recorded.contains("select 3") && diverged.now.contains("select 4"), "{diverged}");
}

#[test]
fn what_is_marked_goes_and_its_type_stays() {
    let rows = || json!({ "columns": [{ "name": "ID" }, { "name": "Name" }], "rows": [[71, "Grace Hopper"], [72, null]] });
    let file = |columns: &[&str], sql: &str| {
        let recorder = recorder(columns);
        let run = Tape::Recording(recorder.clone()).begin(begun("Grace Hopper, hush\"hush"));
        asked(&run, sql, rows());
        String::from_utf8(recorder.finish(Vec::new()).bytes()).unwrap()
    };
    let kept = file(&["pets.name"], "select * from people");
    assert!(kept.contains("Grace Hopper") && !kept.contains("hush"), "{kept}");
    for (columns, sql) in [
        ("people.name", "select * from people"),
        ("name", "select * from people"),
        ("people.name", "select \"NAME\" as x, id from people where name = 'Grace Hopper'"),
        ("other", "with t(id, other) as (select * from people) select * from t"),
        ("other", "select * from people union select * from people"),
    ] {
        let text = file(&[columns], sql);
        assert!(!text.contains("Grace Hopper"), "{sql}: {text}");
    }
    let text = file(&["name"], "select name from people");
    assert!(text.contains(r#"[[0,"[redacted]"],[0,null]]"#) && !text.contains("Ada Lovelace"), "{text}");
}

#[test]
fn a_short_secret_is_refused_and_what_is_gone_matches_anything() {
    assert!(Redaction::new([("pin", "123")], &[]).unwrap_err().to_string().contains("`pin`"));
    assert!(matches(&json!("a [redacted] c"), &json!("a b c")) && !matches(&json!("a [redacted] c"), &json!("a b d")));
    assert!(matches(&json!(["[redacted]"]), &json!([7])) && !matches(&json!(["[redacted]"]), &json!([null])));
    assert!(matches(&json!({ "base64": "" }), &json!([])) && !matches(&json!({ "a": 1 }), &json!({ "a": 1, "b": 2 })));
    assert!(!matches(&json!(9_007_199_254_740_993_i64), &json!(9_007_199_254_740_992_i64)));
}
