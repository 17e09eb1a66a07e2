//! A client that is cheaper than the servers, and what it finds out about each.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::measure::median;
use crate::peers::Peer;
use crate::server::Server;

/// Connections that are open at a time.
pub const CONNECTIONS: usize = 64;

/// One turn of one server.
const TURN: Duration = Duration::from_millis(500);

/// Turns of each server.
const TURNS: usize = 11;

/// What one server cost.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// CPU nanoseconds of the server per request, kernel included.
    pub cpu_ns: f64,
    /// Allocations of the server per request.
    pub allocations: f64,
}

/// CPU per request of every peer in interleaved turns, and allocations from a build that counts them.
///
/// # Errors
///
/// When a server cannot be started or breaks off.
pub async fn compare(program: &Path, counting: &Path) -> io::Result<Vec<(Peer, Cost)>> {
    let servers = Peer::ALL
        .into_iter()
        .map(|peer| Server::start(program, &["serve", peer.key()]))
        .collect::<io::Result<Vec<Server>>>()?;
    let mut samples = vec![Vec::with_capacity(TURNS); servers.len()];
    for turn in 0..=TURNS {
        eprintln!("  turn {turn} of {TURNS}");
        for (server, samples) in servers.iter().zip(&mut samples) {
            let before = server.spent()?;
            let requests = load(server.port()?, TURN).await?;
            let spent = server.spent()?.since(before).cpu;
            // The first turn warms up.
            if turn > 0 {
                #[allow(clippy::cast_precision_loss, reason = "nanoseconds of half a second")]
                samples.push(spent as f64 / requests as f64);
            }
        }
    }
    drop(servers);
    let mut costs = Vec::new();
    for (peer, samples) in Peer::ALL.into_iter().zip(samples) {
        let server = Server::start(counting, &["serve", peer.key()])?;
        costs.push((peer, Cost { cpu_ns: median(samples), allocations: allocations(server.port()?).await? }));
    }
    Ok(costs)
}

/// Requests answered in a time, on all connections, one at a time on each.
async fn load(port: u16, time: Duration) -> io::Result<u64> {
    let until = Instant::now() + time;
    let connections: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            tokio::task::spawn_local(async move {
                let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
                stream.set_nodelay(true)?;
                let mut buffer = vec![0; 4096];
                let mut requests = 0_u64;
                while Instant::now() < until {
                    request(&mut stream, "/", &mut buffer).await?;
                    requests += 1;
                }
                io::Result::Ok(requests)
            })
        })
        .collect();
    let mut sum = 0;
    for connection in connections {
        sum += connection.await.map_err(io::Error::other)??;
    }
    Ok(sum)
}

/// Allocations per request: the difference over a thousand requests on one connection.
async fn allocations(port: u16) -> io::Result<f64> {
    const REQUESTS: u32 = 1000;
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let mut buffer = vec![0; 4096];
    for _ in 0..100 {
        request(&mut stream, "/", &mut buffer).await?;
    }
    let before = count(&mut stream, &mut buffer).await?;
    let baseline = count(&mut stream, &mut buffer).await? - before;
    let before = count(&mut stream, &mut buffer).await?;
    for _ in 0..REQUESTS {
        request(&mut stream, "/", &mut buffer).await?;
    }
    let after = count(&mut stream, &mut buffer).await?;
    Ok((after - before - baseline) / f64::from(REQUESTS))
}

async fn count(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<f64> {
    let body = request(stream, "/count", buffer).await?;
    std::str::from_utf8(&buffer[body])
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| io::Error::other("the server did not answer with a count"))
}

/// One request; where the body is in the buffer.
async fn request(
    stream: &mut TcpStream,
    path: &str,
    buffer: &mut [u8],
) -> io::Result<std::ops::Range<usize>> {
    let head = "HTTP/1.1\r\nhost: localhost\r\nuser-agent: bench/1.0\r\naccept: */*\r\naccept-encoding: identity\r\n\r\n";
    stream.write_all(format!("GET {path} {head}").as_bytes()).await?;
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        filled += read;
        if let Some(body) = body(&buffer[..filled])? {
            return Ok(body);
        }
    }
}

/// Where the body is, once all of it is there.
fn body(answer: &[u8]) -> io::Result<Option<std::ops::Range<usize>>> {
    let Some(end) = answer.windows(4).position(|w| w == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&answer[..end]).map_err(io::Error::other)?;
    let mut lines = head.split("\r\n");
    if lines.next() != Some("HTTP/1.1 200 OK") {
        return Err(io::Error::other(format!("not the expected answer: {head}")));
    }
    let length = lines
        .filter_map(|line| line.split_once(": "))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.parse::<usize>().ok())
        .ok_or_else(|| io::Error::other("an answer without Content-Length"))?;
    let body = end + 4..end + 4 + length;
    Ok((answer.len() >= body.end).then_some(body))
}
