//! The module and the id.

use std::fmt;

use bivalve::Request;
use bivalve::prelude::*;

use super::RequestIdConfig;

/// Gives every request a [`RequestId`].
#[derive(Debug)]
pub struct RequestIds {
    trust_incoming: bool,
}

/// The id of a request: letters, digits and `-`, `_`, `.`; at most 64 of them.
///
/// Other modules find it in [`Context::shared`], axum handlers take `Extension<RequestId>`.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestIds {
    /// The module.
    #[must_use]
    pub fn new(config: &RequestIdConfig) -> Self {
        Self { trust_incoming: config.trust_incoming }
    }

    fn choose(&self, request: &Request) -> Result<RequestId> {
        if self.trust_incoming
            && let Some(incoming) = incoming(request)
        {
            return Ok(incoming);
        }
        RequestId::random()
    }
}

#[bivalve::module(priority = First)]
impl Module for RequestIds {
    fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
        let id = self.choose(cx.request())?;
        let request = cx.request_mut();
        // What the application sees in the header is what the log says, never what an unknown client wrote.
        request.headers_mut().insert(HEADER, id.0.clone());
        request.extensions_mut().insert(id.clone());
        cx.shared_mut().insert(id);
        Ok(Flow::Continue)
    }

    fn on_send_response(&self, cx: &mut Context, sending: &mut Sending) -> Result<Flow> {
        if sending.headers_being_sent()
            && let Some(RequestId(value)) = cx.shared().get().cloned()
        {
            cx.response_mut().headers_mut().insert(HEADER, value);
        }
        Ok(Flow::Continue)
    }
}

impl RequestId {
    /// A new one: 128 random bits.
    fn random() -> Result<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Self(HeaderValue::from_str(&format!("{:032x}", u128::from_be_bytes(bytes)))?))
    }

    /// One that a client sent, if it is well formed: it goes into log lines and headers.
    fn parse(value: &HeaderValue) -> Option<Self> {
        let well_formed = (1..=MAX_LENGTH).contains(&value.len())
            && value.as_bytes().iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b));
        well_formed.then(|| Self(value.clone()))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Both constructors admit only ASCII.
        self.0.to_str().unwrap_or_default()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The client's id; none when it sent two, because then another program on the way may have read the other.
fn incoming(request: &Request) -> Option<RequestId> {
    let mut values = request.headers().get_all(HEADER).iter();
    let first = values.next()?;
    values.next().is_none().then(|| RequestId::parse(first))?
}

const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Longer ids of clients are replaced: a UUID has 36 characters, a trace id 32.
const MAX_LENGTH: usize = 64;
