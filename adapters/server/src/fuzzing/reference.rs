//! HTTP/1.1 read once more: slowly, from all the octets at once, and with nothing of the server's own code. It says what is
//! served and what is refused, not why.

use crate::Limits;

/// What the handler notes of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) method: Vec<u8>,
    pub(super) target: Vec<u8>,
    pub(super) host: Vec<u8>,
    pub(super) body: Vec<u8>,
}

/// What a connection comes to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Expected {
    pub(super) seen: Vec<Seen>,
    /// Of each answer, whether it was served.
    pub(super) statuses: Vec<bool>,
    /// It ends in the middle of an answer.
    pub(super) reset: bool,
    /// It goes on with another protocol.
    pub(super) handed: bool,
}

/// A header line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) name: Vec<u8>,
    pub(super) value: Vec<u8>,
}

// The second octet of a target says what the handler does with the body.
pub(super) const HALF: u8 = b'h';
pub(super) const STREAMS: u8 = b's';
pub(super) const UNREAD: u8 = b'u';
pub(super) const YIELDS: u8 = b'y';

pub(super) fn connection(octets: &[u8], limits: &Limits) -> Expected {
    let (mut expected, mut rest, mut first) = (Expected::default(), octets, true);
    loop {
        let (text, behind) = match split(rest, limits) {
            Split::Head(text, behind) => (text, behind),
            Split::Partial => return expected,
            Split::Bad => {
                expected.statuses.push(false);
                return expected;
            }
        };
        if std::mem::take(&mut first) && octets.starts_with(text) && text == b"PRI * HTTP/2.0\r\n\r\n" {
            expected.handed = true;
            return expected;
        }
        let Some(head) = head(text, limits) else {
            expected.statuses.push(false);
            return expected;
        };
        if head.upgrade && head.length == Some(0) {
            expected.handed = true;
            return expected;
        }
        let way = head.seen.target.get(1).copied().unwrap_or_default();
        let mut body = Vec::new();
        let end = match head.length {
            None => chunked(behind, limits, &mut body),
            Some(length) => exact(behind, length, &mut body),
        };
        let mut seen = head.seen;
        match way {
            UNREAD => {}
            HALF => seen.body = body[..body.len().min(1)].to_vec(),
            _ => seen.body = body.clone(),
        }
        expected.seen.push(seen);
        let refused = end.is_none() && (way != UNREAD) && (way != HALF || body.is_empty());
        let begun = way == STREAMS && !body.is_empty();
        if refused {
            if begun {
                expected.statuses.push(true);
                expected.reset = true;
            } else {
                expected.statuses.push(false);
            }
            return expected;
        }
        expected.statuses.push(true);
        let unsaid = head.expects && way == UNREAD;
        // HTTP/1.0 knows the end of such a response by the connection's.
        let endless = begun && head.old && head.method_has_body;
        match end {
            Some(consumed) if head.persistent && !unsaid && !endless => rest = &behind[consumed..],
            _ => return expected,
        }
    }
}

enum Split<'a> {
    /// A head, and what is behind it.
    Head(&'a [u8], &'a [u8]),
    /// More has to come.
    Partial,
    Bad,
}

/// Finds the empty line. What can be no head is refused without it.
fn split<'a>(octets: &'a [u8], limits: &Limits) -> Split<'a> {
    // One empty line before a request is nothing: RFC 9112 section 2.2.
    let text = octets.strip_prefix(b"\r\n").unwrap_or(octets);
    let (mut at, mut lines) = (0, 0);
    loop {
        let Some(newline) = text[at..].iter().position(|octet| *octet == b'\n').map(|found| at + found)
        else {
            let odd = text.first().is_some_and(|first| !tchar(*first))
                && !(octets.len() == text.len() && text[0] == b'\r');
            let bad = odd || text.len() > limits.head_bytes();
            return if bad { Split::Bad } else { Split::Partial };
        };
        if newline >= limits.head_bytes() || newline == at || text[newline - 1] != b'\r' {
            return Split::Bad;
        }
        if newline == at + 1 {
            if lines == 0 {
                return Split::Bad;
            }
            let (head, behind) = text.split_at(newline + 1);
            return Split::Head(head, behind);
        }
        lines += 1;
        if lines > limits.headers() + 1 || (lines == 1 && !tchar(text[0]) && text[0] != b'\r') {
            return Split::Bad;
        }
        at = newline + 1;
    }
}

struct Head {
    seen: Seen,
    /// `None`: chunked.
    length: Option<u64>,
    persistent: bool,
    expects: bool,
    upgrade: bool,
    old: bool,
    method_has_body: bool,
}

