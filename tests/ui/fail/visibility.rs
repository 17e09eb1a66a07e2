use bivalve::prelude::*;

struct Audit;

#[bivalve::module]
impl Module for Audit {
    pub fn on_begin_request(&self, _cx: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
}

fn main() {}
