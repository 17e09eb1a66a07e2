//! The module.

use bivalve::prelude::*;
use http::header;

use super::{Header, SecurityHeadersConfig};

/// Adds security headers to every response.
#[derive(Debug)]
pub struct SecurityHeaders {
    always: Vec<(HeaderName, HeaderValue)>,
    secure: Option<HeaderValue>,
}

impl SecurityHeaders {
    /// The module.
    #[must_use]
    pub fn new(config: &SecurityHeadersConfig) -> Self {
        let SecurityHeadersConfig {
            content_security_policy,
            x_content_type_options,
            referrer_policy,
            permissions_policy,
            cross_origin_opener_policy,
            cross_origin_embedder_policy,
            cross_origin_resource_policy,
            strict_transport_security,
        } = config;
        let named = |name, Header(value): &Header| value.clone().map(|value| (name, value));
        let always = [
            named(header::CONTENT_SECURITY_POLICY, content_security_policy),
            named(header::X_CONTENT_TYPE_OPTIONS, x_content_type_options),
            named(header::REFERRER_POLICY, referrer_policy),
            named(HeaderName::from_static("permissions-policy"), permissions_policy),
            named(HeaderName::from_static("cross-origin-opener-policy"), cross_origin_opener_policy),
            named(HeaderName::from_static("cross-origin-embedder-policy"), cross_origin_embedder_policy),
            named(HeaderName::from_static("cross-origin-resource-policy"), cross_origin_resource_policy),
        ];
        Self { always: always.into_iter().flatten().collect(), secure: strict_transport_security.0.clone() }
    }
}

#[bivalve::module(priority = First)]
impl Module for SecurityHeaders {
    // SendResponse runs in inverted order: First is the last to see the headers.
    fn on_send_response(&self, cx: &mut Context, sending: &mut Sending) -> Result<Flow> {
        if !sending.headers_being_sent() {
            return Ok(Flow::Continue);
        }
        let secure = if cx.connection().is_secure() { self.secure.as_ref() } else { None };
        let headers = cx.response_mut().headers_mut();
        for (name, value) in &self.always {
            headers.entry(name).or_insert_with(|| value.clone());
        }
        if let Some(value) = secure {
            headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert_with(|| value.clone());
        }
        Ok(Flow::Continue)
    }
}
