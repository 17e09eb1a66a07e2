//! The module.

use std::time::Instant;

use bivalve::prelude::*;
use chrono::Utc;

use super::field::{Facts, Field};
use super::{AccessLogConfig, LogSender};

/// Logs every request.
#[derive(Debug)]
pub struct AccessLog {
    fields: Vec<Field>,
    log: LogSender,
}

/// When the request began.
#[derive(Default)]
struct Began(Option<Instant>);

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
        cx.state_mut::<Began>().0 = Some(Instant::now());
        Ok(Flow::Continue)
    }

    #[priority(Last)]
    fn on_log_request(&self, cx: &mut Context) -> Result<Flow> {
        let taken = cx.state::<Began>().0.map(|began| began.elapsed());
        let facts = Facts { now: Utc::now(), taken };
        self.log.send(Field::line(&self.fields, cx, &facts));
        Ok(Flow::Continue)
    }
}
