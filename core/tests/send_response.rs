//! SendResponse and what leaves: semantics.md section 2, "SEND_RESPONSE fires once per flush", and section 3.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use bivalve_core::testing::{CompletionOrder, OperationKind, Stopped, TestHost, TestResponse, block_on};
use bivalve_core::{
    Completion, CompletionStatus, Context, EntityChunk, Error, ErrorKind, Flow, Module, Notification,
    Outcome, Registration, Result, Sending, Step,
};
use http::StatusCode;

use common::{Log, With, at, calls_at, finish, get, plain, poll_once, quiet, script, serve, text};

const SEND: Notification = Notification::SendResponse;

/// Says what it is told at SendResponse: whether headers go along, whether more follows, and the chunks.
fn watches(log: &Log) -> impl Module {
    let log = log.clone();
    script(at(SEND), move |call| {
        let With::Sending(sending) = &call.with else { panic!("only SendResponse is registered") };
        let headers = if sending.headers_being_sent() { "headers " } else { "" };
        let more = if sending.more_data() { "more " } else { "last " };
        log.say(format!("{headers}{more}{}", call.cx.response().entity_len()));
        Outcome::CONTINUE
    })
}

fn streams(parts: &'static [&'static str]) -> impl bivalve_core::Handler {
    serve(move |cx| {
        Outcome::pending(async move {
            for part in parts {
                cx.write(*part).await?;
                cx.flush().await?;
            }
            Ok(Flow::Continue)
        })
    })
}

fn parts(response: &TestResponse) -> Vec<&str> {
    response.parts().iter().map(|part| std::str::from_utf8(part.body()).unwrap()).collect()
}

// Section 2: "several times per request for streamed responses"; "GetHeadersBeingSent tells whether this one carries
// the headers".
#[test]
fn send_response_is_raised_once_per_flush_and_only_the_first_carries_headers() {
    let log = Log::default();
    let host = TestHost::new().module("watches", watches(&log)).handler(streams(&["one", "", "three"]));
    let mut req = host.get("/");
    let response = finish(&mut req);
    assert_eq!(parts(&response), ["one", "", "three", ""]);
    assert!(response.is_complete());
    assert_eq!(log.take(), ["headers more 3", "more 0", "more 5", "last 0"]);
    req.assert_trace([
        "  SendResponse watches -> Continue",
        "Send 3 bytes, success",
        "  SendResponse watches -> Continue",
        "Send 0 bytes, success",
        "  SendResponse watches -> Continue",
        "Send 5 bytes, success",
        "  SendResponse watches -> Continue",
        "Send 0 bytes, success",
    ]);
}

// Section 4, rule 8: "a last Flush(fMoreData=FALSE) or the pipeline end finishes the body".
#[test]
fn the_last_flush_ends_the_response_and_nothing_can_be_written_after_it() {
    let log = Log::default();
    let handler = serve(|cx| {
        Outcome::pending(async move {
            cx.write("one").await?;
            cx.flush_end().await?;
            assert_eq!(cx.write("two").await.unwrap_err().kind(), ErrorKind::RequestEnded);
            assert_eq!(cx.flush_end().await.unwrap_err().kind(), ErrorKind::RequestEnded);
            Ok(Flow::Continue)
        })
    });
    let host = TestHost::new().module("watches", watches(&log)).handler(handler);
    let response = finish(&mut host.get("/"));
    assert_eq!(parts(&response), ["one"]);
    assert!(response.is_complete());
    assert_eq!(log.take(), ["headers last 3"]);
}

// Section 2: "nested inside whatever code called Flush"; the call "blocks until the nested notification completes".
#[test]
fn send_response_is_over_before_the_flush_that_raised_it_returns() {
    for order in [CompletionOrder::Immediate, CompletionOrder::Late, CompletionOrder::Seeded(1)] {
        let log = Log::default();
        let (said, handled) = (log.clone(), log.clone());
        let slow = script(at(SEND), move |_| {
            let log = said.clone();
            Outcome::pending(async move {
                log.say("begins");
                common::once().await;
                log.say("ends");
                Ok(Flow::Continue)
            })
        });
        let host = TestHost::new().order(order).module("slow", slow).handler(serve(move |cx| {
            let log = handled.clone();
            Outcome::pending(async move {
                cx.flush().await?;
                log.say("flushed");
                Ok(Flow::Continue)
            })
        }));
        finish(&mut host.get("/"));
        assert_eq!(log.take(), ["begins", "ends", "flushed", "begins", "ends"]);
    }
}

