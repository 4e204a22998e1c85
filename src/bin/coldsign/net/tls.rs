//! Whom TLS trusts: the platform's certificate store, and the authorities that `--registry-ca` adds.

use std::path::Path;
use std::sync::Arc;

use coldsign::check::Check;
use coldsign::error::{Error, Result};
use coldsign::{files, limits};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

/// Certificate authorities of a file.
#[derive(Debug)]
pub(super) struct Authorities(Vec<Certificate<'static>>);

impl Authorities {
    /// Reads PEM. FILE-READ, FILE-NOT-REGULAR, FILE-SIZE; REGISTRY-AUTHORITIES.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let bytes = files::read(path, limits::AUTHORITIES_FILE)?;
        check_registry_authorities(&bytes, path).map(Self)
    }
}

/// Whom a client trusts. The platform's store is read when the first TLS connection is made, not before, unless
/// authorities are added to it.
pub(super) fn trust(added: Option<&Authorities>) -> TlsConfig {
    let roots = match added {
        None => RootCerts::PlatformVerifier,
        Some(Authorities(added)) => {
            // What cannot be read of the platform's store is left out: it makes no connection trusted.
            let platform = rustls_native_certs::load_native_certs().certs;
            let platform = platform.iter().map(|certificate| Certificate::from_der(certificate).to_owned());
            RootCerts::Specific(Arc::new(platform.chain(added.iter().cloned()).collect()))
        }
    };
    TlsConfig::builder().root_certs(roots).build()
}

/// REGISTRY-AUTHORITIES: the file holds one or more certificates in PEM, each of which can be read. Text around them
/// is allowed (bundles name their authorities), other kinds of PEM are skipped.
fn check_registry_authorities(bytes: &[u8], path: &Path) -> Result<Vec<Certificate<'static>>> {
    let refuse = || Error::new(Check::RegistryAuthorities, path.display());
    let mut certificates = Vec::new();
    for item in parse_pem(bytes) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| refuse().caused_by(error))? {
            let number = certificates.len() + 1;
            RootCertStore::empty()
                .add(CertificateDer::from(certificate.der()))
                .map_err(|error| refuse().detail(format!("certificate number {number}")).caused_by(error))?;
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err(refuse().detail("no certificate in it: expected -----BEGIN CERTIFICATE-----"));
    }
    Ok(certificates)
}
