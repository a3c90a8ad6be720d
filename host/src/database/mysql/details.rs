//! Facts about the server and the account, and what is risky about the account.

use crate::database::catalog::DatabaseDetails;
use crate::database::error::DatabaseError;
use super::MySql;
use super::catalog::SYSTEM_SCHEMAS;
use super::catalog::filled;
use super::catalog::number;
use super::catalog::rows;
use super::catalog::text;
use super::connect::Product;
use super::connect::Session;
use crate::call::Call;
use crate::config::Mode;

/// Privileges that change rows or schemas.
const WRITING: &[&str] = &[
    "ALL PRIVILEGES",
    "INSERT",
    "UPDATE",
    "DELETE",
    "CREATE",
    "DROP",
    "ALTER",
    "INDEX",
    "TRIGGER",
    "CREATE VIEW",
    "CREATE ROUTINE",
    "ALTER ROUTINE",
    "EVENT",
    "EXECUTE",
    "DELETE HISTORY",
];

/// Global privileges that reach beyond rows, and what each means.
const RISKY: &[(&[&str], &str)] = &[
    (&["ALL PRIVILEGES", "SUPER"], "the account is a superuser (`ALL PRIVILEGES` or `SUPER` on `*.*`)"),
    (&["FILE", "ALL PRIVILEGES"], "the account may read and write files on the server (`FILE`)"),
    (&["PROCESS", "ALL PRIVILEGES"], "the account sees the statements of every other session (`PROCESS`)"),
    (&["CREATE USER", "ALL PRIVILEGES"], "the account may create accounts and change their passwords (`CREATE USER`)"),
    (&["SHUTDOWN", "RELOAD", "ALL PRIVILEGES"], "the account may stop the server or flush its state (`SHUTDOWN`, `RELOAD`)"),
];

impl MySql {
    /// See [`super::super::Database::details`].
    pub(super) async fn find_details(&self, call: &Call) -> Result<DatabaseDetails, DatabaseError> {
        let mode = self.mode;
        self.ask(call, move |session| Box::pin(details(session, mode))).await
    }
}

async fn details(session: &mut Session, mode: Mode) -> Result<DatabaseDetails, sqlx::Error> {
    let about = "SELECT VERSION(), DATABASE(), CURRENT_USER(), @@character_set_database, \
                 IF(@@SESSION.time_zone = 'SYSTEM', @@system_time_zone, @@SESSION.time_zone)";
    let mut details = DatabaseDetails { product: session.product.name().into(), ..DatabaseDetails::default() };
    if let Some(row) = rows(session, about.into(), &[]).await?.first() {
        details.version = version(session.product, &text(row, 0));
        details.server_name = text(row, 1);
        details.default_schema = text(row, 1);
        // Without the host: where accounts may come from is nobody's business here.
        details.user = filled(row, 2).map(|user| user.rsplit_once('@').map_or(user.clone(), |(name, _)| name.to_owned()));
        details.encoding = text(row, 3);
        details.time_zone = filled(row, 4);
    }
    let size = format!(
        "SELECT CAST(SUM(DATA_LENGTH + INDEX_LENGTH) AS UNSIGNED), CAST(COUNT(*) AS UNSIGNED) FROM information_schema.TABLES \
         WHERE TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND LOWER(TABLE_SCHEMA) NOT IN {SYSTEM_SCHEMAS}"
    );
    if let Some(row) = rows(session, size, &[]).await?.first() {
        details.size_bytes = number(row, 0);
        details.table_count = number(row, 1).unwrap_or(0);
    }
    let grants: Vec<String> = rows(session, "SHOW GRANTS".into(), &[]).await?.iter().map(|row| text(row, 0)).collect();
    details.superuser = grants.iter().filter_map(|line| Grant::parse(line)).any(|grant| grant.everywhere && grant.has(SUPERUSER));
    details.warnings = warnings(&grants, mode);
    Ok(details)
}

