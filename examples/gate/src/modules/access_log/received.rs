//! Counts what the client sent, for `cs-bytes`.

use bivalve::Context;
use bivalve::prelude::*;

/// Counts the bytes of each request's entity body as they are read. Mount it when the log has `cs-bytes`: the event
/// is raised for each read, and a pipeline without it passes bodies by.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReceivedBytes;

#[derive(Default)]
struct Received(u64);

#[bivalve::module(state = Received, priority = First)]
impl Module for ReceivedBytes {
    fn on_read_entity(&self, cx: &mut Context, entity: &mut EntityRead) -> Result<Flow> {
        cx.state_mut::<Received>().0 += entity.data().len() as u64;
        Ok(Flow::Continue)
    }
}

/// Bytes received; 0 when nobody read any.
pub(super) fn received(cx: &Context) -> Option<u64> {
    Some(cx.state_of::<Received>().map_or(0, |received| received.0))
}
