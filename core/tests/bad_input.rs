//! Bad input: issue 2, "each a clear typed error or a 4xx/5xx, the process lives, the next request works".
//! Child requests have their part in `children.rs`, second completions in `pending.rs`, panics in `panics.rs`.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::path::{Path, PathBuf};

use bivalve_core::testing::{TestHost, TestResponse, block_on};
use bivalve_core::{
    Application, Context, EntityChunk, Error, ErrorKind, Flow, Handler, MapPathError, Notification, Outcome,
    Result, Step, limits,
};
use bytes::Bytes;
use http::StatusCode;

use common::{Log, assert_serves, at, finish, get, plain, script, serve, text};

/// Runs `f` in a service.
fn within(f: impl Fn(&mut Context) -> Result<()> + Send + Sync + 'static) -> TestResponse {
    get(&TestHost::new().handler(move |cx: &mut Context| f(cx).map(|()| Flow::Continue))).0
}

fn kind<T: std::fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

const BAD_VALUES: [&str; 9] = [
    "a\r\nset-cookie: x=1",
    "a\nb",
    "a\rb",
    "\r\n\r\n<html>",
    "a\0b",
    "\u{7f}",
    "\u{1}",
    "a\u{8}b",
    "\u{1b}[31m",
];

const BAD_NAMES: [&str; 9] = ["", " ", "a b", "a:", "a\r\nb", "a\0", "ä", "(a)", "a\tb"];

// Response splitting: a header value with CR, LF or NUL.
#[test]
fn a_header_that_would_split_the_response_is_refused() {
    let response = within(|cx| {
        for value in BAD_VALUES {
            let response = cx.response_mut();
            assert_eq!(kind(response.set_header("x-a", value)), ErrorKind::InvalidHeader, "{value:?}");
            assert_eq!(kind(response.append_header("x-a", value)), ErrorKind::InvalidHeader, "{value:?}");
            assert_eq!(
                kind(cx.request_mut().set_header("x-a", value)),
                ErrorKind::InvalidHeader,
                "{value:?}"
            );
            let error = cx.response_mut().redirect(value).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidUrl, "{value:?}");
            assert!(!error.to_string().contains(['\r', '\n', '\0']), "the text is fit for a log: {error}");
        }
        for name in BAD_NAMES {
            let error = cx.response_mut().set_header(name, "v").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidHeader, "{name:?}");
            assert!(!error.to_string().contains(['\r', '\n', '\0']), "{error}");
            assert_eq!(kind(cx.response_mut().append_header(name, "v")), ErrorKind::InvalidHeader);
            assert_eq!(kind(cx.request_mut().set_header(name, "v")), ErrorKind::InvalidHeader);
        }
        // Tabs and bytes above ASCII may be in a value.
        cx.response_mut().set_header("x-ok", "a\tb")?;
        cx.response_mut().set_header("x-latin", "gr\u{fc}n")
    });
    let mut names: Vec<&str> = response.headers().keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["x-latin", "x-ok"]);
}

// As an error of a module it answers 500, and nothing of the value leaves.
#[test]
fn a_refused_header_answers_500() {
    for value in BAD_VALUES {
        let response = within(move |cx| {
            cx.response_mut().write("half")?;
            cx.response_mut().set_header("x-a", value)
        });
        assert_eq!((response.status().as_u16(), response.text()), (500, "Internal Server Error"));
    }
}

// An invalid status: from numbers it is refused, as a `StatusCode` it answers 500 instead.
#[test]
fn an_invalid_status_never_leaves() {
    for status in [0, 1, 99, 100, 102, 103, 199, 600, 999, 1000, u16::MAX] {
        let response = within(move |cx| {
            let error = cx.response_mut().set_status_code(status, 0).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidStatus);
            assert!(error.to_string().contains("use 200 to 599"), "{error}");
            assert_eq!(cx.response().status(), StatusCode::OK, "nothing was changed");
            Ok(())
        });
        assert_eq!(response.status(), 200, "{status}");
        if let Ok(code) = StatusCode::from_u16(status) {
            let response = within(move |cx| {
                cx.response_mut().set_status(code);
                cx.response_mut().write("body")
            });
            assert_eq!(
                (response.status().as_u16(), response.text()),
                (500, "Internal Server Error"),
                "{status}"
            );
        }
    }
    for status in [101, 200, 204, 304, 451, 599] {
        assert_eq!(within(move |cx| cx.response_mut().set_status_code(status, 0)).status().as_u16(), status);
    }
}

