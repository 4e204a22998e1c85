//! Timestamp authorities (RFC 3161) that a person trusts: each by its own certificate and the chain above it.

use cms::signed_data::SignerIdentifier;
use der::Decode as _;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_cert::Certificate;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage};
use x509_cert::name::Name;

use super::Window;
use crate::check::Check;
use crate::error::{Error, Result};
use crate::keys::public::PublicKey;
use crate::limits;

/// A timestamp authority, its certificates read once.
#[derive(Clone, Debug)]
pub struct Authority {
    /// The chain as it was given, the authority's own certificate first.
    chain: Vec<CertificateDer<'static>>,
    /// The same, read.
    links: Vec<Link>,
    key: Option<PublicKey>,
    name: String,
    window: Option<Window>,
    uri: Option<String>,
}

impl Authority {
    /// An authority of a trusted root: the DER of its chain, its own certificate first, the root last.
    ///
    /// TRUST-CHAIN where there is none, there are too many, or one cannot be read. Without the authority's own
    /// certificate it is kept, and no token is its ([`Authority::has_leaf`]).
    pub fn new(chain: &[Vec<u8>], window: Option<Window>, uri: Option<String>) -> Result<Self> {
        let chain = chain.iter().map(|der| CertificateDer::from(der.clone())).collect();
        let links = check_trust_chain(&chain)?;
        Ok(Self::of(chain, links, window, uri))
    }

    /// An authority of a PEM file, as cosign's `--timestamp-certificate-chain` has it: its certificate, intermediates,
    /// one root, in any order, with any text around them.
    ///
    /// TRUST-CHAIN as above, and where the certificates are not exactly one chain.
    pub fn from_pem(text: &[u8]) -> Result<Self> {
        let blocks = CertificateDer::pem_slice_iter(text).take(limits::CHAIN.saturating_add(1));
        let given: Vec<CertificateDer<'static>> = blocks
            .collect::<Result<_, _>>()
            .map_err(|error| refuse("the PEM is cut off or its base64 is broken").caused_by(error))?;
        let links = check_trust_chain(&given)?;
        let order = path(&links)?;
        let pick = |at: &usize| Some((given.get(*at)?.clone(), links.get(*at)?.clone()));
        let (chain, links) = order.iter().filter_map(pick).unzip();
        Ok(Self::of(chain, links, None, None))
    }

    fn of(
        chain: Vec<CertificateDer<'static>>,
        links: Vec<Link>,
        window: Option<Window>,
        uri: Option<String>,
    ) -> Self {
        let subject = links.first().map(|first| first.certificate.tbs_certificate().subject());
        let name = subject.and_then(name_of).or_else(|| uri.clone());
        let name = name.unwrap_or_else(|| "a timestamp authority without a name".to_owned());
        let key = links.first().and_then(Link::key);
        Self { chain, links, key, name, window, uri }
    }

    /// What it is called, for people: the common name of its certificate, else the organisation, else the address. Text of
    /// others.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When it holds, by the trusted root.
    #[must_use]
    pub fn window(&self) -> Option<Window> {
        self.window
    }

    /// Its address in the trusted root; nothing is fetched from it.
    #[must_use]
    pub fn uri(&self) -> Option<&str> {
        self.uri.as_deref()
    }

    /// The DER of its certificates, its own first, the root last.
    pub fn chain(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.chain.iter().map(AsRef::as_ref)
    }

    /// Whether its own certificate is in the chain: without it every token of it stays unchecked.
    #[must_use]
    pub fn has_leaf(&self) -> bool {
        self.leaf().is_some()
    }

    /// Its own certificate, read.
    pub(crate) fn leaf(&self) -> Option<&Link> {
        self.links.first().filter(|first| !first.is_ca)
    }

    /// The key in its own certificate, where it is of a kind that is verified here.
    pub(crate) fn key(&self) -> Option<&PublicKey> {
        self.key.as_ref()
    }

    /// The certificates above its own, read.
    pub(super) fn issuers(&self) -> &[Link] {
        self.links.get(1..).unwrap_or_default()
    }

    /// The certificates as given.
    pub(super) fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// Whether a signer that is named so is this authority (RFC 5652, 5.3).
    pub(crate) fn is_signer(&self, signer: &SignerIdentifier) -> bool {
        self.leaf().is_some_and(|leaf| leaf.is_named(signer))
    }
}

/// A certificate of a chain, and what its extensions say.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) certificate: Certificate,
    pub(super) is_ca: bool,
    pub(super) key_usage: Option<KeyUsage>,
    /// Whether the extension is critical, and the purposes in it.
    pub(super) extended_usage: Option<(bool, ExtendedKeyUsage)>,
}

