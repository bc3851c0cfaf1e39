//! Certificates as a gateway's installer makes them.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use tokio_rustls::TlsAcceptor;

use crate::{Error, ErrorKind, Result};

/// The certificate that a simulated gateway shows, its key, and the authority that clients trust. `Debug` shows none
/// of them.
///
/// # Examples
///
/// ```
/// use bs2_events::sim::gateway::Certificates;
///
/// let certificates = Certificates::make(&["gateway.example".to_owned()])?;
/// assert!(certificates.ca_pem().unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
/// # Ok::<(), bs2_events::Error>(())
/// ```
#[derive(Clone)]
pub struct Certificates {
    ca: Option<String>,
    cert: String,
    key: String,
}

impl Certificates {
    /// Makes an authority and a certificate for these names and addresses, and for 127.0.0.1, ::1 and localhost.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](ErrorKind::InvalidInput) for a name that cannot stand in a certificate.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::gateway::Certificates;
    /// let certificates = Certificates::make(&[])?;
    /// assert!(certificates.ca_pem().is_some());
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    pub fn make(names: &[String]) -> Result<Self> {
        let made = || -> Result<Self, rcgen::Error> {
            let mut ca = CertificateParams::default();
            ca.distinguished_name.push(DnType::OrganizationName, ORGANISATION);
            // Unlike the leaf's: where the two are the same, some libraries take the leaf for self-signed.
            ca.distinguished_name.push(DnType::CommonName, "Simulated gateway root");
            (ca.not_before, ca.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2049, 12, 31));
            ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            ca.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign];
            ca.extended_key_usages = USAGES.to_vec();
            let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate()?)?;

            let always = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
            let mut all: Vec<String> = always.into_iter().chain(names.iter().cloned()).collect();
            all.sort_unstable();
            all.dedup();
            let mut leaf = CertificateParams::new(all)?;
            leaf.distinguished_name.push(DnType::OrganizationName, ORGANISATION);
            leaf.distinguished_name.push(DnType::CommonName, "Simulated gateway");
            (leaf.not_before, leaf.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2049, 12, 31));
            leaf.is_ca = IsCa::ExplicitNoCa;
            leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            leaf.extended_key_usages = USAGES.to_vec();
            leaf.use_authority_key_identifier_extension = true;
            let key = KeyPair::generate()?;
            let cert = leaf.signed_by(&key, &ca)?;
            Ok(Self { ca: Some(ca.pem()), cert: cert.pem(), key: key.serialize_pem() })
        };
        made().map_err(|error| {
            Error::new(ErrorKind::InvalidInput, "the certificates cannot be made").with_source(error)
        })
    }

    /// The certificates in this folder: `ca.crt`, `server.crt` and `server_key.pem`. Where none of the three is
    /// there, they are made, so that clients that have `ca.crt` can go on using it.
    ///
    /// # Errors
    ///
    /// As [`make`](Self::make) and [`open`](Self::open), and [`Storage`](ErrorKind::Storage) or
    /// [`PermissionDenied`](ErrorKind::PermissionDenied) when the files cannot be written.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::gateway::Certificates;
    /// # let folder = std::env::temp_dir().join(format!("bs2-certificates-{}", std::process::id()));
    /// let made = Certificates::open_or_make(&folder, &[])?;
    /// let again = Certificates::open_or_make(&folder, &[])?;
    /// assert_eq!(made.ca_pem(), again.ca_pem());
    /// # std::fs::remove_dir_all(folder).unwrap();
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    pub fn open_or_make(folder: impl AsRef<Path>, names: &[String]) -> Result<Self> {
        let path = |name: &str| folder.as_ref().join(name);
        if [CA, CERT, KEY].iter().any(|name| path(name).exists()) {
            let mut opened = Self::open(path(CERT), path(KEY))?;
            opened.ca = Some(read(&path(CA))?);
            return Ok(opened);
        }
        let made = Self::make(names)?;
        fs::create_dir_all(&folder).map_err(|error| failed(folder.as_ref(), "cannot be made", error))?;
        // The key comes last: whoever finds one finds all.
        for (name, pem) in
            [(CA, made.ca.as_deref().unwrap_or_default()), (CERT, &made.cert), (KEY, &made.key)]
        {
            write(&path(name), pem, name == KEY)
                .map_err(|error| failed(&path(name), "cannot be written", error))?;
        }
        Ok(made)
    }

    /// A certificate with its chain, and its key, both in PEM.
    ///
    /// # Errors
    ///
    /// [`NotFound`](ErrorKind::NotFound), [`PermissionDenied`](ErrorKind::PermissionDenied) or
    /// [`Storage`](ErrorKind::Storage) when a file cannot be read. What is in them is looked at when the gateway
    /// starts.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::{sim::gateway::Certificates, ErrorKind};
    /// let error = Certificates::open("no/server.crt", "no/server_key.pem").unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::NotFound);
    /// ```
    pub fn open(cert: impl AsRef<Path>, key: impl AsRef<Path>) -> Result<Self> {
        Ok(Self { ca: None, cert: read(cert.as_ref())?, key: read(key.as_ref())? })
    }

    /// The authority's certificate in PEM, for clients; `None` where only the gateway's own is known.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::gateway::Certificates;
    /// assert!(Certificates::make(&[])?.ca_pem().is_some());
    /// # Ok::<(), bs2_events::Error>(())
    /// ```
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca.as_deref()
    }

    /// What meets clients: TLS 1.2 and 1.3, HTTP/2, no certificate asked for.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidInput`] where the PEM holds no certificate or key, or they do not belong together.
    pub(super) fn acceptor(&self) -> Result<TlsAcceptor> {
        crate::sim::Certificates::from_pem(self.cert.as_str(), self.key.as_str()).acceptor(&[b"h2"])
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").finish_non_exhaustive()
    }
}

/// The name of an address as it stands in a certificate; none for an address that stands for all.
pub(super) fn name_of(address: IpAddr) -> Option<String> {
    (!address.is_unspecified()).then(|| address.to_string())
}

/// Writes a new file; a secret is its owner's alone where there is such a thing.
fn write(path: &Path, pem: &str, is_secret: bool) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, if is_secret { 0o600 } else { 0o644 });
    options.open(path)?.write_all(pem.as_bytes())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| failed(path, "cannot be read", error))
}

fn failed(path: &Path, what: &str, error: io::Error) -> Error {
    let kind = match error.kind() {
        io::ErrorKind::NotFound => ErrorKind::NotFound,
        io::ErrorKind::PermissionDenied => ErrorKind::PermissionDenied,
        _ => ErrorKind::Storage,
    };
    Error::new(kind, format!("`{}` {what}", path.display())).with_source(error)
}

const CA: &str = "ca.crt";
const CERT: &str = "server.crt";
const KEY: &str = "server_key.pem";
const ORGANISATION: &str = "bs2-events";
const USAGES: [ExtendedKeyUsagePurpose; 2] =
    [ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
