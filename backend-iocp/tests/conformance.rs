//! The suite that every driver passes.
#![cfg(windows)]

mod support;

use bivalve_conformance::Backend;

const BACKEND: Backend =
    Backend { run: |_queue, body| support::run(body), open_handles: support::open_handles };

bivalve_conformance::suite!(BACKEND);
