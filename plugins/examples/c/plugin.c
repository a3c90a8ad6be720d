// Counts the rows of all tables in one statement, and refuses statements that join more tables than the operator wants.

#include "plugin.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

// Joins that are allowed where the setting `max-joins` is missing.
#define MAX_JOINS 8

// Tables that one call counts.
#define MAX_TABLES 100

// --- text that grows ---------------------------------------------------------------------------------------------------

typedef struct {
  char *ptr;
  size_t len, capacity;
} text_t;

static void append_n(text_t *text, const char *more, size_t len) {
  if (text->len + len > text->capacity) {
    text->capacity = 2 * (text->len + len);
    text->ptr = realloc(text->ptr, text->capacity);
    // Out of memory: a trap, which costs this call and nothing else.
    if (text->ptr == NULL) abort();
  }
  memcpy(text->ptr + text->len, more, len);
  text->len += len;
}

static void append(text_t *text, const char *more) { append_n(text, more, strlen(more)); }

// A name or a literal, in quotes, with the quotes in it doubled. In MySQL a backslash in a literal is doubled too.
static void append_quoted(text_t *text, const plugin_string_t *name, char quote, bool double_backslash) {
  append_n(text, &quote, 1);
  for (size_t at = 0; at < name->len; at++) {
    char c = (char)name->ptr[at];
    if (c == quote || (c == '\\' && double_backslash)) append_n(text, &c, 1);
    append_n(text, &c, 1);
  }
  append_n(text, &quote, 1);
}

static plugin_string_t as_string(const text_t *text) {
  return (plugin_string_t){.ptr = (uint8_t *)text->ptr, .len = text->len};
}

static bool equals(const plugin_string_t *one, const plugin_string_t *other) {
  return one->len == other->len && memcmp(one->ptr, other->ptr, one->len) == 0;
}

// --- the tool ----------------------------------------------------------------------------------------------------------

static const char *ARGUMENTS =
    "{\"type\":\"object\",\"properties\":{\"database\":{\"type\":\"string\",\"pattern\":\"^[A-Za-z0-9_-]+$\","
    "\"description\":\"The database; may be left out when there is one.\"}},\"additionalProperties\":false}";

void exports_tidegate_plugin_tools_list_tools(exports_tidegate_plugin_tools_list_definition_t *ret) {
  exports_tidegate_plugin_tools_definition_t *tool = calloc(1, sizeof *tool);
  plugin_string_dup(&tool->name, "count_rows");
  plugin_string_dup(&tool->description, "Counts the rows of all tables of a database exactly, in one statement, the largest first; at most 100 tables.");
  plugin_string_dup(&tool->input_schema, ARGUMENTS);
  tool->annotations = (exports_tidegate_plugin_tools_annotations_t){.read_only = true, .idempotent = true};
  tool->needs = EXPORTS_TIDEGATE_PLUGIN_TOOLS_NEEDS_READ;
  ret->ptr = tool;
  ret->len = 1;
}

// The database that the arguments name; empty when they name none. The host has checked them against the schema, so there is
// one key at most, and its value has no escapes.
static plugin_string_t named_database(const plugin_string_t *arguments) {
  const uint8_t *end = arguments->ptr + arguments->len;
  const uint8_t *colon = memchr(arguments->ptr, ':', arguments->len);
  const uint8_t *open = colon == NULL ? NULL : memchr(colon, '"', (size_t)(end - colon));
  const uint8_t *close = open == NULL ? NULL : memchr(open + 1, '"', (size_t)(end - open - 1));
  if (close == NULL) return (plugin_string_t){0};
  return (plugin_string_t){.ptr = (uint8_t *)open + 1, .len = (size_t)(close - open - 1)};
}

