//! The core of Bivalve: HTTP modules in the shape of IIS's native modules, and the pipeline that runs them.
//!
//! Here are the vocabulary ([`Notification`], [`Flow`], [`Registration`]), the [`Module`] trait with its 29 methods, the
//! [`Context`] through which a module sees a request, the [`Pipeline`], the [`Driver`] trait of the completion
//! drivers and, in [`testing`], a host in which a module author tests without any server.
//!
//! There is no runtime, no operating system and no `unsafe` in this crate. Users take it through the `bivalve` crate,
//! which adds `#[bivalve::module]`.

#![forbid(unsafe_code)]

pub mod driver;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod inferred;
pub mod limits;
pub mod testing;

mod completion;
mod contain;
mod context;
mod entity;
mod environment;
mod error;
mod flow;
mod foreign;
mod global;
mod host;
mod map_path;
mod meter;
mod module;
mod notification;
mod pipeline;
mod provider;
mod registration;
mod trace;
mod user;

pub use self::completion::{Completed, Completion, CompletionStatus};
pub use self::context::{
    ChildRequest, ChildResponse, CompletionHandle, Context, Disconnected, Disconnector, Gone, PostError,
    Request, Response, Scope, TypeMap, UnreadHead, UnreadHeaders,
};
pub use self::driver::{
    Accepted, Buffer, Driver, DriverExt, Finished, FinishedBuffer, Handle, Lease, Multishot, Operation,
    OperationKey, OwnedHandle, Rejected, Resource, Started,
};
pub use self::entity::{EntityChunk, FileRange};
pub use self::environment::{
    AlreadyAssigned, Application, ApplicationBuilder, BackgroundFuture, ClientCertificate, Connection,
    ConnectionBuilder, Server, Site,
};
pub use self::error::{Error, ErrorKind, Place, Result};
pub use self::flow::{Flow, ModuleFuture, Outcome};
pub use self::foreign::{Foreign, Given, Kept, NestedFailure};
pub use self::global::{
    ApplicationProvider, ConfigurationChangeProvider, GlobalFlow, GlobalModule, GlobalNotification,
    GlobalRegistration, StopListeningProvider,
};
pub use self::host::{Host, Outgoing, ResponseHead, ResponsePart};
pub use self::map_path::{MapPathError, VirtualDirectory, decode_url_path};
pub use self::module::Module;
pub use self::notification::{Event, Notification, Notifications};
pub use self::pipeline::{
    BuildError, Handler, HandlerGuard, HandlerMapping, Pipeline, PipelineBuilder, Run, Step,
};
pub use self::provider::{
    CompletionInfo, CompletionSource, CustomNotification, EntityRead, PathMapping, Sending,
};
pub use self::registration::{OnDisconnect, Priority, Registration};
pub use self::trace::{Trace, TraceEntry};
pub use self::user::User;
