use bivalve::prelude::*;

struct Audit;

#[bivalve::module]
impl Module for Audit {
    fn on_begin_request(&self) -> Result<Flow> {
        Ok(Flow::Continue)
    }

    async fn on_send_response(&self, _cx: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
}

fn main() {}
