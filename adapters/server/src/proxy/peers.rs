//! Who may say for whom it speaks.

use std::fmt;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// The peers that a listener believes what they say of their clients.
///
/// Whoever is among them chooses the address that modules see and that limits count. One that is not is closed without an
/// answer: it cannot go around the proxy.
#[derive(Clone)]
pub struct TrustedPeers(Who);

#[derive(Clone)]
enum Who {
    All,
    Those(Arc<dyn Fn(IpAddr) -> bool + Send + Sync>),
}

impl TrustedPeers {
    /// Whoever connects: the network, a firewall, or the rights of a Unix socket's path let nobody through but the proxy.
    #[must_use]
    pub fn all() -> Self {
        Self(Who::All)
    }

    /// These addresses. IPv4 ones are given, and asked for, as such, not mapped to IPv6. A Unix socket's peer has none,
    /// and is not among them.
    #[must_use]
    pub fn addresses(addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        let addresses: Vec<_> = addresses.into_iter().map(|address| address.to_canonical()).collect();
        Self::matching(move |address| addresses.contains(&address))
    }

    /// Those whose address it says yes to; it is asked on the thread that accepts, and should answer at once. A panic is a no.
    /// Otherwise as [`addresses`](Self::addresses).
    #[must_use]
    pub fn matching(trusts: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        Self(Who::Those(Arc::new(trusts)))
    }

    /// `None`: a peer without an address.
    pub(crate) fn trust(&self, peer: Option<IpAddr>) -> bool {
        match &self.0 {
            Who::All => true,
            Who::Those(trusts) => peer.is_some_and(|peer| says_yes(&**trusts, peer.to_canonical())),
        }
    }
}

/// A panic would end the thread that accepts for all listeners.
fn says_yes(trusts: &(dyn Fn(IpAddr) -> bool + Send + Sync), peer: IpAddr) -> bool {
    catch_unwind(AssertUnwindSafe(|| trusts(peer))).unwrap_or_else(|_| {
        tracing::error!(target: "bivalve::server", %peer, "who asked whether a peer is trusted has panicked");
        false
    })
}

impl fmt::Debug for TrustedPeers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Who::All => "TrustedPeers(all)",
            Who::Those(_) => "TrustedPeers(..)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_are_trusted_that_were_named_and_who_has_no_address_is_not() {
        let [proxy, mapped, other] =
            ["192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"].map(|text| text.parse().expect("an address"));
        for peers in [TrustedPeers::addresses([proxy]), TrustedPeers::addresses([mapped])] {
            assert!(peers.trust(Some(proxy)) && peers.trust(Some(mapped)));
            assert!(!peers.trust(Some(other)) && !peers.trust(None));
        }
        assert!(TrustedPeers::all().trust(Some(other)) && TrustedPeers::all().trust(None));
    }

    #[test]
    fn a_panic_trusts_nobody_and_ends_no_thread() {
        let peer = "192.0.2.1".parse().expect("an address");
        assert!(!TrustedPeers::matching(|_| panic!("it fails")).trust(Some(peer)));
    }
}
