use bivalve::prelude::*;

struct Audit;

#[bivalve::module]
impl Module for Audit {
    fn on_begin_requst(&mut self, _cx: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }

    fn on_log_request(&mut self, _cx: Context) -> Flow {
        self.count();
        Flow::Continue
    }

    fn on_end_request(&self, _cx: &mut Context) -> Result<Flow> {
        self.count();
        Ok(Flow::Continue)
    }

    fn count(&self) {}
}

fn main() {}
