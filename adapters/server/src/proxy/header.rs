//! The header itself, as HAProxy's "The PROXY protocol, versions 1 & 2" defines it (sections 2.1 and 2.2).
//!
//! Read here and not by a crate: those that there are take ports with a sign, any octet behind `PROXY`, or a length without a
//! bound, and none says how much may be read without touching what follows.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Said;
use crate::limits::{PROXY_HEADER, PROXY_LINE};

/// How far the header has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    /// At least so many octets of it are still to come, and never none.
    More(usize),
    /// These are all. `None`: the connection is the proxy's own, or of a kind that has no address here.
    Complete(Option<Said>),
}

/// Octets of the shortest header there is: `PROXY UNKNOWN` and its line end.
pub(super) const FIRST: usize = 15;

/// Reads what has come so far, which ends no later than the header does.
pub(super) fn parse(octets: &[u8]) -> Result<Parsed, &'static str> {
    if begins(octets, SIGNATURE) { version_2(octets) } else { version_1(octets) }
}

/// Whether one is the beginning of the other.
fn begins(octets: &[u8], with: &[u8]) -> bool {
    let both = octets.len().min(with.len());
    octets[..both] == with[..both]
}

fn version_1(octets: &[u8]) -> Result<Parsed, &'static str> {
    if !begins(octets, b"PROXY ") {
        return Err("it begins with neither PROXY nor the signature of version 2");
    }
    let Some(end) = octets.iter().position(|octet| *octet == b'\n') else {
        if octets.len() >= PROXY_LINE {
            return Err("a line of version 1 that is too long");
        }
        return Ok(Parsed::More(still_to_come(octets)));
    };
    let line = octets[..end].strip_suffix(b"\r").ok_or("a line that ends in LF without CR")?;
    let line = std::str::from_utf8(line).map_err(|_| "a line of version 1 that is not text")?;
    let rest = line.strip_prefix("PROXY ").ok_or("a line that does not begin with PROXY")?;
    if rest == "UNKNOWN" || rest.starts_with("UNKNOWN ") {
        // What else it says is nobody's: section 2.1.
        return Ok(Parsed::Complete(None));
    }
    let mut fields = rest.split(' ');
    let mut field = || fields.next().ok_or("a line of version 1 without both addresses and ports");
    let (family, client, server) = (field()?, field()?, field()?);
    let (client_port, server_port) = (port(field()?)?, port(field()?)?);
    if fields.next().is_some() {
        return Err("a line of version 1 that goes on behind the ports");
    }
    let (client, server) = match family {
        "TCP4" => (ip::<Ipv4Addr>(client)?, ip::<Ipv4Addr>(server)?),
        "TCP6" => (ip::<Ipv6Addr>(client)?, ip::<Ipv6Addr>(server)?),
        _ => return Err("a protocol that is not TCP4, TCP6 or UNKNOWN"),
    };
    Ok(Parsed::Complete(Some(said((client, client_port), (server, server_port)))))
}

/// What a line without an end lacks at least. Fewer reads than if it were read octet by octet.
fn still_to_come(line: &[u8]) -> usize {
    if line.len() < FIRST {
        return FIRST - line.len();
    }
    let fields = if line.starts_with(b"PROXY TCP") { FIELDS } else { 0 };
    let spaces = line.iter().filter(|octet| **octet == b' ').count();
    let line_end = if line.ends_with(b"\r") { 1 } else { 2 };
    // Each field has its space, and one more octet.
    (2 * fields.saturating_sub(spaces) + line_end).min(PROXY_LINE - line.len())
}

/// Of a line that says addresses, behind `PROXY`.
const FIELDS: usize = 5;

fn ip<A: std::str::FromStr + Into<IpAddr>>(text: &str) -> Result<IpAddr, &'static str> {
    text.parse::<A>().map(Into::into).map_err(|_| "an address that is none of its family")
}

/// Decimal, and without zeros in front: section 2.1.
fn port(text: &str) -> Result<u16, &'static str> {
    let digits = text.bytes().all(|octet| octet.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| digits).ok_or("a port that is none")
}

fn said(client: (IpAddr, u16), server: (IpAddr, u16)) -> Said {
    // One address has one form, whichever the proxy has seen.
    let address = |(ip, port): (IpAddr, u16)| SocketAddr::new(ip.to_canonical(), port);
    Said { client: address(client), server: address(server) }
}

