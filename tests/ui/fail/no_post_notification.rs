use bivalve::prelude::*;

struct Audit;

#[bivalve::module]
impl Module for Audit {
    fn on_post_send_response(&self, _cx: &mut Context, _sending: &mut Sending) -> Result<Flow> {
        Ok(Flow::Continue)
    }

    fn on_post_async_completion(&self, _cx: &mut Context, _done: CompletionInfo) -> Result<Flow> {
        Ok(Flow::Continue)
    }
}

fn main() {}
