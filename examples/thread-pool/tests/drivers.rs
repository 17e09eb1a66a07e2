//! The module behind Tower, with each driver of this system: the file is written by a real completion.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::convert::Infallible;
use std::sync::Arc;

use bivalve::backend::{Selection, survey};
use bivalve::http::{Request, Response};
use bivalve::prelude::*;
use bivalve::tower::ModuleLayer;
use bivalve::{Pipeline, Server};
use bytes::Bytes;
use http_body_util::Full;
use thread_pool::HelloFile;
use tower::{Layer, ServiceExt, service_fn};

/// Everybody is Ada.
struct Ada;

#[bivalve::module]
impl Module for Ada {
    fn on_authenticate_request(&self, cx: &mut Context) -> Result<Flow> {
        cx.set_user(User::new("ada", "Basic"));
        Ok(Flow::Continue)
    }
}

#[tokio::test]
async fn the_file_is_written_by_each_driver_of_the_system() {
    let backends = survey();
    assert!(backends.len() > usize::from(cfg!(any(target_os = "linux", windows))));
    for (backend, _) in backends {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("hello.txt");
        let driver = Selection::only(backend).start().unwrap();
        let pipeline = Pipeline::builder()
            .server(Server::new().with_driver(Arc::clone(&driver)))
            .mount(Ada)
            .mount(HelloFile::new(&path))
            .build()
            .unwrap();
        let page = service_fn(|_| async {
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"page"))))
        });
        let request = Request::new(Full::new(Bytes::new()));
        let response = ModuleLayer::new(pipeline).layer(page).oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{backend}");
        assert_eq!(std::fs::read(&path).unwrap(), b"Hello", "{backend}");
        assert!(driver.usage().is_idle(), "{backend}: {:?}", driver.usage());
    }
}
