//! Every limit of the server: those that can be set, and those that cannot.

use std::time::Duration;

/// Bounds of what a client may send.
///
#[doc = include_str!("limits.md")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    head_bytes: usize,
    headers: usize,
    url_bytes: usize,
    query_bytes: usize,
    body_bytes: u64,
    http2_streams: u32,
    http2_resets: usize,
    http2_pending_resets: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: 16_384,
            headers: 100,
            url_bytes: 4096,
            query_bytes: 2048,
            body_bytes: 30_000_000,
            http2_streams: 200,
            http2_resets: 1024,
            http2_pending_resets: 20,
        }
    }
}

impl Limits {
    /// What [`with_headers`](Self::with_headers) can be at most.
    pub const MOST_HEADERS: usize = 256;

    /// Bytes of a request's head: request line, header lines, and the empty line.
    #[must_use]
    pub fn with_head_bytes(mut self, bytes: usize) -> Self {
        self.head_bytes = bytes;
        self
    }

    /// Header lines of a request; what is above [`MOST_HEADERS`](Self::MOST_HEADERS) is taken for that.
    #[must_use]
    pub fn with_headers(mut self, headers: usize) -> Self {
        self.headers = headers.min(Self::MOST_HEADERS);
        self
    }

    /// Bytes of a URL's path.
    #[must_use]
    pub fn with_url_bytes(mut self, bytes: usize) -> Self {
        self.url_bytes = bytes;
        self
    }

    /// Bytes of a URL's query, its question mark not counted.
    #[must_use]
    pub fn with_query_bytes(mut self, bytes: usize) -> Self {
        self.query_bytes = bytes;
        self
    }

    /// Bytes of a request's body; chunks and their extensions do not count.
    #[must_use]
    pub fn with_body_bytes(mut self, bytes: u64) -> Self {
        self.body_bytes = bytes;
        self
    }

    /// HTTP/2: requests of one connection at the same time.
    #[must_use]
    pub fn with_http2_streams(mut self, streams: u32) -> Self {
        self.http2_streams = streams;
        self
    }

    /// HTTP/2: streams of one connection that were reset for a fault of its client.
    #[must_use]
    pub fn with_http2_resets(mut self, resets: usize) -> Self {
        self.http2_resets = resets;
        self
    }

    /// HTTP/2: streams of one connection that its client has reset before the server has looked at them.
    #[must_use]
    pub fn with_http2_pending_resets(mut self, resets: usize) -> Self {
        self.http2_pending_resets = resets;
        self
    }

    /// See [`with_head_bytes`](Self::with_head_bytes).
    #[must_use]
    pub fn head_bytes(&self) -> usize {
        self.head_bytes
    }

    /// See [`with_headers`](Self::with_headers).
    #[must_use]
    pub fn headers(&self) -> usize {
        self.headers
    }

    /// See [`with_url_bytes`](Self::with_url_bytes).
    #[must_use]
    pub fn url_bytes(&self) -> usize {
        self.url_bytes
    }

    /// See [`with_query_bytes`](Self::with_query_bytes).
    #[must_use]
    pub fn query_bytes(&self) -> usize {
        self.query_bytes
    }

    /// See [`with_body_bytes`](Self::with_body_bytes).
    #[must_use]
    pub fn body_bytes(&self) -> u64 {
        self.body_bytes
    }

    /// See [`with_http2_streams`](Self::with_http2_streams).
    #[must_use]
    pub fn http2_streams(&self) -> u32 {
        self.http2_streams
    }

    /// See [`with_http2_resets`](Self::with_http2_resets).
    #[must_use]
    pub fn http2_resets(&self) -> usize {
        self.http2_resets
    }

    /// See [`with_http2_pending_resets`](Self::with_http2_pending_resets).
    #[must_use]
    pub fn http2_pending_resets(&self) -> usize {
        self.http2_pending_resets
    }
}

/// Connections at the same time, and those of one address, unless the server is told otherwise.
pub(crate) const CONNECTIONS: usize = 10_000;
pub(crate) const CONNECTIONS_PER_ADDRESS: usize = 1_000;

/// Framing that a chunked body may have whatever its length: RFC 9112 section 7.1.1 asks for such a bound.
pub(crate) const CHUNK_OVERHEAD: u64 = 64 * 1024;
/// Framing for each byte of a chunked body: a chunk of one byte has five.
pub(crate) const CHUNK_OVERHEAD_PER_BYTE: u64 = 8;

/// Octets that are received while nobody reads them: enough for a few requests that wait for their turn.
pub(crate) const READ_AHEAD: usize = 16 * 1024;

/// Connections of a thread that receive a large body into buffers of 256 KiB, one at a time each.
pub(crate) const LARGE_PLACES: usize = 64;
/// Such buffers that are lent to who reads a body.
pub(crate) const LARGE_LENT: usize = 64;

/// Octets of a body that nobody has read which are read and thrown away, to keep the connection.
pub(crate) const DRAINED: u64 = 64 * 1024;

/// Connections that the system holds for us; more than its own limit is taken for that.
pub(crate) const BACKLOG: i32 = 4096;

/// The first pause where the system gives no descriptor for a connection, and the longest.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(10);
pub(crate) const ACCEPT_PAUSE_MOST: Duration = Duration::from_secs(1);

/// Octets of a PROXY header of version 1, its line end included.
pub(crate) const PROXY_LINE: usize = 107;
/// Octets of a PROXY header of version 2, behind its first 16.
pub(crate) const PROXY_HEADER: usize = 4096;

/// How long a closed connection is still read, how long a client may take to close one that it was told to, and how long a head
/// is waited for that had begun to come when the server stopped.
pub(crate) const LINGER: Duration = Duration::from_secs(2);

/// For LogRequest and EndRequest of all that is cut when the server stops.
pub(crate) const OWED: Duration = Duration::from_secs(2);

/// After so long without a request, a connection lets go of what it does not need.
pub(crate) const RESTLESS: Duration = Duration::from_secs(2);

/// Connections of a thread that keep what a request needs for so long; others let go of it at once.
pub(crate) const WARM: usize = 1024;

/// Between two looks for connections that have been idle for too long.
pub(crate) const IDLE_LOOK: Duration = Duration::from_secs(1);

/// HTTP/2: octets of bodies that a client may send before anybody reads them, of a connection and of each stream.
pub(crate) const HTTP2_WINDOW: u32 = 1024 * 1024;

/// HTTP/2: octets of a response that wait for its client. hyper has 400 KiB, which 200 streams of one connection make 80 MB.
pub(crate) const HTTP2_SEND_BUFFER: usize = 64 * 1024;

#[cfg(test)]
mod tests;
