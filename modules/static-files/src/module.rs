//! The module.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bivalve_core::{
    Context, Flow, Module, Notification, Notifications, Outcome, Registration, Request, Result,
};
use http::{HeaderValue, Method, StatusCode};

use crate::answer;
use crate::cache::Entry;
use crate::config::{Hidden, Options, StaticFilesBuilder};
use crate::folder::{Folder, is_exhausted};
use crate::listing;
use crate::location::{self, Location};
use crate::media_type::MediaTypes;
use crate::store::{Node, Store};

/// Serves the files of a folder.
///
/// IIS counterpart: `StaticFileModule`, with `DefaultDocumentModule`, `DirectoryListingModule` and those parts of `RequestFilteringModule` that are
/// about files.
#[derive(Debug)]
pub struct StaticFiles {
    store: Store,
    /// Without a slash at its end.
    at: String,
    hidden: Hidden,
    cache_control: Option<HeaderValue>,
    directory_listing: bool,
    fall_through: bool,
    own_handler: bool,
}

/// What ExecuteRequestHandler will answer, from MapRequestHandler on.
#[derive(Debug, Default)]
enum Plan {
    /// It is not this module's.
    #[default]
    Pass,
    Present(Arc<Entry>),
    Status(StatusCode, u16),
}

impl StaticFiles {
    /// How this folder is to be served.
    pub fn builder(folder: impl Into<PathBuf>) -> StaticFilesBuilder {
        StaticFilesBuilder::new(folder.into())
    }

    pub(crate) fn new(
        folder: Folder,
        at: &str,
        hidden: Hidden,
        media_types: MediaTypes,
        cache_control: Option<HeaderValue>,
        options: &Options,
    ) -> Self {
        Self {
            store: Store::new(folder, media_types, options),
            at: at.to_owned(),
            hidden,
            cache_control,
            directory_listing: options.directory_listing,
            fall_through: options.fall_through,
            own_handler: options.own_handler,
        }
    }

    fn plan(&self, request: &Request) -> Plan {
        let asks = matches!(*request.method(), Method::GET | Method::HEAD);
        if self.fall_through && !asks {
            return Plan::Pass;
        }
        let plan = match self.find(request.url().path()) {
            Plan::Present(entry) if !self.directory_listing && matches!(entry.node, Node::Listing) => {
                Plan::Status(StatusCode::FORBIDDEN, 14)
            }
            plan => plan,
        };
        match plan {
            // A server that has run out of descriptors says so.
            Plan::Status(status, _) if self.fall_through && status.is_client_error() => Plan::Pass,
            Plan::Present(_) if !asks => Plan::Status(StatusCode::METHOD_NOT_ALLOWED, 0),
            plan => plan,
        }
    }

    fn find(&self, path: &str) -> Plan {
        // As it was sent: nothing to decode, and known.
        if location::is_plain(path)
            && let Some(below) = path.strip_prefix(&*self.at)
            && let Some(entry) = self.store.known(below)
        {
            return Plan::Present(entry);
        }
        let below = match location::locate(path, &self.at, &self.hidden) {
            Location::Outside => return Plan::Pass,
            Location::Refused(status, sub_status) => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::NOT_FOUND);
                return Plan::Status(status, sub_status);
            }
            Location::Below(below) => below,
        };
        match self.store.find(&below) {
            Ok(Ok(entry)) => Plan::Present(entry),
            Ok(Err(absent)) => Plan::Status(StatusCode::NOT_FOUND, absent.sub_status()),
            Err(error) => failure(&error, &below),
        }
    }

    fn answer(&self, cx: &mut Context, plan: Plan) -> Result<()> {
        let entry = match plan {
            Plan::Pass => return Ok(()),
            Plan::Status(status, sub_status) => return answer::status(cx, status, sub_status),
            Plan::Present(entry) => entry,
        };
        match &entry.node {
            Node::File(served) => answer::file(cx, served, self.cache_control.as_ref()),
            Node::Directory => match answer::add_slash(cx)? {
                true => Ok(()),
                false => answer::status(cx, StatusCode::NOT_FOUND, 0),
            },
            Node::Listing => self.list(cx),
        }
    }

    fn list(&self, cx: &mut Context) -> Result<()> {
        let Location::Below(below) = location::locate(cx.request().url().path(), &self.at, &self.hidden)
        else {
            return answer::status(cx, StatusCode::NOT_FOUND, 0);
        };
        match listing::page(&self.store, &below, &format!("{}{below}", self.at), &self.hidden) {
            Ok(page) => answer::page(cx, page),
            Err(error) if is_exhausted(&error) => {
                tracing::error!(below, %error, "a directory cannot be listed");
                answer::status(cx, StatusCode::SERVICE_UNAVAILABLE, 0)
            }
            // It was there a moment ago.
            Err(error) => {
                tracing::debug!(below, %error, "not listed");
                answer::status(cx, StatusCode::NOT_FOUND, 0)
            }
        }
    }
}

impl Module for StaticFiles {
    fn registration(&self) -> Registration {
        Registration::new()
            .on(Notification::MapRequestHandler | Notification::ExecuteRequestHandler)
            .synchronous(Notification::MapRequestHandler)
    }

    fn on_map_request_handler<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        match self.plan(cx.request()) {
            // Not called at all, it has not answered: the next handler does, or it is 404.
            Plan::Pass => cx.disable_notifications(Notification::ExecuteRequestHandler, Notifications::NONE),
            plan => {
                *cx.state_mut() = plan;
                if self.own_handler {
                    cx.set_handler();
                }
            }
        }
        Outcome::CONTINUE
    }

    fn on_execute_request_handler<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        let plan = std::mem::take(cx.state_mut::<Plan>());
        let answered = self.answer(cx, plan);
        // Alone, it need not keep others from answering as well.
        let flow = if self.own_handler { Flow::Continue } else { Flow::Finish };
        if answered.is_ok() && cx.response().entity_len() > cx.application().response_buffer_limit() as u64 {
            return Outcome::pending(async move {
                answer::send(cx).await?;
                Ok(flow)
            });
        }
        Outcome::Ready(answered.map(|()| flow))
    }
}

/// The file may be there. 503 where it is the server that lacks something.
fn failure(error: &io::Error, below: &str) -> Plan {
    tracing::error!(below, %error, "a file cannot be opened");
    Plan::Status(StatusCode::SERVICE_UNAVAILABLE, 0)
}
