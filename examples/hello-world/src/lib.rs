//! The smallest module: answers "Hello World!" at [`BeginRequest`](Notification::BeginRequest) and finishes the request.
//!
//! See it run: `cargo run -p hello-world`, then `curl -i http://127.0.0.1:8080`.
//!
//! ```
//! use bivalve::testing::{TestHost, block_on};
//! use hello_world::HelloWorld;
//!
//! let response = block_on(TestHost::new().mount(HelloWorld).get("/").finish());
//! assert_eq!(response.text(), "Hello World!");
//! ```
//!
//! IIS counterpart: a `CHttpModule` whose `OnBeginRequest` calls `WriteEntityChunks` and returns
//! `RQ_NOTIFICATION_FINISH_REQUEST`.

#![forbid(unsafe_code)]

use bivalve::prelude::*;

/// Answers every request. One instance serves them all, and it keeps nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct HelloWorld;

// Says which events the module wants, from the methods that are here.
#[bivalve::module]
impl Module for HelloWorld {
    fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
        let response = cx.response_mut();
        response.set_header("content-type", "text/plain")?;
        response.write("Hello World!")?;
        // No other module is asked, and no handler; LogRequest and EndRequest still run, then the response leaves.
        Ok(Flow::Finish)
    }
}
