// Finds rows that a table has twice, and masks columns that hold e-mail addresses or card numbers.

import { query } from "tidegate:plugin/database-read@0.1.0";
import { get } from "tidegate:plugin/settings@0.1.0";

/** Names that need no quotes in any engine, with their schema or without. */
const NAME = "^[A-Za-z_][A-Za-z0-9_]*(\\.[A-Za-z_][A-Za-z0-9_]*)?$";

const ARGUMENTS = {
  type: "object",
  properties: {
    database: { type: "string", description: "The database; may be left out when there is one." },
    table: { type: "string", pattern: NAME, description: "The table." },
    columns: {
      type: "array",
      items: { type: "string", pattern: NAME },
      minItems: 1,
      maxItems: 16,
      description: "Rows are duplicates when all of these columns are equal.",
    },
    limit: { type: "integer", minimum: 1, maximum: 1000, description: "Groups at most, 50 when left out." },
  },
  required: ["table", "columns"],
  additionalProperties: false,
};

export const tools = {
  listTools() {
    return [
      {
        name: "find_duplicates",
        title: "Find duplicates",
        description: "Finds groups of rows that are equal in some columns of a table, the largest first, with how many there are.",
        inputSchema: JSON.stringify(ARGUMENTS),
        annotations: { readOnly: true, destructive: false, idempotent: true, openWorld: false },
        needs: "read",
      },
    ];
  },

  callTool(call) {
    const { database = "", table, columns, limit = 50 } = JSON.parse(call.arguments);
    const names = columns.join(", ");
    const sql = `select ${names}, count(*) as copies from ${table} group by ${names} having count(*) > 1 order by copies desc, ${names} limit ${limit}`;
    try {
      // The rows stay in the host: what goes on is a handle.
      const rows = query(database, sql, [], { keepRest: false });
      return { tag: "complete", val: [{ tag: "rows", val: { rows, format: "auto" } }] };
    } catch (error) {
      // A failure of the database goes on unchanged: the host gives it its code and hint. Anything else is a mistake of ours.
      if (error.payload === undefined) throw error;
      throw { tag: "database", val: error.payload };
    }
  },
};

const MAIL = /^[^\s@]+@[^\s@]+\.[^\s@]+$/;
const CARD = /^\d(?:[ -]?\d){12,18}$/;

/** Whether the check digit of a card number is right (ISO/IEC 7812-1, annex B). */
function isCardNumber(text) {
  if (!CARD.test(text)) return false;
  const digits = [...text].filter((c) => c >= "0" && c <= "9").reverse().map(Number);
  const sum = digits.reduce((sum, digit, at) => sum + (at % 2 === 0 ? digit : digit < 5 ? digit * 2 : digit * 2 - 9), 0);
  return sum % 10 === 0;
}

function isPersonal(value) {
  if (value.tag === "integer") return isCardNumber(String(value.val));
  return value.tag === "text" && (MAIL.test(value.val) || isCardNumber(value.val));
}

/** Columns that are shown as they are, whatever is in them: the setting `clear`. */
function clearColumns() {
  const setting = get("clear");
  return new Set(setting === undefined ? [] : JSON.parse(setting));
}

export const queryHooks = {
  afterQuery(asked, statement, outcome) {
    if (outcome.rows === undefined) return { tag: "pass" };
    const clear = clearColumns();
    const columns = new Set();
    for (;;) {
      const rows = outcome.rows.next(500);
      if (rows.length === 0) break;
      for (const row of rows) {
        row.forEach((value, at) => {
          if (!columns.has(at) && !clear.has(outcome.columns[at].name) && isPersonal(value)) columns.add(at);
        });
      }
    }
    if (columns.size === 0) return { tag: "pass" };
    const replacement = { tag: "text", val: "***" };
    return { tag: "mask", val: [...columns].sort((a, b) => a - b).map((column) => ({ column, replacement })) };
  },

  // The interface has them; the manifest declares no hook on these events, so nobody asks.
  beforeQuery() {
    return { tag: "pass" };
  },
  onError() {
    return { suggestions: [], tryAgain: false };
  },
  onConnect() {
    return { tag: "setup", val: [] };
  },
};
