//! The one suite that every completion driver passes.

#![forbid(unsafe_code)]
