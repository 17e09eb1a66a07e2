//! The same echo and the same reads over other runtimes, each in the way its own documents show.

use std::cell::Cell;
use std::fs::File;
use std::io;
use std::net::TcpListener;
use std::num::NonZero;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use compio::BufResult;
use compio::driver::ProactorBuilder;
use compio::io::{AsyncRead, AsyncReadAt, AsyncReadMulti, AsyncWriteExt};
use futures_util::StreamExt;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::runtime;

use super::{DEPTH, READ, Reader, offset, whole};

/// Capacity of a connection's buffer.
const ROOM: usize = 4096;

fn tokio_runtime() -> io::Result<runtime::Runtime> {
    runtime::Builder::new_current_thread().enable_all().build()
}

pub(super) fn echo_tokio(listener: TcpListener) -> io::Result<()> {
    tokio_runtime()?.block_on(async {
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (mut stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(async move {
                let mut buffer = vec![0; ROOM];
                loop {
                    let bytes = stream.read(&mut buffer).await?;
                    if bytes == 0 {
                        return io::Result::Ok(());
                    }
                    stream.write_all(&buffer[..bytes]).await?;
                }
            });
        }
    })
}

/// Tokio has no positioned reads; this is what one writes instead.
pub(super) fn reader_tokio(file: File) -> io::Result<Reader> {
    let runtime = tokio_runtime()?;
    let file = Arc::new(file);
    Ok(Box::new(move |reads| {
        runtime.block_on(async {
            let next = Arc::new(AtomicU32::new(0));
            let read = |file: Arc<File>, next: Arc<AtomicU32>| async move {
                let mut buffer = vec![0; READ];
                loop {
                    let read = next.fetch_add(1, Ordering::Relaxed);
                    if read >= reads {
                        return io::Result::Ok(());
                    }
                    let file = Arc::clone(&file);
                    let work = move || file.read_at(&mut buffer, offset(read)).map(|bytes| (bytes, buffer));
                    let (bytes, filled) = tokio::task::spawn_blocking(work).await??;
                    whole(bytes)?;
                    buffer = filled;
                }
            };
            let tasks: Vec<_> =
                (0..DEPTH).map(|_| tokio::spawn(read(Arc::clone(&file), Arc::clone(&next)))).collect();
            for task in tasks {
                task.await??;
            }
            Ok(())
        })
    }))
}

fn compio_runtime(tuned: bool) -> io::Result<compio::runtime::Runtime> {
    let mut proactor = ProactorBuilder::new();
    let mut builder = compio::runtime::Runtime::builder();
    if tuned {
        proactor.single_issuer(true).defer_taskrun(true).taskrun_flag(true);
        // As many buffers, of the size, as our own driver has.
        proactor
            .buffer_pool_size(NonZero::new(256).unwrap_or(NonZero::<u16>::MIN))
            .buffer_pool_buffer_len(ROOM);
    }
    builder.with_proactor(proactor).build()
}

pub(super) fn echo_compio(listener: TcpListener, tuned: bool) -> io::Result<()> {
    compio_runtime(tuned)?.block_on(async {
        let listener = compio::net::TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            if tuned {
                compio::runtime::spawn(echo_managed(stream)).detach();
            } else {
                compio::runtime::spawn(echo_owned(stream)).detach();
            }
        }
    })
}

async fn echo_owned(mut stream: compio::net::TcpStream) -> io::Result<()> {
    let mut buffer = Vec::with_capacity(ROOM);
    loop {
        buffer.clear();
        let BufResult(bytes, filled) = stream.read(buffer).await;
        if bytes? == 0 {
            return Ok(());
        }
        let BufResult(sent, back) = stream.write_all(filled).await;
        sent?;
        buffer = back;
    }
}

/// Receives that go on, into buffers of the runtime's, which are sent as they are.
async fn echo_managed(stream: compio::net::TcpStream) -> io::Result<()> {
    let (mut reader, mut writer) = (&stream, &stream);
    let mut receives = pin!(reader.read_multi(0));
    while let Some(buffer) = receives.next().await {
        writer.write_all(buffer?).await.0?;
    }
    Ok(())
}

pub(super) fn reader_compio(path: &Path, tuned: bool) -> io::Result<Reader> {
    let runtime = compio_runtime(tuned)?;
    let file = Rc::new(runtime.block_on(compio::fs::File::open(path))?);
    Ok(Box::new(move |reads| {
        runtime.block_on(async {
            let next = Rc::new(Cell::new(0));
            let read = |file: Rc<compio::fs::File>, next: Rc<Cell<u32>>| async move {
                let mut buffer = Vec::with_capacity(READ);
                while let Some(offset) = take(&next, reads) {
                    buffer.clear();
                    let BufResult(bytes, filled) = file.read_at(buffer, offset).await;
                    whole(bytes?)?;
                    buffer = filled;
                }
                io::Result::Ok(())
            };
            let tasks: Vec<_> = (0..DEPTH)
                .map(|_| compio::runtime::spawn(read(Rc::clone(&file), Rc::clone(&next))))
                .collect();
            for task in tasks {
                task.await.map_err(|_| io::Error::other("a reader panicked"))??;
            }
            Ok(())
        })
    }))
}

/// The offset of the next read, if there is to be one.
fn take(next: &Cell<u32>, reads: u32) -> Option<u64> {
    let read = next.replace(next.get() + 1);
    (read < reads).then(|| offset(read))
}

/// It looks at the ring when epoll says so: deferred task work, which wakes nobody there, is not for it.
fn tokio_uring_runtime() -> io::Result<tokio_uring::Runtime> {
    let mut ring = tokio_uring::uring_builder();
    ring.setup_coop_taskrun().setup_single_issuer();
    tokio_uring::Runtime::new(tokio_uring::builder().uring_builder(&ring))
}

pub(super) fn echo_tokio_uring(listener: TcpListener) -> io::Result<()> {
    tokio_uring_runtime()?.block_on(async {
        let listener = tokio_uring::net::TcpListener::from_std(listener);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio_uring::spawn(async move {
                let mut buffer = Vec::with_capacity(ROOM);
                loop {
                    buffer.clear();
                    let (bytes, filled) = stream.read(buffer).await;
                    if bytes? == 0 {
                        return io::Result::Ok(());
                    }
                    let (sent, back) = stream.write_all(filled).await;
                    sent?;
                    buffer = back;
                }
            });
        }
    })
}

pub(super) fn reader_tokio_uring(file: File) -> io::Result<Reader> {
    let runtime = tokio_uring_runtime()?;
    let file = Rc::new(tokio_uring::fs::File::from_std(file));
    Ok(Box::new(move |reads| {
        runtime.block_on(async {
            let next = Rc::new(Cell::new(0));
            let read = |file: Rc<tokio_uring::fs::File>, next: Rc<Cell<u32>>| async move {
                let mut buffer = Vec::with_capacity(READ);
                while let Some(offset) = take(&next, reads) {
                    buffer.clear();
                    let (bytes, filled) = file.read_at(buffer, offset).await;
                    whole(bytes?)?;
                    buffer = filled;
                }
                io::Result::Ok(())
            };
            let tasks: Vec<_> =
                (0..DEPTH).map(|_| tokio_uring::spawn(read(Rc::clone(&file), Rc::clone(&next)))).collect();
            for task in tasks {
                task.await??;
            }
            Ok(())
        })
    }))
}
