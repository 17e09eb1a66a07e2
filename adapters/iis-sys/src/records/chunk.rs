//! The body, in chunks.

use core::ffi::c_void;
use core::fmt;

use super::headers::HTTP_UNKNOWN_HEADER;
use crate::codes::HTTP_DATA_CHUNK_TYPE;
use crate::types::{HANDLE, PCWSTR};

/// As the length of a range: until the end of the file.
pub const HTTP_BYTE_RANGE_TO_EOF: u64 = u64::MAX;

record! {
    /// A part of a file. The length of all that is left is [`HTTP_BYTE_RANGE_TO_EOF`].
    HTTP_BYTE_RANGE: 16 16, align 8;
    0 0 StartingOffset: u64 = "ULARGE_INTEGER StartingOffset";
    8 8 Length: u64 = "ULARGE_INTEGER Length";
}

record! {
    /// Bytes of a body. The type says which member of the union it is.
    HTTP_DATA_CHUNK: 32 32, align 8;
    0 0 DataChunkType: HTTP_DATA_CHUNK_TYPE = "HTTP_DATA_CHUNK_TYPE DataChunkType";
    8 8 data: HTTP_DATA_CHUNK_DATA = "union (has no name)";
}

/// Where the bytes of a chunk are. A union: [`HTTP_DATA_CHUNK::DataChunkType`] says which member is valid.
#[repr(C)]
#[derive(Clone, Copy)]
pub union HTTP_DATA_CHUNK_DATA {
    /// `HttpDataChunkFromMemory`.
    pub FromMemory: FROM_MEMORY,
    /// `HttpDataChunkFromFileHandle`.
    pub FromFileHandle: FROM_FILE_HANDLE,
    /// `HttpDataChunkFromFragmentCache`.
    pub FromFragmentCache: FROM_FRAGMENT_CACHE,
    /// `HttpDataChunkFromFragmentCacheEx`.
    pub FromFragmentCacheEx: FROM_FRAGMENT_CACHE_EX,
    /// `HttpDataChunkTrailers`.
    pub Trailers: TRAILERS,
}

// Offsets are from the union here: eight less than in the chunk. http.h gives these records no name.
record! {
    /// Bytes in memory.
    FROM_MEMORY: 16 8, align 8;
    0 0 pBuffer: *mut c_void = "PVOID pBuffer";
    8 4 BufferLength: u32 = "ULONG BufferLength";
}

record! {
    /// Bytes of a file.
    FROM_FILE_HANDLE: 24 24, align 8;
    0 0 ByteRange: HTTP_BYTE_RANGE = "HTTP_BYTE_RANGE ByteRange";
    16 16 FileHandle: HANDLE = "HANDLE FileHandle";
}

record! {
    /// An entry of http.sys's cache.
    FROM_FRAGMENT_CACHE: 16 8, align 8;
    0 0 FragmentNameLength: u16 = "USHORT FragmentNameLength";
    8 4 pFragmentName: PCWSTR = "PCWSTR pFragmentName";
}

record! {
    /// A part of an entry of http.sys's cache.
    FROM_FRAGMENT_CACHE_EX: 24 24, align 8;
    0 0 ByteRange: HTTP_BYTE_RANGE = "HTTP_BYTE_RANGE ByteRange";
    16 16 pFragmentName: PCWSTR = "PCWSTR pFragmentName";
}

record! {
    /// Trailers.
    TRAILERS: 16 8, align 8;
    0 0 TrailerCount: u16 = "USHORT TrailerCount";
    8 4 pTrailers: *mut HTTP_UNKNOWN_HEADER = "PHTTP_UNKNOWN_HEADER pTrailers";
}

impl fmt::Debug for HTTP_DATA_CHUNK_DATA {
    /// Says nothing of its content: only the chunk knows which member it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HTTP_DATA_CHUNK_DATA").finish_non_exhaustive()
    }
}
