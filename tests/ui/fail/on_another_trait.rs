struct Audit;

#[bivalve::module]
impl Default for Audit {
    fn default() -> Self {
        Self
    }
}

fn main() {}
