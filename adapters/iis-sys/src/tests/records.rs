//! The records against those of `windows-sys`: size, alignment and every offset, where this compiles.

use core::mem::offset_of;

use windows_sys::Win32::Foundation;
use windows_sys::Win32::Networking::{HttpServer, WinSock};
use windows_sys::Win32::System::IO;

use crate::{codes, flags, hresult, records, types};

macro_rules! same {
    ($ours:ident is $theirs:ident; $($name:ident { $($field:ident),+ $(,)? })+) => {
        $(
            const _: () = {
                type Ours = $ours::$name;
                type Theirs = $theirs::$name;
                assert!(size_of::<Ours>() == size_of::<Theirs>(), stringify!($name));
                assert!(align_of::<Ours>() == align_of::<Theirs>(), stringify!($name));
                $(
                    assert!(
                        offset_of!(Ours, $field) == offset_of!(Theirs, $field),
                        concat!(stringify!($name), "::", stringify!($field)),
                    );
                )+
            };
        )+
    };
}

same! {
    records is HttpServer;
    HTTP_KNOWN_HEADER { RawValueLength, pRawValue }
    HTTP_UNKNOWN_HEADER { NameLength, RawValueLength, pName, pRawValue }
    HTTP_REQUEST_HEADERS { UnknownHeaderCount, pUnknownHeaders, TrailerCount, pTrailers, KnownHeaders }
    HTTP_RESPONSE_HEADERS { UnknownHeaderCount, pUnknownHeaders, TrailerCount, pTrailers, KnownHeaders }
    HTTP_MULTIPLE_KNOWN_HEADERS { HeaderId, Flags, KnownHeaderCount, KnownHeaders }
    HTTP_VERSION { MajorVersion, MinorVersion }
    HTTP_COOKED_URL {
        FullUrlLength, HostLength, AbsPathLength, QueryStringLength, pFullUrl, pHost, pAbsPath,
        pQueryString,
    }
    HTTP_TRANSPORT_ADDRESS { pRemoteAddress, pLocalAddress }
    HTTP_REQUEST_INFO { InfoType, InfoLength, pInfo }
    HTTP_REQUEST_V1 {
        Flags, ConnectionId, RequestId, UrlContext, Version, Verb, UnknownVerbLength, RawUrlLength,
        pUnknownVerb, pRawUrl, CookedUrl, Address, Headers, BytesReceived, EntityChunkCount,
        pEntityChunks, RawConnectionId, pSslInfo,
    }
    HTTP_REQUEST_V2 { Base, RequestInfoCount, pRequestInfo }
    HTTP_SSL_CLIENT_CERT_INFO { CertFlags, CertEncodedSize, pCertEncoded, Token, CertDeniedByMapper }
    HTTP_SSL_INFO {
        ServerCertKeySize, ConnectionKeySize, ServerCertIssuerSize, ServerCertSubjectSize,
        pServerCertIssuer, pServerCertSubject, pClientCertInfo, SslClientCertNegotiated,
    }
    HTTP_REQUEST_AUTH_INFO {
        AuthStatus, SecStatus, Flags, AuthType, AccessToken, ContextAttributes, PackedContextLength,
        PackedContextType, PackedContext, MutualAuthDataLength, pMutualAuthData, PackageNameLength,
        pPackageName,
    }
    HTTP_CACHE_POLICY { Policy, SecondsToLive }
    HTTP_RESPONSE_INFO { Type, Length, pInfo }
    HTTP_RESPONSE_V1 {
        Flags, Version, StatusCode, ReasonLength, pReason, Headers, EntityChunkCount, pEntityChunks,
    }
    HTTP_RESPONSE_V2 { Base, ResponseInfoCount, pResponseInfo }
    HTTP_LOG_DATA { Type }
    HTTP_LOG_FIELDS_DATA {
        Base, UserNameLength, UriStemLength, ClientIpLength, ServerNameLength, ServiceNameLength,
        ServerIpLength, MethodLength, UriQueryLength, HostLength, UserAgentLength, CookieLength,
        ReferrerLength, UserName, UriStem, ClientIp, ServerName, ServiceName, ServerIp, Method,
        UriQuery, Host, UserAgent, Cookie, Referrer, ServerPort, ProtocolStatus, Win32Status, MethodNum,
        SubStatus,
    }
    HTTP_BYTE_RANGE { StartingOffset, Length }
}

