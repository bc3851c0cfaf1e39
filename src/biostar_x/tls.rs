//! Which certificates are trusted.

use std::fmt;
use std::sync::Arc;

use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme,
};

use crate::biostar_x::codes::invalid;
use crate::{Error, ErrorKind, Result};

/// Whose certificates are accepted.
#[derive(Clone)]
pub(super) enum Trust {
    /// Those that the operating system trusts.
    System,
    /// Those that these authorities signed, and no others.
    Authorities(Vec<CertificateDer<'static>>),
    /// This one, under any name.
    Leaf(CertificateDer<'static>),
    /// Any.
    Anything,
}

impl Trust {
    /// Certificates of authorities, as PEM.
    pub(super) fn authorities(pem: &[u8]) -> Result<Self> {
        let certificates = certificates(pem)?;
        if certificates.is_empty() {
            return Err(invalid("setting `ca`: there is no certificate in it"));
        }
        Ok(Self::Authorities(certificates))
    }

    /// One certificate, as PEM or DER.
    pub(super) fn leaf(certificate: &[u8]) -> Result<Self> {
        // DER begins with the tag of a sequence, which no PEM does.
        if certificate.first() == Some(&0x30) {
            return Ok(Self::Leaf(certificate.to_vec().into()));
        }
        let first = certificates(certificate)?.into_iter().next();
        first.map(Self::Leaf).ok_or_else(|| invalid("setting `pin`: there is no certificate in it"))
    }

    /// The client's side of TLS, the same for requests and for the socket.
    pub(super) fn config(self) -> Result<ClientConfig> {
        let provider = Arc::new(ring::default_provider());
        let verifier: Arc<dyn ServerCertVerifier> = match self {
            Self::System => verifier(rustls_native_certs::load_native_certs().certs, &provider)?,
            Self::Authorities(certificates) => verifier(certificates, &provider)?,
            Self::Leaf(certificate) => {
                Arc::new(OnlyThis { certificate: Some(certificate), provider: provider.clone() })
            }
            Self::Anything => Arc::new(OnlyThis { certificate: None, provider: provider.clone() }),
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::new(ErrorKind::Other, "TLS cannot be set up").with_source(error))?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        Ok(config)
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::System => "System",
            Self::Authorities(_) => "Authorities(..)",
            Self::Leaf(_) => "Leaf(..)",
            Self::Anything => "Anything",
        })
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(|error| {
        Error::new(ErrorKind::InvalidInput, "a certificate cannot be read as PEM").with_source(error)
    })
}

fn verifier(
    certificates: Vec<CertificateDer<'static>>,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates);
    if added == 0 {
        let message = "there is no authority to trust: give a CA, or pin the server's certificate";
        return Err(Error::new(ErrorKind::CertificateRefused, message));
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build();
    match verifier {
        Ok(verifier) => Ok(verifier),
        Err(error) => {
            Err(Error::new(ErrorKind::CertificateRefused, "the authorities cannot be used")
                .with_source(error))
        }
    }
}

/// Accepts one certificate under any name, or any; the server still has to prove that it holds the key.
#[derive(Debug)]
struct OnlyThis {
    certificate: Option<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for OnlyThis {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        match &self.certificate {
            Some(expected) if expected.as_ref() != end_entity.as_ref() => {
                Err(TlsError::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
            }
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
