//! The types in which buffers come back.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::{Driver, FinishedBuffer, OwnedHandle};
use crate::{EntityChunk, FileRange};

/// What an operation gives back: its buffer, or for [`Accepted`] the connection.
pub trait Buffer<D: Driver + ?Sized>: sealed::Sealed {
    /// What [`Completed`](crate::Completed) holds.
    type Output: Send;

    /// From what the driver finished with; `Err` when the operation had another kind of buffer.
    ///
    /// # Errors
    ///
    /// The buffer, unchanged.
    fn from_finished(buffer: FinishedBuffer, driver: &Arc<D>) -> Result<Self::Output, FinishedBuffer>;
}

/// Stands for a new connection in [`Started`](super::Started), whose outcome is an `Option<OwnedHandle>`, and in
/// [`Multishot`](super::Multishot), whose items are [`OwnedHandle`]s.
#[derive(Debug)]
#[non_exhaustive]
pub enum Accepted {}

mod sealed {
    pub trait Sealed {}
}

macro_rules! buffers {
    ($($ty:ty => $pattern:pat => $value:expr;)*) => {$(
        impl sealed::Sealed for $ty {}
        impl<D: Driver + ?Sized> Buffer<D> for $ty {
            type Output = Self;

            fn from_finished(buffer: FinishedBuffer, _driver: &Arc<D>) -> Result<Self, FinishedBuffer> {
                match buffer {
                    $pattern => Ok($value),
                    other => Err(other),
                }
            }
        }
    )*};
}

buffers! {
    () => FinishedBuffer::None => ();
    Bytes => FinishedBuffer::Write(buffer) => buffer;
    BytesMut => FinishedBuffer::Read(buffer) => buffer;
    FileRange => FinishedBuffer::File(range) => range;
    Vec<EntityChunk> => FinishedBuffer::Chunks(chunks) => chunks;
}

impl sealed::Sealed for Accepted {}
impl<D: Driver + ?Sized> Buffer<D> for Accepted {
    type Output = Option<OwnedHandle<D>>;

    fn from_finished(buffer: FinishedBuffer, driver: &Arc<D>) -> Result<Self::Output, FinishedBuffer> {
        match buffer {
            FinishedBuffer::Handle(handle) => Ok(Some(OwnedHandle::new(Arc::clone(driver), handle))),
            FinishedBuffer::None => Ok(None),
            other => Err(other),
        }
    }
}
