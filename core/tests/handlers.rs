//! Who runs at ExecuteRequestHandler: docs/decisions/0008, rule by rule, and semantics.md section 1.
#![allow(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use bivalve_core::testing::{TestHost, block_on};
use bivalve_core::{
    BuildError, Context, Flow, HandlerMapping, Module, Notification, Outcome, Pipeline, PostError, Priority,
    Result, Step,
};
use http::Method;

use common::{Log, at, calls, deterministic, finish, get, plain, post, quiet, serve, text};

const EXECUTE: Notification = Notification::ExecuteRequestHandler;

/// Writes its name at ExecuteRequestHandler.
fn writes(name: &'static str, flow: Flow) -> impl Module {
    plain(at(EXECUTE), move |cx, _| {
        cx.response_mut().write(name)?;
        Ok(flow)
    })
}

/// Makes itself the handler at `event`, and writes its name when it is called.
fn chooses(name: &'static str, notification: Notification) -> impl Module {
    plain(at(EXECUTE).on(notification), move |cx, event| {
        if event == notification.into() {
            cx.set_handler();
        } else {
            cx.response_mut().write(name)?;
        }
        Ok(Flow::Continue)
    })
}

fn answer(host: &TestHost, method: Method, url: &str) -> (u16, String) {
    let response = finish(&mut host.request(method, url));
    (response.status().as_u16(), response.text().to_string())
}

// Rule 1: "A module that called `cx.set_handler()` is the handler, alone."
#[test]
fn a_module_that_made_itself_the_handler_is_it_alone() {
    for notification in &Notification::DETERMINISTIC[..7] {
        let host = TestHost::new()
            .module("other", writes("other ", Flow::Continue))
            .module("chosen", chooses("chosen", *notification))
            .handler(text("service"))
            .configure(|builder| builder.handler_mapping(HandlerMapping::new("*").module("other")));
        let (response, _) = get(&host);
        assert_eq!(response.text(), "chosen", "{notification}");
    }
}

// Rule 1: the last word counts, as `SetScriptMap` replaces.
#[test]
fn the_last_module_to_make_itself_the_handler_is_it() {
    let host = TestHost::new()
        .module("early", chooses("early", Notification::MapRequestHandler))
        .module("late", chooses("late", Notification::PreExecuteRequestHandler));
    assert_eq!(get(&host).0.text(), "late");
}

// Rule 1, for this request only.
#[test]
fn the_choice_of_a_handler_ends_with_the_request() {
    let chooses = plain(at(EXECUTE).on(Notification::MapRequestHandler), |cx, event| {
        if event == EXECUTE.into() {
            cx.response_mut().write("module")?;
            return Ok(Flow::Finish);
        }
        if cx.request().url().path() == "/module" {
            cx.set_handler();
        } else {
            cx.disable_notifications(EXECUTE, post(EXECUTE).notification());
        }
        Ok(Flow::Continue)
    });
    let host = TestHost::new().module("chooses", chooses).handler(text("service"));
    let connection = host.keep_alive();
    assert_eq!(finish(&mut connection.get("/module")).text(), "module");
    assert_eq!(finish(&mut connection.get("/service")).text(), "service");
}

// Rule 1: IIS's 500.21 for a handler that has no OnExecuteRequestHandler.
#[test]
fn a_module_without_the_event_cannot_be_the_handler() {
    let chooses = plain(at(Notification::MapRequestHandler), |cx, _| {
        cx.set_handler();
        Ok(Flow::Continue)
    });
    let host = TestHost::new().module("chooses", chooses).handler(text("service"));
    block_on(async {
        let mut req = host.get("/");
        req.run_until(Step::Send).await;
        let response = req.context().response();
        assert_eq!((response.status().as_u16(), response.sub_status()), (500, 21));
        assert_eq!(req.finish().await.text(), "Internal Server Error");
    });
}

