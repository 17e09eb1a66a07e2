//! The module trait: the 29 methods of IIS's `CHttpModule`.

use crate::{
    CompletionInfo, Context, CustomNotification, EntityRead, Flow, GlobalModule, Outcome, PathMapping,
    Registration, Result, Sending,
};

/// An HTTP module, in the shape of IIS's native module.
///
/// Written with `#[bivalve::module]`, methods are plain `fn` or `async fn` returning
/// [`Result<Flow>`](crate::Result), and [`registration`](Self::registration) is derived from the methods that are
/// there. One instance serves all requests, hence `&self`; what belongs to one request is in
/// [`Context::state_mut`].
///
/// # Re-entrancy
///
/// A method that flushes, reads, maps a path or raises a custom notification may be called again, on the
/// same module, before that call returns: the nested event is an ordinary method call with the same context.
/// The borrow checker forbids holding state across it.
///
/// # Errors and panics
///
/// An `Err` becomes a response with the error's status (500 unless it carries one) and finishes the request. Headers that
/// modules set before the handler stay on it; once a handler has begun to answer, only those that say nothing of the
/// refused response do, so neither its cookies nor its own headers leave. A
/// panic is caught, answered with 500, or with a reset when headers have left; the module is skipped for the
/// rest of that request and serves the next one as usual.
///
/// # Cancel safety
///
/// When the client goes away, a waiting method's future is dropped at its current `.await`, unless the
/// module registered with [`OnDisconnect::Finish`](crate::OnDisconnect::Finish). LogRequest and EndRequest then run and
/// are not cancelled.
///
/// IIS counterpart: `CHttpModule`, its factory and `RegisterModule` in one.
pub trait Module: Send + Sync + 'static {
    /// The events this module wants. Read once, when the pipeline is built.
    ///
    /// IIS counterpart: the call to `SetRequestNotifications` in `RegisterModule`.
    fn registration(&self) -> Registration;

    /// The part of it that hears of what no request is about; `None` unless it wants to. Asked for at every such
    /// notification: always the same.
    ///
    /// IIS counterpart: the `CGlobalModule` given to `SetGlobalNotifications`.
    fn global_module(&self) -> Option<&dyn GlobalModule> {
        None
    }

    /// The request head has been read; nothing has been decided yet.
    ///
    /// IIS counterpart: `CHttpModule::OnBeginRequest`.
    fn on_begin_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        let _ = cx;
        Outcome::CONTINUE
    }

    /// After every module's `on_begin_request` has run.
    ///
    /// IIS counterpart: `CHttpModule::OnPostBeginRequest`.
    fn on_post_begin_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        let _ = cx;
        Outcome::CONTINUE
    }

    /// Find out who asks: [`Context::set_user`].
    ///
    /// IIS counterpart: `CHttpModule::OnAuthenticateRequest`.
    fn on_authenticate_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        let _ = cx;
        Outcome::CONTINUE
    }

    /// After every module's `on_authenticate_request` has run.
    ///
    /// IIS counterpart: `CHttpModule::OnPostAuthenticateRequest`.
    fn on_post_authenticate_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        let _ = cx;
        Outcome::CONTINUE
    }

    /// Decide whether they may.
    ///
    /// IIS counterpart: `CHttpModule::OnAuthorizeRequest`.
    fn on_authorize_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        let _ = cx;
        Outcome::CONTINUE
    }

    /// After every module's `on_authorize_request` has run.
    ///
    /// IIS counterpart: `CHttpModule::OnPostAuthorizeRequest`.
    fn on_post_authorize_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        let _ = cx;
        Outcome::CONTINUE
    }

    /// Answer from a cache, if one can.
    ///
    /// IIS counterpart: `CHttpModule::OnResolveRequestCache`.
    fn on_resolve_request_cache<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        let _ = cx;
        Outcome::CONTINUE
    }

    /// After every module's `on_resolve_request_cache` has run.
    ///
    /// IIS counterpart: `CHttpModule::OnPostResolveRequestCache`.
    fn on_post_resolve_request_cache<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        let _ = cx;
        Outcome::CONTINUE
    }

    /// Choose the handler: [`Context::set_handler`].
    ///
    /// IIS counterpart: `CHttpModule::OnMapRequestHandler`.
    fn on_map_request_handler<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        let _ = cx;
        Outcome::CONTINUE
    }

    /// After every module's `on_map_request_handler` has run.
    ///
    /// IIS counterpart: `CHttpModule::OnPostMapRequestHandler`.
    fn on_post_map_request_handler<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        let _ = cx;
        Outcome::CONTINUE
    }

    /// Fetch session and similar state.
    ///
    /// IIS counterpart: `CHttpModule::OnAcquireRequestState`.
    fn on_acquire_request_state<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        let _ = cx;
        Outcome::CONTINUE
    }

    /// After every module's `on_acquire_request_state` has run.
    ///
    /// IIS counterpart: `CHttpModule::OnPostAcquireRequestState`.
    fn on_post_acquire_request_state<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        let _ = cx;
        Outcome::CONTINUE
    }

    /// The last event before the handler.
    ///
    /// IIS counterpart: `CHttpModule::OnPreExecuteRequestHandler`.
    fn on_pre_execute_request_handler<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        let _ = cx;
        Outcome::CONTINUE
    }

    /// After every module's `on_pre_execute_request_handler` has run.
    ///
    /// IIS counterpart: `CHttpModule::OnPostPreExecuteRequestHandler`.
    fn on_post_pre_execute_request_handler<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        let _ = cx;
        Outcome::CONTINUE
    }

    /// Make the response. Which modules are asked: see [`Context::set_handler`].
    ///
    /// IIS counterpart: `CHttpModule::OnExecuteRequestHandler`.
    fn on_execute_request_handler<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        let _ = cx;
        Outcome::CONTINUE
    }

    /// After every module's `on_execute_request_handler` has run.
    ///
    /// IIS counterpart: `CHttpModule::OnPostExecuteRequestHandler`.
    fn on_post_execute_request_handler<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        let _ = cx;
        Outcome::CONTINUE
    }

    /// Store session and similar state.
    ///
    /// IIS counterpart: `CHttpModule::OnReleaseRequestState`.
    fn on_release_request_state<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        let _ = cx;
        Outcome::CONTINUE
    }

    /// After every module's `on_release_request_state` has run.
    ///
    /// IIS counterpart: `CHttpModule::OnPostReleaseRequestState`.
    fn on_post_release_request_state<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        let _ = cx;
        Outcome::CONTINUE
    }

    /// Keep the response in a cache. Skipped after a finish or an error.
    ///
    /// IIS counterpart: `CHttpModule::OnUpdateRequestCache`.
    fn on_update_request_cache<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        let _ = cx;
        Outcome::CONTINUE
    }

    /// After every module's `on_update_request_cache` has run.
    ///
    /// IIS counterpart: `CHttpModule::OnPostUpdateRequestCache`.
    fn on_post_update_request_cache<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        let _ = cx;
        Outcome::CONTINUE
    }

    /// Write the log. Always raised, also where the host has refused the request before BeginRequest; an error is traced and
    /// changes nothing.
    ///
    /// IIS counterpart: `CHttpModule::OnLogRequest`.
    fn on_log_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        let _ = cx;
        Outcome::CONTINUE
    }

    /// After every module's `on_log_request` has run.
    ///
    /// IIS counterpart: `CHttpModule::OnPostLogRequest`.
    fn on_post_log_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        let _ = cx;
        Outcome::CONTINUE
    }

    /// The last event. Always raised; an error is traced and changes nothing.
    ///
    /// IIS counterpart: `CHttpModule::OnEndRequest`.
    fn on_end_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        let _ = cx;
        Outcome::CONTINUE
    }

    /// After every module's `on_end_request` has run.
    ///
    /// IIS counterpart: `CHttpModule::OnPostEndRequest`.
    fn on_post_end_request<'a>(&'a self, cx: &'a mut Context) -> Outcome<'a> {
        let _ = cx;
        Outcome::CONTINUE
    }

    /// A part of the response is about to leave: raised at every flush, nested in it, in inverted priority order.
    ///
    /// IIS counterpart: `CHttpModule::OnSendResponse`.
    fn on_send_response<'a>(&'a self, cx: &'a mut Context, sending: &'a mut Sending) -> Outcome<'a> {
        let _ = (cx, sending);
        Outcome::CONTINUE
    }

    /// A URL is being mapped to a path: raised by [`Context::map_path`], nested in it. Synchronous, as in IIS.
    ///
    /// # Errors
    ///
    /// Reach the caller of `map_path`.
    ///
    /// IIS counterpart: `CHttpModule::OnMapPath`.
    fn on_map_path(&self, cx: &mut Context, mapping: &mut PathMapping) -> Result<Flow> {
        let _ = (cx, mapping);
        Ok(Flow::Continue)
    }

    /// A part of the request's body has been read: raised by every read, nested in it.
    ///
    /// IIS counterpart: `CHttpModule::OnReadEntity`.
    fn on_read_entity<'a>(&'a self, cx: &'a mut Context, entity: &'a mut EntityRead) -> Outcome<'a> {
        let _ = (cx, entity);
        Outcome::CONTINUE
    }

    /// A module called [`Context::notify_custom`].
    ///
    /// IIS counterpart: `CHttpModule::OnCustomRequestNotification`.
    fn on_custom_request_notification<'a>(
        &'a self,
        cx: &'a mut Context,
        custom: &'a mut CustomNotification,
    ) -> Outcome<'a> {
        let _ = (cx, custom);
        Outcome::CONTINUE
    }

    /// What this module waited for with [`Flow::Pending`] has completed. The answer counts for the event that
    /// waited; `Pending` again needs another operation.
    ///
    /// IIS counterpart: `CHttpModule::OnAsyncCompletion`.
    fn on_async_completion<'a>(&'a self, cx: &'a mut Context, done: CompletionInfo) -> Outcome<'a> {
        let _ = (cx, done);
        Outcome::CONTINUE
    }
}
