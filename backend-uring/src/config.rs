//! How large a driver is.

use crate::{Feature, Features};

/// How large a driver is, and what of the kernel it may use.
///
/// ```
/// # #[cfg(target_os = "linux")] {
/// let config = bivalve_uring::Config::default().entries(64).buffers(512);
/// # let _ = config;
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) entries: u32,
    pub(crate) buffers: u16,
    pub(crate) buffer_size: u32,
    pub(crate) features: Features,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            entries: 256,
            buffers: 256,
            buffer_size: 4096,
            features: Features::ALL.without(Feature::DirectDescriptors),
        }
    }
}

impl Config {
    /// Entries of the submission queue: how many operations go out with one system call. Any number can be
    /// outstanding. Rounded up to a power of two; 1 to 32,768; 256 unless told.
    #[must_use]
    pub fn entries(mut self, entries: u32) -> Self {
        self.entries = entries.clamp(1, 32_768);
        self
    }

    /// Buffers that all receives of this ring share. When all of them are leased, a receive gets one from the heap.
    /// Rounded up to a power of two; 1 to 32,768; 256 unless told.
    #[must_use]
    pub fn buffers(mut self, buffers: u16) -> Self {
        self.buffers = buffers.clamp(1, 32_768).next_power_of_two();
        self
    }

    /// Bytes of each such buffer: the most that one item of a receive brings. At least 64; 4,096 unless told.
    #[must_use]
    pub fn buffer_size(mut self, bytes: u32) -> Self {
        self.buffer_size = bytes.max(64);
        self
    }

    /// Keeps sockets in the ring's own table, so that the kernel need not look them up for each operation. Off unless told:
    /// the table lets go of a closed socket in the next turn, so that a peer sees the end of its connection only then, and
    /// not while something blocks the ring's thread.
    #[must_use]
    pub fn direct_descriptors(mut self, on: bool) -> Self {
        let (with, without) = (
            self.features.with(Feature::DirectDescriptors),
            self.features.without(Feature::DirectDescriptors),
        );
        self.features = if on { with } else { without };
        self
    }

    /// Uses no more than these features, whatever the kernel has: to try what an older one would do.
    #[must_use]
    pub fn features(mut self, features: Features) -> Self {
        self.features = features;
        self
    }
}
