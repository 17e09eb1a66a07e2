use bivalve::prelude::*;

struct Audit;

#[bivalve::module]
impl Module for Audit {
    fn on_begin_request(&self, _cx: &mut Context, _sending: &mut Sending) -> Result<Flow> {
        Ok(Flow::Continue)
    }
}

fn main() {}
