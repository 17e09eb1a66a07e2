//! What a module does with request and response.

use std::time::Duration;

use bivalve::User;
use bivalve::http::HeaderValue;
use bivalve::http::header::{COOKIE, SERVER, SET_COOKIE, WWW_AUTHENTICATE};
use bivalve::prelude::*;

/// Answers by itself, and finishes.
#[derive(Debug)]
pub struct Answers;

#[bivalve::module]
impl Module for Answers {
    fn on_resolve_request_cache(&self, cx: &mut Context) -> Result<Flow> {
        let response = cx.response_mut();
        response.set_status(StatusCode::IM_A_TEAPOT);
        response.set_header("content-type", "text/plain; charset=utf-8")?;
        response.write("short and ")?;
        response.write("stout")?;
        Ok(Flow::Finish)
    }
}

/// Reads headers and sets them: several of one name, those that IIS knows by name only, and one that is taken back.
#[derive(Debug)]
pub struct Headers;

#[bivalve::module]
impl Module for Headers {
    fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
        let two: Vec<_> = cx.request().headers().get_all("x-two").iter().cloned().collect();
        let cookie = cx.request().headers().get(COOKIE).cloned();
        let headers = cx.response_mut().headers_mut();
        for value in two {
            headers.append("x-back", value);
        }
        headers.append(SET_COOKIE, HeaderValue::from_static("one=1; Path=/"));
        headers.append(SET_COOKIE, HeaderValue::from_static("two=2; HttpOnly"));
        headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"a, b\""));
        headers.insert(SERVER, HeaderValue::from_static("probe"));
        headers.insert("x-gone", HeaderValue::from_static("soon"));
        headers.extend(cookie.map(|cookie| (COOKIE, cookie)));
        cx.request_mut().set_header("x-seen", "yes")?;
        cx.request_mut().headers_mut().remove("accept");
        Ok(Flow::Continue)
    }

    fn on_pre_execute_request_handler(&self, cx: &mut Context) -> Result<Flow> {
        let seen = cx.request().header("x-seen").unwrap_or("no").to_owned();
        let accept = cx.request().headers().contains_key("accept");
        cx.response_mut().set_header("x-seen", &format!("{seen}, accept {accept}"))?;
        cx.response_mut().headers_mut().remove("x-gone");
        Ok(Flow::Continue)
    }
}

/// Rewrites method and URL.
#[derive(Debug)]
pub struct Rewrites;

#[bivalve::module]
impl Module for Rewrites {
    fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
        cx.request_mut().set_url("/rewritten?by=probe")?;
        Ok(Flow::Continue)
    }

    fn on_authorize_request(&self, cx: &mut Context) -> Result<Flow> {
        let text = format!("{} {}", cx.request().method(), cx.request().url());
        cx.response_mut().set_header("x-url", &text)?;
        Ok(Flow::Continue)
    }
}

/// Says who asks.
#[derive(Debug)]
pub struct Users;

#[bivalve::module]
impl Module for Users {
    fn on_authenticate_request(&self, cx: &mut Context) -> Result<Flow> {
        cx.set_user(User::new("ada", "Probe"));
        Ok(Flow::Continue)
    }

    fn on_log_request(&self, cx: &mut Context) -> Result<Flow> {
        assert_eq!(cx.user().map(User::name), Some("ada"), "the user stays");
        Ok(Flow::Continue)
    }
}

/// Reads server variables and sets one.
#[derive(Debug)]
pub struct Variables;

#[bivalve::module]
impl Module for Variables {
    fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
        cx.set_server_variable("PROBE", "set by the probe")?;
        Ok(Flow::Continue)
    }

    fn on_acquire_request_state(&self, cx: &mut Context) -> Result<Flow> {
        let names =
            ["REQUEST_METHOD", "QUERY_STRING", "URL", "HTTP_HOST", "REMOTE_ADDR", "PROBE", "NO_SUCH_ONE"];
        let values =
            names.map(|name| cx.server_variable(name).map_or_else(|| "-".into(), |value| value.to_string()));
        cx.response_mut().set_header("x-variables", &values.join("|"))?;
        Ok(Flow::Continue)
    }
}

/// Sends in three parts, with trailers.
#[derive(Debug)]
pub struct Streams;

#[bivalve::module]
impl Module for Streams {
    async fn on_execute_request_handler(&self, cx: &mut Context) -> Result<Flow> {
        cx.response_mut().set_header("content-type", "text/plain")?;
        for part in ["one ", "two ", "three"] {
            cx.write(part).await?;
            let sent = cx.flush().await?;
            assert!(sent.is_success());
        }
        cx.response_mut().trailers_mut().insert("x-checksum", HeaderValue::from_static("abc"));
        Ok(Flow::Finish)
    }
}

/// Waits for nothing that the server knows of.
#[derive(Debug)]
pub struct Waits;

#[bivalve::module]
impl Module for Waits {
    async fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
        pause().await;
        cx.response_mut().set_header("x-waited", "yes")?;
        pause().await;
        Ok(Flow::Continue)
    }

    async fn on_end_request(&self, _cx: &mut Context) -> Result<Flow> {
        pause().await;
        Ok(Flow::Continue)
    }
}

/// Woken by another thread, as by a database.
pub async fn pause() {
    let mut asked = false;
    std::future::poll_fn(move |task| {
        if std::mem::replace(&mut asked, true) {
            return std::task::Poll::Ready(());
        }
        let waker = task.waker().clone();
        std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(1));
            waker.wake();
        });
        std::task::Poll::Pending
    })
    .await;
}

/// Answers with a sub-status, flushes, and says what is in the log.
#[derive(Debug)]
pub struct SubStatus;

#[bivalve::module]
impl Module for SubStatus {
    async fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
        cx.response_mut().set_status_code(401, 2)?;
        cx.write("no ").await?;
        cx.flush().await?;
        Ok(Flow::Finish)
    }

    fn on_end_request(&self, cx: &mut Context) -> Result<Flow> {
        let logged = (cx.response().status().as_u16(), cx.response().sub_status());
        cx.response_mut().write(format!("{}.{}", logged.0, logged.1))?;
        Ok(Flow::Continue)
    }
}

/// Makes something else of every part that leaves.
#[derive(Debug)]
pub struct Shouts;

#[bivalve::module]
impl Module for Shouts {
    async fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
        if cx.request().url().path() == "/" {
            return Ok(Flow::Continue);
        }
        for part in ["first ", "second", "third "] {
            cx.write(part).await?;
            cx.flush().await?;
        }
        cx.write("last").await?;
        Ok(Flow::Finish)
    }

    fn on_send_response(&self, cx: &mut Context, sending: &mut Sending) -> Result<Flow> {
        let mut part = Vec::new();
        for chunk in cx.response_mut().take_chunks() {
            if let EntityChunk::Bytes(bytes) = chunk {
                part.extend_from_slice(&bytes.to_ascii_uppercase());
            }
        }
        cx.response_mut().write(part)?;
        cx.response_mut().write(if sending.more_data() { "!" } else { "." })?;
        Ok(Flow::Continue)
    }
}
