//! What a module may wait for, performed on the context.

use bivalve_core::{Completion, Context, CustomNotification, EntityChunk, Error, ErrorKind, Flow, Result};
use bivalve_iis_sys::ICustomNotificationProvider;
use bivalve_iis_sys::hresult::{
    E_FAIL, E_INVALIDARG, ERROR_CONNECTION_INVALID, ERROR_HANDLE_EOF, ERROR_INVALID_STATE,
    ERROR_NOT_SUPPORTED, ERROR_OPERATION_ABORTED, S_OK, from_win32,
};
use bivalve_iis_sys::types::HRESULT;

use crate::child::Executing;
use crate::text::len32;

/// Something that may take its time.
pub(crate) enum Operation {
    /// One that a fault has cancelled: it is not done.
    Aborted(&'static str),
    /// `ExecuteRequest`.
    Child(Box<Executing>),
    /// `NotifyCustomNotification`.
    Custom(Custom),
    /// `Flush`; whether more will follow.
    Flush { more: bool },
    /// `ReadEntityBody`.
    Read(Buffer),
    /// `WriteEntityChunks`.
    Write { chunks: Vec<EntityChunk>, more: bool },
}

/// A custom notification that the module implements.
#[derive(Clone, Copy)]
pub(crate) struct Custom(pub(crate) *mut ICustomNotificationProvider);

// SAFETY: the module keeps it alive until the notification has been raised, which it waits for.
unsafe impl Send for Custom {}
// SAFETY: as above; IIS hands it to modules on any of its threads.
unsafe impl Sync for Custom {}

/// Memory of the module that is read into.
#[derive(Clone, Copy)]
pub(crate) struct Buffer {
    pub(crate) data: *mut u8,
    pub(crate) len: usize,
}

// SAFETY: the module leaves it alone and keeps it alive until the read has completed.
unsafe impl Send for Buffer {}

/// How an operation ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Done {
    pub(crate) bytes: u32,
    pub(crate) status: HRESULT,
}

impl Done {
    pub(crate) fn success(bytes: usize) -> Self {
        Self { bytes: len32(bytes), status: S_OK }
    }

    pub(crate) fn failed(status: HRESULT) -> Self {
        Self { bytes: 0, status }
    }

    pub(crate) fn aborted() -> Self {
        Self::failed(from_win32(ERROR_OPERATION_ABORTED))
    }
}

impl Operation {
    /// The method that a module started it with.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Aborted(name) => name,
            Self::Child(_) => "IHttpContext::ExecuteRequest",
            Self::Custom(_) => "IHttpContext::NotifyCustomNotification",
            Self::Flush { .. } => "IHttpResponse::Flush",
            Self::Read(_) => "IHttpRequest::ReadEntityBody",
            Self::Write { .. } => "IHttpResponse::WriteEntityChunks",
        }
    }

    /// Performs it.
    pub(crate) async fn perform(&mut self, cx: &mut Context) -> Done {
        let done = match self {
            Self::Aborted(_) => return Done::aborted(),
            Self::Child(child) => child.perform(cx).await,
            Self::Custom(custom) => {
                let unique_id = custom.unique_id();
                let mut raised = CustomNotification::new(unique_id).with_data(*custom);
                match cx.notify_custom(&mut raised).await {
                    // The caller learns of a finish as the request does.
                    Ok(Flow::Continue | Flow::Pending | Flow::Finish) => Ok(Completion::success(0)),
                    Err(error) => Err(error),
                }
            }
            Self::Flush { more } => flush(cx, *more).await,
            Self::Read(buffer) => return read(cx, *buffer).await,
            Self::Write { chunks, more } => write(cx, std::mem::take(chunks), *more).await,
        };
        match done {
            Ok(completion) => Done::success(completion.bytes()),
            Err(error) => Done::failed(hresult(&error)),
        }
    }
}

impl Custom {
    /// Its type, as the module says it.
    pub(crate) fn unique_id(self) -> String {
        // SAFETY: the module keeps the provider alive until the notification has been raised, and the text as long.
        unsafe { crate::text::wide(ICustomNotificationProvider::query_notification_type(self.0)) }
    }
}

async fn flush(cx: &mut Context, more: bool) -> Result<Completion> {
    if more { cx.flush().await } else { cx.flush_end().await }
}

async fn read(cx: &mut Context, buffer: Buffer) -> Done {
    let data = match cx.read_entity(buffer.len).await {
        Ok(data) => data,
        Err(error) => return Done::failed(hresult(&error)),
    };
    if data.is_empty() {
        return Done::failed(from_win32(ERROR_HANDLE_EOF));
    }
    let len = data.len().min(buffer.len);
    // SAFETY: the module's buffer is that long, and its own until the read has completed, which is not before.
    unsafe { buffer.data.copy_from_nonoverlapping(data.as_ptr(), len) };
    Done::success(len)
}

async fn write(cx: &mut Context, chunks: Vec<EntityChunk>, more: bool) -> Result<Completion> {
    let mut bytes = 0;
    let buffering = cx.response().is_buffering();
    for chunk in chunks {
        bytes += usize::try_from(chunk.len()).unwrap_or(usize::MAX);
        if !cx.response().fits(&chunk) {
            cx.flush().await?;
        }
        cx.response_mut().write(chunk)?;
    }
    if !buffering {
        flush(cx, more).await?;
    }
    Ok(Completion::success(bytes))
}

/// An error as IIS would report it.
pub(crate) fn hresult(error: &Error) -> HRESULT {
    const ERROR_STACK_OVERFLOW: u32 = 1001;
    match error.kind() {
        ErrorKind::Io(status) => status.hresult(),
        ErrorKind::Disconnected => from_win32(ERROR_CONNECTION_INVALID),
        ErrorKind::ChildTooDeep | ErrorKind::NestingTooDeep => from_win32(ERROR_STACK_OVERFLOW),
        ErrorKind::InvalidHeader
        | ErrorKind::InvalidServerVariable
        | ErrorKind::InvalidStatus
        | ErrorKind::InvalidUrl
        | ErrorKind::MapPath => E_INVALIDARG,
        ErrorKind::HeadersSent | ErrorKind::RequestEnded | ErrorKind::OperationOutstanding => {
            from_win32(ERROR_INVALID_STATE)
        }
        ErrorKind::Driver => from_win32(ERROR_NOT_SUPPORTED),
        _ => E_FAIL,
    }
}