// map_path through the Context: what a client may ask for never leaves the root, and is a 4xx by itself.
#[test]
fn map_path_refuses_what_could_mean_another_file() {
    use MapPathError as E;
    let long = format!("/{}", "a".repeat(limits::MAX_URL));
    let cases: [(&str, E); 39] = [
        ("", E::NotAbsolute),
        ("a", E::NotAbsolute),
        ("..", E::NotAbsolute),
        ("C:\\windows", E::NotAbsolute),
        ("~", E::NotAbsolute),
        ("~root/a", E::NotAbsolute),
        ("file:///etc/passwd", E::NotAbsolute),
        ("/..", E::DotSegment),
        ("/../etc/passwd", E::DotSegment),
        ("/a/../../etc", E::DotSegment),
        ("/a/.", E::DotSegment),
        ("/%2e%2e/etc", E::DotSegment),
        ("/.%2E/etc", E::DotSegment),
        ("~/../x", E::DotSegment),
        ("/..%2fetc", E::EncodedSlash),
        ("/a%2Fb", E::EncodedSlash),
        ("/a\\..\\b", E::Backslash),
        ("/..%5c..%5cwindows", E::Backslash),
        ("/\\\\server\\share", E::Backslash),
        ("/c:/windows", E::Colon),
        ("/a.txt::$DATA", E::Colon),
        ("/c%3a/x", E::Colon),
        ("/a%00.jpg", E::ControlCharacter),
        ("/a\0b", E::ControlCharacter),
        ("/a%0d%0ab", E::ControlCharacter),
        ("/%252e%252e/etc", E::DoubleEscape),
        ("/%25%35%63x", E::DoubleEscape),
        ("/%c0%ae%c0%ae/etc", E::InvalidUtf8),
        ("/%ff", E::InvalidUtf8),
        ("/%", E::BadEscape),
        ("/%2", E::BadEscape),
        ("/%zz", E::BadEscape),
        ("/%u002e%u002e/", E::UnicodeEscape),
        ("/CON", E::DeviceName),
        ("/a/nul.txt", E::DeviceName),
        ("/PROGRA~1", E::ShortName),
        ("/a./b", E::TrailingDotOrSpace),
        ("/a%20", E::TrailingDotOrSpace),
        ("/*.txt", E::Wildcard),
    ];
    let app = || Application::builder().root("/srv/www").build();
    for (url, expected) in cases.into_iter().chain([(&*long, E::TooLong)]) {
        let url = url.to_string();
        let asked = url.clone();
        // Nobody at MapPath is asked about it.
        let never = plain(at(Notification::MapPath), |_, _| panic!("it must not be asked"));
        let log = Log::default();
        let said = log.clone();
        let host =
            TestHost::new().application(app()).module("never", never).handler(move |cx: &mut Context| {
                let error = cx.map_path(&asked).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::MapPath);
                let source: &(dyn std::error::Error + 'static) = error.source().expect("it says why");
                said.say(format!("{:?}", source.downcast_ref::<MapPathError>()));
                Err(error)
            });
        let (response, _) = get(&host);
        assert_eq!(log.take(), [format!("{:?}", Some(expected))], "{url:?}");
        assert_eq!(response.status(), expected.status(), "{url:?}");
        assert!(response.status().is_client_error());
    }
}

