//! What is behind the names of the databases of a server, from `information_schema`, which shows an account only what it has
//! rights on: what may be hidden counts as anything.

use std::collections::HashMap;
use std::collections::HashSet;

use sqlx::mysql::MySqlRow;

use super::MySql;
use super::catalog::SYSTEM_SCHEMAS;
use super::catalog::filled;
use super::catalog::number;
use super::catalog::rows;
use super::catalog::text;
use super::connect::Session;
use crate::call::Call;
use crate::config::EngineKind;
use crate::database::dependencies::Facts;
use crate::database::dependencies::Function;
use crate::database::dependencies::Link;
use crate::database::dependencies::Relation;
use crate::database::dependencies::RelationKind;
use crate::database::error::DatabaseError;
use crate::database::statement::words::words;

/// Storage engines whose tables hold rows of their own, in this server.
const OWN_ROWS: &[&str] = &["ARCHIVE", "ARIA", "COLUMNSTORE", "CSV", "INNODB", "MEMORY", "MYISAM", "NDBCLUSTER", "ROCKSDB", "TOKUDB"];

/// This account as `information_schema` writes it.
const GRANTEE: &str = "CONCAT('''', SUBSTRING_INDEX(CURRENT_USER(), '@', 1), '''@''', SUBSTRING_INDEX(CURRENT_USER(), '@', -1), '''')";

/// Schema and name in lower case: on some systems the case does not matter, and one more link does no harm.
type Key = (String, String);

impl MySql {
    /// See [`crate::database::dependencies`].
    pub(super) async fn find_facts(&self, call: &Call) -> Result<Facts, DatabaseError> {
        self.ask(call, |session| Box::pin(facts(session))).await
    }
}

async fn facts(session: &mut Session) -> Result<Facts, sqlx::Error> {
    let outside = |schema: &str| format!("LOWER({schema}) NOT IN {SYSTEM_SCHEMAS}");
    let question = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, UPPER(ENGINE), CAST(LOWER(TABLE_SCHEMA) = LOWER(DATABASE()) AS UNSIGNED) FROM information_schema.TABLES WHERE {}",
        outside("TABLE_SCHEMA")
    );
    let tables = rows(session, question, &[]).await?;
    let question =
        format!("SELECT TABLE_SCHEMA, TABLE_NAME, VIEW_DEFINITION FROM information_schema.VIEWS WHERE {}", outside("TABLE_SCHEMA"));
    let definitions = texts(&rows(session, question, &[]).await?);
    let question = format!(
        "SELECT EVENT_OBJECT_SCHEMA, EVENT_OBJECT_TABLE, ACTION_STATEMENT FROM information_schema.TRIGGERS WHERE {}",
        outside("EVENT_OBJECT_SCHEMA")
    );
    let mut triggers = texts(&rows(session, question, &[]).await?);
    // Names of functions only: whatever one does, calling it is calling what is not built in.
    let question = format!("SELECT DISTINCT LOWER(ROUTINE_NAME) FROM information_schema.ROUTINES WHERE {}", outside("ROUTINE_SCHEMA"));
    let functions = rows(session, question, &[]).await?;
    let seen = trigger_rights(session).await?;
    let moving = moving(session).await?;

    let mut facts = Facts::default();
    let mut places: HashMap<Key, Vec<usize>> = HashMap::new();
    for row in &tables {
        let (schema, name) = (text(row, 0), text(row, 1));
        let key = key(row, 0);
        let triggers_seen = seen.everywhere || seen.schemas.contains(&key.0);
        let mut kind = kind(row, definitions.get(&key).and_then(|definitions| definitions.first()));
        if moving.contains(&key) && matches!(kind, RelationKind::Table) {
            kind = RelationKind::Other { why: "a column of it is computed from more than its row", acts: false };
        }
        places.entry(key.clone()).or_default().push(facts.relations.len());
        facts.relations.push(Relation {
            schema,
            name,
            // No session leaves the database that its URL names.
            unqualified: number(row, 4) == Some(1),
            writes_anything: match kind {
                RelationKind::View { .. } => false,
                RelationKind::Other { acts, .. } => acts || !triggers_seen,
                RelationKind::Table => !triggers_seen,
            },
            triggers: triggers.remove(&key).unwrap_or_default(),
            kind,
        });
    }
    facts.functions = functions.iter().map(|row| (text(row, 0), Function { writes: true, like_column: false })).collect();
    facts.links = keys(session, &places).await?;
    Ok(facts)
}

