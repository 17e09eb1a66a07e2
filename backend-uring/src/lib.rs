//! The io_uring completion driver.
