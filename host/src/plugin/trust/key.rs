//! Keys in the files of minisign: a public one, and a secret one that a password encrypts.

use std::fmt;

use serde::Deserialize;
use serde::Deserializer;
use serde::Serialize;
use serde::Serializer;
use serde::de::Error as _;

/// Bytes of a key file that is read.
const FILE_BYTES: usize = 4 << 10;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The text is no public key.
    #[error("this is no public key of minisign; it begins with `RW` and has 56 characters")]
    Public,
    /// The text is no secret key.
    #[error("this is no secret key of minisign: {0}")]
    Secret(String),
    /// The password does not open it.
    #[error("the password does not open the secret key")]
    Password,
    /// Making one failed.
    #[error("no key could be made: {0}")]
    Making(String),
}

/// The key by which signatures of a publisher are checked.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(pub(super) minisign::PublicKey);

impl PublicKey {
    /// Reads the one line of base64, or the whole text of a `.pub` file.
    ///
    /// # Errors
    ///
    /// [`KeyError::Public`] for anything else.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        if text.len() > FILE_BYTES {
            return Err(KeyError::Public);
        }
        let text = text.trim();
        let line = if text.starts_with("untrusted comment:") { text.lines().nth(1).unwrap_or_default().trim() } else { text };
        minisign::PublicKey::from_base64(line).map(Self).map_err(|_| KeyError::Public)
    }

    /// What minisign calls its id: 16 hexadecimal digits, short enough to read to somebody. It names a key and does not prove it.
    pub fn id(&self) -> String {
        key_id(self.0.keynum())
    }
}

/// A key's id as minisign writes it.
pub(super) fn key_id(number: &[u8]) -> String {
    number.iter().rev().map(|byte| format!("{byte:02X}")).collect()
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_base64())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

/// A new key, as the texts of its two files.
pub struct KeyPair {
    /// The key itself.
    pub public: PublicKey,
    /// The text of the public file.
    pub public_file: String,
    /// The text of the secret file.
    pub secret_file: String,
}

impl KeyPair {
    /// Makes one. With a password, the secret file is encrypted under it, which takes about a second and 32 MiB on purpose.
    ///
    /// # Errors
    ///
    /// A machine without random numbers.
    pub fn generate(password: Option<&str>) -> Result<Self, KeyError> {
        let making = |error: minisign::PError| KeyError::Making(error.to_string());
        let pair = match password {
            Some(password) => minisign::KeyPair::generate_encrypted_keypair(Some(password.into())),
            None => minisign::KeyPair::generate_unencrypted_keypair(),
        }
        .map_err(making)?;
        let public = PublicKey(pair.pk);
        let public_file = format!("untrusted comment: minisign public key {}\n{public}\n", public.id());
        let comment = match password {
            Some(_) => "minisign encrypted secret key",
            None => "minisign secret key, NOT encrypted",
        };
        let mut secret_file = pair.sk.to_box(Some(comment)).map_err(making)?.into_string();
        if !secret_file.ends_with('\n') {
            secret_file.push('\n');
        }
        Ok(Self { public, public_file, secret_file })
    }
}

/// A secret key that was opened.
pub struct SigningKey {
    pub(super) secret: minisign::SecretKey,
    public: PublicKey,
}

impl SigningKey {
    /// Opens the text of a secret file.
    ///
    /// # Errors
    ///
    /// A text that is none, and a password that does not open it or is missing.
    pub fn open(secret_file: &str, password: Option<&str>) -> Result<Self, KeyError> {
        let secret = |error: minisign::PError| KeyError::Secret(error.to_string());
        if secret_file.len() > FILE_BYTES {
            return Err(KeyError::Secret("it is too long".into()));
        }
        let boxed = minisign::SecretKeyBox::from_string(secret_file).map_err(secret)?;
        let opened = if Self::is_encrypted(secret_file) {
            // Never without one: the crate would ask at the terminal, from wherever this is called.
            let password = password.ok_or(KeyError::Password)?;
            boxed.into_secret_key(Some(password.into())).map_err(|_| KeyError::Password)?
        } else {
            boxed.into_unencrypted_secret_key().map_err(secret)?
        };
        let public = minisign::PublicKey::from_secret_key(&opened).map(PublicKey).map_err(secret)?;
        Ok(Self { secret: opened, public })
    }

    /// Whether the text of a secret file is encrypted, so that opening it takes a password.
    pub fn is_encrypted(secret_file: &str) -> bool {
        let opened = minisign::SecretKeyBox::from_string(secret_file).and_then(minisign::SecretKeyBox::into_unencrypted_secret_key);
        opened.is_err()
    }

    /// The public key that belongs to it.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("public", &self.public).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_key_is_read_from_its_line_and_from_its_file() {
        let pair = KeyPair::generate(None).unwrap();
        let line = pair.public.to_string();
        assert!(line.starts_with("RW") && line.len() == 56, "{line}");
        assert_eq!(PublicKey::parse(&line).unwrap(), pair.public);
        assert_eq!(PublicKey::parse(&pair.public_file).unwrap(), pair.public);
        for wrong in ["", "RW", &line[1..], "untrusted comment: x", &"RW".repeat(5_000)] {
            assert!(PublicKey::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_secret_key_opens_with_its_password_alone() {
        let pair = KeyPair::generate(Some("tide")).unwrap();
        assert!(SigningKey::is_encrypted(&pair.secret_file));
        assert!(matches!(SigningKey::open(&pair.secret_file, Some("ebb")), Err(KeyError::Password)));
        assert!(matches!(SigningKey::open(&pair.secret_file, None), Err(KeyError::Password)));
        assert_eq!(SigningKey::open(&pair.secret_file, Some("tide")).unwrap().public(), &pair.public);
        assert!(matches!(SigningKey::open(&pair.public_file, Some("tide")), Err(KeyError::Secret(_) | KeyError::Password)));
        let open = KeyPair::generate(None).unwrap();
        assert!(!SigningKey::is_encrypted(&open.secret_file));
        let key = SigningKey::open(&open.secret_file, None).unwrap();
        assert_eq!(key.public(), &open.public);
        assert!(!format!("{key:?}").contains(open.secret_file.lines().nth(1).unwrap()));
    }
}
