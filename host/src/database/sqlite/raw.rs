//! SQLite's C interface for what the driver has none of: the authorizer, limits, tails, declared types.
//!
//! sqlx opens, pools and closes the connections. While a [`Handle`] holds the lock of one, sqlx's own thread makes no
//! call on it, and statements are prepared, stepped and read here. The callbacks carry no pointer to anything that ends:
//! they look up what runs on their thread in `run.rs`, and refuse when nothing does.

#![expect(unsafe_code, reason = "sqlx has no interface to the authorizer, the limits, the tail of a statement or declared types")]

use std::ffi::CStr;
use std::ffi::c_char;
use std::ffi::c_int;
use std::ffi::c_void;
use std::marker::PhantomData;
use std::panic::catch_unwind;
use std::ptr;
use std::ptr::NonNull;
use std::sync::Once;

use libsqlite3_sys as ffi;
use sqlx::sqlite::LockedSqliteHandle;

use super::authorizer;
use super::authorizer::Action;
use super::functions;
use super::functions::Answer;
use super::functions::Argument;
use super::functions::Function;
use super::run;
use crate::database::value::Value;

/// Instructions of SQLite's machine between two looks at whether the statement must stop: some 2 µs of ordinary ones,
/// and few enough that those with a large value in each do not add up to a second.
const PROGRESS_INSTRUCTIONS: c_int = 100;

/// Bytes that all connections of the process may hold: a statement that aggregates without end fails, not the host. More
/// in unit tests, which share a process; the limit itself is tested on the program.
const HEAP_BYTES: i64 = if cfg!(test) { 2 << 30 } else { 512 << 20 };

/// `SQLITE_LIMIT_*` of every connection. Each is far above what a statement for a person or a model needs.
const LIMITS: [(c_int, c_int); 9] = [
    (ffi::SQLITE_LIMIT_LENGTH, functions::VALUE_BYTES as c_int),
    (ffi::SQLITE_LIMIT_SQL_LENGTH, 128 << 10),
    (ffi::SQLITE_LIMIT_EXPR_DEPTH, 500),
    (ffi::SQLITE_LIMIT_COMPOUND_SELECT, 500),
    (ffi::SQLITE_LIMIT_VDBE_OP, 250_000),
    (ffi::SQLITE_LIMIT_FUNCTION_ARG, 100),
    (ffi::SQLITE_LIMIT_ATTACHED, 0),
    (ffi::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000),
    (ffi::SQLITE_LIMIT_WORKER_THREADS, 0),
];

/// `SQLITE_DBCONFIG_*` switches of every connection.
const SWITCHES: [(c_int, c_int); 8] = [
    (ffi::SQLITE_DBCONFIG_DEFENSIVE, 1),
    (ffi::SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0),
    (ffi::SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0),
    (ffi::SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, 0),
    (ffi::SQLITE_DBCONFIG_WRITABLE_SCHEMA, 0),
    (ffi::SQLITE_DBCONFIG_ENABLE_FKEY, 1),
    // A misspelt column in double quotes is an error and not a text.
    (ffi::SQLITE_DBCONFIG_DQS_DML, 0),
    (ffi::SQLITE_DBCONFIG_DQS_DDL, 0),
];

/// What SQLite said about a call that failed.
#[derive(Clone, Debug)]
pub(super) struct RawError {
    /// Extended result code.
    pub(super) code: c_int,
    /// SQLite's text.
    pub(super) message: String,
    /// Byte of the statement at which it stopped, where it knows.
    pub(super) offset: Option<usize>,
}

/// A connection that nothing else uses while this lives.
pub(super) struct Handle<'c> {
    db: NonNull<ffi::sqlite3>,
    /// Keeps the connection open and the driver's thread away from it.
    _locked: LockedSqliteHandle<'c>,
}

impl<'c> Handle<'c> {
    /// Takes over a locked connection.
    pub(super) fn new(mut locked: LockedSqliteHandle<'c>) -> Self {
        Self { db: locked.as_raw_handle(), _locked: locked }
    }