same! {
    records is WinSock;
    SOCKADDR { sa_family, sa_data }
    SOCKADDR_IN { sin_family, sin_port, sin_addr, sin_zero }
    SOCKADDR_IN6 { sin6_family, sin6_port, sin6_flowinfo, sin6_addr }
}

same! {
    types is IO;
    OVERLAPPED { Internal, InternalHigh, hEvent }
}

/// The names of the union's members are not those of the header.
const _: () = {
    assert!(size_of::<records::HTTP_DATA_CHUNK>() == size_of::<HttpServer::HTTP_DATA_CHUNK>());
    assert!(offset_of!(records::HTTP_DATA_CHUNK, data) == offset_of!(HttpServer::HTTP_DATA_CHUNK, Anonymous));
    assert!(size_of::<records::FROM_MEMORY>() == size_of::<HttpServer::HTTP_DATA_CHUNK_0_0>());
    assert!(size_of::<records::FROM_FILE_HANDLE>() == size_of::<HttpServer::HTTP_DATA_CHUNK_0_1>());
    assert!(size_of::<records::FROM_FRAGMENT_CACHE>() == size_of::<HttpServer::HTTP_DATA_CHUNK_0_2>());
    assert!(size_of::<records::FROM_FRAGMENT_CACHE_EX>() == size_of::<HttpServer::HTTP_DATA_CHUNK_0_3>());
    assert!(size_of::<records::TRAILERS>() == size_of::<HttpServer::HTTP_DATA_CHUNK_0_4>());
};

