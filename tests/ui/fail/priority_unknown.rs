use bivalve::prelude::*;

struct Audit;

#[bivalve::module]
impl Module for Audit {
    #[priority(Hihg)]
    fn on_begin_request(&self, _cx: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }

    #[priority(Priority::High)]
    fn on_end_request(&self, _cx: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
}

fn main() {}
