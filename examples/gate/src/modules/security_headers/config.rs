//! The settings of the security headers.

use http::HeaderValue;
use serde::Deserialize;

/// `[security_headers]`: the value of each header. An empty one is not sent.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SecurityHeadersConfig {
    /// What a page may load and do. Default: only this server's styles, pictures and forms; no scripts.
    pub content_security_policy: Header,
    /// Content is what its type says. Default: `nosniff`.
    pub x_content_type_options: Header,
    /// What other sites learn about where a visitor came from. Default: `no-referrer`.
    pub referrer_policy: Header,
    /// Which devices a page may use. Default: none.
    pub permissions_policy: Header,
    /// Who shares a window with the page. Default: `same-origin`.
    pub cross_origin_opener_policy: Header,
    /// What a page may embed. Default: `require-corp`.
    pub cross_origin_embedder_policy: Header,
    /// Who may embed what is here. Default: `same-origin`.
    pub cross_origin_resource_policy: Header,
    /// For how long browsers insist on HTTPS; sent on secure connections only, as RFC 6797 section 7.2 demands.
    /// Default: a year.
    pub strict_transport_security: Header,
}

impl Default for SecurityHeadersConfig {
    fn default() -> Self {
        Self {
            content_security_policy: Header::from_static(
                "default-src 'none'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; \
                 base-uri 'none'; frame-ancestors 'none'",
            ),
            x_content_type_options: Header::from_static("nosniff"),
            referrer_policy: Header::from_static("no-referrer"),
            permissions_policy: Header::from_static(
                "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
            ),
            cross_origin_opener_policy: Header::from_static("same-origin"),
            cross_origin_embedder_policy: Header::from_static("require-corp"),
            cross_origin_resource_policy: Header::from_static("same-origin"),
            strict_transport_security: Header::from_static("max-age=31536000"),
        }
    }
}

/// The value of a header, or nothing.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Header(pub(super) Option<HeaderValue>);

impl Header {
    fn from_static(value: &'static str) -> Self {
        Self(Some(HeaderValue::from_static(value)))
    }
}

impl TryFrom<String> for Header {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        if text.trim().is_empty() {
            return Ok(Self(None));
        }
        let value =
            HeaderValue::from_str(&text).map_err(|_| "a header value is printable ASCII on one line")?;
        Ok(Self(Some(value)))
    }
}
