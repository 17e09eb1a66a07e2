use bivalve::prelude::*;

struct Audit;

#[bivalve::module]
impl Module for Audit {
    fn on_begin_request(&self, _cx: &mut Context) -> Result<Flow, std::fmt::Error> {
        Ok(Flow::Continue)
    }

    async fn on_log_request(&self, _cx: &mut Context) -> Result<(), bivalve::Error> {
        Ok(())
    }
}

fn main() {}
