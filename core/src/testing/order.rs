//! When held operations complete, and the random numbers behind the seeded order.

/// When, and in which order, the operations of a request and of the [`MemoryDriver`](super::MemoryDriver) complete.
///
/// IIS counterpart: the three ways in which IIS completes an asynchronous call, at once
/// (`*pfCompletionExpected == FALSE`), later, or in any order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
// From the simplest to the wildest.
pub enum CompletionOrder {
    /// Each completes when it starts. Timers fire when nothing else can go on.
    #[default]
    Immediate,
    /// Each completes only once somebody waits for it, the oldest first. Every `.await` of an operation suspends.
    Late,
    /// None completes by itself: the test says which, when and how.
    Manual,
    /// Some complete at once and some later, in an order that this seed decides. The same seed gives the same order,
    /// as long as no other thread has a hand in it.
    Seeded(u64),
}

/// SplitMix64: small, and good enough to shuffle.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Below `bound`, which is not 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap_or_default()
    }

    /// True once in `times`.
    pub(super) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}
