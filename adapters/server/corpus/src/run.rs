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
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let reader = stream.try_clone()?;
    let hearing = std::thread::spawn(move || hear(reader));
    let probe: &[u8] = if case.then == Then::Cut { &[] } else { PROBE };
    let sent = case.octets.chunks(pieces.max(1)).chain([probe]).try_for_each(|piece| stream.write_all(piece));
    // Who has refused need not take the rest.
    if sent.is_ok() && case.then == Then::Cut {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let text = hearing.join().map_err(|_| io::Error::other("the reader has panicked"))??;
    let probed = text.contains("/probe");
    let mut answers = statuses(&text);
    if probed {
        answers.pop();
    }
    let then = match case.then {
        Then::Cut => Then::Cut,
        _ if probed => Then::Open,
        _ => Then::Closed,
    };
    Ok(Heard { answers, then, text })
}

fn hear(mut stream: TcpStream) -> io::Result<String> {
    let mut heard = Vec::new();
    let mut part = [0; 16 * 1024];
    loop {
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(length) => heard.extend_from_slice(&part[..length]),
            // Refused in the middle of what was sent.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted
                ) =>
            {
                break;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(String::from_utf8_lossy(&heard).into_owned())
}

/// The statuses of answers, in order, without those that say "go on": whether the client is told depends on how much of its
/// body is there. No body of a server under test looks like a status line.
fn statuses(text: &str) -> Vec<u16> {
    text.match_indices("HTTP/1.")
        .filter_map(|(at, _)| text.get(at + 9..at + 12)?.parse().ok())
        .filter(|status| *status != 100)
        .collect()
}