fn head(text: &[u8], limits: &Limits) -> Option<Head> {
    let text = text.strip_suffix(b"\r\n\r\n")?;
    let mut lines = crlf(text).into_iter();
    let request = lines.next()?;
    let parts: Vec<_> = request.split(|octet| *octet == b' ').collect();
    let [method, asked, version] = parts[..] else { return None };
    if method.is_empty() || !method.iter().all(|octet| tchar(*octet)) {
        return None;
    }
    let old = match version {
        b"HTTP/1.1" => false,
        b"HTTP/1.0" => true,
        _ => return None,
    };
    let (target, authority) = target(asked, method, limits)?;
    let fields = lines.map(field).collect::<Option<Vec<_>>>()?;
    let all = |name: &str| {
        let named = fields.iter().filter(|field| field.name.eq_ignore_ascii_case(name.as_bytes()));
        named.map(|field| &field.value[..]).collect::<Vec<_>>()
    };
    let host: &[u8] = match all("host")[..] {
        [] if old => b"",
        [one] if host(one) => one,
        _ => return None,
    };
    let expects = match all("expect")[..] {
        [] => false,
        _ if old => false,
        [one] if one.eq_ignore_ascii_case(b"100-continue") => true,
        _ => return None,
    };
    let length = length(&fields, old, limits)?;
    let options: Vec<_> = all("connection").into_iter().flat_map(members).collect();
    let has = |option: &[u8]| options.iter().any(|said| said.eq_ignore_ascii_case(option));
    let upgrade = has(b"upgrade") && !all("upgrade").is_empty() && !old && authority.is_none();
    Some(Head {
        persistent: !has(b"close") && (!old || has(b"keep-alive")),
        expects: expects && length != Some(0),
        length,
        upgrade,
        old,
        method_has_body: method != b"HEAD",
        seen: Seen {
            method: method.to_vec(),
            target,
            host: authority.unwrap_or_else(|| host.to_vec()),
            body: Vec::new(),
        },
    })
}

/// Lines, without what ends them.
fn crlf(text: &[u8]) -> Vec<&[u8]> {
    let (mut lines, mut begin) = (Vec::new(), 0);
    for at in 0..text.len() {
        if text[at..].starts_with(b"\r\n") {
            lines.push(&text[begin..at]);
            begin = at + 2;
        }
    }
    lines.push(&text[begin..]);
    lines
}

fn field(line: &[u8]) -> Option<Line> {
    let colon = line.iter().position(|octet| *octet == b':')?;
    let (name, value) = (&line[..colon], trim(&line[colon + 1..]));
    let sound =
        !name.is_empty() && name.iter().all(|octet| tchar(*octet)) && value.iter().all(|octet| vchar(*octet));
    sound.then(|| Line { name: name.to_vec(), value: value.to_vec() })
}

/// `Some(None)`: chunked.
pub(super) fn length(fields: &[Line], old: bool, limits: &Limits) -> Option<Option<u64>> {
    let all = |name: &str| {
        let named = fields.iter().filter(|field| field.name.eq_ignore_ascii_case(name.as_bytes()));
        named.map(|field| &field.value[..]).collect::<Vec<_>>()
    };
    match (&all("transfer-encoding")[..], &all("content-length")[..]) {
        ([], []) => Some(Some(0)),
        ([coding], []) if !old && coding.eq_ignore_ascii_case(b"chunked") => Some(None),
        ([], [digits]) if !digits.is_empty() => {
            let mut length = 0_u64;
            for digit in *digits {
                let digit = char::from(*digit).to_digit(10)?;
                length = length.checked_mul(10)?.checked_add(digit.into())?;
            }
            (length <= limits.body_bytes()).then_some(Some(length))
        }
        _ => None,
    }
}

/// The target in origin form, and the authority of an absolute one.
pub(super) fn target(asked: &[u8], method: &[u8], limits: &Limits) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    if method == b"CONNECT" {
        return None;
    }
    if asked == b"*" {
        return (method == b"OPTIONS").then(|| (b"*".to_vec(), None));
    }
    if asked.starts_with(b"/") {
        return origin(asked, limits).then(|| (asked.to_vec(), None));
    }
    let lower = asked.to_ascii_lowercase();
    let scheme = [&b"http://"[..], b"https://"].into_iter().find(|scheme| lower.starts_with(scheme))?;
    let rest = &asked[scheme.len()..];
    let end = rest.iter().position(|octet| b"/?".contains(octet)).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if !host(authority) {
        return None;
    }
    let target = match path.first() {
        None if method == b"OPTIONS" => b"*".to_vec(),
        None => b"/".to_vec(),
        Some(b'?') => [b"/", path].concat(),
        Some(_) => path.to_vec(),
    };
    let sound = target == b"*" || origin(&target, limits);
    sound.then(|| (target, Some(authority.to_vec())))
}

