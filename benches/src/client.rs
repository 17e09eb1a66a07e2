//! The client of all measurements: a bare loop over io_uring, cheaper than any of the servers.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use bivalve_peers::ring::{BUFFERS, Pool, SIZE, length, new_ring, push};
use io_uring::types::{Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};

/// Answers that the client waits for at a time, if it has many connections. So it sleeps less often than the server
/// and is cheaper: the server is never without work, and all servers get it in the same way.
const TOGETHER: usize = 16;

/// How long no answer may come before the server has stalled.
const PATIENCE: Timespec = Timespec::new().sec(10);

/// Buffers for answers that are long, and the size of each.
const LARGE_BUFFERS: u16 = 128;
const LARGE: usize = 64 * 1024;

/// The upper bit of a number whose lower ones are the connection's.
const SEND: u64 = 1 << 63;

/// What is sent, over and over, and what comes back each time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Exchange {
    message: &'static [u8],
    /// How each answer begins.
    begins: &'static [u8],
    /// Bytes of the answer.
    answer: usize,
    /// What it counts for.
    requests: u64,
}

impl Exchange {
    /// What was sent comes back.
    pub(crate) fn echo(message: &'static [u8]) -> Self {
        Self { message, begins: message, answer: message.len(), requests: 1 }
    }

    /// A request of HTTP, as many times in one message as `depth` says. The server is asked once to learn how long its
    /// answer is, which is the same each time.
    pub(crate) fn http(port: u16, request: &[u8], depth: usize) -> io::Result<Self> {
        let answer = length_of_answer(port, request)? * depth;
        let message = Box::leak(request.repeat(depth).into_boxed_slice());
        Ok(Self { message, begins: b"HTTP/1.1 200 OK\r\n", answer, requests: depth as u64 })
    }
}

/// Connections that send a message, wait for its answer, and send it again.
pub(crate) struct Client {
    ring: IoUring,
    pool: Pool,
    streams: Vec<TcpStream>,
    exchange: Exchange,
    /// Bytes of the answer that have come, by connection.
    received: Vec<usize>,
}

impl Client {
    /// Opens so many connections.
    pub(crate) fn connect(port: u16, connections: usize, exchange: Exchange) -> io::Result<Self> {
        let ring = new_ring()?;
        let large = exchange.answer > SIZE * 4;
        let (count, size) = if large { (LARGE_BUFFERS, LARGE) } else { (BUFFERS, SIZE) };
        let pool = Pool::register(&ring, count, size)?;
        let connect = |_| {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
            stream.set_nodelay(true)?;
            Ok(stream)
        };
        let streams = (0..connections).map(connect).collect::<io::Result<Vec<_>>>()?;
        let mut client = Self { ring, pool, received: vec![0; streams.len()], streams, exchange };
        let (submitter, mut queue, _) = client.ring.split();
        for (index, stream) in client.streams.iter().enumerate() {
            push(&submitter, &mut queue, &receive(stream, index))?;
        }
        drop(queue);
        Ok(client)
    }

