//! The server, the account and whom to trust, as arguments.

use std::path::PathBuf;
use std::time::Duration;

use bs2_events::Result;
use bs2_events::biostar_x::{BiostarX, BiostarXOptions};
use bs2_events::tls::Trust;
use clap::Args;

use crate::runtime;

/// The server and the account.
#[derive(Args, Clone)]
pub(super) struct Access {
    /// The server's address, such as https://192.0.2.10
    #[arg(long, value_name = "URL")]
    server: String,
    /// The login id
    #[arg(long, value_name = "LOGIN")]
    user: String,
    /// A file whose first line is the password, instead of the variable BS2_X_PASSWORD
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Trust the authorities in this PEM file, and no others
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pin", "danger_accept_any_certificate"])]
    ca: Option<PathBuf>,
    /// Trust the certificate in this file, PEM or DER, whatever name it has, and no other
    #[arg(long, value_name = "FILE", conflicts_with = "danger_accept_any_certificate")]
    pin: Option<PathBuf>,
    /// Trust any certificate: anyone on the path can read the password
    #[arg(long)]
    danger_accept_any_certificate: bool,
    /// How long a call may take, such as 500ms, 20s or 5m; 30s by default
    #[arg(long, value_name = "DURATION", value_parser = runtime::duration)]
    timeout: Option<Duration>,
}

impl Access {
    /// A client that is logged in, so that a wrong address or account fails at once.
    pub(super) async fn login(&self) -> Result<BiostarX> {
        let client = self.client()?;
        client.login().await?;
        Ok(client)
    }

    pub(super) fn client(&self) -> Result<BiostarX> {
        BiostarX::new(self.options())
    }

    pub(super) fn options(&self) -> BiostarXOptions {
        let mut options = BiostarXOptions::new(&self.server).with_user(&self.user).with_trust(self.trust());
        if let Some(path) = &self.password_file {
            options = options.with_password_file(path);
        }
        if let Some(timeout) = self.timeout {
            options = options.with_timeout(timeout);
        }
        options
    }

    fn trust(&self) -> Trust {
        match (&self.ca, &self.pin) {
            (Some(path), _) => Trust::ca_file(path),
            (_, Some(path)) => Trust::pin_file(path),
            _ if self.danger_accept_any_certificate => Trust::danger_accept_any_certificate(),
            _ => Trust::system(),
        }
    }
}
