//! What is about to be sent: text of heads and small bodies in one piece of memory, large bodies and files beside it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use bivalve_core::{EntityChunk, FileRange};
use bytes::{Bytes, BytesMut};

use super::{arena, date};

/// Parts of responses, in order, that have not been handed to the transport yet.
#[derive(Debug, Default)]
pub(crate) struct Output {
    text: BytesMut,
    chunks: Vec<EntityChunk>,
    /// Bytes of all.
    chunked: u64,
    /// When the first head was written that is here.
    written: Option<Instant>,
}

impl Output {
    /// Where text is written to.
    pub(crate) fn text(&mut self) -> &mut BytesMut {
        if self.text.capacity() == 0 {
            self.text = arena::take();
        }
        &mut self.text
    }

    /// Shows the line of now. Responses that leave together have the date of the first.
    pub(crate) fn with_date(&mut self, show: impl FnOnce(&date::Line)) {
        date::with_line(*self.written.get_or_insert_with(Instant::now), show);
    }

    /// What is here does not leave yet: what is written from now on has another date.
    pub(crate) fn stays(&mut self) {
        self.written = None;
    }

    /// When the first head was written that is here.
    pub(crate) fn written(&self) -> Option<Instant> {
        self.written
    }

    /// Adds a piece of body. A small one joins the text, which is cheaper than a piece of its own; a larger one is taken.
    pub(crate) fn push(&mut self, chunk: &mut EntityChunk) {
        match chunk {
            EntityChunk::Bytes(bytes) if bytes.len() <= SMALL => self.text().extend_from_slice(bytes),
            chunk => {
                self.seal();
                self.chunked += chunk.len();
                self.chunks.push(std::mem::replace(chunk, EntityChunk::Bytes(Bytes::new())));
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty() && self.chunks.is_empty()
    }

    /// Whether a file is among them.
    pub(crate) fn has_file(&self) -> bool {
        self.chunks.iter().any(|chunk| !matches!(chunk, EntityChunk::Bytes(_)))
    }

    /// Bytes of all that is here.
    pub(crate) fn len(&self) -> u64 {
        self.chunked + self.text.len() as u64
    }

    /// All of it, or its first `most` bytes, for the transport.
    pub(crate) fn take(&mut self, most: u64) -> Vec<EntityChunk> {
        self.seal();
        self.written = None;
        if self.text.capacity() > 0 {
            arena::give_back(std::mem::take(&mut self.text));
        }
        if self.chunked <= most {
            self.chunked = 0;
            return std::mem::take(&mut self.chunks);
        }
        let (mut whole, mut left) = (0, most);
        while let Some(rest) = self.chunks.get(whole).and_then(|chunk| left.checked_sub(chunk.len())) {
            left = rest;
            whole += 1;
        }
        let mut first: Vec<_> = self.chunks.drain(..whole).collect();
        if left > 0
            && let Some(chunk) = self.chunks.first_mut()
        {
            first.push(split(chunk, left));
        }
        self.chunked -= first.iter().map(EntityChunk::len).sum::<u64>();
        first
    }

    /// The memory of what has been sent, for what comes next.
    pub(crate) fn reuse(&mut self, mut sent: Vec<EntityChunk>) {
        let_go(&mut sent);
        if self.chunks.capacity() == 0 && sent.capacity() <= SPARE {
            self.chunks = sent;
        }
    }

    /// Forgets what has not been sent.
    pub(crate) fn clear(&mut self) {
        let_go(&mut self.take(u64::MAX));
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
        let chunks = self.take(u64::MAX);
        chunks
            .iter()
            .map(|chunk| match chunk {
                EntityChunk::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                _ => "<file>".to_owned(),
            })
            .collect()
    }
}

/// Drops what may be a module's memory, with a destructor that panics: that is no reason to end a request that runs meanwhile.
/// One at a time: a second one that panics while a panic unwinds ends the process.
fn let_go(chunks: &mut Vec<EntityChunk>) {
    for chunk in chunks.drain(..) {
        if catch_unwind(AssertUnwindSafe(|| drop(chunk))).is_err() {
            tracing::error!(target: "bivalve::server", "a destructor of memory that was to be sent panicked");
        }
    }
}

/// Takes the first bytes off a chunk that has more; all of a kind that is not known here.
fn split(chunk: &mut EntityChunk, at: u64) -> EntityChunk {
    match chunk {
        EntityChunk::Bytes(bytes) => {
            let at = usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
            EntityChunk::Bytes(bytes.split_to(at))
        }
        EntityChunk::File(range) => {
            let (offset, len) = (range.offset(), range.len());
            let first = FileRange::new(Arc::clone(range.file()), offset, at);
            *range = FileRange::new(Arc::clone(range.file()), offset + at, len - at);
            EntityChunk::File(first)
        }
        other => std::mem::replace(other, EntityChunk::Bytes(Bytes::new())),
    }
}

/// Up to here a copy is cheaper than another element of a vectored send.
const SMALL: usize = 1024;
/// Elements whose memory is kept between two sends.
const SPARE: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_in_parts_is_what_was_pushed() {
        let body: Vec<u8> = (0..20_000_u32).map(|at| at.to_le_bytes()[0]).collect();
        for most in [1, 100, 4097, 5000, 9999, 10_000, 30_000] {
            let mut out = Output::default();
            out.text().extend_from_slice(b"head");
            out.push(&mut EntityChunk::from(body[..5000].to_vec()));
            out.push(&mut EntityChunk::from(body[5000..].to_vec()));
            out.text().extend_from_slice(b"next");
            let mut sent = Vec::new();
            while !out.is_empty() {
                let (before, part) = (out.len(), out.take(most));
                let length: u64 = part.iter().map(EntityChunk::len).sum();
                assert_eq!((length, out.len()), (before.min(most), before - length));
                for chunk in part {
                    let EntityChunk::Bytes(bytes) = chunk else { panic!("no file was pushed") };
                    sent.extend_from_slice(&bytes);
                }
            }
            assert_eq!(sent, [b"head", &body[..], b"next"].concat(), "{most}");
        }
    }

    #[test]
    fn a_file_is_taken_in_ranges_without_gaps() {
        let file = Arc::new(std::fs::File::open(std::env::current_exe().expect("a path")).expect("a file"));
        let mut out = Output::default();
        out.push(&mut EntityChunk::File(FileRange::new(file, 7, 25)));
        let mut ranges = Vec::new();
        while !out.is_empty() {
            for chunk in out.take(10) {
                let EntityChunk::File(range) = chunk else { panic!("only a file was pushed") };
                ranges.push((range.offset(), range.len()));
            }
        }
        assert_eq!(ranges, [(7, 10), (17, 10), (27, 5)]);
    }
}
