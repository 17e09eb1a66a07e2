//! The attribute [`macro@module`], re-exported as `bivalve::module`; its documentation is there.
//!
//! How it works, in the order in which the text goes through it: `input` reads the impl, `args` the arguments,
//! `method` checks each method against the `table`, `expand` writes the code. Nothing stops at the first
//! mistake: all of them are collected in `errors` and reported together.

#![forbid(unsafe_code)]

mod args;
mod errors;
mod expand;
mod input;
mod method;
mod nearest;
mod table;

use proc_macro::TokenStream;

/// Writes the [`Module`] impl from plain `fn` and `async fn` methods, and derives its registration from them.
///
/// [`Module`]: https://docs.rs/bivalve/latest/bivalve/trait.Module.html
#[proc_macro_attribute]
pub fn module(args: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(args.into(), item.into()).into()
}