impl Link {
    pub(crate) fn read(der: &[u8]) -> der::Result<Self> {
        let certificate = Certificate::from_der(der)?;
        let content = certificate.tbs_certificate();
        let constraints = content.get_extension::<BasicConstraints>()?;
        let key_usage = content.get_extension::<KeyUsage>()?.map(|(_, usage)| usage);
        let extended_usage = content.get_extension::<ExtendedKeyUsage>()?;
        let is_ca = constraints.is_some_and(|(_, constraints)| constraints.ca);
        Ok(Self { certificate, is_ca, key_usage, extended_usage })
    }

    /// Whether it is an authority's over other certificates.
    pub(crate) fn is_ca(&self) -> bool {
        self.is_ca
    }

    pub(super) fn subject(&self) -> &Name {
        self.certificate.tbs_certificate().subject()
    }

    pub(crate) fn issuer(&self) -> &Name {
        self.certificate.tbs_certificate().issuer()
    }

    fn is_named(&self, signer: &SignerIdentifier) -> bool {
        match signer {
            SignerIdentifier::IssuerAndSerialNumber(named) => {
                named.issuer == *self.issuer()
                    && named.serial_number == *self.certificate.tbs_certificate().serial_number()
            }
            // cosign knows no such signer, so nobody asks for one.
            SignerIdentifier::SubjectKeyIdentifier(_) => false,
        }
    }

    fn key(&self) -> Option<PublicKey> {
        use der::Encode as _;
        let spki = self.certificate.tbs_certificate().subject_public_key_info().to_der().ok()?;
        PublicKey::from_der(&spki).ok()
    }
}

/// TRUST-CHAIN: at least one certificate, not too many, and each can be read.
fn check_trust_chain(chain: &Vec<CertificateDer<'static>>) -> Result<Vec<Link>> {
    if chain.is_empty() {
        return Err(refuse("there is no certificate")
            .hint("a chain is PEM blocks CERTIFICATE: the authority's own, intermediates, its root"));
    }
    if chain.len() > limits::CHAIN {
        return Err(refuse(&format!("more than {} certificates", limits::CHAIN)));
    }
    let read = |(number, der): (usize, &CertificateDer<'_>)| {
        Link::read(der).map_err(|error| {
            refuse(&format!("certificate {} is not X.509 in DER", number.saturating_add(1))).caused_by(error)
        })
    };
    chain.iter().enumerate().map(read).collect()
}

/// TRUST-CHAIN: from the one certificate that is no CA's to a root, with none left over. The order of the chain.
fn path(links: &[Link]) -> Result<Vec<usize>> {
    let own = |(at, link): (usize, &Link)| (!link.is_ca).then_some(at);
    let leaf = match links.iter().enumerate().filter_map(own).collect::<Vec<_>>()[..] {
        [leaf] => leaf,
        [] => {
            return Err(refuse("the authority's own certificate is not there, only those of CAs").hint(
                "add it, in PEM: tokens are checked with the certificate that you trust, not with their own",
            ));
        }
        _ => {
            return Err(
                refuse("more than one certificate that is not a CA's").hint("give one file per authority")
            );
        }
    };
    let mut order = vec![leaf];
    let mut next = links.get(leaf);
    while let Some(link) = next.filter(|link| link.subject() != link.issuer()) {
        let above = links.iter().position(|other| other.is_ca && other.subject() == link.issuer());
        next = above.filter(|above| !order.contains(above)).and_then(|above| {
            order.push(above);
            links.get(above)
        });
    }
    let root = order.last().and_then(|last| links.get(*last));
    if root.is_none_or(|root| !root.is_ca || root.subject() != root.issuer()) {
        return Err(refuse("the chain does not end at a root, a certificate by itself")
            .hint("add the certificates that are missing above, up to the root"));
    }
    match (0..links.len()).find(|at| !order.contains(at)) {
        Some(other) => {
            Err(refuse(&format!("certificate {} is not part of the chain", other.saturating_add(1)))
                .hint("give one file per authority, with one chain in it"))
        }
        None => Ok(order),
    }
}

fn refuse(why: &str) -> Error {
    Error::new(Check::TrustChain, "").detail(why)
}

/// The common name, else the organisation.
fn name_of(subject: &Name) -> Option<String> {
    let text = |oid| {
        let part = subject.iter().find(|part: &&AttributeTypeAndValue| part.oid == oid)?;
        let text = String::from_utf8_lossy(part.value.value()).into_owned();
        Some(text).filter(|text| !text.is_empty())
    };
    text(COMMON_NAME).or_else(|| text(ORGANISATION))
}

const COMMON_NAME: der::oid::ObjectIdentifier = der::oid::ObjectIdentifier::new_unwrap("2.5.4.3");
const ORGANISATION: der::oid::ObjectIdentifier = der::oid::ObjectIdentifier::new_unwrap("2.5.4.10");
