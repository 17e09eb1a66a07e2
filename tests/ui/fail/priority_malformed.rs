use bivalve::prelude::*;

struct Audit;

#[bivalve::module]
impl Module for Audit {
    #[priority = High]
    fn on_begin_request(&self, _cx: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }

    #[priority("High")]
    fn on_log_request(&self, _cx: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }

    #[priority()]
    fn on_end_request(&self, _cx: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
}

fn main() {}