// What it does map stays below the root, whatever the modules at MapPath are told.
#[test]
fn map_path_maps_the_rest_below_its_root() {
    let app =
        Application::builder().root("/srv/www").virtual_directory("/img", "/srv/media").unwrap().build();
    let log = Log::default();
    let said = log.clone();
    let host = TestHost::new().application(app).handler(move |cx: &mut Context| {
        for url in ["/", "/a//b/", "/a?x=/../..", "~/a", "/%41", "/...a", "/img/x", "/IMG/", "/imgs"] {
            let path = cx.map_path(url)?;
            assert!(path.starts_with("/srv/www") || path.starts_with("/srv/media"), "{url}: {path:?}");
            said.say(path.to_string_lossy().replace('\\', "/"));
        }
        Ok(Flow::Continue)
    });
    get(&host);
    assert_eq!(
        log.take(),
        [
            "/srv/www",
            "/srv/www/a/b",
            "/srv/www/a",
            "/srv/www/a",
            "/srv/www/A",
            "/srv/www/...a",
            "/srv/media/x",
            "/srv/media",
            "/srv/www/imgs"
        ]
        .map(|path| path.trim_end_matches('/').to_string())
    );
    assert!(Path::new("/srv/www").starts_with(PathBuf::from("/srv")));
}

fn limited(limit: usize, handler: impl Handler) -> TestHost {
    TestHost::new().application(Application::builder().response_buffer_limit(limit).build()).handler(handler)
}

// limits.rs, RESPONSE_BUFFER_LIMIT: "Context::write flushes when a chunk would pass it; Response::write, which cannot wait,
// fails with BufferFull."
#[test]
fn over_the_buffer_limit_a_plain_write_fails_and_an_awaited_one_flushes() {
    let host = limited(10, |cx: &mut Context| {
        cx.response_mut().write("12345")?;
        cx.response_mut().write("67890")?;
        let error = cx.response_mut().write("!").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BufferFull);
        assert!(error.to_string().contains("would pass the limit of 10 bytes"), "{error}");
        assert_eq!(cx.response().entity_len(), 10, "nothing was added");
        Ok(Flow::Continue)
    });
    assert_eq!(get(&host).0.text(), "1234567890");
    let host = limited(
        10,
        serve(|cx| {
            Outcome::pending(async move {
                for part in ["12345", "67890", "!", "1234567890", "?"] {
                    assert_eq!(cx.write(part).await?.bytes(), part.len());
                }
                Ok(Flow::Continue)
            })
        }),
    );
    let (response, _) = get(&host);
    let parts: Vec<&[u8]> = response.parts().iter().map(|part| &part.body()[..]).collect();
    assert_eq!(parts, [&b"1234567890"[..], b"!", b"1234567890", b"?"]);
}

// limits.rs: one chunk alone always fits; a limit of 0 buffers one at a time.
#[test]
fn a_chunk_larger_than_the_limit_still_leaves() {
    for limit in [0, 1, 10] {
        let host = limited(
            limit,
            serve(|cx| {
                Outcome::pending(async move {
                    for _ in 0..3 {
                        cx.write(Bytes::from(vec![b'x'; 100])).await?;
                    }
                    Ok(Flow::Continue)
                })
            }),
        );
        let (response, _) = get(&host);
        assert_eq!((response.body().len(), response.parts().len()), (300, 3), "{limit}");
    }
}

// limits.rs, MAX_ENTITY_CHUNKS: "65,533, what ANCM sends in one write" (semantics.md section 4, rule 9).
#[test]
fn the_chunk_limit_is_65533() {
    let fill = |cx: &mut Context| -> Result<()> {
        for _ in 0..65_533 {
            cx.response_mut().write("x")?;
        }
        Ok(())
    };
    assert_eq!(limits::MAX_ENTITY_CHUNKS, 65_533);
    let response = within(move |cx| {
        fill(cx)?;
        assert_eq!(kind(cx.response_mut().write("x")), ErrorKind::BufferFull);
        Ok(())
    });
    assert_eq!((response.body().len(), response.parts().len()), (65_533, 1));
    let host = TestHost::new().handler(serve(move |cx| {
        Outcome::pending(async move {
            fill(cx)?;
            cx.write("x").await?;
            assert_eq!(cx.response().chunks().len(), 1);
            Ok(Flow::Continue)
        })
    }));
    let (response, _) = get(&host);
    assert_eq!((response.body().len(), response.parts().len()), (65_534, 2));
}

