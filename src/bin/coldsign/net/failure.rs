//! What went wrong on the wire, in the words of the screen, and whether it is worth another try.

use std::error::Error as StdError;
use std::io::{self, ErrorKind};
use std::time::Duration;

use coldsign::check::Check;
use coldsign::error::Error;
use rustls::CertificateError;
use url::Url;

use super::names::Unresolved;

/// How long a request may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// With redirects, pauses and tries.
    pub(super) whole: Duration,
    /// Without a byte.
    pub(super) idle: Duration,
    /// To be connected, and to have a name looked up.
    pub(super) connect: Duration,
}

/// A request without an answer.
pub(super) struct Failure {
    pub(super) error: Error,
    pub(super) kind: Kind,
}

/// Whether the same request may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It would end the same way, or nobody waits any longer.
    Final,
    /// The connection ended before the answer did.
    Dropped,
    /// No connection was made.
    Unreached,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, kind: Kind::Final }
    }
}

impl Failure {
    /// What the library says, of a request described by `at`, where `peer` was asked for the connection.
    pub(super) fn new(error: ureq::Error, at: &str, url: &Url, peer: &str, bounds: Bounds) -> Self {
        let reach = |why: &str| Error::new(Check::RegistryReach, at).detail(why);
        let (kind, error) = match error {
            ureq::Error::Timeout(timeout) => (Kind::Final, timed_out(timeout, at, bounds)),
            ureq::Error::Io(error) if own_inside(&error) => {
                (Kind::Final, own(error, at)) // of a body that was to be sent
            }
            ureq::Error::Io(error) => match tls_error(&error) {
                Some(tls) => (Kind::Final, untrusted(tls, at, url)),
                None => interrupted(error, at, peer),
            },
            ureq::Error::Rustls(error) => (Kind::Final, untrusted(&error, at, url)),
            ureq::Error::HostNotFound => (Kind::Unreached, reach(&format!("host not found: {peer}"))),
            ureq::Error::Other(error) if error.is::<Unresolved>() => {
                (Kind::Unreached, reach(&format!("host not found: {peer}")).caused_by(error))
            }
            // Names the status or that there was none, never the proxy's address.
            ureq::Error::ConnectProxyFailed(why) => (Kind::Final, reach(&why)),
            ureq::Error::LargeResponseHeader(..) => {
                let most = coldsign::limits::HTTP_HEADER;
                let error =
                    Error::new(Check::RegistryLimit, at).detail(format!("header of more than {most} bytes"));
                (Kind::Final, error)
            }
            error @ ureq::Error::Protocol(_) => {
                let error =
                    Error::new(Check::RegistryAnswer, at).detail("not an HTTP/1.1 answer").caused_by(error);
                (Kind::Final, error)
            }
            error @ ureq::Error::Tls(_) => (Kind::Final, reach("TLS").caused_by(error)),
            // What is left holds addresses: they may have secrets in them.
            _ => (Kind::Final, reach("the request could not be sent")),
        };
        Self { error, kind }
    }
}

fn own_inside(error: &io::Error) -> bool {
    matches!(error.get_ref(), Some(inner) if inner.is::<Error>())
}

/// The error of ours inside an I/O error.
fn own(error: io::Error, at: &str) -> Error {
    error.downcast().unwrap_or_else(|error| Error::new(Check::RegistryReach, at).caused_by(error))
}

fn timed_out(timeout: ureq::Timeout, at: &str, bounds: Bounds) -> Error {
    let why = match timeout {
        ureq::Timeout::Resolve => format!("name not resolved within {} s", bounds.connect.as_secs()),
        ureq::Timeout::Connect => format!("no connection within {} s", bounds.connect.as_secs()),
        ureq::Timeout::PerRead | ureq::Timeout::PerWrite => format!("silent for {} s", bounds.idle.as_secs()),
        _ => format!("not answered within {} s", bounds.whole.as_secs()),
    };
    Error::new(Check::RegistryTimeout, at).detail(format!("{why}; the request is not sent again"))
}

/// The connection was not made, or ended early.
fn interrupted(error: io::Error, at: &str, peer: &str) -> (Kind, Error) {
    let (kind, why) = match error.kind() {
        ErrorKind::ConnectionRefused => (Kind::Unreached, format!("connection refused by {peer}")),
        ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::NetworkDown
        | ErrorKind::AddrNotAvailable => (Kind::Unreached, format!("no way to {peer}")),
        ErrorKind::UnexpectedEof
        | ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::NotConnected => {
            (Kind::Dropped, "connection dropped before the answer was whole".to_owned())
        }
        _ => (Kind::Final, format!("connection to {peer} failed")),
    };
    (kind, Error::new(Check::RegistryReach, at).detail(why).caused_by(error))
}

/// The TLS error inside an I/O error.
fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    let inner: &(dyn StdError + 'static) = error.get_ref()?;
    inner.downcast_ref()
}

/// TLS was spoken, and the other side is not who it should be, or speaks something else.
fn untrusted(error: &rustls::Error, at: &str, url: &Url) -> Error {
    let host = url.host_str().unwrap_or_default();
    let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let refuse = |why: String| Error::new(Check::RegistryReach, at).detail(why).caused_by(error.clone());
    match error {
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            refuse(format!("certificate of {host} is by an authority that this machine does not know"))
                .hint("--registry-ca FILE trusts the authorities in FILE as well")
        }
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => refuse(format!("certificate is not for {host}")),
        rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        ) => refuse(format!("certificate of {host} has expired")),
        // The verifier below has no name of its own for it.
        rustls::Error::InvalidCertificate(CertificateError::Other(below))
            if below.to_string().contains("CaUsedAsEndEntity") =>
        {
            refuse(format!("certificate of {host} is an authority's own, which no server may show")).hint(
                "make the registry a certificate with basicConstraints CA:FALSE, signed by that authority",
            )
        }
        rustls::Error::InvalidCertificate(_) => refuse(format!("certificate of {host} is not trusted")),
        rustls::Error::InvalidMessage(_) => refuse(format!("{authority} does not speak TLS"))
            .hint(format!("if it speaks plain HTTP: --plain-http {authority}")),
        rustls::Error::General(_) => {
            refuse("no certificate authority of this machine can be used".to_owned())
                .hint("--registry-ca FILE trusts the authorities in FILE")
        }
        _ => refuse(format!("no TLS with {host}")),
    }
}
