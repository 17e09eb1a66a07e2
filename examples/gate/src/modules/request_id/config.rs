//! The settings of the request id.

use serde::Deserialize;

/// `[request_id]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RequestIdConfig {
    /// Whether a well-formed `x-request-id` of the client is kept. Only behind a proxy that sets it: otherwise a
    /// client chooses what the log says. Default: no.
    pub trust_incoming: bool,
}