fn version_2(octets: &[u8]) -> Result<Parsed, &'static str> {
    let Some((fixed, rest)) = octets.split_first_chunk::<V2_FIXED>() else {
        return Ok(Parsed::More(if octets.len() < FIRST { FIRST - octets.len() } else { 1 }));
    };
    let [.., command, family, high, low] = *fixed;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > PROXY_HEADER {
        return Err("a header of version 2 that is too long");
    }
    let local = match command {
        0x20 => true,
        0x21 => false,
        _ => return Err("a version or command that is not known"),
    };
    if rest.len() < length {
        return Ok(Parsed::More(length - rest.len()));
    }
    if local {
        // The proxy's own, a health check say; what it says is nobody's: section 2.2.
        return Ok(Parsed::Complete(None));
    }
    let (said, more) = match family {
        0x00 => (None, rest),
        0x11 => addresses::<4>(rest)?,
        0x21 => addresses::<16>(rest)?,
        // Datagrams and Unix sockets: a server that has no use for them takes them for unspecified.
        0x12 | 0x22 => (None, skip(rest, if family == 0x12 { 12 } else { 36 })?),
        0x31 | 0x32 => (None, skip(rest, 216)?),
        _ => return Err("a family or transport that is not known"),
    };
    check_extensions(more)?;
    Ok(Parsed::Complete(said))
}

fn addresses<const OCTETS: usize>(rest: &[u8]) -> Result<(Option<Said>, &[u8]), &'static str>
where
    [u8; OCTETS]: Into<IpAddr>,
{
    let (client, rest) = rest.split_first_chunk::<OCTETS>().ok_or(CUT)?;
    let (server, rest) = rest.split_first_chunk::<OCTETS>().ok_or(CUT)?;
    let (client_port, rest) = rest.split_first_chunk().ok_or(CUT)?;
    let (server_port, rest) = rest.split_first_chunk().ok_or(CUT)?;
    let client = ((*client).into(), u16::from_be_bytes(*client_port));
    let server = ((*server).into(), u16::from_be_bytes(*server_port));
    Ok((Some(said(client, server)), rest))
}

fn skip(rest: &[u8], octets: usize) -> Result<&[u8], &'static str> {
    rest.get(octets..).ok_or(CUT)
}

/// What follows the addresses is not used here, but has to be whole: section 2.2.
fn check_extensions(mut rest: &[u8]) -> Result<(), &'static str> {
    while let Some((_, more)) = rest.split_first() {
        let (length, more) = more.split_first_chunk().ok_or(CUT)?;
        rest = skip(more, u16::from_be_bytes(*length).into())?;
    }
    Ok(())
}

const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family, and length.
const V2_FIXED: usize = 16;
const CUT: &str = "a header of version 2 that is shorter than what it says";

