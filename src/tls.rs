//! TLS: whom a client trusts, who the client is, and who does the cryptography.
//!
//! Every client of this crate takes a [`Trust`]; in the address of a source or a destination it is one of these
//! settings:
//!
//! | setting | which certificates the client accepts |
//! |---|---|
//! | none of the others | those whose issuer the operating system trusts |
//! | `ca=FILE` | those whose issuer is in this file, PEM |
//! | `pin=FILE` | those in this file, PEM or DER; their name, expiry and issuer do not matter |
//! | `danger-accept-any-certificate` | all |
//!
//! `client-cert=FILE` and `client-key=FILE`, both PEM, name the client's own certificate, where the server wants one.
//!
//! # Who does the cryptography
//!
//! rustls needs a cryptography provider. This crate uses the one that the program has installed for its process with
//! `CryptoProvider::install_default`. If there is none and the feature `tls-aws-lc` is on, the crate uses aws-lc-rs,
//! for its own connections only. Otherwise a connection over TLS fails with
//! [`Unsupported`](ErrorKind::Unsupported).
//!
//! The crate never installs a provider, and no other feature of the crate turns one on. So the crate changes nothing
//! for a program that uses rustls or reqwest itself.

use std::fmt;
use std::fs;
use std::path::{self, Path, PathBuf};
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretSlice};
use tokio_rustls::rustls;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};

use crate::error::invalid;
use crate::settings::{Settings, SettingsText};
use crate::{Error, ErrorKind, Result};

#[cfg(feature = "sim-servers")]
pub(crate) mod certificates;

/// Which certificates of a server a client accepts.
///
/// Files are read when the client is made, not when it connects.
///
/// # Examples
///
/// ```
/// use bs2_events::tls::Trust;
///
/// // The default: the operating system's authorities.
/// assert_eq!(Trust::default(), Trust::system());
///
/// // The certificate of the company's own authority.
/// let trust = Trust::ca_file("company-ca.pem");
///
/// // A server whose certificate has expired, or has another name: pin the certificate itself.
/// let trust = Trust::pin_file("server.pem");
/// ```
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Trust(Accepted);

#[derive(Clone, Default, Eq, PartialEq)]
enum Accepted {
    #[default]
    System,
    Authorities(Source),
    Pinned(Source),
    Any,
}

/// A file, or its bytes.
#[derive(Clone, Eq, PartialEq)]
enum Source {
    File(PathBuf),
    Bytes(Vec<u8>),
}

impl Trust {
    /// Accepts certificates whose issuer the operating system trusts.
    #[must_use]
    pub const fn system() -> Self {
        Self(Accepted::System)
    }

    /// Accepts certificates whose issuer is one of these, PEM, and no others.
    #[must_use]
    pub fn ca(pem: impl Into<Vec<u8>>) -> Self {
        Self(Accepted::Authorities(Source::Bytes(pem.into())))
    }

    /// Like [`ca`](Self::ca), with the certificates of the issuers in a PEM file.
    #[must_use]
    pub fn ca_file(path: impl Into<PathBuf>) -> Self {
        Self(Accepted::Authorities(Source::File(path.into())))
    }

    /// Accepts only these certificates, PEM, or one of them, DER.
    ///
    /// Ignores name, expiry and issuer of the certificate. The server must still prove that it holds the key.
    #[must_use]
    pub fn pin(certificate: impl Into<Vec<u8>>) -> Self {
        Self(Accepted::Pinned(Source::Bytes(certificate.into())))
    }

    /// Like [`pin`](Self::pin), with the certificates in a file.
    #[must_use]
    pub fn pin_file(path: impl Into<PathBuf>) -> Self {
        Self(Accepted::Pinned(Source::File(path.into())))
    }

    /// Accepts every certificate. Anyone on the path to the server can read everything, passwords included, and answer
    /// in the server's place.
    #[must_use]
    pub const fn danger_accept_any_certificate() -> Self {
        Self(Accepted::Any)
    }

