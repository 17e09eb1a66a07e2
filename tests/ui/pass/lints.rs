//! Nothing that the macro writes may set off a lint in the user's crate. Clippy's are in tests/module_macro.rs.

#![deny(
    warnings,
    future_incompatible,
    let_underscore,
    nonstandard_style,
    rust_2018_idioms,
    rust_2021_compatibility,
    rust_2024_compatibility,
    unused,
    async_fn_in_trait,
    elided_lifetimes_in_paths,
    explicit_outlives_requirements,
    macro_use_extern_crate,
    meta_variable_misuse,
    missing_abi,
    missing_copy_implementations,
    missing_debug_implementations,
    missing_docs,
    non_ascii_idents,
    redundant_imports,
    redundant_lifetimes,
    single_use_lifetimes,
    trivial_casts,
    trivial_numeric_casts,
    unit_bindings,
    unnameable_types,
    unreachable_pub,
    unused_crate_dependencies,
    unused_import_braces,
    unused_lifetimes,
    unused_qualifications,
    unused_results,
    variant_size_differences
)]
#![allow(unused_crate_dependencies, reason = "trybuild gives every case the same dependencies")]
#![forbid(unsafe_code)]

use bivalve::prelude::*;
// With everything imported, each path that the macro writes in full is longer than it needs to be.
#[allow(unused_imports)]
use bivalve::{Notification, OnDisconnect, Outcome, Priority, Registration};

/// A module.
#[derive(Debug)]
#[non_exhaustive]
pub struct Audit {
    name: String,
}

#[bivalve::module(state = u32, priority = High, on_disconnect = finish)]
impl Module for Audit {
    #[priority(Low)]
    fn on_begin_request(&self, _cx: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }

    async fn on_post_begin_request(&self, _cx: &mut Context) -> Result<Flow> {
        Ok(if self.name.is_empty() { Flow::Finish } else { Flow::Continue })
    }

    fn on_map_path(&self, _cx: &mut Context, _mapping: &mut PathMapping) -> Result<Flow> {
        Ok(Flow::Continue)
    }

    async fn on_send_response(&self, _cx: &mut Context, _sending: &mut Sending) -> Result<Flow> {
        Ok(Flow::Continue)
    }

    async fn on_async_completion(&self, _cx: &mut Context, _done: CompletionInfo) -> Result<Flow> {
        Ok(Flow::Continue)
    }
}

fn main() {
    struct Local;

    #[bivalve::module]
    impl Module for Local {
        fn on_begin_request(&self, _cx: &mut Context) -> Result<Flow> {
            Ok(Flow::Continue)
        }
    }

    drop((Audit { name: String::new() }, Local));
}
