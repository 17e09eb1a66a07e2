//! What modules hang on to objects of IIS: stored contexts and their containers.

use crate::types::{HRESULT, HTTP_MODULE_ID, PCWSTR};
use crate::version::{IIS_7_0, IIS_7_5, IIS_8_0};

interface! {
    /// What a module keeps with a request, connection, site or another object; the module implements it.
    class IHttpStoredContext(IHttpStoredContextVtbl, IHttpStoredContextImpl);
    iid 0xf1927f76_790e_4ccb_a72e_396bdfdae05d;
    since IIS_7_0;
    slots 1;

    0 mut fn cleanup_stored_context()
        = "VOID CleanupStoredContext()";
}

interface! {
    /// What a module keeps with a connection, told when the client goes away. `NotifyDisconnect` comes at any
    /// time and on any thread; the module implements it.
    class IHttpConnectionStoredContext(IHttpConnectionStoredContextVtbl, IHttpConnectionStoredContextImpl)
        : IHttpStoredContext(IHttpStoredContextVtbl, IHttpStoredContextImpl);
    iid 0x841d9a71_75f4_4626_8b97_66046ca7e45b;
    since IIS_7_5;
    slots 2;

    1 mut fn notify_disconnect()
        = "VOID NotifyDisconnect()";
}

interface! {
    /// Where stored contexts are kept, one for each module.
    class IHttpModuleContextContainer(IHttpModuleContextContainerVtbl, IHttpModuleContextContainerImpl);
    iid 0xd7fad7c9_aa27_4ab9_bd60_e55ccba3f5dc;
    since IIS_7_0;
    slots 2;

    0 mut fn get_module_context(module_id: HTTP_MODULE_ID) -> *mut IHttpStoredContext
        = "IHttpStoredContext * GetModuleContext(HTTP_MODULE_ID moduleId)";
    1 mut fn set_module_context(
        stored_context: *mut IHttpStoredContext, module_id: HTTP_MODULE_ID,
    ) -> HRESULT
        = "HRESULT SetModuleContext(IHttpStoredContext * ppStoredContext, HTTP_MODULE_ID moduleId)";
}

interface! {
    /// A container that a module asked the server for, and gives back.
    class IDispensedHttpModuleContextContainer(IDispensedHttpModuleContextContainerVtbl, IDispensedHttpModuleContextContainerImpl)
        : IHttpModuleContextContainer(IHttpModuleContextContainerVtbl, IHttpModuleContextContainerImpl);
    iid 0x2ae49359_95dd_4e48_ae20_c0cb9d0bc03a;
    since IIS_7_0;
    slots 3;

    2 mut fn release_container()
        = "VOID ReleaseContainer()";
}

interface! {
    /// The container of a connection. IIS 7.0 hands out an [`IHttpModuleContextContainer`] in its place:
    /// slots 2 and 3 are not there.
    class IHttpConnectionModuleContextContainer(IHttpConnectionModuleContextContainerVtbl, IHttpConnectionModuleContextContainerImpl)
        : IHttpModuleContextContainer(IHttpModuleContextContainerVtbl, IHttpModuleContextContainerImpl);
    iid 0xf3dd2fb3_4d11_4295_b8ab_4cb667add1fe;
    since IIS_7_5;
    slots 4;

    2 mut fn get_connection_module_context(module_id: HTTP_MODULE_ID) -> *mut IHttpConnectionStoredContext
        = "IHttpConnectionStoredContext * GetConnectionModuleContext(HTTP_MODULE_ID moduleId)";
    3 mut fn set_connection_module_context(
        stored_context: *mut IHttpConnectionStoredContext, module_id: HTTP_MODULE_ID,
    ) -> HRESULT
        = "HRESULT SetConnectionModuleContext(IHttpConnectionStoredContext * ppStoredContext, \
            HTTP_MODULE_ID moduleId)";
}

interface! {
    /// Contexts by name; `websockets` is the name of the [`IWebSocketContext`](crate::IWebSocketContext).
    class INamedContextContainer(INamedContextContainerVtbl, INamedContextContainerImpl);
    iid 0x16db6f7c_1a94_47ca_a8e8_fea6005ff3ba;
    since IIS_8_0;
    slots 2;

    0 mut fn get_named_context(name: PCWSTR) -> *mut IHttpStoredContext
        = "IHttpStoredContext * GetNamedContext(LPCWSTR szName)";
    1 mut fn set_named_context(stored_context: *mut IHttpStoredContext, name: PCWSTR) -> HRESULT
        = "HRESULT SetNamedContext(IHttpStoredContext * ppStoredContext, LPCWSTR szName)";
}
