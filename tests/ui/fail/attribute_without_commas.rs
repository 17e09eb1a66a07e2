use bivalve::prelude::*;

struct Audit;

#[bivalve::module(state = u32 priority = High)]
impl Module for Audit {
    fn on_begin_request(&self, _cx: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
}

fn main() {}
