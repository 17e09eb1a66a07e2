//! HTTP/1.1 without I/O: heads, bodies and responses as octets.

pub(crate) mod arena;
pub(crate) mod chunked;
pub(crate) mod date;
pub(crate) mod head;
pub(crate) mod heads;
pub(crate) mod length;
pub(crate) mod octets;
pub(crate) mod output;
pub(crate) mod reject;
pub(crate) mod response;
pub(crate) mod said;
pub(crate) mod scan;
pub(crate) mod target;
pub(crate) mod trailers;
