//! Certificates of the simulated servers, as the installer of a real server makes them.

use std::error::Error as StdError;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use secrecy::{ExposeSecret, SecretString};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::{Error, ErrorKind, Result, files};

/// The certificate of a simulated server, its key, and the authority that clients must trust.
///
/// `Debug` shows none of them.
///
/// # Examples
///
/// ```
/// use bs2_events::sim::Certificates;
///
/// let certificates = Certificates::make(["server.example", "192.0.2.7"])?;
/// assert!(certificates.ca_pem().unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
///
/// // In a folder they stay the same, so that a client goes on trusting the authority.
/// # let folder = std::env::temp_dir().join(format!("bs2-certificates-{}", std::process::id()));
/// let made = Certificates::open_or_make(&folder, Certificates::LOOPBACK)?;
/// let opened = Certificates::open_or_make(&folder, Certificates::LOOPBACK)?;
/// assert_eq!(made.ca_pem(), opened.ca_pem());
/// # std::fs::remove_dir_all(folder).unwrap();
/// # Ok::<(), bs2_events::Error>(())
/// ```
#[derive(Clone)]
pub struct Certificates {
    ca: Option<String>,
    certificate: String,
    key: SecretString,
}

impl Certificates {
    /// The names of this computer for itself: most certificates have them beside other names.
    pub const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

    /// Makes an authority, and a certificate for exactly these names and addresses.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a name that a certificate cannot hold.
    pub fn make<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Result<Self> {
        let mut names: Vec<String> = names.into_iter().map(Into::into).collect();
        names.sort_unstable();
        names.dedup();
        made(names).map_err(|error| {
            Error::new(ErrorKind::InvalidInput, "setting `names`: no certificate can be made for them")
                .with_source(error)
        })
    }

    /// Opens the certificates in this folder: `ca.crt`, `server.crt` and `server_key.pem`. Makes them, for these names,
    /// if none of the three files exists.
    ///
    /// # Errors
    ///
    /// As [`make`](Self::make) and [`open`](Self::open); [`Storage`](ErrorKind::Storage) or
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) when the files cannot be written.
    pub fn open_or_make<S: Into<String>>(
        folder: impl AsRef<Path>,
        names: impl IntoIterator<Item = S>,
    ) -> Result<Self> {
        let path = |name: &str| folder.as_ref().join(name);
        if [CA, CERTIFICATE, KEY].iter().any(|name| path(name).exists()) {
            let mut opened = Self::open(path(CERTIFICATE), path(KEY))?;
            opened.ca = Some(read(&path(CA))?);
            return Ok(opened);
        }
        let made = Self::make(names)?;
        fs::create_dir_all(&folder).map_err(|error| failed("make folder", folder.as_ref(), error))?;
        // The key is the last: if one file is there, all are.
        for (name, pem, is_secret) in [
            (CA, made.ca.as_deref().unwrap_or_default(), false),
            (CERTIFICATE, &made.certificate, false),
            (KEY, made.key_pem(), true),
        ] {
            write(&path(name), pem, is_secret).map_err(|error| failed("write", &path(name), error))?;
        }
        Ok(made)
    }

    /// Reads a certificate with its chain, and its key, both PEM files. Their contents are checked when a server starts.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound), [`PermissionDenied`](ErrorKind::PermissionDenied) or
    /// [`Storage`](ErrorKind::Storage) when a file cannot be read.
    pub fn open(certificate: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self> {
        Ok(Self::from_pem(read(certificate.as_ref())?, read(key.as_ref())?))
    }

    /// Takes a certificate with its chain, and its key, both PEM. They are checked when a server starts.
    #[must_use]
    pub fn from_pem(certificate: impl Into<String>, key: impl Into<String>) -> Self {
        Self { ca: None, certificate: certificate.into(), key: SecretString::from(key.into()) }
    }

    /// The authority's certificate, PEM, for clients to trust; `None` if only the server's own is known.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca.as_deref()
    }

    /// The server's certificate with its chain, PEM, for clients to pin.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate
    }

    /// The key of the server's certificate, PEM.
    #[must_use]
    pub fn key_pem(&self) -> &str {
        self.key.expose_secret()
    }

    /// The server's side of TLS 1.2 and 1.3 with these protocols, the preferred one first. It wants no certificate of
    /// the client.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) where the PEM holds no certificate or key, or they do not belong
    /// together; as [`provider`](super::provider).
    pub(crate) fn acceptor(&self, alpn: &[&[u8]]) -> Result<TlsAcceptor> {
        let provider = super::provider()?;
        let config = || -> Result<ServerConfig, Box<dyn StdError + Send + Sync>> {
            let chain: Vec<_> =
                CertificateDer::pem_slice_iter(self.certificate.as_bytes()).collect::<Result<_, _>>()?;
            // The error is not kept: it may show parts of the key.
            let key = PrivateKeyDer::from_pem_slice(self.key_pem().as_bytes())
                .map_err(|_| "there is no private key in PEM")?;
            let config = ServerConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()?
                .with_no_client_auth();
            Ok(config.with_single_cert(chain, key)?)
        };
        let mut config = config().map_err(|error| {
            let message = "the server's certificate and key cannot be used";
            Error::new(ErrorKind::InvalidInput, message).with_source(error)
        })?;
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").finish_non_exhaustive()
    }
}

