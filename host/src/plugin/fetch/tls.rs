//! TLS of the HTTP client: rustls with ring, as the host's database connections have it, and the authorities that the system trusts.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::RootCertStore;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;

/// The client's side of TLS. `authorities` are trusted beside those of the system (DER).
pub(super) fn config(authorities: &[Vec<u8>]) -> Result<ClientConfig, rustls::Error> {
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    // A store may hold certificates that this library does not understand; the others are good.
    let (taken, _) = roots.add_parsable_certificates(system.certs);
    if taken == 0 {
        tracing::warn!(
            "This machine has no certificate authorities, so that no https server is trusted; install `ca-certificates` or set SSL_CERT_FILE"
        );
    }
    for authority in authorities {
        roots.add(CertificateDer::from(authority.clone()))?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    Ok(builder.with_safe_default_protocol_versions()?.with_root_certificates(roots).with_no_client_auth())
}
