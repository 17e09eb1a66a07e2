//! What modules are told of a client's certificate.

use std::fmt::Write;

use bivalve_core::ClientCertificate;
use x509_parser::certificate::X509Certificate;
use x509_parser::objects::{oid_registry, oid2abbrev};
use x509_parser::prelude::FromDer;
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

/// A certificate that has been checked, with its names where they can be read.
pub(crate) fn client_certificate(der: &[u8]) -> ClientCertificate {
    let certificate = ClientCertificate::new(der.to_vec());
    let Ok((_, read)) = X509Certificate::from_der(der) else { return certificate };
    let serial: Vec<_> = read.tbs_certificate.raw_serial().iter().map(|byte| format!("{byte:02x}")).collect();
    certificate.with_names(&name(read.subject()), &name(read.issuer()), &serial.join("-"))
}

/// A name as Windows writes it (`CertNameToStr` with `CERT_X500_NAME_STR`), in the order in which it is encoded. A value
/// with a comma is quoted: who is called `x, CN=root` is not taken for root.
fn name(name: &X509Name<'_>) -> String {
    let mut text = String::new();
    for rdn in name.iter() {
        for (index, attribute) in rdn.iter().enumerate() {
            match (text.is_empty(), index) {
                (true, _) => {}
                (false, 0) => text.push_str(", "),
                (false, _) => text.push_str(" + "),
            }
            push(&mut text, attribute);
        }
    }
    text
}

fn push(text: &mut String, attribute: &AttributeTypeAndValue<'_>) {
    let oid = attribute.attr_type();
    match oid2abbrev(oid, oid_registry()) {
        Ok(short) => text.push_str(short),
        Err(_) => {
            let _ = write!(text, "OID.{oid}");
        }
    }
    text.push('=');
    match attribute.as_str() {
        Ok(value) if !value.chars().any(char::is_control) => push_value(text, value),
        _ => {
            // RFC 4514 section 2.4: what is no text, in hexadecimal.
            text.push('#');
            for byte in attribute.as_slice() {
                let _ = write!(text, "{byte:02X}");
            }
        }
    }
}

fn push_value(text: &mut String, value: &str) {
    let plain = !value.is_empty()
        && !value.contains([',', '+', '=', '"', '<', '>', '#', ';'])
        && value.trim() == value;
    if plain {
        text.push_str(value);
    } else {
        let _ = write!(text, "\"{}\"", value.replace('"', "\"\""));
    }
}
