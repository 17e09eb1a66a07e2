//! Writes a file through the server's completion driver before a response leaves, and lets nobody unknown have one.
//!
//! It runs in the test host, and on any server that was given a driver: its tests have it on the real ones, behind Tower.
//!
//! ```
//! use bivalve::User;
//! use bivalve::testing::{TestHost, block_on};
//! use thread_pool::HelloFile;
//!
//! # let directory = tempfile::tempdir()?;
//! # let path = directory.path().join("hello.txt");
//! let host = TestHost::new().mount(HelloFile::new(&path));
//! assert_eq!(block_on(host.get("/").finish()).status(), 401);
//! assert!(!path.exists());
//!
//! block_on(host.get("/").user(User::new("ada", "Basic")).finish());
//! assert_eq!(std::fs::read(&path)?, b"Hello");
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! IIS counterpart: a `CHttpModule` whose `OnSendResponse` opens a file with `FILE_FLAG_OVERLAPPED`, gives it to
//! `IHttpServer::AssociateWithThreadPool`, calls `WriteFile` and waits for the completion routine.

#![forbid(unsafe_code)]

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use bivalve::bytes::Bytes;
use bivalve::http::header::{CONTENT_LENGTH, WWW_AUTHENTICATE};
use bivalve::prelude::*;
use bivalve::{Driver, Response};

/// At [`SendResponse`](Notification::SendResponse), before the first part of a response leaves: writes "Hello" to a
/// file if the request was authenticated, answers 401 "Access denied." if not.
///
/// A response whose file could not be written becomes a 500.
#[derive(Clone, Debug)]
pub struct HelloFile {
    path: PathBuf,
}

impl HelloFile {
    /// Writes to this file. It is made if need be, and emptied before each write.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }
}

#[bivalve::module(state = Decision)]
impl Module for HelloFile {
    async fn on_send_response(&self, cx: &mut Context, sending: &mut Sending) -> Result<Flow> {
        let decision = *cx.state::<Decision>();
        match decision {
            Decision::Open if is_authenticated(cx) => {
                // Before the write: the error page that answers its failure comes by here as well.
                *cx.state_mut() = Decision::Allowed;
                self.write_file(cx.server().driver()?).await?;
            }
            Decision::Allowed => {}
            Decision::Denied if sending.more_data() => {
                // The answer has left, and the handler does not know: this ends it.
                return Err(Error::new(StatusCode::UNAUTHORIZED, "a denied response goes on"));
            }
            Decision::Open | Decision::Denied => {
                *cx.state_mut() = Decision::Denied;
                deny(cx.response_mut(), sending)?;
            }
        }
        Ok(Flow::Continue)
    }
}

/// Made when the first part of a response is about to leave, and kept for the parts that follow.
#[derive(Clone, Copy, Debug, Default)]
enum Decision {
    #[default]
    Open,
    Allowed,
    Denied,
}

/// The anonymous user of IIS has an empty name.
fn is_authenticated(cx: &Context) -> bool {
    cx.user().is_some_and(|user| !user.name().is_empty())
}

/// Nothing of the response may leave, but the challenges of whoever authenticates (RFC 9110 section 15.5.2).
fn deny(response: &mut Response, sending: &Sending) -> Result<()> {
    let challenges: Vec<_> = response.headers().get_all(WWW_AUTHENTICATE).iter().cloned().collect();
    response.clear();
    response.set_status(StatusCode::UNAUTHORIZED);
    if sending.headers_being_sent() {
        for challenge in challenges {
            response.headers_mut().append(WWW_AUTHENTICATE, challenge);
        }
        response.set_header("content-type", "text/plain")?;
        // With its length the answer is whole, whatever the handler still does.
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(DENIED.len()));
        response.write(DENIED)?;
    }
    Ok(())
}

impl HelloFile {
    async fn write_file(&self, driver: &Arc<dyn Driver>) -> Result<()> {
        // Opening blocks, as `CreateFile` does; the driver takes over from here.
        let file = File::options().write(true).create(true).truncate(true).open(&self.path)?;
        // Closed on every way out, also when a client that goes away cancels the module.
        let handle = driver.attach(file)?;
        let done = driver.write_at(&handle, Bytes::from_static(HELLO), 0).await;
        let (written, _buffer) = done.into_result()?;
        if written != HELLO.len() {
            let text = format!("{written} of {} bytes were written", HELLO.len());
            return Err(Error::new(StatusCode::INTERNAL_SERVER_ERROR, text));
        }
        Ok(())
    }
}

const DENIED: &str = "Access denied.";
const HELLO: &[u8] = b"Hello";
