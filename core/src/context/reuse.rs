//! One context for one request after the other: a kept-alive connection allocates no second one.

use std::sync::Arc;

use super::{Context, Outstanding, UnreadHead};
use crate::Connection;

impl Context {
    /// Begins another request in the memory of one that is over: a kept-alive connection allocates no
    /// second context. The host must have nothing outstanding. Without a connection, one of which nothing is known.
    pub fn start(&mut self, request: http::request::Parts, connection: Option<Arc<Connection>>) {
        self.connect(connection);
        self.request.start(request);
        self.begin();
    }

    /// As [`start`](Self::start), with headers that are read when somebody looks.
    pub fn start_unread(&mut self, request: UnreadHead, connection: Option<Arc<Connection>>) {
        self.connect(connection);
        self.request.start_unread(request);
        self.begin();
        self.as_it_came = true;
    }

    /// As [`start`](Self::start), for another request of the client whose last one is over.
    pub fn start_next(&mut self, request: http::request::Parts) {
        self.restart();
        self.request.start(request);
        self.begin();
    }

    /// As [`start_next`](Self::start_next), with headers that are read when somebody looks.
    pub fn start_next_unread(&mut self, request: UnreadHead) {
        self.restart();
        self.request.start_unread(request);
        self.begin();
        self.as_it_came = true;
    }

    /// As [`start_next_unread`](Self::start_next_unread), for a request whose head is, octet for octet, that of the last one: it
    /// stays where it is, with the headers that somebody has looked at. `false`: nothing has begun, since the last request
    /// may have been changed, and this one begins with its head.
    #[must_use = "with `false`, no request has begun"]
    pub fn start_next_again(&mut self) -> bool {
        if !self.as_it_came {
            return false;
        }
        self.restart();
        self.request.start_again();
        self.begin();
        self.as_it_came = true;
        true
    }

    fn restart(&mut self) {
        self.dispose();
        self.response.start(self.pipeline.application().response_buffer_limit());
    }

    fn connect(&mut self, connection: Option<Arc<Connection>>) {
        if !self.released {
            self.release();
        }
        match connection {
            Some(connection) => self.unconnected = Some(std::mem::replace(&mut self.connection, connection)),
            // The memory of the last one serves again, if nobody else knows it.
            None if Arc::get_mut(&mut self.connection).is_none() => self.connection = Arc::default(),
            None => {}
        }
    }

    fn begin(&mut self) {
        self.released = false;
        self.as_it_came = false;
        self.epoch = self.signal.begin();
        self.child_depth = 0;
        self.parents_depth = 0;
        self.meter = self.pipeline.meter();
    }

    /// Lets go of everything of a request that is over: for a host that keeps the context for another one, and touches nothing
    /// of it before [`start`](Self::start). What modules keep for the connection is dropped with it, and no buffer of a client
    /// that left stays behind.
    pub fn release(&mut self) {
        self.dispose();
        self.as_it_came = false;
        self.request.finish();
        self.response.start(self.pipeline.application().response_buffer_limit());
        self.meter = None;
        self.released = true;
        match self.unconnected.take() {
            Some(unconnected) => self.connection = unconnected,
            None => match Arc::get_mut(&mut self.connection) {
                Some(connection) => *connection = Connection::default(),
                None => self.connection = Arc::default(),
            },
        }
    }

    /// Ends the request: drops every module's state and makes every handle stale. Asked twice, it costs little. What the client
    /// sent stays until the host [begins](Self::start) another one, or [lets go](Self::release) of this one.
    pub(crate) fn dispose(&mut self) {
        if std::mem::take(&mut self.epoch) != 0 {
            self.signal.end();
        }
        if self.foreign {
            self.stow();
        } else if let Some(kept) = self.kept.get_mut() {
            kept.dispose();
        }
        if self.user.is_some() {
            self.user = None;
        }
        if !self.variables.is_empty() {
            self.variables.clear();
        }
        self.frame.reset();
        self.depth = 0;
        self.control.restart();
        self.outstanding = Outstanding::default();
    }
}
