//! Mixed traffic for a while: what leaks a little at a time shows here.

use std::future::poll_fn;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use bivalve_core::{Driver, DriverExt, Handle, OwnedHandle, Started};
use bytes::Bytes;
use futures_util::future::join3;
use futures_util::stream::{FuturesUnordered, Stream};

use crate::check::settled;
use crate::support::{Content, all, content, listener, ok, pause, peer, reset, room, until};
use crate::{Backend, QUEUE, watch};

/// How much more memory the second half may use than the first quarter: what an allocator keeps and pools fill.
const SLACK: usize = 8 << 20;

/// Threads that connect.
const CLIENTS: u64 = 6;

/// Runs bounded mixed traffic for this long: clients that echo, reset, half close and stall, files, timers and
/// cancellations. `BIVALVE_SOAK_SECONDS` overrides the time.
///
/// # Panics
///
/// When the driver is not idle afterwards, when there are more handles than after a short run before, and when the
/// second half used clearly more memory than the first quarter.
pub fn soak(backend: &Backend, duration: Duration, resident_bytes: fn() -> usize) {
    let asked = std::env::var("BIVALVE_SOAK_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let duration = asked.map_or(duration, Duration::from_secs);
    let _watched = watch::over("soak", 2 * duration + Duration::from_secs(120));
    run(backend, duration / 10, resident_bytes);
    let before = (backend.open_handles)();
    let memory = run(backend, duration, resident_bytes);
    let after = settled(backend, before);
    assert!(after <= before, "{after} handles are open after the traffic, {before} were before");
    let (early, late) = memory.marks();
    assert!(
        late <= early + SLACK,
        "memory grows: {early} bytes in the first quarter, {late} in the second half"
    );
}

fn run(backend: &Backend, duration: Duration, resident_bytes: fn() -> usize) -> Memory {
    let (sender, measured) = std::sync::mpsc::channel();
    let body = move |driver: Arc<dyn Driver>| async move {
        let memory = traffic(&driver, duration, resident_bytes).await;
        until("the driver to be idle", || driver.usage().is_idle()).await;
        sender.send(memory).expect("the result is waited for");
    };
    (backend.run)(QUEUE, Box::new(move |driver| Box::pin(body(driver))));
    measured.recv().expect("the body has completed")
}

/// Bytes in use, again and again, with the share of the time that had passed.
#[derive(Default)]
struct Memory(Vec<(f64, usize)>);

impl Memory {
    /// The most of the first quarter, and the median of the second half: a peak is no leak, a level is.
    fn marks(&self) -> (usize, usize) {
        let of = |from: f64, to: f64| {
            let within = self.0.iter().filter(move |(at, _)| (from..to).contains(at));
            let mut bytes: Vec<usize> = within.map(|(_, bytes)| *bytes).collect();
            bytes.sort_unstable();
            bytes
        };
        let (early, late) = (of(0.0, 0.25), of(0.5, 1.0));
        (early.last().copied().unwrap_or(usize::MAX - SLACK), late.get(late.len() / 2).copied().unwrap_or(0))
    }
}

async fn traffic(driver: &Arc<dyn Driver>, duration: Duration, resident_bytes: fn() -> usize) -> Memory {
    let (listening, address) = listener(driver);
    let stop = Arc::new(AtomicBool::new(false));
    let nobody_connects = AtomicBool::new(false);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|seed| (seed, Arc::clone(&stop)))
        .map(|(seed, stop)| peer(move || connect_again_and_again(address, Random(seed), &stop)))
        .collect();
    let conduct = async {
        let (start, mut memory) = (Instant::now(), Memory::default());
        while start.elapsed() < duration {
            memory.0.push((start.elapsed().div_duration_f64(duration), resident_bytes()));
            for _ in 0..20 {
                pause().await;
            }
        }
        stop.store(true, Ordering::Release);
        for client in clients {
            client.join().await;
        }
        nobody_connects.store(true, Ordering::Release);
        memory
    };
    // In this order: the conductor's last word is heard by the others in the same turn.
    let (memory, (), ()) =
        join3(conduct, serve(driver, &listening, &nobody_connects), files_and_timers(driver, &stop)).await;
    memory
}

