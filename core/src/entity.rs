//! Entity chunks: bytes, or a range of a file.

use std::fmt;
use std::fs::File;
use std::sync::Arc;

use bytes::Bytes;

/// One piece of a response's entity body.
///
/// ```
/// use bivalve_core::EntityChunk;
///
/// let chunk = EntityChunk::from("Hello World!");
/// assert_eq!(chunk.len(), 12);
/// ```
///
/// IIS counterpart: `HTTP_DATA_CHUNK` (`HttpDataChunkFromMemory`, `HttpDataChunkFromFileHandle`).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EntityChunk {
    /// Bytes in memory, reference-counted.
    Bytes(Bytes),
    /// A range of an open file: sent without passing through user memory where the host can
    /// (`sendfile` on Linux, the kernel-mode driver in IIS).
    File(FileRange),
}

impl EntityChunk {
    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(range) => range.len(),
        }
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory it holds: what counts against the response buffer limit.
    #[must_use]
    pub fn memory(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::File(_) => 0,
        }
    }
}

impl<T: Into<Bytes>> From<T> for EntityChunk {
    fn from(bytes: T) -> Self {
        Self::Bytes(bytes.into())
    }
}

impl From<FileRange> for EntityChunk {
    fn from(range: FileRange) -> Self {
        Self::File(range)
    }
}

/// A range of an open file. The file stays open until the last clone of the range is gone.
#[derive(Clone)]
pub struct FileRange {
    file: Arc<File>,
    offset: u64,
    len: u64,
}

impl FileRange {
    /// `len` bytes from `offset`. Nothing is checked against the file: one that is shorter when it is sent
    /// ends the response early, and the connection with it.
    #[must_use]
    pub fn new(file: impl Into<Arc<File>>, offset: u64, len: u64) -> Self {
        Self { file: file.into(), offset, len: len.min(u64::MAX - offset) }
    }

    /// The whole file, by its length now.
    ///
    /// # Errors
    ///
    /// When the file's length cannot be read.
    pub fn whole(file: impl Into<Arc<File>>) -> std::io::Result<Self> {
        let file = file.into();
        let len = file.metadata()?.len();
        Ok(Self::new(file, 0, len))
    }

    /// The open file.
    #[must_use]
    pub fn file(&self) -> &Arc<File> {
        &self.file
    }

    /// Where the range starts, in bytes.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the range is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl fmt::Debug for FileRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileRange")
            .field("offset", &self.offset)
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}
