//! Detached signatures in minisign's text form.

use std::io::Cursor;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::PublicKey;
use super::SigningKey;
use super::key::key_id;
use crate::plugin::files::SIGNATURE_BYTES;

/// Bytes of the signature over the comment, which is the fourth line.
const COMMENT_SIGNATURE_BYTES: usize = 64;

/// Why a signature does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignatureError {
    /// The text is no signature.
    #[error("the signature is damaged: it is not of minisign's form")]
    Damaged,
    /// Somebody else signed.
    #[error("the signature is by the key {found}, and {expected} was expected; the file is signed by somebody else")]
    OtherKey {
        /// The id of the key that was expected.
        expected: String,
        /// The id of the key that signed.
        found: String,
    },
    /// These are not the bytes that were signed.
    #[error("the signature does not fit: the signed file or its signature was changed after signing")]
    DoesNotFit,
    /// Signing failed.
    #[error("signing failed: {0}")]
    Signing(String),
}

/// Signs `bytes`; `comment` is signed with them and shown to whoever checks it. It is one line.
///
/// # Errors
///
/// [`SignatureError::Signing`].
pub fn sign(key: &SigningKey, bytes: &[u8], comment: &str) -> Result<String, SignatureError> {
    let signing = |error: minisign::PError| SignatureError::Signing(error.to_string());
    if comment.chars().any(char::is_control) {
        return Err(SignatureError::Signing("the comment is one line without control characters".into()));
    }
    let untrusted = format!("signature from {}", key.public());
    let signed =
        minisign::sign(Some(&key.public().0), &key.secret, Cursor::new(bytes), Some(comment), Some(&untrusted)).map_err(signing)?;
    let mut text = signed.into_string();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

/// Checks that `key` signed `bytes`, and answers the comment that was signed with them.
///
/// # Errors
///
/// Each way in which it may not hold is a variant of its own.
pub fn verify(key: &PublicKey, bytes: &[u8], signature: &[u8]) -> Result<String, SignatureError> {
    if signature.len() > SIGNATURE_BYTES {
        return Err(SignatureError::Damaged);
    }
    let text = std::str::from_utf8(signature).map_err(|_| SignatureError::Damaged)?;
    let signed = minisign::SignatureBox::from_string(text).map_err(|_| SignatureError::Damaged)?;
    // The library takes one of any length, and ends the process over one that is too short.
    let over_comment = text.lines().nth(3).and_then(|line| STANDARD.decode(line.trim()).ok());
    if over_comment.is_none_or(|bytes| bytes.len() != COMMENT_SIGNATURE_BYTES) {
        return Err(SignatureError::Damaged);
    }
    if signed.keynum() != key.0.keynum() {
        return Err(SignatureError::OtherKey { expected: key.id(), found: key_id(signed.keynum()) });
    }
    // Quiet, no copy of the data, and no signatures of the form before hashing, which minisign itself does not make any more.
    minisign::verify(&key.0, &signed, Cursor::new(bytes), true, false, false).map_err(|_| SignatureError::DoesNotFit)?;
    signed.trusted_comment().map_err(|_| SignatureError::Damaged)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plugin::trust::KeyPair;

    /// Made with minisign's own format by its author's tool: key pair and signature of `test`, from the documentation of
    /// `minisign-verify`.
    const FOREIGN_KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
    const FOREIGN_SIGNATURE: &str = "untrusted comment: signature from minisign secret key\n\
        RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=\n\
        trusted comment: timestamp:1556193335\tfile:test\n\
        y/rUw2y8/hOUYjZU71eHp/Wo1KZ40fGy2VJEDl34XMJM+TX48Ss/17u3IvIfbVR1FkZZSNCisQbuQY+bHwhEBg==\n";

    fn key() -> SigningKey {
        SigningKey::open(&KeyPair::generate(None).unwrap().secret_file, None).unwrap()
    }

    #[test]
    fn a_signature_of_minisign_itself_holds() {
        let key = PublicKey::parse(FOREIGN_KEY).unwrap();
        assert_eq!(verify(&key, b"test", FOREIGN_SIGNATURE.as_bytes()).unwrap(), "timestamp:1556193335\tfile:test");
        assert_eq!(verify(&key, b"Test", FOREIGN_SIGNATURE.as_bytes()), Err(SignatureError::DoesNotFit));
        assert_eq!(key.id(), "E7620F1842B4E81F");
    }

    #[test]
    fn a_comment_is_signed_too() {
        let key = key();
        let signature = sign(&key, b"manifest", "one 1.0.0").unwrap();
        assert_eq!(verify(key.public(), b"manifest", signature.as_bytes()).unwrap(), "one 1.0.0");
        let changed = signature.replace("one 1.0.0", "one 9.0.0");
        assert_eq!(verify(key.public(), b"manifest", changed.as_bytes()), Err(SignatureError::DoesNotFit));
        assert!(sign(&key, b"x", "two\nlines").is_err());
    }

    #[test]
    fn somebody_elses_signature_is_told_from_a_changed_file() {
        let (ours, theirs) = (key(), key());
        let signature = sign(&theirs, b"manifest", "x").unwrap();
        assert!(matches!(verify(ours.public(), b"manifest", signature.as_bytes()), Err(SignatureError::OtherKey { .. })));
        assert_eq!(verify(theirs.public(), b"Manifest", signature.as_bytes()), Err(SignatureError::DoesNotFit));
        assert_eq!(verify(theirs.public(), b"manifest", b"nonsense"), Err(SignatureError::Damaged));
        assert_eq!(verify(theirs.public(), b"manifest", &[0xff; 10]), Err(SignatureError::Damaged));
    }

    #[test]
    fn a_signature_over_the_comment_that_is_too_short_is_damaged() {
        let key = key();
        let signature = sign(&key, b"manifest", "one 1.0.0").unwrap();
        let (before, last) = signature.trim_end().rsplit_once('\n').unwrap();
        for length in [0, 4, 80, 84] {
            let cut = format!("{before}\n{}\n", &last[..length]);
            assert_eq!(verify(key.public(), b"manifest", cut.as_bytes()), Err(SignatureError::Damaged), "{length}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_or_holds(text in "(untrusted comment: .{0,20}\n)?[A-Za-z0-9+/=]{0,120}\n(trusted comment: .{0,20}\n)?[A-Za-z0-9+/=]{0,100}") {
            prop_assert!(verify(&PublicKey::parse(FOREIGN_KEY).unwrap(), b"test", text.as_bytes()).is_err());
        }

        #[test]
        fn one_changed_byte_of_a_signature_breaks_it(at in any::<prop::sample::Index>(), bit in 0u8..7) {
            let mut bytes = FOREIGN_SIGNATURE.as_bytes().to_vec();
            // The first line is a comment that nobody signs.
            let begin = FOREIGN_SIGNATURE.find('\n').unwrap() + 1;
            let at = begin + at.index(bytes.len() - begin - 1);
            let was = bytes[at];
            bytes[at] ^= 1 << bit;
            let held = verify(&PublicKey::parse(FOREIGN_KEY).unwrap(), b"test", &bytes);
            // What pads a line is nothing: white space, and the `=` at the end of base64.
            prop_assert!(held.is_err() || bytes[at].is_ascii_whitespace() || was == b'=', "{at}");
        }
    }
}
