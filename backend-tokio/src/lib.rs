//! The portable completion driver: readiness sockets and positioned files on Tokio.
//!
//! [`TokioDriver`] is the [`Driver`](bivalve_core::Driver) for every system that Tokio runs on. A socket operation is
//! tried at once, and again when Tokio says that the socket is ready; a file operation runs on Tokio's blocking pool.
//! One task, the *pump*, goes on with what has become ready, so that an operation does so without anybody polling it.
//!
//! ```
//! use bivalve_core::DriverExt;
//! use bivalve_tokio::TokioDriver;
//! use bytes::BytesMut;
//!
//! # fn main() -> std::io::Result<()> {
//! let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! runtime.block_on(async {
//!     let driver = TokioDriver::new()?;
//!     let listener = driver.attach(std::net::TcpListener::bind("127.0.0.1:0")?)?;
//!     let client = driver.connect(listener.local_address()?);
//!     let server = driver.accept(&listener).await.into_result()?.1.expect("success brings a handle");
//!     let client = client.await.into_result()?.1.expect("success brings a handle");
//!
//!     driver.send(&client, vec!["Hello".into()]).await.into_result()?;
//!     let (bytes, buffer) = driver.receive(&server, BytesMut::with_capacity(64)).await.into_result()?;
//!     assert_eq!((bytes, &buffer[..]), (5, &b"Hello"[..]));
//!     Ok(())
//! })
//! # }
//! ```
//!
//! # How fast
//!
//! An operation takes a lock two or three times for some ten nanoseconds each and allocates nothing once its handle
//! has been in use; file operations allocate what Tokio's blocking pool does. System calls are made outside the lock.
//! Against plain Tokio sockets, an echo was measured, on a quiet but shared machine, at 1 to 4 % more with `receive_many`
//! and `send`, and 3 to 8 % with `receive` and `send`; under load it was more.
//! On Linux and on Windows, the drivers for `io_uring` and completion ports do more with less.
//!
//! # Limits
//!
//! | what | limit | what happens there |
//! |---|---|---|
//! | items that nobody has taken, of one `ReceiveMany` | 8 | the peer has to wait |
//! | items that nobody has taken, of one `AcceptMany` | 64 | connections wait in the system's backlog |
//! | bytes of one leased buffer | 16 KiB | the rest comes in the next |
//! | unused lease buffers that are kept | 256 (4 MiB) | more are freed |
//! | file operations at work at once | 64, or as many threads as the runtime's blocking pool has | the rest waits, in order |
//! | memory of a send that is within a file range | 128 KiB | the file is read and sent in such pieces |
//! | bytes that one send moves before others have their turn | 1 MiB | it goes on after them |
//! | chunks in one system call | 1,024, or the system's limit | the rest goes with the next |
//!
//! They are constants: nobody had a reason to change one yet.
//!
//! # What differs by system
//!
//! Pipes are driven on Unix only: Tokio's pipes of Windows are not made from handles, so
//! [`associate`](bivalve_core::Driver::associate) says `Unsupported` there. A file on Windows must not have been opened
//! for overlapped I/O, and reading or writing it moves its cursor.
//!
//! TCP's urgent data (`send_out_of_band`) is not supported. A receive ends at the urgent mark, as the system does; on
//! systems with `epoll` or `kqueue` what follows the mark then waits until more comes, because a short read is taken to
//! have emptied the socket.
//!
//! Closing does not block: a time to linger (`SO_LINGER`) that is not zero is taken back before a stream is closed, for
//! all descriptors of that socket. Zero, which resets the connection, stays.
//!
//! # When there are no threads
//!
//! File operations end as `OUT_OF_MEMORY` when the system has no thread for the runtime's blocking pool. Tokio says so by
//! a panic, which is caught here: its message appears on standard error, and a program that is built with
//! `panic = "abort"` ends.
//!
//! # File ranges
//!
//! A file range is read and sent, not passed from file to socket within the system (`sendfile`), which takes unsafe
//! code or a thread that waits for the disk.

#![forbid(unsafe_code)]

mod attempt;
mod driver;
mod endpoint;
mod files;
mod lane;
#[cfg(all(test, bivalve_loom))]
mod models;
mod pump;
mod ready;
mod send;
mod shared;
mod state;
mod sync;
mod sys;

pub use self::driver::TokioDriver;
