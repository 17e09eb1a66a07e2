//! Puts a case to a server.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use crate::{Case, PROBE, Then};

/// What a server has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The status of each answer, but not the probe's.
    pub answers: Vec<u16>,
    /// What became of the connection.
    pub then: Then,
    /// All that came.
    pub text: String,
    /// The server has reset the connection: an answer may have been lost on the way.
    pub reset: bool,
}

impl Heard {
    /// Whether it is what the case expects.
    #[must_use]
    pub fn fits(&self, case: &Case) -> bool {
        self.answers == case.answers
            && self.then == case.then
            && case.says.is_none_or(|says| self.text.contains(says))
    }
}

/// Sends a case, in pieces of so many octets, and hears the answers.
///
/// # Errors
///
/// When there is no connection, or the server is silent for `patience`.
pub fn ask(address: SocketAddr, case: &Case, pieces: usize, patience: Duration) -> io::Result<Heard> {
    let probe: &[u8] = if case.then == Then::Cut { &[] } else { PROBE };
    let sent: Vec<_> = case.octets.chunks(pieces.max(1)).chain([probe]).collect();
    match exchange(address, case, &sent, patience)? {
        (heard, End::Silent) => {
            Err(io::Error::new(io::ErrorKind::TimedOut, format!("silent behind {:?}", heard.text)))
        }
        (heard, _) => Ok(heard),
    }
}

/// Sends a case at once to a server that need not be strict: one that is silent for `patience`
/// [waits](Then::Waits).
///
/// # Errors
///
/// When there is no connection.
pub fn watch(address: SocketAddr, case: &Case, patience: Duration) -> io::Result<Heard> {
    let probe: &[u8] = if case.then == Then::Cut { &[] } else { PROBE };
    let sent = [&case.octets[..], probe].concat();
    exchange(address, case, &[&sent], patience).map(|(heard, _)| heard)
}

fn exchange(
    address: SocketAddr,
    case: &Case,
    pieces: &[&[u8]],
    patience: Duration,
) -> io::Result<(Heard, End)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let reader = stream.try_clone()?;
    let hearing = std::thread::spawn(move || hear(reader));
    let sent = pieces.iter().try_for_each(|piece| stream.write_all(piece));
    // Who has refused need not take the rest.
    if sent.is_ok() && case.then == Then::Cut {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let (text, end) = hearing.join().map_err(|_| io::Error::other("the reader has panicked"))??;
    let probed = text.contains("/probe");
    let mut answers = statuses(&text);
    if probed {
        answers.pop();
    }
    let then = match case.then {
        _ if end == End::Silent && !probed => Then::Waits,
        Then::Cut => Then::Cut,
        _ if probed => Then::Open,
        _ => Then::Closed,
    };
    Ok((Heard { answers, then, text, reset: end == End::Reset }, end))
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Closed,
    Reset,
    Silent,
}

fn hear(mut stream: TcpStream) -> io::Result<(String, End)> {
    let mut heard = Vec::new();
    let mut part = [0; 16 * 1024];
    let end = loop {
        match stream.read(&mut part) {
            Ok(0) => break End::Closed,
            Ok(length) => heard.extend_from_slice(&part[..length]),
            // Refused in the middle of what was sent.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted
                ) =>
            {
                break End::Reset;
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                break End::Silent;
            }
            Err(error) => return Err(error),
        }
    };
    Ok((String::from_utf8_lossy(&heard).into_owned(), end))
}

/// The statuses of answers, in order, without those that say "go on": whether the client is told depends on how much of its
/// body is there. No body of a server under test looks like a status line.
fn statuses(text: &str) -> Vec<u16> {
    text.match_indices("HTTP/1.")
        .filter_map(|(at, _)| text.get(at + 9..at + 12)?.parse().ok())
        .filter(|status| *status != 100)
        .collect()
}
