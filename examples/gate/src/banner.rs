//! What is printed at the start.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use gate::{GUEST, Gate, Guest};

/// Tells where the server is, what carries it and why, and how to log in when nobody was configured. The only place that
/// shows a secret.
pub(crate) fn print(gate: &Gate, logs: &Path, proxies: &[IpAddr]) {
    let text = text(gate.addr(), gate.is_secure(), gate.carrier(), gate.guest(), logs, proxies);
    // Nobody may be reading.
    let _ = io::stdout().write_all(text.as_bytes());
}

fn text(
    addr: SocketAddr,
    secure: bool,
    carrier: &str,
    guest: Option<&Guest>,
    logs: &Path,
    proxies: &[IpAddr],
) -> String {
    let scheme = if secure { "https" } else { "http" };
    let url = format!("{scheme}://{}/", reachable(addr));
    let mut text = format!(
        "gate {} listens at {url}\nHTTP is served by {carrier}.\nThe access log is in {}.\n",
        env!("CARGO_PKG_VERSION"),
        logs.display()
    );
    // Writing to a String cannot fail.
    if !proxies.is_empty() {
        let proxies: Vec<_> = proxies.iter().map(ToString::to_string).collect();
        let _ = writeln!(text, "It answers only {}, with the PROXY protocol.", proxies.join(", "));
    }
    text.push('\n');
    let Some(Guest { password, token }) = guest else { return text };
    let _ = write!(
        text,
        "\
No users are configured, so here is one until the server ends:

  user      {GUEST}
  password  {password}
  token     {token}

  curl -u {GUEST}:{password} {url}
  curl -H 'Authorization: Bearer {token}' {url}api/time

"
    );
    if !secure && !addr.ip().is_loopback() {
        text.push_str(
            "Passwords and tokens pass the network as they are: see --tls-certificate, or put something that speaks HTTPS in front.\n\n",
        );
    }
    text
}

/// An address that listens everywhere is no address to go to.
fn reachable(addr: SocketAddr) -> SocketAddr {
    let ip = match addr.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, addr.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(addr: &str, guest: Option<&Guest>) -> String {
        printed_by(addr, false, guest)
    }

    fn printed_by(addr: &str, secure: bool, guest: Option<&Guest>) -> String {
        text(addr.parse().expect("an address"), secure, "something", guest, Path::new("logs"), &[])
    }

    #[test]
    fn the_curl_lines_are_ready_to_use() {
        let guest = Guest { password: "pass".into(), token: "tok".into() };
        let text = printed("127.0.0.1:8080", Some(&guest));
        assert!(text.contains("\n  curl -u guest:pass http://127.0.0.1:8080/\n"), "{text}");
        assert!(
            text.contains("\n  curl -H 'Authorization: Bearer tok' http://127.0.0.1:8080/api/time\n"),
            "{text}"
        );
        assert!(!text.contains("HTTPS"));
    }

    #[test]
    fn an_address_that_listens_everywhere_is_shown_as_this_machine() {
        let guest = Guest { password: "pass".into(), token: "tok".into() };
        let text = printed("0.0.0.0:80", Some(&guest));
        assert!(text.contains("http://127.0.0.1:80/") && text.contains("HTTPS"), "{text}");
        assert!(printed("[::]:80", None).contains("http://[::1]:80/"));
    }

    #[test]
    fn what_is_encrypted_is_shown_so_and_nobody_is_warned() {
        let guest = Guest { password: "pass".into(), token: "tok".into() };
        let text = printed_by("0.0.0.0:443", true, Some(&guest));
        assert!(text.contains("\n  curl -u guest:pass https://127.0.0.1:443/\n"), "{text}");
        assert!(!text.contains("as they are"), "{text}");
    }

    #[test]
    fn who_is_answered_alone_is_told() {
        let proxies = ["192.0.2.1", "::1"].map(|proxy| proxy.parse().expect("an address"));
        let addr = "0.0.0.0:80".parse().expect("an address");
        let text = text(addr, false, "something", None, Path::new("logs"), &proxies);
        assert!(text.contains("\nIt answers only 192.0.2.1, ::1, with the PROXY protocol.\n"), "{text}");
        assert!(!printed("127.0.0.1:80", None).contains("PROXY"));
    }

    #[test]
    fn nothing_is_told_when_users_are_configured() {
        assert!(!printed("127.0.0.1:8080", None).contains("curl"));
    }
}
