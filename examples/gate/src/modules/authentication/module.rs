//! The module.

use std::collections::HashSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use bivalve::prelude::*;
use http::header;

use super::credentials::Credentials;
use super::tokens::Tokens;
use super::verifier::{Verdict, Verifier};
use super::{AuthenticationConfig, Passwords};

/// Lets in whom it knows.
pub struct Authentication {
    pub(super) verifier: Verifier,
    tokens: Tokens,
    open_paths: HashSet<String>,
    basic: Option<HeaderValue>,
    bearer: Option<HeaderValue>,
    bearer_was_wrong: Option<HeaderValue>,
}

/// Why a request is refused.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// 401.2: none of the server's schemes was used.
    Missing,
    /// 401.1: logon failed.
    WrongPassword,
    /// 401.1, and RFC 6750 has a word for it.
    WrongToken,
}

impl Authentication {
    /// The module. The passwords are given apart, because they may come from elsewhere than a file.
    ///
    /// # Errors
    ///
    /// When there is neither a user nor a token, or the system has no random bytes.
    pub fn new(
        config: &AuthenticationConfig,
        passwords: impl Into<Arc<Passwords>>,
    ) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let verifier = Verifier::new(passwords.into(), config)?;
        let tokens = Tokens::new(&config.tokens);
        if verifier.knows_nobody() && tokens.is_empty() {
            return Err(NobodyCanLogIn.into());
        }
        let realm = config.realm.as_str();
        let offer =
            |offered: bool, challenge: String| offered.then(|| HeaderValue::try_from(challenge)).transpose();
        Ok(Self {
            // RFC 7617 section 2.1: the charset tells browsers to send UTF-8.
            basic: offer(!verifier.knows_nobody(), format!(r#"Basic realm="{realm}", charset="UTF-8""#))?,
            bearer: offer(!tokens.is_empty(), format!(r#"Bearer realm="{realm}""#))?,
            // RFC 6750 section 3.1: only when a token was presented.
            bearer_was_wrong: offer(
                !tokens.is_empty(),
                format!(r#"Bearer realm="{realm}", error="invalid_token""#),
            )?,
            verifier,
            tokens,
            open_paths: config.open_paths.iter().cloned().collect(),
        })
    }

    async fn find_out(
        &self,
        client: Option<IpAddr>,
        credentials: Credentials,
    ) -> Result<Option<Result<User, Refusal>>> {
        Ok(Some(match credentials {
            Credentials::Missing => Err(Refusal::Missing),
            Credentials::Malformed => Err(Refusal::WrongPassword),
            Credentials::Bearer(token) => self.tokens.verify(&token).ok_or(Refusal::WrongToken),
            // What is not offered costs nothing.
            Credentials::Basic { .. } if self.basic.is_none() => Err(Refusal::WrongPassword),
            Credentials::Basic { user, password } => {
                match self.verifier.verify(client, &user, &password).await? {
                    Verdict::Right(user) => Ok(user),
                    Verdict::Wrong => Err(Refusal::WrongPassword),
                    Verdict::Busy => return Ok(None),
                }
            }
        }))
    }

    fn refuse(&self, cx: &mut Context, refusal: Refusal) -> Result<Flow> {
        let sub_status = if refusal == Refusal::Missing { 2 } else { 1 };
        let bearer = if refusal == Refusal::WrongToken { &self.bearer_was_wrong } else { &self.bearer };
        let response = cx.response_mut();
        response.clear();
        response.set_status_code(401, sub_status)?;
        for challenge in [&self.basic, bearer].into_iter().flatten() {
            response.headers_mut().append(header::WWW_AUTHENTICATE, challenge.clone());
        }
        answer(cx, "Access denied.\n")
    }
}

#[bivalve::module]
impl Module for Authentication {
    async fn on_authenticate_request(&self, cx: &mut Context) -> Result<Flow> {
        // By the path that the handler will see, and byte for byte: there is no second spelling to be missed.
        if self.open_paths.contains(cx.request().url().path()) {
            return Ok(Flow::Continue);
        }
        let headers = cx.request_mut().headers_mut();
        let credentials = Credentials::of(headers);
        // From here on nothing that prints the headers prints these.
        headers
            .iter_mut()
            .filter(|(name, _)| **name == header::AUTHORIZATION)
            .for_each(|(_, value)| value.set_sensitive(true));
        let client = cx.connection().remote_addr().map(|addr| addr.ip());
        match self.find_out(client, credentials).await? {
            Some(Ok(user)) => {
                cx.set_user(user);
                Ok(Flow::Continue)
            }
            Some(Err(refusal)) => self.refuse(cx, refusal),
            None => busy(cx),
        }
    }
}

impl fmt::Debug for Authentication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authentication").field("open_paths", &self.open_paths).finish_non_exhaustive()
    }
}

/// More wait for their verification than may wait, or this one has waited too long.
fn busy(cx: &mut Context) -> Result<Flow> {
    let response = cx.response_mut();
    response.clear();
    response.set_status(StatusCode::SERVICE_UNAVAILABLE);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    answer(cx, "Too many logins at once; try again.\n")
}

fn answer(cx: &mut Context, text: &'static str) -> Result<Flow> {
    let response = cx.response_mut();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response.write(text)?;
    Ok(Flow::Finish)
}

/// There is neither a user nor a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NobodyCanLogIn;

impl fmt::Display for NobodyCanLogIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody can log in: the password file has no user, and no token is configured")
    }
}

impl std::error::Error for NobodyCanLogIn {}
