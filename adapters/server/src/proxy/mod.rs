//! The PROXY protocol, versions 1 and 2: a proxy in front says whose connection it hands on.

mod header;
mod peers;

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt};

use self::header::{FIRST, Parsed};
use crate::limits::PROXY_LINE;

pub use self::peers::TrustedPeers;

/// Whose connection it is, as the proxy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) client: SocketAddr,
    /// What the client has connected to.
    pub(crate) server: SocketAddr,
}

/// Reads the header, and not one octet more: what follows is for others. `None`: it says nothing of a client.
///
/// # Errors
///
/// When it is none, is cut off, or is longer than the limit.
pub(crate) async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Option<Said>> {
    let mut octets = Vec::with_capacity(PROXY_LINE);
    let mut missing = FIRST;
    loop {
        if (&mut *stream).take(missing as u64).read_buf(&mut octets).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        match header::parse(&octets) {
            Ok(Parsed::More(more)) => missing = more,
            Ok(Parsed::Complete(said)) => return Ok(said),
            Err(why) => return Err(io::Error::new(io::ErrorKind::InvalidData, why)),
        }
    }
}
