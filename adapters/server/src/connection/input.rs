//! What was received and not read yet.

use bytes::{Buf, Bytes, BytesMut};

use crate::http1::arena;
use crate::transport::Piece;

/// Octets in order: in the piece that they came in, or gathered where a head came in several.
#[derive(Debug, Default)]
pub(super) struct Input {
    /// Only one of the two holds anything.
    gathered: BytesMut,
    piece: Option<Piece>,
}

impl Input {
    /// All that is there.
    pub(super) fn octets(&self) -> &[u8] {
        self.piece.as_deref().unwrap_or(&self.gathered)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.octets().is_empty()
    }

    /// Adds what came next.
    pub(super) fn push(&mut self, piece: Piece) {
        if self.is_empty() {
            self.piece = Some(piece);
        } else {
            self.gather();
            self.gathered.extend_from_slice(&piece);
        }
    }

    /// Gives a leased buffer back: who waits for more must not keep it from others.
    pub(super) fn gather(&mut self) {
        if let Some(piece) = self.piece.take() {
            self.gathered.extend_from_slice(&piece);
        }
    }

    /// The first octets, for as long as anybody wants.
    pub(super) fn take(&mut self, octets: usize) -> Bytes {
        let taken = match &mut self.piece {
            Some(piece) => {
                let taken = arena::copy(&piece[..octets]);
                piece.advance(octets);
                taken
            }
            None => self.gathered.split_to(octets).freeze(),
        };
        self.settle();
        taken
    }

    /// Forgets the first octets.
    pub(super) fn skip(&mut self, octets: usize) {
        match &mut self.piece {
            Some(piece) => piece.advance(octets),
            None => self.gathered.advance(octets),
        }
        self.settle();
    }

    fn settle(&mut self) {
        if self.is_empty() {
            self.piece = None;
            self.gathered = BytesMut::new();
        }
    }
}
