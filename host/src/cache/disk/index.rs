//! Which entries the folder holds, how large they are, and which was used last.

use std::collections::BTreeMap;
use std::collections::HashMap;

use crate::cache::digest::Digest;

/// Bytes that a file takes at least, and in steps of which it grows: what file systems give.
const BLOCK_BYTES: u64 = 4096;

/// One file. Each has a generation of its own, which is part of its name: removing an old one never touches a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) digest: Digest,
    pub(super) generation: u64,
}

struct Slot {
    generation: u64,
    bytes: u64,
    /// Its key in the order of use.
    used: u64,
}

/// The files, in the order in which they were used.
pub(super) struct Index {
    slots: HashMap<Digest, Slot>,
    order: BTreeMap<u64, Digest>,
    clock: u64,
    bytes: u64,
    max_bytes: u64,
}

impl Index {
    pub(super) fn new(max_bytes: u64) -> Self {
        Self { slots: HashMap::new(), order: BTreeMap::new(), clock: 0, bytes: 0, max_bytes }
    }

    /// Bytes that it may hold.
    pub(super) fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// The file of an entry, which counts as used now.
    pub(super) fn touch(&mut self, digest: &Digest) -> Option<Place> {
        let slot = self.slots.get_mut(digest)?;
        self.order.remove(&slot.used);
        self.clock += 1;
        slot.used = self.clock;
        self.order.insert(slot.used, *digest);
        Some(Place { digest: *digest, generation: slot.generation })
    }

    /// Puts a file in, used now, and takes out what has to go for it: one of the same digest, and the least recently used ones.
    /// The files of those are the caller's to remove. The number tells how many of them went for want of room.
    pub(super) fn insert(&mut self, place: Place, file_bytes: u64) -> (Vec<Place>, u64) {
        let mut gone: Vec<Place> = self.take(&place.digest).into_iter().collect();
        let bytes = file_bytes.next_multiple_of(BLOCK_BYTES);
        self.clock += 1;
        self.bytes += bytes;
        self.order.insert(self.clock, place.digest);
        self.slots.insert(place.digest, Slot { generation: place.generation, bytes, used: self.clock });
        let mut evicted = 0;
        while self.bytes > self.max_bytes {
            let Some((_, least)) = self.order.first_key_value() else { break };
            let least = *least;
            gone.extend(self.take(&least));
            evicted += 1;
        }
        (gone, evicted)
    }

    /// Takes a file out, unless another has taken its place.
    pub(super) fn remove(&mut self, place: Place) -> bool {
        let there = self.slots.get(&place.digest).is_some_and(|slot| slot.generation == place.generation);
        there && self.take(&place.digest).is_some()
    }

    /// Every file.
    pub(super) fn places(&self) -> Vec<Place> {
        self.slots.iter().map(|(digest, slot)| Place { digest: *digest, generation: slot.generation }).collect()
    }

    pub(super) fn len(&self) -> u64 {
        self.slots.len() as u64
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    fn take(&mut self, digest: &Digest) -> Option<Place> {
        let slot = self.slots.remove(digest)?;
        self.order.remove(&slot.used);
        self.bytes -= slot.bytes;
        Some(Place { digest: *digest, generation: slot.generation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str, generation: u64) -> Place {
        Place { digest: Digest::builder(name).finish(), generation }
    }

    #[test]
    fn the_least_recently_used_goes_first_and_the_budget_holds() {
        let mut index = Index::new(3 * BLOCK_BYTES);
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| place(name, 1));
        for place in [a, b, c] {
            assert_eq!(index.insert(place, 100), (vec![], 0));
        }
        assert_eq!(index.touch(&a.digest), Some(a));
        assert_eq!(index.insert(d, BLOCK_BYTES + 1), (vec![b, c], 2));
        assert_eq!((index.len(), index.bytes()), (2, 3 * BLOCK_BYTES));
        assert_eq!(index.touch(&b.digest), None);
    }

    #[test]
    fn an_old_file_does_not_take_the_new_one_out() {
        let mut index = Index::new(100 * BLOCK_BYTES);
        index.insert(place("a", 1), 1);
        assert_eq!(index.insert(place("a", 2), 1), (vec![place("a", 1)], 0));
        assert!(!index.remove(place("a", 1)));
        assert!(index.remove(place("a", 2)));
        assert_eq!((index.len(), index.bytes()), (0, 0));
    }
}
