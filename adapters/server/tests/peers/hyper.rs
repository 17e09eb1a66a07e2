//! hyper as a server of HTTP/1.1, with its own limits and no others.

use std::convert::Infallible;
use std::net::SocketAddr;

use ::hyper::body::Incoming;
use ::hyper::server::conn::http1::Builder;
use ::hyper::service::service_fn;
use ::hyper::{Request, Response, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;

/// It serves until this is dropped.
pub(crate) struct Hyper {
    address: SocketAddr,
    _runtime: tokio::runtime::Runtime,
}

impl Hyper {
    pub(crate) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("it is bound");
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let connection =
                        Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
                    // An error is what hyper makes of a case.
                    let _ = connection.await;
                });
            }
        });
        Self { address, _runtime: runtime }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Reads the body, and answers 400 where it is none, as axum's extractors do.
async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let text = if request.uri().path() == "/probe" { "/probe\n" } else { "answer\n" };
    let mut response = Response::new(Full::from(text));
    if request.into_body().collect().await.is_err() {
        *response.status_mut() = StatusCode::BAD_REQUEST;
    }
    Ok(response)
}
