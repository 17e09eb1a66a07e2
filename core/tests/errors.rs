//! What becomes of a module's `Err`: design.md section 3, "Errors".
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::io;

use bivalve_core::testing::{TestHost, block_on};
use bivalve_core::{
    CompletionStatus, Context, Error, ErrorKind, Event, Flow, MapPathError, Notification, Outcome, PostError,
    Result, Step,
};
use http::StatusCode;

use common::{Log, at, deterministic, events, finishable, get, plain, quiet, script, serve, text};

const BEGIN: Notification = Notification::BeginRequest;

fn failing(error: impl Fn() -> Error + Send + Sync + 'static) -> TestHost {
    TestHost::new()
        .module("fails", plain(at(BEGIN), move |_, _| Err(error())))
        .handler(|_: &mut Context| panic!("the handler must not run"))
}

// "a module's `Err` becomes a response (500 unless it carries a status)".
#[test]
fn an_error_answers_with_its_status_or_500() {
    type Case = (fn() -> Error, u16, u16);
    let cases: [Case; 9] = [
        (|| io::Error::other("the disk is gone").into(), 500, 0),
        (|| Error::from_status(StatusCode::NOT_FOUND), 404, 0),
        (|| Error::new(StatusCode::FORBIDDEN, "locked").with_sub_status(2), 403, 2),
        (|| Error::from(io::Error::other("x")).with_status(StatusCode::BAD_GATEWAY), 502, 0),
        (|| MapPathError::DotSegment.into(), 400, 0),
        (|| MapPathError::TooLong.into(), 414, 0),
        (|| MapPathError::DeviceName.into(), 404, 0),
        (|| PostError::RequestEnded.into(), 500, 0),
        (|| "x".parse::<u16>().unwrap_err().into(), 500, 0),
    ];
    for (error, status, sub_status) in cases {
        let host = failing(error);
        block_on(async {
            let mut req = host.get("/");
            req.run_until(Step::Send).await;
            assert_eq!(req.context().response().sub_status(), sub_status, "the log knows it");
            let response = req.finish().await;
            assert_eq!(response.status().as_u16(), status);
            assert_eq!(response.text(), StatusCode::from_u16(status).unwrap().canonical_reason().unwrap());
            assert_eq!(response.header("content-type"), Some("text/plain; charset=utf-8"));
        });
    }
}

// response.rs: an error that answers with no final status would break the framing of HTTP/1.1.
#[test]
fn an_error_with_an_interim_status_answers_500() {
    for status in [100, 103, 199, 600, 999] {
        let status = StatusCode::from_u16(status).unwrap();
        let response = get(&failing(move || Error::from_status(status))).0;
        assert_eq!((response.status().as_u16(), response.text()), (500, "Internal Server Error"), "{status}");
    }
}

// The same for one that must have no body.
#[test]
fn an_error_with_a_bodiless_status_has_no_body() {
    for status in [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED] {
        let response = get(&failing(move || Error::from_status(status))).0;
        assert_eq!((response.status(), response.body().len()), (status, 0));
        assert!(response.is_complete());
    }
}

// error.rs: "The client never sees its text."
#[test]
fn the_client_never_sees_the_text() {
    let response = get(&failing(|| Error::new(StatusCode::BAD_REQUEST, "password is hunter2"))).0;
    assert!(!format!("{response:?}").contains("hunter2"));
    let host = TestHost::new().module("panics", plain(at(BEGIN), |_, _| panic!("password is hunter2")));
    assert!(!format!("{:?}", get(&host).0).contains("hunter2"));
}

