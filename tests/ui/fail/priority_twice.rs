use bivalve::prelude::*;

struct Audit;

#[bivalve::module]
impl Module for Audit {
    #[priority(High)]
    #[priority(Low)]
    fn on_begin_request(&self, _cx: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
}

fn main() {}
