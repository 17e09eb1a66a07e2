use bivalve::prelude::*;

struct Audit;

#[bivalve::module(priority = High, priority = Low)]
impl Module for Audit {
    fn on_begin_request(&self, _cx: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
}

fn main() {}
