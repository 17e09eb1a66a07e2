//! A flush raises SendResponse, nested, on the same module: state must not be held across it.

use bivalve::prelude::*;

struct Audit;

#[bivalve::module(state = u64)]
impl Module for Audit {
    async fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
        let sent = cx.state_mut::<u64>();
        let done = cx.flush().await?;
        *sent += done.bytes() as u64;
        Ok(Flow::Continue)
    }
}

fn main() {}
