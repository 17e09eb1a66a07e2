struct Audit;

#[bivalve::module]
impl bivalve::Module for Audit {
    fn on_begin_request(&self, _: &mut bivalve::Context) -> bivalve::Result<bivalve::Flow> {
        Ok(bivalve::Flow::Continue)
    }

    async fn on_end_request(&self, _: &mut bivalve::Context) -> bivalve::Result<bivalve::Flow> {
        Ok(bivalve::Flow::Continue)
    }
}

fn main() {}