// Section 2: the first one still changes status and headers; each changes what leaves.
#[test]
fn a_filter_changes_headers_once_and_every_part() {
    let filter = script(at(SEND), |call| {
        Outcome::Ready((|| {
            let With::Sending(sending) = call.with else { panic!("only SendResponse is registered") };
            let response = call.cx.response_mut();
            let stamped = response.set_header("x-filter", "on");
            if sending.headers_being_sent() {
                stamped?;
                response.set_status_code(203, 0)?;
            } else {
                assert_eq!(stamped.unwrap_err().kind(), ErrorKind::HeadersSent);
                assert_eq!(response.set_status_code(500, 0).unwrap_err().kind(), ErrorKind::HeadersSent);
            }
            let upper: Vec<EntityChunk> = response
                .take_chunks()
                .into_iter()
                .map(|chunk| match chunk {
                    EntityChunk::Bytes(bytes) => EntityChunk::from(bytes.to_ascii_uppercase()),
                    other => other,
                })
                .collect();
            response.set_chunks(upper)?;
            Ok(Flow::Continue)
        })())
    });
    let host = TestHost::new().module("filter", filter).handler(streams(&["one", "two"]));
    let (response, _) = get(&host);
    assert_eq!((response.status().as_u16(), response.text()), (203, "ONETWO"));
    assert_eq!(response.header("x-filter"), Some("on"));
}

// Section 2, nested and re-entrant: a flush inside SendResponse takes the headers along, so nobody after it may be told
// that they go with the outer part.
#[test]
fn headers_go_with_one_part_also_when_a_filter_flushes_itself() {
    let log = Log::default();
    let flushes = script(at(SEND), |call| {
        Outcome::pending(async move {
            if !std::mem::replace(call.cx.state_mut::<bool>(), true) {
                call.cx.flush().await?;
            }
            Ok(Flow::Continue)
        })
    });
    // SendResponse runs in inverted order: what is mounted first is asked last.
    let host = TestHost::new()
        .module("watches", watches(&log))
        .module("flushes", flushes)
        .handler(streams(&["one", "two"]));
    let (response, trace) = get(&host);
    assert_eq!(response.text(), "onetwo");
    assert_eq!(log.take(), ["headers more 3", "more 0", "more 3", "last 0"], "{:#?}", trace.lines());
}

// Section 9 of the async rules: "over the response buffer limit or with DisableBuffering it flushes".
#[test]
fn without_buffering_every_write_is_a_flush() {
    let log = Log::default();
    let host = TestHost::new().module("watches", watches(&log)).handler(serve(|cx| {
        Outcome::pending(async move {
            cx.write("buffered ").await?;
            cx.response_mut().disable_buffering();
            cx.write("one ").await?;
            cx.write("two ").await?;
            cx.response_mut().enable_buffering();
            cx.write("buffered").await?;
            Ok(Flow::Continue)
        })
    }));
    let (response, _) = get(&host);
    assert_eq!(parts(&response), ["buffered one ", "two ", "buffered"]);
    assert_eq!(log.take(), ["headers more 13", "more 4", "last 8"]);
}

// Section 3: "SEND_RESPONSE still fires when the response is sent", also for what no handler made.
#[test]
fn send_response_is_raised_for_every_kind_of_answer() {
    fn fails(cx: &mut Context) -> Result<Flow> {
        match cx.request().url().path() {
            "/error" => Err(Error::from_status(StatusCode::IM_A_TEAPOT)),
            "/panic" => panic!("as the test wants it"),
            "/empty" => Ok(Flow::Continue),
            _ => cx.response_mut().set_status_code(404, 0).map(|()| Flow::Finish),
        }
    }
    for (url, status) in [("/error", 418), ("/panic", 500), ("/empty", 200), ("/finish", 404)] {
        let log = Log::default();
        let host = TestHost::new()
            .module("watches", watches(&log))
            .module("fails", plain(at(Notification::AuthorizeRequest), |cx, _| fails(cx)))
            .handler(|_: &mut Context| Ok(Flow::Continue));
        let response = finish(&mut host.get(url));
        assert_eq!(response.status().as_u16(), status, "{url}");
        let lengths = log.take();
        assert_eq!(lengths, [format!("headers last {}", response.body().len())], "{url}");
    }
}