    /// Requests that were answered in a time, each of them whole. At the end none is under way.
    pub(crate) fn run(&mut self, time: Duration) -> io::Result<u64> {
        let Self { ring, pool, streams, exchange, received } = self;
        let until = Instant::now() + time;
        let send = |index: usize| {
            let fd = Fd(streams[index].as_raw_fd());
            let message = exchange.message;
            let send = opcode::Send::new(fd, message.as_ptr(), length(message.len()));
            let send = send.flags(libc::MSG_WAITALL).build().user_data(SEND | index as u64);
            // A completion only if it fails.
            send.flags(squeue::Flags::SKIP_SUCCESS)
        };
        let (submitter, mut queue, _) = ring.split();
        for index in 0..streams.len() {
            push(&submitter, &mut queue, &send(index))?;
        }
        drop(queue);
        let (mut waiting, mut answers) = (streams.len(), 0);
        while waiting > 0 {
            let together = TOGETHER.min(waiting / 2).max(1);
            match ring.submitter().submit_with_args(together, &SubmitArgs::new().timespec(&PATIENCE)) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // With less than was waited for, or nothing: the answers that are there are looked at.
                Err(error) if error.raw_os_error() == Some(libc::ETIME) => {
                    if ring.completion().is_empty() {
                        return Err(io::Error::other(format!(
                            "{waiting} connections wait, and no answer comes"
                        )));
                    }
                }
                Err(error) => return Err(error),
            }
            let goes_on = Instant::now() < until;
            let (submitter, mut queue, completions) = ring.split();
            for completion in completions {
                let (data, flags) = (completion.user_data(), completion.flags());
                let index = usize::try_from(data & !SEND).unwrap_or(0);
                let selected = cqueue::buffer_select(flags);
                match (usize::try_from(completion.result()), selected) {
                    (Ok(bytes @ 1..), Some(buffer)) if data & SEND == 0 => {
                        if received[index] == 0 {
                            check(exchange, pool.filled(buffer, bytes))?;
                        }
                        pool.provide(buffer);
                        received[index] += bytes;
                    }
                    _ if completion.result() == -libc::ENOBUFS => {}
                    _ => return Err(io::Error::other("the server has hung up")),
                }
                if !cqueue::more(flags) {
                    push(&submitter, &mut queue, &receive(&streams[index], index))?;
                }
                if received[index] > exchange.answer {
                    return Err(io::Error::other("the server has answered more than it was asked"));
                }
                if received[index] == exchange.answer {
                    received[index] = 0;
                    answers += 1;
                    if goes_on {
                        push(&submitter, &mut queue, &send(index))?;
                    } else {
                        waiting -= 1;
                    }
                }
            }
            drop(queue);
            pool.publish();
        }
        Ok(answers * exchange.requests)
    }
}

/// A receive that goes on.
fn receive(stream: &TcpStream, index: usize) -> squeue::Entry {
    opcode::RecvMulti::new(Fd(stream.as_raw_fd()), 0).build().user_data(index as u64)
}

/// Whether an answer begins as it should, as far as it has come.
fn check(exchange: &Exchange, bytes: &[u8]) -> io::Result<()> {
    let common = bytes.len().min(exchange.begins.len());
    if bytes[..common] == exchange.begins[..common] {
        return Ok(());
    }
    let begin = String::from_utf8_lossy(&bytes[..bytes.len().min(80)]).into_owned();
    Err(io::Error::other(format!("not the expected answer: {begin:?}")))
}

/// Asks once, and counts the answer's head and body.
fn length_of_answer(port: u16, request: &[u8]) -> io::Result<usize> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut writer = stream.try_clone()?;
    let request = request.to_vec();
    // A long body is answered while it is sent.
    let writing = std::thread::spawn(move || writer.write_all(&request));
    let (mut answer, mut buffer) = (Vec::new(), vec![0; LARGE]);
    let expected = loop {
        let read = receive_some(&mut stream, &mut buffer)?;
        answer.extend_from_slice(&buffer[..read]);
        if let Some(expected) = announced(&answer)? {
            break expected;
        }
    };
    while answer.len() < expected {
        let read = receive_some(&mut stream, &mut buffer)?;
        answer.extend_from_slice(&buffer[..read]);
    }
    writing.join().map_err(|_| io::Error::other("the writer panicked"))??;
    if answer.len() > expected {
        return Err(io::Error::other("the server has answered more than it was asked"));
    }
    Ok(expected)
}

/// At least one byte.
fn receive_some(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match stream.read(buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            // A ring of this thread has work to do.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

/// The length of head and body, once the head is there.
fn announced(answer: &[u8]) -> io::Result<Option<usize>> {
    let Some(end) = answer.windows(4).position(|w| w == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&answer[..end]).map_err(io::Error::other)?;
    let mut lines = head.split("\r\n");
    if lines.next() != Some("HTTP/1.1 200 OK") {
        return Err(io::Error::other(format!("not the expected answer: {head}")));
    }
    let length = lines
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse::<usize>().ok())
        .ok_or_else(|| io::Error::other(format!("an answer without Content-Length: {head}")))?;
    Ok(Some(end + 4 + length))
}
