//! Every limit of the server.

/// Bounds of what a client may send.
///
/// | limit | default | what the client gets | source |
/// |---|---|---|---|
/// | [`head_bytes`](Self::with_head_bytes) | 16,384 | 431; 414 where the first line alone is too long | http.sys `MaxRequestBytes` |
/// | [`headers`](Self::with_headers) | 100 | 431 | hyper |
/// | [`url_bytes`](Self::with_url_bytes) | 4,096 | 404, sub-status 14 | IIS `maxUrl` |
/// | [`query_bytes`](Self::with_query_bytes) | 2,048 | 404, sub-status 15 | IIS `maxQueryString` |
/// | [`body_bytes`](Self::with_body_bytes) | 30,000,000 | 413 | IIS `maxAllowedContentLength` |
/// | [`http2_streams`](Self::with_http2_streams) | 200 | HTTP/2: its stream is refused | hyper |
/// | [`http2_resets`](Self::with_http2_resets) | 1,024 | HTTP/2: GOAWAY `ENHANCE_YOUR_CALM` | hyper |
///
/// In HTTP/1.1 the connection is closed after each of these answers, in HTTP/2 the stream. There, `head_bytes` is the
/// `SETTINGS_MAX_HEADER_LIST_SIZE` (32 bytes more count for each field), and what is above 431 for the first line too.
///
/// What is refused so reaches no module, and no LogRequest: status, sub-status and reason are traced, target `bivalve::server`, at
/// level DEBUG. Only a chunked body is found too large, or malformed, when its request runs already; its handler's read then fails,
/// and the client gets the 413 or 400 unless a response has begun.
///
/// HTTP/2 connections besides end with GOAWAY `ENHANCE_YOUR_CALM` when 20 streams wait that their clients have reset at once
/// (h2).
///
/// Of a listener that encrypts, besides: a handshake that takes longer than
/// [10 seconds](crate::TlsBuilder::handshake_timeout), a decision of this server's, is closed without an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    head_bytes: usize,
    headers: usize,
    url_bytes: usize,
    query_bytes: usize,
    body_bytes: u64,
    http2_streams: u32,
    http2_resets: usize,
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
}