// A reset is the end of the response: nothing leaves, so nothing is about to leave.
#[test]
fn a_reset_raises_no_send_response() {
    let host = TestHost::new().module("send", quiet(at(SEND))).handler(serve(|cx| {
        Outcome::pending(async move {
            cx.write("one").await?;
            cx.flush().await?;
            cx.write("two").await?;
            cx.reset_connection();
            assert_eq!(cx.flush().await.unwrap_err().kind(), ErrorKind::RequestEnded);
            assert_eq!(cx.write("three").await.unwrap_err().kind(), ErrorKind::RequestEnded);
            Ok(Flow::Finish)
        })
    }));
    let (response, trace) = get(&host);
    assert!(response.was_reset() && !response.is_complete());
    assert_eq!(parts(&response), ["one"]);
    assert_eq!(calls_at(&trace, 1), ["SendResponse send"]);
}

// context.rs: "A filter that failed must not let the body pass: the error page goes out without asking again."
#[test]
fn a_filter_that_fails_at_the_final_send_lets_nothing_pass() {
    for panics in [false, true] {
        let fails = plain(at(SEND), move |_, _| {
            assert!(!panics, "as the test wants it");
            Err(Error::from_status(StatusCode::BAD_GATEWAY))
        });
        let host = TestHost::new()
            .module("never asked", quiet(at(SEND)))
            .module("fails", fails)
            .handler(text("secret"));
        let (response, trace) = get(&host);
        let expected = if panics { (500, "Internal Server Error") } else { (502, "Bad Gateway") };
        assert_eq!((response.status().as_u16(), response.text()), expected);
        assert_eq!(calls_at(&trace, 1), ["SendResponse fails"]);
    }
}

// The same once headers have left: the client sees a broken connection, never a short response that looks whole.
#[test]
fn a_filter_that_fails_after_the_headers_resets() {
    for panics in [false, true] {
        let fails = script(at(SEND), move |call| {
            let With::Sending(sending) = &call.with else { panic!("only SendResponse is registered") };
            if sending.headers_being_sent() {
                return Outcome::CONTINUE;
            }
            assert!(!panics, "as the test wants it");
            Outcome::Ready(Err(Error::from_status(StatusCode::BAD_GATEWAY)))
        });
        let host = TestHost::new().module("fails", fails).handler(streams(&["one", "secret"]));
        let (response, _) = get(&host);
        assert_eq!(response.text(), "one");
        assert!(response.was_reset() && !response.is_complete());
    }
}

// host.rs: a part that did not arrive leaves a hole. Whoever sends it may look away; the client must not take what
// follows for the whole response.
#[test]
fn a_part_that_was_not_sent_resets_the_response_even_if_its_sender_looks_away() {
    for lost in 0..3 {
        let host = TestHost::new().manual().handler(serve(|cx| {
            Outcome::pending(async move {
                for part in ["one", "two", "three"] {
                    let _ = cx.write(part).await;
                    let _ = cx.flush().await;
                }
                Ok(Flow::Continue)
            })
        }));
        let mut req = host.get("/");
        block_on(async {
            for part in 0..=lost {
                assert_eq!(req.run_until(Step::Done).await, Stopped::Waiting);
                let send = req.outstanding().remove(0);
                assert_eq!(send.kind(), OperationKind::Send);
                let failed = Completion::failure(CompletionStatus::TIMED_OUT);
                if part == lost { req.complete_with(send.id(), failed) } else { req.complete(send.id()) }
            }
            let response = req.finish().await;
            assert!(response.was_reset() && !response.is_complete(), "part {lost} was lost: {response:?}");
            assert_eq!(response.text(), ["", "one", "onetwo"][lost], "nothing follows the hole");
        });
    }
}

