use bivalve::prelude::*;

struct Audit;

#[bivalve::module(on_disconnect = abort)]
impl Module for Audit {
    fn on_begin_request(&self, _cx: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
}

fn main() {}
