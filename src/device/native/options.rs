//! What a backend is told.

use std::fmt;
use std::net::SocketAddrV4;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{Error, ErrorKind, Result};

/// Where the vendor's library is, and which readers it shall reach.
///
/// # Examples
///
/// ```
/// use bs2_events::device::native::NativeOptions;
///
/// let options = NativeOptions::default()
///     .with_library("/opt/bs2/libBS_SDK_V2.so")
///     .with_device("192.168.0.10:51211".parse()?);
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Clone, Debug)]
pub struct NativeOptions {
    pub(super) library: Option<PathBuf>,
    pub(super) preload: Vec<PathBuf>,
    pub(super) devices: Vec<SocketAddrV4>,
    pub(super) search: bool,
    pub(super) accept: usize,
    pub(super) server_port: Option<u16>,
    pub(super) tls_server_port: Option<u16>,
    pub(super) tls: Option<TlsFiles>,
    pub(super) deadline: Duration,
    pub(super) response_timeout: Option<Duration>,
}

impl NativeOptions {
    /// The library's file; unless set, the platform looks for `libBS_SDK_V2.so` or `BS_SDK_V2.dll`. It is loaded
    /// without looking up what it does not use at once (`RTLD_LAZY`), since some versions miss symbols.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::device::native::NativeOptions;
    /// let options = NativeOptions::default().with_library("./libBS_SDK_V2.so");
    /// ```
    #[must_use]
    pub fn with_library(mut self, path: impl Into<PathBuf>) -> Self {
        self.library = Some(path.into());
        self
    }

    /// A library to load before, with symbols that the vendor's library can see; may be called several times. Versions
    /// from 2.6 on use OpenSSL without naming it, those before 2.8.2 libxml2 too.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::device::native::NativeOptions;
    /// let options = NativeOptions::default().with_preload("libcrypto.so.1.1").with_preload("libssl.so.1.1");
    /// ```
    #[must_use]
    pub fn with_preload(mut self, path: impl Into<PathBuf>) -> Self {
        self.preload.push(path.into());
        self
    }

    /// A reader to connect to; may be called several times. Readers listen at port [`Self::DEVICE_PORT`] unless they are
    /// told otherwise.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::device::native::NativeOptions;
    /// use std::net::{Ipv4Addr, SocketAddrV4};
    ///
    /// let address = SocketAddrV4::new(Ipv4Addr::new(192, 168, 0, 10), NativeOptions::DEVICE_PORT);
    /// let options = NativeOptions::default().with_device(address);
    /// ```
    #[must_use]
    pub fn with_device(mut self, address: SocketAddrV4) -> Self {
        self.devices.push(address);
        self
    }

    /// Looks for readers in the local network whenever they are listed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::device::native::NativeOptions;
    /// let options = NativeOptions::default().with_search();
    /// ```
    #[must_use]
    #[doc(alias = "BS2_SearchDevices")]
    pub const fn with_search(mut self) -> Self {
        self.search = true;
        self
    }

    /// Takes readers that connect to us. The list of readers is complete when so many have come; until then it is waited
    /// for, up to the deadline.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::device::native::NativeOptions;
    /// let options = NativeOptions::default().with_accepted(2).with_server_port(51212);
    /// ```
    #[must_use]
    #[doc(alias = "OnDeviceAccepted")]
    pub const fn with_accepted(mut self, readers: usize) -> Self {
        self.accept = readers;
        self
    }

    /// The port at which readers connect to us; the library's own choice is 51212.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::device::native::NativeOptions;
    /// let options = NativeOptions::default().with_server_port(52_000);
    /// ```
    #[must_use]
    pub const fn with_server_port(mut self, port: u16) -> Self {
        self.server_port = Some(port);
        self
    }

    /// The port at which readers connect to us encrypted; the library's own choice is 51213.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::device::native::NativeOptions;
    /// let options = NativeOptions::default().with_tls_server_port(52_001);
    /// ```
    #[must_use]
    pub const fn with_tls_server_port(mut self, port: u16) -> Self {
        self.tls_server_port = Some(port);
        self
    }

    /// The files of encrypted connections.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::device::native::{NativeOptions, TlsFiles};
    /// let files = TlsFiles::new("ca.crt", "server.crt", "server.key");
    /// let options = NativeOptions::default().with_tls(files);
    /// ```
    #[must_use]
    #[doc(alias = "BS2_SetSSLHandler")]
    pub fn with_tls(mut self, files: TlsFiles) -> Self {
        self.tls = Some(files);
        self
    }

    /// How long a caller waits for one call, 15 s unless set. The library cannot be interrupted: a call that takes longer
    /// goes on, and the next ones to that reader wait for it.
    ///
    /// A [`Client`](crate::device::Client) has a deadline of its own, which should be the longer one.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::device::native::NativeOptions;
    /// let options = NativeOptions::default().with_deadline(std::time::Duration::from_secs(60));
    /// ```
    #[must_use]
    pub const fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How long the library waits for a reader's answer; its own choice is 10 s.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::device::native::NativeOptions;
    /// let options = NativeOptions::default().with_response_timeout(std::time::Duration::from_secs(5));
    /// ```
    #[must_use]
    #[doc(alias = "BS2_SetDefaultResponseTimeout")]
    pub const fn with_response_timeout(mut self, timeout: Duration) -> Self {
        self.response_timeout = Some(timeout);
        self
    }

    /// # Errors
    ///
    /// `InvalidInput` where nothing names a reader.
    pub(super) fn check(&self) -> Result<()> {
        if self.devices.is_empty() && !self.search && self.accept == 0 {
            let message = "no reader is named: give an address, search, or accept readers that connect";
            return Err(Error::new(ErrorKind::InvalidInput, message));
        }
        Ok(())
    }

    /// The port at which readers listen.
    pub const DEVICE_PORT: u16 = 51_211;
}

impl Default for NativeOptions {
    fn default() -> Self {
        Self {
            library: None,
            preload: Vec::new(),
            devices: Vec::new(),
            search: false,
            accept: 0,
            server_port: None,
            tls_server_port: None,
            tls: None,
            deadline: Duration::from_secs(15),
            response_timeout: None,
        }
    }
}

/// The files with which the library proves who it is to readers, and tells who they are.
///
/// # Examples
///
/// ```
/// use bs2_events::device::native::TlsFiles;
///
/// let files = TlsFiles::new("ca.crt", "server.crt", "server.key").with_password("secret");
/// assert!(!format!("{files:?}").contains("secret"));
/// ```
#[derive(Clone)]
pub struct TlsFiles {
    pub(super) root_certificate: PathBuf,
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    pub(super) password: String,
}

impl TlsFiles {
    /// The root certificate, ours, and the key to ours.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::device::native::TlsFiles;
    /// let files = TlsFiles::new("ca.crt", "server.crt", "server.key");
    /// ```
    pub fn new(
        root_certificate: impl AsRef<Path>,
        certificate: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Self {
        Self {
            root_certificate: root_certificate.as_ref().to_owned(),
            certificate: certificate.as_ref().to_owned(),
            key: key.as_ref().to_owned(),
            password: String::new(),
        }
    }

    /// The password of the key.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::device::native::TlsFiles;
    /// let files = TlsFiles::new("ca.crt", "server.crt", "server.key").with_password("secret");
    /// ```
    #[must_use]
    pub fn with_password(mut self, password: impl Into<String>) -> Self {
        self.password = password.into();
        self
    }
}

impl fmt::Debug for TlsFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsFiles")
            .field("root_certificate", &self.root_certificate)
            .field("certificate", &self.certificate)
            .finish_non_exhaustive()
    }
}
