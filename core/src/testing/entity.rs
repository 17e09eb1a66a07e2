//! The request's entity body, as the client sends it.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::CompletionStatus;

/// What the client has sent, and whether more may come.
#[derive(Debug, Default)]
pub(super) struct Entity {
    parts: VecDeque<Bytes>,
    /// The test will push more, or end it.
    open: bool,
    failure: Option<CompletionStatus>,
}

impl Entity {
    pub(super) fn open(&mut self) {
        self.open = true;
    }

    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    pub(super) fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.parts.push_back(bytes);
        }
    }

    pub(super) fn end(&mut self) {
        self.open = false;
    }

    pub(super) fn fail(&mut self, status: CompletionStatus) {
        self.open = false;
        self.failure = Some(status);
    }

    /// Whether a read would have an answer.
    pub(super) fn is_ready(&self) -> bool {
        !self.parts.is_empty() || !self.open
    }

    /// At most `max` bytes of the first part; nothing at the end.
    pub(super) fn take(&mut self, max: usize) -> Result<Bytes, CompletionStatus> {
        let Some(mut bytes) = self.parts.pop_front() else {
            return self.failure.map_or(Ok(Bytes::new()), Err);
        };
        if bytes.len() > max {
            self.parts.push_front(bytes.split_off(max));
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_comes_before_a_failure_and_a_failure_stays() {
        let mut entity = Entity::default();
        entity.open();
        assert!(!entity.is_ready());
        entity.push(Bytes::from_static(b"hello"));
        entity.fail(CompletionStatus::CONNECTION_RESET);
        assert_eq!(entity.take(3), Ok(Bytes::from_static(b"hel")));
        assert_eq!(entity.take(3), Ok(Bytes::from_static(b"lo")));
        assert_eq!(entity.take(3), Err(CompletionStatus::CONNECTION_RESET));
        assert_eq!(entity.take(3), Err(CompletionStatus::CONNECTION_RESET));
    }
}
