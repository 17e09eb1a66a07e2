//! What no request is about: a pipeline raises it as the stand-in for IIS does, which raises it as IIS does.

mod support;

use bivalve::Application;
use bivalve::testing::{TestHost, block_on};
use bivalve_iis_host::IisHost;
use same_on_both::probes::globals::{FILE, Told};

/// What both write between the start and the end. Requests come in the order in which modules are mounted.
const EXPECTED: &str = "\
first start /
last start /
last request /one
first request /one
last request /two
first request /two
first change MACHINE/WEBROOT/APPHOST/Default Web Site
last change MACHINE/WEBROOT/APPHOST/Default Web Site
first change MACHINE/handled
first change MACHINE/fails
last change MACHINE/fails
first change MACHINE/panics
last change MACHINE/panics
last request /three
first request /three
first stop listening true
last stop listening true
first stop /
last stop /
";

const CHANGES: [&str; 4] =
    ["MACHINE/WEBROOT/APPHOST/Default Web Site", "MACHINE/handled", "MACHINE/fails", "MACHINE/panics"];

fn folder(name: &str) -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("bivalve-told-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn ask(host: &TestHost, url: &str) {
    assert_eq!(block_on(host.get(url).finish()).status(), 200, "{url}");
}

#[test]
fn a_pipeline_raises_global_notifications() {
    let root = folder("pipeline");
    let host = TestHost::new()
        .application(Application::builder().root(&root).build())
        .module("Last", Told::last())
        .module("First", Told::first())
        .handler(|cx: &mut bivalve::Context| {
            cx.response_mut().write("fine").map(|()| bivalve::Flow::Continue)
        });
    assert!(!root.join(FILE).exists());
    ask(&host, "/one");
    ask(&host, "/two");
    for path in CHANGES {
        host.pipeline().configuration_changed(path);
    }
    ask(&host, "/three");
    host.pipeline().stop_listening(true);
    host.pipeline().stop_listening(true);
    drop(host);
    let told = std::fs::read_to_string(root.join(FILE)).expect("written");
    std::fs::remove_dir_all(&root).expect("removed");
    assert_eq!(told, EXPECTED);
}

#[test]
fn a_library_in_iis_is_told_the_same() {
    let root = folder("iis");
    let library = support::library("same-on-both-module");
    let iis = IisHost::builder().build();
    let last = iis.load(&library, "ToldLast").expect("it loads");
    let first = iis.load(&library, "ToldFirst").expect("it loads");
    assert_eq!(first.global_notifications(), 0x2 | 0x40 | 0x200 | 0x800);
    let host = TestHost::new()
        .application(Application::builder().root(&root).build())
        .module("Last", last)
        .module("First", first)
        .handler(|cx: &mut bivalve::Context| {
            cx.response_mut().write("fine").map(|()| bivalve::Flow::Continue)
        });
    ask(&host, "/one");
    ask(&host, "/two");
    for path in CHANGES {
        iis.configuration_changed(path);
    }
    ask(&host, "/three");
    iis.stop();
    iis.stop();
    drop(host);
    let told = std::fs::read_to_string(root.join(FILE)).expect("written");
    std::fs::remove_dir_all(&root).expect("removed");
    assert_eq!(told, EXPECTED);
    iis.violations().assert_none();
}
