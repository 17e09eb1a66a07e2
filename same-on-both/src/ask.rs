//! The client: one request on a connection of its own, and all that comes back.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{DATE, HOST};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// A request.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub url: String,
    /// Besides `host`.
    pub headers: Vec<(&'static str, &'static str)>,
    /// The body.
    pub body: Bytes,
    /// Over HTTP/2, with prior knowledge; otherwise over HTTP/1.1.
    pub http2: bool,
}

/// As in a log; long bodies by their length.
impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {:?} {} bytes", self.method, self.url, self.headers, self.body.len())
    }
}

/// What the client got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A response.
    Response {
        /// The status.
        status: StatusCode,
        /// Sorted, without `date`; several lines of one name joined, but those of `Set-Cookie`.
        headers: Vec<(String, String)>,
        /// As far as it came.
        body: Bytes,
        /// Sorted.
        trailers: Vec<(String, String)>,
        /// Whether the body came to its end.
        complete: bool,
    },
    /// The connection ended before a response.
    Nothing,
}

impl Ask {
    /// A GET.
    #[must_use]
    pub fn get(url: &str) -> Self {
        Self { method: Method::GET, url: url.into(), headers: Vec::new(), body: Bytes::new(), http2: false }
    }

    /// A POST.
    #[must_use]
    pub fn post(url: &str, body: impl Into<Bytes>) -> Self {
        Self { method: Method::POST, body: body.into(), ..Self::get(url) }
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    /// With another method.
    #[must_use]
    pub fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// Over HTTP/2.
    #[must_use]
    pub fn over_http2(mut self) -> Self {
        self.http2 = true;
        self
    }

    /// Sends it.
    ///
    /// # Panics
    ///
    /// When nobody listens there, or nothing comes for half a minute: then the host is broken.
    pub async fn send(&self, to: SocketAddr) -> Answer {
        timeout(Duration::from_secs(30), self.exchange(to)).await.expect("an answer within half a minute")
    }

    async fn exchange(&self, to: SocketAddr) -> Answer {
        let stream = TcpStream::connect(to).await.expect("the host listens");
        let Ok(response) = self.response(TokioIo::new(stream)).await else { return Answer::Nothing };
        let (head, mut incoming) = response.into_parts();
        let (mut body, mut trailers, mut complete) = (BytesMut::new(), HeaderMap::new(), true);
        while let Some(frame) = incoming.frame().await {
            match frame.map(hyper::body::Frame::into_data) {
                Ok(Ok(data)) => body.extend_from_slice(&data),
                Ok(Err(other)) => trailers = other.into_trailers().unwrap_or_default(),
                Err(_) => {
                    complete = false;
                    break;
                }
            }
        }
        Answer::Response {
            status: head.status,
            headers: sorted(&head.headers),
            body: body.freeze(),
            trailers: sorted(&trailers),
            complete,
        }
    }
}

impl Ask {
    /// Its head has come.
    async fn response(&self, stream: TokioIo<TcpStream>) -> hyper::Result<Response<Incoming>> {
        let request = Request::builder().method(&self.method);
        let mut request = match self.http2 {
            true => request.uri(format!("http://host.example{}", self.url)),
            false => request.uri(&self.url).header(HOST, "host.example"),
        };
        for (name, value) in &self.headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(self.body.clone())).expect("the case is a request");
        // Either connection ends with its client.
        if self.http2 {
            let (mut client, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
            drop(tokio::spawn(connection));
            return client.send_request(request).await;
        }
        let (mut client, connection) = http1::handshake(stream).await?;
        drop(tokio::spawn(connection));
        client.send_request(request).await
    }
}

fn sorted(headers: &HeaderMap) -> Vec<(String, String)> {
    let kept = headers.iter().filter(|(name, _)| **name != DATE);
    let mut lines: Vec<_> = kept
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    // Stable: several lines of one name stay in their order.
    lines.sort_by(|one, other| one.0.cmp(&other.0));
    lines.dedup_by(|next, line| {
        // Those of this one cannot be joined (RFC 9110 section 5.3).
        let joins = next.0 == line.0 && next.0 != "set-cookie";
        if joins {
            line.1 = format!("{}, {}", line.1, next.1);
        }
        joins
    });
    lines
}
