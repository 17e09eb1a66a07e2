//! What is refused, and who hears of it: requests that are sound and too large are in a module's log, what is no request is counted.
#![cfg(unix)]

mod support;

use std::process::Command;
use std::sync::{Arc, Mutex};

use bivalve_core::{Context, Flow, Module, Notification, Outcome, Pipeline, Registration, Result, Sending};
use bivalve_server::{Limits, Running};
use http::StatusCode;
use support::{DRIVERS, exchange, server};

/// Writes down what it sees at each event.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn note(&self, event: &str, cx: &Context) -> Outcome<'static> {
        let (response, path) = (cx.response(), cx.request().url().path().len());
        let entry = format!("{event} {} {} {path}", response.status().as_u16(), response.sub_status());
        self.0.lock().expect("no panic").push(entry);
        Outcome::CONTINUE
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().expect("no panic"))
    }
}

impl Module for Log {
    fn registration(&self) -> Registration {
        Registration::new()
            .on(Notification::BeginRequest)
            .on(Notification::SendResponse)
            .on(Notification::LogRequest)
            .on(Notification::EndRequest)
    }

    fn on_begin_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        self.note("begin", cx)
    }

    fn on_send_response<'a>(&'a self, cx: &'a mut Context, _: &'a mut Sending) -> Outcome<'a> {
        let _ = cx.response_mut().set_header("x-log", "1");
        self.note("send", cx)
    }

    /// Reads the body, of which there is none any more.
    fn on_log_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        let _ = self.note("log", cx);
        Outcome::pending(async move {
            while !cx.read_entity(1000).await?.is_empty() {}
            Ok(Flow::Continue)
        })
    }

    fn on_end_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        self.note("end", cx)
    }
}

fn hello(cx: &mut Context) -> Result<Flow> {
    cx.response_mut().write("Hello World!")?;
    Ok(Flow::Continue)
}

fn start(driver: &str, log: &Log) -> Running {
    let pipeline = Pipeline::builder().module("log", log.clone()).handler(hello).build().expect("it builds");
    server(driver, &pipeline).limits(Limits::default().with_body_bytes(1000)).start().expect("it starts")
}

fn expected(status: u16, sub_status: u16, path: usize) -> Vec<String> {
    // As IIS: what is sent last leaves behind EndRequest.
    ["log", "end", "send"].map(|event| format!("{event} {status} {sub_status} {path}")).to_vec()
}

#[test]
fn what_is_sound_and_too_large_is_logged_with_its_sub_status_and_ends_the_connection() {
    let (path, query) = ("a".repeat(4096), "b".repeat(2049));
    for driver in DRIVERS {
        let log = Log::default();
        let running = start(driver, &log);
        for (request, status, sub_status, length) in [
            (format!("GET /{path} HTTP/1.1\r\nHost: a\r\n\r\n"), 404, 14, 4097),
            (format!("GET http://a/{path} HTTP/1.1\r\nHost: a\r\n\r\n"), 404, 14, 4097),
            (format!("GET /{path} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"), 404, 14, 4097),
            (format!("GET /{path}?{query} HTTP/1.1\r\nHost: a\r\n\r\n"), 404, 14, 4097),
            (format!("HEAD /?{query} HTTP/1.1\r\nHost: a\r\n\r\n"), 404, 15, 1),
            (
                format!("GET /?{query} HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"),
                404,
                15,
                1,
            ),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\nabc".into(), 413, 1, 1),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 1001\r\n\r\n".into(),
                413,
                1,
                1,
            ),
            (format!("POST /{path} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"), 404, 14, 4097),
            (
                format!("POST /{path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz"),
                404,
                14,
                4097,
            ),
        ] {
            // What follows is not served.
            let answer = exchange(
                running.addresses()[0],
                format!("{request}GET / HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes(),
            );
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{driver}: {answer}");
            assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{driver}: {answer}");
            assert!(
                answer.contains("connection: close") && answer.contains("x-log: 1"),
                "{driver}: {answer}"
            );
            assert!(
                !answer.contains(&format!("{status}.{sub_status}")),
                "{driver}: the client is told: {answer}"
            );
            assert_eq!(log.take(), expected(status, sub_status, length), "{driver}: {request:.60}");
        }
        assert_eq!(running.refused().total(), 0, "{driver}");
    }
}

