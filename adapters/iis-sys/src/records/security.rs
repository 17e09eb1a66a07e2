//! Certificates and authentication.

use core::ffi::c_void;

use crate::codes::{HTTP_AUTH_STATUS, HTTP_REQUEST_AUTH_TYPE};
use crate::types::{HANDLE, HRESULT, PCSTR, PSTR, PWSTR};

record! {
    /// The client's certificate.
    HTTP_SSL_CLIENT_CERT_INFO: 32 20, align 8;
    0 0 CertFlags: u32 = "ULONG CertFlags";
    4 4 CertEncodedSize: u32 = "ULONG CertEncodedSize";
    8 8 pCertEncoded: *mut u8 = "PUCHAR pCertEncoded";
    16 12 Token: HANDLE = "HANDLE Token";
    24 16 CertDeniedByMapper: u8 = "BOOLEAN CertDeniedByMapper";
}

record! {
    /// The TLS of a connection.
    HTTP_SSL_INFO: 48 28, align 8;
    0 0 ServerCertKeySize: u16 = "USHORT ServerCertKeySize";
    2 2 ConnectionKeySize: u16 = "USHORT ConnectionKeySize";
    4 4 ServerCertIssuerSize: u32 = "ULONG ServerCertIssuerSize";
    8 8 ServerCertSubjectSize: u32 = "ULONG ServerCertSubjectSize";
    16 12 pServerCertIssuer: PCSTR = "PCSTR pServerCertIssuer";
    24 16 pServerCertSubject: PCSTR = "PCSTR pServerCertSubject";
    32 20 pClientCertInfo: *mut HTTP_SSL_CLIENT_CERT_INFO = "PHTTP_SSL_CLIENT_CERT_INFO pClientCertInfo";
    40 24 SslClientCertNegotiated: u32 = "ULONG SslClientCertNegotiated";
}

record! {
    /// How http.sys authenticated the request.
    HTTP_REQUEST_AUTH_INFO: 80 52, align 8;
    0 0 AuthStatus: HTTP_AUTH_STATUS = "HTTP_AUTH_STATUS AuthStatus";
    4 4 SecStatus: HRESULT = "SECURITY_STATUS SecStatus";
    8 8 Flags: u32 = "ULONG Flags";
    12 12 AuthType: HTTP_REQUEST_AUTH_TYPE = "HTTP_REQUEST_AUTH_TYPE AuthType";
    16 16 AccessToken: HANDLE = "HANDLE AccessToken";
    24 20 ContextAttributes: u32 = "ULONG ContextAttributes";
    28 24 PackedContextLength: u32 = "ULONG PackedContextLength";
    32 28 PackedContextType: u32 = "ULONG PackedContextType";
    40 32 PackedContext: *mut c_void = "PVOID PackedContext";
    48 36 MutualAuthDataLength: u32 = "ULONG MutualAuthDataLength";
    56 40 pMutualAuthData: PSTR = "PCHAR pMutualAuthData";
    64 44 PackageNameLength: u16 = "USHORT PackageNameLength";
    72 48 pPackageName: PWSTR = "PWSTR pPackageName";
}
