use bivalve::prelude::*;

struct Audit;

#[bivalve::module]
impl Module for Audit {
    async fn on_map_path(&self, _cx: &mut Context, _mapping: &mut PathMapping) -> Result<Flow> {
        Ok(Flow::Continue)
    }
}

fn main() {}