fn key(row: &MySqlRow, at: usize) -> Key {
    (text(row, at).to_lowercase(), text(row, at + 1).to_lowercase())
}

/// The third cell of rows by the first two.
fn texts(rows: &[MySqlRow]) -> HashMap<Key, Vec<String>> {
    let mut texts: HashMap<Key, Vec<String>> = HashMap::new();
    for row in rows {
        texts.entry(key(row, 0)).or_default().push(text(row, 2));
    }
    texts
}

fn kind(row: &MySqlRow, definition: Option<&String>) -> RelationKind {
    match text(row, 2).as_str() {
        "VIEW" => {
            // Empty when the account may not see it.
            let definition = definition.filter(|definition| !definition.is_empty()).cloned();
            RelationKind::View { definition, linked: false, calls: false }
        }
        "BASE TABLE" | "SYSTEM VERSIONED" => match filled(row, 3) {
            Some(engine) if OWN_ROWS.contains(&engine.as_str()) => RelationKind::Table,
            _ => RelationKind::Other { why: "its storage engine may show what is elsewhere", acts: true },
        },
        "SEQUENCE" => RelationKind::Other { why: "a sequence is no table", acts: false },
        _ => RelationKind::Other { why: "it is no table of the database", acts: true },
    }
}

/// Where the account sees triggers.
struct Seen {
    everywhere: bool,
    /// In lower case.
    schemas: Vec<String>,
}

/// Triggers are hidden from an account without the right to make some. Rights that come by a role are not found here, and count as
/// none.
async fn trigger_rights(session: &mut Session) -> Result<Seen, sqlx::Error> {
    let question = format!("SELECT 1 FROM information_schema.USER_PRIVILEGES WHERE PRIVILEGE_TYPE = 'TRIGGER' AND GRANTEE = {GRANTEE}");
    let everywhere = !rows(session, question, &[]).await?.is_empty();
    // A grant names schemas by a pattern.
    let question = format!(
        "SELECT DISTINCT LOWER(s.SCHEMA_NAME) FROM information_schema.SCHEMATA s JOIN information_schema.SCHEMA_PRIVILEGES p \
         ON s.SCHEMA_NAME LIKE p.TABLE_SCHEMA WHERE p.PRIVILEGE_TYPE = 'TRIGGER' AND p.GRANTEE = {GRANTEE}"
    );
    let schemas = rows(session, question, &[]).await?;
    Ok(Seen { everywhere, schemas: schemas.iter().map(|row| text(row, 0)).collect() })
}

/// Tables with a virtual column that is computed when it is read, from the moment or the session: MariaDB has such.
async fn moving(session: &mut Session) -> Result<HashSet<Key>, sqlx::Error> {
    let question = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, GENERATION_EXPRESSION FROM information_schema.COLUMNS \
         WHERE GENERATION_EXPRESSION <> '' AND LOWER(TABLE_SCHEMA) NOT IN {SYSTEM_SCHEMAS}"
    );
    let computed = rows(session, question, &[]).await?;
    let varies = |row: &&MySqlRow| words(&text(row, 2), EngineKind::MySql).map_or(true, |words| words.varies.is_some());
    Ok(computed.iter().filter(varies).map(|row| key(row, 0)).collect())
}

/// Foreign keys that write the referring table when the other one is written.
async fn keys(session: &mut Session, places: &HashMap<Key, Vec<usize>>) -> Result<Vec<Link>, sqlx::Error> {
    let question = "SELECT UNIQUE_CONSTRAINT_SCHEMA, REFERENCED_TABLE_NAME, CONSTRAINT_SCHEMA, TABLE_NAME \
        FROM information_schema.REFERENTIAL_CONSTRAINTS \
        WHERE DELETE_RULE NOT IN ('RESTRICT', 'NO ACTION') OR UPDATE_RULE NOT IN ('RESTRICT', 'NO ACTION')";
    let mut links = Vec::new();
    for row in &rows(session, question.to_owned(), &[]).await? {
        let (Some(parents), Some(children)) = (places.get(&key(row, 0)), places.get(&key(row, 2))) else { continue };
        for parent in parents {
            links.extend(children.iter().map(|child| Link { from: *parent, to: *child, reads: false, writes: true }));
        }
    }
    Ok(links)
}
