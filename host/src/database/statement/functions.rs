//! Functions that do more than compute: by name and family, per dialect.
//!
//! Names come here decoded and in lower case. What is not here is either built in and harmless ([`super::builtin`]) or
//! reported with the statement, so that the engine can look at its volatility.

use super::StatementKind;
use super::StatementKind::Forbidden;
use super::StatementKind::Write;
use crate::config::EngineKind;

/// How a rule names functions.
enum Names {
    /// Exactly these.
    Are(&'static [&'static str]),
    /// All that begin so.
    Begin(&'static [&'static str]),
    /// All that contain this.
    Contain(&'static [&'static str]),
}

impl Names {
    fn have(&self, name: &str) -> bool {
        match self {
            Self::Are(names) => names.contains(&name),
            Self::Begin(prefixes) => prefixes.iter().any(|prefix| name.starts_with(prefix)),
            Self::Contain(parts) => parts.iter().any(|part| name.contains(part)),
        }
    }
}

type Rule = (Names, StatementKind, &'static str);

/// The first rule that matches decides.
const POSTGRES: &[Rule] = &[
    (Names::Are(&["set_config"]), Forbidden, "changes settings"),
    (Names::Begin(&["pg_advisory_xact_lock", "pg_try_advisory_xact_lock"]), Write, "takes locks"),
    (Names::Begin(&["pg_advisory_", "pg_try_advisory_"]), Forbidden, "takes locks that outlive the statement"),
    (Names::Are(&["pg_notify"]), Forbidden, "sends a notification to other sessions"),
    (Names::Are(&["lo_import", "lo_export"]), Forbidden, "reaches files"),
    (Names::Are(&["loread", "lowrite", "lo"]), Write, "works on large objects"),
    (Names::Begin(&["lo_"]), Write, "works on large objects"),
    (Names::Begin(&["pg_read_", "pg_ls_", "pg_file_", "pg_stat_file", "pg_logdir_ls", "pg_logfile_rotate"]), Forbidden, "reaches files"),
    (Names::Begin(&["dblink", "postgres_fdw_disconnect"]), Forbidden, "reaches other connections"),
    (Names::Contain(&["_to_xml"]), Forbidden, "runs SQL given as text"),
    (Names::Are(&["ts_stat", "ts_rewrite", "xpath_table", "pg_background_launch"]), Forbidden, "runs SQL given as text"),
    (Names::Begin(&["crosstab", "connectby"]), Forbidden, "runs SQL given as text"),
    (Names::Are(&["pg_terminate_backend", "pg_cancel_backend", "pg_log_backend_memory_contexts"]), Forbidden, "acts on other connections"),
    (
        Names::Begin(&[
            "pg_create_",
            "pg_copy_logical_replication_slot",
            "pg_copy_physical_replication_slot",
            "pg_drop_replication_slot",
            "pg_replication_",
            "pg_logical_",
            "pg_sync_replication_slots",
            "pg_switch_",
            "pg_wal_replay_pause",
            "pg_wal_replay_resume",
            "pg_xlog_replay_",
            "pg_start_backup",
            "pg_stop_backup",
            "pg_backup_",
            "pg_promote",
            "pg_reload_conf",
            "pg_rotate_logfile",
            "pg_import_system_collations",
            "binary_upgrade_",
            "pg_nextoid",
            "pg_extension_config_dump",
            "pg_stop_making_pinned_objects",
            "pg_stat_reset",
            "pg_stat_statements_reset",
            "pg_restore_",
            "pg_clear_",
            "pg_set_relation_stats",
            "pg_set_attribute_stats",
        ]),
        Forbidden,
        "acts on the server",
    ),
    (Names::Are(&["nextval", "setval"]), Write, "changes a sequence"),
    (Names::Are(&["setseed"]), Write, "changes what the session's next random numbers are"),
    (Names::Are(&["txid_current", "pg_current_xact_id"]), Write, "takes a transaction number"),
    (Names::Are(&["pg_export_snapshot"]), Write, "exports the snapshot"),
    (Names::Begin(&["brin_summarize_", "brin_desummarize_", "gin_clean_pending_list"]), Write, "changes an index"),
    (Names::Are(&["pg_stat_clear_snapshot", "pg_stat_force_next_flush"]), Write, "changes statistics"),
];

const MYSQL: &[Rule] = &[
    (
        Names::Are(&["get_lock", "release_lock", "release_all_locks", "is_free_lock", "is_used_lock", "service_get_read_locks"]),
        Forbidden,
        "takes or looks at locks that outlive the statement",
    ),
    (Names::Begin(&["service_get_write_locks", "service_release_locks", "version_tokens_"]), Forbidden, "takes locks"),
    (Names::Are(&["load_file"]), Forbidden, "reaches files"),
    (
        Names::Are(&[
            "master_pos_wait",
            "master_gtid_wait",
            "source_pos_wait",
            "wait_for_executed_gtid_set",
            "wait_until_sql_thread_after_gtids",
            "wsrep_sync_wait_upto_gtid",
        ]),
        Forbidden,
        "waits for replication",
    ),
    (Names::Are(&["sys_exec", "sys_eval", "sys_set", "sys_bineval", "lib_mysqludf_sys_info"]), Forbidden, "runs programs"),
    (
        Names::Begin(&[
            "group_replication_",
            "asynchronous_connection_failover_",
            "audit_log_",
            "keyring_",
            "mysql_firewall_",
            "set_firewall_",
        ]),
        Forbidden,
        "acts on the server",
    ),
    (Names::Are(&["nextval", "setval"]), Write, "changes a sequence"),
];

const SQLITE: &[Rule] = &[
    (Names::Are(&["load_extension"]), Forbidden, "loads a library"),
    (Names::Are(&["fts3_tokenizer"]), Forbidden, "reaches into the process"),
    (
        Names::Are(&["readfile", "writefile", "edit", "fsdir", "lsmode", "zipfile", "sqlite3_serialize", "sqlite_dbpage", "sqlite_log"]),
        Forbidden,
        "reaches files",
    ),
    (Names::Are(&["eval", "exec", "sqlite_exec"]), Forbidden, "runs SQL given as text"),
    (Names::Are(&["optimize"]), Write, "changes an index"),
];

/// What calling `name` does besides computing, if anything.
pub(super) fn judge(engine: EngineKind, name: &str) -> Option<(StatementKind, &'static str)> {
    let rules = match engine {
        EngineKind::Postgres if name == "pg_replication_origin_oid" => return None,
        EngineKind::Postgres => POSTGRES,
        EngineKind::MySql => MYSQL,
        EngineKind::Sqlite => SQLITE,
    };
    rules.iter().find(|(names, _, _)| names.have(name)).map(|(_, kind, reason)| (*kind, *reason))
}
