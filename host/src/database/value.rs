//! Values on their way into a statement.

/// One SQL value. Mirrors `types.value` of the contract.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// SQL `NULL`.
    Null,
    /// A truth value.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A 64-bit floating-point number.
    Real(f64),
    /// An exact base-10 number as text.
    Decimal(String),
    /// Text, also dates, times and whatever else has a text form.
    Text(String),
    /// Bytes.
    Blob(Vec<u8>),
    /// A JSON document as text, also arrays and composites.
    Json(String),
}
