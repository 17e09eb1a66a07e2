//! What is about to be sent: text of heads and small bodies in one piece of memory, large bodies and files beside it.

use bivalve_core::EntityChunk;
use bytes::BytesMut;

use super::arena;

/// Parts of responses, in order, that have not been handed to the transport yet.
#[derive(Debug, Default)]
pub(crate) struct Output {
    text: BytesMut,
    chunks: Vec<EntityChunk>,
    /// Bytes of all.
    chunked: u64,
}

impl Output {
    /// Where text is written to.
    pub(crate) fn text(&mut self) -> &mut BytesMut {
        if self.text.capacity() == 0 {
            self.text = arena::take();
        }
        &mut self.text
    }

    /// Adds a piece of body. A small one joins the text, which is cheaper than a piece of its own.
    pub(crate) fn push(&mut self, chunk: EntityChunk) {
        match chunk {
            EntityChunk::Bytes(bytes) if bytes.len() <= SMALL => self.text().extend_from_slice(&bytes),
            chunk => {
                self.seal();
                self.chunked += chunk.len();
                self.chunks.push(chunk);
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty() && self.chunks.is_empty()
    }

    /// Bytes of all that is here.
    pub(crate) fn len(&self) -> u64 {
        self.chunked + self.text.len() as u64
    }

    /// All of it, for the transport.
    pub(crate) fn take(&mut self) -> Vec<EntityChunk> {
        self.seal();
        if self.text.capacity() > 0 {
            arena::give_back(std::mem::take(&mut self.text));
        }
        self.chunked = 0;
        std::mem::take(&mut self.chunks)
    }

    /// The memory of what has been sent, for what comes next.
    pub(crate) fn reuse(&mut self, mut sent: Vec<EntityChunk>) {
        if self.chunks.capacity() == 0 && sent.capacity() <= SPARE {
            sent.clear();
            self.chunks = sent;
        }
    }

    /// Forgets what has not been sent.
    pub(crate) fn clear(&mut self) {
        drop(self.take());
    }

    fn seal(&mut self) {
        if !self.text.is_empty() {
            let text = self.text.split().freeze();
            self.chunked += text.len() as u64;
            self.chunks.push(EntityChunk::Bytes(text));
        }
    }

    #[cfg(test)]
    pub(crate) fn take_text(&mut self) -> String {
        let chunks = self.take();
        chunks
            .iter()
            .map(|chunk| match chunk {
                EntityChunk::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                _ => "<file>".to_owned(),
            })
            .collect()
    }
}

/// Up to here a copy is cheaper than another element of a vectored send.
const SMALL: usize = 4096;
/// Elements whose memory is kept between two sends.
const SPARE: usize = 16;
