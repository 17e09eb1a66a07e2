use bivalve::prelude::*;

struct Audit;

#[bivalve::module]
impl Module for Audit {
    fn registration(&self) -> bivalve::Registration {
        bivalve::Registration::new()
    }
}

fn main() {}