// Empty chunks hold nothing, so they pass no limit and take no place.
#[test]
fn an_empty_chunk_always_fits() {
    let host = limited(1, |cx: &mut Context| {
        cx.response_mut().write("x")?;
        for _ in 0..100_000 {
            cx.response_mut().write("")?;
        }
        assert_eq!(cx.response().chunks().len(), 1);
        Ok(Flow::Continue)
    });
    let (response, _) = get(&host);
    assert_eq!((response.status().as_u16(), response.text(), response.parts().len()), (200, "x", 1));
    let response = within(|cx| {
        for _ in 0..limits::MAX_ENTITY_CHUNKS {
            cx.response_mut().write("x")?;
        }
        cx.response_mut().write("")
    });
    assert_eq!(response.status(), 200);
}

// operations.rs: "at most `max` bytes (at least 1 is asked for)".
#[test]
fn any_read_size_is_taken() {
    for (max, expected) in [(0, "h"), (1, "h"), (3, "hel"), (usize::MAX, "hello"), (usize::MAX - 1, "hello")]
    {
        let host = TestHost::new().handler(serve(move |cx| {
            Outcome::pending(async move {
                let bytes = cx.read_entity(max).await?;
                cx.write(bytes).await?;
                Ok(Flow::Continue)
            })
        }));
        assert_eq!(finish(&mut host.post("/").body("hello")).text(), expected, "{max}");
        let explicit = script(at(Notification::BeginRequest), move |call| match call.with {
            common::With::Done(done) => {
                Outcome::Ready(call.cx.response_mut().write(done.entity().clone()).map(|()| Flow::Finish))
            }
            _ => Outcome::Ready(call.cx.start_read_entity(max).map(|()| Flow::Pending)),
        });
        let host = TestHost::new().module("explicit", explicit);
        assert_eq!(finish(&mut host.post("/").body("hello")).text(), expected, "{max}");
    }
}

// request.rs, `insert_entity`: what was put back is read in parts too, in order, and before the rest.
#[test]
fn what_was_put_back_is_read_first_and_in_parts() {
    let peeks = script(at(Notification::BeginRequest), |call| {
        Outcome::pending(async move {
            let first = call.cx.read_entity(4).await?;
            call.cx.request_mut().insert_entity(first);
            call.cx.request_mut().insert_entity(Bytes::new());
            call.cx.request_mut().insert_entity(">");
            Ok(Flow::Continue)
        })
    });
    let host = TestHost::new().module("peeks", peeks).handler(serve(|cx| {
        Outcome::pending(async move {
            loop {
                let bytes = cx.read_entity(3).await?;
                if bytes.is_empty() {
                    return Ok(Flow::Continue);
                }
                cx.write(bytes).await?;
                cx.write("|").await?;
            }
        })
    }));
    assert_eq!(finish(&mut host.post("/").body("hello!")).text(), ">|hel|l|o!|");
}

// error.rs: "RequestEnded", "HeadersSent": too late is a typed error.
#[test]
fn too_late_is_a_typed_error() {
    let host = TestHost::new().handler(serve(|cx| {
        Outcome::pending(async move {
            cx.response_mut().set_header("x-early", "1")?;
            cx.flush().await?;
            let response = cx.response_mut();
            assert_eq!(kind(response.set_header("x-late", "1")), ErrorKind::HeadersSent);
            assert_eq!(kind(response.append_header("x-late", "1")), ErrorKind::HeadersSent);
            assert_eq!(kind(response.set_status_code(404, 0)), ErrorKind::HeadersSent);
            assert_eq!(kind(response.redirect("/")), ErrorKind::HeadersSent);
            // These have no way to say so: they change nothing that leaves.
            response.set_status(StatusCode::NOT_FOUND);
            response.headers_mut().insert("x-late", http::HeaderValue::from_static("1"));
            Ok(Flow::Continue)
        })
    }));
    let (response, _) = get(&host);
    assert_eq!((response.status().as_u16(), response.headers().len()), (200, 1));
    assert_eq!(response.header("x-early"), Some("1"));
}

