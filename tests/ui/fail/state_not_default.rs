use bivalve::prelude::*;

struct Audit;

struct Seen {
    _sent: u64,
}

#[bivalve::module(state = Seen)]
impl Module for Audit {
    fn on_begin_request(&self, _cx: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
}

fn main() {}
