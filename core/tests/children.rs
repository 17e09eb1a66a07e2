//! Child requests: semantics.md section 4, rule 12 (`ExecuteRequest`), and their part in issue 2's bad input.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use bivalve_core::testing::{CompletionOrder, Stopped, TestHost, block_on};
use bivalve_core::{
    ChildRequest, CompletionStatus, Context, DriverExt, EntityChunk, Error, ErrorKind, FileRange, Flow,
    Notification, Outcome, Step, User, limits,
};
use http::{Method, StatusCode};

use common::{
    Count, Log, OnDrop, at, calls, deterministic, echo, finish, get, plain, poll_once, quiet, script, serve,
};

const BEGIN: Notification = Notification::BeginRequest;

/// A service: `/` runs `/child` and answers with what that answered; the child is `child`.
fn parent(
    child: impl for<'a> Fn(&'a mut Context) -> Outcome<'a> + Send + Sync + 'static,
) -> impl bivalve_core::Handler {
    serve(move |cx| {
        if cx.child_depth() > 0 {
            return child(cx);
        }
        Outcome::pending(async move {
            let response = cx.execute_request(ChildRequest::get("/child")?).await?;
            let status = response.status().as_u16();
            for chunk in response.into_chunks() {
                cx.write(chunk).await?;
            }
            cx.write(format!(" {status}")).await?;
            Ok(Flow::Continue)
        })
    })
}

// Rule 12: a child runs the whole pipeline, BeginRequest to EndRequest, nested; nothing of it reaches the client by itself.
#[test]
fn a_child_runs_the_whole_pipeline_and_reaches_nobody_by_itself() {
    let log = Log::default();
    let said = log.clone();
    let says = plain(deterministic(), move |cx, event| {
        said.say(format!("{}{event}", "> ".repeat(cx.child_depth().into())));
        Ok(Flow::Continue)
    });
    let host = TestHost::new().module("says", says).handler(parent(|cx| {
        Outcome::pending(async move {
            cx.response_mut().set_status_code(203, 0)?;
            cx.write("from ").await?;
            cx.flush().await?;
            cx.write("the child").await?;
            Ok(Flow::Continue)
        })
    }));
    let mut req = host.get("/");
    let response = finish(&mut req);
    assert_eq!((response.status().as_u16(), response.text()), (200, "from the child 203"));
    assert_eq!(response.parts().len(), 1, "the child's flush did not reach the client");
    let lines = log.take();
    let events: Vec<String> = common::events().map(|event| event.to_string()).collect();
    let execute = events.iter().position(|event| event == "ExecuteRequestHandler").unwrap() + 1;
    let child = events.iter().map(|event| format!("> {event}"));
    let expected: Vec<String> =
        events[..execute].iter().cloned().chain(child).chain(events[execute..].iter().cloned()).collect();
    assert_eq!(lines, expected);
    assert_eq!(calls(&req).len(), 24, "the parent's trace has the parent's calls");
}

// Rule 12: "nesting max 10, else [...] ERROR_STACK_OVERFLOW".
#[test]
fn ten_levels_of_children_are_fine_and_the_eleventh_is_a_typed_error() {
    for explicit in [false, true] {
        let log = Log::default();
        let said = log.clone();
        // Each request asks for one below it, until that is refused.
        let digs = script(at(BEGIN).on(Notification::LogRequest), move |call| {
            let depth = call.cx.child_depth();
            if call.is(Notification::LogRequest) {
                said.say(format!("log {depth}"));
                return Outcome::CONTINUE;
            }
            if let common::With::Done(mut done) = call.with {
                said.say(format!("{depth}: {}", done.completion().status()));
                let child = done.take_child_response();
                assert_eq!(child.is_some(), done.completion().status() == CompletionStatus::SUCCESS);
                return Outcome::CONTINUE;
            }
            let child = ChildRequest::get("/deeper").unwrap();
            if explicit {
                return Outcome::Ready(call.cx.start_execute_request(child).map(|()| Flow::Pending));
            }
            let log = said.clone();
            Outcome::pending(async move {
                match call.cx.execute_request(child).await {
                    Ok(response) => log.say(format!("{depth}: {}", response.status().as_u16())),
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::ChildTooDeep);
                        log.say(error.to_string());
                    }
                }
                Ok(Flow::Continue)
            })
        });
        let host = TestHost::new().module("digs", digs).handler(common::text("x"));
        assert_eq!(get(&host).0.text(), "x");
        let lines = log.take();
        assert_eq!(lines.iter().filter(|line| line.starts_with("log")).count(), 11);
        let refused = if explicit {
            "10: nested too deep"
        } else {
            "a child request would be the 11th level, the limit is 10: does it request itself?"
        };
        assert_eq!(lines[..2], [refused, "log 10"]);
    }
}

