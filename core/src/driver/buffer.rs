//! The types in which buffers come back.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::{Driver, FinishedBuffer, OwnedHandle};
use crate::{EntityChunk, FileRange};

/// A type that an operation can give back.
pub trait Buffer<D: Driver + ?Sized>: Sized + Send + sealed::Sealed {
    /// From what the driver finished with; `Err` when the operation had another kind of buffer.
    ///
    /// # Errors
    ///
    /// The buffer, unchanged.
    fn from_finished(buffer: FinishedBuffer, driver: &Arc<D>) -> Result<Self, FinishedBuffer>;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! buffers {
    ($($ty:ty => $pattern:pat => $value:expr;)*) => {$(
        impl sealed::Sealed for $ty {}
        impl<D: Driver + ?Sized> Buffer<D> for $ty {
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

impl<D: Driver + ?Sized> sealed::Sealed for Option<OwnedHandle<D>> {}
impl<D: Driver + ?Sized> Buffer<D> for Option<OwnedHandle<D>> {
    fn from_finished(buffer: FinishedBuffer, driver: &Arc<D>) -> Result<Self, FinishedBuffer> {
        match buffer {
            FinishedBuffer::Handle(handle) => Ok(Some(OwnedHandle::new(Arc::clone(driver), handle))),
            FinishedBuffer::None => Ok(None),
            other => Err(other),
        }
    }
}
