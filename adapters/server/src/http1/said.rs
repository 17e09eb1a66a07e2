//! What the fields of a head say of its framing and its connection, gathered while they are read.

use http::{StatusCode, Version};

use super::reject::Reject;
use super::target;

/// Fields that the server itself acts on.
#[derive(Debug, Default)]
pub(crate) struct Said<'a> {
    pub(crate) codings: Field<'a>,
    pub(crate) lengths: Field<'a>,
    hosts: Field<'a>,
    expectations: Field<'a>,
    close: bool,
    keep_alive: bool,
    upgrade: bool,
    names_protocol: bool,
    takes_trailers: bool,
}

/// A field that may be there once.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Field<'a> {
    pub(crate) first: Option<&'a [u8]>,
    /// It is there again.
    pub(crate) more: bool,
}

impl<'a> Field<'a> {
    pub(crate) fn add(&mut self, value: &'a [u8]) {
        self.more = self.first.is_some();
        self.first.get_or_insert(value);
    }
}

impl<'a> Said<'a> {
    pub(crate) fn hear(&mut self, name: &[u8], value: &'a [u8]) {
        let is_name = |field: &str| name.eq_ignore_ascii_case(field.as_bytes());
        // By length first: most names are none of these.
        match name.len() {
            2 if is_name("te") => self.takes_trailers |= members(value).any(|coding| is(coding, "trailers")),
            4 if is_name("host") => self.hosts.add(value),
            6 if is_name("expect") => self.expectations.add(value),
            7 if is_name("upgrade") => self.names_protocol = true,
            10 if is_name("connection") => {
                for option in members(value) {
                    self.close |= is(option, "close");
                    self.keep_alive |= is(option, "keep-alive");
                    self.upgrade |= is(option, "upgrade");
                }
            }
            14 if is_name("content-length") => self.lengths.add(value),
            17 if is_name("transfer-encoding") => self.codings.add(value),
            _ => {}
        }
    }

    /// RFC 9112 section 3.2: exactly one.
    pub(crate) fn check_host(&self, version: Version) -> Result<(), Reject> {
        match self.hosts {
            Field { first: None, .. } if version == Version::HTTP_10 => Ok(()),
            Field { first: None, .. } => Err(Reject::bad("no Host (RFC 9112 section 3.2)")),
            Field { more: true, .. } => Err(Reject::bad("more than one Host (RFC 9112 section 3.2)")),
            Field { first: Some(host), .. } if target::is_host(host) => Ok(()),
            Field { .. } => {
                Err(Reject::bad("Host is no host and port (RFC 9112 section 3.2, RFC 9110 section 4.2.1)"))
            }
        }
    }

    /// RFC 9110 section 10.1.1. HTTP/1.0 has no such thing.
    pub(crate) fn expects_continue(&self, version: Version) -> Result<bool, Reject> {
        match self.expectations {
            Field { first: None, .. } => Ok(false),
            Field { .. } if version == Version::HTTP_10 => Ok(false),
            Field { first: Some(value), more: false } if value.eq_ignore_ascii_case(b"100-continue") => {
                Ok(true)
            }
            Field { .. } => Err(Reject::new(
                StatusCode::EXPECTATION_FAILED,
                "an Expect that is not 100-continue (RFC 9110 section 10.1.1)",
            )),
        }
    }

    /// RFC 9112 section 9.3.
    pub(crate) fn persists(&self, version: Version) -> bool {
        !self.close && (version == Version::HTTP_11 || self.keep_alive)
    }

    /// RFC 9110 section 7.8.
    pub(crate) fn asks_upgrade(&self, version: Version) -> bool {
        self.upgrade && self.names_protocol && version == Version::HTTP_11
    }

    /// RFC 9110 section 6.5.1.
    pub(crate) fn takes_trailers(&self, version: Version) -> bool {
        self.takes_trailers && version == Version::HTTP_11
    }
}

/// The members of a list, without their parameters.
pub(crate) fn members(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    let members = list.split(|byte| *byte == b',');
    members.map(|member| member.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii())
}

fn is(member: &[u8], word: &str) -> bool {
    member.eq_ignore_ascii_case(word.as_bytes())
}