// framing.rs, `fail`: "Afterwards they may be of the very response that is refused, cookies included".
#[test]
fn an_error_page_keeps_nothing_of_the_response_that_it_refuses() {
    let half =
        plain(at(Notification::ReleaseRequestState), |_, _| Err(Error::from_status(StatusCode::CONFLICT)));
    let host = TestHost::new().module("half", half).handler(|cx: &mut Context| {
        let response = cx.response_mut();
        for (name, value) in [
            ("content-type", "application/json"),
            ("content-length", "1000"),
            ("content-encoding", "gzip"),
            ("etag", "\"x\""),
            ("cache-control", "public, max-age=31536000"),
            ("location", "/elsewhere"),
            ("content-disposition", "attachment"),
            ("content-digest", "sha-256=:AAAA:"),
            ("set-cookie", "a=b"),
            ("x-account", "4711"),
            ("x-frame-options", "DENY"),
        ] {
            response.set_header(name, value)?;
        }
        response.trailers_mut().insert("x-sum", http::HeaderValue::from_static("1"));
        response.write("{\"half\":")?;
        Ok(Flow::Continue)
    });
    let (response, _) = get(&host);
    assert_eq!((response.status().as_u16(), response.text()), (409, "Conflict"));
    let mut names: Vec<&str> = response.headers().keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-type", "x-frame-options"]);
    assert_eq!(response.header("content-type"), Some("text/plain; charset=utf-8"));
    assert!(response.trailers().is_none());
}

// The same: "Before a handler has answered, the headers are those of modules, and stay".
#[test]
fn an_error_before_the_handler_keeps_what_modules_said() {
    let says = plain(at(BEGIN), |cx, _| {
        for (name, value) in
            [("x-anything", "1"), ("set-cookie", "a=b"), ("etag", "\"x\""), ("location", "/")]
        {
            cx.response_mut().set_header(name, value)?;
        }
        Err(Error::from_status(StatusCode::UNAUTHORIZED))
    });
    let (response, _) = get(&TestHost::new().module("says", says).handler(text("never")));
    let mut names: Vec<&str> = response.headers().keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-type", "set-cookie", "x-anything"]);
}

// context.rs, `fail`: "an error page while nothing has left, a reset afterwards".
#[test]
fn an_error_after_the_headers_resets_the_connection() {
    for event in finishable() {
        let streams = script(at(event), |call| {
            Outcome::pending(async move {
                call.cx.write("part").await?;
                call.cx.flush().await?;
                Err(Error::from_status(StatusCode::CONFLICT))
            })
        });
        let host = TestHost::new().module("streams", streams).handler(|_: &mut Context| Ok(Flow::Continue));
        let (response, _) = get(&host);
        assert_eq!((response.status().as_u16(), response.text()), (200, "part"), "{event}");
        assert!(response.was_reset() && !response.is_complete());
    }
}

// module.rs: in LogRequest and EndRequest "an error is traced and changes nothing", also after headers have left.
#[test]
fn an_error_in_log_or_end_request_does_not_reset_a_response() {
    for event in events().filter(|event| event.notification().is_guaranteed()) {
        let fails = plain(at(event), |_, _| Err(Error::from_status(StatusCode::CONFLICT)));
        let host = TestHost::new().module("fails", fails).handler(serve(|cx| {
            Outcome::pending(async move {
                cx.write("one").await?;
                cx.flush().await?;
                cx.write("two").await?;
                Ok(Flow::Continue)
            })
        }));
        let (response, trace) = get(&host);
        assert_eq!((response.status().as_u16(), response.text()), (200, "onetwo"));
        assert!(response.is_complete());
        assert_eq!(trace.lines()[1], format!("{event} fails -> Err"));
    }
}

// design.md section 3: "An error names the module, event and position."
#[test]
fn an_error_names_module_event_and_position() {
    for event in events() {
        let log = Log::default();
        let said = log.clone();
        // Only a nested error is seen by module code: it passes through here.
        let fails = plain(at(Notification::CustomRequestNotification), |_, _| {
            Err(Error::from(io::Error::other("full")))
        });
        let first = quiet(at(Notification::CustomRequestNotification));
        let asks = script(at(event), move |call| {
            let log = said.clone();
            Outcome::pending(async move {
                let mut custom = bivalve_core::CustomNotification::new("test");
                let error = call.cx.notify_custom(&mut custom).await.unwrap_err();
                log.say(error.to_string());
                Err(error)
            })
        });
        let host = TestHost::new()
            .module("first", first)
            .module("fails", fails)
            .module("asks", asks)
            .handler(text(""));
        get(&host);
        assert_eq!(log.take(), ["module fails at CustomRequestNotification (position 1): full"]);
    }
}

