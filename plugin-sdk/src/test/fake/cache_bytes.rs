//! The fake of `cache-bytes`: one caller, and time does not pass.

use crate::test::state;

pub(crate) fn get(key: &str) -> Option<Vec<u8>> {
    state().borrow().bytes.get(key).cloned()
}

pub(crate) fn put(key: &str, value: &[u8], ttl_ms: u32) -> bool {
    let taken = key.len() <= 512 && value.len() <= 1 << 20 && ttl_ms > 0;
    if taken {
        state().borrow_mut().bytes.insert(key.to_owned(), value.to_vec());
    }
    taken
}

pub(crate) fn remove(key: &str) {
    state().borrow_mut().bytes.remove(key);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::cache_bytes;
    use crate::test::Host;

    #[test]
    fn what_is_put_is_there_until_it_is_removed() {
        Host::new().run(|| {
            assert!(cache_bytes::put("k", b"v", Duration::from_secs(1)));
            assert!(!cache_bytes::put("k2", b"v", Duration::ZERO));
            assert_eq!(cache_bytes::get("k").as_deref(), Some(b"v".as_slice()));
            cache_bytes::remove("k");
            assert_eq!(cache_bytes::get("k"), None);
        });
    }
}
