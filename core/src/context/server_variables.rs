//! Server variables: what CGI, ISAPI and IIS's native modules ask by name.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use http::Version;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, HeaderName, TRANSFER_ENCODING};
use percent_encoding::percent_decode_str;

use super::Context;
use crate::{ClientCertificate, Error, ErrorKind, Result, User, map_path};

impl Context {
    /// What a server variable says; `None` for a name nobody knows, and where the host knows no answer. The case
    /// of the name does not matter. What a module has [set](Self::set_server_variable) comes first.
    ///
    /// Client bytes are data: headers that are no UTF-8 come with replacement characters, and whatever a client
    /// sends may be a lie.
    ///
    /// | name | what | example |
    /// |---|---|---|
    /// | `ALL_HTTP` | all headers that have a variable, `HTTP_<NAME>:value`, one a line | `HTTP_HOST:example.com` |
    /// | `ALL_RAW` | all headers, `name: value`, one a line that ends in CR LF; names in lower case | `host: example.com` |
    /// | `APPL_MD_PATH` | the application as IIS's metabase names it | `/LM/W3SVC/1/ROOT/shop` |
    /// | `APPL_PHYSICAL_PATH` | the application's root, with a separator at the end | `/srv/shop/` |
    /// | `AUTH_TYPE` | how the user was authenticated; empty for nobody | `Basic` |
    /// | `AUTH_USER` | the user's name; empty for nobody | `ada` |
    /// | `CACHE_URL` | the URL as the client sent it, with scheme, host and port | `https://example.com:443/shop/list%20all?sort=name` |
    /// | `CERT_FLAGS` | 1 with a client certificate; else `None`, as all of `CERT_*` | `1` |
    /// | `CERT_ISSUER` | its issuer, where the host reads it | `CN=Example CA` |
    /// | `CERT_SERIALNUMBER` | its serial number, where the host reads it | `0a-1b` |
    /// | `CERT_SUBJECT` | its subject, where the host reads it | `CN=ada` |
    /// | `CONTENT_LENGTH` | bytes of the entity body; `None` where that is not known beforehand | `12` |
    /// | `CONTENT_TYPE` | media type of the entity body; empty without one | `text/plain` |
    /// | `GATEWAY_INTERFACE` | the revision of CGI that the names come from | `CGI/1.1` |
    /// | `HTTPS` | `on` or `off` | `on` |
    /// | `HTTP_METHOD` | the method | `POST` |
    /// | `HTTP_URL` | path and query as the client sent them, also after a rewrite | `/shop/list%20all?sort=name` |
    /// | `HTTP_VERSION` | the protocol and its version | `HTTP/1.1` |
    /// | `INSTANCE_ID` | the site's number | `1` |
    /// | `INSTANCE_META_PATH` | the site as IIS's metabase names it | `/LM/W3SVC/1` |
    /// | `INSTANCE_NAME` | the site's name | `Default Web Site` |
    /// | `LOCAL_ADDR` | the server's address | `192.0.2.10` |
    /// | `LOGON_USER` | as `AUTH_USER`: nobody maps users to accounts here | `ada` |
    /// | `PATH_INFO` | as `URL` | `/shop/list all` |
    /// | `PATH_TRANSLATED` | the physical path of `URL`, modules at MapPath not asked; `None` when it must not be mapped | `/srv/shop/list all` |
    /// | `QUERY_STRING` | the query, not decoded; empty without one | `sort=name` |
    /// | `REMOTE_ADDR` | the client's address | `203.0.113.7` |
    /// | `REMOTE_HOST` | as `REMOTE_ADDR`: names are not looked up | `203.0.113.7` |
    /// | `REMOTE_PORT` | the client's port | `50123` |
    /// | `REMOTE_USER` | as `AUTH_USER` | `ada` |
    /// | `REQUEST_METHOD` | as `HTTP_METHOD` | `POST` |
    /// | `SCRIPT_NAME` | as `URL` | `/shop/list all` |
    /// | `SERVER_ADDR` | as `LOCAL_ADDR` | `192.0.2.10` |
    /// | `SERVER_NAME` | the host that the client asked for, without the port; else the server's address. An IPv6 address has its brackets | `example.com` |
    /// | `SERVER_PORT` | the server's port | `443` |
    /// | `SERVER_PORT_SECURE` | `1` or `0` | `1` |
    /// | `SERVER_PROTOCOL` | as `HTTP_VERSION` | `HTTP/1.1` |
    /// | `SERVER_SOFTWARE` | the server's name and version | `Bivalve/0.1.0` |
    /// | `UNENCODED_URL` | as `HTTP_URL`: in IIS too it is the URL before any decoding | `/shop/list%20all?sort=name` |
    /// | `UNMAPPED_REMOTE_USER` | as `AUTH_USER` | `ada` |
    /// | `URL` | the path, decoded; as it was sent where decoding would make it ambiguous (below) | `/shop/list all` |
    ///
    /// And these families:
    ///
    /// | name | what |
    /// |---|---|
    /// | `HTTP_<NAME>` | a header; underscores in the name are dashes in the header's. Several values are joined by `, `, of `Cookie` by `; `. Not for `Proxy`, nor for names in the table above |
    /// | `HEADER_<name>` | the same, but every character of the name is taken as it is |
    ///
    /// `URL` is decoded once and not checked otherwise: it is for logs and pages, [`map_path`](Self::map_path) is for
    /// files. The whole path stays as it was sent when decoding would add a slash, a backslash or a control character,
    /// when the result would be no UTF-8, and when it would have a percent sign: so a percent sign in it says that
    /// nothing was decoded.
    ///
    /// Known to IIS, but not here, so `None` unless a module sets them: `APP_POOL_ID`, `AUTH_PASSWORD` (no module needs
    /// another's password), `CERT_COOKIE`, key sizes and names of the server's certificate, `SSI_EXEC_DISABLED`.
    ///
    /// # Headers by name: two traps
    ///
    /// `HTTP_<NAME>` writes every dash of a header as an underscore, so two headers could answer to one name, and
    /// whoever strips one of them in front of us (`X-Forwarded-For`) would be deceived by the other
    /// (`X_Forwarded_For`). As in IIS, an underscore here always means a dash: a header with an underscore in its name
    /// has no `HTTP_` variable. `HEADER_<name>` finds it, and takes every character as it is.
    ///
    /// `HTTP_PROXY` is the second: a `Proxy` header of the client would become the variable that CGI libraries take for
    /// the configuration of an outgoing proxy ("httpoxy"). No header ever answers to it; a module may still set it.
    ///
    /// In the same way no header answers to a name that is a variable of its own (`HTTP_METHOD`, `HTTP_URL`,
    /// `HTTP_VERSION`). `ALL_HTTP` lists just the headers that have a variable; `ALL_RAW` lists all.
    ///
    /// # Example
    ///
    /// ```
    /// use bivalve_core::{Context, Result};
    ///
    /// fn greet(cx: &mut Context) -> Result<()> {
    ///     let agent = cx.server_variable("HTTP_USER_AGENT").unwrap_or("somebody".into());
    ///     let greeting = format!("Hello {agent}, you asked {}", cx.server_variable("URL").unwrap_or_default());
    ///     cx.set_server_variable("X_SEEN", "1")?;
    ///     cx.response_mut().write(greeting)
    /// }
    /// ```
    ///
    /// IIS counterpart: `GetServerVariable`, whose `ERROR_INVALID_INDEX` is `None`.
    #[must_use]
    pub fn server_variable(&self, name: &str) -> Option<Cow<'_, str>> {
        if self.is_foreign()
            && let Some(value) = self.foreign_variable(name)
        {
            return Some(value.into());
        }
        if let Some((_, value)) = self.variables.iter().find(|(set, _)| set.eq_ignore_ascii_case(name)) {
            return Some(value.into());
        }
        if let Some((_, compute)) = COMPUTED.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            return compute(self);
        }
        if let Some(header) = strip_prefix_ignore_case(name, "HTTP_") {
            // A dash is no letter of a variable: `HTTP_X-A` must not be a second way to what a module set as `HTTP_X_A`.
            if header.contains('-') || header.eq_ignore_ascii_case("PROXY") {
                return None;
            }
            return self.joined(&header.replace('_', "-"));
        }
        self.joined(strip_prefix_ignore_case(name, "HEADER_")?)
    }

    /// Sets a server variable for the modules and the handler that follow, in place of what would be computed.
    /// The request's headers, user and addresses stay what they are.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidServerVariable`] for a name that is empty or has other characters
    /// than ASCII letters, digits, `_` and `-`, and for a value with CR, LF or NUL.
    ///
    /// IIS counterpart: `SetServerVariable`.
    pub fn set_server_variable(&mut self, name: &str, value: impl Into<String>) -> Result<()> {
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
            return Err(Error::framework(
                ErrorKind::InvalidServerVariable,
                format!("server variable {name:?}: a name has only ASCII letters, digits, '_' and '-'"),
            ));
        }
        let value = value.into();
        if value.contains(['\r', '\n', '\0']) {
            return Err(Error::framework(
                ErrorKind::InvalidServerVariable,
                format!("server variable {name}: the value {value:?} has a CR, LF or NUL"),
            ));
        }
        if self.is_foreign() {
            return self.with_foreign(|foreign| foreign.set_server_variable(name, &value)).unwrap_or(Ok(()));
        }
        match self.variables.iter_mut().find(|(set, _)| set.eq_ignore_ascii_case(name)) {
            Some((_, old)) => *old = value,
            None => self.variables.push((name.to_ascii_uppercase(), value)),
        }
        Ok(())
    }

    /// All values of a header in one; `None` without the header.
    fn joined(&self, name: &str) -> Option<Cow<'_, str>> {
        let mut values = self.request.headers().get_all(name).iter();
        let mut joined = String::from_utf8_lossy(values.next()?.as_bytes());
        // HTTP/2 clients split their cookies (RFC 9113 section 8.2.3), and a comma would change their meaning.
        let separator = if name.eq_ignore_ascii_case(COOKIE.as_str()) { "; " } else { ", " };
        for value in values {
            let joined = joined.to_mut();
            joined.push_str(separator);
            joined.push_str(&String::from_utf8_lossy(value.as_bytes()));
        }
        Some(joined)
    }

    fn all_http(&self) -> String {
        let mut all = String::new();
        for name in self.request.headers().keys() {
            if let Some(variable) = variable_of(name)
                && let Some(value) = self.joined(name.as_str())
            {
                // Writing to a string cannot fail; so below.
                let _ = writeln!(all, "{variable}:{value}");
            }
        }
        all
    }

    fn all_raw(&self) -> String {
        let mut all = String::new();
        for (name, value) in self.request.headers() {
            let _ = write!(all, "{name}: {}\r\n", String::from_utf8_lossy(value.as_bytes()));
        }
        all
    }

    /// The path, decoded where that keeps its meaning.
    fn url_path(&self) -> Cow<'_, str> {
        let path = self.request.url().path();
        match percent_decode_str(path).decode_utf8() {
            Ok(decoded) if decodes_safely(path, &decoded) => decoded,
            _ => path.into(),
        }
    }

    fn url_sent(&self) -> &str {
        self.request.original_url().path_and_query().map_or("", |url| url.as_str())
    }

    fn path_translated(&self) -> Option<String> {
        let app = self.application();
        let url = self.request.url().path();
        let (_, path) = map_path::resolve(url, app.url_path(), app.root(), app.virtual_directories()).ok()?;
        Some(path.to_string_lossy().into_owned())
    }

    /// Host and port that the client asked for: of the URL, whose authority goes before the header
    /// (RFC 9112 section 3.2.2), or of the one `Host` header.
    fn asked_host(&self) -> Option<(&str, Option<u16>)> {
        if let Some(authority) = self.request.original_url().authority() {
            return split_host(authority.as_str());
        }
        let mut hosts = self.request.headers().get_all(HOST).iter();
        let host = hosts.next()?;
        // Two of them is an attack on whoever reads the other one.
        if hosts.next().is_some() { None } else { split_host(host.to_str().ok()?) }
    }

    fn server_name(&self) -> Option<Cow<'_, str>> {
        if let Some((host, _)) = self.asked_host() {
            return Some(host.into());
        }
        let text = match address(self.connection.local_addr()?) {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        Some(text.into())
    }

    fn server_port(&self) -> u16 {
        // The port that the request came in on is the server's to say, the header is only a claim.
        let claimed = || self.asked_host().and_then(|(_, port)| port);
        let default = if self.connection.is_secure() { 443 } else { 80 };
        self.connection.local_addr().map(|addr| addr.port()).or_else(claimed).unwrap_or(default)
    }

    fn cache_url(&self) -> Option<String> {
        let scheme = if self.connection.is_secure() { "https" } else { "http" };
        Some(format!("{scheme}://{}:{}{}", self.server_name()?, self.server_port(), self.url_sent()))
    }

    fn content_length(&self) -> Option<Cow<'_, str>> {
        if self.request.headers().contains_key(TRANSFER_ENCODING) {
            return None;
        }
        match self.joined(CONTENT_LENGTH.as_str()) {
            Some(length) => {
                (!length.is_empty() && length.bytes().all(|b| b.is_ascii_digit())).then_some(length)
            }
            // HTTP/1 without either has no body (RFC 9112 section 6.3); later versions need not say.
            None if self.request.version() <= Version::HTTP_11 => Some("0".into()),
            None => None,
        }
    }

    fn protocol(&self) -> &'static str {
        match self.request.version() {
            Version::HTTP_09 => "HTTP/0.9",
            Version::HTTP_10 => "HTTP/1.0",
            Version::HTTP_2 => "HTTP/2.0",
            Version::HTTP_3 => "HTTP/3.0",
            _ => "HTTP/1.1",
        }
    }

    fn certificate(&self) -> Option<&ClientCertificate> {
        self.connection.client_certificate()
    }

    fn user_name(&self) -> &str {
        self.user.as_ref().map_or("", User::name)
    }
}

