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
    /// Bytes of the memory that `gathered` is the rest of, at most.
    room: usize,
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
            self.extend(&piece);
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
        let little = self.is_little(octets);
        let taken = match &mut self.piece {
            Some(piece) => {
                let taken = arena::copy(&piece[..octets]);
                piece.advance(octets);
                taken
            }
            None if little => {
                let taken = match octets {
                    ..WORTH_ALLOCATING => arena::copy(&self.gathered[..octets]),
                    _ => Bytes::copy_from_slice(&self.gathered[..octets]),
                };
                self.gathered.advance(octets);
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
            self.extend(&piece);
        }
    }

    fn extend(&mut self, octets: &[u8]) {
        self.gathered.extend_from_slice(octets);
        self.room = self.room.max(self.gathered.capacity());
    }

    /// Whether so many octets would keep much more memory than they need.
    fn is_little(&self, octets: usize) -> bool {
        self.room > SMALL_ROOM && octets <= self.room / 4
    }

    fn settle(&mut self) {
        if self.is_empty() {
            *self = Self::default();
        } else if self.piece.is_none() && self.is_little(self.gathered.len()) {
            // Requests behind a large body, for one, and the beginning of a head that may take its time.
            self.gathered = BytesMut::from(&self.gathered[..]);
            self.room = self.gathered.capacity();
        }
    }
}

/// Fewer octets than these are copied: they would keep a large buffer.
const WORTH_LENDING: usize = 4096;
/// Fewer octets than these are copied to memory that others share.
const WORTH_ALLOCATING: usize = 1024;
/// Memory that a few octets may keep.
const SMALL_ROOM: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_octets_do_not_keep_the_memory_of_many() {
        let requests = vec![b'r'; 250 * 1024];
        let mut input = Input::default();
        input.push(Piece::Kept(Bytes::from_static(b"P")));
        input.push(Piece::Kept(Bytes::from(requests)));
        assert!(input.room > 250 * 1024);
        let mut heads = Vec::new();
        while input.octets().len() > 100 {
            heads.push(input.copy(50));
        }
        // What is left, and what was taken, are in memory of their own.
        assert!(input.room <= SMALL_ROOM && input.gathered.capacity() <= SMALL_ROOM, "{}", input.room);
        let all: usize = heads.iter().map(Bytes::len).sum::<usize>() + input.octets().len();
        assert_eq!(all, 250 * 1024 + 1);
        assert_eq!((heads[0][0], heads[1][0]), (b'P', b'r'));
        input.skip(input.octets().len());
        assert_eq!((input.room, input.gathered.capacity()), (0, 0));
    }
}
