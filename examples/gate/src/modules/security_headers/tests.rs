use bivalve::prelude::*;
use bivalve::testing::{TestHost, TestResponse, block_on};
use http::header;

use super::{Header, SecurityHeaders, SecurityHeadersConfig};

const ALL: [&str; 7] = [
    "content-security-policy",
    "x-content-type-options",
    "referrer-policy",
    "permissions-policy",
    "cross-origin-opener-policy",
    "cross-origin-embedder-policy",
    "cross-origin-resource-policy",
];

fn empty(_cx: &mut Context) -> Result<Flow> {
    Ok(Flow::Continue)
}

fn host(config: &SecurityHeadersConfig) -> TestHost {
    TestHost::new().mount(SecurityHeaders::new(config))
}

fn answer(host: &TestHost) -> TestResponse {
    block_on(host.get("/").finish())
}

#[test]
fn every_response_has_them() {
    let response = answer(&host(&SecurityHeadersConfig::default()).handler(empty));
    for name in ALL {
        assert_eq!(response.headers().get_all(name).iter().count(), 1, "{name}");
    }
    assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
}

#[test]
fn an_error_page_has_them() {
    // No handler: 404.
    let response = answer(&host(&SecurityHeadersConfig::default()));
    assert_eq!(response.status(), 404);
    assert!(ALL.iter().all(|name| response.headers().contains_key(*name)));
}

#[test]
fn what_the_application_set_stays() {
    fn own(cx: &mut Context) -> Result<Flow> {
        cx.response_mut().set_header("content-security-policy", "default-src 'self'")?;
        Ok(Flow::Continue)
    }
    let response = answer(&host(&SecurityHeadersConfig::default()).handler(own));
    let policies: Vec<_> = response.headers().get_all(header::CONTENT_SECURITY_POLICY).iter().collect();
    assert_eq!(policies, ["default-src 'self'"]);
}

#[test]
fn hsts_is_for_secure_connections_only() {
    let config = SecurityHeadersConfig::default();
    let plain = answer(&host(&config).handler(empty));
    assert_eq!(plain.header(header::STRICT_TRANSPORT_SECURITY), None);
    let secure = answer(&host(&config).handler(empty).connection(|client| client.secure(true)));
    assert_eq!(secure.header(header::STRICT_TRANSPORT_SECURITY), Some("max-age=31536000"));
}

#[test]
fn an_empty_value_sends_nothing() {
    let off = || Header::try_from(String::new()).expect("empty is good");
    let config = SecurityHeadersConfig {
        content_security_policy: off(),
        referrer_policy: Header::try_from("same-origin".to_owned()).expect("a value"),
        ..SecurityHeadersConfig::default()
    };
    let response = answer(&host(&config).handler(empty));
    assert_eq!(response.header(header::CONTENT_SECURITY_POLICY), None);
    assert_eq!(response.header(header::REFERRER_POLICY), Some("same-origin"));
}

#[test]
fn a_value_with_a_line_feed_is_refused() {
    assert!(Header::try_from("a\r\nx: y".to_owned()).is_err());
}
