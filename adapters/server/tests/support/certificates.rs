//! Certificates for a test, made when it runs.

#![allow(dead_code, reason = "each test uses its part")]

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, SerialNumber,
};

/// An authority, and files for programs that want them.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) certificate: String,
    directory: PathBuf,
}

/// A certificate and its key, in PEM.
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str, directory: &Path) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name = called(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("it is sound").pem();
        let authority =
            Self { issuer: Issuer::new(params, key), certificate, directory: directory.to_owned() };
        authority.file("ca.pem", &authority.certificate);
        authority
    }

    /// For a server at 127.0.0.1; `serial` tells one from the other.
    pub(crate) fn server(&self, serial: u8) -> Pair {
        self.sign("server", serial, ExtendedKeyUsagePurpose::ServerAuth)
    }

    pub(crate) fn client(&self, name: &str, serial: u8) -> Pair {
        self.sign(name, serial, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn sign(&self, name: &str, serial: u8, purpose: ExtendedKeyUsagePurpose) -> Pair {
        let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        let mut params = CertificateParams::new(names).expect("names");
        params.distinguished_name = called(name);
        params.serial_number = Some(SerialNumber::from_slice(&[0x0a, serial]));
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("it is sound");
        Pair { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// Writes a file, and says where it is.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.join(name);
        std::fs::write(&path, text).expect("a directory of the test");
        path
    }
}

fn called(name: &str) -> DistinguishedName {
    let mut called = DistinguishedName::new();
    called.push(DnType::OrganizationName, "Bivalve, tests");
    called.push(DnType::CommonName, name);
    called
}