// Rule 12, by a service that requests itself: a clear 500 at the bottom, and the process lives.
#[test]
fn a_request_that_requests_itself_ends() {
    let host = TestHost::new().handler(serve(|cx| {
        Outcome::pending(async move {
            let response = cx.execute_request(ChildRequest::get("/")?).await?;
            cx.response_mut().set_status_code(response.status().as_u16(), 0)?;
            Ok(Flow::Continue)
        })
    }));
    let connection = host.keep_alive();
    for _ in 0..3 {
        assert_eq!(finish(&mut connection.get("/")).status(), 500);
    }
}

// Bad input: "a malformed URL".
#[test]
fn a_childs_url_must_start_with_a_slash() {
    for url in [
        "",
        " ",
        "child",
        "?x",
        "#x",
        "*",
        "http://example.com/x",
        "//",
        "example.com:80",
        "/a b",
        "/\r\nHost: x",
        "/\0",
        "/\u{7f}",
        "\\x",
        "http://[::1/",
    ] {
        let error = match ChildRequest::get(url) {
            // Two slashes are a path like any other.
            Ok(_) if url == "//" => continue,
            Ok(child) => panic!("{url:?} was taken: {child:?}"),
            Err(error) => error,
        };
        assert_eq!((error.kind(), error.status().as_u16()), (ErrorKind::InvalidUrl, 500), "{url:?}");
        assert!(error.to_string().contains("use a URL that starts with a slash"), "{error}");
    }
    for url in ["/", "/a?b=c", "/a%20b", "//a", "/*"] {
        assert!(ChildRequest::new(Method::OPTIONS, url).is_ok(), "{url}");
    }
}

// Bad input: "a header value with CR/LF/NUL".
#[test]
fn a_childs_headers_are_checked() {
    for (name, value) in
        [("a", "b\r\nc: d"), ("a", "b\nc"), ("a", "\0"), ("a b", "c"), ("", "c"), ("a:", "c")]
    {
        let error = ChildRequest::get("/").unwrap().header(name, value).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidHeader, "{name:?}: {value:?}");
    }
}

// children.rs: what a child is given, and what it takes over from its parent.
#[test]
fn a_child_has_what_it_was_given_and_its_parents_user_and_connection() {
    let log = Log::default();
    let said = log.clone();
    let asks = script(at(BEGIN), move |call| {
        let log = said.clone();
        Outcome::pending(async move {
            let cx = call.cx;
            if cx.child_depth() > 0 {
                let body = cx.read_entity(100).await?;
                let request = cx.request();
                log.say(format!(
                    "{} {} user {:?} remote {:?} {:?} body {:?}",
                    request.method(),
                    request.url(),
                    cx.user().map(User::name),
                    cx.connection().remote_addr(),
                    ["host", "accept", "content-length", "te", "x-own"].map(|name| request.header(name)),
                    std::str::from_utf8(&body)?,
                ));
                return Ok(Flow::Finish);
            }
            cx.execute_request(
                ChildRequest::new(Method::PUT, "/a?b")?.headers_of(cx.request()).header("x-own", "1")?,
            )
            .await?;
            let other = ChildRequest::get("/")?.body("12345").user(User::new("bob", "Test"));
            cx.execute_request(other).await?;
            Ok(Flow::Continue)
        })
    });
    let host = TestHost::new().module("asks", asks).handler(common::text("x"));
    let mut req = host
        .post("/parent")
        .body("the parent's")
        .user(User::new("ada", "Test"))
        .header("accept", "text/html")
        .header("te", "trailers");
    finish(&mut req);
    let remote = "remote Some(127.0.0.1:49152)";
    assert_eq!(
        log.take(),
        [
            format!(
                "PUT /a?b user Some(\"ada\") {remote} [Some(\"localhost\"), Some(\"text/html\"), None, None, Some(\"1\")] body \"\""
            ),
            format!("GET / user Some(\"bob\") {remote} [None, None, Some(\"5\"), None, None] body \"12345\""),
        ]
    );
}

