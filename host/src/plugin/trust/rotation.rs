//! A statement by which a publisher passes from one key to another: a small TOML file, signed by the old key.

use serde::Deserialize;
use serde::Serialize;

use super::PublicKey;
use super::SignatureError;
use super::SigningKey;
use super::sign;
use super::verify;

/// The name of the statement beside a manifest.
pub const ROTATION_FILE: &str = "rotate.toml";

/// The name of its signature.
pub const ROTATION_SIGNATURE_FILE: &str = "rotate.toml.minisig";

/// Bytes of a statement.
pub const ROTATION_BYTES: usize = 4 << 10;

/// What the old key says about the new one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Statement {
    schema: u32,
    scope: String,
    from: PublicKey,
    to: PublicKey,
}

/// A statement that was checked: the old key signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    statement: Statement,
}

/// Why a statement is worth nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RotationError {
    /// It is not of this form.
    #[error("the statement about a new key is not of its form: {0}")]
    Content(String),
    /// Its signature.
    #[error("the statement about a new key: {0}")]
    Signature(#[from] SignatureError),
}

impl Rotation {
    /// Reads a statement and checks that the old key that it names signed it. Whether that key was trusted is another question.
    ///
    /// # Errors
    ///
    /// A text of another form, and a signature that does not hold.
    pub fn read(text: &[u8], signature: &[u8]) -> Result<Self, RotationError> {
        if text.len() > ROTATION_BYTES {
            return Err(RotationError::Content(format!("it is larger than {ROTATION_BYTES} bytes")));
        }
        let parsed = std::str::from_utf8(text).map_err(|error| RotationError::Content(error.to_string()))?;
        let statement: Statement = toml::from_str(parsed).map_err(|error| RotationError::Content(error.to_string().trim_end().into()))?;
        if statement.schema != 1 {
            return Err(RotationError::Content(format!("`schema` is {}, and this host reads 1", statement.schema)));
        }
        verify(&statement.from, text, signature)?;
        Ok(Self { statement })
    }

    /// Writes a statement and its signature.
    ///
    /// # Errors
    ///
    /// Signing failed.
    pub fn write(scope: &str, old: &SigningKey, new: &PublicKey) -> Result<(String, String), RotationError> {
        let statement = Statement { schema: 1, scope: scope.into(), from: old.public().clone(), to: new.clone() };
        let text = toml::to_string(&statement).map_err(|error| RotationError::Content(error.to_string()))?;
        let signature = sign(old, text.as_bytes(), &format!("new key for {scope}"))?;
        Ok((text, signature))
    }

    /// Whether it passes `scope` on from one key to the other.
    pub fn passes(&self, scope: &str, from: &PublicKey, to: &PublicKey) -> bool {
        let Statement { scope: stated, from: old, to: new, .. } = &self.statement;
        stated == scope && old == from && new == to
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::trust::KeyPair;

    fn key() -> SigningKey {
        SigningKey::open(&KeyPair::generate(None).unwrap().secret_file, None).unwrap()
    }

    #[test]
    fn only_the_old_key_passes_its_own_scope_on() {
        let (old, new, other) = (key(), key(), key());
        let (text, signature) = Rotation::write("example.org/*", &old, new.public()).unwrap();
        let rotation = Rotation::read(text.as_bytes(), signature.as_bytes()).unwrap();
        assert!(rotation.passes("example.org/*", old.public(), new.public()));
        assert!(!rotation.passes("other.org/*", old.public(), new.public()));
        assert!(!rotation.passes("example.org/*", other.public(), new.public()));
        assert!(!rotation.passes("example.org/*", old.public(), other.public()));

        let (_, forged) = Rotation::write("example.org/*", &other, new.public()).unwrap();
        assert!(matches!(
            Rotation::read(text.as_bytes(), forged.as_bytes()),
            Err(RotationError::Signature(SignatureError::OtherKey { .. }))
        ));
        let wider = text.replace("example.org/*", "other.org/*");
        assert!(matches!(
            Rotation::read(wider.as_bytes(), signature.as_bytes()),
            Err(RotationError::Signature(SignatureError::DoesNotFit))
        ));
        assert!(matches!(Rotation::read(b"schema = 1", signature.as_bytes()), Err(RotationError::Content(_))));
    }
}
