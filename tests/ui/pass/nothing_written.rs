use bivalve::prelude::*;

struct Idle;

// A module that registers for nothing is legal and is never called, as in IIS.
#[bivalve::module]
impl Module for Idle {}

fn main() {
    assert!(Idle.registration().notifications().is_empty());
}
