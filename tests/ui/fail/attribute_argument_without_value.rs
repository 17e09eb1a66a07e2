use bivalve::prelude::*;

struct Audit;

#[bivalve::module(state, priority =, on_disconnect(finish))]
impl Module for Audit {
    fn on_begin_request(&self, _cx: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
}

fn main() {}
