//! What the C++ modules of `cpp/modules.cpp` do, as one writes it for Bivalve.

use std::sync::Arc;

use bivalve::CompletionHandle;
use bivalve::bytes::Bytes;
use bivalve::http::header::HOST;
use bivalve::prelude::*;

/// The module of a name.
pub(super) fn choose(name: &str) -> Option<Arc<dyn Module>> {
    Some(match name {
        "Empty" => Arc::new(Empty),
        "Header" => Arc::new(Header),
        "ReadHeader" => Arc::new(ReadHeader),
        "Read" => Arc::new(Read),
        "Hello" => Arc::new(Hello),
        "State" => Arc::new(State),
        "Flush" => Arc::new(Flush),
        "Wake" => Arc::new(Wake(worker())),
        _ => return None,
    })
}

#[derive(Debug)]
struct Empty;

#[bivalve::module]
impl Module for Empty {
    fn on_begin_request(&self, _cx: &mut Context) -> Result<Flow> {
        Ok(Flow::Continue)
    }
}

#[derive(Debug)]
struct Header;

#[bivalve::module]
impl Module for Header {
    fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
        const NAME: HeaderName = HeaderName::from_static("x-bench");
        let calls = cx.state_mut::<u32>();
        *calls += 1;
        let value = HeaderValue::from_static(if *calls % 2 == 1 { "even" } else { "odd" });
        cx.response_mut().headers_mut().insert(NAME, value);
        Ok(Flow::Continue)
    }
}

#[derive(Debug)]
struct ReadHeader;

#[bivalve::module]
impl Module for ReadHeader {
    fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
        let host = cx.request().header(HOST);
        Ok(if host.is_some_and(|host| host.len() == 11) { Flow::Continue } else { Flow::Finish })
    }
}

#[derive(Debug)]
struct Read;

#[bivalve::module]
impl Module for Read {
    fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
        let host = cx.request().header(HOST).map_or(0, str::len);
        let pool = cx.server_variable("APP_POOL_ID").map_or(0, |pool| pool.len());
        Ok(if (host, pool) == (11, 14) { Flow::Continue } else { Flow::Finish })
    }
}

#[derive(Debug)]
struct Hello;

#[bivalve::module]
impl Module for Hello {
    fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
        cx.response_mut().write(Bytes::from_static(b"Hello World!"))?;
        Ok(Flow::Finish)
    }
}

#[derive(Debug)]
struct State;

#[bivalve::module]
impl Module for State {
    fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
        let seen = cx.state_mut::<u64>();
        *seen += 1;
        Ok(if *seen > 0 { Flow::Continue } else { Flow::Finish })
    }
}

#[derive(Debug)]
struct Flush;

#[bivalve::module]
impl Module for Flush {
    async fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
        cx.flush().await?;
        Ok(Flow::Continue)
    }
}

/// Completes on another thread.
#[derive(Debug)]
struct Wake(std::sync::mpsc::Sender<CompletionHandle>);

#[bivalve::module]
impl Module for Wake {
    async fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
        let _ = self.0.send(cx.completion_handle());
        Ok(Flow::Pending)
    }
    async fn on_async_completion(&self, _cx: &mut Context, _info: CompletionInfo) -> Result<Flow> {
        Ok(Flow::Continue)
    }
}

/// One thread that completes what it is given.
fn worker() -> std::sync::mpsc::Sender<CompletionHandle> {
    let (sender, posts) = std::sync::mpsc::channel::<CompletionHandle>();
    std::thread::spawn(move || {
        while let Ok(handle) = posts.recv() {
            let _ = handle.post_completion(0);
        }
    });
    sender
}
