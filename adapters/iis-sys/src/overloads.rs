//! The overloads of one class, which Microsoft's compiler has put in reverse: the one place to look at.
//!
//! `httpserv.h` declares each pair the other way round. Overloads that a derived class adds override nothing: they are
//! appended in the order of their declaration, and not in this list.

use core::mem::offset_of;

use crate::{IHttpContextVtbl, IHttpRequestVtbl, IHttpResponseVtbl};

macro_rules! slots {
    ($($vtbl:ident { $($slot:literal $name:ident,)+ })+) => {
        $($(
            const _: () = assert!(
                offset_of!($vtbl, $name) == $slot * size_of::<usize>(),
                concat!(stringify!($name), ": Microsoft's compiler reverses overloads"),
            );
        )+)+
    };
}

slots! {
    IHttpRequestVtbl {
        0 get_raw_http_request,         // const HTTP_REQUEST *GetRawHttpRequest() const
        1 get_raw_http_request_mut,     // HTTP_REQUEST *GetRawHttpRequest()
        2 get_header_by_id,
        3 get_header_by_name,
        4 set_header_by_id,
        5 set_header_by_name,
        6 delete_header_by_id,
        7 delete_header_by_name,
        10 set_url_ansi,
        11 set_url_wide,
    }
    IHttpResponseVtbl {
        0 get_raw_http_response,        // const HTTP_RESPONSE *GetRawHttpResponse() const
        1 get_raw_http_response_mut,    // HTTP_RESPONSE *GetRawHttpResponse()
        4 set_header_by_id,
        5 set_header_by_name,
        6 delete_header_by_id,
        7 delete_header_by_name,
        8 get_header_by_id,
        9 get_header_by_name,
    }
    IHttpContextVtbl {
        15 get_server_variable_ansi,    // PCSTR *
        16 get_server_variable_wide,    // PCWSTR *
    }
}
