//! A client that writes bytes and reads strictly. What HTTP leaves to the reader's choice it refuses: that is where
//! two readers of one stream come to disagree.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// Waits for something that must happen. The bound only ends a test that fails.
pub async fn bounded<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(Duration::from_secs(20), future).await {
        Ok(output) => output,
        Err(_) => panic!("nothing came: {what}"),
    }
}

/// One connection.
pub struct Client<S = TcpStream> {
    stream: S,
    buffer: Vec<u8>,
}

/// Status and headers as they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub status: u16,
    pub headers: Vec<(String, String)>,
}

/// A whole response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub head: Head,
    pub body: Vec<u8>,
    pub trailers: Vec<(String, String)>,
    /// The connection ended before the body did.
    pub cut: bool,
}

impl Head {
    /// The only value of a header.
    pub fn get(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name} came more than once: {all:?}");
        all.first().copied()
    }

    pub fn all(&self, name: &str) -> Vec<&str> {
        let fits = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        fits.map(|(_, value)| &**value).collect()
    }
}

impl Reply {
    pub fn status(&self) -> u16 {
        self.head.status
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is text")
    }
}

impl Client {
    pub async fn connect(addr: SocketAddr) -> Self {
        let stream = TcpStream::connect(addr).await.expect("the server listens");
        stream.set_nodelay(true).expect("a TCP option");
        Self::new(stream)
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.stream.local_addr().expect("an address")
    }

    /// Closes the connection, or resets it: the way of a client that was killed.
    pub fn leave(self, reset: bool) {
        if reset {
            self.stream.set_zero_linger().expect("a TCP option");
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub fn new(stream: S) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        bounded("the server takes bytes", self.stream.write_all(bytes.as_ref()))
            .await
            .expect("the bytes leave");
        self.stream.flush().await.expect("the bytes leave");
    }

    /// As `send`, to a server that may have closed already.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = bounded("the server takes bytes", self.stream.write_all(bytes.as_ref())).await;
        let _ = self.stream.flush().await;
    }

    /// Status and headers.
    pub async fn head(&mut self) -> Head {
        self.try_head().await.expect("a response head before the connection ends")
    }

    /// Status and headers, or `None` when the connection ended without a byte of them.
    pub async fn try_head(&mut self) -> Option<Head> {
        let text = self.until(b"\r\n\r\n").await?;
        Some(parse_head(&text))
    }

    /// A response to anything but HEAD.
    pub async fn reply(&mut self) -> Reply {
        self.try_reply(false).await.expect("a response before the connection ends")
    }

    /// A response to HEAD.
    pub async fn reply_to_head(&mut self) -> Reply {
        self.try_reply(true).await.expect("a response before the connection ends")
    }

    pub async fn try_reply(&mut self, to_head: bool) -> Option<Reply> {
        let head = self.try_head().await?;
        let bodiless = to_head || head.status < 200 || head.status == 204 || head.status == 304;
        let mut reply = Reply { head, body: Vec::new(), trailers: Vec::new(), cut: false };
        match (reply.head.get("transfer-encoding"), reply.head.get("content-length")) {
            (Some(_), Some(_)) => panic!("two ways to find the end: {:?}", reply.head),
            _ if bodiless => {}
            (Some(coding), None) => {
                assert_eq!(coding, "chunked");
                loop {
                    let Some(chunk) = self.try_chunk().await else {
                        reply.cut = true;
                        break;
                    };
                    if chunk.is_empty() {
                        reply.trailers = self.trailers().await;
                        break;
                    }
                    reply.body.extend(chunk);
                }
            }
            (None, Some(length)) => {
                assert!(length.bytes().all(|b| b.is_ascii_digit()), "content-length {length:?}");
                let length: usize = length.parse().expect("a length");
                reply.cut = !self.fill(length).await;
                let length = length.min(self.buffer.len());
                reply.body = self.buffer.drain(..length).collect();
            }
            (None, None) => reply.body = self.rest().await,
        }
        Some(reply)
    }

    /// One chunk of a chunked body; the last one is empty.
    pub async fn chunk(&mut self) -> Vec<u8> {
        self.try_chunk().await.expect("a chunk before the connection ends")
    }

    async fn try_chunk(&mut self) -> Option<Vec<u8>> {
        let line = self.until(b"\r\n").await?;
        let line = std::str::from_utf8(&line[..line.len() - 2]).expect("a chunk size");
        let size = usize::from_str_radix(line, 16).expect("a chunk size");
        if size == 0 {
            return Some(Vec::new());
        }
        if !self.fill(size + 2).await {
            return None;
        }
        let chunk: Vec<u8> = self.buffer.drain(..size).collect();
        let end: Vec<u8> = self.buffer.drain(..2).collect();
        assert_eq!(end, b"\r\n", "a chunk of the announced size");
        Some(chunk)
    }

    /// What follows the last chunk.
    async fn trailers(&mut self) -> Vec<(String, String)> {
        let mut trailers = Vec::new();
        loop {
            let line = self.until(b"\r\n").await.expect("the end of the trailers");
            if line == b"\r\n" {
                return trailers;
            }
            trailers.push(parse_field(&line[..line.len() - 2]));
        }
    }

    /// Exactly so many bytes.
    pub async fn exactly(&mut self, count: usize) -> Vec<u8> {
        assert!(self.fill(count).await, "{count} bytes before the connection ends");
        self.buffer.drain(..count).collect()
    }

    /// Everything up to the end of the connection.
    pub async fn rest(&mut self) -> Vec<u8> {
        while self.more().await {}
        std::mem::take(&mut self.buffer)
    }

    /// No more bytes from this side; the other direction stays open.
    pub async fn end_of_sending(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    async fn until(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            if let Some(at) = self.buffer.windows(end.len()).position(|window| window == end) {
                return Some(self.buffer.drain(..at + end.len()).collect());
            }
            if !self.more().await {
                return None;
            }
        }
    }

    async fn fill(&mut self, count: usize) -> bool {
        while self.buffer.len() < count {
            if !self.more().await {
                return false;
            }
        }
        true
    }

    /// More bytes; `false` at the end of the connection.
    async fn more(&mut self) -> bool {
        let read = bounded("bytes of the server", self.stream.read_buf(&mut self.buffer)).await;
        // A connection that was reset has ended, too.
        read.is_ok_and(|count| count > 0)
    }
}

fn parse_head(text: &[u8]) -> Head {
    let mut lines = text[..text.len() - 4].split(|b| *b == b'\n');
    let status = lines.next().expect("a status line");
    let status = std::str::from_utf8(status).expect("a status line of text").trim_end_matches('\r');
    let status =
        status.strip_prefix("HTTP/1.1 ").or(status.strip_prefix("HTTP/1.0 ")).expect("a status line");
    let fields = lines.map(|line| parse_field(line.strip_suffix(b"\r").unwrap_or(line)));
    Head { status: status[..3].parse().expect("a status"), headers: fields.collect() }
}

fn parse_field(line: &[u8]) -> (String, String) {
    let line = std::str::from_utf8(line).expect("a field of text");
    let (name, value) = line.split_once(": ").or(line.split_once(':')).expect("a field with a colon");
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    assert!(!name.is_empty() && name.bytes().all(token), "a field name: {line:?}");
    assert!(!value.bytes().any(|b| b < b' ' && b != b'\t'), "a field value: {line:?}");
    (name.to_owned(), value.to_owned())
}
