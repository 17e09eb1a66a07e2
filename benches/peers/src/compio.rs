//! HTTP/1.1 by hand over compio: what one gets from another completion runtime, tuned as far as it goes.

use std::cell::RefCell;
use std::io::{self, Write as _};
use std::net::TcpListener;
use std::num::NonZero;
use std::pin::pin;
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use compio::BufResult;
use compio::driver::ProactorBuilder;
use compio::io::{AsyncReadMulti, AsyncWriteExt};
use futures_util::StreamExt;

use crate::HELLO;

/// As many buffers, and of the size, as bivalve-uring has.
const BUFFERS: u16 = 256;
const SIZE: usize = 4096;

pub(crate) fn serve(listener: TcpListener) -> io::Result<()> {
    let mut proactor = ProactorBuilder::new();
    proactor.single_issuer(true).defer_taskrun(true).taskrun_flag(true);
    proactor
        .buffer_pool_size(NonZero::new(BUFFERS).unwrap_or(NonZero::<u16>::MIN))
        .buffer_pool_buffer_len(SIZE);
    let mut builder = compio::runtime::Runtime::builder();
    let runtime = builder.with_proactor(proactor).build()?;
    runtime.block_on(async {
        let date = Rc::new(RefCell::new(String::new()));
        let clock = Rc::clone(&date);
        compio::runtime::spawn(async move {
            loop {
                *clock.borrow_mut() = httpdate::fmt_http_date(SystemTime::now());
                compio::time::sleep(Duration::from_secs(1)).await;
            }
        })
        .detach();
        let listener = compio::net::TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            compio::runtime::spawn(converse(stream, Rc::clone(&date))).detach();
        }
    })
}

/// Answers all complete requests of a receive with one send.
async fn converse(stream: compio::net::TcpStream, date: Rc<RefCell<String>>) -> io::Result<()> {
    let (mut reader, mut writer) = (&stream, &stream);
    let mut partial = Vec::new();
    let mut out = Vec::with_capacity(SIZE);
    loop {
        let mut receives = pin!(reader.read_multi(0));
        loop {
            let received = match receives.next().await {
                None => return Ok(()),
                // All buffers were taken: they come back, and it is asked for again.
                Some(Err(error)) if error.kind() == io::ErrorKind::ResourceBusy => break,
                Some(received) => received?,
            };
            if received.is_empty() {
                return Ok(());
            }
            out.clear();
            // In place, unless a request came in pieces.
            if partial.is_empty() {
                let used = answer(&received, &date.borrow(), &mut out)?;
                partial.extend_from_slice(&received[used..]);
            } else {
                partial.extend_from_slice(&received);
                let used = answer(&partial, &date.borrow(), &mut out)?;
                partial.drain(..used);
            }
            drop(received);
            if !out.is_empty() {
                let BufResult(sent, back) = writer.write_all(out).await;
                sent?;
                out = back;
            }
        }
    }
}

/// Appends the answers to the complete requests, and tells how many bytes they were.
fn answer(bytes: &[u8], date: &str, out: &mut Vec<u8>) -> io::Result<usize> {
    let mut used = 0;
    while used < bytes.len() {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut request = httparse::Request::new(&mut headers);
        let httparse::Status::Complete(head) = request.parse(&bytes[used..]).map_err(io::Error::other)?
        else {
            break;
        };
        let has_body = request.headers.iter().any(|header| {
            header.name.eq_ignore_ascii_case("content-length")
                || header.name.eq_ignore_ascii_case("transfer-encoding")
        });
        if has_body || request.method != Some("GET") || request.path != Some("/") {
            return Err(io::Error::other("it answers GET / only"));
        }
        write!(out, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\ndate: {date}\r\n\r\n{HELLO}", HELLO.len())?;
        used += head;
    }
    Ok(used)
}
