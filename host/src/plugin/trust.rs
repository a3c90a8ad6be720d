//! Who wrote a plugin: keys, signatures, and which key an operator trusts for which plugins.
//!
//! Signatures are minisign's (Ed25519 over the BLAKE2b hash of the file, with a signed comment), so that its own tool makes and
//! checks them too: <https://jedisct1.github.io/minisign/>. What is signed is the bytes of the manifest, which hold the digest of
//! the component. A key holds for a scope, `example.org/*` or one plugin, and never for all plugins.

mod key;
pub mod publishers;
pub mod rotation;
mod signature;

pub use key::KeyError;
pub use key::KeyPair;
pub use key::PublicKey;
pub use key::SigningKey;
pub use signature::SignatureError;
pub use signature::sign;
pub use signature::verify;
