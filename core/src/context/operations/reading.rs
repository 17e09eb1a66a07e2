//! Reads of the request's entity body.

use std::future::poll_fn;

use bytes::Bytes;

#[cfg(doc)]
use crate::ErrorKind;
use crate::pipeline::Provider;
use crate::{Completion, Context, EntityRead, Error, Notification, Result};

impl Context {
    /// Reads the next part of the request's entity body, at most `max` bytes (at least 1 is asked for). Raises
    /// ReadEntity, nested. Empty: the body has ended.
    ///
    /// # Errors
    ///
    /// [`is_disconnected`](Error::is_disconnected) when the client has gone; [`ErrorKind::Io`] when the host failed;
    /// what a module at ReadEntity failed with, as for [`flush`](Self::flush); [`ErrorKind::NestingTooDeep`].
    ///
    /// IIS counterpart: `ReadEntityBody`; its `ERROR_HANDLE_EOF` is the empty read.
    pub async fn read_entity(&mut self, max: usize) -> Result<Bytes> {
        let max = max.max(1);
        loop {
            self.check_passed()?;
            // Put back by a module, or left by a dropped read: ReadEntity has seen it.
            let mut data = self.request_mut().entity.pop_front().unwrap_or_default();
            if data.is_empty() {
                data = match self.request_mut().arrived.pop_front() {
                    Some(data) => data,
                    None if self.request().entity_ended && !self.outstanding.read => return Ok(Bytes::new()),
                    None => self.read_host(max).await?,
                };
                let end = data.is_empty();
                self.request_mut().entity_ended = end;
                data = self.raise_read_entity(data, end).await?;
                if data.is_empty() && !end {
                    // A module keeps it back until it has more: that is not the end of the body.
                    continue;
                }
            }
            if data.len() > max {
                let rest = data.split_off(max);
                self.request_mut().entity.push_front(rest);
            }
            return Ok(data);
        }
    }

    async fn read_host(&mut self, max: usize) -> Result<Bytes> {
        if self.signal.is_gone() {
            return Err(Error::disconnected());
        }
        self.step_out();
        if !self.outstanding.read {
            self.host_mut().start_read(max);
            self.outstanding.read = true;
        }
        let read = poll_fn(|task| self.host_mut().poll_read(task)).await;
        self.outstanding.read = false;
        self.step_in();
        self.check_nested()?;
        let data = read.map_err(|status| Error::io(status, "reading the entity body"))?;
        self.note_completion("Read", Completion::success(data.len()));
        Ok(data)
    }

    async fn raise_read_entity(&mut self, data: Bytes, end: bool) -> Result<Bytes> {
        // A foreign host has raised it.
        if self.is_foreign() || !self.pipeline.raises(Notification::ReadEntity) {
            return Ok(data);
        }
        let mut arrived = Arrived { cx: self, data: data.clone(), passed: false };
        let mut read = EntityRead { data, end };
        let raised = arrived.cx.raise(Notification::ReadEntity, Provider::ReadEntity(&mut read)).await;
        arrived.passed = true;
        drop(arrived);
        let flow = match raised {
            Ok(flow) => flow,
            Err(error) => {
                self.fail_nested(&error);
                return Err(error);
            }
        };
        self.finish_from_nested(flow);
        Ok(read.data)
    }
}

/// Data on its way through ReadEntity. Dropped halfway, it has passed nobody: the next read raises the event again.
struct Arrived<'a> {
    cx: &'a mut Context,
    data: Bytes,
    passed: bool,
}

impl Drop for Arrived<'_> {
    fn drop(&mut self) {
        if !self.passed {
            // A read nested in this one was dropped before it, and comes after it.
            self.cx.request_mut().arrived.push_front(std::mem::take(&mut self.data));
        }
    }
}