    /// Applies limits, switches and callbacks: after it, no statement runs but inside a [`run::enter`].
    pub(super) fn harden(&self) -> Result<(), RawError> {
        static HEAP: Once = Once::new();
        // SAFETY: the function takes a number and is safe to call from any thread.
        HEAP.call_once(|| unsafe {
            ffi::sqlite3_hard_heap_limit64(HEAP_BYTES);
        });
        for (limit, value) in LIMITS {
            self.set_limit(limit, value);
        }
        for (switch, value) in SWITCHES {
            // SAFETY: `db` is open and ours; these operations take an int and a pointer to an int that may be null.
            let code = unsafe { ffi::sqlite3_db_config(self.db.as_ptr(), switch, value, ptr::null_mut::<c_int>()) };
            self.check(code)?;
        }
        for function in &functions::FUNCTIONS {
            let code = self.add_function(function);
            self.check(code)?;
        }
        // SAFETY: `db` is open and ours. The callbacks are functions of this program that ignore their user pointer.
        unsafe {
            ffi::sqlite3_progress_handler(self.db.as_ptr(), PROGRESS_INSTRUCTIONS, Some(on_progress), ptr::null_mut());
            let code = ffi::sqlite3_busy_handler(self.db.as_ptr(), Some(on_busy), ptr::null_mut());
            self.check(code)?;
            let code = ffi::sqlite3_set_authorizer(self.db.as_ptr(), Some(on_authorize), ptr::null_mut());
            self.check(code)
        }
    }

    /// Allows the one attached database that `VACUUM` makes for itself, or forbids it again.
    pub(super) fn allow_vacuum(&self, allow: bool) {
        self.set_limit(ffi::SQLITE_LIMIT_ATTACHED, c_int::from(allow));
    }

    /// Whether nothing of what ran is still open: no transaction, and no statement or blob of a virtual table, which
    /// would keep a snapshot alive.
    pub(super) fn is_clean(&self) -> bool {
        let mut statement = ptr::null_mut();
        loop {
            // SAFETY: `db` is open and ours, and `statement` is null or one of its statements.
            unsafe {
                statement = ffi::sqlite3_next_stmt(self.db.as_ptr(), statement);
                if statement.is_null() {
                    return !self.in_transaction();
                }
                if ffi::sqlite3_stmt_busy(statement) != 0 {
                    return false;
                }
            }
        }
    }

    /// Whether a transaction is open.
    pub(super) fn in_transaction(&self) -> bool {
        // SAFETY: `db` is open and ours.
        unsafe { ffi::sqlite3_get_autocommit(self.db.as_ptr()) == 0 }
    }

    /// Rows that the last finished `INSERT`, `UPDATE` or `DELETE` changed itself.
    pub(super) fn changes(&self) -> u64 {
        // SAFETY: `db` is open and ours.
        u64::try_from(unsafe { ffi::sqlite3_changes64(self.db.as_ptr()) }).unwrap_or(0)
    }

    /// Rows changed since the connection was opened, by triggers and foreign keys too.
    pub(super) fn total_changes(&self) -> i64 {
        // SAFETY: `db` is open and ours.
        unsafe { ffi::sqlite3_total_changes64(self.db.as_ptr()) }
    }

    /// Prepares the first statement of `sql`; none when there is only blank space and comments. The second value is
    /// what follows it. `sql` must hold no NUL: SQLite stops there.
    pub(super) fn prepare<'h, 's>(&'h self, sql: &'s str) -> Result<(Option<Prepared<'h>>, &'s str), RawError> {
        let length = c_int::try_from(sql.len()).map_err(|_| self.error(ffi::SQLITE_TOOBIG))?;
        let mut statement = ptr::null_mut();
        let mut tail: *const c_char = ptr::null();
        // SAFETY: `db` is open and ours; `sql` is `length` bytes long, and both out pointers are valid.
        let code = unsafe {
            ffi::sqlite3_prepare_v3(self.db.as_ptr(), sql.as_ptr().cast::<c_char>(), length, 0, &raw mut statement, &raw mut tail)
        };
        let prepared = NonNull::new(statement).map(|statement| Prepared { statement, handle: self.db, _borrow: PhantomData });
        self.check(code)?;
        let used = if tail.is_null() { sql.len() } else { (tail as usize).saturating_sub(sql.as_ptr() as usize) };
        Ok((prepared, sql.get(used..).unwrap_or_default()))
    }

