//! What was received and not read yet.

use bytes::{Buf, Bytes, BytesMut};

use crate::http1::arena;
use crate::limits::READ_AHEAD;
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
            self.gather_all();
            self.gathered.extend_from_slice(&piece);
        }
    }

    /// Gives a buffer back that others need, or that holds little: who waits for more must not keep it.
    pub(super) fn gather(&mut self) {
        match &self.piece {
            Some(Piece::Kept(bytes)) if bytes.len() >= READ_AHEAD => {}
            _ => self.gather_all(),
        }
    }

    /// The first octets, for as long as anybody wants: a head, or something short.
    pub(super) fn copy(&mut self, octets: usize) -> Bytes {
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

    /// The first octets of a body, for as long as anybody wants. Many are not copied where they need not be.
    pub(super) fn take(&mut self, octets: usize) -> Bytes {
        let taken = match &mut self.piece {
            Some(Piece::Kept(bytes)) if octets >= WORTH_LENDING => bytes.split_to(octets),
            // Not from the memory of heads, which would fill up with it, and which a head keeps as long as its request runs.
            Some(piece) if octets >= WORTH_ALLOCATING => {
                let taken = Bytes::copy_from_slice(&piece[..octets]);
                piece.advance(octets);
                taken
            }
            _ => return self.copy(octets),
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

    fn gather_all(&mut self) {
        if let Some(piece) = self.piece.take() {
            self.gathered.extend_from_slice(&piece);
        }
    }

    fn settle(&mut self) {
        if self.is_empty() {
            self.piece = None;
            self.gathered = BytesMut::new();
        }
    }
}

/// Fewer octets than these are copied: they would keep a large buffer.
const WORTH_LENDING: usize = 4096;
/// Fewer octets than these are copied to memory that others share.
const WORTH_ALLOCATING: usize = 1024;