// As above after the last part has left.
#[test]
fn a_write_after_the_end_is_a_typed_error() {
    block_on(async {
        let host = TestHost::new().handler(text("hello"));
        let mut req = host.get("/");
        req.run_until(Step::Done).await;
        let cx = req.context_mut();
        assert!(cx.response().is_ended());
        assert_eq!(kind(cx.response_mut().write("late")), ErrorKind::RequestEnded);
        assert_eq!(kind(cx.response_mut().set_chunks([EntityChunk::from("late")])), ErrorKind::RequestEnded);
        assert_eq!(kind(cx.write("late").await), ErrorKind::RequestEnded);
        assert_eq!(kind(cx.flush().await), ErrorKind::RequestEnded);
        assert_eq!(req.finish().await.text(), "hello");
    });
}

// server_variables.rs: names and values that IIS would not take.
#[test]
fn a_server_variable_with_a_bad_name_or_value_is_refused() {
    let response = within(|cx| {
        for name in ["", "A B", "A\r\n", "\u{c4}", "A=B", "A:"] {
            let error = cx.set_server_variable(name, "x").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidServerVariable, "{name:?}");
            assert!(!error.to_string().contains(['\r', '\n']), "{error}");
        }
        for value in ["a\r\nb", "a\nb", "a\0"] {
            assert_eq!(
                kind(cx.set_server_variable("X", value)),
                ErrorKind::InvalidServerVariable,
                "{value:?}"
            );
        }
        assert_eq!(cx.server_variable("X"), None);
        for name in ["", "\0", "HTTP_", "HEADER_", "HTTP_\r\n", "NO_SUCH", "HTTP_\u{e4}"] {
            assert_eq!(cx.server_variable(name), None, "{name:?}");
        }
        assert_eq!(cx.server_variable(&"X".repeat(1 << 20)), None);
        cx.set_server_variable("x_Set", "yes")?;
        assert_eq!(cx.server_variable("X_SET").as_deref(), Some("yes"));
        Ok(())
    });
    assert_eq!(response.status(), 200);
}

// request.rs, `set_url`: what is no URL of a request is refused, and the old one stays.
#[test]
fn a_rewrite_to_no_url_is_refused() {
    let response = within(|cx| {
        for url in ["", "a b", "x", "*", "?a", "/a\r\nb", "/\0", "http://[::1", "example.com:80"] {
            assert_eq!(kind(cx.request_mut().set_url(url)), ErrorKind::InvalidUrl, "{url:?}");
            assert_eq!(cx.request().url().path(), "/", "{url:?}");
        }
        cx.request_mut().set_url("/new?x")?;
        cx.request_mut().set_url("http://example.com/newer")?;
        assert_eq!((cx.request().url().path(), cx.request().original_url().path()), ("/newer", "/"));
        Ok(())
    });
    assert_eq!(response.status(), 200);
}

// More headers than a header map can hold: whatever happens, the process lives and the next request is served.
#[test]
fn too_many_headers_are_no_end_of_the_process() {
    let host = TestHost::new().handler(|cx: &mut Context| {
        if cx.request().url().path() == "/many" {
            for n in 0..100_000 {
                cx.response_mut().append_header(&format!("x-{n}"), "v")?;
            }
        }
        cx.response_mut().write("x")?;
        Ok(Flow::Continue)
    });
    let connection = host.keep_alive();
    let response = finish(&mut connection.get("/many"));
    assert_eq!((response.status().as_u16(), response.text()), (500, "Internal Server Error"));
    assert!(Error::from_status(StatusCode::OK).source().is_none());
    assert_serves(&connection, "x");
}
