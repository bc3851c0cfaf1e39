//! Which server, and who we are to it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bs2_events::biostar_x::{Client, ClientBuilder};
use bs2_events::{Error, ErrorKind, Result};
use clap::Args;

use crate::runtime;

/// The server and the account.
#[derive(Args, Clone)]
pub(crate) struct Access {
    /// The server's address, such as https://192.0.2.10
    #[arg(long, value_name = "URL")]
    pub(crate) server: String,
    /// The login id
    #[arg(long, value_name = "LOGIN")]
    pub(crate) user: String,
    /// A file whose first line is the password, instead of the variable BS2_X_PASSWORD
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Trust the authorities in this PEM file, and no others
    #[arg(long, value_name = "FILE", conflicts_with_all = ["pin", "danger_accept_any_certificate"])]
    pub(crate) ca: Option<PathBuf>,
    /// Trust the certificate in this file, PEM or DER, whatever name it has, and no other
    #[arg(long, value_name = "FILE", conflicts_with = "danger_accept_any_certificate")]
    pub(crate) pin: Option<PathBuf>,
    /// Trust any certificate: whoever stands between can read the password
    #[arg(long)]
    pub(crate) danger_accept_any_certificate: bool,
    /// How long a call may take, such as 500ms, 20s or 5m; 30s unless given
    #[arg(long, value_name = "DURATION", value_parser = runtime::duration)]
    pub(crate) timeout: Option<Duration>,
}

impl Access {
    pub(crate) fn client(&self) -> Result<Client> {
        Ok(self.builder()?.build()?)
    }

    pub(crate) fn builder(&self) -> Result<ClientBuilder> {
        let mut builder =
            Client::builder(&self.server).with_credentials(self.user.as_str(), self.password()?);
        if let Some(path) = &self.ca {
            builder = builder.with_authorities(read(path)?);
        }
        if let Some(path) = &self.pin {
            builder = builder.with_pinned_certificate(read(path)?);
        }
        if self.danger_accept_any_certificate {
            builder = builder.danger_accept_any_certificate();
        }
        if let Some(timeout) = self.timeout {
            builder = builder.with_timeout(timeout);
        }
        Ok(builder)
    }

    fn password(&self) -> Result<String> {
        let password = self.given_password()?;
        if password.is_empty() {
            return Err(Error::new(ErrorKind::InvalidInput, "the password is empty"));
        }
        Ok(password)
    }

    fn given_password(&self) -> Result<String> {
        if let Some(path) = &self.password_file {
            let text = String::from_utf8(read(path)?).map_err(|_| {
                Error::new(ErrorKind::InvalidInput, format!("file `{}` holds no text", path.display()))
            })?;
            let text = text.trim_start_matches('\u{feff}');
            return Ok(text.lines().next().unwrap_or_default().to_owned());
        }
        std::env::var(PASSWORD_VARIABLE).map_err(|_| {
            let message = format!("there is no password: set {PASSWORD_VARIABLE}, or give --password-file");
            Error::new(ErrorKind::InvalidInput, message)
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| {
        Error::new(ErrorKind::NotFound, format!("file `{}`", path.display())).with_source(error)
    })
}

const PASSWORD_VARIABLE: &str = "BS2_X_PASSWORD";