// Rule 2: "the first `HandlerMapping` that fits decides, as in IIS. With mappings configured, a module that none names
// is not called." Section 1: "IIS calls OnExecuteRequestHandler ONLY on the modules named in the matched handler
// mapping's `modules` list".
#[test]
fn the_first_mapping_that_fits_decides() {
    let host = TestHost::new()
        .module("php", writes("php", Flow::Continue))
        .module("api", writes("api", Flow::Continue))
        .module("admin", writes("admin", Flow::Continue))
        .module("unnamed", writes("unnamed", Flow::Continue))
        .handler(text("service"))
        .configure(|builder| {
            builder
                .handler_mapping(HandlerMapping::new("*.php").module("php"))
                .handler_mapping(
                    HandlerMapping::new("/api/*").verbs([Method::GET, Method::PUT]).module("api"),
                )
                .handler_mapping(HandlerMapping::new("/admin").module("admin").module("api"))
                .handler_mapping(HandlerMapping::new("*.PHP").module("admin"))
        });
    for (method, url, expected) in [
        (Method::GET, "/index.php", "php"),
        (Method::GET, "/index.php?x=/api/", "php"),
        (Method::GET, "/api/x.PhP", "php"),
        (Method::GET, "/API/list", "api"),
        (Method::PUT, "/api/", "api"),
        (Method::POST, "/api/list", "service"),
        (Method::GET, "/api", "service"),
        (Method::DELETE, "/Admin", "apiadmin"),
        (Method::GET, "/admin/", "service"),
        (Method::GET, "/", "service"),
    ] {
        assert_eq!(answer(&host, method.clone(), url), (200, expected.into()), "{method} {url}");
    }
}

// Rule 2: by the path after rewriting.
#[test]
fn a_mapping_sees_the_rewritten_url() {
    let rewrites = plain(at(Notification::BeginRequest), |cx, _| {
        cx.request_mut().set_url("/new.x")?;
        Ok(Flow::Continue)
    });
    let host = TestHost::new()
        .module("rewrites", rewrites)
        .module("x", writes("x", Flow::Continue))
        .configure(|builder| builder.handler_mapping(HandlerMapping::new("*.x").module("x")));
    assert_eq!(answer(&host, Method::GET, "/old"), (200, "x".into()));
}

// Rule 2: a mapping that names nobody answers nothing, and does not fall back to the service.
#[test]
fn a_mapping_without_modules_answers_404() {
    let host = TestHost::new()
        .module("m", writes("m", Flow::Continue))
        .handler(text("service"))
        .configure(|builder| builder.handler_mapping(HandlerMapping::new("/blocked/*")));
    assert_eq!(answer(&host, Method::GET, "/blocked/x"), (404, "Not Found".into()));
    assert_eq!(answer(&host, Method::GET, "/open"), (200, "service".into()));
}

// Rule 3: "With no mapping configured, every module registered for the event runs in order, and then the mounted
// service." Rule 4: "one that returns `Continue` lets the next one run."
#[test]
fn without_a_mapping_every_module_runs_and_then_the_service() {
    let host = TestHost::new()
        .module(
            "b",
            plain(at(EXECUTE).priority(EXECUTE, Priority::Low), |cx, _| {
                cx.response_mut().write("b ")?;
                Ok(Flow::Continue)
            }),
        )
        .module("a", writes("a ", Flow::Continue))
        .handler(text("service"));
    let (response, trace) = get(&host);
    assert_eq!(response.text(), "a b service");
    assert_eq!(
        trace.lines()[..2],
        ["ExecuteRequestHandler a -> Continue", "ExecuteRequestHandler b -> Continue"]
    );
}

// Rule 4: "A module that returns `Finish` there has answered".
#[test]
fn a_module_that_finishes_has_answered() {
    let host = TestHost::new()
        .module("a", writes("a", Flow::Finish))
        .module("b", writes("b", Flow::Continue))
        .module("log", quiet(at(Notification::LogRequest)))
        .handler(text("service"));
    let mut req = host.get("/");
    assert_eq!(finish(&mut req).text(), "a");
    assert_eq!(calls(&req), ["ExecuteRequestHandler a", "LogRequest log"]);
}

