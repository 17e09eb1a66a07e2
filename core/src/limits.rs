//! Every limit of the core in one place: what it bounds, and what happens there.

/// Bytes of response entity that are held before they must be sent: 4 MiB, IIS's response buffer limit.
///
/// [`Context::write`](crate::Context::write) flushes when a chunk would pass it;
/// [`Response::write`](crate::Response::write), which cannot wait, fails with
/// [`ErrorKind::BufferFull`](crate::ErrorKind::BufferFull). File chunks hold no memory and do not count.
/// A single chunk larger than that is held all the same, alone: it is in memory already. Changed per application with [`Application::response_buffer_limit`](crate::ApplicationBuilder::response_buffer_limit).
pub const RESPONSE_BUFFER_LIMIT: usize = 4 * 1024 * 1024;

/// Chunks held by one response: 65,533, what ANCM sends in one write (IIS takes 65,534).
///
/// [`Context::write`](crate::Context::write) flushes there; [`Response::write`](crate::Response::write) fails.
pub const MAX_ENTITY_CHUNKS: usize = 65_533;

/// Nesting of on-demand events (SendResponse, ReadEntity, MapPath, custom) and child requests together: 16.
///
/// One module call inside another is one level, and so is a child request, on top of its parents' levels: all of it stands
/// on one stack, of 128 to 256 KB on IIS's threads. Deeper fails with
/// [`ErrorKind::NestingTooDeep`](crate::ErrorKind::NestingTooDeep).
pub const MAX_NESTING: u8 = 16;

/// Nesting of child requests: 10, IIS's own limit for `ExecuteRequest`.
///
/// Deeper fails with [`ErrorKind::ChildTooDeep`](crate::ErrorKind::ChildTooDeep).
pub const MAX_CHILD_DEPTH: u8 = 10;

/// Bytes of a child request's response that are captured: 16 MiB. More fails the child's write.
pub const MAX_CHILD_RESPONSE: usize = 16 * 1024 * 1024;

/// Length of a URL given to [`Context::map_path`](crate::Context::map_path): 4,096, IIS's `maxUrl`.
pub const MAX_URL: usize = 4096;

/// Modules of one pipeline: 1,024.
pub const MAX_MODULES: usize = 1024;