// children.rs: "A child that fails answers with its status: that is no error here."
#[test]
fn a_child_that_fails_answers_and_does_not_fail_its_parent() {
    for panics in [false, true] {
        let host = TestHost::new().module("all", quiet(deterministic())).handler(parent(move |_| {
            assert!(!panics, "as the test wants it");
            Outcome::Ready(Err(Error::from_status(StatusCode::CONFLICT)))
        }));
        let mut req = host.get("/");
        let expected = if panics { "Internal Server Error 500" } else { "Conflict 409" };
        assert_eq!(finish(&mut req).text(), expected);
        assert_eq!(calls(&req).len(), 24);
    }
}

// A module that panics in a child is skipped for the rest of that child only.
#[test]
fn a_module_that_panics_in_a_child_still_serves_the_parent() {
    let panics = plain(deterministic(), |cx, event| {
        assert!(cx.child_depth() == 0 || event != BEGIN.into(), "as the test wants it");
        Ok(Flow::Continue)
    });
    let host = TestHost::new().module("panics", panics).handler(parent(|_| Outcome::CONTINUE));
    let mut req = host.get("/");
    assert_eq!(finish(&mut req).text(), "Internal Server Error 500");
    assert_eq!(calls(&req).len(), 24);
}

// children.rs: "BufferFull when the child answered more than MAX_CHILD_RESPONSE bytes". A file range holds no memory.
#[test]
fn a_child_that_answers_too_much_is_a_typed_error() {
    let chunk = bytes::Bytes::from(vec![b'x'; limits::RESPONSE_BUFFER_LIMIT]);
    let whole = limits::MAX_CHILD_RESPONSE / limits::RESPONSE_BUFFER_LIMIT;
    for (chunks, looks_away) in [(whole, false), (whole + 1, false), (whole + 1, true)] {
        let log = Log::default();
        let said = log.clone();
        let chunk = chunk.clone();
        let host = TestHost::new().handler(serve(move |cx| {
            let (log, chunk) = (said.clone(), chunk.clone());
            Outcome::pending(async move {
                if cx.child_depth() > 0 {
                    for _ in 0..chunks {
                        let written = cx.write(chunk.clone()).await;
                        if !looks_away {
                            written?;
                        }
                    }
                    return Ok(Flow::Continue);
                }
                match cx.execute_request(ChildRequest::get("/child")?).await {
                    Ok(response) => log.say(response.entity_len().to_string()),
                    Err(error) => log.say(format!("{:?} {error}", error.kind())),
                }
                Ok(Flow::Continue)
            })
        }));
        assert_eq!(get(&host).0.status(), 200);
        let expected = if chunks == whole {
            limits::MAX_CHILD_RESPONSE.to_string()
        } else {
            format!("BufferFull a child request answered more than {} bytes", limits::MAX_CHILD_RESPONSE)
        };
        assert_eq!(log.take(), [expected], "{chunks} {looks_away}");
    }
}

// children.rs: a child that resets has not answered.
#[test]
fn a_child_that_resets_is_an_error() {
    let log = Log::default();
    let said = log.clone();
    let host = TestHost::new().handler(serve(move |cx| {
        let log = said.clone();
        Outcome::pending(async move {
            if cx.child_depth() > 0 {
                cx.write("half").await?;
                cx.flush().await?;
                cx.reset_connection();
                return Ok(Flow::Finish);
            }
            let error = cx.execute_request(ChildRequest::get("/child")?).await.unwrap_err();
            log.say(format!("{:?}", error.kind()));
            assert!(cx.is_connected(), "the client is still there");
            cx.write("answered").await?;
            Ok(Flow::Continue)
        })
    }));
    let (response, _) = get(&host);
    assert_eq!(response.text(), "answered");
    assert!(response.is_complete());
    // As the parent's own connection would be, but it is no disconnect of the client.
    assert_eq!(log.take(), [format!("{:?}", ErrorKind::Io(CompletionStatus::CONNECTION_RESET))]);
}

