//! Certificates of the simulated server.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use secrecy::{ExposeSecret, SecretString};
use tokio_rustls::TlsAcceptor;

use super::settings::Identity;
use crate::{Error, ErrorKind, Result};

/// A root that nobody knows, and the certificate of a server under it; all of it as PEM.
///
/// # Examples
///
/// ```
/// use bs2_events::sim::biostar_x::{Certificates, ServerSettings};
///
/// let made = Certificates::make(["localhost"])?;
/// assert!(made.ca_pem().starts_with("-----BEGIN CERTIFICATE-----"));
/// let settings = ServerSettings::default().with_certificate(made.certificate_pem(), made.key_pem());
/// # let _ = settings;
/// # Ok::<(), bs2_events::Error>(())
/// ```
#[derive(Clone)]
pub struct Certificates {
    ca: String,
    certificate: String,
    key: SecretString,
}

impl Certificates {
    /// A new root, and a certificate for these names and addresses.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a name that no certificate can hold.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{ErrorKind, sim::biostar_x::Certificates};
    /// assert!(Certificates::make(["localhost", "192.0.2.7"]).is_ok());
    /// assert_eq!(Certificates::make(["näme"]).unwrap_err().kind(), ErrorKind::InvalidInput);
    /// ```
    pub fn make<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Result<Self> {
        let failed = |error: rcgen::Error| {
            Error::new(ErrorKind::InvalidInput, "setting `names`: no certificate can be made")
                .with_source(error)
        };
        let mut root = CertificateParams::default();
        root.distinguished_name.push(DnType::CommonName, "bs2-events simulated root");
        root.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        root.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let root =
            CertifiedIssuer::self_signed(root, KeyPair::generate().map_err(failed)?).map_err(failed)?;
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let mut leaf = CertificateParams::new(names).map_err(failed)?;
        leaf.distinguished_name.push(DnType::CommonName, "bs2-events simulated server");
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = leaf.signed_by(&key, &root).map_err(failed)?;
        Ok(Self {
            ca: root.pem(),
            certificate: certificate.pem(),
            key: SecretString::from(key.serialize_pem()),
        })
    }

    /// The root, for clients to trust.
    ///
    /// # Examples
    ///
    /// See [`Certificates`].
    #[must_use]
    pub fn ca_pem(&self) -> &str {
        &self.ca
    }

    /// The certificate of the server, for clients to pin.
    ///
    /// # Examples
    ///
    /// See [`Certificates`].
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate
    }

    /// The key of the server's certificate.
    ///
    /// # Examples
    ///
    /// See [`Certificates`].
    #[must_use]
    pub fn key_pem(&self) -> &str {
        self.key.expose_secret()
    }

    pub(super) fn identity(&self) -> Identity {
        Identity { certificates: self.certificate.clone(), key: self.key.clone() }
    }
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificates").finish_non_exhaustive()
    }
}

/// # Errors
///
/// [`InvalidInput`](ErrorKind::InvalidInput) for a certificate or a key that is none, or where they do not belong
/// together.
pub(super) fn acceptor(identity: &Identity, http2: bool) -> Result<TlsAcceptor> {
    let certificates =
        crate::sim::Certificates::from_pem(identity.certificates.as_str(), identity.key.expose_secret());
    certificates.acceptor(if http2 { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] })
}
