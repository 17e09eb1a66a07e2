//! The settings of the timing header.

use serde::Deserialize;

/// `[server_timing]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerTimingConfig {
    /// Who sees it. Default: who has logged in.
    pub audience: Audience,
}

/// Who sees how long the modules took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Audience {
    /// Everybody: for development. Tells strangers how long the verification of a password took.
    All,
    /// Nobody.
    Nobody,
    /// Requests with a user.
    #[default]
    Users,
}