type Compute = fn(&Context) -> Option<Cow<'_, str>>;

/// Every name that is computed, in alphabetical order. The table in the documentation is compared with it.
static COMPUTED: [(&str, Compute); 41] = [
    ("ALL_HTTP", |cx| Some(cx.all_http().into())),
    ("ALL_RAW", |cx| Some(cx.all_raw().into())),
    ("APPL_MD_PATH", |cx| {
        let app = cx.application().url_path().trim_end_matches('/');
        Some(format!("/LM/W3SVC/{}/ROOT{app}", cx.site().id()).into())
    }),
    ("APPL_PHYSICAL_PATH", |cx| Some(with_separator(cx.application().root()).into())),
    ("AUTH_TYPE", |cx| Some(cx.user.as_ref().map_or("", User::authentication_type).into())),
    ("AUTH_USER", |cx| Some(cx.user_name().into())),
    ("CACHE_URL", |cx| cx.cache_url().map(Into::into)),
    ("CERT_FLAGS", |cx| cx.certificate().map(|_| "1".into())),
    ("CERT_ISSUER", |cx| cx.certificate()?.issuer().map(Into::into)),
    ("CERT_SERIALNUMBER", |cx| cx.certificate()?.serial_number().map(Into::into)),
    ("CERT_SUBJECT", |cx| cx.certificate()?.subject().map(Into::into)),
    ("CONTENT_LENGTH", Context::content_length),
    ("CONTENT_TYPE", |cx| cx.joined(CONTENT_TYPE.as_str()).or(Some("".into()))),
    ("GATEWAY_INTERFACE", |_| Some("CGI/1.1".into())),
    ("HTTPS", |cx| Some(if cx.connection.is_secure() { "on" } else { "off" }.into())),
    ("HTTP_METHOD", |cx| Some(cx.request.method().as_str().into())),
    ("HTTP_URL", |cx| Some(cx.url_sent().into())),
    ("HTTP_VERSION", |cx| Some(cx.protocol().into())),
    ("INSTANCE_ID", |cx| Some(cx.site().id().to_string().into())),
    ("INSTANCE_META_PATH", |cx| Some(format!("/LM/W3SVC/{}", cx.site().id()).into())),
    ("INSTANCE_NAME", |cx| Some(cx.site().name().into())),
    ("LOCAL_ADDR", |cx| ip(cx.connection.local_addr())),
    ("LOGON_USER", |cx| Some(cx.user_name().into())),
    ("PATH_INFO", |cx| Some(cx.url_path())),
    ("PATH_TRANSLATED", |cx| cx.path_translated().map(Into::into)),
    ("QUERY_STRING", |cx| Some(cx.request.url().query().unwrap_or_default().into())),
    ("REMOTE_ADDR", |cx| ip(cx.connection.remote_addr())),
    ("REMOTE_HOST", |cx| ip(cx.connection.remote_addr())),
    ("REMOTE_PORT", |cx| Some(cx.connection.remote_addr()?.port().to_string().into())),
    ("REMOTE_USER", |cx| Some(cx.user_name().into())),
    ("REQUEST_METHOD", |cx| Some(cx.request.method().as_str().into())),
    ("SCRIPT_NAME", |cx| Some(cx.url_path())),
    ("SERVER_ADDR", |cx| ip(cx.connection.local_addr())),
    ("SERVER_NAME", Context::server_name),
    ("SERVER_PORT", |cx| Some(cx.server_port().to_string().into())),
    ("SERVER_PORT_SECURE", |cx| Some(if cx.connection.is_secure() { "1" } else { "0" }.into())),
    ("SERVER_PROTOCOL", |cx| Some(cx.protocol().into())),
    ("SERVER_SOFTWARE", |cx| Some(cx.server().name().into())),
    ("UNENCODED_URL", |cx| Some(cx.url_sent().into())),
    ("UNMAPPED_REMOTE_USER", |cx| Some(cx.user_name().into())),
    ("URL", |cx| Some(cx.url_path())),
];

