#[bivalve::module]
struct Audit;

#[bivalve::module(state = u32)]
struct Log {
    _lines: u64,
}

fn main() {
    let _ = (Audit, Log { _lines: 0 });
}