// error.rs: "Our own typed errors keep their kind and status on the way through `?`."
#[test]
fn typed_errors_keep_their_kind_through_the_question_mark() {
    fn convert<E>(error: E) -> Error
    where
        Error: From<E>,
    {
        (move || -> Result<()> { Err(error)? })().unwrap_err()
    }
    let header = http::HeaderValue::from_str("a\nb").unwrap_err();
    let name = http::HeaderName::try_from("a b").unwrap_err();
    let status = StatusCode::from_u16(1000).unwrap_err();
    for (error, kind) in [
        (convert(header), ErrorKind::InvalidHeader),
        (convert(name), ErrorKind::InvalidHeader),
        (convert(status), ErrorKind::InvalidStatus),
        (convert(PostError::NotAwaited), ErrorKind::Post),
        (convert(MapPathError::Colon), ErrorKind::MapPath),
        (convert(io::Error::other("x")), ErrorKind::Module),
        (convert(CompletionStatus::CONNECTION_RESET.to_io_error().unwrap()), ErrorKind::Module),
    ] {
        assert_eq!(error.kind(), kind, "{error}");
        assert!(!error.is_disconnected(), "an upstream that went away is no client that did");
    }
}

// run.rs: an error of the module that speaks of another connection is an error, not a disconnect.
#[test]
fn a_lost_connection_of_the_modules_own_answers_500() {
    let host = failing(|| io::Error::from(io::ErrorKind::ConnectionReset).into());
    assert_eq!(get(&host).0.status(), 500);
}

// Section 3: after an error nobody but LogRequest and EndRequest sees the request, and they see the error page.
#[test]
fn log_request_sees_the_status_that_the_client_gets() {
    let log = Log::default();
    let said = log.clone();
    let logs = plain(deterministic(), move |cx, event| {
        if event.notification().is_guaranteed() {
            said.say(format!("{event} {}", cx.response().status().as_u16()));
        }
        Ok(Flow::Continue)
    });
    let host = TestHost::new()
        .module("logs", logs)
        .module("fails", plain(at(BEGIN), |_, _| Err(Error::from_status(StatusCode::CONFLICT))))
        .handler(text(""));
    assert_eq!(get(&host).0.status(), 409);
    assert_eq!(log.take(), ["LogRequest 409", "PostLogRequest 409", "EndRequest 409", "PostEndRequest 409"]);
}

// The trace tells errors from panics and from answers.
#[test]
fn the_trace_says_how_each_call_ended() {
    let all = plain(deterministic(), |cx, event| match (cx.request().url().path(), event) {
        ("/error", event) if event == BEGIN.into() => Err(Error::from_status(StatusCode::CONFLICT)),
        ("/panic", event) if event == BEGIN.into() => panic!("as the test wants it"),
        ("/finish", event) if event == BEGIN.into() => Ok(Flow::Finish),
        _ => Ok(Flow::Continue),
    });
    let host = TestHost::new().module("all", all).handler(text(""));
    for (url, first) in [
        ("/error", "BeginRequest all -> Err"),
        ("/panic", "BeginRequest all -> panic"),
        ("/finish", "BeginRequest all -> Finish"),
        ("/", "BeginRequest all -> Continue"),
    ] {
        let mut req = host.get(url);
        common::finish(&mut req);
        assert_eq!(req.trace().lines()[0], first);
        assert_eq!(req.trace().entries()[0].event(), Some(Event::of(BEGIN)));
    }
}

/// Writes every event with all its fields.
struct Traced(Log);

impl tracing::Subscriber for Traced {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::ERROR
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        struct Fields(String);
        impl tracing::field::Visit for Fields {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0 += &format!("{field}={value:?} ");
            }
        }
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        self.0.say(fields.0.trim_end());
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

