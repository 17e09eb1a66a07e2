//! The `Authorization` header, taken apart.

use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::{HeaderMap, header};

/// What a request presents.
#[derive(PartialEq, Eq)]
pub(super) enum Credentials {
    /// A name and a password. RFC 7617.
    Basic { user: String, password: String },
    /// A token. RFC 6750.
    Bearer(String),
    /// Something that can only be refused.
    Malformed,
    /// Nothing, or a scheme that is not ours.
    Missing,
}

impl Credentials {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let Some(value) = values.next() else { return Self::Missing };
        // Two values: another program on the way may have looked at the other one.
        if values.next().is_some() || value.len() > MAX_HEADER {
            return Self::Malformed;
        }
        let Ok(text) = value.to_str() else { return Self::Malformed };
        let (scheme, rest) = text.split_once(' ').unwrap_or((text, ""));
        let rest = rest.trim_matches(' ');
        if scheme.eq_ignore_ascii_case("Basic") {
            basic(rest).unwrap_or(Self::Malformed)
        } else if scheme.eq_ignore_ascii_case("Bearer") {
            bearer(rest).unwrap_or(Self::Malformed)
        } else {
            Self::Missing
        }
    }
}

/// Never shows a secret.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Basic { .. } => "Basic(..)",
            Self::Bearer(_) => "Bearer(..)",
            Self::Malformed => "Malformed",
            Self::Missing => "Missing",
        })
    }
}

/// The name ends at the first colon, and neither part holds control characters: RFC 7617 section 2.
fn basic(text: &str) -> Option<Credentials> {
    let decoded = String::from_utf8(BASE64.decode(text).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    let plain = !decoded.chars().any(char::is_control);
    plain.then(|| Credentials::Basic { user: user.to_owned(), password: password.to_owned() })
}

/// `b64token` of RFC 6750 section 2.1.
fn bearer(text: &str) -> Option<Credentials> {
    let token = text.trim_end_matches('=');
    let plain =
        !token.is_empty() && token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b));
    plain.then(|| Credentials::Bearer(text.to_owned()))
}

/// Bytes of an `Authorization` value; a longer one is refused. Bounds what Argon2 has to read.
const MAX_HEADER: usize = 2048;

/// Clients disagree about the padding; it says nothing.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[&str]) -> Credentials {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, value.parse().expect("a header value"));
        }
        Credentials::of(&headers)
    }

    fn user(user: &str, password: &str) -> Credentials {
        Credentials::Basic { user: user.into(), password: password.into() }
    }

    #[test]
    fn basic_is_decoded_at_the_first_colon() {
        // The example of RFC 7617 section 2, and section 2.1 with a pound sign in UTF-8.
        assert_eq!(of(&["Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="]), user("Aladdin", "open sesame"));
        assert_eq!(of(&["Basic dGVzdDoxMjPCow=="]), user("test", "123£"));
        assert_eq!(of(&["basic   YTpiOmM"]), user("a", "b:c"));
        assert_eq!(of(&["Basic Og=="]), user("", ""));
    }

    #[test]
    fn basic_that_cannot_be_read_is_malformed() {
        // Not base64; no colon ("ab"); Latin-1 instead of UTF-8; a line feed in the name ("a\nb:c").
        for value in ["Basic", "Basic ???", "Basic YWI=", "Basic dGVzdDoxMjOj", "Basic YQpiOmM="] {
            assert_eq!(of(&[value]), Credentials::Malformed, "{value}");
        }
    }

    #[test]
    fn bearer_is_a_b64token() {
        assert_eq!(of(&["Bearer mF_9.B5f-4.1JqM=="]), Credentials::Bearer("mF_9.B5f-4.1JqM==".into()));
        for value in ["Bearer", "Bearer a b", "Bearer =", "Bearer a=b", "Bearer a,b"] {
            assert_eq!(of(&[value]), Credentials::Malformed, "{value}");
        }
    }

    #[test]
    fn two_authorizations_are_refused() {
        assert_eq!(of(&["Bearer a", "Bearer a"]), Credentials::Malformed);
    }

    #[test]
    fn overlong_credentials_are_refused() {
        assert_eq!(of(&[&format!("Bearer {}", "a".repeat(MAX_HEADER))]), Credentials::Malformed);
    }

    #[test]
    fn another_scheme_is_no_credential() {
        assert_eq!(of(&[]), Credentials::Missing);
        assert_eq!(of(&["Negotiate abc"]), Credentials::Missing);
        assert_eq!(of(&["Basically YTpi"]), Credentials::Missing);
    }

    proptest! {
        #[test]
        fn no_header_stops_the_server(value in "[ -~]{0,64}|[bB]asic [A-Za-z0-9+/=]{0,64}|Bearer [ -~]{0,64}") {
            if let Credentials::Basic { user, password } = of(&[&value]) {
                let control = user.chars().chain(password.chars()).any(char::is_control);
                prop_assert!(!user.contains(':') && !control);
            }
        }

        #[test]
        fn what_a_client_encodes_is_what_is_read(name in "[^:\\pC]{0,20}", password in "\\PC{0,20}") {
            let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{name}:{password}"));
            prop_assert_eq!(of(&[&format!("Basic {encoded}")]), user(&name, &password));
        }
    }

    #[test]
    fn debugging_output_holds_no_secret() {
        assert_eq!(format!("{:?}", user("ann", "secret")), "Basic(..)");
    }
}
