use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bivalve::prelude::*;
use bivalve::testing::{TestHost, TestRequest, block_on};
use http::Method;

use super::{AccessLog, AccessLogConfig, Field, LogFile, LogWriter, ReceivedBytes};
use crate::modules::request_id::{RequestIdConfig, RequestIds};

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<String>>);

impl LogFile for Memory {
    fn append(&mut self, lines: &str) -> io::Result<()> {
        self.0.lock().expect("not poisoned").push_str(lines);
        Ok(())
    }
}

/// What is logged, with these fields, of the request that `make` makes.
fn logged(fields: &str, make: impl FnOnce(TestHost) -> TestRequest) -> String {
    let fields = fields.split(' ').map(|name| Field::try_from(name.to_owned()).expect("a field")).collect();
    let memory = Memory::default();
    let writer = LogWriter::start_with(memory.clone(), 8).expect("started");
    let config = AccessLogConfig { fields, ..AccessLogConfig::default() };
    let mut request = make(TestHost::new().mount(AccessLog::new(&config, writer.sender())));
    block_on(request.finish());
    assert!(writer.close(Duration::from_secs(10)));
    let text = memory.0.lock().expect("not poisoned").clone();
    assert_eq!(text.matches('\n').count(), 1, "one request is one line: {text:?}");
    text.trim_end_matches('\n').to_owned()
}

fn hello(cx: &mut Context) -> Result<Flow> {
    cx.response_mut().write("Hello World!")?;
    Ok(Flow::Continue)
}

#[test]
fn a_line_has_the_default_fields_of_iis() {
    let fields: Vec<_> = Field::IIS_DEFAULT.iter().map(|field| field.name()).collect();
    let line = logged(&fields.join(" "), |host| {
        host.handler(hello).get("/a/b?c=d").header("user-agent", "curl/8 (x)").header("referer", "http://e/")
    });
    let (date_time, rest) = line.split_at("2026-11-21 22:34:05".len());
    assert!(date_time.bytes().all(|b| b.is_ascii_digit() || b"-: ".contains(&b)), "{line}");
    let (rest, taken) = rest.rsplit_once(' ').expect("several fields");
    assert_eq!(rest, " 127.0.0.1 GET /a/b c=d 80 - 127.0.0.1 curl/8+(x) http://e/ 200 0 0");
    assert!(taken.parse::<u64>().is_ok(), "{line}");
}

#[test]
fn the_other_fields_are_there_on_demand() {
    let line = logged("s-sitename cs-version cs-host cs(Cookie) sc-bytes x-request-id", |host| {
        host.handler(hello).get("/").header("host", "example.org").header("cookie", "a=1; b=2")
    });
    assert_eq!(line, "W3SVC1 HTTP/1.1 example.org a=1;+b=2 12 -");
}

#[test]
fn the_request_id_is_logged() {
    let line = logged("x-request-id sc-status", |host| {
        host.mount(RequestIds::new(&RequestIdConfig { trust_incoming: true }))
            .get("/")
            .header("x-request-id", "r-1")
    });
    assert_eq!(line, "r-1 404");
}

#[test]
fn a_user_agent_cannot_forge_a_line_a_field_or_a_directive() {
    let agent = "#Fields: x\t200 0 0 2026-01-01";
    let line =
        logged("cs(User-Agent) sc-status", |host| host.handler(hello).get("/").header("user-agent", agent));
    assert_eq!(line, "%23Fields:+x%09200+0+0+2026-01-01 200");
}

#[test]
fn encoded_line_feeds_in_a_url_stay_encoded() {
    let line = logged("cs-uri-stem cs-uri-query", |host| host.get("/a%0d%0a#Fields:%20x?b%0aGET%20/"));
    // What follows the number sign is a fragment: no server sees it.
    assert_eq!(line, "/a%0d%0a -");
    let line = logged("cs-uri-stem cs-uri-query", |host| host.get("/a%0d%0a?b%0aGET%20/"));
    assert_eq!(line, "/a%0d%0a b%0aGET%20/");
}

