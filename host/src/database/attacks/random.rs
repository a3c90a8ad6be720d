//! Random choices that are the same in every run.

/// A generator of the xorshift family.
pub(super) struct Random(u64);

impl Random {
    /// A generator; `seed` is not 0.
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.max(1))
    }

    /// A number below `limit`.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 11) % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }

    /// Whether one of so many chances came true.
    pub(super) fn once_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    /// One of `items`.
    pub(super) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }
}
