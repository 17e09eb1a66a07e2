//! Content that is easy to make and to compare, of any length.

use std::sync::OnceLock;

use bytes::Bytes;

/// A prime: two pieces that change places are never equal.
const PERIOD: usize = 65_521;

/// The bytes of a stream of content from one place to another.
pub(crate) fn content(start: u64, len: usize) -> Bytes {
    let mut all = Vec::with_capacity(len);
    let mut place = start;
    while all.len() < len {
        let piece = piece(place, len - all.len());
        all.extend_from_slice(piece);
        place += piece.len() as u64;
    }
    all.into()
}

/// Compares what comes with the stream of content, from its start.
#[derive(Default)]
pub(crate) struct Content {
    place: u64,
}

impl Content {
    /// From another place than the start.
    pub(crate) fn at(place: u64) -> Self {
        Self { place }
    }

    /// Compares the next bytes.
    #[track_caller]
    pub(crate) fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let expected = piece(self.place, bytes.len());
            let (now, later) = bytes.split_at(expected.len());
            if now != expected {
                let differs = now.iter().zip(expected).take_while(|(a, b)| a == b).count();
                panic!("byte {} is not what was sent", self.place + differs as u64);
            }
            self.place += now.len() as u64;
            bytes = later;
        }
    }

    /// How much has come.
    pub(crate) fn len(&self) -> u64 {
        self.place
    }

    /// Asserts that this much has come in all.
    #[track_caller]
    pub(crate) fn ends_at(&self, len: u64) {
        assert_eq!(self.place, len, "bytes have come in all");
    }
}

/// At most this many bytes from a place, as many as there are in one piece.
fn piece(place: u64, most: usize) -> &'static [u8] {
    static BLOCK: OnceLock<Vec<u8>> = OnceLock::new();
    let block = BLOCK.get_or_init(|| {
        let mut random = 0x2545_F491_4F6C_DD1D_u64;
        let next = || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random.to_le_bytes()[3]
        };
        std::iter::repeat_with(next).take(PERIOD).collect()
    });
    let start = usize::try_from(place % PERIOD as u64).expect("less than the period");
    &block[start..PERIOD.min(start.saturating_add(most))]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_compared_across_periods() {
        let mut compared = Content::default();
        compared.feed(&content(0, 100));
        compared.feed(&content(100, 200_000));
        compared.ends_at(200_100);
    }

    #[test]
    #[should_panic(expected = "byte 70007 is not what was sent")]
    fn a_wrong_byte_is_named() {
        let mut bytes = content(0, 80_000).to_vec();
        bytes[70_007] ^= 1;
        Content::default().feed(&bytes);
    }
}