#[test]
fn bytes_that_are_not_ascii_are_encoded() {
    let agent = HeaderValue::from_bytes(b"a\xe9\xff").expect("obs-text is allowed in values");
    let line = logged("cs(User-Agent)", |host| host.get("/").header("user-agent", agent));
    assert_eq!(line, "a%E9%FF");
}

#[test]
fn no_client_makes_a_line_of_more_than_8_kib() {
    let names: Vec<_> = Field::ALL.iter().map(|field| field.name()).collect();
    let worst = || HeaderValue::from_bytes(&[0xff; 4000]).expect("obs-text is allowed in values");
    let line = logged(&names.join(" "), |host| {
        let request = host.get(&format!("/{}?{}", "a".repeat(4000), "b".repeat(4000)));
        let request = request.header("user-agent", worst()).header("referer", worst());
        request.header("cookie", worst()).header("host", worst())
    });
    assert!((6000..8192).contains(&line.len()), "{}", line.len());
    assert_eq!(line.split(' ').count(), names.len(), "every field is there: {line}");
    assert!(line.contains(&format!(" /{}... ", "a".repeat(1023))), "{line}");
}

#[test]
fn a_user_name_is_escaped_like_anything_else() {
    let line = logged("cs-username sc-status", |host| {
        host.handler(hello).get("/").user(User::new("Zoë Lee\r\n- -", "Basic"))
    });
    assert_eq!(line, "Zo%C3%AB+Lee%0D%0A-+- 200");
}

#[test]
fn a_rewritten_url_is_logged_as_it_was_sent() {
    struct Rewrite;
    #[bivalve::module]
    impl Module for Rewrite {
        fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
            cx.request_mut().set_url("/inside")?;
            Ok(Flow::Continue)
        }
    }
    assert_eq!(logged("cs-uri-stem", |host| host.mount(Rewrite).get("/outside")), "/outside");
}

#[test]
fn the_status_of_a_failed_module_is_logged() {
    struct Fail;
    #[bivalve::module]
    impl Module for Fail {
        fn on_authenticate_request(&self, _cx: &mut Context) -> Result<Flow> {
            Err(Error::new(StatusCode::UNAUTHORIZED, "no").with_sub_status(1))
        }
    }
    let fields = "sc-status sc-substatus sc-win32-status";
    assert_eq!(logged(fields, |host| host.mount(Fail).get("/")), "401 1 1326");
    assert_eq!(logged(fields, |host| host.get("/")), "404 0 2");
}

#[test]
fn a_response_to_head_has_no_bytes() {
    assert_eq!(logged("sc-bytes", |host| host.handler(hello).request(Method::HEAD, "/")), "0");
}

#[test]
fn a_client_that_has_gone_is_logged_as_such() {
    struct Leave;
    #[bivalve::module]
    impl Module for Leave {
        fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
            cx.disconnector().disconnect();
            Ok(Flow::Continue)
        }
    }
    assert_eq!(logged("sc-win32-status sc-bytes", |host| host.mount(Leave).handler(hello).get("/")), "64 0");
}

#[test]
fn received_bytes_are_counted_as_they_are_read() {
    async fn read_all(cx: &mut Context) -> Result<Flow> {
        while !cx.read_entity(1024).await?.is_empty() {}
        Ok(Flow::Continue)
    }
    struct Read;
    #[bivalve::module]
    impl Module for Read {
        async fn on_execute_request_handler(&self, cx: &mut Context) -> Result<Flow> {
            read_all(cx).await
        }
    }
    let line = logged("cs-bytes", |host| {
        host.mount(ReceivedBytes).mount(Read).post("/").chunks(["abc".repeat(1000), "de".to_owned()])
    });
    assert_eq!(line, "3002");
    assert_eq!(logged("cs-bytes", |host| host.mount(ReceivedBytes).post("/").body("unread")), "0");
}
