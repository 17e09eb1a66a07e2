//! Octets that were received, and whose memory they are in.

use std::fmt;
use std::ops::Deref;

use bivalve_core::Lease;
use bytes::{Buf, Bytes};

/// Octets that were received.
pub(crate) enum Piece {
    /// In memory that may be kept.
    Kept(Bytes),
    /// In a buffer that all connections share: to be given back soon.
    Leased(Lease),
}

impl Piece {
    /// Forgets the first octets, of which there must be as many.
    pub(crate) fn advance(&mut self, octets: usize) {
        match self {
            Self::Kept(bytes) => bytes.advance(octets),
            Self::Leased(lease) => lease.advance(octets),
        }
    }
}

impl Deref for Piece {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Kept(bytes) => bytes,
            Self::Leased(lease) => lease,
        }
    }
}

impl From<Lease> for Piece {
    fn from(lease: Lease) -> Self {
        Self::Leased(lease)
    }
}

impl fmt::Debug for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Piece").field("octets", &self.len()).finish_non_exhaustive()
    }
}
