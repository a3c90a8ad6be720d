//! The fake of `secret` and `secret-reveal`. Signatures are real.

use hmac::Hmac;
use hmac::KeyInit;
use hmac::Mac;
use sha2::Sha256;

use crate::test::Event;
use crate::test::state;

/// A secret as a guest holds it.
#[derive(Debug)]
pub(crate) struct Secret {
    name: String,
}

pub(crate) fn find(name: &str) -> Option<Secret> {
    state().borrow().secrets.contains_key(name).then(|| Secret { name: name.to_owned() })
}

fn value(secret: &Secret) -> String {
    state().borrow().secrets.get(&secret.name).cloned().unwrap_or_default()
}

impl Secret {
    pub(crate) fn name(&self) -> String {
        self.name.clone()
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new_from_slice(value(self).as_bytes()).expect("a MAC takes a key of any length");
        mac.update(message);
        mac.finalize().into_bytes().to_vec()
    }
}

pub(crate) fn reveal(secret: &Secret) -> String {
    state().borrow_mut().events.push(Event::Revealed(secret.name.clone()));
    value(secret)
}
