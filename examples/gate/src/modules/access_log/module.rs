//! The module.

use std::time::Instant;

use bivalve::prelude::*;
use chrono::Utc;

use super::field::{Facts, Field};
use super::writer::Promise;
use super::{AccessLogConfig, LogSender};

/// Logs every request.
#[derive(Debug)]
pub struct AccessLog {
    fields: Vec<Field>,
    log: LogSender,
}

/// When the request began, and that it will be logged.
#[derive(Default)]
struct Began {
    at: Option<Instant>,
    /// Dropped with the request at the latest.
    promise: Option<Promise>,
}

impl AccessLog {
    /// The module, and where its lines go.
    #[must_use]
    pub fn new(config: &AccessLogConfig, log: LogSender) -> Self {
        Self { fields: config.fields.clone(), log }
    }
}

#[bivalve::module(state = Began, priority = First)]
impl Module for AccessLog {
    fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
        *cx.state_mut() = Began { at: Some(Instant::now()), promise: Some(self.log.promise()) };
        Ok(Flow::Continue)
    }

    #[priority(Last)]
    fn on_log_request(&self, cx: &mut Context) -> Result<Flow> {
        let Began { at, promise } = std::mem::take(cx.state_mut());
        let taken = at.map(|began| began.elapsed());
        let facts = Facts { now: Utc::now(), taken };
        self.log.send(Field::line(&self.fields, cx, &facts));
        drop(promise);
        Ok(Flow::Continue)
    }
}