#[test]
fn the_codes_are_those_of_windows_sys() {
    macro_rules! same {
        ($($type:ident { $($name:ident $theirs:ident),+ $(,)? })+) => {
            $($(assert_eq!(codes::$type::$name.0, HttpServer::$theirs);)+)+
        };
    }
    same! {
        HTTP_AUTH_STATUS {
            SUCCESS HttpAuthStatusSuccess,
            NOT_AUTHENTICATED HttpAuthStatusNotAuthenticated,
            FAILURE HttpAuthStatusFailure,
        }
        HTTP_CACHE_POLICY_TYPE {
            NOCACHE HttpCachePolicyNocache,
            USER_INVALIDATES HttpCachePolicyUserInvalidates,
            TIME_TO_LIVE HttpCachePolicyTimeToLive,
        }
        HTTP_DATA_CHUNK_TYPE {
            FROM_MEMORY HttpDataChunkFromMemory,
            FROM_FILE_HANDLE HttpDataChunkFromFileHandle,
            FROM_FRAGMENT_CACHE HttpDataChunkFromFragmentCache,
            FROM_FRAGMENT_CACHE_EX HttpDataChunkFromFragmentCacheEx,
            TRAILERS HttpDataChunkTrailers,
        }
        HTTP_LOG_DATA_TYPE {
            FIELDS HttpLogDataTypeFields,
        }
        HTTP_REQUEST_AUTH_TYPE {
            NONE HttpRequestAuthTypeNone,
            BASIC HttpRequestAuthTypeBasic,
            DIGEST HttpRequestAuthTypeDigest,
            NTLM HttpRequestAuthTypeNTLM,
            NEGOTIATE HttpRequestAuthTypeNegotiate,
            KERBEROS HttpRequestAuthTypeKerberos,
        }
        HTTP_REQUEST_INFO_TYPE {
            AUTH HttpRequestInfoTypeAuth,
            CHANNEL_BIND HttpRequestInfoTypeChannelBind,
            SSL_PROTOCOL HttpRequestInfoTypeSslProtocol,
            SSL_TOKEN_BINDING_DRAFT HttpRequestInfoTypeSslTokenBindingDraft,
            SSL_TOKEN_BINDING HttpRequestInfoTypeSslTokenBinding,
            REQUEST_TIMING HttpRequestInfoTypeRequestTiming,
            TCP_INFO_V0 HttpRequestInfoTypeTcpInfoV0,
            REQUEST_SIZING HttpRequestInfoTypeRequestSizing,
            QUIC_STATS HttpRequestInfoTypeQuicStats,
            TCP_INFO_V1 HttpRequestInfoTypeTcpInfoV1,
        }
        HTTP_RESPONSE_INFO_TYPE {
            MULTIPLE_KNOWN_HEADERS HttpResponseInfoTypeMultipleKnownHeaders,
            AUTHENTICATION_PROPERTY HttpResponseInfoTypeAuthenticationProperty,
            QOS_PROPERTY HttpResponseInfoTypeQoSProperty,
            CHANNEL_BIND HttpResponseInfoTypeChannelBind,
        }
        HTTP_VERB {
            UNPARSED HttpVerbUnparsed,
            UNKNOWN HttpVerbUnknown,
            INVALID HttpVerbInvalid,
            OPTIONS HttpVerbOPTIONS,
            GET HttpVerbGET,
            HEAD HttpVerbHEAD,
            POST HttpVerbPOST,
            PUT HttpVerbPUT,
            DELETE HttpVerbDELETE,
            TRACE HttpVerbTRACE,
            CONNECT HttpVerbCONNECT,
            TRACK HttpVerbTRACK,
            MOVE HttpVerbMOVE,
            COPY HttpVerbCOPY,
            PROPFIND HttpVerbPROPFIND,
            PROPPATCH HttpVerbPROPPATCH,
            MKCOL HttpVerbMKCOL,
            LOCK HttpVerbLOCK,
            UNLOCK HttpVerbUNLOCK,
            SEARCH HttpVerbSEARCH,
        }
        HTTP_HEADER_ID {
            CACHE_CONTROL HttpHeaderCacheControl,
            CONNECTION HttpHeaderConnection,
            DATE HttpHeaderDate,
            KEEP_ALIVE HttpHeaderKeepAlive,
            PRAGMA HttpHeaderPragma,
            TRAILER HttpHeaderTrailer,
            TRANSFER_ENCODING HttpHeaderTransferEncoding,
            UPGRADE HttpHeaderUpgrade,
            VIA HttpHeaderVia,
            WARNING HttpHeaderWarning,
            ALLOW HttpHeaderAllow,
            CONTENT_LENGTH HttpHeaderContentLength,
            CONTENT_TYPE HttpHeaderContentType,
            CONTENT_ENCODING HttpHeaderContentEncoding,
            CONTENT_LANGUAGE HttpHeaderContentLanguage,
            CONTENT_LOCATION HttpHeaderContentLocation,
            CONTENT_MD5 HttpHeaderContentMd5,
            CONTENT_RANGE HttpHeaderContentRange,
            EXPIRES HttpHeaderExpires,
            LAST_MODIFIED HttpHeaderLastModified,
            ACCEPT HttpHeaderAccept,
            ACCEPT_CHARSET HttpHeaderAcceptCharset,
            ACCEPT_ENCODING HttpHeaderAcceptEncoding,
            ACCEPT_LANGUAGE HttpHeaderAcceptLanguage,
            AUTHORIZATION HttpHeaderAuthorization,
            COOKIE HttpHeaderCookie,
            EXPECT HttpHeaderExpect,
            FROM HttpHeaderFrom,
            HOST HttpHeaderHost,
            IF_MATCH HttpHeaderIfMatch,
            IF_MODIFIED_SINCE HttpHeaderIfModifiedSince,
            IF_NONE_MATCH HttpHeaderIfNoneMatch,
            IF_RANGE HttpHeaderIfRange,
            IF_UNMODIFIED_SINCE HttpHeaderIfUnmodifiedSince,
            MAX_FORWARDS HttpHeaderMaxForwards,
            PROXY_AUTHORIZATION HttpHeaderProxyAuthorization,
            REFERER HttpHeaderReferer,
            RANGE HttpHeaderRange,
            TE HttpHeaderTe,
            TRANSLATE HttpHeaderTranslate,
            USER_AGENT HttpHeaderUserAgent,
            ACCEPT_RANGES HttpHeaderAcceptRanges,
            AGE HttpHeaderAge,
            ETAG HttpHeaderEtag,
            LOCATION HttpHeaderLocation,
            PROXY_AUTHENTICATE HttpHeaderProxyAuthenticate,
            RETRY_AFTER HttpHeaderRetryAfter,
            SERVER HttpHeaderServer,
            SET_COOKIE HttpHeaderSetCookie,
            VARY HttpHeaderVary,
            WWW_AUTHENTICATE HttpHeaderWwwAuthenticate,
        }
    }
}

