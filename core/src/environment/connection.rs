//! The client's connection.

use std::net::SocketAddr;

use bytes::Bytes;

use super::ModuleStorage;

/// The connection on which a request came. Shared by the requests of a kept-alive connection.
///
/// IIS counterpart: `IHttpConnection`.
#[derive(Debug, Default)]
pub struct Connection {
    remote: Option<SocketAddr>,
    local: Option<SocketAddr>,
    secure: bool,
    /// Boxed: few connections have one, and all have room for it.
    certificate: Option<Box<ClientCertificate>>,
    pub(crate) storage: ModuleStorage,
}

impl Connection {
    /// Starts with nothing known.
    pub fn builder() -> ConnectionBuilder {
        ConnectionBuilder { connection: Self::default() }
    }

    /// The client's address; `None` where the host does not know it (a Unix socket).
    ///
    /// IIS counterpart: `GetRemoteAddress`.
    #[must_use]
    pub fn remote_addr(&self) -> Option<SocketAddr> {
        self.remote
    }

    /// The server's address.
    ///
    /// IIS counterpart: `GetLocalAddress`.
    #[must_use]
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.local
    }

    /// Whether the connection is encrypted.
    #[must_use]
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The client's certificate, if it gave one and the host has checked it.
    ///
    /// IIS counterpart: `IHttpRequest::GetClientCertificate`.
    #[must_use]
    pub fn client_certificate(&self) -> Option<&ClientCertificate> {
        self.certificate.as_deref()
    }
}

/// Builds a [`Connection`].
#[derive(Debug)]
#[must_use]
pub struct ConnectionBuilder {
    connection: Connection,
}

impl ConnectionBuilder {
    /// The client's address.
    pub fn remote_addr(mut self, addr: SocketAddr) -> Self {
        self.connection.remote = Some(addr);
        self
    }

    /// The server's address.
    pub fn local_addr(mut self, addr: SocketAddr) -> Self {
        self.connection.local = Some(addr);
        self
    }

    /// Whether the connection is encrypted. Default: no.
    pub fn secure(mut self, secure: bool) -> Self {
        self.connection.secure = secure;
        self
    }

    /// The client's certificate.
    pub fn client_certificate(mut self, certificate: ClientCertificate) -> Self {
        self.connection.certificate = Some(Box::new(certificate));
        self
    }

    /// The connection.
    #[must_use]
    pub fn build(self) -> Connection {
        self.connection
    }
}

/// A client's certificate, as IIS shows it.
///
/// IIS counterpart: `HTTP_SSL_CLIENT_CERT_INFO`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    encoded: Bytes,
    subject: Option<String>,
    issuer: Option<String>,
    serial_number: Option<String>,
}

impl ClientCertificate {
    /// The certificate in DER.
    #[must_use]
    pub fn new(encoded: impl Into<Bytes>) -> Self {
        Self { encoded: encoded.into(), subject: None, issuer: None, serial_number: None }
    }

    /// With what the host read from it: the server variables `CERT_SUBJECT`, `CERT_ISSUER` and `CERT_SERIALNUMBER`.
    #[must_use]
    pub fn with_names(mut self, subject: &str, issuer: &str, serial_number: &str) -> Self {
        self.subject = Some(subject.into());
        self.issuer = Some(issuer.into());
        self.serial_number = Some(serial_number.into());
        self
    }

    /// DER.
    #[must_use]
    pub fn encoded(&self) -> &Bytes {
        &self.encoded
    }

    /// The subject's distinguished name, where the host read it.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// The issuer's distinguished name, where the host read it.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// The serial number in hexadecimal, where the host read it.
    #[must_use]
    pub fn serial_number(&self) -> Option<&str> {
        self.serial_number.as_deref()
    }
}