    /// Reads the settings `ca`, `pin` and `danger-accept-any-certificate`. Without any of them it is
    /// [`system`](Self::system).
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) where they exclude each other or have no value.
    pub fn from_settings(settings: &Settings) -> Result<Self> {
        settings.at_most_one(&["ca", "pin", "danger-accept-any-certificate"])?;
        let ca = settings.file("ca")?.map(Self::ca_file);
        let pin = settings.file("pin")?.map(Self::pin_file);
        let any = settings.switch("danger-accept-any-certificate")?.unwrap_or_default();
        let any = any.then(Self::danger_accept_any_certificate);
        Ok(ca.or(pin).or(any).unwrap_or_default())
    }

    /// Adds the setting that [`from_settings`](Self::from_settings) reads. Certificates that are not in a file give a
    /// setting without a value, which is refused when it is read.
    #[must_use]
    pub fn write(&self, text: SettingsText) -> SettingsText {
        match &self.0 {
            Accepted::System => text,
            Accepted::Authorities(source) => text.with("ca", source.path()),
            Accepted::Pinned(source) => text.with("pin", source.path()),
            Accepted::Any => text.with("danger-accept-any-certificate", true),
        }
    }

    /// The client's side of TLS 1.2 and 1.3, with this identity and these protocols, the preferred one first.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a file that cannot be read or does not hold what it should, and
    /// where the operating system trusts no authority at all; as [`provider`].
    pub(crate) fn client_config(
        &self,
        identity: Option<&ClientIdentity>,
        alpn: &[&[u8]],
    ) -> Result<ClientConfig> {
        let provider = provider()?;
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| {
                let message = "the cryptography provider supports neither TLS 1.2 nor TLS 1.3";
                Error::new(ErrorKind::Unsupported, message).with_source(error)
            })?;
        let pinned = |certificates| Arc::new(PinnedVerifier { certificates, provider });
        let config = match &self.0 {
            Accepted::System => config.with_root_certificates(system_roots()?),
            Accepted::Authorities(source) => config.with_root_certificates(roots(source)?),
            Accepted::Pinned(source) => {
                let verifier = pinned(Some(source.certificates("pin")?));
                config.dangerous().with_custom_certificate_verifier(verifier)
            }
            Accepted::Any => config.dangerous().with_custom_certificate_verifier(pinned(None)),
        };
        let mut config = match identity {
            None => config.with_no_client_auth(),
            Some(identity) => {
                let (chain, key) = identity.read()?;
                config.with_client_auth_cert(chain, key).map_err(|error| {
                    invalid("settings `client-cert` and `client-key`: they do not belong together")
                        .with_source(error)
                })?
            }
        };
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(config)
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Accepted::System => f.write_str("System"),
            Accepted::Authorities(source) => f.debug_tuple("Authorities").field(source).finish(),
            Accepted::Pinned(source) => f.debug_tuple("Pinned").field(source).finish(),
            Accepted::Any => f.write_str("Any"),
        }
    }
}

impl Source {
    fn path(&self) -> path::Display<'_> {
        match self {
            Self::File(path) => path.display(),
            Self::Bytes(_) => Path::new("").display(),
        }
    }

    fn read(&self, setting: &str) -> Result<Vec<u8>> {
        match self {
            Self::File(path) => fs::read(path).map_err(|error| {
                invalid(format!("setting `{setting}`: cannot read `{}`: {error}", path.display()))
                    .with_source(error)
            }),
            Self::Bytes(bytes) => Ok(bytes.clone()),
        }
    }

    /// At least one certificate.
    fn certificates(&self, setting: &str) -> Result<Vec<CertificateDer<'static>>> {
        let bytes = self.read(setting)?;
        // DER begins with the tag of a sequence. PEM never does.
        if setting == "pin" && bytes.first() == Some(&0x30) {
            return Ok(vec![bytes.into()]);
        }
        let parsed: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
        match parsed {
            Ok(certificates) if !certificates.is_empty() => Ok(certificates),
            Ok(_) => Err(invalid(format!("setting `{setting}`: there is no certificate in {self}"))),
            Err(error) => Err(invalid(format!("setting `{setting}`: {self} is not PEM")).with_source(error)),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "`{}`", path.display()),
            Self::Bytes(_) => f.write_str("the given text"),
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.fmt(f),
            Self::Bytes(_) => f.write_str(".."),
        }
    }
}