    /// Puts a function in the place of SQLite's own of the same name and number of arguments.
    fn add_function(&self, function: &'static Function) -> c_int {
        let flags = ffi::SQLITE_UTF8 | ffi::SQLITE_DETERMINISTIC | ffi::SQLITE_INNOCUOUS;
        let user = ptr::from_ref(function).cast_mut().cast::<c_void>();
        // SAFETY: `db` is open and ours. `user` points to a static, which `on_function` only reads.
        unsafe {
            let name = function.name.as_ptr();
            ffi::sqlite3_create_function_v2(self.db.as_ptr(), name, function.arguments, flags, user, Some(on_function), None, None, None)
        }
    }

    fn set_limit(&self, limit: c_int, value: c_int) {
        // SAFETY: `db` is open and ours.
        unsafe {
            ffi::sqlite3_limit(self.db.as_ptr(), limit, value);
        }
    }

    fn check(&self, code: c_int) -> Result<(), RawError> {
        if code == ffi::SQLITE_OK { Ok(()) } else { Err(self.error(code)) }
    }

    fn error(&self, code: c_int) -> RawError {
        // SAFETY: `db` is open and ours.
        unsafe { last_error(self.db, code) }
    }
}

/// One compiled statement; finalized when dropped.
pub(super) struct Prepared<'h> {
    statement: NonNull<ffi::sqlite3_stmt>,
    handle: NonNull<ffi::sqlite3>,
    /// The connection may not be given back before the statement is finalized.
    _borrow: PhantomData<&'h Handle<'h>>,
}