// Rule 5: "Nobody answered and no service is mounted: 404." The events after the handler run all the same.
#[test]
fn with_nobody_to_answer_it_is_404() {
    let registration = deterministic();
    let others = plain(registration, |cx, event| {
        // Registered there, but not today.
        if event == Notification::BeginRequest.into() {
            cx.disable_notifications(EXECUTE, bivalve_core::Notifications::NONE);
        }
        Ok(Flow::Continue)
    });
    let host = TestHost::new().module("others", others);
    let mut req = host.get("/");
    let response = finish(&mut req);
    assert_eq!((response.status().as_u16(), response.text()), (404, "Not Found"));
    assert_eq!(calls(&req).len(), 23);
}

// Rule 5: a response that an earlier module made is an answer.
#[test]
fn what_an_earlier_module_answered_is_not_turned_into_404() {
    type Answer = fn(&mut Context) -> Result<()>;
    let answers: [(Answer, u16, &str); 3] = [
        (|cx| cx.response_mut().set_status_code(204, 0), 204, ""),
        (|cx| cx.response_mut().write("early"), 200, "early"),
        (|cx| cx.response_mut().redirect("/elsewhere"), 302, ""),
    ];
    for (early, status, body) in answers {
        let module = plain(at(Notification::BeginRequest), move |cx, _| {
            early(cx)?;
            Ok(Flow::Continue)
        });
        assert_eq!(answer(&TestHost::new().module("early", module), Method::GET, "/"), (status, body.into()));
    }
}

// Section 1: "a name that is not a loaded module => 500.21": told when the pipeline is built.
#[test]
fn a_mapping_with_a_wrong_name_is_refused_at_build() {
    let build = |module: &str| {
        Pipeline::builder()
            .module("handler", writes("", Flow::Continue))
            .module("filter", quiet(at(Notification::BeginRequest).on_post(EXECUTE)))
            .handler_mapping(HandlerMapping::new("*.x").module(module))
            .build()
    };
    assert!(build("handler").is_ok());
    let path = || "*.x".to_string();
    let error = build("Handler").unwrap_err();
    assert_eq!(error, BuildError::UnknownModule { name: "Handler".into(), path: path() });
    assert!(error.to_string().contains("names Handler, which is not mounted"), "{error}");
    let error = build("filter").unwrap_err();
    assert_eq!(error, BuildError::NotAHandler { name: "filter".into(), path: path() });
}

// design.md section 3: "`Pending` with nothing outstanding is an error with a clear text, never a hang". A service has
// no `on_async_completion`, so it can have nothing outstanding.
#[test]
fn a_service_that_returns_pending_is_an_error() {
    let host = TestHost::new().handler(|cx: &mut Context| {
        cx.response_mut().write("half an answer")?;
        Ok(Flow::Pending)
    });
    assert_eq!(answer(&host, Method::GET, "/"), (500, "Internal Server Error".into()));
}

// The same for an operation that was started and would never run.
#[test]
fn a_service_that_starts_an_operation_is_an_error() {
    for flow in [Flow::Continue, Flow::Pending] {
        let host = TestHost::new().handler(move |cx: &mut Context| {
            cx.start_write("never written")?;
            Ok(flow)
        });
        assert_eq!(answer(&host, Method::GET, "/"), (500, "Internal Server Error".into()), "{flow:?}");
    }
}

