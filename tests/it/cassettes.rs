//! Cassettes: what the tests of a plugin did is done again from a file, without what they were done with.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use sqlx::Connection;
use sqlx::Executor;
use sqlx::PgConnection;
use sqlx::SqliteConnection;

use crate::database::Engine;
use crate::database::Library;
use crate::folder::Folder;
use crate::guests;
use crate::host::Ended;
use crate::host::program;
use crate::host::run;

/// A value of the marked column.
const ADDRESS: &str = "ada@planted.example";

/// A secret of the plugin.
const KEY: &str = "planted\"hush-hush";

const TESTS: &str = r#"
[[test]]
name = "people are read"
tool = "read"
arguments = { sql = "select id, name, email, 1e999 as far, x'00ff' as bytes from people order by id" }
expect = { rows = [] }

[[test]]
name = "what is wrong is told"
tool = "read"
arguments = { sql = "select id from nobody" }
expect = { error = "UNKNOWN_TABLE" }

[[test]]
name = "a note is kept"
tool = "note"
expect = { contains = "never looked at" }

[[test]]
name = "a note is kept again"
tool = "note"
expect = { contains = "never looked at" }
"#;

/// A project with its built package, and a host's configuration for it.
struct Project {
    folder: Folder,
    cassette: PathBuf,
}

impl Project {
    fn new(url: &str, tests: &str) -> Self {
        let folder = Folder::new();
        let place = folder.path();
        let manifest = Path::new(guests::NOTES.folder).join("plugin.toml");
        fs::create_dir_all(place.join("built")).unwrap();
        fs::create_dir_all(place.join("tests")).unwrap();
        for to in ["plugin.toml", "built/plugin.toml"] {
            fs::copy(&manifest, place.join(to)).unwrap();
        }
        fs::copy(guests::NOTES.component, place.join("built/guest_notes.wasm")).unwrap();
        fs::write(place.join("Cargo.toml"), "").unwrap();
        fs::write(place.join("tests/notes.toml"), tests).unwrap();
        let configuration = format!(
            "[databases.main]\nurl = {url:?}\n[plugins.notes]\npath = {:?}\ndatabases = {{ main = \"read\" }}\n\
             storage = \"64 KiB\"\nsecrets = {{ key = '{KEY}' }}\nsettings = {{ style = \"plain\" }}\n",
            place.join("built")
        );
        fs::write(place.join("tidegate.toml"), configuration).unwrap();
        Self { cassette: place.join("notes.cassette"), folder }
    }

    async fn test(&self, more: &[&str]) -> Ended {
        let mut command = program();
        command.env("TIDEGATE_STATE", self.folder.path().join("state"));
        command.args(["plugin", "test"]).arg(self.folder.path()).arg("--built").arg(self.folder.path().join("built")).args(more);
        run(command).await
    }

    async fn record(&self, redacted: &[&str]) -> Ended {
        let config = self.folder.path().join("tidegate.toml");
        let mut arguments = vec!["--record", self.cassette.to_str().unwrap(), "--config", config.to_str().unwrap()];
        redacted.iter().for_each(|column| arguments.extend(["--redact", *column]));
        self.test(&arguments).await
    }

    async fn replay(&self) -> Ended {
        self.test(&["--replay", self.cassette.to_str().unwrap()]).await
    }

    fn text(&self) -> String {
        fs::read_to_string(&self.cassette).unwrap()
    }

    /// Puts other text of the same length into the component.
    fn change(&self, from: &str, to: &str) {
        let file = self.folder.path().join("built/guest_notes.wasm");
        let mut component = fs::read(&file).unwrap();
        let at = component.windows(from.len()).position(|bytes| bytes == from.as_bytes()).expect("it is in the component");
        component[at..at + from.len()].copy_from_slice(to.as_bytes());
        fs::write(&file, component).unwrap();
    }
}

/// A file with people in it.
async fn people(folder: &Folder) -> (PathBuf, String) {
    let file = folder.path().join("people.sqlite");
    fs::write(&file, []).unwrap();
    let url = format!("sqlite:{}", file.display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    connection
        .execute(
            "create table people (id integer primary key, name text, email text, salary integer);
             insert into people values (1, 'Ada', 'ada@planted.example', 918273), (2, 'Bob', null, 5)",
        )
        .await
        .unwrap();
    connection.close().await.unwrap();
    (file, url)
}

#[tokio::test]
async fn tests_are_replayed_when_the_database_is_gone() {
    let place = Folder::new();
    let (file, url) = people(&place).await;
    let project = Project::new(&url, TESTS);
    let recorded = project.record(&[]).await;
    assert_eq!(recorded.code, Some(0), "{}{}", recorded.stdout, recorded.stderr);
    let text = project.text();
    for what in ["database-read.query-in", "transaction.begin", "storage.set", "wall-clock.now", "settings.get", "secret.find", ADDRESS] {
        assert!(text.contains(what), "`{what}` is not in\n{text}");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&project.cassette).unwrap().permissions().mode() & 0o777, 0o600);
    }
    fs::remove_file(file).unwrap();
    fs::remove_file(project.folder.path().join("tidegate.toml")).unwrap();
    let _ = fs::remove_dir_all(project.folder.path().join("state"));
    let replayed = project.replay().await;
    assert_eq!(replayed.code, Some(0), "{}{}\n{text}", replayed.stdout, replayed.stderr);
    assert!(replayed.stdout.contains("4 passed, 0 failed"), "{}", replayed.stdout);
}

