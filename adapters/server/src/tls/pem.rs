//! Certificates and keys in PEM (RFC 7468), from a file or from memory.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::TlsError;

/// Where certificates or a key are: in a file, which is read whenever they are wanted, or here.
#[derive(Clone)]
pub struct Pem {
    source: Source,
}

#[derive(Clone)]
enum Source {
    File(PathBuf),
    Bytes(Arc<[u8]>),
}

impl Pem {
    /// In a file.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { source: Source::File(path.into()) }
    }

    /// Here.
    #[must_use]
    pub fn bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self { source: Source::Bytes(bytes.into().into()) }
    }

    /// All certificates, at least one.
    pub(super) fn certificates(&self, what: &'static str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let octets = self.read(what)?;
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&octets).collect();
        match certificates {
            Ok(none) if none.is_empty() => {
                Err(TlsError::of(what, Some(self), "there is no CERTIFICATE in it"))
            }
            Ok(certificates) => Ok(certificates),
            Err(error) => Err(TlsError::of(what, Some(self), error)),
        }
    }

    /// The first private key.
    pub(super) fn private_key(&self, what: &'static str) -> Result<PrivateKeyDer<'static>, TlsError> {
        let octets = self.read(what)?;
        PrivateKeyDer::from_pem_slice(&octets).map_err(|error| match error {
            pem::Error::NoItemsFound if holds(&octets, b"ENCRYPTED PRIVATE KEY") => {
                TlsError::of(what, Some(self), "it is encrypted; it has to be stored in the clear")
            }
            pem::Error::NoItemsFound => TlsError::of(what, Some(self), "there is no PRIVATE KEY in it"),
            error => TlsError::of(what, Some(self), error),
        })
    }

    fn read(&self, what: &'static str) -> Result<Cow<'_, [u8]>, TlsError> {
        match &self.source {
            Source::Bytes(bytes) => Ok(Cow::Borrowed(bytes)),
            Source::File(path) => {
                std::fs::read(path).map(Cow::Owned).map_err(|error| TlsError::of(what, Some(self), error))
            }
        }
    }
}

fn holds(octets: &[u8], text: &[u8]) -> bool {
    octets.windows(text.len()).any(|window| window == text)
}

/// Where it is; never what it is, for it may be a key.
impl fmt::Display for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::File(path) => write!(f, "{}", path.display()),
            Source::Bytes(bytes) => write!(f, "{} bytes in memory", bytes.len()),
        }
    }
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pem({self})")
    }
}