// operations.rs, cancel safety: a send whose future was dropped goes on, "once, in order"; if it fails meanwhile, that is
// a hole as well.
#[test]
fn a_dropped_flush_that_fails_later_resets_the_response() {
    for status in [None, Some(CompletionStatus::TIMED_OUT)] {
        let host = TestHost::new().manual().handler(serve(|cx| {
            Outcome::pending(async move {
                cx.write("one").await?;
                assert!(poll_once(cx.flush()).await.is_none(), "it is held back");
                let _ = cx.write("two").await;
                let _ = cx.flush().await;
                let _ = cx.write("three").await;
                Ok(Flow::Continue)
            })
        }));
        let mut req = host.get("/");
        block_on(async {
            assert_eq!(req.run_until(Step::Done).await, Stopped::Waiting);
            let send = req.outstanding().remove(0);
            match status {
                Some(status) => req.complete_with(send.id(), Completion::failure(status)),
                None => req.complete(send.id()),
            }
            let response = req.finish().await;
            if status.is_some() {
                assert!(response.was_reset() && !response.is_complete(), "{response:?}");
                assert_eq!(response.text(), "");
            } else {
                assert!(response.is_complete());
                assert_eq!(parts(&response), ["one", "two", "three"]);
            }
        });
    }
}

// operations.rs, cancel safety: dropped while a module at SendResponse waits, the part has not left: it goes with the next
// flush, and SendResponse is raised for it again.
#[test]
fn a_flush_dropped_in_send_response_sends_its_part_with_the_next() {
    let slow = script(at(SEND), |_| {
        Outcome::pending(async move {
            common::once().await;
            Ok(Flow::Continue)
        })
    });
    let host = TestHost::new().module("slow", slow).handler(serve(|cx| {
        Outcome::pending(async move {
            cx.write("one").await?;
            assert!(poll_once(cx.flush()).await.is_none(), "the filter waits");
            assert_eq!(cx.event(), Notification::ExecuteRequestHandler.into(), "the outer frame is back");
            cx.write("two").await?;
            cx.flush().await?;
            Ok(Flow::Continue)
        })
    }));
    let (response, trace) = get(&host);
    assert_eq!(parts(&response), ["onetwo", ""]);
    assert_eq!(
        trace.lines()[..2],
        ["  SendResponse slow -> cancelled", "  SendResponse slow -> Continue"],
        "the dropped call shows as what it is"
    );
}

// operations.rs, `Passing`: "Dropped halfway, it is put back as it was": a filter that looks at the headers to see
// whether it has run must not find its own from a pass that never ended.
#[test]
fn a_flush_dropped_in_send_response_puts_back_headers_with_the_body() {
    struct Gzip;
    impl Module for Gzip {
        fn registration(&self) -> Registration {
            Registration::new().on(Notification::SendResponse)
        }
        fn on_send_response<'a>(&'a self, cx: &'a mut Context, _: &'a mut Sending) -> Outcome<'a> {
            let response = cx.response_mut();
            if response.chunks().is_empty() || response.headers().contains_key("content-encoding") {
                return Outcome::CONTINUE;
            }
            let encoded = response.set_chunks(["packed".into()]);
            let labelled = response.set_header("content-encoding", "gzip");
            Outcome::Ready(encoded.and(labelled).map(|()| Flow::Continue))
        }
    }
    /// Waits without an end, once.
    struct Slow(std::sync::atomic::AtomicBool);
    impl Module for Slow {
        fn registration(&self) -> Registration {
            Registration::new().on(Notification::SendResponse)
        }
        fn on_send_response<'a>(&'a self, _: &'a mut Context, _: &'a mut Sending) -> Outcome<'a> {
            if self.0.swap(true, std::sync::atomic::Ordering::Relaxed) {
                return Outcome::CONTINUE;
            }
            Outcome::pending(std::future::pending())
        }
    }
    struct Author;
    impl Module for Author {
        fn registration(&self) -> Registration {
            Registration::new().on(Notification::BeginRequest)
        }
        fn on_begin_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
            Outcome::pending(async move {
                cx.response_mut().write("plain")?;
                {
                    let mut flush = std::pin::pin!(cx.flush());
                    std::future::poll_fn(|task| {
                        assert!(flush.as_mut().poll(task).is_pending());
                        std::task::Poll::Ready(())
                    })
                    .await;
                }
                Ok(Flow::Finish)
            })
        }
    }
    // Inverted at SendResponse: gzip runs before slow.
    let host =
        TestHost::new().module("slow", Slow(false.into())).module("gzip", Gzip).module("author", Author);
    let response = get(&host).0;
    assert_eq!((response.header("content-encoding"), response.text()), (Some("gzip"), "packed"));
}
