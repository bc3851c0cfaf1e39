//! The channel to a gateway, and whom it trusts.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretSlice};
use tokio_rustls::rustls;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use super::settings::{GatewaySettings, Trust};
use crate::{Error, ErrorKind, Result};

/// An endpoint from which a channel can be made again and again; files are read here, once.
pub(super) fn endpoint(settings: &GatewaySettings) -> Result<Endpoint> {
    let plain = matches!(settings.trust, Trust::DangerPlaintext);
    let scheme = if plain { "http" } else { "https" };
    let address = format!("{scheme}://{}", settings.authority);
    let endpoint = Endpoint::from_shared(address)
        .map_err(|error| invalid("`host` is no address").with_source(error))?
        .user_agent(concat!("bs2-events/", env!("CARGO_PKG_VERSION")))
        .map_err(|error| invalid("the user agent is no header").with_source(error))?
        .connect_timeout(settings.deadline)
        .tcp_nodelay(true)
        .tcp_keepalive(Some(TCP_KEEP_ALIVE))
        // Gateways are written in Go, whose library closes connections that ping more often than every five minutes.
        // Silence is found sooner by the calls that a session makes for that.
        .http2_keep_alive_interval(HTTP2_KEEP_ALIVE)
        .keep_alive_timeout(settings.deadline)
        // Each frame of less than 256 bytes that nobody has read yet costs what it lacks to that of a budget, half the
        // connection's window, and who exceeds it loses the connection. With these windows no stream alone can: even of
        // the smallest messages, 5 bytes, fewer than 32 MiB / 251 fit into it unread. A page of 10 000 events fits too.
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW);
    if plain {
        return Ok(endpoint);
    }
    let mut tls = ClientTlsConfig::new().timeout(settings.deadline);
    if let Some(name) = &settings.server_name {
        tls = tls.domain_name(name);
    }
    if let Some((certificate, key)) = &settings.client_certificate {
        let key = SecretSlice::from(file(key, "client-key")?);
        tls = tls.identity(Identity::from_pem(file(certificate, "client-cert")?, key.expose_secret()));
    }
    match &settings.trust {
        Trust::Ca(path) => {
            let pem = file(path, "ca")?;
            certificates(&pem, "ca")?;
            endpoint.tls_config(tls.ca_certificate(Certificate::from_pem(pem)))
        }
        Trust::Pin(path) => {
            let pinned = certificates(&file(path, "pin")?, "pin")?;
            endpoint.tls_config_with_verifier(tls, Arc::new(Pinned::new(pinned)))
        }
        Trust::SystemRoots => endpoint.tls_config(tls.with_native_roots()),
        Trust::DangerPlaintext => Ok(endpoint),
    }
    .map_err(|error| invalid("the settings of TLS do not go together").with_source(error))
}

/// A channel of its own connection, made at the first call.
pub(super) fn channel(endpoint: &Endpoint) -> Channel {
    endpoint.connect_lazy()
}

/// Accepts these very certificates, whatever they say: names, dates and issuers do not count, keys do.
#[derive(Debug)]
struct Pinned {
    certificates: Vec<CertificateDer<'static>>,
    provider: Arc<CryptoProvider>,
}

impl Pinned {
    fn new(certificates: Vec<CertificateDer<'static>>) -> Self {
        Self { certificates, provider: Arc::new(ring::default_provider()) }
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.certificates.iter().any(|pinned| pinned == end_entity) {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn certificates(pem: &[u8], setting: &str) -> Result<Vec<CertificateDer<'static>>> {
    let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match parsed {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(invalid(&format!("setting `{setting}`: the file holds no certificate in PEM"))),
        Err(error) => {
            Err(invalid(&format!("setting `{setting}`: the file is no PEM")).with_source(error.to_string()))
        }
    }
}

pub(super) fn file(path: &Path, setting: &str) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| {
        invalid(&format!("setting `{setting}`: cannot read {}: {error}", path.display())).with_source(error)
    })
}

fn invalid(message: &str) -> Error {
    Error::new(ErrorKind::InvalidInput, message)
}

const TCP_KEEP_ALIVE: Duration = Duration::from_secs(30);
const HTTP2_KEEP_ALIVE: Duration = Duration::from_secs(330);
const STREAM_WINDOW: u32 = 512 << 10;
const CONNECTION_WINDOW: u32 = 64 << 20;
