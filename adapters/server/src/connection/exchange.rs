//! The request that is being served, and its response, as far as they have come.

use super::body::Body;
use crate::http1::reject::Reject;
use crate::http1::response::{Asked, Encoder};

/// The request that is being served, and its response.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) asked: Option<Asked>,
    pub(super) body: Body,
    /// The client waits for a word before it sends the body.
    pub(super) owes_continue: bool,
    /// What was wrong with the body: the client is told, unless a response has begun.
    pub(super) reject: Option<Reject>,
    pub(super) encoder: Option<Encoder>,
    /// Octets of body in the part that is being sent.
    pub(super) part: usize,
    pub(super) ended: bool,
    /// The response cannot be finished.
    pub(super) reset: bool,
    pub(super) reading: bool,
}

impl Default for Exchange {
    fn default() -> Self {
        Self {
            asked: None,
            body: Body::Read,
            owes_continue: false,
            reject: None,
            encoder: None,
            part: 0,
            ended: false,
            reset: false,
            reading: false,
        }
    }
}