// children.rs, `ChildResponse`: bytes, files, trailers, headers.
#[test]
fn a_childs_response_comes_with_headers_chunks_and_trailers() {
    let file = Arc::new(
        std::fs::File::open(file!().replace("core/", "")).or_else(|_| std::fs::File::open(file!())).unwrap(),
    );
    let host = TestHost::new().handler(serve(move |cx| {
        let file = Arc::clone(&file);
        Outcome::pending(async move {
            if cx.child_depth() > 0 {
                cx.response_mut().set_header("x-child", "1")?;
                cx.response_mut().trailers_mut().insert("x-sum", http::HeaderValue::from_static("7"));
                cx.write("//").await?;
                cx.write("!").await?;
                if cx.request().url().path() == "/file" {
                    cx.write(FileRange::new(file, 0, 3)).await?;
                }
                return Ok(Flow::Continue);
            }
            let plain = cx.execute_request(ChildRequest::get("/plain")?).await?;
            assert_eq!(plain.headers().get("x-child").unwrap(), "1");
            assert_eq!(plain.trailers().unwrap().get("x-sum").unwrap(), "7");
            assert_eq!((plain.entity_len(), plain.bytes().as_deref()), (3, Some(&b"//!"[..])));
            let with_file = cx.execute_request(ChildRequest::get("/file")?).await?;
            assert_eq!((with_file.entity_len(), with_file.bytes()), (6, None));
            assert_eq!(with_file.chunks().len(), 3);
            cx.response_mut().set_chunks(with_file.into_chunks())?;
            Ok(Flow::Continue)
        })
    }));
    assert_eq!(get(&host).0.text(), "//!//!");
    assert!(!EntityChunk::from("x").is_empty());
}

// Rule 12: "each child once [...] children in reverse order": one after the other here, also many of them.
#[test]
fn many_children_run_one_after_the_other() {
    for order in [CompletionOrder::Immediate, CompletionOrder::Late, CompletionOrder::Seeded(3)] {
        let host = TestHost::new().order(order).handler(serve(|cx| {
            Outcome::pending(async move {
                if cx.child_depth() > 0 {
                    let driver = Arc::clone(cx.server().driver()?);
                    let _ = driver.timer(Duration::from_millis(1)).await;
                    let path = cx.request().url().path().to_string();
                    cx.write(path).await?;
                    return Ok(Flow::Continue);
                }
                for n in 0..20 {
                    let child = cx.execute_request(ChildRequest::get(&format!("/{n}"))?).await?;
                    cx.write(child.bytes().unwrap_or_default()).await?;
                }
                Ok(Flow::Continue)
            })
        }));
        let expected: String = (0..20).map(|n| format!("/{n}")).collect();
        assert_eq!(get(&host).0.text(), expected, "{order:?}");
        host.driver().assert_idle();
    }
}

// A child's body is its own, and the parent's is untouched by a child that reads.
#[test]
fn a_child_reads_its_own_body() {
    let asks = script(at(BEGIN), |call| {
        Outcome::pending(async move {
            if call.cx.child_depth() == 0 {
                let child = ChildRequest::new(Method::POST, "/")?.body("child's ");
                let echoed = call.cx.execute_request(child).await?;
                call.cx.write(echoed.bytes().unwrap_or_default()).await?;
            }
            Ok(Flow::Continue)
        })
    });
    let host = TestHost::new().module("asks", asks).handler(echo());
    assert_eq!(finish(&mut host.post("/").body("parent's")).text(), "child's parent's");
}

// children.rs, cancel safety: a child that is dropped before it began to wait has still begun.
#[test]
fn a_child_that_is_dropped_halfway_ends_and_gives_everything_back() {
    let (log, dropped) = (Log::default(), Count::default());
    let (said, counted) = (log.clone(), dropped.clone());
    let logs = plain(at(Notification::EndRequest), move |cx, _| {
        said.say(format!("end {}", cx.child_depth()));
        Ok(Flow::Continue)
    });
    let host = TestHost::new().manual().module("logs", logs).handler(serve(move |cx| {
        let guard = OnDrop(counted.clone());
        Outcome::pending(async move {
            let _guard = guard;
            if cx.child_depth() > 0 {
                let driver = Arc::clone(cx.server().driver()?);
                let _ = driver.timer(Duration::from_secs(1)).await;
                return Ok(Flow::Continue);
            }
            // Never polled: it never began.
            drop(cx.execute_request(ChildRequest::get("/never")?));
            assert!(poll_once(cx.execute_request(ChildRequest::get("/halfway")?)).await.is_none());
            cx.write("parent").await?;
            Ok(Flow::Continue)
        })
    }));
    block_on(async {
        let mut req = host.get("/");
        assert_eq!(req.run_until(Step::Done).await, Stopped::Waiting);
        assert_eq!(req.finish().await.text(), "parent");
    });
    block_on(host.run_background());
    assert_eq!((log.take(), dropped.get()), (vec!["end 1".to_string(), "end 0".to_string()], 2));
    host.driver().assert_idle();
}
