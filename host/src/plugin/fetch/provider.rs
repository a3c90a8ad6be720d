//! The one provider of TLS in the process.

/// Makes ring what every HTTP client of the process uses that names no provider itself, which is what the client of MCP does.
/// Without it such a client panics when it is made.
pub fn install() {
    // An error says that there is one already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