fn origin(target: &[u8], limits: &Limits) -> bool {
    let mut parts = target.splitn(2, |octet| *octet == b'?');
    let (path, query) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let everywhere = |octet: &u8| octet.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%:@/[]|".contains(octet);
    path.len() <= limits.url_bytes()
        && query.len() <= limits.query_bytes()
        && path.iter().all(everywhere)
        && query.iter().all(|octet| everywhere(octet) || b"?\\^{}".contains(octet))
        && escapes(path)
}

fn escapes(text: &[u8]) -> bool {
    let all = (0..text.len()).filter(|at| text[*at] == b'%');
    all.map(|at| text.get(at + 1..at + 3)).all(|digits| {
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit) && digits != b"00")
    })
}

/// RFC 3986 section 3.2.2: a name or an IPv6 address; perhaps a port.
fn host(text: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(text) else { return false };
    let (name, port) = match text.rfind(']') {
        Some(end) => (&text[..=end], &text[end + 1..]),
        None => text.find(':').map_or((text, ""), |colon| text.split_at(colon)),
    };
    let port = match port.strip_prefix(':') {
        Some("") => true,
        Some(digits) => digits.bytes().all(|digit| digit.is_ascii_digit()) && digits.parse::<u16>().is_ok(),
        None => port.is_empty(),
    };
    let name = match name.strip_prefix('[') {
        Some(literal) => {
            literal.strip_suffix(']').is_some_and(|literal| literal.parse::<std::net::Ipv6Addr>().is_ok())
        }
        None => {
            let sound = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~!$&'()*+;=%".contains(&octet);
            !name.is_empty() && name.bytes().all(sound) && escapes(name.as_bytes())
        }
    };
    name && port
}

fn exact(octets: &[u8], length: u64, body: &mut Vec<u8>) -> Option<usize> {
    let length = usize::try_from(length).ok()?;
    body.extend_from_slice(&octets[..length.min(octets.len())]);
    (length <= octets.len()).then_some(length)
}

/// Reads a chunked body, as far as it is sound; how many octets it was, if it has its end.
pub(super) fn chunked(octets: &[u8], limits: &Limits, body: &mut Vec<u8>) -> Option<usize> {
    let mut at = 0;
    loop {
        let line = line(octets, &mut at)?;
        let digits = line.iter().position(|octet| !octet.is_ascii_hexdigit()).unwrap_or(line.len());
        let (digits, extension) = line.split_at(digits);
        if digits.is_empty()
            || digits.len() > 16
            || !(extension.is_empty() || trim(extension).starts_with(b";"))
        {
            return None;
        }
        let size = u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        if size == 0 {
            break;
        }
        if size > limits.body_bytes() - body.len() as u64 {
            return None;
        }
        let size = usize::try_from(size).ok()?;
        body.extend_from_slice(octets.get(at..at + size).unwrap_or(&octets[at..]));
        at += size;
        if octets.get(at..at + 2)? != b"\r\n" {
            return None;
        }
        at += 2;
    }
    let begin = at;
    loop {
        let line = line(octets, &mut at)?;
        if line.is_empty() {
            return Some(at);
        }
        field(line)?;
        if at - begin > limits.head_bytes() {
            return None;
        }
    }
}

/// The next line, of octets that a value may have.
fn line<'a>(octets: &'a [u8], at: &mut usize) -> Option<&'a [u8]> {
    let rest = &octets[*at..];
    let end = rest.iter().position(|octet| !vchar(*octet)).filter(|end| rest[*end..].starts_with(b"\r\n"))?;
    *at += end + 2;
    Some(&rest[..end])
}

fn members(list: &[u8]) -> Vec<&[u8]> {
    let members = list.split(|octet| *octet == b',');
    members.map(|member| trim(member.split(|octet| *octet == b';').next().unwrap_or_default())).collect()
}

fn trim(text: &[u8]) -> &[u8] {
    let begin = text.iter().position(|octet| !b" \t".contains(octet)).unwrap_or(text.len());
    let end = text.iter().rposition(|octet| !b" \t".contains(octet)).map_or(begin, |last| last + 1);
    &text[begin..end]
}

fn tchar(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&octet)
}

fn vchar(octet: u8) -> bool {
    octet == b'\t' || (octet >= b' ' && octet != 0x7f)
}
