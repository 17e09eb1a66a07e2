//! What `#[bivalve::module]` accepts, and what it says to mistakes: one file each, named after the mistake.
//!
//! `TRYBUILD=overwrite cargo nextest run -p bivalve --test trybuild` writes the texts anew; read the
//! difference before committing it.

#[test]
fn the_macro_accepts_and_explains() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
    cases.compile_fail("tests/ui/fail/*.rs");
}