#[tokio::test]
async fn the_first_divergence_is_told_with_its_line() {
    let place = Folder::new();
    let (_, url) = people(&place).await;
    let project = Project::new(&url, TESTS);
    assert_eq!(project.record(&[]).await.code, Some(0));
    project.change("order by id limit 2", "order by id limit 1");
    let replayed = project.replay().await;
    assert_eq!(replayed.code, Some(1), "{}", replayed.stdout);
    let line = 1 + project.text().lines().position(|line| line.contains("order by id limit 2")).unwrap();
    let said = format!("it parts from the cassette at line {line}\n");
    assert!(replayed.stdout.contains(&said) && replayed.stdout.contains("order by id limit 1"), "{}", replayed.stdout);
    assert!(replayed.stdout.contains("2 passed, 1 failed"), "it ends there: {}", replayed.stdout);
    assert!(replayed.stderr.contains("another build of the plugin"), "{}", replayed.stderr);
}

#[tokio::test]
async fn secrets_and_marked_columns_are_not_in_the_file() {
    let place = Folder::new();
    let (_, url) = people(&place).await;
    let hidden = r#"
[[test]]
name = "under its name"
tool = "read"
arguments = { sql = "select * from people" }
expect = {}

[[test]]
name = "under another"
tool = "read"
arguments = { sql = "select upper(email) as shout, salary as s from people where email = 'ada@planted.example'" }
expect = {}

[[test]]
name = "renamed and unnamed"
tool = "read"
arguments = { sql = "with t(a, b, c, d) as (select * from people) select c, d from t" }
expect = {}

[[test]]
name = "others stay"
tool = "read"
arguments = { sql = "select name from people" }
expect = {}
"#;
    let project = Project::new(&url, &format!("{hidden}{TESTS}"));
    let recorded = project.record(&["people.email", "SALARY"]).await;
    assert_eq!(recorded.code, Some(0), "{}{}", recorded.stdout, recorded.stderr);
    let text = project.text();
    let encoded = ["cGxhbnRlZCJodXNoLWh1c2", "706c616e746564"];
    for planted in [ADDRESS, "ADA@PLANTED", "planted.example", "918273", KEY, "hush-hush"].into_iter().chain(encoded) {
        assert!(!text.contains(planted), "`{planted}` is in\n{text}");
    }
    assert!(text.contains("Bob"), "{text}");
    let replayed = project.replay().await;
    assert_eq!(replayed.code, Some(0), "{}{}\n{text}", replayed.stdout, replayed.stderr);
}

#[tokio::test]
async fn a_file_that_was_changed_or_cut_is_refused_with_its_line() {
    let place = Folder::new();
    let (_, url) = people(&place).await;
    let project = Project::new(&url, TESTS);
    assert_eq!(project.record(&[]).await.code, Some(0));
    let text = project.text();
    let lines: Vec<&str> = text.lines().collect();
    let cut = lines[..5].join("\n");
    let half = &text[..text.len() - 40];
    for (broken, said) in [
        (text.replacen("Bob", "Rob", 1), "it is not as it was recorded"),
        (format!("{cut}\n"), "line 5: the file ends here"),
        (half.to_owned(), "was cut"),
        (text.replacen("\"cassette\":1", "\"cassette\":2", 1), "line 1: the cassette has the format 2"),
        ("no\n".to_owned(), "line 1: this is no cassette"),
    ] {
        fs::write(&project.cassette, broken).unwrap();
        let replayed = project.replay().await;
        assert_eq!(replayed.code, Some(1), "{said}: {}", replayed.stdout);
        assert!(replayed.stderr.contains(said), "{said}: {}", replayed.stderr);
    }
}

#[tokio::test]
async fn postgres_is_replayed_without_its_server() {
    let library = Library::new(Engine::Postgres).await;
    let mut connection = PgConnection::connect(&library.url).await.unwrap();
    connection.execute("create table people (id integer, name text)").await.unwrap();
    connection.execute("insert into people values (1, 'Ada'), (2, 'Bob')").await.unwrap();
    connection.close().await.unwrap();
    let tests = r#"
[[test]]
name = "values of every kind"
tool = "read"
arguments = { sql = "select 1.50::numeric as n, 'NaN'::float8 as f, '-inf'::float8 as i, ''::bytea as b, '{\"a\":[1]}'::jsonb as j, now() as t, null::int as z, 9223372036854775807 as big" }
expect = {}

[[test]]
name = "a note"
tool = "note"
expect = {}
"#;
    let project = Project::new(&library.url, tests);
    let recorded = project.record(&[]).await;
    library.close().await;
    assert_eq!(recorded.code, Some(0), "{}{}", recorded.stdout, recorded.stderr);
    let replayed = project.replay().await;
    assert_eq!(replayed.code, Some(0), "{}{}\n{}", replayed.stdout, replayed.stderr, project.text());
}