// signal.rs rule 3: "the pipeline revokes it when the event that made it returns"; so too when a service made it.
#[test]
fn a_completion_handle_of_a_service_is_revoked_when_it_returns() {
    let log = Log::default();
    let said = log.clone();
    let kept = std::sync::Arc::new(std::sync::Mutex::new(None));
    let slot = std::sync::Arc::clone(&kept);
    let posts = plain(at(Notification::LogRequest), move |_, _| {
        let handle: bivalve_core::CompletionHandle = slot.lock().unwrap().take().expect("the service ran");
        said.say(format!("{:?}", handle.post_completion(1)));
        Ok(Flow::Continue)
    });
    let host = TestHost::new().module("posts", posts).handler(move |cx: &mut Context| {
        *kept.lock().unwrap() = Some(cx.completion_handle());
        Ok(Flow::Continue)
    });
    finish(&mut host.get("/"));
    assert_eq!(log.take(), [format!("{:?}", Err::<(), _>(PostError::NotAwaited))]);
}

// Rule 3: a waiting service is waited for, and its error is a response.
#[test]
fn a_service_may_wait_fail_and_panic() {
    let host = TestHost::new().handler(serve(|cx| {
        Outcome::pending(async move {
            common::once().await;
            match cx.request().url().path() {
                "/fail" => Err(bivalve_core::Error::from_status(http::StatusCode::BAD_GATEWAY)),
                "/panic" => panic!("as the test wants it"),
                _ => {
                    cx.write("fine").await?;
                    Ok(Flow::Continue)
                }
            }
        })
    }));
    assert_eq!(answer(&host, Method::GET, "/"), (200, "fine".into()));
    assert_eq!(answer(&host, Method::GET, "/fail"), (502, "Bad Gateway".into()));
    assert_eq!(answer(&host, Method::GET, "/panic"), (500, "Internal Server Error".into()));
    assert_eq!(answer(&host, Method::GET, "/"), (200, "fine".into()));
}

// context.rs, `set_handler` and `disable_notifications`: "for the calling module", also from an event nested in another's.
#[test]
fn a_module_speaks_for_itself_in_a_nested_event() {
    let caller = plain(at(Notification::MapRequestHandler).on(EXECUTE), |cx, event| {
        if event == EXECUTE.into() {
            cx.response_mut().write("caller")?;
        } else {
            cx.map_path("/a")?;
        }
        Ok(Flow::Continue)
    });
    let nested = plain(at(Notification::MapPath).on(EXECUTE | Notification::LogRequest), |cx, event| {
        match event.notification() {
            EXECUTE => cx.response_mut().write("nested")?,
            Notification::MapPath => {
                cx.set_handler();
                cx.disable_notifications(Notification::LogRequest, bivalve_core::Notifications::NONE);
            }
            _ => cx.response_mut().write(" log")?,
        }
        Ok(Flow::Continue)
    });
    let host = TestHost::new().module("caller", caller).module("nested", nested).handler(text("service"));
    assert_eq!(get(&host).0.text(), "nested");
}

// `HandlerMapping`: "by the path of the URL after rewriting, decoded once". A raw comparison would let a client past it.
#[test]
fn an_encoded_url_does_not_go_past_a_mapping() {
    let php = plain(at(EXECUTE), |cx, _| {
        cx.response_mut().write("executed")?;
        Ok(Flow::Finish)
    });
    let host = TestHost::new()
        .module("php", php)
        .handler(text("source"))
        .configure(|builder| builder.handler_mapping(HandlerMapping::new("*.php").module("php")));
    for path in ["/x.php", "/x.ph%70", "/x%2Ephp", "/X.PHP", "//x.php", "/x.php/", "/x.php/info", "/x.php?a"]
    {
        assert_eq!(answer(&host, Method::GET, path), (200, "executed".into()), "{path}");
    }
    for path in
        ["/x.php%00", "/x.php.", "/x.php::$DATA", "/x.php%20", "/a%2Fx.php", "/x.%2570hp", "/x.ph%u0070"]
    {
        assert_eq!(answer(&host, Method::GET, path).0 / 100, 4, "{path} is refused");
    }
    assert_eq!(answer(&host, Method::GET, "/x.html"), (200, "source".into()));
}
