use std::sync::Arc;

use argon2::{Argon2, Params, PasswordHasher};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bivalve::prelude::*;
use bivalve::testing::{TestHost, TestRequest, TestResponse};
use tokio::sync::Semaphore;

use super::{Authentication, AuthenticationConfig, Passwords, TokenConfig, TokenHash};

/// Says who is there.
fn who(cx: &mut Context) -> Result<Flow> {
    let user =
        cx.user().map_or_else(|| "nobody".into(), |u| format!("{} {}", u.authentication_type(), u.name()));
    let headers = cx.request().headers();
    assert!(headers.get(http::header::AUTHORIZATION).is_none_or(HeaderValue::is_sensitive));
    cx.response_mut().write(user)?;
    Ok(Flow::Continue)
}

/// Knows ann:secret, zoë lee:pässword, and a token `tok`.
fn gate(change: impl FnOnce(&mut AuthenticationConfig)) -> Authentication {
    let hash = |password: &str| {
        let cheap = Argon2::from(Params::new(8, 1, 1, None).expect("the lowest cost"));
        cheap.hash_password(password.as_bytes()).expect("a hash").to_string()
    };
    let file = format!("ann:{}\nzoë lee:{}\n", hash("secret"), hash("pässword"));
    let mut config = AuthenticationConfig {
        tokens: vec![TokenConfig { name: "ci".into(), sha256: TokenHash::of("tok") }],
        ..AuthenticationConfig::default()
    };
    change(&mut config);
    Authentication::new(&config, Passwords::parse(&file).expect("well formed")).expect("users")
}

fn host(change: impl FnOnce(&mut AuthenticationConfig)) -> TestHost {
    TestHost::new().mount(gate(change)).handler(who)
}

fn plain() -> TestHost {
    host(|_| {})
}

fn basic(request: TestRequest, credentials: &str) -> TestRequest {
    request.header("authorization", format!("Basic {}", STANDARD.encode(credentials)))
}

fn challenges(response: &TestResponse) -> Vec<&str> {
    response.headers().get_all("www-authenticate").iter().filter_map(|value| value.to_str().ok()).collect()
}

/// The status and sub-status that the log would show.
async fn logged(mut request: TestRequest) -> (u16, u16) {
    request.run_until(Notification::LogRequest).await;
    let response = request.context().response();
    (response.status().as_u16(), response.sub_status())
}

#[tokio::test]
async fn a_user_with_the_right_password_comes_in() {
    let host = plain();
    assert_eq!(basic(host.get("/"), "ann:secret").finish().await.text(), "Basic ann");
    assert_eq!(basic(host.get("/"), "zoë lee:pässword").finish().await.text(), "Basic zoë lee");
}

#[tokio::test]
async fn a_token_comes_in() {
    let response = plain().get("/").header("authorization", "Bearer tok").finish().await;
    assert_eq!(response.text(), "Bearer ci");
}

