//! A panic wherever code can run, the module's own and the adapter's: the process lives, the request fails closed, and the
//! next one works.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bivalve::prelude::*;
use bivalve::testing::{TestHost, TestResponse, block_on};
use bivalve::{Event, Module, Notification};
use bivalve_iis_host::{Fault, IisHost, IisHostBuilder};
use same_on_both::HANDLER;
use same_on_both::probes::trips::{self, Trips};

/// Which slot panics next is one thing for the whole DLL.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a server does, and how to make it.
type Server = (&'static str, fn() -> IisHostBuilder);

/// How servers behave.
fn servers() -> [Server; 3] {
    [
        ("as it is", IisHost::builder),
        ("posted, before the return", || {
            IisHost::builder().fault(Fault::AlwaysPosted).fault(Fault::BeforeReturn)
        }),
        ("nested elsewhere", || IisHost::builder().fault(Fault::AlwaysPosted).fault(Fault::NestedElsewhere)),
    ]
}

fn serve(module: impl Module) -> TestHost {
    let handler = |cx: &mut Context| {
        cx.response_mut().write(HANDLER)?;
        Ok(Flow::Continue)
    };
    TestHost::new().without_trace().module("Panics", module).handler(handler)
}

fn ask(server: &TestHost, url: &str) -> TestResponse {
    block_on(server.post(url).body("some body").finish())
}

/// What the client has got: a status, the body, and whether it came to its end.
fn got(response: &TestResponse) -> String {
    if !response.was_answered() {
        return "nothing".into();
    }
    let end = if response.is_complete() { "" } else { ", and no end" };
    format!("{} {:?}{end}", response.status().as_u16(), String::from_utf8_lossy(response.body()))
}

#[test]
fn a_panic_of_a_module_ends_its_request_as_it_does_behind_tower() {
    let _alone = alone();
    let library = support::library("same-on-both-module");
    let mut wrong = Vec::new();
    for (about, host) in servers() {
        let host = host().build();
        let inside = serve(host.load(&library, "Trips").expect("the module loads"));
        let behind = serve(Trips);
        for event in trips::events() {
            for how in trips::HOW {
                let url = format!("/{event}/{how}");
                let (expected, seen) = (got(&ask(&behind, &url)), got(&ask(&inside, &url)));
                // What a module makes of the body in SendResponse is not read back by the stand-in: it has nothing then.
                let is_closed = |seen: &str| seen == "nothing" || seen == "500 \"\"";
                let in_send = event == Event::of(Notification::SendResponse) && is_closed(&seen);
                if seen != expected && !in_send {
                    wrong.push(format!("{url}, {about}: {seen}, and behind Tower {expected}"));
                }
                let next = got(&ask(&inside, "/"));
                if next != "200 \"from the handler\"" {
                    wrong.push(format!("{url}, {about}: the next request: {next}"));
                }
            }
        }
        drop(inside);
        wrong.extend(host.violations().take().iter().map(|violation| format!("{about}: {violation}")));
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

/// What becomes of a request when the adapter panics in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    /// It has its answer already, or is nobody's: the client sees nothing of it.
    Answered,
    /// 500, and nothing of what the handler would say.
    Closed,
    /// As `Closed`, or the connection is reset where the head has left.
    Cut,
    /// Not called by the stand-in: the adapter's own test of it is in `adapters/iis/src/faults.rs`.
    Elsewhere,
}

/// Every slot of every class that the adapter implements, with the URL that leads there.
const SLOTS: &[(&str, &str, Then)] = &[
    ("IHttpModuleFactory::GetHttpModule", "/", Then::Closed),
    ("IHttpModuleFactory::Terminate", "/", Then::Answered),
    ("CHttpModule::OnBeginRequest", "/", Then::Closed),
    ("CHttpModule::OnPostBeginRequest", "/", Then::Closed),
    ("CHttpModule::OnAuthenticateRequest", "/", Then::Closed),
    ("CHttpModule::OnPostAuthenticateRequest", "/", Then::Closed),
    ("CHttpModule::OnAuthorizeRequest", "/", Then::Closed),
    ("CHttpModule::OnPostAuthorizeRequest", "/", Then::Closed),
    ("CHttpModule::OnResolveRequestCache", "/", Then::Closed),
    ("CHttpModule::OnPostResolveRequestCache", "/", Then::Closed),
    ("CHttpModule::OnMapRequestHandler", "/", Then::Closed),
    ("CHttpModule::OnPostMapRequestHandler", "/", Then::Closed),
    ("CHttpModule::OnAcquireRequestState", "/", Then::Closed),
    ("CHttpModule::OnPostAcquireRequestState", "/", Then::Closed),
    ("CHttpModule::OnPreExecuteRequestHandler", "/", Then::Closed),
    ("CHttpModule::OnPostPreExecuteRequestHandler", "/", Then::Closed),
    ("CHttpModule::OnExecuteRequestHandler", "/", Then::Closed),
    ("CHttpModule::OnPostExecuteRequestHandler", "/", Then::Closed),
    ("CHttpModule::OnReleaseRequestState", "/", Then::Closed),
    ("CHttpModule::OnPostReleaseRequestState", "/", Then::Closed),
    ("CHttpModule::OnUpdateRequestCache", "/", Then::Closed),
    ("CHttpModule::OnPostUpdateRequestCache", "/", Then::Closed),
    ("CHttpModule::OnLogRequest", "/", Then::Answered),
    ("CHttpModule::OnPostLogRequest", "/", Then::Answered),
    ("CHttpModule::OnEndRequest", "/", Then::Answered),
    ("CHttpModule::OnPostEndRequest", "/", Then::Answered),
    ("CHttpModule::OnSendResponse", "/", Then::Closed),
    ("CHttpModule::OnMapPath", "/", Then::Closed),
    ("CHttpModule::OnReadEntity", "/", Then::Closed),
    ("CHttpModule::OnCustomRequestNotification", "/", Then::Closed),
    ("CHttpModule::OnAsyncCompletion", "/flush", Then::Cut),
    ("CHttpModule::Dispose", "/", Then::Answered),
    // MSVC's `Dispose` would call it, and ours does not.
    ("CHttpModule::~CHttpModule", "/", Then::Elsewhere),
    ("IHttpStoredContext::CleanupStoredContext", "/", Then::Answered),
    ("IHttpConnectionStoredContext::CleanupStoredContext", "/", Then::Answered),
    ("IHttpConnectionStoredContext::NotifyDisconnect", "/", Then::Cut),
    ("CGlobalModule::OnGlobalApplicationStart", "/", Then::Answered),
    ("CGlobalModule::OnGlobalConfigurationChange", "/", Then::Answered),
    ("CGlobalModule::OnGlobalStopListening", "/", Then::Answered),
    ("CGlobalModule::OnGlobalApplicationStop", "/", Then::Answered),
    ("CGlobalModule::Terminate", "/", Then::Answered),
];

/// Those of which `adapters/iis/src/faults.rs` walks every slot.
const ELSEWHERE: [&str; 3] = ["IScriptMapInfo", "IHttpUser", "ICustomNotificationProvider"];

/// Slots of `CGlobalModule` that IIS does not call unless a module registers for them, which ours cannot: they say
/// `GL_NOTIFICATION_CONTINUE` and have no code that could panic.
const LEFT: [&str; 12] = [
    "OnGlobalCacheCleanup",
    "OnGlobalCacheOperation",
    "OnGlobalHealthCheck",
    "OnGlobalFileChange",
    "OnGlobalPreBeginRequest",
    "OnGlobalApplicationResolveModules",
    "OnGlobalRSCAQuery",
    "OnGlobalTraceEvent",
    "OnGlobalCustomNotification",
    "OnGlobalThreadCleanup",
    "OnGlobalApplicationPreload",
    "OnSuspendProcess",
];

/// All that is below, one after the other.
fn sources(directory: &Path) -> String {
    let entries = fs::read_dir(directory).expect("the adapter's sources").flatten();
    entries
        .map(|entry| entry.path())
        .map(|path| if path.is_dir() { sources(&path) } else { fs::read_to_string(path).expect("a source") })
        .collect()
}

/// What the slots of a class are called, with those of its base.
fn slots_of(abi: &serde_json::Value, class: &str) -> Vec<String> {
    let told = &abi[class];
    let mut names = told["base"].as_str().map_or_else(Vec::new, |base| slots_of(abi, base));
    for slot in told["own_slots"].as_array().expect("the slots of a class") {
        let signature = slot["sig"].as_str().expect("a signature");
        let name = signature.split('(').next().and_then(|head| head.rsplit("::").next()).expect("a name");
        names.push(name.to_owned());
    }
    names
}

#[test]
fn every_slot_that_the_adapter_implements_has_a_case() {
    let abi = serde_json::from_str(include_str!("../../adapters/iis-sys/abi.json")).expect("abi.json");
    let mut expected = BTreeSet::new();
    let mut classes = BTreeSet::new();
    let sources = sources(Path::new("../adapters/iis/src"));
    for line in sources.lines().filter(|line| line.starts_with("impl") && line.contains("Impl for ")) {
        let of = line.split("Impl for ").next().and_then(|head| head.rsplit([' ', '>']).next());
        classes.insert(of.expect("the name of a class").to_owned());
    }
    assert!(classes.len() >= 7, "{classes:?}");
    // What only a derived class of ours implements.
    classes.remove("IHttpEventProvider");
    for class in classes.iter().filter(|class| !ELSEWHERE.contains(&class.as_str())) {
        let is_left = |slot: &String| class == "CGlobalModule" && LEFT.contains(&slot.as_str());
        let slots = slots_of(&abi, class).into_iter().filter(|slot| !is_left(slot));
        expected.extend(slots.map(|slot| format!("{class}::{slot}")));
    }
    // No slot is left that has code of ours.
    let (_, global) = sources.split_once("impl CGlobalModuleImpl for ").expect("the global module");
    let global = global.split("\n}\n").next().expect("its end");
    let walked = expected.iter().filter(|slot| slot.starts_with("CGlobalModule::")).count();
    assert_eq!(global.matches("unsafe fn ").count(), walked);
    assert_eq!(walked + LEFT.len(), slots_of(&abi, "CGlobalModule").len());
    let cases: BTreeSet<String> = SLOTS.iter().map(|case| case.0.to_owned()).collect();
    assert_eq!(cases, expected);
}

#[test]
fn a_panic_in_any_slot_of_the_adapter_fails_closed_and_the_next_request_works() {
    let _alone = alone();
    let library = support::library("same-on-both-module");
    let mut wrong = Vec::new();
    for (about, host) in servers() {
        for &(slot, url, then) in SLOTS.iter().filter(|case| case.2 != Then::Elsewhere) {
            let mut said = |what: String| wrong.push(format!("{slot}, {about}: {what}"));
            let mut builder = host();
            if slot.ends_with("NotifyDisconnect") {
                builder = builder.fault(Fault::DisconnectAt(Event::of(Notification::AuthorizeRequest)));
            }
            let host = builder.build();
            let server = serve(host.load(&library, &format!("Walk!{slot}")).expect("the module loads"));
            let response = ask(&server, url);
            let seen = got(&response);
            let is_closed = seen.starts_with("500 ") && !seen.contains("handler");
            match then {
                Then::Answered if seen != "200 \"from the handler\"" => said(seen),
                Then::Closed if !is_closed => said(seen),
                Then::Cut if !is_closed && seen != "nothing" && response.is_complete() => said(seen),
                _ => {}
            }
            if !slot.ends_with("NotifyDisconnect") && !slot.ends_with("OnSendResponse") {
                let next = got(&ask(&server, "/"));
                if next != "200 \"from the handler\"" {
                    said(format!("the next request: {next}"));
                }
            }
            host.configuration_changed("MACHINE/WEBROOT/APPHOST");
            host.stop();
            drop(server);
            for violation in host.violations().take() {
                said(violation.to_string());
            }
            // Another server of the same process, and whether the panic has been.
            let host = IisHost::builder().build();
            let server = serve(host.load(&library, "Walk").expect("the module loads"));
            let armed = got(&ask(&server, "/armed"));
            if armed != "200 \"nothing\"" {
                said(format!("nobody came by: {armed}"));
            }
            let next = got(&ask(&server, "/pause"));
            if next != "200 \"from the handler\"" {
                said(format!("the next server: {next}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_panic_in_register_module_refuses_the_module_and_the_next_one_loads() {
    let _alone = alone();
    let library = support::library("same-on-both-module");
    let host = IisHost::builder().build();
    let refused = host.load(&library, "Walk!RegisterModule").expect_err("it is refused");
    assert!(refused.to_string().contains("0x80004005"), "{refused}");
    let server = serve(host.load(&library, "Walk").expect("the module loads"));
    assert_eq!(got(&ask(&server, "/")), "200 \"from the handler\"");
}