/// A client's own certificate and its key. `Debug` and errors never show the key.
#[derive(Clone)]
pub struct ClientIdentity {
    certificate: Source,
    key: Key,
}

#[derive(Clone)]
enum Key {
    File(PathBuf),
    Bytes(SecretSlice<u8>),
}

impl ClientIdentity {
    /// The identity with the certificate chain and the key in these PEM files.
    #[must_use]
    pub fn from_files(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        Self { certificate: Source::File(certificate.into()), key: Key::File(key.into()) }
    }

    /// The identity with this certificate chain and key, PEM.
    #[must_use]
    pub fn from_pem(certificate: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        let key = Key::Bytes(SecretSlice::from(key.into()));
        Self { certificate: Source::Bytes(certificate.into()), key }
    }

    /// Reads the settings `client-cert` and `client-key`; `None` without them.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) where only one of them is there, or one has no value.
    pub fn from_settings(settings: &Settings) -> Result<Option<Self>> {
        settings.all_or_none(&["client-cert", "client-key"])?;
        let files = settings.file("client-cert")?.zip(settings.file("client-key")?);
        Ok(files.map(|(certificate, key)| Self::from_files(certificate, key)))
    }

    /// Adds the settings that [`from_settings`](Self::from_settings) reads; without values for what is not in a file.
    #[must_use]
    pub fn write(&self, text: SettingsText) -> SettingsText {
        let key = match &self.key {
            Key::File(path) => path.display(),
            Key::Bytes(_) => Path::new("").display(),
        };
        text.with("client-cert", self.certificate.path()).with("client-key", key)
    }

    /// The certificate chain, PEM: some servers want it in a request.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a file that cannot be read or is not text.
    #[cfg(feature = "gateway")]
    pub(crate) fn certificate_pem(&self) -> Result<String> {
        let pem = self.certificate.read("client-cert")?;
        String::from_utf8(pem).map_err(|_| invalid("setting `client-cert`: the certificate is not PEM"))
    }

    fn read(&self) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
        let chain = self.certificate.certificates("client-cert")?;
        let key = match &self.key {
            Key::File(path) => SecretSlice::from(Source::File(path.clone()).read("client-key")?),
            Key::Bytes(bytes) => bytes.clone(),
        };
        // The error is not kept: it may show parts of the file.
        let key = PrivateKeyDer::from_pem_slice(key.expose_secret())
            .map_err(|_| invalid("setting `client-key`: there is no private key in PEM"))?;
        Ok((chain, key))
    }
}

impl PartialEq for ClientIdentity {
    fn eq(&self, other: &Self) -> bool {
        let same_key = match (&self.key, &other.key) {
            (Key::File(a), Key::File(b)) => a == b,
            (Key::Bytes(a), Key::Bytes(b)) => a.expose_secret() == b.expose_secret(),
            _ => false,
        };
        same_key && self.certificate == other.certificate
    }
}

impl Eq for ClientIdentity {}