/// Accepts, and serves each connection until it ends.
async fn serve(driver: &Arc<dyn Driver>, listening: &Handle, ended: &AtomicBool) {
    let mut connections = driver.accept_many(listening);
    let mut serving = FuturesUnordered::new();
    let (mut accepting, mut random) = (true, Random(7));
    poll_fn(|task| {
        if ended.load(Ordering::Acquire) {
            connections.cancel();
        }
        while accepting && let Poll::Ready(next) = connections.poll_next(task) {
            match next {
                Some(Ok(stream)) => serving.push(Box::pin(echo(driver, stream, random.below(8)))),
                Some(Err(_)) => {}
                None => accepting = false,
            }
        }
        while let Poll::Ready(Some(())) = std::pin::Pin::new(&mut serving).poll_next(task) {}
        if accepting || !serving.is_empty() { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
}

/// Sends back what comes, in one of several ways; some connections are left in the middle.
async fn echo(driver: &Arc<dyn Driver>, stream: OwnedHandle, way: u64) {
    if way < 4 {
        let mut items = driver.receive_many(&stream);
        while let Some(Ok(lease)) = items.next().await {
            let bytes = if way == 0 { lease.detach().freeze() } else { Bytes::copy_from_slice(&lease) };
            let send = driver.send(&stream, vec![bytes.into()]);
            match way {
                // Left to itself: it is dropped with the answer on its way.
                1 => return,
                _ if !send.await.completion.is_success() => return,
                _ => {}
            }
        }
    } else {
        loop {
            let receive = driver.receive(&stream, room(8 << 10));
            // A second one waits behind the first. What comes into it is the end of this connection: dropped with
            // it, it is lost, and cancelled, it is too late to be sent back in order.
            let behind = driver.receive(&stream, room(8 << 10));
            if way == 4 {
                drop(behind);
            } else {
                behind.cancel();
                if behind.await.completion.is_success() {
                    return;
                }
            }
            let done = receive.await;
            if !done.completion.is_success() || done.completion.bytes() == 0 {
                break;
            }
            let send = driver.send(&stream, vec![done.buffer.freeze().into()]);
            if way == 5 || !send.await.completion.is_success() || way == 4 {
                return;
            }
        }
    }
    let _ = driver.shutdown(&stream).await;
}

/// Files and timers, some cancelled, some dropped, in batches.
async fn files_and_timers(driver: &Arc<dyn Driver>, stop: &AtomicBool) {
    let mut random = Random(11);
    while !stop.load(Ordering::Acquire) {
        let file = driver.attach(tempfile::tempfile().expect("a file can be made")).expect("it is a file");
        ok(driver.write_at(&file, content(0, 1 << 18), 0).await);
        let reads: Vec<_> = (0..32)
            .map(|_| random.below(1 << 17))
            .map(|place| (place, driver.read_at(&file, room(4096), place)))
            .collect();
        let timers: Vec<_> =
            (0..32).map(|_| driver.timer(Duration::from_micros(random.below(3_000)))).collect();
        let writes = (0..8).map(|i| driver.write_at(&file, content(i << 15, 1 << 15), i << 15));
        let writes: Vec<Started<Bytes>> = writes.collect();
        for timer in timers {
            match random.below(3) {
                0 => drop(timer),
                1 => timer.cancel(),
                _ => drop(timer.await),
            }
        }
        for (place, read) in reads {
            if random.below(4) == 0 {
                drop(read);
            } else {
                // What is written meanwhile is what was there.
                let (bytes, buffer) = ok(read.await);
                assert_eq!(bytes, 4096);
                Content::at(place).feed(&buffer);
            }
        }
        all(writes).await.into_iter().for_each(|done| drop(ok(done)));
    }
}

/// A client of some kind after the other, until it is told to stop. Errors are part of it; wrong bytes are not.
fn connect_again_and_again(address: SocketAddr, mut random: Random, stop: &AtomicBool) {
    while !stop.load(Ordering::Acquire) {
        if client(address, &mut random).is_err() {
            // A connection that was cut, or no port left for the moment.
            thread::sleep(Duration::from_millis(1));
        }
    }
}

fn client(address: SocketAddr, random: &mut Random) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let kind = random.below(6);
    let (mut sent, mut got, mut buffer) = (0, Content::default(), vec![0; 16 << 10]);
    for _ in 0..random.below(8) {
        let len = 1 + random.below(16 << 10);
        stream.write_all(&content(sent, usize::try_from(len).expect("it is small")))?;
        sent += len;
        if kind == 1 {
            thread::sleep(Duration::from_millis(random.below(5)));
        }
        while kind != 2 && got.len() < sent {
            match stream.read(&mut buffer)? {
                0 => return Ok(()),
                bytes => got.feed(&buffer[..bytes]),
            }
        }
    }
    match kind {
        3 => reset(stream),
        4 | 5 => {
            stream.shutdown(Shutdown::Write)?;
            while let bytes @ 1.. = stream.read(&mut buffer)? {
                got.feed(&buffer[..bytes]);
            }
        }
        // Closed with or without bytes that nobody read.
        _ => drop(stream),
    }
    Ok(())
}

/// Numbers that are the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}
