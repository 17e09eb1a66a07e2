//! A shared library that is no module.
#![allow(missing_docs, reason = "it has no interface")]

#[unsafe(no_mangle)]
extern "C" fn registermodule() -> i32 {
    0
}
