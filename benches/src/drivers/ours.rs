//! The same echo and the same reads over our drivers. Generic over the driver: its type, or `dyn`.

use std::fs::File;
use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bivalve_core::{Driver, DriverExt, EntityChunk, OwnedHandle};
use bivalve_tokio::TokioDriver;
use bivalve_uring::UringDriver;
use bytes::BytesMut;
use tokio::runtime;

use super::{DEPTH, READ, Reader, offset, whole};

/// What a module has.
pub(super) type Dyn = Arc<dyn Driver>;

/// Capacity of a connection's buffer for what it sends.
const ROOM: usize = 4096;

pub(super) fn echo_uring<D: Driver + ?Sized + 'static>(
    listener: TcpListener,
    direct: bool,
    as_driver: fn(Arc<UringDriver>) -> Arc<D>,
) -> io::Result<()> {
    let config = bivalve_uring::Config::default().direct_descriptors(direct);
    let runtime = bivalve_uring::Runtime::new(&config)?;
    let driver = as_driver(runtime.driver());
    runtime.block_on(accept(driver, listener, echo_many))
}

pub(super) fn echo_tokio(listener: TcpListener, many: bool) -> io::Result<()> {
    let runtime = current_thread()?;
    runtime.block_on(async {
        let driver = TokioDriver::new()?;
        if many {
            accept(driver, listener, echo_many).await
        } else {
            accept(driver, listener, echo_single).await
        }
    })
}

pub(super) fn reader_uring<D: Driver + ?Sized + 'static>(
    file: File,
    as_driver: fn(Arc<UringDriver>) -> Arc<D>,
) -> io::Result<Reader> {
    let runtime = bivalve_uring::Runtime::new(&bivalve_uring::Config::default())?;
    let driver = as_driver(runtime.driver());
    let file = Arc::new(driver.attach(file)?);
    Ok(Box::new(move |reads| runtime.block_on(read_all(&driver, &file, reads))))
}

pub(super) fn reader_tokio(file: File) -> io::Result<Reader> {
    let runtime = current_thread()?;
    let driver = runtime.block_on(async { TokioDriver::new() })?;
    let file = Arc::new(driver.attach(file)?);
    Ok(Box::new(move |reads| runtime.block_on(read_all(&driver, &file, reads))))
}

fn current_thread() -> io::Result<runtime::Runtime> {
    runtime::Builder::new_current_thread().enable_all().build()
}

async fn accept<D, F>(
    driver: Arc<D>,
    listener: TcpListener,
    serve: fn(Arc<D>, OwnedHandle<D>) -> F,
) -> io::Result<()>
where
    D: Driver + ?Sized + 'static,
    F: Future<Output = io::Result<()>> + Send + 'static,
{
    let listener = driver.attach(listener)?;
    let mut connections = driver.accept_many(&listener);
    while let Some(connection) = connections.next().await {
        let connection = connection?;
        connection.set_nodelay(true)?;
        tokio::spawn(serve(Arc::clone(&driver), connection));
    }
    Ok(())
}

/// Receives that go on; what is sent is copied out of the lease, which goes home at once.
async fn echo_many<D: Driver + ?Sized>(driver: Arc<D>, stream: OwnedHandle<D>) -> io::Result<()> {
    let mut receives = driver.receive_many(&stream);
    let mut buffer = BytesMut::with_capacity(ROOM);
    let mut chunks = Vec::with_capacity(1);
    while let Some(lease) = receives.next().await {
        // Once the sent parts are dropped, this finds the buffer's memory again.
        buffer.extend_from_slice(&lease?);
        chunks.push(EntityChunk::Bytes(buffer.split().freeze()));
        chunks = driver.send(&stream, chunks).await.into_result()?.1;
        chunks.clear();
    }
    Ok(())
}

/// One receive after the other, and the same memory sent.
async fn echo_single<D: Driver + ?Sized>(driver: Arc<D>, stream: OwnedHandle<D>) -> io::Result<()> {
    let mut buffer = BytesMut::with_capacity(ROOM);
    let mut chunks = Vec::with_capacity(1);
    loop {
        let (bytes, filled) = driver.receive(&stream, buffer).await.into_result()?;
        buffer = filled;
        if bytes == 0 {
            return Ok(());
        }
        chunks.push(EntityChunk::Bytes(buffer.split().freeze()));
        chunks = driver.send(&stream, chunks).await.into_result()?.1;
        chunks.clear();
        buffer.reserve(ROOM);
    }
}

async fn read_all<D: Driver + ?Sized + 'static>(
    driver: &Arc<D>,
    file: &Arc<OwnedHandle<D>>,
    reads: u32,
) -> io::Result<()> {
    let next = Arc::new(AtomicU32::new(0));
    let tasks: Vec<_> = (0..DEPTH)
        .map(|_| tokio::spawn(read_some(Arc::clone(driver), Arc::clone(file), Arc::clone(&next), reads)))
        .collect();
    for task in tasks {
        task.await??;
    }
    Ok(())
}

async fn read_some<D: Driver + ?Sized>(
    driver: Arc<D>,
    file: Arc<OwnedHandle<D>>,
    next: Arc<AtomicU32>,
    reads: u32,
) -> io::Result<()> {
    let mut buffer = BytesMut::with_capacity(READ);
    loop {
        let read = next.fetch_add(1, Ordering::Relaxed);
        if read >= reads {
            return Ok(());
        }
        buffer.clear();
        let (bytes, filled) = driver.read_at(&file, buffer, offset(read)).await.into_result()?;
        whole(bytes)?;
        buffer = filled;
    }
}