#[tokio::test]
async fn without_credentials_it_is_401_2_with_every_challenge() {
    let response = plain().get("/").finish().await;
    assert_eq!((response.status().as_u16(), response.text()), (401, "Access denied.\n"));
    assert_eq!(challenges(&response), [r#"Basic realm="gate", charset="UTF-8""#, r#"Bearer realm="gate""#]);
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(logged(plain().get("/")).await, (401, 2));
    assert_eq!(logged(plain().get("/").header("authorization", "Negotiate abc")).await, (401, 2));
}

#[tokio::test]
async fn with_wrong_credentials_it_is_401_1() {
    let host = plain();
    for credentials in ["ann:Secret", "ann:", "bob:secret", ":", "ann"] {
        assert_eq!(logged(basic(host.get("/"), credentials)).await, (401, 1), "{credentials}");
    }
    assert_eq!(logged(host.get("/").header("authorization", "Bearer no")).await, (401, 1));
    let both = basic(host.get("/"), "ann:secret").header("authorization", "Bearer tok");
    assert_eq!(logged(both).await, (401, 1));
}

#[tokio::test]
async fn a_wrong_token_is_told_what_is_wrong() {
    let response = plain().get("/").header("authorization", "Bearer no").finish().await;
    assert_eq!(challenges(&response)[1], r#"Bearer realm="gate", error="invalid_token""#);
}

#[tokio::test]
async fn only_what_can_be_used_is_offered() {
    let response = host(|config| config.tokens.clear()).get("/").finish().await;
    assert_eq!(challenges(&response), [r#"Basic realm="gate", charset="UTF-8""#]);
}

#[tokio::test]
async fn the_handler_does_not_run_for_a_refusal() {
    let host = plain();
    let mut request = host.get("/");
    request.finish().await;
    assert!(!format!("{:?}", request.trace()).contains("ExecuteRequestHandler"), "{:?}", request.trace());
}

#[tokio::test]
async fn an_open_path_is_one_spelling() {
    let host = plain();
    assert_eq!(host.get("/healthz").finish().await.text(), "nobody");
    assert_eq!(host.get("/healthz?a=b").finish().await.text(), "nobody");
    for path in
        ["/healthz/", "/HEALTHZ", "/%68ealthz", "//healthz", "/healthz/../", "/healthz;a", "/a/../healthz"]
    {
        assert_eq!(logged(host.get(path)).await, (401, 2), "{path}");
    }
}

#[tokio::test]
async fn a_rewritten_path_is_judged_as_the_handler_sees_it() {
    struct Rewrite;
    #[bivalve::module]
    impl Module for Rewrite {
        fn on_begin_request(&self, cx: &mut Context) -> Result<Flow> {
            cx.request_mut().set_url("/secret")?;
            Ok(Flow::Continue)
        }
    }
    assert_eq!(logged(plain().mount(Rewrite).get("/healthz")).await, (401, 2));
}

/// A host in which one verification may run and none may wait, and the permit to run it.
fn narrow() -> (TestHost, Arc<Semaphore>) {
    let gate = gate(|config| {
        config.concurrent_verifications = 1;
        config.verifications_per_address = 1;
        config.waiting_verifications = 0;
    });
    let running = Arc::clone(&gate.verifier.running);
    (TestHost::new().mount(gate).handler(who), running)
}

#[tokio::test]
async fn more_logins_than_may_wait_are_told_to_come_back() {
    let (host, running) = narrow();
    let somebody = running.acquire_owned().await.expect("open");
    let (mut first, mut second) = (basic(host.get("/"), "ann:secret"), basic(host.get("/"), "ann:secret"));
    let second = async {
        let response = second.finish().await;
        drop(somebody);
        response
    };
    let (first, second) = tokio::join!(first.finish(), second);
    assert_eq!((second.status().as_u16(), second.header("retry-after")), (503, Some("1")));
    assert_eq!(first.text(), "Basic ann");
}

#[tokio::test]
async fn who_came_in_before_waits_for_nobody() {
    let (host, running) = narrow();
    assert_eq!(basic(host.get("/"), "ann:secret").finish().await.status(), 200);
    let _somebody = running.acquire_owned().await.expect("open");
    assert_eq!(basic(host.get("/"), "ann:secret").finish().await.text(), "Basic ann");
}

#[tokio::test]
async fn wrong_credentials_are_never_remembered() {
    let (host, running) = narrow();
    assert_eq!(basic(host.get("/"), "ann:wrong").finish().await.status(), 401);
    let somebody = running.acquire_owned().await.expect("open");
    let (mut again, mut other) = (basic(host.get("/"), "ann:wrong"), basic(host.get("/"), "ann:wrong"));
    let other = async {
        let response = other.finish().await;
        drop(somebody);
        response
    };
    let (again, other) = tokio::join!(again.finish(), other);
    // The same guess waited for its turn once more, or the other would not have been turned away.
    assert_eq!((again.status().as_u16(), other.status().as_u16()), (401, 503));
}

#[test]
fn a_gate_through_which_nobody_could_go_is_not_built() {
    let nobody = Passwords::parse("").expect("empty");
    let error = Authentication::new(&AuthenticationConfig::default(), nobody).expect_err("nobody");
    assert!(error.to_string().starts_with("nobody can log in"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_login_waits_for_its_turn_and_not_without_end() {
    let gate = gate(|config| config.concurrent_verifications = 1);
    let running = Arc::clone(&gate.verifier.running);
    let host = TestHost::new().mount(gate).handler(who);
    let _somebody = running.acquire_owned().await.expect("open");
    let start = tokio::time::Instant::now();
    assert_eq!(basic(host.get("/"), "ann:secret").finish().await.status(), 503);
    assert_eq!(start.elapsed().as_secs(), 5);
}

#[tokio::test]
async fn where_basic_is_not_offered_no_password_is_verified() {
    let config = AuthenticationConfig {
        tokens: vec![TokenConfig { name: "ci".into(), sha256: TokenHash::of("tok") }],
        waiting_verifications: 0,
        ..AuthenticationConfig::default()
    };
    let gate = Authentication::new(&config, Passwords::parse("").expect("empty")).expect("a token");
    let _all = Arc::clone(&gate.verifier.running).acquire_many_owned(1).await.expect("open");
    gate.verifier.running.close();
    let host = TestHost::new().mount(gate).handler(who);
    assert_eq!(logged(basic(host.get("/"), "ann:secret")).await, (401, 1));
}