/// One value of the current row, in the storage class that SQLite has it in.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cell<'r> {
    /// `NULL`.
    Null,
    /// A 64-bit integer.
    Integer(i64),
    /// A double.
    Real(f64),
    /// Text: should be UTF-8, but SQLite does not check.
    Text(&'r [u8]),
    /// Bytes.
    Blob(&'r [u8]),
}

impl Prepared<'_> {
    /// Whether running it changes no database file.
    pub(super) fn read_only(&self) -> bool {
        // SAFETY: the statement is not finalized before `self` is dropped; here and in the functions below.
        unsafe { ffi::sqlite3_stmt_readonly(self.statement.as_ptr()) != 0 }
    }

    /// The largest index of a parameter.
    pub(super) fn parameter_count(&self) -> usize {
        // SAFETY: as in `read_only`.
        usize::try_from(unsafe { ffi::sqlite3_bind_parameter_count(self.statement.as_ptr()) }).unwrap_or(0)
    }

    /// The name of the parameter at `index`, from 1, with its first character; none for a bare `?`.
    pub(super) fn parameter_name(&self, index: usize) -> Option<String> {
        // SAFETY: as in `read_only`; the name lives as long as the statement and is copied here.
        unsafe { text_of(ffi::sqlite3_bind_parameter_name(self.statement.as_ptr(), to_int(index))) }
    }

    /// Binds the parameter at `index`, from 1.
    pub(super) fn bind(&mut self, index: usize, value: &Value) -> Result<(), RawError> {
        let (statement, index) = (self.statement.as_ptr(), to_int(index));
        // SAFETY: as in `read_only`; SQLite copies text and bytes before the call returns (`SQLITE_TRANSIENT`).
        let code = unsafe {
            match value {
                Value::Null => ffi::sqlite3_bind_null(statement, index),
                Value::Boolean(value) => ffi::sqlite3_bind_int64(statement, index, i64::from(*value)),
                Value::Integer(value) => ffi::sqlite3_bind_int64(statement, index, *value),
                Value::Real(value) => ffi::sqlite3_bind_double(statement, index, *value),
                Value::Decimal(text) | Value::Text(text) | Value::Json(text) => ffi::sqlite3_bind_text64(
                    statement,
                    index,
                    text.as_ptr().cast::<c_char>(),
                    text.len() as u64,
                    ffi::SQLITE_TRANSIENT(),
                    ffi::SQLITE_UTF8 as u8,
                ),
                Value::Blob(bytes) => {
                    ffi::sqlite3_bind_blob64(statement, index, bytes.as_ptr().cast::<c_void>(), bytes.len() as u64, ffi::SQLITE_TRANSIENT())
                }
            }
        };
        self.check(code)
    }

    /// Runs to the next row; false when there is none.
    pub(super) fn step(&mut self) -> Result<bool, RawError> {
        // SAFETY: as in `read_only`.
        match unsafe { ffi::sqlite3_step(self.statement.as_ptr()) } {
            ffi::SQLITE_ROW => Ok(true),
            ffi::SQLITE_DONE => Ok(false),
            code => Err(self.error(code)),
        }
    }

    /// Columns of a row; 0 for a statement that returns none.
    pub(super) fn column_count(&self) -> usize {
        // SAFETY: as in `read_only`.
        usize::try_from(unsafe { ffi::sqlite3_column_count(self.statement.as_ptr()) }).unwrap_or(0)
    }

    /// The name of a column, from 0.
    pub(super) fn column_name(&self, index: usize) -> String {
        // SAFETY: as in `read_only`; the text is copied before another call on the statement.
        unsafe { text_of(ffi::sqlite3_column_name(self.statement.as_ptr(), to_int(index))) }.unwrap_or_default()
    }

    /// The type that the column was declared with; none for an expression.
    pub(super) fn declared_type(&self, index: usize) -> Option<String> {
        // SAFETY: as in `column_name`.
        unsafe { text_of(ffi::sqlite3_column_decltype(self.statement.as_ptr(), to_int(index))) }
    }

    /// A value of the row that the last [`step`](Self::step) came to.
    pub(super) fn cell(&self, index: usize) -> Cell<'_> {
        let (statement, index) = (self.statement.as_ptr(), to_int(index));
        // SAFETY: as in `read_only`. What SQLite points to stays until the next step or until the statement is
        // finalized, and both need `self` unborrowed. The length is asked for after the pointer, as SQLite wants it.
        unsafe {
            match ffi::sqlite3_column_type(statement, index) {
                ffi::SQLITE_INTEGER => Cell::Integer(ffi::sqlite3_column_int64(statement, index)),
                ffi::SQLITE_FLOAT => Cell::Real(ffi::sqlite3_column_double(statement, index)),
                ffi::SQLITE_TEXT => {
                    let start = ffi::sqlite3_column_text(statement, index);
                    Cell::Text(bytes_of(start, ffi::sqlite3_column_bytes(statement, index)))
                }
                ffi::SQLITE_BLOB => {
                    let start = ffi::sqlite3_column_blob(statement, index);
                    Cell::Blob(bytes_of(start.cast::<u8>(), ffi::sqlite3_column_bytes(statement, index)))
                }
                _ => Cell::Null,
            }
        }
    }

    /// A value of the current row as text; empty for null.
    pub(super) fn text(&self, index: usize) -> String {
        match self.cell(index) {
            Cell::Null => String::new(),
            Cell::Integer(value) => value.to_string(),
            Cell::Real(value) => value.to_string(),
            Cell::Text(bytes) | Cell::Blob(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        }
    }

    /// A value of the current row as a number; 0 for what is none.
    pub(super) fn number(&self, index: usize) -> i64 {
        match self.cell(index) {
            Cell::Integer(value) => value,
            _ => 0,
        }
    }

    /// Whether a value of the current row is null.
    pub(super) fn is_null(&self, index: usize) -> bool {
        matches!(self.cell(index), Cell::Null)
    }

    fn check(&self, code: c_int) -> Result<(), RawError> {
        if code == ffi::SQLITE_OK { Ok(()) } else { Err(self.error(code)) }
    }

    fn error(&self, code: c_int) -> RawError {
        // SAFETY: the connection is open as long as its statements are borrowed from it.
        unsafe { last_error(self.handle, code) }
    }
}

impl Drop for Prepared<'_> {
    fn drop(&mut self) {
        // SAFETY: finalized here and nowhere else. The result repeats the error of the last step.
        unsafe {
            ffi::sqlite3_finalize(self.statement.as_ptr());
        }
    }
}

/// The version of the library.
pub(super) fn version() -> String {
    // SAFETY: the function returns a constant text.
    unsafe { text_of(ffi::sqlite3_libversion()) }.unwrap_or_default()
}

/// Decides on one action while a statement is prepared.
extern "C" fn on_authorize(
    _: *mut c_void,
    code: c_int,
    first: *const c_char,
    second: *const c_char,
    schema: *const c_char,
    _trigger: *const c_char,
) -> c_int {
    // SAFETY: SQLite passes null or texts that live for the length of this call.
    let (first, second, schema) = unsafe { (text_of(first), text_of(second), text_of(schema)) };
    let action = Action { code, first: first.as_deref(), second: second.as_deref(), schema: schema.as_deref() };
    // A panic may not leave a function that C calls.
    match catch_unwind(|| authorizer::allows(&action)) {
        Ok(true) => ffi::SQLITE_OK,
        Ok(false) | Err(_) => ffi::SQLITE_DENY,
    }
}

