//! The body of the request that is being served, as far as it has been read.

use bytes::Bytes;

use super::input::Input;
use crate::Limits;
use crate::http1::chunked::{Chunked, Decoded};
use crate::http1::length::BodyLength;
use crate::http1::reject::Reject;
use crate::limits::DRAINED;

/// Where the request's body stands.
#[derive(Debug, Default)]
pub(super) enum Body {
    /// Cut off, or malformed: where the next request begins is not known.
    Broken,
    Chunked(Box<Chunked>),
    /// So many octets are left.
    Exact(u64),
    /// There is none, or it was read to its end.
    #[default]
    Read,
}

/// What reading on has found.
#[derive(Debug)]
pub(super) enum Part {
    Data(Bytes),
    End,
    /// What was received is used up.
    More,
}

impl Body {
    pub(super) fn of(length: BodyLength) -> Self {
        match length {
            BodyLength::Chunked => Self::Chunked(Box::default()),
            BodyLength::Exact(0) => Self::Read,
            BodyLength::Exact(length) => Self::Exact(length),
        }
    }

    pub(super) fn is_read(&self) -> bool {
        matches!(self, Self::Read)
    }

    /// Octets that are still to come, as far as that is known. One without a length goes on as it has begun.
    pub(super) fn expected(&self) -> u64 {
        match self {
            Self::Broken | Self::Read => 0,
            Self::Chunked(chunked) => chunked.octets(),
            Self::Exact(left) => *left,
        }
    }

    /// Whether what is left could be read and thrown away, to keep the connection.
    pub(super) fn is_short(&self) -> bool {
        match self {
            Self::Broken => false,
            Self::Chunked(_) | Self::Read => true,
            Self::Exact(left) => *left <= DRAINED,
        }
    }

    /// Reads on in what was received, `max` octets at most.
    pub(super) fn read(&mut self, input: &mut Input, max: usize, limits: &Limits) -> Result<Part, Reject> {
        let part = match self {
            Self::Broken => return Err(Reject::bad("the request's body has broken off before")),
            Self::Read => return Ok(Part::End),
            Self::Exact(left) => {
                let length = input.octets().len().min(max.max(1));
                let length = usize::try_from(*left).map_or(length, |left| left.min(length));
                if length == 0 {
                    return Ok(Part::More);
                }
                *left -= length as u64;
                if *left == 0 {
                    *self = Self::Read;
                }
                return Ok(Part::Data(input.take(length)));
            }
            Self::Chunked(chunked) => decode(chunked, input, max, limits),
        };
        match &part {
            Ok(Part::End) => *self = Self::Read,
            Ok(_) => {}
            Err(_) => *self = Self::Broken,
        }
        part
    }
}

fn decode(chunked: &mut Chunked, input: &mut Input, max: usize, limits: &Limits) -> Result<Part, Reject> {
    loop {
        let octets = input.octets();
        if octets.is_empty() {
            return Ok(Part::More);
        }
        match chunked.decode(&octets[..octets.len().min(max.max(1))], limits)? {
            Decoded::Framing(octets) => input.skip(octets),
            Decoded::Data { skip, len } => {
                input.skip(skip);
                return Ok(Part::Data(input.take(len)));
            }
            Decoded::End(octets) => {
                input.skip(octets);
                // Read for their faults; IIS shows a module no trailers of a request.
                chunked.trailers()?;
                return Ok(Part::End);
            }
        }
    }
}
