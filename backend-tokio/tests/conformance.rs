//! The suite that every driver passes.

mod support;

bivalve_conformance::suite!(support::BACKEND);