#[test]
fn what_is_malformed_besides_being_too_large_reaches_no_module() {
    let path = "a".repeat(4096);
    for driver in DRIVERS {
        let log = Log::default();
        let running = start(driver, &log);
        for request in [
            format!("GET /{path} HTTP/1.1\r\n\r\n"),
            format!("GET /{path}%00 HTTP/1.1\r\nHost: a\r\n\r\n"),
            format!("GET /{path} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na"),
            format!("GET /{path} HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n"),
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\nTransfer-Encoding: chunked\r\n\r\n".into(),
        ] {
            let answer = exchange(running.addresses()[0], request.as_bytes());
            assert!(answer.starts_with("HTTP/1.1 400 "), "{driver}: {answer}");
            assert_eq!(log.take(), Vec::<String>::new(), "{driver}: {request:.60}");
        }
        assert_eq!(running.refused().with_status(StatusCode::BAD_REQUEST), 5, "{driver}");
    }
}

#[test]
fn what_is_no_request_is_counted_by_status() {
    let (line, field) = ("a".repeat(20_000), format!("a: {}\r\n", "b".repeat(20_000)));
    for driver in DRIVERS {
        let log = Log::default();
        let running = start(driver, &log);
        let cases = [
            ("GET / HTTP/1.1\r\n\r\n".to_owned(), 400),
            (format!("GET /{line} HTTP/1.1\r\nHost: a\r\n\r\n"), 414),
            ("GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n".to_owned(), 417),
            (format!("GET / HTTP/1.1\r\nHost: a\r\n{field}\r\n"), 431),
            ("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n".to_owned(), 501),
            ("GET / HTTP/1.9\r\nHost: a\r\n\r\n".to_owned(), 505),
        ];
        for (request, status) in &cases {
            let answer = exchange(running.addresses()[0], request.as_bytes());
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{driver}: {answer}");
            let status = StatusCode::from_u16(*status).expect("a status");
            assert_eq!(running.refused().with_status(status), 1, "{driver} {status}");
        }
        let refused = running.refused();
        assert_eq!(refused.total(), cases.len() as u64, "{driver}");
        let said = "6 requests were refused; 400: 1; 414: 1; 417: 1; 431: 1; 501: 1; 505: 1";
        assert_eq!(refused.to_string(), said, "{driver}");
        assert_eq!(log.take(), Vec::<String>::new(), "{driver}");
        exchange(running.addresses()[0], b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert_eq!(running.refused(), refused, "{driver}: one that was served is counted");
    }
}

#[test]
fn http2_has_the_same_log_and_the_same_count() {
    let (path, query) = ("a".repeat(4096), "b".repeat(2049));
    let log = Log::default();
    let running = start("tokio", &log);
    let body = "c".repeat(1001);
    for (path, body, status, sub_status, length) in
        [(path.as_str(), "", 404, 14, 4097), (&format!("?{query}"), "", 404, 15, 1), ("", &body, 413, 1, 1)]
    {
        let output = Command::new("curl")
            .args(["-sS", "--max-time", "20", "--http2-prior-knowledge", "-D-"])
            .args(if body.is_empty() { vec![] } else { vec!["--data", body] })
            .arg(format!("http://{}/{path}", running.addresses()[0]))
            .output()
            .expect("curl is there");
        let got = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(got.starts_with(&format!("HTTP/2 {status} ")) && got.contains("x-log: 1"), "{got}");
        assert_eq!(log.take(), expected(status, sub_status, length), "{got}");
    }
    assert_eq!(running.refused().total(), 0);
    let output = Command::new("curl")
        .args(["-sS", "--max-time", "20", "--http2-prior-knowledge", "-D-", "-H", "Expect: tea"])
        .arg(format!("http://{}/", running.addresses()[0]))
        .output()
        .expect("curl is there");
    assert!(output.stdout.starts_with(b"HTTP/2 417 "));
    assert_eq!(running.refused().with_status(StatusCode::EXPECTATION_FAILED), 1);
    assert_eq!(log.take(), Vec::<String>::new());
}
