//! Settings in code: who and where.

use std::net::SocketAddr;
use std::path::PathBuf;

use secrecy::SecretString;

use super::{Account, Identity, ServerSettings};

impl ServerSettings {
    /// Sets who may log in; `admin` with the password `simulated` unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::{Account, ServerSettings};
    /// let settings = ServerSettings::default().with_accounts([Account::new("api", "secret")]);
    /// assert!(!format!("{settings:?}").contains("secret"));
    /// ```
    #[must_use]
    pub fn with_accounts(mut self, accounts: impl IntoIterator<Item = Account>) -> Self {
        self.accounts = accounts.into_iter().collect();
        self
    }

    /// Sets where to listen; any free port of 127.0.0.1 unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::ServerSettings;
    /// let settings = ServerSettings::default().with_address(([127, 0, 0, 1], 8443).into());
    /// assert!(format!("{settings:?}").contains("127.0.0.1:8443"));
    /// ```
    #[must_use]
    pub fn with_address(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Sets the names in the certificate that the server makes; `localhost`, `127.0.0.1` and `::1` unless set.
    ///
    /// With other names it is as at a real server, whose certificate does not hold its address.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::ServerSettings;
    /// let settings = ServerSettings::default().with_names(["biostar.example"]);
    /// assert!(format!("{settings:?}").contains("biostar.example"));
    /// ```
    #[must_use]
    pub fn with_names<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.names = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets a certificate chain and its key, both as PEM; the server makes its own unless set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::ServerSettings;
    /// # let (certificates, key) = ("", "");
    /// let settings = ServerSettings::default().with_certificate(certificates, key);
    /// # assert!(format!("{settings:?}").contains("own_certificate: true"));
    /// ```
    #[must_use]
    pub fn with_certificate(mut self, certificates: impl Into<String>, key: impl Into<String>) -> Self {
        let key = SecretString::from(key.into());
        self.certificate = Some(Identity { certificates: certificates.into(), key });
        self
    }

    /// Sets the file in which the state is kept; it is kept in memory unless set.
    ///
    /// A server that is started on the same file with the same settings goes on where the last one ended, also
    /// where that one was killed; sessions are over then.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bs2_events::sim::biostar_x::ServerSettings;
    /// let settings = ServerSettings::default().with_state("server.jsonl");
    /// assert!(format!("{settings:?}").contains("server.jsonl"));
    /// ```
    #[must_use]
    pub fn with_state(mut self, path: impl Into<PathBuf>) -> Self {
        self.state = Some(path.into());
        self
    }
}
