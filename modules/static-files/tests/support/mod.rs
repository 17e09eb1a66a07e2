//! A folder with files, and a host that serves it.

#![allow(dead_code, reason = "each test uses its part")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use bivalve_core::testing::{TestHost, TestResponse, block_on};
use bivalve_core::{Context, Flow, Module, Notification, Outcome, Registration};
use bivalve_static_files::{StaticFiles, StaticFilesBuilder};
use http::{HeaderValue, Method};

/// A folder that is removed in the end.
pub(crate) struct Site(tempfile::TempDir);

impl Site {
    /// When every file was modified.
    pub(crate) const DATE: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("in the folder")).expect("made");
        fs::write(&path, content).expect("written");
        let file = fs::File::options().write(true).open(&path).expect("open");
        file.set_modified(UNIX_EPOCH + Duration::from_secs(784_111_777)).expect("a time");
    }

    /// Content that is not kept in memory.
    pub(crate) fn large(&self) -> Vec<u8> {
        (0..200_000_u32).flat_map(u32::to_le_bytes).collect()
    }

    pub(crate) fn build(&self, change: impl FnOnce(StaticFilesBuilder) -> StaticFilesBuilder) -> StaticFiles {
        change(StaticFiles::builder(self.folder())).build().expect("it can be served")
    }

    pub(crate) fn host(&self, change: impl FnOnce(StaticFilesBuilder) -> StaticFilesBuilder) -> TestHost {
        TestHost::new().mount(self.build(change))
    }
}

pub(crate) fn get(host: &TestHost, url: &str, headers: &[(&'static str, &str)]) -> TestResponse {
    ask(host, Method::GET, url, headers)
}

pub(crate) fn ask(
    host: &TestHost,
    method: Method,
    url: &str,
    headers: &[(&'static str, &str)],
) -> TestResponse {
    let mut request = host.request(method, url);
    for (name, value) in headers {
        let value = HeaderValue::from_str(value).expect("a value");
        request.context_mut().request_mut().headers_mut().append(*name, value);
    }
    block_on(request.finish())
}

/// Answers as a script would.
pub(crate) struct Script;

impl Module for Script {
    fn registration(&self) -> Registration {
        Registration::new().on(Notification::ExecuteRequestHandler)
    }

    fn on_execute_request_handler<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        Outcome::Ready(cx.response_mut().write("script").map(|()| Flow::Continue))
    }
}

/// Says that all responses vary.
pub(crate) struct Varies;

impl Module for Varies {
    fn registration(&self) -> Registration {
        Registration::new().on(Notification::BeginRequest)
    }

    fn on_begin_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        Outcome::Ready(cx.response_mut().set_header("vary", "origin").map(|()| Flow::Continue))
    }
}

/// Would keep the response.
pub(crate) struct Caches;

impl Module for Caches {
    fn registration(&self) -> Registration {
        Registration::new().on(Notification::UpdateRequestCache)
    }

    fn on_update_request_cache<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        Outcome::Ready(cx.response_mut().set_header("x-cached", "yes").map(|()| Flow::Continue))
    }
}