fn made(names: Vec<String>) -> Result<Certificates, rcgen::Error> {
    let params = |names, common_name: &str| -> Result<_, rcgen::Error> {
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::OrganizationName, ORGANISATION);
        params.distinguished_name.push(DnType::CommonName, common_name);
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2049, 12, 31));
        params.extended_key_usages = USAGES.to_vec();
        Ok(params)
    };
    // If the two common names are equal, some libraries take the server's certificate for self-signed.
    let mut ca = params(Vec::new(), "Simulated root")?;
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign];
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate()?)?;

    let mut server = params(names, "Simulated server")?;
    server.is_ca = IsCa::ExplicitNoCa;
    server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    server.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let certificate = server.signed_by(&key, &ca)?;
    Ok(Certificates {
        ca: Some(ca.pem()),
        certificate: certificate.pem(),
        key: SecretString::from(key.serialize_pem()),
    })
}

/// Writes a new file, which everybody or only its owner can read.
fn write(path: &Path, pem: &str, is_secret: bool) -> io::Result<()> {
    let mut file = if is_secret { files::create_new(path) } else { File::create_new(path) }?;
    file.write_all(pem.as_bytes())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| failed("read", path, error))
}

fn failed(what: &str, path: &Path, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        _ => ErrorKind::Storage,
    };
    Error::new(kind, format!("cannot {what} `{}`", path.display())).with_source(error)
}

const CA: &str = "ca.crt";
const CERTIFICATE: &str = "server.crt";
const KEY: &str = "server_key.pem";
const ORGANISATION: &str = "bs2-events";
const USAGES: [ExtendedKeyUsagePurpose; 2] =
    [ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_a_name_that_no_certificate_holds() {
        assert_eq!(Certificates::make(["näme"]).unwrap_err().kind(), ErrorKind::InvalidInput);
    }

    #[test]
    fn a_key_that_belongs_to_another_certificate_is_refused() {
        let [a, b] = [(); 2].map(|()| Certificates::make(Certificates::LOOPBACK).unwrap());
        let mixed = Certificates::from_pem(a.certificate_pem(), b.key_pem());
        let error = mixed.acceptor(&[b"h2"]).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(!format!("{mixed:?} {error:?}").contains("PRIVATE"));
    }

    #[test]
    fn a_file_that_is_missing_is_named() {
        let error = Certificates::open("no/server.crt", "no/server_key.pem").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("server.crt"));
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read_the_key() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        Certificates::open_or_make(folder.path(), ["a.example"]).unwrap();
        let mode = |name| fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(KEY), mode(CA)), (0o600, 0o644));
    }
}