/// Calls one of our functions.
unsafe extern "C" fn on_function(context: *mut ffi::sqlite3_context, count: c_int, values: *mut *mut ffi::sqlite3_value) {
    // SAFETY: SQLite passes a valid context whose user data is what `add_function` gave, and `count` valid values. The
    // bytes of a value stay until it is asked for in another type, which happens to none of them here.
    unsafe {
        let function = &*ffi::sqlite3_user_data(context).cast::<Function>();
        let mut arguments = Vec::with_capacity(3);
        for index in 0..usize::try_from(count).unwrap_or(0) {
            let value = *values.add(index);
            let class = ffi::sqlite3_value_type(value);
            let is_blob = class == ffi::SQLITE_BLOB;
            let start = match class {
                ffi::SQLITE_NULL => return ffi::sqlite3_result_null(context),
                ffi::SQLITE_BLOB => ffi::sqlite3_value_blob(value).cast::<u8>(),
                _ => ffi::sqlite3_value_text(value),
            };
            arguments.push(Argument { bytes: bytes_of(start, ffi::sqlite3_value_bytes(value)), is_blob });
        }
        match catch_unwind(|| (function.body)(&arguments)) {
            Ok(Answer::Null) => ffi::sqlite3_result_null(context),
            Ok(Answer::Integer(number)) => ffi::sqlite3_result_int64(context, number),
            Ok(Answer::Text(text)) => {
                let (start, length) = (text.as_ptr().cast::<c_char>(), text.len() as u64);
                ffi::sqlite3_result_text64(context, start, length, ffi::SQLITE_TRANSIENT(), ffi::SQLITE_UTF8 as u8);
            }
            Ok(Answer::Blob(bytes)) => {
                let (start, length) = (bytes.as_ptr().cast::<c_void>(), bytes.len() as u64);
                ffi::sqlite3_result_blob64(context, start, length, ffi::SQLITE_TRANSIENT());
            }
            Ok(Answer::First) => ffi::sqlite3_result_value(context, *values),
            Ok(Answer::TooLarge) => ffi::sqlite3_result_error_toobig(context),
            Err(_) => ffi::sqlite3_result_error_code(context, ffi::SQLITE_ERROR),
        }
    }
}

/// Tells every few instructions whether the statement must stop.
extern "C" fn on_progress(_: *mut c_void) -> c_int {
    c_int::from(catch_unwind(run::must_stop).unwrap_or(true))
}

/// Waits a little for another connection's lock; 0 gives up.
extern "C" fn on_busy(_: *mut c_void, tries: c_int) -> c_int {
    c_int::from(catch_unwind(|| run::wait_for_lock(tries)).unwrap_or(false))
}

/// What the connection says about the call that just failed.
///
/// # Safety
///
/// `db` must be open and used by this thread only.
unsafe fn last_error(db: NonNull<ffi::sqlite3>, code: c_int) -> RawError {
    // SAFETY: as the caller promises; the text is copied before the next call.
    unsafe {
        let message = text_of(ffi::sqlite3_errmsg(db.as_ptr())).unwrap_or_default();
        let offset = usize::try_from(ffi::sqlite3_error_offset(db.as_ptr())).ok();
        RawError { code, message, offset }
    }
}

/// A copy of a C text; none for null.
///
/// # Safety
///
/// `text` must be null or end with a NUL.
unsafe fn text_of(text: *const c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: as the caller promises.
    Some(unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}

/// The bytes at `start`; none of them when it is null.
///
/// # Safety
///
/// `start` must be null or point to `length` bytes that stay unchanged for `'r`.
unsafe fn bytes_of<'r>(start: *const u8, length: c_int) -> &'r [u8] {
    match usize::try_from(length) {
        // SAFETY: as the caller promises.
        Ok(length) if !start.is_null() && length > 0 => unsafe { std::slice::from_raw_parts(start, length) },
        _ => &[],
    }
}

/// An index as C wants it. SQLite has at most 32,767 of either kind; what is over is refused by it as out of range.
fn to_int(index: usize) -> c_int {
    c_int::try_from(index).unwrap_or(c_int::MAX)
}
