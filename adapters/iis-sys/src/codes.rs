//! The enumerations, as numbers with names: a value that has none here is a value all the same.

macro_rules! codes {
    ($(
        $(#[$about:meta])*
        $type:ident { $($name:ident = $value:literal $header:ident,)* }
    )+) => {
        $(
            $(#[$about])*
            #[repr(transparent)]
            #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
            pub struct $type(pub i32);

            impl $type {
                $(
                    #[doc = concat!("`", stringify!($header), "`, ", $value, ".")]
                    pub const $name: Self = Self($value);
                )*
            }
        )+
    };
}

codes! {
    /// What a request notification answers.
    REQUEST_NOTIFICATION_STATUS {
        CONTINUE = 0 RQ_NOTIFICATION_CONTINUE,
        PENDING = 1 RQ_NOTIFICATION_PENDING,
        FINISH_REQUEST = 2 RQ_NOTIFICATION_FINISH_REQUEST,
    }

    /// What a global notification answers.
    GLOBAL_NOTIFICATION_STATUS {
        CONTINUE = 0 GL_NOTIFICATION_CONTINUE,
        HANDLED = 1 GL_NOTIFICATION_HANDLED,
    }

    /// What is done to a cache.
    CACHE_OPERATION {
        RETRIEVE = 0 CACHE_OPERATION_RETRIEVE,
        ADD = 1 CACHE_OPERATION_ADD,
        DELETE = 2 CACHE_OPERATION_DELETE,
        FLUSH_PREFIX = 3 CACHE_OPERATION_FLUSH_PREFIX,
        ENUM = 4 CACHE_OPERATION_ENUM,
    }

    /// Which of the server's interfaces `IHttpServer::GetExtendedInterface` is asked for.
    HTTP_SERVER_INTERFACE_VERSION {
        V2 = 0 HTTP_SERVER_INTERFACE_V2,
        V3 = 1 HTTP_SERVER_INTERFACE_V3,
    }

    /// Has no values: `IHttpContext::GetExtendedInterface` is deprecated, and `IHttpServer2` has the one to use.
    HTTP_CONTEXT_INTERFACE_VERSION {}

    /// A property of a request of http.sys.
    HTTP_REQUEST_PROPERTY {}

    /// How a request was authenticated.
    HTTP_AUTH_STATUS {
        SUCCESS = 0 HttpAuthStatusSuccess,
        NOT_AUTHENTICATED = 1 HttpAuthStatusNotAuthenticated,
        FAILURE = 2 HttpAuthStatusFailure,
    }

    /// How long http.sys keeps a response.
    HTTP_CACHE_POLICY_TYPE {
        NOCACHE = 0 HttpCachePolicyNocache,
        USER_INVALIDATES = 1 HttpCachePolicyUserInvalidates,
        TIME_TO_LIVE = 2 HttpCachePolicyTimeToLive,
    }

    /// Where the bytes of a chunk are.
    HTTP_DATA_CHUNK_TYPE {
        FROM_MEMORY = 0 HttpDataChunkFromMemory,
        FROM_FILE_HANDLE = 1 HttpDataChunkFromFileHandle,
        FROM_FRAGMENT_CACHE = 2 HttpDataChunkFromFragmentCache,
        FROM_FRAGMENT_CACHE_EX = 3 HttpDataChunkFromFragmentCacheEx,
        TRAILERS = 4 HttpDataChunkTrailers,
        FROM_WIN_HTTP_FAST_FORWARDING = 5 HttpDataChunkFromWinHttpFastForwarding,
    }

    /// What log data are.
    HTTP_LOG_DATA_TYPE {
        FIELDS = 0 HttpLogDataTypeFields,
    }

    /// With which scheme a request was authenticated.
    HTTP_REQUEST_AUTH_TYPE {
        NONE = 0 HttpRequestAuthTypeNone,
        BASIC = 1 HttpRequestAuthTypeBasic,
        DIGEST = 2 HttpRequestAuthTypeDigest,
        NTLM = 3 HttpRequestAuthTypeNTLM,
        NEGOTIATE = 4 HttpRequestAuthTypeNegotiate,
        KERBEROS = 5 HttpRequestAuthTypeKerberos,
    }

    /// What an addition to a request is.
    HTTP_REQUEST_INFO_TYPE {
        AUTH = 0 HttpRequestInfoTypeAuth,
        CHANNEL_BIND = 1 HttpRequestInfoTypeChannelBind,
        SSL_PROTOCOL = 2 HttpRequestInfoTypeSslProtocol,
        SSL_TOKEN_BINDING_DRAFT = 3 HttpRequestInfoTypeSslTokenBindingDraft,
        SSL_TOKEN_BINDING = 4 HttpRequestInfoTypeSslTokenBinding,
        REQUEST_TIMING = 5 HttpRequestInfoTypeRequestTiming,
        TCP_INFO_V0 = 6 HttpRequestInfoTypeTcpInfoV0,
        REQUEST_SIZING = 7 HttpRequestInfoTypeRequestSizing,
        QUIC_STATS = 8 HttpRequestInfoTypeQuicStats,
        TCP_INFO_V1 = 9 HttpRequestInfoTypeTcpInfoV1,
    }

    /// What an addition to a response is.
    HTTP_RESPONSE_INFO_TYPE {
        MULTIPLE_KNOWN_HEADERS = 0 HttpResponseInfoTypeMultipleKnownHeaders,
        AUTHENTICATION_PROPERTY = 1 HttpResponseInfoTypeAuthenticationProperty,
        QOS_PROPERTY = 2 HttpResponseInfoTypeQoSProperty,
        CHANNEL_BIND = 3 HttpResponseInfoTypeChannelBind,
    }

    /// A method, where http.sys knows it. Of [`UNKNOWN`](Self::UNKNOWN) ones the request has the text.
    HTTP_VERB {
        UNPARSED = 0 HttpVerbUnparsed,
        UNKNOWN = 1 HttpVerbUnknown,
        INVALID = 2 HttpVerbInvalid,
        OPTIONS = 3 HttpVerbOPTIONS,
        GET = 4 HttpVerbGET,
        HEAD = 5 HttpVerbHEAD,
        POST = 6 HttpVerbPOST,
        PUT = 7 HttpVerbPUT,
        DELETE = 8 HttpVerbDELETE,
        TRACE = 9 HttpVerbTRACE,
        CONNECT = 10 HttpVerbCONNECT,
        TRACK = 11 HttpVerbTRACK,
        MOVE = 12 HttpVerbMOVE,
        COPY = 13 HttpVerbCOPY,
        PROPFIND = 14 HttpVerbPROPFIND,
        PROPPATCH = 15 HttpVerbPROPPATCH,
        MKCOL = 16 HttpVerbMKCOL,
        LOCK = 17 HttpVerbLOCK,
        UNLOCK = 18 HttpVerbUNLOCK,
        SEARCH = 19 HttpVerbSEARCH,
    }

    /// A header that http.sys keeps at a place of its own. Up to 19 requests and responses agree; from 20 on, a number
    /// is another header in a request than in a response. [`crate::headers`] has their names.
    HTTP_HEADER_ID {
        CACHE_CONTROL = 0 HttpHeaderCacheControl,
        CONNECTION = 1 HttpHeaderConnection,
        DATE = 2 HttpHeaderDate,
        KEEP_ALIVE = 3 HttpHeaderKeepAlive,
        PRAGMA = 4 HttpHeaderPragma,
        TRAILER = 5 HttpHeaderTrailer,
        TRANSFER_ENCODING = 6 HttpHeaderTransferEncoding,
        UPGRADE = 7 HttpHeaderUpgrade,
        VIA = 8 HttpHeaderVia,
        WARNING = 9 HttpHeaderWarning,
        ALLOW = 10 HttpHeaderAllow,
        CONTENT_LENGTH = 11 HttpHeaderContentLength,
        CONTENT_TYPE = 12 HttpHeaderContentType,
        CONTENT_ENCODING = 13 HttpHeaderContentEncoding,
        CONTENT_LANGUAGE = 14 HttpHeaderContentLanguage,
        CONTENT_LOCATION = 15 HttpHeaderContentLocation,
        CONTENT_MD5 = 16 HttpHeaderContentMd5,
        CONTENT_RANGE = 17 HttpHeaderContentRange,
        EXPIRES = 18 HttpHeaderExpires,
        LAST_MODIFIED = 19 HttpHeaderLastModified,

        // Of requests.
        ACCEPT = 20 HttpHeaderAccept,
        ACCEPT_CHARSET = 21 HttpHeaderAcceptCharset,
        ACCEPT_ENCODING = 22 HttpHeaderAcceptEncoding,
        ACCEPT_LANGUAGE = 23 HttpHeaderAcceptLanguage,
        AUTHORIZATION = 24 HttpHeaderAuthorization,
        COOKIE = 25 HttpHeaderCookie,
        EXPECT = 26 HttpHeaderExpect,
        FROM = 27 HttpHeaderFrom,
        HOST = 28 HttpHeaderHost,
        IF_MATCH = 29 HttpHeaderIfMatch,
        IF_MODIFIED_SINCE = 30 HttpHeaderIfModifiedSince,
        IF_NONE_MATCH = 31 HttpHeaderIfNoneMatch,
        IF_RANGE = 32 HttpHeaderIfRange,
        IF_UNMODIFIED_SINCE = 33 HttpHeaderIfUnmodifiedSince,
        MAX_FORWARDS = 34 HttpHeaderMaxForwards,
        PROXY_AUTHORIZATION = 35 HttpHeaderProxyAuthorization,
        REFERER = 36 HttpHeaderReferer,
        RANGE = 37 HttpHeaderRange,
        TE = 38 HttpHeaderTe,
        TRANSLATE = 39 HttpHeaderTranslate,
        USER_AGENT = 40 HttpHeaderUserAgent,

        // Of responses.
        ACCEPT_RANGES = 20 HttpHeaderAcceptRanges,
        AGE = 21 HttpHeaderAge,
        ETAG = 22 HttpHeaderEtag,
        LOCATION = 23 HttpHeaderLocation,
        PROXY_AUTHENTICATE = 24 HttpHeaderProxyAuthenticate,
        RETRY_AFTER = 25 HttpHeaderRetryAfter,
        SERVER = 26 HttpHeaderServer,
        SET_COOKIE = 27 HttpHeaderSetCookie,
        VARY = 28 HttpHeaderVary,
        WWW_AUTHENTICATE = 29 HttpHeaderWwwAuthenticate,
    }
}