// design.md section 3: "a module's `Err` [...] is traced with module and event"; so is a panic, and the handler's error.
#[test]
fn an_error_is_traced_with_module_event_and_status() {
    let log = Log::default();
    tracing::subscriber::with_default(Traced(log.clone()), || {
        let fails = plain(at(BEGIN).on(Notification::LogRequest), |cx, event| {
            match (cx.request().url().path(), event.notification()) {
                ("/error", BEGIN) => Err(Error::new(StatusCode::FORBIDDEN, "locked").with_sub_status(2)),
                ("/panic", BEGIN) => panic!("at the disco"),
                ("/log", Notification::LogRequest) => Err(Error::from(io::Error::other("full"))),
                _ => Ok(Flow::Continue),
            }
        });
        let host = TestHost::new().module("other", quiet(at(BEGIN))).module("fails", fails).handler(
            |cx: &mut Context| match cx.request().url().path() {
                "/handler" => Err(Error::from_status(StatusCode::BAD_GATEWAY)),
                _ => Ok(Flow::Continue),
            },
        );
        for url in ["/", "/error", "/panic", "/log", "/handler"] {
            common::finish(&mut host.get(url));
        }
    });
    assert_eq!(
        log.take(),
        [
            "message=a module failed module=\"fails\" event=BeginRequest position=1 status=403 \
             error=module fails at BeginRequest (position 1): locked",
            "message=a module failed module=\"fails\" event=BeginRequest position=1 status=500 \
             error=module fails at BeginRequest (position 1): panicked: at the disco",
            "message=a module failed module=\"fails\" event=LogRequest position=0 status=500 \
             error=module fails at LogRequest (position 0): full",
            "message=the handler failed event=ExecuteRequestHandler status=502 error=answered 502 Bad Gateway",
        ]
    );
}

// A module's own error type is module code: its text is asked for by the framework, and may panic.
#[test]
fn an_error_whose_text_panics_is_contained() {
    #[derive(Debug)]
    struct Explodes;
    impl std::fmt::Display for Explodes {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("as the test wants it")
        }
    }
    impl std::error::Error for Explodes {}
    tracing::subscriber::with_default(Traced(Log::default()), || {
        for event in [BEGIN, Notification::LogRequest, Notification::SendResponse] {
            let fails = plain(at(event), |cx, _| {
                if cx.request().url().path() == "/next" { Ok(Flow::Continue) } else { Err(Explodes.into()) }
            });
            let host = TestHost::new()
                .module("fails", fails)
                .module("all", quiet(deterministic()))
                .handler(text("x"));
            let connection = host.keep_alive();
            let mut req = connection.get("/");
            common::finish(&mut req);
            let calls = common::calls(&req);
            assert_eq!(calls.last().map(String::as_str), Some("PostEndRequest all"), "{event}");
            common::assert_serves(&connection, "x");
        }
    });
}

// registration.rs: "A method that returns Outcome::Pending all the same fails the request with 500."
#[test]
fn a_broken_promise_to_return_no_future_is_a_clear_error() {
    for event in finishable() {
        let polled = common::Count::default();
        let counted = polled.clone();
        let all = bivalve_core::Notifications::DETERMINISTIC;
        let breaks = script(at(event).synchronous(all).post_synchronous(all), move |_| {
            let counted = counted.clone();
            Outcome::pending(async move {
                counted.add();
                Ok(Flow::Continue)
            })
        });
        let host = TestHost::new()
            .module("breaks", breaks)
            .module("log", quiet(at(Notification::LogRequest)))
            .handler(|_: &mut Context| Ok(Flow::Continue));
        let (response, trace) = get(&host);
        assert_eq!((response.status().as_u16(), polled.get()), (500, 0), "{event}");
        assert_eq!(common::calls_at(&trace, 0), [format!("{event} breaks"), "LogRequest log".into()]);
    }
}
