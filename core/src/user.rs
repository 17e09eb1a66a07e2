//! The authenticated user.

use std::sync::Arc;

/// Who asks, once a module has found out.
///
/// Cheap to clone. The Tower adapter puts it into the request's extensions, so that an axum handler can take
/// `Extension<User>`.
///
/// ```
/// use bivalve_core::User;
///
/// let user = User::new("ada", "Basic").with_roles(["admin"]);
/// assert!(user.is_in_role("admin"));
/// ```
///
/// IIS counterpart: `IHttpUser`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    inner: Arc<Inner>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Inner {
    name: String,
    authentication_type: String,
    roles: Vec<String>,
}

impl User {
    /// A user with the scheme that proved it, such as `Basic` or `Bearer`.
    #[must_use]
    pub fn new(name: impl Into<String>, authentication_type: impl Into<String>) -> Self {
        let inner =
            Inner { name: name.into(), authentication_type: authentication_type.into(), roles: Vec::new() };
        Self { inner: Arc::new(inner) }
    }

    /// With roles.
    #[must_use]
    pub fn with_roles<R: Into<String>>(mut self, roles: impl IntoIterator<Item = R>) -> Self {
        Arc::make_mut(&mut self.inner).roles = roles.into_iter().map(Into::into).collect();
        self
    }

    /// The name: `REMOTE_USER`, and `cs-username` in the log.
    ///
    /// IIS counterpart: `GetUserName`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The scheme: `AUTH_TYPE`.
    ///
    /// IIS counterpart: `GetAuthenticationType`.
    #[must_use]
    pub fn authentication_type(&self) -> &str {
        &self.inner.authentication_type
    }

    /// Whether the user has a role. Compared exactly.
    ///
    /// IIS counterpart: `IsInRole`.
    #[must_use]
    pub fn is_in_role(&self, role: &str) -> bool {
        self.inner.roles.iter().any(|r| r == role)
    }
}