// One statement that counts the rows of all these tables.
static text_t counting(const tidegate_plugin_catalog_list_table_summary_t *tables, tidegate_plugin_catalog_engine_t engine) {
  bool mysql = engine == TIDEGATE_PLUGIN_CATALOG_ENGINE_MYSQL;
  char quote = mysql ? '`' : '"';
  text_t sql = {0};
  for (size_t at = 0; at < tables->len; at++) {
    const tidegate_plugin_catalog_table_summary_t *table = &tables->ptr[at];
    append(&sql, at == 0 ? "select " : " union all select ");
    append_quoted(&sql, &table->name, '\'', mysql);
    append(&sql, at == 0 ? " as name, count(*) as total from " : ", count(*) from ");
    append_quoted(&sql, &table->schema, quote, false);
    append(&sql, ".");
    append_quoted(&sql, &table->name, quote, false);
  }
  append(&sql, " order by 2 desc, 1");
  return sql;
}

// An answer of one piece.
static void complete(tidegate_plugin_content_content_t piece, exports_tidegate_plugin_tools_outcome_t *ret) {
  ret->tag = EXPORTS_TIDEGATE_PLUGIN_TOOLS_OUTCOME_COMPLETE;
  ret->val.complete.ptr = malloc(sizeof piece);
  ret->val.complete.ptr[0] = piece;
  ret->val.complete.len = 1;
}

bool exports_tidegate_plugin_tools_call_tool(exports_tidegate_plugin_tools_call_t *call, exports_tidegate_plugin_tools_outcome_t *ret,
                                             exports_tidegate_plugin_tools_error_t *err) {
  // A failure of the database goes on unchanged: the host gives it its code and hint.
  err->tag = EXPORTS_TIDEGATE_PLUGIN_TOOLS_ERROR_DATABASE;
  plugin_string_t database = named_database(&call->arguments);
  tidegate_plugin_catalog_engine_t engine = TIDEGATE_PLUGIN_CATALOG_ENGINE_SQLITE;
  tidegate_plugin_catalog_list_database_t databases;
  tidegate_plugin_catalog_list_databases(&databases);
  if (database.len == 0 && databases.len == 1) database = databases.ptr[0].name;
  for (size_t at = 0; at < databases.len; at++) {
    if (equals(&databases.ptr[at].name, &database)) engine = databases.ptr[at].engine;
  }

  tidegate_plugin_catalog_table_kind_t kind = TIDEGATE_PLUGIN_CATALOG_TABLE_KIND_TABLE;
  tidegate_plugin_catalog_table_filter_t filter = {.kinds = {.ptr = &kind, .len = 1}, .limit = MAX_TABLES};
  tidegate_plugin_catalog_table_page_t page;
  if (!tidegate_plugin_catalog_list_tables(&database, &filter, &page, &err->val.database)) return false;
  if (page.tables.len == 0) {
    tidegate_plugin_content_content_t answer = {.tag = TIDEGATE_PLUGIN_CONTENT_CONTENT_TEXT};
    plugin_string_dup(&answer.val.text, "There are no tables.");
    complete(answer, ret);
    return true;
  }

  text_t sql = counting(&page.tables, engine);
  plugin_string_t statement = as_string(&sql);
  tidegate_plugin_database_read_list_value_t parameters = {0};
  tidegate_plugin_database_read_options_t options = {0};
  tidegate_plugin_content_content_t answer = {.tag = TIDEGATE_PLUGIN_CONTENT_CONTENT_ROWS};
  // The rows stay in the host: what goes on is a handle.
  bool read = tidegate_plugin_database_read_query(&database, &statement, &parameters, &options, &answer.val.rows.rows, &err->val.database);
  if (read) complete(answer, ret);
  return read;
}

// --- the hook ----------------------------------------------------------------------------------------------------------

// Where a quoted text, a comment or a single character ends that begins at `at`.
static size_t end_of_piece(const char *sql, size_t len, size_t at) {
  char c = sql[at];
  if (c == '\'' || c == '"' || c == '`') {
    const char *close = memchr(sql + at + 1, c, len - at - 1);
    return close == NULL ? len : (size_t)(close - sql) + 1;
  }
  if (c == '-' && at + 1 < len && sql[at + 1] == '-') {
    const char *line = memchr(sql + at, '\n', len - at);
    return line == NULL ? len : (size_t)(line - sql) + 1;
  }
  if (c == '/' && at + 1 < len && sql[at + 1] == '*') {
    for (size_t end = at + 2; end + 1 < len; end++) {
      if (sql[end] == '*' && sql[end + 1] == '/') return end + 2;
    }
    return len;
  }
  return at + 1;
}

