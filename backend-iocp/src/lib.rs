//! The completion-port driver, for Windows.