#[test]
fn the_flags_and_errors_are_those_of_windows_sys() {
    macro_rules! same {
        ($ours:ident is $theirs:ident; $($name:ident),+ $(,)?) => {
            $(assert_eq!($ours::$name, $theirs::$name, stringify!($name));)+
        };
    }
    same! {
        flags is HttpServer;
        HTTP_SEND_RESPONSE_FLAG_DISCONNECT, HTTP_SEND_RESPONSE_FLAG_MORE_DATA,
        HTTP_SEND_RESPONSE_FLAG_BUFFER_DATA, HTTP_SEND_RESPONSE_FLAG_ENABLE_NAGLING,
        HTTP_SEND_RESPONSE_FLAG_PROCESS_RANGES, HTTP_SEND_RESPONSE_FLAG_OPAQUE,
        HTTP_SEND_RESPONSE_FLAG_GOAWAY, HTTP_REQUEST_FLAG_MORE_ENTITY_BODY_EXISTS,
        HTTP_REQUEST_FLAG_IP_ROUTED, HTTP_REQUEST_FLAG_HTTP2, HTTP_REQUEST_FLAG_HTTP3,
        HTTP_RESPONSE_INFO_FLAGS_PRESERVE_ORDER,
    }
    same! { records is WinSock; AF_INET, AF_INET6 }
    same! {
        hresult is Foundation;
        S_OK, S_FALSE, E_NOTIMPL, E_NOINTERFACE, E_POINTER, E_ABORT, E_FAIL, E_UNEXPECTED,
        E_ACCESSDENIED, E_OUTOFMEMORY, E_INVALIDARG, ERROR_SUCCESS, ERROR_FILE_NOT_FOUND,
        ERROR_PATH_NOT_FOUND, ERROR_ACCESS_DENIED, ERROR_NOT_ENOUGH_MEMORY, ERROR_INVALID_DATA,
        ERROR_HANDLE_EOF, ERROR_NOT_SUPPORTED, ERROR_ALREADY_ASSIGNED, ERROR_INVALID_PARAMETER,
        ERROR_INSUFFICIENT_BUFFER, ERROR_ALREADY_EXISTS, ERROR_OPERATION_ABORTED, ERROR_IO_PENDING,
        ERROR_NOT_FOUND, ERROR_CONNECTION_INVALID, ERROR_CONNECTION_ABORTED, ERROR_INVALID_INDEX,
        ERROR_TIMEOUT, ERROR_INVALID_STATE,
    }
}

#[test]
fn a_windows_error_becomes_a_result() {
    assert_eq!(hresult::from_win32(hresult::ERROR_SUCCESS), hresult::S_OK);
    assert_eq!(hresult::from_win32(hresult::ERROR_HANDLE_EOF).cast_unsigned(), 0x8007_0026);
    assert!(!hresult::succeeded(hresult::from_win32(hresult::ERROR_INVALID_INDEX)));
}