static bool is_word(char c) { return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80; }

// How often the word `join` stands in a statement, outside quotes and comments.
static unsigned count_joins(const char *sql, size_t len) {
  unsigned joins = 0;
  size_t at = 0;
  while (at < len) {
    if (!is_word(sql[at])) {
      at = end_of_piece(sql, len, at);
      continue;
    }
    size_t end = at;
    while (end < len && is_word(sql[end])) end++;
    if (end - at == 4 && strncasecmp(sql + at, "join", 4) == 0) joins++;
    at = end;
  }
  return joins;
}

// The setting, which comes as JSON text.
static unsigned max_joins(void) {
  plugin_string_t key, value;
  plugin_string_set(&key, "max-joins");
  if (!tidegate_plugin_settings_get(&key, &value)) return MAX_JOINS;
  unsigned number = 0;
  for (size_t at = 0; at < value.len && isdigit(value.ptr[at]) && number < 10000; at++) number = number * 10 + (value.ptr[at] - '0');
  plugin_string_free(&value);
  return number;
}

void exports_tidegate_plugin_query_hooks_before_query(exports_tidegate_plugin_query_hooks_asked_t *asked,
                                                      exports_tidegate_plugin_query_hooks_statement_t *statement,
                                                      exports_tidegate_plugin_query_hooks_before_verdict_t *ret) {
  (void)asked;
  unsigned joins = count_joins((const char *)statement->sql.ptr, statement->sql.len), allowed = max_joins();
  ret->tag = EXPORTS_TIDEGATE_PLUGIN_QUERY_HOOKS_BEFORE_VERDICT_PASS;
  if (joins > allowed) {
    char reason[96];
    snprintf(reason, sizeof reason, "it joins %u times, and %u %s allowed", joins, allowed, allowed == 1 ? "is" : "are");
    ret->tag = EXPORTS_TIDEGATE_PLUGIN_QUERY_HOOKS_BEFORE_VERDICT_REFUSE;
    plugin_string_dup(&ret->val.refuse, reason);
  }
  exports_tidegate_plugin_query_hooks_statement_free(statement);
}

// The interface has them; the manifest declares no hook on these events, so nobody asks.

void exports_tidegate_plugin_query_hooks_after_query(exports_tidegate_plugin_query_hooks_asked_t *asked,
                                                     exports_tidegate_plugin_query_hooks_statement_t *statement,
                                                     exports_tidegate_plugin_query_hooks_outcome_t *outcome,
                                                     exports_tidegate_plugin_query_hooks_after_verdict_t *ret) {
  (void)asked, (void)statement, (void)outcome;
  ret->tag = EXPORTS_TIDEGATE_PLUGIN_QUERY_HOOKS_AFTER_VERDICT_PASS;
}

void exports_tidegate_plugin_query_hooks_on_error(exports_tidegate_plugin_query_hooks_asked_t *asked,
                                                  exports_tidegate_plugin_query_hooks_statement_t *statement,
                                                  exports_tidegate_plugin_query_hooks_database_error_t *error,
                                                  exports_tidegate_plugin_query_hooks_advice_t *ret) {
  (void)asked, (void)statement, (void)error;
  *ret = (exports_tidegate_plugin_query_hooks_advice_t){0};
}

void exports_tidegate_plugin_query_hooks_on_connect(exports_tidegate_plugin_query_hooks_connection_t *connection,
                                                    exports_tidegate_plugin_query_hooks_connect_verdict_t *ret) {
  (void)connection;
  *ret = (exports_tidegate_plugin_query_hooks_connect_verdict_t){.tag = EXPORTS_TIDEGATE_PLUGIN_QUERY_HOOKS_CONNECT_VERDICT_SETUP};
}