/// The variable that a header has, if it has one.
fn variable_of(header: &HeaderName) -> Option<String> {
    if header.as_str().contains('_') || header.as_str() == "proxy" {
        return None;
    }
    let variable = format!("HTTP_{}", header.as_str().replace('-', "_").to_ascii_uppercase());
    COMPUTED.iter().all(|(known, _)| *known != variable).then_some(variable)
}

fn strip_prefix_ignore_case<'a>(name: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = name.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// Whether a reader of the decoded path sees the segments that were sent, and sees that it is decoded.
fn decodes_safely(path: &str, decoded: &str) -> bool {
    let separators = |text: &str| text.matches(['/', '\\']).count();
    separators(path) == separators(decoded)
        && !decoded.contains(|char: char| char == '%' || char.is_control())
}

/// Host and port of an authority; `None` unless it is a plain host name or address, with or without a port. What
/// else a client may send there ends up in links and logs.
fn split_host(authority: &str) -> Option<(&str, Option<u16>)> {
    let end = if authority.starts_with('[') {
        authority.find(']')? + 1
    } else {
        authority.find(':').unwrap_or(authority.len())
    };
    let (host, port) = authority.split_at_checked(end)?;
    let port = match port.strip_prefix(':') {
        Some("") => None,
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse().ok()?),
        None if port.is_empty() => None,
        _ => return None,
    };
    let plain = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(ip) => ip.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b)),
    };
    plain.then_some((host, port))
}

fn ip(addr: Option<SocketAddr>) -> Option<Cow<'static, str>> {
    Some(address(addr?).to_string().into())
}

/// On a socket for both families Linux writes an IPv4 client as `::ffff:203.0.113.7`; IIS never does.
fn address(addr: SocketAddr) -> IpAddr {
    addr.ip().to_canonical()
}

fn with_separator(path: &Path) -> String {
    // An empty component adds the system's separator, unless there is one.
    path.join("").to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