impl fmt::Debug for ClientIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientIdentity").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// The cryptography of every connection: the process's own provider, otherwise aws-lc-rs if the feature is on.
///
/// # Errors
///
/// [`Unsupported`](ErrorKind::Unsupported) if there is neither.
pub(crate) fn provider() -> Result<Arc<CryptoProvider>> {
    if let Some(installed) = CryptoProvider::get_default() {
        return Ok(Arc::clone(installed));
    }
    #[cfg(feature = "tls-aws-lc")]
    return Ok(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    #[cfg(not(feature = "tls-aws-lc"))]
    return Err(Error::new(
        ErrorKind::Unsupported,
        "TLS needs a cryptography provider: turn on the feature `tls-aws-lc` of bs2-events, or install a rustls provider \
         for the process",
    ));
}

fn system_roots() -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        let message = "the operating system trusts no authority: name one with `ca=FILE`, or the server's certificate \
                       with `pin=FILE`";
        return Err(invalid(message));
    }
    Ok(roots)
}

fn roots(source: &Source) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(source.certificates("ca")?);
    if added == 0 {
        return Err(invalid(format!("setting `ca`: no certificate in {source} can be read")));
    }
    Ok(roots)
}

/// Accepts only the pinned certificates, or any; ignores name, expiry and issuer, and still verifies the signature.
#[derive(Debug)]
struct PinnedVerifier {
    /// `None` accepts any.
    certificates: Option<Vec<CertificateDer<'static>>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinnedVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        match &self.certificates {
            Some(pinned) if !pinned.contains(end_entity) => {
                Err(CertificateError::ApplicationVerificationFailure.into())
            }
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 5] = ["ca", "client-cert", "client-key", "danger-accept-any-certificate", "pin"];

    #[test]
    fn settings_are_written_as_they_are_read() {
        for query in ["", "ca=a%20b.pem", "pin=c", "danger-accept-any-certificate=true"] {
            let trust = Trust::from_settings(&Settings::parse(query, &NAMES, &[]).unwrap()).unwrap();
            assert_eq!(trust.write(SettingsText::without_address()).to_string(), query);
        }
        let query = "client-cert=a.crt&client-key=a.key";
        let identity = ClientIdentity::from_settings(&Settings::parse(query, &NAMES, &[]).unwrap()).unwrap();
        let identity = identity.unwrap();
        assert_eq!(identity, ClientIdentity::from_files("a.crt", "a.key"));
        assert_eq!(identity.write(SettingsText::without_address()).to_string(), query);
    }

    #[test]
    fn what_is_not_in_a_file_is_never_read_as_something_else() {
        let text = Trust::pin(*b"0 certificate").write(SettingsText::without_address()).to_string();
        let error = Trust::from_settings(&Settings::parse(&text, &NAMES, &[]).unwrap()).unwrap_err();
        assert_eq!(error.to_string(), "setting `pin` has no value");
    }

    #[test]
    fn a_switch_that_is_off_trusts_the_system() {
        let settings = Settings::parse("danger-accept-any-certificate=false", &NAMES, &[]).unwrap();
        assert_eq!(Trust::from_settings(&settings).unwrap(), Trust::system());
    }

    #[test]
    fn refuses_what_is_no_certificate_and_names_the_setting() {
        for (trust, expected) in [
            (Trust::ca("no PEM"), "setting `ca`: there is no certificate in the given text"),
            (Trust::ca(PEM_OF_NOTHING), "setting `ca`: no certificate in the given text can be read"),
            (Trust::ca("-----BEGIN CERTIFICATE-----\nA"), "setting `ca`: the given text is not PEM"),
            (Trust::pin(""), "setting `pin`: there is no certificate in the given text"),
            (Trust::pin_file("no/such.pem"), "setting `pin`: cannot read `no/such.pem`"),
        ] {
            let error = trust.client_config(None, &[]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
            assert!(error.to_string().starts_with(expected), "{error}");
        }
    }

    #[test]
    fn no_key_is_shown() {
        let identity = ClientIdentity::from_pem("certificate", "the secret key");
        let error = identity.read().unwrap_err();
        assert!(!format!("{identity:?} {error:?}").contains("secret"));
        let text = identity.write(SettingsText::without_address()).to_string();
        assert_eq!(text, "client-cert=&client-key=");
    }

    const PEM_OF_NOTHING: &str = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
}