#[cfg(test)]
mod tests {
    use super::*;

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).expect("a short one").to_be_bytes();
        [SIGNATURE, &[command, family], &length, rest].concat()
    }

    /// Reads as the server does: no more than is asked for. Says how much that was.
    fn read(stream: &[u8]) -> (Result<Option<Said>, &'static str>, usize) {
        let mut end = FIRST;
        loop {
            assert!(end <= stream.len(), "more was asked for than the header has");
            match parse(&stream[..end]) {
                Ok(Parsed::More(more)) => {
                    assert!(more > 0);
                    end += more;
                }
                Ok(Parsed::Complete(said)) => return (Ok(said), end),
                Err(why) => return (Err(why), end),
            }
        }
    }

    const IPV4: [u8; 12] = [192, 0, 2, 1, 192, 0, 2, 2, 0x30, 0x39, 0, 80];

    /// Of the client, and of the server.
    type Addresses = (&'static str, &'static str);

    fn headers() -> Vec<(Vec<u8>, Option<Addresses>)> {
        let ipv4 = Some(("192.0.2.1:12345", "192.0.2.2:80"));
        let mut ipv6 = vec![0; 36];
        (ipv6[15], ipv6[31], ipv6[33], ipv6[35]) = (1, 2, 1, 2);
        let unix = [0; 216];
        let with_more = [&IPV4[..], &[4, 0, 0, 5, 0, 1, 9]].concat();
        let largest = [&IPV4[..], &[4, 0x0f, 0xf1], &[0; 0xff1]].concat();
        assert_eq!(largest.len(), PROXY_HEADER);
        vec![
            (b"PROXY TCP4 192.0.2.1 192.0.2.2 12345 80\r\n".to_vec(), ipv4),
            (b"PROXY TCP4 1.1.1.1 1.1.1.1 0 1\r\n".to_vec(), Some(("1.1.1.1:0", "1.1.1.1:1"))),
            (b"PROXY TCP6 ::1 ::2 1 2\r\n".to_vec(), Some(("[::1]:1", "[::2]:2"))),
            (b"PROXY TCP6 ::ffff:192.0.2.1 ::ffff:c000:202 12345 80\r\n".to_vec(), ipv4),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN ffff::1 what ever\r\n".to_vec(), None),
            ([&b"PROXY UNKNOWN "[..], &[b'a'; 91], b"\r\n"].concat(), None),
            (v2(0x20, 0x00, b""), None),
            (v2(0x20, 0xff, b"anything"), None),
            (v2(0x21, 0x00, b""), None),
            (v2(0x21, 0x11, &IPV4), ipv4),
            (v2(0x21, 0x11, &with_more), ipv4),
            (v2(0x21, 0x11, &largest), ipv4),
            (v2(0x21, 0x21, &ipv6), Some(("[::1]:1", "[::2]:2"))),
            (v2(0x21, 0x12, &IPV4), None),
            (v2(0x21, 0x22, &ipv6), None),
            (v2(0x21, 0x31, &unix), None),
        ]
    }

    #[test]
    fn a_header_is_read_and_nothing_behind_it() {
        for (header, expected) in headers() {
            let expected = expected.map(|(client, server)| Said {
                client: client.parse().expect("an address"),
                server: server.parse().expect("an address"),
            });
            let followed = [&header[..], b"GET / HTTP/1.1\r\n"].concat();
            let text = header.escape_ascii().to_string();
            assert_eq!(read(&followed), (Ok(expected), header.len()), "{text}");
        }
    }

    #[test]
    fn a_header_that_has_not_all_come_is_waited_for_wherever_it_is_cut() {
        for (header, _) in headers() {
            for end in 1..header.len() {
                let parsed = parse(&header[..end]);
                let left = header.len() - end;
                assert!(
                    matches!(parsed, Ok(Parsed::More(more)) if (1..=left).contains(&more)),
                    "{}: {parsed:?}",
                    header[..end].escape_ascii()
                );
            }
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        for header in [
            &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..],
            b"PROXYXTCP4 1.1.1.1 1.1.1.1 1 1\r\n",
            b"proxy TCP4 1.1.1.1 1.1.1.1 1 1\r\n",
            b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1\n..",
            b"PROXY TCP4 1.1.1.1 1.1.1.1 1\r\n",
            b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1 \r\n",
            b"PROXY TCP4 1.1.1.1 1.1.1.1 1 1 1\r\n",
            b"PROXY TCP4  1.1.1.1 1.1.1.1 1 1\r\n",
            b"PROXY TCP4 1.1.1.1 1.1.1.1 +1 1\r\n",
            b"PROXY TCP4 1.1.1.1 1.1.1.1 01 1\r\n",
            b"PROXY TCP4 1.1.1.1 1.1.1.1 1 65536\r\n",
            b"PROXY TCP4 1.1.1.01 1.1.1.1 1 1\r\n",
            b"PROXY TCP4 ::1 ::1 1 1\r\n........",
            b"PROXY TCP6 1.1.1.1 1.1.1.1 1 1\r\n",
            b"PROXY TCP6 ::1%1 ::1 1 1\r\n",
            b"PROXY UDP4 1.1.1.1 1.1.1.1 1 1\r\n",
            b"PROXY UNKNOWNS\r\n",
            b"PROXY UNKNOWN \xff\r\n",
            &[&b"PROXY UNKNOWN "[..], &[b'a'; 92], b"\r\n"].concat(),
            &v2(0x22, 0x11, &IPV4),
            &v2(0x11, 0x11, &IPV4),
            &v2(0x21, 0x13, &IPV4),
            &v2(0x21, 0x41, &IPV4),
            &v2(0x21, 0x11, &IPV4[..11]),
            &v2(0x21, 0x21, &[0; 35]),
            &v2(0x21, 0x31, &[0; 215]),
            &v2(0x21, 0x11, &[&IPV4[..], &[4, 0]].concat()),
            &v2(0x21, 0x11, &[&IPV4[..], &[4, 0, 1]].concat()),
            &v2(0x21, 0x11, &[0; PROXY_HEADER + 1]),
        ] {
            let (parsed, _) = read(&[header, b"GET / HTTP/1.1\r\n"].concat());
            assert!(parsed.is_err(), "{}: {parsed:?}", header.escape_ascii());
        }
    }

    /// Reads what has come, which is an octet at a time, although more was asked for.
    fn read_slowly(stream: &[u8]) -> (Result<Option<Said>, &'static str>, usize) {
        let mut end = 1;
        loop {
            match parse(&stream[..end]) {
                Ok(Parsed::More(_)) => end += 1,
                Ok(Parsed::Complete(said)) => return (Ok(said), end),
                Err(why) => return (Err(why), end),
            }
        }
    }

    #[test]
    fn a_spoilt_header_is_read_in_the_same_way_however_it_is_cut() {
        for (header, _) in headers() {
            let followed = [&header[..], &[b'a'; PROXY_HEADER + 200]].concat();
            // Of the largest one, where it says something, and a part of the rest.
            for at in (0..header.len()).filter(|at| *at < 40 || at.is_multiple_of(97)) {
                for octet in [0, b' ', b'\r', b'\n', b'0', b'9', b':', 0x20, 0x21, 0x31, 0xff] {
                    let mut spoilt = followed.clone();
                    spoilt[at] = octet;
                    let (at_once, slowly) = (read(&spoilt), read_slowly(&spoilt));
                    match &at_once.0 {
                        Ok(_) => assert_eq!(at_once, slowly),
                        Err(_) => assert!(slowly.0.is_err(), "{at} {octet}: {slowly:?}"),
                    }
                }
            }
        }
    }
}
