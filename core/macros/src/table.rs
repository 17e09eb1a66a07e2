//! The methods of the trait `Module`, once.

/// A method of the trait `Module`.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) method: &'static str,
    /// The variant of `Notification`; `None` for `on_async_completion`, which answers for all of them.
    pub(crate) notification: Option<&'static str>,
    pub(crate) post: bool,
    /// What it is given besides the context.
    pub(crate) provider: Option<Provider>,
    /// Whether it may only be a plain `fn`.
    pub(crate) synchronous: bool,
}

/// The counterpart of what IIS passes as a provider.
#[derive(Debug)]
pub(crate) struct Provider {
    pub(crate) name: &'static str,
    pub(crate) ty: &'static str,
    pub(crate) by_value: bool,
}

impl Entry {
    /// The method with exactly this name.
    pub(crate) fn find(method: &str) -> Option<&'static Self> {
        METHODS.iter().find(|entry| entry.method == method)
    }

    /// What to write, for error messages.
    pub(crate) fn signature(&self) -> String {
        let method = self.method;
        let provider = self.provider.as_ref().map(|provider| format!(", {}", provider.form(provider.name)));
        let provider = provider.unwrap_or_default();
        format!("fn {method}(&self, cx: &mut Context{provider}) -> Result<Flow>")
    }
}

impl Provider {
    /// The argument as it is written, under the name that the user gave it.
    pub(crate) fn form(&self, name: &str) -> String {
        let reference = if self.by_value { "" } else { "&mut " };
        format!("{name}: {reference}{}", self.ty)
    }
}

const fn event(method: &'static str, notification: &'static str) -> Entry {
    Entry { method, notification: Some(notification), post: false, provider: None, synchronous: false }
}

const fn post(method: &'static str, notification: &'static str) -> Entry {
    Entry { post: true, ..event(method, notification) }
}

const fn on_demand(
    method: &'static str,
    notification: &'static str,
    name: &'static str,
    ty: &'static str,
) -> Entry {
    Entry { provider: Some(Provider { name, ty, by_value: false }), ..event(method, notification) }
}

/// All 29, in the order of IIS: the deterministic events, each with its post-event, then those on demand.
pub(crate) const METHODS: [Entry; 29] = [
    event("on_begin_request", "BeginRequest"),
    post("on_post_begin_request", "BeginRequest"),
    event("on_authenticate_request", "AuthenticateRequest"),
    post("on_post_authenticate_request", "AuthenticateRequest"),
    event("on_authorize_request", "AuthorizeRequest"),
    post("on_post_authorize_request", "AuthorizeRequest"),
    event("on_resolve_request_cache", "ResolveRequestCache"),
    post("on_post_resolve_request_cache", "ResolveRequestCache"),
    event("on_map_request_handler", "MapRequestHandler"),
    post("on_post_map_request_handler", "MapRequestHandler"),
    event("on_acquire_request_state", "AcquireRequestState"),
    post("on_post_acquire_request_state", "AcquireRequestState"),
    event("on_pre_execute_request_handler", "PreExecuteRequestHandler"),
    post("on_post_pre_execute_request_handler", "PreExecuteRequestHandler"),
    event("on_execute_request_handler", "ExecuteRequestHandler"),
    post("on_post_execute_request_handler", "ExecuteRequestHandler"),
    event("on_release_request_state", "ReleaseRequestState"),
    post("on_post_release_request_state", "ReleaseRequestState"),
    event("on_update_request_cache", "UpdateRequestCache"),
    post("on_post_update_request_cache", "UpdateRequestCache"),
    event("on_log_request", "LogRequest"),
    post("on_post_log_request", "LogRequest"),
    event("on_end_request", "EndRequest"),
    post("on_post_end_request", "EndRequest"),
    on_demand("on_send_response", "SendResponse", "sending", "Sending"),
    Entry { synchronous: true, ..on_demand("on_map_path", "MapPath", "mapping", "PathMapping") },
    on_demand("on_read_entity", "ReadEntity", "entity", "EntityRead"),
    on_demand("on_custom_request_notification", "CustomRequestNotification", "custom", "CustomNotification"),
    Entry {
        method: "on_async_completion",
        notification: None,
        post: false,
        provider: Some(Provider { name: "done", ty: "CompletionInfo", by_value: true }),
        synchronous: false,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_methods_name_is_its_notification_in_snake_case() {
        for entry in &METHODS {
            let Some(notification) = entry.notification else { continue };
            let prefix = if entry.post { "OnPost" } else { "On" };
            assert_eq!(
                crate::nearest::snake_case(&format!("{prefix}{notification}")),
                entry.method,
                "{entry:?}"
            );
        }
    }

    #[test]
    fn each_deterministic_event_has_its_post_event() {
        let posts = METHODS.iter().filter(|entry| entry.post).count();
        assert_eq!((posts, METHODS.len()), (12, 29));
    }
}
