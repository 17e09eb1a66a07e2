//! TLS: certificates, what a client has to show, and how they are changed while the server runs.

mod error;
mod names;
mod pem;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

pub use self::error::TlsError;
pub(crate) use self::names::client_certificate;
pub use self::pem::Pem;

/// How a listener encrypts: TLS 1.3 and 1.2 by rustls, HTTP/2 and HTTP/1.1 by ALPN.
///
/// A clone is the same configuration: keep one to [`reload`](Self::reload) it. IIS counterpart: an HTTPS binding.
///
/// ```no_run
/// use bivalve_server::{Listener, Pem, Tls};
///
/// # fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let tls = Tls::builder(Pem::file("server.pem"), Pem::file("server.key")).build()?;
/// let listener = Listener::tcp("[::]:443")?.tls(&tls);
/// // … and when the files have been renewed:
/// tls.reload()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Tls {
    shared: Arc<Shared>,
}

struct Shared {
    handshake: Duration,
    state: Mutex<State>,
}

struct State {
    sources: Sources,
    config: Arc<ServerConfig>,
}

/// What a configuration is made from, each time.
#[derive(Clone)]
struct Sources {
    chain: Pem,
    key: Pem,
    clients: ClientCertificates,
}

/// Whether clients have to show a certificate. IIS counterpart: `sslFlags` of `<access>`.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum ClientCertificates {
    /// None is asked for.
    #[default]
    None,
    /// One is asked for, and checked against these roots if it is given. A client whose certificate does not pass is refused.
    /// IIS counterpart: `SslNegotiateCert`.
    Optional(Pem),
    /// As `Optional`, and a client without one is refused. IIS counterpart: `SslRequireCert`.
    Required(Pem),
}

/// Builds a [`Tls`].
#[derive(Debug)]
#[must_use]
pub struct TlsBuilder {
    chain: Pem,
    key: Pem,
    clients: ClientCertificates,
    handshake: Duration,
}

impl TlsBuilder {
    /// Whether clients have to show a certificate, which modules then see as `Connection::client_certificate`. Default: no.
    pub fn client_certificates(mut self, clients: ClientCertificates) -> Self {
        self.clients = clients;
        self
    }

    /// How long a handshake may take; then the connection is closed. Default: 10 seconds.
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake = timeout;
        self
    }

    /// Reads the certificates.
    ///
    /// # Errors
    ///
    /// [`TlsError`] says which source cannot be read or used, and why.
    pub fn build(self) -> Result<Tls, TlsError> {
        let Self { chain, key, clients, handshake } = self;
        let sources = Sources { chain, key, clients };
        let config = sources.read()?;
        Ok(Tls { shared: Arc::new(Shared { handshake, state: Mutex::new(State { sources, config }) }) })
    }
}

impl Tls {
    /// A server's certificate, with the chain of those that signed it behind it, and its private key (PKCS#8, PKCS#1 or SEC1).
    pub fn builder(chain: Pem, key: Pem) -> TlsBuilder {
        TlsBuilder { chain, key, clients: ClientCertificates::None, handshake: Self::HANDSHAKE_TIMEOUT }
    }

    /// The default of [`handshake_timeout`](TlsBuilder::handshake_timeout).
    pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

    /// Reads the files again: certificate, key and roots of clients. Connections that are there go on; who comes later gets
    /// what is read now, and no session of before is resumed.
    ///
    /// # Errors
    ///
    /// [`TlsError`]. Then all stays as it was.
    pub fn reload(&self) -> Result<(), TlsError> {
        let sources = self.lock().sources.clone();
        self.take(sources)
    }

    /// As [`reload`](Self::reload), with another certificate and key.
    ///
    /// # Errors
    ///
    /// [`TlsError`]. Then all stays as it was.
    pub fn replace(&self, chain: Pem, key: Pem) -> Result<(), TlsError> {
        let clients = self.lock().sources.clients.clone();
        self.take(Sources { chain, key, clients })
    }

    fn take(&self, sources: Sources) -> Result<(), TlsError> {
        // Outside the lock: files may be slow, and connections come meanwhile.
        let config = sources.read()?;
        let before = std::mem::replace(&mut *self.lock(), State { sources, config });
        drop(before);
        Ok(())
    }

    /// For the connection that comes now.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.lock().config)
    }

    pub(crate) fn handshake_timeout(&self) -> Duration {
        self.shared.handshake
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("chain", &self.lock().sources.chain).finish_non_exhaustive()
    }
}

impl Sources {
    fn read(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::of("the protocol", None, error))?;
        let builder = match &self.clients {
            ClientCertificates::None => builder.with_no_client_auth(),
            ClientCertificates::Optional(roots) | ClientCertificates::Required(roots) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(trusted(roots)?, provider);
                let verifier = match self.clients {
                    ClientCertificates::Required(_) => verifier,
                    _ => verifier.allow_unauthenticated(),
                };
                let verifier = verifier.build().map_err(|error| TlsError::of(ROOTS, Some(roots), error))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let (chain, key) = (self.chain.certificates(CHAIN)?, self.key.private_key(KEY)?);
        check_key(&key, &self.key, builder.crypto_provider())?;
        let mut config = builder
            .with_single_cert(chain, key)
            .map_err(|error| TlsError::of(CHAIN, Some(&self.chain), error))?;
        config.alpn_protocols = vec![H2.to_vec(), b"http/1.1".to_vec(), b"http/1.0".to_vec()];
        Ok(Arc::new(config))
    }
}

/// What is wrong with the key alone is said of the key.
fn check_key(
    key: &rustls_pki_types::PrivateKeyDer<'_>,
    from: &Pem,
    provider: &CryptoProvider,
) -> Result<(), TlsError> {
    let loaded = provider.key_provider.load_private_key(key.clone_key());
    loaded.map(drop).map_err(|error| TlsError::of(KEY, Some(from), error))
}

fn trusted(roots: &Pem) -> Result<Arc<RootCertStore>, TlsError> {
    let mut store = RootCertStore::empty();
    for certificate in roots.certificates(ROOTS)? {
        store.add(certificate).map_err(|error| TlsError::of(ROOTS, Some(roots), error))?;
    }
    Ok(Arc::new(store))
}

/// HTTP/2, in ALPN: RFC 9113 section 3.1.
pub(crate) const H2: &[u8] = b"h2";

const CHAIN: &str = "the certificate";
const KEY: &str = "the private key";
const ROOTS: &str = "the roots of client certificates";