/// The product's own version in what `VERSION()` says.
fn version(product: Product, text: &str) -> String {
    match product {
        Product::TiDb => text.split_once("TiDB-").map_or(text, |(_, version)| version).trim_start_matches('v').into(),
        Product::MariaDb => text.trim_start_matches("5.5.5-").split('-').next().unwrap_or(text).into(),
        Product::MySql => text.split('-').next().unwrap_or(text).into(),
    }
}

/// Privileges of an account that nothing limits.
const SUPERUSER: &[&str] = &["SUPER", "ALL", "ALL PRIVILEGES"];

/// What is risky about an account with these grants, a sentence each.
fn warnings(grants: &[String], mode: Mode) -> Vec<String> {
    let mut warnings = Vec::new();
    let parsed: Vec<Grant> = grants.iter().filter_map(|line| Grant::parse(line)).collect();
    let global = |privileges: &[&str]| parsed.iter().any(|grant| grant.everywhere && grant.has(privileges));
    warnings.extend(RISKY.iter().filter(|(privileges, _)| global(privileges)).map(|(_, sentence)| (*sentence).to_owned()));
    if parsed.iter().any(|grant| grant.passes_on) {
        warnings.push("the account may pass its privileges on to others (`GRANT OPTION`)".into());
    }
    if mode == Mode::ReadOnly && parsed.iter().any(|grant| grant.has(WRITING)) {
        warnings.push(
            "the account may write, though this database is read only; an account with `SELECT` and `SHOW VIEW` alone is safer".into(),
        );
    }
    warnings
}

/// One line of `SHOW GRANTS`.
struct Grant {
    privileges: Vec<String>,
    /// Whether it holds for every schema.
    everywhere: bool,
    /// Whether the account may grant it to others.
    passes_on: bool,
}

impl Grant {
    /// Reads `GRANT a, b (c, d) ON x TO …`; none for the grant of a role.
    fn parse(line: &str) -> Option<Self> {
        let (privileges, rest) = line.strip_prefix("GRANT ")?.split_once(" ON ")?;
        let privileges: Vec<String> =
            privileges.split(',').map(|name| name.split('(').next().unwrap_or_default().trim().to_ascii_uppercase()).collect();
        Some(Self { everywhere: rest.starts_with("*.* "), passes_on: rest.trim_end().ends_with("WITH GRANT OPTION"), privileges })
    }

    fn has(&self, names: &[&str]) -> bool {
        self.privileges.iter().any(|privilege| names.contains(&privilege.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_superuser_is_warned_of_and_a_reader_is_not() {
        let root = ["GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` IDENTIFIED BY PASSWORD '*AB' WITH GRANT OPTION".to_owned()];
        let found = warnings(&root, Mode::ReadOnly);
        assert_eq!(found.len(), 7, "{found:?}");
        assert!(!found.concat().contains("*AB"));
        let reader = [
            "GRANT USAGE ON *.* TO `r`@`%`".to_owned(),
            "GRANT SELECT, SHOW VIEW ON `shop`.* TO `r`@`%`".to_owned(),
            "GRANT `role` TO `r`@`%`".to_owned(),
        ];
        assert!(warnings(&reader, Mode::ReadOnly).is_empty());
        let writer = ["GRANT SELECT, INSERT (`a`, `b`) ON `shop`.`t` TO `w`@`%`".to_owned()];
        assert_eq!(warnings(&writer, Mode::ReadOnly).len(), 1);
        assert!(warnings(&writer, Mode::ReadWrite).is_empty());
    }

    #[test]
    fn versions_are_the_products_own() {
        assert_eq!(version(Product::MariaDb, "5.5.5-10.6.1-MariaDB-log"), "10.6.1");
        assert_eq!(version(Product::TiDb, "8.0.11-TiDB-v8.1.0"), "8.1.0");
        assert_eq!(version(Product::MySql, "8.0.36-0ubuntu0.22.04.1"), "8.0.36");
    }
}
